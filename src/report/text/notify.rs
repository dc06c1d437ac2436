//! Channels: what became of a test, and how it stands with them.

use super::{moment, paint, severity};
use crate::flow::notify::{ChannelView, Overview, Tested};
use crate::report::View;
use crate::report::page::{FIELD, Page, Paint};

pub fn tested(all: &[Tested], view: &View, page: &mut Page) {
    for one in all.iter().filter(|one| !view.quiet || !one.good()) {
        let (paint, what) = match (one.delivered, &one.problem) {
            (Some(true), None) => (Paint::Good, "delivered"),
            (Some(true), Some(_)) => (Paint::Warn, "delivered, but not to all"),
            (Some(false), _) => (Paint::Bad, "NOT delivered"),
            (None, _) => (Paint::Plain, "would be sent; nothing was"),
        };
        page.put(Paint::Strong, &one.channel).say(": ").put(paint, what).end();
        page.field("to").prose(Paint::Plain, &format!("{} {}", one.kind, one.place), FIELD).end();
        if let Some(said) = &one.said {
            page.field("said").prose(Paint::Plain, said, FIELD).end();
        }
        if let Some(problem) = &one.problem {
            page.note("problem", Paint::Bad, problem);
        }
        if let Some(hint) = &one.hint {
            page.field("hint").advice(Paint::Plain, hint, FIELD).end();
        }
        if let Some(message) = &one.message {
            for (index, line) in message.lines().enumerate() {
                page.field(if index == 0 { "message" } else { "" }).say(line).end();
            }
        }
    }
}

pub fn overview(overview: &Overview, page: &mut Page) {
    if overview.channels.is_empty() {
        page.say("no channel is configured: write a `[[notify]]` (docs/notifications.md)").end();
    } else {
        let rows: Vec<_> = overview.channels.iter().map(row).collect();
        page.table(&["CHANNEL", "KIND", "STATE", "DELIVERED (UTC)", "SEVERITY", "ON", "TO"], &rows);
    }
    for one in &overview.channels {
        if let Some(failing) = &one.failing {
            let text = format!("{} since {}: {}", one.channel, moment(failing.since), failing.why);
            page.put(Paint::Bad, "does not deliver: ").prose(Paint::Plain, &text, 2).end();
            let hint = failing.hint.clone().unwrap_or_default();
            let next = format!("`reseal notify test {}` says what happens; {hint}", one.channel);
            page.field("").advice(Paint::Faint, next.trim_end_matches("; "), FIELD).end();
        }
    }
    if overview.open.is_empty() {
        page.say("nothing is open").end();
        return;
    }
    let rows: Vec<_> = overview
        .open
        .iter()
        .map(|what| {
            let target = if what.target.is_empty() { "-" } else { &what.target };
            vec![
                (paint(what.severity), severity(what.severity).to_owned()),
                (Paint::Plain, what.on.word().to_owned()),
                (Paint::Strong, target.to_owned()),
                (Paint::Plain, what.code.clone()),
                (Paint::Plain, moment(what.since)),
                (Paint::Faint, what.text.clone()),
            ]
        })
        .collect();
    page.table(&["OPEN", "ON", "TARGET", "CODE", "SINCE (UTC)", "TEXT"], &rows);
}

fn row(one: &ChannelView) -> Vec<(Paint, String)> {
    let (paint, state) = match (&one.failing, one.delivered) {
        (Some(_), _) => (Paint::Bad, "failing"),
        (None, Some(_)) => (Paint::Good, "delivers"),
        (None, None) => (Paint::Faint, "not used yet"),
    };
    let on = if one.on.is_empty() { "-".to_owned() } else { one.on.join(", ") };
    vec![
        (Paint::Strong, one.channel.clone()),
        (Paint::Plain, one.kind.to_owned()),
        (paint, state.to_owned()),
        (Paint::Plain, one.delivered.map_or("-".to_owned(), moment)),
        (Paint::Plain, one.severity.unwrap_or("-").to_owned()),
        (Paint::Plain, on),
        (Paint::Plain, one.place.clone()),
    ]
}
