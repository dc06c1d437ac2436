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
use crate::engine::EngineError;
use crate::host::state::State;
use crate::outcome::{Exit, Outcome, explain};
use crate::source::local_ca::{Authority, CaError};

pub use self::export::{AnchorView, Export, ExportView, export};
pub use self::hand::{Written, issue};
pub use self::import::{Import, import};
pub use self::init::{Init, init};
pub use self::obtain::{Authorities, LeafKey, Wanted, admit, obtain};
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

/// Whether a certificate is from a former root of the CA: the present one should issue another.
///
/// # Errors
/// There is no such CA, or it is damaged.
pub fn outlived(session: &Session<'_>, ca: &str, leaf: &Certificate) -> Result<bool, Refusal> {
    let Some(state) = State::open(session.host)? else { return Ok(false) };
    if !Authority::has_former(&state, ca)? {
        return Ok(false);
    }
    let authority = Authority::find(&state, ca)?;
    let active = authority.active().number();
    Ok(authority.issuer_of(leaf).is_some_and(|held| held.number() < active))
}

/// Whether there may be certificates from a former root.
pub(super) fn changing(state: &State, ca: &str) -> bool {
    Authority::has_former(state, ca).unwrap_or(true)
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

pub(super) fn not_opened(error: EngineError) -> Refusal {
    let told = error.to_string();
    let outcome = error.outcome();
    let exit = outcome.exit();
    if let Outcome::Refused { why, hint } = outcome {
        return Refusal::with(why, hint);
    }
    Refusal { exit, ..Refusal::new(told).hint("wait for it with --wait, or try again later") }
}

#[cfg(test)]
mod tests;
