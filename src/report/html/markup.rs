//! HTML under way. What is not a literal of this program can only be added as text, and text is escaped: no name can become markup.

use std::fmt::Display;

use crate::report::escape::escape;

/// A piece of a page.
#[derive(Default)]
pub struct Markup {
    html: String,
}

impl Markup {
    /// Adds markup of ours.
    pub fn raw(&mut self, html: &'static str) -> &mut Self {
        self.html.push_str(html);
        self
    }

    /// Adds text, in an element or between the double quotes of an attribute that is neither an address nor a style.
    ///
    /// First everything that acts on a reader's eye or terminal, then what HTML takes for its own (WHATWG HTML section 13.2.5).
    pub fn text(&mut self, text: &str) -> &mut Self {
        for c in escape(text).chars() {
            match c {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '"' => self.html.push_str("&quot;"),
                '\'' => self.html.push_str("&#39;"),
                '`' => self.html.push_str("&#96;"),
                c => self.html.push(c),
            }
        }
        self
    }

    /// Adds a name or a path that may be broken where its parts meet, so that a narrow column breaks it nowhere else.
    pub fn parts(&mut self, text: &str) -> &mut Self {
        let mut rest = text;
        while let Some(at) =
            rest.char_indices().skip(1).find(|(_, c)| matches!(c, '.' | '/' | ':' | '@')).map(|(at, _)| at)
        {
            let (part, after) = rest.split_at(at);
            self.text(part).raw("<wbr>");
            rest = after;
        }
        self.text(rest)
    }

    /// Adds what writes itself without any of these characters or is escaped like every text: numbers, dates.
    pub fn value(&mut self, value: impl Display) -> &mut Self {
        self.text(&value.to_string())
    }

    /// Adds a share of the width, from 0 to 100.
    pub fn share(&mut self, share: f64) -> &mut Self {
        self.text(&format!("{:.2}%", share.clamp(0.0, 100.0)))
    }

    /// Adds text in which what stands between backquotes is a command.
    pub fn prose(&mut self, text: &str) -> &mut Self {
        let mut parts = text.split('`');
        self.text(parts.next().unwrap_or_default());
        for (index, part) in parts.enumerate() {
            if index % 2 == 0 {
                self.raw("<code>").text(part).raw("</code>");
            } else {
                self.text(part);
            }
        }
        self
    }

    /// Adds a piece.
    pub fn add(&mut self, piece: &Self) -> &mut Self {
        self.html.push_str(&piece.html);
        self
    }

    /// The HTML.
    pub fn into_html(self) -> String {
        self.html
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::escape::acts;
    use crate::report::specimen::HOSTILE;

    #[test]
    fn text_stays_text() {
        for text in HOSTILE {
            let mut markup = Markup::default();
            markup.text(text).prose(text).parts(text);
            let html = markup.into_html().replace("<code>", "").replace("</code>", "").replace("<wbr>", "");
            assert!(!html.contains(['<', '>', '"', '\'', '`']), "{html}");
            assert!(!html.chars().any(acts), "{html}");
            for entity in html.split('&').skip(1) {
                let name = entity.split(';').next().unwrap();
                assert!(["amp", "lt", "gt", "quot", "#39", "#96"].contains(&name), "{html}");
            }
        }
    }

    #[test]
    fn names_break_where_parts_meet() {
        let mut markup = Markup::default();
        markup.parts("/etc/a.b:443").raw(" ").parts("a.").raw(" ").parts("x");
        assert_eq!(markup.into_html(), "/etc<wbr>/a<wbr>.b<wbr>:443 a<wbr>. x");
    }

    #[test]
    fn commands_stand_out() {
        let mut markup = Markup::default();
        markup.prose("run `a <b>` now, or `c");
        assert_eq!(markup.into_html(), "run <code>a &lt;b&gt;</code> now, or <code>c</code>");
    }
}
