//! Certificates by ACME for a target: from the shelf, by an order, and when they are due.

use std::path::PathBuf;

use super::{QUESTION, client, missing};
use crate::cert::installed::Leaf;
use crate::cert::{Bundle, Certificate, Generate, PrivateKey};
use crate::config::{AcmeChallenge, AcmeConfig, TargetConfig};
use crate::digest::Digest;
use crate::event::Event;
use crate::flow::renew::good;
use crate::flow::stood::{self, Given};
use crate::flow::{Refusal, Session};
use crate::host::Host;
use crate::host::state::State;
use crate::outcome::{Outcome, explain};
use crate::source::acme::{self, Account, AcmeError, Advice, Challenge, Errand, Update, Wanted};

/// The account of a target, checked against what the target says of it.
fn account_of(state: &State, source: &AcmeConfig) -> Result<Account, AcmeError> {
    let account = Account::find(state, &source.account)?;
    account.id()?;
    match &source.directory {
        Some(wanted) if wanted != account.directory() => Err(AcmeError::OtherDirectory {
            name: source.account.clone(),
            theirs: account.directory().to_owned(),
            wanted: wanted.clone(),
        }),
        Some(_) | None => Ok(account),
    }
}

/// Whether an order would be placed: asks nobody.
///
/// # Errors
/// Why it would not.
pub(in crate::flow) fn admit(session: &Session<'_>, config: &TargetConfig, source: &AcmeConfig) -> Result<(), Refusal> {
    let state = State::open(session.host)?.ok_or_else(|| missing(&source.account))?;
    account_of(&state, source)?;
    named(config)?;
    Ok(challenge(session.host, config, source)?.admit(&config.names)?)
}

fn named(config: &TargetConfig) -> Result<(), Refusal> {
    if config.names.is_empty() {
        return Err(Refusal::new(format!("target {} does not say for which names to order", config.name))
            .hint("give it `names`"));
    }
    Ok(())
}

/// Obtains a certificate: from the shelf, by an order that was begun, or by a new one. The caller holds the machine lock, so two runs
/// place one order.
///
/// # Errors
/// Nothing was obtained.
pub(in crate::flow) fn obtain(
    session: &mut Session<'_>,
    config: &TargetConfig,
    source: &AcmeConfig,
    kind: Option<Generate>,
    keep: Option<PrivateKey>,
    in_place: Option<&Certificate>,
) -> Result<Bundle, Refusal> {
    named(config)?;
    let host = session.host;
    let challenge = challenge(host, config, source)?;
    challenge.admit(&config.names)?;
    let state = State::open(host)?.ok_or_else(|| missing(&source.account))?;
    let mut account = account_of(&state, source)?;
    let known = in_place.and_then(|leaf| acme::known_renewal(&state, &config.name, leaf.fingerprint()));
    let wanted = Wanted {
        target: config.name.clone(),
        names: config.names.clone(),
        kind: kind.unwrap_or(source.key),
        keep,
        challenge,
        profile: source.profile.clone(),
        preferred_chain: source.preferred_chain.clone(),
        // Only a CA that has a window for it knows it (RFC 9773 section 5).
        replaces: in_place.filter(|_| known.is_some_and(|known| known.window.is_some())).cloned(),
        used: Given::of(&state, &config.name)?.keys().to_vec(),
    };
    let still_good = |leaf: &Certificate| good(&Leaf::of(leaf, true), config, host.now());
    // Its key was in service, and may be why another is wanted.
    stood::settle(&state, [config.name.as_str()])?;
    let directory = account.directory().to_owned();
    let shelved = acme::shelved(&state, &source.account, &directory, &wanted, host.now(), &still_good)?;
    if let Some(bundle) = shelved {
        let text = "taken from the shelf: it was obtained before and never installed".to_owned();
        session.listener.hear(&Event::Note { text });
        return Ok(bundle);
    }
    session.listener.hear(&Event::Obtaining { source: format!("ACME {directory}") });
    let root = source.root.as_deref().or(account.root().map(PathBuf::as_path));
    let web = client(host, root, host.within(source.deadline))?;
    account.settle(&web)?;
    let listener = &mut *session.listener;
    let mut tell = |text: String| listener.hear(&Event::Note { text });
    let mut errand = Errand { host, state: &state, web: &web, account: &account, tell: &mut tell };
    Ok(acme::obtain(&mut errand, &wanted).map_err(|error| account.explain(&web, error))?)
}

/// Forgets what was obtained, once it is in place.
pub(in crate::flow) fn installed(session: &mut Session<'_>, config: &TargetConfig, outcome: &Outcome, leaf: Digest) {
    if !matches!(outcome, Outcome::Committed { .. } | Outcome::Staged { .. } | Outcome::Nothing { .. }) {
        return;
    }
    let forgotten = match State::open(session.host) {
        Ok(Some(state)) => acme::forget(&state, &config.name, &|one| one == leaf),
        Ok(None) | Err(_) => Ok(()),
    };
    if let Err(error) = forgotten {
        let text = format!("what was obtained stays on the shelf: {}", explain(&error));
        session.listener.hear(&Event::Note { text });
    }
}

/// What the CA last said about the time of renewal, if that is kept and still counts. Asks nobody.
pub(in crate::flow) fn advised(host: &Host, state: &State, config: &TargetConfig, leaf: Digest) -> Option<Advice> {
    acme::known_renewal(state, &config.name, leaf).filter(|advice| !advice.is_stale(host.now()))
}

/// Whether the CA would have this certificate renewed now (RFC 9773): asked where what was said before is too old. That it could not
/// be asked is a note, and stops nothing.
pub(in crate::flow) fn due(
    session: &Session<'_>,
    config: &TargetConfig,
    source: &AcmeConfig,
    leaf: &Certificate,
    notes: &mut Vec<String>,
) -> bool {
    let host = session.host;
    let Ok(Some(state)) = State::open(host) else { return false };
    let fresh = advised(host, &state, config, leaf.fingerprint());
    let advice = match fresh {
        Some(advice) => advice,
        // A dry run writes nothing, so it asks nobody whose answer would have to be kept.
        None if session.options.dry_run => return false,
        None => {
            let asked = account_of(&state, source).and_then(|account| {
                let root = source.root.as_deref().or(account.root().map(PathBuf::as_path));
                let web = client(host, root, QUESTION)?;
                acme::ask_renewal(&state, &web, account.directory(), &config.name, leaf, host.now())
            });
            match asked {
                Ok(advice) => advice,
                Err(error) => {
                    notes.push(format!("the CA could not be asked when to renew: {}", explain(&error)));
                    return false;
                }
            }
        }
    };
    if let Some(why) = &advice.failed {
        notes.push(format!("the CA could not be asked when to renew: {why}"));
    }
    let due = advice.is_due(host.now());
    if let Some(page) = advice.page.as_ref().filter(|_| due) {
        notes.push(format!("the CA tells why it would have it renewed: {page}"));
    }
    due
}

fn challenge(host: &Host, config: &TargetConfig, source: &AcmeConfig) -> Result<Challenge, Refusal> {
    Ok(match &source.challenge {
        AcmeChallenge::Http { listen } => Challenge::Http { listen: *listen },
        AcmeChallenge::Webroot { root } => {
            let owner = config.service_user.as_deref().map(|user| {
                host.user_id(user).ok_or_else(|| {
                    Refusal::new(format!("target {}: there is no user {user} on this machine", config.name))
                        .hint("correct `service_user`")
                })
            });
            Challenge::Webroot { root: root.clone(), owner: owner.transpose()? }
        }
        AcmeChallenge::TlsAlpn { listen } => Challenge::TlsAlpn { listen: *listen },
        AcmeChallenge::DnsHook { command, wait } => Challenge::DnsHook { command: command.clone(), wait: *wait },
        AcmeChallenge::DnsUpdate { host, port, zone, key_file, program, wait } => {
            let update = Update {
                host: host.clone(),
                port: *port,
                zone: zone.clone(),
                key_file: key_file.clone(),
                program: program.clone(),
                timeout: 30,
            };
            Challenge::DnsUpdate { update, wait: *wait }
        }
    })
}
