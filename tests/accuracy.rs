//! How often the verdicts are right, over certificates and paths that others made and judged. `docs/accuracy.md` is written by
//! `RESEAL_WRITE=1 cargo test --test accuracy`, and held against the numbers whenever the data is there.

#[path = "support/outside.rs"]
mod data;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use data::{lines, moment, outside, untar, unzstd};
use reseal::assess::{self, Code, Facts};
use reseal::cert::codec;
use reseal::cert::installed::{Installed, KeyFound};
use reseal::cert::{Anchors, Certificate, Chain, KeyKind, Name, Profile, SelfSigned, Signatures, TrustVerdict};
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::datetime;

/// What one certificate may cost at most.
const LIMIT: Duration = Duration::from_secs(1);

struct Sample {
    id: String,
    class: String,
    label: Value,
    /// None: not read.
    certificate: Option<Certificate>,
    /// None: not read. What it is found to have wrong, with no root known.
    codes: Vec<Code>,
}

#[test]
fn the_verdicts_are_as_right_as_the_page_says() {
    let Some(samples) = samples() else { return };
    let Some(limbo) = outside("limbo-dev.json.zst") else { return };
    let (Some(pkits), Some(expected)) =
        (outside("pkits/pkits-certs-crls.tar.zst"), outside("pkits/pkits-expected.json"))
    else {
        return;
    };
    let mut page = HEAD.to_owned();
    page.push_str(&signers(&samples));
    page.push_str(&reading(&samples));
    page.push_str(&paths(&serde_json::from_slice(&unzstd(&limbo)).unwrap()));
    page.push_str(&suite(untar(&pkits).path(), &serde_json::from_slice(&fs::read(expected).unwrap()).unwrap()));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/accuracy.md");
    if std::env::var_os("RESEAL_WRITE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).find(|(old, new)| old != new);
    let hint = "`RESEAL_WRITE=1 cargo test --test accuracy` writes it anew";
    assert!(written == page, "docs/accuracy.md is not what was found now: {differs:?}; {hint}");
}

const HEAD: &str = "\
# Accuracy

How often the verdicts are right, over certificates and paths that others have made and judged. Written by
`RESEAL_WRITE=1 cargo test --test accuracy`, with the directory of the data in `RESEAL_OUTSIDE_DATA`; the test fails when a number is not the
one here. The data is not part of the project: certificates of zlint, OpenSSL, Go, RustCrypto, webpki, pyca/cryptography, certlint and
Mbed TLS, each read by four parsers (OpenSSL, pyca, Go, Java); path validation after x509-limbo and bettertls; NIST PKITS 1.0.1.
";

/// Every certificate: read, judged, and how long that took.
fn samples() -> Option<Vec<Sample>> {
    let (archive, labels) = (outside("certs-dev.tar.zst")?, outside("certs-dev-labels.jsonl.zst")?);
    let dir = untar(&archive);
    let one = |label: Value| {
        let id = format!("{}/{}", label["suite"].as_str().unwrap(), label["sha256"].as_str().unwrap());
        let der = fs::read(dir.path().join(format!("{id}.der"))).unwrap();
        let began = Instant::now();
        let read = catch_unwind(AssertUnwindSafe(|| judge_alone(&der))).unwrap_or_else(|_| panic!("{id} panics"));
        assert!(began.elapsed() < LIMIT, "{id} takes {:?}", began.elapsed());
        let (certificate, codes) = read.map_or((None, Vec::new()), |(one, codes)| (Some(one), codes));
        Sample { id, class: label["cls"].as_str().unwrap().to_owned(), label, certificate, codes }
    };
    let samples: Vec<Sample> = lines(&labels).into_iter().map(one).collect();
    cost(&samples);
    Some(samples)
}

/// Tells what reading and judging cost; how fast this machine is, is no matter of the page.
fn cost(samples: &[Sample]) {
    let all: Vec<&Certificate> = samples.iter().filter_map(|sample| sample.certificate.as_ref()).collect();
    let each = |began: Instant| began.elapsed().as_micros() / u128::try_from(all.len()).unwrap();
    let began = Instant::now();
    let fresh: Vec<Certificate> = all.iter().map(|one| Certificate::from_der(one.der()).unwrap()).collect();
    let read = each(began);
    let signatures = Signatures::default();
    let round = || {
        let began = Instant::now();
        for one in &fresh {
            let installed = installed(Chain::as_given(vec![one.clone()]).unwrap());
            let before = |lifetime: time::Duration| lifetime / 3_i32;
            let facts = Facts::new(&installed, &before, &signatures, one.not_before());
            assert!(assess::findings(&facts).len() < 100);
        }
        each(began)
    };
    let (first, second) = (round(), round());
    println!(
        "microseconds a certificate: {read} to read, {first} to judge with its signature, {second} when that is known"
    );
    assert!(signatures.count() <= all.len());
}

fn installed(chain: Chain) -> Installed {
    Installed {
        chain: Some(chain),
        key: KeyFound::None,
        problems: Vec::new(),
        unsupported: Vec::new(),
        stores: Vec::new(),
        stops: Vec::new(),
        leaf_place: 0,
        encrypted: Vec::new(),
    }
}

fn judge_alone(der: &[u8]) -> Option<(Certificate, Vec<Code>)> {
    let certificate = Certificate::from_der(der).ok()?;
    let now = certificate.not_before() + (certificate.not_after() - certificate.not_before()) / 2_i32;
    let chain = Chain::as_given(vec![certificate.clone()])?;
    let nobody = Profile::new("nobody", Anchors::new([]));
    let codes = judge(chain, &[], &[nobody], now).1;
    Some((certificate, codes))
}

/// The verdicts of these clients, and what is found.
fn judge(chain: Chain, names: &[Name], clients: &[Profile], now: OffsetDateTime) -> (Vec<TrustVerdict>, Vec<Code>) {
    let trust: Vec<TrustVerdict> = clients.iter().map(|client| client.judge(&chain, names, now)).collect();
    let installed = installed(chain);
    let signatures = Signatures::default();
    let before = |lifetime: time::Duration| lifetime / 3_i32;
    let facts =
        Facts { wanted: names, trust: &trust, whole_chain: true, ..Facts::new(&installed, &before, &signatures, now) };
    let codes = assess::findings(&facts).iter().map(|one| one.code).collect();
    (trust, codes)
}

/// The confusion matrix of who signed it; what must never be wrong is asserted.
fn signers(samples: &[Sample]) -> String {
    let mut counts = BTreeMap::<(&str, &str), usize>::new();
    for Sample { id, class, certificate, codes, .. } in samples {
        let verdict = certificate.as_ref().map(SelfSigned::of);
        let word = match verdict {
            None => "not read",
            Some(SelfSigned::Yes) => "self-signed",
            Some(SelfSigned::SelfIssuedUnverifiable) => "unverified",
            Some(SelfSigned::SelfIssuedByOtherKey) => "other key",
            Some(SelfSigned::OwnKeyOtherName) => "own key, other name",
            Some(SelfSigned::No) => "issued",
        };
        *counts.entry((class, word)).or_default() += 1;
        let right = match class.as_str() {
            "self-signed" => matches!(word, "self-signed" | "unverified" | "not read"),
            "self-issued-not-self-signed" => matches!(word, "other key" | "unverified" | "not read"),
            "not-self-issued" => matches!(word, "issued" | "not read"),
            "names-differ-self-sig-ok" => matches!(word, "own key, other name" | "issued" | "not read"),
            "self-issued-undetermined" => !matches!(word, "issued" | "own key, other name"),
            "unparsed" => true,
            other => panic!("no class {other}"),
        };
        assert!(right, "{id} of the class {class} is {word}");
        // Nobody's root: each is said to be trusted by nobody, one way or another.
        let told = [Code::SelfSigned, Code::SelfIssuedUnverified, Code::OwnKeyOtherName, Code::SharedDefault];
        if matches!(word, "self-signed" | "unverified" | "own key, other name") {
            assert!(codes.iter().any(|code| told.contains(code)), "{id}: {codes:?}");
        }
        if certificate.is_some() {
            assert!(!codes.is_empty(), "{id}: no client trusts it, and nothing is said");
        }
    }
    let columns = ["self-signed", "unverified", "other key", "own key, other name", "issued", "not read"];
    let mut text = format!(
        "\n## Who signed it: {} certificates\n\nRows: what it is; columns: what it is called.\n\n",
        samples.len()
    );
    text.push_str(&format!("| | {} |\n|---|{}\n", columns.join(" | "), "---:|".repeat(columns.len())));
    let classes: BTreeSet<&str> = samples.iter().map(|sample| sample.class.as_str()).collect();
    for class in classes {
        let cells: Vec<String> =
            columns.iter().map(|column| counts.get(&(class, *column)).copied().unwrap_or(0).to_string()).collect();
        text.push_str(&format!("| {class} | {} |\n", cells.join(" | ")));
    }
    text.push_str(
        "
Nothing that is issued by another is called self-signed; nothing that signed itself passes for issued; what is self-issued and not
self-signed is never called self-signed. *Unverified* is an algorithm that is not checked (MD5, DSA, Ed448, brainpool, RSA below 1024 bits
and others); it counts as untrusted. Those with other names are called *issued* where their own signature is one of these.
",
    );
    text
}

/// What is read, and whether the facts agree.
fn reading(samples: &[Sample]) -> String {
    let mut rows = BTreeMap::<usize, (usize, usize)>::new();
    let mut agree = BTreeMap::<&str, (usize, usize)>::new();
    for Sample { id, label, certificate, .. } in samples {
        let readers = label["parse"].as_object().unwrap().values().filter(|read| **read == Value::Bool(true)).count();
        let row = rows.entry(readers).or_default();
        row.0 += 1;
        let Some(certificate) = certificate else {
            assert!(readers < 4, "{id} is read by all four others");
            continue;
        };
        row.1 += 1;
        for (fact, same) in facts(certificate, &label["facts"]) {
            let row = agree.entry(fact).or_default();
            row.0 += 1;
            row.1 += usize::from(same);
            assert!(same || fact == "key digest", "{id}: {fact}");
        }
    }
    let mut text = "\n## Reading\n\nNone panics, none takes a second.\n\n| read by so many of four parsers | certificates | read here |\n|---:|---:|---:|\n".to_owned();
    for (readers, (all, read)) in rows.iter().rev() {
        text.push_str(&format!("| {readers} | {all} | {read} |\n"));
    }
    text.push_str("\n| fact, where the others have it | certificates | the same here |\n|---|---:|---:|\n");
    for (fact, (all, same)) in &agree {
        text.push_str(&format!("| {fact} | {all} | {same} |\n"));
    }
    text.push_str(
        "
The key digests that differ are labelled by keys that were written anew: absent RSA parameters became NULL, compressed points full ones.
",
    );
    text
}

fn facts(certificate: &Certificate, facts: &Value) -> Vec<(&'static str, bool)> {
    let mut found = Vec::new();
    let strip = |text: &str| text.trim_start_matches('0').to_owned();
    if let Some(serial) = facts["serial"].as_str().filter(|serial| !serial.starts_with('-')) {
        found.push(("serial number", strip(&certificate.serial()) == strip(serial)));
    }
    if let (Some(from), Some(to)) = (moment(&facts["nb"]), moment(&facts["na"])) {
        let have = (certificate.not_before().unix_timestamp(), certificate.not_after().unix_timestamp());
        found.push(("dates", have == (from.unix_timestamp(), to.unix_timestamp())));
    }
    if let Some(ca) = facts["ca"].as_bool() {
        found.push(("CA", certificate.is_ca() == ca));
    }
    if let Some(version) = facts["ver"].as_u64() {
        found.push(("version", u64::from(certificate.version()) == version));
    }
    if let Some(bits) = facts["key"].as_str().and_then(|key| key.strip_prefix("rsa")) {
        let kind = certificate.key_kind();
        let same = *kind == KeyKind::Rsa(bits.parse().unwrap()) || *kind == KeyKind::Other("RSASSA-PSS".to_owned());
        found.push(("RSA bits", same));
    }
    if let Some(digest) = facts["spki"].as_str() {
        found.push(("key digest", certificate.spki_digest().to_string() == digest));
    }
    for name in facts["san"]["dns"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()) {
        let there = match name.parse::<Name>() {
            Ok(Name::Ip(_)) | Err(_) => certificate.unusable_names().iter().any(|odd| odd == name),
            Ok(parsed) => certificate.names().contains(&parsed),
        };
        found.push(("DNS name", there));
    }
    found
}

/// Good chains that are refused, and why that is as it should be.
const REFUSED: &[(&str, &str)] = &[
    ("pathlen::self-issued-certs-pathlen", SELF_ISSUED),
    ("rfc5280::nc::permitted-self-issued", SELF_ISSUED),
    (
        "rfc5280::validity::notafter-fractional",
        "a time with fractions of a second, which DER forbids; optional in limbo",
    ),
    ("rfc5280::ca-as-leaf", "a CA's certificate in the place of a server's, which rustls refuses"),
];

const SELF_ISSUED: &str = "webpki builds no path through an intermediate with the name of its own issuer";
const DSA: &str = "DSA, which no TLS client takes any more";
const FOLDING: &str = "webpki compares names byte by byte, without the folding of RFC 5280 section 7.1";
const CA_LEAF: &str = "the target is a CA's certificate, which rustls refuses as a server's";
const DIRECTORY: &str = "webpki takes no directory names: a CA with such constraints may sign nothing";
const MAIL: &str =
    "webpki takes no constraints on mail addresses and URIs: a CA with them may sign nothing that has one";

/// Path validation after limbo and bettertls.
fn paths(limbo: &Value) -> String {
    #[derive(Default)]
    struct Row {
        good: usize,
        refused: Vec<String>,
        bad: usize,
        accepted: Vec<String>,
        told: usize,
    }
    let mut rows = BTreeMap::<&str, Row>::new();
    for case in limbo["testcases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let features = case["features"].as_array().cloned().unwrap_or_default();
        let beyond = ["has-crl", "max-chain-depth"].iter().any(|feature| features.iter().any(|one| one == feature));
        if case["validation_kind"] != "SERVER" || beyond {
            continue;
        }
        let began = Instant::now();
        let (trusted, codes) =
            catch_unwind(AssertUnwindSafe(|| case_of(case))).unwrap_or_else(|_| panic!("{id} panics"));
        assert!(began.elapsed() < LIMIT, "{id} takes {:?}", began.elapsed());
        assert!(trusted || !codes.is_empty(), "{id} is refused, and nothing is said");
        let row = rows.entry(id.split("::").next().unwrap()).or_default();
        match (case["expected_result"] == "SUCCESS", trusted) {
            (true, true) => row.good += 1,
            (true, false) => {
                row.good += 1;
                row.refused.push(id.to_owned());
            }
            (false, false) => row.bad += 1,
            (false, true) => {
                row.bad += 1;
                row.told += usize::from(!codes.is_empty());
                let told: Vec<&str> = codes.iter().map(|code| code.name()).collect();
                let told = if told.is_empty() { "nothing".to_owned() } else { told.join(", ") };
                row.accepted.push(format!("`{id}`: {told}"));
            }
        }
    }
    let mut text =
        "\n## Paths: x509-limbo and bettertls\n\nServer cases without revocation lists and depth limits.\n\n"
            .to_owned();
    text.push_str("| suite | good | refused all the same | bad | accepted all the same | of these with a finding |\n|---|---:|---:|---:|---:|---:|\n");
    let (mut accepted, mut refused, mut told) = (Vec::new(), Vec::new(), 0);
    for (suite, row) in rows {
        let cells = [row.good, row.refused.len(), row.bad, row.accepted.len(), row.told].map(|count| count.to_string());
        text.push_str(&format!("| {suite} | {} |\n", cells.join(" | ")));
        told += row.told;
        accepted.extend(row.accepted);
        refused.extend(row.refused);
    }
    assert!(told * 2 > accepted.len(), "most of those that are accepted must raise a finding: {accepted:#?}");
    text.push_str(
        "
Accepted are cases that webpki, the verifier itself, accepts, and none beyond. What is found in them (those without a finding concern the root
alone, which is the client's, or rules of the public web):

",
    );
    for line in &accepted {
        text.push_str(&format!("- {line}\n"));
    }
    text.push_str("\nRefused:\n\n");
    for id in refused {
        let why = REFUSED.iter().find(|(known, _)| *known == id).map(|(_, why)| *why);
        text.push_str(&format!("- `{id}`: {}\n", why.unwrap_or(UNEXPLAINED)));
    }
    assert!(!text.contains(UNEXPLAINED), "{text}");
    text
}

fn case_of(case: &Value) -> (bool, Vec<Code>) {
    let texts = |key: &str| case[key].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect::<String>();
    let read =
        |text: &str| codec::read(text.as_bytes(), None).map(|contents| contents.certificates).unwrap_or_default();
    let mut chain = read(case["peer_certificate"].as_str().unwrap());
    if chain.is_empty() {
        return (false, vec![Code::Unreadable]);
    }
    chain.extend(read(&texts("untrusted_intermediates")));
    let now = moment(&case["validation_time"]).unwrap_or(datetime!(2026-11-21 0:00 UTC));
    let names: Vec<Name> = match case["expected_peer_name"]["value"].as_str().map(str::parse) {
        Some(Ok(name)) => vec![name],
        // No client can ask for it.
        Some(Err(_)) => return (false, vec![Code::NameMissing]),
        None => vec![],
    };
    let client = Profile::new("limbo", Anchors::new(read(&texts("trusted_certs"))));
    let (trust, codes) = judge(Chain::as_given(chain).unwrap(), &names, &[client], now);
    (trust.iter().all(|verdict| verdict.trusted), codes)
}

const UNEXPLAINED: &str = "no reason is known";

/// Differences from NIST PKITS, each explained.
const DIFFERENT: &[(&str, &str)] = &[
    ("4.1.4", DSA),
    ("4.1.5", DSA),
    ("4.2.3", "a date of 1950, before the epoch of Unix, which webpki does not take"),
    ("4.3.3", FOLDING),
    ("4.3.4", FOLDING),
    ("4.3.5", FOLDING),
    ("4.3.6", "unique identifiers, which RFC 5280 section 4.1.2.8 tells CAs not to write and webpki does not read"),
    ("4.3.10", FOLDING),
    ("4.3.11", FOLDING),
    ("4.6.8", CA_LEAF),
    ("4.6.14", CA_LEAF),
    ("4.6.15", SELF_ISSUED),
    ("4.6.17", SELF_ISSUED),
    ("4.13.1", DIRECTORY),
    ("4.13.4", DIRECTORY),
    ("4.13.5", DIRECTORY),
    ("4.13.6", DIRECTORY),
    ("4.13.11", DIRECTORY),
    ("4.13.14", DIRECTORY),
    ("4.13.18", DIRECTORY),
    ("4.13.19", SELF_ISSUED),
    ("4.13.21", MAIL),
    ("4.13.23", MAIL),
    ("4.13.25", MAIL),
    ("4.13.27", DIRECTORY),
    ("4.13.34", MAIL),
    ("4.13.36", MAIL),
];

/// NIST PKITS, the sections that need neither revocation lists nor policies.
fn suite(dir: &Path, expected: &Value) -> String {
    let sections = ["4.1.", "4.2.", "4.3.", "4.6.", "4.13.", "4.16."];
    let mut rows = BTreeMap::<&str, (usize, usize)>::new();
    let mut different = Vec::new();
    for case in expected["tests"].as_array().unwrap() {
        let number = case["number"].as_str().unwrap();
        let Some(section) = sections.iter().find(|section| number.starts_with(**section)) else { continue };
        let read = |name: &Value| {
            let path = dir.join("certs").join(format!("{}.crt", name.as_str().unwrap()));
            Certificate::from_der(fs::read(path).unwrap())
        };
        let certificates: Result<Vec<Certificate>, _> = case["certs"].as_array().unwrap().iter().map(read).collect();
        let verdict = certificates.map_err(|error| error.to_string()).and_then(|mut certificates| {
            let anchor = certificates.remove(0);
            certificates.reverse();
            let chain = Chain::as_given(certificates).unwrap();
            let verdict = Anchors::new([anchor]).verify(&chain, &[], datetime!(2020-06-01 0:00 UTC));
            verdict.map_err(|error| error.to_string())
        });
        let valid = verdict.is_ok();
        let row = rows.entry(section).or_default();
        row.0 += 1;
        if valid == case["should_validate"].as_bool().unwrap() {
            row.1 += 1;
        } else {
            different.push((number, case["title"].as_str().unwrap(), verdict));
        }
    }
    let mut text =
        "\n## NIST PKITS 1.0.1\n\nThe sections that need neither revocation lists nor policies, at 2020-06-01.\n\n"
            .to_owned();
    text.push_str("| section | cases | as expected |\n|---|---:|---:|\n");
    for (section, (all, right)) in &rows {
        text.push_str(&format!("| {} | {all} | {right} |\n", section.trim_end_matches('.')));
    }
    let (all, right) = rows.values().fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    text.push_str(&format!("| all | {all} | {right} |\n\nDifferent:\n\n"));
    for (number, title, verdict) in &different {
        let why = DIFFERENT.iter().find(|(known, _)| known == number).map(|(_, why)| *why);
        let said = match verdict {
            Ok(()) => "accepted".to_owned(),
            Err(error) => format!("refused ({error})"),
        };
        text.push_str(&format!("- {title}: {said}: {}\n", why.unwrap_or(UNEXPLAINED)));
    }
    assert!(!text.contains(UNEXPLAINED), "{text}");
    // What is bad must never be taken for good, whatever the reason.
    assert!(different.iter().all(|(_, _, verdict)| verdict.is_err()), "{text}");
    text
}
