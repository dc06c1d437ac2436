//! Broken at every call that changes the disk: store and record agree after `recover`, and so does what clients read.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use reseal::engine::When;
use reseal::event::Silence;
use reseal::flow::retire::{self, Retire, What};
use reseal::flow::trust::{Install, Remove, Source, install, list, remove};
use reseal::flow::{Options, Report, Session, recover, restore};
use reseal::host::Host;
use reseal::host::watch::{Act, Watch};
use reseal::outcome::Outcome;
use reseal::trust::Store;

use crate::ground::{Ca, Ground, has, tool};

#[path = "../support/mod.rs"]
mod support;
use support::Faults;

/// A store, what is done to it, and what must be so afterwards.
struct Scene {
    name: &'static str,
    store: fn(&Ground) -> Store,
    prepare: fn(&Ground, &Ca),
    act: fn(&mut Session<'_>, &Ground, &Store),
}

const SCENES: &[Scene] = &[
    Scene { name: "install", store: |_| Store::System, prepare: |_, _| {}, act: add },
    Scene { name: "remove", store: |_| Store::System, prepare: added, act: take },
    Scene { name: "retire", store: |_| Store::System, prepare: added, act: retire },
    Scene { name: "restore", store: |_| Store::System, prepare: taken, act: back },
    Scene { name: "install, Java", store: java, prepare: |_, _| {}, act: add },
    Scene { name: "remove, NSS", store: nss, prepare: added_to_nss, act: take },
];

fn java(ground: &Ground) -> Store {
    Store::Java(ground.path("store.jks"))
}

fn nss(ground: &Ground) -> Store {
    Store::Nss(ground.path("db"))
}

fn added(ground: &Ground, _: &Ca) {
    ground.run(&["trust", "install", "ca.pem"]).ends(0);
}

fn added_to_nss(ground: &Ground, _: &Ca) {
    let store = nss(ground).to_string();
    ground.run(&["trust", "install", "ca.pem", "--store", &store]).ends(0);
}

fn taken(ground: &Ground, ca: &Ca) {
    added(ground, ca);
    ground.run(&["trust", "remove", "broken"]).ends(0);
}

fn add(session: &mut Session<'_>, ground: &Ground, store: &Store) {
    let wanted = Install { source: Source::File(ground.path("ca.pem")), name: None, stores: vec![store.clone()] };
    let _ = install(session, &wanted);
}

fn take(session: &mut Session<'_>, _: &Ground, store: &Store) {
    let _ = remove(session, &Remove { which: "broken".to_owned(), stores: vec![store.clone()] });
}

fn retire(session: &mut Session<'_>, _: &Ground, store: &Store) {
    let what = What::Anchor("broken".to_owned());
    let _ = retire::run(session, &Retire { what, stores: vec![store.clone()], seen: Vec::new() });
}

fn back(session: &mut Session<'_>, _: &Ground, _: &Store) {
    let _ = restore::run(session, "trust:os", Some(2));
}

/// A ground on a file system where syncing costs nothing.
fn ground(scene: &Scene) -> Option<(Ground, Ca)> {
    let ground = Ground::updated_by("", support::memory_dir())?;
    let ca = Ca::new("Broken");
    ground.write("ca.pem", &ca.pem);
    let jks = reseal::cert::codec::jks::write(&[], &"changeit".to_owned().into(), time::OffsetDateTime::now_utc());
    fs::write(ground.path("store.jks"), jks.unwrap().expose()).unwrap();
    if scene.name.contains("NSS") {
        if !has("certutil") {
            return None;
        }
        fs::create_dir(ground.path("db")).unwrap();
        tool("certutil", &["-N", "-d", &format!("sql:{}", ground.path("db").display()), "--empty-password"]);
    }
    (scene.prepare)(&ground, &ca);
    Some((ground, ca))
}

fn with<T>(ground: &Ground, watch: Watch, act: impl FnOnce(&mut Session<'_>) -> T) -> T {
    let host = Host::new(ground.path("state")).with_watch(watch);
    let config = ground.config();
    let options = Options { wait: std::time::Duration::from_secs(5), ..Options::default() };
    let mut silence = Silence;
    act(&mut Session::new(&host, &config, ground.path("live"), options, &mut silence))
}

fn recovered(ground: &Ground, watch: Watch) -> Vec<Report> {
    with(ground, watch, |session| recover::run(session, None, When::Running))
}

/// Whether the certificate is there, which record, store and clients must agree on.
fn there(ground: &Ground, store: &Store, ca: &Ca, at: &str) -> bool {
    let list =
        with(ground, Watch::default(), |session| list(session, &[])).unwrap_or_else(|error| panic!("{at}: {error:?}"));
    let listed = !list.anchors.is_empty();
    assert!(list.unread.is_empty() && list.anchors.iter().all(|one| one.state == "in-place"), "{at}: {list:?}");
    match store {
        Store::System => {
            assert_eq!(ground.trusts(ca), listed, "{at}: clients");
            assert_eq!(ground.names("local").len(), usize::from(listed), "{at}: {:?}", ground.names("local"));
        }
        Store::Java(path) => {
            let held =
                reseal::cert::codec::read(&fs::read(path).unwrap(), Some(&"changeit".to_owned().into())).unwrap();
            assert_eq!((held.entries.len(), held.bad.len()), (usize::from(listed), 0), "{at}");
        }
        Store::Nss(dir) => {
            let text = tool("certutil", &["-L", "-d", &format!("sql:{}", dir.display())]);
            assert_eq!(text.contains("reseal-broken"), listed, "{at}: {text}");
        }
    }
    let mut left: Vec<PathBuf> = ground.tree().into_iter().map(|(path, ..)| path).collect();
    left.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".reseal-")));
    assert_eq!(left, Vec::<PathBuf>::new(), "{at}: left over");
    listed
}

#[test]
fn killed_at_every_call_store_and_record_agree() {
    for scene in SCENES {
        let Some((first, _)) = ground(scene) else { continue };
        let store = (scene.store)(&first);
        let (faults, watch) = Faults::never();
        with(&first, watch, |session| (scene.act)(session, &first, &store));
        let calls = faults.seen();
        assert!(calls > 15, "{}: only {calls} calls", scene.name);
        let mut ends = [0, 0];
        for at in 1..=calls + 1 {
            let Some((ground, ca)) = ground(scene) else { return };
            let store = (scene.store)(&ground);
            let (_, watch) = Faults::dead_from(at);
            with(&ground, watch, |session| (scene.act)(session, &ground, &store));
            let place = format!("{} killed at {at} of {calls}", scene.name);
            // The recovery is killed as well, in its midst.
            let (_, watch) = Faults::dead_from(1 + at % 7);
            let _ = recovered(&ground, watch);
            let reports = recovered(&ground, Watch::default());
            assert!(reports.iter().all(|report| report.outcome.exit().code() == 0), "{place}: {reports:?}");
            ends[usize::from(there(&ground, &store, &ca, &place))] += 1;
            // The next run clears what recovery does not know of.
            with(&ground, Watch::default(), |session| (scene.act)(session, &ground, &store));
            assert!(!ground.path("state/nss-copy").exists(), "{place}");
        }
        assert!(ends[0] > 0 && ends[1] > 0, "{}: {ends:?}: the kill did not reach both sides", scene.name);
    }
}

/// A store can be put back whatever it was, and clients that read it already are no reason to keep what was not committed.
#[test]
fn what_clients_trust_before_it_is_committed_is_undone() {
    let scene = &SCENES[0];
    let Some((ground, ca)) = ground(scene) else { return };
    let store = (scene.store)(&ground);
    let ran = AtomicBool::new(false);
    let (_, watch) = Faults::when(
        move |_, crossing| {
            let dead = ran.load(Ordering::Relaxed);
            ran.fetch_or(crossing.act == Act::Run, Ordering::Relaxed);
            dead
        },
        rustix::io::Errno::IO,
    );
    with(&ground, watch, |session| (scene.act)(session, &ground, &store));
    assert!(ground.trusts(&ca), "the system has taken it up");
    assert_eq!(recovered(&ground, Watch::default()).len(), 1);
    assert!(!there(&ground, &store, &ca, scene.name));
}

#[test]
fn every_call_that_fails_once_is_told_and_leaves_no_half() {
    for scene in &SCENES[..1] {
        let Some((first, _)) = ground(scene) else { return };
        let store = (scene.store)(&first);
        let (faults, watch) = Faults::never();
        with(&first, watch, |session| (scene.act)(session, &first, &store));
        for at in 1..=faults.seen() {
            let Some((ground, ca)) = ground(scene) else { return };
            let (_, watch) = Faults::once(at, rustix::io::Errno::NOSPC);
            let wanted = Install { source: Source::File(ground.path("ca.pem")), name: None, stores: Vec::new() };
            let report = with(&ground, watch, |session| install(session, &wanted)).unwrap().swap_remove(0);
            let place = format!("{} with ENOSPC at {at}", scene.name);
            assert_ne!(report.outcome.exit().code(), 0, "{place} was swallowed: {report:?}");
            let reports = recovered(&ground, Watch::default());
            assert!(reports.iter().all(|report| report.outcome.exit().code() == 0), "{place}: {reports:?}");
            there(&ground, &store, &ca, &place);
        }
    }
}

/// A CA whose second root issues, and a store that trusts both.
fn switched() -> Option<Ground> {
    let ground = Ground::updated_by("", support::memory_dir())?;
    let secret = ground.secret("pp", "correct horse battery");
    for line in [
        "ca init office --permit lan --intermediate",
        "ca rekey office",
        "ca export office",
        "trust install --ca office",
        "ca rekey office --switch",
    ] {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.extend(["--passphrase-file", &secret]);
        ground.run(&words).ends(0);
    }
    Some(ground)
}

/// The keys go first and the trust in the store last, and whatever comes between, the same command goes on.
#[test]
fn broken_off_anywhere_the_end_of_a_change_of_root_goes_on() {
    let Some(ground) = switched() else { return };
    let kept = support::memory_dir();
    let (root, copy) = (ground.path("."), kept.path().join("copy"));
    let copied = |from: &std::path::Path, to: &std::path::Path| {
        if to.exists() {
            for entry in fs::read_dir(to).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
                    .unwrap();
            }
        } else {
            fs::create_dir(to).unwrap();
        }
        tool("cp", &["-a", &from.join(".").display().to_string(), &to.display().to_string()]);
    };
    copied(&root, &copy);
    let wanted = Retire { what: What::Authority("office".to_owned()), stores: Vec::new(), seen: Vec::new() };
    let run = |watch| with(&ground, watch, |session| retire::run(session, &wanted));
    let keys =
        || ["root.key", "issuer.key"].iter().filter(|key| ground.path("state/ca/office").join(key).exists()).count();
    let trusted = || ground.names("local").contains(&"reseal-office.crt".to_owned());
    let (faults, watch) = Faults::never();
    assert!(run(watch).unwrap().iter().all(|report| report.outcome.exit().code() == 0));
    let calls = faults.seen();
    assert!(calls > 20, "only {calls} calls");
    let mut ends = std::collections::BTreeMap::new();
    for fault in [None, Some(rustix::io::Errno::NOSPC)] {
        for at in 1..=calls {
            copied(&copy, &root);
            let place = format!("{fault:?} at {at} of {calls}");
            let watch = fault.map_or_else(|| Faults::dead_from(at), |error| Faults::once(at, error)).1;
            let told = run(watch);
            if fault.is_some() {
                let good = told.is_ok_and(|reports| reports.iter().all(|report| report.outcome.exit().code() == 0));
                // What is swept after the end is no part of it.
                assert!(!good || (keys() == 0 && !trusted()), "{place} was swallowed");
            }
            let reports = recovered(&ground, Watch::default());
            assert!(reports.iter().all(|report| report.outcome.exit().code() == 0), "{place}: {reports:?}");
            let (left, there) = (keys(), trusted());
            assert!(there || left == 0, "{place}: the trust goes last");
            *ends.entry((left, there)).or_insert(0) += 1;
            let reports = run(Watch::default()).unwrap();
            assert!(reports.iter().all(|report| report.outcome.exit().code() == 0), "{place}: {reports:?}");
            if (left, there) == (0, true) {
                let told = |report: &Report| matches!(&report.outcome, Outcome::Nothing { why } if why.contains("put away already"));
                assert!(reports.first().is_some_and(told) && reports.len() == 2, "{place}: {reports:?}");
            }
            assert_eq!((keys(), trusted()), (0, false), "{place}: {reports:?}");
            assert_eq!(ground.names("local"), ["reseal-office-2.crt"], "{place}");
            assert_eq!(
                ground.bundle().matches("BEGIN").count(),
                2,
                "{place}: the distribution's, and the present root"
            );
            let tree = ground.tree();
            let reports = run(Watch::default()).unwrap();
            assert!(matches!(&reports[..], [Report { outcome: Outcome::Nothing { .. }, .. }]), "{place}: {reports:?}");
            assert_eq!(ground.tree(), tree, "{place}: with nothing left nothing is written");
        }
    }
    for state in [(2, true), (1, true), (0, true), (0, false)] {
        assert!(ends.contains_key(&state), "{ends:?}: {state:?} was not reached");
    }
}
