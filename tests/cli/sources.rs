//! What a source gives, and what is asked of it before it is put in the place of something good.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair};
use time::{Duration, OffsetDateTime};

use crate::bench::{Bench, Leaf};
use crate::ran::Ran;

/// A user who is nobody here.
const STRANGER: u32 = 65_534;

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

fn openssl(bench: &Bench, words: &str) {
    let mut command = Command::new("openssl");
    let ended = command.args(words.split(' ')).current_dir(bench.path(".")).stderr(Stdio::null()).status();
    assert!(ended.unwrap().success(), "{words}");
}

/// All that was said, in one line.
fn said(ran: &Ran) -> String {
    format!("{} {}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn told(ran: &Ran, text: &str) {
    assert!(said(ran).contains(text), "no {text:?} in {}", said(ran));
}

/// Two CAs, of which clients know the first, and what it has signed in place; a program signs as it is told to.
fn carried(days_left: u32) -> Bench {
    let bench = Bench::new();
    for name in ["office", "other"] {
        openssl(
            &bench,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -days 900 -keyout {name}.key -out {name}.pem"
            ),
        );
    }
    bench.write("place.ext", "subjectAltName=DNS:www.example.org,DNS:alt.example.org\n", 0o644);
    openssl(
        &bench,
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=www.example.org -keyout web.key -out web.csr",
    );
    bench.write("web.pem", &long_in_use(&bench, days_left), 0o644);
    let program = bench.path("carrier").display().to_string();
    bench.configure(&format!(
        "[target.source]\nkind = \"command\"\ncommand = {{ argv = [\"{program}\"], timeout = 20 }}\n[target.policy]\ntrust = [\"office\"]\nrenew_before = 3650\n\
         [trust.office]\nfile = \"{}\"\n",
        bench.path("office.pem").display()
    ));
    bench
}

/// What the office signed for the key in place long ago, so that it is due: openssl knows no beginning but now.
fn long_in_use(bench: &Bench, days_left: u32) -> String {
    let key = |name: &str| KeyPair::from_pem(&fs::read_to_string(bench.path(name)).unwrap()).unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.distinguished_name = DistinguishedName::new();
    ca.distinguished_name.push(DnType::CommonName, "office");
    let mut leaf = CertificateParams::new(vec!["www.example.org".to_owned(), "alt.example.org".to_owned()]).unwrap();
    leaf.distinguished_name = DistinguishedName::new();
    leaf.distinguished_name.push(DnType::CommonName, "www.example.org");
    leaf.not_before = OffsetDateTime::now_utc() - Duration::days(300);
    leaf.not_after = OffsetDateTime::now_utc() + Duration::days(days_left.into());
    leaf.signed_by(&key("web.key"), &Issuer::new(ca, key("office.key"))).unwrap().pem()
}

/// From now on the program signs with this CA, for so many days, with these extensions besides the names.
fn signs(bench: &Bench, ca: &str, days: u32, more: &str) {
    let root = bench.path(".").display().to_string();
    let text = format!(
        "#!/bin/sh\ncat >/dev/null; cd {root}\nprintf 'subjectAltName=DNS:www.example.org\\n{more}\\n' >answer.ext\n\
         exec openssl x509 -req -in state/requests/web/[0-9]*/request.pem -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -extfile answer.ext -days {days} 2>/dev/null\n"
    );
    bench.write("carrier", &text, 0o755);
}

#[test]
fn an_answer_that_no_client_takes_is_not_installed() {
    let bench = carried(10);
    let before = bench.served();
    for (ca, days, more, why) in [
        ("office", 90, "1.3.6.1.4.1.11129.2.4.3=critical,ASN1:NULL", "critical"),
        ("office", 90, "keyUsage=critical,keyCertSign", "its key usage does not include digitalSignature"),
        ("other", 90, "", "office trusts that one, and not this"),
        ("office", 5, "", "it ends"),
    ] {
        signs(&bench, ca, days, more);
        let ran = bench.run(&["renew"]).ends(4);
        told(&ran, why);
        told(&ran, "--force");
        assert_eq!(bench.served(), before, "{why}");
    }
    signs(&bench, "other", 90, "");
    bench.run(&["renew", "--force"]).ends(0).says("renewed");
    assert_ne!(bench.served(), before);
}

/// The same where a person brings it.
#[test]
fn what_is_brought_is_judged_as_it_will_be() {
    let bench = carried(200);
    let before = bench.served();
    bench.write(
        "poison.ext",
        "subjectAltName=DNS:www.example.org,DNS:alt.example.org\n1.2.3.4=critical,ASN1:NULL\n",
        0o644,
    );
    for (ca, ext, file) in [("office", "poison.ext", "poison.pem"), ("other", "place.ext", "strange.pem")] {
        openssl(
            &bench,
            &format!(
                "x509 -req -in web.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -extfile {ext} -days 300 -out {file}"
            ),
        );
    }
    let install = |file: &str, more: &[&str]| {
        let path = bench.path(file).display().to_string();
        bench.run(&[&["install", "web", "--cert", &path, "--keep-key"], more].concat())
    };
    told(&install("poison.pem", &[]).ends(4), "critical");
    let refused = install("strange.pem", &[]).ends(4);
    told(&refused, "office trusts that one, and not this");
    told(&refused, "--downgrade");
    assert_eq!(bench.served(), before);
    install("poison.pem", &["--force"]).ends(0);
    install("strange.pem", &["--downgrade"]).ends(0);
}

#[test]
fn names_that_the_configuration_leaves_out_are_told() {
    let bench = carried(10);
    signs(&bench, "office", 90, "");
    let note = "it is no longer for alt.example.org, which the configuration does not name";
    told(&bench.run(&["renew", "--dry-run"]).ends(0), note);
    told(&bench.run(&["renew"]).ends(0), note);
    assert!(!said(&bench.run(&["renew", "--live"]).ends(0)).contains("no longer"));

    let bench = carried(10);
    signs(&bench, "office", 90, "");
    told(&bench.run(&["stage", "web"]).ends(0), note);
}

/// Whoever owns the directory of a source decides which file is read, and must not thereby come to read what is not theirs.
#[test]
fn a_link_of_somebody_else_leads_to_no_key_of_roots() {
    if !is_root() {
        return;
    }
    let bench = Bench::new();
    let before = bench.served();
    let (_, key) = bench.bring("secret", &Leaf { days: 200, ..Leaf::default() });
    fs::create_dir(bench.path("drop")).unwrap();
    fs::set_permissions(bench.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    let (dir, link) = (bench.path("drop"), bench.path("drop/privkey.pem"));
    fs::copy(bench.path("secret.pem"), bench.path("drop/fullchain.pem")).unwrap();
    symlink(&key, &link).unwrap();
    chown(bench.path("drop/fullchain.pem"), Some(STRANGER), Some(STRANGER)).unwrap();
    chown(&dir, Some(STRANGER), Some(STRANGER)).unwrap();
    lchown(&link, Some(STRANGER), Some(STRANGER)).unwrap();
    let from = |names: [&Path; 2]| {
        let names = names.map(|name| format!("\"{}\"", name.display()));
        bench.configure(&format!("[target.source]\nkind = \"import\"\nfrom = [{}]\n", names.join(", ")));
    };
    from([&dir.join("fullchain.pem"), &link]);
    let refused = bench.run(&["renew"]).ends(4);
    told(&refused, "of user 65534: it leads to");
    assert_eq!(bench.served(), before);
    told(&bench.run(&["check", "web"]), "source-missing");

    // Hard links, and whatever else lies there and is not theirs.
    fs::remove_file(&link).unwrap();
    fs::hard_link(&key, &link).unwrap();
    told(&bench.run(&["renew"]).ends(4), "user 65534 decides which file that is");
    assert_eq!(bench.served(), before);

    // What is theirs is what they bring.
    fs::remove_file(&link).unwrap();
    fs::copy(&key, &link).unwrap();
    fs::set_permissions(&link, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&link, Some(STRANGER), Some(STRANGER)).unwrap();
    bench.run(&["renew"]).ends(0).says("renewed");

    // Links of root's, as certbot makes them.
    let bench = Bench::new();
    let (certificate, key) = bench.bring("archive", &Leaf::default());
    fs::create_dir(bench.path("live")).unwrap();
    symlink(certificate, bench.path("live/fullchain.pem")).unwrap();
    symlink(key, bench.path("live/privkey.pem")).unwrap();
    let from = ["fullchain.pem", "privkey.pem"].map(|name| format!("\"{}\"", bench.path("live").join(name).display()));
    bench.configure(&format!("[target.source]\nkind = \"import\"\nfrom = [{}]\n", from.join(", ")));
    bench.run(&["renew"]).ends(0).says("renewed");
}

#[test]
fn a_newer_certificate_in_a_locked_store_is_seen() {
    let bench = Bench::new();
    let store = |days: i64| {
        bench.bring("new", &Leaf { days, ..Leaf::default() });
        openssl(&bench, "pkcs12 -export -in new.pem -inkey new.key -out store.p12 -passout pass:secret");
        fs::read_to_string(bench.path("new.pem")).unwrap()
    };
    bench.write("pass", "secret\n", 0o600);
    let (p12, pass) = (bench.path("store.p12").display().to_string(), bench.path("pass").display().to_string());
    bench.configure(&format!("[target.source]\nkind = \"import\"\nfrom = [\"{p12}\"]\npassphrase_file = \"{pass}\"\n"));
    let first = store(90);
    bench.run(&["renew"]).ends(0);
    assert_eq!(bench.served(), first);
    bench.run(&["renew"]).ends(0);
    bench.run(&["check", "web"]).ends(0);
    let second = store(200);
    bench.run(&["renew"]).ends(0).says("newer");
    assert_eq!(bench.served(), second);

    bench.write("pass", "wrong\n", 0o600);
    store(300);
    told(&bench.run(&["renew"]).ends(0), "whether the source holds a newer certificate is not known");
    told(&bench.run(&["check", "web"]).ends(3), "source-missing");
    told(&bench.run(&["status"]).ends(3), "source-missing");
    assert_eq!(bench.served(), second);
}

/// What would be refused anyhow is refused before a CA has put it into its record.
#[test]
fn nothing_is_issued_for_a_change_that_cannot_be_made() {
    let bench = Bench::new();
    let secret = bench.write("pp", "correct horse\n", 0o600);
    bench.run(&["ca", "init", "office", "--permit", "example.org", "--passphrase-file", &secret]).ends(0);
    bench.configure("reload = [\"/nonexistent/reload\"]\n[target.source]\nkind = \"local-ca\"\nca = \"office\"\n");
    let issued = || bench.json(&["ca", "show", "office"])["results"][0]["issued"].clone();
    let before = issued();
    told(&bench.run(&["renew", "--dry-run"]).ends(4), "/nonexistent/reload");
    told(&bench.run(&["renew", "--passphrase-file", &secret]).ends(4), "/nonexistent/reload");
    told(&bench.run(&["stage", "web", "--passphrase-file", &secret]).ends(4), "/nonexistent/reload");
    assert_eq!(issued(), before);
    told(&bench.run(&["history"]).ends(0), "/nonexistent/reload");
    let (certificate, key) = bench.bring("new", &Leaf::default());
    let install = ["install", "web", "--cert", &certificate, "--key", &key, "--dry-run"];
    told(&bench.run(&install).ends(4), "/nonexistent/reload");

    // Nor for a service that could not read the new key.
    if is_root() && Path::new("/usr/bin/id").exists() {
        bench.configure("service_user = \"nobody\"\n[target.source]\nkind = \"local-ca\"\nca = \"office\"\n");
        fs::set_permissions(bench.path("web.key"), fs::Permissions::from_mode(0o644)).unwrap();
        for line in [&["renew", "--dry-run"][..], &["renew", "--passphrase-file", &secret]] {
            told(&bench.run(line).ends(4), "would be closed to nobody");
        }
        assert_eq!(issued(), before);
    }
}

/// A certificate whose whole life is shorter than the days of the policy is good for a while all the same: each run would get another.
#[test]
fn what_lives_shorter_than_it_is_to_be_renewed_before_is_not_renewed_in_each_run() {
    let bench = Bench::new();
    let secret = bench.write("pp", "correct horse\n", 0o600);
    bench.run(&["ca", "init", "office", "--permit", "example.org", "--passphrase-file", &secret]).ends(0);
    bench.configure(&format!(
        "[target.source]\nkind = \"local-ca\"\nca = \"office\"\ndays = 30\n[target.policy]\nrenew_before = 30\n\
         [ca.office]\npassphrase_file = {secret:?}\n"
    ));
    bench.run(&["renew"]).ends(0).says("renewed");
    let first = bench.served();
    for verb in ["renew", "maintain"] {
        bench.run(&[verb, "web"]).ends(0);
        assert_eq!(bench.served(), first, "{verb}");
    }
    bench.run(&["check", "web"]).ends(0);
}

/// The file of a passphrase that the configuration names needs no person, so a dry run finds out whether it opens the key.
#[test]
fn a_dry_run_tries_the_file_of_a_passphrase() {
    let bench = Bench::new();
    let secret = bench.write("pp", "correct horse\n", 0o600);
    bench.run(&["ca", "init", "office", "--permit", "example.org", "--passphrase-file", &secret]).ends(0);
    let names = |file: &str| {
        let file = bench.path(file);
        bench.configure(&format!(
            "[target.source]\nkind = \"local-ca\"\nca = \"office\"\n[ca.office]\npassphrase_file = {file:?}\n"
        ));
    };
    bench.write("wrong", "battery staple\n", 0o600);
    for (file, why) in [("gone", "gone"), ("wrong", "the passphrase")] {
        names(file);
        for words in [&["renew", "--dry-run"][..], &["stage", "web", "--dry-run"], &["renew"]] {
            let refused = bench.run(words).ends(4);
            told(&refused, why);
        }
    }
    names("pp");
    let before = bench.tree();
    bench.run(&["renew", "--dry-run"]).ends(0).says("would be changed");
    assert!(bench.tree() == before);
}
