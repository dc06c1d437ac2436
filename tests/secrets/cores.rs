//! A run that crashes leaves no core with what it had in memory.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::ground::{Ground, PASS};

/// Starts a command that may leave a core as large as it likes in its working directory.
fn start(program: &str, arguments: &[&str], at: &Path) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\"", program]).args(arguments);
    command.current_dir(at).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", at).env("XDG_RUNTIME_DIR", at);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Ends it by a signal. Rust's own handler, which looks for overflown stacks, takes the first of some signals for itself.
fn end(mut child: Child, signal: Signal) -> std::process::ExitStatus {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    for _ in 0..100 {
        kill_process(pid, signal).unwrap();
        thread::sleep(Duration::from_millis(50));
        if let Some(ended) = child.try_wait().unwrap() {
            return ended;
        }
    }
    panic!("{signal:?} does not end it");
}

fn cores(at: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("core")).collect()
}

#[test]
fn a_crash_leaves_no_core() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.starts_with('|') || pattern.contains('/') {
        println!("skipped: this machine puts cores elsewhere: {}", pattern.trim());
        return;
    }
    // Another program leaves one here, so that none is a statement about reseal.
    let control = tempfile::tempdir().unwrap();
    let sleeping = start("sleep", &["60"], control.path());
    thread::sleep(Duration::from_millis(300));
    assert!(end(sleeping, Signal::ABORT).core_dumped());
    if cores(control.path()).is_empty() {
        println!("skipped: no program leaves a core here");
        return;
    }

    for signal in [Signal::ABORT, Signal::SEGV, Signal::BUS] {
        let ground = Ground::new();
        let root = ground.path("").display().to_string();
        ground.write(
            "reseal.toml",
            format!(
                "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{root}web.pem\"\n\
                 key = \"{root}web.key\"\nreload = [\"/bin/sleep\", \"60\"]\n[target.source]\nkind = \"local-ca\"\nca = \"office\"\n"
            ),
            0o644,
        );
        let config = ground.path("reseal.toml").display().to_string();
        let state = ground.path("state").display().to_string();
        let words = ["--config", &config, "--state-dir", &state, "-n", "--passphrase-file", "pass", "renew", "web"];
        // The key of the CA is open, and that of the target in memory, while the service is told.
        let run = start(env!("CARGO_BIN_EXE_reseal"), &words, ground.dir.path());
        let began = Instant::now();
        while !ground.path("web.key").exists() {
            assert!(began.elapsed() < Duration::from_secs(30), "it did not begin");
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(Duration::from_millis(200));
        let ended = end(run, signal);
        assert_eq!(ended.signal(), Some(signal.as_raw()), "{signal:?}: the run ended before: {ended:?}");
        assert!(!ended.core_dumped(), "{signal:?}");
        assert!(cores(ground.dir.path()).is_empty(), "{signal:?}: {:?}", cores(ground.dir.path()));
        let kept = ground.tree("");
        let found = kept.iter().filter(|(path, ..)| !path.ends_with("pass"));
        for (path, _, bytes) in found {
            assert!(!bytes.windows(PASS.len()).any(|part| part == PASS.as_bytes()), "{}", path.display());
        }
    }
}
