//! `maintain`: all that is due, for a timer: what was interrupted is ended, what an upgrade did is mended, what is staged and due is put
//! in place, what ends is replaced, or made ready where the time to replace it has not come.

use super::occasion::{self, Look, Occasion};
use super::renew::unchanged::{self, Same};
use super::survey::{self, Survey};
use super::{Refusal, Report, Session, activate, fitting, post_upgrade, recover, renew, stage};
use crate::assess::Finding;
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
    reports.extend(each(session, &targets, names.is_empty())?);
    Ok(reports)
}

/// `whole`: these are all there are.
fn each(session: &mut Session<'_>, targets: &[&TargetConfig], whole: bool) -> Result<Vec<Report>, Refusal> {
    let state = State::open(session.host)?;
    let mut upgraded = if whole { after_upgrade(session)? } else { Vec::new() };
    let settled = match &state {
        Some(state) if !session.options.live && upgraded.is_empty() && recover::pending(session.host)?.is_empty() => {
            unchanged::all(session.host, state, targets, Same::Ahead)
        }
        Some(_) | None => vec![false; targets.len()],
    };
    let mut reports = Vec::with_capacity(targets.len());
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

/// What `post-upgrade` makes of an upgrade that a hook has told of; empty where none has.
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

/// Whether nothing is to be made ready for a target whose files are what was committed last, and nothing is staged, which has to be
/// looked at more closely.
pub(super) fn settled(host: &Host, config: &TargetConfig, vault: &Vault, leaf: &Leaf) -> bool {
    matches!(Next::read(vault), Ok(None))
        && (!can_prepare(config) || leaf.not_after - host.now() >= config.policy.prepare(Look::of_leaf(leaf).lives))
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
    let ended = judge(session, config).and_then(|judged| {
        // Another run may be doing the same: whoever has the lock looks again.
        let judged = if judged.changes() && session.engine.is_none() && !session.options.dry_run {
            session.engine_for(VERB, &config.name)?;
            judge(session, config)?
        } else {
            judged
        };
        let mut report = act(session, config, judged.step, judged.put_away)?;
        if report.findings.is_empty() {
            report.findings = judged.findings;
        }
        let new: Vec<String> = judged.notes.into_iter().filter(|note| !report.notes.contains(note)).collect();
        report.notes.extend(new);
        Ok(report)
    });
    ended.unwrap_or_else(|outcome| Report::new(&config.name, outcome))
}

/// What a look at a target says.
struct Judged {
    step: Step,
    /// Whether what is staged goes first, for it is not good any more.
    put_away: bool,
    findings: Vec<Finding>,
    notes: Vec<String>,
}

/// What is to be done about a target.
enum Step {
    /// Nothing, for this reason.
    Leave { why: String },
    /// Nothing but to tell this.
    Report { why: String },
    /// What `renew` would do.
    Renew,
    /// Put in place what is staged.
    Activate { why: String },
    /// Make the next one ready.
    Stage { why: String, due: bool },
}

impl Judged {
    /// Whether anything is written; of `renew`, that is for it to say.
    fn changes(&self) -> bool {
        self.put_away || matches!(self.step, Step::Activate { .. } | Step::Stage { .. })
    }
}

/// Looks at a target, and changes nothing.
fn judge(session: &mut Session<'_>, config: &TargetConfig) -> Result<Judged, Outcome> {
    let (decision, findings, mut notes) =
        renew::decide(session, config, VERB, AfterUpgrade::Reinstate).map_err(Refusal::outcome)?;
    let survey = survey::survey(session.host, config, &session.live_dir).map_err(Refusal::outcome)?;
    let look =
        Look::of_judged(&survey, &findings, matches!(decision, Decision::Replace { .. } | Decision::Unable { .. }));
    let mut put_away = false;
    let step =
        choose(session, config, &decision, (&survey, &look), &mut notes, &mut put_away).map_err(Refusal::outcome)?;
    Ok(Judged { step, put_away, findings, notes })
}

fn choose(
    session: &Session<'_>,
    config: &TargetConfig,
    decision: &Decision,
    (survey, look): (&Survey, &Look),
    notes: &mut Vec<String>,
    put_away: &mut bool,
) -> Result<Step, Refusal> {
    let (host, now) = (session.host, session.host.now());
    let due = match decision {
        // What was proved and is overwritten is put back at once.
        Decision::Reinstate { .. } => return Ok(Step::Renew),
        Decision::Leave { .. } => None,
        Decision::Replace { why } | Decision::Apply { why } | Decision::Unable { why } => Some(why),
    };
    match waiting(session, config) {
        Waiting::Nothing => {}
        Waiting::Good(next) => {
            return Ok(match occasion::to_activate(host, config, &next, look, now)? {
                Occasion::Now { early } => {
                    notes.extend(early);
                    Step::Activate { why: due.map_or("its time has come", String::as_str).to_owned() }
                }
                Occasion::Later { when, .. } => {
                    Step::Leave { why: format!("generation {} is staged and is put in place {when}", next.generation) }
                }
            });
        }
        Waiting::Stale { refusal, by_policy: true } => {
            let done = if session.options.dry_run { "would be" } else { "was" };
            notes.push(format!("{}; it {done} put away", refusal.why));
            *put_away = true;
        }
        Waiting::Stale { refusal, .. } if due.is_none() => {
            notes.extend(refusal.hint);
            return Ok(Step::Report { why: refusal.why });
        }
        // Good in itself, and somebody has changed a file: it stays staged until nobody can wait, and goes there in spite of that then.
        Waiting::Stale { refusal, .. }
            if !matches!(decision, Decision::Apply { .. }) && activate::overtaken(session, config) =>
        {
            if look.pressing(now).is_none() {
                notes.extend(refusal.hint);
                return Ok(Step::Report { why: refusal.why });
            }
            if let Occasion::Now { early } = occasion::to_change(host, config, look, now)? {
                notes.extend(early);
            }
            return Ok(Step::Renew);
        }
        Waiting::Stale { refusal, .. } => notes.push(refusal.why),
    }
    let Some(why) = due else {
        let mut leaves = survey.pairs.iter().filter_map(|pair| pair.installed.chain.as_ref()).map(Chain::leaf);
        let early =
            leaves.any(|leaf| leaf.not_after() - now < config.policy.prepare(leaf.not_after() - leaf.not_before()));
        let ahead = can_prepare(config) && early;
        let stage = || Step::Stage { why: "made ready before it is due".to_owned(), due: false };
        return Ok(if ahead { stage() } else { Step::Renew });
    };
    if matches!(decision, Decision::Unable { .. }) {
        // Nobody has told reseal where to get one: a person has to bring it, and is told. No run fails because of that.
        return Ok(match config.source {
            SourceConfig::None => Step::Report {
                why: format!("{why}; it has no source: `reseal install {} --cert FILE --key FILE`", config.name),
            },
            SourceConfig::LocalCa { .. }
            | SourceConfig::Csr { .. }
            | SourceConfig::Command { .. }
            | SourceConfig::Import { .. }
            | SourceConfig::Acme(_) => Step::Renew,
        });
    }
    let when = match occasion::to_change(host, config, look, now)? {
        Occasion::Now { early } => {
            notes.extend(early);
            return Ok(Step::Renew);
        }
        Occasion::Later { when, .. } => when,
    };
    if matches!(decision, Decision::Apply { .. }) {
        return Ok(Step::Report { why: format!("{why}: the service takes it up {when}") });
    }
    // A request that a person carries changes nothing that is served.
    let carried = matches!(config.source, SourceConfig::Csr { .. });
    Ok(if carried { Step::Renew } else { Step::Stage { why: why.clone(), due: true } })
}

fn act(session: &mut Session<'_>, config: &TargetConfig, step: Step, put_away: bool) -> Result<Report, Outcome> {
    if put_away && !session.options.dry_run {
        let engine = session.engine_for(VERB, &config.name)?;
        engine.drop_next(&config.name).map_err(|error| Refusal::from(error).outcome())?;
    }
    Ok(match step {
        Step::Leave { why } => Report::new(&config.name, Outcome::Nothing { why }),
        Step::Report { why } => Report::new(&config.name, Outcome::Reported { why }),
        Step::Renew => renew::one(session, config, VERB, AfterUpgrade::Reinstate),
        Step::Activate { why } => activate::one(session, config, VERB, &why),
        Step::Stage { why, due } => stage::from_source(session, config, &why, Staging { due, ..Staging::default() }),
    })
}

/// What is staged for a target.
enum Waiting {
    /// Nothing.
    Nothing,
    /// Something that is still good.
    Good(Next),
    /// Something that is not good any more, and whether no person has asked for it; or what cannot be read.
    Stale { refusal: Refusal, by_policy: bool },
}

/// What is staged, as it stands today.
fn waiting(session: &Session<'_>, config: &TargetConfig) -> Waiting {
    let next = match stage::staged(session, &config.name) {
        Ok(None) => return Waiting::Nothing,
        Ok(Some(next)) => next,
        Err(refusal) => return Waiting::Stale { refusal, by_policy: false },
    };
    match activate::usable(session, config, true) {
        Ok(usable) => Waiting::Good(usable.next),
        Err(refusal) => Waiting::Stale { refusal, by_policy: !next.by_hand },
    }
}
