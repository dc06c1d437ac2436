//! `history`, `history verify`: what was done, and whether the record of it is whole.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Refusal, Session};
use crate::digest::Digest;
use crate::engine::Ledger;
use crate::engine::vault::{Manifest, Origin, Vault};
use crate::host::state::State;
use crate::outcome::Receipt;

/// The receipts of these targets, or of all, oldest first, and the numbers of the lines that cannot be believed.
///
/// # Errors
/// The ledger cannot be read.
pub fn run(session: &Session<'_>, names: &[String]) -> Result<(Vec<Receipt>, Vec<usize>), Refusal> {
    // History outlives the configuration: a name that is only in the ledger is good.
    let Some(state) = State::open(session.host)? else { return Ok((Vec::new(), Vec::new())) };
    let ledger = Ledger::read(&state)?;
    let wanted = |receipt: &Receipt| names.is_empty() || names.contains(&receipt.target);
    Ok((ledger.receipts.into_iter().filter(wanted).collect(), ledger.broken))
}

/// What is to be said of the ledger as a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verified {
    /// How many receipts were read.
    pub receipts: usize,
    /// Digest of the last line: each line holds that of the one before, so who keeps this one elsewhere can tell later whether anything up
    /// to it was altered. None of an empty ledger.
    pub head: Option<Digest>,
    /// Line numbers, from 1, of lines that were altered or do not follow the line before them.
    pub damaged_lines: Vec<usize>,
    /// Changes that were committed and have no receipt: what an end that was cut off leaves.
    pub missing: Vec<Missing>,
}

/// A change without a receipt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Missing {
    /// The target.
    pub target: String,
    /// The generation that was made.
    pub generation: u32,
}

impl Verified {
    /// Whether nothing is wrong with it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damaged_lines.is_empty() && self.missing.is_empty()
    }
}

/// Holds every line against its checksum and against the line before, and the generations that were committed against the receipts.
///
/// # Errors
/// The ledger or the backups cannot be read.
pub fn verify(session: &Session<'_>) -> Result<Verified, Refusal> {
    let Some(state) = State::open(session.host)? else {
        return Ok(Verified { receipts: 0, head: None, damaged_lines: Vec::new(), missing: Vec::new() });
    };
    let ledger = Ledger::read(&state)?;
    let mut targets: Vec<&str> = session.config.targets.iter().map(|target| target.name.as_str()).collect();
    targets.extend(ledger.receipts.iter().map(|receipt| receipt.target.as_str()));
    targets.sort_unstable();
    targets.dedup();
    let mut missing = Vec::new();
    for target in targets {
        let Some(vault) = Vault::open(&state, target)? else { continue };
        // Committed now, or once, as what was written later knows.
        let mut committed: BTreeSet<u32> = vault.current()?.into_iter().collect();
        for generation in vault.numbers()? {
            committed.extend(vault.manifest(generation).ok().and_then(|manifest| manifest.current));
        }
        for generation in committed {
            // What was staged only and stands there was put there by somebody else, and a snapshot has found it: no change of ours is missing.
            let changed = |manifest: Manifest| matches!(manifest.origin, Origin::Made { .. }) && !manifest.was_staged();
            let made = vault.manifest(generation).is_ok_and(changed);
            // However it ended: what was rolled back may have been put there by hand since, and signed off.
            let told = |receipt: &Receipt| receipt.target == target && receipt.generation == generation;
            if made && !ledger.receipts.iter().any(told) {
                missing.push(Missing { target: target.to_owned(), generation });
            }
        }
    }
    Ok(Verified { receipts: ledger.receipts.len(), head: ledger.head, damaged_lines: ledger.broken, missing })
}
