//! An ACME account on disk.
//!
//! ```text
//! STATE/acme/account/NAME/account     directory, contacts, the account's URL once the server has named it
//! STATE/acme/account/NAME/key         its key
//! STATE/acme/account/NAME/key.next    the key that is to follow, while it is exchanged
//! ```
//!
//! A key is on disk before the server hears of it. What a run that was killed has left is settled by asking the server which key it
//! knows (RFC 8555 section 7.3.1).

mod record;

use std::ffi::OsStr;
use std::path::PathBuf;

use time::OffsetDateTime;

use self::record::Record;
use super::error::AcmeError;
use super::jws::{AccountKey, Binding};
use super::place::{AREA, area, existing_area, keep};
use super::problem::{Problem, cut};
use super::server::{Known, Server};
use crate::host::Host;
use crate::host::dir::{Dir, DiskError};
use crate::host::http::Web;
use crate::host::state::{State, absent_is_none, file_name};
use crate::sensitive::Sensitive;

pub use self::record::Standing;

const ACCOUNTS: &str = "account";
const RECORD: &str = "account";
const KEY: &str = "key";
const NEXT: &str = "key.next";
const NAME_MOST: usize = 64;

/// What is asked of a new account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Its name on this machine.
    pub name: String,
    /// The server's directory.
    pub directory: String,
    /// A file with the roots to trust for the server's own HTTPS; none: those of the system.
    pub root: Option<PathBuf>,
    /// Where the CA may write to: `mailto:` addresses.
    pub contacts: Vec<String>,
    /// Whether a person has agreed to the server's terms.
    pub agreed: bool,
}

/// An account.
pub struct Account {
    name: String,
    dir: Dir,
    record: Record,
    key: AccountKey,
}

impl Account {
    /// The account of this name.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn find(state: &State, name: &str) -> Result<Self, AcmeError> {
        check_name(name)?;
        let area = accounts(state)?;
        let dir = area.as_ref().map(|area| absent_is_none(area.sub(&file_name(name)))).transpose()?.flatten();
        let finished = dir.map(|dir| Ok::<_, DiskError>((begun(&dir)?, dir))).transpose()?;
        match finished {
            Some((true, dir)) => Self::read(name, dir),
            Some((false, _)) | None => Err(AcmeError::Missing { name: name.to_owned(), known: names(area.as_ref())? }),
        }
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// One of them is damaged, or the directory cannot be read.
    pub fn all(state: &State) -> Result<Vec<Self>, AcmeError> {
        let Some(area) = accounts(state)? else { return Ok(Vec::new()) };
        names(Some(&area))?.into_iter().map(|name| Self::read(&name, area.sub(&file_name(&name))?)).collect()
    }

    /// Where an account of this name lies, or would.
    #[must_use]
    pub fn place_of(host: &Host, name: &str) -> PathBuf {
        host.state_dir().join(AREA).join(ACCOUNTS).join(file_name(name))
    }

    fn read(name: &str, dir: Dir) -> Result<Self, AcmeError> {
        let damaged = |file: &str, why: &str| AcmeError::Damaged { path: dir.path().join(file), why: why.to_owned() };
        let text = dir.read(OsStr::new(RECORD))?;
        let record = record::read(text.expose()).map_err(|why| damaged(RECORD, &why))?;
        let pem = dir.read(OsStr::new(KEY))?;
        let key = AccountKey::read(&pem).ok_or_else(|| damaged(KEY, "it holds no P-256 key"))?;
        Ok(Self { name: name.to_owned(), dir, record, key })
    }

    /// Begins an account: its key and what is wanted are on disk when this returns, and nobody else knows of them. One that was begun
    /// before with the same directory is gone on with, so is one that is there already and was made by the same words; one that was
    /// deactivated makes place.
    ///
    /// # Errors
    /// The name is none or taken by another, or a call failed.
    pub fn begin(state: &State, wanted: &Registration, now: OffsetDateTime) -> Result<Self, AcmeError> {
        check_name(&wanted.name)?;
        let area = area(state, ACCOUNTS)?;
        let name = file_name(&wanted.name);
        if let Some(dir) = absent_is_none(area.sub(&name))? {
            if begun(&dir)? {
                let mut found = Self::read(&wanted.name, dir)?;
                match found.record.standing {
                    Standing::Begun if found.record.directory == wanted.directory => {
                        found.record.contacts.clone_from(&wanted.contacts);
                        found.record.root.clone_from(&wanted.root);
                        found.save()?;
                        return Ok(found);
                    }
                    // Asked for a second time: the server is asked whether it still knows it.
                    Standing::Valid if found.record.is_as(wanted) => return Ok(found),
                    Standing::Begun | Standing::Valid => {
                        return Err(AcmeError::Exists { name: found.name, directory: found.record.directory });
                    }
                    Standing::Deactivated => sweep(&found.dir)?,
                }
            } else {
                sweep(&dir)?;
            }
        }
        let dir = area.sub_or_make(&name, 0o700)?;
        let key = AccountKey::generate()?;
        let record = Record::begun(wanted, now);
        keep(&dir, KEY, &Sensitive::from(key.pem().expose().to_vec()))?;
        let account = Self { name: wanted.name.clone(), dir, record, key };
        account.save()?;
        Ok(account)
    }

    /// Registers an account, unless it is. The server is asked first whether it knows the key, as it does when an earlier run was killed right
    /// after registering. For a key whose account has ended, which no other can be made for, there is a new one.
    ///
    /// # Errors
    /// The terms were not agreed to, an external account is wanted, the server refuses, or the answer could not be kept; then
    /// running it again finds the same account.
    pub fn register(&mut self, web: &Web, agreed: bool, binding: Option<&Binding>) -> Result<(), AcmeError> {
        let server = Server::open(web, &self.record.directory)?;
        server.admit(&self.record.directory, agreed, binding.is_some())?;
        self.settle_with(&server)?;
        let known = server.account_of(&self.key)?;
        if known == Known::Ended {
            self.begin_anew()?;
        }
        let id = match known {
            Known::At(id) => id,
            Known::Nobody | Known::Ended => server.register(&self.key, &self.record.contacts, agreed, binding)?,
        };
        self.record.id = Some(id);
        self.record.standing = Standing::Valid;
        self.save()
    }

    fn begin_anew(&mut self) -> Result<(), AcmeError> {
        self.record.standing = Standing::Begun;
        self.record.id = None;
        self.save()?;
        let key = AccountKey::generate()?;
        keep(&self.dir, KEY, &Sensitive::from(key.pem().expose().to_vec()))?;
        self.key = key;
        Ok(())
    }

    /// Why the server refuses an order of this account: where it says that it knows none, or none that may order, it is asked for the one
    /// that has this key.
    #[must_use]
    pub fn explain(&self, web: &Web, error: AcmeError) -> AcmeError {
        let gone = |problem: &Problem| problem.is("accountDoesNotExist") || problem.is("unauthorized");
        let AcmeError::Refused(problem) = &error else { return error };
        if !gone(problem) {
            return error;
        }
        let known = Server::open(web, &self.record.directory).and_then(|server| server.account_of(&self.key));
        let why = match known {
            Ok(Known::Nobody) => "knows it no more",
            Ok(Known::Ended) => "has deactivated it",
            Ok(Known::At(_)) | Err(_) => return error,
        };
        AcmeError::Gone { name: self.name.clone(), directory: self.record.directory.clone(), why }
    }

    /// Gives the account another key, which is on disk before the server hears of it.
    ///
    /// # Errors
    /// The server refuses, or a call failed. Whatever happened, the next run finds out which key the server knows.
    pub fn roll_key(&mut self, web: &Web) -> Result<(), AcmeError> {
        self.id()?;
        let server = Server::open(web, &self.record.directory)?;
        self.settle_with(&server)?;
        let id = self.id()?.to_owned();
        let next = AccountKey::generate()?;
        keep(&self.dir, NEXT, &Sensitive::from(next.pem().expose().to_vec()))?;
        match server.change_key(&id, &self.key, &next) {
            Ok(()) => self.promote(next),
            // A relay between may have said it after the server had taken the key, so the server is asked which it knows.
            Err(AcmeError::Refused(problem)) => {
                let wanted = next.thumbprint();
                match self.settle_with(&server) {
                    Ok(()) if self.thumbprint() == wanted => Ok(()),
                    Ok(()) | Err(_) => Err(self.explain(web, AcmeError::Refused(problem))),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Ends what an interrupted exchange of keys has left. Asks the server only when there is something to settle.
    ///
    /// # Errors
    /// The server cannot be asked, or knows neither key.
    pub fn settle(&mut self, web: &Web) -> Result<(), AcmeError> {
        if absent_is_none(self.dir.read(OsStr::new(NEXT)))?.is_none() {
            return Ok(());
        }
        let server = Server::open(web, &self.record.directory)?;
        self.settle_with(&server)
    }

    fn settle_with(&mut self, server: &Server<'_>) -> Result<(), AcmeError> {
        let Some(pem) = absent_is_none(self.dir.read(OsStr::new(NEXT)))? else { return Ok(()) };
        let Some(next) = AccountKey::read(&pem) else { return Ok(self.dir.unlink(OsStr::new(NEXT))?) };
        match (server.account_of(&next)?, &self.record.id) {
            (Known::Nobody, _) => Ok(self.dir.unlink(OsStr::new(NEXT))?),
            (Known::At(known), Some(id)) if known != *id => Err(AcmeError::Broken(format!(
                "it names another account, {}, for the key that is to follow; both keys are kept",
                cut(&known)
            ))),
            (Known::At(_) | Known::Ended, _) => self.promote(next),
        }
    }

    fn promote(&mut self, next: AccountKey) -> Result<(), AcmeError> {
        self.dir.rename_over(OsStr::new(NEXT), OsStr::new(KEY))?;
        self.dir.sync()?;
        self.key = next;
        Ok(())
    }

    /// Ends the account at the server, for ever. Its files stay until another of that name is made. One that the server has ended already,
    /// as it has where a run was killed before it could keep the answer, or does not know any more, is at its end.
    ///
    /// # Errors
    /// The server refuses or cannot be asked.
    pub fn deactivate(&mut self, web: &Web) -> Result<(), AcmeError> {
        if self.record.standing != Standing::Begun {
            self.id()?;
        }
        let server = Server::open(web, &self.record.directory)?;
        self.settle_with(&server)?;
        // One that was begun: whether the server has heard of it is not told here.
        let id = match self.id() {
            Ok(id) => Known::At(id.to_owned()),
            Err(_) => server.account_of(&self.key)?,
        };
        let ended = match id {
            Known::At(id) => server.deactivate(&id, &self.key),
            Known::Nobody | Known::Ended => Ok(()),
        };
        match ended.map_err(|error| self.explain(web, error)) {
            Ok(()) | Err(AcmeError::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
        self.record.standing = Standing::Deactivated;
        self.save()
    }

    /// Its name on this machine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's directory.
    #[must_use]
    pub fn directory(&self) -> &str {
        &self.record.directory
    }

    /// The file with the roots to trust for the server's HTTPS.
    #[must_use]
    pub fn root(&self) -> Option<&PathBuf> {
        self.record.root.as_ref()
    }

    /// Where the CA may write to.
    #[must_use]
    pub fn contacts(&self) -> &[String] {
        &self.record.contacts
    }

    /// How it stands, as far as this machine knows.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.record.standing
    }

    /// When it was begun, UTC.
    #[must_use]
    pub fn created(&self) -> OffsetDateTime {
        self.record.created
    }

    /// The thumbprint of its key (RFC 7638), as servers show it.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.key.thumbprint()
    }

    /// Where it lies.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Its URL at the server.
    ///
    /// # Errors
    /// It was never registered, or is deactivated.
    pub fn id(&self) -> Result<&str, AcmeError> {
        match (self.record.standing, &self.record.id) {
            (Standing::Valid, Some(id)) => Ok(id),
            (Standing::Deactivated, _) => {
                Err(AcmeError::Deactivated { name: self.name.clone(), directory: self.record.directory.clone() })
            }
            (Standing::Begun | Standing::Valid, _) => {
                Err(AcmeError::Unregistered { name: self.name.clone(), directory: self.record.directory.clone() })
            }
        }
    }

    /// Its URL, where the server has named one.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.record.id.as_deref()
    }

    pub(super) fn key(&self) -> &AccountKey {
        &self.key
    }

    fn save(&self) -> Result<(), AcmeError> {
        let mut bytes = serde_json::to_vec_pretty(&self.record)
            .map_err(|error| AcmeError::Damaged { path: self.dir.path().join(RECORD), why: error.to_string() })?;
        bytes.push(b'\n');
        Ok(keep(&self.dir, RECORD, &Sensitive::from(bytes))?)
    }
}

fn accounts(state: &State) -> Result<Option<Dir>, DiskError> {
    existing_area(state, ACCOUNTS)
}

/// Whether the record, which is written last, is there.
fn begun(dir: &Dir) -> Result<bool, DiskError> {
    Ok(absent_is_none(dir.read(OsStr::new(RECORD)))?.is_some())
}

fn names(area: Option<&Dir>) -> Result<Vec<String>, DiskError> {
    let Some(area) = area else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for name in area.names()?.into_iter().filter_map(|name| name.into_string().ok()) {
        if check_name(&name).is_ok() && begun(&area.sub(OsStr::new(&name))?)? {
            found.push(name);
        }
    }
    Ok(found)
}

/// The record goes first: without it, nothing else counts.
fn sweep(dir: &Dir) -> Result<(), DiskError> {
    dir.unlink(OsStr::new(RECORD))?;
    dir.sync()?;
    for name in dir.names()? {
        dir.unlink(&name)?;
    }
    Ok(())
}

/// Whether the name is one that may become a directory and be written in a configuration.
fn check_name(name: &str) -> Result<(), AcmeError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed);
    if good && name.len() <= NAME_MOST { Ok(()) } else { Err(AcmeError::Name(name.to_owned())) }
}
