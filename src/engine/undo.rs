//! The one undo. It reads the journal and the backups and nothing else, may be run any number of times, and may be killed anywhere.

use std::path::PathBuf;

use super::journal::{Begin, Transaction};
use super::step::{Bench, StepError, restored};
use super::vault::Vault;
use super::verify;
use crate::change::{Image, Probe};
use crate::event::{Event, Listener};
use crate::host::Host;
use crate::host::exec::Ran;
use crate::host::state::State;
use crate::outcome::explain;

/// Undo could not be completed.
#[derive(Debug)]
pub(super) struct Stuck {
    /// The place in question.
    pub slot: PathBuf,
    /// What is wrong with it.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Puts every place back as it was before the transaction. All places are looked at before any is touched: where one holds
/// neither the old nor the new, somebody else has changed it, and nothing is touched. Tells whether anything had to be put back.
///
/// # Errors
/// A foreign change, or a call that failed; running it again goes on where it stopped.
pub(super) fn files(host: &Host, state: &State, begin: &Begin) -> Result<bool, Stuck> {
    let bench = Bench { host, trust: host.trusting(begin.trusted_owner) };
    let mut touched = Vec::new();
    for act in &begin.acts {
        let live = bench.live(act).map_err(|error| stuck(&act.path, &error))?;
        let ours = live.same_content(&act.before) || live.same_content(&act.after);
        // A directory of ours that recovery has already begun to remove is neither here nor there.
        if !ours && !matches!((&live, &act.after), (Image::Absent, Image::Dir { .. })) {
            return Err(Stuck {
                slot: act.path.clone(),
                why: format!(
                    "somebody else changed it: {live} is there, neither the old ({}) nor the new ({}); nothing was touched",
                    act.before, act.after
                ),
                hint: Some(format!(
                    "look at it; `reseal recover --accept {0}` keeps what is there now, and `reseal restore {0} {1}` puts the old pair back afterwards",
                    begin.target, begin.backup
                )),
            });
        }
        if !restored(act, &live) {
            touched.push(act);
        }
    }
    let vault = Vault::open_or_make(state, &begin.target).map_err(|error| stuck(state.root().path(), &error.into()))?;
    let any = !touched.is_empty();
    for act in touched.into_iter().rev() {
        bench.undo(act, &vault, begin.backup).map_err(|error| stuck(&act.path, &error))?;
    }
    bench.clear(&begin.acts, true).map_err(|error| stuck(state.root().path(), &error))?;
    Ok(any)
}

fn stuck(slot: &std::path::Path, error: &StepError) -> Stuck {
    let hint = error
        .hint()
        .map(|hint| format!("{hint}; then `reseal recover`"))
        .or_else(|| Some("mend that, then `reseal recover`".to_owned()));
    Stuck { slot: slot.to_owned(), why: explain(&error), hint }
}

/// Makes the service take the old files up again (unless it was started after they were put back), and proves that it shows
/// the same as before or better.
///
/// # Errors
/// It does not.
pub(super) fn service(
    host: &Host,
    transaction: &Transaction,
    reload: bool,
    listener: &mut dyn Listener,
) -> Result<(), Stuck> {
    let begin = &transaction.begin;
    let mut failed = None;
    if let Some(reload) = begin.apply.reload.as_ref().filter(|_| reload) {
        listener.hear(&Event::Running { what: "reload", command: reload.clone() });
        failed = trouble(&host.run(reload));
    }
    let questions = verify::after_undo(&begin.probes, begin.before);
    let mut answers = verify::ask(host, &questions, begin.limits, false, listener);
    if !answers.bad.is_empty()
        && let Some(restart) = &begin.apply.restart
    {
        listener.hear(&Event::Running { what: "restart", command: restart.clone() });
        failed = trouble(&host.run(restart)).or(failed);
        answers = verify::ask(host, &questions, begin.limits, false, listener);
    }
    let Some((probe, shown)) = answers.bad.into_iter().next() else { return Ok(()) };
    if let Probe::Bundle { path, .. } = &probe {
        let command =
            begin.apply.reload.as_ref().map_or_else(|| "the command of the system".to_owned(), |it| format!("`{it}`"));
        let failed = failed.map(|text| format!("; {command} {text}")).unwrap_or_default();
        return Err(Stuck {
            slot: path.clone(),
            why: format!("the old files are back, but {shown}{failed}"),
            hint: Some(format!("run {command} by hand and see what it says; then `reseal recover`")),
        });
    }
    let reload = failed.map(|text| format!("; the reload {text}")).unwrap_or_default();
    Err(Stuck {
        slot: PathBuf::from(probe.to_string()),
        why: format!("the old files are back, but the service shows {shown}{reload}"),
        hint: Some("start the service by hand and look at its own log; then `reseal recover`".to_owned()),
    })
}

fn trouble(ran: &Ran) -> Option<String> {
    (!ran.ok()).then(|| ran.to_string())
}
