//! One change, from the first look to the receipt.
//!
//! [`Staged`], [`Installed`] and [`Verified`] can each be made in one place only, so that nothing is installed that was not kept,
//! and nothing committed that was not proved.

use super::failure::Failure;
use super::hook::{self, Ended, Pair};
use super::journal::{Begin, Journal, Mark, Transaction};
use super::proof::{Verified, prove, unproved};
use super::stage::{Staged, stage};
use super::step::{Bench, StepError, sync};
use super::undo::{self, Stuck};
use super::vault::Vault;
use super::{Change, ConfigTest, Engine, actor, ledger, next};
use crate::change::{Apply, Command, Image, Shown};
use crate::event::{Event, Listener};
use crate::host::exec::Ran;
use crate::host::trigger::trigger;
use crate::outcome::{Checked, Checks, End, Outcome, Receipt, explain};

/// Every place holds the new, durably.
#[must_use]
struct Installed {
    journal: Journal,
    transaction: Transaction,
}

pub(super) fn run(engine: &Engine<'_>, change: &Change, listener: &mut dyn Listener) -> Outcome {
    let mut checks = Checks::default();
    let staged = match stage(engine, change, &mut checks, listener) {
        Ok(staged) => staged,
        Err(Failure { why, hint }) => {
            refused(engine, change, &why, &checks, listener);
            return Outcome::Refused { why, hint };
        }
    };
    let mut installed = match install(engine, staged, listener) {
        Ok(installed) => installed,
        Err(failed) => {
            let NotInstalled { journal, transaction, failure, reversed } = *failed;
            return if reversed {
                withdraw(engine, journal, &transaction, failure, listener)
            } else {
                roll_back(engine, journal, transaction, failure, listener)
            };
        }
    };
    let verified = match apply(engine, change, &mut installed, listener) {
        Ok(Taken::Up) => prove(engine, &mut installed.transaction, listener),
        Ok(Taken::Down { failure }) => prove(engine, &mut installed.transaction, listener)
            .and_then(|verified| verified.of_one_that_was_down(failure)),
        Ok(Taken::NotYet { why }) => Ok(unproved(&installed.transaction.begin, why)),
        Err(failure) => Err(failure),
    };
    let begin = &installed.transaction.begin;
    match verified.and_then(|verified| untouched(engine, begin, "it was proved").map(|()| verified)) {
        Ok(verified) => commit(engine, installed, verified, listener),
        Err(failure) => roll_back(engine, installed.journal, installed.transaction, failure, listener),
    }
}

/// Records that a change was about to be made and was refused; the same refusal again is not recorded again.
pub(super) fn refused(engine: &Engine<'_>, change: &Change, why: &str, checks: &Checks, listener: &mut dyn Listener) {
    let receipt = Receipt {
        target: change.target.clone(),
        generation: 0,
        verb: change.verb.to_owned(),
        at: engine.host.now(),
        actor: actor(),
        trigger: Some(trigger()),
        recovered: None,
        why: change.why.clone(),
        before: None,
        after: change.leaf.as_ref().map(|leaf| leaf.fingerprint),
        pairs: Vec::new(),
        checks: checks.list().to_vec(),
        end: End::Refused { why: why.to_owned() },
    };
    if let Err(error) = ledger::add_refusal(&engine.state, &receipt) {
        listener.hear(&Event::Note { text: format!("the refusal could not be recorded: {}", explain(&error)) });
    }
}

/// The acts could not all be done.
struct NotInstalled {
    journal: Journal,
    transaction: Transaction,
    failure: Failure,
    /// Every place already holds again what it held, including what somebody else wrote there meanwhile.
    reversed: bool,
}

/// Announces the acts, does them, and makes them durable.
fn install(engine: &Engine<'_>, staged: Staged, listener: &mut dyn Listener) -> Result<Installed, Box<NotInstalled>> {
    let (mut journal, mut transaction) = staged.open();
    let begin = &transaction.begin;
    let bench = Bench { host: engine.host, trust: engine.host.trusting(begin.trusted_owner) };
    for act in &begin.acts {
        listener.hear(&Event::Installing { path: act.path.clone() });
    }
    let ready = bench.places(&begin.acts).and_then(|places| {
        journal.mark(&Mark::Installing)?;
        Ok(places)
    });
    let places = match ready {
        Ok(places) => places,
        Err(error) => {
            return Err(Box::new(NotInstalled { journal, transaction, failure: error.into(), reversed: true }));
        }
    };
    let done = bench.act(&begin.acts, &places).and_then(|()| sync(&places));
    transaction.marks.push(Mark::Installing);
    match done {
        Ok(()) => Ok(Installed { journal, transaction }),
        Err(error) => {
            let reversed = matches!(error, StepError::Foreign { .. });
            Err(Box::new(NotInstalled { journal, transaction, failure: error.into(), reversed }))
        }
    }
}

/// Ends a transaction whose every place is already as it was found.
fn withdraw(
    engine: &Engine<'_>,
    journal: Journal,
    transaction: &Transaction,
    failure: Failure,
    listener: &mut dyn Listener,
) -> Outcome {
    let begin = &transaction.begin;
    let bench = Bench { host: engine.host, trust: engine.host.trusting(begin.trusted_owner) };
    let cleared = bench.clear(&begin.acts, true).map_err(Failure::from);
    close_undone(engine, cleared, journal, transaction, failure, listener)
}

/// Whether the service has been told.
enum Taken {
    /// It has.
    Up,
    /// It could not be, and nobody had answered before: a service that does not run cannot be told.
    Down { failure: Failure },
    /// Its own configuration is broken for other reasons, so it was not.
    NotYet { why: String },
}

/// The service's own test, the hooks that are given the new pair, then the service's reload.
fn apply(
    engine: &Engine<'_>,
    change: &Change,
    installed: &mut Installed,
    listener: &mut dyn Listener,
) -> Result<Taken, Failure> {
    let Transaction { begin, marks, checks, .. } = &mut installed.transaction;
    let bench = Bench { host: engine.host, trust: engine.host.trusting(begin.trusted_owner) };
    if change.demands.nothing_beside {
        bench.clear(&begin.acts, false)?;
    }
    let Apply { check, reload, .. } = &begin.apply;
    if check.is_some() || reload.is_some() || !begin.hooks.deploy.is_empty() {
        installed.journal.mark(&Mark::Applying)?;
        marks.push(Mark::Applying);
    }
    if let Some(check) = check {
        // Whatever it was that failed before, it was not the new pair.
        let sound = checks.list().iter().any(|known| known.what == Checked::ConfigTest && known.good);
        let ran = told(engine, "check", check, Checked::ConfigTest, checks, listener);
        if !ran.ok() && !sound && change.demands.config_test == ConfigTest::MayFail {
            let unrun = if begin.hooks.deploy.is_empty() { "" } else { ", and no deploy hook was run" };
            return Ok(Taken::NotYet {
                why: format!("`{check}` fails for another reason: it {ran}; the service was not reloaded{unrun}"),
            });
        }
        succeeded("check", check, &ran)?;
    }
    hook::deploy((engine.host, &engine.state), begin, Pair::New, checks, listener)?;
    let mut taken = Taken::Up;
    if let Some(reload) = reload {
        let ran = told(engine, "reload", reload, Checked::Reload, checks, listener);
        let down = || begin.probes.iter().all(|watched| matches!(watched.before, Shown::Nobody { .. }));
        match succeeded("reload", reload, &ran) {
            Err(failure) if !begin.probes.is_empty() && down() => taken = Taken::Down { failure },
            ended => ended?,
        }
    }
    let ran = match (&begin.apply.reload, begin.hooks.deploy.is_empty()) {
        (Some(reload), true) => format!("`{reload}` ran"),
        (Some(reload), false) => format!("the hooks and `{reload}` ran"),
        (None, _) => "the hooks ran".to_owned(),
    };
    untouched(engine, begin, &ran)?;
    Ok(taken)
}

fn told(
    engine: &Engine<'_>,
    what: &'static str,
    command: &Command,
    check: Checked,
    checks: &mut Checks,
    listener: &mut dyn Listener,
) -> Ran {
    listener.hear(&Event::Running { what, command: command.clone() });
    let ran = engine.host.run(command);
    checks.add(check, &command.to_string(), ran.ok(), &ran.end(), false);
    ran
}

fn succeeded(what: &str, command: &Command, ran: &Ran) -> Result<(), Failure> {
    if ran.ok() { Ok(()) } else { Err(Failure::new(format!("the {what} command `{command}` {ran}"))) }
}

/// Proves that every place still holds what was put there: hooks and the service's own tools may do anything. `meanwhile` says what went
/// on since.
fn untouched(engine: &Engine<'_>, begin: &Begin, meanwhile: &str) -> Result<(), Failure> {
    let bench = Bench { host: engine.host, trust: engine.host.trusting(begin.trusted_owner) };
    // What was taken away may be made anew by the command whose work it is, as links to trusted certificates are.
    for act in begin.acts.iter().filter(|act| act.after != Image::Absent) {
        let live = bench.live(act)?;
        if !live.same_content(&act.after) {
            return Err(Failure {
                why: format!("{} was changed while {meanwhile}: {live} is there, not the new", act.path.display()),
                hint: Some(
                    "a reload or a hook leaves the files of the target alone: a hook gets copies in $RENEWED_LINEAGE"
                        .to_owned(),
                ),
            });
        }
    }
    Ok(())
}

/// The new state stands. From here on an interruption is finished, not undone.
fn commit(engine: &Engine<'_>, mut installed: Installed, verified: Verified, listener: &mut dyn Listener) -> Outcome {
    let receipt = receipt(engine, &installed.transaction, End::Committed { proof: verified.proof });
    let mark = Mark::Committed { receipt: Box::new(receipt.clone()) };
    if let Err(error) = installed.journal.mark(&mark) {
        let failure = Failure {
            hint: error.hint().map(str::to_owned),
            why: format!("the commit could not be written: {}", explain(&error)),
        };
        return roll_back(engine, installed.journal, installed.transaction, failure, listener);
    }
    let begin = &installed.transaction.begin;
    let finished = finish(engine, begin, &receipt).map(|()| hook::post(engine, begin, Ended::Committed, listener));
    let tidied = finished.and_then(|()| Ok(installed.journal.close()?)).map_err(Failure::from);
    match tidied {
        Ok(()) => Outcome::Committed { receipt, not_served: verified.not_served },
        Err(failure) => {
            Outcome::Stuck {
                slot: engine.state.root().path().to_owned(),
                why: format!(
                    "the new certificate is installed and served, but the records could not be completed: {}",
                    failure.why
                ),
                hint: Some(failure.hint.map_or_else(
                    || "then `reseal recover`".to_owned(),
                    |hint| format!("{hint}; then `reseal recover`"),
                )),
            }
        }
    }
}

/// What is left to do once a transaction is committed; may be repeated.
pub(super) fn finish(engine: &Engine<'_>, begin: &Begin, receipt: &Receipt) -> Result<(), StepError> {
    let bench = Bench { host: engine.host, trust: engine.host.trusting(begin.trusted_owner) };
    bench.clear(&begin.acts, false)?;
    for path in &begin.retire {
        bench.retire(path)?;
    }
    let vault = Vault::open_or_make(&engine.state, &begin.target)?;
    vault.set_current(begin.generation)?;
    next::activated(&vault, begin.generation)?;
    Ok(ledger::add(&engine.state, receipt)?)
}

/// The service is as it was before, or a person is needed.
fn roll_back(
    engine: &Engine<'_>,
    journal: Journal,
    mut transaction: Transaction,
    failure: Failure,
    listener: &mut dyn Listener,
) -> Outcome {
    listener.hear(&Event::Undoing { target: transaction.begin.target.clone(), why: failure.why.clone() });
    let undone = undo::all(engine.host, &engine.state, &mut transaction, listener);
    match undone {
        Ok(()) => close_undone(engine, Ok(()), journal, &transaction, failure, listener),
        Err(Stuck { slot, why, hint }) => {
            hook::post(engine, &transaction.begin, Ended::Stuck, listener);
            Outcome::Stuck { slot, why: format!("{why} (undo of: {})", failure.why), hint }
        }
    }
}

/// Records that everything is as it was before, and ends the transaction.
fn close_undone(
    engine: &Engine<'_>,
    cleared: Result<(), Failure>,
    journal: Journal,
    transaction: &Transaction,
    failure: Failure,
    listener: &mut dyn Listener,
) -> Outcome {
    let receipt = receipt(engine, transaction, End::RolledBack { why: failure.why.clone() });
    let closed = cleared.and_then(|()| {
        ledger::add(&engine.state, &receipt)?;
        hook::post(engine, &transaction.begin, Ended::RolledBack, listener);
        Ok(journal.close()?)
    });
    match closed {
        Ok(()) => Outcome::RolledBack { receipt, why: failure.why, hint: failure.hint },
        Err(error) => Outcome::Stuck {
            slot: engine.state.root().path().to_owned(),
            why: format!(
                "{}; everything is as it was before, but that could not be recorded: {}",
                failure.why, error.why
            ),
            hint: Some("`reseal recover` completes the record".to_owned()),
        },
    }
}

/// What goes into the ledger.
pub(super) fn receipt(engine: &Engine<'_>, transaction: &Transaction, end: End) -> Receipt {
    let begin = &transaction.begin;
    Receipt {
        target: begin.target.clone(),
        generation: begin.generation,
        verb: begin.verb.clone(),
        at: engine.host.now(),
        actor: begin.actor.clone(),
        trigger: begin.trigger.clone(),
        recovered: None,
        why: begin.why.clone(),
        before: begin.before,
        after: begin.after,
        pairs: begin.pairs.clone(),
        checks: transaction.checks.list().to_vec(),
        end,
    }
}
