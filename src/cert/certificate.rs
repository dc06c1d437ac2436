//! A certificate, parsed once.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use time::OffsetDateTime;

use super::algorithm::{KeyKind, SignatureAlgorithm};
use super::details::{self, Details};
use super::name::Name;
use super::outline::{self, AlternativeName, Content, Outline};
use super::{codec, distinguished, revocation, spki};
use crate::digest::Digest;

/// An X.509 certificate (RFC 5280). Reads whatever can be read, however odd: what a strict client makes of it is judged
/// elsewhere. Cloning shares it. Two are equal when their bytes are.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

/// Places in the DER instead of copies; what costs an allocation or a digest is made when first asked for.
struct Parsed {
    der: Vec<u8>,
    tbs: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    spki: Range<usize>,
    serial: Range<usize>,
    signature: Range<usize>,
    sound: bool,
    ski: Option<Range<usize>>,
    aki: Option<Range<usize>>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    names: Vec<Name>,
    unusable_names: Vec<String>,
    authority: Option<Authority>,
    serves_tls: bool,
    signs: bool,
    details: Details,
    fingerprint: OnceLock<Digest>,
    spki_digest: OnceLock<Digest>,
    subject_text: OnceLock<String>,
    issuer_text: OnceLock<String>,
    common_name: OnceLock<Option<String>>,
    self_issued: OnceLock<bool>,
    key_kind: KeyKind,
    signature_algorithm: SignatureAlgorithm,
}

/// The basic constraints of a CA (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy)]
struct Authority {
    path_len: Option<u32>,
}

/// The bytes are no certificate.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not DER of a certificate.
    #[error("the bytes cannot be read as an X.509 certificate: {0}")]
    Unreadable(String),
    /// A certificate, and then more.
    #[error("{0} bytes follow the end of the certificate")]
    Trailing(usize),
}

impl Certificate {
    /// Reads one certificate, which must fill `der`.
    ///
    /// # Errors
    /// The bytes are no certificate, or there are more of them.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, CertificateError> {
        let der = der.into();
        let parsed = parse(&der)?;
        Ok(Self(Arc::new(Parsed { der, ..parsed })))
    }

    /// SHA-256 of the DER, the fingerprint administrators know.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        *self.0.fingerprint.get_or_init(|| Digest::of(&self.0.der))
    }

    /// The subject for people: `C=DE, O=Example, CN=www.example.com`. Whoever prints it must escape it.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.subject_text.get_or_init(|| distinguished::text(self.subject_der()))
    }

    /// The issuer, as [`Certificate::subject`].
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.issuer_text.get_or_init(|| distinguished::text(self.issuer_der()))
    }

    /// The subject's last common name. Clients do not look at it (RFC 9525 section 6.4).
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.0.common_name.get_or_init(|| distinguished::common_name(self.subject_der())).as_deref()
    }

    /// The issuer's last common name.
    #[must_use]
    pub fn issuer_common_name(&self) -> Option<String> {
        distinguished::common_name(self.issuer_der())
    }

    /// What to call it in a message: its common name, else its first name, else its subject, else its fingerprint.
    #[must_use]
    pub fn title(&self) -> String {
        match (self.common_name(), self.names().first()) {
            (Some(name), _) if !name.is_empty() => name.to_owned(),
            (_, Some(name)) => name.to_string(),
            (_, None) if self.subject().is_empty() => self.fingerprint().short(),
            (_, None) => self.subject().to_owned(),
        }
    }

    /// The serial number in hexadecimal, without zero octets in front: as a revocation list encodes it, however this is encoded. A negative
    /// one, which RFC 5280 section 4.1.2.2 forbids, has a minus before its amount.
    #[must_use]
    pub fn serial(&self) -> String {
        revocation::serial_text(self.serial_octets())
    }

    /// The octets of the serial number as they are encoded.
    pub(super) fn serial_octets(&self) -> &[u8] {
        &self.0.der[self.0.serial.clone()]
    }

    /// First second of validity, UTC.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.0.not_before
    }

    /// Last second of validity, UTC.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.0.not_after
    }

    /// Whether `now` lies within the validity, both ends included (RFC 5280 section 4.1.2.5).
    #[must_use]
    pub fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        (self.0.not_before..=self.0.not_after).contains(&now)
    }

    /// DNS names and IP addresses of the subject alternative name, in their order. The common name is not among them: no
    /// client takes it any more.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.0.names
    }

    /// DNS names and addresses in the subject alternative name that can match nothing: spaces, inner wildcards, 5-byte
    /// addresses. Whoever prints them must escape them.
    #[must_use]
    pub fn unusable_names(&self) -> &[String] {
        &self.0.unusable_names
    }

    /// Whether one of its names is good for `wanted`.
    #[must_use]
    pub fn covers(&self, wanted: &Name) -> bool {
        self.names().iter().any(|name| name.covers(wanted))
    }

    /// What kind of key it certifies.
    #[must_use]
    pub fn key_kind(&self) -> &KeyKind {
        &self.0.key_kind
    }

    /// The DER of the SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.0.der[self.0.spki.clone()]
    }

    /// Whether it is known that no strict reader has anything against how it is written.
    pub(super) fn is_sound(&self) -> bool {
        self.0.sound
    }

    /// Whether it certifies the key of this SubjectPublicKeyInfo.
    #[must_use]
    pub fn certifies(&self, spki: &[u8]) -> bool {
        spki::same(spki, self.spki())
    }

    /// SHA-256 of [`Certificate::spki`], as RFC 7469 pins it.
    #[must_use]
    pub fn spki_digest(&self) -> Digest {
        *self.0.spki_digest.get_or_init(|| Digest::of(self.spki()))
    }

    /// Whether it says that it may issue others.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.0.authority.is_some()
    }

    /// How many intermediates may stand between it and a leaf; `None` where it does not say.
    #[must_use]
    pub fn path_len(&self) -> Option<u32> {
        self.0.authority.and_then(|authority| authority.path_len)
    }

    /// Subject key identifier (RFC 5280 section 4.2.1.2).
    #[must_use]
    pub fn ski(&self) -> Option<&[u8]> {
        self.0.ski.clone().map(|range| &self.0.der[range])
    }

    /// The identifier by which what it issues names its key: the one it states, else the SHA-1 of its key (RFC 5280 section
    /// 4.2.1.2, method 1), as others work it out.
    #[must_use]
    pub fn key_identifier(&self) -> Vec<u8> {
        self.ski().map_or_else(|| spki::identifier(self.spki()), <[u8]>::to_vec)
    }

    /// Key identifier of the issuer (RFC 5280 section 4.2.1.1).
    #[must_use]
    pub fn aki(&self) -> Option<&[u8]> {
        self.0.aki.clone().map(|range| &self.0.der[range])
    }

    /// Whether its extended key usage allows a TLS server: absent, any, or server authentication (RFC 5280 section 4.2.1.12).
    #[must_use]
    pub fn serves_tls(&self) -> bool {
        self.0.serves_tls
    }

    /// Whether its key usage allows digital signatures, without which no TLS 1.3 handshake can be signed (RFC 8446 section
    /// 4.4.2.2). An absent key usage allows everything.
    #[must_use]
    pub fn signs_handshakes(&self) -> bool {
        self.0.signs
    }

    /// How its issuer signed it; displays as `RSA with SHA-256`.
    #[must_use]
    pub fn signature_algorithm(&self) -> &SignatureAlgorithm {
        &self.0.signature_algorithm
    }

    /// The bytes it was read from, for those who hand it on unread: a handshake, a file. Nobody outside this module parses them.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// One PEM block, lines ended by LF.
    #[must_use]
    pub fn to_pem(&self) -> String {
        codec::pem::encode("CERTIFICATE", &self.0.der)
    }

    pub(super) fn subject_der(&self) -> &[u8] {
        &self.0.der[self.0.subject.clone()]
    }

    pub(super) fn issuer_der(&self) -> &[u8] {
        &self.0.der[self.0.issuer.clone()]
    }

    /// What the issuer signed.
    pub(super) fn tbs(&self) -> &[u8] {
        &self.0.der[self.0.tbs.clone()]
    }

    /// The signature's octets.
    pub(super) fn signature(&self) -> &[u8] {
        &self.0.der[self.0.signature.clone()]
    }

    pub(super) fn details(&self) -> &Details {
        &self.0.details
    }

    /// Whether subject and issuer are the same name.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        *self.0.self_issued.get_or_init(|| distinguished::same(self.subject_der(), self.issuer_der()))
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl std::hash::Hash for Certificate {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.der.hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Certificate({:?} {})", self.subject(), self.fingerprint().short())
    }
}

/// Everything but the bytes themselves.
fn parse(der: &[u8]) -> Result<Parsed, CertificateError> {
    let outline = Outline::read(der)?;
    let details = details::of(&outline, der);
    let place = |part: &[u8]| outline::place(der, part);
    let mut parsed = Parsed {
        der: Vec::new(),
        tbs: outline.tbs,
        issuer: outline.issuer,
        subject: outline.subject,
        spki: outline.spki,
        serial: outline.serial,
        signature: outline.signature,
        sound: outline.sound && details.repeats_nothing(),
        ski: None,
        aki: None,
        not_before: outline.not_before,
        not_after: outline.not_after,
        names: Vec::new(),
        unusable_names: Vec::new(),
        authority: None,
        serves_tls: true,
        signs: true,
        details,
        fingerprint: OnceLock::new(),
        spki_digest: OnceLock::new(),
        subject_text: OnceLock::new(),
        issuer_text: OnceLock::new(),
        common_name: OnceLock::new(),
        self_issued: OnceLock::new(),
        key_kind: outline.key_kind,
        signature_algorithm: outline.signature_algorithm,
    };
    // Of repeated extensions, later ones add names and take permissions.
    for extension in &outline.extensions {
        match &extension.content {
            Content::Names(names) => {
                for name in names {
                    take_name(&mut parsed, name);
                }
            }
            Content::BasicConstraints { ca: true, path_len } => {
                parsed.authority = Some(Authority { path_len: *path_len });
            }
            Content::SubjectKey(identifier) => parsed.ski = Some(place(identifier)),
            Content::AuthorityKey(identifier) => parsed.aki = identifier.map(place),
            Content::KeyUsage(usage) => parsed.signs &= usage & 1 != 0,
            Content::ExtendedKeyUsage(usage) => parsed.serves_tls &= usage.any || usage.server,
            Content::BasicConstraints { ca: false, .. }
            | Content::Policies { .. }
            | Content::NameConstraints
            | Content::PolicyConstraints
            | Content::AuthorityInformation
            | Content::Timestamps
            | Content::Known
            | Content::Unknown
            | Content::Unreadable => {}
        }
    }
    Ok(parsed)
}

fn take_name(parsed: &mut Parsed, name: &AlternativeName<'_>) {
    match name {
        // What people may type is more than what clients compare: an IA5String in A-labels (RFC 5280 section 7.2), without a final dot.
        AlternativeName::Dns(text) if !text.is_ascii() || text.ends_with('.') => {
            parsed.unusable_names.push((*text).to_owned());
        }
        AlternativeName::Dns(text) => match text.parse() {
            Ok(name @ Name::Dns(_)) => parsed.names.push(name),
            // An address written as a DNS name matches no address (RFC 9525 section 6.5).
            Ok(Name::Ip(_)) | Err(_) => parsed.unusable_names.push((*text).to_owned()),
        },
        AlternativeName::Ip(bytes) => match address(bytes) {
            Some(address) => parsed.names.push(Name::Ip(address)),
            None => parsed.unusable_names.push(format!("an address of {} bytes", bytes.len())),
        },
        AlternativeName::Unreadable(bytes) => parsed.unusable_names.push(String::from_utf8_lossy(bytes).into_owned()),
        AlternativeName::Other => {}
    }
}

pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{NOW, Wish, self_signed};

    #[test]
    fn says_what_is_in_it() {
        let root = self_signed(&Wish::ca("Example Root"));
        let names = ["www.example.com", "*.Example.COM", "192.0.2.7", "2001:db8::7"];
        let leaf = root.issue(&Wish::server("www.example.com").named(&names)).certificate;
        assert_eq!((leaf.subject(), leaf.issuer()), ("CN=www.example.com", "CN=Example Root"));
        assert_eq!(leaf.common_name(), Some("www.example.com"));
        assert_eq!(leaf.title(), "www.example.com");
        let found: Vec<String> = leaf.names().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["www.example.com", "*.example.com", "192.0.2.7", "2001:db8::7"]);
        assert!(leaf.covers(&"mail.example.com".parse().unwrap()));
        assert!(!leaf.covers(&"example.com".parse().unwrap()));
        assert_eq!(*leaf.key_kind(), KeyKind::P256);
        assert_eq!(leaf.signature_algorithm().to_string(), "ECDSA with SHA-256");
        assert_eq!(leaf.aki(), root.certificate.ski());
        assert!(leaf.aki().is_some());
        assert!(leaf.serves_tls() && leaf.signs_handshakes() && !leaf.is_ca());
        assert!(root.certificate.is_ca());
        assert_eq!(leaf.not_before().to_string(), "2030-01-01 0:00:00.0 +00:00:00");
        assert!(leaf.is_valid_at(NOW) && leaf.is_valid_at(leaf.not_after()));
        assert!(!leaf.is_valid_at(leaf.not_after() + time::Duration::SECOND));
        assert_eq!(leaf.fingerprint(), Digest::of(leaf.der()));
        assert_eq!(leaf.clone(), leaf);
        assert_ne!(leaf, root.certificate);
    }

    #[test]
    fn a_certificate_must_fill_its_bytes() {
        let der = self_signed(&Wish::ca("Example Root")).certificate.der().to_vec();
        let longer = [der.as_slice(), b"\0\0"].concat();
        assert_eq!(Certificate::from_der(longer).unwrap_err(), CertificateError::Trailing(2));
        for end in 0..der.len() {
            assert!(Certificate::from_der(&der[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn no_flipped_byte_makes_it_panic() {
        let der = self_signed(&Wish::server("a.example").named(&["a.example", "192.0.2.7"])).certificate.der().to_vec();
        for place in 0..der.len() {
            for flip in [0x01, 0x20, 0x80, 0xff] {
                let mut der = der.clone();
                der[place] ^= flip;
                if let Ok(odd) = Certificate::from_der(der) {
                    let _ = (odd.subject(), odd.issuer(), odd.serial(), odd.key_kind(), odd.signature_algorithm());
                    let _ = (odd.title(), crate::cert::SelfSigned::of(&odd));
                }
            }
        }
    }

    #[test]
    fn names_that_match_nothing_are_kept_apart() {
        let mut parsed = parse(self_signed(&Wish::ca("x")).certificate.der()).unwrap();
        for name in [
            AlternativeName::Dns("w*.example.com"),
            AlternativeName::Dns("192.0.2.1"),
            AlternativeName::Dns("b\u{fc}cher.example"),
            AlternativeName::Dns("www.example.com."),
            AlternativeName::Ip(&[1, 2, 3, 4, 5]),
            AlternativeName::Dns("good.example.com"),
            AlternativeName::Other,
        ] {
            take_name(&mut parsed, &name);
        }
        assert_eq!(parsed.names, ["good.example.com".parse().unwrap()]);
        assert_eq!(
            parsed.unusable_names,
            ["w*.example.com", "192.0.2.1", "b\u{fc}cher.example", "www.example.com.", "an address of 5 bytes"]
        );
    }
}
