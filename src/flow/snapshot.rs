//! `snapshot [NAME]...`: before an upgrade, what is there is kept and remembered; where nothing is wrong with it, it is the wanted state
//! from then on, also where reseal did not install it.

use super::change::{self, Intent};
use super::clients::Clients;
use super::fitting::fire;
use super::post_upgrade::compare;
use super::survey::{self, Survey};
use super::{Refusal, Report, Session, asked};
use crate::assess::{Code, Finding};
use crate::change::{Image, Probe, Slot};
use crate::config::TargetConfig;
use crate::engine::snapshot::{Listener, Snapshot, Snapshots};
use crate::engine::vault::Vault;
use crate::engine::{Change, ConfigTest, Ledger, Seen};
use crate::host::state::State;
use crate::outcome::Outcome;

const VERB: &str = "snapshot";

/// Takes one of the targets of these names, or of all. One target's failure does not stop the others.
///
/// # Errors
/// A name that no target has.
pub fn run(session: &mut Session<'_>, names: &[String]) -> Result<Vec<Report>, Refusal> {
    let unseen = fire::is_unseen(session)?;
    keep(session, names, unseen)
}

/// The same; `unseen` is whether an upgrade had begun before that nobody has looked at yet: another certificate than the wanted one is its
/// doing then, however good it looks.
pub(super) fn keep(session: &mut Session<'_>, names: &[String], unseen: bool) -> Result<Vec<Report>, Refusal> {
    let mut reports = Vec::new();
    for config in session.targets(names)? {
        if session.host.interrupted().is_some() {
            break;
        }
        let mut damaged: Vec<String> = records(session, &config.name).into_iter().collect();
        if reports.is_empty() {
            damaged.extend(receipts(session));
        }
        let mut report = one(session, config, unseen).unwrap_or_else(|outcome| Report::new(&config.name, outcome));
        report.notes.extend(damaged);
        reports.push(report);
    }
    Ok(reports)
}

/// That lines of the record of a target's snapshots count for nothing: the next one is written without them.
fn records(session: &Session<'_>, name: &str) -> Option<String> {
    let state = State::open(session.host).ok()??;
    let damaged = Snapshots::read(&state, name).ok()?.damaged;
    told(&damaged, "the record of its snapshots", "they count for nothing")
}

/// The same of the record of what was done.
fn receipts(session: &Session<'_>) -> Option<String> {
    let broken = Ledger::read(&State::open(session.host).ok()??).ok()?.broken;
    told(&broken, "the record of what was done", "`reseal history verify` tells more")
}

fn told(lines: &[usize], record: &str, more: &str) -> Option<String> {
    let first = lines.first()?;
    Some(match lines.len() {
        1 => format!("line {first} of {record} was torn or altered: {more}"),
        count => format!("{count} lines of {record} were torn or altered, from line {first} on: {more}"),
    })
}

fn one(session: &mut Session<'_>, config: &TargetConfig, unseen: bool) -> Result<Report, Outcome> {
    // What was interrupted is ended first: half a change is not what anybody wants.
    session.begin(VERB, &config.name)?;
    let look = Look::at(session, config, unseen).map_err(Refusal::outcome)?;
    if session.options.dry_run {
        return Ok(look.told(config, Outcome::Planned));
    }
    if let Some(outcome) = look.known(session, config).map_err(Refusal::outcome)? {
        return Ok(look.told(config, outcome));
    }
    session.engine_for(VERB, &config.name)?;
    let look = Look::at(session, config, unseen).map_err(Refusal::outcome)?;
    let Some(engine) = session.engine.as_ref() else { return Ok(look.told(config, Outcome::Planned)) };
    let (snapshot, written) = engine.snapshot(&look.change(config), look.seen.clone(), session.listener)?;
    Ok(look.told(config, remembered(&snapshot, written)))
}

fn remembered(snapshot: &Snapshot, written: bool) -> Outcome {
    let Snapshot { number, generation, signed_off, .. } = *snapshot;
    Outcome::Remembered { number, generation, signed_off, written }
}

/// A target, looked at and judged.
struct Look {
    survey: Survey,
    findings: Vec<Finding>,
    seen: Seen,
    /// That another certificate stands there since an upgrade that nobody has looked at.
    upgraded: bool,
}

impl Look {
    fn at(session: &Session<'_>, config: &TargetConfig, unseen: bool) -> Result<Self, Refusal> {
        let survey = survey::survey(session.host, config, &session.live_dir)?;
        let (findings, listeners) = judged(session, config, &survey)?;
        let other = findings.iter().any(|finding| finding.code == Code::Regression);
        let upgraded = unseen && other;
        let sign_off = !upgraded && wanted(&survey, &findings) && compare::worse(session, config, &survey)?.is_empty();
        let sign_off = sign_off || (session.options.force && paired(&survey));
        let images = images(&survey);
        let seen = Seen { images, findings: codes(&findings), listeners, sign_off };
        Ok(Self { survey, findings, seen, upgraded })
    }

    /// Where to look, without any step.
    fn change(&self, config: &TargetConfig) -> Change {
        let (verb, why) = (VERB, "before an upgrade".to_owned());
        let intent = Intent { verb, why, repeats: None, config_test: ConfigTest::MayFail };
        let leaf = self.survey.pairs.first().and_then(|pair| pair.installed.leaf());
        let leaf_at = |index| change::present_leaf(&self.survey, index);
        change::change(config, &self.survey, Vec::new(), leaf, &leaf_at, &intent)
    }

    /// The last snapshot, where nothing has changed since: found out without a lock, for nothing is written then.
    fn known(&self, session: &Session<'_>, config: &TargetConfig) -> Result<Option<Outcome>, Refusal> {
        let Some(state) = State::open(session.host)? else { return Ok(None) };
        let Some(vault) = Vault::open(&state, &config.name)? else { return Ok(None) };
        let snapshots = Snapshots::read(&state, &config.name)?;
        let Some(last) = snapshots.all.last().filter(|last| last.is_of(last.generation, &self.seen)) else {
            return Ok(None);
        };
        let Ok(manifest) = vault.manifest(last.generation) else { return Ok(None) };
        let slots = self.survey.slots();
        let same =
            snapshots.damaged.is_empty()
                && manifest.slots.len() == slots.len()
                && manifest.slots.iter().zip(slots.iter().zip(&self.seen.images)).all(|(saved, (slot, image))| {
                    saved.path == slot.path && saved.role == slot.role && saved.is(image)
                });
        let stands = !self.seen.sign_off || vault.current()? == Some(last.generation);
        let whole = same && stands && vault.contents(&manifest).is_ok();
        Ok(whole.then(|| remembered(last, false)))
    }

    fn told(self, config: &TargetConfig, outcome: Outcome) -> Report {
        let upgraded = "an upgrade has begun that nobody has looked at yet: `reseal post-upgrade` does";
        let notes = if self.upgraded { vec![upgraded.to_owned()] } else { Vec::new() };
        Report { findings: self.findings, notes, ..Report::new(&config.name, outcome) }
    }
}

fn judged(
    session: &Session<'_>,
    config: &TargetConfig,
    survey: &Survey,
) -> Result<(Vec<Finding>, Vec<Listener>), Refusal> {
    let state = State::open(session.host)?;
    let committed = survey::committed(state.as_ref(), &config.name)?;
    let manifest = committed.as_ref().map(|(_, manifest)| manifest);
    let served = asked::ask(session.host, &survey.questions(), config.policy.probe_timeout);
    let clients = Clients::new(session.host, &session.config.trust, &[]).or(&config.policy.trust)?;
    let findings = survey::findings(survey, config, manifest, &served, &clients, session.host.now());
    let tls = served.into_iter().filter(|asked| matches!(asked.probe, Probe::Tls { .. }));
    Ok((findings, tls.map(|asked| Listener { probe: asked.probe, shown: asked.shown }).collect()))
}

/// Whether it is good as it is. That another good certificate stands in place of the committed one is no damage: somebody put it there. But what
/// the owner lives with, such as a product's own certificate, is not taken for another of its kind that an upgrade has brought.
fn wanted(survey: &Survey, findings: &[Finding]) -> bool {
    let other = findings.iter().any(|finding| finding.code == Code::Regression);
    let good = |finding: &Finding| {
        let replaced = other && finding.code.calls_for_replacement();
        matches!(finding.code, Code::Regression | Code::Expiring) || (!finding.counts() && !replaced)
    };
    paired(survey) && findings.iter().all(good)
}

fn paired(survey: &Survey) -> bool {
    let paired = survey.pairs.iter().all(|pair| pair.installed.leaf().is_some_and(|leaf| leaf.paired));
    !survey.pairs.is_empty() && paired
}

/// What stands at each slot of the change that says where to look.
fn images(survey: &Survey) -> Vec<Image> {
    let of = |slot: &Slot| {
        survey.pairs.iter().find_map(|pair| {
            let at = pair.pair.slots.iter().position(|other| other.path == slot.path)?;
            Some(pair.looks[at].image.clone())
        })
    };
    survey.slots().iter().map(|slot| of(slot).unwrap_or(Image::Absent)).collect()
}

fn codes(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| finding.code.name().to_owned()).collect()
}
