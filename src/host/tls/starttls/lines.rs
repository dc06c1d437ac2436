//! Protocols of lines: SMTP, LMTP, FTP and NNTP answer with a number, IMAP, POP3 and ManageSieve with a word.

use std::net::IpAddr;

use crate::endpoint::Start;

use super::{Refusal, Step, quote};

/// Bytes of one line.
const LONGEST_LINE: usize = 8 * 1024;

/// Lines a server may need until TLS begins.
const MOST_LINES: usize = 256;

/// How far the dialogue got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    /// The server begins.
    Greeting,
    /// The server tells what it offers.
    Offers,
    /// The server answers the request for TLS.
    Asked,
}

/// What a line means.
enum Heard {
    More,
    Go,
}

#[derive(Debug)]
pub(super) struct Lines {
    start: Start,
    at: At,
    count: usize,
    /// The number of a reply of several lines that has not ended.
    unfinished: Option<[u8; 3]>,
    offered: bool,
    /// Bytes of a literal (RFC 5804 section 1.2) that are still to be passed over.
    literal: usize,
    /// ManageSieve has said yes, and its line has not ended.
    agreed: bool,
    /// What this end calls itself.
    own: String,
}

impl Lines {
    /// `own` is the address of this end of the connection, where it is known.
    pub(super) fn new(start: Start, own: Option<IpAddr>) -> Self {
        let (own, agreed) = (calls_itself(own), false);
        Self { start, at: At::Greeting, count: 0, unfinished: None, offered: false, literal: 0, agreed, own }
    }

    pub(super) fn step(&mut self, pending: &[u8], out: &mut Vec<u8>) -> Result<Step, Refusal> {
        if self.literal > 0 {
            let passed = self.literal.min(pending.len());
            self.literal -= passed;
            return Ok(Step::Used(passed));
        }
        let Some(end) = pending.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
            // Whoever speaks something else need not be heard to the end of a line that never comes.
            let stranger = self.count == 0 && !begins_well(self.start, pending);
            return match pending.len() {
                _ if stranger => Err(self.broken(pending)),
                LONGEST_LINE.. => Err(Refusal::TooMuch),
                _ => Ok(Step::Wait),
            };
        };
        self.count += 1;
        if self.count > MOST_LINES {
            return Err(Refusal::TooMuch);
        }
        let line = pending.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let heard = match self.start {
            Start::Smtp | Start::Lmtp | Start::Ftp | Start::Nntp => self.numbered(line, out)?,
            Start::Imap => self.imap(line, out)?,
            Start::Pop3 => self.pop3(line, out)?,
            Start::Sieve => self.sieve(line, out)?,
            // They are no protocols of lines.
            Start::Tls | Start::Ldap | Start::Postgres | Start::Mysql | Start::XmppClient | Start::XmppServer => {
                return Err(self.broken(line));
            }
        };
        Ok(match heard {
            Heard::More => Step::Used(end + 1),
            Heard::Go => Step::Go(end + 1),
        })
    }

    fn ask(&mut self, at: At, words: &str, out: &mut Vec<u8>) -> Heard {
        self.at = at;
        out.extend_from_slice(words.as_bytes());
        out.extend_from_slice(b"\r\n");
        Heard::More
    }

    fn broken(&self, line: &[u8]) -> Refusal {
        Refusal::Broken(format!("it does not answer as {} does: \"{}\"", self.start, quote(line)))
    }

    /// RFC 5321 section 4.2, RFC 959 section 4.2, RFC 3977 section 3.2: three digits, and a hyphen while more lines follow.
    fn numbered(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Heard, Refusal> {
        let code = line.first_chunk::<3>().copied().filter(|code| code.iter().all(u8::is_ascii_digit));
        let after = line.get(3).copied();
        let text = line.get(4..).unwrap_or_default();
        match self.unfinished {
            None => {
                let Some(code) = code.filter(|_| matches!(after, None | Some(b' ' | b'-'))) else {
                    return Err(self.broken(line));
                };
                self.note_offer(text);
                if after == Some(b'-') {
                    self.unfinished = Some(code);
                    return Ok(Heard::More);
                }
                self.reply(code, line, out)
            }
            Some(open) => {
                if code == Some(open) {
                    self.note_offer(text);
                }
                // Of FTP, lines in the middle may be anything (RFC 959 section 4.2).
                if code != Some(open) || after == Some(b'-') {
                    return Ok(Heard::More);
                }
                self.unfinished = None;
                self.reply(open, line, out)
            }
        }
    }

    fn note_offer(&mut self, text: &[u8]) {
        if self.at == At::Offers && text.trim_ascii().eq_ignore_ascii_case(b"STARTTLS") {
            self.offered = true;
        }
    }

    fn reply(&mut self, code: [u8; 3], line: &[u8], out: &mut Vec<u8>) -> Result<Heard, Refusal> {
        let refused = || Refusal::Refused(quote(line));
        match (self.start, self.at, &code) {
            // "In a moment" (RFC 959 section 5.4).
            (Start::Ftp, At::Greeting, b"120") => Ok(Heard::More),
            (Start::Ftp, At::Greeting, [b'2', ..]) => Ok(self.ask(At::Asked, "AUTH TLS", out)),
            (Start::Nntp, At::Greeting, [b'2', ..]) => Ok(self.ask(At::Asked, "STARTTLS", out)),
            (Start::Lmtp, At::Greeting, [b'2', ..]) => {
                let words = format!("LHLO {}", self.own);
                Ok(self.ask(At::Offers, &words, out))
            }
            (_, At::Greeting, [b'2', ..]) => {
                let words = format!("EHLO {}", self.own);
                Ok(self.ask(At::Offers, &words, out))
            }
            (_, At::Offers, [b'2', ..]) if self.offered => Ok(self.ask(At::Asked, "STARTTLS", out)),
            // A server that does not know EHLO knows no extension either.
            (_, At::Offers, [b'2', ..] | b"500" | b"502") => Err(Refusal::NotOffered),
            (_, At::Offers, [b'5', ..]) => Err(Refusal::Unwelcome(quote(line))),
            (Start::Ftp, At::Asked, b"234") | (Start::Nntp, At::Asked, b"382") => Ok(Heard::Go),
            (Start::Smtp | Start::Lmtp, At::Asked, b"220") => Ok(Heard::Go),
            (_, At::Asked, b"500" | b"502" | b"504") => Err(Refusal::NotOffered),
            (_, At::Greeting | At::Offers | At::Asked, _) => Err(refused()),
        }
    }

    /// RFC 9051 sections 6.2.1 and 7.1.
    fn imap(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Heard, Refusal> {
        let word = |at: usize| line.split(|byte| *byte == b' ').nth(at).unwrap_or_default();
        let said = |expected: &str| word(1).eq_ignore_ascii_case(expected.as_bytes());
        let untagged = word(0) == b"*";
        match self.at {
            _ if untagged && said("BYE") => Err(Refusal::Refused(quote(line))),
            At::Greeting if untagged && said("OK") => Ok(self.ask(At::Asked, "a STARTTLS", out)),
            // Whoever is authenticated already can no longer begin TLS.
            At::Greeting if untagged && said("PREAUTH") => Err(Refusal::Refused(quote(line))),
            At::Asked if untagged => Ok(Heard::More),
            At::Asked if word(0) == b"a" && said("OK") => Ok(Heard::Go),
            At::Asked if word(0) == b"a" && said("NO") => Err(Refusal::Refused(quote(line))),
            At::Asked if word(0) == b"a" && said("BAD") => Err(Refusal::NotOffered),
            At::Greeting | At::Offers | At::Asked => Err(self.broken(line)),
        }
    }

    /// RFC 1939 section 3, RFC 2595 section 4.
    fn pop3(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Heard, Refusal> {
        let good = line.starts_with(b"+OK");
        match self.at {
            _ if line.starts_with(b"-ERR") => Err(Refusal::Refused(quote(line))),
            At::Greeting if good => Ok(self.ask(At::Asked, "STLS", out)),
            At::Asked if good => Ok(Heard::Go),
            At::Greeting | At::Offers | At::Asked => Err(self.broken(line)),
        }
    }

    /// RFC 5804 sections 1.2, 1.7 and 2.2: the server begins with what it offers; lines may end with a literal.
    fn sieve(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Heard, Refusal> {
        self.literal = literal(line).unwrap_or(0);
        let word = line.split(|byte| matches!(byte, b' ' | b'(')).next().unwrap_or_default();
        let said = |expected: &str| word.eq_ignore_ascii_case(expected.as_bytes());
        match self.at {
            _ if said("NO") || said("BYE") => Err(Refusal::Refused(quote(line))),
            At::Greeting if said("\"STARTTLS\"") => {
                self.offered = true;
                Ok(Heard::More)
            }
            // What follows a literal is the end of its line.
            At::Greeting if line.starts_with(b"\"") || line.is_empty() => Ok(Heard::More),
            At::Greeting if said("OK") && self.offered => Ok(self.ask(At::Asked, "STARTTLS", out)),
            At::Greeting if said("OK") => Err(Refusal::NotOffered),
            At::Asked if said("OK") || self.agreed => {
                // Its words may be a literal, and then the line goes on behind it.
                self.agreed = true;
                Ok(if self.literal == 0 { Heard::Go } else { Heard::More })
            }
            At::Asked if line.is_empty() => Ok(Heard::More),
            At::Greeting | At::Offers | At::Asked => Err(self.broken(line)),
        }
    }
}

/// A client has to call itself by a full name or by its address (RFC 5321 section 4.1.1.1), and servers refuse others; a machine's own
/// name need not be a full one.
fn calls_itself(own: Option<IpAddr>) -> String {
    match own.map(|own| own.to_canonical()) {
        Some(IpAddr::V4(own)) => format!("[{own}]"),
        Some(IpAddr::V6(own)) => format!("[IPv6:{own}]"),
        None => "localhost".to_owned(),
    }
}

/// The length that a line announces at its end: `{12}` or `{12+}`.
fn literal(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let digits = inner.get(open + 1..)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether a greeting can begin like this.
fn begins_well(start: Start, bytes: &[u8]) -> bool {
    let first = bytes.first().copied().unwrap_or_default();
    match start {
        Start::Smtp | Start::Lmtp | Start::Ftp | Start::Nntp => first.is_ascii_digit(),
        Start::Imap => first == b'*',
        Start::Pop3 => matches!(first, b'+' | b'-'),
        Start::Sieve => first.is_ascii_graphic(),
        Start::Tls | Start::Ldap | Start::Postgres | Start::Mysql | Start::XmppClient | Start::XmppServer => false,
    }
}
