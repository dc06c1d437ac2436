//! Certificates, keys and verdicts that others made, held against ours. They are not part of the project: the directory named
//! by `RESEAL_OUTSIDE_DATA` has them, and without it these tests say that they were skipped.

#[path = "support/outside.rs"]
mod data;

use std::collections::{BTreeMap, HashMap};
use std::fs;

use data::{lines, moment, outside, untar, unzstd};
use reseal::cert::codec::{self, BlockError, Contents, InputError};
use reseal::cert::{Anchors, Certificate, Chain, KeyError, KeyKind, Name, PrivateKey, SelfSigned, Untrusted};
use reseal::digest::Digest;
use reseal::sensitive::Sensitive;
use serde_json::Value;
use time::OffsetDateTime;

struct Sample {
    id: String,
    class: String,
    label: Value,
    certificate: Option<Certificate>,
}

fn certificates() -> Option<Vec<Sample>> {
    let (archive, labels) = (outside("certs-dev.tar.zst")?, outside("certs-dev-labels.jsonl.zst")?);
    let dir = untar(&archive);
    let samples = lines(&labels).into_iter().map(|label| {
        let id = format!("{}/{}", label["suite"].as_str().unwrap(), label["sha256"].as_str().unwrap());
        let der = fs::read(dir.path().join(format!("{id}.der"))).unwrap();
        let class = label["cls"].as_str().unwrap().to_owned();
        Sample { id, class, certificate: Certificate::from_der(der).ok(), label }
    });
    Some(samples.collect())
}

#[test]
fn self_signed_certificates_are_told_from_all_others() {
    let Some(samples) = certificates() else { return };
    let mut counts = BTreeMap::<_, u32>::new();
    for Sample { id, class, certificate, .. } in &samples {
        let verdict = certificate.as_ref().map(SelfSigned::of);
        *counts.entry((class.as_str(), format!("{verdict:?}"))).or_default() += 1;
        let Some(verdict) = verdict else { continue };
        let right = match class.as_str() {
            "self-signed" => matches!(verdict, SelfSigned::Yes | SelfSigned::SelfIssuedUnverifiable),
            "self-issued-not-self-signed" => {
                matches!(verdict, SelfSigned::SelfIssuedByOtherKey | SelfSigned::SelfIssuedUnverifiable)
            }
            "self-issued-undetermined" => !matches!(verdict, SelfSigned::No | SelfSigned::OwnKeyOtherName),
            // Small RSA keys cannot be checked.
            "names-differ-self-sig-ok" => matches!(verdict, SelfSigned::OwnKeyOtherName | SelfSigned::No),
            "not-self-issued" => verdict == SelfSigned::No,
            "unparsed" => true,
            other => panic!("no class {other}"),
        };
        assert!(right, "{id} of the class {class} is {verdict:?}");
    }
    for ((class, verdict), count) in &counts {
        println!("{class:30} {verdict:35} {count}");
    }
    let other_name = counts[&("names-differ-self-sig-ok", "Some(OwnKeyOtherName)".to_owned())];
    assert!(other_name >= 136, "all but those with 512-bit keys: {other_name}");
}

#[test]
fn certificates_say_what_other_parsers_read() {
    let Some(samples) = certificates() else { return };
    let (mut unread, mut rewritten) = (Vec::new(), 0);
    for Sample { id, label, certificate, .. } in &samples {
        let Some(certificate) = certificate else {
            let readers =
                label["parse"].as_object().unwrap().values().filter(|read| **read == Value::Bool(true)).count();
            unread.push((id, readers));
            continue;
        };
        let facts = &label["facts"];
        if let Some(serial) = facts["serial"].as_str().filter(|serial| !serial.starts_with('-')) {
            let strip = |text: &str| text.trim_start_matches('0').to_owned();
            assert_eq!(strip(&certificate.serial()), strip(serial), "{id}");
        }
        if let (Some(from), Some(to)) = (moment(&facts["nb"]), moment(&facts["na"])) {
            assert_eq!(
                (certificate.not_before().unix_timestamp(), certificate.not_after().unix_timestamp()),
                (from.unix_timestamp(), to.unix_timestamp()),
                "{id}"
            );
        }
        if let Some(ca) = facts["ca"].as_bool() {
            assert_eq!(certificate.is_ca(), ca, "{id}");
        }
        if let Some(digest) = facts["spki"].as_str() {
            rewritten += u32::from(certificate.spki_digest().to_string() != digest);
        }
        if let Some(bits) = facts["key"].as_str().and_then(|key| key.strip_prefix("rsa")) {
            let kind = certificate.key_kind();
            assert!(
                *kind == KeyKind::Rsa(bits.parse().unwrap()) || *kind == KeyKind::Other("RSASSA-PSS".to_owned()),
                "{id}: {kind}"
            );
        }
        if let Some(dns) = facts["san"]["dns"].as_array() {
            for name in dns.iter().map(|name| name.as_str().unwrap()) {
                match name.parse::<Name>() {
                    Ok(Name::Ip(_)) | Err(_) => {
                        assert!(certificate.unusable_names().iter().any(|odd| odd == name), "{id}: {name}");
                    }
                    Ok(parsed) => assert!(certificate.names().contains(&parsed), "{id}: {name}"),
                }
            }
        }
    }
    // The labels are of keys written anew: absent RSA parameters become NULL, compressed points full ones.
    assert!(rewritten <= 24, "{rewritten} keys differ");
    println!("{} of {} not read", unread.len(), samples.len());
    for (id, readers) in &unread {
        assert!(*readers < 4, "{id} is read by all four others");
    }
}

#[test]
fn pem_is_read_as_openssl_reads_it() {
    let (Some(archive), Some(expected)) =
        (outside("pem/openssl-pem-reading.tar.zst"), outside("pem/openssl-expected.json"))
    else {
        return;
    };
    let dir = untar(&archive);
    let read = |name: &str| codec::read(&fs::read(dir.path().join(name)).unwrap(), None);
    let reference = read("cert.pem").unwrap().certificates.remove(0);
    let expected: Value = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    for (name, good) in expected["expect"].as_object().unwrap() {
        let contents = read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        if name.starts_with("dsa") {
            assert!(contents.keys.is_empty() && contents.bad.len() == 1, "{name}: DSA keys serve no TLS");
        } else if name.contains("254") {
            // Another certificate than the reference.
            assert_eq!((contents.certificates.len(), contents.bad.len()), (1, 0), "{name}");
        } else if good == 1 {
            assert_eq!((contents.certificates.as_slice(), contents.bad.len()), (&[reference.clone()][..], 0), "{name}");
            assert_eq!(contents.broken, [], "{name}: OpenSSL loads it");
        } else {
            // The one that differs on purpose: what a blank line breaks for OpenSSL is read, and told.
            let told = contents.bad.len() + contents.broken.len();
            assert_eq!(told, 1, "{name}");
            assert!(contents.certificates.is_empty() || name == "cert-blankline.pem", "{name}");
        }
    }
    // Those without a verdict must at least end.
    let all: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let pem: Vec<_> = all.iter().filter(|path| path.extension().is_some_and(|extension| extension == "pem")).collect();
    let read = pem.iter().filter(|path| codec::read(&fs::read(path).unwrap(), None).is_ok()).count();
    let verdicts = expected["expect"].as_object().unwrap().len();
    println!("pem: {} cases, {verdicts} with a verdict, all as expected; {read} hold blocks", pem.len());
    assert!(verdicts >= 51 && pem.len() >= 55, "{verdicts} of {}", pem.len());
}

struct Read {
    path: String,
    contents: Result<Contents, InputError>,
    label: Value,
}

fn keys() -> Option<Vec<Read>> {
    let (archive, labels) = (outside("keys-dev.tar.zst")?, outside("keys-dev-labels.jsonl.zst")?);
    let dir = untar(&archive);
    let reads = lines(&labels).into_iter().map(|label| {
        let path = format!("{}/{}", label["suite"].as_str().unwrap(), label["path"].as_str().unwrap());
        let bytes = fs::read(dir.path().join(&path)).unwrap();
        let password = ["pyca", "openssl"].iter().find_map(|tool| label[tool]["pw"].as_str());
        let passphrase = password.map(|password| Sensitive::from(password.to_owned()));
        Read { contents: codec::read(&bytes, passphrase.as_ref()), path, label }
    });
    Some(reads.collect())
}

#[test]
fn private_keys_are_read_or_their_kind_is_named() {
    let Some(reads) = keys() else { return };
    let mut counts = BTreeMap::<String, u32>::new();
    for Read { path, contents, label } in &reads {
        let Ok(contents) = contents else {
            *counts.entry("no PEM, no DER".to_owned()).or_default() += 1;
            continue;
        };
        let spki = ["pyca", "openssl"].iter().find_map(|tool| label[tool]["spki"].as_str());
        let found: Vec<String> = contents.keys.iter().map(|key| Digest::of(key.spki()).to_string()).collect();
        match (spki, found.as_slice()) {
            (Some(spki), [one, ..]) => {
                // An EC key may be labelled by its compressed point.
                let certain = matches!(contents.keys[0].kind(), KeyKind::Rsa(_) | KeyKind::Ed25519);
                assert!(one == spki || !certain, "{path}: {one} for {spki}");
                let count = if one == spki { "read" } else { "read, written another way" };
                *counts.entry(count.to_owned()).or_default() += 1;
            }
            (Some(_), []) => {
                let why = contents.bad.first().map(|bad| &bad.why);
                match why {
                    Some(BlockError::Key(KeyError::Unsupported(_) | KeyError::Refused { .. })) => {}
                    Some(BlockError::UnsupportedEncryption(_)) => {}
                    // Two files call a DSA, DH or SM2 key by its own label.
                    other => println!("{path}: {other:?}"),
                }
                *counts
                    .entry(format!("refused: {}", why.map_or_else(String::new, ToString::to_string)))
                    .or_default() += 1;
            }
            (None, _) => *counts.entry("no other tool reads it".to_owned()).or_default() += 1,
        }
    }
    for (what, count) in &counts {
        println!("{count:4} {what}");
    }
    assert!(counts["read"] >= 150, "{counts:?}");
}

#[test]
fn keys_match_their_certificates_and_no_others() {
    let (Some(reads), Some(samples)) = (keys(), certificates()) else { return };
    let keys: HashMap<Digest, PrivateKey> = reads
        .into_iter()
        .filter_map(|read| read.contents.ok())
        .flat_map(|contents| contents.keys)
        .map(|key| (Digest::of(key.spki()), key))
        .collect();
    let (mut pairs, mut crosses) = (0, 0);
    for (id, certificate) in samples.iter().filter_map(|sample| Some((&sample.id, sample.certificate.as_ref()?))) {
        for (digest, key) in &keys {
            let same = certificate.spki_digest() == *digest;
            let matches = key.matches(certificate);
            assert!(matches || !same, "{id}");
            // Equal but for the spelling: the certificate's key is the same number.
            if matches && !same {
                assert_eq!(certificate.key_kind(), key.kind(), "{id}");
            }
            pairs += u32::from(matches);
            crosses += u32::from(!matches);
        }
    }
    println!("{pairs} pairs, {crosses} crosses");
    assert!(pairs >= 20 && crosses >= 100_000);
}

#[test]
fn the_public_roots_are_all_usable() {
    let Some(path) = outside("roots/debian-mozilla-roots.pem.zst") else { return };
    let contents = codec::read(&unzstd(&path), None).unwrap();
    assert_eq!(contents.bad, []);
    assert!(contents.certificates.len() > 100);
    for root in &contents.certificates {
        assert_eq!(SelfSigned::of(root), SelfSigned::Yes, "{}", root.title());
        // Go and all others have these roots too.
        assert_eq!(
            (root.fault(), root.doubt_as_root(), root.doubt_in_writing()),
            (None, None, None),
            "{}",
            root.title()
        );
        let alone = Chain::assemble(vec![root.clone()], None).unwrap();
        assert_eq!(alone.chain.leaf(), root);
    }
    let count = contents.certificates.len();
    assert_eq!(Anchors::new(contents.certificates).roots().len(), count);
}

/// Bad chains that webpki accepts: rules for those who issue that clients do not enforce, rules of the public web alone, and
/// common names and public suffixes, at which webpki does not look. None lets a stranger pass for the server.
const ACCEPTED: &[&str] = &[
    "rfc5280::aki::intermediate-missing-aki",
    "rfc5280::aki::cross-signed-root-missing-aki",
    "rfc5280::nc::invalid-dnsname-leading-period",
    "rfc5280::nc::not-allowed-in-ee-noncritical",
    "rfc5280::nc::not-allowed-in-ee-critical",
    "rfc5280::pc::ica-noncritical-pc",
    "rfc5280::san::noncritical-with-empty-subject",
    "rfc5280::serial::too-long",
    "rfc5280::ca-empty-subject",
    "rfc5280::leaf-ku-keycertsign",
    "webpki::aki::root-with-aki-authoritycertserialnumber",
    "webpki::cn::ipv4-leading-zeros-mismatch",
    "webpki::cn::ipv6-uppercase-mismatch",
    "webpki::cn::utf8-vs-punycode-mismatch",
    "webpki::cn::not-in-san",
    "webpki::eku::ee-without-eku",
    "webpki::eku::root-has-eku",
    "webpki::san::public-suffix-multi-label-wildcard-san",
    "webpki::san::public-suffix-private-namespace-wildcard-san",
    "webpki::malformed-aia",
];

#[test]
fn bad_chains_are_refused() {
    let Some(path) = outside("limbo-dev.json.zst") else { return };
    let limbo: Value = serde_json::from_slice(&unzstd(&path)).unwrap();
    let (mut accepted, mut refused, mut right) = (Vec::new(), Vec::new(), 0);
    for case in limbo["testcases"].as_array().unwrap() {
        let features = case["features"].as_array().cloned().unwrap_or_default();
        let outside_of_scope =
            ["has-crl", "max-chain-depth"].iter().any(|feature| features.iter().any(|one| one == feature));
        if case["validation_kind"] != "SERVER" || outside_of_scope {
            continue;
        }
        let good = judge(case).is_ok();
        let id = case["id"].as_str().unwrap();
        match (good, case["expected_result"] == "SUCCESS") {
            (true, false) => accepted.push(id),
            (false, true) => refused.push(id),
            (true, true) | (false, false) => right += 1,
        }
    }
    println!("{right} right; good ones refused: {refused:#?}");
    assert_eq!(accepted, ACCEPTED, "bad ones accepted");
    assert!(refused.len() <= 4, "a path through a self-issued intermediate, fractions of a second, a CA as server");
}

fn judge(case: &Value) -> Result<(), Untrusted> {
    let texts = |key: &str| {
        let list = case[key].as_array().unwrap();
        list.iter().map(|text| text.as_str().unwrap()).collect::<String>()
    };
    let read =
        |text: &str| codec::read(text.as_bytes(), None).map(|contents| contents.certificates).unwrap_or_default();
    let mut chain = read(case["peer_certificate"].as_str().unwrap());
    chain.extend(read(&texts("untrusted_intermediates")));
    let now = moment(&case["validation_time"]).unwrap_or_else(OffsetDateTime::now_utc);
    let chain = Chain::as_given(chain).ok_or_else(|| Untrusted::Refused("unreadable".to_owned()))?;
    let names = match case["expected_peer_name"]["value"].as_str().map(str::parse) {
        Some(Ok(name)) => vec![name],
        Some(Err(_)) => return Err(Untrusted::Refused("no such name can be asked for".to_owned())),
        None => vec![],
    };
    Anchors::new(read(&texts("trusted_certs"))).verify(&chain, &names, now)
}
