//! Where a file is.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a file is; the path is put together only where somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub(super) folder: Option<&'a Path>,
    pub(super) name: &'a CStr,
}

impl Place<'_> {
    /// The path, as the root was given and the entries are called.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let name = OsStr::from_bytes(self.name.to_bytes());
        let above = self.folder.map_or(0, |folder| folder.as_os_str().len() + 1);
        let mut path = PathBuf::with_capacity(above + name.len());
        path.extend(self.folder);
        path.push(name);
        path
    }

    /// The path for people; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        match self.path().into_os_string().into_string() {
            Ok(text) => text,
            Err(other) => other.to_string_lossy().into_owned(),
        }
    }
}
