//! `schedule status` and `hook status`: what is in place, what systemd says of it, and how the last run has ended.

use std::path::{Path, PathBuf};

use serde::Serialize;
use time::Duration;

use super::ground::{self, Ground};
use super::last::LastRun;
use super::running::{self, UnitView};
use crate::engine::vault;
use crate::fitting::systemd::WAITING;
use crate::fitting::{Act, Family, Fitting, Standing, cron};
use crate::flow::{Refusal, Session};
use crate::host::dir::MAX_FILE;
use crate::host::process;
use crate::host::state::State;

/// A success that is older is none any more: what starts daily has failed to three times.
const OLD: Duration = Duration::days(3);

/// How a fitting stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FittingView {
    /// Its name: `schedule:systemd`, `hook:apt`, ...
    pub name: String,
    /// Whether anything of it is in place; none where it could not be looked at.
    pub installed: Option<bool>,
    /// Its files.
    pub files: Vec<FileView>,
    /// When cron starts it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<String>,
    /// What a running systemd says of the units.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<UnitView>,
    /// How the last scheduled run has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// What somebody should see to, with what to type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<String>,
    /// Worth a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How a file stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FileView {
    /// The file.
    pub path: PathBuf,
    /// `in-place`, `missing`, `outdated`, `edited` or `rights`.
    pub state: &'static str,
}

/// The fittings of a family that are placed here, or that would be.
///
/// # Errors
/// reseal's own directory cannot be used.
pub fn usual(session: &Session<'_>, family: Family) -> Result<Vec<Fitting>, Refusal> {
    let root = session.options.root.clone().unwrap_or_else(|| PathBuf::from("/"));
    let is_folder = |path: &str| session.host.is_folder(&root.join(path));
    let exists = |path: &str| session.host.exists(&root.join(path));
    let systemd = running::is_running(session) || exists("usr/lib/systemd/systemd") || exists("lib/systemd/systemd");
    let mut all = match family {
        Family::Schedule if systemd => vec![Fitting::Systemd],
        Family::Schedule if is_folder("etc/cron.d") => vec![Fitting::Cron],
        Family::Hook if is_folder("etc/apt") => vec![Fitting::Apt],
        Family::Hook if is_folder("etc/dnf") => vec![Fitting::Dnf],
        Family::Schedule | Family::Hook => Vec::new(),
    };
    for fitting in known(session)? {
        if fitting.family() == family && !all.contains(&fitting) {
            all.push(fitting);
        }
    }
    Ok(all)
}

/// The fittings that reseal has placed here at any time.
fn known(session: &Session<'_>) -> Result<Vec<Fitting>, Refusal> {
    let Some(state) = State::open(session.host)? else { return Ok(Vec::new()) };
    let mut known: Vec<Fitting> =
        vault::targets(&state)?.iter().filter_map(|name| Fitting::of_file_name(name)).collect();
    known.sort();
    Ok(known)
}

/// How these stand.
///
/// # Errors
/// What is there cannot be looked at.
pub fn status(session: &Session<'_>, fittings: &[Fitting]) -> Result<Vec<FittingView>, Refusal> {
    let mut views = Vec::new();
    for fitting in fittings {
        views.push(view(session, fitting)?);
    }
    if let (Some(fitting), Some(first)) = (fittings.first(), views.first_mut())
        && first.installed == Some(false)
        && !has_any(session, fitting.family())?
    {
        let install = install(fitting);
        match fitting.family() {
            Family::Schedule => first.attention.push(format!("nothing starts reseal by itself here: {install}")),
            // Who has a timer need not have these as well.
            Family::Hook => first.notes.push(format!("nobody tells reseal of upgrades here: {install}")),
        }
    }
    Ok(views)
}

/// Whether anything of a family is in place, or may be.
fn has_any(session: &Session<'_>, family: Family) -> Result<bool, Refusal> {
    for fitting in usual(session, family)? {
        if view(session, &fitting)?.installed != Some(false) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is typed to have a fitting placed.
fn install(fitting: &Fitting) -> String {
    format!("`reseal {} {fitting}`", fitting.family().verb(Act::Install))
}

/// How what reseal or its package has placed here stands: for `status`, which is about targets.
///
/// # Errors
/// As [`status`].
pub fn of_placed(session: &Session<'_>) -> Result<Vec<FittingView>, Refusal> {
    let mut views = Vec::new();
    let mut placed = known(session)?;
    if !placed.contains(&Fitting::Systemd) && ground::has_enabled_units(session) {
        placed.push(Fitting::Systemd);
    }
    for fitting in placed {
        let view = view(session, &fitting)?;
        if view.installed != Some(false) {
            views.push(view);
        }
    }
    Ok(views)
}

fn view(session: &Session<'_>, fitting: &Fitting) -> Result<FittingView, Refusal> {
    let ground = match Ground::look(session, fitting) {
        Ok(ground) => ground,
        Err(refusal) => return Ok(unseen(fitting, &refusal)),
    };
    let there = ground.is_there();
    let mut view = FittingView {
        name: fitting.target(),
        installed: Some(there),
        files: Vec::new(),
        starts: None,
        units: Vec::new(),
        last_run: None,
        attention: Vec::new(),
        notes: ground.notes.clone(),
    };
    let install = install(fitting);
    for (file, seen) in &ground.files {
        let standing = ground.standing(file, seen);
        view.files.push(FileView { path: file.path.clone(), state: standing.word() });
        let path = file.path.display();
        // What is somebody else's text is not for reseal to give other rights.
        let mend = if standing == Standing::Edited {
            format!("`chown root {path}; chmod {:o} {path}`", file.mode)
        } else {
            install.clone()
        };
        view.attention.extend(ground.wrong(file, seen).iter().map(|wrong| format!("{path} {wrong}: {mend}")));
        match standing {
            Standing::AsRendered | Standing::Rights => {}
            Standing::Missing if there => view.attention.push(format!("{path} is missing: {install}")),
            Standing::Missing => {}
            Standing::Outdated => view
                .attention
                .push(format!("{path} was written for another configuration, or by another release: {install}")),
            Standing::Edited => match ground.lacks(session, file) {
                Some(lacks) => view.attention.push(format!("{path} {lacks}")),
                None => view.notes.push(format!("{path} is not what reseal has put there, and is left as it is")),
            },
        }
    }
    for (path, _) in ground.former.iter().filter(|(path, seen)| ground.is_ours(path, seen)) {
        view.attention.push(format!("{} is not needed any more: {install}", path.display()));
    }
    for link in ground.links.iter().filter(|link| !link.there && there) {
        let name = link.link.path.file_name().unwrap_or_default().to_string_lossy();
        view.attention.push(format!("{name} is not enabled: {install}"));
    }
    if *fitting == Fitting::Cron && there {
        let text = ground.files.first().and_then(|(file, _)| session.host.read(&file.path, MAX_FILE).ok());
        view.starts = text.and_then(|text| cron::when(&String::from_utf8_lossy(&text)));
    }
    match fitting {
        Fitting::Systemd => systemd(session, there, &mut view),
        Fitting::Cron if there && process::running(&["cron".to_owned(), "crond".to_owned()]).is_empty() => {
            view.attention.push("cron does not run: nothing is started until it does".to_owned());
        }
        Fitting::Cron | Fitting::Apt | Fitting::Dnf | Fitting::Directory(_) => {}
    }
    if fitting.family() == Family::Schedule && there {
        view.last_run = LastRun::read(session)?;
        if let Some(last) = view.last_run {
            let now = session.host.now();
            let old = last.success.is_none_or(|success| now - success > OLD);
            if old {
                let since =
                    last.success.map_or("never".to_owned(), |at| format!("{} days ago", (now - at).whole_days()));
                view.attention.push(format!(
                    "the last scheduled run that did its work was {since}; the last one ended with {}: `reseal maintain` shows why",
                    last.exit
                ));
            }
        }
    }
    Ok(view)
}

/// One that cannot be looked at: masked, or in other hands.
fn unseen(fitting: &Fitting, refusal: &Refusal) -> FittingView {
    let hint = refusal.hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default();
    FittingView {
        name: fitting.target(),
        installed: None,
        files: Vec::new(),
        starts: None,
        units: Vec::new(),
        last_run: None,
        attention: vec![format!("{}{hint}", refusal.why)],
        notes: Vec::new(),
    }
}

fn systemd(session: &Session<'_>, there: bool, view: &mut FittingView) {
    if !running::is_running(session) {
        if there {
            view.notes.push("systemd does not run here: what is enabled starts with it".to_owned());
        }
        return;
    }
    let units = match running::look(session.host) {
        Ok(units) => units,
        Err(why) => return view.attention.push(format!("systemd cannot be asked: {why}")),
    };
    for unit in &units {
        let name = &unit.unit;
        let waits = WAITING.contains(&name.as_str());
        let active = unit.active != "inactive" && unit.active != "failed";
        match unit.load.as_str() {
            "masked" => view.attention.push(format!("{name} is masked: `systemctl unmask {name}` allows it again")),
            "bad-setting" | "error" => {
                view.attention.push(format!("systemd does not take {name}: `systemd-analyze verify {name}` tells why"));
            }
            _ if waits && there && !active => {
                view.attention.push(format!("{name} is {} and starts nothing: `systemctl start {name}`", unit.active));
            }
            "not-found" if waits && active => {
                view.attention.push(format!("{name} runs without its file: `systemctl stop {name}`"));
            }
            _ if unit.active == "failed" => view
                .attention
                .push(format!("the last run of {name} has failed ({}): `journalctl -u {name}`", unit.result)),
            _ => {}
        }
    }
    view.units = units
        .into_iter()
        .filter(|unit| Path::new(&unit.unit).extension().is_some_and(|it| it != "service") || unit.active == "failed")
        .collect();
}
