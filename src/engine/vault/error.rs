//! Why a generation cannot be used.

use crate::host::dir::DiskError;

/// A generation cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A call failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no such generation.
    #[error("there is no generation {generation} of {target}")]
    Absent {
        /// The target.
        target: String,
        /// The number.
        generation: u32,
    },
    /// Its attempt failed before the copy was complete.
    #[error("generation {generation} of {target} was never completed")]
    Unfinished {
        /// The target.
        target: String,
        /// The number.
        generation: u32,
    },
    /// It is not what was written.
    #[error("generation {generation} of {target} is damaged: {why}")]
    Damaged {
        /// The target.
        target: String,
        /// The number.
        generation: u32,
        /// What is wrong.
        why: String,
    },
}

impl VaultError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Disk(error) => error.hint().map(str::to_owned),
            Self::Absent { target, .. } | Self::Unfinished { target, .. } | Self::Damaged { target, .. } => {
                Some(format!("`reseal backups verify {target}` lists the ones that are whole"))
            }
        }
    }
}
