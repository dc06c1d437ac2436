//! Whether files that somebody keeps fresh hold another certificate.

use time::OffsetDateTime;

use crate::cert::codec::{self, Format};
use crate::config::{SourceConfig, TargetConfig};
use crate::flow::{Refusal, obtain};
use crate::host::Host;
use crate::source::import::Part;

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
