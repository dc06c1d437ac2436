//! Judging: facts in, findings out. Pure.

mod code;
mod files;
mod served;

pub use code::{Code, Finding, Severity};
pub use files::{date, span};

use time::{Duration, OffsetDateTime};

use crate::cert::Name;
use crate::cert::installed::Installed;
use crate::change::{Attributes, Probe, Role, Shown};
use crate::digest::Digest;

/// What is known about one target, or about files or an endpoint that somebody named.
pub struct Facts<'a> {
    /// The pair as it stands in files.
    pub installed: &'a Installed,
    /// Whether a key is expected: not for a certificate that was named on its own.
    pub key_expected: bool,
    /// The files with a key in them, and who may read them.
    pub key_files: &'a [(Role, Attributes)],
    /// Names it must be for; empty: nobody said.
    pub wanted: &'a [Name],
    /// What the probes showed, where they were asked.
    pub served: &'a [(Probe, Shown)],
    /// The leaf that was committed last, and what stands in the files now, where the two differ.
    pub regression: Option<Regression>,
    /// How long before its end a certificate counts as expiring.
    pub renew_before: &'a dyn Fn(Duration) -> Duration,
    /// The time, UTC.
    pub now: OffsetDateTime,
}

/// The files are not what was committed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regression {
    /// The generation that was committed last.
    pub generation: u32,
    /// Its leaf, if it had one.
    pub committed: Option<Digest>,
}

/// Everything that is wrong, worst first.
#[must_use]
pub fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = files::findings(facts);
    found.extend(served::findings(facts));
    found.sort_by_key(|finding| finding.severity);
    found
}
