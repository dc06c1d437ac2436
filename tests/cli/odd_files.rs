//! Files that are easily taken for something better than they are.

use std::process::Command;

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
        both.push_str(&std::fs::read_to_string(bench.path(&format!("{name}.pem"))).unwrap());
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
    bench.run(&["check", "./key.pem"]).ends(0).says("no certificate");
}

#[test]
fn what_its_owner_accepts_counts_for_files_too() {
    let bench = Bench::new();
    bench.configure("");
    let own = Leaf { self_signed: true, ..Leaf::default() }.make().0;
    bench.write("own.pem", &own, 0o644);
    bench.run(&["check", "./own.pem"]).ends(3).says("self-signed");
    let config = std::fs::read_to_string(bench.path("reseal.toml")).unwrap();
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
    bench.run(&["check", "web"]).ends(3).says("renew` replaces it");
}
