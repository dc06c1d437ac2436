//! The passphrases that reseal may need, by their labels, and what each opens.

use std::path::PathBuf;

use crate::cert::codec::BlockError;
use crate::config::{SecretName, SourceConfig, TargetConfig};
use crate::flow::{Refusal, Session, ca, obtain};
use crate::host::passphrase::{Explicit, PassphraseQuery};
use crate::host::state::State;
use crate::notify::secret as notify;
use crate::outcome::explain;
use crate::sensitive::Sensitive;
use crate::source::import::{self, ImportError, Part};
use crate::source::local_ca::{Authority, CaError};

/// A passphrase of this machine.
pub(super) struct Need {
    /// By what name every source knows it.
    pub label: String,
    /// What it opens, for people.
    pub of: String,
    /// The file that the configuration names: then no other source is asked.
    pub file: Option<PathBuf>,
    /// What is locked by it; none: nothing here.
    pub lock: Option<Lock>,
    /// Whether something here cannot work without, though nothing is locked: nothing can show that it is right.
    pub wanted: bool,
}

/// Something that is locked.
pub(super) enum Lock {
    /// The keys of a CA.
    Authority(Box<Authority>),
    /// Files that a target's certificate is taken from.
    Files {
        /// What they hold.
        parts: Vec<Part>,
        /// The entry of a store that holds several.
        alias: Option<String>,
    },
}

impl Lock {
    /// Whether a passphrase opens it.
    ///
    /// # Errors
    /// It is damaged, or cannot be opened for another reason.
    pub fn opens_with(&self, secret: &Sensitive) -> Result<bool, Refusal> {
        match self {
            Self::Authority(authority) => match authority.opens_with(secret) {
                Ok(()) => Ok(true),
                Err(CaError::WrongPassphrase(_)) => Ok(false),
                Err(error) => Err(error.into()),
            },
            Self::Files { parts, alias } => match import::bundle_of(parts, Some(secret), alias.as_deref()) {
                Ok(_) => Ok(true),
                Err(ImportError::Block { why, .. }) if why.why == BlockError::WrongPassphrase => Ok(false),
                Err(error) => Err(error.into()),
            },
        }
    }
}

impl Need {
    /// The usual question for it, which asks nobody.
    pub fn query(&self) -> PassphraseQuery<'_> {
        let explicit = self.file.clone().map(Explicit::File);
        PassphraseQuery { explicit, of: Some(&self.of), ..PassphraseQuery::new(&self.label) }
    }
}

/// Whether a label may be one of reseal's, as it was typed: told before anything is looked at.
///
/// # Errors
/// It is none, with those there are.
pub fn known(session: &Session<'_>, label: &str) -> Result<(), Refusal> {
    match kind(label) {
        Some(Kind::Authority(_)) => Ok(()),
        Some(Kind::Channel) if of_channels(session).iter().any(|need| need.label == label) => Ok(()),
        Some(Kind::Channel) => Err(Refusal::new(format!("no channel of the configuration wants a secret {label}"))
            .hint("`reseal secret status` lists those that are needed here")),
        Some(Kind::Source(target)) if source(session, target).is_some() => Ok(()),
        Some(Kind::Source(target)) => Err(Refusal::new(format!("there is no target {target} with a source of `kind = \"import\"`"))
            .hint("`reseal secret status` lists the passphrases that are needed here")),
        None => Err(Refusal::new(format!("{label:?} is no passphrase that reseal keeps"))
            .hint("they are called ca-NAME, of a CA, source-TARGET, of the files that a target imports, and notify-NAME-url, -key, -token, -password and ping-url, of channels; `reseal secret status` lists those that are needed here")),
    }
}

/// A passphrase, or its label and why what it opens cannot be read.
pub(super) type Looked = Result<Need, (String, Refusal)>;

/// Every passphrase that something here is locked with, and why the rest could not be looked at.
pub(super) fn all(session: &Session<'_>) -> Result<Vec<Looked>, Refusal> {
    let mut found = Vec::new();
    if let Some(state) = State::open(session.host)? {
        for name in Authority::names(&state)? {
            found.push(of_authority(session, &name).map_err(|refusal| (ca::label(&name), refusal)));
        }
    }
    for target in &session.config.targets {
        if !matches!(target.source, SourceConfig::Import { .. }) {
            continue;
        }
        match of_source(session, target) {
            // A passphrase that nothing wants is of no interest, unless somebody has put down where it is.
            Ok(need) if need.lock.is_none() && need.file.is_none() => {}
            other => found.push(other.map_err(|refusal| (obtain::label(&target.name), refusal))),
        }
    }
    found.extend(of_channels(session).into_iter().map(Ok));
    Ok(found)
}

/// The secrets of channels and of the ping.
fn of_channels(session: &Session<'_>) -> Vec<Need> {
    let notify = &session.config.notify;
    let need = |name: &SecretName, of: String| Need {
        label: name.label.clone(),
        of,
        file: name.file.clone(),
        lock: None,
        wanted: true,
    };
    let channels = notify.channels.iter().flat_map(|channel| {
        let of = format!("what the channel {} is told with", channel.name);
        notify::of_channel(channel).into_iter().map(move |name| need(name, of.clone()))
    });
    let ping = notify.ping.iter().filter_map(notify::of_ping).map(|name| need(name, "the ping".to_owned()));
    channels.chain(ping).collect()
}

/// The passphrase of this label.
///
/// # Errors
/// As [`known`]; or what it opens cannot be read.
pub(super) fn one(session: &Session<'_>, label: &str) -> Result<Need, Refusal> {
    known(session, label)?;
    match kind(label) {
        Some(Kind::Source(target)) => match source(session, target) {
            Some(target) => of_source(session, target),
            None => Err(Refusal::new(format!("there is no target {target}"))),
        },
        Some(Kind::Authority(name)) => of_authority(session, name),
        Some(Kind::Channel) => of_channels(session)
            .into_iter()
            .find(|need| need.label == label)
            .ok_or_else(|| Refusal::new(format!("no channel wants a secret {label}"))),
        None => Err(Refusal::new(format!("{label:?} is no passphrase that reseal keeps"))),
    }
}

enum Kind<'a> {
    Authority(&'a str),
    Source(&'a str),
    Channel,
}

fn kind(label: &str) -> Option<Kind<'_>> {
    let authority = label.strip_prefix("ca-").filter(|name| !name.is_empty()).map(Kind::Authority);
    let source = label.strip_prefix("source-").map(Kind::Source);
    let channel = (label.starts_with("notify-") || label == "ping-url").then_some(Kind::Channel);
    authority.or(source).or(channel)
}

fn source<'a>(session: &'a Session<'_>, name: &str) -> Option<&'a TargetConfig> {
    session.config.target(name).filter(|target| matches!(target.source, SourceConfig::Import { .. }))
}

fn of_authority(session: &Session<'_>, name: &str) -> Result<Need, Refusal> {
    let file = session.config.authorities.get(name).and_then(|known| known.passphrase_file.clone());
    let found = match State::open(session.host)? {
        Some(state) => match Authority::find(&state, name) {
            Ok(authority) => Some(authority),
            Err(CaError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let of = match &found {
        Some(authority) => match authority.root_path().parent() {
            Some(place) => format!("the CA {name} in {}", place.display()),
            None => format!("the CA {name}"),
        },
        None => format!("the CA {name}, which is not here"),
    };
    Ok(Need { label: ca::label(name), of, file, lock: found.map(|it| Lock::Authority(Box::new(it))), wanted: false })
}

fn of_source(session: &Session<'_>, target: &TargetConfig) -> Result<Need, Refusal> {
    let SourceConfig::Import { from, passphrase_file, alias } = &target.source else {
        return Err(Refusal::new(format!("target {} imports nothing", target.name)));
    };
    let trust = obtain::trust_of(session.host, target)?;
    let read = |path: &PathBuf| obtain::read_trusted(session.host, path, &trust);
    let parts: Vec<Part> = from.iter().map(read).collect::<Result<_, _>>()?;
    // What cannot be read may be locked all the same: it is told, and counts for no answer.
    let locked = match import::bundle_of(&parts, None, alias.as_deref()) {
        Ok(_) => false,
        Err(error) if error.wants_passphrase() => true,
        Err(error) => {
            let refusal = Refusal::from(error);
            return Err(Refusal {
                why: format!("cannot tell whether the files of target {} are locked: {}", target.name, refusal.why),
                ..refusal
            });
        }
    };
    let files: Vec<String> = from.iter().map(|path| path.display().to_string()).collect();
    Ok(Need {
        label: obtain::label(&target.name),
        of: format!("{}, from which target {} is taken", files.join(", "), target.name),
        file: passphrase_file.clone(),
        lock: locked.then(|| Lock::Files { parts, alias: alias.clone() }),
        wanted: false,
    })
}

/// In one line, for a list in which it is one of several.
pub(super) fn why(refusal: &Refusal) -> String {
    match &refusal.hint {
        Some(hint) => format!("{}; {hint}", refusal.why),
        None => refusal.why.clone(),
    }
}

/// A passphrase that was to open something, and does not.
pub(super) fn wrong(need: &Need, from: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(format!("the passphrase from the {from} does not open {}; nothing was changed", need.of))
        .hint("give the one that it was locked with")
}

/// There is no passphrase.
pub(super) fn none(error: &crate::host::passphrase::PassphraseError) -> Refusal {
    Refusal::with(explain(error), Some(error.hint().to_owned()))
}
