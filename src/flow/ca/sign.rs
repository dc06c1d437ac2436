//! `ca sign`: a certificate for somebody else's request.

use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use super::passphrase::unlock;
use super::{obtain, open_state};
use crate::cert::{KeyKind, MOST_REQUEST_BYTES, Name, Request};
use crate::digest::Digest;
use crate::flow::output::{self, Over};
use crate::flow::{Refusal, Session};
use crate::source::local_ca::Authority;

/// What is asked of a CA for a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sign {
    /// The file of the request, PEM or DER.
    pub request: PathBuf,
    /// The names to certify instead of those asked for.
    pub names: Vec<Name>,
    /// Wildcards are granted too.
    pub wildcards: bool,
    /// How long the certificate lives; less where the CA does.
    pub days: u32,
    /// Where to write certificate and intermediates, an absolute path; none: they are a part of the answer.
    pub output: Option<PathBuf>,
}

/// A request that was granted, or would be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Signed {
    /// The names that are certified.
    pub names: Vec<Name>,
    /// The kind of the key.
    pub key: KeyKind,
    /// Object identifiers of what else was asked for, which is not granted.
    pub ignored: Vec<String>,
    /// SHA-256 of the certificate; none in a dry run, where there is none yet.
    pub fingerprint: Option<Digest>,
    /// Its serial number in hexadecimal; none in a dry run.
    pub serial: Option<String>,
    /// Its last second, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// The file with certificate and intermediates, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<PathBuf>,
    /// Certificate and intermediates as PEM, where no file was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pem: Option<String>,
}

/// Signs a request that proves its key, for names that it asks for or that whoever runs this names. Nothing else that it asks for is
/// granted.
///
/// # Errors
/// The request cannot be granted, the CA may not sign the names, its time is over, the clock cannot be right, there is no passphrase or
/// a wrong one, what came out does not verify, or the file is there already.
pub fn sign(session: &mut Session<'_>, ca: &str, wanted: &Sign) -> Result<Signed, Refusal> {
    let request = read(session, &wanted.request)?;
    let names = names(&request, wanted)?;
    if let Some(path) = &wanted.output {
        output::vacant(session, path)?;
    }
    let authority = Authority::find(&open_state(session, ca)?, ca)?;
    let now = session.host.now();
    authority.admit(&names, wanted.days, now)?;
    let told = Signed {
        names: names.clone(),
        key: request.key_kind(),
        ignored: request.ignored().to_vec(),
        fingerprint: None,
        serial: None,
        not_after: authority.end_of(wanted.days, now),
        chain: wanted.output.clone(),
        pem: None,
    };
    if session.options.dry_run {
        return Ok(told);
    }
    obtain::plausible(session, &authority, now)?;
    let chain = unlock(session, ca)?.sign(&request, names, wanted.days, now)?;
    let pem = chain.fullchain_pem();
    let leaf = chain.leaf();
    let told = Signed {
        fingerprint: Some(leaf.fingerprint()),
        serial: Some(leaf.serial()),
        not_after: leaf.not_after(),
        ..told
    };
    match &wanted.output {
        Some(path) => {
            output::put(session, path, &pem.into_bytes().into(), 0o644, Over::Nothing)?;
            Ok(told)
        }
        None => Ok(Signed { pem: Some(pem), ..told }),
    }
}

fn read(session: &Session<'_>, path: &Path) -> Result<Request, Refusal> {
    let cannot = |why: String| Refusal::new(format!("cannot sign {}: {why}", path.display()));
    // More than is taken, so that what is too large is told as that.
    let bytes = session.host.read(path, 16 * MOST_REQUEST_BYTES as u64);
    let bytes = bytes.map_err(|error| cannot(error.to_string()).hint("give one request, in PEM or DER"))?;
    Request::read(&bytes).map_err(|error| cannot(error.to_string()).hint(error.hint()))
}

fn names(request: &Request, wanted: &Sign) -> Result<Vec<Name>, Refusal> {
    let cannot = |why: String| Refusal::new(format!("cannot sign {}: {why}", wanted.request.display()));
    if !wanted.names.is_empty() {
        return Ok(wanted.names.clone());
    }
    if !request.unusable_names().is_empty() {
        let why = format!("it asks for names that no server has: {}", request.unusable_names().join(", "));
        return Err(cannot(why).hint("name those to certify with --name"));
    }
    if request.names().is_empty() {
        return Err(cannot(format!("it names no host (its subject is {:?})", request.subject()))
            .hint("name those to certify with --name; keytool writes them with `-ext san=dns:HOST`"));
    }
    if let Some(wide) = request.names().iter().find(|name| name.is_wildcard() && !wanted.wildcards) {
        return Err(cannot(format!("it asks for {wide}, which stands for any number of hosts"))
            .hint("grant that with --allow-wildcards, or name the hosts with --name"));
    }
    Ok(request.names().to_vec())
}
