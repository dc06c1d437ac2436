//! What a CA of this machine has revoked: it goes from where it is, and does not come back. What cannot be read holds nobody up: a CA that
//! is damaged is told of by its own verbs, and no target is to wait for that.

use crate::assess::date;
use crate::cert::{Certificate, Chain, codec};
use crate::host::Host;
use crate::host::state::State;
use crate::outcome::explain;
use crate::sensitive::Sensitive;
use crate::source::local_ca::{Reason, Withdrawn};

/// What all CAs here have revoked, as it stood when it was read.
#[derive(Default)]
pub(super) struct Known {
    state: Option<State>,
    lines: Withdrawn,
    /// Why it is not known, for people.
    pub note: Option<String>,
}

/// That a certificate is revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Revoked {
    /// By whom, when and why, for people.
    pub why: String,
    /// Whether its key may be in other hands, and so is no key for the next one.
    pub key_lost: bool,
}

impl Known {
    pub(super) fn read(host: &Host) -> Self {
        // That the directory cannot be used is told by whoever needs it.
        let Ok(Some(state)) = State::open(host) else { return Self::default() };
        match Withdrawn::read(&state) {
            Ok(lines) => {
                let note = (!lines.in_part.is_empty()).then(|| {
                    let names = lines.in_part.join(", ");
                    format!("the list of what {names} has revoked is incomplete: its record is damaged, or longer than what is read (`reseal ca crl` tells)")
                });
                Self { state: Some(state), lines, note }
            }
            Err(error) => {
                let note = Some(format!("what the CAs here have revoked cannot be told: {}", explain(&error)));
                Self { note, ..Self::default() }
            }
        }
    }

    /// Whether and why this certificate is revoked.
    pub(super) fn of(&self, certificate: &Certificate) -> Option<Revoked> {
        let (ca, line) = self.lines.of(self.state.as_ref()?, certificate).ok()??;
        let (title, on, reason) = (certificate.title(), date(line.at), line.reason);
        Some(Revoked {
            why: format!("{title} was revoked by the CA {ca} on {on} ({reason})"),
            key_lost: reason == Reason::KeyCompromise,
        })
    }

    /// The same of the leaf of a chain.
    pub(super) fn of_chain(&self, chain: Option<&Chain>) -> Option<Revoked> {
        self.of(chain?.leaf())
    }

    /// The same of whatever a kept generation holds, first come.
    pub(super) fn among(&self, contents: &[Option<Sensitive>]) -> Option<Revoked> {
        let read = contents.iter().flatten().filter_map(|bytes| codec::read(bytes.expose(), None).ok());
        read.flat_map(|found| found.certificates).find_map(|one| self.of(&one))
    }
}
