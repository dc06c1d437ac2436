//! What to do next is what really mends it, and what is wrong with reseal's own records is not passed over.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use time::format_description::well_known::Rfc3339;

use crate::bench::{Bench, Leaf};

fn other_good(bench: &Bench) {
    let (certificate, key) = Leaf { common_name: "another", ..Leaf::default() }.make();
    bench.write("web.pem", &certificate, 0o644);
    bench.write("web.key", &key, 0o600);
}

fn remedy(value: &Value, code: &str) -> String {
    let findings = value["results"][0]["findings"].as_array().unwrap();
    let found = findings.iter().find(|one| one["code"] == code).unwrap_or_else(|| panic!("no {code}: {value}"));
    found["remedy"].as_str().unwrap().to_owned()
}

/// Where another good pair was put in place, nobody puts the committed one back unasked: somebody decides.
#[test]
fn another_good_pair_is_signed_off_or_taken_back() {
    let bench = Bench::new();
    bench.installed("good");
    other_good(&bench);
    let before = bench.served();
    let told = remedy(&bench.json(&["check", "web"]), "regression");
    assert!(
        told.contains("snapshot web` makes what is there the wanted state") && !told.contains("post-upgrade"),
        "{told}"
    );
    bench.run(&["renew", "web"]).ends(0).says("snapshot web` makes it the wanted state").says("restore web` takes");
    assert_eq!(bench.served(), before);
    // Both do what they say.
    bench.run(&["snapshot", "web"]).ends(0);
    assert!(!bench.run(&["check", "web"]).ends(0).out.contains("regression"));
    bench.run(&["restore", "web", "2"]).ends(0);
    assert_ne!(bench.served(), before);

    // Something bad goes back by itself.
    let (certificate, key) = Leaf { self_signed: true, ..Leaf::default() }.make();
    bench.write("web.pem", &certificate, 0o644);
    bench.write("web.key", &key, 0o600);
    assert!(remedy(&bench.json(&["check", "web"]), "regression").contains("post-upgrade web` or"));
}

/// The committed pair in files of another name is no other certificate.
#[test]
fn the_same_pair_in_other_files_is_signed_off() {
    let bench = Bench::new();
    bench.installed("good");
    fs::rename(bench.path("web.pem"), bench.path("moved.pem")).unwrap();
    let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    bench.write("reseal.toml", &text.replace("/web.pem", "/moved.pem"), 0o644);
    assert!(remedy(&bench.json(&["check", "web"]), "regression").contains("snapshot web` makes"));
    bench.run(&["renew", "web"]).says("the committed certificate stands in other files").says("snapshot web`");
    bench.run(&["snapshot", "web"]).ends(0);
    bench.run(&["check", "web"]).ends(0);
}

/// A program that reads the advice, and a person who reads what a monitoring system shows, run it with the same configuration.
#[test]
fn advice_for_programs_names_the_configuration() {
    let bench = Bench::new();
    let config = bench.path("reseal.toml").display().to_string();
    let called = format!("`reseal --config {config} install web --cert FILE --key FILE`");
    let value = bench.json(&["--config", &config, "check", "web"]);
    assert!(remedy(&value, "self-signed").contains(&called), "{value}");
    for format in ["nagios", "jsonl"] {
        let ran = bench.run(&["--config", &config, "--format", format, "check", "web"]);
        assert!(ran.out.contains(&called), "{format}: {}", ran.out);
    }
    let refused = bench.run(&["--config", &config, "--format", "json", "activate", "web"]);
    assert!(
        refused.out.contains(&format!("`reseal --config {config} stage web --cert FILE --key FILE`")),
        "{}",
        refused.out
    );
    assert!(remedy(&bench.json(&["check", "web"]), "self-signed").contains("`reseal "));
}

/// What clients refuse is replaced by the next run, whatever day it ends.
#[test]
fn what_is_staged_over_a_self_signed_one_waits_for_no_date() {
    let bench = Bench::new();
    let (certificate, key) = bench.bring("next", &Leaf::default());
    bench.run(&["stage", "web", "--cert", &certificate, "--key", &key]).ends(0).says("next run of `reseal");
    let status = bench.json(&["status"]);
    assert_eq!(status["results"][0]["next"]["when"], "with the next run of `reseal maintain`", "{status}");
    bench.run(&["maintain"]).ends(0);
    assert_eq!(bench.served(), fs::read_to_string(certificate).unwrap());
    // Over a good one it waits until that is due.
    let (certificate, key) = bench.bring("later", &Leaf { days: 100, ..Leaf::default() });
    bench.run(&["stage", "web", "--cert", &certificate, "--key", &key]).ends(0).says("when the one in place is due");
}

/// A source that is named ends the search: what another one has is not asked for.
#[test]
fn a_passphrase_that_is_named_is_mended_where_it_is() {
    let bench = Bench::new();
    bench.write("right", "correct horse", 0o600);
    let wrong = bench.write("wrong", "another", 0o600);
    bench.configure(&format!("[ca.office]\npassphrase_file = {wrong:?}\n"));
    bench.run(&["--passphrase-file", "right", "ca", "init", "office", "--permit", "example.org"]).ends(0);
    let ran = bench.run(&["secret", "status"]).ends(3);
    assert!(ran.out.contains(&format!("put the right passphrase into {wrong}")), "{}", ran.out);
    assert!(!ran.out.contains("secret set"), "{}", ran.out);
    let next = bench.json(&["secret", "status"])["results"][0]["next"].as_str().unwrap().to_owned();
    assert!(next.contains(&wrong), "{next}");
    bench.configure("");
    bench.run(&["secret", "status"]).ends(3).says("secret set ca-office`");
}

#[test]
fn a_state_directory_that_is_open_to_others_is_found() {
    let bench = Bench::new();
    bench.installed("good");
    bench.run(&["check"]).ends(0);
    let state = bench.path("state");
    let open = |mode| fs::set_permissions(&state, Permissions::from_mode(mode)).unwrap();
    open(0o755);
    bench.run(&["check"]).ends(3).says("state-exposed").says("mode 0755");
    assert!(remedy(&bench.json(&["check", "web"]), "state-exposed").contains("chmod 0700"));
    let ran = bench.run(&["check", "--format", "nagios"]).ends(2);
    assert!(ran.out.contains("state-exposed"), "{}", ran.out);
    open(0o700);
    bench.run(&["check"]).ends(0);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&state, Some(65534), None).unwrap();
        bench.run(&["check"]).ends(3).says("state-exposed").says("user 65534");
    }
}

#[test]
fn a_snapshot_tells_of_records_that_are_torn() {
    let bench = Bench::new();
    bench.installed("good");
    let clean = bench.run(&["snapshot"]).ends(0);
    assert!(!clean.out.contains("torn"), "{}", clean.out);
    let ledger = bench.path("state/ledger");
    let whole = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, whole.replacen("\"web\"", "\"wed\"", 1)).unwrap();
    bench
        .run(&["snapshot"])
        .ends(0)
        .says("line 1 of the record of what was done was torn or altered")
        .says("history verify");
    fs::write(&ledger, whole).unwrap();
    let record = bench.path("state/snapshot/web");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, &text[..text.len() / 2]).unwrap();
    bench.run(&["snapshot"]).ends(0).says("line 1 of the record of its snapshots was torn or altered");
    bench.run(&["snapshot"]).ends(0);
}

#[test]
fn a_lone_certificate_has_no_key_to_match() {
    let bench = Bench::new();
    let (certificate, _) = bench.bring("alone", &Leaf::default());
    let cell = |subject: &str| {
        let out = bench.run(&["check", subject, "--format", "csv"]).out;
        let lines: Vec<Vec<String>> = out.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
        let at = lines[0].iter().position(|name| name == "key_matches").unwrap();
        assert_eq!(lines[0].len(), lines[1].len(), "{out}");
        lines[1][at].clone()
    };
    assert_eq!(cell(&certificate), "");
    assert_eq!(cell("web"), "true");
    bench.bring("web", &Leaf::default());
    assert_eq!(cell("web"), "true");
    fs::copy(bench.path("alone.pem"), bench.path("web.pem")).unwrap();
    assert_eq!(cell("web"), "false");
    fs::remove_file(bench.path("web.key")).unwrap();
    assert_eq!(cell("web"), "false");
}

/// The address was typed wrong: nobody was asked, and nobody refused.
#[test]
fn an_address_that_is_none_is_a_wrong_word() {
    let bench = Bench::new();
    for address in ["ftp://x", "http://ca.example/directory", "ca.example"] {
        bench.run(&["acme", "account", "create", "x", "--directory", address]).ends(2).warns("https");
    }
    assert!(!bench.path("state").exists());
}

/// What cannot be ended by `recover` is told as that, with what ends it.
#[test]
fn what_is_stuck_is_told_with_the_way_out() {
    let bench = Bench::new();
    bench.configure("reload = [\"/bin/sh\", \"-c\", \"kill -9 $PPID\"]\n");
    let (certificate, key) = bench.bring("new", &Leaf::default());
    let killed = bench.run(&["install", "web", "--cert", &certificate, "--key", &key]);
    assert_eq!(killed.code, None, "{}", killed.err);
    bench.configure("");
    bench.run(&["status"]).says("interrupted").says("a transaction was interrupted: `");
    bench.write("web.pem", &Leaf::default().make().0, 0o644);
    let told = bench.run(&["status"]).says("stuck: web: ").says("web.pem: somebody else changed it");
    let told = told.says(" recover --accept web` keeps what is there now").says(" restore web 1`");
    assert!(!told.out.contains("interrupted"), "{}", told.out);
    let why = bench.json(&["status"])["results"][0]["stuck"].as_str().unwrap().to_owned();
    assert!(why.contains("recover --accept web`"), "{why}");
    let checked = bench.json(&["check", "web"]);
    assert!(remedy(&checked, "interrupted").contains("recover --accept web`"), "{checked}");
    bench.run(&["check", "web"]).ends(3).says("stuck: ").says(" recover --accept web`");
    bench.run(&["recover", "--dry-run"]).says("it would end stuck: ").says(" recover --accept web`");
    bench.run(&["recover"]).ends(6).warns("somebody else changed it");
    bench.run(&["recover", "--accept", "web"]).ends(0);
    bench.run(&["status"]).says("web");
    assert!(bench.json(&["status"])["results"][0]["stuck"].is_null());

    bench.write("state/journal/web", "not a journal\nat all\n", 0o600);
    bench.run(&["status"]).says("stuck: web: ").says(" recover --accept web`");
}

/// Each would undo the other's work, so neither is changed: that is told before the day on which one ends.
#[test]
fn two_targets_that_name_one_file_are_told_long_before_it_matters() {
    let bench = Bench::new();
    bench.installed("good");
    std::os::unix::fs::symlink(bench.path("web.pem"), bench.path("other.pem")).unwrap();
    let root = bench.path("").display().to_string();
    let second = format!(
        "[[target]]\nname = \"second\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{root}other.pem\"\n\
         key = \"{root}other.key\"\n"
    );
    bench.configure(&second);
    for name in ["web", "second"] {
        let told = bench.run(&["check", name]).ends(3).says("shared-file: the targets ");
        told.says("are one and the same file").says("leave the file to one of the two");
    }
    bench.run(&["status", "web"]).ends(3).says("shared-file");
    bench.configure(&second.replace("other.pem", "second.pem"));
    bench.run(&["check", "web"]).ends(0);
}

/// `--force` overrides refusals; who wants another certificate all the same is told how to get one, by the target's source.
#[test]
fn insisting_on_a_renewal_of_what_is_good_tells_what_replaces_it() {
    let bench = Bench::new();
    bench.installed("good");
    let before = bench.served();
    let told = bench.run(&["renew", "--force"]).ends(0).says("good for now").says("`--force` overrides a refusal");
    told.says(" install web --cert FILE --key FILE` puts another in place");
    assert!(!bench.run(&["renew"]).ends(0).out.contains("--force"));
    bench.configure("[target.source]\nkind = \"csr\"\n");
    bench.run(&["renew", "web", "--force"]).ends(0).says(" csr web` makes a request");
    let (certificate, key) = bench.bring("next", &Leaf::default());
    let at = (time::OffsetDateTime::now_utc() + time::Duration::days(2)).format(&Rfc3339).unwrap();
    let at = ["--cert", &certificate, "--key", &key, "--at", &at];
    bench.run(&[&["stage", "web"][..], &at].concat()).ends(0);
    bench.run(&["renew", "web", "--force"]).ends(0).says("another is staged, and `").says(" activate web` puts it");
    assert_eq!(bench.served(), before);
}

/// What is needed on the day of a change alone is told before: a folder of hooks that is misspelt, a program, a file of the source.
#[test]
fn a_path_that_leads_nowhere_is_told_before_it_is_needed() {
    let bench = Bench::new();
    bench.installed("good");
    let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    let root = bench.path("").display().to_string();
    let hooks = |name: &str| format!("[hooks]\ncertbot_deploy = \"{root}{name}\"\n{text}");
    fs::create_dir(bench.path("deploy")).unwrap();
    bench.write("reseal.toml", &hooks("deploy"), 0o644);
    bench.run(&["check", "web"]).ends(0);
    bench.write("reseal.toml", &hooks("deploi"), 0o644);
    bench
        .run(&["check", "web"])
        .ends(3)
        .says("path-missing: `certbot_deploy` names ")
        .says("deploi, which is not there");
    bench.run(&["status"]).ends(3).says("path-missing");
    bench.write("reseal.toml", &hooks("deploy").replace("certbot_deploy", "certbot_deplou"), 0o644);
    bench.run(&["check", "web"]).ends(2).warns("did you mean `certbot_deploy`?");

    let source = format!(
        "reload = [\"/usr/bin/systemctll\", \"reload\", \"x\"]\n[target.source]\nkind = \"import\"\nfrom = [\"{root}new.pem\"]\n"
    );
    bench.configure(&source);
    let told = bench.run(&["check", "web"]).ends(3).says("`reload` names /usr/bin/systemctll, which is not there");
    assert!(!told.says("source-missing").out.contains("`from` names"), "told once");
}
