//! No two targets write one file, through whatever links: each would undo the other's work at every run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::survey::Survey;
use super::{Refusal, Session};
use crate::assess::{Code, Finding};
use crate::config::{Config, TargetConfig, TargetKind};
use crate::host::Host;
use crate::target::layout::Place;

/// The files that the configuration's targets reach, at the end of all links, and who reaches each by which path. Targets whose
/// files only their service's configuration tells are not in it.
#[derive(Debug)]
pub(super) struct Reached(BTreeMap<PathBuf, Vec<(String, PathBuf)>>);

impl Reached {
    /// Follows every path that is written in the configuration.
    pub(super) fn by(config: &Config, host: &Host) -> Self {
        let mut files: BTreeMap<PathBuf, Vec<(String, PathBuf)>> = BTreeMap::new();
        for target in &config.targets {
            let TargetKind::Files(named) = &target.kind else { continue };
            for slot in named.slots() {
                if let Some(real) = host.real(&slot.path) {
                    files.entry(real).or_default().push((target.name.clone(), slot.path));
                }
            }
        }
        Self(files)
    }

    /// Refuses a change of `target` where one of its files is another's too.
    ///
    /// # Errors
    /// Names both targets and both paths.
    pub(super) fn refuse(&self, target: &str, survey: &Survey) -> Result<(), Refusal> {
        let why = self.other(target, survey);
        why.map_or(Ok(()), |why| Err(Refusal::new(why).hint("leave the file to one of the two in the configuration")))
    }

    /// That one of the target's files is another's too.
    fn other(&self, target: &str, survey: &Survey) -> Option<String> {
        let places = survey.pairs.iter().flat_map(|pair| pair.pair.slots.iter().zip(&pair.places));
        for (slot, place) in places {
            let Place::InPlace { path } = place else { continue };
            let others = self.0.get(path).into_iter().flatten();
            if let Some((other, by)) = others.into_iter().find(|(name, _)| name != target) {
                let (file, own, by) = (path.display(), slot.path.display(), by.display());
                return Some(format!(
                    "the targets {target} and {other} are one and the same file, {file}: {target} reaches it as {own}, {other} as {by}"
                ));
            }
        }
        None
    }
}

/// That a change of a target would be refused for another target's sake.
pub(super) fn with_another(session: &Session<'_>, config: &TargetConfig, survey: &Survey) -> Option<Finding> {
    session.reached().other(&config.name, survey).map(|why| Finding::new(Code::SharedFile, why))
}
