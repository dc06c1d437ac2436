//! How a certificate names whom it is for and who issued it, beyond the texts that people read.

use super::certificate::Certificate;
use super::codec::tlv::{Element, ONE, SEQUENCE, ZERO_PRIMITIVE};
use super::distinguished;

/// How the authority key identifier of a certificate contradicts its issuer (RFC 5280 section 4.2.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misnamed {
    /// It names another key identifier than the issuer's.
    Key,
    /// It names another certificate than the issuer's, by serial number and by whom that is from.
    Certificate,
}

/// 2.5.29.35
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];
/// `[2]`, primitive: the serial number of the issuer's certificate.
const SERIAL: u8 = 0x82;
/// `directoryName` (RFC 5280 section 4.2.1.6).
const DIRECTORY_NAME: u8 = 0xa4;

impl Certificate {
    /// Whether the subject has an attribute that [`Certificate::subject`] shows as this: `CN=www.example.com`. What merely contains the
    /// same characters is none.
    #[must_use]
    pub fn subject_has(&self, attribute: &str) -> bool {
        distinguished::has(self.subject_der(), attribute)
    }

    /// The same of the issuer.
    #[must_use]
    pub fn issuer_has(&self, attribute: &str) -> bool {
        distinguished::has(self.issuer_der(), attribute)
    }

    /// Common names, of which clients take none any more.
    #[must_use]
    pub fn common_names(&self) -> Vec<String> {
        distinguished::common_names(self.subject_der())
    }

    /// Whether both have the same subject (RFC 5280 section 7.1).
    #[must_use]
    pub fn same_subject(&self, other: &Self) -> bool {
        distinguished::same(self.subject_der(), other.subject_der())
    }

    /// Whether it names `issuer` as its issuer; whether that is so is for [`issued_by`](super::issued_by).
    #[must_use]
    pub fn names_as_issuer(&self, issuer: &Self) -> bool {
        distinguished::same(self.issuer_der(), issuer.subject_der())
    }

    /// What its authority key identifier says against this issuer, as OpenSSL compares the two: the key identifier, and the serial number and
    /// issuer of the issuer's certificate, each where it is said.
    #[must_use]
    pub fn misnames(&self, issuer: &Self) -> Option<Misnamed> {
        let content = self.parts().find(|part| part.identifier == AUTHORITY_KEY)?.value;
        let mut parts = Element::filling(content)?.tagged(SEQUENCE)?.inside();
        let key = parts.optional(ZERO_PRIMITIVE).zip(issuer.ski()).is_some_and(|(named, held)| named.content != held);
        let names = parts.optional(ONE);
        let serial = parts.optional(SERIAL);
        let name = names.and_then(|names| names.inside().find(|one| one.tag == DIRECTORY_NAME)).and_then(Element::only);
        let other = name.is_some_and(|name| !distinguished::same(name.whole, issuer.issuer_der()))
            || serial.is_some_and(|serial| serial.content != issuer.serial_octets());
        match () {
            () if key => Some(Misnamed::Key),
            () if other => Some(Misnamed::Certificate),
            () => None,
        }
    }

    /// Names with characters that no name has: NUL, which ends a name for some readers, and other control characters.
    #[must_use]
    pub fn has_control_characters(&self) -> bool {
        let bad = |text: &str| text.chars().any(char::is_control);
        bad(self.subject()) || bad(self.issuer()) || self.unusable_names().iter().any(|name| bad(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed, with_extensions};

    #[test]
    fn whom_a_key_identifier_names_is_held_against_the_issuer() {
        let root = self_signed(&Wish::ca("Root"));
        let (leaf, root) = (root.issue(&Wish::server("x")).certificate, root.certificate);
        let (key, serial) = (root.ski().unwrap().to_vec(), root.serial_octets().to_vec());
        let name = |of: &Certificate| Element::wrap(ONE, &Element::wrap(DIRECTORY_NAME, of.issuer_der()));
        let says = |parts: &[Vec<u8>]| {
            let value = Element::wrap(0x04, &Element::wrap(SEQUENCE, &parts.concat()));
            let extension = [Element::wrap(0x06, AUTHORITY_KEY), value].concat();
            let der = with_extensions(&leaf, &[Element::wrap(SEQUENCE, &extension)]);
            Certificate::from_der(der).unwrap().misnames(&root)
        };
        let key_is = |key: &[u8]| Element::wrap(ZERO_PRIMITIVE, key);
        let serial_is = |serial: &[u8]| Element::wrap(SERIAL, serial);
        let other = self_signed(&Wish::ca("Other")).certificate;
        assert_eq!(leaf.misnames(&root), None);
        assert_eq!(says(&[]), None);
        assert_eq!(says(&[key_is(&key), name(&root), serial_is(&serial)]), None);
        assert_eq!(says(&[name(&root), serial_is(&serial)]), None);
        assert_eq!(says(&[key_is(b"other")]), Some(Misnamed::Key));
        assert_eq!(says(&[key_is(&key), name(&root), serial_is(b"x")]), Some(Misnamed::Certificate));
        assert_eq!(says(&[key_is(&key), name(&other), serial_is(&serial)]), Some(Misnamed::Certificate));
    }
}
