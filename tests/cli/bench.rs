//! A directory with a configured target, and the program to run on it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

pub use crate::ran::Ran;

/// What a certificate shall be.
pub struct Leaf<'a> {
    pub name: &'a str,
    pub common_name: &'a str,
    pub days: i64,
    pub self_signed: bool,
}

impl Default for Leaf<'_> {
    fn default() -> Self {
        Self { name: "www.example.org", common_name: "www.example.org", days: 90, self_signed: false }
    }
}

impl Leaf<'_> {
    /// Certificate and key as PEM.
    pub fn make(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (self.of_key(&key), key.serialize_pem())
    }

    /// A certificate for a key, as PEM.
    pub fn of_key(&self, key: &KeyPair) -> String {
        let mut params = CertificateParams::new(vec![self.name.to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.common_name);
        params.not_before = OffsetDateTime::now_utc() - Duration::days(20);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(self.days);
        let leaf = if self.self_signed {
            params.self_signed(key).unwrap()
        } else {
            let mut ca = CertificateParams::new(Vec::new()).unwrap();
            ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            ca.distinguished_name.push(DnType::CommonName, "test CA");
            params.signed_by(key, &Issuer::new(ca, KeyPair::generate().unwrap())).unwrap()
        };
        leaf.pem()
    }
}

/// A target `web` with a self-signed pair in place.
pub struct Bench {
    dir: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self { dir: TempDir::new().unwrap() };
        bench.configure("");
        let (certificate, key) = Leaf { self_signed: true, ..Leaf::default() }.make();
        bench.write("web.pem", &certificate, 0o644);
        bench.write("web.key", &key, 0o600);
        bench
    }

    /// Writes the configuration, with `extra` in its target.
    pub fn configure(&self, extra: &str) {
        let root = self.dir.path().display();
        let text = format!(
            "[defaults]\nstate_dir = \"{root}/state\"\nlive_dir = \"{root}/live\"\n[[target]]\nname = \"web\"\nkind = \"files\"\n\
             names = [\"www.example.org\"]\ncertificate = \"{root}/web.pem\"\nkey = \"{root}/web.key\"\n{extra}"
        );
        self.write("reseal.toml", &text, 0o644);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    /// Brings a pair as `NAME.pem` and `NAME.key`.
    pub fn bring(&self, name: &str, leaf: &Leaf<'_>) -> (String, String) {
        let (certificate, key) = leaf.make();
        (self.write(&format!("{name}.pem"), &certificate, 0o644), self.write(&format!("{name}.key"), &key, 0o600))
    }

    /// Brings a good pair and installs it.
    pub fn installed(&self, name: &str) {
        let (certificate, key) = self.bring(name, &Leaf::default());
        self.run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(0);
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().env("RESEAL_CONFIG", self.path("reseal.toml"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs it with nobody to ask.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut all = vec!["--non-interactive", "--wait", "5"];
        all.extend(arguments);
        Ran::of(&self.command(&all).output().unwrap())
    }

    /// Runs it and reads its JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["--format", "json"];
        all.extend(arguments);
        let ran = self.run(&all);
        let value: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out));
        assert_eq!(value["version"], 1);
        assert_eq!(value["exit"].as_i64(), ran.code.map(i64::from), "{value}");
        assert!(value["results"].is_array(), "{value}");
        value
    }

    /// Everything below the directory: path, mode, content.
    pub fn tree(&self) -> Vec<(PathBuf, u32, Vec<u8>)> {
        let mut found = Vec::new();
        collect(self.dir.path(), &mut found);
        found.sort();
        found
    }

    pub fn served(&self) -> String {
        fs::read_to_string(self.path("web.pem")).unwrap()
    }
}

fn collect(dir: &Path, found: &mut Vec<(PathBuf, u32, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        found.push((path.clone(), metadata.mode(), content));
        if metadata.is_dir() {
            collect(&path, found);
        }
    }
}
