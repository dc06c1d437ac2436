//! Certificate authorities, and what they have issued.

use crate::assess::date;
use crate::flow::ca::{
    AuthorityView, Done, ExportView, IssuerView, ListView, RevokedView, Signed, StandingView, Step, What, Written,
};
use crate::report::View;
use crate::report::page::{Page, Paint};

pub fn shown(views: &[AuthorityView], view: &View, page: &mut Page) {
    if views.is_empty() {
        page.say("there is no certificate authority here; `reseal ca init NAME --permit DOMAIN` makes one").end();
    }
    for authority in views {
        // All went as asked, and nobody wants to hear of that.
        if view.quiet && authority.step.as_ref().is_some_and(|step| step.done) {
            continue;
        }
        page.put(Paint::Strong, &authority.name).say(": ");
        page.put(Paint::Good, &title(authority)).end();
        page.field("subject").say(&authority.subject).end();
        page.field("valid").say(&format!("{} to {}", date(authority.not_before), date(authority.not_after))).end();
        // Where nothing above what issues is known, that is what is told of here.
        let issuing =
            authority.intermediate.as_ref().filter(|issuer| authority.root_known || !alone(authority, issuer));
        let kept = issuing.is_none_or(|issuer| issuer.root_key_here);
        let kept = if kept { "encrypted" } else { "kept elsewhere" };
        page.field("key").say(&format!("{}, {kept}", authority.key)).end();
        if let Some(issuer) = issuing {
            page.field("issuing").say(&issuer.subject).end();
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
        let path = authority.root.display().to_string();
        if authority.root_known {
            page.field("root").say(&path).end();
            // A CA begins with number 1, and its maker needs no number.
            if !matches!(authority.step, Some(Step { what: What::Made | What::TakenOver, .. })) {
                page.field("number").say(&authority.number.to_string()).end();
            }
        } else {
            page.field("root").say("not known here").end();
            page.field("chain").say(&path).end();
        }
        for former in &authority.former {
            other("former", former, page);
        }
        if let Some(next) = &authority.next {
            other("next root", next, page);
        }
        certificates(authority, page);
        if let Some(text) = next(authority, view) {
            page.note("next", Paint::Plain, &text);
        }
    }
}

fn alone(authority: &AuthorityView, issuer: &IssuerView) -> bool {
    authority.fingerprint.is_some() && authority.fingerprint == issuer.fingerprint
}

/// What was done, or would be.
fn title(authority: &AuthorityView) -> String {
    let Some(Step { what, roots, done }) = &authority.step else { return "certificate authority".to_owned() };
    let numbers: Vec<String> = roots.iter().map(ToString::to_string).collect();
    let numbers = numbers.join(", ");
    match (what, done) {
        (What::Made, true) => "made".to_owned(),
        (What::Made, false) => "would be made".to_owned(),
        (What::TakenOver, true) => "taken over".to_owned(),
        (What::TakenOver, false) => "would be taken over".to_owned(),
        (What::NextMade, true) => format!("made the next root {numbers}"),
        (What::NextMade, false) => format!("the next root {numbers} would be made"),
        (What::Switched, true) => format!("root {numbers} issues now"),
        (What::Switched, false) => format!("root {numbers} would issue from now on"),
        (What::Retired, done) => retired(roots, *done),
    }
}

/// That former roots were put away, or would be.
pub fn retired(roots: &[u32], done: bool) -> String {
    let numbers: Vec<String> = roots.iter().map(ToString::to_string).collect();
    let (s, their) = if roots.len() == 1 { ("", "its key") } else { ("s", "their keys") };
    let would_be = if done { "" } else { "would be " };
    format!("root{s} {} {would_be}retired, {their} removed", numbers.join(", "))
}

/// Which it has issued, where one CA was asked for.
fn certificates(authority: &AuthorityView, page: &mut Page) {
    let all = authority.certificates.as_deref().unwrap_or_default();
    for (newest, one) in all.iter().rev().take(MOST_TOLD).enumerate().map(|(index, one)| (index == 0, one)) {
        page.field(if newest { "newest" } else { "" })
            .say(&one.serial)
            .say(&format!("  until {}  ", date(one.not_after)));
        let names: Vec<String> = one.names.iter().map(ToString::to_string).collect();
        page.say(if names.is_empty() { "not in its record" } else { "" }).say(&names.join(", "));
        if let Some(revoked) = &one.revoked {
            page.put(Paint::Warn, &format!("  revoked {} ({})", date(revoked.at), revoked.reason));
        }
        page.end();
    }
    if all.len() > MOST_TOLD {
        let text = format!("the newest {MOST_TOLD} of {}; `--format json` has them all", all.len());
        page.note("", Paint::Faint, &text);
    }
}

/// Certificates that are told to people, the newest first.
const MOST_TOLD: usize = 20;

pub fn issued(issued: &Written, view: &View, page: &mut Page) {
    if view.quiet && issued.fingerprint.is_some() {
        return;
    }
    let what = issued.fingerprint.map_or("would be issued".to_owned(), |made| format!("issued {}", made.short()));
    page.put(Paint::Good, &what).say(&format!(", until {}", date(issued.not_after))).end();
    if let Some(serial) = &issued.serial {
        page.field("serial").say(serial).end();
    }
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

/// What is to be done after it, if it was done.
fn next(authority: &AuthorityView, view: &View) -> Option<String> {
    let (name, program) = (&authority.name, &view.program);
    let use_it = format!("`kind = \"local-ca\"`, `ca = \"{name}\"` as [target.source]; then `{program} renew`");
    match &authority.step {
        Some(Step { done: false, .. }) => return None,
        Some(Step { what: What::Made | What::TakenOver, .. }) if authority.root_known => {
            return Some(format!(
                "`{program} trust install --ca {name}` lets this machine trust it; give the root to every other client; {use_it}"
            ));
        }
        Some(Step { what: What::Made | What::TakenOver, .. }) => {
            return Some(format!("see to it that every client trusts the root above {}; {use_it}", authority.subject));
        }
        Some(Step { what: What::NextMade | What::Switched | What::Retired, .. }) | None => {}
    }
    match (&authority.next, authority.former.is_empty()) {
        (Some(next), _) if next.exported => {
            Some(format!("when every client trusts the next root: `{program} ca rekey {name} --switch`"))
        }
        (Some(_), _) => Some(format!("`{program} ca export {name}` writes what every client must trust")),
        (None, false) => {
            Some(format!("`{program} renew` moves the targets to this root; then `{program} retire --ca {name}`"))
        }
        (None, true) => None,
    }
}

pub fn done(done: &Done, view: &View, page: &mut Page) {
    // What was asked for on standard output goes there.
    let good = match done {
        Done::Signed(signed) => signed.pem.is_none() && signed.fingerprint.is_some(),
        Done::Revoked(revoked) => revoked.recorded,
        Done::List(list) => list.pem.is_none() && list.made,
        Done::Exported(exported) => exported.pem.is_none() && exported.written,
    };
    if view.quiet && good {
        return;
    }
    match done {
        Done::Signed(signed) => self::signed(signed, page),
        Done::Revoked(revoked) => self::revoked(revoked, view, page),
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
        let ignored: Vec<String> = signed.ignored.iter().map(|oid| extension(oid)).collect();
        page.note("ignored", Paint::Plain, &ignored.join(", "));
    }
    if let Some(chain) = &signed.chain {
        page.field("chain").say(&chain.display().to_string()).end();
    }
}

/// What is asked for beyond names, in the words of RFC 5280 section 4.2 and its companions.
fn extension(oid: &str) -> String {
    let name = match oid {
        "2.5.29.14" => "subjectKeyIdentifier",
        "2.5.29.15" => "keyUsage",
        "2.5.29.18" => "issuerAltName",
        "2.5.29.19" => "basicConstraints",
        "2.5.29.30" => "nameConstraints",
        "2.5.29.31" => "cRLDistributionPoints",
        "2.5.29.32" => "certificatePolicies",
        "2.5.29.35" => "authorityKeyIdentifier",
        "2.5.29.37" => "extKeyUsage",
        "1.3.6.1.5.5.7.1.1" => "authorityInfoAccess",
        "1.3.6.1.5.5.7.1.24" => "TLS feature (must-staple)",
        "1.2.840.113549.1.9.2" => "unstructuredName",
        "1.2.840.113549.1.9.7" => "challengePassword",
        "1.3.6.1.4.1.311.20.2" => "Microsoft certificate template name",
        other => return other.to_owned(),
    };
    format!("{name} ({oid})")
}

fn revoked(revoked: &RevokedView, view: &View, page: &mut Page) {
    let what = if revoked.recorded { "revoked" } else { "would be revoked" };
    page.put(Paint::Good, what).say(&format!(" {} ({})", revoked.serial, revoked.reason)).end();
    page.field(if revoked.not_after > view.now { "ends" } else { "ended" }).say(&date(revoked.not_after)).end();
    let which = if revoked.former { format!(" --root {}", revoked.root) } else { String::new() };
    let next = format!("`{} ca crl {}{which}` makes the list by which clients learn of it", view.program, revoked.ca);
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
        let kept = match (exported.taken_off, exported.take_off) {
            (true, _) => ", and no longer on this machine",
            (false, true) => ", and would be removed from this machine",
            (false, false) => "",
        };
        page.field("root key").say(&format!("{}{kept}", path.display())).end();
    }
}
