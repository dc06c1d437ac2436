//! `export NAME`: the pair of a target, or one of its generations, in the form that something else wants.

use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;

use super::output::{self, Over};
use super::survey;
use super::{Refusal, Session};
use crate::cert::codec::pkcs12::{self, Protection};
use crate::cert::codec::{self, jks, pkcs8};
use crate::cert::{Certificate, Chain, PrivateKey};
use crate::config::TargetConfig;
use crate::digest::Digest;
use crate::engine::vault::Vault;
use crate::host::passphrase::{self, PassphraseQuery};
use crate::host::state::State;
use crate::outcome::explain;
use crate::sensitive::Sensitive;

/// The form of what is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// PEM: certificate and chain, then the key, encrypted where a passphrase is named.
    Pem,
    /// DER of the certificate alone.
    Der,
    /// A PKCS#12 store.
    P12,
    /// A Java keystore, its old format.
    Jks,
}

/// What is written where.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The generation; none: what stands in the files.
    pub generation: Option<u32>,
    /// The form.
    pub form: Form,
    /// The file, an absolute path at which nothing is.
    pub output: PathBuf,
    /// The name in a store; none: that of the target.
    pub alias: Option<String>,
    /// For readers that know nothing newer than triple DES.
    pub legacy: bool,
    /// Leave the key out, where the form can be without.
    pub without_key: bool,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// The target.
    pub target: String,
    /// The generation, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// The form.
    pub form: Form,
    /// The file.
    pub path: PathBuf,
    /// Whether it was written; not so in a dry run.
    pub written: bool,
    /// Whether it holds the private key.
    pub with_key: bool,
    /// SHA-256 of the certificate.
    pub fingerprint: Digest,
    /// Its last second, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Worth a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Writes the file: whole or not at all, for its owner alone from its first byte where it holds the key.
///
/// # Errors
/// There is no certificate, or no key where the form needs one; no passphrase for a store; something is at the path; a call failed.
pub fn run(session: &Session<'_>, name: &str, wanted: &Wanted) -> Result<Exported, Refusal> {
    let config = session.target(name)?;
    let (chain, key) = match wanted.generation {
        Some(generation) => kept(session, config, generation)?,
        None => in_place(session, config)?,
    };
    let with_key = wanted.form != Form::Der && !wanted.without_key;
    let key = match (key, with_key) {
        (Some(key), true) => Some(key),
        (None, true) => {
            return Err(Refusal::new(format!("{name} has no private key that belongs to its certificate"))
                .hint("`--form pem --no-key` and `--form der` write certificates alone"));
        }
        (_, false) => None,
    };
    output::vacant(session, &wanted.output)?;
    let written = !session.options.dry_run;
    let mut notes = Vec::new();
    if written {
        let content = content(session, name, wanted, &chain, key.as_ref(), &mut notes)?;
        let mode = if with_key { 0o600 } else { 0o644 };
        output::put(session, &wanted.output, &content, mode, Over::Nothing)?;
    }
    Ok(Exported {
        target: name.to_owned(),
        generation: wanted.generation,
        form: wanted.form,
        path: wanted.output.clone(),
        written,
        with_key,
        fingerprint: chain.leaf().fingerprint(),
        not_after: chain.leaf().not_after(),
        notes,
    })
}

fn in_place(session: &Session<'_>, config: &TargetConfig) -> Result<(Chain, Option<PrivateKey>), Refusal> {
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let pair = survey.pairs.into_iter().find(|pair| pair.installed.chain.is_some());
    let Some((pair, chain)) = pair.and_then(|pair| pair.installed.chain.clone().map(|chain| (pair, chain))) else {
        return Err(Refusal::new(format!("no certificate stands in the files of {}", config.name))
            .hint(format!("`reseal backups {0}` lists what is kept: `reseal export {0} N`", config.name)));
    };
    let key = super::renew::key_in_place(&pair).filter(|key| key.matches(chain.leaf()));
    Ok((chain, key))
}

fn kept(session: &Session<'_>, config: &TargetConfig, generation: u32) -> Result<(Chain, Option<PrivateKey>), Refusal> {
    let none = || {
        Refusal::new(format!("{} has no generation {generation}", config.name))
            .hint(format!("`reseal backups {}` lists what is kept", config.name))
    };
    let state = State::open(session.host)?.ok_or_else(none)?;
    let vault = Vault::open(&state, &config.name)?.ok_or_else(none)?;
    if !vault.numbers()?.contains(&generation) {
        return Err(none());
    }
    let manifest = vault.manifest(generation)?;
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    for content in vault.contents(&manifest)?.into_iter().flatten() {
        let Ok(found) = codec::read(content.expose(), None) else { continue };
        certificates.extend(found.certificates);
        keys.extend(found.keys);
    }
    let chain = Chain::as_given(certificates)
        .ok_or_else(|| Refusal::new(format!("generation {generation} of {} holds no certificate", config.name)))?;
    let key = keys.into_iter().find(|key| key.matches(chain.leaf()));
    Ok((chain, key))
}

fn content(
    session: &Session<'_>,
    name: &str,
    wanted: &Wanted,
    chain: &Chain,
    key: Option<&PrivateKey>,
    notes: &mut Vec<String>,
) -> Result<Sensitive, Refusal> {
    let all: Vec<Certificate> = chain.certificates().cloned().collect();
    let alias = wanted.alias.as_deref().unwrap_or(name);
    match (wanted.form, key) {
        (Form::Der, _) => Ok(chain.leaf().der().to_vec().into()),
        (Form::Pem, None) => Ok(chain.fullchain_pem().into()),
        (Form::Pem, Some(key)) => match named(session)? {
            None => Ok(chain.combined_pem(key)),
            Some(passphrase) => {
                let key = pkcs8::encrypt(key, &passphrase).map_err(|error| Refusal::new(explain(&error)))?;
                Ok(Sensitive::from([chain.fullchain_pem().as_bytes(), key.expose()].concat()))
            }
        },
        (Form::P12, Some(key)) => {
            let protection = if wanted.legacy { Protection::Legacy } else { Protection::Modern };
            let passphrase = needed(session, &wanted.output.display().to_string())?;
            if !passphrase.expose().is_ascii() {
                notes.push("Java opens no such store, for its passphrase is not ASCII".to_owned());
            }
            let store = pkcs12::write(alias, key, &all, &passphrase, protection);
            store.map_err(|error| Refusal::new(error.to_string()))
        }
        (Form::Jks, Some(key)) => {
            let entry = [(alias, jks::NewEntry::Key(key, &all))];
            let store = jks::write(&entry, &needed(session, &wanted.output.display().to_string())?, session.host.now());
            store.map_err(|error| {
                Refusal::new(explain(&error))
                    .hint("Java wants six characters or more: bring a longer passphrase, in UTF-8")
            })
        }
        (Form::P12 | Form::Jks, None) => Err(Refusal::new("a store without the key is not written")
            .hint("clients that shall trust the CA want its root: export that as PEM")),
    }
}

/// The passphrase that was named; nobody is asked.
fn named(session: &Session<'_>) -> Result<Option<Sensitive>, Refusal> {
    super::obtain::named_passphrase(session.host, &session.options.secrets)
}

/// The passphrase of a store, which somebody may be asked for.
fn needed(session: &Session<'_>, of: &str) -> Result<Sensitive, Refusal> {
    let secrets = &session.options.secrets;
    // A mistyped one would lock its owner out.
    let query = PassphraseQuery {
        explicit: secrets.explicit(),
        kept: false,
        new: true,
        may_prompt: secrets.may_prompt,
        of: Some(of),
        ..PassphraseQuery::new("export")
    };
    match passphrase::obtain(session.host, &query) {
        Ok((secret, _)) => Ok(secret),
        Err(error) => Err(Refusal::with(explain(&error), Some(error.hint().to_owned()))),
    }
}
