//! Public keys as certificates carry them: SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).

use aws_lc_rs::digest;
use x509_parser::asn1_rs::oid;
use x509_parser::oid_registry::{OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION};

use super::codec::tlv::{BITS, Element, Elements, INTEGER, NULL, OBJECT, SEQUENCE};
use super::curve::{Curve, Point};
use super::rsa::PublicNumbers;
use super::strict::written::names_an_object;

/// Whether both hold the same public key.
///
/// Equal bytes are; so are the spellings that tools disagree about, and that OpenSSL takes for one: RSA parameters absent or NULL
/// (RFC 3279 section 2.3.1 wants NULL), numbers with more or fewer zeros in front than DER has; a curve named or described (section
/// 2.3.5), and a point on it compressed, full or hybrid (RFC 5480 section 2.2).
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let (Some(a_parts), Some(b_parts)) = (parts(a), parts(b)) else {
        return false;
    };
    if a_parts.algorithm != b_parts.algorithm {
        return false;
    }
    if a_parts.algorithm == OID_PKCS1_RSAENCRYPTION.as_bytes() {
        PublicNumbers::of_spki(a).zip(PublicNumbers::of_spki(b)).is_some_and(|(a, b)| a == b)
    } else if a_parts.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY.as_bytes() {
        let points = Point::of(a_parts.key).zip(Point::of(b_parts.key));
        points.is_some_and(|(a, b)| a.same(b)) && a_parts.parameters.map(Curve::of) == b_parts.parameters.map(Curve::of)
    } else {
        false
    }
}

/// Whether there is such a key at all: a point on its curve (SEC 1 section 3.2.2.1), octets of the right number (RFC 8032 sections 5.1.5
/// and 5.2.5, RFC 7748 section 5). Of kinds that are not listed nothing is known against it.
pub(super) fn is_possible(spki: &[u8]) -> bool {
    let Some(Parts { algorithm, parameters, key }) = parts(spki) else { return true };
    match algorithm {
        EC => parameters.map(Curve::of).is_none_or(|curve| curve.may_have(key)),
        X25519 | ED25519 => key.len() == 32,
        X448 => key.len() == 56,
        ED448 => key.len() == 57,
        _ => true,
    }
}

/// The key alone, without its algorithm: what the BIT STRING of a SubjectPublicKeyInfo holds.
#[must_use]
pub fn key_bits(spki: &[u8]) -> Option<&[u8]> {
    Some(parts(spki)?.key)
}

/// What is wrong with the parameters of an RSA key, which are NULL (RFC 3279 section 2.3.1): OpenSSL also takes others or none. Go reads no
/// certificate with such a key, and rustls takes no signature by it.
pub(super) fn odd_parameters(spki: &[u8]) -> Option<&'static str> {
    let mut algorithm = Element::filling(spki)?.inside().expect(SEQUENCE)?.inside();
    let rsa = algorithm.expect(OBJECT)?.content == RSA;
    (rsa && algorithm.0 != [NULL, 0]).then_some("the parameters of its RSA key are not NULL")
}

struct Parts<'a> {
    /// The algorithm's object identifier.
    algorithm: &'a [u8],
    parameters: Option<Element<'a>>,
    /// The key alone.
    key: &'a [u8],
}

const RSA: &[u8] = &oid!(raw 1.2.840.113549.1.1.1);
const EC: &[u8] = &oid!(raw 1.2.840.10045.2.1);
const X25519: &[u8] = &oid!(raw 1.3.101.110);
const X448: &[u8] = &oid!(raw 1.3.101.111);
const ED25519: &[u8] = &oid!(raw 1.3.101.112);
const ED448: &[u8] = &oid!(raw 1.3.101.113);

fn parts(spki: &[u8]) -> Option<Parts<'_>> {
    let mut parts = Element::filling(spki)?.tagged(SEQUENCE)?.inside();
    let mut identifier = parts.expect(SEQUENCE)?.inside();
    let (algorithm, parameters) = (identifier.expect(OBJECT)?.content, identifier.next());
    // First comes the number of bits that are not used, none in any key.
    let (_, key) = parts.expect(BITS)?.content.split_first()?;
    parts.is_done().then_some(Parts { algorithm, parameters, key })
}

/// What is so wrong with how a key is written that OpenSSL reads none in it, and loads no certificate for a server that has it: measured with
/// OpenSSL 3, which wants nothing behind the parameters of any algorithm, and of those it knows their own (RFC 3279 section 2.3, RFC 5480
/// section 2.1, RFC 8410 section 3). It takes RSA keys without the NULL, with numbers that have more octets than they need or are below
/// zero, and with something behind them.
pub(super) fn fault(spki: &[u8]) -> Option<&'static str> {
    let Some(Parts { algorithm, parameters, key }) = parts(spki).filter(|_| is_whole(spki)) else {
        return Some("the public key is not built as keys are");
    };
    let fits = match algorithm {
        RSA => rsa_numbers(key).is_some(),
        EC => parameters.is_some_and(|curve| matches!(curve.tag, OBJECT | SEQUENCE)),
        X25519 | X448 | ED25519 | ED448 => parameters.is_none(),
        _ => true,
    };
    (!fits).then_some("the public key is not written as its algorithm has it")
}

/// What others than OpenSSL have against how a key is written that it takes.
pub(super) fn doubt(spki: &[u8]) -> Option<&'static str> {
    let Parts { algorithm, key, .. } = parts(spki)?;
    match algorithm {
        RSA if rsa_numbers(key)?.iter().any(|number| matches!(number, [] | [0x80..=0xff, ..] | [0, 0..0x80, ..])) => {
            Some("an RSA key with a number below zero or with more octets than it needs, which Go does not read")
        }
        EC if matches!(key, [2 | 3, ..]) => Some("a compressed point of an elliptic curve, which Go does not read"),
        EC if matches!(key, [6 | 7, ..]) => Some("a hybrid point of an elliptic curve, which Go does not read"),
        _ => None,
    }
}

/// Whether nothing follows the parameters of the algorithm, a NULL among them is empty, and the object identifiers are some.
fn is_whole(spki: &[u8]) -> bool {
    let algorithm = Element::filling(spki).and_then(|whole| whole.inside().next());
    algorithm.is_some_and(|algorithm| {
        let mut parts = algorithm.inside();
        let named = parts.next().is_some_and(|name| names_an_object(name.content));
        let parameters = parts.next().is_none_or(|one| match one.tag {
            NULL => one.content.is_empty(),
            OBJECT => names_an_object(one.content),
            _ => true,
        });
        named && parameters && parts.is_done()
    })
}

/// The octets of modulus and exponent, where there is no third number.
fn rsa_numbers(key: &[u8]) -> Option<[&[u8]; 2]> {
    let mut numbers = Elements(key).expect(SEQUENCE)?.inside();
    let both = [numbers.expect(INTEGER)?.content, numbers.expect(INTEGER)?.content];
    numbers.is_done().then_some(both)
}

/// RFC 5280 section 4.2.1.2, method 1: SHA-1 of the key alone, a name and no proof.
pub(super) fn identifier(spki: &[u8]) -> Vec<u8> {
    let bits = key_bits(spki).unwrap_or_default();
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bits).as_ref().to_vec()
}

/// The key alone, of an RSA key that is not restricted to PSS.
pub(super) fn rsa_key_bits(spki: &[u8]) -> Option<&[u8]> {
    let Parts { algorithm, key, .. } = parts(spki)?;
    (algorithm == OID_PKCS1_RSAENCRYPTION.as_bytes()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, rebuilt, self_signed};
    use crate::cert::key::tests::openssl;
    use crate::cert::{Certificate, Generate, PrivateKey};

    #[test]
    fn what_is_no_key_is_no_other_key() {
        assert!(!same(b"", b"x"));
        assert!(same(b"x", b"x"));
    }

    #[test]
    fn an_rsa_key_is_the_same_however_its_numbers_are_written() {
        let spki = PrivateKey::generate(Generate::Rsa2048).unwrap().spki().to_vec();
        let [modulus, exponent] = {
            let mut numbers = Element::filling(rsa_key_bits(&spki).unwrap()).unwrap().inside();
            [(); 2].map(|()| numbers.next().unwrap().content)
        };
        let null = Element::filling(&spki).unwrap().inside().next().unwrap().whole;
        let bare = Element::wrap(SEQUENCE, Element::filling(null).unwrap().inside().next().unwrap().whole);
        let written = |algorithm: &[u8], modulus: &[u8], exponent: &[u8]| {
            let numbers = [modulus, exponent].map(|number| Element::wrap(INTEGER, number)).concat();
            let key = [&[0], Element::wrap(SEQUENCE, &numbers).as_slice()].concat();
            Element::wrap(SEQUENCE, &[algorithm, &Element::wrap(BITS, &key)].concat())
        };
        assert_eq!(written(null, modulus, exponent), spki);
        let long = [&[0, 0], modulus].concat();
        for other in [
            written(&bare, modulus, exponent),
            written(null, &long, exponent),
            written(null, &modulus[1..], exponent),
            written(&bare, modulus, &[0, 1, 0, 1]),
        ] {
            assert!(same(&spki, &other) && same(&other, &spki) && other != spki);
        }
        let mut changed = modulus.to_vec();
        changed[9] ^= 1;
        for other in [
            written(null, &changed, exponent),
            written(null, modulus, &[3]),
            written(null, &[modulus, &[0]].concat(), exponent),
        ] {
            assert!(!same(&spki, &other) && !same(&other, &spki));
        }
    }

    /// OpenSSL writes the certificate as it is asked to; it says itself that certificate and key belong together (`req` would not sign).
    #[test]
    fn a_key_fits_its_certificate_however_curve_and_point_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).display().to_string();
        for curve in ["P-256", "P-384", "P-521", "secp256k1"] {
            let plain = openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve}"), b"");
            let (key, stranger) = (PrivateKey::from_der(&openssl("pkey -outform DER", &plain)).unwrap(), {
                let other = openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve}"), b"");
                PrivateKey::from_der(&openssl("pkey -outform DER", &other)).unwrap()
            });
            for curve_as in ["named_curve", "explicit"] {
                for point_as in ["uncompressed", "compressed", "hybrid"] {
                    let words = format!("ec -param_enc {curve_as} -conv_form {point_as}");
                    std::fs::write(file("key"), openssl(&words, &plain)).unwrap();
                    let der = openssl(&format!("req -x509 -key {} -subj /CN=x -outform DER", file("key")), b"");
                    let certificate = Certificate::from_der(der).unwrap();
                    let forms: &[u8] = match point_as {
                        "compressed" => &[2, 3],
                        "hybrid" => &[6, 7],
                        _ => &[4],
                    };
                    assert!(forms.contains(&key_bits(certificate.spki()).unwrap()[0]), "{curve}: {words}");
                    let described = parts(certificate.spki()).unwrap().parameters.unwrap().tag == SEQUENCE;
                    assert_eq!(described, curve_as == "explicit", "{curve}: {words}");
                    assert!(key.matches(&certificate), "{curve}: {words}");
                    assert!(!stranger.matches(&certificate), "{curve}: {words}");
                    assert!(certificate.has_possible_key(), "{curve}: {words}");
                }
            }
        }
    }

    /// OpenSSL reads the key of a certificate when it is asked for it, as a server is.
    #[test]
    fn a_key_that_openssl_does_not_read_is_at_fault() {
        let algorithm = |parts: &[&[u8]]| Element::wrap(SEQUENCE, &parts.concat());
        let key_of = |kind| PrivateKey::generate(kind).unwrap().spki().to_vec();
        let (rsa, ec, ed) = (key_of(Generate::Rsa2048), key_of(Generate::P256), key_of(Generate::Ed25519));
        let spki = |of: &[u8], algorithm: &[u8], key: Option<&[u8]>| {
            let bits = Element::filling(of).unwrap().inside().nth(1).unwrap().whole.to_vec();
            let bits = key.map_or(bits, |key| Element::wrap(BITS, &[&[0], key].concat()));
            Element::wrap(SEQUENCE, &[algorithm, &bits].concat())
        };
        let [rsa_id, ec_id, ed_id] = [RSA, EC, &[0x2b, 0x65, 0x70]].map(|one| Element::wrap(OBJECT, one));
        let (null, curve): (&[u8], &[u8]) = (b"\x05\0", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
        let numbers: Vec<&[u8]> =
            Element::filling(key_bits(&rsa).unwrap()).unwrap().inside().map(|number| number.whole).collect();
        let [modulus, exponent] = numbers[..] else { panic!("two numbers") };
        let with = |parts: &[&[u8]]| spki(&rsa, &algorithm(&[&rsa_id, null]), Some(&algorithm(parts)));
        let negative = Element::wrap(INTEGER, &Element::filling(modulus).unwrap().content[1..]);
        let behind = [algorithm(&[modulus, exponent]), vec![5, 0]].concat();
        let point = key_bits(&ec).unwrap();
        let compressed = [&[2 + (point[64] & 1)], &point[1..33]].concat();
        for (what, spki, fault, doubt) in [
            ("RSA", rsa.clone(), false, false),
            ("RSA without NULL", spki(&rsa, &algorithm(&[&rsa_id]), None), false, false),
            ("RSA with a long NULL", spki(&rsa, &algorithm(&[&rsa_id, b"\x05\x01x"]), None), true, false),
            ("RSA with two NULLs", spki(&rsa, &algorithm(&[&rsa_id, null, null]), None), true, false),
            ("RSA with three numbers", with(&[modulus, exponent, exponent]), true, false),
            ("RSA with one number", with(&[modulus]), true, false),
            ("RSA with a long exponent", with(&[modulus, b"\x02\x04\0\x01\0\x01"]), false, true),
            ("RSA below zero", with(&[&negative, exponent]), false, true),
            ("RSA and more", spki(&rsa, &algorithm(&[&rsa_id, null]), Some(&behind)), false, false),
            ("EC", ec.clone(), false, false),
            ("EC without a curve", spki(&ec, &algorithm(&[&ec_id]), None), true, false),
            ("EC with NULL", spki(&ec, &algorithm(&[&ec_id, null]), None), true, false),
            ("EC with a curve and NULL", spki(&ec, &algorithm(&[&ec_id, curve, null]), None), true, false),
            ("EC, compressed", spki(&ec, &algorithm(&[&ec_id, curve]), Some(&compressed)), false, true),
            ("EC under another tag", spki(&ec, &algorithm(&[&Element::wrap(4, EC), curve]), None), true, false),
            ("Ed25519", ed.clone(), false, false),
            ("Ed25519 with NULL", spki(&ed, &algorithm(&[&ed_id, null]), None), true, false),
        ] {
            assert_eq!((super::fault(&spki).is_some(), super::doubt(&spki).is_some()), (fault, doubt), "{what}");
            let der = rebuilt(&self_signed(&Wish::server("x")).certificate, |parts| parts[6] = spki);
            let read = Certificate::from_der(der.clone()).unwrap();
            // Which Go does not read, and OpenSSL does.
            let refused = fault || what == "RSA without NULL";
            assert_eq!((read.strict_refusal().is_some(), read.load_refusal().is_some()), (refused, fault), "{what}");
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("x"), der).unwrap();
            let mut command = std::process::Command::new("openssl");
            command.args(["x509", "-inform", "DER", "-noout", "-pubkey", "-in"]).arg(dir.path().join("x"));
            assert_eq!(command.output().unwrap().status.success(), !fault, "{what}: OpenSSL");
        }
    }

    #[test]
    fn a_key_of_another_length_is_none() {
        for name in ["X25519", "X448", "Ed25519", "Ed448"] {
            let spki = openssl("pkey -pubout -outform DER", &openssl(&format!("genpkey -algorithm {name}"), b""));
            assert!(is_possible(&spki), "{name}");
            let algorithm = Element::filling(&spki).unwrap().inside().next().unwrap().whole;
            let key = key_bits(&spki).unwrap();
            for other in [&key[1..], &[key, &[1]].concat(), &[], &spki] {
                let bits = Element::wrap(BITS, &[&[0], other].concat());
                let spki = Element::wrap(SEQUENCE, &[algorithm, &bits].concat());
                assert!(key_bits(&spki) == Some(other) && !is_possible(&spki), "{name}");
            }
        }
    }

    #[test]
    fn a_point_beside_its_curve_is_no_key() {
        for kind in [Generate::P256, Generate::P384, Generate::P521, Generate::Ed25519] {
            let key = PrivateKey::generate(kind).unwrap();
            assert!(is_possible(key.spki()));
        }
        for kind in [Generate::P256, Generate::P384, Generate::P521] {
            let key = PrivateKey::generate(kind).unwrap();
            let good = key.spki().to_vec();
            let mut bad = good.clone();
            *bad.last_mut().unwrap() ^= 1;
            assert!(!is_possible(&bad), "{kind}");
            let at = good.len() - key_bits(&good).unwrap().len();
            // The hybrid form of the same point, and of one beside the curve.
            for (spki, possible) in [(good, true), (bad, false)] {
                let mut hybrid = spki.clone();
                hybrid[at] = 6 + (hybrid.last().unwrap() & 1);
                assert_eq!(is_possible(&hybrid), possible, "{kind}");
                *hybrid.last_mut().unwrap() ^= 1;
                assert!(!is_possible(&hybrid), "{kind}");
            }
            // The point at infinity, no octets at all, and a whole key in the place of the octets.
            for octets in [&[0, 0][..], &[0], &[&[0], key.spki()].concat()] {
                let mut parts = Element::filling(key.spki()).unwrap().inside();
                let algorithm = parts.next().unwrap().whole;
                let spki = Element::wrap(SEQUENCE, &[algorithm, &Element::wrap(BITS, octets)].concat());
                assert!(key_bits(&spki).is_some() && !is_possible(&spki), "{kind}: {octets:?}");
            }
        }
    }
}
