use std::path::PathBuf;

use time::macros::datetime;

use super::*;
use crate::config::ChannelKind;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

fn after(hours: i64) -> OffsetDateTime {
    NOW + time::Duration::hours(hours)
}

fn channel(name: &str) -> Channel {
    Channel {
        name: name.to_owned(),
        kind: ChannelKind::Syslog { socket: PathBuf::from("/dev/log") },
        on: On::ALL.into_iter().collect(),
        severity: Severity::Warning,
        targets: Vec::new(),
        repeat: Some(Duration::from_hours(24)),
        waiting: Duration::from_hours(72),
        silence: Duration::from_hours(72),
        limit: Duration::from_secs(1),
    }
}

fn condition(on: On, target: &str, code: &str) -> Condition {
    Condition::new(on, target, code, Severity::Critical, "it is bad", NOW)
}

fn holding(holds: &[Condition]) -> Found {
    let looked_at: BTreeSet<String> = ["web", "mail"].map(str::to_owned).into();
    Found {
        holds: holds.to_vec(),
        happened: Vec::new(),
        scope: Scope { ended: looked_at.clone(), looked_at, compared: BTreeSet::new(), all: None },
    }
}

/// One run: what each channel is told, which delivers or not.
fn run(record: &mut Record, channels: &[(Channel, bool)], found: &Found, now: OffsetDateTime) -> Vec<Vec<State>> {
    take_in(record, found, now);
    let all: Vec<Vec<Item>> = channels.iter().map(|(one, _)| for_channel(record, one, found, now)).collect();
    for ((channel, delivers), items) in channels.iter().zip(&all) {
        let failing = Failing { since: now, why: "no".to_owned(), hint: None, partly: false };
        if !items.is_empty() {
            told(record, &channel.name, items, if *delivers { Ok(()) } else { Err(failing) }, now);
        }
    }
    let names = channels.iter().map(|(channel, _)| channel.name.as_str()).collect();
    settle(record, &names, now);
    all.iter().map(|items| items.iter().map(|item| item.state).collect()).collect()
}

#[test]
fn it_is_told_once_again_after_a_while_and_when_it_is_gone() {
    let (mut record, channels) = (Record::begun(), [(channel("ops"), true)]);
    let bad = holding(&[condition(On::Finding, "web", "self-signed")]);
    let mut at = |found: &Found, hours| run(&mut record, &channels, found, after(hours)).remove(0);
    assert_eq!(at(&bad, 0), [State::New]);
    assert_eq!(at(&bad, 1), []);
    // A timer is never exact.
    assert_eq!(at(&bad, 23), [State::Still]);
    assert_eq!(at(&bad, 24), []);
    assert_eq!(at(&holding(&[]), 25), [State::Resolved]);
    assert_eq!(at(&holding(&[]), 26), []);
    assert_eq!(at(&bad, 27), [State::New], "it came back");
    assert!(record.open.len() == 1 && record.channels["ops"].told.len() == 1);
}

#[test]
fn what_was_not_looked_at_is_not_gone() {
    let (mut record, channels) = (Record::begun(), [(channel("ops"), true)]);
    let bad = holding(&[condition(On::Finding, "web", "expired"), condition(On::Stuck, "web", "stuck")]);
    assert_eq!(run(&mut record, &channels, &bad, NOW)[0].len(), 2);
    assert_eq!(run(&mut record, &channels, &Found::default(), after(30)), [[]]);
    assert_eq!(record.open.len(), 2);
    let mut gone = Found::default();
    gone.scope.all = Some(["mail".to_owned()].into());
    assert_eq!(run(&mut record, &channels, &gone, after(31))[0], [State::Resolved, State::Resolved]);
    assert!(record.open.is_empty(), "{record:?}");
}

#[test]
fn another_leaf_or_code_or_target_is_another_thing() {
    let one = condition(On::Finding, "web", "expired");
    let other = Condition { leaf: Some(crate::digest::Digest::of(b"x")), ..one.clone() };
    let keys = [
        one.key(),
        other.key(),
        condition(On::Finding, "mail", "expired").key(),
        condition(On::Finding, "web", "weak-key").key(),
        condition(On::Failure, "web", "expired").key(),
    ];
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    let worded = Condition { text: "in other words".to_owned(), ..one.clone() };
    assert_eq!(worded.key(), one.key());
}

#[test]
fn each_channel_is_told_what_it_wants() {
    let wants_of = |change: &dyn Fn(&mut Channel), what: &Condition| {
        let mut one = channel("ops");
        change(&mut one);
        wants(&one, what)
    };
    let finding = condition(On::Finding, "web-1", "expired");
    assert!(wants_of(&|_| (), &finding));
    assert!(!wants_of(&|one| one.on = [On::Stuck].into(), &finding));
    assert!(!wants_of(&|one| one.targets = vec!["mail*".to_owned()], &finding));
    assert!(wants_of(&|one| one.targets = vec!["web*".to_owned()], &finding));
    let mild = Condition { severity: Severity::Note, ..finding.clone() };
    assert!(!wants_of(&|_| (), &mild));
    assert!(wants_of(&|one| one.severity = Severity::Note, &mild));
    let done = Condition { on: On::Success, ..mild };
    assert!(wants_of(&|one| one.severity = Severity::Critical, &done), "what went well has no severity");
    // What is about the machine or another channel is about no target.
    let other = condition(On::Channel, "chat", "notify-failing");
    assert!(wants_of(&|one| one.targets = vec!["mail*".to_owned()], &other));
    assert!(!wants_of(&|_| (), &condition(On::Channel, "ops", "notify-failing")), "nobody is told of itself");
}

#[test]
fn a_request_may_wait_for_a_while() {
    let (mut record, channels) = (Record::begun(), [(channel("ops"), true)]);
    let waits = holding(&[condition(On::Waiting, "web", "waiting")]);
    assert_eq!(run(&mut record, &channels, &waits, after(71)), [[]]);
    assert_eq!(run(&mut record, &channels, &waits, after(72)), [[State::New]]);
    assert_eq!(run(&mut record, &channels, &holding(&[]), after(73)), [[State::Resolved]]);
}

#[test]
fn a_channel_that_fails_is_told_all_of_it_later_and_the_others_are_told_of_it() {
    let mut record = Record::begun();
    let bad = holding(&[condition(On::Finding, "web", "expired")]);
    let both = |delivers| [(channel("ops"), true), (channel("chat"), delivers)];
    let all = run(&mut record, &both(false), &bad, NOW);
    assert_eq!(all, [[State::New], [State::New]]);
    assert_eq!(record.failing().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["chat"]);
    let items = of_channels(&record, &channel("ops"), NOW);
    assert_eq!((items.len(), items[0].what.code.as_str(), items[0].state), (1, "notify-failing", State::New));
    assert!(of_channels(&record, &channel("chat"), NOW).is_empty());
    told(&mut record, "ops", &items, Ok(()), NOW);

    // Since when it fails stays as it was.
    run(&mut record, &both(false), &bad, after(1));
    assert_eq!(record.channels["chat"].failing.as_ref().unwrap().since, NOW);
    assert!(of_channels(&record, &channel("ops"), after(1)).is_empty(), "told once");

    // Gone meanwhile for the one, it is told of nothing but its own silence.
    let all = run(&mut record, &both(true), &holding(&[]), after(2));
    assert_eq!(all, [[State::Resolved], [State::Resolved]]);
    let items = of_channels(&record, &channel("ops"), after(2));
    assert_eq!((items.len(), items[0].state), (1, State::Resolved));
    told(&mut record, "ops", &items, Ok(()), after(2));
    settle(&mut record, &["ops", "chat"].into(), after(2));
    assert!(record.open.is_empty() && record.failing().next().is_none(), "{record:?}");
}

#[test]
fn what_is_over_before_it_was_told_is_not_told() {
    let (mut record, channels) = (Record::begun(), [(channel("ops"), false)]);
    run(&mut record, &channels, &holding(&[condition(On::Finding, "web", "expired")]), NOW);
    let all = run(&mut record, &channels, &holding(&[]), after(1));
    // That it did not deliver, which makes it try until it does.
    assert_eq!(all, [[State::Resolved]]);
    assert_eq!(record.open.len(), 1, "{record:?}");
}

#[test]
fn what_nobody_looks_for_any_more_is_forgotten() {
    let (mut record, channels) = (Record::begun(), [(channel("ops"), true)]);
    run(&mut record, &channels, &holding(&[condition(On::Finding, "a:443", "expired")]), NOW);
    let other = Found::default();
    run(&mut record, &channels, &other, after(89 * 24));
    assert_eq!(record.open.len(), 1);
    run(&mut record, &channels, &other, after(91 * 24));
    assert!(record.open.is_empty() && record.channels["ops"].told.is_empty());
    // A channel that is no longer configured is forgotten at once.
    run(&mut record, &[(channel("other"), true)], &other, after(91 * 24));
    assert!(!record.channels.contains_key("ops"));
}

#[test]
fn a_clock_that_was_wrong_silences_nothing() {
    let (mut record, channels) = (Record::begun(), [(channel("ops"), true)]);
    let bad = holding(&[condition(On::Finding, "web", "expired")]);
    run(&mut record, &channels, &bad, after(24 * 365));
    assert_eq!(run(&mut record, &channels, &bad, NOW), [[State::Still]]);
    assert!(!again(None, 1_000_000_000) && again(Some(Duration::from_hours(24)), -1));
}
