//! An ACME server that says what a test has it say: for what the real one lacks, and for lies. It checks no signature.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, CertificateSigningRequestParams, DnType, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What is answered: status, further head lines, body.
#[derive(Clone)]
pub enum Say {
    /// An answer.
    This(u16, String, String),
    /// These bytes, and then the end.
    Raw(Vec<u8>),
    /// A head that promises a body which comes a byte a second.
    Trickle,
    /// Bytes without end.
    Flood,
    /// The end, before anything was said.
    Nothing,
}

/// What a test has changed, by path.
type Changes = BTreeMap<String, Vec<Say>>;

pub struct Stub {
    pub dir: TempDir,
    pub port: u16,
    changes: Arc<Mutex<Changes>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    /// How the certificate is made.
    issue: Arc<Mutex<Issue>>,
}

/// What is issued.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Issue {
    Right,
    OtherNames,
    MoreNames,
    OtherKey,
    /// For another key, which comes along.
    WithKey,
    SelfSigned,
    Broken,
    Nonsense,
}

impl Stub {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = crate::pebble::certificates(dir.path());
        std::fs::write(dir.path().join("root.pem"), root).unwrap();
        let certificate = CertificateDer::from_pem_file(dir.path().join("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(dir.path().join("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stub = Self {
            dir,
            port,
            changes: Arc::default(),
            asked: Arc::default(),
            issue: Arc::new(Mutex::new(Issue::Right)),
        };
        let server = Server {
            base: format!("https://127.0.0.1:{port}"),
            changes: Arc::clone(&stub.changes),
            asked: Arc::clone(&stub.asked),
            issue: Arc::clone(&stub.issue),
            chain: Arc::default(),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, server) = (Arc::clone(&config), server.clone());
                thread::spawn(move || server.serve(stream, config));
            }
        });
        stub
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// From now on, these are said at `path`, one after the other, the last for ever.
    pub fn say(&self, path: &str, say: &[Say]) {
        self.changes.lock().unwrap().insert(path.to_owned(), say.iter().rev().cloned().collect());
    }

    pub fn forget(&self) {
        self.changes.lock().unwrap().clear();
        *self.issue.lock().unwrap() = Issue::Right;
    }

    pub fn issue(&self, what: Issue) {
        *self.issue.lock().unwrap() = what;
    }

    /// What was asked for at this path.
    pub fn asked(&self, path: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(at, _)| at.starts_with(path)).map(|(_, payload)| payload.clone()).collect()
    }

    pub fn all_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[derive(Clone)]
struct Server {
    base: String,
    changes: Arc<Mutex<Changes>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    issue: Arc<Mutex<Issue>>,
    chain: Arc<Mutex<String>>,
}

impl Server {
    fn serve(&self, stream: TcpStream, config: Arc<ServerConfig>) {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        let Some((path, body)) = request(&mut stream) else { return };
        let jws: Value = serde_json::from_slice(&body).unwrap_or_default();
        let payload = BASE64_URL_SAFE_NO_PAD.decode(jws["payload"].as_str().unwrap_or_default()).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap_or_default();
        self.asked.lock().unwrap().push((path.clone(), payload.clone()));
        let said = {
            let mut changes = self.changes.lock().unwrap();
            changes.get_mut(&path).and_then(|left| if left.len() > 1 { left.pop() } else { left.last().cloned() })
        };
        match said.unwrap_or_else(|| self.usual(&path, &payload)) {
            Say::This(status, head, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\nReplay-Nonce: nonce\r\n{head}Content-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
            }
            Say::Raw(bytes) => drop(stream.write_all(&bytes)),
            Say::Trickle => {
                let _ = stream.write_all(b"HTTP/1.1 200 X\r\nReplay-Nonce: n\r\nContent-Length: 1000\r\n\r\n");
                while stream.write_all(b" ").and_then(|()| stream.flush()).is_ok() {
                    thread::sleep(Duration::from_millis(300));
                }
            }
            Say::Flood => {
                let _ = stream.write_all(b"HTTP/1.1 200 X\r\nReplay-Nonce: n\r\n\r\n");
                while stream.write_all(&[b' '; 16384]).is_ok() {}
            }
            Say::Nothing => return,
        }
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }

    fn usual(&self, path: &str, payload: &Value) -> Say {
        let base = &self.base;
        let order = |status: &str| {
            let certificate = if status == "valid" { json!(format!("{base}/cert")) } else { Value::Null };
            json!({ "status": status, "authorizations": [], "finalize": format!("{base}/finalize"), "certificate": certificate })
        };
        let good = |value: Value| Say::This(200, String::new(), value.to_string());
        match path {
            "/dir" => good(json!({
                "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"),
                "newOrder": format!("{base}/order"), "keyChange": format!("{base}/key-change"), "renewalInfo": format!("{base}/ari"),
                "meta": { "profiles": { "shortlived": "six days", "classic": "ninety" } },
            })),
            "/nonce" => Say::This(200, String::new(), String::new()),
            "/account" => Say::This(201, format!("Location: {base}/account/1\r\n"), "{}".to_owned()),
            "/key-change" => good(json!({})),
            "/order" => {
                self.chain.lock().unwrap().clear();
                let mut order = order("ready");
                order["profile"] = payload["profile"].clone();
                order["replaces"] = payload["replaces"].clone();
                Say::This(201, format!("Location: {base}/order/1\r\n"), order.to_string())
            }
            "/finalize" => {
                *self.chain.lock().unwrap() = self.certificate(payload["csr"].as_str().unwrap());
                good(order("valid"))
            }
            "/order/1" => good(order(if self.chain.lock().unwrap().is_empty() { "ready" } else { "valid" })),
            "/cert" => Say::This(
                200,
                "Content-Type: application/pem-certificate-chain\r\n".into(),
                self.chain.lock().unwrap().clone(),
            ),
            other if other.starts_with("/ari/") => Say::This(404, String::new(), "{}".to_owned()),
            _ => Say::This(404, String::new(), "{}".to_owned()),
        }
    }

    fn certificate(&self, csr: &str) -> String {
        let der = CertificateSigningRequestDer::from(BASE64_URL_SAFE_NO_PAD.decode(csr).unwrap());
        let asked = CertificateSigningRequestParams::from_der(&der).unwrap();
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        root.distinguished_name.push(DnType::CommonName, "stub root");
        let mut middle = root.clone();
        middle.distinguished_name = rcgen::DistinguishedName::new();
        middle.distinguished_name.push(DnType::CommonName, "stub intermediate");
        let (root_key, middle_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = Issuer::new(root, root_key);
        let middle_pem = middle.signed_by(&middle_key, &root).unwrap().pem();
        let stranger = middle.signed_by(&KeyPair::generate().unwrap(), &root).unwrap().pem();
        let middle = Issuer::new(middle, middle_key);
        let mut params = asked.params;
        params.use_authority_key_identifier_extension = true;
        params.not_before = time::OffsetDateTime::now_utc() - time::Duration::HOUR;
        params.not_after = params.not_before + time::Duration::days(90);
        let other = KeyPair::generate().unwrap();
        let names = |names: &[&str]| {
            let mut params = params.clone();
            params.subject_alt_names =
                names.iter().map(|name| rcgen::SanType::DnsName((*name).try_into().unwrap())).collect();
            params
        };
        let leaf = match *self.issue.lock().unwrap() {
            Issue::Nonsense => return "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            Issue::SelfSigned => return params.self_signed(&other).unwrap().pem(),
            Issue::OtherKey => params.signed_by(&other, &middle),
            Issue::WithKey => {
                return params.signed_by(&other, &middle).unwrap().pem() + &middle_pem + &other.serialize_pem();
            }
            Issue::OtherNames => names(&["evil.example.org"]).signed_by(&asked.public_key, &middle),
            Issue::MoreNames => names(&["www.example.org", "evil.example.org"]).signed_by(&asked.public_key, &middle),
            Issue::Right => params.signed_by(&asked.public_key, &middle),
            Issue::Broken => return params.signed_by(&asked.public_key, &middle).unwrap().pem() + &stranger,
        };
        leaf.unwrap().pem() + &middle_pem
    }
}

fn request(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let mut held = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&held).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|n| n.parse().ok());
            let body = held.len() - head.len() - 4;
            if body >= length.unwrap_or(0) {
                let path = head.split(' ').nth(1)?.to_owned();
                return Some((path, held.split_off(head.len() + 4)));
            }
        }
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        held.extend_from_slice(&piece[..count]);
    }
}
