//! The seam at which tests break the machine: every call that changes the disk is announced here first.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One call that is about to change the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// The kind of call.
    pub act: Act,
    /// What it acts on: the new name, for a rename.
    pub path: PathBuf,
}

/// The calls that change the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the system call of its name")]
pub enum Act {
    Create,
    Write,
    Attributes,
    SyncFile,
    SyncDir,
    Rename,
    Link,
    Unlink,
    MakeDir,
    RemoveDir,
    Truncate,
    Run,
}

type Hook = dyn Fn(&Crossing) -> io::Result<()> + Send + Sync;

/// Hears every [`Crossing`] and may refuse it, as the operating system would.
///
/// In use nobody listens. The crash tests answer with an error from the k-th crossing on, which leaves the disk as a kill at
/// that very call would.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<Hook>>);

impl Watch {
    /// Asks `hook` before each call.
    #[must_use]
    pub fn with(hook: impl Fn(&Crossing) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(super) fn cross(&self, act: Act, path: impl FnOnce() -> PathBuf) -> io::Result<()> {
        match &self.0 {
            None => Ok(()),
            Some(hook) => hook(&Crossing { act, path: path() }),
        }
    }

    pub(super) fn at(&self, act: Act, dir: &Path, name: &std::ffi::OsStr) -> io::Result<()> {
        self.cross(act, || dir.join(name))
    }
}
