//! Whom to trust, and what a strict client makes of a chain.

use std::cell::Cell;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use time::OffsetDateTime;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use super::certificate::Certificate;
use super::chain::Chain;
use super::name::Name;

/// Root certificates.
#[derive(Clone, Debug)]
pub struct Anchors {
    roots: Vec<Certificate>,
    /// What a client takes from each of `roots`, by the same index.
    anchors: Vec<TrustAnchor<'static>>,
}

/// Why a strict client refuses a chain.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Untrusted {
    /// No path leads to one of the roots.
    #[error("no chain of issuers leads from it to a trusted root")]
    UnknownIssuer,
    /// A path leads to a root whose own dates are over, or not yet there. OpenSSL refuses it; some clients do not look.
    #[error("the root {root} it leads to is valid only from {from} to {to}")]
    RootOutOfDate {
        /// The root's title.
        root: String,
        /// Its first second.
        from: OffsetDateTime,
        /// Its last second.
        to: OffsetDateTime,
    },
    /// Over.
    #[error("a certificate of the chain has expired on {0}")]
    Expired(OffsetDateTime),
    /// Not begun.
    #[error("a certificate of the chain is not valid before {0}")]
    NotYetValid(OffsetDateTime),
    /// The leaf does not name this one.
    #[error("it is not valid for {0}")]
    WrongName(Name),
    /// The leaf is a CA's certificate.
    #[error("a certificate of a CA stands in the place of the server's")]
    CaAsServer,
    /// The extended key usage of the leaf or of a CA excludes TLS servers.
    #[error("it may not be used for TLS servers")]
    WrongPurpose,
    /// A signature does not verify.
    #[error("a signature in the chain is false")]
    FalseSignature,
    /// A digest or kind of key clients no longer take.
    #[error("a signature in the chain is of a kind that clients do not accept")]
    WeakSignature,
    /// A certificate strict clients cannot read, or one that breaks a rule.
    #[error("strict clients refuse a certificate of the chain: {0}")]
    Refused(String),
}

impl Anchors {
    /// Trusts these. Those that cannot serve as root, as few clients could read them, are left out.
    #[must_use]
    pub fn new(roots: impl IntoIterator<Item = Certificate>) -> Self {
        let usable = roots.into_iter().filter_map(|root| {
            let der = CertificateDer::from(root.der());
            let anchor = anchor_from_trusted_cert(&der).ok()?.to_owned();
            Some((root, anchor))
        });
        let (roots, anchors) = usable.unzip();
        Self { roots, anchors }
    }

    /// The roots in use.
    #[must_use]
    pub fn roots(&self) -> &[Certificate] {
        &self.roots
    }

    /// Whether a strict TLS client at `now` takes this chain for every one of `names` (RFC 5280 section 6, RFC 9525). The
    /// order of the intermediates does not count. Revocation is not asked for. A self-signed leaf is never accepted, not even
    /// as its own root: few clients do.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn verify(&self, chain: &Chain, names: &[Name], now: OffsetDateTime) -> Result<(), Untrusted> {
        let leaf = CertificateDer::from(chain.leaf().der());
        let leaf = EndEntityCert::try_from(&leaf).map_err(reason)?;
        let intermediates: Vec<_> = chain.intermediates().iter().map(|one| CertificateDer::from(one.der())).collect();
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let out_of_date = Cell::new(None);
        // webpki takes a root's key and name on trust, its dates included; another path may lead to a root that is valid.
        let root_is_valid = |path: &webpki::VerifiedPath<'_>| match self.dated(path.anchor(), now) {
            Ok(()) => Ok(()),
            Err(root) => {
                out_of_date.set(Some(root));
                Err(Error::UnknownIssuer)
            }
        };
        let verified = leaf.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &self.anchors,
            &intermediates,
            time,
            KeyUsage::server_auth(),
            None,
            Some(&root_is_valid),
        );
        match (verified, out_of_date.get()) {
            (Ok(_), _) => {}
            (Err(_), Some(root)) => {
                let root = &self.roots[root];
                return Err(Untrusted::RootOutOfDate {
                    root: root.title(),
                    from: root.not_before(),
                    to: root.not_after(),
                });
            }
            (Err(error), None) => return Err(reason(error)),
        }
        names.iter().try_for_each(|name| verify_name(&leaf, chain.leaf(), name))
    }

    /// Whether any root with this name and key is valid; else the index of one that is not.
    fn dated(&self, anchor: &TrustAnchor<'_>, now: OffsetDateTime) -> Result<(), usize> {
        let mut expired = Ok(());
        for (place, root) in self.roots.iter().enumerate() {
            let known = &self.anchors[place];
            if known.subject == anchor.subject && known.subject_public_key_info == anchor.subject_public_key_info {
                if root.is_valid_at(now) {
                    return Ok(());
                }
                expired = Err(place);
            }
        }
        expired
    }
}

/// A wildcard cannot be asked for in a handshake, so it is compared as it stands.
fn verify_name(strict: &EndEntityCert<'_>, leaf: &Certificate, name: &Name) -> Result<(), Untrusted> {
    let wanted = match name {
        Name::Dns(dns) if !name.is_wildcard() => ServerName::try_from(dns.as_str()).ok(),
        Name::Dns(_) => None,
        Name::Ip(address) => Some(ServerName::from(*address)),
    };
    let good = match wanted {
        Some(wanted) => strict.verify_is_valid_for_subject_name(&wanted).is_ok(),
        None => leaf.covers(name),
    };
    if good { Ok(()) } else { Err(Untrusted::WrongName(name.clone())) }
}

fn reason(error: Error) -> Untrusted {
    match error {
        Error::UnknownIssuer => Untrusted::UnknownIssuer,
        Error::CertExpired { not_after, .. } => Untrusted::Expired(moment(not_after)),
        Error::CertNotValidYet { not_before, .. } => Untrusted::NotYetValid(moment(not_before)),
        Error::CaUsedAsEndEntity => Untrusted::CaAsServer,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Untrusted::WrongPurpose,
        Error::InvalidSignatureForPublicKey => Untrusted::FalseSignature,
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            Untrusted::WeakSignature
        }
        other => Untrusted::Refused(other.to_string()),
    }
}

fn moment(time: UnixTime) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
