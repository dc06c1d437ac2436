//! Why no path leads to a root, where webpki says no more than that.

use super::{Anchors, Untrusted};
use crate::cert::algorithm::KeyKind;
use crate::cert::certificate::Certificate;
use crate::cert::chain::Chain;
use crate::cert::signatures::Checks;
use crate::cert::trust::{SelfSigned, Signed};

/// Signatures that are checked to tell one that is false from one that somebody else made. An honest chain needs a few.
const MOST_CHECKS: usize = 64;

impl Anchors {
    /// Whether a certificate of the chain names another of it, or a root, as its issuer by name and, where both say one, by key identifier
    /// (RFC 5280 section 4.2.1.1), and is signed by none of those it names so. A root may have the name of a CA of the chain and another
    /// key: it takes nothing from what that CA has signed.
    pub(super) fn names_a_signer(&self, chain: &Chain) -> bool {
        let checks = Checks::up_to(MOST_CHECKS);
        chain.certificates().any(|child| self.signed_by_none(child, chain, &checks).unwrap_or(false))
    }

    /// Whether it names such issuers, and none has signed it; none once there were enough checks.
    fn signed_by_none(&self, child: &Certificate, chain: &Chain, checks: &Checks) -> Option<bool> {
        if checks.self_issued(child)? == SelfSigned::Yes {
            return Some(false);
        }
        let same_key = |issuer: &Certificate| child.aki().zip(issuer.ski()).is_none_or(|(named, held)| named == held);
        let issuers = chain.certificates().chain(&self.roots).filter(|issuer| *issuer != child);
        let mut failed = false;
        for issuer in issuers.filter(|issuer| child.names_as_issuer(issuer) && same_key(issuer)) {
            failed = checks.issued_by(child, issuer)? == Signed::Failed;
            if !failed {
                break;
            }
        }
        Some(failed)
    }

    /// Why webpki does not go a path that signatures prove and that leads to a root.
    pub(super) fn hindrance(&self, chain: &Chain) -> Option<Untrusted> {
        let checks = Checks::up_to(MOST_CHECKS);
        let mut reached: Vec<(&Certificate, Option<Untrusted>)> = vec![(chain.leaf(), None)];
        let mut place = 0;
        while let Some((child, met)) = reached.get(place).cloned() {
            place += 1;
            // The roots of a system are many: whoever names another key than theirs is not asked for the name.
            let named = |issuer: &&Certificate| {
                let other_key = child.aki().zip(issuer.ski()).is_some_and(|(named, held)| named != held);
                !other_key && *issuer != child && child.names_as_issuer(issuer)
            };
            let sent = chain.intermediates().iter().map(|one| (one, false));
            for (issuer, root) in sent.chain(self.roots.iter().map(|one| (one, true))).filter(|(one, _)| named(one)) {
                if !root && reached.iter().any(|(known, _)| *known == issuer) {
                    continue;
                }
                if checks.issued_by(child, issuer)? != Signed::Verified {
                    continue;
                }
                let met = met.clone().or_else(|| between(child, issuer));
                if !root {
                    reached.push((issuer, met));
                } else if met.is_some() {
                    return met;
                }
            }
        }
        None
    }
}

/// What keeps webpki from taking one for the issuer of the other, whose signature is good.
fn between(child: &Certificate, issuer: &Certificate) -> Option<Untrusted> {
    match issuer.key_kind() {
        KeyKind::Rsa(bits @ ..2048) => return Some(Untrusted::SmallIssuer { issuer: issuer.title(), bits: *bits }),
        KeyKind::Rsa(_)
        | KeyKind::P256
        | KeyKind::P384
        | KeyKind::P521
        | KeyKind::Ed25519
        | KeyKind::MlDsa(_)
        | KeyKind::Other(_) => {}
    }
    let same = child.issuer_der() == issuer.subject_der();
    (!same).then(|| Untrusted::OtherwiseWritten { child: child.title(), issuer: issuer.title() })
}
