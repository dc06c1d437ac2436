//! Private keys under a passphrase: EncryptedPrivateKeyInfo (RFC 5958 section 3).

use pkcs8::PrivateKeyInfoRef;
use pkcs8::pkcs5::pbes2;
use zeroize::Zeroizing;

use super::passphrase::Readings;
use super::pbe::{self, PbeFailure};
use super::pem::encode_secret;
use super::tlv::{Element, Elements, OBJECT, OCTETS, SEQUENCE};
use super::work::Work;
use crate::cert::key::{KeyError, PrivateKey};
use crate::sensitive::Sensitive;

/// Rounds of PBKDF2 with HMAC-SHA-256 for what is written here (OWASP, 2023).
const ROUNDS: u32 = 600_000;

/// An encrypted key cannot be opened, or a key cannot be encrypted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Pkcs8Failure {
    /// Not an EncryptedPrivateKeyInfo.
    #[error("the encrypted private key cannot be read")]
    Unreadable,
    /// The key is encrypted, and there is no passphrase.
    #[error("the private key is encrypted and no passphrase was given")]
    NoPassphrase,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the private key")]
    WrongPassphrase,
    /// Encrypted in a way that cannot be undone here.
    #[error("the private key is encrypted with {0}, which is not supported")]
    Unsupported(String),
    /// The file asks for more work than an honest one does.
    #[error("the private key is encrypted with {0}, which is more than is done for a file")]
    TooCostly(String),
    /// What came out is no usable key.
    #[error("the decrypted private key is not usable")]
    Key(#[from] KeyError),
    /// The cryptographic library failed.
    #[error("the private key could not be encrypted")]
    NotEncrypted,
}

/// Opens an encrypted key.
///
/// # Errors
/// See [`Pkcs8Failure`].
pub fn decrypt(der: &[u8], passphrase: Option<&Sensitive>) -> Result<PrivateKey, Pkcs8Failure> {
    let opened = open(der, &Readings::of(passphrase), &mut Work::new(true))?;
    key_of(&opened).map_err(|failure| failure.unwrap_or(Pkcs8Failure::WrongPassphrase))
}

/// What is in it, as part of something larger: a key, or noise.
pub(super) fn open(der: &[u8], passphrase: &Readings, work: &mut Work) -> Result<Zeroizing<Vec<u8>>, Pkcs8Failure> {
    let (scheme, data) = parts(der).ok_or(Pkcs8Failure::Unreadable)?;
    Ok(pbe::open_any(scheme, data, passphrase, work)?)
}

/// The key that was decrypted; no failure of its own where noise came out. A wrong passphrase leaves no padding or, once in 256
/// times, padding and noise.
pub(super) fn key_of(opened: &Zeroizing<Vec<u8>>) -> Result<PrivateKey, Option<Pkcs8Failure>> {
    if Element::filling(opened).is_none_or(|outer| outer.tag != SEQUENCE) {
        return Err(None);
    }
    PrivateKey::from_der(opened).map_err(|error| Some(Pkcs8Failure::Key(error)))
}

/// One PEM block `ENCRYPTED PRIVATE KEY`: PBKDF2 with HMAC-SHA-256, 600,000 rounds, AES-256-CBC, which every OpenSSL since
/// 1.0 opens.
///
/// # Errors
/// The cryptographic library failed.
pub fn encrypt(key: &PrivateKey, passphrase: &Sensitive) -> Result<Sensitive, Pkcs8Failure> {
    let (mut salt, mut vector) = ([0; 16], [0; 16]);
    for random in [&mut salt, &mut vector] {
        aws_lc_rs::rand::fill(random).map_err(|_| Pkcs8Failure::NotEncrypted)?;
    }
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, vector)
        .map_err(|_| Pkcs8Failure::NotEncrypted)?;
    let info = PrivateKeyInfoRef::try_from(key.pkcs8_der().expose()).map_err(|_| Pkcs8Failure::NotEncrypted)?;
    let sealed = info.encrypt_with_params(parameters, passphrase.expose()).map_err(|_| Pkcs8Failure::NotEncrypted)?;
    Ok(encode_secret("ENCRYPTED PRIVATE KEY", sealed.as_bytes()))
}

/// Whether the bytes have the form of an encrypted key: an algorithm and octets.
pub(super) fn looks_encrypted(der: &[u8]) -> bool {
    parts(der).is_some()
}

/// The `AlgorithmIdentifier` and what it was done to.
pub(super) fn parts(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let mut inside: Elements<'_> = Element::filling(der)?.tagged(SEQUENCE)?.inside();
    let (scheme, data) = (inside.expect(SEQUENCE)?, inside.expect(OCTETS)?);
    scheme.inside().expect(OBJECT)?;
    inside.is_done().then_some((scheme, data.content))
}

impl From<PbeFailure> for Pkcs8Failure {
    fn from(failure: PbeFailure) -> Self {
        match failure {
            PbeFailure::Unreadable => Self::Unreadable,
            PbeFailure::NoPassphrase => Self::NoPassphrase,
            PbeFailure::WrongPassphrase => Self::WrongPassphrase,
            PbeFailure::Unsupported(what) => Self::Unsupported(what),
            PbeFailure::TooCostly(what) => Self::TooCostly(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec::{self, BlockError};
    use crate::cert::fixture::key;
    use crate::cert::key::tests::openssl;

    fn secret(text: &str) -> Sensitive {
        text.to_owned().into()
    }

    #[test]
    fn what_is_encrypted_is_opened_here_and_by_openssl() {
        let key = key();
        let sealed = encrypt(&key, &secret("pass wörd")).unwrap();
        let contents = codec::read(sealed.expose(), Some(&secret("pass wörd"))).unwrap();
        assert_eq!(contents.keys[0].spki(), key.spki());
        assert_ne!(encrypt(&key, &secret("pass wörd")).unwrap().expose(), sealed.expose(), "another salt");

        let sealed = encrypt(&key, &secret("plain")).unwrap();
        assert_eq!(openssl("pkey -passin pass:plain -pubout -outform DER", sealed.expose()), key.spki());
    }

    #[test]
    fn openssl_keys_are_opened_or_their_cipher_is_named() {
        let key = key();
        let plain = key.to_pem();
        for words in [
            "-v2 aes-256-cbc",
            "-v2 aes-128-cbc -v2prf hmacWithSHA1 -iter 1000",
            "-v2 aes-192-cbc -v2prf hmacWithSHA512 -iter 1000",
            "-v2 des3 -iter 1000",
            "-scrypt",
            "-v1 PBE-SHA1-3DES",
            "-v1 PBE-SHA1-2DES",
            "-v1 PBE-SHA1-RC2-40",
            "-v1 PBE-SHA1-RC2-128",
            "-v1 PBE-MD5-DES",
            "-v1 PBE-SHA1-DES",
            "-v1 PBE-MD5-RC2-64",
            "-v1 PBE-SHA1-RC2-64",
        ] {
            let command = "pkcs8 -provider legacy -provider default -topk8 -passout pass:secret";
            let sealed = openssl(&format!("{command} {words}"), plain.expose());
            let read = |passphrase: Option<&str>| codec::read(&sealed, passphrase.map(secret).as_ref()).unwrap();
            assert_eq!(read(Some("secret")).keys[0].spki(), key.spki(), "{words}");
            assert_eq!(read(Some("Secret")).bad[0].why, BlockError::WrongPassphrase, "{words}");
            assert_eq!(read(Some("")).bad[0].why, BlockError::WrongPassphrase, "{words}");
            assert_eq!(read(None).bad[0].why, BlockError::EncryptedNoPassphrase, "{words}");
            assert!(read(None).bad[0].why.hint().is_some());

            let der = openssl(&format!("{command} -outform DER {words}"), plain.expose());
            let contents = codec::read(&der, Some(&secret("secret"))).unwrap();
            assert_eq!(contents.keys[0].spki(), key.spki(), "{words} in DER");
        }
        for (words, name) in
            [("-v2 camellia128", "CAMELLIA-128-CBC"), ("-v2 rc2", "RC2-CBC"), ("-v2 aes-256-ecb", "AES-256-ECB")]
        {
            let sealed = openssl(
                &format!("pkcs8 -provider legacy -provider default -topk8 -passout pass:secret {words}"),
                plain.expose(),
            );
            for passphrase in [None, Some(&secret("secret"))] {
                let contents = codec::read(&sealed, passphrase).unwrap();
                assert_eq!(contents.bad[0].why, BlockError::UnsupportedEncryption(name.to_owned()), "{words}");
            }
        }
    }

    #[test]
    fn wrong_passphrases_are_told_from_damage() {
        let sealed = openssl("pkcs8 -topk8 -outform DER -passout pass:secret -iter 1", key().to_pem().expose());
        // One wrong passphrase in 256 leaves what looks like padding.
        for attempt in 0..1_000 {
            let error = decrypt(&sealed, Some(&secret(&attempt.to_string()))).err();
            assert_eq!(error, Some(Pkcs8Failure::WrongPassphrase));
        }
        assert_eq!(decrypt(&sealed[..40], None).err(), Some(Pkcs8Failure::Unreadable));
    }

    #[test]
    fn a_file_cannot_ask_for_endless_work() {
        let sealed = openssl("pkcs8 -topk8 -outform DER -passout pass:x -iter 65536", key().to_pem().expose());
        let asked = [0x02, 0x03, 0x01, 0x00, 0x00];
        let place = sealed.windows(5).position(|window| window == asked).unwrap();
        let mut bomb = sealed.clone();
        bomb[place + 2..place + 5].copy_from_slice(&[0x7f, 0xff, 0xff]);
        assert!(decrypt(&bomb, None).is_err_and(|error| error == Pkcs8Failure::NoPassphrase), "8 million are done");

        let start = std::time::Instant::now();
        let failure = decrypt(&grown(&sealed, &[0x02, 0x04, 0x7f, 0xff, 0xff, 0xff]), Some(&secret("x"))).err();
        assert_eq!(failure, Some(Pkcs8Failure::TooCostly("2147483647 rounds of PBKDF2".to_owned())));
        assert!(start.elapsed().as_millis() < 3000);
    }

    /// The same encrypted key with another number of rounds.
    fn grown(sealed: &[u8], rounds: &[u8]) -> Vec<u8> {
        let (scheme, data) = parts(sealed).unwrap();
        let mut inside = scheme.inside();
        let oid = inside.next().unwrap().whole;
        let mut pbes2 = inside.next().unwrap().inside();
        let (kdf, cipher) = (pbes2.next().unwrap(), pbes2.next().unwrap());
        let mut kdf = kdf.inside();
        let kdf_oid = kdf.next().unwrap().whole;
        let mut parameters = kdf.next().unwrap().inside();
        let salt = parameters.next().unwrap().whole;
        parameters.next().unwrap();
        let sequence = |parts: &[&[u8]]| Element::wrap(SEQUENCE, &parts.concat());
        let kdf = sequence(&[kdf_oid, &sequence(&[salt, rounds, parameters.0])]);
        let scheme = sequence(&[oid, &sequence(&[&kdf, cipher.whole])]);
        sequence(&[&scheme, &Element::wrap(OCTETS, data)])
    }

    /// RFC 8018 lets a cipher have any parameters; a library that cuts a block out of them without looking panics.
    #[test]
    fn a_short_vector_and_a_long_salt_are_no_panic() {
        let sealed = openssl("pkcs8 -topk8 -outform DER -v2 des3 -passout pass:x -iter 1", key().to_pem().expose());
        let vector =
            sealed.windows(12).position(|at| at[..10] == *b"\x06\x08\x2a\x86\x48\x86\xf7\x0d\x03\x07").unwrap() + 10;
        assert_eq!(sealed[vector..vector + 2], [4, 8]);
        let mut short = sealed.clone();
        short[vector + 1] = 0;
        short.drain(vector + 2..vector + 10);
        // The lengths of the five sequences around it.
        let lengths: Vec<usize> = (1..vector).filter(|at| sealed[at - 1] == 0x30).collect();
        for at in lengths {
            let (place, more) = if sealed[at] == 0x81 { (at + 1, 1) } else { (at, 0) };
            if place + more < vector && place + 1 + usize::from(sealed[place]) > vector {
                short[place] -= 8;
            }
        }
        assert_eq!(decrypt(&short, Some(&secret("x"))).err(), Some(Pkcs8Failure::Unreadable));
        let long = openssl("pkcs8 -topk8 -outform DER -passout pass:x -iter 1", key().to_pem().expose());
        assert!(decrypt(&grown(&long, &[2, 1, 0]), Some(&secret("x"))).is_err(), "no rounds at all");
    }
}
