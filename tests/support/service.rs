//! A TLS server that behaves as badly as it is told: it takes new files up only when it is asked to, and then perhaps not quite.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reseal::change::{Probe, Shown};
use reseal::digest::Digest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::{Pair, World};

/// What the server shows once it has been told for the first time. After that it simply reads its files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// What is in its files.
    New,
    /// What it showed before.
    Old,
    /// A certificate that nobody asked for.
    Other,
    /// It dies: nothing listens any more.
    Nobody,
    /// It lost its TLS.
    Plain,
    /// Old and new by turns for a moment, as old and new workers overlap, then new.
    Overlap,
    /// New for a moment, then the old again.
    FallsBack,
}

/// How long [`Then::Overlap`] and [`Then::FallsBack`] are undecided.
const UNDECIDED: Duration = Duration::from_millis(200);

/// The running server.
pub struct Service {
    /// Where it listens, when it does.
    pub address: SocketAddr,
    control: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// A server that reads its pair at these paths, and takes orders as files in the directory `control`, which it removes when
    /// they are carried out: `reload`, `later-MILLISECONDS`, `start`, `die`. It is not running until it shows something.
    pub fn new(certificate: &Path, key: &Path, control: &Path, then: Then) -> Self {
        let address = free_address();
        fs::create_dir(control).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let mut server = Server {
            address,
            files: (certificate.to_owned(), key.to_owned()),
            control: control.to_owned(),
            then: Some(then),
            face: Face::NotStarted,
            listener: None,
            due: None,
        };
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                server.turn();
            }
        });
        Self { address, control: control.to_owned(), stop, thread: Some(thread) }
    }

    /// Makes it show this pair, whatever its files hold.
    pub fn show(&self, pair: &Pair) {
        fs::write(self.control.join(".pair"), format!("{}{}", pair.certificate, pair.key)).unwrap();
        self.order("show");
    }

    /// Gives an order and waits until it is carried out.
    pub fn order(&self, word: &str) {
        let order = self.control.join(word);
        fs::write(&order, "").unwrap();
        while order.exists() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The leaf that is served now.
    pub fn leaf(&self) -> Option<Digest> {
        let probe = Probe::tls(self.address.to_string(), Some("localhost".to_owned()));
        match reseal::host::probe::probe(&probe, Duration::from_secs(2)) {
            Shown::Leaf { fingerprint, proved: true } => Some(fingerprint),
            Shown::Leaf { .. } | Shown::Well | Shown::Nobody { .. } | Shown::Failing { .. } => None,
        }
    }

    /// Waits until it serves this leaf for good; false after three seconds.
    pub fn settles_on(&self, leaf: Digest) -> bool {
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            if (0..3).all(|_| self.leaf() == Some(leaf)) {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A target with a server, and a reload command that runs this script. `TELL` in it tells the server to read its files, `SOON` and
/// `LATE` to do so in 200 or 2500 milliseconds, `KILL` ends it.
///
/// `limits` are those of the reload and of the proof, in seconds.
pub fn served(script: &str, restart: bool, then: Then, limits: (u32, u32)) -> (World, Service) {
    let mut service = None;
    let world = World::made_in(super::memory_dir(), |root| {
        let control = root.join("control");
        let started = Service::new(&root.join("certs/web.pem"), &root.join("private/web.key"), &control, then);
        let address = started.address;
        let words = [("TELL", "reload"), ("KILL", "die"), ("SOON", "later-200"), ("LATE", "later-2500")];
        let script =
            words.iter().fold(script.to_owned(), |text, (word, meant)| text.replace(word, &order(&control, meant)));
        fs::write(root.join("reload.sh"), script + "\n").unwrap();
        fs::write(root.join("restart.sh"), order(&control, "start") + "\n").unwrap();
        service = Some(started);
        let (root, (reload, verify)) = (root.display(), limits);
        let restart = if restart { format!("restart = [\"/bin/sh\", \"{root}/restart.sh\"]\n") } else { String::new() };
        format!(
            "listen = [\"{address}\"]\nreload = {{ argv = [\"/bin/sh\", \"{root}/reload.sh\"], timeout = {reload} }}\n{restart}\
             [target.policy]\nverify_timeout = {verify}\nsettle = 300\nprobe_timeout = 1\n"
        )
    });
    (world, service.unwrap())
}

/// Shell words that give the service an order and wait until it is carried out.
fn order(control: &Path, word: &str) -> String {
    let order = control.join(word);
    format!(": > {0}; while [ -e {0} ]; do sleep 0.01; done", order.display())
}

/// The digest by which reseal calls the leaf of a pair.
pub fn leaf(pair: &Pair) -> Digest {
    Digest::of(pem::parse(&pair.certificate).unwrap().contents())
}

/// What the server answers with.
#[derive(Clone)]
enum Face {
    NotStarted,
    Dead,
    Plain,
    Tls(Arc<ServerConfig>),
    Undecided { old: Arc<ServerConfig>, new: Arc<ServerConfig>, turns: bool, until: Instant },
}

struct Server {
    address: SocketAddr,
    files: (PathBuf, PathBuf),
    control: PathBuf,
    then: Option<Then>,
    face: Face,
    listener: Option<TcpListener>,
    due: Option<Instant>,
}

impl Server {
    fn turn(&mut self) {
        self.obey();
        if self.due.is_some_and(|due| Instant::now() >= due) {
            self.due = None;
            self.take_up();
            self.listen_or_not();
        }
        if let Face::Undecided { old, new, turns, until } = &self.face
            && Instant::now() >= *until
        {
            self.face = Face::Tls(Arc::clone(if *turns { new } else { old }));
        }
        match self.listener.as_ref().map(TcpListener::accept) {
            Some(Ok((stream, _))) => self.answer(stream),
            Some(Err(error)) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
            Some(Err(_)) | None => thread::sleep(Duration::from_millis(1)),
        }
    }

    fn obey(&mut self) {
        for entry in fs::read_dir(&self.control).into_iter().flatten().flatten() {
            let word = entry.file_name().into_string().unwrap();
            match word.as_str() {
                "reload" => self.take_up(),
                "start" => self.start(),
                "die" => self.face = Face::Dead,
                "show" => {
                    let pair = self.control.join(".pair");
                    self.face = Face::Tls(load(&pair, &pair).unwrap());
                }
                ".pair" => continue,
                later => {
                    let millis = later.strip_prefix("later-").unwrap().parse().unwrap();
                    self.due = Some(Instant::now() + Duration::from_millis(millis));
                }
            }
            self.listen_or_not();
            fs::remove_file(entry.path()).unwrap();
        }
    }

    fn listen_or_not(&mut self) {
        if matches!(self.face, Face::NotStarted | Face::Dead) {
            self.listener = None;
            return;
        }
        let end = Instant::now() + Duration::from_secs(5);
        while self.listener.is_none() {
            match TcpListener::bind(self.address) {
                Ok(listener) => {
                    listener.set_nonblocking(true).unwrap();
                    self.listener = Some(listener);
                }
                // While it did not listen, another process may have been given the port for a moment.
                Err(error) => {
                    assert!(Instant::now() < end, "{}: {error}", self.address);
                    thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }

    fn start(&mut self) {
        if let Some(config) = load(&self.files.0, &self.files.1) {
            self.face = Face::Tls(config);
        }
    }

    /// As a real server does: what cannot be loaded changes nothing, and a dead one hears nothing.
    fn take_up(&mut self) {
        if matches!(self.face, Face::Dead) {
            return;
        }
        let (old, new) = (self.face.clone(), load(&self.files.0, &self.files.1));
        match (self.then.take().unwrap_or(Then::New), old, new) {
            (Then::Nobody, ..) => self.face = Face::Dead,
            (Then::Plain, ..) => self.face = Face::Plain,
            (Then::Other, ..) => self.face = Face::Tls(stranger()),
            (Then::Old, ..) | (_, _, None) => {}
            (Then::Overlap, Face::Tls(old), Some(new)) => self.be_undecided(old, new, true),
            (Then::FallsBack, Face::Tls(old), Some(new)) => self.be_undecided(old, new, false),
            (_, _, Some(new)) => self.face = Face::Tls(new),
        }
    }

    fn be_undecided(&mut self, old: Arc<ServerConfig>, new: Arc<ServerConfig>, turns: bool) {
        self.face = Face::Undecided { old, new, turns, until: Instant::now() + UNDECIDED };
    }

    fn answer(&self, mut stream: TcpStream) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let config = match &self.face {
            Face::NotStarted | Face::Dead => return,
            Face::Plain => None,
            Face::Tls(config) => Some(Arc::clone(config)),
            Face::Undecided { old, new, turns, .. } => {
                let old_turn = *turns && COUNT.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
                Some(Arc::clone(if old_turn { old } else { new }))
            }
        };
        let _ = stream.set_nonblocking(false);
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        thread::spawn(move || {
            let Some(config) = config else {
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                return;
            };
            let mut tls = ServerConnection::new(config).unwrap();
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        });
    }
}

fn load(certificate: &Path, key: &Path) -> Option<Arc<ServerConfig>> {
    let chain: Vec<CertificateDer<'_>> =
        CertificateDer::pem_file_iter(certificate).ok()?.collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_file(key).ok()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).ok()?))
}

fn stranger() -> Arc<ServerConfig> {
    let dir = super::memory_dir();
    let (pair, path) = (super::pair(5), dir.path().join("pair"));
    fs::write(&path, format!("{}{}", pair.certificate, pair.key)).unwrap();
    load(&path, &path).unwrap()
}

/// An address of this service alone, so that its port is its own while it does not listen.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = u8::try_from(std::process::id() % 200).unwrap() + 10;
    TcpListener::bind((Ipv4Addr::new(127, process, high, low), 0)).unwrap().local_addr().unwrap()
}
