//! Something small is put in the place of what was there, whole or not at all.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::{Dir, Done};
use crate::change::Attributes;
use crate::sensitive::Sensitive;

impl Dir {
    /// Puts a file at `name`, in the place of whatever file or link was there. It waits at `.NAME` until all of it is on the disk, so that
    /// a name with a dot in front belongs to nothing else.
    ///
    /// # Errors
    /// As [`Dir::stage`] and [`Dir::rename_over`]; then what was there stands. Where the directory cannot be synced, it is in place and
    /// may not last.
    pub fn replace(&self, name: &OsStr, content: &Sensitive, attributes: &Attributes) -> Done<()> {
        self.replace_by(name, |waiting| self.stage(waiting, content, attributes))
    }

    /// Puts a symbolic link at `name`, as [`Dir::replace`] does with a file.
    ///
    /// # Errors
    /// As [`Dir::stage_link`] and [`Dir::rename_over`]; then what was there stands.
    pub fn replace_link(&self, name: &OsStr, to: &Path) -> Done<()> {
        self.replace_by(name, |waiting| self.stage_link(waiting, to))
    }

    fn replace_by(&self, name: &OsStr, stage: impl FnOnce(&OsStr) -> Done<()>) -> Done<()> {
        let mut waiting = OsString::from(".");
        waiting.push(name);
        // Left by a run that was killed.
        self.unlink(&waiting)?;
        stage(&waiting)?;
        if let Err(error) = self.rename_over(&waiting, name) {
            // The first failure is the one to tell.
            let _ = self.unlink(&waiting);
            return Err(error);
        }
        self.sync()
    }
}
