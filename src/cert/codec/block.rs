//! Finding PEM blocks in text as it is found, and decoding one.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use memchr::{memchr, memchr_iter, memmem, memrchr};
use zeroize::Zeroizing;

use super::error::{BlockError, Stop};

/// One block as it was found.
pub(super) struct Block<'a> {
    /// What stands after BEGIN.
    pub(super) label: &'a str,
    /// The line of its BEGIN, counted from 1.
    pub(super) line: usize,
    /// Header lines (RFC 1421 section 4.6).
    headers: &'a [u8],
    /// Everything between them and the END line; `None` where no END line with this label follows.
    base64: Option<&'a [u8]>,
    /// What stands before its BEGIN on that line, if anything does.
    before: Option<Stop>,
    /// What follows its END.
    after: &'a [u8],
}

impl Block<'_> {
    /// Whether it has an END.
    pub(super) fn is_whole(&self) -> bool {
        self.base64.is_some()
    }

    /// What its `DEK-Info` header says, if its headers say that it is a key in the traditional encrypted format of OpenSSL.
    pub(super) fn encrypted_with(&self) -> Option<String> {
        let value = |name: &[u8]| {
            let found = lines(self.headers).find_map(|line| line.trim_ascii().strip_prefix(name));
            found.map(|value| String::from_utf8_lossy(value.trim_ascii()).into_owned())
        };
        value(b"Proc-Type:").filter(|kind| kind.ends_with("ENCRYPTED"))?;
        Some(value(b"DEK-Info:").unwrap_or_default())
    }

    /// At what OpenSSL stops in it. Asked of what could be decoded.
    pub(super) fn stop(&self) -> Option<Stop> {
        let base64 = self.base64?;
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r');
        let ends_line = self.after.iter().find(|byte| !blank(byte)).is_none_or(|byte| *byte == b'\n');
        if ends_line && self.before.is_none() && self.headers.is_empty() && is_plain(base64) {
            return None;
        }
        let mut rows = base64.split(|byte| *byte == b'\n');
        // What is left of the line of BEGIN, which its headers take with them.
        let begin = if self.headers.is_empty() { rows.next()? } else { row(self.headers) };
        let rest = begin.trim_ascii();
        let last = base64.rsplit(|byte| *byte == b'\n').next()?;
        match () {
            () if begin.starts_with(b"\r") && !rest.is_empty() => Some(Stop::LineEnds),
            () if self.before.is_some() => self.before,
            () if !rest.is_empty() => Some(Stop::AfterBegin),
            () if !last.is_empty() || !ends_line => Some(Stop::End),
            () if !self.headers.is_empty() => self.stop_at_headers(base64),
            () => stop_at_blank_line(rows),
        }
    }

    fn stop_at_headers(&self, base64: &[u8]) -> Option<Stop> {
        // Nothing but a key is encrypted, and nothing else is decrypted.
        if self.encrypted_with().is_none() || !self.label.ends_with("PRIVATE KEY") {
            return Some(Stop::Headers);
        }
        let mut rows = base64.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).skip_while(|row| row.is_empty());
        rows.find(|row| row.is_empty())?;
        // The piece behind the last line end is none.
        rows.next().map(|_| Stop::BlankLine)
    }

    /// Its bytes.
    pub(super) fn decode(&self) -> Result<Vec<u8>, BlockError> {
        let mut text = Vec::new();
        self.join(&mut text)?;
        // Nothing but the characters is left, so this is what the decoder below comes to, which goes by each of them four times; what
        // it refuses is left to that one, which says why.
        if let Ok(bytes) = BASE64_STANDARD.decode(&text) {
            return Ok(bytes);
        }
        let whole = [b"-----BEGIN X-----\n", text.as_slice(), b"\n-----END X-----"].concat();
        let decoded = pem::parse(whole).map_err(|error| self.not_base64(error.to_string()))?;
        Ok(decoded.into_contents())
    }

    /// As [`Block::decode`], by a decoder that leaves no copies behind.
    pub(super) fn decode_secret(&self) -> Result<Zeroizing<Vec<u8>>, BlockError> {
        let mut joined = Zeroizing::new(Vec::new());
        self.join(&mut joined)?;
        let mut text = Zeroizing::new(Vec::with_capacity(joined.len() + joined.len() / 64 + 64));
        text.extend_from_slice(b"-----BEGIN X-----\n");
        for line in joined.chunks(64) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text.extend_from_slice(b"-----END X-----\n");
        let mut bytes = Zeroizing::new(Vec::with_capacity(joined.len()));
        pkcs8::der::pem::Decoder::new(&text)
            .and_then(|mut decoder| decoder.decode_to_end(&mut bytes).map(drop))
            .map_err(|error| self.not_base64(error.to_string()))?;
        Ok(bytes)
    }

    /// Writes its base64 without white space to `text`, which is empty.
    fn join(&self, text: &mut Vec<u8>) -> Result<(), BlockError> {
        let base64 = self.base64.ok_or(BlockError::Unterminated)?;
        // Reserved at once: growing would leave a copy of a key behind.
        text.reserve_exact(base64.len());
        // By pieces as long as the first full line and its end, as all are as a rule: no other line end has to be looked for.
        let inside = base64.trim_ascii();
        let length = memchr(b'\n', inside).map_or(inside.len(), |end| end + 1).max(1);
        for piece in inside.chunks(length) {
            let line = piece.trim_ascii_end();
            // White space, control characters and what is not ASCII, without a branch for each byte.
            if line.iter().fold(false, |odd, byte| odd | (byte.wrapping_sub(b'!') > b'~' - b'!')) {
                for byte in line.iter().filter(|byte| !byte.is_ascii_whitespace()) {
                    if !byte.is_ascii_graphic() {
                        return Err(self.not_base64(String::new()));
                    }
                    text.push(*byte);
                }
            } else {
                text.extend_from_slice(line);
            }
        }
        Ok(())
    }

    /// The first byte that does not belong, or else what the decoder says.
    fn not_base64(&self, why: String) -> BlockError {
        let is_good =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') || byte.is_ascii_whitespace();
        let bad = self.base64.unwrap_or_default().iter().find(|byte| !is_good(**byte));
        BlockError::NotBase64(bad.map_or(why, |byte| format!("it has the byte {:?}", char::from(*byte))))
    }
}

/// Up to the next line end.
fn row(text: &[u8]) -> &[u8] {
    memchr(b'\n', text).map_or(text, |end| &text[..end])
}

/// Whether every line of what stands between BEGIN and END begins with something, as nearly all do: there is nothing to stop at, and no line
/// has to be looked into.
fn is_plain(base64: &[u8]) -> bool {
    let followed = |end: usize| base64.get(end + 1).is_none_or(|next| *next > b' ');
    base64.starts_with(b"\n") && base64.ends_with(b"\n") && memchr_iter(b'\n', base64).all(followed)
}

/// Whether OpenSSL stops at a blank line among these, the last of which is what stands before END. It takes what stands before one for
/// header lines; where nothing does, all lines that follow must have 64 characters and the last of them may have fewer.
fn stop_at_blank_line<'a>(rows: impl Iterator<Item = &'a [u8]>) -> Option<Stop> {
    let mut rows = rows.map(<[u8]>::trim_ascii_end).peekable();
    let headless = rows.next_if(|row| row.is_empty()).is_some();
    let mut short = false;
    while let Some(row) = rows.next() {
        if rows.peek().is_none() {
            break;
        }
        if row.is_empty() || (headless && (short || row.len() > 64)) {
            return Some(Stop::BlankLine);
        }
        short = row.len() < 64;
    }
    None
}

/// Header lines and what follows them. They are told by their colon, which base64 has not; the blank line after them is often
/// missing.
fn split_headers(body: &[u8]) -> (&[u8], &[u8]) {
    if memchr(b':', body).is_none() {
        return (&[], body);
    }
    let mut end = 0;
    let mut seen = false;
    for line in lines(body) {
        if line.contains(&b':') {
            seen = true;
        } else if !line.trim_ascii().is_empty() {
            break;
        }
        end += line.len() + 1;
    }
    if seen { body.split_at(end.min(body.len())) } else { (&[], body) }
}

/// Lines ended by LF, or by CR where there is no LF at all. With CR LF the CR is left as white space at their end.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = if memchr(b'\n', text).is_some() { b'\n' } else { b'\r' };
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = memchr(end, text) else {
            rest = None;
            return Some(text);
        };
        let (line, after) = text.split_at(at);
        rest = after.get(1..);
        Some(line)
    })
}

/// Finds blocks, one after the other and in a single pass.
pub(super) struct Blocks<'a> {
    input: &'a [u8],
    at: usize,
    /// Lines counted up to here, for a single pass over the input.
    counted: (usize, usize),
}

/// Made once: for a small file that costs as much as the search.
static MARK: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(BEGIN));

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

impl<'a> Blocks<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0, counted: (0, 1) }
    }

    fn line_of(&mut self, position: usize) -> usize {
        let (from, line) = self.counted;
        let passed = &self.input[from..position];
        let feeds = memchr_iter(b'\n', passed).count();
        // CR alone ends a line where there is no LF at all.
        let more = if feeds == 0 { memchr_iter(b'\r', passed).count() } else { feeds };
        self.counted = (position, line + more);
        self.counted.1
    }

    /// What stands between the BEGIN line with this label, which ends at `start`, and its END; and where that ends. Nothing beyond
    /// the next BEGIN or the first END with another label.
    fn body(&self, start: usize, label: &str) -> Option<(&'a [u8], usize)> {
        let mut at = start;
        loop {
            at += dashes(self.input.get(at..)?)?;
            // Of a longer run the last five count.
            let run = self.input.get(at..)?.iter().take_while(|byte| **byte == b'-').count();
            at += run - DASHES.len();
            let rest = self.input.get(at..)?;
            if let Some(closing) = rest.strip_prefix(END) {
                let closed = closing.strip_prefix(label.as_bytes())?.starts_with(DASHES);
                let end = at + END.len() + label.len() + DASHES.len();
                return closed.then(|| Some((self.input.get(start..at)?, end)))?;
            }
            if rest.starts_with(BEGIN) {
                return None;
            }
            at += DASHES.len();
        }
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        loop {
            // What stands before it was looked through when the last block was found.
            let since = self.at;
            let begin = since + MARK.find(&self.input[since..])?;
            let after = begin + BEGIN.len();
            self.at = after;
            // A label ends on its line; a BEGIN in the middle of a sentence begins nothing.
            let Some(label) = label(&self.input[after..]).filter(|_| starts_a_line(&self.input[..begin])) else {
                continue;
            };
            let line = self.line_of(begin);
            let start = after + label.len() + DASHES.len();
            let body = self.body(start, label);
            self.at = body.map_or(start, |(_, end)| end);
            let before = match memrchr(b'\n', &self.input[since..begin]) {
                None if since > 0 => Some(Stop::Begin),
                end => match &self.input[end.map_or(0, |end| since + end + 1)..begin] {
                    [] => None,
                    row if row.trim_ascii().is_empty() => Some(Stop::Indented),
                    _ => Some(Stop::Begin),
                },
            };
            let after = body.and_then(|(_, end)| self.input.get(end..)).unwrap_or_default();
            let (headers, base64) = body.map_or((&[][..], None), |(body, _)| {
                let (headers, base64) = split_headers(body);
                (headers, Some(base64))
            });
            return Some(Block { label, line, headers, base64, before, after });
        }
    }
}

/// Where five dashes begin. Base64 has none, so the first is nearly always of them; a searcher made for the purpose costs more to make.
fn dashes(text: &[u8]) -> Option<usize> {
    memchr_iter(b'-', text).find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(DASHES)))
}

/// Whether nothing but white space stands before on the line, or the end of another block.
fn starts_a_line(before: &[u8]) -> bool {
    let blanks = before.iter().rev().take_while(|byte| **byte == b' ' || **byte == b'\t').count();
    let before = &before[..before.len() - blanks];
    matches!(before.last(), None | Some(b'\n' | b'\r')) || before.ends_with(DASHES)
}

fn label(after: &[u8]) -> Option<&str> {
    let length = dashes(&after[..after.len().min(80)])?;
    let label = std::str::from_utf8(&after[..length]).ok()?;
    let printable = label.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    (printable && !label.is_empty()).then_some(label)
}
