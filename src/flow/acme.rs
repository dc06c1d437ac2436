//! `reseal acme`: accounts at CAs that speak ACME; and certificates from them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use super::renew::good;
use super::{Refusal, Session};
use crate::cert::codec;
use crate::cert::installed::Leaf;
use crate::cert::{Bundle, Certificate, Generate, PrivateKey};
use crate::config::{AcmeChallenge, AcmeConfig, TargetConfig};
use crate::digest::Digest;
use crate::engine::vault::Vault;
use crate::engine::{Engine, EngineError};
use crate::event::Event;
use crate::host::Host;
use crate::host::dir::MAX_FILE;
use crate::host::http::{Patience, Roots, Web};
use crate::host::passphrase::{self, Explicit, PassphraseQuery};
use crate::host::state::State;
use crate::outcome::{Outcome, explain};
use crate::source::acme::{self, Account, AcmeError, Advice, Binding, Challenge, Errand, Registration, Update, Wanted};

pub use crate::source::acme::Standing;

/// How long a question about an account, or about the time of a renewal, may take.
const QUESTION: Duration = Duration::from_mins(1);

/// What is asked of a new account.
#[derive(Clone, Debug)]
pub struct Create {
    /// The server's directory.
    pub directory: String,
    /// A file with the roots to trust for the server's own HTTPS.
    pub root: Option<PathBuf>,
    /// Where the CA may write to.
    pub contacts: Vec<String>,
    /// Whether a person agrees to the server's terms.
    pub agreed: bool,
    /// The id of an external account.
    pub binding: Option<String>,
    /// Where its key comes from.
    pub binding_key: Option<Explicit>,
}

/// An account, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AccountView {
    /// Its name on this machine.
    pub name: String,
    /// The server's directory.
    pub directory: String,
    /// How it stands, as far as this machine knows; none in a dry run.
    pub standing: Option<Standing>,
    /// Its URL at the server. Whoever prints it must escape it.
    pub url: Option<String>,
    /// Where the CA may write to.
    pub contacts: Vec<String>,
    /// The thumbprint of its key (RFC 7638); none in a dry run.
    pub thumbprint: Option<String>,
    /// The file with the roots to trust for the server's HTTPS.
    pub root: Option<PathBuf>,
    /// When it was begun, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// Where it lies.
    pub place: PathBuf,
}

impl From<AcmeError> for Refusal {
    fn from(error: AcmeError) -> Self {
        Self::with(explain(&error), error.hint())
    }
}

/// Makes an account, under the machine lock. Run again after it was interrupted, it goes on with the key that was kept.
///
/// # Errors
/// It cannot be made like this, the server refuses, or a call failed.
pub fn create(session: &mut Session<'_>, name: &str, wanted: &Create) -> Result<AccountView, Refusal> {
    let registration = Registration {
        name: name.to_owned(),
        directory: wanted.directory.clone(),
        root: wanted.root.clone(),
        contacts: wanted.contacts.clone(),
        agreed: wanted.agreed,
    };
    let bound = wanted.binding.is_some();
    let web = client(session.host, wanted.root.as_deref(), QUESTION)?;
    if session.options.dry_run {
        acme::admit(&web, &wanted.directory, wanted.agreed, bound)?;
        return Ok(planned(session, &registration));
    }
    let engine = Engine::open(session.host, "acme account create", session.options.wait).map_err(not_opened)?;
    acme::admit(&web, &wanted.directory, wanted.agreed, bound)?;
    let binding = binding(session, wanted)?;
    let mut account = Account::begin(engine.state(), &registration, session.host.now())?;
    account.register(&web, wanted.agreed, binding.as_ref())?;
    Ok(view(&account))
}

/// The MAC key is read from where it was named, and never from an argument or the environment.
fn binding(session: &Session<'_>, wanted: &Create) -> Result<Option<Binding>, Refusal> {
    let Some(id) = &wanted.binding else { return Ok(None) };
    let query = PassphraseQuery {
        explicit: wanted.binding_key.clone(),
        keyring: None,
        may_prompt: session.options.secrets.may_prompt,
        ..PassphraseQuery::new("acme-eab")
    };
    let (key, _) = passphrase::obtain(session.host, &query)
        .map_err(|error| Refusal::with(explain(&error), Some(error.hint().to_owned())))?;
    Ok(Some(Binding::new(id, &key)?))
}

/// The account of this name, or all there are. Asks no server.
///
/// # Errors
/// There is none of this name, or one cannot be read.
pub fn show(session: &Session<'_>, name: Option<&str>) -> Result<Vec<AccountView>, Refusal> {
    match (name, State::open(session.host)?) {
        (Some(name), Some(state)) => Ok(vec![view(&Account::find(&state, name)?)]),
        (None, Some(state)) => Ok(Account::all(&state)?.iter().map(view).collect()),
        (Some(name), None) => Err(missing(name).into()),
        (None, None) => Ok(Vec::new()),
    }
}

/// Gives the account another key.
///
/// # Errors
/// The server refuses or cannot be asked, or a call failed.
pub fn roll_key(session: &mut Session<'_>, name: &str) -> Result<AccountView, Refusal> {
    alter(session, name, "acme account roll-key", |account, web| account.roll_key(web))
}

/// Ends the account, at the server and here.
///
/// # Errors
/// The server refuses or cannot be asked, or a call failed.
pub fn deactivate(session: &mut Session<'_>, name: &str) -> Result<AccountView, Refusal> {
    alter(session, name, "acme account deactivate", |account, web| account.deactivate(web))
}

fn alter(
    session: &mut Session<'_>,
    name: &str,
    verb: &str,
    act: impl FnOnce(&mut Account, &Web) -> Result<(), AcmeError>,
) -> Result<AccountView, Refusal> {
    if session.options.dry_run {
        let mut views = show(session, Some(name))?;
        return views.pop().ok_or_else(|| missing(name).into());
    }
    let engine = Engine::open(session.host, verb, session.options.wait).map_err(not_opened)?;
    let mut account = Account::find(engine.state(), name)?;
    account.id()?;
    let web = client(session.host, account.root().map(PathBuf::as_path), QUESTION)?;
    act(&mut account, &web)?;
    Ok(view(&account))
}

fn planned(session: &Session<'_>, wanted: &Registration) -> AccountView {
    AccountView {
        name: wanted.name.clone(),
        directory: wanted.directory.clone(),
        standing: None,
        url: None,
        contacts: wanted.contacts.clone(),
        thumbprint: None,
        root: wanted.root.clone(),
        created: session.host.now(),
        place: Account::place_of(session.host, &wanted.name),
    }
}

fn view(account: &Account) -> AccountView {
    AccountView {
        name: account.name().to_owned(),
        directory: account.directory().to_owned(),
        standing: Some(account.standing()),
        url: account.url().map(str::to_owned),
        contacts: account.contacts().to_vec(),
        thumbprint: Some(account.thumbprint()),
        root: account.root().cloned(),
        created: account.created(),
        place: account.place(),
    }
}

fn missing(name: &str) -> AcmeError {
    AcmeError::Missing { name: name.to_owned(), known: Vec::new() }
}

fn not_opened(error: EngineError) -> Refusal {
    super::ca::not_opened(error)
}

/// A client that trusts this file's certificates, or the system's roots.
fn client(host: &Host, root: Option<&Path>, total: Duration) -> Result<Web, AcmeError> {
    let roots = match root {
        None => Roots::System,
        Some(path) => {
            let bad = |why: String| AcmeError::Root { path: path.to_owned(), why };
            let bytes = host.read(path, MAX_FILE).map_err(|error| bad(error.to_string()))?;
            let found = codec::read(&bytes, None).map_err(|error| bad(explain(&error)))?;
            if found.certificates.is_empty() {
                return Err(bad("it holds no certificate".to_owned()));
            }
            Roots::These(found.certificates)
        }
    };
    Ok(Web::new(&roots, Patience::within(total))?)
}

/// The account of a target, checked against what the target says of it.
fn account_of(state: &State, source: &AcmeConfig) -> Result<Account, AcmeError> {
    let account = Account::find(state, &source.account)?;
    account.id()?;
    match &source.directory {
        Some(wanted) if wanted != account.directory() => Err(AcmeError::OtherDirectory {
            name: source.account.clone(),
            theirs: account.directory().to_owned(),
            wanted: wanted.clone(),
        }),
        Some(_) | None => Ok(account),
    }
}

/// Whether an order would be placed: asks nobody.
///
/// # Errors
/// Why it would not.
pub(super) fn admit(session: &Session<'_>, config: &TargetConfig, source: &AcmeConfig) -> Result<(), Refusal> {
    let state = State::open(session.host)?.ok_or_else(|| missing(&source.account))?;
    account_of(&state, source)?;
    named(config)?;
    Ok(challenge(session.host, config, source)?.admit(&config.names)?)
}

fn named(config: &TargetConfig) -> Result<(), Refusal> {
    if config.names.is_empty() {
        return Err(Refusal::new(format!("target {} does not say for which names to order", config.name))
            .hint("give it `names`"));
    }
    Ok(())
}

/// Obtains a certificate: from the shelf, by an order that was begun, or by a new one. The caller holds the machine lock, so two runs
/// place one order.
///
/// # Errors
/// Nothing was obtained.
pub(super) fn obtain(
    session: &mut Session<'_>,
    config: &TargetConfig,
    source: &AcmeConfig,
    kind: Option<Generate>,
    keep: Option<PrivateKey>,
    in_place: Option<&Certificate>,
) -> Result<Bundle, Refusal> {
    named(config)?;
    let host = session.host;
    let challenge = challenge(host, config, source)?;
    challenge.admit(&config.names)?;
    let state = State::open(host)?.ok_or_else(|| missing(&source.account))?;
    let mut account = account_of(&state, source)?;
    let known = in_place.and_then(|leaf| acme::known_renewal(&state, &config.name, leaf.fingerprint()));
    let wanted = Wanted {
        target: config.name.clone(),
        names: config.names.clone(),
        kind: kind.unwrap_or(source.key),
        keep,
        challenge,
        profile: source.profile.clone(),
        preferred_chain: source.preferred_chain.clone(),
        // Only a CA that has a window for it knows it (RFC 9773 section 5).
        replaces: in_place.filter(|_| known.is_some_and(|known| known.window.is_some())).cloned(),
    };
    let still_good = |leaf: &Certificate| good(&Leaf::of(leaf, true), config, host.now());
    let committed = committed(&state, &config.name);
    let directory = account.directory().to_owned();
    let shelved = acme::shelved(&state, &source.account, &directory, &wanted, committed, host.now(), &still_good)?;
    if let Some(bundle) = shelved {
        let text = "taken from the shelf: it was obtained before and never installed".to_owned();
        session.listener.hear(&Event::Note { text });
        return Ok(bundle);
    }
    session.listener.hear(&Event::Obtaining { source: format!("ACME {directory}") });
    let root = source.root.as_deref().or(account.root().map(PathBuf::as_path));
    let web = client(host, root, source.deadline)?;
    account.settle(&web)?;
    let listener = &mut *session.listener;
    let mut tell = |text: String| listener.hear(&Event::Note { text });
    let mut errand = Errand { host, state: &state, web: &web, account: &account, tell: &mut tell };
    Ok(acme::obtain(&mut errand, &wanted)?)
}

/// Forgets what was obtained, once it is in place.
pub(super) fn installed(session: &mut Session<'_>, config: &TargetConfig, outcome: &Outcome, leaf: Digest) {
    if !matches!(outcome, Outcome::Committed { .. } | Outcome::Nothing { .. }) {
        return;
    }
    let forgotten = match State::open(session.host) {
        Ok(Some(state)) => acme::installed(&state, &config.name, leaf),
        Ok(None) | Err(_) => Ok(()),
    };
    if let Err(error) = forgotten {
        let text = format!("what was obtained stays on the shelf: {}", explain(&error));
        session.listener.hear(&Event::Note { text });
    }
}

/// What the CA last said about the time of renewal, if that is kept and still counts. Asks nobody.
pub(super) fn advised(host: &Host, state: &State, config: &TargetConfig, leaf: Digest) -> Option<Advice> {
    acme::known_renewal(state, &config.name, leaf).filter(|advice| !advice.is_stale(host.now()))
}

/// Whether the CA would have this certificate renewed now (RFC 9773): asked where what was said before is too old. That it could not
/// be asked is a note, and stops nothing.
pub(super) fn due(
    session: &Session<'_>,
    config: &TargetConfig,
    source: &AcmeConfig,
    leaf: &Certificate,
    notes: &mut Vec<String>,
) -> bool {
    let host = session.host;
    let Ok(Some(state)) = State::open(host) else { return false };
    let fresh = advised(host, &state, config, leaf.fingerprint());
    let advice = match fresh {
        Some(advice) => advice,
        // A dry run writes nothing, so it asks nobody whose answer would have to be kept.
        None if session.options.dry_run => return false,
        None => {
            let asked = account_of(&state, source).and_then(|account| {
                let root = source.root.as_deref().or(account.root().map(PathBuf::as_path));
                let web = client(host, root, QUESTION)?;
                acme::ask_renewal(&state, &web, account.directory(), &config.name, leaf, host.now())
            });
            match asked {
                Ok(advice) => advice,
                Err(error) => {
                    notes.push(format!("the CA could not be asked when to renew: {}", explain(&error)));
                    return false;
                }
            }
        }
    };
    if let Some(why) = &advice.failed {
        notes.push(format!("the CA could not be asked when to renew: {why}"));
    }
    let due = advice.is_due(host.now());
    if let Some(page) = advice.page.as_ref().filter(|_| due) {
        notes.push(format!("the CA tells why it would have it renewed: {page}"));
    }
    due
}

/// The leaf that was committed last.
fn committed(state: &State, target: &str) -> Option<Digest> {
    let vault = Vault::open(state, target).ok()??;
    let manifest = vault.manifest(vault.current().ok()??).ok()?;
    manifest.leaf.map(|leaf| leaf.fingerprint)
}

fn challenge(host: &Host, config: &TargetConfig, source: &AcmeConfig) -> Result<Challenge, Refusal> {
    Ok(match &source.challenge {
        AcmeChallenge::Http { listen } => Challenge::Http { listen: *listen },
        AcmeChallenge::Webroot { root } => {
            let owner = config.service_user.as_deref().map(|user| {
                host.user_id(user).ok_or_else(|| {
                    Refusal::new(format!("target {}: there is no user {user} on this machine", config.name))
                        .hint("correct `service_user`")
                })
            });
            Challenge::Webroot { root: root.clone(), owner: owner.transpose()? }
        }
        AcmeChallenge::TlsAlpn { listen } => Challenge::TlsAlpn { listen: *listen },
        AcmeChallenge::DnsHook { command, wait } => Challenge::DnsHook { command: command.clone(), wait: *wait },
        AcmeChallenge::DnsUpdate { host, port, zone, key_file, program, wait } => {
            let update = Update {
                host: host.clone(),
                port: *port,
                zone: zone.clone(),
                key_file: key_file.clone(),
                program: program.clone(),
                timeout: 30,
            };
            Challenge::DnsUpdate { update, wait: *wait }
        }
    })
}
