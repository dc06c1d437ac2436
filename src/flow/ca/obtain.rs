//! Certificates from a local CA, for targets and for whoever asks by hand.

use time::OffsetDateTime;

use super::open_state;
use super::passphrase::{named_file, unlock};
use crate::cert::{Bundle, Generate, Name, PrivateKey};
use crate::event::Event;
use crate::flow::{Refusal, Session};
use crate::host::clock::{self, ClockError};
use crate::moment::stamp;
use crate::source::local_ca::{Authority, CaError, LeafOrder, Unlocked};

/// Whether a CA would issue a certificate like this now. Asks for no passphrase.
///
/// # Errors
/// Why it would not.
pub fn admit(session: &Session<'_>, ca: &str, names: &[Name], days: u32) -> Result<(), Refusal> {
    Ok(Authority::find(&open_state(session, ca)?, ca)?.admit(names, days, session.host.now())?)
}

/// What is wanted from a CA.
pub struct Wanted {
    /// The names, the first also as common name.
    pub names: Vec<Name>,
    /// How long it lives; less where the CA does.
    pub days: u32,
    /// Its key.
    pub key: LeafKey,
    /// The target it is for; none: asked for by hand.
    pub target: Option<String>,
}

/// The key of a new certificate.
pub enum LeafKey {
    /// A new one of this kind.
    Make(Generate),
    /// One that is in use already.
    Keep(PrivateKey),
}

/// CAs whose keys have been opened, so that one run asks for each passphrase once: a descriptor can be read no second time.
#[derive(Default)]
pub struct Authorities(Vec<Unlocked>);

impl Authorities {
    /// Issues a certificate. Whether it may is found out before anybody is asked for a passphrase.
    ///
    /// # Errors
    /// There is no such CA, it may not sign the names, its time is over, the clock cannot be right, there is no passphrase or a
    /// wrong one, or what came out does not verify.
    pub fn obtain(&mut self, session: &mut Session<'_>, ca: &str, wanted: Wanted) -> Result<Bundle, Refusal> {
        session.listener.hear(&Event::Obtaining { source: format!("local CA {ca}") });
        let now = session.host.now();
        let authority = Authority::find(&open_state(session, ca)?, ca)?;
        authority.admit(&wanted.names, wanted.days, now)?;
        let unlocked = self.opened(session, &authority)?;
        plausible(session, unlocked.authority(), now)?;
        let key = match wanted.key {
            LeafKey::Make(kind) => PrivateKey::generate(kind).map_err(CaError::from)?,
            LeafKey::Keep(key) => key,
        };
        let order = LeafOrder { names: wanted.names, key, days: wanted.days, target: wanted.target };
        let bundle = unlocked.issue(order, now)?;
        let end = unlocked.authority().active().hierarchy().not_after();
        if bundle.leaf().not_after() == end {
            let text =
                format!("the certificate ends with its CA {ca}, on {end}: give it a new root soon, or make another CA");
            session.listener.hear(&Event::Note { text });
        }
        Ok(bundle)
    }

    /// A CA whose key is open.
    fn opened(&mut self, session: &mut Session<'_>, authority: &Authority) -> Result<&Unlocked, Refusal> {
        // One that was opened before another root came to issue is of no use any more.
        let issuer = authority.active().hierarchy().issuer().fingerprint();
        let issues = |unlocked: &Unlocked| {
            let opened = unlocked.authority();
            opened.name() == authority.name() && opened.active().hierarchy().issuer().fingerprint() == issuer
        };
        let place = match self.0.iter().position(issues) {
            Some(place) => place,
            None => {
                self.0.push(unlock(session, authority.name())?);
                self.0.len() - 1
            }
        };
        Ok(&self.0[place])
    }
}

/// Whether a CA is opened by the file that is named for its passphrase, where one is: it needs no person, so that a run in earnest would
/// fail by it is known before.
///
/// # Errors
/// There is no such CA, the file cannot be used, or it does not open the key.
pub fn try_file(session: &mut Session<'_>, ca: &str) -> Result<(), Refusal> {
    if !named_file(session, ca) {
        return Ok(());
    }
    let authority = Authority::find(&open_state(session, ca)?, ca)?;
    let mut authorities = std::mem::take(&mut session.authorities);
    let opened = authorities.opened(session, &authority).map(|_| ());
    session.authorities = authorities;
    opened
}

/// Whether the clock may be right: it shows a time after what the CA has done last, or somebody has seen that it was that clock which was
/// wrong.
pub(super) fn plausible(session: &Session<'_>, authority: &Authority, now: OffsetDateTime) -> Result<(), Refusal> {
    let newest = if session.options.trust_clock { None } else { Some(authority.newest()?) };
    clock::plausible(now, newest).map_err(|error| match error {
        ClockError::BeforeRelease { .. } => Refusal::new(error.to_string()).hint(error.hint()),
        ClockError::BeforeReceipts { now, newest } => Refusal::new(format!(
            "the clock shows {}, and the CA {} was at work on {}",
            stamp(now),
            authority.name(),
            stamp(newest)
        ))
        .hint("set the clock; if it is right now and was ahead then, `--trust-clock` goes on all the same, and later runs go by what that writes down"),
    })
}

/// Issues one certificate. A run that needs several keeps [`Authorities`] instead.
///
/// # Errors
/// As [`Authorities::obtain`].
pub fn obtain(session: &mut Session<'_>, ca: &str, wanted: Wanted) -> Result<Bundle, Refusal> {
    Authorities::default().obtain(session, ca, wanted)
}
