//! What is not trusted, and why; and names that mean harm.

use crate::ground::{Ca, Ground, Wish};

#[test]
fn only_cas_of_today_are_trusted() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Good");
    let tree_of = |name: &str, pem: &str| {
        ground.write(name, pem);
        ground.tree()
    };
    let lone = Ca::of(&Wish { name: "lone", ca: false, signs: false, from: -1, to: 9 });
    let old = Ca::of(&Wish { from: -9, to: -2, ..Wish::ca("Old") });
    let early = Ca::of(&Wish { from: 2, to: 9, ..Wish::ca("Early") });
    let mute = Ca::of(&Wish { signs: false, ..Wish::ca("Mute") });
    let both = format!("{}{}", ca.pem, old.pem);
    for (name, pem, why, hint) in [
        (
            "leaf.pem",
            ca.leaf().0,
            "it is the certificate of a server or a person, and no CA's",
            "the root of its chain",
        ),
        ("lone.pem", lone.pem, "signed by its own key and no CA's", "ca init NAME --permit DOMAIN`"),
        ("old.pem", old.pem, "it ended", "present root"),
        ("early.pem", early.pem, "it begins", "clock"),
        ("mute.pem", mute.pem, "does not let it sign certificates", "ask whoever made it"),
        ("both.pem", both, "holds 2 certificates", "a file of its own"),
        ("empty.pem", String::new(), "cannot read the certificate", "hint:"),
        ("key.pem", ca.leaf().1, "there is no certificate in", "hint:"),
        ("noise.pem", "\0\u{1b}[31mx".repeat(99), "cannot read the certificate", "hint:"),
    ] {
        let tree = tree_of(name, &pem);
        ground.run(&["trust", "install", name]).ends(4).warns(why).warns(hint);
        assert_eq!(ground.tree(), tree, "{name}");
    }
    ground.run(&["trust", "install", "nowhere.pem"]).ends(4).warns("nowhere.pem").warns("hint:");
    let big = format!("{}{}", " ".repeat(17 << 20), ca.pem);
    ground.write("big.pem", &big);
    ground.run(&["trust", "install", "big.pem"]).ends(4).warns("hint:");
    // The same one twice is one.
    ground.write("twice.pem", &format!("{0}{0}", ca.pem));
    ground.run(&["trust", "install", "twice.pem"]).ends(0);
    // One below a root is told.
    ground.write("below.pem", &ca.below("Below"));
    ground.run(&["trust", "install", "below.pem"]).ends(0).says("is no root");
}

#[test]
fn names_are_plain_and_their_own() {
    let Some(ground) = Ground::new() else { return };
    let (one, two) = (Ca::new("Same"), Ca::new("Same"));
    ground.write("one.pem", &one.pem);
    ground.write("two.pem", &two.pem);
    for name in ["../x", "Big", "", "a b", ".hidden"] {
        ground.run(&["trust", "install", "one.pem", "--name", name]).ends(2).warns("is no name");
    }
    ground.run(&["trust", "install", "one.pem"]).ends(0);
    ground.run(&["trust", "install", "two.pem"]).ends(4).warns("another certificate of the name same").warns("--name");
    ground.run(&["trust", "install", "two.pem", "--name", "second"]).ends(0);
    // A file of the name that somebody else has put there.
    let three = Ca::new("Three");
    ground.write("three.pem", &three.pem);
    ground.write("local/reseal-three.crt", "somebody's");
    ground.run(&["trust", "install", "three.pem"]).ends(4).warns("--name");
    // By fingerprint, as openssl and browsers write it; what means two means none.
    let colons: Vec<String> =
        two.fingerprint.as_bytes().chunks(2).map(|two| String::from_utf8_lossy(two).to_uppercase()).collect();
    ground.run(&["trust", "remove", &two.fingerprint[..6]]).ends(4);
    ground.run(&["trust", "remove", &colons.join(":")]).ends(0).says("second");
    ground.run(&["trust", "remove", "same", "--store", "java:/nowhere.jks"]).ends(4).warns("nowhere.jks");
    assert!(ground.trusts(&one) && !ground.trusts(&two));
}

#[test]
fn hostile_names_do_nothing_to_a_terminal() {
    let Some(ground) = Ground::new() else { return };
    let hostile = Ca::new("\u{1b}]0;owned\u{7}\u{1b}[2Jroot\n\u{202e}");
    ground.write("ca.pem", &hostile.pem);
    for words in [&["trust", "install", "ca.pem"][..], &["trust", "list"], &["--format", "json", "trust", "list"]] {
        let ran = ground.run(words).ends(0);
        let bad = ran.out.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None, "{words:?}: {:?}", ran.out);
    }
}

#[test]
fn a_record_that_is_not_what_was_written_stops_everything() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Kept");
    ground.write("ca.pem", &ca.pem);
    ground.run(&["trust", "install", "ca.pem"]).ends(0);
    let record = "state/trust/trust%3Aos.json";
    let good = std::fs::read_to_string(ground.path(record)).unwrap();
    for bad in [String::new(), good.replace("kept", "k\u{1}"), good.replace("MII", "MIJ"), "[]".to_owned()] {
        ground.write(record, &bad);
        for words in [&["trust", "list"][..], &["trust", "remove", "kept"], &["trust", "install", "ca.pem"]] {
            ground.run(words).ends(4).warns("is damaged").warns("restore trust:os");
        }
    }
    ground.write(record, "{\"format\": 9}");
    ground.run(&["trust", "list"]).ends(4).warns("newer reseal");
    assert!(ground.trusts(&ca));
}

#[test]
fn a_damaged_record_hides_no_other() {
    let Some(ground) = Ground::new() else { return };
    ground.write("ca.pem", &Ca::new("Kept").pem);
    ground.run(&["trust", "install", "ca.pem"]).ends(0);
    ground.write("state/trust/trust%3Ajava%3A%2Fnowhere.jks.json", "[]");
    ground.write("state/trust/trust%3Ajava%3A%2Felsewhere.jks.json", "{\"format\": 9}");
    let list = ground.run(&["trust", "list"]).ends(4).says("kept in os: trusted");
    list.warns("nowhere.jks.json").warns("is damaged").warns("restore trust:java").warns("newer reseal");
    let told = ground.run(&["--format", "json", "trust", "list"]).ends(4);
    let told: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&told["exit"], &told["results"][0]["name"]), (&4.into(), &"kept".into()));
    assert!(told["error"]["message"].as_str().unwrap().contains("is damaged"), "{told}");
    // Asked for alone, it is not said that it has nothing.
    let alone = ground.run(&["trust", "list", "--store", "java:/nowhere.jks"]).ends(4).warns("is damaged");
    assert_eq!(alone.out, "");
}

/// What clients would refuse, or anybody could sign with, is no CA to trust.
#[test]
fn weak_and_unusable_cas_are_refused() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.path("");
    let openssl = |line: &str| {
        let ran = std::process::Command::new("openssl").args(line.split(' ')).current_dir(&root).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    let usage = "-addext keyUsage=critical,keyCertSign -days 90 -nodes -x509";
    openssl(&format!("req {usage} -newkey rsa:1024 -subj /CN=Small -keyout k -out small.pem"));
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";
    openssl(&format!("req {usage} {ec} -subj /CN=Odd -addext 1.2.3.4=critical,DER:0500 -keyout k -out odd.pem"));
    openssl(&format!("req {usage} {ec} -subj /CN=Code -addext extendedKeyUsage=codeSigning -keyout k -out code.pem"));
    for (name, why) in [
        ("small.pem", "its key is RSA 1024"),
        ("odd.pem", "critical extension 1.2.3.4"),
        ("code.pem", "its extended key usage leaves out servers"),
    ] {
        let tree = ground.tree();
        ground.run(&["trust", "install", name]).ends(4).warns(why).warns("hint:");
        assert_eq!(ground.tree(), tree, "{name}");
    }
    // What OpenSSL says beside a certificate would be lost, a refusal among it.
    ground.write("plain.pem", &Ca::new("Marked").pem);
    openssl("x509 -in plain.pem -addreject serverAuth -trustout -out marked.pem");
    ground.run(&["trust", "install", "marked.pem"]).ends(4).warns("no store here can hold");
    ground.write("ca.pem", &Ca::new("Named").pem);
    ground.run(&["trust", "install", "ca.pem", "--name", "deadbeef01"]).ends(2).warns("reads like the fingerprint");
}
