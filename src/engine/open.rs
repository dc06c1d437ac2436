//! Open journals as others see them: a transaction that is under way, or one that was interrupted.

use time::OffsetDateTime;

use super::journal::{self, Replay};
use crate::host::dir::DiskError;
use crate::host::lock::{self, Holder};
use crate::host::state::State;

/// How often it is looked again while runs begin and end.
const LOOKS: usize = 5;

/// A target with an open journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    /// The target, as its journal is named.
    pub name: String,
    /// Who is at work on it: process, verb and since when. None: it was interrupted.
    pub at_work: Option<String>,
}

/// When a transaction began, as far as its journal tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Began {
    At(OffsetDateTime),
    /// Its first line is not whole.
    NotYet,
    Unreadable,
}

/// The targets with an open journal, and who is at work on them. Reads only, and keeps nobody from the lock. `own`: this process holds the
/// lock itself, and is not in the midst of a transaction.
///
/// # Errors
/// The journals cannot be read, or the lock cannot be looked at.
pub fn open(state: &State, own: bool) -> Result<Vec<Open>, DiskError> {
    let mut seen = began(state)?;
    for _ in 0..LOOKS {
        if seen.is_empty() {
            break;
        }
        let holder = if own { None } else { lock::at_work(state)? };
        // What was there before the look at the lock and is there after it belongs to whom was seen there.
        let again = began(state)?;
        if again == seen {
            return Ok(told(seen, holder.as_ref()));
        }
        seen = again;
    }
    let holder = if own { None } else { lock::at_work(state)? };
    Ok(told(seen, holder.as_ref()))
}

fn began(state: &State) -> Result<Vec<(String, Began)>, DiskError> {
    let all = journal::open_ones(state)?.into_iter().map(|(name, replay)| {
        let began = match replay {
            Replay::Unbegun => Began::NotYet,
            Replay::Under(transaction) => Began::At(transaction.begin.began),
            Replay::Unreadable { .. } => Began::Unreadable,
        };
        (name.to_string_lossy().into_owned(), began)
    });
    Ok(all.collect())
}

fn told(seen: Vec<(String, Began)>, holder: Option<&Holder>) -> Vec<Open> {
    let all = seen.into_iter().map(|(name, began)| {
        let at_work = holder.filter(|holder| is_of(began, holder)).map(|holder| holder.told.clone());
        Open { name, at_work }
    });
    all.collect()
}

/// Whether a transaction is that of the holder, and not one that an earlier run has left.
fn is_of(began: Began, holder: &Holder) -> bool {
    match (began, holder.since) {
        (Began::At(began), Some(since)) => since <= began,
        (Began::NotYet, _) | (Began::At(_), None) => true,
        (Began::Unreadable, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_began_before_its_holder_was_interrupted() {
        let since = Some(datetime!(2026-12-01 01:02:03 UTC));
        let holder = Holder { told: "process 7".to_owned(), since };
        let silent = Holder { since: None, ..holder.clone() };
        let before = Began::At(datetime!(2026-12-01 01:02:02.9 UTC));
        let after = Began::At(datetime!(2026-12-01 01:02:03.2 UTC));
        for (began, holder, own) in [
            (before, &holder, false),
            (after, &holder, true),
            (Began::NotYet, &holder, true),
            (Began::Unreadable, &holder, false),
            (after, &silent, true),
        ] {
            assert_eq!(is_of(began, holder), own);
        }
        let seen = || vec![("web".to_owned(), after), ("old".to_owned(), before)];
        let at_work = |all: Vec<Open>| all.into_iter().map(|one| one.at_work.is_some()).collect::<Vec<_>>();
        assert_eq!(at_work(told(seen(), Some(&holder))), [true, false]);
        assert_eq!(at_work(told(seen(), None)), [false, false]);
    }
}
