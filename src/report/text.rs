//! For people: what was done, what it means, what to type next.

mod account;
mod authority;
mod change;
mod check;
mod fitting;
mod notify;
mod request;
pub mod scan;
mod scene;
mod secret;
mod table;
mod trust;

use time::OffsetDateTime;

use super::page::{FIELD, Page, Paint};
use super::standing::Standing;
use super::{Answer, Body, Failure, Saved, View};
use crate::assess::{Finding, Severity, date};
use crate::cert::installed::Leaf;
use crate::flow::export::Exported;
use crate::flow::init::Written;
use crate::moment::in_utc;

/// Text for standard output and for standard error, with colours in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Text {
    /// The result.
    pub out: String,
    /// What went wrong.
    pub err: String,
}

/// The answer in words.
#[must_use]
pub fn render(answer: &Answer, view: &View) -> Text {
    let page = || Page::new(view.width).called(&view.program);
    let (mut out, mut err) = (page(), page());
    match &answer.body {
        Body::None => {}
        Body::Changes(reports) => change::render(reports, answer.command, view, &mut out, &mut err),
        Body::Checks(checked) => check::render(checked, view, &mut out),
        Body::Generations { list, verified } => table::generations(list, *verified, view, &mut out),
        Body::History { receipts, damaged_lines } => table::history(receipts, damaged_lines, &mut out, &mut err),
        Body::Ledger(verified) => table::ledger(verified, &mut out, &mut err),
        Body::Statuses { list, channels } => {
            table::statuses(list, view, &mut out);
            for one in channels {
                finding(one, &mut out);
            }
        }
        Body::Tested(tested) => notify::tested(tested, view, &mut out),
        Body::Channels(overview) => notify::overview(overview, &mut out),
        Body::Written(written) => wrote(written, &mut out),
        Body::Authorities(views) => authority::shown(views, view, &mut out),
        Body::Issued(issued) => authority::issued(issued, view, &mut out),
        Body::Requested(requested) => request::requested(requested, view, &mut out, &mut err),
        Body::Exported(exported) => self::exported(exported, &mut out),
        Body::Authority(done) => authority::done(done, view, &mut out),
        Body::Accounts(views) => account::shown(views, answer.command, view, &mut out),
        Body::Secrets(views) => secret::shown(views, view, &mut out),
        Body::Kept(changes) => secret::changed(changes, view, &mut out),
        // Of what cannot be read nobody says that nothing was added.
        Body::Anchors { anchors, .. } if anchors.is_empty() && answer.failure.is_some() => {}
        Body::Anchors { anchors, .. } => trust::listed(anchors, view, &mut out),
        Body::Fittings(views) => fitting::listed(views, view, &mut out),
        Body::Texts(texts) => fitting::texts(texts, &mut out),
        Body::Saved(saved) => self::saved(saved, view, &mut out),
        Body::Story(scenes) => scene::closing(scenes, &mut out),
    }
    if let Some(failure) = &answer.failure {
        failed(failure, &mut err);
    }
    Text { out: out.into_text(), err: err.into_text() }
}

pub use scene::{begins, ends, opening};

/// What is told when only what went wrong is of interest; `program` is how to call the program again.
#[must_use]
pub fn failure(failure: &Failure, program: &str) -> String {
    let mut page = Page::new(None).called(program);
    failed(failure, &mut page);
    page.into_text()
}

fn failed(failure: &Failure, page: &mut Page) {
    page.put(Paint::Bad, "error: ").prose(Paint::Plain, &failure.message, 7).end();
    for (file, problem) in &failure.problems {
        // In the form editors jump to.
        page.say(&format!("{}:{}:{}: {}", file.display(), problem.line, problem.column, problem.message));
        if let Some(hint) = &problem.hint {
            page.say(&format!(" ({hint})"));
        }
        page.end();
    }
    hint(failure.hint.as_deref(), page);
}

fn hint(hint: Option<&str>, page: &mut Page) {
    if let Some(hint) = hint {
        page.put(Paint::Strong, "hint: ").advice(Paint::Plain, hint, 6).end();
    }
}

fn exported(exported: &Exported, page: &mut Page) {
    let what = if exported.written { "written" } else { "would be written" };
    page.put(Paint::Strong, &exported.target).say(": ").put(Paint::Good, what).end();
    page.field("file").say(&exported.path.display().to_string()).end();
    let text = format!("{}, until {}", exported.fingerprint.short(), date(exported.not_after));
    page.field("holds").say(&text).end();
    if exported.with_key {
        page.note("key", Paint::Warn, "it holds the private key: only its owner can read it, and should keep it so");
    }
    notes(&exported.notes, page);
}

fn wrote(written: &Written, page: &mut Page) {
    let path = written.path.display().to_string();
    match written.written {
        true => page.put(Paint::Good, "wrote ").put(Paint::Strong, &path).end(),
        false => page.say("would write ").put(Paint::Strong, &path).say("; nothing was written").end(),
    };
    for found in &written.found {
        page.field("found").say(&format!("{} ({}): {}", found.target, found.kind, found.names.join(", "))).end();
    }
    if written.found.is_empty() {
        page.note("found", Paint::Plain, "no service with a certificate: the file holds an example to complete");
    }
    notes(&written.notes, page);
    let next = "complete the file, then `reseal check` and `reseal renew --dry-run`";
    page.field("next").advice(Paint::Plain, next, FIELD).end();
}

/// What a verb about targets says where there are none.
fn unconfigured(view: &View, page: &mut Page) {
    page.say("no target is configured").end();
    if let Some(path) = view.configuration.as_ref().filter(|_| !view.quiet) {
        hint(Some(&format!("add a `[[target]]` to {} (docs/configuration.md)", path.display())), page);
    }
}

fn saved(saved: &Saved, view: &View, page: &mut Page) {
    if view.quiet {
        return;
    }
    let path = saved.path.display().to_string();
    match saved.written {
        true => page.put(Paint::Good, "wrote ").put(Paint::Strong, &path).end(),
        false => page.say("would write ").put(Paint::Strong, &path).say("; nothing was written").end(),
    };
    let counts = Standing::ALL.iter().filter_map(|standing| {
        saved.standings.get(standing.word()).map(|count| format!("{count} {}", standing.word()))
    });
    let counts: Vec<String> = counts.collect();
    let told = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    page.field("holds").say(&format!("{} looked at: {told}; {} KiB", saved.subjects, saved.bytes.div_ceil(1024))).end();
}

fn notes(notes: &[String], page: &mut Page) {
    for note in notes {
        page.field("note").advice(Paint::Faint, note, FIELD).end();
    }
}

/// A certificate in one line.
fn leaf_line(leaf: &Leaf) -> String {
    let names = if leaf.names.is_empty() { format!("{} (no names)", leaf.subject) } else { names(leaf) };
    format!(
        "{names}; {} to {}; {}; {}",
        date(leaf.not_before),
        date(leaf.not_after),
        leaf.key,
        leaf.fingerprint.short()
    )
}

/// The names of a certificate, the first few of them.
fn names(leaf: &Leaf) -> String {
    const SHOWN: usize = 3;
    match leaf.names.len() {
        0 => "none".to_owned(),
        count if count > SHOWN => format!("{} and {} more", leaf.names[..SHOWN].join(", "), count - SHOWN),
        _ => leaf.names.join(", "),
    }
}

/// Date and time of day, UTC.
fn moment(at: OffsetDateTime) -> String {
    let at = in_utc(at);
    format!("{} {:02}:{:02}", date(at), at.hour(), at.minute())
}

fn paint(severity: Severity) -> Paint {
    match severity {
        Severity::Critical => Paint::Bad,
        Severity::Warning => Paint::Warn,
        Severity::Note => Paint::Faint,
    }
}

pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// What is no finding, and is not counted as one.
fn remarks(remarks: &[String], page: &mut Page) {
    for remark in remarks {
        page.field("remark").advice(Paint::Faint, remark, FIELD).end();
    }
}

fn finding(finding: &Finding, page: &mut Page) {
    let (paint, word) = match finding.accepted {
        Some(_) => (Paint::Faint, "accepted"),
        None => (paint(finding.severity), severity(finding.severity)),
    };
    page.painted_field(paint, word).put(Paint::Strong, finding.code.name());
    page.say(": ").prose(Paint::Plain, &finding.message, FIELD).end();
    match (&finding.accepted, &finding.lapsed) {
        (Some(accepted), _) => {
            page.note("", Paint::Faint, &format!("accepted until {}: {}", accepted.until, accepted.reason))
        }
        (None, Some(lapsed)) => {
            page.field("").advice(Paint::Faint, &finding.remedy.told(), FIELD).end();
            page.note("", Paint::Faint, &format!("it was accepted until {}: {}", lapsed.until, lapsed.reason))
        }
        (None, None) => page.field("").advice(Paint::Faint, &finding.remedy.told(), FIELD).end(),
    };
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use time::macros::datetime;

    use super::*;
    use crate::flow::Report;
    use crate::outcome::{End, Exit, Outcome, Receipt};

    fn told(outcomes: Vec<Outcome>, quiet: bool) -> (String, String) {
        let reports = outcomes.into_iter().map(|outcome| Report {
            target: "web".to_owned(),
            findings: Vec::new(),
            plan: None,
            upgrade: Vec::new(),
            notes: Vec::new(),
            against: Vec::new(),
            hooks_failed: Vec::new(),
            outcome,
        });
        let body = Body::Changes(reports.collect());
        let answer = Answer { command: Some("renew"), exit: Exit::Good, body, failure: None };
        let now = datetime!(2026-11-20 12:00 UTC);
        let view = View { now, width: None, program: "reseal".to_owned(), configuration: None, quiet };
        let text = render(&answer, &view);
        let plain = |text: &str| anstream::adapter::strip_str(text).to_string();
        (plain(&text.out), plain(&text.err))
    }

    fn bad() -> Vec<Outcome> {
        let (why, hint) = ("why\nweb: installed".to_owned(), Some("do this".to_owned()));
        let receipt = Receipt {
            target: "web".to_owned(),
            generation: 3,
            verb: "renew".to_owned(),
            at: datetime!(2026-11-20 12:00 UTC),
            actor: "uid 0".to_owned(),
            trigger: None,
            recovered: None,
            checks: Vec::new(),
            why: "due".to_owned(),
            before: None,
            after: None,
            pairs: Vec::new(),
            end: End::RolledBack { why: why.clone() },
        };
        vec![
            Outcome::Refused { why: why.clone(), hint: hint.clone() },
            Outcome::RolledBack { receipt, why: why.clone(), hint: hint.clone() },
            Outcome::Stuck { slot: PathBuf::from("/etc/x.pem"), why, hint },
            Outcome::Busy { holder: "process 7".to_owned() },
        ]
    }

    #[test]
    fn what_failed_is_told_apart_from_what_was_done_with_what_to_do() {
        let good = [Outcome::Nothing { why: "it is good".to_owned() }, Outcome::Pruned { removed: vec![1, 2] }];
        let all: Vec<Outcome> = good.into_iter().chain(bad()).collect();
        let (out, err) = told(all, false);
        assert_eq!(out, "web: it is good\nweb: removed generations 1, 2\n");
        let lines: Vec<&str> = err.lines().collect();
        assert_eq!(
            lines,
            [
                "web: refused: why\\u{a}web: installed",
                "hint: do this",
                "web: rolled back (generation 3): why\\u{a}web: installed; everything is as it was before",
                "hint: do this",
                "web: STUCK: /etc/x.pem: why\\u{a}web: installed",
                "hint: do this",
                "web: not begun: another reseal is at work: process 7",
                "hint: try again, or let it wait: `--wait 60`",
            ]
        );
    }

    #[test]
    fn quiet_leaves_out_what_is_good_alone() {
        assert_eq!(told(vec![Outcome::Nothing { why: "it is good".to_owned() }], true), (String::new(), String::new()));
        assert_eq!(told(bad(), true), told(bad(), false));
        // Nothing remembers what could not be removed, which may be a key.
        let ended = |left| Outcome::Recovered { what: "remove by hand /etc/.x".to_owned(), left };
        assert_eq!(told(vec![ended(Vec::new())], true), (String::new(), String::new()));
        let left = || vec![ended(vec![PathBuf::from("/etc/.x")])];
        assert_eq!(told(left(), true), told(left(), false));
    }
}
