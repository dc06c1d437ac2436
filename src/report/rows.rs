//! What a scan found as JSON, written while it goes on: lines, or one object whose results come one by one. See `docs/json.md`.

use serde::Serialize;

use super::json::{VERSION, quiet};
use crate::flow::check::Checked;
use crate::flow::scan::Summary;
use crate::outcome::Exit;

/// Adds one result, without a line end.
pub fn result(checked: &Checked, rows: &mut Vec<u8>) {
    append(checked, rows);
}

/// How the one object begins; the results follow, with commas between them.
#[must_use]
pub fn opening() -> String {
    format!("{{\"version\":{VERSION},\"command\":\"scan\",\"results\":[")
}

/// How the one object ends.
#[must_use]
pub fn closing(exit: Exit, summary: &Summary) -> Vec<u8> {
    let mut text = b"],\"summary\":".to_vec();
    append(summary, &mut text);
    text.extend_from_slice(format!(",\"exit\":{}}}\n", exit.code()).as_bytes());
    text
}

/// Whole lines, of which the first is the first of all: it says that they are a scan's, whose last line is its summary.
#[must_use]
pub fn first_lines(rows: &[u8]) -> Vec<u8> {
    match rows.strip_prefix(b"{") {
        Some(rest) => [b"{\"stream\":\"scan\",", rest].concat(),
        None => rows.to_vec(),
    }
}

/// The last of the lines.
#[must_use]
pub fn last_line(exit: Exit, summary: &Summary) -> Vec<u8> {
    #[derive(Serialize)]
    struct Last<'a> {
        version: u32,
        command: &'static str,
        exit: u8,
        summary: &'a Summary,
    }
    let mut text = Vec::new();
    append(&Last { version: VERSION, command: "scan", exit: exit.code(), summary }, &mut text);
    text.push(b'\n');
    text
}

/// Characters that act on a terminal are few: only where there may be one the text is gone through by character.
fn append(value: &impl Serialize, rows: &mut Vec<u8>) {
    let start = rows.len();
    if serde_json::to_writer(&mut *rows, value).is_err() {
        // Strings, numbers and times, all of which can be written.
        return rows.truncate(start);
    }
    let row = &rows[start..];
    if !row.is_ascii() || memchr::memchr(0x7f, row).is_some() {
        let text = quiet(&String::from_utf8_lossy(&rows[start..]));
        rows.truncate(start);
        rows.extend_from_slice(text.as_bytes());
    }
}
