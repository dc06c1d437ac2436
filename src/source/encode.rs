//! Our keys and names, as the encoder of certificates and requests takes them.

use rcgen::{
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_ML_DSA_44, PKCS_ML_DSA_65, PKCS_ML_DSA_87, PKCS_RSA_SHA256, PublicKeyData, SanType, SignatureAlgorithm,
    SigningKey,
};

use crate::cert::{KeyKind, MlDsa, Name, PrivateKey, key_bits};

/// Keys of this kind sign nothing here.
#[derive(Debug)]
pub(super) struct Unsigned(pub KeyKind);

/// A public key, for the encoder.
pub(super) struct Public {
    bits: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

/// One of our keys, for the encoder to sign with: it never leaves its own type.
pub(super) struct Signing<'k> {
    key: &'k PrivateKey,
    public: Public,
}

/// The public key of a SubjectPublicKeyInfo.
pub(super) fn public(spki: &[u8]) -> Result<Public, Unsigned> {
    let algorithm = match KeyKind::of_spki(spki) {
        KeyKind::P256 => &PKCS_ECDSA_P256_SHA256,
        KeyKind::P384 => &PKCS_ECDSA_P384_SHA384,
        KeyKind::P521 => &PKCS_ECDSA_P521_SHA512,
        KeyKind::Ed25519 => &PKCS_ED25519,
        KeyKind::MlDsa(MlDsa::Set44) => &PKCS_ML_DSA_44,
        KeyKind::MlDsa(MlDsa::Set65) => &PKCS_ML_DSA_65,
        KeyKind::MlDsa(MlDsa::Set87) => &PKCS_ML_DSA_87,
        KeyKind::Rsa(_) => &PKCS_RSA_SHA256,
        other @ KeyKind::Other(_) => return Err(Unsigned(other)),
    };
    Ok(Public { bits: key_bits(spki).unwrap_or_default().to_vec(), algorithm })
}

/// The key for the encoder.
pub(super) fn signing(key: &PrivateKey) -> Result<Signing<'_>, Unsigned> {
    Ok(Signing { key, public: public(key.spki())? })
}

impl PublicKeyData for Public {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl PublicKeyData for Signing<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.public.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.public.algorithm()
    }
}

impl SigningKey for Signing<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
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
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 | KeyKind::MlDsa(_) | KeyKind::Other(_) => {
            vec![KeyUsagePurpose::DigitalSignature]
        }
    }
}
