//! RSA keys: public ones that are weak though they are long enough, and private ones whose parts belong together.

mod natural;
pub(super) mod private;

use std::sync::LazyLock;

use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;

use super::spki;

/// Modulus and exponent of an RSA key (RFC 8017 section 3.1), big-endian, without leading zeros.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicNumbers {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// Why anybody can find the private key, or forge what it signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Weakness {
    /// The modulus is even or has this small factor.
    #[error("its modulus can be divided by {0}")]
    SmallFactor(u32),
    /// The exponent is even or less than 3: no RSA key at all.
    #[error("its exponent is none of RSA")]
    ImpossibleExponent,
    /// The modulus has the form of the keys that some smart cards and TPMs made (CVE-2017-15361, "ROCA").
    #[error("it was made by a smart card or TPM with CVE-2017-15361 (ROCA)")]
    Roca,
}

/// Odd numbers up to here are tried as factors: Baseline Requirements section 6.1.6 wants none below 752.
const SMALL: u32 = 751;

/// The primes that divide the number from which an affected library built its primes. Those for which 65537 generates every
/// residue tell nothing, and do no harm.
const ROCA_MOST: u32 = 167;

impl PublicNumbers {
    pub(super) fn of_spki(der: &[u8]) -> Option<Self> {
        let bits = spki::rsa_key_bits(der)?;
        let (_, key) = RSAPublicKey::from_der(&bits).ok()?;
        let trimmed = |number: &[u8]| number[number.iter().take_while(|byte| **byte == 0).count()..].to_vec();
        Some(Self { modulus: trimmed(key.modulus), exponent: trimmed(key.exponent) })
    }

    /// The public exponent, where it fits.
    #[must_use]
    pub fn exponent(&self) -> Option<u64> {
        if self.exponent.len() > 8 {
            return None;
        }
        Some(self.exponent.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// The first weakness that is found. Costs some microseconds.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        let even = |number: &[u8]| number.last().is_none_or(|last| last & 1 == 0);
        if even(&self.modulus) {
            return Some(Weakness::SmallFactor(2));
        }
        if even(&self.exponent) || self.exponent == [1] {
            return Some(Weakness::ImpossibleExponent);
        }
        let mut roca = true;
        for (prime, residue) in residues(&self.modulus) {
            if residue == 0 {
                return Some(Weakness::SmallFactor(prime));
            }
            // Of 2048-bit moduli made otherwise, fewer than one in 2^100 passes all of these.
            roca = roca && (prime > ROCA_MOST || is_power(residue, prime));
        }
        roca.then_some(Weakness::Roca)
    }
}

/// Words of a number that are summed up before the sum is divided: each adds less than 2^122 to it.
const TOGETHER: usize = 32;

/// The products of groups are smaller.
const LARGEST: u128 = 1 << 58;

/// Some primes and their product.
struct Group {
    primes: Vec<u32>,
    product: u64,
    /// What the words of a number are worth modulo the product, the least significant first, and what a whole number of so many is.
    worth: [u64; TOGETHER + 1],
}

/// Odd primes up to [`SMALL`], in groups whose product is as large as fits.
static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| {
    let mut groups: Vec<(u64, Vec<u32>)> = Vec::new();
    for prime in (3..=SMALL).step_by(2).filter(|candidate| is_prime(*candidate)) {
        match groups.last_mut().filter(|(product, _)| u128::from(*product) * u128::from(prime) < LARGEST) {
            Some((product, primes)) => {
                *product *= u64::from(prime);
                primes.push(prime);
            }
            None => groups.push((u64::from(prime), vec![prime])),
        }
    }
    let weighed = |(product, primes)| {
        let mut worth = [1; TOGETHER + 1];
        for place in 1..=TOGETHER {
            worth[place] = remainder(u128::from(worth[place - 1]) << 64, product);
        }
        Group { primes, product, worth }
    };
    groups.into_iter().map(weighed).collect()
});

/// Every odd prime up to [`SMALL`] with the number's residue. Words are weighed and summed, which needs no division for each of them.
fn residues(number: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    let word = |bytes: &[u8]| bytes.iter().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
    // Least significant first.
    let words: Vec<u64> = number.rchunks(8).map(word).collect();
    GROUPS.iter().flat_map(move |Group { primes, product, worth }| {
        let times = |a: u64, b: u64| u128::from(a) * u128::from(b);
        let sum = |words: &[u64]| words.iter().zip(worth).map(|(word, worth)| times(*word, *worth)).sum::<u128>();
        let higher_first = words.chunks(TOGETHER).rev();
        let residue =
            higher_first.fold(0, |above, words| remainder(times(above, worth[TOGETHER]) + sum(words), *product));
        primes.iter().map(move |prime| (*prime, u32::try_from(residue % u64::from(*prime)).unwrap_or_default()))
    })
}

fn remainder(number: u128, divisor: u64) -> u64 {
    u64::try_from(number % u128::from(divisor)).unwrap_or_default()
}

fn is_prime(candidate: u32) -> bool {
    (3..)
        .step_by(2)
        .take_while(|divisor| divisor * divisor <= candidate)
        .all(|divisor| !candidate.is_multiple_of(divisor))
}

/// Whether `residue` is a power of 65537 modulo `prime`.
fn is_power(residue: u32, prime: u32) -> bool {
    let generator = 65_537 % prime;
    let mut power = 1;
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * generator % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::{Generate, PrivateKey};

    /// 65537 to this power: the plainest number of the form.
    fn power(exponent: usize) -> Vec<u8> {
        let mut number = vec![1_u8];
        for _ in 0..exponent {
            let shifted = [number.as_slice(), &[0, 0]].concat();
            let (mut sum, mut carry) = (Vec::new(), 0);
            for place in 0..=shifted.len() {
                let digit = |of: &[u8]| of.iter().rev().nth(place).map_or(0, |byte| u32::from(*byte));
                let total = digit(&shifted) + digit(&number) + carry;
                sum.push(u8::try_from(total & 0xff).unwrap());
                carry = total >> 8;
            }
            sum.reverse();
            let zeros = sum.iter().take_while(|byte| **byte == 0).count();
            number = sum.split_off(zeros);
        }
        number
    }

    #[test]
    fn weak_moduli_are_told() {
        let of = |modulus: Vec<u8>, exponent: &[u8]| PublicNumbers { modulus, exponent: exponent.to_vec() }.weakness();
        let usual = [1, 0, 1];
        assert_eq!(of(power(127), &usual), Some(Weakness::Roca));
        let mut even = power(127);
        *even.last_mut().unwrap() &= 0xfe;
        assert_eq!(of(even, &usual), Some(Weakness::SmallFactor(2)));
        assert_eq!(of(vec![0xff; 256], &usual), Some(Weakness::SmallFactor(3)), "2^2048 - 1");
        for exponent in [&[1][..], &[2], &[1, 0, 0], &[]] {
            assert_eq!(of(power(127), exponent), Some(Weakness::ImpossibleExponent));
        }
    }

    #[test]
    fn residues_are_those_of_long_division() {
        let number: Vec<u8> = (0..257_u32).map(|place| u8::try_from(place * 7 % 256).unwrap()).collect();
        let found: Vec<(u32, u32)> = residues(&number).collect();
        let primes: Vec<u32> = found.iter().map(|(prime, _)| *prime).collect();
        assert_eq!((&primes[..4], primes.last(), primes.len()), (&[3, 5, 7, 11][..], Some(&751), 132));
        for (prime, residue) in found {
            let slow = number.iter().fold(0_u32, |rest, byte| ((rest << 8) | u32::from(*byte)) % prime);
            assert_eq!(residue, slow, "{prime}");
        }
    }

    #[test]
    fn good_keys_are_not_weak() {
        for _ in 0..8 {
            let key = PrivateKey::generate(Generate::Rsa2048).unwrap();
            let numbers = PublicNumbers::of_spki(key.spki()).unwrap();
            assert_eq!((numbers.weakness(), numbers.exponent()), (None, Some(65_537)));
        }
        assert_eq!(PublicNumbers::of_spki(PrivateKey::generate(Generate::P256).unwrap().spki()), None);
        assert_eq!(PublicNumbers::of_spki(b"x"), None);
    }
}
