//! `demo`: the whole story on an embedded server, through the same flow functions as the verbs.
//!
//! It needs nothing but the program: no root, no network, no configuration. A child process of the same program is the TLS server
//! on loopback; clients shake hands with it all the while and every failure is counted.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::check::Checked;
use super::{Options, Refusal, Report, Secrets, Session, adopt, ca, check, install, post_upgrade, renew, restore};
use crate::cert::{Generate, Name};
use crate::config::Config;
use crate::event::Listener;
use crate::host::Host;
use crate::host::demo_server::{self, DemoPaths, wait_for_port};
use crate::host::process;
use crate::host::scratch::{Background, Scratch};
use crate::host::signal::Signals;
use crate::host::tls;
use crate::outcome::Outcome;

/// The clients' view: handshakes so far, and those that failed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Load {
    /// Handshakes that were completed.
    pub handshakes: u64,
    /// Handshakes that failed, or whose key was not proved.
    pub failed: u64,
}

/// One scene of the story.
#[derive(Debug, Serialize)]
pub struct Scene {
    /// Its heading.
    pub title: &'static str,
    /// What happens, in a sentence or two.
    pub text: &'static str,
    /// What an administrator would have typed.
    pub command: Option<String>,
    /// What the verb reported.
    pub reports: Vec<Report>,
    /// What a check showed.
    pub checked: Vec<Checked>,
    /// The clients' view at the end of the scene.
    pub load: Load,
    /// How long it took, in milliseconds.
    pub took: u64,
}

/// Who is told the story.
pub trait Audience: Listener {
    /// The stage: where the server listens and where the files are.
    fn opening(&mut self, address: &str, root: &Path);
    /// A scene begins.
    fn begins(&mut self, number: usize, title: &'static str, text: &'static str, command: Option<&str>);
    /// A scene is over.
    fn ends(&mut self, scene: &Scene);
}

/// Plays the story.
///
/// # Errors
/// The stage could not be set, or a scene ended otherwise than it should: then this is a bug.
pub fn run(host_options: &Options, signals: &Signals, audience: &mut dyn Audience) -> Result<Vec<Scene>, Refusal> {
    let scratch = Scratch::new().map_err(|error| stage("make a temporary directory", &error))?;
    let stage = Stage::set(&scratch)?;
    audience.opening(&stage.address, scratch.path());
    let clients = Clients::start(&stage.address);
    let mut play =
        Play { stage: &stage, clients: &clients, signals, scenes: Vec::new(), options: host_options.clone(), audience };
    let ended = play.all();
    let scenes = play.scenes;
    clients.stop();
    ended.map(|()| scenes)
}

fn stage(what: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(format!("the demo could not {what}: {error}"))
}

/// The server, its files and the configuration of it.
struct Stage<'s> {
    scratch: &'s Scratch,
    paths: DemoPaths,
    address: String,
    config: Config,
    live_dir: PathBuf,
    _server: Background,
}

impl<'s> Stage<'s> {
    fn set(scratch: &'s Scratch) -> Result<Self, Refusal> {
        let root = scratch.path();
        let paths = DemoPaths::below(root);
        vendor_pair(scratch, &paths)?;
        let text = root.to_string_lossy().into_owned();
        let server =
            Background::this_program(&["demo-server", &text]).map_err(|error| stage("start its server", &error))?;
        let port = wait_for_port(root).map_err(|error| stage("start its server", &error))?;
        let address = format!("127.0.0.1:{port}");
        let program = process::program().map_err(|error| stage("find its own program", &error))?;
        let config = configuration(root, &paths, &address, &program);
        let config = Config::parse(&config, &root.join("reseal.toml"))
            .map_err(|error| stage("read its configuration", &error))?;
        write(scratch, &root.join("passphrase"), b"correct horse battery staple\n")?;
        Ok(Self { scratch, live_dir: root.join("live"), paths, address, config, _server: server })
    }
}

fn configuration(root: &Path, paths: &DemoPaths, address: &str, program: &Path) -> String {
    let quoted = |path: &Path| format!("{:?}", path.to_string_lossy());
    format!(
        "[defaults]\nstate_dir = {state}\nlive_dir = {live}\nverify_timeout = 2\n\
         [[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"localhost\"]\nlisten = [{{ address = \"{address}\", name = \"localhost\" }}]\n\
         certificate = {certificate}\nkey = {key}\nreload = [{program}, \"demo-server\", \"--reload\", {root}]\n\
         [target.source]\nkind = \"local-ca\"\nca = \"demo\"\n",
        state = quoted(&root.join("state")),
        live = quoted(&root.join("live")),
        certificate = quoted(&paths.certificate),
        key = quoted(&paths.key),
        program = quoted(program),
        root = quoted(root),
    )
}

/// The self-signed pair that a vendor's package brings.
fn vendor_pair(scratch: &Scratch, paths: &DemoPaths) -> Result<(), Refusal> {
    let (certificate, key) =
        demo_server::vendor_pair().map_err(|error| stage("make a vendor's certificate", &error))?;
    write_with(scratch, &paths.certificate, certificate.as_bytes(), 0o644)?;
    write_with(scratch, &paths.key, key.expose(), 0o600)
}

fn write(scratch: &Scratch, path: &Path, content: &[u8]) -> Result<(), Refusal> {
    write_with(scratch, path, content, 0o600)
}

fn write_with(scratch: &Scratch, path: &Path, content: &[u8], mode: u32) -> Result<(), Refusal> {
    scratch.write(path, content, mode).map_err(|error| stage("write its files", &error))
}

struct Play<'p> {
    stage: &'p Stage<'p>,
    clients: &'p Clients,
    signals: &'p Signals,
    scenes: Vec<Scene>,
    options: Options,
    audience: &'p mut dyn Audience,
}

/// What a scene brought.
#[derive(Default)]
struct Shown {
    reports: Vec<Report>,
    checked: Vec<Checked>,
}

impl Shown {
    fn report(report: Report) -> Self {
        Self { reports: vec![report], checked: Vec::new() }
    }

    fn checked(checked: Vec<Checked>) -> Self {
        Self { reports: Vec::new(), checked }
    }
}

impl Play<'_> {
    fn all(&mut self) -> Result<(), Refusal> {
        self.scene(
            "Detect",
            "A vendor's server came with a self-signed certificate. No client trusts it.",
            Some("reseal check web"),
            |scene| scene.checked.iter().any(|checked| !checked.findings.is_empty()),
            |session| Ok(Shown::checked(check::run(session, &[target().into()])?)),
        )?;

        self.scene(
            "A local CA",
            "A root is made once, for chosen names only. Its key is encrypted.",
            Some("reseal ca init demo --permit localhost"),
            |scene| scene.reports.is_empty(),
            |session| {
                let permitted = "localhost".parse().map_err(|error| stage("name what its CA may sign", &error))?;
                ca::init(session, "demo", &ca::Init::new(vec![permitted]))?;
                Ok(Shown::default())
            },
        )?;

        self.scene(
            "Issue, install, prove",
            "A certificate is issued, the old pair is kept, the new one is put in place, the server is reloaded, and handshakes prove \
             that it is served.",
            Some("reseal renew web"),
            committed,
            |session| Ok(Shown::report(first(renew::run(session, &[target()])?)?)),
        )?;

        self.scene(
            "Nothing to do",
            "Run again, as a timer does every day: nothing is written and nothing is reloaded.",
            Some("reseal renew web"),
            left_alone,
            |session| Ok(Shown::report(first(renew::run(session, &[target()])?)?)),
        )?;

        self.upgrade()?;
        self.scene(
            "Reinstate",
            "A vendor's upgrade has put its self-signed certificate back and reloaded. The hook sees it, and puts back what was proved before.",
            Some("reseal post-upgrade"),
            committed,
            |session| Ok(Shown::report(first(post_upgrade::run(session, &[target()], post_upgrade::Limits::default())?)?)),
        )?;

        let bad = self.unusable_pair()?;
        self.scene(
            "A bad certificate rolls back by itself",
            "A P-384 certificate is valid, but this server does not take such keys: its reload ends with 0 and changes nothing. The \
             handshake tells, and everything is put back.",
            Some("reseal install web --from p384.pem"),
            rolled_back,
            |session| Ok(Shown::report(install::run(session, &target(), std::slice::from_ref(&bad)))),
        )?;

        self.scene(
            "One rename for the pair",
            "Certificate and key become links through one directory link: from now on a single rename switches both.",
            Some("reseal adopt web"),
            committed,
            |session| Ok(Shown::report(adopt::run(session, &target(), false))),
        )?;

        self.scene(
            "Restore",
            "Any earlier generation can be put back, guarded like an install. This is the very first one, the vendor's own.",
            Some("reseal restore web 1"),
            committed,
            |session| Ok(Shown::report(restore::run(session, &target(), Some(1)))),
        )?;

        self.scene(
            "And forward again",
            "Without a number, restore takes the newest good generation that is not in place.",
            Some("reseal restore web"),
            committed,
            |session| Ok(Shown::report(restore::run(session, &target(), None))),
        )
    }

    /// What the vendor's upgrade does.
    fn upgrade(&self) -> Result<(), Refusal> {
        vendor_pair(self.stage.scratch, &self.stage.paths)?;
        demo_server::reload(self.stage.scratch.path()).map_err(|error| stage("reload its server", &error))?;
        thread::sleep(Duration::from_millis(100));
        Ok(())
    }

    /// A pair that is good in itself, and that this server does not take.
    fn unusable_pair(&mut self) -> Result<PathBuf, Refusal> {
        let path = self.stage.scratch.path().join("p384.pem");
        let (host, options) = (self.host(), self.options());
        let mut session =
            Session::new(&host, &self.stage.config, self.stage.live_dir.clone(), options, self.audience_as_listener());
        let names: Vec<Name> = vec!["localhost".parse().map_err(|error| stage("name its server", &error))?];
        let wanted = ca::Wanted { names, days: 90, key: ca::LeafKey::Make(Generate::P384), target: None };
        let bundle = ca::obtain(&mut session, "demo", wanted)?;
        drop(session);
        write(self.stage.scratch, &path, bundle.content(crate::change::Role::Combined).expose())?;
        Ok(path)
    }

    fn audience_as_listener(&mut self) -> &mut dyn Listener {
        &mut *self.audience
    }

    fn host(&self) -> Host {
        Host::new(self.stage.scratch.path().join("state")).with_signals(self.signals.clone())
    }

    fn options(&self) -> Options {
        let file = Some(self.stage.scratch.path().join("passphrase"));
        Options {
            secrets: Secrets { file, descriptor: None, may_prompt: false, remember: None },
            ..self.options.clone()
        }
    }

    fn scene(
        &mut self,
        title: &'static str,
        text: &'static str,
        command: Option<&str>,
        as_told: impl FnOnce(&Scene) -> bool,
        act: impl FnOnce(&mut Session<'_>) -> Result<Shown, Refusal>,
    ) -> Result<(), Refusal> {
        self.audience.begins(self.scenes.len() + 1, title, text, command);
        let (host, options) = (self.host(), self.options());
        let began = Instant::now();
        let shown = {
            let mut session =
                Session::new(&host, &self.stage.config, self.stage.live_dir.clone(), options, &mut *self.audience);
            act(&mut session)?
        };
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Shown { reports, checked } = shown;
        let command = command.map(str::to_owned);
        let scene = Scene { title, text, command, reports, checked, load: self.clients.load(), took };
        // Ctrl-C ends the play, and the stage is cleared.
        if self.signals.pending().is_some() {
            return Err(Refusal::new("the demo was stopped"));
        }
        let well = as_told(&scene);
        self.audience.ends(&scene);
        self.scenes.push(scene);
        if well {
            return Ok(());
        }
        Err(Refusal::new(format!("the scene `{title}` did not end as it should"))
            .hint("this is a bug in reseal: please report it with the lines above"))
    }
}

fn committed(scene: &Scene) -> bool {
    scene.reports.iter().all(|report| matches!(report.outcome, Outcome::Committed { .. }))
}

fn left_alone(scene: &Scene) -> bool {
    scene.reports.iter().all(|report| matches!(report.outcome, Outcome::Nothing { .. }))
}

fn rolled_back(scene: &Scene) -> bool {
    scene.reports.iter().all(|report| matches!(report.outcome, Outcome::RolledBack { .. }))
}

fn target() -> String {
    "web".to_owned()
}

fn first(reports: Vec<Report>) -> Result<Report, Refusal> {
    reports.into_iter().next().ok_or_else(|| Refusal::new("there was no report"))
}

/// Clients that shake hands all the while.
struct Clients {
    shared: std::sync::Arc<Counts>,
    threads: Vec<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    handshakes: AtomicU64,
    failed: AtomicU64,
}

/// Clients at the same time.
const CLIENTS: usize = 2;

impl Clients {
    fn start(address: &str) -> Self {
        let shared = std::sync::Arc::new(Counts::default());
        let threads = (0..CLIENTS)
            .map(|_| {
                let (counts, address) = (std::sync::Arc::clone(&shared), address.to_owned());
                thread::spawn(move || shake_hands(&address, &counts))
            })
            .collect();
        Self { shared, threads }
    }

    fn load(&self) -> Load {
        Load {
            handshakes: self.shared.handshakes.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
        }
    }

    fn stop(self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

fn shake_hands(address: &str, counts: &Counts) {
    while !counts.stop.load(Ordering::Relaxed) {
        let good =
            tls::handshake(address, Some("localhost"), None, Duration::from_secs(5)).is_ok_and(|served| served.proved);
        let counter = if good { &counts.handshakes } else { &counts.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
    }
}
