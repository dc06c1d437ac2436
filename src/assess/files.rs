//! What the files themselves tell.

use time::{Duration, OffsetDateTime};

use super::{Code, Facts, Finding};
use crate::cert::installed::KeyFound;
use crate::cert::{Certificate, Chain, KeyKind, SelfSigned, Signed, issued_by};

pub(super) fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for problem in &facts.installed.problems {
        found.push(Finding::new(Code::Unreadable, problem.clone()));
    }
    match &facts.installed.chain {
        None => found.push(Finding::new(Code::NoCertificate, "there is no certificate")),
        Some(chain) => certificate(chain, facts, &mut found),
    }
    key(facts, &mut found);
    if let Some(regression) = facts.regression {
        let what =
            regression.committed.map_or("another state".to_owned(), |leaf| format!("certificate {}", leaf.short()));
        let message =
            format!("the files are not what was committed last (generation {}, {what})", regression.generation);
        found.push(Finding::new(Code::Regression, message));
    }
    found
}

fn key(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    match facts.installed.key {
        KeyFound::None if facts.key_expected => {
            found.push(Finding::new(Code::NoKey, "there is no readable private key"));
        }
        KeyFound::Mismatch => {
            found.push(Finding::new(Code::KeyMismatch, "the private key belongs to another certificate"));
        }
        KeyFound::None | KeyFound::Matches | KeyFound::NoLeaf => {}
    }
    for (role, attributes) in facts.key_files {
        if role.holds_key() && attributes.mode & 0o007 != 0 {
            let message = format!("everybody may read the file with the key (mode {:04o})", attributes.mode);
            found.push(Finding::new(Code::KeyReadable, message));
        }
    }
}

fn certificate(chain: &Chain, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let leaf = chain.leaf();
    issuer(leaf, found);
    dates(chain, facts, found);
    names(leaf, facts, found);
    strength(leaf, found);
    if leaf.is_ca() {
        found.push(Finding::new(Code::CaAsLeaf, "it is a CA certificate"));
    }
    if !leaf.serves_tls() {
        found.push(Finding::new(Code::NotForServers, "its extended key usage does not include serverAuth"));
    }
    order(chain, found);
}

fn issuer(leaf: &Certificate, found: &mut Vec<Finding>) {
    let finding = match SelfSigned::of(leaf) {
        SelfSigned::No => return,
        SelfSigned::Yes => Finding::new(Code::SelfSigned, format!("{} signed itself", leaf.title())),
        SelfSigned::SelfIssuedUnverifiable => {
            Finding::new(Code::SelfIssuedUnverified, format!("{} names itself as issuer", leaf.title()))
        }
        SelfSigned::SelfIssuedByOtherKey => {
            let message = format!("{} names itself as issuer, but another key signed it", leaf.title());
            Finding::new(Code::SelfIssuedOtherKey, message)
        }
        SelfSigned::OwnKeyOtherName => {
            let message = format!("{} was signed by its own key under the name {}", leaf.title(), leaf.issuer());
            Finding::new(Code::OwnKeyOtherName, message)
        }
    };
    found.push(finding);
}

fn dates(chain: &Chain, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let (leaf, now) = (chain.leaf(), facts.now);
    let left = leaf.not_after() - now;
    let lifetime = leaf.not_after() - leaf.not_before();
    if now > leaf.not_after() {
        found.push(Finding::new(Code::Expired, format!("it ended {} ({} ago)", date(leaf.not_after()), span(-left))));
    } else if now < leaf.not_before() {
        let wait = leaf.not_before() - now;
        found.push(Finding::new(
            Code::NotYetValid,
            format!("it begins {} (in {})", date(leaf.not_before()), span(wait)),
        ));
    } else if left < (facts.renew_before)(lifetime) {
        found.push(Finding::new(Code::Expiring, format!("it ends {} (in {})", date(leaf.not_after()), span(left))));
    }
    for intermediate in chain.intermediates() {
        if intermediate.not_after() < leaf.not_after() {
            let message = format!("{} ends {}, before the leaf", intermediate.title(), date(intermediate.not_after()));
            found.push(Finding::new(Code::ChainExpires, message));
        }
    }
}

fn names(leaf: &Certificate, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    if leaf.names().is_empty() {
        found.push(Finding::new(Code::NoNames, "it has no subject alternative names"));
        return;
    }
    let missing: Vec<String> = facts.wanted.iter().filter(|name| !leaf.covers(name)).map(ToString::to_string).collect();
    if !missing.is_empty() {
        found.push(Finding::new(Code::NameMissing, format!("it is not for {}", missing.join(", "))));
    }
}

fn strength(leaf: &Certificate, found: &mut Vec<Finding>) {
    if let KeyKind::Rsa(bits) = leaf.key_kind()
        && *bits < 2048
    {
        found.push(Finding::new(Code::WeakKey, format!("its RSA key has {bits} bits")));
    }
    let broken = leaf.signature_algorithm().hash().is_some_and(crate::cert::Hash::is_broken);
    if broken && SelfSigned::of(leaf) != SelfSigned::Yes {
        let message = format!("it is signed with {}", leaf.signature_algorithm());
        found.push(Finding::new(Code::WeakSignature, message));
    }
}

/// Each certificate should be the issuer of the one before it.
fn order(chain: &Chain, found: &mut Vec<Finding>) {
    let all: Vec<&Certificate> = chain.certificates().collect();
    for pair in all.windows(2) {
        if issued_by(pair[0], pair[1]) == Signed::Failed {
            let message = format!("{} did not issue {}, which comes before it", pair[1].title(), pair[0].title());
            found.push(Finding::new(Code::ChainOrder, message));
        }
    }
    if let Some(last) = all.last().filter(|_| all.len() > 1)
        && SelfSigned::of(last) == SelfSigned::Yes
    {
        found.push(Finding::new(Code::RootSent, format!("the root {} is sent along", last.title())));
    }
}

/// A date as reports write it.
#[must_use]
pub fn date(at: OffsetDateTime) -> String {
    format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day())
}

/// A length of time as reports write it: days, or what is finer below two days.
#[must_use]
pub fn span(length: Duration) -> String {
    match length.whole_hours() {
        hours if hours >= 48 => format!("{} days", length.whole_days()),
        hours if hours >= 2 => format!("{hours} hours"),
        _ => format!("{} minutes", length.whole_minutes()),
    }
}
