//! One hierarchy of a CA on disk: its certificates, what was chosen for it, its keys.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::error::CaError;
use super::fields::Published;
use super::founded::{ISSUER, ISSUER_KEY, PROFILE, ROOT, ROOT_KEY};
use super::hierarchy::Hierarchy;
use super::profile::Profile;
use crate::cert::codec::{self, BlockError};
use crate::cert::{Certificate, PrivateKey, Signed, issued_by};
use crate::host::dir::{Dir, DiskError};
use crate::host::state::absent_is_none;
use crate::sensitive::Sensitive;

/// A hierarchy of a CA. A CA has one, and while its root is being changed two.
pub struct Held {
    pub(super) number: u32,
    pub(super) dir: Dir,
    pub(super) hierarchy: Hierarchy,
    pub(super) profile: Profile,
}

impl Held {
    pub(super) fn read(number: u32, dir: Dir) -> Result<Self, CaError> {
        let hierarchy = hierarchy(&dir)?;
        let profile = dir.read(OsStr::new(PROFILE)).map_err(|error| absent(&dir, PROFILE, error))?;
        let profile = Profile::read(profile.expose()).map_err(|why| damaged(&dir, PROFILE, why))?;
        Ok(Self { number, dir, hierarchy, profile })
    }

    /// Its number: 1 for what the CA was made with, one more for each time it got a new root.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its certificates.
    #[must_use]
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// What is told about it in the certificates it issues.
    #[must_use]
    pub fn published(&self) -> &Published {
        &self.profile.published
    }

    /// Where what clients must trust lies: the root; where that is not known, the certificates of the CA itself.
    #[must_use]
    pub fn root_path(&self) -> PathBuf {
        self.dir.path().join(if self.hierarchy.root().is_some() { ROOT } else { ISSUER })
    }

    /// Whether the root is another certificate than what issues, and its key is on this machine.
    ///
    /// # Errors
    /// A call failed.
    pub fn keeps_root_key(&self) -> Result<bool, CaError> {
        Ok(self.key_file() == ISSUER_KEY && absent_is_none(self.dir.read(OsStr::new(ROOT_KEY)))?.is_some())
    }

    /// The file of the key that issues.
    pub(super) fn key_file(&self) -> &'static str {
        if self.hierarchy.root() == Some(self.hierarchy.issuer()) { ROOT_KEY } else { ISSUER_KEY }
    }

    /// Opens the key that issues.
    pub(super) fn open(&self, ca: &str, passphrase: &Sensitive) -> Result<PrivateKey, CaError> {
        let (file, certificate) = match self.key_file() {
            ROOT_KEY => (ROOT_KEY, ROOT),
            file => (file, ISSUER),
        };
        let sealed = self.dir.read(OsStr::new(file)).map_err(|error| absent(&self.dir, file, error))?;
        let contents =
            codec::read(sealed.expose(), Some(passphrase)).map_err(|why| damaged(&self.dir, file, why.to_string()))?;
        if let Some(bad) = contents.bad.into_iter().next() {
            return Err(if matches!(bad.why, BlockError::WrongPassphrase) {
                CaError::WrongPassphrase(ca.to_owned())
            } else {
                damaged(&self.dir, file, bad.why.to_string())
            });
        }
        let mut keys = contents.keys.into_iter();
        match (keys.next(), keys.next()) {
            (Some(key), None) if key.matches(self.hierarchy.issuer()) => Ok(key),
            (Some(_), None) => Err(damaged(&self.dir, file, format!("it is not the key of {certificate}"))),
            (Some(_) | None, _) => Err(damaged(&self.dir, file, "it does not hold one key".to_owned())),
        }
    }
}

/// The certificates of a hierarchy, also of one that was put away.
pub(super) fn hierarchy(dir: &Dir) -> Result<Hierarchy, CaError> {
    let issuers = certificates(dir, ISSUER)?;
    let root = match certificates(dir, ROOT)? {
        Some(root) => match root.as_slice() {
            [_] => Some(root),
            _ => return Err(damaged(dir, ROOT, "it does not hold one certificate".to_owned())),
        },
        // Only that of a CA from elsewhere may be unknown.
        None if issuers.is_some() => None,
        None => return Err(damaged(dir, ROOT, "it is missing".to_owned())),
    };
    let all: Vec<Certificate> = issuers.into_iter().chain(root).flatten().collect();
    if let Some(pair) = all.windows(2).find(|pair| issued_by(&pair[0], &pair[1]) != Signed::Verified) {
        let why = format!("{} is not issued by {}", pair[0].title(), pair[1].title());
        return Err(damaged(dir, ISSUER, why));
    }
    Hierarchy::of(all).ok_or_else(|| damaged(dir, ISSUER, "it holds no certificate".to_owned()))
}

/// What a file holds; none where it is not there.
fn certificates(dir: &Dir, file: &str) -> Result<Option<Vec<Certificate>>, CaError> {
    let Some(pem) = absent_is_none(dir.read(OsStr::new(file)))? else { return Ok(None) };
    match codec::read(pem.expose(), None) {
        Ok(contents) if contents.bad.is_empty() => Ok(Some(contents.certificates)),
        Ok(_) => Err(damaged(dir, file, "it holds what is no certificate".to_owned())),
        Err(error) => Err(damaged(dir, file, error.to_string())),
    }
}

pub(super) fn absent(dir: &Dir, file: &str, error: DiskError) -> CaError {
    if error.is_absent() { damaged(dir, file, "it is missing".to_owned()) } else { error.into() }
}

pub(super) fn damaged(dir: &Dir, file: &str, why: String) -> CaError {
    CaError::Damaged { path: dir.path().join(file), why }
}
