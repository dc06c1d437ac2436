//! A person at a terminal.

use std::io::{Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::bench::Bench;

/// The program on a terminal of its own, made by script(1).
struct Terminal {
    keys: ChildStdin,
    pieces: Receiver<Vec<u8>>,
    shown: String,
    child: std::process::Child,
}

impl Terminal {
    fn new(bench: &Bench, arguments: &[&str]) -> Self {
        let command = bench.command(arguments);
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
    fn asks(&mut self, question: &str, answer: &str) {
        let began = Instant::now();
        while !self.shown.contains(question) {
            assert!(began.elapsed() < Duration::from_mins(1), "it does not ask {question:?}: {:?}", self.shown);
            if let Ok(piece) = self.pieces.recv_timeout(Duration::from_millis(100)) {
                self.shown.push_str(&String::from_utf8_lossy(&piece));
            }
        }
        // The question stands there an instant before the echo is off.
        std::thread::sleep(Duration::from_millis(200));
        self.keys.write_all(answer.as_bytes()).unwrap();
    }

    /// How it ended, and all that stood on the terminal.
    fn ends(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        while let Ok(piece) = self.pieces.recv_timeout(Duration::from_secs(5)) {
            self.shown.push_str(&String::from_utf8_lossy(&piece));
        }
        (code, self.shown)
    }
}

#[test]
fn a_passphrase_is_asked_for_twice_and_never_shown() {
    let bench = Bench::new();
    let mut terminal = Terminal::new(&bench, &["ca", "init", "office", "--permit", "example.org"]);
    terminal.asks("Passphrase for ca-office: ", "correct horse\n");
    terminal.asks("The same once more: ", "correct horse\n");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("made") && !shown.contains("correct"), "{shown}");

    let mut terminal =
        Terminal::new(&bench, &["ca", "issue", "office", "www.example.org", "-o", bench.path("").to_str().unwrap()]);
    terminal.asks("Passphrase for ca-office: ", "correct horse\n");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(0), "{shown}");
    assert!(bench.path("privkey.pem").exists(), "{shown}");

    let mut terminal = Terminal::new(&bench, &["ca", "init", "other", "--permit", "example.org"]);
    terminal.asks("Passphrase for ca-other: ", "correct horse\n");
    terminal.asks("The same once more: ", "corect horse\n");
    let (code, shown) = terminal.ends();
    assert!(code == Some(4) && shown.contains("the two were not the same"), "{code:?} {shown}");
}

#[test]
fn a_question_ends_with_control_c() {
    let bench = Bench::new();
    let mut terminal = Terminal::new(&bench, &["ca", "init", "office", "--permit", "example.org"]);
    terminal.asks("Passphrase for ca-office: ", "\u{3}");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(130), "{shown}");
    bench.run(&["ca", "show", "office"]).ends(2);
}
