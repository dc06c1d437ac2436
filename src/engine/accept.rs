//! A person has looked, and what is there now stays.

use std::path::PathBuf;

use super::hook::{self, Ended};
use super::journal::{self, Replay};
use super::recover::{failed, recovered, standing};
use super::step::Bench;
use super::transaction::finish;
use super::{Engine, When, ledger, lineage};
use crate::event::Listener;
use crate::host::dir::DiskError;
use crate::host::state::file_name;
use crate::outcome::End;

/// What came of keeping what is there.
pub enum Accepted {
    /// No transaction of the target was open.
    Nothing,
    /// It is closed.
    Closed {
        /// The names beside the files under which something waits that could not be removed, and may be a key. A longer name that begins
        /// with one of them is of the same kind.
        left: Vec<PathBuf>,
    },
    /// It is closed, and what it was about is not known: no receipt tells of it, and what waited beside the files is still there.
    Unread {
        /// Why its journal could not be read.
        why: String,
    },
}

/// Keeps what is there now, and closes the transaction of a target.
pub(super) fn accept(engine: &Engine<'_>, target: &str, listener: &mut dyn Listener) -> Result<Accepted, DiskError> {
    let name = file_name(target);
    let Some((_, replay)) = journal::open_ones(&engine.state)?.into_iter().find(|(found, _)| *found == name) else {
        return Ok(Accepted::Nothing);
    };
    let mut left = Vec::new();
    if let Replay::Unreadable { why } = replay {
        journal::discard(&engine.state, &name)?;
        return Ok(Accepted::Unread { why });
    }
    if let Replay::Under(transaction) = replay {
        let begin = &transaction.begin;
        if let Some(receipt) = standing(engine.host, &engine.state, &transaction) {
            finish(engine, begin, receipt).map_err(|error| failed(engine, &error))?;
            lineage::sweep(&engine.state, &begin.target)?;
            hook::post(engine, begin, Ended::Committed, listener);
            journal::discard(&engine.state, &name)?;
            return Ok(Accepted::Closed { left });
        }
        let bench = Bench { host: engine.host, trust: engine.host.trusting(begin.trusted_owner) };
        // What waits beside the places is in the vault as well. With the journal goes all that is known of what cannot be removed.
        left = bench.clear_what_it_can(&begin.acts);
        lineage::sweep(&engine.state, &begin.target)?;
        let entry = recovered(engine, &transaction, End::Accepted, When::Running);
        ledger::add(&engine.state, &entry)?;
        hook::post(engine, begin, Ended::Accepted, listener);
    }
    journal::discard(&engine.state, &name)?;
    Ok(Accepted::Closed { left })
}
