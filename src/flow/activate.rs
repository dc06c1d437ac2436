//! `activate [NAME]...`: puts in place what was staged. It is the ordinary transaction; everything is looked at again first, for time has
//! passed.

use time::OffsetDateTime;

use super::change::{self, Intent};
use super::fit::{faults, objections, outlook, untimely};
use super::install::{holds, no_pair, nothing, pairs_for};
use super::occasion::Look;
use super::stage::{self, staged};
use super::survey::{self, Survey};
use super::{Refusal, Report, Session, occasion, renew, restore};
use crate::assess::Finding;
use crate::cert::Bundle;
use crate::config::{SourceConfig, TargetConfig};
use crate::engine::{ConfigTest, Next};
use crate::moment::Moment;
use crate::outcome::Outcome;

const VERB: &str = "activate";

/// Puts in place what is staged for the targets of these names, or for all for which something is; or, with a moment, sets that moment.
/// One target's failure does not stop the others.
///
/// # Errors
/// A name that no target has.
pub fn run(session: &mut Session<'_>, names: &[String], at: Option<&Moment>) -> Result<Vec<Report>, Refusal> {
    let mut reports = Vec::new();
    for config in session.targets(names)? {
        if session.host.interrupted().is_some() {
            break;
        }
        let report = match (staged(session, &config.name), at) {
            (Ok(None), _) if names.is_empty() => continue,
            (Ok(None), _) => Report::new(&config.name, nothing_staged(config).outcome()),
            (Ok(Some(_)), Some(at)) => match put_off(session, config, Some(at.clone())) {
                Ok(report) => report,
                Err(refusal) => Report::new(&config.name, refusal.outcome()),
            },
            (Ok(Some(_)), None) => {
                let mut report = one(session, config, VERB, "asked for");
                report.notes.extend(occasion::outside(session.host, config));
                report
            }
            (Err(refusal), _) => Report::new(&config.name, refusal.outcome()),
        };
        reports.push(report);
    }
    Ok(reports)
}

fn nothing_staged(config: &TargetConfig) -> Refusal {
    Refusal::new(format!("nothing is staged for {}", config.name))
        .hint(format!("{} checks and keeps what comes next", stage::typed(config)))
}

/// Puts in place what is staged for one target.
pub(super) fn one(session: &mut Session<'_>, config: &TargetConfig, verb: &'static str, why: &str) -> Report {
    let activated = activated(session, config, verb, why, true);
    activated.unwrap_or_else(|outcome| Report::new(&config.name, outcome))
}

/// Instead of another order, where something is staged that is still good. `None` where nothing is. What was found of the files says
/// whether it waits for its moment.
pub(super) fn instead(
    session: &mut Session<'_>,
    config: &TargetConfig,
    (why, findings): (&str, &[Finding]),
    verb: &'static str,
) -> Option<Report> {
    // Files that somebody keeps fresh may hold a later one, which costs nothing.
    if matches!(config.source, SourceConfig::Import { .. }) {
        return None;
    }
    // What stands there has to go, whoever has put it there since.
    let next = usable(session, config, false).ok()?.next;
    let Some(at) = next.at.filter(|at| session.host.now() < at.at) else {
        let activated = activated(session, config, verb, why, false);
        return Some(activated.unwrap_or_else(|outcome| Report::new(&config.name, outcome)));
    };
    let survey = survey::survey(session.host, config, &session.live_dir).ok()?;
    let pressing = Look::of_judged(&survey, findings, true).pressing(session.host.now());
    if pressing.is_none() && !session.options.force {
        return Some(stays(session, config, why, &format!("generation {} is staged for {at}", next.generation)));
    }
    let activated = activated(session, config, verb, why, false);
    let mut report = activated.unwrap_or_else(|outcome| Report::new(&config.name, outcome));
    let because = pressing.map(|because| format!(", for {because}")).unwrap_or_default();
    report.notes.push(format!("it was staged for {at}: `{verb}` does not wait for that{because}"));
    Some(report)
}

/// That what is staged stays so until its moment; or that it would not be put in place then either.
fn stays(session: &Session<'_>, config: &TargetConfig, why: &str, staged: &str) -> Report {
    match usable(session, config, true) {
        Ok(_) => {
            let mut report = Report::new(&config.name, nothing(&format!("{why}; {staged}, and stays so until then")));
            report.notes.push(format!("`reseal activate {}` puts it in place now", config.name));
            report
        }
        Err(refusal) => {
            let mut report = Report::new(&config.name, Outcome::Reported { why: refusal.why });
            report.notes.extend(refusal.hint);
            report
        }
    }
}

/// Whether what is staged is good, and nothing but a file that somebody has changed since speaks against it. Who named its moment knew
/// nothing of what stands there now.
pub(super) fn overtaken(session: &Session<'_>, config: &TargetConfig) -> bool {
    usable(session, config, false).is_ok() && usable(session, config, true).is_err()
}

/// Sets the moment before which what is staged is not put in place; none: by the target's policy.
pub(super) fn put_off(session: &mut Session<'_>, config: &TargetConfig, at: Option<Moment>) -> Result<Report, Refusal> {
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let before = staged(session, &config.name)?.ok_or_else(|| nothing_staged(config))?;
    if let Some(at) = &at {
        Usable::read(session, config, before.clone(), &survey)?.good_at(config, at, session.options.force)?;
    }
    let later = Next { at: at.clone(), ..before.clone() };
    let written = later != before && !session.options.dry_run;
    if written {
        if let Err(outcome) = session.engine_for(VERB, &config.name) {
            return Ok(Report::new(&config.name, outcome));
        }
        let put_off = session.engine.as_ref().map(|engine| engine.put_off(&config.name, at)).transpose()?;
        if put_off.flatten().is_none() {
            return Err(nothing_staged(config));
        }
    }
    let outcome = stage::told(session, config, &later, &survey, written);
    Ok(Report::new(&config.name, outcome))
}

/// What is staged, read and held against everything that may have changed meanwhile.
pub(super) struct Usable {
    /// What is remembered of it.
    pub next: Next,
    bundles: Vec<Bundle>,
}

/// Reads what is staged, and refuses it where it would not be good now. With `guarded` also where something else stands in the places
/// than when it was staged.
pub(super) fn usable(session: &Session<'_>, config: &TargetConfig, guarded: bool) -> Result<Usable, Refusal> {
    let next = staged(session, &config.name)?.ok_or_else(|| nothing_staged(config))?;
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let usable = Usable::read(session, config, next, &survey)?;
    if !session.options.force {
        usable.still_good(session, config, session.host.now())?;
        if guarded {
            usable.undisturbed(config, &survey)?;
        }
    }
    Ok(usable)
}

impl Usable {
    /// Reads the pairs of what is staged.
    fn read(session: &Session<'_>, config: &TargetConfig, next: Next, survey: &Survey) -> Result<Self, Refusal> {
        let (manifest, contents) = restore::load(session, config, next.generation)?;
        let mut bundles = restore::bundles_of(&manifest, &contents)?;
        // A generation holds every pair of the target: one that was not to be changed is not judged.
        bundles.retain(|bundle| {
            let at = pairs_for(survey, bundle);
            at.is_empty() || at.iter().any(|index| !holds(survey, *index, bundle))
        });
        Ok(Self { next, bundles })
    }

    /// Refuses a moment at which one of the certificates is not valid; one at which it has ended is refused to whoever insists, too.
    fn good_at(&self, config: &TargetConfig, at: &Moment, force: bool) -> Result<(), Refusal> {
        let leaves = self.bundles.iter().map(Bundle::leaf).filter(|leaf| !force || leaf.not_after() < at.at);
        let found: Vec<String> = leaves.flat_map(|leaf| untimely(leaf, at.at)).collect();
        if found.is_empty() {
            return Ok(());
        }
        let (generation, target) = (self.next.generation, &config.name);
        let why = found.join("; ");
        Err(Refusal::new(format!("generation {generation}, which is staged for {target}, is not good at {at}: {why}"))
            .hint(format!(
                "name another moment; or `reseal stage {target} --drop`, then {} with one that is good then",
                stage::typed(config)
            )))
    }

    fn refuse(&self, config: &TargetConfig, why: &str) -> Refusal {
        Refusal::new(format!(
            "generation {}, which is staged for {}, is not activated: {why}",
            self.next.generation, config.name
        ))
        .hint(format!(
            "`reseal stage {} --drop`, then {} with another; `--force` takes this one all the same",
            config.name,
            stage::typed(config)
        ))
    }

    /// Whether dates, names, clients and product still have nothing against it; what was insisted on counts as nothing.
    fn still_good(&self, session: &Session<'_>, config: &TargetConfig, now: OffsetDateTime) -> Result<(), Refusal> {
        for bundle in &self.bundles {
            let mut found = untimely(bundle.leaf(), now);
            let outlook = outlook(session, config, bundle, now)?;
            for one in faults(bundle, config, &outlook).into_iter().chain(objections(config, &outlook)) {
                if !self.next.insisted.contains(&one) && !found.contains(&one) {
                    found.push(one);
                }
            }
            if !found.is_empty() {
                return Err(self.refuse(config, &found.join("; ")));
            }
        }
        Ok(())
    }

    /// Whether the places of the target are those of then, with the same in them.
    fn undisturbed(&self, config: &TargetConfig, survey: &Survey) -> Result<(), Refusal> {
        let now = stage::found(survey);
        if self.next.was_found(&now) {
            return Ok(());
        }
        let moved = now.iter().find(|one| !self.next.found.iter().any(|old| old.path == one.path));
        let why = match moved {
            Some(one) => format!("the service reads {} now, and did not then", one.path.display()),
            None => {
                let changed = self.next.found.iter().find(|old| !now.contains(old));
                let path = changed.map(|old| old.path.display().to_string()).unwrap_or_default();
                format!("{path} is not what it was when it was staged, on {}", crate::assess::date(self.next.staged))
            }
        };
        Err(self.refuse(config, &why))
    }
}

fn activated(
    session: &mut Session<'_>,
    config: &TargetConfig,
    verb: &'static str,
    why: &str,
    guarded: bool,
) -> Result<Report, Outcome> {
    session.begin(verb, &config.name)?;
    if !session.options.dry_run {
        session.engine_for(verb, &config.name)?;
    }
    let usable = usable(session, config, guarded).map_err(Refusal::outcome)?;
    let generation = usable.next.generation;
    let intent = Intent {
        verb,
        why: format!("activate generation {generation}: {why}"),
        repeats: Some(generation),
        config_test: ConfigTest::MustPass,
    };
    let force = session.options.force;
    let build = |survey: &Survey, upcoming| {
        if guarded && !force {
            usable.undisturbed(config, survey)?;
        }
        if let Some(stray) = usable.bundles.iter().find(|bundle| pairs_for(survey, bundle).is_empty()) {
            return Err(no_pair(survey, stray));
        }
        let fit = |bundle| pairs_for(survey, bundle).into_iter().map(move |index| (index, bundle));
        let mut placed: Vec<(usize, &Bundle)> = usable.bundles.iter().flat_map(fit).collect();
        placed.retain(|(index, bundle)| !holds(survey, *index, bundle));
        Ok((!placed.is_empty()).then(|| change::of_bundles(config, survey, &placed, &intent, upcoming)))
    };
    let look = change::look(config);
    let mut report = change::carry_out(session, config, verb, &look, &build);
    match &report.outcome {
        // It is in place already: somebody else has put it there.
        Outcome::Nothing { .. } => {
            let dropped = session.engine.as_ref().map(|engine| engine.drop_next(&config.name)).transpose();
            dropped.map_err(|error| Refusal::from(error).outcome())?;
        }
        Outcome::Refused { .. } | Outcome::RolledBack { .. } => {
            report.notes.push(format!("generation {generation} stays staged: nothing has to be ordered again"));
        }
        Outcome::Planned
        | Outcome::Committed { .. }
        | Outcome::Recovered { .. }
        | Outcome::Remembered { .. }
        | Outcome::Staged { .. }
        | Outcome::Dropped { .. }
        | Outcome::Reported { .. }
        | Outcome::Pruned { .. }
        | Outcome::Retired { .. }
        | Outcome::Stuck { .. }
        | Outcome::Waiting { .. }
        | Outcome::Busy { .. } => {}
    }
    renew::received(session, config, &usable.bundles, &mut report);
    Ok(report)
}
