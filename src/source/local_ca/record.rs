//! What a local CA has issued: one line of JSON for each certificate, written before anybody gets it.

use std::ffi::OsStr;
use std::io;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::cert::{Certificate, Name};
use crate::digest::Digest;
use crate::host::dir::{Dir, DiskError};
use crate::host::state::absent_is_none;

/// One certificate.
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
}

impl Issued {
    pub(super) fn of(leaf: &Certificate, target: Option<&str>, now: OffsetDateTime) -> Self {
        Self {
            serial: leaf.serial(),
            names: leaf.names().to_vec(),
            not_after: leaf.not_after(),
            key: leaf.spki_digest(),
            at: now,
            target: target.map(str::to_owned),
        }
    }
}

/// All of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// What could be read, oldest first.
    pub issued: Vec<Issued>,
    /// Lines that could not.
    pub damaged: usize,
}

impl Record {
    /// When the newest was issued, UTC.
    #[must_use]
    pub fn newest(&self) -> Option<OffsetDateTime> {
        self.issued.iter().map(|issued| issued.at).max()
    }

    pub(super) fn read(dir: &Dir) -> Result<Self, DiskError> {
        let (bytes, skipped) = absent_is_none(dir.tail(OsStr::new(NAME), MOST))?.unwrap_or_default();
        let begun = if skipped == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
        Ok(Self::parse(&bytes[begun..]))
    }

    fn parse(bytes: &[u8]) -> Self {
        let mut record = Self::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // A torn end is a certificate that nobody got.
            let Some(line) = line.strip_suffix(b"\n") else { continue };
            match serde_json::from_slice(line) {
                Ok(issued) => record.issued.push(issued),
                Err(_) => record.damaged += 1,
            }
        }
        record
    }
}

/// Adds one, and makes it durable.
pub(super) fn add(dir: &Dir, issued: &Issued) -> Result<(), DiskError> {
    let failed = |what| move |source: io::Error| DiskError { what, path: dir.path().join(NAME), source };
    let mut line = serde_json::to_vec(issued).map_err(|error| failed("encode a line for")(error.into()))?;
    line.push(b'\n');
    let mut file = dir.append(OsStr::new(NAME))?;
    // Two at once, and one could take the other's line for a torn end.
    file.file().lock().map_err(failed("lock"))?;
    let (end, skipped) = dir.tail(OsStr::new(NAME), TAIL)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < end.len() {
        file.cut(skipped + whole as u64)?;
    }
    file.append(&line)?;
    if end.is_empty() {
        dir.sync()?;
    }
    Ok(())
}

pub(super) const NAME: &str = "issued";

/// Bytes from the end that are read: some hundred thousand lines.
const MOST: u64 = 64 * 1024 * 1024;

/// Longer than any line: 100 names of 253 characters.
const TAIL: u64 = 1024 * 1024;

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
        };
        assert_eq!(serde_json::to_vec(&issued).unwrap(), line);
        let two = [line.as_slice(), b"\n{}\n", line, b"\n", &line[..40]].concat();
        let record = Record::parse(&two);
        assert_eq!((record.issued.as_slice(), record.damaged), ([issued.clone(), issued].as_slice(), 1));
        assert_eq!(record.newest(), Some(datetime!(2027-01-01 00:00 UTC)));
        assert_eq!(Record::parse(b""), Record::default());
    }
}
