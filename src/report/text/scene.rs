//! The demo, scene by scene.

use std::path::Path;

use super::{change, check};
use crate::flow::demo::Scene;
use crate::outcome::Outcome;
use crate::report::View;
use crate::report::page::{Page, Paint};

/// What stands before each line that a verb has said.
const INSET: &str = "    | ";

/// The stage.
#[must_use]
pub fn opening(address: &str, root: &Path, view: &View) -> String {
    let mut page = Page::new(view.width);
    let text = format!(
        "A TLS server of this program's own listens on {address}; two clients shake hands with it without a pause. Its files are below \
         {} and are gone at the end.",
        root.display()
    );
    page.prose(Paint::Plain, &text, 0).end();
    page.into_text()
}

/// The heading of a scene.
#[must_use]
pub fn begins(number: usize, title: &str, text: &str, command: Option<&str>, view: &View) -> String {
    let mut page = Page::new(view.width);
    page.end().put(Paint::Strong, &format!("{number:>2}. {title}")).end();
    page.say("    ").prose(Paint::Plain, text, 4).end();
    if let Some(command) = command {
        page.say("    ").put(Paint::Faint, "$ ").put(Paint::Strong, command).end();
    }
    page.into_text()
}

/// What a scene brought.
#[must_use]
pub fn ends(scene: &Scene, view: &View) -> String {
    // The demo's target is in no configuration that this run could be called with.
    let program = "reseal".to_owned();
    let narrow = View { width: view.width.map(|width| width.saturating_sub(INSET.len())), program, ..view.clone() };
    let (mut page, mut failed) = (Page::new(narrow.width), Page::new(narrow.width));
    if !scene.reports.is_empty() {
        change::render(&scene.reports, None, &narrow, &mut page, &mut failed);
    }
    if !scene.checked.is_empty() {
        check::render(&scene.checked, &narrow, &mut page);
    }
    // A rollback is part of the story: it is told in its place.
    let told = [page.into_text(), failed.into_text()].concat();
    let mut text = String::new();
    for line in told.lines() {
        text.push_str(format!("{INSET}{line}").trim_end());
        text.push('\n');
    }
    let mut last = Page::new(view.width);
    let load = scene.load;
    let paint = if load.failed == 0 { Paint::Good } else { Paint::Bad };
    last.say("    ").put(paint, &format!("clients: {} handshakes so far, {} failed", load.handshakes, load.failed));
    last.put(Paint::Faint, &format!("  ({} ms)", scene.took)).end();
    text.push_str(&last.into_text());
    text
}

/// The end of the story.
pub(super) fn closing(scenes: &[Scene], page: &mut Page) {
    let Some(load) = scenes.last().map(|scene| scene.load) else { return };
    let committed = |scene: &&Scene| scene.reports.iter().any(|it| matches!(it.outcome, Outcome::Committed { .. }));
    let changes = scenes.iter().filter(committed).count();
    let paint = if load.failed == 0 { Paint::Good } else { Paint::Bad };
    let sum = format!("{changes} changes and a rollback: {} handshakes, {} failed", load.handshakes, load.failed);
    page.end().put(paint, &sum).end();
    page.note(
        "next",
        Paint::Plain,
        "`reseal init` finds the certificates of this machine and writes a first configuration",
    );
}
