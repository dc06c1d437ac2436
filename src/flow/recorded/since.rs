//! What has come since a result was recorded.

use crate::assess::{Code, Finding, Remedy, date, remedy_by_hand};
use crate::cert::installed::Leaf;

/// A leaf has ended, which was near or not: it is told, and with the remedy of a target that has no source where it was so then.
pub(super) fn ended(leaf: &Leaf, findings: &mut Vec<Finding>) {
    let by_hand = findings.iter().find_map(|one| remedy_by_hand(one.code).filter(|text| one.remedy.general() == *text));
    findings.retain(|finding| !matches!(finding.code, Code::Expiring | Code::EndsSoon));
    if !findings.iter().any(|finding| finding.code == Code::Expired) {
        let told = Finding::new(Code::Expired, format!("it ended {}, after it was looked at", date(leaf.not_after)));
        let remedy = by_hand.map_or_else(|| told.remedy.clone(), Remedy::from);
        findings.push(Finding { remedy, ..told });
    }
}
