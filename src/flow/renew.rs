//! `renew [NAME]...`: brings every target, or those named, to the wanted state. Nothing to do means no write and no reload.

mod insisted;
pub(super) mod misplaced;
mod newer;
pub(super) mod unchanged;
mod wanted;

use time::OffsetDateTime;

use self::unchanged::Same;
use super::change::{self, Intent};
use super::clients::Clients;
use super::csr::Carried;
use super::install::{holds, nothing, pairs_for};
use super::post_upgrade::compare;
use super::preview::{Plan, PlannedHook};
use super::survey::{self, Survey};
use super::{
    Refusal, Report, Session, acme, activate, asked, csr, fit, gone, guard, hooks, obtain, occasion, post_upgrade,
    restore,
};
use crate::assess::{Code, Finding};
use crate::cert::codec;
use crate::cert::installed::Leaf;
use crate::cert::{Bundle, Chain, Generate, Name, PrivateKey};
use crate::config::{AfterUpgrade, SourceConfig, TargetConfig};
use crate::engine::{self, ConfigTest};
use crate::host::state::State;
use crate::outcome::Outcome;
use crate::plan::{self, Decision, Means};

const VERB: &str = "renew";

/// Brings the targets of these names, or all, to the wanted state. One target's failure does not stop the others.
///
/// # Errors
/// A name that no target has.
pub fn run(session: &mut Session<'_>, names: &[String]) -> Result<Vec<Report>, Refusal> {
    let targets = session.targets(names)?;
    let state = State::open(session.host)?;
    let pending = match &state {
        Some(state) => engine::pending(state)?,
        None => Vec::new(),
    };
    // What was interrupted is ended first, so nothing is judged ahead of it.
    let quick = pending.is_empty() && !session.options.live;
    let proved = match &state {
        Some(state) if quick => unchanged::all(session.host, state, &targets, Same::Bytes),
        Some(_) | None => vec![false; targets.len()],
    };
    let mut reports = Vec::with_capacity(targets.len());
    for (config, proved) in targets.iter().zip(proved) {
        if session.host.interrupted().is_some() {
            break;
        }
        let mut report = if proved {
            Report::new(&config.name, nothing("the files are what was proved last, and good for now"))
        } else if let Err(outcome) = session.begin(VERB, &config.name) {
            Report::new(&config.name, outcome)
        } else {
            by_hand(session, config)
        };
        if session.options.force && matches!(report.outcome, Outcome::Nothing { .. }) {
            report.notes.push(insisted::another(session, config));
        }
        reports.push(report);
    }
    Ok(reports)
}

/// Whoever asks for it does not wait for a maintenance window, and is told of it.
fn by_hand(session: &mut Session<'_>, config: &TargetConfig) -> Report {
    let mut report = one(session, config, VERB, AfterUpgrade::Reinstate);
    if matches!(report.outcome, Outcome::Committed { .. }) {
        report.notes.extend(occasion::outside(session.host, config));
    }
    report
}

/// Whether a leaf that was committed would still pass every check: its own key, its dates with the margin, its names, and that
/// somebody else issued it.
pub(super) fn good(leaf: &Leaf, config: &TargetConfig, now: OffsetDateTime) -> bool {
    let margin = config.policy.renew_before.left_of(leaf.not_after - leaf.not_before);
    leaf.paired
        && named(leaf, config)
        && leaf.issuer != leaf.subject
        && now >= leaf.not_before
        && leaf.not_after - now >= margin
}

fn named(leaf: &Leaf, config: &TargetConfig) -> bool {
    let presented: Vec<Name> = leaf.names.iter().filter_map(|name| name.parse().ok()).collect();
    config.names.iter().all(|wanted| presented.iter().any(|name| name.covers(wanted)))
}

/// What is done about one target, as far as its owner wants it done.
pub(super) fn one(
    session: &mut Session<'_>,
    config: &TargetConfig,
    verb: &'static str,
    policy: AfterUpgrade,
) -> Report {
    let mut decided = decide(session, config, verb, policy);
    // Where something is to be done, the machine lock is taken before, and everything is looked at again: of two runs at the same time,
    // the second finds what the first has put in place, and does not undo it.
    let acts = match &decided {
        // A request that waits is only told of.
        Ok((Decision::Replace { .. }, _, _)) => !matches!(config.source, SourceConfig::Csr { .. }),
        Ok((Decision::Reinstate { .. } | Decision::Apply { .. }, _, _)) => true,
        Ok((Decision::Leave { .. } | Decision::Unable { .. }, _, _)) | Err(_) => false,
    };
    if acts && policy != AfterUpgrade::Report && !session.options.dry_run {
        if let Err(outcome) = session.engine_for(verb, &config.name) {
            return Report::new(&config.name, outcome);
        }
        decided = decide(session, config, verb, policy);
    }
    match decided {
        Ok((decision, findings, notes)) => {
            let mut report = match (policy, post_upgrade::later(session, config, (&decision, &findings), verb, policy))
            {
                (AfterUpgrade::Report, _) => told(config, &decision),
                (_, Err(refusal)) => Report::new(&config.name, refusal.outcome()),
                (_, Ok(Some(why))) => Report::new(&config.name, nothing(&why)),
                (_, Ok(None)) => act(session, config, &decision, &findings, verb),
            };
            report.findings.splice(0..0, findings);
            report.notes.splice(0..0, notes);
            report
        }
        Err(refusal) => Report::new(&config.name, refusal.outcome()),
    }
}

/// What is to be done, what was found, and what is worth a line.
pub(super) type Decided = (Decision, Vec<Finding>, Vec<String>);

pub(super) fn decide(
    session: &mut Session<'_>,
    config: &TargetConfig,
    verb: &'static str,
    policy: AfterUpgrade,
) -> Result<Decided, Refusal> {
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let state = State::open(session.host)?;
    let committed = survey::committed(state.as_ref(), &config.name)?;
    let manifest = committed.as_ref().map(|(_, manifest)| manifest);
    let served = asked::ask(session.host, &survey.questions(), config.policy.probe_timeout);
    let clients = Clients::new(session.host, &session.config.trust, &[]).or(&config.policy.trust)?;
    let findings = survey::findings(&survey, config, manifest, &served, &clients, session.host.now());
    let mut notes = Vec::new();
    let newer = newer::why(session, config, &survey, &findings, verb, &mut notes);
    let reinstate = committed
        .as_ref()
        .filter(|_| policy != AfterUpgrade::Renew)
        .and_then(|wanted| wanted::reinstatable(session, config, wanted, &findings));
    let worse = match (reinstate, &committed) {
        (Some(_), Some(committed)) => {
            let mut worse = wanted::worse(session, config, committed, &findings, &clients);
            // Between upgrades somebody may have put it there for a reason.
            if verb == post_upgrade::VERB {
                worse.extend(compare::worse(session, config, &survey)?);
                let dir = session.live_dir.join(&config.name);
                let strayed = survey::strayed(session.host, &survey, &committed.1, &dir)?;
                worse.extend(strayed.iter().map(survey::Strayed::told));
            }
            worse
        }
        (_, _) => Vec::new(),
    };
    let means =
        Means { reinstate, worse: &worse, source: config.source != SourceConfig::None, newer: newer.as_deref() };
    let decision = plan::decide(&findings, means);
    if findings.iter().any(|finding| finding.code == Code::Regression) && matches!(decision, Decision::Leave { .. }) {
        let what = if compare::replaced(session, config, &survey)? {
            "somebody else has replaced the committed certificate by another good one"
        } else {
            "the committed certificate stands in other files, or in another packing"
        };
        let name = &config.name;
        notes.push(format!(
            "{what}: it is left in place; `reseal snapshot {name}` makes it the wanted state, `reseal restore {name}` takes the committed one back"
        ));
    }
    Ok((decision, findings, notes))
}

/// What would be done, for an owner who wants to do it by hand.
fn told(config: &TargetConfig, decision: &Decision) -> Report {
    let name = &config.name;
    let why = match decision {
        Decision::Leave { why } => return Report::new(name, nothing(why)),
        Decision::Reinstate { generation, why } => {
            format!("{why}: `reseal restore {name} {generation}` puts the wanted certificate back")
        }
        Decision::Replace { why } => format!("{why}: `reseal renew {name}` gets another certificate"),
        Decision::Apply { why } => format!("{why}: `reseal renew {name}` has the service take it up"),
        Decision::Unable { why } => format!("{why}: `reseal install {name}` takes another certificate"),
    };
    Report::new(name, Outcome::Reported { why })
}

fn act(
    session: &mut Session<'_>,
    config: &TargetConfig,
    decision: &Decision,
    findings: &[Finding],
    verb: &'static str,
) -> Report {
    match decision {
        Decision::Leave { why } => Report::new(&config.name, nothing(why)),
        Decision::Reinstate { generation, why } => restore::reinstate(session, config, *generation, why, verb),
        Decision::Replace { why } => replace(session, config, (why, findings), verb),
        Decision::Apply { why } => apply(session, config, why, verb),
        Decision::Unable { why } => {
            if let Some(report) = activate::instead(session, config, (why, findings), verb) {
                return report;
            }
            if let Err(refusal) = guard::keystore(session, config) {
                return Report::new(&config.name, refusal.outcome());
            }
            let hint = format!(
                "give it a `[target.source]` in the configuration, or install a certificate by hand: `reseal install {} --cert FILE --key FILE`",
                config.name
            );
            let why = format!("{} needs another certificate ({why}), and no source is configured", config.name);
            Report::new(&config.name, Outcome::Refused { why, hint: Some(hint) })
        }
    }
}

/// Obtains what each pair needs, and installs it.
fn replace(
    session: &mut Session<'_>,
    config: &TargetConfig,
    (why, findings): (&str, &[Finding]),
    verb: &'static str,
) -> Report {
    if let Err(refusal) = guard::keystore(session, config) {
        return Report::new(&config.name, refusal.outcome());
    }
    if let SourceConfig::Csr { .. } = &config.source {
        return csr::ensure(session, config, why);
    }
    if let Err(refusal) = misplaced::refuse(session, config) {
        return Report::new(&config.name, refusal.outcome());
    }
    if let Some(report) = activate::instead(session, config, (why, findings), verb) {
        return report;
    }
    if let Some(planned) = expected(session, config, why) {
        return planned;
    }
    let intent = Intent { verb, why: why.to_owned(), repeats: None, config_test: ConfigTest::MustPass };
    let bundles = match change::foresee(session, config, &intent).and_then(|()| obtain_all(session, config, why)) {
        Ok(bundles) => bundles,
        Err(outcome) => return Report::new(&config.name, outcome),
    };
    let dropped = survey::survey(session.host, config, &session.live_dir)
        .ok()
        .and_then(|survey| fit::dropped(config, &survey, &bundles, session.host.now()));
    let build = |survey: &Survey, upcoming| {
        let mut placed: Vec<(usize, &Bundle)> = Vec::new();
        for bundle in &bundles {
            placed.extend(pairs_for(survey, bundle).into_iter().map(|index| (index, bundle)));
        }
        placed.retain(|(index, bundle)| !holds(survey, *index, bundle));
        Ok((!placed.is_empty()).then(|| change::of_bundles(config, survey, &placed, &intent, upcoming)))
    };
    let look = change::look(config);
    let mut report = change::carry_out(session, config, verb, &look, &build);
    report.notes.extend(dropped);
    received(session, config, &bundles, &mut report);
    report
}

/// What was obtained and is kept or in place is not asked for again.
pub(super) fn received(session: &mut Session<'_>, config: &TargetConfig, bundles: &[Bundle], report: &mut Report) {
    for bundle in bundles {
        match &config.source {
            SourceConfig::Acme(_) => acme::installed(session, config, &report.outcome, bundle.leaf().fingerprint()),
            SourceConfig::Command { .. } => {
                if let Err(refusal) = csr::installed(session, &config.name, &report.outcome, bundle) {
                    report.notes.push(format!("its request is answered and still listed: {}", refusal.why));
                }
            }
            SourceConfig::None
            | SourceConfig::LocalCa { .. }
            | SourceConfig::Csr { .. }
            | SourceConfig::Import { .. } => {}
        }
    }
}

/// The plan of a change whose certificate is only made when it is wanted in earnest: a dry run asks for no passphrase, and leaves no
/// trace in the CA's record. None where this is no dry run, or where the certificate is there to be read.
pub(super) fn expected(session: &mut Session<'_>, config: &TargetConfig, why: &str) -> Option<Report> {
    let what = match &config.source {
        _ if !session.options.dry_run => return None,
        SourceConfig::LocalCa { ca, days, key } => format!("{days} days, {key}, from the local CA {ca}"),
        SourceConfig::Acme(source) => format!("{}, by the ACME account {}", source.key, source.account),
        SourceConfig::Command { key, command, .. } => format!("{key}, brought by {command}"),
        SourceConfig::None | SourceConfig::Csr { .. } | SourceConfig::Import { .. } => return None,
    };
    let planned = to_be_issued(session, config, why, &what);
    Some(planned.unwrap_or_else(|refusal| Report::new(&config.name, refusal.outcome())))
}

fn to_be_issued(session: &mut Session<'_>, config: &TargetConfig, why: &str, what: &str) -> Result<Report, Refusal> {
    if let SourceConfig::LocalCa { ca, days, .. } = &config.source {
        super::ca::admit(session, ca, &config.names, *days)?;
        super::ca::try_file(session, ca)?;
    }
    if let SourceConfig::Acme(source) = &config.source {
        acme::admit(session, config, source)?;
    }
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    guard::any_bundle(session, config, &survey)?;
    gone::refuse(session.host, config, &survey, VERB)?;
    let upcoming = change::upcoming(session, config, &survey)?;
    let names = config.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let found = hooks::of(session, config, Some(&survey))?;
    let intent = Intent { verb: VERB, why: why.to_owned(), repeats: None, config_test: ConfigTest::MustPass };
    if let Err(outcome) = engine::programs(&change::bare(config, &survey, found.hooks.clone(), &intent)) {
        return Ok(Report::new(&config.name, outcome));
    }
    let mut report = Report::new(&config.name, Outcome::Planned);
    let mut plan = Plan::to_be_obtained(&survey, why, upcoming);
    plan.hooks = PlannedHook::all(found.hooks.all());
    report.plan = Some(plan);
    report.findings = found.findings;
    report.notes.push(format!("the certificate is issued when this is run: for {names}, {what}"));
    report.notes.extend(fit::dropped(config, &survey, &[], session.host.now()));
    Ok(report)
}

/// A bundle for each kind of key that is wanted; or how the run ends without.
pub(super) fn obtain_all(session: &mut Session<'_>, config: &TargetConfig, why: &str) -> Result<Vec<Bundle>, Outcome> {
    let survey = survey::survey(session.host, config, &session.live_dir).map_err(Refusal::outcome)?;
    let keep_key = session.options.keep_key || config.policy.keep_key;
    let mut bundles: Vec<Bundle> = Vec::new();
    for pair in &survey.pairs {
        // A server with one pair, or several pairs that only differ in their files, gets one bundle.
        if !bundles.is_empty() && pair.pair.family.is_none() {
            continue;
        }
        let kind = pair
            .pair
            .family
            .and(pair.installed.chain.as_ref())
            .and_then(|chain| Generate::like(chain.leaf().key_kind()));
        // Whoever has it could go on with it under the next certificate.
        let keep_key = keep_key && !pair.revoked.as_ref().is_some_and(|revoked| revoked.key_lost);
        let keep = if keep_key { key_in_place(pair) } else { None };
        let leaf = pair.installed.chain.as_ref().map(Chain::leaf);
        let bundle = match &config.source {
            SourceConfig::Command { command, .. } => {
                match csr::carry(session, config, command, kind, why).map_err(Refusal::outcome)? {
                    Carried::Answer(bundle) => *bundle,
                    Carried::Later(outcome) => return Err(*outcome),
                }
            }
            SourceConfig::None
            | SourceConfig::LocalCa { .. }
            | SourceConfig::Acme(_)
            | SourceConfig::Csr { .. }
            | SourceConfig::Import { .. } => {
                obtain::from_source(session, config, (kind, keep), &survey, leaf).map_err(Refusal::outcome)?
            }
        };
        fit::acceptable(session, &bundle, config, session.host.now()).map_err(Refusal::outcome)?;
        fit::no_loss(session, config, pair, &bundle).map_err(Refusal::outcome)?;
        bundles.push(bundle);
    }
    Ok(bundles)
}

pub(super) fn key_in_place(pair: &survey::PairState) -> Option<PrivateKey> {
    let slots = pair.pair.slots.iter().zip(&pair.looks);
    let contents = slots.filter(|(slot, _)| slot.role.holds_key()).filter_map(|(_, look)| look.content.as_ref());
    contents.filter_map(|content| codec::read(content.expose(), None).ok()).flat_map(|found| found.keys).next()
}

/// The files are right, and the service has not taken them up.
fn apply(session: &mut Session<'_>, config: &TargetConfig, why: &str, verb: &'static str) -> Report {
    let intent = Intent { verb, why: why.to_owned(), repeats: None, config_test: ConfigTest::MustPass };
    let build = |survey: &Survey, _| {
        let leaf = survey.pairs.first().and_then(|pair| pair.installed.leaf());
        let leaf_at = |index| change::present_leaf(survey, index);
        Ok(Some(change::change(config, survey, Vec::new(), leaf, &leaf_at, &intent)))
    };
    let look = change::look(config);
    change::carry_out(session, config, verb, &look, &build)
}
