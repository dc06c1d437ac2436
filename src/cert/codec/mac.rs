//! The checksum over a PKCS#12 store, made with its passphrase: the classic one (RFC 7292 section 4) and PBMAC1 (RFC 9579).

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use super::passphrase::Reading;
use super::pbe::{self, PbeFailure, pkcs12_key};
use super::tlv::{Element, OBJECT, OCTETS, SEQUENCE, dotted};
use super::work::{LONG_DIGEST, Work, salt};

/// What a store says of its checksum.
pub(super) struct Mac<'a> {
    algorithm: Element<'a>,
    sum: &'a [u8],
    salt: &'a [u8],
    rounds: u64,
}

impl<'a> Mac<'a> {
    /// Takes a `MacData` apart.
    pub(super) fn parse(element: Element<'a>) -> Option<Self> {
        let mut parts = element.tagged(SEQUENCE)?.inside();
        let mut info = parts.expect(SEQUENCE)?.inside();
        let (algorithm, sum) = (info.expect(SEQUENCE)?, info.expect(OCTETS)?.content);
        let salt = parts.expect(OCTETS)?.content;
        let rounds = parts.next().map_or(Some(1), Element::number)?;
        Some(Self { algorithm, sum, salt, rounds })
    }

    /// The object identifier of its algorithm: of the digest, for the classic one.
    pub(super) fn algorithm(&self) -> Option<&'a [u8]> {
        Some(self.algorithm.inside().expect(OBJECT)?.content)
    }

    /// Rounds of its key derivation, of the classic one.
    pub(super) fn rounds(&self) -> u64 {
        self.rounds
    }

    /// Whether `data` has this checksum under the passphrase.
    pub(super) fn agrees(&self, data: &[u8], passphrase: &Reading, work: &mut Work) -> Result<bool, PbeFailure> {
        let mut parts = self.algorithm.inside();
        let oid = parts.expect(OBJECT).ok_or(PbeFailure::Unreadable)?.content;
        let (algorithm, key) = if oid == PBMAC1 {
            pbmac1(parts.next().ok_or(PbeFailure::Unreadable)?, passphrase, work)?
        } else {
            let known = CLASSIC.iter().find(|(known, ..)| *known == oid);
            let Some((_, hash, algorithm)) = known else {
                return Err(PbeFailure::Unsupported(format!("a MAC by {}", digest_name(&dotted(oid)))));
            };
            if self.rounds == 0 {
                return Err(PbeFailure::Unreadable);
            }
            let salt = salt(self.salt)?;
            let weight = if hash.output_len() > 32 { LONG_DIGEST } else { 1 };
            work.rounds(self.rounds, weight, "the MAC's key derivation")?;
            (*algorithm, pkcs12_key(hash, &passphrase.bmp(), salt, pbe::MAC, self.rounds, hash.output_len()))
        };
        Ok(hmac::verify(&hmac::Key::new(*algorithm, &key), data, self.sum).is_ok())
    }
}

fn digest_name(oid: &str) -> String {
    let name = match oid {
        "1.2.840.113549.2.2" => "MD2",
        "1.2.840.113549.2.4" => "MD4",
        "1.2.840.113549.2.5" => "MD5",
        "1.3.36.3.2.1" => "RIPEMD-160",
        "2.16.840.1.101.3.4.2.5" => "SHA-512/224",
        "2.16.840.1.101.3.4.2.6" => "SHA-512/256",
        "2.16.840.1.101.3.4.2.7" => "SHA3-224",
        "2.16.840.1.101.3.4.2.8" => "SHA3-256",
        "2.16.840.1.101.3.4.2.9" => "SHA3-384",
        "2.16.840.1.101.3.4.2.10" => "SHA3-512",
        "1.2.156.10197.1.401" => "SM3",
        "1.2.643.7.1.1.2.2" => "GOST R 34.11-2012 (256 bits)",
        "1.2.643.7.1.1.2.3" => "GOST R 34.11-2012 (512 bits)",
        "1.3.6.1.4.1.1722.12.2.1.16" => "BLAKE2b-512",
        "1.3.6.1.4.1.1722.12.2.2.8" => "BLAKE2s-256",
        _ => return format!("the digest {oid}"),
    };
    name.to_owned()
}

type Keyed = (&'static hmac::Algorithm, Zeroizing<Vec<u8>>);

const PBMAC1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0e";
const PBKDF2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";

/// Digests of the classic checksum.
static CLASSIC: &[(&[u8], &digest::Algorithm, &hmac::Algorithm)] = &[
    (b"\x2b\x0e\x03\x02\x1a", &digest::SHA1_FOR_LEGACY_USE_ONLY, &hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x04", &digest::SHA224, &hmac::HMAC_SHA224),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x01", &digest::SHA256, &hmac::HMAC_SHA256),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x02", &digest::SHA384, &hmac::HMAC_SHA384),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x03", &digest::SHA512, &hmac::HMAC_SHA512),
];

/// HMACs by their object identifiers, as functions of PBKDF2 and as checksums.
static KEYED: &[(&[u8], &pbkdf2::Algorithm, &hmac::Algorithm)] = &[
    (b"\x2a\x86\x48\x86\xf7\x0d\x02\x07", &pbkdf2::PBKDF2_HMAC_SHA1, &hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    (b"\x2a\x86\x48\x86\xf7\x0d\x02\x09", &pbkdf2::PBKDF2_HMAC_SHA256, &hmac::HMAC_SHA256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x02\x0a", &pbkdf2::PBKDF2_HMAC_SHA384, &hmac::HMAC_SHA384),
    (b"\x2a\x86\x48\x86\xf7\x0d\x02\x0b", &pbkdf2::PBKDF2_HMAC_SHA512, &hmac::HMAC_SHA512),
];

/// The checksum's algorithm and key by RFC 9579 section 4.
fn pbmac1(parameters: Element<'_>, passphrase: &Reading, work: &mut Work) -> Result<Keyed, PbeFailure> {
    let unsupported = |oid: &[u8]| PbeFailure::Unsupported(format!("PBMAC1 with the algorithm {}", dotted(oid)));
    let parts = || {
        let mut parts = parameters.tagged(SEQUENCE)?.inside();
        let (mut kdf, mut scheme) = (parts.expect(SEQUENCE)?.inside(), parts.expect(SEQUENCE)?.inside());
        Some((kdf.expect(OBJECT)?.content, kdf, scheme.expect(OBJECT)?.content))
    };
    let (kdf_oid, mut kdf, scheme) = parts().ok_or(PbeFailure::Unreadable)?;
    if kdf_oid != PBKDF2 {
        return Err(unsupported(kdf_oid));
    }
    let mut parts = || {
        let mut parts = kdf.expect(SEQUENCE)?.inside();
        let (salt, rounds) = (parts.expect(OCTETS)?.content, parts.next()?.number()?);
        // The length must be there, for nothing else tells it.
        let length = usize::try_from(parts.next()?.number()?).ok().filter(|length| (1..=64).contains(length))?;
        let prf = match parts.next() {
            Some(prf) => prf.tagged(SEQUENCE)?.inside().expect(OBJECT)?.content,
            None => KEYED.first()?.0,
        };
        Some((salt, rounds, length, prf))
    };
    let (given, rounds, length, prf) = parts().ok_or(PbeFailure::Unreadable)?;
    let (_, derive, _) = KEYED.iter().find(|(oid, ..)| *oid == prf).ok_or_else(|| unsupported(prf))?;
    let (_, _, algorithm) = KEYED.iter().find(|(oid, ..)| *oid == scheme).ok_or_else(|| unsupported(scheme))?;
    let salt = salt(given)?;
    work.rounds(rounds, length.div_ceil(20) * LONG_DIGEST, "PBMAC1")?;
    let rounds = u32::try_from(rounds).ok().and_then(NonZeroU32::new).ok_or(PbeFailure::Unreadable)?;
    let mut key = Zeroizing::new(vec![0; length]);
    pbkdf2::derive(**derive, rounds, salt, &passphrase.bytes, &mut key);
    Ok((algorithm, key))
}
