//! A CA, for people.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;

use super::Permitted;
use crate::cert::{KeyKind, Name};
use crate::digest::Digest;
use crate::flow::{Refusal, Session};
use crate::source::local_ca::{Authority, Founded, Held, Hierarchy, Reason, Record, Revocation};

/// A CA, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AuthorityView {
    /// Its name on this machine.
    pub name: String,
    /// What the verb did to it; none where it only tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// The subject of its root; where that is not known, of the certificate furthest up that is. Whoever prints it must escape it.
    pub subject: String,
    /// SHA-256 of its root, to be compared before a client is made to trust it; none in a dry run, where there is no key yet.
    pub fingerprint: Option<Digest>,
    /// The kind of its key.
    pub key: KeyKind,
    /// First second of its root, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// Last second of its root, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// The names it may sign.
    pub permitted: Vec<Permitted>,
    /// How many further CAs may stand below what issues; none where it does not say.
    pub path_length: Option<u8>,
    /// What issues, where the root does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intermediate: Option<IssuerView>,
    /// Whether it was made elsewhere.
    pub imported: bool,
    /// URLs of its revocation list, as what it issues tells them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crl_urls: Vec<String>,
    /// URLs of its certificate, as what it issues tells them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issuer_urls: Vec<String>,
    /// How many certificates it has issued.
    pub issued: usize,
    /// How many of them it has revoked.
    pub revoked: usize,
    /// Lines of its record that cannot be read.
    pub damaged: usize,
    /// Whether its root is known here.
    pub root_known: bool,
    /// The root, to be given to every client; where it is not known, what is known of those above the certificate of this CA.
    pub root: PathBuf,
    /// The number of the root: 1 for the first.
    pub number: u32,
    /// The next root, which clients are given while this one goes on to issue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<StandingView>,
    /// Roots that issued before and are not retired.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<StandingView>,
    /// What it issued and revoked, oldest first; none where no single CA was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<IssuedView>>,
}

/// What a verb did to a CA, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Step {
    /// What it is.
    pub what: What,
    /// The numbers of the roots that it is about.
    pub roots: Vec<u32>,
    /// Whether it was done; not so in a dry run.
    pub done: bool,
}

/// What a verb does to a CA.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It is made.
    Made,
    /// One from elsewhere is taken over.
    TakenOver,
    /// Its next root is made.
    NextMade,
    /// Another root issues.
    Switched,
    /// Former roots are put away, and their keys removed.
    Retired,
}

impl AuthorityView {
    pub(super) fn after(self, what: What, roots: Vec<u32>, done: bool) -> Self {
        Self { step: Some(Step { what, roots, done }), ..self }
    }
}

/// A certificate of a CA, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct IssuedView {
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// The names it is for; none of one that is not in the record and was revoked by its file.
    pub names: Vec<Name>,
    /// When it was issued, UTC; none of one that is not in the record.
    #[serde(with = "time::serde::rfc3339::option")]
    pub issued_at: Option<OffsetDateTime>,
    /// Its last second, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// The number of the root that it is from.
    pub root: u32,
    /// The target it was issued for; none where it was issued by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// That it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevocationView>,
}

/// A revocation, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RevocationView {
    /// When, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Why.
    pub reason: Reason,
}

/// Another root of a CA, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StandingView {
    /// Its number.
    pub number: u32,
    /// Its subject. Whoever prints it must escape it.
    pub subject: String,
    /// SHA-256 of it; none in a dry run.
    pub fingerprint: Option<Digest>,
    /// Its last second, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Where it lies; none in a dry run.
    pub root: Option<PathBuf>,
    /// Whether it was given out by `ca export`.
    pub exported: bool,
}

/// The intermediate of a CA, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct IssuerView {
    /// Its subject. Whoever prints it must escape it.
    pub subject: String,
    /// SHA-256 of it; none in a dry run.
    pub fingerprint: Option<Digest>,
    /// The kind of its key.
    pub key: KeyKind,
    /// Its last second, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Whether the key of the root, which need not be there for anything to be issued, is on this machine.
    pub root_key_here: bool,
}

pub(super) fn view(authority: &Authority) -> Result<AuthorityView, Refusal> {
    let record = authority.record()?;
    let active = authority.active();
    let (hierarchy, profile) = (active.hierarchy(), active.published());
    let root = hierarchy.top();
    Ok(AuthorityView {
        name: authority.name().to_owned(),
        step: None,
        subject: root.subject().to_owned(),
        fingerprint: Some(root.fingerprint()),
        key: root.key_kind().clone(),
        not_before: root.not_before(),
        not_after: root.not_after(),
        permitted: authority.permitted().to_vec(),
        path_length: authority.path_length(),
        intermediate: intermediate(hierarchy, active.keeps_root_key()?, true),
        imported: authority.imported(),
        crl_urls: profile.lists.clone(),
        issuer_urls: profile.issuers.clone(),
        issued: record.issued.len(),
        revoked: record.revoked.len(),
        damaged: record.damaged,
        root_known: hierarchy.root().is_some(),
        root: authority.root_path(),
        number: active.number(),
        next: authority.next().map(|held| standing(held, &record)),
        former: authority.former().map(|held| standing(held, &record)).collect(),
        certificates: None,
    })
}

/// The same, with everything that it issued and revoked.
pub(super) fn full(authority: &Authority) -> Result<AuthorityView, Refusal> {
    let certificates = Some(certificates(authority.record()?));
    Ok(AuthorityView { certificates, ..view(authority)? })
}

fn certificates(record: Record) -> Vec<IssuedView> {
    let mut revoked: BTreeMap<(u32, String), Revocation> = BTreeMap::new();
    for line in record.revoked {
        revoked.entry((line.by, line.revoked.clone())).or_insert(line);
    }
    let told = |line: Revocation| RevocationView { at: line.at, reason: line.reason };
    let issued: Vec<IssuedView> = record
        .issued
        .into_iter()
        .map(|line| IssuedView {
            revoked: revoked.remove(&(line.by, line.serial.clone())).map(told),
            serial: line.serial,
            names: line.names,
            issued_at: Some(line.at),
            not_after: line.not_after,
            root: line.by,
            target: line.target,
        })
        .collect();
    // Issued before the CA came here, so before all others.
    let unrecorded = revoked.into_values().map(|line| IssuedView {
        serial: line.revoked.clone(),
        names: Vec::new(),
        issued_at: None,
        not_after: line.not_after,
        root: line.by,
        target: None,
        revoked: Some(told(line)),
    });
    unrecorded.chain(issued).collect()
}

fn standing(held: &Held, record: &Record) -> StandingView {
    let top = held.hierarchy().top();
    StandingView {
        number: held.number(),
        subject: top.subject().to_owned(),
        fingerprint: Some(top.fingerprint()),
        not_after: top.not_after(),
        root: Some(held.root_path()),
        exported: record.exported.iter().any(|line| line.exported == top.fingerprint()),
    }
}

/// The next root that a dry run has tried out.
pub(super) fn successor(founded: &Founded, number: u32) -> StandingView {
    let top = founded.root();
    StandingView {
        number,
        subject: top.subject().to_owned(),
        fingerprint: None,
        not_after: top.not_after(),
        root: None,
        exported: false,
    }
}

/// One that is nowhere but in memory, for a dry run. What it would be known by does not exist yet, unless it was made elsewhere.
pub(super) fn unmade(session: &Session<'_>, founded: &Founded) -> AuthorityView {
    let (hierarchy, root) = (founded.hierarchy(), founded.root());
    let imported = founded.imported();
    AuthorityView {
        name: founded.name().to_owned(),
        step: None,
        subject: root.subject().to_owned(),
        fingerprint: imported.then(|| root.fingerprint()),
        key: root.key_kind().clone(),
        not_before: root.not_before(),
        not_after: root.not_after(),
        permitted: founded.permitted().to_vec(),
        path_length: founded.path_length(),
        intermediate: intermediate(hierarchy, !imported, imported),
        imported,
        crl_urls: founded.published().lists.clone(),
        issuer_urls: founded.published().issuers.clone(),
        issued: 0,
        revoked: 0,
        damaged: 0,
        root_known: hierarchy.root().is_some(),
        root: founded.root_path(session.host),
        number: 1,
        next: None,
        former: Vec::new(),
        certificates: None,
    }
}

fn intermediate(hierarchy: &Hierarchy, root_key_here: bool, exists: bool) -> Option<IssuerView> {
    let issuer = hierarchy.issuer();
    (hierarchy.root() != Some(issuer)).then(|| IssuerView {
        subject: issuer.subject().to_owned(),
        fingerprint: exists.then(|| issuer.fingerprint()),
        key: issuer.key_kind().clone(),
        not_after: issuer.not_after(),
        root_key_here,
    })
}
