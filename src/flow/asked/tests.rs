use std::net::SocketAddr;

use super::*;
use crate::endpoint::Start;

fn probe() -> Probe {
    Probe::Tls {
        address: "mail.lan:25".to_owned(),
        start: Start::Smtp,
        name: Some("mail.lan".to_owned()),
        family: None,
    }
}

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 25))
}

fn served(last: u8, leaf: &[u8]) -> Answer {
    let outcome = Ok(Served {
        chain: vec![leaf.to_vec()],
        proved: true,
        version: Version::Tls13,
        suite: None,
        group: None,
        post_quantum: PostQuantum::NotNegotiated,
        client_certificate: None,
        raw: false,
        address: at(last),
    });
    Answer { address: Some(at(last)), outcome }
}

fn refused(last: u8) -> Answer {
    Answer { address: Some(at(last)), outcome: Err(ProbeError::Refused { address: at(last) }) }
}

fn all(answers: Vec<Answer>, unnamed: Option<&Served>) -> Vec<Look> {
    looks(&probe(), &Sight { shown: Shown::Well, answers }, unnamed)
}

#[test]
fn addresses_that_agree_are_told_as_one() {
    let looks = all(vec![served(1, b"a"), served(2, b"a")], None);
    let places: Vec<&str> = looks.iter().map(|look| look.at.as_str()).collect();
    assert_eq!(places, ["smtp://mail.lan:25 (mail.lan)"]);
    assert_eq!(looks[0].wire.version, Some(WireVersion::Tls13));
}

#[test]
fn each_address_that_differs_is_told_with_its_reason() {
    let looks = all(vec![served(1, b"a"), served(2, b"b"), refused(3)], None);
    let told: Vec<(&str, Option<Unseen>)> = looks.iter().map(|look| (look.at.as_str(), look.unseen)).collect();
    assert_eq!(
        told,
        [
            ("smtp://192.0.2.1:25 (mail.lan)", None),
            ("smtp://192.0.2.2:25 (mail.lan)", None),
            ("smtp://192.0.2.3:25 (mail.lan)", Some(Unseen::Refused)),
        ]
    );
    assert!(looks[0].shows(Digest::of(b"a")) && looks[1].shows(Digest::of(b"b")));
    assert!(matches!(looks[2].shown, Shown::Nobody { .. }));
}

/// A machine without IPv6 says nothing about a server that has it.
#[test]
fn what_this_machine_cannot_do_is_told_only_where_nothing_else_is_known() {
    let own = || {
        let source = std::io::ErrorKind::AddrNotAvailable.into();
        Answer { address: Some(at(9)), outcome: Err(ProbeError::Connect { address: at(9), source }) }
    };
    assert_eq!(all(vec![own(), served(1, b"a")], None).len(), 1);
    assert_eq!(all(vec![own()], None)[0].unseen, Some(Unseen::Unreachable));
}

#[test]
fn another_certificate_by_default_is_one_that_those_who_ask_do_not_get() {
    let (Ok(same), Ok(other)) = (served(1, b"a").outcome, served(1, b"b").outcome) else { panic!() };
    let by_default = |unnamed: &Served| all(vec![served(1, b"a")], Some(unnamed))[0].wire.without_name;
    assert_eq!(by_default(&same), None);
    assert_eq!(by_default(&other), Some(Digest::of(b"b")));
}

#[test]
fn a_command_has_one_look_and_no_reason_of_the_network() {
    let shown = Shown::Failing { why: "exited with 1".to_owned() };
    let probe = Probe::Command(crate::change::Command::new(["/bin/false"]));
    let looks = looks(&probe, &Sight { shown: shown.clone(), answers: Vec::new() }, None);
    assert_eq!((looks.len(), &looks[0].shown, looks[0].unseen), (1, &shown, None));
}
