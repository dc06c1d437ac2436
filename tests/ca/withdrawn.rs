//! What becomes of a target whose certificate its own CA has revoked, or whose source names another CA by now.

use std::fs;

use serde_json::Value;

use crate::ground::Ground;

/// A target that was renewed from the CA `office`, its first certificate as `old.pem`.
fn renewed(extra: &str) -> Ground {
    let ground = Ground::new();
    configured(&ground, "office", extra);
    ground.openssl("req -x509 -newkey rsa:2048 -nodes -keyout web.key -subj /CN=www.example.org -days 9 -out web.pem");
    fs::copy(ground.path("web.pem"), ground.path("first.pem")).unwrap();
    ground.run("ca init office --permit example.org").good();
    ground.run("renew web").good();
    fs::copy(ground.path("web.pem"), ground.path("old.pem")).unwrap();
    ground.run("renew web").good().says("good for now");
    ground
}

fn configured(ground: &Ground, ca: &str, extra: &str) {
    let text = format!(
        "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{0}/web.pem\"\nkey = \"{0}/web.key\"\n\
         {extra}\n[target.source]\nkind = \"local-ca\"\nca = \"{ca}\"\n",
        ground.path("").display()
    );
    ground.write("reseal.toml", text.as_bytes());
}

fn codes(answer: &Value) -> Vec<&str> {
    let findings = answer["results"][0]["findings"].as_array().unwrap();
    findings.iter().filter_map(|finding| finding["code"].as_str()).collect()
}

fn issuer(ground: &Ground) -> String {
    ground.openssl("x509 -in web.pem -noout -issuer")
}

#[test]
fn what_is_revoked_is_told_and_replaced() {
    let ground = renewed("");
    let serial = ground.openssl("x509 -in old.pem -noout -serial").trim().replace("serial=", "");
    ground.run(&format!("ca revoke office {serial} --reason superseded")).good();
    for verb in ["check web", "status web"] {
        assert!(codes(&ground.json(verb)).contains(&"revoked"), "{verb}");
    }
    ground.run("check web").ends(3).says("was revoked by the CA office on").says("(superseded)");
    ground.run("snapshot web").ends(3);
    ground.run("--dry-run renew web").good().says("was revoked by the CA office");
    let renewed = ground.run("renew web").good().says("was revoked by the CA office");
    assert!(!renewed.out.contains("go back"), "`restore` would refuse it: {}", renewed.out);
    assert_ne!(ground.read("web.pem"), ground.read("old.pem"));
    assert!(ground.openssl("verify -CAfile state/ca/office/root.pem web.pem").contains("OK"));
    assert_eq!(codes(&ground.json("check web")), [""; 0]);
    ground.run("renew web").good().says("good for now");
    // The timer does the same, by itself.
    ground.run("ca revoke office web.pem").good();
    fs::copy(ground.path("web.pem"), ground.path("second.pem")).unwrap();
    ground.run("maintain").good().says("was revoked");
    assert_ne!(ground.read("web.pem"), ground.read("second.pem"));
}

/// Whoever has the key goes on with it under the next certificate, if that is for the same.
#[test]
fn a_compromised_key_is_not_kept() {
    let public = |ground: &Ground| ground.openssl("pkey -in web.key -pubout");
    for (reason, kept) in [("key-compromise", false), ("superseded", true)] {
        let ground = renewed("");
        let before = public(&ground);
        ground.run(&format!("ca revoke office old.pem --reason {reason}")).good();
        ground.run("renew web --keep-key").good();
        assert_eq!(public(&ground) == before, kept, "{reason}");
    }
}

#[test]
fn what_is_revoked_does_not_come_back() {
    let ground = renewed("");
    fs::copy(ground.path("web.key"), ground.path("old.key")).unwrap();
    ground.run("stage web --force").good();
    let staged = ground.json("status web")["results"][0]["next"]["leaf"]["serial"].as_str().unwrap().to_owned();
    ground.run(&format!("ca revoke office {staged}")).good();
    ground.run("activate web").refused("was revoked by the CA office");
    ground.run("ca revoke office old.pem --reason key-compromise").good();
    // Neither what is staged nor what was committed is good for it.
    ground.run("renew web").good();
    let serial = || ground.openssl("x509 -in web.pem -noout -serial").trim().to_lowercase().replace("serial=", "");
    assert!(ground.read("web.pem") != ground.read("old.pem") && serial() != staged);

    ground.run("restore web 2").refused("was revoked by the CA office").warns("--force");
    ground.run("restore web").refused("it is self-signed, and that one is not").warns("restore web 1`");
    ground.run("restore web 1").good();
    assert_eq!(ground.read("web.pem"), ground.read("first.pem"), "of what is kept, the one that nobody has revoked");
    ground.run("install web --cert old.pem --key old.key").refused("was revoked by the CA office").warns("--force");
    ground.run("--force restore web 2").good();
    assert_eq!(ground.read("web.pem"), ground.read("old.pem"));

    // What was committed last is revoked by now, and an upgrade has brought its own back.
    ground.openssl("req -x509 -newkey rsa:2048 -nodes -keyout web.key -subj /CN=appliance -days 9 -out web.pem");
    ground.run("post-upgrade web").good();
    assert_ne!(ground.read("web.pem"), ground.read("old.pem"));
    assert!(ground.openssl("verify -CAfile state/ca/office/root.pem web.pem").contains("OK"));
}

/// Another CA may have given the same number: only the one that has signed it takes it back.
#[test]
fn the_number_of_another_ca_revokes_nothing() {
    let ground = Ground::new();
    for name in ["one", "two"] {
        ground.openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -subj /CN={name} -addext keyUsage=keyCertSign,cRLSign -days 99 -out {name}.pem"
        ));
        ground.run(&format!("ca import {name} --cert {name}.pem --key {name}.key --permit example.org")).good();
        ground.openssl("req -new -newkey rsa:2048 -nodes -keyout web.key -subj /CN=www.example.org -out web.csr");
        ground.write("ext", b"subjectAltName=DNS:www.example.org\nextendedKeyUsage=serverAuth\n");
        ground.openssl(&format!(
            "x509 -req -in web.csr -CA {name}.pem -CAkey {name}.key -set_serial 77 -days 60 -extfile ext -out web.pem"
        ));
        fs::copy(ground.path("web.pem"), ground.path(&format!("of-{name}.pem"))).unwrap();
    }
    configured(&ground, "two", "");
    ground.run("ca revoke one of-one.pem").good();
    assert!(!codes(&ground.json("check web")).contains(&"revoked"));
    ground.run("ca revoke two of-two.pem").good();
    assert!(codes(&ground.json("check web")).contains(&"revoked"));
}

#[test]
fn another_ca_in_the_configuration_issues_another_certificate() {
    let ground = renewed("");
    ground.run("ca init branch --permit example.org").good();
    ground.run("renew web").good().says("good for now");
    configured(&ground, "branch", "");
    ground.run("--dry-run renew web").good().says("it is from the CA office, and the configuration names branch");
    ground.run("renew web").good().says("it is from the CA office, and the configuration names branch");
    assert!(issuer(&ground).contains("branch"), "{}", issuer(&ground));
    ground.run("renew web").good().says("good for now");
    // The timer does it too, and a name that no CA has changes nothing.
    configured(&ground, "offcie", "");
    let before = ground.read("web.pem");
    ground.run("renew web").good();
    assert_eq!(ground.read("web.pem"), before);
    configured(&ground, "office", "");
    ground.run("maintain").good();
    assert!(issuer(&ground).contains("office"), "{}", issuer(&ground));
}

/// Somebody else's certificate that is good was put there on purpose: it stays until it is due.
#[test]
fn what_a_stranger_has_issued_stays_until_it_is_due() {
    let ground = renewed("");
    ground.run("ca init branch --permit example.org").good();
    ground.openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=Public -days 99 -out ca.pem");
    ground.openssl("req -new -newkey rsa:2048 -nodes -keyout own.key -subj /CN=www.example.org -out own.csr");
    ground.write("ext", b"subjectAltName=DNS:www.example.org\nextendedKeyUsage=serverAuth\n");
    ground.openssl("x509 -req -in own.csr -CA ca.pem -CAkey ca.key -days 60 -extfile ext -out own.pem");
    ground.run("install web --cert own.pem --key own.key --downgrade").good();
    let before = ground.read("web.pem");
    ground.run("renew web").good();
    assert_eq!(ground.read("web.pem"), before);
}

/// With nothing to do nothing is written, and of a long record nothing is passed over.
#[test]
fn one_revocation_is_found_in_a_long_record() {
    let ground = Ground::new();
    let mut text = String::new();
    for number in 0..200 {
        text += &format!(
            "[[target]]\nname = \"t{number}\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{0}/t{number}.pem\"\n\
             key = \"{0}/t{number}.key\"\n[target.source]\nkind = \"local-ca\"\nca = \"office\"\n",
            ground.path("").display()
        );
    }
    ground.write("reseal.toml", text.as_bytes());
    ground.run("ca init office --permit example.org").good();
    ground.run("renew").good();
    let record = ground.of_ca("office", "issued");
    let line = fs::read_to_string(&record).unwrap().lines().next().unwrap().to_owned();
    let long: String = std::iter::repeat_n(format!("{line}\n"), 20_000).collect();
    fs::write(&record, long + &fs::read_to_string(&record).unwrap()).unwrap();
    let changed = fs::metadata(ground.path("state/ca/office")).unwrap().modified().unwrap();
    ground.run("renew").good().says("good for now");
    assert_eq!(fs::metadata(ground.path("state/ca/office")).unwrap().modified().unwrap(), changed);
    ground.run("ca revoke office t7.pem").good();
    let ran = ground.run("renew").good();
    assert_eq!(ran.out.matches("was revoked").count(), 1, "{}", ran.out);
}

/// What is revoked is worth nothing: that it would last longer is no reason to keep it.
#[test]
fn what_has_to_go_is_not_held_against_what_comes() {
    let ground = renewed("");
    ground.run("ca revoke office old.pem --reason key-compromise").good();
    ground.openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=Public -days 99 -out ca.pem");
    ground.openssl("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -subj /CN=www.example.org -out own.csr");
    ground.write("ext", b"subjectAltName=DNS:www.example.org\nextendedKeyUsage=serverAuth\n");
    ground.openssl("x509 -req -in own.csr -CA ca.pem -CAkey ca.key -days 20 -extfile ext -out own.pem");
    let text = String::from_utf8(ground.read("reseal.toml")).unwrap();
    let (target, _) = text.split_once("[target.source]").unwrap();
    let from = format!("from = [\"{0}/own.pem\", \"{0}/own.key\"]\n", ground.path("").display());
    ground.write("reseal.toml", format!("{target}[target.source]\nkind = \"import\"\n{from}").as_bytes());
    ground.run("renew web").good().says("was revoked by the CA office");
    assert_eq!(ground.openssl("x509 -in web.pem -noout -serial"), ground.openssl("x509 -in own.pem -noout -serial"));
}

/// A certificate is good however its file is written: that this has to be mended leads nothing worse into its place.
#[test]
fn what_is_written_wrongly_has_its_worth_all_the_same() {
    let ground = renewed("");
    let text = String::from_utf8(ground.read("web.pem")).unwrap();
    ground.write("web.pem", text.replace("-----END", "\n-----END").as_bytes());
    assert!(codes(&ground.json("check web")).contains(&"pem-blank-line"));
    ground.openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout own.key -subj /CN=own -addext subjectAltName=DNS:www.example.org -days 300 -out own.pem",
    );
    ground.run("install web --cert own.pem --key own.key").refused("it is self-signed, and that one is not");
    // Nor does it matter that the service's own test fails for it: that is what is mended.
    let check = format!("check = [\"/bin/sh\", \"-c\", \"! grep '^$' {}\"]", ground.path("web.pem").display());
    configured(&ground, "office", &check);
    ground.run("renew web").good().says("a blank line inside the block");
    ground.run("renew web").good().says("good for now");
}
