//! A clock that cannot be right: nothing that works is replaced by it.

use reseal::flow::{Options, history, renew};
use reseal::host::clock::{Clock, FLOOR};
use reseal::outcome::Exit;
use time::{Duration, OffsetDateTime};

use super::{good, installed, refused};
use crate::support::{World, pair};

#[test]
fn a_clock_of_1970_changes_nothing() {
    let world = World::new("");
    let before = world.served();
    for clock in [OffsetDateTime::UNIX_EPOCH, FLOOR - Duration::SECOND] {
        let host = world.host().with_clock(Clock::Fixed(clock));
        let inputs = world.bring(&pair(90));
        // By that clock the new certificate is not valid yet; that this is insisted on changes nothing.
        let options = Options { force: true, ..Options::default() };
        let report = world.with(&host, options, |session| reseal::flow::install::run(session, "web", &inputs));
        assert_eq!(report.outcome.exit(), Exit::Refused, "{report:?}");
        super::refused_with(&report, &["the clock shows", "before this release was made"]);
        let reports = world.with(&host, Options::default(), |session| renew::run(session, &[])).unwrap();
        assert_eq!(reseal::flow::exit(&reports), Exit::Refused, "{reports:?}");
        assert_eq!(world.served(), before);
    }
    assert!(world.generations().is_empty());
}

#[test]
fn a_clock_far_behind_the_last_receipt_changes_nothing() {
    let world = World::new("");
    installed(&world);
    let now = OffsetDateTime::now_utc();
    let behind = now - Duration::hours(30);
    if behind < FLOOR {
        println!("skipped: needs a clock more than a day after this release");
        return;
    }
    let kept = world.generations();
    let inputs = world.bring(&pair(90));
    let options = Options { force: true, ..Options::default() };
    let host = world.host().with_clock(Clock::Fixed(behind));
    let before = world.tree();
    let report = world.with(&host, options, |session| reseal::flow::install::run(session, "web", &inputs));
    super::refused_with(&report, &["the clock shows", "the newest receipt is of"]);
    super::refused_with(&world.restore(&host, Some(1), true), &["the clock shows"]);
    assert_eq!((world.tree(), world.generations()), (before, kept));
    good(&world.restore(&world.host().with_clock(Clock::Fixed(now - Duration::hours(2))), Some(1), true));
}

/// A receipt from the future, as a clock that was ahead for a while leaves it, is told as what it is.
#[test]
fn after_a_clock_was_ahead_the_message_says_so() {
    let world = World::new("");
    let ahead = world.host().with_clock(Clock::Fixed(OffsetDateTime::now_utc() + Duration::days(20)));
    good(&world.install(&ahead, &world.bring(&pair(90))));
    refused(&world, &world.host(), &["the newest receipt is of"]);
    let (receipts, broken) =
        world.with(&world.host(), Options::default(), |session| history::run(session, &[])).unwrap();
    assert_eq!((receipts.len(), broken.len()), (1, 0));
}
