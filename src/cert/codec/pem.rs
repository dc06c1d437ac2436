//! Textual encoding (RFC 7468), as it is found rather than as it is specified.
//!
//! Finding the blocks is ours, because one bad block must not hide the others; decoding one block is left to libraries.

use pkcs8::LineEnding;
use zeroize::Zeroizing;

use super::block::{Block, Blocks};
use super::contents::{Contents, Format, MAX_ENTRIES, Reserved};
use super::error::{BlockError, InputError, Place, Stop, Stopped};
use super::passphrase::Readings;
use super::tlv::Elements;
use super::work::Work;
use super::{auxiliary, form, pkcs7, pkcs8 as encrypted, traditional};
use crate::cert::algorithm::KeyKind;
use crate::cert::certificate::Certificate;
use crate::cert::key::{KeyError, Look, PrivateKey, StatedKey};
use crate::cert::recent::Recent;
use crate::sensitive::Sensitive;

/// Reads PEM with any number of blocks.
pub(super) fn read_text(
    input: &[u8],
    passphrase: Option<&Sensitive>,
    recent: Option<&mut Recent>,
    keys: Look,
) -> Result<Contents, InputError> {
    let decoded;
    let wide = matches!(input, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
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
    let mut reading = Reading {
        contents: Contents::new(Format::Pem),
        passphrase: Readings::of(passphrase),
        work: Work::new(true),
        recent,
        keys,
    };
    let mut count = 0;
    for block in Blocks::new(input) {
        count += 1;
        if count > MAX_ENTRIES || reading.contents.certificates.len() > MAX_ENTRIES {
            return Err(InputError::TooManyBlocks);
        }
        let place = || Place::Line { line: block.line, label: block.label.to_owned() };
        match reading.take(&block) {
            Ok(Taken::Left) => {}
            Ok(Taken::Read(form)) => {
                let stop = if wide { Some(Stop::Wide) } else { block.stop().or(form) };
                reading.contents.broken.extend(stop.map(|why| Stopped { place: place(), why }));
            }
            Err(why) => reading.contents.refuse(place(), why),
        }
    }
    if count == 0 { Err(InputError::Unknown) } else { Ok(reading.contents) }
}

/// The DER of the one certificate request that an input holds, in text or as it is; else why there is none. Text around a block is
/// taken as it is found, other blocks are not.
///
/// # Errors
/// There is no request, or not one alone.
pub fn request_in(input: &[u8]) -> Result<Vec<u8>, String> {
    if let [0x30, ..] = input {
        return Ok(input.to_vec());
    }
    let mut found = None;
    for block in Blocks::new(input) {
        if !matches!(block.label, "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") {
            return Err(format!("it holds a block {:?}", block.label));
        }
        if found.is_some() {
            return Err("it holds more than one".to_owned());
        }
        found = Some(block.decode().map_err(|why| why.to_string())?);
    }
    found.ok_or_else(|| "it is neither PEM nor DER".to_owned())
}

/// The DER of a revocation list that is all of an input, as one block or as it is; none where there is anything beside it.
#[must_use]
pub fn list_in(input: &[u8]) -> Option<Vec<u8>> {
    if let [0x30, ..] = input {
        return Some(input.to_vec());
    }
    let text = input.trim_ascii();
    let base64 = text.strip_prefix(b"-----BEGIN X509 CRL-----")?.strip_suffix(b"-----END X509 CRL-----")?;
    // The beginning or the end of another block.
    if base64.contains(&b'-') {
        return None;
    }
    Blocks::new(text).next()?.decode().ok()
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

/// A text while it is read.
struct Reading<'r> {
    contents: Contents,
    passphrase: Readings,
    work: Work,
    recent: Option<&'r mut Recent>,
    keys: Look,
}

/// What became of a block.
enum Taken {
    /// It is neither certificate nor key.
    Left,
    /// It was read; and in what its content is such that servers do not load it.
    Read(Option<Stop>),
}

impl Reading<'_> {
    fn take(&mut self, block: &Block<'_>) -> Result<Taken, BlockError> {
        match block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" => {
                let decoded = block.decode()?;
                self.certificate(decoded)?;
                Ok(Taken::Read(None))
            }
            "TRUSTED CERTIFICATE" => {
                // OpenSSL appends what it trusts the certificate for.
                let decoded = block.decode()?;
                let first = Elements(&decoded).next().map_or(decoded.as_slice(), |certificate| certificate.whole);
                self.certificate(first)?;
                if let Some(why) = auxiliary::reserve(&decoded[first.len()..]) {
                    let place = Place::Line { line: block.line, label: block.label.to_owned() };
                    let certificate = self.contents.certificates.len() - 1;
                    self.contents.reserved.push(Reserved { certificate, place, why });
                }
                Ok(Taken::Read(None))
            }
            "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS" => {
                let decoded = block.decode()?;
                let place = Place::Line { line: block.line, label: block.label.to_owned() };
                pkcs7::read_into(&mut self.contents, &decoded, &place)?;
                Ok(Taken::Read(Some(Stop::Pkcs7)))
            }
            "ENCRYPTED PRIVATE KEY" => {
                let decoded = block.decode_secret()?;
                let opened = encrypted::open(&decoded, &self.passphrase, &mut self.work)?;
                self.opened(block.label, &opened)
            }
            label if label.ends_with("PRIVATE KEY") => self.key(block, label),
            label if block.is_whole() => {
                self.contents.ignore(label);
                Ok(Taken::Left)
            }
            _ => Err(BlockError::Unterminated),
        }
    }

    fn certificate(&mut self, der: impl Into<Vec<u8>>) -> Result<(), BlockError> {
        let certificate = match &mut self.recent {
            Some(recent) => recent.certificate(der.into()),
            None => Certificate::from_der(der),
        };
        self.contents.certificates.push(certificate.map_err(BlockError::Certificate)?);
        Ok(())
    }

    fn key(&mut self, block: &Block<'_>, label: &str) -> Result<Taken, BlockError> {
        if let Some(kind @ ("DSA" | "SM2" | "OPENSSH")) = label.strip_suffix(" PRIVATE KEY") {
            return Err(BlockError::Key(KeyError::Unsupported(KeyKind::Other(kind.to_owned()))));
        }
        let decoded = block.decode_secret()?;
        let Some(cipher) = block.encrypted_with() else {
            match StatedKey::of(&decoded).filter(|_| self.keys == Look::At) {
                Some(stated) => self.contents.stated.push(stated),
                None => self.contents.keys.push(PrivateKey::from_der(&decoded).map_err(BlockError::Key)?),
            }
            return Ok(Taken::Read(form::stop(label, &decoded)));
        };
        let opened = traditional::open(&cipher, &decoded, &self.passphrase)?;
        self.opened(label, &opened)
    }

    /// Takes what was decrypted.
    fn opened(&mut self, label: &str, opened: &Zeroizing<Vec<u8>>) -> Result<Taken, BlockError> {
        let key = encrypted::key_of(opened);
        let key = key.map_err(|failure| failure.map_or(BlockError::WrongPassphrase, BlockError::from))?;
        self.contents.keys.push(key);
        Ok(Taken::Read(form::stop(label, opened)))
    }
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
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::cert::codec::{self, MAX_INPUT};
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
        let pkcs7 = openssl("crl2pkcs7 -nocrl -certfile /dev/stdin", pem.as_bytes());
        for (what, stop, text) in [
            ("as written", None, pem.clone().into_bytes()),
            ("CR LF", None, pem.replace('\n', "\r\n").into_bytes()),
            ("CR", Some(Stop::LineEnds), pem.replace('\n', "\r").into_bytes()),
            ("byte order mark", None, format!("\u{feff}{pem}").into_bytes()),
            ("UTF-16LE", Some(Stop::Wide), [b"\xff\xfe".to_vec(), utf16(u16::to_le_bytes)].concat()),
            ("UTF-16BE", Some(Stop::Wide), [b"\xfe\xff".to_vec(), utf16(u16::to_be_bytes)].concat()),
            ("indented", Some(Stop::Indented), format!("  {}", pem.replace('\n', "\n\t  ")).into_bytes()),
            ("no line ends", Some(Stop::AfterBegin), pem.replace('\n', "").into_bytes()),
            ("spaces for line ends", Some(Stop::AfterBegin), pem.replace('\n', " ").into_bytes()),
            ("no last line end", None, pem.trim_end().as_bytes().to_vec()),
            ("text around", None, format!("subject=CN = Root\n\n{pem}that was -----BEGIN X-----\n").into_bytes()),
            ("old label", None, labelled("X509 CERTIFICATE").into_bytes()),
            ("OpenSSL's trust", None, trusted.into_bytes()),
            (
                "headers",
                Some(Stop::Headers),
                pem.replacen("E-----\n", "E-----\nComment: x\nMore: y\n\n", 1).into_bytes(),
            ),
            (
                "headers without a blank line",
                Some(Stop::Headers),
                pem.replacen("E-----\n", "E-----\nComment: x\n", 1).into_bytes(),
            ),
            (
                "a certificate that calls itself encrypted",
                Some(Stop::Headers),
                pem.replacen("E-----\n", "E-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1)
                    .into_bytes(),
            ),
            ("PKCS#7", Some(Stop::Pkcs7), pkcs7),
            ("not UTF-8 around", None, [b"\xff\xfd junk\n", pem.as_bytes()].concat()),
            ("blanks at the line ends", None, pem.replace('\n', " \t\r\n").into_bytes()),
            ("a blank line first", None, pem.replacen("E-----\n", "E-----\n\n", 1).into_bytes()),
            ("two blank lines first", Some(Stop::BlankLine), pem.replacen("E-----\n", "E-----\n\n\n", 1).into_bytes()),
            ("a blank line last", Some(Stop::BlankLine), pem.replace("-----END", "\n-----END").into_bytes()),
            ("blanks last", Some(Stop::BlankLine), pem.replace("-----END", " \n-----END").into_bytes()),
            ("END behind a blank", Some(Stop::End), pem.replace("-----END", " -----END").into_bytes()),
            ("END and more", Some(Stop::End), format!("{} x\n", pem.trim_end()).into_bytes()),
            ("DER", None, one.der().to_vec()),
        ] {
            let contents = codec::read(&text, None).unwrap();
            assert_eq!(contents.certificates, std::slice::from_ref(&one), "{what}");
            assert_eq!(contents.bad, [], "{what}");
            let told: Vec<Stop> = contents.broken.iter().map(|one| one.why).collect();
            assert_eq!(told, stop.into_iter().collect::<Vec<_>>(), "{what}");
            if !text.starts_with(b"0") {
                // `openssl x509` looks for it as a server does.
                let mut command = std::process::Command::new("openssl");
                let mut child = command
                    .args(["x509", "-noout"])
                    .stdin(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::null())
                    .spawn()
                    .unwrap();
                std::io::Write::write_all(&mut child.stdin.take().unwrap(), &text).unwrap();
                assert_eq!(child.wait().unwrap().success(), stop.is_none(), "{what}: OpenSSL");
            }
        }
    }

    #[test]
    fn a_blank_line_inside_is_read_and_told() {
        let one = certificate();
        let lines: Vec<String> = one.to_pem().lines().map(str::to_owned).collect();
        let text = format!("\n{}\n\n{}\n", lines[..3].join("\n"), lines[3..].join("\n"));
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            let contents = codec::read(text.as_bytes(), None).unwrap();
            assert_eq!(contents.certificates, std::slice::from_ref(&one));
            let place = Place::Line { line: 2, label: "CERTIFICATE".to_owned() };
            assert_eq!(contents.broken, [Stopped { place, why: Stop::BlankLine }]);
        }
    }

    #[test]
    fn glued_and_mixed_blocks_are_all_read() {
        let (one, two) = (certificate(), certificate());
        let glued = format!("{}{}{}", one.to_pem().trim_end(), two.to_pem().trim_end(), one.to_pem());
        let contents = codec::read(glued.as_bytes(), None).unwrap();
        assert_eq!(contents.certificates, [one.clone(), two, one.clone()]);
        let told: Vec<Stop> = contents.broken.iter().map(|one| one.why).collect();
        assert_eq!(told, [Stop::End, Stop::Begin, Stop::Begin]);

        let key = key();
        let private = key.to_pem();
        let parameters = encode("EC PARAMETERS", b"\x06\x00");
        let mixed = [parameters.as_bytes(), private.expose(), one.to_pem().as_bytes(), parameters.as_bytes()].concat();
        let contents = codec::read(&mixed, None).unwrap();
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
            let contents = codec::read(text.as_bytes(), None).unwrap();
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
            let contents = codec::read(&text, None).unwrap();
            let form = if label.starts_with("EC") { " -ec_conv_form uncompressed" } else { "" };
            let public = openssl(&format!("pkey -pubout -outform DER{form}"), &text);
            assert_eq!(contents.keys[0].spki(), public, "{words}");
            assert_eq!(contents.bad, []);
            let der = openssl("pkey -outform DER", &text);
            assert_eq!(codec::read(&der, None).unwrap().keys[0].spki(), public, "{words} in DER");
        }
        let dsa = encode("DSA PRIVATE KEY", b"\x30\x06\x02\x01\x00\x02\x01\x01");
        assert!(matches!(codec::read(dsa.as_bytes(), None).unwrap().bad[0].why, BlockError::Key(_)));
    }

    #[test]
    fn openssls_own_encrypted_format_is_opened() {
        let secret = |text: &str| Sensitive::from(text.to_owned());
        let plain = openssl("genrsa 2048", b"");
        let spki = codec::read(&plain, None).unwrap().keys[0].spki().to_vec();
        for cipher in ["aes128", "aes192", "aes256", "des", "des3"] {
            let words = format!("rsa -provider legacy -provider default -traditional -{cipher} -passout pass:sécret");
            let sealed = openssl(&words, &plain);
            assert!(String::from_utf8_lossy(&sealed).contains("Proc-Type: 4,ENCRYPTED"));
            let read =
                |bytes: &[u8], passphrase: Option<&str>| codec::read(bytes, passphrase.map(secret).as_ref()).unwrap();
            assert_eq!(read(&sealed, Some("sécret")).keys[0].spki(), spki, "{cipher}");
            assert_eq!(read(&sealed, None).bad[0].why, BlockError::EncryptedNoPassphrase);
            for attempt in 0..600 {
                assert_eq!(read(&sealed, Some(&attempt.to_string())).bad[0].why, BlockError::WrongPassphrase);
            }
            let text = String::from_utf8(sealed).unwrap();
            let other = text.replace("DEK-Info: ", "DEK-Info: CAMELLIA-");
            assert!(
                matches!(&read(other.as_bytes(), None).bad[0].why, BlockError::UnsupportedEncryption(name) if name.starts_with("CAMELLIA-"))
            );
            for bad in [
                text.replace("DEK-Info: ", "X: "),
                text.replacen("CBC,", "CBC,00", 1),
                text.replacen("CBC,", "CBC,x", 1),
            ] {
                assert_eq!(read(bad.as_bytes(), Some("sécret")).bad[0].why, BlockError::UnreadableEncrypted, "{bad}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_at_all_is_told() {
        assert_eq!(codec::read(b"", None).err(), Some(InputError::Empty));
        assert_eq!(codec::read(b"\xef\xbb\xbf \r\n", None).err(), Some(InputError::Empty));
        assert_eq!(codec::read(b"hello", None).err(), Some(InputError::Unknown));
        for (begin, what) in [
            (b"\xce\xce\xce\xce\0\0\0\x02".as_slice(), "a JCEKS keystore of Java"),
            (b"\0\0\0\x02\0\0\0\x14abcdefgh", "a BKS or UBER keystore of Bouncy Castle"),
        ] {
            assert_eq!(codec::read(begin, None).err(), Some(InputError::Unsupported(what)));
        }
        assert_eq!(codec::read(b"0hello", None).err(), Some(InputError::Unknown));
        assert_eq!(codec::read(b"# -----BEGIN CERTIFICATE-----", None).err(), Some(InputError::Unknown));
        assert_eq!(codec::read(&vec![b' '; MAX_INPUT + 1], None).err(), Some(InputError::TooLarge(MAX_INPUT + 1)));
        assert_eq!(codec::read(b"\x30\x03\x02\x01\x00", None).err(), Some(InputError::Unknown));
        let trailed = codec::read(&[certificate().der(), b"\0"].concat(), None).unwrap();
        assert_eq!((trailed.certificates.len(), &trailed.bad[0].place), (1, &Place::Der));
        let other = openssl("pkcs8 -topk8 -nocrypt -outform DER", &openssl("genpkey -algorithm ED448", b""));
        assert_eq!(codec::read(&other, None).unwrap().bad[0].place, Place::Der);
    }

    #[test]
    fn many_blocks_end_soon() {
        let block = "-----BEGIN X-----\n-----END X-----\n";
        assert_eq!(codec::read(block.repeat(MAX_ENTRIES).as_bytes(), None).unwrap().ignored["X"], MAX_ENTRIES);
        for bomb in [
            block.repeat(400_000),
            "-----BEGIN X-----\n".repeat(800_000),
            "-----BEGIN X-----".repeat(900_000),
            "x-----BEGIN X-----".repeat(800_000),
            "-----BEGIN ".repeat(1_500_000),
            "-".repeat(MAX_INPUT),
            "A".repeat(MAX_INPUT),
            "\n".repeat(MAX_INPUT - 1) + "x",
        ] {
            let start = std::time::Instant::now();
            assert!(codec::read(bomb.as_bytes(), None).is_err());
            assert!(start.elapsed().as_secs() < 10, "{:?} for {} bytes", start.elapsed(), bomb.len());
        }
    }

    /// Each block is told from what stands before it on its line: from what the block before has left, and no further back.
    #[test]
    fn many_blocks_on_one_long_line_end_soon() {
        let long = format!("-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----", "A".repeat(MAX_INPUT - 100_000));
        let glued = "-----BEGIN X----------END X-----".repeat(MAX_ENTRIES - 1);
        for text in [format!("{long}{glued}"), format!("{glued}{long}")] {
            let start = std::time::Instant::now();
            let contents = codec::read(text.as_bytes(), None).unwrap();
            assert_eq!((contents.bad.len(), contents.ignored["X"]), (1, MAX_ENTRIES - 1));
            assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
        }
    }

    #[test]
    fn a_line_of_ten_megabytes_is_one_line() {
        for filler in ["A", " ", "\n", "\u{a0}", "-", "A:"] {
            let text = format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                filler.repeat((10 << 20) / filler.len())
            );
            let start = std::time::Instant::now();
            let contents = codec::read(text.as_bytes(), None).unwrap();
            assert_eq!((contents.certificates.len(), contents.bad.len()), (0, 1), "{filler:?}");
            assert!(start.elapsed().as_secs() < 10, "{:?} for {filler:?}", start.elapsed());
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
            let _ = codec::read(&bytes, None);
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
            let _ = codec::read(parts.concat().as_bytes(), None);
        }

        #[test]
        fn what_is_written_is_found(der in proptest::collection::vec(any::<u8>(), 1..200), label in "[A-Z0-9]{1,9}( [A-Z]{1,9})?") {
            let text = encode(&label, &der);
            let block = Blocks::new(text.as_bytes()).next().unwrap();
            prop_assert_eq!(block.label, label);
            prop_assert_eq!(block.decode().unwrap(), der.clone());
            prop_assert_eq!(&*block.decode_secret().unwrap(), &der);
        }

        /// The short way comes to what the library comes to, and refuses nothing that it takes.
        #[test]
        fn a_block_holds_what_the_library_finds_in_it(body in "([A-D+/]{4} ?\n?){0,12}[A-D]{0,4}[=*é-]{0,3}") {
            // What stands before a blank line is a header to the library.
            let text = format!("-----BEGIN X-----\n{}\n-----END X-----\n", body.trim_end());
            let ours = Blocks::new(text.as_bytes()).next().unwrap().decode();
            prop_assert_eq!(ours.ok(), pem::parse(&text).ok().map(pem::Pem::into_contents));
        }
    }
}
