//! CAs that others have made.

use std::fs;

use crate::clients::{Case, all_take, chain};
use crate::ground::Ground;

/// A root and an intermediate as companies have them: names with repeated attributes, a P-521 key.
fn corporate(ground: &Ground) {
    ground.write(
        "corp.cnf",
        b"[req]\ndistinguished_name=dn\nprompt=no\n[dn]\n0.DC=com\n1.DC=example\nO=Example\n0.OU=PKI\n1.OU=Root\nCN=Example Root\n\
          [root]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n\
          [sub]\nbasicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n\
          authorityKeyIdentifier=keyid\n\
          [nosign]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n\
          [constrained]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n\
          authorityKeyIdentifier=keyid\nnameConstraints=critical,permitted;DNS:branch.example.org\n\
          [server]\nbasicConstraints=CA:FALSE\nsubjectAltName=DNS:a.example.org\n\
          [flat]\nbasicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n",
    );
    ground.openssl(
        "req -x509 -config corp.cnf -extensions root -newkey rsa:3072 -nodes -keyout root.key -days 3650 -out root.pem",
    );
    ground.openssl("ecparam -name secp521r1 -genkey -noout -out sub.plain");
    ground.write("sub.pass", b"old passphrase");
    ground.openssl("pkcs8 -topk8 -in sub.plain -v2 aes256 -passout file:sub.pass -out sub.key");
    below(ground, "sub", "sub", "/DC=com/DC=example/O=Example/OU=PKI/OU=Branch+CN=Example Sub", "-days 1000");
}

/// A certificate of the root for `NAME.plain`, into `NAME.pem`.
fn below(ground: &Ground, name: &str, section: &str, subject: &str, dates: &str) {
    let mut command = std::process::Command::new("openssl");
    let words = format!("req -new -config corp.cnf -multivalue-rdn -key {name}.plain -out {name}.csr -subj");
    let made = command.current_dir(ground.path(".")).args(words.split(' ')).arg(subject).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    ground.openssl(&format!(
        "x509 -req -in {name}.csr -CA root.pem -CAkey root.key -CAcreateserial -extfile corp.cnf -extensions {section} {dates} -out {name}.pem"
    ));
}

fn key(ground: &Ground, name: &str) {
    ground.openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {name}.plain"));
}

#[test]
fn a_corporate_intermediate_issues() {
    let ground = Ground::new();
    corporate(&ground);
    ground.secret("sub.pass", "old passphrase");
    let line = "ca import corp --cert sub.pem --key sub.key --chain root.pem --permit example.org --key-passphrase-file sub.pass";
    let planned = ground.json(&format!("--dry-run {line}"));
    assert_eq!(
        (planned["exit"].as_i64(), planned["results"][0]["imported"].as_bool()),
        (Some(0), Some(true)),
        "{planned}"
    );
    assert_eq!(planned["results"][0]["step"], serde_json::json!({ "what": "taken-over", "roots": [1], "done": false }));
    let planned = ground.run(&format!("--dry-run {line}")).good().says("corp: would be taken over");
    assert!(!planned.out.contains("next "), "{}", planned.out);
    assert!(!ground.path("state").exists());
    ground
        .run(line)
        .good()
        .says("corp: taken over")
        .says("issuing ")
        .says("OU=Branch + CN=Example Sub")
        .says("P-521, encrypted");

    fs::create_dir(ground.path("out")).unwrap();
    ground.run("ca issue corp www.example.org --output out").good();
    all_take(&ground, &[Case::new(ground.path("root.pem"), chain(&ground, "out"), "www.example.org")]);
    let issuer = ground.openssl("x509 -in out/fullchain.pem -noout -issuer -nameopt RFC2253");
    let subject = ground.openssl("x509 -in sub.pem -noout -subject -nameopt RFC2253");
    assert_eq!(issuer.strip_prefix("issuer="), subject.strip_prefix("subject="));
    assert!(issuer.contains("DC=example,DC=com") && issuer.contains("OU=PKI"), "{issuer}");

    // The key lies under the passphrase of the CA here, and no longer under that of the file.
    let kept = ground.of_ca("corp", "issuer.key");
    assert!(fs::read_to_string(&kept).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    ground.openssl(&format!("pkey -in {} -passin file:pass -noout", kept.display()));
    assert!(!ground.openssl_tried(&format!("pkey -in {} -passin file:sub.pass -noout", kept.display())).0);
    ground.run(line).refused("cannot make the CA corp");
    ground.run("ca issue corp www.example.com").refused("may not sign www.example.com");
}

#[test]
fn it_comes_in_any_packing() {
    let ground = Ground::new();
    corporate(&ground);
    ground.secret("sub.pass", "old passphrase");
    ground.openssl("x509 -in sub.pem -outform DER -out sub.cer");
    ground.openssl("pkcs8 -topk8 -nocrypt -in sub.plain -outform DER -out sub.p8");
    ground
        .openssl("pkcs12 -export -in sub.pem -inkey sub.plain -certfile root.pem -passout file:sub.pass -out sub.p12");
    ground.openssl("crl2pkcs7 -nocrl -certfile root.pem -certfile sub.pem -out chain.p7b");
    ground.openssl("pkcs8 -topk8 -in sub.plain -v2 aes256 -passout file:pass -out same.key");
    let keytool = std::process::Command::new("keytool")
        .current_dir(ground.path("."))
        .args(
            "-importkeystore -noprompt -srckeystore sub.p12 -srcstoretype PKCS12 -srcstorepass:file sub.pass"
                .split(' '),
        )
        .args("-destkeystore sub.jks -deststoretype JKS -deststorepass:file sub.pass".split(' '))
        .output();
    match keytool {
        Ok(made) => {
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
            ground.run("ca import jks --cert sub.jks --key-passphrase-file sub.pass --permit example.org").good();
            ground.run("ca import x --cert sub.jks --permit example.org").refused("--key-passphrase-file");
        }
        Err(_) => eprintln!("skipped: a keystore of Java, because there is no keytool"),
    }
    let packings = [
        ("der", "--cert sub.cer --key sub.p8 --chain root.pem"),
        ("p12", "--cert sub.p12 --key-passphrase-file sub.pass"),
        ("p7b", "--cert chain.p7b --key sub.plain"),
        ("same", "--cert sub.pem --key same.key --chain root.pem"),
        ("rootless", "--cert sub.pem --key sub.plain"),
    ];
    for (name, files) in packings {
        ground.run(&format!("ca import {name} {files} --permit example.org")).good();
        fs::create_dir(ground.path(name)).unwrap();
        ground.run(&format!("ca issue {name} www.example.org --output {name}")).good();
        all_take(&ground, &[Case::new(ground.path("root.pem"), chain(&ground, name), "www.example.org")]);
    }
    ground.run("ca import locked --cert sub.pem --key sub.key --permit example.org").refused("--key-passphrase-file");
}

/// A root of the old days: no key identifier, old kinds of strings in the name, its own key usage absent.
#[test]
fn a_root_without_key_identifier_issues() {
    let ground = Ground::new();
    ground.write(
        "old.cnf",
        b"[req]\ndistinguished_name=dn\nprompt=no\nstring_mask=nombstr\nx509_extensions=ca\n[dn]\nC=DE\n0.OU=One\n1.OU=Two\n\
          [ca]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=none\nauthorityKeyIdentifier=none\n",
    );
    ground.openssl("req -x509 -config old.cnf -newkey rsa:2048 -nodes -keyout old.key -days 1000 -out old.pem");
    assert!(!ground.shown(&ground.path("old.pem")).contains("Key Identifier"));
    ground.run("ca import old --cert old.pem --key old.key --permit example.org").good();
    fs::create_dir(ground.path("out")).unwrap();
    ground.run("ca issue old www.example.org --output out").good();
    let identifier = ground.openssl("x509 -in old.pem -noout -ocspid");
    let by_key =
        identifier.lines().find_map(|line| line.trim().strip_prefix("Public key OCSP hash: ")).unwrap().to_owned();
    let leaf = ground.shown(&chain(&ground, "out")).replace(':', "");
    assert!(leaf.contains(&format!("Authority Key Identifier {by_key}")), "method 1 of RFC 5280: {leaf}");
    // Strict checks want a key identifier in the root as well, so this client is asked the usual way.
    ground.openssl("verify -purpose sslserver -verify_hostname www.example.org -CAfile old.pem out/fullchain.pem");
    let served = String::from_utf8(ground.read("out/fullchain.pem")).unwrap();
    assert_eq!(served.matches("BEGIN CERTIFICATE").count(), 1, "a root that issues is not sent");
}

#[test]
fn what_cannot_issue_is_refused_with_the_reason() {
    let ground = Ground::new();
    corporate(&ground);
    for (name, section, dates) in [
        ("nosign", "nosign", "-days 9"),
        ("server", "server", "-days 9"),
        ("constrained", "constrained", "-days 9"),
        ("deep", "sub", "-days 9"),
    ] {
        key(&ground, name);
        below(&ground, name, section, &format!("/CN={name}"), dates);
    }
    key(&ground, "other");
    let import = |files: &str| ground.run(&format!("ca import x {files} --permit example.org"));
    import("--cert sub.pem --key other.plain").refused("belongs to none of the certificates");
    import("--cert server.pem --key server.plain").refused("server is no CA");
    import("--cert nosign.pem --key nosign.plain").refused("its key usage leaves keyCertSign out");
    import("--cert constrained.pem --key constrained.plain --chain root.pem")
        .refused("may not issue for one of its names");
    import("--cert root.pem").refused("no private key of a CA was found");
    import("--cert sub.plain").refused("no certificate was found");
    import("--cert missing.pem").refused("cannot read missing.pem");

    // A CA below one that allows none below it.
    ground.openssl(
        "req -x509 -config corp.cnf -extensions flat -newkey rsa:2048 -nodes -keyout root.key -days 99 -out root.pem",
    );
    key(&ground, "low");
    below(&ground, "low", "sub", "/CN=low", "-days 9");
    import("--cert low.pem --key low.plain --chain root.pem").refused("allows fewer CAs below it than there are");

    for (when, told) in [("+2d", "is not valid before"), ("-20d", "has expired on")] {
        let mut command = std::process::Command::new("faketime");
        command.current_dir(ground.path(".")).args(["-f", when, "openssl", "req", "-x509", "-config", "corp.cnf"]);
        command.args("-extensions root -key other.plain -days 9 -out dated.pem".split(' '));
        match command.output() {
            Ok(made) => {
                assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
                import("--cert dated.pem --key other.plain").refused(told);
            }
            Err(_) => eprintln!("skipped: a CA that {told}, because there is no faketime"),
        }
    }
    assert!(!ground.path("state/ca/x").exists());
}

/// A CA that could not serve the targets that name it is told before it is theirs.
#[test]
fn the_targets_that_name_it_must_be_served() {
    let ground = Ground::new();
    corporate(&ground);
    key(&ground, "constrained");
    below(&ground, "constrained", "constrained", "/CN=constrained", "-days 9");
    ground.write(
        "reseal.toml",
        b"[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"/x/c\"\nkey = \"/x/k\"\n\
          [target.source]\nkind = \"local-ca\"\nca = \"corp\"\n",
    );
    let files = "--cert constrained.pem --key constrained.plain --chain root.pem";
    ground
        .run(&format!("ca import corp {files} --permit branch.example.org"))
        .refused("may not sign www.example.org: it is permitted branch.example.org only");
    ground
        .run(&format!("ca import corp {files} --permit branch.example.org --permit www.example.org"))
        .refused("may not issue");
    ground.run(&format!("ca import other {files} --permit branch.example.org")).good();
}

/// Whose key it is decides what issues, and that is what was named.
#[test]
fn the_key_of_another_than_was_named_is_refused() {
    let ground = Ground::new();
    corporate(&ground);
    let import = |files: &str| ground.run(&format!("ca import corp {files} --permit example.org"));
    import("--cert sub.pem --key root.key --chain root.pem")
        .refused("Example Root, and not to Example Sub, which is in sub.pem");
    assert!(!ground.of_ca("corp", "profile").exists());
    // In one file with those above it, it is the one that the key is for.
    ground.write("both.pem", &[ground.read("root.pem"), ground.read("sub.pem")].concat());
    import("--cert both.pem --key sub.plain").good();
    assert_eq!(ground.json("ca show corp")["results"][0]["intermediate"]["root_key_here"], false);
}

#[test]
fn without_its_root_it_is_told_what_is_not_known() {
    let ground = Ground::new();
    corporate(&ground);
    let ran = ground.run("ca import corp --cert sub.pem --key sub.plain --permit example.org").good();
    for told in ["root       not known here", "P-521, encrypted", "trusts the root above", "issuer.pem"] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
    for told in ["kept elsewhere", "give the root", "issuing"] {
        assert!(!ran.out.contains(told), "{told}: {}", ran.out);
    }
    assert_eq!(ground.json("ca show corp")["results"][0]["root_known"], false);
}

/// Why clients would refuse it is told, and what to permit instead.
#[test]
fn what_clients_would_refuse_is_not_taken_over_and_the_reason_told() {
    let ground = Ground::new();
    ground.openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout c.key -subj /CN=narrow -addext keyUsage=keyCertSign,cRLSign \
         -addext nameConstraints=critical,permitted;DNS:other.org -days 99 -out c.pem",
    );
    let line = "ca import corp --cert c.pem --key c.key --permit";
    for line in [format!("{line} example.org"), format!("--dry-run {line} example.org")] {
        ground
            .run(&line)
            .refused("cannot take over the CA corp: clients would refuse what it issues")
            .warns("may not issue for one of its names")
            .warns("hint: permit with `--permit` what its certificates allow");
    }
    assert!(!ground.of_ca("corp", "profile").exists());
    ground.run(&format!("{line} other.org")).good();
}
