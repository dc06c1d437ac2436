//! `trust remove`: what reseal has added goes again, and nothing else.

use super::ground::{Ground, Known, named, record};
use super::install::changed;
use super::{Intended, carry_out, recorded};
use crate::digest::Digest;
use crate::flow::{Refusal, Report, Session};
use crate::host::state::State;
use crate::outcome::Outcome;
use crate::trust::system::java_still_holds;
use crate::trust::{Entry, Record, Standing, Store};

const VERB: &str = "trust remove";

/// Digits of a fingerprint that tell certificates apart.
pub(super) const FEWEST_DIGITS: usize = 8;

/// What is not to be trusted any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remove {
    /// Its name here, or its fingerprint: SHA-256 in hexadecimal, with or without colons, or the beginning of it.
    pub which: String,
    /// Where; none: wherever reseal has added it.
    pub stores: Vec<Store>,
}

/// Takes it out of the stores, each as one transaction.
///
/// # Errors
/// reseal has not added it there; a store's own refusal is in its report.
pub fn remove(session: &mut Session<'_>, wanted: &Remove) -> Result<Vec<Report>, Refusal> {
    let known = recorded(session)?;
    let stores = if wanted.stores.is_empty() { &known } else { &wanted.stores };
    let mut meant = Vec::new();
    for store in stores {
        let (_, record, _) = record(session.host, store, false)?;
        if let Some(entry) = find(&record, &wanted.which) {
            meant.push((store.clone(), entry.fingerprint));
        }
    }
    if meant.is_empty() {
        return Err(unknown(wanted));
    }
    let for_all = Known::default();
    let mut reports = Vec::new();
    for (store, fingerprint) in meant {
        let own = Known::default();
        let known = if named(session) { &for_all } else { &own };
        reports.push(one(session, &store, fingerprint, known));
    }
    Ok(reports)
}

fn one(session: &mut Session<'_>, store: &Store, fingerprint: Digest, known: &Known) -> Report {
    let build = |session: &Session<'_>, ground: &Ground, state: Option<&State>| {
        let mut intended = Intended::default();
        let secret = known.of(ground, session)?;
        if let Some(entry) = ground.record.of(fingerprint) {
            match ground.standing(session.host, entry, secret) {
                Standing::InPlace | Standing::NotTakenUp => intended.remove.push(entry.clone()),
                Standing::Gone => {
                    intended.notes.push(format!("somebody else had removed {} already", entry.name));
                    intended.forget.push(entry.clone());
                }
                Standing::Changed => return Err(changed(store, entry)),
                Standing::Unknown(why) => {
                    return Err(Refusal::new(format!("cannot tell how {} stands in {store}: {why}", entry.name))
                        .hint("see to it that the store can be read, then run the same command again"));
                }
            }
        }
        ground.make(session, state, intended, secret)
    };
    let mut report = carry_out(session, store, VERB, &build);
    let done = matches!(report.outcome, Outcome::Committed { .. });
    if let Some(path) = (done && *store == Store::System).then(|| java_still_holds(session.host, fingerprint)).flatten()
    {
        report.notes.push(format!(
            "{path} still holds it: the system's hook for Java hears of what is added alone; `keytool -delete -keystore {path}` with the alias that `keytool -list` tells takes it out"
        ));
    }
    report
}

/// The entry that a word means: a name first.
fn find<'r>(record: &'r Record, word: &str) -> Option<&'r Entry> {
    record.named(word).or_else(|| {
        let digits: String = word.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
        let is_one = digits.len() >= FEWEST_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut found = record.entries.iter().filter(|entry| entry.fingerprint.to_string().starts_with(&digits));
        let first = found.next().filter(|_| is_one)?;
        found.next().is_none().then_some(first)
    })
}

fn unknown(wanted: &Remove) -> Refusal {
    let place = match wanted.stores.as_slice() {
        [] => "any store".to_owned(),
        stores => stores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    Refusal::new(format!(
        "reseal has added nothing that is called {:?} to {place}, and removes nothing that others have put there",
        wanted.which
    ))
    .hint("`reseal trust list` tells what reseal has added")
}
