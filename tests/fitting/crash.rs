//! Broken at every call that changes the disk: after `recover` all files and links of a fitting are there, or none.

use std::fs;
use std::path::Path;

use reseal::engine::When;
use reseal::fitting::Fitting;
use reseal::flow::fitting::{install, remove};
use reseal::flow::{Options, Report, Session, recover, restore};
use reseal::host::Host;
use reseal::host::watch::Watch;

#[path = "../support/mod.rs"]
mod support;
use support::{Faults, World};

struct Scene {
    name: &'static str,
    prepared: &'static [fn(&mut Session<'_>) -> Vec<Report>],
    act: fn(&mut Session<'_>) -> Vec<Report>,
}

const SCENES: &[Scene] = &[
    Scene { name: "install", prepared: &[], act: placed },
    Scene { name: "remove", prepared: &[placed], act: taken },
    Scene { name: "restore", prepared: &[placed, taken], act: back },
];

fn placed(session: &mut Session<'_>) -> Vec<Report> {
    install(session, &Fitting::Systemd)
}

fn taken(session: &mut Session<'_>) -> Vec<Report> {
    remove(session, &Fitting::Systemd)
}

fn back(session: &mut Session<'_>) -> Vec<Report> {
    vec![restore::run(session, "schedule:systemd", Some(2))]
}

fn world(scene: &Scene) -> World {
    let world = World::new("");
    for dir in ["sys/usr/lib/systemd", "sys/etc/systemd/system"] {
        fs::create_dir_all(world.path(dir)).unwrap();
    }
    fs::write(world.path("sys/usr/lib/systemd/systemd"), "").unwrap();
    for act in scene.prepared {
        with(&world, Watch::default(), |session| drop(act(session)));
    }
    world
}

fn with<T>(world: &World, watch: Watch, act: impl FnOnce(&mut Session<'_>) -> T) -> T {
    let host = Host::new(world.path("state")).with_watch(watch);
    let options = Options { root: Some(world.path("sys")), ..Options::default() };
    world.with(&host, options, act)
}

fn recovered(world: &World, watch: Watch) -> Vec<Report> {
    with(world, watch, |session| recover::run(session, None, When::Running))
}

/// Whether it is there: wholly, or not at all.
fn there(world: &World, place: &str) -> bool {
    let mut found = Vec::new();
    let mut waiting = vec![world.path("sys/etc/systemd/system")];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                waiting.push(path);
            } else {
                found.push(path);
            }
        }
    }
    let strays: Vec<_> = found.iter().filter(|path| is_stray(path)).collect();
    assert!(strays.is_empty(), "{place}: {strays:?}");
    // Seven units, three drop-ins and four links.
    assert!(found.is_empty() || found.len() == 14, "{place}: {found:?}");
    !found.is_empty()
}

fn is_stray(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".reseal-"))
}

#[test]
fn killed_at_every_call_all_is_there_or_nothing() {
    for scene in SCENES {
        let first = world(scene);
        let (faults, watch) = Faults::never();
        with(&first, watch, |session| drop((scene.act)(session)));
        let calls = faults.seen();
        assert!(calls > 40, "{}: only {calls} calls", scene.name);
        let mut ends = [0, 0];
        for at in 1..=calls + 1 {
            let world = world(scene);
            let (_, watch) = Faults::dead_from(at);
            with(&world, watch, |session| drop((scene.act)(session)));
            let place = format!("{} killed at {at} of {calls}", scene.name);
            // The recovery is killed as well, in its midst.
            let (_, watch) = Faults::dead_from(1 + at % 7);
            let _ = recovered(&world, watch);
            let reports = recovered(&world, Watch::default());
            assert!(reports.iter().all(|report| report.outcome.exit().code() == 0), "{place}: {reports:?}");
            ends[usize::from(there(&world, &place))] += 1;
            // And it can be done after all.
            let reports = with(&world, Watch::default(), |session| (scene.act)(session));
            assert!(reports.iter().all(|report| report.outcome.exit().code() == 0), "{place}: {reports:?}");
            assert_eq!(there(&world, &place), scene.name != "remove", "{place}");
        }
        assert!(ends[0] > 0 && ends[1] > 0, "{}: {ends:?}: the kill did not reach both sides", scene.name);
    }
}

#[test]
fn every_call_that_fails_once_is_told_and_leaves_no_half() {
    let scene = &SCENES[0];
    let first = world(scene);
    let (faults, watch) = Faults::never();
    with(&first, watch, |session| drop((scene.act)(session)));
    for at in 1..=faults.seen() {
        let world = world(scene);
        let (_, watch) = Faults::once(at, rustix::io::Errno::NOSPC);
        let reports = with(&world, watch, |session| (scene.act)(session));
        let place = format!("ENOSPC at {at}");
        assert!(reports.iter().any(|report| report.outcome.exit().code() != 0), "{place} was swallowed: {reports:?}");
        let reports = recovered(&world, Watch::default());
        assert!(reports.iter().all(|report| report.outcome.exit().code() == 0), "{place}: {reports:?}");
        there(&world, &place);
    }
}
