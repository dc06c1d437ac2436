//! What a fitting depends on: where the program, its configuration and its records are, what of the system is there, and which places of
//! the targets are written to.

use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::host::Host;

/// Where packages put the program.
pub const PROGRAM: &str = "/usr/bin/reseal";
/// Where the machine's configuration is.
pub const CONFIG: &str = "/etc/reseal/reseal.toml";
/// Where the machine's records are.
pub const STATE: &str = "/var/lib/reseal";

/// Hours of the night over which machines are spread, as `RandomizedDelaySec` of the timer does.
const HOURS: u64 = 6;

/// Directories that a node exporter reads its `.prom` files from, by the habits of distributions.
const COLLECTORS: &[&str] = &[
    "/var/lib/prometheus/node-exporter",
    "/var/lib/node_exporter/textfile_collector",
    "/var/lib/node-exporter/textfile_collector",
];

/// A machine, as far as fittings depend on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// Where its files are: `/`, but in tests.
    pub root: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// The configuration.
    pub config: PathBuf,
    /// reseal's own records.
    pub state: PathBuf,
    /// Whether systemd is at work: then it is told.
    pub running: bool,
    /// The directory in which a package has put the units, if one has.
    pub shipped: Option<PathBuf>,
    /// The directory for metrics, if there is one.
    pub collector: Option<PathBuf>,
    /// A number that is this machine's own, to spread machines over the night.
    pub seed: u64,
    /// The directories that a renewal writes to, besides reseal's own; sorted, each once.
    pub written: Vec<PathBuf>,
    /// The files of the targets; sorted, each once.
    pub watched: Vec<PathBuf>,
    /// The maintenance windows of the targets; sorted, each once.
    pub starts: Vec<Start>,
}

/// When a run is wanted besides the daily one: a maintenance window.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Start {
    /// When it opens, as a calendar event of systemd (systemd.time(7)), with its time zone.
    pub calendar: String,
    /// How many minutes it is open.
    pub minutes: u16,
}

impl Site {
    /// What can be seen of a machine below `root`, with nothing that is written or watched.
    #[must_use]
    pub fn look(host: &Host, root: &Path, program: PathBuf, config: &Path) -> Self {
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        let units = ["/usr/lib/systemd/system", "/lib/systemd/system"];
        let shipped = units.into_iter().find(|dir| host.exists(&inside(dir).join("reseal-renew.service")));
        let collector = COLLECTORS.iter().find(|dir| host.is_folder(&inside(dir)));
        let id = ["/etc/machine-id", "/etc/hostname"].into_iter().find_map(|path| {
            let bytes = host.read(&inside(path), 4096).ok()?;
            (!bytes.trim_ascii().is_empty()).then_some(bytes)
        });
        let digest = Digest::of(id.unwrap_or_default().trim_ascii()).to_string();
        Self {
            root: root.to_owned(),
            program,
            config: config.to_owned(),
            state: host.state_dir().to_owned(),
            running: host.is_folder(&inside("/run/systemd/system")) && root == Path::new("/"),
            shipped: shipped.map(PathBuf::from),
            collector: collector.map(PathBuf::from),
            seed: digest.get(..15).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default(),
            written: Vec::new(),
            watched: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// Whether systemd is the one to start things here: it runs, or it is what this system boots with.
    #[must_use]
    pub fn has_systemd(&self, host: &Host) -> bool {
        let inside = |path: &str| self.root.join(path.trim_start_matches('/'));
        self.running
            || ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"].iter().any(|path| host.exists(&inside(path)))
    }

    /// This machine's own hour and minute of the night: machines are spread over six hours for the CA's sake.
    #[must_use]
    pub fn time_of_night(&self) -> (u64, u64) {
        let minute = self.seed % (HOURS * 60);
        (minute / 60, minute % 60)
    }

    /// How many minutes the shortest maintenance window is open; none where there is no window.
    #[must_use]
    pub fn shortest(&self) -> Option<u16> {
        self.starts.iter().map(|start| start.minutes).min()
    }

    /// Whether all is where packages expect it.
    #[must_use]
    pub fn usual(&self) -> bool {
        self.program == Path::new(PROGRAM) && self.words().is_empty()
    }

    /// What has to be said on every command line, with a space behind it: nothing where all is in its usual place.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = String::new();
        if self.config != Path::new(CONFIG) {
            words.push_str(&format!("--config {} ", self.config.display()));
        }
        if self.state != Path::new(STATE) {
            words.push_str(&format!("--state-dir {} ", self.state.display()));
        }
        words
    }

    /// A text of a package with this machine's paths in it.
    #[must_use]
    pub fn fit(&self, text: &str) -> String {
        let program = self.program.display().to_string();
        text.replace(&format!("{PROGRAM} ]"), &format!("{program} ]"))
            .replace(&format!("{PROGRAM} "), &format!("{program} {}", self.words()))
    }
}

/// Whether a path can stand in a unit, in a crontab and in a shell line as it is.
#[must_use]
pub fn is_plain(path: &Path) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    path.to_str().is_some_and(|path| path.starts_with('/') && path.chars().all(plain))
}

#[cfg(test)]
impl Site {
    /// A machine of which nothing is unusual.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            root: "/".into(),
            program: PROGRAM.into(),
            config: CONFIG.into(),
            state: STATE.into(),
            running: false,
            shipped: None,
            collector: None,
            seed: 0,
            written: Vec::new(),
            watched: Vec::new(),
            starts: Vec::new(),
        }
    }
}
