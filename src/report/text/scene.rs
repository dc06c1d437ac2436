//! The demo, scene by scene.

use std::path::Path;

use super::{change, check};
use crate::flow::demo::Scene;
use crate::report::View;
use crate::report::page::{Page, Paint};

/// The stage.
#[must_use]
pub fn opening(address: &str, root: &Path, view: &View) -> String {
    let mut page = Page::new(view.width);
    page.say(&format!(
        "A server on {address}, its files below {}; clients shake hands with it all the while.",
        root.display()
    ));
    page.end();
    page.into_text()
}

/// The heading of a scene.
#[must_use]
pub fn begins(number: usize, title: &str, text: &str, command: Option<&str>, view: &View) -> String {
    let mut page = Page::new(view.width);
    page.end().put(Paint::Strong, &format!("{number}. {title}")).end();
    page.prose(Paint::Plain, text, 0).end();
    if let Some(command) = command {
        page.put(Paint::Faint, "$ ").put(Paint::Strong, command).end();
    }
    page.into_text()
}

/// What a scene brought.
#[must_use]
pub fn ends(scene: &Scene, view: &View) -> String {
    let mut page = Page::new(view.width);
    let mut failed = Page::new(view.width);
    if !scene.reports.is_empty() {
        change::render(&scene.reports, None, view, &mut page, &mut failed);
    }
    if !scene.checked.is_empty() {
        check::render(&scene.checked, view, &mut page);
    }
    let mut last = Page::new(view.width);
    let load = scene.load;
    let paint = if load.failed == 0 { Paint::Good } else { Paint::Bad };
    last.put(Paint::Faint, &format!("{} ms; ", scene.took));
    last.put(paint, &format!("{} handshakes by clients so far, {} failed", load.handshakes, load.failed)).end();
    // A rollback is part of the story: it is told in its place.
    [page.into_text(), failed.into_text(), last.into_text()].concat()
}
