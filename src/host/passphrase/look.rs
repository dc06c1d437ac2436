//! What every source would give, and how strong it is: seen without asking anybody.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::{Miss, Origin, PassphraseError, PassphraseQuery, Search};
use super::{cached, credential, credentials, is_label, kept, kernel, keyring, named};
use crate::host::Host;

/// A source, and whether it has the passphrase.
#[derive(Debug)]
pub struct Sighting {
    /// The source.
    pub origin: Origin,
    /// Who could get the passphrase from there, in a phrase; or why it has none.
    pub found: Result<String, Miss>,
}

/// Every source in the order of [`super::obtain`], up to one that ends the search. Nobody is asked, nothing is unlocked, and no
/// passphrase leaves this function.
///
/// # Errors
/// The label is none.
pub fn look(host: &Host, query: &PassphraseQuery<'_>) -> Result<Vec<Sighting>, PassphraseError> {
    if !is_label(query.label) {
        return Err(Search { label: query.label, tried: Vec::new() }.give_up());
    }
    if let Some(explicit) = &query.explicit {
        let (origin, result) = named(explicit, &|| host.interrupted().is_some());
        let found = result.map(|_| of_place(&origin));
        return Ok(vec![Sighting { origin, found }]);
    }
    let (origin, result) = credential(query.label, credentials().as_deref());
    let found = result.map(|_| of_place(&origin));
    let ends = matches!(&found, Err(miss) if !matches!(miss, Miss::Absent | Miss::Unavailable { .. }));
    let mut seen = vec![Sighting { origin, found }];
    if ends {
        return Ok(seen);
    }
    let found =
        kept(query, || keyring::look(query.label, &|| host.interrupted().is_some())).map(|()| OF_KEYRING.to_owned());
    seen.push(Sighting { origin: Origin::Keyring, found });
    let found = kept(query, || kernel::look(&cached(host, query.label))).map(of_kernel);
    seen.push(Sighting { origin: Origin::Kernel, found });
    seen.push(Sighting { origin: Origin::Prompt, found: Err(Miss::NotAsked) });
    Ok(seen)
}

const OF_KEYRING: &str =
    "encrypted under the login's password; while it is unlocked, every program of this user can read it";

fn of_kernel(left: Option<Duration>) -> String {
    let until = match left.map(|left| left.as_secs()) {
        None => "until its time is over".to_owned(),
        Some(seconds @ ..60) => format!("for {seconds} more seconds"),
        Some(seconds) => format!("for {} more minutes", seconds / 60),
    };
    format!("in memory alone, {until} or until the next start; every program of this user can read it")
}

fn of_place(origin: &Origin) -> String {
    match origin {
        Origin::File(path) => match std::fs::metadata(path) {
            Ok(found) => format!(
                "as strong as the permissions of the file (mode {:04o}, owner {}): whoever reads the disk or its backup has it",
                found.mode() & 0o7777,
                found.uid()
            ),
            Err(_) => "as strong as the permissions of the file".to_owned(),
        },
        Origin::Credential(path) if in_memory(path) => {
            "in memory, for this unit alone; at rest as strong as what the unit loads: with LoadCredentialEncrypted= bound to this \
             machine's TPM or host key"
                .to_owned()
        }
        Origin::Credential(_) => "a file on a disk, as strong as its permissions: systemd keeps credentials in memory".to_owned(),
        Origin::Fd(_) => "as strong as whatever writes to it".to_owned(),
        Origin::Keyring | Origin::Kernel | Origin::Prompt => String::new(),
    }
}

/// Whether a file is in memory, as credentials of systemd are (`ramfs`, or `tmpfs` in a container).
#[cfg(target_os = "linux")]
fn in_memory(path: &Path) -> bool {
    const RAMFS: i64 = 0x8584_58f6;
    const TMPFS: i64 = 0x0102_1994;
    rustix::fs::statfs(path).is_ok_and(|found| [RAMFS, TMPFS].contains(&found.f_type))
}

#[cfg(not(target_os = "linux"))]
fn in_memory(_: &Path) -> bool {
    false
}
