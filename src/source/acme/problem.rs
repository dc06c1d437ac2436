//! What an ACME server says when it refuses (RFC 7807, RFC 8555 section 6.7), as it is told to people.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::host::http::Noted;

/// What stands before the word in a type of RFC 8555.
const URN: &str = "urn:ietf:params:acme:error:";
/// Characters of one text of a server that are told.
const MOST: usize = 300;

/// A server's refusal. Its texts are the server's own: whoever prints them must escape them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The type, without the common beginning; `rateLimited` for one.
    pub kind: String,
    /// The status of HTTP: as the document says, or as the answer had it.
    pub status: Option<u16>,
    /// The reason in words.
    pub detail: String,
    /// Reasons for single identifiers.
    pub parts: Vec<String>,
    /// When to come back, where the server says.
    pub retry_after: Option<Duration>,
    /// A page about it, where the server names one.
    pub page: Option<String>,
}

impl Problem {
    /// Out of a document and what came beside it.
    pub(super) fn read(text: &str, noted: &Noted) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let mut problem = Self::of(&value);
        problem.heard(noted);
        problem
    }

    /// Out of a document.
    fn of(value: &Value) -> Self {
        let text = |value: &Value, key: &str| value[key].as_str().map(cut).unwrap_or_default();
        let subproblems = value["subproblems"].as_array().map(Vec::as_slice).unwrap_or_default();
        let parts = subproblems.iter().take(20).map(|part| {
            let of = cut(part["identifier"]["value"].as_str().unwrap_or("?"));
            format!("{of}: {} ({})", text(part, "detail"), short(&text(part, "type")))
        });
        Self {
            kind: short(&text(value, "type")),
            status: value["status"].as_u64().and_then(|status| u16::try_from(status).ok()),
            detail: text(value, "detail"),
            parts: parts.collect(),
            retry_after: None,
            page: None,
        }
    }

    /// Out of what the library made of a document.
    pub(super) fn from_library(problem: &instant_acme::Problem, noted: &Noted) -> Self {
        let parts = problem.subproblems.iter().take(20).map(|part| {
            let of = part.identifier.as_ref().map(|one| one.authorized(false).to_string()).unwrap_or_default();
            let detail = part.detail.as_deref().map(cut).unwrap_or_default();
            format!("{}: {detail} ({})", cut(&of), short(part.r#type.as_deref().unwrap_or_default()))
        });
        let mut own = Self {
            kind: short(problem.r#type.as_deref().unwrap_or_default()),
            status: problem.status,
            detail: problem.detail.as_deref().map(cut).unwrap_or_default(),
            parts: parts.collect(),
            retry_after: None,
            page: None,
        };
        own.heard(noted);
        own
    }

    fn heard(&mut self, noted: &Noted) {
        self.status = self.status.or(noted.status);
        self.retry_after = noted.retry_after;
        let page = |relation: &str| noted.links.iter().find(|(known, _)| known == relation).map(|(_, to)| cut(to));
        self.page = page("help").or_else(|| page("terms-of-service"));
    }

    /// Whether it is of this type of RFC 8555.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    /// Whether the same question may be answered otherwise later: a limit, or a server in trouble.
    pub(super) fn is_passing(&self) -> bool {
        ["rateLimited", "serverInternal", "badNonce"].contains(&self.kind.as_str())
            || self.status.is_some_and(|status| status >= 500 || status == 429)
    }

    /// What to do.
    pub(super) fn hint(&self) -> &'static str {
        match self.kind.as_str() {
            "rateLimited" => {
                "the CA's limit is reached: wait as long as it says, or use its staging directory for trials"
            }
            "userActionRequired" => {
                "the CA wants something of a person first, such as agreeing to new terms: see the page it names"
            }
            "externalAccountRequired" => {
                "make the account with `--eab-kid` and `--eab-key-file`, as the CA hands them out"
            }
            "accountDoesNotExist" | "unauthorized" => {
                "`reseal acme account show` tells which account and directory are used"
            }
            "rejectedIdentifier" | "unsupportedIdentifier" => "this CA does not issue for these names",
            "caa" => "the names' CAA records (RFC 8659) must allow this CA",
            "dns" => "the names must have addresses that the CA can look up",
            "connection" | "tls" => {
                "the CA must reach the challenge's port from outside: see firewall, address and port"
            }
            "invalidProfile" => "choose another `profile`, or leave it out",
            _ => "the words are the CA's own",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.detail.as_str(), self.kind.as_str()) {
            ("", "") => out.write_str("no reason was given")?,
            ("", kind) => out.write_str(kind)?,
            (detail, "") => out.write_str(detail)?,
            (detail, kind) => write!(out, "{detail} ({kind})")?,
        }
        for part in &self.parts {
            write!(out, "; {part}")?;
        }
        if let Some(wait) = self.retry_after {
            write!(out, "; come back in {}", spoken(wait))?;
        }
        if let Some(page) = &self.page {
            write!(out, "; see {page}")?;
        }
        Ok(())
    }
}

/// A wait for people.
pub(super) fn spoken(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

fn short(kind: &str) -> String {
    cut(kind.strip_prefix(URN).unwrap_or(kind))
}

/// A server's text, not longer than anybody reads.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_is_told_with_its_time_and_page() {
        let text = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates","status":429}"#;
        let links = vec![("index".into(), "https://ca/dir".into()), ("help".into(), "https://ca/limits".into())];
        let noted = Noted { status: Some(429), retry_after: Some(Duration::from_mins(90)), links };
        let problem = Problem::read(text, &noted);
        assert_eq!(
            problem.to_string(),
            "too many certificates (rateLimited); come back in 90 min; see https://ca/limits"
        );
        assert!(problem.is("rateLimited") && problem.hint().contains("staging"));
    }

    #[test]
    fn subproblems_name_their_identifier_and_long_texts_are_cut() {
        let text = format!(
            r#"{{"type":"urn:ietf:params:acme:error:malformed","detail":"{}","subproblems":[{{"type":"urn:ietf:params:acme:error:caa",
            "detail":"not allowed","identifier":{{"type":"dns","value":"a.example"}}}}]}}"#,
            "x".repeat(5000)
        );
        let told = Problem::read(&text, &Noted::default()).to_string();
        assert!(told.len() < 400 && told.ends_with("a.example: not allowed (caa)"), "{told}");
        assert_eq!(Problem::read("<html>", &Noted::default()).to_string(), "no reason was given");
    }
}
