//! A request to a CA elsewhere.

use crate::assess::date;
use crate::flow::csr::Requested;
use crate::report::View;
use crate::report::page::{Page, Paint};

/// The request alone goes to `out`, so that it can be sent on as it is; what there is to say of it, to `err`.
pub fn requested(requested: &Requested, view: &View, out: &mut Page, err: &mut Page) {
    match (&requested.request, &requested.output) {
        (Some(pem), None) => {
            for line in pem.lines() {
                out.say(line).end();
            }
            if !view.quiet {
                about(requested, view, err);
            }
        }
        (Some(_) | None, _) if view.quiet => {}
        (Some(_) | None, _) => about(requested, view, out),
    }
}

fn about(requested: &Requested, view: &View, page: &mut Page) {
    page.put(Paint::Strong, &requested.target).say(": ");
    match (requested.number, requested.made) {
        (None, _) => page.put(Paint::Strong, "a request would be made").say("; this is a dry run, nothing was touched"),
        (Some(number), true) => page.put(Paint::Good, &format!("request {number} was made")),
        (Some(number), false) => {
            let text = format!("request {number} waits since {}", date(requested.since));
            page.put(Paint::Warn, &text)
        }
    };
    page.end();
    let names: Vec<String> = requested.names.iter().map(ToString::to_string).collect();
    page.note("names", Paint::Plain, &names.join(", "));
    page.field("subject").say(if requested.subject.is_empty() { "none" } else { &requested.subject }).end();
    page.field("key").say(&requested.key);
    if let Some(digest) = requested.key_sha256 {
        page.say(&format!(", sha256 {}", digest.short()));
    }
    page.end();
    if let Some(path) = &requested.path {
        page.field("request").say(&path.display().to_string()).end();
    }
    if let Some(path) = &requested.output {
        page.field("copy").say(&path.display().to_string()).end();
    }
    if requested.number.is_some() {
        let next = format!(
            "send it to the CA; when it answers: `{} install {} --signed FILE`",
            view.program, requested.target
        );
        page.note("next", Paint::Plain, &next);
    }
}
