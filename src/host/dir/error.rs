//! What went wrong with one call, on what, and what to do about it.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// An error of one call, with what was tried on what.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", path.display())]
pub struct DiskError {
    /// The attempt, as a verb: `create`, `sync`.
    pub what: &'static str,
    /// On what.
    pub path: PathBuf,
    /// The operating system's answer.
    pub source: io::Error,
}

/// Whether this runs in one of the units that reseal ships, to which most of the file system is read-only (docs/schedule.md).
fn in_a_unit_of_ours() -> bool {
    let group = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    ["reseal-renew", "reseal-post-upgrade", "reseal-check"]
        .iter()
        .any(|unit| group.contains(&format!("/{unit}.service")))
}

impl DiskError {
    pub(in crate::host) fn new(what: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self { what, path: path.into(), source: source.into() }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match Errno::from_io_error(&self.source)? {
            Errno::NOSPC | Errno::DQUOT => {
                Some("free space or inodes on that file system, then run the same command again")
            }
            Errno::ROFS if in_a_unit_of_ours() => Some(
                "this unit may write only where its files say: `reseal schedule install` writes them for this configuration, with `--force` also those \
                 that you have edited",
            ),
            Errno::ROFS => Some("the file system is mounted read-only: mount it writable, or install elsewhere"),
            Errno::ACCESS if READS.contains(&self.what) => Some("run it as a user who may read it, usually root"),
            Errno::ACCESS => Some("run it as a user who may write there, usually root"),
            Errno::NOENT if self.what.starts_with("open the directory") => {
                Some("make the directory first, or name another place")
            }
            Errno::PERM => Some("run it as root; for an immutable file, `chattr -i` it first"),
            Errno::BUSY => Some("the path is a mount point of its own: mount its directory instead of the single file"),
            Errno::IO => Some("the disk reports errors: look at the kernel log before anything else"),
            _ => None,
        }
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Attempts that change nothing.
const READS: &[&str] =
    &["enter", "find", "follow", "list", "look at", "look into", "open", "open the directory", "read", "read the link"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_read_is_not_told_to_write() {
        let hint = |what, errno: Errno| DiskError::new(what, "/x", errno).hint().unwrap_or_default();
        assert!(hint("read", Errno::ACCESS).contains("may read"));
        assert!(hint("create", Errno::ACCESS).contains("may write"));
        assert!(hint("open the directory of", Errno::NOENT).contains("make the directory"));
    }
}
