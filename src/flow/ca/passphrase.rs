//! The passphrases of local CAs.

use std::time::Duration;

use super::open_state;
use crate::event::Event;
use crate::flow::{Refusal, Session};
use crate::host::passphrase::{self as sources, Explicit, Miss, Origin, PassphraseError, PassphraseQuery, Stored};
use crate::outcome::explain;
use crate::sensitive::Sensitive;
use crate::source::local_ca::{Authority, CaError, Unlocked};

/// Opens the key with which a CA issues.
pub(super) fn unlock(session: &mut Session<'_>, ca: &str) -> Result<Unlocked, Refusal> {
    let (secret, origin) = passphrase(session, ca, false)?;
    // Looked up only now: while a person types, the root that issued may be put away.
    let authority = Authority::find(&open_state(session, ca)?, ca)?;
    let unlocked = authority.unlock(&secret).map_err(|error| from(error, &origin))?;
    remember(session, ca, &secret, &origin);
    Ok(unlocked)
}

/// A passphrase that does not open a key is told with where it came from.
pub(super) fn from(error: CaError, origin: &Origin) -> Refusal {
    let CaError::WrongPassphrase(ca) = &error else { return error.into() };
    let refusal = Refusal::new(format!("{error}: it came from the {origin}"));
    match (error.hint(), origin) {
        (_, Origin::Credential(_) | Origin::Keyring) => {
            refusal.hint("put the right one there, or name it with --passphrase-file, which is asked first")
        }
        (_, Origin::Kernel) => {
            refusal.hint(format!("`reseal secret forget {} --in kernel`, then try again", label(ca)))
        }
        (Some(hint), Origin::File(_) | Origin::Fd(_) | Origin::Prompt) => refusal.hint(hint),
        (None, Origin::File(_) | Origin::Fd(_) | Origin::Prompt) => refusal,
    }
}

/// Keeps what a person has typed for the time that was asked for, once it has opened the key. The work is not held up where that
/// cannot be.
pub(super) fn remember(session: &mut Session<'_>, ca: &str, secret: &Sensitive, origin: &Origin) {
    let (Some(lifetime), Origin::Prompt) = (session.options.secrets.remember, origin) else { return };
    if let Err(miss) = sources::cache(session.host, &label(ca), secret, lifetime) {
        let text = format!("the passphrase of the CA {ca} is not remembered: kernel keyring: {}", explain(&miss));
        session.listener.hear(&Event::Note { text });
    }
}

/// Keeps the passphrase of a new CA in the keyring, if it did not come from there.
pub(super) fn store(session: &Session<'_>, ca: &str, secret: &Sensitive, origin: &Origin) -> Result<(), Refusal> {
    if *origin == Origin::Keyring {
        return Ok(());
    }
    let refused = |why: &str| Refusal::new(format!("cannot keep the passphrase of the CA {ca} in the keyring: {why}"));
    match sources::store(session.host, &label(ca), secret, false, session.options.secrets.may_prompt) {
        Ok(Stored::New | Stored::Same | Stored::Replaced) => Ok(()),
        // That of a CA whose directory was moved away, or that another user of reseal has.
        Ok(Stored::Differs) => {
            Err(refused(&format!("it has another one as {}, which may open a key elsewhere", label(ca)))
                .hint(format!("give the CA another name, or drop that one: `reseal secret forget {}`", label(ca))))
        }
        Err(miss @ Miss::Locked) => Err(refused(&explain(&miss))
            .hint("unlock the keyring (it opens with the login), or make the CA without keeping its passphrase there")),
        Err(miss) => Err(refused(&explain(&miss))
            .hint("make the CA without keeping its passphrase there; docs/secrets.md tells the other places")),
    }
}

/// The passphrase of a CA: from where the command line says, else the configuration, else the usual sources.
pub(super) fn passphrase(session: &Session<'_>, ca: &str, new: bool) -> Result<(Sensitive, Origin), Refusal> {
    let secrets = &session.options.secrets;
    let configured = || session.config.authorities.get(ca).and_then(|known| known.passphrase_file.clone());
    let explicit = secrets.explicit().or_else(|| configured().map(Explicit::File));
    let label = label(ca);
    let query = PassphraseQuery { explicit, may_prompt: secrets.may_prompt, new, ..PassphraseQuery::new(&label) };
    sources::obtain(session.host, &query).map_err(|error| no_passphrase(ca, &error))
}

/// Whether the passphrase of a CA is to come from a file, which can be read any number of times.
pub(super) fn named_file(session: &Session<'_>, ca: &str) -> bool {
    match session.options.secrets.explicit() {
        Some(explicit) => matches!(explicit, Explicit::File(_)),
        None => session.config.authorities.get(ca).is_some_and(|known| known.passphrase_file.is_some()),
    }
}

fn no_passphrase(ca: &str, error: &PassphraseError) -> Refusal {
    let locked = error.tried.iter().any(|(_, miss)| matches!(miss, Miss::Locked));
    let hint = match error.tried.last() {
        Some((Origin::File(_) | Origin::Fd(_) | Origin::Credential(_), _)) | None => error.hint().to_owned(),
        Some((Origin::Keyring | Origin::Kernel | Origin::Prompt, _)) => format!(
            "{1}give it with --passphrase-file FILE or --passphrase-fd N, as the systemd credential reseal.{0}, in the keyring \
             (`reseal secret set {0}`), or at a terminal",
            label(ca),
            if locked { "unlock the keyring (it opens with the login); or " } else { "" }
        ),
    };
    Refusal::new(error.to_string()).hint(hint)
}

/// By what name the passphrase of a CA is known to every source.
#[must_use]
pub fn label(ca: &str) -> String {
    format!("ca-{ca}")
}

/// How long a passphrase is remembered, where nobody says how long: as long as sudo remembers one.
pub const REMEMBERED: Duration = Duration::from_mins(15);
