//! `retire NAME`, `retire --ca NAME`: an anchor that reseal has added goes out of the stores, where nobody is seen using it. Of a CA of
//! reseal's own the keys of the former roots go first, and the trust in them last.

mod judge;

use self::judge::judge;
use super::ca::{former, retirable};
use super::trust::{self, Known, Meant};
use super::users::{Against, Reason, Users};
use super::{Refusal, Report, Session};
use crate::cert::Certificate;
use crate::endpoint::Endpoint;
use crate::host::state::State;
use crate::outcome::Outcome;
use crate::source::local_ca::{Authority, CaError};
use crate::trust::Store;

const VERB: &str = "retire";

/// What is to be retired, and who else might use it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retire {
    /// What.
    pub what: What,
    /// Of which stores; none: wherever reseal has added it.
    pub stores: Vec<Store>,
    /// Servers that are no targets and must not use it either.
    pub seen: Vec<Endpoint>,
}

/// What is to be retired.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// An anchor, by its name here or its fingerprint, as `trust remove` takes it.
    Anchor(String),
    /// The former roots of a CA of reseal's own.
    Authority(String),
}

/// What there is to do.
struct Task {
    ca: Option<Succeeded>,
    meant: Vec<Meant>,
}

/// A CA with the roots that it has no use for any more.
struct Succeeded {
    authority: Authority,
    /// Numbers of former roots that are not put away yet.
    former: Vec<u32>,
    /// Whether an earlier run has put roots away and has not removed all their keys.
    unswept: bool,
}

/// Retires it: looks, refuses where somebody uses it or that cannot be told, and takes it out. Broken off, it goes on when it is run again.
///
/// # Errors
/// There is no such CA, or reseal has added no such anchor; a store's own refusal is in its report.
pub fn run(session: &mut Session<'_>, wanted: &Retire) -> Result<Vec<Report>, Refusal> {
    let subject = match &wanted.what {
        What::Anchor(which) => which.clone(),
        What::Authority(ca) => of_ca(ca),
    };
    // An earlier run may have been killed when all was done but for its last words.
    if let Err(outcome) = session.begin(VERB, &subject) {
        return Ok(vec![Report::new(&subject, outcome)]);
    }
    let mut task = Task::find(session, wanted)?;
    if let Some(why) = task.nothing_left() {
        return Ok(vec![Report::new(&subject, Outcome::Nothing { why })]);
    }
    if !session.options.dry_run {
        if let Err(outcome) = session.engine(VERB) {
            return Ok(task.subjects().map(|name| Report::new(&name, outcome.clone())).collect());
        }
        // Recovery may have ended what an earlier run had begun.
        task = Task::find(session, wanted)?;
        if let Some(why) = task.nothing_left() {
            return Ok(vec![Report::new(&subject, Outcome::Nothing { why })]);
        }
    }
    let users = Users::look(session, &wanted.seen);
    let for_all = Known::default();
    let overruled = match judge(session, &task, &users, &for_all) {
        Ok(overruled) => overruled,
        Err(refused) => return Ok(refused),
    };
    let mut reports = Vec::new();
    if let Some(ca) = &task.ca {
        match put_away(session, ca) {
            Ok(report) => reports.push(Report { against: overruled.of_ca, ..report }),
            Err(refusal) => return Ok(task.subjects().map(|name| Report::new(&name, again(&refusal))).collect()),
        }
    }
    for (meant, against) in task.meant.iter().zip(overruled.of_stores) {
        let report = trust::take_out(session, meant, &for_all, VERB, Some(&why(meant, &against, &users)));
        reports.push(Report { against, ..report });
    }
    Ok(reports)
}

/// What a CA is called among the results; no target has a colon in its name.
fn of_ca(name: &str) -> String {
    format!("ca:{name}")
}

fn again(refusal: &Refusal) -> Outcome {
    Outcome::Refused { why: refusal.why.clone(), hint: refusal.hint.clone() }
}

impl Task {
    fn find(session: &Session<'_>, wanted: &Retire) -> Result<Self, Refusal> {
        match &wanted.what {
            What::Anchor(which) => Ok(Self { ca: None, meant: trust::named_by(session, which, &wanted.stores)? }),
            What::Authority(name) => {
                let missing = || CaError::Missing { name: name.clone(), known: Vec::new() };
                let state = State::open(session.host)?.ok_or_else(missing)?;
                let authority = Authority::find(&state, name)?;
                let ca = Succeeded { former: former(&authority), unswept: authority.unswept()?, authority };
                let roots = ca.roots()?;
                let meant = trust::meant(session, &wanted.stores, &|record| {
                    roots.iter().filter_map(|root| record.of(root.fingerprint())).cloned().collect()
                })?;
                Ok(Self { ca: Some(ca), meant })
            }
        }
    }

    /// Why there is nothing to do, if so.
    fn nothing_left(&self) -> Option<String> {
        let ca = self.ca.as_ref()?;
        if !self.meant.is_empty() || !ca.former.is_empty() || ca.unswept {
            return None;
        }
        let (authority, name) = (&ca.authority, ca.authority.name());
        Some(match authority.retired() {
            Ok(retired) if retired.is_empty() && authority.next().is_some() => {
                format!(
                    "the CA {name} has no former root: its next one does not issue yet (`reseal ca rekey {name} --switch`)"
                )
            }
            Ok(retired) if retired.is_empty() => format!("the CA {name} has no former root"),
            Ok(_) | Err(_) => {
                format!(
                    "nothing is left to retire: the former roots of the CA {name} are put away, and reseal has them in no store"
                )
            }
        })
    }

    /// What there are results of.
    fn subjects(&self) -> impl Iterator<Item = String> {
        let ca = self.ca.iter().map(|ca| of_ca(ca.authority.name()));
        ca.chain(self.meant.iter().map(|meant| meant.store.target()))
    }
}

impl Succeeded {
    /// What clients need not trust any more: the former roots, and those that were put away already.
    fn roots(&self) -> Result<Vec<Certificate>, Refusal> {
        let former = self.authority.former().map(|held| held.hierarchy().top().clone());
        let retired = self.authority.retired()?;
        Ok(former.chain(retired.iter().map(|hierarchy| hierarchy.top().clone())).collect())
    }

    /// Every certificate of the CA, as intermediates are found by clients that have seen them once.
    fn certificates(&self) -> Result<Vec<Certificate>, Refusal> {
        let standing = self.authority.standing();
        let retired = self.authority.retired()?;
        let all = standing.iter().map(|held| held.hierarchy()).chain(&retired);
        Ok(all.flat_map(|hierarchy| hierarchy.certificates().cloned()).collect())
    }
}

/// The half of the CA: its former roots issue no more, and their keys go.
fn put_away(session: &Session<'_>, ca: &Succeeded) -> Result<Report, Refusal> {
    let name = of_ca(ca.authority.name());
    if ca.former.is_empty() && !ca.unswept {
        let why = "its former roots are put away already; what is left are the stores".to_owned();
        return Ok(Report::new(&name, Outcome::Nothing { why }));
    }
    let roots = ca.former.clone();
    if session.options.dry_run {
        let told = roots.iter().map(|number| format!("root {number} would be put away, and its key removed"));
        let left = ca.unswept.then(|| "keys that an earlier run has left would be removed".to_owned());
        return Ok(Report { notes: told.chain(left).collect(), ..Report::new(&name, Outcome::Planned) });
    }
    if roots.is_empty() {
        ca.authority.sweep()?;
        let what = "the keys that an earlier run had left are removed".to_owned();
        return Ok(Report::new(&name, Outcome::Recovered { what, left: Vec::new() }));
    }
    ca.authority.retire()?;
    Ok(Report::new(&name, Outcome::Retired { roots }))
}

/// For the ledger: what it was done on the strength of.
fn why(meant: &Meant, against: &[Against], users: &Users) -> String {
    let names = meant.names();
    if against.is_empty() {
        return format!("retire {names}: nobody is seen using it ({})", users.counted());
    }
    let mut lines: Vec<String> = against.iter().take(MOST_TOLD).map(Against::line).collect();
    if against.len() > MOST_TOLD {
        lines.push(format!("and {} more", against.len() - MOST_TOLD));
    }
    format!("retire {names}, insisted on although {}", lines.join("; "))
}

/// What is written into the ledger of what was overruled.
const MOST_TOLD: usize = 8;

/// The half of the CA has its own conditions, which are those of `ca rekey --retire`.
fn ca_allows(session: &Session<'_>, ca: &Succeeded, users: &Users) -> Result<(), Refusal> {
    if ca.former.is_empty() {
        return Ok(());
    }
    retirable(session, &ca.authority, Some(users), session.host.now())
}

/// What a refusal says before the reasons are listed one by one.
fn headline(names: &str, against: &[Against]) -> String {
    let any = |reason| against.iter().any(|one| one.reason == reason);
    if any(Reason::InUse) {
        format!("{names} is in use still")
    } else if any(Reason::Unclear) || any(Reason::NotSeen) {
        format!("nobody can tell that {names} is not in use")
    } else {
        format!("what came after {names} is not trusted there yet, and the new one comes first")
    }
}
