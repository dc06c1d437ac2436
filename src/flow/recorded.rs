//! What an earlier run has found, read back: the lines of `--format jsonl`, or the object of `--format json`, of `check` and `scan`.
//!
//! Such a file may come from elsewhere. It is read line by line; what is not kept is passed over and not stored, and what a line is
//! is told by its keys: nothing that is not understood counts as nothing found.

mod since;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use time::{Date, OffsetDateTime};

use super::Refusal;
use super::check::{Checked, Seen};
use super::judge::elsewhere;
use crate::assess::{Acceptance, Code, Finding, Remedy, Severity, remedy_by_hand};
use crate::cert::installed::Leaf;
use crate::change::Shown;
use crate::digest::Digest;
use crate::host::Host;
use crate::host::publish::reopen;

/// The number of the shape that is written and read: `version` in `docs/json.md`.
pub const VERSION: u32 = 1;

/// Longest line, in bytes: a result with all its certificates has a few thousand.
const LONGEST: u64 = 64 * 1024 * 1024;
/// Largest object, in bytes.
const OBJECT: u64 = 128 * 1024 * 1024;
/// Largest file of lines, in bytes.
const MOST_BYTES: u64 = 512 * 1024 * 1024;
/// Most entries of a list, and most subjects.
const MOST: usize = 500_000;

/// What was read back.
#[derive(Debug)]
pub struct Recorded {
    /// The subjects, in their order.
    pub checked: Vec<Checked>,
    /// When the file was written, by its modification time.
    pub written: OffsetDateTime,
}

/// The subjects of a record. What newer versions may have added is left out; what has ended since is told as ended.
///
/// # Errors
/// The file cannot be read, a line of it is something else (with its number), or it tells of a run that failed.
pub fn read(host: &Host, path: &Path) -> Result<Recorded, Refusal> {
    let failed = |error: &io::Error| Refusal::new(format!("cannot read {}: {error}", path.display()));
    let earlier = reopen(path).map_err(|error| failed(&error))?;
    let checked = parse(BufReader::new(earlier.file), host.now()).map_err(|trouble| match trouble {
        Trouble::Io(error) => failed(&error),
        Trouble::Line(line, why) => {
            Refusal::new(format!("cannot read {}: line {line} is no result of `check`: {why}", path.display()))
                .hint("it takes what `reseal check --format jsonl` and `reseal check --format json` write")
        }
        Trouble::Failed(message) => {
            Refusal::new(format!("{} tells of a run that failed and found nothing: {message}", path.display()))
                .hint("run it again, and make the page of what that finds")
        }
        Trouble::CutOff => {
            let why = "holds a scan that was cut off: its last line, the summary, is missing";
            Refusal::new(format!("{} {why}", path.display()))
                .hint("let the scan run to its end: what is missing may be the worst")
        }
    })?;
    Ok(Recorded { checked, written: earlier.written })
}

/// A door for the fuzzer, which no program has: the subjects, if the bytes are a record.
#[cfg(fuzzing)]
#[doc(hidden)]
#[must_use]
pub fn parsed(bytes: &[u8], now: OffsetDateTime) -> Option<Vec<Checked>> {
    parse(bytes, now).ok()
}

/// Why it could not be read.
#[derive(Debug)]
enum Trouble {
    Io(io::Error),
    /// Its number, from 1, and what is wrong with it.
    Line(usize, String),
    /// The message of the run that is told of.
    Failed(String),
    /// Of a scan that has not come to its end.
    CutOff,
}

fn parse(mut input: impl BufRead, now: OffsetDateTime) -> Result<Vec<Checked>, Trouble> {
    let (mut all, mut line, mut total, mut first) = (Vec::new(), Vec::new(), 0_u64, true);
    // The lines of `check` end where they end; those of a scan with its summary.
    let mut unended = false;
    for number in 1.. {
        line.clear();
        let length = (&mut input).take(LONGEST + 1).read_until(b'\n', &mut line).map_err(Trouble::Io)? as u64;
        total += length;
        if length == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row = if length > LONGEST { None } else { Some(serde_json::from_slice::<Row>(&line)) };
        let row = match row {
            Some(Ok(row)) => row,
            // One object may be broken into lines, and be longer than a line may be.
            None if first => return object(line, input, number, now),
            Some(Err(error)) if first && error.is_eof() => return object(line, input, number, now),
            Some(Err(error)) => return Err(Trouble::Line(number, error.to_string())),
            None => return Err(Trouble::Line(number, too_large(LONGEST))),
        };
        first = false;
        unended = row.stream.is_some() || (unended && row.summary.is_none());
        row.add_to(&mut all, now).map_err(|trouble| trouble.at(number))?;
        if total > MOST_BYTES || all.len() > MOST {
            let why = format!("so far there are {} subjects in {total} bytes, and no more are read", all.len());
            return Err(Trouble::Line(number, why));
        }
    }
    if unended { Err(Trouble::CutOff) } else { Ok(all) }
}

/// One object, which begins with these bytes on this line.
fn object(begin: Vec<u8>, rest: impl BufRead, number: usize, now: OffsetDateTime) -> Result<Vec<Checked>, Trouble> {
    let mut input = io::Cursor::new(begin).chain(rest).take(OBJECT);
    let row: Result<Row, _> = serde_json::from_reader(BufReader::new(&mut input));
    let row = row.map_err(|error| {
        let why = if input.limit() == 0 { too_large(OBJECT) } else { error.to_string() };
        Trouble::Line(number + error.line().saturating_sub(1), why)
    })?;
    let mut all = Vec::new();
    row.add_to(&mut all, now).map_err(|trouble| trouble.at(number))?;
    Ok(all)
}

fn too_large(most: u64) -> String {
    format!("it is longer than the {} MiB that are read", most / 1_048_576)
}

/// Why a row is no result.
enum Objection {
    Failed(String),
    Row(String),
}

impl Objection {
    fn at(self, line: usize) -> Trouble {
        match self {
            Self::Failed(message) => Trouble::Failed(message),
            Self::Row(why) => Trouble::Line(line, why),
        }
    }
}

/// Any object that is written: a result (`subject`), the frame around results (`results`), the last line of a scan (`summary`), or a
/// failure (`error`).
#[derive(Deserialize)]
struct Row {
    version: Option<u64>,
    command: Option<String>,
    /// On the first line of a scan.
    stream: Option<IgnoredAny>,
    error: Option<Failed>,
    results: Option<List<Record>>,
    summary: Option<IgnoredAny>,
    subject: Option<String>,
    kind: Option<String>,
    leaf: Option<Leaf>,
    further: Option<List<Leaf>>,
    served: Option<List<Sight>>,
    findings: Option<List<Found>>,
    problem: Option<String>,
    notes: Option<List<String>>,
}

#[derive(Deserialize)]
struct Failed {
    message: String,
}

#[derive(Deserialize)]
struct Record {
    subject: String,
    kind: String,
    leaf: Option<Leaf>,
    #[serde(default)]
    further: List<Leaf>,
    #[serde(default)]
    served: List<Sight>,
    #[serde(default)]
    findings: List<Found>,
    problem: Option<String>,
    #[serde(default)]
    notes: List<String>,
}

impl Row {
    fn add_to(self, all: &mut Vec<Checked>, now: OffsetDateTime) -> Result<(), Objection> {
        if let Some(error) = self.error {
            return Err(Objection::Failed(error.message));
        }
        if let Some(version) = self.version.filter(|version| *version != u64::from(VERSION)) {
            return Err(Objection::Row(format!("its version is {version}, and this program reads {VERSION}")));
        }
        let frame = || match (self.version, self.command.as_deref()) {
            (Some(_), Some("check" | "scan")) => Ok(()),
            (Some(_), Some(other)) => Err(Objection::Row(format!("`{other}` wrote it"))),
            (None, _) => Err(Objection::Row("it has no `version`".to_owned())),
            (Some(_), None) => Err(Objection::Row("it has no `command`".to_owned())),
        };
        match (self.results, self.subject) {
            (Some(results), None) => {
                frame()?;
                all.extend(results.0.into_iter().map(|record| checked(record, now)));
            }
            (None, Some(subject)) => {
                let kind = self.kind.ok_or_else(|| Objection::Row("it has no `kind`".to_owned()))?;
                let record = Record {
                    subject,
                    kind,
                    leaf: self.leaf,
                    further: self.further.unwrap_or_default(),
                    served: self.served.unwrap_or_default(),
                    findings: self.findings.unwrap_or_default(),
                    problem: self.problem,
                    notes: self.notes.unwrap_or_default(),
                };
                all.push(checked(record, now));
            }
            (None, None) if self.summary.is_some() => frame()?,
            (None, None) => {
                return Err(Objection::Row("it has neither `subject` nor `results`".to_owned()));
            }
            (Some(_), Some(_)) => return Err(Objection::Row("it has both `subject` and `results`".to_owned())),
        }
        Ok(())
    }
}

/// A list that ends before it fills the memory: a few bytes of text become many of a value.
struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_seq(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = List<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<List<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = input.next_element()? {
            if all.len() == MOST {
                return Err(A::Error::custom(format!("a list has more than {MOST} entries")));
            }
            all.push(one);
        }
        Ok(List(all))
    }
}

/// [`Seen`] by its keys: what serde derives for it stores all keys before it looks at them.
#[derive(Deserialize)]
#[serde(try_from = "SightKeys")]
struct Sight(Seen);

#[derive(Deserialize)]
struct SightKeys {
    probe: String,
    showed: String,
    fingerprint: Option<Digest>,
    proved: Option<bool>,
    why: Option<String>,
}

impl TryFrom<SightKeys> for Sight {
    type Error = String;

    fn try_from(keys: SightKeys) -> Result<Self, String> {
        let missing = |key: &str| format!("what was served has no `{key}`");
        let why = |why: Option<String>| why.ok_or_else(|| missing("why"));
        let shown = match keys.showed.as_str() {
            "leaf" => Shown::Leaf {
                fingerprint: keys.fingerprint.ok_or_else(|| missing("fingerprint"))?,
                proved: keys.proved.ok_or_else(|| missing("proved"))?,
            },
            "well" => Shown::Well,
            "nobody" => Shown::Nobody { why: why(keys.why)? },
            "failing" => Shown::Failing { why: why(keys.why)? },
            other => return Err(format!("this version does not know what it is to have showed {other:?}")),
        };
        Ok(Self(Seen { probe: keys.probe, shown, key_refuted: false }))
    }
}

#[derive(Deserialize)]
struct Found {
    code: String,
    severity: String,
    message: String,
    remedy: Option<String>,
    accepted: Option<Accepted>,
    lapsed: Option<Accepted>,
}

#[derive(Deserialize)]
struct Accepted {
    reason: String,
    #[serde(deserialize_with = "day")]
    until: Date,
}

impl From<Accepted> for Acceptance {
    fn from(Accepted { reason, until }: Accepted) -> Self {
        Self { reason, until }
    }
}

fn day<'de, D: Deserializer<'de>>(input: D) -> Result<Date, D::Error> {
    let text = String::deserialize(input)?;
    let format = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(&text, &format).map_err(|error| D::Error::custom(format!("{text:?} is no day: {error}")))
}

fn checked(record: Record, now: OffsetDateTime) -> Checked {
    let kind = match record.kind.as_str() {
        "target" => "target",
        "file" => "file",
        _ => "endpoint",
    };
    let mut unknown = Vec::new();
    let mut findings = Vec::new();
    for found in record.findings.0 {
        let severity = [("critical", Severity::Critical), ("warning", Severity::Warning), ("note", Severity::Note)];
        let severity = severity.iter().find(|(word, _)| *word == found.severity);
        match (Code::named(&found.code), severity) {
            (Some(code), Some((_, severity))) => {
                let (accepted, over): (Option<Acceptance>, _) = match found.accepted.map(Acceptance::from) {
                    Some(accepted) if accepted.until < now.date() => (None, Some(accepted)),
                    accepted => (accepted, None),
                };
                let lapsed = over.or(found.lapsed.map(Acceptance::from));
                // Of a target without a source, which no other line tells. Commands are written with their configuration: the words
                // before them tell.
                let begins = |text: &str| text.split('`').next().map(str::to_owned);
                let told = found.remedy.as_deref().and_then(begins);
                let by_hand = remedy_by_hand(code).filter(|remedy| told.is_some() && begins(remedy) == told);
                let new = Finding::new(code, found.message);
                let remedy = by_hand.map_or_else(|| new.remedy.clone(), Remedy::from);
                findings.push(Finding { severity: *severity, accepted, lapsed, remedy, ..new });
            }
            (None, _) | (_, None) => unknown.push(format!("{} ({}): {}", found.code, found.severity, found.message)),
        }
    }
    if let Some(leaf) = record.leaf.as_ref().filter(|leaf| leaf.not_after < now) {
        since::ended(leaf, &mut findings);
    }
    if kind == "target" {
        for finding in &mut findings {
            finding.remedy = finding.remedy.clone().of(&record.subject);
        }
    }
    findings.sort_by_key(|finding| (finding.accepted.is_some(), finding.severity));
    // Not to be passed over: it may be the worst of all.
    let unknown = (!unknown.is_empty())
        .then(|| format!("another version found what this one does not know: {}", unknown.join("; ")));
    Checked {
        leaf: record.leaf,
        further: record.further.0,
        served: record.served.0.into_iter().map(|sight| sight.0).collect(),
        findings: if kind == "target" { findings } else { elsewhere(findings) },
        problem: record.problem.or(unknown),
        notes: record.notes.0,
        ..Checked::blank(&record.subject, kind)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::flow::judge::Judge;

    const NOW: OffsetDateTime = datetime!(2030-12-24 0:00 UTC);

    fn parse(bytes: &[u8]) -> Result<Vec<Checked>, (usize, String)> {
        super::parse(bytes, NOW).map_err(|trouble| match trouble {
            Trouble::Line(line, why) => (line, why),
            Trouble::Failed(message) => (0, message),
            Trouble::CutOff => (0, "cut off".to_owned()),
            Trouble::Io(error) => panic!("{error}"),
        })
    }

    #[test]
    fn what_was_written_reads_back() {
        let certificate = crate::cert::fixture::self_signed(&crate::cert::fixture::Wish::server("a.example"));
        let mut one = Judge::by_default(NOW).file("/x/a.pem", certificate.certificate.to_pem().as_bytes()).remove(0);
        let shown = Shown::Leaf { fingerprint: Digest::of(b"x"), proved: true };
        one.served.push(Seen { probe: "a:443".to_owned(), shown, key_refuted: false });
        one.served.push(Seen {
            probe: "b:443".to_owned(),
            shown: Shown::Nobody { why: "refused".to_owned() },
            key_refuted: false,
        });
        one.further.extend(one.leaf.clone());
        one.notes.push("a note".to_owned());
        let until = time::macros::date!(2030 - 12 - 24);
        one.findings[0].accepted = Some(Acceptance { reason: "intranet".to_owned(), until });
        one.findings[1].lapsed =
            Some(Acceptance { reason: "once".to_owned(), until: time::macros::date!(2029 - 01 - 02) });
        one.findings.sort_by_key(|finding| (finding.accepted.is_some(), finding.severity));
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
    fn a_scan_without_its_end_is_no_record() {
        let first = r#"{"stream":"scan","subject":"a","kind":"file","leaf":null}"#;
        let row = r#"{"subject":"b","kind":"file","leaf":null}"#;
        let last = r#"{"version":1,"command":"scan","exit":0,"summary":{}}"#;
        let (whole, cut) = (format!("{first}\n{row}\n{last}\n"), format!("{first}\n{row}\n"));
        assert_eq!(parse(whole.as_bytes()).unwrap().len(), 2);
        assert_eq!(parse(format!("{whole}{row}\n").as_bytes()).unwrap().len(), 3, "lines of a check behind it");
        for cut in [cut.clone(), format!("{whole}{cut}"), first.to_owned()] {
            assert_eq!(parse(cut.as_bytes()).unwrap_err(), (0, "cut off".to_owned()), "{cut}");
        }
    }

    #[test]
    fn what_is_no_record_is_named_by_its_line() {
        let good = r#"{"subject":"a","kind":"file","leaf":null}"#;
        assert_eq!(parse(good.as_bytes()).unwrap().len(), 1);
        for bad in [
            "x",
            "{}",
            "[]",
            "1",
            "{\"subject\":1}",
            "\u{0}",
            r#"{"subject":"a"}"#,
            r#"{"subject":1,"kind":"file","summary":{}}"#,
            r#"{"subject":"a","kind":"file","leaf":{"names":1},"summary":{}}"#,
            r#"{"subject":"a","kind":"file","served":[{"probe":"a","showed":"leaf"}]}"#,
            r#"{"subject":"a","kind":"file","findings":[{"code":"expired"}],"summary":1}"#,
            r#"{"subject":"a","kind":"file","findings":[{"code":"expired","severity":"critical","message":"m","accepted":{"reason":"r","until":"soon"}}]}"#,
            r#"{"subject":"a","kind":"file","results":[]}"#,
            r#"{"version":2,"subject":"a","kind":"file"}"#,
            r#"{"version":2,"command":"check","exit":0,"results":[]}"#,
            r#"{"command":"check","exit":0,"results":[]}"#,
            r#"{"version":1,"command":"status","exit":0,"results":[]}"#,
            r#"{"version":1,"command":"check","exit":0,"results":[{"subject":1}]}"#,
            r#"{"version":2,"command":"scan","exit":0,"summary":{}}"#,
            r#"{"version":1,"comma"#,
        ] {
            assert_eq!(parse(format!("{good}\n{bad}\n").as_bytes()).unwrap_err().0, 2, "{bad}");
            assert_eq!(parse(format!("\n\n{bad}").as_bytes()).unwrap_err().0, 3, "{bad}");
        }
        assert!(parse(b"").unwrap().is_empty());
        // Nested to death: refused and not followed.
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn a_run_that_failed_is_not_one_that_found_nothing() {
        let line = r#"{"version":1,"command":"check","exit":2,"error":{"message":"no such\u0020target","hint":null},"results":[]}"#;
        let broken = line.replace(",\"", ",\n\"");
        for text in [line, &broken, r#"{"exit":2,"error":{"message":"no such target"}}"#] {
            assert_eq!(parse(text.as_bytes()).unwrap_err(), (0, "no such target".to_owned()), "{text}");
        }
        assert_eq!(parse(br#"{"exit":2,"error":"x"}"#).unwrap_err().0, 1);
    }

    #[test]
    fn an_object_may_be_broken_into_lines() {
        let text = "\n{\n\"version\": 1,\n \"command\": \"check\",\n\"results\": [\n{\"subject\":\"a\",\n\"kind\":\"file\"}\n]\n}\n";
        assert_eq!(parse(text.as_bytes()).unwrap().len(), 1);
        let bad = text.replace("\"a\"", "1");
        assert_eq!(parse(bad.as_bytes()).unwrap_err().0, 6);
    }

    #[test]
    fn what_is_not_kept_is_not_stored_and_lines_end() {
        let entries = "0,".repeat(1 << 20);
        let sight = format!(r#"{{"probe":"a","showed":"well","x":[{entries}0]}}"#);
        let line = format!(r#"{{"x":[{entries}0],"subject":"a","kind":"file","served":[{sight}]}}"#);
        assert_eq!(parse(line.as_bytes()).unwrap()[0].served.len(), 1);
        let many = format!(r#"{{"subject":"a","kind":"file","notes":[{}""]}}"#, "\"\",".repeat(MOST));
        assert!(parse(many.as_bytes()).unwrap_err().1.contains("more than 500000 entries"));
        // Endless input ends where the limit is: without a line end, and for the second line too.
        let good = b"{\"subject\":\"a\",\"kind\":\"file\"}\n".as_slice();
        for (begin, number) in [(b"{\"x\":\"".as_slice(), 1), (good, 2)] {
            let endless = BufReader::with_capacity(1 << 20, begin.chain(io::repeat(b'x')));
            match super::parse(endless, NOW).unwrap_err() {
                Trouble::Line(line, why) => assert!(line == number && why.contains("MiB that are read"), "{why}"),
                other @ (Trouble::Io(_) | Trouble::Failed(_) | Trouble::CutOff) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_has_ended_since_is_told_as_ended() {
        let line = |accepted: &str| {
            format!(
                r#"{{"subject":"a:443","kind":"endpoint","leaf":{{"fingerprint":"{}","subject":"CN=a","issuer":"CN=b","names":["a"],
                "not_before":"2030-09-01T00:00:00Z","not_after":"2030-12-20T00:00:00Z","key":"P-256","paired":false}},"findings":[
                {{"code":"expiring","severity":"warning","message":"it ends"{accepted}}},{{"code":"self-signed","severity":"critical",
                "message":"m","accepted":{{"reason":"r","until":"2030-12-23"}}}}]}}"#,
                "ab".repeat(32)
            )
        };
        for accepted in ["", r#","accepted":{"reason":"r","until":"2031-01-01"}"#] {
            let back = parse(line(accepted).replace('\n', "").as_bytes()).unwrap();
            let told: Vec<_> = back[0].findings.iter().map(|one| (one.code, one.counts())).collect();
            // And what was accepted until yesterday is so no more.
            assert_eq!(told, [(Code::SelfSigned, true), (Code::Expired, true)]);
            assert_eq!(back[0].findings[1].message, "it ended 2030-12-20, after it was looked at");
            assert!(back[0].findings[0].lapsed.is_some());
        }
        let target = |remedy: &str| {
            let line = line(&format!(r#","remedy":"{remedy}""#)).replace('\n', "");
            let back =
                parse(line.replace(r#""a:443","kind":"endpoint""#, r#""web","kind":"target""#).as_bytes()).unwrap();
            let ended = back[0].findings.iter().find(|one| one.code == Code::Expired).unwrap();
            ended.remedy.told().into_owned()
        };
        assert_eq!(target("`reseal renew web`"), "clients refuse it: `reseal renew web`");
        let by_hand = target(remedy_by_hand(Code::Expiring).unwrap());
        assert!(by_hand.starts_with("it has no source") && by_hand.contains("`reseal install web --cert"), "{by_hand}");
        let before = super::parse(line("").replace('\n', "").as_bytes(), datetime!(2030-12-19 0:00 UTC)).unwrap();
        assert_eq!(
            before[0].findings.iter().map(|one| one.code).collect::<Vec<_>>(),
            [Code::Expiring, Code::SelfSigned]
        );
    }
}
