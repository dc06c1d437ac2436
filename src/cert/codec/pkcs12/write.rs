//! Writing a PKCS#12 store with one key and its certificates (RFC 7292), for those who read nothing else.

use aws_lc_rs::{digest, hmac, rand};
use pkcs8::der::Encode;
use pkcs8::pkcs5::pbes2;
use zeroize::Zeroizing;

use super::super::bag::{BAG, DATA, ENCRYPTED_DATA, FRIENDLY_NAME, LOCAL_KEY_ID};
use super::super::cipher::Cipher;
use super::super::passphrase::{Reading, Readings};
use super::super::pbe::{self, pkcs12_key};
use super::super::tlv::{BMP, Element, INTEGER, NULL, OBJECT, OCTETS, SEQUENCE, SET, ZERO, ZERO_PRIMITIVE};
use super::X509_CERTIFICATE;
use crate::cert::certificate::Certificate;
use crate::cert::key::PrivateKey;
use crate::sensitive::Sensitive;

/// How a store is protected: by who is to read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protection {
    /// PBES2 with AES-256 and HMAC-SHA-256: OpenSSL since 1.1, Java since 8u301, Windows since Server 2019.
    #[default]
    Modern,
    /// Triple DES and HMAC-SHA-1, for what is older: whoever has the file can try passphrases faster.
    Legacy,
}

/// A store cannot be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Pkcs12Error {
    /// There is nothing but zero characters between the store and its readers.
    #[error("a store with a key needs a passphrase that is not empty")]
    NoPassphrase,
    /// Not text, which the checksum is made of.
    #[error("the passphrase is no UTF-8, and the checksum of a PKCS#12 store is made of characters")]
    Passphrase,
    /// The cryptographic library failed.
    #[error("the store could not be encrypted")]
    NotEncrypted,
}

/// Rounds of each key derivation: OpenSSL makes 2,048, Java 10,000; every reader takes more.
pub(super) const ROUNDS: u32 = 100_000;

const PBES2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
/// pbeWithSHAAnd3-KeyTripleDES-CBC (RFC 7292 appendix C).
const TRIPLE_DES: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03";
const SHA1: &[u8] = b"\x2b\x0e\x03\x02\x1a";
const SHA256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";

/// The key and its chain, leaf first, under the friendly name `name`. Key and certificates are encrypted, and a checksum is over all, with the
/// same passphrase.
///
/// # Errors
/// The passphrase is empty or no text, or the cryptographic library failed.
pub fn write(
    name: &str,
    key: &PrivateKey,
    chain: &[Certificate],
    passphrase: &Sensitive,
    protection: Protection,
) -> Result<Sensitive, Pkcs12Error> {
    if passphrase.expose().is_empty() {
        return Err(Pkcs12Error::NoPassphrase);
    }
    // UTF-8 first.
    std::str::from_utf8(passphrase.expose()).map_err(|_| Pkcs12Error::Passphrase)?;
    let readings = Readings::of(Some(passphrase)).0.unwrap_or_default();
    let reading = readings.first().ok_or(Pkcs12Error::NoPassphrase)?;
    // What key and leaf share is the digest of the leaf, as Windows and OpenSSL have it.
    let mark = chain.first().map(|leaf| digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, leaf.der()));
    let marks = marks(name, mark.as_ref().map(AsRef::as_ref));
    let certificates: Vec<u8> = chain
        .iter()
        .enumerate()
        .flat_map(|(place, certificate)| {
            let value = Element::wrap(ZERO, &Element::wrap(OCTETS, certificate.der()));
            let value = sequence(&[&Element::wrap(OBJECT, X509_CERTIFICATE), &value]);
            bag(3, &value, if place == 0 { &marks } else { &[] })
        })
        .collect();
    let certificates = encrypt(&Element::wrap(SEQUENCE, &certificates), reading, protection)?;
    let certificates = sequence(&[
        &Element::wrap(OBJECT, DATA),
        &certificates.scheme,
        &Element::wrap(ZERO_PRIMITIVE, &certificates.data),
    ]);
    let certificates = sequence(&[&integer(0), &certificates]);
    let key = encrypt(key.pkcs8_der().expose(), reading, protection)?;
    let key = sequence(&[&key.scheme, &Element::wrap(OCTETS, &key.data)]);
    let key = Element::wrap(SEQUENCE, &bag(2, &key, &marks));
    let safes = sequence(&[&content(ENCRYPTED_DATA, &certificates), &content(DATA, &Element::wrap(OCTETS, &key))]);
    let mac = checksum(&safes, reading, protection, ROUNDS)?;
    Ok(sequence(&[&integer(3), &content(DATA, &Element::wrap(OCTETS, &safes)), &mac]).into())
}

/// What was encrypted, and how.
pub(super) struct Encrypted {
    /// An `AlgorithmIdentifier`.
    pub(super) scheme: Vec<u8>,
    /// What is hidden.
    pub(super) data: Vec<u8>,
}

/// Encrypts with a key from the passphrase.
pub(super) fn encrypt(plain: &[u8], reading: &Reading, protection: Protection) -> Result<Encrypted, Pkcs12Error> {
    let salt = random::<16>()?;
    match protection {
        Protection::Modern => {
            let failed = |_| Pkcs12Error::NotEncrypted;
            let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, random()?);
            let parameters = parameters.map_err(failed)?;
            let data = parameters.encrypt(&*reading.bytes, plain).map_err(failed)?;
            let der = parameters.to_der().map_err(|_| Pkcs12Error::NotEncrypted)?;
            Ok(Encrypted { scheme: sequence(&[&Element::wrap(OBJECT, PBES2), &der]), data })
        }
        Protection::Legacy => {
            let passphrase = reading.bmp();
            let derive = |id, length| {
                let hash = &digest::SHA1_FOR_LEGACY_USE_ONLY;
                pkcs12_key(hash, &passphrase, &salt, id, ROUNDS.into(), length)
            };
            let (key, vector) = (derive(pbe::KEY, 24), derive(pbe::VECTOR, 8));
            let data = Cipher::TripleDes3.encrypt(&key, &vector, plain).ok_or(Pkcs12Error::NotEncrypted)?;
            let parameters = sequence(&[&Element::wrap(OCTETS, &salt), &integer(ROUNDS)]);
            Ok(Encrypted { scheme: sequence(&[&Element::wrap(OBJECT, TRIPLE_DES), &parameters]), data })
        }
    }
}

/// `MacData` (RFC 7292 section 4): with SHA-256, but where a reader may know SHA-1 alone.
pub(super) fn checksum(
    content: &[u8],
    reading: &Reading,
    protection: Protection,
    rounds: u32,
) -> Result<Vec<u8>, Pkcs12Error> {
    let (oid, hash, algorithm) = match protection {
        Protection::Modern => (SHA256, &digest::SHA256, hmac::HMAC_SHA256),
        Protection::Legacy => (SHA1, &digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    };
    let salt = random::<16>()?;
    let key: Zeroizing<Vec<u8>> = pkcs12_key(hash, &reading.bmp(), &salt, pbe::MAC, rounds.into(), hash.output_len());
    let sum = hmac::sign(&hmac::Key::new(algorithm, &key), content);
    let kind = sequence(&[&Element::wrap(OBJECT, oid), &Element::wrap(NULL, &[])]);
    let info = sequence(&[&kind, &Element::wrap(OCTETS, sum.as_ref())]);
    Ok(sequence(&[&info, &Element::wrap(OCTETS, &salt), &integer(rounds)]))
}

fn random<const N: usize>() -> Result<[u8; N], Pkcs12Error> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Pkcs12Error::NotEncrypted)?;
    Ok(bytes)
}

/// The attributes of key and leaf, sorted as DER has a set.
fn marks(name: &str, mark: Option<&[u8]>) -> Vec<u8> {
    let attribute = |kind: &[u8], value: &[u8]| sequence(&[&Element::wrap(OBJECT, kind), &Element::wrap(SET, value)]);
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut all = vec![attribute(FRIENDLY_NAME, &Element::wrap(BMP, &name))];
    all.extend(mark.map(|mark| attribute(LOCAL_KEY_ID, &Element::wrap(OCTETS, mark))));
    all.sort();
    Element::wrap(SET, &all.concat())
}

/// A `SafeBag` (RFC 7292 section 4.2).
pub(super) fn bag(kind: u8, value: &[u8], marks: &[u8]) -> Vec<u8> {
    sequence(&[&Element::wrap(OBJECT, &[BAG, &[kind]].concat()), &Element::wrap(ZERO, value), marks])
}

/// A `ContentInfo` (RFC 5652 section 3).
pub(super) fn content(kind: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&Element::wrap(OBJECT, kind), &Element::wrap(ZERO, value)])
}

/// A SEQUENCE of these.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    Element::wrap(SEQUENCE, &parts.concat())
}

/// A non-negative INTEGER.
pub(super) fn integer(number: u32) -> Vec<u8> {
    // A zero stays in front of a high bit, which would make the number negative.
    let octets = u64::from(number).to_be_bytes();
    let needed = (64 - u64::from(number).leading_zeros() as usize) / 8 + 1;
    Element::wrap(INTEGER, octets.get(octets.len() - needed..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec::{self, Holds};
    use crate::cert::fixture::{Wish, self_signed};
    use crate::cert::key::tests::openssl;

    fn secret(text: &str) -> Sensitive {
        text.to_owned().into()
    }

    #[test]
    fn numbers_are_as_der_has_them() {
        for (number, der) in [
            (0, &[2, 1, 0][..]),
            (3, &[2, 1, 3]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (100_000, &[2, 3, 1, 0x86, 0xa0]),
            (u32::MAX, &[2, 5, 0, 255, 255, 255, 255]),
        ] {
            assert_eq!(integer(number), der, "{number}");
        }
    }

    #[test]
    fn what_is_written_is_read_here_and_by_openssl() {
        let root = self_signed(&Wish::ca("Root"));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("www.example.com").named(&["www.example.com"]));
        let chain = [leaf.certificate.clone(), middle.certificate];
        for protection in [Protection::Modern, Protection::Legacy] {
            for passphrase in ["changeit", "pässwörd", "a\"b'c", "密码"] {
                let store = write("wéb", &leaf.key, &chain, &secret(passphrase), protection).unwrap();
                let contents = codec::read(store.expose(), Some(&secret(passphrase))).unwrap();
                assert_eq!(contents.bad, [], "{protection:?} {passphrase}");
                assert_eq!(contents.certificates, chain);
                let [entry] = contents.entries.as_slice() else { panic!("{:?}", contents.entries) };
                assert_eq!(entry.name.as_deref(), Some("wéb"));
                assert!(matches!(&entry.holds, Holds::Key { key: Some(0), chain: found } if found[..] == chain));
                assert_eq!(contents.keys[0].spki(), leaf.key.spki());
                let wrong = codec::read(store.expose(), Some(&secret("other"))).unwrap();
                assert!(wrong.keys.is_empty() && !wrong.bad.is_empty());
                let text = openssl(&format!("pkcs12 -nodes -passin pass:{passphrase}"), store.expose());
                let text = String::from_utf8_lossy(&text);
                assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{protection:?} {passphrase}");
                assert!(text.contains("BEGIN PRIVATE KEY") && text.contains("localKeyID"));
            }
        }
    }

    #[test]
    fn no_store_is_written_without_a_passphrase() {
        let own = self_signed(&Wish::server("a"));
        let chain = [own.certificate.clone()];
        let failure = |passphrase: Sensitive| write("a", &own.key, &chain, &passphrase, Protection::Modern).err();
        assert_eq!(failure(secret("")), Some(Pkcs12Error::NoPassphrase));
        assert_eq!(failure(vec![0xff, 0xfe].into()), Some(Pkcs12Error::Passphrase));
    }
}
