//! Whether the files that are not there may have another name: a new pair beside the one that a service reads would be of no use, and
//! waiting for it to be served would take the service down.

use std::path::Path;

use crate::cert::{Certificate, Chain};
use crate::change::{Image, Role};
use crate::config::{TargetConfig, TargetKind};
use crate::flow::clients::{Clients, SYSTEM};
use crate::flow::survey::{self, PairState, Survey};
use crate::flow::{Refusal, Session, asked, judge};
use crate::host::state::State;
use crate::source::local_ca::Authority;

/// Refuses to make a pair out of nothing where one half of it is there, or where a known CA's certificate for these names is served that none of
/// the files holds. A file that reseal has put there before has the right name, and so has a pair of which nobody has heard yet.
pub(in crate::flow) fn refuse(session: &Session<'_>, config: &TargetConfig) -> Result<(), Refusal> {
    // What nginx's own configuration names is what it reads.
    if session.options.force || !matches!(config.kind, TargetKind::Files(_)) {
        return Ok(());
    }
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let committed = survey::committed(State::open(session.host)?.as_ref(), &config.name)?;
    let known = |path: &Path| {
        let saved = committed.iter().flat_map(|(_, manifest)| &manifest.slots);
        saved.filter(|saved| saved.file.is_some()).any(|saved| saved.path == path)
    };
    for pair in &survey.pairs {
        let missing = missing(session, pair);
        let Some(first) = missing.iter().find(|path| !known(path)) else { continue };
        let other = pair.pair.slots.iter().find(|slot| is_half(slot.role) && !missing.contains(&slot.path.as_path()));
        let paths = missing.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ");
        let served = if other.is_none() { elsewhere(session, config, &survey)? } else { None };
        let why = match (other, served) {
            (Some(other), _) => format!("{} is not there, and {} is: is the path right?", paths, other.path.display()),
            (None, Some(address)) => format!(
                "{paths} {} not there, and what is served at {address} is in none of its files: is the path right?",
                if missing.len() > 1 { "are" } else { "is" }
            ),
            (None, None) => continue,
        };
        return Err(Refusal::new(why).hint(format!(
            "correct `certificate` and `key` of {0} in the configuration; or, if {1} is to be made, insist: `reseal renew {0} --force`",
            config.name,
            first.display()
        )));
    }
    Ok(())
}

/// A file without which there is no pair.
fn is_half(role: Role) -> bool {
    match role {
        Role::Leaf | Role::FullChain | Role::Key | Role::Combined => true,
        Role::Chain | Role::Anchor | Role::Store | Role::Record | Role::Fitting => false,
    }
}

/// Those that are not there; a link that leads nowhere is, and is told otherwise.
fn missing<'p>(session: &Session<'_>, pair: &'p PairState) -> Vec<&'p Path> {
    let slots = pair.pair.slots.iter().zip(&pair.looks).filter(|(slot, _)| is_half(slot.role));
    let absent = slots.filter(|(slot, look)| look.image == Image::Absent && !session.host.is_link(&slot.path));
    absent.map(|(slot, _)| slot.path.as_path()).collect()
}

/// Where a certificate for these names is served that is in none of the files, by whoever has it from a CA that the target's clients, this
/// machine, or its own CAs know. Anybody else may listen there, and is to hold nobody up.
fn elsewhere(session: &Session<'_>, config: &TargetConfig, survey: &Survey) -> Result<Option<String>, Refusal> {
    let held = |leaf: &Certificate| {
        let chains = survey.pairs.iter().filter_map(|pair| pair.installed.chain.as_ref());
        chains.map(|chain| chain.leaf()).any(|held| held == leaf)
    };
    let state = State::open(session.host)?;
    let ours = |leaf: &Certificate| {
        state.as_ref().is_some_and(|state| Authority::issuer_among(state, "", leaf).is_ok_and(|ca| ca.is_some()))
    };
    let asked_for = if config.policy.trust.is_empty() { vec![SYSTEM.to_owned()] } else { config.policy.trust.clone() };
    let clients = Clients::new(session.host, &session.config.trust, &[]);
    let known = |chain: &Chain| -> Result<bool, Refusal> {
        let verdicts = judge::verdicts(&clients.or(&asked_for)?, chain, &config.names, session.host.now());
        Ok(verdicts.iter().any(|verdict| verdict.trusted))
    };
    let served = asked::closely(session.host, &survey.questions(), config.policy.probe_timeout);
    for (place, sent) in served.into_iter().flat_map(|asked| asked.chains) {
        let certificates: Result<Vec<Certificate>, _> = sent.into_iter().map(Certificate::from_der).collect();
        let Some(chain) = certificates.ok().and_then(Chain::as_given) else { continue };
        let leaf = chain.leaf();
        if config.names.iter().all(|name| leaf.covers(name)) && !held(leaf) && (ours(leaf) || known(&chain)?) {
            return Ok(Some(place));
        }
    }
    Ok(None)
}
