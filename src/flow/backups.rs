//! `backups`, `prune`: what is kept, what is removed.

use serde::Serialize;
use time::OffsetDateTime;

use super::stood::stood;
use super::{Refusal, Report, Session};
use crate::cert::installed::Leaf;
use crate::engine::vault::{Origin, Vault, VaultError};
use crate::engine::{Ledger, Next, NextError};
use crate::host::state::State;
use crate::outcome::{End, Outcome, explain};

/// One generation, for people and machines.
#[derive(Clone, Debug, Serialize)]
pub struct Generation {
    /// The target.
    pub target: String,
    /// The number.
    pub generation: u32,
    /// When it was written, UTC.
    #[serde(with = "time::serde::rfc3339::option")]
    pub taken: Option<OffsetDateTime>,
    /// `current`, `next`, `committed`, `found`, `staged`, `rolled-back`, `accepted`, `unfinished`, `damaged`.
    pub state: &'static str,
    /// Why it was made.
    pub why: String,
    /// `prune` leaves it alone.
    pub pinned: bool,
    /// Its leaf.
    pub leaf: Option<Leaf>,
    /// What is wrong with it; only looked for by `verify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// The generations of the targets of these names, or of all, oldest first. With `verify` every byte is held against its digest.
///
/// # Errors
/// A name that no target has, or the vault cannot be read.
pub fn list(session: &Session<'_>, names: &[String], verify: bool) -> Result<Vec<Generation>, Refusal> {
    let targets = session.kept(names)?;
    let Some(state) = State::open(session.host)? else { return Ok(Vec::new()) };
    let ledger = Ledger::read(&state)?;
    let mut all = Vec::new();
    for (target, _) in &targets {
        if let Some(vault) = Vault::open(&state, target)? {
            let marks = Marks { current: vault.current()?, next: next(&vault)? };
            for generation in vault.numbers()? {
                all.push(one(&vault, target, generation, marks, &ledger, verify)?);
            }
        }
    }
    Ok(all)
}

/// What is said of single generations of a target.
#[derive(Clone, Copy)]
struct Marks {
    /// The one that was committed last.
    current: Option<u32>,
    /// The one that is staged.
    next: Option<u32>,
}

/// The generation that is staged. That the record of it cannot be believed is for `status` to tell.
fn next(vault: &Vault) -> Result<Option<u32>, Refusal> {
    match Next::read(vault) {
        Ok(next) => Ok(next.map(|next| next.generation)),
        Err(NextError::Line { .. }) => Ok(None),
        Err(error @ NextError::Disk(_)) => Err(error.into()),
    }
}

fn one(
    vault: &Vault,
    target: &str,
    generation: u32,
    marks: Marks,
    ledger: &Ledger,
    verify: bool,
) -> Result<Generation, Refusal> {
    let blank = |state, damage| Generation {
        target: target.to_owned(),
        generation,
        taken: None,
        state,
        why: String::new(),
        pinned: false,
        leaf: None,
        damage,
    };
    let manifest = match vault.manifest(generation) {
        Ok(manifest) => manifest,
        Err(VaultError::Unfinished { .. }) => return Ok(blank("unfinished", None)),
        Err(error @ (VaultError::Damaged { .. } | VaultError::Absent { .. })) => {
            return Ok(blank("damaged", Some(explain(&error))));
        }
        Err(error @ VaultError::Disk(_)) => return Err(error.into()),
    };
    let damage = if verify { vault.contents(&manifest).err().map(|error| explain(&error)) } else { None };
    let receipt = ledger.receipts.iter().rev().find(|r| r.target == target && r.generation == generation);
    let state = match (&damage, &manifest.origin, receipt.map(|receipt| &receipt.end)) {
        (Some(_), _, _) => "damaged",
        (None, _, _) if marks.current == Some(generation) => "current",
        (None, _, _) if marks.next == Some(generation) => "next",
        (None, Origin::Found, _) => "found",
        (None, Origin::Made { .. }, Some(End::Committed { .. })) => "committed",
        (None, Origin::Made { .. }, Some(End::RolledBack { .. })) => "rolled-back",
        (None, Origin::Made { .. }, Some(End::Accepted)) => "accepted",
        (None, Origin::Made { .. }, None) if manifest.was_staged() => "staged",
        (None, Origin::Made { .. }, Some(End::Refused { .. }) | None) => "unfinished",
    };
    let why = match &manifest.origin {
        Origin::Found => "found in place".to_owned(),
        Origin::Made { why, .. } => why.clone(),
    };
    let pinned = vault.pinned(generation)?;
    Ok(Generation { taken: Some(manifest.taken), why, pinned, leaf: manifest.leaf, ..blank(state, damage) })
}

/// Pins a generation, or unpins it.
pub fn pin(session: &mut Session<'_>, name: &str, generation: u32, pinned: bool) -> Report {
    if let Err(refusal) = session.kept(&[name.to_owned()]) {
        return Report::new(name, refusal.outcome());
    }
    let done = || {
        let why = if pinned { "is pinned: `prune` leaves it alone" } else { "is not pinned" };
        Outcome::Nothing { why: format!("generation {generation} {why}") }
    };
    let outcome = if session.options.dry_run {
        would_pin(session, name, generation, pinned).map(|changes| if changes { Outcome::Planned } else { done() })
    } else {
        match session.engine("backups pin") {
            Ok(engine) => {
                vault(Some(engine.state()), name).and_then(|vault| Ok(vault.pin(generation, pinned)?)).map(|()| done())
            }
            Err(outcome) => return Report::new(name, outcome),
        }
    };
    Report::new(name, outcome.unwrap_or_else(Refusal::outcome))
}

/// Whether there is such a generation that is not pinned, or unpinned, already.
fn would_pin(session: &Session<'_>, name: &str, generation: u32, pinned: bool) -> Result<bool, Refusal> {
    let vault = vault(State::open(session.host)?.as_ref(), name)?;
    vault.manifest(generation)?;
    Ok(vault.pinned(generation)? != pinned)
}

fn vault(state: Option<&State>, target: &str) -> Result<Vault, Refusal> {
    let vault = state.map(|state| Vault::open(state, target)).transpose()?.flatten();
    vault.ok_or_else(|| Refusal::new(format!("no generation of {target} is kept")))
}

/// Removes old generations of the targets of these names, or of all, and those that were never completed: never one that is pinned, never
/// the current one, never the one that is staged, never the newest that is good, never the highest number (numbers are not used again).
///
/// # Errors
/// A name that no target has.
pub fn prune(session: &mut Session<'_>, names: &[String], keep: Option<u32>) -> Result<Vec<Report>, Refusal> {
    let mut reports = Vec::new();
    let mut all = session.kept(names)?;
    // How many its owner wanted to keep went with its configuration: those are removed by name alone.
    all.retain(|(target, _)| !names.is_empty() || !session.is_left(target));
    for (target, usual) in all {
        let mut notes = Vec::new();
        let outcome = match prune_one(session, &target, keep.unwrap_or(usual)) {
            Ok(removed) if removed.is_empty() => Outcome::Nothing { why: "no generation is old enough".to_owned() },
            Ok(removed) if session.options.dry_run => {
                let numbers: Vec<String> = removed.iter().map(ToString::to_string).collect();
                notes.push(format!("would remove generations {}", numbers.join(", ")));
                Outcome::Planned
            }
            Ok(removed) => Outcome::Pruned { removed },
            Err(outcome) => outcome,
        };
        reports.push(Report { notes, ..Report::new(&target, outcome) });
    }
    Ok(reports)
}

fn prune_one(session: &mut Session<'_>, target: &str, keep: u32) -> Result<Vec<u32>, Outcome> {
    session.begin("prune", target)?;
    let now = session.host.now();
    let dry_run = session.options.dry_run;
    let candidates = |state: &State| -> Result<(Option<Vault>, Vec<u32>), Refusal> {
        let Some(vault) = Vault::open(state, target)? else { return Ok((None, Vec::new())) };
        let removable = removable(&vault, &Ledger::read(state)?, keep, now)?;
        Ok((Some(vault), removable))
    };
    let state = State::open(session.host).map_err(|error| Refusal::from(error).outcome())?;
    let Some(state) = state else { return Ok(Vec::new()) };
    // Looked at without the lock first: nothing to do means nothing is written.
    let (_, removable) = candidates(&state).map_err(Refusal::outcome)?;
    if removable.is_empty() || dry_run {
        return Ok(removable);
    }
    let engine = session.engine_for("prune", target)?;
    let (vault, removable) = candidates(engine.state()).map_err(Refusal::outcome)?;
    let Some(vault) = vault else { return Ok(Vec::new()) };
    let failed = |error: crate::host::dir::DiskError| Refusal::from(error).outcome();
    vault.sweep().map_err(failed)?;
    for generation in &removable {
        vault.remove(*generation).map_err(failed)?;
    }
    Ok(removable)
}

/// The generations that go: of those that stood in the places, and of those that never did, the newest `keep` stay. Counted together, a
/// change that fails every night would push out what there is to go back to. What was never completed is nothing to keep.
fn removable(vault: &Vault, ledger: &Ledger, keep: u32, now: OffsetDateTime) -> Result<Vec<u32>, Refusal> {
    let numbers = vault.numbers()?;
    let current = vault.current()?;
    // Where nobody can tell which one is staged, none of them goes.
    let (next, untold) = match Next::read(vault) {
        Ok(next) => (next.map(|next| next.generation), false),
        Err(NextError::Line { .. }) => (None, true),
        Err(error @ NextError::Disk(_)) => return Err(error.into()),
    };
    let (mut had, mut never, mut removable) = (Vec::new(), Vec::new(), Vec::new());
    let (mut last_good, mut marked) = (None, Vec::new());
    for number in &numbers {
        let manifest = match vault.manifest(*number) {
            // What is damaged may be mended: it goes by its age.
            Err(VaultError::Damaged { .. } | VaultError::Absent { .. }) => {
                never.push(*number);
                continue;
            }
            Err(VaultError::Unfinished { .. }) if numbers.last() == Some(number) => continue,
            Err(VaultError::Unfinished { .. }) => {
                removable.push(*number);
                continue;
            }
            Err(error @ VaultError::Disk(_)) => return Err(error.into()),
            Ok(manifest) => manifest,
        };
        if next == Some(*number) || (untold && manifest.was_staged()) {
            marked.push(*number);
        }
        if !stood(&manifest, current, ledger) {
            never.push(*number);
            continue;
        }
        had.push(*number);
        let good = |leaf: &Leaf| leaf.paired && now <= leaf.not_after && now >= leaf.not_before;
        if current != Some(*number) && manifest.leaf.as_ref().is_some_and(good) {
            last_good = Some(*number);
        }
    }
    marked.extend(current.into_iter().chain(last_good));
    let keep = usize::try_from(keep.max(1)).unwrap_or(usize::MAX);
    for counted in [had, never] {
        for number in &counted[..counted.len().saturating_sub(keep)] {
            if !marked.contains(number) && !vault.pinned(*number)? {
                removable.push(*number);
            }
        }
    }
    removable.sort_unstable();
    Ok(removable)
}
