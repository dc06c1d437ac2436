//! Getting a bundle: from the source of a target, or from files that somebody named.

use std::path::{Path, PathBuf};

use super::ca::{LeafKey, Wanted};
use super::survey::{self, Survey};
use super::{Refusal, Secrets, Session, complete};
use crate::assess::{Code, Finding, Remedy};
use crate::cert::{Bundle, Certificate, Generate, PrivateKey};
use crate::change::Image;
use crate::config::{SourceConfig, TargetConfig};
use crate::event::Event;
use crate::host::Host;
use crate::host::dir::{Look, MAX_FILE};
use crate::host::passphrase::{self, Explicit, Miss, PassphraseQuery};
use crate::host::state::State;
use crate::host::trust::Trust;
use crate::host::walk::{Last, WalkError};
use crate::outcome::explain;
use crate::sensitive::Sensitive;
use crate::source::acme::{Account, AcmeError};
use crate::source::import::{self, ImportError, Imported, Part};
use crate::source::local_ca::{Authority, CaError};

/// Reads a bundle out of files in any packing; `alias` names the entry of a store; `extra` are bytes that are at hand already, such as the key that stays.
/// `way` is where the passphrase comes from, if one is needed.
///
/// # Errors
/// A file cannot be read, there is no passphrase, or what the files hold is no bundle.
pub fn from_files(
    host: &Host,
    paths: &[PathBuf],
    extra: Vec<Part>,
    alias: Option<&str>,
    way: &Way<'_>,
) -> Result<Imported, Refusal> {
    let mut parts: Vec<Part> = paths.iter().map(|path| read(host, path)).collect::<Result<_, _>>()?;
    parts.extend(extra);
    opened(host, &parts, alias, way)
}

/// What the files of a target's own source hold; nobody is asked for a passphrase.
///
/// # Errors
/// The source is no import, or as [`from_files`]; or others could have put another file in the place of one that they cannot read.
pub(super) fn imported(host: &Host, config: &TargetConfig) -> Result<Imported, Refusal> {
    let SourceConfig::Import { from, passphrase_file, alias } = &config.source else {
        return Err(Refusal::new(format!("target {} imports nothing", config.name)));
    };
    let trust = trust_of(host, config)?;
    let parts = from.iter().map(|path| read_trusted(host, path, &trust)).collect::<Result<Vec<_>, _>>()?;
    let way = Way::Unattended { target: &config.name, file: passphrase_file.as_deref() };
    opened(host, &parts, alias.as_deref(), &way)
}

fn opened(host: &Host, parts: &[Part], alias: Option<&str>, way: &Way<'_>) -> Result<Imported, Refusal> {
    match import::bundle_of(parts, None, alias) {
        // Only a key that turns out to be encrypted is worth a search for its passphrase.
        Err(error) if error.wants_passphrase() => {
            let passphrase = key_passphrase(host, error, way)?;
            import::bundle_of(parts, Some(&passphrase), alias).map_err(Refusal::from)
        }
        other => other.map_err(Refusal::from),
    }
}

/// Whose directories and links are believed on the way to the files of a target's source.
pub(super) fn trust_of(host: &Host, config: &TargetConfig) -> Result<Trust, Refusal> {
    Ok(host.trusting(survey::owner(host, config)?))
}

/// Reads a file that the configuration names and nobody looks at when it is read. One other user may be who keeps it, as long as it is
/// theirs: a link or a directory of theirs must not lead to what they could not read themselves.
pub(super) fn read_trusted(host: &Host, path: &Path, trust: &Trust) -> Result<Part, Refusal> {
    let cannot = |error: WalkError| {
        let hint = error.hint().unwrap_or_else(|| READABLE.to_owned());
        Refusal::new(format!("cannot read {}: {}", path.display(), explain(&error))).hint(hint)
    };
    let (place, keeper) = match host.place(path, Last::Follow, trust) {
        Err(WalkError::Untrusted { at, path, why }) => {
            // Where root or the service itself keeps what others may write to, nobody else is to be trusted instead.
            let Some(keeper) = host.owner_of(&at).filter(|owner| !trust.has(*owner)) else {
                return Err(cannot(WalkError::Untrusted { at, path, why }));
            };
            let place = host.place(&path, Last::Follow, &trust.clone().and(keeper));
            (place.map_err(|error| cannot(error).hint(kept_by(keeper)))?, Some(keeper))
        }
        other => (other.map_err(cannot)?, None),
    };
    let Look { image, content } = place.dir.look(&place.name).map_err(|error| cannot(error.into()))?;
    match (image, content, keeper) {
        (Image::File { attributes, .. }, Some(_), Some(keeper))
            if attributes.uid != keeper && attributes.mode & 0o004 == 0 =>
        {
            let real = place.path();
            Err(Refusal::new(format!(
                "cannot trust {}: user {keeper} decides which file that is, and could not read {} of user {}",
                path.display(),
                real.display(),
                attributes.uid
            ))
            .hint(kept_by(keeper)))
        }
        (Image::File { .. }, Some(bytes), _) => Ok(Part { label: path.display().to_string(), bytes }),
        (Image::Absent, ..) => {
            Err(Refusal::new(format!("cannot read {}: nothing is there", path.display())).hint(READABLE))
        }
        (Image::File { .. } | Image::Link { .. } | Image::Dir { .. }, ..) => {
            Err(Refusal::new(format!("cannot read {}: it is not a regular file", path.display())).hint(READABLE))
        }
    }
}

/// Where the passphrase of an encrypted key that is imported comes from.
pub enum Way<'a> {
    /// From what the command line names, or from a person.
    Typed(&'a Secrets),
    /// Of a target's source, which nobody attends: the file of its configuration, else the sources that ask nobody.
    Unattended {
        /// The target.
        target: &'a str,
        /// The file.
        file: Option<&'a Path>,
    },
}

/// By what name the passphrase of a target's own source is known to every source of passphrases.
#[must_use]
pub fn label(target: &str) -> String {
    format!("source-{target}")
}

fn kept_by(keeper: u32) -> String {
    format!(
        "let root keep the files and every directory above them, which nobody else may write to; or have there what is user {keeper}'s own"
    )
}

const READABLE: &str = "give a regular file with PEM or DER that this user may read";

pub(super) fn read(host: &Host, path: &Path) -> Result<Part, Refusal> {
    match host.read(path, MAX_FILE) {
        Ok(bytes) => Ok(Part { label: path.display().to_string(), bytes: Sensitive::from(bytes) }),
        Err(error) => Err(Refusal::new(format!("cannot read {}: {error}", path.display())).hint(READABLE)),
    }
}

fn key_passphrase(host: &Host, wanting: ImportError, way: &Way<'_>) -> Result<Sensitive, Refusal> {
    let of = if let ImportError::Block { part, .. } = &wanting { part.clone() } else { "the key".to_owned() };
    let (label, missing) = match way {
        Way::Typed(_) => ("import".to_owned(), "name a file with the passphrase: `--passphrase-file FILE`".to_owned()),
        Way::Unattended { target, .. } => {
            let label = label(target);
            let hint = format!(
                "name a file with the passphrase as `passphrase_file` in the source of the target; or give it as the systemd \
                 credential reseal.{label}, or in the keyring (`reseal secret set {label}`)"
            );
            (label, hint)
        }
    };
    let query = match way {
        Way::Typed(secrets) => PassphraseQuery {
            explicit: secrets.explicit(),
            may_prompt: secrets.may_prompt,
            kept: false,
            of: Some(&of),
            ..PassphraseQuery::new(&label)
        },
        Way::Unattended { file, .. } => {
            let explicit = file.map(|path| Explicit::File(path.to_owned()));
            PassphraseQuery { explicit, of: Some(&of), ..PassphraseQuery::new(&label) }
        }
    };
    passphrase::obtain(host, &query).map(|(secret, _)| secret).map_err(|error| {
        let tried_all = query.explicit.is_none() && !query.may_prompt;
        let given = error
            .tried
            .iter()
            .any(|(_, miss)| !matches!(miss, Miss::Absent | Miss::NotAsked | Miss::Unavailable { .. }));
        match (tried_all, given) {
            // Where no source is set up, what is told is the key that wants one.
            (true, false) => Refusal::from(wanting).hint(missing),
            (true, true) => Refusal::new(error.to_string()).hint(missing),
            (false, _) => Refusal::with(explain(&error), Some(error.hint().to_owned())),
        }
    })
}

/// The passphrase that the command line names, for whoever asks nobody.
///
/// # Errors
/// It is named, and cannot be read.
pub fn named_passphrase(host: &Host, secrets: &Secrets) -> Result<Option<Sensitive>, Refusal> {
    if secrets.file.is_none() && secrets.descriptor.is_none() {
        return Ok(None);
    }
    let query = PassphraseQuery { explicit: secrets.explicit(), kept: false, ..PassphraseQuery::new("import") };
    match passphrase::obtain(host, &query) {
        Ok((secret, _)) => Ok(Some(secret)),
        Err(error) => Err(Refusal::with(explain(&error), Some(error.hint().to_owned()))),
    }
}

/// That the CA or the account of a target's source is not there, or its files are not to be used: told before the certificate is due.
pub(super) fn missing(host: &Host, state: Option<&State>, config: &TargetConfig) -> Option<Finding> {
    let remedy = match &config.source {
        SourceConfig::LocalCa { .. } => {
            "write its name as it was made, or make it: `reseal ca init NAME --permit DOMAIN`"
        }
        SourceConfig::Acme(_) => "write its name as it was made, or make it: `reseal acme account create NAME`",
        SourceConfig::None | SourceConfig::Csr { .. } | SourceConfig::Command { .. } | SourceConfig::Import { .. } => {
            "mend the source: until then no newer certificate is seen in it"
        }
    };
    let finding =
        |why: String| Some(Finding { remedy: Remedy::from(remedy), ..Finding::new(Code::SourceMissing, why) });
    let told = |why: &dyn std::error::Error| finding(explain(why));
    let nowhere = |what: &str, name: &str| finding(format!("there is no {what} {name}"));
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
        (SourceConfig::Import { .. }, _) => imported(host, config).err().and_then(|refusal| {
            let hint = refusal.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
            finding(format!("{}{hint}", refusal.why))
        }),
        (SourceConfig::None | SourceConfig::Csr { .. } | SourceConfig::Command { .. }, _) => None,
    }
}

/// Obtains one bundle from a target's source: with a key of `kind` where the pair wants one, or with `keep` instead of a new key.
/// `survey` is of what it goes into, and `in_place` the leaf there that it follows.
///
/// # Errors
/// The target has no source, or the source gives nothing that could be installed.
pub(super) fn from_source(
    session: &mut Session<'_>,
    config: &TargetConfig,
    (kind, keep): (Option<Generate>, Option<PrivateKey>),
    survey: &Survey,
    in_place: Option<&Certificate>,
) -> Result<Bundle, Refusal> {
    match &config.source {
        SourceConfig::None => Err(Refusal::new(format!("target {} has no source", config.name)).hint(format!(
            "give it a `[target.source]`, or install a certificate by hand: `reseal install {} --cert FILE --key FILE`",
            config.name
        ))),
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
        SourceConfig::Import { .. } => {
            session.listener.hear(&Event::Obtaining { source: "import".to_owned() });
            let brought = imported(session.host, config)?;
            Ok(complete::completed(brought, survey, session.host.now()).bundle)
        }
    }
}
