//! A passphrase in the forms that the formats ask for.

use zeroize::Zeroizing;

use crate::sensitive::Sensitive;

/// One reading of a passphrase.
pub(super) struct Reading {
    /// As bytes: PBES1, PBES2.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// As UTF-16BE: PKCS#12 with two zero bytes after it, JKS without.
    pub(super) wide: Zeroizing<Vec<u8>>,
    /// Whether PKCS#12 ends it with two zero bytes. Some tools take no passphrase for an empty string, and some for none.
    terminated: bool,
}

impl Reading {
    /// The form of PKCS#12 (RFC 7292 appendix B.1).
    pub(super) fn bmp(&self) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(Vec::with_capacity(self.wide.len() + 2));
        text.extend_from_slice(&self.wide);
        if self.terminated {
            text.extend_from_slice(&[0, 0]);
        }
        text
    }
}

/// A passphrase in every way it may have been meant.
pub(super) struct Readings(pub(super) Option<Vec<Reading>>);

impl Readings {
    /// None at all where none was given.
    pub(super) fn of(passphrase: Option<&Sensitive>) -> Self {
        Self(passphrase.map(readings))
    }

    /// Whether a passphrase was given.
    pub(super) fn given(&self) -> bool {
        self.0.is_some()
    }
}

/// Every way a tool may have taken the passphrase: as UTF-8, or each byte as a character, which are the same for ASCII.
fn readings(passphrase: &Sensitive) -> Vec<Reading> {
    let bytes = passphrase.expose();
    if bytes.is_empty() {
        return unasked();
    }
    let mut readings = Vec::with_capacity(2);
    if let Ok(text) = std::str::from_utf8(bytes) {
        readings.push(reading(bytes, text.encode_utf16()));
    }
    if !bytes.is_ascii() {
        readings.push(reading(bytes, bytes.iter().map(|byte| u16::from(*byte))));
    }
    readings
}

/// The empty passphrase in its two forms, which is what many write who want none.
pub(super) fn unasked() -> Vec<Reading> {
    [true, false].into_iter().map(|terminated| Reading { terminated, ..reading(b"", [].into_iter()) }).collect()
}

fn reading(bytes: &[u8], units: impl Iterator<Item = u16>) -> Reading {
    // Reserved at once, so that it never moves and leaves a copy: no form has more units than bytes.
    let mut wide = Zeroizing::new(Vec::with_capacity(2 * bytes.len()));
    for unit in units {
        wide.extend_from_slice(&unit.to_be_bytes());
    }
    Reading { bytes: Zeroizing::new(bytes.to_vec()), wide, terminated: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_read_in_every_way_it_may_have_been_meant() {
        let forms = |bytes: &[u8]| {
            readings(&bytes.to_vec().into()).into_iter().map(|one| one.bmp().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(forms(b"ab"), [b"\0a\0b\0\0"]);
        assert_eq!(forms("ö".as_bytes()), [b"\0\xf6\0\0".to_vec(), b"\0\xc3\0\xb6\0\0".to_vec()]);
        assert_eq!(forms("🔑".as_bytes())[0], b"\xd8\x3d\xdd\x11\0\0");
        assert_eq!(forms(b"\xf6"), [b"\0\xf6\0\0"]);
        assert_eq!(forms(b""), [b"\0\0".to_vec(), b"".to_vec()]);
    }
}
