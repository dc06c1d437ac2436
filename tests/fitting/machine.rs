//! A machine of its own to place things into: this one's files, with everything that is written kept in memory and thrown away.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub use crate::ran::Ran;

/// A mount namespace in which `/etc`, `/opt`, `/usr` and `/var` may be written to, and the program is where packages put it.
pub struct Machine {
    holder: Child,
}

const MOUNTS: &str = r#"
set -e
mount -t tmpfs own /mnt
for d in etc opt usr var; do
  mkdir -p "/mnt/$d.up" "/mnt/$d.work"
  mount -t overlay own -o "lowerdir=/$d,upperdir=/mnt/$d.up,workdir=/mnt/$d.work" "/$d"
done
mount -t tmpfs own /run
rm -rf /etc/reseal /var/lib/reseal /etc/cron.d/reseal /etc/systemd/system/reseal-*
: >/usr/bin/reseal
chmod 755 /usr/bin/reseal
mount --bind "$1" /usr/bin/reseal
mkdir -p /etc/reseal
echo ready
exec sleep 1000
"#;

impl Machine {
    /// None where there are no rights for it, which is told.
    pub fn new() -> Option<Self> {
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", MOUNTS, "sh", env!("CARGO_BIN_EXE_reseal")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let _ = BufReader::new(holder.stdout.take()?).read_line(&mut line);
        let machine = Self { holder };
        if line != "ready\n" {
            println!("skipped: there are no rights to mount anything here");
            return None;
        }
        machine.put("/etc/reseal/reseal.toml", "");
        Some(machine)
    }

    fn enter(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--mount", "--wd=/", "--"]).args(argv);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8");
        command
    }

    /// Runs a program on it.
    pub fn run(&self, argv: &[&str]) -> Ran {
        Ran::of(&self.enter(argv).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs this program on it.
    pub fn reseal(&self, words: &str) -> Ran {
        let argv: Vec<&str> = ["/usr/bin/reseal", "--non-interactive"].into_iter().chain(words.split(' ')).collect();
        self.run(&argv)
    }

    /// The same, with this on its standard input.
    pub fn fed(&self, words: &str, input: &str) -> Ran {
        let argv: Vec<&str> = ["/usr/bin/reseal", "--non-interactive"].into_iter().chain(words.split(' ')).collect();
        let mut child =
            self.enter(&argv).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::of(&child.wait_with_output().unwrap())
    }

    /// Runs lines of a shell that must succeed; what they said.
    pub fn shell(&self, lines: &str) -> String {
        self.run(&["sh", "-ec", lines]).ends(0).out
    }

    pub fn put(&self, path: &str, text: &str) {
        let mut child = self.enter(&["sh", "-c", "cat >\"$1\"", "sh", path]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{path}");
    }

    pub fn read(&self, path: &str) -> String {
        self.run(&["cat", path]).ends(0).out
    }

    pub fn has(&self, path: &str) -> bool {
        self.run(&["test", "-e", path]).code == Some(0)
    }

    /// Everything that was written below these, with its age.
    pub fn tree(&self) -> String {
        self.shell("find /etc/systemd /etc/apt /etc/cron.d /var/lib/reseal -printf '%p %m %l %C@\\n' 2>/dev/null | sort || true")
    }

    /// A target `web`, a pair of files below `dir` with a certificate that signed itself.
    pub fn target(&self, dir: &str) {
        self.shell(&format!(
            "mkdir -p '{dir}'; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
             -subj /CN=web.example -addext subjectAltName=DNS:web.example -keyout '{dir}/web.key' -out '{dir}/web.pem' 2>/dev/null"
        ));
        self.put(
            "/etc/reseal/reseal.toml",
            &format!(
                "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"web.example\"]\ncertificate = \"{dir}/web.pem\"\nkey = \"{dir}/web.key\"\n"
            ),
        );
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
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
