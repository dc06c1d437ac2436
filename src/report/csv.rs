//! For spreadsheets: RFC 4180 with a header line, one row a subject and one more for each further leaf of it.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::escape::escape;
use super::standing::Standing;
use crate::assess::{Code, Finding, days_left};
use crate::cert::installed::Leaf;
use crate::change::Shown;
use crate::flow::check::Checked;

/// The columns. New ones come last.
pub const HEADER: &[&str] = &[
    "subject",
    "kind",
    "standing",
    "names",
    "certificate_subject",
    "issuer",
    "serial",
    "not_before",
    "not_after",
    "days_left",
    "key",
    "key_matches",
    "sha256",
    "served",
    "codes",
    "findings",
    "problem",
    "accepted",
];

/// All rows, the header first; lines end with CR LF as section 2 of the RFC has it.
#[must_use]
pub fn render(all: &[Checked], now: OffsetDateTime) -> String {
    let mut text = HEADER.join(",");
    text.push_str("\r\n");
    for checked in all {
        text.push_str(&row(checked, now));
    }
    text
}

/// The row of one subject, with its line end, and those of its further leaves: what was found is told in the first of them.
#[must_use]
pub fn row(checked: &Checked, now: OffsetDateTime) -> String {
    let mut cells = vec![cell(&checked.subject), checked.kind.to_owned(), Standing::of(checked).word().to_owned()];
    match &checked.leaf {
        Some(leaf) => cells.extend(certificate(checked, leaf, now)),
        None => cells.extend((0..CERTIFICATE).map(|_| String::new())),
    }
    let served = checked.served.iter().map(|seen| format!("{}: {}", seen.probe, shown(&seen.shown)));
    let counting = || checked.findings.iter().filter(|finding| finding.accepted.is_none());
    let mut codes: Vec<&str> = Vec::new();
    for name in counting().map(|finding| finding.code.name()) {
        if !codes.contains(&name) {
            codes.push(name);
        }
    }
    let told = counting().map(|finding| format!("{}: {}", finding.code.name(), finding.message));
    let accepted = checked.findings.iter().filter_map(|finding| {
        let accepted = finding.accepted.as_ref()?;
        Some(format!("{} until {}: {}", finding.code.name(), accepted.until, accepted.reason))
    });
    cells.extend([
        cell(&served.collect::<Vec<_>>().join("; ")),
        cell(&codes.join(" ")),
        cell(&told.collect::<Vec<_>>().join("; ")),
        cell(checked.problem.as_deref().unwrap_or_default()),
        cell(&accepted.collect::<Vec<_>>().join("; ")),
    ]);
    let mut rows = cells.join(",") + "\r\n";
    for leaf in &checked.further {
        let mut cells = vec![cell(&checked.subject), checked.kind.to_owned(), String::new()];
        cells.extend(certificate(checked, leaf, now));
        cells.resize(HEADER.len(), String::new());
        rows.push_str(&cells.join(","));
        rows.push_str("\r\n");
    }
    rows
}

/// Columns of a certificate.
const CERTIFICATE: usize = 10;

fn certificate(checked: &Checked, leaf: &Leaf, now: OffsetDateTime) -> [String; CERTIFICATE] {
    [
        cell(&leaf.names.join(" ")),
        cell(&leaf.subject),
        cell(&leaf.issuer),
        // Digits alone would lose their last ones in a spreadsheet.
        cell(&grouped(&leaf.serial)),
        moment(leaf.not_before),
        moment(leaf.not_after),
        // A number that is ours, also below zero.
        days_left(leaf.not_after - now).to_string(),
        cell(&leaf.key),
        matches(checked, leaf.paired),
        leaf.fingerprint.to_string(),
    ]
}

/// Whether the key is the certificate's; nothing where no key was there to be held against it, and none was wanted.
fn matches(checked: &Checked, paired: bool) -> String {
    let lacks = |one: &Finding| matches!(one.code, Code::NoKey | Code::KeyMismatch | Code::Unreadable);
    if paired || checked.kind == "target" || checked.findings.iter().any(lacks) {
        return paired.to_string();
    }
    String::new()
}

fn shown(shown: &Shown) -> String {
    match shown {
        Shown::Leaf { fingerprint, proved: true } => fingerprint.short(),
        Shown::Leaf { proved: false, .. } | Shown::Well | Shown::Nobody { .. } | Shown::Failing { .. } => {
            shown.to_string()
        }
    }
}

fn moment(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

/// Hexadecimal in pairs, as browsers show serial numbers.
fn grouped(hex: &str) -> String {
    if let Some(amount) = hex.strip_prefix('-') {
        return format!("-{}", grouped(amount));
    }
    let mut text = String::with_capacity(hex.len() * 3 / 2);
    for (index, digit) in hex.chars().enumerate() {
        if index > 0 && index % 2 == 0 {
            text.push(':');
        }
        text.push(digit);
    }
    text
}

/// A cell of text from outside.
///
/// A spreadsheet computes a cell that begins with one of these characters, and one that splits lines at semicolons sees beginnings
/// within ours, with or without quotes. An apostrophe makes it text.
fn cell(text: &str) -> String {
    let (mut safe, mut begins) = (String::with_capacity(text.len()), true);
    for c in escape(text).chars() {
        if begins && matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') {
            safe.push('\'');
        }
        begins = matches!(c, ',' | ';' | '"') || (begins && c == ' ');
        safe.push(c);
    }
    if safe.contains([',', '"', ';']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::Code;
    use crate::report::escape::acts;
    use crate::report::specimen::{HOSTILE, NOW, endpoint, hostile};

    /// Reads as RFC 4180 says, knowing nothing of how it was written.
    fn read(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
        let mut rest = text.chars().peekable();
        let mut quoted = false;
        while let Some(c) = rest.next() {
            match (quoted, c) {
                (true, '"') if rest.peek() == Some(&'"') => cell.push(rest.next().unwrap()),
                (true, '"') => quoted = false,
                (false, '"') => {
                    assert!(cell.is_empty(), "a quote within a bare cell");
                    quoted = true;
                }
                (false, ',') => row.push(std::mem::take(&mut cell)),
                (false, '\r') => {
                    assert_eq!(rest.next(), Some('\n'));
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                (_, c) => cell.push(c),
            }
        }
        assert!(!quoted && row.is_empty() && cell.is_empty(), "it ends within a row");
        rows
    }

    #[test]
    fn a_row_a_subject() {
        let all = [endpoint("a.example", 60, &[]), endpoint("b.example", -3, &[Code::Expired, Code::RootSent])];
        let rows = read(&render(&all, NOW));
        assert_eq!(rows[0], HEADER);
        let of = |row: usize, name: &str| rows[row][HEADER.iter().position(|head| *head == name).unwrap()].as_str();
        assert_eq!(rows.len(), 3);
        assert_eq!((of(1, "standing"), of(1, "days_left"), of(1, "serial")), ("good", "60", "03:e8"));
        assert_eq!((of(2, "standing"), of(2, "days_left")), ("critical", "-3"));
        assert_eq!((of(2, "not_after"), of(2, "codes")), ("2026-11-18T12:00:00Z", "expired root-sent"));
        assert_eq!(of(2, "issuer"), "C=XX, O=Example, CN=Example CA");
    }

    #[test]
    fn further_leaves_have_rows_of_their_own() {
        let mut both = endpoint("a.example", 3, &[Code::Expiring]);
        both.further = vec![endpoint("a.example", 60, &[]).leaf.unwrap()];
        let rows = read(&render(&[both, endpoint("b.example", 60, &[])], NOW));
        let of = |row: usize, name: &str| rows[row][HEADER.iter().position(|head| *head == name).unwrap()].as_str();
        let told = |row| ["subject", "days_left", "standing", "codes"].map(|name| of(row, name));
        assert_eq!(told(1)[..2], ["a.example:443", "3"]);
        assert_eq!(
            (told(2), of(2, "kind")),
            (["a.example:443", "60", "", ""], "endpoint"),
            "what was found is told once"
        );
        assert_eq!(told(3), ["b.example:443", "60", "good", ""]);
        assert!(rows.iter().all(|row| row.len() == HEADER.len()) && rows.len() == 4);
    }

    #[test]
    fn a_negative_serial_number_has_its_sign() {
        assert_eq!(
            (grouped("03e8"), grouped("-03e8"), grouped("-5a")),
            ("03:e8".into(), "-03:e8".into(), "-5a".into())
        );
    }

    #[test]
    fn nothing_hostile_computes_or_breaks_a_row() {
        let all: Vec<Checked> = HOSTILE.iter().map(|text| hostile(text)).collect();
        let text = render(&all, NOW);
        assert!(!text.replace("\r\n", "").chars().any(acts), "{text}");
        let rows = read(&text);
        assert_eq!(rows.len(), HOSTILE.len() + 1);
        assert!(rows.iter().all(|row| row.len() == HEADER.len()), "{rows:?}");
        let days = HEADER.iter().position(|head| *head == "days_left").unwrap();
        for row in &rows[1..] {
            for (index, cell) in row.iter().enumerate().filter(|(index, _)| *index != days) {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{index}: {cell:?}");
            }
        }
        // What a program sees that splits at semicolons and knows quotes at the begin of a cell alone.
        for piece in text.split(['\n', ';', ',']) {
            let piece = piece.trim_start_matches(['"', ' ']);
            assert!(!piece.starts_with(['=', '+', '@']), "{piece:?}");
        }
    }

    #[test]
    fn ordinary_text_is_as_it_was() {
        for text in ["www.example.org", "a-b=c", "it is 5% more", "Zürich"] {
            assert_eq!(cell(text), text);
        }
        assert_eq!(cell("a, b"), "\"a, b\"");
    }
}
