//! What is at a path, in one word, for whoever is to be told: nothing is decided by it that a held directory has to decide.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Host;
use super::trust::Trust;
use super::walk::Last;
use crate::change::Image;

impl Host {
    /// Whether anything is at a path, links followed.
    #[must_use]
    pub fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    /// Whether it is known that nothing is at a path, links followed: not where nobody may look.
    #[must_use]
    pub fn is_absent(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_err_and(|why| matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
    }

    /// Whether a folder is at a path, links followed.
    #[must_use]
    pub fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    /// Whose a path is, links not followed; none where nothing is there.
    #[must_use]
    pub fn owner_of(&self, path: &Path) -> Option<u32> {
        std::fs::symlink_metadata(path).ok().map(|found| found.uid())
    }

    /// How many names a file has, hard links counted and symbolic ones not followed; 0 where no file is.
    #[must_use]
    pub fn names_of(&self, path: &Path) -> u64 {
        std::fs::symlink_metadata(path).ok().filter(Metadata::is_file).map_or(0, |found| found.nlink())
    }

    /// Where a path leads at the end of all links; none where nothing is there.
    #[must_use]
    pub fn real(&self, path: &Path) -> Option<PathBuf> {
        std::fs::canonicalize(path).ok()
    }

    /// Where the link at a path leads by its own text, whether or not anything is there; none where no link is.
    #[must_use]
    pub fn end_of_link(&self, path: &Path, trust: &Trust) -> Option<PathBuf> {
        let place = self.place(path, Last::Keep, trust).ok()?;
        match place.dir.look(&place.name).ok()?.image {
            Image::Link { to } => Some(place.dir.path().join(to)),
            Image::Absent | Image::File { .. } | Image::Dir { .. } => None,
        }
    }

    /// Whether a link is at a path, wherever it leads.
    #[must_use]
    pub fn is_link(&self, path: &Path) -> bool {
        path.is_symlink()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_not_to_be_there_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), b"").unwrap();
        std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
        let host = Host::new("");
        let absent = ["file", "loop", "nothing", "file/below"].map(|name| host.is_absent(&at(name)));
        assert_eq!(absent, [false, false, true, true]);
    }
}
