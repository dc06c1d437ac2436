//! Tokens as nested directives.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lexer::{Fault, Lexer, Token};

/// Blocks within blocks: nginx's own contexts are five deep, `location` may go on, and nobody writes this many.
const MAX_DEPTH: usize = 100;

/// A directive: its words, and its block if it has one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) block: Option<Vec<Directive>>,
    /// The file it stands in.
    pub(super) file: Arc<PathBuf>,
    /// The line of its name.
    pub(super) line: usize,
}

impl Directive {
    /// Its first argument, or nothing.
    pub(super) fn first(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    /// Whether it says `on`; nginx does not care about case here.
    pub(super) fn is_on(&self) -> bool {
        self.first().eq_ignore_ascii_case("on")
    }
}

/// Reads the text of one file; `include` stays a directive.
pub(super) fn parse(text: &str, file: &Path) -> Result<Vec<Directive>, Fault> {
    let file = Arc::new(file.to_owned());
    let mut lexer = Lexer::new(text);
    let mut open: Vec<Directive> = Vec::new();
    let mut done: Vec<Vec<Directive>> = vec![Vec::new()];
    let mut words: Vec<String> = Vec::new();
    let mut line = 1;
    while let Some(token) = lexer.token()? {
        let here = lexer.line();
        let unexpected = |what: &str| Fault { line: here, what: format!("unexpected {what}") };
        match token {
            Token::Word(word) => {
                if words.is_empty() {
                    line = here;
                }
                words.push(word);
            }
            Token::End => {
                let directive = directive(&mut words, &file, line).ok_or_else(|| unexpected("\";\""))?;
                done.last_mut().ok_or_else(|| unexpected("\";\""))?.push(directive);
            }
            Token::Open => {
                let mut directive = directive(&mut words, &file, line).ok_or_else(|| unexpected("\"{\""))?;
                if directive.name.ends_with("_by_lua_block") {
                    lexer.skip_lua()?;
                    directive.block = Some(Vec::new());
                    done.last_mut().ok_or_else(|| unexpected("\"{\""))?.push(directive);
                } else if open.len() == MAX_DEPTH {
                    return Err(Fault { line, what: format!("more than {MAX_DEPTH} blocks within each other") });
                } else {
                    open.push(directive);
                    done.push(Vec::new());
                }
            }
            Token::Close => {
                if !words.is_empty() {
                    return Err(unexpected("\"}\": the directive before it has no \";\""));
                }
                let (Some(mut directive), Some(block)) = (open.pop(), done.pop()) else {
                    return Err(unexpected("\"}\""));
                };
                directive.block = Some(block);
                done.last_mut().ok_or_else(|| unexpected("\"}\""))?.push(directive);
            }
        }
    }
    if let Some(directive) = open.last() {
        return Err(Fault { line: directive.line, what: format!("the block {:?} is not closed", directive.name) });
    }
    if !words.is_empty() {
        return Err(Fault { line, what: "the last directive has no \";\"".to_owned() });
    }
    Ok(done.pop().unwrap_or_default())
}

fn directive(words: &mut Vec<String>, file: &Arc<PathBuf>, line: usize) -> Option<Directive> {
    let mut args = std::mem::take(words);
    if args.is_empty() {
        return None;
    }
    let name = args.remove(0);
    Some(Directive { name, args, block: None, file: Arc::clone(file), line })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(directives: &[Directive]) -> String {
        directives
            .iter()
            .map(|it| {
                let words = std::iter::once(&it.name).chain(&it.args).cloned().collect::<Vec<_>>().join(" ");
                let end = it.block.as_ref().map_or(";".to_owned(), |block| format!(" {{ {}}}", show(block)));
                format!("{}:{words}{end} ", it.line)
            })
            .collect()
    }

    #[test]
    fn blocks_nest() {
        let text = "a 1;\nhttp {\n server { listen 443\n ssl; }\n}\ncontent_by_lua_block { ngx.say('}') }\nb;";
        assert_eq!(
            show(&parse(text, Path::new("/x")).unwrap()),
            "1:a 1; 2:http { 3:server { 3:listen 443 ssl; } } 6:content_by_lua_block { } 7:b; "
        );
    }

    #[test]
    fn what_does_not_nest_is_refused() {
        let deep = "a{".repeat(MAX_DEPTH + 1);
        for (text, line) in [
            (";", 1),
            ("{", 1),
            ("a;\n}", 2),
            ("a {\n b; ", 1),
            ("a {\n b }", 2),
            ("a;\n\nb", 3),
            ("a{b \n", 1),
            (&deep, 1),
        ] {
            let fault = parse(text, Path::new("/x")).unwrap_err();
            assert_eq!(fault.line, line, "{text}: {fault:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[ab;{}\n'\"#$ ]{0,200}") {
            let _ = parse(&text, Path::new("/x"));
        }
    }
}
