//! A local CA on disk.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use time::OffsetDateTime;

use super::certify::{self, LeafOrder, MOST_DAYS};
use super::error::CaError;
use super::permitted::Permitted;
use super::profile::{Founded, Profile, check_name};
use super::record::{self, Issued, Record};
use crate::cert::codec::{self, BlockError};
use crate::cert::{Bundle, Certificate, Name, PrivateKey};
use crate::change::Image;
use crate::host::Host;
use crate::host::attributes;
use crate::host::dir::{Dir, DiskError};
use crate::host::state::{State, absent_is_none, file_name};
use crate::sensitive::Sensitive;

/// A local CA, its key still locked.
pub struct Authority {
    name: String,
    dir: Dir,
    root: Certificate,
    profile: Profile,
}

/// A local CA whose key is open, and proved to be the root's.
pub struct Unlocked {
    authority: Authority,
    key: PrivateKey,
}

impl Authority {
    /// The CA of this name.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn find(state: &State, name: &str) -> Result<Self, CaError> {
        check_name(name)?;
        let area = state.existing_area(AREA)?;
        let dir = area.as_ref().map(|area| absent_is_none(area.sub(&file_name(name)))).transpose()?.flatten();
        match dir {
            Some(dir) => Self::read(name, dir),
            None => Err(CaError::Missing { name: name.to_owned(), known: names(area.as_ref())? }),
        }
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// One of them is damaged, or the directory cannot be read.
    pub fn all(state: &State) -> Result<Vec<Self>, CaError> {
        let Some(area) = state.existing_area(AREA)? else { return Ok(Vec::new()) };
        names(Some(&area))?.into_iter().map(|name| Self::read(&name, area.sub(&file_name(&name))?)).collect()
    }

    /// Where the root of a CA of this name lies, or would.
    #[must_use]
    pub fn root_of(host: &Host, name: &str) -> PathBuf {
        host.state_dir().join(AREA).join(file_name(name)).join(ROOT)
    }

    /// Whether the name is still free.
    ///
    /// # Errors
    /// It is not, or it is none.
    pub fn vacant(state: &State, name: &str) -> Result<(), CaError> {
        check_name(name)?;
        match state.existing_area(AREA)? {
            Some(area) => vacant(&area, name),
            None => Ok(()),
        }
    }

    fn read(name: &str, dir: Dir) -> Result<Self, CaError> {
        let bytes = |file| dir.read(OsStr::new(file)).map_err(|error| absent(&dir, file, error));
        let pem = bytes(ROOT)?;
        let root = match codec::read(pem.expose(), None) {
            Ok(contents) => match contents.certificates.as_slice() {
                [root] if contents.bad.is_empty() => Ok(root.clone()),
                _ => Err("it does not hold one certificate".to_owned()),
            },
            Err(error) => Err(error.to_string()),
        };
        let root = root.map_err(|why| damaged(&dir, ROOT, why))?;
        let profile = Profile::read(bytes(PROFILE)?.expose()).map_err(|why| damaged(&dir, PROFILE, why))?;
        Ok(Self { name: name.to_owned(), dir, root, profile })
    }

    /// Its name on this machine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its root, which clients must trust.
    #[must_use]
    pub fn root(&self) -> &Certificate {
        &self.root
    }

    /// Where the root lies, to be given to clients.
    #[must_use]
    pub fn root_path(&self) -> PathBuf {
        self.dir.path().join(ROOT)
    }

    /// The names it may sign, and all below them.
    #[must_use]
    pub fn permitted(&self) -> &[Permitted] {
        &self.profile.permitted
    }

    /// How many intermediates may stand below its root.
    #[must_use]
    pub fn path_length(&self) -> u8 {
        self.profile.path_length
    }

    /// When it was made, UTC.
    #[must_use]
    pub fn created(&self) -> OffsetDateTime {
        self.profile.created
    }

    /// What it has issued.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn record(&self) -> Result<Record, CaError> {
        Ok(Record::read(&self.dir)?)
    }

    /// Whether it could issue this at `now`: asked before anybody types a passphrase.
    ///
    /// # Errors
    /// A name is outside of what is permitted, the days are too many, or the CA's own time is over or not begun.
    pub fn admit(&self, names: &[Name], days: u32, now: OffsetDateTime) -> Result<(), CaError> {
        let outside: Vec<Name> =
            names.iter().filter(|name| !self.permitted().iter().any(|one| one.covers(name))).cloned().collect();
        if names.is_empty() {
            return Err(CaError::NoNames);
        }
        if !outside.is_empty() {
            let permitted = self.permitted().to_vec();
            return Err(CaError::NotPermitted { ca: self.name.clone(), names: outside, permitted });
        }
        if let Some(wide) = names.iter().find(|name| below_top_level(name)) {
            return Err(CaError::WideWildcard(wide.clone()));
        }
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(CaError::Days(days));
        }
        if now > self.root.not_after() {
            return Err(CaError::Expired { ca: self.name.clone(), on: self.root.not_after() });
        }
        if now < self.root.not_before() {
            return Err(CaError::NotYetValid { ca: self.name.clone(), from: self.root.not_before() });
        }
        Ok(())
    }

    /// When a certificate of `days` days that is issued at `now` would end, UTC.
    #[must_use]
    pub fn end_of(&self, days: u32, now: OffsetDateTime) -> OffsetDateTime {
        certify::end_of(&self.root, days, now)
    }

    /// Opens its key.
    ///
    /// # Errors
    /// The passphrase is another, or the key is damaged or not the root's.
    pub fn unlock(self, passphrase: &Sensitive) -> Result<Unlocked, CaError> {
        let sealed = self.dir.read(OsStr::new(KEY)).map_err(|error| absent(&self.dir, KEY, error))?;
        let contents =
            codec::read(sealed.expose(), Some(passphrase)).map_err(|why| damaged(&self.dir, KEY, why.to_string()))?;
        if let Some(bad) = contents.bad.into_iter().next() {
            return Err(if matches!(bad.why, BlockError::WrongPassphrase) {
                CaError::WrongPassphrase(self.name)
            } else {
                damaged(&self.dir, KEY, bad.why.to_string())
            });
        }
        let mut keys = contents.keys.into_iter();
        match (keys.next(), keys.next()) {
            (Some(key), None) if key.matches(&self.root) => Ok(Unlocked { authority: self, key }),
            (Some(_), None) => Err(damaged(&self.dir, KEY, format!("it is not the key of {ROOT}"))),
            (Some(_) | None, _) => Err(damaged(&self.dir, KEY, "it does not hold one key".to_owned())),
        }
    }
}

impl Unlocked {
    /// The CA.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Issues a certificate: proved to verify for every name at `now`, and written into the record, before anybody gets it.
    /// The chain is the leaf alone, for clients have the root.
    ///
    /// # Errors
    /// As [`Authority::admit`]; or what came out is not what was ordered; or it could not be recorded.
    pub fn issue(&self, order: LeafOrder, now: OffsetDateTime) -> Result<Bundle, CaError> {
        let authority = &self.authority;
        let mut names: Vec<Name> = Vec::new();
        for name in order.names {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        authority.admit(&names, order.days, now)?;
        let bundle = certify::leaf(&authority.root, &self.key, &names, order.key, order.days, now)?;
        record::add(&authority.dir, &Issued::of(bundle.leaf(), order.target.as_deref(), now))?;
        Ok(bundle)
    }
}

impl Founded {
    /// Keeps it: everything is written and synced under a hidden name, which one rename makes the CA. What an earlier attempt
    /// left behind is swept away.
    ///
    /// # Errors
    /// There is a CA of that name, or a call failed; then there is none.
    pub fn keep(&self, state: &State) -> Result<Authority, CaError> {
        let area = state.area(AREA)?;
        vacant(&area, &self.name)?;
        let name = file_name(&self.name);
        let mut hidden = OsString::from(".");
        hidden.push(&name);
        hidden.push(".new");
        sweep(&area, &hidden)?;
        let kept = self.write(&area, &hidden).and_then(|()| {
            area.rename_new(&hidden, &name)?;
            let synced = area.sync();
            if synced.is_err() {
                // Whether the name would last is not known, so it is taken back.
                area.rename_new(&name, &hidden)?;
            }
            Ok(synced?)
        });
        if let Err(error) = kept {
            // The failure is told; what cannot be swept now is swept by the next attempt.
            let _ = sweep(&area, &hidden);
            return Err(error);
        }
        Authority::read(&self.name, area.sub(&name)?)
    }

    fn write(&self, area: &Dir, hidden: &OsStr) -> Result<(), CaError> {
        let dir = area.make_dir(hidden, 0o700)?;
        let profile = self.profile.bytes().map_err(|error| DiskError {
            what: "encode",
            path: dir.path().join(PROFILE),
            source: error.into(),
        })?;
        let own = attributes::own(0o600);
        dir.stage(OsStr::new(KEY), &self.sealed, &own)?;
        dir.stage(OsStr::new(ROOT), &Sensitive::from(self.root.to_pem()), &own)?;
        dir.stage(OsStr::new(PROFILE), &Sensitive::from(profile), &own)?;
        dir.stage(OsStr::new(record::NAME), &Sensitive::from(Vec::new()), &own)?;
        dir.sync()?;
        Ok(())
    }
}

const AREA: &str = "ca";
const ROOT: &str = "root.pem";
const KEY: &str = "root.key";
const PROFILE: &str = "profile";

fn vacant(area: &Dir, name: &str) -> Result<(), CaError> {
    match area.look(&file_name(name))?.image {
        Image::Absent => Ok(()),
        Image::File { .. } | Image::Link { .. } | Image::Dir { .. } => {
            Err(CaError::Exists { name: name.to_owned(), path: area.path().join(file_name(name)) })
        }
    }
}

/// The names of those there are. Hidden ones were never finished.
fn names(area: Option<&Dir>) -> Result<Vec<String>, DiskError> {
    let Some(area) = area else { return Ok(Vec::new()) };
    let names = area.names()?.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| check_name(name).is_ok()).collect())
}

fn sweep(area: &Dir, hidden: &OsStr) -> Result<(), DiskError> {
    let Some(dir) = absent_is_none(area.sub(hidden))? else { return Ok(()) };
    for name in dir.names()? {
        dir.unlink(&name)?;
    }
    area.remove_dir(hidden)
}

/// `*.lan` and the like.
fn below_top_level(name: &Name) -> bool {
    match name {
        Name::Dns(name) => name.strip_prefix("*.").is_some_and(|domain| !domain.contains('.')),
        Name::Ip(_) => false,
    }
}

fn absent(dir: &Dir, file: &str, error: DiskError) -> CaError {
    if error.is_absent() { damaged(dir, file, "it is missing".to_owned()) } else { error.into() }
}

fn damaged(dir: &Dir, file: &str, why: String) -> CaError {
    CaError::Damaged { path: dir.path().join(file), why }
}
