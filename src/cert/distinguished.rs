//! Distinguished names (RFC 5280 section 4.1.2.4): as text for people, and compared as path building compares them.

use std::borrow::Cow;

use super::codec::tlv::{BITS, BMP, Element, Elements, OBJECT, SEQUENCE, SET, dotted};
use super::strict::go::is_printable;
use super::strict::written::names_an_object;
use crate::digest::hex;

/// One attribute of a name.
struct Attribute<'a> {
    /// Which relative name it belongs to, counted from the first.
    relative: usize,
    oid: &'a [u8],
    tag: u8,
    data: &'a [u8],
    /// Whether nothing follows its value.
    alone: bool,
}

/// The name as people read it: `C=DE, O=Example, CN=Example Root`, in the order of the certificate; a relative name of several
/// attributes joined by ` + `. Not meant to be read back, and so not escaped but where a value would read as if another attribute followed:
/// `O=Evil\, CN=bank.example` is one.
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
        push_as_one(&mut text, &attribute.value());
    });
    whole.map_or_else(String::new, |()| text)
}

/// Adds a value, with a backslash before what else would separate it from an attribute.
fn push_as_one(text: &mut String, value: &str) {
    let mut rest = value;
    // Hardly any value has it.
    while let Some((before, _)) = rest.split_once('=') {
        let head = before.trim_end_matches(|one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '-'));
        match [", ", " + "].into_iter().find(|one| head.ends_with(one)) {
            Some(separator) => {
                text.push_str(&head[..head.len() - separator.len()]);
                text.push_str(if separator == ", " { "\\, " } else { " \\+ " });
                text.push_str(&before[head.len()..]);
            }
            None => text.push_str(before),
        }
        text.push('=');
        rest = &rest[before.len() + 1..];
    }
    text.push_str(rest);
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
    let (Some(mut a), Some(mut b)) = (relatives(a), relatives(b)) else {
        return false;
    };
    // Read as far as they agree: a chain is compared with all roots of a system, and nearly all differ at the beginning.
    loop {
        match (Relative::next(&mut a), Relative::next(&mut b)) {
            (Some(Some(a)), Some(Some(b))) if a.is_same(&b) => {}
            (Some(None), Some(None)) => return true,
            _ => return false,
        }
    }
}

/// A relative name.
struct Relative<'a> {
    first: Attribute<'a>,
    /// Those beside it, which hardly any name has.
    more: Vec<Attribute<'a>>,
}

impl<'a> Relative<'a> {
    /// The next one that has an attribute, `Some(None)` after the last; none where the bytes are no name.
    #[allow(clippy::option_option, reason = "the end of a name is told from what is none")]
    fn next(relatives: &mut Elements<'a>) -> Option<Option<Self>> {
        while !relatives.is_done() {
            let mut set = relatives.expect(SET)?.inside();
            if set.is_done() {
                continue;
            }
            let (first, mut more) = (Attribute::next(&mut set, 0)?, Vec::new());
            while !set.is_done() {
                more.push(Attribute::next(&mut set, 0)?);
            }
            return Some(Some(Self { first, more }));
        }
        Some(None)
    }

    fn is_same(&self, other: &Self) -> bool {
        // It is a set, and DER sorts it by bytes that folding may change.
        let sorted = |one: &Self| in_order(std::iter::once(&one.first).chain(&one.more));
        match (self.more.len(), other.more.len()) {
            (0, 0) => same_attribute(&self.first, &other.first),
            (some, others) => some == others && sorted(self) == sorted(other),
        }
    }
}

/// What a name is compared by: two are equal where they are the [same], for those who look up one among thousands.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Compared<'a> {
    /// Its sets of attributes.
    Sets(Vec<Vec<Canonical<'a>>>),
    /// The bytes of what is no name.
    Bytes(&'a [u8]),
}

pub(super) fn compared(der: &[u8]) -> Compared<'_> {
    let Some(all) = attributes(der) else { return Compared::Bytes(der) };
    Compared::Sets(all.chunk_by(|one, other| one.relative == other.relative).map(in_order).collect())
}

/// What an attribute is compared by.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Canonical<'a> {
    oid: &'a [u8],
    /// Folded, where it is a text.
    text: Option<String>,
    /// Tag and bytes, where it is none.
    raw: Option<(u8, &'a [u8])>,
}

/// A set in an order of its own: one of thousands is compared about as fast as it is read.
fn in_order<'s, 'a: 's>(set: impl IntoIterator<Item = &'s Attribute<'a>>) -> Vec<Canonical<'a>> {
    let of = |one: &Attribute<'a>| {
        let text = one.exact().map(|text| folded(&text));
        let raw = text.is_none().then_some((one.tag, one.data));
        Canonical { oid: one.oid, text, raw }
    };
    let mut all: Vec<_> = set.into_iter().map(of).collect();
    all.sort();
    all
}

fn same_attribute(a: &Attribute<'_>, b: &Attribute<'_>) -> bool {
    if a.oid != b.oid {
        return false;
    }
    if a.tag == b.tag && a.data == b.data {
        return true;
    }
    match (a.exact(), b.exact()) {
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
    let mut relatives = relatives(der)?;
    let mut relative = 0;
    while !relatives.is_done() {
        let mut set = relatives.expect(SET)?.inside();
        while !set.is_done() {
            show(Attribute::next(&mut set, relative)?);
        }
        relative += 1;
    }
    Some(())
}

/// The sets of a name.
fn relatives(der: &[u8]) -> Option<Elements<'_>> {
    Some(Element::filling(der)?.tagged(SEQUENCE)?.inside())
}

/// What is so wrong with how it is written that OpenSSL reads no certificate that has it.
pub(super) fn fault(der: &[u8]) -> Option<&'static str> {
    let mut fault = None;
    let whole = each(der, |attribute| {
        let text = match attribute.tag {
            UTF8 | UNIVERSAL => attribute.exact().is_some(),
            // One character in each two octets: pairs of surrogates are UTF-16, which this is not (X.690 section 8.23.6).
            BMP => {
                let mut units = attribute.data.chunks(2);
                units.all(|two| two.len() == 2 && !matches!(unit(two), 0xd800..=0xdfff))
            }
            _ => true,
        };
        fault = fault.or(match () {
            () if !names_an_object(attribute.oid) => Some("an attribute of a name has no object identifier"),
            () if !attribute.is_value() => Some("a value in a name is of no kind that names have"),
            () if !text => Some("a text in a name is not encoded as it says"),
            () => None,
        });
    });
    whole.map_or(Some("a name is not built as names are"), |()| fault)
}

/// What Go does not read in it, where [fault] finds nothing: a text with other characters than its kind has, a kind that it does not know.
pub(super) fn doubt(der: &[u8]) -> Option<&'static str> {
    let mut doubt = None;
    let whole = each(der, |attribute| {
        let is_text = match attribute.tag {
            PRINTABLE => Some(is_printable(attribute.data)),
            IA5 => Some(attribute.data.is_ascii()),
            NUMERIC => Some(attribute.data.iter().all(|byte| byte.is_ascii_digit() || *byte == b' ')),
            UTF8 | TELETEX | BMP => Some(true),
            _ => None,
        };
        doubt = doubt.or(match is_text {
            Some(true) => None,
            Some(false) => {
                Some("a text in a name with a character that its kind does not have, which Go does not read")
            }
            None => Some("a value in a name that is no text to Go, which does not read it"),
        });
    });
    whole.and(doubt)
}

/// Whether the name has an attribute that is shown as this, `CN=Example Root`, be it alone or beside others. A text that contains the
/// same characters is no such attribute.
pub(super) fn has(der: &[u8], shown: &str) -> bool {
    let Some((key, value)) = shown.split_once('=') else { return false };
    let mut found = false;
    each(der, |attribute| found = found || (attribute.key() == key && attribute.value() == value)).is_some() && found
}

const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// Where a tag has all of these bits, its number follows in bytes of its own (X.690 section 8.1.2.4).
const LONG_TAG: u8 = 0x1f;

impl<'a> Attribute<'a> {
    /// The next of a set; none where the bytes are no attribute.
    fn next(set: &mut Elements<'a>, relative: usize) -> Option<Self> {
        let mut pair = set.expect(SEQUENCE)?.inside();
        let oid = pair.expect(OBJECT)?.content;
        let (tag, data) = match pair.0 {
            // A tag of several bytes, which nobody writes in earnest: no text, but no reason to hide the others.
            whole @ [first, ..] if first & LONG_TAG == LONG_TAG => (LONG_TAG, whole),
            _ => pair.next().map(|value| (value.tag, value.content))?,
        };
        Some(Self { relative, oid, tag, data, alone: pair.is_done() || tag == LONG_TAG })
    }
}

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

    /// Whether OpenSSL takes it for the value of an attribute: a string of a kind that a `DirectoryString` (RFC 5280 section 4.1.2.4) can be or
    /// could, a sequence, or a number that no type has; and nothing behind it.
    fn is_value(&self) -> bool {
        // A string in pieces, as BER has it.
        let pieces = self.tag & 0xe0 == 0x20 && self.tag != SEQUENCE;
        let kind = if pieces { self.tag & 0x1f } else { self.tag };
        let known = match kind {
            BITS => pieces || self.data.first().is_some_and(|unused| *unused < 8),
            UTF8 | NUMERIC | PRINTABLE | TELETEX | IA5 | UNIVERSAL | BMP | SEQUENCE => true,
            0x07..=0x09 | 0x0b | 0x0d..=0x0f | 0x1d => true,
            _ => false,
        };
        known && self.alone && (!pieces || Elements(self.data).are_whole())
    }

    /// The text of a string type. Wrong encodings are common, so what cannot be read becomes U+FFFD instead of an error.
    fn string(&self) -> Option<Cow<'_, str>> {
        let text = match self.tag {
            UTF8 | NUMERIC | PRINTABLE | IA5 | VISIBLE => String::from_utf8_lossy(self.data),
            // BMPString.
            BMP => {
                let read = char::decode_utf16(self.data.chunks(2).map(unit));
                read.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            }
            // UniversalString.
            UNIVERSAL => self.data.chunks(4).map(|four| point(four).unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
            _ => return self.exact(),
        };
        Some(text)
    }

    /// The same, of what is rightly encoded alone: what becomes U+FFFD says nothing of what stood there.
    fn exact(&self) -> Option<Cow<'_, str>> {
        match self.tag {
            UTF8 | NUMERIC | PRINTABLE | IA5 | VISIBLE => std::str::from_utf8(self.data).ok().map(Cow::Borrowed),
            // T61String: everybody who uses it means Latin-1.
            TELETEX => Some(self.data.iter().map(|byte| char::from(*byte)).collect()),
            BMP if self.data.len().is_multiple_of(2) => {
                char::decode_utf16(self.data.chunks(2).map(unit)).collect::<Result<_, _>>().ok().map(Cow::Owned)
            }
            UNIVERSAL if self.data.len().is_multiple_of(4) => {
                self.data.chunks(4).map(point).collect::<Option<_>>().map(Cow::Owned)
            }
            _ => None,
        }
    }
}

fn unit(pair: &[u8]) -> u16 {
    pair.iter().fold(0, |unit, byte| (unit << 8) | u16::from(*byte))
}

fn point(four: &[u8]) -> Option<char> {
    char::from_u32(four.iter().fold(0, |point, byte| (point << 8) | u32::from(*byte)))
}

const UTF8: u8 = 0x0c;
const NUMERIC: u8 = 0x12;
const PRINTABLE: u8 = 0x13;
const TELETEX: u8 = 0x14;
const IA5: u8 = 0x16;
const VISIBLE: u8 = 0x1a;
const UNIVERSAL: u8 = 0x1c;

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
        let length = content.len().to_be_bytes();
        match content.len() {
            0..0x80 => [&[tag, length[7]], content].concat(),
            _ => [&[tag, 0x83], &length[5..], content].concat(),
        }
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
    fn a_value_reads_as_no_other_attribute() {
        for (value, shown) in [
            ("Example, Inc.", "Example, Inc."),
            ("a=b", "a=b"),
            ("a, b c=d", "a, b c=d"),
            ("Evil, CN=bank.example", r"Evil\, CN=bank.example"),
            ("Evil + CN=a, 2.5.4.3=b", r"Evil \+ CN=a\, 2.5.4.3=b"),
            (", CN=a", r"\, CN=a"),
            ("ü=ü", "ü=ü"),
            ("€x=, ü=a", "€x=, ü=a"),
            ("ä, CN=ü, =, CN=", r"ä\, CN=ü\, =\, CN="),
        ] {
            assert_eq!(text(&name(&[(10, 0x0c, value.as_bytes()), (3, 0x0c, b"b")])), format!("O={shown}, CN=b"));
        }
    }

    /// One relative name of all of these common names.
    fn set(names: &[&[u8]]) -> Vec<u8> {
        let pair = |value: &&[u8]| tlv(0x30, &[&[0x06, 3, 0x55, 4, 3], tlv(0x0c, value).as_slice()].concat());
        tlv(0x30, &tlv(0x31, &names.iter().flat_map(pair).collect::<Vec<u8>>()))
    }

    #[test]
    fn what_names_are_looked_up_by_is_what_they_are_compared_by() {
        let all = [
            name(&[(6, 0x13, b"DE"), (3, 0x13, b"Example  Root ")]),
            name(&[(6, 0x0c, b"de"), (3, 0x0c, b"example root")]),
            name(&[(3, 0x0c, b"example root"), (6, 0x0c, b"de")]),
            name(&[(3, 0x0c, b"a\xff")]),
            name(&[(3, 0x0c, b"a\xfe")]),
            name(&[(3, 0x04, b"a")]),
            name(&[(3, 0x0c, b"a")]),
            name(&[(3, 0x1e, b"\0A")]),
            set(&[b"a", b"b"]),
            set(&[b"B", b"A"]),
            name(&[(3, 0x0c, b"a"), (3, 0x0c, b"b")]),
            name(&[]),
            b"\x30\x05x".to_vec(),
            b"\x30\x05y".to_vec(),
        ];
        // Names that agree at first, and go on with what is none.
        let going_on = |rest: &[u8]| {
            let first = [b"DE".as_slice(), b"de"].map(|text| {
                let tag = if text == b"DE" { 0x13 } else { 0x0c };
                tlv(0x31, &tlv(0x30, &[&[0x06, 3, 0x55, 4, 6], tlv(tag, text).as_slice()].concat()))
            });
            first.map(|first| tlv(0x30, &[first.as_slice(), rest].concat()))
        };
        let pair = tlv(0x30, &[&[0x06, 3, 0x55, 4, 3], tlv(0x0c, b"a").as_slice()].concat());
        let broken = [
            b"\x31\x05x".to_vec(),
            tlv(0x31, &[pair.as_slice(), b"\x30\x03\x06\x05\x55"].concat()),
            tlv(0x30, &pair),
            [tlv(0x31, &pair), b"\x31".to_vec()].concat(),
        ];
        let all: Vec<_> = all.into_iter().chain(broken.iter().flat_map(|rest| going_on(rest))).collect();
        for rest in &broken {
            let [one, other] = going_on(rest);
            assert!(!same(&one, &other) && !same(&other, &one), "{}", rest.escape_ascii());
        }
        // A set without attributes is passed over.
        let [one, other] = going_on(&[tlv(0x31, b""), tlv(0x31, &pair)].concat());
        assert!(same(&one, &other) && same(&one, &going_on(&tlv(0x31, &pair))[1]));
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            assert_eq!(same(one, other), compared(one) == compared(other), "{} and {}", text(one), text(other));
        }
    }

    #[test]
    fn sets_are_compared_both_ways() {
        let (twice, once) = (set(&[b"a", b"a"]), set(&[b"a", b"b"]));
        assert!(!same(&twice, &once) && !same(&once, &twice));
        assert!(same(&once, &set(&[b"B", b"A"])) && same(&twice, &set(&[b"A", b"a"])));
        assert!(!same(&set(&[b"a", b"b"]), &name(&[(3, 0x0c, b"a"), (3, 0x0c, b"b")])), "one set is not two");
        // Each held against each would take minutes.
        let many: Vec<String> = (0..20_000).map(|number| format!("n{number}")).collect();
        let forth: Vec<&[u8]> = many.iter().map(String::as_bytes).collect();
        let back: Vec<&[u8]> = forth.iter().rev().copied().collect();
        assert!(same(&set(&forth), &set(&back)) && !same(&set(&forth), &set(&back[1..])));
    }

    #[test]
    fn what_cannot_be_read_is_equal_to_itself_alone() {
        for (tag, one, other) in [
            (0x0c, b"a\xff".as_slice(), b"a\xfe".as_slice()),
            (0x13, b"\xc3\x28", b"\xc3\x29"),
            (0x1e, b"\xd8\x00", b"\xd8\x01"),
            (0x1e, b"\0a\0", b"\0a\xff\xfd"),
            (0x1c, b"\0\x11\0\0", b"\0\x12\0\0"),
        ] {
            let (one, other) = (name(&[(3, tag, one)]), name(&[(3, tag, other)]));
            assert!(!same(&one, &other) && !same(&other, &one) && same(&one, &one), "{tag:#x}");
            let beside = |der: &[u8]| [der, &[0x31, 0]].concat();
            let longer = |der: &[u8]| tlv(0x30, &beside(&der[2..]));
            assert!(same(&one, &longer(&one)), "{tag:#x}: equal attributes in other bytes");
        }
        // U+FFFD itself is a character.
        assert!(same(&name(&[(3, 0x0c, b"\xef\xbf\xbd")]), &name(&[(3, 0x1e, b"\xff\xfd")])));
        assert!(!same(&name(&[(3, 0x0c, b"\xef\xbf\xbd")]), &name(&[(3, 0x0c, b"\xff")])));
    }

    #[test]
    fn a_long_tag_hides_no_other_attribute() {
        let value = [0x1f, 0x1f, 1, b'x'];
        let odd = tlv(0x31, &tlv(0x30, &[&[0x06, 3, 0x55, 4, 10], value.as_slice()].concat()));
        let plain = |arc: u8, text: &[u8]| name(&[(arc, 0x0c, text)])[2..].to_vec();
        let der = tlv(0x30, &[plain(6, b"DE"), odd, plain(3, b"www")].concat());
        assert_eq!(text(&der), "C=DE, O=#1f1f0178, CN=www");
        assert_eq!((common_name(&der).as_deref(), common_names(&der)), (Some("www"), vec!["www".to_owned()]));
        let mut other = der.clone();
        *other.iter_mut().find(|byte| **byte == b'x').unwrap() = b'y';
        assert!(same(&der, &der) && !same(&der, &other));
    }

    #[test]
    fn an_attribute_is_found_by_key_and_value() {
        let der = name(&[(10, 0x13, b"Superfish, Inc."), (3, 0x0c, b"x, CN=eDellRoot")]);
        assert!(has(&der, "O=Superfish, Inc.") && has(&der, "CN=x, CN=eDellRoot"));
        assert!(!has(&der, "CN=eDellRoot") && !has(&der, "O=Superfish") && !has(&der, "x") && !has(b"x", "CN=x"));
    }

    #[test]
    fn garbage_is_no_name() {
        assert_eq!(text(b"\x30\x05x"), "");
        assert!(!same(b"\x30\x05x", b"\x30\x05y"));
    }
}
