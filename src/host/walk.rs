//! From a path to a held directory and a name in it, passing through nothing that others can change.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::dir::{Dir, DiskError};
use super::trust::Trust;
use super::watch::Watch;
use crate::change::typed;

/// Links followed before a path is called a loop, as the kernel does.
const MAX_LINKS: usize = 40;

/// A path could not be followed safely.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// A call failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A directory or link on the way is in other hands.
    #[error("cannot trust {} on the way to {}: {why}", at.display(), path.display())]
    Untrusted {
        /// The directory or link.
        at: PathBuf,
        /// The whole path.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// What stands there was made by somebody else, where others may make files.
    #[error("cannot trust {}: {why}", path.display())]
    Planted {
        /// The file or link.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A link of a service's user leads to what is not theirs.
    #[error("cannot trust the link {} of user {user}: it leads to {}, which belongs to user {owner}", link.display(), to.display())]
    LedAstray {
        /// The link.
        link: PathBuf,
        /// Whose it is.
        user: u32,
        /// Where it leads.
        to: PathBuf,
        /// Whose that is.
        owner: u32,
    },
    /// A link leads to a directory that is not there.
    #[error("{} is a link to {}, and the directory of that is not there", path.display(), to.display())]
    LeadsNowhere {
        /// The link.
        path: PathBuf,
        /// Its text.
        to: PathBuf,
    },
}

impl WalkError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Disk(error) => error.hint().map(str::to_owned),
            Self::Untrusted { at, .. } => Some(format!(
                "whoever may write there could redirect the change: `chown root {0}`, `chmod go-w {0}`, or name the owner as the target's `service_user`",
                typed(at)
            )),
            Self::Planted { path, .. } => Some(format!(
                "`rm {0}`, or `chown root {0}` if it is what it should be, or name the owner as the target's `service_user`",
                typed(path)
            )),
            Self::LedAstray { link, .. } => Some(format!("`rm {}`: a file takes its place", typed(link))),
            Self::LeadsNowhere { path, .. } => Some(format!(
                "mount or make that directory, then run the same command again; or, if the link is not wanted, `rm {}`: a file takes its place",
                typed(path)
            )),
        }
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Disk(error) if error.is_absent())
    }

    /// Whether something is there that can be no file: a directory, or links that lead to one another.
    #[must_use]
    pub fn is_no_file(&self) -> bool {
        let errno = |error: &DiskError| Errno::from_io_error(&error.source);
        matches!(self, Self::Disk(error) if matches!(errno(error), Some(Errno::ISDIR | Errno::LOOP)))
    }
}

/// A name in a held directory.
pub struct Place {
    /// The directory.
    pub dir: Dir,
    /// The name; it need not exist.
    pub name: OsString,
}

impl Place {
    /// The path with every link before the last component resolved.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }
}

/// Whether a link at the end of a path is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Last {
    /// The place is where the link leads.
    Follow,
    /// The place is the link's own.
    Keep,
}

/// Finds the place of an absolute path.
///
/// # Errors
/// A directory on the way is missing, or not trusted; a link loop; a relative path.
pub fn place(path: &Path, last: Last, trust: &Trust, watch: &Watch) -> Result<Place, WalkError> {
    let (mut walk, name) = Walk::to(path, last, trust)?;
    let name = name.ok_or_else(|| DiskError::new("use as a file", path, Errno::ISDIR))?;
    walk.led_to_their_own(&name)?;
    walk.not_planted(&name)?;
    Ok(Place { dir: walk.take(watch)?, name })
}

/// Opens the directory of an absolute path, following links.
///
/// # Errors
/// As [`place`].
pub fn dir(path: &Path, trust: &Trust, watch: &Watch) -> Result<Dir, WalkError> {
    let (mut walk, name) = Walk::to(path, Last::Follow, trust)?;
    match name {
        None => Ok(walk.take(watch)?),
        Some(name) => match walk.stat(&name)? {
            // Somebody has made it since the walk did not find it.
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                walk.enter(&name)?;
                Ok(walk.take(watch)?)
            }
            Some(_) => Err(DiskError::new("open the directory", path, Errno::NOTDIR).into()),
            None => Err(DiskError::new("open the directory", path, Errno::NOENT).into()),
        },
    }
}

struct Walk<'a> {
    whole: &'a Path,
    trust: &'a Trust,
    /// The directories from the root to here, so that `..` means what it means to the kernel.
    held: Vec<(OwnedFd, PathBuf)>,
    /// The user, neither root nor the one who runs this, whose link was followed last: it must not lead to what is not theirs.
    led_by: Option<(u32, PathBuf)>,
}

impl<'a> Walk<'a> {
    /// Walks to the end; the name is `None` when the path is a directory itself.
    fn to(path: &'a Path, last: Last, trust: &'a Trust) -> Result<(Self, Option<OsString>), WalkError> {
        if !path.is_absolute() {
            return Err(DiskError::new("follow the relative path", path, Errno::INVAL).into());
        }
        let mut walk = Self { whole: path, trust, held: Vec::new(), led_by: None };
        let mut ahead: VecDeque<OsString> = VecDeque::new();
        walk.enqueue(path, &mut ahead)?;
        let mut links = 0;
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                if walk.held.len() > 1 {
                    walk.held.pop();
                }
                continue;
            }
            let Some(stat) = walk.stat(&name)? else {
                if ahead.is_empty() {
                    return Ok((walk, Some(name)));
                }
                return Err(DiskError::new("find", walk.here().join(&name), Errno::NOENT).into());
            };
            if ahead.is_empty() && last == Last::Keep {
                return Ok((walk, Some(name)));
            }
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(DiskError::new("follow", path, Errno::LOOP).into());
                    }
                    walk.follow(&name, &stat, &mut ahead)?;
                }
                FileType::Directory => walk.enter(&name)?,
                FileType::RegularFile
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown
                    if ahead.is_empty() =>
                {
                    return Ok((walk, Some(name)));
                }
                FileType::RegularFile
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => {
                    return Err(DiskError::new("enter", walk.here().join(&name), Errno::NOTDIR).into());
                }
            }
        }
        Ok((walk, None))
    }

    fn here(&self) -> &Path {
        self.held.last().map_or(Path::new("/"), |(_, path)| path)
    }

    fn fd(&self) -> rustix::fd::BorrowedFd<'_> {
        self.held.last().map_or(fs::CWD, |(fd, _)| fd.as_fd())
    }

    /// Puts the components of `path` in front of what is ahead; an absolute one starts again at the root.
    fn enqueue(&mut self, path: &Path, ahead: &mut VecDeque<OsString>) -> Result<(), WalkError> {
        if path.is_absolute() {
            self.held.clear();
            let fd = fs::open("/", dir_flags(), Mode::empty()).map_err(|e| DiskError::new("open", "/", e))?;
            self.hold(fd, PathBuf::from("/"))?;
        }
        let components: Vec<OsString> = path
            .components()
            .filter_map(|component| match component {
                Component::Normal(name) => Some(name.to_owned()),
                Component::ParentDir => Some(OsString::from("..")),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
            })
            .collect();
        for name in components.into_iter().rev() {
            ahead.push_front(name);
        }
        Ok(())
    }

    fn stat(&self, name: &OsStr) -> Result<Option<Stat>, DiskError> {
        match fs::statat(self.fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(DiskError::new("look at", self.here().join(name), errno)),
        }
    }

    fn enter(&mut self, name: &OsStr) -> Result<(), WalkError> {
        let path = self.here().join(name);
        let fd = fs::openat(self.fd(), name, dir_flags() | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|errno| DiskError::new("enter", &path, errno))?;
        self.hold(fd, path)
    }

    fn hold(&mut self, fd: OwnedFd, path: PathBuf) -> Result<(), WalkError> {
        let stat = fs::fstat(&fd).map_err(|errno| DiskError::new("look at", &path, errno))?;
        self.trust.believe(&stat, fd.as_fd(), &path, self.whole)?;
        self.held.push((fd, path));
        Ok(())
    }

    /// A link in a directory such as `/tmp`, where everybody may add names, is believed only from a trusted owner.
    fn follow(&mut self, name: &OsStr, stat: &Stat, ahead: &mut VecDeque<OsString>) -> Result<(), WalkError> {
        let at = self.here().join(name);
        if !self.trust.has(stat.st_uid) {
            let why = format!("the link belongs to user {}", stat.st_uid);
            return Err(WalkError::Untrusted { at, path: self.whole.to_owned(), why });
        }
        if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
            self.led_by = Some((stat.st_uid, at.clone()));
        }
        let text = fs::readlinkat(self.fd(), name, Vec::new()).map_err(|e| DiskError::new("read the link", &at, e))?;
        let text = PathBuf::from(<OsString as std::os::unix::ffi::OsStringExt>::from_vec(text.into_bytes()));
        self.enqueue(&text, ahead)
    }

    /// Refuses where a link of the service's user leads to a file, or to a directory without it, that is not theirs: they could have
    /// anything on the machine replaced in this way.
    fn led_to_their_own(&self, name: &OsStr) -> Result<(), WalkError> {
        let Some((user, link)) = self.led_by.clone() else { return Ok(()) };
        let owner = match self.stat(name)? {
            Some(stat) => stat.st_uid,
            None => fs::fstat(self.fd()).map_err(|errno| DiskError::new("look at", self.here(), errno))?.st_uid,
        };
        if owner == user {
            return Ok(());
        }
        Err(WalkError::LedAstray { link, user, to: self.here().join(name), owner })
    }

    /// Refuses a file in a directory such as `/tmp` that somebody has made there who is not trusted: they would own what takes its place.
    fn not_planted(&self, name: &OsStr) -> Result<(), WalkError> {
        let dir = fs::fstat(self.fd()).map_err(|errno| DiskError::new("look at", self.here(), errno))?;
        match self.stat(name)?.and_then(|stat| self.trust.planted(&dir, self.fd(), &stat)) {
            Some(why) => Err(WalkError::Planted { path: self.here().join(name), why }),
            None => Ok(()),
        }
    }

    /// The directory reached, opened so that it can be listed and synced.
    fn take(&mut self, watch: &Watch) -> Result<Dir, DiskError> {
        let path = self.here().to_owned();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::openat(self.fd(), ".", flags, Mode::empty())
            .map_err(|errno| DiskError::new("open the directory", &path, errno))?;
        Ok(Dir::held(fd, path, watch.clone()))
    }
}

/// Only a handle on the way: a directory that may be passed through but not listed is no obstacle.
fn dir_flags() -> OFlags {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let way = OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let way = OFlags::RDONLY;
    way | OFlags::DIRECTORY | OFlags::CLOEXEC
}
