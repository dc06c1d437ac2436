//! What was told: one small file, replaced as a whole.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::condition::Condition;
use crate::host::Host;
use crate::host::attributes::own;
use crate::host::dir::DiskError;
use crate::host::lock::{Lock, LockError};
use crate::host::state::{State, StateError, absent_is_none};
use crate::sealed;
use crate::sensitive::Sensitive;

const FORMAT: u32 = 1;
const AREA: &str = "notify";
const NAME: &str = "record";

/// What is remembered between runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    format: u32,
    /// The last run of the timer's verb that ended well, to within an hour, UTC.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub last_success: Option<OffsetDateTime>,
    /// How often the timer's verb ended how, by target; runs with nothing to do are not counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<String, BTreeMap<String, u64>>,
    /// What is wrong, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open: BTreeMap<String, Open>,
    /// What became of each channel, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, Past>,
}

/// Something that is wrong, or was and has not been told to be over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// What.
    pub what: Condition,
    /// Since when it is over, UTC.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub gone: Option<OffsetDateTime>,
}

/// What became of a channel.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// What it was told and when (Unix time), by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<String, i64>,
    /// When it delivered last, UTC.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub delivered: Option<OffsetDateTime>,
    /// Since when and why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

/// A channel that does not deliver.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failing {
    /// Since when, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Why, in words without a secret.
    pub why: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether some of those it is for are reached all the same: they are told nothing twice, and not that it is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partly: bool,
}

/// The record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is not what was written.
    #[error("the record {} of what was told is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A newer program has written it.
    #[error("the record {} of what was told was written by a newer reseal", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A call failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Another run is telling.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl RecordError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged { .. } => Some("nothing: it is begun anew, and what is open is told once more".to_owned()),
            Self::Newer { path } => Some(format!("use that one, or remove {}", path.display())),
            Self::State(error) => error.hint(),
            Self::Disk(error) => error.hint().map(str::to_owned),
            Self::Lock(_) => Some("the next run tells it".to_owned()),
        }
    }
}

impl Record {
    /// An empty one.
    #[must_use]
    pub fn begun() -> Self {
        Self {
            format: FORMAT,
            last_success: None,
            outcomes: BTreeMap::new(),
            open: BTreeMap::new(),
            channels: BTreeMap::new(),
        }
    }

    /// Reads it; none where nothing was told yet.
    ///
    /// # Errors
    /// It is not what was written, or cannot be read.
    pub fn read(host: &Host) -> Result<Option<Self>, RecordError> {
        let Some(state) = State::open(host)? else { return Ok(None) };
        let Some(area) = state.existing_area(AREA)? else { return Ok(None) };
        let Some(bytes) = absent_is_none(area.read(OsStr::new(NAME)))? else { return Ok(None) };
        Self::parse(bytes.expose(), area.path().join(NAME)).map(Some)
    }

    fn parse(bytes: &[u8], path: PathBuf) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let damaged = || RecordError::Damaged { path: path.clone() };
        let json = bytes.strip_suffix(b"\n").and_then(sealed::json).ok_or_else(damaged)?;
        let head: Head = serde_json::from_slice(json).map_err(|_| damaged())?;
        if head.format > FORMAT {
            return Err(RecordError::Newer { path });
        }
        serde_json::from_slice(json).map_err(|_| damaged())
    }

    /// Its bytes: a checksum, a space, JSON.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // A structure of texts and numbers always has a form in JSON.
        sealed::line(self).unwrap_or_default()
    }

    /// Puts it in the place of the one before, whole or not at all.
    ///
    /// # Errors
    /// Whatever the system says; then the one before stands.
    pub fn write(&self, host: &Host) -> Result<(), RecordError> {
        let area = State::open_or_make(host)?.area(AREA)?;
        Ok(area.replace(OsStr::new(NAME), &Sensitive::from(self.bytes()), &own(0o600))?)
    }

    /// One run tells at a time: two that knew nothing of each other would tell everything twice.
    ///
    /// # Errors
    /// Another is telling, also after `wait`.
    pub fn lock(host: &Host, verb: &str, wait: Duration) -> Result<Lock, RecordError> {
        let area = State::open_or_make(host)?.area(AREA)?;
        Ok(Lock::take_in(&area, verb, host.now(), wait)?)
    }

    /// The channels that do not deliver, with why.
    pub fn failing(&self) -> impl Iterator<Item = (&String, &Failing)> {
        self.channels.iter().filter_map(|(name, past)| Some((name, past.failing.as_ref()?)))
    }
}

#[cfg(test)]
mod tests;
