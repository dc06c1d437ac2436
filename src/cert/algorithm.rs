//! Kinds of keys and signatures, as certificates name them.

use std::fmt;

use serde::{Serialize, Serializer};
use x509_parser::asn1_rs::{Any, Oid, Tag, oid};
use x509_parser::prelude::FromDer;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::change::KeyFamily;

// What nearly all certificates have is known by its bytes, all else by its text, which takes longer to make than the certificate to read.
const RSA: &[u8] = &oid!(raw 1.2.840.113549.1.1.1);
const EC: &[u8] = &oid!(raw 1.2.840.10045.2.1);
const ED25519: &[u8] = &oid!(raw 1.3.101.112);
const P256: &[u8] = &oid!(raw 1.2.840.10045.3.1.7);
const P384: &[u8] = &oid!(raw 1.3.132.0.34);
const P521: &[u8] = &oid!(raw 1.3.132.0.35);
const RSA_SHA256: &[u8] = &oid!(raw 1.2.840.113549.1.1.11);
const RSA_SHA384: &[u8] = &oid!(raw 1.2.840.113549.1.1.12);
const ECDSA_SHA256: &[u8] = &oid!(raw 1.2.840.10045.4.3.2);
const ECDSA_SHA384: &[u8] = &oid!(raw 1.2.840.10045.4.3.3);

/// What kind of key a certificate or a private key has.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum KeyKind {
    /// RSA with so many bits.
    Rsa(u32),
    /// The curve P-256.
    P256,
    /// The curve P-384.
    P384,
    /// The curve P-521.
    P521,
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// ML-DSA (RFC 9881).
    MlDsa(MlDsa),
    /// Any other, by its name where it has a common one, else by its object identifier.
    Other(String),
}

impl KeyKind {
    /// How a TLS client tells it from the other kinds of the same server; `None` where no client asks for it.
    #[must_use]
    pub fn family(&self) -> Option<KeyFamily> {
        match self {
            Self::Rsa(_) => Some(KeyFamily::Rsa),
            Self::P256 | Self::P384 | Self::P521 | Self::Ed25519 => Some(KeyFamily::Ecdsa),
            Self::MlDsa(_) | Self::Other(_) => None,
        }
    }

    /// The family of a kind that was recorded by its name, as [`fmt::Display`] writes it.
    #[must_use]
    pub fn family_of(name: &str) -> Option<KeyFamily> {
        match name.strip_prefix("RSA ") {
            Some(_) => Some(KeyFamily::Rsa),
            None => {
                let named = [Self::P256, Self::P384, Self::P521, Self::Ed25519].into_iter();
                named.filter(|kind| kind.to_string() == name).find_map(|kind| kind.family())
            }
        }
    }

    /// The kind of a SubjectPublicKeyInfo.
    #[must_use]
    pub fn of_spki(der: &[u8]) -> Self {
        match SubjectPublicKeyInfo::from_der(der) {
            Ok((_, spki)) => Self::of_key(&spki),
            Err(_) => Self::Other("an unreadable key".to_owned()),
        }
    }

    /// The kind of a public key.
    pub(super) fn of_key(spki: &SubjectPublicKeyInfo<'_>) -> Self {
        match Self::of(&spki.algorithm) {
            Self::Rsa(_) => rsa_bits(&spki.subject_public_key.data)
                .map_or_else(|| Self::Other("RSA with an unreadable modulus".to_owned()), Self::Rsa),
            kind @ (Self::P256 | Self::P384 | Self::P521 | Self::Ed25519 | Self::MlDsa(_) | Self::Other(_)) => kind,
        }
    }

    /// Bits of an RSA key that is restricted to PSS (RFC 4055 section 1.2), which is of no kind of its own here.
    pub(super) fn pss_bits(spki: &[u8]) -> Option<u32> {
        let (_, spki) = SubjectPublicKeyInfo::from_der(spki).ok()?;
        let restricted = spki.algorithm.algorithm == x509_parser::oid_registry::OID_PKCS1_RSASSAPSS;
        if restricted { rsa_bits(&spki.subject_public_key.data) } else { None }
    }

    /// The kind an algorithm identifier names, of a public key or of a PKCS#8 private key. An RSA identifier has no size: 0 bits.
    pub(super) fn of(algorithm: &AlgorithmIdentifier<'_>) -> Self {
        match algorithm.algorithm.as_bytes() {
            RSA => return Self::Rsa(0),
            EC => return Self::of_curve(algorithm.parameters.as_ref()),
            ED25519 => return Self::Ed25519,
            _ => {}
        }
        let oid = algorithm.algorithm.to_id_string();
        if let Some(set) = MlDsa::of(&oid) {
            return Self::MlDsa(set);
        }
        let other = match oid.as_str() {
            "1.2.840.113549.1.1.10" => "RSASSA-PSS",
            "1.2.840.10040.4.1" => "DSA",
            "1.2.840.113549.1.3.1" | "1.2.840.10046.2.1" => "Diffie-Hellman",
            "1.3.101.110" => "X25519",
            "1.3.101.111" => "X448",
            "1.3.101.113" => "Ed448",
            "1.2.643.2.2.19" | "1.2.643.7.1.1.1.1" | "1.2.643.7.1.1.1.2" => "GOST R 34.10",
            _ => return Self::Other(oid),
        };
        Self::Other(other.to_owned())
    }

    /// The kind of an elliptic curve key with these parameters (RFC 5480 section 2.1.1).
    pub(super) fn of_curve(parameters: Option<&Any<'_>>) -> Self {
        // The parser would take the octets of explicit parameters for an identifier.
        let named = parameters.filter(|any| any.tag() == Tag::Oid);
        let Some(Ok(curve)) = named.map(|any| any.as_oid()) else {
            return Self::Other("an elliptic curve with explicit parameters".to_owned());
        };
        match curve.as_bytes() {
            P256 => return Self::P256,
            P384 => return Self::P384,
            P521 => return Self::P521,
            _ => {}
        }
        let curve = curve.to_id_string();
        let other = match curve.as_str() {
            "1.3.132.0.10" => "secp256k1",
            "1.3.132.0.33" => "P-224",
            "1.2.840.10045.3.1.1" => "P-192",
            "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
            "1.3.36.3.3.2.8.1.1.11" => "brainpoolP384r1",
            "1.3.36.3.3.2.8.1.1.13" => "brainpoolP512r1",
            "1.2.156.10197.1.301" => "SM2",
            _ => return Self::Other(format!("the elliptic curve {curve}")),
        };
        Self::Other(other.to_owned())
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(out, "RSA {bits}"),
            Self::P256 => out.write_str("P-256"),
            Self::P384 => out.write_str("P-384"),
            Self::P521 => out.write_str("P-521"),
            Self::Ed25519 => out.write_str("Ed25519"),
            Self::MlDsa(set) => set.fmt(out),
            Self::Other(name) => out.write_str(name),
        }
    }
}

impl Serialize for KeyKind {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// A parameter set of ML-DSA (FIPS 204 section 4), which names the kind of a key and the way it signs alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MlDsa {
    /// ML-DSA-44.
    Set44,
    /// ML-DSA-65.
    Set65,
    /// ML-DSA-87.
    Set87,
}

impl MlDsa {
    fn of(oid: &str) -> Option<Self> {
        match oid {
            "2.16.840.1.101.3.4.3.17" => Some(Self::Set44),
            "2.16.840.1.101.3.4.3.18" => Some(Self::Set65),
            "2.16.840.1.101.3.4.3.19" => Some(Self::Set87),
            _ => None,
        }
    }
}

impl fmt::Display for MlDsa {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Set44 => "ML-DSA-44",
            Self::Set65 => "ML-DSA-65",
            Self::Set87 => "ML-DSA-87",
        })
    }
}

/// A digest inside a signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hash {
    /// MD5, broken.
    Md5,
    /// SHA-1, broken for certificates.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Whether a certificate signed over it can be forged.
    #[must_use]
    pub fn is_broken(self) -> bool {
        match self {
            Self::Md5 | Self::Sha1 => true,
            Self::Sha224 | Self::Sha256 | Self::Sha384 | Self::Sha512 => false,
        }
    }

    fn of(oid: &Oid<'_>) -> Option<Self> {
        match oid.to_id_string().as_str() {
            "1.2.840.113549.2.5" => Some(Self::Md5),
            "1.3.14.3.2.26" => Some(Self::Sha1),
            "2.16.840.1.101.3.4.2.4" => Some(Self::Sha224),
            "2.16.840.1.101.3.4.2.1" => Some(Self::Sha256),
            "2.16.840.1.101.3.4.2.2" => Some(Self::Sha384),
            "2.16.840.1.101.3.4.2.3" => Some(Self::Sha512),
            _ => None,
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// How a certificate was signed by its issuer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
    RsaPkcs1(Hash),
    /// RSASSA-PSS with MGF1 over the same digest (RFC 8017 section 8.1).
    RsaPss {
        /// The digest.
        hash: Hash,
        /// Octets of salt.
        salt: u32,
    },
    /// RSASSA-PSS with a mask made otherwise than over this digest, which no client takes.
    RsaPssMixed(Hash),
    /// ECDSA.
    Ecdsa(Hash),
    /// Ed25519.
    Ed25519,
    /// ML-DSA without a digest before it (RFC 9881).
    MlDsa(MlDsa),
    /// Any other, by its object identifier.
    Other(String),
}

impl SignatureAlgorithm {
    /// The digest, where the algorithm names one.
    #[must_use]
    pub fn hash(&self) -> Option<Hash> {
        match self {
            Self::RsaPkcs1(hash) | Self::RsaPss { hash, .. } | Self::RsaPssMixed(hash) | Self::Ecdsa(hash) => {
                Some(*hash)
            }
            Self::Ed25519 | Self::MlDsa(_) | Self::Other(_) => None,
        }
    }

    /// Whether what it signs can be forged: MD2, MD4, MD5, SHA-1.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        match self {
            Self::Other(oid) => matches!(
                oid.as_str(),
                // RSA with MD2 and MD4, DSA with SHA-1, and the OIW's names for RSA with MD5 and DSA with SHA-1.
                "1.2.840.113549.1.1.2"
                    | "1.2.840.113549.1.1.3"
                    | "1.2.840.10040.4.3"
                    | "1.3.14.3.2.3"
                    | "1.3.14.3.2.27"
            ),
            Self::RsaPkcs1(_)
            | Self::RsaPss { .. }
            | Self::RsaPssMixed(_)
            | Self::Ecdsa(_)
            | Self::Ed25519
            | Self::MlDsa(_) => self.hash().is_some_and(Hash::is_broken),
        }
    }

    pub(super) fn of(algorithm: &AlgorithmIdentifier<'_>) -> Self {
        match algorithm.algorithm.as_bytes() {
            RSA_SHA256 => return Self::RsaPkcs1(Hash::Sha256),
            RSA_SHA384 => return Self::RsaPkcs1(Hash::Sha384),
            ECDSA_SHA256 => return Self::Ecdsa(Hash::Sha256),
            ECDSA_SHA384 => return Self::Ecdsa(Hash::Sha384),
            ED25519 => return Self::Ed25519,
            _ => {}
        }
        let oid = algorithm.algorithm.to_id_string();
        match oid.as_str() {
            "1.2.840.113549.1.1.4" => Self::RsaPkcs1(Hash::Md5),
            // The second is the OIW's, which old Windows tools wrote.
            "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => Self::RsaPkcs1(Hash::Sha1),
            "1.2.840.113549.1.1.14" => Self::RsaPkcs1(Hash::Sha224),
            "1.2.840.113549.1.1.13" => Self::RsaPkcs1(Hash::Sha512),
            "1.2.840.10045.4.1" => Self::Ecdsa(Hash::Sha1),
            "1.2.840.10045.4.3.1" => Self::Ecdsa(Hash::Sha224),
            "1.2.840.10045.4.3.4" => Self::Ecdsa(Hash::Sha512),
            "1.2.840.113549.1.1.10" => pss(algorithm).unwrap_or(Self::Other(oid)),
            _ => MlDsa::of(&oid).map_or(Self::Other(oid), Self::MlDsa),
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaPkcs1(hash) => write!(out, "RSA with {hash}"),
            Self::RsaPss { hash, .. } => write!(out, "RSA-PSS with {hash}"),
            Self::RsaPssMixed(hash) => write!(out, "RSA-PSS with {hash} and another mask"),
            Self::Ecdsa(hash) => write!(out, "ECDSA with {hash}"),
            Self::Ed25519 => out.write_str("Ed25519"),
            Self::MlDsa(set) => set.fmt(out),
            Self::Other(oid) => out.write_str(unchecked(oid).unwrap_or(oid)),
        }
    }
}

/// What people call signatures that are not checked here.
fn unchecked(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "1.2.840.113549.1.1.2" => "RSA with MD2",
        "1.2.840.113549.1.1.3" => "RSA with MD4",
        "1.3.14.3.2.3" => "RSA with MD5",
        "1.2.840.10040.4.3" | "1.3.14.3.2.27" => "DSA with SHA-1",
        "2.16.840.1.101.3.4.3.1" => "DSA with SHA-224",
        "2.16.840.1.101.3.4.3.2" => "DSA with SHA-256",
        "2.16.840.1.101.3.4.3.3" => "DSA with SHA-384",
        "2.16.840.1.101.3.4.3.4" => "DSA with SHA-512",
        "2.16.840.1.101.3.4.3.9" => "ECDSA with SHA3-224",
        "2.16.840.1.101.3.4.3.10" => "ECDSA with SHA3-256",
        "2.16.840.1.101.3.4.3.11" => "ECDSA with SHA3-384",
        "2.16.840.1.101.3.4.3.12" => "ECDSA with SHA3-512",
        "2.16.840.1.101.3.4.3.13" => "RSA with SHA3-224",
        "2.16.840.1.101.3.4.3.14" => "RSA with SHA3-256",
        "2.16.840.1.101.3.4.3.15" => "RSA with SHA3-384",
        "2.16.840.1.101.3.4.3.16" => "RSA with SHA3-512",
        "1.3.101.113" => "Ed448",
        "1.2.156.10197.1.501" => "SM2 with SM3",
        _ => return None,
    })
}

fn pss(algorithm: &AlgorithmIdentifier<'_>) -> Option<SignatureAlgorithm> {
    let parameters = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
    let hash = Hash::of(parameters.hash_algorithm_oid())?;
    let mask = parameters.mask_gen_algorithm().is_ok_and(|mask| Hash::of(&mask.hash) == Some(hash));
    Some(match mask && parameters.trailer_field() == 1 {
        true => SignatureAlgorithm::RsaPss { hash, salt: parameters.salt_length() },
        false => SignatureAlgorithm::RsaPssMixed(hash),
    })
}

/// Bits of the modulus of an RSAPublicKey (RFC 8017 appendix A.1.1).
fn rsa_bits(key: &[u8]) -> Option<u32> {
    let (_, key) = x509_parser::public_key::RSAPublicKey::from_der(key).ok()?;
    let modulus = key.modulus;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    u32::try_from((modulus.len() - zeros) * 8).ok().map(|bits| bits - first.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moduli_are_counted_in_bits() {
        let key = |modulus: &[u8]| {
            let length = u8::try_from(modulus.len()).unwrap();
            [&[0x30, length + 5, 0x02, length], modulus, &[0x02, 1, 3]].concat()
        };
        assert_eq!(rsa_bits(&key(&[0x00, 0x80, 0x00])), Some(16));
        assert_eq!(rsa_bits(&key(&[0x01, 0x00])), Some(9));
        assert_eq!(rsa_bits(&key(&[0x00])), None);
        assert_eq!(rsa_bits(b"x"), None);
    }

    #[test]
    fn digests_that_can_be_forged_are_known_by_every_name() {
        for (oid, broken) in [
            ("1.2.840.10040.4.3", true),
            ("1.3.14.3.2.3", true),
            ("1.3.14.3.2.27", true),
            ("2.16.840.1.101.3.4.3.2", false),
        ] {
            assert_eq!(SignatureAlgorithm::Other(oid.to_owned()).is_broken(), broken, "{oid}");
        }
    }

    /// OpenSSL reads such parameters and writes none with MD5.
    #[test]
    fn what_pss_is_made_with_counts_whatever_the_mask() {
        use crate::cert::codec::tlv::{Element, NULL, OBJECT, ONE, SEQUENCE, ZERO};
        let named = |oid: &[u8], parameters: &[u8]| {
            Element::wrap(SEQUENCE, &[&Element::wrap(OBJECT, oid), parameters].concat())
        };
        let null = Element::wrap(NULL, &[]);
        let pss = &oid!(raw 1.2.840.113549.1.1.10);
        let mgf1 = &oid!(raw 1.2.840.113549.1.1.8);
        let (md5, sha1): (&[u8], &[u8]) = (&oid!(raw 1.2.840.113549.2.5), &oid!(raw 1.3.14.3.2.26));
        let sha256: &[u8] = &oid!(raw 2.16.840.1.101.3.4.2.1);
        let digest = |oid: &[u8]| Element::wrap(ZERO, &named(oid, &null));
        let mask = |oid: &[u8]| Element::wrap(ONE, &named(mgf1, &named(oid, &null)));
        for (parameters, text, broken) in [
            ([digest(md5), mask(md5)].concat(), "RSA-PSS with MD5", true),
            // The mask is made over SHA-1 where nothing is said.
            (digest(md5), "RSA-PSS with MD5 and another mask", true),
            ([digest(md5), mask(sha256)].concat(), "RSA-PSS with MD5 and another mask", true),
            (Vec::new(), "RSA-PSS with SHA-1", true),
            ([digest(sha1), mask(sha1)].concat(), "RSA-PSS with SHA-1", true),
            (mask(sha256), "RSA-PSS with SHA-1 and another mask", true),
            ([digest(sha256), mask(sha256)].concat(), "RSA-PSS with SHA-256", false),
            (digest(sha256), "RSA-PSS with SHA-256 and another mask", false),
        ] {
            let der = named(pss, &Element::wrap(SEQUENCE, &parameters));
            let algorithm = SignatureAlgorithm::of(&AlgorithmIdentifier::from_der(&der).unwrap().1);
            assert_eq!((algorithm.to_string().as_str(), algorithm.is_broken()), (text, broken));
        }
    }

    #[test]
    fn kinds_have_names_and_families() {
        let other = KeyKind::Other("Ed448".to_owned());
        let kinds = [KeyKind::Rsa(3072), KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519, other];
        let names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["RSA 3072", "P-256", "P-384", "P-521", "Ed25519", "Ed448"]);
        let (rsa, ecdsa) = (Some(KeyFamily::Rsa), Some(KeyFamily::Ecdsa));
        let by_name: Vec<Option<KeyFamily>> = names.iter().map(|name| KeyKind::family_of(name)).collect();
        assert_eq!(by_name, [rsa, ecdsa, ecdsa, ecdsa, ecdsa, None]);
        assert_eq!(kinds.map(|kind| kind.family()), [rsa, ecdsa, ecdsa, ecdsa, ecdsa, None]);
        assert_eq!(KeyKind::of_spki(b"x").to_string(), "an unreadable key");
    }
}
