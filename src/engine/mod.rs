//! Acts, and undoes.
//!
//! A change is staged, installed, taken up by the service, verified and committed, or it is undone. Every one of these writes down
//! what it is about to do, synced, before it does it; failure and crash end in the same [`undo`], which reads only the journal
//! and the backups. The engine knows no adapter: it is handed [`Change`]s made of plain words.

mod accept;
mod beside;
mod failure;
mod foresee;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzed;
mod hook;
mod journal;
mod keep;
mod ledger;
mod lineage;
mod next;
mod open;
mod proof;
mod recover;
pub mod snapshot;
mod stage;
mod step;
mod transaction;
mod undo;
pub mod vault;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

pub use accept::Accepted;
pub use journal::Limits;
pub use ledger::Ledger;
pub use next::{Found, Next, NextError, STAGED, Staging};
pub use open::{Open, open};
pub use recover::{Intended, Interrupted, Recovered, When, interrupted, pending};
use snapshot::Snapshot;

use crate::cert::installed::Leaf;
use crate::change::{Apply, Hooks, Image, Probe, Role, Slot, Step};
use crate::digest::Digest;
use crate::event::Listener;
use crate::host::Host;
use crate::host::clock;
use crate::host::dir::{DiskError, Look};
use crate::host::lock::{Lock, LockError};
use crate::host::state::{State, StateError};
use crate::host::walk::{Last, WalkError};
use crate::moment::Moment;
use crate::outcome::{Checks, Leaves, Outcome, explain};
use failure::Failure;
use vault::{Origin, Vault};

/// Everything there is to know about one change to one target.
pub struct Change {
    /// The target.
    pub target: String,
    /// The verb that asked for it.
    pub verb: &'static str,
    /// Why, in a few words.
    pub why: String,
    /// The earlier generation it repeats, for a restore.
    pub repeats: Option<u32>,
    /// The places the service reads: together they are a generation.
    pub slots: Vec<Slot>,
    /// What to do.
    pub steps: Vec<Step>,
    /// Links and directories of files that nothing refers to any more once the change stands: removed after the commit.
    pub retire: Vec<PathBuf>,
    /// How the service takes it up.
    pub apply: Apply,
    /// What runs around it.
    pub hooks: Hooks,
    /// Where it is served, and the leaf that must be shown there.
    pub probes: Vec<(Probe, Option<Digest>)>,
    /// The leaf that is to stand afterwards.
    pub leaf: Option<Leaf>,
    /// Of a target with several pairs, the leaves of each before and after; else nothing.
    pub pairs: Vec<Leaves>,
    /// How long things may take.
    pub limits: Limits,
    /// What must hold before anything is touched.
    pub demands: Demands,
}

/// What must hold before anything is touched.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// Bytes that must be free on every file system that is written to.
    pub min_free: u64,
    /// Programs that must not be running.
    pub must_not_run: Vec<String>,
    /// A user whose directories are trusted besides root's.
    pub trusted_owner: Option<u32>,
    /// What the service's own configuration test decides.
    pub config_test: ConfigTest,
    /// Whether the service takes every file of the directory for its own, whatever its name: then nothing may lie beside the new files
    /// while it is told, and an undo takes the old ones from the backup.
    pub nothing_beside: bool,
    /// Slots with a link that may lead to a directory that is not there: of the target's own, and the change makes that again; or of somebody
    /// else, and a file takes its place.
    pub lost: Vec<PathBuf>,
    /// What these places held when the new bytes were made out of it; nothing for one that was empty.
    pub made_from: Vec<(PathBuf, Option<Digest>)>,
}

/// What a failing configuration test of the service means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ConfigTest {
    /// It must pass before and after.
    #[default]
    MustPass,
    /// It must pass after: what is there now is broken, and the change may mend it.
    MustPassAfter,
    /// Files are put in place although it fails: a restore must not need a healthy server.
    MayFail,
}

/// A changing verb at work: it holds the machine lock.
pub struct Engine<'a> {
    host: &'a Host,
    state: State,
    _lock: Lock,
}

/// The engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// Another reseal is at work, or the lock could not be tried.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The clock cannot be right.
    #[error(transparent)]
    Clock(#[from] clock::ClockError),
    /// A call failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl EngineError {
    /// As the end of a verb.
    pub fn outcome(self) -> Outcome {
        let hint = match &self {
            Self::State(error) => error.hint(),
            Self::Lock(LockError::Busy { holder }) => return Outcome::Busy { holder: holder.clone() },
            Self::Lock(LockError::Disk(error)) | Self::Disk(error) => error.hint().map(str::to_owned),
            Self::Clock(error) => Some(error.hint().to_owned()),
        };
        Outcome::Refused { why: explain(&self), hint }
    }
}

/// The number a transaction would take, and where what is there now is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// The generation that holds, or will hold, what is there now.
    pub backup: u32,
    /// Whether that generation has still to be written.
    pub backup_is_new: bool,
    /// The number of the change itself.
    pub generation: u32,
}

impl<'a> Engine<'a> {
    /// Takes the machine lock for `verb`, waiting up to `wait` for whoever holds it.
    ///
    /// # Errors
    /// The state directory cannot be used, or somebody holds the lock.
    pub fn open(host: &'a Host, verb: &str, wait: Duration) -> Result<Self, EngineError> {
        let state = State::open_or_make(host)?;
        let lock = Lock::take(&state, verb, host.now(), wait)?;
        Ok(Self { host, state, _lock: lock })
    }

    /// Proves that the clock can be right: to be asked before a change, not before a recovery, for undo needs no clock and a machine
    /// without one must be able to recover at boot.
    ///
    /// # Errors
    /// It is before this release, or well before the newest receipt; with `believed`, the latter is overruled: somebody has seen that
    /// it was that receipt's clock which was wrong, and the next receipt is what later runs go by.
    pub fn trust_clock(&self, believed: bool) -> Result<(), EngineError> {
        let newest = if believed { None } else { ledger::newest(&self.state)? };
        Ok(clock::plausible(self.host.now(), newest)?)
    }

    /// reseal's own directory.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Finishes or undoes what an earlier run has left, of one target or of all.
    pub fn recover(&self, target: Option<&str>, when: When, listener: &mut dyn Listener) -> Vec<Recovered> {
        recover::all(self, target, when, listener)
    }

    /// Closes an interrupted transaction by keeping what is there now, for a person who has looked.
    ///
    /// # Errors
    /// A call failed.
    pub fn accept(&self, target: &str, listener: &mut dyn Listener) -> Result<Accepted, DiskError> {
        accept::accept(self, target, listener)
    }

    /// Which numbers a change to these slots would use. Reads only.
    ///
    /// # Errors
    /// The slots or the vault cannot be read.
    pub fn upcoming(
        &self,
        target: &str,
        slots: &[Slot],
        demands: (Option<u32>, &[PathBuf]),
    ) -> Result<Upcoming, WalkError> {
        upcoming(self.host, &self.state, target, slots, demands)
    }

    /// Keeps what is there now as a generation, where none holds exactly that yet, and remembers what was seen; where nothing has
    /// changed since the last snapshot nothing is written, which the second value tells. `change` says where to look; its steps are not
    /// taken.
    ///
    /// # Errors
    /// As an outcome: something cannot be read or kept.
    pub fn snapshot(
        &self,
        change: &Change,
        seen: Seen,
        listener: &mut dyn Listener,
    ) -> Result<(Snapshot, bool), Outcome> {
        stage::snapshot(self, change, seen, listener).map_err(|failure| {
            let why = format!("no snapshot of {} is taken: {}", change.target, failure.why);
            Outcome::Refused { why, hint: failure.hint }
        })
    }

    /// Keeps what a change would put in place as what is to come next, with no effect on the service. What was staged before stays as an
    /// ordinary generation.
    ///
    /// # Errors
    /// As an outcome: the change could not be made as things are, or something cannot be kept.
    pub fn stage(&self, change: &Change, staging: Staging, listener: &mut dyn Listener) -> Result<Next, Outcome> {
        next::stage(self, change, staging, listener).map_err(|failure| {
            let why = format!("nothing is staged for {}: {}", change.target, failure.why);
            Outcome::Refused { why, hint: failure.hint }
        })
    }

    /// Sets the moment before which what is staged is not put in place; none where nothing is staged.
    ///
    /// # Errors
    /// The line that tells of it cannot be used, or a call failed.
    pub fn put_off(&self, target: &str, at: Option<Moment>) -> Result<Option<Next>, NextError> {
        next::put_off(self, target, at)
    }

    /// Puts away what is staged; its generation stays as an ordinary one. Tells whether anything was.
    ///
    /// # Errors
    /// A call failed.
    pub fn drop_next(&self, target: &str) -> Result<bool, DiskError> {
        next::drop(self, target)
    }

    /// What a change would be refused for whatever it puts in place, before anybody is asked for that; `change` has no steps yet. A refusal
    /// is recorded as that of the change.
    ///
    /// # Errors
    /// As an outcome: a program that cannot be run, a place that cannot be replaced, a file system that is read-only or full.
    pub fn foresee(&self, change: &Change, listener: &mut dyn Listener) -> Result<(), Outcome> {
        foresee::foresee(self, change).map_err(|Failure { why, hint }| {
            transaction::refused(self, change, &why, &Checks::default(), listener);
            Outcome::Refused { why, hint }
        })
    }

    /// Makes a change, or ends with everything as it was.
    pub fn run(&self, change: &Change, listener: &mut dyn Listener) -> Outcome {
        transaction::run(self, change, listener)
    }
}

/// That every program of a change can be run, for a dry run that takes no lock.
///
/// # Errors
/// As an outcome: one is not there, or in other hands.
pub fn programs(change: &Change) -> Result<(), Outcome> {
    stage::refuse_programs(change).map_err(|Failure { why, hint }| Outcome::Refused { why, hint })
}

/// What a snapshot is to remember beside the files.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What stood at each slot of the change when it was judged, in their order.
    pub images: Vec<Image>,
    /// The codes of what is wrong.
    pub findings: Vec<String>,
    /// What the listeners show.
    pub listeners: Vec<snapshot::Listener>,
    /// Whether it becomes the wanted state.
    pub sign_off: bool,
}

/// As [`Engine::upcoming`], for a dry run that takes no lock.
///
/// # Errors
/// The slots or the vault cannot be read.
pub fn upcoming(
    host: &Host,
    state: &State,
    target: &str,
    slots: &[Slot],
    demands: (Option<u32>, &[PathBuf]),
) -> Result<Upcoming, WalkError> {
    let Some(vault) = Vault::open(state, target)? else {
        return Ok(Upcoming { backup: 1, backup_is_new: true, generation: 2 });
    };
    let images = images(host, slots, demands)?;
    let next = vault.next()?;
    Ok(match kept(&vault, slots, &images)? {
        Some(backup) => Upcoming { backup, backup_is_new: false, generation: next },
        None => Upcoming { backup: next, backup_is_new: true, generation: next + 1 },
    })
}

/// What stands at the end of every slot's links. Where the directory is not there to which a link leads, nothing is changed, for it may be of
/// a file system that is not mounted; unless the change itself makes it again.
fn images(
    host: &Host,
    slots: &[Slot],
    (owner, lost): (Option<u32>, &[PathBuf]),
) -> Result<Vec<(PathBuf, crate::host::dir::Look)>, WalkError> {
    let trust = host.trusting(owner);
    let look = |slot: &Slot| match host.look(&slot.path, &trust) {
        // At the end of the link is nothing. The link itself is captured with the act that replaces it.
        Err(error) if error.is_absent() && lost.contains(&slot.path) => {
            let end = host.end_of_link(&slot.path, &trust).unwrap_or_else(|| slot.path.clone());
            Ok((end, Look { image: Image::Absent, content: None }))
        }
        Err(error) if error.is_absent() && host.is_link(&slot.path) => {
            let place = host.place(&slot.path, Last::Keep, &trust)?;
            Err(WalkError::LeadsNowhere { to: place.dir.link_text(&place.name)?, path: slot.path.clone() })
        }
        // Its directory is made with it, and goes with it.
        Err(error) if error.is_absent() && slot.role == Role::Fitting => {
            Ok((slot.path.clone(), Look { image: Image::Absent, content: None }))
        }
        other => other,
    };
    slots.iter().map(look).collect()
}

/// The newest whole generation that holds exactly what is there now, attributes included, if there is one.
fn kept(vault: &Vault, slots: &[Slot], looks: &[(PathBuf, crate::host::dir::Look)]) -> Result<Option<u32>, DiskError> {
    let mut candidates = vault.numbers()?;
    // The one committed last is nearly always it.
    candidates.extend(vault.current()?);
    for generation in candidates.into_iter().rev().take(LOOK_BACK) {
        let Ok(manifest) = vault.manifest(generation) else { continue };
        let same_places = manifest.slots.len() == slots.len()
            && manifest.slots.iter().zip(slots).all(|(saved, slot)| saved.path == slot.path && saved.role == slot.role);
        let same_files = manifest.slots.iter().zip(looks).all(|(saved, (_, look))| saved.is(&look.image));
        // Believed only when its own bytes are whole.
        if same_places && same_files && vault.contents(&manifest).is_ok() {
            return Ok(Some(generation));
        }
    }
    Ok(None)
}

/// How many generations are held against what is there before it is simply kept once more.
const LOOK_BACK: usize = 8;

/// How a receipt names who ran it.
fn actor() -> String {
    crate::host::process::actor()
}

/// A label for generations that a change makes.
fn origin(change: &Change) -> Origin {
    Origin::Made { verb: change.verb.to_owned(), why: change.why.clone(), repeats: change.repeats }
}
