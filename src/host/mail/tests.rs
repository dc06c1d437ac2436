use std::net::{TcpListener, TcpStream};
use std::thread;

use time::macros::datetime;

use super::*;

/// One step of a server that says what it is told to: after so many lines of the client, these bytes.
type Script = Vec<(usize, Vec<u8>)>;

fn say(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Plays a script to one client, and then hangs, or hangs up.
fn server(script: Script, hangs: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        for (lines, bytes) in script {
            for _ in 0..lines {
                if read_line(&mut socket).is_none() {
                    return;
                }
            }
            if socket.write_all(&bytes).is_err() {
                return;
            }
        }
        if hangs {
            thread::sleep(Duration::from_secs(10));
        }
    });
    port
}

fn read_line(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.last() != Some(&b'\n') {
        if socket.read(&mut byte).ok()? == 0 {
            return None;
        }
        line.push(byte[0]);
    }
    Some(line)
}

fn ask(port: u16, protection: Protection, login: Option<&str>) -> Result<Taken, MailError> {
    let login = login.map(|password| ("me".to_owned(), Sensitive::from(password.to_owned())));
    let server = Server { host: "127.0.0.1".to_owned(), port, protection, roots: Roots::System, login };
    send(&server, &letter("it is bad"), Duration::from_secs(1))
}

fn letter(text: &str) -> Letter {
    Letter {
        from: "Reseal <reseal@example.org>".parse().unwrap(),
        to: vec!["ops@example.org".parse().unwrap()],
        subject: "reseal on app.lan".to_owned(),
        text: text.to_owned(),
        at: datetime!(2026-11-20 12:00 UTC),
        id: "1".to_owned(),
    }
}

/// The answers of a server that takes a mail, one after the other.
fn good() -> Script {
    let answers = ["220 here\r\n", "250-here\r\n250 AUTH PLAIN LOGIN\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"];
    answers.iter().enumerate().map(|(index, text)| (usize::from(index > 0), say(text))).collect()
}

#[test]
fn a_server_that_hangs_at_any_stage_has_its_time_and_no_more() {
    for stage in 0..=good().len() {
        let script: Script = good().into_iter().take(stage).collect();
        let began = Instant::now();
        let error = ask(server(script, true), Protection::Nothing, None).unwrap_err();
        assert!(matches!(error, MailError::Reach(Unreached::Late { .. })), "{stage}: {error:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "{stage}: {:?}", began.elapsed());
    }
}

#[test]
fn a_server_that_hangs_up_at_any_stage() {
    for stage in 0..=good().len() {
        let script: Script = good().into_iter().take(stage).collect();
        let error = ask(server(script, false), Protection::Nothing, None).unwrap_err();
        assert!(matches!(error, MailError::Reach(Unreached::Io { .. })), "{stage}: {error:?}");
    }
}

#[test]
fn a_server_that_says_no_at_any_stage_is_quoted() {
    for (stage, what) in
        ["its greeting", "to be greeted", "the sender", "the recipient", "to take a mail"].iter().enumerate()
    {
        for no in ["450 later", "554 never"] {
            let mut script = good();
            script.truncate(stage + 1);
            script[stage].1 = say(&format!("{no}\r\n"));
            let error = ask(server(script, true), Protection::Nothing, None).unwrap_err();
            let told = error.to_string();
            assert!(told.contains(&format!("refused {what}: ")) && told.contains(no), "{stage}: {told}");
            assert_eq!(error.hint().contains("later"), no.starts_with('4'), "{}", error.hint());
        }
    }
}

#[test]
fn nothing_is_sent_where_tls_is_wanted_and_not_offered() {
    let error = ask(server(good(), true), Protection::StartTls, Some("pw")).unwrap_err();
    assert!(error.to_string().contains("it offers no STARTTLS"), "{error}");
}

#[test]
fn what_comes_before_tls_is_not_taken_for_what_comes_after() {
    let injected = "220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n235 welcome\r\n";
    let script = vec![(0, say("220 here\r\n")), (1, say("250-here\r\n250 STARTTLS\r\n")), (1, say(injected))];
    let error = ask(server(script, true), Protection::StartTls, Some("pw")).unwrap_err();
    assert!(error.to_string().contains("bytes came before TLS had begun"), "{error}");
}

#[test]
fn no_tls_at_all_is_no_tls() {
    let error = ask(server(good(), true), Protection::Implicit, None).unwrap_err();
    assert!(matches!(error, MailError::Reach(Unreached::Io { what: "begin TLS with", .. })), "{error:?}");
}

#[test]
fn answers_that_are_none_and_floods() {
    for (bytes, why) in [
        (say("HTTP/1.1 400 Bad Request\r\n"), "it does not speak SMTP"),
        (say("220x\r\n"), "it does not speak SMTP"),
        (say("220-a\r\n221 b\r\n"), "different codes"),
        (b"220-x\r\n".repeat(200), "more than 100 lines"),
        (vec![b'2'; 10_000], "more than 2048 bytes"),
        (b"\xff\xfe\xfd\r\n".to_vec(), "it does not speak SMTP"),
    ] {
        let error = ask(server(vec![(0, bytes)], true), Protection::Nothing, None).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_login_is_refused_or_not_offered() {
    let mut script = good();
    script[1].1 = say("250-here\r\n250 AUTH PLAIN\r\n");
    script[2].1 = say("334 \r\n");
    script[3].1 = say("535 5.7.8 no\r\n");
    let error = ask(server(script, true), Protection::Nothing, Some("pw")).unwrap_err();
    assert!(error.to_string().contains("refused the login: 535 5.7.8 no"), "{error}");
    let mut script = good();
    script[1].1 = say("250 here\r\n");
    let error = ask(server(script, true), Protection::Nothing, Some("pw")).unwrap_err();
    assert!(error.to_string().contains("neither AUTH PLAIN nor AUTH LOGIN"), "{error}");
    for line in ["AUTH PLAIN LOGIN", "AUTH=LOGIN", "auth cram-md5 login"] {
        assert!(Able(vec![line.to_owned()]).logs_in_by("LOGIN"), "{line}");
    }
    assert!(!Able(vec!["AUTH XLOGIN".to_owned()]).logs_in_by("LOGIN"));
}

#[test]
fn no_line_of_a_mail_ends_it_or_makes_a_header() {
    let hostile = "first\n.\nQUIT\n..\r\n.hidden\nlast";
    let mut letter = letter(hostile);
    letter.subject = "a\r\nBcc: evil@example.org\r\n\r\nbody \u{202e}".to_owned();
    let (bytes, sender) = written(&letter).unwrap();
    assert_eq!(sender, "reseal@example.org");
    let text = String::from_utf8(bytes.clone()).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert!(
        head.contains("Date: Fri, 20 Nov 2026 12:00:00 +0000") && head.contains("Message-ID: <1@example.org>"),
        "{head}"
    );
    let wire = stuffed(&bytes);
    assert!(wire.ends_with(b"\r\n.\r\n"));
    let lines: Vec<&[u8]> = wire.split(|byte| *byte == b'\n').collect();
    let ends = lines.iter().filter(|line| **line == b".\r").count();
    assert_eq!(ends, 1, "{}", String::from_utf8_lossy(&wire));
    for (mail, wire) in
        [("a\r\n", "a\r\n.\r\n"), ("a", "a\r\n.\r\n"), (".\r\n..x\n", "..\r\n...x\r\n.\r\n"), ("", ".\r\n")]
    {
        assert_eq!(String::from_utf8(stuffed(mail.as_bytes())).unwrap(), wire);
    }
}
