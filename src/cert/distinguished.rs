//! Distinguished names (RFC 5280 section 4.1.2.4): as text for people, and compared as path building compares them.

use std::borrow::Cow;

use super::codec::tlv::{Element, OBJECT, SEQUENCE, SET, dotted};
use crate::digest::hex;

/// One attribute of a name.
struct Attribute<'a> {
    /// Which relative name it belongs to, counted from the first.
    relative: usize,
    oid: &'a [u8],
    tag: u8,
    data: &'a [u8],
}

/// The name as people read it: `C=DE, O=Example, CN=Example Root`, in the order of the certificate; a relative name of several
/// attributes joined by ` + `. Not escaped, and not meant to be read back.
pub(super) fn text(der: &[u8]) -> String {
    let mut text = String::with_capacity(der.len());
    let mut last = 0;
    let whole = each(der, |attribute| {
        if !text.is_empty() {
            text.push_str(if attribute.relative == last { " + " } else { ", " });
        }
        last = attribute.relative;
        text.push_str(&attribute.key());
        text.push('=');
        text.push_str(&attribute.value());
    });
    whole.map_or_else(String::new, |()| text)
}

/// The last, most specific common name.
pub(super) fn common_name(der: &[u8]) -> Option<String> {
    let mut last = None;
    each(der, |attribute| last = Some(attribute).filter(|one| one.oid == COMMON_NAME).or(last.take()))?;
    last.map(|attribute| attribute.value().into_owned())
}

/// All common names, in their order.
pub(super) fn common_names(der: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let whole = each(der, |attribute| {
        if attribute.oid == COMMON_NAME {
            names.push(attribute.value().into_owned());
        }
    });
    whole.map_or_else(Vec::new, |()| names)
}

/// Whether both are the same name: equal bytes, or equal after RFC 5280 section 7.1, which folds case and white space and does
/// not tell the kinds of strings apart.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let (Some(a), Some(b)) = (attributes(a), attributes(b)) else {
        return false;
    };
    let by_relative = |one: &Attribute<'_>, other: &Attribute<'_>| one.relative == other.relative;
    // A relative name is a set, and DER sorts it by bytes that folding may change.
    let same_set = |a: &[Attribute<'_>], b: &[Attribute<'_>]| {
        a.len() == b.len() && a.iter().all(|one| b.iter().any(|other| same_attribute(one, other)))
    };
    // With as many attributes, and sets of one size as far as there are sets, neither name has more of them.
    a.len() == b.len() && a.chunk_by(by_relative).zip(b.chunk_by(by_relative)).all(|(a, b)| same_set(a, b))
}

fn same_attribute(a: &Attribute<'_>, b: &Attribute<'_>) -> bool {
    if a.oid != b.oid {
        return false;
    }
    if a.tag == b.tag && a.data == b.data {
        return true;
    }
    match (a.string(), b.string()) {
        (Some(a), Some(b)) if a == b => true,
        // Most differ, and are plain enough to see that without folding them.
        (Some(a), Some(b)) if is_plain(&a) && is_plain(&b) => a.eq_ignore_ascii_case(&b),
        (Some(a), Some(b)) => folded(&a) == folded(&b),
        (None | Some(_), None) | (None, Some(_)) => false,
    }
}

/// Whether folding it changes nothing but the case of ASCII letters.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| *byte == b' ' || byte.is_ascii_graphic())
        && !bytes.starts_with(b" ")
        && !bytes.ends_with(b" ")
        && !bytes.windows(2).any(|pair| pair == b"  ")
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// All attributes, none where the bytes are no name.
fn attributes(der: &[u8]) -> Option<Vec<Attribute<'_>>> {
    let mut found = Vec::with_capacity(8);
    each(der, |attribute| found.push(attribute))?;
    Some(found)
}

/// Shows one attribute after the other; none where the bytes are no name, which is known only when some were shown.
fn each<'a>(der: &'a [u8], mut show: impl FnMut(Attribute<'a>)) -> Option<()> {
    let mut relatives = Element::filling(der)?.tagged(SEQUENCE)?.inside();
    let mut relative = 0;
    while !relatives.is_done() {
        let mut set = relatives.expect(SET)?.inside();
        while !set.is_done() {
            let mut pair = set.expect(SEQUENCE)?.inside();
            let (oid, value) = (pair.expect(OBJECT)?.content, pair.next()?);
            show(Attribute { relative, oid, tag: value.tag, data: value.content });
        }
        relative += 1;
    }
    Some(())
}

const COMMON_NAME: &[u8] = &[0x55, 4, 3];

impl Attribute<'_> {
    fn key(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.oid {
            COMMON_NAME => "CN",
            // Below 2.5.4.
            [0x55, 4, 4] => "SN",
            [0x55, 4, 5] => "serialNumber",
            [0x55, 4, 6] => "C",
            [0x55, 4, 7] => "L",
            [0x55, 4, 8] => "ST",
            [0x55, 4, 9] => "street",
            [0x55, 4, 10] => "O",
            [0x55, 4, 11] => "OU",
            [0x55, 4, 12] => "title",
            [0x55, 4, 15] => "businessCategory",
            [0x55, 4, 17] => "postalCode",
            [0x55, 4, 42] => "GN",
            [0x55, 4, 46] => "dnQualifier",
            [0x55, 4, 97] => "organizationIdentifier",
            // 0.9.2342.19200300.100.1
            [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
            [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
            // 1.2.840.113549.1.9.1
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
            // 1.3.6.1.4.1.311.60.2.1
            [0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 1] => "jurisdictionL",
            [0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 2] => "jurisdictionST",
            [0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 3] => "jurisdictionC",
            other => return Cow::Owned(dotted(other)),
        })
    }

    /// Its text, or its bytes as RFC 4514 section 2.4 writes what is no text.
    fn value(&self) -> Cow<'_, str> {
        self.string().unwrap_or_else(|| Cow::Owned(format!("#{}", hex(self.data))))
    }

    /// The text of a string type. Wrong encodings are common, so what cannot be read becomes U+FFFD instead of an error.
    fn string(&self) -> Option<Cow<'_, str>> {
        match self.tag {
            // UTF8String, NumericString, PrintableString, IA5String, VisibleString.
            0x0c | 0x12 | 0x13 | 0x16 | 0x1a => Some(match std::str::from_utf8(self.data) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => String::from_utf8_lossy(self.data),
            }),
            // Everybody who uses T61String means Latin-1.
            0x14 => Some(self.data.iter().map(|byte| char::from(*byte)).collect()),
            // BMPString.
            0x1e => {
                let unit = |pair: &[u8]| pair.iter().fold(0, |unit, byte| (unit << 8) | u16::from(*byte));
                let read = char::decode_utf16(self.data.chunks(2).map(unit));
                Some(read.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
            }
            // UniversalString.
            0x1c => {
                let point = |four: &[u8]| four.iter().fold(0, |point, byte| (point << 8) | u32::from(*byte));
                let read = self.data.chunks(4).map(|four| char::from_u32(point(four)));
                Some(read.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One relative name per `(last arc below 2.5.4, string tag, bytes)`.
    fn name(attributes: &[(u8, u8, &[u8])]) -> Vec<u8> {
        let sets = attributes.iter().flat_map(|(arc, tag, bytes)| {
            let value = tlv(*tag, bytes);
            tlv(0x31, &tlv(0x30, &[&[0x06, 3, 0x55, 4, *arc], value.as_slice()].concat()))
        });
        tlv(0x30, &sets.collect::<Vec<u8>>())
    }

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    #[test]
    fn every_string_type_is_text() {
        let der = name(&[
            (6, 0x13, b"DE"),
            (10, 0x1e, b"\0B\x00\xfc"),
            (11, 0x14, b"M\xfcll"),
            (11, 0x1c, b"\0\x01\xf6\x00"),
            (3, 0x0c, b"a\xff"),
            (3, 0x04, b"\x01\x02"),
            (99, 0x0c, b"x"),
        ]);
        assert_eq!(text(&der), "C=DE, O=Bü, OU=Müll, OU=😀, CN=a\u{fffd}, CN=#0102, 2.5.4.99=x");
        assert_eq!(common_name(&der).unwrap(), "#0102");
        assert_eq!(text(&name(&[])), "");
        assert_eq!(common_name(&name(&[])), None);
    }

    #[test]
    fn names_are_compared_folded() {
        let printable = name(&[(6, 0x13, b"DE"), (3, 0x13, b"Example  Root ")]);
        assert!(same(&printable, &name(&[(6, 0x0c, b"de"), (3, 0x0c, b"example root")])));
        assert!(!same(&printable, &name(&[(6, 0x0c, b"de"), (3, 0x0c, b"example roots")])));
        assert!(!same(&printable, &name(&[(3, 0x0c, b"example root"), (6, 0x0c, b"de")])), "order counts");
        assert!(!same(&printable, &name(&[(6, 0x13, b"DE")])));
        assert!(!same(&name(&[(3, 0x0c, b"a")]), &name(&[(10, 0x0c, b"a")])));
        assert!(!same(&name(&[(3, 0x04, b"a")]), &name(&[(3, 0x0c, b"a")])));
    }

    #[test]
    fn garbage_is_no_name() {
        assert_eq!(text(b"\x30\x05x"), "");
        assert!(!same(b"\x30\x05x", b"\x30\x05y"));
    }
}
