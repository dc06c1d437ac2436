use std::net::SocketAddr;

use rustls::PeerIncompatible;

use super::super::failure::Stage;
use super::super::{Spoken, Version};
use super::*;

fn at() -> SocketAddr {
    "192.0.2.1:443".parse().unwrap()
}

fn alert(name: &str) -> ProbeError {
    ProbeError::Alert { address: at(), alert: name.to_owned(), midway: false }
}

fn midway(name: &str) -> ProbeError {
    ProbeError::Alert { address: at(), alert: name.to_owned(), midway: true }
}

fn reset() -> ProbeError {
    ProbeError::Reset { address: at() }
}

fn timeout() -> ProbeError {
    ProbeError::Timeout { stage: Stage::Handshake, address: at().to_string() }
}

fn tls(source: Error) -> ProbeError {
    ProbeError::Tls { address: at(), source }
}

fn served() -> Served {
    Served {
        chain: vec![b"leaf".to_vec()],
        proved: true,
        refuted: false,
        version: Version::Tls13,
        suite: None,
        group: None,
        post_quantum: PostQuantum::NotNegotiated,
        client_certificate: None,
        raw: false,
        address: at(),
    }
}

const UNANSWERED: Ended = Ended { unanswered: true, waited: Duration::from_secs(1) };
const ANSWERED: Ended = Ended { unanswered: false, waited: Duration::from_millis(20) };

/// The hellos that follow each other, and the end.
fn run(
    family: Option<KeyFamily>,
    outcomes: Vec<(Result<Served, ProbeError>, Ended)>,
) -> (Vec<Manner>, Result<Served, ProbeError>) {
    let mut course = Course::new(family);
    let mut manners = vec![course.manner()];
    for (outcome, how) in outcomes {
        if matches!(outcome, Err(ProbeError::Timeout { .. }))
            && course.manner() == Long
            && course.confirming().is_none()
        {
            course.stall(how.waited, timeout());
            manners.push(course.manner());
            continue;
        }
        match course.after(outcome, how) {
            Next::Again => manners.push(course.manner()),
            Next::End(outcome) => return (manners, outcome),
        }
    }
    panic!("it goes on after {manners:?}");
}

use Manner::{Classic, PostQuantum as Long, Raw};
use Offer::{Tls10, Tls11, Tls12};

#[test]
fn a_swallowed_hello_is_repeated_without_its_length() {
    for (error, how) in [(timeout(), UNANSWERED), (reset(), UNANSWERED), (alert("decode_error"), ANSWERED)] {
        let again = (Err(again(&error)), how);
        let (manners, end) = run(None, vec![(Err(error), how), (Ok(served()), ANSWERED), again]);
        assert_eq!(manners, [Long, Classic, Long]);
        assert_eq!(end.unwrap().post_quantum, PostQuantum::Refused);
    }
    // A server that takes its time for the short one as well refuses nothing.
    let slow = Ended { unanswered: false, waited: Duration::from_millis(900) };
    let (_, end) = run(None, vec![(Err(timeout()), UNANSWERED), (Ok(served()), slow)]);
    assert_eq!(end.unwrap().post_quantum, PostQuantum::NotNegotiated);
}

/// The same failure once more.
fn again(error: &ProbeError) -> ProbeError {
    match error.code() {
        "timeout" => timeout(),
        "reset" => reset(),
        _ => alert("decode_error"),
    }
}

/// A connection that is lost once says nothing of the hello.
#[test]
fn the_long_hello_is_blamed_only_when_it_is_in_vain_twice() {
    for error in [timeout(), reset(), alert("internal_error")] {
        let how = if error.code() == "alert" { ANSWERED } else { UNANSWERED };
        let long = Served { post_quantum: PostQuantum::Negotiated, ..served() };
        let (manners, end) = run(None, vec![(Err(error), how), (Ok(served()), ANSWERED), (Ok(long), ANSWERED)]);
        assert_eq!(manners, [Long, Classic, Long]);
        assert_eq!(end.unwrap().post_quantum, PostQuantum::Negotiated);
    }
    // That nobody listens any more is no answer to a hello.
    let gone = ProbeError::Refused { address: at() };
    let all = vec![(Err(reset()), UNANSWERED), (Ok(served()), ANSWERED), (Err(gone), Ended::default())];
    assert_eq!(run(None, all).1.unwrap().post_quantum, PostQuantum::NotNegotiated);
}

#[test]
fn old_servers_are_read_at_last() {
    let raw = || Served { raw: true, proved: false, version: Version::Tls10, ..served() };
    let (manners, end) = run(None, vec![(Err(alert("protocol_version")), ANSWERED), (Ok(raw()), ANSWERED)]);
    assert_eq!((manners, end.unwrap().raw), (vec![Long, Raw(Tls12)], true));
    let incompatible = tls(Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig));
    let (manners, end) =
        run(None, vec![(Err(incompatible), ANSWERED), (Err(reset()), UNANSWERED), (Ok(raw()), ANSWERED)]);
    assert_eq!((manners, end.unwrap().raw), (vec![Long, Raw(Tls12), Raw(Tls11)], true));
    // Some hang up at whatever they do not know.
    let hang_ups = vec![(Err(reset()), UNANSWERED), (Err(reset()), UNANSWERED), (Ok(raw()), ANSWERED)];
    let (manners, end) = run(None, hang_ups);
    assert_eq!(manners, [Long, Classic, Raw(Tls12)]);
    assert_eq!(end.unwrap().post_quantum, PostQuantum::NotNegotiated, "the short hello was refused as well");
}

#[test]
fn whoever_wants_a_family_wants_a_proof() {
    let (manners, end) = run(Some(KeyFamily::Rsa), vec![(Err(alert("handshake_failure")), ANSWERED)]);
    assert_eq!(manners, [Long]);
    assert_eq!(end.unwrap_err().code(), "alert");
}

#[test]
fn the_failure_that_says_most_is_told() {
    let all = vec![Long, Raw(Tls12), Raw(Tls11), Raw(Tls10)];
    let four = |name: &str, old: &str| {
        vec![
            (Err(alert(name)), ANSWERED),
            (Err(alert(old)), ANSWERED),
            (Err(alert(old)), ANSWERED),
            (Err(alert(old)), ANSWERED),
        ]
    };
    let (manners, end) = run(None, four("handshake_failure", "handshake_failure"));
    assert_eq!(manners, all);
    assert!(end.unwrap_err().to_string().ends_with("handshake_failure"));
    let (_, end) = run(None, four("handshake_failure", "protocol_version"));
    assert_eq!(end.unwrap_err().code(), "tls13-unsupported");
    let (_, end) = run(None, four("protocol_version", "protocol_version"));
    assert_eq!(end.unwrap_err().code(), "alert");
    // It has no certificate for us, whatever version it speaks.
    let (_, end) = run(None, four("certificate_required", "protocol_version"));
    assert!(end.unwrap_err().to_string().ends_with("certificate_required"));
    let mut five = vec![(Err(alert("internal_error")), ANSWERED)];
    five.extend(four("internal_error", "protocol_version"));
    let (_, end) = run(None, five);
    assert!(end.unwrap_err().to_string().ends_with("internal_error"));

    let too_old = || ProbeError::TooOld { address: at(), version: "SSL 3.0" };
    let (_, end) = run(None, vec![(Err(alert("handshake_failure")), ANSWERED), (Err(too_old()), ANSWERED)]);
    assert_eq!(end.unwrap_err().code(), "protocol-too-old");
    let gone = ProbeError::Refused { address: at() };
    let (_, end) = run(None, vec![(Err(reset()), UNANSWERED), (Err(gone), Ended::default())]);
    assert_eq!(end.unwrap_err().code(), "reset");
}

/// A server that takes the hello and cannot go on would show its certificate to the reader of old handshakes, and be called good.
#[test]
fn who_fails_after_its_hello_is_asked_no_further() {
    for name in ["handshake_failure", "internal_error"] {
        let (manners, end) = run(None, vec![(Err(midway(name)), ANSWERED)]);
        assert_eq!((manners, end.unwrap_err().to_string()), (vec![Long], midway(name).to_string()));
        // Of the two alerts the one that came later in the handshake says more.
        let both = vec![(Err(alert("protocol_version")), ANSWERED), (Err(midway(name)), ANSWERED)];
        let (manners, end) = run(None, both);
        assert_eq!((manners, end.unwrap_err().to_string()), (vec![Long, Raw(Tls12)], midway(name).to_string()));
        // The long hello was taken.
        let long = vec![(Err(reset()), UNANSWERED), (Ok(served()), ANSWERED), (Err(midway(name)), ANSWERED)];
        assert_eq!(run(None, long).1.unwrap().post_quantum, PostQuantum::NotNegotiated);
    }
}

#[test]
fn what_is_certain_is_not_tried_again() {
    let certain = [
        alert("unrecognized_name"),
        reset(),
        ProbeError::NotTls { address: at(), seen: Spoken::Http },
        ProbeError::Oversized { address: at(), what: "more than 1 MiB" },
    ];
    for error in certain {
        let code = error.code();
        let (manners, end) = run(None, vec![(Err(error), ANSWERED)]);
        assert_eq!((manners, end.unwrap_err().code()), (vec![Long], code));
    }
}
