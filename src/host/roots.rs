//! The roots that this machine's programs trust.

use crate::cert::{Anchors, Certificate};

/// The roots of the operating system, and why some of them could not be read. `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured, as
/// OpenSSL does. Reads some hundred files: to be called once, and only where trust is asked for.
#[must_use]
pub fn system() -> (Anchors, Vec<String>) {
    let found = rustls_native_certs::load_native_certs();
    let mut problems: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    let mut roots = Vec::with_capacity(found.certs.len());
    for der in found.certs {
        match Certificate::from_der(der.as_ref()) {
            Ok(root) => roots.push(root),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let count = roots.len();
    let anchors = Anchors::new(roots);
    let unusable = count - anchors.roots().len();
    if unusable > 0 {
        problems.push(format!("{unusable} roots cannot serve as such"));
    }
    (anchors, problems)
}
