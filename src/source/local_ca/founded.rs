//! A CA that is nowhere but in memory yet, and how it gets to the disk: whole or not at all.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::authority::{AREA, Authority, vacant};
use super::error::CaError;
use super::fields::Published;
use super::hierarchy::Hierarchy;
use super::permitted::Permitted;
use super::profile::Profile;
use super::record;
use crate::cert::Certificate;
use crate::host::Host;
use crate::host::attributes;
use crate::host::dir::{Dir, DiskError};
use crate::host::state::{State, absent_is_none, file_name};
use crate::sensitive::Sensitive;

/// The root.
pub(super) const ROOT: &str = "root.pem";
/// Its key, encrypted.
pub(super) const ROOT_KEY: &str = "root.key";
/// Where the root does not issue: what does, and all between it and the root.
pub(super) const ISSUER: &str = "issuer.pem";
/// Its key, encrypted.
pub(super) const ISSUER_KEY: &str = "issuer.key";
/// What was chosen.
pub(super) const PROFILE: &str = "profile";

/// A new CA that is nowhere but in memory.
#[must_use]
pub struct Founded {
    pub(super) name: String,
    pub(super) hierarchy: Hierarchy,
    /// The keys by their files, encrypted, as PEM.
    pub(super) keys: Vec<(&'static str, Sensitive)>,
    pub(super) profile: Profile,
}

impl Founded {
    /// Its certificates.
    #[must_use]
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// The certificate furthest up: its root, where that is known.
    #[must_use]
    pub fn root(&self) -> &Certificate {
        self.hierarchy.top()
    }

    /// Its name on this machine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names it may sign.
    #[must_use]
    pub fn permitted(&self) -> &[Permitted] {
        &self.profile.permitted
    }

    /// How many further CAs may stand below it; none where it does not say.
    #[must_use]
    pub fn path_length(&self) -> Option<u8> {
        self.profile.path_length
    }

    /// What is told about it in the certificates it issues.
    #[must_use]
    pub fn published(&self) -> &Published {
        &self.profile.published
    }

    /// Whether it was made elsewhere.
    #[must_use]
    pub fn imported(&self) -> bool {
        self.profile.imported
    }

    /// Where what clients must trust would lie.
    #[must_use]
    pub fn root_path(&self, host: &Host) -> PathBuf {
        let file = if self.hierarchy.root().is_some() { ROOT } else { ISSUER };
        Authority::root_of(host, &self.name).with_file_name(file)
    }

    /// Keeps it: everything is written and synced under a hidden name, which one rename makes the CA. What an earlier attempt
    /// left behind is swept away.
    ///
    /// # Errors
    /// There is a CA of that name, or a call failed; then there is none.
    pub fn keep(&self, state: &State) -> Result<Authority, CaError> {
        let area = state.area(AREA)?;
        vacant(&area, &self.name)?;
        let name = file_name(&self.name);
        self.keep_as(&area, &name, true)?;
        Authority::read(&self.name, &area)
    }

    /// Keeps it under a name of `area` that is free, with a record of its own if it is to have one.
    pub(super) fn keep_as(&self, area: &Dir, name: &OsStr, recorded: bool) -> Result<(), CaError> {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".new");
        sweep(area, &hidden)?;
        let kept = self.write(area, &hidden, recorded).and_then(|()| {
            area.rename_new(&hidden, name)?;
            let synced = area.sync();
            if synced.is_err() {
                // Whether the name would last is not known, so it is taken back.
                area.rename_new(name, &hidden)?;
            }
            Ok(synced?)
        });
        // The failure is told; what cannot be swept now is swept by the next attempt.
        kept.inspect_err(|_| {
            let _ = sweep(area, &hidden);
        })
    }

    fn write(&self, area: &Dir, hidden: &OsStr, recorded: bool) -> Result<(), CaError> {
        let dir = area.make_dir(hidden, 0o700)?;
        let profile = self.profile.bytes().map_err(|error| DiskError {
            what: "encode",
            path: dir.path().join(PROFILE),
            source: error.into(),
        })?;
        let own = attributes::own(0o600);
        for (file, sealed) in &self.keys {
            dir.stage(OsStr::new(file), sealed, &own)?;
        }
        let root = self.hierarchy.root();
        if let Some(root) = root {
            dir.stage(OsStr::new(ROOT), &Sensitive::from(root.to_pem()), &own)?;
        }
        let below: String =
            self.hierarchy.certificates().filter(|one| Some(*one) != root).map(Certificate::to_pem).collect();
        if !below.is_empty() {
            dir.stage(OsStr::new(ISSUER), &Sensitive::from(below), &own)?;
        }
        dir.stage(OsStr::new(PROFILE), &Sensitive::from(profile), &own)?;
        if recorded {
            dir.stage(OsStr::new(record::NAME), &Sensitive::from(Vec::new()), &own)?;
        }
        dir.sync()?;
        Ok(())
    }
}

fn sweep(area: &Dir, hidden: &OsStr) -> Result<(), DiskError> {
    let Some(dir) = absent_is_none(area.sub(hidden))? else { return Ok(()) };
    for name in dir.names()? {
        dir.unlink(&name)?;
    }
    area.remove_dir(hidden)
}
