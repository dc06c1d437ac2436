//! The kernel's keyring of the user: a cache in memory that no disk ever sees, for what a person has typed.
//!
//! A key there has a lifetime, goes with a reboot at the latest, and can be read by every process of the same user. So it is
//! never the only copy of anything: it only spares a person from typing the same again for some minutes.

use std::fs;
use std::time::Duration;

use linux_keyutils::{Key, KeyError, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission};
use zeroize::Zeroizing;

use super::{MOST_BYTES, Miss, not_empty};
use crate::sensitive::Sensitive;

/// The passphrase that is kept under this name, if its time is not over.
pub(super) fn fetch(name: &str) -> Result<Sensitive, Miss> {
    let mut bytes = Zeroizing::new(vec![0; MOST_BYTES]);
    let length = find(name)?.read(&mut *bytes).map_err(miss)?;
    if length > MOST_BYTES {
        return Err(Miss::TooLong);
    }
    bytes.truncate(length);
    not_empty(Sensitive::from(std::mem::take(&mut *bytes)))
}

/// How long it is kept still; none where the kernel does not tell.
pub(super) fn look(name: &str) -> Result<Option<Duration>, Miss> {
    let key = find(name)?;
    let serial = format!("{:08x}", key.get_id().as_raw_id());
    let keys = fs::read_to_string("/proc/keys").unwrap_or_default();
    Ok(keys.lines().find(|line| line.starts_with(&serial)).and_then(left))
}

/// Keeps it for so long, in place of what was kept under this name.
pub(super) fn keep(name: &str, secret: &Sensitive, lifetime: Duration) -> Result<(), Miss> {
    let user = user()?;
    // Made in a keyring of this thread's own, for two reasons. A session may possess nothing (cron, a unit, sudo), and only a
    // possessor may limit a key. And a run that is killed leaves no key without an end.
    let own = KeyRing::from_special_id(KeyRingIdentifier::Thread, true).map_err(miss)?;
    let key = own.add_key(name, secret.expose()).map_err(miss)?;
    let kept = limit(key, lifetime).and_then(|()| user.link_key(key)).map_err(miss);
    // Where that fails, it ends with the thread.
    let _ = own.unlink_key(key);
    kept
}

/// Removes it; whether there was one.
pub(super) fn forget(name: &str) -> Result<bool, Miss> {
    match find(name) {
        Ok(key) => key.invalidate().map(|()| true).map_err(miss),
        Err(Miss::Absent) => Ok(false),
        Err(other) => Err(other),
    }
}

fn limit(key: Key, lifetime: Duration) -> Result<(), KeyError> {
    let of_owner = Permission::VIEW | Permission::READ | Permission::SEARCH;
    let rights = KeyPermissionsBuilder::builder().posessor(Permission::ALL).user(of_owner).build();
    key.set_timeout(usize::try_from(lifetime.as_secs().max(1)).unwrap_or(usize::MAX))?;
    key.set_perms(rights)
}

fn find(name: &str) -> Result<Key, Miss> {
    user()?.search(name).map_err(miss)
}

fn user() -> Result<KeyRing, Miss> {
    KeyRing::from_special_id(KeyRingIdentifier::User, false).map_err(miss)
}

/// The time that is left, as a line of /proc/keys has it: a number with its unit, rounded down.
fn left(line: &str) -> Option<Duration> {
    let word = line.split_whitespace().nth(3)?;
    let (number, unit) = word.split_at_checked(word.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

fn miss(error: KeyError) -> Miss {
    let why = match error {
        KeyError::KeyDoesNotExist | KeyError::MissingFileOrDirectory | KeyError::KeyExpired | KeyError::KeyRevoked => {
            return Miss::Absent;
        }
        // Containers and sandboxes filter these calls.
        KeyError::PermissionDenied => "the kernel or a filter of system calls does not permit it".to_owned(),
        KeyError::AccessDenied => "it is not this user's".to_owned(),
        KeyError::QuotaExceeded => "this user has no room for further keys (/proc/key-users)".to_owned(),
        KeyError::KeyringDoesNotExist | KeyError::OperationNotSupported => "this kernel has none".to_owned(),
        KeyError::Unknown(number) => std::io::Error::from_raw_os_error(number).to_string(),
        KeyError::BadAddress
        | KeyError::InvalidArguments
        | KeyError::KeyRejected
        | KeyError::OutOfMemory
        | KeyError::InvalidDescription
        | KeyError::InvalidIdentifier
        | KeyError::WriteError => format!("the kernel answers {error:?}"),
    };
    Miss::Unavailable { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_is_read_as_the_kernel_writes_it() {
        let line =
            |time: &str| format!("2b1b7c3a I--Q---     1 {time:>4} 3f0b0000     0     0 user      reseal:/x:ca-a: 12");
        let minutes = |count| Some(Duration::from_mins(count));
        for (time, expected) in [
            ("14m", minutes(14)),
            ("59s", Some(Duration::from_secs(59))),
            ("3h", minutes(180)),
            ("2d", minutes(2880)),
            ("1w", minutes(10080)),
            ("perm", None),
            ("expd", None),
        ] {
            assert_eq!(left(&line(time)), expected, "{time}");
        }
        assert_eq!(left(""), None);
    }

    #[test]
    fn what_is_refused_is_not_the_same_as_none() {
        assert!(matches!(miss(KeyError::KeyDoesNotExist), Miss::Absent));
        assert!(matches!(miss(KeyError::KeyExpired), Miss::Absent));
        for error in [KeyError::PermissionDenied, KeyError::AccessDenied, KeyError::Unknown(38), KeyError::OutOfMemory]
        {
            assert!(matches!(miss(error), Miss::Unavailable { .. }));
        }
        assert!(miss(KeyError::Unknown(38)).to_string().contains("not implemented"));
    }
}
