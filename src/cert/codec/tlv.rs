//! Walking DER (X.690) by its tags and lengths, for the wrappings around certificates and keys: PKCS#7, PKCS#12, encrypted keys.
//!
//! What lies inside is left to the readers of certificates and keys. Nothing here allocates, and no length is believed that is
//! not there.

use std::borrow::Cow;

use x509_parser::asn1_rs::Oid;

pub(in crate::cert) const INTEGER: u8 = 0x02;
pub(in crate::cert) const BITS: u8 = 0x03;
pub(in crate::cert) const OCTETS: u8 = 0x04;
pub(in crate::cert) const NULL: u8 = 0x05;
pub(in crate::cert) const OBJECT: u8 = 0x06;
pub(in crate::cert) const BMP: u8 = 0x1e;
pub(in crate::cert) const SEQUENCE: u8 = 0x30;
pub(in crate::cert) const SET: u8 = 0x31;
/// `[0]`, primitive.
pub(in crate::cert) const ZERO_PRIMITIVE: u8 = 0x80;
/// `[0]`, constructed.
pub(in crate::cert) const ZERO: u8 = 0xa0;
/// `[1]`, constructed.
pub(in crate::cert) const ONE: u8 = 0xa1;

/// One element.
#[derive(Clone, Copy)]
pub(in crate::cert) struct Element<'a> {
    /// Class, form and number; all that are met here have numbers below 31.
    pub(in crate::cert) tag: u8,
    /// Header and content.
    pub(in crate::cert) whole: &'a [u8],
    /// The content.
    pub(in crate::cert) content: &'a [u8],
}

/// Elements one after the other; `None` at the end and at what is none.
#[derive(Clone)]
pub(in crate::cert) struct Elements<'a>(pub(in crate::cert) &'a [u8]);

impl<'a> Element<'a> {
    /// The one element that fills `der`.
    pub(in crate::cert) fn filling(der: &'a [u8]) -> Option<Self> {
        let mut elements = Elements(der);
        elements.next().filter(|_| elements.is_done())
    }

    /// One element of this content.
    pub(in crate::cert) fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = Self::header(tag, content.len());
        out.reserve_exact(content.len());
        out.extend_from_slice(content);
        out
    }

    /// Tag and length of an element with so many bytes of content.
    pub(in crate::cert) fn header(tag: u8, length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(10);
        out.push(tag);
        match u8::try_from(length) {
            Ok(short @ 0..0x80) => out.push(short),
            _ => {
                let length = length.to_be_bytes();
                let zeros = length.iter().take_while(|byte| **byte == 0).count();
                let bytes = length.get(zeros..).unwrap_or_default();
                // At most eight.
                out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
                out.extend_from_slice(bytes);
            }
        }
        out
    }

    /// The one element inside.
    pub(in crate::cert) fn only(self) -> Option<Self> {
        Self::filling(self.content)
    }

    /// What is inside.
    pub(in crate::cert) fn inside(self) -> Elements<'a> {
        Elements(self.content)
    }

    /// The element if it has this tag.
    pub(in crate::cert) fn tagged(self, tag: u8) -> Option<Self> {
        (self.tag == tag).then_some(self)
    }

    /// Whether its length has as few octets as can be (X.690 section 10.1).
    pub(in crate::cert) fn is_shortest(&self) -> bool {
        let length = self.content.len();
        let octets = match length {
            0..0x80 => 0,
            _ => (usize::BITS - length.leading_zeros()).div_ceil(8) as usize,
        };
        self.whole.len() - length == 2 + octets
    }

    /// A small non-negative INTEGER.
    pub(in crate::cert) fn number(self) -> Option<u64> {
        let (first, _) = self.tagged(INTEGER)?.content.split_first()?;
        if *first >= 0x80 || self.content.len() > 8 {
            return None;
        }
        Some(self.content.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}

impl<'a> Elements<'a> {
    /// The next element, which must have this tag.
    pub(in crate::cert) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next()?.tagged(tag)
    }

    /// The next element, where it has this tag; else nothing is taken.
    pub(in crate::cert) fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.0.first() == Some(&tag) { self.next() } else { None }
    }

    /// Whether elements follow one another to the end.
    pub(in crate::cert) fn are_whole(mut self) -> bool {
        while self.next().is_some() {}
        self.is_done()
    }

    /// Whether nothing is left.
    pub(in crate::cert) fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let header = Header::read(self.0)?;
        let end = header.length.checked_add(header.size)?;
        let (whole, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(Element { tag: header.tag, whole, content: whole.get(header.size..)? })
    }
}

/// Tag and definite length.
pub(in crate::cert) struct Header {
    pub(in crate::cert) tag: u8,
    /// Bytes of the header itself.
    pub(in crate::cert) size: usize,
    /// Bytes of the content.
    pub(in crate::cert) length: usize,
}

impl Header {
    /// Reads a header with a definite length. Lengths that DER would write shorter are taken.
    pub(in crate::cert) fn read(der: &[u8]) -> Option<Self> {
        let (tag, first) = (*der.first()?, *der.get(1)?);
        // Numbers from 31 on take further bytes; none of the structures read here has one.
        if tag & 0x1f == 0x1f {
            return None;
        }
        if first < 0x80 {
            return Some(Self { tag, size: 2, length: usize::from(first) });
        }
        let count = usize::from(first & 0x7f);
        if !(1..=8).contains(&count) {
            return None;
        }
        let bytes = der.get(2..2 + count)?;
        let length = bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        Some(Self { tag, size: 2 + count, length: usize::try_from(length).ok()? })
    }
}

/// An object identifier for people: 1.2.840.113549.1.5.13.
pub(in crate::cert) fn dotted(content: &[u8]) -> String {
    Oid::new(Cow::Borrowed(content)).to_id_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_walked_and_no_length_is_believed() {
        let der = b"\x30\x05\x02\x01\x05\x04\x00\x06\x01\x2a";
        let mut elements = Elements(der);
        let sequence = elements.expect(SEQUENCE).unwrap();
        assert_eq!(sequence.inside().next().unwrap().number(), Some(5));
        assert!(elements.optional(SET).is_none());
        assert_eq!(dotted(elements.optional(OBJECT).unwrap().content), "1.2");
        assert!(elements.is_done() && Element::filling(der).is_none());
        for bad in [
            b"".as_slice(),
            b"\x30",
            b"\x30\x01",
            b"\x30\x80\x00\x00",
            b"\x1f\x01\x00",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x30\x89\x01\x01\x01\x01\x01\x01\x01\x01\x01",
            b"\x30\xff",
        ] {
            assert!(Elements(bad).next().is_none(), "{bad:?}");
        }
        for (bad, number) in [(b"\x02\x01\xff".as_slice(), None), (b"\x02\x00", None), (b"\x02\x02\x00\xff", Some(255))]
        {
            assert_eq!(Elements(bad).next().unwrap().number(), number);
        }
    }
}
