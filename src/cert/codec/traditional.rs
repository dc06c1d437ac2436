//! Private keys in OpenSSL's own encrypted format: PEM with `Proc-Type: 4,ENCRYPTED` (RFC 1421 section 4.6.1.1) and a
//! `DEK-Info` header that names the cipher.

use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::passphrase::Readings;
use super::pbe::{PbeFailure, bytes_to_key};

/// Opens the body of a block whose `DEK-Info` header has this value.
pub(super) fn open(dek_info: &str, data: &[u8], passphrase: &Readings) -> Result<Zeroizing<Vec<u8>>, PbeFailure> {
    let (name, vector) = dek_info.split_once(',').ok_or(PbeFailure::Unreadable)?;
    let name = name.trim();
    let cipher = match name.to_ascii_uppercase().as_str() {
        "AES-128-CBC" => Cipher::Aes128,
        "AES-192-CBC" => Cipher::Aes192,
        "AES-256-CBC" => Cipher::Aes256,
        "DES-CBC" => Cipher::Des,
        "DES-EDE3-CBC" => Cipher::TripleDes3,
        "RC2-CBC" => Cipher::Rc2 { key: 16 },
        "RC2-64-CBC" => Cipher::Rc2 { key: 8 },
        "RC2-40-CBC" => Cipher::Rc2 { key: 5 },
        _ => return Err(PbeFailure::Unsupported(name.chars().take(40).collect())),
    };
    let vector = hexadecimal(vector.trim()).filter(|vector| vector.len() == cipher.block_length());
    let vector = vector.ok_or(PbeFailure::Unreadable)?;
    if data.is_empty() || !data.len().is_multiple_of(cipher.block_length()) {
        return Err(PbeFailure::Unreadable);
    }
    let readings = passphrase.0.as_ref().ok_or(PbeFailure::NoPassphrase)?;
    let salt = vector.get(..8).ok_or(PbeFailure::Unreadable)?;
    let opened = readings.first().and_then(|reading| {
        let key = bytes_to_key(&reading.bytes, salt, cipher.key_length());
        cipher.decrypt(&key, &vector, data)
    });
    opened.ok_or(PbeFailure::WrongPassphrase)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let digits = digits?;
    let (pairs, odd) = digits.as_chunks::<2>();
    odd.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
