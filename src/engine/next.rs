//! What is to come: a generation that is whole, checked and kept, and not in place yet.
//!
//! ```text
//! STATE/vault/TARGET/N/      the generation, as any other
//! STATE/vault/TARGET/next    one sealed line: which it is, who staged it, when it is to be put in place, what stood there then
//! ```
//!
//! The line comes last and is replaced as a whole, so that a target has the next one of before or the next one of after. A generation
//! without the line is an ordinary one that was never put in place.

use std::ffi::OsStr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::failure::Failure;
use super::keep::keep_made;
use super::stage::{Prepared, prepare};
use super::vault::{Manifest, Origin, Vault};
use super::{Change, Engine, actor};
use crate::change::Image;
use crate::digest::Digest;
use crate::event::Listener;
use crate::host::attributes::own;
use crate::host::dir::DiskError;
use crate::host::state::absent_is_none;
use crate::moment::Moment;
use crate::outcome::Checks;
use crate::sealed;
use crate::sensitive::Sensitive;

/// The format of lines that this program writes.
pub const FORMAT: u32 = 1;

const NEXT: &str = "next";

/// The verb of generations that are kept to be put in place later.
pub const STAGED: &str = "stage";

impl Manifest {
    /// Whether it was kept to be put in place later: another generation is made of it then, and this one was never served.
    #[must_use]
    pub fn was_staged(&self) -> bool {
        matches!(&self.origin, Origin::Made { verb, .. } if verb == STAGED)
    }
}

/// What is staged for a target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Next {
    /// [`FORMAT`].
    pub format: u32,
    /// The generation that holds it.
    pub generation: u32,
    /// When it was staged, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub staged: OffsetDateTime,
    /// Who staged it: user id and, under sudo, the name of the caller.
    pub actor: String,
    /// Whether a person asked for it, and not the owner's policy.
    pub by_hand: bool,
    /// Whether another was wanted then already, and only its time had not come.
    #[serde(default)]
    pub due: bool,
    /// Why.
    pub why: String,
    /// Not before this moment; none: by the owner's policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// What speaks against it for this target, which somebody insisted on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub insisted: Vec<String>,
    /// What stood in the places of the target when it was staged.
    pub found: Vec<Found>,
}

/// What stood in one place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The path, as the service's configuration has it.
    pub path: PathBuf,
    /// Digest of the file; none where there was none.
    pub sha256: Option<Digest>,
}

/// What is staged cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum NextError {
    /// A call failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The line that tells of it is not what was written, or a newer program's.
    #[error("what is staged for {target} is not known: the line that tells of it {why}")]
    Line {
        /// The target.
        target: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl NextError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Disk(error) => error.hint().map(str::to_owned),
            Self::Line { target, .. } => {
                Some(format!("`reseal stage {target} --drop` puts it away; its generation is kept"))
            }
        }
    }
}

/// Every format has this.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl Next {
    /// What is staged in a vault; none where nothing is.
    ///
    /// # Errors
    /// The line cannot be read, was altered, or was written by a newer program.
    pub fn read(vault: &Vault) -> Result<Option<Self>, NextError> {
        let Some(bytes) = absent_is_none(vault.dir.read(OsStr::new(NEXT)))? else { return Ok(None) };
        let damaged = |why| NextError::Line { target: vault.target.clone(), why };
        let head = sealed::open::<Head>(bytes.expose()).ok_or_else(|| damaged("is not what was written"))?;
        if head.format > FORMAT {
            return Err(damaged("was written by a newer reseal"));
        }
        sealed::open(bytes.expose()).map(Some).ok_or_else(|| damaged("is not what was written"))
    }

    /// Makes it what is staged, in place of what was.
    fn write(&self, vault: &Vault) -> Result<(), DiskError> {
        let line = sealed::line(self).map_err(|error| DiskError {
            what: "encode what is staged for",
            path: vault.path().join(NEXT),
            source: error.into(),
        })?;
        vault.dir.replace(OsStr::new(NEXT), &Sensitive::from(line), &own(0o600))
    }

    /// Whether this is what stands in the places: each of them, and no other.
    #[must_use]
    pub fn was_found(&self, now: &[Found]) -> bool {
        self.found.len() == now.len() && self.found.iter().all(|one| now.contains(one))
    }
}

impl Found {
    /// What stands at a path.
    #[must_use]
    pub fn of(path: PathBuf, image: &Image) -> Self {
        Self { path, sha256: image.digest() }
    }
}

/// What is to be remembered of it beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct Staging {
    /// Whether a person asked for it.
    pub by_hand: bool,
    /// Whether another is wanted already.
    pub due: bool,
    /// Not before this moment.
    pub at: Option<Moment>,
    /// What speaks against it, which somebody insists on.
    pub insisted: Vec<String>,
}

/// Keeps what a change would put in place, after everything that its first part looks at; touches no place of the target.
pub(super) fn stage(
    engine: &Engine<'_>,
    change: &Change,
    staging: Staging,
    listener: &mut dyn Listener,
) -> Result<Next, Failure> {
    let Prepared { acts, looks } = prepare(engine, change, &mut Checks::default(), listener)?;
    let vault = Vault::open_or_make(&engine.state, &change.target)?;
    vault.sweep()?;
    // What cannot be believed is not overwritten: a newer program may know what it is.
    Next::read(&vault)?;
    let generation = vault.take()?;
    keep_made(engine, change, &vault, (generation, &acts), &looks)?;
    if engine.host.interrupted().is_some() {
        return Err(Failure::new("a signal asked to stop"));
    }
    let found = change.slots.iter().zip(&looks).map(|(slot, (_, look))| Found::of(slot.path.clone(), &look.image));
    let next = Next {
        format: FORMAT,
        generation,
        staged: engine.host.now(),
        actor: actor(),
        by_hand: staging.by_hand,
        due: staging.due,
        why: change.why.clone(),
        at: staging.at,
        insisted: staging.insisted,
        found: found.collect(),
    };
    next.write(&vault)?;
    Ok(next)
}

/// Sets another moment, or none.
pub(super) fn put_off(engine: &Engine<'_>, target: &str, at: Option<Moment>) -> Result<Option<Next>, NextError> {
    let Some(vault) = Vault::open(&engine.state, target)? else { return Ok(None) };
    let Some(next) = Next::read(&vault)? else { return Ok(None) };
    let later = Next { at, ..next.clone() };
    if later != next {
        later.write(&vault)?;
    }
    Ok(Some(later))
}

/// What was staged waits no more once a change that repeats it is committed.
pub(super) fn activated(vault: &Vault, generation: u32) -> Result<(), DiskError> {
    // What cannot be read says nothing of this change.
    let Ok(Some(next)) = Next::read(vault) else { return Ok(()) };
    let Ok(Manifest { origin: Origin::Made { repeats, .. }, .. }) = vault.manifest(generation) else { return Ok(()) };
    if repeats == Some(next.generation) {
        vault.dir.unlink(OsStr::new(NEXT))?;
        vault.dir.sync()?;
    }
    Ok(())
}

/// Nothing is staged any more; the generation stays as an ordinary one. Also where the line cannot be believed.
pub(super) fn drop(engine: &Engine<'_>, target: &str) -> Result<bool, DiskError> {
    let Some(vault) = Vault::open(&engine.state, target)? else { return Ok(false) };
    if absent_is_none(vault.dir.read(OsStr::new(NEXT)))?.is_none() {
        return Ok(false);
    }
    vault.dir.unlink(OsStr::new(NEXT))?;
    vault.dir.sync()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// What the first program that staged anything has written, byte for byte.
    #[test]
    fn the_first_format_is_read_and_written() {
        let bytes = include_bytes!("../../fixtures/next/format-1");
        let next: Next = sealed::open(bytes).unwrap();
        assert_eq!((next.format, next.generation, next.by_hand, next.due), (FORMAT, 1, true, false));
        let at = next.at.clone().unwrap();
        assert_eq!((at.at, at.zone.as_deref()), (datetime!(2027-12-05 01:00 UTC), Some("Europe/Berlin")));
        let paths: Vec<&str> = next.found.iter().filter_map(|one| one.path.to_str()).collect();
        assert_eq!(paths, ["/opt/app/web.pem", "/opt/app/web.key"]);
        assert!(next.found.iter().all(|one| one.sha256.is_some()));
        assert_eq!(sealed::line(&next).unwrap(), bytes);
    }
}
