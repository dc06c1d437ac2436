//! XMPP (RFC 6120 section 5): a stream is opened, its features are read, and TLS is asked for.

use super::{Refusal, Step, quote};

/// Bytes of the features of a stream.
const LONGEST: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Xmpp {
    asked: bool,
}

impl Xmpp {
    pub(super) fn new(to_server: bool, domain: &str, out: &mut Vec<u8>) -> Self {
        let namespace = if to_server { "jabber:server" } else { "jabber:client" };
        // A name has none of the letters that XML would need escaped; what has them is no name.
        let domain: String = domain.chars().filter(|c| c.is_alphanumeric() || "-_.:%".contains(*c)).collect();
        let header = format!(
            "<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams' \
             to='{domain}' version='1.0'>"
        );
        out.extend_from_slice(header.as_bytes());
        Self { asked: false }
    }

    pub(super) fn step(&mut self, pending: &[u8], out: &mut Vec<u8>) -> Result<Step, Refusal> {
        if !pending.trim_ascii_start().is_empty() && !pending.trim_ascii_start().starts_with(b"<") {
            return Err(Refusal::Broken(format!("it does not answer as XMPP does: \"{}\"", quote(pending))));
        }
        // It is searched anew for each piece that comes.
        if pending.len() > LONGEST {
            return Err(Refusal::TooMuch);
        }
        if self.asked { answer(pending) } else { self.features(pending, out) }
    }

    /// Up to the end of the features.
    fn features(&mut self, pending: &[u8], out: &mut Vec<u8>) -> Result<Step, Refusal> {
        if let Some(refusal) = refusal(pending) {
            return Err(refusal);
        }
        // Empty: `<stream:features/>`.
        if find(pending, b"features/>").is_some() {
            return Err(Refusal::NotOffered);
        }
        let Some(end) = find(pending, b"</stream:features>") else { return Ok(Step::Wait) };
        let told = pending.get(..end).unwrap_or_default();
        if find(told, b"urn:ietf:params:xml:ns:xmpp-tls").is_none() {
            return Err(Refusal::NotOffered);
        }
        self.asked = true;
        out.extend_from_slice(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        Ok(Step::Used(end + b"</stream:features>".len()))
    }
}

/// Of the stream, or of the request for TLS.
fn refusal(pending: &[u8]) -> Option<Refusal> {
    let at = find(pending, b"<failure").or_else(|| find(pending, b"<stream:error"))?;
    let words = pending.get(at..).filter(|words| words.contains(&b'>'))?;
    Some(Refusal::Refused(quote(words)))
}

/// `<proceed/>` or `<failure/>`.
fn answer(pending: &[u8]) -> Result<Step, Refusal> {
    if let Some(refusal) = refusal(pending) {
        return Err(refusal);
    }
    let Some(at) = find(pending, b"<proceed") else { return Ok(Step::Wait) };
    let Some(close) = find(pending.get(at..).unwrap_or_default(), b">").map(|end| at + end) else {
        return Ok(Step::Wait);
    };
    if close > 0 && pending.get(close - 1) == Some(&b'/') {
        return Ok(Step::Go(close + 1));
    }
    let rest = pending.get(close + 1..).unwrap_or_default();
    let end = b"</proceed>";
    if rest.len() < end.len() && end.starts_with(rest) {
        return Ok(Step::Wait);
    }
    if rest.starts_with(end) { Ok(Step::Go(close + 1 + end.len())) } else { Err(Refusal::Broken(quote(pending))) }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
