//! A root whose key is not needed to issue.

use std::fs;

use crate::clients::{Case, all_take, chain, root};
use crate::ground::Ground;

#[test]
fn the_intermediate_issues_and_is_sent() {
    let ground = Ground::new();
    let line = "ca init office --permit example.org --intermediate --years 3 --crl-url http://ca.example.org/office.crl \
                --issuer-url http://ca.example.org/office.cer";
    let planned = ground.json(&format!("--dry-run {line}"));
    assert_eq!(planned["results"][0]["intermediate"]["subject"], "CN=reseal local CA office issuing");
    assert!(planned["results"][0]["intermediate"]["fingerprint"].is_null() && !ground.path("state").exists());
    ground
        .run(line)
        .good()
        .says("issuing")
        .says("CN=reseal local CA office issuing")
        .says("http://ca.example.org/office.crl");

    let of_root = ground.shown(&root(&ground, "office"));
    for expected in ["CA:TRUE, pathlen:1", "Subject: CN = reseal local CA office", "Permitted: DNS:example.org"] {
        assert!(of_root.contains(expected), "{expected}: {of_root}");
    }
    let of_issuer = ground.shown(&ground.of_ca("office", "issuer.pem"));
    for expected in [
        "CA:TRUE, pathlen:0",
        "Issuer: CN = reseal local CA office",
        "Subject: CN = reseal local CA office issuing",
        "X509v3 Key Usage: critical Certificate Sign, CRL Sign",
        "X509v3 Name Constraints: critical Permitted: DNS:example.org Excluded: IP:0.0.0.0/0.0.0.0",
    ] {
        assert!(of_issuer.contains(expected), "{expected}: {of_issuer}");
    }

    fs::create_dir(ground.path("out")).unwrap();
    ground.run("ca issue office www.example.org --output out").good();
    let served = String::from_utf8(ground.read("out/fullchain.pem")).unwrap();
    assert_eq!(served.matches("BEGIN CERTIFICATE").count(), 2, "leaf and intermediate, and no root");
    let leaf = ground.shown(&chain(&ground, "out"));
    for expected in [
        "Issuer: CN = reseal local CA office issuing",
        "URI:http://ca.example.org/office.crl",
        "Authority Information Access: CA Issuers - URI:http://ca.example.org/office.cer",
    ] {
        assert!(leaf.contains(expected), "{expected}: {leaf}");
    }
    all_take(&ground, &[Case::new(root(&ground, "office"), chain(&ground, "out"), "www.example.org")]);

    // Nothing needs the root's key from now on.
    fs::remove_file(ground.of_ca("office", "root.key")).unwrap();
    fs::create_dir(ground.path("more")).unwrap();
    ground.run("ca issue office www.example.org --output more").good();
    ground.run("ca show office").good().says("kept elsewhere");
    assert_eq!(ground.json("ca show office")["results"][0]["intermediate"]["root_key_here"], false);
}

#[test]
fn what_clients_could_not_follow_is_refused() {
    let ground = Ground::new();
    for url in ["https://ca.example.org/x", "ldap://x", "http://a\u{e4}/x", "http:///x"] {
        ground.run(&format!("ca init office --permit lan --crl-url {url}")).misunderstood("cannot write the URL");
    }
    ground.run("ca init office --permit lan --intermediate --path-length 255").misunderstood("254 are possible");
    ground.run("ca init office --permit lan --path-length 255").good();
    ground.run("ca show").good().says("office");
}

/// A mixed-up pair of files is no CA.
#[test]
fn certificates_that_do_not_belong_together_are_told() {
    let ground = Ground::new();
    ground.run("ca init one --permit lan --intermediate").good();
    ground.run("ca init two --permit lan --intermediate").good();
    fs::copy(ground.of_ca("two", "issuer.pem"), ground.of_ca("one", "issuer.pem")).unwrap();
    ground.run("ca show one").refused("reseal local CA two issuing is not issued by reseal local CA one");
}
