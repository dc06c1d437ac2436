//! HTTP-01 (RFC 8555 section 8.3) by a file in the folder of a web server.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::change::Image;
use crate::digest::Digest;
use crate::host::Host;
use crate::host::attributes::own;
use crate::host::dir::{Dir, DiskError};
use crate::host::walk::WalkError;
use crate::sensitive::Sensitive;

const WELL_KNOWN: &str = ".well-known";
const CHALLENGES: &str = "acme-challenge";

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebrootError {
    /// A call failed, or a directory on the way is in other hands.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// Something else stands where the answer should.
    #[error("cannot write {}: something else is there already", path.display())]
    Taken {
        /// The path.
        path: PathBuf,
    },
}

impl From<DiskError> for WebrootError {
    fn from(error: DiskError) -> Self {
        Self::Walk(error.into())
    }
}

impl WebrootError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Walk(error) => error.hint(),
            Self::Taken { path } => Some(format!("look at {} and remove it", path.display())),
        }
    }
}

/// The folder below a web server's root where answers lie, and what was put there: removed when dropped.
pub struct Webroot {
    root: Dir,
    known: Dir,
    challenges: Dir,
    made: (bool, bool),
    files: Vec<String>,
}

impl Webroot {
    /// Opens the folder, made where it is missing. Every directory on the way must be root's, ours or `owner`'s, and writable by nobody
    /// else.
    ///
    /// # Errors
    /// There is no such root, or somebody else could exchange what is written.
    pub fn open(host: &Host, root: &Path, owner: Option<u32>) -> Result<Self, WebrootError> {
        let trust = host.trusting(owner);
        let outer = host.dir(root, &trust)?;
        let (well_known, made_known) = below(&outer, WELL_KNOWN)?;
        let (challenges, made_challenges) = below(&well_known, CHALLENGES)?;
        // Once more by path, so that the new parts are judged like those above.
        let path = challenges.path().to_owned();
        let checked = host.dir(&path, &trust);
        let opened =
            Self { root: outer, known: well_known, challenges, made: (made_known, made_challenges), files: Vec::new() };
        checked?;
        Ok(opened)
    }

    /// Puts an answer where everybody may read it. The same answer, left by a run that was killed, is taken over.
    ///
    /// # Errors
    /// Something else is there, or a call failed.
    pub fn add(&mut self, token: &str, key_authorization: &str) -> Result<(), WebrootError> {
        let name = OsStr::new(token);
        match self.challenges.look(name)?.image {
            Image::Absent => {
                let content = Sensitive::from(key_authorization.to_owned());
                self.challenges.stage(name, &content, &own(0o644))?;
            }
            Image::File { sha256, attributes }
                if sha256 == Digest::of(key_authorization.as_bytes()) && attributes.uid == own(0).uid => {}
            Image::File { .. } | Image::Link { .. } | Image::Dir { .. } => {
                return Err(WebrootError::Taken { path: self.challenges.path().join(name) });
            }
        }
        self.files.push(token.to_owned());
        Ok(())
    }
}

/// The directory of this name, and whether it had to be made: readable by everybody, for a web server is to serve it.
fn below(dir: &Dir, name: &str) -> Result<(Dir, bool), DiskError> {
    let name = OsStr::new(name);
    match dir.sub(name) {
        Err(error) if error.is_absent() => Ok((dir.make_dir(name, 0o755)?, true)),
        other => Ok((other?, false)),
    }
}

impl Drop for Webroot {
    fn drop(&mut self) {
        // What cannot be removed is harmless: it says nothing secret, and the next order's token is another.
        for file in &self.files {
            let _ = self.challenges.unlink(OsStr::new(file));
        }
        if self.made.1 {
            let _ = self.known.remove_empty_dir(OsStr::new(CHALLENGES));
        }
        if self.made.0 {
            let _ = self.root.remove_empty_dir(OsStr::new(WELL_KNOWN));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const TOKEN: &str = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";

    #[test]
    fn what_was_put_there_is_readable_and_goes_again() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(dir.path().join("state"));
        let file = dir.path().join(".well-known/acme-challenge").join(TOKEN);
        let mut webroot = Webroot::open(&host, dir.path(), None).unwrap();
        webroot.add(TOKEN, "key authorization").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "key authorization");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        let _killed = std::mem::ManuallyDrop::new(webroot);
        let mut again = Webroot::open(&host, dir.path(), None).unwrap();
        again.add(TOKEN, "key authorization").unwrap();
        drop(again);
        assert!(!file.exists(), "left by a run that was killed, and removed by the next");
        fs::remove_dir_all(dir.path().join(".well-known")).unwrap();
        drop(Webroot::open(&host, dir.path(), None).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "what was made for it is gone");
    }

    #[test]
    fn a_link_a_stranger_and_other_bytes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(dir.path().join("state"));
        let folder = dir.path().join(".well-known/acme-challenge");
        fs::create_dir_all(&folder).unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, folder.join(TOKEN)).unwrap();
        let mut webroot = Webroot::open(&host, dir.path(), None).unwrap();
        assert!(matches!(webroot.add(TOKEN, "x"), Err(WebrootError::Taken { .. })));
        fs::remove_file(folder.join(TOKEN)).unwrap();
        fs::write(folder.join(TOKEN), "another's").unwrap();
        assert!(matches!(webroot.add(TOKEN, "x"), Err(WebrootError::Taken { .. })));
        drop(webroot);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(fs::read_to_string(folder.join(TOKEN)).unwrap(), "another's", "what is not ours stays");

        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Webroot::open(&host, dir.path(), None).is_err(), "anybody could exchange what is written");
        fs::remove_dir_all(&folder).unwrap();
        symlink("/tmp", &folder).unwrap();
        assert!(Webroot::open(&host, dir.path(), None).is_err(), "a link is not followed");
        assert!(Webroot::open(&host, &dir.path().join("absent"), None).is_err());
    }
}
