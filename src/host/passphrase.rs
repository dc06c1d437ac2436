//! Where the passphrase of a local CA comes from: the first of an ordered list of sources that has it.
//!
//! An argument or an environment variable is no source: both can be read by others while the program runs, and get into
//! shell histories and crash reports.

mod keyring;
mod prompt;

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;
use zeroize::Zeroizing;

use crate::host::Host;
use crate::sensitive::Sensitive;

pub use self::keyring::store;

/// A wish for one passphrase, and the ways in which it may be got.
#[derive(Clone, Debug)]
pub struct PassphraseQuery<'a> {
    /// What it is for, such as `ca-office`; letters, digits, `-`, `_` and `.`, for it becomes a file name.
    pub label: &'a str,
    /// What it opens, for people, such as a file; none: the label says it.
    pub of: Option<&'a str>,
    /// Where the user says that it is. Nothing else is tried then: a passphrase from elsewhere would not be the one meant.
    pub explicit: Option<Explicit>,
    /// Whether a person may be asked.
    pub may_prompt: bool,
    /// Whether a person must type it twice, as for a new one.
    pub confirm: bool,
    /// How long the system's keyring may take, which may itself be asking a person; `None` leaves it out.
    pub keyring: Option<Duration>,
}

impl<'a> PassphraseQuery<'a> {
    /// Without a person: the systemd credential, then the keyring within [`KEYRING_LIMIT`].
    #[must_use]
    pub fn new(label: &'a str) -> Self {
        Self { label, of: None, explicit: None, may_prompt: false, confirm: false, keyring: Some(KEYRING_LIMIT) }
    }
}

/// A place that the user names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Explicit {
    /// A file that its owner alone can read.
    File(PathBuf),
    /// A descriptor that the program inherits, read to its end.
    Fd(i32),
}

/// A source of passphrases.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The file that the user names.
    File(PathBuf),
    /// The descriptor that the user names.
    Fd(i32),
    /// The credential that systemd passes to a unit (`LoadCredentialEncrypted=`).
    Credential(PathBuf),
    /// The keyring of the desktop or the system.
    Keyring,
    /// A person at the terminal.
    Prompt,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::Fd(number) => write!(out, "descriptor {number}"),
            Self::Credential(path) => write!(out, "systemd credential {}", path.display()),
            Self::Keyring => out.write_str("keyring"),
            Self::Prompt => out.write_str("prompt"),
        }
    }
}

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Miss {
    /// The source works, and does not have it.
    #[error("it has none")]
    Absent,
    /// The source is not there: not set up, not running, not unlocked.
    #[error("not available: {why}")]
    Unavailable {
        /// What it says.
        why: String,
    },
    /// It was not wanted.
    #[error("not asked")]
    NotAsked,
    /// It cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// It is a directory, a device, a terminal or the like.
    #[error("it is not a regular file")]
    NotAFile,
    /// Others than its owner could know it.
    #[error("others can read or change it (owner {uid}, mode {mode:04o})")]
    Exposed {
        /// Its owner.
        uid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds more than a passphrase.
    #[error("it is longer than {MOST_BYTES} bytes")]
    TooLong,
    /// It holds nothing.
    #[error("it is empty")]
    Empty,
    /// It was typed differently the second time.
    #[error("the two were not the same")]
    Mismatch,
    /// A signal came while a person was asked.
    #[error("a signal asked to stop")]
    Interrupted,
}

/// No source gave the passphrase.
#[derive(Debug)]
pub struct PassphraseError {
    /// What it is for.
    pub label: String,
    /// Every source in the order of trial, and why it gave nothing.
    pub tried: Vec<(Origin, Miss)>,
}

impl PassphraseError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.tried.last() {
            Some((Origin::File(_), Miss::Exposed { .. })) => "chmod 600, owned by the user who runs reseal",
            Some((Origin::File(_) | Origin::Fd(_), _)) => {
                "correct the source that was named; no other is tried beside it"
            }
            Some((Origin::Prompt, Miss::Mismatch)) => "try again",
            Some((Origin::Credential(_) | Origin::Keyring | Origin::Prompt, _)) => {
                "name a file or a descriptor (`--passphrase-file`, `--passphrase-fd`), load a systemd credential, or run it on a terminal"
            }
            None => "use letters, digits, '-', '_' and '.' in the name, and begin with a letter or a digit",
        }
    }
}

impl fmt::Display for PassphraseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tried.is_empty() {
            return write!(out, "{:?} cannot be the name of a passphrase", self.label);
        }
        write!(out, "no passphrase for {}", self.label)?;
        for (index, (origin, miss)) in self.tried.iter().enumerate() {
            write!(out, "{}{origin}: {miss}", if index == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for PassphraseError {}

/// How long the keyring may take when nobody is there to answer it.
pub const KEYRING_LIMIT: Duration = Duration::from_secs(3);

/// Gets the passphrase: from where the user says; else from the systemd credential `reseal.<label>`, the keyring (service
/// `reseal`, user `<label>`), a person, in this order.
///
/// A credential that is there but cannot be used ends the search, as a named source does. One trailing line break is no part of the
/// passphrase.
///
/// # Errors
/// Every source with its reason. Where the keyring's is [`Miss::Absent`] it answered and has none; [`Miss::Unavailable`] says
/// nothing about what it holds.
pub fn obtain(host: &Host, query: &PassphraseQuery<'_>) -> Result<(Sensitive, Origin), PassphraseError> {
    let around = Around {
        credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        keyring: &keyring::fetch,
        ask: &|question| prompt::ask(question, host),
    };
    obtain_from(query, &around)
}

/// What a query finds around it.
struct Around<'a> {
    credentials: Option<PathBuf>,
    keyring: &'a dyn Fn(&str, Duration) -> Result<Sensitive, Miss>,
    ask: &'a dyn Fn(&str) -> Result<Sensitive, Miss>,
}

const MOST_BYTES: usize = 4096;

fn obtain_from(query: &PassphraseQuery<'_>, around: &Around<'_>) -> Result<(Sensitive, Origin), PassphraseError> {
    let mut search = Search { label: query.label, tried: Vec::new() };
    if !is_label(query.label) {
        return Err(search.give_up());
    }
    if let Some(explicit) = &query.explicit {
        let (origin, result) = match explicit {
            Explicit::File(path) => (Origin::File(path.clone()), read_private(path)),
            Explicit::Fd(number) => (Origin::Fd(*number), read_descriptor(*number)),
        };
        return search.end(origin, result);
    }

    let name = format!("reseal.{}", query.label);
    match &around.credentials {
        None => {
            let why = "CREDENTIALS_DIRECTORY is not set".to_owned();
            search.tried.push((Origin::Credential(name.into()), Miss::Unavailable { why }));
        }
        Some(directory) => {
            let path = directory.join(name);
            match read_file(&path) {
                Err(Miss::Read(error)) if error.kind() == io::ErrorKind::NotFound => {
                    search.tried.push((Origin::Credential(path), Miss::Absent));
                }
                result => return search.end(Origin::Credential(path), result),
            }
        }
    }

    match query.keyring.map_or(Err(Miss::NotAsked), |limit| (around.keyring)(query.label, limit)) {
        Ok(secret) => return Ok((secret, Origin::Keyring)),
        Err(miss) => search.tried.push((Origin::Keyring, miss)),
    }

    let typed = if query.may_prompt { ask_once_or_twice(query, around.ask) } else { Err(Miss::NotAsked) };
    search.end(Origin::Prompt, typed)
}

struct Search<'a> {
    label: &'a str,
    tried: Vec<(Origin, Miss)>,
}

impl Search<'_> {
    fn end(mut self, origin: Origin, result: Result<Sensitive, Miss>) -> Result<(Sensitive, Origin), PassphraseError> {
        match result {
            Ok(secret) => Ok((secret, origin)),
            Err(miss) => {
                self.tried.push((origin, miss));
                Err(self.give_up())
            }
        }
    }

    fn give_up(self) -> PassphraseError {
        PassphraseError { label: self.label.to_owned(), tried: self.tried }
    }
}

/// Whether the label can stand in a file name without meaning another directory or a hidden file.
fn is_label(label: &str) -> bool {
    label.len() <= 64
        && label.starts_with(|first: char| first.is_ascii_alphanumeric())
        && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// A file that the user names: it must be private to the user of the process or to root.
fn read_private(path: &Path) -> Result<Sensitive, Miss> {
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
fn read_file(path: &Path) -> Result<Sensitive, Miss> {
    read_regular(open(path)?)
}

/// Opened so that a named pipe does not block and a terminal does not become ours.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

fn read_regular(file: File) -> Result<Sensitive, Miss> {
    if file.metadata()?.is_file() { read_all(file) } else { Err(Miss::NotAFile) }
}

/// A number alone cannot be turned into a descriptor safely, so all but standard input is opened anew by its name.
fn read_descriptor(number: i32) -> Result<Sensitive, Miss> {
    let file = match number {
        ..0 => return Err(Miss::Read(io::Error::from(io::ErrorKind::InvalidInput))),
        0 => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        1.. => File::open(format!("/proc/self/fd/{number}")).or_else(|_| File::open(format!("/dev/fd/{number}")))?,
    };
    // Typed there it would be shown; a person is asked by the prompt.
    if file.is_terminal() || file.metadata()?.is_dir() {
        return Err(Miss::NotAFile);
    }
    read_all(file)
}

fn read_all(file: File) -> Result<Sensitive, Miss> {
    // Allocated once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 2));
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MOST_BYTES {
        return Err(Miss::TooLong);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    not_empty(Sensitive::from(std::mem::take(&mut *bytes)))
}

fn not_empty(secret: Sensitive) -> Result<Sensitive, Miss> {
    if secret.expose().is_empty() { Err(Miss::Empty) } else { Ok(secret) }
}

fn ask_once_or_twice(
    query: &PassphraseQuery<'_>,
    ask: &dyn Fn(&str) -> Result<Sensitive, Miss>,
) -> Result<Sensitive, Miss> {
    let first = not_empty(ask(&format!("Passphrase for {}: ", query.of.unwrap_or(query.label).escape_debug()))?)?;
    if query.confirm && ask("The same once more: ")? != first {
        return Err(Miss::Mismatch);
    }
    Ok(first)
}

#[cfg(test)]
mod tests;
