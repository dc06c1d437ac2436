//! Private keys.

mod generate;
mod second;
mod stated;

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING,
    ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair, PqdsaSigningAlgorithm, RSA_PKCS1_SHA256, RsaKeyPair,
};
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::x509::AlgorithmIdentifier;

use super::algorithm::{KeyKind, MlDsa};
use super::certificate::Certificate;
use super::codec::tlv::Elements;
use super::{codec, rsa, spki};
use crate::sensitive::Sensitive;

pub use generate::{Generate, UnknownKeyKind};
pub use stated::{Look, StatedKey};

/// A private key that is whole: its public half was computed from it. Wiped on drop.
///
/// It has no `Debug`, `Clone` or `Serialize`:
///
/// ```compile_fail,E0277
/// # let key = reseal::cert::PrivateKey::generate(reseal::cert::Generate::P256).unwrap();
/// println!("{key:?}");
/// ```
/// ```compile_fail,E0599
/// # let key = reseal::cert::PrivateKey::generate(reseal::cert::Generate::P256).unwrap();
/// let copy = key.clone();
/// ```
/// ```compile_fail,E0277
/// # let key = reseal::cert::PrivateKey::generate(reseal::cert::Generate::P256).unwrap();
/// let text = serde_json::to_string(&key);
/// ```
pub struct PrivateKey {
    pkcs8: Sensitive,
    spki: Vec<u8>,
    kind: KeyKind,
}

/// A private key cannot be had.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// Not DER of a private key.
    #[error("the bytes are no private key in PKCS#8, PKCS#1 or SEC 1 form")]
    Unreadable,
    /// A key that no TLS server certificate here can have.
    #[error("the private key is of an unsupported kind: {0}")]
    Unsupported(KeyKind),
    /// A key of a known kind that is too small, too large or contradicts itself.
    #[error("the {kind} private key is refused: {why}")]
    Refused {
        /// Its kind.
        kind: &'static str,
        /// What the cryptographic library says.
        why: String,
    },
    /// The cryptographic library made no signature.
    #[error("no signature could be made")]
    NotSigned,
    /// The cryptographic library made no key.
    #[error("no {0} key could be generated")]
    NotGenerated(Generate),
}

impl PrivateKey {
    /// Reads a key in PKCS#8 (RFC 5958) of either version, PKCS#1 (RFC 8017 appendix A.1.2) or SEC 1 (RFC 5915) form, told apart by content.
    ///
    /// # Errors
    /// No key, a key of a kind that is not supported, or one whose parts do not belong together.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Some(halves) = rsa::private::read(der) {
            return Ok(Self::from_whole(halves));
        }
        if let Some(second) = second::Second::of(der) {
            let key = Self::from_der(second.first.expose())?;
            // Of the other kinds the library itself reads both halves, and holds one against the other.
            return match spki::same(&second.stated, key.spki()) {
                true => Ok(key),
                false => Err(refused(second.kind)("InconsistentComponents")),
            };
        }
        match pkcs8_kind(der) {
            Some(KeyKind::Rsa(_)) => {
                Self::from_rsa(RsaKeyPair::from_pkcs8(der)).or_else(|why| Self::from_rare_rsa(der, why))
            }
            Some(KeyKind::Ed25519) => Self::from_ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)),
            Some(KeyKind::MlDsa(set)) => Self::from_ml_dsa(PqdsaKeyPair::from_pkcs8(ml_dsa(set), der)),
            Some(kind @ (KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Other(_))) => match curve(&kind) {
                Some(curve) => Self::from_ec(EcdsaKeyPair::from_pkcs8(curve, der)),
                None => Err(KeyError::Unsupported(kind)),
            },
            None => match traditional(der) {
                Some(Traditional::Rsa) => {
                    Self::from_rsa(RsaKeyPair::from_der(der)).or_else(|why| Self::from_rare_rsa(der, why))
                }
                Some(Traditional::Ec(Some(kind))) => match curve(&kind) {
                    Some(curve) => Self::from_ec(EcdsaKeyPair::from_private_key_der(curve, der)),
                    None => Err(KeyError::Unsupported(kind)),
                },
                Some(Traditional::Ec(None)) => {
                    // Whoever leaves the curve out leaves it to be found by trying: a key fits one only.
                    let fitting = CURVES.iter().map(|curve| EcdsaKeyPair::from_private_key_der(curve, der));
                    fitting.filter(Result::is_ok).map(Self::from_ec).next().unwrap_or(Err(KeyError::Unreadable))
                }
                Some(Traditional::Dsa) => Err(KeyError::Unsupported(KeyKind::Other("DSA".to_owned()))),
                None => Err(KeyError::Unreadable),
            },
        }
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// The cryptographic library failed.
    pub fn generate(kind: Generate) -> Result<Self, KeyError> {
        let key = match kind {
            Generate::P256 => Self::from_ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)),
            Generate::P384 => Self::from_ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING)),
            Generate::P521 => Self::from_ec(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_ASN1_SIGNING)),
            Generate::Ed25519 => match Ed25519KeyPair::generate() {
                Ok(pair) => Self::from_ed25519(Ok(pair)),
                Err(_) => return Err(KeyError::NotGenerated(kind)),
            },
            Generate::Rsa2048 => Self::from_rsa(RsaKeyPair::generate(KeySize::Rsa2048)),
            Generate::Rsa3072 => Self::from_rsa(RsaKeyPair::generate(KeySize::Rsa3072)),
            Generate::Rsa4096 => Self::from_rsa(RsaKeyPair::generate(KeySize::Rsa4096)),
            Generate::MlDsa44 => Self::from_ml_dsa(PqdsaKeyPair::generate(&ML_DSA_44_SIGNING)),
            Generate::MlDsa65 => Self::from_ml_dsa(PqdsaKeyPair::generate(&ML_DSA_65_SIGNING)),
            Generate::MlDsa87 => Self::from_ml_dsa(PqdsaKeyPair::generate(&ML_DSA_87_SIGNING)),
        };
        key.map_err(|_| KeyError::NotGenerated(kind))
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> &KeyKind {
        &self.kind
    }

    /// The DER of its public half, a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether the certificate certifies this key.
    #[must_use]
    pub fn matches(&self, certificate: &Certificate) -> bool {
        certificate.certifies(&self.spki)
    }

    /// PKCS#8 DER, version 1, which every reader takes.
    #[must_use]
    pub fn pkcs8_der(&self) -> &Sensitive {
        &self.pkcs8
    }

    /// One unencrypted PEM block, `PRIVATE KEY` (RFC 7468 section 10).
    #[must_use]
    pub fn to_pem(&self) -> Sensitive {
        codec::pem::encode_secret("PRIVATE KEY", self.pkcs8.expose())
    }

    /// Signs a message in the one way that what is issued here is signed: ECDSA with the digest of the curve's size (RFC 5758
    /// section 3.2), RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2), Ed25519 (RFC 8410), ML-DSA (RFC 9881).
    ///
    /// # Errors
    /// A key of a kind that signs nothing here, or the cryptographic library failed.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let der = self.pkcs8.expose();
        let random = SystemRandom::new();
        let failed = |_| KeyError::NotSigned;
        if let Some(curve) = curve(&self.kind) {
            let pair = EcdsaKeyPair::from_pkcs8(curve, der).map_err(|_| KeyError::NotSigned)?;
            return Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec());
        }
        match &self.kind {
            KeyKind::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| KeyError::NotSigned)?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
            KeyKind::Rsa(_) => {
                let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| match rsa::rare::has_more_primes(der) {
                    true => refused("RSA")("it has more than two primes, and reseal signs with no such key"),
                    false => KeyError::NotSigned,
                })?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            KeyKind::MlDsa(set) => {
                let pair = PqdsaKeyPair::from_pkcs8(ml_dsa(*set), der).map_err(|_| KeyError::NotSigned)?;
                let mut signature = vec![0; pair.algorithm().signature_len()];
                let length = pair.sign(message, &mut signature).map_err(failed)?;
                signature.truncate(length);
                Ok(signature)
            }
            other @ (KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Other(_)) => {
                Err(KeyError::Unsupported(other.clone()))
            }
        }
    }

    fn from_rsa<E: fmt::Display>(pair: Result<RsaKeyPair, E>) -> Result<Self, KeyError> {
        let pair = pair.map_err(refused("RSA"))?;
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key());
        let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair);
        Self::from_halves(private.as_ref().map(|der| der.as_ref()), public)
    }

    fn from_whole(rsa::private::Halves { pkcs8, spki }: rsa::private::Halves) -> Self {
        Self { pkcs8, kind: KeyKind::of_spki(&spki), spki }
    }

    /// What the library has refused, if OpenSSL reads it.
    fn from_rare_rsa(der: &[u8], why: KeyError) -> Result<Self, KeyError> {
        match rsa::rare::read(der) {
            Some(Ok(halves)) => Ok(Self::from_whole(halves)),
            Some(Err(why)) => Err(refused("RSA")(why)),
            None => Err(why),
        }
    }

    fn from_ec<E: fmt::Display>(pair: Result<EcdsaKeyPair, E>) -> Result<Self, KeyError> {
        let pair = pair.map_err(refused("elliptic curve"))?;
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key());
        let private = pair.to_pkcs8v1();
        Self::from_halves(private.as_ref().map(AsRef::as_ref), public)
    }

    fn from_ed25519(pair: Result<Ed25519KeyPair, KeyRejected>) -> Result<Self, KeyError> {
        let pair = pair.map_err(refused("Ed25519"))?;
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key());
        let private = pair.to_pkcs8v1();
        Self::from_halves(private.as_ref().map(AsRef::as_ref), public)
    }

    fn from_ml_dsa<E: fmt::Display>(pair: Result<PqdsaKeyPair, E>) -> Result<Self, KeyError> {
        let pair = pair.map_err(refused("ML-DSA"))?;
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key());
        let private = pair.to_pkcs8v1();
        Self::from_halves(private.as_ref().map(AsRef::as_ref), public)
    }

    fn from_halves(
        private: Result<&[u8], &Unspecified>,
        public: Result<PublicKeyX509Der<'_>, Unspecified>,
    ) -> Result<Self, KeyError> {
        let (Ok(private), Ok(public)) = (private, public) else {
            return Err(KeyError::Unreadable);
        };
        let spki = public.as_ref().to_vec();
        Ok(Self { pkcs8: Sensitive::from(private.to_vec()), kind: KeyKind::of_spki(&spki), spki })
    }
}

enum Traditional {
    Rsa,
    Dsa,
    /// With its curve, which is optional.
    Ec(Option<KeyKind>),
}

static CURVES: [&EcdsaSigningAlgorithm; 4] = [
    &ECDSA_P256_SHA256_ASN1_SIGNING,
    &ECDSA_P384_SHA384_ASN1_SIGNING,
    &ECDSA_P521_SHA512_ASN1_SIGNING,
    &ECDSA_P256K1_SHA256_ASN1_SIGNING,
];

fn curve(kind: &KeyKind) -> Option<&'static EcdsaSigningAlgorithm> {
    let [p256, p384, p521, secp256k1] = CURVES;
    match kind {
        KeyKind::P256 => Some(p256),
        KeyKind::P384 => Some(p384),
        KeyKind::P521 => Some(p521),
        KeyKind::Other(name) if name == "secp256k1" => Some(secp256k1),
        KeyKind::Other(_) | KeyKind::Rsa(_) | KeyKind::Ed25519 | KeyKind::MlDsa(_) => None,
    }
}

fn ml_dsa(set: MlDsa) -> &'static PqdsaSigningAlgorithm {
    match set {
        MlDsa::Set44 => &ML_DSA_44_SIGNING,
        MlDsa::Set65 => &ML_DSA_65_SIGNING,
        MlDsa::Set87 => &ML_DSA_87_SIGNING,
    }
}

/// The kind a PKCS#8 header names: version, algorithm, octets.
fn pkcs8_kind(der: &[u8]) -> Option<KeyKind> {
    let rest = after_version(der)?;
    let (rest, algorithm) = AlgorithmIdentifier::from_der(rest).ok()?;
    let (_, key) = Any::from_der(rest).ok()?;
    (key.tag() == Tag::OctetString).then(|| KeyKind::of(&algorithm))
}

/// PKCS#1 goes on with eight numbers after the version, what OpenSSL writes of DSA with five, SEC 1 with the octets of the key and the curve in
/// `[0]`.
fn traditional(der: &[u8]) -> Option<Traditional> {
    let (rest, next) = Any::from_der(after_version(der)?).ok()?;
    match next.tag() {
        Tag::Integer => Some(if Elements(rest).count() == 4 { Traditional::Dsa } else { Traditional::Rsa }),
        Tag::OctetString => {
            let parameters = Any::from_der(rest).ok().filter(|(_, any)| any.tag() == Tag(0));
            let curve = parameters.and_then(|(_, any)| Any::from_der(any.data).ok());
            Some(Traditional::Ec(curve.map(|(_, curve)| KeyKind::of_curve(Some(&curve)))))
        }
        _ => None,
    }
}

fn after_version(der: &[u8]) -> Option<&[u8]> {
    let (trailing, sequence) = Any::from_der(der).ok()?;
    if sequence.tag() != Tag::Sequence || !trailing.is_empty() {
        return None;
    }
    let (rest, version) = Any::from_der(sequence.data).ok()?;
    (version.tag() == Tag::Integer).then_some(rest)
}

fn refused<E: fmt::Display>(kind: &'static str) -> impl FnOnce(E) -> KeyError {
    move |error| {
        let why = match error.to_string().as_str() {
            "TooSmall" => "it has less than 2048 bits".to_owned(),
            "TooLarge" => "it has more than 8192 bits".to_owned(),
            "InconsistentComponents" => "its parts contradict each other".to_owned(),
            "InvalidEncoding" => "it is not written as such keys are".to_owned(),
            "UnexpectedError" | "Unspecified" => {
                "its parts are none of such a key, or contradict each other".to_owned()
            }
            other => other.to_owned(),
        };
        KeyError::Refused { kind, why }
    }
}

#[cfg(test)]
pub(super) mod tests;
