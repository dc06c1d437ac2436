//! The keyring of the desktop or the system: on Linux the Secret Service on the user's session bus.
//!
//! It is spoken to on a thread with a deadline, for a locked keyring may ask a person who is not there. A thread that is late
//! lives until the program ends; what it brings then is wiped unread.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use keyring::v1::{Entry, Error};

#[cfg(target_os = "linux")]
use super::service;
use super::{Asking, Miss, not_empty};
use crate::sensitive::Sensitive;

/// What a keyring did with a passphrase that it was to keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// It had none, and has it now.
    New,
    /// It had the same, and nothing was written.
    Same,
    /// It has another, and nothing was written.
    Differs,
    /// It had another, which this one has replaced.
    Replaced,
}

/// How long somebody waits for the keyring.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    /// Whether a person may have to unlock it: they have a minute.
    pub asking: Asking,
    /// Whether a signal asked to stop.
    pub interrupted: &'a dyn Fn() -> bool,
}

impl Patience<'_> {
    fn limit(self) -> Duration {
        match self.asking {
            Asking::Nobody => Duration::from_secs(3),
            Asking::APerson => Duration::from_mins(1),
        }
    }
}

/// How often a signal is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// Keeps the passphrase `label`, and reads it back. One that is another is replaced only where `replacing`.
///
/// # Errors
/// [`Miss::Locked`], [`Miss::Unavailable`]: there is no keyring, or it gives back something else.
pub(super) fn store(label: &str, secret: &Sensitive, replacing: bool, patience: Patience<'_>) -> Result<Stored, Miss> {
    let asking = patience.asking;
    let (user, secret) = (label.to_owned(), Sensitive::from(secret.expose().to_vec()));
    within(patience.limit(), patience.interrupted, move || {
        // A new item needs the keyring open that new items go to, whatever is true of old ones.
        let present = match seen(&user, asking).and_then(|()| open_for_new(asking)) {
            Ok(()) => match read(&user) {
                Ok(present) => Some(present),
                Err(Miss::Absent) => None,
                Err(miss) => return Err(miss),
            },
            Err(Miss::Absent) => {
                open_for_new(asking)?;
                None
            }
            Err(miss) => return Err(miss),
        };
        let stored = match present {
            Some(present) if present == secret => return Ok(Stored::Same),
            Some(_) if !replacing => return Ok(Stored::Differs),
            Some(_) => Stored::Replaced,
            None => Stored::New,
        };
        entry(&user)?.set_secret(secret.expose()).map_err(|error| miss(&error))?;
        if read(&user)? == secret { Ok(stored) } else { Err(unavailable("it gave back something else")) }
    })
}

/// The passphrase `label`.
pub(super) fn fetch(label: &str, patience: Patience<'_>) -> Result<Sensitive, Miss> {
    let asking = patience.asking;
    let user = label.to_owned();
    within(patience.limit(), patience.interrupted, move || {
        seen(&user, asking)?;
        read(&user)
    })
    .and_then(not_empty)
}

/// Whether the passphrase `label` is there, without unlocking or reading anything.
pub(super) fn look(label: &str, interrupted: &dyn Fn() -> bool) -> Result<(), Miss> {
    let user = label.to_owned();
    let patience = Patience { asking: Asking::Nobody, interrupted };
    within(patience.limit(), interrupted, move || seen(&user, Asking::Nobody))
}

/// Removes the passphrase `label`; whether there was one.
pub(super) fn forget(label: &str, patience: Patience<'_>) -> Result<bool, Miss> {
    let asking = patience.asking;
    let user = label.to_owned();
    let removed = within(patience.limit(), patience.interrupted, move || {
        seen(&user, asking)?;
        entry(&user)?.delete_credential().map_err(|error| miss(&error))
    });
    match removed {
        Ok(()) => Ok(true),
        Err(Miss::Absent) => Ok(false),
        Err(miss) => Err(miss),
    }
}

const SERVICE: &str = "reseal";

/// Ends a question that a person would have to answer, where nobody may be asked: [`Entry`] unlocks whatever it touches.
#[cfg(target_os = "linux")]
fn seen(user: &str, asking: Asking) -> Result<(), Miss> {
    match asking {
        Asking::Nobody => service::look(SERVICE, user),
        Asking::APerson => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn open_for_new(asking: Asking) -> Result<(), Miss> {
    match asking {
        Asking::Nobody => service::open_for_new(),
        Asking::APerson => Ok(()),
    }
}

/// Elsewhere the deadline alone ends it.
#[cfg(not(target_os = "linux"))]
fn seen(_: &str, _: Asking) -> Result<(), Miss> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn open_for_new(_: Asking) -> Result<(), Miss> {
    Ok(())
}

fn entry(user: &str) -> Result<Entry, Miss> {
    Entry::new(SERVICE, user).map_err(|error| miss(&error))
}

fn read(user: &str) -> Result<Sensitive, Miss> {
    entry(user)?.get_secret().map(Sensitive::from).map_err(|error| miss(&error))
}

fn within<T: Send + 'static>(
    limit: Duration,
    interrupted: &dyn Fn() -> bool,
    work: impl FnOnce() -> Result<T, Miss> + Send + 'static,
) -> Result<T, Miss> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("keyring".to_owned()).spawn(move || {
        // Nobody hears it after the deadline.
        let _ = sender.send(work());
    })?;
    let end = Instant::now() + limit;
    loop {
        match receiver.recv_timeout(LOOK.min(limit)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => return Err(unavailable("its library failed")),
            Err(RecvTimeoutError::Timeout) if interrupted() => return Err(Miss::Interrupted),
            Err(RecvTimeoutError::Timeout) if Instant::now() >= end => {
                return Err(unavailable(&format!("no answer within {limit:?}")));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Only ever by `Display`: the library's `Debug` shows the stored bytes.
#[allow(clippy::wildcard_enum_match_arm, reason = "the library's errors are an open set")]
fn miss(error: &Error) -> Miss {
    match error {
        Error::NoEntry => Miss::Absent,
        #[cfg(target_os = "linux")]
        Error::NoStorageAccess(cause) => match cause.downcast_ref() {
            Some(cause) => service::miss(cause),
            None => unavailable(&error.to_string()),
        },
        Error::NoDefaultStore => match Entry::store_status() {
            Err(reason) => not_there(reason),
            Ok(()) => unavailable(&error.to_string()),
        },
        _ => unavailable(&error.to_string()),
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the library's errors are an open set")]
fn not_there(reason: &Error) -> Miss {
    match reason {
        #[cfg(target_os = "linux")]
        Error::PlatformFailure(cause) => match cause.downcast_ref() {
            Some(cause) => service::miss(cause),
            None => unavailable(&reason.to_string()),
        },
        _ => unavailable(&reason.to_string()),
    }
}

fn unavailable(why: &str) -> Miss {
    Miss::Unavailable { why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_that_hangs_is_left_behind() {
        let start = Instant::now();
        let result: Result<(), Miss> = within(Duration::from_millis(50), &|| false, || {
            thread::sleep(Duration::from_secs(20));
            Ok(())
        });
        assert_eq!(result.unwrap_err().to_string(), "not available: no answer within 50ms");
        assert!(start.elapsed() < Duration::from_secs(5));
        let result: Result<(), Miss> = within(Duration::from_secs(9), &|| false, || panic!("as a test"));
        assert_eq!(result.unwrap_err().to_string(), "not available: its library failed");
        let start = Instant::now();
        let result: Result<(), Miss> = within(Duration::from_mins(1), &|| true, || {
            thread::sleep(Duration::from_secs(20));
            Ok(())
        });
        assert!(matches!(result, Err(Miss::Interrupted)) && start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn none_stored_locked_and_unavailable_are_three_answers() {
        assert!(matches!(miss(&Error::NoEntry), Miss::Absent));
        for error in [
            Error::NoStorageAccess("strange".into()),
            Error::PlatformFailure("no bus".into()),
            Error::BadDataFormat(b"hunter2".to_vec(), "bad".into()),
        ] {
            let text = miss(&error).to_string();
            assert!(text.starts_with("not available: ") && !text.contains("hunter2"), "{text}");
        }
        for locked in [secret_service::Error::Locked, secret_service::Error::Prompt] {
            assert!(matches!(miss(&Error::NoStorageAccess(locked.into())), Miss::Locked));
        }
        let none = miss(&Error::NoStorageAccess(secret_service::Error::NoResult.into()));
        assert!(matches!(none, Miss::Unavailable { .. }), "{none}");
    }
}
