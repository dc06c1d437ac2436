//! Renderers: what a verb answered in, text out. Pure.

pub mod csv;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod nagios;
mod page;
pub mod prometheus;
pub mod rows;
#[cfg(test)]
mod specimen;
pub mod standing;
pub mod text;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;

use crate::assess::Finding;
use crate::config::Problem;
pub use crate::escape;
use crate::flow::acme::AccountView;
use crate::flow::backups::Generation;
use crate::flow::ca::{self, AuthorityView};
use crate::flow::check::Checked;
use crate::flow::csr::Requested;
use crate::flow::demo::Scene;
use crate::flow::export::Exported;
use crate::flow::fitting::show::Text;
use crate::flow::fitting::status::FittingView;
use crate::flow::history;
use crate::flow::init::Written;
use crate::flow::notify::{Overview, Tested};
use crate::flow::secret::{self, SecretView};
use crate::flow::status::Status;
use crate::flow::trust::AnchorView;
use crate::flow::{Refusal, Report};
use crate::outcome::{Exit, Receipt};

/// What a run came to.
#[derive(Debug)]
pub struct Answer {
    /// The verb, as it was typed; none when no verb could be made out.
    pub command: Option<&'static str>,
    /// How the run ends.
    pub exit: Exit,
    /// What there is to tell.
    pub body: Body,
    /// Why it could not do all that was asked.
    pub failure: Option<Failure>,
}

impl Answer {
    /// A run that could not begin.
    #[must_use]
    pub fn failed(command: Option<&'static str>, failure: Failure) -> Self {
        Self { command, exit: failure.exit, body: Body::None, failure: Some(failure) }
    }
}

/// What there is to tell.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    None,
    /// How a changing verb ended for each target.
    Changes(Vec<Report>),
    /// What `check` found.
    Checks(Vec<Checked>),
    /// What is kept.
    Generations {
        /// Each, oldest first.
        list: Vec<Generation>,
        /// Whether every byte was held against its digest.
        verified: bool,
    },
    /// What was done.
    History {
        /// Oldest first.
        receipts: Vec<Receipt>,
        /// Lines of the ledger, from 1, that are damaged.
        damaged_lines: Vec<usize>,
    },
    /// Whether the record of what was done is whole.
    Ledger(history::Verified),
    /// How the targets stand.
    Statuses {
        /// Each.
        list: Vec<Status>,
        /// The channels that do not deliver.
        channels: Vec<Finding>,
    },
    /// What became of tests of channels.
    Tested(Vec<Tested>),
    /// How it stands with channels.
    Channels(Box<Overview>),
    /// What `init` wrote.
    Written(Written),
    /// Certificate authorities.
    Authorities(Vec<AuthorityView>),
    /// A certificate that was issued by hand.
    Issued(ca::Written),
    /// A request to a CA elsewhere.
    Requested(Box<Requested>),
    /// A certificate that was written in another form.
    Exported(Exported),
    /// What else a certificate authority did.
    Authority(ca::Done),
    /// Accounts at certificate authorities that speak ACME.
    Accounts(Vec<AccountView>),
    /// Passphrases that are needed here.
    Secrets(Vec<SecretView>),
    /// What became of one in the keyrings.
    Kept(Vec<secret::Change>),
    /// What reseal has added to stores of trusted certificates.
    Anchors {
        /// Those that are known.
        anchors: Vec<AnchorView>,
        /// Why others are not; told as the failure of the answer.
        unread: Option<Failure>,
    },
    /// What reseal has placed into the system for itself.
    Fittings(Vec<FittingView>),
    /// Texts that can be placed.
    Texts(Vec<Text>),
    /// A report that was written to a file.
    Saved(Saved),
    /// The scenes of the demo; text for people has told them already.
    Story(Vec<Scene>),
}

impl Body {
    /// How a changing verb ended for each target; none of any other verb.
    #[must_use]
    pub fn changes(&self) -> Option<&[Report]> {
        if let Self::Changes(reports) = self { Some(reports) } else { None }
    }

    /// What `check` found; none of any other verb.
    #[must_use]
    pub fn checks(&self) -> Option<&[Checked]> {
        if let Self::Checks(all) = self { Some(all) } else { None }
    }
}

/// A report that was written to a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Saved {
    /// The file.
    pub path: PathBuf,
    /// Whether it was written; not so in a dry run.
    pub written: bool,
    /// Its length in bytes.
    pub bytes: usize,
    /// How many targets, files and servers are in it.
    pub subjects: usize,
    /// How many of them stand how.
    pub standings: BTreeMap<&'static str, usize>,
}

/// A run could not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// How the run ends.
    pub exit: Exit,
    /// What was tried on what, and why it failed.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The places in the configuration that are wrong, with the file.
    pub problems: Vec<(PathBuf, Problem)>,
}

impl Failure {
    /// A word of the command line or of the configuration is wrong.
    #[must_use]
    pub fn usage(message: impl Into<String>, hint: Option<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint, problems: Vec::new() }
    }

    /// What kept several things from being looked at, in one; none where nothing did.
    #[must_use]
    pub fn of_all(refusals: Vec<Refusal>) -> Option<Self> {
        refusals.into_iter().map(Self::from).reduce(|all, next| Self {
            message: format!("{}; {}", all.message, next.message),
            exit: all.exit.worst(next.exit),
            hint: match (all.hint, next.hint) {
                (Some(one), Some(other)) => Some(format!("{one}; {other}")),
                (one, other) => one.or(other),
            },
            ..next
        })
    }

    /// A name that was typed is none.
    #[must_use]
    pub fn misnamed(refusal: Refusal) -> Self {
        Self::usage(refusal.why, refusal.hint)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { exit: refusal.exit, message: refusal.why, hint: refusal.hint, problems: Vec::new() }
    }
}

/// What text for people depends on besides the answer.
#[derive(Clone, Debug)]
pub struct View {
    /// The time, UTC.
    pub now: OffsetDateTime,
    /// Columns of the terminal; none where there is no terminal: then nothing is broken or cut.
    pub width: Option<usize>,
    /// How to call the program again for the same configuration and state.
    pub program: String,
    /// The configuration that was read, or looked for; none while that is not known.
    pub configuration: Option<PathBuf>,
    /// Only what is not well is told.
    pub quiet: bool,
}
