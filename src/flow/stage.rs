//! `stage NAME`: obtains what comes next, checks all that can be checked, and keeps it, with no effect on the service. `activate` puts it
//! in place.

use std::path::PathBuf;

use super::change::{self, Intent};
use super::fit::{self, faults, objections, outlook};
use super::install::{self, Inputs, Prepared, holds, no_pair, nothing, pairs_for};
use super::occasion::{self, Look};
use super::preview::Plan;
use super::survey::{self, Survey};
use super::{Refusal, Report, Session, csr, gone, guard, renew};
use crate::assess::{self, Code};
use crate::cert::Bundle;
use crate::change::Image;
use crate::config::{SourceConfig, TargetConfig};
use crate::engine::vault::Vault;
use crate::engine::{ConfigTest, Found, Next, STAGED, Staging};
use crate::host::state::State;
use crate::moment::Moment;
use crate::moment::in_utc;
use crate::outcome::Outcome;

const VERB: &str = STAGED;

/// Where what is staged comes from.
pub enum Given<'a> {
    /// The target's own source.
    Source,
    /// Files with certificate, key and chain, in any packing.
    Whole(&'a [PathBuf]),
    /// What a CA answered to a request that waits here.
    Answer(&'a [PathBuf]),
}

/// Stages what is given, for this moment or by the target's policy.
pub fn run(session: &mut Session<'_>, name: &str, given: &Given<'_>, at: Option<Moment>) -> Report {
    if let Err(outcome) = session.begin(VERB, name) {
        return Report::new(name, outcome);
    }
    let staged = match given {
        Given::Source => session.target(name).and_then(|config| obtain(session, config, at)),
        Given::Whole(files) => bring(session, name, &Inputs::Whole(files), at),
        Given::Answer(files) => bring(session, name, &Inputs::Answer(files), at),
    };
    staged.unwrap_or_else(|refusal| Report::new(name, refusal.outcome()))
}

/// What to type to have something staged: of a target without a source, a person brings it.
pub(super) fn typed(config: &TargetConfig) -> String {
    match config.source {
        SourceConfig::None => format!("`reseal stage {} --cert FILE --key FILE`", config.name),
        SourceConfig::LocalCa { .. }
        | SourceConfig::Acme(_)
        | SourceConfig::Csr { .. }
        | SourceConfig::Command { .. }
        | SourceConfig::Import { .. } => format!("`reseal stage {}`", config.name),
    }
}

/// Puts away what is staged. Its generation is kept, as any that was obtained.
pub fn drop(session: &mut Session<'_>, name: &str) -> Report {
    dropped(session, name).unwrap_or_else(|outcome| Report::new(name, outcome))
}

fn dropped(session: &mut Session<'_>, name: &str) -> Result<Report, Outcome> {
    session.begin(VERB, name)?;
    let none = || Report::new(name, nothing("nothing is staged"));
    let there = |session: &Session<'_>| -> Result<Option<Option<u32>>, Refusal> {
        let Some(vault) = vault(session, name)? else { return Ok(None) };
        // Also where it cannot be read: that is what it is put away for.
        Ok(Next::read(&vault).map_or(Some(None), |next| next.map(|next| Some(next.generation))))
    };
    let Some(generation) = there(session).map_err(Refusal::outcome)? else { return Ok(none()) };
    if session.options.dry_run {
        return Ok(Report::new(name, Outcome::Planned));
    }
    let engine = session.engine_for(VERB, name)?;
    match engine.drop_next(name) {
        Ok(true) => Ok(Report::new(name, Outcome::Dropped { generation })),
        Ok(false) => Ok(none()),
        Err(error) => Err(Refusal::from(error).outcome()),
    }
}

/// What is staged for a target.
///
/// # Errors
/// It cannot be read.
pub(super) fn staged(session: &Session<'_>, name: &str) -> Result<Option<Next>, Refusal> {
    match vault(session, name)? {
        Some(vault) => Ok(Next::read(&vault)?),
        None => Ok(None),
    }
}

/// The generation that would hold what is staged now.
fn upcoming(session: &Session<'_>, name: &str) -> Result<u32, Refusal> {
    Ok(vault(session, name)?.map(|vault| vault.next()).transpose()?.unwrap_or(1))
}

fn vault(session: &Session<'_>, name: &str) -> Result<Option<Vault>, Refusal> {
    let Some(state) = State::open(session.host)? else { return Ok(None) };
    Ok(Vault::open(&state, name)?)
}

/// From files that somebody brings.
fn bring(session: &mut Session<'_>, name: &str, inputs: &Inputs<'_>, at: Option<Moment>) -> Result<Report, Refusal> {
    let then = at.as_ref().map_or_else(|| session.host.now(), |moment| moment.at);
    let Prepared { config, bundle, notes } = install::prepare_for(session, name, inputs, then)?;
    let why = format!("stage {}", bundle.leaf().title());
    let mut report =
        keep(session, config, std::slice::from_ref(&bundle), &why, Staging { by_hand: true, at, ..Staging::default() });
    report.notes.splice(0..0, notes);
    if let Err(refusal) = csr::installed(session, name, &report.outcome, &bundle) {
        report.notes.push(format!("the request for its key is answered and still listed: {}", refusal.why));
    }
    Ok(report)
}

/// From the target's own source, as a person asks for it. What is staged already and still good is not ordered again.
fn obtain(session: &mut Session<'_>, config: &TargetConfig, at: Option<Moment>) -> Result<Report, Refusal> {
    if let SourceConfig::None = config.source {
        return Err(Refusal::new(format!("target {} has no source", config.name))
            .hint(format!("give it a `[target.source]`, or stage what is at hand: {}", typed(config))));
    }
    if !session.options.force
        && staged(session, &config.name)?.is_some()
        && super::activate::usable(session, config, true).is_ok()
    {
        let mut report = super::activate::put_off(session, config, at)?;
        report.notes.push("it was staged before and is still good; `--force` gets another".to_owned());
        return Ok(report);
    }
    Ok(from_source(session, config, "asked for", Staging { by_hand: true, at, ..Staging::default() }))
}

/// Obtains from the target's source and stages it.
pub(super) fn from_source(session: &mut Session<'_>, config: &TargetConfig, why: &str, staging: Staging) -> Report {
    if let Err(refusal) = guard::keystore(session, config) {
        return Report::new(&config.name, refusal.outcome());
    }
    if let SourceConfig::Csr { .. } = &config.source {
        return csr::ensure(session, config, why);
    }
    if let Err(refusal) = renew::misplaced::refuse(session, config) {
        return Report::new(&config.name, refusal.outcome());
    }
    if let Some(mut planned) = renew::expected(session, config, why) {
        let generation = match upcoming(session, &config.name) {
            Ok(generation) => generation,
            Err(refusal) => return Report::new(&config.name, refusal.outcome()),
        };
        planned.plan = planned.plan.map(|plan| plan.staged_as(generation));
        return planned;
    }
    // Of two runs at the same time, the second finds what the first has staged.
    if !session.options.dry_run
        && let Err(outcome) = session.engine_for(VERB, &config.name)
    {
        return Report::new(&config.name, outcome);
    }
    let intent = Intent { verb: VERB, why: why.to_owned(), repeats: None, config_test: ConfigTest::MustPass };
    match change::foresee(session, config, &intent).and_then(|()| renew::obtain_all(session, config, why)) {
        Ok(bundles) => {
            let mut report = keep(session, config, &bundles, why, staging);
            renew::received(session, config, &bundles, &mut report);
            report
        }
        Err(outcome) => Report::new(&config.name, outcome),
    }
}

/// Keeps these pairs as what comes next.
fn keep(session: &mut Session<'_>, config: &TargetConfig, bundles: &[Bundle], why: &str, staging: Staging) -> Report {
    let kept = kept(session, config, bundles, why, staging);
    kept.unwrap_or_else(|outcome| Report::new(&config.name, outcome))
}

fn kept(
    session: &mut Session<'_>,
    config: &TargetConfig,
    bundles: &[Bundle],
    why: &str,
    staging: Staging,
) -> Result<Report, Outcome> {
    if !session.options.dry_run {
        session.engine_for(VERB, &config.name)?;
    }
    let refused = Refusal::outcome;
    let survey = survey::survey(session.host, config, &session.live_dir).map_err(refused)?;
    session.alone_with(&config.name, &survey).map_err(refused)?;
    gone::refuse(session.host, config, &survey, VERB).map_err(refused)?;
    let then = staging.at.as_ref().map_or_else(|| session.host.now(), |moment| moment.at);
    let mut insisted = Vec::new();
    let mut findings = Vec::new();
    for bundle in bundles {
        if let Some(at) = staging.at.as_ref().filter(|at| bundle.leaf().not_after() < at.at) {
            return Err(never(config, bundle, at).outcome());
        }
        if pairs_for(&survey, bundle).is_empty() {
            return Err(no_pair(&survey, bundle).outcome());
        }
        let found = outlook(session, config, bundle, then).map_err(refused)?;
        let objections = objections(config, &found);
        if !objections.is_empty() && !session.options.force {
            return Err(objected(config, bundle, &objections).outcome());
        }
        for one in faults(bundle, config, &found).into_iter().chain(objections) {
            if !insisted.contains(&one) {
                insisted.push(one);
            }
        }
        findings.extend(found.into_iter().filter(|one| one.code != Code::Expiring));
    }
    let mut placed: Vec<(usize, &Bundle)> = Vec::new();
    for bundle in bundles {
        placed.extend(pairs_for(&survey, bundle).into_iter().map(|index| (index, bundle)));
    }
    placed.retain(|(index, bundle)| !holds(&survey, *index, bundle));
    if placed.is_empty() {
        return Ok(Report::new(
            &config.name,
            nothing("the certificate is already in place: there is nothing to stage"),
        ));
    }
    let upcoming = change::upcoming(session, config, &survey).map_err(refused)?;
    let intent = Intent { verb: VERB, why: why.to_owned(), repeats: None, config_test: ConfigTest::MustPass };
    let change = change::of_bundles(config, &survey, &placed, &intent, upcoming);
    guard::change(session, config, &survey, &change).map_err(refused)?;
    let mut report = Report::new(&config.name, Outcome::Planned);
    report.findings = findings;
    report.notes.extend(too_late(&survey, staging.at.as_ref()));
    report.notes.extend(fit::dropped(config, &survey, bundles, session.host.now()));
    let plan = Plan::of(&survey, &change, upcoming);
    if session.options.dry_run {
        report.plan = Some(plan.staged_as(self::upcoming(session, &config.name).map_err(refused)?));
        return Ok(report);
    }
    let Some(engine) = session.engine.as_ref() else { return Ok(report) };
    let next = engine.stage(&change, Staging { insisted, ..staging }, session.listener)?;
    report.plan = Some(plan.staged_as(next.generation));
    report.outcome = told(session, config, &next, &survey, true);
    Ok(report)
}

/// What is staged, as the end of a verb.
pub(super) fn told(
    session: &Session<'_>,
    config: &TargetConfig,
    next: &Next,
    survey: &Survey,
    written: bool,
) -> Outcome {
    let look = standing(session, config, survey);
    let when = occasion::told(session.host, config, next, &look, session.host.now());
    let at = next.at.as_ref().map(|moment| in_utc(moment.at));
    Outcome::Staged { generation: next.generation, at, when, written }
}

/// What is in place, as far as the time matters: one that clients refuse waits for no date.
pub(super) fn standing(session: &Session<'_>, config: &TargetConfig, survey: &Survey) -> Look {
    let findings = survey::findings(survey, config, None, &[], &[], session.host.now());
    Look::of_judged(survey, &findings, false)
}

/// At no moment is it put in place at which it has ended, whoever insists.
fn never(config: &TargetConfig, bundle: &Bundle, at: &Moment) -> Refusal {
    let (leaf, ends) = (bundle.leaf(), assess::date(bundle.leaf().not_after()));
    Refusal::new(format!("{} is not staged for {} for {at}: it ends {ends}", leaf.title(), config.name))
        .hint("name an earlier moment")
}

fn objected(config: &TargetConfig, bundle: &Bundle, objections: &[String]) -> Refusal {
    let why = format!("{} is not staged for {}: {}", bundle.leaf().title(), config.name, objections.join("; "));
    Refusal::new(why).hint("bring a certificate without these faults, or insist with `--force`")
}

/// What stands in the places of a target.
pub(super) fn found(survey: &Survey) -> Vec<Found> {
    let of = |slot: &crate::change::Slot| {
        let all = survey.pairs.iter().flat_map(|pair| pair.pair.slots.iter().zip(&pair.looks));
        let image = all.filter(|(other, _)| other.path == slot.path).map(|(_, look)| &look.image).next();
        Found::of(slot.path.clone(), image.unwrap_or(&Image::Absent))
    };
    survey.slots().iter().map(of).collect()
}

/// That what is in place ends before what follows it.
fn too_late(survey: &Survey, at: Option<&Moment>) -> Option<String> {
    let (at, ends) = (at?, Look::of_survey(survey).ends?);
    (ends < at.at).then(|| {
        let ends = assess::date(ends);
        format!("the certificate in place ends {ends}, before that: `reseal maintain` does not wait longer than its last day")
    })
}
