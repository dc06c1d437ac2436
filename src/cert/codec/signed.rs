//! What a CA signs: certificates (RFC 5280 section 4.1) and revocation lists (section 5.1), as bytes.

use super::tlv::{Element, Elements, INTEGER, OBJECT, SEQUENCE, ZERO};
use crate::cert::certificate::Certificate;
use crate::cert::key::{KeyError, PrivateKey};

/// BIT STRING.
const BITS: u8 = 0x03;

/// `[6]`, primitive: a uniformResourceIdentifier among general names (RFC 5280 section 4.2.1.6).
const URI: u8 = 0x86;

/// A certificate or revocation list that spells the name of its issuer as the issuer's certificate does, to the byte. Where it
/// does not, the name is put in its place and all is signed again with `key`, in the way the key signs ([`PrivateKey::sign`]),
/// which must be the one it was signed in before. What writes certificates keeps one attribute of each type, and kinds of strings
/// of its own choice.
///
/// # Errors
/// The bytes are neither, or the key makes no signature.
pub fn as_issued_by(signed: &[u8], issuer: &Certificate, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    let parts = parts(signed).ok_or(KeyError::Unreadable)?;
    if parts.issuer.whole == issuer.subject_der() {
        return Ok(signed.to_vec());
    }
    let content = [parts.before, issuer.subject_der(), parts.after].concat();
    let content = Element::wrap(SEQUENCE, &content);
    // No bit of the last octet is unused.
    let signature = [&[0], key.sign(&content)?.as_slice()].concat();
    Ok(Element::wrap(SEQUENCE, &[&content, parts.algorithm.whole, &Element::wrap(BITS, &signature)].concat()))
}

/// The value of an extension `AuthorityInfoAccess` (RFC 5280 section 4.2.2.1) that tells where the issuer's certificate lies.
#[must_use]
pub fn issuer_at(urls: &[String]) -> Vec<u8> {
    /// id-ad-caIssuers, 1.3.6.1.5.5.7.48.2.
    const CA_ISSUERS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    let descriptions = urls.iter().map(|url| {
        let method = Element::wrap(OBJECT, CA_ISSUERS);
        Element::wrap(SEQUENCE, &[method, Element::wrap(URI, url.as_bytes())].concat())
    });
    Element::wrap(SEQUENCE, &descriptions.collect::<Vec<_>>().concat())
}

/// What is signed, around the name of the issuer, and the algorithm.
struct Parts<'a> {
    before: &'a [u8],
    issuer: Element<'a>,
    after: &'a [u8],
    algorithm: Element<'a>,
}

fn parts(signed: &[u8]) -> Option<Parts<'_>> {
    let mut outer = Element::filling(signed)?.tagged(SEQUENCE)?.inside();
    let (content, algorithm) = (outer.expect(SEQUENCE)?, outer.expect(SEQUENCE)?);
    outer.expect(BITS)?;
    let mut inside: Elements<'_> = content.inside();
    // The version is explicit in one and a bare number in the other; a certificate's serial number follows.
    inside.optional(ZERO);
    inside.expect(INTEGER)?;
    inside.expect(SEQUENCE)?;
    let before = content.content.get(..content.content.len() - inside.0.len())?;
    let issuer = inside.expect(SEQUENCE)?;
    outer.is_done().then_some(Parts { before, issuer, after: inside.0, algorithm })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};
    use crate::cert::key::tests::openssl;
    use crate::cert::{Signed, issued_by};

    #[test]
    fn an_issuer_keeps_its_own_spelling() {
        let ours = self_signed(&Wish::ca("Example"));
        let leaf = ours.issue(&Wish::server("www"));
        let der = leaf.certificate.der();
        assert_eq!(as_issued_by(der, &ours.certificate, &ours.key).unwrap(), der, "nothing is signed twice");

        // Repeated attributes, and two in one relative name.
        let pem = ours.key.to_pem();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem.expose()).unwrap();
        let theirs = openssl(
            &format!(
                "req -x509 -key {} -multivalue-rdn -subj /DC=com/DC=example/OU=a/OU=b+CN=Example -days 9 -outform DER",
                file.path().display()
            ),
            b"",
        );
        let theirs = Certificate::from_der(theirs).unwrap();
        assert_eq!(theirs.subject(), "DC=com, DC=example, OU=a, OU=b + CN=Example");
        assert_eq!(issued_by(&leaf.certificate, &theirs), Signed::Failed);
        let again = Certificate::from_der(as_issued_by(der, &theirs, &ours.key).unwrap()).unwrap();
        assert_eq!(again.issuer_der(), theirs.subject_der());
        assert_eq!(issued_by(&again, &theirs), Signed::Verified);
        assert_eq!((again.serial(), again.spki(), again.ski()), {
            let one = &leaf.certificate;
            (one.serial(), one.spki(), one.ski())
        });
    }

    #[test]
    fn what_is_neither_is_refused() {
        let ours = self_signed(&Wish::ca("Example"));
        let der = ours.certificate.der();
        for bytes in [b"".as_slice(), b"\x30\x00", ours.key.spki(), &der[..der.len() - 1], &[der, b"x"].concat()] {
            assert!(as_issued_by(bytes, &ours.certificate, &ours.key).is_err());
        }
    }
}
