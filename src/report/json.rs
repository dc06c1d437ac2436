//! For programs: one object on one line. The shape is described in `docs/json.md`; its number rises when a reader would have to
//! change.

use serde::Serialize;

use super::escape::acts;
use super::{Answer, Body, Failure, Saved};
use crate::assess::Finding;
use crate::flow::Report;
use crate::flow::acme::AccountView;
use crate::flow::backups::Generation;
use crate::flow::ca::{self, AuthorityView};
use crate::flow::check::Checked;
use crate::flow::csr::Requested;
use crate::flow::demo::Scene;
use crate::flow::export::Exported;
use crate::flow::fitting::show::Text;
use crate::flow::fitting::status::FittingView;
use crate::flow::history;
use crate::flow::init::Written;
use crate::flow::notify::{Overview, Tested};
use crate::flow::secret::{self, SecretView};
use crate::flow::status::Status;
use crate::flow::trust::AnchorView;
use crate::outcome::{Receipt, called};

/// The number of the shape.
pub const VERSION: u32 = crate::flow::recorded::VERSION;

/// The answer as one line of JSON, with its line end.
///
/// Characters that act on a terminal are written as `\uXXXX`: the same value for every reader, and harmless where nobody reads it
/// but a terminal.
#[must_use]
pub fn render(answer: &Answer) -> String {
    let text = serde_json::to_string(&Envelope::of(answer)).or_else(|error| {
        // A path that is no UTF-8. How the run ended is told all the same.
        let message = format!("the results cannot be written as JSON: {error}");
        let hint = Some("run it with `--format text`".to_owned());
        let failure = Failure { exit: answer.exit, message, hint, problems: Vec::new() };
        serde_json::to_string(&Envelope::of(&Answer::failed(answer.command, failure)))
    });
    let mut text = text.map(|text| quiet(&text)).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Envelope<'a> {
    version: u32,
    command: Option<&'a str>,
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error<'a>>,
    results: Results<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged_lines: Option<&'a [usize]>,
    #[serde(skip_serializing_if = "<[Finding]>::is_empty")]
    channels: &'a [Finding],
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem<'a>>,
}

#[derive(Serialize)]
struct Problem<'a> {
    file: String,
    line: usize,
    column: usize,
    message: &'a str,
    hint: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Results<'a> {
    None([(); 0]),
    Changes(&'a [Report]),
    Checks(&'a [Checked]),
    Generations(&'a [Generation]),
    History(&'a [Receipt]),
    Ledger([&'a history::Verified; 1]),
    Statuses(&'a [Status]),
    Tested(&'a [Tested]),
    Channels([&'a Overview; 1]),
    Written([&'a Written; 1]),
    Authorities(&'a [AuthorityView]),
    Issued([&'a ca::Written; 1]),
    Requested([&'a Requested; 1]),
    Exported([&'a Exported; 1]),
    Authority([&'a ca::Done; 1]),
    Accounts(&'a [AccountView]),
    Secrets(&'a [SecretView]),
    Kept(&'a [secret::Change]),
    Anchors(&'a [AnchorView]),
    Fittings(&'a [FittingView]),
    Texts(&'a [Text]),
    Saved([&'a Saved; 1]),
    Story(&'a [Scene]),
}

impl<'a> Envelope<'a> {
    fn of(answer: &'a Answer) -> Self {
        let (results, damaged_lines) = match &answer.body {
            Body::None => (Results::None([]), None),
            Body::Changes(reports) => (Results::Changes(reports), None),
            Body::Checks(checked) => (Results::Checks(checked), None),
            Body::Generations { list, .. } => (Results::Generations(list), None),
            Body::History { receipts, damaged_lines } => (Results::History(receipts), Some(damaged_lines.as_slice())),
            Body::Ledger(verified) => (Results::Ledger([verified]), None),
            Body::Statuses { list, .. } => (Results::Statuses(list), None),
            Body::Tested(tested) => (Results::Tested(tested), None),
            Body::Channels(overview) => (Results::Channels([overview]), None),
            Body::Written(written) => (Results::Written([written]), None),
            Body::Authorities(views) => (Results::Authorities(views), None),
            Body::Issued(issued) => (Results::Issued([issued]), None),
            Body::Requested(requested) => (Results::Requested([requested]), None),
            Body::Exported(exported) => (Results::Exported([exported]), None),
            Body::Authority(done) => (Results::Authority([done]), None),
            Body::Accounts(accounts) => (Results::Accounts(accounts), None),
            Body::Secrets(views) => (Results::Secrets(views), None),
            Body::Kept(changes) => (Results::Kept(changes), None),
            Body::Anchors { anchors, .. } => (Results::Anchors(anchors), None),
            Body::Fittings(views) => (Results::Fittings(views), None),
            Body::Texts(texts) => (Results::Texts(texts), None),
            Body::Saved(saved) => (Results::Saved([saved]), None),
            Body::Story(scenes) => (Results::Story(scenes), None),
        };
        let channels: &[Finding] = if let Body::Statuses { channels, .. } = &answer.body { channels } else { &[] };
        let error = answer.failure.as_ref().map(Error::of);
        let exit = answer.exit.code();
        Self { version: VERSION, command: answer.command, exit, error, results, damaged_lines, channels }
    }
}

impl<'a> Error<'a> {
    fn of(failure: &'a Failure) -> Self {
        let problems = failure.problems.iter().map(|(file, problem)| Problem {
            file: file.display().to_string(),
            line: problem.line,
            column: problem.column,
            message: &problem.message,
            hint: problem.hint.as_deref(),
        });
        Self { message: &failure.message, hint: failure.hint.as_deref(), problems: problems.collect() }
    }
}

/// The same for a run that was called as `program`: what it advises (`remedy`, `hint`, `next`, `attention`, `notes`) names it so, as text for
/// people does.
#[must_use]
pub fn advised(json: &str, program: &str) -> String {
    let quoted = serde_json::to_string(program).map(|text| quiet(&text)).unwrap_or_default();
    let program = quoted.trim_matches('"');
    if program == "reseal" || program.is_empty() {
        return json.to_owned();
    }
    let (mut out, mut rest, mut key) = (String::with_capacity(json.len()), json, "");
    while let Some(begin) = rest.find('"') {
        let inside = &rest[begin + 1..];
        let end = end_of_string(inside);
        let (text, after) = (&inside[..end], &inside[end..]);
        out.push_str(&rest[..=begin]);
        if after.starts_with("\":") {
            key = text;
            out.push_str(text);
        } else if ADVICE.contains(&key) {
            out.push_str(&called(text, program));
        } else {
            out.push_str(text);
        }
        let closed = after.len().min(1);
        out.push_str(&after[..closed]);
        rest = &after[closed..];
    }
    out + rest
}

/// Under which names advice stands.
const ADVICE: [&str; 5] = ["remedy", "hint", "next", "attention", "notes"];

/// Where a string of JSON ends.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// Outside of ASCII, such characters stand only within strings, where an escape means the same.
pub(super) fn quiet(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::outcome::Exit;

    #[test]
    fn advice_names_the_program_as_it_was_called_and_nothing_else_changes() {
        let value = json!({
            "message": "`reseal x` \\\" \"hint\":", "hint": "a \" `reseal renew`; `reseal check`", "names": ["`reseal y`"],
            "attention": ["`reseal a`", "`reseal b`"], "n": 1, "remedy": null, "next": {"why": "`reseal z`"},
        });
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(advised(&text, "reseal"), text);
        let back: Value = serde_json::from_str(&advised(&text, "reseal --config '/a \"b\\.toml'")).unwrap();
        let called = "`reseal --config '/a \"b\\.toml' ";
        let mut wanted = value;
        wanted["hint"] = json!(format!("a \" {called}renew`; {called}check`"));
        wanted["attention"] = json!([format!("{called}a`"), format!("{called}b`")]);
        assert_eq!(back, wanted);
    }

    #[test]
    fn a_failure_has_the_shape_of_an_answer() {
        let failure = Failure::usage("cannot\u{202e} \u{9b}2J\n\u{e0041}", Some("do".to_owned()));
        let text = render(&Answer::failed(Some("check"), failure));
        assert!(!text.trim_end().chars().any(acts), "{text}");
        assert!(text.starts_with(r#"{"version":1,"command":"check","exit":2,"error":{"message":"#), "{text}");
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["version"], 1);
        assert_eq!(back["exit"], Exit::Usage.code());
        assert_eq!(back["error"]["message"], "cannot\u{202e} \u{9b}2J\n\u{e0041}");
        assert_eq!(back["results"], json!([]));
    }
}
