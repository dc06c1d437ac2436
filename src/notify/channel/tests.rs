use time::macros::datetime;

use super::logs::syslog;
use super::*;
use crate::assess::Severity;
use crate::config::On;
use crate::host::local_log::Log;
use crate::notify::condition::Condition;
use crate::notify::message::{Item, State};

#[test]
fn a_mail_is_signed_with_a_moment_as_programs_write_it() {
    let who = |address: &str| address.parse().unwrap();
    let smtp = Smtp {
        host: "mail.lan".to_owned(),
        port: 25,
        tls: MailTls::None,
        root: None,
        from: who("reseal@app.lan"),
        to: vec![who("ops@app.lan")],
        login: None,
    };
    let message = Message::of(Vec::new(), "app.lan", "renew", datetime!(2026-11-30 02:51:14 UTC));
    let text = letter(&smtp, &message).text;
    assert!(text.ends_with("\n-- \nreseal renew on app.lan, 2026-11-30T02:51:14Z\n"), "{text}");
}

/// Known answer, so that whoever verifies signatures can hold their own code against it.
#[test]
fn a_signature_is_over_version_time_and_body() {
    let key = Sensitive::from("secret".to_owned());
    assert_eq!(sign(&key, "1700000000", b"{}"), "v1=14ea7fd0a36d8557c745d82072f653f4e553e593c57ac365fab425da48e1c495");
    assert_ne!(sign(&key, "1700000001", b"{}"), sign(&key, "1700000000", b"{}"));
}

#[test]
fn a_log_gets_a_record_a_thing_and_no_more_than_fifty() {
    use std::os::unix::net::UnixDatagram;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let far = UnixDatagram::bind(&path).unwrap();
    let at = datetime!(2026-11-20 12:00 UTC);
    let items = (0..10_000).map(|n| {
        let what = Condition::new(On::Finding, &format!("t{n}"), "expired", Severity::Critical, "a\nERROR: forged", at);
        Item::new(State::New, what)
    });
    let message = Message::of(items.collect(), "app.lan", "renew", at);
    let reader = thread::spawn(move || {
        far.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let (mut count, mut bytes) = (0, [0; 4096]);
        while let Ok(length) = far.recv(&mut bytes) {
            let line = String::from_utf8_lossy(&bytes[..length]).into_owned();
            assert!(!line.chars().any(crate::escape::acts), "{line}");
            count += 1;
            if line.contains("and 9950 more") {
                break;
            }
        }
        count
    });
    let told = syslog(&Log::open(&path).unwrap(), &message).unwrap();
    assert_eq!((reader.join().unwrap(), told.words.as_str()), (51, "51 records written"));
}
