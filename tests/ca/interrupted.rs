//! Steps that are broken off at every call that changes the disk, once as an error and once as a kill.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reseal::cert::{Generate, PrivateKey};
use reseal::host::Host;
use reseal::host::state::State;
use reseal::host::watch::Watch;
use reseal::sensitive::Sensitive;
use reseal::source::local_ca::{Authority, CaError, Founding, LeafOrder, Reason};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2027-03-01 12:00 UTC);

fn passphrase() -> Sensitive {
    Sensitive::from("correct horse".to_owned())
}

fn whole(place: &Path) -> State {
    State::open_or_make(&Host::new(place)).unwrap()
}

fn find(place: &Path) -> Authority {
    Authority::find(&whole(place), "office").unwrap()
}

/// A CA on a disk whose changing calls fail from the `at`-th on, or that one alone; and how many there were.
fn breaking(place: &Path, at: usize, sticky: bool) -> (State, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let watch = Watch::with(move |_| {
        let now = seen.fetch_add(1, Ordering::SeqCst);
        let fails = now == at || (sticky && now > at);
        if fails { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    });
    (State::open_or_make(&Host::new(place).with_watch(watch)).unwrap(), count)
}

/// Breaks `step` at every call. What `before` has made must afterwards be good still: `look` is called after each break, and the step
/// itself must succeed when it is repeated, unless it says that it was done.
fn broken(
    least: usize,
    before: &dyn Fn(&Path),
    step: &dyn Fn(&State) -> Result<(), CaError>,
    look: &dyn Fn(&Path, bool),
    done: &dyn Fn(&CaError) -> bool,
) {
    for sticky in [false, true] {
        let mut reached = 0;
        for at in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let place = dir.path().join("state");
            before(&place);
            let (state, count) = breaking(&place, at, sticky);
            let ended = step(&state).is_ok();
            if count.load(Ordering::SeqCst) <= at {
                assert!(ended);
                break;
            }
            assert!(!ended, "an error was passed over at {at}");
            reached += 1;
            look(&place, false);
            match step(&whole(&place)) {
                Ok(()) => {}
                Err(error) => assert!(done(&error), "{at}: {error}"),
            }
            look(&place, true);
        }
        assert!(reached >= least, "only {reached} calls were reached");
    }
}

fn found(place: &Path, intermediate: bool) {
    let permitted = vec!["example.org".parse().unwrap()];
    let founding = Founding { intermediate, ..Founding::new("office", permitted) };
    let _ = founding.found(&passphrase(), NOW).unwrap().keep(&whole(place)).unwrap();
}

fn issues(place: &Path) {
    let order = LeafOrder {
        names: vec!["www.example.org".parse().unwrap()],
        key: PrivateKey::generate(Generate::P256).unwrap(),
        days: 9,
        target: None,
    };
    find(place).unlock(&passphrase()).unwrap().issue(order, NOW).unwrap();
}

fn office(state: &State) -> Result<Authority, CaError> {
    Authority::find(state, "office")
}

#[test]
fn a_next_root_is_whole_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    found(&dir.path().join("like"), true);
    let like = find(&dir.path().join("like"));
    let next = like.successor(None, 10).unwrap().found(&passphrase(), NOW).unwrap();
    broken(
        15,
        &|place| found(place, true),
        &|state| office(state)?.keep_next(&next),
        &|place, repeated| {
            let authority = find(place);
            assert_eq!(authority.active().number(), 1);
            assert!(!repeated || authority.next().is_some());
            issues(place);
            let left = place.join("ca/office").read_dir().unwrap();
            let names: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            assert!(!repeated || names.iter().all(|name| !name.starts_with('.')), "{names:?}");
        },
        &|error| error.to_string().contains("cannot change the root"),
    );
}

#[test]
fn one_root_issues_at_every_moment_of_a_change() {
    let dir = tempfile::tempdir().unwrap();
    found(&dir.path().join("like"), false);
    let next = find(&dir.path().join("like")).successor(None, 10).unwrap().found(&passphrase(), NOW).unwrap();
    let prepared = |place: &Path| {
        found(place, false);
        find(place).keep_next(&next).unwrap();
        let authority = find(place);
        authority.exported(&[authority.next().unwrap().hierarchy().top()], NOW).unwrap();
    };
    let done = |error: &CaError| matches!(error, CaError::NotYet { .. });
    broken(
        5,
        &prepared,
        &|state| office(state)?.switch(),
        &|place, repeated| {
            let authority = find(place);
            assert!(!repeated || authority.active().number() == 2);
            assert_eq!(authority.standing().len(), 2, "both are trusted");
            issues(place);
        },
        &done,
    );
    broken(
        5,
        &|place| {
            prepared(place);
            find(place).switch().unwrap();
        },
        &|state| office(state)?.retire(),
        &|place, repeated| {
            assert_eq!(find(place).active().number(), 2);
            issues(place);
            let key = place.join("ca/office/root.key");
            assert!(!repeated || !key.exists(), "the key of the former root is gone in the end");
            assert!(place.join("ca/office/root.pem").exists());
        },
        &done,
    );
}

#[test]
fn a_revocation_is_written_down_or_not_done() {
    broken(
        2,
        &|place| {
            found(place, false);
            issues(place);
        },
        &|state| {
            let authority = office(state)?;
            let serial = authority.record()?.issued[0].serial.clone();
            authority.revoke(authority.revocation_of(&serial, Reason::Superseded, NOW)?)
        },
        &|place, repeated| {
            let authority = find(place);
            let record = authority.record().unwrap();
            assert_eq!(record.damaged, 0);
            assert!(!repeated || record.revoked.len() == 1, "{record:?}");
            let list = authority.next_list(None, 7, false, NOW).unwrap().make(&passphrase(), NOW).unwrap();
            assert_eq!(list.revoked().len(), record.revoked.len());
        },
        &|error| error.to_string().contains("cannot revoke"),
    );
}

#[test]
fn no_two_lists_have_one_number() {
    broken(
        2,
        &|place| found(place, false),
        &|state| office(state)?.next_list(None, 7, false, NOW)?.make(&passphrase(), NOW).map(drop),
        &|place, _| {
            let authority = find(place);
            let before = authority.record().unwrap().lists;
            authority.next_list(None, 7, false, NOW).unwrap().make(&passphrase(), NOW).unwrap();
            let after = find(place).record().unwrap().lists;
            assert_eq!(after.len(), before.len() + 1);
            let mut numbers: Vec<u64> = after.iter().map(|line| line.list).collect();
            numbers.dedup();
            assert!(numbers.len() == after.len() && numbers.is_sorted(), "{numbers:?}");
        },
        &|_| false,
    );
}
