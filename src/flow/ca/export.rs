//! `ca export`: what clients must trust; and the root's key, where that is asked for.

use std::path::PathBuf;

use serde::Serialize;

use super::open_state;
use crate::cert::Certificate;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::flow::output::{self, Over};
use crate::flow::{Refusal, Session};
use crate::source::local_ca::{Authority, Held};

/// What is to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// Where to write what clients must trust, an absolute path; none: it is a part of the answer.
    pub output: Option<PathBuf>,
    /// DER of one certificate instead of PEM of all.
    pub der: bool,
    /// The number of one root; none: all that are not retired.
    pub root: Option<u32>,
    /// Where to write the root's key instead, encrypted as it lies here.
    pub root_key: Option<PathBuf>,
    /// Remove the root's key from this machine once it is written.
    pub take_off: bool,
}

/// What was written, or would be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExportView {
    /// What clients must trust, in the order of the roots' numbers.
    pub anchors: Vec<AnchorView>,
    /// Whether it was written; not so in a dry run.
    pub written: bool,
    /// The file with the certificates, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// The certificates as PEM, where no file was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pem: Option<String>,
    /// The file with the root's key, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_key: Option<PathBuf>,
    /// Whether the root's key is to leave this machine.
    pub take_off: bool,
    /// Whether it has left.
    pub taken_off: bool,
}

/// A certificate that clients must trust.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AnchorView {
    /// Its number among the CA's roots.
    pub number: u32,
    /// Its subject. Whoever prints it must escape it.
    pub subject: String,
    /// SHA-256 of it.
    pub fingerprint: Digest,
}

/// Writes what clients must trust, and notes that it was given out; or writes the root's key.
///
/// # Errors
/// There is no such CA or root, a file is there already, the root's key is needed here or not here any more, or a call failed.
pub fn export(session: &mut Session<'_>, ca: &str, wanted: &Export) -> Result<ExportView, Refusal> {
    for path in wanted.output.iter().chain(&wanted.root_key) {
        output::vacant(session, path)?;
    }
    let engine = if session.options.dry_run {
        None
    } else {
        Some(Engine::open(session.host, "ca export", session.options.wait)?)
    };
    let authority = match &engine {
        Some(engine) => Authority::find(engine.state(), ca)?,
        None => Authority::find(&open_state(session, ca)?, ca)?,
    };
    let held: Vec<&Held> = authority
        .standing()
        .into_iter()
        .filter(|held| wanted.root.is_none_or(|number| number == held.number()))
        .collect();
    let anchors: Vec<&Certificate> = held.iter().map(|held| held.hierarchy().top()).collect();
    let mut view = ExportView {
        anchors: held.iter().map(|held| anchor(held)).collect(),
        written: engine.is_some(),
        output: wanted.output.clone(),
        pem: None,
        root_key: wanted.root_key.clone(),
        take_off: wanted.take_off,
        taken_off: false,
    };
    let Some(first) = anchors.first() else {
        return Err(Refusal::new(format!("the CA {ca} has no root of that number"))
            .hint("`reseal ca show` tells the numbers of its roots"));
    };
    if let Some(path) = &wanted.root_key {
        let number = wanted.root.unwrap_or(authority.active().number());
        let key = authority.root_key(number, wanted.take_off)?;
        if view.written {
            output::put(session, path, &key, 0o600, Over::Nothing)?;
            if wanted.take_off {
                authority.take_root_key_off(number)?;
            }
        }
        view.taken_off = wanted.take_off && view.written;
        view.anchors.retain(|anchor| anchor.number == number);
        return Ok(view);
    }
    if wanted.der && (anchors.len() > 1 || wanted.output.is_none()) {
        return Err(Refusal::new(format!("cannot write {} certificates as DER", anchors.len()))
            .hint("DER holds one, and needs a file: name it with --root N and --output FILE"));
    }
    if !view.written {
        return Ok(view);
    }
    let pem: String = anchors.iter().map(|one| one.to_pem()).collect();
    match &wanted.output {
        Some(path) => {
            let bytes = if wanted.der { first.der().to_vec() } else { pem.into_bytes() };
            output::put(session, path, &bytes.into(), 0o644, Over::Nothing)?;
        }
        None => view.pem = Some(pem),
    }
    authority.exported(&anchors, session.host.now())?;
    Ok(view)
}

pub(super) fn anchor(held: &Held) -> AnchorView {
    let top = held.hierarchy().top();
    AnchorView { number: held.number(), subject: top.subject().to_owned(), fingerprint: top.fingerprint() }
}
