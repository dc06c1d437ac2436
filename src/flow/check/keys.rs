//! Keys that several targets have.

use super::Checked;
use crate::assess::{ruled, shared_keys};
use crate::cert::Certificate;
use crate::flow::Session;

/// Tells each target of the others that have its key; `leaves` are those of the targets, in the order of the configuration.
pub(super) fn share(all: &mut [Checked], leaves: &[Option<Certificate>], session: &Session<'_>) {
    let keys = session.config.targets.iter().zip(leaves);
    let keys = keys.filter_map(|(config, leaf)| Some((config.name.as_str(), leaf.as_ref()?)));
    for (names, finding) in shared_keys(keys) {
        for checked in all.iter_mut().filter(|checked| names.contains(&checked.subject)) {
            let subject = checked.leaf.as_ref().map(|leaf| leaf.subject.as_str());
            let mut found = std::mem::take(&mut checked.findings);
            found.extend(ruled(
                vec![finding.clone()],
                &session.config.rules,
                &checked.subject,
                subject,
                session.host.now(),
            ));
            found.sort_by_key(|one| (one.accepted.is_some(), one.severity));
            checked.findings = found;
        }
    }
}
