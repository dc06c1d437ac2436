//! One change, from the first look to the receipt.
//!
//! [`Staged`], [`Installed`] and [`Verified`] can each be made in one place only, so that nothing is installed that was not kept,
//! and nothing committed that was not proved.

use std::collections::BTreeMap;

use super::journal::{self, Act, Begin, Journal, Mark, Transaction, Watched};
use super::step::{Bench, StepError, sync};
use super::undo::{self, Stuck};
use super::vault::{self, Manifest, Origin, Saved, SavedFile, Vault, VaultError};
use super::{Change, ConfigTest, Engine, actor, images, kept, ledger, origin, verify};
use crate::cert::installed;
use crate::change::{Image, Probe, Shown, Slot, Step};
use crate::digest::Digest;
use crate::event::{Event, Listener};
use crate::host::dir::{DiskError, Look};
use crate::host::process;
use crate::host::walk::WalkError;
use crate::outcome::{End, Outcome, Proof, Receipt, explain};
use crate::sensitive::Sensitive;

/// Everything is written, synced, read back and kept; no place has been touched.
struct Staged {
    journal: Journal,
    transaction: Transaction,
}

/// Every place holds the new, durably.
#[must_use]
struct Installed {
    journal: Journal,
    transaction: Transaction,
}

/// The service was seen to serve the new, or there was nobody to ask.
#[must_use]
struct Verified {
    proof: Proof,
    not_served: Vec<(Probe, Shown)>,
}

/// A change failed.
struct Failure {
    why: String,
    hint: Option<String>,
}

impl Failure {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }
}

macro_rules! failure_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { hint: error.hint().map(Into::into), why: explain(&error) }
            }
        }
    )*};
}
failure_from!(DiskError, WalkError, StepError, VaultError);

pub(super) fn run(engine: &Engine<'_>, change: &Change, listener: &mut dyn Listener) -> Outcome {
    let staged = match stage(engine, change, listener) {
        Ok(staged) => staged,
        Err(Failure { why, hint }) => return Outcome::Refused { why, hint },
    };
    let mut installed = match install(engine, staged, listener) {
        Ok(installed) => installed,
        Err(NotInstalled { staged, failure, reversed: true }) => return withdraw(engine, staged, failure),
        Err(NotInstalled { staged, failure, reversed: false }) => {
            return roll_back(engine, staged.journal, staged.transaction, failure, listener);
        }
    };
    let verified = match apply(engine, change, &mut installed, listener) {
        Ok(Taken::Up) => prove(engine, &installed, listener),
        Ok(Taken::NotYet { why }) => Ok(unproved(&installed, why)),
        Err(failure) => Err(failure),
    };
    match verified {
        Ok(verified) => commit(engine, installed, verified, listener),
        Err(failure) => roll_back(engine, installed.journal, installed.transaction, failure, listener),
    }
}

/// Looks, refuses what cannot work, keeps what is there, and writes the new beside the old.
fn stage(engine: &Engine<'_>, change: &Change, listener: &mut dyn Listener) -> Result<Staged, Failure> {
    let host = engine.host;
    let bench = Bench { host, trust: host.trusting(change.demands.trusted_owner) };
    refuse_while_running(change)?;
    let looks = images(host, &change.slots, change.demands.trusted_owner)?;
    let mut acts: Vec<Act> = Vec::new();
    let tag = Digest::of(change.target.as_bytes()).short();
    let number = vault::Vault::open(&engine.state, &change.target)?.map_or(Ok(1), |vault| vault.next())?;
    for (index, step) in change.steps.iter().enumerate() {
        let staged = format!(".reseal-{}-{number}-{index}", &tag[..8]);
        acts.push(bench.capture(step, staged, &acts)?);
    }
    Bench::agree(&acts, &looks)?;
    enough_room(engine, change, &bench, &acts)?;
    pre_check(engine, change, listener)?;
    let probes = look_around(engine, change);

    let vault = Vault::open_or_make(&engine.state, &change.target)?;
    vault.sweep()?;
    let backup = keep_found(engine, change, &vault, &looks, listener)?;
    let generation = vault.next()?;
    let begin = Begin {
        format: journal::FORMAT,
        target: change.target.clone(),
        verb: change.verb.to_owned(),
        why: change.why.clone(),
        actor: actor(),
        began: host.now(),
        generation,
        backup,
        before: leaf_of(&change.slots, &looks).map(|leaf| leaf.fingerprint),
        after: change.leaf.as_ref().map(|leaf| leaf.fingerprint),
        trusted_owner: change.demands.trusted_owner,
        acts,
        retire: change.retire.clone(),
        apply: change.apply.clone(),
        probes,
        limits: change.limits,
    };
    let journal = Journal::begin(&engine.state, &begin)?;
    let transaction = Transaction::new(begin);
    let written = keep_made(engine, change, &vault, &transaction.begin, &looks).and_then(|()| {
        for (step, act) in change.steps.iter().zip(&transaction.begin.acts) {
            bench.stage(step, act)?;
        }
        let places = bench.places(&transaction.begin.acts)?;
        sync(&places)?;
        bench.unchanged(&transaction.begin.acts, &places)?;
        if host.interrupted().is_some() {
            return Err(Failure::new("a signal asked to stop"));
        }
        Ok(())
    });
    match written {
        Ok(()) => Ok(Staged { journal, transaction }),
        Err(mut failure) => {
            let swept = bench.clear(&transaction.begin.acts, true).map_err(Failure::from);
            if let Err(left) = swept.and_then(|()| journal.close().map_err(Failure::from)) {
                failure.hint =
                    Some(format!("`reseal recover` removes what was written beside the files ({})", left.why));
            }
            Err(failure)
        }
    }
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
    let mut needs: BTreeMap<u64, (crate::host::dir::Room, u64, u64, String)> = BTreeMap::new();
    let mut need = |room: crate::host::dir::Room, path: String, bytes: u64, files: u64| {
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
    for (room, bytes, files, path) in needs.into_values() {
        if room.read_only {
            return Err(
                DiskError { what: "write to", path: path.into(), source: rustix::io::Errno::ROFS.into() }.into()
            );
        }
        let wanted = bytes.max(change.demands.min_free);
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
    }
    Ok(())
}

fn block(bytes: u64) -> u64 {
    bytes.div_ceil(4096) * 4096
}

/// The service's own configuration test before anything is touched. A failure refuses the change, unless the change may be what
/// mends it.
fn pre_check(engine: &Engine<'_>, change: &Change, listener: &mut dyn Listener) -> Result<(), Failure> {
    let Some(check) = &change.apply.check else { return Ok(()) };
    listener.hear(&Event::Running { what: "check", command: check.clone() });
    let ran = engine.host.run(check);
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
    let shown: Vec<Shown> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            change.probes.iter().map(|(probe, _)| scope.spawn(move || engine.host.probe(probe, limit))).collect();
        let lost = || Shown::Failing { why: "the probe itself failed".to_owned() };
        asked.into_iter().map(|thread| thread.join().unwrap_or_else(|_| lost())).collect()
    });
    let probes = change.probes.iter().zip(shown);
    probes.map(|((probe, wanted), before)| Watched { probe: probe.clone(), before, wanted: *wanted }).collect()
}

/// Makes sure that what is there now is kept, and says under which number.
fn keep_found(
    engine: &Engine<'_>,
    change: &Change,
    vault: &Vault,
    looks: &[(std::path::PathBuf, Look)],
    listener: &mut dyn Listener,
) -> Result<u32, Failure> {
    if let Some(generation) = kept(vault, &change.slots, looks)? {
        return Ok(generation);
    }
    let generation = vault.next()?;
    let slots = change.slots.iter().zip(looks).map(|(slot, (_, look))| saved(slot, &look.image)).collect();
    let contents: Vec<Option<&Sensitive>> = looks.iter().map(|(_, look)| look.content.as_ref()).collect();
    let manifest = manifest(engine, change, generation, Origin::Found, slots, leaf_of(&change.slots, looks));
    vault.save(&manifest, &contents)?;
    listener.hear(&Event::BackedUp { target: change.target.clone(), generation });
    Ok(generation)
}

/// Keeps what will be there: what is obtained is never lost, and can be put back after somebody else overwrites it.
fn keep_made(
    engine: &Engine<'_>,
    change: &Change,
    vault: &Vault,
    begin: &Begin,
    looks: &[(std::path::PathBuf, Look)],
) -> Result<(), Failure> {
    let mut slots = Vec::new();
    let mut contents = Vec::new();
    for (slot, (real, look)) in change.slots.iter().zip(looks) {
        let made = change.steps.iter().zip(&begin.acts).find_map(|(step, act)| match (step, &act.after) {
            (Step::PutFile { slot: for_slot, content, .. }, after @ Image::File { .. }) if *for_slot == slot.path => {
                Some((after, content))
            }
            (Step::RemoveFile { path }, after) if path == real => {
                Some((after, EMPTY.get_or_init(|| Sensitive::from(Vec::new()))))
            }
            _ => None,
        });
        match made {
            Some((Image::Absent, _)) => {
                slots.push(saved(slot, &Image::Absent));
                contents.push(None);
            }
            Some((image, content)) => {
                slots.push(saved(slot, image));
                contents.push(Some(content));
            }
            None => {
                slots.push(saved(slot, &look.image));
                contents.push(look.content.as_ref());
            }
        }
    }
    let manifest = manifest(engine, change, begin.generation, origin(change), slots, change.leaf.clone());
    Ok(vault.save(&manifest, &contents)?)
}

static EMPTY: std::sync::OnceLock<Sensitive> = std::sync::OnceLock::new();

fn manifest(
    engine: &Engine<'_>,
    change: &Change,
    generation: u32,
    origin: Origin,
    slots: Vec<Saved>,
    leaf: Option<installed::Leaf>,
) -> Manifest {
    Manifest {
        format: vault::FORMAT,
        target: change.target.clone(),
        generation,
        taken: engine.host.now(),
        origin,
        slots,
        leaf,
        apply: change.apply.clone(),
        probes: change.probes.iter().map(|(probe, _)| probe.clone()).collect(),
    }
}

fn saved(slot: &Slot, image: &Image) -> Saved {
    let file = match image {
        Image::File { sha256, attributes } => Some(SavedFile { sha256: *sha256, attributes: attributes.clone() }),
        Image::Absent | Image::Link { .. } | Image::Dir { .. } => None,
    };
    Saved { path: slot.path.clone(), role: slot.role, file }
}

fn leaf_of(slots: &[Slot], looks: &[(std::path::PathBuf, Look)]) -> Option<installed::Leaf> {
    let parts = slots.iter().zip(looks);
    let parts: Vec<_> =
        parts.filter_map(|(slot, (_, look))| Some((slot.role, look.content.as_ref()?.expose()))).collect();
    installed::read(&parts).leaf()
}

/// The acts could not all be done.
struct NotInstalled {
    staged: Staged,
    failure: Failure,
    /// Every place already holds again what it held, including what somebody else wrote there meanwhile.
    reversed: bool,
}

/// Announces the acts, does them, and makes them durable.
fn install(engine: &Engine<'_>, mut staged: Staged, listener: &mut dyn Listener) -> Result<Installed, NotInstalled> {
    let begin = &staged.transaction.begin;
    let bench = Bench { host: engine.host, trust: engine.host.trusting(begin.trusted_owner) };
    for act in &begin.acts {
        listener.hear(&Event::Installing { path: act.path.clone() });
    }
    let ready = bench.places(&begin.acts).and_then(|places| {
        staged.journal.mark(&Mark::Installing)?;
        Ok(places)
    });
    let places = match ready {
        Ok(places) => places,
        Err(error) => return Err(NotInstalled { staged, failure: error.into(), reversed: true }),
    };
    let done = bench.act(&begin.acts, &places).and_then(|()| sync(&places));
    staged.transaction.marks.push(Mark::Installing);
    match done {
        Ok(()) => Ok(Installed { journal: staged.journal, transaction: staged.transaction }),
        Err(error) => {
            let reversed = matches!(error, StepError::Foreign { .. });
            Err(NotInstalled { staged, failure: error.into(), reversed })
        }
    }
}

/// Ends a transaction whose every place is already as it was found.
fn withdraw(engine: &Engine<'_>, staged: Staged, failure: Failure) -> Outcome {
    let begin = &staged.transaction.begin;
    let bench = Bench { host: engine.host, trust: engine.host.trusting(begin.trusted_owner) };
    let cleared = bench.clear(&begin.acts, true).map_err(Failure::from);
    close_undone(engine, cleared, staged.journal, begin, failure)
}

/// Whether the service has been told.
enum Taken {
    /// It has.
    Up,
    /// Its own configuration is broken for other reasons, so it was not.
    NotYet { why: String },
}

/// The service's own test, then its reload.
fn apply(
    engine: &Engine<'_>,
    change: &Change,
    installed: &mut Installed,
    listener: &mut dyn Listener,
) -> Result<Taken, Failure> {
    let apply = installed.transaction.begin.apply.clone();
    if apply.check.is_some() || apply.reload.is_some() {
        installed.journal.mark(&Mark::Applying)?;
        installed.transaction.marks.push(Mark::Applying);
    }
    for (what, command) in [("check", &apply.check), ("reload", &apply.reload)] {
        let Some(command) = command else { continue };
        listener.hear(&Event::Running { what, command: command.clone() });
        let ran = engine.host.run(command);
        if ran.ok() {
            continue;
        }
        if what == "check" && change.demands.config_test == ConfigTest::MayFail {
            return Ok(Taken::NotYet {
                why: format!("`{command}` fails for another reason: it {ran}; the service was not reloaded"),
            });
        }
        return Err(Failure::new(format!("the {what} command `{command}` {ran}")));
    }
    Ok(Taken::Up)
}

fn unproved(installed: &Installed, why: String) -> Verified {
    let watched = installed.transaction.begin.probes.iter();
    let not_served = watched.map(|watched| (watched.probe.clone(), watched.before.clone())).collect();
    Verified { proof: Proof::ReadBack { why }, not_served }
}

/// Handshakes until every probe shows the new leaf, or time is up.
fn prove(engine: &Engine<'_>, installed: &Installed, listener: &mut dyn Listener) -> Result<Verified, Failure> {
    let begin = &installed.transaction.begin;
    if begin.probes.is_empty() {
        let why = "no place where it is served was configured".to_owned();
        return Ok(Verified { proof: Proof::ReadBack { why }, not_served: Vec::new() });
    }
    let questions = verify::after_install(&begin.probes);
    let answers = verify::ask(engine.host, &questions, begin.limits, true, listener);
    if answers.interrupted {
        return Err(Failure::new("a signal asked to stop before the new certificate was seen to be served"));
    }
    let listened = |probe: &Probe| {
        begin.probes.iter().any(|watched| watched.probe == *probe && !matches!(watched.before, Shown::Nobody { .. }))
    };
    if let Some((probe, shown)) = answers.bad.iter().find(|(probe, _)| listened(probe)) {
        let seconds = begin.limits.verify / 1000;
        let still_old = matches!(shown, Shown::Leaf { fingerprint, .. } if Some(*fingerprint) == begin.before);
        let verb = if still_old { "still shows the OLD" } else { "shows" };
        return Err(Failure {
            why: format!("{probe} {verb} {shown} after {seconds} s, not the new certificate"),
            hint: Some("the reload did not take the new files up: does the service read these paths, and does the reload command reach it?".to_owned()),
        });
    }
    let all_absent = answers.bad.len() == begin.probes.len();
    let proof = if all_absent {
        let still = answers.bad.iter().all(|(_, shown)| matches!(shown, Shown::Nobody { .. }));
        let why = if still {
            "nothing listened, before or after"
        } else {
            "nothing listened before, and what answers now does not show the new certificate"
        };
        Proof::ReadBack { why: why.to_owned() }
    } else {
        Proof::Handshakes { count: answers.good }
    };
    Ok(Verified { proof, not_served: answers.bad })
}

/// The new state stands. From here on an interruption is finished, not undone.
fn commit(engine: &Engine<'_>, mut installed: Installed, verified: Verified, listener: &mut dyn Listener) -> Outcome {
    let receipt = receipt(engine, &installed.transaction.begin, End::Committed { proof: verified.proof });
    let mark = Mark::Committed { receipt: receipt.clone() };
    if let Err(error) = installed.journal.mark(&mark) {
        let failure = Failure {
            hint: error.hint().map(str::to_owned),
            why: format!("the commit could not be written: {}", explain(&error)),
        };
        return roll_back(engine, installed.journal, installed.transaction, failure, listener);
    }
    let finished = finish(engine, &installed.transaction.begin, &receipt);
    let tidied = finished.and_then(|()| Ok(installed.journal.close()?)).map_err(Failure::from);
    match tidied {
        Ok(()) => Outcome::Committed { receipt, not_served: verified.not_served },
        Err(failure) => {
            Outcome::Stuck {
                slot: engine.state.root().path().to_owned(),
                why: format!(
                    "the new certificate is installed and served, but the records could not be completed: {}",
                    failure.why
                ),
                hint: Some(failure.hint.map_or_else(
                    || "then `reseal recover`".to_owned(),
                    |hint| format!("{hint}; then `reseal recover`"),
                )),
            }
        }
    }
}

/// What is left to do once a transaction is committed; may be repeated.
pub(super) fn finish(engine: &Engine<'_>, begin: &Begin, receipt: &Receipt) -> Result<(), StepError> {
    let bench = Bench { host: engine.host, trust: engine.host.trusting(begin.trusted_owner) };
    bench.clear(&begin.acts, false)?;
    for path in &begin.retire {
        bench.retire(path)?;
    }
    Vault::open_or_make(&engine.state, &begin.target)?.set_current(begin.generation)?;
    Ok(ledger::add(&engine.state, receipt)?)
}

/// The service is as it was before, or a person is needed.
fn roll_back(
    engine: &Engine<'_>,
    journal: Journal,
    transaction: Transaction,
    failure: Failure,
    listener: &mut dyn Listener,
) -> Outcome {
    listener.hear(&Event::Undoing { why: failure.why.clone() });
    let undone = undo::files(engine.host, &engine.state, &transaction.begin)
        .and_then(|_| undo::service(engine.host, &transaction, true, listener));
    match undone {
        Ok(()) => close_undone(engine, Ok(()), journal, &transaction.begin, failure),
        Err(Stuck { slot, why, hint }) => {
            Outcome::Stuck { slot, why: format!("{why} (undo of: {})", failure.why), hint }
        }
    }
}

/// Records that everything is as it was before, and ends the transaction.
fn close_undone(
    engine: &Engine<'_>,
    cleared: Result<(), Failure>,
    journal: Journal,
    begin: &Begin,
    failure: Failure,
) -> Outcome {
    let receipt = receipt(engine, begin, End::RolledBack { why: failure.why.clone() });
    let closed = cleared.and_then(|()| Ok(ledger::add(&engine.state, &receipt).and_then(|()| journal.close())?));
    match closed {
        Ok(()) => Outcome::RolledBack { receipt, why: failure.why, hint: failure.hint },
        Err(error) => Outcome::Stuck {
            slot: engine.state.root().path().to_owned(),
            why: format!(
                "{}; everything is as it was before, but that could not be recorded: {}",
                failure.why, error.why
            ),
            hint: Some("`reseal recover` completes the record".to_owned()),
        },
    }
}

/// What goes into the ledger.
pub(super) fn receipt(engine: &Engine<'_>, begin: &Begin, end: End) -> Receipt {
    Receipt {
        target: begin.target.clone(),
        generation: begin.generation,
        verb: begin.verb.clone(),
        at: engine.host.now(),
        actor: begin.actor.clone(),
        why: begin.why.clone(),
        before: begin.before,
        after: begin.after,
        end,
    }
}
