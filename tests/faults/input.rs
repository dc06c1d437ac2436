//! What somebody hands in.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use reseal::cert::codec::pkcs8;
use reseal::flow::{Options, Secrets, install};
use reseal::outcome::Outcome;

use super::{good, refused_with, system};
use crate::support::{Pair, World, issued, pair};

#[test]
fn a_pair_that_does_not_fit_is_refused() {
    let (world, new) = (World::new(""), pair(90));
    let before = world.tree();
    let report = world.install(&world.host(), &world.bring(&Pair { key: pair(90).key, ..new }));
    refused_with(&report, &["none of the private keys belongs to any of the certificates", "new.key", "localhost"]);
    fs::remove_file(world.path("new.pem")).unwrap();
    fs::remove_file(world.path("new.key")).unwrap();
    assert_eq!(world.tree(), before);
}

#[test]
fn what_makes_things_worse_needs_insisting() {
    let cases = [
        (issued(&["localhost"], -40, -1), "it ended"),
        (issued(&["localhost"], 2, 40), "it begins"),
        (issued(&["other.example"], -1, 40), "it is not for localhost"),
    ];
    for (worse, words) in cases {
        let world = World::new("");
        world.put(&pair(30));
        let inputs = world.bring(&worse);
        let before = world.tree();
        refused_with(&world.install(&world.host(), &inputs), &[words]);
        assert_eq!(world.tree(), before);
        // Those that end before the one in place are a loss besides.
        let options = Options { force: true, downgrade: true, ..Options::default() };
        good(&world.with(&world.host(), options, |session| install::run(session, "web", &inputs)));
        assert_eq!(world.served().unwrap().0, worse.certificate);
    }
}

#[test]
fn what_is_worse_than_a_good_one_needs_its_own_word() {
    let cases = [
        (crate::support::self_signed(40), "it is self-signed, and that one is not"),
        (issued(&["localhost"], -1, 40), "it is not for more.example"),
        (issued(&["localhost", "more.example"], -1, 15), "it ends "),
    ];
    for (worse, words) in cases {
        let world = World::new("");
        world.put(&issued(&["localhost", "more.example"], -1, 30));
        let inputs = world.bring(&worse);
        let before = world.tree();
        refused_with(&world.install(&world.host(), &inputs), &["worse than localhost there", words]);
        let forced = Options { force: true, ..Options::default() };
        let report = world.with(&world.host(), forced, |session| install::run(session, "web", &inputs));
        refused_with(&report, &[words]);
        assert_eq!(world.tree(), before);
        let meant = Options { downgrade: true, ..Options::default() };
        good(&world.with(&world.host(), meant, |session| install::run(session, "web", &inputs)));
        assert_eq!(world.served().unwrap().0, worse.certificate);
    }
    // What signed itself, or has ended, has nothing to lose.
    for old in [crate::support::self_signed(4000), issued(&["localhost", "more.example"], -40, -1)] {
        let world = World::new("");
        world.put(&old);
        good(&world.install(&world.host(), &world.bring(&pair(30))));
    }
}

/// A root, two intermediates below it, a leaf, and one that has nothing to do with them.
struct Family {
    root: String,
    upper: String,
    lower: String,
    leaf: Pair,
    stranger: String,
}

fn family() -> Family {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        (params, KeyPair::generate().unwrap())
    };
    let (root, root_key) = authority("Root");
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let issuer = Issuer::new(root, root_key);
    let (upper, upper_key) = authority("Upper");
    let upper_pem = upper.signed_by(&upper_key, &issuer).unwrap().pem();
    let issuer = Issuer::new(upper, upper_key);
    let (lower, lower_key) = authority("Lower");
    let lower_pem = lower.signed_by(&lower_key, &issuer).unwrap().pem();
    let issuer = Issuer::new(lower, lower_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let leaf = params.signed_by(&key, &issuer).unwrap();
    let (stranger, stranger_key) = authority("Stranger");
    let stranger = stranger.signed_by(&stranger_key, &issuer).unwrap().pem();
    let leaf = Pair { certificate: leaf.pem(), key: key.serialize_pem() };
    Family { root: root_pem, upper: upper_pem, lower: lower_pem, leaf, stranger }
}

/// What it is, the parts as given, the chain that shall come out, what shall be told.
type Case<'a> = (&'a str, Vec<&'a String>, Vec<&'a String>, &'a [&'a str]);

#[test]
fn chains_are_put_in_order_and_what_is_odd_is_told() {
    let family = family();
    let Family { root, upper, lower, leaf, stranger } = &family;
    let cases: [Case<'_>; 4] = [
        ("in order", vec![&leaf.certificate, lower, upper], vec![&leaf.certificate, lower, upper], &[]),
        (
            "backwards, with its root",
            vec![root, upper, lower, &leaf.certificate],
            vec![&leaf.certificate, lower, upper],
            &["left out the root Root"],
        ),
        (
            "with a gap",
            vec![upper, &leaf.certificate],
            vec![&leaf.certificate],
            &["the chain ends with localhost", "left out Upper"],
        ),
        (
            "with a stranger",
            vec![stranger, lower, &leaf.certificate, upper],
            vec![&leaf.certificate, lower, upper],
            &["the chain ends with Upper", "left out Stranger"],
        ),
    ];
    for (name, given, wanted, notes) in cases {
        let world = World::new("");
        let text = |list: Vec<&String>| list.into_iter().cloned().collect::<String>();
        let inputs = world.bring(&Pair { certificate: text(given), key: leaf.key.clone() });
        let report = world.install(&world.host(), &inputs);
        good(&report);
        assert_eq!(world.served().unwrap().0, text(wanted), "{name}");
        for note in notes {
            assert!(report.notes.iter().any(|told| told.contains(note)), "{name}: {note} is not in {:?}", report.notes);
        }
        let left_out =
            report.notes.iter().filter(|note| note.contains("left out") || note.contains("ends with")).count();
        assert_eq!(left_out, notes.len(), "{name}: {:?}", report.notes);
    }
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let (world, new) = (World::new(""), pair(90));
    let key = reseal::cert::PrivateKey::from_der(pem::parse(&new.key).unwrap().contents()).unwrap();
    let sealed = pkcs8::encrypt(&key, &"open sesame".to_owned().into()).unwrap();
    let sealed = String::from_utf8(sealed.expose().to_vec()).unwrap();
    let inputs = world.bring(&Pair { certificate: new.certificate.clone(), key: sealed });
    let with = |passphrase: Option<&str>| {
        let file = passphrase.map(|text| {
            let file = world.path("passphrase");
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            file
        });
        let secrets = Secrets { file, ..Secrets::default() };
        let options = Options { secrets, ..Options::default() };
        world.with(&world.host(), options, |session| install::run(session, "web", &inputs))
    };
    let before = world.served();
    refused_with(&with(None), &["new.key", "encrypted"]);
    refused_with(&with(Some("shut\n")), &["new.key", "passphrase"]);
    assert_eq!(world.served(), before);
    good(&with(Some("open sesame\n")));
    let (certificate, key) = world.served().unwrap();
    assert_eq!(certificate, new.certificate);
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"), "what services read is not encrypted");
}

#[test]
fn what_is_no_such_file_is_refused_at_once() {
    let world = World::new("");
    let new = world.bring(&pair(90));
    let odd = world.path("odd");
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("empty"), "").unwrap();
    fs::write(odd.join("text"), "hello\n").unwrap();
    fs::File::create(odd.join("sparse")).unwrap().set_len(1 << 30).unwrap();
    fs::write(odd.join("large"), vec![b'A'; 17 << 20]).unwrap();
    std::os::unix::fs::symlink("loop", odd.join("loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(odd.join("socket")).unwrap();
    let mut cases: Vec<(PathBuf, &str)> = [
        ("empty", "empty"),
        ("text", "cannot read"),
        ("", "not a regular file"),
        ("sparse", "larger than the 16 MiB"),
        ("large", "larger than the 16 MiB"),
        ("loop", "loop"),
        ("socket", "cannot read"),
        ("absent", "cannot read"),
    ]
    .into_iter()
    .map(|(name, words)| (odd.join(name), words))
    .collect();
    cases.push((PathBuf::from("/dev/zero"), "not a regular file"));
    if system("mkfifo", &[&odd.join("fifo")]) {
        cases.push((odd.join("fifo"), "not a regular file"));
    }
    let before = world.served();
    for (path, words) in cases {
        for inputs in [[new[0].clone(), path.clone()], [path.clone(), new[1].clone()]] {
            let start = Instant::now();
            let report = world.install(&world.host(), &inputs);
            let took = start.elapsed();
            refused_with(&report, &[words]);
            let Outcome::Refused { why, .. } = &report.outcome else { unreachable!() };
            assert!(why.contains(&*path.display().to_string()), "{why}");
            assert!(took < Duration::from_secs(5), "{}: {took:?}", path.display());
            assert_eq!(world.served(), before);
        }
    }
    assert!(!world.path("state").exists(), "nothing was begun");
}
