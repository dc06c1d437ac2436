//! `trust remove`: what reseal has added goes again, and nothing else.

use super::ground::{Ground, Known, named, record};
use super::install::changed;
use super::{Intended, Made, carry_out, names, recorded};
use crate::cert::Certificate;
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
    let meant = named_by(session, &wanted.which, &wanted.stores)?;
    let for_all = Known::default();
    let mut reports = Vec::new();
    for one in &meant {
        reports.push(take_out(session, one, &for_all, VERB, None));
    }
    Ok(reports)
}

/// What is to go from one store.
pub(in crate::flow) struct Meant {
    /// The store.
    pub store: Store,
    /// What goes.
    pub entries: Vec<Entry>,
    known: Known,
}

/// What reseal has added to these stores, or to any, under this name or fingerprint.
///
/// # Errors
/// It has added nothing of the kind.
pub(in crate::flow) fn named_by(session: &Session<'_>, which: &str, stores: &[Store]) -> Result<Vec<Meant>, Refusal> {
    let meant = meant(session, stores, &|record| find(record, which).into_iter().cloned().collect())?;
    if meant.is_empty() {
        return Err(unknown(which, stores));
    }
    Ok(meant)
}

/// What is meant of the records of these stores, or of all.
///
/// # Errors
/// A record cannot be read.
pub(in crate::flow) fn meant(
    session: &Session<'_>,
    stores: &[Store],
    entries: &dyn Fn(&Record) -> Vec<Entry>,
) -> Result<Vec<Meant>, Refusal> {
    let known = recorded(session)?;
    let stores = if stores.is_empty() { &known[..] } else { stores };
    let mut meant = Vec::new();
    for store in stores {
        let (_, record, _) = record(session.host, store, false)?;
        let entries = entries(&record);
        if !entries.is_empty() {
            meant.push(Meant { store: store.clone(), entries, known: Known::default() });
        }
    }
    Ok(meant)
}

impl Meant {
    /// Their names, for people.
    pub(in crate::flow) fn names(&self) -> String {
        names(&self.entries)
    }

    /// What the store trusts without them, whoever has put it there.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(in crate::flow) fn others(&self, session: &Session<'_>, for_all: &Known) -> Result<Vec<Certificate>, Refusal> {
        let ground = Ground::look(session, &self.store, false)?;
        let mut trusted = ground.trusted(session.host, self.known(session, for_all).of(&ground, session)?)?;
        trusted.retain(|one| self.entries.iter().all(|entry| entry.fingerprint != one.fingerprint()));
        Ok(trusted)
    }

    fn known<'k>(&'k self, session: &Session<'_>, for_all: &'k Known) -> &'k Known {
        if named(session) { for_all } else { &self.known }
    }
}

/// Takes them out, as one transaction of `verb`; `why` is told where the verb alone does not say it.
pub(in crate::flow) fn take_out(
    session: &mut Session<'_>,
    meant: &Meant,
    for_all: &Known,
    verb: &'static str,
    why: Option<&str>,
) -> Report {
    let store = &meant.store;
    let known = meant.known(session, for_all);
    let build = |session: &Session<'_>, ground: &Ground, state: Option<&State>| {
        let mut intended = Intended::default();
        let secret = known.of(ground, session)?;
        for entry in meant.entries.iter().filter_map(|entry| ground.record.of(entry.fingerprint)) {
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
        let made = ground.make(session, state, intended, secret)?;
        Ok(made.map(|made| Made { why: why.map_or_else(|| made.why.clone(), str::to_owned), ..made }))
    };
    let mut report = carry_out(session, store, verb, &build);
    let done = matches!(report.outcome, Outcome::Committed { .. });
    let held = |entry: &Entry| java_still_holds(session.host, entry.fingerprint);
    let held = meant.entries.iter().filter(|_| done && *store == Store::System).find_map(held);
    if let Some(path) = held {
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

fn unknown(which: &str, stores: &[Store]) -> Refusal {
    let place = match stores {
        [] => "any store".to_owned(),
        stores => stores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    Refusal::new(format!(
        "reseal has added nothing that is called {which:?} to {place}, and removes nothing that others have put there"
    ))
    .hint("`reseal trust list` tells what reseal has added")
}
