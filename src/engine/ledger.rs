//! Receipts: one line for each finished transaction, each carrying the digest of the line before it, so that a line taken out or
//! altered later is seen.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::sealed;
use crate::digest::Digest;
use crate::host::dir::DiskError;
use crate::host::state::{State, absent_is_none};
use crate::outcome::{End, Receipt};

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
        let mut ledger = Self { receipts: Vec::new(), broken: Vec::new(), head: None };
        let Some((bytes, _)) = bytes else { return Ok(ledger) };
        let mut previous: &[u8] = b"";
        let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        for (index, line) in whole.enumerate() {
            match sealed::open::<Entry>(line) {
                Some(entry) => {
                    if entry.previous != Digest::of(previous) {
                        ledger.broken.push(index + 1);
                    }
                    ledger.receipts.push(entry.receipt);
                }
                None => ledger.broken.push(index + 1),
            }
            previous = line.strip_suffix(b"\n").unwrap_or(line);
        }
        ledger.head = (!previous.is_empty()).then(|| Digest::of(previous));
        Ok(ledger)
    }
}

/// When the newest receipt was given, UTC.
///
/// # Errors
/// The ledger is there and cannot be read.
pub(super) fn newest(state: &State) -> Result<Option<OffsetDateTime>, DiskError> {
    let Some((bytes, _)) = absent_is_none(state.root().tail(OsStr::new(NAME), TAIL))? else { return Ok(None) };
    let entries = bytes.split(|byte| *byte == b'\n').filter_map(sealed::open::<Entry>);
    Ok(entries.map(|entry| entry.receipt.at).max())
}

/// Adds a receipt; the same one (target and generation) at the end already is not added again, so that recovery may repeat it.
///
/// # Errors
/// A call failed.
pub(super) fn add(state: &State, receipt: &Receipt) -> Result<(), DiskError> {
    add_unless(state, receipt, |lines| {
        lines.iter().rev().filter_map(|line| open(line)).any(|known| {
            known.target == receipt.target
                && known.generation == receipt.generation
                && !matches!(known.end, End::Refused { .. })
        })
    })
}

/// Adds that a change was refused; not again where it is the last that is told of the target, so that a timer does not fill the ledger.
///
/// # Errors
/// A call failed.
pub(super) fn add_refusal(state: &State, receipt: &Receipt) -> Result<(), DiskError> {
    add_unless(state, receipt, |lines| {
        let last = lines.iter().rev().filter_map(|line| open(line)).find(|known| known.target == receipt.target);
        last.is_some_and(|known| (&known.verb, &known.end) == (&receipt.verb, &receipt.end))
    })
}

fn open(line: &[u8]) -> Option<Receipt> {
    sealed::open::<Entry>(line).map(|entry| entry.receipt)
}

/// Adds a receipt unless that is done already, which is asked of the lines at the end.
fn add_unless(state: &State, receipt: &Receipt, done: impl FnOnce(&[&[u8]]) -> bool) -> Result<(), DiskError> {
    let name = OsStr::new(NAME);
    let (bytes, skipped) = absent_is_none(state.root().tail(name, TAIL))?.unwrap_or_default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines: Vec<&[u8]> = bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    if done(&lines) {
        return Ok(());
    }
    let previous = Digest::of(lines.last().copied().unwrap_or_default());
    let entry = Entry { previous, receipt: receipt.clone() };
    let line = sealed::line(&entry).map_err(|error| DiskError {
        what: "encode a receipt for",
        path: state.root().path().join(NAME),
        source: error.into(),
    })?;
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
