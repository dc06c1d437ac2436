//! Who signed a certificate: checked, or said to be uncheckable, but never guessed.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1,
    ECDSA_P256K1_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1,
    ECDSA_P521_SHA1_ASN1, ECDSA_P521_SHA224_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, ML_DSA_44, ML_DSA_65, ML_DSA_87, ParsedPublicKey,
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaPssSaltLength, VerificationAlgorithm,
};

use super::algorithm::{Hash, KeyKind, MlDsa, SignatureAlgorithm};
use super::certificate::Certificate;
use super::{distinguished, spki};

/// What checking a signature showed.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signed {
    /// The key made it.
    Verified,
    /// The key did not make it.
    Failed,
    /// The algorithm, the size or the form of the key cannot be checked here.
    Unverifiable,
}

/// Whether `issuer` issued `child`: the names agree (RFC 5280 section 6.1.3) and the issuer's key made the signature. Where the
/// signature cannot be checked, key identifiers that contradict each other still tell that it did not.
pub fn issued_by(child: &Certificate, issuer: &Certificate) -> Signed {
    issued_by_checked(child, issuer, || signed_with(child, issuer.spki()))
}

/// The same, where `check` holds the signature against the issuer's key.
pub(super) fn issued_by_checked(child: &Certificate, issuer: &Certificate, check: impl FnOnce() -> Signed) -> Signed {
    if !distinguished::same(child.issuer_der(), issuer.subject_der()) {
        return Signed::Failed;
    }
    match check() {
        Signed::Unverifiable => match (child.aki(), issuer.ski()) {
            (Some(wanted), Some(held)) if wanted != held => Signed::Failed,
            (Some(_) | None, Some(_) | None) => Signed::Unverifiable,
        },
        verdict @ (Signed::Verified | Signed::Failed) => verdict,
    }
}

/// Whether a certificate vouches for itself.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SelfSigned {
    /// Issued by somebody else.
    No,
    /// It names itself as issuer, and its own key signed it.
    Yes,
    /// It names itself as issuer; the signature cannot be checked. No client trusts it for that.
    SelfIssuedUnverifiable,
    /// It names itself as issuer, but another key signed it: a CA that changed its key, or took the name of another.
    SelfIssuedByOtherKey,
    /// Its own key signed it under the name of somebody else.
    OwnKeyOtherName,
}

impl SelfSigned {
    /// The verdict on one certificate. Costs one signature check.
    pub fn of(certificate: &Certificate) -> Self {
        Self::concluded(certificate, signed_with(certificate, certificate.spki()))
    }

    /// Whether its own key signed it, whatever issuer it names: nobody else vouches for it.
    #[must_use]
    pub fn by_own_key(&self) -> bool {
        matches!(self, Self::Yes | Self::OwnKeyOtherName)
    }

    /// What follows from how the signature stands to the certificate's own key.
    pub(super) fn concluded(certificate: &Certificate, signed: Signed) -> Self {
        match (certificate.is_self_issued(), signed) {
            (true, Signed::Verified) => Self::Yes,
            (true, Signed::Failed) => Self::SelfIssuedByOtherKey,
            (true, Signed::Unverifiable) => Self::SelfIssuedUnverifiable,
            (false, Signed::Verified) => Self::OwnKeyOtherName,
            (false, Signed::Failed | Signed::Unverifiable) => Self::No,
        }
    }
}

/// Checks the certificate's signature against one public key. One whose two statements of its algorithm contradict each other (RFC 5280
/// section 4.1.1.2) is not known to be one, whatever either of them makes of it.
pub(super) fn signed_with(certificate: &Certificate, spki: &[u8]) -> Signed {
    match signature_by(certificate.signature_algorithm(), spki, certificate.tbs(), certificate.signature()) {
        Signed::Verified if certificate.algorithms_differ() => Signed::Unverifiable,
        signed @ (Signed::Verified | Signed::Failed | Signed::Unverifiable) => signed,
    }
}

/// Checks a signature over `message` against one public key.
pub(super) fn signature_by(algorithm: &SignatureAlgorithm, spki: &[u8], message: &[u8], signature: &[u8]) -> Signed {
    let algorithm = match verifier(algorithm, spki) {
        Choice::Check(algorithm) => algorithm,
        Choice::OtherKind => return Signed::Failed,
        Choice::Unknown => return Signed::Unverifiable,
    };
    let Some(bits) = spki::key_bits(spki) else {
        return Signed::Unverifiable;
    };
    // Parsed apart from the check: a key the library will not read says nothing about the signature.
    let Ok(key) = ParsedPublicKey::new(algorithm, bits) else {
        return Signed::Unverifiable;
    };
    match key.verify_sig(message, signature) {
        Ok(()) => Signed::Verified,
        Err(_) => Signed::Failed,
    }
}

enum Choice {
    Check(&'static dyn VerificationAlgorithm),
    /// A key of this kind makes no such signature.
    OtherKind,
    Unknown,
}

fn verifier(signature: &SignatureAlgorithm, spki: &[u8]) -> Choice {
    let kind = KeyKind::of_spki(spki);
    let found = match (signature, &kind) {
        (SignatureAlgorithm::RsaPkcs1(hash), KeyKind::Rsa(bits)) => pkcs1(*hash, *bits),
        (SignatureAlgorithm::RsaPss { hash, salt }, KeyKind::Rsa(bits)) => pss(*hash, *salt, *bits),
        (SignatureAlgorithm::RsaPss { hash, salt }, KeyKind::Other(_)) => {
            // A key restricted to PSS (RFC 4055 section 1.2).
            KeyKind::pss_bits(spki).and_then(|bits| pss(*hash, *salt, bits))
        }
        (SignatureAlgorithm::Ecdsa(hash), KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Other(_)) => {
            ecdsa(*hash, &kind)
        }
        (SignatureAlgorithm::Ed25519, KeyKind::Ed25519) => Some(&ED25519 as &dyn VerificationAlgorithm),
        (SignatureAlgorithm::MlDsa(set), KeyKind::MlDsa(held)) if set == held => Some(ml_dsa(*set)),
        (
            SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::Ed25519 | SignatureAlgorithm::MlDsa(_),
            KeyKind::Other(_),
        )
        | (SignatureAlgorithm::RsaPssMixed(_), KeyKind::Rsa(_) | KeyKind::Other(_))
        | (SignatureAlgorithm::Other(_), _) => None,
        (
            SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss { .. } | SignatureAlgorithm::RsaPssMixed(_),
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 | KeyKind::MlDsa(_),
        )
        | (SignatureAlgorithm::Ecdsa(_), KeyKind::Rsa(_) | KeyKind::Ed25519 | KeyKind::MlDsa(_))
        | (
            SignatureAlgorithm::Ed25519,
            KeyKind::Rsa(_) | KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::MlDsa(_),
        )
        | (
            SignatureAlgorithm::MlDsa(_),
            KeyKind::Rsa(_) | KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 | KeyKind::MlDsa(_),
        ) => {
            return Choice::OtherKind;
        }
    };
    found.map_or(Choice::Unknown, Choice::Check)
}

fn pkcs1(hash: Hash, bits: u32) -> Option<&'static dyn VerificationAlgorithm> {
    if !(1024..=8192).contains(&bits) {
        return None;
    }
    match hash {
        Hash::Sha1 => Some(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        Hash::Sha256 => Some(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        Hash::Sha384 if bits >= 2048 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Hash::Sha512 => Some(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        Hash::Md5 | Hash::Sha224 | Hash::Sha384 => None,
    }
}

/// Salts as long as the digest (everybody), of 20 octets (the default of RFC 4055) and as long as fits (OpenSSL's default).
fn pss(hash: Hash, salt: u32, bits: u32) -> Option<&'static dyn VerificationAlgorithm> {
    let (digest, lengths): (u32, [&'static dyn VerificationAlgorithm; 3]) = match hash {
        Hash::Sha256 => (
            32,
            [
                &RSA_PSS_2048_8192_SHA256,
                &const { RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(20)) },
                &const { RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Max) },
            ],
        ),
        Hash::Sha384 => (
            48,
            [
                &RSA_PSS_2048_8192_SHA384,
                &const { RSA_PSS_2048_8192_SHA384.with_pss_salt_length(RsaPssSaltLength::Custom(20)) },
                &const { RSA_PSS_2048_8192_SHA384.with_pss_salt_length(RsaPssSaltLength::Max) },
            ],
        ),
        Hash::Sha512 => (
            64,
            [
                &RSA_PSS_2048_8192_SHA512,
                &const { RSA_PSS_2048_8192_SHA512.with_pss_salt_length(RsaPssSaltLength::Custom(20)) },
                &const { RSA_PSS_2048_8192_SHA512.with_pss_salt_length(RsaPssSaltLength::Max) },
            ],
        ),
        Hash::Md5 | Hash::Sha1 | Hash::Sha224 => return None,
    };
    let [usual, short, long] = lengths;
    let longest = ((bits + 6) / 8).checked_sub(digest + 2);
    match (2048..=8192).contains(&bits) {
        true if salt == digest => Some(usual),
        true if salt == 20 => Some(short),
        true if Some(salt) == longest => Some(long),
        true | false => None,
    }
}

fn ml_dsa(set: MlDsa) -> &'static dyn VerificationAlgorithm {
    match set {
        MlDsa::Set44 => &ML_DSA_44,
        MlDsa::Set65 => &ML_DSA_65,
        MlDsa::Set87 => &ML_DSA_87,
    }
}

fn ecdsa(hash: Hash, kind: &KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
    match (kind, hash) {
        (KeyKind::P256, Hash::Sha1) => Some(&ECDSA_P256_SHA1_ASN1),
        (KeyKind::P256, Hash::Sha256) => Some(&ECDSA_P256_SHA256_ASN1),
        (KeyKind::P256, Hash::Sha384) => Some(&ECDSA_P256_SHA384_ASN1),
        (KeyKind::P256, Hash::Sha512) => Some(&ECDSA_P256_SHA512_ASN1),
        (KeyKind::P384, Hash::Sha256) => Some(&ECDSA_P384_SHA256_ASN1),
        (KeyKind::P384, Hash::Sha384) => Some(&ECDSA_P384_SHA384_ASN1),
        (KeyKind::P384, Hash::Sha512) => Some(&ECDSA_P384_SHA512_ASN1),
        (KeyKind::P521, Hash::Sha1) => Some(&ECDSA_P521_SHA1_ASN1),
        (KeyKind::P521, Hash::Sha224) => Some(&ECDSA_P521_SHA224_ASN1),
        (KeyKind::P521, Hash::Sha256) => Some(&ECDSA_P521_SHA256_ASN1),
        (KeyKind::P521, Hash::Sha384) => Some(&ECDSA_P521_SHA384_ASN1),
        (KeyKind::P521, Hash::Sha512) => Some(&ECDSA_P521_SHA512_ASN1),
        (KeyKind::Other(name), Hash::Sha256) if name == "secp256k1" => Some(&ECDSA_P256K1_SHA256_ASN1),
        (
            KeyKind::P256
            | KeyKind::P384
            | KeyKind::Rsa(_)
            | KeyKind::Ed25519
            | KeyKind::P521
            | KeyKind::MlDsa(_)
            | KeyKind::Other(_),
            Hash::Md5 | Hash::Sha1 | Hash::Sha224 | Hash::Sha256 | Hash::Sha384 | Hash::Sha512,
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec::tlv::{Element, SEQUENCE};
    use crate::cert::fixture::{Wish, copy, self_signed};
    use crate::cert::key::tests::openssl;

    #[test]
    fn an_issuer_is_told_by_name_and_signature() {
        let (root, other) = (self_signed(&Wish::ca("Root")), self_signed(&Wish::ca("Root")));
        let named_otherwise = self_signed(&Wish::ca("Else"));
        let leaf = root.issue(&Wish::server("www.example.com")).certificate;
        assert_eq!(issued_by(&leaf, &root.certificate), Signed::Verified);
        assert_eq!(issued_by(&leaf, &other.certificate), Signed::Failed);
        assert_eq!(issued_by(&leaf, &named_otherwise.certificate), Signed::Failed);
        assert_eq!(issued_by(&root.certificate, &leaf), Signed::Failed);
    }

    #[test]
    fn self_signed_is_told_from_what_resembles_it() {
        let root = self_signed(&Wish::ca("Root"));
        assert_eq!(SelfSigned::of(&root.certificate), SelfSigned::Yes);
        assert_eq!(SelfSigned::of(&root.issue(&Wish::server("www")).certificate), SelfSigned::No);
        let rollover = root.issue(&Wish::ca("Root"));
        assert_eq!(SelfSigned::of(&rollover.certificate), SelfSigned::SelfIssuedByOtherKey);
        let renamed = root.issue_for(&Wish::ca("Renamed"), copy(&root.key));
        assert_eq!(SelfSigned::of(&renamed.certificate), SelfSigned::OwnKeyOtherName);
        let mut forged = root.certificate.der().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        let forged = Certificate::from_der(forged).unwrap();
        assert_eq!(SelfSigned::of(&forged), SelfSigned::SelfIssuedByOtherKey);
    }

    #[test]
    fn openssl_signatures_are_checked_or_said_not_to_be() {
        let rsa = "-newkey rsa:2048";
        let pss = "-newkey rsa:2048 -sigopt rsa_padding_mode:pss -sigopt rsa_mgf1_md";
        let ec = "-newkey ec -pkeyopt ec_paramgen_curve";
        for (key, text, verdict) in [
            (format!("{rsa} -sha1"), "RSA with SHA-1", SelfSigned::Yes),
            (format!("{rsa} -sha256"), "RSA with SHA-256", SelfSigned::Yes),
            (format!("{rsa} -sha384"), "RSA with SHA-384", SelfSigned::Yes),
            (format!("{rsa} -sha512"), "RSA with SHA-512", SelfSigned::Yes),
            ("-newkey rsa:1024 -sha256".to_owned(), "RSA with SHA-256", SelfSigned::Yes),
            ("-newkey rsa:1024 -sha384".to_owned(), "RSA with SHA-384", SelfSigned::SelfIssuedUnverifiable),
            (format!("{rsa} -sha224"), "RSA with SHA-224", SelfSigned::SelfIssuedUnverifiable),
            (format!("{rsa} -md5"), "RSA with MD5", SelfSigned::SelfIssuedUnverifiable),
            (format!("{pss}:sha1 -sha1"), "RSA-PSS with SHA-1", SelfSigned::SelfIssuedUnverifiable),
            (format!("{pss}:sha256 -sha1"), "RSA-PSS with SHA-1 and another mask", SelfSigned::SelfIssuedUnverifiable),
            (
                format!("{pss}:sha1 -sha256"),
                "RSA-PSS with SHA-256 and another mask",
                SelfSigned::SelfIssuedUnverifiable,
            ),
            (format!("{pss}:sha256 -sigopt rsa_pss_saltlen:32 -sha256"), "RSA-PSS with SHA-256", SelfSigned::Yes),
            (format!("{pss}:sha384 -sigopt rsa_pss_saltlen:20 -sha384"), "RSA-PSS with SHA-384", SelfSigned::Yes),
            (format!("{pss}:sha512 -sigopt rsa_pss_saltlen:max -sha512"), "RSA-PSS with SHA-512", SelfSigned::Yes),
            (
                format!("{pss}:sha256 -sigopt rsa_pss_saltlen:7 -sha256"),
                "RSA-PSS with SHA-256",
                SelfSigned::SelfIssuedUnverifiable,
            ),
            (
                "-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048 -sha256".to_owned(),
                "RSA-PSS with SHA-256",
                SelfSigned::Yes,
            ),
            (format!("{ec}:P-256 -sha512"), "ECDSA with SHA-512", SelfSigned::Yes),
            (format!("{ec}:P-384 -sha256"), "ECDSA with SHA-256", SelfSigned::Yes),
            (format!("{ec}:P-521 -sha512"), "ECDSA with SHA-512", SelfSigned::Yes),
            (format!("{ec}:secp256k1 -sha256"), "ECDSA with SHA-256", SelfSigned::Yes),
            (format!("{ec}:brainpoolP256r1 -sha256"), "ECDSA with SHA-256", SelfSigned::SelfIssuedUnverifiable),
            (
                format!("{ec}:P-256 -pkeyopt ec_param_enc:explicit -sha256"),
                "ECDSA with SHA-256",
                SelfSigned::SelfIssuedUnverifiable,
            ),
            ("-newkey rsa:2048 -sha3-256".to_owned(), "RSA with SHA3-256", SelfSigned::SelfIssuedUnverifiable),
            (format!("{ec}:P-256 -sha3-512"), "ECDSA with SHA3-512", SelfSigned::SelfIssuedUnverifiable),
            ("-newkey ed25519".to_owned(), "Ed25519", SelfSigned::Yes),
            ("-newkey ed448".to_owned(), "Ed448", SelfSigned::SelfIssuedUnverifiable),
        ] {
            let der = openssl(&format!("req -x509 -nodes -subj /CN=x -keyout /dev/null -outform DER {key}"), b"");
            let certificate = Certificate::from_der(der).unwrap();
            assert_eq!(certificate.signature_algorithm().to_string(), text, "{key}");
            let broken = text.contains("with MD5") || text.contains("with SHA-1");
            assert_eq!(certificate.signature_algorithm().is_broken(), broken, "{key}");
            assert_eq!(SelfSigned::of(&certificate), verdict, "{key}");
        }
    }

    #[test]
    fn what_states_two_algorithms_is_not_known_to_be_signed() {
        let one = crate::cert::fixture::self_signed(&crate::cert::fixture::Wish::ca("Root")).certificate;
        let parts: Vec<Element<'_>> = Element::filling(one.der()).unwrap().inside().collect();
        // The same with the NULL that ECDSA has not, outside alone: the signature holds.
        let algorithm = Element::wrap(SEQUENCE, &[parts[1].content, &[5, 0]].concat());
        let other = Element::wrap(SEQUENCE, &[parts[0].whole, &algorithm, parts[2].whole].concat());
        let other = Certificate::from_der(other).unwrap();
        assert!(other.algorithms_differ() && !one.algorithms_differ());
        assert_eq!(
            (SelfSigned::of(&one), SelfSigned::of(&other)),
            (SelfSigned::Yes, SelfSigned::SelfIssuedUnverifiable)
        );
    }
}
