//! When `maintain` last had something to do, and the flag by which a hook asks it for `post-upgrade`.
//!
//! ```text
//! STATE/maintain     when it last changed something or tried to, and how that ended; a run with nothing to do does not touch it
//! STATE/upgraded     a hook has seen an upgrade, and left the rest to the timer; its contents do not matter
//! STATE/upgrading    the same, while it is being seen to
//! ```

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::host::attributes::own;
use crate::host::dir::DiskError;
use crate::host::state::{State, absent_is_none};
use crate::outcome::Exit;
use crate::sensitive::Sensitive;

/// The format that this program writes.
const FORMAT: u32 = 1;

const RECORD: &str = "maintain";
const FLAG: &str = "upgraded";
const TAKEN: &str = "upgrading";

/// The last run that had something to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Last {
    /// The number of the format.
    pub format: u32,
    /// When it ended, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub run: OffsetDateTime,
    /// Its exit code.
    pub exit: u8,
    /// When one last ended well, UTC: with nothing worse than findings or a request that waits.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub success: Option<OffsetDateTime>,
}

impl Last {
    /// What is remembered; none where nothing is, or where it cannot be understood: it is for people, and nothing hangs on it.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn read(state: &State) -> Result<Option<Self>, DiskError> {
        let bytes = absent_is_none(state.root().read(OsStr::new(RECORD)))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(bytes.expose()).ok()))
    }
}

/// Remembers a run that had something to do.
pub(super) fn remember(state: &State, now: OffsetDateTime, exit: Exit) -> Result<(), DiskError> {
    let well = matches!(exit, Exit::Good | Exit::Findings | Exit::Waiting);
    let before = Last::read(state)?.and_then(|last| last.success);
    let last = Last { format: FORMAT, run: now, exit: exit.code(), success: if well { Some(now) } else { before } };
    // A structure of numbers and times always has a form in JSON.
    let mut bytes = serde_json::to_vec(&last).unwrap_or_default();
    bytes.push(b'\n');
    let (root, waiting) = (state.root(), OsStr::new(".maintain"));
    root.unlink(waiting)?;
    root.stage(waiting, &Sensitive::from(bytes), &own(0o600))?;
    root.rename_over(waiting, OsStr::new(RECORD))?;
    root.sync()
}

/// Whether an upgrade is flagged.
pub(super) fn flagged(state: &State) -> Result<bool, DiskError> {
    let there = |name: &str| Ok(absent_is_none(state.root().read(OsStr::new(name)))?.is_some());
    Ok(there(FLAG)? || there(TAKEN)?)
}

/// Takes the flag: one that is raised from now on is for the next run.
pub(super) fn take_flag(state: &State) -> Result<(), DiskError> {
    match state.root().rename_over(OsStr::new(FLAG), OsStr::new(TAKEN)) {
        Err(error) if error.is_absent() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => state.root().sync(),
    }
}

/// The upgrade that was flagged is seen to.
pub(super) fn lower_flag(state: &State) -> Result<(), DiskError> {
    state.root().unlink(OsStr::new(TAKEN))?;
    state.root().sync()
}
