//! The first part of a change: nothing is touched, and everything that can fail for want of space, rights or a healthy service fails
//! here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::failure::Failure;
use super::hook::{self, Ended};
use super::journal::{self, Act, Begin, Journal, Transaction, Watched};
use super::keep::{keep_found, keep_made, leaf_of};
use super::snapshot::{self, Snapshot, Snapshots};
use super::step::{Bench, sync};
use super::vault::{self, Vault};
use super::{Change, ConfigTest, Engine, Seen, actor, images};
use crate::change::{Image, Probe, Shown, Slot, Step};
use crate::digest::Digest;
use crate::event::{Event, Listener};
use crate::host::dir::{DiskError, Errno, Look, Room};
use crate::host::random::unguessable;
use crate::host::together;
use crate::host::trigger::trigger;
use crate::host::walk::WalkError;
use crate::host::{exec, process};
use crate::outcome::{Checked, Checks};

/// Everything is written, synced, read back and kept; no place has been touched.
pub(super) struct Staged {
    journal: Journal,
    transaction: Transaction,
}

impl Staged {
    /// Its journal, and what the journal says: for the one who installs.
    pub(super) fn open(self) -> (Journal, Transaction) {
        (self.journal, self.transaction)
    }
}

/// What a change would do, after all has been looked at that needs no change to anything.
pub(super) struct Prepared {
    /// What each step does.
    pub acts: Vec<Act>,
    /// What stands in each slot.
    pub looks: Vec<(PathBuf, Look)>,
}

/// Looks, and refuses what cannot work: rights, room, programs, the service's own test. Changes nothing. What was run for that is added
/// to `checks`.
pub(super) fn prepare(
    engine: &Engine<'_>,
    change: &Change,
    checks: &mut Checks,
    listener: &mut dyn Listener,
) -> Result<Prepared, Failure> {
    let host = engine.host;
    let bench = Bench { host, trust: host.trusting(change.demands.trusted_owner) };
    refuse_programs(change)?;
    let looks = images(host, &change.slots, (change.demands.trusted_owner, &change.demands.lost))?;
    let mut acts: Vec<Act> = Vec::new();
    let tag = Digest::of(change.target.as_bytes()).short();
    let number = vault::Vault::open(&engine.state, &change.target)?.map_or(Ok(1), |vault| vault.next())?;
    let mark = unguessable()?;
    for (index, step) in change.steps.iter().enumerate() {
        let staged = format!(".reseal-{}-{number}-{index}-{mark}", &tag[..8]);
        acts.push(bench.capture(step, staged, &acts)?);
    }
    refuse_one_place_twice(&acts)?;
    Bench::agree(&acts, &looks)?;
    Bench::made_from(&acts, &change.demands.made_from)?;
    enough_room(engine, change, &bench, &acts)?;
    pre_check(engine, change, checks, listener)?;
    Ok(Prepared { acts, looks })
}

/// Looks, refuses what cannot work, keeps what is there, and writes the new beside the old. What was run for that is added to `checks`.
pub(super) fn stage(
    engine: &Engine<'_>,
    change: &Change,
    checks: &mut Checks,
    listener: &mut dyn Listener,
) -> Result<Staged, Failure> {
    let host = engine.host;
    let bench = Bench { host, trust: host.trusting(change.demands.trusted_owner) };
    refuse_while_running(change)?;
    let Prepared { acts, looks } = prepare(engine, change, checks, listener)?;
    let probes = look_around(engine, change);

    let vault = Vault::open_or_make(&engine.state, &change.target)?;
    vault.sweep()?;
    let backup = keep_found(engine, change, &vault, &looks, listener)?;
    // Taken before the journal names it: what becomes of this change is told under a number that no other one has.
    let generation = vault.take()?;
    let begin = Begin {
        format: journal::format_with(&change.hooks),
        target: change.target.clone(),
        verb: change.verb.to_owned(),
        why: change.why.clone(),
        actor: actor(),
        trigger: Some(trigger()),
        began: host.now(),
        generation,
        backup,
        before: leaf_of(&change.slots, &looks).map(|leaf| leaf.fingerprint),
        after: change.leaf.as_ref().map(|leaf| leaf.fingerprint),
        pairs: change.pairs.clone(),
        trusted_owner: change.demands.trusted_owner,
        acts,
        retire: change.retire.clone(),
        apply: change.apply.clone(),
        hooks: change.hooks.clone(),
        probes,
        limits: change.limits,
    };
    let journal = Journal::begin(&engine.state, &begin)?;
    let mut transaction = Transaction::new(begin, std::mem::take(checks));
    // From here on a post hook is owed, whatever comes.
    let begun = hook::pre(host, &transaction.begin, &mut transaction.checks, listener);
    let made = (transaction.begin.generation, transaction.begin.acts.as_slice());
    let kept = begun.and_then(|()| keep_made(engine, change, &vault, made, &looks));
    let written = kept.and_then(|()| {
        for (step, act) in change.steps.iter().zip(&transaction.begin.acts) {
            bench.stage(step, act)?;
        }
        let places = bench.places(&transaction.begin.acts)?;
        sync(&places)?;
        bench.unchanged(&transaction.begin.acts, &places)?;
        if host.interrupted().is_some() {
            return Err(Failure::new("a signal asked to stop"));
        }
        if host.time_left().is_some_and(|left| left.is_zero()) {
            return Err(Failure::new("the time for the whole run is over"));
        }
        Ok(())
    });
    match written {
        Ok(()) => Ok(Staged { journal, transaction }),
        Err(mut failure) => {
            *checks = transaction.checks;
            let swept = bench.clear(&transaction.begin.acts, true).map_err(Failure::from);
            hook::post(engine, &transaction.begin, Ended::Refused, listener);
            if let Err(left) = swept.and_then(|()| journal.close().map_err(Failure::from)) {
                failure.hint =
                    Some(format!("`reseal recover` removes what was written beside the files ({})", left.why));
            }
            Err(failure)
        }
    }
}

/// Keeps what is there, remembers what was seen, and makes it the wanted state where it is signed off.
pub(super) fn snapshot(
    engine: &Engine<'_>,
    change: &Change,
    seen: Seen,
    listener: &mut dyn Listener,
) -> Result<(Snapshot, bool), Failure> {
    let looks = looks_of(engine, change)?;
    // What was judged and what is kept must be the same: no lock holds others off the files.
    let other = change.slots.iter().zip(&looks).zip(&seen.images).find(|((_, (_, look)), image)| look.image != **image);
    if let Some(((slot, _), _)) = other.filter(|_| looks.len() == seen.images.len()) {
        return Err(Failure {
            why: format!("somebody changed {} while it was looked at", slot.path.display()),
            hint: Some("take it before the upgrade begins; the same command may be run again".to_owned()),
        });
    }
    let known = Snapshots::read(&engine.state, &change.target)?;
    let vault = Vault::open_or_make(&engine.state, &change.target)?;
    vault.sweep()?;
    let generation = keep_found(engine, change, &vault, &looks, listener)?;
    let sign_off = seen.sign_off;
    let last = known.all.last().filter(|last| last.is_of(generation, &seen)).cloned();
    let told = match last {
        Some(last) => (last, false),
        None => {
            let number = known.next().ok_or_else(|| Failure::new("no number is left for it"))?;
            let fresh = Snapshot {
                format: snapshot::FORMAT,
                number,
                taken: engine.host.now(),
                actor: actor(),
                generation,
                signed_off: sign_off,
                findings: seen.findings,
                listeners: seen.listeners,
            };
            known.add(&engine.state, &change.target, fresh.clone())?;
            (fresh, true)
        }
    };
    // Last: what is the wanted state has been remembered by then. Done already, it writes nothing.
    if sign_off {
        vault.set_current(generation)?;
    }
    Ok(told)
}

/// What stands at the end of every slot's links; nothing, where they lead nowhere.
fn looks_of(engine: &Engine<'_>, change: &Change) -> Result<Vec<(PathBuf, Look)>, WalkError> {
    let trust = engine.host.trusting(change.demands.trusted_owner);
    let look = |slot: &Slot| match engine.host.look(&slot.path, &trust) {
        Err(error) if error.is_absent() => Ok((slot.path.clone(), Look { image: Image::Absent, content: None })),
        other => other,
    };
    change.slots.iter().map(look).collect()
}

/// Two names of the configuration that lead to one file cannot hold two different things.
fn refuse_one_place_twice(acts: &[Act]) -> Result<(), Failure> {
    let twice = acts.iter().enumerate().find(|(index, act)| acts[..*index].iter().any(|other| other.path == act.path));
    match twice {
        None => Ok(()),
        Some((_, act)) => Err(Failure {
            why: format!("two of the target's files are one and the same: {}", act.path.display()),
            hint: Some("name it once, as `combined`".to_owned()),
        }),
    }
}

/// Every program that this change may run must be there and in nobody's hands but root's: told now, and not after the files are in
/// place.
pub(super) fn refuse_programs(change: &Change) -> Result<(), Failure> {
    let apply = &change.apply;
    let probes = change.probes.iter().filter_map(|(probe, _)| match probe {
        Probe::Command(command) => Some(command),
        Probe::Tls { .. } | Probe::Bundle { .. } => None,
    });
    let hooks = change.hooks.all().map(|(_, command)| command);
    for command in [&apply.check, &apply.reload, &apply.restart].into_iter().flatten().chain(probes).chain(hooks) {
        exec::check_program(command)?;
    }
    Ok(())
}

fn refuse_while_running(change: &Change) -> Result<(), Failure> {
    let running = process::running(&change.demands.must_not_run);
    if running.is_empty() {
        return Ok(());
    }
    Err(Failure {
        why: format!("{} is running, and {} must not be changed while it does", running.join(", "), change.target),
        hint: Some("close it, then run the same command again".to_owned()),
    })
}

/// Space and inodes for what will be written, on every file system that is written to, before anything is.
fn enough_room(engine: &Engine<'_>, change: &Change, bench: &Bench<'_>, acts: &[Act]) -> Result<(), Failure> {
    let mut needs: BTreeMap<u64, (Room, u64, u64, String)> = BTreeMap::new();
    let mut need = |room: Room, path: String, bytes: u64, files: u64| {
        let entry = needs.entry(room.volume).or_insert((room, 0, 0, path));
        entry.1 += bytes;
        entry.2 += files;
    };
    let mut content = 0;
    for (step, act) in change.steps.iter().zip(acts) {
        let bytes = match step {
            Step::PutFile { content, .. } => block(content.expose().len() as u64),
            Step::MakeDir { .. } | Step::PutLink { .. } | Step::RemoveFile { .. } => block(1),
        };
        content += bytes;
        let dir = bench.nearest(act)?;
        need(dir.room()?, dir.path().display().to_string(), bytes, 1);
    }
    let state = engine.state.root();
    // Old and new copies in the vault, two manifests, the journal and the receipt.
    need(state.room()?, state.path().display().to_string(), 2 * content + block(1) * 12, 2 * acts.len() as u64 + 8);
    needs
        .into_values()
        .try_for_each(|(room, bytes, files, path)| refuse_short(room, bytes.max(change.demands.min_free), files, &path))
}

/// Refuses a file system that is read-only, or has not so many bytes and files left.
pub(super) fn refuse_short(room: Room, wanted: u64, files: u64, path: &str) -> Result<(), Failure> {
    if room.read_only {
        return Err(DiskError { what: "write to", path: path.into(), source: Errno::ROFS.into() }.into());
    }
    if room.bytes < wanted || room.inodes < files {
        let (left, wanted, unit) = if room.bytes < wanted {
            (room.bytes / 1024, wanted.div_ceil(1024), "KiB")
        } else {
            (room.inodes, files, "inodes")
        };
        return Err(Failure {
            why: format!("the file system of {path} has {left} {unit} left, and {wanted} {unit} must be free"),
            hint: Some("free some space there, then run the same command again".to_owned()),
        });
    }
    Ok(())
}

pub(super) fn block(bytes: u64) -> u64 {
    bytes.div_ceil(4096) * 4096
}

/// The service's own configuration test before anything is touched. A failure refuses the change, unless the change may be what
/// mends it.
fn pre_check(
    engine: &Engine<'_>,
    change: &Change,
    checks: &mut Checks,
    listener: &mut dyn Listener,
) -> Result<(), Failure> {
    let Some(check) = &change.apply.check else { return Ok(()) };
    listener.hear(&Event::Running { what: "check", command: check.clone() });
    let ran = engine.host.run(check);
    checks.add(Checked::ConfigTest, &check.to_string(), ran.ok(), &format!("{} before the change", ran.end()), false);
    if ran.ok() {
        return Ok(());
    }
    if change.demands.config_test != ConfigTest::MustPass {
        listener.hear(&Event::Note { text: format!("`{check}` fails before the change: it {ran}") });
        return Ok(());
    }
    Err(Failure {
        why: format!("the service's own test `{check}` fails before anything was changed: it {ran}"),
        hint: Some("mend the service's configuration first; its old certificate stays in use until then".to_owned()),
    })
}

fn look_around(engine: &Engine<'_>, change: &Change) -> Vec<Watched> {
    let limit = std::time::Duration::from_millis(change.limits.probe);
    let lost = || Shown::Failing { why: "the probe itself failed".to_owned() };
    let shown = together::each(&change.probes, |(probe, _)| engine.host.probe(probe, limit));
    let probes = change.probes.iter().zip(shown);
    let watched = probes.map(|((probe, wanted), before)| {
        let before = before.unwrap_or_else(lost);
        Watched { probe: probe.clone(), before, wanted: *wanted }
    });
    watched.collect()
}
