//! Distinguished names (RFC 5280 section 4.1.2.4): as text for people, and compared as path building compares them.

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The name as people read it: `C=DE, O=Example, CN=Example Root`, in the order of the certificate; a relative name of several
/// attributes joined by ` + `. Not escaped, and not meant to be read back.
pub(super) fn text(der: &[u8]) -> String {
    let Ok((_, name)) = X509Name::from_der(der) else {
        return String::new();
    };
    let relative = name.iter_rdn().map(|relative| {
        let attributes: Vec<String> =
            relative.iter().map(|attribute| format!("{}={}", key(attribute), value(attribute.attr_value()))).collect();
        attributes.join(" + ")
    });
    relative.collect::<Vec<_>>().join(", ")
}

/// The last, most specific common name.
pub(super) fn common_name(der: &[u8]) -> Option<String> {
    let (_, name) = X509Name::from_der(der).ok()?;
    name.iter_common_name().last().map(|attribute| value(attribute.attr_value()))
}

/// All common names, in their order.
pub(super) fn common_names(der: &[u8]) -> Vec<String> {
    let Ok((_, name)) = X509Name::from_der(der) else { return Vec::new() };
    name.iter_common_name().map(|attribute| value(attribute.attr_value())).collect()
}

/// Whether both are the same name: equal bytes, or equal after RFC 5280 section 7.1, which folds case and white space and does
/// not tell the kinds of strings apart.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let (Ok((_, a)), Ok((_, b))) = (X509Name::from_der(a), X509Name::from_der(b)) else {
        return false;
    };
    let (a, b): (Vec<_>, Vec<_>) = (a.iter_rdn().collect(), b.iter_rdn().collect());
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| {
            // A relative name is a set, and DER sorts it by bytes that folding may change.
            let (a, b): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
            a.len() == b.len() && a.iter().all(|one| b.iter().any(|other| same_attribute(one, other)))
        })
}

fn same_attribute(a: &AttributeTypeAndValue<'_>, b: &AttributeTypeAndValue<'_>) -> bool {
    if a.attr_type() != b.attr_type() {
        return false;
    }
    let (a, b) = (a.attr_value(), b.attr_value());
    match (string(a), string(b)) {
        (Some(a), Some(b)) => a == b || folded(&a) == folded(&b),
        (None, None) => a.tag() == b.tag() && a.data == b.data,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn key(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let short = match oid.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.15" => "businessCategory",
        "2.5.4.17" => "postalCode",
        "2.5.4.42" => "GN",
        "2.5.4.46" => "dnQualifier",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "1.3.6.1.4.1.311.60.2.1.1" => "jurisdictionL",
        "1.3.6.1.4.1.311.60.2.1.2" => "jurisdictionST",
        "1.3.6.1.4.1.311.60.2.1.3" => "jurisdictionC",
        _ => return oid,
    };
    short.to_owned()
}

/// The text of an attribute, or its bytes as RFC 4514 section 2.4 writes what is no text.
fn value(any: &Any<'_>) -> String {
    string(any).unwrap_or_else(|| any.data.iter().fold("#".to_owned(), |text, byte| text + &format!("{byte:02x}")))
}

/// The text of a string type. Wrong encodings are common, so what cannot be read becomes U+FFFD instead of an error.
fn string(any: &Any<'_>) -> Option<String> {
    match any.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            Some(String::from_utf8_lossy(any.data).into_owned())
        }
        // Everybody who uses T61String means Latin-1.
        Tag::T61String => Some(any.data.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let units = any.data.chunks(2).map(|pair| pair.iter().fold(0, |unit, byte| (unit << 8) | u16::from(*byte)));
            Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
        }
        Tag::UniversalString => {
            let points =
                any.data.chunks(4).map(|four| four.iter().fold(0, |point, byte| (point << 8) | u32::from(*byte)));
            Some(points.map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
        }
        _ => None,
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
