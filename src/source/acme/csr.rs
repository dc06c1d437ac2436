//! The request for a certificate (RFC 2986, RFC 8555 section 7.4): the names as alternative names, no subject, signed by our key.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256,
    SanType,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use super::error::AcmeError;
use crate::cert::{KeyKind, Name, PrivateKey};

/// The request as DER.
pub(super) fn request(names: &[Name], key: &PrivateKey) -> Result<Vec<u8>, AcmeError> {
    let algorithm = match key.kind() {
        KeyKind::P256 => &PKCS_ECDSA_P256_SHA256,
        KeyKind::P384 => &PKCS_ECDSA_P384_SHA384,
        KeyKind::Rsa(_) => &PKCS_RSA_SHA256,
        other @ (KeyKind::P521 | KeyKind::Ed25519 | KeyKind::Other(_)) => {
            return Err(AcmeError::Other(format!("a {other} key, which is not asked for by ACME here")));
        }
    };
    let der = PrivatePkcs8KeyDer::from(key.pkcs8_der().expose());
    let failed = |_| AcmeError::Crypto;
    let signing = Zeroizing::new(KeyPair::from_pkcs8_der_and_sign_algo(&der, algorithm).map_err(failed)?);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names.iter().map(alternative).collect::<Result<_, _>>().map_err(failed)?;
    Ok(params.serialize_request(&*signing).map_err(failed)?.der().to_vec())
}

fn alternative(name: &Name) -> Result<SanType, rcgen::Error> {
    Ok(match name {
        Name::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
        Name::Ip(address) => SanType::IpAddress(*address),
    })
}
