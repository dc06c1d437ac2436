//! `post-upgrade`: after a vendor's upgrade, what was signed off or committed last is held against what is there now, in the files and on
//! the wire; it is told what the upgrade has done, and by the target's policy the wanted certificate is put back, or another is
//! obtained, or things are left as they are. It asks no questions.

pub(super) mod compare;

use std::thread;
use std::time::{Duration, Instant};

use super::occasion::{self, Look, Occasion};
use super::renew::unchanged::{self, Same};
use super::{Refusal, Report, Session, activate, renew, survey};
use crate::assess::Finding;
use crate::assess::upgrade::Harm;
use crate::config::{AfterUpgrade, TargetConfig};
use crate::engine;
use crate::host::state::State;
use crate::outcome::Outcome;
use crate::plan::Decision;

pub(super) const VERB: &str = "post-upgrade";

/// How often a listener that is not up yet is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// How long it may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// All of it: no further target is begun when this is over, and the one under way ends as anything ends that takes too long.
    pub total: Duration,
    /// How long a listener that served something before may take to come up.
    pub up: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total: Duration::from_mins(10), up: Duration::from_secs(90) }
    }
}

/// Repairs what an upgrade did to the targets of these names, or to all.
///
/// # Errors
/// A name that no target has.
pub fn run(session: &mut Session<'_>, names: &[String], limits: Limits) -> Result<Vec<Report>, Refusal> {
    session.options.live = true;
    session.options.secrets.may_prompt = false;
    session.options.wait = session.options.wait.min(limits.total);
    session.host.hurry(limits.total);
    let targets = session.targets(names)?;
    let state = State::open(session.host)?;
    let untouched = match &state {
        Some(state) if engine::pending(state)?.is_empty() => {
            unchanged::all(session.host, state, &targets, Same::Everything)
        }
        Some(_) | None => vec![false; targets.len()],
    };
    // They start side by side, so this is for all of them: otherwise those that stay down would leave no time for the rest.
    let up_by = Instant::now() + limits.up;
    let mut reports = Vec::with_capacity(targets.len());
    for (config, untouched) in targets.into_iter().zip(untouched) {
        if untouched {
            let why = "everything is as it was signed off or proved last, and good for now".to_owned();
            reports.push(Report::new(&config.name, Outcome::Nothing { why }));
            continue;
        }
        if session.host.interrupted().is_some() {
            break;
        }
        let left = session.host.time_left().unwrap_or_default();
        reports.push(if left.is_zero() {
            let why =
                format!("{} was not looked at: the {} s for all targets are over", config.name, limits.total.as_secs());
            let hint = Some(format!("`reseal post-upgrade {}` does it, `--limit` gives it more time", config.name));
            Report::new(&config.name, Outcome::Refused { why, hint })
        } else if let Err(outcome) = session.begin(VERB, &config.name) {
            Report::new(&config.name, outcome)
        } else {
            // Found out before anything is mended. What cannot be compared is no reason to leave it so.
            let noticed = compare::noticed(session, config, left.min(up_by.saturating_duration_since(Instant::now())));
            let moved = noticed.as_ref().ok().and_then(|all| all.iter().find(|one| one.harm == Harm::PathMoved));
            let policy = if moved.is_some() { AfterUpgrade::Report } else { config.policy.after_upgrade };
            let mut report = renew::one(session, config, VERB, policy);
            if let (Some(moved), Outcome::Reported { .. } | Outcome::Nothing { .. }) = (moved, &report.outcome) {
                report.outcome = Outcome::Reported { why: elsewhere(config, &moved.message) };
            }
            match noticed {
                Ok(noticed) => {
                    if let (Outcome::Nothing { why }, [_, ..]) = (&report.outcome, &*noticed) {
                        report.outcome = Outcome::Reported { why: why.clone() };
                    }
                    report.upgrade = noticed;
                }
                Err(refusal) => report.notes.push(format!("what the upgrade did is not known: {}", refusal.why)),
            }
            let failed = matches!(report.outcome, Outcome::Refused { .. } | Outcome::RolledBack { .. });
            if failed && session.host.time_left().is_some_and(|left| left.is_zero()) {
                let total = limits.total.as_secs();
                report.notes.push(format!("the {total} s for all targets were over: `--limit` gives more time"));
            }
            report
        });
    }
    session.host.take_its_time();
    Ok(reports)
}

/// What a person is told where the service reads files that the target does not name: a reload brings it back to none that it does.
fn elsewhere(config: &TargetConfig, moved: &str) -> String {
    let name = &config.name;
    format!(
        "{moved}: find out which files the service reads now, and name them in the configuration; then `reseal renew {name}`. \
         If it reads the same as before, `reseal renew {name} --live` has it take them up"
    )
}

/// Waits, in pieces that a signal can end, until `done` or the time is over.
fn wait_until(session: &Session<'_>, most: Duration, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() && began.elapsed() < most && session.host.interrupted().is_none() {
        thread::sleep(AGAIN.min(most));
    }
}

/// Why the hook after an upgrade leaves a target to the timer, if it does: what is staged has its time, and no upgrade is a reason to
/// break into a day of work for what can wait for a maintenance window.
pub(super) fn later(
    session: &Session<'_>,
    config: &TargetConfig,
    (decision, findings): (&Decision, &[Finding]),
    verb: &'static str,
    policy: AfterUpgrade,
) -> Result<Option<String>, Refusal> {
    let (Decision::Replace { why } | Decision::Unable { why }, VERB) = (decision, verb) else {
        return Ok(None);
    };
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let look = Look::of_judged(&survey, findings, true);
    let now = session.host.now();
    let (occasion, what) = match activate::usable(session, config, false) {
        Ok(_) if look.pressing(now).is_some() && activate::overtaken(session, config) => return Ok(None),
        Ok(usable) => {
            let what = format!("generation {} is staged and is put in place", usable.next.generation);
            (occasion::to_activate(session.host, config, &usable.next, &look, now)?, what)
        }
        // Its owner wants another after each upgrade; or there is none to be had.
        Err(_) if policy == AfterUpgrade::Renew || matches!(decision, Decision::Unable { .. }) => return Ok(None),
        Err(_) => (occasion::to_change(session.host, config, &look, now)?, "`reseal maintain` gets another".to_owned()),
    };
    Ok(match occasion {
        Occasion::Now { .. } => None,
        Occasion::Later { when, .. } => Some(format!("{why}; {what} {when}")),
    })
}
