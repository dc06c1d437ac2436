//! `ca import`: takes over a CA that was made elsewhere.

use std::path::{Path, PathBuf};

use super::init::free;
use super::passphrase::{passphrase, remember, store};
use super::{AuthorityView, Permitted, Published, What, unmade, view};
use crate::cert::codec::{self, BlockError};
use crate::cert::{Certificate, PrivateKey};
use crate::config::SourceConfig;
use crate::engine::Engine;
use crate::flow::{Refusal, Session};
use crate::host::dir::MAX_FILE;
use crate::host::passphrase::{self as sources, Explicit, PassphraseQuery};
use crate::outcome::explain;
use crate::sensitive::Sensitive;
use crate::source::local_ca::{Authority, CaError, Existing};

/// What is taken over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// The file of the CA's certificate, in any format and packing; it may hold the others too.
    pub certificate: PathBuf,
    /// The files of its key and of the certificates above it, in any format and packing.
    pub others: Vec<PathBuf>,
    /// A file with the passphrase under which the key lies in these files; none: that of the CA here.
    pub key_passphrase_file: Option<PathBuf>,
    /// The names it may sign here; never empty.
    pub permitted: Vec<Permitted>,
    /// URLs that are told in what it issues.
    pub published: Published,
    /// Keep the passphrase in the keyring.
    pub store_keyring: bool,
}

impl Import {
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.certificate).chain(&self.others)
    }
}

/// Takes over a CA, under the machine lock. The files stay as they are.
///
/// # Errors
/// A file cannot be read, what the files hold is no CA that could issue for these names and for those of the targets that name it as
/// their source, there is one of that name, or a call failed. Then there is none.
pub fn import(session: &mut Session<'_>, name: &str, import: &Import) -> Result<AuthorityView, Refusal> {
    free(session, name)?;
    if session.options.dry_run {
        let (certificates, key) = match read(session, import, None) {
            // It may lie under the passphrase of the CA.
            Err(Unread::Locked(_)) => {
                let (secret, _) = passphrase(session, name, false)?;
                read(session, import, Some(&secret))
            }
            other => other,
        }
        .map_err(|unread| unread.refusal(name))?;
        let founded = existing(session, name, import, certificates, key)
            .take_over(&Sensitive::from("dry run".to_owned()), session.host.now())
            .map_err(|error| refused(name, error))?;
        return Ok(unmade(session, &founded).after(What::TakenOver, vec![1], false));
    }
    // What can be read without the passphrase of the CA is refused before anybody types one.
    let at_once = match read(session, import, None) {
        Err(Unread::Locked(_)) => None,
        other => Some(other.map_err(|unread| unread.refusal(name))?),
    };
    // A person may be asked for it: nobody waits for the lock meanwhile.
    let (secret, origin) = passphrase(session, name, true)?;
    let engine = Engine::open(session.host, "ca import", session.options.wait)?;
    engine.trust_clock(session.options.trust_clock)?;
    Authority::vacant(engine.state(), name)?;
    let (certificates, key) = match at_once {
        Some(found) => found,
        None => read(session, import, Some(&secret)).map_err(|unread| unread.refusal(name))?,
    };
    let founded = existing(session, name, import, certificates, key)
        .take_over(&secret, session.host.now())
        .map_err(|error| refused(name, error))?;
    if import.store_keyring {
        store(session, name, &secret, &origin)?;
    }
    let kept = founded.keep(engine.state())?;
    remember(session, name, &secret, &origin);
    Ok(view(&kept)?.after(What::TakenOver, vec![1], true))
}

/// Why it is not taken over: where clients would refuse what it issues, that is a matter of its own certificates, and told as one.
fn refused(name: &str, error: CaError) -> Refusal {
    let CaError::Untrusted(why) = error else { return error.into() };
    let why = explain(&why);
    Refusal::new(format!(
        "cannot take over the CA {name}: clients would refuse what it issues for the names that are permitted: {why}"
    ))
    .hint(
        "permit with `--permit` what its certificates allow (`openssl x509 -in FILE -noout -text` shows their name constraints and uses), \
         or have it made anew",
    )
}

fn existing(
    session: &Session<'_>,
    name: &str,
    import: &Import,
    certificates: Vec<Certificate>,
    key: PrivateKey,
) -> Existing {
    let targets = session.config.targets.iter();
    let served = targets.filter(|target| matches!(&target.source, SourceConfig::LocalCa { ca, .. } if ca == name));
    Existing {
        name: name.to_owned(),
        permitted: import.permitted.clone(),
        wanted: served.flat_map(|target| target.names.clone()).collect(),
        certificates,
        key,
        published: import.published.clone(),
    }
}

/// Why the files cannot be used.
enum Unread {
    /// The passphrase does not open the key, or there is none; with the words for it.
    Locked(String),
    /// Anything else.
    Refused(Refusal),
}

impl Unread {
    fn refusal(self, ca: &str) -> Refusal {
        match self {
            Self::Locked(why) => Refusal::new(why).hint(format!(
                "--key-passphrase-file FILE names the passphrase of the key in the files; without it that of the CA {ca} is tried"
            )),
            Self::Refused(refusal) => refusal,
        }
    }
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// All certificates of the files, and the one key.
fn read(
    session: &Session<'_>,
    import: &Import,
    secret: Option<&Sensitive>,
) -> Result<(Vec<Certificate>, PrivateKey), Unread> {
    let (mut certificates, mut keys): (Vec<Certificate>, Vec<PrivateKey>) = (Vec::new(), Vec::new());
    let own = match &import.key_passphrase_file {
        Some(path) => Some(named(session, path)?),
        None => None,
    };
    // The certificates of the file that was named for the CA itself.
    let mut named_for_it: Vec<Certificate> = Vec::new();
    for path in import.files() {
        let unread = |why: String| {
            Refusal::new(format!("cannot read {}: {why}", path.display()))
                .hint("give files with the CA's certificate and its key, in PEM, DER, PKCS#7, PKCS#12 or JKS")
        };
        let bytes =
            session.host.read(path, MAX_FILE).map(Sensitive::from).map_err(|error| unread(error.to_string()))?;
        let found = codec::read(bytes.expose(), own.as_ref().or(secret)).map_err(|error| unread(explain(&error)))?;
        if let Some(bad) = found.bad.into_iter().next() {
            let locked = matches!(bad.why, BlockError::WrongPassphrase | BlockError::EncryptedNoPassphrase);
            let why = explain(&bad);
            return Err(if locked {
                Unread::Locked(format!("cannot read {}: {why}", path.display()))
            } else {
                unread(why).into()
            });
        }
        if path == &import.certificate {
            named_for_it.extend(found.certificates.iter().cloned());
        }
        certificates.extend(found.certificates);
        for key in found.keys {
            if keys.iter().all(|known| known.spki() != key.spki()) {
                keys.push(key);
            }
        }
    }
    certificates.dedup();
    // Beside the CA's a file may hold keys of servers.
    if keys.len() > 1 {
        keys.retain(|key| certificates.iter().any(|one| one.is_ca() && key.matches(one)));
    }
    let listed = || import.files().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let refused = |why: &str, hint: &str| Err(Refusal::new(format!("{why} in {}", listed())).hint(hint).into());
    if certificates.is_empty() {
        return refused("no certificate was found", "add the CA's certificate");
    }
    let mut keys = keys.into_iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) => {
            match certificates.iter().find(|one| key.matches(one)) {
                // Whose key it is decides what issues: that must be what was named.
                Some(owner) if !named_for_it.is_empty() && !named_for_it.iter().any(|one| key.matches(one)) => {
                    let named = named_for_it.iter().map(Certificate::title).collect::<Vec<_>>().join(", ");
                    let why = format!(
                        "the key belongs to {}, and not to {named}, which is in {}",
                        owner.title(),
                        import.certificate.display()
                    );
                    Err(Refusal::new(why)
                    .hint("give the key of the certificate that `--cert` names, or name the key's own certificate there")
                    .into())
                }
                Some(_) | None => Ok((certificates, key)),
            }
        }
        (Some(_), Some(_)) => refused("several keys of CAs were found", "name the files of one CA"),
        (None, _) => refused(
            "no private key of a CA was found",
            "add the key of the CA's certificate: without it nothing can be issued",
        ),
    }
}

fn named(session: &Session<'_>, path: &Path) -> Result<Sensitive, Refusal> {
    let explicit = Some(Explicit::File(path.to_owned()));
    let query = PassphraseQuery { explicit, kept: false, ..PassphraseQuery::new("import") };
    match sources::obtain(session.host, &query) {
        Ok((secret, _)) => Ok(secret),
        Err(error) => Err(Refusal::with(explain(&error), Some(error.hint().to_owned()))),
    }
}
