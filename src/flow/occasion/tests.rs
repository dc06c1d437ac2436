use std::path::Path;

use time::macros::datetime;

use super::*;
use crate::config::Config;

fn target(policy: &str) -> TargetConfig {
    let text = format!(
        "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"a.lan\"]\ncertificate = \"/a\"\nkey = \"/b\"\n[target.policy]\n{policy}"
    );
    Config::parse(&text, Path::new("test")).unwrap_or_else(|error| panic!("{error}")).targets.remove(0)
}

fn next(by_hand: bool, at: Option<OffsetDateTime>) -> Next {
    Next {
        format: 1,
        generation: 4,
        staged: datetime!(2026-12-01 00:00 UTC),
        actor: "uid 0".to_owned(),
        by_hand,
        due: false,
        why: "asked for".to_owned(),
        at: at.map(|at| Moment { at, zone: None }),
        insisted: Vec::new(),
        found: Vec::new(),
    }
}

/// One that lives 90 days.
fn ends(ends: OffsetDateTime) -> Look {
    Look { ends: Some(ends), lives: Duration::days(90), ..Look::default() }
}

const FAR: OffsetDateTime = datetime!(2027-02-20 00:00 UTC);
/// A Saturday.
const SATURDAY: OffsetDateTime = datetime!(2026-12-05 00:00 UTC);
const WINDOW: &str = "window = \"Sat 02:00-04:00 UTC\"";

fn later(occasion: &Result<Occasion, Refusal>) -> Option<OffsetDateTime> {
    match occasion {
        Ok(Occasion::Later { at, .. }) => *at,
        Ok(Occasion::Now { .. }) => None,
        Err(refusal) => panic!("{}", refusal.why),
    }
}

fn early(occasion: Result<Occasion, Refusal>) -> Option<String> {
    match occasion {
        Ok(Occasion::Now { early }) => early,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_due_waits_for_a_window_and_no_longer() {
    let (host, web) = (Host::new("/nowhere"), target(WINDOW));
    let hour = Duration::HOUR;
    assert_eq!(later(&to_change(&host, &web, &ends(FAR), SATURDAY)), Some(SATURDAY + hour * 2));
    assert_eq!(early(to_change(&host, &web, &ends(FAR), SATURDAY + hour * 3)), None);
    assert_eq!(later(&to_change(&host, &web, &ends(FAR), SATURDAY + hour * 4)), Some(SATURDAY + hour * (24 * 7 + 2)));
    // It would end before the next one, or within its last day, or is refused as it is.
    let soon = ends(SATURDAY + Duration::days(6));
    assert!(early(to_change(&host, &web, &soon, SATURDAY + hour * 4)).unwrap().contains("2026-12-12 02:00 UTC"));
    assert!(early(to_change(&host, &web, &ends(SATURDAY + hour), SATURDAY)).is_some());
    assert!(early(to_change(&host, &web, &Look { broken: true, ..ends(FAR) }, SATURDAY)).is_some());
    assert!(early(to_change(&host, &web, &Look::default(), SATURDAY)).is_some(), "nothing is there");
    assert_eq!(early(to_change(&host, &target(""), &ends(FAR), SATURDAY)), None, "no window, no waiting");
}

#[test]
fn what_is_staged_waits_for_its_moment_and_is_not_lost_when_that_is_slept_through() {
    let host = Host::new("/nowhere");
    let at = SATURDAY + Duration::hours(12);
    let staged = next(true, Some(at));
    for policy in ["", WINDOW] {
        let web = target(policy);
        assert_eq!(later(&to_activate(&host, &web, &staged, &ends(FAR), SATURDAY)), Some(at));
        assert_eq!(
            early(to_activate(&host, &web, &staged, &ends(FAR), at)),
            None,
            "outside of the window: it was named"
        );
        let broken = Look { broken: true, due: true, ..ends(FAR) };
        assert_eq!(later(&to_activate(&host, &web, &staged, &broken, SATURDAY)), Some(at), "that was known");
        let told = early(to_activate(&host, &web, &staged, &ends(at), SATURDAY)).unwrap();
        assert!(told.starts_with("before the moment that was set: the certificate in place ends"), "{told}");
    }
    for late in [Duration::minutes(61), Duration::days(2)] {
        for policy in ["", WINDOW] {
            let occasion = to_activate(&host, &target(policy), &staged, &ends(FAR), at + late);
            assert_eq!(early(occasion), None, "slept through, it is made good by the first run");
        }
    }
}

#[test]
fn by_policy_it_is_put_in_place_when_the_other_is_due_or_in_the_last_window_before() {
    let host = Host::new("/nowhere");
    let staged = next(false, None);
    let plain = target("prepare_before = 90\nrenew_before = 1");
    assert_eq!(later(&to_activate(&host, &plain, &staged, &ends(FAR), SATURDAY)), Some(FAR - Duration::DAY));
    assert_eq!(early(to_activate(&host, &plain, &staged, &ends(FAR), FAR - Duration::HOUR)), None);
    let windowed = target(&format!("prepare_before = 90\nrenew_before = 1\n{WINDOW}"));
    let open = SATURDAY + Duration::hours(3);
    assert!(later(&to_activate(&host, &windowed, &staged, &ends(FAR), open)).is_some(), "others come before it ends");
    assert_eq!(early(to_activate(&host, &windowed, &staged, &ends(SATURDAY + Duration::days(7)), open)), None);
    // A person means the next window.
    assert_eq!(early(to_activate(&host, &windowed, &next(true, None), &ends(FAR), open)), None);
    assert!(later(&to_activate(&host, &windowed, &next(true, None), &ends(FAR), SATURDAY)).is_some());
}

#[test]
fn a_zone_that_nobody_knows_is_told() {
    let host = Host::new("/nowhere").with_zoneinfo("/nowhere");
    let web = target("window = \"Sat 02:00-04:00 Europe/Berlin\"");
    let refusal = to_change(&host, &web, &ends(FAR), SATURDAY).unwrap_err();
    assert!(refusal.why.contains("no database of time zones") && refusal.hint.unwrap().contains("tzdata"));
    let broken = Look { broken: true, ..ends(FAR) };
    assert!(early(to_change(&host, &web, &broken, SATURDAY)).is_some(), "what cannot wait does not ask");
}
