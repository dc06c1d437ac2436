//! What a change keeps in the vault: what is there before it, and what will be there after it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::failure::Failure;
use super::journal::Act;
use super::vault::{self, Manifest, Origin, Saved, SavedFile, Vault};
use super::{Change, Engine, kept, origin};
use crate::cert::installed;
use crate::change::{Image, Slot, Step};
use crate::event::{Event, Listener};
use crate::host::dir::Look;
use crate::sensitive::Sensitive;

/// Makes sure that what is there now is kept, and says under which number.
pub(super) fn keep_found(
    engine: &Engine<'_>,
    change: &Change,
    vault: &Vault,
    looks: &[(PathBuf, Look)],
    listener: &mut dyn Listener,
) -> Result<u32, Failure> {
    if let Some(generation) = kept(vault, &change.slots, looks)? {
        return Ok(generation);
    }
    let generation = vault.take()?;
    let slots = change.slots.iter().zip(looks).map(|(slot, (real, look))| saved(slot, real, &look.image)).collect();
    let contents: Vec<Option<&Sensitive>> = looks.iter().map(|(_, look)| look.content.as_ref()).collect();
    let leaf = leaf_of(&change.slots, looks);
    let manifest = manifest(engine, change, (generation, vault.current()?), Origin::Found, slots, leaf);
    vault.save(&manifest, &contents)?;
    listener.hear(&Event::BackedUp { target: change.target.clone(), generation });
    Ok(generation)
}

/// Keeps what will be there: what is obtained is never lost, and can be put back after somebody else overwrites it.
pub(super) fn keep_made(
    engine: &Engine<'_>,
    change: &Change,
    vault: &Vault,
    (generation, acts): (u32, &[Act]),
    looks: &[(PathBuf, Look)],
) -> Result<(), Failure> {
    let mut slots = Vec::new();
    let mut contents = Vec::new();
    for (slot, (real, look)) in change.slots.iter().zip(looks) {
        let made = change.steps.iter().zip(acts).find_map(|(step, act)| match (step, &act.after) {
            (Step::PutFile { slot: for_slot, content, .. }, after @ Image::File { .. }) if *for_slot == slot.path => {
                Some((after, content, step.path()))
            }
            (Step::RemoveFile { path }, after) if path == real => {
                Some((after, EMPTY.get_or_init(|| Sensitive::from(Vec::new())), path.as_path()))
            }
            _ => None,
        });
        match made {
            Some((Image::Absent, _, place)) => {
                slots.push(saved(slot, place, &Image::Absent));
                contents.push(None);
            }
            Some((image, content, place)) => {
                slots.push(saved(slot, place, image));
                contents.push(Some(content));
            }
            None => {
                slots.push(saved(slot, real, &look.image));
                contents.push(look.content.as_ref());
            }
        }
    }
    let current = vault.current()?;
    let manifest = manifest(engine, change, (generation, current), origin(change), slots, change.leaf.clone());
    Ok(vault.save(&manifest, &contents)?)
}

static EMPTY: OnceLock<Sensitive> = OnceLock::new();

fn manifest(
    engine: &Engine<'_>,
    change: &Change,
    (generation, current): (u32, Option<u32>),
    origin: Origin,
    slots: Vec<Saved>,
    leaf: Option<installed::Leaf>,
) -> Manifest {
    Manifest {
        format: vault::FORMAT,
        target: change.target.clone(),
        generation,
        taken: engine.host.now(),
        current,
        origin,
        slots,
        leaf: leaf.map(installed::Leaf::in_brief),
        apply: change.apply.clone(),
        probes: change.probes.iter().map(|(probe, _)| probe.clone()).collect(),
    }
}

fn saved(slot: &Slot, real: &Path, image: &Image) -> Saved {
    let file = match image {
        Image::File { sha256, attributes } => Some(SavedFile { sha256: *sha256, attributes: attributes.clone() }),
        Image::Absent | Image::Link { .. } | Image::Dir { .. } => None,
    };
    Saved { path: slot.path.clone(), role: slot.role, real: Some(real.to_owned()), file }
}

/// The leaf that stands in the slots.
pub(super) fn leaf_of(slots: &[Slot], looks: &[(PathBuf, Look)]) -> Option<installed::Leaf> {
    let parts = slots.iter().zip(looks);
    let parts: Vec<_> =
        parts.filter_map(|(slot, (_, look))| Some((slot.role, look.content.as_ref()?.expose()))).collect();
    installed::read(&parts).leaf()
}
