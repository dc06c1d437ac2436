//! `check [NAME|FILE|HOST:PORT]...`: what is wrong. Changes nothing, asks for no passphrase.

use std::path::Path;

use serde::Serialize;

use super::judge::Judge;
use super::survey;
use super::{Refusal, Session};
use crate::assess::{Code, Finding, Severity};
use crate::cert::Name;
use crate::cert::installed::{Leaf, Link};
use crate::change::{Probe, Shown};
use crate::config::{Policy, TargetConfig};
use crate::engine;
use crate::host::state::{State, file_name};
use crate::host::tls;
use crate::outcome::{Exit, explain};
use crate::sensitive::Sensitive;

/// What was found about one thing that was asked for.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// What was asked for.
    pub subject: String,
    /// `target`, `file` or `endpoint`.
    pub kind: &'static str,
    /// The leaf in its files, or the one that is served.
    pub leaf: Option<Leaf>,
    /// The certificates beside it, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Link>,
    /// What is served where.
    pub served: Vec<Seen>,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
    /// Why it could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Worth a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What one probe showed.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// The probe.
    pub probe: String,
    /// What it showed.
    #[serde(flatten)]
    pub shown: Shown,
}

impl Checked {
    /// Something of which nothing is known yet.
    pub(super) fn blank(subject: &str, kind: &'static str) -> Self {
        Self {
            subject: subject.to_owned(),
            kind,
            leaf: None,
            chain: Vec::new(),
            served: Vec::new(),
            findings: Vec::new(),
            problem: None,
            notes: Vec::new(),
        }
    }
}

/// The exit code of a check: 3 when anything worse than a note was found, 4 when something could not be looked at.
#[must_use]
pub fn exit(checked: &[Checked]) -> Exit {
    checked.iter().fold(Exit::Good, |worst, one| {
        let bad = one.findings.iter().any(|finding| finding.severity <= Severity::Warning);
        let own = if one.problem.is_some() {
            Exit::Refused
        } else if bad {
            Exit::Findings
        } else {
            Exit::Good
        };
        worst.worst(own)
    })
}

/// Checks the subjects, or every target when none is named.
///
/// # Errors
/// A subject that is neither a target nor a file nor an endpoint.
pub fn run(session: &Session<'_>, subjects: &[String]) -> Result<Vec<Checked>, Refusal> {
    if subjects.is_empty() {
        return Ok(session.config.targets.iter().map(|config| target(session, config)).collect());
    }
    subjects.iter().map(|subject| one(session, subject)).collect()
}

fn one(session: &Session<'_>, subject: &str) -> Result<Checked, Refusal> {
    if let Some(config) = session.config.target(subject) {
        return Ok(target(session, config));
    }
    let path = Path::new(subject);
    if subject.contains('/') || session.host.exists(path) {
        return Ok(file(session, path));
    }
    match endpoint_of(subject) {
        Some(name) => Ok(endpoint(session, subject, name.as_ref())),
        None => session.target(subject).map(|config| target(session, config)).map_err(|refusal| {
            let also = "a server is HOST:PORT, a file has a `/` in its path";
            let hint = refusal.hint.as_ref().map_or(also.to_owned(), |hint| format!("{hint}; {also}"));
            refusal.hint(hint)
        }),
    }
}

/// The host of `host:port`, where it is a name or an address.
fn endpoint_of(subject: &str) -> Option<Option<Name>> {
    let (host, port) = subject.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    Some(host.parse().ok())
}

fn target(session: &Session<'_>, config: &TargetConfig) -> Checked {
    let mut checked = Checked::blank(&config.name, "target");
    let seen = match survey::survey(session.host, config, &session.live_dir) {
        Ok(seen) => seen,
        Err(refusal) => {
            checked.problem = Some(refusal.why);
            return checked;
        }
    };
    let state = State::open(session.host);
    if let Err(error) = &state {
        checked.notes.push(explain(error));
    }
    let state = state.ok().flatten();
    let committed = survey::committed(state.as_ref(), &config.name).ok().flatten();
    let served = survey::ask(session.host, &seen.probes(), config.policy.probe_timeout);
    let manifest = committed.as_ref().map(|(_, manifest)| manifest);
    checked.findings = survey::findings(&seen, config, manifest, &served, session.host.now());
    let interrupted = state.as_ref().and_then(|state| engine::pending(state).ok()).unwrap_or_default();
    if interrupted.iter().any(|name| **name == *file_name(&config.name)) {
        checked.findings.insert(0, Finding::new(Code::Interrupted, "a transaction was interrupted"));
    }
    if let Some(pair) = seen.pairs.first() {
        checked.leaf = pair.installed.leaf();
        checked.chain = pair.installed.links();
    }
    checked.served = served.into_iter().map(|(probe, shown)| Seen { probe: probe.to_string(), shown }).collect();
    checked.notes.extend(seen.site.notes);
    checked
}

fn file(session: &Session<'_>, path: &Path) -> Checked {
    let subject = path.display().to_string();
    match session.host.read(path, crate::host::dir::MAX_FILE).map(Sensitive::from) {
        Ok(bytes) => Judge::by_default(session.host.now()).file(&subject, bytes.expose()),
        Err(error) => Checked {
            problem: Some(format!("cannot read {}: {error}", path.display())),
            ..Checked::blank(&subject, "file")
        },
    }
}

fn endpoint(session: &Session<'_>, address: &str, name: Option<&Name>) -> Checked {
    let server_name = name.filter(|name| matches!(name, Name::Dns(_))).map(ToString::to_string);
    let limit = Policy::default().probe_timeout;
    let judge = Judge::by_default(session.host.now());
    match tls::handshake(address, server_name.as_deref(), None, limit) {
        Ok(served) => judge.served(address, name, &served),
        Err(_) => {
            let probe = Probe::Tls { address: address.to_owned(), name: server_name, family: None };
            judge.not_served(address, session.host.probe(&probe, limit))
        }
    }
}
