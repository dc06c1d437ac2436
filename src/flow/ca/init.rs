//! `ca init`: makes a CA.

use super::passphrase::{passphrase, remember, store};
use super::{AuthorityView, Permitted, Published, What, unmade, view};
use crate::cert::Generate;
use crate::engine::Engine;
use crate::flow::{Refusal, Session};
use crate::host::state::State;
use crate::sensitive::Sensitive;
use crate::source::local_ca::{Authority, Founding};

/// What is asked of a new CA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Init {
    /// The names it may sign, fixed for its life; never empty.
    pub permitted: Vec<Permitted>,
    /// The common name of its root; none: `reseal local CA NAME`.
    pub common_name: Option<String>,
    /// How long the root lives.
    pub years: u32,
    /// The kind of its key.
    pub key: Generate,
    /// How many further CAs may stand below what issues.
    pub path_length: u8,
    /// Whether the root signs an intermediate that issues, so that the root's key can be kept elsewhere.
    pub intermediate: bool,
    /// URLs that are told in what it issues.
    pub published: Published,
    /// Keep the passphrase in the keyring.
    pub store_keyring: bool,
}

impl Init {
    /// The usual choice: ten years, P-256, no intermediates, nothing kept in the keyring.
    #[must_use]
    pub fn new(permitted: Vec<Permitted>) -> Self {
        let Founding { common_name, years, key, path_length, intermediate, published, .. } =
            Founding::new("", Vec::new());
        Self { permitted, common_name, years, key, path_length, intermediate, published, store_keyring: false }
    }
}

/// Makes a CA, under the machine lock.
///
/// # Errors
/// It cannot be made like this, there is one of that name, no passphrase was given, or a call failed. Then there is none.
pub fn init(session: &mut Session<'_>, name: &str, init: &Init) -> Result<AuthorityView, Refusal> {
    let founding = Founding {
        name: name.to_owned(),
        permitted: init.permitted.clone(),
        common_name: init.common_name.clone(),
        years: init.years,
        key: init.key,
        path_length: init.path_length,
        intermediate: init.intermediate,
        published: init.published.clone(),
    };
    founding.check()?;
    if session.options.dry_run {
        return planned(session, &founding);
    }
    free(session, name)?;
    // A person may be asked for it: nobody waits for the lock meanwhile.
    let (secret, origin) = passphrase(session, name, true)?;
    let engine = Engine::open(session.host, "ca init", session.options.wait)?;
    engine.trust_clock(session.options.trust_clock)?;
    Authority::vacant(engine.state(), name)?;
    let founded = founding.found(&secret, session.host.now())?;
    // First of all that lasts: with a keyring that cannot keep it, nothing is made.
    if init.store_keyring {
        store(session, name, &secret, &origin)?;
    }
    let kept = founded.keep(engine.state())?;
    remember(session, name, &secret, &origin);
    Ok(view(&kept)?.after(What::Made, vec![1], true))
}

/// The CA that would be made, tried out in memory under a passphrase that nobody needs: the key is thrown away.
fn planned(session: &Session<'_>, founding: &Founding) -> Result<AuthorityView, Refusal> {
    free(session, &founding.name)?;
    let now = session.host.now();
    let founded = founding.found(&Sensitive::from("dry run".to_owned()), now)?;
    Ok(unmade(session, &founded).after(What::Made, vec![1], false))
}

/// Whether there is no CA of this name yet, as far as can be told without the lock.
pub(super) fn free(session: &Session<'_>, name: &str) -> Result<(), Refusal> {
    match State::open(session.host)? {
        Some(state) => Ok(Authority::vacant(&state, name)?),
        None => Ok(()),
    }
}
