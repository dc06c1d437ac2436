//! `status`: how every target stands, at a glance.

use serde::Serialize;
use time::OffsetDateTime;

use super::beside::Beside;
use super::occasion;
use super::survey;
use super::{Refusal, Session, activate, around, check, csr, fitting, obtain, stage};
use crate::assess::{Code, Finding};
use crate::cert::installed::Leaf;
use crate::config::TargetConfig;
use crate::engine::vault::Vault;
use crate::engine::{self, Ledger, Next};
use crate::host::Host;
use crate::host::state::{State, file_name, name_of};
use crate::moment::in_utc;
use crate::outcome::Receipt;

/// What is staged for a target.
#[derive(Debug, Serialize)]
pub struct Staged {
    /// The generation that holds it.
    pub generation: u32,
    /// Its leaf.
    pub leaf: Option<Leaf>,
    /// When it was staged, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub staged: OffsetDateTime,
    /// Who staged it: user id and, under sudo, the name of the caller.
    pub actor: String,
    /// Whether a person asked for it, and not the owner's policy.
    pub by_hand: bool,
    /// The moment before which it is not put in place, UTC; none: by the target's policy.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub at: Option<OffsetDateTime>,
    /// When and by what it is put in place, for people.
    pub when: String,
    /// Why it would not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Staged {
    /// What a person should see to: what the policy has staged, the next run of `maintain` puts away.
    fn attention(&self, target: &str) -> Option<String> {
        let problem = self.problem.as_ref().filter(|_| self.by_hand)?;
        Some(format!("{problem}; `reseal stage {target} --drop` puts it away"))
    }
}

/// How one target stands.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The target.
    pub target: String,
    /// Its kind; of what is no configured target: `schedule`, `hook`, `store`, or `unconfigured`.
    pub kind: &'static str,
    /// `one rename`, when the pair is switched as a whole (`adopt`), else `file by file`.
    pub switch: &'static str,
    /// The leaf in its files.
    pub leaf: Option<Leaf>,
    /// What is wrong, without asking any server.
    pub findings: Vec<Finding>,
    /// What is staged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Staged>,
    /// Generations that are kept.
    pub generations: usize,
    /// The last thing that was done.
    pub last: Option<Receipt>,
    /// Requests to a CA elsewhere that wait for an answer, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<csr::Brief>,
    /// An interrupted transaction waits for `recover`.
    pub interrupted: bool,
    /// Why `recover` would not end it, with what to type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
    /// That another reseal changes it just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under_way: Option<String>,
    /// What somebody should see to, with what to type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<String>,
    /// Why the target could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How the targets of these names, or all, stand; with all, also what reseal has placed here, and whatever else a transaction is open for.
///
/// # Errors
/// A name that no target has, or reseal's own records cannot be read.
pub fn run(session: &Session<'_>, names: &[String]) -> Result<Vec<Status>, Refusal> {
    let targets = session.targets(names)?;
    let state = State::open(session.host)?;
    let (open, ledger) = match &state {
        Some(state) => (engine::open(state, session.engine.is_some())?, Some(Ledger::read(state)?)),
        None => (Vec::new(), None),
    };
    let mut all = Vec::new();
    for config in &targets {
        let mut receipts = ledger.iter().flat_map(|ledger| ledger.receipts.iter().rev());
        let open = open.iter().find(|open| *open.name == *file_name(&config.name));
        let mut status = Status {
            target: config.name.clone(),
            kind: config.kind.word(),
            switch: "file by file",
            leaf: None,
            findings: Vec::new(),
            next: None,
            generations: 0,
            last: receipts.find(|receipt| receipt.target == config.name).cloned(),
            waiting: Vec::new(),
            interrupted: open.is_some_and(|open| open.at_work.is_none()),
            stuck: open.and_then(|open| stuck(session.host, state.as_ref()?, open)).map(in_one),
            under_way: open.and_then(|open| open.at_work.as_deref()).map(check::under_way),
            attention: Vec::new(),
            problem: None,
        };
        if let Some(vault) = state.as_ref().map(|state| Vault::open(state, &config.name)).transpose()?.flatten() {
            status.generations = vault.numbers()?.len();
            match Next::read(&vault) {
                Ok(next) => {
                    status.next = next.map(|next| staged(session, config, &vault, next));
                    status.attention.extend(status.next.as_ref().and_then(|next| next.attention(&config.name)));
                }
                Err(error) => status.problem = Some(error.to_string()),
            }
        }
        if let Some(state) = &state {
            match csr::waiting(state, &config.name) {
                Ok((waiting, damaged)) => {
                    status.waiting = waiting;
                    status.problem = damaged.map(|refusal| refusal.why).or(status.problem);
                }
                Err(refusal) => status.problem = Some(refusal.why),
            }
        }
        match survey::survey(session.host, config, &session.live_dir) {
            Ok(seen) => {
                let committed = survey::committed(state.as_ref(), &config.name)?;
                // In the midst of a change the files are not what was committed.
                let manifest = committed.as_ref().map(|(_, manifest)| manifest).filter(|_| status.under_way.is_none());
                status.findings = survey::findings(&seen, config, manifest, &[], &[], session.host.now());
                let first = survey::first_to_end(&seen).map(|index| &seen.pairs[index]);
                let chain = first.and_then(|pair| pair.installed.chain.as_ref());
                let subject = chain.map(|chain| chain.leaf().subject());
                let source = obtain::missing(session.host, state.as_ref(), config).into_iter().collect();
                around::tell(session, config, &seen, (source, subject), &mut status.findings);
                status.leaf = first.and_then(|pair| pair.installed.leaf());
                status.attention.extend(seen.half_adopted(&config.name));
                status.switch = if seen.adopted() { "one rename" } else { "file by file" };
            }
            Err(refusal) => status.problem = Some(refusal.why),
        }
        all.push(status);
    }
    if names.is_empty() {
        let records = Records { host: session.host, state: state.as_ref(), ledger: ledger.as_ref(), open: &open };
        for view in fitting::status::of_placed(session)? {
            let beside = records.beside(view.name)?;
            all.push(Status { attention: view.attention, ..beside });
        }
        // Whatever else has a journal: nothing but its records tells of it.
        for one in &open {
            if all.iter().all(|told| *one.name != *file_name(&told.target)) {
                all.push(records.beside(name_of(&one.name).unwrap_or_else(|| one.name.clone()))?);
            }
        }
    }
    Ok(all)
}

/// reseal's own records, as of one moment.
struct Records<'a> {
    host: &'a Host,
    state: Option<&'a State>,
    ledger: Option<&'a Ledger>,
    open: &'a [engine::Open],
}

impl Records<'_> {
    /// How what is no configured target stands, as far as the records tell.
    fn beside(&self, name: String) -> Result<Status, Refusal> {
        let vault = self.state.map(|state| Vault::open(state, &name)).transpose()?.flatten();
        let mut receipts = self.ledger.iter().flat_map(|ledger| ledger.receipts.iter().rev());
        let open = self.open.iter().find(|open| *open.name == *file_name(&name));
        let kind = match Beside::of_target(&name) {
            Some(Beside::Store(_)) => "store",
            Some(Beside::Fitting(_)) if name.starts_with("hook:") => "hook",
            Some(Beside::Fitting(_)) => "schedule",
            None => "unconfigured",
        };
        Ok(Status {
            kind,
            switch: "file by file",
            leaf: None,
            findings: Vec::new(),
            next: None,
            generations: vault.map(|vault| vault.numbers()).transpose()?.map_or(0, |numbers| numbers.len()),
            last: receipts.find(|receipt| receipt.target == name).cloned(),
            waiting: Vec::new(),
            interrupted: open.is_some_and(|open| open.at_work.is_none()),
            stuck: open.and_then(|open| stuck(self.host, self.state?, open)).map(in_one),
            under_way: open.and_then(|open| open.at_work.as_deref()).map(check::under_way),
            attention: Vec::new(),
            problem: None,
            target: name,
        })
    }
}

/// Why recovery would not end an interrupted transaction, as things stand, and what to type.
fn stuck(host: &Host, state: &State, open: &engine::Open) -> Option<(String, Option<String>)> {
    let all = if open.at_work.is_none() { engine::interrupted(host, state).ok()? } else { Vec::new() };
    let ends = all.into_iter().find(|one| *file_name(&one.target) == *open.name || one.target == open.name)?.end;
    let engine::Intended::Nothing { why, hint } = ends else { return None };
    Some((why, hint))
}

/// Both in one text.
fn in_one((why, hint): (String, Option<String>)) -> String {
    hint.map_or_else(|| why.clone(), |hint| format!("{why}; {hint}"))
}

/// That a transaction was interrupted, and why `recover` would not end it.
pub(super) fn interrupted(host: &Host, state: Option<&State>, open: Option<&engine::Open>) -> Finding {
    let Some((why, hint)) = state.zip(open).and_then(|(state, open)| stuck(host, state, open)) else {
        return Finding::new(Code::Interrupted, "a transaction was interrupted");
    };
    let mut finding = Finding::new(Code::Interrupted, format!("stuck: {why}"));
    if let Some(hint) = hint {
        finding.remedy = hint.into();
    }
    finding
}

/// What is staged, as it stands today.
fn staged(session: &Session<'_>, config: &TargetConfig, vault: &Vault, next: Next) -> Staged {
    let leaf = vault.manifest(next.generation).ok().and_then(|manifest| manifest.leaf);
    let problem = activate::usable(session, config, true).err().map(|refusal| refusal.why);
    let look =
        survey::survey(session.host, config, &session.live_dir).map(|seen| stage::standing(session, config, &seen));
    let when = occasion::told(session.host, config, &next, &look.unwrap_or_default(), session.host.now());
    Staged {
        generation: next.generation,
        leaf,
        staged: next.staged,
        actor: next.actor,
        by_hand: next.by_hand,
        at: next.at.map(|moment| in_utc(moment.at)),
        when,
        problem,
    }
}
