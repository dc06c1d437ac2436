//! One test for each fault that was found by reading and breaking the program, named for what went wrong.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use reseal::flow::{Options, adopt};
use reseal::host::watch::{Act, Watch};
use reseal::outcome::{Exit, Outcome};
use support::{World, pair};

/// The second file was absent and appeared between the last look and its rename: the first one stayed the new one, and the old one was
/// swept away.
#[test]
fn a_file_that_appears_late_does_not_leave_half_a_pair() {
    let world = World::new("");
    fs::remove_file(world.path("private/web.key")).unwrap();
    let before = fs::read_to_string(world.path("certs/web.pem")).unwrap();
    let inputs = world.bring(&pair(90));
    let key = world.path("private/web.key");
    let (late, at) = (key.clone(), key.clone());
    let watch = Watch::with(move |crossing| {
        if crossing.act == Act::Rename && crossing.path == at && !late.exists() {
            fs::write(&late, "somebody else's key\n").unwrap();
        }
        Ok(())
    });
    let report = world.install(&world.host().with_watch(watch), &inputs);
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{report:?}");
    assert_eq!(fs::read_to_string(world.path("certs/web.pem")).unwrap(), before);
    assert_eq!(fs::read_to_string(key).unwrap(), "somebody else's key\n");
    assert!(world.leftovers().is_empty() && world.recover(&world.host()).is_empty());
}

/// `adopt --undo` put plain files at the service's own paths, although these had been links, and removed what they led to.
#[test]
fn giving_back_leaves_links_of_others_as_they_were() {
    let world = World::new("");
    for (link, real) in [("certs/web.pem", "certs/real.pem"), ("private/web.key", "private/real.key")] {
        fs::rename(world.path(link), world.path(real)).unwrap();
        symlink(world.path(real).file_name().unwrap(), world.path(link)).unwrap();
    }
    let before = world.served();
    for undo in [false, true] {
        let report = world.with(&world.host(), Options::default(), |session| adopt::run(session, "web", undo));
        assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
        assert_eq!(world.served(), before);
    }
    assert!(fs::symlink_metadata(world.path("certs/web.pem")).unwrap().is_symlink());
    assert!(fs::symlink_metadata(world.path("private/real.key")).unwrap().is_file());
    assert!(!world.path("live/web").exists(), "nothing is left of the target's directory");
}

/// Where old and new bytes were the same, an undo took the new file for the old one, and owner and mode stayed the new ones.
#[test]
fn an_undo_restores_the_mode_of_bytes_that_did_not_change() {
    let world = World::new(
        "reload = [\"/bin/sh\", \"-c\", \"test ! -e FAIL\"]\n".replace("FAIL", "/dev/shm/reseal-test-fail").as_str(),
    );
    let inputs = world.bring(&pair(90));
    assert_eq!(world.install(&world.host(), &inputs).outcome.exit(), Exit::Good);
    let key = world.path("private/web.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    // The same pair once more, from the backup with its own mode; the certificate differs so that there is something to do.
    let old = fs::read(world.path("certs/web.pem")).unwrap();
    fs::write(world.path("certs/web.pem"), [&old[..], b"\n"].concat()).unwrap();
    fs::write("/dev/shm/reseal-test-fail", "").unwrap();
    let report = world.restore(&world.host(), Some(2), true);
    fs::remove_file("/dev/shm/reseal-test-fail").unwrap();
    assert!(matches!(report.outcome, Outcome::RolledBack { .. } | Outcome::Stuck { .. }), "{report:?}");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o400, "{report:?}");
}

/// One entry among the journals that cannot be read hid all the others, and the next install wrote into a pending journal.
#[test]
fn an_unreadable_journal_hides_no_other() {
    let world = World::new("");
    let inputs = world.bring(&pair(90));
    let dead = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let first = world.path("certs/web.pem");
    let watch = Watch::with(move |crossing| {
        if dead.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(rustix::io::Errno::IO.into());
        }
        dead.store(crossing.act == Act::Rename && crossing.path == first, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    });
    let before = world.served().unwrap();
    let _ = world.install(&world.host().with_watch(watch), &inputs);
    fs::create_dir(world.path("state/journal/zz")).unwrap();
    let reports = world.recover(&world.host());
    assert!(reports.iter().any(|report| matches!(report.outcome, Outcome::Stuck { .. })), "zz is told: {reports:?}");
    assert_eq!(world.served().unwrap(), before, "the other one was undone all the same");
}

/// Two names for one file: every install failed at its end, and blamed somebody else.
#[test]
fn two_names_for_one_file_are_refused_before_anything_is_touched() {
    let world = World::new("");
    fs::remove_file(world.path("private/web.key")).unwrap();
    symlink(world.path("certs/web.pem"), world.path("private/web.key")).unwrap();
    let before = fs::read(world.path("certs/web.pem")).unwrap();
    let report = world.install(&world.host(), &world.bring(&pair(90)));
    assert!(matches!(&report.outcome, Outcome::Refused { why, .. } if why.contains("one and the same")), "{report:?}");
    assert_eq!(fs::read(world.path("certs/web.pem")).unwrap(), before);
}

/// A link of the service's user led root to write over a file of somebody else.
#[test]
fn a_link_of_the_service_s_user_leads_to_its_own_files_alone() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let world = World::new("service_user = \"nobody\"\n");
    let nobody = world.host().user_id("nobody").unwrap();
    let victim = world.path("victim");
    fs::write(&victim, "not yours\n").unwrap();
    let link = world.path("private/web.key");
    fs::remove_file(&link).unwrap();
    symlink("../victim", &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(nobody), None).unwrap();
    std::os::unix::fs::chown(world.path("private"), Some(nobody), None).unwrap();
    let options = Options { force: true, ..Options::default() };
    let inputs = world.bring(&pair(90));
    let report = world.with(&world.host(), options, |session| reseal::flow::install::run(session, "web", &inputs));
    assert_eq!(report.outcome.exit(), Exit::Refused, "{report:?}");
    assert_eq!(fs::read_to_string(victim).unwrap(), "not yours\n");
}
