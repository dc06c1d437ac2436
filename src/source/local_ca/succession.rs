//! A new root in place of an old one: made and given to clients first, then used, and the old one put away last.
//!
//! The first hierarchy of a CA lies in the CA's own directory, each further one in a directory named by its number below that. Which one
//! issues, and which have been put away, stands in one small file: so each step is one rename.

use std::ffi::{OsStr, OsString};

use serde::{Deserialize, Serialize};

use super::error::CaError;
use super::founded::{ISSUER_KEY, ROOT_KEY};
use super::held::damaged;
use crate::host::attributes;
use crate::host::dir::Dir;
use crate::host::state::absent_is_none;
use crate::sensitive::Sensitive;

/// Which hierarchy issues, and which do nothing any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Succession {
    format: u32,
    pub active: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<u32>,
}

/// Names of keys, each time with the directory that they are in, where that is not the CA's own.
pub(super) type Unswept = Vec<(Option<Dir>, Vec<OsString>)>;

/// The file.
const NAME: &str = "succession";

const FORMAT: u32 = 1;

/// The number of what a CA was made with.
pub(super) const FIRST: u32 = 1;

impl Default for Succession {
    fn default() -> Self {
        Self { format: FORMAT, active: FIRST, retired: Vec::new() }
    }
}

impl Succession {
    /// What the file says; without one the first hierarchy issues.
    pub(super) fn read(dir: &Dir) -> Result<Self, CaError> {
        let Some(bytes) = absent_is_none(dir.read(OsStr::new(NAME)))? else { return Ok(Self::default()) };
        let read: Self =
            serde_json::from_slice(bytes.expose()).map_err(|error| damaged(dir, NAME, error.to_string()))?;
        if read.format != FORMAT {
            let why = format!("it has the format {}, and this reseal reads format {FORMAT}", read.format);
            return Err(damaged(dir, NAME, why));
        }
        Ok(read)
    }

    /// Puts another one in its place by one rename.
    pub(super) fn write(&self, dir: &Dir) -> Result<(), CaError> {
        let mut bytes = serde_json::to_vec(self).map_err(|error| damaged(dir, NAME, error.to_string()))?;
        bytes.push(b'\n');
        Ok(dir.replace(OsStr::new(NAME), &Sensitive::from(bytes), &attributes::own(0o600))?)
    }

    /// The numbers of all that are not retired.
    pub(super) fn standing(&self, dir: &Dir) -> Result<Vec<u32>, CaError> {
        let further = dir.names()?.into_iter().filter_map(|name| number(name.to_str()?));
        let mut all: Vec<u32> = further.chain([FIRST]).filter(|number| !self.retired.contains(number)).collect();
        all.sort_unstable();
        Ok(all)
    }

    /// The highest number that was ever used, and so is taken.
    pub(super) fn highest(&self, dir: &Dir) -> Result<u32, CaError> {
        let further = dir.names()?.into_iter().filter_map(|name| number(name.to_str()?));
        Ok(further.chain(self.retired.iter().copied()).chain([self.active]).max().unwrap_or(FIRST))
    }

    pub(super) fn without_active(&self, dir: &Dir) -> CaError {
        damaged(dir, NAME, format!("the hierarchy {} that it names is not there", self.active))
    }

    /// Removes the keys of what has been put away. May be repeated: a kill may have come between that and this.
    pub(super) fn sweep(&self, dir: &Dir) -> Result<(), CaError> {
        for (place, keys) in self.unswept(dir)? {
            let place = place.as_ref().unwrap_or(dir);
            for key in &keys {
                place.unlink(key)?;
            }
            place.sync()?;
        }
        Ok(())
    }

    /// The keys of what has been put away that are there still.
    pub(super) fn unswept(&self, dir: &Dir) -> Result<Unswept, CaError> {
        let mut left = Vec::new();
        for number in &self.retired {
            let Some(below) = self::place(dir, *number)? else { continue };
            let names = below.as_ref().unwrap_or(dir).names()?.into_iter();
            let keys: Vec<_> = names.filter(|name| [ROOT_KEY, ISSUER_KEY].iter().any(|key| name == *key)).collect();
            if !keys.is_empty() {
                left.push((below, keys));
            }
        }
        Ok(left)
    }
}

/// The directory of a further hierarchy; `Some(None)` of the first, which lies in the CA's own, and none where it is gone.
pub(super) fn place(dir: &Dir, number: u32) -> Result<Option<Option<Dir>>, CaError> {
    if number == FIRST {
        return Ok(Some(None));
    }
    Ok(absent_is_none(dir.sub(number.to_string().as_ref()))?.map(Some))
}

/// The number of a further hierarchy, as a directory is named by it.
fn number(name: &str) -> Option<u32> {
    let number: u32 = name.parse().ok()?;
    (number > FIRST && number.to_string() == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_hierarchies() {
        assert_eq!(
            ["2", "17", "1", "0", "02", "+2", "x", ".2.new", ""].map(number),
            [Some(2), Some(17), None, None, None, None, None, None, None]
        );
    }

    #[test]
    fn a_file_is_read_for_ever() {
        let read: Succession = serde_json::from_slice(br#"{"format":1,"active":2,"retired":[1]}"#).unwrap();
        assert_eq!(read, Succession { format: 1, active: 2, retired: vec![1] });
        assert_eq!(serde_json::to_string(&Succession::default()).unwrap(), r#"{"format":1,"active":1}"#);
    }
}
