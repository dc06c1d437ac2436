//! The roots that this machine's programs trust.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::dir::MAX_FILE;
use crate::cert::{Anchors, Certificate, codec};

/// Debian's package `ssl-cert` lays the certificate that it makes for this one machine among the roots. No other machine has it there.
const SNAKE_OIL: &str = "/etc/ssl/certs/ssl-cert-snakeoil.pem";

/// Names a file with the roots to trust, as OpenSSL does.
const ROOTS_FILE: &str = "SSL_CERT_FILE";

/// The roots of the operating system, and why some of them could not be read. `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured, as
/// OpenSSL does. Reads some hundred files: to be called once, and only where trust is asked for.
#[must_use]
pub fn system() -> (Anchors, Vec<String>) {
    let (found, mut problems) = native();
    let mut roots = Vec::with_capacity(found.len());
    // Who names them has chosen them, that one too.
    let chosen = [ROOTS_FILE, "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    let found = if chosen { found } else { without(found, Path::new(SNAKE_OIL)) };
    for der in found {
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

/// What the operating system trusts, and why some of it could not be read. Nothing that has no end is read.
fn native() -> (Vec<CertificateDer<'static>>, Vec<String>) {
    if let Some(problem) = std::env::var_os(ROOTS_FILE).and_then(|file| endless(Path::new(&file))) {
        return (Vec::new(), vec![problem]);
    }
    let found = rustls_native_certs::load_native_certs();
    (found.certs, found.errors.iter().map(ToString::to_string).collect())
}

/// Why a file that was named cannot be all read.
fn endless(path: &Path) -> Option<String> {
    // What is not there, the reader tells.
    let found = std::fs::metadata(path).ok()?;
    let why = match found.is_file() {
        true if found.len() <= MAX_FILE => return None,
        true => format!("it has {} bytes, more than the 16 MiB that are read", found.len()),
        false => "it is no regular file".to_owned(),
    };
    Some(format!("{ROOTS_FILE}={} is not read: {why}", path.display()))
}

/// Without those in this file, if it is there.
fn without(mut found: Vec<CertificateDer<'static>>, file: &Path) -> Vec<CertificateDer<'static>> {
    let own = std::fs::read(file).ok().and_then(|pem| codec::read(&pem, None).ok());
    let own = own.map(|found| found.certificates).unwrap_or_default();
    found.retain(|der| !own.iter().any(|own| own.der() == der.as_ref()));
    found
}

/// Whom a client trusts to be the server that it means.
pub enum Roots {
    /// Whoever the operating system trusts.
    System,
    /// These alone.
    These(Vec<Certificate>),
}

impl Roots {
    /// A client that refuses every certificate that does not lead to one of them, or is for another name.
    ///
    /// # Errors
    /// There is none that could be trusted.
    pub(super) fn client(&self) -> Result<ClientConfig, String> {
        let mut store = RootCertStore::empty();
        match self {
            Self::System => {
                let (found, problems) = native();
                let _ = store.add_parsable_certificates(found);
                if store.is_empty() {
                    let why = problems.first().map(|why| format!(": {why}")).unwrap_or_default();
                    return Err(format!("this machine has no roots that it trusts{why}"));
                }
            }
            Self::These(roots) => {
                for root in roots {
                    store
                        .add(CertificateDer::from(root.der().to_vec()))
                        .map_err(|error| format!("{} is no root: {error}", root.title()))?;
                }
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(config)
    }
}

/// Whether an error is that the server's certificate was refused.
pub(super) fn distrusted(error: &io::Error) -> bool {
    refused(error).is_some()
}

/// Whether it was refused for being a CA's own, whatever it leads to.
pub(super) fn is_a_ca(error: &io::Error) -> bool {
    let Some(CertificateError::Other(other)) = refused(error) else { return false };
    matches!(other.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn refused(error: &io::Error) -> Option<&CertificateError> {
    let rustls::Error::InvalidCertificate(why) = error.get_ref()?.downcast_ref::<rustls::Error>()? else { return None };
    Some(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};

    #[test]
    fn nothing_without_an_end_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let sparse = dir.path().join("sparse");
        std::fs::File::create(&sparse).unwrap().set_len(1 << 40).unwrap();
        for (path, why) in [(fifo, "no regular file"), ("/dev/zero".into(), "no regular file"), (sparse, "16 MiB")] {
            let told = endless(&path).unwrap();
            assert!(told.contains(why) && told.starts_with("SSL_CERT_FILE="), "{told}");
        }
        assert_eq!(endless(Path::new("/etc/passwd")), None);
    }

    #[test]
    fn the_machines_own_certificate_is_no_root() {
        let (own, root) = (self_signed(&Wish::ca("localhost")), self_signed(&Wish::ca("Root")));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("snakeoil.pem");
        std::fs::write(&file, own.certificate.to_pem()).unwrap();
        let der = |one: &crate::cert::fixture::Issued| CertificateDer::from(one.certificate.der().to_vec());
        let left = without(vec![der(&own), der(&root)], &file);
        assert_eq!(left, [der(&root)]);
        assert_eq!(without(left.clone(), &dir.path().join("none")), left);
    }
}
