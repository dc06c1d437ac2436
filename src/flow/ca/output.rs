//! Files that are written for others to take.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::cert::RevocationList;
use crate::change::Image;
use crate::flow::{Refusal, Session};
use crate::host::attributes;
use crate::host::dir::{Dir, Look};
use crate::host::walk::Last;
use crate::sensitive::Sensitive;

/// What may be replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Over {
    /// Nothing.
    Nothing,
    /// An earlier revocation list.
    List,
}

/// Whether nothing is at a path yet.
pub(super) fn vacant(session: &Session<'_>, path: &Path) -> Result<(), Refusal> {
    let (dir, name) = place(session, path)?;
    free(&dir, &name, Over::Nothing)
}

/// Whether what is at a path is nothing, or a revocation list.
pub(super) fn vacant_or_list(session: &Session<'_>, path: &Path) -> Result<(), Refusal> {
    let (dir, name) = place(session, path)?;
    free(&dir, &name, Over::List)
}

/// Writes a file under a hidden name, and gives it its own only when all of it is on the disk. Where it is.
pub(super) fn put(
    session: &Session<'_>,
    path: &Path,
    content: &Sensitive,
    mode: u32,
    over: Over,
) -> Result<PathBuf, Refusal> {
    let (dir, name) = place(session, path)?;
    free(&dir, &name, over)?;
    let mut hidden = OsString::from(".");
    hidden.push(&name);
    hidden.push(".reseal-new");
    let put = || {
        dir.stage(&hidden, content, &attributes::own(mode))?;
        match over {
            Over::Nothing => dir.rename_new(&hidden, &name)?,
            Over::List => dir.rename_over(&hidden, &name)?,
        }
        dir.sync()
    };
    put().map_err(|error| {
        // The first failure is the one to tell.
        let _ = dir.unlink(&hidden);
        Refusal::from(error)
    })?;
    Ok(dir.path().join(&name))
}

fn place(session: &Session<'_>, path: &Path) -> Result<(Dir, OsString), Refusal> {
    let place = session.host.place(path, Last::Keep, &session.host.trusting(None)).map_err(|error| {
        let refusal = Refusal::from(error);
        let elsewhere = || Some("name a file in a directory that is there and may be written".to_owned());
        Refusal { hint: refusal.hint.or_else(elsewhere), ..refusal }
    })?;
    Ok((place.dir, place.name))
}

fn free(dir: &Dir, name: &OsStr, over: Over) -> Result<(), Refusal> {
    let Look { image, content } = dir.look(name)?;
    let taken = |why: &str| {
        Refusal::new(format!("cannot write {}: {why}", dir.path().join(name).display()))
            .hint("name another file, or move that one away")
    };
    match (image, over, content) {
        (Image::Absent, _, _) => Ok(()),
        (Image::File { .. }, Over::List, Some(old)) if RevocationList::is_one(old.expose()) => Ok(()),
        (Image::File { .. }, Over::List, _) => Err(taken("what is there is no revocation list")),
        (Image::File { .. } | Image::Link { .. } | Image::Dir { .. }, _, _) => Err(taken("it is there already")),
    }
}
