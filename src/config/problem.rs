//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, with the word in question.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

/// A configuration that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct ConfigError {
    /// The file.
    pub origin: PathBuf,
    /// All that is wrong with it, in the order of the file; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    /// One line a problem, in the form editors jump to; the hint, which is about that line alone, at its end.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            let Problem { line, column, message, hint } = problem;
            write!(out, "{}:{line}:{column}: {message}", self.origin.display())?;
            if let Some(hint) = hint {
                write!(out, " ({hint})")?;
            }
        }
        Ok(())
    }
}

/// The error of a text with one problem that leaves nothing to read on for.
pub(super) fn only(text: &str, origin: &Path, at: &Range<usize>, message: String) -> ConfigError {
    let (line, column) = position(text, at.start);
    ConfigError { origin: origin.to_owned(), problems: vec![Problem { line, column, message, hint: None }] }
}

/// Collects problems while a text is read on.
pub(super) struct Problems<'a> {
    text: &'a str,
    found: Vec<(usize, Problem)>,
}

impl<'a> Problems<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: &Range<usize>, message: impl Into<String>) {
        self.put(at, message.into(), None);
    }

    pub(super) fn add_with_hint(&mut self, at: &Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.put(at, message.into(), Some(hint.into()));
    }

    /// The error, if anything was found.
    pub(super) fn into_error(mut self, origin: &Path) -> Option<ConfigError> {
        self.found.sort_by_key(|(offset, _)| *offset);
        let problems: Vec<Problem> = self.found.into_iter().map(|(_, problem)| problem).collect();
        (!problems.is_empty()).then(|| ConfigError { origin: origin.to_owned(), problems })
    }

    fn put(&mut self, at: &Range<usize>, message: String, hint: Option<String>) {
        let (line, column) = position(self.text, at.start);
        self.found.push((at.start, Problem { line, column, message, hint }));
    }
}

/// Line and column, both from 1, of a byte offset; an offset within a character counts as that character's.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= offset);
    before.fold((1, 1), |(line, column), (_, c)| if c == '\n' { (line + 1, 1) } else { (line, column + 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_end_at_line_feeds() {
        let text = "a = 1\r\nü = \"x\"\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 4), (1, 5));
        assert_eq!(position(text, 7), (2, 1));
        assert_eq!(position(text, 8), (2, 1), "within the character");
        assert_eq!(position(text, 12), (2, 5));
        assert_eq!(position(text, 999), (3, 1));
    }
}
