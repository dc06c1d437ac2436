//! JSON lines: one object a subject, each in the shape of a result of `check` in `docs/json.md`.

use super::json::quiet;
use crate::flow::check::Checked;

/// One line, with its end.
#[must_use]
pub fn line(checked: &Checked) -> String {
    // It holds strings, numbers and times, all of which can be written.
    let mut text = serde_json::to_string(checked).map(|text| quiet(&text)).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::escape::acts;
    use crate::report::specimen::{HOSTILE, hostile};

    #[test]
    fn a_record_is_one_line_and_reads_back() {
        for text in HOSTILE {
            let line = line(&hostile(text));
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.trim_end().chars().any(acts), "{line}");
            let back: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(back["subject"], *text);
        }
    }
}
