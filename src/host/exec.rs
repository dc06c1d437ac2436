//! Runs a program of the service: no shell, a clean environment, and limits on time and output.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::change::Command;

pub use program::{ProgramError, check_kept, check_program};

mod complaints;
mod program;

/// How a run ended, and what it said.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: Status,
    /// The last 64 KiB of standard output and standard error as they came; bytes that are not UTF-8 are replaced.
    pub output: String,
    /// How many bytes were dropped before those in `output`.
    pub truncated: u64,
    /// How long it took.
    pub took: Duration,
}

/// How a run ended.
#[derive(Debug)]
pub enum Status {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, which did not come from here.
    Signalled(i32),
    /// It was killed with its process group, for it had not ended within the limit.
    TimedOut,
    /// It did not begin.
    NotStarted(io::Error),
    /// It began, and its end could not be learned.
    Lost(io::Error),
}

impl Ran {
    /// One that could not begin.
    pub(super) fn not_started(error: io::Error) -> Self {
        Self { status: Status::NotStarted(error), output: String::new(), truncated: 0, took: Duration::ZERO }
    }

    /// Whether it ended with exit code 0.
    #[must_use]
    pub fn ok(&self) -> bool {
        matches!(self.status, Status::Exited(0))
    }

    /// The last line with anything in it: where programs say why they failed. Cut where nobody reads on.
    #[must_use]
    pub fn last_line(&self) -> Option<&str> {
        self.last().map(|line| head(line, LINE))
    }

    fn last(&self) -> Option<&str> {
        self.output.lines().map(str::trim).rfind(|line| !line.is_empty())
    }

    /// The last few lines with anything in them, as one.
    #[must_use]
    pub fn tail(&self) -> String {
        let lines: Vec<&str> = self.output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last: Vec<&str> = lines[lines.len().saturating_sub(LINES)..].iter().map(|line| head(line, LINE)).collect();
        last.join(" | ")
    }

    /// How it ended, without a word of what it printed.
    #[must_use]
    pub fn end(&self) -> String {
        match &self.status {
            Status::Exited(code) => format!("exited with {code}"),
            Status::Signalled(signal) => match signal_hook::low_level::signal_name(*signal) {
                Some(name) => format!("ended by {name}"),
                None => format!("ended by signal {signal}"),
            },
            Status::TimedOut => format!("killed after {:.1} s without an end", self.took.as_secs_f32()),
            Status::NotStarted(error) => format!("did not start: {error}"),
            Status::Lost(error) => format!("started, but its end is unknown: {error}"),
        }
    }

    /// The line that says why: the last that speaks of an error, where the very last is a summary without one (nginx, Apache).
    fn reason(&self) -> Option<&str> {
        let last = self.last()?;
        let speaks = |line: &&str| {
            let line = line.to_ascii_lowercase();
            ["[emerg]", "[alert]", "[crit]", "error"].iter().any(|word| line.contains(word))
        };
        let lines = self.output.lines().map(str::trim);
        Some(if speaks(&last) { last } else { lines.rev().find(speaks).unwrap_or(last) })
    }
}

impl fmt::Display for Ran {
    /// For people: how it ended, and its last words. They are the program's own, so whoever prints them escapes them.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.end())?;
        match self.reason() {
            Some(line) => write!(out, ": {}", head(line, LINE)),
            None => Ok(()),
        }
    }
}

/// Runs `command` to its end, or kills its process group at `limit`.
///
/// The program gets `/` as directory, nothing to read, and an environment of `PATH`, `LANG` and `extra_env` alone: what the
/// caller of reseal has in its own (`LD_*`, `SSL_CERT_FILE`, `TMPDIR`) does not reach a program that may run as root.
///
/// A daemon that the program leaves behind lives on, but is not waited for: half a second after the program's end its
/// output is no longer read.
#[must_use]
pub fn run(command: &Command, limit: Duration, extra_env: &[(&str, &str)]) -> Ran {
    let start = Instant::now();
    let mut tail = Tail::of(KEPT);
    let status = match start_group(command, extra_env) {
        Ok((child, pipe)) => attend(child, pipe, start + limit, &mut tail),
        Err(error) => Status::NotStarted(error),
    };
    let (output, truncated) = tail.text();
    Ran { status, output, truncated, took: start.elapsed() }
}

/// As [`run`], with `input` to read: from memory, so that a program that reads none of it holds up nothing, and none of it is ever
/// among its arguments or in its environment.
#[must_use]
pub fn run_fed(command: &Command, limit: Duration, input: &[u8]) -> Ran {
    let start = Instant::now();
    let mut tail = Tail::of(KEPT);
    let status = match fed(input).and_then(|input| start_fed(command, input)) {
        Ok((child, pipe)) => attend(child, pipe, start + limit, &mut tail),
        Err(error) => Status::NotStarted(error),
    };
    let (output, truncated) = tail.text();
    Ran { status, output, truncated, took: start.elapsed() }
}

/// A file without a name that holds these bytes, to be read from its beginning.
fn fed(input: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
    file.write_all(input)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn start_fed(command: &Command, input: File) -> io::Result<(Child, File)> {
    let mut prepared = prepare(command)?;
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    prepared.stdin(input).stdout(writer.try_clone()?).stderr(writer);
    Ok((prepared.spawn()?, File::from(reader)))
}

/// What a program answered on standard output, apart from what it said on standard error.
#[derive(Debug)]
pub struct Answer {
    /// How it ended; its output is what came on standard error, its first 64 KiB.
    pub ran: Ran,
    /// The answer, its end where there was more.
    pub out: Vec<u8>,
    /// How many bytes were dropped before those in `out`.
    pub dropped: u64,
}

/// Runs a program that reads `input` and answers on standard output, of which `max` bytes are kept.
#[must_use]
pub fn ask(command: &Command, limit: Duration, input: &[u8], max: usize) -> Answer {
    let start = Instant::now();
    let mut tail = Tail::of(max);
    let (words, said) = mpsc::channel();
    let status = match fed(input).and_then(|input| start_apart(command, input)) {
        Ok((child, out, errors)) => {
            // Without a thread its complaints are not heard.
            let _ = std::thread::Builder::new().spawn(move || complaints::hear(errors, &words, KEPT));
            attend(child, out, start + limit, &mut tail)
        }
        Err(error) => Status::NotStarted(error),
    };
    let (out, dropped) = tail.finish();
    let output = complaints::heard(&said, KEPT, Instant::now() + AFTERMATH);
    Answer { ran: Ran { status, output, truncated: 0, took: start.elapsed() }, out, dropped }
}

/// The standard output of a program that only looks, whole.
///
/// # Errors
/// For people: it did not start, did not end within `limit`, failed (with all it said on standard error), or said more than `max` bytes.
pub fn capture(command: &Command, limit: Duration, max: usize) -> Result<String, String> {
    let Answer { ran, out, dropped } = ask(command, limit, &[], max);
    if !ran.ok() {
        return Err(if ran.output.trim().is_empty() { ran.to_string() } else { ran.output });
    }
    if dropped > 0 {
        return Err(format!("it said more than the {max} bytes that are read"));
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Bytes of output kept.
const KEPT: usize = 64 * 1024;
/// Characters of the last line shown.
const LINE: usize = 300;
/// Lines in [`Ran::tail`].
const LINES: usize = 3;
/// How long output is still read after the program has ended.
const AFTERMATH: Duration = Duration::from_millis(500);
/// How long a killed program may take to be gone. One that waits for a dead disk takes for ever, so the wait has an end.
const BURIAL: Duration = Duration::from_secs(2);
/// How often the program's end is looked for while it says nothing. A process descriptor would make this needless, but
/// the kernels of supported enterprise distributions (4.18) have none.
const GLANCE: Duration = Duration::from_millis(10);

/// Starts a program whose output and errors come through one pipe.
fn start_group(command: &Command, extra_env: &[(&str, &str)]) -> io::Result<(Child, File)> {
    let mut prepared = prepare(command)?;
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    prepared.envs(extra_env.iter().copied()).stdout(writer.try_clone()?).stderr(writer);
    Ok((prepared.spawn()?, File::from(reader)))
}

/// Starts a program whose output and errors come through a pipe each.
fn start_apart(command: &Command, input: File) -> io::Result<(Child, File, File)> {
    let mut prepared = prepare(command)?;
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let (errors, error_writer) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    prepared.stdin(input).stdout(writer).stderr(error_writer);
    Ok((prepared.spawn()?, File::from(reader), File::from(errors)))
}

fn prepare(command: &Command) -> io::Result<std::process::Command> {
    let Some((program, arguments)) = command.argv.split_first().filter(|(program, _)| program.starts_with('/')) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an absolute path"));
    };
    let mut prepared = std::process::Command::new(program);
    prepared
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    Ok(prepared)
}

/// Reads and waits until the program has ended and its output with it, or time is up.
fn attend(mut child: Child, mut pipe: File, limit: Instant, tail: &mut Tail) -> Status {
    let mut open = true;
    let mut nap = Duration::from_micros(100);
    loop {
        let now = Instant::now();
        match child.try_wait() {
            Ok(Some(status)) => {
                drain(&mut pipe, open, now + AFTERMATH, tail);
                return Status::from(status);
            }
            Ok(None) if now < limit => {}
            Ok(None) => {
                bury(&mut child);
                drain(&mut pipe, open, Instant::now() + AFTERMATH, tail);
                return Status::TimedOut;
            }
            // Not killed: where it cannot be waited for, its number may be another's by now.
            Err(error) => return Status::Lost(error),
        }
        let patience = GLANCE.min(limit.saturating_duration_since(now));
        if open {
            open = read_for(&mut pipe, patience, tail);
        } else {
            // Output ends a moment before the program does.
            std::thread::sleep(patience.min(nap));
            nap = (nap * 2).min(GLANCE);
        }
    }
}

impl From<ExitStatus> for Status {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, Some(signal)) => Self::Signalled(signal),
            (None, None) => Self::Exited(status.into_raw()),
        }
    }
}

/// Kills the whole group. The program has not been waited for, so its number cannot have become somebody else's.
fn bury(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let end = Instant::now() + BURIAL;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
        std::thread::sleep(GLANCE);
    }
}

/// Reads what is still in the pipe, and what comes until `end` while another process holds its other side.
fn drain(pipe: &mut File, mut open: bool, end: Instant, tail: &mut Tail) {
    while open {
        let left = end.saturating_duration_since(Instant::now());
        open = read_for(pipe, left, tail) && !left.is_zero();
    }
}

/// Waits at most `patience` for output and takes one piece of it. False: there will be no more.
fn read_for(pipe: &mut File, patience: Duration, tail: &mut Tail) -> bool {
    let timeout = Timespec { tv_sec: patience.as_secs().cast_signed(), tv_nsec: patience.subsec_nanos().into() };
    // A signal cuts the wait short, which the caller's loop makes up for.
    let _ = poll(&mut [PollFd::new(&*pipe, PollFlags::IN)], Some(&timeout));
    let mut piece = [0; 16 * 1024];
    match pipe.read(&mut piece) {
        Ok(0) => false,
        Ok(count) => {
            tail.push(&piece[..count]);
            true
        }
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}

/// The end of a stream of any length.
struct Tail {
    limit: usize,
    kept: Vec<u8>,
    dropped: u64,
}

impl Tail {
    fn of(limit: usize) -> Self {
        Self { limit, kept: Vec::new(), dropped: 0 }
    }

    fn push(&mut self, piece: &[u8]) {
        self.kept.extend_from_slice(piece);
        // Cutting at twice the size moves each byte once.
        if self.kept.len() >= 2 * self.limit {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let surplus = self.kept.len().saturating_sub(self.limit);
        self.kept.drain(..surplus);
        self.dropped += surplus as u64;
    }

    fn finish(mut self) -> (Vec<u8>, u64) {
        self.cut();
        (self.kept, self.dropped)
    }

    /// As text, in which bytes that are no UTF-8 are replaced.
    fn text(self) -> (String, u64) {
        let (kept, dropped) = self.finish();
        (String::from_utf8_lossy(&kept).into_owned(), dropped)
    }
}

fn head(line: &str, characters: usize) -> &str {
    line.char_indices().nth(characters).map_or(line, |(end, _)| &line[..end])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::program::check_program_as;
    use super::*;

    /// Within the command's own limit.
    fn run(command: &Command, extra_env: &[(&str, &str)]) -> Ran {
        super::run(command, command.limit(), extra_env)
    }

    fn sh(script: &str, timeout: u32) -> Command {
        Command { argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(), timeout }
    }

    #[test]
    fn ends_are_told_apart() {
        let cases = [
            ("exit 0", "exited with 0", true),
            ("exit 7", "exited with 7", false),
            ("echo one; echo two >&2; echo; exit 1", "exited with 1: two", false),
            ("kill -TERM $$", "ended by SIGTERM", false),
        ];
        for (script, text, ok) in cases {
            let ran = run(&sh(script, 10), &[]);
            assert_eq!(ran.to_string(), text, "{script}");
            assert!(text.starts_with(&ran.end()), "{script}");
            assert_eq!(ran.ok(), ok, "{script}");
            assert_eq!(ran.truncated, 0);
        }
    }

    #[test]
    fn both_streams_arrive_in_order() {
        let ran = run(&sh("echo a; echo b >&2; echo c", 10), &[]);
        assert_eq!(ran.output, "a\nb\nc\n");
    }

    #[test]
    fn one_that_hangs_is_killed_with_its_children() {
        let ran = run(&sh("echo begun; sleep 1000 & echo $!; sleep 1000", 1), &[]);
        assert!(matches!(ran.status, Status::TimedOut), "{ran}");
        assert!(ran.took >= Duration::from_secs(1) && ran.took < Duration::from_secs(8), "{:?}", ran.took);
        let child = ran.last_line().unwrap();
        assert!(gone(child), "the child {child} lives on");
    }

    #[test]
    fn one_that_stops_speaking_is_still_waited_for() {
        // Long enough for any number that grows at each look to pass what it can hold.
        let ran = run(&sh("exec >&- 2>&-; sleep 2; exit 3", 10), &[]);
        assert!(matches!(ran.status, Status::Exited(3)), "{ran}");
        assert!(ran.took >= Duration::from_secs(2));
        let ran = run(&sh("exec >&- 2>&-; sleep 100", 1), &[]);
        assert!(matches!(ran.status, Status::TimedOut) && ran.took < Duration::from_secs(8), "{ran} {:?}", ran.took);
    }

    #[test]
    fn a_flood_neither_blocks_nor_grows() {
        let ran = run(&sh("head -c 50000000 /dev/zero | tr '\\0' y; echo; echo last; exit 2", 60), &[]);
        assert_eq!(ran.output.len(), KEPT);
        assert_eq!(ran.truncated + KEPT as u64, 50_000_006);
        assert_eq!(ran.to_string(), "exited with 2: last");
        let endless = run(&Command { argv: vec!["/usr/bin/yes".into()], timeout: 1 }, &[]);
        assert!(matches!(endless.status, Status::TimedOut), "{endless}");
        assert!(endless.truncated > 0 && endless.output.len() == KEPT);
        assert!(endless.took < Duration::from_secs(8));
    }

    #[test]
    fn a_daemon_left_behind_holds_nobody_up() {
        let ran = run(&sh("setsid sleep 5 & echo $!; exit 0", 10), &[]);
        assert!(ran.ok(), "{ran}");
        assert!(ran.took < Duration::from_secs(4), "{:?}", ran.took);
        let daemon = ran.output.trim();
        assert!(!gone(daemon), "a daemon is left alone");
        let loud = run(&sh("setsid sh -c 'while :; do echo y; done' & exit 0", 10), &[]);
        assert!(loud.ok() && loud.took < Duration::from_secs(8), "{loud} {:?}", loud.took);
    }

    #[test]
    fn a_daemon_that_left_the_group_does_not_outwait_the_limit() {
        let ran = run(&sh("setsid sleep 5 & sleep 1000", 1), &[]);
        assert!(matches!(ran.status, Status::TimedOut), "{ran}");
        assert!(ran.took < Duration::from_secs(4), "{:?}", ran.took);
    }

    #[test]
    fn why_it_failed_is_heard_also_where_a_daemon_keeps_its_errors_open() {
        let answer = |script| ask(&sh(script, 10), Duration::from_secs(10), &[], KEPT);
        let failed = answer("echo said; echo why >&2; setsid sleep 5 >/dev/null & exit 1");
        assert_eq!((failed.ran.to_string(), failed.out), ("exited with 1: why".to_owned(), b"said\n".to_vec()));
        assert!(failed.ran.took < Duration::from_secs(4), "{:?}", failed.ran.took);
        let flood = answer("head -c 5000000 /dev/zero | tr '\\0' y >&2; echo last >&2; exit 2");
        assert_eq!((flood.ran.output.len(), flood.ran.end()), (KEPT, "exited with 2".to_owned()));
    }

    #[test]
    fn the_environment_is_clean() {
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "there is something to clean");
        let ran = run(&Command::new(["/usr/bin/env"]), &[("RESEAL_NAMES", "$(touch /pwn); x")]);
        let mut lines: Vec<&str> = ran.output.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["LANG=C.UTF-8", &format!("PATH={PATH}"), "RESEAL_NAMES=$(touch /pwn); x"]);
    }

    #[test]
    fn nothing_to_read_root_directory_own_group() {
        let ran = run(&sh("pwd; wc -c; ps -o pgid= -p $$ | tr -d ' '; echo $$", 10), &[]);
        let lines: Vec<&str> = ran.output.lines().collect();
        assert_eq!(lines[..2], ["/", "0"]);
        assert_eq!(lines[2], lines[3], "leads its own process group");
    }

    #[test]
    fn arguments_are_no_shell_line() {
        let ran = run(&Command::new(["/bin/echo", "$(id)", "; id", "a  b"]), &[]);
        assert_eq!(ran.output, "$(id) ; id a  b\n");
    }

    #[test]
    fn what_cannot_start_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let plain = directory.path().join("plain");
        fs::write(&plain, "x").unwrap();
        let cases =
            [vec![], vec!["true".to_owned()], vec!["/no/such".to_owned()], vec![plain.to_str().unwrap().to_owned()]];
        for argv in cases {
            let ran = run(&Command { argv: argv.clone(), timeout: 5 }, &[]);
            assert!(matches!(ran.status, Status::NotStarted(_)), "{argv:?}: {ran}");
            assert!(ran.to_string().starts_with("did not start: "), "{ran}");
        }
        assert!(!run(&Command::new(["/bin/true"]), &[("A\0B", "")]).ok());
    }

    #[test]
    fn the_line_that_says_why_is_shown_and_not_the_summary() {
        let told = |output: &str| {
            let output = output.to_owned();
            Ran { status: Status::Exited(1), output, truncated: 0, took: Duration::ZERO }.to_string()
        };
        let nginx = "nginx: [emerg] unknown directive \"x\"\nnginx: configuration file /etc/nginx.conf test failed\n";
        assert_eq!(told(nginx), "exited with 1: nginx: [emerg] unknown directive \"x\"");
        assert_eq!(told("one\ntwo\n"), "exited with 1: two");
        assert_eq!(told("error: a\nerror: b\n"), "exited with 1: error: b");
    }

    #[test]
    fn a_long_last_line_is_cut_at_a_character() {
        let ran =
            Ran { status: Status::Exited(1), output: "\u{e9}".repeat(LINE + 1), truncated: 0, took: Duration::ZERO };
        assert_eq!(ran.to_string().chars().count(), "exited with 1: ".len() + LINE);
        assert_eq!(ran.last_line().unwrap().chars().count(), LINE);
        assert_eq!(ran.tail().chars().count(), LINE);
        let ran = run(&sh("for i in 1 2 3 4 5; do echo $i; echo; done; exit 1", 10), &[]);
        assert_eq!((ran.tail(), ran.end()), ("3 | 4 | 5".to_owned(), "exited with 1".to_owned()));
    }

    #[test]
    fn programs_are_checked() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let put = |name: &str, mode: u32| {
            fs::write(path(name), "#!/bin/sh\n").unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        put("good", 0o755);
        put("plain", 0o644);
        put("loose", 0o757);
        std::os::unix::fs::symlink(path("loose"), path("link")).unwrap();
        let check = |name: &str, root| check_program_as(&Command::new([path(name).to_str().unwrap()]), root);

        assert!(check_program_as(&Command::new(["nginx"]), false).is_err());
        assert!(check_program_as(&Command::new(Vec::<String>::new()), false).is_err());
        assert!(matches!(check("absent", false), Err(ProgramError::Look { .. })));
        assert!(matches!(check(".", false), Err(ProgramError::NotAFile { .. })));
        assert!(matches!(check("plain", false), Err(ProgramError::NotExecutable { .. })));
        assert!(check("good", false).is_ok());
        assert!(check("loose", false).is_ok(), "only root is held to it");
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: the checks for root need files of root's");
            return;
        }
        assert!(check("good", true).is_ok());
        for name in ["loose", "link"] {
            assert!(matches!(check(name, true), Err(ProgramError::Writable { mode: 0o757, .. })), "{name}");
        }
        // A link of somebody else's, as anybody may make one in a sticky directory; and one of root's that leads to it.
        std::os::unix::fs::symlink(path("good"), path("theirs")).unwrap();
        std::os::unix::fs::lchown(path("theirs"), Some(1), None).unwrap();
        std::os::unix::fs::symlink(path("theirs"), path("by-theirs")).unwrap();
        for name in ["theirs", "by-theirs"] {
            assert!(matches!(check(name, true), Err(ProgramError::Writable { uid: 1, .. })), "{name}");
        }
        std::os::unix::fs::chown(path("good"), Some(1), None).unwrap();
        assert!(matches!(check("good", true), Err(ProgramError::Writable { uid: 1, .. })));
        put("group", 0o775);
        assert!(check("group", true).is_ok(), "root's own group");
        std::os::unix::fs::chown(path("group"), None, Some(50)).unwrap();
        assert!(matches!(check("group", true), Err(ProgramError::Writable { gid: 50, .. })));
        put("late", 0o755);
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(check("late", true), Err(ProgramError::Writable { mode: 0o777, .. })), "its directory");
    }

    /// Whether no process of that number runs; one that is dead and not yet collected counts as gone.
    fn gone(pid: &str) -> bool {
        for _ in 0..100 {
            match fs::read_to_string(format!("/proc/{pid}/stat")) {
                Ok(stat) if !stat.contains(") Z ") => std::thread::sleep(Duration::from_millis(5)),
                Ok(_) | Err(_) => return true,
            }
        }
        false
    }
}
