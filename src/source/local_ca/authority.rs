//! A local CA on disk.

use std::path::PathBuf;

use time::OffsetDateTime;

use super::certify::{self, MOST_DAYS, Signer, Subject};
use super::error::CaError;
use super::founded::ROOT;
use super::held::Held;
use super::permitted::Permitted;
use super::profile::check_name;
use super::record::{self, Issued, Line, Record};
use super::succession::{FIRST, Succession};
use crate::cert::{Bundle, Certificate, Chain, Name, PrivateKey, Request};
use crate::change::Image;
use crate::host::Host;
use crate::host::dir::{Dir, DiskError};
use crate::host::state::{State, absent_is_none, file_name};
use crate::sensitive::Sensitive;

/// A local CA, its key still locked.
pub struct Authority {
    pub(super) name: String,
    pub(super) dir: Dir,
    /// The one that issues.
    pub(super) active: Held,
    /// All others that are not retired, by their numbers.
    pub(super) others: Vec<Held>,
    pub(super) succession: Succession,
}

/// A local CA whose key is open, and proved to be the CA's.
pub struct Unlocked {
    pub(super) authority: Authority,
    pub(super) key: PrivateKey,
}

/// A wish for one server certificate.
pub struct LeafOrder {
    /// The names it is for, the first also as common name where that can hold it; never empty.
    pub names: Vec<Name>,
    /// The server's key.
    pub key: PrivateKey,
    /// How long it lives; less where the CA does.
    pub days: u32,
    /// The target it is for, for the record.
    pub target: Option<String>,
}

impl Authority {
    /// The CA of this name.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn find(state: &State, name: &str) -> Result<Self, CaError> {
        check_name(name)?;
        let area = state.existing_area(AREA)?;
        match &area {
            Some(area) if absent_is_none(area.sub(&file_name(name)))?.is_some() => Self::read(name, area),
            Some(_) | None => Err(CaError::Missing { name: name.to_owned(), known: names(area.as_ref())? }),
        }
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// One of them is damaged, or the directory cannot be read.
    pub fn all(state: &State) -> Result<Vec<Self>, CaError> {
        let Some(area) = state.existing_area(AREA)? else { return Ok(Vec::new()) };
        names(Some(&area))?.into_iter().map(|name| Self::read(&name, &area)).collect()
    }

    /// The names of all of them, also of those that are damaged.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn names(state: &State) -> Result<Vec<String>, CaError> {
        Ok(names(state.existing_area(AREA)?.as_ref())?)
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

    pub(super) fn read(name: &str, area: &Dir) -> Result<Self, CaError> {
        let open = || area.sub(&file_name(name));
        let dir = open()?;
        let succession = Succession::read(&dir)?;
        let (mut active, mut others) = (None, Vec::new());
        for number in succession.standing(&dir)? {
            let place = if number == FIRST { open()? } else { dir.sub(number.to_string().as_ref())? };
            let held = Held::read(number, place)?;
            if number == succession.active { active = Some(held) } else { others.push(held) }
        }
        let active = active.ok_or_else(|| succession.without_active(&dir))?;
        Ok(Self { name: name.to_owned(), dir, active, others, succession })
    }

    /// Its name on this machine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hierarchy that issues.
    #[must_use]
    pub fn active(&self) -> &Held {
        &self.active
    }

    /// The next one, which clients are given before it issues.
    #[must_use]
    pub fn next(&self) -> Option<&Held> {
        self.others.iter().find(|held| held.number > self.active.number)
    }

    /// Those that issued before, and are trusted until the last certificate of theirs is replaced.
    pub fn former(&self) -> impl Iterator<Item = &Held> {
        self.others.iter().filter(|held| held.number < self.active.number)
    }

    /// All that clients should trust now, by number.
    #[must_use]
    pub fn standing(&self) -> Vec<&Held> {
        let mut all: Vec<&Held> = self.others.iter().chain([&self.active]).collect();
        all.sort_by_key(|held| held.number);
        all
    }

    /// The certificate furthest up: its root, where that is known.
    #[must_use]
    pub fn root(&self) -> &Certificate {
        self.active.hierarchy.top()
    }

    /// Where the root lies, to be given to clients.
    #[must_use]
    pub fn root_path(&self) -> PathBuf {
        self.active.root_path()
    }

    /// The names it may sign, and all below them.
    #[must_use]
    pub fn permitted(&self) -> &[Permitted] {
        &self.active.profile.permitted
    }

    /// How many further CAs may stand below it; none where it does not say.
    #[must_use]
    pub fn path_length(&self) -> Option<u8> {
        self.active.profile.path_length
    }

    /// When it was made or taken over, UTC.
    #[must_use]
    pub fn created(&self) -> OffsetDateTime {
        self.active.profile.created
    }

    /// Whether it was made elsewhere.
    #[must_use]
    pub fn imported(&self) -> bool {
        self.active.profile.imported
    }

    /// What it has issued and revoked.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn record(&self) -> Result<Record, CaError> {
        Ok(Record::read(&self.dir)?)
    }

    /// When it last did anything, UTC.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn newest(&self) -> Result<OffsetDateTime, CaError> {
        Ok(record::newest(&self.dir)?.unwrap_or_else(|| self.created()))
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
        let hierarchy = &self.active.hierarchy;
        if now > hierarchy.not_after() {
            return Err(CaError::Expired { ca: self.name.clone(), on: hierarchy.not_after() });
        }
        if now < hierarchy.not_before() {
            return Err(CaError::NotYetValid { ca: self.name.clone(), from: hierarchy.not_before() });
        }
        Ok(())
    }

    /// When a certificate of `days` days that is issued at `now` would end, UTC.
    #[must_use]
    pub fn end_of(&self, days: u32, now: OffsetDateTime) -> OffsetDateTime {
        certify::end_of(&self.active.hierarchy, days, now)
    }

    /// Opens its key.
    ///
    /// # Errors
    /// The passphrase is another, or the key is damaged or not the CA's.
    pub fn unlock(self, passphrase: &Sensitive) -> Result<Unlocked, CaError> {
        let key = self.active.open(&self.name, passphrase)?;
        Ok(Unlocked { authority: self, key })
    }
}

impl Unlocked {
    /// The CA.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Issues a certificate: proved to verify for every name at `now`, and written into the record, before anybody gets it.
    /// The chain is without the root, which clients have.
    ///
    /// # Errors
    /// As [`Authority::admit`]; or what came out is not what was ordered; or it could not be recorded.
    pub fn issue(&self, order: LeafOrder, now: OffsetDateTime) -> Result<Bundle, CaError> {
        let names = once_each(order.names);
        let subject = Subject { names: &names, spki: order.key.spki(), kind: order.key.kind() };
        let chain = self.certify(&subject, order.days, now)?;
        let bundle = Bundle::pair(chain, order.key).map_err(|_| CaError::Other("it is for another key"))?;
        self.write_down(bundle.leaf(), order.target.as_deref(), now)?;
        Ok(bundle)
    }

    /// Issues a certificate for the key of somebody else's request. Of all that it asks for nothing is taken but `names`, which are
    /// for the caller to choose from those of the request.
    ///
    /// # Errors
    /// As [`Unlocked::issue`].
    pub fn sign(&self, request: &Request, names: Vec<Name>, days: u32, now: OffsetDateTime) -> Result<Chain, CaError> {
        let names = once_each(names);
        let kind = request.key_kind();
        let subject = Subject { names: &names, spki: request.spki(), kind: &kind };
        let chain = self.certify(&subject, days, now)?;
        self.write_down(chain.leaf(), None, now)?;
        Ok(chain)
    }

    fn certify(&self, subject: &Subject<'_>, days: u32, now: OffsetDateTime) -> Result<Chain, CaError> {
        let authority = &self.authority;
        authority.admit(subject.names, days, now)?;
        let active = &authority.active;
        let signer = Signer { hierarchy: &active.hierarchy, key: &self.key, published: &active.profile.published };
        certify::leaf(&signer, subject, days, now)
    }

    fn write_down(&self, leaf: &Certificate, target: Option<&str>, now: OffsetDateTime) -> Result<(), CaError> {
        let issued = Issued::of(leaf, self.authority.active.number, target, now);
        Ok(record::add(&self.authority.dir, &Line::Issued(issued))?)
    }
}

pub(super) const AREA: &str = "ca";

pub(super) fn vacant(area: &Dir, name: &str) -> Result<(), CaError> {
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

fn once_each(names: Vec<Name>) -> Vec<Name> {
    let mut once: Vec<Name> = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// `*.lan` and the like.
fn below_top_level(name: &Name) -> bool {
    match name {
        Name::Dns(name) => name.strip_prefix("*.").is_some_and(|domain| !domain.contains('.')),
        Name::Ip(_) => false,
    }
}
