//! Signatures that were checked already, and how many are checked at all.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::certificate::Certificate;
use super::key::Look;
use super::trust::{self, SelfSigned, Signed};
use crate::digest::Digest;

/// Checks that are remembered, about 8 MB of them: a run over millions of files begins anew now and then.
const MOST: usize = 65_536;

/// Remembers for one run what checking a signature showed, so that each pair of a certificate and an issuer's key costs one check,
/// however many files and servers carry it. To be shared between threads.
#[derive(Debug, Default)]
pub struct Signatures {
    depth: Depth,
    /// By the certificate and the key it was held against.
    known: Mutex<HashMap<(Digest, Digest), Signed>>,
}

/// Which signatures are checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Depth {
    /// All.
    #[default]
    Full,
    /// A certificate that names another key as its issuer's, under another issuer's name, is taken at its word that it did not sign
    /// itself: so is nearly all that CAs issue, and each check costs more than all the rest of a scan.
    Swift,
    /// None: what depends on one is told as not checked. Nor is a key looked into, whether there is such a one.
    None,
}

impl Signatures {
    /// Nothing is known yet.
    #[must_use]
    pub fn checked_to(depth: Depth) -> Self {
        Self { depth, ..Self::default() }
    }

    /// As [`issued_by`](super::issued_by).
    pub fn issued_by(&self, child: &Certificate, issuer: &Certificate) -> Signed {
        trust::issued_by_checked(child, issuer, || self.checked(child, issuer))
    }

    /// As [`SelfSigned::of`].
    pub fn self_signed(&self, certificate: &Certificate) -> SelfSigned {
        let names_other_key = || matches!((certificate.aki(), certificate.ski()), (Some(aki), Some(ski)) if aki != ski);
        if self.depth == Depth::Swift && names_other_key() && !certificate.is_self_issued() {
            return SelfSigned::No;
        }
        SelfSigned::concluded(certificate, self.checked(certificate, certificate))
    }

    /// As [`Certificate::has_possible_key`]; what is not looked into is taken for one.
    #[must_use]
    pub fn key_is_possible(&self, certificate: &Certificate) -> bool {
        self.depth == Depth::None || certificate.has_possible_key()
    }

    /// How private keys that stand beside certificates are read.
    #[must_use]
    pub fn keys(&self) -> Look {
        match self.depth {
            Depth::Full | Depth::Swift => Look::Into,
            Depth::None => Look::At,
        }
    }

    /// How many different checks there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn checked(&self, child: &Certificate, issuer: &Certificate) -> Signed {
        if self.depth == Depth::None {
            return Signed::Unverifiable;
        }
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

/// Signatures that are checked to answer one question. Dozens of certificates, however they are cross-signed, need fewer; more of them
/// than that are of one name to cost their reader time.
const MOST_CHECKS: usize = 256;

/// The checks that one question costs: each pair of a certificate and an issuer's key once, and no more than a bound, whoever made the
/// certificates.
#[derive(Debug)]
pub struct Checks {
    most: usize,
    known: RefCell<HashMap<(Digest, Digest), Signed>>,
    spent: Cell<bool>,
}

impl Default for Checks {
    fn default() -> Self {
        Self::up_to(MOST_CHECKS)
    }
}

impl Checks {
    /// So many of them at most.
    #[must_use]
    pub fn up_to(most: usize) -> Self {
        Self { most, known: RefCell::default(), spent: Cell::new(false) }
    }

    /// As [`issued_by`](super::issued_by); none once there were enough, and it would take another.
    pub fn issued_by(&self, child: &Certificate, issuer: &Certificate) -> Option<Signed> {
        if !child.names_as_issuer(issuer) {
            return Some(Signed::Failed);
        }
        let signed = self.checked(child, issuer)?;
        Some(trust::issued_by_checked(child, issuer, || signed))
    }

    /// As [`SelfSigned::of`], of one that names itself as its issuer; [`SelfSigned::No`] of all others, without a check.
    pub fn self_issued(&self, certificate: &Certificate) -> Option<SelfSigned> {
        if !certificate.is_self_issued() {
            return Some(SelfSigned::No);
        }
        Some(SelfSigned::concluded(certificate, self.checked(certificate, certificate)?))
    }

    /// Whether a check was left out because there were enough.
    #[must_use]
    pub fn are_spent(&self) -> bool {
        self.spent.get()
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known.borrow().len()
    }

    fn checked(&self, child: &Certificate, issuer: &Certificate) -> Option<Signed> {
        let pair = (child.fingerprint(), issuer.spki_digest());
        let mut known = self.known.borrow_mut();
        if let Some(signed) = known.get(&pair) {
            return Some(*signed);
        }
        if known.len() >= self.most {
            self.spent.set(true);
            return None;
        }
        let signed = trust::signed_with(child, issuer.spki());
        known.insert(pair, signed);
        Some(signed)
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

    #[test]
    fn there_are_no_more_checks_than_were_allowed() {
        let checks = Checks::up_to(2);
        let root = self_signed(&Wish::ca("Root"));
        let [one, other] = [(); 2].map(|()| root.issue(&Wish::server("www")).certificate);
        for _ in 0..3 {
            assert_eq!(checks.issued_by(&one, &root.certificate), Some(Signed::Verified));
            assert_eq!(checks.self_issued(&root.certificate), Some(SelfSigned::Yes));
            assert_eq!(checks.self_issued(&one), Some(SelfSigned::No), "the names alone tell");
            assert_eq!(checks.issued_by(&root.certificate, &one), Some(Signed::Failed));
        }
        assert_eq!((checks.count(), checks.are_spent()), (2, false));
        assert_eq!(checks.issued_by(&other, &root.certificate), None);
        assert_eq!((checks.count(), checks.are_spent()), (2, true));
        assert_eq!(checks.issued_by(&one, &root.certificate), Some(Signed::Verified), "what is known stays so");
    }

    #[test]
    fn what_is_not_checked_is_told_so() {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::ca("Below")).certificate;
        let (swift, none) = (Signatures::checked_to(Depth::Swift), Signatures::checked_to(Depth::None));
        assert_eq!(swift.self_signed(&root.certificate), SelfSigned::Yes);
        assert_eq!((swift.self_signed(&leaf), swift.count()), (SelfSigned::No, 1));
        assert_eq!(swift.issued_by(&leaf, &root.certificate), Signed::Verified);
        let spki = root.certificate.spki();
        let at = root.certificate.der().windows(spki.len()).position(|window| window == spki).unwrap();
        let mut off = root.certificate.der().to_vec();
        off[at + spki.len() - 1] ^= 1;
        let off = Certificate::from_der(off).unwrap();
        assert_eq!((swift.key_is_possible(&off), none.key_is_possible(&off)), (false, true), "no point of its curve");
        assert_eq!(none.self_signed(&root.certificate), SelfSigned::SelfIssuedUnverifiable);
        assert_eq!(none.self_signed(&leaf), SelfSigned::No);
        assert_eq!((none.issued_by(&leaf, &root.certificate), none.count()), (Signed::Unverifiable, 0));
    }
}
