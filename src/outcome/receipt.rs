//! What a finished change leaves in the ledger.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::trigger::Trigger;
use crate::digest::Digest;

/// What a finished change leaves in the ledger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// The target.
    pub target: String,
    /// The generation this transaction took; numbers only rise, and a failed attempt takes one too. 0: it was refused before it took one.
    pub generation: u32,
    /// The verb that asked for it.
    pub verb: String,
    /// When it ended, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who ran it: user id and, under sudo, the name of the caller.
    pub actor: String,
    /// What made them: a person, a timer, a package manager. None in receipts of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Who ended it, where it was interrupted and another run did that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<RecoveredBy>,
    /// Why it was done.
    pub why: String,
    /// Leaf before, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// Leaf after, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
    /// Of a target with several pairs, the leaves of each, in the order of the pairs; else nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Leaves>,
    /// What was run and asked on the way, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// How it ended.
    pub end: End,
}

/// The leaves of one of several pairs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leaves {
    /// Before, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// After, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
}

/// Who brought an interrupted transaction to its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecoveredBy {
    /// As [`Receipt::actor`].
    pub actor: String,
    /// What made them.
    pub trigger: Trigger,
}

/// How a transaction ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// The new state stands.
    Committed {
        /// How that was proved.
        proof: Proof,
    },
    /// The old state stands.
    RolledBack {
        /// What failed.
        why: String,
    },
    /// It was about to be made, and nothing was touched.
    Refused {
        /// What stood against it.
        why: String,
    },
    /// Undo could not be completed, and a person decided to keep what was there.
    Accepted,
}

/// How a change was proved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Proof {
    /// Every probe showed the new leaf, several times in a row, with its key proved.
    Handshakes {
        /// How many handshakes showed it in all.
        count: u32,
    },
    /// The target's own commands, which ask in its place, ended well; no handshake was made.
    Commands {
        /// How many runs did, in all.
        count: u32,
    },
    /// The files were read back; nothing could be asked.
    ReadBack {
        /// Why no handshake was possible.
        why: String,
    },
    /// The file that clients take their trusted certificates from was read, and is as meant.
    Bundle {
        /// The file.
        path: PathBuf,
    },
}

/// One thing that was run or asked on the way, and how it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// What it was for.
    pub what: Checked,
    /// The command, or the place that was asked.
    pub of: String,
    /// Whether it ended as it should.
    pub good: bool,
    /// How it ended, for people; nothing that a command printed.
    pub saw: String,
    /// Whether it was about the old pair, in an undo.
    #[serde(default, skip_serializing_if = "is_false")]
    pub undo: bool,
}

/// What a [`Check`] was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checked {
    /// The service's test of its own configuration.
    ConfigTest,
    /// A hook before the change.
    PreHook,
    /// A hook that was given the pair.
    DeployHook,
    /// The service's reload.
    Reload,
    /// Its restart.
    Restart,
    /// A place where the certificate is served, or a command that tells how the service is.
    Probe,
}

impl Checked {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ConfigTest => "config-test",
            Self::PreHook => "pre-hook",
            Self::DeployHook => "deploy-hook",
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Probe => "probe",
        }
    }
}

/// What was run and asked so far. A receipt is one line that is read back from the end of a file, so neither their number nor their
/// length is without bounds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checks(Vec<Check>);

impl Checks {
    const MOST: usize = 48;
    const LONGEST: usize = 200;

    /// Adds one; what is too many is left out, the failed ones last.
    pub fn add(&mut self, what: Checked, of: &str, good: bool, saw: &str, undo: bool) {
        let cut = |text: &str| text.chars().take(Self::LONGEST).collect::<String>();
        let check = Check { what, of: cut(of), good, saw: cut(saw), undo };
        if self.0.len() < Self::MOST {
            self.0.push(check);
        } else if !good && let Some(at) = self.0.iter().rposition(|known| known.good) {
            self.0.remove(at);
            self.0.push(check);
        }
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> &[Check] {
        &self.0
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_has_bounds_and_no_failure_is_left_out_for_a_success() {
        let mut checks = Checks::default();
        for number in 0..200 {
            checks.add(Checked::Probe, &"p".repeat(1000), number != 199, &"s".repeat(1000), false);
        }
        assert_eq!(checks.list().len(), Checks::MOST);
        assert!(
            checks.list().iter().all(|check| check.of.len() == Checks::LONGEST && check.saw.len() <= Checks::LONGEST)
        );
        assert_eq!(checks.list().iter().filter(|check| !check.good).count(), 1, "the last one failed");
    }
}
