//! Whether the content of an extension is built as its kind has it (RFC 5280 section 4.2), down to the tags that the lenient readers pass
//! over: OpenSSL and Go read all of it before they take a certificate for anything.

use crate::cert::codec::tlv::{
    BITS, Element, Elements, INTEGER, NULL, OBJECT, OCTETS, ONE, SEQUENCE, SET, ZERO, ZERO_PRIMITIVE,
};

const BOOLEAN: u8 = 0x01;
/// `[1]`, primitive.
const ONE_PRIMITIVE: u8 = 0x81;
/// `[2]`, primitive.
const TWO_PRIMITIVE: u8 = 0x82;
/// `[2]`, constructed.
const TWO: u8 = 0xa2;

/// 1.3.6.1.5.5.7.1.1
pub(super) const AUTHORITY_INFORMATION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
/// 1.3.6.1.5.5.7.1.7 and .8: addresses and numbers of networks that a holder may use (RFC 3779).
pub(super) const ADDRESS_BLOCKS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 7];
pub(super) const AS_IDENTIFIERS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 8];
/// 2.16.840.1.113730.1.1: the certificate type of Netscape, a BIT STRING.
pub(in crate::cert) const NETSCAPE_TYPE: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 1, 1];

/// Whether this is the content of the extension with this identifier; of those that clients do not read, everything is.
pub(in crate::cert) fn is_content(identifier: &[u8], value: &[u8]) -> bool {
    // OpenSSL, which alone reads these, does not look behind them.
    if let ADDRESS_BLOCKS | AS_IDENTIFIERS = identifier {
        return Elements(value).next().is_some_and(|whole| match identifier {
            ADDRESS_BLOCKS => whole.tag == SEQUENCE && all(whole.inside(), is_address_family),
            _ => is_as_identifiers(whole),
        });
    }
    let Some(whole) = Element::filling(value) else { return !is_read(identifier) };
    match identifier {
        // Below 2.5.29. The alternative names of an issuer (18) are read by nobody.
        [0x55, 0x1d, 14] => whole.tag == OCTETS,
        [0x55, 0x1d, 15] => is_bits(whole),
        [0x55, 0x1d, 17] => whole.tag == SEQUENCE && all(whole.inside(), is_name),
        [0x55, 0x1d, 19] => is_constraints(whole),
        [0x55, 0x1d, 30] => is_name_constraints(whole),
        [0x55, 0x1d, 31] => whole.tag == SEQUENCE && all(whole.inside(), is_distribution_point),
        [0x55, 0x1d, 32] => whole.tag == SEQUENCE && all(whole.inside(), is_policy),
        [0x55, 0x1d, 35] => is_authority_key(whole),
        [0x55, 0x1d, 37] => whole.tag == SEQUENCE && all(whole.inside(), is_identifier),
        NETSCAPE_TYPE => is_bits(whole),
        AUTHORITY_INFORMATION => whole.tag == SEQUENCE && all(whole.inside(), is_access),
        _ => true,
    }
}

fn is_read(identifier: &[u8]) -> bool {
    matches!(
        identifier,
        [0x55, 0x1d, 14 | 15 | 17 | 19 | 30 | 31 | 32 | 35 | 37] | AUTHORITY_INFORMATION | NETSCAPE_TYPE
    )
}

/// Whether these octets are an object identifier: one with the high bit is followed by another, and no number begins with a zero (X.690
/// section 8.19.2).
pub(in crate::cert) fn names_an_object(octets: &[u8]) -> bool {
    let mut begins = true;
    for octet in octets {
        if begins && *octet == 0x80 {
            return false;
        }
        begins = *octet < 0x80;
    }
    begins && !octets.is_empty()
}

/// Whether elements follow one another to the end, each of which is such a one.
fn all(mut elements: Elements<'_>, is_one: impl Fn(Element<'_>) -> bool) -> bool {
    while !elements.is_done() {
        if !elements.next().is_some_and(&is_one) {
            return false;
        }
    }
    true
}

fn is_identifier(element: Element<'_>) -> bool {
    element.tag == OBJECT && names_an_object(element.content)
}

fn is_bits(element: Element<'_>) -> bool {
    element.tag == BITS && element.content.first().is_some_and(|unused| *unused < 8)
}

/// `GeneralName` (section 4.2.1.6).
fn is_name(element: Element<'_>) -> bool {
    match element.tag {
        ZERO => {
            let mut parts = element.inside();
            parts.next().is_some_and(is_identifier)
                && parts.expect(ZERO).is_some_and(|value| value.only().is_some())
                && parts.is_done()
        }
        // rfc822Name, dNSName, uniformResourceIdentifier, iPAddress.
        0x81 | 0x82 | 0x86 | 0x87 => true,
        // x400Address, ediPartyName.
        0xa3 | 0xa5 => all(element.inside(), |_| true),
        0xa4 => element.only().is_some_and(|name| name.tag == SEQUENCE && all(name.inside(), is_relative_name)),
        0x88 => names_an_object(element.content),
        _ => false,
    }
}

fn is_names(element: Element<'_>) -> bool {
    all(element.inside(), is_name)
}

fn is_relative_name(element: Element<'_>) -> bool {
    element.tag == SET && all(element.inside(), is_attribute)
}

fn is_attribute(element: Element<'_>) -> bool {
    let mut parts = element.inside();
    element.tag == SEQUENCE && parts.next().is_some_and(is_identifier) && parts.next().is_some() && parts.is_done()
}

/// `BasicConstraints` (section 4.2.1.9).
fn is_constraints(whole: Element<'_>) -> bool {
    let mut parts = whole.inside();
    let ca = parts.optional(BOOLEAN).is_none_or(|ca| ca.content.len() == 1);
    // Not below zero.
    let length = parts.optional(INTEGER).is_none_or(|length| matches!(length.content, [0..0x80, ..]));
    whole.tag == SEQUENCE && ca && length && parts.is_done()
}

/// `NameConstraints` (section 4.2.1.10).
fn is_name_constraints(whole: Element<'_>) -> bool {
    let is_subtree = |subtree: Element<'_>| {
        let mut parts = subtree.inside();
        let name = parts.next().is_some_and(is_name);
        parts.optional(ZERO_PRIMITIVE);
        parts.optional(ONE_PRIMITIVE);
        subtree.tag == SEQUENCE && name && parts.is_done()
    };
    let mut parts = whole.inside();
    let permitted = parts.optional(ZERO).is_none_or(|list| all(list.inside(), is_subtree));
    let excluded = parts.optional(ONE).is_none_or(|list| all(list.inside(), is_subtree));
    whole.tag == SEQUENCE && permitted && excluded && parts.is_done()
}

/// `AuthorityKeyIdentifier` (section 4.2.1.1).
fn is_authority_key(whole: Element<'_>) -> bool {
    let mut parts = whole.inside();
    parts.optional(ZERO_PRIMITIVE);
    let issuer = parts.optional(ONE).is_none_or(is_names);
    parts.optional(TWO_PRIMITIVE);
    whole.tag == SEQUENCE && issuer && parts.is_done()
}

/// `DistributionPoint` (section 4.2.1.13).
fn is_distribution_point(element: Element<'_>) -> bool {
    let mut parts = element.inside();
    let name = parts.optional(ZERO);
    let named = name.is_some();
    let name = name.is_none_or(|name| {
        name.only().is_some_and(|name| match name.tag {
            ZERO => is_names(name),
            ONE => all(name.inside(), is_attribute),
            _ => false,
        })
    });
    parts.optional(ONE_PRIMITIVE);
    let issuer = parts.optional(TWO);
    // It says where, or who: reasons alone lead nowhere.
    let leads = named || issuer.is_some_and(|issuer| !issuer.content.is_empty());
    element.tag == SEQUENCE && name && leads && issuer.is_none_or(is_names) && parts.is_done()
}

/// `IPAddressFamily` (RFC 3779 section 2.2.3).
fn is_address_family(element: Element<'_>) -> bool {
    let is_range = |one: Element<'_>| is_bits(one) || (one.tag == SEQUENCE && pair(one, is_bits));
    let mut parts = element.inside();
    element.tag == SEQUENCE
        && parts.expect(OCTETS).is_some()
        && parts.next().is_some_and(|choice| is_inherited_or(choice, is_range))
        && parts.is_done()
}

/// `ASIdentifiers` (RFC 3779 section 3.2.3).
fn is_as_identifiers(whole: Element<'_>) -> bool {
    let is_range = |one: Element<'_>| is_integer(one) || (one.tag == SEQUENCE && pair(one, is_integer));
    let is_choice = |choice: Element<'_>| choice.only().is_some_and(|choice| is_inherited_or(choice, is_range));
    let mut parts = whole.inside();
    let numbers = parts.optional(ZERO).is_none_or(is_choice);
    let domains = parts.optional(ONE).is_none_or(is_choice);
    whole.tag == SEQUENCE && numbers && domains && parts.is_done()
}

/// What is inherited from the issuer, or a list.
fn is_inherited_or(choice: Element<'_>, is_one: impl Fn(Element<'_>) -> bool) -> bool {
    match choice.tag {
        NULL => choice.content.is_empty(),
        SEQUENCE => all(choice.inside(), is_one),
        _ => false,
    }
}

fn pair(element: Element<'_>, is_one: impl Fn(Element<'_>) -> bool) -> bool {
    element.inside().count() == 2 && all(element.inside(), is_one)
}

/// In as few octets as can be (X.690 section 8.3.2).
fn is_integer(element: Element<'_>) -> bool {
    element.tag == INTEGER && !matches!(element.content, [] | [0, 0..0x80, ..] | [0xff, 0x80..=0xff, ..])
}

/// `PolicyInformation` (section 4.2.1.4).
fn is_policy(element: Element<'_>) -> bool {
    let mut parts = element.inside();
    let identifier = parts.next().is_some_and(is_identifier);
    let qualifiers = parts.optional(SEQUENCE).is_none_or(|qualifiers| all(qualifiers.inside(), is_qualifier));
    element.tag == SEQUENCE && identifier && qualifiers && parts.is_done()
}

fn is_qualifier(element: Element<'_>) -> bool {
    let mut parts = element.inside();
    element.tag == SEQUENCE && parts.next().is_some_and(is_identifier) && parts.next().is_some() && parts.is_done()
}

/// `AccessDescription` (section 4.2.2.1).
fn is_access(element: Element<'_>) -> bool {
    let mut parts = element.inside();
    element.tag == SEQUENCE
        && parts.next().is_some_and(is_identifier)
        && parts.next().is_some_and(is_name)
        && parts.is_done()
}
