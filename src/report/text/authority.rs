//! Certificate authorities, and what they have issued.

use crate::assess::date;
use crate::flow::ca::{AuthorityView, Written};
use crate::report::View;
use crate::report::page::{Page, Paint};

pub fn shown(views: &[AuthorityView], command: Option<&str>, view: &View, page: &mut Page) {
    if views.is_empty() {
        page.say("there is no certificate authority here; `reseal ca init` makes one").end();
    }
    for authority in views {
        let asked = command == Some("ca init");
        let made = asked && authority.fingerprint.is_some();
        page.put(Paint::Strong, &authority.name).say(": ");
        let what = match (asked, made) {
            (true, true) => "made",
            (true, false) => "would be made",
            (false, _) => "certificate authority",
        };
        page.put(Paint::Good, what).end();
        page.field("subject").say(&authority.subject).end();
        page.field("valid").say(&format!("{} to {}", date(authority.not_before), date(authority.not_after))).end();
        page.field("key").say(&format!("{}, encrypted", authority.key)).end();
        let permitted: Vec<String> = authority.permitted.iter().map(ToString::to_string).collect();
        page.note("permitted", Paint::Plain, &permitted.join(", "));
        page.field("issued").say(&authority.issued.to_string()).end();
        if authority.damaged > 0 {
            let text = format!("{} lines of its record cannot be read", authority.damaged);
            page.note("damaged", Paint::Bad, &text);
        }
        if let Some(fingerprint) = authority.fingerprint {
            page.field("sha256").say(&fingerprint.to_string()).end();
        }
        page.field("root").say(&authority.root.display().to_string()).end();
        if made {
            let next = format!(
                "give the root to every client; `kind = \"local-ca\"`, `ca = \"{}\"` as [target.source]; then `{} renew`",
                authority.name, view.program
            );
            page.note("next", Paint::Plain, &next);
        }
    }
}

pub fn issued(issued: &Written, page: &mut Page) {
    let what = issued.fingerprint.map_or("would be issued".to_owned(), |made| format!("issued {}", made.short()));
    page.put(Paint::Good, &what).say(&format!(", until {}", date(issued.not_after))).end();
    page.field("chain").say(&issued.chain.display().to_string()).end();
    page.field("key").say(&issued.key.display().to_string()).end();
}
