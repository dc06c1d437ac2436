//! What a scan found for people: a line a certificate, as it is found, and a summary.

use std::borrow::Cow;

use time::OffsetDateTime;

use super::severity;
use crate::assess::{date, days_left};
use crate::flow::check::Checked;
use crate::flow::scan::{ITSELF, Progress, Summary};
use crate::report::escape::escape;
use crate::report::page::{Page, Paint};

/// Columns: the widths hold for nearly all, and who comes later cannot move who came before.
const SEVERITY: usize = 8;
const WHAT: usize = 28;
const ENDS: usize = 8;
const ISSUER: usize = 24;
const NAME: usize = 28;

/// How rows are written.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// The time, UTC.
    pub now: OffsetDateTime,
    /// With colours.
    pub colours: bool,
}

impl Rows {
    /// What stands above the first row.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let mut line = Line { out: Vec::new(), colours: self.colours };
        line.cell(Paint::Faint, "severity", SEVERITY);
        line.cell(Paint::Faint, "what", WHAT);
        line.number(Paint::Faint, "ends in", ENDS);
        line.cell(Paint::Faint, "issuer", ISSUER);
        line.cell(Paint::Faint, "certificate", NAME);
        line.last(Paint::Faint, "where");
        line.out
    }

    /// Adds the row of what was found, and one for each certificate beside it.
    pub fn add(&self, checked: &Checked, rows: &mut Vec<u8>) {
        let mut line = Line { out: std::mem::take(rows), colours: self.colours };
        let (paint, word) = match (&checked.problem, checked.findings.first()) {
            (Some(_), _) => (Paint::Bad, "problem"),
            (None, Some(finding)) if finding.accepted.is_some() => (Paint::Faint, "accepted"),
            (None, Some(finding)) => (super::paint(finding.severity), severity(finding.severity)),
            (None, None) => (Paint::Good, "good"),
        };
        // A file of roots has rows for them alone.
        if let Some(problem) = &checked.problem {
            line.cell(paint, word, SEVERITY);
            line.last(Paint::Plain, problem);
        } else if checked.leaf.is_some() || checked.chain.is_empty() {
            line.cell(paint, word, SEVERITY);
            self.certificate(checked, paint, &mut line);
        }
        let role = if checked.leaf.is_some() { "  chain" } else { "  root" };
        for link in &checked.chain {
            line.cell(Paint::Faint, role, SEVERITY);
            let ended = link.not_after < self.now;
            line.cell(Paint::Warn, if ended { "ended" } else { "" }, WHAT);
            line.number(Paint::Plain, &self.days(link.not_after), ENDS);
            line.cell(Paint::Plain, issuer(&link.issuer, &link.subject), ISSUER);
            line.cell(Paint::Plain, short(&link.subject), NAME);
            line.last(Paint::Faint, &checked.subject);
        }
        *rows = line.out;
    }

    fn certificate(&self, checked: &Checked, paint: Paint, line: &mut Line) {
        line.codes(paint, checked);
        match &checked.leaf {
            Some(leaf) => {
                line.number(Paint::Plain, &self.days(leaf.not_after), ENDS);
                let issuer = leaf.issuer_common_name.as_deref().filter(|_| leaf.issuer != leaf.subject);
                line.cell(Paint::Plain, issuer.unwrap_or_else(|| self::issuer(&leaf.issuer, &leaf.subject)), ISSUER);
                let name = leaf.names.first().or(leaf.common_name.as_ref()).unwrap_or(&leaf.subject);
                line.cell(Paint::Plain, name, NAME);
                line.last(Paint::Plain, &checked.subject);
            }
            None => {
                let why = checked.findings.first().map_or("", |finding| &finding.message);
                line.number(Paint::Plain, "-", ENDS);
                line.cell(Paint::Plain, "-", ISSUER);
                line.cell(Paint::Plain, "-", NAME);
                // The message of a server begins with its address.
                let told = if why.contains(checked.subject.as_str()) {
                    Cow::Borrowed(why)
                } else {
                    format!("{}: {why}", checked.subject).into()
                };
                line.last(Paint::Plain, &told);
            }
        }
    }

    fn days(&self, end: OffsetDateTime) -> String {
        let mut text = days_left(end - self.now).to_string();
        text.push_str(" d");
        text
    }

    /// What it all comes to.
    #[must_use]
    pub fn summary(&self, summary: &Summary, width: Option<usize>) -> String {
        let mut page = Page::new(width);
        let seen = &summary.seen;
        page.end();
        let mut places = Vec::new();
        if summary.files > 0 || summary.servers == 0 {
            places.push(format!("in {}", counted(summary.files, "file")));
        }
        if summary.servers > 0 {
            // Who shows nothing is counted, and not as if it did.
            let of =
                if summary.answered == summary.servers { String::new() } else { format!("{} of ", summary.answered) };
            places.push(format!("at {of}{}", counted(summary.servers, "server")));
        }
        let mut what = vec![format!("{} {}", counted(summary.certificates, "certificate"), places.join(" and "))];
        if summary.nobody > 0 {
            what.push(format!("nobody listens at {} of a range", counted(summary.nobody, "address")));
        }
        if summary.problems > 0 {
            what.push(format!("{} could not be looked at", summary.problems));
        }
        let bad = summary.problems > 0 || !summary.findings.is_empty();
        page.put(if bad { Paint::Warn } else { Paint::Good }, &what.join("; ")).end();
        let findings: Vec<String> = sorted(summary).map(|(code, count)| format!("{count} {code}")).collect();
        if !findings.is_empty() {
            page.note("findings", Paint::Plain, &findings.join(", "));
        }
        for (index, (issuer, count)) in summary.issuers.iter().enumerate() {
            page.field(if index == 0 { "issuers" } else { "" });
            page.say(&format!("{count:>7}  {}", issuer.as_deref().unwrap_or("all others"))).end();
        }
        self.weeks(summary, &mut page);
        let mut files = format!("{} in {}, {} read", seen.files, counted(seen.folders, "folder"), seen.read);
        for (count, word) in [
            (seen.unreadable, "unreadable"),
            (seen.large, "over 16 MiB"),
            (seen.special, "links, pipes, devices"),
            (seen.elsewhere, "folders of other file systems"),
            (summary.keys, "with keys alone"),
        ] {
            if count > 0 {
                files.push_str(&format!(", {count} {word}"));
            }
        }
        if seen.files + seen.folders + seen.unreadable > 0 || summary.servers == 0 {
            page.field("files").say(&files).end();
        }
        page.field("took").say(&seconds(summary.milliseconds)).end();
        let text = page.into_text();
        if self.colours { text } else { anstream::adapter::strip_str(&text).to_string() }
    }

    fn weeks(&self, summary: &Summary, page: &mut Page) {
        let ends = &summary.ends;
        let mut name = "ends";
        let mut row = |when: String, count: u64, paint: Paint| {
            if count > 0 {
                page.field(std::mem::take(&mut name)).put(paint, &format!("{count:>7}  {when}")).end();
            }
        };
        row("have ended".to_owned(), ends.ended, Paint::Bad);
        for (week, count) in (0_i64..).zip(ends.weeks) {
            let from = self.now + time::Duration::weeks(week);
            row(format!("in the week from {}", date(from)), count, Paint::Plain);
        }
        row("later".to_owned(), ends.later, Paint::Plain);
    }
}

/// One line for the terminal, of what has been done so far.
#[must_use]
pub fn progress(progress: Progress) -> String {
    let Progress { seen, rows, asked, servers } = progress;
    let mut parts = Vec::new();
    if servers == 0 || seen.files + seen.folders > 0 {
        parts.push(format!("{} seen, {} read", counted(seen.files, "file"), seen.read));
    }
    if servers > 0 {
        parts.push(format!("{asked} of {} asked", counted(servers, "server")));
    }
    format!("{}, {}", parts.join(", "), counted(rows, "result"))
}

fn sorted(summary: &Summary) -> impl Iterator<Item = (&'static str, u64)> {
    let mut findings: Vec<(&'static str, u64)> = summary.findings.iter().map(|(code, count)| (*code, *count)).collect();
    findings.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    findings.into_iter()
}

fn counted(count: u64, what: &str) -> String {
    let ending = match (count, what.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {what}{ending}")
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10)
}

fn issuer<'a>(issuer: &'a str, subject: &str) -> &'a str {
    if issuer == subject { ITSELF } else { short(issuer) }
}

/// The common name in a name as people read it; all of it where there is none.
fn short(name: &str) -> &str {
    let begins = name.rfind(", CN=").map(|at| at + 5).or_else(|| name.starts_with("CN=").then_some(3));
    let Some(begin) = begins else { return name };
    let value = &name[begin..];
    value.split_once(", ").map_or(value, |(value, _)| value)
}

/// A row under way. Whatever comes from outside is escaped here.
struct Line {
    out: Vec<u8>,
    colours: bool,
}

impl Line {
    /// A cell, cut where it is too long for those that follow to stand below one another.
    fn cell(&mut self, paint: Paint, text: &str, width: usize) {
        let safe = escape(text);
        let length = if safe.is_ascii() { safe.len() } else { safe.chars().count() };
        if length > width {
            let short: String = safe.chars().take(width - 1).chain(['…']).collect();
            self.painted(paint, &short);
            self.pad(2);
        } else {
            self.painted(paint, &safe);
            self.pad(width + 2 - length);
        }
    }

    /// A cell that ends where the column ends.
    fn number(&mut self, paint: Paint, text: &str, width: usize) {
        self.pad(width.saturating_sub(text.len()));
        self.painted(paint, text);
        self.pad(2);
    }

    /// The last cell, whole, and the end of the line.
    fn last(&mut self, paint: Paint, text: &str) {
        self.painted(paint, &escape(text));
        self.out.push(b'\n');
    }

    /// The names of what was found, worst first, each once, as many as fit.
    fn codes(&mut self, paint: Paint, checked: &Checked) {
        let mut length = 0;
        let mut names: Vec<&str> = Vec::new();
        for name in checked.findings.iter().map(|finding| finding.code.name()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for (index, name) in names.iter().enumerate() {
            // Room for what tells how many more there are.
            if index > 0 && length + 2 + name.len() > WHAT - 4 {
                let more = format!(" +{}", names.len() - index);
                length += more.len();
                self.painted(Paint::Faint, &more);
                break;
            }
            if index > 0 {
                self.out.extend_from_slice(b", ");
                length += 2;
            }
            self.painted(paint, name);
            length += name.len();
        }
        self.pad((WHAT + 2).saturating_sub(length).max(1));
    }

    fn painted(&mut self, paint: Paint, text: &str) {
        let begin: &[u8] = match paint {
            _ if !self.colours || text.is_empty() => b"",
            Paint::Plain => b"",
            Paint::Strong => b"\x1b[1m",
            Paint::Faint => b"\x1b[2m",
            Paint::Good => b"\x1b[32m",
            Paint::Warn => b"\x1b[33m",
            Paint::Bad => b"\x1b[1;31m",
        };
        self.out.extend_from_slice(begin);
        self.out.extend_from_slice(text.as_bytes());
        if !begin.is_empty() {
            self.out.extend_from_slice(b"\x1b[0m");
        }
    }

    fn pad(&mut self, count: usize) {
        self.out.resize(self.out.len() + count, b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::scan::Seen;

    #[test]
    fn progress_counts_what_is_looked_at() {
        let none = Seen::default();
        let some = Seen { files: 31, read: 30, folders: 4, ..none };
        let told = |seen, asked, servers| progress(Progress { seen, rows: 12, asked, servers });
        assert_eq!(told(none, 1500, 4000), "1500 of 4000 servers asked, 12 results");
        assert_eq!(told(some, 0, 0), "31 files seen, 30 read, 12 results");
        assert_eq!(told(some, 0, 1), "31 files seen, 30 read, 0 of 1 server asked, 12 results");
    }
}
