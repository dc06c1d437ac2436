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
        refuted: false,
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

/// Without a route for IPv6, every address of that family is out of reach; where the other family answers, that is no fault of the server.
#[test]
fn a_family_of_addresses_without_a_route_is_no_fault_of_the_server() {
    let unrouted = |address: &str| {
        let address: SocketAddr = address.parse().unwrap();
        let source = std::io::ErrorKind::NetworkUnreachable.into();
        Answer { address: Some(address), outcome: Err(ProbeError::Connect { address, source }) }
    };
    let unseen = |answers| all(answers, None).into_iter().map(|look| look.unseen).collect::<Vec<_>>();
    assert_eq!(unseen(vec![unrouted("[2001:db8::1]:25"), served(1, b"a")]), [None]);
    assert_eq!(unseen(vec![refused(1), unrouted("[2001:db8::1]:25")]), [Some(Unseen::Refused)]);
    // Of its own family another one answers: there is a route, and it does not lead to this one.
    assert_eq!(unseen(vec![unrouted("192.0.2.9:25"), served(1, b"a")]), [Some(Unseen::Unreachable), None]);
    let nothing = vec![unrouted("[2001:db8::1]:25"), unrouted("192.0.2.9:25")];
    assert_eq!(unseen(nothing), [Some(Unseen::Unreachable); 2]);
}

#[test]
fn another_certificate_by_default_is_one_that_those_who_ask_do_not_get() {
    let (Ok(same), Ok(other)) = (served(1, b"a").outcome, served(1, b"b").outcome) else { panic!() };
    let by_default = |unnamed: &Served| all(vec![served(1, b"a")], Some(unnamed))[0].wire.without_name;
    assert_eq!(by_default(&same), None);
    assert_eq!(by_default(&other), Some(Digest::of(b"b")));
    // What one address shows to those who name nobody is no default of another.
    let looks = all(vec![served(1, b"a"), served(2, b"b")], Some(&other));
    let defaults: Vec<Option<Digest>> = looks.iter().map(|look| look.wire.without_name).collect();
    assert_eq!(defaults, [Some(Digest::of(b"b")), None]);
    let Ok(elsewhere) = served(2, b"b").outcome else { panic!() };
    assert_eq!(by_default(&elsewhere), None);
}

#[test]
fn a_command_has_one_look_and_no_reason_of_the_network() {
    let shown = Shown::Failing { why: "exited with 1".to_owned() };
    let probe = Probe::Command(crate::change::Command::new(["/bin/false"]));
    let looks = looks(&probe, &Sight { shown: shown.clone(), answers: Vec::new() }, None);
    assert_eq!((looks.len(), &looks[0].shown, looks[0].unseen), (1, &shown, None));
}

/// One listener has one name in what is told of it.
#[test]
fn what_is_sent_is_told_of_the_place_that_was_looked_at() {
    let places = |answers| {
        let asked = super::asked(&probe(), Sight { shown: Shown::Well, answers }, None, true);
        let of_chains: Vec<String> = asked.chains.into_iter().map(|(at, _)| at).collect();
        (asked.looks.into_iter().map(|look| look.at).collect::<Vec<_>>(), of_chains)
    };
    let whole = "smtp://mail.lan:25 (mail.lan)".to_owned();
    assert_eq!(places(vec![served(1, b"a")]), (vec![whole.clone()], vec![whole.clone()]));
    let mut longer = served(2, b"a");
    longer.outcome.as_mut().unwrap().chain.push(b"issuer".to_vec());
    let (looks, chains) = places(vec![served(1, b"a"), longer]);
    assert_eq!(looks, [whole]);
    assert_eq!(chains, ["smtp://192.0.2.1:25 (mail.lan)", "smtp://192.0.2.2:25 (mail.lan)"], "the chains differ");
}

/// Of several addresses one is enough for an alert.
#[test]
fn a_key_that_is_not_the_certificates_is_kept_with_what_was_seen() {
    for refuted in [false, true] {
        let mut other = served(2, b"a");
        other.outcome.as_mut().unwrap().refuted = refuted;
        let looks = all(vec![served(1, b"a"), other], None);
        let asked = Asked { probe: probe(), shown: Shown::Well, looks, chains: Vec::new(), unnamed: None };
        assert_eq!(Seen::from(asked).key_refuted, refuted);
    }
}
