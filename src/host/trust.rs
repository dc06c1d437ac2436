//! Whose directories are believed, and why one is not.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::Stat;

use super::attributes::lets_others_write;
use super::walk::WalkError;

/// Whose directories are believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trust {
    owners: Vec<u32>,
    root: bool,
}

impl Trust {
    /// Root and the user this process acts as.
    #[must_use]
    pub fn system() -> Self {
        let me = rustix::process::geteuid().as_raw();
        Self { owners: vec![0, me], root: me == 0 }
    }

    /// The same, and a service's own user, whose directories are normal for PostgreSQL or Tomcat.
    #[must_use]
    pub fn and(mut self, uid: u32) -> Self {
        self.owners.push(uid);
        self
    }

    /// Whether directories of this user are believed.
    #[must_use]
    pub fn has(&self, uid: u32) -> bool {
        self.owners.contains(&uid)
    }

    /// Why others could change what is in a directory, if they could.
    fn objection(&self, stat: &Stat, fd: BorrowedFd<'_>) -> Option<String> {
        let mode = stat.st_mode & 0o7777;
        let sticky = mode & 0o1000 != 0;
        if !self.owners.contains(&stat.st_uid) {
            return Some(format!("it belongs to user {}", stat.st_uid));
        }
        if mode & 0o002 != 0 && !sticky {
            return Some(format!("everybody may write there (mode {mode:04o})"));
        }
        if self.root && mode & 0o020 != 0 && !sticky && stat.st_gid != 0 {
            return Some(format!("group {} may write there (mode {mode:04o})", stat.st_gid));
        }
        if self.root && mode & 0o020 != 0 && !sticky {
            match lets_others_write(&held(fd), &self.owners) {
                Ok(false) => {}
                Ok(true) => return Some("its access control list lets others write there".to_owned()),
                Err(error) => return Some(format!("its access control list cannot be read: {error}")),
            }
        }
        None
    }

    /// Refuses a directory on the way to `whole` in which others could change what is there.
    pub(super) fn believe(&self, stat: &Stat, fd: BorrowedFd<'_>, at: &Path, whole: &Path) -> Result<(), WalkError> {
        let untrusted = |why| WalkError::Untrusted { at: at.to_owned(), path: whole.to_owned(), why };
        self.objection(stat, fd).map_or(Ok(()), |why| Err(untrusted(why)))
    }

    /// Why what stands at a name could be what somebody has put there, of those who may make names in its directory.
    pub(super) fn planted(&self, dir: &Stat, fd: BorrowedFd<'_>, stat: &Stat) -> Option<String> {
        let mode = dir.st_mode & 0o7777;
        let listed = || lets_others_write(&held(fd), &self.owners).unwrap_or(true);
        let makes = || mode & 0o002 != 0 || (mode & 0o020 != 0 && (dir.st_gid != 0 || listed()));
        (self.root && !self.owners.contains(&stat.st_uid) && makes())
            .then(|| format!("it belongs to user {}, and others may make files there (mode {mode:04o})", stat.st_uid))
    }
}

/// The path by which alone a handle for the way only can be asked for its attributes.
fn held(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}
