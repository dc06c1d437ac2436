//! Signatures that were checked already.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::certificate::Certificate;
use super::trust::{self, SelfSigned, Signed};
use crate::digest::Digest;

/// Checks that are remembered, about 8 MB of them: a run over millions of files begins anew now and then.
const MOST: usize = 65_536;

/// Remembers for one run what checking a signature showed, so that each pair of a certificate and an issuer's key costs one check,
/// however many files and servers carry it. To be shared between threads.
#[derive(Debug, Default)]
pub struct Signatures {
    /// By the certificate and the key it was held against.
    known: Mutex<HashMap<(Digest, Digest), Signed>>,
}

impl Signatures {
    /// As [`issued_by`](super::issued_by).
    pub fn issued_by(&self, child: &Certificate, issuer: &Certificate) -> Signed {
        trust::issued_by_checked(child, issuer, || self.checked(child, issuer))
    }

    /// As [`SelfSigned::of`].
    pub fn self_signed(&self, certificate: &Certificate) -> SelfSigned {
        SelfSigned::concluded(certificate, || self.checked(certificate, certificate))
    }

    /// How many different checks there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn checked(&self, child: &Certificate, issuer: &Certificate) -> Signed {
        let pair = (child.fingerprint(), issuer.spki_digest());
        let known = |all: &HashMap<_, _>| all.get(&pair).copied();
        if let Some(signed) = known(&self.known.lock().unwrap_or_else(PoisonError::into_inner)) {
            return signed;
        }
        // Not under the lock: others have other pairs to check meanwhile.
        let signed = trust::signed_with(child, issuer.spki());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(pair, signed);
        signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};

    #[test]
    fn each_pair_is_checked_once() {
        let known = Signatures::default();
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("www")).certificate;
        let other = self_signed(&Wish::ca("Root")).certificate;
        for _ in 0..3 {
            assert_eq!(known.issued_by(&leaf, &root.certificate), Signed::Verified);
            assert_eq!(known.issued_by(&leaf, &other), Signed::Failed);
            assert_eq!(known.self_signed(&root.certificate), SelfSigned::Yes);
            assert_eq!(known.self_signed(&leaf), SelfSigned::No);
            assert_eq!(known.issued_by(&root.certificate, &leaf), Signed::Failed, "the names alone tell");
        }
        assert_eq!(known.count(), 4);
    }
}
