//! What is wrong with a command line, a configuration or a file, and how that is told.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use reseal::cert::PrivateKey;
use reseal::cert::codec::pkcs8;
use reseal::sensitive::Sensitive;

use crate::bench::{Bench, Leaf};

#[test]
fn an_unknown_key_is_named_with_its_place_and_its_neighbour() {
    let bench = Bench::new();
    bench.configure("certificat = \"/x\"\n");
    let ran = bench.run(&["check"]).ends(2).warns("reseal.toml:10:1: ").warns("certificate");
    assert!(ran.out.is_empty());
    let answer = bench.json(&["check"]);
    let problem = &answer["error"]["problems"][0];
    assert_eq!((problem["line"].as_u64(), problem["column"].as_u64()), (Some(10), Some(1)), "{answer}");
    assert!(answer["results"].as_array().unwrap().is_empty());
    // What was interrupted is recovered all the same, and the end tells that something is wrong.
    bench.run(&["recover"]).ends(2).says("nothing was interrupted");
    let state = bench.path("state").display().to_string();
    bench.run(&["recover", "--state-dir", &state]).ends(0);
}

#[test]
fn a_configuration_that_others_can_write_is_not_roots() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let bench = Bench::new();
    for mode in [0o666, 0o646, 0o664] {
        fs::set_permissions(bench.path("reseal.toml"), Permissions::from_mode(mode)).unwrap();
        bench.run(&["check"]).ends(2).warns("others than root may write it").warns("chmod go-w");
    }
    fs::set_permissions(bench.path("reseal.toml"), Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::chown(bench.path("reseal.toml"), Some(12345), None).unwrap();
    bench.run(&["check"]).ends(2).warns("it belongs to user 12345");
    std::os::unix::fs::chown(bench.path("reseal.toml"), Some(0), None).unwrap();
    fs::set_permissions(bench.path(""), Permissions::from_mode(0o777)).unwrap();
    bench.run(&["check"]).ends(2).warns("may write there");
    // A copy of the file in a directory of its own is no way around: the name leads there.
    fs::set_permissions(bench.path(""), Permissions::from_mode(0o755)).unwrap();
    bench.run(&["check"]).ends(3);
}

#[test]
fn a_name_that_is_no_target_is_told_with_those_there_are() {
    let bench = Bench::new();
    let before = bench.tree();
    for line in [
        &["renew", "wbe"][..],
        &["restore", "wbe"],
        &["backups", "wbe"],
        &["status", "wbe"],
        &["adopt", "wbe"],
        &["recover", "wbe"],
        &["recover", "--accept", "wbe"],
        &["recover", "--accept", "wbe", "--dry-run"],
    ] {
        bench.run(line).ends(2).warns("`wbe`").warns("web");
    }
    bench.run(&["check", "wbe"]).ends(2);
    bench.run(&["chekc"]).ends(2).warns("check");
    assert_eq!(bench.tree(), before);
}

#[test]
fn an_encrypted_key_wants_its_passphrase() {
    let bench = Bench::new();
    let (certificate, key) = bench.bring("new", &Leaf::default());
    let key = KeyText::of(&fs::read_to_string(&key).unwrap()).encrypted("s3cret");
    let key = bench.write("sealed.key", &key, 0o600);
    let install = ["install", "web", "--cert", &certificate, "--key", &key];
    bench.run(&install).ends(4).warns("encrypted").warns("hint: ");
    let wrong = bench.write("wrong", "other\n", 0o600);
    bench.run(&[&install[..], &["--passphrase-file", &wrong]].concat()).ends(4).warns("passphrase");
    let right = bench.write("right", "s3cret\n", 0o600);
    let ran = bench.run(&[&install[..], &["--passphrase-file", &right, "-v"]].concat()).ends(0);
    assert!(!ran.out.contains("s3cret") && !ran.err.contains("s3cret"));
}

struct KeyText(PrivateKey);

impl KeyText {
    fn of(pem: &str) -> Self {
        let der = pem::parse(pem).unwrap().into_contents();
        Self(PrivateKey::from_der(&der).unwrap())
    }

    fn encrypted(&self, passphrase: &str) -> String {
        let sealed = pkcs8::encrypt(&self.0, &Sensitive::from(passphrase.to_owned())).unwrap();
        String::from_utf8(sealed.expose().to_vec()).unwrap()
    }
}

#[test]
fn odd_files_are_refused_at_once() {
    let bench = Bench::new();
    bench.write("empty", "", 0o644);
    fs::create_dir(bench.path("directory")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bench.path("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    File::create(bench.path("sparse")).unwrap().set_len(1 << 30).unwrap();
    for name in ["empty", "directory", "fifo", "sparse", "none", "/dev/zero"] {
        let path = if name.starts_with('/') { name.to_owned() } else { format!("./{name}") };
        let began = Instant::now();
        bench.run(&["install", "web", "--from", &path]).ends(4).warns("hint: ");
        let checked = bench.run(&["check", &path]);
        assert!(matches!(checked.code, Some(3 | 4)), "{name}: {}", checked.out);
        // No text at all is a configuration, of nothing.
        bench.run(&["--config", &path, "check"]).ends(if name == "empty" { 0 } else { 2 });
        assert!(began.elapsed() < Duration::from_secs(3), "{name} takes {:?}", began.elapsed());
    }
}

/// A wrong word is 2; records that cannot be read are no wrong word.
#[test]
fn a_state_directory_that_is_open_to_others_is_a_refusal_for_every_verb() {
    let bench = Bench::new();
    bench.installed("good");
    fs::set_permissions(bench.path("state"), Permissions::from_mode(0o755)).unwrap();
    for line in [
        &["backups"][..],
        &["backups", "verify", "web"],
        &["restore", "web"],
        &["prune", "web"],
        &["renew"],
        &["recover", "web"],
    ] {
        bench.run(line).ends(4).warns("open to others");
    }
}
