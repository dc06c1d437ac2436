//! Whether an anchor may go: of all stores together, so that nothing is done where one of them is refused.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::{Succeeded, Task, again, ca_allows, headline, of_ca};
use crate::cert::{Anchors, Ascent, Certificate, Chain, Issuers, Signed, Untrusted, Ways, issued_by, twins};
use crate::flow::clients::Clients;
use crate::flow::trust::{Known, Meant};
use crate::flow::users::{self, Against, Reason, Target, Users};
use crate::flow::{Refusal, Report, Session};
use crate::host::roots;
use crate::host::state::State;
use crate::outcome::Outcome;
use crate::source::local_ca::Authority;
use crate::trust::Store;
use crate::trust::system::Layout;

/// What speaks against each part of a task, and is overruled: of the CA, and of the stores in their order.
#[derive(Default)]
pub(super) struct Overruled {
    pub of_ca: Vec<Against>,
    pub of_stores: Vec<Vec<Against>>,
}

/// One part of a task, judged.
struct Part {
    /// What its result is called.
    subject: String,
    /// What goes, for people.
    names: String,
    /// What speaks against it, or why that cannot be told.
    found: Result<Vec<Against>, Refusal>,
}

/// Judges the whole task; else the reports of all its parts: of those that are refused, and of those that are not begun for that reason.
pub(super) fn judge(
    session: &Session<'_>,
    task: &Task,
    users: &Users,
    for_all: &Known,
) -> Result<Overruled, Vec<Report>> {
    let stay: Vec<_> = task.meant.iter().map(|meant| meant.others(session, for_all)).collect();
    let stored = stay.iter().flatten().flatten();
    let known = match known(session, task, users, stored) {
        Ok(known) => known,
        Err(refusal) => return Err(task.subjects().map(|name| Report::new(&name, again(&refusal))).collect()),
    };
    let known = Issuers::among(&known);
    let of_ca = task.ca.as_ref().map(|ca| {
        let mut found = Vec::new();
        for held in ca.authority.former() {
            add(&mut found, users.against(held.hierarchy().top(), &known));
        }
        let name = ca.authority.name();
        // What only people insist on is no condition of the CA's own.
        let allowed = if found.is_empty() || session.options.force { ca_allows(session, ca, users) } else { Ok(()) };
        Part { subject: of_ca(name), names: format!("the former root of {name}"), found: allowed.map(|()| found) }
    });
    let of_stores = task.meant.iter().zip(stay).map(|(meant, stay)| Part {
        subject: meant.store.target(),
        names: meant.names(),
        found: stay.and_then(|stay| of_store(session, task.ca.as_ref(), meant, stay, (users, &known))),
    });
    let parts: Vec<Part> = of_ca.into_iter().chain(of_stores).collect();
    let force = session.options.force;
    let good = |part: &Part| part.found.as_ref().is_ok_and(|against| against.is_empty() || force);
    if !parts.iter().all(good) {
        return Err(parts.into_iter().map(|part| if good(&part) { not_begun(&part) } else { refused(part) }).collect());
    }
    let mut all = parts.into_iter().map(|part| part.found.unwrap_or_default());
    let of_ca = task.ca.as_ref().and_then(|_| all.next()).unwrap_or_default();
    Ok(Overruled { of_ca, of_stores: all.collect() })
}

fn refused(part: Part) -> Report {
    match part.found {
        Err(refusal) => Report::new(&part.subject, refusal.outcome()),
        Ok(against) => {
            // Keys do not come back, so what is known to be of it at a target here is in the way of a CA's half whatever is insisted on.
            let hint = match Store::of_target(&part.subject) {
                Some(_) => "see to each of these; `--force` retires it all the same",
                None => {
                    "see to each of these; `--force` retires it all the same, unless a target has, shows or is to get what it has issued"
                }
            };
            let hint = Some(hint.to_owned());
            let outcome = Outcome::Refused { why: headline(&part.names, &against), hint };
            Report { against, ..Report::new(&part.subject, outcome) }
        }
    }
}

fn not_begun(part: &Part) -> Report {
    let alone = Store::of_target(&part.subject).map(|store| format!("`--store {store}` retires it there alone"));
    let why = "not begun, for another part of it is refused".to_owned();
    Report::new(&part.subject, Outcome::Refused { why, hint: alone })
}

/// Issuers that clients may know, wherever they have them from, and where other chains end.
fn known<'c>(
    session: &Session<'_>,
    task: &Task,
    users: &Users,
    stored: impl Iterator<Item = &'c Certificate>,
) -> Result<Vec<Certificate>, Refusal> {
    let mut known = match (&task.ca, State::open(session.host)?) {
        (Some(ca), _) => ca.certificates()?,
        (None, Some(state)) => {
            // A damaged CA is told of by its own verbs.
            let all = Authority::all(&state).unwrap_or_default();
            let held = all.iter().flat_map(Authority::standing);
            held.flat_map(|held| held.hierarchy().certificates().cloned()).collect()
        }
        (None, None) => Vec::new(),
    };
    known.extend(users.sights.iter().flat_map(|sight| &sight.certificates).filter(|one| one.is_ca()).cloned());
    known.extend(stored.cloned());
    known.extend(roots::system().0.roots().iter().cloned());
    known.extend(configured(session));
    let mut seen = HashSet::new();
    known.retain(|one| seen.insert(one.fingerprint()));
    Ok(known)
}

/// The roots that the configuration names: of kinds of clients, and of this system. Of a file that cannot be read nothing is known.
fn configured(session: &Session<'_>) -> Vec<Certificate> {
    let named = &session.config.trust;
    let clients = Clients::new(session.host, named, &[]);
    let found = named.keys().filter_map(|name| clients.or(std::slice::from_ref(name)).ok());
    let mut roots: Vec<Certificate> = found.flatten().flat_map(|client| client.0.roots().to_vec()).collect();
    let store = session.config.system_store.as_ref().map(|store| Layout::find(session.host, Some(store)));
    roots.extend(store.and_then(|layout| layout.ok()?.trusted().ok()).unwrap_or_default());
    roots
}

/// What speaks against taking it out of one store.
fn of_store(
    session: &Session<'_>,
    ca: Option<&Succeeded>,
    meant: &Meant,
    stay: Vec<Certificate>,
    (users, known): (&Users, &Issuers<'_>),
) -> Result<Vec<Against>, Refusal> {
    let now = session.host.now();
    let mut going = Vec::new();
    for entry in &meant.entries {
        let damaged = || Refusal::new(format!("the record of {} is damaged", entry.name));
        let anchor = entry.certificate().ok_or_else(damaged)?;
        // Of a root that was renewed with its key: who uses the one uses the other.
        if !stay.iter().any(|one| twins(one, &anchor) && one.is_valid_at(now)) {
            going.push(anchor);
        }
    }
    let mut found = Vec::new();
    for anchor in &going {
        add(&mut found, users.against(anchor, known));
    }
    let store = &meant.store;
    let root = ca.and_then(|ca| present_root(&ca.authority, store, &stay));
    let told = ca.filter(|_| root.is_some()).map(|ca| ca.authority.name());
    found.extend(root);
    let anchors = Anchors::new(stay);
    for target in users.targets.iter().filter(|target| told.is_none() || target.ca.as_deref() != told) {
        let untrusted = target.present.iter().find(|chain| nobodys(&anchors, chain, now));
        if let Some(chain) = untrusted
            && was_below(session, target, &going, known)?
        {
            let one = successor(target, chain, store, &going);
            // That its issuer is not known is the same matter; what leads to what goes is to be replaced, and what comes instead is asked then.
            let same = |other: &Against| other.who == one.who && other.certificate == one.certificate;
            if found.iter().any(|other| other.reason == Reason::InUse && same(other)) {
                continue;
            }
            found.retain(|other| other.reason != Reason::Unclear || !same(other));
            found.push(one);
        }
    }
    Ok(found)
}

fn add<T: PartialEq>(all: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

/// That a store does not hold the present root of the CA, which comes before the former ones go.
fn present_root(authority: &Authority, store: &Store, stay: &[Certificate]) -> Option<Against> {
    let (root, name) = (authority.root(), authority.name());
    let held = stay.iter().any(|one| twins(one, root));
    (!held).then(|| Against {
        reason: Reason::NoSuccessor,
        who: of_ca(name),
        at: Some(store.to_string()),
        certificate: Some(root.fingerprint()),
        why: format!("{store} does not hold its present root {}", root.fingerprint().short()),
        next: Some(format!("`reseal trust install --ca {name} --store {store}`")),
    })
}

/// Whether clients have needed one of these anchors for a target once.
fn was_below(
    session: &Session<'_>,
    target: &Target,
    anchors: &[Certificate],
    known: &Issuers<'_>,
) -> Result<bool, Refusal> {
    let leads = |certificates: &Vec<Certificate>| {
        let ways = Ways::over(certificates, known);
        // What nobody can tell is no reason to let it go.
        let to = |leaf, anchor| matches!(ways.ascend(leaf, anchor), Ascent::Leads { .. } | Ascent::Tangled);
        certificates.first().is_some_and(|leaf| anchors.iter().any(|anchor| to(leaf, anchor)))
    };
    Ok(users::kept(session, &target.name)?.iter().any(leads))
}

/// Whether no path leads to one of these. What else a client may find wrong with a chain is no store's matter.
fn nobodys(anchors: &Anchors, chain: &Chain, now: OffsetDateTime) -> bool {
    matches!(
        anchors.verify(chain, &[], now),
        Err(Untrusted::UnknownIssuer
            | Untrusted::RootOutOfDate { .. }
            | Untrusted::RootForbids { .. }
            | Untrusted::FalseSignature)
    )
}

fn successor(target: &Target, chain: &Chain, store: &Store, going: &[Certificate]) -> Against {
    let (leaf, name) = (chain.leaf(), &target.name);
    let of_its_ca =
        target.issuing.as_ref().is_some_and(|issuing| issued_by(leaf, issuing.issuer()) == Signed::Verified);
    let next = match &target.ca {
        // What is to go is no help in staying.
        Some(_) if of_its_ca && target.stays_below(going) => users::elsewhere(target),
        Some(ca) if of_its_ca || target.moves => format!("`reseal trust install --ca {ca} --store {store}`"),
        Some(_) | None => format!("`reseal trust install FILE --store {store}`, with the root that it leads to"),
    };
    Against {
        reason: Reason::NoSuccessor,
        who: name.clone(),
        at: Some(store.to_string()),
        certificate: Some(leaf.fingerprint()),
        why: format!(
            "{store} trusts nothing above {}, which it has now in place of one that led to it; its issuer is {}",
            leaf.fingerprint().short(),
            leaf.issuer()
        ),
        next: Some(next),
    }
}
