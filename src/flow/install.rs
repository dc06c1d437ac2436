//! `install NAME`: puts a certificate that somebody has in hand in place.

use std::path::PathBuf;

use time::OffsetDateTime;

use super::change::{self, Intent};
use super::survey::{self, Survey};
use super::{Refusal, Report, Session, csr, obtain};
use crate::assess::date;
use crate::cert::{Bundle, SelfSigned};
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
enum Inputs<'a> {
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
        Ok(Prepared { config, bundle, notes, answers }) => {
            let mut report = install(session, &config, &bundle);
            report.notes.splice(0..0, notes);
            let in_place = matches!(report.outcome, Outcome::Committed { .. } | Outcome::Nothing { .. });
            if let Some(number) = answers.filter(|_| in_place && !session.options.dry_run)
                && let Err(refusal) = csr::done(session, name, number)
            {
                report.notes.push(format!("request {number} is answered and still listed: {}", refusal.why));
            }
            report
        }
        Err(refusal) => Report::new(name, refusal.outcome()),
    }
}

struct Prepared {
    config: TargetConfig,
    bundle: Bundle,
    notes: Vec<String>,
    /// The number of the request that is answered.
    answers: Option<u32>,
}

fn prepare(session: &mut Session<'_>, name: &str, inputs: &Inputs<'_>) -> Result<Prepared, Refusal> {
    let config = session.target(name)?.clone();
    let survey = survey::survey(session.host, &config, &session.live_dir)?;
    let (imported, answers) = match inputs {
        Inputs::Whole(files) => {
            let kept = if session.options.keep_key { keys_in_place(&survey) } else { Vec::new() };
            (obtain::from_files(session.host, files, kept, &session.options.secrets)?, None)
        }
        Inputs::Answer(files) => {
            let parts = files.iter().map(|path| obtain::read(session.host, path)).collect::<Result<_, _>>()?;
            let (imported, number) = csr::answered(session, name, &survey, parts)?;
            (imported, Some(number))
        }
    };
    let notes = imported.notes.iter().map(ToString::to_string).collect();
    acceptable(&imported.bundle, &config, &survey, session.host.now(), session.options.force)?;
    Ok(Prepared { config, bundle: imported.bundle, notes, answers })
}

/// The keys that stand in the target's files, for a certificate that came without one.
fn keys_in_place(survey: &Survey) -> Vec<Part> {
    let slots = survey.pairs.iter().flat_map(|pair| pair.pair.slots.iter().zip(&pair.looks));
    slots
        .filter(|(slot, _)| slot.role == crate::change::Role::Key)
        .filter_map(|(slot, look)| {
            let bytes = Sensitive::from(look.content.as_ref()?.expose().to_vec());
            Some(Part { label: slot.path.display().to_string(), bytes })
        })
        .collect()
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

fn no_pair(survey: &Survey, bundle: &Bundle) -> Refusal {
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
        let key_only = slot.role == crate::change::Role::Key;
        let same_key = pair.installed.key == crate::cert::installed::KeyFound::Matches
            && pair.installed.chain.as_ref().is_some_and(|chain| chain.leaf() == bundle.leaf());
        (key_only && same_key) || look.content.as_ref().is_some_and(|content| *content == bundle.content(slot.role))
    })
}

/// Refuses what would make things worse, unless that is forced.
pub(super) fn acceptable(
    bundle: &Bundle,
    config: &TargetConfig,
    survey: &Survey,
    now: OffsetDateTime,
    force: bool,
) -> Result<(), Refusal> {
    let objections = objections(bundle, config, survey, now);
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

fn objections(bundle: &Bundle, config: &TargetConfig, survey: &Survey, now: OffsetDateTime) -> Vec<String> {
    let leaf = bundle.leaf();
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
    let missing: Vec<String> = config.names.iter().filter(|name| !leaf.covers(name)).map(ToString::to_string).collect();
    if !missing.is_empty() {
        found.push(format!("it is not for {}", missing.join(", ")));
    }
    if !leaf.serves_tls() {
        found.push("its extended key usage does not include serverAuth".to_owned());
    }
    let replaces: Vec<usize> = pairs_for(survey, bundle);
    let old = replaces.iter().find_map(|index| survey.pairs[*index].installed.chain.as_ref());
    let own_key = |verdict| matches!(verdict, SelfSigned::Yes | SelfSigned::OwnKeyOtherName);
    if own_key(SelfSigned::of(leaf)) && old.is_some_and(|old| !own_key(SelfSigned::of(old.leaf()))) {
        found.push("it is self-signed, and the one in place is not".to_owned());
    }
    found
}

/// As an outcome that nothing has to be done.
pub(super) fn nothing(why: &str) -> Outcome {
    Outcome::Nothing { why: why.to_owned() }
}
