//! How one subject stands, in a word: what every report for many of them sorts and counts by.

use crate::assess::Severity;
use crate::flow::check::Checked;

/// The worst there is to tell of a subject; worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// Clients are refused, or soon will be.
    Critical,
    /// It works, and should be mended.
    Warning,
    /// It could not be looked at.
    Unknown,
    /// There is a remark.
    Note,
    /// Nothing to tell.
    Good,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Critical, Self::Warning, Self::Unknown, Self::Note, Self::Good];

    /// Of a subject. What its owner has accepted counts for nothing.
    #[must_use]
    pub fn of(checked: &Checked) -> Self {
        let counting = checked.findings.iter().filter(|finding| finding.accepted.is_none());
        let worst = counting.map(|finding| Self::from(finding.severity)).min().unwrap_or(Self::Good);
        if checked.problem.is_some() { worst.min(Self::Unknown) } else { worst }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Note => "note",
            Self::Good => "good",
        }
    }
}

impl From<Severity> for Standing {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::Warning => Self::Warning,
            Severity::Note => Self::Note,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;
    use crate::assess::{Acceptance, Code, Finding};
    use crate::outcome::Exit;
    use crate::report::nagios::{self, Limits, State};
    use crate::report::specimen::{NOW, endpoint};
    use crate::report::{Answer, Body, View, csv, html, json, jsonl, prometheus, text};

    #[test]
    fn what_is_accepted_counts_for_nothing_in_any_format() {
        let mut one = endpoint("a.example", 60, &[Code::SelfSigned]);
        let critical = one.findings[0].clone();
        one.findings[0].accepted =
            Some(Acceptance { reason: "made <by> the vendor".to_owned(), until: date!(2027 - 01 - 31) });
        assert_eq!(Standing::of(&one), Standing::Good);
        let line = jsonl::line(&one);
        let all = vec![one];

        let table = csv::render(&all, NOW);
        assert!(table.contains(",endpoint,good,") && !table.contains("critical"), "{table}");
        assert!(table.ends_with(",self-signed until 2027-01-31: made <by> the vendor\r\n"), "{table}");

        let page = html::render(&all, &html::Look::Now(NOW));
        assert!(page.contains(": 0 critical</title>") && !page.contains("badge critical"), "{page}");
        assert!(page.contains("<section class=\"group good\">") && !page.contains("id=\"todo\""), "{page}");
        assert!(page.contains("accepted until 2027-01-31: made &lt;by&gt; the vendor"), "{page}");

        let samples = prometheus::render(&all, NOW);
        assert!(samples.contains("code=\"self-signed\",severity=\"accepted\"} 1\n"), "{samples}");
        assert!(!samples.contains("critical"), "{samples}");

        let answer = Answer { command: Some("check"), exit: Exit::Good, body: Body::Checks(all), failure: None };
        let told = nagios::render(&answer, &Limits::default(), "reseal", NOW);
        assert!(told.state == State::Ok && told.text.starts_with("SSL_CERT OK - "), "{}", told.text);
        let view = View { now: NOW, width: None, program: "reseal".to_owned(), configuration: None, quiet: false };
        let told = anstream::adapter::strip_str(&text::render(&answer, &view).out).to_string();
        assert!(told.contains("no findings, 1 accepted") && !told.contains("critical"), "{told}");
        for told in [json::render(&answer), line] {
            let accepted = r#""accepted":{"reason":"made <by> the vendor","until":"2027-01-31"}"#;
            assert!(told.contains(accepted), "{told}");
        }

        // One that is not accepted is not covered by one that is.
        let Body::Checks(mut all) = answer.body else { unreachable!() };
        all[0].findings.push(critical);
        assert_eq!(Standing::of(&all[0]), Standing::Critical);
        let samples = prometheus::render(&all, NOW);
        for severity in ["accepted", "critical"] {
            assert!(samples.contains(&format!("severity=\"{severity}\"}} 1\n")), "{samples}");
        }
    }

    #[test]
    fn the_worst_counts() {
        let with = |codes: &[Code], problem: Option<&str>| {
            let findings = codes.iter().map(|code| Finding::new(*code, "x")).collect();
            let problem = problem.map(str::to_owned);
            Standing::of(&Checked { findings, problem, ..Checked::blank("x", "file") })
        };
        assert_eq!(with(&[], None), Standing::Good);
        assert_eq!(with(&[Code::RootSent], None), Standing::Note);
        assert_eq!(with(&[Code::RootSent], Some("no")), Standing::Unknown);
        assert_eq!(with(&[Code::RootSent, Code::Expiring], Some("no")), Standing::Warning);
        assert_eq!(with(&[Code::Expiring, Code::Expired], None), Standing::Critical);
    }
}
