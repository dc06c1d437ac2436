//! What was revoked, and the lists that tell it, as OpenSSL reads them.

use std::fs;

use crate::clients::chain;
use crate::ground::Ground;

/// Whether OpenSSL takes a certificate when it asks the list.
fn checked(ground: &Ground, ca: &str, directory: &str, list: &str) -> (bool, String) {
    let whole = [ground.read(list), fs::read(ground.of_ca(ca, "root.pem")).unwrap()].concat();
    ground.write("trusted.pem", &whole);
    let chain = chain(ground, directory);
    ground.openssl_tried(&format!(
        "verify -x509_strict -crl_check -purpose sslserver -CAfile trusted.pem -untrusted {0} {0}",
        chain.display()
    ))
}

fn issued(ground: &Ground, ca: &str, directory: &str) -> String {
    fs::create_dir(ground.path(directory)).unwrap();
    ground.run(&format!("ca issue {ca} www.example.org --output {directory}")).good();
    ground.openssl(&format!("x509 -in {directory}/fullchain.pem -noout -serial")).trim().replace("serial=", "")
}

#[test]
fn openssl_learns_of_it_by_the_list() {
    for (kind, intermediate) in
        [("p256", ""), ("p521", "--intermediate"), ("rsa2048", ""), ("ed25519", "--intermediate")]
    {
        let ground = Ground::new();
        ground.run(&format!("ca init office --permit example.org --key-type {kind} {intermediate}")).good();
        let serials = ["good", "by-serial", "by-file"].map(|directory| issued(&ground, "office", directory));
        ground.run("ca crl office --output first.crl").good().says("revocation list 1");
        assert!(checked(&ground, "office", "by-file", "first.crl").0, "{kind}: an empty list revokes nothing");

        ground.run(&format!("ca revoke office {} --reason key-compromise", serials[1])).good().says("revoked");
        ground.run("ca revoke office by-file/fullchain.pem --reason superseded").good();
        let told = ground.json("ca crl office --output second.crl");
        assert_eq!((told["results"][0]["number"].as_i64(), told["results"][0]["revoked"].as_i64()), (Some(2), Some(2)));
        let (good, said) = checked(&ground, "office", "good", "second.crl");
        assert!(good, "{kind}: {said}");
        for directory in ["by-serial", "by-file"] {
            let (good, said) = checked(&ground, "office", directory, "second.crl");
            assert!(!good && said.contains("certificate revoked"), "{kind} {directory}: {said}");
        }

        let shown = ground.openssl("crl -in second.crl -noout -text").split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in [
            "Version 2",
            "X509v3 CRL Number: 2",
            "Key Compromise",
            "Superseded",
            &format!("Serial Number: {}", serials[1]),
        ] {
            assert!(shown.contains(expected), "{kind}: {expected}: {shown}");
        }
        // The list names the very key of the certificate that issues.
        let issuer = ground.of_ca("office", if intermediate.is_empty() { "root.pem" } else { "issuer.pem" });
        let identifier = ground.openssl(&format!("x509 -in {} -noout -ext subjectKeyIdentifier", issuer.display()));
        let identifier = identifier.lines().nth(1).unwrap().trim();
        assert!(
            shown.contains(&format!("X509v3 Authority Key Identifier: {identifier}")),
            "{kind}: {identifier}: {shown}"
        );
    }
}

/// A CA of elsewhere with repeated attributes and another way to work out key identifiers: the list carries its name and its identifier.
#[test]
fn a_corporate_ca_lists_under_its_own_name() {
    let ground = Ground::new();
    ground.write(
        "corp.cnf",
        b"[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ca\n[dn]\n0.DC=com\n1.DC=example\nO=Example\nCN=Root\n\
          [ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=01:02:03:04\n\
          [nolist]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n",
    );
    ground.openssl("req -x509 -config corp.cnf -newkey rsa:2048 -nodes -keyout corp.key -days 900 -out corp.pem");
    ground.run("ca import corp --cert corp.pem --key corp.key --permit example.org").good();
    issued(&ground, "corp", "out");
    // One that was issued before the CA came here, and is in no record.
    fs::create_dir(ground.path("before")).unwrap();
    ground.openssl("req -new -newkey rsa:2048 -nodes -keyout b.key -subj /CN=before -out b.csr");
    ground.openssl(
        "x509 -req -in b.csr -CA corp.pem -CAkey corp.key -set_serial 0xf00d -days 9 -out before/fullchain.pem",
    );
    ground.run("ca revoke corp f00d").refused("it has issued no certificate with the serial number f00d");
    ground.run("ca revoke corp before/fullchain.pem").good();
    ground.run("ca crl corp --output corp.crl").good();
    assert!(ground.openssl("crl -in corp.crl -noout -text").contains("01:02:03:04"));
    let (good, said) = checked(&ground, "corp", "out", "corp.crl");
    assert!(good, "{said}");
    let (good, said) = checked(&ground, "corp", "before", "corp.crl");
    assert!(!good && said.contains("certificate revoked"), "{said}");

    ground.openssl(
        "req -x509 -config corp.cnf -extensions nolist -newkey rsa:2048 -nodes -keyout n.key -days 900 -out n.pem",
    );
    ground.run("ca import nolist --cert n.pem --key n.key --permit example.org").good();
    ground.run("ca crl nolist --output n.crl").refused("its key usage leaves cRLSign out");
}

#[test]
fn what_is_refused_and_why() {
    let ground = Ground::new();
    ground.run("ca init office --permit example.org").good();
    ground.run("ca init other --permit example.org").good();
    let serial = issued(&ground, "office", "out");
    ground.run("ca revoke office 0123").refused("it has issued no certificate with the serial number 0123");
    ground.run("ca revoke other out/fullchain.pem").refused("it has not issued the certificate www.example.org");
    ground.run("ca revoke office nothing.pem").refused("cannot revoke nothing.pem");
    ground.run("ca revoke office out/privkey.pem").refused("it holds no certificate");
    let planned = ground.json(&format!("--dry-run ca revoke office {serial}"));
    assert_eq!(planned["results"][0]["recorded"], false);
    let colons: Vec<String> =
        serial.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect();
    ground.run(&format!("ca revoke office {}", colons.join(":"))).good();
    ground.run(&format!("ca revoke office {serial}")).refused("was revoked on");
    assert_eq!(ground.json("ca show office")["results"][0]["revoked"], 1);

    ground.run("ca crl office --days 0").misunderstood("and not for 0");
    ground.run("ca crl office --root 7").refused("it has no root number 7");
    ground.run("ca crl office --der").refused("cannot write DER among other words");
    ground.run("ca crl office --output out/privkey.pem").refused("what is there is no revocation list");
    assert!(ground.read("out/privkey.pem").starts_with(b"-----BEGIN PRIVATE KEY"));
    let planned = ground.json("--dry-run ca crl office --output x.crl");
    assert_eq!(
        (planned["results"][0]["number"].as_i64(), planned["results"][0]["made"].as_bool()),
        (Some(1), Some(false))
    );
    assert!(!ground.path("x.crl").exists());

    // The number rises whatever becomes of the lists; a file is replaced by the next, in either form.
    for (number, der) in [(1, ""), (2, "--der"), (3, "--der"), (4, "")] {
        ground.run(&format!("ca crl office --output x.crl {der}")).good().says(&format!("revocation list {number},"));
        let form = if der.is_empty() { "PEM" } else { "DER" };
        let shown = ground.openssl(&format!("crl -in x.crl -inform {form} -noout -crlnumber"));
        assert!(
            shown.trim().ends_with(&format!("0{number}")) || shown.trim().ends_with(&number.to_string()),
            "{shown}"
        );
    }
    let printed = ground.run("ca crl office").good();
    assert!(printed.out.starts_with("-----BEGIN X509 CRL-----\n"), "{}", printed.out);
}

/// A line that cannot be read may have been a revocation: no list is made as if it had not been there.
#[test]
fn a_damaged_record_makes_no_list_unasked() {
    let ground = Ground::new();
    ground.run("ca init office --permit example.org").good();
    let serial = issued(&ground, "office", "out");
    ground.run(&format!("ca revoke office {serial}")).good();
    let path = ground.of_ca("office", "issued");
    let whole = fs::read(&path).unwrap();
    // A torn end is a line that nobody relies upon.
    fs::write(&path, [whole.as_slice(), b"{\"revoked\":\"4f"].concat()).unwrap();
    ground.run("ca crl office --output x.crl").good();
    let damaged = String::from_utf8(fs::read(&path).unwrap()).unwrap().replacen("\"reason\"", "\"raeson\"", 1);
    fs::write(&path, damaged).unwrap();
    ground.run("ca crl office --output x.crl").refused("1 lines of its record cannot be read");
    ground.run("ca show office").good().says("1 lines of its record cannot be read");
    ground.run("--force ca crl office --output x.crl").good();
}

fn corporate(ground: &Ground) {
    ground.openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout corp.key -subj /CN=corp -addext keyUsage=keyCertSign,cRLSign -days 99 -out corp.pem",
    );
    ground.run("ca import corp --cert corp.pem --key corp.key --permit example.org").good();
}

/// A certificate of the corporate CA with these four octets as its serial number, however they may be encoded: into `NAME.der`.
fn with_serial(ground: &Ground, name: &str, serial: [u8; 4]) {
    ground.openssl("req -new -newkey rsa:2048 -nodes -keyout s.key -subj /CN=odd -out s.csr");
    ground.openssl(
        "x509 -req -in s.csr -CA corp.pem -CAkey corp.key -set_serial 0x5a6b7c5d -days 9 -outform DER -out s.der",
    );
    let mut der = ground.read("s.der");
    let place = der.windows(6).position(|part| part == [2, 4, 0x5a, 0x6b, 0x7c, 0x5d]).unwrap() + 2;
    der[place..place + 4].copy_from_slice(&serial);
    // SEQUENCE { SEQUENCE to be signed, algorithm, BIT STRING }: both with lengths of two octets, the signature of 256.
    let signed = 8 + usize::from(u16::from_be_bytes([der[6], der[7]]));
    ground.write("s.tbs", &der[4..signed]);
    ground.openssl("dgst -sha256 -sign corp.key -out s.sig s.tbs");
    let whole = [&der[..der.len() - 256], &ground.read("s.sig")].concat();
    ground.write(&format!("{name}.der"), &whole);
}

#[test]
fn odd_serial_numbers_end_no_lists() {
    let ground = Ground::new();
    corporate(&ground);
    with_serial(&ground, "padded", [0, 0, 0x1f, 5]);
    ground.run("ca revoke corp padded.der").good().says("1f05");
    ground.run("ca revoke corp padded.der").refused("was revoked on");
    let listed = |list: &str| ground.openssl(&format!("crl -in {list} -noout -text"));
    ground.run("ca crl corp --output corp.crl").good();
    assert!(listed("corp.crl").contains("Serial Number: 1F05\n"), "{}", listed("corp.crl"));
    // As it was written down before.
    let record = ground.of_ca("corp", "issued");
    let text = fs::read_to_string(&record).unwrap();
    assert!(text.contains("\"1f05\""), "{text}");
    fs::write(&record, text.replace("\"1f05\"", "\"001f05\"")).unwrap();
    ground.run("ca revoke corp padded.der").refused("was revoked on");
    ground.run("ca crl corp --output corp.crl").good();
    assert!(listed("corp.crl").contains("Serial Number: 1F05\n"), "{}", listed("corp.crl"));

    with_serial(&ground, "negative", [0x9f, 1, 2, 3]);
    ground.run("ca revoke corp negative.der").refused("the serial number of odd is below zero");
    with_serial(&ground, "high", [0, 0x9f, 1, 2]);
    ground.run("ca revoke corp high.der").good().says("9f0102");
    ground.run("ca crl corp --output corp.crl").good();
    assert!(listed("corp.crl").contains("Serial Number: 9F0102\n"), "{}", listed("corp.crl"));
}

#[test]
fn no_number_is_given_twice() {
    let ground = Ground::new();
    ground.run("ca init office --permit example.org").good();
    let serial = issued(&ground, "office", "out");
    let record = ground.of_ca("office", "issued");
    let before = fs::read(&record).unwrap();
    let number = |words: &str| ground.json(words)["results"][0]["number"].as_u64().unwrap();
    assert_eq!(number("ca crl office --output x.crl"), 1);
    assert_eq!(number("ca crl office --output x.crl"), 2);
    ground.run(&format!("ca revoke office {serial}")).good();
    // The record as a backup had it: the list that is there tells more.
    let whole = fs::read_to_string(&record).unwrap();
    fs::write(&record, before).unwrap();
    assert_eq!(number("--dry-run ca crl office --output x.crl"), 3);
    assert_eq!(number("ca crl office --output x.crl --der"), 3);
    assert_eq!(number("ca crl office --output x.crl"), 4);
    // And where none is there.
    fs::write(&record, whole.replace("\"list\"", "\"lsit\"")).unwrap();
    let first = number("--force ca crl office --output y.crl");
    assert!(first > 4, "{first}");
    fs::write(&record, fs::read_to_string(&record).unwrap().replace("\"list\"", "\"lsit\"")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(number("--force ca crl office --output z.crl") > first);
}

#[test]
fn only_a_list_of_its_own_is_replaced() {
    let ground = Ground::new();
    ground.run("ca init office --permit example.org").good();
    ground.run("ca init other --permit example.org").good();
    ground.run("ca crl office --output own.crl").good();
    ground.run("ca crl other --output other.crl").good();
    ground.run("ca crl other --output other.der --der").good();
    issued(&ground, "office", "out");
    let own = ground.read("own.crl");
    ground.write("key.crl", &[own.as_slice(), &ground.read("out/privkey.pem")].concat());
    ground.write("two.crl", &[own.as_slice(), &own].concat());
    ground.write("text.crl", &[b"notes\n", own.as_slice()].concat());
    ground.write("torn.crl", b"-----BEGIN X509 CRL-----\nnotes\n");
    for (name, told) in [
        ("key.crl", "no revocation list, or more than one"),
        ("two.crl", "no revocation list, or more than one"),
        ("text.crl", "no revocation list, or more than one"),
        ("torn.crl", "no revocation list, or more than one"),
        ("other.crl", "the revocation list of another CA"),
        ("other.der", "the revocation list of another CA"),
    ] {
        let before = ground.read(name);
        ground.run(&format!("ca crl office --output {name}")).refused(told);
        ground.run(&format!("--dry-run ca crl office --output {name}")).refused(told);
        assert_eq!(ground.read(name), before, "{name}");
    }
    // The list of its next root takes the place of that of the former one, as the URL is the same.
    ground.run("ca rekey office").good();
    ground.run("ca export office").good();
    ground.run("ca rekey office --switch").good();
    ground.run("ca crl office --output own.crl").good().says("revocation list 1,");
    ground.run("ca crl office --root 1 --output own.crl").good().says("revocation list 2,");
}

/// A serial number is at hand where it is needed: told by what issued, and listed afterwards.
#[test]
fn what_was_issued_is_listed() {
    let ground = Ground::new();
    ground.run("ca init office --permit example.org").good();
    ground.run("ca show office").good().says("number     1");
    fs::create_dir(ground.path("one")).unwrap();
    let planned = ground.json("--dry-run ca issue office www.example.org mail.example.org --output one");
    assert!(planned["results"][0]["serial"].is_null(), "{planned}");
    let told = ground.json("ca issue office www.example.org mail.example.org --output one");
    let serial = told["results"][0]["serial"].as_str().unwrap().to_owned();
    let second = issued(&ground, "office", "two").to_lowercase();
    fs::create_dir(ground.path("three")).unwrap();
    ground.run("ca issue office www.example.org --output three").good().says("serial  ");
    let ran = ground.run(&format!("ca revoke office {serial} --reason superseded")).good();
    ran.says("ends  ").says("reseal --config reseal.toml --state-dir state ca crl office`");

    let shown = ground.json("ca show office");
    let listed = shown["results"][0]["certificates"].as_array().unwrap();
    assert_eq!(listed.len(), 3, "{shown}");
    assert_eq!((listed[0]["serial"].as_str(), listed[1]["serial"].as_str()), (Some(&*serial), Some(&*second)));
    assert_eq!(listed[0]["names"], serde_json::json!(["www.example.org", "mail.example.org"]));
    assert_eq!(
        (&listed[0]["revoked"]["reason"], &listed[1]["revoked"]),
        (&"superseded".into(), &serde_json::Value::Null)
    );
    let text = ground.run("ca show office").good().says("www.example.org, mail.example.org  revoked 20").out;
    assert!(text.find(&second) < text.find(&serial), "the newest first: {text}");
    assert!(ground.json("ca show")["results"][0].get("certificates").is_none(), "of all CAs only how many");

    let line = fs::read_to_string(ground.of_ca("office", "issued")).unwrap().lines().nth(1).unwrap().to_owned();
    let many: String = (0..30).map(|number| line.replace(&second, &format!("7f{number:02}")) + "\n").collect();
    fs::write(ground.of_ca("office", "issued"), many).unwrap();
    let text = ground.run("ca show office").good().says("the newest 20 of 30").out;
    assert!(text.contains("7f29") && text.contains("7f10") && !text.contains("7f09"), "{text}");
}

#[test]
fn help_names_the_ranges() {
    let ground = Ground::new();
    ground.run("ca issue --help").good().says("1 to 200 days");
    ground.run("ca sign --help").good().says("1 to 200 days");
    ground.run("ca crl --help").good().says("1 to 366 days");
    ground.run("ca init --help").good().says("1 to 30 years");
    ground.run("ca rekey --help").good().says("1 to 30 years");
}

#[test]
fn wrong_words_are_told_as_that() {
    let ground = Ground::new();
    for verb in
        ["show office", "issue office a.example.org", "revoke office 4f", "crl office", "rekey office", "export office"]
    {
        ground.run(&format!("ca {verb}")).misunderstood("there is no CA office");
    }
    ground.run("ca init office --permit example.org").good();
    for verb in ["show offise", "issue offise a.example.org", "revoke offise 4f", "crl offise", "rekey offise --switch"]
    {
        let ran = ground.run(&format!("ca {verb}")).misunderstood("there is no CA offise");
        assert!(ran.err.contains("those there are: office"), "{}", ran.err);
    }
    let ran = ground.run("ca init web --permit https://x.lan").misunderstood("cannot permit \"https://x.lan\"");
    assert!(ran.err.contains("name a domain (`example.org`)"), "{}", ran.err);
    ground.run("ca init ../x --permit example.org").misunderstood("cannot be the name of a CA");
    ground.run("ca init other --permit example.org --years 31").misunderstood("give `--years` a number from 1 to 30");
    ground.run("ca rekey office --years 31").misunderstood("1 to 30 are possible");
    ground.run("ca issue office a.example.org --days 500").misunderstood("give `--days` a number from 1 to 200");
    ground.run("ca crl office --days 367").misunderstood("cannot make a revocation list of the CA office");
    ground.run("ca revoke office 4f").refused("cannot revoke a certificate of the CA office");
    ground.run("ca crl office --output nodir/x.crl").refused("name a file in a directory that is there");
    ground.run("ca issue office a.example.org --output nodir").refused("make the directory first");
}

/// What was asked for on standard output is there all the same.
#[test]
fn quiet_says_nothing_of_what_went_well() {
    let ground = Ground::new();
    fs::create_dir(ground.path("out")).unwrap();
    for line in [
        "ca init office --permit example.org",
        "ca issue office www.example.org --output out",
        "ca revoke office out/fullchain.pem",
        "ca crl office --output office.crl",
        "ca rekey office",
        "ca export office --out roots.pem",
        "ca rekey office --switch",
        "ca rekey office --retire --force",
    ] {
        let ran = ground.run(&format!("-q {line}")).good();
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""), "{line}");
    }
    ground.run("-q ca crl office").good().says("BEGIN X509 CRL");
    ground.run("-q ca export office").good().says("BEGIN CERTIFICATE");
    ground.run("-q ca show office").good().says("certificate authority");
    ground.run("-q --dry-run ca init other --permit example.org").good().says("would be made");
}
