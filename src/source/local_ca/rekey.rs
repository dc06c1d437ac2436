//! A new root for a CA, in three steps: made beside the old one, then in use, then alone.

use std::ffi::OsStr;

use time::OffsetDateTime;

use super::authority::{AREA, Authority};
use super::error::CaError;
use super::founded::{Founded, ROOT_KEY};
use super::held::{self, Held};
use super::hierarchy::Hierarchy;
use super::listing::Unlisted;
use super::profile::Founding;
use super::record::{self, Exported, Line};
use super::succession::{self, FIRST, Succession};
use crate::cert::{Certificate, Generate, Signed, issued_by};
use crate::host::state::{State, absent_is_none, file_name};
use crate::sensitive::Sensitive;

/// Why a step cannot be taken now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotYet {
    /// It was made elsewhere, and so is its next one.
    #[error("it was made elsewhere, and only whoever made it can give it a new root")]
    Imported,
    /// There is a next one already.
    #[error("its next root is made already")]
    Waiting,
    /// There is no next one.
    #[error("it has no next root")]
    NoNext,
    /// Nobody was given the next one.
    #[error("its next root was given to nobody yet")]
    NotExported,
    /// There is no former one.
    #[error("it has no former root")]
    NoFormer,
    /// A former one is not put away yet.
    #[error("a former root of it is not retired yet")]
    FormerStands,
}

impl NotYet {
    /// What to do.
    #[must_use]
    pub fn hint(&self, ca: &str) -> String {
        match self {
            Self::Imported => {
                "import its successor under another name, and name that as `ca` of the targets".to_owned()
            }
            Self::Waiting => {
                format!("give it to the clients with `reseal ca export {ca}`; then `reseal ca rekey {ca} --switch`")
            }
            Self::NoNext => format!("make one: `reseal ca rekey {ca}`"),
            Self::NotExported => {
                format!("`reseal ca export {ca}` writes what clients must trust: give it to all of them first")
            }
            Self::NoFormer => format!("`reseal ca rekey {ca}` makes a new one"),
            Self::FormerStands => format!("`reseal ca rekey {ca} --retire` ends the change before this one"),
        }
    }
}

impl Authority {
    fn not_yet<T>(&self, why: NotYet) -> Result<T, CaError> {
        Err(CaError::NotYet { ca: self.name.clone(), why })
    }

    /// What its next root would be like: as the present one, with another name and another key.
    ///
    /// # Errors
    /// It has one already, a former one still stands, or it was made elsewhere.
    pub fn successor(&self, key: Option<Generate>, years: u32) -> Result<Founding, CaError> {
        if self.imported() {
            return self.not_yet(NotYet::Imported);
        }
        if self.next().is_some() {
            return self.not_yet(NotYet::Waiting);
        }
        if self.former().next().is_some() {
            return self.not_yet(NotYet::FormerStands);
        }
        let number = self.next_number()?;
        let root = self.root();
        let like = Generate::like(root.key_kind()).unwrap_or(Generate::P256);
        Ok(Founding {
            common_name: Some(numbered(&self.name, root.common_name().unwrap_or_default(), number)),
            years,
            key: key.unwrap_or(like),
            path_length: self.path_length().unwrap_or(0),
            intermediate: self.active.hierarchy.root() != Some(self.active.hierarchy.issuer()),
            published: self.active.profile.published.clone(),
            ..Founding::new(self.name.clone(), self.permitted().to_vec())
        })
    }

    /// First step: keeps a next root beside the present one, which goes on to issue.
    ///
    /// # Errors
    /// As [`Authority::successor`]; or a call failed, and then there is none.
    pub fn keep_next(&self, founded: &Founded) -> Result<(), CaError> {
        if self.next().is_some() {
            return self.not_yet(NotYet::Waiting);
        }
        let number = self.next_number()?;
        founded.keep_as(&self.dir, number.to_string().as_ref(), false)
    }

    /// The number that the next root gets.
    ///
    /// # Errors
    /// A call failed.
    pub fn next_number(&self) -> Result<u32, CaError> {
        Ok(self.succession.highest(&self.dir)?.saturating_add(1))
    }

    /// Whether the passphrase is that of the keys here, so that the next ones get the same.
    ///
    /// # Errors
    /// It is another, or a key is damaged.
    pub fn opens_with(&self, passphrase: &Sensitive) -> Result<(), CaError> {
        self.active.open(&self.name, passphrase).map(drop)
    }

    /// Whether the second step can be taken: the next root, which was given out.
    ///
    /// # Errors
    /// There is none, or it was given to nobody.
    pub fn ready_to_switch(&self) -> Result<&Held, CaError> {
        let Some(next) = self.next() else { return self.not_yet(NotYet::NoNext) };
        let fingerprint = next.hierarchy.top().fingerprint();
        if !self.record()?.exported.iter().any(|line| line.exported == fingerprint) {
            return self.not_yet(NotYet::NotExported);
        }
        Ok(next)
    }

    /// Second step: the next root issues from now on. What the former one has issued stays good.
    ///
    /// # Errors
    /// As [`Authority::ready_to_switch`]; or a call failed, and then nothing has changed.
    pub fn switch(&self) -> Result<(), CaError> {
        let active = self.ready_to_switch()?.number;
        let mut succession = self.succession.clone();
        succession.active = active;
        succession.write(&self.dir)
    }

    /// Whether the third step can be taken, as far as the CA alone knows: its former roots. What servers show is for the caller to ask.
    ///
    /// # Errors
    /// There is none.
    pub fn ready_to_retire(&self) -> Result<Vec<&Held>, CaError> {
        let former: Vec<&Held> = self.former().collect();
        if former.is_empty() {
            return self.not_yet(NotYet::NoFormer);
        }
        Ok(former)
    }

    /// Third step: the former roots are put away, and their keys removed. Their certificates and the record stay.
    ///
    /// # Errors
    /// As [`Authority::ready_to_retire`]; or a call failed. Then either nothing has changed, or only keys are left to be removed, which
    /// the next attempt does.
    pub fn retire(&self) -> Result<(), CaError> {
        // A kill may have left keys of what was put away.
        self.succession.sweep(&self.dir)?;
        let former = self.ready_to_retire()?;
        let mut succession = self.succession.clone();
        succession.retired.extend(former.iter().map(|held| held.number));
        succession.retired.sort_unstable();
        succession.write(&self.dir)?;
        succession.sweep(&self.dir)
    }

    /// Whether keys of what was put away are there still: a kill came before they were removed.
    ///
    /// # Errors
    /// A call failed.
    pub fn unswept(&self) -> Result<bool, CaError> {
        Ok(!self.succession.unswept(&self.dir)?.is_empty())
    }

    /// Removes the keys of what was put away.
    ///
    /// # Errors
    /// A call failed.
    pub fn sweep(&self) -> Result<(), CaError> {
        self.succession.sweep(&self.dir)
    }

    /// The certificates of all roots that were put away and lie here still, with what stood between them and what they issued.
    ///
    /// # Errors
    /// One is damaged, or a call failed.
    pub fn retired(&self) -> Result<Vec<Hierarchy>, CaError> {
        let mut found = Vec::new();
        for number in &self.succession.retired {
            if let Some(below) = succession::place(&self.dir, *number)? {
                found.push(held::hierarchy(below.as_ref().unwrap_or(&self.dir))?);
            }
        }
        Ok(found)
    }

    /// The hierarchy that issued a certificate, of those that are not retired.
    #[must_use]
    pub fn issuer_of(&self, certificate: &Certificate) -> Option<&Held> {
        self.standing().into_iter().find(|held| issued_by(certificate, held.hierarchy.issuer()) == Signed::Verified)
    }

    /// Whether a CA has a former root that is not retired: a look at one small file, for those who ask often.
    ///
    /// # Errors
    /// There is no CA of this name, or a call failed.
    pub fn has_former(state: &State, name: &str) -> Result<bool, CaError> {
        let Some(area) = state.existing_area(AREA)? else { return Ok(false) };
        let Some(dir) = absent_is_none(area.sub(&file_name(name)))? else { return Ok(false) };
        let succession = Succession::read(&dir)?;
        if succession.active == FIRST {
            return Ok(false);
        }
        Ok(succession.standing(&dir)?.into_iter().any(|number| number < succession.active))
    }

    /// The root's key of one hierarchy, encrypted as it lies here, as PEM. It can be `spared` where another key issues.
    ///
    /// # Errors
    /// There is no such hierarchy, the key is not on this machine, or it is to be spared and cannot.
    pub fn root_key(&self, number: u32, spared: bool) -> Result<Sensitive, CaError> {
        let held = self.held(number)?;
        if held.key_file() != ROOT_KEY && held.hierarchy.root().is_none() {
            return Err(CaError::NoRootKey { ca: self.name.clone(), why: "the root is not this machine's" });
        }
        if spared && held.key_file() == ROOT_KEY {
            return Err(CaError::NoRootKey {
                ca: self.name.clone(),
                why: "the root issues, so its key is needed here",
            });
        }
        match absent_is_none(held.dir.read(OsStr::new(ROOT_KEY)))? {
            Some(key) => Ok(key),
            None => Err(CaError::NoRootKey { ca: self.name.clone(), why: "the root's key is not on this machine" }),
        }
    }

    /// Removes the root's key of one hierarchy, where another key issues.
    ///
    /// # Errors
    /// As [`Authority::root_key`]; or a call failed.
    pub fn take_root_key_off(&self, number: u32) -> Result<(), CaError> {
        self.root_key(number, true)?;
        let held = self.held(number)?;
        held.dir.unlink(OsStr::new(ROOT_KEY))?;
        Ok(held.dir.sync()?)
    }

    fn held(&self, number: u32) -> Result<&Held, CaError> {
        let found = self.standing().into_iter().find(|held| held.number == number);
        found.ok_or_else(|| CaError::Unlisted { ca: self.name.clone(), why: Unlisted::NoSuchRoot(number) })
    }

    /// Writes down that what clients must trust was given out.
    ///
    /// # Errors
    /// A call failed.
    pub fn exported(&self, certificates: &[&Certificate], now: OffsetDateTime) -> Result<(), CaError> {
        for one in certificates {
            record::add(&self.dir, &Line::Exported(Exported { exported: one.fingerprint(), at: now }))?;
        }
        Ok(())
    }
}

/// Another name than the former root's, so that no client takes one for the other.
fn numbered(ca: &str, former: &str, number: u32) -> String {
    let counted = |(_, last): &(&str, &str)| last.parse::<u32>().is_ok_and(|last| last > FIRST && last < number);
    let base = former.rsplit_once(' ').filter(counted).map_or(former, |(base, _)| base);
    let name = format!("{base} {number}");
    if name.chars().count() <= 64 { name } else { format!("reseal CA {ca} {number}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted() {
        assert_eq!(numbered("office", "reseal local CA office", 2), "reseal local CA office 2");
        assert_eq!(numbered("office", "reseal local CA office 2", 3), "reseal local CA office 3");
        assert_eq!(numbered("office", "Roots 2027", 2), "Roots 2027 2");
        let long = "x".repeat(48);
        assert_eq!(numbered(&long, &format!("reseal local CA {long}"), 2), format!("reseal CA {long} 2"));
    }
}
