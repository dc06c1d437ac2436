//! Encryption under a passphrase: PBES2 and PBES1 (RFC 8018 sections 6.1 and 6.2) and the schemes of PKCS#12 (RFC 7292
//! appendix C).

use aws_lc_rs::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY};
use md5::{Digest as _, Md5};
use pkcs8::der::{Decode, ErrorKind};
use pkcs8::pkcs5::Error as Pkcs5Error;
use pkcs8::pkcs5::pbes2::{self, Kdf, Pbkdf2Prf};
use zeroize::{Zeroize, Zeroizing};

use super::cipher::Cipher;
use super::passphrase::{Reading, Readings};
use super::tlv::{Element, OBJECT, OCTETS, SEQUENCE, dotted};
use super::work::{LONG_DIGEST, Work, salt};

/// Something encrypted cannot be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PbeFailure {
    /// The parameters make no sense.
    Unreadable,
    /// There is no passphrase.
    NoPassphrase,
    /// The passphrase does not open it.
    WrongPassphrase,
    /// Encrypted in a way that cannot be undone here.
    Unsupported(String),
    /// More work than an honest file asks for.
    TooCostly(String),
}

/// Opens `data`, encrypted as the `AlgorithmIdentifier` `scheme` says. With no passphrase it still tells what is not supported
/// and what costs too much.
pub(super) fn open(
    scheme: Element<'_>,
    data: &[u8],
    passphrase: Option<&Reading>,
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>, PbeFailure> {
    // What is not done costs nothing.
    let mut unspent = Work::new(true);
    let work = if passphrase.is_some() { work } else { &mut unspent };
    let mut parts = scheme.tagged(SEQUENCE).ok_or(PbeFailure::Unreadable)?.inside();
    let oid = parts.expect(OBJECT).ok_or(PbeFailure::Unreadable)?;
    if oid.content == PBES2 {
        let parameters = parts.next().ok_or(PbeFailure::Unreadable)?;
        return open_pbes2(parameters, data, passphrase, work);
    }
    let known = SCHEMES
        .iter()
        .find(|(known, ..)| *known == oid.content)
        .and_then(|(_, derivation, cipher)| Some((*derivation, (*cipher)?)));
    let Some((derivation, cipher)) = known else {
        return Err(PbeFailure::Unsupported(scheme_name(&dotted(oid.content))));
    };
    let mut parameters = parts.expect(SEQUENCE).ok_or(PbeFailure::Unreadable)?.inside();
    let salt = salt(parameters.expect(OCTETS).ok_or(PbeFailure::Unreadable)?.content)?;
    let rounds =
        parameters.next().and_then(Element::number).filter(|rounds| *rounds > 0).ok_or(PbeFailure::Unreadable)?;
    let (key, vector) = match derivation {
        Derivation::Pkcs12 => {
            let (key, vector) = (cipher.key_length(), cipher.block_length());
            let blocks = key.div_ceil(20) + 1;
            work.rounds(rounds, blocks, "the key derivation of PKCS#12")?;
            let passphrase = passphrase.ok_or(PbeFailure::NoPassphrase)?.bmp();
            let derive = |id, length| pkcs12_key(&SHA1_FOR_LEGACY_USE_ONLY, &passphrase, salt, id, rounds, length);
            (derive(KEY, key), derive(VECTOR, vector))
        }
        Derivation::Md5 | Derivation::Sha1 => {
            work.rounds(rounds, 1, "PBKDF1")?;
            let passphrase = passphrase.ok_or(PbeFailure::NoPassphrase)?;
            let mut derived = pbkdf1(derivation == Derivation::Md5, &passphrase.bytes, salt, rounds);
            let vector = Zeroizing::new(derived.split_off(8));
            (derived, Zeroizing::new(vector.iter().take(8).copied().collect()))
        }
    };
    cipher.decrypt(&key, &vector, data).ok_or(PbeFailure::WrongPassphrase)
}

/// As [`open`], by whichever reading of the passphrase opens it.
pub(super) fn open_any(
    scheme: Element<'_>,
    data: &[u8],
    passphrase: &Readings,
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>, PbeFailure> {
    let Some(readings) = &passphrase.0 else { return open(scheme, data, None, work) };
    let mut outcome = Err(PbeFailure::WrongPassphrase);
    // Most take the bytes as they are, which are the same in every reading.
    for reading in readings.iter().take(if takes_characters(scheme) { readings.len() } else { 1 }) {
        outcome = open(scheme, data, Some(reading), work);
        if outcome != Err(PbeFailure::WrongPassphrase) {
            break;
        }
    }
    outcome
}

/// Whether the scheme takes a passphrase as characters, which are not the same in every reading of it.
pub(super) fn takes_characters(scheme: Element<'_>) -> bool {
    scheme.inside().expect(OBJECT).is_some_and(|oid| oid.content.starts_with(PKCS12))
}

/// How a scheme makes a key of a passphrase.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Derivation {
    /// PBKDF1 with MD5.
    Md5,
    /// PBKDF1 with SHA-1.
    Sha1,
    /// RFC 7292 appendix B with SHA-1.
    Pkcs12,
}

/// 1.2.840.113549.1.12.1, before the number of a scheme.
const PKCS12: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01";
const PBES2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";

/// Every older scheme that is opened; with no cipher, one that is only named.
static SCHEMES: &[(&[u8], Derivation, Option<Cipher>)] = &[
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x03", Derivation::Md5, Some(Cipher::Des)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x06", Derivation::Md5, Some(Cipher::Rc2 { key: 8 })),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0a", Derivation::Sha1, Some(Cipher::Des)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0b", Derivation::Sha1, Some(Cipher::Rc2 { key: 8 })),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x01", Derivation::Pkcs12, None),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x02", Derivation::Pkcs12, None),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03", Derivation::Pkcs12, Some(Cipher::TripleDes3)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x04", Derivation::Pkcs12, Some(Cipher::TripleDes2)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x05", Derivation::Pkcs12, Some(Cipher::Rc2 { key: 16 })),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x06", Derivation::Pkcs12, Some(Cipher::Rc2 { key: 5 })),
];

fn open_pbes2(
    parameters: Element<'_>,
    data: &[u8],
    passphrase: Option<&Reading>,
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>, PbeFailure> {
    check_pbes2(parameters)?;
    let parameters = pbes2::Parameters::from_der(parameters.whole).map_err(|error| {
        if let ErrorKind::OidUnknown { oid } = error.kind() {
            PbeFailure::Unsupported(scheme_name(&oid.to_string()))
        } else {
            PbeFailure::Unreadable
        }
    })?;
    match &parameters.kdf {
        Kdf::Pbkdf2(kdf) => {
            if kdf.iteration_count == 0 {
                return Err(PbeFailure::Unreadable);
            }
            // As many times as digests fill the key; one of the longer digests takes three times as long as one of the shorter.
            let (digest, weight) = match kdf.prf {
                Pbkdf2Prf::HmacWithSha224 => (28, 1),
                Pbkdf2Prf::HmacWithSha256 => (32, 1),
                Pbkdf2Prf::HmacWithSha384 => (48, LONG_DIGEST),
                Pbkdf2Prf::HmacWithSha512 => (64, LONG_DIGEST),
                Pbkdf2Prf::HmacWithSha1 | _ => (20, 1),
            };
            let key = if parameters.encryption.key_size() > 24 { 32_usize } else { 24 };
            work.rounds(kdf.iteration_count.into(), key.div_ceil(digest) * weight, "PBKDF2")?;
        }
        Kdf::Scrypt(kdf) => work.scrypt(kdf.cost_parameter, kdf.block_size.into(), kdf.parallelization.into())?,
        _ => return Err(PbeFailure::Unsupported("an unknown key derivation".to_owned())),
    }
    let passphrase = passphrase.ok_or(PbeFailure::NoPassphrase)?;
    match parameters.decrypt(&*passphrase.bytes, data) {
        Ok(opened) => Ok(Zeroizing::new(opened)),
        Err(Pkcs5Error::DecryptFailed) => Err(PbeFailure::WrongPassphrase),
        Err(Pkcs5Error::UnsupportedAlgorithm { oid }) => Err(PbeFailure::Unsupported(scheme_name(&oid.to_string()))),
        Err(_) => Err(PbeFailure::Unreadable),
    }
}

/// The ciphers of PBES2 that are opened: DES, with three keys, and AES, all of them in CBC mode.
const CHAINED: [&[u8]; 5] = [
    b"\x2b\x0e\x03\x02\x07",
    b"\x2a\x86\x48\x86\xf7\x0d\x03\x07",
    b"\x60\x86\x48\x01\x65\x03\x04\x01\x02",
    b"\x60\x86\x48\x01\x65\x03\x04\x01\x16",
    b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a",
];

/// What the library does not look at before it takes it: a DES vector shorter than a block makes it panic, and a salt longer than
/// it has room for is damage to it.
fn check_pbes2(parameters: Element<'_>) -> Result<(), PbeFailure> {
    let parts = || {
        let mut parts = parameters.tagged(SEQUENCE)?.inside();
        let (mut kdf, mut cipher) = (parts.expect(SEQUENCE)?.inside(), parts.expect(SEQUENCE)?.inside());
        kdf.expect(OBJECT)?;
        let given = kdf.expect(SEQUENCE)?.inside().next()?;
        Some((given, cipher.expect(OBJECT)?.content, cipher.next()))
    };
    let (given, cipher, vector) = parts().ok_or(PbeFailure::Unreadable)?;
    if given.tag == OCTETS && salt(given.content)?.len() > pbes2::Salt::MAX_LEN {
        return Err(PbeFailure::Unsupported(format!("a salt of {} bytes", given.content.len())));
    }
    match vector {
        Some(vector) if vector.tag == OCTETS && vector.content.len() >= 8 => Ok(()),
        Some(vector) if vector.tag == OCTETS && CHAINED.contains(&cipher) => Err(PbeFailure::Unreadable),
        // Ciphers that are known have nothing but a vector, and a cipher without one is none of them.
        Some(_) | None => Err(PbeFailure::Unsupported(scheme_name(&dotted(cipher)))),
    }
}

/// What a key of RFC 7292 appendix B.3 is for.
pub(super) const KEY: u8 = 1;
/// See [`KEY`].
pub(super) const VECTOR: u8 = 2;
/// See [`KEY`].
pub(super) const MAC: u8 = 3;

/// The key derivation of PKCS#12 (RFC 7292 appendix B.2). Its work must have been paid for.
pub(super) fn pkcs12_key(
    hash: &'static Algorithm,
    passphrase: &[u8],
    salt: &[u8],
    id: u8,
    rounds: u64,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let block = hash.block_len();
    let filled = |text: &[u8]| text.len().div_ceil(block) * block;
    let mut input = Zeroizing::new(Vec::with_capacity(block + filled(salt) + filled(passphrase)));
    input.resize(block, id);
    input.extend(salt.iter().cycle().take(filled(salt)));
    input.extend(passphrase.iter().cycle().take(filled(passphrase)));
    let mut key = Zeroizing::new(Vec::with_capacity(length + hash.output_len()));
    loop {
        let mut sum = digest::digest(hash, &input);
        for _ in 1..rounds {
            sum = digest::digest(hash, sum.as_ref());
        }
        key.extend_from_slice(sum.as_ref());
        if key.len() >= length {
            key.truncate(length);
            return key;
        }
        let addend: Zeroizing<Vec<u8>> = Zeroizing::new(sum.as_ref().iter().copied().cycle().take(block).collect());
        for piece in input.chunks_exact_mut(block).skip(1) {
            let mut carry = 1_u16;
            for (byte, add) in piece.iter_mut().zip(addend.iter()).rev() {
                let total = u16::from(*byte) + u16::from(*add) + carry;
                let [high, low] = total.to_be_bytes();
                (*byte, carry) = (low, high.into());
            }
        }
    }
}

/// At least 16 bytes (RFC 8018 section 5.1).
fn pbkdf1(md5: bool, passphrase: &[u8], salt: &[u8], rounds: u64) -> Zeroizing<Vec<u8>> {
    let mut sum = Zeroizing::new([passphrase, salt].concat());
    for _ in 0..rounds {
        let next = if md5 {
            Md5::digest(&*sum).to_vec()
        } else {
            digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &sum).as_ref().to_vec()
        };
        sum = Zeroizing::new(next);
    }
    sum
}

/// The key derivation of OpenSSL's own format, `EVP_BytesToKey` with MD5 and one round.
pub(super) fn bytes_to_key(passphrase: &[u8], salt: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
    let mut last = Zeroizing::new(Vec::new());
    while key.len() < length {
        let mut text = Zeroizing::new([&*last, passphrase, salt].concat());
        last = Zeroizing::new(Md5::digest(&*text).to_vec());
        text.zeroize();
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    key
}

/// The names OpenSSL gives to the schemes and ciphers found in old files; the object identifier of any other.
fn scheme_name(oid: &str) -> String {
    let name = match oid {
        "1.2.840.113549.1.5.1" => "PBE-MD2-DES",
        "1.2.840.113549.1.5.4" => "PBE-MD2-RC2-64",
        "1.2.840.113549.1.12.1.1" => "PBE-SHA1-RC4-128",
        "1.2.840.113549.1.12.1.2" => "PBE-SHA1-RC4-40",
        "1.2.840.113549.3.2" => "RC2-CBC",
        "1.2.840.113549.3.4" => "RC4",
        "2.16.840.1.101.3.4.1.1" => "AES-128-ECB",
        "2.16.840.1.101.3.4.1.21" => "AES-192-ECB",
        "2.16.840.1.101.3.4.1.41" => "AES-256-ECB",
        "1.2.392.200011.61.1.1.1.2" => "CAMELLIA-128-CBC",
        "1.2.392.200011.61.1.1.1.3" => "CAMELLIA-192-CBC",
        "1.2.392.200011.61.1.1.1.4" => "CAMELLIA-256-CBC",
        _ => return format!("the algorithm {oid}"),
    };
    name.to_owned()
}
