//! Every kind of key.

use std::fs;

use crate::clients::{Case, all_refuse, all_take, chain, root};
use crate::ground::Ground;

const KINDS: [&str; 7] = ["p256", "p384", "p521", "ed25519", "rsa2048", "rsa3072", "rsa4096"];

#[test]
fn every_client_takes_every_kind() {
    let ground = Ground::new();
    let mut cases = Vec::new();
    // GnuTLS and Java read Ed25519 too; a CA of each kind issues to each of the small kinds, and a small one to each.
    for kind in KINDS {
        ground
            .run(&format!("ca init {kind} --permit example.org --permit 10.0.0.0/8 --key-type {kind} --intermediate"))
            .good();
        for leaf in ["p256", kind] {
            let directory = format!("{kind}-{leaf}");
            fs::create_dir_all(ground.path(&directory)).unwrap();
            if ground.path(&directory).join("privkey.pem").exists() {
                continue;
            }
            ground
                .run(&format!("ca issue {kind} www.example.org 10.0.0.7 --key-type {leaf} --output {directory}"))
                .good();
            ground.openssl(&format!("pkey -in {directory}/privkey.pem -noout -check"));
            cases.push(Case::new(root(&ground, kind), chain(&ground, &directory), "www.example.org"));
            cases.push(Case::new(root(&ground, kind), chain(&ground, &directory), "10.0.0.7"));
        }
    }
    assert_eq!(cases.len(), 26);
    all_take(&ground, &cases);
    let others: Vec<Case> = cases.iter().map(|case| Case::new(&case.root, &case.chain, "mail.example.org")).collect();
    all_refuse(&ground, &others);
}

/// The constraints stand in the root and in the intermediate: some clients, Java among them, do not look at those of a root.
#[test]
fn every_client_refuses_what_lies_outside() {
    let ground = Ground::new();
    let sets: [(&str, &str, &[&str]); 3] = [
        ("domain", "example.org", &["example.com", "badexample.org", "10.0.0.1", "fd00::1"]),
        ("address", "10.0.0.0/8", &["example.org", "11.0.0.1", "fd00::1"]),
        ("family", "fd00::/8", &["10.0.0.1", "fe80::1", "example.org"]),
    ];
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for (ca, permit, hosts) in sets {
        ground.run(&format!("ca init {ca} --permit {permit} --intermediate")).good();
        for (number, host) in hosts.iter().enumerate() {
            let name = format!("{ca}-{number}");
            ground.run(&format!("ca issue {ca} {host}")).refused("may not sign");
            ground.forge(ca, &name, host);
            outside.push(Case::new(root(&ground, ca), ground.path(&format!("{name}.pem")), host));
        }
    }
    // The same forger is believed inside, so it is the constraints that stop it.
    for (ca, host) in [("domain", "www.example.org"), ("address", "10.0.0.1"), ("family", "fd00::1")] {
        ground.forge(ca, &format!("{ca}-in"), host);
        inside.push(Case::new(root(&ground, ca), ground.path(&format!("{ca}-in.pem")), host));
    }
    all_take(&ground, &inside);
    all_refuse(&ground, &outside);
}
