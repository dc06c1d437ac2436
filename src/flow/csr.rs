//! `csr NAME`: a request to a CA elsewhere. The key is made here and stays here.

mod answer;
mod carry;

use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;

use super::install::nothing;
use super::stood::Given;
use super::survey::{self, PairState, Survey};
use super::{Refusal, Report, Session, renew};
use crate::cert::{Certificate, Generate, Name, PrivateKey, SubjectPart};
use crate::config::{SourceConfig, TargetConfig};
use crate::digest::Digest;
use crate::host::publish::{Kind, publish, publishable};
use crate::host::state::State;
use crate::moment::whole_second;
use crate::outcome::Outcome;
use crate::source::request::{self, About, Order, Request, RequestError, Requests, Waiting};

pub(super) use self::answer::{answered, installed};
pub(super) use self::carry::{Carried, carry};

const VERB: &str = "csr";

/// What the command line says of a request, beside the target.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The kind of key to make; none: what the target's source says, else P-256.
    pub key: Option<Generate>,
    /// Parts of the subject, over those of the target's source.
    pub subject: Vec<SubjectPart>,
    /// Ask for the key that is in place.
    pub reuse_key: bool,
    /// Make another one although the same waits already.
    pub another: bool,
    /// A copy of the request, an absolute path.
    pub output: Option<PathBuf>,
}

/// A request, as people and programs are told of it.
#[derive(Clone, Debug, Serialize)]
pub struct Requested {
    /// The target.
    pub target: String,
    /// Its number; none in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Whether it was made now; else it waits since an earlier run.
    pub made: bool,
    /// When it was made, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The names it is for.
    pub names: Vec<Name>,
    /// The subject: `C=DE, O=Example GmbH, CN=www.example.org`.
    pub subject: String,
    /// The kind of key.
    pub key: String,
    /// SHA-256 of the public key; none in a dry run that would make one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_sha256: Option<Digest>,
    /// Where the request lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The copy that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// The request itself, PEM (RFC 7468 section 7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

impl Requested {
    fn of(target: &str, waiting: &Waiting, made: bool) -> Result<Self, Refusal> {
        Ok(Self {
            number: Some(waiting.number),
            key_sha256: Some(waiting.about.key),
            path: Some(waiting.path()),
            request: Some(waiting.pem()?),
            ..Self::planned(target, &waiting.about, made)
        })
    }

    fn planned(target: &str, about: &About, made: bool) -> Self {
        Self {
            target: target.to_owned(),
            number: None,
            made,
            since: about.at,
            names: about.names.clone(),
            subject: listed(&about.subject),
            key: about.kind.clone(),
            key_sha256: None,
            path: None,
            output: None,
            request: None,
        }
    }
}

/// A request that waits, in brief.
#[derive(Clone, Debug, Serialize)]
pub struct Brief {
    /// Its number.
    pub number: u32,
    /// When it was made, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The names it is for.
    pub names: Vec<Name>,
    /// The kind of key.
    pub key: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// Makes a request, or finds the same one that waits already.
///
/// # Errors
/// Another reseal is at work, the key cannot be made or kept, the copy cannot be written.
pub fn run(session: &mut Session<'_>, name: &str, wanted: &Wanted) -> Result<Requested, Refusal> {
    let config = session.target(name)?;
    // A request of which nobody gets a copy would wait for nothing.
    if let Some(output) = &wanted.output {
        publishable(output, Kind::Request)?;
    }
    let mut requested = requested(session, config, wanted)?;
    if let (Some(output), Some(pem)) = (&wanted.output, &requested.request) {
        publish(output, Kind::Request, pem.as_bytes())?;
        requested.output = Some(output.clone());
    }
    Ok(requested)
}

/// Drops a request that waits.
pub fn forget(session: &mut Session<'_>, name: &str, number: u32) -> Report {
    let dry_run = session.options.dry_run;
    let forgotten = |session: &mut Session<'_>| -> Result<(), Refusal> {
        session.target(name)?;
        match of(session, name)? {
            Some(requests) if dry_run => Ok(requests.holds(number)?),
            Some(requests) => Ok(requests.forget(number)?),
            None => Err(Refusal::new(format!("no request of {name} waits here"))),
        }
    };
    if !dry_run && let Err(outcome) = session.engine(VERB) {
        return Report::new(name, outcome);
    }
    match forgotten(session) {
        Ok(()) if dry_run => Report::new(name, Outcome::Planned),
        Ok(()) => Report::new(name, nothing(&format!("request {number} and its key are gone"))),
        Err(refusal) => Report::new(name, refusal.outcome()),
    }
}

/// The requests that wait, in brief; and what is wrong with those that cannot be read.
///
/// # Errors
/// Their directory cannot be read.
pub fn waiting(state: &State, target: &str) -> Result<(Vec<Brief>, Option<Refusal>), Refusal> {
    let (all, damaged) = open(state, target)?;
    let brief = |one: Waiting| Brief {
        number: one.number,
        since: one.about.at,
        path: one.path(),
        names: one.about.names,
        key: one.about.kind,
    };
    Ok((all.into_iter().map(brief).collect(), damaged.into_iter().next().map(Refusal::from)))
}

/// What a renewal comes to whose certificates a person fetches: a request waits, made now where none did; of a server with several pairs, one
/// for each that is due.
pub(super) fn ensure(session: &mut Session<'_>, config: &TargetConfig, why: &str) -> Report {
    match ensured(session, config, why) {
        Ok(report) => report,
        Err(refusal) => Report::new(&config.name, refusal.outcome()),
    }
}

fn ensured(session: &mut Session<'_>, config: &TargetConfig, why: &str) -> Result<Report, Refusal> {
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let mut report = Report::new(&config.name, Outcome::Planned);
    for kind in due(&survey, config, session.host.now()) {
        let requested = requested(session, config, &Wanted { key: kind, ..Wanted::default() })?;
        let names = listed_names(&requested.names);
        match (requested.number, requested.path, &report.outcome) {
            (Some(_), Some(request), Outcome::Planned) => {
                report.outcome = Outcome::Waiting { since: requested.since, request, why: why.to_owned() };
            }
            (Some(number), Some(request), _) => {
                report.notes.push(format!("request {number} ({}) waits too: {}", requested.key, request.display()));
            }
            (_, _, _) => report.notes.push(format!("a request for {names} ({}) would be made ({why})", requested.key)),
        }
    }
    Ok(report)
}

/// The kinds of keys to ask for: of each pair that is not good by itself, where pairs differ in kind; else what is usual.
fn due(survey: &Survey, config: &TargetConfig, now: OffsetDateTime) -> Vec<Option<Generate>> {
    let bad = |pair: &&PairState| !pair.installed.leaf().is_some_and(|leaf| renew::good(&leaf, config, now));
    let of_kinds: Vec<&PairState> = survey.pairs.iter().filter(|pair| pair.pair.family.is_some()).filter(bad).collect();
    let kind =
        |pair: &&PairState| pair.installed.chain.as_ref().and_then(|chain| Generate::like(chain.leaf().key_kind()));
    let mut kinds: Vec<Option<Generate>> = of_kinds.iter().map(kind).collect();
    kinds.dedup();
    if kinds.is_empty() { vec![None] } else { kinds }
}

fn requested(session: &mut Session<'_>, config: &TargetConfig, wanted: &Wanted) -> Result<Requested, Refusal> {
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let reused = if reuses(session, config, wanted) { Some(key_in_place(config, &survey, wanted.key)?) } else { None };
    let kind = match (&reused, wanted.key) {
        (Some(key), _) => key.kind().to_string(),
        (None, Some(kind)) => kind.kind().to_string(),
        (None, None) => usual(config).kind().to_string(),
    };
    let chosen = subject(config, wanted);
    let about = About {
        at: session.host.now(),
        names: config.names.clone(),
        subject: request::subject(&config.names, &chosen),
        kind,
        key: Digest::of(reused.as_ref().map(PrivateKey::spki).unwrap_or_default()),
        for_clients: config.needs_client_auth,
        fresh: reused.is_none(),
    };
    if about.names.is_empty() {
        return Err(Refusal::new(format!("cannot make a request for {}: it has no names", config.name))
            .hint("write them into the configuration: names = [\"www.example.org\"]"));
    }
    if !session.options.dry_run
        && let Err(outcome) = session.engine_for(VERB, &config.name)
    {
        return Err(outcome.into());
    }
    if !wanted.another
        && let Some(same) = waits_already(session, &config.name, &about, reused.as_ref(), &survey)?
    {
        return Requested::of(&config.name, &same, false);
    }
    if session.options.dry_run {
        let about =
            About { at: whole_second(about.at), subject: request::subject(&about.names, &about.subject), ..about };
        return Ok(Requested::planned(&config.name, &about, false));
    }
    let key = match reused {
        Some(key) => key,
        None => PrivateKey::generate(wanted.key.unwrap_or_else(|| usual(config)))
            .map_err(|error| Refusal::new(error.to_string()))?,
    };
    let order = Order { names: about.names, subject: chosen, key, fresh: about.fresh, for_clients: about.for_clients };
    let request = Request::make(order)?;
    let state = State::open_or_make(session.host)?;
    let kept = request.keep(&state, &config.name, session.host.now())?;
    Requested::of(&config.name, &kept, true)
}

/// The same request, where it waits. What was answered is none any more: its key is in place.
fn waits_already(
    session: &Session<'_>,
    target: &str,
    about: &About,
    reused: Option<&PrivateKey>,
    survey: &Survey,
) -> Result<Option<Waiting>, Refusal> {
    let in_place: Vec<&Certificate> =
        survey.pairs.iter().filter_map(|pair| Some(pair.installed.chain.as_ref()?.leaf())).collect();
    let Some(state) = State::open(session.host)? else { return Ok(None) };
    let given = Given::of(&state, target)?;
    // One that was in service is no new key, also where it was asked for once more.
    let new = |key| !given.has_key(key) && in_place.iter().all(|leaf| leaf.spki_digest() != key);
    let same = |one: &Waiting| {
        let key = match reused {
            Some(_) => one.about.key == about.key,
            None => one.about.kind == about.kind && new(one.about.key),
        };
        key && one.about.names == about.names
            && one.about.for_clients == about.for_clients
            && one.about.subject == about.subject
    };
    Ok(open(&state, target)?.0.into_iter().rev().find(same))
}

/// The requests of a target that wait for an answer, and what is wrong with those that cannot be read. One that is answered waits no more,
/// also where the run that put the answer in place was killed before it could forget the request.
fn open(state: &State, target: &str) -> Result<(Vec<Waiting>, Vec<RequestError>), Refusal> {
    let Some(requests) = Requests::of(state, target)? else { return Ok((Vec::new(), Vec::new())) };
    let (mut whole, damaged) = requests.waiting()?;
    if whole.iter().any(|one| one.about.fresh) {
        let given = Given::of(state, target)?;
        whole.retain(|one| !answered_by(&given, &one.about));
    }
    Ok((whole, damaged))
}

fn answered_by(given: &Given, about: &About) -> bool {
    about.fresh && given.has_key(about.key)
}

/// Forgets the requests that were answered, with their keys.
pub(super) fn settle(state: &State, target: &str, given: &Given) -> Result<(), Refusal> {
    let Some(requests) = Requests::of(state, target)? else { return Ok(()) };
    for one in requests.waiting()?.0.iter().filter(|one| answered_by(given, &one.about)) {
        requests.forget(one.number)?;
    }
    Ok(())
}

fn of(session: &Session<'_>, target: &str) -> Result<Option<Requests>, Refusal> {
    match State::open(session.host)? {
        Some(state) => Ok(Requests::of(&state, target)?),
        None => Ok(None),
    }
}

fn reuses(session: &Session<'_>, config: &TargetConfig, wanted: &Wanted) -> bool {
    wanted.reuse_key || session.options.keep_key || config.policy.keep_key
}

/// The key of the pair of this kind, or of the first one.
fn key_in_place(config: &TargetConfig, survey: &Survey, kind: Option<Generate>) -> Result<PrivateKey, Refusal> {
    let family = kind.and_then(|kind| kind.kind().family());
    let of_kind = |pair: &&PairState| family.is_none() || pair.pair.family.is_none() || pair.pair.family == family;
    let key = survey.pairs.iter().find(of_kind).and_then(renew::key_in_place);
    key.ok_or_else(|| {
        Refusal::new(format!("{} has no key in place that could be used again", config.name))
            .hint("let a new one be made: leave `--reuse-key` and `keep_key` out")
    })
}

fn usual(config: &TargetConfig) -> Generate {
    match &config.source {
        SourceConfig::Csr { key, .. } | SourceConfig::Command { key, .. } | SourceConfig::LocalCa { key, .. } => *key,
        SourceConfig::Acme(acme) => acme.key,
        SourceConfig::None | SourceConfig::Import { .. } => Generate::P256,
    }
}

/// The subject of the target's source, each part replaced by the same one of the command line.
fn subject(config: &TargetConfig, wanted: &Wanted) -> Vec<SubjectPart> {
    let configured: &[SubjectPart] = match &config.source {
        SourceConfig::Csr { subject, .. } | SourceConfig::Command { subject, .. } => subject,
        SourceConfig::None | SourceConfig::LocalCa { .. } | SourceConfig::Acme(_) | SourceConfig::Import { .. } => &[],
    };
    let kept = configured.iter().filter(|part| !wanted.subject.iter().any(|other| other.key == part.key));
    kept.chain(&wanted.subject).cloned().collect()
}

fn listed(subject: &[SubjectPart]) -> String {
    subject.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn listed_names(names: &[Name]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
