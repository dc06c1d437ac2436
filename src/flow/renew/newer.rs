//! Why the source of a target would have its certificate replaced although nothing is wrong with it.

use time::OffsetDateTime;

use crate::assess::Finding;
use crate::cert::codec;
use crate::config::{SourceConfig, TargetConfig};
use crate::flow::survey::Survey;
use crate::flow::{Session, acme, ca, post_upgrade};
use crate::host::Host;
use crate::host::dir::MAX_FILE;
use crate::sensitive::Sensitive;

const NEWER: &str = "the source holds a newer certificate";

/// The reason, if there is one. What cannot be found out is a note.
pub(super) fn why(
    session: &mut Session<'_>,
    config: &TargetConfig,
    survey: &Survey,
    findings: &[Finding],
    verb: &'static str,
    notes: &mut Vec<String>,
) -> Option<String> {
    let in_place = survey.pairs.first().and_then(|pair| pair.installed.chain.as_ref());
    let newer = match (in_place, &config.source) {
        // Where it is replaced anyway, nobody need be asked.
        (Some(_), SourceConfig::Acme(_))
            if verb == post_upgrade::VERB || findings.iter().any(Finding::calls_for_replacement) =>
        {
            None
        }
        (Some(chain), SourceConfig::Acme(source)) => {
            acme::due(session, config, source, chain.leaf(), notes).then_some("the CA would have it renewed now")
        }
        (Some(_), SourceConfig::LocalCa { ca, .. }) => {
            let leaves = survey.pairs.iter().filter_map(|pair| Some(pair.installed.chain.as_ref()?.leaf()));
            return match leaves.map(|leaf| ca::outlived(session, ca, leaf)).find(|it| !matches!(it, Ok(None))) {
                Some(Ok(why)) => why,
                Some(Err(refusal)) => {
                    notes.push(refusal.why);
                    None
                }
                None => None,
            };
        }
        (
            Some(chain),
            SourceConfig::None | SourceConfig::Import { .. } | SourceConfig::Csr { .. } | SourceConfig::Command { .. },
        ) => newer(session.host, config, chain.leaf().not_after(), notes).then_some(NEWER),
        (None, _) => matches!(config.source, SourceConfig::Import { .. }).then_some(NEWER),
    };
    newer.map(str::to_owned)
}

/// Whether files that somebody keeps fresh hold a certificate that lasts longer than the one in place, which ends at `ends`, UTC. A
/// file that cannot be read is a note.
pub(super) fn newer(host: &Host, config: &TargetConfig, ends: OffsetDateTime, notes: &mut Vec<String>) -> bool {
    let SourceConfig::Import { from, .. } = &config.source else { return false };
    let mut newest = None;
    for path in from {
        match host.read(path, MAX_FILE).map(Sensitive::from) {
            Ok(bytes) => {
                let found = codec::read(bytes.expose(), None).map(|found| found.certificates).unwrap_or_default();
                let leaves = found.iter().filter(|certificate| !certificate.is_ca()).map(|leaf| leaf.not_after());
                newest = newest.max(leaves.max());
            }
            Err(error) => notes.push(format!("cannot read {}: {error}", path.display())),
        }
    }
    newest.is_some_and(|newest| newest > ends)
}
