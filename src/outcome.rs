//! How a run ends, and the one table of exit codes.

mod receipt;
mod trigger;

use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;

use crate::change::{Probe, Shown};

pub use receipt::{Check, Checked, Checks, End, Leaves, Proof, Receipt, RecoveredBy};
pub use trigger::{By, Trigger};

/// An error with its causes, one after the other, as one line for people.
#[must_use]
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some say what their cause says.
        if !text.ends_with(&words) {
            text.push_str(&format!(": {words}"));
        }
        cause = error.source();
    }
    text
}

/// What is wrong, with what to do behind it, as one line for people.
#[must_use]
pub fn hinted(why: &str, hint: Option<&str>) -> String {
    hint.map_or_else(|| why.to_owned(), |hint| format!("{why} ({hint})"))
}

/// Advice that may name commands, `` `reseal ...` ``, in the form that works for whoever called the program as `program`: with its
/// configuration and state.
#[must_use]
pub fn called(advice: &str, program: &str) -> String {
    advice.replace("`reseal ", &format!("`{program} "))
}

/// The exit codes of the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// The wanted state holds, changed or not.
    Good = 0,
    /// A bug in reseal.
    Bug = 1,
    /// A word on the command line or in the configuration is wrong.
    Usage = 2,
    /// Something was found that wants attention; nothing failed.
    Findings = 3,
    /// Refused or failed, and nothing was changed.
    Refused = 4,
    /// Failed after the change had begun, and everything is as it was before.
    RolledBack = 5,
    /// Failed, and the undo could not be completed: a person is needed.
    Stuck = 6,
    /// Something is under way that needs an answer from elsewhere.
    Waiting = 7,
    /// Another reseal is at work on this machine.
    Busy = 75,
}

impl Exit {
    /// All of them with their meaning, for help and documentation.
    pub const TABLE: &'static [(Self, &'static str)] = &[
        (Self::Good, "the wanted state holds, whether anything had to be changed or not"),
        (Self::Bug, "a bug in reseal"),
        (Self::Usage, "usage or configuration error"),
        (Self::Findings, "findings"),
        (Self::Refused, "refused or failed; nothing was changed"),
        (Self::RolledBack, "failed and rolled back; everything is as it was before"),
        (Self::Stuck, "stuck: a person is needed"),
        (Self::Waiting, "a certificate request waits for its answer"),
        (Self::Busy, "another reseal is at work; try again"),
    ];

    /// The code for the operating system.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Of two ends, the one that a run over several targets reports.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if self.weight() >= other.weight() { self } else { other }
    }

    /// Whether a run that ended so did what it is for: what it found, and what waits for somebody else, is no failure of it.
    #[must_use]
    pub fn is_good_run(self) -> bool {
        match self {
            Self::Good | Self::Findings | Self::Waiting => true,
            Self::Bug | Self::Usage | Self::Refused | Self::RolledBack | Self::Stuck | Self::Busy => false,
        }
    }

    fn weight(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Findings => 1,
            Self::Waiting => 2,
            Self::Busy => 3,
            Self::Refused => 4,
            Self::RolledBack => 5,
            Self::Stuck => 6,
            Self::Usage => 7,
            Self::Bug => 8,
        }
    }
}

/// A probe that does not show what it should.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NotSeen {
    /// The probe.
    pub probe: Probe,
    /// What it showed last.
    #[serde(flatten)]
    pub shown: Shown,
}

/// How one verb ended for one target.
#[must_use]
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing had to be done.
    Nothing {
        /// Why not.
        why: String,
    },
    /// `--dry-run`: what would have been done.
    Planned,
    /// Done and proved.
    Committed {
        /// The entry in the ledger.
        receipt: Receipt,
        /// Probes that do not show the new certificate, although the change stands.
        not_served: Vec<NotSeen>,
    },
    /// What an earlier run had left was brought to an end.
    Recovered {
        /// Which end.
        what: String,
        /// What it should have removed and could not, and may hold a key; any longer name that begins so, too.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        left: Vec<PathBuf>,
    },
    /// What is there was kept and remembered.
    Remembered {
        /// The number of the snapshot.
        number: u32,
        /// The generation that holds the files.
        generation: u32,
        /// Whether it is the wanted state from now on.
        signed_off: bool,
        /// Whether anything was written: not so where nothing has changed since the last one.
        written: bool,
    },
    /// Made ready, with no effect on the service yet.
    Staged {
        /// The generation that holds it.
        generation: u32,
        /// The moment before which it is not put in place; none: by the target's policy.
        #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
        at: Option<OffsetDateTime>,
        /// When and by what it is put in place, for people.
        when: String,
        /// Whether anything was written.
        written: bool,
    },
    /// Nothing is staged any more.
    Dropped {
        /// The generation that held it, which is kept; none where the record of it could not be read.
        generation: Option<u32>,
    },
    /// Something would have to be done, and the owner wants to be told only.
    Reported {
        /// What, and why.
        why: String,
    },
    /// Old generations were removed.
    Pruned {
        /// Their numbers.
        removed: Vec<u32>,
    },
    /// Former roots of a CA are put away, and their keys removed.
    Retired {
        /// Their numbers.
        roots: Vec<u32>,
    },
    /// Not begun.
    Refused {
        /// What was tried on what, and why not.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Failed, and undone.
    RolledBack {
        /// The entry in the ledger.
        receipt: Receipt,
        /// What failed.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Failed, and the undo is not complete.
    Stuck {
        /// The place in question.
        slot: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A request to a CA elsewhere waits for its answer.
    Waiting {
        /// Since when, UTC.
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
        /// Where the request lies.
        request: PathBuf,
        /// Why a certificate is wanted.
        why: String,
    },
    /// Another reseal holds the lock.
    Busy {
        /// Who: process, verb, since when.
        holder: String,
    },
}

impl Outcome {
    /// The exit code it calls for.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Nothing { .. }
            | Self::Planned
            | Self::Pruned { .. }
            | Self::Retired { .. }
            | Self::Staged { .. }
            | Self::Dropped { .. } => Exit::Good,
            Self::Committed { not_served, .. } if not_served.is_empty() => Exit::Good,
            Self::Recovered { left, .. } if left.is_empty() => Exit::Good,
            Self::Remembered { signed_off: true, .. } => Exit::Good,
            Self::Committed { .. } | Self::Recovered { .. } | Self::Remembered { .. } | Self::Reported { .. } => {
                Exit::Findings
            }
            Self::Refused { .. } => Exit::Refused,
            Self::RolledBack { .. } => Exit::RolledBack,
            Self::Stuck { .. } => Exit::Stuck,
            Self::Waiting { .. } => Exit::Waiting,
            Self::Busy { .. } => Exit::Busy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_many_is_as_documented() {
        let order =
            [Exit::Good, Exit::Findings, Exit::Waiting, Exit::Busy, Exit::Refused, Exit::RolledBack, Exit::Stuck];
        for pair in order.windows(2) {
            assert_eq!(pair[0].worst(pair[1]), pair[1]);
            assert_eq!(pair[1].worst(pair[0]), pair[1]);
        }
    }

    #[test]
    fn what_was_found_is_no_failure_of_the_run() {
        for (exit, _) in Exit::TABLE {
            assert_eq!(exit.is_good_run(), [0, 3, 7].contains(&exit.code()), "{exit:?}");
        }
    }

    #[test]
    fn every_code_is_in_the_table_once() {
        let mut codes: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| exit.code()).collect();
        codes.dedup();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 75]);
    }
}
