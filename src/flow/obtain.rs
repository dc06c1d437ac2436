//! Getting a bundle: from the source of a target, or from files that somebody named.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::ca::{LeafKey, Wanted};
use super::{Refusal, Secrets, Session};
use crate::assess::{Code, Finding, ruled};
use crate::cert::{Bundle, Certificate, Generate, PrivateKey};
use crate::config::{SourceConfig, TargetConfig};
use crate::event::Event;
use crate::host::Host;
use crate::host::dir::MAX_FILE;
use crate::host::passphrase::{self, Explicit, PassphraseQuery};
use crate::host::state::State;
use crate::outcome::explain;
use crate::sensitive::Sensitive;
use crate::source::acme::{Account, AcmeError};
use crate::source::import::{self, ImportError, Imported, Part};
use crate::source::local_ca::{Authority, CaError};

/// Reads a bundle out of files in any packing; `alias` names the entry of a store; `extra` are bytes that are at hand already, such as the key that stays.
///
/// # Errors
/// A file cannot be read, there is no passphrase, or what the files hold is no bundle.
pub fn from_files(
    host: &Host,
    paths: &[PathBuf],
    extra: Vec<Part>,
    alias: Option<&str>,
    secrets: &Secrets,
) -> Result<Imported, Refusal> {
    let mut parts: Vec<Part> = paths.iter().map(|path| read(host, path)).collect::<Result<_, _>>()?;
    parts.extend(extra);
    match import::bundle_of(&parts, None, alias) {
        // Only a key that turns out to be encrypted is worth a search for its passphrase.
        Err(error) if error.wants_passphrase() => {
            let part = if let ImportError::Block { part, .. } = &error { part.clone() } else { "the key".to_owned() };
            let passphrase = key_passphrase(host, &part, secrets).map_err(|missing| {
                let way = "name a file with the passphrase: `--passphrase-file FILE`, or `passphrase_file` in the source of the target";
                missing.unwrap_or_else(|| Refusal::from(error).hint(way))
            })?;
            import::bundle_of(&parts, Some(&passphrase), alias).map_err(Refusal::from)
        }
        other => other.map_err(Refusal::from),
    }
}

pub(super) fn read(host: &Host, path: &Path) -> Result<Part, Refusal> {
    match host.read(path, MAX_FILE) {
        Ok(bytes) => Ok(Part { label: path.display().to_string(), bytes: Sensitive::from(bytes) }),
        Err(error) => Err(Refusal::new(format!("cannot read {}: {error}", path.display()))
            .hint("give a regular file with PEM or DER that this user may read")),
    }
}

/// The passphrase of an encrypted key that is imported: from what was named, or from a person. `Err(None)`: there is no way to
/// get one.
fn key_passphrase(host: &Host, of: &str, secrets: &Secrets) -> Result<Sensitive, Option<Refusal>> {
    if secrets.file.is_none() && secrets.descriptor.is_none() && !secrets.may_prompt {
        return Err(None);
    }
    let query = PassphraseQuery { keyring: None, of: Some(of), ..query("import", secrets) };
    match passphrase::obtain(host, &query) {
        Ok((secret, _)) => Ok(secret),
        Err(error) => Err(Some(Refusal::with(explain(&error), Some(error.hint().to_owned())))),
    }
}

/// The passphrase that the command line names, for whoever asks nobody.
///
/// # Errors
/// It is named, and cannot be read.
pub fn named_passphrase(host: &Host, secrets: &Secrets) -> Result<Option<Sensitive>, Refusal> {
    if secrets.file.is_none() && secrets.descriptor.is_none() {
        return Ok(None);
    }
    let query = PassphraseQuery { keyring: None, may_prompt: false, ..query("import", secrets) };
    match passphrase::obtain(host, &query) {
        Ok((secret, _)) => Ok(Some(secret)),
        Err(error) => Err(Refusal::with(explain(&error), Some(error.hint().to_owned()))),
    }
}

/// A question for a passphrase in the order of the secret sources.
fn query<'l>(label: &'l str, secrets: &Secrets) -> PassphraseQuery<'l> {
    let file = secrets.file.clone().map(Explicit::File);
    let explicit = file.or_else(|| secrets.descriptor.map(Explicit::Fd));
    PassphraseQuery { explicit, may_prompt: secrets.may_prompt, ..PassphraseQuery::new(label) }
}

/// That the CA or the account of a target's source is not there: told before the certificate is due.
/// Added to `found`, by the owner's rules, about the target with this leaf.
pub fn tell_missing(
    state: Option<&State>,
    config: &TargetConfig,
    leaf: Option<&str>,
    now: OffsetDateTime,
    found: &mut Vec<Finding>,
) {
    let missing = missing(state, config).into_iter().collect();
    found.extend(ruled(missing, &config.rules, &config.name, leaf, now));
    found.sort_by_key(|one| (one.accepted.is_some(), one.severity));
}

fn missing(state: Option<&State>, config: &TargetConfig) -> Option<Finding> {
    let told = |why: &dyn std::error::Error| Some(Finding::new(Code::SourceMissing, explain(why)));
    let nowhere =
        |what: &str, name: &str| Some(Finding::new(Code::SourceMissing, format!("there is no {what} {name}")));
    match (&config.source, state) {
        (SourceConfig::LocalCa { ca, .. }, None) => nowhere("CA", ca),
        (SourceConfig::LocalCa { ca, .. }, Some(state)) => match Authority::find(state, ca) {
            Err(error @ CaError::Missing { .. }) => told(&error),
            Ok(_) | Err(_) => None,
        },
        (SourceConfig::Acme(source), None) => nowhere("account", &source.account),
        (SourceConfig::Acme(source), Some(state)) => match Account::find(state, &source.account) {
            Err(error @ AcmeError::Missing { .. }) => told(&error),
            Ok(_) | Err(_) => None,
        },
        (
            SourceConfig::None | SourceConfig::Csr { .. } | SourceConfig::Command { .. } | SourceConfig::Import { .. },
            _,
        ) => None,
    }
}

/// Obtains one bundle from a target's source: with a key of `kind` where the pair wants one, or with `keep` instead of a new key.
/// `in_place` is the leaf that it follows.
///
/// # Errors
/// The target has no source, or the source gives nothing that could be installed.
pub fn from_source(
    session: &mut Session<'_>,
    config: &TargetConfig,
    kind: Option<Generate>,
    keep: Option<PrivateKey>,
    in_place: Option<&Certificate>,
) -> Result<Bundle, Refusal> {
    match &config.source {
        SourceConfig::None => Err(Refusal::new(format!("target {} has no source", config.name))
            .hint("give it a `[target.source]`, or install a certificate by hand: `reseal install`")),
        SourceConfig::LocalCa { ca, days, key } => {
            let key = keep.map_or(LeafKey::Make(kind.unwrap_or(*key)), LeafKey::Keep);
            let wanted = Wanted { names: config.names.clone(), days: *days, key, target: Some(config.name.clone()) };
            let mut authorities = std::mem::take(&mut session.authorities);
            let obtained = authorities.obtain(session, ca, wanted);
            session.authorities = authorities;
            obtained
        }
        SourceConfig::Csr { .. } | SourceConfig::Command { .. } => {
            Err(Refusal::new(format!("the certificates of {} come from a person", config.name)).hint(format!(
                "`reseal csr {0}` makes the request; `reseal install {0} --signed FILE` takes the answer",
                config.name
            )))
        }
        SourceConfig::Acme(source) => super::acme::obtain(session, config, source, kind, keep, in_place),
        SourceConfig::Import { from, passphrase_file, alias } => {
            session.listener.hear(&Event::Obtaining { source: "import".to_owned() });
            let secrets = Secrets { file: passphrase_file.clone(), descriptor: None, may_prompt: false };
            Ok(from_files(session.host, from, Vec::new(), alias.as_deref(), &secrets)?.bundle)
        }
    }
}
