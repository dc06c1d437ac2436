//! A system store in a directory, made by the real `update-ca-certificates`, and CAs to put into it.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use reseal::config::Config;
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;

pub use crate::ran::Ran;

/// What a certificate shall be.
pub struct Wish<'a> {
    pub name: &'a str,
    pub ca: bool,
    pub signs: bool,
    pub from: i64,
    pub to: i64,
}

impl<'a> Wish<'a> {
    pub fn ca(name: &'a str) -> Self {
        Self { name, ca: true, signs: true, from: -1, to: 30 }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.name);
        params.not_before = OffsetDateTime::now_utc() + time::Duration::days(self.from);
        params.not_after = OffsetDateTime::now_utc() + time::Duration::days(self.to);
        if self.ca {
            params.subject_alt_names.clear();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let usage = if self.signs { KeyUsagePurpose::KeyCertSign } else { KeyUsagePurpose::DigitalSignature };
            params.key_usages = vec![usage];
        }
        params
    }
}

/// A CA with its key.
pub struct Ca {
    name: String,
    pub pem: String,
    pub fingerprint: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub fn new(name: &str) -> Self {
        Self::of(&Wish::ca(name))
    }

    pub fn of(wish: &Wish<'_>) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = wish.params();
        let certificate = params.self_signed(&key).unwrap();
        let fingerprint = reseal::digest::Digest::of(certificate.der()).to_string();
        Self { name: wish.name.to_owned(), pem: certificate.pem(), fingerprint, issuer: Issuer::new(params, key) }
    }

    /// Another certificate of the same name and key.
    pub fn renewed(&self) -> Self {
        let key = KeyPair::from_pem(&self.issuer.key().serialize_pem()).unwrap();
        let params = Wish { to: 60, ..Wish::ca(&self.name) }.params();
        let certificate = params.self_signed(&key).unwrap();
        let fingerprint = reseal::digest::Digest::of(certificate.der()).to_string();
        Self { name: self.name.clone(), pem: certificate.pem(), fingerprint, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key of a server at localhost.
    pub fn leaf(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let wish = Wish { name: "localhost", ca: false, signs: false, from: -1, to: 20 };
        (wish.params().signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A CA below this one.
    pub fn below(&self, name: &str) -> String {
        self.middle(name).pem
    }

    /// The same with its key.
    pub fn middle(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = Wish::ca(name).params();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let fingerprint = reseal::digest::Digest::of(certificate.der()).to_string();
        Self { name: name.to_owned(), pem: certificate.pem(), fingerprint, issuer: Issuer::new(params, key) }
    }
}

/// Whether a program is there; says so where it is not.
pub fn has(program: &str) -> bool {
    let found = ["/usr/sbin", "/usr/bin", "/bin", "/sbin"].iter().any(|dir| Path::new(dir).join(program).exists());
    if !found {
        println!("skipped: there is no {program}");
    }
    found
}

pub struct Ground {
    dir: TempDir,
}

impl Ground {
    /// With one root of the distribution's own in the store, as `update-ca-certificates` has made it; none where that is not there.
    pub fn new() -> Option<Self> {
        Self::updated_by("", TempDir::new().unwrap())
    }

    /// The same in a directory of the caller's choice, with a shell line after the real command.
    pub fn updated_by(line: &str, dir: TempDir) -> Option<Self> {
        if !has("update-ca-certificates") || !has("openssl") {
            return None;
        }
        let ground = Self { dir };
        for name in ["local", "etc", "hooks", "certs"] {
            fs::create_dir(ground.path(name)).unwrap();
        }
        ground.write("certs/base.crt", &Ca::new("Base Root").pem);
        ground.write("certs.conf", "base.crt\n");
        // What counts the runs, as a hook of the distribution's would be called.
        ground.script("hooks/count", &format!("cat >/dev/null; echo run >>{}", ground.path("runs").display()));
        ground.command(line);
        let end = Command::new(ground.path("update")).output().unwrap();
        assert!(end.status.success(), "{end:?}");
        fs::remove_file(ground.path("runs")).unwrap();
        Some(ground)
    }

    /// The system's command: the real one, and then this line.
    pub fn command(&self, line: &str) {
        let root = self.dir.path().display();
        let real = format!(
            "/usr/sbin/update-ca-certificates --localcertsdir {root}/local --etccertsdir {root}/etc --hooksdir {root}/hooks \
             --certsdir {root}/certs --certsconf {root}/certs.conf"
        );
        self.script("update", &format!("{real}\n{line}"));
        self.configure(&format!(
            "[system_store]\ndirectory = \"{root}/local\"\nbundle = \"{root}/etc/ca-certificates.crt\"\nupdate = [\"{root}/update\"]\n"
        ));
    }

    pub fn configure(&self, store: &str) {
        let text = format!("[defaults]\nstate_dir = \"{}\"\n{store}", self.path("state").display());
        self.write("reseal.toml", &text);
    }

    pub fn config(&self) -> Config {
        let path = self.path("reseal.toml");
        Config::parse(&fs::read_to_string(&path).unwrap(), &path).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    pub fn script(&self, name: &str, lines: &str) {
        self.write(name, &format!("#!/bin/sh\nset -e\n{lines}\n"));
        fs::set_permissions(self.path(name), Permissions::from_mode(0o755)).unwrap();
    }

    pub fn secret(&self, name: &str, text: &str) -> String {
        let path = self.write(name, text);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// How often the command of the system has run.
    pub fn runs(&self) -> usize {
        fs::read_to_string(self.path("runs")).map_or(0, |text| text.lines().count())
    }

    pub fn bundle(&self) -> String {
        fs::read_to_string(self.path("etc/ca-certificates.crt")).unwrap()
    }

    /// Whether clients have a CA.
    pub fn trusts(&self, ca: &Ca) -> bool {
        self.bundle().contains(&ca.pem.replace("\r\n", "\n"))
    }

    /// The names in a directory.
    pub fn names(&self, dir: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(dir))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Everything below the directory with its bytes or link text and its age, the lock left out: whoever takes it writes in it.
    pub fn tree(&self) -> Vec<(PathBuf, Vec<u8>, i64)> {
        let mut found = Vec::new();
        let mut waiting = vec![self.dir.path().to_owned()];
        while let Some(path) = waiting.pop() {
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mut bytes = Vec::new();
            if metadata.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if metadata.is_symlink() {
                bytes = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
            } else {
                bytes = fs::read(&path).unwrap();
            }
            found.push((path, bytes, metadata.mtime_nsec()));
        }
        found.sort();
        found
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command.env_clear().current_dir(self.dir.path()).stdin(Stdio::null());
        command
            .arg("--config")
            .arg(self.path("reseal.toml"))
            .args(["--non-interactive", "--wait", "5"])
            .args(arguments);
        Ran::of(&command.output().unwrap())
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["--format", "json"];
        all.extend(arguments);
        let ran = self.run(&all);
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
    }

    /// Whether OpenSSL, which knows nobody but the bundle, accepts a server.
    pub fn openssl_accepts(&self, server: &Server) -> bool {
        let at = format!("localhost:{}", server.port);
        let bundle = self.path("etc/ca-certificates.crt");
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &at, "-verify_return_error", "-brief", "-no-CApath", "-no-CAstore"]);
        let output = command.arg("-CAfile").arg(bundle).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("Verification") || text.contains("verify"), "{text}");
        output.status.success() && text.contains("Verification: OK")
    }
}

/// A server of OpenSSL's, which is gone when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn of(ground: &Ground, ca: &Ca) -> Self {
        let (certificate, key) = ca.leaf();
        let (certificate, key) = (ground.write("server.pem", &certificate), ground.secret("server.key", &key));
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        Self::run(ground, &format!("s_server -accept {port} -cert {certificate} -key {key} -quiet"), port)
    }

    /// OpenSSL with these words, in the ground's directory.
    pub fn run(ground: &Ground, words: &str, port: u16) -> Self {
        let child = Command::new("openssl")
            .current_dir(ground.path(""))
            .args(words.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program that must succeed; what it said.
pub fn tool(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {words:?}: {text}");
    text
}
