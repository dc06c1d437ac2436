//! `reseal scan` as it is used: the real program over real trees, lists and servers.

#[path = "support/ran.rs"]
mod ran;
mod support;

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ran::Ran;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use support::{issued, pair, self_signed};
use tempfile::TempDir;

/// A folder to be scanned.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(TempDir::new().unwrap());
        fs::set_permissions(tree.0.path(), Permissions::from_mode(0o755)).unwrap();
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command.arg("scan").args(words).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command
    }

    fn scan(&self, words: &[&str]) -> Ran {
        Ran::of(&self.command(words).output().unwrap())
    }

    /// With this on its standard input.
    fn fed(&self, words: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(words);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran::of(&child.wait_with_output().unwrap())
    }

    /// The results by subject below the folder, and the summary.
    fn lines(&self, words: &[&str]) -> (Vec<Value>, Value) {
        let all: Vec<&str> = ["--format", "jsonl"].into_iter().chain(words.iter().copied()).collect();
        self.scan(&all).lines()
    }

    fn subjects(&self, words: &[&str]) -> Vec<String> {
        self.lines(words).0.iter().map(subject).collect()
    }
}

impl Ran {
    fn rows(&self) -> Vec<&str> {
        self.out.lines().skip(1).take_while(|line| !line.is_empty()).collect()
    }

    fn lines(self) -> (Vec<Value>, Value) {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let mut all: Vec<Value> = self.out.lines().map(parse).collect();
        let last = all.pop().unwrap();
        assert_eq!((last["version"].as_u64(), last["command"].as_str()), (Some(1), Some("scan")), "{last}");
        assert_eq!(last["exit"].as_i64(), self.code.map(i64::from), "{last}");
        all.sort_by_key(subject);
        (all, last)
    }
}

fn subject(row: &Value) -> String {
    row["subject"].as_str().unwrap().to_owned()
}

fn codes(row: &Value) -> Vec<&str> {
    row["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn der(pem: &str) -> Vec<u8> {
    reseal::cert::codec::read(pem.as_bytes(), None).unwrap().certificates[0].der().to_vec()
}

fn root() -> bool {
    support::root()
}

#[test]
fn certificates_are_found_by_what_is_in_the_files() {
    let tree = Tree::new();
    let (good, own) = (pair(90), self_signed(90));
    tree.put("a/good.pem", &good.certificate);
    tree.put("a/b/c/no-extension", der(&good.certificate));
    tree.put(".hidden/own.txt", format!("# ours\n{}", own.certificate));
    tree.put("a/with-key.conf", format!("{}{}", own.key, own.certificate));
    tree.put("a/bundle", format!("{}{}", good.certificate, pair(30).certificate));
    let late = format!("{}{}", "# nothing here\n".repeat(20_000), good.certificate);
    tree.put("late.log", &late);
    // Across the border between the first piece and the second.
    let across = format!("{}{}", "x".repeat(65_594 - 5), format_args!("\n{}", good.certificate));
    tree.put("across.log", across);
    tree.put("key.pem", &own.key);
    tree.put("cut.pem", &good.certificate[..200]);
    tree.put("words.md", "a file begins with -----BEGIN CERTIFICATE----- and so on\n");
    tree.put("request.pem", "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n");
    tree.put("program", b"\x7fELF\0\0\0");
    tree.put("empty", "");

    let (rows, last) = tree.lines(&["."]);
    let found: Vec<String> = rows.iter().map(subject).collect();
    let expected = ["./.hidden/own.txt", "./a/b/c/no-extension", "./a/bundle (1 of 2)", "./a/bundle (2 of 2)"];
    let further = ["./a/good.pem", "./a/with-key.conf", "./across.log", "./cut.pem", "./late.log"];
    assert_eq!(found, [&expected[..], &further].concat());
    for (row, code) in [(0, "self-signed"), (5, "self-signed"), (7, "unreadable")] {
        assert!(codes(&rows[row]).contains(&code), "{code}: {}", rows[row]);
    }
    assert!(
        [1, 2, 3, 4, 6, 8].iter().all(|row| !rows[*row]["leaf"].is_null() && codes(&rows[*row]) == ["rfc5280-profile"]),
        "{rows:?}"
    );
    let summary = &last["summary"];
    assert_eq!(summary["files"], 8);
    assert_eq!((&summary["certificates"], &summary["keys"]), (&8.into(), &1.into()), "{summary}");
    assert_eq!((&summary["seen"]["files"], &summary["seen"]["read"]), (&13.into(), &13.into()), "{summary}");
    assert_eq!(summary["findings"]["self-signed"], 2);
    assert_eq!(last["exit"], 3);

    // The same verdict as `check`, word for word.
    let check = Command::new(env!("CARGO_BIN_EXE_reseal"))
        .args(["--format", "json", "check", "./a/with-key.conf"])
        .current_dir(tree.0.path())
        .env_clear()
        .output()
        .unwrap();
    let check: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(check["results"][0], rows[5]);
}

#[test]
fn a_row_a_certificate_in_text_and_everything_in_one_object() {
    let tree = Tree::new();
    let (good, other) = (pair(90), self_signed(3));
    tree.put("bundle.pem", format!("{}{}", good.certificate, other.certificate));
    tree.put("own.pem", &other.certificate);
    let ran = tree.scan(&["."]).ends(3);
    let mut rows = ran.rows();
    rows.sort_unstable();
    assert_eq!(rows.len(), 3, "{}", ran.out);
    assert!(rows[0].starts_with("  chain") && rows[0].ends_with("  ./bundle.pem"), "{}", ran.out);
    assert!(rows[1].starts_with("critical  self-signed") && rows[1].contains("     2 d  (itself) "), "{}", ran.out);
    assert!(rows[2].starts_with("warning   ") && rows[2].contains(" test CA "), "{}", ran.out);
    assert!(ran.out.contains("3 certificates in 2 files"), "{}", ran.out);

    let ran = tree.scan(&["--format", "json", "."]).ends(3);
    let whole: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&whole["version"], &whole["exit"]), (&1.into(), &3.into()));
    assert_eq!(whole["results"].as_array().unwrap().len(), 2);
    let empty: Value = serde_json::from_str(&tree.scan(&["--format", "json", "/dev/null/x"]).ends(4).out).unwrap();
    assert_eq!(empty["results"].as_array().unwrap().len(), 1);
    fs::create_dir(tree.path("nothing")).unwrap();
    let empty: Value = serde_json::from_str(&tree.scan(&["--format", "json", "nothing"]).ends(0).out).unwrap();
    assert_eq!(empty["results"], Value::Array(Vec::new()));
}

#[test]
fn a_file_of_roots_is_no_chain() {
    let tree = Tree::new();
    let root = |name: &str, days: i64| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_before = time::OffsetDateTime::now_utc() - time::Duration::days(900);
        params.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(days);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    };
    tree.put("roots.crt", format!("{}{}{}", root("one", 90), root("two", -90), root("three", 90)));
    let (rows, last) = tree.lines(&["."]);
    assert_eq!((codes(&rows[0]), &last["exit"]), (vec!["store-expired"], &0.into()));
    assert_eq!(rows[0]["notes"][0], "it holds 3 root certificates, 1 of them out of date");
    assert_eq!(last["summary"]["certificates"], 3);
    let ran = tree.scan(&["."]).ends(0);
    assert_eq!(ran.rows().len(), 3, "{}", ran.out);
    assert!(ran.rows()[1].starts_with("  root    ended "), "{}", ran.out);
}

/// The pair that a file holds is told as well without a look into its key; only what takes a look is not seen.
#[test]
fn a_key_that_is_not_looked_into_is_taken_at_its_word() {
    use reseal::cert::{PrivateKey, codec};
    let tree = Tree::new();
    let (own, other) = (pair(90), pair(90));
    tree.put("own.pem", format!("{}{}", own.certificate, own.key));
    tree.put("others.pem", format!("{}{}", own.certificate, other.key));
    let [half, others_half] = [&own, &other].map(|pair| {
        let certificate = codec::read(pair.certificate.as_bytes(), None).unwrap().certificates.remove(0);
        reseal::cert::key_bits(certificate.spki()).unwrap().to_vec()
    });
    let key =
        PrivateKey::from_der(codec::read(own.key.as_bytes(), None).unwrap().keys[0].pkcs8_der().expose()).unwrap();
    let mut mixed = key.pkcs8_der().expose().to_vec();
    let at = mixed.windows(half.len()).position(|window| window == half).unwrap();
    mixed[at..at + half.len()].copy_from_slice(&others_half);
    tree.put("mixed.pem", format!("{}{}", other.certificate, codec::pem::encode("PRIVATE KEY", &mixed)));
    let told = |words: &[&str]| -> Vec<(String, Vec<String>)> {
        let (rows, _) = tree.lines(words);
        let of_keys =
            |row| codes(row).into_iter().filter(|code| *code != "rfc5280-profile").map(str::to_owned).collect();
        rows.iter().map(|row| (subject(row), of_keys(row))).collect()
    };
    let row = |name: &str, codes: &[&str]| (format!("./{name}"), codes.iter().map(ToString::to_string).collect());
    let (good, others) = (row("own.pem", &[]), row("others.pem", &["key-mismatch"]));
    assert_eq!(told(&["."]), [row("mixed.pem", &["unreadable"]), others.clone(), good.clone()]);
    assert_eq!(told(&["--no-signatures", "."]), [row("mixed.pem", &[]), others, good]);
}

#[test]
fn quiet_tells_what_is_not_well() {
    let tree = Tree::new();
    tree.put("good.pem", pair(90).certificate);
    assert_eq!(tree.scan(&["-q", "."]).ends(0).out, "");
    tree.put("own.pem", self_signed(90).certificate);
    let ran = tree.scan(&["-q", "."]).ends(3);
    assert!(ran.out.contains("own.pem") && !ran.out.contains("good.pem"), "{}", ran.out);
}

#[test]
fn links_lead_nowhere_unless_they_are_to_be_followed() {
    let tree = Tree::new();
    tree.put("outside/a.pem", pair(90).certificate);
    tree.put("tree/b.pem", pair(90).certificate);
    symlink("../outside", tree.path("tree/out")).unwrap();
    symlink("..", tree.path("tree/up")).unwrap();
    symlink(".", tree.path("tree/itself")).unwrap();
    symlink("../outside/a.pem", tree.path("tree/c.pem")).unwrap();
    symlink("gone", tree.path("tree/dangling")).unwrap();
    symlink("tree", tree.path("named")).unwrap();
    assert_eq!(tree.subjects(&["tree"]), ["tree/b.pem"]);
    assert_eq!(tree.subjects(&["named"]), ["named/b.pem"], "a link that was named is followed");
    assert_eq!(tree.subjects(&["tree/c.pem"]), ["tree/c.pem"]);
    let followed = tree.subjects(&["--follow", "tree"]);
    let names = |suffix: &str| followed.iter().filter(|subject| subject.ends_with(suffix)).count();
    assert_eq!((names("a.pem"), names("b.pem"), names("c.pem")), (1, 1, 1), "each folder once: {followed:?}");
}

#[test]
fn what_is_no_file_is_never_opened() {
    let tree = Tree::new();
    tree.put("good.pem", pair(90).certificate);
    mknodat(CWD, tree.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.path("socket")).unwrap();
    let began = Instant::now();
    let (rows, last) = tree.lines(&["."]);
    assert_eq!((rows.len(), &last["summary"]["seen"]["special"]), (1, &2.into()));
    let (rows, last) = tree.lines(&["pipe", "/dev/zero"]);
    assert_eq!(last["exit"], 4);
    assert!(rows.iter().all(|row| row["problem"].as_str().unwrap().contains("neither a regular file")), "{rows:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
    // The kernel's own file systems are not entered from outside of them.
    let (rows, last) = tree.lines(&["/proc/self/root/sys/kernel", "-x"]);
    assert!(rows.iter().all(|row| row["leaf"].is_null()), "{last}");
}

#[test]
fn large_files_are_left_out_and_counted() {
    let tree = Tree::new();
    File::create(tree.path("sparse")).unwrap().set_len(1 << 40).unwrap();
    let certificate = pair(90).certificate;
    let text = |bytes: usize| format!("{}\n{certificate}", "#".repeat(bytes - certificate.len() - 1));
    tree.put("just.txt", text(16 << 20));
    tree.put("over.txt", text((16 << 20) + 1));
    tree.put("begins.pem", format!("{certificate}{}", "\n# more".repeat(3 << 20)));
    let began = Instant::now();
    let (rows, last) = tree.lines(&["."]);
    assert_eq!(rows.iter().map(subject).collect::<Vec<_>>(), ["./just.txt"]);
    // Zeros are no text: the sparse file is not even looked through.
    assert_eq!(last["summary"]["seen"]["large"], 2);
    assert!(began.elapsed() < Duration::from_secs(20));
    let (rows, last) = tree.lines(&["over.txt"]);
    assert_eq!((rows.len(), &last["exit"]), (1, &4.into()), "what was named is told of: {rows:?}");
}

#[test]
fn what_may_not_be_read_is_told_and_ends_nothing() {
    if !root() {
        return;
    }
    let tree = Tree::new();
    tree.put("closed/a.pem", pair(90).certificate);
    tree.put("open/a.pem", pair(90).certificate);
    tree.put("open/key.pem", self_signed(90).certificate);
    fs::set_permissions(tree.path("closed"), Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(tree.path("open/key.pem"), Permissions::from_mode(0o600)).unwrap();
    let program = tree.path("reseal");
    fs::copy(env!("CARGO_BIN_EXE_reseal"), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&program);
    command.args(["scan", "--format", "jsonl", "open", "closed", "gone"]).current_dir(tree.0.path()).env_clear();
    let (rows, last) = Ran::of(&command.uid(65_534).gid(65_534).output().unwrap()).lines();
    let told: Vec<(String, String)> =
        rows.iter().map(|row| (subject(row), row["problem"].as_str().unwrap_or_default().to_owned())).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].0 == "closed" && told[0].1.starts_with("cannot read closed: Permission denied"), "{told:?}");
    assert!(told[1].0 == "gone" && told[1].1.contains("No such file"), "{told:?}");
    assert_eq!(told[2], ("open/a.pem".to_owned(), String::new()));
    assert!(told[3].0 == "open/key.pem" && told[3].1.contains("Permission denied"), "{told:?}");
    assert_eq!((&last["exit"], &last["summary"]["problems"]), (&4.into(), &3.into()));
    // As root, everything.
    assert_eq!(tree.lines(&["open", "closed"]).0.len(), 3);
}

#[test]
fn hostile_names_stay_on_their_line() {
    let tree = Tree::new();
    for name in ["a\u{1b}]52;c;YQ==\u{7}.pem", "b\ngood      forged.pem", "c\u{202e}mep.pem"] {
        tree.put(name, pair(90).certificate);
    }
    let raw = std::ffi::OsStr::from_bytes(b"d\xff\x9b2J.pem");
    fs::write(tree.0.path().join(raw), pair(90).certificate).unwrap();
    let hostile = issued(&["www.example.org"], -1, 90).certificate;
    tree.put("e.pem", hostile);
    let ran = tree.scan(&["."]).ends(0);
    assert_eq!(ran.rows().len(), 5, "{}", ran.out);
    let acts = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!ran.out.contains(acts), "{:?}", ran.out);
    ran.says(r"b\u{a}good      forged.pem");
    let ran = tree.scan(&["--format", "jsonl", "."]).ends(0);
    assert!(!ran.out.contains(acts), "{:?}", ran.out);
    let (rows, _) = ran.lines();
    assert_eq!(subject(&rows[1]), "./b\ngood      forged.pem");
}

#[test]
fn a_reader_who_leaves_ends_it_quietly() {
    let tree = Tree::new();
    let certificate = pair(90).certificate;
    for number in 0..3000 {
        tree.put(&format!("{}/{number}.pem", number % 7), &certificate);
    }
    for format in ["text", "json", "jsonl"] {
        let mut command = tree.command(&["--format", format, "."]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ran = Ran::of(&child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{format}");
    }
    let full = tree.command(&["."]).stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    Ran::of(&full).ends(4).warns("cannot write the result");
}

#[test]
fn every_file_of_a_tree_is_met_once_however_many_read() {
    let tree = Tree::new();
    let certificate = pair(90).certificate;
    for number in 0..2000 {
        tree.put(&format!("flat/{number}.pem"), &certificate);
    }
    for depth in 1..60 {
        tree.put(&format!("{}x.pem", "deep/".repeat(depth)), &certificate);
    }
    for readers in ["1", "2", "8", "64"] {
        let subjects = tree.subjects(&["--readers", readers, "."]);
        let mut once = subjects.clone();
        once.dedup();
        assert_eq!((subjects.len(), once.len()), (2059, 2059), "{readers} readers");
    }
}

#[test]
fn lists_come_from_files_and_standard_input() {
    let tree = Tree::new();
    tree.put("a b.pem", pair(90).certificate);
    tree.put("c.pem", pair(90).certificate);
    tree.put("list", "# ours\n./a b.pem\n\nc.pem\n");
    assert_eq!(tree.subjects(&["--list", "list"]), ["./a b.pem", "c.pem"]);
    let fed = |words: &[&str], input: &[u8]| {
        let all: Vec<&str> = ["--format", "jsonl", "--list", "-"].into_iter().chain(words.iter().copied()).collect();
        tree.fed(&all, input).lines().0.iter().map(subject).collect::<Vec<_>>()
    };
    assert_eq!(fed(&[], b"c.pem\n"), ["c.pem"]);
    assert_eq!(fed(&["-0"], b"./a b.pem\0c.pem\0"), ["./a b.pem", "c.pem"]);
    assert_eq!(fed(&["c.pem"], b""), ["c.pem"]);
    tree.scan(&["--list", "gone"]).ends(2);
}

/// An export of an inventory that has failed is no good news.
#[test]
fn a_list_of_nothing_is_no_scan() {
    let tree = Tree::new();
    for (words, input) in
        [(&["--list", "-"][..], &b"\n"[..]), (&["--list", "-"], b"# all of it\n"), (&["--list", "-", "-0"], b"")]
    {
        let ran = tree.fed(words, input).ends(2).warns("the list - holds nothing to look at");
        assert_eq!(ran.out, "");
    }
    tree.put("list", "");
    tree.scan(&["--list", "list"]).ends(2).warns("the list list holds nothing");
}

#[test]
fn a_list_comes_through_a_pipe() {
    let tree = Tree::new();
    tree.put("c.pem", pair(90).certificate);
    mknodat(CWD, tree.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let path = tree.path("pipe");
    let writer = std::thread::spawn(move || fs::write(path, "c.pem\n").unwrap());
    assert_eq!(tree.subjects(&["--list", "pipe"]), ["c.pem"]);
    writer.join().unwrap();
}

#[test]
fn a_configuration_counts_where_there_is_one() {
    let tree = Tree::new();
    tree.put("own.pem", self_signed(90).certificate);
    tree.scan(&["own.pem"]).ends(3);
    let day = time::OffsetDateTime::now_utc().date() + time::Duration::days(9);
    let accept =
        |code: &str| format!("[[accept]]\ncode = \"{code}\"\ntarget = \"*.pem\"\nreason = \"lab\"\nuntil = {day}\n");
    tree.put("reseal.toml", accept("self-signed"));
    let (rows, last) = tree.lines(&["--config", "reseal.toml", "own.pem"]);
    let accepted = rows[0]["findings"].as_array().unwrap().iter().find(|one| one["code"] == "self-signed").unwrap();
    assert_eq!((&accepted["accepted"]["reason"], &last["exit"]), (&"lab".into(), &0.into()), "{rows:?}");
    assert!(last["summary"]["findings"]["self-signed"].is_null(), "{last}");
    assert_eq!(tree.scan(&["--config", "reseal.toml", "-q", "own.pem"]).ends(0).out, "");
    tree.put("reseal.toml", "[findings]\nseverity = { self-signed = \"note\" }\n[trust.mine]\nfile = \"/nowhere\"\n");
    tree.scan(&["--config", "reseal.toml", "own.pem"]).ends(0);
    tree.scan(&["--config", "reseal.toml", "--trust", "mine", "own.pem"])
        .ends(2)
        .warns("cannot read the roots /nowhere");
    tree.put("reseal.toml", "colour = 1\n");
    let ran = tree.scan(&["--config", "reseal.toml", "own.pem"]).ends(2).warns("cannot use the configuration");
    assert_eq!(ran.out, "");
    tree.scan(&["--config", "gone.toml", "own.pem"]).ends(2).warns("it does not exist");
}

/// Nobody says that a server is at each address of a range, or what it is called.
#[test]
fn in_a_range_nobody_is_expected() {
    let tree = Tree::new();
    let (listener, pair) = (TcpListener::bind("127.0.0.97:0").unwrap(), pair(90));
    let port = listener.local_addr().unwrap().port();
    serve(listener, &pair.certificate, &pair.key);
    let (rows, last) = tree.lines(&["--trust", "none", &format!("127.0.0.96/29:{port}")]);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(subject(&rows[0]), format!("127.0.0.97:{port}"));
    assert!(!codes(&rows[0]).contains(&"name-missing"), "{rows:?}");
    let summary = &last["summary"];
    let counts = ["servers", "answered", "nobody"].map(|key| summary[key].as_u64().unwrap());
    assert_eq!((counts, &last["exit"]), ([8, 1, 7], &0.into()), "{last}");
    let ran = tree.scan(&["--trust", "none", &format!("127.0.0.96-103:{port}")]).ends(0);
    ran.says("at 1 of 8 servers; nobody listens at 7 addresses of a range");
    // Who is named is expected, and has a name.
    let named = [format!("127.0.0.97:{port}"), format!("127.0.0.98:{port}")];
    let (rows, last) = tree.lines(&["--trust", "none", &named[0], &named[1]]);
    assert!(codes(&rows[0]).contains(&"name-missing") && codes(&rows[1]) == ["refused"], "{rows:?}");
    assert_eq!((&last["exit"], &last["summary"]["nobody"]), (&3.into(), &0.into()));
}

/// A TLS server with this pair, until the test ends.
fn serve(listener: TcpListener, certificate: &str, key: &str) {
    use rustls::pki_types::pem::PemObject;
    let chain = rustls::pki_types::CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = std::sync::Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
            let mut stream = stream.unwrap();
            std::thread::spawn(move || while matches!(connection.complete_io(&mut stream), Ok((1.., _))) {});
        }
    });
}

/// What was found is not all there was: no page says so.
#[test]
fn no_page_is_made_of_a_scan_that_was_cut_off() {
    let tree = Tree::new();
    tree.put("a.pem", pair(90).certificate);
    tree.put("b.pem", pair(90).certificate);
    let whole = tree.scan(&["--format", "jsonl", "."]).ends(0).out;
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!((lines.len(), lines.iter().filter(|line| line.starts_with("{\"stream\":\"scan\",")).count()), (3, 1));
    tree.put("cut.jsonl", format!("{}\n{}\n", lines[0], lines[1]));
    tree.put("whole.jsonl", &whole);
    let report = |from: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command.args(["report", "--html", "page.html", "--from", from]).current_dir(tree.0.path()).env_clear();
        Ran::of(&command.output().unwrap())
    };
    report("cut.jsonl").ends(4).warns("cut.jsonl holds a scan that was cut off");
    assert!(!tree.path("page.html").exists());
    report("whole.jsonl").ends(0);
}

#[test]
fn lists_that_reach_too_far_are_refused_before_anybody_is_asked() {
    let tree = Tree::new();
    for (list, why) in [
        ("10.0.0.0/8:443", "it brings the run to 16777216 addresses"),
        ("a:1\n9.0.0.0-11.0.0.0:443", "line 2: the range reaches from public addresses into private addresses"),
        ("10.0.0.0/24", "needs a port"),
        ("a:1 b\n127.0.0.1:1 x@y", "line 2: `x@y` is no name"),
        ("a:1\na:1 b c", "line 2: `c` is one word too many"),
        ("a:1 *.example.org", "line 1: `*.example.org` is no name to ask a server for"),
    ] {
        let ran = tree.fed(&["--list", "-"], list.as_bytes()).ends(2);
        assert!(ran.err.contains(why) && ran.err.contains("hint: ") && ran.out.is_empty(), "{list}: {}", ran.err);
    }
    let many: String = (0..10).map(|port| format!("127.0.0.1:{}\n", port + 1)).collect();
    let most = tree.fed(&["--list", "-", "--max", "9"], many.as_bytes()).ends(2);
    most.warns("127.0.0.1:10: it brings the run to 10 addresses, and 9");
    let json: Value = serde_json::from_str(&tree.scan(&["--format", "json", "10.0.0.0/8:443"]).ends(2).out).unwrap();
    assert!(json["error"]["message"].as_str().unwrap().contains("16777216"), "{json}");
}

#[test]
fn servers_are_asked_and_the_dead_cost_one_limit() {
    let tree = Tree::new();
    let closed = TcpListener::bind("127.0.0.91:0").unwrap().local_addr().unwrap();
    let silent: Vec<TcpListener> = (0..40).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut list = format!("{closed} # nobody\nno-such-name.invalid:443\n");
    for one in &silent {
        list.push_str(&format!("{}\n", one.local_addr().unwrap()));
    }
    let began = Instant::now();
    let (rows, last) = tree.fed(&["--format", "jsonl", "--timeout", "2", "--list", "-"], list.as_bytes()).lines();
    assert!(began.elapsed() < Duration::from_secs(20), "one after the other they take 80 seconds");
    assert_eq!(rows.len(), 42);
    assert!(rows.iter().all(|row| row["kind"] == "endpoint"));
    assert_eq!(rows.iter().filter(|row| row["served"][0]["showed"] == "failing").count(), 40);
    assert_eq!((&last["exit"], &last["summary"]["servers"]), (&3.into(), &42.into()));
}

#[test]
fn servers_are_begun_no_faster_than_asked() {
    let tree = Tree::new();
    let closed = TcpListener::bind("127.0.0.92:0").unwrap().local_addr().unwrap();
    let list = format!("{closed}\n").repeat(11);
    let began = Instant::now();
    let ran = tree.fed(&["--rate", "10", "--list", "-"], list.as_bytes()).ends(3);
    assert!(began.elapsed() >= Duration::from_secs(1), "ten intervals of a tenth of a second");
    assert_eq!(ran.rows().len(), 11, "{}", ran.out);
}

/// 100,000 files in 1,000 folders, and the most memory that the program had.
#[test]
#[ignore = "writes 100,000 files: cargo test --release --test scan -- --ignored --nocapture"]
fn memory_does_not_grow_with_the_tree() {
    let (tree, beside) = (Tree::new(), TempDir::new().unwrap());
    let out = beside.path().join("out.jsonl");
    let certificate = pair(90).certificate;
    let mut peaks = Vec::new();
    for (from, to) in [(0, 10_000), (10_000, 100_000)] {
        for number in from..to {
            tree.put(&format!("{:03}/{number}.pem", number % 1000), &certificate);
        }
        for folder in 0..50_000 / 10 * usize::from(to == 100_000) {
            fs::create_dir(tree.path(&format!("empty-{folder}"))).unwrap();
        }
        let mut command = tree.command(&["--format", "jsonl", "."]);
        let child = command.stdout(File::create(&out).unwrap()).spawn().unwrap();
        let pid = child.id();
        let mut peak = 0;
        let mut child = child;
        while child.try_wait().unwrap().is_none() {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = high.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
            peak = peak.max(kib.unwrap_or_default());
            std::thread::sleep(Duration::from_millis(5));
        }
        let lines = BufReader::new(File::open(&out).unwrap()).lines().count();
        assert_eq!(lines, to + 1);
        println!("{to} files: {peak} KiB");
        peaks.push(peak);
    }
    assert!(peaks.iter().all(|peak| *peak < 24 * 1024), "{peaks:?} KiB");
}

/// A PKCS#12 store of a pair, made by OpenSSL.
fn store(pair: &support::Pair, passphrase: &str) -> Vec<u8> {
    let mut openssl = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", &format!("pass:{passphrase}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(format!("{}{}", pair.key, pair.certificate).as_bytes()).unwrap();
    openssl.wait_with_output().unwrap().stdout
}

#[test]
fn a_passphrase_opens_every_store_that_it_fits() {
    let tree = Tree::new();
    let (one, two) = (self_signed(90), self_signed(90));
    tree.put("stores/one.p12", store(&one, "changeit"));
    tree.put("stores/two.p12", store(&two, "changeit"));
    tree.put("stores/other.p12", store(&two, "another"));
    tree.put("passphrase", "changeit\n");
    fs::set_permissions(tree.path("passphrase"), Permissions::from_mode(0o600)).unwrap();

    let (rows, _) = tree.lines(&["stores", "--passphrase-file", "passphrase"]);
    let [first, other, second] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((codes(first), codes(second)), (vec!["self-signed"], vec!["self-signed"]));
    assert!(other["problem"].as_str().unwrap().ends_with("PKCS#12: the passphrase does not open it"), "{other}");
    let (rows, _) = tree.lines(&["stores"]);
    assert!(rows.iter().all(|row| row["problem"].as_str().is_some_and(|why| why.contains("no passphrase was given"))));

    // A descriptor can be read once, and is good for all files.
    let check = "exec 3<passphrase; exec \"$0\" check stores/one.p12 stores/two.p12 --passphrase-fd 3";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", check, env!("CARGO_BIN_EXE_reseal")]).current_dir(tree.0.path()).stdin(Stdio::null());
    let ran = Ran::of(&shell.env("RESEAL_CONFIG", tree.path("none")).output().unwrap());
    assert_eq!(ran.out.matches("self-signed").count(), 2, "{}\n{}", ran.out, ran.err);

    fs::set_permissions(tree.path("passphrase"), Permissions::from_mode(0o644)).unwrap();
    tree.scan(&["stores", "--passphrase-file", "passphrase"]).ends(4).warns("others can read or change it");
}

/// Where few files can be open, a scan of many servers takes long: that is said, and once.
#[test]
fn a_low_limit_of_open_files_is_told() {
    let tree = Tree::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let scan = |most: u32| {
        let script = format!("ulimit -n {most}; exec \"$0\" scan --trust none 127.0.0.1-127.0.1.144:{free}");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_reseal")]).current_dir(tree.0.path());
        Ran::of(&command.output().unwrap())
    };
    let cores = std::thread::available_parallelism().unwrap().get();
    let most = u32::try_from(64 + 3 * cores + 2 * 10).unwrap();
    let told = scan(most);
    let words = "the limit of open files lets 10 servers be asked at a time, and not 400: `ulimit -n` raises it\n";
    assert_eq!(told.err, words, "{}", told.out);
    assert_eq!(scan(most + 2 * 400).err, "");
}
