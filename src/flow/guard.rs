//! What a change is refused for, whoever asks for it, before anything is made, ordered or touched.

use super::survey::{self, Survey};
use super::{Refusal, Session, gone, restore};
use crate::cert::installed;
use crate::change::{Image, Role, Slot, Step, typed};
use crate::config::TargetConfig;
use crate::engine::Change;
use crate::host::state::State;
use crate::sensitive::Sensitive;

/// Refuses a change whose files would go where they are not meant to: to another target, along a new link, or nowhere.
pub(super) fn places(session: &Session<'_>, config: &TargetConfig, survey: &Survey, verb: &str) -> Result<(), Refusal> {
    session.alone_with(&config.name, survey)?;
    led_nowhere_else(session, config, survey)?;
    gone::refuse(session.host, config, survey, verb)
}

/// That no link has come in a place of the target since reseal changed it last: a new certificate would go to its end.
fn led_nowhere_else(session: &Session<'_>, config: &TargetConfig, survey: &Survey) -> Result<(), Refusal> {
    if session.options.force {
        return Ok(());
    }
    let Some((_, manifest)) = survey::committed(State::open(session.host)?.as_ref(), &config.name)? else {
        return Ok(());
    };
    let dir = session.live_dir.join(&config.name);
    let Some(first) = survey::strayed(session.host, survey, &manifest, &dir)?.into_iter().next() else { return Ok(()) };
    let why = format!("{}: what is there may belong to another service", first.told());
    let name = &config.name;
    Err(Refusal::new(why).hint(format!(
        "if the service is to read that file, insist with `--force`; if not, `reseal restore {name} {}` puts a file in its place",
        manifest.generation
    )))
}

/// Refuses a change that would put a keystore or a service out of work, or would hold nothing at all.
pub(super) fn change(
    session: &Session<'_>,
    config: &TargetConfig,
    survey: &Survey,
    change: &Change,
) -> Result<(), Refusal> {
    let put = |slot: &Slot| {
        change.steps.iter().find_map(|step| match step {
            Step::PutFile { slot: of, content, .. } if *of == slot.path => Some(content),
            Step::PutFile { .. } | Step::MakeDir { .. } | Step::PutLink { .. } | Step::RemoveFile { .. } => None,
        })
    };
    holds_something(config, survey, change)?;
    still_open(session, survey, &|slot| put(slot).is_some())?;
    // What is put back stood there once, and a person asks for it.
    if change.verb == restore::VERB {
        return Ok(());
    }
    keystores(session, config, survey, &|slot| put(slot).is_some_and(is_no_keystore))
}

/// The same of a change of which is only known that it brings a certificate, and a key where the present one is not kept.
pub(super) fn any_bundle(session: &Session<'_>, config: &TargetConfig, survey: &Survey) -> Result<(), Refusal> {
    let keeps = session.options.keep_key || config.policy.keep_key;
    still_open(session, survey, &|slot| !keeps || slot.role == Role::Combined)?;
    keystores(session, config, survey, &|_| true)
}

/// That no place of the target is a keystore, whatever would be brought.
pub(super) fn keystore(session: &Session<'_>, config: &TargetConfig) -> Result<(), Refusal> {
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    keystores(session, config, &survey, &|_| true)
}

/// That a change that puts nothing in place leaves something there: it would make nothing the wanted state.
fn holds_something(config: &TargetConfig, survey: &Survey, change: &Change) -> Result<(), Refusal> {
    let mut looks = survey.pairs.iter().flat_map(|pair| &pair.looks);
    if !change.steps.is_empty() || looks.any(|look| look.image != Image::Absent) {
        return Ok(());
    }
    let name = &config.name;
    Err(Refusal::new(format!("no file of {name} is there, and this would put none there"))
        .hint(format!("`reseal restore {name}` puts back what was committed last")))
}

/// That a key which the service reads as everybody does is not closed to it: it would not start any more.
fn still_open(session: &Session<'_>, survey: &Survey, changed: &dyn Fn(&Slot) -> bool) -> Result<(), Refusal> {
    let Some(reader) = survey.reader.as_ref().filter(|_| !session.options.force) else { return Ok(()) };
    let all = survey.pairs.iter().flat_map(|pair| pair.pair.slots.iter().zip(&pair.looks));
    for (slot, look) in all.filter(|(slot, _)| slot.role.holds_key() && changed(slot)) {
        let Image::File { attributes, .. } = &look.image else { continue };
        if reader.reads_as_everybody(attributes) {
            let (path, name, mode) = (slot.path.display(), &reader.name, attributes.mode);
            let word = typed(&slot.path);
            return Err(Refusal::new(format!(
                "{path} with the key would be closed to {name}, which reads it as everybody does (mode {mode:04o}): no new key is for everybody"
            ))
            .hint(format!(
                "give it to the service first: `chown {name} {word}`, or `chgrp` it to a group of {name}, and `chmod o= {word}`; if the service reads it as root, insist with `--force`"
            )));
        }
    }
    Ok(())
}

/// That no keystore is replaced by PEM, unless PEM is what was wanted in its place.
fn keystores(
    session: &Session<'_>,
    config: &TargetConfig,
    survey: &Survey,
    changed: &dyn Fn(&Slot) -> bool,
) -> Result<(), Refusal> {
    if session.options.force {
        return Ok(());
    }
    let all = survey.pairs.iter().flat_map(|pair| pair.pair.slots.iter().zip(&pair.looks));
    for (slot, look) in all.filter(|(slot, _)| changed(slot)) {
        let Some(store) = look.content.as_ref().and_then(|content| installed::keystore(content.expose())) else {
            continue;
        };
        if was_no_keystore(session, config, slot)? {
            continue;
        }
        return Err(Refusal::new(format!(
            "{} of {} is {store}, and reseal writes PEM: a service that reads a keystore there would not start any more",
            slot.path.display(),
            config.name
        ))
        .hint(
            "let a target of PEM files take the certificate, and make the keystore of that: `reseal export NAME --form p12 --out FILE`; \
             if the service is to read PEM there, insist with `--force`",
        ));
    }
    Ok(())
}

/// Whether the wanted state has something else than a keystore in this place.
fn was_no_keystore(session: &Session<'_>, config: &TargetConfig, slot: &Slot) -> Result<bool, Refusal> {
    let state = State::open(session.host)?;
    let Some((vault, manifest)) = survey::committed(state.as_ref(), &config.name)? else { return Ok(false) };
    let Some(at) = manifest.slots.iter().position(|saved| saved.path == slot.path) else { return Ok(false) };
    let mut contents = vault.contents(&manifest)?;
    Ok(contents.get_mut(at).and_then(Option::take).is_some_and(|content| is_no_keystore(&content)))
}

fn is_no_keystore(content: &Sensitive) -> bool {
    installed::keystore(content.expose()).is_none()
}
