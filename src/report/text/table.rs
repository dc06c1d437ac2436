//! Lists: what is kept, what was done, how targets stand.

use super::{moment, names, notes, paint, severity};
use crate::assess::{Severity, date};
use crate::digest::Digest;
use crate::flow::backups::Generation;
use crate::flow::history::Verified;
use crate::flow::status::Status;
use crate::outcome::{End, Leaves, Proof, Receipt};
use crate::report::View;
use crate::report::page::{Page, Paint};

type Row = Vec<(Paint, String)>;

pub fn generations(list: &[Generation], verified: bool, view: &View, page: &mut Page) {
    if list.is_empty() {
        page.say("nothing is kept yet: the first generation is kept when reseal first changes a target").end();
        return;
    }
    let head = ["TARGET", "NUMBER", "STATE", "TAKEN (UTC)", "ENDS", "FINGERPRINT", "NAMES", "WHY"];
    let rows: Vec<Row> = list.iter().map(|one| generation(one, view)).collect();
    page.table(&head, &rows);
    for one in list {
        if let Some(damage) = &one.damage {
            page.put(Paint::Bad, "damaged: ").say(&format!("{} {}: {damage}", one.target, one.generation)).end();
        }
    }
    if verified && list.iter().all(|one| one.damage.is_none()) {
        page.put(Paint::Good, "every byte is as it was written").end();
    }
}

fn generation(one: &Generation, view: &View) -> Row {
    let state = match one.state {
        "current" | "committed" => Paint::Good,
        "damaged" => Paint::Bad,
        "rolled-back" | "unfinished" => Paint::Faint,
        _ => Paint::Plain,
    };
    let leaf = one.leaf.as_ref();
    let ended = leaf.is_some_and(|leaf| leaf.not_after < view.now);
    vec![
        (Paint::Plain, one.target.clone()),
        (Paint::Strong, one.generation.to_string()),
        (state, format!("{}{}", one.state, if one.pinned { ", pinned" } else { "" })),
        (Paint::Plain, one.taken.map_or("-".to_owned(), moment)),
        (if ended { Paint::Bad } else { Paint::Plain }, leaf.map_or("-".to_owned(), |leaf| date(leaf.not_after))),
        (Paint::Plain, leaf.map_or("-".to_owned(), |leaf| leaf.fingerprint.short())),
        (Paint::Plain, leaf.map_or("-".to_owned(), names)),
        (Paint::Faint, one.why.clone()),
    ]
}

pub fn history(receipts: &[Receipt], damaged: &[usize], out: &mut Page, err: &mut Page) {
    if receipts.is_empty() {
        out.say("no receipts").end();
    } else {
        let rows: Vec<Row> = receipts.iter().map(receipt).collect();
        let head = ["WHEN (UTC)", "TARGET", "NUMBER", "VERB", "END", "CHECKS", "OLD", "NEW", "WHO", "TRIGGER", "WHY"];
        out.table(&head, &rows);
    }
    damaged_lines(damaged, err);
}

/// Whether the record is whole.
pub fn ledger(verified: &Verified, out: &mut Page, err: &mut Page) {
    damaged_lines(&verified.damaged_lines, err);
    for one in &verified.missing {
        let text =
            format!("generation {} of {} was committed, and no line tells who made it", one.generation, one.target);
        err.put(Paint::Bad, "missing: ").say(&text).end();
    }
    let count = verified.receipts;
    out.say(&format!("{count} receipt{}", if count == 1 { "" } else { "s" }));
    match verified.is_whole() {
        true => out.say(", ").put(Paint::Good, "each whole and in its place").end(),
        false => out.say(", ").put(Paint::Bad, "and not all that was written").end(),
    };
    if let Some(head) = &verified.head {
        out.field("head").say(&head.to_string()).end();
    }
}

fn damaged_lines(lines: &[usize], err: &mut Page) {
    for line in lines {
        err.put(Paint::Bad, "damaged: ").say(&format!("line {line} of the ledger cannot be believed")).end();
    }
}

fn receipt(receipt: &Receipt) -> Row {
    let (paint, end) = end(&receipt.end);
    // Of several pairs, those that it has changed.
    let changed: Vec<&Leaves> = receipt.pairs.iter().filter(|pair| pair.before != pair.after).collect();
    let each = |one: Option<Digest>, of: fn(&Leaves) -> Option<Digest>| {
        let all = if changed.is_empty() { vec![one] } else { changed.iter().map(|pair| of(pair)).collect() };
        all.iter().map(|one| one.map_or("-".to_owned(), |one| one.short())).collect::<Vec<_>>().join(", ")
    };
    let why = match &receipt.end {
        End::RolledBack { why } => format!("{}; it failed: {why}", receipt.why),
        End::Refused { why } => format!("{}; it was refused: {why}", receipt.why),
        End::Committed { .. } | End::Accepted => receipt.why.clone(),
    };
    vec![
        (Paint::Plain, moment(receipt.at)),
        (Paint::Strong, receipt.target.clone()),
        (Paint::Plain, if receipt.generation == 0 { "-".to_owned() } else { receipt.generation.to_string() }),
        (Paint::Plain, receipt.verb.clone()),
        (paint, end.to_owned()),
        (Paint::Plain, checks(receipt)),
        (Paint::Plain, each(receipt.before, |pair| pair.before)),
        (Paint::Plain, each(receipt.after, |pair| pair.after)),
        (Paint::Faint, receipt.actor.clone()),
        (Paint::Faint, trigger(receipt)),
        (Paint::Faint, why),
    ]
}

/// How many handshakes proved it, and how much else was run and asked, with what failed of it.
fn checks(receipt: &Receipt) -> String {
    let handshakes = match &receipt.end {
        End::Committed { proof: Proof::Handshakes { count } } => Some(format!("{count} handshakes")),
        End::Committed { .. } | End::RolledBack { .. } | End::Refused { .. } | End::Accepted => None,
    };
    let failed = receipt.checks.iter().filter(|check| !check.good).count();
    let others = match (receipt.checks.len(), failed) {
        (0, _) => None,
        (all, 0) => Some(format!("{all} good")),
        (all, failed) => Some(format!("{failed} of {all} failed")),
    };
    let told: Vec<String> = handshakes.into_iter().chain(others).collect();
    if told.is_empty() { "-".to_owned() } else { told.join(", ") }
}

/// What made somebody begin it, and what made somebody else end it.
fn trigger(receipt: &Receipt) -> String {
    let began = receipt.trigger.as_ref().map_or("-".to_owned(), ToString::to_string);
    match &receipt.recovered {
        Some(by) => format!("{began}; ended by {} ({})", by.trigger, by.actor),
        None => began,
    }
}

fn end(end: &End) -> (Paint, &'static str) {
    match end {
        End::Committed { proof: Proof::Handshakes { .. } | Proof::Commands { .. } | Proof::Bundle { .. } } => {
            (Paint::Good, "proved")
        }
        End::Committed { proof: Proof::ReadBack { .. } } => (Paint::Warn, "read back"),
        End::RolledBack { .. } => (Paint::Warn, "rolled back"),
        End::Refused { .. } => (Paint::Warn, "refused"),
        End::Accepted => (Paint::Warn, "accepted"),
    }
}

pub fn statuses(list: &[Status], view: &View, page: &mut Page) {
    if list.is_empty() {
        return super::unconfigured(view, page);
    }
    let rows: Vec<Row> = list.iter().map(|one| status(one, view)).collect();
    page.table(&["TARGET", "KIND", "STATE", "ENDS", "NAMES", "SWITCH", "KEPT", "LAST"], &rows);
    for one in list {
        if let Some(problem) = &one.problem {
            page.put(Paint::Bad, "problem: ").say(&format!("{}: {problem}", one.target)).end();
        }
        if let Some(next) = &one.next {
            let held = next.leaf.as_ref().map_or_else(|| "unreadable".to_owned(), super::leaf_line);
            let (target, number) = (&one.target, next.generation);
            match &next.problem {
                // It is among the attention.
                Some(_) if next.by_hand => {}
                Some(problem) => {
                    notes(&[format!("{target}: {problem}; the next run of `reseal maintain` puts it away")], page);
                }
                None => {
                    let when = &next.when;
                    let text = format!(
                        "{target}: generation {number} is staged ({held}) and is put in place {when}; \
                         `reseal activate {target}` does it at once"
                    );
                    notes(&[text], page);
                }
            }
        }
        for waiting in &one.waiting {
            let text = format!(
                "{}: request {} ({}) waits since {}: `reseal install {} --signed FILE`; it lies in {}",
                one.target,
                waiting.number,
                waiting.key,
                date(waiting.since),
                one.target,
                waiting.path.display()
            );
            notes(&[text], page);
        }
        for text in &one.attention {
            page.put(Paint::Warn, "attention: ").say(&one.target).say(": ").advice(Paint::Plain, text, 2).end();
        }
        if let Some(under_way) = &one.under_way {
            notes(&[format!("{}: {under_way}", one.target)], page);
        }
        match &one.stuck {
            Some(why) => {
                page.put(Paint::Bad, "stuck: ").say(&one.target).say(": ").advice(Paint::Plain, why, 2).end();
            }
            None if one.interrupted => {
                notes(&[format!("{}: a transaction was interrupted: `reseal recover`", one.target)], page);
            }
            None => {}
        }
    }
}

fn status(one: &Status, view: &View) -> Row {
    let worst = one.findings.first();
    let (mood, state) = match (&one.problem, one.interrupted, worst) {
        (Some(_), _, _) => (Paint::Bad, "unknown".to_owned()),
        (None, true, _) => (Paint::Bad, if one.stuck.is_some() { "stuck" } else { "interrupted" }.to_owned()),
        (None, false, Some(finding)) if finding.accepted.is_some() => {
            (Paint::Faint, format!("accepted: {}", finding.code.name()))
        }
        // Notes alone are no reason to look again; `check` tells them.
        (None, false, Some(finding)) if finding.severity == Severity::Note => (Paint::Good, "good".to_owned()),
        (None, false, Some(finding)) => {
            (paint(finding.severity), format!("{}: {}", severity(finding.severity), finding.code.name()))
        }
        (None, false, None) if !one.attention.is_empty() => (Paint::Warn, "attention".to_owned()),
        (None, false, None) => (Paint::Good, "good".to_owned()),
    };
    let leaf = one.leaf.as_ref();
    let ended = leaf.is_some_and(|leaf| leaf.not_after < view.now);
    let last = match &one.last {
        Some(receipt) => format!("{} {}, {}", date(receipt.at), receipt.verb, end(&receipt.end).1),
        None => "-".to_owned(),
    };
    vec![
        (Paint::Strong, one.target.clone()),
        (Paint::Plain, one.kind.to_owned()),
        (mood, state),
        (if ended { Paint::Bad } else { Paint::Plain }, leaf.map_or("-".to_owned(), |leaf| date(leaf.not_after))),
        (Paint::Plain, leaf.map_or("-".to_owned(), names)),
        (Paint::Plain, one.switch.to_owned()),
        (Paint::Plain, one.generations.to_string()),
        (Paint::Faint, last),
    ]
}
