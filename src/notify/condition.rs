//! One thing that is to be told.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::assess::Severity;
use crate::config::On;
use crate::digest::Digest;
use crate::escape::escape;
use crate::moment::whole_second;

/// Characters of a text that are told.
const TEXT: usize = 400;
/// Characters of a name that are told.
const NAME: usize = 200;

/// One thing that holds, or has happened. Its texts are harmless for terminals and logs, and bounded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Of which kind.
    pub on: On,
    /// What it is about: a target, a file, a server, a channel; empty: this machine.
    pub target: String,
    /// What, in one stable word.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// SHA-256 of the leaf that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<Digest>,
    /// What is wrong, in words.
    pub text: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Since when, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

impl Condition {
    /// One that is about `target`.
    #[must_use]
    pub fn new(on: On, target: &str, code: &str, severity: Severity, text: &str, since: OffsetDateTime) -> Self {
        Self {
            on,
            target: harmless(target, NAME),
            code: code.to_owned(),
            severity,
            leaf: None,
            text: harmless(text, TEXT),
            hint: None,
            since: whole_second(since),
        }
    }

    /// With what to do.
    #[must_use]
    pub fn hinting(mut self, hint: Option<&str>) -> Self {
        self.hint = hint.map(|hint| harmless(hint, TEXT));
        self
    }

    /// What makes it the same as one that was told before: kind, target, code and leaf.
    #[must_use]
    pub fn key(&self) -> String {
        let leaf = self.leaf.map(|leaf| leaf.to_string()).unwrap_or_default();
        let parts = [self.on.word(), &self.target, &self.code, &leaf];
        Digest::of(parts.join("\0").as_bytes()).short()
    }

    /// Of two, the one to be told first.
    #[must_use]
    pub fn order(&self) -> impl Ord + use<> {
        (self.severity, self.on != On::Stuck, self.target.clone(), self.code.clone())
    }
}

/// Text from outside, cut, with nothing in it that acts.
#[must_use]
pub fn harmless(text: &str, most: usize) -> String {
    let safe = escape(text);
    match safe.char_indices().nth(most) {
        None => safe.into_owned(),
        Some((end, _)) => format!("{}…", &safe[..end]),
    }
}
