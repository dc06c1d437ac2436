//! What a scan comes to, counted while it goes on. Bounded, however much is seen.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use time::{Duration, OffsetDateTime};

use crate::cert::installed::Leaf;
use crate::flow::check::{self, Checked};
use crate::host::tree::Counts;
use crate::outcome::Exit;

/// Issuers that are kept apart; those met later count as others.
const MOST_ISSUERS: usize = 4_096;

/// Issuers in the summary.
const SHOWN: usize = 10;

/// Weeks ahead in the summary.
const WEEKS: usize = 13;

/// Counts of one run.
pub(super) struct Tally {
    now: OffsetDateTime,
    exit: Exit,
    rows: u64,
    files: u64,
    servers: u64,
    answered: u64,
    nobody: u64,
    keys: u64,
    problems: u64,
    chained: u64,
    findings: BTreeMap<&'static str, u64>,
    issuers: HashMap<String, u64>,
    other_issuers: u64,
    ended: u64,
    weeks: [u64; WEEKS],
    later: u64,
}

/// What a scan came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Summary {
    /// Files with a result; once, where they hold several leaves.
    pub files: u64,
    /// Servers that were asked, those of ranges among them.
    pub servers: u64,
    /// Those of them that showed a certificate.
    pub answered: u64,
    /// Addresses of ranges at which nobody listens; they have no result.
    pub nobody: u64,
    /// Certificates: the first of each, and those beside it.
    pub certificates: u64,
    /// Files with private keys and no certificate.
    pub keys: u64,
    /// Files, folders and servers that could not be looked at.
    pub problems: u64,
    /// How often each finding was made that is not accepted.
    pub findings: BTreeMap<&'static str, u64>,
    /// The most frequent issuers of first certificates, most frequent first; `null`: all others.
    pub issuers: Vec<(Option<String>, u64)>,
    /// When first certificates end.
    pub ends: Ends,
    /// What was met in folders.
    pub seen: Seen,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// When certificates end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Ends {
    /// Have ended.
    pub ended: u64,
    /// In each of the next 13 weeks, from now on.
    pub weeks: [u64; WEEKS],
    /// After these.
    pub later: u64,
}

/// What was met in folders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Seen {
    /// Entries that are no folders.
    pub files: u64,
    /// Files that were opened and told by their content.
    pub read: u64,
    /// Folders.
    pub folders: u64,
    /// Files and folders that could not be read.
    pub unreadable: u64,
    /// Files over 16 MiB, which are left out.
    pub large: u64,
    /// Links that were not followed, sockets, pipes and devices, which are left out.
    pub special: u64,
    /// Folders of the kernel's own or of other file systems, which were not entered.
    pub elsewhere: u64,
}

impl Seen {
    /// The counts of this moment.
    #[must_use]
    pub fn of(counts: &Counts) -> Self {
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        Self {
            files: get(&counts.files),
            read: get(&counts.read),
            folders: get(&counts.folders),
            unreadable: get(&counts.unreadable),
            large: get(&counts.large),
            special: get(&counts.special),
            elsewhere: get(&counts.elsewhere),
        }
    }
}

impl Tally {
    pub(super) fn new(now: OffsetDateTime) -> Self {
        Self {
            now,
            exit: Exit::Good,
            rows: 0,
            files: 0,
            servers: 0,
            answered: 0,
            nobody: 0,
            keys: 0,
            problems: 0,
            chained: 0,
            findings: BTreeMap::new(),
            issuers: HashMap::new(),
            other_issuers: 0,
            ended: 0,
            weeks: [0; WEEKS],
            later: 0,
        }
    }

    pub(super) fn key(&mut self) {
        self.keys += 1;
    }

    /// An address of a range at which nobody listens.
    pub(super) fn nobody(&mut self) {
        self.nobody += 1;
    }

    /// `further`: another leaf of a file that was counted already.
    pub(super) fn take(&mut self, checked: &Checked, further: bool) {
        self.exit = self.exit.worst(check::exit(std::slice::from_ref(checked)));
        self.rows += 1;
        match (&checked.problem, checked.kind) {
            (Some(_), _) => self.problems += 1,
            (None, "endpoint") => {
                self.servers += 1;
                self.answered += u64::from(checked.leaf.is_some());
            }
            (None, _) => self.files += u64::from(!further),
        }
        for finding in checked.findings.iter().filter(|finding| finding.accepted.is_none()) {
            *self.findings.entry(finding.code.name()).or_default() += 1;
        }
        self.chained += checked.chain.len() as u64;
        for leaf in checked.leaves() {
            self.issuer(leaf);
            self.end(leaf.not_after - self.now);
        }
    }

    fn issuer(&mut self, leaf: &Leaf) {
        // Each of these has an issuer of its own: itself.
        let issuer = if leaf.issuer == leaf.subject { ITSELF } else { &leaf.issuer };
        if let Some(count) = self.issuers.get_mut(issuer) {
            *count += 1;
        } else if self.issuers.len() < MOST_ISSUERS {
            self.issuers.insert(issuer.to_owned(), 1);
        } else {
            self.other_issuers += 1;
        }
    }

    fn end(&mut self, left: Duration) {
        let week = usize::try_from(left.whole_days().div_euclid(7));
        match week.ok().and_then(|week| self.weeks.get_mut(week)) {
            _ if left.is_negative() => self.ended += 1,
            Some(count) => *count += 1,
            None => self.later += 1,
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Servers that were asked.
    pub(super) fn asked(&self) -> u64 {
        self.servers + self.nobody
    }

    /// Certificates with a row of their own, of files and servers.
    fn leaves(&self) -> u64 {
        self.ended + self.weeks.iter().sum::<u64>() + self.later
    }

    pub(super) fn summary(&self, seen: Seen, took: std::time::Duration) -> (Exit, Summary) {
        let mut issuers: Vec<(Option<String>, u64)> =
            self.issuers.iter().map(|(issuer, count)| (Some(issuer.clone()), *count)).collect();
        issuers.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let others = self.other_issuers + issuers.iter().skip(SHOWN).map(|(_, count)| count).sum::<u64>();
        issuers.truncate(SHOWN);
        if others > 0 {
            issuers.push((None, others));
        }
        let summary = Summary {
            files: self.files,
            servers: self.asked(),
            answered: self.answered,
            nobody: self.nobody,
            certificates: self.leaves() + self.chained,
            keys: self.keys,
            problems: self.problems,
            findings: self.findings.clone(),
            issuers,
            ends: Ends { ended: self.ended, weeks: self.weeks, later: self.later },
            seen,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        (self.exit, summary)
    }
}

/// Stands for the issuer of all that name themselves.
pub const ITSELF: &str = "(itself)";

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::digest::Digest;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn leaf(issuer: &str, left: Duration) -> Checked {
        let leaf = Leaf {
            fingerprint: Digest::of(b""),
            subject: "CN=leaf".to_owned(),
            issuer: issuer.to_owned(),
            serial: String::new(),
            common_name: None,
            issuer_common_name: None,
            names: Vec::new(),
            not_before: NOW,
            not_after: NOW + left,
            key: String::new(),
            paired: false,
        };
        Checked { leaf: Some(leaf), ..Checked::blank("x", "file") }
    }

    #[test]
    fn ends_are_counted_by_week() {
        let mut tally = Tally::new(NOW);
        let second = Duration::SECOND;
        for left in [-second, Duration::ZERO, Duration::WEEK - second, Duration::WEEK, Duration::weeks(13) - second] {
            tally.take(&leaf("CN=CA", left), false);
        }
        tally.take(&leaf("CN=CA", Duration::weeks(13)), false);
        // One address of a server shows another certificate than the first.
        let server = leaf("CN=CA", Duration::weeks(20));
        let further = server.leaf.iter().cloned().collect();
        tally.take(&Checked { further, ..server }, false);
        let (exit, summary) = tally.summary(Seen::default(), std::time::Duration::ZERO);
        let mut weeks = [0; WEEKS];
        (weeks[0], weeks[1], weeks[12]) = (2, 1, 1);
        assert_eq!(summary.ends, Ends { ended: 1, weeks, later: 3 });
        assert_eq!((exit, summary.files, summary.certificates), (Exit::Good, 7, 8));
    }

    #[test]
    fn issuers_are_few_however_many_there_are() {
        let mut tally = Tally::new(NOW);
        for number in 0..MOST_ISSUERS + 50 {
            tally.take(&leaf(&format!("CN=CA {number:05}"), Duration::WEEK), false);
        }
        for _ in 0..3 {
            tally.take(&leaf("CN=leaf", Duration::WEEK), false);
            tally.take(&leaf("CN=CA 00007", Duration::WEEK), false);
        }
        assert_eq!(tally.issuers.len(), MOST_ISSUERS);
        let (_, summary) = tally.summary(Seen::default(), std::time::Duration::ZERO);
        assert_eq!(summary.issuers.len(), SHOWN + 1);
        assert_eq!(summary.issuers[0], (Some("CN=CA 00007".to_owned()), 4));
        let all: u64 = summary.issuers.iter().map(|(_, count)| count).sum();
        assert_eq!(all, MOST_ISSUERS as u64 + 56);
    }
}
