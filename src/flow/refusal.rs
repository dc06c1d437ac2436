//! Why a verb does not begin.

use crate::engine::EngineError;
use crate::outcome::{Exit, Outcome, explain};

/// A verb could not begin for a target: nothing was changed.
#[derive(Debug)]
pub struct Refusal {
    /// What was tried on what, and why it is not done.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
    /// [`Exit::Refused`]; [`Exit::Busy`] when another reseal is at work, [`Exit::Usage`] for a name that no target has.
    pub exit: Exit,
}

impl Refusal {
    pub(in crate::flow) fn new(why: impl Into<String>) -> Self {
        Self::with(why.into(), None)
    }

    pub(in crate::flow) fn with(why: String, hint: Option<String>) -> Self {
        Self { why, hint, exit: Exit::Refused }
    }

    pub(in crate::flow) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(in crate::flow) fn outcome(self) -> Outcome {
        Outcome::Refused { why: self.why, hint: self.hint }
    }
}

/// Of what kept a verb from beginning, with all that it tells.
impl From<Outcome> for Refusal {
    fn from(outcome: Outcome) -> Self {
        let exit = outcome.exit();
        let (why, hint) = match outcome {
            Outcome::Refused { why, hint } | Outcome::RolledBack { why, hint, .. } => (why, hint),
            Outcome::Stuck { slot, why, hint } => {
                (format!("an earlier change could not be ended: {}: {why}", slot.display()), hint)
            }
            Outcome::Busy { holder } => {
                let hint = "try again, or let it wait: `--wait 60`".to_owned();
                (format!("another reseal is at work: {holder}"), Some(hint))
            }
            Outcome::Nothing { why } | Outcome::Reported { why } | Outcome::Waiting { why, .. } => (why, None),
            Outcome::Recovered { what, .. } => (what, None),
            Outcome::Planned
            | Outcome::Committed { .. }
            | Outcome::Remembered { .. }
            | Outcome::Staged { .. }
            | Outcome::Dropped { .. }
            | Outcome::Pruned { .. }
            | Outcome::Retired { .. } => ("it has ended already".to_owned(), None),
        };
        Self { why, hint, exit }
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        error.outcome().into()
    }
}

macro_rules! refusal_from {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Self::with(explain(&error), error.hint().map(Into::into))
            }
        }
    )*};
}
refusal_from!(
    crate::host::walk::WalkError,
    crate::host::dir::DiskError,
    crate::host::state::StateError,
    crate::engine::NextError,
    crate::engine::vault::VaultError,
    crate::notify::record::RecordError,
    crate::source::import::ImportError,
    crate::source::request::RequestError,
);
