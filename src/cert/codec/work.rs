//! How much work a file may ask for before anything is believed of it.
//!
//! Passwords are made into keys by many rounds of a digest, and the file says how many. An honest one asks for a million or two at
//! the most; a hostile one for minutes, or for a little in each of a thousand places.

use super::pbe::PbeFailure;

/// Rounds of SHA-256 or what takes as long that are run for one input with a passphrase, all its keys and bags together: about a
/// second and a half.
pub const MAX_ROUNDS: u64 = 10_000_000;

/// How much longer a round of SHA-384 or SHA-512 takes than one of SHA-1 or SHA-256, which processors have instructions for.
pub(super) const LONG_DIGEST: usize = 3;

/// Bytes of memory that scrypt may fill in all: N times r times p times 128. They count as all the rounds.
pub const MAX_SCRYPT: u64 = 256 << 20;

/// Bytes of a salt.
pub const MAX_SALT: usize = 1 << 10;

/// Rounds that are run to find out whether a store stands open under the empty password, when nobody gave one: half a second, and what the
/// keys and the checksum of a store of `GnuTLS` cost, which writes 600,000 for each.
const MAX_UNASKED: u64 = 3_000_000;

/// What is left of the work one input may ask for.
pub(super) struct Work {
    left: u64,
}

impl Work {
    /// For an input whose passphrase was given, or not.
    pub(super) fn new(given: bool) -> Self {
        Self { left: if given { MAX_ROUNDS } else { MAX_UNASKED } }
    }

    /// Takes `rounds`, each done `times` for as much key as is needed, if they are left.
    pub(super) fn rounds(&mut self, rounds: u64, times: usize, of: &str) -> Result<(), PbeFailure> {
        let cost = rounds.saturating_mul(u64::try_from(times).unwrap_or(u64::MAX));
        self.left =
            self.left.checked_sub(cost).ok_or_else(|| PbeFailure::TooCostly(format!("{rounds} rounds of {of}")))?;
        Ok(())
    }

    /// Takes what scrypt with these parameters costs.
    pub(super) fn scrypt(&mut self, n: u64, r: u64, p: u64) -> Result<(), PbeFailure> {
        if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
            return Err(PbeFailure::Unreadable);
        }
        let bytes = [n, r, p].into_iter().try_fold(128_u64, u64::checked_mul).filter(|bytes| *bytes <= MAX_SCRYPT);
        let cost = bytes.map(|bytes| bytes.div_ceil(MAX_SCRYPT / MAX_ROUNDS + 1));
        let left = cost.and_then(|cost| self.left.checked_sub(cost));
        self.left = left.ok_or_else(|| PbeFailure::TooCostly(format!("scrypt at N={n}, r={r}, p={p}")))?;
        Ok(())
    }
}

/// Takes a salt of honest length.
pub(super) fn salt(salt: &[u8]) -> Result<&[u8], PbeFailure> {
    if salt.len() > MAX_SALT {
        return Err(PbeFailure::TooCostly(format!("a salt of {} bytes", salt.len())));
    }
    Ok(salt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cannot_ask_for_endless_work() {
        let rounds = |count, times| Work::new(true).rounds(count, times, "PBKDF2");
        assert_eq!(rounds(MAX_ROUNDS, 1), Ok(()));
        assert_eq!(rounds(MAX_ROUNDS, 2), Err(PbeFailure::TooCostly("10000000 rounds of PBKDF2".to_owned())));
        assert!(rounds(MAX_ROUNDS + 1, 1).is_err() && rounds(u64::MAX, usize::MAX).is_err());
        // A little in each of many places is as much.
        let mut work = Work::new(true);
        assert_eq!((0..1_000).filter(|_| work.rounds(1_000_000, 1, "").is_ok()).count(), 10);
        assert!(Work::new(false).rounds(MAX_UNASKED + 1, 1, "").is_err());

        let scrypt = |n, r, p| Work::new(true).scrypt(n, r, p);
        assert_eq!(scrypt(1 << 14, 8, 1), Ok(()));
        assert_eq!(scrypt(1 << 18, 8, 1), Ok(()));
        for (n, r, p) in [(1 << 19, 8, 1), (1 << 14, 8, 1000), (1 << 63, u64::MAX, u64::MAX)] {
            assert!(matches!(scrypt(n, r, p), Err(PbeFailure::TooCostly(_))), "N={n}, r={r}, p={p}");
        }
        for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (1 << 14, 0, 1), (1 << 14, 8, 0)] {
            assert_eq!(scrypt(n, r, p), Err(PbeFailure::Unreadable), "N={n}, r={r}, p={p}");
        }
        assert!(salt(&[0; MAX_SALT]).is_ok() && salt(&[0; MAX_SALT + 1]).is_err());
    }
}
