//! Splits nginx's configuration language into tokens, by the rules of nginx's own reader (`ngx_conf_read_token`).

use std::iter::Peekable;
use std::str::Chars;

/// A piece of a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A word, unquoted and with its escapes resolved.
    Word(String),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// Why a text has no tokens, and in which line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) what: String,
}

/// Reads token after token.
pub(super) struct Lexer<'t> {
    rest: Peekable<Chars<'t>>,
    line: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { rest: text.chars().peekable(), line: 1 }
    }

    /// The line reading has come to, from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The next token; none at the end of the text.
    pub(super) fn token(&mut self) -> Result<Option<Token>, Fault> {
        loop {
            match self.rest.peek() {
                None => return Ok(None),
                Some(c) if is_space(*c) => {
                    self.take();
                }
                Some('#') => while self.take().is_some_and(|c| c != '\n') {},
                Some(_) => break,
            }
        }
        match self.take() {
            None => Ok(None),
            Some(';') => Ok(Some(Token::End)),
            Some('{') => Ok(Some(Token::Open)),
            Some('}') => Ok(Some(Token::Close)),
            Some(quote @ ('"' | '\'')) => self.quoted(quote).map(Some),
            Some(first) => self.bare(first).map(Some),
        }
    }

    /// Passes over a block of Lua code, whose opening brace has been read: nginx's rules do not hold in it.
    pub(super) fn skip_lua(&mut self) -> Result<(), Fault> {
        let mut depth = 1_u32;
        while depth > 0 {
            match self.take() {
                None => return Err(self.fault("the Lua block does not end")),
                Some('{') => depth += 1,
                Some('}') => depth -= 1,
                Some(quote @ ('"' | '\'')) => self.skip_lua_string(quote)?,
                Some('[') => {
                    if let Some(level) = self.long_bracket() {
                        self.skip_long_bracket(level)?;
                    }
                }
                Some('-') if self.rest.peek() == Some(&'-') => {
                    self.take();
                    match (self.rest.next_if_eq(&'['), self.rest.peek()) {
                        (Some(_), Some('[' | '=')) => match self.long_bracket() {
                            Some(level) => self.skip_long_bracket(level)?,
                            None => self.skip_line(),
                        },
                        (Some(_) | None, _) => self.skip_line(),
                    }
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn quoted(&mut self, quote: char) -> Result<Token, Fault> {
        let line = self.line;
        let mut raw = String::new();
        loop {
            match self.take() {
                None => return Err(Fault { line, what: "the quotes opened here are not closed".to_owned() }),
                Some(c) if c == quote => break,
                Some('\\') => self.escaped(&mut raw),
                Some(c) => raw.push(c),
            }
        }
        match self.rest.peek().copied() {
            None | Some(';' | '{' | ')') => Ok(Token::Word(resolve(&raw))),
            Some(c) if is_space(c) => Ok(Token::Word(resolve(&raw))),
            Some(c) => Err(self.fault(format!("unexpected {c:?} right after closing quotes"))),
        }
    }

    fn bare(&mut self, first: char) -> Result<Token, Fault> {
        let mut raw = String::new();
        let mut current = first;
        loop {
            match current {
                '\\' => self.escaped(&mut raw),
                c => raw.push(c),
            }
            match self.rest.peek() {
                None => return Err(self.fault(format!("the file ends within {raw:?}"))),
                // `${name}`: this brace opens no block.
                Some('{') if current == '$' => {}
                Some(';' | '{') => break,
                Some(c) if is_space(*c) => break,
                Some(_) => {}
            }
            match self.take() {
                Some(next) => current = next,
                None => break,
            }
        }
        Ok(Token::Word(resolve(&raw)))
    }

    /// Keeps a backslash and whatever follows it together.
    fn escaped(&mut self, raw: &mut String) {
        raw.push('\\');
        raw.extend(self.take());
    }

    fn skip_lua_string(&mut self, quote: char) -> Result<(), Fault> {
        loop {
            match self.take() {
                None => return Err(self.fault("a string in the Lua block does not end")),
                Some('\\') => {
                    self.take();
                }
                Some(c) if c == quote => return Ok(()),
                Some(_) => {}
            }
        }
    }

    /// The level of a long bracket (`[[` is 0, `[==[` is 2) whose first `[` has been read; none when it is no long bracket.
    fn long_bracket(&mut self) -> Option<usize> {
        let mut level = 0;
        while self.rest.next_if_eq(&'=').is_some() {
            level += 1;
        }
        self.rest.next_if_eq(&'[').map(|_| level)
    }

    fn skip_long_bracket(&mut self, level: usize) -> Result<(), Fault> {
        // The number of `=` since the last `]`, while nothing else came between.
        let mut since = None;
        loop {
            since = match (self.take(), since) {
                (None, _) => return Err(self.fault("a long bracket in the Lua block does not end")),
                (Some(']'), Some(count)) if count == level => return Ok(()),
                (Some(']'), _) => Some(0),
                (Some('='), Some(count)) => Some(count + 1),
                (Some(_), _) => None,
            };
        }
    }

    fn skip_line(&mut self) {
        while self.rest.peek().is_some_and(|c| *c != '\n') {
            self.take();
        }
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest.next();
        if c == Some('\n') {
            self.line += 1;
        }
        c
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault { line: self.line, what: what.into() }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// nginx resolves these six escapes and leaves every other backslash as it is, for regular expressions.
fn resolve(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some(c @ ('"' | '\'' | '\\')) => out.push(c),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('n') => out.push('\n'),
            other => {
                out.push('\\');
                out.extend(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tokens in a row, words in brackets.
    fn tokens(text: &str) -> Result<String, Fault> {
        let mut lexer = Lexer::new(text);
        let mut out = String::new();
        while let Some(token) = lexer.token()? {
            match token {
                Token::Word(word) => out.push_str(&format!("<{word}>")),
                Token::End => out.push(';'),
                Token::Open => out.push('{'),
                Token::Close => out.push('}'),
            }
        }
        Ok(out)
    }

    #[test]
    fn tokens_are_nginxs() {
        for (text, wanted) in [
            ("", ""),
            ("  \t\r\n# only a comment", ""),
            ("a b;c{d;}", "<a><b>;<c>{<d>;}"),
            ("a \"b c\" 'd;e{';", "<a><b c><d;e{>;"),
            (r#"a "q\"q" 'q\'q' b\ c \;x;"#, r#"<a><q"q><q'q><b\ c><\;x>;"#),
            (r"location ~ \.php$ {", r"<location><~><\.php$>{"),
            (r#"log "a\tb\nc\d\\";"#, "<log><a\tb\nc\\d\\>;"),
            ("ssl_certificate /x/${ssl_server_name}.pem;", "<ssl_certificate></x/${ssl_server_name}.pem>;"),
            ("a $b{c;}", "<a><$b>{<c>;}"),
            ("a b#c; # d;\ne;", "<a><b#c>;<e>;"),
            ("a{b;}c;", "<a>{<b>;}<c>;"),
            ("a b}c;", "<a><b}c>;"),
            ("a it's;", "<a><it's>;"),
            ("if ($a ~ \"x\") {", "<if><($a><~><x><)>{"),
            ("a \"x{y}\"{b;}", "<a><x{y}>{<b>;}"),
            ("\u{feff}a;", "<a>;"),
            ("a \"\";", "<a><>;"),
            ("a 'x\ny';", "<a><x\ny>;"),
        ] {
            assert_eq!(tokens(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_nginx_refuses_is_refused_in_its_line() {
        for (text, line) in [("a;\nb \"c", 2), ("a \"b\"c;", 1), ("a;\n\nb", 3), ("a 'x\n\n", 1), ("a b\\", 1)] {
            assert_eq!(tokens(text).map_err(|fault| fault.line), Err(line), "{text}");
        }
    }

    #[test]
    fn lua_has_rules_of_its_own() {
        for lua in [
            "ngx.say(\"}\") }",
            "local t = { a = '}', b = {} } }",
            "-- it's } a comment\n }",
            "--[[ } ' \n ]] x = 1 }",
            "--[==[ } ]] ]=] ]==] }",
            "--[= no long bracket }\n }",
            "--[",
            "x = [[ } ]] y = a[1] }",
            "x = [=[ } ]] ]=] }",
            "x = '\\'}' }",
        ] {
            let mut lexer = Lexer::new(lua);
            let ended = lexer.skip_lua();
            assert_eq!(ended.is_ok(), lua.ends_with('}'), "{lua}");
            assert_eq!(lexer.token(), Ok(None), "{lua}: nothing is left");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[ \t\r\n#;{}$'\"\\\\a=\\[\\]-]{0,60}") {
            let _ = tokens(&text);
            let _ = Lexer::new(&text).skip_lua();
        }

        #[test]
        fn a_quoted_word_comes_back(word in "[^\u{0}]{0,20}") {
            let quoted = word.replace('\\', "\\\\").replace('"', "\\\"");
            let mut lexer = Lexer::new("");
            prop_assert_eq!(lexer.token(), Ok(None));
            let text = format!("\"{quoted}\";");
            prop_assert_eq!(Lexer::new(&text).token(), Ok(Some(Token::Word(word))));
        }
    }
}
