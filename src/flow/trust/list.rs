//! `trust list`: what reseal has added, and how it stands.

use serde::Serialize;
use time::OffsetDateTime;

use super::ground::{Ground, Known, named, record};
use super::recorded;
use crate::digest::Digest;
use crate::flow::{Refusal, Session};
use crate::trust::{Standing, Store};

/// A certificate that reseal has added to a store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AnchorView {
    /// The store: `os`, `java:FILE` or `nss:DIRECTORY`.
    pub store: String,
    /// The name by which it is known here.
    pub name: String,
    /// Its subject. Whoever prints it must escape it.
    pub subject: String,
    /// SHA-256 of it.
    pub fingerprint: Digest,
    /// Its last moment, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Whether it has ended.
    pub ended: bool,
    /// When it was added, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub added: OffsetDateTime,
    /// Where it is in the store: a path, an alias, a nickname.
    pub place: String,
    /// `in-place`, `not-taken-up` (the file is there, and what clients read does not have it), `gone`, `changed` (something else is in
    /// its place), `unknown`.
    pub state: &'static str,
    /// Why its state is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl AnchorView {
    /// Whether somebody should look at it.
    #[must_use]
    pub fn wants_attention(&self) -> bool {
        self.ended || self.state != Standing::InPlace.word()
    }
}

/// What was added to stores.
#[derive(Debug)]
pub struct Listed {
    /// The certificates, store by store, the oldest first.
    pub anchors: Vec<AnchorView>,
    /// Records that cannot be read: what they list is not known.
    pub unread: Vec<Refusal>,
}

/// What was added to these stores, or to all. Nobody is asked for a passphrase, and a record that cannot be read hides no other.
///
/// # Errors
/// It cannot be told which stores have records.
pub fn list(session: &Session<'_>, stores: &[Store]) -> Result<Listed, Refusal> {
    let known = recorded(session)?;
    let stores = if stores.is_empty() { &known[..] } else { stores };
    let (mut anchors, mut unread) = (Vec::new(), Vec::new());
    let for_all = Known::default();
    for store in stores {
        let record = match record(session.host, store, false) {
            Ok((_, record, _)) => record,
            Err(refusal) => {
                unread.push(refusal);
                continue;
            }
        };
        if record.entries.is_empty() {
            continue;
        }
        let ground = Ground::look(session, store, false);
        let own = ground.as_ref().ok().filter(|_| !named(session));
        let own = own.and_then(|ground| ground.secret(session, false).ok().flatten());
        let given = ground.as_ref().ok().filter(|_| named(session));
        let given = given.and_then(|ground| for_all.of(ground, session).ok().flatten());
        let secret = given.or(own.as_ref());
        for entry in &record.entries {
            let standing = match &ground {
                Ok(ground) => ground.standing(session.host, entry, secret),
                Err(refusal) => Standing::Unknown(refusal.why.clone()),
            };
            let Some(certificate) = entry.certificate() else { continue };
            let state = standing.word();
            let why = if let Standing::Unknown(why) = standing { Some(why) } else { None };
            anchors.push(AnchorView {
                store: store.to_string(),
                name: entry.name.clone(),
                subject: certificate.subject().to_owned(),
                fingerprint: entry.fingerprint,
                not_after: certificate.not_after(),
                ended: session.host.now() > certificate.not_after(),
                added: entry.added,
                place: entry.place.clone(),
                state,
                why,
            });
        }
    }
    Ok(Listed { anchors, unread })
}
