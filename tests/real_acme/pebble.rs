//! Let's Encrypt's test server with real validation, and the name server that it asks.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use tempfile::TempDir;

/// The MAC key of the external account `kid-1`, as a CA hands it out.
pub const MAC: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// What a server is started with.
#[derive(Clone, Copy, Default)]
pub struct Wish<'a> {
    /// Accounts must be bound to `kid-1`.
    pub bound: bool,
    /// The name server it asks, instead of one of its own.
    pub dns: Option<&'a str>,
    /// Beside the usual chain there are this many others.
    pub alternates: usize,
    /// The port that the other one had, so that it is the same server after a restart.
    pub port: Option<u16>,
}

/// A server that runs.
pub struct Pebble {
    pub dir: TempDir,
    pub port: u16,
    /// Where it looks for http-01 and tls-alpn-01.
    pub http: u16,
    pub tls: u16,
    pub management: u16,
    /// Where the name server takes orders.
    pub names: u16,
    children: Vec<Child>,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A server like this, or why the test is skipped.
pub fn start(wish: Wish<'_>) -> Option<Pebble> {
    for program in ["pebble", "pebble-challtestsrv"] {
        if find(program).is_none() {
            println!("skipped: {program} is not installed (Debian: pebble)");
            return None;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let root = certificates(dir.path());
    let [port, http, tls, management, names, dns] = free_ports();
    let port = wish.port.unwrap_or(port);
    fs::write(dir.path().join("root.pem"), root).unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let config = serde_json::json!({ "pebble": {
        "listenAddress": format!("127.0.0.1:{port}"),
        "managementListenAddress": format!("127.0.0.1:{management}"),
        "certificate": at("server.pem"),
        "privateKey": at("server.key"),
        "httpPort": http,
        "tlsPort": tls,
        "externalAccountBindingRequired": wish.bound,
        "externalAccountMACKeys": { "kid-1": MAC },
    }});
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    let mut children = Vec::new();
    let own = format!("127.0.0.1:{dns}");
    if wish.dns.is_none() {
        let arguments = [
            "-defaultIPv4",
            "127.0.0.1",
            "-defaultIPv6",
            "",
            "-dns01",
            &own,
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-management",
            &format!("127.0.0.1:{names}"),
        ];
        children.push(spawn(Command::new(find("pebble-challtestsrv").unwrap()).args(arguments), dir.path(), "names"));
        wait_for(names);
    }
    let mut pebble = Command::new(find("pebble").unwrap());
    pebble
        .args(["-strict", "-config", &at("config.json"), "-dnsserver", wish.dns.unwrap_or(&own)])
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_ALTERNATE_ROOTS", wish.alternates.to_string());
    children.push(spawn(&mut pebble, dir.path(), "pebble"));
    wait_for(port);
    Some(Pebble { dir, port, http, tls, management, names, children })
}

impl Pebble {
    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// The root of its own HTTPS.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("pebble.log")).unwrap()
    }

    /// How many orders were placed.
    pub fn orders(&self) -> usize {
        self.log().matches("order \"").count().max(self.log().matches("Added order").count())
    }
}

/// A root, and a certificate of it for the server's own HTTPS.
pub fn certificates(dir: &Path) -> String {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "root of the ACME server's own HTTPS");
    let ca_key = KeyPair::generate().unwrap();
    let root = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    fs::write(dir.join("server.pem"), leaf.pem()).unwrap();
    fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
    root
}

pub fn find(program: &str) -> Option<PathBuf> {
    ["/usr/bin", "/usr/sbin", "/usr/local/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.exists())
}

pub fn free_ports<const N: usize>() -> [u16; N] {
    let held: Vec<TcpListener> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    std::array::from_fn(|index| held[index].local_addr().unwrap().port())
}

pub fn spawn(command: &mut Command, dir: &Path, name: &str) -> Child {
    let log = fs::File::create(dir.join(format!("{name}.log"))).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

pub fn wait_for(port: u16) {
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "nothing listens on port {port}");
        thread::sleep(Duration::from_millis(20));
    }
}
