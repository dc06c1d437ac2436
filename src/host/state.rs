//! reseal's own directory.
//!
//! ```text
//! STATE/lock                       held by whoever changes something
//! STATE/journal/TARGET             a transaction under way
//! STATE/vault/TARGET/N/            generation N
//! STATE/vault/TARGET/current       link to the generation that was committed last
//! STATE/vault/TARGET/next          which generation is staged, and when it is put in place
//! STATE/snapshot/TARGET            what stood there before an upgrade, and what its listeners showed
//! STATE/ledger                     receipts
//! STATE/ca/NAME/                   a local certificate authority
//! STATE/requests/TARGET/N/         a request to a CA elsewhere, and the key that waits for its answer
//! STATE/request-numbers/TARGET     the highest number that one of them ever had
//! STATE/trust/STORE.json           what was added to a store of trusted certificates
//! STATE/nss-copy/                  a database of NSS while certutil works on it; removed at once, or by the next change
//! STATE/lineage/TARGET/            certificate and key for the hooks that run now; removed when they have ended, or by the next run
//! STATE/upgrade/                   marks that hooks of package managers have set
//! STATE/last-run                   how the last scheduled run ended
//! STATE/notify/                    what was told to whom, and what is open
//! STATE/acme/                      accounts, orders under way, what CAs said about renewal
//! ```

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Host;
use super::dir::{Dir, DiskError};
use super::trust::Trust;
use super::walk::{self, Last, WalkError};
use crate::change::typed;

/// reseal's own directory, open, and proved to be nobody else's.
pub struct State {
    root: Dir,
}

/// The state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A call failed or a directory on the way is in other hands.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// Others can look into it.
    #[error("cannot use {} as state directory: it is open to others (mode {mode:04o}, owner {uid})", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner.
        uid: u32,
    },
}

impl From<DiskError> for StateError {
    fn from(error: DiskError) -> Self {
        Self::Walk(error.into())
    }
}

impl StateError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Walk(error) => error.hint(),
            Self::Open { path, .. } => {
                Some(format!("it holds keys: `chmod 0700 {0}` and `chown` it to the user who runs reseal", typed(path)))
            }
        }
    }
}

impl State {
    /// Opens it; `None` when it does not exist yet.
    ///
    /// # Errors
    /// It is not ours alone, or cannot be opened.
    pub fn open(host: &Host) -> Result<Option<Self>, StateError> {
        match walk::dir(&host.state_dir, &host.trust, &host.watch) {
            Ok(root) => Self::checked(root).map(Some),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens it, and makes it (mode 0700) with what is missing above it (mode 0755) when it is not there.
    ///
    /// # Errors
    /// It is not ours alone, or cannot be made.
    pub fn open_or_make(host: &Host) -> Result<Self, StateError> {
        if let Some(state) = Self::open(host)? {
            return Ok(state);
        }
        make_below(&host.state_dir, 0o700, &host.trust, host)?;
        Self::open(host)?.ok_or_else(|| DiskError::new("open", &host.state_dir, Errno::NOENT).into())
    }

    fn checked(root: Dir) -> Result<Self, StateError> {
        let stat = rustix::fs::fstat(root.fd()).map_err(|errno| DiskError::new("look at", root.path(), errno))?;
        let mode = stat.st_mode & 0o7777;
        // What is root's may be looked at by whoever is let in: a service that only looks, and is no user of the machine.
        let ours = stat.st_uid == rustix::process::geteuid().as_raw() || stat.st_uid == 0;
        if mode & 0o077 != 0 || !ours {
            return Err(StateError::Open { path: root.path().to_owned(), mode, uid: stat.st_uid });
        }
        Ok(Self { root })
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Dir {
        &self.root
    }

    /// A directory in it, made when it is not there.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn area(&self, name: &str) -> Result<Dir, DiskError> {
        self.root.sub_or_make(OsStr::new(name), 0o700)
    }

    /// A directory in it, if it is there.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn existing_area(&self, name: &str) -> Result<Option<Dir>, DiskError> {
        absent_is_none(self.root.sub(OsStr::new(name)))
    }
}

/// Turns "not there" into `None`.
///
/// # Errors
/// Every other error.
pub fn absent_is_none<T>(result: Result<T, DiskError>) -> Result<Option<T>, DiskError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a directory with `mode` and what is missing above it with 0755.
fn make_below(path: &Path, mode: u32, trust: &Trust, host: &Host) -> Result<(), WalkError> {
    let found = match walk::place(path, Last::Follow, trust, &host.watch) {
        Err(error) if error.is_absent() => {
            if let Some(parent) = path.parent() {
                make_below(parent, 0o755, trust, host)?;
            }
            walk::place(path, Last::Follow, trust, &host.watch)
        }
        other => other,
    };
    let made = found.and_then(|place| Ok(place.dir.make_dir(&place.name, mode).map(drop)?));
    match made {
        Err(WalkError::Disk(error)) if made_meanwhile(&error) => Ok(()),
        other => other,
    }
}

/// Two first runs come here at the same time. What the other one has made is as good: it is checked when it is opened.
fn made_meanwhile(error: &DiskError) -> bool {
    matches!(Errno::from_io_error(&error.source), Some(Errno::EXIST | Errno::ISDIR))
}

/// The one way in which a name becomes a file name: letters, digits, `-`, `_` and inner dots stay, all else is `%XX`.
#[must_use]
pub fn file_name(name: &str) -> OsString {
    let mut text = String::new();
    for (index, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || (byte == b'.' && index > 0);
        if plain {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text.into()
}

/// The name that [`file_name`] has encoded.
#[must_use]
pub fn name_of(encoded: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_inside() {
        for name in ["../../etc/cron.d/x", "..", ".", "a/b", "nul\0", "NUL:", "-rf\n"] {
            let encoded = file_name(name).into_string().unwrap();
            assert!(!encoded.contains('/') && !encoded.contains('\0') && !encoded.starts_with('.'), "{encoded}");
        }
        assert_eq!(file_name("web-1.example"), OsString::from("web-1.example"));
        assert_ne!(file_name("a%2Fb"), file_name("a/b"), "two names never share a file");
    }
    /// As two timers do on a new machine: neither is to fail because the other was there first.
    #[test]
    fn first_runs_at_the_same_time_do_not_fail_each_other() {
        for round in 0..50 {
            let dir = tempfile::tempdir().unwrap();
            let host = Host::new(dir.path().join("state"));
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        let made = State::open_or_make(&host).map(|state| state.area("area").map(drop));
                        assert!(matches!(made, Ok(Ok(()))), "round {round}: {made:?}");
                    });
                }
            });
        }
    }
}
