//! The passphrases of local CAs.

use std::time::Duration;

use crate::flow::{Refusal, Session};
use crate::host::passphrase::{self as sources, Explicit, KEYRING_LIMIT, Origin, PassphraseError, PassphraseQuery};
use crate::sensitive::Sensitive;
use crate::source::local_ca::{Authority, CaError, Unlocked};

/// Opens the key of a CA that issues.
pub(super) fn unlock(session: &Session<'_>, authority: Authority) -> Result<Unlocked, Refusal> {
    let name = authority.name().to_owned();
    let (secret, origin) = passphrase(session, &name, false)?;
    authority.unlock(&secret).map_err(|error| from(error, origin))
}

/// A passphrase that does not open a key is told with where it came from.
pub(super) fn from(error: CaError, origin: Origin) -> Refusal {
    if !matches!(error, CaError::WrongPassphrase(_)) {
        return error.into();
    }
    let refusal = Refusal::new(format!("{error}: it came from the {origin}"));
    match (error.hint(), origin) {
        (_, Origin::Credential(_) | Origin::Keyring) => {
            refusal.hint("put the right one there, or name it with --passphrase-file, which is asked first")
        }
        (Some(hint), Origin::File(_) | Origin::Fd(_) | Origin::Prompt) => refusal.hint(hint),
        (None, Origin::File(_) | Origin::Fd(_) | Origin::Prompt) => refusal,
    }
}

/// Keeps a passphrase in the keyring, if it did not come from there.
pub(super) fn remember(ca: &str, secret: &Sensitive, origin: &Origin) -> Result<(), Refusal> {
    if *origin == Origin::Keyring {
        return Ok(());
    }
    sources::store(&label(ca), secret).map_err(|miss| {
        Refusal::new(format!("cannot keep the passphrase of the CA {ca} in the keyring: {miss}"))
            .hint("unlock the keyring, or make the CA without keeping its passphrase there")
    })
}

/// The passphrase of a CA: from where the command line says, else the configuration, else the usual sources.
pub(super) fn passphrase(session: &Session<'_>, ca: &str, new: bool) -> Result<(Sensitive, Origin), Refusal> {
    let secrets = &session.options.secrets;
    let configured = || session.config.authorities.get(ca).and_then(|known| known.passphrase_file.clone());
    let explicit = match (secrets.descriptor, &secrets.file) {
        (Some(number), _) => Some(Explicit::Fd(number)),
        (None, Some(path)) => Some(Explicit::File(path.clone())),
        (None, None) => configured().map(Explicit::File),
    };
    let label = label(ca);
    let keyring = Some(if secrets.may_prompt { KEYRING_ANSWERED } else { KEYRING_LIMIT });
    let query =
        PassphraseQuery { label: &label, of: None, explicit, may_prompt: secrets.may_prompt, confirm: new, keyring };
    sources::obtain(session.host, &query).map_err(|error| no_passphrase(ca, &error))
}

/// How long the keyring may take where a person may have to unlock it.
const KEYRING_ANSWERED: Duration = Duration::from_mins(1);

fn no_passphrase(ca: &str, error: &PassphraseError) -> Refusal {
    let hint = match error.tried.last() {
        Some((Origin::File(_) | Origin::Fd(_) | Origin::Credential(_), _)) | None => error.hint().to_owned(),
        Some((Origin::Keyring | Origin::Prompt, _)) => format!(
            "give it with --passphrase-file FILE or --passphrase-fd N, as the systemd credential reseal.{0}, in the keyring \
             (service `reseal`, user `{0}`), or at a terminal",
            label(ca)
        ),
    };
    Refusal::new(error.to_string()).hint(hint)
}

fn label(ca: &str) -> String {
    format!("ca-{ca}")
}
