//! What is in a directory.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use rustix::fs;
use rustix::io::Errno;

use super::{Dir, DiskError};

impl Dir {
    /// The names in it, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn names(&self) -> Result<Vec<OsString>, DiskError> {
        self.names_that(|_| true)
    }

    /// Those of them that `keep` takes. No others are held, however many somebody has made.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn names_that(&self, keep: impl Fn(&[u8]) -> bool) -> Result<Vec<OsString>, DiskError> {
        let failed = |errno: Errno| DiskError::new("list", &self.path, errno);
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." && keep(name) {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        names.sort();
        Ok(names)
    }
}
