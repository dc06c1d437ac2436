//! Whether a bundle is fit for a target: what speaks against it by itself, and what would be lost with what it replaces.

use std::sync::Arc;

use time::OffsetDateTime;

use super::clients::{self, Clients};
use super::install::pairs_for;
use super::survey::{PairState, Survey};
use super::withdrawn::Known;
use super::{Refusal, Session, judge};
use crate::assess::{self, Code, Facts, Finding, Severity, date};
use crate::cert::installed::{self, Installed, KeyFound};
use crate::cert::{Bundle, Certificate, Chain, KeyKind, Name, SelfSigned, Signatures};
use crate::change::Role;
use crate::config::{SourceConfig, TargetConfig};

/// Refuses what would make things worse at `then`, unless that is forced.
pub(super) fn acceptable(
    session: &Session<'_>,
    bundle: &Bundle,
    config: &TargetConfig,
    then: OffsetDateTime,
) -> Result<(), Refusal> {
    if session.options.force {
        return Ok(());
    }
    let mut found = untimely(bundle.leaf(), then);
    found.extend(faults(bundle, config, &outlook(session, config, bundle, then)?));
    if found.is_empty() {
        return Ok(());
    }
    let why = format!("{} is not installed in {}: {}", bundle.leaf().title(), config.name, found.join("; "));
    Err(Refusal::new(why).hint("bring a certificate without these faults, or insist with `--force`"))
}

/// What clients and the product will make of a pair at this moment.
pub(super) fn outlook(
    session: &Session<'_>,
    config: &TargetConfig,
    bundle: &Bundle,
    then: OffsetDateTime,
) -> Result<Vec<Finding>, Refusal> {
    let contents = [Role::FullChain, Role::Key].map(|role| (role, bundle.content(role)));
    let parts: Vec<(Role, &[u8])> = contents.iter().map(|(role, bytes)| (*role, bytes.expose())).collect();
    judged(session, config, &installed::read(&parts), then)
}

fn judged(
    session: &Session<'_>,
    config: &TargetConfig,
    installed: &Installed,
    then: OffsetDateTime,
) -> Result<Vec<Finding>, Refusal> {
    let clients = asked_for(session, config)?;
    let chain = installed.chain.as_ref();
    let trust = chain.map(|chain| judge::verdicts(&clients, chain, &config.names, then)).unwrap_or_default();
    let before = |lifetime| config.policy.renew_before.left_of(lifetime);
    let signatures = Signatures::default();
    let revoked = Known::read(session.host).of_chain(chain);
    let facts = Facts {
        key_expected: true,
        whole_chain: true,
        wanted: &config.names,
        needs_client_auth: config.needs_client_auth,
        trust: &trust,
        revoked: revoked.as_ref().map(|revoked| revoked.why.as_str()),
        rules: &config.rules,
        subject: &config.name,
        ..Facts::new(installed, &before, &signatures, then)
    };
    Ok(assess::findings(&facts))
}

/// Whether what is in place has to go, whatever comes: it is revoked, its key or its signature is broken, no client takes it. What only ends
/// soon, or lacks a name, is good for the others until then.
fn has_to_go(
    session: &Session<'_>,
    config: &TargetConfig,
    pair: &PairState,
    now: OffsetDateTime,
) -> Result<bool, Refusal> {
    let good_for_some = |code| {
        matches!(
            code,
            Code::Expiring
                | Code::EndsSoon
                | Code::NameMissing
                | Code::NoClientAuth
                // How the file is written says nothing of the certificate in it.
                | Code::Unreadable
                | Code::NoKey
                | Code::DanglingLink
                | Code::PemBlankLine
                | Code::PemRefused
                | Code::LeafNotFirst
        )
    };
    let found = judged(session, config, &pair.installed, now)?;
    Ok(found.iter().any(|one| one.calls_for_replacement() && !good_for_some(one.code)))
}

/// What of it the owner has asked to be kept away: clients that do not trust it, a product that cannot use it, a CA that has revoked it.
pub(super) fn objections(config: &TargetConfig, found: &[Finding]) -> Vec<String> {
    let asked = |one: &&Finding| {
        let kept_away = matches!(one.code, Code::Untrusted | Code::NoClientAuth | Code::Revoked);
        one.counts() && kept_away && !borne(config, one)
    };
    found.iter().filter(asked).map(|one| one.message.clone()).collect()
}

/// Why it is not good at this moment.
pub(super) fn untimely(leaf: &Certificate, now: OffsetDateTime) -> Vec<String> {
    let mut found = Vec::new();
    if now > leaf.not_after() {
        found.push(format!("it ended {}", date(leaf.not_after())));
    }
    if now < leaf.not_before() {
        found.push(format!(
            "it begins {}, which is still to come (is this machine's clock right?)",
            date(leaf.not_before())
        ));
    }
    found
}

/// Why it is not good for the target, whenever that is: its names, its use, and what else is critical of what was `found` by
/// [`outlook`].
pub(super) fn faults(bundle: &Bundle, config: &TargetConfig, found: &[Finding]) -> Vec<String> {
    let leaf = bundle.leaf();
    let mut faults = Vec::new();
    let missing: Vec<String> = config.names.iter().filter(|name| !leaf.covers(name)).map(ToString::to_string).collect();
    if !missing.is_empty() {
        faults.push(format!("it is not for {}", missing.join(", ")));
    }
    if !leaf.serves_tls() {
        faults.push("its extended key usage does not include serverAuth".to_owned());
    }
    for finding in found.iter().filter(|one| by_itself(one) && !borne(config, one)) {
        if !faults.contains(&finding.message) {
            faults.push(finding.message.clone());
        }
    }
    faults
}

/// A CA of one's own issues for servers alone: a renewal without the other use is better than none.
fn borne(config: &TargetConfig, finding: &Finding) -> bool {
    finding.code == Code::NoClientAuth && matches!(config.source, SourceConfig::LocalCa { .. })
}

/// Whether a finding is that of a certificate which no client accepts, now or later. Dates and names are told in other words; one that
/// signed itself is only worse than one that did not; and one that ends soon is better than none.
fn by_itself(finding: &Finding) -> bool {
    let told_otherwise = matches!(
        finding.code,
        Code::Expired
            | Code::NotYetValid
            | Code::EndsSoon
            | Code::ChainEndsSoon
            | Code::NameMissing
            | Code::SelfSigned
            | Code::OwnKeyOtherName
    );
    // By the catalogue: how loudly its owner wants to be told of it makes it no better and no worse.
    finding.accepted.is_none() && finding.code.severity() == Severity::Critical && !told_otherwise
}

/// Refuses what a person brings and what is worse than a good one in place, unless that is meant.
pub(super) fn no_worse(
    session: &Session<'_>,
    config: &TargetConfig,
    survey: &Survey,
    bundle: &Bundle,
) -> Result<(), Refusal> {
    if session.options.downgrade {
        return Ok(());
    }
    let replaces: Vec<usize> = pairs_for(survey, bundle);
    let of_pair =
        |index: &usize| survey.pairs.get(*index).and_then(|pair| Some((pair, pair.installed.chain.as_ref()?)));
    let Some((pair, old)) = replaces.iter().find_map(of_pair) else { return Ok(()) };
    let now = session.host.now();
    if has_to_go(session, config, pair, now)? {
        return Ok(());
    }
    let mut lost = losses(bundle.leaf(), old.leaf(), now);
    // Whoever insists on what no client takes has said that clients are lost.
    let insisted = session.options.force && !faults(bundle, config, &outlook(session, config, bundle, now)?).is_empty();
    if !insisted {
        lost.extend(clients_lost(&asked_for(session, config)?, config, bundle.chain(), old, now));
    }
    let hint = "bring a better one, or say that this is meant: `--downgrade`";
    worse(config, bundle, old, &lost, hint)
}

/// Refuses what a source gives and what is worse than a good one in place: nobody is there to see it. What the owner decides by the
/// configuration is not held against it, which are the names, and the key and the lifetime of what is made to order.
pub(super) fn no_loss(
    session: &Session<'_>,
    config: &TargetConfig,
    pair: &PairState,
    bundle: &Bundle,
) -> Result<(), Refusal> {
    let Some(old) = &pair.installed.chain else { return Ok(()) };
    let now = session.host.now();
    if session.options.force || session.options.downgrade || pair.installed.key != KeyFound::Matches {
        return Ok(());
    }
    if has_to_go(session, config, pair, now)? {
        return Ok(());
    }
    let (leaf, before) = (bundle.leaf(), old.leaf());
    let (ready_made, ordered, own) = match config.source {
        SourceConfig::Import { .. } => (true, false, false),
        SourceConfig::Command { .. } => (false, true, false),
        SourceConfig::LocalCa { .. } => (false, false, true),
        SourceConfig::Acme(_) | SourceConfig::Csr { .. } | SourceConfig::None => (false, false, false),
    };
    let mut lost = Vec::new();
    if !nothing_to_lose(before, now) {
        lost.extend(kinds_lost(leaf, before));
        if ready_made && weaker(leaf.key_kind(), before.key_kind()) {
            lost.push(weaker_key(leaf, before));
        }
        let for_all = config.names.iter().all(|name| before.covers(name));
        if (ready_made || ordered) && for_all && leaf.not_after() < before.not_after() {
            lost.push(ends_first(leaf, before));
        }
    }
    // Whose clients know a CA of one's own is for its owner to say.
    if !own {
        lost.extend(clients_lost(&asked_for(session, config)?, config, bundle.chain(), old, now));
    }
    worse(config, bundle, old, &lost, "see what the source gives; if this is meant, insist with `--force`")
}

/// What is worse about an earlier generation than about what is in place, where nobody has said which one is meant.
pub(super) fn worse_than_in_place(
    session: &Session<'_>,
    config: &TargetConfig,
    pair: &PairState,
    earlier: &Chain,
) -> Result<Vec<String>, Refusal> {
    let now = session.host.now();
    let Some(old) = &pair.installed.chain else { return Ok(Vec::new()) };
    let insisted = session.options.force || session.options.downgrade;
    let broken = pair.installed.key != KeyFound::Matches || nothing_to_lose(old.leaf(), now);
    if insisted || broken || has_to_go(session, config, pair, now)? {
        return Ok(Vec::new());
    }
    let mut lost = kinds_lost(earlier.leaf(), old.leaf());
    lost.extend(clients_lost(&asked_for(session, config)?, config, earlier, old, now));
    Ok(lost)
}

/// The names of what is in place that nothing is for any more. Who leaves them out of the configuration has decided that, and hears it.
pub(super) fn dropped(
    config: &TargetConfig,
    survey: &Survey,
    bundles: &[Bundle],
    now: OffsetDateTime,
) -> Option<String> {
    let in_place = survey.pairs.iter().filter_map(|pair| Some(pair.installed.chain.as_ref()?.leaf()));
    let mut lost: Vec<String> = Vec::new();
    for leaf in in_place.filter(|leaf| !nothing_to_lose(leaf, now)) {
        let wanted = |name: &Name| config.names.iter().any(|wanted| wanted.covers(name));
        let kept = |name: &Name| bundles.iter().any(|bundle| bundle.leaf().covers(name));
        lost.extend(leaf.names().iter().filter(|name| !wanted(name) && !kept(name)).map(ToString::to_string));
    }
    lost.sort();
    lost.dedup();
    let lost = lost.join(", ");
    (!lost.is_empty()).then(|| format!("it is no longer for {lost}, which the configuration does not name"))
}

fn worse(config: &TargetConfig, bundle: &Bundle, old: &Chain, lost: &[String], hint: &str) -> Result<(), Refusal> {
    if lost.is_empty() {
        return Ok(());
    }
    let why = format!(
        "{} is not installed in {}, for it is worse than {} there: {}",
        bundle.leaf().title(),
        config.name,
        old.leaf().title(),
        lost.join("; ")
    );
    Err(Refusal::new(why).hint(hint))
}

fn asked_for(session: &Session<'_>, config: &TargetConfig) -> Result<Vec<Arc<clients::Known>>, Refusal> {
    Clients::new(session.host, &session.config.trust, &[]).or(&config.policy.trust)
}

/// Clients of the configuration that trust what is in place, for whatever names, and would not trust what replaces it.
fn clients_lost(
    clients: &[Arc<clients::Known>],
    config: &TargetConfig,
    new: &Chain,
    old: &Chain,
    now: OffsetDateTime,
) -> Vec<String> {
    let before = judge::verdicts(clients, old, &[], now);
    let after = judge::verdicts(clients, new, &config.names, now);
    let lost = before.iter().zip(&after).filter(|(before, after)| before.trusted && !after.trusted);
    lost.map(|(_, after)| {
        let why = after.why.as_deref().map_or_else(String::new, |why| format!(": {why}"));
        format!("{} trusts that one, and not this{why}", after.profile)
    })
    .collect()
}

fn signed_itself(one: &Certificate) -> bool {
    SelfSigned::of(one).by_own_key()
}

/// One that signed itself, or that has ended, has nothing to lose.
fn nothing_to_lose(old: &Certificate, now: OffsetDateTime) -> bool {
    signed_itself(old) || now > old.not_after()
}

/// What would be lost with the one in place.
fn losses(leaf: &Certificate, old: &Certificate, now: OffsetDateTime) -> Vec<String> {
    if nothing_to_lose(old, now) {
        return Vec::new();
    }
    let mut found = kinds_lost(leaf, old);
    let lost: Vec<String> = old.names().iter().filter(|name| !leaf.covers(name)).map(ToString::to_string).collect();
    if !lost.is_empty() {
        found.push(format!("it is not for {}", lost.join(", ")));
    }
    if weaker(leaf.key_kind(), old.key_kind()) {
        found.push(weaker_key(leaf, old));
    }
    // CAs round, and lifetimes get shorter over the years; much less than what is left is an old file, or a mistake.
    if leaf.not_after() < old.not_after() - (old.not_after() - now) / 3_i32 {
        found.push(ends_first(leaf, old));
    }
    found
}

/// What is no server's certificate of a CA, where that in place is one.
fn kinds_lost(leaf: &Certificate, old: &Certificate) -> Vec<String> {
    let mut found = Vec::new();
    if signed_itself(leaf) {
        found.push("it is self-signed, and that one is not".to_owned());
    }
    if leaf.is_ca() && !old.is_ca() {
        found.push("it calls itself a CA, which strict clients take from no server".to_owned());
    }
    found
}

fn weaker_key(leaf: &Certificate, old: &Certificate) -> String {
    format!("its key is {}, that one's {}", leaf.key_kind(), old.key_kind())
}

fn ends_first(leaf: &Certificate, old: &Certificate) -> String {
    format!("it ends {}, that one {}", date(leaf.not_after()), date(old.not_after()))
}

/// Whether a key is weaker than another of its family; which family is better nobody can say.
fn weaker(key: &KeyKind, old: &KeyKind) -> bool {
    let curve = |kind: &KeyKind| match kind {
        KeyKind::P256 | KeyKind::Ed25519 => Some(128),
        KeyKind::P384 => Some(192),
        KeyKind::P521 => Some(256),
        KeyKind::Rsa(_) | KeyKind::MlDsa(_) | KeyKind::Other(_) => None,
    };
    match (key, old) {
        (KeyKind::Rsa(bits), KeyKind::Rsa(before)) => bits < before,
        _ => curve(key).zip(curve(old)).is_some_and(|(bits, before)| bits < before),
    }
}
