//! Requests that wait, broken at every call that changes the disk.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reseal::cert::{Generate, PrivateKey};
use reseal::host::Host;
use reseal::host::state::State;
use reseal::host::watch::Watch;
use reseal::source::request::{Order, Request, RequestError, Requests};
use time::macros::datetime;

const NOW: time::OffsetDateTime = datetime!(2030-06-01 12:00 UTC);

fn request() -> Request {
    let order = Order {
        names: vec!["www.example.org".parse().unwrap(), "192.0.2.7".parse().unwrap()],
        subject: vec!["O=Example GmbH".parse().unwrap()],
        key: PrivateKey::generate(Generate::P256).unwrap(),
        fresh: true,
        for_clients: false,
    };
    Request::make(order).unwrap_or_else(|error| panic!("{error}"))
}

fn waiting(place: &Path) -> Vec<u32> {
    let state = State::open_or_make(&Host::new(place)).unwrap();
    let Some(requests) = Requests::of(&state, "web").unwrap() else { return Vec::new() };
    let (all, damaged) = requests.waiting().unwrap_or_else(|error| panic!("{error}"));
    assert!(damaged.is_empty(), "{damaged:?}");
    for one in &all {
        // Whole: the key is the request's, and nobody else may read it.
        assert!(one.pem().unwrap().starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
        assert!(one.key().is_ok_and(|key| reseal::digest::Digest::of(key.spki()) == one.about.key));
    }
    all.into_iter().map(|one| one.number).collect()
}

fn private(place: &Path) {
    for entry in fs::read_dir(place).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode & 0o077, 0, "{entry:?} {mode:04o}");
        if entry.file_type().unwrap().is_dir() {
            private(&entry.path());
        }
    }
}

/// With a state in which the k-th crossing fails, and each after it where that is asked for.
fn broken(place: &Path, at: usize, sticky: bool) -> (State, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let watch = Watch::with(move |_| {
        let now = seen.fetch_add(1, Ordering::SeqCst);
        let fails = now == at || (sticky && now > at);
        if fails { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    });
    (State::open_or_make(&Host::new(place).with_watch(watch)).unwrap(), count)
}

#[test]
fn an_interrupted_request_is_whole_or_none() {
    for sticky in [false, true] {
        let mut reached = 0;
        for at in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let place = dir.path().join("state");
            let state = State::open_or_make(&Host::new(&place)).unwrap();
            request().keep(&state, "web", NOW).unwrap_or_else(|error| panic!("{error}"));
            let (state, count) = broken(&place, at, sticky);
            if request().keep(&state, "web", NOW).is_ok() {
                assert!(count.load(Ordering::SeqCst) <= at, "an error was passed over at {at}");
                assert_eq!(waiting(&place), [1, 2]);
                break;
            }
            reached += 1;
            private(&place);
            let left = waiting(&place);
            assert!(left == [1] || (sticky && left == [1, 2]), "broken at {at}: {left:?}");
            // The next attempt finds its way, and sweeps.
            let state = State::open_or_make(&Host::new(&place)).unwrap();
            request().keep(&state, "web", NOW).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(waiting(&place).len(), left.len() + 1);
            let hidden = place.join("requests/web").read_dir().unwrap();
            assert!(hidden.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with('.')), "{at}");
        }
        assert!(reached > 12, "only {reached} calls were reached");
    }
}

#[test]
fn an_interrupted_removal_leaves_no_half() {
    for sticky in [false, true] {
        for at in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let place = dir.path().join("state");
            let state = State::open_or_make(&Host::new(&place)).unwrap();
            for _ in 0..2 {
                request().keep(&state, "web", NOW).unwrap_or_else(|error| panic!("{error}"));
            }
            let (state, count) = broken(&place, at, sticky);
            let requests = Requests::of(&state, "web").unwrap().unwrap();
            let done = requests.forget(1).is_ok();
            let left = waiting(&place);
            if done {
                assert!(count.load(Ordering::SeqCst) <= at);
                assert_eq!(left, [2]);
                break;
            }
            assert!(left == [1, 2] || left == [2], "broken at {at}: {left:?}");
            let state = State::open_or_make(&Host::new(&place)).unwrap();
            let requests = Requests::of(&state, "web").unwrap().unwrap();
            match requests.forget(1) {
                Ok(()) => {}
                Err(RequestError::Missing { number: 1, .. }) => assert_eq!(left, [2]),
                Err(error) => panic!("{error}"),
            }
            assert_eq!(waiting(&place), [2]);
        }
    }
}

#[test]
fn what_was_damaged_is_named_and_can_be_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("state");
    let state = State::open_or_make(&Host::new(&place)).unwrap();
    for _ in 0..2 {
        request().keep(&state, "web", NOW).unwrap_or_else(|error| panic!("{error}"));
    }
    let requests = Requests::of(&state, "web").unwrap().unwrap();
    let at = |name: &str| place.join("requests/web/1").join(name);
    fs::copy(place.join("requests/web/2/key.pem"), at("key.pem")).unwrap();
    let error = requests.waiting().unwrap().0[0].key().err().unwrap();
    assert!(error.to_string().ends_with("1/key.pem: it is not the key of the request"), "{error}");
    fs::write(at("about"), "{").unwrap();
    let (whole, damaged) = requests.waiting().unwrap();
    assert_eq!(whole.iter().map(|one| one.number).collect::<Vec<_>>(), [2], "one that is damaged hides no other");
    let [error] = damaged.as_slice() else { panic!("{damaged:?}") };
    assert!(error.to_string().contains("1/about: EOF"), "{error}");
    assert!(error.hint().unwrap().contains("--forget N"));
    requests.forget(1).unwrap();
    assert_eq!(waiting(&place), [2]);
    assert!(matches!(requests.forget(1), Err(RequestError::Missing { number: 1, .. })));
}
