//! Why a change was refused or has to be undone, whichever part of it failed.

use super::next::NextError;
use super::step::StepError;
use super::vault::VaultError;
use crate::host::dir::DiskError;
use crate::host::exec::ProgramError;
use crate::host::walk::WalkError;
use crate::outcome::explain;

/// A change failed.
pub(super) struct Failure {
    /// What was tried on what, and why it did not work.
    pub(super) why: String,
    /// What to do.
    pub(super) hint: Option<String>,
}

impl Failure {
    /// One without a remedy.
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }
}

macro_rules! failure_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { hint: error.hint().map(Into::into), why: explain(&error) }
            }
        }
    )*};
}
failure_from!(DiskError, NextError, WalkError, StepError, VaultError);

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        Self { hint: Some(error.hint().to_owned()), why: explain(&error) }
    }
}
