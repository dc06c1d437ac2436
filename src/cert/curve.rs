//! Elliptic curve keys as they are written: curves that are described instead of named, points in three forms.

mod equation;

use equation::Equation;

use super::codec::tlv::{Element, INTEGER, OBJECT, OCTETS, SEQUENCE};
use crate::digest::Digest;

/// A curve, as the parameters of a key say it (RFC 3279 section 2.3.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Curve<'a> {
    /// Its object identifier.
    Named(&'a [u8]),
    /// The parameters themselves, of a curve that is none of those known here.
    Described(&'a [u8]),
}

impl<'a> Curve<'a> {
    /// Described or named, a known curve is the same.
    pub(super) fn of(parameters: Element<'a>) -> Self {
        if parameters.tag == OBJECT {
            return Self::Named(parameters.content);
        }
        let described = described(parameters).map(|digest| digest.to_string());
        let known = KNOWN.iter().find(|(digest, _)| Some(*digest) == described.as_deref());
        known.map_or(Self::Described(parameters.whole), |(_, name)| Self::Named(name))
    }

    /// Whether these octets are a point of it; of one whose equation is not known here, whatever they are.
    pub(super) fn may_have(self, octets: &[u8]) -> bool {
        let Self::Named(name) = self else { return true };
        Equation::of(name).is_none_or(|equation| Point::of(octets).is_some_and(|point| equation.has(point)))
    }
}

/// The digest of the numbers of a curve over a prime field: the prime, both coefficients, the generator and its order, each of which
/// another curve could have otherwise. The seed says where one of the coefficients comes from, and the cofactor follows from the others.
fn described(parameters: Element<'_>) -> Option<Digest> {
    let mut parts = parameters.tagged(SEQUENCE)?.inside();
    parts.expect(INTEGER)?;
    let mut field = parts.expect(SEQUENCE)?.inside();
    field.expect(OBJECT).filter(|kind| kind.content == PRIME_FIELD)?;
    let prime = field.expect(INTEGER)?.content;
    let mut coefficients = parts.expect(SEQUENCE)?.inside();
    let (a, b) = (coefficients.expect(OCTETS)?.content, coefficients.expect(OCTETS)?.content);
    let (sign, x) = Point::of(parts.expect(OCTETS)?.content)?.compressed();
    let order = parts.expect(INTEGER)?.content;
    let mut numbers = Vec::new();
    for number in [prime, a, b, &[sign], x, order] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        numbers.extend(Element::wrap(INTEGER, &number[zeros..]));
    }
    Some(Digest::of(&numbers))
}

/// A point as SEC 1 section 2.3.3 writes it, and ANSI X9.62 section 4.3.6 in its hybrid form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Point<'a> {
    /// `02 x` or `03 x`, by the parity of y.
    Compressed(u8, &'a [u8]),
    /// `04 x y`; `06 x y` or `07 x y`, by the parity of y.
    Full(&'a [u8], &'a [u8]),
}

impl<'a> Point<'a> {
    /// None for what is no point, whatever the curve. That it is on the curve is not said.
    pub(super) fn of(octets: &'a [u8]) -> Option<Self> {
        match octets {
            [form @ (2 | 3), x @ ..] if !x.is_empty() => Some(Self::Compressed(*form, x)),
            [form @ (4 | 6 | 7), both @ .., last] if both.len() % 2 == 1 => {
                let both = &octets[1..];
                let fits = *form == 4 || form & 1 == last & 1;
                fits.then(|| both.split_at(both.len() / 2)).map(|(x, y)| Self::Full(x, y))
            }
            _ => None,
        }
    }

    /// Whether both are the same point of one curve, for what either says of it.
    pub(super) fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Full(..), Self::Full(..)) => self == other,
            (Self::Compressed(..), _) | (_, Self::Compressed(..)) => self.compressed() == other.compressed(),
        }
    }

    fn compressed(self) -> (u8, &'a [u8]) {
        match self {
            Self::Compressed(form, x) => (form, x),
            Self::Full(x, y) => (2 + y.last().map_or(0, |last| last & 1), x),
        }
    }
}

/// 1.2.840.10045.1.1, the content octets.
const PRIME_FIELD: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 1, 1];

/// The curves of which there are private keys here: what describes them, and their object identifiers (content octets).
const KNOWN: &[(&str, &[u8])] = &[
    // P-256: 1.2.840.10045.3.1.7
    ("168e4bc3d889b7316d4d3d3673fcd5fef3828a538328bb13e5368461e8c71509", &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
    // P-384: 1.3.132.0.34
    ("18ce5b782807a6fe8bbd1df73c11168d6629b3e0eb5f73f4cc40c2b7507b3227", &[0x2b, 0x81, 4, 0, 34]),
    // P-521: 1.3.132.0.35
    ("109867f3b02e3c64f38626d7aca89b9e37de38a989cbbf51f67918507a17350a", &[0x2b, 0x81, 4, 0, 35]),
    // secp256k1: 1.3.132.0.10
    ("02617f2ae35cc9151b6f7f965aaa257f63393d99316605189fef8c0400fcf42c", &[0x2b, 0x81, 4, 0, 10]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::key::tests::openssl;

    #[test]
    fn a_point_is_the_same_in_every_form() {
        let same = |a: &[u8], b: &[u8]| Point::of(a).zip(Point::of(b)).is_some_and(|(a, b)| a.same(b));
        let full = [4, 10, 11, 20, 21];
        for other in [&full[..], &[3, 10, 11], &[7, 10, 11, 20, 21]] {
            assert!(same(&full, other) && same(other, &full) && same(other, other), "{other:?}");
        }
        assert!(same(&[3, 10, 11], &[7, 10, 11, 20, 21]));
        for (other, why) in [
            (&[2, 10, 11][..], "the other root"),
            (&[6, 10, 11, 20, 21], "a hybrid that contradicts itself"),
            (&[3, 10, 12], "another x"),
            (&[4, 10, 11, 20, 23], "another y"),
            (&[3, 10], "shorter"),
            (&[4, 10, 11, 20], "half a coordinate"),
            (&[5, 10, 11, 20, 21], "a form that there is not"),
            (&[0], "the point at infinity"),
            (&[], "nothing"),
        ] {
            assert!(!same(&full, other) && !same(other, &full), "{why}");
        }
    }

    #[test]
    fn a_described_curve_is_the_one_with_these_numbers() {
        for name in ["prime256v1", "secp384r1", "secp521r1", "secp256k1"] {
            let named = openssl(&format!("ecparam -name {name} -outform DER"), b"");
            let named = Curve::of(Element::filling(&named).unwrap());
            for form in ["uncompressed", "compressed", "hybrid"] {
                let words = format!("ecparam -name {name} -param_enc explicit -conv_form {form} -outform DER");
                let described = openssl(&words, b"");
                assert_eq!(Curve::of(Element::filling(&described).unwrap()), named, "{words}");
                // Another generator makes another curve of it, with other keys (CVE-2020-0601).
                let mut other = described.clone();
                let base = Element::filling(&described).unwrap().inside().nth(3).unwrap().content;
                other[base.as_ptr() as usize - described.as_ptr() as usize + 5] ^= 1;
                let other = Element::filling(&other).unwrap();
                assert_eq!(Curve::of(other), Curve::Described(other.whole), "{words}");
            }
        }
        let brainpool = openssl("ecparam -name brainpoolP256r1 -param_enc explicit -outform DER", b"");
        assert_eq!(Curve::of(Element::filling(&brainpool).unwrap()), Curve::Described(&brainpool));
    }
}
