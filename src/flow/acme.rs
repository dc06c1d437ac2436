//! `reseal acme`: accounts at CAs that speak ACME; and certificates from them.

mod order;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use super::{Refusal, Session};
use crate::cert::codec;
use crate::engine::Engine;
use crate::host::Host;
use crate::host::dir::MAX_FILE;
use crate::host::http::{self, Patience, Roots, Web};
use crate::host::passphrase::{self, Explicit, PassphraseQuery};
use crate::host::state::State;
use crate::outcome::{Exit, explain};
use crate::source::acme::{self, Account, AcmeError, Binding, Registration};

pub(super) use self::order::{admit, advised, due, installed, obtain};
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
    // The address was typed: that it is none is a wrong word, and not a server's fault.
    http::check_url(&wanted.directory)
        .map_err(|error| Refusal { exit: Exit::Usage, ..AcmeError::from(error).into() })?;
    let web = || client(session.host, wanted.root.as_deref(), QUESTION);
    acme::admit(&web()?, &wanted.directory, wanted.agreed, bound)?;
    if session.options.dry_run {
        return Ok(planned(session, &registration));
    }
    // A person may be asked for it: nobody waits for the lock meanwhile.
    let binding = binding(session, wanted)?;
    let engine = Engine::open(session.host, "acme account create", session.options.wait)?;
    let mut account = Account::begin(engine.state(), &registration, session.host.now())?;
    account.register(&web()?, wanted.agreed, binding.as_ref())?;
    Ok(view(&account))
}

/// The MAC key is read from where it was named, and never from an argument or the environment.
fn binding(session: &Session<'_>, wanted: &Create) -> Result<Option<Binding>, Refusal> {
    let Some(id) = &wanted.binding else { return Ok(None) };
    let query = PassphraseQuery {
        explicit: wanted.binding_key.clone(),
        kept: false,
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
    let engine = Engine::open(session.host, verb, session.options.wait)?;
    let mut account = Account::find(engine.state(), name)?;
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

/// A client that trusts this file's certificates, or the system's roots.
fn client(host: &Host, root: Option<&Path>, total: Duration) -> Result<Web, AcmeError> {
    let roots = match root {
        None => Roots::System,
        Some(path) => {
            let bad = |why: String| AcmeError::Root { path: path.to_owned(), why };
            let bytes = host.read(path, MAX_FILE).map_err(|error| bad(error.to_string()))?;
            let found = codec::read(&bytes, None).map_err(|error| bad(explain(&error)))?;
            let (roots, reserved) = found.into_roots();
            match reserved.first() {
                _ if !roots.is_empty() => Roots::These(roots),
                Some(why) => return Err(bad(why.clone())),
                None => return Err(bad("it holds no certificate".to_owned())),
            }
        }
    };
    Ok(Web::new(&roots, Patience::within(total))?)
}
