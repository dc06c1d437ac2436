//! The TLS server of `reseal demo`: a child process of the same program on loopback, told to reload by a signal like any other.
//!
//! It behaves as many an appliance does. A reload with a pair it cannot use is logged and otherwise ignored, the old pair stays in
//! use, and the reload command has ended with 0 all the same: only a handshake tells. It does not take P-384 keys.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::cert::codec;
use crate::cert::{Certificate, KeyKind};
use crate::sensitive::Sensitive;

/// Where a demo server keeps its things.
pub struct DemoPaths {
    /// Certificate and chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Its process id.
    pub pid: PathBuf,
    /// The port it listens on.
    pub port: PathBuf,
    /// What it has to say.
    pub log: PathBuf,
}

impl DemoPaths {
    /// Those below a directory.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        let server = root.join("server");
        Self {
            certificate: server.join("tls/server.pem"),
            key: server.join("tls/private/server.key"),
            pid: server.join("server.pid"),
            port: server.join("server.port"),
            log: server.join("server.log"),
        }
    }
}

/// What a vendor's package brings: a self-signed certificate for localhost, new every time, and its key; both PEM.
///
/// # Errors
/// The cryptographic library failed.
pub fn vendor_pair() -> Result<(String, Sensitive), rcgen::Error> {
    let key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Vendor Appliance");
    params.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    params.not_before = time::OffsetDateTime::now_utc() - time::Duration::hours(1);
    params.not_after = params.not_before + time::Duration::days(3650);
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Sensitive::from(key.serialize_pem())))
}

/// Serves until it is killed, or until whoever started it is gone.
///
/// # Errors
/// It cannot listen, or its first pair cannot be used.
pub fn serve(root: &Path) -> io::Result<()> {
    let paths = DemoPaths::below(root);
    let reload = Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&reload))?;
    let config = Arc::new(RwLock::new(load(&paths)?));
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    write_whole(&paths.pid, &std::process::id().to_string())?;
    write_whole(&paths.port, &listener.local_addr()?.port().to_string())?;
    let serving = Arc::clone(&config);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let Ok(config) = serving.read().map(|config| Arc::clone(&config)) else { return };
            thread::spawn(move || answer(connection, config));
        }
    });
    let log = Mutex::new(fs::OpenOptions::new().create(true).append(true).open(&paths.log)?);
    let parent = rustix::process::getppid();
    while rustix::process::getppid() == parent {
        thread::sleep(Duration::from_millis(5));
        if !reload.swap(false, std::sync::atomic::Ordering::SeqCst) {
            continue;
        }
        match load(&paths) {
            Ok(fresh) => {
                if let Ok(mut config) = config.write() {
                    *config = fresh;
                }
            }
            Err(error) => {
                if let Ok(mut log) = log.lock() {
                    writeln!(log, "reload failed, the old certificate stays in use: {error}")?;
                }
            }
        }
    }
    Ok(())
}

/// The reload command: tells the server, and ends with 0 whatever the server makes of it.
///
/// # Errors
/// The server is not running.
pub fn reload(root: &Path) -> io::Result<()> {
    let text = fs::read_to_string(DemoPaths::below(root).pid)?;
    let pid = text.trim().parse().ok().and_then(rustix::process::Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    Ok(rustix::process::kill_process(pid, rustix::process::Signal::HUP)?)
}

/// The port a server that was just started listens on; waits for it up to five seconds.
///
/// # Errors
/// It did not come up.
pub fn wait_for_port(root: &Path) -> io::Result<u16> {
    let paths = DemoPaths::below(root);
    for _ in 0..500 {
        if let Some(port) = fs::read_to_string(&paths.port).ok().and_then(|text| text.trim().parse().ok()) {
            return Ok(port);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the demo server did not come up"))
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(beside, path)
}

fn load(paths: &DemoPaths) -> io::Result<Arc<ServerConfig>> {
    let unusable = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let read = |path: &Path| {
        let bytes = Sensitive::from(fs::read(path)?);
        codec::read(bytes.expose(), None).map_err(|error| unusable(error.to_string()))
    };
    let certificates: Vec<Certificate> = read(&paths.certificate)?.certificates;
    if certificates.first().is_some_and(|leaf| *leaf.key_kind() == KeyKind::P384) {
        return Err(unusable("this server does not take P-384 keys".to_owned()));
    }
    let chain: Vec<CertificateDer<'static>> =
        certificates.iter().map(|it| CertificateDer::from(it.der().to_vec())).collect();
    let key = read(&paths.key)?.keys.into_iter().next().ok_or_else(|| unusable("there is no key".to_owned()))?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.pkcs8_der().expose().to_vec()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| unusable(error.to_string()))?;
    Ok(Arc::new(config))
}

/// One connection: the handshake, then nothing more than its end.
fn answer(mut tcp: TcpStream, config: Arc<ServerConfig>) {
    let _ = tcp.set_read_timeout(Some(Duration::from_secs(5)));
    let Ok(mut tls) = rustls::ServerConnection::new(config) else { return };
    while tls.is_handshaking() {
        if tls.complete_io(&mut tcp).is_err() {
            return;
        }
    }
    tls.send_close_notify();
    let _ = tls.complete_io(&mut tcp);
    let _ = tcp.read(&mut [0; 64]);
}
