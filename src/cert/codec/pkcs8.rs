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
        return Err(Pkcs8Failure::Unsupported(scheme_name(scheme)));
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
            Err(Pkcs8Failure::Unsupported(scheme_name(oid.to_string())))
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
        return Pkcs8Failure::Unsupported(scheme_name(oid.to_string()));
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
fn scheme_name(oid: String) -> String {
    let name = match oid.as_str() {
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
