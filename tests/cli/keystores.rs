//! A keystore in the place of a target's file: reseal writes PEM, which a product that reads a keystore does not start with.

use std::fs;
use std::process::Command;

use crate::bench::{Bench, Leaf};
use crate::ran::Ran;

/// A target of one combined file, which is a PKCS#12 store with a passphrase; and a pair to bring.
fn with_store() -> (Bench, Vec<u8>, [String; 2]) {
    let bench = Bench::new();
    let (certificate, key) = bench.bring("new", &Leaf::default());
    configure(&bench, "");
    bench.bring("old", &Leaf::default());
    store(&bench, "ks.p12");
    let bytes = fs::read(bench.path("ks.p12")).unwrap();
    (bench, bytes, [certificate, key])
}

fn configure(bench: &Bench, more: &str) {
    bench.configure("");
    let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    let (head, _) = text.split_once("certificate = ").unwrap();
    bench.write("reseal.toml", &format!("{head}combined = \"{}\"\n{more}", bench.path("ks.p12").display()), 0o644);
}

/// Makes a store of `old` there.
fn store(bench: &Bench, name: &str) {
    let words = format!("pkcs12 -export -in old.pem -inkey old.key -out {name} -passout pass:secret");
    assert!(Command::new("openssl").args(words.split(' ')).current_dir(bench.path(".")).status().unwrap().success());
}

fn said(ran: &Ran) -> String {
    format!("{} {}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_keystore_is_not_replaced_by_pem() {
    let (bench, bytes, [certificate, key]) = with_store();
    let jceks = [&[0xce, 0xce, 0xce, 0xce, 0, 0, 0, 2][..], &[0; 32]].concat();
    let from = |more: &str| format!("[target.source]\nkind = \"import\"\nfrom = [{certificate:?}, {key:?}]\n{more}");
    for (store, named) in [(&bytes, "a PKCS#12 keystore"), (&jceks, "a JCEKS keystore")] {
        fs::write(bench.path("ks.p12"), store).unwrap();
        configure(&bench, "");
        let checked = said(&bench.run(&["check", "web"]).ends(3));
        assert!(
            checked.contains(named) && !checked.contains("reseal install") && !checked.contains("reseal restore"),
            "{checked}"
        );
        let install = ["install", "web", "--cert", &certificate, "--key", &key];
        let stage = ["stage", "web", "--cert", &certificate, "--key", &key];
        let refused = |words: &[&str]| {
            let refused = said(&bench.run(words).ends(4));
            assert!(
                refused.contains(named) && refused.contains(" export NAME --form p12 --out FILE`"),
                "{words:?}: {refused}"
            );
            assert_eq!(&fs::read(bench.path("ks.p12")).unwrap(), store, "{words:?}");
        };
        refused(&[&install[..], &["--dry-run"]].concat());
        refused(&install);
        refused(&stage);
        refused(&["renew"]);
        refused(&["post-upgrade", "--strict"]);
        configure(&bench, &from(""));
        for words in
            [&["renew", "--dry-run"][..], &["renew"], &["post-upgrade", "--strict"], &["stage", "web"], &["maintain"]]
        {
            refused(words);
        }
    }
}

/// Who insists gets PEM, and what was there can be had again.
#[test]
fn who_insists_gets_pem_and_is_told_the_way_back() {
    let (bench, bytes, [certificate, key]) = with_store();
    let install = ["install", "web", "--cert", &certificate, "--key", &key];
    let done = bench.run(&[&install[..], &["--force"]].concat()).ends(0);
    assert!(said(&done).contains("restore web 1 --force"), "{}", done.out);
    let pem = fs::read_to_string(bench.path("ks.p12")).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));

    // From now on PEM is what is wanted there: a store that an upgrade brings is damage, as ever.
    store(&bench, "ks.p12");
    assert!(said(&bench.run(&["check", "web"]).ends(3)).contains(" restore web`"));
    let mended = said(&bench.run(&["post-upgrade", "--strict"]).ends(0));
    assert!(mended.contains("format-changed") && mended.contains("was PEM and is PKCS#12"), "{mended}");
    assert_eq!(fs::read_to_string(bench.path("ks.p12")).unwrap(), pem);

    bench.run(&["restore", "web", "1", "--force"]).ends(0);
    assert_eq!(fs::read(bench.path("ks.p12")).unwrap(), bytes);
    // And by a person back to PEM.
    bench.run(&["restore", "web", "2"]).ends(0);
    assert_eq!(fs::read_to_string(bench.path("ks.p12")).unwrap(), pem);
}
