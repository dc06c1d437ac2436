//! A target in a temporary directory, and pairs to install in it.
#![allow(dead_code, reason = "each test program uses its own part")]

pub mod service;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use reseal::config::Config;
use reseal::engine::When;
use reseal::event::Silence;
use reseal::flow::{Options, Report, Session, install, recover, restore};
use reseal::host::Host;
use reseal::host::watch::{Crossing, Watch};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

/// A certificate and its key as PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A leaf for localhost, issued by a throw-away CA, valid from yesterday for this many days.
pub fn pair(days: i64) -> Pair {
    issued(&["localhost"], -1, days)
}

/// A leaf for these names, issued by a throw-away CA, valid between these days from now.
pub fn issued(names: &[&str], from: i64, to: i64) -> Pair {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "test CA");
    let issuer = Issuer::new(ca, KeyPair::generate().unwrap());
    let key = KeyPair::generate().unwrap();
    let leaf = params(names, from, to).signed_by(&key, &issuer).unwrap();
    Pair { certificate: leaf.pem(), key: key.serialize_pem() }
}

/// A self-signed one, as a vendor's package makes it.
pub fn self_signed(days: i64) -> Pair {
    let key = KeyPair::generate().unwrap();
    let leaf = params(&["localhost"], -1, days).self_signed(&key).unwrap();
    Pair { certificate: leaf.pem(), key: key.serialize_pem() }
}

fn params(names: &[&str], from: i64, to: i64) -> CertificateParams {
    let mut leaf = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    leaf.distinguished_name = rcgen::DistinguishedName::new();
    leaf.distinguished_name.push(DnType::CommonName, names[0]);
    leaf.not_before = OffsetDateTime::now_utc() + Duration::days(from);
    leaf.not_after = OffsetDateTime::now_utc() + Duration::days(to);
    leaf
}

/// Whether this runs as root; says so where it does not.
pub fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

/// Certificate and key in two directories, a pair to install, and reseal's own state.
pub struct World {
    pub dir: TempDir,
    pub config: Config,
}

impl World {
    /// With a self-signed pair in place; `extra` goes into the target's configuration.
    pub fn new(extra: &str) -> Self {
        Self::made_in(memory_dir(), |_| extra.to_owned())
    }

    /// The same on a real disk.
    pub fn on_disk(extra: &str) -> Self {
        Self::made_in(TempDir::new().unwrap(), |_| extra.to_owned())
    }

    /// The same in a directory of the caller's choice, which the configuration may name.
    pub fn made_in(dir: TempDir, extra: impl FnOnce(&Path) -> String) -> Self {
        let root = dir.path();
        let extra = extra(root);
        fs::create_dir(root.join("certs")).unwrap();
        fs::create_dir(root.join("private")).unwrap();
        let text = format!(
            "[defaults]\nstate_dir = \"{0}/state\"\nlive_dir = \"{0}/live\"\n[[target]]\nname = \"web\"\nkind = \"files\"\n\
             names = [\"localhost\"]\ncertificate = \"{0}/certs/web.pem\"\nkey = \"{0}/private/web.key\"\n{extra}",
            root.display()
        );
        let config = Config::parse(&text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"));
        fs::write(root.join("reseal.toml"), text).unwrap();
        let world = Self { dir, config };
        world.put(&self_signed(100));
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a pair in place, as a vendor's package would.
    pub fn put(&self, pair: &Pair) {
        fs::write(self.path("certs/web.pem"), &pair.certificate).unwrap();
        fs::write(self.path("private/web.key"), &pair.key).unwrap();
        fs::set_permissions(self.path("private/web.key"), fs::Permissions::from_mode(0o640)).unwrap();
    }

    /// Writes a pair where an administrator would have it.
    pub fn bring(&self, pair: &Pair) -> Vec<PathBuf> {
        let files = vec![self.path("new.pem"), self.path("new.key")];
        fs::write(&files[0], &pair.certificate).unwrap();
        fs::write(&files[1], &pair.key).unwrap();
        fs::set_permissions(&files[1], fs::Permissions::from_mode(0o600)).unwrap();
        files
    }

    /// What the service would read.
    pub fn served(&self) -> Option<(String, String)> {
        let certificate = fs::read_to_string(self.path("certs/web.pem")).ok()?;
        Some((certificate, fs::read_to_string(self.path("private/web.key")).ok()?))
    }

    pub fn host(&self) -> Host {
        Host::new(self.path("state"))
    }

    /// Waits a moment for the lock: a program that another test of this process starts holds every open file for the instant
    /// between its fork and its exec.
    pub fn with<T>(&self, host: &Host, options: Options, act: impl FnOnce(&mut Session<'_>) -> T) -> T {
        let options = Options { wait: std::time::Duration::from_secs(5), ..options };
        let mut silence = Silence;
        let mut session = Session::new(host, &self.config, self.path("live"), options, &mut silence);
        act(&mut session)
    }

    /// The program itself, with the configuration of this world.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command.env_clear().arg("--config").arg(self.path("reseal.toml")).args(arguments).stdin(Stdio::null());
        command
    }

    pub fn install(&self, host: &Host, inputs: &[PathBuf]) -> Report {
        self.with(host, Options::default(), |session| install::run(session, "web", inputs))
    }

    pub fn restore(&self, host: &Host, generation: Option<u32>, force: bool) -> Report {
        let options = Options { force, ..Options::default() };
        self.with(host, options, |session| restore::run(session, "web", generation))
    }

    pub fn recover(&self, host: &Host) -> Vec<Report> {
        self.with(host, Options::default(), |session| recover::run(session, None, When::Running))
    }

    /// Files below the directory that hold a private key and that anybody but their owner and group may read.
    pub fn exposed_keys(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(self.dir.path(), &mut |path, metadata| {
            if metadata.mode() & 0o007 != 0 && fs::read(path).is_ok_and(|bytes| holds_key(&bytes)) {
                found.push(path.to_owned());
            }
        });
        found
    }

    /// What staging has left behind, be it a file, a link or a directory.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let is_staged =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".reseal-"));
        self.tree().into_keys().filter(is_staged).collect()
    }

    /// Everything in the directory but reseal's own state: path -> kind, mode, owner, group, and bytes or link text.
    pub fn tree(&self) -> BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![self.dir.path().to_owned()];
        while let Some(path) = waiting.pop() {
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mut bytes = Vec::new();
            if metadata.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if metadata.is_symlink() {
                bytes = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
            } else if metadata.is_file() {
                bytes = fs::read(&path).unwrap();
            }
            found.insert(path, (metadata.mode(), metadata.uid(), metadata.gid(), bytes));
        }
        found.retain(|path, _| !path.starts_with(self.path("state")));
        found
    }

    /// Every finished generation with its bytes, to be held against later ones: number -> digest of everything in it.
    pub fn generations(&self) -> Vec<(u32, Vec<u8>)> {
        let mut found = Vec::new();
        let Ok(entries) = fs::read_dir(self.path("state/vault/web")) else { return found };
        for entry in entries.map(Result::unwrap) {
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if entry.path().join("manifest").exists() {
                let mut bytes = Vec::new();
                let mut files: Vec<PathBuf> =
                    fs::read_dir(entry.path()).unwrap().map(|file| file.unwrap().path()).collect();
                files.sort();
                for file in files {
                    bytes.extend(fs::read(file).unwrap());
                }
                found.push((number, bytes));
            }
        }
        found.sort();
        found
    }
}

fn holds_key(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|window| window == b"PRIVATE KEY")
}

pub fn walk(dir: &Path, visit: &mut dyn FnMut(&Path, &fs::Metadata)) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            walk(&entry.path(), visit);
        } else if metadata.is_file() {
            visit(&entry.path(), &metadata);
        }
    }
}

/// A temporary directory where syncing costs nothing, if there is such a place: thousands of runs sync dozens of times each.
pub fn memory_dir() -> TempDir {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { TempDir::new_in(shared).unwrap() } else { TempDir::new().unwrap() }
}

/// Counts crossings and refuses some of them.
#[derive(Clone)]
pub struct Faults {
    pub count: Arc<AtomicUsize>,
}

impl Faults {
    /// From crossing `from` (counted from 1) on, every call fails, as after a kill at that very call.
    pub fn dead_from(from: usize) -> (Self, Watch) {
        Self::when(move |index, _| index >= from, rustix::io::Errno::IO)
    }

    /// Crossing `at` fails once.
    pub fn once(at: usize, errno: rustix::io::Errno) -> (Self, Watch) {
        Self::when(move |index, _| index == at, errno)
    }

    pub fn never() -> (Self, Watch) {
        Self::when(|_, _| false, rustix::io::Errno::IO)
    }

    pub fn when(
        fails: impl Fn(usize, &Crossing) -> bool + Send + Sync + 'static,
        errno: rustix::io::Errno,
    ) -> (Self, Watch) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let watch = Watch::with(move |crossing| {
            let index = counted.fetch_add(1, Ordering::SeqCst) + 1;
            if fails(index, crossing) { Err(errno.into()) } else { Ok(()) }
        });
        (Self { count }, watch)
    }

    pub fn seen(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}
