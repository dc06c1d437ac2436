//! `check [NAME|FILE|HOST:PORT]...`: what is wrong. Changes nothing, asks for no passphrase.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::asked;
use super::clients::{self, Clients, Known};
use super::judge::{Answers, Judge};
use super::obtain;
use super::survey;
use super::{Refusal, Session, hooks, occasion};
use crate::assess::{Code, Finding, ruled, shared_keys};
use crate::cert::installed::{Leaf, Link};
use crate::cert::{Certificate, Signatures, TrustVerdict};
use crate::change::Shown;
use crate::config::{Policy, TargetConfig};
use crate::endpoint::{Endpoint, Sni};
use crate::engine::{self, Open};
use crate::host::state::{State, file_name};
use crate::host::tls::{self, Crowd, Question};
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

/// Checks the subjects, or every target when none is named.
///
/// # Errors
/// A subject that is neither a target nor a file nor an endpoint.
pub fn run(session: &Session<'_>, subjects: &[OsString]) -> Result<Vec<Checked>, Refusal> {
    let clients = Clients::new(session.host, &session.config.trust, &session.options.trust);
    let signatures = Signatures::default();
    let mut run = Run { session, clients: &clients, signatures: &signatures, passphrase: None };
    if !subjects.is_empty() {
        // Once for all: a descriptor can be read no second time.
        run.passphrase = obtain::named_passphrase(session.host, &session.options.secrets)?;
        let all: Result<Vec<Vec<Checked>>, Refusal> = subjects.iter().map(|subject| run.one(subject)).collect();
        return all.map(|all| all.into_iter().flatten().collect());
    }
    let seen = session.config.targets.iter().map(|config| run.target(config));
    let (mut all, leaves): (Vec<Checked>, Vec<Option<Certificate>>) =
        seen.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    share(&mut all, &leaves, session);
    Ok(all)
}

/// The open journal of a target, if it has one.
fn open_journal(session: &Session<'_>, state: Option<&State>, name: &str) -> Option<Open> {
    let open = engine::open(state?, session.engine.is_some()).ok()?;
    open.into_iter().find(|open| *open.name == *file_name(name))
}

/// That another reseal changes a target just now.
pub(super) fn under_way(holder: &str) -> String {
    format!("a change is under way: {holder}")
}

/// Tells of keys that several targets have.
fn share(all: &mut [Checked], leaves: &[Option<Certificate>], session: &Session<'_>) {
    let keys = session.config.targets.iter().zip(leaves);
    let keys = keys.filter_map(|(config, leaf)| Some((config.name.as_str(), leaf.as_ref()?)));
    for (names, finding) in shared_keys(keys) {
        for checked in all.iter_mut().filter(|checked| names.contains(&checked.subject)) {
            let subject = checked.leaf.as_ref().map(|leaf| leaf.subject.as_str());
            let mut found = std::mem::take(&mut checked.findings);
            found.extend(ruled(
                vec![finding.clone()],
                &session.config.rules,
                &checked.subject,
                subject,
                session.host.now(),
            ));
            found.sort_by_key(|one| (one.accepted.is_some(), one.severity));
            checked.findings = found;
        }
    }
}

/// One run over any number of subjects.
struct Run<'a, 's> {
    session: &'a Session<'s>,
    clients: &'a Clients<'a>,
    signatures: &'a Signatures,
    passphrase: Option<Sensitive>,
}

impl Run<'_, '_> {
    /// One verdict; several of a file with several leaves.
    fn one(&self, subject: &OsStr) -> Result<Vec<Checked>, Refusal> {
        let session = self.session;
        // A name that is no UTF-8 is a file's.
        let Some(subject) = subject.to_str() else { return self.file(Path::new(subject)) };
        if let Some(config) = session.config.target(subject) {
            return self.target(config).map(|(checked, _)| vec![checked]);
        }
        let path = Path::new(subject);
        if (subject.contains('/') && !subject.contains("://")) || session.host.exists(path) {
            return self.file(path);
        }
        let looks_like_one = subject.contains("://") || subject.rsplit_once(':').is_some();
        match subject.parse::<Endpoint>() {
            Ok(endpoint) => self.endpoint(subject, &endpoint).map(|checked| vec![checked]),
            Err(error) if looks_like_one => Err(Refusal::new(error.to_string()).hint(error.hint())),
            Err(_) => Err(session.target(subject).err().map_or_else(
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

    /// The verdict, and the leaf in the target's first pair.
    fn target(&self, config: &TargetConfig) -> Result<(Checked, Option<Certificate>), Refusal> {
        let session = self.session;
        let clients = self.clients.or(&config.policy.trust)?;
        let mut checked = Checked::blank(&config.name, "target");
        let state = State::open(session.host);
        let before = open_journal(session, state.as_ref().ok().and_then(Option::as_ref), &config.name);
        let before = before.and_then(|open| open.at_work);
        let seen = match survey::survey(session.host, config, &session.live_dir) {
            Ok(seen) => seen,
            Err(refusal) => {
                checked.problem = Some(refusal.why);
                return Ok((checked, None));
            }
        };
        if let Err(error) = &state {
            let hint = error.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
            checked.notes.push(format!("{}{hint}", explain(error)));
        }
        let looked = state.is_ok();
        let state = state.ok().flatten();
        let committed = survey::committed(state.as_ref(), &config.name).ok().flatten();
        let served = asked::closely(session.host, &seen.probes(), config.policy.probe_timeout);
        let after = open_journal(session, state.as_ref(), &config.name);
        let open = after.is_some();
        // What has ended meanwhile was under way when the files were read.
        let at_work = after.and_then(|open| open.at_work).or(before);
        // In the midst of a change the files are neither what was committed nor what is served, and that is what it is there for.
        let settled = at_work.is_none();
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
            (None, true) => {
                checked.findings.insert(0, Finding::new(Code::Interrupted, "a transaction was interrupted"));
            }
            (None, false) => {}
        }
        let first = seen.pairs.first();
        let subject = first.and_then(|pair| Some(pair.installed.chain.as_ref()?.leaf().subject()));
        // Where the records cannot be read, nothing is said of what is not in them.
        if looked {
            let now = session.host.now();
            obtain::tell_missing(session.host, state.as_ref(), config, subject, now, &mut checked.findings);
        }
        hooks::tell(session, config, &seen, &mut checked.findings);
        occasion::tell(session, config, subject, &mut checked.findings);
        let first_to_end = survey::first_to_end(&seen);
        checked.leaf = first_to_end.and_then(|index| seen.pairs[index].installed.leaf());
        checked.chain = first_to_end.map(|index| seen.pairs[index].installed.links()).unwrap_or_default();
        checked.trust = first_to_end.map(|index| trust.swap_remove(index)).unwrap_or_default();
        for leaf in seen.pairs.iter().filter_map(|pair| pair.installed.leaf()) {
            if !checked.leaves().any(|known| known.fingerprint == leaf.fingerprint) {
                checked.further.push(leaf);
            }
        }
        checked.served =
            served.into_iter().map(|asked| Seen { probe: asked.probe.to_string(), shown: asked.shown }).collect();
        checked.notes.extend(seen.site.notes.clone());
        checked.notes.extend(clients.iter().flat_map(|client| client.1.clone()));
        let leaf = first.and_then(|pair| Some(pair.installed.chain.as_ref()?.leaf().clone()));
        Ok((checked, leaf))
    }

    fn judge<'j>(&'j self, clients: &'j [Arc<Known>]) -> Judge<'j> {
        Judge::by_default(self.session.host.now())
            .for_clients(clients)
            .ruled_by(&self.session.config.rules)
            .remembering(self.signatures)
            .opening_with(self.passphrase.as_ref())
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

    /// Every address is asked, and one of them again by a client that names nobody: older clients do, and see something else.
    fn endpoint(&self, subject: &str, endpoint: &Endpoint) -> Result<Checked, Refusal> {
        let clients = self.clients.or(&[clients::SYSTEM.to_owned()])?;
        let mut questions = vec![Question::new(endpoint.clone())];
        if endpoint.ip().is_none() && endpoint.sni != Sni::Nothing {
            questions.push(Question::new(endpoint.clone().named(Sni::Nothing)));
        }
        let crowd = Crowd { limit: Policy::default().probe_timeout, every_address: true, ..Crowd::default() };
        let mut answers = Answers::default();
        tls::ask_all(questions.into_iter(), &crowd, &mut |index, answer| match (index, answer) {
            (0, answer) => answers.named.push(answer),
            (_, Ok(served)) => answers.unnamed = Some(served),
            (_, Err(_)) => {}
        });
        answers.named.sort_by_key(|answer| answer.as_ref().ok().map(|served| served.address));
        Ok(self.judge(&clients).answered(subject, endpoint, &answers))
    }
}
