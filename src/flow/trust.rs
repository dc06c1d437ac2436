//! `reseal trust`: certificates that clients of this machine are to trust come into a store, and go again. One file a verb.
//!
//! Every change is one of the engine's: the store's files and the record of what was added are replaced together, or not at all.

mod admit;
mod ground;
mod install;
mod list;
mod remove;
mod restore;

use std::path::Path;

use crate::change::{Apply, Hooks, Probe, Role, Slot, Step};
use crate::digest::Digest;
use crate::engine::{self, Change, ConfigTest, Demands, Limits, Upcoming};
use crate::flow::preview::{Plan, PlannedAnchor, PlannedFile};
use crate::flow::{Refusal, Report, Session};
use crate::host::state::State;
use crate::outcome::Outcome;
use crate::trust::{Entry, Record, RecordError, Store, StoreError, nss};
use ground::{Basis, Ground};

pub use self::install::{Install, Source, install};
pub use self::list::{AnchorView, Listed, list};
pub use self::remove::{Remove, remove};
pub use self::restore::restore;

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::with(error.to_string(), error.hint())
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::with(error.to_string(), error.hint())
    }
}

/// What is to become of a store.
#[derive(Default)]
struct Intended {
    /// What comes.
    add: Vec<Entry>,
    /// What goes, the certificate with its entry.
    remove: Vec<Entry>,
    /// What goes from the record alone: it is not in the store any more.
    forget: Vec<Entry>,
    /// The system is to take up what is there.
    take_up: bool,
    /// Worth a line.
    notes: Vec<String>,
}

impl Intended {
    fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.forget.is_empty() && !self.take_up
    }
}

/// What a change is made of.
struct Made {
    slots: Vec<Slot>,
    steps: Vec<Step>,
    basis: Basis,
    apply: Apply,
    probes: Vec<Probe>,
    trust: Vec<PlannedAnchor>,
    why: String,
    repeats: Option<u32>,
    notes: Vec<String>,
}

/// What a verb makes of a store that was looked at; `None`: there is nothing to do, for the reason that comes with it. Asked first
/// without the lock, and again under it, since a lot can happen in between. Under the lock it gets reseal's own directory.
type Build<'b> = dyn Fn(&Session<'_>, &Ground, Option<&State>) -> Result<Result<Made, Nothing>, Refusal> + 'b;

/// Why there is nothing to do.
struct Nothing {
    why: String,
    notes: Vec<String>,
}

/// Takes the lock, recovers, looks again, and makes the change; or shows the plan and stops. Where nothing is to be done, nothing is
/// locked or written, and no command is run.
fn carry_out(session: &mut Session<'_>, store: &Store, verb: &'static str, build: &Build<'_>) -> Report {
    let target = store.target();
    if let Err(outcome) = session.begin(verb, &target) {
        return Report::new(&target, outcome);
    }
    match attempt(session, store, verb, build) {
        Ok(report) => report,
        Err(refusal) => Report::new(&target, refusal.outcome()),
    }
}

fn attempt(session: &mut Session<'_>, store: &Store, verb: &'static str, build: &Build<'_>) -> Result<Report, Refusal> {
    let target = store.target();
    let mend = verb == restore::VERB;
    let ground = Ground::look(session, store, mend)?;
    let made = match build(session, &ground, None)? {
        Ok(made) => made,
        Err(nothing) => return Ok(done_already(&target, nothing)),
    };
    if session.options.dry_run {
        let upcoming = upcoming(session, &target, &made.slots)?;
        let plan = plan(&made, &ground, upcoming);
        return Ok(report(&target, made, plan, Outcome::Planned));
    }
    if let Err(outcome) = session.engine_for(verb, &target) {
        return Ok(Report::new(&target, outcome));
    }
    let Some(engine) = session.engine.as_ref() else { return Err(Refusal::new("the engine was not opened")) };
    Record::make_room(engine.state())?;
    let ground = Ground::look(session, store, mend)?;
    let mut made = match build(session, &ground, Some(engine.state()))? {
        Ok(made) => made,
        Err(nothing) => return Ok(done_already(&target, nothing)),
    };
    let upcoming = engine.upcoming(&target, &made.slots, None)?;
    let plan = plan(&made, &ground, upcoming);
    let change = change(&target, verb, &mut made);
    let outcome = engine.run(&change, session.listener);
    Ok(report(&target, made, plan, outcome))
}

fn done_already(target: &str, Nothing { why, notes }: Nothing) -> Report {
    Report { notes, ..Report::new(target, Outcome::Nothing { why }) }
}

fn report(target: &str, made: Made, plan: Plan, outcome: Outcome) -> Report {
    Report { plan: Some(plan), notes: made.notes, ..Report::new(target, outcome) }
}

fn change(target: &str, verb: &'static str, made: &mut Made) -> Change {
    let apply = std::mem::take(&mut made.apply);
    let nothing_beside = apply.reload.is_some();
    Change {
        target: target.to_owned(),
        verb,
        why: made.why.clone(),
        repeats: made.repeats,
        slots: made.slots.clone(),
        steps: std::mem::take(&mut made.steps),
        retire: Vec::new(),
        apply,
        // Hooks are given a pair, and there is none.
        hooks: Hooks::default(),
        probes: made.probes.iter().map(|probe| (probe.clone(), None)).collect(),
        leaf: None,
        limits: Limits { verify: 3_000, settle: 0, probe: 10_000 },
        demands: Demands {
            config_test: ConfigTest::MustPass,
            // The system's command may take every file of its directory for a certificate.
            nothing_beside,
            made_from: std::mem::take(&mut made.basis),
            ..Demands::default()
        },
    }
}

/// The numbers a change would take, without the lock.
fn upcoming(session: &Session<'_>, target: &str, slots: &[Slot]) -> Result<Upcoming, Refusal> {
    Ok(match State::open(session.host)? {
        Some(state) => engine::upcoming(session.host, &state, target, slots, None)?,
        None => Upcoming { backup: 1, backup_is_new: true, generation: 2 },
    })
}

fn plan(made: &Made, ground: &Ground, upcoming: Upcoming) -> Plan {
    let mut files: Vec<PlannedFile> =
        made.steps.iter().map(|step| PlannedFile::of(step, seen(made, step.path()))).collect();
    // What certutil makes of a database is known when it has run.
    if ground.is_nss() && !files.iter().any(|file| file.role == Some(Role::Store)) {
        let stores = made.slots.iter().filter(|slot| slot.role == Role::Store);
        files.splice(0..0, stores.map(PlannedFile::to_be_made));
    }
    Plan {
        why: made.why.clone(),
        backup: upcoming.backup,
        generation: upcoming.generation,
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

/// What a plan tells of an entry.
fn planned(entry: &Entry, act: &'static str) -> PlannedAnchor {
    let certificate = entry.certificate();
    PlannedAnchor {
        act,
        name: entry.name.clone(),
        subject: certificate.as_ref().map(|one| one.subject().to_owned()).unwrap_or_default(),
        fingerprint: entry.fingerprint,
        not_after: certificate.map_or(entry.added, |one| one.not_after()),
    }
}

/// Names of entries for people.
fn names(entries: &[Entry]) -> String {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.join(", ")
}

/// The stores that reseal has added something to.
fn recorded(session: &Session<'_>) -> Result<Vec<Store>, Refusal> {
    match State::open(session.host)? {
        Some(state) => Ok(Record::stores(&state)?),
        None => Ok(Vec::new()),
    }
}

/// Removes what a killed run has left of the copies that it worked on.
pub(super) fn sweep(state: &State) -> Result<(), crate::host::dir::DiskError> {
    nss::sweep(state)
}
