//! Where certificates go that clients are to trust: the system's store, a truststore of Java, a database of NSS.
//!
//! As with targets, what is here describes: which files a store is made of, what they become with one certificate more or less, how
//! the system takes them up and where to see the result. The engine acts; to it a store is a target with a name that no target of the
//! configuration can have ([`Store::target`]), so that journal, backups, undo and recovery are those of every target.
//!
//! Nothing is ever added or removed but by `reseal trust`, and nothing removed that [`Record`] does not have.

pub mod java;
pub mod nss;
mod record;
pub mod system;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::cert::Certificate;
use crate::host::state::name_of;

pub use record::{Entry, Record, RecordError};

/// What the names of stores begin with. A colon is in no target's name.
const PREFIX: &str = "trust:";

/// What every file, alias and nickname of ours begins with, so that a person sees whose it is.
const OURS: &str = "reseal-";

/// A store of trusted certificates.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Store {
    /// The one of the operating system.
    System,
    /// A truststore of Java: JKS or PKCS#12.
    Java(PathBuf),
    /// The directory of an NSS database.
    Nss(PathBuf),
}

impl Store {
    /// What it is to the engine and the records.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{PREFIX}{self}")
    }

    /// The store of a name that [`Store::target`] has made.
    #[must_use]
    pub fn of_target(name: &str) -> Option<Self> {
        name.strip_prefix(PREFIX)?.parse().ok().filter(|store: &Self| !store.is_relative())
    }

    /// The store of a name as the records on disk have it.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        Self::of_target(&name_of(name)?)
    }

    /// The same with a path that does not depend on where reseal was started.
    ///
    /// # Errors
    /// Whatever `absolute` fails with.
    pub fn placed<E>(&self, absolute: impl Fn(&Path) -> Result<PathBuf, E>) -> Result<Self, E> {
        Ok(match self {
            Self::System => Self::System,
            Self::Java(path) => Self::Java(absolute(path)?),
            Self::Nss(path) => Self::Nss(absolute(path)?),
        })
    }

    fn is_relative(&self) -> bool {
        match self {
            Self::System => false,
            Self::Java(path) | Self::Nss(path) => path.is_relative(),
        }
    }
}

impl fmt::Display for Store {
    /// As it is typed.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => out.write_str("os"),
            Self::Java(path) => write!(out, "java:{}", path.display()),
            Self::Nss(path) => write!(out, "nss:{}", path.display()),
        }
    }
}

/// A word that names no store.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no store of trusted certificates; write os, java:FILE or nss:DIRECTORY")]
pub struct UnknownStore(String);

impl FromStr for Store {
    type Err = UnknownStore;

    fn from_str(text: &str) -> Result<Self, UnknownStore> {
        match text.split_once(':') {
            None if text == "os" => Ok(Self::System),
            Some(("java", path)) if !path.is_empty() => Ok(Self::Java(path.into())),
            // As NSS itself writes it.
            Some(("nss", path)) if !path.trim_start_matches("sql:").is_empty() => {
                Ok(Self::Nss(path.trim_start_matches("sql:").into()))
            }
            _ => Err(UnknownStore(text.to_owned())),
        }
    }
}

/// How something that was added stands now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// As it was added.
    InPlace,
    /// Its file is as it was added, and clients do not have it.
    NotTakenUp,
    /// Somebody else has removed it.
    Gone,
    /// Something else stands under its name.
    Changed,
    /// It cannot be told, for this reason.
    Unknown(String),
}

impl Standing {
    /// In a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::InPlace => "in-place",
            Self::NotTakenUp => "not-taken-up",
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// A store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the store {store}: {why}")]
pub struct StoreError {
    /// The store.
    pub store: Store,
    /// What is wrong with it.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
}

impl StoreError {
    fn new(store: &Store, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { store: store.clone(), why: why.into(), hint: Some(hint.into()) }
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// The name by which a certificate is known here unless somebody chooses one: its common name in letters that file names, aliases and
/// nicknames can all have.
#[must_use]
pub fn usual_name(certificate: &Certificate) -> String {
    let mut name = String::new();
    for c in certificate.common_name().unwrap_or_default().chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
        if name.len() >= 40 {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { certificate.fingerprint().short() } else { name.to_owned() }
}

/// Whether a name can be one: a small letter or digit, then those, `.`, `_` and `-`, at most 64. Java and NSS do not tell case apart.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 64
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};

    #[test]
    fn stores_have_one_name_and_no_target_has_it() {
        for word in ["os", "java:/etc/x/cacerts", "nss:/home/a/.pki/nssdb"] {
            let store: Store = word.parse().unwrap();
            assert_eq!(store.to_string(), word);
            assert_eq!(Store::of_target(&store.target()), Some(store.clone()));
            let text =
                format!("[[target]]\nname='{}'\nkind='files'\nnames=['a.example']\ncombined='/c'\n", store.target());
            assert!(crate::config::Config::parse(&text, Path::new("/x")).is_err());
        }
        assert_eq!("nss:sql:/a".parse(), Ok(Store::Nss("/a".into())));
        for word in ["", "java", "java:", "nss:sql:", "windows", "OS", "/etc/x"] {
            assert!(word.parse::<Store>().is_err(), "{word}");
        }
        assert_eq!(Store::of_target("web"), None);
        assert_eq!(Store::of_target("trust:java:x"), None, "a path of a record is whole");
    }

    #[test]
    fn names_are_made_of_plain_letters() {
        for (subject, name) in [
            ("Example Root CA", "example-root-ca"),
            ("../../etc/passwd", "etc-passwd"),
            ("Ä (1)\u{1b}[31m", "1-31m"),
            ("--X--", "x"),
        ] {
            let made = usual_name(&self_signed(&Wish::ca(subject)).certificate);
            assert_eq!(made, name);
            assert!(is_name(&made));
        }
        let strange = self_signed(&Wish::ca("根"));
        assert_eq!(usual_name(&strange.certificate), strange.certificate.fingerprint().short());
        for bad in ["", ".a", "-a", "A", "a/b", "a b", "a\n", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
