//! One file a verb. Each introduces adapters to the engine and reads like the drawing in the crate's documentation.

pub mod acme;
pub mod activate;
pub mod adopt;
mod around;
mod asked;
pub mod backups;
pub mod beside;
pub mod ca;
mod change;
pub mod check;
pub mod clients;
mod complete;
pub mod csr;
pub mod demo;
pub mod export;
mod fit;
pub mod fitting;
mod gone;
mod guard;
pub mod history;
mod hooks;
pub mod init;
pub mod install;
pub mod judge;
mod keepers;
mod leaves;
pub mod maintain;
mod named;
pub mod notify;
pub mod obtain;
mod occasion;
mod output;
pub mod post_upgrade;
pub mod preview;
pub mod recorded;
pub mod recover;
mod refusal;
pub mod renew;
pub mod restore;
pub mod retire;
pub mod scan;
pub mod secret;
mod sent;
mod shared;
pub mod snapshot;
pub mod stage;
pub mod status;
mod stood;
mod survey;
mod switch;
pub mod trust;
pub mod users;
mod withdrawn;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::assess::Finding;
use crate::assess::upgrade::Noticed;
use crate::config::{Config, Policy, TargetConfig};
use crate::endpoint::Sni;
use crate::engine::vault;
use crate::engine::{Engine, EngineError, Recovered, When};
use crate::event::Listener;
use crate::host::Host;
use crate::host::passphrase::Explicit;
use crate::host::state::{self, State};
use crate::outcome::{Exit, Outcome};
use beside::Beside;
use preview::Plan;
use users::Against;

pub use refusal::Refusal;

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
    /// The machine lock, from the first change of a run to its end.
    engine: Option<Engine<'a>>,
    /// The local CAs whose keys were opened.
    authorities: ca::Authorities,
    /// When it is over to wait for another reseal: once a run, and not once a target.
    waits_until: Option<Instant>,
    /// What recovery at the start of the run has found, by target.
    recovered: Vec<Recovered>,
    /// Which target reaches which file; found out where it first matters.
    reached: OnceLock<shared::Reached>,
}

/// What was asked for besides the verb.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Show the plan and stop.
    pub dry_run: bool,
    /// Do what would be refused: an expired certificate, missing names, a downgrade.
    pub force: bool,
    /// Believes the machine's clock, though the newest receipt is of a later time.
    pub trust_clock: bool,
    /// Run no hooks.
    pub no_hooks: bool,
    /// Ask the servers even where the files are what was proved before.
    pub live: bool,
    /// Keep the private key.
    pub keep_key: bool,
    /// Install what is worse than the one in place.
    pub downgrade: bool,
    /// The entry of a store that holds several.
    pub alias: Option<String>,
    /// How long a run waits for another reseal, however many its targets.
    pub wait: Duration,
    /// Where a passphrase comes from, and whether one may be asked for.
    pub secrets: Secrets,
    /// Whose trust is asked for, instead of what is usual.
    pub trust: Vec<String>,
    /// How long a server may take that is looked at, instead of what is configured.
    pub timeout: Option<Duration>,
    /// What the servers that somebody names are asked for, instead of their host.
    pub name: Option<Sni>,
    /// Where the files of the system are that reseal places something into, if not at `/`.
    pub root: Option<PathBuf>,
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
    /// How long the kernel keeps what a person types; none: not at all.
    pub remember: Option<Duration>,
}

impl Secrets {
    /// The one place that the command line names.
    fn explicit(&self) -> Option<Explicit> {
        let file = self.file.clone().map(Explicit::File);
        self.descriptor.map(Explicit::Fd).or(file)
    }
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
    /// What an upgrade has done to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upgrade: Vec<Noticed>,
    /// Worth a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What speaks against it, of `retire`: why it was refused, or what was overruled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Against>,
    /// Hooks that failed where that stops nothing: after the end, or in an undo. The reload of an undo, where nobody can be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks_failed: Vec<String>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Report {
    fn new(target: &str, outcome: Outcome) -> Self {
        Self {
            target: target.to_owned(),
            findings: Vec::new(),
            plan: None,
            upgrade: Vec::new(),
            notes: Vec::new(),
            against: Vec::new(),
            hooks_failed: Vec::new(),
            outcome,
        }
    }

    /// The exit code it calls for.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let hooks = if self.hooks_failed.is_empty() { Exit::Good } else { Exit::Findings };
        self.outcome.exit().worst(hooks)
    }
}

/// The exit code of a run over several targets: the worst.
#[must_use]
pub fn exit(reports: &[Report]) -> Exit {
    reports.iter().fold(Exit::Good, |worst, report| worst.worst(report.exit()))
}

impl<'a> Session<'a> {
    /// A session that has taken no lock yet.
    pub fn new(
        host: &'a Host,
        config: &'a Config,
        live_dir: PathBuf,
        options: Options,
        listener: &'a mut dyn Listener,
    ) -> Self {
        Self {
            host,
            config,
            live_dir,
            options,
            listener,
            engine: None,
            authorities: ca::Authorities::default(),
            waits_until: None,
            recovered: Vec::new(),
            reached: OnceLock::new(),
        }
    }

    /// Takes the machine lock for `verb` once in a run, and finishes or undoes what earlier runs have left.
    ///
    /// # Errors
    /// As an outcome: somebody else is at work, or reseal's own directory cannot be used.
    fn engine(&mut self, verb: &str) -> Result<&Engine<'a>, Outcome> {
        if self.engine.is_none() {
            let until = *self.waits_until.get_or_insert_with(|| Instant::now() + self.options.wait);
            let left = until.saturating_duration_since(Instant::now());
            let engine = Engine::open(self.host, verb, left).map_err(EngineError::outcome)?;
            self.recovered = engine.recover(None, When::Running, self.listener);
            engine.trust_clock(self.options.trust_clock).map_err(EngineError::outcome)?;
            trust::sweep(engine.state()).map_err(|error| Refusal::from(error).outcome())?;
            let targets = self.config.targets.iter().map(|target| target.name.as_str());
            stood::settle(engine.state(), targets).map_err(Refusal::outcome)?;
            self.engine = Some(engine);
            // Under the lock everything is looked at anew.
            self.host.forget();
        }
        self.engine.as_ref().ok_or_else(|| Outcome::Refused { why: "the engine was not opened".to_owned(), hint: None })
    }

    /// Adds what became of the transactions that an earlier run had left and that this one has ended, or could not end: told, so that nobody
    /// has to find it by chance.
    pub fn tell_recovered(&self, reports: &mut Vec<Report>) {
        for it in &self.recovered {
            let ended = !matches!(it.outcome, Outcome::Stuck { .. });
            let about =
                reports.iter_mut().find(|report| report.target == it.target && (ended || report.outcome == it.outcome));
            match about {
                Some(report) => report.hooks_failed.extend(it.hooks_failed.iter().cloned()),
                None => reports.push(recover::report(it)),
            }
        }
    }

    /// Ends what an earlier run has left, before anything is judged: an interrupted change that happens to look good was never proved.
    /// Where nothing was interrupted, nothing is locked and nothing written.
    ///
    /// # Errors
    /// As [`Session::engine_for`].
    fn begin(&mut self, verb: &str, target: &str) -> Result<(), Outcome> {
        let waiting = recover::pending(self.host).map_err(Refusal::outcome)?;
        if waiting.is_empty() || self.options.dry_run {
            return Ok(());
        }
        self.engine_for(verb, target).map(|_| ())
    }

    /// The same, and how it stands with a target whose interrupted transaction could not be ended: that one must not be touched.
    fn engine_for(&mut self, verb: &str, target: &str) -> Result<&Engine<'a>, Outcome> {
        self.engine(verb)?;
        let encoded = state::file_name(target);
        let stuck = self.recovered.iter().find(|recovered| {
            // Without a name: the journals could not even be listed, and any target may have one.
            let same = recovered.target.is_empty() || recovered.target == target || *recovered.target == *encoded;
            same && matches!(recovered.outcome, Outcome::Stuck { .. })
        });
        if let Some(recovered) = stuck {
            return Err(recovered.outcome.clone());
        }
        self.engine(verb)
    }

    /// Refuses to change files that another target reaches too.
    ///
    /// # Errors
    /// Names both targets.
    fn alone_with(&self, target: &str, survey: &survey::Survey) -> Result<(), Refusal> {
        self.reached().refuse(target, survey)
    }

    fn reached(&self) -> &shared::Reached {
        self.reached.get_or_init(|| shared::Reached::by(self.config, self.host))
    }

    /// The targets of these names, in the order asked for; all of them when none is named.
    ///
    /// # Errors
    /// A name that no target has.
    pub fn targets(&self, names: &[String]) -> Result<Vec<&'a TargetConfig>, Refusal> {
        if names.is_empty() {
            return Ok(self.config.targets.iter().collect());
        }
        names.iter().map(|name| self.target(name)).collect()
    }

    /// What generations may be kept of, with the number of them that `prune` leaves: the targets of these names, and what else
    /// has generations: [`Beside`], and targets that are configured no more; all of them when none is named.
    ///
    /// # Errors
    /// A name that nothing has.
    pub fn kept(&self, names: &[String]) -> Result<Vec<(String, u32)>, Refusal> {
        let of_target = |target: &TargetConfig| (target.name.clone(), target.policy.keep);
        let of_beside = |one: &Beside| (one.target(), Policy::default().keep);
        let of_left = |name: &String| (name.clone(), Policy::default().keep);
        if names.is_empty() {
            let mut all: Vec<_> = self.config.targets.iter().map(of_target).collect();
            if let Some(state) = State::open(self.host)? {
                let known = vault::targets(&state)?;
                all.extend(known.iter().filter_map(|name| Beside::of_file_name(name)).map(|one| of_beside(&one)));
                all.extend(known.iter().filter(|name| self.is_left(name)).map(of_left));
            }
            return Ok(all);
        }
        let left = |name: &String| -> Result<bool, Refusal> {
            let Some(state) = State::open(self.host)? else { return Ok(false) };
            Ok(self.is_left(name) && vault::targets(&state)?.contains(name))
        };
        let one = |name: &String| match Beside::of_target(name) {
            Some(one) => Ok(of_beside(&one)),
            None if left(name)? => Ok(of_left(name)),
            None => self.target(name).map(of_target),
        };
        names.iter().map(one).collect()
    }

    /// Whether generations under this name would be those of a target that is configured no more: they hold keys, so nobody is to lose
    /// sight of them.
    fn is_left(&self, name: &str) -> bool {
        self.config.target(name).is_none() && Beside::of_file_name(name).is_none() && *state::file_name(name) == *name
    }

    fn target(&self, name: &str) -> Result<&'a TargetConfig, Refusal> {
        self.config.target(name).ok_or_else(|| {
            let known: Vec<&str> = self.config.targets.iter().map(|target| target.name.as_str()).collect();
            let why = format!("there is no target `{name}` in {}", self.config.origin.display());
            let refusal = Refusal { why, hint: None, exit: Exit::Usage };
            match known.as_slice() {
                [] => refusal.hint("no target is configured yet: `reseal init` writes a first configuration"),
                known => refusal.hint(format!("the targets there are: {}", known.join(", "))),
            }
        })
    }
}
