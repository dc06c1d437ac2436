//! The keyring of the desktop or the system: on Linux the Secret Service on the user's session bus.
//!
//! It is spoken to on a thread with a deadline, for a locked keyring may ask a person who is not there. A thread that is late
//! lives until the program ends; what it brings then is wiped unread.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use keyring::v1::{Entry, Error};

use crate::host::passphrase::{Miss, not_empty};
use crate::sensitive::Sensitive;

/// Keeps the passphrase `label` in the keyring, for [`super::obtain`] to find, and reads it back. It replaces an older one.
///
/// A person may have to unlock the keyring, for which there is a minute.
///
/// # Errors
/// [`Miss::Unavailable`]: there is no keyring, it stays locked, or it gives back something else.
pub fn store(label: &str, secret: &Sensitive) -> Result<(), Miss> {
    let (user, secret) = (label.to_owned(), Sensitive::from(secret.expose().to_vec()));
    within(STORE_LIMIT, move || {
        let entry = Entry::new(SERVICE, &user)?;
        entry.set_secret(secret.expose())?;
        Ok(Sensitive::from(entry.get_secret()?) == secret)
    })
    .and_then(|same| if same { Ok(()) } else { Err(unavailable("it gave back something else")) })
}

/// The passphrase `label`, if the keyring answers within `limit`.
pub(super) fn fetch(label: &str, limit: Duration) -> Result<Sensitive, Miss> {
    let user = label.to_owned();
    let secret = within(limit, move || Entry::new(SERVICE, &user)?.get_secret().map(Sensitive::from))?;
    not_empty(secret)
}

const SERVICE: &str = "reseal";
const STORE_LIMIT: Duration = Duration::from_mins(1);

fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Miss> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("keyring".to_owned()).spawn(move || {
        // Nobody hears it after the deadline.
        let _ = sender.send(work().map_err(|error| miss(&error)));
    })?;
    match receiver.recv_timeout(limit) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(unavailable(&format!("no answer within {limit:?}"))),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(unavailable("its library failed")),
    }
}

/// Only ever by `Display`: the library's `Debug` shows the stored bytes.
#[allow(clippy::wildcard_enum_match_arm, reason = "the library's errors are an open set")]
fn miss(error: &Error) -> Miss {
    match error {
        Error::NoEntry => Miss::Absent,
        Error::NoDefaultStore => match Entry::store_status() {
            Err(reason) => unavailable(&reason.to_string()),
            Ok(()) => unavailable(&error.to_string()),
        },
        _ => unavailable(&error.to_string()),
    }
}

fn unavailable(why: &str) -> Miss {
    Miss::Unavailable { why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_keyring_that_hangs_is_left_behind() {
        let start = Instant::now();
        let result: Result<(), Miss> = within(Duration::from_millis(50), || {
            thread::sleep(Duration::from_secs(20));
            Ok(())
        });
        assert_eq!(result.unwrap_err().to_string(), "not available: no answer within 50ms");
        assert!(start.elapsed() < Duration::from_secs(5));
        let result: Result<(), Miss> = within(Duration::from_secs(9), || panic!("as a test"));
        assert_eq!(result.unwrap_err().to_string(), "not available: its library failed");
    }

    #[test]
    fn none_stored_is_not_the_same_as_unavailable() {
        assert!(matches!(miss(&Error::NoEntry), Miss::Absent));
        for error in [
            Error::NoStorageAccess("locked".into()),
            Error::PlatformFailure("no bus".into()),
            Error::BadDataFormat(b"hunter2".to_vec(), "bad".into()),
        ] {
            let text = miss(&error).to_string();
            assert!(text.starts_with("not available: ") && !text.contains("hunter2"), "{text}");
        }
    }
}
