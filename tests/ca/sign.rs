//! Requests of strangers.

use std::fs;
use std::process::Command;

use crate::clients::{Case, all_take, root};
use crate::ground::Ground;

const SAN: &str = "-addext subjectAltName=DNS:www.example.org,IP:10.0.0.7";

fn ground() -> Ground {
    let ground = Ground::new();
    ground.run("ca init office --permit example.org --permit 10.0.0.0/8 --intermediate").good();
    ground
}

/// Each kind of key as OpenSSL signs its request when it is not told otherwise: with SHA-256 for P-384 and P-521 too, by which the
/// library that writes certificates takes the key for one of another curve.
#[test]
fn every_kind_that_openssl_makes_is_certified() {
    let ground = ground();
    let mut cases = Vec::new();
    for (name, words) in [
        ("p256", "-newkey ec -pkeyopt ec_paramgen_curve:P-256"),
        ("p384", "-newkey ec -pkeyopt ec_paramgen_curve:P-384"),
        ("p384-sha384", "-newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384"),
        ("p521", "-newkey ec -pkeyopt ec_paramgen_curve:P-521"),
        ("p521-sha512", "-newkey ec -pkeyopt ec_paramgen_curve:P-521 -sha512"),
        ("rsa", "-newkey rsa:2048"),
        ("rsa-pss", "-newkey rsa:2048 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"),
        ("ed25519", "-newkey ed25519"),
    ] {
        ground.openssl(&format!(
            "req -new -nodes {words} -keyout {name}.key -subj /O=Stranger/CN=x {SAN} -out {name}.csr"
        ));
        ground.run(&format!("ca sign office {name}.csr --output {name}.pem")).good().says("signed");
        let certified = ground.openssl(&format!("x509 -in {name}.pem -noout -pubkey"));
        assert_eq!(
            certified,
            ground.openssl(&format!("pkey -in {name}.key -pubout")),
            "{name}: the stranger's own key"
        );
        for host in ["www.example.org", "10.0.0.7"] {
            cases.push(Case::new(root(&ground, "office"), ground.path(&format!("{name}.pem")), host));
        }
    }
    all_take(&ground, &cases);
    assert_eq!(ground.json("ca show office")["results"][0]["issued"], 8);
}

#[test]
fn java_and_der_and_standard_output() {
    let ground = ground();
    if Command::new("keytool").arg("-help").output().is_err() {
        eprintln!("skipped: requests of Java, because there is no keytool");
        return;
    }
    for (name, algorithm) in [("rsa", "-keyalg RSA -keysize 2048"), ("ec", "-keyalg EC -groupname secp384r1")] {
        let keytool = |words: &str| {
            let store = format!("-keystore {name}.p12 -storetype PKCS12 -storepass:file pass -alias web");
            let mut command = Command::new("keytool");
            command.current_dir(ground.path(".")).args(words.split(' ')).args(store.split(' '));
            let made = command.output().unwrap();
            assert!(made.status.success(), "{words}: {}", String::from_utf8_lossy(&made.stdout));
        };
        keytool(&format!("-genkeypair {algorithm} -dname CN=Tomcat,O=Stranger -validity 9"));
        keytool(&format!("-certreq -file {name}.bare"));
        // Java adds a key identifier of its own to every request.
        keytool(&format!("-certreq -file {name}.csr -ext san=dns:tomcat.example.org,ip:10.0.0.8"));
        ground.openssl(&format!("req -in {name}.csr -outform DER -out {name}.der"));
        let told = ground.json(&format!("ca sign office {name}.der --output {name}.pem"));
        assert_eq!(told["results"][0]["ignored"], serde_json::json!(["2.5.29.14"]), "{told}");
        all_take(
            &ground,
            &[
                Case::new(root(&ground, "office"), ground.path(&format!("{name}.pem")), "tomcat.example.org"),
                Case::new(root(&ground, "office"), ground.path(&format!("{name}.pem")), "10.0.0.8"),
            ],
        );
        // What Java wants of an answer: the whole chain with its root.
        let whole = [ground.read(&format!("{name}.pem")), fs::read(root(&ground, "office")).unwrap()].concat();
        ground.write(&format!("{name}.chain"), &whole);
        keytool(&format!("-importcert -noprompt -file {name}.chain"));

        ground.run(&format!("ca sign office {name}.bare")).refused("it names no host");
        let ran = ground.run(&format!("ca sign office {name}.bare --name other.example.org")).good();
        assert!(
            ran.out.starts_with("-----BEGIN CERTIFICATE-----\n") && ran.out.ends_with("-----END CERTIFICATE-----\n")
        );
        assert_eq!(ran.out.matches("BEGIN").count(), 2, "leaf and intermediate");
        ground.write("printed.pem", ran.out.as_bytes());
        all_take(&ground, &[Case::new(root(&ground, "office"), ground.path("printed.pem"), "other.example.org")]);
    }
}

/// What it asks for beyond its names is not granted, whatever that is.
#[test]
fn nothing_but_names_is_granted() {
    let ground = ground();
    let wishes = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,cRLSign \
                  -addext extendedKeyUsage=codeSigning,clientAuth -addext nameConstraints=permitted;DNS:com \
                  -addext certificatePolicies=1.2.3.4 -addext tlsfeature=status_request -addext subjectKeyIdentifier=hash";
    ground.openssl(&format!(
        "req -new -nodes -newkey ed25519 -keyout x.key -subj /C=US/CN=Everything {SAN} {wishes} -out x.csr"
    ));
    let signed = ground.run("ca sign office x.csr --output x.pem").good();
    signed.says("ignored").says("keyUsage (2.5.29.15)").says("basicConstraints (2.5.29.19)");
    let shown = ground.shown(&ground.path("x.pem"));
    for expected in [
        "CA:FALSE",
        "Key Usage: critical Digital Signature X509v3",
        "TLS Web Server Authentication X509v3",
        "Subject: CN = www.example.org",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    for wish in [
        "CA:TRUE",
        "Certificate Sign",
        "Code Signing",
        "Client Auth",
        "Name Constraints",
        "Policies",
        "status_request",
        "C = US",
    ] {
        assert!(!shown.contains(wish), "{wish}: {shown}");
    }
}

#[test]
fn what_is_refused_and_why() {
    let ground = ground();
    let make = |name: &str, words: &str| {
        ground.openssl(&format!("req -new -nodes -keyout {name}.key -subj /CN=x {words} -out {name}.csr"));
    };
    make("sha1", &format!("-newkey rsa:2048 -sha1 {SAN}"));
    make("md5", &format!("-newkey rsa:2048 -md5 {SAN}"));
    make("weak", &format!("-newkey rsa:1024 {SAN}"));
    make("odd", &format!("-newkey ec -pkeyopt ec_paramgen_curve:secp256k1 {SAN}"));
    make("outside", "-newkey ed25519 -addext subjectAltName=DNS:www.example.org,DNS:www.example.com");
    make("address", "-newkey ed25519 -addext subjectAltName=IP:11.0.0.1");
    make("wild", "-newkey ed25519 -addext subjectAltName=DNS:*.example.org");
    make("mail", "-newkey ed25519 -addext subjectAltName=DNS:www.example.org,email:a@example.org");
    make("none", "-newkey ed25519");
    let mut forged = ground.read("none.csr");
    ground.openssl("req -in outside.csr -outform DER -out good.der");
    let mut der = ground.read("good.der");
    let place = der.windows(15).position(|part| part == b"www.example.com").unwrap();
    der[place + 12..place + 15].copy_from_slice(b"org");
    ground.write("forged.csr", &der);
    forged.extend_from_slice(&ground.read("outside.csr"));
    ground.write("two.csr", &forged);
    ground.write("huge.csr", &vec![b'x'; 100_000]);
    ground.write("text.csr", b"hello");
    for (name, told) in [
        ("sha1", "it is signed with RSA with SHA-1, which can be forged"),
        ("md5", "it is signed with RSA with MD5, which can be forged"),
        ("weak", "of a kind that clients do not accept: RSA 1024"),
        ("odd", "of a kind that clients do not accept: secp256k1"),
        ("outside", "the CA office may not sign www.example.com"),
        ("address", "the CA office may not sign 11.0.0.1"),
        ("wild", "it asks for *.example.org, which stands for any number of hosts"),
        ("mail", "names that no server has: a@example.org"),
        ("none", "it names no host"),
        ("forged", "its signature is false"),
        ("two", "it holds more than one"),
        ("huge", "it has 100000 bytes"),
        ("text", "it is neither PEM nor DER"),
        ("missing", "cannot sign"),
    ] {
        ground.run(&format!("ca sign office {name}.csr --output {name}.pem")).refused(told);
        assert!(!ground.path(&format!("{name}.pem")).exists());
    }
    ground
        .run("ca sign office wild.csr --days 201 --allow-wildcards")
        .misunderstood("cannot issue a certificate for 201 days");
    assert_eq!(ground.json("ca show office")["results"][0]["issued"], 0, "nothing refused is issued");
    ground.run("ca sign office wild.csr --allow-wildcards").good();
    ground.run("ca sign office mail.csr --name www.example.org").good();
}

#[test]
fn a_dry_run_and_a_file_that_is_there() {
    let ground = ground();
    ground.openssl(&format!("req -new -nodes -newkey ed25519 -keyout x.key -subj /CN=x {SAN} -out x.csr"));
    let planned = ground.json("--dry-run ca sign office x.csr --output x.pem");
    assert_eq!(planned["results"][0]["names"], serde_json::json!(["www.example.org", "10.0.0.7"]));
    assert!(planned["results"][0]["fingerprint"].is_null() && !ground.path("x.pem").exists());
    ground.write("x.pem", b"mine");
    ground.run("ca sign office x.csr --output x.pem").refused("it is there already");
    assert_eq!(ground.read("x.pem"), b"mine");
    assert_eq!(ground.json("ca show office")["results"][0]["issued"], 0, "nothing is issued for nobody");
    let printed = ground.json("ca sign office x.csr");
    assert!(printed["results"][0]["pem"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(printed["results"][0]["serial"].as_str().unwrap().len(), 32);
}

/// The number of a process that is no more.
fn dead() -> u32 {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

/// Killed before both had their names: no key of it stays, and it is in nobody's way.
#[test]
fn what_a_killed_run_has_left_is_taken_back() {
    let ground = ground();
    fs::create_dir(ground.path("o")).unwrap();
    let issue = |more: &str| ground.run(&format!("ca issue office www.example.org -o o{more}"));
    let names = || {
        let mut names: Vec<_> = fs::read_dir(ground.path("o")).unwrap().map(|one| one.unwrap().file_name()).collect();
        names.sort();
        names
    };
    issue("").good();
    let key = ground.read("o/privkey.pem");
    let (dead, alive) = (dead(), std::process::id());
    fs::rename(ground.path("o/fullchain.pem"), ground.path(&format!("o/.fullchain.pem.{dead}.reseal-new"))).unwrap();
    ground.write(&format!("o/.privkey.pem.{dead}.reseal-new"), &key);
    let before = names();
    issue(" --dry-run").good();
    assert_eq!(names(), before);
    issue("").good();
    assert_eq!(names(), ["fullchain.pem", "privkey.pem"]);
    assert_ne!(ground.read("o/privkey.pem"), key);

    // A key of somebody's own stays, and so does what another run is about to write.
    fs::remove_file(ground.path("o/fullchain.pem")).unwrap();
    let other = format!("o/.fullchain.pem.{alive}.reseal-new");
    ground.write(&other, b"of another run");
    let own = ground.read("o/privkey.pem");
    issue("").refused("it is there already");
    assert_eq!((ground.read("o/privkey.pem"), ground.read(&other)), (own, b"of another run".to_vec()));
}

/// Another run may be about to write the same file.
#[test]
fn a_hidden_file_of_another_run_is_left_alone() {
    let ground = ground();
    ground.openssl(&format!("req -new -nodes -newkey ed25519 -keyout x.key -subj /CN=x {SAN} -out x.csr"));
    ground.write(".x.pem.reseal-new", b"of another run");
    ground.run("ca sign office x.csr --output x.pem").good();
    assert_eq!(ground.read(".x.pem.reseal-new"), b"of another run");
    let mut runs: Vec<_> =
        (0..6).map(|_| ground.command("ca sign office x.csr --output same.pem").spawn().unwrap()).collect();
    let good = runs.iter_mut().filter_map(|run| run.wait().unwrap().success().then_some(())).count();
    assert_eq!(good, 1, "it is written over by nobody");
}
