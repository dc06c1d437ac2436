//! For the textfile collector of a Prometheus node exporter (text format 0.0.4).
//!
//! Names and labels that the x509-certificate-exporter made known, so that dashboards and alerts for it work; `reseal_*` for what it
//! does not know. Times are constant and the query subtracts; no label holds a message, a date or a digest.

mod run;

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::escape::escape;
use crate::assess::Finding;
use crate::cert::installed::Leaf;
use crate::change::Shown;
use crate::flow::check::{Checked, Seen};

pub use self::run::{Names, run};

type Labels = Vec<(&'static str, String)>;

/// The whole file.
#[must_use]
pub fn render(all: &[Checked], now: OffsetDateTime) -> String {
    let mut text = String::new();
    let leaves: Vec<(&Leaf, Labels)> =
        all.iter().flat_map(|one| one.leaves().map(move |leaf| (leaf, of_leaf(one, leaf)))).collect();
    let mut certificate = |name: &str, help: &str, value: &dyn Fn(&Leaf) -> i64| {
        family(&mut text, name, help, leaves.iter().map(|(leaf, labels)| (labels.clone(), value(leaf))));
    };
    let begins = |leaf: &Leaf| leaf.not_before.unix_timestamp();
    let ends = |leaf: &Leaf| leaf.not_after.unix_timestamp();
    let present = now.unix_timestamp();
    certificate("x509_cert_not_before", "When the certificate begins to be valid, Unix time.", &begins);
    certificate("x509_cert_not_after", "When the certificate ends, Unix time.", &ends);
    certificate("x509_cert_expired", "Whether the certificate had ended when it was looked at.", &|leaf| {
        i64::from(leaf.not_after < now)
    });
    certificate("x509_cert_expires_in_seconds", "From the look at it to the end of the certificate.", &|leaf| {
        ends(leaf) - present
    });
    certificate("x509_cert_valid_since_seconds", "From the begin of the certificate to the look at it.", &|leaf| {
        present - begins(leaf)
    });

    let unread = all.iter().filter(|one| one.problem.is_some()).count();
    single(&mut text, "x509_read_errors", "Subjects that could not be looked at.", count(unread));
    let findings = all.iter().flat_map(|one| {
        let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for finding in &one.findings {
            *kinds.entry((finding.code.name(), severity(finding))).or_default() += 1;
        }
        kinds.into_iter().map(|((code, severity), times)| {
            let mut labels = of_subject(one);
            labels.extend([("code", code.to_owned()), ("severity", severity.to_owned())]);
            (labels, count(times))
        })
    });
    family(&mut text, "reseal_findings", "What is wrong with a subject, by code (docs/findings.md).", findings);
    let served = all.iter().flat_map(|one| {
        one.served.iter().map(|seen| {
            let mut labels = of_subject(one);
            labels.push(("listener", seen.probe.clone()));
            (labels, i64::from(serves(one, seen)))
        })
    });
    let help = "Whether the listener shows the certificate of the subject, and not with another key.";
    family(&mut text, "reseal_served", help, served);
    let unreadable = all.iter().map(|one| (of_subject(one), i64::from(one.problem.is_none())));
    family(&mut text, "reseal_checked", "Whether the subject could be looked at.", unreadable);
    let help = "When the check ran, Unix time: one that is old is a timer that stands still.";
    single(&mut text, "reseal_last_check_timestamp_seconds", help, present);
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    family(&mut text, "reseal_build_info", "The program that wrote this.", std::iter::once((version, 1)));
    text
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What its owner has accepted is of no severity: no alert is for it.
fn severity(finding: &Finding) -> &'static str {
    if finding.accepted.is_some() { "accepted" } else { super::text::severity(finding.severity) }
}

fn serves(one: &Checked, seen: &Seen) -> bool {
    match &seen.shown {
        // What could not be checked is no other key: an alert for it would never end.
        Shown::Leaf { fingerprint, .. } => {
            !seen.key_refuted && one.leaves().any(|leaf| leaf.fingerprint == *fingerprint)
        }
        Shown::Well => true,
        Shown::Nobody { .. } | Shown::Failing { .. } => false,
    }
}

/// What tells one subject from the others.
fn of_subject(one: &Checked) -> Labels {
    match one.kind {
        "file" => {
            let name = one.subject.rsplit('/').next().unwrap_or_default();
            vec![("filename", name.to_owned()), ("filepath", one.subject.clone())]
        }
        "endpoint" => vec![("endpoint", one.subject.clone())],
        _ => vec![("target", one.subject.clone())],
    }
}

fn of_leaf(one: &Checked, leaf: &Leaf) -> Labels {
    let mut labels = of_subject(one);
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    labels.extend([
        ("serial_number", decimal(&leaf.serial)),
        ("subject_CN", name(&leaf.common_name)),
        ("issuer_CN", name(&leaf.issuer_common_name)),
    ]);
    labels
}

fn single(text: &mut String, name: &str, help: &str, value: i64) {
    family(text, name, help, std::iter::once((Vec::new(), value)));
}

/// One name with all its samples, which the format wants together; nothing where there is none. A collector refuses a whole file for
/// one sample that comes twice, so that a subject that was named twice is told once.
fn family(text: &mut String, name: &str, help: &str, samples: impl Iterator<Item = (Labels, i64)>) {
    typed(text, "gauge", name, help, samples);
}

fn typed(text: &mut String, kind: &str, name: &str, help: &str, samples: impl Iterator<Item = (Labels, i64)>) {
    let mut told = BTreeSet::new();
    for (labels, value) in samples {
        let labels = written(&labels);
        if told.is_empty() {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        }
        if told.insert(labels.clone()) {
            text.push_str(&format!("{name}{labels} {value}\n"));
        }
    }
}

/// `{a="b",c="d"}`; an empty label is no label.
fn written(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}=\"{}\"", quoted(value)))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

/// Made harmless first, since the values end up in terminals and chat; then as the format has it. A line end is harmless by then.
fn quoted(value: &str) -> String {
    escape(value).replace('\\', "\\\\").replace('"', "\\\"")
}

/// A serial number as the other exporter writes it. Longer ones than anybody issues stay hexadecimal.
fn decimal(hex: &str) -> String {
    if let Some(amount) = hex.strip_prefix('-') {
        return format!("-{}", decimal(amount));
    }
    if hex.is_empty() || hex.len() > 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return hex.to_owned();
    }
    // Least digit first.
    let mut digits: Vec<u32> = vec![0];
    for digit in hex.chars().filter_map(|c| c.to_digit(16)) {
        let mut carry = digit;
        for place in &mut digits {
            let sum = *place * 16 + carry;
            *place = sum % 10;
            carry = sum / 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().filter_map(|digit| char::from_digit(*digit, 10)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::Code;
    use crate::report::escape::acts;
    use crate::report::specimen::{HOSTILE, NOW, endpoint, hostile};

    type Sample = (String, BTreeMap<String, String>, f64);

    /// Reads text format 0.0.4 as its description says, knowing nothing of how it was written.
    fn read(text: &str) -> Vec<Sample> {
        assert!(text.ends_with('\n'));
        let (mut typed, mut helped, mut closed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut samples, mut current): (Vec<Sample>, String) = (Vec::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{name} has help twice");
                continue;
            }
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(
                    (kind == "gauge" || (kind == "counter" && name.ends_with("_total")))
                        && typed.insert(name.to_owned()),
                    "{name} has a type twice"
                );
                assert!(!samples.iter().any(|(known, ..)| known == name), "the type comes after samples");
                continue;
            }
            let end = line.find(['{', ' ']).unwrap();
            let (name, mut rest) = line.split_at(end);
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
            assert!(typed.contains(name) && helped.contains(name), "{name} has no type or help");
            if name != current {
                assert!(closed.insert(current.clone()) && !closed.contains(name), "{name} is in two places");
                name.clone_into(&mut current);
            }
            let mut labels = BTreeMap::new();
            if let Some(inner) = rest.strip_prefix('{') {
                rest = inner;
                loop {
                    let (label, after) = rest.split_once("=\"").unwrap();
                    assert!(label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{label}");
                    let (mut value, mut chars) = (String::new(), after.char_indices());
                    let end = loop {
                        match chars.next().expect("a label value without an end") {
                            (at, '"') => break at,
                            (_, '\\') => value.push(match chars.next().unwrap().1 {
                                '\\' => '\\',
                                '"' => '"',
                                'n' => '\n',
                                other => panic!("an escape that is none: {other}"),
                            }),
                            (_, c) => value.push(c),
                        }
                    };
                    assert!(labels.insert(label.to_owned(), value).is_none(), "{label} twice");
                    rest = &after[end + 1..];
                    if let Some(after) = rest.strip_prefix('}') {
                        rest = after;
                        break;
                    }
                    rest = rest.strip_prefix(',').unwrap();
                }
            }
            let value = rest.strip_prefix(' ').unwrap().parse().unwrap();
            assert!(!samples.iter().any(|(n, l, _)| n == name && *l == labels), "a sample twice: {line}");
            samples.push((name.to_owned(), labels, value));
        }
        samples
    }

    fn value(samples: &[Sample], name: &str, label: (&str, &str)) -> Option<f64> {
        let mut found = samples
            .iter()
            .filter(|(n, labels, _)| n == name && labels.get(label.0).is_some_and(|value| value == label.1));
        found.next().map(|(_, _, value)| *value)
    }

    #[test]
    fn the_names_that_dashboards_know() {
        let file = Checked { subject: "/etc/x/a.pem".to_owned(), kind: "file", ..endpoint("a.example", 60, &[]) };
        let web = Checked {
            subject: "web".to_owned(),
            kind: "target",
            problem: Some("no".to_owned()),
            ..endpoint("b.example", -3, &[Code::Expired, Code::Unreachable, Code::Unreachable])
        };
        let samples = read(&render(&[file, web], NOW));
        let of = |name, label| value(&samples, name, label);
        let seconds = |days: f64| Some(days * 86_400.0);
        let now = f64::from(i32::try_from(NOW.unix_timestamp()).unwrap());
        assert_eq!(of("x509_cert_not_after", ("filepath", "/etc/x/a.pem")), seconds(60.0).map(|left| now + left));
        assert_eq!(of("x509_cert_not_before", ("filename", "a.pem")), seconds(-30.0).map(|since| now + since));
        assert_eq!(of("x509_cert_expired", ("subject_CN", "a.example")), Some(0.0));
        assert_eq!(of("x509_cert_expired", ("target", "web")), Some(1.0));
        assert_eq!(of("x509_cert_expires_in_seconds", ("target", "web")), seconds(-3.0));
        assert_eq!(of("x509_cert_valid_since_seconds", ("target", "web")), seconds(93.0));
        assert!(of("x509_cert_not_after", ("serial_number", "1000")).is_some());
        assert_eq!(of("reseal_findings", ("code", "unreachable")), Some(2.0));
        assert_eq!(of("reseal_findings", ("severity", "critical")), Some(1.0));
        assert_eq!(of("reseal_served", ("listener", "a.example:443")), Some(1.0));
        assert_eq!(of("reseal_checked", ("target", "web")), Some(0.0));
        let alone = |name: &str| samples.iter().find(|(n, ..)| n == name).map(|(.., value)| *value);
        assert_eq!(alone("x509_read_errors"), Some(1.0));
        assert_eq!(alone("reseal_last_check_timestamp_seconds"), Some(now));
    }

    #[test]
    fn what_is_served_is_what_the_files_hold_with_its_key_proved() {
        let mut one = endpoint("a.example", 60, &[]);
        for (shown, good) in [
            (Shown::Leaf { fingerprint: one.leaf.as_ref().unwrap().fingerprint, proved: true }, true),
            (Shown::Leaf { fingerprint: one.leaf.as_ref().unwrap().fingerprint, proved: false }, true),
            (Shown::Leaf { fingerprint: crate::digest::Digest::of(b"other"), proved: true }, false),
            (Shown::Nobody { why: String::new() }, false),
            (Shown::Failing { why: String::new() }, false),
            (Shown::Well, true),
        ] {
            one.served[0].shown = shown;
            assert_eq!(serves(&one, &one.served[0]), good, "{:?}", one.served[0]);
        }
        one.served[0].shown = Shown::Leaf { fingerprint: one.leaf.as_ref().unwrap().fingerprint, proved: false };
        one.served[0].key_refuted = true;
        assert!(!serves(&one, &one.served[0]));
    }

    /// The alert of docs/monitoring.md, held against samples as its expression says.
    #[test]
    fn the_documented_alert_is_for_every_server_that_shows_nothing() {
        let page = include_str!("../../docs/monitoring.md");
        let rule = page.split("alert: NoCertificateShown\n").nth(1).unwrap().split("- alert").next().unwrap();
        let codes = rule.split("code=~\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(rule.contains("severity!=\"accepted\""), "{rule}");
        let codes: BTreeSet<&str> = codes.split('|').collect();
        for code in crate::report::nagios::UNSEEN {
            let samples = read(&render(&[endpoint("a.example", 60, &[code])], NOW));
            assert_eq!(value(&samples, "reseal_findings", ("code", code.name())), Some(1.0));
            assert!(codes.contains(code.name()), "{}", code.name());
        }
        assert_eq!(codes.len(), crate::report::nagios::UNSEEN.len());
    }

    #[test]
    fn nothing_hostile_makes_a_sample_and_nothing_comes_twice() {
        let mut all: Vec<Checked> = HOSTILE.iter().map(|text| hostile(text)).collect();
        all.extend(HOSTILE.iter().map(|text| hostile(text)));
        let text = render(&all, NOW);
        assert!(!text.replace('\n', "").chars().any(acts), "{text}");
        let samples = read(&text);
        let names: BTreeSet<&str> = samples.iter().map(|(name, ..)| name.as_str()).collect();
        assert!(names.iter().all(|name| name.starts_with("x509_") || name.starts_with("reseal_")), "{names:?}");
        for text in HOSTILE.iter().filter(|text| !text.is_empty()) {
            let shown = escape(text);
            assert!(value(&samples, "x509_cert_not_after", ("subject_CN", &shown)).is_some(), "{text:?}");
        }
        assert!(read(&render(&[], NOW)).len() == 3);
    }

    #[test]
    fn serial_numbers_in_decimal() {
        for (hex, number) in [("", ""), ("00", "0"), ("0a", "10"), ("03e8", "1000"), ("-5a", "-90"), ("xyz", "xyz")] {
            assert_eq!(decimal(hex), number);
        }
        assert_eq!(
            decimal("ffffffffffffffffffffffffffffffffffffffff"),
            "1461501637330902918203684832716283019655932542975"
        );
        assert_eq!(decimal(&"f".repeat(66)), "f".repeat(66));
    }
}
