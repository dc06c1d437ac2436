//! A command that carries a request to a CA elsewhere, and its answer back.

use serde::Serialize;
use time::OffsetDateTime;

use super::answer::answered;
use super::{Wanted, requested};
use crate::cert::{Bundle, Generate, Name, SelfSigned};
use crate::change::Command;
use crate::config::TargetConfig;
use crate::digest::Digest;
use crate::event::Event;
use crate::flow::{Refusal, Session, survey};
use crate::host::exec::Status;
use crate::outcome::Outcome;
use crate::sensitive::Sensitive;
use crate::source::import::Part;

/// What a command that carries requests came to.
pub(in crate::flow) enum Carried {
    /// The answer, with the key that waited for it.
    Answer(Box<Bundle>),
    /// There is none yet.
    Later(Box<Outcome>),
}

/// Hands the request of a target, one that waits or a new one, to the command of its source.
///
/// # Errors
/// The request cannot be made, the command fails, or what it answers is not for the request. The request goes on waiting: the next run asks
/// with the same, so that a CA that takes its time is asked once.
pub(in crate::flow) fn carry(
    session: &mut Session<'_>,
    config: &TargetConfig,
    command: &Command,
    kind: Option<Generate>,
    why: &str,
) -> Result<Carried, Refusal> {
    session.listener.hear(&Event::Obtaining { source: command.to_string() });
    let requested = requested(session, config, &Wanted { key: kind, ..Wanted::default() })?;
    let (Some(pem), Some(path)) = (&requested.request, &requested.path) else {
        return Err(Refusal::new("the request has no place"));
    };
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let in_place = survey.pairs.first().and_then(|pair| pair.installed.leaf());
    let errand = Errand {
        version: 1,
        target: &config.name,
        names: &requested.names,
        key: &requested.key,
        csr: pem,
        since: requested.since,
        in_place: in_place.as_ref().map(|leaf| InPlace { fingerprint: leaf.fingerprint, not_after: leaf.not_after }),
    };
    let input =
        serde_json::to_vec(&errand).map_err(|error| Refusal::new(format!("cannot encode the request: {error}")))?;
    let answer = session.host.ask(command, &input, MOST_ANSWER);
    let failed = |what: String| {
        Refusal::new(format!("{command} brought no certificate for {}: {what}", config.name))
            .hint("run it by hand with the request on its standard input; what it must do is in docs/command.md")
    };
    match &answer.ran.status {
        Status::Exited(0) if answer.dropped > 0 => {
            return Err(failed(format!("it said more than {MOST_ANSWER} bytes")));
        }
        Status::Exited(0) => {}
        Status::Exited(LATER) => {
            let why = answer.ran.last_line().unwrap_or(why).to_owned();
            return Ok(Carried::Later(Box::new(Outcome::Waiting {
                since: requested.since,
                request: path.clone(),
                why,
            })));
        }
        Status::Exited(_) | Status::Signalled(_) | Status::TimedOut | Status::NotStarted(_) | Status::Lost(_) => {
            return Err(failed(answer.ran.to_string()));
        }
    }
    let parts = vec![Part { label: format!("the answer of {command}"), bytes: Sensitive::from(answer.out) }];
    let imported = answered(session, &config.name, &survey, parts)?;
    let leaf = imported.bundle.leaf();
    // What a person brings is guarded by the comparison with what is in place; nobody looks at this.
    if SelfSigned::of(leaf).by_own_key() {
        return Err(failed("what it answered is self-signed".to_owned()));
    }
    if leaf.is_ca() {
        return Err(failed("what it answered is a CA's own certificate".to_owned()));
    }
    Ok(Carried::Answer(Box::new(imported.bundle)))
}

/// What the command is told, as `docs/command.md` has it.
#[derive(Serialize)]
struct Errand<'a> {
    version: u32,
    target: &'a str,
    names: &'a [Name],
    key: &'a str,
    csr: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    in_place: Option<InPlace>,
}

#[derive(Serialize)]
struct InPlace {
    fingerprint: Digest,
    #[serde(with = "time::serde::rfc3339")]
    not_after: OffsetDateTime,
}

/// Bytes of an answer: a chain is some thousand.
const MOST_ANSWER: usize = 1 << 20;

/// The exit code of a command that has no answer yet: `EX_TEMPFAIL` of sysexits.h.
const LATER: i32 = 75;
