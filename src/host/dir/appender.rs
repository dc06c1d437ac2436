//! Journals and ledgers: every line is durable before anything is done because of it.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::{DiskError, Done};
use crate::host::watch::{Act, Watch};

/// A file of ours that only grows.
pub struct Appender {
    file: File,
    path: PathBuf,
    watch: Watch,
}

impl Appender {
    pub(super) fn of(file: File, path: PathBuf, watch: Watch) -> Self {
        Self { file, path, watch }
    }

    /// Adds bytes and makes them durable.
    ///
    /// # Errors
    /// Whatever the system says. What was written is then unknown; readers must bear a torn end.
    pub fn append(&mut self, bytes: &[u8]) -> Done<()> {
        let failed = |what, source| DiskError { what, path: self.path.clone(), source };
        self.watch.cross(Act::Write, || self.path.clone()).map_err(|e| failed("write", e))?;
        self.file.write_all(bytes).map_err(|e| failed("write", e))?;
        self.watch.cross(Act::SyncFile, || self.path.clone()).map_err(|e| failed("sync", e))?;
        self.file.sync_data().map_err(|e| failed("sync", e))
    }

    /// Cuts a torn end off.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn cut(&mut self, length: u64) -> Done<()> {
        let failed = |source| DiskError { what: "cut", path: self.path.clone(), source };
        self.watch.cross(Act::Truncate, || self.path.clone()).map_err(failed)?;
        self.file.set_len(length).and_then(|()| self.file.sync_all()).map_err(failed)
    }

    /// The file itself, for its lock.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}
