//! The service's own commands at the wrong moment: a reload that rewrites the files, or that fails when it matters.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use reseal::host::watch::Act;
use reseal::outcome::{Exit, Outcome};
use tempfile::TempDir;

use super::good;
use crate::support::{Faults, World, pair};

/// A target with a command that does this; `$ROOT` is where all lies.
fn with(setting: &str, script: &str) -> World {
    World::made_in(TempDir::new().unwrap(), |root| {
        program(&root.join("command"), root, script);
        format!("{setting} = [\"{}/command\"]\n", root.display())
    })
}

fn program(path: &Path, root: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\nROOT={}\n{script}\n", root.display())).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// An appliance makes its key anew whenever it is told something: the pair on disk is not the one that is served.
#[test]
fn one_that_writes_into_the_pair_is_seen_and_its_bytes_stay() {
    for (setting, script) in [
        ("reload", "echo foreign > $ROOT/private/web.key"),
        // Asked before the change, and for the proof.
        ("probe", "[ -e $ROOT/asked ] && echo foreign > $ROOT/private/web.key; touch $ROOT/asked"),
    ] {
        let world = with(setting, script);
        let report = world.install(&world.host(), &world.bring(&pair(90)));
        let Outcome::Stuck { why, .. } = &report.outcome else { panic!("{setting}: {report:?}") };
        let meanwhile = if setting == "reload" { "/command` ran" } else { "it was proved" };
        assert!(why.contains("web.key was changed while") && why.contains(meanwhile), "{setting}: {why}");
        assert_eq!(world.served().unwrap().1, "foreign\n", "{setting}");
    }
}

/// Killed in its reload, the service may have the new pair. Where nobody can be asked, only a reload that works gives it the old one.
#[test]
fn a_reload_that_fails_in_an_undo_is_told_where_nobody_can_be_asked() {
    let world = with("reload", "[ ! -e $ROOT/broken ]");
    world.put(&pair(30));
    let before = world.served();
    let dead = AtomicBool::new(false);
    let (_, watch) = Faults::when(
        move |_, crossing| {
            let was = dead.load(Ordering::SeqCst);
            dead.store(was || (crossing.act == Act::Run && crossing.path.ends_with("command")), Ordering::SeqCst);
            was
        },
        rustix::io::Errno::IO,
    );
    let _ = world.install(&world.host().with_watch(watch), &world.bring(&pair(90)));
    fs::write(world.path("broken"), "").unwrap();
    let reports = world.recover(&world.host());
    assert_eq!(reports[0].exit(), Exit::Findings, "{reports:?}");
    let [told] = reports[0].hooks_failed.as_slice() else { panic!("{reports:?}") };
    assert!(told.contains("the service may have the new pair still") && told.contains("exited with 1"), "{told}");
    assert_eq!(world.served(), before);
    assert!(world.recover(&world.host()).is_empty());
}

/// One that has failed before its undo has told the service nothing.
#[test]
fn a_reload_that_always_fails_is_told_once() {
    let world = with("reload", "exit 1");
    let before = world.served();
    let report = world.install(&world.host(), &world.bring(&pair(90)));
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }) && report.hooks_failed.is_empty(), "{report:?}");
    assert_eq!(world.served(), before);
    assert!(world.recover(&world.host()).is_empty());
    let world = with("reload", "exit 0");
    good(&world.install(&world.host(), &world.bring(&pair(90))));
}
