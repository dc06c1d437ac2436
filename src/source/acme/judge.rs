//! Whether what an ACME server issued is what was ordered: that it was issued proves nothing.

use time::{Duration, OffsetDateTime};

use super::error::AcmeError;
use crate::cert::codec;
use crate::cert::{Bundle, Certificate, ChainNote, Name, PrivateKey, SelfSigned};
use crate::sensitive::Sensitive;
use crate::source::import::{self, ImportError, Note, Part};

/// How far a CA's clock may be ahead of ours.
const SKEW: Duration = Duration::HOUR;

/// The chain with the key it was ordered for.
///
/// # Errors
/// It is for another key or other names, is self-signed, a CA, not for servers, over, or its parts do not belong together.
pub fn bundle(chain: &str, key: &PrivateKey, names: &[Name], now: OffsetDateTime) -> Result<Bundle, AcmeError> {
    let another = || AcmeError::Other("it is for another key".to_owned());
    let parts = [
        Part { label: "what the CA issued".to_owned(), bytes: Sensitive::from(chain.as_bytes().to_vec()) },
        Part { label: "the key of the order".to_owned(), bytes: key.to_pem() },
    ];
    let imported = match import::bundle_from(&parts, None) {
        Ok(imported) => imported,
        Err(ImportError::NoneMatch { .. }) => return Err(another()),
        Err(error) => return Err(error.into()),
    };
    // The answer may hold a key of its own: one that others know.
    if imported.bundle.key().spki() != key.spki() {
        return Err(another());
    }
    let faults = faults(imported.bundle.leaf(), names, now);
    match faults.into_iter().next().or_else(|| strays(&imported.notes)) {
        Some(fault) => Err(AcmeError::Other(fault)),
        None => Ok(imported.bundle),
    }
}

fn faults(leaf: &Certificate, names: &[Name], now: OffsetDateTime) -> Vec<String> {
    let missing: Vec<String> =
        names.iter().filter(|name| !leaf.names().contains(name)).map(ToString::to_string).collect();
    let extra = leaf.names().iter().filter(|name| !names.contains(name)).map(ToString::to_string);
    let extra: Vec<String> = extra.chain(leaf.unusable_names().iter().cloned()).collect();
    let all = [
        (!missing.is_empty(), format!("it is not for {}", missing.join(", "))),
        (!extra.is_empty(), format!("it is also for {}", extra.join(", "))),
        (SelfSigned::of(leaf).by_own_key(), "it is self-signed".to_owned()),
        (leaf.is_ca(), "it is a CA".to_owned()),
        (!leaf.serves_tls() || !leaf.signs_handshakes(), "its usages do not allow a TLS server".to_owned()),
        (leaf.not_after() < now, "it is over already".to_owned()),
        (leaf.not_before() > now + SKEW, "it begins in the future: is this machine's clock right?".to_owned()),
    ];
    all.into_iter().filter(|(found, _)| *found).map(|(_, fault)| fault).collect()
}

/// What came along and is no part of the chain: a server that got its chain wrong would have clients fail.
fn strays(notes: &[Note]) -> Option<String> {
    notes.iter().find_map(|note| match note {
        Note::Chain(ChainNote::Stranger(other)) => {
            Some(format!("its chain is broken: {} is no part of it", other.title()))
        }
        Note::Chain(_) | Note::Continued(_) | Note::Ignored { .. } | Note::Broken { .. } | Note::OtherKey { .. } => {
            None
        }
    })
}

/// Whether the issuer at the top of this chain has this common name.
pub(super) fn leads_to(chain: &str, common_name: &str) -> bool {
    let certificates = codec::read(chain.as_bytes(), None).map(|read| read.certificates).unwrap_or_default();
    let is_top =
        |one: &&Certificate| !certificates.iter().any(|other| other != *one && other.subject() == one.issuer());
    certificates.iter().filter(is_top).any(|top| top.issuer_common_name().as_deref() == Some(common_name))
}
