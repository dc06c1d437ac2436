//! `reseal trust`: certificates that clients of this machine are to trust come into a store, and go again. One file a verb.
//!
//! Every change is one of the engine's: the store's files and the record of what was added are replaced together, or not at all.

mod admit;
mod ground;
mod install;
mod list;
mod remove;
mod restore;

use crate::flow::beside::{self, Basis, Made, Nothing, RESTORE};
use crate::flow::preview::PlannedAnchor;
use crate::flow::{Refusal, Report, Session};
use crate::host::state::State;
use crate::trust::{Entry, Record, RecordError, Store, StoreError, nss};
use ground::Ground;

pub(super) use self::ground::Known;
pub use self::install::{Install, Source, install};
pub use self::list::{AnchorView, Listed, list};
pub(super) use self::remove::{Meant, meant, named_by, take_out};
pub use self::remove::{Remove, remove};
pub use self::restore::restore;

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::with(error.to_string(), error.hint())
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::with(error.to_string(), error.hint())
    }
}

/// What is to become of a store.
#[derive(Default)]
struct Intended {
    /// What comes.
    add: Vec<Entry>,
    /// What goes, the certificate with its entry.
    remove: Vec<Entry>,
    /// What goes from the record alone: it is not in the store any more.
    forget: Vec<Entry>,
    /// The system is to take up what is there.
    take_up: bool,
    /// Worth a line.
    notes: Vec<String>,
}

impl Intended {
    fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.forget.is_empty() && !self.take_up
    }
}

/// What a verb makes of a store that was looked at.
type Build<'b> = dyn Fn(&Session<'_>, &Ground, Option<&State>) -> Result<Result<Made, Nothing>, Refusal> + 'b;

/// Looks at a store, and makes the change that `build` makes of it.
fn carry_out(session: &mut Session<'_>, store: &Store, verb: &'static str, build: &Build<'_>) -> Report {
    beside::carry_out(session, &store.target(), verb, &|session, state| {
        if let Some(state) = state {
            Record::make_room(state)?;
        }
        let ground = Ground::look(session, store, verb == RESTORE)?;
        let made = build(session, &ground, state)?;
        // The system's command may take every file of its directory for a certificate.
        Ok(made.map(|made| Made {
            nothing_beside: made.apply.reload.is_some(),
            unmade: ground.is_nss(),
            verify: 3_000,
            ..made
        }))
    })
}

/// What a plan tells of an entry.
fn planned(entry: &Entry, act: &'static str) -> PlannedAnchor {
    let certificate = entry.certificate();
    PlannedAnchor {
        act,
        name: entry.name.clone(),
        subject: certificate.as_ref().map(|one| one.subject().to_owned()).unwrap_or_default(),
        fingerprint: entry.fingerprint,
        not_after: certificate.map_or(entry.added, |one| one.not_after()),
    }
}

/// Names of entries for people.
fn names(entries: &[Entry]) -> String {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.join(", ")
}

/// The stores that reseal has added something to.
fn recorded(session: &Session<'_>) -> Result<Vec<Store>, Refusal> {
    match State::open(session.host)? {
        Some(state) => Ok(Record::stores(&state)?),
        None => Ok(Vec::new()),
    }
}

/// Removes what a killed run has left of the copies that it worked on.
pub(super) fn sweep(state: &State) -> Result<(), crate::host::dir::DiskError> {
    nss::sweep(state)
}
