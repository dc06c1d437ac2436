//! Certificates made for tests.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use time::OffsetDateTime;
use time::macros::datetime;

use super::codec::tlv::{Element, SEQUENCE};
use super::{Certificate, Generate, PrivateKey};

/// A moment at which everything made here is valid.
pub(crate) const NOW: OffsetDateTime = datetime!(2030-06-01 0:00 UTC);

/// A certificate with its key, which may issue others.
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) key: PrivateKey,
    params: CertificateParams,
}

/// What a certificate is to say, with defaults for the rest.
pub(crate) struct Wish<'a> {
    pub(crate) subject: &'a str,
    pub(crate) names: &'a [&'a str],
    pub(crate) ca: bool,
    pub(crate) valid: (OffsetDateTime, OffsetDateTime),
}

impl<'a> Wish<'a> {
    pub(crate) fn ca(subject: &'a str) -> Self {
        Self { subject, names: &[], ca: true, valid: (datetime!(2030-01-01 0:00 UTC), datetime!(2031-01-01 0:00 UTC)) }
    }

    pub(crate) fn server(name: &'a str) -> Self {
        Self { subject: name, ca: false, ..Self::ca(name) }
    }

    pub(crate) fn named(self, names: &'a [&'a str]) -> Self {
        Self { names, ..self }
    }

    fn params(&self) -> CertificateParams {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.subject);
        (params.not_before, params.not_after) = self.valid;
        params.is_ca = if self.ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
        params.use_authority_key_identifier_extension = true;
        if !self.ca {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }
        params
    }
}

/// Signed by its own key.
pub(crate) fn self_signed(wish: &Wish<'_>) -> Issued {
    let key = key();
    let params = wish.params();
    let made = params.self_signed(&pair(&key)).unwrap();
    Issued { certificate: Certificate::from_der(made.der().to_vec()).unwrap(), key, params }
}

impl Issued {
    /// A certificate for a new key.
    pub(crate) fn issue(&self, wish: &Wish<'_>) -> Self {
        self.issue_for(wish, key())
    }

    /// A certificate for this key.
    pub(crate) fn issue_for(&self, wish: &Wish<'_>, key: PrivateKey) -> Self {
        let params = wish.params();
        let issuer = Issuer::from_params(&self.params, pair(&self.key));
        let made = params.signed_by(&pair(&key), &issuer).unwrap();
        Self { certificate: Certificate::from_der(made.der().to_vec()).unwrap(), key, params }
    }
}

/// A key, quickly made.
pub(crate) fn key() -> PrivateKey {
    PrivateKey::generate(Generate::P256).unwrap()
}

/// A second copy of a key, which only tests may have.
pub(crate) fn copy(key: &PrivateKey) -> PrivateKey {
    PrivateKey::from_der(key.pkcs8_der().expose()).unwrap()
}

fn pair(key: &PrivateKey) -> KeyPair {
    KeyPair::try_from(key.pkcs8_der().expose()).unwrap()
}

/// A certificate with other parts in what was signed (RFC 5280 section 4.1.2), each whole, from the version to the extensions; its signature
/// does not count then.
pub(crate) fn rebuilt(one: &Certificate, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let outer: Vec<Element<'_>> = Element::filling(one.der()).unwrap().inside().collect();
    let mut parts: Vec<Vec<u8>> = outer[0].inside().map(|part| part.whole.to_vec()).collect();
    change(&mut parts);
    let signed = Element::wrap(SEQUENCE, &parts.concat());
    Element::wrap(SEQUENCE, &[&signed, outer[1].whole, outer[2].whole].concat())
}

/// The same with these extensions and no other.
pub(crate) fn with_extensions(one: &Certificate, extensions: &[Vec<u8>]) -> Vec<u8> {
    let list = Element::wrap(0xa3, &Element::wrap(SEQUENCE, &extensions.concat()));
    rebuilt(one, |parts| *parts.last_mut().unwrap() = list)
}
