//! Every way a reload can go, against everything the server may then show, over every state the old pair may be in: the files
//! afterwards, the exit code, what is served, and what is on record.

mod support;

use std::collections::VecDeque;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use reseal::engine::When;
use reseal::flow::{Options, Report, history, recover};
use reseal::host::watch::{Act, Watch};
use reseal::outcome::{End, Exit, Outcome, Proof, Receipt};
use support::service::{Then, leaf, served};
use support::{Pair, World, issued, pair};

/// How a cell ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cell {
    /// New files, exit 0, the new certificate is served.
    New,
    /// Old files, exit 5, the old certificate is served as before.
    Back,
    /// Old files, exit 6: the service does not show the old certificate again. Once a person has seen to that, `recover` ends it.
    Stuck,
    /// New files, exit 3: nobody served anything before, and the new certificate is not seen now.
    Unseen,
    /// Cannot be: the server is never told, so the column has no meaning and the first stands for all.
    No,
}

use Cell::{Back, New, No, Stuck, Unseen};

const COLUMNS: [Then; 7] =
    [Then::New, Then::Old, Then::Other, Then::Nobody, Then::Plain, Then::Overlap, Then::FallsBack];

/// How the reload command behaves. `TELL`, `KILL` and the like are orders to the server.
const RELOADS: [(&str, &str); 12] = [
    ("works", "TELL"),
    ("floods its output", "head -c 1000000 /dev/zero | tr '\\0' y; TELL"),
    ("leaves a daemon that holds its output", "TELL; sleep 4 &"),
    ("takes effect after a moment", "SOON"),
    ("takes effect, and fails", "TELL; echo 'cannot write the pid file' >&2; exit 1"),
    ("takes effect too late", "LATE"),
    ("fails", "echo 'no such process' >&2; exit 1"),
    ("hangs", "sleep 60"),
    ("is killed by a signal", "kill -KILL $$"),
    ("says yes and does nothing", "exit 0"),
    ("kills the server", "KILL"),
    ("kills the server, which a restart revives", "KILL"),
];

/// A pair in place that works: also when it has expired, for what is served is judged by the leaf alone.
#[rustfmt::skip]
const GOOD: [[Cell; 7]; 12] = [
    // new    old    other  nobody plain  overlap falls back
    [New,     Back,  Back,  Stuck, Back,  New,    Back],   // works
    [New,     Back,  Back,  Stuck, Back,  New,    Back],   // floods
    [New,     Back,  Back,  Stuck, Back,  New,    Back],   // daemon
    [New,     Back,  Back,  Stuck, Back,  New,    Back],   // after a moment
    [Back,    Back,  Back,  Stuck, Back,  Back,   Back],   // takes effect, and fails
    [Back,    No,    No,    No,    No,    No,     No],     // too late
    [Back,    No,    No,    No,    No,    No,     No],     // fails
    [Back,    No,    No,    No,    No,    No,     No],     // hangs
    [Back,    No,    No,    No,    No,    No,     No],     // signal
    [Back,    No,    No,    No,    No,    No,     No],     // does nothing
    [Stuck,   No,    No,    No,    No,    No,     No],     // kills
    [Back,    No,    No,    No,    No,    No,     No],     // kills, restart
];

/// The key in place belongs to another certificate, which the server, started before that, does not know yet. It cannot load the
/// old files again, so whatever else it was made to show stays: a person must know.
#[rustfmt::skip]
const MISMATCHED: [[Cell; 7]; 12] = [
    // new    old    other  nobody plain  overlap falls back
    [New,     Back,  Stuck, Stuck, Stuck, New,    Back],   // works
    [New,     Back,  Stuck, Stuck, Stuck, New,    Back],   // floods
    [New,     Back,  Stuck, Stuck, Stuck, New,    Back],   // daemon
    [New,     Back,  Stuck, Stuck, Stuck, New,    Back],   // after a moment
    [Stuck,   Back,  Stuck, Stuck, Stuck, Stuck,  Back],   // takes effect, and fails
    [Back,    No,    No,    No,    No,    No,     No],     // too late
    [Back,    No,    No,    No,    No,    No,     No],     // fails
    [Back,    No,    No,    No,    No,    No,     No],     // hangs
    [Back,    No,    No,    No,    No,    No,     No],     // signal
    [Back,    No,    No,    No,    No,    No,     No],     // does nothing
    [Stuck,   No,    No,    No,    No,    No,     No],     // kills
    [Stuck,   No,    No,    No,    No,    No,     No],     // kills, restart
];

/// No files, and a server that the first reload starts. Nobody was served before, so nothing that is seen afterwards is worse; and a reload
/// that fails has nobody to tell, unless somebody else comes up by it.
#[rustfmt::skip]
const ABSENT: [[Cell; 7]; 12] = [
    // new    old    other   nobody  plain   overlap falls back
    [New,     No,    Unseen, Unseen, Unseen, No,     No],  // works
    [New,     No,    Unseen, Unseen, Unseen, No,     No],  // floods
    [New,     No,    Unseen, Unseen, Unseen, No,     No],  // daemon
    [New,     No,    Unseen, Unseen, Unseen, No,     No],  // after a moment
    [New,     No,    Back,   Unseen, Back,   No,     No],  // takes effect, and fails
    [Unseen,  No,    No,     No,     No,     No,     No],  // too late
    [Unseen,  No,    No,     No,     No,     No,     No],  // fails
    [Unseen,  No,    No,     No,     No,     No,     No],  // hangs
    [Unseen,  No,    No,     No,     No,     No,     No],  // signal
    [Unseen,  No,    No,     No,     No,     No,     No],  // does nothing
    [Unseen,  No,    No,     No,     No,     No,     No],  // kills
    [Unseen,  No,    No,     No,     No,     No,     No],  // kills, restart
];

/// The state of the pair in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Old {
    Good,
    Expired,
    Mismatched,
    Absent,
}

#[test]
fn every_reload_against_every_sight_over_every_old_pair() {
    let tables = [(Old::Good, &GOOD), (Old::Expired, &GOOD), (Old::Mismatched, &MISMATCHED), (Old::Absent, &ABSENT)];
    let mut cells = VecDeque::new();
    for (old, table) in tables {
        for (row, behaviour) in table.iter().zip(RELOADS) {
            cells.extend(row.iter().zip(COLUMNS).map(|(cell, then)| (old, behaviour, then, *cell)));
        }
    }
    cells.retain(|(.., cell)| *cell != No);
    assert_eq!(cells.len(), 153, "cells of the tables");
    let (queue, failures) = (Mutex::new(cells), Mutex::new(Vec::new()));
    // Most of the time is spent waiting.
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                while let Some((old, behaviour, then, cell)) = { queue.lock().unwrap().pop_front() } {
                    let name = format!("{old:?} pair, the reload {}, then {then:?}: {cell:?}", behaviour.0);
                    if catch_unwind(AssertUnwindSafe(|| run(old, behaviour, then, cell, &name))).is_err() {
                        failures.lock().unwrap().push(name);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} cells are not as tabled:\n{}", failures.len(), failures.join("\n"));
}

fn run(old: Old, (behaviour, script): (&str, &str), then: Then, cell: Cell, name: &str) {
    let (world, service) = served(script, behaviour.ends_with("revives"), then, (1, 2));
    let (before, new) = (put(&world, old), pair(90));
    if let Some(before) = &before {
        service.show(before);
    }
    let files = world.served();
    let report = world.install(&world.host(), &world.bring(&new));

    assert_eq!(report.outcome.exit(), exit_of(cell), "{name}: {report:?}");
    let found = world.served();
    match cell {
        New | Unseen => assert_eq!(found.as_ref().map(|found| &found.0), Some(&new.certificate), "{name}"),
        Back | Stuck | No => assert_eq!(found, files, "{name}"),
    }
    assert!(world.leftovers().is_empty(), "{name}: {:?}", world.leftovers());
    match (cell, &before) {
        (New, _) => assert!(service.settles_on(leaf(&new)), "{name}"),
        (Back, Some(before)) => assert!(service.settles_on(leaf(before)), "{name}"),
        (Stuck, Some(before)) => {
            assert_ne!(service.leaf(), Some(leaf(before)), "{name}");
            assert!(receipts(&world).is_empty(), "{name}: nothing has ended yet");
            // What a person would do: start it again with what it had, and mend the command.
            service.show(before);
            fs::write(world.path("reload.sh"), "exit 0\n").unwrap();
            let reports = world.recover(&world.host());
            assert!(matches!(reports[..], [Report { outcome: Outcome::Recovered { .. }, .. }]), "{name}: {reports:?}");
        }
        (Back | Unseen | Stuck | No, _) => {}
    }
    let receipts = receipts(&world);
    let [receipt] = receipts.as_slice() else { panic!("{name}: {receipts:?}") };
    assert_eq!((receipt.generation, receipt.after), (2, Some(leaf(&new))), "{name}");
    match (&receipt.end, cell) {
        (End::Committed { proof: Proof::Handshakes { count } }, New) => assert!(*count >= 3, "{name}"),
        (End::Committed { proof: Proof::ReadBack { why } }, Unseen) => {
            let answered = matches!(then, Then::Other | Then::Plain);
            assert_eq!(why.contains("does not show the new certificate"), answered, "{name}: {why}");
            let what = matches!(then, Then::Plain);
            assert_eq!(
                why.contains("new certificate: "),
                what,
                "what no certificate was seen for is told: {name}: {why}"
            );
        }
        (End::RolledBack { .. }, Back | Stuck) => {}
        (end, _) => panic!("{name}: {end:?}"),
    }
    assert!(world.recover(&world.host()).is_empty(), "{name}: nothing is left to recover");
}

fn exit_of(cell: Cell) -> Exit {
    match cell {
        New => Exit::Good,
        Back => Exit::RolledBack,
        Stuck => Exit::Stuck,
        Unseen => Exit::Findings,
        No => panic!("no such cell"),
    }
}

/// Puts the pair in place, and tells what the server shows before.
fn put(world: &World, old: Old) -> Option<Pair> {
    let good = pair(30);
    match old {
        Old::Good => world.put(&good),
        Old::Expired => {
            let expired = issued(&["localhost"], -30, -1);
            world.put(&expired);
            return Some(expired);
        }
        Old::Mismatched => world.put(&Pair { certificate: good.certificate.clone(), key: pair(30).key }),
        Old::Absent => {
            fs::remove_file(world.path("certs/web.pem")).unwrap();
            fs::remove_file(world.path("private/web.key")).unwrap();
            return None;
        }
    }
    Some(good)
}

fn receipts(world: &World) -> Vec<Receipt> {
    let history = world.with(&world.host(), Options::default(), |session| history::run(session, &[])).unwrap();
    assert!(history.1.is_empty(), "broken lines {:?}", history.1);
    history.0
}

/// Dies when the reload has been run, before that is on record.
fn killed_after_the_reload(world: &World, new: &Pair) {
    let told = AtomicBool::new(false);
    let watch = Watch::with(move |crossing| {
        let dead = told.load(Ordering::Relaxed);
        told.fetch_or(crossing.act == Act::Run, Ordering::Relaxed);
        if dead { Err(std::io::Error::other("killed")) } else { Ok(()) }
    });
    let report = world.install(&world.host().with_watch(watch), &world.bring(new));
    assert!(matches!(report.outcome, Outcome::Stuck { .. }), "{report:?}");
}

/// A key of another certificate was put back over a pair that was served, and no reload took it: the service stayed without files with
/// which it could start again.
#[test]
fn what_is_served_is_not_undone_for_what_no_service_takes() {
    for (old, ended) in [(Old::Mismatched, Exit::Good), (Old::Good, Exit::RolledBack)] {
        let (world, service) = served("TELL", false, Then::New, (5, 5));
        let (before, new) = (put(&world, old).unwrap(), pair(90));
        service.show(&before);
        let files = world.served();
        killed_after_the_reload(&world, &new);
        assert!(service.settles_on(leaf(&new)), "{old:?}");
        let dry = Options { dry_run: true, ..Options::default() };
        let planned = world.with(&world.host(), dry, |session| recover::run(session, None, When::Running));
        let foretold = planned[0].notes.iter().any(|note| note.starts_with("where all listeners show the new"));
        assert_eq!(foretold, ended == Exit::Good, "{planned:?}");
        let reports = world.recover(&world.host());
        assert_eq!(reports.len(), 1, "{old:?}: {reports:?}");
        let [receipt] = &receipts(&world)[..] else { panic!("{old:?}: {reports:?}") };
        if ended == Exit::Good {
            assert!(matches!(receipt.end, End::Committed { proof: Proof::Handshakes { .. } }), "{receipt:?}");
            assert!(service.settles_on(leaf(&new)) && world.served().unwrap().0 == new.certificate, "{reports:?}");
        } else {
            assert!(matches!(receipt.end, End::RolledBack { .. }), "{receipt:?}");
            assert!(service.settles_on(leaf(&before)) && world.served() == files, "{reports:?}");
        }
        assert!(receipt.recovered.is_some() && world.leftovers().is_empty(), "{receipt:?}");
        assert!(world.recover(&world.host()).is_empty(), "{old:?}: nothing is left to recover");
    }
}

/// What is served is not said to be as it was before, because that it is served cannot be written down.
#[test]
fn where_it_cannot_be_recorded_it_is_told_which_certificate_is_served() {
    let (world, service) = served("TELL", false, Then::New, (5, 5));
    let (before, new) = (put(&world, Old::Mismatched).unwrap(), pair(90));
    service.show(&before);
    killed_after_the_reload(&world, &new);
    let journal = world.path("state/journal/web");
    let full = Watch::with(move |crossing| {
        let refused = crossing.act == Act::Write && crossing.path == journal;
        if refused { Err(rustix::io::Errno::NOSPC.into()) } else { Ok(()) }
    });
    let reports = world.recover(&world.host().with_watch(full));
    let [Report { outcome: Outcome::Stuck { why, .. }, .. }] = &reports[..] else { panic!("{reports:?}") };
    assert!(why.starts_with("the new certificate is installed and served, but that could not be recorded"), "{why}");
    assert!(service.settles_on(leaf(&new)) && world.served().unwrap().0 == new.certificate, "{why}");
    assert_eq!(world.recover(&world.host())[0].exit(), Exit::Good);
    assert!(world.recover(&world.host()).is_empty(), "nothing is left to recover");
}

/// Whose last words are told with what they are of: where a restart failed after a reload, those of the restart.
#[test]
fn the_words_of_a_restart_that_failed_are_told_as_its_own() {
    for (restart, told) in
        [(true, "; the restart exited with 3: no unit"), (false, "; the reload exited with 1: no process")]
    {
        let (world, service) = served("KILL; echo 'no process' >&2; exit 1", restart, Then::New, (2, 1));
        let before = put(&world, Old::Good).unwrap();
        service.show(&before);
        fs::write(world.path("restart.sh"), "echo 'no unit' >&2; exit 3\n").unwrap();
        let report = world.install(&world.host(), &world.bring(&pair(90)));
        let Outcome::Stuck { why, .. } = &report.outcome else { panic!("{report:?}") };
        assert!(why.contains(told), "{why}");
    }
}

/// What puts the files back at boot leaves it to the start of the service to take them up. Where that had started before, or nothing was
/// started at all, it was never told.
#[test]
fn a_service_that_was_not_started_after_the_files_came_back_is_told() {
    let (world, service) = served("TELL", false, Then::New, (5, 5));
    let (before, new) = (put(&world, Old::Good).unwrap(), pair(90));
    service.show(&before);
    killed_after_the_reload(&world, &new);
    world.with(&world.host(), Options::default(), |session| recover::run(session, None, When::Boot));
    assert!(service.settles_on(leaf(&new)), "no command is run at boot");
    world.recover(&world.host());
    assert!(service.settles_on(leaf(&before)), "{:?}", receipts(&world));
    assert!(world.recover(&world.host()).is_empty(), "nothing is left to recover");
}

/// Whether a server whose own test fails is left alone, and when it counts.
mod config_test {
    use super::*;

    /// A target whose configuration test is this script; `$CERT` is the certificate in place.
    fn tested(script: &str) -> World {
        let world = World::made_in(support::memory_dir(), |root| {
            let cert = root.join("certs/web.pem");
            fs::write(root.join("test.sh"), format!("CERT={}\n{script}\n", cert.display())).unwrap();
            format!(
                "check = [\"/bin/sh\", \"{0}/test.sh\"]\nreload = [\"/usr/bin/touch\", \"{0}/reloaded\"]\n",
                root.display()
            )
        });
        world.put(&pair(30));
        world
    }

    fn reloaded(world: &World) -> bool {
        world.path("reloaded").exists()
    }

    fn numbers(world: &World) -> Vec<u32> {
        world.generations().into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn failing_before_refuses_and_takes_no_number() {
        let world = tested("echo 'unknown directive' >&2; exit 1");
        let before = world.served();
        let report = world.install(&world.host(), &world.bring(&pair(90)));
        let Outcome::Refused { why, hint: Some(_) } = &report.outcome else { panic!("{report:?}") };
        assert!(why.contains("exited with 1: unknown directive"), "{why}");
        assert_eq!(report.outcome.exit(), Exit::Refused);
        assert_eq!(world.served(), before);
        assert!(!reloaded(&world) && world.leftovers().is_empty());
        let receipts = receipts(&world);
        assert!(
            matches!(receipts.as_slice(), [Receipt { generation: 0, end: End::Refused { .. }, .. }]),
            "{receipts:?}"
        );
        assert!(!world.path("state/vault").exists(), "no number is taken");
    }

    #[test]
    fn failing_after_rolls_back_and_keeps_the_number() {
        let world = tested("grep -q FIRST $CERT");
        let certificate = format!("FIRST\n{}", world.served().unwrap().0);
        fs::write(world.path("certs/web.pem"), certificate).unwrap();
        let before = world.served();
        let report = world.install(&world.host(), &world.bring(&pair(90)));
        let Outcome::RolledBack { why, .. } = &report.outcome else { panic!("{report:?}") };
        assert!(why.starts_with("the check command"), "{why}");
        assert_eq!(world.served(), before);
        assert_eq!(numbers(&world), [1, 2], "what was found, and what failed");

        fs::write(world.path("test.sh"), "exit 0\n").unwrap();
        let report = world.install(&world.host(), &world.bring(&pair(90)));
        assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
        assert_eq!(numbers(&world), [1, 2, 3], "a number is never used again");
    }

    #[test]
    fn a_broken_pair_may_be_what_fails_it() {
        let world = tested("test ! -e $CERT.broken");
        let broken = world.path("certs/web.pem.broken");
        let mismatched = Pair { certificate: world.served().unwrap().0, key: pair(30).key };
        world.put(&mismatched);
        fs::write(&broken, "").unwrap();
        let report = world.install(&world.host(), &world.bring(&pair(90)));
        assert_eq!(report.outcome.exit(), Exit::RolledBack, "it still fails afterwards: {report:?}");
        assert_eq!(world.served().unwrap().1, mismatched.key);

        fs::write(
            world.path("test.sh"),
            format!("grep -q {} {}\n", "CERTIFICATE", world.path("certs/web.pem").display()),
        )
        .unwrap();
        fs::write(world.path("certs/web.pem"), "").unwrap();
        let report = world.install(&world.host(), &world.bring(&pair(90)));
        assert_eq!(report.outcome.exit(), Exit::Good, "the change mends it: {report:?}");
    }

    /// What is broken already may stay broken; what was sound is not broken by a restore.
    #[test]
    fn a_restore_that_breaks_a_sound_server_is_undone() {
        let world = tested("exit 0");
        assert_eq!(world.install(&world.host(), &world.bring(&pair(90))).outcome.exit(), Exit::Good);
        let before = world.served();
        fs::copy(world.path("certs/web.pem"), world.path("sound.pem")).unwrap();
        let test = format!("cmp {} {}\n", world.path("certs/web.pem").display(), world.path("sound.pem").display());
        fs::write(world.path("test.sh"), test).unwrap();
        let report = world.restore(&world.host(), Some(1), false);
        let Outcome::RolledBack { why, .. } = &report.outcome else { panic!("{report:?}") };
        assert!(why.starts_with("the check command"), "{why}");
        assert_eq!(world.served(), before);
    }

    #[test]
    fn a_restore_needs_no_healthy_server() {
        let world = tested("exit 0");
        let first = world.served().unwrap();
        assert_eq!(world.install(&world.host(), &world.bring(&pair(90))).outcome.exit(), Exit::Good);
        fs::write(world.path("test.sh"), "exit 1\n").unwrap();
        fs::remove_file(world.path("reloaded")).unwrap();
        let report = world.restore(&world.host(), Some(1), false);
        let Outcome::Committed { receipt, .. } = &report.outcome else { panic!("{report:?}") };
        assert!(
            matches!(&receipt.end, End::Committed { proof: Proof::ReadBack { why } } if why.contains("not reloaded"))
        );
        assert_eq!(world.served().unwrap(), first);
        assert!(!reloaded(&world), "a server whose configuration is broken is not told to read it");
    }
}

/// A probe that is a command instead of a handshake.
#[test]
fn a_probing_command_decides_as_well() {
    for (script, exit) in [("exit 0", Exit::Good), ("grep -q FIRST CERT", Exit::RolledBack)] {
        let world = World::made_in(support::memory_dir(), |root| {
            let script = script.replace("CERT", &root.join("certs/web.pem").display().to_string());
            fs::write(root.join("probe.sh"), script).unwrap();
            let probe = root.join("probe.sh");
            format!("probe = [\"/bin/sh\", \"{}\"]\n[target.policy]\nverify_timeout = 1\nsettle = 0\n", probe.display())
        });
        let certificate = format!("FIRST\n{}", world.served().unwrap().0);
        fs::write(world.path("certs/web.pem"), certificate).unwrap();
        let before = world.served();
        let report = world.install(&world.host(), &world.bring(&pair(90)));
        assert_eq!(report.outcome.exit(), exit, "{script}: {report:?}");
        assert_eq!(world.served() == before, exit == Exit::RolledBack, "{script}");
    }
}
