//! Natural numbers of a few thousand bits, as much arithmetic as it takes to see that the parts of an RSA key belong together, and that a point
//! lies on its curve.

use std::cmp::Ordering;
use std::ops::{Deref, DerefMut};

use zeroize::{Zeroize, Zeroizing};

/// A natural number, least significant word first, without zeros in front. Wiped on drop.
///
/// Its arithmetic takes a time that depends on the numbers.
pub(super) struct Natural(Words);

/// Words that are wiped on drop. None but zeros are ever taken off their end, and none are put to it beyond the room there was: so it is
/// enough to wipe those that are there, which takes a tenth of the time that it takes to wipe all that a vector holds.
struct Words(Vec<u64>);

impl Drop for Words {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl Deref for Words {
    type Target = Vec<u64>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Natural {
    /// From its bytes, the most significant first.
    pub(super) fn from_be(bytes: &[u8]) -> Self {
        let mut words = Words(Vec::with_capacity(bytes.len() / 8 + 1));
        let word = |bytes: &[u8]| bytes.iter().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
        words.extend(bytes.rchunks(8).map(word));
        Self::trimmed(words)
    }

    /// From its words, the most significant first.
    pub(super) fn from_words(words: &[u64]) -> Self {
        Self::trimmed(Words(words.iter().rev().copied().collect()))
    }

    /// Without the word's worth of one; zero stays zero.
    pub(super) fn less_one(&self) -> Self {
        let mut words = Words(self.0.to_vec());
        for word in words.iter_mut() {
            let (less, borrowed) = word.overflowing_sub(1);
            *word = less;
            if !borrowed {
                return Self::trimmed(words);
            }
        }
        Self(Words(Vec::new()))
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let (long, short) = if self.0.len() < other.0.len() { (&other.0, &self.0) } else { (&self.0, &other.0) };
        let (mut sum, mut carry) = (Words(Vec::with_capacity(long.len() + 1)), 0);
        for (left, right) in long.iter().zip(short.iter().chain(std::iter::repeat(&0))) {
            let (low, high) = halves(u128::from(*left) + u128::from(*right) + u128::from(carry));
            sum.push(low);
            carry = high;
        }
        sum.push(carry);
        Self::trimmed(sum)
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let mut product = Words(vec![0_u64; self.0.len() + other.0.len()]);
        for (at, left) in self.0.iter().enumerate() {
            let mut carry = 0;
            let (mid, rest) = product[at..].split_at_mut(other.0.len());
            for (sum, right) in mid.iter_mut().zip(other.0.iter()) {
                let all = u128::from(*left) * u128::from(*right) + u128::from(*sum) + u128::from(carry);
                (*sum, carry) = halves(all);
            }
            if let Some(next) = rest.first_mut() {
                *next = carry;
            }
        }
        Self::trimmed(product)
    }

    /// What is left of it when it is divided; none for a division by zero. Knuth, The Art of Computer Programming, volume 2,
    /// section 4.3.1, algorithm D.
    pub(super) fn modulo(&self, divisor: &Self) -> Option<Self> {
        let highest = *divisor.0.last()?;
        if self.cmp(divisor) == Ordering::Less {
            return Some(Self(Words(self.0.to_vec())));
        }
        let shift = highest.leading_zeros();
        let divisor = divisor.shifted(shift, 0);
        let mut rest = self.shifted(shift, 1);
        let count = divisor.len();
        let (top, below) = (divisor[count - 1], count.checked_sub(2).map_or(0, |at| divisor[at]));
        for at in (0..rest.len() - count).rev() {
            let window = &mut rest[at..=at + count];
            let (head, next) = (window[count], window[count - 1]);
            let after = if count > 1 { window[count - 2] } else { 0 };
            let quotient = guess((head, next, after), (top, below));
            if take(window, quotient, &divisor) {
                // One too many, which happens about twice in 2^64 times.
                put(window, &divisor);
            }
        }
        rest.truncate(count);
        let last = rest.len();
        for at in 0..last {
            let above = if at + 1 < last { rest[at + 1] } else { 0 };
            rest[at] = (rest[at] >> shift) | above.checked_shl(64 - shift).unwrap_or(0);
        }
        Some(Self::trimmed(rest))
    }

    /// With what it has to be multiplied so that one is left when that is divided; none where nothing does that, and for an even divisor. The
    /// binary form of Euclid's algorithm (Knuth, volume 2, section 4.5.2): about as many steps as both have bits, each as long as one of them.
    pub(super) fn inverse(&self, divisor: &Self) -> Option<Self> {
        let fixed = |words: &[u64]| {
            let mut fixed = Words(vec![0; divisor.0.len() + 1]);
            fixed[..words.len()].copy_from_slice(words);
            fixed
        };
        if !divisor.is_odd() {
            return None;
        }
        // Each is what is left of the number, multiplied by the other of its pair.
        let (mut left, mut by) = (fixed(&self.modulo(divisor)?.0), fixed(&[1]));
        let (mut other_left, mut other_by) = (fixed(&divisor.0), fixed(&[]));
        while left.iter().any(|word| *word != 0) {
            while left[0] & 1 == 0 {
                halve(&mut left);
                if by[0] & 1 == 1 {
                    put(&mut by, &divisor.0);
                }
                halve(&mut by);
            }
            if left.iter().rev().lt(other_left.iter().rev()) {
                (left, other_left) = (other_left, left);
                (by, other_by) = (other_by, by);
            }
            take(&mut left, 1, &other_left);
            if take(&mut by, 1, &other_by) {
                put(&mut by, &divisor.0);
            }
        }
        Self::trimmed(other_left).is_one().then(|| Self::trimmed(other_by))
    }

    /// Its bytes, the most significant first, without zeros in front.
    pub(super) fn to_be(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.0.len() * 8));
        bytes.extend(self.0.iter().rev().flat_map(|word| word.to_be_bytes()));
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.drain(..zeros);
        bytes
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_one(&self) -> bool {
        self.0[..] == [1]
    }

    pub(super) fn is_odd(&self) -> bool {
        self.0.first().is_some_and(|word| word & 1 == 1)
    }

    /// The bit that is worth two to the power of this.
    pub(super) fn bit(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| (word >> (at % 64)) & 1 == 1)
    }

    /// How many bits it has.
    pub(super) fn bits(&self) -> usize {
        self.0.last().map_or(0, |highest| self.0.len() * 64 - highest.leading_zeros() as usize)
    }

    /// Its words, moved up by fewer than 64 bits, with so many zero words for what is moved beyond.
    fn shifted(&self, bits: u32, more: usize) -> Words {
        let mut words = Words(Vec::with_capacity(self.0.len() + more));
        let mut carry = 0;
        for word in self.0.iter() {
            words.push((word << bits) | carry);
            carry = word.checked_shr(64 - bits).unwrap_or(0);
        }
        words.extend(std::iter::repeat_n(carry, more));
        words
    }

    fn trimmed(mut words: Words) -> Self {
        let zeros = words.iter().rev().take_while(|word| **word == 0).count();
        let used = words.len() - zeros;
        words.truncate(used);
        Self(words)
    }
}

impl PartialEq for Natural {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl Eq for Natural {}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

/// A word of the quotient, or one more than it, by the highest words of what is left and of the divisor.
fn guess((head, next, after): (u64, u64, u64), (top, below): (u64, u64)) -> u64 {
    let over = (u128::from(head) << 64) | u128::from(next);
    let mut quotient = over / u128::from(top);
    let mut left = over - quotient * u128::from(top);
    while quotient >> 64 != 0 || quotient * u128::from(below) > ((left << 64) | u128::from(after)) {
        quotient -= 1;
        left += u128::from(top);
        if left >> 64 != 0 {
            break;
        }
    }
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

/// Takes the divisor so many times; whether that was once too often.
fn take(window: &mut [u64], times: u64, divisor: &[u64]) -> bool {
    let (mut carry, mut borrow) = (0, false);
    for (word, part) in window.iter_mut().zip(divisor.iter().chain(&[0])) {
        let (low, high) = halves(u128::from(times) * u128::from(*part) + u128::from(carry));
        carry = high;
        let (less, first) = word.overflowing_sub(low);
        let (less, second) = less.overflowing_sub(u64::from(borrow));
        (*word, borrow) = (less, first || second);
    }
    borrow
}

fn halve(words: &mut [u64]) {
    let mut carry = 0;
    for word in words.iter_mut().rev() {
        (*word, carry) = ((*word >> 1) | carry, *word << 63);
    }
}

/// Puts the divisor back once.
fn put(window: &mut [u64], divisor: &[u64]) {
    let mut carry = 0;
    for (word, part) in window.iter_mut().zip(divisor.iter().chain(&[0])) {
        (*word, carry) = halves(u128::from(*word) + u128::from(*part) + u128::from(carry));
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
fn halves(both: u128) -> (u64, u64) {
    (both as u64, (both >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn natural(words: &[u64]) -> Natural {
        Natural::trimmed(Words(words.to_vec()))
    }

    #[test]
    fn an_inverse_leaves_one() {
        // The prime 2^127 - 1, and a product of it.
        let prime = natural(&[u64::MAX, u64::MAX >> 1]);
        let product = prime.times(&natural(&[0xf123_4567_89ab_cdef, 7, 0x8000_0000_0000_0001]));
        for divisor in [&prime, &product] {
            for words in [&[1_u64][..], &[2], &[0x0123_4567_89ab_cdef, 7], &[u64::MAX; 3]] {
                let number = natural(words);
                let inverse = number.inverse(divisor).unwrap();
                assert!(inverse < *divisor && inverse.times(&number).modulo(divisor).unwrap().is_one(), "{words:x?}");
            }
        }
        assert!(
            prime.inverse(&product).is_none()
                && product.inverse(&prime).is_none()
                && natural(&[]).inverse(&prime).is_none()
        );
        assert!(natural(&[3]).inverse(&natural(&[8])).is_none());
    }

    #[test]
    fn bytes_are_those_it_was_made_of() {
        let some = natural(&[0x0123_4567_89ab_cdef, 7]);
        assert!(Natural::from_be(&some.to_be()) == some && some.to_be()[..2] == [7, 1]);
        assert!(natural(&[]).is_zero() && natural(&[]).to_be().is_empty());
    }

    #[test]
    fn small_numbers_are_what_they_are() {
        let of = |number: u128| Natural::from_be(&number.to_be_bytes());
        assert!(of(12).times(&of(11)) == of(132));
        assert!(of(0).times(&of(11)) == of(0) && of(0).bits() == 0);
        assert!(of(1 << 64).less_one() == of(u128::from(u64::MAX)) && of(0).less_one() == of(0));
        assert!(of(1).is_one() && !of(257).is_one() && of(7).is_odd() && !of(8).is_odd() && !of(0).is_odd());
        assert!(of(u128::MAX).bits() == 128 && of(1 << 64).bits() == 65);
        assert!(of(u128::MAX).plus(&of(1)) == natural(&[0, 0, 1]) && of(0).plus(&of(0)).is_zero());
        assert!(of(1 << 64).bit(64) && !of(1 << 64).bit(63) && !of(1 << 64).bit(128));
        assert!(of(5).modulo(&of(0)).is_none() && of(5).modulo(&of(5)).unwrap() == of(0));
        assert!(of(2) < of(1 << 64) && of(3) > of(2));
        assert!(Natural::from_be(&[0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) == natural(&[0x0203_0405_0607_0809, 1]));
        assert!(Natural::from_words(&[0, 7, 1]) == natural(&[1, 7]));
    }

    /// Words at which carries and wrong guesses happen.
    fn word() -> impl proptest::strategy::Strategy<Value = u64> {
        use proptest::prelude::*;
        prop_oneof![
            Just(0),
            Just(1),
            Just(u64::MAX),
            Just(u64::MAX - 1),
            Just(1 << 63),
            Just((1 << 63) - 1),
            any::<u64>()
        ]
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4000))]
        #[test]
        fn division_undoes_multiplication(
            quotient in proptest::collection::vec(word(), 0..6),
            divisor in proptest::collection::vec(word(), 1..6),
            rest in proptest::collection::vec(word(), 0..6),
        ) {
            let (quotient, divisor) = (natural(&quotient), natural(&divisor));
            // Any number below the divisor.
            let rest = natural(&rest);
            let rest = if rest < divisor { rest } else { divisor.less_one() };
            let whole = quotient.times(&divisor).plus(&rest);
            match whole.modulo(&divisor) {
                Some(left) => proptest::prop_assert!(left == rest),
                None => proptest::prop_assert!(divisor.bits() == 0),
            }
            proptest::prop_assert!(quotient.times(&divisor) == divisor.times(&quotient));
            proptest::prop_assert!(quotient.plus(&divisor) == divisor.plus(&quotient));
        }

        #[test]
        fn two_words_are_as_the_machine_counts(a in proptest::num::u128::ANY, b in word(), c in word()) {
            let of = |number: u128| Natural::from_be(&number.to_be_bytes());
            proptest::prop_assert!(of(u128::from(b)).times(&of(u128::from(c))) == of(u128::from(b) * u128::from(c)));
            for divisor in [u128::from(b), u128::from(c), (u128::from(b) << 64) | u128::from(c)] {
                if divisor > 0 {
                    proptest::prop_assert!(of(a).modulo(&of(divisor)).unwrap() == of(a % divisor));
                }
            }
        }
    }
}
