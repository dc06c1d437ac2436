//! Private keys under a passphrase: EncryptedPrivateKeyInfo (RFC 5958 section 3) with PBES2 (RFC 8018 section 6.2).

use pkcs8::der::ErrorKind;
use pkcs8::pkcs5::pbes2::{self, Kdf};
use pkcs8::pkcs5::{EncryptionScheme, Error as Pkcs5Error};
use pkcs8::{EncryptedPrivateKeyInfoRef, Error as Pkcs8Error, PrivateKeyInfoRef};
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::x509::AlgorithmIdentifier;

use super::pem::encode_secret;
use crate::cert::key::{KeyError, PrivateKey};
use crate::sensitive::Sensitive;

/// Rounds of PBKDF2 that are still run; a file that asks for more asks for minutes.
pub const MAX_ROUNDS: u32 = 10_000_000;

/// Bytes of memory that scrypt may fill in all: N times r times p times 128.
pub const MAX_SCRYPT: u64 = 256 << 20;

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
    let scheme = scheme(der).ok_or(Pkcs8Failure::Unreadable)?;
    if scheme != PBES2 {
        return Err(Pkcs8Failure::Unsupported(scheme_name(&scheme)));
    }
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(unreadable)?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(Pkcs8Failure::Unreadable);
    };
    affordable(&parameters.kdf)?;
    let passphrase = passphrase.ok_or(Pkcs8Failure::NoPassphrase)?;
    match info.decrypt(passphrase.expose()) {
        Ok(opened) => Ok(PrivateKey::from_der(opened.as_bytes())?),
        // A wrong passphrase leaves no padding or, once in 256 times, padding and noise.
        Err(Pkcs8Error::EncryptedPrivateKey(Pkcs5Error::DecryptFailed) | Pkcs8Error::Asn1(_)) => {
            Err(Pkcs8Failure::WrongPassphrase)
        }
        Err(Pkcs8Error::EncryptedPrivateKey(Pkcs5Error::UnsupportedAlgorithm { oid })) => {
            Err(Pkcs8Failure::Unsupported(scheme_name(&oid.to_string())))
        }
        Err(_) => Err(Pkcs8Failure::Unreadable),
    }
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
    scheme(der).is_some()
}

fn unreadable(error: Pkcs8Error) -> Pkcs8Failure {
    if let Pkcs8Error::Asn1(error) = error
        && let ErrorKind::OidUnknown { oid } = error.kind()
    {
        return Pkcs8Failure::Unsupported(scheme_name(&oid.to_string()));
    }
    Pkcs8Failure::Unreadable
}

const PBES2: &str = "1.2.840.113549.1.5.13";

fn scheme(der: &[u8]) -> Option<String> {
    let (trailing, outer) = Any::from_der(der).ok()?;
    let (rest, algorithm) = AlgorithmIdentifier::from_der(outer.data).ok()?;
    let (_, octets) = Any::from_der(rest).ok()?;
    let whole = trailing.is_empty() && outer.tag() == Tag::Sequence && octets.tag() == Tag::OctetString;
    whole.then(|| algorithm.algorithm.to_id_string())
}

fn affordable(kdf: &Kdf) -> Result<(), Pkcs8Failure> {
    match kdf {
        Kdf::Pbkdf2(parameters) if parameters.iteration_count > MAX_ROUNDS => {
            Err(Pkcs8Failure::TooCostly(format!("{} rounds of PBKDF2", parameters.iteration_count)))
        }
        Kdf::Pbkdf2(_) => Ok(()),
        Kdf::Scrypt(parameters) => {
            let (n, r, p) =
                (parameters.cost_parameter, parameters.block_size.into(), parameters.parallelization.into());
            if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
                return Err(Pkcs8Failure::Unreadable);
            }
            let bytes = [n, r, p].into_iter().try_fold(128_u64, u64::checked_mul);
            match bytes {
                Some(bytes) if bytes <= MAX_SCRYPT => Ok(()),
                Some(_) | None => Err(Pkcs8Failure::TooCostly(format!("scrypt at N={n}, r={r}, p={p}"))),
            }
        }
        _ => Err(Pkcs8Failure::Unsupported("an unknown key derivation".to_owned())),
    }
}

/// The names OpenSSL gives to the schemes found in old files; the object identifier of any other.
fn scheme_name(oid: &str) -> String {
    let name = match oid {
        "1.2.840.113549.1.5.1" => "PBE-MD2-DES",
        "1.2.840.113549.1.5.3" => "PBE-MD5-DES",
        "1.2.840.113549.1.5.4" => "PBE-MD2-RC2-64",
        "1.2.840.113549.1.5.6" => "PBE-MD5-RC2-64",
        "1.2.840.113549.1.5.10" => "PBE-SHA1-DES",
        "1.2.840.113549.1.5.11" => "PBE-SHA1-RC2-64",
        "1.2.840.113549.1.12.1.1" => "PBE-SHA1-RC4-128",
        "1.2.840.113549.1.12.1.2" => "PBE-SHA1-RC4-40",
        "1.2.840.113549.1.12.1.3" => "PBE-SHA1-3DES",
        "1.2.840.113549.1.12.1.4" => "PBE-SHA1-2DES",
        "1.2.840.113549.1.12.1.5" => "PBE-SHA1-RC2-128",
        "1.2.840.113549.1.12.1.6" => "PBE-SHA1-RC2-40",
        "1.2.840.113549.3.2" => "RC2-CBC",
        _ => return format!("the algorithm {oid}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec::pem::{self, BlockError};
    use crate::cert::fixture::key;
    use crate::cert::key::tests::openssl;

    fn secret(text: &str) -> Sensitive {
        text.to_owned().into()
    }

    #[test]
    fn what_is_encrypted_is_opened_here_and_by_openssl() {
        let key = key();
        let sealed = encrypt(&key, &secret("pass wörd")).unwrap();
        let contents = pem::read(sealed.expose(), Some(&secret("pass wörd"))).unwrap();
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
        ] {
            let sealed = openssl(&format!("pkcs8 -topk8 -passout pass:secret {words}"), plain.expose());
            let read = |passphrase: Option<&str>| pem::read(&sealed, passphrase.map(secret).as_ref()).unwrap();
            assert_eq!(read(Some("secret")).keys[0].spki(), key.spki(), "{words}");
            assert_eq!(read(Some("Secret")).bad[0].why, BlockError::WrongPassphrase, "{words}");
            assert_eq!(read(Some("")).bad[0].why, BlockError::WrongPassphrase, "{words}");
            assert_eq!(read(None).bad[0].why, BlockError::EncryptedNoPassphrase, "{words}");
            assert!(read(None).bad[0].why.hint().is_some());

            let der = openssl(&format!("pkcs8 -topk8 -outform DER -passout pass:secret {words}"), plain.expose());
            let contents = pem::read(&der, Some(&secret("secret"))).unwrap();
            assert_eq!(contents.keys[0].spki(), key.spki(), "{words} in DER");
        }
        for (words, name) in
            [("-v1 PBE-SHA1-3DES", "PBE-SHA1-3DES"), ("-v2 camellia128", "the algorithm 1.2.392.200011.61.1.1.1.2")]
        {
            let sealed = openssl(&format!("pkcs8 -topk8 -passout pass:secret {words}"), plain.expose());
            for passphrase in [None, Some(&secret("secret"))] {
                let contents = pem::read(&sealed, passphrase).unwrap();
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

        let rounds = |count| {
            let kdf = pbes2::Pbkdf2Params::hmac_sha256(count, b"salt").unwrap();
            affordable(&kdf.into())
        };
        assert_eq!(rounds(MAX_ROUNDS), Ok(()));
        assert!(matches!(rounds(MAX_ROUNDS + 1), Err(Pkcs8Failure::TooCostly(_))));
        let scrypt = |n, r, p| {
            let usual = pkcs8::pkcs5::scrypt::Params::new(14, 8, 1).unwrap();
            let mut kdf = pbes2::ScryptParams::from_params_and_salt(usual, b"salt").unwrap();
            (kdf.cost_parameter, kdf.block_size, kdf.parallelization) = (n, r, p);
            affordable(&kdf.into())
        };
        assert_eq!(scrypt(1 << 14, 8, 1), Ok(()));
        assert_eq!(scrypt(1 << 18, 8, 1), Ok(()));
        for (n, r, p) in [(1 << 19, 8, 1), (1 << 14, 8, 1000), (1 << 63, u16::MAX, u16::MAX)] {
            assert!(matches!(scrypt(n, r, p), Err(Pkcs8Failure::TooCostly(_))), "N={n}, r={r}, p={p}");
        }
        for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (1 << 14, 0, 1), (1 << 14, 8, 0)] {
            assert_eq!(scrypt(n, r, p), Err(Pkcs8Failure::Unreadable), "N={n}, r={r}, p={p}");
        }
    }
}
