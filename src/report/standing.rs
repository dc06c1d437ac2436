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

    /// Of a subject.
    #[must_use]
    pub fn of(checked: &Checked) -> Self {
        let worst = checked.findings.iter().map(|finding| Self::from(finding.severity)).min().unwrap_or(Self::Good);
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
    use super::*;
    use crate::assess::{Code, Finding};

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
