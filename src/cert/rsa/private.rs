//! RSA private keys as PKCS#1 writes them (RFC 8017 appendix A.1.2), and whether their parts belong together.

use crate::cert::codec::tlv::{BITS, Element, INTEGER, NULL, OBJECT, OCTETS, SEQUENCE};
use crate::cert::natural::Natural;
use crate::sensitive::Sensitive;

/// What the cryptographic library takes.
pub(super) const BITS_TAKEN: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A longer exponent is taken by nobody.
pub(super) const MOST_EXPONENT_BITS: usize = 33;

/// rsaEncryption (RFC 8017 appendix A.1).
pub(in crate::cert) const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The two forms of a key that is whole.
pub(in crate::cert) struct Halves {
    /// PKCS#8, version 1, without attributes.
    pub(in crate::cert) pkcs8: Sensitive,
    /// SubjectPublicKeyInfo.
    pub(in crate::cert) spki: Vec<u8>,
}

/// Reads an RSA key out of PKCS#1, plain or in PKCS#8, if it is written as DER wants it and every relation between its parts holds; none
/// where there is any doubt, about which the cryptographic library must be asked.
///
/// That library proves the same relations at the pace of an operation with a secret, which is fifty times slower and makes a tenth of a scan
/// of files. Here the time does depend on the key; it is taken once for each reading of a file, by who can read the key.
#[allow(clippy::many_single_char_names, reason = "the names of RFC 8017 section 3")]
pub(in crate::cert) fn read(der: &[u8]) -> Option<Halves> {
    let pkcs1 = plain(der)?;
    let [modulus, exponent, others @ ..] = numbers(pkcs1)?;
    let [n, e] = [modulus, exponent].map(Natural::from_be);
    let [d, p, q, d_p, d_q, q_inv] = others.map(Natural::from_be);
    if !BITS_TAKEN.contains(&n.bits()) {
        return None;
    }
    // Before anything is multiplied: a file may hold parts of megabytes.
    let bounded = p.bits() + q.bits() <= n.bits() + 1 && [&d, &d_p, &d_q, &q_inv].into_iter().all(|part| *part < n);
    if !bounded {
        return None;
    }
    let good_exponent = e.is_odd() && !e.is_one() && e.bits() <= MOST_EXPONENT_BITS;
    let good_factors = p.is_odd() && q.is_odd() && !p.is_one() && !q.is_one() && p.times(&q) == n;
    if !(good_exponent && good_factors) {
        return None;
    }
    let (p_less, q_less) = (p.less_one(), q.less_one());
    let d_e = d.times(&e);
    let related = d_e.modulo(&p_less)?.is_one()
        && d_e.modulo(&q_less)?.is_one()
        && d.modulo(&p_less)? == d_p
        && d.modulo(&q_less)? == d_q
        && q_inv < p
        && q.times(&q_inv).modulo(&p)?.is_one();
    related.then(|| Halves { pkcs8: in_pkcs8(pkcs1), spki: public(modulus, exponent) })
}

/// The public half that an RSA key states, as SubjectPublicKeyInfo; none where it is not written as DER wants it.
pub(in crate::cert) fn stated(der: &[u8]) -> Option<Vec<u8>> {
    let [modulus, exponent, ..] = numbers(plain(der)?)?;
    BITS_TAKEN.contains(&Natural::from_be(modulus).bits()).then(|| public(modulus, exponent))
}

/// The bytes of the numbers of a key of two primes, from the modulus to the coefficient, all of them positive.
fn numbers(pkcs1: &[u8]) -> Option<[&[u8]; 8]> {
    let mut parts = strict(Element::filling(pkcs1)?, SEQUENCE)?.inside();
    if strict(parts.next()?, INTEGER)?.content != [0] {
        return None;
    }
    let mut numbers: [&[u8]; 8] = [&[]; 8];
    for number in &mut numbers {
        *number = positive(strict(parts.next()?, INTEGER)?.content)?;
    }
    parts.is_done().then_some(numbers)
}

/// The PKCS#1 form in what may be PKCS#8.
pub(super) fn plain(der: &[u8]) -> Option<&[u8]> {
    let mut inside = strict(Element::filling(der)?, SEQUENCE)?.inside();
    if strict(inside.next()?, INTEGER)?.content != [0] {
        return None;
    }
    let Some(algorithm) = inside.optional(SEQUENCE) else { return Some(der) };
    // Without the NULL as well, which nobody misses.
    if algorithm.whole != self::algorithm() && algorithm.content != Element::wrap(OBJECT, &RSA) {
        return None;
    }
    let key = strict(inside.next()?, OCTETS)?;
    // Attributes may follow, which the library reads.
    inside.is_done().then_some(key.content)
}

/// The element, if it has this tag and its length is written as DER wants it (X.690 section 10.1): what is read here is written as it is.
pub(super) fn strict(element: Element<'_>, tag: u8) -> Option<Element<'_>> {
    let header = Element::header(tag, element.content.len());
    element.whole.starts_with(&header).then_some(element).filter(|it| it.whole.len() == header.len() + it.content.len())
}

/// The bytes of a positive INTEGER as DER writes it, without the zero that keeps it positive.
pub(super) fn positive(content: &[u8]) -> Option<&[u8]> {
    match content {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Some(rest),
        [1..0x80, ..] => Some(content),
        _ => None,
    }
}

fn algorithm() -> Vec<u8> {
    Element::wrap(SEQUENCE, &[Element::wrap(OBJECT, &RSA), Element::wrap(NULL, &[])].concat())
}

pub(super) fn in_pkcs8(pkcs1: &[u8]) -> Sensitive {
    let before = [Element::wrap(INTEGER, &[0]), algorithm(), Element::header(OCTETS, pkcs1.len())].concat();
    let header = Element::header(SEQUENCE, before.len() + pkcs1.len());
    // Put together once, so that no copy is left behind.
    Sensitive::from([header.as_slice(), &before, pkcs1].concat())
}

pub(super) fn public(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let zero: &[u8] = if bytes.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
        Element::wrap(INTEGER, &[zero, bytes].concat())
    };
    let key = Element::wrap(SEQUENCE, &[integer(modulus), integer(exponent)].concat());
    let bits = Element::wrap(BITS, &[&[0], key.as_slice()].concat());
    Element::wrap(SEQUENCE, &[algorithm(), bits].concat())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair, RsaKeyPair};

    use super::*;
    use crate::cert::key::tests::openssl;

    fn forms(key: &RsaKeyPair) -> (Vec<u8>, Vec<u8>) {
        let private = AsDer::<Pkcs8V1Der<'_>>::as_der(key).unwrap().as_ref().to_vec();
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()).unwrap().as_ref().to_vec();
        (private, public)
    }

    #[test]
    fn nobody_misses_the_null() {
        let (pkcs8, spki) = forms(&RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        let key = Element::filling(&pkcs8).unwrap().inside().nth(2).unwrap().whole;
        let bare = Element::wrap(SEQUENCE, &Element::wrap(OBJECT, &RSA));
        let without = Element::wrap(SEQUENCE, &[&[INTEGER, 1, 0], bare.as_slice(), key].concat());
        openssl("pkey -inform DER -check -noout", &without);
        let halves = read(&without).unwrap();
        assert!(halves.pkcs8.expose() == pkcs8 && halves.spki == spki, "written as it has to be");
    }

    #[test]
    fn what_is_read_is_what_the_library_reads() {
        for size in [KeySize::Rsa2048, KeySize::Rsa3072, KeySize::Rsa4096] {
            let (pkcs8, spki) = forms(&RsaKeyPair::generate(size).unwrap());
            let old = openssl("pkey -inform DER -traditional -outform DER", &pkcs8);
            for der in [&pkcs8, &old] {
                let halves = read(der).unwrap();
                assert_eq!(halves.spki, spki);
                assert!(*halves.pkcs8.expose() == pkcs8[..]);
            }
        }
        let three = openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_pubexp:3", b"");
        let three = openssl("pkcs8 -topk8 -nocrypt -outform DER", &three);
        let (pkcs8, spki) = forms(&RsaKeyPair::from_pkcs8(&three).unwrap());
        let halves = read(&three).unwrap();
        assert!(halves.spki == spki && *halves.pkcs8.expose() == pkcs8[..]);
    }

    /// `RSAPrivateKey` of these numbers, all of them positive.
    fn pkcs1(numbers: [&[u8]; 8]) -> Vec<u8> {
        let integer = |bytes: &&[u8]| Element::wrap(INTEGER, &[&[0], *bytes].concat());
        let parts = numbers.iter().map(integer).collect::<Vec<_>>().concat();
        Element::wrap(SEQUENCE, &[Element::wrap(INTEGER, &[0]), parts].concat())
    }

    #[test]
    fn parts_of_megabytes_cost_nothing() {
        let (large, n) = (vec![0xff; 4 << 20], vec![0xff; 256]);
        let began = std::time::Instant::now();
        assert!(read(&pkcs1([&n, &[0xff], &n, &large, &large, &n, &n, &n])).is_none());
        assert!(read(&pkcs1([&n, &[0xff], &large, &n, &n, &n, &n, &large])).is_none());
        // The product alone would take minutes.
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }

    #[test]
    fn nothing_is_taken_that_the_library_refuses() {
        let (pkcs8, spki) = forms(&RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        for place in 0..pkcs8.len() {
            for flip in [1, 0x80] {
                let mut damaged = pkcs8.clone();
                damaged[place] ^= flip;
                // Every byte counts: nothing that is changed is whole any more.
                assert!(read(&damaged).is_none(), "byte {place}");
            }
            assert!(read(&pkcs8[..place]).is_none());
        }
        assert_eq!(read(&pkcs8).unwrap().spki, spki);
        let short = openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -outform DER", b"");
        assert!(read(&short).is_none());
        let primes = "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3 -outform DER";
        assert!(read(&openssl(primes, b"")).is_none(), "three factors");
        // A length that DER writes shorter: whoever takes it would write it too.
        let inner = Element::filling(plain(&pkcs8).unwrap()).unwrap().content;
        let long = [&[0x30, 0x84, 0, 0][..], &u16::try_from(inner.len()).unwrap().to_be_bytes(), inner].concat();
        assert!(read(&long).is_none());
        for bytes in [b"".as_slice(), b"0", b"\x30\x00", b"\x30\x03\x02\x01\x00"] {
            assert!(read(bytes).is_none());
        }
    }
}
