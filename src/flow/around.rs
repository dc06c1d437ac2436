//! What is wrong around a target and not in its files: its source, its windows, its hooks, the paths and the other targets of its
//! configuration. Told before the day of the next change, which would be refused or fail for it.

use super::survey::Survey;
use super::{Session, hooks, named, occasion, shared};
use crate::assess::{Finding, ruled};
use crate::config::TargetConfig;

/// Adds it to what was found of a target, with `more` that only the caller knows, by the owner's rules about the target with this leaf.
pub(super) fn tell(
    session: &Session<'_>,
    config: &TargetConfig,
    survey: &Survey,
    (more, leaf): (Vec<Finding>, Option<&str>),
    found: &mut Vec<Finding>,
) {
    let mut told = more;
    told.extend(occasion::untold(session, config));
    told.extend(shared::with_another(session, config, survey));
    told.extend(named::missing(session, config));
    found.extend(hooks::found(session, config, survey));
    found.extend(ruled(told, &config.rules, &config.name, leaf, session.host.now()));
    found.sort_by_key(|one| (one.accepted.is_some(), one.severity));
}
