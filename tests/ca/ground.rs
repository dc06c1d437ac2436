//! A directory, the program run in it, and OpenSSL beside it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

pub use crate::ran::Ran;

/// A state directory and a passphrase file, `pass`, of its own.
pub struct Ground {
    dir: TempDir,
}

impl Ran {
    #[track_caller]
    pub fn good(self) -> Self {
        self.ends(0)
    }

    /// It was refused, with these words.
    #[track_caller]
    pub fn refused(self, words: &str) -> Self {
        self.ends(4).warns(words)
    }

    /// A word of the line is wrong, which is told with these words.
    #[track_caller]
    pub fn misunderstood(self, words: &str) -> Self {
        self.ends(2).warns(words)
    }
}

impl Ground {
    pub fn new() -> Self {
        let ground = Self { dir: TempDir::new().unwrap() };
        ground.write("reseal.toml", b"");
        ground.secret("pass", "correct horse");
        ground
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        path
    }

    pub fn secret(&self, name: &str, text: &str) {
        fs::set_permissions(self.write(name, text.as_bytes()), Permissions::from_mode(0o600)).unwrap();
    }

    /// The state directory of a CA.
    pub fn of_ca(&self, name: &str, file: &str) -> PathBuf {
        self.path("state/ca").join(name).join(file)
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command.current_dir(self.dir.path()).env_remove("DBUS_SESSION_BUS_ADDRESS");
        command.args(["--config", "reseal.toml", "--state-dir", "state", "--non-interactive"]);
        if !line.contains("--passphrase-file") {
            command.args(["--passphrase-file", "pass"]);
        }
        command.args(line.split_whitespace());
        command
    }

    /// Runs the program with the words of `line`.
    pub fn run(&self, line: &str) -> Ran {
        Ran::of(&self.command(line).output().unwrap())
    }

    pub fn json(&self, line: &str) -> Value {
        let ran = self.run(&format!("--format json {line}"));
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{line}: {error}: {}{}", ran.out, ran.err))
    }

    /// Runs OpenSSL, which must succeed.
    pub fn openssl(&self, line: &str) -> String {
        let (good, said) = self.openssl_tried(line);
        assert!(good, "openssl {line}: {said}");
        said
    }

    pub fn openssl_tried(&self, line: &str) -> (bool, String) {
        let mut command = Command::new("openssl");
        let ran = Ran::of(&command.current_dir(self.dir.path()).args(line.split_whitespace()).output().unwrap());
        (ran.code == Some(0), ran.out + &ran.err)
    }

    /// What OpenSSL shows of a certificate, one space where there were several.
    pub fn shown(&self, path: &Path) -> String {
        self.openssl(&format!("x509 -in {} -noout -text", path.display()))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// A certificate for any name, signed by a CA's own key behind the program's back, with all above it: into `NAME.pem`.
    pub fn forge(&self, ca: &str, name: &str, host: &str) {
        let issuer = self.of_ca(ca, "issuer.pem");
        let issuer = if issuer.exists() { issuer } else { self.of_ca(ca, "root.pem") };
        let kind = if host.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
        let extensions = format!(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n\
             subjectAltName=critical,{kind}:{host}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        );
        self.write("forge.ext", extensions.as_bytes());
        self.openssl(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout forge.key -subj / -out forge.csr",
        );
        self.openssl(&format!(
            "x509 -req -in forge.csr -CA {} -CAkey {} -passin file:pass -CAcreateserial -CAserial forge.srl -days 30 -extfile forge.ext \
             -out forge.pem",
            issuer.display(),
            issuer.with_extension("key").display(),
        ));
        let above = if issuer.ends_with("issuer.pem") { fs::read(&issuer).unwrap() } else { Vec::new() };
        self.write(&format!("{name}.pem"), &[self.read("forge.pem"), above].concat());
    }
}
