//! `reseal ca`: a CA of reseal's own, one file a verb.

mod export;
mod hand;
mod import;
mod init;
mod obtain;
mod passphrase;
mod rekey;
mod revoke;
mod sign;
mod view;

use serde::Serialize;

use super::{Refusal, Session};
use crate::cert::Certificate;
use crate::cert::installed::Leaf;
use crate::config::{SourceConfig, TargetConfig};
use crate::host::state::State;
use crate::outcome::{Exit, explain};
use crate::source::local_ca::{Authority, CaError, Withdrawn};

pub use self::export::{AnchorView, Export, ExportView, export};
pub use self::hand::{Written, issue};
pub use self::import::{Import, import};
pub use self::init::{Init, init};
pub use self::obtain::{Authorities, LeafKey, Wanted, admit, obtain, try_file};
pub use self::passphrase::{REMEMBERED, label};
pub use self::rekey::{Rekey, rekey};
pub(super) use self::rekey::{former, retirable};
pub use self::revoke::{List, ListView, RevokedView, crl, revoke};
pub use self::sign::{Sign, Signed, sign};
pub use self::view::{AuthorityView, IssuedView, IssuerView, RevocationView, StandingView, Step, What};
pub use crate::source::local_ca::{Permitted, Published, Reason};

use self::view::{full, unmade, view};

/// The CA of this name, or all there are.
///
/// # Errors
/// There is none of this name, or one cannot be read.
pub fn show(session: &Session<'_>, name: Option<&str>) -> Result<Vec<AuthorityView>, Refusal> {
    match (name, State::open(session.host)?) {
        (Some(name), Some(state)) => Ok(vec![full(&Authority::find(&state, name)?)?]),
        (None, Some(state)) => Authority::all(&state)?.iter().map(view).collect(),
        (Some(name), None) => Err(missing(name)),
        (None, None) => Ok(Vec::new()),
    }
}

/// Why the CA that a target's source names should issue another certificate in place of this one, which is good: it is from a former
/// root of it, or from another CA of this machine. What a stranger has issued stays until it is due.
///
/// # Errors
/// There is no such CA, or it is damaged.
pub(super) fn outlived(session: &Session<'_>, ca: &str, leaf: &Certificate) -> Result<Option<String>, Refusal> {
    let Some(state) = State::open(session.host)? else { return Ok(None) };
    let alone = Authority::names(&state)?.iter().all(|name| name == ca);
    if alone && !Authority::has_former(&state, ca)? {
        return Ok(None);
    }
    let authority = Authority::find(&state, ca)?;
    let active = authority.active().number();
    // Two of the same key, as one that was taken over again under another name, are one to clients.
    if let Some(held) = authority.issuer_of(leaf) {
        return Ok((held.number() < active).then(|| "it is from a former root of its CA".to_owned()));
    }
    let other = Authority::issuer_among(&state, ca, leaf)?;
    Ok(other.map(|other| format!("it is from the CA {other}, and the configuration names {ca}")))
}

/// What a run holds its certificates against before it looks at any of them closely; read once for all targets.
pub(super) struct Glance {
    withdrawn: Withdrawn,
    /// Of each CA that a source names, whether what it issued last can be from a former root, and the names of the issuers of all others.
    named: Vec<(String, bool, Vec<String>)>,
}

impl Glance {
    /// Reads what these targets need; none where it cannot be told.
    pub(super) fn at(state: &State, targets: &[&TargetConfig]) -> Option<Self> {
        let mut named: Vec<(String, bool, Vec<String>)> = Vec::new();
        for config in targets {
            let SourceConfig::LocalCa { ca, .. } = &config.source else { continue };
            if named.iter().all(|(name, ..)| name != ca) {
                let former = Authority::has_former(state, ca).ok()?;
                named.push((ca.clone(), former, Authority::issuers_but(state, ca).ok()?));
            }
        }
        Some(Self { withdrawn: Withdrawn::read(state).ok()?, named })
    }

    /// Whether a certificate needs no closer look: no CA here can have revoked it, and it can be from no other CA here than the source
    /// of its target names.
    pub(super) fn clears(&self, leaf: &Leaf, config: &TargetConfig) -> bool {
        let placed = match &config.source {
            SourceConfig::LocalCa { ca, .. } => {
                self.named.iter().any(|(name, former, others)| name == ca && !former && !others.contains(&leaf.issuer))
            }
            SourceConfig::None
            | SourceConfig::Acme(_)
            | SourceConfig::Csr { .. }
            | SourceConfig::Command { .. }
            | SourceConfig::Import { .. } => true,
        };
        placed && !self.withdrawn.may_hold(&leaf.serial, leaf.not_after)
    }
}

/// One of the answers of these verbs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Done {
    /// Of `ca sign`.
    Signed(Signed),
    /// Of `ca revoke`.
    Revoked(RevokedView),
    /// Of `ca crl`.
    List(ListView),
    /// Of `ca export`.
    Exported(ExportView),
}

fn open_state(session: &Session<'_>, ca: &str) -> Result<State, Refusal> {
    State::open(session.host)?.ok_or_else(|| missing(ca))
}

fn missing(ca: &str) -> Refusal {
    CaError::Missing { name: ca.to_owned(), known: Vec::new() }.into()
}

/// With the whole chain of causes in one line, as a refusal has one. A wrong word ends the verbs here as one; of a target it is a
/// refusal like any other.
impl From<CaError> for Refusal {
    fn from(error: CaError) -> Self {
        let hint = error.hint();
        let exit = if error.is_wrong_word() { Exit::Usage } else { Exit::Refused };
        Self { exit, ..Self::with(explain(&error), hint) }
    }
}

#[cfg(test)]
mod tests;
