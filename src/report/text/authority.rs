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
        let made = command == Some("ca init");
        page.put(Paint::Strong, &authority.name).say(": ");
        page.put(Paint::Good, if made { "made" } else { "certificate authority" }).end();
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
        page.field("sha256").say(&authority.fingerprint.to_string()).end();
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
    page.put(Paint::Good, "issued")
        .say(&format!(" {}, until {}", issued.fingerprint.short(), date(issued.not_after)))
        .end();
    page.field("chain").say(&issued.chain.display().to_string()).end();
    page.field("key").say(&issued.key.display().to_string()).end();
}
