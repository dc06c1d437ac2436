//! What is done about transactions that were interrupted: those that were committed are finished, all others are undone, but for one
//! that is served already and has replaced what no service takes.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::hook::{self, Ended};
use super::journal::{self, Begin, Journal, Limits, Mark, Replay, Transaction};
use super::step::{Bench, StepError, restored};
use super::transaction::{finish, receipt};
use super::undo::{self, Again, Stuck};
use super::vault::Vault;
use super::{Engine, actor, ledger, lineage, verify};
use crate::change::{Command, Image, Point, Probe};
use crate::event::{Ear, Event, Listener};
use crate::host::Host;
use crate::host::dir::DiskError;
use crate::host::state::{State, file_name, name_of};
use crate::host::trigger::trigger;
use crate::outcome::{By, End, Outcome, Receipt, RecoveredBy, Trigger, explain};

/// When recovery runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// On a running system: files, service and proof.
    Running,
    /// At boot, before the services: files only, no command is run. The proof is owed to the next run.
    Boot,
}

/// What became of one interrupted transaction.
#[derive(Debug)]
pub struct Recovered {
    /// The target.
    pub target: String,
    /// The verb that was interrupted.
    pub verb: String,
    /// How recovery ended.
    pub outcome: Outcome,
    /// What is told of each hook of it that failed.
    pub hooks_failed: Vec<String>,
}

/// The targets with an interrupted transaction, as their journals are named. Reads only.
///
/// # Errors
/// The journals cannot be read.
pub fn pending(state: &State) -> Result<Vec<String>, DiskError> {
    Ok(journal::open_ones(state)?.into_iter().map(|(name, _)| name.to_string_lossy().into_owned()).collect())
}

/// An interrupted transaction, and what recovery would make of it.
#[derive(Debug)]
pub struct Interrupted {
    /// The target; as its journal is named where the journal cannot be read.
    pub target: String,
    /// What recovery would do.
    pub end: Intended,
}

/// What recovery would do about an interrupted transaction.
#[derive(Debug)]
pub enum Intended {
    /// Nothing but remove a journal that was never begun.
    Discard,
    /// Complete the records of a change that stands.
    Complete {
        /// The verb that was interrupted.
        verb: String,
        /// The hooks that are run.
        hooks: Vec<(Point, Command)>,
    },
    /// Put every place back that is not as it was.
    PutBack {
        /// The verb that was interrupted.
        verb: String,
        /// Where all probes show the new, it is committed instead: what was there before is no pair.
        unless_served: bool,
        /// The generation that keeps what was there.
        backup: u32,
        /// The generation of the change.
        generation: u32,
        /// Each place that is not as it was: what stands there, and what would.
        places: Vec<(PathBuf, Image, Image)>,
        /// The command that makes the service take the old files up again.
        reload: Option<Command>,
        /// The hooks that are run.
        hooks: Vec<(Point, Command)>,
        /// Where they must be seen to be served.
        probes: Vec<Probe>,
    },
    /// End stuck.
    Nothing {
        /// The place in question, and why.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
}

/// What recovery would do, in the order of the journals. Reads only, and takes no lock.
///
/// # Errors
/// The journals cannot be read.
pub fn interrupted(host: &Host, state: &State) -> Result<Vec<Interrupted>, DiskError> {
    let journals = journal::open_ones(state)?;
    Ok(journals.into_iter().map(|(name, replay)| intended(host, state, &name, replay)).collect())
}

fn intended(host: &Host, state: &State, name: &OsStr, replay: Replay) -> Interrupted {
    let named = |end| Interrupted { target: called(name), end };
    let transaction = match replay {
        Replay::Unbegun => return named(Intended::Discard),
        Replay::Unreadable { why } => {
            return named(Intended::Nothing { why, hint: Some(unreadable_hint(&called(name))) });
        }
        Replay::Under(transaction) => transaction,
    };
    let begin = &transaction.begin;
    let bench = Bench { host, trust: host.trusting(begin.trusted_owner) };
    let end = if standing(host, state, &transaction).is_some() {
        Intended::Complete { verb: begin.verb.clone(), hooks: hooks(begin, &[Point::Post]) }
    } else {
        let live: Result<Vec<Image>, Stuck> = begin.acts.iter().map(|act| undo::ours(&bench, begin, act)).collect();
        match live {
            Err(Stuck { slot, why, hint }) => Intended::Nothing { why: format!("{}: {why}", slot.display()), hint },
            Ok(live) => {
                let places = begin.acts.iter().zip(live);
                let places: Vec<_> = places
                    .filter(|(act, live)| !restored(act, live))
                    .map(|(act, live)| (act.path.clone(), live, act.before.clone()))
                    .collect();
                let told = !places.is_empty() || transaction.published();
                let points: &[Point] = if told { &[Point::Deploy, Point::Post] } else { &[Point::Post] };
                Intended::PutBack {
                    verb: begin.verb.clone(),
                    unless_served: may_stand(host, state, &transaction),
                    backup: begin.backup,
                    generation: begin.generation,
                    reload: begin.apply.reload.clone().filter(|_| told),
                    hooks: hooks(begin, points),
                    probes: begin.probes.iter().map(|watched| watched.probe.clone()).collect(),
                    places,
                }
            }
        }
    };
    Interrupted { target: begin.target.clone(), end }
}

/// What a journal is for, by its file.
fn called(file: &OsStr) -> String {
    let file = file.to_string_lossy();
    name_of(&file).unwrap_or_else(|| file.into_owned())
}

fn unreadable_hint(name: &str) -> String {
    format!(
        "look at the target's files; `reseal recover --accept {name}` keeps what is there now, and `reseal backups {name}` lists what `reseal restore {name}` can put back"
    )
}

fn hooks(begin: &Begin, points: &[Point]) -> Vec<(Point, Command)> {
    let due = begin.hooks.all().filter(|(point, _)| points.contains(point));
    due.map(|(point, command)| (point, command.clone())).collect()
}

pub(super) fn all(
    engine: &Engine<'_>,
    target: Option<&str>,
    when: When,
    listener: &mut dyn Listener,
) -> Vec<Recovered> {
    let journals = match journal::open_ones(&engine.state) {
        Ok(journals) => journals,
        Err(error) => {
            let outcome =
                Outcome::Stuck { slot: error.path.clone(), why: explain(&error), hint: error.hint().map(Into::into) };
            return vec![Recovered { target: String::new(), verb: String::new(), outcome, hooks_failed: Vec::new() }];
        }
    };
    let wanted = target.map(file_name);
    let chosen = journals.into_iter().filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == name));
    let recover = |(name, replay): (OsString, Replay)| {
        let mut ear = Ear::on(listener);
        let recovered = one(engine, &name, replay, when, &mut ear)?;
        Some(Recovered { hooks_failed: ear.failed(), ..recovered })
    };
    chosen.filter_map(recover).collect()
}

fn one(
    engine: &Engine<'_>,
    name: &OsString,
    replay: Replay,
    when: When,
    listener: &mut dyn Listener,
) -> Option<Recovered> {
    let ended = |target, verb, outcome| Some(Recovered { target, verb, outcome, hooks_failed: Vec::new() });
    let unnamed = |outcome| ended(called(name), String::new(), outcome);
    let mut transaction = match replay {
        Replay::Unbegun => {
            let discarded = journal::discard(&engine.state, name);
            return discarded.err().and_then(|error| unnamed(record_failed(engine, AS_BEFORE, &error)));
        }
        Replay::Unreadable { why } => {
            let slot = engine.state.root().path().join(journal::AREA).join(name);
            let why = format!("the journal of an interrupted transaction cannot be used: {why}; nothing was touched");
            let hint = Some(unreadable_hint(&called(name)));
            return unnamed(Outcome::Stuck { slot, why, hint });
        }
        Replay::Under(transaction) => transaction,
    };
    let (target, verb) = (transaction.begin.target.clone(), transaction.begin.verb.clone());
    listener.hear(&Event::Recovering { target: target.clone(), verb: verb.clone() });
    let committed = match transaction.committed() {
        Some(_) => standing(engine.host, &engine.state, &transaction).cloned().map(Ok),
        None if when == When::Running && may_stand(engine.host, &engine.state, &transaction) => {
            served(engine, name, &mut transaction, listener).transpose()
        }
        None => None,
    };
    let outcome = match committed {
        Some(Ok(receipt)) => complete(engine, name, &transaction, receipt, when, listener),
        Some(Err(error)) => record_failed(engine, "the new certificate is installed and served", &error),
        None => put_back(engine, name, transaction, when, listener)?,
    };
    ended(target, verb, outcome)
}

/// Whether the change stands if it is served: what stood there before is no pair that any service takes, and all of the new stands in its
/// place.
fn may_stand(host: &Host, state: &State, transaction: &Transaction) -> bool {
    let begin = &transaction.begin;
    let bench = Bench { host, trust: host.trusting(begin.trusted_owner) };
    let kept = || Vault::open(state, &begin.target).ok().flatten()?.manifest(begin.backup).ok();
    let no_pair = || kept().is_some_and(|before| before.leaf.is_none_or(|leaf| !leaf.paired));
    // Stores, units and hooks have no leaf, and can be put back whatever they were.
    begin.after.is_some()
        && transaction.published()
        && !begin.probes.is_empty()
        && no_pair()
        && begin.acts.iter().all(|act| bench.live(act).is_ok_and(|live| live.same_content(&act.after)))
}

/// Commits a change that was interrupted when all that it was for was done: the new is served everywhere, and what it replaced would stop
/// the service. None where it is not served.
fn served(
    engine: &Engine<'_>,
    name: &OsString,
    transaction: &mut Transaction,
    listener: &mut dyn Listener,
) -> Result<Option<Receipt>, DiskError> {
    let begin = &transaction.begin;
    // Nothing is under way that could still change the answer.
    let limits = Limits { verify: begin.limits.settle.saturating_add(1000), ..begin.limits };
    let questions = verify::after_install(&begin.probes);
    let answers = verify::ask(engine.host, &questions, limits, false, listener);
    let Some(proof) = answers.proof().filter(|_| answers.bad.is_empty()) else { return Ok(None) };
    verify::record(&questions, &answers, false, &mut transaction.checks);
    let receipt = recovered(engine, transaction, End::Committed { proof }, When::Running);
    Journal::reopen(&engine.state, name, transaction)?.mark(&Mark::Committed { receipt: Box::new(receipt.clone()) })?;
    Ok(Some(receipt))
}

/// The receipt of a change that was committed and stands: its records are to be completed, and nothing of it is undone.
pub(super) fn standing<'t>(host: &Host, state: &State, transaction: &'t Transaction) -> Option<&'t Receipt> {
    transaction.committed().filter(|_| is_recorded(state, &transaction.begin) || stands(host, transaction))
}

/// Whether it was written down already that the change stands. From then on, what happens to the files is somebody else's doing, and nobody's
/// to undo.
fn is_recorded(state: &State, begin: &Begin) -> bool {
    let vault = Vault::open(state, &begin.target).ok().flatten();
    vault.and_then(|vault| vault.current().ok().flatten()) == Some(begin.generation)
}

/// Whether a committed change really stands. It does not when an undo had begun because the commit record could not be synced:
/// then some place holds the old again, and none holds anything else.
fn stands(host: &Host, transaction: &Transaction) -> bool {
    let begin = &transaction.begin;
    let bench = Bench { host, trust: host.trusting(begin.trusted_owner) };
    let mut undone = false;
    for act in &begin.acts {
        match bench.live(act) {
            Ok(live) if live.same_content(&act.after) => {}
            Ok(live) if live.same_content(&act.before) => undone = true,
            Ok(_) | Err(_) => return true,
        }
    }
    !undone
}

fn complete(
    engine: &Engine<'_>,
    name: &OsString,
    transaction: &Transaction,
    receipt: Receipt,
    when: When,
    listener: &mut dyn Listener,
) -> Outcome {
    let begin = &transaction.begin;
    let finished = finish(engine, begin, &receipt).and_then(|()| {
        lineage::sweep(&engine.state, &begin.target)?;
        // At boot no command is run: the journal stays, and with it what is owed.
        if when == When::Boot && !begin.hooks.post.is_empty() {
            return Ok(());
        }
        hook::post(engine, begin, Ended::Committed, listener);
        Ok(journal::discard(&engine.state, name)?)
    });
    match finished {
        Ok(()) => Outcome::Committed { receipt, not_served: Vec::new() },
        Err(error) => Outcome::Stuck {
            slot: engine.state.root().path().to_owned(),
            why: format!("the change stands, but its records could not be completed: {}", explain(&error)),
            hint: error.hint(),
        },
    }
}

fn put_back(
    engine: &Engine<'_>,
    name: &OsString,
    mut transaction: Box<Transaction>,
    when: When,
    listener: &mut dyn Listener,
) -> Option<Outcome> {
    let why = format!("`reseal {}` was interrupted", transaction.begin.verb);
    let restored = transaction.marks.contains(&Mark::Restored);
    if restored && when == When::Boot {
        return None;
    }
    let files = undo::files(engine.host, &engine.state, &transaction.begin);
    let undone = files.and_then(|put_back| match when {
        When::Running if put_back || transaction.published() => {
            let again = Again { reload: put_back || !restored, told: transaction.marks.contains(&Mark::Applying) };
            undo::service(engine.host, &engine.state, &mut transaction, again, listener)
        }
        When::Running | When::Boot => Ok(()),
    });
    if let Err(Stuck { slot, why, hint }) = undone {
        return Some(Outcome::Stuck { slot, why, hint });
    }
    let receipt = recovered(engine, &transaction, End::RolledBack { why: why.clone() }, when);
    let owed = transaction.published() || !transaction.begin.hooks.post.is_empty();
    let recorded = if when == When::Boot && owed {
        Journal::reopen(&engine.state, name, &transaction).and_then(|mut journal| journal.mark(&Mark::Restored))
    } else {
        ledger::add(&engine.state, &receipt).and_then(|()| {
            hook::post(engine, &transaction.begin, Ended::RolledBack, listener);
            journal::discard(&engine.state, name)
        })
    };
    Some(match recorded {
        Ok(()) => Outcome::RolledBack { receipt, why, hint: None },
        Err(error) => record_failed(engine, AS_BEFORE, &error),
    })
}

/// The receipt of a transaction that another run has ended.
pub(super) fn recovered(engine: &Engine<'_>, transaction: &Transaction, end: End, when: When) -> Receipt {
    let trigger = match when {
        When::Running => trigger(),
        When::Boot => Trigger::of(By::Boot),
    };
    let by = RecoveredBy { actor: actor(), trigger };
    Receipt { recovered: Some(by), ..receipt(engine, transaction, end) }
}

/// How the files stand where something was undone, or nothing begun.
const AS_BEFORE: &str = "every file is as it was before";

fn record_failed(engine: &Engine<'_>, stands: &str, error: &DiskError) -> Outcome {
    Outcome::Stuck {
        slot: engine.state.root().path().to_owned(),
        why: format!("{stands}, but that could not be recorded: {}", explain(&error)),
        hint: Some(
            error
                .hint()
                .map_or_else(|| "then `reseal recover`".to_owned(), |hint| format!("{hint}; then `reseal recover`")),
        ),
    }
}

pub(super) fn failed(engine: &Engine<'_>, error: &StepError) -> DiskError {
    let path = engine.state.root().path().to_owned();
    DiskError { what: "complete the records in", path, source: std::io::Error::other(explain(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_called_as_its_subject_is_typed() {
        let called = |file: &str| called(OsStr::new(file));
        assert_eq!(
            (called("web"), called("hook%3Aapt"), called("100%")),
            ("web".into(), "hook:apt".into(), "100%".into())
        );
    }
}
