//! `install NAME`: puts a certificate that somebody has in hand in place.

use std::path::PathBuf;

use time::OffsetDateTime;

use super::change::{self, Intent};
use super::obtain::Way;
use super::survey::{self, Survey};
use super::{Options, Refusal, Report, Session, complete, csr, fit, obtain, occasion};
use crate::cert::{Bundle, codec};
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
            let mut report = install(session, config, &bundle);
            report.notes.splice(0..0, notes);
            if matches!(report.outcome, Outcome::Committed { .. }) {
                report.notes.extend(occasion::outside(session.host, config));
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
pub(super) struct Prepared<'a> {
    /// The target.
    pub config: &'a TargetConfig,
    /// The pair.
    pub bundle: Bundle,
    /// What is worth a line of how it was read.
    pub notes: Vec<String>,
}

fn prepare<'a>(session: &mut Session<'a>, name: &str, inputs: &Inputs<'_>) -> Result<Prepared<'a>, Refusal> {
    prepare_for(session, name, inputs, session.host.now())
}

/// Reads what is brought, and refuses what would make things worse if it were in place at `then`.
pub(super) fn prepare_for<'a>(
    session: &mut Session<'a>,
    name: &str,
    inputs: &Inputs<'_>,
    then: OffsetDateTime,
) -> Result<Prepared<'a>, Refusal> {
    let config = session.target(name)?;
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let imported = match inputs {
        Inputs::Whole(files) => {
            let kept = if session.options.keep_key { keys_in_place(&survey) } else { Vec::new() };
            let Options { alias, secrets, .. } = &session.options;
            let brought = obtain::from_files(session.host, files, kept, alias.as_deref(), &Way::Typed(secrets))?;
            complete::completed(brought, &survey, then)
        }
        Inputs::Answer(files) => {
            let parts = files.iter().map(|path| obtain::read(session.host, path)).collect::<Result<_, _>>()?;
            csr::answered(session, name, &survey, parts)?
        }
    };
    let notes = imported.notes.iter().map(ToString::to_string).collect();
    fit::acceptable(session, &imported.bundle, config, then)?;
    fit::no_worse(session, config, &survey, &imported.bundle)?;
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

/// As an outcome that nothing has to be done.
pub(super) fn nothing(why: &str) -> Outcome {
    Outcome::Nothing { why: why.to_owned() }
}
