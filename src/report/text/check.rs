//! What `check` found: a paragraph a subject, and a line for all.

use super::{finding, leaf_line, names, remarks};
use crate::assess::{Code, Finding, Severity, ago, date, span};
use crate::cert::installed::Leaf;
use crate::change::Shown;
use crate::flow::check::Checked;
use crate::report::View;
use crate::report::page::{FIELD, Page, Paint};

pub fn render(all: &[Checked], view: &View, page: &mut Page) {
    if all.is_empty() {
        return super::unconfigured(view, page);
    }
    for checked in all {
        if !view.quiet || checked.problem.is_some() || worst(checked) {
            subject(checked, view, page);
        }
    }
    let findings = || all.iter().flat_map(|checked| &checked.findings);
    let count = |severity| findings().filter(|f| f.severity == severity && f.accepted.is_none()).count();
    let accepted = findings().filter(|finding| finding.accepted.is_some()).count();
    let (critical, warnings, remarks) = (count(Severity::Critical), count(Severity::Warning), count(Severity::Note));
    let problems = all.iter().filter(|checked| checked.problem.is_some()).count();
    if view.quiet && critical + warnings + problems == 0 {
        return;
    }
    let paint = if critical + problems > 0 {
        Paint::Bad
    } else if warnings > 0 {
        Paint::Warn
    } else {
        Paint::Good
    };
    let found = |checked: &&Checked| checked.findings.iter().any(|finding| finding.accepted.is_none());
    let mut summary = format!("{} checked: ", all.len());
    match all.iter().filter(found).count() {
        0 => summary.push_str("no findings"),
        // One subject may have several: what is in brackets are findings.
        subjects => summary.push_str(&format!(
            "{subjects} with findings ({critical} critical, {}, {})",
            plural(warnings, "warning"),
            plural(remarks, "note")
        )),
    }
    if accepted > 0 {
        summary.push_str(&format!(", {accepted} accepted"));
    }
    if problems > 0 {
        summary.push_str(&format!("; {problems} could not be looked at"));
    }
    page.put(paint, &summary).end();
}

fn worst(checked: &Checked) -> bool {
    checked.findings.iter().any(Finding::counts)
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn subject(checked: &Checked, view: &View, page: &mut Page) {
    page.put(Paint::Strong, &checked.subject).put(Paint::Faint, &format!(" ({})", checked.kind)).end();
    if let Some(leaf) = &checked.leaf {
        facts(leaf, checked, view, page);
    }
    for leaf in &checked.further {
        page.field("beside").say(&leaf_line(leaf)).end();
    }
    for verdict in &checked.trust {
        let text = match &verdict.why {
            Some(why) => format!("not by {}: {why}", verdict.profile),
            None => format!("by {}: {}", verdict.profile, verdict.path.join(" <- ")),
        };
        page.note("trust", if verdict.trusted { Paint::Plain } else { Paint::Warn }, &text);
    }
    for seen in &checked.served {
        let paint = match &seen.shown {
            Shown::Leaf { proved: true, .. } | Shown::Well => Paint::Plain,
            Shown::Leaf { proved: false, .. } | Shown::Nobody { .. } | Shown::Failing { .. } => Paint::Warn,
        };
        page.note("served", paint, &seen.shown.at(&seen.probe));
    }
    if let Some(problem) = &checked.problem {
        page.painted_field(Paint::Bad, "problem").prose(Paint::Plain, problem, FIELD).end();
    }
    checked.findings.iter().for_each(|one| finding(one, page));
    remarks(&checked.notes, page);
    if checked.findings.iter().all(|finding| finding.accepted.is_some()) && checked.problem.is_none() {
        page.say("  ").put(Paint::Good, "good").end();
    }
    page.end();
}

fn facts(leaf: &Leaf, checked: &Checked, view: &View, page: &mut Page) {
    page.field("names").say(&names(leaf)).end();
    page.field("subject").say(&leaf.subject).end();
    page.field("issuer").say(&leaf.issuer).end();
    let left = if leaf.not_after >= view.now {
        format!("{} left", span(leaf.not_after - view.now))
    } else {
        format!("ended {} ago", ago(view.now - leaf.not_after))
    };
    page.field("valid").say(&format!("{} to {} ({left})", date(leaf.not_before), date(leaf.not_after))).end();
    let found = |code: Code| checked.findings.iter().any(|finding| finding.code == code);
    let paired = match (checked.kind, leaf.paired) {
        (_, true) => ", the private key matches",
        (_, false) if found(Code::KeyMismatch) => ", the private key does NOT match",
        ("target", false) if found(Code::NoKey) => ", there is NO private key",
        ("target", false) => ", the private key could not be read",
        (_, false) => "",
    };
    page.field("key").say(&leaf.key).say(paired).end();
    page.field("sha256").say(&leaf.fingerprint.to_string()).end();
}
