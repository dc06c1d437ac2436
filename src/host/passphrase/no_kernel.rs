//! Where the kernel has no keyring.

use std::time::Duration;

use super::Miss;
use crate::sensitive::Sensitive;

pub(super) fn fetch(_: &str) -> Result<Sensitive, Miss> {
    Err(none())
}

pub(super) fn look(_: &str) -> Result<Option<Duration>, Miss> {
    Err(none())
}

pub(super) fn keep(_: &str, _: &Sensitive, _: Duration) -> Result<(), Miss> {
    Err(none())
}

pub(super) fn forget(_: &str) -> Result<bool, Miss> {
    Ok(false)
}

fn none() -> Miss {
    Miss::Unavailable { why: "only Linux has one".to_owned() }
}
