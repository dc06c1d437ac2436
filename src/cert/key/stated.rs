//! The public half that a private key states, for whoever looks at many keys and into none.

use crate::cert::codec::tlv::{BITS, Element, INTEGER, OBJECT, OCTETS, ONE, SEQUENCE, ZERO};
use crate::cert::rsa::private;

/// id-ecPublicKey (RFC 5480 section 2.1.1).
pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// secp256r1, secp384r1 and secp521r1 (RFC 5480 section 2.1.1.1), each with the octets of a point.
const CURVES: [(&[u8], usize); 3] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], 65),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], 97),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], 133),
];

/// How far private keys are looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// The public half is computed from the private one, and what contradicts itself is refused.
    Into,
    /// The public half is taken as the key states it, where it does.
    At,
}

/// What a private key says its public half is. That it is, nobody has checked.
#[derive(Debug)]
pub struct StatedKey {
    spki: Vec<u8>,
}

impl StatedKey {
    /// Of an RSA key in PKCS#1 (RFC 8017 appendix A.1.2), of one on a curve of NIST in SEC 1 (RFC 5915), and of either in PKCS#8
    /// (RFC 5958); none where it states none, or where it takes a closer look to say what it is.
    pub(in crate::cert) fn of(der: &[u8]) -> Option<Self> {
        private::stated(der).or_else(|| on_curve(der)).map(|spki| Self { spki })
    }

    /// Its SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
}

fn on_curve(der: &[u8]) -> Option<Vec<u8>> {
    let mut parts = Element::filling(der)?.tagged(SEQUENCE)?.inside();
    parts.expect(INTEGER)?;
    let Some(algorithm) = parts.optional(SEQUENCE) else { return of_sec1(der, None) };
    let mut identifier = algorithm.inside();
    if identifier.expect(OBJECT)?.content != EC {
        return None;
    }
    let curve = identifier.expect(OBJECT)?;
    of_sec1(parts.expect(OCTETS)?.content, Some(curve))
}

fn of_sec1(der: &[u8], curve: Option<Element<'_>>) -> Option<Vec<u8>> {
    let mut parts = Element::filling(der)?.tagged(SEQUENCE)?.inside();
    parts.expect(INTEGER)?;
    let secret = parts.expect(OCTETS)?;
    let own = parts.optional(ZERO).map(|own| own.inside().expect(OBJECT));
    let point = parts.optional(ONE)?.inside().expect(BITS)?;
    let curve = match (curve, own) {
        (Some(curve), None) => curve,
        (None, Some(Some(own))) => own,
        (Some(curve), Some(Some(own))) if curve.content == own.content => curve,
        (Some(_), Some(_)) | (None, None | Some(None)) => return None,
    };
    let (_, octets) = CURVES.iter().find(|(known, _)| *known == curve.content)?;
    let whole = point.content.len() == octets + 1 && point.content.starts_with(&[0, 4]);
    if !whole || secret.content.len() != octets / 2 || !parts.is_done() {
        return None;
    }
    let identifier = Element::wrap(SEQUENCE, &[&Element::wrap(OBJECT, EC), curve.whole].concat());
    Some(Element::wrap(SEQUENCE, &[&identifier, point.whole].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::PrivateKey;
    use crate::cert::key::tests::openssl;

    #[test]
    fn what_is_stated_is_what_is_computed() {
        for (generate, states) in [
            ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", true),
            ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", true),
            ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", true),
            ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521", true),
            ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", false),
            ("genpkey -algorithm ED25519", false),
        ] {
            let made = openssl(generate, b"");
            for form in ["pkcs8 -topk8 -nocrypt -outform DER", "pkey -traditional -outform DER"] {
                let der = openssl(form, &made);
                let computed = PrivateKey::from_der(&der).unwrap();
                let stated = StatedKey::of(&der);
                assert_eq!(stated.is_some(), states, "{generate} {form}");
                assert!(stated.is_none_or(|stated| stated.spki() == computed.spki()), "{generate} {form}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0_usize..200, to: u8) {
            let key = PrivateKey::generate(crate::cert::Generate::P256).unwrap();
            let mut der = key.pkcs8_der().expose().to_vec();
            let at = at % der.len();
            der[at] = to;
            let _ = (StatedKey::of(&der), StatedKey::of(&der[..at]));
        }
    }
}
