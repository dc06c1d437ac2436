//! Finding PEM blocks in text as it is found, and decoding one.

use zeroize::Zeroizing;

use super::pem::BlockError;

/// One block as it was found.
pub(super) struct Block<'a> {
    /// What stands after BEGIN.
    pub(super) label: &'a str,
    /// The line of its BEGIN, counted from 1.
    pub(super) line: usize,
    /// Everything between the BEGIN and the END line; `None` where no END line with this label follows.
    pub(super) body: Option<&'a [u8]>,
}

impl Block<'_> {
    /// Whether its headers say that it is a key in the traditional encrypted format of OpenSSL.
    pub(super) fn is_encrypted(&self) -> bool {
        let (headers, _) = split_headers(self.body.unwrap_or_default());
        let proc_type = |line: &&[u8]| line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED");
        lines(headers).any(|line| proc_type(&line.trim_ascii()))
    }

    /// Whether a blank line stands inside the base64.
    pub(super) fn has_blank_line(&self) -> bool {
        let (_, base64) = split_headers(self.body.unwrap_or_default());
        lines(base64.trim_ascii()).any(|line| line.trim_ascii().is_empty())
    }

    /// The block as every decoder takes it: no headers, no blank lines, 64 characters a line. Wiped, as it may be a key.
    fn normal_form(&self) -> Result<Zeroizing<Vec<u8>>, BlockError> {
        let (_, base64) = split_headers(self.body.ok_or(BlockError::Unterminated)?);
        // Reserved at once: growing would leave a copy behind.
        let length = base64.len() + base64.len() / 64 + 2 * self.label.len() + 64;
        let mut text = Zeroizing::new(Vec::with_capacity(length));
        for part in [BEGIN, self.label.as_bytes(), DASHES] {
            text.extend_from_slice(part);
        }
        let mut room = 0;
        for mut piece in base64.split(u8::is_ascii_whitespace) {
            if let Some(byte) = piece.iter().find(|byte| !is_base64(**byte)) {
                return Err(BlockError::NotBase64(format!("it has the byte {:?}", char::from(*byte))));
            }
            while !piece.is_empty() {
                if room == 0 {
                    text.push(b'\n');
                    room = 64;
                }
                let (fits, rest) = piece.split_at(piece.len().min(room));
                text.extend_from_slice(fits);
                room -= fits.len();
                piece = rest;
            }
        }
        for part in [b"\n", END, self.label.as_bytes(), DASHES, b"\n"] {
            text.extend_from_slice(part);
        }
        Ok(text)
    }

    /// Its bytes.
    pub(super) fn decode(&self) -> Result<Vec<u8>, BlockError> {
        let text = self.normal_form()?;
        pem::parse(&*text).map(pem::Pem::into_contents).map_err(|error| BlockError::NotBase64(error.to_string()))
    }

    /// As [`Block::decode`], by a decoder that leaves no copies behind.
    pub(super) fn decode_secret(&self) -> Result<Zeroizing<Vec<u8>>, BlockError> {
        let text = self.normal_form()?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        pkcs8::der::pem::Decoder::new(&text)
            .and_then(|mut decoder| decoder.decode_to_end(&mut bytes).map(drop))
            .map_err(|error| BlockError::NotBase64(error.to_string()))?;
        Ok(bytes)
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/' || byte == b'='
}

/// Header lines (RFC 1421 section 4.6) and what follows them. They are told by their colon, which base64 has not; the blank
/// line after them is often missing.
fn split_headers(body: &[u8]) -> (&[u8], &[u8]) {
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
    let end = if text.contains(&b'\n') { b'\n' } else { b'\r' };
    text.split(move |byte| *byte == end)
}

/// Finds blocks, one after the other and in a single pass.
pub(super) struct Blocks<'a> {
    input: &'a [u8],
    at: usize,
    /// Lines counted up to here, for a single pass over the input.
    counted: (usize, usize),
}

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
        let feeds = passed.iter().filter(|byte| **byte == b'\n').count();
        // CR alone ends a line where there is no LF at all.
        let returns = passed.iter().filter(|byte| **byte == b'\r').count();
        self.counted = (position, line + if feeds == 0 { returns } else { feeds });
        self.counted.1
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        loop {
            let begin = self.at + find(&self.input[self.at..], BEGIN)?;
            let after = begin + BEGIN.len();
            self.at = after;
            // A label ends on its line; a BEGIN in the middle of a sentence begins nothing.
            let Some(label) = label(&self.input[after..]).filter(|_| starts_a_line(&self.input[..begin])) else {
                continue;
            };
            let line = self.line_of(begin);
            let start = after + label.len() + DASHES.len();
            // Not beyond the next BEGIN, which also keeps the search linear however many blocks lack their end.
            let rest = &self.input[start..];
            let rest = &rest[..find(rest, BEGIN).unwrap_or(rest.len())];
            let body = find(rest, END).and_then(|end| {
                let closing = rest[end + END.len()..].strip_prefix(label.as_bytes())?;
                closing.starts_with(DASHES).then(|| &rest[..end])
            });
            self.at = start + body.map_or(0, |body| body.len() + END.len() + label.len() + DASHES.len());
            return Some(Block { label, line, body });
        }
    }
}

/// Whether nothing but white space stands before on the line, or the end of another block.
fn starts_a_line(before: &[u8]) -> bool {
    let blanks = before.iter().rev().take_while(|byte| **byte == b' ' || **byte == b'\t').count();
    let before = &before[..before.len() - blanks];
    matches!(before.last(), None | Some(b'\n' | b'\r')) || before.ends_with(DASHES)
}

fn label(after: &[u8]) -> Option<&str> {
    let length = find(&after[..after.len().min(80)], DASHES)?;
    let label = std::str::from_utf8(&after[..length]).ok()?;
    let printable = label.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    (printable && !label.is_empty()).then_some(label)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let first = what.first()?;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| byte == first)?;
        if text[at..].starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
}
