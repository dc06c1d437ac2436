//! The local CA, held against OpenSSL: what it issues must verify there by the strict rules, and what it must not issue must fail
//! there too, even for somebody who has its key.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reseal::cert::{Bundle, Generate, KeyKind, Name, PrivateKey};
use reseal::digest::Digest;
use reseal::host::Host;
use reseal::host::state::State;
use reseal::host::watch::Watch;
use reseal::sensitive::Sensitive;
use reseal::source::local_ca::{Authority, CaError, Founding, LeafOrder, Permitted, Unlocked};
use tempfile::TempDir;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2027-03-01 12:00:00.5 UTC);

fn passphrase() -> Sensitive {
    Sensitive::from("correct horse".to_owned())
}

struct Ground {
    dir: TempDir,
    state: State,
}

fn ground() -> Ground {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open_or_make(&Host::new(dir.path().join("state"))).unwrap();
    Ground { dir, state }
}

impl Ground {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn found(&self, founding: &Founding) -> Unlocked {
        founding.found(&passphrase(), NOW).unwrap().keep(&self.state).unwrap().unlock(&passphrase()).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Whether OpenSSL takes the leaf for the name, and what it says.
    fn verify(&self, root: &Path, leaf: &[u8], name: &Name, at: OffsetDateTime) -> (bool, String) {
        let leaf = self.write("leaf.pem", leaf);
        let (option, name) = match name {
            Name::Dns(name) => ("-verify_hostname", name.replace('*', "any")),
            Name::Ip(address) => ("-verify_ip", address.to_string()),
        };
        let at = at.unix_timestamp().to_string();
        openssl(&[
            "verify",
            "-x509_strict",
            "-check_ss_sig",
            "-purpose",
            "sslserver",
            "-attime",
            &at,
            option,
            &name,
            "-no-CApath",
            "-no-CAstore",
            "-CAfile",
            text(root),
            text(&leaf),
        ])
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn openssl(args: &[&str]) -> (bool, String) {
    let out = Command::new("openssl").args(args).output().expect("these tests need the openssl command");
    let said = [out.stdout, out.stderr].concat();
    (out.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// What `openssl x509 -text` shows, one space where there were several.
fn shown(pem: &Path) -> String {
    let (good, said) = openssl(&["x509", "-in", text(pem), "-noout", "-text"]);
    assert!(good, "{said}");
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn permitted(texts: &[&str]) -> Vec<Permitted> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn issue_with(ca: &Unlocked, texts: &[&str], key: Generate, days: u32, now: OffsetDateTime) -> Result<Bundle, CaError> {
    let order =
        LeafOrder { names: names(texts), key: PrivateKey::generate(key).unwrap(), days, target: Some("web".into()) };
    ca.issue(order, now)
}

fn issue(ca: &Unlocked, texts: &[&str]) -> Result<Bundle, CaError> {
    issue_with(ca, texts, Generate::P256, 90, NOW)
}

/// The error of something that has no `Debug`.
fn refused<T>(result: Result<T, CaError>) -> CaError {
    match result {
        Ok(_) => panic!("was not refused"),
        Err(error) => error,
    }
}

#[test]
fn openssl_takes_what_is_issued() {
    let ground = ground();
    let sets: [(&str, &[&str], &[&str]); 4] = [
        (
            "domains",
            &["example.org", "lan", "localhost"],
            &["www.example.org", "*.example.org", "nas.lan", "localhost"],
        ),
        ("addresses", &["10.0.0.0/8", "fd00::/8"], &["10.1.2.3", "fd00::7"]),
        ("one-family", &["192.0.2.7"], &["192.0.2.7"]),
        ("both", &["example.org", "10.0.0.0/8"], &["10.0.0.1", "example.org"]),
    ];
    for (name, permits, wanted) in sets {
        let kinds = if name == "both" {
            &[Generate::P256, Generate::P384, Generate::P521, Generate::Ed25519, Generate::Rsa2048][..]
        } else {
            &[Generate::P256][..]
        };
        for kind in kinds {
            let founding =
                Founding { key: *kind, name: format!("{name}-{kind:?}"), ..Founding::new("", permitted(permits)) };
            let ca = ground.found(&founding);
            for leaf_key in [Generate::P256, Generate::Rsa2048] {
                let bundle = issue_with(&ca, wanted, leaf_key, 90, NOW).unwrap();
                assert!(bundle.chain().intermediates().is_empty(), "the root is not sent");
                for name in bundle.leaf().names() {
                    let leaf = bundle.chain().fullchain_pem();
                    let (good, said) = ground.verify(&ca.authority().root_path(), leaf.as_bytes(), name, NOW);
                    assert!(good, "{kind:?} {leaf_key:?} {name}: {said}");
                }
            }
        }
    }
    // One address alone, where OpenSSL would look for a host name in the subject.
    let ca = Authority::find(&ground.state, "both-P256").unwrap().unlock(&passphrase()).unwrap();
    let bundle = issue(&ca, &["10.0.0.9"]).unwrap();
    assert_eq!(bundle.leaf().subject(), "");
    let leaf = bundle.chain().fullchain_pem();
    let (good, said) = ground.verify(&ca.authority().root_path(), leaf.as_bytes(), &bundle.leaf().names()[0], NOW);
    assert!(good, "{said}");
}

#[test]
fn the_fields_are_those_a_reviewer_expects() {
    let ground = ground();
    let ca = ground.found(&Founding::new("office", permitted(&["example.org", "lan"])));
    let root = shown(&ca.authority().root_path());
    for expected in [
        "Version: 3 (0x2)",
        "Signature Algorithm: ecdsa-with-SHA256",
        "Issuer: CN = reseal local CA office",
        "Subject: CN = reseal local CA office",
        "Not Before: Mar 1 11:00:00 2027 GMT",
        "Not After : Mar 1 12:00:00 2037 GMT",
        "NIST CURVE: P-256",
        "X509v3 Key Usage: critical Certificate Sign, CRL Sign",
        "X509v3 Basic Constraints: critical CA:TRUE, pathlen:0",
        "X509v3 Name Constraints: critical Permitted: DNS:example.org DNS:lan Excluded: IP:0.0.0.0/0.0.0.0 IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0",
        "X509v3 Subject Key Identifier:",
        "X509v3 Authority Key Identifier:",
    ] {
        assert!(root.contains(expected), "{expected}\n{root}");
    }

    let bundle = issue_with(&ca, &["www.example.org", "*.lan.example.org"], Generate::P256, 200, NOW).unwrap();
    let leaf = shown(&ground.write("leaf.pem", bundle.chain().leaf_pem().as_bytes()));
    for expected in [
        "Issuer: CN = reseal local CA office",
        "Subject: CN = www.example.org",
        "Not Before: Mar 1 11:00:00 2027 GMT",
        "Not After : Sep 17 12:00:00 2027 GMT",
        "X509v3 Subject Alternative Name: DNS:www.example.org, DNS:*.lan.example.org",
        "X509v3 Key Usage: critical Digital Signature X509v3",
        "X509v3 Extended Key Usage: TLS Web Server Authentication X509v3",
        "X509v3 Basic Constraints: critical CA:FALSE",
        "X509v3 Subject Key Identifier:",
        "X509v3 Authority Key Identifier:",
    ] {
        assert!(leaf.contains(expected), "{expected}\n{leaf}");
    }
    assert_eq!(bundle.leaf().aki(), ca.authority().root().ski());

    let rsa = issue_with(&ca, &["www.example.org"], Generate::Rsa2048, 1, NOW).unwrap();
    let leaf = shown(&ground.write("leaf.pem", rsa.chain().leaf_pem().as_bytes()));
    assert!(leaf.contains("X509v3 Key Usage: critical Digital Signature, Key Encipherment"), "{leaf}");

    let long = format!("{}.{}.example.org", "a".repeat(40), "b".repeat(40));
    let bundle = issue(&ca, &[&long]).unwrap();
    let leaf = shown(&ground.write("leaf.pem", bundle.chain().leaf_pem().as_bytes()));
    assert!(leaf.contains("X509v3 Subject Alternative Name: critical DNS:aaaa"), "an empty subject: {leaf}");
}

#[test]
fn what_was_chosen_is_in_the_root() {
    let ground = ground();
    let founding = Founding {
        common_name: Some("Büro, Wurzel".to_owned()),
        years: 30,
        path_length: 1,
        ..Founding::new("office.2", permitted(&["10.0.0.0/8"]))
    };
    let ca = ground.found(&founding);
    let root = shown(&ca.authority().root_path());
    for expected in [
        "CA:TRUE, pathlen:1",
        "Not After : Mar 1 12:00:00 2057 GMT",
        "Permitted: IP:10.0.0.0/255.0.0.0 DNS:invalid IP:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF",
    ] {
        assert!(root.contains(expected), "{expected}\n{root}");
    }
    let found = Authority::find(&ground.state, "office.2").unwrap();
    assert_eq!(found.root().common_name(), Some("Büro, Wurzel"));
    assert_eq!((found.path_length(), found.permitted()), (Some(1), permitted(&["10.0.0.0/8"]).as_slice()));
    assert_eq!(found.created(), NOW);
    issue(&ca, &["10.0.0.1"]).unwrap();
}

/// Even the key itself signs nothing outside: clients hold the root's constraints against it.
#[test]
fn openssl_refuses_names_outside_of_the_constraints() {
    let ground = ground();
    let sets: [(&str, &[&str], &[&str]); 3] = [
        ("domain", &["example.org"], &["example.com", "badexample.org", "10.0.0.1", "fd00::1"]),
        ("address", &["10.0.0.0/8"], &["example.org", "localhost", "11.0.0.1", "fd00::1"]),
        ("family", &["fd00::/8"], &["10.0.0.1", "fe80::1", "example.org"]),
    ];
    for (name, permits, outside) in sets {
        let ca = ground.found(&Founding::new(name, permitted(permits)));
        let root = ca.authority().root_path();
        let plain = ground.path("plain.key");
        let (good, said) = openssl(&[
            "pkey",
            "-in",
            text(&root.with_file_name("root.key")),
            "-passin",
            "pass:correct horse",
            "-out",
            text(&plain),
        ]);
        assert!(good, "OpenSSL opens the key: {said}");
        let key = rcgen::KeyPair::from_pem(&std::fs::read_to_string(&plain).unwrap()).unwrap();
        let issuer = rcgen::Issuer::from_ca_cert_pem(&std::fs::read_to_string(&root).unwrap(), key).unwrap();
        for wanted in outside {
            let error = refused(issue(&ca, &[wanted]));
            assert!(matches!(error, CaError::NotPermitted { .. }), "{wanted}: {error}");

            let mut params = rcgen::CertificateParams::new(vec![(*wanted).to_owned()]).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.not_before = NOW - Duration::HOUR;
            params.not_after = NOW + Duration::DAY;
            params.is_ca = rcgen::IsCa::ExplicitNoCa;
            params.use_authority_key_identifier_extension = true;
            let forged = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap();
            let (good, said) = ground.verify(&root, forged.pem().as_bytes(), &wanted.parse().unwrap(), NOW);
            assert!(!good && said.contains("subtree violation"), "{permits:?} {wanted}: {said}");
        }
    }
}

#[test]
fn a_refusal_says_how_to_go_on() {
    let ground = ground();
    let ca = ground.found(&Founding::new("office", permitted(&["example.org", "10.0.0.0/8"])));
    let error = refused(issue(&ca, &["www.example.org", "www.example.com", "11.0.0.1"]));
    assert_eq!(
        error.to_string(),
        "the CA office may not sign www.example.com, 11.0.0.1: it is permitted example.org, 10.0.0.0/8 only"
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("`reseal ca init NAME --permit DOMAIN`") && hint.contains("www.example.com, 11.0.0.1"),
        "{hint}"
    );

    let key = || PrivateKey::generate(Generate::P256).unwrap();
    let order = |names, days| LeafOrder { names, key: key(), days, target: None };
    assert!(matches!(refused(ca.issue(order(Vec::new(), 1), NOW)), CaError::NoNames));
    for days in [0, 201, u32::MAX] {
        assert!(matches!(refused(ca.issue(order(names(&["example.org"]), days), NOW)), CaError::Days(_)));
    }
    let lan = ground.found(&Founding::new("lan", permitted(&["lan"])));
    assert!(matches!(refused(issue(&lan, &["*.lan"])), CaError::WideWildcard(_)));
    assert_eq!(lan.authority().record().unwrap().issued, [], "nothing refused is recorded");
}

/// The root has the last word, not the file beside it.
#[test]
fn a_profile_that_was_widened_permits_nothing_more() {
    let ground = ground();
    let ca = ground.found(&Founding::new("office", permitted(&["example.org"])));
    let path = ca.authority().root_path().with_file_name("profile");
    let widened = std::fs::read_to_string(&path).unwrap().replace("example.org", "example.com");
    std::fs::write(&path, widened).unwrap();
    let ca = Authority::find(&ground.state, "office").unwrap().unlock(&passphrase()).unwrap();
    let error = refused(issue(&ca, &["example.com"]));
    assert!(matches!(error, CaError::Untrusted(_)), "{error}");
    assert_eq!(ca.authority().record().unwrap().issued, [], "it is recorded for nobody");
}

#[test]
fn a_ca_signs_in_its_own_time_only() {
    let ground = ground();
    let ca = ground.found(&Founding { years: 1, ..Founding::new("short", permitted(&["example.org"])) });
    let (from, to) = (ca.authority().root().not_before(), ca.authority().root().not_after());
    let late = to - Duration::days(10);
    let bundle = issue_with(&ca, &["example.org"], Generate::P256, 90, late).unwrap();
    assert_eq!(bundle.leaf().not_after(), to, "nothing outlives the root");
    assert_eq!(issue(&ca, &["example.org"]).unwrap().leaf().not_before(), from, "nothing is older than the root");

    issue_with(&ca, &["example.org"], Generate::P256, 1, to).unwrap();
    let over = refused(issue_with(&ca, &["example.org"], Generate::P256, 1, to + Duration::SECOND));
    assert!(matches!(over, CaError::Expired { .. }), "{over}");
    let early = refused(issue_with(&ca, &["example.org"], Generate::P256, 1, from - Duration::SECOND));
    assert!(matches!(early, CaError::NotYetValid { .. }), "{early}");
    let leaf = bundle.chain().fullchain_pem();
    let after = to + Duration::SECOND;
    let (good, said) =
        ground.verify(&ca.authority().root_path(), leaf.as_bytes(), &"example.org".parse().unwrap(), after);
    assert!(!good && said.contains("expired"), "{said}");
}

#[test]
fn every_certificate_is_recorded_with_a_serial_of_its_own() {
    let ground = ground();
    let ca = ground.found(&Founding::new("office", permitted(&["example.org"])));
    let bundles: Vec<Bundle> = (0..20).map(|_| issue(&ca, &["example.org", "example.org"]).unwrap()).collect();
    // As a crash in the middle of a line leaves it.
    let path = ca.authority().root_path().with_file_name("issued");
    let mut torn = std::fs::read(&path).unwrap();
    torn.extend_from_slice(b"{\"serial\":\"4f");
    std::fs::write(&path, torn).unwrap();
    let last = issue_with(&ca, &["a.example.org"], Generate::P256, 7, NOW + Duration::HOUR).unwrap();

    let record = ca.authority().record().unwrap();
    assert_eq!((record.issued.len(), record.damaged), (21, 0));
    assert_eq!(ca.authority().newest().unwrap(), NOW + Duration::HOUR);
    for (line, bundle) in record.issued.iter().zip(bundles.iter().chain([&last])) {
        assert_eq!(line.serial, bundle.leaf().serial());
        assert_eq!(line.key, Digest::of(bundle.key().spki()));
        assert_eq!((line.names.as_slice(), line.target.as_deref()), (bundle.leaf().names(), Some("web")));
        assert_eq!(line.not_after, bundle.leaf().not_after());
        assert!(
            line.serial.len() == 32 && ('4'..='7').contains(&line.serial.chars().next().unwrap()),
            "{}",
            line.serial
        );
    }
    let mut serials: Vec<&str> = record.issued.iter().map(|line| line.serial.as_str()).collect();
    serials.push("root");
    serials.sort_unstable();
    serials.dedup();
    assert_eq!(serials.len(), 22);
    assert_eq!(bundles[0].leaf().names().len(), 1, "a name twice is a name once");
}

#[test]
fn a_kept_key_is_certified_again() {
    let ground = ground();
    let ca = ground.found(&Founding::new("office", permitted(&["example.org"])));
    for kind in [Generate::P256, Generate::P384, Generate::Rsa2048] {
        let first = issue_with(&ca, &["example.org"], kind, 30, NOW).unwrap();
        let key = PrivateKey::from_der(first.key().pkcs8_der().expose()).unwrap();
        let order = LeafOrder { names: names(&["example.org"]), key, days: 30, target: None };
        let second = ca.issue(order, NOW).unwrap();
        assert_eq!(first.leaf().spki(), second.leaf().spki());
        assert_ne!(first.leaf().serial(), second.leaf().serial());
    }
}

#[test]
fn the_key_opens_by_its_passphrase_alone() {
    let ground = ground();
    let ca = ground.found(&Founding { key: Generate::P384, ..Founding::new("office", permitted(&["example.org"])) });
    assert_eq!(ca.authority().root().key_kind(), &KeyKind::P384);
    let path = ca.authority().root_path().with_file_name("root.key");
    let sealed = std::fs::read_to_string(&path).unwrap();
    assert!(sealed.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let find = || Authority::find(&ground.state, "office").unwrap();
    for wrong in ["", "correct horse ", "Correct horse"] {
        let error = refused(find().unlock(&Sensitive::from(wrong.to_owned())));
        assert_eq!(error.to_string(), "the passphrase does not open the key of the CA office");
        assert!(error.hint().unwrap().contains("only a new CA helps"));
    }

    let other = ground.found(&Founding::new("other", permitted(&["example.org"])));
    std::fs::copy(other.authority().root_path().with_file_name("root.key"), &path).unwrap();
    let error = refused(find().unlock(&passphrase())).to_string();
    assert!(error.ends_with("root.key: it is not the key of root.pem"), "{error}");
    std::fs::write(&path, &sealed[..200]).unwrap();
    assert!(refused(find().unlock(&passphrase())).to_string().contains("root.key: "));
    std::fs::remove_file(&path).unwrap();
    assert!(refused(find().unlock(&passphrase())).to_string().ends_with("it is missing"));
}

#[test]
fn a_ca_is_never_written_over() {
    let ground = ground();
    let ca = ground.found(&Founding::new("office", permitted(&["example.org"])));
    let before = std::fs::read(ca.authority().root_path()).unwrap();
    let second = Founding::new("office", permitted(&["example.com"])).found(&passphrase(), NOW).unwrap();
    assert!(matches!(refused(second.keep(&ground.state)), CaError::Exists { .. }));
    assert!(matches!(refused(Authority::vacant(&ground.state, "office")), CaError::Exists { .. }));
    assert_eq!(std::fs::read(ca.authority().root_path()).unwrap(), before);
    let error = refused(Authority::find(&ground.state, "offce"));
    assert!(error.hint().unwrap().starts_with("those there are: office;"), "{:?}", error.hint());
    assert!(matches!(refused(Authority::find(&ground.state, "../ca/office")), CaError::Name(_)));
}

#[test]
fn only_its_owner_may_look_into_it() {
    use std::os::unix::fs::PermissionsExt;
    let ground = ground();
    let ca = ground.found(&Founding::new("office", permitted(&["example.org"])));
    issue(&ca, &["example.org"]).unwrap();
    let root = ca.authority().root_path();
    let dir = root.parent().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(dir), 0o700);
    let mut files: Vec<String> = Vec::new();
    for entry in dir.read_dir().unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
        files.push(entry.file_name().into_string().unwrap());
    }
    files.sort();
    assert_eq!(files, ["issued", "profile", "root.key", "root.pem"]);
}

/// Broken at every call that changes the disk, once as an error and once as a kill.
#[test]
fn an_interrupted_making_leaves_a_whole_ca_or_none() {
    let founded = Founding::new("office", permitted(&["example.org"])).found(&passphrase(), NOW).unwrap();
    for sticky in [false, true] {
        let mut broken = 0;
        for at in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let place = dir.path().join("state");
            State::open_or_make(&Host::new(&place)).unwrap();
            let count = Arc::new(AtomicUsize::new(0));
            let seen = Arc::clone(&count);
            let watch = Watch::with(move |_| {
                let now = seen.fetch_add(1, Ordering::SeqCst);
                let fails = now == at || (sticky && now > at);
                if fails { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
            });
            let state = State::open_or_make(&Host::new(&place).with_watch(watch)).unwrap();
            let kept = founded.keep(&state).is_ok();
            if kept {
                assert!(count.load(Ordering::SeqCst) <= at, "an error was passed over at {at}");
                break;
            }
            broken += 1;

            let state = State::open_or_make(&Host::new(&place)).unwrap();
            match Authority::find(&state, "office") {
                Ok(whole) => {
                    assert!(sticky, "told as a failure, and made at {at}");
                    whole.unlock(&passphrase()).unwrap();
                }
                Err(error) => {
                    assert!(matches!(error, CaError::Missing { .. }), "{at}: {error}");
                    assert_eq!(Authority::all(&state).unwrap().len(), 0);
                    founded.keep(&state).unwrap().unlock(&passphrase()).unwrap();
                }
            }
            let left: Vec<_> = place.join("ca").read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, ["office"], "broken at {at}");
        }
        assert!(broken > 15, "only {broken} calls were reached");
    }
}
