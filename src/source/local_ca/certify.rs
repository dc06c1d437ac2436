//! Writing certificates. The only file that knows the library which encodes them; every field is set here, for its defaults are
//! those of a test.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::error::CaError;
use super::permitted::{Permitted, Subtree};
use crate::cert::{Anchors, Bundle, Certificate, Chain, KeyKind, Name, PrivateKey, Signed, issued_by};

/// Days that a certificate lives at most, as public ones since March 2026 (CA/Browser Forum ballot SC-081).
pub const MOST_DAYS: u32 = 200;

/// What is begun this much earlier is valid on clients whose clock is slow.
const BACKDATED: Duration = Duration::HOUR;

/// A wish for one server certificate.
pub struct LeafOrder {
    /// The names it is for, the first also as common name where that can hold it; never empty.
    pub names: Vec<Name>,
    /// The server's key.
    pub key: PrivateKey,
    /// How long it lives; less where the CA does.
    pub days: u32,
    /// The target it is for, for the record.
    pub target: Option<String>,
}

/// A self-signed root for these subtrees.
pub(super) fn root(
    common_name: &str,
    years: u32,
    permitted: &[Permitted],
    path_length: u8,
    key: &PrivateKey,
    now: OffsetDateTime,
) -> Result<Certificate, CaError> {
    let now = whole_second(now);
    let signing = signing(key)?;
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial()?);
    params.not_before = now - BACKDATED;
    params.not_after = anniversary(now, years);
    params.distinguished_name = named(Some(common_name));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(constraints(permitted));
    params.key_identifier_method = KeyIdMethod::Sha256;
    params.use_authority_key_identifier_extension = true;
    let der = params.self_signed(&*signing)?;
    let root = read(der.der())?;
    if !key.matches(&root) {
        return Err(CaError::Other("the root has another key"));
    }
    if !root.is_ca() || root.path_len() != Some(u32::from(path_length)) || !root.is_valid_at(now) {
        return Err(CaError::Other("the root does not say what it should"));
    }
    Ok(root)
}

/// A server certificate signed by `root`, as a chain without it, proved to verify for every name at `now`.
pub(super) fn leaf(
    root: &Certificate,
    ca_key: &PrivateKey,
    names: &[Name],
    key: PrivateKey,
    days: u32,
    now: OffsetDateTime,
) -> Result<Bundle, CaError> {
    let now = whole_second(now);
    let signing = signing(ca_key)?;
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(root.der()), &*signing)?;
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial()?);
    params.not_before = (now - BACKDATED).max(root.not_before());
    params.not_after = end_of(root, days, now);
    params.distinguished_name = named(common_name(names));
    params.subject_alt_names = names.iter().map(alternative).collect::<Result<_, _>>()?;
    // Says that it is no CA, which also writes the key identifier.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = usages(key.kind());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_identifier_method = KeyIdMethod::Sha256;
    params.use_authority_key_identifier_extension = true;
    let der = params.signed_by(&SubjectPublicKeyInfo::from_der(key.spki())?, &issuer)?;
    let leaf = read(der.der())?;
    prove(&leaf, root, names, now)?;
    if (leaf.not_before(), leaf.not_after()) != (params.not_before, params.not_after) {
        return Err(CaError::Other("it has other dates"));
    }
    let chain = Chain::as_given(vec![leaf]).ok_or(CaError::Other("there is none"))?;
    Anchors::new([root.clone()]).verify(&chain, names, now)?;
    Bundle::pair(chain, key).map_err(|_| CaError::Other("it is for another key"))
}

/// The last second of a leaf of `days` days that is issued at `now`, UTC: with its CA at the latest.
pub(super) fn end_of(root: &Certificate, days: u32, now: OffsetDateTime) -> OffsetDateTime {
    (whole_second(now) + Duration::days(i64::from(days))).min(root.not_after())
}

/// What path building does not look at.
fn prove(leaf: &Certificate, root: &Certificate, names: &[Name], now: OffsetDateTime) -> Result<(), CaError> {
    let faults = [
        (leaf.names() != names || !leaf.unusable_names().is_empty(), "it has other names"),
        (leaf.is_ca(), "it is a CA"),
        (!leaf.serves_tls() || !leaf.signs_handshakes(), "it serves no TLS"),
        (leaf.aki().is_none() || leaf.aki() != root.ski(), "it names another key as its issuer's"),
        (issued_by(leaf, root) != Signed::Verified, "the CA's key did not sign it"),
        (!leaf.is_valid_at(now), "it is not valid now"),
    ];
    match faults.into_iter().find(|(found, _)| *found) {
        Some((_, fault)) => Err(CaError::Other(fault)),
        None => Ok(()),
    }
}

fn read(der: &[u8]) -> Result<Certificate, CaError> {
    Certificate::from_der(der).map_err(|_| CaError::Other("it cannot be read"))
}

/// The key for the encoder, whose own copy is wiped as well.
fn signing(key: &PrivateKey) -> Result<Zeroizing<KeyPair>, CaError> {
    let algorithm = match key.kind() {
        KeyKind::P256 => &PKCS_ECDSA_P256_SHA256,
        KeyKind::P384 => &PKCS_ECDSA_P384_SHA384,
        KeyKind::Rsa(_) => &PKCS_RSA_SHA256,
        other @ (KeyKind::P521 | KeyKind::Ed25519 | KeyKind::Other(_)) => {
            return Err(CaError::CannotSign(other.clone()));
        }
    };
    let der = PrivatePkcs8KeyDer::from(key.pkcs8_der().expose());
    Ok(Zeroizing::new(KeyPair::from_pkcs8_der_and_sign_algo(&der, algorithm)?))
}

/// Positive, never the same, and not to be guessed (RFC 5280 section 4.1.2.2): 126 random bits.
fn serial() -> Result<SerialNumber, CaError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    // Neither a sign nor a leading zero, so that it is 16 octets long wherever it is shown.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn named(common_name: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(text) = common_name {
        name.push(DnType::CommonName, text);
    }
    name
}

/// Only a DNS name, and only where it fits: OpenSSL takes a common name that looks like a host's for one, and holds an address in
/// it against the permitted domains.
fn common_name(names: &[Name]) -> Option<&str> {
    match names.first() {
        Some(Name::Dns(name)) if name.len() <= 64 => Some(name),
        Some(Name::Dns(_) | Name::Ip(_)) | None => None,
    }
}

fn alternative(name: &Name) -> Result<SanType, rcgen::Error> {
    match name {
        Name::Dns(name) => Ok(SanType::DnsName(name.as_str().try_into()?)),
        Name::Ip(address) => Ok(SanType::IpAddress(*address)),
    }
}

/// RFC 5246 section 7.4.2: a client of TLS 1.2 may encrypt to an RSA key.
fn usages(kind: &KeyKind) -> Vec<KeyUsagePurpose> {
    match kind {
        KeyKind::Rsa(_) => vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment],
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 | KeyKind::Other(_) => {
            vec![KeyUsagePurpose::DigitalSignature]
        }
    }
}

/// A kind of name that is not mentioned would be free (RFC 5280 section 4.2.1.10), so each of which nothing is permitted is
/// excluded as a whole.
fn constraints(permitted: &[Permitted]) -> NameConstraints {
    let (mut domains, mut v4, mut v6) = (false, false, false);
    let permitted_subtrees = permitted.iter().map(|permitted| match permitted.subtree() {
        Subtree::Domain(domain) => {
            domains = true;
            GeneralSubtree::DnsName(domain.clone())
        }
        Subtree::Network { base, bits } => {
            v4 |= base.is_ipv4();
            v6 |= base.is_ipv6();
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*base, *bits))
        }
    });
    let permitted_subtrees = permitted_subtrees.collect();
    let every = [
        (!domains, GeneralSubtree::DnsName(String::new())),
        (!v4, GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([0; 4], 0))),
        (!v6, GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix([0; 16], 0))),
    ];
    let excluded_subtrees = every.into_iter().filter(|(absent, _)| *absent).map(|(_, all)| all).collect();
    NameConstraints { permitted_subtrees, excluded_subtrees }
}

/// The same day of a later year, or the day before where that year has none.
fn anniversary(moment: OffsetDateTime, years: u32) -> OffsetDateTime {
    let year = moment.year().saturating_add_unsigned(years);
    moment.replace_year(year).or_else(|_| (moment - Duration::DAY).replace_year(year)).unwrap_or(moment)
}

/// As certificates can write it.
fn whole_second(moment: OffsetDateTime) -> OffsetDateTime {
    moment.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn anniversaries() {
        let noon = datetime!(2027-03-01 12:00 UTC);
        assert_eq!(anniversary(noon, 10), datetime!(2037-03-01 12:00 UTC));
        let leap = datetime!(2028-02-29 12:00 UTC);
        assert_eq!(anniversary(leap, 4), datetime!(2032-02-29 12:00 UTC));
        assert_eq!(anniversary(leap, 1), datetime!(2029-02-28 12:00 UTC));
        assert_eq!(anniversary(noon, u32::MAX), noon);
    }

    #[test]
    fn serials_are_positive_and_long() {
        for _ in 0..100 {
            let serial = serial().unwrap().to_bytes();
            assert!(serial.len() == 16 && (0x40..0x80).contains(&serial[0]), "{serial:02x?}");
        }
    }

    /// What is not mentioned is excluded, whatever is permitted.
    #[test]
    fn every_kind_of_name_is_constrained() {
        let cases: [(&[&str], usize); 7] = [
            (&["example.org"], 2),
            (&["10.0.0.0/8"], 2),
            (&["fd00::/8"], 2),
            (&["10.0.0.0/8", "fd00::/8"], 1),
            (&["example.org", "fd00::/8"], 1),
            (&["example.org", "lan", "10.0.0.1"], 1),
            (&["example.org", "10.0.0.0/8", "fd00::/8"], 0),
        ];
        for (permits, excluded) in cases {
            let permitted: Vec<Permitted> = permits.iter().map(|text| text.parse().unwrap()).collect();
            let constraints = constraints(&permitted);
            let lengths = (constraints.permitted_subtrees.len(), constraints.excluded_subtrees.len());
            assert_eq!(lengths, (permits.len(), excluded), "{permits:?}");
        }
    }
}
