//! A directory with a configuration, a passphrase and a local CA, and the program to run on them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The passphrase of the CA `office`.
pub const PASS: &str = "canary-passphrase-7c0ffee7";

pub struct Ground {
    pub dir: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Ran {
    pub fn of(output: &Output, took: Duration) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr), took }
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
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
    /// With a passphrase file, and nothing else.
    pub fn bare() -> Self {
        let ground = Self { dir: TempDir::new().unwrap() };
        ground.write("reseal.toml", "", 0o644);
        ground.write("pass", format!("{PASS}\n"), 0o600);
        ground.write("wrong", "not this one\n", 0o600);
        ground
    }

    /// With the CA `office` too.
    pub fn new() -> Self {
        let ground = Self::bare();
        ground.run("ca init office --permit example.org --passphrase-file pass").ends(0);
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

    /// The program without a session of any kind, and without a person.
    pub fn command(&self, line: &str) -> Command {
        let mut command = self.at_terminal(line);
        command.arg("--non-interactive").stdin(Stdio::null());
        command
    }

    /// The same, where a person may be asked.
    pub fn at_terminal(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command.current_dir(self.dir.path()).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.dir.path());
        // Of the running user there may be a real bus in the usual place.
        command.env("XDG_RUNTIME_DIR", self.dir.path());
        command.arg("--config").arg(self.path("reseal.toml")).arg("--state-dir").arg(self.path("state"));
        command.args(line.split_whitespace());
        command
    }

    pub fn run(&self, line: &str) -> Ran {
        timed(&mut self.command(line))
    }

    pub fn json(&self, line: &str) -> Value {
        answer(&mut self.command(&format!("--format json {line}")))
    }

    /// Everything below a directory: path, mode, content.
    pub fn tree(&self, below: &str) -> Vec<(PathBuf, u32, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.path(below), &mut found);
        found.sort();
        found
    }
}

pub fn timed(command: &mut Command) -> Ran {
    let began = Instant::now();
    let output = command.output().unwrap();
    Ran::of(&output, began.elapsed())
}

/// The answer in JSON.
pub fn answer(command: &mut Command) -> Value {
    let ran = timed(command);
    let value: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
    assert_eq!(value["version"], 1);
    value
}

/// What a source says in an answer of `secret status`.
pub fn state(answer: &Value, kind: &str) -> String {
    let sources = answer["results"][0]["sources"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let found = sources.iter().find(|source| source["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {answer}"));
    found["state"].as_str().unwrap().to_owned()
}

/// Whether a program is installed; says so where it is not.
pub fn has(program: &str, package: &str) -> bool {
    let found = ["/usr/bin", "/bin", "/usr/sbin"].iter().any(|dir| Path::new(dir).join(program).exists());
    if !found {
        println!("skipped: {program} is not installed (Debian: {package})");
    }
    found
}

pub fn collect(dir: &Path, found: &mut Vec<(PathBuf, u32, Vec<u8>)>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            collect(&path, found);
        } else if meta.is_file() {
            let bytes = fs::read(&path).unwrap();
            found.push((path, meta.permissions().mode() & 0o7777, bytes));
        }
    }
}
