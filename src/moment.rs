//! Moments as people name them: a date and a time of day in a time zone, and windows that open again and again. Pure: the bytes of time
//! zones are handed in.

mod window;
mod zone;

use std::fmt;

use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

pub use self::window::{Hours, Opening, Window, WindowError};
pub use self::zone::{Odd, Resolved, Zone, ZoneError, is_name};

/// The second that a moment lies in, as it is written down.
#[must_use]
pub fn whole_second(at: OffsetDateTime) -> OffsetDateTime {
    // No moment is without a nanosecond 0.
    at.replace_nanosecond(0).unwrap_or(at)
}

/// The same moment by the clock of UTC. At the ends of all calendars, where UTC has no such moment any more, it stays as it is.
#[must_use]
pub fn in_utc(at: OffsetDateTime) -> OffsetDateTime {
    at.checked_to_offset(time::UtcOffset::UTC).unwrap_or(at)
}

/// A moment as people and programs read it: RFC 3339, UTC, to the second.
#[must_use]
pub fn stamp(at: OffsetDateTime) -> String {
    whole_second(in_utc(at)).format(&Rfc3339).unwrap_or_default()
}

/// A moment, and the zone in which somebody named it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// The moment itself, with the offset from UTC that its zone has then.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The zone; none where an offset was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl fmt::Display for Moment {
    /// `2026-12-05 02:00 Europe/Berlin (+01:00)`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        write!(out, "{} {:02}:{:02}", at.date(), at.hour(), at.minute())?;
        if at.second() != 0 {
            write!(out, ":{:02}", at.second())?;
        }
        let (hours, minutes, _) = at.offset().as_hms();
        let sign = if at.offset().is_negative() { '-' } else { '+' };
        let offset = format!("{sign}{:02}:{:02}", hours.unsigned_abs(), minutes.unsigned_abs());
        match &self.zone {
            Some(zone) => write!(out, " {zone} ({offset})"),
            None => write!(out, " {offset}"),
        }
    }
}

/// What was written for a moment, before anybody has looked into a time zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    /// RFC 3339: with its offset from UTC, and so in need of no zone.
    Fixed(OffsetDateTime),
    /// A date and a time of day, and the zone where one was named.
    Local {
        /// Date and time of day.
        clock: PrimitiveDateTime,
        /// Name of the zone.
        zone: Option<String>,
    },
}

/// What was written is no moment.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no date with a time of day")]
pub struct NoMoment(String);

impl NoMoment {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "`2026-12-05T02:00:00+01:00`, `\"2026-12-05 02:00 Europe/Berlin\"`, or `\"2026-12-05 02:00\"` in this machine's time zone"
    }
}

impl std::str::FromStr for Written {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        let no = || NoMoment(text.to_owned());
        if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::Fixed(at));
        }
        // A date, a `T` or a space, a time of day, and perhaps a zone.
        let (date, rest) = text.trim().split_once([' ', 'T']).ok_or_else(no)?;
        let (clock, zone) = match rest.trim().split_once(' ') {
            Some((clock, zone)) => (clock, Some(zone.trim())),
            None => (rest.trim(), None),
        };
        if zone.is_some_and(|zone| !is_name(zone)) {
            return Err(no());
        }
        let both = format!("{date} {clock}");
        let minutes = format_description!("[year]-[month]-[day] [hour]:[minute]");
        let seconds = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        let clock = PrimitiveDateTime::parse(&both, minutes).or_else(|_| PrimitiveDateTime::parse(&both, seconds));
        Ok(Self::Local { clock: clock.map_err(|_| no())?, zone: zone.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn moments_that_people_write() {
        let local = |clock, zone: Option<&str>| Written::Local { clock, zone: zone.map(str::to_owned) };
        for (text, meant) in [
            ("2026-12-05T02:00:00+01:00", Written::Fixed(datetime!(2026-12-05 02:00 +1))),
            ("2026-12-05T02:00:00Z", Written::Fixed(datetime!(2026-12-05 02:00 UTC))),
            ("2026-12-05 02:00", local(datetime!(2026-12-05 02:00), None)),
            ("2026-12-05T02:00", local(datetime!(2026-12-05 02:00), None)),
            ("2026-12-05 02:00:30", local(datetime!(2026-12-05 02:00:30), None)),
            ("2026-12-05 02:00 Europe/Berlin", local(datetime!(2026-12-05 02:00), Some("Europe/Berlin"))),
            (" 2026-12-05  02:00  UTC ", local(datetime!(2026-12-05 02:00), Some("UTC"))),
        ] {
            assert_eq!(text.parse(), Ok(meant), "{text}");
        }
        for bad in [
            "",
            "soon",
            "02:00",
            "2026-12-05",
            "2026-13-05 02:00",
            "2026-12-05 24:00",
            "2026-12-05 2:00",
            "2026-12-05 02:00 ../../etc/shadow",
            "2026-12-05 02:00 Europe/Berlin now",
            "2026-12-05 02:00 +01:00",
        ] {
            assert!(bad.parse::<Written>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_told_with_zone_and_offset() {
        let told = |at, zone: Option<&str>| Moment { at, zone: zone.map(str::to_owned) }.to_string();
        assert_eq!(
            told(datetime!(2026-12-05 02:00 +1), Some("Europe/Berlin")),
            "2026-12-05 02:00 Europe/Berlin (+01:00)"
        );
        assert_eq!(told(datetime!(2026-12-05 02:00:07 -3:30), None), "2026-12-05 02:00:07 -03:30");
        assert_eq!(told(datetime!(2026-12-05 02:00 -0:30), None), "2026-12-05 02:00 -00:30");
    }
}
