//! Reads a certificate that is written just as DER (X.690) and RFC 5280 have it, and nothing else: `None` says only that another has to
//! read it.

use std::borrow::Cow;

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::{AlternativeName, Content, Extension, Outline, odd, place};
use crate::cert::algorithm::{Hash, KeyKind, SignatureAlgorithm};
use crate::cert::codec::tlv::{BITS, BMP, Element, Elements, INTEGER, OBJECT, OCTETS, SEQUENCE, SET, ZERO};
use crate::cert::details::Purposes;
use crate::cert::spki;
use crate::cert::strict::fault::PROXY;
use crate::cert::strict::{go, written};

const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[3]`, constructed.
const THREE: u8 = 0xa3;
const PRINTABLE: u8 = 0x13;
/// Of strings: UTF-8, printable, teletex, IA5, BMP.
const STRINGS: [u8; 5] = [0x0c, PRINTABLE, 0x14, 0x16, BMP];

pub(super) fn read(der: &[u8]) -> Option<Outline<'_>> {
    let mut certificate = only(der, SEQUENCE)?;
    let whole = take(&mut certificate, SEQUENCE)?;
    let algorithm = take(&mut certificate, SEQUENCE)?;
    let signature = bits(take(&mut certificate, BITS)?)?;
    let mut tbs = whole.inside();
    // Version 3.
    if take(&mut tbs, ZERO)?.content != [INTEGER, 1, 2] || !certificate.is_done() {
        return None;
    }
    let serial = take(&mut tbs, INTEGER)?.content;
    let inner = take(&mut tbs, SEQUENCE)?;
    // rustls takes none that are longer.
    let mut sound = is_minimal(serial) && u16::try_from(der.len()).is_ok();
    let issuer = name(take(&mut tbs, SEQUENCE)?, &mut sound)?;
    let mut validity = take(&mut tbs, SEQUENCE)?.inside();
    let (not_before, not_after) = (moment(validity.next()?)?, moment(validity.next()?)?);
    let subject = name(take(&mut tbs, SEQUENCE)?, &mut sound)?;
    let spki = take(&mut tbs, SEQUENCE)?;
    let extensions = extensions(only(take(&mut tbs, THREE)?.content, SEQUENCE)?, &mut sound)?;
    if !(tbs.is_done() && validity.is_done() && inner.whole == algorithm.whole) || serial.is_empty() {
        return None;
    }
    Some(Outline {
        tbs: place(der, whole.whole),
        version: 3,
        serial: place(der, serial),
        algorithms_differ: false,
        issuer: place(der, issuer.whole),
        subject: place(der, subject.whole),
        no_issuer: issuer.content.is_empty(),
        no_subject: subject.content.is_empty(),
        not_before,
        not_after,
        spki: place(der, spki.whole),
        key_kind: key_kind(spki, &mut sound)?,
        unique_identifiers: false,
        extensions,
        signature_algorithm: signature_algorithm(algorithm)?,
        signature: place(der, signature),
        sound: sound && not_before <= not_after && spki::odd_parameters(spki.whole).is_none(),
    })
}

/// The next element, if it has this tag and a length in as few octets as can be (X.690 section 10.1).
fn take<'a>(elements: &mut Elements<'a>, tag: u8) -> Option<Element<'a>> {
    elements.next().filter(|element| element.tag == tag && element.is_shortest())
}

/// What is inside of the one element that fills `der`.
fn only(der: &[u8], tag: u8) -> Option<Elements<'_>> {
    let mut elements = Elements(der);
    let one = take(&mut elements, tag)?;
    elements.is_done().then(|| one.inside())
}

/// The octets of a BIT STRING without unused bits.
fn bits(element: Element<'_>) -> Option<&[u8]> {
    element.content.split_first().filter(|(unused, _)| **unused == 0).map(|(_, octets)| octets)
}

/// Whether an INTEGER has no octet more than it needs (X.690 section 8.3.2).
fn is_minimal(octets: &[u8]) -> bool {
    !matches!(octets, [0, 0..0x80, ..] | [0xff, 0x80..=0xff, ..])
}

/// Name, with an attribute in each of its sets (RFC 5280 section 4.1.2.4); what the values are is not looked at, but for what is plain ASCII.
fn name<'a>(element: Element<'a>, sound: &mut bool) -> Option<Element<'a>> {
    let mut sets = element.inside();
    while !sets.is_done() {
        let mut attribute = only(take(&mut sets, SET)?.content, SEQUENCE)?;
        let object = take(&mut attribute, OBJECT)?;
        identifier(object)?;
        let value = attribute.next()?;
        if !STRINGS.contains(&value.tag) || !value.is_shortest() || !attribute.is_done() {
            return None;
        }
        let plain = match value.tag {
            BMP => false,
            PRINTABLE => go::is_printable(value.content),
            _ => value.content.is_ascii(),
        };
        *sound &= plain && written::names_an_object(object.content);
    }
    Some(element)
}

/// An object identifier that is one: it ends with the last octet of a number (X.690 section 8.19.2).
fn identifier(element: Element<'_>) -> Option<Oid<'_>> {
    let last = element.content.last()?;
    (*last < 0x80).then(|| Oid::new(Cow::Borrowed(element.content)))
}

/// Time (RFC 5280 section 4.1.2.5): two digits of the year until 2049, or four.
fn moment(element: Element<'_>) -> Option<OffsetDateTime> {
    let digits = element.content.strip_suffix(b"Z").filter(|_| element.is_shortest())?;
    let pair = |at: usize| match digits.get(at..at + 2)? {
        [ten, one] if ten.is_ascii_digit() && one.is_ascii_digit() => Some((ten - b'0') * 10 + (one - b'0')),
        _ => None,
    };
    let (year, rest) = match (element.tag, digits.len()) {
        (UTC_TIME, 12) => match i32::from(pair(0)?) {
            year @ 50.. => (1900 + year, 2),
            year => (2000 + year, 2),
        },
        (GENERALIZED_TIME, 14) => (i32::from(pair(0)?) * 100 + i32::from(pair(2)?), 4),
        _ => return None,
    };
    let date = Date::from_calendar_date(year, Month::try_from(pair(rest)?).ok()?, pair(rest + 2)?).ok()?;
    let time = Time::from_hms(pair(rest + 4)?, pair(rest + 6)?, pair(rest + 8)?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc())
}

/// The algorithms, with their parameters, that nearly all certificates have (RFC 3279, RFC 4055, RFC 5480, RFC 5758).
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const P384: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
const RSA_SHA256: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00";
const RSA_SHA384: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00";
const ECDSA_SHA256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const ECDSA_SHA384: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03";

fn key_kind(spki: Element<'_>, sound: &mut bool) -> Option<KeyKind> {
    let mut parts = spki.inside();
    let algorithm = take(&mut parts, SEQUENCE)?;
    let key = bits(take(&mut parts, BITS)?)?;
    if !parts.is_done() {
        return None;
    }
    match algorithm.content {
        RSA => {
            let mut numbers = only(key, SEQUENCE)?;
            let modulus = positive(take(&mut numbers, INTEGER)?)?;
            positive(take(&mut numbers, INTEGER)?)?;
            let bits = u32::try_from(modulus.len() * 8).ok()? - modulus.first()?.leading_zeros();
            numbers.is_done().then_some(KeyKind::Rsa(bits))
        }
        P256 => Some(KeyKind::P256),
        P384 => Some(KeyKind::P384),
        _ => {
            *sound &= spki::fault(spki.whole).is_none();
            let (_, read) = SubjectPublicKeyInfo::from_der(spki.whole).ok()?;
            spki::key_bits(spki.whole).map(|_| KeyKind::of_key(&read))
        }
    }
}

/// The octets of an INTEGER above zero, without the zero that DER puts before a high bit (X.690 section 8.3.2).
fn positive(element: Element<'_>) -> Option<&[u8]> {
    match element.content {
        [0, octets @ ..] if octets.first().is_some_and(|first| *first >= 0x80) => Some(octets),
        octets @ [1..0x80, ..] => Some(octets),
        _ => None,
    }
}

fn signature_algorithm(element: Element<'_>) -> Option<SignatureAlgorithm> {
    match element.content {
        RSA_SHA256 => Some(SignatureAlgorithm::RsaPkcs1(Hash::Sha256)),
        RSA_SHA384 => Some(SignatureAlgorithm::RsaPkcs1(Hash::Sha384)),
        ECDSA_SHA256 => Some(SignatureAlgorithm::Ecdsa(Hash::Sha256)),
        ECDSA_SHA384 => Some(SignatureAlgorithm::Ecdsa(Hash::Sha384)),
        _ => AlgorithmIdentifier::from_der(element.whole).ok().map(|(_, read)| SignatureAlgorithm::of(&read)),
    }
}

fn extensions<'a>(mut elements: Elements<'a>, sound: &mut bool) -> Option<Vec<Extension<'a>>> {
    // Most have fewer.
    let mut found = Vec::with_capacity(10);
    while !elements.is_done() {
        let whole = take(&mut elements, SEQUENCE)?;
        let mut parts = whole.inside();
        let identifier = identifier(take(&mut parts, OBJECT)?)?;
        let critical = parts.0.first() == Some(&BOOLEAN);
        if critical && take(&mut parts, BOOLEAN)?.content != [0xff] {
            return None;
        }
        let value = take(&mut parts, OCTETS)?.content;
        if !parts.is_done() {
            return None;
        }
        let object = identifier.as_bytes();
        found.push(match content(object, value) {
            Some(content) => {
                *sound &= match object {
                    // Clients that do not read them stop where they are critical.
                    AUTHORITY_KEY | SUBJECT_KEY => !critical,
                    EXTENDED_KEY_USAGE => written::is_content(object, value),
                    NAMES => go::doubt(object, value).is_none(),
                    _ => true,
                };
                Extension { identifier, critical, value, content }
            }
            None => {
                // What no client knows, it stops at where that is critical; at a proxy's it stops anyhow.
                let clear = !critical
                    && object != PROXY
                    && written::names_an_object(object)
                    && written::is_content(object, value)
                    && go::doubt(object, value).is_none();
                *sound &= clear && is_left_alone(object, value);
                odd::read_extension(whole.whole)?
            }
        });
    }
    Some(found)
}

/// Whether rustls does not read what has another form than the usual one, or reads nothing but its header.
fn is_left_alone(identifier: &[u8], value: &[u8]) -> bool {
    match identifier {
        KEY_USAGE | NAMES | BASIC_CONSTRAINTS | NAME_CONSTRAINTS | EXTENDED_KEY_USAGE => false,
        TIMESTAMPS => only(value, OCTETS).is_some(),
        DISTRIBUTION_POINTS => only(value, SEQUENCE).is_some(),
        _ => true,
    }
}

const AUTHORITY_KEY: &[u8] = &oid!(raw 2.5.29.35);
const SUBJECT_KEY: &[u8] = &oid!(raw 2.5.29.14);
const KEY_USAGE: &[u8] = &oid!(raw 2.5.29.15);
const NAMES: &[u8] = &oid!(raw 2.5.29.17);
const BASIC_CONSTRAINTS: &[u8] = &oid!(raw 2.5.29.19);
const NAME_CONSTRAINTS: &[u8] = &oid!(raw 2.5.29.30);
const DISTRIBUTION_POINTS: &[u8] = &oid!(raw 2.5.29.31);
const EXTENDED_KEY_USAGE: &[u8] = &oid!(raw 2.5.29.37);
const TIMESTAMPS: &[u8] = &oid!(raw 1.3.6.1.4.1.11129.2.4.2);
const ANY_PURPOSE: &[u8] = &oid!(raw 2.5.29.37.0);
const SERVERS: &[u8] = &oid!(raw 1.3.6.1.5.5.7.3.1);
const CLIENTS: &[u8] = &oid!(raw 1.3.6.1.5.5.7.3.2);

/// The extensions that nearly every certificate has, in their usual form.
fn content<'a>(identifier: &[u8], value: &'a [u8]) -> Option<Content<'a>> {
    match identifier {
        AUTHORITY_KEY => {
            let mut parts = only(value, SEQUENCE)?;
            // [0], primitive; those with the issuer's name and number are rare.
            let key = take(&mut parts, 0x80)?.content;
            parts.is_done().then_some(Content::AuthorityKey(Some(key)))
        }
        SUBJECT_KEY => {
            let mut elements = Elements(value);
            let key = take(&mut elements, OCTETS)?.content;
            elements.is_done().then_some(Content::SubjectKey(key))
        }
        KEY_USAGE => {
            // Bits that are not used are zero (X.690 section 11.2.1).
            let unused = |count: u8, last: u8| count < 8 && last.trailing_zeros() >= u32::from(count);
            match *value {
                [BITS, 2, count, first] if unused(count, first) => {
                    Some(Content::KeyUsage(u16::from(first.reverse_bits())))
                }
                [BITS, 3, count, first, last] if unused(count, last) => {
                    Some(Content::KeyUsage(u16::from_le_bytes([first.reverse_bits(), last.reverse_bits()])))
                }
                _ => None,
            }
        }
        NAMES => alternative_names(only(value, SEQUENCE)?).map(Content::Names),
        BASIC_CONSTRAINTS => match value {
            [SEQUENCE, 0] => Some(Content::BasicConstraints { ca: false, path_len: None }),
            [SEQUENCE, 3, BOOLEAN, 1, 0xff] => Some(Content::BasicConstraints { ca: true, path_len: None }),
            [SEQUENCE, 6, BOOLEAN, 1, 0xff, INTEGER, 1, length @ 0..0x80] => {
                Some(Content::BasicConstraints { ca: true, path_len: Some(u32::from(*length)) })
            }
            _ => None,
        },
        EXTENDED_KEY_USAGE => {
            let mut purposes = Purposes { any: false, server: false, client: false };
            let mut elements = only(value, SEQUENCE)?;
            while !elements.is_done() {
                match take(&mut elements, OBJECT).and_then(identifier_bytes)? {
                    ANY_PURPOSE => purposes.any = true,
                    SERVERS => purposes.server = true,
                    CLIENTS => purposes.client = true,
                    _ => {}
                }
            }
            Some(Content::ExtendedKeyUsage(purposes))
        }
        _ => None,
    }
}

fn identifier_bytes(element: Element<'_>) -> Option<&[u8]> {
    identifier(element).map(|_| element.content)
}

/// Names (RFC 5280 section 4.2.1.6) of the kinds that servers have.
fn alternative_names(mut elements: Elements<'_>) -> Option<Vec<AlternativeName<'_>>> {
    let mut found = Vec::new();
    while !elements.is_done() {
        let name = elements.next().filter(Element::is_shortest)?;
        found.push(match name.tag {
            // rfc822Name, uniformResourceIdentifier: IA5String.
            0x81 | 0x86 if name.content.is_ascii() => AlternativeName::Other,
            0x82 if name.content.is_ascii() => AlternativeName::Dns(str::from_utf8(name.content).ok()?),
            0x87 => AlternativeName::Ip(name.content),
            _ => return None,
        });
    }
    Some(found)
}
