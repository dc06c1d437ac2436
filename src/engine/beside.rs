//! The names under which files wait beside their places, in directories that a service's user may write to as well: none is to be guessed
//! before it is taken, and what that user puts at one stops nothing.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;

use crate::host::dir::{Dir, DiskError};
use crate::host::random::unguessable;

/// A name that nobody has, which [`sweep`] finds by the one it begins with.
pub(super) fn fresh(staged: &OsStr) -> Result<OsString, DiskError> {
    let mut name = staged.to_owned();
    name.push(format!(".undo-{}", unguessable()?));
    Ok(name)
}

/// Removes the files and links that wait under `staged` or a name made of it. A directory there is somebody else's: one with something in
/// it is left. Whether anything was there.
pub(super) fn sweep(dir: &Dir, staged: &OsStr) -> Result<bool, DiskError> {
    let begins = [staged.as_encoded_bytes(), b"."].concat();
    let mut any = false;
    for name in dir.names_that(|name| name == staged.as_encoded_bytes() || name.starts_with(&begins))? {
        match dir.unlink(&name) {
            // That it cannot be removed stops nothing either.
            Err(error) if error.source.kind() == ErrorKind::IsADirectory => drop(dir.remove_empty_dir(&name)),
            other => {
                other?;
                any = true;
            }
        }
    }
    Ok(any)
}
