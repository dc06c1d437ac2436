//! One thing that was found, and what its owner has said about it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use time::Date;

use super::{Code, Severity};
use crate::digest::Digest;

/// One thing that was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// With its numbers and names.
    pub message: String,
    /// What to do about it.
    pub remedy: Remedy,
    /// The owner lives with it, until a day: then it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
    /// The owner has lived with it until a day that is past: it counts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lapsed: Option<Acceptance>,
    /// The leaf it is about, where it is about a certificate and not about files or servers.
    #[serde(skip)]
    pub leaf: Option<Digest>,
}

/// What to do about a finding, with what to type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remedy {
    general: Cow<'static, str>,
    /// The target for which it is typed.
    target: Option<String>,
}

impl Remedy {
    /// What stands for the name of a target in the texts of the catalogue.
    const NAME: &'static str = "TARGET";

    /// The same for one target, to be typed as it stands.
    #[must_use]
    pub fn of(self, target: &str) -> Self {
        Self { target: Some(target.to_owned()), ..self }
    }

    /// The text for any target.
    #[must_use]
    pub fn general(&self) -> &str {
        &self.general
    }

    /// The text, with the name of the target where that is known. One that was made for the case has it already, and may have paths.
    #[must_use]
    pub fn told(&self) -> Cow<'_, str> {
        match (&self.general, &self.target) {
            (Cow::Borrowed(text), Some(target)) if text.contains(Self::NAME) => text.replace(Self::NAME, target).into(),
            (text, _) => Cow::Borrowed(text),
        }
    }
}

impl From<&'static str> for Remedy {
    fn from(general: &'static str) -> Self {
        Self { general: general.into(), target: None }
    }
}

impl From<String> for Remedy {
    fn from(made: String) -> Self {
        Self { general: made.into(), target: None }
    }
}

impl Serialize for Remedy {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.told())
    }
}

/// Why somebody lives with a finding, and how long.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Acceptance {
    /// In the owner's words.
    pub reason: String,
    /// The last day, UTC.
    #[serde(serialize_with = "as_day")]
    pub until: Date,
}

impl Finding {
    /// A finding with the severity and remedy of its code.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            remedy: code.remedy().into(),
            accepted: None,
            lapsed: None,
            leaf: None,
        }
    }

    /// Whether both say the same.
    #[must_use]
    pub fn repeats(&self, other: &Self) -> bool {
        (self.code, &self.message) == (other.code, &other.message)
    }

    /// Whether it calls for another certificate or another file. What is accepted calls for nothing.
    #[must_use]
    pub fn calls_for_replacement(&self) -> bool {
        self.accepted.is_none() && self.code.calls_for_replacement()
    }

    /// Whether it is a reason to end with another code than 0: worse than a note, and not accepted.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.accepted.is_none() && self.severity <= Severity::Warning
    }
}

/// What was found of several as one, each with what to call it. What is true of all is said once; else `labelled` says whose it is to be told
/// with.
#[must_use]
pub fn merged(each: &[(String, Vec<Finding>)], labelled: impl Fn(&Finding, &str) -> bool) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for (label, own) in each {
        for finding in own {
            let of_all = each.iter().all(|(_, other)| other.iter().any(|one| one.repeats(finding)));
            let mut told = finding.clone();
            if !of_all && labelled(finding, label) {
                told.message = format!("{label}: {}", finding.message);
            }
            if !found.iter().any(|known| known.repeats(&told)) {
                found.push(told);
            }
        }
    }
    found
}

/// What the owner has said about findings: `[findings]` and `[[accept]]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// Other severities than the catalogue's.
    pub severity: BTreeMap<Code, Severity>,
    /// What the owner lives with.
    pub accepted: Vec<Accept>,
}

/// One `[[accept]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accept {
    /// The finding.
    pub code: Code,
    /// Pattern for the target, file or endpoint; `*` stands for any characters. None: all.
    pub target: Option<String>,
    /// Pattern for the subject of the leaf, as reports show it. None: all.
    pub subject: Option<String>,
    /// Why, and how long.
    pub acceptance: Acceptance,
}

/// Rules that change nothing.
pub static NO_RULES: Rules = Rules { severity: BTreeMap::new(), accepted: Vec::new() };

impl Rules {
    /// Applies them to what was found at `target`, whose leaf has this subject, on this day.
    pub(super) fn apply(&self, found: &mut [Finding], target: &str, subject: Option<&str>, today: Date) {
        for finding in found {
            if let Some(severity) = self.severity.get(&finding.code) {
                finding.severity = *severity;
            }
            let about = |accept: &&Accept| {
                accept.code == finding.code
                    && accept.target.as_deref().is_none_or(|pattern| matches(pattern, target))
                    && accept
                        .subject
                        .as_deref()
                        .is_none_or(|pattern| subject.is_some_and(|text| matches(pattern, text)))
            };
            // Of several, the one that lasts longest.
            let longest = self.accepted.iter().filter(about).max_by_key(|accept| accept.acceptance.until);
            match longest.map(|accept| accept.acceptance.clone()) {
                Some(acceptance) if acceptance.until >= today => finding.accepted = Some(acceptance),
                lapsed => finding.lapsed = lapsed,
            }
        }
    }
}

/// Whether the whole text matches; `*` stands for any characters, also none.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    let Some((middle, tail)) = rest.rsplit_once('*') else { return text.ends_with(rest) };
    let mut text = text;
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(tail)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn as_day<S: serde::Serializer>(day: &Date, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(day)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn accept(code: Code, target: Option<&str>, subject: Option<&str>, until: Date) -> Accept {
        let acceptance = Acceptance { reason: "agreed".to_owned(), until };
        Accept { code, target: target.map(str::to_owned), subject: subject.map(str::to_owned), acceptance }
    }

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, good) in [
            ("web", "web", true),
            ("web", "web2", false),
            ("*", "", true),
            ("web*", "web2", true),
            ("*.lan:443", "a.lan:443", true),
            ("*.lan:443", "a.lan:4433", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*b*b", "ab", false),
            ("**", "x", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, text), good, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_accepted_does_not_count_until_the_day_is_over() {
        let rules = Rules {
            severity: BTreeMap::from([(Code::RootSent, Severity::Warning), (Code::Expiring, Severity::Note)]),
            accepted: vec![
                accept(Code::SelfSigned, Some("web"), None, date!(2030 - 06 - 01)),
                accept(Code::CaAsLeaf, None, Some("CN=box*"), date!(2030 - 06 - 01)),
            ],
        };
        let judged = |target: &str, subject: &str, today: Date| {
            let codes = [Code::SelfSigned, Code::CaAsLeaf, Code::RootSent, Code::Expiring];
            let mut found: Vec<Finding> = codes.iter().map(|code| Finding::new(*code, "x")).collect();
            rules.apply(&mut found, target, Some(subject), today);
            found
        };
        let found = judged("web", "CN=box 1", date!(2030 - 06 - 01));
        assert!(found[0].accepted.is_some() && !found[0].counts() && !found[0].calls_for_replacement());
        assert!(found[1].accepted.is_some());
        assert_eq!((found[2].severity, found[2].counts()), (Severity::Warning, true));
        assert_eq!((found[3].severity, found[3].counts()), (Severity::Note, false));
        let found = judged("web", "CN=box 1", date!(2030 - 06 - 02));
        assert!(found[0].accepted.is_none() && found[0].lapsed.is_some() && found[0].counts());
        let found = judged("mail", "CN=other", date!(2030 - 06 - 01));
        assert!(found.iter().all(|one| one.accepted.is_none() && one.lapsed.is_none()));
        assert_eq!(
            serde_json::to_value(&judged("web", "x", date!(2030 - 06 - 01))[0]).unwrap()["accepted"],
            serde_json::json!({ "reason": "agreed", "until": "2030-06-01" })
        );
    }
}
