//! A passphrase that another program writes.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdin, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::ground::{Ground, PASS, timed};

/// `systemd-creds decrypt ... | reseal ... --passphrase-fd 0`, whose first half takes its time.
#[test]
fn a_slow_writer_is_waited_for() {
    let ground = Ground::new();
    let mut child =
        ground.command("ca crl office --passphrase-fd 0").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for part in [&PASS[..5], &PASS[5..], "\n"] {
        thread::sleep(Duration::from_millis(200));
        pipe.write_all(part.as_bytes()).unwrap();
    }
    drop(pipe);
    assert!(child.wait().unwrap().success());
}

/// A writer that never ends can be left behind with Ctrl-C.
#[test]
fn a_writer_that_hangs_is_left_with_a_signal() {
    let ground = Ground::new();
    for number in ["0", "3"] {
        let run = ground.command(&format!("ca crl office --passphrase-fd {number}"));
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "exec 3<&0; exec \"$0\" \"$@\""]).arg(run.get_program()).args(run.get_args());
        let mut child = shell.current_dir(ground.path("")).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let _held: ChildStdin = child.stdin.take().unwrap();
        thread::sleep(Duration::from_millis(500));
        assert!(child.try_wait().unwrap().is_none(), "{number}: it did not wait");
        let began = Instant::now();
        kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::INT.as_raw()), "{number}");
        assert!(began.elapsed() < Duration::from_secs(10), "{number}: {:?}", began.elapsed());
    }
}

/// What tells about sources reads none that can be read once.
#[test]
fn status_takes_nothing_away_from_a_descriptor() {
    let ground = Ground::new();
    let mut told = ground.command("secret status --passphrase-fd 0");
    timed(&mut told).ends(4).says(&["a descriptor", "--passphrase-file"]);
}
