//! What has generations and is no target of the configuration: stores of trusted certificates, and what reseal places into the system for
//! itself. Every change to one is a transaction of the engine, as those of targets are.

use std::path::{Path, PathBuf};

use super::preview::{Plan, PlannedAnchor, PlannedFile};
use super::{Refusal, Report, Session, fitting, trust};
use crate::change::{Apply, Hooks, Image, Probe, Role, Slot, Step};
use crate::digest::Digest;
use crate::engine::vault::{Manifest, Origin, Vault};
use crate::engine::{self, Change, ConfigTest, Demands, Ledger, Limits, Upcoming};
use crate::fitting::Fitting;
use crate::host::Host;
use crate::host::state::State;
use crate::outcome::{End, Outcome};
use crate::sensitive::Sensitive;
use crate::trust::Store;

/// The verb that puts an earlier generation back.
pub(super) const RESTORE: &str = "restore";

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Beside {
    /// A store of trusted certificates.
    Store(Store),
    /// Files that reseal has placed into the system for itself.
    Fitting(Fitting),
}

impl Beside {
    /// The one of this name, which no target has.
    #[must_use]
    pub fn of_target(name: &str) -> Option<Self> {
        let store = Store::of_target(name).map(Self::Store);
        store.or_else(|| Fitting::of_target(name).map(Self::Fitting))
    }

    /// The one of a name as the records on disk have it.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let store = Store::of_file_name(name).map(Self::Store);
        store.or_else(|| Fitting::of_file_name(name).map(Self::Fitting))
    }

    /// What it is to the engine.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Store(store) => store.target(),
            Self::Fitting(fitting) => fitting.target(),
        }
    }

    /// Puts generation `wanted` back, or the newest one that is not in place.
    pub(super) fn restore(&self, session: &mut Session<'_>, wanted: Option<u32>) -> Report {
        match self {
            Self::Store(store) => trust::restore(session, store, wanted),
            Self::Fitting(fitting) => fitting::restore(session, fitting, wanted),
        }
    }
}

/// What a change is made of.
#[derive(Default)]
pub(super) struct Made {
    pub slots: Vec<Slot>,
    pub steps: Vec<Step>,
    pub basis: Basis,
    /// Directories that go once they are empty.
    pub retire: Vec<PathBuf>,
    pub apply: Apply,
    pub probes: Vec<Probe>,
    pub trust: Vec<PlannedAnchor>,
    pub why: String,
    pub repeats: Option<u32>,
    pub notes: Vec<String>,
    /// The command takes every file of the directory for one of its own.
    pub nothing_beside: bool,
    /// The new files are made by a program, which is not run for a plan.
    pub unmade: bool,
    /// How long the probes may take to show it, in milliseconds.
    pub verify: u64,
}

/// What the new bytes of places are made out of.
pub(super) type Basis = Vec<(PathBuf, Option<Digest>)>;

/// Why there is nothing to do.
pub(super) struct Nothing {
    pub why: String,
    pub notes: Vec<String>,
}

/// Looks, and says what is to be changed, or why nothing is. Asked first without the lock, and again under it, since a lot can happen in
/// between. Under the lock it gets reseal's own directory.
pub(super) type Build<'b> = dyn Fn(&Session<'_>, Option<&State>) -> Result<Result<Made, Nothing>, Refusal> + 'b;

/// Takes the lock, recovers, looks again, and makes the change; or shows the plan and stops. Where nothing is to be done, nothing is
/// locked or written, and no command is run.
pub(super) fn carry_out(session: &mut Session<'_>, target: &str, verb: &'static str, build: &Build<'_>) -> Report {
    if let Err(outcome) = session.begin(verb, target) {
        return Report::new(target, outcome);
    }
    match attempt(session, target, verb, build) {
        Ok(report) => report,
        Err(refusal) => Report::new(target, refusal.outcome()),
    }
}

fn attempt(session: &mut Session<'_>, target: &str, verb: &'static str, build: &Build<'_>) -> Result<Report, Refusal> {
    let made = match build(session, None)? {
        Ok(made) => made,
        Err(nothing) => return Ok(done_already(target, nothing)),
    };
    if session.options.dry_run {
        let upcoming = upcoming(session, target, &made.slots)?;
        let plan = plan(&made, upcoming);
        return Ok(report(target, made, plan, Outcome::Planned));
    }
    if let Err(outcome) = session.engine_for(verb, target) {
        return Ok(Report::new(target, outcome));
    }
    let Some(engine) = session.engine.as_ref() else { return Err(Refusal::new("the engine was not opened")) };
    let mut made = match build(session, Some(engine.state()))? {
        Ok(made) => made,
        Err(nothing) => return Ok(done_already(target, nothing)),
    };
    let upcoming = engine.upcoming(target, &made.slots, (None, &[]))?;
    let plan = plan(&made, upcoming);
    let change = change(target, verb, &mut made);
    let outcome = engine.run(&change, session.listener);
    Ok(report(target, made, plan, outcome))
}

fn done_already(target: &str, Nothing { why, notes }: Nothing) -> Report {
    Report { notes, ..Report::new(target, Outcome::Nothing { why }) }
}

fn report(target: &str, made: Made, plan: Plan, outcome: Outcome) -> Report {
    Report { plan: Some(plan), notes: made.notes, ..Report::new(target, outcome) }
}

fn change(target: &str, verb: &'static str, made: &mut Made) -> Change {
    Change {
        target: target.to_owned(),
        verb,
        why: made.why.clone(),
        repeats: made.repeats,
        slots: made.slots.clone(),
        steps: std::mem::take(&mut made.steps),
        retire: std::mem::take(&mut made.retire),
        apply: std::mem::take(&mut made.apply),
        // Hooks are given a pair, and there is none.
        hooks: Hooks::default(),
        probes: made.probes.iter().map(|probe| (probe.clone(), None)).collect(),
        leaf: None,
        pairs: Vec::new(),
        limits: Limits { verify: made.verify, settle: 0, probe: 10_000 },
        demands: Demands {
            config_test: ConfigTest::MustPass,
            nothing_beside: made.nothing_beside,
            made_from: std::mem::take(&mut made.basis),
            ..Demands::default()
        },
    }
}

/// The numbers a change would take, without the lock.
fn upcoming(session: &Session<'_>, target: &str, slots: &[Slot]) -> Result<Upcoming, Refusal> {
    Ok(match State::open(session.host)? {
        Some(state) => engine::upcoming(session.host, &state, target, slots, (None, &[]))?,
        None => Upcoming { backup: 1, backup_is_new: true, generation: 2 },
    })
}

fn plan(made: &Made, upcoming: Upcoming) -> Plan {
    let mut files: Vec<PlannedFile> =
        made.steps.iter().map(|step| PlannedFile::of(step, seen(made, step.path()))).collect();
    if made.unmade && !files.iter().any(|file| file.role == Some(Role::Store)) {
        let stores = made.slots.iter().filter(|slot| slot.role == Role::Store);
        files.splice(0..0, stores.map(PlannedFile::to_be_made));
    }
    Plan {
        why: made.why.clone(),
        backup: upcoming.backup,
        generation: upcoming.generation,
        staged: false,
        atomic: false,
        trust: made.trust.clone(),
        files,
        before: None,
        after: None,
        hooks: Vec::new(),
        commands: made.apply.reload.iter().map(ToString::to_string).collect(),
        probes: made.probes.iter().map(ToString::to_string).collect(),
    }
}

/// The digest of what is replaced.
fn seen(made: &Made, path: &Path) -> Option<Digest> {
    made.basis.iter().find(|(known, _)| known == path).and_then(|(_, digest)| *digest)
}

/// A generation, and its bytes.
pub(super) type Kept = (Manifest, Vec<Option<Sensitive>>);

/// What a generation would change.
pub(super) type PutBack<'b> = dyn Fn(&Manifest, &[Option<Sensitive>]) -> Result<Result<Made, Nothing>, Refusal> + 'b;

/// Generation `wanted`, or the newest one that was in use and that `put_back` finds something to do with. `first` is the advice where there
/// is none yet.
pub(super) fn choose(
    session: &Session<'_>,
    target: &str,
    wanted: Option<u32>,
    first: &str,
    put_back: &PutBack<'_>,
) -> Result<Kept, Refusal> {
    let none = || Refusal::new(format!("no generation of {target} is kept")).hint(first);
    let state = State::open(session.host)?.ok_or_else(none)?;
    let vault = Vault::open(&state, target)?.ok_or_else(none)?;
    if let Some(generation) = wanted {
        let manifest = vault.manifest(generation)?;
        let contents = vault.contents(&manifest)?;
        return Ok((manifest, contents));
    }
    let failed: Vec<u32> = Ledger::read(&state)?
        .receipts
        .iter()
        .filter(|receipt| receipt.target == target && matches!(receipt.end, End::RolledBack { .. }))
        .map(|receipt| receipt.generation)
        .collect();
    for generation in vault.numbers()?.into_iter().rev() {
        let Ok(manifest) = vault.manifest(generation) else { continue };
        let was_in_use = manifest.origin == Origin::Found || !failed.contains(&generation);
        if was_in_use
            && let Ok(contents) = vault.contents(&manifest)
            && put_back(&manifest, &contents)?.is_ok()
        {
            return Ok((manifest, contents));
        }
    }
    Err(Refusal::new(format!("no earlier generation of {target} is whole and not in place already"))
        .hint(format!("`reseal backups {target}` lists them")))
}

/// What stands at a slot now, and where that is.
pub(super) fn image(host: &Host, path: &Path) -> Result<(PathBuf, Image), Refusal> {
    match host.look(path, &host.trusting(None)) {
        Ok((real, look)) => Ok((real, look.image)),
        Err(error) if error.is_absent() => Ok((path.to_owned(), Image::Absent)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_by_its_name() {
        for name in ["trust:os", "schedule:systemd", "hook:apt", "hook:directory:/x.d"] {
            assert_eq!(Beside::of_target(name).unwrap().target(), name);
        }
        assert_eq!(Beside::of_target("web"), None);
        assert_eq!(Beside::of_file_name("hook%3Aapt"), Some(Beside::Fitting(Fitting::Apt)));
    }
}
