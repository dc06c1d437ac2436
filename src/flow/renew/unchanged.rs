//! The short way of a run with nothing to do: files held against the digests of what was committed.

use super::good;
use super::newer::newer;
use crate::cert::installed;
use crate::change::{Image, Role, Slot};
use crate::config::{SourceConfig, TargetConfig};
use crate::digest::Digest;
use crate::engine::vault::{self, Vaults};
use crate::flow::ca::{self, Glance};
use crate::flow::{acme, maintain, survey};
use crate::host::Host;
use crate::host::dir::MAX_FILE;
use crate::host::state::State;
use crate::host::together;
use crate::host::ways::Ways;
use crate::sensitive::Sensitive;
use crate::target;

/// Threads that hold files against their digests.
const THREADS: usize = 4;

/// What must be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::flow) enum Same {
    /// The bytes of the files.
    Bytes,
    /// The same; and nothing is to be made ready, and nothing waits to be put in place.
    Ahead,
    /// Their owner, mode and labels too; and there is no listener that would have to be asked.
    Everything,
}

/// The short way for all targets, shared between a few threads: what it costs is waiting for the kernel.
pub(in crate::flow) fn all(host: &Host, state: &State, targets: &[&TargetConfig], what: Same) -> Vec<bool> {
    let glance = ca::Glance::at(state, targets);
    let glance = glance.as_ref();
    let each = targets.len().div_ceil(THREADS).max(1);
    let shares: Vec<&[&TargetConfig]> = targets.chunks(each).collect();
    let vaults = Vaults::open(state).ok();
    let judged = together::each(&shares, |share| -> Vec<bool> {
        let mut ways = Ways::new(host, host.trusting(None));
        let mut same = |config| unchanged(host, (state, vaults.as_ref()?), config, glance?, what, &mut ways);
        share.iter().map(|config| same(config).unwrap_or(false)).collect()
    });
    // A share that could not be judged takes the long way.
    shares.iter().zip(judged).flat_map(|(share, judged)| judged.unwrap_or_else(|| vec![false; share.len()])).collect()
}

/// The short way for a timer: the files, held against the last committed generation by digest. Any doubt is an answer of `false`,
/// and the long way is taken.
fn unchanged(
    host: &Host,
    (state, vaults): (&State, &Vaults),
    config: &TargetConfig,
    glance: &Glance,
    what: Same,
    ways: &mut Ways<'_>,
) -> Option<bool> {
    let vault = vaults.of(&config.name).ok()??;
    let manifest = vault.manifest(vault.current().ok()??).ok()?;
    let leaf = manifest.leaf.as_ref()?;
    let mut unread = Vec::new();
    if !good(leaf, config, host.now()) || newer(host, config, leaf.not_after, &mut unread) || !unread.is_empty() {
        return Some(false);
    }
    if what == Same::Ahead && !maintain::settled(host, config, &vault, leaf) {
        return Some(false);
    }
    if !glance.clears(leaf, config) {
        return Some(false);
    }
    if matches!(config.source, SourceConfig::Acme(_)) {
        let advice = acme::advised(host, state, config, leaf.fingerprint)?;
        if advice.is_due(host.now()) {
            return Some(false);
        }
    }
    let site = target::open(config).ok()?.observe(host).ok()?;
    let mut slots = site.pairs.iter().flat_map(|pair| &pair.slots);
    let known = slots.all(|slot| manifest.slots.iter().any(|saved| saved.path == slot.path && saved.role == slot.role));
    if what == Same::Everything {
        let listens = !manifest.probes.is_empty() || site.pairs.iter().any(|pair| !pair.probes.is_empty());
        let trust = host.trusting(survey::owner(host, config).ok()?);
        ways.believe(trust);
        let same = !listens && known && as_they_were(host, ways, &manifest.slots)?;
        return Some(same && each_good(host, &site.pairs, config, glance));
    }
    let same = |saved: &vault::Saved| match &saved.file {
        Some(file) => host
            .read(&saved.path, MAX_FILE)
            .is_ok_and(|bytes| Digest::of(Sensitive::from(bytes).expose()) == file.sha256),
        None => !host.exists(&saved.path),
    };
    Some(known && manifest.slots.iter().all(same) && each_good(host, &site.pairs, config, glance))
}

/// Whether each file is what was kept of it.
fn as_they_were(host: &Host, ways: &mut Ways<'_>, slots: &[vault::Saved]) -> Option<bool> {
    for saved in slots {
        let (parent, name) = (saved.path.parent()?, saved.path.file_name()?);
        let mut image = ways.to(parent).ok()?.look(name).ok()?.image;
        if matches!(image, Image::Link { .. }) {
            image = host.look(&saved.path, ways.trust()).ok()?.1.image;
        }
        if !saved.is(&image) {
            return Some(false);
        }
    }
    Some(true)
}

/// Whether the leaf of each of several pairs is good: the manifest tells of the one alone that was installed last.
fn each_good(host: &Host, pairs: &[target::Pair], config: &TargetConfig, glance: &Glance) -> bool {
    let [_, _, ..] = pairs else { return true };
    pairs.iter().all(|pair| {
        let read = |slot: &Slot| Some((slot.role, Sensitive::from(host.read(&slot.path, MAX_FILE).ok()?)));
        let Some(contents) = pair.slots.iter().map(read).collect::<Option<Vec<_>>>() else { return false };
        let parts: Vec<(Role, &[u8])> = contents.iter().map(|(role, bytes)| (*role, bytes.expose())).collect();
        installed::read(&parts)
            .leaf()
            .is_some_and(|leaf| good(&leaf, config, host.now()) && glance.clears(&leaf, config))
    })
}
