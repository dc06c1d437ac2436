//! Where certificates go.
//!
//! A target describes: which files a service reads, how it is made to read them again, and where to see what it serves. The
//! engine acts; nothing in this folder writes.
//!
//! What an adapter must hold:
//!
//! - [`Target::observe`] changes nothing. It may read files and run programs that only look (`nginx -T`), and it may be called
//!   at any time, any number of times, also while the service is down or its configuration is broken: a broken configuration is
//!   when a certificate has to be repaired.
//! - Two calls with nothing changed in between give equal answers, in the same order.
//! - Paths are those of the service's own configuration: absolute, links not resolved. Where a link leads is for the engine to
//!   find out on the descriptors it works with.
//! - A pair that cannot be handled is left out with a note; a wrong pair is never described.
//! - What is described is enough for a dry run before any certificate exists.
//!
//! To add one: a file here, a variant in [`TargetKind`](crate::config::TargetKind), a row in [`KINDS`].

use std::io;
use std::path::PathBuf;

use crate::change::{Apply, KeyFamily, Probe, Slot};
use crate::config::TargetConfig;
use crate::host::Host;

pub use crate::config::Discovered;

pub mod files;
pub mod layout;
pub mod nginx;

/// A place where certificates go.
pub trait Target {
    /// What it looks like now. Changes nothing.
    ///
    /// # Errors
    /// When the target cannot be told from what is on the machine.
    fn observe(&self, host: &Host) -> Result<Site, TargetError>;
}

/// What a target looks like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// The pairs of certificate and key that are replaced together; at least one.
    pub pairs: Vec<Pair>,
    /// How the service takes new files up.
    pub apply: Apply,
    /// Whether the service reads some pair anew for every handshake, so that no reload marks the moment of the change.
    pub reads_per_handshake: bool,
    /// What a person should know: what was left out, and why.
    pub notes: Vec<String>,
}

/// One certificate and its key, as a service reads them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pair {
    /// The files, certificate first, key last.
    pub slots: Vec<Slot>,
    /// Where to see it served.
    pub probes: Vec<Probe>,
    /// The kind of its key, where the same server has several pairs and only this tells them apart.
    pub family: Option<KeyFamily>,
    /// The names the service uses it for, as a certificate would carry them; empty where the service does not say.
    pub names: Vec<String>,
}

/// A kind of target.
pub struct Kind {
    /// The word for it in the configuration.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes the target that a configuration describes; fails for a configuration of another kind.
    pub open: fn(&TargetConfig) -> Result<Box<dyn Target>, TargetError>,
    /// Finds the pairs of this kind that the machine uses. None at all is no error.
    pub discover: fn(&Host) -> Result<Discovery, TargetError>,
}

/// What a look for pairs has come to.
#[derive(Default)]
pub struct Discovery {
    /// The pairs.
    pub pairs: Vec<Discovered>,
    /// Where they were looked for, for people; none where nothing could be.
    pub looked: Option<String>,
}

/// All kinds of targets.
pub static KINDS: &[Kind] = &[files::KIND, nginx::KIND];

/// Makes the target that a configuration describes.
///
/// # Errors
/// [`TargetError::OtherKind`], which is a bug: every kind of the configuration has a row in [`KINDS`].
pub fn open(config: &TargetConfig) -> Result<Box<dyn Target>, TargetError> {
    match KINDS.iter().find(|kind| kind.name == config.kind.word()) {
        Some(kind) => (kind.open)(config),
        None => Err(TargetError::other_kind(config)),
    }
}

/// Why a target cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A bug: the target was handed to the adapter of another kind.
    #[error("cannot open target {target:?}: {kind:?} is the kind of another adapter")]
    OtherKind {
        /// The target.
        target: String,
        /// Its kind.
        kind: &'static str,
    },
    /// A program that should have told could not.
    #[error("cannot learn from {program} what it reads: {why}")]
    Silent {
        /// The program.
        program: PathBuf,
        /// What it said instead.
        why: String,
    },
    /// A file of the service's configuration cannot be read.
    #[error("cannot read {path}, which belongs to the configuration of target {target:?}")]
    Read {
        /// The target.
        target: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The service's configuration makes no sense.
    #[error("cannot read the configuration of target {target:?}: {file}:{line}: {what}")]
    Syntax {
        /// The target.
        target: String,
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// The service uses no pair that the target means.
    #[error("no pair of target {target:?} was found by {wanted}; found are: {}", list(found))]
    NoPair {
        /// The target.
        target: String,
        /// What was looked for.
        wanted: String,
        /// The pairs there are, as `certificate for names`.
        found: Vec<String>,
    },
    /// A file belongs to a pair of the target and to another pair as well, which replacing it would break.
    #[error("{path} belongs to target {target:?} and also to the pair of {other}")]
    Shared {
        /// The target.
        target: String,
        /// The file.
        path: PathBuf,
        /// The certificate of the other pair.
        other: PathBuf,
    },
}

impl TargetError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::OtherKind { .. } => Some("this is a bug in reseal; please report it"),
            Self::Silent { .. } => Some("set `binary` to the program and `conf` to its configuration file"),
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("no file is there: set `conf` to the service's main configuration file")
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run as a user who may read the service's configuration")
            }
            Self::Read { .. } => Some("it must be a regular file that this user may read"),
            Self::Syntax { .. } => Some("repair the service's configuration, or name its files with kind = \"files\""),
            Self::NoPair { .. } => Some("set `names` to names of the service, or `certificate` to one of the paths"),
            Self::Shared { .. } => {
                Some("give the pairs separate files, or put the names of all servers that use the file into one target")
            }
        }
    }

    fn other_kind(config: &TargetConfig) -> Self {
        Self::OtherKind { target: config.name.clone(), kind: config.kind.word() }
    }
}

fn list(found: &[String]) -> String {
    if found.is_empty() { "none".to_owned() } else { found.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_apart_from_what_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let hint = |conf: &std::path::Path| {
            let conf = conf.display();
            let text = format!(
                "[[target]]\nname='n'\nkind='nginx'\nnames=['a.example']\nbinary='/bin/false'\nconf='{conf}'\n"
            );
            let config = crate::config::Config::parse(&text, std::path::Path::new("/x")).unwrap();
            let observed = open(&config.targets[0]).unwrap().observe(&Host::new(dir.path().join("state")));
            observed.err().unwrap().hint().unwrap()
        };
        let missing = hint(&dir.path().join("nginx.conf"));
        assert!(missing.contains("no file is there") && missing.contains("`conf`"), "{missing}");
        assert!(hint(dir.path()).contains("regular file"));
        let refused =
            |kind| TargetError::Read { target: "n".to_owned(), path: "/x".into(), source: io::Error::from(kind) };
        assert_eq!(
            refused(io::ErrorKind::PermissionDenied).hint(),
            Some("run as a user who may read the service's configuration")
        );
    }

    #[test]
    fn every_kind_has_one_row_and_opens_only_its_own() {
        let text = "[[target]]\nname='f'\nkind='files'\nnames=['a.example']\ncombined='/c'\n\
                    [[target]]\nname='n'\nkind='nginx'\nnames=['a.example']\n";
        let config = crate::config::Config::parse(text, std::path::Path::new("/x")).unwrap();
        for (target, word) in config.targets.iter().zip(["files", "nginx"]) {
            assert!(open(target).is_ok(), "{word}");
            for kind in KINDS {
                assert_eq!((kind.open)(target).is_ok(), kind.name == word, "{word} {}", kind.name);
            }
        }
        let mut names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
    }
}
