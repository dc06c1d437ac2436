//! `recover`: finishes or undoes what an interrupted run has left. Every changing verb begins with it.

use std::path::PathBuf;

use super::preview::{Plan, PlannedFile, PlannedHook};
use super::{Refusal, Report, Session, stood};
use crate::change::Point;
use crate::engine::{self, Accepted, Engine, EngineError, Intended, Interrupted, Recovered, When};
use crate::event::Ear;
use crate::host::Host;
use crate::host::state::{State, file_name};
use crate::outcome::{Exit, Outcome, explain};

const VERB: &str = "recover";

/// That something has this name: a target, or what was one and has left a journal or generations. Where the records cannot be read,
/// recovery itself tells that.
///
/// # Errors
/// Nothing has it.
pub fn known(session: &Session<'_>, name: &str) -> Result<(), Refusal> {
    let waits = |waiting: Vec<String>| waiting.iter().any(|one| **one == *file_name(name));
    match session.kept(&[name.to_owned()]) {
        Err(refusal) if refusal.exit == Exit::Usage && !pending(session.host).is_ok_and(waits) => Err(refusal),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Recovers one target or all. Where nothing was interrupted, nothing is written.
pub fn run(session: &mut Session<'_>, name: Option<&str>, when: When) -> Vec<Report> {
    match waits(session.host, name) {
        Ok(true) => {}
        Ok(false) => return name.map(|name| Report::new(name, uninterrupted())).into_iter().collect(),
        Err(refusal) => return vec![Report::new("", refusal.outcome())],
    }
    if session.options.dry_run {
        return planned(session, name);
    }
    match Engine::open(session.host, VERB, session.options.wait) {
        Ok(engine) => {
            let recovered = engine.recover(name, when, session.listener);
            let mut reports: Vec<Report> = recovered.iter().map(report).collect();
            for (one, report) in recovered.iter().zip(&mut reports) {
                if let Err(refusal) = stood::settle(engine.state(), [one.target.as_str()]) {
                    report.notes.push(format!("what was obtained for it is kept still: {}", refusal.why));
                }
            }
            reports
        }
        Err(error) => vec![Report::new("", EngineError::outcome(error))],
    }
}

/// Whether there is a transaction to recover, of this target or of any.
fn waits(host: &Host, name: Option<&str>) -> Result<bool, Refusal> {
    Ok(pending(host)?.iter().any(|one| name.is_none_or(|name| **one == *file_name(name))))
}

fn uninterrupted() -> Outcome {
    Outcome::Nothing { why: "no transaction of this target was interrupted".to_owned() }
}

/// What a recovery would do, target by target.
fn planned(session: &Session<'_>, name: Option<&str>) -> Vec<Report> {
    let found = State::open(session.host).map_err(Refusal::from).and_then(|state| match state {
        Some(state) => Ok(engine::interrupted(session.host, &state)?),
        None => Ok(Vec::new()),
    });
    let found = match found {
        Ok(found) => found,
        Err(refusal) => return vec![Report::new("", refusal.outcome())],
    };
    let wanted =
        found.into_iter().filter(|one| name.is_none_or(|name| one.target == name || *one.target == *file_name(name)));
    wanted.map(plan).collect()
}

fn plan(interrupted: Interrupted) -> Report {
    let mut report = Report::new(&interrupted.target, Outcome::Planned);
    match interrupted.end {
        Intended::Discard => report.notes.push("an empty journal would be removed; nothing was begun".to_owned()),
        Intended::Complete { verb, hooks } => {
            report.notes.push(format!("`reseal {verb}` had done its work; its records would be completed"));
            let told = |(when, command): (Point, _)| format!("the {} {command} would be run", when.called());
            report.notes.extend(hooks.into_iter().map(told));
        }
        Intended::Nothing { why, hint } => {
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            report.notes.push(format!("it would end stuck: {why}{hint}"));
        }
        Intended::PutBack { verb, unless_served, backup, generation, places, reload, hooks, probes } => {
            if unless_served {
                let note = "where all listeners show the new certificate it stays, and nothing is put back: no service takes what was there before";
                report.notes.push(note.to_owned());
            }
            report.plan = Some(Plan {
                why: format!("`reseal {verb}` was interrupted"),
                backup,
                generation,
                staged: false,
                atomic: false,
                trust: Vec::new(),
                files: places.into_iter().map(|(path, live, old)| PlannedFile::put_back(path, &live, &old)).collect(),
                before: None,
                after: None,
                hooks: PlannedHook::all(hooks.iter().map(|(when, command)| (*when, command))),
                commands: reload.iter().map(ToString::to_string).collect(),
                probes: probes.iter().map(ToString::to_string).collect(),
            });
        }
    }
    report
}

/// The targets with an interrupted transaction, as their journals are named.
pub(super) fn pending(host: &Host) -> Result<Vec<String>, Refusal> {
    match State::open(host)? {
        Some(state) => Ok(engine::pending(&state)?),
        None => Ok(Vec::new()),
    }
}

fn ended(what: String) -> Outcome {
    Outcome::Recovered { what, left: Vec::new() }
}

/// What is told of an interrupted transaction that was ended.
pub(super) fn report(recovered: &Recovered) -> Report {
    // An interrupted run that was undone is what recovery is for: its own end is good.
    let outcome = match recovered.outcome.clone() {
        Outcome::RolledBack { why, .. } => ended(format!("{why}; everything is as it was before it")),
        Outcome::Committed { .. } => {
            ended(format!("`reseal {}` had done its work; its records are complete now", recovered.verb))
        }
        other @ (Outcome::Nothing { .. }
        | Outcome::Planned
        | Outcome::Recovered { .. }
        | Outcome::Pruned { .. }
        | Outcome::Retired { .. }
        | Outcome::Staged { .. }
        | Outcome::Dropped { .. }
        | Outcome::Remembered { .. }
        | Outcome::Reported { .. }
        | Outcome::Refused { .. }
        | Outcome::Stuck { .. }
        | Outcome::Waiting { .. }
        | Outcome::Busy { .. }) => other,
    };
    Report { hooks_failed: recovered.hooks_failed.clone(), ..Report::new(&recovered.target, outcome) }
}

/// Ends a target's interrupted transaction by keeping what is there now. Where it has none, nothing is written.
pub fn accept(session: &mut Session<'_>, name: &str) -> Report {
    match waits(session.host, Some(name)) {
        Ok(false) => return Report::new(name, uninterrupted()),
        Ok(true) if session.options.dry_run => return Report::new(name, Outcome::Planned),
        Ok(true) => {}
        Err(refusal) => return Report::new(name, refusal.outcome()),
    }
    let engine = match Engine::open(session.host, VERB, session.options.wait) {
        Ok(engine) => engine,
        Err(error) => return Report::new(name, EngineError::outcome(error)),
    };
    let mut ear = Ear::on(session.listener);
    let outcome = match engine.accept(name, &mut ear) {
        Ok(Accepted::Closed { left }) => Outcome::Recovered { what: closed(&left), left },
        Ok(Accepted::Unread { why }) => ended(format!(
            "what is there now was kept, and the journal, which could not be read ({why}), removed: no receipt tells of it, and \
             `.reseal-*` may be left beside the files"
        )),
        Ok(Accepted::Nothing) => uninterrupted(),
        Err(error) => Outcome::Refused { why: explain(&error), hint: error.hint().map(str::to_owned) },
    };
    Report { hooks_failed: ear.failed(), ..Report::new(name, outcome) }
}

fn closed(left: &[PathBuf]) -> String {
    let closed = "what is there now was kept, and the interrupted transaction closed";
    if left.is_empty() {
        return closed.to_owned();
    }
    let paths: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
    format!(
        "{closed}; remove by hand what could not be removed, and may be a key, with any longer name that begins so: {}",
        paths.join(", ")
    )
}
