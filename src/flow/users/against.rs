//! What speaks against putting an anchor away.

use serde::Serialize;

use super::{Blind, Place, Sight, Target, Users};
use crate::cert::{Ascent, Certificate, Issuers, Ways};
use crate::digest::Digest;

/// One thing that speaks against it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Against {
    /// Of which kind it is.
    pub reason: Reason,
    /// The target, the server as it was named, or the CA.
    pub who: String,
    /// Where: a file, a generation, an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// SHA-256 of the certificate in question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Digest>,
    /// What it is, for people; without the name of `who`. Whoever prints it must escape it.
    pub why: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Of which kind it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A certificate there leads to the anchor.
    InUse,
    /// Where a certificate there leads to cannot be told.
    Unclear,
    /// It could not be looked at.
    NotSeen,
    /// The store does not trust what came in place of the anchor.
    NoSuccessor,
}

impl Reason {
    /// In words.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::InUse => "in use",
            Self::Unclear => "unclear",
            Self::NotSeen => "not seen",
            Self::NoSuccessor => "missing",
        }
    }
}

impl Against {
    /// In one line, for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}: {}", self.who, self.why)
    }
}

impl Users {
    /// How much was looked at, for people.
    pub(in crate::flow) fn counted(&self) -> String {
        let many = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        match (self.targets.len(), self.others) {
            (0, 0) => "no target is configured, and nobody else was named".to_owned(),
            (targets, 0) => format!("{} looked at", many(targets, "target")),
            (targets, others) => format!("{} and {} looked at", many(targets, "target"), many(others, "other server")),
        }
    }

    /// What speaks against putting away this anchor, where clients know these certificates besides.
    pub(in crate::flow) fn against(&self, anchor: &Certificate, known: &Issuers<'_>) -> Vec<Against> {
        let mut found: Vec<Against> = Vec::new();
        for sight in &self.sights {
            let ways = Ways::over(&sight.certificates, known);
            for leaf in sight.leaves() {
                match ways.ascend(leaf, anchor) {
                    Ascent::Elsewhere => {}
                    Ascent::Leads { proved } => found.push(self.in_use(sight, leaf, anchor, proved)),
                    Ascent::Open(last) => found.push(unclear(sight, leaf, &last)),
                    Ascent::Tangled => found.push(tangled(sight, leaf)),
                }
            }
        }
        found.extend(self.blind.iter().map(not_seen));
        found
    }

    fn in_use(&self, sight: &Sight, leaf: &Certificate, anchor: &Certificate, proved: bool) -> Against {
        let leads = if proved {
            "which leads to it"
        } else {
            "which leads to it by its names; a signature on the way cannot be checked"
        };
        let target = self.targets.iter().find(|target| target.name == sight.who);
        let in_files = target.is_some_and(|target| target.present.iter().any(|chain| chain.leaf() == leaf));
        let who = &sight.who;
        let another = match target {
            Some(target) if target.stays_below(std::slice::from_ref(anchor)) => elsewhere(target),
            Some(target) if target.moves => format!("`reseal renew {who}` gets another one"),
            Some(target) if target.sourced => format!(
                "`reseal renew {who}` gets another one; where it is good still, `reseal stage {who} --force` and `reseal activate {who}` do"
            ),
            Some(_) | None => format!("`reseal install {who} --cert FILE --key FILE` puts another one in place"),
        };
        let next = match sight.place {
            Place::Files => another,
            Place::Listener if in_files => another,
            Place::Listener => format!("`reseal renew {who} --live` has the service take its files up"),
            Place::Staged => {
                format!("`reseal stage {who} --force` stages another one; `reseal stage {who} --drop` puts it away")
            }
            Place::Other => "see to it that it gets another certificate, then run the same again".to_owned(),
        };
        let why = format!("{} {}, {leads}", holds(sight), leaf.fingerprint().short());
        Against { reason: Reason::InUse, next: Some(next), ..of(sight, leaf, why) }
    }
}

/// What to do about a target whose own CA is below what is to go: another certificate of that one would be no help.
pub(in crate::flow) fn elsewhere(target: &Target) -> String {
    let (who, ca) = (&target.name, target.ca.as_deref().unwrap_or_default());
    format!(
        "its CA {ca} issues below it: name another CA in the source of {who} in the configuration, then `reseal renew {who}`"
    )
}

fn unclear(sight: &Sight, leaf: &Certificate, last: &Certificate) -> Against {
    let above = if last == leaf { "its issuer".to_owned() } else { format!("the issuer of {}", last.title()) };
    let short = leaf.fingerprint().short();
    let why = format!(
        "{} {short}, and {above}, {}, is not known here: nobody can tell whether that leads to it",
        holds(sight),
        last.issuer()
    );
    let next = "if that is a root, let this machine know it: its file as a `[trust.NAME]` in the configuration, or `reseal trust install FILE`; \
                if not, have it sent and stored with the certificate"
        .to_owned();
    Against { reason: Reason::Unclear, next: Some(next), ..of(sight, leaf, why) }
}

fn tangled(sight: &Sight, leaf: &Certificate) -> Against {
    let why = format!(
        "{} {} among more certificates of the same names than are held against one another: nobody can tell whether it leads to it",
        holds(sight),
        leaf.fingerprint().short()
    );
    let next = "have it sent and stored with its own intermediates alone".to_owned();
    Against { reason: Reason::Unclear, next: Some(next), ..of(sight, leaf, why) }
}

fn of(sight: &Sight, leaf: &Certificate, why: String) -> Against {
    Against {
        reason: Reason::InUse,
        who: sight.who.clone(),
        at: Some(sight.at.clone()),
        certificate: Some(leaf.fingerprint()),
        why,
        next: None,
    }
}

fn holds(sight: &Sight) -> String {
    match sight.place {
        Place::Files => format!("{} holds", sight.at),
        Place::Staged => format!("{}, which is staged, holds", sight.at),
        // It was named so already, unless a kind of key is added.
        Place::Other if sight.at.starts_with(&sight.who) && !sight.at.ends_with(']') => "it shows".to_owned(),
        Place::Listener | Place::Other => format!("{} shows", sight.at),
    }
}

fn not_seen(blind: &Blind) -> Against {
    let why = match &blind.at {
        None => format!("it cannot be looked at: {}", blind.why),
        // It was named by its address.
        Some(at) if blind.place == Place::Other && at.starts_with(&blind.who) => blind.why.clone(),
        Some(at) => crate::change::placed(at, &blind.why),
    };
    let usual = match blind.place {
        Place::Files => "see to it that the target can be read, or take it out of the configuration",
        Place::Staged => "see to it that it can be read",
        Place::Listener | Place::Other => "see to it that it answers, then run the same again",
    };
    Against {
        reason: Reason::NotSeen,
        who: blind.who.clone(),
        at: blind.at.clone(),
        certificate: None,
        why,
        next: Some(blind.hint.clone().unwrap_or_else(|| usual.to_owned())),
    }
}
