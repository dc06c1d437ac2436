//! Accounts at certificate authorities that speak ACME.

use crate::assess::date;
use crate::flow::acme::{AccountView, Standing};
use crate::report::View;
use crate::report::page::{Page, Paint};

pub fn shown(views: &[AccountView], command: Option<&str>, view: &View, page: &mut Page) {
    if views.is_empty() {
        page.say("there is no ACME account here; `reseal acme account create` makes one").end();
    }
    for account in views {
        page.put(Paint::Strong, &account.name).say(": ");
        let (paint, what) = match (command, account.standing) {
            (_, None) => (Paint::Good, "would be made"),
            (Some("acme account create"), Some(Standing::Valid)) => (Paint::Good, "made"),
            (Some("acme account roll-key"), Some(Standing::Valid)) => (Paint::Good, "has another key"),
            (_, Some(Standing::Valid)) => (Paint::Good, "ACME account"),
            (_, Some(Standing::Begun)) => (Paint::Bad, "begun, not registered"),
            (_, Some(Standing::Deactivated)) => (Paint::Bad, "deactivated"),
        };
        page.put(paint, what).end();
        page.field("directory").say(&account.directory).end();
        if let Some(url) = &account.url {
            page.field("account").say(url).end();
        }
        if !account.contacts.is_empty() {
            page.note("contact", Paint::Plain, &account.contacts.join(", "));
        }
        if let Some(root) = &account.root {
            page.field("root").say(&root.display().to_string()).end();
        }
        if let Some(thumbprint) = &account.thumbprint {
            page.field("key").say(&format!("P-256, thumbprint {thumbprint}")).end();
        }
        page.field("since").say(&date(account.created)).end();
        page.field("place").say(&account.place.display().to_string()).end();
        if command == Some("acme account create") && account.standing == Some(Standing::Valid) {
            let next = format!(
                "`kind = \"acme\"`, `account = \"{}\"` as [target.source]; then `{} renew`",
                account.name, view.program
            );
            page.note("next", Paint::Plain, &next);
        }
    }
}
