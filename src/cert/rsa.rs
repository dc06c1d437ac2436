//! RSA keys: public ones that are weak though they are long enough, and private ones whose parts belong together.

pub(super) mod private;
pub(super) mod rare;

use std::sync::LazyLock;

use super::codec::tlv::{Elements, INTEGER, SEQUENCE};
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
    /// The exponent is even, less than 3 or not below the modulus: no RSA key at all.
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
        // What follows the key hinders nobody from using it.
        let mut key = Elements(spki::rsa_key_bits(der)?).expect(SEQUENCE)?.inside();
        let mut number = || {
            let digits = key.expect(INTEGER)?.content;
            let zeros = digits.iter().take_while(|byte| **byte == 0).count();
            Some(digits[zeros..].to_vec())
        };
        Some(Self { modulus: number()?, exponent: number()? })
    }

    /// The public exponent, where it fits.
    #[must_use]
    pub fn exponent(&self) -> Option<u64> {
        if self.exponent.len() > 8 {
            return None;
        }
        Some(self.exponent.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// Bits of the public exponent.
    #[must_use]
    pub fn exponent_bits(&self) -> usize {
        self.exponent.first().map_or(0, |first| self.exponent.len() * 8 - first.leading_zeros() as usize)
    }

    /// The first weakness that is found. Costs some microseconds.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        let even = |number: &[u8]| number.last().is_none_or(|last| last & 1 == 0);
        if even(&self.modulus) {
            return Some(Weakness::SmallFactor(2));
        }
        // One that is not below the modulus is taken by no library.
        let beyond = (self.exponent.len(), &self.exponent) >= (self.modulus.len(), &self.modulus);
        if even(&self.exponent) || self.exponent == [1] || beyond {
            return Some(Weakness::ImpossibleExponent);
        }
        let mut roca = true;
        for (group, rest) in rests(&self.modulus) {
            for prime in &group.primes {
                if prime.divides(rest) {
                    return Some(Weakness::SmallFactor(prime.number));
                }
                // Of 2048-bit moduli made otherwise, fewer than one in 2^100 passes all of these.
                roca = roca && (prime.number > ROCA_MOST || is_power(prime.residue(rest), prime.number));
            }
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
    primes: Vec<Prime>,
    product: u64,
    /// What the words of a number are worth modulo the product, the least significant first, and what a whole number of so many is.
    worth: [u64; TOGETHER + 1],
}

/// An odd prime, and what tells its multiples without a division.
struct Prime {
    number: u32,
    /// Its inverse modulo 2^64.
    inverse: u64,
}

impl Prime {
    fn new(number: u32) -> Self {
        let prime = u64::from(number);
        // Newton's iteration: a number is its own inverse in three bits, and each step doubles them.
        let step = |inverse: u64, _| inverse.wrapping_mul(2_u64.wrapping_sub(prime.wrapping_mul(inverse)));
        Self { number, inverse: (0..5).fold(prime, step) }
    }

    /// Multiples, and they alone, become a quotient that fits (Granlund and Montgomery, Division by Invariant Integers using
    /// Multiplication, section 9).
    fn divides(&self, number: u64) -> bool {
        number.wrapping_mul(self.inverse) <= u64::MAX / u64::from(self.number)
    }

    fn residue(&self, number: u64) -> u32 {
        u32::try_from(number % u64::from(self.number)).unwrap_or_default()
    }
}

/// Odd primes up to [`SMALL`], in groups whose product is as large as fits.
static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| {
    let mut groups: Vec<(u64, Vec<Prime>)> = Vec::new();
    for prime in (3..=SMALL).step_by(2).filter(|candidate| is_prime(*candidate)) {
        match groups.last_mut().filter(|(product, _)| u128::from(*product) * u128::from(prime) < LARGEST) {
            Some((product, primes)) => {
                *product *= u64::from(prime);
                primes.push(Prime::new(prime));
            }
            None => groups.push((u64::from(prime), vec![Prime::new(prime)])),
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

/// What is left of the number modulo the product of each group. Words are weighed and summed, which needs no division for each of them.
fn rests(number: &[u8]) -> impl Iterator<Item = (&'static Group, u64)> {
    let word = |bytes: &[u8]| bytes.iter().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
    // Least significant first.
    let words: Vec<u64> = number.rchunks(8).map(word).collect();
    GROUPS.iter().map(move |group| {
        let Group { product, worth, .. } = group;
        let times = |a: u64, b: u64| u128::from(a) * u128::from(b);
        let sum = |words: &[u64]| words.iter().zip(worth).map(|(word, worth)| times(*word, *worth)).sum::<u128>();
        let higher_first = words.chunks(TOGETHER).rev();
        let rest = higher_first.fold(0, |above, words| remainder(times(above, worth[TOGETHER]) + sum(words), *product));
        (group, rest)
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
    use crate::cert::codec::tlv::{BITS, Element};
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
        let found: Vec<(&Prime, u64)> =
            rests(&number).flat_map(|(group, rest)| group.primes.iter().map(move |prime| (prime, rest))).collect();
        let primes: Vec<u32> = found.iter().map(|(prime, _)| prime.number).collect();
        assert_eq!((&primes[..4], primes.last(), primes.len()), (&[3, 5, 7, 11][..], Some(&751), 132));
        for (prime, rest) in found {
            let slow = number.iter().fold(0_u32, |rest, byte| ((rest << 8) | u32::from(*byte)) % prime.number);
            assert_eq!(prime.residue(rest), slow, "{}", prime.number);
        }
    }

    #[test]
    fn multiples_are_told_without_a_division() {
        for group in &*GROUPS {
            for prime in &group.primes {
                let number = u64::from(prime.number);
                assert!(prime.divides(0));
                for multiple in [1, 2, 751, u64::MAX / number].map(|times| times * number) {
                    assert!(prime.divides(multiple), "{multiple} by {number}");
                    assert!(!prime.divides(multiple - 1), "{multiple} less one by {number}");
                }
            }
        }
    }

    /// Everybody reads the key and leaves the rest; what was not read was not judged.
    #[test]
    fn what_follows_a_key_hides_nothing() {
        let spki = PrivateKey::generate(Generate::Rsa2048).unwrap().spki().to_vec();
        let key = [&[0], spki::rsa_key_bits(&spki).unwrap(), &[0]].concat();
        let mut parts = Element::filling(&spki).unwrap().inside();
        let algorithm = parts.next().unwrap().whole;
        let more = Element::wrap(SEQUENCE, &[algorithm, &Element::wrap(BITS, &key)].concat());
        assert_eq!(PublicNumbers::of_spki(&more), PublicNumbers::of_spki(&spki));
        let third = Element::wrap(SEQUENCE, &[algorithm, parts.next().unwrap().whole, &[5, 0]].concat());
        assert_eq!(spki::key_bits(&third), None);
    }

    #[test]
    fn an_exponent_is_below_its_modulus() {
        let modulus = PublicNumbers::of_spki(PrivateKey::generate(Generate::Rsa2048).unwrap().spki()).unwrap().modulus;
        let of = |exponent: &[u8]| PublicNumbers { modulus: modulus.clone(), exponent: exponent.to_vec() };
        assert_eq!(of(&modulus).weakness(), Some(Weakness::ImpossibleExponent));
        assert_eq!(of(&[&[1], modulus.as_slice()].concat()).weakness(), Some(Weakness::ImpossibleExponent));
        let most = [&[1], vec![0; 31].as_slice(), &[1]].concat();
        assert_eq!((of(&most).weakness(), of(&most).exponent_bits()), (None, 257));
        assert_eq!((of(&[1, 0, 1]).exponent_bits(), of(&[]).exponent_bits()), (17, 0));
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
