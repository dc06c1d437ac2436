//! From what a target looks like and what it shall hold to the change the engine makes, or the plan a dry run shows.

use std::path::PathBuf;

use super::hooks;
use super::preview::Plan;
use super::survey::{self, PairState, Survey};
use super::{Refusal, Report, Session, gone, guard};
use crate::cert::installed::{KeyFound, Leaf};
use crate::cert::{Bundle, KeyKind};
use crate::change::{Hooks, Image, Probe, Role, Shown, Slot, Step};
use crate::config::TargetConfig;
use crate::digest::Digest;
use crate::engine::{self, Change, ConfigTest, Demands, Limits, Upcoming};
use crate::event::Ear;
use crate::host::Host;
use crate::host::state::State;
use crate::host::together;
use crate::outcome::Outcome;
use crate::sensitive::Sensitive;
use crate::target::layout::{self, Piece, Place};

/// What is asked for, apart from what it shall hold.
#[derive(Clone)]
pub(super) struct Intent {
    /// The verb.
    pub verb: &'static str,
    /// Why, in a few words.
    pub why: String,
    /// The generation it repeats.
    pub repeats: Option<u32>,
    /// What a failing configuration test means.
    pub config_test: ConfigTest,
}

/// Makes the change that puts a bundle into the pairs at these positions of a survey.
pub(super) fn of_bundles(
    config: &TargetConfig,
    survey: &Survey,
    bundles: &[(usize, &Bundle)],
    intent: &Intent,
    upcoming: Upcoming,
) -> Change {
    let mut pieces: Vec<(Piece, Place)> = Vec::new();
    for (index, bundle) in bundles {
        let pair = &survey.pairs[*index];
        for ((slot, place), look) in pair.pair.slots.iter().zip(&pair.places).zip(&pair.looks) {
            let new = !pieces.iter().any(|(piece, _)| piece.slot.path == slot.path);
            if new && !(key_stays(pair, bundle, slot) && matches!(place, Place::InPlace { .. })) {
                pieces.push((piece(slot, bundle, &look.image, place), place.clone()));
            }
        }
    }
    complete_switch(&mut pieces, survey);
    let leaf_at = |index: usize| {
        let fresh = bundles.iter().find(|(at, _)| *at == index).map(|(_, bundle)| bundle.leaf().fingerprint());
        fresh.or_else(|| survey.pairs[index].installed.chain.as_ref().map(|chain| chain.leaf().fingerprint()))
    };
    let leaf = bundles.first().map(|(_, bundle)| Leaf::of(bundle.leaf(), true));
    change(config, survey, layout::install(pieces, &survey.unmade, upcoming.generation), leaf, &leaf_at, intent)
}

/// One switch replaces every adopted file: those that stay as they are go along to the new directory.
pub(super) fn complete_switch(pieces: &mut Vec<(Piece, Place)>, survey: &Survey) {
    if !pieces.iter().any(|(_, place)| matches!(place, Place::Adopted { .. })) {
        return;
    }
    for kept in present(survey) {
        let place = survey.pairs.iter().find_map(|pair| {
            let at = pair.pair.slots.iter().position(|slot| slot.path == kept.slot.path)?;
            Some(&pair.places[at])
        });
        let missing = !pieces.iter().any(|(piece, _)| piece.slot.path == kept.slot.path);
        if let Some(place @ Place::Adopted { .. }) = place.filter(|_| missing) {
            pieces.push((kept, place.clone()));
        }
    }
}

/// The file with the key is left alone when the key stays: then one rename replaces the certificate, and a service that reads
/// both at every handshake never sees two that do not match.
fn key_stays(pair: &PairState, bundle: &Bundle, slot: &Slot) -> bool {
    let same_key = pair.installed.key == KeyFound::Matches
        && pair.installed.chain.as_ref().is_some_and(|chain| chain.leaf().spki_digest() == bundle.leaf().spki_digest());
    same_key && slot.role == Role::Key
}

fn piece(slot: &Slot, bundle: &Bundle, image: &Image, place: &Place) -> Piece {
    // In place, the engine copies from the open old file. In a new directory there is no old file to copy from.
    let attributes = match (place, image) {
        (Place::Adopted { .. }, Image::File { attributes, .. }) => Some(attributes.clone()),
        (Place::Adopted { .. } | Place::InPlace { .. }, _) => None,
    };
    Piece { slot: slot.clone(), content: bundle.content(slot.role), attributes }
}

/// Makes the change with these steps; `leaf_at` is the leaf each pair shall show.
pub(super) fn change(
    config: &TargetConfig,
    survey: &Survey,
    steps: Vec<Step>,
    leaf: Option<Leaf>,
    leaf_at: &dyn Fn(usize) -> Option<Digest>,
    intent: &Intent,
) -> Change {
    let mut probes: Vec<(Probe, Option<Digest>)> = Vec::new();
    for (index, pair) in survey.pairs.iter().enumerate() {
        for probe in &pair.pair.probes {
            if !probes.iter().any(|(known, _)| known == probe) {
                let wanted = matches!(probe, Probe::Tls { .. }).then(|| leaf_at(index)).flatten();
                probes.push((probe.clone(), wanted));
            }
        }
    }
    let retire = retired(&steps, survey);
    Change {
        retire,
        target: config.name.clone(),
        verb: intent.verb,
        why: intent.why.clone(),
        repeats: intent.repeats,
        slots: survey.slots(),
        steps,
        apply: survey.site.apply.clone(),
        hooks: Hooks::default(),
        probes,
        leaf,
        pairs: survey.turned(leaf_at),
        limits: limits(config),
        demands: demands(config, survey, intent.config_test),
    }
}

/// The directories of an adopted target that are two switches old: the one before the present may still be read by somebody who
/// has just followed the link. Once a target is given back, all of them.
fn retired(steps: &[Step], survey: &Survey) -> Vec<PathBuf> {
    let Some(adopted) = &survey.adopted else { return Vec::new() };
    let switched = steps.iter().any(|step| step.path() == adopted.dir.join(layout::CURRENT));
    let generation = |number: &u32| adopted.dir.join(format!("g{number}"));
    if switched {
        let old = adopted.generations.iter().filter(|number| Some(**number) != adopted.current);
        return old.map(generation).collect();
    }
    let given_back = survey.adopted() && steps.iter().any(|step| matches!(step, Step::PutFile { .. }));
    if !given_back {
        return Vec::new();
    }
    let mut all = vec![adopted.dir.join(layout::CURRENT)];
    all.extend(adopted.generations.iter().map(generation));
    all.push(adopted.dir.clone());
    all
}

fn limits(config: &TargetConfig) -> Limits {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let policy = &config.policy;
    Limits { verify: millis(policy.verify_timeout), settle: millis(policy.settle), probe: millis(policy.probe_timeout) }
}

fn demands(config: &TargetConfig, survey: &Survey, config_test: ConfigTest) -> Demands {
    // A pair that is broken now, or is not written as servers read it, is what makes the service's own test fail; the change mends it.
    let broken = survey.pairs.iter().any(|pair| !pair.installed.is_loadable());
    let config_test =
        if broken && config_test == ConfigTest::MustPass { ConfigTest::MustPassAfter } else { config_test };
    Demands {
        min_free: config.policy.min_free,
        must_not_run: config.policy.must_not_run.clone(),
        trusted_owner: survey.owner,
        config_test,
        nothing_beside: false,
        lost: survey.lost(),
        made_from: Vec::new(),
    }
}

/// What a change is made of, asked for twice: for the plan, and again under the lock, since a lot can happen in between.
pub(super) type Build<'b> = dyn Fn(&Survey, Upcoming) -> Result<Option<Change>, Refusal> + 'b;

/// Takes the lock, recovers, looks again, and makes the change; or shows the plan and stops.
///
/// `look` surveys the target; `build` answers `None` when nothing is left to do.
pub(super) fn carry_out(
    session: &mut Session<'_>,
    config: &TargetConfig,
    verb: &'static str,
    look: &dyn Fn(&Session<'_>) -> Result<Survey, Refusal>,
    build: &Build<'_>,
) -> Report {
    match attempt(session, config, verb, look, build) {
        Ok(report) => report,
        Err(refusal) => Report::new(&config.name, refusal.outcome()),
    }
}

fn attempt(
    session: &mut Session<'_>,
    config: &TargetConfig,
    verb: &'static str,
    look: &dyn Fn(&Session<'_>) -> Result<Survey, Refusal>,
    build: &Build<'_>,
) -> Result<Report, Refusal> {
    if session.options.dry_run {
        let survey = look(session)?;
        guard::places(session, config, &survey, verb)?;
        let upcoming = upcoming(session, config, &survey)?;
        let Some(mut change) = build(&survey, upcoming)? else { return Ok(Report::new(&config.name, nothing())) };
        guard::change(session, config, &survey, &change)?;
        ask_by_its_key(session.host, config, &mut change);
        let split = split(session.host, &change);
        let found = hooks::of(session, config, Some(&survey))?;
        change.hooks = found.hooks;
        if let Err(outcome) = engine::programs(&change) {
            return Ok(Report::new(&config.name, outcome));
        }
        let mut report = report(config, &survey, &change, upcoming, Outcome::Planned);
        report.findings = found.findings;
        report.notes.extend(split);
        return Ok(report);
    }
    if let Err(outcome) = session.engine_for(verb, &config.name) {
        return Ok(Report::new(&config.name, outcome));
    }
    let survey = look(session)?;
    guard::places(session, config, &survey, verb)?;
    let Some(engine) = session.engine.as_ref() else { return Err(Refusal::new("the engine was not opened")) };
    let upcoming = engine.upcoming(&config.name, &survey.slots(), (survey.owner, &survey.lost()))?;
    let Some(mut change) = build(&survey, upcoming)? else { return Ok(Report::new(&config.name, nothing())) };
    guard::change(session, config, &survey, &change)?;
    ask_by_its_key(session.host, config, &mut change);
    let found = hooks::of(session, config, Some(&survey))?;
    change.hooks = found.hooks;
    let split = split(session.host, &change);
    let mut ear = Ear::on(session.listener);
    let outcome = engine.run(&change, &mut ear);
    let mut report = Report { hooks_failed: ear.failed(), ..report(config, &survey, &change, upcoming, outcome) };
    report.findings = found.findings;
    report.notes.extend(split);
    Ok(report)
}

/// The files of which the change replaces one name of several: a rename leaves the others to the old bytes.
fn split(host: &Host, change: &Change) -> Vec<String> {
    let files = change.steps.iter().filter_map(|step| match step {
        Step::PutFile { path, .. } => Some(path),
        Step::MakeDir { .. } | Step::PutLink { .. } | Step::RemoveFile { .. } => None,
    });
    let told = |path: &PathBuf| {
        let others = host.names_of(path).saturating_sub(1);
        let what = match others {
            0 => return None,
            1 => "another name of this file keeps".to_owned(),
            several => format!("{several} other names of this file keep"),
        };
        Some(format!("{}: {what} what was there (hard links): only this one is replaced", path.display()))
    };
    files.filter_map(told).collect()
}

/// Where a server shows another leaf than it shall, and has one of the new leaf's kind of key besides, the proof is asked for by that kind:
/// a server with two pairs shows a client the one that it prefers.
fn ask_by_its_key(host: &Host, config: &TargetConfig, change: &mut Change) {
    let Some((leaf, family)) =
        change.leaf.as_ref().and_then(|leaf| Some((leaf.fingerprint, KeyKind::family_of(&leaf.key)?)))
    else {
        return;
    };
    let look = |probe: &Probe| {
        let sight = host.look_by(probe, host.within(config.policy.probe_timeout));
        match sight.shown {
            Shown::Leaf { fingerprint, .. } => Some((fingerprint, sight.family())),
            Shown::Well | Shown::Nobody { .. } | Shown::Failing { .. } => None,
        }
    };
    let by_key = |(probe, wanted): &(Probe, Option<Digest>)| {
        let by_key = probe.of_family(family).filter(|_| *wanted == Some(leaf))?;
        let (usual, kind) = look(probe).filter(|(usual, _)| *usual != leaf)?;
        let (other, _) = look(&by_key).filter(|_| kind.is_some_and(|kind| kind != family))?;
        (other != usual).then_some(by_key)
    };
    let found = together::each(&change.probes, by_key);
    for ((probe, _), by_key) in change.probes.iter_mut().zip(found) {
        if let Some(by_key) = by_key.flatten() {
            *probe = by_key;
        }
    }
}

/// What a change with this intent would be refused for, whatever it puts in place: asked before a certificate is made or ordered for it.
/// A refusal is recorded as that of the change.
pub(super) fn foresee(session: &mut Session<'_>, config: &TargetConfig, intent: &Intent) -> Result<(), Outcome> {
    let survey = survey::survey(session.host, config, &session.live_dir).map_err(Refusal::outcome)?;
    guard::any_bundle(session, config, &survey).map_err(Refusal::outcome)?;
    gone::refuse(session.host, config, &survey, intent.verb).map_err(Refusal::outcome)?;
    let hooks = hooks::of(session, config, Some(&survey)).map_err(Refusal::outcome)?.hooks;
    match session.engine.as_ref() {
        Some(engine) => engine.foresee(&bare(config, &survey, hooks, intent), session.listener),
        None => Ok(()),
    }
}

/// A change of which is not known yet what it puts in place.
pub(super) fn bare(config: &TargetConfig, survey: &Survey, hooks: Hooks, intent: &Intent) -> Change {
    Change { hooks, ..change(config, survey, Vec::new(), None, &|_| None, intent) }
}

/// The numbers a change would take, without the lock.
pub(super) fn upcoming(session: &Session<'_>, config: &TargetConfig, survey: &Survey) -> Result<Upcoming, Refusal> {
    Ok(match State::open(session.host)? {
        Some(state) => {
            engine::upcoming(session.host, &state, &config.name, &survey.slots(), (survey.owner, &survey.lost()))?
        }
        None => Upcoming { backup: 1, backup_is_new: true, generation: 2 },
    })
}

fn nothing() -> Outcome {
    Outcome::Nothing { why: "the wanted certificate is already in place".to_owned() }
}

fn report(config: &TargetConfig, survey: &Survey, change: &Change, upcoming: Upcoming, outcome: Outcome) -> Report {
    let mut report = Report::new(&config.name, outcome);
    report.plan = Some(Plan::of(survey, change, upcoming));
    report.notes.clone_from(&survey.site.notes);
    if survey.site.reads_per_handshake && !survey.adopted() {
        report.notes.push(
            "this service reads the files at every handshake: a handshake in the moment between two renames may fail; `--keep-key` avoids it"
                .to_owned(),
        );
    }
    report
}

/// Every slot of a survey with its present bytes and attributes, each path once: for a change of layout alone.
pub(super) fn present(survey: &Survey) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for pair in &survey.pairs {
        for (slot, look) in pair.pair.slots.iter().zip(&pair.looks) {
            let (Some(content), Image::File { attributes, .. }) = (&look.content, &look.image) else { continue };
            if !pieces.iter().any(|piece| piece.slot.path == slot.path) {
                let content = Sensitive::from(content.expose().to_vec());
                pieces.push(Piece { slot: slot.clone(), content, attributes: Some(attributes.clone()) });
            }
        }
    }
    pieces
}

/// The leaf each pair holds now.
pub(super) fn present_leaf(survey: &Survey, index: usize) -> Option<Digest> {
    survey.pairs.get(index)?.installed.chain.as_ref().map(|chain| chain.leaf().fingerprint())
}

/// The plain survey of a configured target.
pub(super) fn look(config: &TargetConfig) -> impl Fn(&Session<'_>) -> Result<Survey, Refusal> + '_ {
    |session| survey::survey(session.host, config, &session.live_dir)
}
