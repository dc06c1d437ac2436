//! The only door to the machine: files, programs, network, clock. Nothing outside this folder opens anything.
#![allow(clippy::disallowed_methods, reason = "this is the one folder that touches the machine")]

pub mod account;
pub mod attributes;
pub mod bundle;
pub mod challenge;
pub mod clock;
pub mod demo_server;
mod dial;
pub mod dir;
pub mod exec;
mod glance;
pub mod haste;
pub mod hook_dir;
pub mod http;
pub mod local_log;
pub mod lock;
pub mod mail;
pub mod passphrase;
pub mod probe;
pub mod process;
pub mod publish;
pub mod random;
pub mod reach;
pub mod roots;
pub mod scratch;
pub mod signal;
pub mod state;
pub mod terminal;
mod timed;
pub mod tls;
pub mod together;
mod told;
pub mod tree;
pub mod trigger;
pub mod trust;
pub mod trusted_file;
pub mod walk;
pub mod watch;
pub mod ways;
pub mod zoneinfo;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::change::{Command, Probe, Shown};
use crate::host::probe::Sight;
use crate::outcome::explain;
use clock::Clock;
use dir::{Dir, Look};
use exec::Ran;
use haste::Haste;
use signal::Signals;
use told::Told;
use trust::Trust;
use walk::{Last, Place, WalkError};
use watch::{Act, Watch};

/// The machine, as far as reseal may see and touch it.
pub struct Host {
    state_dir: PathBuf,
    clock: Clock,
    trust: Trust,
    watch: Watch,
    signals: Option<Signals>,
    haste: Haste,
    told: Told,
    /// Where the database of time zones may be.
    zoneinfo: Vec<PathBuf>,
}

impl Host {
    /// This machine, with reseal's own records below `state_dir`.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        let trust = Trust::system();
        Self {
            state_dir: state_dir.into(),
            clock: Clock::System,
            trust,
            watch: Watch::default(),
            signals: None,
            haste: Haste::default(),
            told: Told::default(),
            zoneinfo: zoneinfo::places(),
        }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// With the database of time zones at another place.
    #[must_use]
    pub fn with_zoneinfo(mut self, place: impl Into<PathBuf>) -> Self {
        self.zoneinfo = vec![place.into()];
        self
    }

    /// With somebody who is asked before every change to the disk.
    #[must_use]
    pub fn with_watch(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// With signals turned into [`Host::interrupted`].
    #[must_use]
    pub fn with_signals(mut self, signals: Signals) -> Self {
        self.signals = Some(signals);
        self
    }

    /// Whose directories are believed: root's and one's own, and those of this user.
    #[must_use]
    pub fn trusting(&self, owner: Option<u32>) -> Trust {
        owner.map_or_else(|| self.trust.clone(), |uid| self.trust.clone().and(uid))
    }

    /// Where reseal keeps its own records.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The time, UTC.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// The signal that asked this process to end, if one did.
    #[must_use]
    pub fn interrupted(&self) -> Option<i32> {
        self.signals.as_ref().and_then(Signals::pending)
    }

    /// From now on, all that is waited for is to be over after `time`: limits are cut to what is left of it.
    pub fn hurry(&self, time: Duration) {
        self.haste.until(Instant::now() + time);
    }

    /// What follows has the time it needs.
    pub fn take_its_time(&self) {
        self.haste.over();
    }

    /// What is left of the time for the whole run; none where it has no limit.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.haste.left()
    }

    /// A limit, cut to what is left of the time for the whole run.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Duration {
        self.haste.within(limit)
    }

    /// Does what must not be cut short: whatever puts things back.
    pub fn patiently<T>(&self, act: impl FnOnce() -> T) -> T {
        self.haste.patiently(act)
    }

    /// The place of a path, ready to be changed.
    ///
    /// # Errors
    /// A part of it is missing or cannot be trusted.
    pub fn place(&self, path: &Path, last: Last, trust: &Trust) -> Result<Place, WalkError> {
        walk::place(path, last, trust, &self.watch)
    }

    /// A directory, ready to be changed.
    ///
    /// # Errors
    /// As [`Host::place`].
    pub fn dir(&self, path: &Path, trust: &Trust) -> Result<Dir, WalkError> {
        walk::dir(path, trust, &self.watch)
    }

    /// What stands at a path at the end of all links, and where that is.
    ///
    /// # Errors
    /// As [`Host::place`]; or it is something that cannot be read as a file.
    pub fn look(&self, path: &Path, trust: &Trust) -> Result<(PathBuf, Look), WalkError> {
        let place = self.place(path, Last::Follow, trust)?;
        let look = place.dir.look(&place.name)?;
        Ok((place.path(), look))
    }

    /// The bytes of a regular file that somebody named as input, at most `max`.
    ///
    /// # Errors
    /// It is not there, no regular file, too large, or may not be read.
    pub fn read(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        dir::read_regular(&std::fs::File::from(fd), max)
    }

    /// The bytes of a file or a pipe that somebody named as input, at most `max`; of a pipe, once somebody writes into it.
    ///
    /// # Errors
    /// It is not there, neither of the two, too large, or may not be read.
    pub fn read_through(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        use std::io::Read;
        use std::os::unix::fs::FileTypeExt;
        if !std::fs::metadata(path)?.file_type().is_fifo() {
            return self.read(path, max);
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(io::Error::other(format!("it has more than {} MiB", max >> 20)));
        }
        Ok(bytes)
    }

    /// The file names in a directory, sorted.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = std::fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()?;
        names.sort();
        Ok(names)
    }

    /// The groups of a user of this machine; empty where they are not known.
    #[must_use]
    pub fn groups_of(&self, name: &str) -> Vec<u32> {
        process::groups_of(name)
    }

    /// Runs a command that changes what the service does.
    #[must_use]
    pub fn run(&self, command: &Command) -> Ran {
        self.run_with(command, &[])
    }

    /// The same with these variables in its environment.
    #[must_use]
    pub fn run_with(&self, command: &Command, environment: &[(&str, &str)]) -> Ran {
        self.forget();
        if let Err(error) = exec::check_program(command) {
            return Ran::not_started(io::Error::other(explain(&error)));
        }
        let announced = self.watch.cross(Act::Run, || command.argv.first().map(PathBuf::from).unwrap_or_default());
        match announced {
            Ok(()) => self.in_time(command, |limit| exec::run(command, limit, environment)),
            Err(error) => Ran::not_started(error),
        }
    }

    /// Runs a command that changes something elsewhere, with `input` on its standard input.
    #[must_use]
    pub fn run_fed(&self, command: &Command, input: &[u8]) -> Ran {
        if let Err(error) = exec::check_program(command) {
            return Ran::not_started(io::Error::other(explain(&error)));
        }
        let announced = self.watch.cross(Act::Run, || command.argv.first().map(PathBuf::from).unwrap_or_default());
        match announced {
            Ok(()) => self.in_time(command, |limit| exec::run_fed(command, limit, input)),
            Err(error) => Ran::not_started(error),
        }
    }

    /// Runs a command that gets something from elsewhere: `input` on its standard input, the answer on its standard output, of which `max`
    /// bytes are kept.
    #[must_use]
    pub fn ask(&self, command: &Command, input: &[u8], max: usize) -> exec::Answer {
        let failed = |error| exec::Answer { ran: Ran::not_started(error), out: Vec::new(), dropped: 0 };
        if let Err(error) = exec::check_program(command) {
            return failed(io::Error::other(explain(&error)));
        }
        let announced = self.watch.cross(Act::Run, || command.argv.first().map(PathBuf::from).unwrap_or_default());
        match (announced, self.within(command.limit())) {
            (Ok(()), limit) if limit.is_zero() => failed(time_is_over()),
            (Ok(()), limit) => exec::ask(command, limit, input, max),
            (Err(error), _) => failed(error),
        }
    }

    /// Runs within the command's own limit, or what is left of the time for the whole run.
    fn in_time(&self, command: &Command, run: impl FnOnce(Duration) -> Ran) -> Ran {
        match self.within(command.limit()) {
            limit if limit.is_zero() => Ran::not_started(time_is_over()),
            limit => run(limit),
        }
    }

    /// The standard output of a command that only looks. It is asked once and remembered: 200 targets of one nginx need its
    /// configuration once, not 200 times. [`Host::forget`] ends the memory. Who asks the same meanwhile waits for the answer, and nobody
    /// else does.
    ///
    /// # Errors
    /// It could not be started, failed, did not end in time or said more than `max` bytes: the reason, for people.
    pub fn capture(&self, command: &Command, max: usize) -> Result<String, String> {
        exec::check_program(command).map_err(|error| explain(&error))?;
        match self.within(command.limit()) {
            limit if limit.is_zero() => Err(time_is_over().to_string()),
            limit => self.told.once(&command.argv, || exec::capture(command, limit, max)),
        }
    }

    /// Forgets what commands have told: to be called when something may have changed.
    pub fn forget(&self) {
        self.told.forget();
    }

    /// Whether a directory that exists cannot be entered by a user who is neither root nor in its group.
    #[must_use]
    pub fn closed_to(&self, dir: &Path, uid: u32) -> bool {
        let entered = |found: std::fs::Metadata| {
            let bit = if found.uid() == uid { 0o100 } else { 0o001 };
            uid == 0 || found.mode() & bit != 0
        };
        std::fs::metadata(dir).is_ok_and(|found| !entered(found))
    }

    /// The id of a user of this machine.
    #[must_use]
    pub fn user_id(&self, name: &str) -> Option<u32> {
        process::user_id(name)
    }

    /// What a probe shows now, within `limit`.
    #[must_use]
    pub fn probe(&self, probe: &Probe, limit: Duration) -> Shown {
        probe::probe(probe, limit)
    }

    /// The same with all that was seen.
    #[must_use]
    pub fn look_by(&self, probe: &Probe, limit: Duration) -> Sight {
        probe::look(probe, limit)
    }

    /// What a client sees that names nobody, where the probe names somebody.
    #[must_use]
    pub fn probe_without_name(&self, probe: &Probe, limit: Duration) -> Option<tls::Served> {
        probe::without_name(probe, limit)
    }

    /// What lies in a directory of hooks.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn hooks_in(&self, directory: &Path) -> io::Result<Vec<hook_dir::Lying>> {
        hook_dir::lying_in(directory)
    }
}

fn time_is_over() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the time for the whole run is over")
}
