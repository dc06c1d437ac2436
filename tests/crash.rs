//! The promise: broken at any call that changes the disk, by kill or by error, the server has wholly the old or wholly the new pair
//! after `recover`, every backup is intact, and no key was ever readable by others.

mod support;

use std::fs;
use std::sync::{Arc, Mutex};

use reseal::engine::When;
use reseal::flow::{Options, Report, activate, adopt, backups, post_upgrade, recover, renew, snapshot, stage};
use reseal::host::Host;
use reseal::host::watch::{Act, Crossing, Watch};
use reseal::outcome::{Exit, Outcome};
use support::{Faults, Pair, World, pair};

/// A situation, and the verb that is broken in it.
struct Scenario {
    name: &'static str,
    prepare: fn() -> (World, Pair, Pair),
    run: fn(&World, &Host) -> Report,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "first install", prepare: fresh, run: install },
    Scenario { name: "second install", prepare: installed, run: install },
    Scenario { name: "install, adopted", prepare: adopted, run: install },
    Scenario { name: "adopt", prepare: unadopted, run: |world, host| adopting(world, host, false) },
    Scenario { name: "give back", prepare: adopted_same, run: |world, host| adopting(world, host, true) },
    Scenario { name: "restore", prepare: restorable, run: |world, host| world.restore(host, Some(1), true) },
    Scenario { name: "install with a failing reload", prepare: failing, run: install },
    Scenario { name: "snapshot", prepare: by_hand, run: snapshotting },
    Scenario { name: "stage", prepare: to_stage, run: staging },
    Scenario { name: "stage again", prepare: staged, run: staging },
    Scenario { name: "activate, an install from what is staged", prepare: staged, run: activating },
];

/// The old pair in place, the new one in hand.
fn fresh() -> (World, Pair, Pair) {
    let world = World::new("");
    let new = pair(90);
    world.bring(&new);
    let (certificate, key) = world.served().unwrap();
    (world, Pair { certificate, key }, new)
}

fn installed() -> (World, Pair, Pair) {
    let (world, _, first) = fresh();
    good(&world.install(&world.host(), &[world.path("new.pem"), world.path("new.key")]));
    let second = pair(80);
    world.bring(&second);
    (world, first, second)
}

fn unadopted() -> (World, Pair, Pair) {
    let (world, _, first) = fresh();
    good(&world.install(&world.host(), &[world.path("new.pem"), world.path("new.key")]));
    let same = Pair { certificate: first.certificate.clone(), key: first.key.clone() };
    (world, first, same)
}

fn adopted_same() -> (World, Pair, Pair) {
    let (world, first, same) = unadopted();
    good(&adopting(&world, &world.host(), false));
    (world, first, same)
}

fn adopted() -> (World, Pair, Pair) {
    let (world, old, _) = adopted_same();
    let new = pair(70);
    world.bring(&new);
    (world, old, new)
}

/// The state before is the installed pair, the state after is the self-signed one of generation 1.
fn restorable() -> (World, Pair, Pair) {
    let (world, old, _) = fresh();
    good(&world.install(&world.host(), &[world.path("new.pem"), world.path("new.key")]));
    let (certificate, key) = world.served().unwrap();
    (world, Pair { certificate, key }, old)
}

/// A good pair that an administrator has put there.
fn by_hand() -> (World, Pair, Pair) {
    let (world, _, good) = fresh();
    fs::write(world.path("certs/web.pem"), &good.certificate).unwrap();
    fs::write(world.path("private/web.key"), &good.key).unwrap();
    let same = Pair { certificate: good.certificate.clone(), key: good.key.clone() };
    (world, good, same)
}

/// Broken anywhere, it can be taken again.
fn snapshotting(world: &World, host: &Host) -> Report {
    let report = |host: &Host| {
        let all = world.with(host, Options::default(), |session| snapshot::run(session, &[]));
        all.unwrap_or_else(|refusal| panic!("{}", refusal.why)).remove(0)
    };
    let first = report(host);
    assert!(matches!(report(&world.host()).outcome, Outcome::Remembered { signed_off: true, .. }));
    first
}

/// Whatever happens while it is staged, what is in place is the old one.
fn to_stage() -> (World, Pair, Pair) {
    let (world, old, _) = installed();
    let same = Pair { certificate: old.certificate.clone(), key: old.key.clone() };
    (world, old, same)
}

fn staged() -> (World, Pair, Pair) {
    let (world, old, new) = installed();
    good(&staging(&world, &world.host()));
    (world, old, new)
}

/// Broken anywhere, it can be staged again.
fn staging(world: &World, host: &Host) -> Report {
    let report = |host: &Host| {
        let files = [world.path("new.pem"), world.path("new.key")];
        let given = stage::Given::Whole(&files);
        world.with(host, Options::default(), |session| stage::run(session, "web", &given, None))
    };
    let first = report(host);
    assert!(matches!(report(&world.host()).outcome, Outcome::Staged { .. }), "{first:?}");
    first
}

fn activating(world: &World, host: &Host) -> Report {
    let reports = world.with(host, Options::default(), |session| activate::run(session, &[], None));
    reports.unwrap_or_else(|refusal| panic!("{}", refusal.why)).remove(0)
}

fn failing() -> (World, Pair, Pair) {
    let world = World::new("reload = [\"/bin/false\"]\n");
    world.bring(&pair(90));
    let (certificate, key) = world.served().unwrap();
    let never = Pair { certificate: certificate.clone(), key: key.clone() };
    (world, Pair { certificate, key }, never)
}

fn install(world: &World, host: &Host) -> Report {
    world.install(host, &[world.path("new.pem"), world.path("new.key")])
}

fn adopting(world: &World, host: &Host, undo: bool) -> Report {
    world.with(host, Options::default(), |session| adopt::run(session, "web", undo))
}

fn good(report: &Report) {
    assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
}

/// What must hold whatever happened.
fn check(world: &World, old: &Pair, new: &Pair, kept: &[(u32, Vec<u8>)], at: &str) {
    let served = world.served().unwrap_or_else(|| panic!("{at}: a file is missing"));
    let is = |pair: &Pair| served.0.trim() == pair.certificate.trim() && same_key(&served.1, &pair.key);
    assert!(is(old) || is(new), "{at}: neither wholly old nor wholly new");
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new(), "{at}: left over");
    let now = world.generations();
    for (number, bytes) in kept {
        let found = now.iter().find(|(found, _)| found == number);
        assert_eq!(found.map(|(_, bytes)| bytes), Some(bytes), "{at}: generation {number} is not what it was");
    }
    let list = world.with(&world.host(), Options::default(), |session| backups::list(session, &[], true)).unwrap();
    assert!(list.iter().all(|generation| generation.damage.is_none()), "{at}: damaged backup: {list:?}");
}

/// reseal writes keys in PKCS#8 of its own encoding.
fn same_key(one: &str, other: &str) -> bool {
    let der = |text: &str| pem::parse(text).unwrap().into_contents();
    one == other || {
        let public = |text: &str| reseal::cert::PrivateKey::from_der(&der(text)).unwrap().spki().to_vec();
        public(one) == public(other)
    }
}

/// Crossings of the undisturbed run.
fn length(scenario: &Scenario) -> usize {
    let (world, ..) = (scenario.prepare)();
    let (faults, watch) = Faults::never();
    let _ = (scenario.run)(&world, &world.host().with_watch(watch));
    let seen = faults.seen();
    assert!(seen > 15, "{}: only {seen} crossings", scenario.name);
    seen
}

#[test]
fn killed_at_every_crossing_and_again_inside_recovery() {
    for scenario in SCENARIOS {
        let crossings = length(scenario);
        let (mut old_states, mut new_states) = (0, 0);
        for at in 1..=crossings + 1 {
            let (world, old, new) = (scenario.prepare)();
            let kept = world.generations();
            let (faults, watch) = Faults::dead_from(at);
            let _ = (scenario.run)(&world, &world.host().with_watch(watch));
            assert!(faults.seen() >= at.min(crossings), "{}: crossing {at} was not reached", scenario.name);
            let place = format!("{} killed at {at} of {crossings}", scenario.name);
            assert_eq!(world.exposed_keys(), Vec::<std::path::PathBuf>::new(), "{place}");
            // Recovery is killed at each of its own crossings first.
            for inner in 1.. {
                let (faults, watch) = Faults::dead_from(inner);
                let _ = world.recover(&world.host().with_watch(watch));
                assert_eq!(world.exposed_keys(), Vec::<std::path::PathBuf>::new(), "{place}, recovery at {inner}");
                if faults.seen() < inner {
                    break;
                }
            }
            let reports = world.recover(&world.host());
            assert!(reports.iter().all(|report| report.outcome.exit() == Exit::Good), "{place}: {reports:?}");
            check(&world, &old, &new, &kept, &place);
            if world.served().unwrap().0.trim() == old.certificate.trim() { old_states += 1 } else { new_states += 1 }
        }
        if old_states == 0
            || (new_states == 0 && scenario.name.contains("install") && !scenario.name.contains("failing"))
        {
            panic!("{}: {old_states} old and {new_states} new: the kill did not reach both sides", scenario.name);
        }
    }
}

#[test]
fn every_call_failing_once_is_told_and_leaves_no_half() {
    for scenario in SCENARIOS {
        let crossings = length(scenario);
        for errno in [rustix::io::Errno::NOSPC, rustix::io::Errno::IO] {
            for at in 1..=crossings {
                let (world, old, new) = (scenario.prepare)();
                let kept = world.generations();
                let seen: Arc<Mutex<Option<Crossing>>> = Arc::default();
                let noted = Arc::clone(&seen);
                let (_, watch) = Faults::when(
                    move |index, crossing| {
                        if index == at {
                            *noted.lock().unwrap() = Some(crossing.clone());
                        }
                        index == at
                    },
                    errno,
                );
                let report = (scenario.run)(&world, &world.host().with_watch(watch));
                let crossing = seen.lock().unwrap().clone();
                let place = format!("{}: {errno} at {at}: {crossing:?}", scenario.name);
                assert_ne!(report.outcome.exit(), Exit::Good, "{place} was swallowed: {report:?}");
                let unchanged = matches!(report.outcome, Outcome::Refused { .. } | Outcome::RolledBack { .. });
                if unchanged {
                    let now = world.served().unwrap();
                    assert_eq!(now.0.trim(), old.certificate.trim(), "{place}: said to be unchanged: {report:?}");
                }
                let reports = world.recover(&world.host());
                assert!(reports.iter().all(|report| report.outcome.exit() == Exit::Good), "{place}: {reports:?}");
                check(&world, &old, &new, &kept, &place);
            }
        }
    }
}

#[test]
fn everything_is_synced_before_it_is_relied_on() {
    let (world, ..) = installed();
    let log: Arc<Mutex<Vec<Crossing>>> = Arc::default();
    let noted = Arc::clone(&log);
    let watch = Watch::with(move |crossing| {
        noted.lock().unwrap().push(crossing.clone());
        Ok(())
    });
    good(&install(&world, &world.host().with_watch(watch)));
    let log = log.lock().unwrap();
    let journal = world.path("state/journal/web");
    let targets = [world.path("certs/web.pem"), world.path("private/web.key")];
    let position = |act: Act, path: &std::path::Path| log.iter().position(|c| c.act == act && c.path == path);
    let first_publish = targets.iter().map(|path| position(Act::Rename, path).unwrap()).min().unwrap();
    let last_publish = targets.iter().map(|path| position(Act::Rename, path).unwrap()).max().unwrap();

    let before = &log[..first_publish];
    for (index, crossing) in before.iter().enumerate().filter(|(_, crossing)| crossing.act == Act::Write) {
        let synced = before[index..].iter().any(|later| later.act == Act::SyncFile && later.path == crossing.path);
        assert!(synced, "{} was written and not synced before the first publish", crossing.path.display());
    }
    let appends = before.iter().filter(|crossing| crossing.act == Act::Write && crossing.path == journal).count();
    assert_eq!(appends, 2, "the plan and the intent are in the journal before the first publish");
    assert_eq!(last_publish - first_publish, 1, "nothing comes between the two renames");
    for (index, crossing) in log.iter().enumerate().filter(|(_, crossing)| crossing.act == Act::Rename) {
        let dir = crossing.path.parent().unwrap();
        let synced = log[index..].iter().any(|later| later.act == Act::SyncDir && later.path == dir);
        assert!(synced, "the directory of {} is not synced after the rename", crossing.path.display());
    }
    let commit = log.iter().rposition(|crossing| crossing.act == Act::Write && crossing.path == journal).unwrap();
    for path in &targets {
        let dir = path.parent().unwrap();
        let synced = log[last_publish..commit].iter().any(|later| later.act == Act::SyncDir && later.path == dir);
        assert!(synced, "{} is not durable before the commit", path.display());
    }
}

#[test]
fn a_second_recovery_writes_nothing() {
    let (world, ..) = installed();
    let crossings = length(&SCENARIOS[1]);
    let (_, watch) = Faults::dead_from(crossings - 8);
    let _ = install(&world, &world.host().with_watch(watch));
    assert!(!world.recover(&world.host()).is_empty(), "there was something to recover");
    let (faults, watch) = Faults::never();
    assert!(world.recover(&world.host().with_watch(watch)).is_empty());
    assert_eq!(faults.seen(), 0);
}

#[test]
fn a_file_changed_by_somebody_else_is_never_overwritten() {
    let crossings = length(&SCENARIOS[1]);
    let mut stuck = 0;
    for at in 1..=crossings {
        let (world, ..) = installed();
        let (_, watch) = Faults::dead_from(at);
        let _ = install(&world, &world.host().with_watch(watch));
        let foreign = pair(33);
        fs::write(world.path("certs/web.pem"), &foreign.certificate).unwrap();
        let reports = world.recover(&world.host());
        assert_eq!(fs::read_to_string(world.path("certs/web.pem")).unwrap(), foreign.certificate, "at {at}");
        stuck += usize::from(reports.iter().any(|report| matches!(report.outcome, Outcome::Stuck { .. })));
    }
    assert!(stuck > 10, "a foreign file inside a transaction is told: {stuck}");
}

#[test]
fn a_writer_in_the_moment_of_publishing_is_seen_and_kept() {
    for victim in ["certs/web.pem", "private/web.key"] {
        let (world, ..) = installed();
        let (path, key) = (world.path(victim), world.path("private/web.key"));
        let before = world.served().unwrap();
        let foreign = path.clone();
        // Written after the last look and before the first rename.
        let first = world.path("certs/web.pem");
        let watch = Watch::with(move |crossing| {
            if crossing.act == Act::Rename && crossing.path == first {
                fs::write(&foreign, "written by another tool\n").unwrap();
            }
            Ok(())
        });
        let report = install(&world, &world.host().with_watch(watch));
        assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{report:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "written by another tool\n");
        let other = if path == key { world.path("certs/web.pem") } else { key };
        let untouched = if other.ends_with("web.pem") { before.0 } else { before.1 };
        assert_eq!(fs::read_to_string(other).unwrap(), untouched);
        assert!(world.leftovers().is_empty());
        assert!(world.recover(&world.host()).is_empty(), "nothing is left to recover");
    }
}

/// An install that dies after its renames: what is in place looks good, and was never proved.
fn killed_after_the_renames(world: &World) {
    let done = Arc::new(Mutex::new(false));
    let path = world.path("private/web.key");
    let (_, watch) = Faults::when(
        move |_, crossing| {
            let mut published = done.lock().unwrap();
            let dead = *published;
            *published |= crossing.act == Act::Rename && crossing.path == path;
            dead
        },
        rustix::io::Errno::IO,
    );
    let _ = install(world, &world.host().with_watch(watch));
}

#[test]
fn a_dry_recovery_tells_each_file_and_changes_none() {
    let (world, ..) = installed();
    killed_after_the_renames(&world);
    let dry = Options { dry_run: true, ..Options::default() };
    let before = world.tree();
    let (faults, watch) = Faults::never();
    let planned =
        world.with(&world.host().with_watch(watch), dry, |session| recover::run(session, None, When::Running));
    assert_eq!((faults.seen(), world.tree()), (0, before), "a dry run changes nothing");
    let plan = planned[0].plan.as_ref().unwrap_or_else(|| panic!("{planned:?}"));
    let files: Vec<_> = plan.files.iter().map(|file| (file.path.clone(), file.act)).collect();
    assert_eq!(files, [(world.path("certs/web.pem"), "put-back"), (world.path("private/web.key"), "put-back")]);
    assert!(plan.files.iter().all(|file| file.before.is_some() && file.after.is_some() && file.before != file.after));
}

#[test]
fn a_verb_with_nothing_to_do_ends_what_was_interrupted_first() {
    type Verb = fn(&World, &Host) -> Exit;
    let verbs: [(&str, Verb); 3] = [
        ("renew", |world, host| {
            let reports = world.with(host, Options::default(), |session| renew::run(session, &[]));
            reseal::flow::exit(&reports.unwrap_or_else(|refusal| panic!("{}", refusal.why)))
        }),
        ("post-upgrade", |world, host| {
            let reports = world.with(host, Options::default(), |session| {
                post_upgrade::run(session, &[], post_upgrade::Limits::default())
            });
            reseal::flow::exit(&reports.unwrap_or_else(|refusal| panic!("{}", refusal.why)))
        }),
        ("prune", |world, host| {
            let reports = world.with(host, Options::default(), |session| backups::prune(session, &[], None));
            reseal::flow::exit(&reports.unwrap_or_else(|refusal| panic!("{}", refusal.why)))
        }),
    ];
    for (name, verb) in verbs {
        let (world, old, _) = installed();
        killed_after_the_renames(&world);
        assert_ne!(world.served().unwrap().0.trim(), old.certificate.trim(), "{name}: the kill came too early");
        assert_eq!(verb(&world, &world.host()), Exit::Good, "{name}");
        assert_eq!(world.served().unwrap().0.trim(), old.certificate.trim(), "{name} leaves what was never proved");
        assert!(world.recover(&world.host()).is_empty(), "{name} leaves an interrupted transaction");
    }
}
