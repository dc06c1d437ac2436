use std::cell::RefCell;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use super::*;

fn put(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn explicit(explicit: Explicit) -> Result<(Vec<u8>, Origin), String> {
    let elsewhere = |_: &str, _| panic!("a named source is the only one");
    let nobody = |_: &str| panic!("a named source is the only one");
    let around = Around { credentials: Some("/nowhere".into()), keyring: &elsewhere, ask: &nobody };
    let query = PassphraseQuery { explicit: Some(explicit), may_prompt: true, ..PassphraseQuery::new("ca-office") };
    plain(obtain_from(&query, &around))
}

/// What can be compared and shown.
fn plain(result: Result<(Sensitive, Origin), PassphraseError>) -> Result<(Vec<u8>, Origin), String> {
    result.map(|(secret, origin)| (secret.expose().to_vec(), origin)).map_err(|error| error.to_string())
}

#[test]
fn a_named_file_is_taken_as_it_is_but_for_its_last_line_break() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pass");
    let cases: [(&[u8], &[u8]); 6] = [
        (b"secret", b"secret"),
        (b"secret\n", b"secret"),
        (b"secret\r\n", b"secret"),
        (b"secret\n\n", b"secret\n"),
        (b" se cret \r", b" se cret \r"),
        (b"\xff\x00", b"\xff\x00"),
    ];
    for (content, secret) in cases {
        put(&path, content, 0o600);
        assert_eq!(explicit(Explicit::File(path.clone())).unwrap(), (secret.to_vec(), Origin::File(path.clone())));
    }
    put(&path, vec![b'x'; MOST_BYTES], 0o400);
    assert_eq!(explicit(Explicit::File(path)).unwrap().0.len(), MOST_BYTES);
}

#[test]
fn a_named_file_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    put(&at("empty"), "", 0o600);
    put(&at("line"), "\n", 0o600);
    put(&at("long"), vec![b'x'; MOST_BYTES + 1], 0o600);
    for (name, mode) in [("group", 0o640), ("others", 0o604), ("written", 0o622)] {
        put(&at(name), "secret", mode);
    }
    let fifo = std::process::Command::new("mkfifo").arg("-m600").arg(at("fifo")).status().unwrap();
    assert!(fifo.success());
    let cases = [
        ("empty", "it is empty"),
        ("line", "it is empty"),
        ("long", "it is longer than 4096 bytes"),
        ("group", "others can read or change it (owner "),
        ("others", "mode 0604)"),
        ("written", "mode 0622)"),
        ("fifo", "it is not a regular file"),
        (".", "it is not a regular file"),
        ("absent", "No such file"),
    ];
    for (name, reason) in cases {
        let error = explicit(Explicit::File(at(name))).unwrap_err();
        assert!(error.starts_with("no passphrase for ca-office: file /") && error.contains(reason), "{name}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    if !geteuid().is_root() {
        eprintln!("skipped: giving a file to another user needs root");
        return;
    }
    put(&at("foreign"), "secret", 0o600);
    std::os::unix::fs::chown(at("foreign"), Some(65534), None).unwrap();
    let error = explicit(Explicit::File(at("foreign"))).unwrap_err();
    assert!(error.contains("(owner 65534, mode 0600)"), "{error}");
}

#[test]
fn a_descriptor_is_read_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pass");
    put(&path, "secret\n", 0o644);
    let file = File::open(&path).unwrap();
    let number = file.as_raw_fd();
    assert_eq!(explicit(Explicit::Fd(number)).unwrap(), (b"secret".to_vec(), Origin::Fd(number)));

    let (reader, mut writer) = io::pipe().unwrap();
    io::Write::write_all(&mut writer, b"from a pipe").unwrap();
    drop(writer);
    assert_eq!(explicit(Explicit::Fd(reader.as_raw_fd())).unwrap().0, b"from a pipe");

    let folder = File::open(directory.path()).unwrap();
    let cases = [(folder.as_raw_fd(), "it is not a regular file"), (-1, "invalid"), (1_000_000, "No such file")];
    for (number, reason) in cases {
        let error = explicit(Explicit::Fd(number)).unwrap_err();
        assert!(error.contains(&format!("descriptor {number}: ")) && error.contains(reason), "{error}");
    }
}

#[test]
fn sources_are_asked_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let credential = directory.path().join("reseal.ca-office");
    let secret = |text: &str| Ok(Sensitive::from(text.to_owned()));
    let empty = |_: &str, _| Err(Miss::Absent);
    let full = |label: &str, limit| {
        assert_eq!((label, limit), ("ca-office", KEYRING_LIMIT));
        secret("from the keyring")
    };
    let person = |_: &str| secret("typed");
    let query = PassphraseQuery { may_prompt: true, ..PassphraseQuery::new("ca-office") };
    let credentials = Some(directory.path().to_owned());

    put(&credential, "from systemd\n", 0o440);
    let all = Around { credentials: credentials.clone(), keyring: &full, ask: &person };
    let expected = (b"from systemd".to_vec(), Origin::Credential(credential.clone()));
    assert_eq!(plain(obtain_from(&query, &all)).unwrap(), expected);

    put(&credential, "", 0o440);
    let error = plain(obtain_from(&query, &all)).unwrap_err();
    assert!(error.ends_with("reseal.ca-office: it is empty"), "no other is tried: {error}");

    fs::remove_file(&credential).unwrap();
    assert_eq!(plain(obtain_from(&query, &all)).unwrap(), (b"from the keyring".to_vec(), Origin::Keyring));

    let last = Around { credentials, keyring: &empty, ask: &person };
    assert_eq!(plain(obtain_from(&query, &last)).unwrap(), (b"typed".to_vec(), Origin::Prompt));

    let silent = PassphraseQuery { may_prompt: false, keyring: None, ..query };
    let error = plain(obtain_from(&silent, &Around { credentials: None, ..last })).unwrap_err();
    assert_eq!(
        error,
        "no passphrase for ca-office: systemd credential reseal.ca-office: not available: CREDENTIALS_DIRECTORY is not \
         set; keyring: not asked; prompt: not asked"
    );
}

#[test]
fn a_new_one_is_typed_twice() {
    let no_keyring = |_: &str, _| Err(Miss::Absent);
    let typed = |answers: &[&str], confirm| {
        let answers = RefCell::new(answers.iter().rev().map(|&text| text.to_owned()).collect::<Vec<_>>());
        let questions = RefCell::new(Vec::new());
        let person = |question: &str| {
            questions.borrow_mut().push(question.to_owned());
            Ok(Sensitive::from(answers.borrow_mut().pop().unwrap()))
        };
        let around = Around { credentials: None, keyring: &no_keyring, ask: &person };
        let query = PassphraseQuery { may_prompt: true, confirm, ..PassphraseQuery::new("ca-office") };
        let result = plain(obtain_from(&query, &around)).map(|(secret, _)| secret);
        (result, questions.into_inner())
    };
    assert_eq!(typed(&["a"], false), (Ok(b"a".to_vec()), vec!["Passphrase for ca-office: ".to_owned()]));
    let (result, questions) = typed(&["a", "a"], true);
    assert_eq!((result, questions.len()), (Ok(b"a".to_vec()), 2));
    let (result, _) = typed(&["a", "b"], true);
    assert!(result.unwrap_err().ends_with("prompt: the two were not the same"));
    let (result, questions) = typed(&["", "b"], true);
    assert!(result.unwrap_err().ends_with("prompt: it is empty"));
    assert_eq!(questions.len(), 1);
}

#[test]
fn a_label_cannot_lead_elsewhere() {
    for label in ["", "..", ".hidden", "a/b", "../../etc/shadow", "a\0b", "a b", "\u{fc}", &"x".repeat(65)] {
        let error = obtain(&Host::new("/nowhere"), &PassphraseQuery::new(label)).map(|_| ()).unwrap_err();
        assert!(error.tried.is_empty(), "{label:?}");
        assert!(error.to_string().ends_with("cannot be the name of a passphrase"), "{error}");
    }
    assert!(is_label("ca-office_1.old"));
}

#[test]
fn without_a_session_bus_the_keyring_says_so_at_once() {
    if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some() {
        eprintln!("skipped: needs a session without a bus, and must not touch a real keyring");
        return;
    }
    let start = Instant::now();
    let error = obtain(&Host::new("/nowhere"), &PassphraseQuery::new("ca-office")).map(|_| ()).unwrap_err();
    assert!(start.elapsed() < KEYRING_LIMIT, "{:?}", start.elapsed());
    let kinds: Vec<_> = error.tried.iter().map(|(origin, _)| origin.clone()).collect();
    assert_eq!(kinds, [Origin::Credential("reseal.ca-office".into()), Origin::Keyring, Origin::Prompt], "{error}");
    assert!(matches!(error.tried[1].1, Miss::Unavailable { .. }), "{error}");
    assert!(matches!(store("ca-office", &Sensitive::from(b"x".to_vec())), Err(Miss::Unavailable { .. })));
}
