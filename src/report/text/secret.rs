//! Passphrases: where they come from, and what is kept of them.

use crate::flow::secret::{Change, Done, Place, SecretView, SourceView};
use crate::report::View;
use crate::report::page::{FIELD, Page, Paint};

pub fn shown(views: &[SecretView], view: &View, page: &mut Page) {
    if views.is_empty() && !view.quiet {
        page.say("nothing here is locked with a passphrase that reseal would need").end();
    }
    for one in views.iter().filter(|one| !view.quiet || !one.good()) {
        page.put(Paint::Strong, &one.label).say(": ");
        let (paint, what) = match (&one.problem, one.source, one.opens) {
            (Some(_), ..) => (Paint::Bad, "could not be found out".to_owned()),
            (None, Some(source), Some(false)) => (Paint::Bad, format!("the {} has another one", named(source))),
            (None, Some(source), _) => (Paint::Good, format!("from the {}", named(source))),
            (None, None, _) if one.sources.iter().any(|source| source.state == "locked") => {
                (Paint::Warn, "the keyring is locked".to_owned())
            }
            (None, None, _) if one.needed => (Paint::Warn, "only a person has it".to_owned()),
            (None, None, _) => (Paint::Faint, "no source has it, and nothing here needs it".to_owned()),
        };
        page.put(paint, &what).end();
        if let Some(of) = &one.of {
            let (paint, name) = match one.opens {
                Some(true) => (Paint::Faint, "opens"),
                Some(false) => (Paint::Bad, "opens not"),
                None => (Paint::Faint, "for"),
            };
            page.painted_field(paint, name).prose(Paint::Plain, of, FIELD).end();
        }
        if let Some(problem) = &one.problem {
            page.note("problem", Paint::Bad, problem);
        }
        for source in &one.sources {
            self::source(&one.label, source, page);
        }
        if let Some(next) = &one.next {
            page.field("next").advice(Paint::Plain, next, FIELD).end();
        }
    }
}

fn source(label: &str, source: &SourceView, page: &mut Page) {
    let paint = match source.state {
        "has" => Paint::Good,
        "locked" | "unusable" => Paint::Warn,
        _ => Paint::Faint,
    };
    page.painted_field(paint, source.kind);
    let place = match &source.path {
        Some(path) => format!("{}: ", path.display()),
        None if source.kind == "credential" => format!("reseal.{label}: "),
        None => String::new(),
    };
    let told = match (&source.strength, &source.why) {
        (Some(strength), _) => format!("has it: {strength}"),
        (None, Some(why)) => why.clone(),
        (None, None) => source.state.to_owned(),
    };
    page.prose(Paint::Plain, &format!("{place}{told}"), FIELD).end();
}

pub fn changed(changes: &[Change], view: &View, page: &mut Page) {
    if view.quiet {
        return;
    }
    for one in changes {
        let place = match one.place {
            Place::Keyring => "the keyring",
            Place::Kernel => "the kernel keyring",
        };
        let kept = |words: &str| match one.minutes {
            Some(minutes) => format!("{words} in {place} for {minutes} minutes"),
            None => format!("{words} in {place}"),
        };
        let (paint, what) = match one.done {
            Done::Kept => (Paint::Good, kept("kept")),
            Done::Replaced => (Paint::Good, format!("{}, in place of another", kept("kept"))),
            Done::Same => (Paint::Good, format!("in {place} already")),
            Done::WouldKeep => (Paint::Good, format!("{}; nothing was written", kept("would be kept"))),
            Done::Removed => (Paint::Good, format!("removed from {place}")),
            Done::WouldRemove => (Paint::Good, format!("would be removed from {place}")),
            Done::None => (Paint::Faint, format!("{place} has none")),
            Done::NotReached => (Paint::Warn, format!("{place} was not asked")),
        };
        page.put(Paint::Strong, &one.label).say(": ").put(paint, &what).end();
        if one.verified && !matches!(one.done, Done::Removed | Done::WouldRemove) {
            page.note("opens", Paint::Plain, &one.of);
        }
        super::notes(&one.notes, page);
    }
    if changes.iter().any(|one| matches!(one.done, Done::Kept | Done::Replaced)) {
        for one in changes {
            page.note("next", Paint::Plain, &format!("`{} secret status {}`", view.program, one.label));
        }
    }
}

fn named(source: &str) -> &str {
    if source == "kernel" { "kernel keyring" } else { source }
}
