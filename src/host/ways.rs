//! Ways to directories for whoever looks into many: siblings are reached from the directory they have in common.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::fstat;
use rustix::io::Errno;

use super::Host;
use super::dir::{Dir, DiskError};
use super::trust::Trust;
use super::walk::WalkError;

/// The directory that was asked for last, and the one above, held open. What is asked in one go: whatever is moved meanwhile is still found
/// where it was.
pub struct Ways<'a> {
    host: &'a Host,
    trust: Trust,
    above: Option<(PathBuf, Dir)>,
    last: Option<(PathBuf, Dir)>,
}

impl<'a> Ways<'a> {
    /// With the directories believed that are believed here.
    #[must_use]
    pub fn new(host: &'a Host, trust: Trust) -> Self {
        Self { host, trust, above: None, last: None }
    }

    /// From now on the directories of these are believed: what was held by another belief is let go.
    pub fn believe(&mut self, trust: Trust) {
        if self.trust != trust {
            *self = Self::new(self.host, trust);
        }
    }

    /// Whose directories are believed.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The directory of an absolute path.
    ///
    /// # Errors
    /// As [`Host::dir`].
    pub fn to(&mut self, path: &Path) -> Result<&Dir, WalkError> {
        let held = match self.last.take() {
            Some(held) if held.0 == path => held,
            Some(_) | None => (path.to_owned(), self.find(path)?),
        };
        Ok(&self.last.insert(held).1)
    }

    fn find(&mut self, path: &Path) -> Result<Dir, WalkError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.host.dir(path, &self.trust);
        };
        let above = match self.above.take() {
            Some(held) if held.0 == parent => held,
            Some(_) | None => match self.host.dir(parent, &self.trust) {
                Ok(dir) => (parent.to_owned(), dir),
                // One that may be passed through and not listed, or whatever else the whole way says better.
                Err(_) => return self.host.dir(path, &self.trust),
            },
        };
        let above = &self.above.insert(above).1;
        let dir = match above.sub(name) {
            Ok(dir) => dir,
            // A link: the whole way.
            Err(error) if matches!(Errno::from_io_error(&error.source), Some(Errno::NOTDIR | Errno::LOOP)) => {
                return self.host.dir(path, &self.trust);
            }
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(dir.fd()).map_err(|errno| DiskError::new("look at", dir.path(), errno))?;
        self.trust.believe(&stat, dir.fd().as_fd(), dir.path(), path)?;
        Ok(dir)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// As the whole way leads, and as it is refused.
    #[test]
    fn a_way_leads_where_the_whole_way_does() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let host = Host::new(root.join("state"));
        for name in ["a", "b", "open"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        std::fs::create_dir(root.join("a/in")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        std::fs::set_permissions(root.join("open"), std::fs::Permissions::from_mode(0o777)).unwrap();
        for (link, to) in [("link", "b"), ("away", "nowhere"), ("to-open", "open"), ("loop", "loop")] {
            symlink(to, root.join(link)).unwrap();
        }
        let trust = host.trusting(None);
        let mut ways = Ways::new(&host, trust.clone());
        for name in [
            "a", "a", "a/in", "b", "link", "link/", "away", "open", "to-open", "loop", "file", "none", "none/x",
            "a/../b", ".",
        ] {
            let path = root.join(name);
            let told = |found: Result<PathBuf, WalkError>| found.map_err(|error| error.is_absent());
            let whole = told(host.dir(&path, &trust).map(|dir| dir.path().to_owned()));
            assert_eq!(told(ways.to(&path).map(|dir| dir.path().to_owned())), whole, "{name}");
            let open = matches!(name, "open" | "to-open");
            let untrusted = matches!(ways.to(&path), Err(WalkError::Untrusted { .. }));
            assert_eq!(untrusted, open, "{name}");
        }
        assert!(ways.to(Path::new("/")).is_ok());
    }

    /// The user of one service owns nothing that another's pair may be looked for in.
    #[test]
    fn what_is_believed_of_one_is_not_of_the_next() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can give a directory away");
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let (host, path) = (Host::new(root.path().join("state")), root.path().join("theirs"));
        std::fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        let mut ways = Ways::new(&host, host.trusting(Some(12345)));
        assert!(ways.to(&path).is_ok() && ways.to(&path).is_ok());
        ways.believe(host.trusting(Some(12345)));
        assert!(ways.to(&path).is_ok());
        ways.believe(host.trusting(None));
        assert!(matches!(ways.to(&path), Err(WalkError::Untrusted { .. })));
    }
}
