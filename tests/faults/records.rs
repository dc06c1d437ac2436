//! reseal's own records, damaged or in other hands.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use reseal::flow::{Options, backups, history, recover};
use reseal::host::watch::{Act, Watch};
use reseal::outcome::{End, Outcome, Receipt};

use super::{good, installed, refused, refused_with};
use crate::support::{World, pair, root};

/// Three generations: 1 found, 2 and 3 installed, 3 in place.
fn kept() -> World {
    let world = World::new("");
    world.put(&pair(30));
    installed(&world);
    installed(&world);
    world
}

fn states(world: &World) -> Vec<(u32, &'static str)> {
    let list = world.with(&world.host(), Options::default(), |session| backups::list(session, &[], true)).unwrap();
    list.into_iter().map(|generation| (generation.generation, generation.state)).collect()
}

fn history(world: &World) -> (Vec<Receipt>, Vec<usize>) {
    world.with(&world.host(), Options::default(), |session| history::run(session, &[])).unwrap()
}

#[test]
fn one_flipped_bit_in_a_backup_is_seen_and_the_next_older_is_taken() {
    let files: Vec<PathBuf> = {
        let world = kept();
        let mut names: Vec<PathBuf> = fs::read_dir(world.path("state/vault/web/2"))
            .unwrap()
            .map(|entry| PathBuf::from(entry.unwrap().file_name()))
            .collect();
        names.sort();
        names
    };
    assert_eq!(files, ["0", "1", "manifest"].map(PathBuf::from));
    for name in files {
        for part in [0, 1, 2] {
            let world = kept();
            let path = world.path("state/vault/web/2").join(&name);
            let mut bytes = fs::read(&path).unwrap();
            let at = [0, bytes.len() / 2, bytes.len() - 2][part];
            bytes[at] ^= 2;
            fs::write(&path, bytes).unwrap();
            let before = world.tree();
            let place = format!("{} at {at}", name.display());
            assert_eq!(states(&world), [(1, "found"), (2, "damaged"), (3, "current")], "{place}");
            refused_with(&world.restore(&world.host(), Some(2), true), &["generation 2 of web is damaged"]);
            assert_eq!(world.tree(), before, "{place}");
            let report = world.restore(&world.host(), None, false);
            good(&report);
            let Outcome::Committed { receipt, .. } = &report.outcome else { panic!("{place}: {report:?}") };
            assert!(receipt.why.starts_with("restore generation 1"), "{place}: {}", receipt.why);
        }
    }
}

#[test]
fn missing_and_foreign_files_in_a_backup_are_seen() {
    let world = kept();
    fs::remove_file(world.path("state/vault/web/2/1")).unwrap();
    let report = world.restore(&world.host(), Some(2), true);
    assert!(matches!(report.outcome, Outcome::Refused { .. }), "{report:?}");
    // The manifest of another generation is whole, and not this one's.
    let world = kept();
    fs::copy(world.path("state/vault/web/1/manifest"), world.path("state/vault/web/2/manifest")).unwrap();
    refused_with(&world.restore(&world.host(), Some(2), true), &["its manifest is that of generation 1"]);
    let world = kept();
    fs::remove_file(world.path("state/vault/web/2/manifest")).unwrap();
    refused_with(&world.restore(&world.host(), Some(2), true), &["was never completed"]);
    refused_with(&world.restore(&world.host(), Some(7), true), &["there is no generation 7 of web"]);
}

/// A change while the newest backup is damaged must not count on it.
#[test]
fn what_is_in_place_is_kept_again_when_its_backup_is_damaged() {
    let world = kept();
    let served = world.served().unwrap();
    fs::write(world.path("state/vault/web/3/1"), "rotten").unwrap();
    installed(&world);
    assert_eq!(states(&world), [(1, "found"), (2, "committed"), (3, "damaged"), (4, "found"), (5, "current")]);
    good(&world.restore(&world.host(), Some(4), false));
    assert_eq!(world.served().unwrap(), served);
}

#[test]
fn a_torn_receipt_is_cut_off_and_an_altered_one_is_named() {
    let world = kept();
    let ledger = world.path("state/ledger");
    let whole = fs::read(&ledger).unwrap();
    assert_eq!(history(&world).0.len(), 2);
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for length in [last + 1, last + 70, whole.len() - 1] {
        fs::write(&ledger, &whole[..length]).unwrap();
        let (receipts, broken) = history(&world);
        assert_eq!((receipts.len(), broken.len()), (1, 0), "torn at {length}");
        installed(&world);
        let (receipts, broken) = history(&world);
        assert_eq!((receipts.len(), broken.len()), (2, 0), "torn at {length}, then added to");
    }
    let whole = fs::read(&ledger).unwrap();
    let mut altered = whole.clone();
    altered[80] ^= 1;
    fs::write(&ledger, &altered).unwrap();
    let (receipts, broken) = history(&world);
    assert_eq!((receipts.len(), broken), (1, vec![1, 2]), "the line itself, and the one that follows another");
    // Taken out whole: the one after it does not follow any more.
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(&ledger, &whole[first..]).unwrap();
    assert_eq!(history(&world).1, [1]);
}

/// Written by the program as it was before receipts told of triggers and checks, and by nothing since.
#[test]
fn the_first_format_of_the_ledger_is_read_for_ever() {
    let world = World::new("");
    // The numbers in the fixture are taken.
    for _ in 0..3 {
        installed(&world);
    }
    let old = include_bytes!("../../fixtures/ledger/format-1.ledger");
    fs::write(world.path("state/ledger"), old).unwrap();
    let (receipts, broken) = history(&world);
    assert_eq!((receipts.len(), broken.len()), (3, 0));
    assert!(receipts.iter().all(|receipt| receipt.trigger.is_none() && receipt.checks.is_empty()));
    assert!(matches!(receipts[2].end, End::RolledBack { .. }));
    // What is added follows it.
    world.put(&pair(20));
    world.bring(&pair(90));
    let report = world.install(&world.host(), &[world.path("new.pem"), world.path("new.key")]);
    good(&report);
    let (receipts, broken) = history(&world);
    assert_eq!(broken, [0; 0]);
    assert!(receipts.last().unwrap().trigger.is_some());
    assert!(fs::read(world.path("state/ledger")).unwrap().starts_with(old), "what was there stays byte by byte");
}

#[test]
fn two_writers_at_once_leave_one_chain() {
    let worlds: Vec<World> = (0..2).map(|_| World::new("")).collect();
    let state = worlds[0].path("state").display().to_string();
    std::thread::scope(|scope| {
        for world in &worlds {
            scope.spawn(|| {
                for days in [80, 85, 90] {
                    world.bring(&pair(days));
                    let (cert, key) =
                        (world.path("new.pem").display().to_string(), world.path("new.key").display().to_string());
                    let line =
                        ["--state-dir", &state, "--wait", "60", "install", "web", "--from", &cert, "--from", &key];
                    let output = world.program(&line).output().unwrap();
                    assert_eq!(output.status.code(), Some(0), "{output:?}");
                }
            });
        }
    });
    let (receipts, broken) = history(&worlds[0]);
    assert_eq!((receipts.len(), broken.len()), (6, 0));
}

#[test]
fn a_receipt_tells_who_what_and_what_was_checked() {
    let world = World::new("check = [\"/bin/true\"]\nreload = [\"/bin/true\"]\nprobe = [\"/bin/true\"]\n");
    installed(&world);
    let (receipts, _) = history(&world);
    let [receipt] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert!(receipt.trigger.is_some() && receipt.recovered.is_none());
    let told: Vec<&str> = receipt.checks.iter().map(|check| check.what.word()).collect();
    assert_eq!(told, ["config-test", "config-test", "reload", "probe"]);
    assert!(receipt.checks.iter().all(|check| check.good && !check.undo));

    // Refused by the service's own test: nothing was touched, and it is told, once.
    let world = World::new("check = [\"/bin/false\"]\n");
    world.put(&pair(30));
    world.bring(&pair(90));
    for _ in 0..2 {
        refused(&world, &world.host(), &["own test"]);
    }
    let (receipts, _) = history(&world);
    let [receipt] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert!(matches!(&receipt.end, End::Refused { why } if why.contains("own test")), "{receipt:?}");
    assert_eq!(receipt.generation, 0);
}

#[test]
fn a_state_directory_that_others_can_enter_is_refused() {
    for mode in [0o755, 0o750, 0o701] {
        let world = World::new("");
        fs::create_dir(world.path("state")).unwrap();
        fs::set_permissions(world.path("state"), fs::Permissions::from_mode(mode)).unwrap();
        refused(&world, &world.host(), &["cannot use", "as state directory", &format!("mode {mode:04o}")]);
        assert_eq!(fs::read_dir(world.path("state")).unwrap().count(), 0);
    }
    if root() {
        let world = World::new("");
        fs::create_dir(world.path("state")).unwrap();
        chown(world.path("state"), Some(4321), None).unwrap();
        refused(&world, &world.host(), &["it belongs to user 4321"]);
    }
}

#[test]
fn the_state_is_nobody_elses_whatever_the_umask() {
    let world = World::new("");
    let old = rustix::process::umask(rustix::fs::Mode::empty());
    installed(&world);
    rustix::process::umask(old);
    let mut found = 0;
    crate::support::walk(&world.path("state"), &mut |path, metadata| {
        found += 1;
        assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", path.display());
    });
    assert!(found > 6, "{found}");
    for dir in ["state", "state/vault", "state/vault/web", "state/vault/web/1", "state/journal"] {
        assert_eq!(fs::metadata(world.path(dir)).unwrap().permissions().mode() & 0o777, 0o700, "{dir}");
    }
}

/// With the journal goes all that is known of the hidden files beside the places, of which one is a key.
#[test]
fn what_is_left_beside_the_files_is_named_before_it_is_forgotten() {
    let world = kept();
    let key = world.path("private/web.key");
    let done = AtomicBool::new(false);
    let dies = Watch::with(move |crossing| {
        let dead = done.load(Ordering::Relaxed);
        done.fetch_or(crossing.act == Act::Rename && crossing.path == key, Ordering::Relaxed);
        if dead { Err(std::io::Error::other("killed")) } else { Ok(()) }
    });
    let _ = world.install(&world.host().with_watch(dies), &world.bring(&pair(90)));
    assert_eq!(world.leftovers().len(), 2, "the kill came too early");
    let keys = world.path("private");
    let holds = Watch::with(move |crossing| {
        let refused = crossing.act == Act::Unlink && crossing.path.starts_with(&keys);
        if refused { Err(rustix::io::Errno::PERM.into()) } else { Ok(()) }
    });
    let host = world.host().with_watch(holds);
    let report = world.with(&host, Options::default(), |session| recover::accept(session, "web"));
    let Outcome::Recovered { what, .. } = &report.outcome else { panic!("{report:?}") };
    // Not to be missed by whoever hears of trouble alone.
    assert_eq!(report.exit(), reseal::outcome::Exit::Findings);
    let left = world.leftovers();
    assert_eq!(serde_json::to_value(&report).unwrap()["left"], serde_json::json!(left));
    assert!(left.len() == 1 && left[0].starts_with(world.path("private")), "{left:?}");
    assert!(what.contains("remove by hand") && what.contains(left[0].to_str().unwrap()), "{what}");
    assert!(!world.path("state/journal/web").exists());
}

/// What the transaction was nobody knows, and that is told: a receipt of it would be made up.
#[test]
fn a_journal_that_cannot_be_read_is_given_up_by_name() {
    let world = kept();
    fs::write(world.path("state/journal/web"), "not a journal\nat all\n").unwrap();
    let (receipts, _) = history(&world);
    let accept = || world.with(&world.host(), Options::default(), |session| recover::accept(session, "web"));
    let report = accept();
    let Outcome::Recovered { what, .. } = &report.outcome else { panic!("{report:?}") };
    assert!(what.contains("could not be read") && what.contains("no receipt tells of it"), "{what}");
    assert_eq!(history(&world).0.len(), receipts.len());
    assert!(!world.path("state/journal/web").exists());
    assert!(matches!(accept().outcome, Outcome::Nothing { .. }));
}
