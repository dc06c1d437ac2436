//! Too little room, and programs that must not run.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use reseal::host::watch::{Act, Watch};
use reseal::outcome::{Exit, Outcome};

use super::places::Mount;
use super::{good, installed, refused, system};
use crate::support::{World, pair, root};

/// A small file system at one of the places, filled up.
fn filled(place: &str, options: &str, fill: fn(&std::path::Path)) -> Option<(World, Mount)> {
    let world = World::new("");
    fs::create_dir_all(world.path(place)).unwrap();
    let mount = Mount::new(&["-t", "tmpfs", "-o", options, "none"], &world.path(place))?;
    fs::set_permissions(world.path(place), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    if place != "state" {
        world.put(&pair(30));
    }
    fill(&world.path(place));
    Some((world, mount))
}

fn with_bytes(dir: &std::path::Path) {
    let all = vec![0; 1 << 20];
    let _ = std::io::Write::write_all(&mut fs::File::create(dir.join("full")).unwrap(), &all);
}

fn with_inodes(dir: &std::path::Path) {
    let made = (0..100).take_while(|number| fs::write(dir.join(number.to_string()), "").is_ok()).count();
    assert!(made < 100);
}

#[test]
fn a_full_disk_is_seen_before_the_first_change() {
    for place in ["certs", "private", "state"] {
        let Some((world, _mount)) = filled(place, "size=64k", with_bytes) else { return };
        // Without room for its lock, reseal does not even begin.
        let words = |missing| if place == "state" { "No space left" } else { missing };
        refused(&world, &world.host(), &[words("KiB must be free"), place]);
        let Some((world, _mount)) = filled(place, "size=1m,nr_inodes=10", with_inodes) else { return };
        refused(&world, &world.host(), &[words("inodes must be free"), place]);
    }
}

/// Over file systems of every size from too small to enough: refused or done, never something between.
#[test]
fn on_the_edge_of_room_it_is_all_or_nothing() {
    for (place, sizes) in [("state", 16..160), ("private", 4..24)] {
        let (mut refusals, mut installs) = (0, 0);
        for kilobytes in sizes.step_by(4) {
            let at = format!("{kilobytes} KiB for {place}");
            let Some((world, _mount)) = filled(place, &format!("size={kilobytes}k"), |_| {}) else { return };
            let (before, new) = (world.served(), pair(90));
            let report = world.install(&world.host(), &world.bring(&new));
            if report.outcome.exit() == Exit::Good {
                installs += 1;
                assert_eq!(world.served().unwrap().0, new.certificate);
            } else {
                refusals += 1;
                assert!(matches!(report.outcome, Outcome::Refused { .. }), "{at}: {report:?}");
                assert_eq!(world.served(), before, "{at}");
            }
            assert!(world.leftovers().is_empty(), "{at}");
            assert!(world.recover(&world.host()).is_empty(), "{at}: something is left to recover");
        }
        assert!(refusals > 0 && installs > 0, "{place}: {refusals} refused, {installs} installed");
    }
}

/// What was displaced goes back by renaming, so an interrupted change is undone on a disk without a byte left; only that it was
/// cannot be recorded before there is some room again.
#[test]
fn undo_needs_no_room() {
    for place in ["state", "certs", "private"] {
        let Some((world, _mount)) = filled(place, "size=512k", |_| {}) else { return };
        let before = world.served();
        let inputs = world.bring(&pair(90));
        // Both places hold the new when it stops.
        let renames = AtomicUsize::new(0);
        let watch = Watch::with(move |crossing| {
            let published = crossing.act == Act::Rename && crossing.path.to_string_lossy().contains("/web.");
            if renames.fetch_add(usize::from(published), Ordering::SeqCst) >= 2 {
                return Err(rustix::io::Errno::IO.into());
            }
            Ok(())
        });
        let _ = world.install(&world.host().with_watch(watch), &inputs);
        assert_ne!(world.served(), before, "{place}: it was not interrupted where it was to be");
        with_bytes(&world.path(place));
        let reports = world.recover(&world.host());
        assert_eq!(world.served(), before, "{place}: {reports:?}");
        fs::remove_file(world.path(place).join("full")).unwrap();
        let reports = world.recover(&world.host());
        assert!(reports.iter().all(|report| report.outcome.exit() == Exit::Good), "{place}: {reports:?}");
        assert!(world.leftovers().is_empty() && world.recover(&world.host()).is_empty(), "{place}");
        assert_eq!(world.served(), before, "{place}");
    }
}

#[test]
fn a_demanded_reserve_is_kept() {
    let world = World::new("[target.policy]\nmin_free_mb = 1048576\n");
    refused(&world, &world.host(), &["1073741824 KiB must be free"]);
    installed(&World::new("[target.policy]\nmin_free_mb = 1\n"));
}

#[test]
fn a_program_that_must_not_run_blocks() {
    let world = World::new("[target.policy]\nmust_not_run = [\"no-such-console\", \"fiscal-printer-gui\"]\n");
    // Longer than the 15 bytes of a name that the kernel keeps.
    let program = world.path("fiscal-printer-gui");
    fs::copy("/bin/sleep", &program).unwrap();
    let started = std::process::Command::new(&program).arg("60").spawn();
    let Ok(mut child) = started else {
        println!("skipped: needs a temporary directory that programs can run in");
        return;
    };
    let outcome =
        std::panic::catch_unwind(|| refused(&world, &world.host(), &["fiscal-printer-gui is running", "web"]));
    child.kill().unwrap();
    child.wait().unwrap();
    outcome.unwrap();
    installed(&world);
    good(&world.restore(&world.host(), Some(1), false));
}

/// Whoever starts the program may have set both: signals that would end it, or take the end of its children away.
#[test]
fn signals_that_were_set_by_whoever_started_it_harm_nothing() {
    let world = World::new("reload = [\"/bin/true\"]\n");
    let old = world.served();
    let new = pair(90);
    let files: Vec<String> = world.bring(&new).iter().map(|path| path.display().to_string()).collect();
    let words = ["install", "web", "--cert", &files[0], "--key", &files[1]];
    let run = |before: &str| {
        let mut program = world.program(&words);
        let arguments: Vec<std::ffi::OsString> =
            std::iter::once(program.get_program()).chain(program.get_args()).map(Into::into).collect();
        program = std::process::Command::new("/bin/sh");
        program.arg("-c").arg(format!("{before}; exec \"$@\"")).arg("sh").args(arguments);
        program.output().unwrap()
    };
    // One block: less than the files that are kept.
    let full = run("ulimit -f 1");
    let said = String::from_utf8_lossy(&full.stderr).into_owned();
    assert!(full.status.code().is_some_and(|code| code == 4 || code == 5), "{:?}: {said}", full.status);
    assert!(said.contains("File too large"), "{said}");
    assert_eq!(world.served(), old);
    let ignored = run("trap '' CHLD");
    assert!(ignored.status.success(), "{}", String::from_utf8_lossy(&ignored.stderr));
    assert_eq!(world.served().unwrap().0, new.certificate);
}

/// `postfix reload`, `pg_ctl`, `setpriv`: what works by hand works in the night, with what the shipped units leave of root's rights.
#[test]
fn a_reload_may_go_on_as_the_services_user_within_the_shipped_units() {
    if !root() || !system("setpriv", &[&"--version"]) {
        return;
    }
    for unit in [
        include_str!("../../packaging/systemd/reseal-renew.service"),
        include_str!("../../packaging/systemd/reseal-post-upgrade.service"),
    ] {
        let kept = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).unwrap();
        let kept: Vec<String> = kept.split(' ').map(|one| one.to_lowercase().replacen("cap_", "+", 1)).collect();
        assert!(unit.contains("\nNoNewPrivileges=yes\n") && kept.len() > 3, "{kept:?}");
        let become_it = "\"/usr/bin/setpriv\", \"--reuid=1\", \"--regid=1\", \"--clear-groups\", \"/bin/true\"";
        let world = World::new(&format!("reload = [{become_it}]\n"));
        let files: Vec<String> = world.bring(&pair(90)).iter().map(|path| path.display().to_string()).collect();
        let program = world.program(&["install", "web", "--cert", &files[0], "--key", &files[1]]);
        let ran = std::process::Command::new("setpriv")
            .args(["--no-new-privs", &format!("--bounding-set=-all,{}", kept.join(",")), "--inh-caps=-all"])
            .arg(program.get_program())
            .args(program.get_args())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}
