//! For Nagios, Icinga and their kin: text and performance data as `check_ssl_cert` writes them, and the plugin API's exit codes.
//!
//! The end of a certificate is judged by the thresholds alone and not by the findings `expiring` and `ends-soon`: they tell when reseal
//! renews, and an alarm belongs to the day on which renewing should long have happened.
//!
//! A server of which no address shows a certificate is down for its clients, whatever the reason: that is critical here, though the
//! finding may be a warning, which leaves open whether the address was right.

mod limits;

use std::collections::BTreeSet;

use time::OffsetDateTime;

pub use self::limits::{Limits, Threshold};

use super::Answer;
use super::escape::escape;
use crate::assess::{Code, Severity, ago, date, span};
use crate::cert::installed::Leaf;
use crate::change::Shown;
use crate::flow::check::Checked;
use crate::outcome::called;

/// What Nagios keeps of an answer is at most 8 KiB.
const MOST_BYTES: usize = 7_900;
/// What a pager shows of the first line.
const FIRST_LINE: usize = 240;
/// Values of performance data: graphs for more are no help, and the text needs room.
const MOST_VALUES: usize = 25;

/// The reasons for which an address shows no certificate.
pub(super) const UNSEEN: [Code; 12] = [
    Code::NoAddress,
    Code::Unreachable,
    Code::Refused,
    Code::Timeout,
    Code::Reset,
    Code::PlainHttp,
    Code::NotTls,
    Code::StarttlsRefused,
    Code::Alert,
    Code::TlsTooOld,
    Code::Oversized,
    Code::HandshakeFails,
];

/// The states of the plugin API, best first but for the codes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// 0.
    Ok,
    /// 3.
    Unknown,
    /// 1.
    Warning,
    /// 2.
    Critical,
}

impl State {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// What is written, and the code to end with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// For standard output.
    pub text: String,
    /// The worst of all.
    pub state: State,
}

/// The answer for a monitoring system; `program` is how to call the program again for the same configuration and state.
#[must_use]
pub fn render(answer: &Answer, limits: &Limits, program: &str, now: OffsetDateTime) -> Told {
    if let Some(failure) = &answer.failure {
        let hint = failure.hint.as_ref().map(|hint| format!("\n{}", shown(&called(hint, program)))).unwrap_or_default();
        let problems = failure.problems.iter().map(|(file, problem)| {
            let place = format!("{}:{}:{}", file.display(), problem.line, problem.column);
            format!("\n{}", shown(&format!("{place}: {}", problem.message)))
        });
        return unknown(&failure.message, &(problems.collect::<String>() + &hint));
    }
    match answer.body.checks() {
        Some([]) => unknown("nothing to check: no target is configured", ""),
        Some(all) => checks(all, limits, program, now),
        None => unknown("only `check` has an answer for monitoring", ""),
    }
}

fn unknown(message: &str, rest: &str) -> Told {
    let text = format!("SSL_CERT UNKNOWN - {}{rest}\n", cut(&shown(message), FIRST_LINE));
    Told { text: cut_to_lines(text), state: State::Unknown }
}

/// One subject as it is judged here.
struct Judged<'a> {
    checked: &'a Checked,
    state: State,
    /// The worst first.
    reasons: Vec<String>,
    value: Option<Value>,
}

/// Days left, and the thresholds in days.
struct Value {
    left: f64,
    warning: f64,
    critical: f64,
}

fn checks(all: &[Checked], limits: &Limits, program: &str, now: OffsetDateTime) -> Told {
    let mut judged: Vec<Judged<'_>> = all.iter().map(|checked| judge(checked, limits, program, now)).collect();
    let left = |one: &Judged<'_>| one.value.as_ref().map_or(f64::MAX, |value| value.left);
    judged.sort_by(|a, b| b.state.cmp(&a.state).then(left(a).total_cmp(&left(b))));
    let state = judged.iter().map(|one| one.state).max().unwrap_or(State::Unknown);
    let first = match judged.as_slice() {
        [one] => summary(one, now),
        [worst, ..] => {
            let count = |state| judged.iter().filter(|one| one.state == state).count();
            let counts = [State::Critical, State::Warning, State::Unknown, State::Ok];
            let counts = counts.into_iter().filter(|state| count(*state) > 0);
            let counts: Vec<String> = counts.map(|state| format!("{} {}", count(state), state.word())).collect();
            format!("{} checked: {}; {}", judged.len(), counts.join(", "), summary(worst, now))
        }
        [] => String::new(),
    };
    let mut text = format!("SSL_CERT {} - {}", state.word(), cut(&first, FIRST_LINE));
    text.push_str(&values(&judged));
    text.push('\n');
    if judged.len() > 1 || judged.iter().any(|one| one.state != State::Ok) {
        for one in &judged {
            let told = if one.reasons.is_empty() { summary(one, now) } else { reasons(one) };
            text.push_str(&format!("{} {told}\n", one.state.word()));
        }
    }
    Told { text: cut_to_lines(text), state }
}

fn judge<'a>(checked: &'a Checked, limits: &Limits, program: &str, now: OffsetDateTime) -> Judged<'a> {
    let mut told = Vec::new();
    if let Some(problem) = &checked.problem {
        told.push((State::Unknown, shown(problem)));
    }
    let down = nothing_shown(checked);
    let near = |code| matches!(code, Code::Expiring | Code::EndsSoon);
    for finding in checked.findings.iter().filter(|finding| finding.accepted.is_none() && !near(finding.code)) {
        let state = match finding.severity {
            _ if down && unseen(finding.code) => State::Critical,
            Severity::Critical => State::Critical,
            Severity::Warning => State::Warning,
            Severity::Note => continue,
        };
        let message =
            format!("{}: {} ({})", finding.code.name(), finding.message, called(&finding.remedy.told(), program));
        told.push((state, shown(&message)));
    }
    if down && !checked.findings.iter().any(|finding| unseen(finding.code)) {
        told.push((State::Critical, "no address showed a certificate".to_owned()));
    } else if checked.leaf.is_none() && checked.served.is_empty() && checked.problem.is_none() {
        let notes = checked.notes.join("; ");
        let why = if notes.is_empty() { "there is no certificate to judge" } else { &notes };
        told.push((State::Unknown, shown(why)));
    }
    for leaf in checked.leaves().filter(|leaf| !settled(checked, leaf)) {
        let value = value(leaf, limits, now);
        let (state, limit) = match value.left {
            left if left < value.critical => (State::Critical, value.critical),
            left if left < value.warning => (State::Warning, value.warning),
            _ => continue,
        };
        let which = if checked.further.is_empty() { String::new() } else { format!("{} ", shown(&in_brief(leaf))) };
        told.push((state, format!("{which}ends in {} days, which is less than {}", two(value.left), two(limit))));
    }
    let value = checked.leaf.as_ref().map(|leaf| value(leaf, limits, now));
    told.sort_by_key(|(state, _)| std::cmp::Reverse(*state));
    let state = told.first().map_or(State::Ok, |(state, _)| *state);
    Judged { checked, state, reasons: told.into_iter().map(|(_, text)| text).collect(), value }
}

/// Whether its end is told by a finding, or accepted: then no threshold counts for it.
fn settled(checked: &Checked, leaf: &Leaf) -> bool {
    let mut about = checked.findings.iter().filter(|one| one.leaf.is_none_or(|leaf_of| leaf_of == leaf.fingerprint));
    about.any(|finding| {
        let near = matches!(finding.code, Code::Expiring | Code::EndsSoon);
        matches!(finding.code, Code::Expired | Code::StoreExpired) || (near && finding.accepted.is_some())
    })
}

/// One of several leaves in a few words.
fn in_brief(leaf: &Leaf) -> String {
    format!("{} {}", leaf.key, leaf.fingerprint.short())
}

/// Whether it was asked for, and no address showed a certificate.
fn nothing_shown(checked: &Checked) -> bool {
    let shows = |shown: &Shown| match shown {
        Shown::Leaf { .. } | Shown::Well => true,
        Shown::Nobody { .. } | Shown::Failing { .. } => false,
    };
    !checked.served.is_empty() && !checked.served.iter().any(|seen| shows(&seen.shown))
}

/// Whether the finding says why an address showed no certificate.
fn unseen(code: Code) -> bool {
    UNSEEN.contains(&code)
}

fn value(leaf: &Leaf, limits: &Limits, now: OffsetDateTime) -> Value {
    const DAY: f64 = 86_400.0;
    let lifetime = (leaf.not_after - leaf.not_before).as_seconds_f64() / DAY;
    let (warning, critical) = limits.days(lifetime);
    Value { left: (leaf.not_after - now).as_seconds_f64() / DAY, warning, critical }
}

/// A subject in one line: why it is not well, or what it has.
fn summary(one: &Judged<'_>, now: OffsetDateTime) -> String {
    let subject = shown(&one.checked.subject);
    if let Some(reason) = one.reasons.first() {
        return format!("{subject}: {reason}");
    }
    let Some(leaf) = &one.checked.leaf else { return subject };
    let name = leaf.common_name.as_deref().or(leaf.names.first().map(String::as_str)).unwrap_or(&leaf.subject);
    let issuer = leaf.issuer_common_name.as_deref().unwrap_or(&leaf.issuer);
    let ends = if leaf.not_after >= now {
        format!("expires in {}", span(leaf.not_after - now))
    } else {
        format!("expired {} ago", ago(now - leaf.not_after))
    };
    format!(
        "{subject}, x509 certificate '{}' from '{}' valid until {} ({ends})",
        shown(name),
        shown(issuer),
        date(leaf.not_after)
    )
}

fn reasons(one: &Judged<'_>) -> String {
    format!("{}: {}", shown(&one.checked.subject), one.reasons.join("; "))
}

/// `|days=76;20;15;;`, or a value a subject; the worst of them where there are many.
fn values(judged: &[Judged<'_>]) -> String {
    let mut labels = BTreeSet::new();
    let several = judged.len() > 1;
    let measured = judged.iter().filter_map(|one| one.value.as_ref().map(|value| (one.checked, value)));
    let values: Vec<String> = measured
        .take(MOST_VALUES)
        .map(|(checked, value)| {
            let mut label = if several { format!("days_{}", plain(&checked.subject)) } else { "days".to_owned() };
            let mut number = 2;
            while !labels.insert(label.clone()) {
                label = format!("days_{}_{number}", plain(&checked.subject));
                number += 1;
            }
            format!("'{label}'={};{};{};;", two(value.left), two(value.warning), two(value.critical))
        })
        .collect();
    match values.as_slice() {
        [] => String::new(),
        [one] if !several => format!("|{}", one.replace('\'', "")),
        several => format!("|{}", several.join(" ")),
    }
}

/// At most two digits behind the point, and none that say nothing.
fn two(number: f64) -> String {
    // Rounded down: one that ends in 19.999 days is not told to end in the 20 that would do.
    let text = format!("{:.2}", (number * 100.0).floor() / 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A label that needs no quoting anywhere: graphing tools make file names of it.
fn plain(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || ".-:".contains(c) { c } else { '_' };
    text.chars().take(80).map(keep).collect()
}

/// Text from outside: harmless for a terminal, without the bar that begins performance data, and without what a status page that prints
/// HTML, or a notification that goes through a shell, would take for its own.
fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in escape(text).chars() {
        match c {
            '|' | '<' | '>' | '$' | '&' => safe.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// Whole lines, as many as are kept; the first, with the performance data, fits in any case.
fn cut_to_lines(text: String) -> String {
    if text.len() <= MOST_BYTES {
        return text;
    }
    let mut kept = String::new();
    let mut lines = text.lines();
    for line in lines.by_ref() {
        let line = if kept.is_empty() { line.to_owned() } else { cut(line, MOST_BYTES / 8) };
        if !kept.is_empty() && kept.len() + line.len() > MOST_BYTES - 64 {
            kept.push_str(&format!("and {} more: `reseal check` tells all\n", lines.count() + 1));
            break;
        }
        kept.push_str(&line);
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::{Acceptance, Finding};
    use crate::digest::Digest;
    use crate::outcome::Exit;
    use crate::report::Body;
    use crate::report::Failure;
    use crate::report::escape::acts;
    use crate::report::specimen::{HOSTILE, NOW, endpoint, hostile};

    fn told(all: Vec<Checked>, limits: &Limits) -> Told {
        let answer = Answer { command: Some("check"), exit: Exit::Good, body: Body::Checks(all), failure: None };
        render(&answer, limits, "reseal", NOW)
    }

    fn limits(warning: &str, critical: &str) -> Limits {
        Limits { warning: warning.parse().ok(), critical: critical.parse().ok() }
    }

    #[test]
    fn one_that_is_good() {
        let told = told(vec![endpoint("a.example", 60, &[])], &Limits::default());
        assert_eq!(
            told.text,
            "SSL_CERT OK - a.example:443, x509 certificate 'a.example' from 'Example CA' valid until 2027-01-20 \
             (expires in 60 days)|days=60;20;11.25;;\n"
        );
        assert_eq!(told.state.code(), 0);
    }

    #[test]
    fn the_end_is_judged_by_the_thresholds_alone() {
        let of = |days, limits: &Limits| told(vec![endpoint("a", days, &[Code::Expiring])], limits).state;
        let default = Limits::default();
        for (days, state) in [(25, State::Ok), (19, State::Warning), (11, State::Critical)] {
            assert_eq!(of(days, &default), state, "{days}");
        }
        for (days, state) in [(11, State::Ok), (9, State::Warning), (4, State::Critical)] {
            assert_eq!(of(days, &limits("10", "5d")), state, "{days}");
        }
        // Nine days and four and a half.
        for (days, state) in [(10, State::Ok), (8, State::Warning), (4, State::Critical)] {
            assert_eq!(of(days, &limits("10%", "5%")), state, "{days}");
        }
        assert_eq!(of(3, &limits("2", "")), State::Ok, "a warning alone moves the alarm's default");
        let text = told(vec![endpoint("a", 4, &[])], &limits("10%", "5%")).text;
        assert!(text.starts_with("SSL_CERT CRITICAL - a:443: ends in 4 days, which is less than 4.5|days=4;9;4.5;;\n"));
    }

    #[test]
    fn a_threshold_alone_moves_the_default_of_the_other() {
        for (limits, values) in [
            (limits("", "100"), "days=60;100;100;;"),
            (limits("", "12"), "days=60;20;12;;"),
            (limits("", "50%"), "days=60;45;45;;"),
            (limits("5", ""), "days=60;5;5;;"),
            (limits("70", ""), "days=60;70;11.25;;"),
        ] {
            let text = told(vec![endpoint("a", 60, &[])], &limits).text;
            assert!(text.lines().next().unwrap().ends_with(&format!("|{values}")), "{text}");
        }
    }

    #[test]
    fn each_of_several_leaves_is_held_against_the_thresholds() {
        let state = |leaves: &[(i64, &[(Code, bool)])]| {
            let mut one = endpoint("a", leaves[0].0, &[]);
            one.leaf = None;
            for (days, codes) in leaves {
                let leaf = crate::report::specimen::leaf(&format!("{days}.example"), *days);
                for (code, accepted) in *codes {
                    let until = time::macros::date!(2027 - 01 - 31);
                    let acceptance = Acceptance { reason: "known".to_owned(), until };
                    let accepted = accepted.then_some(acceptance);
                    let about = Some(leaf.fingerprint);
                    one.findings.push(Finding { accepted, leaf: about, ..Finding::new(*code, "x") });
                }
                if one.leaf.is_none() { one.leaf = Some(leaf) } else { one.further.push(leaf) }
            }
            told(vec![one], &Limits::default())
        };
        assert_eq!(state(&[(60, &[]), (80, &[])]).state, State::Ok);
        let near = state(&[(60, &[]), (2, &[(Code::EndsSoon, false)])]);
        assert_eq!(near.state, State::Critical);
        let which = Digest::of(b"2.example").short();
        assert!(near.text.contains(&format!("a:443: P-256 {which} ends in 2 days")), "{}", near.text);
        // What is accepted is accepted for the one it was found at, before its end and after it.
        assert_eq!(state(&[(60, &[]), (2, &[(Code::EndsSoon, true)])]).state, State::Ok);
        assert_eq!(state(&[(-2, &[(Code::Expired, true)]), (60, &[])]).state, State::Ok);
        assert_eq!(state(&[(-2, &[(Code::Expired, true)]), (2, &[])]).state, State::Critical);
        assert_eq!(state(&[(2, &[(Code::EndsSoon, true)]), (3, &[])]).state, State::Critical);
    }

    #[test]
    fn neither_finding_on_the_end_is_an_alarm() {
        for code in [Code::Expiring, Code::EndsSoon] {
            let told = told(vec![endpoint("a", 11, &[code])], &limits("10", "5"));
            assert_eq!(told.state, State::Ok, "{}", told.text);
        }
    }

    #[test]
    fn a_server_that_shows_no_certificate_is_critical() {
        let dead = |shown: Shown, codes: &[Code]| {
            let mut one = endpoint("a", 60, codes);
            one.leaf = None;
            one.served[0].shown = shown;
            one
        };
        let nobody = || Shown::Nobody { why: "refused".to_owned() };
        for code in UNSEEN {
            let told = told(vec![dead(nobody(), &[code])], &Limits::default());
            assert_eq!(told.state, State::Critical, "{}", told.text);
            assert!(told.text.contains(code.name()), "{}", told.text);
        }
        let unexplained = told(vec![dead(Shown::Failing { why: String::new() }, &[])], &Limits::default());
        assert_eq!(
            unexplained.text,
            "SSL_CERT CRITICAL - a:443: no address showed a certificate\nCRITICAL a:443: no address showed a certificate\n"
        );
        // The files of a target are good, and nobody answers.
        let target =
            Checked { kind: "target", leaf: endpoint("a", 60, &[]).leaf, ..dead(nobody(), &[Code::Unreachable]) };
        assert_eq!(told(vec![target], &Limits::default()).state, State::Critical);
        // One of two addresses shows it.
        let mut half = dead(nobody(), &[Code::Refused]);
        half.served.extend(endpoint("a", 60, &[]).served);
        assert_eq!(told(vec![half], &Limits::default()).state, State::Warning);
        let mut accepted = dead(nobody(), &[Code::Refused]);
        let until = time::macros::date!(2027 - 01 - 31);
        accepted.findings[0].accepted = Some(Acceptance { reason: "off".to_owned(), until });
        assert_eq!(told(vec![accepted], &Limits::default()).state, State::Ok);
    }

    #[test]
    fn what_holds_nothing_to_judge_is_unknown() {
        let key = Checked { notes: vec!["it holds a key alone".to_owned()], ..Checked::blank("a.key", "file") };
        let encrypted = Checked {
            findings: vec![Finding::new(Code::KeyEncrypted, "it is encrypted")],
            ..Checked::blank("a.p12", "file")
        };
        for one in [key, encrypted, Checked::blank("a", "target")] {
            let told = told(vec![one], &Limits::default());
            assert_eq!(told.state.code(), 3, "{}", told.text);
        }
        let none =
            Checked { findings: vec![Finding::new(Code::NoCertificate, "none")], ..Checked::blank("a", "target") };
        assert_eq!(told(vec![none], &Limits::default()).state, State::Critical);
    }

    #[test]
    fn several_are_the_worst_of_them() {
        let all = vec![
            endpoint("a", 60, &[Code::RootSent]),
            endpoint("b", 50, &[Code::SelfSigned]),
            Checked { leaf: None, problem: Some("cannot read".to_owned()), ..endpoint("c", 60, &[]) },
            endpoint("d", 40, &[Code::ChainOrder]),
            endpoint("d", 40, &[]),
        ];
        let told = told(all, &Limits::default());
        let lines: Vec<&str> = told.text.lines().collect();
        assert_eq!(told.state.code(), 2);
        assert_eq!(
            lines[0],
            "SSL_CERT CRITICAL - 5 checked: 1 CRITICAL, 1 WARNING, 1 UNKNOWN, 2 OK; b:443: self-signed: b is self-signed \
             (no client trusts it: `reseal renew TARGET` replaces it)|'days_b:443'=50;20;11.25;; 'days_d:443'=40;20;11.25;; \
             'days_d:443_2'=40;20;11.25;; 'days_a:443'=60;20;11.25;;"
        );
        assert!(lines[2].starts_with("WARNING d:443: chain-order: "), "{}", lines[2]);
        assert!(lines[3].starts_with("UNKNOWN c:443: cannot read"), "{}", lines[3]);
        assert!(lines[5].starts_with("OK a:443, x509"), "{}", lines[5]);
    }

    #[test]
    fn a_run_that_could_not_begin_is_unknown() {
        let failure = Failure::usage("no | such\nthing", Some("do <this>".to_owned()));
        let told = render(&Answer::failed(None, failure), &Limits::default(), "reseal", NOW);
        assert_eq!(told.text, "SSL_CERT UNKNOWN - no \\u{7c} such\\u{a}thing\ndo \\u{3c}this\\u{3e}\n");
        assert_eq!(told.state.code(), 3);
        assert_eq!(self::told(Vec::new(), &Limits::default()).state, State::Unknown);
    }

    #[test]
    fn nothing_hostile_breaks_the_form() {
        let all: Vec<Checked> = HOSTILE.iter().map(|text| hostile(text)).collect();
        for all in HOSTILE.iter().map(|text| vec![hostile(text)]).chain([all]) {
            let text = told(all, &Limits::default()).text;
            assert!(!text.replace('\n', "").chars().any(acts), "{text}");
            assert_eq!(text.matches('|').count(), 1, "{text}");
            assert!(!text.contains(['<', '>', '$']), "{text}");
            let (first, rest) = text.split_once('\n').unwrap();
            let (_, values) = first.split_once('|').unwrap();
            for value in values.split(' ') {
                let (label, numbers) = value.rsplit_once('=').unwrap();
                assert!(!label.trim_matches('\'').contains(['\'', '=']), "{label}");
                assert_eq!(numbers, "60;20;11.25;;");
            }
            let states = ["CRITICAL ", "WARNING ", "UNKNOWN ", "OK "];
            assert!(rest.lines().all(|line| states.iter().any(|state| line.starts_with(state))), "{rest}");
        }
    }

    #[test]
    fn five_thousand_fit_where_8_kib_are_read() {
        let all = (0..5_000).map(|number| endpoint(&format!("host-{number}.example"), 10, &[Code::SelfSigned]));
        let text = told(all.collect(), &Limits::default()).text;
        assert!(text.len() < 8_192, "{}", text.len());
        assert!(text.lines().next().unwrap().starts_with("SSL_CERT CRITICAL - 5000 checked: 5000 CRITICAL; "));
        assert!(text.ends_with("more: `reseal check` tells all\n"), "{text}");
        let all = (0..30).map(|number| hostile(&format!("{number}{}", "\u{202e}".repeat(2_000))));
        let text = told(all.collect(), &Limits::default()).text;
        assert!(text.len() < 8_192 && text.lines().count() > 1, "{}", text.len());
    }

    #[test]
    fn thresholds_as_people_type_them() {
        for (text, threshold) in [
            ("20", Threshold::Days(20.0)),
            ("20d", Threshold::Days(20.0)),
            ("0.5", Threshold::Days(0.5)),
            ("10%", Threshold::Percent(10.0)),
        ] {
            assert_eq!(text.parse(), Ok(threshold));
        }
        for text in ["", "d", "%", "-1", "20h", "101%", "1e9", "inf", "NaN", "1.2.3", "20 d"] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
        assert!(limits("5", "10").contradict() && !limits("10", "5").contradict() && !limits("5", "10%").contradict());
        // In different units they cross for some lifetimes alone.
        assert_eq!(limits("50%", "80").days(90.0), (80.0, 80.0));
        assert_eq!(limits("50%", "80").days(365.0), (182.5, 80.0));
        assert_eq!(limits("5", "10%").days(90.0), (9.0, 9.0));
    }
}
