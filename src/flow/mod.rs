//! One file a verb. Each introduces adapters to the engine and reads like the drawing in the crate's documentation.

pub mod adopt;
pub mod backups;
pub mod ca;
mod change;
pub mod check;
pub mod demo;
pub mod init;
pub mod install;
pub mod obtain;
pub mod post_upgrade;
pub mod preview;
pub mod recover;
pub mod renew;
pub mod restore;
pub mod status;
mod survey;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::assess::Finding;
use crate::config::{Config, TargetConfig};
use crate::event::Listener;
use crate::host::Host;
use crate::outcome::{Exit, Outcome};
use preview::Plan;

/// What every verb works with.
pub struct Session<'a> {
    /// The machine.
    pub host: &'a Host,
    /// The configuration.
    pub config: &'a Config,
    /// Where adopted pairs live.
    pub live_dir: PathBuf,
    /// What was asked for besides the verb.
    pub options: Options,
    /// Who hears what happens.
    pub listener: &'a mut dyn Listener,
}

/// What was asked for besides the verb.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Show the plan and stop.
    pub dry_run: bool,
    /// Do what would be refused: an expired certificate, missing names, a downgrade.
    pub force: bool,
    /// Ask the servers even where the files are what was proved before.
    pub live: bool,
    /// Keep the private key.
    pub keep_key: bool,
    /// How long to wait for another reseal.
    pub wait: Duration,
    /// Where a passphrase comes from, and whether one may be asked for.
    pub secrets: Secrets,
}

/// Where a passphrase may come from.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// A file that holds it.
    pub file: Option<PathBuf>,
    /// An inherited descriptor to read it from.
    pub descriptor: Option<i32>,
    /// A person may be asked.
    pub may_prompt: bool,
}

/// How a verb ended for one target.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The target.
    pub target: String,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What was, or would be, done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Worth a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Report {
    fn new(target: &str, outcome: Outcome) -> Self {
        Self { target: target.to_owned(), findings: Vec::new(), plan: None, notes: Vec::new(), outcome }
    }
}

/// The exit code of a run over several targets: the worst.
#[must_use]
pub fn exit(reports: &[Report]) -> Exit {
    reports.iter().fold(Exit::Good, |worst, report| worst.worst(report.outcome.exit()))
}

/// A verb could not begin for a target: nothing was changed.
#[derive(Debug)]
pub struct Refusal {
    /// What was tried on what, and why it is not done.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Refusal {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn outcome(self) -> Outcome {
        Outcome::Refused { why: self.why, hint: self.hint }
    }
}

macro_rules! refusal_from {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Self { hint: error.hint().map(Into::into), why: error.to_string() }
            }
        }
    )*};
}
refusal_from!(
    crate::host::walk::WalkError,
    crate::host::dir::DiskError,
    crate::host::state::StateError,
    crate::engine::vault::VaultError,
);

impl Session<'_> {
    /// The targets of these names, in the order asked for; all of them when none is named.
    ///
    /// # Errors
    /// A name that no target has.
    pub fn targets(&self, names: &[String]) -> Result<Vec<TargetConfig>, Refusal> {
        if names.is_empty() {
            return Ok(self.config.targets.clone());
        }
        names.iter().map(|name| self.target(name).cloned()).collect()
    }

    fn target(&self, name: &str) -> Result<&TargetConfig, Refusal> {
        self.config.target(name).ok_or_else(|| {
            let known: Vec<&str> = self.config.targets.iter().map(|target| target.name.as_str()).collect();
            let refusal = Refusal::new(format!("there is no target `{name}` in {}", self.config.origin.display()));
            match known.as_slice() {
                [] => refusal.hint("no target is configured yet: `reseal init` writes a first configuration"),
                known => refusal.hint(format!("the targets there are: {}", known.join(", "))),
            }
        })
    }
}
