//! `secret status`: where each passphrase comes from now, how strong that is, and why the other sources have none.

use std::path::PathBuf;

use serde::Serialize;

use super::lock::{self, Need};
use crate::flow::{Refusal, Session};
use crate::host::passphrase::{self, Explicit, Miss, Origin, Sighting};
use crate::outcome::explain;

/// How it stands with one passphrase.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SecretView {
    /// By what name every source knows it.
    pub label: String,
    /// What it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Whether something here is locked with it.
    pub needed: bool,
    /// The kind of source that gives it now, to a run that asks nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// Whether what that source gives opens what is locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens: Option<bool>,
    /// Why it could not be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What to do, where a run that asks nobody could not do its work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Every source, in the order in which they are asked.
    pub sources: Vec<SourceView>,
}

impl SecretView {
    /// Whether a run that asks nobody could do its work.
    #[must_use]
    pub fn good(&self) -> bool {
        self.problem.is_none() && (!self.needed || self.opens == Some(true))
    }
}

/// One source of a passphrase.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SourceView {
    /// Its kind: `file`, `descriptor`, `credential`, `keyring`, `kernel`, `prompt`.
    pub kind: &'static str,
    /// Its place, where it is a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// `has`, `absent`, `locked`, `unavailable`, `unusable` or `not-asked`.
    pub state: &'static str,
    /// Who could get the passphrase from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<String>,
    /// Why it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl From<Sighting> for SourceView {
    fn from(Sighting { origin, found }: Sighting) -> Self {
        // Without a directory a credential has a name alone.
        let (kind, path) = (origin.word(), origin.path().filter(|path| path.is_absolute()).map(PathBuf::from));
        match found {
            Ok(strength) => Self { kind, path, state: "has", strength: Some(strength), why: None },
            Err(Miss::NotAsked) if origin == Origin::Prompt => {
                let why = Some("a person at a terminal is asked when no other has it".to_owned());
                Self { kind, path, state: Miss::NotAsked.word(), strength: None, why }
            }
            Err(miss) => Self { kind, path, state: miss.word(), strength: None, why: Some(explain(&miss)) },
        }
    }
}

/// How it stands with every passphrase that is needed here, or with those of these labels. Nobody is asked, nothing is unlocked and
/// nothing written.
///
/// # Errors
/// A label is none, or reseal's own directory cannot be read.
pub fn status(session: &Session<'_>, labels: &[String]) -> Result<Vec<SecretView>, Refusal> {
    if session.options.secrets.descriptor.is_some() {
        return Err(Refusal::new("cannot tell about a descriptor: it is read once, by whoever needs it")
            .hint("name a file with --passphrase-file, or leave --passphrase-fd out"));
    }
    let needs = match labels {
        [] => lock::all(session)?,
        labels => labels.iter().map(|label| lock::one(session, label).map_err(|why| (label.clone(), why))).collect(),
    };
    needs
        .into_iter()
        .map(|need| match need {
            Ok(need) => seen(session, &need),
            Err((label, refusal)) => Ok(SecretView {
                label,
                of: None,
                needed: true,
                source: None,
                opens: None,
                problem: Some(lock::why(&refusal)),
                next: None,
                sources: Vec::new(),
            }),
        })
        .collect()
}

fn seen(session: &Session<'_>, need: &Need) -> Result<SecretView, Refusal> {
    let mut query = need.query();
    if let Some(explicit) = session.options.secrets.explicit() {
        query.explicit = Some(explicit);
    }
    let given = passphrase::obtain(session.host, &query);
    let (source, opens, problem) = match (given, &need.lock) {
        (Ok((secret, origin)), Some(lock)) => match lock.opens_with(&secret) {
            Ok(opens) => (Some(origin.word()), Some(opens), None),
            Err(refusal) => (Some(origin.word()), None, Some(lock::why(&refusal))),
        },
        (Ok((_, origin)), None) => (Some(origin.word()), need.wanted.then_some(true), None),
        (Err(_), _) => (None, None, None),
    };
    let sources = passphrase::look(session.host, &query).map_err(|error| lock::none(&error))?;
    let needed = need.lock.is_some() || need.wanted;
    let next = (needed && problem.is_none() && opens != Some(true)).then(|| next(&need.label, query.explicit.as_ref()));
    Ok(SecretView {
        label: need.label.clone(),
        of: Some(need.of.clone()),
        needed,
        source,
        opens,
        problem,
        next,
        sources: sources.into_iter().map(SourceView::from).collect(),
    })
}

/// Where a source is named nothing else is asked, so nothing else helps.
fn next(label: &str, explicit: Option<&Explicit>) -> String {
    match explicit {
        Some(Explicit::File(path)) => format!(
            "put the right passphrase into {}, which is named for it, or name another file; no other source is asked",
            path.display()
        ),
        Some(Explicit::Fd(_)) | None => format!("`reseal secret set {label}`, or another source: docs/secrets.md"),
    }
}
