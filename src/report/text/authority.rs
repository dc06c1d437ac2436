//! Certificate authorities, and what they have issued.

use crate::assess::date;
use crate::flow::ca::{AuthorityView, Done, ExportView, ListView, RevokedView, Signed, StandingView, Written};
use crate::report::View;
use crate::report::page::{Page, Paint};

pub fn shown(views: &[AuthorityView], command: Option<&str>, view: &View, page: &mut Page) {
    if views.is_empty() {
        page.say("there is no certificate authority here; `reseal ca init` makes one").end();
    }
    for authority in views {
        let asked = matches!(command, Some("ca init" | "ca import"));
        let made = asked && authority.fingerprint.is_some();
        page.put(Paint::Strong, &authority.name).say(": ");
        let what = match (asked, made) {
            (true, true) if authority.imported => "taken over",
            (true, _) if authority.imported => "would be taken over",
            (true, true) => "made",
            (true, false) => "would be made",
            (false, _) => "certificate authority",
        };
        page.put(Paint::Good, what).end();
        page.field("subject").say(&authority.subject).end();
        page.field("valid").say(&format!("{} to {}", date(authority.not_before), date(authority.not_after))).end();
        let kept = authority.intermediate.as_ref().is_none_or(|issuer| issuer.root_key_here);
        let kept = if kept { "encrypted" } else { "kept elsewhere" };
        page.field("key").say(&format!("{}, {kept}", authority.key)).end();
        if let Some(issuer) = &authority.intermediate {
            page.field("issuer").say(&issuer.subject).end();
            let key = format!("until {}; {}, encrypted", date(issuer.not_after), issuer.key);
            page.field("").say(&key).end();
        }
        let permitted: Vec<String> = authority.permitted.iter().map(ToString::to_string).collect();
        page.note("permitted", Paint::Plain, &permitted.join(", "));
        for (what, urls) in [("crl", &authority.crl_urls), ("ca issuers", &authority.issuer_urls)] {
            for url in urls {
                page.field(what).say(url).end();
            }
        }
        let revoked = match authority.revoked {
            0 => String::new(),
            count => format!(", {count} revoked"),
        };
        page.field("issued").say(&format!("{}{revoked}", authority.issued)).end();
        if authority.damaged > 0 {
            let text = format!("{} lines of its record cannot be read", authority.damaged);
            page.note("damaged", Paint::Bad, &text);
        }
        if let Some(fingerprint) = authority.fingerprint {
            page.field("sha256").say(&fingerprint.to_string()).end();
        }
        page.field("root").say(&authority.root.display().to_string()).end();
        for former in &authority.former {
            other("former", former, page);
        }
        if let Some(next) = &authority.next {
            other("next root", next, page);
        }
        if let Some(text) = step(authority, command, view) {
            page.note("next", Paint::Plain, &text);
        }
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

fn other(what: &str, root: &StandingView, page: &mut Page) {
    page.field(what).say(&format!("{}, number {}, until {}", root.subject, root.number, date(root.not_after))).end();
    if let Some(fingerprint) = root.fingerprint {
        page.field("").say(&fingerprint.to_string()).end();
    }
    if let Some(path) = &root.root {
        page.field("").say(&path.display().to_string()).end();
    }
}

/// What a change of root waits for.
fn step(authority: &AuthorityView, command: Option<&str>, view: &View) -> Option<String> {
    if !matches!(command, Some("ca show" | "ca rekey")) {
        return None;
    }
    let (name, program) = (&authority.name, &view.program);
    match (&authority.next, authority.former.is_empty()) {
        (Some(next), _) if next.fingerprint.is_none() => None,
        (Some(next), _) if next.exported => {
            Some(format!("when every client trusts the next root: `{program} ca rekey {name} --switch`"))
        }
        (Some(_), _) => Some(format!("`{program} ca export {name}` writes what every client must trust")),
        (None, false) => {
            Some(format!("`{program} renew` moves the targets to this root; then `{program} ca rekey {name} --retire`"))
        }
        (None, true) => None,
    }
}

pub fn done(done: &Done, page: &mut Page) {
    match done {
        Done::Signed(signed) => self::signed(signed, page),
        Done::Revoked(revoked) => self::revoked(revoked, page),
        Done::List(list) => self::list(list, page),
        Done::Exported(exported) => self::exported(exported, page),
    }
}

/// What goes to standard output is what was asked for and nothing else, so that it can be a file.
fn text(pem: &str, page: &mut Page) {
    for line in pem.lines() {
        page.say(line).end();
    }
}

fn signed(signed: &Signed, page: &mut Page) {
    if let Some(pem) = &signed.pem {
        return text(pem, page);
    }
    let what = signed.fingerprint.map_or("would be signed".to_owned(), |made| format!("signed {}", made.short()));
    page.put(Paint::Good, &what).say(&format!(", until {}", date(signed.not_after))).end();
    let names: Vec<String> = signed.names.iter().map(ToString::to_string).collect();
    page.note("names", Paint::Plain, &names.join(", "));
    page.field("key").say(&signed.key.to_string()).end();
    if let Some(serial) = &signed.serial {
        page.field("serial").say(serial).end();
    }
    if !signed.ignored.is_empty() {
        page.note("ignored", Paint::Plain, &signed.ignored.join(", "));
    }
    if let Some(chain) = &signed.chain {
        page.field("chain").say(&chain.display().to_string()).end();
    }
}

fn revoked(revoked: &RevokedView, page: &mut Page) {
    let what = if revoked.recorded { "revoked" } else { "would be revoked" };
    page.put(Paint::Good, what).say(&format!(" {} ({})", revoked.serial, revoked.reason)).end();
    page.field("ended").say(&date(revoked.not_after)).end();
    let which = if revoked.former { format!(" --root {}", revoked.root) } else { String::new() };
    let next = format!("`ca crl {}{which}` makes the list by which clients learn of it", revoked.ca);
    page.note("next", Paint::Plain, &next);
}

fn list(list: &ListView, page: &mut Page) {
    if let Some(pem) = &list.pem {
        return text(pem, page);
    }
    let what = if list.made { "made" } else { "would be made" };
    let about = format!(" revocation list {}, good until {}", list.number, date(list.next_update));
    page.put(Paint::Good, what).say(&about).end();
    page.field("revoked").say(&list.revoked.to_string()).end();
    if let Some(path) = &list.list {
        page.field("list").say(&path.display().to_string()).end();
    }
}

fn exported(exported: &ExportView, page: &mut Page) {
    if let Some(pem) = &exported.pem {
        return text(pem, page);
    }
    page.put(Paint::Good, if exported.written { "exported" } else { "would be exported" }).end();
    for anchor in &exported.anchors {
        page.field("root").say(&format!("{}, number {}", anchor.subject, anchor.number)).end();
        page.field("sha256").say(&anchor.fingerprint.to_string()).end();
    }
    if let Some(path) = &exported.output {
        page.field("file").say(&path.display().to_string()).end();
    }
    if let Some(path) = &exported.root_key {
        let kept = if exported.taken_off { ", and no longer on this machine" } else { "" };
        page.field("root key").say(&format!("{}{kept}", path.display())).end();
    }
}
