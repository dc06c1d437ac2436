//! Whether what was committed or signed off last is to be put back.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{good, named};
use crate::assess::{Code, Finding};
use crate::cert::installed::{self, Leaf};
use crate::change::Role;
use crate::config::TargetConfig;
use crate::engine::snapshot::Snapshots;
use crate::engine::vault::{Manifest, Vault};
use crate::flow::withdrawn::Known;
use crate::flow::{Session, clients, judge};
use crate::host::state::State;

/// The wanted generation, when something else is in its place, and it is whole and valid itself. That it is due is no hindrance where
/// something worse stands there: it can be renewed when it is back.
pub(super) fn reinstatable(
    session: &Session<'_>,
    config: &TargetConfig,
    (vault, manifest): &(Vault, Manifest),
    findings: &[Finding],
) -> Option<u32> {
    let overwritten = findings.iter().any(|finding| finding.code == Code::Regression);
    let bad = findings.iter().any(|one| one.code.calls_for_replacement() && one.code != Code::Expiring);
    let now = session.host.now();
    let sound = |leaf: &Leaf| {
        let valid = leaf.not_before <= now && now <= leaf.not_after && (bad || good(leaf, config, now));
        // One that signed itself is wanted only where its owner has said so.
        let wanted = leaf.issuer != leaf.subject || signed_off(session, config, manifest.generation);
        leaf.paired && named(leaf, config) && valid && wanted
    };
    let sound = overwritten && manifest.leaf.as_ref().is_some_and(sound);
    let contents = sound.then(|| vault.contents(manifest).ok()).flatten()?;
    Known::read(session.host).among(&contents).is_none().then_some(manifest.generation)
}

fn signed_off(session: &Session<'_>, config: &TargetConfig, generation: u32) -> bool {
    let state = State::open(session.host).ok().flatten();
    let snapshots = state.and_then(|state| Snapshots::read(&state, &config.name).ok()).unwrap_or_default();
    snapshots.of_generation(generation).is_some_and(|snapshot| snapshot.signed_off)
}

/// Why what stands there is worse than the wanted generation, although nothing is wrong with it that calls for another.
pub(super) fn worse(
    session: &Session<'_>,
    config: &TargetConfig,
    (vault, manifest): &(Vault, Manifest),
    findings: &[Finding],
    clients: &[Arc<clients::Known>],
) -> Vec<String> {
    let mut found = Vec::new();
    // What its owner lives with is no reason to leave it where the wanted one is at hand.
    let lived_with = |one: &&Finding| one.accepted.is_some() && one.code.calls_for_replacement();
    found.extend(findings.iter().filter(lived_with).map(|one| one.message.clone()));
    if let Some(distrusted) = findings.iter().find(|one| one.code == Code::Untrusted && one.counts())
        && trusted(vault, manifest, clients, config, session.host.now())
    {
        found.push(distrusted.message.clone());
    }
    found
}

/// Whether the clients that are asked trust what a generation holds.
fn trusted(
    vault: &Vault,
    manifest: &Manifest,
    clients: &[Arc<clients::Known>],
    config: &TargetConfig,
    now: OffsetDateTime,
) -> bool {
    let Ok(contents) = vault.contents(manifest) else { return false };
    let slots = manifest.slots.iter().zip(&contents);
    let parts: Vec<(Role, &[u8])> =
        slots.filter_map(|(saved, bytes)| Some((saved.role, bytes.as_ref()?.expose()))).collect();
    let Some(chain) = installed::read(&parts).chain else { return false };
    judge::verdicts(clients, &chain, &config.names, now).iter().all(|verdict| verdict.trusted)
}
