//! Files that are easily taken for something better than they are.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, Leaf};

fn openssl(bench: &Bench, line: &str) {
    let ran = Command::new("openssl").args(line.split(' ')).current_dir(bench.path("")).output().unwrap();
    assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn a_store_that_cannot_be_opened_is_not_good() {
    let bench = Bench::new();
    let (certificate, _) = bench.bring("old", &Leaf { days: -5, ..Leaf::default() });
    openssl(&bench, &format!("pkcs12 -export -nokeys -in {certificate} -out old.p12 -passout pass:secret"));
    bench.run(&["check", "./old.p12"]).ends(4).says("encrypted").says("--passphrase-file");
    bench.run(&["scan", "./old.p12"]).ends(4);
    let secret = bench.write("secret", "secret\n", 0o600);
    bench.run(&["--passphrase-file", &secret, "check", "./old.p12"]).ends(3).says("expired");
    let wrong = bench.write("wrong", "other\n", 0o600);
    bench.run(&["--passphrase-file", &wrong, "check", "./old.p12"]).ends(4).says("the passphrase does not open it");
}

#[test]
fn two_servers_that_signed_themselves_are_no_trust_store() {
    let bench = Bench::new();
    let mut both = String::new();
    for name in ["one", "two"] {
        openssl(
            &bench,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -addext \
                 subjectAltName=DNS:{name}.lan -days 30 -keyout {name}.key -out {name}.pem"
            ),
        );
        both.push_str(&fs::read_to_string(bench.path(&format!("{name}.pem"))).unwrap());
    }
    bench.write("both.pem", &both, 0o644);
    bench.run(&["check", "./both.pem"]).ends(3).says("self-signed");
}

#[test]
fn a_mistyped_label_is_not_a_key_alone() {
    let bench = Bench::new();
    let (certificate, key) = Leaf::default().make();
    let typed = certificate.replace(" CERTIFICATE-", " CERTIFICAT-");
    bench.write("pair.pem", &format!("{key}{typed}"), 0o600);
    bench.run(&["check", "./pair.pem"]).ends(3).says("no-certificate");
    bench.write("key.pem", &key, 0o600);
    bench.run(&["check", "./key.pem"]).ends(3).says("it holds a private key and no certificate");
}

#[test]
fn what_its_owner_accepts_counts_for_files_too() {
    let bench = Bench::new();
    bench.configure("");
    let own = Leaf { self_signed: true, ..Leaf::default() }.make().0;
    bench.write("own.pem", &own, 0o644);
    bench.run(&["check", "./own.pem"]).ends(3).says("self-signed");
    let config = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    let accept = "[[accept]]\ncode = \"self-signed\"\nsubject = \"*\"\nreason = \"a lab\"\nuntil = 2099-01-01\n";
    bench.write("reseal.toml", &format!("{config}{accept}"), 0o644);
    bench.run(&["check", "./own.pem"]).says("accepted");
    bench.write("reseal.toml", "garbage = ", 0o644);
    bench.run(&["check", "./own.pem"]).ends(2);
}

#[test]
fn a_name_that_is_no_utf8_is_a_name() {
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    let (certificate, _) = Leaf::default().make();
    let path = bench.path("").join(std::ffi::OsStr::from_bytes(b"bad\xff.pem"));
    std::fs::write(&path, certificate).unwrap();
    let ran = bench.command(&["check"]).arg(&path).output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn remedies_for_what_is_no_target_name_no_verb_for_targets() {
    let bench = Bench::new();
    let own = Leaf { self_signed: true, ..Leaf::default() }.make().0;
    bench.write("own.pem", &own, 0o644);
    let ran = bench.run(&["check", "./own.pem"]).ends(3).says("get one from a CA that the clients know");
    assert!(!ran.out.contains("renew"), "{}", ran.out);
    let root = bench.path("").display().to_string();
    bench.configure(&format!("[target.source]\nkind = \"import\"\nfrom = [\"{root}/new.pem\"]\n"));
    bench.run(&["check", "web"]).ends(3).says("renew web` replaces it");
}

#[test]
fn several_leaves_in_a_file_are_several_subjects() {
    let bench = Bench::new();
    let pairs =
        [Leaf::default().make(), Leaf { self_signed: true, name: "b.example", common_name: "b", days: 30 }.make()];
    let (all, (own, other)) = (bench.path("all.pem").display().to_string(), (&pairs[0], &pairs[1]));
    bench.write("all.pem", &format!("{}{}{}{}", other.1, own.0, other.0, own.1), 0o600);

    let answer = bench.json(&["check", &all]);
    let rows = answer["results"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told: Vec<(String, String, &Value, bool)> = rows
        .iter()
        .map(|row| {
            let signed_itself = row["findings"].to_string().contains("self-signed");
            (text(&row["subject"]), text(&row["leaf"]["names"][0]), &row["leaf"]["paired"], signed_itself)
        })
        .collect();
    let row = |place: u8, name: &str, bad| (format!("{all} ({place} of 2)"), name.to_owned(), &Value::Bool(true), bad);
    assert_eq!(told, [row(1, "www.example.org", false), row(2, "b.example", true)], "{answer}");
    assert!(!answer.to_string().contains("several-leaves"), "each has its key: {answer}");

    // A pair and somebody's certificate beside it: what the server sends first is what it is, and the other is told.
    bench.write("all.pem", &format!("{}{}{}", own.0, other.0, own.1), 0o600);
    let answer = bench.json(&["check", &all]);
    assert!(answer["results"][0]["findings"].to_string().contains("several-leaves"), "{answer}");
    assert_eq!(
        (&answer["results"][1]["leaf"]["paired"], answer["results"].as_array().unwrap().len()),
        (&false.into(), 2)
    );

    fs::create_dir(bench.path("folder")).unwrap();
    fs::rename(bench.path("all.pem"), bench.path("folder/all.pem")).unwrap();
    let answer = bench.json(&["scan", "folder"]);
    assert_eq!((answer["results"].as_array().unwrap().len(), &answer["summary"]["files"]), (2, &1.into()), "{answer}");
    bench.run(&["scan", "folder"]).ends(3).says("folder/all.pem (2 of 2)").says("2 certificates in 1 file");
    let monitored = bench.run(&["check", "folder/all.pem", "--format", "prometheus"]).out;
    assert_eq!(monitored.matches("\nx509_cert_not_after{").count(), 2, "{monitored}");
}

#[test]
fn damage_is_told_once_and_not_as_a_missing_certificate_too() {
    let bench = Bench::new();
    let (text, _) = Leaf::default().make();
    let cut = &text[..text.len() / 2];
    bench.write("cut.pem", cut, 0o644);
    let answer = bench.json(&["check", "./cut.pem"]);
    let findings = answer["results"][0]["findings"].as_array().unwrap();
    assert_eq!((findings.len(), &findings[0]["code"]), (1, &"unreadable".into()), "{answer}");

    // Two damaged blocks are two findings, and one word where a row has room for words alone.
    let damaged: String =
        text.lines().map(|line| if line.starts_with("MII") { "MIX" } else { line }).collect::<Vec<_>>().join("\n");
    bench.write("twice.pem", &format!("{damaged}\n{damaged}\n"), 0o644);
    assert_eq!(bench.json(&["check", "./twice.pem"])["results"][0]["findings"].as_array().unwrap().len(), 2);
    let row = bench.run(&["scan", "twice.pem"]).out;
    assert!(row.contains("unreadable ") && !row.contains("unreadable, unreadable"), "{row}");
    let row = bench.run(&["check", "./twice.pem", "--format", "csv"]).out;
    assert!(row.contains("unreadable") && !row.contains("unreadable unreadable"), "{row}");
}

#[test]
fn an_ipv6_address_without_brackets_is_shown_with_them() {
    let bench = Bench::new();
    for (text, meant) in [
        ("2001:db8::1:443", "\"[2001:db8::1]:443\""),
        ("2001:db8::1", "\"[2001:db8::1]:443\""),
        ("fe80::1%lo:443", "\"[fe80::1%lo]:443\""),
        ("ldap://2001:db8::1", "\"ldap://[2001:db8::1]\""),
    ] {
        for verb in ["check", "scan"] {
            bench.run(&[verb, text]).ends(2).warns("needs brackets").warns(meant);
        }
    }
    // A file of this name is still one.
    bench.bring("good", &Leaf::default());
    fs::rename(bench.path("good.pem"), bench.path("2001:db8::1:443")).unwrap();
    bench.run(&["check", "2001:db8::1:443"]).ends(0);
    bench.run(&["scan", "./2001:db8::1:443"]).ends(0);
}

/// What is kept of it must be read again, and a control character is six bytes of JSON.
#[test]
fn a_subject_of_megabytes_in_place_is_no_obstacle() {
    let bench = Bench::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["www.example.org".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "\u{1}".repeat(2 << 20));
    bench.write("web.pem", &params.self_signed(&key).unwrap().pem(), 0o644);
    bench.write("web.key", &key.serialize_pem(), 0o600);
    let (certificate, key) = bench.bring("new", &Leaf::default());
    bench.run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(0);
    let kept = fs::read(bench.path("state/vault/web/1/manifest")).unwrap();
    assert!(kept.len() < 64 << 10, "{} bytes", kept.len());
    bench.run(&["backups", "verify", "web"]).ends(0);
    bench.run(&["restore", "web", "1", "--force"]).ends(0);
    assert!(bench.served().len() > 4 << 20);
}
