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

/// ML-DSA (RFC 9881) is judged by webpki alone, as most clients cannot read it; so it is made only where somebody insists.
#[test]
fn a_kind_for_the_future_is_made_only_where_asked_for() {
    let ground = Ground::new();
    ground
        .run("ca init lab --permit example.org --key-type ml-dsa-65")
        .misunderstood("a key of the kind ml-dsa-65 is read by few clients yet");
    for set in ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"] {
        let init = format!("ca init {set} --permit example.org --key-type {set} --experimental --intermediate");
        ground.run(&init).good();
        for leaf in ["own", "usual"] {
            fs::create_dir(ground.path(&format!("{set}-{leaf}"))).unwrap();
        }
        ground
            .run(&format!("ca issue {set} www.example.org --key-type {set} --experimental --output {set}-own"))
            .good();
        ground.run(&format!("ca issue {set} www.example.org --output {set}-usual")).good();
        ground.run(&format!("ca issue {set} www.example.org --key-type {set}")).misunderstood("add `--experimental`");
        // Served, and taken by a client that knows it: the key signs the handshake and the CA's signatures are checked.
        for directory in ["own", "usual"].map(|leaf| format!("{set}-{leaf}")) {
            handshake(&ground, set, &directory);
        }
    }
    let shown = ground.run("check ml-dsa-65-own/fullchain.pem");
    assert!(shown.out.contains("its key is ML-DSA-65"), "{}", shown.out);
    ground.run("ca rekey ml-dsa-44").good();
    let shown = ground.run("ca show ml-dsa-44").good();
    assert!(shown.out.contains("ML-DSA-44"), "{}", shown.out);
}

fn handshake(ground: &Ground, ca: &str, directory: &str) {
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = CertificateDer::pem_file_iter(chain(ground, directory)).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(ground.path(directory).join("privkey.pem")).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let server = server.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root(ground, ca)).unwrap()).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(client), "www.example.org".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().unwrap();
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }
}
