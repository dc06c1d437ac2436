//! What a local CA has done: one line of JSON for each certificate, revocation and list, written before anybody gets it.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::cert::{Certificate, Name};
use crate::digest::Digest;
use crate::host::dir::{Dir, DiskError};
use crate::host::state::absent_is_none;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Issued(Issued),
    Revoked(Revocation),
    Listed(Listed),
    Exported(Exported),
}

impl Line {
    fn at(&self) -> OffsetDateTime {
        match self {
            Self::Issued(line) => line.at,
            Self::Revoked(line) => line.at,
            Self::Listed(line) => line.at,
            Self::Exported(line) => line.at,
        }
    }
}

/// A certificate that was issued.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Issued {
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// The names it is for.
    pub names: Vec<Name>,
    /// Its last second, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// SHA-256 of its public key.
    pub key: Digest,
    /// When it was issued, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The target it is for, where it was not asked for by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The number of the hierarchy that issued it.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub by: u32,
}

/// A certificate that must not be trusted any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revocation {
    /// Its serial number in hexadecimal.
    pub revoked: String,
    /// Why.
    pub reason: Reason,
    /// Its last second, UTC: after that nobody trusts it anyway.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// When it was revoked, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The number of the hierarchy that issued it.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub by: u32,
}

/// A revocation list that was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Its number (RFC 5280 section 5.2.3).
    pub list: u64,
    /// When it was made, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The number of the hierarchy whose it is.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub by: u32,
}

/// What clients must trust was given out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Exported {
    /// SHA-256 of the certificate.
    pub exported: Digest,
    /// When, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Why a certificate is revoked (RFC 5280 section 5.3.1), of those reasons that are final and a server's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// None is told.
    Unspecified,
    /// Somebody else has, or may have, its key.
    KeyCompromise,
    /// Its owner or what it names is another's now.
    AffiliationChanged,
    /// Another one has taken its place.
    Superseded,
    /// What it was for is gone.
    CessationOfOperation,
    /// It should not have been issued.
    PrivilegeWithdrawn,
}

impl Reason {
    /// All of them, for help and completion.
    pub const ALL: &'static [Self] = &[
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// The word names no reason.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no reason; there are unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation and privilege-withdrawn"
)]
pub struct UnknownReason(String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let found = Self::ALL.iter().find(|reason| reason.word() == text);
        found.copied().ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

/// A serial number as people copy it: with colons or spaces, in capitals, with `0x` or leading zeros.
pub(super) fn plain(serial: &str) -> String {
    let digits: String = serial.chars().filter(|c| !matches!(c, ':' | ' ')).collect::<String>().to_ascii_lowercase();
    let digits = digits.strip_prefix("0x").unwrap_or(&digits).trim_start_matches('0');
    match digits {
        "" => "00".to_owned(),
        _ if digits.len() % 2 == 1 => format!("0{digits}"),
        _ => digits.to_owned(),
    }
}

fn first() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(number: &u32) -> bool {
    *number == 1
}

impl Issued {
    pub(super) fn of(leaf: &Certificate, by: u32, target: Option<&str>, now: OffsetDateTime) -> Self {
        Self {
            serial: leaf.serial(),
            names: leaf.names().to_vec(),
            not_after: leaf.not_after(),
            key: leaf.spki_digest(),
            at: now,
            target: target.map(str::to_owned),
            by,
        }
    }
}

/// All lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// What was issued, oldest first.
    pub issued: Vec<Issued>,
    /// What was revoked, oldest first.
    pub revoked: Vec<Revocation>,
    /// The revocation lists, oldest first.
    pub lists: Vec<Listed>,
    /// What was given out, oldest first.
    pub exported: Vec<Exported>,
    /// Lines that cannot be read.
    pub damaged: usize,
    /// Bytes at its beginning that were not read.
    pub skipped: u64,
    /// When the last line was written, UTC.
    pub last: Option<OffsetDateTime>,
}

impl Record {
    pub(super) fn read(dir: &Dir) -> Result<Self, DiskError> {
        Self::end(dir, MOST)
    }

    /// The lines in the last `most` bytes.
    fn end(dir: &Dir, most: u64) -> Result<Self, DiskError> {
        let (bytes, skipped) = absent_is_none(dir.tail(OsStr::new(NAME), most))?.unwrap_or_default();
        let begun = if skipped == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
        Ok(Self { skipped, ..Self::parse(&bytes[begun..]) })
    }

    fn parse(bytes: &[u8]) -> Self {
        let mut record = Self::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // A torn end is something that nobody got.
            let Some(line) = line.strip_suffix(b"\n") else { continue };
            let line = serde_json::from_slice(line);
            record.last = line.as_ref().ok().map(Line::at).or(record.last);
            match line {
                Ok(Line::Issued(issued)) => record.issued.push(issued),
                Ok(Line::Revoked(line)) => {
                    // Lists have no zero octets in front, which earlier lines may have.
                    record.revoked.push(Revocation { revoked: plain(&line.revoked), ..line });
                }
                Ok(Line::Listed(listed)) => record.lists.push(listed),
                Ok(Line::Exported(exported)) => record.exported.push(exported),
                Err(_) => record.damaged += 1,
            }
        }
        record
    }
}

/// When the last line was written, UTC. Reads no more than it must: every line is at least as new as those before it, for nothing is
/// done by a clock that shows an earlier time; unless somebody has seen that it was the clock of those before which was wrong.
pub(super) fn newest(dir: &Dir) -> Result<Option<OffsetDateTime>, DiskError> {
    for most in [GLANCE, TAIL] {
        if let Some(last) = Record::end(dir, most)?.last {
            return Ok(Some(last));
        }
    }
    Ok(None)
}

/// What was revoked, oldest first, and nothing else: of a long record few lines are revocations, and to understand all others takes most
/// of the time. And whether that is all: the record may be longer than what is read, or a line of it damaged.
pub(super) fn revocations(dir: &Dir) -> Result<(Vec<Revocation>, bool), DiskError> {
    let (bytes, skipped) = absent_is_none(dir.tail(OsStr::new(NAME), MOST)).map(Option::unwrap_or_default)?;
    let begun = if skipped == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
    let lines = bytes[begun..].split_inclusive(|byte| *byte == b'\n').filter(|line| line.starts_with(REVOKED));
    let (mut found, mut whole) = (Vec::new(), skipped == 0);
    for line in lines {
        let record = Record::parse(line);
        whole &= record.damaged == 0;
        found.extend(record.revoked);
    }
    Ok((found, whole))
}

/// Adds one, and makes it durable.
pub(super) fn add(dir: &Dir, line: &Line) -> Result<(), DiskError> {
    let failed = |what| move |source: io::Error| DiskError { what, path: dir.path().join(NAME), source };
    let mut line = serde_json::to_vec(line).map_err(|error| failed("encode a line for")(error.into()))?;
    line.push(b'\n');
    let mut file = dir.append(OsStr::new(NAME))?;
    // Two at once, and one could take the other's line for a torn end.
    file.file().lock().map_err(failed("lock"))?;
    let (last, before) = dir.tail(OsStr::new(NAME), 1)?;
    if last.first().is_some_and(|byte| *byte != b'\n') {
        let (end, skipped) = dir.tail(OsStr::new(NAME), TAIL)?;
        let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        file.cut(skipped + whole as u64)?;
    }
    file.append(&line)?;
    if before == 0 {
        dir.sync()?;
    }
    Ok(())
}

pub(super) const NAME: &str = "issued";

/// Bytes from the end that are read: some hundred thousand lines.
const MOST: u64 = 64 * 1024 * 1024;

/// How the line of a revocation begins.
const REVOKED: &[u8] = b"{\"revoked\":";

/// Longer than any line: 100 names of 253 characters.
const TAIL: u64 = 1024 * 1024;

/// Some usual lines.
const GLANCE: u64 = 4096;

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_line_is_read_for_ever() {
        let line = br#"{"serial":"4f","names":["example.org","10.0.0.1"],"not_after":"2027-07-01T00:00:00Z","key":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","at":"2027-01-01T00:00:00Z","target":"web"}"#;
        let issued = Issued {
            serial: "4f".into(),
            names: vec!["example.org".parse().unwrap(), "10.0.0.1".parse().unwrap()],
            not_after: datetime!(2027-07-01 00:00 UTC),
            key: Digest::of(b"abc"),
            at: datetime!(2027-01-01 00:00 UTC),
            target: Some("web".into()),
            by: 1,
        };
        assert_eq!(serde_json::to_vec(&Line::Issued(issued.clone())).unwrap(), line);
        let two = [line.as_slice(), b"\n{}\n", line, b"\n", &line[..40]].concat();
        let record = Record::parse(&two);
        assert_eq!((record.issued.as_slice(), record.damaged), ([issued.clone(), issued].as_slice(), 1));
        assert_eq!(record.last, Some(datetime!(2027-01-01 00:00 UTC)));
        assert_eq!(Record::parse(b""), Record::default());
    }

    #[test]
    fn serials_as_people_copy_them() {
        for text in ["4f0a", "4F:0A", "0x4f0a", "00:4f:0a", " 4f 0a", "00004f0a", "04f0a"] {
            assert_eq!(plain(text), "4f0a", "{text}");
        }
        assert_eq!((plain("f0a"), plain("0000")), ("0f0a".to_owned(), "00".to_owned()));
    }

    #[test]
    fn each_kind_of_line_is_told_from_the_others() {
        let lines = br#"{"revoked":"4f","reason":"key-compromise","not_after":"2027-07-01T00:00:00Z","at":"2027-01-02T00:00:00Z","by":2}
{"list":7,"at":"2027-01-03T00:00:00Z"}
{"exported":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","at":"2027-01-04T00:00:00Z"}
{"revoked":"4f","reason":"because","not_after":"2027-07-01T00:00:00Z","at":"2027-01-02T00:00:00Z"}
{"revoked":"50","reason":"super"#;
        let record = Record::parse(lines);
        assert_eq!((record.issued.len(), record.lists[0].list, record.lists[0].by, record.damaged), (0, 7, 1, 1));
        assert_eq!((record.revoked[0].reason, record.revoked[0].by), (Reason::KeyCompromise, 2));
        assert_eq!((record.revoked.len(), record.exported[0].exported), (1, Digest::of(b"abc")));
        assert_eq!(record.last, Some(datetime!(2027-01-04 00:00 UTC)));
        let scratch = tempfile::tempdir().unwrap();
        let host = crate::host::Host::new(scratch.path().join("state"));
        let dir = host.dir(scratch.path(), &host.trusting(None)).unwrap();
        assert_eq!(revocations(&dir).unwrap(), (vec![], true));
        std::fs::write(scratch.path().join(NAME), lines).unwrap();
        assert_eq!(
            revocations(&dir).unwrap(),
            (record.revoked.clone(), false),
            "one that cannot be read may be the one"
        );
        add(&dir, &Line::Revoked(Revocation { by: 1, ..record.revoked[0].clone() })).unwrap();
        assert_eq!(revocations(&dir).unwrap().0, Record::read(&dir).unwrap().revoked);
        let first = lines.split_inclusive(|byte| *byte == b'\n').next().unwrap();
        std::fs::write(scratch.path().join(NAME), first).unwrap();
        assert_eq!(revocations(&dir).unwrap(), (record.revoked.clone(), true));
        for reason in Reason::ALL {
            assert_eq!(reason.to_string().parse(), Ok(*reason));
            assert_eq!(serde_json::to_string(reason).unwrap(), format!("\"{reason}\""));
        }
    }

    /// However long the last lines are, and however they ended.
    #[test]
    fn the_newest_is_found_from_the_end_and_a_torn_line_gives_way() {
        let scratch = tempfile::tempdir().unwrap();
        let host = crate::host::Host::new(scratch.path().join("state"));
        let dir = host.dir(scratch.path(), &host.trusting(None)).unwrap();
        assert_eq!(newest(&dir).unwrap(), None);
        let at = |day| datetime!(2027-01-01 00:00 UTC) + time::Duration::days(day);
        let issued = |day, names: usize| {
            let names = (0..names).map(|number| format!("{number}.{}.example", "x".repeat(60)).parse().unwrap());
            Line::Issued(Issued {
                serial: "4f".into(),
                names: names.collect(),
                not_after: at(90),
                key: Digest::of(b"abc"),
                at: at(day),
                target: None,
                by: 1,
            })
        };
        for (day, names) in [(1, 1), (2, 100), (3, 1), (4, 100)] {
            add(&dir, &issued(day, names)).unwrap();
            assert_eq!(newest(&dir).unwrap(), Some(at(day)));
        }
        let path = scratch.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &whole[..50]].concat()).unwrap();
        assert_eq!(newest(&dir).unwrap(), Some(at(4)));
        add(&dir, &issued(5, 1)).unwrap();
        let record = Record::read(&dir).unwrap();
        assert_eq!((record.issued.len(), record.damaged, newest(&dir).unwrap()), (5, 0, Some(at(5))));
    }
}
