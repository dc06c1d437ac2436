use std::cell::RefCell;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use rustix::process::geteuid;

use super::*;

fn put(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn explicit(explicit: Explicit) -> Result<(Vec<u8>, Origin), String> {
    let elsewhere = |_: &str, _| panic!("a named source is the only one");
    let nobody = |_: &str| panic!("a named source is the only one");
    let around = Around {
        credentials: Some("/nowhere".into()),
        keyring: &elsewhere,
        kernel: &nobody,
        ask: &nobody,
        interrupted: &|| false,
    };
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

/// What a program that starts this one may have made with `socketpair`.
#[test]
fn a_descriptor_of_a_socket_is_read_to_its_end() {
    let (reader, mut writer) = std::os::unix::net::UnixStream::pair().unwrap();
    io::Write::write_all(&mut writer, b"from a ").unwrap();
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        io::Write::write_all(&mut writer, b"socket\n").unwrap();
    });
    assert_eq!(explicit(Explicit::Fd(reader.as_raw_fd())).unwrap().0, b"from a socket");
    late.join().unwrap();
    let (silent, _writer) = std::os::unix::net::UnixStream::pair().unwrap();
    let looked = RefCell::new(0);
    let interrupted = || looked.replace_with(|count| *count + 1) > 2;
    assert!(matches!(file::read_descriptor(silent.as_raw_fd(), &interrupted), Err(Miss::Interrupted)));
}

#[test]
fn a_descriptor_that_nobody_writes_to_ends_with_a_signal() {
    let (reader, writer) = io::pipe().unwrap();
    let looked = RefCell::new(0);
    let interrupted = || looked.replace_with(|count| *count + 1) > 2;
    let result = file::read_descriptor(reader.as_raw_fd(), &interrupted);
    assert!(matches!(result, Err(Miss::Interrupted)));
    drop(writer);
}

/// A descriptor of a named pipe is opened anew; its last writer may have gone by then.
#[test]
fn a_descriptor_of_a_named_pipe_is_read_when_its_writer_has_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg("-m600").arg(&path).status().unwrap().success());
    let reader = open_waiting_for_none(&path);
    fs::write(&path, "through a pipe\n").unwrap();
    assert_eq!(explicit(Explicit::Fd(reader.as_raw_fd())).unwrap().0, b"through a pipe");
}

fn open_waiting_for_none(path: &Path) -> File {
    use rustix::fs::{Mode, OFlags};
    File::from(rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap())
}

#[allow(clippy::unnecessary_wraps, reason = "a source answers like this")]
fn secret(text: &str) -> Result<Sensitive, Miss> {
    Ok(Sensitive::from(text.to_owned()))
}

#[test]
fn sources_are_asked_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let credential = directory.path().join("reseal.ca-office");
    let empty = |_: &str, _| Err(Miss::Absent);
    let full = |label: &str, asking| {
        assert_eq!((label, asking), ("ca-office", Asking::Nobody));
        secret("from the keyring")
    };
    let cached = |label: &str| {
        assert_eq!(label, "ca-office");
        secret("from the kernel")
    };
    let uncached = |_: &str| Err(Miss::Absent);
    let person = |_: &str| secret("typed");
    let query = PassphraseQuery { may_prompt: true, ..PassphraseQuery::new("ca-office") };
    let credentials = Some(directory.path().to_owned());

    put(&credential, "from systemd\n", 0o440);
    let all = Around { credentials, keyring: &full, kernel: &cached, ask: &person, interrupted: &|| false };
    let expected = (b"from systemd".to_vec(), Origin::Credential(credential.clone()));
    assert_eq!(plain(obtain_from(&query, &all)).unwrap(), expected);

    put(&credential, "", 0o440);
    let error = plain(obtain_from(&query, &all)).unwrap_err();
    assert!(error.ends_with("reseal.ca-office: it is empty"), "no other is tried: {error}");

    fs::remove_file(&credential).unwrap();
    assert_eq!(plain(obtain_from(&query, &all)).unwrap(), (b"from the keyring".to_vec(), Origin::Keyring));

    let without = Around { keyring: &empty, ..all };
    assert_eq!(plain(obtain_from(&query, &without)).unwrap(), (b"from the kernel".to_vec(), Origin::Kernel));

    // A new one is never taken from what is gone in a quarter of an hour.
    let new = PassphraseQuery { new: true, ..query.clone() };
    assert_eq!(plain(obtain_from(&new, &without)).unwrap(), (b"typed".to_vec(), Origin::Prompt));

    let last = Around { kernel: &uncached, ..without };
    assert_eq!(plain(obtain_from(&query, &last)).unwrap(), (b"typed".to_vec(), Origin::Prompt));

    let silent = PassphraseQuery { may_prompt: false, kept: false, ..query };
    let error = plain(obtain_from(&silent, &Around { credentials: None, ..last })).unwrap_err();
    assert_eq!(
        error,
        "no passphrase for ca-office: systemd credential reseal.ca-office: not available: CREDENTIALS_DIRECTORY is not \
         set; keyring: not asked; kernel keyring: not asked; prompt: not asked"
    );
}

/// Nobody is asked while a source has it that asks nobody; and where nobody may be asked, a locked keyring is told as that.
#[test]
fn a_locked_keyring_is_unlocked_last_and_only_by_a_person() {
    let asked = RefCell::new(Vec::new());
    let locked = |_: &str, asking| {
        asked.borrow_mut().push(asking);
        if asking == Asking::Nobody { Err(Miss::Locked) } else { secret("unlocked") }
    };
    let (cached, uncached) = (|_: &str| secret("from the kernel"), |_: &str| Err(Miss::Absent));
    let person = |_: &str| panic!("the keyring has it");
    let around = Around { credentials: None, keyring: &locked, kernel: &cached, ask: &person, interrupted: &|| false };
    let query = PassphraseQuery { may_prompt: true, ..PassphraseQuery::new("ca-office") };
    assert_eq!(plain(obtain_from(&query, &around)).unwrap().1, Origin::Kernel);
    assert_eq!(asked.take(), [Asking::Nobody]);
    let around = Around { kernel: &uncached, ..around };
    assert_eq!(plain(obtain_from(&query, &around)).unwrap(), (b"unlocked".to_vec(), Origin::Keyring));
    assert_eq!(asked.take(), [Asking::Nobody, Asking::APerson]);

    let silent = PassphraseQuery { may_prompt: false, ..query };
    let error = obtain_from(&silent, &around).map(|_| ()).unwrap_err();
    assert_eq!(asked.take(), [Asking::Nobody]);
    assert!(error.to_string().contains("keyring: it is locked; kernel keyring: it has none"), "{error}");
    assert!(error.hint().starts_with("unlock the keyring"), "{}", error.hint());
}

#[test]
fn a_new_one_is_typed_twice() {
    let no_keyring = |_: &str, _| Err(Miss::Absent);
    let no_kernel = |_: &str| Err(Miss::Absent);
    let typed = |answers: &[&str], new| {
        let answers = RefCell::new(answers.iter().rev().map(|&text| text.to_owned()).collect::<Vec<_>>());
        let questions = RefCell::new(Vec::new());
        let person = |question: &str| {
            questions.borrow_mut().push(question.to_owned());
            Ok(Sensitive::from(answers.borrow_mut().pop().unwrap()))
        };
        let around = Around {
            credentials: None,
            keyring: &no_keyring,
            kernel: &no_kernel,
            ask: &person,
            interrupted: &|| false,
        };
        let query = PassphraseQuery { may_prompt: true, new, ..PassphraseQuery::new("ca-office") };
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
    for label in ["", "..", ".hidden", "a/b", "../../etc/shadow", "a\0b", "a b", "\u{fc}", &"x".repeat(81)] {
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
    assert!(start.elapsed() < std::time::Duration::from_secs(3), "{:?}", start.elapsed());
    let kinds: Vec<_> = error.tried.iter().map(|(origin, _)| origin.clone()).collect();
    assert_eq!(
        kinds,
        [Origin::Credential("reseal.ca-office".into()), Origin::Keyring, Origin::Kernel, Origin::Prompt],
        "{error}"
    );
    assert!(matches!(error.tried[1].1, Miss::Unavailable { .. }), "{error}");
    assert!(matches!(
        store(&Host::new("/nowhere"), "ca-office", &Sensitive::from(b"x".to_vec()), false, false),
        Err(Miss::Unavailable { .. })
    ));
}
