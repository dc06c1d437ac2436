//! A person at a terminal.

use std::io::{Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// The program on a terminal of its own, made by script(1).
pub struct Terminal {
    keys: ChildStdin,
    pieces: Receiver<Vec<u8>>,
    shown: String,
    child: std::process::Child,
}

impl Terminal {
    /// Runs the command there.
    pub fn new(command: &Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| word.to_str().unwrap());
        let line = words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let mut child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("script(1) is needed: {error}"));
        let (sender, pieces) = mpsc::channel();
        let mut out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut piece) {
                let _ = sender.send(piece[..count].to_vec());
            }
        });
        Self { keys: child.stdin.take().unwrap(), pieces, shown: String::new(), child }
    }

    /// Waits for a question, and types.
    pub fn asks(&mut self, question: &str, answer: &str) {
        self.shows(question);
        self.keys.write_all(answer.as_bytes()).unwrap();
    }

    /// Waits for a question.
    pub fn shows(&mut self, question: &str) {
        let began = Instant::now();
        while !self.shown.contains(question) {
            assert!(began.elapsed() < Duration::from_mins(1), "it does not ask {question:?}: {:?}", self.shown);
            if let Ok(piece) = self.pieces.recv_timeout(Duration::from_millis(100)) {
                self.shown.push_str(&String::from_utf8_lossy(&piece));
            }
        }
        // The question stands there an instant before the echo is off.
        std::thread::sleep(Duration::from_millis(200));
    }

    /// How it ended, and all that stood on the terminal.
    pub fn ends(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        while let Ok(piece) = self.pieces.recv_timeout(Duration::from_secs(5)) {
            self.shown.push_str(&String::from_utf8_lossy(&piece));
        }
        (code, self.shown)
    }
}
