//! A person at a terminal.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};

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

const ASKED: &str = "Passphrase for ca-office: ";

/// A CA `office` under the passphrase of the file `pass`, and a request for it.
fn office() -> Bench {
    let bench = Bench::new();
    bench.write("pass", "correct horse\n", 0o600);
    bench.run(&["ca", "init", "office", "--permit", "example.org", "--passphrase-file", "pass"]).ends(0);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["www.example.org".to_owned()]).unwrap();
    bench.write("x.csr", &params.serialize_request(&key).unwrap().pem().unwrap(), 0o644);
    bench
}

/// The words of a line with the files below the bench: a terminal begins elsewhere.
fn placed<'w>(bench: &'w Bench, line: &[&'w str]) -> Vec<&'w str> {
    let place = |word: &&'w str| {
        let file = word.contains('.') && !word.contains("example");
        if file { Box::leak(bench.path(word).display().to_string().into_boxed_str()) } else { *word }
    };
    line.iter().map(place).collect()
}

/// Somebody who is asked for a passphrase, and goes for a coffee, holds up no renewal.
#[test]
fn nobody_waits_for_the_lock_while_a_person_types() {
    let bench = office();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "of another company");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    bench.write("corp.pem", &params.self_signed(&key).unwrap().pem(), 0o644);
    bench.write("corp.key", &key.serialize_pem(), 0o600);
    let lines: [(&str, &[&str], bool); 4] = [
        ("new", &["ca", "init", "new", "--permit", "example.org"], true),
        ("corp", &["ca", "import", "corp", "--key", "corp.key", "--cert", "corp.pem", "--permit", "example.org"], true),
        ("office", &["ca", "crl", "office", "--output", "office.crl"], false),
        ("office", &["ca", "rekey", "office"], false),
    ];
    for (index, (name, line, new)) in lines.into_iter().enumerate() {
        let question = format!("Passphrase for ca-{name}: ");
        let mut terminal = Terminal::new(&bench.command(&placed(&bench, line)));
        terminal.shows(&question);
        let other = format!("other-{index}");
        bench.run(&["ca", "init", &other, "--permit", "example.org", "--passphrase-file", "pass"]).ends(0);
        terminal.asks(&question, "correct horse\n");
        if new {
            terminal.asks("The same once more: ", "correct horse\n");
        }
        let (code, shown) = terminal.ends();
        assert_eq!(code, Some(0), "{line:?}: {shown}");
    }
}

#[test]
fn a_name_that_is_taken_while_a_person_types_is_not_taken_again() {
    let bench = office();
    let mut terminal = Terminal::new(&bench.command(&["ca", "init", "new", "--permit", "example.org"]));
    terminal.shows("Passphrase for ca-new: ");
    bench.run(&["ca", "init", "new", "--permit", "example.com", "--passphrase-file", "pass"]).ends(0);
    terminal.asks("Passphrase for ca-new: ", "battery staple\n");
    terminal.asks("The same once more: ", "battery staple\n");
    let (code, shown) = terminal.ends();
    assert_ne!(code, Some(0), "{shown}");
    bench.run(&["ca", "show", "new"]).ends(0).says("example.com");
}

/// A root that was put away signs nothing, although it issued when the question came.
#[test]
fn what_issues_is_looked_up_after_the_passphrase() {
    let retired = |bench: &Bench| {
        bench.run(&["ca", "rekey", "office", "--passphrase-file", "pass"]).ends(0);
        bench.run(&["ca", "export", "office", "--output", "both.pem"]).ends(0);
        bench.run(&["ca", "rekey", "office", "--switch"]).ends(0);
        bench.run(&["ca", "rekey", "office", "--retire", "--force"]).ends(0);
    };
    let lines: [(&[&str], &str); 2] = [
        (&["ca", "sign", "office", "x.csr", "--output", "x.pem"], "x.pem"),
        (&["ca", "issue", "office", "www.example.org", "--output", "."], "fullchain.pem"),
    ];
    for (line, made) in lines {
        let bench = office();
        let mut terminal = Terminal::new(&bench.command(&placed(&bench, line)));
        terminal.shows(ASKED);
        retired(&bench);
        terminal.asks(ASKED, "correct horse\n");
        let (code, shown) = terminal.ends();
        assert_eq!(code, Some(0), "{line:?}: {shown}");
        bench.run(&["ca", "export", "office", "--output", "now.pem"]).ends(0);
        let (now, made) = (bench.path("now.pem"), bench.path(made));
        let verified =
            std::process::Command::new("openssl").arg("verify").arg("-CAfile").arg(&now).arg(&made).output().unwrap();
        assert!(verified.status.success(), "{line:?}: {}", String::from_utf8_lossy(&verified.stderr));
    }
}
