//! How the last scheduled run ended: one small file, written by what the clock starts and by nothing else.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::flow::{Refusal, Report, Session};
use crate::host::attributes::own;
use crate::host::state::{State, absent_is_none};
use crate::outcome::Exit;
use crate::sensitive::Sensitive;

/// The format that this program writes.
const FORMAT: u32 = 1;

const NAME: &str = "last-run";

/// How long what was written down stays true enough of a timer that runs daily.
const FRESH: time::Duration = time::Duration::hours(12);

/// How the last scheduled run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastRun {
    format: u32,
    /// When, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub ended: OffsetDateTime,
    /// Its exit code.
    pub exit: u8,
    /// When one last did what it is for, UTC.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub success: Option<OffsetDateTime>,
}

impl LastRun {
    /// The one that is written down, if one is and can be read.
    ///
    /// # Errors
    /// reseal's own directory cannot be used.
    pub fn read(session: &Session<'_>) -> Result<Option<Self>, Refusal> {
        let Some(state) = State::open(session.host)? else { return Ok(None) };
        let bytes = absent_is_none(state.root().read(OsStr::new(NAME)))?;
        Ok(bytes.and_then(|bytes| Self::of(bytes.expose())))
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|last: &Self| last.format <= FORMAT)
    }
}

/// Writes down how a run has ended; not so where it did nothing and ended as the one before, less than [`FRESH`] ago: a run with nothing
/// to do writes nothing. Where it cannot be written, that is told: the run has ended all the same.
#[must_use]
pub fn remember(session: &Session<'_>, exit: Exit, acted: bool) -> Option<Report> {
    let refusal = write(session, exit, acted).err()?;
    let why = format!("how this run has ended could not be written down: {}", refusal.why);
    Some(Report::new("schedule", Refusal { why, ..refusal }.outcome()))
}

fn write(session: &Session<'_>, exit: Exit, acted: bool) -> Result<(), Refusal> {
    let now = session.host.now();
    let before = LastRun::read(session)?;
    let fresh = |last: &LastRun| last.exit == exit.code() && last.ended <= now && now - last.ended < FRESH;
    if !acted && before.as_ref().is_some_and(fresh) {
        return Ok(());
    }
    let before = before.and_then(|last| last.success);
    let last = LastRun {
        format: FORMAT,
        ended: now,
        exit: exit.code(),
        success: if exit.is_good_run() { Some(now) } else { before },
    };
    // A structure of times and numbers always has a form in JSON.
    let mut bytes = serde_json::to_vec(&last).unwrap_or_default();
    bytes.push(b'\n');
    let state = State::open_or_make(session.host)?;
    let (root, waiting) = (state.root(), OsStr::new(".last-run"));
    root.unlink(waiting)?;
    root.stage(waiting, &Sensitive::from(bytes), &own(0o600))?;
    root.rename_over(waiting, OsStr::new(NAME))?;
    Ok(root.sync()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of every format that was ever written stay readable.
    #[test]
    fn a_record_of_format_one_is_read() {
        let last = LastRun::of(include_bytes!("../../../fixtures/schedule/format-1.json")).unwrap();
        assert_eq!((last.exit, last.ended.unix_timestamp()), (4, 1_798_681_600));
        assert_eq!(last.success.unwrap().unix_timestamp(), 1_798_595_200);
        assert_eq!(LastRun::of(b"{\"format\":2}"), None);
    }
}
