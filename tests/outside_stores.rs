//! Stores and keys that others made, with what other tools read of them: see `outside_data.rs`.

#[path = "support/outside.rs"]
mod outside;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use outside::{lines, outside, untar};
use reseal::cert::codec::{self, BlockError, Contents, Format, InputError};
use reseal::cert::{KeyError, KeyKind, PrivateKey};
use reseal::digest::Digest;
use reseal::sensitive::Sensitive;
use serde_json::Value;

struct Sample {
    path: String,
    bytes: Vec<u8>,
    label: Value,
}

fn samples(name: &str) -> Option<Vec<Sample>> {
    let (archive, labels) = (outside(&format!("{name}.tar.zst"))?, outside(&format!("{name}-labels.jsonl.zst"))?);
    let dir = untar(&archive);
    let samples = lines(&labels).into_iter().map(|label| {
        let path = format!("{}/{}", label["suite"].as_str().unwrap(), label["path"].as_str().unwrap());
        Sample { bytes: fs::read(dir.path().join(&path)).unwrap(), path, label }
    });
    Some(samples.collect())
}

impl Sample {
    /// What the first tool that reads it says.
    fn said(&self, what: &str) -> Option<&Value> {
        ["pyca", "openssl"].iter().map(|tool| &self.label[tool][what]).find(|value| !value.is_null())
    }

    fn is_read_by_others(&self) -> bool {
        ["pyca", "openssl"].iter().any(|tool| self.label[tool]["ok"] == true)
    }

    fn passphrase(&self) -> Option<&str> {
        self.said("pw").and_then(Value::as_str)
    }

    fn read(&self, passphrase: Option<&str>, slowest: &mut (Duration, String)) -> Result<Contents, InputError> {
        let passphrase = passphrase.map(|text| Sensitive::from(text.to_owned()));
        let start = Instant::now();
        let contents = codec::read(&self.bytes, passphrase.as_ref());
        *slowest = slowest.clone().max((start.elapsed(), self.path.clone()));
        contents
    }
}

fn spki(key: &PrivateKey) -> String {
    Digest::of(key.spki()).to_string()
}

/// Whether it is refused for what kind of key it is.
fn is_of_refused_kind(why: &BlockError) -> bool {
    matches!(why, BlockError::Key(KeyError::Unsupported(_) | KeyError::Refused { .. }))
}

fn is_named(why: &BlockError) -> bool {
    matches!(why, BlockError::UnsupportedEncryption(_) | BlockError::UnsupportedChecksum(_))
}

fn print(table: &str, counts: &BTreeMap<String, u32>, slowest: &(Duration, String)) {
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    println!("{table}: {}; slowest {} ms, {}", counts.join(", "), slowest.0.as_millis(), slowest.1);
}

#[test]
fn pkcs12_stores_are_read_or_what_they_need_is_named() {
    let Some(samples) = samples("p12-dev") else { return };
    let (mut counts, mut slowest) = (BTreeMap::<String, u32>::new(), Default::default());
    let mut count = |what: &str| *counts.entry(what.to_owned()).or_default() += 1;
    for sample in &samples {
        let path = &sample.path;
        let contents = sample.read(sample.passphrase(), &mut slowest);
        if !sample.is_read_by_others() {
            let keys = contents.as_ref().map_or(0, |contents| contents.keys.len());
            assert_eq!(keys, 0, "{path}: nobody else reads it");
            count("no other tool reads");
            continue;
        }
        let contents = contents.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(contents.format, Format::Pkcs12, "{path}");
        if let Some(bad) = contents.bad.iter().find(|bad| is_named(&bad.why)) {
            println!("{path}: {bad}");
            count("named as not supported");
            continue;
        }
        assert!(contents.bad.iter().all(|bad| is_of_refused_kind(&bad.why)), "{path}: {:?}", contents.bad);
        let pyca = &sample.label["pyca"];
        let wanted: BTreeSet<&str> =
            pyca["extra"].as_array().into_iter().flatten().chain([&pyca["cert"]]).filter_map(Value::as_str).collect();
        let found: BTreeSet<String> = contents.certificates.iter().map(|one| one.fingerprint().to_string()).collect();
        assert!(wanted.iter().all(|wanted| found.contains(*wanted)), "{path}: {found:?} for {wanted:?}");
        if let Some(certificates) = sample.label["openssl"]["certs"].as_u64() {
            assert_eq!(u64::try_from(contents.certificates.len()).unwrap(), certificates, "{path}");
        }
        if let Some(wanted) = pyca["key_spki"].as_str() {
            match contents.keys.as_slice() {
                [key] => {
                    assert_eq!(spki(key), wanted, "{path}");
                    if let Some(leaf) = pyca["cert"].as_str() {
                        assert!(key.matches(&contents.certificates[0]), "{path}");
                        assert_eq!(contents.certificates[0].fingerprint().to_string(), leaf, "{path}");
                    }
                    count("keys");
                }
                _ => {
                    assert!(contents.bad.iter().any(|bad| is_of_refused_kind(&bad.why)), "{path}: {:?}", contents.bad);
                    count("keys of a kind that serves no TLS");
                }
            }
        } else {
            count("without key");
        }
        if let Some(name) =
            pyca["friendly"].as_str().map(|name| name.trim_end_matches('\0')).filter(|name| !name.is_empty())
        {
            let names = contents.entries.iter().filter_map(|entry| entry.name.as_deref());
            let names: Vec<&str> = names.collect();
            assert!(names.contains(&name), "{path}: {name} in {names:?}");
            count("names");
        }
        if sample.passphrase().is_some_and(|passphrase| !passphrase.is_empty()) {
            let all = |contents: &Contents, wanted: &BlockError| {
                contents.bad.iter().all(|bad| bad.why == *wanted || is_of_refused_kind(&bad.why))
            };
            let wrong = sample.read(Some("this is another"), &mut slowest).unwrap();
            assert!(all(&wrong, &BlockError::WrongPassphrase) && !wrong.bad.is_empty(), "{path}: {:?}", wrong.bad);
            let shut = sample.read(None, &mut slowest).unwrap();
            assert!(all(&shut, &BlockError::EncryptedNoPassphrase), "{path}: {:?}", shut.bad);
            // What has a checksum and nothing encrypted is read without a passphrase.
            assert_eq!(shut.keys.is_empty(), wrong.keys.is_empty(), "{path}");
            assert!(shut.keys.is_empty() || shut.bad.is_empty(), "{path}");
            if !shut.keys.is_empty() {
                count("keys that stand open");
            }
            count("wrong passphrases told");
        }
    }
    print("p12-dev", &counts, &slowest);
    assert!(counts["keys"] >= 260 && counts["wrong passphrases told"] >= 260, "{counts:?}");
    // One is encrypted to a public key, which one tool leaves out without a word; one has a checksum by BLAKE2.
    assert_eq!(counts.get("named as not supported"), Some(&2), "{counts:?}");
    assert!(slowest.0 < Duration::from_secs(5), "{slowest:?}");
}

#[test]
fn encrypted_keys_are_opened_or_their_cipher_is_named() {
    let Some(samples) = samples("keys-dev") else { return };
    let (mut counts, mut slowest) = (BTreeMap::<String, u32>::new(), Default::default());
    let mut count = |what: &str| *counts.entry(what.to_owned()).or_default() += 1;
    for sample in &samples {
        let path = &sample.path;
        let read = sample.read(sample.passphrase(), &mut slowest);
        let Ok(contents) = read else {
            count(if sample.is_read_by_others() { "not read" } else { "read by none" });
            if sample.is_read_by_others() {
                println!("{path}: {}", read.err().unwrap());
            }
            continue;
        };
        let Some(wanted) = sample.said("spki").and_then(Value::as_str) else {
            count("no other tool reads");
            continue;
        };
        let Some(key) = contents.keys.first() else {
            let why = &contents.bad.first().unwrap_or_else(|| panic!("{path}: {:?}", contents.ignored)).why;
            // A drawing in dashes follows the base64: one tool stops reading there.
            let drawing = path.ends_with("beermug.pem") && matches!(why, BlockError::NotBase64(_));
            assert!(is_of_refused_kind(why) || is_named(why) || drawing, "{path}: {why:?}");
            if !is_of_refused_kind(why) {
                println!("{path}: {why}");
            }
            count(if is_of_refused_kind(why) { "of a kind that serves no TLS" } else { "named as not supported" });
            continue;
        };
        // An EC key may be labelled by its compressed point.
        let certain = matches!(key.kind(), KeyKind::Rsa(_) | KeyKind::Ed25519);
        assert!(spki(key) == wanted || !certain, "{path}");
        count("read");
        if sample.label["encrypted"] != true {
            continue;
        }
        count("of them encrypted");
        let wrong = sample.read(Some("this is another"), &mut slowest).unwrap();
        assert!(wrong.keys.is_empty(), "{path}");
        assert_eq!(wrong.bad[0].why, BlockError::WrongPassphrase, "{path}");
        let shut = sample.read(None, &mut slowest).unwrap();
        assert_eq!(shut.bad[0].why, BlockError::EncryptedNoPassphrase, "{path}");
    }
    print("keys-dev", &counts, &slowest);
    assert!(counts["read"] >= 150 && counts["of them encrypted"] >= 50, "{counts:?}");
}

/// Each file with bytes changed, cut and doubled at places that the test's own arithmetic picks.
#[test]
fn no_damage_makes_it_panic_or_linger() {
    let files: Vec<Sample> = ["p12-dev", "keys-dev"].iter().filter_map(|name| samples(name)).flatten().collect();
    let (mut state, mut slowest, mut reads) = (0x2545_f491_u64, Default::default(), 0);
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    for mut sample in files {
        let whole = sample.bytes.clone();
        for _ in 0..8 {
            sample.bytes.clone_from(&whole);
            for _ in 0..=random(3) {
                let place = random(whole.len());
                match random(4) {
                    0 => sample.bytes.truncate(place),
                    1 => sample.bytes.insert(place.min(sample.bytes.len()), u8::try_from(random(256)).unwrap()),
                    _ => sample.bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << random(8)),
                }
            }
            let _ = sample.read(None, &mut slowest);
            reads += 1;
        }
        let _ = sample.read(sample.passphrase(), &mut slowest);
    }
    println!("{reads} damaged files; slowest {} ms, {}", slowest.0.as_millis(), slowest.1);
    assert!(slowest.0 < Duration::from_secs(5), "{slowest:?}");
}
