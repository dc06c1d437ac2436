//! A reader of old handshakes: what TLS 1.0 to 1.2 servers show in plain text before any key is agreed on.
//!
//! It sends a hello of its own, with everything that was ever usual, and reads to the end of what the server sends at once
//! (ServerHelloDone): one that shows its certificate and then fails, as where its key is out of reach, serves nobody. It derives no
//! key and checks no signature, so it never proves that the server holds the leaf's key; it is for looking only.
//!
//! Its decoder is its own: a few messages and a bound at each length, where a general one brings more code than it saves.

mod hello;
mod suites;

use super::Version;
use super::failure::FLOOD_OF_WARNINGS;
use super::witness::MOST_CERTIFICATES;

pub(super) use hello::hello;

/// A record may hold 2^14 bytes and what compression and encryption add (RFC 5246 section 6.2.3).
const LONGEST_RECORD: usize = 18 * 1024;

/// Bytes of one handshake message.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// Warnings that are passed over.
const MOST_WARNINGS: usize = 4;

/// The version that a hello offers as its highest (RFC 5246 section 7.4.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Offer {
    Tls12,
    Tls11,
    Tls10,
}

/// What an old server showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Read {
    pub version: Version,
    pub suite: &'static str,
    pub chain: Vec<Vec<u8>>,
}

/// Why nothing was shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// An alert, whether its record is one of SSL 3.0, and whether it came after the ServerHello.
    Alert { number: u8, ssl3: bool, midway: bool },
    /// The server speaks this, which is older than TLS.
    TooOld(&'static str),
    /// More than a handshake can need.
    Oversized(&'static str),
    /// Against the protocol.
    Malformed(&'static str),
}

/// The state of one reading.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Bytes of a record that is not whole.
    record: Vec<u8>,
    /// Bytes of a message that is not whole: messages may be spread over records, and records may hold several.
    message: Vec<u8>,
    /// What the ServerHello chose.
    agreed: Option<(Version, &'static str)>,
    /// The certificates, once they were sent.
    chain: Option<Vec<Vec<u8>>>,
    /// The server has sent what it gives to the key exchange (`ServerKeyExchange`).
    exchanged: bool,
    warnings: usize,
}

impl Reader {
    /// Takes what came. The bytes and records in all are counted by whoever calls.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<Option<Read>, Fault> {
        self.record.extend_from_slice(bytes);
        loop {
            let Some((&[kind, major, minor, high, low], rest)) = self.record.split_first_chunk() else {
                return Ok(None);
            };
            if major != 3 {
                return Err(Fault::Malformed("a record of no version of TLS"));
            }
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length > LONGEST_RECORD {
                return Err(Fault::Oversized("a record of more than 18 KB"));
            }
            let Some(body) = rest.get(..length) else { return Ok(None) };
            match kind {
                0x15 => {
                    // Two bytes (RFC 5246 section 7.2).
                    let &[level, number] = body else { return Err(Fault::Malformed("an alert that is none")) };
                    self.warnings += 1;
                    // close_notify ends the connection at either level.
                    if level != 1 || number == 0 {
                        return Err(Fault::Alert { number, ssl3: minor == 0, midway: self.agreed.is_some() });
                    }
                    if self.warnings > MOST_WARNINGS {
                        return Err(Fault::Malformed(FLOOD_OF_WARNINGS));
                    }
                }
                0x16 if length == 0 => return Err(Fault::Malformed("an empty record")),
                0x16 => self.message.extend_from_slice(body),
                _ => return Err(Fault::Malformed("a record that has no place in the server's hello")),
            }
            self.record.drain(..5 + length);
            if let Some(read) = self.messages()? {
                return Ok(Some(read));
            }
        }
    }

    fn messages(&mut self) -> Result<Option<Read>, Fault> {
        while let Some((&[kind, a, b, c], rest)) = self.message.split_first_chunk() {
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if length > LONGEST_MESSAGE {
                return Err(Fault::Oversized("a message of more than 64 KB"));
            }
            let Some(body) = rest.get(..length) else { return Ok(None) };
            // RFC 5246 section 7.3; what is in the messages after the certificates is for clients that go on.
            match (kind, self.agreed, self.chain.is_some()) {
                // HelloRequest asks for what is under way already (RFC 5246 section 7.4.1.1).
                (0, None, _) if length == 0 => {
                    self.warnings += 1;
                    if self.warnings > MOST_WARNINGS {
                        return Err(Fault::Malformed("a flood of hello requests"));
                    }
                }
                (2, None, _) => self.agreed = Some(server_hello(body)?),
                (11, Some(_), false) => self.chain = Some(certificates(body)?),
                (12 | 14, Some(_), false) => return Err(Fault::Malformed("no Certificate message")),
                (12, Some(_), true) if !self.exchanged => self.exchanged = true,
                // CertificateRequest, and CertificateStatus (RFC 6066 section 8).
                (13 | 22, Some(_), true) => {}
                (14, Some((version, suite)), true) => {
                    if suites::exchanges(suite) && !self.exchanged {
                        return Err(Fault::Malformed("no ServerKeyExchange message"));
                    }
                    let chain = self.chain.take().unwrap_or_default();
                    return Ok(Some(Read { version, suite, chain }));
                }
                _ => return Err(Fault::Malformed("a message out of its turn")),
            }
            self.message.drain(..4 + length);
        }
        Ok(None)
    }
}

/// RFC 5246 section 7.4.1.3.
fn server_hello(body: &[u8]) -> Result<(Version, &'static str), Fault> {
    const CUT: Fault = Fault::Malformed("a ServerHello that is cut off");
    let (&[major, minor], rest) = body.split_first_chunk().ok_or(CUT)?;
    let version = match (major, minor) {
        (3, 0) => return Err(Fault::TooOld("SSL 3.0")),
        (3, 1) => Version::Tls10,
        (3, 2) => Version::Tls11,
        (3, 3) => Version::Tls12,
        _ => return Err(Fault::Malformed("a version that was not offered")),
    };
    let (&session, rest) = rest.get(32..).and_then(<[u8]>::split_first).ok_or(CUT)?;
    let rest = rest.get(usize::from(session)..).filter(|_| session <= 32).ok_or(CUT)?;
    let (&[high, low, compression], _) = rest.split_first_chunk().ok_or(CUT)?;
    let suite = suites::name(u16::from_be_bytes([high, low]));
    if compression != 0 {
        return Err(Fault::Malformed("compression, which was not offered"));
    }
    Ok((version, suite.ok_or(Fault::Malformed("a cipher suite that was not offered"))?))
}

/// RFC 5246 section 7.4.2.
fn certificates(body: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    const WRONG: Fault = Fault::Malformed("a Certificate message whose lengths do not fit");
    let (mut rest, after) = vector(body).ok_or(WRONG)?;
    let mut chain = Vec::new();
    while !rest.is_empty() {
        let (one, others) = vector(rest).filter(|(one, _)| !one.is_empty()).ok_or(WRONG)?;
        if chain.len() == MOST_CERTIFICATES {
            return Err(Fault::Oversized("more than 100 certificates"));
        }
        chain.push(one.to_vec());
        rest = others;
    }
    match chain.is_empty() {
        _ if !after.is_empty() => Err(WRONG),
        true => Err(Fault::Malformed("a Certificate message without a certificate")),
        false => Ok(chain),
    }
}

/// A length of three bytes, so many bytes, and the rest.
fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[a, b, c], rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
}

/// Names of alerts as the standards write them.
pub(super) fn alert_name(number: u8) -> String {
    super::failure::alert_name(rustls::AlertDescription::from(number))
}

#[cfg(test)]
mod tests;
