//! One request and its answer on the wire: HTTP/1.1 (RFC 9112), closed afterwards.

use std::io::{self, Read, Write};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use zeroize::Zeroizing;

use super::{Patience, Reply};

/// Bytes of an answer's head.
const MOST_HEAD: usize = 64 * 1024;
/// Fields of an answer's head.
const MOST_FIELDS: usize = 100;
/// Interim answers (1xx) before the one that counts.
const MOST_INTERIM: usize = 8;
/// Bytes of the line with the size of a chunk, its extensions included.
const MOST_CHUNK_LINE: usize = 1024;

/// No answer.
#[derive(Debug)]
pub(super) enum Bad {
    /// The conversation broke off, or time was up.
    Io(io::Error),
    /// What was said is not taken.
    Answer(String),
}

impl From<io::Error> for Bad {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) fn send(
    out: &mut impl Write,
    method: &Method,
    authority: &str,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> io::Result<()> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
    head.push_str(&format!("user-agent: {}\r\naccept-language: en\r\n", super::user_agent()));
    if !body.is_empty() || *method == Method::POST {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    let ours = [header::HOST, header::CONNECTION, header::USER_AGENT, header::CONTENT_LENGTH];
    let fields = || headers.iter().filter(|(name, _)| !ours.contains(name));
    let size = fields().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
    // Reserved at once and wiped: among the fields there may be a token, and growing would leave a copy behind.
    let whole = head.len() + size + 2 + body.len();
    let mut bytes = Zeroizing::new(Vec::with_capacity(whole));
    bytes.extend_from_slice(head.as_bytes());
    for (name, value) in fields() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    debug_assert_eq!(bytes.len(), whole, "counted wrongly");
    out.write_all(&bytes)?;
    out.flush()
}

/// Reads one answer, with no more of its body than the caller has patience for.
pub(super) fn receive(from: &mut impl Read, headless: bool, patience: &Patience) -> Result<Reply, Bad> {
    let mut input = Input { from, held: Vec::new() };
    for _ in 0..=MOST_INTERIM {
        let (status, headers) = input.head()?;
        if status.is_informational() {
            continue;
        }
        let empty = headless || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let body = if empty { Some(Vec::new()) } else { input.body(&headers, patience.body)? };
        // Half of a body could hold half of a secret, which nobody would find in it.
        let body = body.or_else(|| patience.only_status.then(Vec::new)).ok_or_else(|| too_long(patience.body))?;
        // What is to be understood is understood elsewhere, and fails there; what is only told need not be well spelled.
        let body = String::from_utf8_lossy(&body).into_owned();
        return Ok(Reply { status, headers, body });
    }
    Err(Bad::Answer("it sends one interim answer after the other".to_owned()))
}

struct Input<'r, R> {
    from: &'r mut R,
    /// Read, and not used yet.
    held: Vec<u8>,
}

impl<R: Read> Input<'_, R> {
    /// Reads more. False: the end.
    fn more(&mut self) -> Result<bool, Bad> {
        let mut piece = [0; 16 * 1024];
        let count = loop {
            match self.from.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.held.extend_from_slice(piece.get(..count).unwrap_or_default());
        Ok(count > 0)
    }

    fn head(&mut self) -> Result<(StatusCode, HeaderMap), Bad> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
            let mut response = httparse::Response::new(&mut fields);
            let parsed = response.parse(&self.held).map_err(|error| Bad::Answer(format!("it is no HTTP: {error}")))?;
            if let httparse::Status::Complete(length) = parsed {
                let code = response.code.and_then(|code| StatusCode::from_u16(code).ok());
                let status = code.ok_or_else(|| Bad::Answer("it has no status".to_owned()))?;
                let mut headers = HeaderMap::new();
                for field in response.headers.iter() {
                    let name = HeaderName::from_bytes(field.name.as_bytes());
                    let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(field.value)) else {
                        return Err(Bad::Answer("a field of its head cannot be read".to_owned()));
                    };
                    headers.append(name, value);
                }
                self.held.drain(..length);
                return Ok((status, headers));
            }
            if self.held.len() > MOST_HEAD {
                return Err(Bad::Answer(format!("its head has more than {} KiB", MOST_HEAD / 1024)));
            }
            if !self.more()? {
                return Err(Bad::Answer("it ended before its head did".to_owned()));
            }
        }
    }

    /// The body (RFC 9112 section 6.3); none where it is longer.
    fn body(&mut self, headers: &HeaderMap, most: usize) -> Result<Option<Vec<u8>>, Bad> {
        if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
            // Both is how requests are smuggled past each other; nobody honest sends it.
            if headers.contains_key(header::CONTENT_LENGTH) {
                return Err(Bad::Answer("it has both a length and chunks".to_owned()));
            }
            if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
                return Err(Bad::Answer("its transfer coding is not `chunked`".to_owned()));
            }
            return self.chunks(most);
        }
        let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
        match (lengths.next(), lengths.next()) {
            (Some(length), None) => {
                let length = length.to_str().ok().and_then(|text| text.parse::<usize>().ok());
                let length = length.ok_or_else(|| Bad::Answer("its length is not valid".to_owned()))?;
                if length > most {
                    return Ok(None);
                }
                self.exactly(length).map(Some)
            }
            (Some(_), Some(_)) => Err(Bad::Answer("it has two lengths".to_owned())),
            (None, _) => {
                while self.held.len() <= most && self.more()? {}
                Ok((self.held.len() <= most).then(|| std::mem::take(&mut self.held)))
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Bad> {
        while self.held.len() < length {
            if !self.more()? {
                let got = self.held.len();
                return Err(Bad::Answer(format!("it ended after {got} of {length} bytes")));
            }
        }
        let rest = self.held.split_off(length);
        Ok(std::mem::replace(&mut self.held, rest))
    }

    fn chunks(&mut self, most: usize) -> Result<Option<Vec<u8>>, Bad> {
        let mut body = Vec::new();
        loop {
            let size = loop {
                match httparse::parse_chunk_size(&self.held) {
                    Err(_) => return Err(Bad::Answer("the size of a chunk is not valid".to_owned())),
                    Ok(httparse::Status::Complete((length, size))) => {
                        self.held.drain(..length);
                        break usize::try_from(size).unwrap_or(usize::MAX);
                    }
                    Ok(httparse::Status::Partial) if self.held.len() > MOST_CHUNK_LINE => {
                        return Err(Bad::Answer("the size of a chunk has no end".to_owned()));
                    }
                    Ok(httparse::Status::Partial) if self.more()? => {}
                    Ok(httparse::Status::Partial) => return Err(Bad::Answer("it ended between two chunks".to_owned())),
                }
            };
            if size == 0 {
                // What follows is a trailer, which nobody needs, and then the end of the connection.
                return Ok(Some(body));
            }
            if size > most.saturating_sub(body.len()) {
                return Ok(None);
            }
            body.extend(self.exactly(size)?);
            if self.exactly(2)? != b"\r\n" {
                return Err(Bad::Answer("a chunk is longer than it says".to_owned()));
            }
        }
    }
}

fn too_long(most: usize) -> Bad {
    Bad::Answer(format!("its body has more than {} KiB", most / 1024))
}
