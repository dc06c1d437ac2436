//! What strict readers have against a certificate before they look at any other: such a one is loaded by no server and taken by no client.

use super::certificate::Certificate;
use super::distinguished;

impl Certificate {
    /// What a strict reader of certificates has against this one before it looks at any other: rustls, or else OpenSSL, which also reads the
    /// names and the serial number, as Go does.
    #[must_use]
    pub fn strict_refusal(&self) -> Option<String> {
        let der = rustls::pki_types::CertificateDer::from(self.der());
        let error = webpki::EndEntityCert::try_from(&der).err();
        error.map(|error| format!("{error:?}")).or_else(|| self.loosely_written().map(str::to_owned))
    }

    /// What in the serial number or in a name is written as no DER has it (X.690).
    fn loosely_written(&self) -> Option<&'static str> {
        match self.serial_octets() {
            // Section 8.3.2.
            [] => return Some("the serial number has no octets"),
            [0, 0..0x80, ..] | [0xff, 0x80..=0xff, ..] => {
                return Some("the serial number has more octets than it needs");
            }
            _ => {}
        }
        distinguished::fault(self.issuer_der()).or_else(|| distinguished::fault(self.subject_der()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use crate::cert::Certificate;
    use crate::cert::codec::tlv::{Element, SEQUENCE, SET};
    use crate::cert::fixture::{Wish, self_signed};
    use crate::cert::key::tests::openssl;

    /// The certificate of `Root`, with another serial number, and with this attribute value in its subject.
    fn with(serial: &[u8], oid: &[u8], value: (u8, &[u8])) -> Vec<u8> {
        let one = self_signed(&Wish::ca("Root")).certificate;
        let outer: Vec<Element<'_>> = Element::filling(one.der()).unwrap().inside().collect();
        let mut parts: Vec<Vec<u8>> = outer[0].inside().map(|part| part.whole.to_vec()).collect();
        parts[1] = Element::wrap(0x02, serial);
        let pair = [Element::wrap(0x06, oid), Element::wrap(value.0, value.1)].concat();
        parts[5] = Element::wrap(SEQUENCE, &Element::wrap(SET, &Element::wrap(SEQUENCE, &pair)));
        let tbs = Element::wrap(SEQUENCE, &parts.concat());
        Element::wrap(SEQUENCE, &[&tbs, outer[1].whole, outer[2].whole].concat())
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
        for (der, refused) in [
            (with(serial, name, (0x0c, "Café".as_bytes())), false),
            (with(serial, name, (0x13, b"Caf\xe9")), false),
            (with(serial, name, (0x14, b"Caf\xe9")), false),
            (with(serial, name, (0x1e, b"\0C\0a")), false),
            (with(&[0, 0x80], name, (0x0c, b"x")), false),
            (with(&[0x80], name, (0x0c, b"x")), false),
            (with(serial, name, (0x0c, b"Caf\xe9")), true),
            (with(serial, name, (0x1e, b"\0C\0")), true),
            (with(serial, name, (0x1c, b"\0\0\0")), true),
            (with(serial, &[0x55, 0x80, 4], (0x0c, b"x")), true),
            (with(serial, &[0x55, 0x84], (0x0c, b"x")), true),
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
