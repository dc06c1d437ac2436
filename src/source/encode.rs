//! Our keys and names, as the encoder of certificates and requests takes them.

use rcgen::{
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, SanType,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use crate::cert::{KeyKind, Name, PrivateKey};

/// A key signs nothing here.
#[derive(Debug)]
pub(super) enum Unsigned {
    /// Keys of this kind do not.
    Kind(KeyKind),
    /// The encoder refuses it.
    Encoder(rcgen::Error),
}

/// The key for the encoder, whose own copy is wiped as well.
pub(super) fn signing(key: &PrivateKey) -> Result<Zeroizing<KeyPair>, Unsigned> {
    let algorithm = match key.kind() {
        KeyKind::P256 => &PKCS_ECDSA_P256_SHA256,
        KeyKind::P384 => &PKCS_ECDSA_P384_SHA384,
        KeyKind::P521 => &PKCS_ECDSA_P521_SHA512,
        KeyKind::Ed25519 => &PKCS_ED25519,
        KeyKind::Rsa(_) => &PKCS_RSA_SHA256,
        other @ KeyKind::Other(_) => return Err(Unsigned::Kind(other.clone())),
    };
    let der = PrivatePkcs8KeyDer::from(key.pkcs8_der().expose());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der, algorithm).map_err(Unsigned::Encoder)?;
    Ok(Zeroizing::new(pair))
}

/// A name as a subject alternative name.
pub(super) fn alternative(name: &Name) -> Result<SanType, rcgen::Error> {
    match name {
        Name::Dns(name) => Ok(SanType::DnsName(name.as_str().try_into()?)),
        Name::Ip(address) => Ok(SanType::IpAddress(*address)),
    }
}

/// What a server's key may do. RFC 5246 section 7.4.2: a client of TLS 1.2 may encrypt to an RSA key.
pub(super) fn usages(kind: &KeyKind) -> Vec<KeyUsagePurpose> {
    match kind {
        KeyKind::Rsa(_) => vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment],
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 | KeyKind::Other(_) => {
            vec![KeyUsagePurpose::DigitalSignature]
        }
    }
}
