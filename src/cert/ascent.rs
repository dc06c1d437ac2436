//! Whether a certificate leads to an anchor, over whatever issuers are at hand: asked before a client stops to trust the anchor.

use std::collections::HashMap;

use super::certificate::Certificate;
use super::issuers::Issuers;
use super::signatures::Checks;
use super::trust::{SelfSigned, Signed};

/// How a certificate stands to an anchor.
#[must_use]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ascent {
    /// Issuers lead from it to the anchor.
    Leads {
        /// Whether every signature on the way was checked. Else one cannot be, and names and key identifiers do not speak against it.
        proved: bool,
    },
    /// They lead to another certificate, which signed itself.
    Elsewhere,
    /// The issuer of this one is not at hand, so nobody can tell.
    Open(Certificate),
    /// There are more certificates of the same names than are held against one another, so nobody can tell.
    Tangled,
}

/// Where certificates that were sent together lead to.
pub struct Ways<'c> {
    sent: Issuers<'c>,
    known: &'c Issuers<'c>,
    checks: Checks,
}

impl<'c> Ways<'c> {
    /// By what was `sent`, and only where that leaves it open by all else that is `known`, for clients find issuers in places of their own.
    #[must_use]
    pub fn over(sent: &'c [Certificate], known: &'c Issuers<'c>) -> Self {
        Self { sent: Issuers::among(sent), known, checks: Checks::default() }
    }

    /// How `from` stands to `anchor`.
    ///
    /// A certificate that has the anchor's name and key leads to it, as does one below such a certificate (RFC 5280 section 6.1.1 knows
    /// of an anchor no more than these). Dates, names and what an issuer may sign do not count: what a strict client refuses, another takes.
    pub fn ascend(&self, from: &Certificate, anchor: &Certificate) -> Ascent {
        let climb = |known| self.climb(from, anchor, known).unwrap_or(Ascent::Tangled);
        match climb(None) {
            Ascent::Open(_) => climb(Some(self.known)),
            found @ (Ascent::Leads { .. } | Ascent::Elsewhere | Ascent::Tangled) => found,
        }
    }

    /// None once there were enough checks.
    fn climb(&self, from: &Certificate, anchor: &Certificate, known: Option<&Issuers<'_>>) -> Option<Ascent> {
        // Each with whether all signatures up to it were checked.
        let mut reached: Vec<(&Certificate, bool)> = vec![(from, true)];
        let mut met = HashMap::from([(from.fingerprint(), true)]);
        let (mut perhaps, mut ends, mut open) = (false, false, None);
        let mut place = 0;
        while let Some((one, proved)) = reached.get(place).copied() {
            place += 1;
            let here = if twins(one, anchor) { Signed::Verified } else { self.checks.issued_by(one, anchor)? };
            match here {
                Signed::Verified if proved => return Some(Ascent::Leads { proved }),
                Signed::Verified | Signed::Unverifiable => perhaps = true,
                Signed::Failed => {}
            }
            if matches!(self.checks.self_issued(one)?, SelfSigned::Yes | SelfSigned::SelfIssuedUnverifiable) {
                ends = true;
                continue;
            }
            let mut orphan = true;
            for issuer in self.sent.named_by(one).chain(known.into_iter().flat_map(|known| known.named_by(one))) {
                let signed = self.checks.issued_by(one, issuer)?;
                if signed == Signed::Failed {
                    continue;
                }
                orphan = false;
                let proved = proved && signed == Signed::Verified;
                match met.insert(issuer.fingerprint(), proved) {
                    None => reached.push((issuer, proved)),
                    // Once more, now that it is proved: what is above it is proved with it.
                    Some(false) if proved => reached.push((issuer, true)),
                    Some(before) => {
                        met.insert(issuer.fingerprint(), before);
                    }
                }
            }
            if orphan {
                open.get_or_insert(one);
            }
        }
        Some(match open {
            _ if perhaps => Ascent::Leads { proved: false },
            Some(last) if !ends => Ascent::Open(last.clone()),
            Some(_) | None => Ascent::Elsewhere,
        })
    }
}

/// The same of one certificate, by what was sent with it and what else is known.
pub fn ascend(from: &Certificate, anchor: &Certificate, sent: &[Certificate], known: &[Certificate]) -> Ascent {
    Ways::over(sent, &Issuers::among(known)).ascend(from, anchor)
}

/// Whether two certificates have one name and one key: who trusts one trusts what either has issued.
#[must_use]
pub fn twins(one: &Certificate, other: &Certificate) -> bool {
    one.subject_der() == other.subject_der() && one.spki() == other.spki()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Issued, Wish, copy, self_signed};
    use crate::cert::issued_by;
    use crate::cert::key::tests::openssl;

    fn of(all: &[&Issued]) -> Vec<Certificate> {
        all.iter().map(|one| one.certificate.clone()).collect()
    }

    #[test]
    fn what_is_sent_or_known_leads_up() {
        let (root, other) = (self_signed(&Wish::ca("Root")), self_signed(&Wish::ca("Other")));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("www"));
        let ascent = |anchor: &Issued, sent: &[&Issued], known: &[&Issued]| {
            ascend(&leaf.certificate, &anchor.certificate, &of(sent), &of(known))
        };
        let leads = Ascent::Leads { proved: true };
        assert_eq!(ascent(&root, &[&leaf, &middle], &[]), leads);
        assert_eq!(ascent(&root, &[&leaf], &[&other, &middle]), leads, "clients may have the intermediate");
        assert_eq!(ascent(&middle, &[&leaf], &[]), leads, "an anchor need not be a root");
        assert_eq!(ascent(&root, &[&leaf], &[&other]), Ascent::Open(leaf.certificate.clone()));
        assert_eq!(ascent(&other, &[&leaf, &middle], &[]), Ascent::Open(middle.certificate.clone()));
        assert_eq!(ascent(&other, &[&leaf, &middle], &[&root]), Ascent::Elsewhere);
        let itself = ascend(&root.certificate, &root.certificate, &[], &[]);
        assert_eq!(itself, leads);
    }

    #[test]
    fn names_alone_are_no_proof_and_a_false_signature_is_one() {
        let (root, namesake) = (self_signed(&Wish::ca("Root")), self_signed(&Wish::ca("Root")));
        let leaf = root.issue(&Wish::server("www"));
        let ascent = |known: &[&Issued]| ascend(&leaf.certificate, &namesake.certificate, &of(&[&leaf]), &of(known));
        assert_eq!(ascent(&[&root]), Ascent::Elsewhere);
        assert_eq!(ascent(&[]), Ascent::Open(leaf.certificate.clone()));
    }

    #[test]
    fn a_cross_signed_issuer_leads_both_ways() {
        let (old, new) = (self_signed(&Wish::ca("Old")), self_signed(&Wish::ca("New")));
        let crossed = old.issue_for(&Wish::ca("New"), copy(&new.key));
        let leaf = new.issue(&Wish::server("www"));
        for anchor in [&old, &new] {
            let sent = of(&[&leaf, &crossed]);
            assert_eq!(ascend(&leaf.certificate, &anchor.certificate, &sent, &[]), Ascent::Leads { proved: true });
        }
        assert!(twins(&crossed.certificate, &new.certificate) && !twins(&crossed.certificate, &old.certificate));
        // What only a stranger sends is not held against who is well without.
        let bare = ascend(&leaf.certificate, &old.certificate, &of(&[&leaf, &new]), &of(&[&crossed]));
        assert_eq!(bare, Ascent::Elsewhere);
    }

    #[test]
    fn cas_that_issued_each_other_are_climbed_once_and_not_without_end() {
        let (a, b, other) = (self_signed(&Wish::ca("A")), self_signed(&Wish::ca("B")), self_signed(&Wish::ca("Other")));
        let leaf = a.issue(&Wish::server("www")).certificate;
        let crossed = |count: usize| -> Vec<Certificate> {
            let one = |place: usize| match place % 2 {
                0 => a.issue_for(&Wish::ca("B"), copy(&b.key)).certificate,
                _ => b.issue_for(&Wish::ca("A"), copy(&a.key)).certificate,
            };
            (0..count).map(one).collect()
        };
        let (few, many, nothing) = (crossed(40), crossed(300), Issuers::among([]));
        let ways = Ways::over(&few, &nothing);
        assert_eq!(ways.ascend(&leaf, &other.certificate), Ascent::Elsewhere);
        assert!(ways.checks.count() <= 41, "one for each certificate: {}", ways.checks.count());
        assert_eq!(ways.ascend(&leaf, &b.certificate), Ascent::Leads { proved: true });
        let ways = Ways::over(&many, &nothing);
        for _ in 0..3 {
            assert_eq!(ways.ascend(&leaf, &other.certificate), Ascent::Tangled);
        }
        assert_eq!(ways.checks.count(), 256, "whoever asks how often");
        assert_eq!(ways.ascend(&leaf, &b.certificate), Ascent::Leads { proved: true }, "what is found first counts");
    }

    /// Ed448 cannot be checked here.
    #[test]
    fn what_cannot_be_checked_counts_unless_key_identifiers_speak_against_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = |name: &str| {
            let base = dir.path().join(name).display().to_string();
            let words = "req -x509 -nodes -newkey ed448 -subj /CN=Root -addext subjectKeyIdentifier=hash";
            openssl(&format!("{words} -keyout {base}.key -out {base}.pem"), b"");
            let der = openssl(&format!("x509 -in {base}.pem -outform DER"), b"");
            (base, Certificate::from_der(der).unwrap())
        };
        let ((base, root), (_, namesake)) = (root("one"), root("two"));
        let words = "req -x509 -nodes -newkey ed25519 -subj /CN=www -addext authorityKeyIdentifier=keyid";
        let issued = format!("{words} -CA {base}.pem -CAkey {base}.key -keyout /dev/null -outform DER");
        let leaf = Certificate::from_der(openssl(&issued, b"")).unwrap();
        assert_eq!(issued_by(&leaf, &root), Signed::Unverifiable);
        assert_eq!(ascend(&leaf, &root, &[], &[]), Ascent::Leads { proved: false });
        assert_eq!(ascend(&leaf, &namesake, &[], &[]), Ascent::Open(leaf.clone()));
        assert_eq!(ascend(&leaf, &namesake, &[], std::slice::from_ref(&root)), Ascent::Elsewhere);
    }
}
