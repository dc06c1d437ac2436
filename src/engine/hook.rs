//! Runs the hooks of a transaction: with what they are told, and what becomes of a failure.

use super::failure::Failure;
use super::journal::Begin;
use super::vault::Vault;
use super::{Engine, lineage};
use crate::cert::{Bundle, installed};
use crate::change::{Command, Point, Role};
use crate::digest::Digest;
use crate::event::{Event, Listener};
use crate::host::Host;
use crate::host::state::State;
use crate::outcome::{Checked, Checks, explain};

/// Which of the two pairs of a change stands in the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pair {
    /// The one that was there before.
    Old,
    /// The one that the change brings.
    New,
}

impl Pair {
    fn word(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    fn generation(self, begin: &Begin) -> u32 {
        match self {
            Self::Old => begin.backup,
            Self::New => begin.generation,
        }
    }
}

/// How a transaction ended, as post hooks are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// The new pair stands.
    Committed,
    /// The old pair stands again.
    RolledBack,
    /// Nothing was touched.
    Refused,
    /// A person is needed.
    Stuck,
    /// A person has decided to keep what is there.
    Accepted,
}

impl Ended {
    fn word(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled-back",
            Self::Refused => "refused",
            Self::Stuck => "stuck",
            Self::Accepted => "accepted",
        }
    }

    fn pair(self) -> Option<Pair> {
        match self {
            Self::Committed => Some(Pair::New),
            Self::RolledBack | Self::Refused => Some(Pair::Old),
            Self::Stuck | Self::Accepted => None,
        }
    }
}

/// The hooks before the change.
///
/// # Errors
/// The first that fails; those behind it do not run.
pub(super) fn pre(host: &Host, begin: &Begin, checks: &mut Checks, listener: &mut dyn Listener) -> Result<(), Failure> {
    for command in &begin.hooks.pre {
        let environment = Environment::of(begin, Point::Pre, Some(Pair::Old));
        let record = Some((&mut *checks, Checked::PreHook, false));
        if let Err(text) = run(host, Point::Pre, command, &environment, record, listener) {
            return Err(Failure {
                why: format!("{text}; nothing was touched"),
                hint: Some("mend what it says, then run the same command again; `--no-hooks` does without".to_owned()),
            });
        }
    }
    Ok(())
}

/// The hooks that are given the pair: all of them, once for each certificate of the target.
///
/// # Errors
/// For the new pair, the first that fails: those behind it do not run. For the old one every hook runs, whatever became of the others, and
/// only what cannot be removed again afterwards is an error.
pub(super) fn deploy(
    (host, state): (&Host, &State),
    begin: &Begin,
    pair: Pair,
    checks: &mut Checks,
    listener: &mut dyn Listener,
) -> Result<(), Failure> {
    if begin.hooks.deploy.is_empty() {
        return Ok(());
    }
    let bundles = match bundles(state, begin, pair) {
        Ok(bundles) => bundles,
        Err(why) if pair == Pair::New => return Err(Failure::new(why)),
        Err(why) => {
            listener.hear(&Event::HookFailed { text: format!("no deploy hook could be run: {why}") });
            return Ok(());
        }
    };
    if bundles.is_empty() {
        let text = format!(
            "no deploy hook was run for the {} pair: there is no key that belongs to its certificate",
            pair.word()
        );
        listener.hear(&Event::Note { text });
    }
    for bundle in &bundles {
        let ran = with_lineage((host, state), begin, pair, bundle, checks, listener);
        lineage::sweep(state, &begin.target)?;
        ran?;
    }
    Ok(())
}

fn with_lineage(
    (host, state): (&Host, &State),
    begin: &Begin,
    pair: Pair,
    bundle: &Bundle,
    checks: &mut Checks,
    listener: &mut dyn Listener,
) -> Result<(), Failure> {
    let path = match lineage::lay(state, &begin.target, bundle) {
        Ok(path) => path.display().to_string(),
        Err(error) if pair == Pair::New => return Err(error.into()),
        Err(error) => {
            listener.hear(&Event::HookFailed { text: format!("no deploy hook could be run: {}", explain(&error)) });
            return Ok(());
        }
    };
    let mut environment = Environment::of(begin, Point::Deploy, Some(pair));
    environment.add("RENEWED_LINEAGE", path);
    environment.domains(bundle.leaf().names().iter().map(ToString::to_string));
    for command in &begin.hooks.deploy {
        let undo = pair == Pair::Old;
        let record = Some((&mut *checks, Checked::DeployHook, undo));
        match run(host, Point::Deploy, command, &environment, record, listener) {
            Ok(()) => {}
            Err(text) if undo => {
                listener.hear(&Event::HookFailed { text: format!("for the old pair, {text}") });
            }
            Err(why) => {
                let hint = "mend the hook, then run the same command again; `--no-hooks` does without";
                return Err(Failure { why, hint: Some(hint.to_owned()) });
            }
        }
        if !undo && host.interrupted().is_some() {
            return Err(Failure::new("a signal asked to stop while the deploy hooks ran"));
        }
    }
    Ok(())
}

/// The hooks after the end. A failure is told, and changes nothing.
pub(super) fn post(engine: &Engine<'_>, begin: &Begin, ended: Ended, listener: &mut dyn Listener) {
    if begin.hooks.post.is_empty() {
        return;
    }
    let mut environment = Environment::of(begin, Point::Post, ended.pair());
    environment.add("RESEAL_OUTCOME", ended.word().to_owned());
    if let Some(names) = ended.pair().and_then(|pair| names(&engine.state, begin, pair)) {
        environment.domains(names.into_iter());
    }
    for command in &begin.hooks.post {
        // What is left of a run's time is no reason to leave out what follows its end. The receipt has been given by then.
        let ran = engine.host.patiently(|| run(engine.host, Point::Post, command, &environment, None, listener));
        if let Err(text) = ran {
            listener.hear(&Event::HookFailed { text });
        }
    }
}

/// Runs one; as an error how it failed, for people.
fn run(
    host: &Host,
    point: Point,
    command: &Command,
    environment: &Environment,
    record: Option<(&mut Checks, Checked, bool)>,
    listener: &mut dyn Listener,
) -> Result<(), String> {
    listener.hear(&Event::Running { what: point.called(), command: command.clone() });
    let ran = host.run_with(command, &environment.pairs());
    if let Some((checks, what, undo)) = record {
        checks.add(what, &command.to_string(), ran.ok(), &ran.end(), undo);
    }
    if ran.ok() {
        return Ok(());
    }
    let said = ran.tail();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Err(format!("the {} `{command}` {}{said}", point.called(), ran.end()))
}

/// The pairs as a generation keeps them, each certificate once.
fn bundles(state: &State, begin: &Begin, pair: Pair) -> Result<Vec<Bundle>, String> {
    let why = |error: &dyn std::error::Error| explain(error);
    let vault = Vault::open(state, &begin.target).map_err(|error| why(&error))?;
    let Some(vault) = vault else { return Err(format!("nothing is kept of {}", begin.target)) };
    let manifest = vault.manifest(pair.generation(begin)).map_err(|error| why(&error))?;
    let contents = vault.contents(&manifest).map_err(|error| why(&error))?;
    let mut found: Vec<Bundle> = Vec::new();
    for places in &begin.hooks.pairs {
        let held = manifest.slots.iter().zip(&contents).filter(|(saved, _)| places.contains(&saved.path));
        let parts: Vec<(Role, &[u8])> =
            held.filter_map(|(saved, content)| Some((saved.role, content.as_ref()?.expose()))).collect();
        let bundle = installed::bundle(&parts);
        found.extend(bundle.filter(|one| !found.iter().any(|known| known.leaf() == one.leaf())));
    }
    Ok(found)
}

fn names(state: &State, begin: &Begin, pair: Pair) -> Option<Vec<String>> {
    let vault = Vault::open(state, &begin.target).ok()??;
    Some(vault.manifest(pair.generation(begin)).ok()?.leaf?.names)
}

/// What a hook is told: values, and never a part of a command.
struct Environment(Vec<(&'static str, String)>);

impl Environment {
    fn of(begin: &Begin, point: Point, stands: Option<Pair>) -> Self {
        let mut told = Self(Vec::new());
        told.add("RESEAL_HOOK", point.word().to_owned());
        told.add("RESEAL_TARGET", begin.target.clone());
        told.add("RESEAL_VERB", begin.verb.clone());
        told.add("RESEAL_GENERATION", begin.generation.to_string());
        let digest = |digest: Option<Digest>| digest.map(|digest| digest.to_string()).unwrap_or_default();
        told.add("RESEAL_OLD_FINGERPRINT", digest(begin.before));
        told.add("RESEAL_NEW_FINGERPRINT", digest(begin.after));
        told.add("RESEAL_STANDS", stands.map(Pair::word).unwrap_or_default().to_owned());
        told
    }

    fn add(&mut self, name: &'static str, value: String) {
        self.0.push((name, value));
    }

    /// The names that a certificate is for, in one value. None of them holds a space: what is no name is not among them.
    fn domains(&mut self, names: impl Iterator<Item = String>) {
        self.add("RENEWED_DOMAINS", names.collect::<Vec<_>>().join(" "));
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}
