//! What can go wrong with a request.

use std::path::PathBuf;

use crate::cert::{KeyError, KeyKind, SubjectKey};
use crate::host::dir::DiskError;
use crate::source::encode::Unsigned;

/// A request cannot be made, kept or read.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It would ask for nothing.
    #[error("cannot make a request without names")]
    NoNames,
    /// Which of two would be written, nobody could say.
    #[error("cannot make a request with {} twice in its subject", .0.word())]
    Twice(SubjectKey),
    /// The key is of a kind that signs no requests here.
    #[error("cannot make a request for a key of the kind {0}")]
    CannotSign(KeyKind),
    /// No key could be made.
    #[error("cannot make a key")]
    NoKey(#[from] KeyError),
    /// The encoder refuses.
    #[error("cannot write the request")]
    Encode(#[from] rcgen::Error),
    /// It came out otherwise than it was ordered.
    #[error("the request came out wrong, and is not used: {0}")]
    Wrong(&'static str),
    /// A file of reseal's own is not what was written.
    #[error("cannot use {}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such number.
    #[error("no request {number} of {target} waits here")]
    Missing {
        /// The target.
        target: String,
        /// The number.
        number: u32,
    },
    /// A call failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl From<Unsigned> for RequestError {
    fn from(Unsigned(kind): Unsigned) -> Self {
        Self::CannotSign(kind)
    }
}

impl RequestError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoNames => Some("give the target its `names`".to_owned()),
            Self::CannotSign(_) => Some("choose another kind: `--key-type p256`".to_owned()),
            Self::Damaged { .. } => Some(
                "drop it by the number of its directory, `reseal csr NAME --forget N`, and make another".to_owned(),
            ),
            Self::Missing { .. } => Some("`reseal status` lists those that wait".to_owned()),
            Self::Disk(error) => error.hint().map(str::to_owned),
            Self::Twice(_) => Some("choose one of the two".to_owned()),
            Self::NoKey(_) | Self::Encode(_) | Self::Wrong(_) => None,
        }
    }
}
