//! `restore trust:STORE [N]`: a store as it was at an earlier generation, with the record of what was added to it then.

use std::path::{Path, PathBuf};

use super::ground::Ground;
use super::install::changed;
use super::{Made, Nothing, RESTORE, carry_out, planned};
use crate::change::{Role, Step};
use crate::digest::Digest;
use crate::engine::vault::Manifest;
use crate::flow::beside::{choose, image};
use crate::flow::{Refusal, Report, Session};
use crate::host::state::State;
use crate::sensitive::Sensitive;
use crate::trust::{Entry, Record, Standing, Store};

/// Puts generation `wanted` of a store back, or the newest one that is not in place.
pub fn restore(session: &mut Session<'_>, store: &Store, wanted: Option<u32>) -> Report {
    let build = |session: &Session<'_>, ground: &Ground, _: Option<&State>| {
        let put_back =
            |manifest: &Manifest, contents: &[Option<Sensitive>]| put_back(session, ground, manifest, contents);
        let first = format!("`reseal trust install FILE --store {}` adds a CA to it", ground.store);
        let (manifest, contents) = choose(session, &ground.store.target(), wanted, &first, &put_back)?;
        put_back(&manifest, &contents)
    };
    carry_out(session, store, RESTORE, &build)
}

fn put_back(
    session: &Session<'_>,
    ground: &Ground,
    manifest: &Manifest,
    contents: &[Option<Sensitive>],
) -> Result<Result<Made, Nothing>, Refusal> {
    let then = record_of(ground, manifest, contents)?;
    ground.refuse_in_use()?;
    let mut steps = Vec::new();
    let mut basis = Vec::new();
    for (saved, content) in manifest.slots.iter().zip(contents) {
        if saved.role == Role::Anchor {
            ours_or_nothing(session, ground, &then, &saved.path, saved.file.is_none())?;
        }
        let (real, now) = image(session.host, &saved.path)?;
        let digest = now.digest();
        if digest == saved.file.as_ref().map(|file| file.sha256) {
            continue;
        }
        basis.push((real.clone(), digest));
        match (&saved.file, content) {
            (Some(file), Some(content)) => steps.push(Step::PutFile {
                path: real,
                slot: saved.path.clone(),
                role: saved.role,
                content: Sensitive::from(content.expose().to_vec()),
                attributes: Some(file.attributes.clone()),
            }),
            _ => {
                steps.push(Step::RemoveFile { path: real });
                steps.extend(link_to(session, ground, &saved.path));
            }
        }
    }
    let kept = |path: &Path| manifest.slots.iter().any(|saved| saved.path == path);
    // What was added since goes, where it is still what was added.
    for entry in ground.record.entries.iter().filter(|_| ground.layout().is_some()) {
        let path = PathBuf::from(&entry.place);
        if !kept(&path) {
            ours_or_nothing(session, ground, &then, &path, true)?;
            let (real, now) = image(session.host, &path)?;
            if let Some(digest) = now.digest() {
                basis.push((real.clone(), Some(digest)));
                steps.push(Step::RemoveFile { path: real });
                steps.extend(link_to(session, ground, &path));
            }
        }
    }
    if steps.is_empty() {
        let why = format!("generation {} is in place already", manifest.generation);
        return Ok(Err(Nothing { why, notes: Vec::new() }));
    }
    let goes: Vec<&Entry> = ground.record.entries.iter().filter(|entry| then.of(entry.fingerprint).is_none()).collect();
    let comes: Vec<&Entry> =
        then.entries.iter().filter(|entry| ground.record.of(entry.fingerprint).is_none()).collect();
    let (mut probes, mut notes) = (Vec::new(), Vec::new());
    if let Some(layout) = ground.layout() {
        // What others have removed meanwhile is nothing that this has to prove.
        let put = |entry: &&Entry| steps.iter().any(|step| step.path() == Path::new(&entry.place));
        let stands = |entry: &&Entry| matches!(layout.standing(session.host, entry), Standing::InPlace);
        let held = then.entries.iter().filter(|entry| put(entry) || stands(entry));
        probes.extend(held.map(|entry| layout.probe(entry.fingerprint, true)));
        for entry in &goes {
            match layout.also_in(session.host, entry) {
                Some(other) => {
                    notes.push(format!("{} is trusted all the same: {} holds it too", entry.name, other.display()));
                }
                None => probes.push(layout.probe(entry.fingerprint, false)),
            }
        }
    }
    let all: Vec<&Entry> = then.entries.iter().chain(&ground.record.entries).collect();
    let mut slots = ground.slots(&all);
    for saved in &manifest.slots {
        if slots.iter().all(|slot| slot.path != saved.path) {
            slots.push(crate::change::Slot { path: saved.path.clone(), role: saved.role });
        }
    }
    let trust = goes.into_iter().map(|entry| planned(entry, "remove"));
    let trust = trust.chain(comes.into_iter().map(|entry| planned(entry, "add"))).collect();
    Ok(Ok(Made {
        slots,
        steps,
        basis,
        apply: ground.apply(),
        probes,
        trust,
        why: format!("restore generation {}: asked for", manifest.generation),
        repeats: Some(manifest.generation),
        notes,
        ..Made::default()
    }))
}

/// What is to be removed from the store is what reseal has added, now or then. What is to be replaced may be another's, for it is kept first;
/// but no link is followed: wherever it leads, that is not ours to write.
fn ours_or_nothing(
    session: &Session<'_>,
    ground: &Ground,
    then: &Record,
    path: &Path,
    removed: bool,
) -> Result<(), Refusal> {
    let known = || ground.record.entries.iter().chain(&then.entries);
    let others = if session.host.is_link(path) {
        true
    } else {
        let digest = image(session.host, path)?.1.digest();
        removed && digest.is_some_and(|digest| !known().any(|entry| Digest::of(entry.pem.as_bytes()) == digest))
    };
    match (others, known().find(|entry| Path::new(&entry.place) == path)) {
        (false, _) => Ok(()),
        (true, Some(entry)) => Err(changed(&ground.store, entry)),
        (true, None) => Err(Refusal::new(format!("{} is not what reseal has put there", path.display()))
            .hint("look at it, and move it away: only what reseal has added is replaced")),
    }
}

/// The step that takes away the link which the system's command has made to a file.
fn link_to(session: &Session<'_>, ground: &Ground, file: &Path) -> Option<Step> {
    let link = ground.layout()?.link_to(session.host, file)?;
    Some(Step::RemoveFile { path: link })
}

/// What had been added then.
fn record_of(ground: &Ground, manifest: &Manifest, contents: &[Option<Sensitive>]) -> Result<Record, Refusal> {
    let saved = manifest.slots.iter().zip(contents).find(|(saved, _)| saved.role == Role::Record);
    match saved {
        Some((_, Some(bytes))) => Ok(Record::read(bytes.expose(), ground.record_path.clone(), &ground.store)?),
        Some((_, None)) | None => Ok(Record::default()),
    }
}
