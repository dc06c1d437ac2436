//! PKCS#8 of version 2 (RFC 5958 section 2), in which a key has its public half beside it, as some libraries for Java write it.

use crate::cert::codec::tlv::{BITS, Element, INTEGER, OBJECT, OCTETS, SEQUENCE, ZERO};
use crate::cert::rsa::private::RSA;
use crate::sensitive::Sensitive;

use super::stated::EC;

/// `[1]`, primitive.
const ONE_PRIMITIVE: u8 = 0x81;

/// A key of version 2.
pub(super) struct Second {
    /// The same in version 1, without its attributes.
    pub(super) first: Sensitive,
    /// The public half that stands beside it, as SubjectPublicKeyInfo. Whether it is the key's is not known.
    pub(super) stated: Vec<u8>,
    /// What kind of key it is, for people.
    pub(super) kind: &'static str,
}

impl Second {
    /// The one in these bytes, if it is of a kind that the cryptographic library reads in version 1 alone: RSA and elliptic curves.
    pub(super) fn of(der: &[u8]) -> Option<Self> {
        let mut parts = Element::filling(der)?.tagged(SEQUENCE)?.inside();
        if parts.expect(INTEGER)?.content != [1] {
            return None;
        }
        let (algorithm, key) = (parts.expect(SEQUENCE)?, parts.expect(OCTETS)?);
        let kind = match algorithm.inside().expect(OBJECT)?.content {
            content if content == RSA => "RSA",
            EC => "elliptic curve",
            _ => return None,
        };
        parts.optional(ZERO);
        let half = parts.expect(ONE_PRIMITIVE)?;
        if !parts.is_done() {
            return None;
        }
        let before = [Element::wrap(INTEGER, &[0]).as_slice(), algorithm.whole].concat();
        let header = Element::header(SEQUENCE, before.len() + key.whole.len());
        // Put together once, so that no copy is left behind.
        let first = Sensitive::from([header.as_slice(), &before, key.whole].concat());
        let bits = Element::wrap(BITS, half.content);
        Some(Self { first, stated: Element::wrap(SEQUENCE, &[algorithm.whole, &bits].concat()), kind })
    }
}
