//! The time, and whether it can be true.

use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::moment::stamp;

/// Where the time comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Always this moment: for tests, and for looking at the past or the future.
    Fixed(OffsetDateTime),
}

impl Clock {
    /// The present moment, UTC.
    #[must_use]
    pub fn now(self) -> OffsetDateTime {
        match self {
            Self::System => OffsetDateTime::now_utc(),
            Self::Fixed(moment) => moment.to_offset(time::UtcOffset::UTC),
        }
    }
}

/// The date of this release: no clock that is right shows an earlier one.
pub const FLOOR: OffsetDateTime = datetime!(2026-11-01 00:00 UTC);

/// Why the machine's time is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClockError {
    /// It is earlier than this program.
    #[error("the clock shows {}, before this release was made ({})", stamp(*now), stamp(FLOOR))]
    BeforeRelease {
        /// What the clock shows.
        now: OffsetDateTime,
    },
    /// It is earlier than something that was done here.
    #[error("the clock shows {}, and the newest receipt is of {}", stamp(*now), stamp(*newest))]
    BeforeReceipts {
        /// What the clock shows.
        now: OffsetDateTime,
        /// The time of the newest receipt.
        newest: OffsetDateTime,
    },
}

impl ClockError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BeforeRelease { .. } => {
                "set the clock, or wait until it is synchronised; nothing is replaced meanwhile"
            }
            Self::BeforeReceipts { .. } => {
                "set the clock; if it is right now and was ahead when that receipt was written, one change with `--trust-clock` is made all the same, and later ones go by its receipt"
            }
        }
    }
}

/// Whether `now` can be true, judged by this release and by the newest receipt.
///
/// A machine that boots without a battery shows 1970, and by that clock every certificate is not valid yet: whoever acts on it
/// replaces one that works. A day's grace forgives a clock that was corrected.
///
/// # Errors
/// Which of the two speaks against it.
pub fn plausible(now: OffsetDateTime, newest_known: Option<OffsetDateTime>) -> Result<(), ClockError> {
    if now < FLOOR {
        return Err(ClockError::BeforeRelease { now });
    }
    match newest_known {
        Some(newest) if newest - now > Duration::DAY => Err(ClockError::BeforeReceipts { now, newest }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::offset;

    use super::*;

    #[test]
    fn the_clock_speaks_utc() {
        let noon = datetime!(2027-01-01 12:00 +2);
        let now = Clock::Fixed(noon).now();
        assert_eq!((now, now.offset()), (noon, offset!(UTC)));
        assert!(Clock::System.now() > FLOOR, "or this machine's clock is wrong");
    }

    #[test]
    fn what_cannot_be_true_is_refused() {
        let newest = datetime!(2027-03-01 10:00 UTC);
        let second = Duration::SECOND;
        let cases = [
            (FLOOR, None, true),
            (FLOOR - second, None, false),
            (datetime!(1970-01-01 00:00 UTC), Some(newest), false),
            (newest, Some(newest), true),
            (newest - Duration::DAY, Some(newest), true),
            (newest - Duration::DAY - second, Some(newest), false),
            (newest + Duration::days(400), Some(newest), true),
            (FLOOR, Some(FLOOR - Duration::days(900)), true),
        ];
        for (now, newest, good) in cases {
            assert_eq!(plausible(now, newest).is_ok(), good, "{now} {newest:?}");
        }
        assert_eq!(plausible(FLOOR - second, Some(newest)), Err(ClockError::BeforeRelease { now: FLOOR - second }));
    }

    #[test]
    fn the_message_names_both_moments() {
        let error = plausible(FLOOR, Some(FLOOR + Duration::days(2))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the clock shows 2026-11-01T00:00:00Z, and the newest receipt is of 2026-11-03T00:00:00Z"
        );
        let error = plausible(datetime!(2001-01-01 01:02:03.455704691 +1), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the clock shows 2001-01-01T00:02:03Z, before this release was made (2026-11-01T00:00:00Z)"
        );
    }
}
