//! `check [NAME|FILE|HOST:PORT]...`: what is wrong. Changes nothing, asks for no passphrase.

mod keys;
mod together;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use self::together::Questions;
use super::asked::{Asked, titled};
use super::clients::{self, Clients, Known};
use super::judge::{Answers, Judge};
use super::obtain;
use super::survey;
use super::{Refusal, Session, around, status};
use crate::assess::{Code, Finding};
use crate::cert::installed::{Leaf, Link};
use crate::cert::{Certificate, Signatures, TrustVerdict};
use crate::change::Shown;
use crate::config::{Config, TargetConfig};
use crate::endpoint::Endpoint;
use crate::engine::vault::Vault;
use crate::engine::{self, Open};
use crate::host::state::{State, StateError, file_name};
use crate::host::walk::WalkError;
use crate::outcome::{Exit, explain};
use crate::sensitive::Sensitive;

/// What was found about one thing that was asked for.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// What was asked for.
    pub subject: String,
    /// `target`, `file` or `endpoint`.
    pub kind: &'static str,
    /// The leaf in its files, or the one that is served; of several, the one that ends first.
    pub leaf: Option<Leaf>,
    /// The others: of a target's other pairs, or shown by other addresses of a server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Leaf>,
    /// What clients make of its chain, those that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<TrustVerdict>,
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
    /// Whether it signed with another key than that of the certificate; a finding tells it to readers of JSON.
    #[serde(skip)]
    pub key_refuted: bool,
}

impl Checked {
    /// Something of which nothing is known yet.
    pub(crate) fn blank(subject: &str, kind: &'static str) -> Self {
        Self {
            subject: subject.to_owned(),
            kind,
            leaf: None,
            further: Vec::new(),
            trust: Vec::new(),
            chain: Vec::new(),
            served: Vec::new(),
            findings: Vec::new(),
            problem: None,
            notes: Vec::new(),
        }
    }

    /// All its leaves, the one that ends first before the others.
    pub fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.leaf.iter().chain(&self.further)
    }
}

/// The exit code of a check: 3 when anything worse than a note was found, 4 when something could not be looked at.
#[must_use]
pub fn exit(checked: &[Checked]) -> Exit {
    checked.iter().fold(Exit::Good, |worst, one| {
        let bad = one.findings.iter().any(Finding::counts);
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

/// Checks the subjects, or every target when none is named. Whoever is to be asked is asked at the same time.
///
/// # Errors
/// A subject that is neither a target nor a file nor an endpoint.
pub fn run(session: &mut Session<'_>, subjects: &[OsString]) -> Result<Vec<Checked>, Refusal> {
    let (whole, config) = (subjects.is_empty(), session.config);
    // Once for all: a descriptor can be read no second time.
    let passphrase = if whole { None } else { obtain::named_passphrase(session.host, &session.options.secrets)? };
    let all: Vec<Subject<'_>> = if whole {
        config.targets.iter().map(|target| Subject::of_target(session, target)).collect()
    } else {
        subjects.iter().map(|subject| Subject::of(session, subject)).collect::<Result<_, _>>()?
    };
    if session.options.name.is_some() && !all.iter().any(|subject| matches!(subject, Subject::Server(..))) {
        let refusal = Refusal::new("`--name` is what a server is asked for, and no HOST:PORT is named");
        return Err(Refusal { exit: Exit::Usage, ..refusal.hint("name one, or leave `--name` out") });
    }
    let (answers, served) = together::ask(session.host, &questions(&all, session), session.listener);
    let (mut answers, mut served) = (answers.into_iter(), served.into_iter());
    let session = &*session;
    let passphrase = passphrase.as_ref();
    let clients = Clients::new(session.host, &config.trust, &session.options.trust).opening_with(passphrase);
    let signatures = Signatures::default();
    let run = Run { session, clients: &clients, signatures: &signatures, passphrase };
    let (mut found, mut leaves) = (Vec::new(), Vec::new());
    for subject in all {
        match subject {
            Subject::Target(config, looked) => {
                let (checked, leaf) = run.target(config, *looked, served.next().unwrap_or_default())?;
                found.push(checked);
                leaves.push(leaf);
            }
            Subject::File(path) => found.extend(run.file(&path)?),
            Subject::Server(subject, endpoint) => {
                found.push(run.endpoint(&subject, &endpoint, answers.next().unwrap_or_default())?);
            }
        }
    }
    if whole {
        keys::share(&mut found, &leaves, session);
    }
    Ok(found)
}

fn questions(all: &[Subject<'_>], session: &Session<'_>) -> Questions {
    let limit = |usual| session.options.timeout.unwrap_or(usual);
    let mut questions = Questions::default();
    for subject in all {
        match subject {
            Subject::Target(config, looked) => {
                let probes = looked.seen.as_ref().map(survey::Survey::questions).unwrap_or_default();
                questions.targets.push((probes, limit(config.policy.probe_timeout)));
            }
            Subject::Server(_, endpoint) => {
                questions.servers.push((endpoint.clone(), limit(session.config.probe_timeout)));
            }
            Subject::File(_) => {}
        }
    }
    questions
}

/// What somebody asks for.
enum Subject<'c> {
    /// A target, and what its files are.
    Target(&'c TargetConfig, Box<Looked>),
    /// A file.
    File(PathBuf),
    /// A server, and how it is called.
    Server(String, Endpoint),
}

/// What is known of a target before anybody is asked.
struct Looked {
    state: Result<Option<State>, StateError>,
    /// Who changed it when its files were read.
    before: Option<String>,
    /// The generation that was committed last by then.
    generation: Option<u32>,
    seen: Result<survey::Survey, Refusal>,
}

impl<'c> Subject<'c> {
    fn of_target(session: &Session<'c>, config: &'c TargetConfig) -> Self {
        let state = State::open(session.host);
        let known = state.as_ref().ok().and_then(Option::as_ref);
        let before = open_journal(session, known, &config.name).and_then(|open| open.at_work);
        let generation = generation(known, &config.name);
        let seen = survey::survey(session.host, config, &session.live_dir);
        Self::Target(config, Box::new(Looked { state, before, generation, seen }))
    }

    fn of(session: &Session<'c>, subject: &OsStr) -> Result<Self, Refusal> {
        let config: &'c Config = session.config;
        // A name that is no UTF-8 is a file's.
        let Some(subject) = subject.to_str() else { return Ok(Self::File(subject.into())) };
        if let Some(target) = config.target(subject) {
            return Ok(Self::of_target(session, target));
        }
        let path = Path::new(subject);
        if (subject.contains('/') && !subject.contains("://")) || session.host.exists(path) {
            return Ok(Self::File(path.to_owned()));
        }
        let looks_like_one = subject.contains("://") || subject.rsplit_once(':').is_some();
        match (subject.parse::<Endpoint>(), &session.options.name) {
            (Ok(endpoint), None) => Ok(Self::Server(subject.to_owned(), endpoint)),
            (Ok(endpoint), Some(sni)) => {
                let endpoint = endpoint.named(sni.clone());
                Ok(Self::Server(titled(subject, &endpoint), endpoint))
            }
            (Err(error), _) if looks_like_one => Err(Refusal::new(error.to_string()).hint(error.hint())),
            (Err(_), _) => Err(session.target(subject).err().map_or_else(
                || Refusal::new(format!("{subject} was not there a moment ago")),
                |refusal| {
                    let refusal =
                        Refusal { why: format!("there is no file {subject} here, and {}", refusal.why), ..refusal };
                    let also = "a server is HOST:PORT or `smtp://HOST`, a file has a `/` in its path";
                    let hint = refusal.hint.as_ref().map_or(also.to_owned(), |hint| format!("{hint}; {also}"));
                    refusal.hint(hint)
                },
            )),
        }
    }
}

/// The open journal of a target, if it has one.
fn open_journal(session: &Session<'_>, state: Option<&State>, name: &str) -> Option<Open> {
    let open = engine::open(state?, session.engine.is_some()).ok()?;
    open.into_iter().find(|open| *open.name == *file_name(name))
}

/// The generation of a target that was committed last.
fn generation(state: Option<&State>, name: &str) -> Option<u32> {
    Vault::open(state?, name).ok()??.current().ok()?
}

/// That another reseal changes a target just now.
pub(super) fn under_way(holder: &str) -> String {
    format!("a change is under way: {holder}")
}

/// One run over any number of subjects.
struct Run<'a, 's> {
    session: &'a Session<'s>,
    clients: &'a Clients<'a>,
    signatures: &'a Signatures,
    passphrase: Option<&'a Sensitive>,
}

impl Run<'_, '_> {
    /// The verdict, and the leaf in the target's first pair.
    fn target(
        &self,
        config: &TargetConfig,
        looked: Looked,
        served: Vec<Asked>,
    ) -> Result<(Checked, Option<Certificate>), Refusal> {
        let session = self.session;
        let clients = self.clients.or(&config.policy.trust)?;
        let mut checked = Checked::blank(&config.name, "target");
        let Looked { state, before, generation: by_then, seen } = looked;
        let seen = match seen {
            Ok(seen) => seen,
            Err(refusal) => {
                checked.notes.extend(refusal.hint);
                checked.problem = Some(refusal.why);
                return Ok((checked, None));
            }
        };
        let mut exposed = None;
        if let Err(error @ (StateError::Open { .. } | StateError::Walk(WalkError::Untrusted { .. }))) = &state {
            exposed = Some(explain(error));
            checked.notes.extend(error.hint());
        } else if let Err(error) = &state {
            let hint = error.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
            checked.notes.push(format!("{}{hint}", explain(error)));
        }
        let looked = state.is_ok();
        let state = state.ok().flatten();
        let committed = survey::committed(state.as_ref(), &config.name).ok().flatten();
        let after = open_journal(session, state.as_ref(), &config.name);
        let open = after.is_some();
        let interrupted = status::interrupted(session.host, state.as_ref(), after.as_ref());
        // What has ended meanwhile was under way when the files were read.
        let at_work = after.and_then(|open| open.at_work).or(before);
        // One that has begun and ended since the files were read.
        let overtaken = generation(state.as_ref(), &config.name) != by_then;
        // In the midst of a change the files are neither what was committed nor what is served, and that is what it is there for.
        let settled = at_work.is_none() && !overtaken;
        let against = survey::Against {
            committed: committed.as_ref().map(|(_, manifest)| manifest).filter(|_| settled),
            served: if settled { &served } else { &[] },
            clients: &clients,
            signatures: self.signatures,
        };
        let (findings, mut trust) = survey::judged(&seen, config, &against, session.host.now());
        checked.findings = findings;
        match (at_work, open) {
            (Some(holder), _) => checked.notes.push(under_way(&holder)),
            (None, false) if overtaken => {
                checked
                    .notes
                    .push("it was changed while it was looked at: the next check tells what is there now".to_owned());
            }
            (None, true) => {
                checked.findings.insert(0, interrupted);
            }
            (None, false) => {}
        }
        let first_to_end = survey::first_to_end(&seen);
        let subject = first_to_end
            .and_then(|index| seen.pairs.get(index))
            .and_then(|pair| Some(pair.installed.chain.as_ref()?.leaf().subject()));
        let mut more: Vec<Finding> = exposed.map(|why| Finding::new(Code::StateExposed, why)).into_iter().collect();
        // Where the records cannot be read, nothing is said of what is not in them.
        if looked {
            more.extend(obtain::missing(session.host, state.as_ref(), config));
        }
        around::tell(session, config, &seen, (more, subject), &mut checked.findings);
        checked.leaf = first_to_end.and_then(|index| seen.pairs[index].installed.leaf());
        checked.chain = first_to_end.map(|index| seen.pairs[index].installed.links()).unwrap_or_default();
        checked.trust = first_to_end.map(|index| trust.swap_remove(index)).unwrap_or_default();
        for leaf in seen.pairs.iter().filter_map(|pair| pair.installed.leaf()) {
            if !checked.leaves().any(|known| known.fingerprint == leaf.fingerprint) {
                checked.further.push(leaf);
            }
        }
        checked.served = served.into_iter().map(Seen::from).collect();
        checked.notes.extend(seen.site.notes.clone());
        checked.notes.extend(seen.half_adopted(&config.name));
        checked.notes.extend(clients.iter().flat_map(|client| client.1.clone()));
        let leaf = seen.pairs.first().and_then(|pair| Some(pair.installed.chain.as_ref()?.leaf().clone()));
        Ok((checked, leaf))
    }

    fn judge<'j>(&'j self, clients: &'j [Arc<Known>]) -> Judge<'j> {
        Judge::by_default(self.session.host.now())
            .for_clients(clients)
            .ruled_by(&self.session.config.rules)
            .remembering(self.signatures)
            .opening_with(self.passphrase)
    }

    /// Nobody's trust is asked for unless somebody says whose: reading the roots takes longer than all the rest.
    fn file(&self, path: &Path) -> Result<Vec<Checked>, Refusal> {
        let clients = self.clients.or(&[])?;
        let subject = path.display().to_string();
        Ok(match self.session.host.read(path, crate::host::dir::MAX_FILE).map(Sensitive::from) {
            Ok(bytes) => self.judge(&clients).file(&subject, bytes.expose()),
            Err(error) => vec![Checked {
                problem: Some(match self.session.host.is_folder(path) {
                    true => format!("{subject} is a folder: `reseal scan {subject}` looks at all that is in it"),
                    false => format!("cannot read {subject}: {error}"),
                }),
                ..Checked::blank(&subject, "file")
            }],
        })
    }

    fn endpoint(&self, subject: &str, endpoint: &Endpoint, answers: Answers) -> Result<Checked, Refusal> {
        let clients = self.clients.or(&[clients::SYSTEM.to_owned()])?;
        Ok(self.judge(&clients).answered(subject, endpoint, answers))
    }
}
