//! One machine: a system over which its own changes lie, in memory alone, and whatever runs on it.
//!
//! Everything is in namespaces whose first process dies with the thread of the test, so a test that is killed leaves neither a
//! process nor a mount; only empty control groups, which the next test removes.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::root;

/// How many of this process there have been.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A machine, and whether it runs.
pub struct Machine {
    mount: TempDir,
    holder: Child,
    running: Option<Running>,
    group: String,
}

/// The container, and its first process.
struct Running {
    nspawn: Child,
    first: u32,
}

/// How a command ended, and what it said on both channels.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub said: String,
}

impl Ran {
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.said);
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.said.contains(words), "no {words:?} in\n{}", self.said);
        self
    }

    /// What was said, without the end of its last line.
    pub fn text(&self) -> &str {
        self.said.trim_end()
    }
}

impl Machine {
    /// A running one; none, with the reason printed, where there can be none.
    pub fn start() -> Option<Self> {
        let system = root::system()?;
        sweep();
        let mount = TempDir::new().unwrap();
        // The changes are kept in memory: they go with the namespace.
        let script = "mount -t tmpfs -o mode=755 tmpfs \"$2\" && mkdir \"$2/upper\" \"$2/work\" \"$2/root\" && mount -t overlay overlay -o \
                      \"lowerdir=$1,upperdir=$2/upper,workdir=$2/work\" \"$2/root\" && echo ready && exec sleep infinity";
        let mut holder = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "sh", "-c", script, "hold"])
            .args([&system, mount.path()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "no overlay could be mounted");
        let group = format!("reseal-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut machine = Self { mount, holder, running: None, group };
        machine.boot();
        Some(machine)
    }

    /// One with the package installed.
    pub fn with_reseal() -> Option<Self> {
        let machine = Self::start()?;
        machine.install(&root::package(None)).ends(0);
        Some(machine)
    }

    /// Switches it on, and waits until its services have started.
    pub fn boot(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        let root = self.mount.path().join("root");
        let enter: String = groups()
            .iter()
            .map(|dir| format!("mkdir -p {0}/{1} && echo $$ > {0}/{1}/cgroup.procs && ", dir, self.group))
            .collect();
        let log = fs::File::create(root::kept().join(format!("{}.log", self.group))).unwrap();
        let mut nspawn = Command::new("sh")
            .arg("-c")
            .arg(format!("{enter} exec \"$@\""))
            .args(["boot", "setpriv", "--pdeathsig", "KILL", "nsenter", "-m", "-t", &self.holder.id().to_string()])
            .args(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "systemd-nspawn", "--quiet", "-D"])
            .arg(&root)
            .args(["-M", "web", "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            // unshare, its child nspawn, and its child: the first process of the machine.
            let first = child_of(nspawn.id()).and_then(child_of);
            if let Some(first) = first {
                let running = Running { nspawn, first };
                let state = enter_command(&running, "systemctl is-system-running").text().to_owned();
                if matches!(state.as_str(), "running" | "degraded") {
                    self.running = Some(running);
                    return;
                }
                nspawn = running.nspawn;
            }
            assert!(nspawn.try_wait().unwrap().is_none(), "it did not start: {}", self.log());
            assert!(Instant::now() < end, "it did not come up: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(root::kept().join(format!("{}.log", self.group))).unwrap_or_default()
    }

    /// Ends every process of it at once, the first one first.
    pub fn cut_power(&mut self) {
        let mut running = self.running.take().unwrap();
        kill(running.first);
        running.nspawn.wait().unwrap();
    }

    /// A command for a shell on the machine, by root, with an environment of its own.
    pub fn run(&self, line: &str) -> Ran {
        enter_command(self.running.as_ref().unwrap(), line)
    }

    /// The same, which must end with 0.
    #[track_caller]
    pub fn must(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(0), "{line}\n{}", ran.said);
        ran.text().to_owned()
    }

    /// A command that goes on while the test does something else.
    pub fn begin(&self, line: &str) -> Child {
        let mut command = entering(self.running.as_ref().unwrap(), line);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Where a file of the machine is for this process. No link on the way may be absolute.
    pub fn path(&self, inside: &str) -> PathBuf {
        let root = self.mount.path().join("root").join(inside.trim_start_matches('/'));
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(root.strip_prefix("/").unwrap())
    }

    /// Writes a file, and makes the directories above it; from inside, where an absolute link leads to a place of the machine.
    pub fn write(&self, inside: &str, text: &str) {
        let line = format!("mkdir -p \"$(dirname {inside})\" && cat > {inside}");
        let mut child = entering(self.running.as_ref().unwrap(), &line).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{inside} cannot be written");
    }

    /// Installs a package by apt, which gets nothing from any network.
    pub fn install(&self, package: &Path) -> Ran {
        let name = package.file_name().unwrap().to_str().unwrap();
        fs::copy(package, self.path(&format!("/root/{name}"))).unwrap();
        self.apt(&format!("install --allow-downgrades /root/{name}"))
    }

    /// apt as a script runs it: nobody answers.
    pub fn apt(&self, words: &str) -> Ran {
        self.run(&format!("DEBIAN_FRONTEND=noninteractive apt-get -q -y {words}"))
    }

    /// Waits until a command ends with 0; false when time is up.
    pub fn comes_to(&self, seconds: u64, line: &str) -> bool {
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            if self.run(line).code == Some(0) {
                return true;
            }
            thread::sleep(Duration::from_millis(100));
        }
        false
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            kill(running.first);
            let _ = running.nspawn.wait();
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        for dir in groups() {
            remove_groups(&Path::new(dir).join(&self.group));
        }
        if !thread::panicking() {
            let _ = fs::remove_file(root::kept().join(format!("{}.log", self.group)));
        }
    }
}

fn entering(running: &Running, line: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "KILL",
            "nsenter",
            "-m",
            "-p",
            "-u",
            "-i",
            "-n",
            "-r",
            "-w",
            "-t",
            &running.first.to_string(),
        ])
        .args(["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "timeout", "-k", "5", "180"])
        .args(["sh", "-c", line]);
    command
}

fn enter_command(running: &Running, line: &str) -> Ran {
    let ran = entering(running, &format!("exec 2>&1; {line}")).stdin(Stdio::null()).output().unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    Ran { code: ran.status.code(), said: String::from_utf8_lossy(&said).into_owned() }
}

/// The only child of a process.
fn child_of(parent: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

pub fn kill(process: u32) {
    let process = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
}

/// The trees of control groups in which a machine needs one of its own, or it would fight with others over the root.
fn groups() -> &'static [&'static str] {
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        &["/sys/fs/cgroup"]
    } else {
        &["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]
    }
}

fn remove_groups(dir: &Path) {
    // The kernel takes a moment to let go of the last process.
    for _ in 0..50 {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
            remove_groups_once(&entry.path());
        }
        if fs::remove_dir(dir).is_ok() || !dir.exists() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn remove_groups_once(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        remove_groups_once(&entry.path());
    }
    let _ = fs::remove_dir(dir);
}

/// Removes the control groups of tests that were killed.
fn sweep() {
    for dir in groups() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix("reseal-test-").and_then(|rest| rest.split('-').next());
            if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
                remove_groups_once(&entry.path());
            }
        }
    }
}
