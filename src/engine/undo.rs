//! The one undo. It reads the journal and the backups and nothing else, may be run any number of times, and may be killed anywhere.

use std::path::PathBuf;

use super::failure::Failure;
use super::hook::{self, Pair};
use super::journal::{Act, Begin, Transaction};
use super::step::{Bench, StepError, restored};
use super::vault::Vault;
use super::{lineage, verify};
use crate::change::{Command, Image, Probe};
use crate::event::{Event, Listener};
use crate::host::Host;
use crate::host::exec::Ran;
use crate::host::state::State;
use crate::outcome::{Checked, explain};

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

/// Puts every place back and makes the service take the old files up again.
///
/// # Errors
/// As [`files`] and [`service`].
pub(super) fn all(
    host: &Host,
    state: &State,
    transaction: &mut Transaction,
    listener: &mut dyn Listener,
) -> Result<(), Stuck> {
    files(host, state, &transaction.begin)?;
    let checks = transaction.checks.list();
    let told = checks.iter().any(|known| known.what == Checked::Reload && known.good && !known.undo);
    service(host, state, transaction, Again { reload: true, told }, listener)
}

/// How the service comes to the old files.
#[derive(Clone, Copy)]
pub(super) struct Again {
    /// Whether it has to be told of them.
    pub(super) reload: bool,
    /// Whether it may have been told of the new ones.
    pub(super) told: bool,
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
        let live = ours(&bench, begin, act)?;
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
    lineage::sweep(state, &begin.target).map_err(|error| stuck(state.root().path(), &error.into()))?;
    Ok(any)
}

/// What stands at a place, which must be the old or the new.
///
/// # Errors
/// It is neither, or it cannot be looked at.
pub(super) fn ours(bench: &Bench<'_>, begin: &Begin, act: &Act) -> Result<Image, Stuck> {
    let live = bench.live(act).map_err(|error| stuck(&act.path, &error))?;
    let ours = live.same_content(&act.before) || live.same_content(&act.after);
    // A directory of ours that recovery has already begun to remove is neither here nor there.
    if ours || matches!((&live, &act.after), (Image::Absent, Image::Dir { .. })) {
        return Ok(live);
    }
    Err(Stuck {
        slot: act.path.clone(),
        why: format!(
            "somebody else changed it: {live} is there, neither the old ({}) nor the new ({}); nothing was touched",
            act.before, act.after
        ),
        hint: Some(format!(
            "look at it; `reseal recover --accept {0}` keeps what is there now, and `reseal restore {0} {1}` puts the old pair back afterwards",
            begin.target, begin.backup
        )),
    })
}

fn stuck(slot: &std::path::Path, error: &StepError) -> Stuck {
    let hint = error
        .hint()
        .map(|hint| format!("{hint}; then `reseal recover`"))
        .or_else(|| Some("mend that, then `reseal recover`".to_owned()));
    Stuck { slot: slot.to_owned(), why: explain(&error), hint }
}

/// Runs the deploy hooks for the old pair, makes the service take the old files up again (unless it was started after they were put
/// back), and proves that it shows the same as before or better. It takes the time it needs, whatever is left for the run.
///
/// A failed reload is told where nobody can be asked.
///
/// # Errors
/// It does not.
pub(super) fn service(
    host: &Host,
    state: &State,
    transaction: &mut Transaction,
    again: Again,
    listener: &mut dyn Listener,
) -> Result<(), Stuck> {
    host.patiently(|| serve_again(host, state, transaction, again, listener))
}

fn serve_again(
    host: &Host,
    state: &State,
    Transaction { begin, checks, .. }: &mut Transaction,
    Again { reload, told }: Again,
    listener: &mut dyn Listener,
) -> Result<(), Stuck> {
    let begin = &*begin;
    hook::deploy((host, state), begin, Pair::Old, checks, listener).map_err(|Failure { why, hint }| Stuck {
        slot: state.root().path().to_owned(),
        why,
        hint,
    })?;
    let mut run = |what, command: &Command, check, listener: &mut dyn Listener| {
        listener.hear(&Event::Running { what, command: command.clone() });
        let ran = host.run(command);
        checks.add(check, &command.to_string(), ran.ok(), &ran.end(), true);
        trouble(&ran).map(|text| (what, text))
    };
    let mut failed = None;
    if let Some(reload) = begin.apply.reload.as_ref().filter(|_| reload) {
        failed = run("reload", reload, Checked::Reload, listener);
    }
    let blind = begin.probes.is_empty() && told;
    let questions = verify::after_undo(&begin.probes, begin.before);
    let mut answers = verify::ask(host, &questions, begin.limits, false, listener);
    // One that was said to have been started since, and was not.
    if !answers.bad.is_empty()
        && let Some(reload) = begin.apply.reload.as_ref().filter(|_| !reload)
    {
        failed = run("reload", reload, Checked::Reload, listener);
        answers = verify::ask(host, &questions, begin.limits, false, listener);
    }
    if (!answers.bad.is_empty() || (blind && failed.is_some()))
        && let Some(restart) = &begin.apply.restart
    {
        let ended = run("restart", restart, Checked::Restart, listener);
        failed = if blind { ended } else { ended.or(failed) };
        answers = verify::ask(host, &questions, begin.limits, false, listener);
    }
    verify::record(&questions, &answers, true, checks);
    let Some((probe, shown)) = answers.bad.into_iter().next() else {
        if let Some((what, text)) = failed.filter(|_| blind) {
            let text = format!(
                "the {what} {text}: the service may have the new pair still, and nothing tells where to ask it; {what} it by hand"
            );
            listener.hear(&Event::HookFailed { text });
        }
        return Ok(());
    };
    if let Probe::Bundle { path, .. } = &probe {
        let command =
            begin.apply.reload.as_ref().map_or_else(|| "the command of the system".to_owned(), |it| format!("`{it}`"));
        let failed = failed.map(|(_, text)| format!("; {command} {text}")).unwrap_or_default();
        return Err(Stuck {
            slot: path.clone(),
            why: format!("the old files are back, but {shown}{failed}"),
            hint: Some(format!("run {command} by hand and see what it says; then `reseal recover`")),
        });
    }
    let failed = failed.map(|(what, text)| format!("; the {what} {text}")).unwrap_or_default();
    Err(Stuck {
        slot: PathBuf::from(probe.to_string()),
        why: format!("the old files are back, but the service shows {shown}{failed}"),
        hint: Some("start the service by hand and look at its own log; then `reseal recover`".to_owned()),
    })
}

fn trouble(ran: &Ran) -> Option<String> {
    (!ran.ok()).then(|| ran.to_string())
}
