//! `restore NAME [N]`: puts an earlier generation back, guarded like an install.
//!
//! It works from the backup alone where it has to: a server whose own configuration is broken is when a restore is needed.

use time::OffsetDateTime;

use super::beside::Beside;
use super::change::{self, Intent};
use super::install::{holds, pairs_for};
use super::survey::{self, PairState, Survey};
use super::withdrawn::Known;
use super::{Refusal, Report, Session, fit};
use crate::assess::date;
use crate::cert::Bundle;
use crate::cert::installed::{self, Leaf};
use crate::change::{Image, Role, Slot, Step};
use crate::config::TargetConfig;
use crate::engine::vault::{Manifest, Origin, Saved, Vault, VaultError};
use crate::engine::{Change, ConfigTest, Ledger, Upcoming};
use crate::host::state::State;
use crate::outcome::{End, Outcome};
use crate::sensitive::Sensitive;
use crate::source::import::{self, Part};
use crate::target::layout::{self, Piece};
use crate::target::{Pair, Site};

pub(super) const VERB: &str = "restore";

/// Puts generation `wanted` back, or the newest good one that is not in place.
pub fn run(session: &mut Session<'_>, name: &str, wanted: Option<u32>) -> Report {
    if let Some(one) = Beside::of_target(name) {
        return one.restore(session, wanted);
    }
    if let Err(outcome) = session.begin(VERB, name) {
        return Report::new(name, outcome);
    }
    let chosen = session.target(name).and_then(|config| {
        let generation = choose(session, config, wanted)?;
        Ok((config, generation))
    });
    match chosen {
        Ok((config, generation)) => put_back(session, config, generation, "asked for", VERB),
        Err(refusal) => Report::new(name, refusal.outcome()),
    }
}

fn choose(session: &Session<'_>, config: &TargetConfig, wanted: Option<u32>) -> Result<u32, Refusal> {
    let none = || {
        Refusal::new(format!("no generation of {} is kept", config.name))
            .hint("the first one is kept when reseal first changes the target")
    };
    let Some(state) = State::open(session.host)? else { return Err(none()) };
    let Some(vault) = Vault::open(&state, &config.name)? else { return Err(none()) };
    if let Some(generation) = wanted {
        let manifest = vault.manifest(generation)?;
        if !session.options.force {
            let now = session.host.now();
            let revoked = || Known::read(session.host).among(&vault.contents(&manifest).ok()?);
            let revoked = || revoked().map(|revoked| revoked.why);
            if let Some(why) = objection(manifest.leaf.as_ref(), now).or_else(revoked) {
                return Err(Refusal::new(format!("generation {generation} of {} is not restored: {why}", config.name))
                    .hint("choose another one from `reseal backups`, or insist with `--force`"));
            }
        }
        return Ok(generation);
    }
    newest_good(session, config, &state, &vault)
}

/// The generation that was committed last, else the newest that is whole, loadable, good today and was in use before, and is not what stands
/// there now. What was merely found there and signed itself comes last: it is what an upgrade has left. What is worse than what stands there is not
/// chosen: it has to be named.
fn newest_good(session: &Session<'_>, config: &TargetConfig, state: &State, vault: &Vault) -> Result<u32, Refusal> {
    let failed: Vec<u32> = Ledger::read(state)?
        .receipts
        .iter()
        .filter(|receipt| receipt.target == config.name && matches!(receipt.end, End::RolledBack { .. }))
        .map(|receipt| receipt.generation)
        .collect();
    let current = vault.current()?;
    let withdrawn = Known::read(session.host);
    let mut all: Vec<(u32, Manifest)> = Vec::new();
    for generation in vault.numbers()?.into_iter().rev() {
        all.extend(vault.manifest(generation).ok().map(|manifest| (generation, manifest)));
    }
    let left_there = |manifest: &Manifest| {
        manifest.origin == Origin::Found && manifest.leaf.as_ref().is_some_and(|leaf| leaf.subject == leaf.issuer)
    };
    all.sort_by_key(|(generation, manifest)| (Some(*generation) != current, left_there(manifest)));
    let mut worse = None;
    for (generation, manifest) in all {
        let survey = from_manifest(session, config, &manifest)?;
        let failed = failed.contains(&generation) || manifest.was_staged();
        let in_use = manifest.origin == Origin::Found || !failed;
        let images: Vec<&Image> = survey.pairs[0].looks.iter().map(|look| &look.image).collect();
        let there_now = survey::same_as(&manifest, &survey.pairs[0].pair.slots, &images);
        let good = objection(manifest.leaf.as_ref(), session.host.now()).is_none();
        if !in_use || !good || there_now {
            continue;
        }
        let Some(contents) = vault.contents(&manifest).ok().filter(|contents| withdrawn.among(contents).is_none())
        else {
            continue;
        };
        let slots = manifest.slots.iter().zip(&contents);
        let parts: Vec<(Role, &[u8])> =
            slots.filter_map(|(saved, bytes)| Some((saved.role, bytes.as_ref()?.expose()))).collect();
        // What a service may not load is for a person to name: its listeners would show the same leaf until their next start.
        let pair = installed::read(&parts);
        let Some(chain) = pair.chain.as_ref().filter(|_| pair.is_loadable()) else { continue };
        let lost = fit::worse_than_in_place(session, config, &survey.pairs[0], chain)?;
        if lost.is_empty() {
            return Ok(generation);
        }
        worse.get_or_insert((generation, lost));
    }
    if let Some((generation, lost)) = worse {
        let (name, lost) = (&config.name, lost.join("; "));
        let why = format!("generation {generation} of {name} is worse than what is in place: {lost}");
        return Err(Refusal::new(why).hint(format!("if it is meant, name it: `reseal restore {name} {generation}`")));
    }
    Err(Refusal::new(format!(
        "no earlier generation of {} is whole, good today, not revoked and not in place already",
        config.name
    ))
    .hint(format!(
        "`reseal backups {}` lists them; name one, with `--force` if it must be an expired or revoked one",
        config.name
    )))
}

/// Why a generation should not be put back.
fn objection(leaf: Option<&Leaf>, now: OffsetDateTime) -> Option<String> {
    match leaf {
        None => Some("it holds no certificate that can be read".to_owned()),
        Some(leaf) if !leaf.paired => Some("its key does not belong to its certificate".to_owned()),
        Some(leaf) if now > leaf.not_after => Some(format!("its certificate ended {}", date(leaf.not_after))),
        Some(leaf) if now < leaf.not_before => Some(format!("its certificate begins {}", date(leaf.not_before))),
        Some(_) => None,
    }
}

/// Puts the wanted generation back for `renew` and `post-upgrade`: where it was, or where the service reads by now, if its configuration
/// names other files than then.
pub(super) fn reinstate(
    session: &mut Session<'_>,
    config: &TargetConfig,
    generation: u32,
    why: &str,
    verb: &'static str,
) -> Report {
    match elsewhere(session, config, generation) {
        Ok(Some(bundles)) => {
            let why = format!("generation {generation}, where the configuration reads now: {why}");
            let intent = Intent { verb, why, repeats: None, config_test: ConfigTest::MayFail };
            let build = |survey: &Survey, upcoming| {
                let fit = |bundle| pairs_for(survey, bundle).into_iter().map(move |index| (index, bundle));
                let mut placed: Vec<(usize, &Bundle)> = bundles.iter().flat_map(fit).collect();
                placed.retain(|(index, bundle)| !holds(survey, *index, bundle));
                Ok((!placed.is_empty()).then(|| change::of_bundles(config, survey, &placed, &intent, upcoming)))
            };
            change::carry_out(session, config, verb, &change::look(config), &build)
        }
        Ok(None) => put_back(session, config, generation, why, verb),
        Err(refusal) => Report::new(&config.name, refusal.outcome()),
    }
}

/// The pairs of a generation, one for each key, where the target's configuration names other files than it was taken from.
fn elsewhere(session: &Session<'_>, config: &TargetConfig, generation: u32) -> Result<Option<Vec<Bundle>>, Refusal> {
    let (manifest, contents) = load(session, config, generation)?;
    let Ok(seen) = survey::survey(session.host, config, &session.live_dir) else { return Ok(None) };
    if same_places(&seen, &manifest) {
        return Ok(None);
    }
    bundles_of(&manifest, &contents).map(Some)
}

/// The pairs of a generation, one for each key.
pub(super) fn bundles_of(manifest: &Manifest, contents: &[Option<Sensitive>]) -> Result<Vec<Bundle>, Refusal> {
    let held = || manifest.slots.iter().zip(contents).filter_map(|(saved, bytes)| Some((saved, bytes.as_ref()?)));
    let part = |saved: &Saved, bytes: &Sensitive| Part {
        label: saved.path.display().to_string(),
        bytes: Sensitive::from(bytes.expose().to_vec()),
    };
    let mut bundles: Vec<Bundle> = Vec::new();
    for (key, bytes) in held().filter(|(saved, _)| saved.role.holds_key()) {
        let others = held().filter(|(saved, _)| !saved.role.holds_key() && key.role == Role::Key);
        let mut parts: Vec<Part> = others.map(|(saved, bytes)| part(saved, bytes)).collect();
        parts.push(part(key, bytes));
        let bundle = import::bundle_from(&parts, None)?.bundle;
        if !bundles.iter().any(|known| known.leaf() == bundle.leaf()) {
            bundles.push(bundle);
        }
    }
    Ok(bundles)
}

/// Makes the change that puts a generation back where it was.
pub(super) fn put_back(
    session: &mut Session<'_>,
    config: &TargetConfig,
    generation: u32,
    why: &str,
    verb: &'static str,
) -> Report {
    let loaded = load(session, config, generation);
    let (manifest, contents) = match loaded {
        Ok(loaded) => loaded,
        Err(refusal) => return Report::new(&config.name, refusal.outcome()),
    };
    let intent = Intent {
        verb,
        why: format!("restore generation {generation}: {why}"),
        repeats: Some(generation),
        config_test: ConfigTest::MayFail,
    };
    let look = |session: &Session<'_>| look(session, config, &manifest);
    let build = |survey: &Survey, upcoming| Ok(build(config, survey, &manifest, &contents, &intent, upcoming));
    let mut report = change::carry_out(session, config, verb, &look, &build);
    if matches!(report.outcome, Outcome::Nothing { .. }) {
        report.outcome = Outcome::Nothing { why: format!("generation {generation} is in place already") };
    }
    report
}

pub(super) fn load(
    session: &Session<'_>,
    config: &TargetConfig,
    generation: u32,
) -> Result<(Manifest, Vec<Option<Sensitive>>), Refusal> {
    let absent = || VaultError::Absent { target: config.name.clone(), generation };
    let state = State::open(session.host)?.ok_or_else(absent)?;
    let vault = Vault::open(&state, &config.name)?.ok_or_else(absent)?;
    let manifest = vault.manifest(generation)?;
    let contents = vault.contents(&manifest)?;
    Ok((manifest, contents))
}

/// The target as it stands, with the places that a generation was taken from: where a link has come in the place of a file since, it is the
/// link that goes, and not what is at its end.
fn look(session: &Session<'_>, config: &TargetConfig, manifest: &Manifest) -> Result<Survey, Refusal> {
    let mut survey = seen(session, config, manifest)?;
    let dir = session.live_dir.join(&config.name);
    for survey::Strayed { at: (pair, slot), own, to } in survey::strayed(session.host, &survey, manifest, &dir)? {
        let note = format!("{} has become a link to {}: a file takes its place again", own.display(), to.display());
        survey.site.notes.push(note);
        survey.unlinked.push(survey.pairs[pair].pair.slots[slot].path.clone());
        survey.pairs[pair].places[slot] = layout::Place::InPlace { path: own };
    }
    Ok(survey)
}

/// The target as its adapter sees it; where the adapter cannot, or means other places by now, as the backup remembers it.
fn seen(session: &Session<'_>, config: &TargetConfig, manifest: &Manifest) -> Result<Survey, Refusal> {
    let remembered = from_manifest(session, config, manifest)?;
    match survey::survey(session.host, config, &session.live_dir) {
        Ok(seen) if same_places(&seen, manifest) => Ok(seen),
        Ok(mut seen) => {
            let note = "the configuration names other places than this generation was taken from: it goes back to where it was";
            seen.site.notes.push(note.to_owned());
            Ok(Survey {
                site: Site { apply: seen.site.apply, notes: seen.site.notes, ..remembered.site },
                ..remembered
            })
        }
        Err(refusal) => {
            let mut remembered = remembered;
            remembered.site.notes.push(format!(
                "the target could not be asked ({}): restored from the backup's own record",
                refusal.why
            ));
            Ok(remembered)
        }
    }
}

fn same_places(survey: &Survey, manifest: &Manifest) -> bool {
    let slots = survey.slots();
    slots.len() == manifest.slots.len()
        && manifest
            .slots
            .iter()
            .all(|saved| slots.iter().any(|slot| slot.path == saved.path && slot.role == saved.role))
}

fn from_manifest(session: &Session<'_>, config: &TargetConfig, manifest: &Manifest) -> Result<Survey, Refusal> {
    let slots = manifest.slots.iter().map(|saved| Slot { path: saved.path.clone(), role: saved.role }).collect();
    let pair = Pair { slots, probes: manifest.probes.clone(), family: None, names: Vec::new() };
    let owner = survey::owner(session.host, config)?;
    let state: PairState = survey::look_at(session.host, pair.clone(), &config.name, &session.live_dir, owner)?;
    let site = Site { pairs: vec![pair], apply: manifest.apply.clone(), reads_per_handshake: false, notes: Vec::new() };
    let dir = session.live_dir.join(&config.name);
    let adopted = survey::adopted_dir(session.host, &dir, owner)?;
    let unmade = survey::unmade(session.host, std::slice::from_ref(&state), &dir)?;
    let reader = survey::reader(session.host, config, owner);
    Ok(Survey { site, pairs: vec![state], owner, reader, adopted, unmade, unlinked: Vec::new() })
}

fn build(
    config: &TargetConfig,
    survey: &Survey,
    manifest: &Manifest,
    contents: &[Option<Sensitive>],
    intent: &Intent,
    upcoming: Upcoming,
) -> Option<Change> {
    let mut pieces = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut differs = false;
    for (saved, content) in manifest.slots.iter().zip(contents) {
        let now = survey.pairs.iter().find_map(|pair| {
            let at = pair.pair.slots.iter().position(|slot| slot.path == saved.path)?;
            Some((&pair.places[at], &pair.looks[at]))
        });
        let Some((place, look)) = now else { continue };
        match (&saved.file, content) {
            (Some(file), Some(content)) => {
                differs |= !matches!(&look.image, Image::File { sha256, .. } if *sha256 == file.sha256);
                let slot = Slot { path: saved.path.clone(), role: saved.role };
                let content = Sensitive::from(content.expose().to_vec());
                pieces.push((Piece { slot, content, attributes: Some(file.attributes.clone()) }, place.clone()));
            }
            _ => {
                if let (layout::Place::InPlace { path }, Image::File { .. }) = (place, &look.image) {
                    differs = true;
                    steps.push(Step::RemoveFile { path: path.clone() });
                }
            }
        }
    }
    if !differs {
        return None;
    }
    change::complete_switch(&mut pieces, survey);
    let mut all = layout::install(pieces, &survey.unmade, upcoming.generation);
    all.append(&mut steps);
    let leaves = leaves(survey, manifest, contents);
    let leaf_at = |index: usize| leaves.get(index).copied().flatten();
    Some(change::change(config, survey, all, manifest.leaf.clone(), &leaf_at, intent))
}

/// The leaf each pair of a survey will show: for a server with two pairs they differ.
fn leaves(survey: &Survey, manifest: &Manifest, contents: &[Option<Sensitive>]) -> Vec<Option<crate::digest::Digest>> {
    let pair_leaf = |pair: &PairState| {
        let parts: Vec<(Role, &[u8])> = manifest
            .slots
            .iter()
            .zip(contents)
            .filter(|(saved, _)| pair.pair.slots.iter().any(|slot| slot.path == saved.path))
            .filter_map(|(saved, content)| Some((saved.role, content.as_ref()?.expose())))
            .collect();
        crate::cert::installed::read(&parts).leaf().map(|leaf| leaf.fingerprint)
    };
    survey.pairs.iter().map(pair_leaf).collect()
}
