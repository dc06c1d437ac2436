//! Names that nobody can guess.

use std::io;
use std::path::Path;

use super::dir::DiskError;
use crate::digest::hex;

/// Sixteen digits for the name of a file in a directory that others write to as well.
///
/// # Errors
/// The system gives no random bytes.
pub fn unguessable() -> Result<String, DiskError> {
    let mut bytes = [0; 8];
    let none = |_| DiskError {
        what: "make up a name from",
        path: Path::new("/dev/urandom").to_owned(),
        source: io::Error::other("the system gives no random bytes"),
    };
    aws_lc_rs::rand::fill(&mut bytes).map_err(none)?;
    Ok(hex(&bytes))
}
