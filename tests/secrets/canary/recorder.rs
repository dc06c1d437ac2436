//! Runs the program, and writes down what anybody beside it could have seen.

use std::fs;
use std::process::{Command, Stdio};

use crate::ground::{Ground, Ran, timed};
use crate::session::Session;

/// Everything that was written down, with where it was seen.
pub struct Recorder<'a> {
    ground: &'a Ground,
    records: Vec<(String, Vec<u8>)>,
    /// The lines, and how each ended.
    ended: Vec<(String, Option<i32>)>,
}

impl<'a> Recorder<'a> {
    pub fn new(ground: &'a Ground) -> Self {
        Self { ground, records: Vec::new(), ended: Vec::new() }
    }

    /// In words and as JSON, and every act told each time.
    pub fn run(&mut self, line: &str) {
        self.recorded(line, |command| command);
    }

    /// The same in a login session.
    pub fn run_in(&mut self, session: &Session, line: &str) {
        self.recorded(line, |command| session.enter(command));
    }

    /// Kills it by the first rename that puts something in place, and keeps what its records hold then.
    pub fn run_killed(&mut self, line: &str) {
        let run = self.ground.command(&format!("{line} -v"));
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-v", "-s", "1000000", "-o", "killed.trace", "-e", "trace=execve,renameat2"]);
        traced.args(["-e", "inject=renameat2:signal=KILL:when=2"]);
        traced.arg(run.get_program()).args(run.get_args()).current_dir(self.ground.path("")).env_clear();
        let ran = timed(traced.stdin(Stdio::null()));
        let journal = self.ground.tree("state/journal");
        assert!(ran.code.is_none() && !journal.is_empty(), "it was not killed in the middle: {ran:#?}");
        for (path, _, bytes) in journal {
            self.records.push((format!("`{line}`, killed: {}", path.display()), bytes));
        }
        let trace = fs::read(self.ground.path("killed.trace")).unwrap();
        self.keep(line, "text, killed", ran, trace);
    }

    fn recorded(&mut self, line: &str, enter: impl Fn(Command) -> Command) {
        for format in ["text -v", "json -v"] {
            let trace = tempfile::NamedTempFile::new().unwrap();
            let run = self.ground.command(&format!("{line} --format {format}"));
            let mut traced = Command::new("strace");
            // Every argument and variable in full, of every process that was started.
            traced.args(["-f", "-qq", "-v", "-s", "1000000", "-e", "trace=execve,execveat", "-o"]).arg(trace.path());
            traced.arg(run.get_program()).args(run.get_args()).current_dir(self.ground.path("")).env_clear();
            traced.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
            let ran = timed(&mut enter(traced));
            let seen = fs::read(trace.path()).unwrap();
            assert!(String::from_utf8_lossy(&seen).contains("execve(\""), "strace saw nothing: {ran:#?}");
            assert!(!ran.err.contains("panicked") && !ran.err.contains("has a bug"), "{line}: {ran:#?}");
            self.keep(line, format, ran, seen);
        }
    }

    fn keep(&mut self, line: &str, format: &str, ran: Ran, trace: Vec<u8>) {
        let what = |part: &str| format!("`{line}` ({format}): {part}");
        if format.starts_with("text") {
            println!("{:?} {line}", ran.code);
        }
        self.ended.push((line.to_owned(), ran.code));
        self.records.push((what("standard output"), ran.out.into_bytes()));
        self.records.push((what("standard error"), ran.err.into_bytes()));
        self.records.push((what("arguments and environment"), trace));
    }

    /// Runs another program, which must succeed.
    pub fn beside(&self, program: &str, line: &str) {
        let ran = timed(Command::new(program).args(line.split(' ')).current_dir(self.ground.path("")));
        assert_eq!(ran.code, Some(0), "{program} {line}: {ran:#?}");
    }

    /// A flow that is refused at its first step hands out no secret either, and says nothing: each of these must have done its work
    /// once.
    pub fn must_have_worked(&self, more: &[&str]) {
        let needed = [
            "ca init office",
            "ca import corp",
            "ca issue office",
            "ca sign office",
            "ca revoke office",
            "ca crl office",
            "ca rekey office --passphrase-file",
            "ca rekey office --switch",
            "ca export office --root-key",
            "secret set ca-office --in kernel",
            "install web --cert marked.crt --key marked.key --force",
            "install web --from marked.p12",
            "install web --cert marked.crt --key locked.key --passphrase-file store.pass",
            "install web --from web.jks",
            "export web --form jks",
            "export web --form p12",
            "export web --form pem --out web-out",
            "renew web --passphrase-file pass --force",
            "restore web",
            "recover",
        ];
        for line in needed.iter().chain(more) {
            let ended: Vec<_> = self.ended.iter().filter(|(ran, _)| ran.starts_with(line)).collect();
            assert!(ended.iter().any(|(_, code)| *code == Some(0)), "never did its work: {ended:?}");
        }
    }

    pub fn records(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.records.iter().map(|(what, bytes)| (what.as_str(), bytes.as_slice()))
    }

    pub fn count(&self) -> usize {
        self.ended.len()
    }
}
