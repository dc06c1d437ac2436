//! Who vouches for the certificate.

use super::defaults::{self, Kind};
use super::{Code, Facts, Finding};
use crate::cert::{Chain, SelfSigned};

/// Tells who vouches for the leaf; whether anybody else does.
pub(super) fn findings(chain: &Chain, facts: &Facts<'_>, found: &mut Vec<Finding>) -> bool {
    let leaf = chain.leaf();
    let verdict = facts.signatures.self_signed(leaf);
    let is_called = |name: &str| {
        let mut paths = facts.files.iter().map(|file| file.path.as_str()).chain([facts.subject]);
        paths.any(|path| path.rsplit('/').next() == Some(name))
    };
    let known = defaults::of(chain, is_called, verdict);
    let made_by = known.map_or_else(String::new, |known| format!(" ({})", known.name));
    if let Some(known) = known.filter(|known| known.kind == Kind::SharedKey) {
        let message = format!("{}: {}", leaf.title(), known.name);
        found.push(Finding::new(Code::SharedDefault, message));
        return false;
    }
    let (code, message) = match verdict {
        SelfSigned::No => {
            if let Some(known) = known {
                let message = format!("{} is {}, issued by {}", leaf.title(), known.name, leaf.issuer());
                found.push(Finding::new(Code::VendorDefault, message));
            }
            return true;
        }
        // Clients that were asked for know this very certificate.
        SelfSigned::Yes if !facts.trust.is_empty() && facts.trust.iter().all(|client| client.trusted) => return false,
        SelfSigned::Yes => (Code::SelfSigned, format!("{} signed itself{made_by}", leaf.title())),
        SelfSigned::SelfIssuedUnverifiable => {
            let message = format!(
                "{} names itself as issuer, and its signature ({}) cannot be checked{made_by}",
                leaf.title(),
                leaf.signature_algorithm()
            );
            (Code::SelfIssuedUnverified, message)
        }
        SelfSigned::SelfIssuedByOtherKey => {
            let message = format!("{} names itself as issuer, but another key signed it", leaf.title());
            (Code::SelfIssuedOtherKey, message)
        }
        SelfSigned::OwnKeyOtherName => {
            let message = format!("{} was signed by its own key under the name {}", leaf.title(), leaf.issuer());
            (Code::OwnKeyOtherName, message)
        }
    };
    found.push(Finding::new(code, message));
    verdict == SelfSigned::SelfIssuedByOtherKey
}
