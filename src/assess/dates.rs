//! Dates of the leaf and of the chain.

use time::macros::{date as day, datetime};
use time::{Date, Duration, OffsetDateTime};

use super::path::replaceable;
use super::{Code, Facts, Finding};
use crate::cert::{Certificate, Chain};

/// The most days a public certificate may last, by the day from which it was issued: CA/Browser Forum, Baseline Requirements section
/// 6.3.2, with ballot SC-081v3. Youngest first.
const CAPS: &[(Date, i64)] = &[
    (day!(2029 - 03 - 15), 47),
    (day!(2027 - 03 - 15), 100),
    (day!(2026 - 03 - 15), 200),
    (day!(2020 - 09 - 01), 398),
    (day!(2018 - 03 - 01), 825),
];

/// No clock that is right shows less: the program was written later.
const WRITTEN: OffsetDateTime = datetime!(2026-11-01 0:00 UTC);

/// Nor more, for all who read this.
const FAR: OffsetDateTime = datetime!(2100-01-01 0:00 UTC);

pub(super) fn findings(chain: &Chain, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let leaf = chain.leaf();
    clock(facts, found);
    if leaf.not_after() < leaf.not_before() {
        let message = format!("it ends {}, before it begins {}", date(leaf.not_after()), date(leaf.not_before()));
        found.push(Finding::new(Code::ValidityReversed, message));
    } else {
        end(leaf, facts, found);
    }
    if !facts.of_issuer {
        cap(leaf, found);
    }
    // Whoever replaces an expired leaf gets its chain anew.
    for one in chain.intermediates().iter().filter(|_| facts.now <= leaf.not_after()) {
        intermediate(one, chain, facts, found);
    }
    roots(leaf, facts, found);
}

fn clock(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    if facts.now < WRITTEN || facts.now >= FAR {
        let message = format!("the clock of this machine says {}", date(facts.now));
        found.push(Finding::new(Code::ClockImplausible, message));
    }
}

fn end(leaf: &Certificate, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let now = facts.now;
    let left: Duration = leaf.not_after() - now;
    let lifetime: Duration = leaf.not_after() - leaf.not_before();
    let ends = || format!("it ends {} (in {})", date(leaf.not_after()), span(left));
    let finding = if now > leaf.not_after() && facts.of_issuer && leaf.is_self_issued() {
        Finding::new(Code::StoreExpired, format!("the root ended {}", date(leaf.not_after())))
    } else if now > leaf.not_after() {
        Finding::new(Code::Expired, format!("it ended {} ({} ago)", date(leaf.not_after()), ago(-left)))
    } else if now < leaf.not_before() {
        let wait = leaf.not_before() - now;
        Finding::new(Code::NotYetValid, format!("it begins {} (in {})", date(leaf.not_before()), span(wait)))
    } else if left >= (facts.renew_before)(lifetime) {
        return;
    } else if left < late(lifetime) {
        Finding::new(Code::EndsSoon, ends())
    } else {
        Finding::new(Code::Expiring, ends())
    };
    found.push(finding);
}

/// What is left of a lifetime when a renewal should have happened long ago: a tenth, but at most two weeks; and at least a day, but
/// of what lasts only days, a quarter.
fn late(lifetime: Duration) -> Duration {
    let least = Duration::DAY.min(lifetime / 4_i32);
    let tenth: Duration = lifetime / 10_i32;
    tenth.clamp(least, Duration::days(14).max(least))
}

fn cap(leaf: &Certificate, found: &mut Vec<Finding>) {
    if !leaf.claims_public() {
        return;
    }
    let begins = leaf.not_before().date();
    // Both ends count (section 6.3.2).
    let lifetime = leaf.not_after() - leaf.not_before() + Duration::SECOND;
    let Some((from, most)) = CAPS.iter().find(|(from, _)| begins >= *from) else { return };
    if lifetime > Duration::days(*most) {
        let days = (lifetime - Duration::SECOND).whole_days() + 1;
        let message = format!("it lasts {days} days; what public CAs issue from {from} on may last {most}");
        found.push(Finding::new(Code::LifetimeOverCap, message));
    }
}

fn intermediate(one: &Certificate, chain: &Chain, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let leaf = chain.leaf();
    if !chain.certificates().any(|child| child != one && child.names_as_issuer(one)) {
        // No part of the chain: that alone is told.
        return;
    }
    if one.is_valid_at(facts.now) {
        if one.not_after() < leaf.not_after() && !replaceable(one, chain, facts) {
            let left = one.not_after() - facts.now;
            let soon = left < late(one.not_after() - one.not_before());
            let code = if soon { Code::ChainEndsSoon } else { Code::ChainExpires };
            let when = date(one.not_after());
            let message = format!("{} ends {when} (in {}), before the leaf", one.title(), span(left));
            found.push(Finding::new(code, message));
        }
        return;
    }
    let when = if facts.now > one.not_after() {
        format!("ended {}", date(one.not_after()))
    } else {
        format!("begins {}", date(one.not_before()))
    };
    let code = if replaceable(one, chain, facts) { Code::CrossSignExpired } else { Code::ChainExpired };
    found.push(Finding::new(code, format!("{} in the chain {when}", one.title())));
}

/// The roots at which clients arrive.
fn roots(leaf: &Certificate, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    for verdict in facts.trust {
        if let (Some(ends), Some(root)) = (verdict.root_ends(), verdict.path.last())
            && ends < leaf.not_after()
        {
            let message = format!("the root {root} ({}) ends {}, before it", verdict.profile, date(ends));
            found.push(Finding::new(Code::RootEndsFirst, message));
        }
    }
}

/// A date as reports write it.
#[must_use]
pub fn date(at: OffsetDateTime) -> String {
    format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day())
}

/// Whole days that are left, rounded down: what has ended has less than none, from the first moment on.
#[must_use]
pub fn days_left(left: Duration) -> i64 {
    units_left(left, Duration::DAY)
}

fn units_left(left: Duration, unit: Duration) -> i64 {
    left.whole_seconds().div_euclid(unit.whole_seconds())
}

/// How long ago something has ended, as reports write it; rounded up, so that it is the same number of days as [`days_left`] has.
#[must_use]
pub fn ago(length: Duration) -> String {
    let up = |unit: Duration| -units_left(-length, unit);
    if length >= Duration::hours(48) {
        span(Duration::days(up(Duration::DAY)))
    } else if length >= Duration::hours(2) {
        format!("{} hours", up(Duration::HOUR))
    } else {
        format!("{} minutes", up(Duration::MINUTE))
    }
}

/// A length of time as reports write it: days, or what is finer below two days.
#[must_use]
pub fn span(length: Duration) -> String {
    match length.whole_hours() {
        hours if hours >= 48 => format!("{} days", length.whole_days()),
        hours if hours >= 2 => format!("{hours} hours"),
        _ => format!("{} minutes", length.whole_minutes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_a_tenth_with_floors() {
        for (days, late_days) in [(398, 14), (90, 9), (45, 4), (3650, 14)] {
            assert_eq!(late(Duration::days(days)).whole_days(), late_days, "{days}");
        }
        assert_eq!(late(Duration::days(6)), Duration::DAY);
        assert_eq!(late(Duration::days(1)), Duration::hours(6));
    }

    /// A certificate that has ended is never called one with 0 days, and every report has the same number.
    #[test]
    fn days_are_rounded_down() {
        for (hours, left, told) in [
            (36, 1, None),
            (12, 0, None),
            (0, 0, None),
            (-12, -1, Some("12 hours")),
            (-47, -2, Some("47 hours")),
            (-48, -2, Some("2 days")),
            (-84, -4, Some("4 days")),
        ] {
            assert_eq!(days_left(Duration::hours(hours)), left, "{hours}");
            if let Some(told) = told {
                assert_eq!(ago(Duration::hours(-hours)), told, "{hours}");
            }
        }
        assert_eq!(days_left(-Duration::SECOND), -1);
        assert_eq!(ago(Duration::SECOND), "1 minutes");
    }
}
