//! The file from which the programs of the system take the certificates that they trust.

use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::dir::{MAX_FILE, read_regular};
use crate::cert::Certificate;
use crate::cert::codec;
use crate::digest::Digest;
use crate::outcome::explain;

/// Its certificates; none where it is not there.
///
/// # Errors
/// It cannot be read, or holds something else: for people, with its path.
pub fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let failed = |why: String| format!("cannot read the certificates in {}: {why}", path.display());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from);
    let bytes = match opened.and_then(|fd| read_regular(&std::fs::File::from(fd), MAX_FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error.to_string())),
    };
    if bytes.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    codec::read(&bytes, None).map(|found| found.certificates).map_err(|error| failed(explain(&error)))
}

/// Whether it holds the certificate with this fingerprint.
///
/// # Errors
/// As [`certificates`].
pub fn holds(path: &Path, anchor: Digest) -> Result<bool, String> {
    Ok(certificates(path)?.iter().any(|one| one.fingerprint() == anchor))
}
