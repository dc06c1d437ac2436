//! The scenes of `reseal demo`.

use std::path::Path;

use super::{Text, render};
use crate::flow::demo::Scene;
use crate::outcome::Exit;
use crate::report::page::{Page, Paint};
use crate::report::{Answer, Body, View};

/// Columns by which what a verb has said is set in.
const INSET: &str = "   | ";

/// What is told before the first scene.
#[must_use]
pub fn opening(address: &str, root: &Path, view: &View) -> String {
    let mut page = Page::new(view.width);
    page.put(Paint::Strong, "reseal demo").end();
    let text = format!(
        "A TLS server of this program's own listens on {address}; two clients shake hands with it without a pause. Everything lies in {} \
         and is removed at the end.",
        root.display()
    );
    page.prose(Paint::Plain, &text, 0).end();
    page.into_text()
}

/// What is told when a scene begins.
#[must_use]
pub fn begins(number: usize, title: &str, text: &str, command: Option<&str>, view: &View) -> String {
    let mut page = Page::new(view.width);
    page.end();
    page.put(Paint::Strong, &format!("{number:>2}. {title}")).end();
    page.say("    ").prose(Paint::Plain, text, 4).end();
    if let Some(command) = command {
        page.say("    ").put(Paint::Faint, "$ ").put(Paint::Strong, command).end();
    }
    page.into_text()
}

/// What is told when a scene is over.
#[must_use]
pub fn ends(scene: Scene, view: &View) -> String {
    let (load, took) = (scene.load, scene.took);
    let body = if scene.checked.is_empty() { Body::Changes(scene.reports) } else { Body::Checks(scene.checked) };
    let silent = matches!(&body, Body::Changes(reports) if reports.is_empty());
    let answer = Answer { command: None, exit: Exit::Good, body, failure: None };
    let narrow = View { width: view.width.map(|width| width.saturating_sub(INSET.len())), ..view.clone() };
    let told = if silent { Text::default() } else { render(&answer, &narrow) };
    let mut text = String::new();
    for line in told.out.lines().chain(told.err.lines()) {
        text.push_str(&format!("{INSET}{line}"));
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let mut page = Page::new(view.width);
    let (paint, failed) = if load.failed == 0 { (Paint::Good, "none") } else { (Paint::Bad, "some") };
    let failed = if load.failed == 0 { failed.to_owned() } else { load.failed.to_string() };
    page.say("    ").put(paint, &format!("clients: {} handshakes so far, {failed} failed", load.handshakes));
    page.put(Paint::Faint, &format!("  ({took} ms)")).end();
    text.push_str(&page.into_text());
    text
}

/// What is told at the end.
#[must_use]
pub fn closing(handshakes: u64, failed: u64, changes: usize, view: &View) -> String {
    let mut page = Page::new(view.width);
    page.end();
    let paint = if failed == 0 { Paint::Good } else { Paint::Bad };
    page.put(paint, &format!("{changes} changes, {handshakes} handshakes, {failed} failed")).end();
    page.note(
        "next",
        Paint::Plain,
        "`reseal init` finds the certificates of this machine and writes a first configuration",
    );
    page.into_text()
}
