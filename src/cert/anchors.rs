//! Whom to trust, and what a strict client makes of a chain.

use std::cell::Cell;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use time::OffsetDateTime;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use super::algorithm::KeyKind;
use super::certificate::Certificate;
use super::chain::Chain;
use super::name::Name;
use super::trust::{Signed, issued_by};

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
    /// An issuer in the chain is no CA (RFC 5280 section 4.2.1.9).
    #[error("a certificate that is no CA's stands in the place of an issuer")]
    IssuerNotCa,
    /// A certificate strict clients cannot read, or one that breaks a rule.
    #[error("strict clients refuse a certificate of the chain: {0}")]
    Refused(String),
}

/// Signatures that are checked to tell one that is false from one that somebody else made. An honest chain needs a few.
const MOST_CHECKS: usize = 32;

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
        let path = match (verified, out_of_date.get()) {
            (Ok(path), _) => self.titled(chain, &path, now),
            (Err(_), Some(root)) => {
                let root = &self.roots[root];
                return Err(Untrusted::RootOutOfDate {
                    root: root.title(),
                    from: root.not_before(),
                    to: root.not_after(),
                });
            }
            // A root of the same name and another key than the one that is named did not sign falsely: it is not the issuer.
            (Err(Error::InvalidSignatureForPublicKey), None) if !self.names_a_signer(chain) => {
                return Err(Untrusted::UnknownIssuer);
            }
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

    /// Whether a certificate of the chain names another of it, or a root, as its issuer by name and, where both say one, by key identifier
    /// (RFC 5280 section 4.2.1.1), and is not signed by that.
    fn names_a_signer(&self, chain: &Chain) -> bool {
        let same_key = |child: &Certificate, issuer: &Certificate| {
            child.aki().zip(issuer.ski()).is_none_or(|(named, held)| named == held)
        };
        let own = |child: &Certificate| child.is_self_issued() && issued_by(child, child) == Signed::Verified;
        let named = chain.certificates().filter(|child| !own(child)).flat_map(|child| {
            let issuers = chain.certificates().chain(&self.roots).filter(move |issuer| *issuer != child);
            issuers
                .filter(move |issuer| child.names_as_issuer(issuer) && same_key(child, issuer))
                .map(move |it| (child, it))
        });
        named.take(MOST_CHECKS).any(|(child, issuer)| issued_by(child, issuer) == Signed::Failed)
    }

    /// The certificates of a path that was verified.
    fn titled(&self, chain: &Chain, path: &webpki::VerifiedPath<'_>, now: OffsetDateTime) -> Path {
        let mut certificates = vec![chain.leaf().clone()];
        for used in path.intermediate_certificates() {
            let der = used.der();
            certificates.extend(chain.intermediates().iter().find(|one| one.der() == &*der).cloned());
        }
        let same = |(_, known): &(usize, &TrustAnchor<'_>)| {
            known.subject == path.anchor().subject
                && known.subject_public_key_info == path.anchor().subject_public_key_info
        };
        let roots = self.anchors.iter().enumerate().filter(same).filter_map(|(place, _)| self.roots.get(place));
        let root = roots.max_by_key(|root| (root.is_valid_at(now), root.not_after()));
        // A root that is served as leaf stands in the path once.
        certificates.extend(root.filter(|root| *root != chain.leaf()).cloned());
        Path { certificates }
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
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;
    use crate::cert::fixture::{Issued, NOW, Wish, copy, self_signed};

    fn chain(of: &[&Issued]) -> Chain {
        Chain::as_given(of.iter().map(|one| one.certificate.clone()).collect()).unwrap()
    }

    fn names(texts: &[&str]) -> Vec<Name> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_good_chain_is_trusted_for_its_names() {
        let root = self_signed(&Wish::ca("Root"));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("x").named(&["*.example.com", "example.com", "192.0.2.7"]));
        let anchors = Anchors::new([root.certificate.clone()]);
        let good = chain(&[&leaf, &middle]);
        let wanted = names(&["example.com", "www.example.com", "*.example.com", "192.0.2.7"]);
        assert_eq!(anchors.verify(&good, &wanted, NOW), Ok(()));
        assert_eq!(anchors.verify(&chain(&[&leaf, &middle, &root]), &[], NOW), Ok(()));
        for wrong in names(&["a.b.example.com", "*.b.example.com", "192.0.2.8", "x"]) {
            let refused = anchors.verify(&good, &[wanted[0].clone(), wrong.clone()], NOW);
            assert_eq!(refused, Err(Untrusted::WrongName(wrong)));
        }
        assert_eq!(anchors.verify(&chain(&[&leaf]), &wanted, NOW), Err(Untrusted::UnknownIssuer));
        assert_eq!(Anchors::new([]).verify(&good, &[], NOW), Err(Untrusted::UnknownIssuer));
        let after = leaf.certificate.not_after() + Duration::SECOND;
        assert_eq!(anchors.verify(&good, &[], after), Err(Untrusted::Expired(leaf.certificate.not_after())));
        let before = leaf.certificate.not_before() - Duration::SECOND;
        assert_eq!(anchors.verify(&good, &[], before), Err(Untrusted::NotYetValid(leaf.certificate.not_before())));
    }

    #[test]
    fn an_expired_root_is_no_root_unless_a_valid_one_has_its_key() {
        let short = (datetime!(2020-01-01 0:00 UTC), datetime!(2030-05-01 0:00 UTC));
        let expired = self_signed(&Wish { valid: short, ..Wish::ca("Root") });
        let leaf = expired.issue(&Wish::server("www.example.com"));
        let served = chain(&[&leaf]);
        let refused = Anchors::new([expired.certificate.clone()]).verify(&served, &[], NOW);
        let (from, to) = short;
        assert_eq!(refused, Err(Untrusted::RootOutOfDate { root: "Root".to_owned(), from, to }));

        let renewed = expired.issue_for(&Wish::ca("Root"), copy(&expired.key));
        let both = Anchors::new([expired.certificate.clone(), renewed.certificate]);
        assert_eq!(both.roots().len(), 2);
        assert_eq!(both.verify(&served, &[], NOW), Ok(()));

        // Another path: the same issuer, cross-signed by a root that is valid.
        let other = self_signed(&Wish::ca("Other"));
        let crossed = other.issue_for(&Wish::ca("Root"), copy(&expired.key));
        let anchors = Anchors::new([expired.certificate, other.certificate]);
        assert_eq!(anchors.verify(&chain(&[&leaf, &crossed]), &[], NOW), Ok(()));
    }

    #[test]
    fn a_leaf_that_signed_itself_is_trusted_only_as_a_root() {
        let strangers = Anchors::new([self_signed(&Wish::ca("Root")).certificate]);
        let own = self_signed(&Wish::server("own").named(&["own.example"]));
        assert_eq!(strangers.verify(&chain(&[&own]), &[], NOW), Err(Untrusted::UnknownIssuer));
        let itself = Anchors::new([own.certificate.clone()]);
        assert_eq!(itself.verify(&chain(&[&own]), &names(&["own.example"]), NOW), Ok(()));

        let ca = self_signed(&Wish::ca("own").named(&["own.example"]));
        let itself = Anchors::new([ca.certificate.clone()]);
        assert_eq!(itself.verify(&chain(&[&ca]), &[], NOW), Err(Untrusted::CaAsServer));
        assert_eq!(itself.verify(&chain(&[&ca.issue(&Wish::ca("Sub"))]), &[], NOW), Err(Untrusted::CaAsServer));
    }

    #[test]
    fn a_false_signature_is_told() {
        let (root, twin) = (self_signed(&Wish::ca("Root")), self_signed(&Wish::ca("Root")));
        let leaf = twin.issue(&Wish::server("www.example.com"));
        // It says which key signed it, and that is not this root's.
        let refused = Anchors::new([root.certificate.clone()]).verify(&chain(&[&leaf]), &[], NOW);
        assert_eq!(refused, Err(Untrusted::UnknownIssuer));
        let mut der = root.issue(&Wish::server("www.example.com")).certificate.der().to_vec();
        *der.last_mut().unwrap() ^= 1;
        let forged = Chain::as_given(vec![Certificate::from_der(der).unwrap()]).unwrap();
        let refused = Anchors::new([root.certificate]).verify(&forged, &[], NOW);
        assert_eq!(refused, Err(Untrusted::FalseSignature));
    }
}
