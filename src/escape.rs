//! Text from outside, made harmless for a terminal and a log.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with every character that could act instead of being shown as `\u{..}`.
///
/// Names in certificates, answers of servers, output of commands and file names are chosen by others. Shown as they are they could
/// colour, move or erase what else is shown, set the clipboard, turn the reading order around, hide in a name that looks like
/// another, or forge a second line.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    // Nearly all there is; going by characters costs more than all else that is done to a row.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            // Writing to a string cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Whether a character does something else than show itself.
#[must_use]
pub fn acts(c: char) -> bool {
    c.is_control() || is_bidi(c) || is_invisible(c)
}

/// Unicode `Bidi_Control` (UAX 9).
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters without a shape: zero-width, fillers, line separators, format and tag characters.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_is_shown() {
        for (text, shown) in [
            ("\u{1b}]52;c;Y3VybA==\u{7}", r"\u{1b}]52;c;Y3VybA==\u{7}"),
            ("\u{1b}[2J", r"\u{1b}[2J"),
            ("\u{9b}2J", r"\u{9b}2J"),
            ("evil\u{202e}moc.elpmaxe", r"evil\u{202e}moc.elpmaxe"),
            ("\u{2066}a\u{2069}", r"\u{2066}a\u{2069}"),
            ("pay\u{200b}pal", r"pay\u{200b}pal"),
            ("a\u{feff}b", r"a\u{feff}b"),
            ("one\nweb: committed", r"one\u{a}web: committed"),
            ("a\r\tb", r"a\u{d}\u{9}b"),
            ("a\u{2028}b", r"a\u{2028}b"),
            ("\u{7f}", r"\u{7f}"),
            ("\u{e0041}", r"\u{e0041}"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn ordinary_text_is_not_touched() {
        for text in ["www.example.org", "Zürich GmbH & Co.", "日本語", "CN=R11, O=Let's Encrypt", "a\\b", "é👍"]
        {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(text in "\\PC*|(.|\n){0,40}") {
            let safe = escape(&text);
            prop_assert!(!safe.chars().any(acts));
            prop_assert_eq!(escape(&safe).into_owned(), safe.into_owned());
        }
    }
}
