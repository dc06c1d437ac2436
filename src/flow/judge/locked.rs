//! What in a file is encrypted. Pure.

use crate::cert::codec::{BadBlock, BlockError};
use crate::outcome::explain;

/// Whether a passphrase, or another one, opens it.
pub(super) fn is_locked(bad: &BadBlock) -> bool {
    matches!(bad.why, BlockError::EncryptedNoPassphrase | BlockError::WrongPassphrase)
}

/// What the passphrase that was given does not open, a line each.
pub(super) fn unopened(locked: &[&BadBlock]) -> Vec<String> {
    let wrong = locked.iter().filter(|bad| bad.why == BlockError::WrongPassphrase);
    wrong.map(|bad| format!("{}: {}", bad.place, explain(&bad.why))).collect()
}
