//! A person at a terminal.

use crate::bench::Bench;
use crate::terminal::Terminal;

#[test]
fn a_passphrase_is_asked_for_twice_and_never_shown() {
    let bench = Bench::new();
    let mut terminal = Terminal::new(&bench.command(&["ca", "init", "office", "--permit", "example.org"]));
    terminal.asks("Passphrase for ca-office: ", "correct horse\n");
    terminal.asks("The same once more: ", "correct horse\n");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("made") && !shown.contains("correct"), "{shown}");

    let mut terminal = Terminal::new(&bench.command(&[
        "ca",
        "issue",
        "office",
        "www.example.org",
        "-o",
        bench.path("").to_str().unwrap(),
    ]));
    terminal.asks("Passphrase for ca-office: ", "correct horse\n");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(0), "{shown}");
    assert!(bench.path("privkey.pem").exists(), "{shown}");

    let mut terminal = Terminal::new(&bench.command(&["ca", "init", "other", "--permit", "example.org"]));
    terminal.asks("Passphrase for ca-other: ", "correct horse\n");
    terminal.asks("The same once more: ", "corect horse\n");
    let (code, shown) = terminal.ends();
    assert!(code == Some(4) && shown.contains("the two were not the same"), "{code:?} {shown}");
}

#[test]
fn a_question_ends_with_control_c() {
    let bench = Bench::new();
    let mut terminal = Terminal::new(&bench.command(&["ca", "init", "office", "--permit", "example.org"]));
    terminal.asks("Passphrase for ca-office: ", "\u{3}");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(130), "{shown}");
    bench.run(&["ca", "show", "office"]).ends(2);
}
