//! Lines to a mail server, and its answers, within bounds.

use std::io::{self, Read, Write};

/// Bytes of a line of an answer: more than any server sends (RFC 5321 section 4.5.3.1.5 has 512).
const MOST_LINE: usize = 2048;
/// Lines of an answer.
const MOST_LINES: usize = 100;

/// What was said is not taken.
#[derive(Debug)]
pub(super) enum Bad {
    /// The conversation broke off, or time was up.
    Io(io::Error),
    /// It is no answer.
    Words(String),
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reply {
    /// Its code.
    pub(super) code: u16,
    /// Its lines, without the code.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// For people. It is the server's own, so whoever prints it takes secrets out of it, escapes and cuts it.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" ")).trim_end().to_owned()
    }
}

/// A conversation.
pub(super) struct Dialog<W> {
    wire: W,
    held: Vec<u8>,
}

impl<W: Read + Write> Dialog<W> {
    pub(super) fn new(wire: W) -> Self {
        Self { wire, held: Vec::new() }
    }

    /// What it goes over, and how many bytes were read and not asked for.
    pub(super) fn into_wire(self) -> (W, usize) {
        (self.wire, self.held.len())
    }

    pub(super) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write_all(bytes)?;
        self.wire.flush()
    }

    /// One answer, all of its lines.
    pub(super) fn hear(&mut self) -> Result<Reply, Bad> {
        let mut reply: Option<Reply> = None;
        for _ in 0..MOST_LINES {
            let line = self.line()?;
            let text = String::from_utf8_lossy(&line).into_owned();
            let no_answer = || Bad::Words(format!("it does not speak SMTP: {:?}", head(&text)));
            let code = text.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
            let code: u16 = code.and_then(|code| code.parse().ok()).ok_or_else(no_answer)?;
            let (last, words) = match text.as_bytes().get(3) {
                None => (true, String::new()),
                Some(b' ') => (true, text[4..].to_owned()),
                Some(b'-') => (false, text[4..].to_owned()),
                Some(_) => return Err(no_answer()),
            };
            let reply = reply.get_or_insert_with(|| Reply { code, lines: Vec::new() });
            if reply.code != code {
                return Err(Bad::Words("the lines of its answer have different codes".to_owned()));
            }
            reply.lines.push(words);
            if last {
                return Ok(reply.clone());
            }
        }
        Err(Bad::Words(format!("its answer has more than {MOST_LINES} lines")))
    }

    fn line(&mut self) -> Result<Vec<u8>, Bad> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.held.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.held.len() > MOST_LINE {
                return Err(Bad::Words(format!("a line of its answer has more than {MOST_LINE} bytes")));
            }
            let mut piece = [0; 4096];
            let count = match self.wire.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Bad::Io(error)),
                Ok(count) => count,
            };
            if count == 0 {
                return Err(Bad::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up")));
            }
            self.held.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
    }
}

fn head(text: &str) -> &str {
    text.char_indices().nth(80).map_or(text, |(end, _)| &text[..end])
}
