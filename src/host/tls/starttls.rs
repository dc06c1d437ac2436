//! What is said in plain text before TLS begins, without input or output: bytes go in, bytes to be sent come out, until TLS may
//! begin or it is certain that it will not.
//!
//! Whatever comes after the go-ahead in the same breath was written by somebody who is not yet authenticated, and is refused.

mod binary;
mod lines;
mod xmpp;

use std::net::IpAddr;

use crate::endpoint::Start;

use binary::{ldap, mysql, postgres};
use lines::Lines;
use xmpp::Xmpp;

/// Bytes a server may say before TLS.
const MOST_BYTES: usize = 64 * 1024;

/// Why TLS will not begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The server does not offer it.
    NotOffered,
    /// The server said no; its words, escaped.
    Refused(String),
    /// The server refuses the greeting that comes before the question; its words, escaped.
    Unwelcome(String),
    /// The server hung up at the question for TLS.
    HungUp,
    /// The server hung up without a word.
    Mute,
    /// The server agreed, and then said this in plain text where TLS was to begin; escaped.
    TakenBack(String),
    /// The server does not speak the protocol, or breaks it; what was seen.
    Broken(String),
    /// It talks without end.
    TooMuch,
}

/// The state of the plain-text part of one connection.
#[derive(Debug)]
pub(super) struct Opening {
    dialogue: Dialogue,
    /// What has come and could not be used yet.
    pending: Vec<u8>,
    taken: usize,
}

#[derive(Debug)]
enum Dialogue {
    Lines(Lines),
    Ldap,
    Postgres,
    Mysql,
    Xmpp(Xmpp),
}

/// How far a part of the dialogue got with what is pending.
enum Step {
    /// More must come.
    Wait,
    /// So many bytes are done with.
    Used(usize),
    /// TLS begins after so many bytes.
    Go(usize),
}

impl Opening {
    /// The state at the beginning, and what is to be sent first; nothing where TLS begins at once. `domain` is whom XMPP asks
    /// for, `own` the address of this end, which mail servers want to be told.
    pub(super) fn new(start: Start, domain: &str, own: Option<IpAddr>, out: &mut Vec<u8>) -> Option<Self> {
        let dialogue = match start {
            Start::Tls => return None,
            Start::Smtp | Start::Lmtp | Start::Imap | Start::Pop3 | Start::Ftp | Start::Sieve | Start::Nntp => {
                Dialogue::Lines(Lines::new(start, own))
            }
            Start::Ldap => {
                out.extend_from_slice(binary::LDAP_REQUEST);
                Dialogue::Ldap
            }
            Start::Postgres => {
                out.extend_from_slice(binary::POSTGRES_REQUEST);
                Dialogue::Postgres
            }
            Start::Mysql => Dialogue::Mysql,
            Start::XmppClient | Start::XmppServer => {
                let to_server = matches!(start, Start::XmppServer);
                Dialogue::Xmpp(Xmpp::new(to_server, domain, out))
            }
        };
        Some(Self { dialogue, pending: Vec::new(), taken: 0 })
    }

    /// Takes what came; what is to be sent is added to `out`. True: TLS begins now.
    ///
    /// # Errors
    /// TLS will not begin.
    pub(super) fn hear(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Refusal> {
        self.taken = self.taken.saturating_add(bytes.len());
        if self.taken > MOST_BYTES {
            return Err(Refusal::TooMuch);
        }
        self.pending.extend_from_slice(bytes);
        while !self.pending.is_empty() {
            let step = match &mut self.dialogue {
                Dialogue::Lines(lines) => lines.step(&self.pending, out)?,
                Dialogue::Ldap => ldap(&self.pending)?,
                Dialogue::Postgres => postgres(&self.pending)?,
                Dialogue::Mysql => mysql(&self.pending, out)?,
                Dialogue::Xmpp(xmpp) => xmpp.step(&self.pending, out)?,
            };
            match step {
                Step::Wait => return Ok(false),
                Step::Used(count) => {
                    self.pending.drain(..count.min(self.pending.len()));
                }
                Step::Go(count) if count < self.pending.len() => {
                    // A server that fails only then says why, and both may come as one.
                    let rest = self.pending.get(count..).unwrap_or_default();
                    let words = rest.split(|byte| matches!(byte, b'\r' | b'\n')).next().map(quote).unwrap_or_default();
                    return Err(Refusal::Broken(format!(
                        "more bytes came with the go-ahead, which TLS must not take over: \"{words}\""
                    )));
                }
                Step::Go(_) => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Whether the server has said anything yet.
    pub(super) fn heard(&self) -> bool {
        self.taken > 0
    }
}

/// At most the first 100 bytes of what a server said, escaped.
pub(super) fn quote(bytes: &[u8]) -> String {
    let line = bytes.trim_ascii();
    line.get(..100).unwrap_or(line).escape_ascii().to_string()
}

#[cfg(test)]
mod tests;
