//! One reseal at a time. The kernel's lock dies with its holder, so there is no stale one.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::dir::{Dir, DiskError};
use super::state::State;
use crate::moment::whole_second;

const NAME: &str = "lock";
/// Bytes of the line that names the holder.
const LINE: usize = 159;
const POLL: Duration = Duration::from_millis(50);
/// How long it is tried at least: somebody who only looks ([`at_work`]) has it for a moment, and is no reason to give up.
const LOOK: Duration = Duration::from_millis(100);

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
        let deadline = Instant::now() + wait.max(LOOK);
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

/// Somebody who holds the machine lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Process, verb and since when, as far as they could be read.
    pub told: String,
    /// When it took the lock, to the second; none where it has not said so yet.
    pub since: Option<OffsetDateTime>,
}

/// Who holds the machine lock; none: nobody. Writes nothing, and makes no file.
///
/// # Errors
/// A call failed.
pub fn at_work(state: &State) -> Result<Option<Holder>, DiskError> {
    let dir = state.root();
    let path = dir.path().join(NAME);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = match openat(dir.fd(), OsStr::new(NAME), flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(DiskError::new("open", &path, errno)),
    };
    // Shared, so that those who look are not in each other's way; it is given back at once.
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let told = holder(&mut file);
            let since = told.rsplit_once(", since ").and_then(|(_, since)| OffsetDateTime::parse(since, &Rfc3339).ok());
            Ok(Some(Holder { told, since }))
        }
        Err(TryLockError::Error(error)) => Err(DiskError::new("lock", path, error)),
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

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::host::Host;

    #[test]
    fn who_only_looks_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(dir.path().join("state"));
        let state = State::open_or_make(&host).unwrap();
        assert_eq!(at_work(&state).unwrap(), None);
        assert!(!state.root().path().join(NAME).exists(), "a look makes nothing");
        let since = datetime!(2026-12-01 01:02:03.5 UTC);
        let held = Lock::take(&state, "renew", since, Duration::ZERO).unwrap();
        let holder = at_work(&state).unwrap().unwrap();
        assert_eq!(holder.since, Some(datetime!(2026-12-01 01:02:03 UTC)));
        let id = std::process::id();
        assert_eq!(holder.told, format!("process {id}, `reseal renew`, since 2026-12-01T01:02:03Z"));
        drop(held);
        assert_eq!(at_work(&state).unwrap(), None, "what the last one has written there is no holder");

        // Somebody looks just when it is taken by one that does not wait.
        let looking = File::open(state.root().path().join(NAME)).unwrap();
        looking.try_lock_shared().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                drop(looking);
            });
            drop(Lock::take(&state, "renew", since, Duration::ZERO).unwrap());
        });
    }
}
