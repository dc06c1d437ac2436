//! What an earlier run has found, read back: the lines of `--format jsonl`, or the object of `--format json check`.

use std::path::Path;

use serde::Deserialize;

use super::Refusal;
use super::check::{Checked, Seen};
use crate::assess::{Code, Finding, Severity};
use crate::cert::installed::Leaf;
use crate::change::Shown;
use crate::host::Host;

/// Largest record that is read: half a million subjects.
const MOST: u64 = 512 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Envelope {
        results: Vec<Record>,
    },
    One(Box<Record>),
    /// The last line of a run that tells its counts by itself.
    #[allow(dead_code, reason = "that it is there is all")]
    Counts {
        summary: serde::de::IgnoredAny,
    },
}

#[derive(Deserialize)]
struct Record {
    subject: String,
    kind: String,
    leaf: Option<Leaf>,
    #[serde(default)]
    served: Vec<Sight>,
    #[serde(default)]
    findings: Vec<Found>,
    problem: Option<String>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct Sight {
    probe: String,
    #[serde(flatten)]
    shown: Shown,
}

#[derive(Deserialize)]
struct Found {
    code: String,
    severity: String,
    message: String,
}

/// The subjects of a record, in their order. What newer versions may have added is left out.
///
/// # Errors
/// The file cannot be read, or a line of it is something else: with its number.
pub fn read(host: &Host, path: &Path) -> Result<Vec<Checked>, Refusal> {
    let bytes =
        host.read(path, MOST).map_err(|error| Refusal::new(format!("cannot read {}: {error}", path.display())))?;
    parse(&bytes).map_err(|(line, why)| {
        Refusal::new(format!("cannot read {}: line {line} is no result of `check`: {why}", path.display()))
            .hint("it takes what `reseal check --format jsonl` and `reseal check --format json` write")
    })
}

/// A door for the fuzzer, which no program has.
///
/// # Errors
/// The line, from 1, and why it is none.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn parsed(bytes: &[u8]) -> Result<Vec<Checked>, (usize, String)> {
    parse(bytes)
}

fn parse(bytes: &[u8]) -> Result<Vec<Checked>, (usize, String)> {
    // One object may be broken into lines. Of many objects this reads the first and stops.
    if let Ok(Line::Envelope { results }) = serde_json::from_slice(bytes) {
        return Ok(results.into_iter().map(checked).collect());
    }
    let mut all = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let refused = |error: serde_json::Error| (index + 1, error.to_string());
        match serde_json::from_slice(line).map_err(refused)? {
            Line::One(record) => all.push(checked(*record)),
            Line::Envelope { results } => all.extend(results.into_iter().map(checked)),
            Line::Counts { .. } => {}
        }
    }
    Ok(all)
}

fn checked(record: Record) -> Checked {
    let kind = match record.kind.as_str() {
        "target" => "target",
        "file" => "file",
        _ => "endpoint",
    };
    let mut unknown = Vec::new();
    let mut findings = Vec::new();
    for found in record.findings {
        let code = Code::ALL.iter().find(|code| code.name() == found.code);
        let severity = [("critical", Severity::Critical), ("warning", Severity::Warning), ("note", Severity::Note)];
        let severity = severity.iter().find(|(word, _)| *word == found.severity);
        match (code, severity) {
            (Some(code), Some((_, severity))) => {
                findings.push(Finding { severity: *severity, ..Finding::new(*code, found.message) });
            }
            (None, _) | (_, None) => unknown.push(format!("{} ({}): {}", found.code, found.severity, found.message)),
        }
    }
    // Not to be passed over: it may be the worst of all.
    let unknown = (!unknown.is_empty())
        .then(|| format!("another version found what this one does not know: {}", unknown.join("; ")));
    Checked {
        leaf: record.leaf,
        served: record.served.into_iter().map(|sight| Seen { probe: sight.probe, shown: sight.shown }).collect(),
        findings,
        problem: record.problem.or(unknown),
        notes: record.notes,
        ..Checked::blank(&record.subject, kind)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::digest::Digest;
    use crate::flow::judge::Judge;

    #[test]
    fn what_was_written_reads_back() {
        let certificate = crate::cert::fixture::self_signed(&crate::cert::fixture::Wish::server("a.example"));
        let mut one = Judge::by_default(datetime!(2030-12-24 0:00 UTC))
            .file("/x/a.pem", certificate.certificate.to_pem().as_bytes());
        let shown = Shown::Leaf { fingerprint: Digest::of(b"x"), proved: true };
        one.served.push(Seen { probe: "a:443".to_owned(), shown });
        one.served.push(Seen { probe: "b:443".to_owned(), shown: Shown::Nobody { why: "refused".to_owned() } });
        one.notes.push("a note".to_owned());
        assert!(one.findings.len() > 1 && one.leaf.is_some(), "{one:?}");
        let line = serde_json::to_string(&one).unwrap();
        for text in [
            format!("{line}\n{line}\n\n"),
            format!(
                "{line}\n{line}\n{{\"version\":1,\"command\":\"scan\",\"exit\":3,\"summary\":{{\"checked\":2}}}}\n"
            ),
            format!("{{\"version\":1,\"command\":\"check\",\"exit\":3,\"results\":[{line},{line}]}}"),
        ] {
            let back = parse(text.as_bytes()).unwrap();
            assert_eq!(back.len(), 2);
            assert_eq!(serde_json::to_string(&back[1]).unwrap(), line);
        }
    }

    #[test]
    fn what_is_not_known_is_not_passed_over() {
        let line = r#"{"subject":"a:443","kind":"endpoint","leaf":null,"served":[],"new":1,
            "findings":[{"code":"from-the-future","severity":"critical","message":"m","remedy":"r"}]}"#;
        let back = parse(line.replace('\n', "").as_bytes()).unwrap();
        assert!(back[0].problem.as_ref().unwrap().contains("from-the-future (critical): m"));
    }

    #[test]
    fn what_is_no_record_is_named_by_its_line() {
        let good = r#"{"subject":"a","kind":"file","leaf":null}"#;
        assert_eq!(parse(good.as_bytes()).unwrap().len(), 1);
        for bad in ["x", "{}", "[]", "1", "{\"subject\":1}", "\u{0}"] {
            assert_eq!(parse(format!("{good}\n{bad}\n").as_bytes()).unwrap_err().0, 2, "{bad}");
        }
        assert!(parse(b"").unwrap().is_empty());
        // Nested to death: refused and not followed.
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }
}
