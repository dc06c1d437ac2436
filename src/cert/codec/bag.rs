//! The parts of a PKCS#12 store (RFC 7292 section 4): safes, and the bags in them.

use zeroize::Zeroizing;

use super::tlv::{BMP, Element, INTEGER, OBJECT, OCTETS, SEQUENCE, SET, ZERO, ZERO_PRIMITIVE};

/// 1.2.840.113549.1.7.1, the content type of plain data.
pub(super) const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
pub(super) const ENCRYPTED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06";
pub(super) const FRIENDLY_NAME: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x14";
pub(super) const LOCAL_KEY_ID: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x15";
/// The bags, with the number of each after it (RFC 7292 section 4.2).
pub(super) const BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01";

/// 2.16.840.1.113894.746875.1.1: Java trusts a certificate that has it.
pub(super) const TRUSTED_KEY_USAGE: &[u8] = b"\x60\x86\x48\x01\x86\xf9\x66\xad\xca\x7b\x01\x01";

/// The attributes of a bag.
#[derive(Default)]
pub(super) struct Marks {
    /// The friendly name.
    pub(super) name: Option<String>,
    /// What key and certificate of a pair share.
    pub(super) local_key_id: Option<Vec<u8>>,
    /// Whether Java trusts it for itself, whatever chain it is also a part of.
    pub(super) trusted: bool,
}

/// What a `ContentInfo` holds.
pub(super) enum Content<'a> {
    Plain(&'a [u8]),
    Encrypted { scheme: Element<'a>, data: Zeroizing<Vec<u8>> },
    Other,
}

impl<'a> Content<'a> {
    /// Takes a safe apart.
    pub(super) fn of(safe: Element<'a>) -> Option<Self> {
        let mut parts = safe.tagged(SEQUENCE)?.inside();
        let kind = parts.expect(OBJECT)?.content;
        let value = parts.expect(ZERO)?.only()?;
        if kind == DATA {
            return Some(Self::Plain(value.tagged(OCTETS)?.content));
        }
        if kind != ENCRYPTED_DATA {
            return Some(Self::Other);
        }
        let mut encrypted = value.tagged(SEQUENCE)?.inside();
        encrypted.expect(INTEGER)?;
        let mut info = encrypted.expect(SEQUENCE)?.inside();
        info.expect(OBJECT)?;
        let scheme = info.expect(SEQUENCE)?;
        let mut data = Zeroizing::new(Vec::new());
        match info.next() {
            Some(octets) if octets.tag == ZERO_PRIMITIVE => data.extend_from_slice(octets.content),
            // In pieces.
            Some(pieces) if pieces.tag == ZERO => {
                for piece in pieces.inside() {
                    data.extend_from_slice(piece.tagged(OCTETS)?.content);
                }
            }
            Some(_) => return None,
            None => {}
        }
        Some(Self::Encrypted { scheme, data })
    }
}

/// The kind, value and attributes of a bag. Attributes that cannot be read are none.
pub(super) fn bag_parts(bag: Element<'_>) -> Option<(u8, Element<'_>, Marks)> {
    let mut parts = bag.tagged(SEQUENCE)?.inside();
    let kind = match parts.expect(OBJECT)?.content.strip_prefix(BAG)? {
        [kind] => *kind,
        _ => return None,
    };
    let value = parts.expect(ZERO)?.only()?;
    let mut marks = Marks::default();
    for attribute in parts.optional(SET).map(Element::inside).into_iter().flatten() {
        let mut attribute = attribute.inside();
        let (Some(kind), Some(values)) = (attribute.expect(OBJECT), attribute.expect(SET)) else { continue };
        match (kind.content, values.inside().next()) {
            (FRIENDLY_NAME, Some(name)) if name.tag == BMP => {
                let units = name.content.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
                let name = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
                // Windows writes the end mark of its strings too.
                let name = name.collect::<String>();
                marks.name = Some(name.trim_end_matches('\0').to_owned()).filter(|name| !name.is_empty());
            }
            (TRUSTED_KEY_USAGE, Some(_)) => marks.trusted = true,
            (LOCAL_KEY_ID, Some(id)) if id.tag == OCTETS => marks.local_key_id = Some(id.content.to_vec()),
            _ => {}
        }
    }
    Some((kind, value, marks))
}

/// The value of a bag that holds an encrypted key.
pub(super) fn shrouded(bag: Element<'_>) -> Option<Element<'_>> {
    bag_parts(bag).filter(|(kind, ..)| *kind == 2).map(|(_, value, _)| value)
}
