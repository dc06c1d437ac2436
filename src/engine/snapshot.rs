//! What a target looked like before an upgrade: which generation holds its files, and what its listeners showed.
//!
//! ```text
//! STATE/snapshot/TARGET     one sealed line for each of the last [`KEPT`] snapshots, oldest first
//! ```
//!
//! The files themselves are generations of the vault. The list is replaced as a whole, so it is never half written; a line that somebody has
//! altered counts for nothing.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Seen;
use crate::change::{Probe, Shown};
use crate::host::attributes::own;
use crate::host::dir::DiskError;
use crate::host::state::{State, absent_is_none, file_name};
use crate::sealed;
use crate::sensitive::Sensitive;

/// The format of lines that this program writes.
pub const FORMAT: u32 = 1;

/// How many are remembered.
pub const KEPT: usize = 20;

const AREA: &str = "snapshot";

/// One look at a target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`FORMAT`].
    pub format: u32,
    /// Its number; numbers only rise.
    pub number: u32,
    /// When it was taken, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub taken: OffsetDateTime,
    /// Who took it: user id and, under sudo, the name of the caller.
    pub actor: String,
    /// The generation that holds the files as they were.
    pub generation: u32,
    /// Whether that is the wanted state from then on. Not so where something was wrong: damage is not signed off.
    pub signed_off: bool,
    /// The codes of what was found.
    pub findings: Vec<String>,
    /// What each listener showed.
    pub listeners: Vec<Listener>,
}

/// One listener at that moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listener {
    /// How it was asked.
    pub probe: Probe,
    /// What it showed.
    #[serde(flatten)]
    pub shown: Shown,
}

impl Snapshot {
    /// Whether it says this of this generation, whenever it was taken.
    #[must_use]
    pub fn is_of(&self, generation: u32, seen: &Seen) -> bool {
        (self.generation, self.signed_off, &self.findings, &self.listeners)
            == (generation, seen.sign_off, &seen.findings, &seen.listeners)
    }
}

/// The snapshots of one target.
#[derive(Debug, Default)]
pub struct Snapshots {
    /// Oldest first.
    pub all: Vec<Snapshot>,
    /// Lines, from 1, that were torn or altered.
    pub damaged: Vec<usize>,
    /// Lines of a newer reseal, which are kept as they are.
    newer: Vec<Vec<u8>>,
    /// The highest number that was taken.
    last: u32,
}

/// What every format has.
#[derive(Deserialize)]
struct Numbered {
    format: u32,
    number: u32,
}

impl Snapshots {
    /// Those of a target.
    ///
    /// # Errors
    /// They are there and cannot be read.
    pub fn read(state: &State, target: &str) -> Result<Self, DiskError> {
        let Some(area) = state.existing_area(AREA)? else { return Ok(Self::default()) };
        let Some(bytes) = absent_is_none(area.read(&file_name(target)))? else { return Ok(Self::default()) };
        let mut found = Self::default();
        for (index, line) in bytes.expose().split_inclusive(|byte| *byte == b'\n').enumerate() {
            let numbered = sealed::open::<Numbered>(line);
            found.last = found.last.max(numbered.as_ref().map_or(0, |line| line.number));
            match (sealed::open::<Snapshot>(line), numbered) {
                (_, Some(Numbered { format, .. })) if format > FORMAT => found.newer.push(line.to_vec()),
                (Some(snapshot), _) => found.all.push(snapshot),
                (None, _) => found.damaged.push(index + 1),
            }
        }
        Ok(found)
    }

    /// The number that the next one takes; none is left after the highest there can be.
    #[must_use]
    pub fn next(&self) -> Option<u32> {
        self.last.checked_add(1)
    }

    /// The last one of this generation in which nothing was wrong; else the last one. What was seen while a service was down is no measure
    /// of what it serves.
    #[must_use]
    pub fn of_generation(&self, generation: u32) -> Option<&Snapshot> {
        let of = || self.all.iter().rev().filter(|snapshot| snapshot.generation == generation);
        of().find(|snapshot| snapshot.signed_off).or_else(|| of().next())
    }

    /// Adds one, and drops what is older than the last [`KEPT`].
    ///
    /// # Errors
    /// A call failed; then the list is as it was.
    pub(super) fn add(mut self, state: &State, target: &str, snapshot: Snapshot) -> Result<(), DiskError> {
        self.all.push(snapshot);
        let first = self.all.len().saturating_sub(KEPT);
        let area = state.area(AREA)?;
        let encode = |source: serde_json::Error| DiskError {
            what: "encode a snapshot for",
            path: area.path().join(file_name(target)),
            source: source.into(),
        };
        let mut bytes = self.newer.concat();
        for snapshot in &self.all[first..] {
            bytes.extend(sealed::line(snapshot).map_err(encode)?);
        }
        area.replace(&file_name(target), &Sensitive::from(bytes), &own(0o600))
    }
}
