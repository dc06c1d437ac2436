//! What goes on where a chain ends that came without its intermediates: those that stand in the target's own files.

use time::OffsetDateTime;

use super::survey::Survey;
use crate::cert::{Certificate, Chain, Checks, Signed};
use crate::source::import::Imported;

/// What was brought, with the intermediates in place by which its chain goes on. A chain that is complete as it came stays as it came: what it
/// lacks of the one in place somebody may have left out.
pub(super) fn completed(imported: Imported, survey: &Survey, now: OffsetDateTime) -> Imported {
    let missing = if imported.lacks_issuer() { continuation(imported.bundle.chain(), survey, now) } else { Vec::new() };
    imported.continued(missing)
}

/// The certificates in place that have issued the last of a chain, and one another, by their signatures. No root, which servers do not
/// send, and none whose time is over.
fn continuation(chain: &Chain, survey: &Survey, now: OffsetDateTime) -> Vec<Certificate> {
    let checks = Checks::default();
    let in_place = survey.pairs.iter().filter_map(|pair| pair.installed.chain.as_ref());
    let known: Vec<&Certificate> = in_place
        .flat_map(Chain::intermediates)
        .filter(|one| {
            one.is_ca() && one.is_valid_at(now) && !checks.self_issued(one).is_none_or(|own| own.by_own_key())
        })
        .collect();
    let mut missing: Vec<Certificate> = Vec::new();
    let mut last = chain.certificates().last();
    while let Some(child) = last {
        let issuer = |one: &&Certificate| {
            *one != child && !missing.contains(one) && checks.issued_by(child, one) == Some(Signed::Verified)
        };
        last = known.iter().copied().find(issuer);
        missing.extend(last.cloned());
    }
    missing
}
