//! What in a file cannot be read, by what follows from that. Pure.

use crate::cert::codec::{BadBlock, BlockError};
use crate::outcome::explain;

/// The parts of a file that cannot be read.
pub(super) struct Bad<'a> {
    /// What a passphrase, or another one, opens.
    pub encrypted: Vec<&'a BadBlock>,
    /// Keys of kinds that are not read here, for people.
    pub unsupported: Vec<String>,
    /// All else, for people.
    pub others: Vec<String>,
}

impl<'a> Bad<'a> {
    pub(super) fn of(all: &'a [BadBlock]) -> Self {
        let (encrypted, open): (Vec<_>, Vec<_>) = all.iter().partition(|bad| is_locked(bad));
        let (unsupported, others): (Vec<_>, Vec<_>) = open.into_iter().partition(|bad| bad.is_unsupported_key());
        let told = |bad: Vec<&BadBlock>| bad.into_iter().map(|bad| explain(bad)).collect();
        Self { encrypted, unsupported: told(unsupported), others: told(others) }
    }
}

/// Whether a passphrase, or another one, opens it.
pub(super) fn is_locked(bad: &BadBlock) -> bool {
    matches!(bad.why, BlockError::EncryptedNoPassphrase | BlockError::WrongPassphrase)
}

/// What the passphrase that was given does not open, a line each.
pub(super) fn unopened(locked: &[&BadBlock]) -> Vec<String> {
    let wrong = locked.iter().filter(|bad| bad.why == BlockError::WrongPassphrase);
    wrong.map(|bad| format!("{}: {}", bad.place, explain(&bad.why))).collect()
}
