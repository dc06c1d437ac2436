//! Receipts: one line for each finished transaction, each carrying the digest of the line before it, so that a line taken out or
//! altered later is seen.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::digest::Digest;
use crate::host::dir::DiskError;
use crate::host::state::{State, absent_is_none};
use crate::outcome::{End, Receipt};
use crate::sealed;

const NAME: &str = "ledger";

/// History is read up to this many bytes from its end: some hundred thousand receipts.
const MAX_HISTORY: u64 = 256 * 1024 * 1024;

/// Enough of the end to chain the next receipt and to see that it is not there already.
const TAIL: u64 = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Entry {
    /// Digest of the line before, without its newline; of nothing for the first.
    previous: Digest,
    receipt: Receipt,
}

/// The receipts on disk, oldest first.
pub struct Ledger {
    /// What could be read.
    pub receipts: Vec<Receipt>,
    /// Line numbers (from 1) that are damaged or do not follow the line before them.
    pub broken: Vec<usize>,
    /// Digest of the last whole line, without its newline.
    pub head: Option<Digest>,
}

impl Ledger {
    /// Reads all of it.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(state: &State) -> Result<Self, DiskError> {
        let bytes = absent_is_none(state.root().tail(OsStr::new(NAME), MAX_HISTORY))?;
        Ok(bytes.map_or_else(|| Self::of(b""), |(bytes, _)| Self::of(&bytes)))
    }

    /// What these bytes tell; a torn end is nothing.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut ledger = Self { receipts: Vec::new(), broken: Vec::new(), head: None };
        let mut previous: &[u8] = b"";
        for (index, line) in lines(bytes).enumerate() {
            match sealed::open::<Entry>(line) {
                Some(entry) => {
                    if entry.previous != Digest::of(previous) {
                        ledger.broken.push(index + 1);
                    }
                    ledger.receipts.push(entry.receipt);
                }
                None => ledger.broken.push(index + 1),
            }
            previous = line;
        }
        ledger.head = (!previous.is_empty()).then(|| Digest::of(previous));
        ledger
    }
}

/// When the newest receipt was given, UTC.
///
/// # Errors
/// The ledger is there and cannot be read.
pub(super) fn newest(state: &State) -> Result<Option<OffsetDateTime>, DiskError> {
    let Some((bytes, _)) = absent_is_none(state.root().tail(OsStr::new(NAME), TAIL))? else { return Ok(None) };
    let entries = bytes.split(|byte| *byte == b'\n').filter_map(sealed::open::<Entry>);
    // The last, not the latest: one that was given by a clock which was ahead is made good by the next.
    Ok(entries.map(|entry| entry.receipt.at).next_back())
}

/// Adds a receipt; the same one (target and generation) at the end already is not added again, so that recovery may repeat it.
///
/// # Errors
/// A call failed.
pub(super) fn add(state: &State, receipt: &Receipt) -> Result<(), DiskError> {
    append(state, |end| following(end, receipt))
}

/// Adds that a change was refused; not again where it is the last that is told of the target, so that a timer does not fill the ledger.
///
/// # Errors
/// A call failed.
pub(super) fn add_refusal(state: &State, receipt: &Receipt) -> Result<(), DiskError> {
    append(state, |end| {
        following_unless(end, receipt, |lines| {
            let last = lines.iter().rev().filter_map(|line| open(line)).find(|known| known.target == receipt.target);
            last.is_some_and(|known| (&known.verb, &known.end) == (&receipt.verb, &receipt.end))
        })
    })
}

fn open(line: &[u8]) -> Option<Receipt> {
    sealed::open::<Entry>(line).map(|entry| entry.receipt)
}

/// Appends what follows the end of the ledger; a torn line is cut off.
fn append(
    state: &State,
    next: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, serde_json::Error>,
) -> Result<(), DiskError> {
    let name = OsStr::new(NAME);
    let (mut bytes, mut skipped) = absent_is_none(state.root().tail(name, TAIL))?.unwrap_or_default();
    if skipped > 0 && whole(&bytes) == 0 {
        // No line of ours is so long: what was written last stands before it.
        (bytes, skipped) = state.root().tail(name, u64::MAX)?;
    }
    let line = next(&bytes).map_err(|error| DiskError {
        what: "encode a receipt for",
        path: state.root().path().join(NAME),
        source: error.into(),
    })?;
    let Some(line) = line else { return Ok(()) };
    let whole = whole(&bytes);
    let mut file = state.root().append(name)?;
    if whole < bytes.len() {
        file.cut(skipped + whole as u64)?;
    }
    file.append(&line)?;
    if bytes.is_empty() {
        state.root().sync()?;
    }
    Ok(())
}

/// The whole lines, without what ends them.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes[..whole(bytes)].split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1])
}

/// Bytes of whole lines.
fn whole(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// The line with a receipt that is to follow the whole ones at the end of a ledger; none where one of them has it already.
pub(super) fn following(end: &[u8], receipt: &Receipt) -> Result<Option<Vec<u8>>, serde_json::Error> {
    following_unless(end, receipt, |lines| {
        lines.iter().rev().filter_map(|line| open(line)).any(|known| {
            known.target == receipt.target
                && known.generation == receipt.generation
                && !matches!(known.end, End::Refused { .. })
        })
    })
}

/// The same, unless it is `done` already, which is asked of the whole lines at the end.
fn following_unless(
    end: &[u8],
    receipt: &Receipt,
    done: impl FnOnce(&[&[u8]]) -> bool,
) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let lines: Vec<&[u8]> = lines(end).collect();
    if done(&lines) {
        return Ok(None);
    }
    let previous = Digest::of(lines.last().copied().unwrap_or_default());
    sealed::line(&Entry { previous, receipt: receipt.clone() }).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(generation: u32) -> Receipt {
        Receipt {
            target: "web".to_owned(),
            generation,
            verb: "install".to_owned(),
            at: OffsetDateTime::UNIX_EPOCH,
            actor: "uid 0".to_owned(),
            trigger: None,
            recovered: None,
            why: "asked".to_owned(),
            before: None,
            after: None,
            pairs: Vec::new(),
            checks: Vec::new(),
            end: End::Accepted,
        }
    }

    /// Also behind an empty line, which an editor may leave: it is damage, and the receipt after it is not.
    #[test]
    fn a_receipt_follows_whatever_line_is_last() {
        let first = following(b"", &receipt(1)).unwrap().unwrap();
        for (between, broken) in [(&b""[..], &[][..]), (b"\n", &[2]), (b"x\n", &[2]), (b"x\n\n", &[2, 3])] {
            let before = [&first, between].concat();
            let line = following(&before, &receipt(2)).unwrap().unwrap();
            let ledger = Ledger::of(&[before, line].concat());
            assert_eq!((ledger.receipts.len(), ledger.broken.as_slice()), (2, broken), "{between:?}");
        }
        assert_eq!(following(&first, &receipt(1)).unwrap(), None, "it is there");
        assert_eq!(Ledger::of(&first[..first.len() - 1]).receipts, [], "a torn end is nothing");
    }
}
