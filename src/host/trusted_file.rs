//! Reading a file that tells a privileged program what to do.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::dir::{DiskError, MAX_FILE, read_regular};
use super::trust::Trust;
use super::walk::{self, Last, WalkError};
use super::watch::Watch;
use crate::change::{Attributes, Image};
use crate::sensitive::Sensitive;

/// A file could not be read, or somebody else could have written it.
#[derive(Debug, thiserror::Error)]
pub enum TrustedFileError {
    /// A call failed, or a directory on the way is in other hands.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// Others could have written it.
    #[error("cannot trust {}: {why}", path.display())]
    Untrusted {
        /// The file at the end of all links.
        path: PathBuf,
        /// Who could have.
        why: String,
    },
    /// It is not a regular file.
    #[error("cannot read {}: it is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
}

impl From<DiskError> for TrustedFileError {
    fn from(error: DiskError) -> Self {
        Self::Walk(error.into())
    }
}

impl TrustedFileError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Walk(WalkError::Untrusted { at, .. }) => Some(format!(
                "whoever may write there could have reseal run what they like as root: `chown root {0}`, `chmod go-w {0}`",
                at.display()
            )),
            Self::Walk(error) => error.hint(),
            Self::Untrusted { path, .. } => {
                Some(format!("it names commands that run as root: `chown root {0}`, `chmod go-w {0}`", path.display()))
            }
            Self::NotAFile { .. } => Some("name the file itself".to_owned()),
        }
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Walk(error) => error.is_absent(),
            Self::Untrusted { .. } | Self::NotAFile { .. } => false,
        }
    }
}

/// The bytes of a file. Root reads only what nobody else could have written: the file and every directory on the way belong to
/// root, and neither group nor others may write there. For everybody else the file system's own rules are enough.
///
/// # Errors
/// It is not there, no regular file, larger than [`MAX_FILE`](super::dir::MAX_FILE), or not to be trusted.
pub fn read(path: &Path) -> Result<Sensitive, TrustedFileError> {
    let path = absolute(path)?;
    if geteuid().is_root() { read_as_root(&path) } else { read_as_anybody(&path) }
}

fn read_as_root(path: &Path) -> Result<Sensitive, TrustedFileError> {
    let place = walk::place(path, Last::Follow, &Trust::system(), &Watch::default())?;
    let look = place.dir.look(&place.name)?;
    let path = place.path();
    match (look.image, look.content) {
        (Image::File { attributes, .. }, Some(content)) => match objection(&attributes) {
            Some(why) => Err(TrustedFileError::Untrusted { path, why }),
            None => Ok(content),
        },
        (Image::Absent, _) => Err(DiskError::new("read", path, Errno::NOENT).into()),
        (Image::Dir { .. } | Image::Link { .. } | Image::File { .. }, _) => Err(TrustedFileError::NotAFile { path }),
    }
}

fn read_as_anybody(path: &Path) -> Result<Sensitive, TrustedFileError> {
    let failed = |source: io::Error| DiskError::new("read", path, source);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?);
    Ok(read_regular(&file, MAX_FILE).map(Sensitive::from).map_err(failed)?)
}

/// Who other than root could have written a file.
fn objection(attributes: &Attributes) -> Option<String> {
    if attributes.uid != 0 {
        return Some(format!("it belongs to user {}", attributes.uid));
    }
    (attributes.mode & 0o022 != 0).then(|| format!("others than root may write it (mode {:04o})", attributes.mode))
}

/// A path as seen from the directory this process works in.
///
/// # Errors
/// That directory is gone.
pub fn absolute(path: &Path) -> Result<PathBuf, DiskError> {
    std::path::absolute(path).map_err(|source| DiskError::new("make sense of the path", path, source))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn root_reads_what_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        fs::write(&file, "x").unwrap();
        for (mode, good) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false), (0o666, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&file).is_ok(), good || !geteuid().is_root(), "{mode:o}");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(read(&file).is_ok(), !geteuid().is_root());
    }

    #[test]
    fn what_is_no_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(&dir.path().join("none")).err().unwrap().is_absent());
        assert!(!read(dir.path()).err().unwrap().is_absent());
    }
}
