//! One reseal at a time. The kernel's lock dies with its holder, so there is no stale one.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, openat};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::dir::{Dir, DiskError};
use super::state::State;
use crate::moment::whole_second;

const NAME: &str = "lock";
/// Bytes of the line that names the holder.
const LINE: usize = 159;
const POLL: Duration = Duration::from_millis(50);

/// The machine lock, held until dropped.
pub struct Lock {
    _file: File,
}

/// The lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("another reseal is at work: {holder}")]
    Busy {
        /// Process, verb and since when, as far as they could be read.
        holder: String,
    },
    /// It could not be tried.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Lock {
    /// Takes the lock for `verb`, waiting up to `wait` for whoever holds it.
    ///
    /// # Errors
    /// It is still held at the end of the wait, or a call failed.
    pub fn take(state: &State, verb: &str, now: OffsetDateTime, wait: Duration) -> Result<Self, LockError> {
        Self::take_in(state.root(), verb, now, wait)
    }

    /// Takes the lock of a directory of ours, for what is done in it without the machine's.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn take_in(dir: &Dir, verb: &str, now: OffsetDateTime, wait: Duration) -> Result<Self, LockError> {
        let path = dir.path().join(NAME);
        let failed = |what| {
            let path = path.clone();
            move |source: std::io::Error| DiskError::new(what, path, source)
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(dir.fd(), OsStr::new(NAME), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| DiskError::new("open", &path, errno))?;
        let mut file = File::from(fd);
        let deadline = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed("lock")(error).into()),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => return Err(LockError::Busy { holder: holder(&mut file) }),
            }
        }
        let since = whole_second(now).format(&Rfc3339).unwrap_or_default();
        // Always the same length, over what is there: on a full disk this takes no new room, and an undo must not be refused for it.
        let line = format!("{:<LINE$}\n", format!("process {}, `reseal {verb}`, since {since}", std::process::id()));
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(line.as_bytes()))
            .map_err(failed("write the holder to"))?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(500).read_to_string(&mut text));
    match read {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "a process that has not said its name yet".to_owned(),
    }
}
