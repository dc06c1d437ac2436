//! `secret set` and `secret forget`: what the keyrings keep.

use std::time::Duration;

use serde::Serialize;

use super::lock::{self, Need};
use crate::flow::{Refusal, Session};
use crate::host::passphrase::{self, Miss, Origin, PassphraseQuery, Stored};
use crate::outcome::explain;
use crate::sensitive::Sensitive;

/// Where a passphrase can be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the keyring of the desktop or the system, until it is forgotten.
    Keyring,
    /// In the kernel's keyring of this user, for some minutes.
    Kernel,
}

const UNLOCK: &str = "unlock it (it opens with the login), and do the same again";

impl Place {
    fn in_words(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::Kernel => "kernel keyring",
        }
    }
}

/// What is to be kept, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// In the keyring.
    Keyring,
    /// In the kernel's keyring for so long.
    Kernel(Duration),
}

/// What became of a passphrase in one place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Change {
    /// By what name every source knows it.
    pub label: String,
    /// What it opens.
    pub of: String,
    /// Where.
    pub place: Place,
    /// What was done.
    pub done: Done,
    /// Whether it was tried on what is locked with it; false where nothing here is.
    pub verified: bool,
    /// For how long the kernel keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
    /// Worth a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// It is kept there now.
    Kept,
    /// It is kept there now in place of another.
    Replaced,
    /// It was there already; nothing was written.
    Same,
    /// It would be kept there.
    WouldKeep,
    /// It was removed.
    Removed,
    /// It would be removed.
    WouldRemove,
    /// There was none.
    None,
    /// The place could not be asked, and keeps whatever it has; why is in the notes.
    NotReached,
}

/// Keeps a passphrase. Where something here is locked with it, it must open that.
///
/// # Errors
/// None was given, it opens nothing, the place has another or cannot be used. Then nothing was stored.
pub fn set(session: &Session<'_>, label: &str, kept: Kept) -> Result<Change, Refusal> {
    let need = lock::one(session, label)?;
    let secrets = &session.options.secrets;
    let query = PassphraseQuery {
        explicit: secrets.explicit(),
        may_prompt: secrets.may_prompt,
        // What it opens tells whether it was mistyped; without that, a second time does.
        new: need.lock.is_none(),
        of: Some(&need.label),
        ..PassphraseQuery::new(&need.label)
    };
    let (secret, origin) = passphrase::obtain_anew(session.host, &query).map_err(|error| lock::none(&error))?;
    let verified = verify(&need, &secret, &origin)?;
    let (place, minutes) = match kept {
        Kept::Keyring => (Place::Keyring, None),
        Kept::Kernel(lifetime) => (Place::Kernel, Some(lifetime.as_secs() / 60)),
    };
    let done = match kept {
        _ if session.options.dry_run => Done::WouldKeep,
        Kept::Keyring => in_keyring(session, &need, &secret)?,
        Kept::Kernel(lifetime) => {
            passphrase::cache(session.host, &need.label, &secret, lifetime)
                .map_err(|miss| not_kept(&need, place, &miss))?;
            Done::Kept
        }
    };
    let mut notes = Vec::new();
    if let Some(file) = &need.file {
        notes.push(format!(
            "the configuration names {}, and no other source is asked: take `passphrase_file` out for this one to be used",
            file.display()
        ));
    }
    if !verified {
        notes.push("nothing here is locked with it yet, so it was not tried".to_owned());
    }
    Ok(Change { label: need.label, of: need.of, place, done, verified, minutes, notes })
}

fn verify(need: &Need, secret: &Sensitive, origin: &Origin) -> Result<bool, Refusal> {
    match &need.lock {
        None => Ok(false),
        Some(lock) if lock.opens_with(secret)? => Ok(true),
        Some(_) => Err(lock::wrong(need, origin)),
    }
}

fn in_keyring(session: &Session<'_>, need: &Need, secret: &Sensitive) -> Result<Done, Refusal> {
    let options = &session.options;
    match passphrase::store(session.host, &need.label, secret, options.force, options.secrets.may_prompt) {
        Ok(Stored::New) => Ok(Done::Kept),
        Ok(Stored::Replaced) => Ok(Done::Replaced),
        Ok(Stored::Same) => Ok(Done::Same),
        Ok(Stored::Differs) => Err(Refusal::new(format!("the keyring has another passphrase as {}", need.label))
            .hint("it may open a key that is elsewhere now; where nobody needs it, `--force` replaces it")),
        Err(miss) => Err(not_kept(need, Place::Keyring, &miss)),
    }
}

fn not_kept(need: &Need, place: Place, miss: &Miss) -> Refusal {
    let refusal = Refusal::new(format!("cannot keep {} in the {}: {}", need.label, place.in_words(), explain(miss)));
    match (miss, place) {
        (Miss::Locked, _) => refusal.hint(UNLOCK),
        (_, Place::Keyring) => refusal.hint(format!(
            "a server has no such keyring: load the systemd credential reseal.{0} instead, or name a file by `passphrase_file` in the \
             configuration; `reseal secret set {0} --in kernel` spares typing it for some minutes",
            need.label
        )),
        (_, Place::Kernel) => refusal.hint("type it each time, or give it with --passphrase-file FILE"),
    }
}

/// Removes a passphrase from the keyrings. What something here is locked with is not removed from the keyring before it is clear
/// that there is another copy.
///
/// # Errors
/// It may be the last copy, or a keyring is locked. Then nothing was removed.
pub fn forget(session: &Session<'_>, label: &str, only: Option<Place>) -> Result<Vec<Change>, Refusal> {
    let need = lock::one(session, label)?;
    let mut changes = Vec::new();
    if only != Some(Place::Kernel) {
        changes.push(from_keyring(session, &need)?);
    }
    if only != Some(Place::Keyring) {
        changes.push(from_kernel(session, &need));
    }
    // Asked for alone, a place that cannot be reached is a failure.
    match changes.as_slice() {
        [Change { done: Done::NotReached, notes, place, .. }] => {
            let why = notes.first().map(String::as_str).unwrap_or_default();
            Err(Refusal::new(format!("cannot forget {} in the {}: {why}", need.label, place.in_words())))
        }
        _ => Ok(changes),
    }
}

fn change(need: &Need, place: Place, done: Done, verified: bool, notes: Vec<String>) -> Change {
    Change { label: need.label.clone(), of: need.of.clone(), place, done, verified, minutes: None, notes }
}

fn from_keyring(session: &Session<'_>, need: &Need) -> Result<Change, Refusal> {
    let sightings =
        passphrase::look(session.host, &PassphraseQuery::new(&need.label)).map_err(|error| lock::none(&error))?;
    let found = sightings.into_iter().find(|seen| seen.origin == Origin::Keyring).map(|seen| seen.found);
    let verified = match found {
        Some(Err(Miss::Absent)) | None => return Ok(change(need, Place::Keyring, Done::None, false, Vec::new())),
        Some(Err(miss @ Miss::Unavailable { .. })) => {
            return Ok(change(need, Place::Keyring, Done::NotReached, false, vec![explain(&miss)]));
        }
        Some(Ok(_) | Err(_)) => another_copy(session, need)?,
    };
    if session.options.dry_run {
        return Ok(change(need, Place::Keyring, Done::WouldRemove, verified, Vec::new()));
    }
    match passphrase::forget(session.host, &need.label, session.options.secrets.may_prompt) {
        Ok(removed) => {
            Ok(change(need, Place::Keyring, if removed { Done::Removed } else { Done::None }, verified, Vec::new()))
        }
        Err(miss) => {
            let refusal = Refusal::new(format!("cannot forget {} in the keyring: {}", need.label, explain(&miss)));
            let locked = matches!(miss, Miss::Locked);
            Err(if locked { refusal.hint(UNLOCK) } else { refusal })
        }
    }
}

/// Whether somebody has shown that there is another copy: by naming it, or by a source other than the keyrings that has it.
fn another_copy(session: &Session<'_>, need: &Need) -> Result<bool, Refusal> {
    let Some(locked) = &need.lock else { return Ok(false) };
    if session.options.force {
        return Ok(false);
    }
    let named = session.options.secrets.explicit();
    let query = PassphraseQuery { kept: false, ..need.query() };
    let query = PassphraseQuery { explicit: named.clone().or(query.explicit.clone()), ..query };
    match passphrase::obtain(session.host, &query) {
        Ok((secret, _)) if locked.opens_with(&secret)? => Ok(true),
        Ok((_, origin)) => Err(lock::wrong(need, &origin)),
        Err(error) if named.is_some() => Err(lock::none(&error)),
        Err(_) => Err(Refusal::new(format!("the keyring may have the last copy of {}, and {} is locked with it", need.label, need.of))
            .hint("show that you have it, with --passphrase-file or --passphrase-fd; or `--force`, and without a copy elsewhere what it locks is lost")),
    }
}

fn from_kernel(session: &Session<'_>, need: &Need) -> Change {
    let found = if session.options.dry_run {
        let seen = passphrase::look(session.host, &PassphraseQuery::new(&need.label)).unwrap_or_default();
        match seen.into_iter().find(|seen| seen.origin == Origin::Kernel).map(|seen| seen.found) {
            Some(Ok(_)) => Ok(Done::WouldRemove),
            Some(Err(Miss::Absent)) | None => Ok(Done::None),
            Some(Err(miss)) => Err(miss),
        }
    } else {
        let removed = passphrase::forget_cached(session.host, &need.label);
        removed.map(|removed| if removed { Done::Removed } else { Done::None })
    };
    match found {
        Ok(done) => change(need, Place::Kernel, done, false, Vec::new()),
        Err(miss) => change(need, Place::Kernel, Done::NotReached, false, vec![explain(&miss)]),
    }
}
