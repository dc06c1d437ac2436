//! PKCS#7 and CMS `SignedData` (RFC 5652 section 5) as a bag of certificates. Nobody's signature is looked at.

use super::ber::definite;
use super::contents::{Contents, Format, MAX_ENTRIES};
use super::error::{BlockError, InputError, Place};
use super::linked::leaf_first;
use super::tlv::{Element, INTEGER, OBJECT, ONE, SEQUENCE, SET, ZERO};
use crate::cert::certificate::Certificate;

/// 1.2.840.113549.1.7.2, header and all.
const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";

/// Whether the bytes begin as one, DER or BER.
pub(super) fn begins(input: &[u8]) -> bool {
    inside_outer(input).is_some_and(|inside| inside.starts_with(SIGNED_DATA))
}

/// What follows the header of the outermost SEQUENCE, definite or not.
pub(super) fn inside_outer(input: &[u8]) -> Option<&[u8]> {
    let rest = input.strip_prefix(&[SEQUENCE])?;
    let (first, rest) = rest.split_first()?;
    match *first {
        0..=0x80 => Some(rest),
        long => rest.get(usize::from(long & 0x7f)..),
    }
}

/// Reads a file of it.
pub(super) fn read(input: &[u8]) -> Result<Contents, InputError> {
    let mut contents = Contents::new(Format::Pkcs7);
    match read_into(&mut contents, input, &Place::Store(Format::Pkcs7)) {
        Ok(()) if contents.certificates.len() > MAX_ENTRIES => Err(InputError::TooManyBlocks),
        Ok(()) => Ok(contents),
        Err(why) => Err(InputError::Unreadable { format: Format::Pkcs7, why }),
    }
}

/// Adds the certificates to `contents`, the leaf first, for in a SET they have no order. One that cannot be read is told as bad at
/// `place`.
pub(super) fn read_into(contents: &mut Contents, input: &[u8], place: &Place) -> Result<(), BlockError> {
    let der = definite(input)?;
    let (certificates, lists) = parts(&der).ok_or(BlockError::Damaged("it is no SignedData"))?;
    let mut found = Vec::new();
    for element in certificates.map(Element::inside).into_iter().flatten() {
        match element.tag {
            SEQUENCE => match Certificate::from_der(element.whole) {
                Ok(certificate) => found.push(certificate),
                Err(error) => contents.refuse(place.clone(), BlockError::Certificate(error)),
            },
            _ => contents.ignore("ATTRIBUTE CERTIFICATE"),
        }
        // Whoever called tells that it is too many.
        if found.len() + contents.bad.len() > MAX_ENTRIES {
            break;
        }
    }
    for _ in lists.map(Element::inside).into_iter().flatten().take(MAX_ENTRIES) {
        contents.ignore("X509 CRL");
    }
    contents.certificates.extend(leaf_first(found));
    Ok(())
}

/// The certificates and the revocation lists, where there are any.
fn parts(der: &[u8]) -> Option<(Option<Element<'_>>, Option<Element<'_>>)> {
    let mut outer = Element::filling(der)?.tagged(SEQUENCE)?.inside();
    outer.expect(OBJECT)?;
    let mut signed = outer.expect(ZERO)?.only()?.tagged(SEQUENCE)?.inside();
    signed.expect(INTEGER)?;
    signed.expect(SET)?;
    signed.expect(SEQUENCE)?;
    let certificates = signed.optional(ZERO);
    let lists = signed.optional(ONE);
    signed.expect(SET)?;
    Some((certificates, lists))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec;
    use crate::cert::fixture::{Wish, self_signed};
    use crate::cert::key::tests::openssl;

    fn chain() -> [Certificate; 3] {
        let root = self_signed(&Wish::ca("Root"));
        let middle = root.issue(&Wish::ca("Middle"));
        let leaf = middle.issue(&Wish::server("www.example.com"));
        [leaf.certificate, middle.certificate, root.certificate]
    }

    /// Openssl's `crl2pkcs7` of certificates in the wrong order.
    fn p7b(chain: &[Certificate], form: &str) -> Vec<u8> {
        let text: String = chain.iter().rev().map(Certificate::to_pem).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        openssl(&format!("crl2pkcs7 -nocrl -outform {form} -certfile {}", file.path().display()), b"")
    }

    #[test]
    fn openssl_files_are_read_leaf_first() {
        let chain = chain();
        let der = p7b(&chain, "DER");
        let contents = codec::read(&der, None).unwrap();
        assert_eq!((contents.format, contents.certificates.as_slice()), (Format::Pkcs7, chain.as_slice()));
        let pem = p7b(&chain, "PEM");
        for label in ["PKCS7", "CMS", "PKCS #7 SIGNED DATA"] {
            let text = String::from_utf8(pem.clone()).unwrap().replace("PKCS7-", &format!("{label}-"));
            let contents = codec::read(text.as_bytes(), None).unwrap();
            assert_eq!((contents.format, contents.certificates.as_slice()), (Format::Pem, chain.as_slice()));
            assert!(contents.bad.is_empty());
        }
        // The same with lengths left open, three levels deep, as tools that stream write it.
        let mut ber = Vec::new();
        let mut inner = der.as_slice();
        for _ in 0..2 {
            let outer = Element::filling(inner).unwrap();
            ber.extend([outer.tag, 0x80]);
            let mut parts = outer.inside();
            if let Some(oid) = parts.optional(OBJECT) {
                ber.extend(oid.whole);
            }
            inner = parts.0;
        }
        ber.extend(inner);
        ber.extend([0; 4]);
        let contents = codec::read(&ber, None).unwrap();
        assert_eq!(contents.certificates, chain);
    }

    #[test]
    fn one_bad_certificate_hides_no_other() {
        let chain = chain();
        let mut der = p7b(&chain, "DER");
        // The tag of the version of the one that comes first.
        let place = der.windows(5).position(|window| window == b"\xa0\x03\x02\x01\x02").unwrap();
        der[place] = 0x30;
        let contents = codec::read(&der, None).unwrap();
        assert_eq!((contents.certificates.len(), contents.bad.len()), (2, 1));
        assert!(contents.bad[0].to_string().starts_with("PKCS#7: the bytes cannot be read"), "{}", contents.bad[0]);
    }

    #[test]
    fn damage_is_told() {
        let der = p7b(&chain(), "DER");
        for cut in [20, 100, der.len() - 1] {
            let error = codec::read(&der[..cut], None).err().unwrap();
            assert!(matches!(error, InputError::Unreadable { format: Format::Pkcs7, .. }), "{error}");
        }
        let bomb = [b"\x30\x80".as_slice(), SIGNED_DATA, &b"\xa0\x80".repeat(1 << 20)].concat();
        let error = codec::read(&bomb, None).err().unwrap();
        assert_eq!(error, InputError::Unreadable { format: Format::Pkcs7, why: BlockError::TooDeep });
        assert!(error.hint().is_some());
    }
}
