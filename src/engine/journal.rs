//! What is about to be done, on disk and synced before it is done.
//!
//! One file for each target with a transaction under way. Its first line holds everything undo needs: paths, what stood there,
//! what will stand there, how the service takes files up, what its probes showed. It holds digests, never the bytes of a key.
//! The lines after it are marks. A torn last line was never acted upon, because every line is synced before its act.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::change::{Apply, Hooks, Image, Probe, Shown};
use crate::digest::Digest;
use crate::host::dir::{Appender, Dir, DiskError};
use crate::host::state::{State, file_name};
use crate::outcome::{Checks, Leaves, Receipt, Trigger, explain};
use crate::sealed;

/// The highest format this program writes. A journal with a higher one is left alone.
pub(super) const FORMAT: u32 = 2;

/// The format of a transaction without hooks: a program of before there were any undoes it as well.
const WITHOUT_HOOKS: u32 = 1;

/// The format of a transaction with these hooks.
#[must_use]
pub(super) fn format_with(hooks: &Hooks) -> u32 {
    if hooks.is_empty() { WITHOUT_HOOKS } else { FORMAT }
}

/// Its directory in reseal's own.
pub(super) const AREA: &str = "journal";

/// The first line: the whole transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    /// [`format_with`]
    pub format: u32,
    /// The target.
    pub target: String,
    /// Who asked for it.
    pub verb: String,
    /// Why.
    pub why: String,
    /// User id and, under sudo, the caller's name.
    pub actor: String,
    /// What made them; none in journals of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// When it began, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub began: OffsetDateTime,
    /// The number this transaction takes.
    pub generation: u32,
    /// The generation in which the bytes that were there are kept.
    pub backup: u32,
    /// Leaf before.
    pub before: Option<Digest>,
    /// Leaf after.
    pub after: Option<Digest>,
    /// Of several pairs, the leaves of each; nothing in journals of before it was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Leaves>,
    /// A user whose directories are trusted besides root's.
    pub trusted_owner: Option<u32>,
    /// The acts, in order.
    pub acts: Vec<Act>,
    /// What is removed after the commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retire: Vec<PathBuf>,
    /// How the service takes files up.
    pub apply: Apply,
    /// What runs around it.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// The probes.
    pub probes: Vec<Watched>,
    /// How long things may take.
    pub limits: Limits,
}

/// One act as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Act {
    /// Its kind.
    pub kind: Kind,
    /// Real path, links resolved but for the last component.
    pub path: PathBuf,
    /// The name beside it under which the new waits before and the old waits after the act.
    pub staged: String,
    /// What stands there before.
    pub before: Image,
    /// What stands there after.
    pub after: Image,
}

/// The kinds of acts: one for each [`crate::change::Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// [`crate::change::Step::MakeDir`]
    MakeDir,
    /// [`crate::change::Step::PutFile`]
    PutFile,
    /// [`crate::change::Step::PutLink`]
    PutLink,
    /// [`crate::change::Step::RemoveFile`]
    RemoveFile,
}

/// A probe, what it showed before, and what it must show after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watched {
    /// The probe.
    pub probe: Probe,
    /// What it showed before anything was touched.
    pub before: Shown,
    /// The leaf it must show; none for a command, or where any leaf will do.
    pub wanted: Option<Digest>,
}

/// How long things may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Until every probe shows what it must.
    pub verify: u64,
    /// Over which every handshake must show it: longer than the server's own overlap of old and new workers.
    pub settle: u64,
    /// One probe.
    pub probe: u64,
}

/// The lines after the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mark", rename_all = "kebab-case")]
pub(super) enum Mark {
    /// The acts are about to be done, all of them, one directly after the other.
    Installing,
    /// The service is about to be told.
    Applying,
    /// Recovery at boot has put the files back; the proof is owed.
    Restored,
    /// The new state stands; what is left is to put things in order.
    Committed {
        /// For the ledger.
        receipt: Box<Receipt>,
    },
}

/// A transaction's journal, open for its next line.
pub(super) struct Journal {
    dir: Dir,
    name: OsString,
    file: Appender,
}

/// What a journal on disk says.
#[derive(Debug)]
pub(super) enum Replay {
    /// It was torn before its first line was whole: nothing had been touched.
    Unbegun,
    /// A transaction, and how far it came.
    Under(Box<Transaction>),
    /// It cannot be believed.
    Unreadable {
        /// What is wrong.
        why: String,
    },
}

/// A transaction as its journal tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    /// The first line.
    pub begin: Begin,
    /// The marks.
    pub marks: Vec<Mark>,
    /// Bytes of the journal that are whole.
    pub whole: u64,
    /// What was run and asked since it was begun or read.
    pub checks: Checks,
}

impl Transaction {
    /// One that has just begun.
    #[must_use]
    pub(super) fn new(begin: Begin, checks: Checks) -> Self {
        Self { begin, marks: Vec::new(), whole: 0, checks }
    }

    /// Whether the service may have seen new files.
    #[must_use]
    pub(super) fn published(&self) -> bool {
        self.marks.iter().any(|mark| match mark {
            Mark::Installing | Mark::Applying | Mark::Committed { .. } => true,
            Mark::Restored => false,
        })
    }

    /// The receipt, if it was committed.
    #[must_use]
    pub(super) fn committed(&self) -> Option<&Receipt> {
        self.marks.iter().find_map(|mark| match mark {
            Mark::Committed { receipt } => Some(&**receipt),
            Mark::Installing | Mark::Applying | Mark::Restored => None,
        })
    }
}

impl Journal {
    /// Writes the first line of a new journal.
    ///
    /// # Errors
    /// A call failed; then there is no journal.
    pub(super) fn begin(state: &State, begin: &Begin) -> Result<Self, DiskError> {
        let dir = state.area(AREA)?;
        let name = file_name(&begin.target);
        let line = encode(&dir, begin)?;
        let mut file = dir.append_new(&name)?;
        if let Err(error) = file.append(&line).and_then(|()| dir.sync()) {
            let _ = dir.unlink(&name);
            return Err(error);
        }
        Ok(Self { dir, name, file })
    }

    /// Opens the journal of a transaction that was replayed, its torn end cut off.
    ///
    /// # Errors
    /// A call failed.
    pub(super) fn reopen(state: &State, name: &OsString, transaction: &Transaction) -> Result<Self, DiskError> {
        let dir = state.area(AREA)?;
        let mut file = dir.append(name)?;
        file.cut(transaction.whole)?;
        Ok(Self { dir, name: name.clone(), file })
    }

    /// Writes one more line.
    ///
    /// # Errors
    /// A call failed; whether the line is there is then unknown.
    pub(super) fn mark(&mut self, mark: &Mark) -> Result<(), DiskError> {
        let line = encode(&self.dir, mark)?;
        self.file.append(&line)
    }

    /// Removes it: the transaction is over.
    ///
    /// # Errors
    /// A call failed.
    pub(super) fn close(self) -> Result<(), DiskError> {
        remove(&self.dir, &self.name)
    }
}

fn encode<T: Serialize>(dir: &Dir, value: &T) -> Result<Vec<u8>, DiskError> {
    sealed::line(value).map_err(|error| DiskError {
        what: "encode a record for",
        path: dir.path().to_owned(),
        source: error.into(),
    })
}

fn remove(dir: &Dir, name: &OsString) -> Result<(), DiskError> {
    dir.unlink(name)?;
    dir.sync()
}

/// The journals on disk, by file name. Reads only.
///
/// # Errors
/// They cannot be listed or read.
pub(super) fn open_ones(state: &State) -> Result<Vec<(OsString, Replay)>, DiskError> {
    let Some(dir) = state.existing_area(AREA)? else { return Ok(Vec::new()) };
    dir.names()?
        .into_iter()
        .map(|name| {
            let found = match dir.read(&name) {
                Ok(bytes) => replay(bytes.expose()),
                // One that cannot be read must not hide the others, nor pass for none.
                Err(error) => Replay::Unreadable { why: explain(&error) },
            };
            Ok((name, found))
        })
        .collect()
}

/// Removes the journal `name`.
///
/// # Errors
/// A call failed.
pub(super) fn discard(state: &State, name: &OsString) -> Result<(), DiskError> {
    remove(&state.area(AREA)?, name)
}

pub(super) fn replay(bytes: &[u8]) -> Replay {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let mut values = Vec::new();
    // Whatever is broken at the very end was being written when the machine stopped, and was not yet acted upon.
    while lines.last().is_some_and(|line| !line.ends_with(b"\n") || sealed::json(line).is_none()) {
        let torn = lines.pop().unwrap_or_default();
        if holds_record(torn) {
            return Replay::Unreadable { why: "the end of a line is damaged".to_owned() };
        }
        if lines.last().is_some_and(|line| line.ends_with(b"\n") && sealed::json(line).is_none()) {
            return Replay::Unreadable { why: "more than its last line is damaged".to_owned() };
        }
    }
    let whole = lines.iter().map(|line| line.len() as u64).sum();
    for line in lines {
        match sealed::json(line) {
            Some(json) => values.push(json),
            None => return Replay::Unreadable { why: "a line before its last is damaged".to_owned() },
        }
    }
    let Some((first, rest)) = values.split_first() else { return Replay::Unbegun };
    if let Some(newer) = newer_format(first) {
        return Replay::Unreadable { why: format!("it was written by a newer reseal (journal format {newer})") };
    }
    let begin = match serde_json::from_slice(first) {
        Ok(begin) => begin,
        Err(error) => return Replay::Unreadable { why: format!("its first line cannot be understood: {error}") },
    };
    match rest.iter().map(|json| serde_json::from_slice(json)).collect::<Result<Vec<Mark>, _>>() {
        Ok(marks) => Replay::Under(Box::new(Transaction { begin, marks, whole, checks: Checks::default() })),
        Err(error) => Replay::Unreadable { why: format!("a mark cannot be understood: {error}") },
    }
}

/// Whether a broken line ends in a whole record: then it is two lines whose break was damaged, and not a torn end.
fn holds_record(line: &[u8]) -> bool {
    (1..line.len())
        .any(|at| line[at - 1..].first().is_some_and(|b| !b.is_ascii_hexdigit()) && sealed::json(&line[at..]).is_some())
}

fn newer_format(first: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(first).ok()?;
    value.get("format")?.as_u64().filter(|format| *format > u64::from(FORMAT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Begin {
        Begin {
            format: FORMAT,
            target: "web".into(),
            verb: "install".into(),
            why: "asked".into(),
            actor: "uid 0".into(),
            trigger: Some(Trigger::of(crate::outcome::By::Person)),
            began: OffsetDateTime::UNIX_EPOCH,
            generation: 2,
            backup: 1,
            before: None,
            after: Some(Digest::of(b"leaf")),
            pairs: Vec::new(),
            trusted_owner: None,
            acts: vec![Act {
                kind: Kind::PutFile,
                path: "/x/a".into(),
                staged: ".reseal-1".into(),
                before: Image::Absent,
                after: Image::Link { to: "b".into() },
            }],
            retire: Vec::new(),
            apply: Apply::default(),
            hooks: Hooks { deploy: vec![crate::change::Command::new(["/x/hook"])], ..Hooks::default() },
            probes: Vec::new(),
            limits: Limits { verify: 1, settle: 1, probe: 1 },
        }
    }

    fn written() -> Vec<u8> {
        let mut bytes = sealed::line(&sample()).unwrap();
        bytes.extend(sealed::line(&Mark::Installing).unwrap());
        bytes.extend(sealed::line(&Mark::Applying).unwrap());
        bytes
    }

    #[test]
    fn reads_back_what_was_written() {
        match replay(&written()) {
            Replay::Under(found) => {
                assert_eq!(found.begin, sample());
                assert_eq!(found.marks, [Mark::Installing, Mark::Applying]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn torn_at_every_byte_loses_at_most_the_last_line() {
        let bytes = written();
        let ends: Vec<usize> = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1).collect();
        for length in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= length).count();
            match replay(&bytes[..length]) {
                Replay::Unbegun => assert_eq!(whole, 0, "at {length}"),
                Replay::Under(found) => assert_eq!(found.marks.len() + 1, whole, "at {length}"),
                Replay::Unreadable { why } => panic!("at {length}: {why}"),
            }
        }
    }

    #[test]
    fn a_flipped_byte_is_never_believed() {
        let bytes = written();
        let last = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
        for index in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[index] ^= 0x04;
            match replay(&flipped) {
                Replay::Under(found) => {
                    assert_eq!(found.begin, sample());
                    assert!(index >= last && found.marks == [Mark::Installing], "byte {index}: {:?}", found.marks);
                }
                Replay::Unreadable { .. } => assert!(index < last, "byte {index}"),
                Replay::Unbegun => panic!("byte {index}"),
            }
        }
    }

    #[test]
    fn zeros_after_a_power_cut_are_a_torn_end() {
        let mut bytes = written();
        bytes.extend([0; 4096]);
        assert!(matches!(replay(&bytes), Replay::Under(found) if found.marks.len() == 2));
    }

    #[test]
    fn a_newer_format_is_left_alone() {
        let line = sealed::line(&serde_json::json!({"format": 9, "other": true})).unwrap();
        assert!(matches!(replay(&line), Replay::Unreadable { why } if why.contains("newer")));
    }

    #[test]
    fn the_first_format_is_read_for_ever() {
        let bytes = include_bytes!("../../fixtures/journal/format-1.journal");
        let Replay::Under(found) = replay(bytes) else { panic!() };
        assert!(found.begin.target == "web" && found.published() && found.begin.hooks.is_empty());
    }

    #[test]
    fn the_format_with_hooks_is_read_for_ever() {
        let bytes = include_bytes!("../../fixtures/journal/format-2.journal");
        let Replay::Under(found) = replay(bytes) else { panic!() };
        let hooks: Vec<String> = found.begin.hooks.all().map(|(_, command)| command.to_string()).collect();
        let path = |name: &str| format!("/etc/reseal/hooks/{name}");
        assert_eq!(hooks, [path("pre/10-ready"), path("deploy/50-copy"), path("post/90-mail")]);
        assert_eq!(found.begin.hooks.pairs.len(), 1);
        assert!(found.begin.format == FORMAT && found.begin.trigger.is_some() && found.published());
    }

    /// A program of before there were hooks undoes what has none, and leaves alone what has.
    #[test]
    fn the_higher_number_is_for_hooks_alone() {
        assert_eq!(format_with(&Hooks::default()), 1);
        assert_eq!(format_with(&sample().hooks), FORMAT);
        let plain = serde_json::to_string(&Begin { hooks: Hooks::default(), ..sample() }).unwrap();
        assert!(!plain.contains("hooks"), "{plain}");
    }
}
