//! Signals that ask the program to end, as a flag that is looked at between two acts.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};

/// Catches SIGINT, SIGTERM and SIGHUP from when it is installed to the program's end.
///
/// Whoever changes files looks at [`Signals::pending`] between two acts, undoes or finishes, and then calls [`finish_as`]. A second
/// signal does not cut that short. SIGPIPE stays ignored, as Rust sets it: a closed pipe is an error of the one write.
#[derive(Clone, Debug)]
pub struct Signals {
    caught: Arc<AtomicUsize>,
}

impl Signals {
    /// Catches the three signals. Those that the caller has ignored stay ignored: that is what `nohup` and a shell's `&` mean.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn install() -> io::Result<Self> {
        let caught = Arc::new(AtomicUsize::new(0));
        let ignored = ignored();
        for signal in HARMLESS {
            flag::register(signal, Arc::default())?;
        }
        for signal in ASKED {
            if ignored & mask(signal) == 0 {
                flag::register_usize(signal, Arc::clone(&caught), usize::try_from(signal).unwrap_or_default())?;
            }
        }
        Ok(Self { caught })
    }

    /// The number of the latest signal that came, if one did.
    #[must_use]
    pub fn pending(&self) -> Option<i32> {
        i32::try_from(self.caught.load(Ordering::SeqCst)).ok().filter(|&signal| signal != 0)
    }
}

/// Ends the program by `signal`, as if it had never been caught, so that a shell or systemd sees what they sent.
#[allow(clippy::exit, reason = "everything is undone or finished by now")]
pub fn finish_as(signal: i32) -> ! {
    let _ = low_level::emulate_default_handler(signal);
    // Reached only for a signal that ends nobody.
    std::process::exit(128_i32.saturating_add(signal))
}

/// Caught to be nothing but caught. Whoever has started this program may ignore SIGCHLD, and then no program's end could be waited for; and
/// a file that must not grow is an error of the one write.
const HARMLESS: [i32; 2] = [SIGCHLD, SIGXFSZ];

const ASKED: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// The signals that were ignored when the program began, a bit each. Without `/proc` none is known to be.
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status").ok().and_then(|status| ignored_in(&status)).unwrap_or(0)
}

/// The `SigIgn` line of `/proc/[pid]/status`, proc(5).
fn ignored_in(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(value.trim(), 16).ok()
}

fn mask(signal: i32) -> u64 {
    1 << (signal - 1)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    /// The process that the test below starts: the same test program, with this one test.
    #[test]
    fn child() {
        if std::env::var_os("RESEAL_TEST_SIGNALS").is_none() {
            return;
        }
        let signals = Signals::install().unwrap();
        assert_eq!(signals.pending(), None);
        eprintln!("ready");
        for _ in 0..2000 {
            if let Some(signal) = signals.pending() {
                finish_as(signal);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn ends_by(shell: &str, signals: &[Signal]) -> Option<i32> {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new("/bin/sh")
            .args(["-c", shell, program.to_str().unwrap(), "--exact", "host::signal::tests::child", "--nocapture"])
            .env("RESEAL_TEST_SIGNALS", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let ready =
            BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).any(|line| line == "ready");
        assert!(ready);
        for &signal in signals {
            kill_process(Pid::from_child(&child), signal).unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
        child.wait().unwrap().signal()
    }

    #[test]
    fn the_end_is_the_signals() {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            assert_eq!(ends_by("exec \"$0\" \"$@\"", &[signal]), Some(signal.as_raw()));
        }
    }

    #[test]
    fn what_the_caller_ignores_stays_ignored() {
        let ended = ends_by("trap '' HUP; exec \"$0\" \"$@\"", &[Signal::HUP, Signal::TERM]);
        assert_eq!(ended, Some(SIGTERM));
    }

    #[test]
    fn the_mask_is_read() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        let ignored = ignored_in(status).unwrap();
        assert_eq!(ignored & mask(SIGHUP), 1);
        assert_eq!(ignored & (mask(SIGINT) | mask(SIGTERM)), 0);
        assert_eq!(ignored_in("Name:\tx\n"), None);
    }
}
