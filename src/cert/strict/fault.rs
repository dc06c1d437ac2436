//! What clients hold against a certificate wherever it stands in a chain, be it the root: whoever takes a root's name and key alone does not
//! see it, and OpenSSL, Go or `GnuTLS` refuse the chain.

use super::{Part, written};
use crate::cert::certificate::Certificate;
use crate::cert::codec::tlv::dotted;

/// What OpenSSL refuses every chain for that has this certificate, whoever vouches for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// It is written as no DER has it.
    #[error("is not loaded by OpenSSL: {0}")]
    NotLoaded(&'static str),
    /// An extension of this name that OpenSSL reads has another content than its kind.
    #[error("has an extension that OpenSSL cannot read, {0}")]
    Unreadable(&'static str),
    /// A proxy certificate (RFC 3820), which is no CA's, and no server's with alternative names.
    #[error("is a proxy certificate (RFC 3820), which OpenSSL takes from no CA and from no server")]
    Proxy,
    /// An extension is critical that OpenSSL does not handle (RFC 5280 section 4.2).
    #[error("has a critical extension that OpenSSL does not take")]
    Critical,
    /// A date is written in another way than RFC 5280 section 4.1.2.5 has, with fractions of a second or without `Z`.
    #[error("has a date that OpenSSL cannot read")]
    Date,
}

/// 1.3.6.1.5.5.7.1.14
pub(in crate::cert) const PROXY: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 14];
/// 2.5.29.36
const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];

impl Certificate {
    /// What OpenSSL holds against it as a part of any chain.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        // What is sound has no other extension that is critical, no proxy's, and dates as they have to be.
        if self.is_sound() {
            return None;
        }
        if let Some(why) = self.load_refusal() {
            return Some(Fault::NotLoaded(why));
        }
        if self.parts().any(|part| part.identifier == PROXY) {
            return Some(Fault::Proxy);
        }
        if let Some(name) = self.parts().find_map(|part| read_by_openssl(part.identifier).filter(|_| self.is_odd(part)))
        {
            return Some(Fault::Unreadable(name));
        }
        if self.parts().any(|part| part.critical && !taken_by_openssl(part.identifier)) {
            return Some(Fault::Critical);
        }
        let dates = self.validity();
        dates.is_some_and(|mut dates| dates.any(|date| !is_date(date.tag, date.content))).then_some(Fault::Date)
    }

    /// What other clients than OpenSSL and rustls refuse it for as the root of a chain.
    #[must_use]
    pub fn doubt_as_root(&self) -> Option<String> {
        if self.is_sound() {
            return None;
        }
        if self.parts().any(|part| part.critical && part.identifier == POLICY_CONSTRAINTS) {
            return Some("has critical policy constraints, which Go and GnuTLS do not take".to_owned());
        }
        let odd = self.parts().find(|part| read_by_openssl(part.identifier).is_none() && self.is_odd(*part))?;
        Some(format!("has an extension that Go cannot read, {}", dotted(odd.identifier)))
    }

    /// Whether the content of an extension is not that of its kind.
    fn is_odd(&self, part: Part<'_>) -> bool {
        !written::is_content(part.identifier, part.value)
            || self.unreadable_extensions().iter().any(|one| *one == dotted(part.identifier))
    }
}

/// The name of an extension that OpenSSL reads before it takes a certificate for anything.
fn read_by_openssl(identifier: &[u8]) -> Option<&'static str> {
    Some(match identifier {
        // Below 2.5.29.
        [0x55, 0x1d, 14] => "subjectKeyIdentifier",
        [0x55, 0x1d, 15] => "keyUsage",
        [0x55, 0x1d, 17] => "subjectAltName",
        [0x55, 0x1d, 19] => "basicConstraints",
        [0x55, 0x1d, 30] => "nameConstraints",
        [0x55, 0x1d, 31] => "cRLDistributionPoints",
        [0x55, 0x1d, 35] => "authorityKeyIdentifier",
        [0x55, 0x1d, 37] => "extKeyUsage",
        written::NETSCAPE_TYPE => "nsCertType",
        _ => return None,
    })
}

/// Whether OpenSSL goes on where this extension is critical (`X509_supported_extension`).
fn taken_by_openssl(identifier: &[u8]) -> bool {
    match identifier {
        // Below 2.5.29: uses, names, constraints of all kinds, distribution points, policies and their mappings.
        [0x55, 0x1d, 15 | 17 | 19 | 30 | 31 | 32 | 33 | 36 | 37 | 54] | written::NETSCAPE_TYPE => true,
        // Addresses and numbers of networks (RFC 3779), below 1.3.6.1.5.5.7.1; no check of a responder (RFC 6960), 48.1.5.
        [0x2b, 6, 1, 5, 5, 7, 1, 7 | 8] | [0x2b, 6, 1, 5, 5, 7, 0x30, 1, 5] => true,
        _ => false,
    }
}

fn is_date(tag: u8, text: &[u8]) -> bool {
    let digits = match tag {
        super::UTC_TIME => 12,
        _ => 14,
    };
    text.strip_suffix(b"Z").is_some_and(|date| date.len() == digits && date.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec::tlv::{Element, SEQUENCE};
    use crate::cert::fixture::{Wish, rebuilt, self_signed, with_extensions};

    fn extension(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
        let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
        let parts = [&Element::wrap(0x06, identifier), critical, &Element::wrap(0x04, value)].concat();
        Element::wrap(SEQUENCE, &parts)
    }

    fn root(more: &[Vec<u8>]) -> Certificate {
        let ca = extension(&[0x55, 0x1d, 19], true, &[0x30, 3, 1, 1, 0xff]);
        let all = [&[ca], more].concat();
        Certificate::from_der(with_extensions(&self_signed(&Wish::ca("Root")).certificate, &all)).unwrap()
    }

    /// Each by what `openssl verify` said of a chain below such a root: errors 34, 20, 14, or that there is no such file.
    #[test]
    fn what_openssl_refuses_a_root_for_is_its_fault() {
        let name = Element::wrap(SEQUENCE, b"\x82\x01x");
        let access = Element::wrap(SEQUENCE, &Element::wrap(SEQUENCE, b"\x06\x02\x2a\x03\x86\x09http://x/"));
        let proxy = b"\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01";
        for (identifier, critical, value, fault) in [
            (&[0x55, 0x1d, 14][..], false, &b"\x04\x01x"[..], None),
            (&[0x55, 0x1d, 14], true, b"\x04\x01x", Some(Fault::Critical)),
            (&[0x55, 0x1d, 35], true, b"\x30\x03\x80\x01x", Some(Fault::Critical)),
            (&[0x55, 0x1d, 18], true, &name, Some(Fault::Critical)),
            (&[0x55, 0x1d, 18], false, &name, None),
            (written::AUTHORITY_INFORMATION, true, &access, Some(Fault::Critical)),
            (&[0x2b, 6, 1, 5, 5, 7, 1, 24], true, b"\x30\x03\x02\x01\x05", Some(Fault::Critical)),
            (&[0x2b, 6, 1, 5, 5, 7, 1, 24], false, b"\x30\x03\x02\x01\x05", None),
            (&[0x55, 0x1d, 15], true, b"\x03\x02\x01\x06", None),
            (&[0x55, 0x1d, 15], true, b"\x04\x02\x01\x06", Some(Fault::Unreadable("keyUsage"))),
            (written::NETSCAPE_TYPE, true, b"\x03\x02\x00\x07", None),
            (written::NETSCAPE_TYPE, false, b"\x04\x02\x00\x07", Some(Fault::Unreadable("nsCertType"))),
            (PROXY, false, proxy, Some(Fault::Proxy)),
            (POLICY_CONSTRAINTS, true, b"\x30\x03\x80\x01\x00", None),
            (&[0x55, 0x1d, 0x8e], false, b"\x05\x00", Some(Fault::NotLoaded("an extension has no object identifier"))),
        ] {
            assert_eq!(root(&[extension(identifier, critical, value)]).fault(), fault, "{identifier:?} {critical}");
        }
        let negative = extension(&[0x55, 0x1d, 19], true, &[0x30, 6, 1, 1, 0xff, 2, 1, 0xff]);
        let negative = with_extensions(&self_signed(&Wish::ca("Root")).certificate, &[negative]);
        let fault = Certificate::from_der(negative).unwrap().fault();
        assert_eq!(fault, Some(Fault::Unreadable("basicConstraints")));
    }

    #[test]
    fn a_date_that_openssl_cannot_compare_is_a_fault() {
        for (tag, text, good) in [
            (0x18, &b"20500101000000Z"[..], true),
            (0x18, b"20490101000000Z", true),
            (0x18, b"20500101000000.5Z", false),
            (0x18, b"20500101000000+0000", false),
            (0x17, b"4901010000Z", false),
        ] {
            let der = rebuilt(&self_signed(&Wish::ca("Root")).certificate, |parts| {
                let begin = Element::filling(&parts[4]).unwrap().inside().next().unwrap().whole.to_vec();
                parts[4] = Element::wrap(SEQUENCE, &[begin, Element::wrap(tag, text)].concat());
            });
            // What no reader takes is no certificate at all.
            if let Ok(read) = Certificate::from_der(der) {
                assert_eq!(read.fault(), (!good).then_some(Fault::Date), "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn what_others_refuse_a_root_for_is_a_doubt() {
        let policies = extension(&[0x55, 0x1d, 32], false, b"\x30\x04\x30\x02\x05\x00");
        for (more, doubted) in [
            (vec![], false),
            (vec![extension(POLICY_CONSTRAINTS, false, b"\x30\x03\x80\x01\x00")], false),
            (vec![extension(POLICY_CONSTRAINTS, true, b"\x30\x03\x80\x01\x00")], true),
            (vec![policies], true),
        ] {
            let root = root(&more);
            assert_eq!((root.fault(), root.doubt_as_root().is_some()), (None, doubted), "{more:02x?}");
        }
    }
}
