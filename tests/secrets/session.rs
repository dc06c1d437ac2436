//! A login session of its own: a bus, and on it the keyring daemon of GNOME.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ground::{Ground, has};

/// The password that the keyring of the session is encrypted under.
const LOGIN: &str = "the password of the login";

/// A bus that starts nothing by itself, and what runs on it.
pub struct Session {
    dir: TempDir,
    address: String,
    bus: Child,
    daemon: Option<Child>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end_daemon();
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

impl Session {
    /// A bus without a keyring; or why the test is skipped.
    pub fn new() -> Option<Self> {
        if !has("dbus-daemon", "dbus-daemon")
            || !has("dbus-send", "dbus-bin")
            || !has("gnome-keyring-daemon", "gnome-keyring")
        {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let config = dir.path().join("bus.conf");
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig><type>session</type>\
             <listen>unix:path={}</listen><policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            dir.path().join("bus").display()
        );
        fs::write(&config, text).unwrap();
        let mut bus = Command::new("dbus-daemon")
            .args(["--nofork", "--print-address", "--config-file"])
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(address.starts_with("unix:"), "dbus-daemon did not start: {address:?}");
        Some(Self { dir, address: address.trim().to_owned(), bus, daemon: None })
    }

    /// The same with a keyring that the login has unlocked.
    pub fn unlocked() -> Option<Self> {
        let mut session = Self::new()?;
        session.start(Some(LOGIN));
        Some(session)
    }

    fn home(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// What a program needs to know of the session.
    pub fn enter(&self, mut command: Command) -> Command {
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address).env("XDG_RUNTIME_DIR", self.home());
        command
    }

    /// The program in it.
    pub fn command(&self, ground: &Ground, line: &str) -> Command {
        self.enter(ground.command(line))
    }

    /// Starts the daemon, with the password of the login or, as where nobody has logged in, without.
    pub fn start(&mut self, password: Option<&str>) {
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("HOME", self.home()).env("XDG_DATA_HOME", self.home().join("data"));
        let mut command = self.enter(command);
        if password.is_some() {
            command.arg("--unlock");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(password.unwrap_or_default().as_bytes()).unwrap();
        drop(stdin);
        self.daemon = Some(child);
        let began = Instant::now();
        while !self.tell("/org/freedesktop/secrets", "org.freedesktop.DBus.Peer.Ping", &[]) {
            assert!(began.elapsed() < Duration::from_secs(20), "the keyring daemon did not come");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it anew as after a reboot without a login: the file is there, and nobody has unlocked it.
    pub fn restart_locked(&mut self) {
        self.end_daemon();
        self.start(None);
    }

    fn end_daemon(&mut self) {
        if let Some(mut child) = self.daemon.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Locks the keyring while the daemon runs, as a screen that locks does.
    pub fn lock(&self) {
        let place = "/org/freedesktop/secrets/collection/login";
        let locked = self.tell(
            "/org/freedesktop/secrets",
            "org.freedesktop.Secret.Service.Lock",
            &[&format!("array:objpath:{place}")],
        );
        assert!(locked, "the keyring did not lock");
    }

    /// The daemon, to be stopped with a signal.
    pub fn daemon(&self) -> i32 {
        self.daemon.as_ref().map(|child| i32::try_from(child.id()).unwrap()).unwrap()
    }

    fn tell(&self, path: &str, method: &str, arguments: &[&str]) -> bool {
        let mut command = Command::new("dbus-send");
        command.args(["--session", "--print-reply", "--dest=org.freedesktop.secrets", path, method]).args(arguments);
        self.enter(command).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }
}
