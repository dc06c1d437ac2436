//! Maintenance windows: `Sat,Sun 02:00-04:00 Europe/Berlin`.

use std::fmt;

use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Time, Weekday};

use super::zone::{Zone, is_name};

/// Days of the week, Monday first, as they are written.
const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// Days ahead in which an opening is looked for: a weekly one may fall into an hour that a clock jumps over, and then is a week later.
const AHEAD: i64 = 15;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A span of hours that comes again on days of the week.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// Whether it begins on a day of the week, Monday first.
    days: [bool; 7],
    /// Minute of the day at which it begins.
    from: u16,
    /// Minute of the day at which it ends; of the next day where it is not after `from`.
    to: u16,
    /// Name of the zone.
    zone: String,
}

/// What was written is no window.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WindowError {
    /// There is no such day.
    #[error("{0:?} is no day of the week: Mon, Tue, Wed, Thu, Fri, Sat, Sun, Mon-Fri, or daily")]
    Day(String),
    /// There is no such time.
    #[error("{0:?} is no span of hours: write it as 02:00-04:00")]
    Span(String),
    /// A span that is empty or the whole day.
    #[error("{0:?} begins when it ends: write 00:00-24:00 for the whole day")]
    Empty(String),
    /// Nobody knows when 02:00 is without it.
    #[error("it names no time zone, such as Europe/Berlin")]
    NoZone,
    /// There is too much, or too little.
    #[error("{0:?} is no window")]
    Shape(String),
}

impl std::str::FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, span, zone) = match words.as_slice() {
            [days, span, zone] => (days_of(days)?, *span, *zone),
            [span, zone] if span.contains(':') => ([true; 7], *span, *zone),
            [_, span] if span.contains(':') => return Err(WindowError::NoZone),
            [span] if span.contains(':') => return Err(WindowError::NoZone),
            _ => return Err(WindowError::Shape(text.to_owned())),
        };
        let no_span = || WindowError::Span(span.to_owned());
        let (from, to) = span.split_once('-').ok_or_else(no_span)?;
        let (from, to) = (minute(from).ok_or_else(no_span)?, minute(to).ok_or_else(no_span)?);
        if from == DAY {
            return Err(no_span());
        }
        if from == to {
            return Err(WindowError::Empty(span.to_owned()));
        }
        if !is_name(zone) {
            return Err(WindowError::NoZone);
        }
        Ok(Self { days, from, to, zone: zone.to_owned() })
    }
}

fn days_of(text: &str) -> Result<[bool; 7], WindowError> {
    let no = |word: &str| WindowError::Day(word.to_owned());
    let day = |word: &str| DAYS.iter().position(|(name, _)| name.eq_ignore_ascii_case(word)).ok_or_else(|| no(word));
    if text.eq_ignore_ascii_case("daily") {
        return Ok([true; 7]);
    }
    let mut days = [false; 7];
    for part in text.split(',') {
        match part.split_once('-') {
            None => days[day(part)?] = true,
            Some((first, last)) => {
                let (mut at, last) = (day(first)?, day(last)?);
                days[at] = true;
                while at != last {
                    at = (at + 1) % 7;
                    days[at] = true;
                }
            }
        }
    }
    Ok(days)
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= DAY).then_some(all)
}

impl fmt::Display for Window {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.days())?;
        let (from, to) = (self.from, self.to);
        write!(out, "{:02}:{:02}-{:02}:{:02} {}", from / 60, from % 60, to / 60, to % 60, self.zone)
    }
}

impl Window {
    /// Name of its zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// When it begins, as a calendar event of systemd (systemd.time(7)).
    #[must_use]
    pub fn calendar(&self) -> String {
        format!("{}*-*-* {:02}:{:02}:00 {}", self.days(), self.from / 60, self.from % 60, self.zone)
    }

    /// How many minutes it is open by the clock, where no clock jumps.
    #[must_use]
    pub fn minutes(&self) -> u16 {
        if self.to > self.from { self.to - self.from } else { DAY - self.from + self.to }
    }

    /// Its days with a space behind them; nothing where they are all.
    fn days(&self) -> String {
        let on = DAYS.iter().zip(self.days).filter(|(_, on)| *on);
        let days: Vec<&str> = on.map(|((name, _), _)| *name).collect();
        if days.len() == DAYS.len() { String::new() } else { format!("{} ", days.join(",")) }
    }

    /// The opening that begins on this day; none on another day of the week, and none where clocks jump over all of it.
    fn on(&self, day: Date, zone: &Zone) -> Option<Opening> {
        if !self.days[usize::from(day.weekday().number_days_from_monday())] {
            return None;
        }
        let at = |minute: u16, later: bool| {
            let days = i64::from(minute / DAY) + i64::from(later);
            let time =
                Time::from_hms(u8::try_from(minute % DAY / 60).ok()?, u8::try_from(minute % 60).ok()?, 0).ok()?;
            Some(zone.resolve(PrimitiveDateTime::new(day.checked_add(Duration::days(days))?, time))?.at)
        };
        let (from, to) = (at(self.from, false)?, at(self.to, self.to < self.from)?);
        (from < to).then_some(Opening { from, to })
    }
}

/// One time that a window is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// Its first moment, with the offset of its zone.
    pub from: OffsetDateTime,
    /// When it is over.
    pub to: OffsetDateTime,
}

/// The windows of a target, each with its zone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hours(Vec<(Window, Zone)>);

impl Hours {
    /// These windows. `zone` finds a zone by its name.
    ///
    /// # Errors
    /// What `zone` says.
    pub fn of<E>(windows: &[Window], mut zone: impl FnMut(&str) -> Result<Zone, E>) -> Result<Self, E> {
        let found = windows.iter().map(|window| Ok((window.clone(), zone(window.zone())?)));
        found.collect::<Result<Vec<_>, E>>().map(Self)
    }

    /// The opening that this moment is in; of several, the one that lasts longest.
    #[must_use]
    pub fn open_at(&self, now: OffsetDateTime) -> Option<Opening> {
        self.around(now).filter(|one| one.from <= now && now < one.to).max_by_key(|one| one.to)
    }

    /// The next opening that begins after this moment, with the name of its zone.
    #[must_use]
    pub fn after(&self, now: OffsetDateTime) -> Option<Opening> {
        self.around(now).filter(|one| one.from > now).min_by_key(|one| one.from)
    }

    /// The zone of the window that opens at this moment.
    #[must_use]
    pub fn zone_of(&self, opening: &Opening) -> Option<&Zone> {
        let day = |zone: &Zone| zone.local(opening.from).date();
        self.0.iter().find(|(window, zone)| window.on(day(zone), zone) == Some(*opening)).map(|(_, zone)| zone)
    }

    /// All openings that may be open at this moment, or open in the days after it.
    fn around(&self, now: OffsetDateTime) -> impl Iterator<Item = Opening> {
        self.0.iter().flat_map(move |(window, zone)| {
            let today = zone.local(now).date();
            (-2..=AHEAD).filter_map(move |days| window.on(today.checked_add(Duration::days(days))?, zone))
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::zone::tests::berlin;
    use super::*;

    fn hours(windows: &[&str]) -> Hours {
        let windows: Vec<Window> = windows.iter().map(|text| text.parse().unwrap()).collect();
        let zone = |name: &str| Ok::<_, ()>(if name == "UTC" { Zone::utc() } else { berlin() });
        Hours::of(&windows, zone).unwrap()
    }

    #[test]
    fn windows_that_people_write() {
        for (text, shown) in [
            ("Sat,Sun 02:00-04:00 Europe/Berlin", "Sat,Sun 02:00-04:00 Europe/Berlin"),
            ("sat 22:30-01:00 UTC", "Sat 22:30-01:00 UTC"),
            ("Mon-Wed,Fri 00:00-24:00 UTC", "Mon,Tue,Wed,Fri 00:00-24:00 UTC"),
            ("Sat-Mon 01:00-02:00 UTC", "Mon,Sat,Sun 01:00-02:00 UTC"),
            ("daily 01:00-02:00 UTC", "01:00-02:00 UTC"),
            ("01:00-02:00 UTC", "01:00-02:00 UTC"),
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!(window.to_string(), shown);
            assert_eq!(shown.parse::<Window>().as_ref(), Ok(&window));
        }
        let refused = |text: &str| text.parse::<Window>().unwrap_err();
        refused("Sat +2:00-03:00 UTC");
        assert_eq!(refused("Sat 02:00-04:00"), WindowError::NoZone);
        assert_eq!(refused("02:00-04:00"), WindowError::NoZone);
        assert_eq!(refused("Sat 02:00-04:00 ../x"), WindowError::NoZone);
        assert!(matches!(refused("Sam 02:00-04:00 UTC"), WindowError::Day(word) if word == "Sam"));
        assert!(matches!(refused("Sat, 02:00-04:00 UTC"), WindowError::Day(_)));
        assert!(matches!(refused("Sat 02:00-02:00 UTC"), WindowError::Empty(_)));
        for bad in
            ["Sat 2:00-4:00 UTC", "Sat 02:00-25:00 UTC", "Sat 02:60-03:00 UTC", "Sat 24:00-02:00 UTC", "Sat 0200 UTC"]
        {
            assert!(matches!(refused(bad), WindowError::Span(_)), "{bad}");
        }
        for bad in ["", "Sat", "Sat 02:00-04:00 Europe/Berlin extra"] {
            assert!(matches!(refused(bad), WindowError::Shape(_)), "{bad}");
        }
    }

    #[test]
    fn a_timer_is_told_when_it_begins() {
        for (text, calendar, minutes) in [
            ("Sat,Sun 02:00-04:00 Europe/Berlin", "Sat,Sun *-*-* 02:00:00 Europe/Berlin", 120),
            ("Wed 22:30-01:00 UTC", "Wed *-*-* 22:30:00 UTC", 150),
            ("daily 00:00-24:00 UTC", "*-*-* 00:00:00 UTC", 24 * 60),
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!((window.calendar().as_str(), window.minutes()), (calendar, minutes));
        }
    }

    #[test]
    fn a_window_opens_and_closes() {
        let hours = hours(&["Sat,Sun 02:00-04:00 Europe/Berlin"]);
        // 2026-12-05 is a Saturday.
        for (now, open) in [
            (datetime!(2026-12-05 00:59:59 UTC), false),
            (datetime!(2026-12-05 01:00 UTC), true),
            (datetime!(2026-12-05 02:59:59 UTC), true),
            (datetime!(2026-12-05 03:00 UTC), false),
            (datetime!(2026-12-07 01:30 UTC), false),
        ] {
            assert_eq!(hours.open_at(now).is_some(), open, "{now}");
        }
        let next = hours.after(datetime!(2026-12-06 01:30 UTC)).unwrap();
        assert_eq!((next.from, next.to), (datetime!(2026-12-12 02:00 +1), datetime!(2026-12-12 04:00 +1)));
        assert_eq!(hours.zone_of(&next).unwrap().name(), "Europe/Berlin");
    }

    #[test]
    fn over_midnight_it_belongs_to_the_day_on_which_it_begins() {
        let hours = hours(&["Sat 22:00-02:00 Europe/Berlin"]);
        assert!(hours.open_at(datetime!(2026-12-05 23:30 +1)).is_some());
        assert!(hours.open_at(datetime!(2026-12-06 01:59 +1)).is_some(), "Sunday's first hours");
        assert!(hours.open_at(datetime!(2026-12-06 02:00 +1)).is_none());
        assert!(hours.open_at(datetime!(2026-12-05 01:00 +1)).is_none(), "Friday has none");
    }

    #[test]
    fn where_clocks_jump() {
        let whole = hours(&["Sun 02:00-04:00 Europe/Berlin"]);
        let spring = whole.after(datetime!(2027-03-27 12:00 UTC)).unwrap();
        assert_eq!((spring.from, spring.to), (datetime!(2027-03-28 03:00 +2), datetime!(2027-03-28 04:00 +2)));
        let autumn = whole.after(datetime!(2027-10-30 12:00 UTC)).unwrap();
        assert_eq!((autumn.from, autumn.to), (datetime!(2027-10-31 02:00 +2), datetime!(2027-10-31 04:00 +1)));
        // All of it is jumped over: the next one is a week later.
        let skipped = hours(&["Sun 02:15-02:45 Europe/Berlin"]).after(datetime!(2027-03-27 12:00 UTC)).unwrap();
        assert_eq!(skipped.from, datetime!(2027-04-04 02:15 +2));
        // What is there twice is the first of the two, beginning and end.
        let twice = hours(&["Sun 02:15-02:45 Europe/Berlin"]).after(datetime!(2027-10-30 12:00 UTC)).unwrap();
        assert_eq!((twice.from, twice.to), (datetime!(2027-10-31 02:15 +2), datetime!(2027-10-31 02:45 +2)));
    }

    #[test]
    fn of_several_windows_each_counts_in_its_own_zone() {
        let hours = hours(&["Tue 12:00-13:00 UTC", "Mon 01:00-02:00 Europe/Berlin"]);
        let first = hours.after(datetime!(2026-12-05 12:00 UTC)).unwrap();
        assert_eq!(first.from, datetime!(2026-12-07 01:00 +1));
        assert_eq!(hours.after(first.from).unwrap().from, datetime!(2026-12-08 12:00 UTC));
        assert_eq!(Hours::default().after(first.from), None);
    }
}
