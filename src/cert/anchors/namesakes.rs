//! What a signature that does not verify amounts to, where several certificates have the name of an issuer.

use time::OffsetDateTime;

use super::{Anchors, Untrusted};
use crate::cert::certificate::Certificate;
use crate::cert::chain::Chain;
use crate::cert::name::Name;
use crate::cert::trust::{Signed, issued_by};

/// Signatures that are checked to tell one that is false from one that somebody else made. An honest chain needs a few.
const MOST_CHECKS: usize = 32;

impl Anchors {
    /// Why no path leads to a root, where webpki has come upon a signature that is not of the key it tried: it says so even where the key
    /// of a namesake was the right one, and something else kept it from that path.
    pub(super) fn unsigned(&self, chain: &Chain, names: &[Name], now: OffsetDateTime) -> Untrusted {
        if let Some(why) = self.signers(chain).and_then(|signers| signers.path(chain, names, now).err()) {
            return why;
        }
        // A root of the same name and another key than the one that is named did not sign falsely: it is not the issuer.
        if self.names_a_signer(chain) {
            return Untrusted::FalseSignature;
        }
        self.hindrance(chain).unwrap_or(Untrusted::UnknownIssuer)
    }

    /// Those of the roots alone that have signed a certificate of the chain, where there are others as well.
    fn signers(&self, chain: &Chain) -> Option<Self> {
        let mut left = MOST_CHECKS;
        let mut signers = Self { roots: Vec::new(), anchors: Vec::new() };
        for (root, anchor) in self.roots.iter().zip(&self.anchors) {
            for child in chain.certificates().filter(|child| child.names_as_issuer(root)) {
                left = left.checked_sub(1)?;
                if issued_by(child, root) != Signed::Failed {
                    signers.roots.push(root.clone());
                    signers.anchors.push(anchor.clone());
                    break;
                }
            }
        }
        (1..self.roots.len()).contains(&signers.roots.len()).then_some(signers)
    }

    /// Whether, on the ways up from the leaf, a certificate names another of the chain, or a root, as its issuer by name and, where both say
    /// one, by key identifier (RFC 5280 section 4.2.1.1), and is signed by none of those it names so. A root may have the name of a CA of the
    /// chain and another key: it takes nothing from what that CA has signed.
    fn names_a_signer(&self, chain: &Chain) -> bool {
        let same_key = |child: &Certificate, issuer: &Certificate| {
            child.aki().zip(issuer.ski()).is_none_or(|(named, held)| named == held)
        };
        let own = |child: &Certificate| child.is_self_issued() && issued_by(child, child) == Signed::Verified;
        let mut left = MOST_CHECKS;
        let mut reached: Vec<&Certificate> = vec![chain.leaf()];
        let mut place = 0;
        while let Some(child) = reached.get(place).copied() {
            place += 1;
            if own(child) {
                continue;
            }
            let sent = chain.certificates().map(|one| (one, true));
            let issuers = sent.chain(self.roots.iter().map(|one| (one, false))).filter(|(one, _)| *one != child);
            let (mut failed, mut signed) = (false, false);
            for (issuer, sent) in issuers.filter(|(one, _)| child.names_as_issuer(one) && same_key(child, one)) {
                let Some(fewer) = left.checked_sub(1) else { return false };
                left = fewer;
                if issued_by(child, issuer) == Signed::Failed {
                    failed = true;
                    continue;
                }
                signed = true;
                if sent && !reached.contains(&issuer) {
                    reached.push(issuer);
                }
            }
            if failed && !signed {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec::tlv::Element;
    use crate::cert::fixture::{Issued, NOW, Wish, copy, self_signed, with_extensions};

    fn chain(certificates: &[&Certificate]) -> Chain {
        Chain::as_given(certificates.iter().map(|one| (*one).clone()).collect()).unwrap()
    }

    fn damaged(one: &Issued) -> Certificate {
        let mut der = one.certificate.der().to_vec();
        *der.last_mut().unwrap() ^= 1;
        Certificate::from_der(der).unwrap()
    }

    #[test]
    fn a_false_signature_counts_where_the_leaf_leads_to_it() {
        let (root, other) = (self_signed(&Wish::ca("Root")), self_signed(&Wish::ca("Other")));
        let (middle, stranger) = (other.issue(&Wish::ca("Middle")), root.issue(&Wish::ca("Stranger")));
        let leaf = middle.issue(&Wish::server("www.example.com"));
        // A root with the name of the one that is not known: webpki comes upon a signature that its key has not made.
        let namesake = self_signed(&Wish::ca("Other"));
        let anchors = Anchors::new([root.certificate.clone(), namesake.certificate]);
        let verdict = |of: &[&Certificate]| anchors.verify(&chain(of), &[], NOW).unwrap_err();
        let (leaf_c, middle_c) = (&leaf.certificate, &middle.certificate);
        assert_eq!(verdict(&[leaf_c, middle_c, &damaged(&stranger)]), Untrusted::UnknownIssuer);
        let below = stranger.issue(&Wish::server("www.example.com"));
        assert_eq!(verdict(&[&below.certificate, &damaged(&stranger)]), Untrusted::FalseSignature);
    }

    /// Two roots of one name, of which the right one has issued what is over, or does not allow the leaf's name.
    #[test]
    fn a_root_s_namesake_hides_no_reason() {
        let (root, twin) = (self_signed(&Wish::ca("Root")), self_signed(&Wish::ca("Root")));
        let early = (NOW - time::Duration::days(20), NOW - time::Duration::days(10));
        let over = root.issue(&Wish { valid: early, ..Wish::server("www.example.com") });
        for order in [[&root, &twin], [&twin, &root]] {
            let anchors = Anchors::new(order.map(|one| one.certificate.clone()));
            let why = anchors.verify(&chain(&[&over.certificate]), &[], NOW);
            assert_eq!(why, Err(Untrusted::Expired(early.1)));
        }
        // A root's own limits on names (RFC 5280 section 4.2.1.10) are the client's.
        let limits = [
            Element::wrap(0x06, &[0x55, 0x1d, 30]),
            Element::wrap(0x04, &[0x30, 0x07, 0xa0, 5, 0x30, 3, 0x82, 1, b'x']),
        ];
        let ca = [Element::wrap(0x06, &[0x55, 0x1d, 19]), Element::wrap(0x04, &[0x30, 3, 1, 1, 0xff])];
        let extensions = [ca, limits].map(|parts| Element::wrap(0x30, &parts.concat()));
        let der = with_extensions(&root.certificate, &extensions);
        let limited = Certificate::from_der(der).unwrap();
        let same = root.issue_for(&Wish::server("www.example.com").named(&["www.example.com"]), copy(&over.key));
        let anchors = Anchors::new([twin.certificate.clone(), limited]);
        let why = anchors.verify(&chain(&[&same.certificate]), &[], NOW);
        assert_eq!(why, Err(Untrusted::ForbiddenName));
    }
}
