//! Files below folders, read by many threads, whatever their number.
//!
//! Waiting for the disk is most of the work when nothing is in memory yet, so there are more threads than processors, and each asks for a
//! few files before it reads the first of them. Nothing grows with the tree: a thread keeps the folders it has still to enter on a stack
//! of its own, gives part of it away when another has nothing to do, and reads every file into the same buffer. A folder is taken in
//! pieces, and the folders of a piece come before the next.

mod ahead;
mod file;
mod kernel;
mod place;
mod queue;

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{num::NonZero, thread};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

pub use self::place::Place;

use self::ahead::{Ahead, Asked};
use self::file::{Begun, Reader};
use self::kernel::is_the_kernels;
use self::queue::Queue;

/// What is entered and how.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Follow the symbolic links that are found; those that were named are followed always.
    pub follow: bool,
    /// Stay on the file system of each root.
    pub one_file_system: bool,
    /// Readers; none: [`readers`].
    pub threads: Option<usize>,
}

/// What is to be done with a file, going by what was read of it so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// It is of no interest.
    Nothing,
    /// Nothing yet; read on.
    More,
    /// The whole of it.
    Whole,
}

/// Takes what is found. Each thread has one of its own.
pub trait Visitor: Send {
    /// Goes by the first piece of a file, or by a later one. A later one begins some bytes before the end of the last, so that nothing is
    /// lost that lies across.
    fn wants(&self, piece: &[u8], first: bool) -> Want;

    /// A file of interest, whole.
    fn file(&mut self, place: Place<'_>, bytes: &[u8]);

    /// Something that cannot be read, and why.
    fn trouble(&mut self, path: &Path, why: &io::Error);

    /// There is nothing to do at the moment.
    fn rest(&mut self);

    /// Whether to go on.
    fn goes_on(&self) -> bool;
}

/// What was met so far.
#[derive(Default, Debug)]
pub struct Counts {
    /// Entries that are no folders.
    pub files: AtomicU64,
    /// Files that were read.
    pub read: AtomicU64,
    /// Folders that were entered.
    pub folders: AtomicU64,
    /// Files and folders that could not be read.
    pub unreadable: AtomicU64,
    /// Files over the largest size that is read.
    pub large: AtomicU64,
    /// Links that were not followed, sockets, pipes, devices.
    pub special: AtomicU64,
    /// Folders, and files that links lead to, of the kernel's own or, where asked for, of other file systems.
    pub elsewhere: AtomicU64,
}

impl Counts {
    fn one(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many threads read where nobody says otherwise: what a disk that is asked for many things at a time is fastest with.
#[must_use]
pub fn readers() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    (4 * cores).clamp(8, 32)
}

/// Visits every file at and below the roots. Returns when all is done, or a visitor does not go on.
pub fn walk<V: Visitor>(
    roots: impl Iterator<Item = PathBuf> + Send,
    options: Options,
    counts: &Counts,
    visitor: impl Fn() -> V + Sync,
) {
    let queue = Queue::new(roots);
    let seen = Mutex::default();
    let threads = options.threads.unwrap_or_else(readers).max(1);
    thread::scope(|scope| {
        for _ in 0..threads {
            let worker = || {
                let mut walker = Walker {
                    options,
                    counts,
                    queue: &queue,
                    seen: &seen,
                    stack: Vec::new(),
                    reader: Reader::new(),
                    ahead: Ahead::of(threads),
                    visitor: visitor(),
                };
                walker.work();
            };
            // One reader less is no reason to give up; without any, this thread reads.
            if thread::Builder::new().name("reader".to_owned()).stack_size(STACK).spawn_scoped(scope, worker).is_err() {
                worker();
                break;
            }
        }
    });
}

/// Parsers recurse no deeper than this holds several times over.
const STACK: usize = 1 << 20;

/// Bytes of a folder that are taken at a time: some hundred names.
const PIECE: usize = 8 * 1024;

/// Folders below one another; a path of more has more than the 4,096 bytes that a path may have, or was made to annoy.
const DEEPEST: usize = 1_000;

/// Something still to be done.
enum Task {
    /// A path that was named.
    Root(PathBuf),
    /// A folder, by its name in another.
    Enter { parent: Arc<Folder>, name: CString, follow: bool },
    /// The rest of a folder.
    Rest(Arc<Folder>),
}

struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    device: u64,
    depth: usize,
}

struct Walker<'a, V, R> {
    options: Options,
    counts: &'a Counts,
    queue: &'a Queue<R>,
    /// Device and inode of every folder, where links are followed: without, there is no way back to a folder.
    seen: &'a Mutex<std::collections::HashSet<(u64, u64)>>,
    stack: Vec<Task>,
    reader: Reader,
    ahead: Ahead,
    visitor: V,
}

/// Whoever leaves leaves when all is done or nothing more is to be done; after a panic nobody may wait for this thread either.
struct EndsAll<'a, R>(&'a Queue<R>);

impl<R> Drop for EndsAll<'_, R> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<V: Visitor, R: Iterator<Item = PathBuf>> Walker<'_, V, R> {
    fn work(&mut self) {
        let _ends = EndsAll(self.queue);
        let mut holding = false;
        while self.visitor.goes_on() {
            if self.stack.is_empty() {
                self.read_all_asked();
            }
            let task = self.stack.pop().or_else(|| self.queue.next(&mut holding, || self.visitor.rest()));
            let Some(task) = task else { break };
            match task {
                Task::Root(path) => self.root(&path),
                Task::Enter { parent, name, follow } => self.enter(&parent, &name, follow),
                Task::Rest(folder) => self.piece(&folder),
            }
        }
        self.visitor.rest();
    }

    fn trouble(&mut self, path: &Path, why: &io::Error) {
        Counts::one(&self.counts.unreadable);
        self.visitor.trouble(path, why);
    }

    /// What was named is told of whatever it is: nobody names what is of no interest.
    fn root(&mut self, path: &Path) {
        let looked = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidFilename))
            .and_then(|name| Ok((fs::statat(fs::CWD, &name, AtFlags::empty())?, name)));
        let (stat, name) = match looked {
            Ok(looked) => looked,
            Err(error) => return self.trouble(path, &error),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => match open_folder(fs::CWD, &name, true) {
                Ok(fd) => self.opened(fd, path.to_owned(), None, 0),
                Err(errno) => self.trouble(path, &errno.into()),
            },
            FileType::RegularFile => {
                self.read(None, &name, true);
            }
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                self.trouble(path, &io::Error::other("it is neither a regular file nor a directory"));
            }
        }
    }

    fn enter(&mut self, parent: &Folder, name: &CStr, follow: bool) {
        let path = parent.path.join(OsStr::from_bytes(name.to_bytes()));
        if parent.depth >= DEEPEST {
            return self.trouble(&path, &io::Error::other("more than 1,000 folders lie around it"));
        }
        match open_folder(parent.fd.as_fd(), name, follow) {
            Ok(fd) => self.opened(fd, path, Some(parent.device), parent.depth + 1),
            // Gone, or something else by now.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => self.trouble(&path, &errno.into()),
        }
    }

    fn opened(&mut self, fd: OwnedFd, path: PathBuf, around: Option<u64>, depth: usize) {
        let stat = match fs::fstat(&fd) {
            Ok(stat) => stat,
            Err(errno) => return self.trouble(&path, &errno.into()),
        };
        if around.is_some_and(|device| device != stat.st_dev)
            && (self.options.one_file_system || fs::fstatfs(&fd).is_ok_and(|found| is_the_kernels(found.f_type)))
        {
            return Counts::one(&self.counts.elsewhere);
        }
        if self.options.follow {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if !seen.insert((stat.st_dev, stat.st_ino)) {
                return;
            }
        }
        Counts::one(&self.counts.folders);
        self.piece(&Arc::new(Folder { fd, path, device: stat.st_dev, depth }));
    }

    /// Takes one piece of a folder: reads its files or asks for them, and puts the folders in it and the rest of it on the stack.
    fn piece(&mut self, folder: &Arc<Folder>) {
        let mut names = [MaybeUninit::uninit(); PIECE];
        let mut entries = RawDir::new(&folder.fd, &mut names);
        let base = self.stack.len();
        self.stack.push(Task::Rest(Arc::clone(folder)));
        loop {
            match entries.next() {
                // Both before anything of this piece was met: the rest is still on the stack.
                None => return self.stack.truncate(base),
                Some(Err(errno)) => {
                    self.stack.truncate(base);
                    return self.trouble(&folder.path, &errno.into());
                }
                Some(Ok(entry)) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Some(Ok(entry)) => {
                    if self.queue.somebody_waits() {
                        self.queue.give(&mut self.stack);
                    }
                    self.entry(folder, entry.file_name(), entry.file_type());
                }
            }
            if entries.is_buffer_empty() || !self.visitor.goes_on() {
                return;
            }
        }
    }

    fn entry(&mut self, folder: &Arc<Folder>, name: &CStr, kind: FileType) {
        let (kind, linked) = match kind {
            FileType::Symlink if self.options.follow => (kind_of(&folder.fd, name, AtFlags::empty()), true),
            FileType::Unknown => (kind_of(&folder.fd, name, AtFlags::SYMLINK_NOFOLLOW), false),
            FileType::RegularFile
            | FileType::Directory
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice => (kind, false),
        };
        if kind == FileType::Directory {
            self.stack.push(Task::Enter { parent: Arc::clone(folder), name: name.to_owned(), follow: linked });
            return;
        }
        Counts::one(&self.counts.files);
        if kind != FileType::RegularFile {
            return Counts::one(&self.counts.special);
        }
        if linked && self.leads_elsewhere(folder, name) {
            return Counts::one(&self.counts.elsewhere);
        }
        self.read(Some(folder), name, linked);
    }

    /// Whether a link to a file leads to where no folder would be entered; found out without opening what asks the kernel when it is read.
    fn leads_elsewhere(&self, folder: &Folder, name: &CStr) -> bool {
        let Ok(fd) = fs::openat(&folder.fd, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else { return false };
        let other = fs::fstat(&fd).is_ok_and(|stat| stat.st_dev != folder.device);
        other && (self.options.one_file_system || fs::fstatfs(&fd).is_ok_and(|found| is_the_kernels(found.f_type)))
    }

    /// Reads a file, at once or after others that were asked for.
    fn read(&mut self, folder: Option<&Arc<Folder>>, name: &CStr, follow: bool) {
        let at = folder.map_or(fs::CWD, |folder| folder.fd.as_fd());
        let place = Place { folder: folder.map(|folder| &*folder.path), name };
        match self.reader.begin(at, place, follow, &mut self.visitor) {
            Ok(Begun::Done(done)) => self.done(place, Ok(done)),
            Ok(Begun::Waits(fd)) => {
                self.ahead.ask(Asked::new(fd, folder, name));
                if let Some(due) = self.ahead.due() {
                    self.read_asked(&due);
                }
            }
            Err(error) => self.done(place, Err(error)),
        }
    }

    fn read_asked(&mut self, asked: &Asked) {
        let done = self.reader.end(&asked.fd, asked.place(), &mut self.visitor);
        self.done(asked.place(), done);
    }

    fn read_all_asked(&mut self) {
        while let Some(asked) = self.ahead.first() {
            if !self.visitor.goes_on() {
                return;
            }
            self.read_asked(&asked);
        }
    }

    /// Counts a file, or tells why it was not read. One that was named is told of whatever happened to it.
    fn done(&mut self, place: Place<'_>, done: io::Result<file::Done>) {
        let named = place.folder.is_none();
        if named && done.is_ok() {
            Counts::one(&self.counts.files);
        }
        match done {
            Ok(file::Done::Read) => Counts::one(&self.counts.read),
            Ok(file::Done::TooLarge) if named => {
                let most = super::dir::MAX_FILE;
                self.trouble(
                    &place.path(),
                    &io::Error::other(format!("it has more than the {most} bytes that are read")),
                );
            }
            Ok(file::Done::TooLarge) => Counts::one(&self.counts.large),
            Err(error) if !named && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.trouble(&place.path(), &error),
        }
    }
}

fn open_folder(at: BorrowedFd<'_>, name: &CStr, follow: bool) -> Result<OwnedFd, Errno> {
    let stay = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    fs::openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | stay, Mode::empty())
}

fn kind_of(folder: &OwnedFd, name: &CStr, flags: AtFlags) -> FileType {
    fs::statat(folder, name, flags).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}

#[cfg(test)]
mod tests;
