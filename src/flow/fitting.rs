//! `reseal schedule` and `reseal hook`: files that reseal places into the system for itself come, and go again.
//!
//! What a package or the administrator has put there is theirs: a file that is not what reseal has written, as the kept generations tell, is
//! neither replaced nor removed unasked.

pub mod fire;
mod ground;
pub mod last;
mod running;
pub mod show;
pub mod status;

use std::path::{Path, PathBuf};

use super::beside::{self, Made, Nothing, RESTORE, choose};
use super::{Refusal, Report, Session};
use crate::change::{Apply, Attributes, Command, Image, Probe, Role, Slot, Step};
use crate::engine::vault::Manifest;
use crate::fitting::{Act, Fitting, PlacedLink, Standing, systemd};
use crate::host::attributes::own;
use crate::host::state::State;
use crate::outcome::Outcome;
use crate::sensitive::Sensitive;
use ground::{Ground, Seen};

/// Places a fitting, or brings it up to date.
pub fn install(session: &mut Session<'_>, fitting: &Fitting) -> Vec<Report> {
    let verb = fitting.family().verb(Act::Install);
    let report = beside::carry_out(session, &fitting.target(), verb, &|session, _| {
        let ground = Ground::look(session, fitting)?;
        ground.can_be_placed(session)?;
        Ok(ground.install(session))
    });
    taken_up(session, fitting, report, true)
}

/// Takes out what a fitting has placed, and nothing else.
pub fn remove(session: &mut Session<'_>, fitting: &Fitting) -> Vec<Report> {
    let verb = fitting.family().verb(Act::Remove);
    let report = beside::carry_out(session, &fitting.target(), verb, &|session, _| {
        Ok(Ground::look(session, fitting)?.remove(session.options.force))
    });
    taken_up(session, fitting, report, false)
}

/// Puts generation `wanted` of a fitting back, or the newest one that is not in place.
pub(super) fn restore(session: &mut Session<'_>, fitting: &Fitting, wanted: Option<u32>) -> Report {
    let report = beside::carry_out(session, &fitting.target(), RESTORE, &|session: &Session<'_>, _: Option<&State>| {
        let ground = Ground::look(session, fitting)?;
        let put_back =
            |manifest: &Manifest, contents: &[Option<Sensitive>]| ground.put_back(session, manifest, contents);
        let first = format!("`reseal {} {fitting}` places it", fitting.family().verb(Act::Install));
        let (manifest, contents) = choose(session, &fitting.target(), wanted, &first, &put_back)?;
        put_back(&manifest, &contents)
    });
    let there = Ground::look(session, fitting).is_ok_and(|ground| ground.is_there());
    let mut reports = taken_up(session, fitting, report, there);
    // One verb, one report: what could not be started is what matters.
    reports.pop().unwrap_or_else(|| Report::new(&fitting.target(), Outcome::Planned))
}

/// Where the files are as they are to be, a running systemd starts what waits, or stops what is gone. That is no part of the transaction: what
/// is not started is started at the next boot, and `status` tells of it until then.
fn taken_up(session: &Session<'_>, fitting: &Fitting, report: Report, there: bool) -> Vec<Report> {
    let settled = matches!(report.outcome, Outcome::Committed { .. } | Outcome::Nothing { .. });
    if *fitting != Fitting::Systemd || !settled || session.options.dry_run {
        return vec![report];
    }
    match running::settle(session, there) {
        Ok(None) => vec![report],
        Ok(Some(done)) => {
            let mut report = report;
            report.notes.push(done);
            vec![report]
        }
        Err(refusal) => vec![report, Report::new(&fitting.target(), refusal.outcome())],
    }
}

impl Ground {
    fn install(&self, session: &Session<'_>) -> Result<Made, Nothing> {
        let force = session.options.force;
        let mut nothing = "all is in place already";
        let mut work = Work { notes: self.notes.clone(), ..Work::new(self, Doing::Install, force) };
        for (file, seen) in &self.files {
            match self.standing(file, seen) {
                Standing::AsRendered => work.slots.push(slot(&file.path)),
                Standing::Edited if !force => match self.lacks(session, file) {
                    Some(lacks) => {
                        work.notes.push(format!("{} {lacks}", file.path.display()));
                        nothing = "all but what you have edited is in place already";
                    }
                    None => work.leave(&file.path, "replaces"),
                },
                Standing::Missing | Standing::Outdated | Standing::Edited | Standing::Rights => {
                    work.put(&file.path, seen, Sensitive::from(file.content.clone()), own(file.mode));
                }
            }
        }
        for (path, seen) in &self.former {
            work.take(path, seen);
        }
        for link in self.links.iter().filter(|link| !link.there) {
            work.link(&link.link);
        }
        let why = if self.is_there() { "bring it up to date" } else { "asked for" };
        work.made(why, true, nothing)
    }

    fn remove(&self, force: bool) -> Result<Made, Nothing> {
        let mut work = Work::new(self, Doing::Remove, force);
        let files = self.files.iter().map(|(file, seen)| (&file.path, seen));
        for (path, seen) in files.chain(self.former.iter().map(|(path, seen)| (path, seen))) {
            work.take(path, seen);
        }
        for link in self.links.iter().filter(|link| link.is_link) {
            work.steps.push(Step::RemoveFile { path: link.link.path.clone() });
        }
        work.made("asked for", false, "nothing of it is there")
    }

    fn put_back(
        &self,
        session: &Session<'_>,
        manifest: &Manifest,
        contents: &[Option<Sensitive>],
    ) -> Result<Result<Made, Nothing>, Refusal> {
        let mut work = Work::new(self, Doing::Restore(manifest.generation), session.options.force);
        for (saved, content) in manifest.slots.iter().zip(contents) {
            let seen = self.seen(session, &saved.path)?;
            match (&saved.file, content) {
                (Some(file), _) if seen.digest == Some(file.sha256) => work.slots.push(slot(&saved.path)),
                (Some(file), Some(content)) => {
                    let content = Sensitive::from(content.expose().to_vec());
                    work.put(&saved.path, &seen, content, file.attributes.clone());
                }
                (Some(_) | None, _) => work.take(&saved.path, &seen),
            }
        }
        let kept = |path: &Path| manifest.slots.iter().any(|saved| saved.path == path);
        let since = self.files.iter().map(|(file, seen)| (&file.path, seen));
        for (path, seen) in since.chain(self.former.iter().map(|(path, seen)| (path, seen))) {
            if !kept(path) {
                work.take(path, seen);
            }
        }
        let there = manifest.slots.iter().any(|saved| saved.file.is_some());
        for link in &self.links {
            match (there, link.there, link.is_link) {
                (true, false, _) => work.link(&link.link),
                (false, _, true) => work.steps.push(Step::RemoveFile { path: link.link.path.clone() }),
                (true, true, _) | (false, _, false) => {}
            }
        }
        let why = format!("restore generation {}: asked for", manifest.generation);
        let nothing = format!("generation {} is in place already", manifest.generation);
        let made = work.made(&why, there, &nothing);
        Ok(made.map(|made| Made { repeats: Some(manifest.generation), ..made }))
    }
}

/// What is being done to a fitting.
#[derive(Clone, Copy)]
enum Doing {
    Install,
    Remove,
    /// With the generation that goes back.
    Restore(u32),
}

impl Doing {
    /// What is typed for it.
    fn typed(self, fitting: &Fitting) -> String {
        let family = fitting.family();
        match self {
            Self::Install => format!("reseal {} {fitting}", family.verb(Act::Install)),
            Self::Remove => format!("reseal {} {fitting}", family.verb(Act::Remove)),
            Self::Restore(generation) => format!("reseal {RESTORE} {} {generation}", fitting.target()),
        }
    }
}

/// Steps under way.
struct Work<'g> {
    ground: &'g Ground,
    doing: Doing,
    /// Whether a file that is not reseal's is changed as well.
    force: bool,
    slots: Vec<Slot>,
    steps: Vec<Step>,
    basis: beside::Basis,
    retire: Vec<PathBuf>,
    notes: Vec<String>,
}

fn slot(path: &Path) -> Slot {
    Slot { path: path.to_owned(), role: Role::Fitting }
}

impl<'g> Work<'g> {
    fn new(ground: &'g Ground, doing: Doing, force: bool) -> Self {
        let (slots, steps, basis, retire, notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { ground, doing, force, slots, steps, basis, retire, notes }
    }

    fn put(&mut self, path: &Path, seen: &Seen, content: Sensitive, attributes: Attributes) {
        if let (Some(dir), false) = (path.parent(), seen.has_dir) {
            self.make_dir(dir);
        }
        self.slots.push(slot(path));
        self.basis.push((path.to_owned(), seen.digest));
        self.steps.push(Step::PutFile {
            path: path.to_owned(),
            slot: path.to_owned(),
            role: Role::Fitting,
            content,
            attributes: Some(attributes),
        });
    }

    fn make_dir(&mut self, dir: &Path) {
        if self.ground.dirs.contains(dir) || self.steps.iter().any(|step| step.path() == dir) {
            return;
        }
        if let Some(above) = dir.parent().filter(|above| above.starts_with(&self.ground.site.root)) {
            self.make_dir(above);
        }
        self.steps.push(Step::MakeDir { path: dir.to_owned(), mode: 0o755 });
    }

    fn link(&mut self, link: &PlacedLink) {
        if let Some(dir) = link.path.parent() {
            self.make_dir(dir);
        }
        self.steps.push(Step::PutLink { path: link.path.clone(), to: link.to.clone() });
    }

    /// Removes what is to go, if it is what reseal has put there.
    fn take(&mut self, path: &Path, seen: &Seen) {
        if seen.digest.is_none() {
            return;
        }
        if !self.force && !self.ground.is_ours(path, seen) {
            return self.leave(path, "removes");
        }
        self.slots.push(slot(path));
        self.basis.push((path.to_owned(), seen.digest));
        self.steps.push(Step::RemoveFile { path: path.to_owned() });
        self.retire.extend(systemd::own_dir(path).filter(|dir| self.ground.dirs.contains(dir)));
    }

    /// Tells of a file that is not reseal's to change, and what the same command does to it when it must.
    fn leave(&mut self, path: &Path, does: &str) {
        self.notes.push(format!(
            "{} is not what reseal has put there, and is left as it is; `{} --force` {does} it (what is there is kept)",
            path.display(),
            self.doing.typed(&self.ground.fitting)
        ));
    }

    fn made(self, why: &str, there: bool, nothing: &str) -> Result<Made, Nothing> {
        let Self { ground, slots, steps, basis, retire, notes, .. } = self;
        if steps.is_empty() {
            return Err(Nothing { why: nothing.to_owned(), notes });
        }
        let (apply, probes) = ground.told(there);
        Ok(Made {
            slots,
            steps,
            basis,
            retire,
            apply,
            probes,
            why: why.to_owned(),
            notes,
            verify: 3_000,
            ..Made::default()
        })
    }
}

impl Ground {
    /// How the system hears of it, and what proves that it has.
    fn told(&self, there: bool) -> (Apply, Vec<Probe>) {
        if self.fitting != Fitting::Systemd || !self.site.running {
            return (Apply::default(), Vec::new());
        }
        let reload = Some(Command::new([running::SYSTEMCTL, "daemon-reload"]));
        let enabled = |(unit, _)| Probe::Command(Command::new([running::SYSTEMCTL, "--quiet", "is-enabled", unit]));
        let probes = if there { systemd::wanted().map(enabled).collect() } else { Vec::new() };
        (Apply { reload, ..Apply::default() }, probes)
    }
}

/// Whether a link or something else stands at a path.
fn stands(image: &Image) -> bool {
    *image != Image::Absent
}
