//! What the hooks of package managers call, and what catches up on it.
//!
//! ```text
//! STATE/upgrade/begun    an upgrade that reaches a target has begun; what was there before it is kept
//! STATE/upgrade/ended    it has ended, and nobody has looked at it yet
//! STATE/upgrade/taken    somebody is looking
//! ```
//!
//! A mark is an empty file: to set one that is set already is no error, so that two hooks at once do no harm. It is quick, asks nothing, and
//! fails no upgrade: what it could not do is told, and the next scheduled run does it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::running;
use crate::change::{Command, Image};
use crate::config::{NginxConfig, TargetConfig, TargetKind};
use crate::engine::vault::Vault;
use crate::fitting::packages::{INFO, Reach, reached};
use crate::fitting::systemd::POST_UPGRADE;
use crate::flow::post_upgrade::{self, Limits};
use crate::flow::{Refusal, Report, Session, snapshot};
use crate::host::attributes::own;
use crate::host::dir::Dir;
use crate::host::local_log::{Log, Priority};
use crate::host::process;
use crate::host::state::State;
use crate::outcome::Outcome;
use crate::sensitive::Sensitive;

const AREA: &str = "upgrade";
const BEGUN: &str = "begun";
const ENDED: &str = "ended";
const TAKEN: &str = "taken";

/// How long a hook waits for another reseal at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the system's log listens; systemd's journal does, too.
const SYSLOG: &str = "/dev/log";

/// What writes the files of packages, while it does.
const MANAGERS: &[&str] = &["dpkg", "rpm", "dnf", "dnf5", "yum", "zypper"];

/// How long is waited for them at most.
const AT_WORK: Duration = Duration::from_mins(10);

/// What the name of a report is that is about no target.
const NAME: &str = "hook";

/// Before an upgrade of these archives, or of who knows what: keeps what is there of the targets that it reaches.
pub fn before(session: &mut Session<'_>, archives: Option<&str>) -> Vec<Report> {
    let names = meant(session, archives);
    if names.is_empty() || session.options.dry_run {
        return Vec::new();
    }
    // One that was broken off, and is begun again.
    let unseen = is_unseen(session).unwrap_or(true);
    // First: what is after the upgrade has to know of it, whatever becomes of the rest.
    let marked = State::open_or_make(session.host).map_err(Refusal::from).and_then(|state| set(&state, BEGUN));
    let wait = session.options.wait;
    session.options.wait = if wait.is_zero() { PATIENCE } else { wait.min(PATIENCE) };
    session.options.secrets.may_prompt = false;
    let mut reports = snapshot::keep(session, &names, unseen).unwrap_or_else(|refusal| vec![told(refusal)]);
    reports.extend(marked.err().map(told));
    noted(session.host.now(), &reports);
    reports
}

/// After an upgrade: sets a mark, and has the service started that looks at what has become of the targets. With `begun`, only after one that
/// has begun to reach a target.
#[must_use]
pub fn after(session: &Session<'_>, begun: bool) -> Vec<Report> {
    if session.options.dry_run {
        return Vec::new();
    }
    let mut reports = Vec::new();
    match ended(session, begun) {
        Ok(true) => {}
        Ok(false) => return reports,
        Err(refusal) => reports.push(told(refusal)),
    }
    if running::is_running(session) {
        let command =
            Command { timeout: 15, ..Command::new([running::SYSTEMCTL, "--no-block", "start", POST_UPGRADE]) };
        let ran = session.host.run(&command);
        if !ran.ok() {
            let refusal = Refusal::new(format!("`{command}` {ran}"));
            reports.push(told(refusal.hint("`reseal post-upgrade` does it now; else the next scheduled run does")));
        }
    }
    noted(session.host.now(), &reports);
    reports
}

/// Sets the mark; whether there is anything to do.
fn ended(session: &Session<'_>, begun: bool) -> Result<bool, Refusal> {
    if begun {
        let Some(area) = area(session)? else { return Ok(false) };
        return renamed(&area, BEGUN, ENDED);
    }
    if session.config.targets.is_empty() && State::open(session.host)?.is_none() {
        return Ok(false);
    }
    set(&State::open_or_make(session.host)?, ENDED)?;
    Ok(true)
}

/// The targets that an upgrade of these archives reaches.
fn meant(session: &Session<'_>, archives: Option<&str>) -> Vec<String> {
    let targets = &session.config.targets;
    let reached = match archives {
        None => vec![true; targets.len()],
        Some(archives) => {
            let state = State::open(session.host).ok().flatten();
            let kept = |target| if is_told(target) { Vec::new() } else { kept(state.as_ref(), target) };
            let kept: Vec<Vec<PathBuf>> = targets.iter().map(kept).collect();
            let reaches: Vec<Reach> = targets.iter().zip(&kept).map(|(target, kept)| reach(target, kept)).collect();
            let reached = reached(session.host, Path::new(INFO), archives, &reaches);
            // Of what nobody has kept anything, only the service itself knows where it lies: the first upgrade is one too many, not too few.
            let unknown = targets.iter().zip(&kept).map(|(target, kept)| kept.is_empty() && !is_told(target));
            reached.into_iter().zip(unknown).map(|(reached, unknown)| reached || unknown).collect()
        }
    };
    let meant = targets.iter().zip(reached).filter(|(_, reached)| *reached);
    meant.map(|(target, _)| target.name.clone()).collect()
}

/// Whether its configuration says where its files are.
fn is_told(target: &TargetConfig) -> bool {
    match &target.kind {
        TargetKind::Files(_) => true,
        TargetKind::Nginx(nginx) => nginx.certificate.is_some(),
    }
}

/// Where the files of a target were when they were kept last.
fn kept(state: Option<&State>, target: &TargetConfig) -> Vec<PathBuf> {
    let newest = || {
        let vault = Vault::open(state?, &target.name).ok()??;
        // A number may be that of an attempt that came to nothing.
        let current = vault.current().ok().flatten();
        let mut numbers = current.into_iter().chain(vault.numbers().ok()?.into_iter().rev());
        numbers.find_map(|number| vault.manifest(number).ok())
    };
    let slots = newest().map(|manifest| manifest.slots).unwrap_or_default();
    slots.into_iter().flat_map(|saved| [Some(saved.path), saved.real]).flatten().collect()
}

/// What a target's service is made of, as its configuration and the records tell it: nothing is asked, for a hook has no time.
fn reach(target: &TargetConfig, kept: &[PathBuf]) -> Reach {
    let mut reach = Reach::default();
    for path in kept {
        reach.file(path);
    }
    match &target.kind {
        TargetKind::Files(files) => files.slots().iter().for_each(|slot| reach.file(&slot.path)),
        TargetKind::Nginx(nginx) => {
            reach.program(&nginx.binary);
            let usual = (nginx.binary == Path::new(NginxConfig::BINARY)).then(|| Path::new("/etc/nginx/nginx.conf"));
            nginx.conf.as_deref().or(usual).into_iter().for_each(|conf| reach.file(conf));
            nginx.certificate.iter().for_each(|path| reach.file(path));
        }
    }
    let apply = &target.apply;
    let commands = [&apply.check, &apply.reload, &apply.restart, &target.probe];
    commands.into_iter().flatten().for_each(|command| reach.command(command));
    reach
}

/// Whether a hook has told of an upgrade that nobody has looked at yet.
///
/// # Errors
/// reseal's own directory cannot be used.
pub fn pending(session: &Session<'_>) -> Result<bool, Refusal> {
    let Some(area) = area(session)? else { return Ok(false) };
    Ok(has(&area, ENDED)? || has(&area, TAKEN)? || (has(&area, BEGUN)? && !at_work()))
}

/// Whether an upgrade has begun, by itself or a while ago, that nobody has looked at yet.
///
/// # Errors
/// reseal's own directory cannot be used.
pub(in crate::flow) fn is_unseen(session: &Session<'_>) -> Result<bool, Refusal> {
    let Some(area) = area(session)? else { return Ok(false) };
    Ok(has(&area, BEGUN)? || has(&area, ENDED)? || has(&area, TAKEN)?)
}

/// `post-upgrade`, and the marks of hooks with it: what was told of is looked at, and stays told of where something is in the way.
///
/// # Errors
/// A name that no target has, or reseal's own directory cannot be used.
pub fn post_upgrade(session: &mut Session<'_>, names: &[String], limits: Limits) -> Result<Vec<Report>, Refusal> {
    let all = names.is_empty() && !session.options.dry_run;
    let area = if all { area(session)? } else { None };
    if let Some(area) = &area {
        // An upgrade that ends while this one is looked at sets the mark anew.
        renamed(area, ENDED, TAKEN)?;
        if !at_work() {
            renamed(area, BEGUN, TAKEN)?;
        }
    }
    let reports = post_upgrade::run(session, names, limits)?;
    let in_the_way = |report: &Report| !report.outcome.exit().is_good_run();
    if let Some(area) = area.filter(|_| session.host.interrupted().is_none() && !reports.iter().any(in_the_way))
        && has(&area, TAKEN)?
    {
        area.unlink(OsStr::new(TAKEN))?;
        area.sync()?;
    }
    Ok(reports)
}

/// Waits until no package manager is at work: nothing is replaced within its run.
pub fn wait_for_packages(session: &Session<'_>) {
    let began = Instant::now();
    while at_work() && began.elapsed() < AT_WORK && session.host.interrupted().is_none() {
        thread::sleep(Duration::from_millis(500));
    }
}

fn at_work() -> bool {
    let names: Vec<String> = MANAGERS.iter().map(|name| (*name).to_owned()).collect();
    !process::running_as_root(&names).is_empty()
}

fn area(session: &Session<'_>) -> Result<Option<Dir>, Refusal> {
    match State::open(session.host)? {
        Some(state) => Ok(state.existing_area(AREA)?),
        None => Ok(None),
    }
}

fn has(area: &Dir, name: &str) -> Result<bool, Refusal> {
    Ok(area.look(OsStr::new(name))?.image != Image::Absent)
}

fn set(state: &State, name: &str) -> Result<(), Refusal> {
    let area = state.area(AREA)?;
    if has(&area, name)? {
        return Ok(());
    }
    match area.stage(OsStr::new(name), &Sensitive::from(Vec::new()), &own(0o600)) {
        // Another hook was quicker.
        Err(error) if error.source.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => Ok(other.and_then(|()| area.sync())?),
    }
}

/// Gives a mark another name; whether it was there.
fn renamed(area: &Dir, from: &str, to: &str) -> Result<bool, Refusal> {
    match area.rename_over(OsStr::new(from), OsStr::new(to)) {
        Err(error) if error.is_absent() => Ok(false),
        other => {
            other.and_then(|()| area.sync())?;
            Ok(true)
        }
    }
}

fn told(refusal: Refusal) -> Report {
    Report::new(NAME, refusal.outcome())
}

/// In the system's log as well: what a package manager shows is seldom read. A log that takes nothing is asked no more, and nothing is said
/// of it, for all of it is told elsewhere, too.
fn noted(at: OffsetDateTime, reports: &[Report]) {
    let Ok(log) = Log::open(Path::new(SYSLOG)) else { return };
    for report in reports {
        let why = match &report.outcome {
            Outcome::Refused { why, .. } | Outcome::Stuck { why, .. } | Outcome::RolledBack { why, .. } => why.clone(),
            Outcome::Busy { holder } => format!("another reseal is at work: {holder}"),
            Outcome::Nothing { .. }
            | Outcome::Planned
            | Outcome::Committed { .. }
            | Outcome::Recovered { .. }
            | Outcome::Pruned { .. }
            | Outcome::Retired { .. }
            | Outcome::Staged { .. }
            | Outcome::Dropped { .. }
            | Outcome::Remembered { .. }
            | Outcome::Reported { .. }
            | Outcome::Waiting { .. } => continue,
        };
        if log.any_line(Priority::Warning, at, &format!("{}: {why}", report.target)).is_err() {
            return;
        }
    }
}
