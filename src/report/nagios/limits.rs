//! The thresholds below which the end of a certificate is an alarm.

use std::str::FromStr;

/// How much of its life a certificate must have left.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Threshold {
    /// Days; `20`, `20d`.
    Days(f64),
    /// Parts of its lifetime, in percent; `10%`.
    Percent(f64),
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, percent) = match text.strip_suffix('%') {
            Some(number) => (number, true),
            None => (text.strip_suffix('d').unwrap_or(text), false),
        };
        let digits = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let value: f64 = number.parse().ok().filter(|_| digits).ok_or("days (`20`, `20d`) or percent (`10%`)")?;
        let most = if percent { 100.0 } else { 100_000.0 };
        if value > most {
            return Err(format!("at most {most}"));
        }
        Ok(if percent { Self::Percent(value) } else { Self::Days(value) })
    }
}

impl Threshold {
    fn days(self, lifetime: f64) -> f64 {
        match self {
            Self::Days(days) => days,
            Self::Percent(percent) => lifetime.max(0.0) * percent / 100.0,
        }
    }
}

/// When the end of a certificate is an alarm.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Limits {
    /// Less is a warning. By default 20 days, as in `check_ssl_cert`; a quarter of the lifetime where that is less; never less than
    /// what is critical.
    pub warning: Option<Threshold>,
    /// Less is critical. By default 15 days; an eighth of the lifetime where that is less; never more than what is a warning.
    pub critical: Option<Threshold>,
}

impl Limits {
    /// Whether the warning would never be seen, of whatever certificate: days and a part of the lifetime cross for some alone.
    #[must_use]
    pub fn contradict(&self) -> bool {
        match (self.warning, self.critical) {
            (Some(Threshold::Days(warning)), Some(Threshold::Days(critical)))
            | (Some(Threshold::Percent(warning)), Some(Threshold::Percent(critical))) => warning < critical,
            (Some(_), Some(_) | None) | (None, _) => false,
        }
    }

    /// Days for a warning and for an alarm.
    pub(super) fn days(&self, lifetime: f64) -> (f64, f64) {
        let least = |days: f64, share: f64| days.min(lifetime.max(0.0) / share);
        let set = |it: Threshold| it.days(lifetime);
        // One that is beyond the other moves it: its default, or what it comes to for a certificate of this lifetime.
        match (self.warning.map(set), self.critical.map(set)) {
            (Some(warning), Some(critical)) => (warning.max(critical), critical),
            (Some(warning), None) => (warning, least(15.0, 8.0).min(warning)),
            (None, Some(critical)) => (least(20.0, 4.0).max(critical), critical),
            (None, None) => (least(20.0, 4.0), least(15.0, 8.0)),
        }
    }
}
