//! Where the files of ACME lie in reseal's own directory, and how they are written.

use std::ffi::OsStr;

use crate::host::attributes::own;
use crate::host::dir::{Dir, DiskError};
use crate::host::state::{State, absent_is_none};
use crate::sensitive::Sensitive;

/// The directory of all of them.
pub(super) const AREA: &str = "acme";

/// Puts a file in place of what was there, whole or not at all; readable by its owner from its first byte.
pub(super) fn keep(dir: &Dir, name: &str, content: &Sensitive) -> Result<(), DiskError> {
    dir.replace(OsStr::new(name), content, &own(0o600))
}

/// A directory below ACME's, made if need be.
pub(super) fn area(state: &State, name: &str) -> Result<Dir, DiskError> {
    state.area(AREA)?.sub_or_make(OsStr::new(name), 0o700)
}

/// A directory below ACME's, if it is there.
pub(super) fn existing_area(state: &State, name: &str) -> Result<Option<Dir>, DiskError> {
    match state.existing_area(AREA)? {
        Some(area) => absent_is_none(area.sub(OsStr::new(name))),
        None => Ok(None),
    }
}
