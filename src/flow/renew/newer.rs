//! Why the source of a target would have its certificate replaced although nothing is wrong with it.

use time::OffsetDateTime;

use crate::assess::Finding;
use crate::cert::codec::{self, Format};
use crate::config::{SourceConfig, TargetConfig};
use crate::flow::survey::Survey;
use crate::flow::{Refusal, Session, acme, ca, obtain, post_upgrade};
use crate::host::Host;
use crate::source::import::Part;

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

/// Whether files that somebody keeps fresh hold a certificate that lasts longer than the one in place, which ends at `ends`, UTC. What
/// cannot be read or opened is a note.
pub(super) fn newer(host: &Host, config: &TargetConfig, ends: OffsetDateTime, notes: &mut Vec<String>) -> bool {
    match newest(host, config) {
        Ok(newest) => newest.is_some_and(|newest| newest > ends),
        Err(refusal) => {
            notes.push(format!("whether the source holds a newer certificate is not known: {}", refusal.why));
            false
        }
    }
}

/// When what the files hold ends, UTC.
fn newest(host: &Host, config: &TargetConfig) -> Result<Option<OffsetDateTime>, Refusal> {
    let SourceConfig::Import { from, alias, .. } = &config.source else { return Ok(None) };
    let trust = obtain::trust_of(host, config)?;
    let parts = from.iter().map(|path| obtain::read_trusted(host, path, &trust)).collect::<Result<Vec<_>, _>>()?;
    // Certificates of plain files are looked at without their keys, which is what costs nothing on every run.
    let open = |part: &Part| {
        let found = codec::read(part.bytes.expose(), None).ok()?;
        (!matches!(found.format, Format::Pkcs12 | Format::Jks)).then_some(found.certificates)
    };
    let plain: Option<Vec<_>> = parts.iter().map(open).collect();
    match plain.filter(|_| alias.is_none()) {
        Some(found) => {
            let leaves = found.iter().flatten().filter(|certificate| !certificate.is_ca());
            Ok(leaves.map(|leaf| leaf.not_after()).max())
        }
        None => Ok(Some(obtain::imported(host, config)?.bundle.leaf().not_after())),
    }
}
