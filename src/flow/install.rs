//! `install NAME`: puts a certificate that somebody has in hand in place.

use std::path::PathBuf;

use time::OffsetDateTime;

use super::change::{self, Intent};
use super::obtain::Way;
use super::survey::{self, Survey};
use super::withdrawn::Known;
use super::{Options, Refusal, Report, Session, csr, obtain, occasion};
use crate::assess::date;
use crate::cert::{Bundle, Certificate, KeyKind, SelfSigned, codec};
use crate::change::Role;
use crate::config::TargetConfig;
use crate::engine::ConfigTest;
use crate::outcome::Outcome;
use crate::sensitive::Sensitive;
use crate::source::import::Part;

const VERB: &str = "install";

/// Installs what the files at `inputs` hold.
pub fn run(session: &mut Session<'_>, name: &str, inputs: &[PathBuf]) -> Report {
    bring(session, name, &Inputs::Whole(inputs))
}

/// Installs what a CA answered to a request that waits here.
pub fn answer(session: &mut Session<'_>, name: &str, files: &[PathBuf]) -> Report {
    bring(session, name, &Inputs::Answer(files))
}

/// What is installed.
pub(super) enum Inputs<'a> {
    /// Certificate, key and chain, in any packing.
    Whole(&'a [PathBuf]),
    /// Certificates for a key that waits here.
    Answer(&'a [PathBuf]),
}

fn bring(session: &mut Session<'_>, name: &str, inputs: &Inputs<'_>) -> Report {
    if let Err(outcome) = session.begin(VERB, name) {
        return Report::new(name, outcome);
    }
    match prepare(session, name, inputs) {
        Ok(Prepared { config, bundle, notes }) => {
            let mut report = install(session, &config, &bundle);
            report.notes.splice(0..0, notes);
            if matches!(report.outcome, Outcome::Committed { .. }) {
                report.notes.extend(occasion::outside(session.host, &config));
            }
            if let Err(refusal) = csr::installed(session, name, &report.outcome, &bundle) {
                report.notes.push(format!("the request for its key is answered and still listed: {}", refusal.why));
            }
            report
        }
        Err(refusal) => Report::new(name, refusal.outcome()),
    }
}

/// A pair that may be installed.
pub(super) struct Prepared {
    /// The target.
    pub config: TargetConfig,
    /// The pair.
    pub bundle: Bundle,
    /// What is worth a line of how it was read.
    pub notes: Vec<String>,
}

fn prepare(session: &mut Session<'_>, name: &str, inputs: &Inputs<'_>) -> Result<Prepared, Refusal> {
    prepare_for(session, name, inputs, session.host.now())
}

/// Reads what is brought, and refuses what would make things worse if it were in place at `then`.
pub(super) fn prepare_for(
    session: &mut Session<'_>,
    name: &str,
    inputs: &Inputs<'_>,
    then: OffsetDateTime,
) -> Result<Prepared, Refusal> {
    let config = session.target(name)?.clone();
    let survey = survey::survey(session.host, &config, &session.live_dir)?;
    let imported = match inputs {
        Inputs::Whole(files) => {
            let kept = if session.options.keep_key { keys_in_place(&survey) } else { Vec::new() };
            let Options { alias, secrets, .. } = &session.options;
            obtain::from_files(session.host, files, kept, alias.as_deref(), &Way::Typed(secrets))?
        }
        Inputs::Answer(files) => {
            let parts = files.iter().map(|path| obtain::read(session.host, path)).collect::<Result<_, _>>()?;
            csr::answered(session, name, &survey, parts)?
        }
    };
    let notes = imported.notes.iter().map(ToString::to_string).collect();
    acceptable(&imported.bundle, &config, then, session.options.force)?;
    not_revoked(session, &imported.bundle, &config)?;
    no_worse(&imported.bundle, &config, &survey, session)?;
    Ok(Prepared { config, bundle: imported.bundle, notes })
}

/// The keys that stand in the target's files, for a certificate that came without one.
fn keys_in_place(survey: &Survey) -> Vec<Part> {
    let slots = survey.pairs.iter().flat_map(|pair| pair.pair.slots.iter().zip(&pair.looks));
    let mut parts = Vec::new();
    for (slot, look) in slots.filter(|(slot, _)| slot.role.holds_key()) {
        let Some(content) = &look.content else { continue };
        let mut add = |bytes| parts.push(Part { label: slot.path.display().to_string(), bytes });
        if slot.role == Role::Key {
            add(Sensitive::from(content.expose().to_vec()));
        } else if let Ok(found) = codec::read(content.expose(), None) {
            // The certificates beside it are those that are replaced: of the same key, they would do as well as the new one.
            found.keys.iter().for_each(|key| add(key.to_pem()));
        }
    }
    parts
}

fn install(session: &mut Session<'_>, config: &TargetConfig, bundle: &Bundle) -> Report {
    let names = bundle.leaf().title();
    let intent =
        Intent { verb: VERB, why: format!("install {names}"), repeats: None, config_test: ConfigTest::MustPass };
    let build = |survey: &Survey, upcoming| {
        let at = pairs_for(survey, bundle);
        if at.is_empty() {
            return Err(no_pair(survey, bundle));
        }
        let unchanged = at.iter().all(|index| holds(survey, *index, bundle));
        let bundles: Vec<(usize, &Bundle)> = at.iter().map(|index| (*index, bundle)).collect();
        Ok((!unchanged).then(|| change::of_bundles(config, survey, &bundles, &intent, upcoming)))
    };
    let look = change::look(config);
    change::carry_out(session, config, VERB, &look, &build)
}

/// The pairs a bundle belongs in: of a server with an RSA and an ECDSA pair, the ones of its own kind of key.
pub(super) fn pairs_for(survey: &Survey, bundle: &Bundle) -> Vec<usize> {
    let family = bundle.leaf().key_kind().family();
    let pairs = survey.pairs.iter().enumerate();
    pairs.filter(|(_, pair)| pair.pair.family.is_none() || pair.pair.family == family).map(|(index, _)| index).collect()
}

pub(super) fn no_pair(survey: &Survey, bundle: &Bundle) -> Refusal {
    let kinds: Vec<String> = survey
        .pairs
        .iter()
        .filter_map(|pair| Some(pair.installed.chain.as_ref()?.leaf().key_kind().to_string()))
        .collect();
    Refusal::new(format!(
        "the certificate has a {} key, and the server's pairs are for {}",
        bundle.leaf().key_kind(),
        kinds.join(" and ")
    ))
    .hint("bring a certificate with one of these kinds of key")
}

/// Whether a pair already holds exactly this bundle.
pub(super) fn holds(survey: &Survey, index: usize, bundle: &Bundle) -> bool {
    let pair = &survey.pairs[index];
    pair.pair.slots.iter().zip(&pair.looks).all(|(slot, look)| {
        let key_only = slot.role == Role::Key;
        let same_key = pair.installed.key == crate::cert::installed::KeyFound::Matches
            && pair.installed.chain.as_ref().is_some_and(|chain| chain.leaf() == bundle.leaf());
        (key_only && same_key) || look.content.as_ref().is_some_and(|content| *content == bundle.content(slot.role))
    })
}

/// Refuses what would make things worse, unless that is forced.
pub(super) fn acceptable(
    bundle: &Bundle,
    config: &TargetConfig,
    now: OffsetDateTime,
    force: bool,
) -> Result<(), Refusal> {
    let objections = objections(bundle, config, now);
    match objections.first() {
        Some(_) if !force => Err(Refusal::new(format!(
            "{} is not installed in {}: {}",
            bundle.leaf().title(),
            config.name,
            objections.join("; ")
        ))
        .hint("bring a certificate without these faults, or insist with `--force`")),
        Some(_) | None => Ok(()),
    }
}

/// Refuses what a CA here has revoked, unless that is forced.
fn not_revoked(session: &Session<'_>, bundle: &Bundle, config: &TargetConfig) -> Result<(), Refusal> {
    match Known::read(session.host).of(bundle.leaf()).filter(|_| !session.options.force) {
        Some(revoked) => Err(Refusal::new(format!("it is not installed in {}: {}", config.name, revoked.why))
            .hint("bring another certificate, or insist with `--force`")),
        None => Ok(()),
    }
}

fn objections(bundle: &Bundle, config: &TargetConfig, now: OffsetDateTime) -> Vec<String> {
    let mut found = untimely(bundle.leaf(), now);
    found.extend(faults(bundle, config));
    found
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

/// Why it is not good for the target, whenever that is.
pub(super) fn faults(bundle: &Bundle, config: &TargetConfig) -> Vec<String> {
    let leaf = bundle.leaf();
    let mut found = Vec::new();
    let missing: Vec<String> = config.names.iter().filter(|name| !leaf.covers(name)).map(ToString::to_string).collect();
    if !missing.is_empty() {
        found.push(format!("it is not for {}", missing.join(", ")));
    }
    if !leaf.serves_tls() {
        found.push("its extended key usage does not include serverAuth".to_owned());
    }
    found
}

/// Refuses what is worse than a good one in place, unless that is meant.
fn no_worse(bundle: &Bundle, config: &TargetConfig, survey: &Survey, session: &Session<'_>) -> Result<(), Refusal> {
    let replaces: Vec<usize> = pairs_for(survey, bundle);
    let old = replaces.iter().find_map(|index| survey.pairs.get(*index)?.installed.chain.as_ref());
    let lost = old.map(|old| losses(bundle.leaf(), old.leaf(), session.host.now())).unwrap_or_default();
    if lost.is_empty() || session.options.downgrade {
        return Ok(());
    }
    let why = format!(
        "{} is not installed in {}, for it is worse than {} there: {}",
        bundle.leaf().title(),
        config.name,
        old.map(|old| old.leaf().title()).unwrap_or_default(),
        lost.join("; ")
    );
    Err(Refusal::new(why).hint("bring a better one, or say that this is meant: `--downgrade`"))
}

/// What would be lost with the one in place. One that signed itself, or that has ended, has nothing to lose.
fn losses(leaf: &Certificate, old: &Certificate, now: OffsetDateTime) -> Vec<String> {
    let own_key = |one| matches!(SelfSigned::of(one), SelfSigned::Yes | SelfSigned::OwnKeyOtherName);
    if own_key(old) || now > old.not_after() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if own_key(leaf) {
        found.push("it is self-signed, and that one is not".to_owned());
    }
    let lost: Vec<String> = old.names().iter().filter(|name| !leaf.covers(name)).map(ToString::to_string).collect();
    if !lost.is_empty() {
        found.push(format!("it is not for {}", lost.join(", ")));
    }
    if leaf.is_ca() && !old.is_ca() {
        found.push("it calls itself a CA, which strict clients take from no server".to_owned());
    }
    if weaker(leaf.key_kind(), old.key_kind()) {
        found.push(format!("its key is {}, that one's {}", leaf.key_kind(), old.key_kind()));
    }
    // CAs round, and lifetimes get shorter over the years; much less than what is left is an old file, or a mistake.
    if leaf.not_after() < old.not_after() - (old.not_after() - now) / 3_i32 {
        found.push(format!("it ends {}, that one {}", date(leaf.not_after()), date(old.not_after())));
    }
    found
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

/// As an outcome that nothing has to be done.
pub(super) fn nothing(why: &str) -> Outcome {
    Outcome::Nothing { why: why.to_owned() }
}
