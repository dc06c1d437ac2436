//! `ca revoke` and `ca crl`: what must not be trusted any more, and how clients learn of it.

use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use super::open_state;
use super::passphrase::{from, passphrase, remember};
use crate::cert::{Certificate, RevocationList, codec};
use crate::engine::Engine;
use crate::event::Event;
use crate::flow::output::{self, Over};
use crate::flow::{Refusal, Session};
use crate::host::dir::MAX_FILE;
use crate::outcome::explain;
use crate::sensitive::Sensitive;
use crate::source::local_ca::{Authority, NextList, Reason, Revocation};

/// A revocation, done or planned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RevokedView {
    /// The serial number in hexadecimal.
    pub serial: String,
    /// Why.
    pub reason: Reason,
    /// When the certificate would have ended, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Whether it was written down; not so in a dry run.
    pub recorded: bool,
    /// The CA whose list tells it.
    pub ca: String,
    /// The number of its root.
    pub root: u32,
    /// Whether that root has issued before and does no more: then its list is asked for by its number.
    pub former: bool,
}

/// Revokes a certificate that a CA has issued, by its serial number or by its file, under the machine lock.
///
/// # Errors
/// It is not the CA's, it was revoked before, or a call failed.
pub fn revoke(session: &mut Session<'_>, ca: &str, which: &str, reason: Reason) -> Result<RevokedView, Refusal> {
    let recorded = !session.options.dry_run;
    let (revocation, active) = if recorded {
        let engine = Engine::open(session.host, "ca revoke", session.options.wait)?;
        engine.trust_clock(session.options.trust_clock)?;
        let authority = Authority::find(engine.state(), ca)?;
        let revocation = planned(session, &authority, which, reason)?;
        authority.revoke(revocation.clone())?;
        (revocation, authority.active().number())
    } else {
        let authority = Authority::find(&open_state(session, ca)?, ca)?;
        (planned(session, &authority, which, reason)?, authority.active().number())
    };
    let Revocation { revoked: serial, reason, not_after, by: root, .. } = revocation;
    Ok(RevokedView { serial, reason, not_after, recorded, ca: ca.to_owned(), root, former: root != active })
}

fn planned(session: &Session<'_>, authority: &Authority, which: &str, reason: Reason) -> Result<Revocation, Refusal> {
    let now = session.host.now();
    let digits = which.strip_prefix("0x").unwrap_or(which);
    let serial = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | ' '));
    let path = Path::new(which);
    if serial && !session.host.exists(path) {
        return Ok(authority.revocation_of(which, reason, now)?);
    }
    let cannot = |why: String| {
        Refusal::new(format!("cannot revoke {which}: {why}"))
            .hint("give a serial number in hexadecimal, or a file with the certificate")
    };
    let bytes = session.host.read(path, MAX_FILE).map(Sensitive::from).map_err(|error| cannot(error.to_string()))?;
    let found = codec::read(bytes.expose(), None).map_err(|error| cannot(explain(&error)))?;
    // A server's file holds its chain too.
    match found.certificates.first() {
        Some(leaf) => Ok(authority.revocation_for(leaf, reason, now)?),
        None => Err(cannot("it holds no certificate".to_owned())),
    }
}

/// What is asked of a revocation list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List {
    /// Where to write it, an absolute path; an earlier list there is replaced. None: it is a part of the answer.
    pub output: Option<PathBuf>,
    /// DER instead of PEM, as what is fetched by a URL must be (RFC 5280 section 4.2.1.13).
    pub der: bool,
    /// Days until there must be another one.
    pub days: u32,
    /// The number of the root whose list it is; none: of the one that issues.
    pub root: Option<u32>,
}

/// A revocation list, made or planned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ListView {
    /// Its number.
    pub number: u64,
    /// How many certificates are on it.
    pub revoked: usize,
    /// Until when there must be another one, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub next_update: OffsetDateTime,
    /// Whether it was made; not so in a dry run.
    pub made: bool,
    /// The file, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<PathBuf>,
    /// The list as PEM, where no file was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pem: Option<String>,
}

/// Makes the next revocation list of a CA, under the machine lock.
///
/// # Errors
/// The CA may not sign lists, its record is damaged, what is at the output is no revocation list, there is no passphrase or a wrong one,
/// or a call failed.
pub fn crl(session: &mut Session<'_>, ca: &str, wanted: &List) -> Result<ListView, Refusal> {
    if wanted.der && wanted.output.is_none() {
        return Err(Refusal::new("cannot write DER among other words").hint("name a file for it with --output"));
    }
    let (authority, now) = (Authority::find(&open_state(session, ca)?, ca)?, session.host.now());
    let next = next_list(session, &authority, wanted, now)?;
    if session.options.dry_run {
        if let Some(text) = told_of_another(session, &authority, wanted, next.issuer())? {
            session.listener.hear(&Event::Note { text });
        }
        return Ok(ListView {
            number: next.number(),
            revoked: next.count(),
            next_update: next.next_update(now),
            made: false,
            list: wanted.output.clone(),
            pem: None,
        });
    }
    super::obtain::plausible(session, &authority, now)?;
    // A person may be asked for it: nobody waits for the lock meanwhile.
    let (secret, origin) = passphrase(session, ca, false)?;
    let engine = Engine::open(session.host, "ca crl", session.options.wait)?;
    engine.trust_clock(session.options.trust_clock)?;
    let (authority, now) = (Authority::find(engine.state(), ca)?, session.host.now());
    let next = next_list(session, &authority, wanted, now)?;
    let other = told_of_another(session, &authority, wanted, next.issuer())?;
    super::obtain::plausible(session, &authority, now)?;
    let list = next.make(&secret, now).map_err(|error| from(error, &origin))?;
    remember(session, ca, &secret, &origin);
    let mut view = ListView {
        number: next.number(),
        revoked: list.revoked().len(),
        next_update: next.next_update(now),
        made: true,
        list: wanted.output.clone(),
        pem: None,
    };
    match &wanted.output {
        Some(path) => {
            let bytes = if wanted.der { list.der().to_vec() } else { list.to_pem().into_bytes() };
            output::put(session, path, &bytes.into(), 0o644, Over::List(&issuers(&authority)))?;
            if let Some(text) = other {
                session.listener.hear(&Event::Note { text });
            }
        }
        None => view.pem = Some(list.to_pem()),
    }
    Ok(view)
}

/// The next list, after the one that is at the output.
fn next_list<'a>(
    session: &Session<'_>,
    authority: &'a Authority,
    wanted: &List,
    now: OffsetDateTime,
) -> Result<NextList<'a>, Refusal> {
    let next = authority.next_list(wanted.root, wanted.days, session.options.force, now)?;
    let Some(path) = &wanted.output else { return Ok(next) };
    match output::list_at(session, path, &issuers(authority))? {
        Some(list) if RevocationList::of(list.der(), next.issuer()).is_ok() => Ok(next.above(&list)?),
        // Another root counts by itself.
        Some(_) | None => Ok(next),
    }
}

/// That the list which is replaced is that of another root, to which certificates that are still in use may point.
fn told_of_another(
    session: &Session<'_>,
    authority: &Authority,
    wanted: &List,
    issuer: &Certificate,
) -> Result<Option<String>, Refusal> {
    let Some(path) = &wanted.output else { return Ok(None) };
    let Some(list) = output::list_at(session, path, &issuers(authority))? else { return Ok(None) };
    let of = |issuer: &Certificate| RevocationList::of(list.der(), issuer).is_ok();
    let other = authority.standing().into_iter().find(|held| of(held.hierarchy().issuer())).filter(|_| !of(issuer));
    Ok(other.map(|held| {
        let (path, name, root) = (path.display(), authority.name(), held.number());
        format!(
            "{path} was the list of root {root}: its certificates that are still in use find there no list that is theirs; \
             `reseal ca crl {name} --root {root} --output FILE` makes it"
        )
    }))
}

/// Whose lists a list of this CA may replace: those of its roots, which share their URL.
fn issuers(authority: &Authority) -> Vec<&Certificate> {
    authority.standing().into_iter().map(|held| held.hierarchy().issuer()).collect()
}
