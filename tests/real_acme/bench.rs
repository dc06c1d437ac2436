//! A target with a vendor's certificate in a temporary directory, and the program itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rcgen::{CertificateParams, KeyPair};
use reseal::cert::{Certificate, PrivateKey, codec};
use tempfile::TempDir;

use crate::pebble::Pebble;

/// The target `web` with its configuration, and reseal's own state.
pub struct Bench {
    pub dir: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    #[track_caller]
    pub fn says(&self, words: &[&str]) {
        let all = format!("{}{}", self.out, self.err);
        let flat = all.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(flat.contains(word), "not told: {word:?}\n{all}");
        }
    }
}

impl Bench {
    /// With these lines in `[target.source]`, after its kind.
    pub fn new(names: &[&str], source: &str) -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        bench.configure(names, source, "");
        let key = KeyPair::generate().unwrap();
        let vendor = CertificateParams::new(vec!["appliance".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(bench.path("web.pem"), vendor.pem()).unwrap();
        fs::write(bench.path("web.key"), key.serialize_pem()).unwrap();
        bench
    }

    pub fn configure(&self, names: &[&str], source: &str, extra: &str) {
        let root = self.dir.path().display();
        let text = format!(
            "[defaults]\nstate_dir = \"{root}/state\"\n[[target]]\nname = \"web\"\nkind = \"files\"\nnames = {names:?}\n\
             certificate = \"{root}/web.pem\"\nkey = \"{root}/web.key\"\n{extra}\n[target.source]\nkind = \"acme\"\n{source}\n"
        );
        fs::write(self.path("reseal.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command
            .env_clear()
            .arg("--config")
            .arg(self.path("reseal.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// Makes the account `default`.
    pub fn register(&self, pebble: &Pebble) -> Ended {
        let (directory, root) = (pebble.directory(), pebble.root().display().to_string());
        self.run(&["acme", "account", "create", "--directory", &directory, "--root", &root, "--agree-terms"])
    }

    pub fn chain(&self) -> Vec<Certificate> {
        codec::read(&fs::read(self.path("web.pem")).unwrap(), None).unwrap().certificates
    }

    pub fn leaf(&self) -> Certificate {
        self.chain().remove(0)
    }

    pub fn key(&self) -> PrivateKey {
        codec::read(&fs::read(self.path("web.key")).unwrap(), None).unwrap().keys.remove(0)
    }

    /// The names of what is in place, which its key matches.
    #[track_caller]
    pub fn names(&self) -> Vec<String> {
        assert!(self.key().matches(&self.leaf()), "the pair does not match");
        self.leaf().names().iter().map(ToString::to_string).collect()
    }

    /// Everything below the state directory, with its mode.
    pub fn state(&self) -> Vec<(PathBuf, u32, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.path("state"), &mut found);
        found
    }
}

fn collect(dir: &Path, found: &mut Vec<(PathBuf, u32, Vec<u8>)>) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            collect(&entry.path(), found);
        } else if metadata.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            found.push((entry.path(), metadata.permissions().mode() & 0o7777, bytes));
        }
    }
}
