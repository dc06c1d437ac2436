//! A program that carries requests to a CA elsewhere: the worked example in `fixtures`, and some that go wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bench::{Bench, Leaf};

/// With this program, and its folder as argument, as the source of the target.
fn sourced(bench: &Bench, program: &Path, more: &str) {
    let (program, folder) = (program.display(), bench.path("ca").display().to_string());
    bench.configure(&format!(
        "[target.source]\nkind = \"command\"\ncommand = {{ argv = [\"{program}\", \"{folder}\"], timeout = 20 }}\n{more}"
    ));
}

/// A program of this shell text.
fn script(bench: &Bench, text: &str) {
    let path = bench.path("carrier");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    sourced(bench, &path, "");
}

pub fn example(bench: &Bench) -> bool {
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    if python.is_err() {
        println!("skipped: no python3");
        return false;
    }
    fs::create_dir(bench.path("ca")).unwrap();
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Office -days 900 -keyout ca/ca.key -out ca/ca.pem";
    let made =
        Command::new("openssl").args(words.split(' ')).current_dir(bench.path(".")).stderr(Stdio::null()).status();
    assert!(made.unwrap().success());
    let copy = bench.path("openssl-ca");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/command/openssl-ca"), &copy).unwrap();
    sourced(bench, &copy, "key_type = \"p384\"\nsubject = { O = \"Example\" }\n");
    true
}

pub fn waiting(bench: &Bench) -> usize {
    fs::read_dir(bench.path("state/requests/web")).map_or(0, Iterator::count)
}

#[test]
fn the_worked_example_renews() {
    let bench = Bench::new();
    if !example(&bench) {
        return;
    }
    let before = bench.tree();
    bench.run(&["renew", "--dry-run"]).ends(0).says("brought by /").says("would be changed");
    assert_eq!(bench.tree(), before);
    bench.run(&["renew"]).ends(0).says("renewed www.example.org").says("P-384");
    let issued = fs::read_to_string(bench.path("web.pem")).unwrap();
    // The root at the end was left out.
    assert_eq!(issued.matches("BEGIN CERTIFICATE").count(), 1);
    assert_eq!(waiting(&bench), 0, "answered");
    bench.run(&["renew"]).ends(0).says("good");
    assert_eq!(bench.served(), issued);
    bench.run(&["check", "web"]).says("good");
}

/// Not even a program that could open it by its number gets what the passphrase is read from.
#[test]
fn no_program_inherits_the_descriptors_of_whoever_called() {
    let bench = Bench::new();
    bench.write("pass", "the passphrase of the test\n", 0o600);
    let seen = bench.path("seen").display().to_string();
    script(&bench, &format!("ls -l /proc/$$/fd | sed 's/.* \\([0-9]*\\) -> .*/\\1/' >{seen}; exit 1"));
    let words =
        format!("exec 9<pass 8<pass; exec {} --passphrase-fd 9 --non-interactive renew", env!("CARGO_BIN_EXE_reseal"));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &words]).current_dir(bench.path(".")).env_clear().env("PATH", "/usr/bin:/bin");
    command.env("RESEAL_CONFIG", bench.path("reseal.toml"));
    assert_ne!(command.output().unwrap().status.code(), Some(0));
    let seen = fs::read_to_string(seen).unwrap();
    let numbers: Vec<u32> = seen.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers.contains(&0) && numbers.iter().all(|number| !matches!(number, 8 | 9)), "{seen}");
}

#[test]
fn a_ca_that_takes_its_time_is_asked_again_with_the_same_request() {
    let bench = Bench::new();
    if !example(&bench) {
        return;
    }
    bench.write("ca/closed", "", 0o644);
    bench.run(&["renew"]).ends(7).says("the CA opens again on Monday");
    let request = bench.path("state/requests/web/1/request.pem");
    let first = fs::read(&request).unwrap();
    bench.run(&["status"]).ends(7).says("request 1 (P-384) waits");
    bench.run(&["renew"]).ends(7);
    assert_eq!((fs::read(&request).unwrap(), waiting(&bench)), (first, 1));
    fs::remove_file(bench.path("ca/closed")).unwrap();
    bench.run(&["renew"]).ends(0).says("renewed www.example.org");
    assert_eq!(waiting(&bench), 0);
}

#[test]
fn what_goes_wrong_is_told_and_changes_nothing() {
    let bench = Bench::new();
    let (other, _) = Leaf::default().make();
    bench.write("other.pem", &other, 0o644);
    let before = bench.served();
    for (text, told) in [
        ("echo out of order >&2; exit 3", "exited with 3: out of order"),
        ("exit 0", "the input is empty"),
        ("echo hello", "cannot read the answer of /"),
        ("cat \"${0%/*}/other.pem\"", "is for no key that waits for web"),
        ("head -c 3000000 /dev/zero", "it said more than 1048576 bytes"),
        ("sleep 60", "killed after"),
        ("printf '\\033[31mred\\n' >&2; exit 1", "[31mred"),
        ("cat >/dev/null; kill -9 $$", "ended by SIGKILL"),
    ] {
        script(&bench, text);
        if text == "sleep 60" {
            let path = bench.path("reseal.toml");
            let quick = fs::read_to_string(&path).unwrap().replace("timeout = 20", "timeout = 1");
            fs::write(path, quick).unwrap();
        }
        let ran = bench.run(&["renew"]).ends(4);
        let err = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(err.contains(told), "{text}: {}", ran.err);
        assert!(!ran.err.contains('\u{1b}'), "{:?}", ran.err);
        assert_eq!(bench.served(), before);
        assert_eq!(waiting(&bench), 1, "{text}: asked with the same request each time");
    }
    bench.configure("[target.source]\nkind = \"command\"\n");
    bench.run(&["renew"]).ends(2).warns("has no `command`");
    sourced(&bench, Path::new("/none/there"), "");
    bench.run(&["renew"]).ends(4).warns("/none/there");
}

/// What no CA says: a certificate that is its own issuer, or is a CA itself.
#[test]
fn an_answer_that_is_self_signed_or_a_ca_is_not_installed() {
    let bench = Bench::new();
    let before = bench.served();
    let sign = |options: &str| {
        format!(
            "d=${{0%/*}}; cat >/dev/null; cd \"$d\"
             printf 'subjectAltName=DNS:www.example.org\\n%s' 'basicConstraints=critical,CA:TRUE' >ca.ext
             openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Office -keyout ca.key -out ca.pem 2>/dev/null
             exec openssl x509 -req -in state/requests/web/1/request.pem -days 90 {options} 2>/dev/null"
        )
    };
    for (options, told) in [
        ("-signkey state/requests/web/1/key.pem", "is self-signed"),
        ("-CA ca.pem -CAkey ca.key -CAcreateserial -extfile ca.ext", "is a CA's own certificate"),
    ] {
        script(&bench, &sign(options));
        bench.run(&["renew"]).ends(4).warns(told);
        assert_eq!(bench.served(), before);
        assert_eq!(waiting(&bench), 1);
    }
}

#[test]
fn the_command_sees_the_request_and_no_secret() {
    let bench = Bench::new();
    script(
        &bench,
        "cat >\"${0%/*}/seen\"; env >>\"${0%/*}/seen\"; tr '\\0' ' ' </proc/$$/cmdline >>\"${0%/*}/seen\"; exit 75",
    );
    bench.run(&["renew"]).ends(7);
    let seen = fs::read_to_string(bench.path("seen")).unwrap();
    assert!(seen.starts_with("{\"version\":1,\"target\":\"web\",\"names\":[\"www.example.org\"],\"key\":\"P-256\",\"csr\":\"-----BEGIN CERTIFICATE REQUEST-----"), "{seen}");
    assert!(seen.contains("\"in_place\":{\"fingerprint\":\""), "{seen}");
    assert!(!seen.contains("PRIVATE KEY") && !seen.contains("RESEAL_CONFIG"), "{seen}");
}
