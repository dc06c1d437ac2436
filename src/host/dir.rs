//! Directories held open. Everything done to the disk is done relative to one of these, so that a path that is swapped
//! between the look and the act leads nowhere else.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags};

pub use self::appender::Appender;
pub use self::error::DiskError;
pub use self::preflight::Room;
pub(super) use self::whole::read_regular;
pub use rustix::io::Errno;

use super::attributes;
use super::watch::{Act, Watch};
use crate::change::{Attributes, Image};
use crate::digest::Digest;
use crate::sensitive::Sensitive;

mod appender;
mod error;
mod names;
mod preflight;
mod replace;
mod whole;

/// Largest file that is read whole: no certificate, key or keystore comes near it.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;

type Done<T> = Result<T, DiskError>;

/// What stands at a name, with its bytes where it is a file.
pub struct Look {
    /// What it is.
    pub image: Image,
    /// The bytes of a regular file.
    pub content: Option<Sensitive>,
}

/// A directory held open.
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
    watch: Watch,
}

impl Dir {
    pub(super) fn held(fd: OwnedFd, path: PathBuf, watch: Watch) -> Self {
        Self { fd, path, watch }
    }

    /// Where it is, every link resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn err(&self, what: &'static str, name: &OsStr) -> impl FnOnce(Errno) -> DiskError + use<> {
        let path = self.path.join(name);
        move |errno| DiskError::new(what, path, errno)
    }

    fn io_err(&self, what: &'static str, name: &OsStr) -> impl Fn(io::Error) -> DiskError + use<> {
        let path = self.path.join(name);
        move |source| DiskError { what, path: path.clone(), source }
    }

    fn cross(&self, act: Act, what: &'static str, name: &OsStr) -> Done<()> {
        self.watch.at(act, &self.path, name).map_err(self.io_err(what, name))
    }

    /// What stands at `name`; links are not followed.
    ///
    /// # Errors
    /// Something that is neither file, link, directory nor absent; a file over [`MAX_FILE`]; whatever the system says.
    pub fn look(&self, name: &OsStr) -> Done<Look> {
        let stat = match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Look { image: Image::Absent, content: None }),
            Err(errno) => return Err(self.err("look at", name)(errno)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => Ok(Look { image: Image::Link { to: self.link_text(name)? }, content: None }),
            FileType::Directory => {
                let mode = stat.st_mode & 0o7777;
                Ok(Look { image: Image::Dir { mode }, content: None })
            }
            FileType::RegularFile => {
                let file = self.open_file(name)?;
                let content = self.read_open(&file, name)?;
                let image = Image::File {
                    sha256: Digest::of(content.expose()),
                    attributes: attributes::of(&file).map_err(self.io_err("read the attributes of", name))?,
                };
                Ok(Look { image, content: Some(content) })
            }
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                let source = io::Error::other("it is neither a regular file nor a directory");
                Err(DiskError::new("read", self.path.join(name), source))
            }
        }
    }

    /// The bytes of the regular file at `name`.
    ///
    /// # Errors
    /// Not a regular file, over [`MAX_FILE`], or whatever the system says.
    pub fn read(&self, name: &OsStr) -> Done<Sensitive> {
        let file = self.open_file(name)?;
        self.read_open(&file, name)
    }

    /// The last `max` bytes of the regular file at `name`, and how many come before them.
    ///
    /// # Errors
    /// Not a regular file, or whatever the system says.
    pub fn tail(&self, name: &OsStr, max: u64) -> Done<(Vec<u8>, u64)> {
        let mut file = self.open_file(name)?;
        let failed = self.io_err("read", name);
        let length = file.metadata().map_err(&failed)?.len();
        let skipped = length.saturating_sub(max);
        file.seek(SeekFrom::Start(skipped)).map_err(&failed)?;
        let mut bytes = Vec::with_capacity(usize::try_from(length - skipped).unwrap_or(0) + 1);
        file.take(max).read_to_end(&mut bytes).map_err(&failed)?;
        Ok((bytes, skipped))
    }

    fn open_file(&self, name: &OsStr) -> Done<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = fs::openat(&self.fd, name, flags, Mode::empty()).map_err(self.err("open", name))?;
        Ok(File::from(fd))
    }

    fn read_open(&self, file: &File, name: &OsStr) -> Done<Sensitive> {
        read_regular(file, MAX_FILE).map(Sensitive::from).map_err(self.io_err("read", name))
    }

    /// The text of the link at `name`.
    ///
    /// # Errors
    /// It is no link, or is not there.
    pub fn link_text(&self, name: &OsStr) -> Done<PathBuf> {
        let text = fs::readlinkat(&self.fd, name, Vec::new()).map_err(self.err("read the link", name))?;
        Ok(OsString::from_vec(text.into_bytes()).into())
    }

    /// A directory in it, which is not a link.
    ///
    /// # Errors
    /// It is something else, or is not there.
    pub fn sub(&self, name: &OsStr) -> Done<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::empty()).map_err(self.err("open the directory", name))?;
        Ok(Self { fd, path: self.path.join(name), watch: self.watch.clone() })
    }

    /// Makes a directory with exactly these permission bits, whatever the umask, and makes its name durable.
    ///
    /// # Errors
    /// Something is there already, or whatever the system says.
    pub fn make_dir(&self, name: &OsStr, mode: u32) -> Done<Self> {
        self.cross(Act::MakeDir, "make the directory", name)?;
        fs::mkdirat(&self.fd, name, Mode::RWXU).map_err(self.err("make the directory", name))?;
        let made = self.sub(name)?;
        if mode != 0o700 {
            self.cross(Act::Attributes, "set the mode of", name)?;
            fs::fchmod(&made.fd, Mode::from_raw_mode(mode)).map_err(self.err("set the mode of", name))?;
        }
        self.sync()?;
        Ok(made)
    }

    /// The directory `name`, made if it is not there.
    ///
    /// # Errors
    /// As [`Dir::sub`] and [`Dir::make_dir`].
    pub fn sub_or_make(&self, name: &OsStr, mode: u32) -> Done<Self> {
        match self.sub(name) {
            Err(error) if error.is_absent() => {}
            other => return other,
        }
        match self.make_dir(name, mode) {
            // Two first runs come here at the same time: what the other one has made is as good.
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => self.sub(name),
            other => other,
        }
    }

    /// Removes an empty directory; one that is not there is no error.
    ///
    /// # Errors
    /// It is not empty, or whatever the system says.
    pub fn remove_dir(&self, name: &OsStr) -> Done<()> {
        self.cross(Act::RemoveDir, "remove the directory", name)?;
        match fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.err("remove the directory", name)(errno)),
        }
    }

    /// Removes a directory if nothing is in it; one that somebody else uses by now stays.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn remove_empty_dir(&self, name: &OsStr) -> Done<()> {
        match self.remove_dir(name) {
            Err(error) if error.source.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            other => other,
        }
    }

    /// Writes a new file: created readable by nobody else, given its attributes before anybody may know its name, synced, read
    /// back and compared.
    ///
    /// # Errors
    /// The name is taken, or a step failed; then nothing is left under the name.
    pub fn stage(&self, name: &OsStr, content: &Sensitive, attributes: &Attributes) -> Done<()> {
        self.cross(Act::Create, "create", name)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR).map_err(self.err("create", name))?;
        let filled = self.fill(File::from(fd), name, content, attributes);
        if filled.is_err() {
            let _ = self.unlink(name);
        }
        filled
    }

    fn fill(&self, mut file: File, name: &OsStr, content: &Sensitive, wanted: &Attributes) -> Done<()> {
        self.cross(Act::Write, "write", name)?;
        file.write_all(content.expose()).map_err(self.io_err("write", name))?;
        self.cross(Act::Attributes, "set owner and mode of", name)?;
        attributes::give(&file, wanted).map_err(self.io_err("set owner and mode of", name))?;
        self.cross(Act::SyncFile, "sync", name)?;
        file.sync_all().map_err(self.io_err("sync", name))?;
        file.seek(SeekFrom::Start(0)).map_err(self.io_err("read back", name))?;
        let back = read_regular(&file, MAX_FILE).map(Sensitive::from).map_err(self.io_err("read back", name))?;
        if back != *content {
            return Err(self.io_err("read back", name)(io::Error::other("other bytes came back than were written")));
        }
        Ok(())
    }

    /// Makes a symbolic link under a new name.
    ///
    /// # Errors
    /// The name is taken, or whatever the system says.
    pub fn stage_link(&self, name: &OsStr, to: &Path) -> Done<()> {
        self.cross(Act::Link, "make the link", name)?;
        fs::symlinkat(to, &self.fd, name).map_err(self.err("make the link", name))
    }

    /// Puts `staged` in the place of `name`; what was at `name` is at `staged` afterwards.
    ///
    /// One atomic exchange where the file system can do it. Otherwise the old file gets a second name first and the new one is
    /// renamed over it: equally atomic for readers of `name`.
    ///
    /// # Errors
    /// Whatever the system says; then `name` is as it was.
    pub fn exchange(&self, staged: &OsStr, name: &OsStr) -> Done<()> {
        self.cross(Act::Rename, "replace", name)?;
        match fs::renameat_with(&self.fd, staged, &self.fd, name, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.exchange_by_link(staged, name),
            Err(errno) => Err(self.err("replace", name)(errno)),
        }
    }

    fn exchange_by_link(&self, staged: &OsStr, name: &OsStr) -> Done<()> {
        let mut kept = staged.to_owned();
        kept.push(".old");
        let failed = self.err("replace", name);
        let linked = fs::linkat(&self.fd, name, &self.fd, &kept, AtFlags::empty());
        if let Err(errno) = fs::renameat(&self.fd, staged, &self.fd, name) {
            let _ = fs::unlinkat(&self.fd, &kept, AtFlags::empty());
            return Err(failed(errno));
        }
        // Without hard links the old bytes are in the backup alone, which is where undo looks next.
        if linked.is_ok() {
            fs::renameat(&self.fd, &kept, &self.fd, staged).map_err(self.err("rename", &kept))?;
        }
        Ok(())
    }

    /// Renames where nothing may be in the way.
    ///
    /// # Errors
    /// Something is at `to`, or whatever the system says.
    pub fn rename_new(&self, from: &OsStr, to: &OsStr) -> Done<()> {
        self.cross(Act::Rename, "rename to", to)?;
        match fs::renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if self.look(to)?.image != Image::Absent {
                    return Err(self.err("rename to", to)(Errno::EXIST));
                }
                fs::renameat(&self.fd, from, &self.fd, to).map_err(self.err("rename to", to))
            }
            other => other.map_err(self.err("rename to", to)),
        }
    }

    /// Renames over whatever file or link is at `to`.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn rename_over(&self, from: &OsStr, to: &OsStr) -> Done<()> {
        self.cross(Act::Rename, "rename to", to)?;
        fs::renameat(&self.fd, from, &self.fd, to).map_err(self.err("rename to", to))
    }

    /// Removes a file or link; one that is not there is no error.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn unlink(&self, name: &OsStr) -> Done<()> {
        self.cross(Act::Unlink, "remove", name)?;
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.err("remove", name)(errno)),
        }
    }

    /// Makes the names in it durable. A failure is never retried: the kernel may have dropped the pages, and a second try would call them written.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn sync(&self) -> Done<()> {
        let failed = |source| DiskError { what: "sync the directory", path: self.path.clone(), source };
        self.watch.cross(Act::SyncDir, || self.path.clone()).map_err(failed)?;
        fs::fsync(&self.fd).map_err(|errno| failed(errno.into()))
    }

    /// Opens a file of ours for appending, created readable by nobody else.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn append(&self, name: &OsStr) -> Done<Appender> {
        self.append_as(name, OFlags::empty())
    }

    /// Makes a new file of ours for appending, readable by nobody else.
    ///
    /// # Errors
    /// The name is taken, or whatever the system says.
    pub fn append_new(&self, name: &OsStr) -> Done<Appender> {
        self.append_as(name, OFlags::EXCL)
    }

    fn append_as(&self, name: &OsStr, more: OFlags) -> Done<Appender> {
        self.cross(Act::Create, "open", name)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
        let fd = fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR).map_err(self.err("open", name))?;
        Ok(Appender::of(File::from(fd), self.path.join(name), self.watch.clone()))
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}
