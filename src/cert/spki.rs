//! Public keys as certificates carry them: SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).

use aws_lc_rs::digest;
use x509_parser::oid_registry::{OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::codec::tlv::{BITS, Element, OBJECT, SEQUENCE};

/// Whether both hold the same public key.
///
/// Equal bytes are; so are the spellings that tools disagree about: RSA parameters absent or NULL (RFC 3279 section 2.3.1 wants
/// NULL), and a point on a curve compressed or not (RFC 5480 section 2.2).
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let (Ok((_, a)), Ok((_, b))) = (SubjectPublicKeyInfo::from_der(a), SubjectPublicKeyInfo::from_der(b)) else {
        return false;
    };
    let algorithm = &a.algorithm.algorithm;
    if *algorithm != b.algorithm.algorithm {
        return false;
    }
    let (a_key, b_key) = (&a.subject_public_key.data, &b.subject_public_key.data);
    if *algorithm == OID_PKCS1_RSAENCRYPTION {
        a_key == b_key
    } else if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        a.algorithm.parameters == b.algorithm.parameters && same_point(a_key, b_key)
    } else {
        false
    }
}

/// The key alone, without its algorithm: what the BIT STRING of a SubjectPublicKeyInfo holds.
#[must_use]
pub fn key_bits(spki: &[u8]) -> Option<&[u8]> {
    Some(parts(spki)?.1)
}

/// The algorithm's object identifier, and the key alone.
fn parts(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = Element::filling(spki)?.tagged(SEQUENCE)?.inside();
    let algorithm = parts.expect(SEQUENCE)?.inside().expect(OBJECT)?.content;
    // First comes the number of bits that are not used, none in any key.
    let (_, key) = parts.expect(BITS)?.content.split_first()?;
    parts.is_done().then_some((algorithm, key))
}

/// RFC 5280 section 4.2.1.2, method 1: SHA-1 of the key alone, a name and no proof.
pub(super) fn identifier(spki: &[u8]) -> Vec<u8> {
    let bits = key_bits(spki).unwrap_or_default();
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bits).as_ref().to_vec()
}

/// The key alone, of an RSA key that is not restricted to PSS.
pub(super) fn rsa_key_bits(spki: &[u8]) -> Option<&[u8]> {
    let (algorithm, key) = parts(spki)?;
    (algorithm == OID_PKCS1_RSAENCRYPTION.as_bytes()).then_some(key)
}

/// SEC 1 section 2.3.3: `04 x y` is also written `02 x` or `03 x`, by the parity of y.
fn same_point(a: &[u8], b: &[u8]) -> bool {
    let (compressed, full) = if a.len() < b.len() { (a, b) } else { (b, a) };
    match (compressed, full) {
        ([sign @ (2 | 3), x @ ..], [4, point @ .., last]) => {
            point.len() + 1 == 2 * x.len() && point.starts_with(x) && *sign == 2 + (last & 1)
        }
        (_, _) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_the_same_compressed() {
        let full = [4, 10, 11, 20, 21];
        assert!(same_point(&full, &[3, 10, 11]));
        assert!(same_point(&[3, 10, 11], &full));
        assert!(same_point(&full, &full));
        assert!(!same_point(&full, &[2, 10, 11]), "the other root");
        assert!(!same_point(&full, &[3, 10, 12]));
        assert!(!same_point(&full, &[3, 10]));
        assert!(!same_point(&full, &[]));
    }

    #[test]
    fn what_is_no_key_is_no_other_key() {
        assert!(!same(b"", b"x"));
        assert!(same(b"x", b"x"));
    }
}
