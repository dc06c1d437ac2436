//! What strict readers have against a certificate before they look at any other: such a one is loaded by no server and taken by no client.

pub(super) mod fault;
pub(super) mod go;
pub(super) mod written;

use super::certificate::Certificate;
use super::codec::tlv::{Element, Elements, OBJECT, OCTETS, SEQUENCE, dotted};
use super::{distinguished, spki};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BOOLEAN: u8 = 0x01;
/// `[3]`, constructed: the extensions (RFC 5280 section 4.1).
const THREE: u8 = 0xa3;

/// An extension as it is written.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) identifier: &'a [u8],
    pub(super) critical: bool,
    /// What the OCTET STRING holds.
    pub(super) value: &'a [u8],
}

impl Certificate {
    /// What a strict reader of certificates has against this one before it looks at any other: OpenSSL, which also reads the names and the
    /// serial number, as Go does, or else rustls.
    #[must_use]
    pub fn strict_refusal(&self) -> Option<String> {
        if self.is_sound() { None } else { self.refusal_at_length() }
    }

    /// Why OpenSSL does not load it, so that most servers start with no file that has it, wherever it stands there.
    #[must_use]
    pub fn load_refusal(&self) -> Option<&'static str> {
        if self.is_sound() { None } else { self.loosely_written() }
    }

    /// The same, whatever is known already.
    pub(super) fn refusal_at_length(&self) -> Option<String> {
        if let Some(loose) = self.loosely_written().or_else(|| spki::odd_parameters(self.spki())) {
            return Some(loose.to_owned());
        }
        let der = rustls::pki_types::CertificateDer::from(self.der());
        webpki::EndEntityCert::try_from(&der).err().map(|error| format!("{error:?}"))
    }

    /// Extensions whose content can be read as far as anybody here asks, and is not built as its kind has it: OpenSSL and Go, which read
    /// all of it, take no such certificate from a server.
    #[must_use]
    pub fn loose_extensions(&self) -> Vec<String> {
        if self.is_sound() { Vec::new() } else { self.loose_at_length() }
    }

    /// The same, whatever is known already.
    pub(super) fn loose_at_length(&self) -> Vec<String> {
        let loose = self.parts().filter(|part| !written::is_content(part.identifier, part.value));
        loose.map(|part| dotted(part.identifier)).filter(|one| !self.unreadable_extensions().contains(one)).collect()
    }

    /// The extensions, in their order.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let all = Element::filling(self.tbs()).and_then(|tbs| tbs.inside().find(|part| part.tag == THREE));
        let list = all.and_then(Element::only).filter(|list| list.tag == SEQUENCE);
        list.into_iter().flat_map(Element::inside).filter_map(|one| {
            let mut inside = one.inside();
            let identifier = inside.expect(OBJECT)?.content;
            let critical = inside.optional(BOOLEAN).is_some_and(|critical| critical.content != [0]);
            let value = one.inside().last().filter(|value| value.tag == OCTETS)?.content;
            Some(Part { identifier, critical, value })
        })
    }

    /// The two dates.
    fn validity(&self) -> Option<Elements<'_>> {
        let validity = Element::filling(self.tbs())?.inside().filter(|part| part.tag == SEQUENCE).nth(2)?;
        Some(validity.inside())
    }

    /// What in the serial number, a date, a name, the name of an extension or the public key is written as OpenSSL does not read it.
    fn loosely_written(&self) -> Option<&'static str> {
        match self.serial_octets() {
            // Section 8.3.2.
            [] => return Some("the serial number has no octets"),
            [0, 0..0x80, ..] | [0xff, 0x80..=0xff, ..] => {
                return Some("the serial number has more octets than it needs");
            }
            _ => {}
        }
        let is_date = |date: Element<'_>| matches!(date.tag, UTC_TIME | GENERALIZED_TIME);
        if !self.validity().is_some_and(|mut dates| dates.all(is_date)) {
            return Some("a date is of no kind that dates have");
        }
        if self.parts().any(|part| !written::names_an_object(part.identifier)) {
            return Some("an extension has no object identifier");
        }
        let names = [self.issuer_der(), self.subject_der()];
        names.into_iter().find_map(distinguished::fault).or_else(|| spki::fault(self.spki()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use crate::cert::codec::tlv::{Element, SEQUENCE, SET};
    use crate::cert::fixture::{Wish, rebuilt, self_signed, with_extensions};
    use crate::cert::key::tests::openssl;
    use crate::cert::{Certificate, Generate, KeyKind, PrivateKey};

    /// The certificate of `Root`, with another serial number, and with this attribute value in its subject.
    fn with(serial: &[u8], oid: &[u8], value: (u8, &[u8])) -> Vec<u8> {
        let pair = [Element::wrap(0x06, oid), Element::wrap(value.0, value.1)].concat();
        rebuilt(&self_signed(&Wish::ca("Root")).certificate, |parts| {
            parts[1] = Element::wrap(0x02, serial);
            parts[5] = Element::wrap(SEQUENCE, &Element::wrap(SET, &Element::wrap(SEQUENCE, &pair)));
        })
    }

    /// A server's certificate with this extension and no other.
    fn extended(identifier: &[u8], value: &[u8]) -> Vec<u8> {
        let extension = [Element::wrap(0x06, identifier), Element::wrap(0x04, value)].concat();
        with_extensions(&self_signed(&Wish::server("x")).certificate, &[Element::wrap(SEQUENCE, &extension)])
    }

    /// Whether it is told that an extension is not built as it has to be; and OpenSSL says the same, before it looks at what it is for.
    fn is_loose(identifier: &[u8], value: &[u8]) -> bool {
        let der = extended(identifier, value);
        let read = Certificate::from_der(der.clone()).unwrap();
        let told = !read.loose_extensions().is_empty() || !read.unreadable_extensions().is_empty();
        let shown = openssl("x509 -inform DER -noout -purpose", &der);
        let refused = String::from_utf8_lossy(&shown).contains("code=-1");
        assert_eq!(told, refused, "{identifier:02x?}: {value:02x?}");
        told
    }

    /// RFC 3779.
    #[test]
    fn network_resources_that_openssl_does_not_read_are_told() {
        let sequence = |inside: &[u8]| Element::wrap(SEQUENCE, inside);
        let family = |rest: &[u8]| sequence(&sequence(&[b"\x04\x02\0\x01", rest].concat()));
        let (address, range) = (b"\x03\x02\0\x0a".as_slice(), sequence(b"\x03\x02\0\x0a\x03\x02\0\x0b"));
        for (value, loose) in [
            (sequence(b""), false),
            (family(b"\x05\0"), false),
            (family(&sequence(b"")), false),
            (family(&sequence(address)), false),
            (family(&sequence(&range)), false),
            // OpenSSL does not look behind it.
            ([family(b"\x05\0").as_slice(), b"\x05\0"].concat(), false),
            (b"".to_vec(), true),
            (b"x".to_vec(), true),
            (b"\x05\0".to_vec(), true),
            (family(b""), true),
            (family(b"\x05\x01\0"), true),
            (family(b"\x05\0\x05\0"), true),
            (family(b"\x02\x01\0"), true),
            (family(&sequence(&sequence(address))), true),
            (family(&sequence(b"\x03\x02\x09\x0a")), true),
            (sequence(&Element::wrap(SET, b"\x04\x02\0\x01\x05\0")), true),
        ] {
            assert_eq!(is_loose(super::written::ADDRESS_BLOCKS, &value), loose, "{value:02x?}");
        }
        let numbers = |list: &[u8]| sequence(&Element::wrap(0xa0, &sequence(list)));
        for (value, loose) in [
            (sequence(b""), false),
            (sequence(b"\xa0\x02\x05\0"), false),
            (sequence(b"\xa1\x02\x05\0"), false),
            (sequence(b"\xa0\x02\x05\0\xa1\x02\x05\0"), false),
            (numbers(b""), false),
            (numbers(b"\x02\x01\x05"), false),
            (numbers(&sequence(b"\x02\x01\x05\x02\x01\x06")), false),
            (b"".to_vec(), true),
            (b"x".to_vec(), true),
            (numbers(b"\x02\0"), true),
            (numbers(b"\x02\x02\0\x05"), true),
            (numbers(&sequence(b"\x02\x01\x05")), true),
            (sequence(b"\x80\x02\x05\0"), true),
            (sequence(b"\xa0\x03\x05\x01\0"), true),
            (sequence(b"\xa0\x03\x04\x01\0"), true),
            (sequence(b"\xa0\x04\x05\0\x05\0"), true),
            (sequence(b"\xa1\x02\x05\0\xa0\x02\x05\0"), true),
        ] {
            assert_eq!(is_loose(super::written::AS_IDENTIFIERS, &value), loose, "{value:02x?}");
        }
    }

    /// Go reads no certificate of an RSA key whose parameters are not NULL (RFC 3279 section 2.3.1), and rustls takes no signature of one;
    /// OpenSSL stops where they are no element, or more than one.
    #[test]
    fn an_rsa_key_with_other_parameters_is_refused() {
        let key = PrivateKey::generate(Generate::Rsa2048).unwrap();
        let bits = Element::filling(key.spki()).unwrap().inside().nth(1).unwrap().whole;
        let with = |parameters: &[u8]| {
            let algorithm = [b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", parameters].concat();
            let spki = Element::wrap(SEQUENCE, &[&Element::wrap(SEQUENCE, &algorithm), bits].concat());
            rebuilt(&self_signed(&Wish::server("x")).certificate, |parts| parts[6] = spki)
        };
        for (parameters, refused, loads) in [
            (b"\x05\0".as_slice(), false, true),
            (b"", true, true),
            (b"\x06\x01\x2a", true, true),
            (b"\x05\x01\0", true, false),
            (b"\x05\x81\0", true, false),
            (b"\x05\0\x05\0", true, false),
        ] {
            let der = with(parameters);
            let read = Certificate::from_der(der.clone()).unwrap();
            assert_eq!(*read.key_kind(), KeyKind::Rsa(2048), "{parameters:02x?}");
            assert_eq!(read.strict_refusal().is_some(), refused, "{parameters:02x?} {:?}", read.strict_refusal());
            if let Some(taken) = openssl_takes(&der) {
                assert_eq!(taken, loads, "{parameters:02x?}");
            }
        }
    }

    /// OpenSSL says of such a certificate that it is good for nothing, before it looks at what it is for.
    #[test]
    fn an_extension_that_openssl_does_not_read_is_told() {
        let sequence = |inside: &[u8]| Element::wrap(SEQUENCE, inside);
        let point = |name: &[u8]| sequence(&sequence(&Element::wrap(0xa0, name)));
        let full = |name: &[u8]| point(&Element::wrap(0xa0, name));
        let uri = b"\x86\x09http://x/";
        let (mut good, mut bad) = (0, 0);
        for (number, value) in [
            (14, b"\x04\x01x".to_vec()),
            (14, b"\x44\x01x".to_vec()),
            (15, b"\x03\x02\x05\xa0".to_vec()),
            (15, b"\x03\x02\x09\xa0".to_vec()),
            (15, b"\x43\x02\x05\xa0".to_vec()),
            (17, sequence(b"\x82\x01x\x87\x04\x7f\0\0\x01\x81\x01\xe9\x88\x01\x2a")),
            (17, sequence(b"\xa0\x08\x06\x02\x2a\x03\xa0\x02\x0c\0")),
            (17, sequence(b"\xa0\x04\x01\x02\0\x03")),
            (17, sequence(b"\xa4\x04\x30\x02\x31\0")),
            (17, sequence(b"\xa4\x02\x31\0")),
            (17, sequence(b"\x88\x01\x82")),
            (17, sequence(b"\x89\x01x")),
            (17, sequence(b"\x42\x01x")),
            (18, sequence(b"\x89\x01x")),
            (30, sequence(b"\xa0\x05\x30\x03\x82\x01x\xa1\x0c\x30\x0a\x87\x08\x0a\0\0\0\xff\0\0\0")),
            (30, sequence(b"\xa0\x05\x31\x03\x82\x01x")),
            (31, full(uri)),
            (31, point(&Element::wrap(0xa1, b"\x30\x08\x06\x03\x55\x04\x03\x0c\x01x"))),
            (31, point(&Element::wrap(0xa2, uri))),
            (31, full(b"\x06\x01\x2a")),
            (31, sequence(&Element::wrap(SET, b""))),
            (31, sequence(b"")),
            (31, sequence(&sequence(b""))),
            (31, sequence(&sequence(b"\x81\x02\x01\x06"))),
            (31, sequence(&sequence(b"\xa2\0"))),
            (31, sequence(&sequence(&Element::wrap(0xa2, uri)))),
            (31, sequence(&sequence(b"\xa0\0"))),
            (31, full(b"")),
            (35, sequence(b"\x80\x01x")),
            (35, sequence(b"\x80\x01x\xa1\x05\xa4\x03\x30\x01\x31")),
            (35, sequence(b"\x90\x01x")),
            (35, sequence(b"\x80\x01x\x80\x01x")),
            (37, sequence(b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01")),
            (37, sequence(b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x81")),
            (37, sequence(b"\x04\x08\x2b\x06\x01\x05\x05\x07\x03\x01")),
        ] {
            if is_loose(&[0x55, 0x1d, number], &value) { bad += 1 } else { good += 1 }
        }
        assert!(good >= 9 && bad >= 13, "{good} {bad}");
        // Nobody but Go reads these before they are asked for.
        let told = |identifier: &[u8], value: &[u8]| {
            !Certificate::from_der(extended(identifier, value)).unwrap().loose_extensions().is_empty()
        };
        let policies: [&[u8]; 2] = [b"\x06\x02\x2a\x03", b"\x06\x02\x2a\x03\x30\x06\x30\x04\x06\x02\x2a\x03"];
        assert!(!told(&[0x55, 0x1d, 32], &sequence(&sequence(policies[0]))));
        assert!(told(&[0x55, 0x1d, 32], &sequence(&sequence(policies[1]))));
        let access = [b"\x06\x02\x2a\x03".as_slice(), uri].concat();
        assert!(!told(super::written::AUTHORITY_INFORMATION, &sequence(&sequence(&access))));
        assert!(!told(&[0x2a, 3], b"\x05"));
    }

    /// Whether OpenSSL shows it; as it is of no use to ask where there is none.
    fn openssl_takes(der: &[u8]) -> Option<bool> {
        let mut command = Command::new("openssl");
        command.args(["x509", "-inform", "DER", "-noout", "-subject", "-serial"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(mut child) = child else {
            println!("skipped: openssl is not installed");
            return None;
        };
        child.stdin.take().unwrap().write_all(der).unwrap();
        Some(child.wait().unwrap().success())
    }

    #[test]
    fn a_serial_number_is_shown_as_openssl_shows_it() {
        for serial in [
            &[0][..],
            &[0x5a],
            &[0, 0x80],
            &[0x80],
            &[0xa6],
            &[0xff],
            &[0xff, 0],
            &[0x80, 0, 0],
            &[0x91, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa],
            &[
                0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                0xff, 0xff, 0,
            ],
        ] {
            let der = with(serial, &[0x55, 4, 10], (0x0c, b"x"));
            let shown = openssl("x509 -inform DER -noout -serial", &der);
            let shown = String::from_utf8(shown).unwrap().trim().replace("serial=", "").to_lowercase();
            assert_eq!(Certificate::from_der(der).unwrap().serial(), shown, "{serial:02x?}");
        }
    }

    #[test]
    fn what_openssl_does_not_load_is_refused() {
        let (serial, name): (&[u8], &[u8]) = (&[0x2a], &[0x55, 4, 10]);
        let dated = |tag: u8| {
            let mut der = with(serial, name, (0x0c, b"x"));
            let place = der.windows(3).position(|at| at == b"\x17\x0d3").unwrap();
            der[place] = tag;
            der
        };
        let mut longer = with(serial, name, (0x0c, b"abc\x0c\0"));
        let place = longer.windows(5).position(|at| at == b"\x0c\x05abc").unwrap();
        longer[place + 1] = 3;
        for (der, refused) in [
            (with(serial, name, (0x0c, "Café".as_bytes())), false),
            (with(serial, name, (0x13, b"Caf\xe9")), false),
            (with(serial, name, (0x14, b"Caf\xe9")), false),
            (with(serial, name, (0x1e, b"\0C\0a")), false),
            (with(&[0, 0x80], name, (0x0c, b"x")), false),
            (with(&[0x80], name, (0x0c, b"x")), false),
            (with(serial, name, (0x0c, b"Caf\xe9")), true),
            (with(serial, name, (0x1e, b"\0C\0")), true),
            (with(serial, name, (0x1e, b"\xd8\0\xdc\0")), true),
            (with(serial, name, (0x1e, b"\xdb\xff\0C")), true),
            (with(serial, name, (0x1c, b"\0\x01\0\0")), false),
            (with(serial, name, (0x1c, b"\0\0\xd8\0")), true),
            (with(serial, name, (0x1c, b"\0\0\0")), true),
            (with(serial, &[0x55, 0x80, 4], (0x0c, b"x")), true),
            (with(serial, &[0x55, 0x84], (0x0c, b"x")), true),
            (with(serial, name, (0x03, b"\0x")), false),
            (with(serial, name, (0x03, b"xx")), true),
            (with(serial, name, (0x07, b"x")), false),
            (with(serial, name, (0x12, b"1")), false),
            (with(serial, name, (0x1a, b"x")), true),
            (with(serial, name, (0x04, b"x")), true),
            (with(serial, name, (0x4c, b"x")), true),
            (with(serial, name, (0x1f, b"x")), true),
            (with(serial, name, (0x30, b"x")), false),
            (with(serial, name, (0x2c, b"\x0c\x01x")), false),
            (with(serial, name, (0x2c, b"xx")), true),
            // Something behind the value.
            (longer, true),
            (dated(0x17), false),
            (dated(0x57), true),
            (extended(&[0x55, 0x1d, 0x8e], &[4, 1, 1]), true),
            (extended(&[0x55, 0x80, 14], &[4, 1, 1]), true),
            (extended(&[0x55, 0x1d, 14], &[4, 1, 1]), false),
            (with(&[0, 0, 1], name, (0x0c, b"x")), true),
            (with(&[0xff, 0x80], name, (0x0c, b"x")), true),
        ] {
            let Ok(read) = Certificate::from_der(der.clone()) else { panic!("{der:02x?}") };
            assert_eq!(read.strict_refusal().is_some(), refused, "{der:02x?} {:?}", read.strict_refusal());
            if let Some(taken) = openssl_takes(&der) {
                assert_eq!(taken, !refused, "{der:02x?}");
            }
        }
    }
}
