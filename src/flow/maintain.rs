//! `maintain`: all that is due, for a timer: what was interrupted is ended, what an upgrade did is mended, what is staged and due is put
//! in place, what ends is replaced, or made ready where the time to replace it has not come.

use super::occasion::{self, Look, Occasion};
use super::renew::unchanged::{self, Same};
use super::survey::{self, Survey};
use super::{Refusal, Report, Session, activate, fitting, post_upgrade, recover, renew, stage};
use crate::assess::{Code, Finding};
use crate::cert::Chain;
use crate::cert::installed::Leaf;
use crate::config::{AfterUpgrade, SourceConfig, TargetConfig};
use crate::engine::vault::Vault;
use crate::engine::{Next, Staging, When};
use crate::host::Host;
use crate::host::state::State;
use crate::outcome::Outcome;
use crate::plan::Decision;

const VERB: &str = "maintain";

/// Does what is due for the targets of these names, or for all. One target's failure does not stop the others. How a run over all has ended
/// is remembered.
///
/// # Errors
/// A name that no target has, or reseal's own directory cannot be used.
pub fn run(session: &mut Session<'_>, names: &[String]) -> Result<Vec<Report>, Refusal> {
    session.options.secrets.may_prompt = false;
    let ended = due(session, names);
    if !names.is_empty() || session.options.dry_run {
        return ended;
    }
    let exit = ended.as_ref().map_or_else(|refusal| refusal.exit, |reports| super::exit(reports));
    let untold = fitting::last::remember(session, exit, session.engine.is_some());
    Ok(ended?.into_iter().chain(untold).collect())
}

fn due(session: &mut Session<'_>, names: &[String]) -> Result<Vec<Report>, Refusal> {
    let targets = session.targets(names)?;
    let mut reports = recover::run(session, None, When::Running);
    // What is stuck is told where its target is, or by whoever ends the run.
    reports.retain(|report| !matches!(report.outcome, Outcome::Stuck { .. }));
    reports.extend(each(session, &targets)?);
    Ok(reports)
}

fn each(session: &mut Session<'_>, targets: &[TargetConfig]) -> Result<Vec<Report>, Refusal> {
    let state = State::open(session.host)?;
    let mut upgraded = after_upgrade(session)?;
    let settled = match &state {
        Some(state) if !session.options.live && upgraded.is_empty() && recover::pending(session.host)?.is_empty() => {
            unchanged::all(session.host, state, targets, Same::Ahead)
        }
        Some(_) | None => vec![false; targets.len()],
    };
    let mut reports = Vec::new();
    for (config, settled) in targets.iter().zip(settled) {
        if session.host.interrupted().is_some() {
            break;
        }
        let mended = upgraded.iter().position(|report| report.target == config.name).map(|at| upgraded.remove(at));
        reports.push(match mended {
            Some(report) if !matches!(report.outcome, Outcome::Nothing { .. }) => report,
            _ if settled => {
                let why = "the files are what was proved last, and nothing is due".to_owned();
                Report::new(&config.name, Outcome::Nothing { why })
            }
            mended => {
                let mut report = match session.begin(VERB, &config.name) {
                    Ok(()) => one(session, config),
                    Err(outcome) => Report::new(&config.name, outcome),
                };
                report.upgrade = mended.map(|mended| mended.upgrade).unwrap_or_default();
                report
            }
        });
    }
    reports.extend(upgraded);
    Ok(reports)
}

/// What `post-upgrade` makes of an upgrade that a hook has told of; empty where none has. The mark is for all targets, whatever names
/// were given.
fn after_upgrade(session: &mut Session<'_>) -> Result<Vec<Report>, Refusal> {
    if !fitting::fire::pending(session)? {
        return Ok(Vec::new());
    }
    if !session.options.dry_run {
        fitting::fire::wait_for_packages(session);
    }
    let live = session.options.live;
    let reports = fitting::fire::post_upgrade(session, &[], post_upgrade::Limits::default());
    session.options.live = live;
    reports
}

/// Whether nothing is to be made ready for a target whose files are what was committed last, and nothing is to be put in place.
pub(super) fn settled(host: &Host, config: &TargetConfig, vault: &Vault, leaf: &Leaf) -> bool {
    match Next::read(vault) {
        Ok(Some(next)) => {
            let look = Look::of_leaf(leaf);
            let occasion = occasion::to_activate(host, config, &next, &look, host.now());
            matches!(occasion, Ok(Occasion::Later { .. }))
        }
        Ok(None) => {
            !can_prepare(config) || leaf.not_after - host.now() >= config.policy.prepare(Look::of_leaf(leaf).lives)
        }
        Err(_) => false,
    }
}

/// Whether a certificate can be had before it is needed: files that somebody else keeps fresh are looked at anyway.
fn can_prepare(config: &TargetConfig) -> bool {
    match config.source {
        SourceConfig::None | SourceConfig::Import { .. } => false,
        SourceConfig::LocalCa { .. }
        | SourceConfig::Csr { .. }
        | SourceConfig::Command { .. }
        | SourceConfig::Acme(_) => true,
    }
}

/// What is done about one target.
fn one(session: &mut Session<'_>, config: &TargetConfig) -> Report {
    let decided = renew::decide(session, config, VERB, AfterUpgrade::Reinstate);
    let judged = decided.and_then(|(decision, findings, notes)| {
        let survey = survey::survey(session.host, config, &session.live_dir)?;
        let look = Look {
            broken: findings.iter().any(|one| one.calls_for_replacement() && !runs_out(one)),
            due: matches!(decision, Decision::Replace { .. }),
            ..Look::of_survey(&survey)
        };
        Ok((decision, findings, notes, survey, look))
    });
    let (decision, findings, mut notes, survey, look) = match judged {
        Ok(judged) => judged,
        Err(refusal) => return Report::new(&config.name, refusal.outcome()),
    };
    let act = act(session, config, &decision, &survey, &look, &mut notes);
    let mut report = act.unwrap_or_else(|outcome| Report::new(&config.name, outcome));
    if report.findings.is_empty() {
        report.findings = findings;
    }
    for note in notes {
        if !report.notes.contains(&note) {
            report.notes.push(note);
        }
    }
    report
}

/// That it runs out is no surprise, and can wait for its time.
fn runs_out(finding: &Finding) -> bool {
    matches!(finding.code, Code::Expiring | Code::EndsSoon)
}

fn act(
    session: &mut Session<'_>,
    config: &TargetConfig,
    decision: &Decision,
    survey: &Survey,
    look: &Look,
    notes: &mut Vec<String>,
) -> Result<Report, Outcome> {
    let host = session.host;
    let renewed = |session: &mut Session<'_>| Ok(renew::one(session, config, VERB, AfterUpgrade::Reinstate));
    match decision {
        // What was proved and is overwritten is put back at once.
        Decision::Reinstate { .. } | Decision::Unable { .. } => return renewed(session),
        Decision::Leave { .. } | Decision::Replace { .. } | Decision::Apply { .. } => {}
    }
    let next = match waiting(session, config, notes)? {
        Waiting::Nothing => None,
        Waiting::Good(next) => Some(next),
        Waiting::Stale(refusal) if matches!(decision, Decision::Leave { .. }) => {
            notes.extend(refusal.hint);
            return Ok(Report::new(&config.name, Outcome::Reported { why: refusal.why }));
        }
        Waiting::Stale(refusal) => {
            notes.push(refusal.why);
            None
        }
    };
    if let Some(next) = next {
        return match occasion::to_activate(host, config, &next, look, host.now()).map_err(Refusal::outcome)? {
            Occasion::Now { early } => {
                notes.extend(early.as_deref().map(told_early));
                Ok(activate::one(session, config, VERB, &why(decision)))
            }
            Occasion::Later { when, .. } => {
                let why = format!("generation {} is staged and is put in place {when}", next.generation);
                Ok(Report::new(&config.name, Outcome::Nothing { why }))
            }
        };
    }
    match decision {
        Decision::Leave { .. } => {
            let ends = survey.pairs.iter().filter_map(|pair| pair.installed.chain.as_ref()).map(Chain::leaf);
            let early = |leaf: &crate::cert::Certificate| {
                leaf.not_after() - host.now() < config.policy.prepare(leaf.not_after() - leaf.not_before())
            };
            if can_prepare(config) && ends.into_iter().any(early) {
                return Ok(stage::from_source(session, config, "made ready before it is due", Staging::default()));
            }
            renewed(session)
        }
        Decision::Replace { .. } | Decision::Apply { .. } => {
            match occasion::to_change(host, config, look, host.now()).map_err(Refusal::outcome)? {
                Occasion::Now { early } => {
                    notes.extend(early.as_deref().map(told_early));
                    renewed(session)
                }
                Occasion::Later { when, .. } => match decision {
                    // A request that a person carries changes nothing that is served.
                    Decision::Replace { .. } if matches!(config.source, SourceConfig::Csr { .. }) => renewed(session),
                    Decision::Replace { why } => {
                        Ok(stage::from_source(session, config, why, Staging { due: true, ..Staging::default() }))
                    }
                    Decision::Leave { why }
                    | Decision::Reinstate { why, .. }
                    | Decision::Apply { why }
                    | Decision::Unable { why } => {
                        let why = format!("{why}: the service takes it up {when}");
                        Ok(Report::new(&config.name, Outcome::Reported { why }))
                    }
                },
            }
        }
        Decision::Reinstate { .. } | Decision::Unable { .. } => renewed(session),
    }
}

fn told_early(why: &str) -> String {
    format!("not in a maintenance window: {why}")
}

fn why(decision: &Decision) -> String {
    match decision {
        Decision::Leave { .. } => "its time has come".to_owned(),
        Decision::Reinstate { why, .. }
        | Decision::Replace { why }
        | Decision::Apply { why }
        | Decision::Unable { why } => why.clone(),
    }
}

/// What is staged for a target.
enum Waiting {
    /// Nothing.
    Nothing,
    /// Something that is still good.
    Good(Next),
    /// Something that a person has staged and that is not good any more.
    Stale(Refusal),
}

/// What is staged, as it stands today. What the policy has staged and is not good any more is put away.
fn waiting(session: &mut Session<'_>, config: &TargetConfig, notes: &mut Vec<String>) -> Result<Waiting, Outcome> {
    let next = match stage::staged(session, &config.name) {
        Ok(None) => return Ok(Waiting::Nothing),
        Ok(Some(next)) => next,
        Err(refusal) => return Ok(Waiting::Stale(refusal)),
    };
    let refusal = match activate::usable(session, config, true) {
        Ok(usable) => return Ok(Waiting::Good(usable.next)),
        Err(refusal) => refusal,
    };
    if next.by_hand || session.options.dry_run {
        return Ok(Waiting::Stale(refusal));
    }
    notes.push(format!("{}; it was put away", refusal.why));
    let engine = session.engine_for(VERB, &config.name)?;
    engine.drop_next(&config.name).map_err(|error| Refusal::from(error).outcome())?;
    Ok(Waiting::Nothing)
}
