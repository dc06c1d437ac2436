//! What reseal has placed into the system for itself.

use super::moment;
use crate::flow::fitting::show::Text;
use crate::flow::fitting::status::FittingView;
use crate::report::View;
use crate::report::page::{Page, Paint};

/// What is said where there is neither what starts programs nor what upgrades them.
pub const NOWHERE: &str = "there is nothing here that reseal could be placed into";

/// How each stands.
pub fn listed(views: &[FittingView], view: &View, page: &mut Page) {
    if views.is_empty() && !view.quiet {
        page.say(NOWHERE).end();
    }
    for one in views.iter().filter(|one| !view.quiet || !one.attention.is_empty()) {
        page.put(Paint::Strong, &one.name).say(": ");
        match (one.installed, one.attention.is_empty()) {
            (None, _) => page.put(Paint::Warn, "could not be looked at").end(),
            (Some(false), _) => page.say("not installed").end(),
            (Some(true), true) => page.put(Paint::Good, "installed").end(),
            (Some(true), false) => page.put(Paint::Warn, "installed, and needs attention").end(),
        };
        for file in one.files.iter().filter(|_| one.installed == Some(true)) {
            let paint = if file.state == "in-place" { Paint::Plain } else { Paint::Warn };
            page.field("file").say(&file.path.display().to_string()).say(" ").put(paint, file.state).end();
        }
        if let Some(starts) = &one.starts {
            page.field("starts").say(starts).end();
        }
        for unit in &one.units {
            let enabled = if unit.enabled.is_empty() { "not enabled" } else { &unit.enabled };
            page.field("unit").say(&format!("{} {enabled}, {}", unit.unit, unit.active));
            if let Some(last) = unit.last {
                page.say(&format!("; last {}", moment(last)));
            }
            if let Some(next) = unit.next {
                page.say(&format!("; next {}", moment(next)));
            }
            page.end();
        }
        if let Some(last) = one.last_run {
            let success = last.success.map_or("never".to_owned(), moment);
            let text = format!("{}, ended with {}; last success {success}", moment(last.ended), last.exit);
            page.field("last run").say(&text).end();
        }
        for text in &one.attention {
            page.field("attention").advice(Paint::Warn, text, crate::report::page::FIELD).end();
        }
        super::notes(&one.notes, page);
    }
}

/// The texts themselves: one alone as it is, to be written into a file.
pub fn texts(texts: &[Text], page: &mut Page) {
    for (index, text) in texts.iter().enumerate() {
        if let (Some(path), true) = (&text.path, texts.len() > 1) {
            if index > 0 {
                page.end();
            }
            page.put(Paint::Faint, &format!("# {}", path.display())).end();
        }
        for line in text.content.lines() {
            // A tab is no character that acts, and scripts have them.
            for (index, part) in line.split('\t').enumerate() {
                if index > 0 {
                    page.tab();
                }
                page.say(part);
            }
            page.end();
        }
    }
}
