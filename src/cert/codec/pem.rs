//! Textual encoding (RFC 7468), as it is found rather than as it is specified.
//!
//! Finding the blocks is ours, because one bad block must not hide the others; decoding one block is left to libraries.

use std::collections::BTreeMap;
use std::fmt;

use pkcs8::LineEnding;
use zeroize::Zeroizing;

use super::block::{Block, Blocks};
use super::pkcs8::{Pkcs8Failure, decrypt, looks_encrypted};
use crate::cert::algorithm::KeyKind;
use crate::cert::certificate::{Certificate, CertificateError};
use crate::cert::key::{KeyError, PrivateKey};
use crate::sensitive::Sensitive;

/// Bytes of input that are read.
pub const MAX_INPUT: usize = 16 << 20;

/// Blocks of one input that are read.
pub const MAX_BLOCKS: usize = 1_000;

/// What an input holds, in its order.
#[derive(Default)]
pub struct Contents {
    /// Certificates.
    pub certificates: Vec<Certificate>,
    /// Private keys, decrypted.
    pub keys: Vec<PrivateKey>,
    /// Blocks that are neither, by label: requests, revocation lists, parameters.
    pub ignored: BTreeMap<String, usize>,
    /// Blocks that should be one of these and cannot be read.
    pub bad: Vec<BadBlock>,
    /// Blocks that were read although OpenSSL, and so most servers, refuse a file with them: a blank line inside.
    pub broken: Vec<Place>,
}

/// One block that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub struct BadBlock {
    /// Where it is.
    pub place: Place,
    /// Why it cannot be read.
    #[source]
    pub why: BlockError,
}

/// Where in an input something is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// The block that begins on this line, counted from 1.
    Line {
        /// The line.
        line: usize,
        /// The label of the block.
        label: String,
    },
    /// The whole input, which is not PEM.
    Der,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line, label } => write!(out, "line {line}, {}", label.escape_debug()),
            Self::Der => out.write_str("DER"),
        }
    }
}

/// Why a block cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlockError {
    /// No END line with the same label follows.
    #[error("the block has no end")]
    Unterminated,
    /// Not base64.
    #[error("the text between BEGIN and END is not base64: {0}")]
    NotBase64(String),
    /// Not a certificate.
    #[error("{0}")]
    Certificate(CertificateError),
    /// Not a private key.
    #[error("{0}")]
    Key(KeyError),
    /// The key is encrypted, and there is no passphrase.
    #[error("the private key is encrypted and no passphrase was given")]
    EncryptedNoPassphrase,
    /// The passphrase does not open the key.
    #[error("the passphrase does not open the private key")]
    WrongPassphrase,
    /// A way of encrypting that is not supported.
    #[error("the private key is encrypted with {0}, which is not supported")]
    UnsupportedEncryption(String),
    /// Encrypted at a cost no honest file asks for.
    #[error("the private key is encrypted with {0}, which is more than is done for a file")]
    TooCostly(String),
    /// Anything else about an encrypted key.
    #[error("the encrypted private key cannot be read")]
    UnreadableEncrypted,
}

impl BlockError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::EncryptedNoPassphrase => Some("give the passphrase of the key"),
            Self::WrongPassphrase => Some("give the passphrase the key was encrypted with"),
            Self::UnsupportedEncryption(_) | Self::TooCostly(_) => Some(
                "encrypt it anew: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`, or `openssl pkey -in OLD -out NEW` \
                 for a key without passphrase",
            ),
            Self::Unterminated | Self::NotBase64(_) | Self::Certificate(_) | Self::UnreadableEncrypted => {
                Some("the file is damaged or was cut off: fetch it again")
            }
            Self::Key(_) => None,
        }
    }
}

/// An input cannot be read at all.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InputError {
    /// Larger than [`MAX_INPUT`].
    #[error("the input has {0} bytes, more than the {MAX_INPUT} that are read")]
    TooLarge(usize),
    /// More blocks than [`MAX_BLOCKS`].
    #[error("the input has more than the {MAX_BLOCKS} blocks that are read")]
    TooManyBlocks,
    /// Nothing but white space.
    #[error("the input is empty")]
    Empty,
    /// Neither PEM nor DER of a certificate or key.
    #[error("the input is neither PEM nor the DER of a certificate or private key")]
    Unknown,
}

/// Reads PEM with any number of blocks in any order, or the DER of one certificate or key. Certificates and keys among the
/// blocks that can be read are read even where others cannot.
///
/// Taken as they are found: a byte order mark, UTF-16, any line ends, indentation, text between blocks, blank lines and header
/// lines inside them, blocks without a line end between them.
///
/// # Errors
/// Nothing in the input can be read, or it is too large.
pub fn read(input: &[u8], passphrase: Option<&Sensitive>) -> Result<Contents, InputError> {
    if input.len() > MAX_INPUT {
        return Err(InputError::TooLarge(input.len()));
    }
    let decoded;
    let input = match input {
        [0xef, 0xbb, 0xbf, rest @ ..] => rest,
        [0xff, 0xfe, rest @ ..] => {
            decoded = utf16(rest, u16::from_le_bytes);
            decoded.as_bytes()
        }
        [0xfe, 0xff, rest @ ..] => {
            decoded = utf16(rest, u16::from_be_bytes);
            decoded.as_bytes()
        }
        _ => input,
    };
    if input.trim_ascii().is_empty() {
        return Err(InputError::Empty);
    }
    // DER first: it may hold any bytes, a BEGIN line among them.
    if let Some(contents) = read_der(input, passphrase) {
        return Ok(contents);
    }
    let mut contents = Contents::default();
    let mut count = 0;
    for block in Blocks::new(input) {
        count += 1;
        if count > MAX_BLOCKS {
            return Err(InputError::TooManyBlocks);
        }
        let place = || Place::Line { line: block.line, label: block.label.to_owned() };
        match contents.take(&block, passphrase) {
            Ok(()) if block.has_blank_line() => contents.broken.push(place()),
            Ok(()) => {}
            Err(why) => contents.bad.push(BadBlock { place: place(), why }),
        }
    }
    if count == 0 { Err(InputError::Unknown) } else { Ok(contents) }
}

/// One block with lines of 64 characters ended by LF.
#[must_use]
pub fn encode(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}

/// As [`encode`], leaving no copies of the secret behind.
#[must_use]
pub fn encode_secret(label: &str, der: &[u8]) -> Sensitive {
    match pkcs8::der::pem::encode_string(label, LineEnding::LF, der) {
        Ok(text) => text.into(),
        // Only beyond 256 MiB, where there is no secret.
        Err(_) => encode(label, der).into(),
    }
}

impl Contents {
    fn take(&mut self, block: &Block<'_>, passphrase: Option<&Sensitive>) -> Result<(), BlockError> {
        match block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" => {
                self.certificates.push(Certificate::from_der(block.decode()?).map_err(BlockError::Certificate)?);
            }
            "TRUSTED CERTIFICATE" => {
                // OpenSSL appends what it trusts the certificate for.
                let der = block.decode()?;
                let certificate = first_element(&der).unwrap_or(&der);
                self.certificates.push(Certificate::from_der(certificate).map_err(BlockError::Certificate)?);
            }
            "ENCRYPTED PRIVATE KEY" => {
                let der = block.decode_secret()?;
                self.keys.push(decrypt(&der, passphrase).map_err(BlockError::from)?);
            }
            label if label.ends_with("PRIVATE KEY") => {
                if let Some(kind @ ("DSA" | "SM2" | "OPENSSH")) = label.strip_suffix(" PRIVATE KEY") {
                    return Err(BlockError::Key(KeyError::Unsupported(KeyKind::Other(kind.to_owned()))));
                }
                if block.is_encrypted() {
                    let how = "the traditional format of OpenSSL (Proc-Type: 4,ENCRYPTED)".to_owned();
                    return Err(BlockError::UnsupportedEncryption(how));
                }
                let der = block.decode_secret()?;
                self.keys.push(PrivateKey::from_der(&der).map_err(BlockError::Key)?);
            }
            label => {
                if block.body.is_none() {
                    return Err(BlockError::Unterminated);
                }
                *self.ignored.entry(label.to_owned()).or_default() += 1;
            }
        }
        Ok(())
    }
}

impl From<Pkcs8Failure> for BlockError {
    fn from(failure: Pkcs8Failure) -> Self {
        match failure {
            Pkcs8Failure::NoPassphrase => Self::EncryptedNoPassphrase,
            Pkcs8Failure::WrongPassphrase => Self::WrongPassphrase,
            Pkcs8Failure::Unsupported(what) => Self::UnsupportedEncryption(what),
            Pkcs8Failure::TooCostly(what) => Self::TooCostly(what),
            Pkcs8Failure::Key(error) => Self::Key(error),
            Pkcs8Failure::Unreadable | Pkcs8Failure::NotEncrypted => Self::UnreadableEncrypted,
        }
    }
}

/// The input as DER of one certificate or key; `None` where it is neither.
fn read_der(input: &[u8], passphrase: Option<&Sensitive>) -> Option<Contents> {
    if input.first() != Some(&0x30) || first_element(input)?.len() != input.len() {
        return None;
    }
    let mut contents = Contents::default();
    if let Ok(certificate) = Certificate::from_der(input) {
        contents.certificates.push(certificate);
        return Some(contents);
    }
    let key = match PrivateKey::from_der(input) {
        Err(KeyError::Unreadable) if looks_encrypted(input) => decrypt(input, passphrase).map_err(BlockError::from),
        Err(KeyError::Unreadable) => return None,
        key => key.map_err(BlockError::Key),
    };
    match key {
        Ok(key) => contents.keys.push(key),
        Err(why) => contents.bad.push(BadBlock { place: Place::Der, why }),
    }
    Some(contents)
}

/// The first DER element of `der`, header and all.
fn first_element(der: &[u8]) -> Option<&[u8]> {
    use x509_parser::asn1_rs::{Any, FromDer};
    let (rest, _) = Any::from_der(der).ok()?;
    der.get(..der.len() - rest.len())
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Zeroizing<String> {
    // Three bytes at most for each unit, so that the text never moves and leaves a copy.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() / 2 * 3 + 3));
    let units = bytes.as_chunks().0.iter().map(|pair| unit(*pair));
    text.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cert::fixture::{Wish, key, self_signed};
    use crate::cert::key::tests::openssl;

    fn certificate() -> Certificate {
        self_signed(&Wish::ca("Root")).certificate
    }

    #[test]
    fn certificates_are_read_as_they_are_found() {
        let one = certificate();
        let pem = one.to_pem();
        let utf16 = |unit: fn(u16) -> [u8; 2]| pem.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        let labelled = |label: &str| pem.replace(" CERTIFICATE-", &format!(" {label}-"));
        let trusted = encode("TRUSTED CERTIFICATE", &[one.der(), b"\x30\x02\x30\x00"].concat());
        for (what, text) in [
            ("as written", pem.clone().into_bytes()),
            ("CR LF", pem.replace('\n', "\r\n").into_bytes()),
            ("CR", pem.replace('\n', "\r").into_bytes()),
            ("byte order mark", format!("\u{feff}{pem}").into_bytes()),
            ("UTF-16LE", [b"\xff\xfe".to_vec(), utf16(u16::to_le_bytes)].concat()),
            ("UTF-16BE", [b"\xfe\xff".to_vec(), utf16(u16::to_be_bytes)].concat()),
            ("indented", format!("  {}", pem.replace('\n', "\n\t  ")).into_bytes()),
            ("no line ends", pem.replace('\n', "").into_bytes()),
            ("spaces for line ends", pem.replace('\n', " ").into_bytes()),
            ("no last line end", pem.trim_end().as_bytes().to_vec()),
            ("text around", format!("subject=CN = Root\n\n{pem}that was -----BEGIN X-----\n").into_bytes()),
            ("old label", labelled("X509 CERTIFICATE").into_bytes()),
            ("OpenSSL's trust", trusted.into_bytes()),
            ("headers", pem.replacen("E-----\n", "E-----\nComment: x\nMore: y\n\n", 1).into_bytes()),
            ("headers without a blank line", pem.replacen("E-----\n", "E-----\nComment: x\n", 1).into_bytes()),
            ("not UTF-8 around", [b"\xff\xfd junk\n", pem.as_bytes()].concat()),
            ("DER", one.der().to_vec()),
        ] {
            let contents = read(&text, None).unwrap();
            assert_eq!(contents.certificates, std::slice::from_ref(&one), "{what}");
            assert_eq!(contents.bad, [], "{what}");
            assert_eq!(contents.broken, [], "{what}");
        }
    }

    #[test]
    fn a_blank_line_inside_is_read_and_told() {
        let one = certificate();
        let lines: Vec<String> = one.to_pem().lines().map(str::to_owned).collect();
        let text = format!("\n{}\n\n{}\n", lines[..3].join("\n"), lines[3..].join("\n"));
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            let contents = read(text.as_bytes(), None).unwrap();
            assert_eq!(contents.certificates, std::slice::from_ref(&one));
            assert_eq!(contents.broken, [Place::Line { line: 2, label: "CERTIFICATE".to_owned() }]);
        }
    }

    #[test]
    fn glued_and_mixed_blocks_are_all_read() {
        let (one, two) = (certificate(), certificate());
        let glued = format!("{}{}{}", one.to_pem().trim_end(), two.to_pem().trim_end(), one.to_pem());
        assert_eq!(read(glued.as_bytes(), None).unwrap().certificates, [one.clone(), two, one.clone()]);

        let key = key();
        let private = key.to_pem();
        let parameters = encode("EC PARAMETERS", b"\x06\x00");
        let mixed = [parameters.as_bytes(), private.expose(), one.to_pem().as_bytes(), parameters.as_bytes()].concat();
        let contents = read(&mixed, None).unwrap();
        assert_eq!(contents.certificates, [one]);
        assert_eq!(contents.keys[0].spki(), key.spki());
        assert_eq!(contents.ignored, BTreeMap::from([("EC PARAMETERS".to_owned(), 2)]));
    }

    #[test]
    fn a_bad_block_hides_no_other() {
        let (one, two) = (certificate(), certificate());
        let damaged = one.to_pem().replacen('M', "*", 1);
        let cut = &one.to_pem()[..200];
        let short = encode("CERTIFICATE", &one.der()[..100]);
        let swapped = one.to_pem().replace("END CERTIFICATE", "END X509 CRL");
        for (bad, what) in [
            (damaged.as_str(), "the text between BEGIN and END is not base64: it has the byte '*'"),
            (cut, "the block has no end"),
            (&swapped, "the block has no end"),
            (&short, "the bytes cannot be read as an X.509 certificate"),
        ] {
            let text = format!("{}{bad}\n{}", two.to_pem(), one.to_pem());
            let contents = read(text.as_bytes(), None).unwrap();
            assert_eq!(contents.certificates, [two.clone(), one.clone()], "{what}");
            let [found] = contents.bad.as_slice() else { panic!("{what}: {:?}", contents.bad) };
            let line = two.to_pem().lines().count() + 1;
            assert!(found.to_string().starts_with(&format!("line {line}, CERTIFICATE: {what}")), "{found}");
            assert!(found.why.hint().is_some());
        }
    }

    #[test]
    fn keys_are_read_in_every_form() {
        for (words, label) in [
            ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "PRIVATE KEY"),
            ("genrsa -traditional 2048", "RSA PRIVATE KEY"),
            ("ecparam -genkey -name prime256v1", "EC PRIVATE KEY"),
            ("ecparam -genkey -noout -name secp384r1 -conv_form compressed", "EC PRIVATE KEY"),
        ] {
            let text = openssl(words, b"");
            assert!(String::from_utf8_lossy(&text).contains(&format!("-----BEGIN {label}-----")), "{words}");
            let contents = read(&text, None).unwrap();
            let form = if label.starts_with("EC") { " -ec_conv_form uncompressed" } else { "" };
            let public = openssl(&format!("pkey -pubout -outform DER{form}"), &text);
            assert_eq!(contents.keys[0].spki(), public, "{words}");
            assert_eq!(contents.bad, []);
            let der = openssl("pkey -outform DER", &text);
            assert_eq!(read(&der, None).unwrap().keys[0].spki(), public, "{words} in DER");
        }
        let old = openssl("genrsa -traditional -aes128 -passout pass:secret 2048", b"");
        let contents = read(&old, Some(&"secret".to_owned().into())).unwrap();
        assert!(matches!(contents.bad[0].why, BlockError::UnsupportedEncryption(_)), "{:?}", contents.bad);
        assert!(contents.bad[0].why.hint().unwrap().contains("openssl pkcs8 -topk8"));
        let dsa = encode("DSA PRIVATE KEY", b"\x30\x06\x02\x01\x00\x02\x01\x01");
        assert!(matches!(read(dsa.as_bytes(), None).unwrap().bad[0].why, BlockError::Key(_)));
    }

    #[test]
    fn what_cannot_be_read_at_all_is_told() {
        assert_eq!(read(b"", None).err(), Some(InputError::Empty));
        assert_eq!(read(b"\xef\xbb\xbf \r\n", None).err(), Some(InputError::Empty));
        assert_eq!(read(b"hello", None).err(), Some(InputError::Unknown));
        assert_eq!(read(b"0hello", None).err(), Some(InputError::Unknown));
        assert_eq!(read(b"# -----BEGIN CERTIFICATE-----", None).err(), Some(InputError::Unknown));
        assert_eq!(read(&vec![b' '; MAX_INPUT + 1], None).err(), Some(InputError::TooLarge(MAX_INPUT + 1)));
        assert_eq!(read(b"\x30\x03\x02\x01\x00", None).err(), Some(InputError::Unknown));
        assert_eq!(read(&[certificate().der(), b"\0"].concat(), None).err(), Some(InputError::Unknown));
        let other = openssl("pkcs8 -topk8 -nocrypt -outform DER", &openssl("genpkey -algorithm ED448", b""));
        assert_eq!(read(&other, None).unwrap().bad[0].place, Place::Der);
    }

    #[test]
    fn many_blocks_end_soon() {
        let block = "-----BEGIN X-----\n-----END X-----\n";
        assert_eq!(read(block.repeat(MAX_BLOCKS).as_bytes(), None).unwrap().ignored["X"], MAX_BLOCKS);
        for bomb in [
            block.repeat(400_000),
            "-----BEGIN X-----\n".repeat(800_000),
            "-----BEGIN X-----".repeat(900_000),
            "x-----BEGIN X-----".repeat(800_000),
            "-----BEGIN ".repeat(1_500_000),
            "-".repeat(MAX_INPUT),
        ] {
            let start = std::time::Instant::now();
            assert!(read(bomb.as_bytes(), None).is_err());
            assert!(start.elapsed().as_secs() < 20, "not linear in {} bytes", bomb.len());
        }
    }

    #[test]
    fn a_secret_is_written_as_everything_else_is() {
        let der = key().pkcs8_der().expose().to_vec();
        assert_eq!(encode_secret("PRIVATE KEY", &der).expose(), encode("PRIVATE KEY", &der).as_bytes());
        for length in [1, 47, 48, 49, 96] {
            let bytes = vec![7; length];
            assert_eq!(encode_secret("X", &bytes).expose(), encode("X", &bytes).as_bytes(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, None);
        }

        #[test]
        fn no_text_of_markers_makes_it_panic(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("-----BEGIN CERTIFICATE-----"), Just("-----END CERTIFICATE-----"), Just("-----BEGIN "),
                    Just("-----END "), Just("-----"), Just("\n"), Just("\r"), Just("PRIVATE KEY"), Just("MAA="), Just("a: b"),
                    Just(" "), Just("é"),
                ],
                0..40,
            )
        ) {
            let _ = read(parts.concat().as_bytes(), None);
        }

        #[test]
        fn what_is_written_is_found(der in proptest::collection::vec(any::<u8>(), 1..200), label in "[A-Z0-9]{1,9}( [A-Z]{1,9})?") {
            let text = encode(&label, &der);
            let block = Blocks::new(text.as_bytes()).next().unwrap();
            prop_assert_eq!(block.label, label);
            prop_assert_eq!(block.decode().unwrap(), der.clone());
            prop_assert_eq!(&*block.decode_secret().unwrap(), &der);
        }
    }
}
