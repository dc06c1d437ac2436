//! A door for the fuzzer, which no program has: a journal read, and what was understood of it written again.

use super::journal::{Replay, replay};
use super::sealed;

/// What holds of a journal, written anew: nothing where no transaction had begun; `None` where it cannot be believed.
#[must_use]
pub fn replayed(bytes: &[u8]) -> Option<Vec<u8>> {
    match replay(bytes) {
        Replay::Unbegun => Some(Vec::new()),
        Replay::Unreadable { .. } => None,
        Replay::Under(transaction) => {
            let mut written = sealed::line(&transaction.begin).ok()?;
            for mark in &transaction.marks {
                written.extend(sealed::line(mark).ok()?);
            }
            Some(written)
        }
    }
}
