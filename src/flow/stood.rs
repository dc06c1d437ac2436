//! What has stood in a target's places, or was staged for them: what was obtained or asked for to that end has served it.

use super::users::generation;
use super::{Refusal, csr};
use crate::digest::Digest;
use crate::engine::Ledger;
use crate::engine::vault::{Manifest, Origin, Vault};
use crate::host::state::State;
use crate::outcome::End;
use crate::source::acme;
use crate::source::request::Requests;

/// Whether a generation stood in the places: it was found there, it was committed last, or a receipt says that it stayed.
pub(super) fn stood(manifest: &Manifest, current: Option<u32>, ledger: &Ledger) -> bool {
    let number = manifest.generation;
    let receipts = || ledger.receipts.iter().filter(|one| one.target == manifest.target && one.generation == number);
    manifest.origin == Origin::Found
        || current == Some(number)
        || receipts().any(|one| matches!(one.end, End::Committed { .. } | End::Accepted))
}

/// The certificates and keys that a target was given.
#[derive(Default)]
pub(super) struct Given {
    leaves: Vec<Digest>,
    keys: Vec<Digest>,
}

impl Given {
    /// By its generations and receipts. A generation that cannot be read tells what its manifest or receipt does.
    pub fn of(state: &State, target: &str) -> Result<Self, Refusal> {
        let ledger = Ledger::read(state)?;
        let mut given = Self::default();
        for one in ledger.receipts.iter().filter(|one| one.target == target) {
            if matches!(one.end, End::Committed { .. }) {
                given.leaves.extend(one.after.iter().chain(one.pairs.iter().filter_map(|pair| pair.after.as_ref())));
            }
        }
        let Some(vault) = Vault::open(state, target)? else { return Ok(given) };
        let current = vault.current()?;
        for number in vault.numbers()? {
            let Ok(manifest) = vault.manifest(number) else { continue };
            if !manifest.was_staged() && !stood(&manifest, current, &ledger) {
                continue;
            }
            given.leaves.extend(manifest.leaf.iter().map(|leaf| leaf.fingerprint));
            for one in generation(&vault, number).unwrap_or_default().iter().flatten() {
                given.leaves.push(one.fingerprint());
                given.keys.push(one.spki_digest());
            }
        }
        Ok(given)
    }

    /// Whether this certificate is among them, by its fingerprint.
    pub fn has(&self, leaf: Digest) -> bool {
        self.leaves.contains(&leaf)
    }

    /// Whether this key is, by the SHA-256 of its public half (SubjectPublicKeyInfo).
    pub fn has_key(&self, key: Digest) -> bool {
        self.keys.contains(&key)
    }

    /// The keys, each as [`Given::has_key`] takes it.
    pub fn keys(&self) -> &[Digest] {
        &self.keys
    }
}

/// Forgets what the targets of these names were given since it was obtained or asked for. The run that gives it does so at once; one that
/// was killed between the commit and that has left it, with the key, and it must not be given again. The caller holds the machine lock.
pub(super) fn settle<'n>(state: &State, targets: impl IntoIterator<Item = &'n str>) -> Result<(), Refusal> {
    for target in targets {
        if acme::waits(state, target)? || Requests::of(state, target)?.is_some() {
            let given = Given::of(state, target)?;
            acme::forget(state, target, &|leaf| given.has(leaf))?;
            csr::settle(state, target, &given)?;
        }
    }
    Ok(())
}
