//! Text with colours, of which every word goes through the one escape function.

use std::fmt::Write;

use owo_colors::{OwoColorize, Style};

use super::escape::escape;
use crate::outcome::called;

/// How a word looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paint {
    /// As it is.
    Plain,
    /// What a paragraph is about.
    Strong,
    /// Beside the point.
    Faint,
    /// All is well.
    Good,
    /// Look at it.
    Warn,
    /// Mend it.
    Bad,
}

/// Lines under way. Words are escaped, so only [`Page::end`] ends a line and only [`Paint`] colours.
#[derive(Default)]
pub struct Page {
    text: String,
    column: usize,
    width: Option<usize>,
    program: Option<String>,
}

/// Where the values of [`Page::field`] begin.
pub const FIELD: usize = 13;

impl Page {
    /// A page for a terminal of `width` columns, or for no terminal.
    pub fn new(width: Option<usize>) -> Self {
        Self { text: String::new(), column: 0, width: width.filter(|width| *width >= 40), program: None }
    }

    /// The same, for a run that was called as `program`: [`Page::advice`] names it so.
    pub fn called(mut self, program: &str) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// Adds prose that may name commands, `` `reseal ...` ``, in the form that works for the same configuration and state.
    pub fn advice(&mut self, paint: Paint, text: &str, indent: usize) -> &mut Self {
        match &self.program {
            Some(program) => self.prose(paint, &called(text, program), indent),
            None => self.prose(paint, text, indent),
        }
    }

    /// Adds a word, or several.
    pub fn put(&mut self, paint: Paint, text: &str) -> &mut Self {
        let safe = escape(text);
        self.column += safe.chars().count();
        let style = match paint {
            Paint::Plain => {
                self.text.push_str(&safe);
                return self;
            }
            Paint::Strong => Style::new().bold(),
            Paint::Faint => Style::new().dimmed(),
            Paint::Good => Style::new().green(),
            Paint::Warn => Style::new().yellow(),
            Paint::Bad => Style::new().red().bold(),
        };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{}", safe.style(style));
        self
    }

    /// Adds plain text.
    pub fn say(&mut self, text: &str) -> &mut Self {
        self.put(Paint::Plain, text)
    }

    /// Adds a tab.
    pub fn tab(&mut self) -> &mut Self {
        self.text.push('\t');
        self
    }

    /// Adds prose, broken between words where the terminal ends; later lines begin below `indent`.
    pub fn prose(&mut self, paint: Paint, text: &str, indent: usize) -> &mut Self {
        let Some(width) = self.width else { return self.put(paint, text) };
        for (index, word) in text.split(' ').enumerate() {
            let length = escape(word).chars().count();
            if index > 0 && self.column + 1 + length > width && self.column > indent {
                self.end().say(&" ".repeat(indent));
            } else if index > 0 {
                self.say(" ");
            }
            self.put(paint, word);
        }
        self
    }

    /// Ends the line.
    pub fn end(&mut self) -> &mut Self {
        while self.text.ends_with(' ') {
            self.text.pop();
        }
        self.text.push('\n');
        self.column = 0;
        self
    }

    /// Begins a line `  name      value`.
    pub fn field(&mut self, name: &str) -> &mut Self {
        self.painted_field(Paint::Faint, name)
    }

    /// The same, with a name that stands out.
    pub fn painted_field(&mut self, paint: Paint, name: &str) -> &mut Self {
        self.say("  ").put(paint, name);
        self.pad(FIELD)
    }

    /// A whole line `  name      value` of prose.
    pub fn note(&mut self, name: &str, paint: Paint, value: &str) -> &mut Self {
        self.field(name).prose(paint, value, FIELD).end()
    }

    /// Adds a table; the first row is its head. The last column is cut where the terminal ends.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<(Paint, String)>]) -> &mut Self {
        let length = |text: &str| escape(text).chars().count();
        let mut widths: Vec<usize> = head.iter().map(|name| name.len()).collect();
        for row in rows {
            for (width, (_, cell)) in widths.iter_mut().zip(row) {
                *width = length(cell).max(*width);
            }
        }
        let last = widths.len().saturating_sub(1);
        for (index, name) in head.iter().enumerate() {
            self.put(Paint::Faint, name);
            if index < last {
                self.say(&" ".repeat(widths[index] + 2 - name.len()));
            }
        }
        self.end();
        for row in rows {
            for (index, (paint, cell)) in row.iter().enumerate() {
                if index < last {
                    self.put(*paint, cell).say(&" ".repeat(widths[index] + 2 - length(cell)));
                } else {
                    self.cut(*paint, cell);
                }
            }
            self.end();
        }
        self
    }

    /// The text, with the sequences for colours in it.
    pub fn into_text(self) -> String {
        self.text
    }

    fn pad(&mut self, column: usize) -> &mut Self {
        let missing = column.saturating_sub(self.column).max(1);
        self.say(&" ".repeat(missing))
    }

    fn cut(&mut self, paint: Paint, text: &str) {
        let safe = escape(text);
        let room = self.width.map(|width| width.saturating_sub(self.column).max(12));
        match room {
            Some(room) if safe.chars().count() > room => {
                let short: String = safe.chars().take(room - 1).collect();
                self.put(paint, &short).say("…");
            }
            Some(_) | None => {
                self.put(paint, &safe);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_program_as_it_was_called() {
        let mut page = Page::new(None).called("reseal --config r.toml");
        page.advice(Paint::Plain, "run `reseal renew`, not reseal", 0).say("; `reseal x`").end();
        assert_eq!(page.into_text(), "run `reseal --config r.toml renew`, not reseal; `reseal x`\n");
    }

    #[test]
    fn only_the_page_ends_lines_and_colours() {
        let mut page = Page::new(None);
        page.put(Paint::Bad, "a\n\u{1b}[32mb").end();
        assert_eq!(page.into_text(), "\u{1b}[31;1ma\\u{a}\\u{1b}[32mb\u{1b}[0m\n");
    }

    #[test]
    fn prose_is_broken_for_a_terminal_only() {
        let text = "twenty letters or so twenty letters or so and then some";
        let mut page = Page::new(Some(40));
        page.note("hint", Paint::Plain, text);
        let text_of = |page: Page| anstream::adapter::strip_str(&page.into_text()).to_string();
        assert_eq!(
            text_of(page),
            "  hint       twenty letters or so twenty\n             letters or so and then some\n"
        );
        let mut page = Page::new(None);
        page.note("hint", Paint::Plain, text);
        assert_eq!(page.into_text().lines().count(), 1);
    }

    #[test]
    fn tables_are_aligned_by_what_is_shown() {
        let mut page = Page::new(None);
        let cell = |text: &str| (Paint::Plain, text.to_owned());
        page.table(&["A", "B"], &[vec![cell("x\u{7}"), cell("y")], vec![cell("long one"), cell("z")]]);
        let text = anstream::adapter::strip_str(&page.into_text()).to_string();
        assert_eq!(text, "A         B\nx\\u{7}    y\nlong one  z\n");
    }
}
