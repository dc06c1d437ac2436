//! Certificates that are issued by hand, for what is no target here.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use super::{Wanted, obtain, open_state};
use crate::cert::{Bundle, Certificate, codec};
use crate::change::{Image, Role};
use crate::digest::Digest;
use crate::flow::{Refusal, Session, output};
use crate::host::attributes;
use crate::host::dir::Dir;
use crate::source::local_ca::Authority;

/// A certificate that was written somewhere by hand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Written {
    /// Certificate and chain, readable by everybody.
    pub chain: PathBuf,
    /// The key, readable by its owner.
    pub key: PathBuf,
    /// SHA-256 of the certificate; none in a dry run, where there is none yet.
    pub fingerprint: Option<Digest>,
    /// Its serial number in hexadecimal, by which it can be revoked; none in a dry run.
    pub serial: Option<String>,
    /// Its last second, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
}

/// Issues a certificate into `fullchain.pem` and `privkey.pem` of a directory, an absolute path. Nothing is written over.
///
/// # Errors
/// As [`obtain`]; one of the files is there, or a call failed. Then neither is there. What a run that was killed has left is taken back by
/// the next one into the same directory.
pub fn issue(session: &mut Session<'_>, ca: &str, wanted: Wanted, directory: &Path) -> Result<Written, Refusal> {
    let dir = session.host.dir(directory, &session.host.trusting(None)).map_err(|error| {
        let refusal = Refusal::from(error);
        let elsewhere = || Some("name a directory that is there and may be written with --output".to_owned());
        Refusal { hint: refusal.hint.or_else(elsewhere), ..refusal }
    })?;
    let left = Left::of(&dir)?;
    if !session.options.dry_run {
        left.take_back(&dir)?;
    }
    // Before anything is issued, which would be recorded for nobody.
    for role in WRITTEN.into_iter().filter(|role| !(session.options.dry_run && left.own(*role))) {
        if dir.look(OsStr::new(role.file_name()))?.image != Image::Absent {
            let path = dir.path().join(role.file_name());
            return Err(Refusal::new(format!("cannot write {}: it is there already", path.display()))
                .hint("name another directory, or move the file away"));
        }
    }
    let written = |leaf: Option<&Certificate>, not_after| Written {
        chain: dir.path().join(Role::FullChain.file_name()),
        key: dir.path().join(Role::Key.file_name()),
        fingerprint: leaf.map(Certificate::fingerprint),
        serial: leaf.map(Certificate::serial),
        not_after,
    };
    if session.options.dry_run {
        let authority = Authority::find(&open_state(session, ca)?, ca)?;
        let now = session.host.now();
        authority.admit(&wanted.names, wanted.days, now)?;
        return Ok(written(None, authority.end_of(wanted.days, now)));
    }
    let bundle = obtain(session, ca, wanted)?;
    write(&dir, &bundle)?;
    Ok(written(Some(bundle.leaf()), bundle.leaf().not_after()))
}

/// The key first: a chain without its key is of no use to anybody.
const WRITTEN: [Role; 2] = [Role::Key, Role::FullChain];

/// What runs that were killed have left in a directory.
struct Left {
    /// Hidden files.
    hidden: Vec<OsString>,
    /// Whether a key got its name, and the chain of it did not: it is of no use to anybody, and in the way.
    key: bool,
}

impl Left {
    fn of(dir: &Dir) -> Result<Self, Refusal> {
        let mut left = Self { hidden: output::left(dir, OsStr::new(Role::Key.file_name()))?, key: false };
        let chains = output::left(dir, OsStr::new(Role::FullChain.file_name()))?;
        let named = |role: Role| dir.look(OsStr::new(role.file_name()));
        let key =
            named(Role::Key)?.content.and_then(|pem| codec::read(pem.expose(), None).ok()?.keys.into_iter().next());
        if let Some(key) = key.filter(|_| !chains.is_empty())
            && named(Role::FullChain)?.image == Image::Absent
        {
            // Whatever else is there under the name of a key is somebody's own.
            for chain in &chains {
                let chain = codec::read(dir.read(chain)?.expose(), None).map(|found| found.certificates);
                left.key |= chain.is_ok_and(|chain| chain.first().is_some_and(|leaf| key.matches(leaf)));
            }
        }
        left.hidden.extend(chains);
        Ok(left)
    }

    /// Whether what has the name of this role is such a file.
    fn own(&self, role: Role) -> bool {
        role == Role::Key && self.key
    }

    /// Removes it: the key before the chain by which it is known.
    fn take_back(&self, dir: &Dir) -> Result<(), Refusal> {
        if self.key {
            dir.unlink(OsStr::new(Role::Key.file_name()))?;
        }
        for name in &self.hidden {
            dir.unlink(name)?;
        }
        if self.key || !self.hidden.is_empty() {
            dir.sync()?;
        }
        Ok(())
    }
}

/// Writes both under hidden names, and gives them their own only when both are there.
fn write(dir: &Dir, bundle: &Bundle) -> Result<(), Refusal> {
    let hidden = |role: Role| output::hidden(OsStr::new(role.file_name()));
    let written = || {
        for role in WRITTEN {
            let mode = if role.holds_key() { 0o600 } else { 0o644 };
            dir.stage(&hidden(role), &bundle.content(role), &attributes::own(mode))?;
        }
        let mut published: Vec<Role> = Vec::new();
        let renamed = WRITTEN.into_iter().try_for_each(|role| {
            dir.rename_new(&hidden(role), OsStr::new(role.file_name()))?;
            published.push(role);
            Ok(())
        });
        renamed.and_then(|()| dir.sync()).inspect_err(|_| {
            for role in &published {
                // The first failure is the one to tell.
                let _ = dir.unlink(OsStr::new(role.file_name()));
            }
        })
    };
    written().map_err(|error| {
        for role in WRITTEN {
            let _ = dir.unlink(&hidden(role));
        }
        Refusal::from(error)
    })
}
