//! The one link through which an adopted pair is read, also where what it leads to is lost.

use std::path::{Path, PathBuf};

use super::Refusal;
use crate::change::Image;
use crate::host::Host;
use crate::host::walk::Last;
use crate::target::layout;

/// Links followed before a path is called a loop.
const MAX_LINKS: usize = 40;

/// The link on the way from a path that leads through the switch of the target's directory `dir`, and the name of the file that it means
/// there.
pub(super) fn through(host: &Host, path: &Path, dir: &Path, owner: Option<u32>) -> Option<(PathBuf, String)> {
    let switch = dir.join(layout::CURRENT);
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let place = host.place(&path, Last::Keep, &host.trusting(owner)).ok()?;
        let Image::Link { to } = place.dir.look(&place.name).ok()?.image else { return None };
        if let Ok(below) = to.strip_prefix(&switch) {
            let name = below.to_str().filter(|name| !name.is_empty() && !name.contains('/'))?;
            return Some((place.path(), name.to_owned()));
        }
        path = place.dir.path().join(to);
    }
    None
}

/// The directories that have to be made, the outermost first.
pub(super) fn missing(host: &Host, dir: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let mut missing = Vec::new();
    let mut path = dir;
    loop {
        match host.place(path, Last::Follow, &host.trusting(None)) {
            Ok(place) if place.dir.look(&place.name)?.image == Image::Absent => {
                missing.insert(0, path.to_owned());
                return Ok(missing);
            }
            Ok(_) => return Err(Refusal::new(format!("{} is in the way: it is no directory", path.display()))),
            Err(error) if error.is_absent() => {
                missing.insert(0, path.to_owned());
                path = path.parent().ok_or_else(|| Refusal::new("the live directory has no root"))?;
            }
            Err(_) if host.exists(path) => return Ok(missing),
            Err(error) => return Err(error.into()),
        }
    }
}
