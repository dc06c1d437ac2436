//! Judging: facts in, findings out. Pure.

mod code;
mod dates;
mod defaults;
mod elsewhere;
mod encoding;
mod finding;
mod issuer;
mod names;
mod path;
mod served;
mod storage;
mod strength;
#[cfg(test)]
mod tests;
mod trust;
pub mod upgrade;
mod usage;

pub use code::{Code, Severity};
pub use dates::{ago, date, days_left, span};
pub use elsewhere::{remedy_by_hand, remedy_elsewhere, remedy_uncommitted};
pub use finding::{Accept, Acceptance, Finding, NO_RULES, Remedy, Rules, matches, merged};
pub use served::{Look, Unseen, Wire, WireVersion, is_dead};
pub use storage::{Reader, Stored, keeper};

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use crate::cert::installed::Installed;
use crate::cert::{Certificate, Chain, Name, Signatures, TrustVerdict};
use crate::digest::Digest;

/// What is known about one target, or about files or an endpoint that somebody named.
pub struct Facts<'a> {
    /// The pair as it stands in files, or the chain that was served.
    pub installed: &'a Installed,
    /// Whether a key is expected: not for a certificate that was named on its own.
    pub key_expected: bool,
    /// Whether the chain is all that clients get: not for a file with a certificate alone, beside which others may be.
    pub whole_chain: bool,
    /// Whether it is a CA's certificate for itself, and no server's.
    pub of_issuer: bool,
    /// The files, and who may read and write them.
    pub files: &'a [Stored],
    /// Names it must be for; empty: nobody said.
    pub wanted: &'a [Name],
    /// Whether the product is a TLS client with this certificate as well.
    pub needs_client_auth: bool,
    /// What is served where, where that was looked at.
    pub served: &'a [Look],
    /// What clients make of the chain, where they were asked.
    pub trust: &'a [TrustVerdict],
    /// Who has revoked the leaf, and why, where that is known.
    pub revoked: Option<&'a str>,
    /// The leaf that was committed last, and what stands in the files now, where the two differ.
    pub regression: Option<Regression>,
    /// How long before its end a certificate counts as expiring.
    pub renew_before: &'a dyn Fn(Duration) -> Duration,
    /// Signatures that were checked before in this run.
    pub signatures: &'a Signatures,
    /// What the owner has said.
    pub rules: &'a Rules,
    /// What the owner calls what is judged: a target, a file, an endpoint.
    pub subject: &'a str,
    /// The time, UTC.
    pub now: OffsetDateTime,
}

/// The files are not what was committed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regression {
    /// The generation that was committed last.
    pub generation: u32,
    /// Its leaf, if it had one.
    pub committed: Option<Digest>,
}

impl<'a> Facts<'a> {
    /// What is installed and nothing else; all else is to be filled in.
    #[must_use]
    pub fn new(
        installed: &'a Installed,
        renew_before: &'a dyn Fn(Duration) -> Duration,
        signatures: &'a Signatures,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            installed,
            key_expected: false,
            whole_chain: false,
            of_issuer: false,
            files: &[],
            wanted: &[],
            needs_client_auth: false,
            served: &[],
            trust: &[],
            revoked: None,
            regression: None,
            renew_before,
            signatures,
            rules: &NO_RULES,
            subject: "",
            now,
        }
    }
}

/// Everything that is wrong, worst first; what is accepted comes last.
#[must_use]
pub fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = storage::findings(facts);
    if let Some(chain) = &facts.installed.chain {
        let others = found.len();
        certificate(chain, facts, &mut found);
        for finding in &mut found[others..] {
            finding.leaf = Some(chain.leaf().fingerprint());
        }
    }
    found.extend(served::findings(facts));
    storage::remedy_regression(&mut found);
    let subject = facts.installed.chain.as_ref().map(|chain| chain.leaf().subject());
    ruled(found, facts.rules, facts.subject, subject, facts.now)
}

/// What comes of findings by the owner's rules, worst first.
#[must_use]
pub fn ruled(
    mut found: Vec<Finding>,
    rules: &Rules,
    target: &str,
    leaf: Option<&str>,
    now: OffsetDateTime,
) -> Vec<Finding> {
    rules.apply(&mut found, target, leaf, now.date());
    // A certificate that has to go has one thing wrong with it, not six.
    let hopeless = found.iter().any(|one| {
        let nobody_vouches = matches!(
            one.code,
            Code::SelfSigned | Code::SelfIssuedUnverified | Code::OwnKeyOtherName | Code::SharedDefault
        );
        nobody_vouches && one.accepted.is_none()
    });
    found.retain(|one| !(hopeless && one.code.goes_with_replacement()));
    found.sort_by_key(|one| (one.accepted.is_some(), one.severity));
    found
}

/// Keys that several of these have: for each, one finding that names who.
///
/// `all` is the name of a target and its leaf; where two have the same certificate too, one service has two names, and that is
/// no finding.
#[must_use]
pub fn shared_keys<'a>(all: impl IntoIterator<Item = (&'a str, &'a Certificate)>) -> Vec<(Vec<String>, Finding)> {
    let mut by_key: BTreeMap<Digest, Vec<(&str, Digest)>> = BTreeMap::new();
    for (name, leaf) in all {
        by_key.entry(leaf.spki_digest()).or_default().push((name, leaf.fingerprint()));
    }
    let shared = by_key.into_iter().filter(|(_, users)| users.iter().any(|(_, leaf)| *leaf != users[0].1));
    shared
        .map(|(key, users)| {
            let names: Vec<String> = users.iter().map(|(name, _)| (*name).to_owned()).collect();
            let message = format!("the key {} is that of {}", key.short(), names.join(", "));
            (names, Finding::new(Code::SharedKey, message))
        })
        .collect()
}

fn certificate(chain: &Chain, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    if facts.of_issuer {
        return authority(chain, facts, found);
    }
    let vouched = issuer::findings(chain, facts, found);
    found.extend(facts.revoked.map(|why| Finding::new(Code::Revoked, why)));
    dates::findings(chain, facts, found);
    names::findings(chain.leaf(), facts, found);
    strength::findings(chain, facts, vouched, found);
    usage::findings(chain.leaf(), facts, found);
    path::findings(chain, facts, vouched, found);
    encoding::findings(chain, found);
    trust::findings(chain, facts, found);
}

/// A CA's certificate has dates and a key; that it signed itself, has no names and serves nobody is as it should be.
fn authority(chain: &Chain, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut known = Vec::new();
    issuer::findings(chain, facts, &mut known);
    found.extend(known.into_iter().filter(|one| matches!(one.code, Code::SharedDefault | Code::VendorDefault)));
    dates::findings(chain, facts, found);
    strength::findings(chain, facts, !chain.leaf().is_self_issued(), found);
    encoding::findings(chain, found);
}
