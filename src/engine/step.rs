//! Each kind of step: what is captured before it, how it is staged, how it is done, how it is undone.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::beside;
use super::journal::{Act, Kind};
use super::vault::{Vault, VaultError};
use crate::change::{Attributes, Image, Role, Step};
use crate::digest::Digest;
use crate::host::Host;
use crate::host::attributes::{closed_to_others, own};
use crate::host::dir::{Dir, DiskError, Errno, Look};
use crate::host::trust::Trust;
use crate::host::walk::{Last, Place, WalkError};
use crate::outcome::explain;

/// A step could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    /// A call failed, or a directory on the way is in other hands.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The bytes to put back cannot be had.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Something else is there than was seen before.
    #[error("somebody else changed {} meanwhile: {seen} is there instead of {expected}", path.display())]
    Foreign {
        /// The place.
        path: PathBuf,
        /// What was expected, for people.
        expected: String,
        /// What is there.
        seen: String,
    },
}

impl From<DiskError> for StepError {
    fn from(error: DiskError) -> Self {
        Self::Walk(error.into())
    }
}

impl StepError {
    /// What to do about it.
    #[must_use]
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Walk(error) => error.hint(),
            Self::Vault(error) => error.hint(),
            Self::Foreign { .. } => Some("find out who writes there (another certificate tool, a package's script), then run the same command again".to_owned()),
        }
    }
}

type Done<T> = Result<T, StepError>;

/// What the acts work with.
pub(super) struct Bench<'a> {
    /// The machine.
    pub host: &'a Host,
    /// Whose directories are believed.
    pub trust: Trust,
}

impl Bench<'_> {
    fn place(&self, path: &Path) -> Result<Place, WalkError> {
        self.host.place(path, Last::Keep, &self.trust)
    }

    /// The directory an act's place is in, or the nearest above it that is there yet.
    pub(super) fn nearest(&self, act: &Act) -> Done<Dir> {
        let mut path = act.path.as_path();
        loop {
            match self.place(path) {
                Ok(place) => return Ok(place.dir),
                Err(error) if error.is_absent() => path = path.parent().ok_or(error)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What stands at an act's path now. Below a directory that an earlier act makes and that is not there, there is nothing.
    pub(super) fn live(&self, act: &Act) -> Done<Image> {
        match self.place(&act.path) {
            Ok(place) => Ok(place.dir.look(&place.name)?.image),
            Err(error) if error.is_absent() && act.before == Image::Absent => Ok(Image::Absent),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at what a step would replace, proves that it can be replaced, and writes the step down. Changes nothing.
    pub(super) fn capture(&self, step: &Step, staged: String, made: &[Act]) -> Done<Act> {
        let below_new = made.iter().any(|act| act.kind == Kind::MakeDir && step.path().parent() == Some(&act.path));
        let (path, before) = if below_new {
            (step.path().to_owned(), Image::Absent)
        } else {
            let place = self.place(step.path())?;
            place.dir.replaceable(&place.name)?;
            let before = place.dir.look(&place.name)?.image;
            (place.path(), before)
        };
        let refuse = |errno: Errno, what| Err(DiskError { what, path: path.clone(), source: errno.into() }.into());
        let (kind, after) = match step {
            Step::MakeDir { mode, .. } if before == Image::Absent => (Kind::MakeDir, Image::Dir { mode: *mode }),
            Step::MakeDir { .. } => return refuse(Errno::EXIST, "make the directory"),
            Step::PutFile { .. } | Step::PutLink { .. } | Step::RemoveFile { .. }
                if matches!(before, Image::Dir { .. }) =>
            {
                return refuse(Errno::ISDIR, "replace");
            }
            Step::PutFile { content, role, attributes, .. } => {
                let attributes = final_attributes(&before, *role, attributes.as_ref());
                (Kind::PutFile, Image::File { sha256: Digest::of(content.expose()), attributes })
            }
            Step::PutLink { to, .. } => (Kind::PutLink, Image::Link { to: to.clone() }),
            Step::RemoveFile { .. } if before == Image::Absent => return refuse(Errno::NOENT, "remove"),
            Step::RemoveFile { .. } => (Kind::RemoveFile, Image::Absent),
        };
        Ok(Act { kind, path, staged, before, after })
    }

    /// Proves that what was looked at, which is kept, is what was captured, which is replaced: what somebody wrote between the two
    /// looks would be in no backup.
    pub(super) fn agree(acts: &[Act], looks: &[(PathBuf, Look)]) -> Done<()> {
        for (real, look) in looks {
            let replaced = acts.iter().find(|act| act.path == *real);
            if let Some(act) = replaced.filter(|act| !act.before.same_content(&look.image)) {
                return Err(foreign(act, &look.image));
            }
        }
        Ok(())
    }

    /// Proves that the new bytes were made out of what is replaced: what somebody wrote since would be lost with it.
    pub(super) fn made_from(acts: &[Act], seen: &[(PathBuf, Option<Digest>)]) -> Done<()> {
        for (path, digest) in seen {
            let Some(act) = acts.iter().find(|act| act.path == *path) else { continue };
            if act.before.digest() != *digest {
                let expected = digest.map_or("nothing".to_owned(), |digest| format!("file {}", digest.short()));
                return Err(StepError::Foreign { path: path.clone(), expected, seen: act.before.to_string() });
            }
        }
        Ok(())
    }

    /// Writes what a step will put in place beside its place. A new directory is made for real: nothing refers to it yet.
    pub(super) fn stage(&self, step: &Step, act: &Act) -> Done<()> {
        let place = self.place(&act.path)?;
        match (step, &act.after) {
            (Step::MakeDir { mode, .. }, _) => drop(place.dir.make_dir(&place.name, *mode)?),
            (Step::PutFile { content, .. }, Image::File { attributes, .. }) => {
                place.dir.stage(OsStr::new(&act.staged), content, attributes)?;
            }
            (Step::PutLink { to, .. }, _) => place.dir.stage_link(OsStr::new(&act.staged), to)?,
            (Step::RemoveFile { .. } | Step::PutFile { .. }, _) => {}
        }
        Ok(())
    }

    /// Does everything that was staged: one rename each, directly after one another. What was displaced waits under the staged
    /// names and tells what was really there at that instant; if that is not what was captured, all is reversed.
    ///
    /// # Errors
    /// [`StepError::Foreign`] after a complete reversal; anything else may leave some acts done.
    pub(super) fn act(&self, acts: &[Act], places: &[Place]) -> Done<()> {
        for (done, (act, place)) in acts.iter().zip(places).enumerate() {
            if let Err(error) = rename(act, place) {
                if matches!(error, StepError::Foreign { .. }) {
                    reverse_all(&acts[..done], places)?;
                }
                return Err(error);
            }
        }
        for (act, place) in acts.iter().zip(places).filter(|(act, _)| act.kind != Kind::MakeDir) {
            // What cannot be looked at now could be when it was captured: it is something else.
            let seen = match place.dir.look(OsStr::new(&act.staged)) {
                Ok(Look { image, .. }) if image == Image::Absent || image.same_content(&act.before) => continue,
                Ok(Look { image, .. }) => image.to_string(),
                Err(error) => format!("something that cannot be looked at ({})", explain(&error)),
            };
            reverse_all(acts, places)?;
            return Err(StepError::Foreign { path: act.path.clone(), expected: act.before.to_string(), seen });
        }
        Ok(())
    }

    /// Proves that every place still holds what was captured: asked directly before the first rename.
    pub(super) fn unchanged(&self, acts: &[Act], places: &[Place]) -> Done<()> {
        for (act, place) in acts.iter().zip(places).filter(|(act, _)| act.kind != Kind::MakeDir) {
            let live = place.dir.look(&place.name)?.image;
            if !live.same_content(&act.before) {
                return Err(foreign(act, &live));
            }
        }
        Ok(())
    }

    /// Opens the places of all acts, so that nothing has to be looked up between two renames.
    pub(super) fn places(&self, acts: &[Act]) -> Done<Vec<Place>> {
        acts.iter().map(|act| Ok(self.place(&act.path)?)).collect()
    }

    /// Puts back what stood there before. Does nothing where it stands there already, so it may be run any number of times.
    pub(super) fn undo(&self, act: &Act, vault: &Vault, backup: u32) -> Done<()> {
        if act.kind == Kind::MakeDir {
            return Ok(());
        }
        let live = self.live(act)?;
        if restored(act, &live) {
            return Ok(());
        }
        let place = self.place(&act.path)?;
        let staged = OsString::from(&act.staged);
        match &act.before {
            Image::Absent => place.dir.unlink(&place.name)?,
            Image::Dir { .. } => {}
            // What waits there and cannot be looked at is not what was displaced, or is of no use any more: the vault has it too.
            Image::File { .. } | Image::Link { .. }
                if place.dir.look(&staged).is_ok_and(|look| restored(act, &look.image)) =>
            {
                self.put_back(&place, &staged, &live)?;
            }
            Image::File { sha256, attributes } => {
                let bytes = vault.bytes_of(backup, *sha256)?;
                let again = beside::fresh(&staged)?;
                place.dir.stage(&again, &bytes, attributes)?;
                place.dir.rename_over(&again, &place.name)?;
            }
            Image::Link { to } => {
                let again = beside::fresh(&staged)?;
                place.dir.stage_link(&again, to)?;
                place.dir.rename_over(&again, &place.name)?;
            }
        }
        Ok(place.dir.sync()?)
    }

    /// The displaced file itself goes back: same inode, same other names, and no byte of space is needed.
    fn put_back(&self, place: &Place, staged: &OsStr, live: &Image) -> Done<()> {
        if *live == Image::Absent {
            return Ok(place.dir.rename_new(staged, &place.name)?);
        }
        Ok(place.dir.exchange(staged, &place.name)?)
    }

    /// Removes a link, or a directory with the files in it, that nothing refers to any more.
    pub fn retire(&self, path: &Path) -> Done<()> {
        let place = match self.place(path) {
            Ok(place) => place,
            Err(error) if error.is_absent() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match place.dir.look(&place.name)?.image {
            Image::Absent => return Ok(()),
            Image::File { .. } | Image::Link { .. } => place.dir.unlink(&place.name)?,
            Image::Dir { .. } => {
                let dir = place.dir.sub(&place.name)?;
                for name in dir.names()?.iter().filter(|name| is_ours(name)) {
                    dir.unlink(name)?;
                }
                place.dir.remove_empty_dir(&place.name)?;
            }
        }
        Ok(place.dir.sync()?)
    }

    /// Removes what staging and undo have left beside the places; `undone` also removes the directories that were made.
    pub(super) fn clear(&self, acts: &[Act], undone: bool) -> Done<()> {
        for act in acts.iter().rev() {
            let place = match self.place(&act.path) {
                Ok(place) => place,
                Err(error) if error.is_absent() => continue,
                Err(error) => return Err(error.into()),
            };
            match act.kind {
                Kind::MakeDir if undone => place.dir.remove_empty_dir(&place.name)?,
                Kind::MakeDir => continue,
                Kind::PutFile | Kind::PutLink | Kind::RemoveFile => {
                    if !beside::sweep(&place.dir, OsStr::new(&act.staged))? {
                        continue;
                    }
                }
            }
            place.dir.sync()?;
        }
        Ok(())
    }

    /// Removes what it can of what staging and undo have left beside the places, and tells the names under which the rest waits.
    pub(super) fn clear_what_it_can(&self, acts: &[Act]) -> Vec<PathBuf> {
        let stays = |act: &&Act| self.clear(std::slice::from_ref(*act), false).is_err();
        acts.iter().filter(stays).map(|act| act.path.with_file_name(&act.staged)).collect()
    }
}

/// Whether what is seen, at a place or waiting beside it, is what the place held before. Where old and new bytes are the same, owner, mode and labels tell them apart.
pub(super) fn restored(act: &Act, seen: &Image) -> bool {
    if act.before.same_content(&act.after) { *seen == act.before } else { seen.same_content(&act.before) }
}

fn rename(act: &Act, place: &Place) -> Done<()> {
    let staged = OsStr::new(&act.staged);
    match act.kind {
        Kind::MakeDir => Ok(()),
        Kind::PutFile | Kind::PutLink if act.before == Image::Absent => {
            place.dir.rename_new(staged, &place.name).map_err(|error| foreign_if_exists(error, act))
        }
        Kind::PutFile | Kind::PutLink => Ok(place.dir.exchange(staged, &place.name)?),
        Kind::RemoveFile => Ok(place.dir.rename_new(&place.name, staged)?),
    }
}

/// Undoes the renames of these acts, the last one first: every place holds again what it held at that instant.
fn reverse_all(acts: &[Act], places: &[Place]) -> Done<()> {
    for (act, place) in acts.iter().zip(places).rev() {
        reverse(act, place)?;
    }
    sync(places)
}

fn reverse(act: &Act, place: &Place) -> Done<()> {
    let staged = OsStr::new(&act.staged);
    match act.kind {
        Kind::MakeDir => Ok(()),
        Kind::PutFile | Kind::PutLink if act.before == Image::Absent => {
            Ok(place.dir.rename_new(&place.name, staged)?)
        }
        Kind::PutFile | Kind::PutLink => Ok(place.dir.exchange(staged, &place.name)?),
        Kind::RemoveFile => Ok(place.dir.rename_new(staged, &place.name)?),
    }
}

/// Makes the names of all places durable, each directory once.
pub(super) fn sync(places: &[Place]) -> Done<()> {
    let mut synced: Vec<&Path> = Vec::new();
    for Place { dir, .. } in places {
        if !synced.contains(&dir.path()) {
            dir.sync()?;
            synced.push(dir.path());
        }
    }
    Ok(())
}

/// A file that holds a key loses every bit for others, whatever its predecessor had.
fn final_attributes(before: &Image, role: Role, wanted: Option<&Attributes>) -> Attributes {
    let attributes = match (wanted, before) {
        (Some(wanted), _) => wanted.clone(),
        (None, Image::File { attributes, .. }) => attributes.clone(),
        (None, Image::Absent | Image::Link { .. } | Image::Dir { .. }) => {
            own(if role.holds_key() { 0o600 } else { 0o644 })
        }
    };
    if role.holds_key() {
        return closed_to_others(attributes);
    }
    Attributes { mode: attributes.mode & 0o777, ..attributes }
}

/// Whether a file of an adopted generation is one that reseal names: somebody else's is left, and its directory with it.
fn is_ours(name: &OsStr) -> bool {
    let roles = [Role::Leaf, Role::Chain, Role::FullChain, Role::Key, Role::Combined];
    name.to_str().is_some_and(|name| {
        roles.iter().any(|role| {
            let stem = role.file_name().trim_end_matches(".pem");
            name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(".pem")).is_some()
        })
    })
}

fn foreign(act: &Act, seen: &Image) -> StepError {
    StepError::Foreign { path: act.path.clone(), expected: act.before.to_string(), seen: seen.to_string() }
}

fn foreign_if_exists(error: DiskError, act: &Act) -> StepError {
    if error.source.kind() == std::io::ErrorKind::AlreadyExists {
        StepError::Foreign { path: act.path.clone(), expected: act.before.to_string(), seen: "something".to_owned() }
    } else {
        error.into()
    }
}
