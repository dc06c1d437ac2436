//! Where a passphrase comes from: the first of an ordered list of sources that has it.
//!
//! An argument or an environment variable is no source: both can be read by others while the program runs, and get into
//! shell histories and crash reports.

mod error;
mod file;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(not(target_os = "linux"))]
#[path = "passphrase/no_kernel.rs"]
mod kernel;
mod keyring;
mod look;
mod prompt;
#[cfg(target_os = "linux")]
mod service;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::Host;
use crate::sensitive::Sensitive;

pub use self::error::{Miss, PassphraseError};
use self::keyring::Patience;
pub use self::keyring::Stored;
pub use self::look::{Sighting, look};

/// A wish for one passphrase, and the ways in which it may be got.
#[derive(Clone, Debug)]
pub struct PassphraseQuery<'a> {
    /// What it is for, such as `ca-office`; letters, digits, `-`, `_` and `.`, for it becomes a file name.
    pub label: &'a str,
    /// What it opens, for people, such as a file; none: the label says it.
    pub of: Option<&'a str>,
    /// Where the user says that it is. Nothing else is tried then: a passphrase from elsewhere would not be the one meant.
    pub explicit: Option<Explicit>,
    /// Whether a person may be asked: at the terminal, or by a keyring that is locked.
    pub may_prompt: bool,
    /// Whether it is a new one. Then a person types it twice, and the kernel's keyring is not asked: what is made today must not
    /// depend on a copy that is gone in a quarter of an hour.
    pub new: bool,
    /// Whether it is one of those that are kept: without, neither keyring is asked.
    pub kept: bool,
}

impl<'a> PassphraseQuery<'a> {
    /// Without a person: the systemd credential, the keyring, the kernel's keyring.
    #[must_use]
    pub fn new(label: &'a str) -> Self {
        Self { label, of: None, explicit: None, may_prompt: false, new: false, kept: true }
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
    /// The kernel's keyring of this user, a cache.
    Kernel,
    /// A person at the terminal.
    Prompt,
}

impl Origin {
    /// Its kind in one word, for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Fd(_) => "descriptor",
            Self::Credential(_) => "credential",
            Self::Keyring => "keyring",
            Self::Kernel => "kernel",
            Self::Prompt => "prompt",
        }
    }

    /// Its place, where it is a file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Credential(path) => Some(path),
            Self::Fd(_) | Self::Keyring | Self::Kernel | Self::Prompt => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::Fd(number) => write!(out, "descriptor {number}"),
            Self::Credential(path) => write!(out, "systemd credential {}", path.display()),
            Self::Keyring => out.write_str("keyring"),
            Self::Kernel => out.write_str("kernel keyring"),
            Self::Prompt => out.write_str("prompt"),
        }
    }
}

/// Whether a keyring may have a person unlock it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asking {
    /// It may not: one that is locked says so.
    Nobody,
    /// It may, and the person has a minute.
    APerson,
}

impl Asking {
    fn of(may_prompt: bool) -> Self {
        if may_prompt { Self::APerson } else { Self::Nobody }
    }
}

/// Gets the passphrase: from where the user says; else from the systemd credential `reseal.<label>`, the keyring (service
/// `reseal`, user `<label>`), the kernel's keyring, a person, in this order. A keyring that is locked is unlocked by a person only
/// when no source has it that asks nobody.
///
/// A credential that is there but cannot be used ends the search, as a named source does. One trailing line break is no part of the
/// passphrase.
///
/// # Errors
/// Every source with its reason. Where the keyring's is [`Miss::Absent`] it answered and has none; [`Miss::Locked`] and
/// [`Miss::Unavailable`] say nothing about what it holds.
pub fn obtain(host: &Host, query: &PassphraseQuery<'_>) -> Result<(Sensitive, Origin), PassphraseError> {
    let interrupted = || host.interrupted().is_some();
    let around = Around {
        credentials: credentials(),
        keyring: &|label, asking| keyring::fetch(label, Patience { asking, interrupted: &interrupted }),
        kernel: &|label| kernel::fetch(&cached(host, label)),
        ask: &|question| prompt::ask(question, host),
        interrupted: &interrupted,
    };
    obtain_from(query, &around)
}

/// Gets a passphrase from where the user says, or from a person, and from nowhere else: that which is to be kept somewhere.
///
/// # Errors
/// As [`obtain`].
pub fn obtain_anew(host: &Host, query: &PassphraseQuery<'_>) -> Result<(Sensitive, Origin), PassphraseError> {
    let search = Search { label: query.label, tried: Vec::new() };
    match &query.explicit {
        _ if !is_label(query.label) => Err(search.give_up()),
        Some(explicit) => {
            let (origin, result) = named(explicit, &|| host.interrupted().is_some());
            search.end(origin, result)
        }
        None if query.may_prompt => {
            search.end(Origin::Prompt, ask_once_or_twice(query, &|question| prompt::ask(question, host)))
        }
        None => search.end(Origin::Prompt, Err(Miss::NotAsked)),
    }
}

/// Keeps a passphrase in the keyring, for [`obtain`] to find, and reads it back. One that is another is replaced only where
/// `replacing`: it may be the last copy of what opens a key elsewhere.
///
/// # Errors
/// [`Miss::Locked`] or [`Miss::Unavailable`]; then nothing was stored.
pub fn store(host: &Host, label: &str, secret: &Sensitive, replacing: bool, may_prompt: bool) -> Result<Stored, Miss> {
    let interrupted = || host.interrupted().is_some();
    keyring::store(label, secret, replacing, Patience { asking: Asking::of(may_prompt), interrupted: &interrupted })
}

/// Keeps a passphrase in the kernel's keyring of this user for so long, for [`obtain`] to find. It is for records below this
/// host's state directory alone, since another may have a CA of the same name.
///
/// # Errors
/// [`Miss::Unavailable`]: there is none, or it is not permitted.
pub fn cache(host: &Host, label: &str, secret: &Sensitive, lifetime: Duration) -> Result<(), Miss> {
    kernel::keep(&cached(host, label), secret, lifetime)
}

/// Removes a passphrase from the keyring; whether there was one.
///
/// # Errors
/// As [`store`].
pub fn forget(host: &Host, label: &str, may_prompt: bool) -> Result<bool, Miss> {
    let interrupted = || host.interrupted().is_some();
    keyring::forget(label, Patience { asking: Asking::of(may_prompt), interrupted: &interrupted })
}

/// Removes a passphrase from the kernel's keyring; whether there was one.
///
/// # Errors
/// As [`cache`].
pub fn forget_cached(host: &Host, label: &str) -> Result<bool, Miss> {
    kernel::forget(&cached(host, label))
}

/// The name of a passphrase in the kernel's keyring.
fn cached(host: &Host, label: &str) -> String {
    format!("reseal:{}:{label}", host.state_dir().display())
}

fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// What a query finds around it.
struct Around<'a> {
    credentials: Option<PathBuf>,
    keyring: &'a dyn Fn(&str, Asking) -> Result<Sensitive, Miss>,
    kernel: &'a dyn Fn(&str) -> Result<Sensitive, Miss>,
    ask: &'a dyn Fn(&str) -> Result<Sensitive, Miss>,
    interrupted: &'a dyn Fn() -> bool,
}

const MOST_BYTES: usize = 4096;

fn obtain_from(query: &PassphraseQuery<'_>, around: &Around<'_>) -> Result<(Sensitive, Origin), PassphraseError> {
    let mut search = Search { label: query.label, tried: Vec::new() };
    if !is_label(query.label) {
        return Err(search.give_up());
    }
    if let Some(explicit) = &query.explicit {
        let (origin, result) = named(explicit, around.interrupted);
        return search.end(origin, result);
    }
    match credential(query.label, around.credentials.as_deref()) {
        (origin, Err(miss @ (Miss::Absent | Miss::Unavailable { .. }))) => search.tried.push((origin, miss)),
        (origin, result) => return search.end(origin, result),
    }

    match kept(query, || (around.keyring)(query.label, Asking::Nobody)) {
        Ok(secret) => return Ok((secret, Origin::Keyring)),
        Err(miss) => search.tried.push((Origin::Keyring, miss)),
    }
    let cached = if query.new { Err(Miss::NotAsked) } else { kept(query, || (around.kernel)(query.label)) };
    match cached {
        Ok(secret) => return Ok((secret, Origin::Kernel)),
        Err(miss) => search.tried.push((Origin::Kernel, miss)),
    }

    // From here on somebody is asked.
    if !query.may_prompt {
        return search.end(Origin::Prompt, Err(Miss::NotAsked));
    }
    if let Some((_, tried @ Miss::Locked)) = search.tried.iter_mut().find(|(origin, _)| *origin == Origin::Keyring) {
        match (around.keyring)(query.label, Asking::APerson) {
            Ok(secret) => return Ok((secret, Origin::Keyring)),
            Err(Miss::Interrupted) => return search.end(Origin::Prompt, Err(Miss::Interrupted)),
            Err(miss) => *tried = miss,
        }
    }
    search.end(Origin::Prompt, ask_once_or_twice(query, around.ask))
}

fn named(explicit: &Explicit, interrupted: &dyn Fn() -> bool) -> (Origin, Result<Sensitive, Miss>) {
    match explicit {
        Explicit::File(path) => (Origin::File(path.clone()), file::read_private(path)),
        Explicit::Fd(number) => (Origin::Fd(*number), file::read_descriptor(*number, interrupted)),
    }
}

fn credential(label: &str, directory: Option<&Path>) -> (Origin, Result<Sensitive, Miss>) {
    let name = format!("reseal.{label}");
    let Some(directory) = directory else {
        let why = "CREDENTIALS_DIRECTORY is not set".to_owned();
        return (Origin::Credential(name.into()), Err(Miss::Unavailable { why }));
    };
    let path = directory.join(name);
    let result = match file::read_credential(&path) {
        Err(Miss::Read(error)) if error.kind() == io::ErrorKind::NotFound => Err(Miss::Absent),
        result => result,
    };
    (Origin::Credential(path), result)
}

fn kept<T>(query: &PassphraseQuery<'_>, ask: impl FnOnce() -> Result<T, Miss>) -> Result<T, Miss> {
    if query.kept { ask() } else { Err(Miss::NotAsked) }
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

/// Whether the label can stand in a file name without meaning another directory or a hidden file. Names of targets have up to 64
/// characters, and a few stand before them.
fn is_label(label: &str) -> bool {
    label.len() <= 80
        && label.starts_with(|first: char| first.is_ascii_alphanumeric())
        && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn not_empty(secret: Sensitive) -> Result<Sensitive, Miss> {
    if secret.expose().is_empty() { Err(Miss::Empty) } else { Ok(secret) }
}

fn ask_once_or_twice(
    query: &PassphraseQuery<'_>,
    ask: &dyn Fn(&str) -> Result<Sensitive, Miss>,
) -> Result<Sensitive, Miss> {
    let first = not_empty(ask(&format!("Passphrase for {}: ", query.of.unwrap_or(query.label).escape_debug()))?)?;
    if query.new && ask("The same once more: ")? != first {
        return Err(Miss::Mismatch);
    }
    Ok(first)
}

#[cfg(test)]
mod tests;
