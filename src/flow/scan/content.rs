//! What is in a file, told by its first bytes and by marks in it, never by its name. Pure.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::{self, Finder};

use crate::cert::codec;
use crate::host::tree::Want;

/// What a whole file holds, as far as marks tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Perhaps certificates: the reader must say.
    Certificates,
    /// Private keys and no certificate.
    Keys,
    /// Nothing of interest.
    Nothing,
}

/// Goes by a piece of a file; see [`crate::host::tree::Visitor::wants`].
pub(super) fn wants(piece: &[u8], first: bool) -> Want {
    if (first && is_binary_of_ours(piece)) || MARK.find(piece).is_some() {
        return Want::Whole;
    }
    if first && is_wide(piece) {
        return if memmem::find(piece, WIDE_BEGIN).is_some() { Want::Whole } else { Want::Nothing };
    }
    // Programs, archives, pictures: text is looked through to its end, they are not.
    let binary = first && memchr(0, &piece[..piece.len().min(HEAD)]).is_some();
    if binary { Want::Nothing } else { Want::More }
}

/// Looks at all marks of a whole file.
pub(super) fn kind(bytes: &[u8]) -> Kind {
    if is_binary_of_ours(bytes) || is_wide(bytes) {
        return Kind::Certificates;
    }
    let mut keys = false;
    for at in MARK.find_iter(bytes) {
        let after = &bytes[at + BEGIN.len()..];
        let line = &after[..after.len().min(80)];
        let label = &line[..find(line, b"-----").unwrap_or(0)];
        let has = |word: &[u8]| find(label, word).is_some();
        if (has(b"CERTIFICATE") && !has(b"REQUEST")) || has(b"PKCS7") || has(b"CMS") {
            return Kind::Certificates;
        }
        keys |= has(b"PRIVATE KEY");
    }
    if keys { Kind::Keys } else { Kind::Nothing }
}

const BEGIN: &[u8] = b"-----BEGIN ";

/// Made ready once: for a small file that costs more than the search.
static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(BEGIN));

/// The same in UTF-16, in either order of bytes.
const WIDE_BEGIN: &[u8] = b"B\0E\0G\0I\0N\0 ";

/// Bytes in which a zero says that it is no text.
const HEAD: usize = 8 * 1024;

/// For a few bytes, in which a searcher that must be made first takes longer.
fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

fn is_wide(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])
}

/// Whether it begins as DER of a certificate, PKCS#7, PKCS#12, or a Java keystore.
fn is_binary_of_ours(bytes: &[u8]) -> bool {
    if let [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] = bytes {
        return true;
    }
    let Some((length, inside)) = sequence(bytes) else { return false };
    // Something behind its end but a line end: other formats begin with the same byte. None begins as a certificate does.
    let behind = length.and_then(|length| inside.get(length..)).unwrap_or_default();
    if !behind.trim_ascii().is_empty() && !codec::begins_as_certificate(bytes) {
        return false;
    }
    match inside {
        // What is signed: a sequence that begins with its version or its serial number.
        [0x30, ..] => sequence(inside).is_some_and(|(_, signed)| matches!(signed, [0xa0 | 0x02, ..])),
        // The version of a PKCS#12 file (RFC 7292 section 4), the type of a PKCS#7 message (RFC 5652 section 3).
        [0x02, 0x01, 0x03, 0x30, ..] | [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, ..] => true,
        _ => false,
    }
}

/// The length that a sequence announces, none for an indefinite one, and what follows its header.
fn sequence(bytes: &[u8]) -> Option<(Option<usize>, &[u8])> {
    let (&length, rest) = bytes.strip_prefix(&[0x30])?.split_first()?;
    match length {
        0..0x80 => Some((Some(usize::from(length)), rest)),
        0x80 => Some((None, rest)),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            Some((Some(digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit))), rest))
        }
        0x85.. => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};

    fn certificate() -> Vec<u8> {
        self_signed(&Wish::ca("Root")).certificate.der().to_vec()
    }

    #[test]
    fn files_are_told_by_their_bytes() {
        let der = certificate();
        let pem = self_signed(&Wish::ca("Root")).certificate.to_pem();
        let wide: Vec<u8> = [vec![0xff, 0xfe], pem.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
        let with = |before: &str| format!("{before}{pem}").into_bytes();
        let p12 = b"\x30\x82\x00\x08\x02\x01\x03\x30\x03\x02\x01\x00".to_vec();
        let ber = b"\x30\x80\x02\x01\x03\x30\x80".to_vec();
        for (what, bytes, want, found) in [
            ("PEM", with(""), Want::Whole, Kind::Certificates),
            ("PEM behind text", with("subject: CN=x\n\n"), Want::Whole, Kind::Certificates),
            ("PEM behind zeros", with("\0\0\n"), Want::Whole, Kind::Certificates),
            ("UTF-16", wide, Want::Whole, Kind::Certificates),
            ("DER", der.clone(), Want::Whole, Kind::Certificates),
            ("PKCS#12", p12, Want::Whole, Kind::Certificates),
            ("BER", ber, Want::Whole, Kind::Certificates),
            ("JKS", b"\xfe\xed\xfe\xed\0\0\0\x02".to_vec(), Want::Whole, Kind::Certificates),
            ("a key", b"-----BEGIN EC PRIVATE KEY-----\n".to_vec(), Want::Whole, Kind::Keys),
            ("a request", b"-----BEGIN CERTIFICATE REQUEST-----\n".to_vec(), Want::Whole, Kind::Nothing),
            ("DER and a line end", [der.clone(), b"\r\n".to_vec()].concat(), Want::Whole, Kind::Certificates),
            ("DER and more", [der.clone(), vec![0]].concat(), Want::Whole, Kind::Certificates),
            ("DER twice", [der.clone(), der.clone()].concat(), Want::Whole, Kind::Certificates),
            ("DER cut off", der[..der.len() / 2].to_vec(), Want::Whole, Kind::Certificates),
            ("a sequence and more", b"\x30\x03\x02\x01\x03\0\0".to_vec(), Want::Nothing, Kind::Nothing),
            ("text", b"0 nothing here".to_vec(), Want::More, Kind::Nothing),
            ("a program", b"\x7fELF\x02\x01\x01\0\0\0".to_vec(), Want::Nothing, Kind::Nothing),
            ("nothing", Vec::new(), Want::More, Kind::Nothing),
        ] {
            assert_eq!((wants(&bytes, true), kind(&bytes)), (want, found), "{what}");
        }
        assert_eq!(wants(b"\0\0", false), Want::More, "only the beginning tells what it is");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0_u8.., 0..40), der in proptest::bool::ANY) {
            let mut bytes = bytes;
            if der && let Some(first) = bytes.first_mut() {
                *first = 0x30;
            }
            let _ = (wants(&bytes, true), wants(&bytes, false), kind(&bytes));
        }
    }
}
