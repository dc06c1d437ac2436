//! An order under way, and what came of it until that is installed.
//!
//! ```text
//! STATE/acme/order/TARGET.KIND     the key, the order's URL once there is one, the chain once there is one; readable by its owner
//! ```
//!
//! The key is here before the CA is asked to certify it, the URL as soon as the server has said it, and the chain before anybody installs
//! it. So a run that is killed goes on with its order, and a certificate whose installation failed is installed without another.

use std::ffi::{OsStr, OsString};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::challenge::Challenge;
use super::error::AcmeError;
use super::judge;
use super::place::{area, existing_area, keep};
use crate::cert::codec;
use crate::cert::{Bundle, Certificate, Generate, Name, PrivateKey};
use crate::digest::Digest;
use crate::host::dir::Dir;
use crate::host::state::{State, absent_is_none, file_name};
use crate::sensitive::Sensitive;

const ORDERS: &str = "order";
const FORMAT: u32 = 1;

/// A wish for one certificate.
pub struct Wanted {
    /// The target it is for.
    pub target: String,
    /// The names, exactly these; never empty.
    pub names: Vec<Name>,
    /// The kind of key to make.
    pub kind: Generate,
    /// A key to use instead of a new one.
    pub keep: Option<PrivateKey>,
    /// How the names are proved.
    pub challenge: Challenge,
    /// The profile to ask for.
    pub profile: Option<String>,
    /// The common name of the issuer at the top of the chain that is preferred where there are several.
    pub preferred_chain: Option<String>,
    /// The certificate that this one follows.
    pub replaces: Option<Certificate>,
    /// Keys that the target was given before, by the SHA-256 of their public halves: a new one is none of them.
    pub used: Vec<Digest>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    account: String,
    directory: String,
    names: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain: Option<String>,
}

impl Drop for Record {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

/// An order of one target, on disk.
pub(super) struct Pending {
    dir: Dir,
    file: OsString,
    record: Record,
}

impl Pending {
    /// What an earlier run has left for exactly this wish, or a fresh one with a key on disk. What was left for another wish is
    /// dropped.
    pub(super) fn open(state: &State, account: &str, directory: &str, wanted: &Wanted) -> Result<Self, AcmeError> {
        let dir = area(state, ORDERS)?;
        let file = file_of(wanted);
        if let Some(found) = read(&dir, &file)?
            && found.is_for(account, directory, wanted)
            // What came of it was not good enough to be taken from the shelf: another is wanted.
            && found.chain.is_none()
        {
            return Ok(Self { dir, file, record: found });
        }
        let pem = match &wanted.keep {
            Some(key) => key.to_pem(),
            None => PrivateKey::generate(wanted.kind).map_err(|_| AcmeError::Crypto)?.to_pem(),
        };
        let key = String::from_utf8(pem.expose().to_vec()).map_err(|_| AcmeError::Crypto)?;
        let record = Record {
            format: FORMAT,
            account: account.to_owned(),
            directory: directory.to_owned(),
            names: words(&wanted.names),
            profile: wanted.profile.clone(),
            key,
            order: None,
            chain: None,
        };
        let pending = Self { dir, file, record };
        pending.save()?;
        Ok(pending)
    }

    pub(super) fn order(&self) -> Option<&str> {
        self.record.order.as_deref()
    }

    pub(super) fn key(&self) -> Result<PrivateKey, AcmeError> {
        let damaged =
            || AcmeError::Damaged { path: self.dir.path().join(&self.file), why: "it holds no private key".to_owned() };
        key_in(&self.record).ok_or_else(damaged)
    }

    pub(super) fn set_order(&mut self, url: Option<&str>) -> Result<(), AcmeError> {
        self.record.order = url.map(str::to_owned);
        self.save()
    }

    /// What was issued, and was found to be good, is on disk before it is installed. Until then the order's URL is, under which the server
    /// gives the chain again: a run that dies in between loses nothing, and there is never a chain on disk that nobody has judged.
    pub(super) fn set_chain(&mut self, chain: Option<&str>) -> Result<(), AcmeError> {
        self.record.chain = chain.map(str::to_owned);
        self.save()
    }

    /// After a certificate that cannot be used: neither its order nor its key are used again.
    pub(super) fn discard(&self) -> Result<(), AcmeError> {
        self.dir.unlink(&self.file)?;
        Ok(self.dir.sync()?)
    }

    fn save(&self) -> Result<(), AcmeError> {
        let bytes = Sensitive::of_json(&self.record)
            .map_err(|error| AcmeError::Damaged { path: self.dir.path().join(&self.file), why: error.to_string() })?;
        let name = self.file.to_str().ok_or(AcmeError::Crypto)?;
        Ok(keep(&self.dir, name, &bytes)?)
    }
}

impl Record {
    fn is_for(&self, account: &str, directory: &str, wanted: &Wanted) -> bool {
        let Some(key) = key_in(self) else { return false };
        let right_key = match &wanted.keep {
            Some(kept) => kept.spki() == key.spki(),
            None => wanted.kind.kind() == *key.kind() && !wanted.used.contains(&Digest::of(key.spki())),
        };
        right_key
            && self.account == account
            && self.directory == directory
            && self.names == words(&wanted.names)
            && self.profile == wanted.profile
    }
}

/// What was obtained for exactly this wish, if it is valid at `now` and its leaf is `good` to the caller, which has [forgotten](forget) what
/// was installed. Asks nobody.
///
/// # Errors
/// The record cannot be read.
pub fn shelved(
    state: &State,
    account: &str,
    directory: &str,
    wanted: &Wanted,
    now: OffsetDateTime,
    good: &dyn Fn(&Certificate) -> bool,
) -> Result<Option<Bundle>, AcmeError> {
    let Some(dir) = existing_area(state, ORDERS)? else { return Ok(None) };
    let Some(record) = read(&dir, &file_of(wanted))? else { return Ok(None) };
    let Some(chain) = record.chain.as_deref().filter(|_| record.is_for(account, directory, wanted)) else {
        return Ok(None);
    };
    let Some(key) = key_in(&record) else { return Ok(None) };
    let bundle = judge::bundle(chain, &key, &wanted.names, now);
    Ok(bundle.ok().filter(|bundle| good(bundle.leaf())))
}

/// Whether an order of this wish is under way.
///
/// # Errors
/// The record cannot be read.
pub fn begun(state: &State, wanted: &Wanted) -> Result<bool, AcmeError> {
    let Some(dir) = existing_area(state, ORDERS)? else { return Ok(false) };
    Ok(read(&dir, &file_of(wanted))?.is_some_and(|record| record.order.is_some() && record.chain.is_none()))
}

/// Whether anything is under way, or on the shelf, for a target.
///
/// # Errors
/// The directory cannot be read.
pub fn waits(state: &State, target: &str) -> Result<bool, AcmeError> {
    let Some(dir) = existing_area(state, ORDERS)? else { return Ok(false) };
    let prefix = prefix_of(target);
    Ok(dir.names()?.iter().any(|name| name.to_string_lossy().starts_with(&prefix)))
}

/// Forgets what was obtained for a target and has, by the fingerprint of its leaf, been installed since: it is kept as a generation.
///
/// # Errors
/// A call failed.
pub fn forget(state: &State, target: &str, installed: &dyn Fn(Digest) -> bool) -> Result<(), AcmeError> {
    let Some(dir) = existing_area(state, ORDERS)? else { return Ok(()) };
    let prefix = prefix_of(target);
    for name in dir.names()? {
        if !name.to_string_lossy().starts_with(&prefix) {
            continue;
        }
        let done = read(&dir, &name)?.is_some_and(|record| {
            let read = record.chain.as_ref().and_then(|chain| codec::read(chain.as_bytes(), None).ok());
            read.is_some_and(|read| read.certificates.iter().any(|one| installed(one.fingerprint())))
        });
        if done {
            dir.unlink(&name)?;
            dir.sync()?;
        }
    }
    Ok(())
}

fn read(dir: &Dir, file: &OsStr) -> Result<Option<Record>, AcmeError> {
    let Some(bytes) = absent_is_none(dir.read(file))? else { return Ok(None) };
    // One that cannot be read is of no use, and the next order replaces it.
    Ok(serde_json::from_slice::<Record>(bytes.expose()).ok().filter(|record| record.format == FORMAT))
}

fn key_in(record: &Record) -> Option<PrivateKey> {
    codec::read(record.key.as_bytes(), None).ok()?.keys.into_iter().next()
}

fn words(names: &[Name]) -> Vec<String> {
    let mut words: Vec<String> = names.iter().map(ToString::to_string).collect();
    words.sort();
    words.dedup();
    words
}

fn prefix_of(target: &str) -> String {
    format!("{}.", file_name(target).to_string_lossy())
}

/// A target may need a pair of each kind of key.
fn file_of(wanted: &Wanted) -> OsString {
    format!("{}{}", prefix_of(&wanted.target), wanted.kind).into()
}
