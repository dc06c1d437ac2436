//! `trust install`: clients of this machine trust a CA from now on.

use std::path::PathBuf;

use super::ground::{Ground, Known, named};
use super::remove::FEWEST_DIGITS;
use super::{Intended, admit, carry_out};
use crate::cert::Certificate;
use crate::flow::{Refusal, Report, Session};
use crate::host::state::State;
use crate::outcome::Exit;
use crate::sensitive::Sensitive;
use crate::source::local_ca::{Authority, CaError};
use crate::trust::{self, Entry, Standing, Store};

const VERB: &str = "trust install";

/// What is to be trusted, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Install {
    /// What.
    pub source: Source,
    /// The name it gets here; none: made of its common name.
    pub name: Option<String>,
    /// Where; none: the system's.
    pub stores: Vec<Store>,
}

/// Where a certificate comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A file that holds one.
    File(PathBuf),
    /// A CA of reseal's own: what clients of it must trust.
    Authority(String),
}

/// Lets the stores trust it, each as one transaction.
///
/// # Errors
/// There is no such certificate, or it must not be trusted; a store's own refusal is in its report.
pub fn install(session: &mut Session<'_>, wanted: &Install) -> Result<Vec<Report>, Refusal> {
    let digits = |name: &str| name.len() >= FEWEST_DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(name) = wanted.name.as_deref().filter(|name| digits(name)) {
        let refusal =
            Refusal::new(format!("{name:?} reads like the fingerprint of a certificate, and is no name for one"));
        return Err(Refusal { exit: Exit::Usage, ..refusal.hint("add a letter after `f`, or a `-`") });
    }
    if let Some(name) = wanted.name.as_deref().filter(|name| !trust::is_name(name)) {
        let refusal = Refusal::new(format!("{name:?} is no name for a trusted certificate"));
        let hint = "begin with a small letter or a digit, then small letters, digits, `.`, `_` and `-`, at most 64";
        return Err(Refusal { exit: Exit::Usage, ..refusal.hint(hint) });
    }
    let anchors = anchors(session, wanted)?;
    let mut notes = Vec::new();
    for (_, certificate) in &anchors {
        notes.extend(admit::judge(certificate, session.host.now())?);
    }
    let usual = [Store::System];
    let stores = if wanted.stores.is_empty() { &usual[..] } else { &wanted.stores };
    let mut reports = Vec::new();
    let for_all = Known::default();
    for store in stores {
        let own = Known::default();
        let known = if named(session) { &for_all } else { &own };
        let build = |session: &Session<'_>, ground: &Ground, state: Option<&State>| {
            let secret = known.of(ground, session)?;
            let intended = intend(session, ground, &anchors, secret)?;
            ground.make(session, state, intended, secret)
        };
        let mut report = carry_out(session, store, VERB, &build);
        report.notes.splice(0..0, notes.clone());
        reports.push(report);
    }
    Ok(reports)
}

/// The certificates that are meant, each with the name that it gets.
fn anchors(session: &Session<'_>, wanted: &Install) -> Result<Vec<(String, Certificate)>, Refusal> {
    match &wanted.source {
        Source::File(path) => {
            let certificate = admit::read(session.host, path)?;
            let name = wanted.name.clone().unwrap_or_else(|| trust::usual_name(&certificate));
            Ok(vec![(name, certificate)])
        }
        Source::Authority(ca) => {
            let missing = || CaError::Missing { name: ca.clone(), known: Vec::new() };
            let state = State::open(session.host)?.ok_or_else(missing)?;
            let authority = Authority::find(&state, ca)?;
            let base = wanted.name.clone().unwrap_or_else(|| ca.to_ascii_lowercase());
            // The next root, too: clients have to trust it before it issues.
            let roots = authority.standing().into_iter().map(|held| {
                let number = held.number();
                let name = if number == 1 { base.clone() } else { format!("{base}-{number}") };
                (name, held.hierarchy().top().clone())
            });
            Ok(roots.collect())
        }
    }
}

/// What has to be done for a store to trust these.
fn intend(
    session: &Session<'_>,
    ground: &Ground,
    anchors: &[(String, Certificate)],
    secret: Option<&Sensitive>,
) -> Result<Intended, Refusal> {
    let (host, store) = (session.host, &ground.store);
    let mut intended = Intended::default();
    for (name, certificate) in anchors {
        let fingerprint = certificate.fingerprint();
        if let Some(entry) = ground.record.of(fingerprint) {
            match ground.standing(host, entry, secret) {
                Standing::InPlace => intended.notes.push(format!("{} is trusted by {store} already", entry.name)),
                Standing::NotTakenUp => intended.take_up = true,
                Standing::Gone => {
                    intended.forget.push(entry.clone());
                    intended.add.push(Entry::new(&entry.name, entry.place.clone(), certificate, host.now()));
                }
                Standing::Changed => return Err(changed(store, entry)),
                Standing::Unknown(why) => {
                    return Err(Refusal::new(format!("cannot tell how {} stands in {store}: {why}", entry.name))
                        .hint("see to it that the store can be read, then run the same command again"));
                }
            }
            continue;
        }
        if let Some(holder) = ground.holder(host, fingerprint, secret)? {
            let title = certificate.title();
            intended.notes.push(format!(
                "{title} is trusted by {store} already ({holder}), and was put there by somebody else: reseal has added nothing, and will not remove it"
            ));
            continue;
        }
        let place = ground.place_of(name);
        if ground.record.named(name).is_some() || ground.taken(host, &place) {
            return Err(Refusal::new(format!("{store} has another certificate of the name {name} already ({place})"))
                .hint("give this one another name: `--name NAME`"));
        }
        intended.add.push(Entry::new(name, place, certificate, host.now()));
    }
    Ok(intended)
}

/// Somebody else has put something else where reseal had added a certificate.
pub(super) fn changed(store: &Store, entry: &Entry) -> Refusal {
    Refusal::new(format!(
        "{} in {store} is not what reseal has added any more: somebody else has changed {}",
        entry.name, entry.place
    ))
    .hint(format!(
        "look at it; what reseal had added is kept: `reseal restore {0}` puts it back, `reseal backups {0}` lists it",
        store.target()
    ))
}
