//! A target with a certificate in place, receivers, and the program to run.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use tempfile::TempDir;

/// Where a channel writes to in these tests: whoever sees it may write there too.
pub const TOKEN: &str = "canary-t0ken-5ecret";

pub struct Ground {
    pub dir: TempDir,
    targets: Vec<String>,
}

#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Ran {
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.err.contains("has a bug"), "{self:#?}");
        self
    }

    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        let all = format!("{}{}", self.out, self.err);
        for word in words {
            assert!(all.contains(word), "{word:?} is not in\n{all}");
        }
        self
    }
}

impl Ground {
    /// A target `web` with a self-signed pair.
    pub fn new() -> Self {
        let ground = Self { dir: TempDir::new().unwrap(), targets: vec!["web".to_owned()] };
        ground.spoil("web");
        ground
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// The configuration, in which `@` is the directory.
    pub fn configure(&self, more: &str) {
        let mut text = "[defaults]\nstate_dir = \"@/state\"\nlive_dir = \"@/live\"\n".to_owned();
        text.push_str(more);
        for name in &self.targets {
            text.push_str(&format!(
                "[[target]]\nname = \"{name}\"\nkind = \"files\"\nnames = [\"{name}.example\"]\n\
                 certificate = \"@/{name}.pem\"\nkey = \"@/{name}.key\"\n\
                 [target.source]\nkind = \"import\"\nfrom = [\"@/{name}-new.pem\"]\n"
            ));
        }
        self.write("reseal.toml", text.replace("@/", &format!("{}/", self.dir.path().display())), 0o644);
    }

    /// A self-signed pair in place, and nothing to replace it.
    pub fn spoil(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "appliance");
        let leaf = params.self_signed(&key).unwrap();
        self.write(&format!("{name}.pem"), leaf.pem(), 0o644);
        self.write(&format!("{name}.key"), key.serialize_pem(), 0o600);
        self.write(&format!("{name}-new.pem"), "", 0o600);
    }

    /// A good pair for the target to import.
    pub fn bring(&self, name: &str) {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "test CA");
        let issuer = Issuer::new(ca, KeyPair::generate().unwrap());
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("{name}.example"));
        params.not_before = time::OffsetDateTime::now_utc() - time::Duration::days(1);
        params.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(90);
        let leaf = params.signed_by(&key, &issuer).unwrap();
        self.write(&format!("{name}-new.pem"), format!("{}{}", leaf.pem(), key.serialize_pem()), 0o600);
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command.current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        command.arg("--config").arg(self.path("reseal.toml")).args(["--non-interactive", "--wait", "10"]);
        command.args(line.split_whitespace());
        command
    }

    pub fn run(&self, line: &str) -> Ran {
        let began = Instant::now();
        let output = self.command(line).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr), took: began.elapsed() }
    }

    pub fn json(&self, line: &str) -> Value {
        let ran = self.run(&format!("--format json {line}"));
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
    }

    /// Every file below the state directory with its bytes, and when it was written.
    pub fn state(&self) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
        let mut found = Vec::new();
        let mut waiting = vec![self.path("state")];
        while let Some(dir) = waiting.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().map(Result::unwrap) {
                match entry.metadata().unwrap() {
                    meta if meta.is_dir() => waiting.push(entry.path()),
                    meta if meta.is_symlink() => {
                        let to = fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes();
                        found.push((entry.path(), to, meta.modified().unwrap()));
                    }
                    meta => found.push((entry.path(), fs::read(entry.path()).unwrap(), meta.modified().unwrap())),
                }
            }
        }
        found.sort();
        found
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Came {
    pub head: String,
    pub body: Vec<u8>,
}

impl Came {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    }

    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// State and code of each thing that it tells.
    pub fn told(&self) -> Vec<(String, String)> {
        let word = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
        let body = self.json();
        body["items"].as_array().unwrap().iter().map(|item| (word(item, "state"), word(item, "code"))).collect()
    }
}

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers with these bytes.
    Answers(String),
    /// Takes it and says nothing.
    Hangs,
    /// A byte of an answer now and then.
    Drips,
    /// A body without an end.
    Floods,
    /// Hangs up.
    Drops,
}

impl Does {
    pub fn status(status: &str) -> Self {
        Self::Answers(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok"))
    }
}

/// A receiver on this machine.
pub struct Receiver {
    pub port: u16,
    pub root: Option<String>,
    came: Arc<Mutex<Vec<Came>>>,
    does: Arc<Mutex<Vec<Does>>>,
    stop: Arc<AtomicBool>,
}

trait Wire: Read + Write {}
impl<S: Read + Write> Wire for S {}

impl Receiver {
    pub fn new() -> Self {
        Self::with(None, None)
    }

    /// With HTTPS, and a certificate for this name.
    pub fn secure(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let chain = vec![CertificateDer::from(leaf.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        Self::with(Some(Arc::new(config)), Some(leaf.pem()))
    }

    fn with(tls: Option<Arc<ServerConfig>>, root: Option<String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let came: Arc<Mutex<Vec<Came>>> = Arc::default();
        let does = Arc::new(Mutex::new(vec![Does::status("200 OK")]));
        let stop = Arc::new(AtomicBool::new(false));
        let (told, script, over) = (Arc::clone(&came), Arc::clone(&does), Arc::clone(&stop));
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (told, script, over, tls) =
                    (Arc::clone(&told), Arc::clone(&script), Arc::clone(&over), tls.clone());
                if over.load(Ordering::Relaxed) {
                    return;
                }
                thread::spawn(move || {
                    let mut wire: Box<dyn Wire> = match tls {
                        Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).unwrap(), socket)),
                        None => Box::new(socket),
                    };
                    let Some(request) = read(&mut wire) else { return };
                    told.lock().unwrap().push(request);
                    let does = {
                        let mut script = script.lock().unwrap();
                        if script.len() > 1 { script.remove(0) } else { script[0].clone() }
                    };
                    act(&mut wire, &does, &over);
                });
            }
        });
        Self { port, root, came, does, stop }
    }

    /// What it does from now on, one after the other; the last for ever.
    pub fn does(&self, does: &[Does]) {
        *self.does.lock().unwrap() = does.to_vec();
    }

    /// What came since the last time.
    pub fn came(&self) -> Vec<Came> {
        std::mem::take(&mut self.came.lock().unwrap())
    }

    /// A channel of this name that leads here.
    pub fn channel(&self, name: &str, more: &str) -> String {
        let port = self.port;
        format!(
            "[[notify]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{port}/hook\"\nlimit = 3\n{more}\n"
        )
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn read(wire: &mut Box<dyn Wire>) -> Option<Came> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            while bytes.len() < end + 4 + length {
                let count = wire.read(&mut piece).ok().filter(|count| *count > 0)?;
                bytes.extend_from_slice(&piece[..count]);
            }
            return Some(Came { head, body: bytes[end + 4..].to_vec() });
        }
        let count = wire.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
    }
}

fn act(wire: &mut Box<dyn Wire>, does: &Does, over: &AtomicBool) {
    let going = || !over.load(Ordering::Relaxed);
    match does {
        Does::Answers(text) => {
            let _ = wire.write_all(text.as_bytes()).and_then(|()| wire.flush());
        }
        Does::Hangs => {
            while going() {
                thread::sleep(Duration::from_millis(50));
            }
        }
        Does::Drips => {
            let _ = wire.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
            while going() && wire.write_all(b"x").and_then(|()| wire.flush()).is_ok() {
                thread::sleep(Duration::from_millis(200));
            }
        }
        Does::Floods => {
            let _ = wire.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while going() && wire.write_all(&[b'x'; 4096]).is_ok() {}
        }
        Does::Drops => {}
    }
}
