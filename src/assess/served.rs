//! What the wire tells, held against the files.

use super::{Code, Facts, Finding};
use crate::change::{Probe, Shown};

pub(super) fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    let on_disk = facts.installed.chain.as_ref().map(|chain| chain.leaf().fingerprint());
    facts.served.iter().filter_map(|(probe, shown)| one(probe, shown, on_disk)).collect()
}

fn one(probe: &Probe, shown: &Shown, on_disk: Option<crate::digest::Digest>) -> Option<Finding> {
    match shown {
        Shown::Leaf { fingerprint, .. } if on_disk.is_some_and(|leaf| leaf != *fingerprint) => {
            let message = format!("{probe} serves certificate {}, not the one in the files", fingerprint.short());
            Some(Finding::new(Code::NotServed, message))
        }
        Shown::Leaf { proved: false, .. } => {
            Some(Finding::new(Code::KeyNotProved, format!("{probe} did not prove that it holds the key")))
        }
        Shown::Leaf { .. } | Shown::Well => None,
        Shown::Nobody { why } => Some(Finding::new(Code::Unreachable, format!("{probe}: {why}"))),
        Shown::Failing { why } => Some(Finding::new(Code::HandshakeFails, format!("{probe}: {why}"))),
    }
}
