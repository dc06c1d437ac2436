//! What reseal has added to stores of trusted certificates.

use crate::assess::date;
use crate::change::Command;
use crate::flow::trust::AnchorView;
use crate::flow::users::Against;
use crate::report::View;
use crate::report::page::{FIELD, Page, Paint};

pub fn listed(views: &[AnchorView], view: &View, page: &mut Page) {
    if views.is_empty() && !view.quiet {
        let text = format!("nothing was added by reseal; `{} trust install FILE` adds a CA", view.program);
        page.say(&text).end();
    }
    for anchor in views.iter().filter(|anchor| !view.quiet || anchor.wants_attention()) {
        page.put(Paint::Strong, &anchor.name).say(" in ").say(&anchor.store).say(": ");
        let (paint, text) = standing(anchor);
        page.put(paint, text).end();
        page.field("subject").say(&anchor.subject).end();
        let end = format!("{}{}", date(anchor.not_after), if anchor.ended { ", which is over" } else { "" });
        page.field("until").put(if anchor.ended { Paint::Warn } else { Paint::Plain }, &end).end();
        page.field("sha256").say(&anchor.fingerprint.to_string()).end();
        page.field("place").say(&anchor.place).end();
        page.field("added").say(&date(anchor.added)).end();
        if let Some(why) = &anchor.why {
            page.note("why", Paint::Warn, why);
        }
        if let Some(next) = next(anchor, view) {
            page.note("next", Paint::Plain, &next);
        }
    }
}

/// What speaks against it that an anchor goes: each with what to do about it.
pub fn against(all: &[Against], page: &mut Page) {
    for one in all {
        page.note(one.reason.word(), Paint::Warn, &one.line());
        if let Some(next) = &one.next {
            page.field("").advice(Paint::Faint, next, FIELD).end();
        }
    }
}

fn standing(anchor: &AnchorView) -> (Paint, &'static str) {
    match anchor.state {
        "in-place" => (Paint::Good, "trusted"),
        "not-taken-up" => (Paint::Warn, "in place, but clients do not have it"),
        "gone" => (Paint::Warn, "somebody else has removed it"),
        "changed" => (Paint::Bad, "somebody else has put something else in its place"),
        _ => (Paint::Warn, "it cannot be told how it stands"),
    }
}

fn next(anchor: &AnchorView, view: &View) -> Option<String> {
    let (program, name) = (&view.program, &anchor.name);
    // To be typed: a path may hold a space.
    let (store, target) = (Command::new([anchor.store.as_str()]), Command::new([format!("trust:{}", anchor.store)]));
    match anchor.state {
        "gone" => Some(format!("`{program} trust remove {name} --store {store}` strikes it from the list")),
        "changed" => Some(format!("look at {}; `{program} restore {target}` puts an earlier state back", anchor.place)),
        "not-taken-up" => {
            Some(format!("`{program} trust install` with the same certificate lets the system take it up"))
        }
        _ if anchor.ended => Some(format!("`{program} trust remove {name} --store {store}`")),
        _ => None,
    }
}
