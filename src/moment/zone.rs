//! Time zones: which moment a date and a time of day are, where clocks jump.

use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// A time zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// The bytes are no time zone's.
#[derive(Debug, thiserror::Error)]
#[error("{what} is no time zone: {why}")]
pub struct ZoneError {
    what: String,
    why: String,
}

/// The moment that a date and a time of day are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// The moment, with the offset of its zone.
    pub at: OffsetDateTime,
    /// What is odd about it.
    pub odd: Option<Odd>,
}

/// Why a date and a time of day are not one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Odd {
    /// The clock jumps over it: the moment is that of the jump.
    Skipped,
    /// The clock shows it twice: the moment is the first.
    Twice,
}

/// Whether a text can be the name of a zone, and of a file below the directory of all zones.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
    };
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.split('/').all(part)
}

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// Reads the file of a zone (`TZif`, RFC 9636).
    ///
    /// # Errors
    /// It is none.
    pub fn from_tzif(name: &str, bytes: &[u8]) -> Result<Self, ZoneError> {
        let rules = TimeZone::tzif(name, bytes)
            .map_err(|error| ZoneError { what: format!("what is kept for {name}"), why: error.to_string() })?;
        Ok(Self { name: name.to_owned(), rules })
    }

    /// Reads the rule in a variable `TZ`, such as `CET-1CEST,M3.5.0,M10.5.0/3`.
    ///
    /// # Errors
    /// It is none.
    pub fn from_rule(rule: &str) -> Result<Self, ZoneError> {
        let rules =
            TimeZone::posix(rule).map_err(|error| ZoneError { what: format!("{rule:?}"), why: error.to_string() })?;
        Ok(Self { name: rule.to_owned(), rules })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same moment, with the offset that this zone has then.
    #[must_use]
    pub fn local(&self, at: OffsetDateTime) -> OffsetDateTime {
        let Ok(stamp) = Timestamp::from_second(at.unix_timestamp()) else { return at };
        at.to_offset(offset(self.rules.to_offset(stamp)))
    }

    /// The moment at which clocks in this zone show this. Where they jump over it, the moment of the jump; where they show it twice, the
    /// first. `None` far outside of the times that calendars know.
    #[must_use]
    pub fn resolve(&self, clock: PrimitiveDateTime) -> Option<Resolved> {
        let civil = jiff::civil::date(
            i16::try_from(clock.year()).ok()?,
            i8::try_from(u8::from(clock.month())).ok()?,
            i8::try_from(clock.day()).ok()?,
        )
        .at(
            i8::try_from(clock.hour()).ok()?,
            i8::try_from(clock.minute()).ok()?,
            i8::try_from(clock.second()).ok()?,
            0,
        );
        let with = |chosen: Offset, odd| {
            let at = clock.assume_offset(offset(chosen));
            Some(Resolved { at, odd })
        };
        match self.rules.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => with(offset, None),
            AmbiguousOffset::Fold { before, .. } => with(before, Some(Odd::Twice)),
            AmbiguousOffset::Gap { before, .. } => {
                // By the old offset it is the jump or later, and no other jump lies between the two.
                let late = clock.assume_offset(offset(before)).unix_timestamp();
                let jump = self.rules.preceding(Timestamp::from_second(late + 1).ok()?).next()?.timestamp();
                let at = self.local(OffsetDateTime::from_unix_timestamp(jump.as_second()).ok()?);
                Some(Resolved { at, odd: Some(Odd::Skipped) })
            }
        }
    }
}

fn offset(of: Offset) -> UtcOffset {
    UtcOffset::from_whole_seconds(of.seconds()).unwrap_or(UtcOffset::UTC)
}

#[cfg(test)]
pub(super) mod tests {
    use time::macros::{datetime, offset};

    use super::*;

    /// As most of Europe has it: one hour forward on the last Sunday of March, back on the last of October.
    pub(in crate::moment) fn berlin() -> Zone {
        Zone { name: "Europe/Berlin".to_owned(), ..Zone::from_rule("CET-1CEST,M3.5.0,M10.5.0/3").unwrap() }
    }

    #[test]
    fn clocks_that_jump() {
        let zone = berlin();
        for (clock, at, odd) in [
            (datetime!(2026-12-05 02:00), datetime!(2026-12-05 02:00 +1), None),
            (datetime!(2027-07-01 02:00), datetime!(2027-07-01 02:00 +2), None),
            (datetime!(2027-03-28 01:59:59), datetime!(2027-03-28 01:59:59 +1), None),
            (datetime!(2027-03-28 02:00), datetime!(2027-03-28 03:00 +2), Some(Odd::Skipped)),
            (datetime!(2027-03-28 02:30), datetime!(2027-03-28 03:00 +2), Some(Odd::Skipped)),
            (datetime!(2027-03-28 02:59:59), datetime!(2027-03-28 03:00 +2), Some(Odd::Skipped)),
            (datetime!(2027-03-28 03:00), datetime!(2027-03-28 03:00 +2), None),
            (datetime!(2027-10-31 02:30), datetime!(2027-10-31 02:30 +2), Some(Odd::Twice)),
            (datetime!(2027-10-31 03:00), datetime!(2027-10-31 03:00 +1), None),
        ] {
            let resolved = zone.resolve(clock).unwrap();
            assert_eq!((resolved.at, resolved.odd), (at, odd), "{clock}");
            assert_eq!(resolved.at.offset(), at.offset(), "{clock}");
        }
        // Half an hour only, and at midnight.
        let lord_howe = Zone::from_rule("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0").unwrap();
        let resolved = lord_howe.resolve(datetime!(2026-10-04 02:15)).unwrap();
        assert_eq!((resolved.at, resolved.odd), (datetime!(2026-10-04 02:30 +11), Some(Odd::Skipped)));
        let beirut = Zone::from_rule("EET-2EEST,M3.5.0/0,M10.5.0/0").unwrap();
        let resolved = beirut.resolve(datetime!(2027-03-28 00:00)).unwrap();
        assert_eq!((resolved.at, resolved.odd), (datetime!(2027-03-28 01:00 +3), Some(Odd::Skipped)));
    }

    #[test]
    fn a_moment_is_shown_in_its_zone() {
        let zone = berlin();
        assert_eq!(zone.local(datetime!(2026-12-05 01:00 UTC)).offset(), offset!(+1));
        assert_eq!(zone.local(datetime!(2027-07-05 01:00 UTC)).offset(), offset!(+2));
        assert_eq!(Zone::utc().resolve(datetime!(2027-03-28 02:30)).unwrap().odd, None);
    }

    #[test]
    fn names_stay_below_their_directory() {
        for good in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "GMT0"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "/etc/shadow",
            "../x",
            "Europe/../../x",
            "Europe/",
            "Europe//Berlin",
            ".",
            "a\0b",
            "a b",
            "+1",
            "Äther",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(Zone::from_tzif("X/Y", b"TZif").is_err() && Zone::from_tzif("X/Y", b"").is_err());
    }
}
