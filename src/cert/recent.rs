//! Certificates of CAs that were read a moment ago. The same few stand beside those of many servers, and need not be made sense of
//! each time.

use super::certificate::{Certificate, CertificateError};

/// The last CAs that were read, each once. For one thread; what it gives is what reading anew would give.
#[derive(Debug, Default)]
pub struct Recent {
    kept: Vec<Certificate>,
    /// Which is to go next, once there are as many as are kept.
    oldest: usize,
}

/// Certificates that are kept.
const MOST: usize = 16;

/// Bytes of one that is kept: what is longer is rare, or not meant well.
const LONGEST: usize = 4 * 1024;

impl Recent {
    /// As [`Certificate::from_der`].
    pub(super) fn certificate(&mut self, der: Vec<u8>) -> Result<Certificate, CertificateError> {
        if let Some(known) = self.kept.iter().find(|known| known.der() == der) {
            return Ok(known.clone());
        }
        let certificate = Certificate::from_der(der)?;
        if certificate.is_ca() && certificate.der().len() <= LONGEST {
            if self.kept.len() < MOST {
                self.kept.push(certificate.clone());
            } else {
                self.kept[self.oldest] = certificate.clone();
                self.oldest = (self.oldest + 1) % MOST;
            }
        }
        Ok(certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};

    #[test]
    fn cas_are_read_once_and_only_the_last_are_kept() {
        let mut recent = Recent::default();
        let mut read = |der: &[u8]| (recent.certificate(der.to_vec()).unwrap(), recent.kept.len());
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("a.example"));
        let (der, leaf_der) = (root.certificate.der(), leaf.certificate.der());
        let (first, _) = read(der);
        assert_eq!((&first, read(leaf_der)), (&root.certificate, (leaf.certificate.clone(), 1)), "no leaf is kept");
        assert_eq!(read(der).0.der().as_ptr(), first.der().as_ptr(), "it is the same");
        for _ in 0..MOST {
            assert!(read(self_signed(&Wish::ca("Root")).certificate.der()).1 <= MOST);
        }
        let (again, kept) = read(der);
        assert_eq!((&again, kept), (&first, MOST));
        assert_ne!(again.der().as_ptr(), first.der().as_ptr(), "it had to go");
        assert!(recent.certificate(der[..9].to_vec()).is_err());
    }
}
