//! Files that the disk was asked for, and that are read when it has had time for them.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};

use super::{Folder, Place};

/// What one thread has asked for, first come first served: while it is on its way, the thread opens the next and reads what is there.
pub(super) struct Ahead {
    asked: VecDeque<Asked>,
    most: usize,
}

/// A file that was opened.
pub(super) struct Asked {
    pub(super) fd: OwnedFd,
    /// Where it is; none: its name is a path.
    folder: Option<Arc<Folder>>,
    name: CString,
}

impl Asked {
    pub(super) fn new(fd: OwnedFd, folder: Option<&Arc<Folder>>, name: &CStr) -> Self {
        Self { fd, folder: folder.cloned(), name: name.to_owned() }
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place { folder: self.folder.as_deref().map(|folder| &*folder.path), name: &self.name }
    }
}

impl Ahead {
    /// Files that a disk has well in hand at a time.
    const MOST: usize = 16;

    /// For one of so many threads, which together leave most of the files that the process may have open: each of these may hold its
    /// folder open, too.
    pub(super) fn of(threads: usize) -> Self {
        let open =
            getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let most = (open / 8 / threads.max(1)).min(Self::MOST);
        Self { asked: VecDeque::with_capacity(most), most }
    }

    /// Adds one.
    pub(super) fn ask(&mut self, file: Asked) {
        self.asked.push_back(file);
    }

    /// The one to be read before another is asked for.
    pub(super) fn due(&mut self) -> Option<Asked> {
        if self.asked.len() > self.most { self.asked.pop_front() } else { None }
    }

    /// The one that was asked for first.
    pub(super) fn first(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }
}
