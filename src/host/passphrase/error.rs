//! Why a source gave no passphrase, told apart: none stored, locked, not there, unusable.

use std::{fmt, io};

use super::{MOST_BYTES, Origin};

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Miss {
    /// The source works, and does not have it.
    #[error("it has none")]
    Absent,
    /// The source is there, and shows what it holds only once somebody unlocks it.
    #[error("it is locked")]
    Locked,
    /// The source is not there: not set up, not running, not permitted.
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

impl Miss {
    /// Which kind it is, in one word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Locked => "locked",
            Self::Unavailable { .. } => "unavailable",
            Self::NotAsked => "not-asked",
            Self::Read(_)
            | Self::NotAFile
            | Self::Exposed { .. }
            | Self::TooLong
            | Self::Empty
            | Self::Mismatch
            | Self::Interrupted => "unusable",
        }
    }
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
        let locked = self.tried.iter().any(|(_, miss)| matches!(miss, Miss::Locked));
        match self.tried.last() {
            Some((_, Miss::Interrupted)) => "run it again when there is time for it",
            Some((Origin::File(_), Miss::Exposed { .. })) => "chmod 600, owned by the user who runs reseal",
            Some((Origin::File(_) | Origin::Fd(_), _)) => {
                "correct the source that was named; no other is tried beside it"
            }
            Some((Origin::Prompt, Miss::Mismatch)) => "try again",
            Some((Origin::Keyring | Origin::Kernel | Origin::Prompt, _)) if locked => {
                "unlock the keyring (it opens with the login), name a file or a descriptor (`--passphrase-file`, `--passphrase-fd`), or run it on a terminal"
            }
            Some((Origin::Credential(_) | Origin::Keyring | Origin::Kernel | Origin::Prompt, _)) => {
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
