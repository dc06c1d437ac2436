//! A real Secret Service: unlocked, locked, not there, without a keyring, and one that does not answer.

use std::time::Duration;

use crate::ground::{Ground, PASS, answer, state, timed};
use crate::session::Session;
use crate::terminal::Terminal;

/// What a run may take at most where a keyring is locked or does not answer: twice the deadline of a question, with room for a
/// busy machine.
const SOON: Duration = Duration::from_secs(12);

#[test]
fn what_is_set_is_used_shown_and_forgotten() {
    let Some(session) = Session::unlocked() else { return };
    let ground = Ground::new();
    let run = |line: &str| timed(&mut session.command(&ground, line));
    let status = || answer(&mut session.command(&ground, "--format json secret status"));

    run("ca crl office").ends(4).says(&["keyring: it has none"]);
    assert_eq!(state(&status(), "keyring"), "absent");
    run("secret set ca-office --passphrase-file wrong")
        .ends(4)
        .says(&["from the file wrong does not open the CA office"]);
    assert_eq!(state(&status(), "keyring"), "absent", "what opens nothing is not kept");
    run("secret set ca-office --passphrase-file pass --dry-run").ends(0).says(&["would be kept in the keyring"]);
    assert_eq!(state(&status(), "keyring"), "absent");

    run("secret set ca-office --passphrase-file pass").ends(0).says(&["kept in the keyring", "the CA office"]);
    run("secret set ca-office --passphrase-file pass").ends(0).says(&["in the keyring already"]);
    let told = status();
    assert_eq!((told["exit"].as_i64(), &told["results"][0]["source"]), (Some(0), &"keyring".into()), "{told}");
    assert_eq!(told["results"][0]["opens"], true);
    assert!(!told.to_string().contains(PASS));
    run("ca crl office").ends(0);

    run("secret forget ca-office").ends(4).says(&["may have the last copy", "--passphrase-file"]);
    run("secret forget ca-office --passphrase-file wrong").ends(4).says(&["does not open"]);
    run("ca crl office").ends(0);
    run("secret forget ca-office --passphrase-file pass --dry-run")
        .ends(0)
        .says(&["would be removed from the keyring"]);
    run("secret forget ca-office --passphrase-file pass").ends(0).says(&["removed from the keyring"]);
    run("secret forget ca-office").ends(0).says(&["the keyring has none"]);
    run("ca crl office").ends(4).says(&["keyring: it has none"]);

    run("secret set ca-office --passphrase-file pass").ends(0);
    run("secret forget ca-office --force").ends(0).says(&["removed from the keyring"]);
}

#[test]
fn locked_is_told_apart_from_not_stored_and_from_not_there() {
    let Some(mut session) = Session::unlocked() else { return };
    let ground = Ground::new();
    let used = ["ca crl office", "secret status"];
    timed(&mut session.command(&ground, "secret set ca-office --passphrase-file pass")).ends(0);

    session.restart_locked();
    for line in used {
        let ran = timed(&mut session.command(&ground, line)).says(&["it is locked"]);
        assert!(ran.took < SOON && ran.code != Some(0), "{line}: {ran:#?}");
    }
    timed(&mut session.command(&ground, "ca crl office")).says(&["hint: unlock the keyring"]);
    let told = answer(&mut session.command(&ground, "--format json secret status"));
    assert_eq!((state(&told, "keyring").as_str(), told["exit"].as_i64()), ("locked", Some(3)));
    for line in ["secret set ca-office --passphrase-file pass", "secret forget ca-office --passphrase-file pass"] {
        let ran = timed(&mut session.command(&ground, line)).ends(4).says(&["it is locked", "unlock it"]);
        assert!(ran.took < SOON, "{ran:#?}");
    }
    // Another source still works, and is no worse for it.
    timed(&mut session.command(&ground, "ca crl office --passphrase-file pass")).ends(0);

    let Some(empty) = Session::new() else { return };
    let told = answer(&mut empty.command(&ground, "--format json secret status"));
    assert_eq!(state(&told, "keyring"), "unavailable");
    timed(&mut empty.command(&ground, "ca crl office")).ends(4).says(&["keyring: not available: none is running"]);
    ground.run("ca crl office").ends(4).says(&["keyring: not available: none is running"]);

    let Some(mut fresh) = Session::new() else { return };
    fresh.start(None);
    timed(&mut fresh.command(&ground, "secret set ca-office --passphrase-file pass"))
        .ends(4)
        .says(&["it has no keyring yet", "reseal.ca-office"]);
}

/// The screen locks between two steps of one piece of work.
#[test]
fn a_keyring_that_is_locked_in_the_middle_is_told_and_nothing_is_half_done() {
    let Some(session) = Session::unlocked() else { return };
    let ground = Ground::new();
    let run = |line: &str| timed(&mut session.command(&ground, line));
    run("secret set ca-office --passphrase-file pass").ends(0);
    run("ca rekey office").ends(0);
    run("ca export office --output roots.pem").ends(0);
    session.lock();
    let before = ground.tree("state/ca");
    let ran = run("ca crl office").ends(4).says(&["keyring: it is locked"]);
    assert!(ran.took < SOON, "{ran:#?}");
    assert_eq!(ground.tree("state/ca"), before);
    // A step that needs no key goes on.
    run("ca rekey office --switch").ends(0);

    // The passphrase is asked of a person, once nobody unlocks the keyring.
    let mut terminal = Terminal::new(&session.enter(ground.at_terminal("ca crl office")));
    terminal.asks("Passphrase for ca-office: ", &format!("{PASS}\n"));
    let (code, shown) = terminal.ends();
    assert!(code == Some(0) && !shown.contains(PASS), "{shown}");
}

#[test]
fn a_keyring_that_does_not_answer_is_left_behind() {
    let Some(session) = Session::unlocked() else { return };
    let ground = Ground::new();
    timed(&mut session.command(&ground, "secret set ca-office --passphrase-file pass")).ends(0);
    let stopped = rustix::process::Pid::from_raw(session.daemon()).unwrap();
    rustix::process::kill_process(stopped, rustix::process::Signal::STOP).unwrap();
    for line in ["ca crl office", "secret status", "secret set ca-office --passphrase-file pass"] {
        let ran = timed(&mut session.command(&ground, line)).says(&["no answer within 3s"]);
        assert!(ran.took < SOON && ran.code != Some(0), "{line}: {ran:#?}");
    }
    rustix::process::kill_process(stopped, rustix::process::Signal::CONT).unwrap();
    timed(&mut session.command(&ground, "ca crl office")).ends(0);
}
