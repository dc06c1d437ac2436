//! Why no path leads to a root, where webpki says no more than that.

use super::{Anchors, Untrusted};
use crate::cert::algorithm::KeyKind;
use crate::cert::certificate::Certificate;
use crate::cert::chain::Chain;
use crate::cert::signatures::Checks;
use crate::cert::trust::Signed;

/// Signatures that are checked to tell one that is false from one that somebody else made. An honest chain needs a few.
const MOST_CHECKS: usize = 64;

impl Anchors {
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
