//! A look at the Secret Service that asks no person: whether it is there, whether it is locked, whether it has an item.
//!
//! The library that reads and writes items unlocks what it touches, and so asks whoever sits at the screen.

use std::collections::HashMap;

use secret_service::blocking::SecretService;
use secret_service::{EncryptionType, Error};

use super::Miss;

/// Whether there is an unlocked item for `service` and `user`.
///
/// # Errors
/// [`Miss::Absent`], [`Miss::Locked`], [`Miss::Unavailable`].
pub(super) fn look(service: &str, user: &str) -> Result<(), Miss> {
    let bus = connect()?;
    let found = bus.search_items(HashMap::from([("service", service), ("username", user)])).map_err(|e| miss(&e))?;
    match (found.unlocked.is_empty(), found.locked.is_empty()) {
        // One of several is no answer: which would be meant?
        (_, false) => Err(Miss::Locked),
        (false, true) => Ok(()),
        (true, true) => Err(Miss::Absent),
    }
}

/// Whether the keyring that new items go to is unlocked.
///
/// # Errors
/// [`Miss::Locked`], [`Miss::Unavailable`].
pub(super) fn open_for_new() -> Result<(), Miss> {
    let bus = connect()?;
    let collection = bus.get_default_collection().map_err(|error| miss(&error))?;
    match collection.is_locked().map_err(|error| miss(&error))? {
        true => Err(Miss::Locked),
        false => Ok(()),
    }
}

fn connect() -> Result<SecretService<'static>, Miss> {
    SecretService::connect(EncryptionType::Dh).map_err(|error| miss(&error))
}

/// In words of our own where the error has none that help.
#[allow(clippy::wildcard_enum_match_arm, reason = "the library's errors are an open set")]
pub(super) fn miss(error: &Error) -> Miss {
    let why = match error {
        // A prompt that nobody answers is what a locked keyring ends in.
        Error::Locked | Error::Prompt | Error::PromptDisconnected => return Miss::Locked,
        Error::NoResult => {
            "it has no keyring yet to put anything in (log in once, or unlock it with a password)".to_owned()
        }
        Error::Unavailable => "none is running".to_owned(),
        Error::Zbus(cause) => format!("none is running ({cause})"),
        other => other.to_string(),
    };
    Miss::Unavailable { why }
}
