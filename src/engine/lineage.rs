//! The directory in which hooks find certificate and key, under the names that certbot gives them: `cert.pem`, `chain.pem`,
//! `fullchain.pem` and `privkey.pem`.
//!
//! It is there while hooks run and no longer: what it holds is in the vault as well, and one copy of a key less is one less to look after.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::cert::Bundle;
use crate::change::Role;
use crate::host::attributes::own;
use crate::host::dir::{Dir, DiskError, Errno};
use crate::host::state::{State, absent_is_none, file_name};

const AREA: &str = "lineage";

/// Name, contents and mode of each file. Whoever copies one without its mode expects that of certbot.
const FILES: [(&str, Role, u32); 4] = [
    ("cert.pem", Role::Leaf, 0o644),
    ("chain.pem", Role::Chain, 0o644),
    ("fullchain.pem", Role::FullChain, 0o644),
    ("privkey.pem", Role::Key, 0o600),
];

/// Puts a pair there, in place of whatever is there, and tells where.
///
/// # Errors
/// A call failed; what is there is for [`sweep`].
pub(super) fn lay(state: &State, target: &str, bundle: &Bundle) -> Result<PathBuf, DiskError> {
    sweep(state, target)?;
    let dir = state.area(AREA)?.make_dir(&file_name(target), 0o700)?;
    for (name, role, mode) in FILES {
        dir.stage(OsStr::new(name), &bundle.content(role), &own(mode))?;
    }
    Ok(dir.path().to_owned())
}

/// Removes what is there, also what hooks have left in it.
///
/// # Errors
/// A call failed.
pub(super) fn sweep(state: &State, target: &str) -> Result<(), DiskError> {
    let Some(area) = state.existing_area(AREA)? else { return Ok(()) };
    let name = file_name(target);
    let Some(dir) = absent_is_none(area.sub(&name))? else { return Ok(()) };
    empty(&dir)?;
    area.remove_dir(&name)?;
    area.sync()
}

fn empty(dir: &Dir) -> Result<(), DiskError> {
    for name in dir.names()? {
        match dir.unlink(&name) {
            Err(error) if Errno::from_io_error(&error.source) == Some(Errno::ISDIR) => {
                empty(&dir.sub(&name)?)?;
                dir.remove_dir(&name)?;
            }
            other => other?,
        }
    }
    Ok(())
}
