use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::tests::{Pair, nobody, serve};
use super::super::{PostQuantum, Stage};
use super::*;
use crate::endpoint::{Sni, Start};

fn pair() -> Pair {
    Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256)
}

fn at(address: SocketAddr) -> Question {
    Question::new(Endpoint { host: address.ip().to_string(), port: address.port(), start: Start::Tls, sni: Sni::Host })
}

fn count(questions: impl Iterator<Item = Question> + Send, options: &Crowd) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    ask_all(questions, options, &mut |_, answer, _| {
        let word = answer.map_or_else(|error| error.code().to_owned(), |served| format!("proved {}", served.proved));
        *counts.entry(word).or_default() += 1;
    });
    counts
}

#[test]
fn every_question_has_one_answer_with_its_number() {
    let pair = pair();
    let good = pair.clone().serve(rustls::ALL_VERSIONS);
    let closed = nobody();
    let questions = (0..400).map(|number| if number % 4 == 0 { at(closed) } else { at(good) });
    for threads in [1, 2, 3] {
        let options = Crowd { in_flight: 50, threads, ..Crowd::default() };
        let mut answers = BTreeMap::new();
        ask_all(questions.clone(), &options, &mut |index, answer, _| {
            assert!(answers.insert(index, answer).is_none(), "{index} twice");
        });
        assert_eq!(answers.len(), 400);
        for (index, answer) in answers {
            match answer {
                Ok(served) => {
                    assert!(index % 4 != 0 && served.proved && served.chain == [pair.leaf()]);
                    assert_eq!(served.post_quantum, PostQuantum::Negotiated);
                }
                Err(error) => assert!(index % 4 == 0 && error.code() == "refused", "{index}: {error}"),
            }
        }
    }
    assert!(count(std::iter::empty(), &Crowd::default()).is_empty());
}

#[test]
fn hundreds_that_hang_cost_one_limit() {
    let good = pair().serve(rustls::ALL_VERSIONS);
    // The kernel accepts, and nobody ever reads.
    let idle: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let idle: Vec<SocketAddr> = idle.iter().map(|one| one.local_addr().unwrap()).collect();
    let questions = (0..400).map(|number| at(if number % 4 == 0 { idle[number / 4 % 4] } else { good }));
    let limit = Duration::from_secs(2);
    let began = Instant::now();
    let counts = count(questions, &Crowd { limit, ..Crowd::default() });
    assert!(began.elapsed() < limit + Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(counts["proved true"], 300);
    assert_eq!(counts.values().sum::<usize>(), 400);
}

fn named(number: usize) -> Question {
    let host = format!("name-{number}.example");
    Question::new(Endpoint { host, port: 443, start: Start::Tls, sni: Sni::Host })
}

/// A resolver that answers nobody is waited for twice, however many names there are; a number is asked all the same.
#[test]
fn a_dead_resolver_costs_two_limits_and_no_more() {
    static OVER: AtomicUsize = AtomicUsize::new(0);
    let hang = |endpoint: &Endpoint| {
        while OVER.load(Ordering::SeqCst) == 0 {
            thread::sleep(Duration::from_millis(20));
        }
        Err(super::super::quest::no_address(&endpoint.address()))
    };
    let good = at(pair().serve(rustls::ALL_VERSIONS));
    let questions = (0..2000).map(named).chain(std::iter::once(good));
    let limit = Duration::from_secs(1);
    let began = Instant::now();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    ask_with(&Lookups::by(hang), questions, &Crowd { limit, ..Crowd::default() }, &mut |_, answer, _| {
        let word = answer.map_or_else(|error| error.to_string().replace(char::is_numeric, ""), |_| "good".to_owned());
        *counts.entry(word).or_default() += 1;
    });
    OVER.store(1, Ordering::SeqCst);
    assert!(began.elapsed() < limit * 4, "{:?}", began.elapsed());
    let tried = counts["no answer in time while looking up name-.example:"];
    let others = "no answer in time while waiting for the resolver, which answers nobody, to be given name-.example:";
    assert_eq!((tried + counts[others], counts["good"]), (2000, 1), "{counts:?}");
    assert!((256..520).contains(&tried), "{counts:?}");
}

/// Names of a zone whose servers are gone hold up others no longer than one limit, and make none of them look dead.
#[test]
fn dead_names_are_not_a_dead_resolver() {
    static OVER: AtomicUsize = AtomicUsize::new(0);
    let some_hang = |endpoint: &Endpoint| {
        let number: usize = endpoint.host.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or_default();
        while number < 300 && OVER.load(Ordering::SeqCst) == 0 {
            thread::sleep(Duration::from_millis(20));
        }
        Err(super::super::quest::no_address(&endpoint.address()))
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let options = Crowd { limit: Duration::from_secs(1), ..Crowd::default() };
    ask_with(&Lookups::by(some_hang), (0..1000).map(named), &options, &mut |_, answer, _| {
        *counts.entry(answer.unwrap_err().code()).or_default() += 1;
    });
    OVER.store(1, Ordering::SeqCst);
    assert_eq!(counts, BTreeMap::from([("timeout", 300), ("no-address", 700)]));
}

#[test]
fn a_slow_listener_makes_no_server_look_slow() {
    let good = pair().serve(rustls::ALL_VERSIONS);
    let options = Crowd { in_flight: 8, limit: Duration::from_secs(1), ..Crowd::default() };
    let mut told = 0;
    ask_all((0..300).map(|_| at(good)), &options, &mut |_, answer, _| {
        told += 1;
        if told < 4 {
            std::thread::sleep(Duration::from_millis(700));
        }
        assert!(answer.unwrap().proved);
    });
    assert_eq!(told, 300);
}

#[test]
fn slow_questions_do_not_hold_up_the_answers() {
    let good = pair().serve(rustls::ALL_VERSIONS);
    let questions = (0..3).map(|number| {
        std::thread::sleep(Duration::from_millis(number * 400));
        at(good)
    });
    let began = Instant::now();
    let mut first = None;
    ask_all(questions, &Crowd { limit: Duration::from_millis(300), ..Crowd::default() }, &mut |_, answer, _| {
        assert!(answer.is_ok());
        first.get_or_insert(began.elapsed());
    });
    assert!(first.is_some_and(|first| first < Duration::from_millis(300)), "{first:?}");
    assert!(began.elapsed() >= Duration::from_millis(1200));
}

#[test]
fn a_rate_is_kept() {
    let good = pair().serve(rustls::ALL_VERSIONS);
    let began = Instant::now();
    let counts = count((0..20).map(|_| at(good)), &Crowd { rate: NonZeroU32::new(40), ..Crowd::default() });
    assert_eq!(counts["proved true"], 20);
    assert!(began.elapsed() >= Duration::from_millis(470), "{:?}", began.elapsed());
}

#[test]
fn no_more_than_agreed_are_under_way() {
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let busy = serve(|stream| {
        MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        NOW.fetch_sub(1, Ordering::SeqCst);
        let _ = std::io::Write::write_all(&mut &stream, b"HTTP/1.1 400 no\r\n\r\n");
        let _ = std::io::Read::read(&mut &stream, &mut [0; 4096]);
    });
    let counts = count((0..60).map(|_| at(busy)), &Crowd { in_flight: 6, threads: 2, ..Crowd::default() });
    assert_eq!(counts["plain-http"], 60);
    assert!((1..=6).contains(&MOST.load(Ordering::SeqCst)), "{MOST:?}");
}

#[test]
fn names_are_looked_up_and_each_of_their_addresses_asked() {
    let pair = pair();
    let good = pair.serve(rustls::ALL_VERSIONS);
    let name = |host: &str| Question::new(Endpoint::tls(host, good.port()).unwrap());
    let questions = || [name("localhost"), name("no-such-name.invalid"), name("127.0.0.1")].into_iter();
    let mut answers = BTreeMap::<u64, Vec<_>>::new();
    ask_all(questions(), &Crowd::default(), &mut |index, answer, _| answers.entry(index).or_default().push(answer));
    assert!(answers[&0][0].as_ref().unwrap().proved && answers[&2][0].as_ref().unwrap().proved);
    let error = answers[&1][0].as_ref().unwrap_err();
    assert_eq!(error.code(), "no-address", "{error}");

    let mut each = 0;
    let expected = super::super::resolve(&format!("localhost:{}", good.port()), Duration::from_secs(5)).unwrap().len();
    let options = Crowd { every_address: true, ..Crowd::default() };
    ask_all([name("localhost")].into_iter(), &options, &mut |index, _, last| {
        assert_eq!(index, 0);
        each += 1;
        assert_eq!(last, each == expected);
    });
    assert_eq!(each, expected);
}

#[test]
fn a_name_that_leads_where_it_must_not_is_answered_too() {
    let good = pair().serve(rustls::ALL_VERSIONS);
    let name = Question::new(Endpoint::tls("localhost", good.port()).unwrap());
    let options = Crowd { avoid: Some(|address| address.is_loopback()), ..Crowd::default() };
    let mut answers = Vec::new();
    ask_all([name, at(good)].into_iter(), &options, &mut |index, answer, last| answers.push((index, answer, last)));
    answers.sort_by_key(|(index, ..)| *index);
    assert!(matches!(answers[..], [(0, Err(ProbeError::Avoided { .. }), true), (1, Ok(_), true)]), "{answers:?}");
}

/// A server that is asked for thousands of names by one client at the same time does not come to answer any in time.
#[test]
fn one_address_is_not_flooded() {
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                NOW.fetch_sub(1, Ordering::SeqCst);
                drop(connection);
            });
        }
    });
    let good = pair().serve(rustls::ALL_VERSIONS);
    let questions = (0..600).map(|number| at(if number % 100 == 99 { good } else { busy }));
    let counts = count(questions, &Crowd { threads: 2, ..Crowd::default() });
    assert_eq!((counts["reset"], counts["proved true"]), (594, 6), "{counts:?}");
    assert!((50..=AT_ONE_ADDRESS).contains(&MOST.load(Ordering::SeqCst)), "{MOST:?}");
}

#[test]
fn a_given_address_needs_no_lookup() {
    let good = pair().serve(rustls::ALL_VERSIONS);
    let question = Question { address: Some(good), ..Question::new(Endpoint::tls("no-such-name.invalid", 1).unwrap()) };
    assert_eq!(count([question].into_iter(), &Crowd::default())["proved true"], 1);
}

#[test]
fn stopping_early_shows_the_chain_and_proves_nothing() {
    let good = pair().serve(rustls::ALL_VERSIONS);
    let counts = count((0..5).map(|_| at(good)), &Crowd { early: true, ..Crowd::default() });
    assert_eq!(counts["proved false"], 5);
}

#[test]
fn a_wrong_name_is_an_answer_too() {
    let question = |name: &str| Question::new(at(nobody()).endpoint.named(Sni::Name(name.to_owned())));
    assert_eq!(count(["a b", "*.x"].map(question).into_iter(), &Crowd::default())["bad-name"], 2);
}

#[test]
fn a_panic_of_who_listens_ends_everything() {
    let good = pair().serve(rustls::ALL_VERSIONS);
    let ended = std::panic::catch_unwind(|| {
        ask_all((0..5000).map(|_| at(good)), &Crowd { in_flight: 16, ..Crowd::default() }, &mut |_, _, _| {
            panic!("enough")
        });
    });
    assert!(ended.is_err());
}

#[test]
fn a_limit_of_nothing_is_a_timeout() {
    let good = pair().serve(rustls::ALL_VERSIONS);
    let mut answers = Vec::new();
    let options = Crowd { limit: Duration::ZERO, ..Crowd::default() };
    ask_all([at(good)].into_iter(), &options, &mut |_, answer, _| answers.push(answer));
    assert!(matches!(answers[..], [Err(ProbeError::Timeout { stage: Stage::Connect, .. })]), "{answers:?}");
}
