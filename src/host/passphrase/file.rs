//! Files and descriptors that hold one passphrase each.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::{MOST_BYTES, Miss, not_empty};
use crate::sensitive::Sensitive;

/// How long whoever writes to a descriptor may take: a program that asks a person first, perhaps.
const WRITTEN_WITHIN: Duration = Duration::from_mins(1);
/// How often a signal is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// A file that the user names: it must be private to the user of the process or to root.
pub(super) fn read_private(path: &Path) -> Result<Sensitive, Miss> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    let (uid, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let ours = uid == 0 || uid == geteuid().as_raw();
    if metadata.is_file() && (mode & 0o077 != 0 || !ours) {
        return Err(Miss::Exposed { uid, mode });
    }
    read_regular(file)
}

/// A file in a directory that is private already. A credential's own mode may name its group, where systemd grants a unit's
/// user access by an ACL.
pub(super) fn read_credential(path: &Path) -> Result<Sensitive, Miss> {
    read_regular(open(path)?)
}

/// Opened so that a named pipe does not block and a terminal does not become ours.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

fn read_regular(file: File) -> Result<Sensitive, Miss> {
    if file.metadata()?.is_file() { read_to_end(file, false, || Ok(())) } else { Err(Miss::NotAFile) }
}

/// A number alone cannot be turned into a descriptor safely, so all but standard input is opened anew by its name.
pub(super) fn read_descriptor(number: i32, interrupted: &dyn Fn() -> bool) -> Result<Sensitive, Miss> {
    let (file, blocks) = match number {
        ..0 => return Err(Miss::Read(io::Error::from(ErrorKind::InvalidInput))),
        0 => (File::from(io::stdin().as_fd().try_clone_to_owned()?), true),
        1.. => {
            let named = open(Path::new(&format!("/proc/self/fd/{number}")));
            match named.or_else(|_| open(Path::new(&format!("/dev/fd/{number}")))) {
                // A socket, which has a name and cannot be opened by it.
                Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => (shared(number)?, true),
                opened => (opened?, false),
            }
        }
    };
    // Typed there it would be shown; a person is asked by the prompt.
    if file.is_terminal() || file.metadata()?.is_dir() {
        return Err(Miss::NotAFile);
    }
    let end = Instant::now() + WRITTEN_WITHIN;
    let waited_for = file.try_clone()?;
    read_to_end(file, blocks, || ready(&waited_for, end, interrupted))
}

/// Another descriptor for what a number of this process stands for, which the kernel hands out as it would one of another process. What
/// reading does to it, whoever else has it sees.
#[cfg(target_os = "linux")]
fn shared(number: i32) -> io::Result<File> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(File::from(pidfd_getfd(this, number, PidfdGetfdFlags::empty())?))
}

#[cfg(not(target_os = "linux"))]
fn shared(_: i32) -> io::Result<File> {
    Err(Errno::NXIO.into())
}

/// Waits until there is something to be read, or the end of it.
fn ready(file: &File, end: Instant, interrupted: &dyn Fn() -> bool) -> Result<(), Miss> {
    // First: a writer that drips is never found silent.
    let late = || Miss::Unavailable { why: format!("its writer did not end within {WRITTEN_WITHIN:?}") };
    if Instant::now() > end {
        return Err(late());
    }
    let slice = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
    loop {
        match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&slice)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(Miss::Read(error.into())),
        }
        if interrupted() {
            return Err(Miss::Interrupted);
        }
        if Instant::now() > end {
            return Err(late());
        }
    }
}

/// Reads all of it. Where reading blocks, `ready` is waited for before each time; otherwise only when there is nothing yet, for the
/// end of a named pipe that others have left is told to readers alone.
fn read_to_end(mut file: File, blocks: bool, ready: impl Fn() -> Result<(), Miss>) -> Result<Sensitive, Miss> {
    // Allocated once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; MOST_BYTES + 1]);
    let mut length = 0;
    while length <= MOST_BYTES {
        if blocks {
            ready()?;
        }
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => ready()?,
            Err(error) => return Err(error.into()),
        }
    }
    if length > MOST_BYTES {
        return Err(Miss::TooLong);
    }
    bytes.truncate(length);
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    not_empty(Sensitive::from(std::mem::take(&mut *bytes)))
}
