//! Whom to trust, and what a strict client makes of a chain.

mod hindrance;
mod namesakes;
mod reach;

use std::cell::RefCell;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use time::OffsetDateTime;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use super::algorithm::KeyKind;
use super::certificate::Certificate;
use super::chain::Chain;
use super::name::Name;
use super::strict::fault::Fault;

/// Root certificates.
#[derive(Clone, Debug)]
pub struct Anchors {
    roots: Vec<Certificate>,
    /// What a client takes from each of `roots`, by the same index.
    anchors: Vec<TrustAnchor<'static>>,
}

/// How a chain leads to a root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// From the leaf to the root, which the server need not have sent.
    pub certificates: Vec<Certificate>,
}

/// Why a strict client refuses a chain.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Untrusted {
    /// No path leads to one of the roots.
    #[error("no chain of issuers leads from it to a trusted root")]
    UnknownIssuer,
    /// A path leads to a root, over a CA or from a root whose RSA key is so small that clients take no signature by it.
    #[error(
        "{issuer} has an RSA key of {bits} bits: rustls takes no signature by fewer than 2048, nor does OpenSSL at its security level 2"
    )]
    SmallIssuer {
        /// The CA's title.
        issuer: String,
        /// What its modulus has.
        bits: u32,
    },
    /// A path leads to a root for those who compare names by RFC 5280 section 7.1, as OpenSSL does, and for nobody else.
    #[error(
        "{child} writes its issuer otherwise than {issuer} its own name, in case, blanks or kind of text: rustls and Go compare the octets \
         and find no issuer, OpenSSL does"
    )]
    OtherwiseWritten {
        /// The title of the certificate that was issued.
        child: String,
        /// The CA's title.
        issuer: String,
    },
    /// A path leads to a root whose own dates are over, or not yet there. OpenSSL refuses it; some clients do not look.
    #[error("the root {root} it leads to is valid only from {} to {}", from.date(), to.date())]
    RootOutOfDate {
        /// The root's title.
        root: String,
        /// Its first second.
        from: OffsetDateTime,
        /// Its last second.
        to: OffsetDateTime,
    },
    /// A path leads to a root that is none for it, by what its own certificate says. OpenSSL refuses it; some clients take no more of a
    /// root than its name and key.
    #[error("the root {root} it leads to {why}")]
    RootForbids {
        /// The root's title.
        root: String,
        /// What it says.
        why: Forbids,
    },
    /// Over.
    #[error("a certificate of the chain has expired on {}", .0.date())]
    Expired(OffsetDateTime),
    /// Not begun.
    #[error("a certificate of the chain is not valid before {}", .0.date())]
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
    /// Clients take no handshake signed with such a key.
    #[error("its key is of a kind that clients do not accept: {0}")]
    WeakKey(KeyKind),
    /// A signature does not verify.
    #[error("a signature in the chain is false")]
    FalseSignature,
    /// A digest or kind of key clients no longer take.
    #[error("a signature in the chain is of a kind that clients do not accept")]
    WeakSignature,
    /// A name that a CA of the chain may not issue for (RFC 5280 section 4.2.1.10).
    #[error("a CA of the chain may not issue for one of its names")]
    ForbiddenName,
    /// More CAs below one than it allows (RFC 5280 section 4.2.1.9).
    #[error("a CA of the chain stands above more CAs than it allows")]
    TooLong,
    /// An issuer in the chain is no CA (RFC 5280 section 4.2.1.9), or its key usage leaves out keyCertSign (section 4.2.1.3).
    #[error("a certificate that may not sign others stands in the place of an issuer")]
    IssuerNotCa,
    /// A certificate strict clients cannot read, or one that breaks a rule.
    #[error("strict clients refuse a certificate of the chain: {0}")]
    Refused(String),
}

/// What the certificate of a root says against a path that leads to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Forbids {
    /// It is no CA's (RFC 5280 section 4.2.1.9).
    #[error("is no CA's certificate")]
    NotCa,
    /// Its key usage leaves out keyCertSign (RFC 5280 section 4.2.1.3).
    #[error("may not sign certificates")]
    NotSigning,
    /// Its path length (RFC 5280 section 4.2.1.9).
    #[error("allows fewer CAs below it than the chain has")]
    TooLong,
    /// Its extended key usage leaves out TLS servers (RFC 5280 section 4.2.1.12).
    #[error("may not be used for TLS servers")]
    WrongPurpose,
    /// A critical extension that clients do not know (RFC 5280 section 4.2).
    #[error("has a critical extension that clients do not know")]
    UnknownCritical,
    /// What OpenSSL refuses every chain for that has it.
    #[error("{0}")]
    Faulty(Fault),
}

impl Forbids {
    /// The first thing that speaks against it above so many CAs that were issued by others than themselves.
    fn of(root: &Certificate, below: usize) -> Option<Self> {
        let most = root.path_len().map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let fault = root.fault().map(Self::Faulty);
        match () {
            () if !root.unknown_critical().is_empty() => Some(Self::UnknownCritical),
            () if fault.is_some() => fault,
            () if !root.passes_for_ca() => Some(Self::NotCa),
            () if !root.signs_certificates() => Some(Self::NotSigning),
            () if !root.names_tls_servers() => Some(Self::WrongPurpose),
            () if below > most => Some(Self::TooLong),
            () => None,
        }
    }
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
    /// order of the intermediates does not count. Revocation is not asked for. A leaf that signed itself is good where it is one
    /// of the roots, unless it calls itself a CA.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn verify(&self, chain: &Chain, names: &[Name], now: OffsetDateTime) -> Result<(), Untrusted> {
        self.path(chain, names, now).map(|_| ())
    }

    /// The same, and the path that was found.
    ///
    /// # Errors
    /// As [`Anchors::verify`].
    pub fn path(&self, chain: &Chain, names: &[Name], now: OffsetDateTime) -> Result<Path, Untrusted> {
        let chain = &*self.within_reach(chain)?;
        let leaf = CertificateDer::from(chain.leaf().der());
        let leaf = EndEntityCert::try_from(&leaf).map_err(reason)?;
        let intermediates: Vec<_> = chain.intermediates().iter().map(|one| CertificateDer::from(one.der())).collect();
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let refused = RefCell::new(None);
        // webpki takes a root's key and name on trust, and looks at nothing else that it says; another path may lead to one that is good.
        let admitted = |path: &webpki::VerifiedPath<'_>| match self.admits(chain, path, now) {
            Ok(_) => Ok(()),
            Err(why) => {
                refused.borrow_mut().get_or_insert(why);
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
            Some(&admitted),
        );
        let path = match (verified, refused.take()) {
            (Ok(path), _) => self.titled(chain, &path, now),
            (Err(_), Some(why)) => return Err(why),
            (Err(Error::InvalidSignatureForPublicKey), None) => return Err(self.unsigned(chain, names, now)),
            (Err(Error::UnknownIssuer), None) => return Err(self.hindrance(chain).unwrap_or(Untrusted::UnknownIssuer)),
            (Err(error), None) => return Err(reason(error)),
        };
        // A path says nothing about the key of the leaf; the handshake would.
        match chain.leaf().key_kind() {
            KeyKind::Rsa(bits) if *bits >= 2048 => {}
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 | KeyKind::MlDsa(_) => {}
            weak @ (KeyKind::Rsa(_) | KeyKind::Other(_)) => return Err(Untrusted::WeakKey(weak.clone())),
        }
        names.iter().try_for_each(|name| verify_name(&leaf, chain.leaf(), name))?;
        Ok(path)
    }

    /// The certificates of a path that was verified.
    fn titled(&self, chain: &Chain, path: &webpki::VerifiedPath<'_>, now: OffsetDateTime) -> Path {
        let mut certificates = vec![chain.leaf().clone()];
        for used in path.intermediate_certificates() {
            let der = used.der();
            certificates.extend(chain.intermediates().iter().find(|one| one.der() == &*der).cloned());
        }
        let root = self.admits(chain, path, now).ok();
        // A root that is served as leaf stands in the path once.
        certificates.extend(root.filter(|root| *root != chain.leaf()).cloned());
        Path { certificates }
    }

    /// The root at which a path ends: the one that ends last among those of the anchor's name and key that are valid and do not forbid it;
    /// else why there is none.
    fn admits(
        &self,
        chain: &Chain,
        path: &webpki::VerifiedPath<'_>,
        now: OffsetDateTime,
    ) -> Result<&Certificate, Untrusted> {
        let (anchor, leaf) = (path.anchor(), chain.leaf());
        // webpki does not look at the key usage of an issuer; OpenSSL and Go do (RFC 5280 section 6.1.4 n).
        let used = |one: &&Certificate| path.intermediate_certificates().any(|used| *used.der() == *one.der());
        if chain.intermediates().iter().filter(used).any(|one| !one.signs_certificates()) {
            return Err(Untrusted::IssuerNotCa);
        }
        // Self-issued ones do not count (RFC 5280 section 4.2.1.9).
        let below = path.intermediate_certificates().filter(|one| one.issuer() != one.subject()).count();
        let (mut best, mut refused): (Option<&Certificate>, _) = (None, None);
        for (root, known) in self.roots.iter().zip(&self.anchors) {
            // Others of this name and key have name constraints of their own, and are asked for by themselves.
            if known != anchor {
                continue;
            }
            // Who trusts a certificate itself has it sign nothing.
            if let Some(why) = Forbids::of(root, below).filter(|_| root != leaf) {
                refused.get_or_insert(Untrusted::RootForbids { root: root.title(), why });
            } else if !root.is_valid_at(now) {
                let (from, to) = (root.not_before(), root.not_after());
                refused.get_or_insert(Untrusted::RootOutOfDate { root: root.title(), from, to });
            } else if best.is_none_or(|best| root.not_after() >= best.not_after()) {
                best = Some(root);
            }
        }
        best.ok_or_else(|| refused.unwrap_or(Untrusted::UnknownIssuer))
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

#[allow(clippy::wildcard_enum_match_arm, reason = "the verifier's reasons are an open set")]
fn reason(error: Error) -> Untrusted {
    match error {
        Error::UnknownIssuer => Untrusted::UnknownIssuer,
        Error::CertExpired { not_after, .. } => Untrusted::Expired(moment(not_after)),
        Error::CertNotValidYet { not_before, .. } => Untrusted::NotYetValid(moment(not_before)),
        Error::CaUsedAsEndEntity => Untrusted::CaAsServer,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Untrusted::WrongPurpose,
        Error::NameConstraintViolation => Untrusted::ForbiddenName,
        Error::PathLenConstraintViolated => Untrusted::TooLong,
        Error::EndEntityUsedAsCa => Untrusted::IssuerNotCa,
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

#[cfg(test)]
mod tests;
