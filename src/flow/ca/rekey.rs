//! `ca rekey`: a new root in place of an old one, in three steps.

use time::OffsetDateTime;

use super::passphrase::{from, passphrase, remember};
use super::view::{successor, view};
use super::{AuthorityView, What, open_state};
use crate::cert::{Ascent, Certificate, Generate, Name, ascend};
use crate::engine::Engine;
use crate::flow::users::{Blind, Place, Users};
use crate::flow::{Refusal, Session};
use crate::sensitive::Sensitive;
use crate::source::local_ca::{Authority, Held, Record};

/// A step of a change of root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rekey {
    /// Make the next root, which clients are given while the present one goes on to issue.
    Make {
        /// The kind of its keys; none: that of the present ones.
        key: Option<Generate>,
        /// How long it lives.
        years: u32,
    },
    /// Issue from it from now on.
    Switch,
    /// Put the former one away.
    Retire,
}

/// Takes one step, under the machine lock.
///
/// # Errors
/// The step before is not done: there is no next root, nobody was given it, or a server still shows what the former one has issued;
/// there is no passphrase or a wrong one; or a call failed, and then nothing has changed.
pub fn rekey(session: &mut Session<'_>, ca: &str, step: Rekey) -> Result<AuthorityView, Refusal> {
    if session.options.dry_run {
        let now = session.host.now();
        let authority = Authority::find(&open_state(session, ca)?, ca)?;
        let (what, roots) = match step {
            Rekey::Make { key, years } => {
                let founded = authority.successor(key, years)?.found(&Sensitive::from("dry run".to_owned()), now)?;
                let (mut planned, number) = (view(&authority)?, authority.next_number()?);
                planned.next = Some(successor(&founded, number));
                return Ok(planned.after(What::NextMade, vec![number], false));
            }
            Rekey::Switch => (What::Switched, vec![authority.ready_to_switch()?.number()]),
            Rekey::Retire => {
                retirable(session, &authority, None, now)?;
                (What::Retired, former(&authority))
            }
        };
        return Ok(view(&authority)?.after(what, roots, false));
    }
    // A person may be asked for it: nobody waits for the lock meanwhile. What can be refused without it is refused before.
    let mut typed = None;
    if let Rekey::Make { key, years } = step {
        Authority::find(&open_state(session, ca)?, ca)?.successor(key, years)?.check()?;
        typed = Some(passphrase(session, ca, false)?);
    }
    let engine = Engine::open(session.host, "ca rekey", session.options.wait)?;
    engine.trust_clock(session.options.trust_clock)?;
    let (authority, now) = (Authority::find(engine.state(), ca)?, session.host.now());
    let (what, roots) = match step {
        Rekey::Make { key, years } => {
            let founding = authority.successor(key, years)?;
            founding.check()?;
            let (secret, origin) = typed.map_or_else(|| passphrase(session, ca, false), Ok)?;
            // One passphrase opens all keys of a CA, so none is made under another.
            authority.opens_with(&secret).map_err(|error| from(error, &origin))?;
            remember(session, ca, &secret, &origin);
            let number = authority.next_number()?;
            authority.keep_next(&founding.found(&secret, now)?)?;
            (What::NextMade, vec![number])
        }
        Rekey::Switch => {
            let number = authority.ready_to_switch()?.number();
            authority.switch()?;
            (What::Switched, vec![number])
        }
        Rekey::Retire => {
            retirable(session, &authority, None, now)?;
            let roots = former(&authority);
            authority.retire()?;
            (What::Retired, roots)
        }
    };
    Ok(view(&Authority::find(engine.state(), ca)?)?.after(what, roots, true))
}

pub(in crate::flow) fn former(authority: &Authority) -> Vec<u32> {
    authority.former().map(Held::number).collect()
}

/// Whether nobody shows what a former root has issued, as far as that can be found out here: by what was looked at, else by looking.
pub(in crate::flow) fn retirable(
    session: &Session<'_>,
    authority: &Authority,
    looked: Option<&Users>,
    now: OffsetDateTime,
) -> Result<(), Refusal> {
    let former = match authority.ready_to_retire() {
        Ok(former) => former,
        // What an earlier attempt began is ended by `Authority::retire`, which says the same.
        Err(error) => {
            if !session.options.dry_run {
                authority.retire()?;
            }
            return Err(error.into());
        }
    };
    let cannot =
        |why: String| Refusal::new(format!("cannot retire the former root of the CA {}: {why}", authority.name()));
    let own;
    let users = if let Some(looked) = looked {
        looked
    } else {
        own = Users::look(session, &[]);
        &own
    };
    let mut looked_at: Vec<&str> = Vec::new();
    for target in &users.targets {
        let name = &target.name;
        let source = target.ca.as_deref() == Some(authority.name());
        match &target.refused {
            // What is not the CA's is not its matter.
            Some(_) if !source => continue,
            Some(why) => {
                return Err(cannot(format!("{name} cannot be looked at: {why}"))
                    .hint("see to it that the target can be read, or take it out of the configuration"));
            }
            None => looked_at.push(name),
        }
        let seen = |place| {
            let sights = users.sights.iter().filter(move |sight| sight.who == *name && sight.place == place);
            sights
                .flat_map(|sight| sight.leaves().map(move |leaf| (sight, leaf)))
                .find(|(sight, leaf)| former.iter().any(|held| is_of(leaf, held, &sight.certificates)))
        };
        if let Some((_, leaf)) = seen(Place::Files) {
            let why = format!("{name} has a certificate from it still, {}", leaf.fingerprint().short());
            return Err(cannot(why).hint(format!("`reseal renew {name}` moves it to the new root")));
        }
        let taken_up = format!("`reseal renew --live {name}` has the service take its files up");
        // What others serve besides is their matter.
        if let Some((shown, at)) = target.strange.as_ref().filter(|_| source) {
            let why = format!("{name} shows {shown} at {at}, which is not what its files hold");
            return Err(cannot(why).hint(taken_up));
        }
        if let Some((sight, leaf)) = seen(Place::Listener) {
            let short = leaf.fingerprint().short();
            return Err(
                cannot(format!("{name} shows a certificate from it still at {}, {short}", sight.at)).hint(taken_up)
            );
        }
        if let Some((sight, leaf)) = seen(Place::Staged) {
            let why = format!("{}, which is staged for {name}, is from it, {}", sight.at, leaf.fingerprint().short());
            let hint =
                format!("`reseal stage {name} --force` stages another one; `reseal stage {name} --drop` puts it away");
            return Err(cannot(why).hint(hint));
        }
        let unknown = |blind: &&Blind| blind.who == *name && blind.place == Place::Staged && source;
        if let Some(blind) = users.blind.iter().find(unknown) {
            return Err(Refusal { hint: blind.hint.clone(), ..cannot(blind.why.clone()) });
        }
    }
    // Also where it is overruled: what cannot be read at all is mended first.
    let record = authority.record()?;
    if session.options.force {
        return Ok(());
    }
    if let Some(why) = gaps(authority, &record) {
        let hint = "put its file `issued` back from a backup; `--force` retires it all the same";
        return Err(cannot(format!("{why}, and what it has issued may be good still")).hint(hint));
    }
    let names = unreplaced(&record, &looked_at, &former, now);
    if names.is_empty() {
        return Ok(());
    }
    Err(cannot(format!("certificates that nothing here replaces are good still: {}", names.join("; "))).hint(format!(
        "issue them anew, and revoke the old ones (`reseal ca revoke {} SERIAL`); `--force` retires it all the same",
        authority.name()
    )))
}

/// Whether a hierarchy has issued a certificate, perhaps by a CA below what issues.
fn is_of(leaf: &Certificate, held: &Held, sent: &[Certificate]) -> bool {
    let known: Vec<Certificate> = held.hierarchy().certificates().cloned().collect();
    matches!(ascend(leaf, held.hierarchy().issuer(), sent, &known), Ascent::Leads { proved: true })
}

/// What is missing in the record of a CA that has a former root, if anything.
fn gaps(authority: &Authority, record: &Record) -> Option<String> {
    if record.damaged > 0 {
        return Some(format!("{} lines of its record cannot be read", record.damaged));
    }
    if record.skipped > 0 {
        return Some("its record is longer than what is read of it".to_owned());
    }
    // Nobody gets to a former root without that line.
    let present = authority.root().fingerprint();
    let exported = record.exported.iter().any(|line| line.exported == present);
    (!exported)
        .then(|| "its record does not tell of the export of its present root, so lines of it are lost".to_owned())
}

/// The names of certificates of former roots that nobody here replaces.
fn unreplaced(record: &Record, looked_at: &[&str], former: &[&Held], now: OffsetDateTime) -> Vec<String> {
    let numbers: Vec<u32> = former.iter().map(|held| held.number()).collect();
    let open = record.issued.iter().filter(|line| {
        let revoked = record.revoked.iter().any(|other| other.revoked == line.serial && other.by == line.by);
        // What a target got that was not looked at is as good as issued by hand.
        let replaced = line.target.as_ref().is_some_and(|name| looked_at.contains(&name.as_str()));
        !replaced && numbers.contains(&line.by) && line.not_after > now && !revoked
    });
    let listed = |names: &[Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    open.map(|line| listed(&line.names)).collect()
}
