//! RSA private keys in forms that OpenSSL signs with and the cryptographic library does not read: with more than two primes (RFC 8017
//! section 3.2), or without the numbers of the Chinese remainder theorem.

use zeroize::Zeroizing;

use super::private::{self, BITS_TAKEN, Halves, MOST_EXPONENT_BITS, in_pkcs8, plain, positive, public, strict};
use crate::cert::codec::tlv::{Element, INTEGER, SEQUENCE};
use crate::cert::natural::Natural;

/// Primes beyond the second that OpenSSL takes at most.
const MOST_OTHERS: usize = 3;

/// A prime beyond the second, its exponent and its coefficient.
struct Other([Natural; 3]);

/// Reads such a key, if every relation between its parts holds: whole, as one of two primes where it is one; or why nobody signs with it.
/// None where it is no such key.
#[allow(clippy::many_single_char_names, reason = "the names of RFC 8017 section 3")]
pub(in crate::cert) fn read(der: &[u8]) -> Option<Result<Halves, &'static str>> {
    let pkcs1 = inner(der)?;
    let mut parts = strict(Element::filling(pkcs1)?, SEQUENCE)?.inside();
    let version = strict(parts.next()?, INTEGER)?.content;
    let mut next = || number(parts.next()?);
    let (modulus, exponent) = (next()?, next()?);
    let [d, p, q, d_p, d_q, q_inv] = [next()?, next()?, next()?, next()?, next()?, next()?].map(Natural::from_be);
    let [n, e] = [modulus, exponent].map(Natural::from_be);
    let good_exponent = e.is_odd() && !e.is_one() && e.bits() <= MOST_EXPONENT_BITS;
    if !BITS_TAKEN.contains(&n.bits()) || !good_exponent || d >= n {
        return None;
    }
    match version {
        [0] if p.is_zero() && q.is_zero() && parts.is_done() => {
            Some(Err("it lacks its primes: OpenSSL loads it, and signs nothing with it"))
        }
        [0] if parts.is_done() => completed([modulus, exponent], [&n, &d, &p, &q]).map(Ok),
        [1] => {
            let others = others(strict(parts.next()?, SEQUENCE)?)?;
            let whole = parts.is_done() && agree([&n, &e, &d], [&p, &q], [&d_p, &d_q, &q_inv], &others)?;
            whole.then(|| Ok(Halves { pkcs8: in_pkcs8(pkcs1), spki: public(modulus, exponent) }))
        }
        _ => None,
    }
}

/// Whether it is a key of more than two primes.
pub(in crate::cert) fn has_more_primes(der: &[u8]) -> bool {
    let version = || {
        let mut parts = strict(Element::filling(inner(der)?)?, SEQUENCE)?.inside();
        Some(strict(parts.next()?, INTEGER)?.content)
    };
    version() == Some(&[1])
}

/// The PKCS#1 form in what may be PKCS#8: of version 1 where there are more than two primes.
fn inner(der: &[u8]) -> Option<&[u8]> {
    let mut parts = strict(Element::filling(der)?, SEQUENCE)?.inside();
    let version = strict(parts.next()?, INTEGER)?.content;
    if version == [1] && parts.expect(INTEGER).is_some() { Some(der) } else { plain(der) }
}

/// The bytes of an INTEGER as DER writes it that is not negative; none for zero.
fn number(element: Element<'_>) -> Option<&[u8]> {
    match strict(element, INTEGER)?.content {
        [0] => Some(&[]),
        content => positive(content),
    }
}

fn others(list: Element<'_>) -> Option<Vec<Other>> {
    let mut found = Vec::new();
    for one in list.inside() {
        let mut parts = strict(one, SEQUENCE)?.inside();
        let mut next = || number(parts.next()?);
        let other = Other([next()?, next()?, next()?].map(Natural::from_be));
        if !parts.is_done() || found.len() == MOST_OTHERS {
            return None;
        }
        found.push(other);
    }
    (!found.is_empty()).then_some(found)
}

/// The key of these primes with all that is worked out of them.
fn completed(public: [&[u8]; 2], [n, d, p, q]: [&Natural; 4]) -> Option<Halves> {
    // Before anything is multiplied: a file may hold parts of megabytes.
    let bounded = p.bits() + q.bits() <= n.bits() + 1;
    if !bounded || !p.is_odd() || !q.is_odd() || p.is_one() || q.is_one() || p.times(q) != *n {
        return None;
    }
    let (d_p, d_q) = (d.modulo(&p.less_one())?, d.modulo(&q.less_one())?);
    let q_inv = q.inverse(p)?;
    let mut parts = Zeroizing::new(Vec::with_capacity(n.bits()));
    parts.extend(Element::wrap(INTEGER, &[0]));
    for number in [Natural::from_be(public[0]), Natural::from_be(public[1])].iter().chain([d, p, q, &d_p, &d_q, &q_inv])
    {
        let bytes = number.to_be();
        let zero: &[u8] = if bytes.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
        parts.extend(Element::header(INTEGER, zero.len() + bytes.len()));
        parts.extend(zero.iter().chain(bytes.iter()));
    }
    let mut pkcs1 = Zeroizing::new(Element::header(SEQUENCE, parts.len()));
    pkcs1.reserve_exact(parts.len());
    pkcs1.extend(parts.iter());
    // Which proves the relations.
    private::read(&pkcs1)
}

/// Whether all relations of RFC 8017 section 3.2 hold between the parts of a key of more than two primes.
#[allow(clippy::many_single_char_names, reason = "the names of RFC 8017 section 3")]
fn agree(
    [n, e, d]: [&Natural; 3],
    [p, q]: [&Natural; 2],
    [d_p, d_q, q_inv]: [&Natural; 3],
    others: &[Other],
) -> Option<bool> {
    let factors = || [p, q].into_iter().chain(others.iter().map(|Other([factor, ..])| factor));
    // Before anything is multiplied: a file may hold parts of megabytes.
    let bits: usize = factors().map(Natural::bits).sum();
    let parts = [d_p, d_q, q_inv].into_iter().chain(others.iter().flat_map(|Other(parts)| parts));
    if bits > n.bits() + factors().count() || parts.into_iter().any(|part| part >= n) {
        return Some(false);
    }
    if factors().any(|factor| !factor.is_odd() || factor.is_one()) {
        return Some(false);
    }
    let d_e = d.times(e);
    let exponents = [d_p, d_q].into_iter().chain(others.iter().map(|Other([_, exponent, _])| exponent));
    for (factor, exponent) in factors().zip(exponents) {
        let less = factor.less_one();
        if !d_e.modulo(&less)?.is_one() || d.modulo(&less)? != *exponent {
            return Some(false);
        }
    }
    let mut product = p.times(q);
    let mut inverse = q_inv < p && q.times(q_inv).modulo(p)?.is_one();
    for Other([factor, _, coefficient]) in others {
        inverse = inverse && coefficient < factor && product.times(coefficient).modulo(factor)?.is_one();
        product = product.times(factor);
    }
    Some(inverse && product == *n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::key::tests::openssl;
    use crate::cert::{KeyError, KeyKind, PrivateKey};

    fn generated(primes: &str) -> Vec<u8> {
        let words = format!("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:{primes}");
        openssl("pkcs8 -topk8 -nocrypt -outform DER", &openssl(&words, b""))
    }

    /// The same key with zeros for these of its numbers, counted from the modulus.
    fn without(pkcs8: &[u8], numbers: std::ops::Range<usize>) -> Vec<u8> {
        let parts = Element::filling(plain(pkcs8).unwrap()).unwrap().inside().enumerate();
        let zero = Element::wrap(INTEGER, &[0]);
        let left = |(at, part): (usize, Element<'_>)| {
            if at > 0 && numbers.contains(&(at - 1)) { zero.clone() } else { part.whole.to_vec() }
        };
        Element::wrap(SEQUENCE, &parts.map(left).collect::<Vec<_>>().concat())
    }

    #[test]
    fn a_key_of_three_primes_is_whole_and_signs_nothing_here() {
        let der = generated("3");
        let old = openssl("pkey -inform DER -traditional -outform DER", &der);
        for der in [&der, &old] {
            let key = PrivateKey::from_der(der).unwrap();
            assert_eq!(*key.kind(), KeyKind::Rsa(2048));
            assert_eq!(key.spki(), openssl("pkey -inform DER -pubout -outform DER", der));
            assert_eq!(openssl("pkey -pubout -outform DER", key.to_pem().expose()), key.spki());
            let why = key.sign(b"x").unwrap_err();
            assert!(matches!(why, KeyError::Refused { .. }) && why.to_string().contains("two primes"), "{why}");
        }
        for place in (0..der.len()).step_by(7) {
            let mut damaged = der.clone();
            damaged[place] ^= 1;
            assert!(read(&damaged).is_none(), "byte {place}");
            assert!(read(&der[..place]).is_none());
        }
    }

    #[test]
    fn what_can_be_worked_out_is_written_with_the_key() {
        let der = generated("2");
        let whole = PrivateKey::from_der(&der).unwrap();
        for lacking in [5..8, 7..8, 5..6] {
            let key = PrivateKey::from_der(&without(&der, lacking.clone())).unwrap();
            assert!(key.spki() == whole.spki() && key.pkcs8_der() == whole.pkcs8_der(), "{lacking:?}");
            assert!(key.sign(b"x").is_ok());
        }
        let why = PrivateKey::from_der(&without(&der, 3..8)).err().unwrap().to_string();
        assert!(why.contains("it lacks its primes"), "{why}");
        assert!(PrivateKey::from_der(&without(&der, 2..8)).is_err());
        assert!(PrivateKey::from_der(&without(&der, 3..4)).is_err());
    }
}
