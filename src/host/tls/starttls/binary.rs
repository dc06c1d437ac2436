//! Protocols of packets: LDAP, PostgreSQL, MySQL.

use super::{Refusal, Step, quote};

/// `ExtendedRequest` 1.3.6.1.4.1.1466.20037 with message id 1 (RFC 4511 section 4.14.1).
pub(super) const LDAP_REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// Bytes of an answer of LDAP's.
const LONGEST_LDAP: usize = 4 * 1024;

/// `SSLRequest`: eight bytes, the length and a number no version has (PostgreSQL manual, "Message Formats").
pub(super) const POSTGRES_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Bytes of MySQL's first packet.
const LONGEST_MYSQL: usize = 4 * 1024;

/// One element in DER or in BER of definite length: its tag, its contents, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |length, octet| (length << 8) | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// `ExtendedResponse` (RFC 4511 section 4.12).
pub(super) fn ldap(pending: &[u8]) -> Result<Step, Refusal> {
    let broken = || Refusal::Broken(format!("it does not answer as LDAP does: \"{}\"", quote(pending)));
    if pending.first() != Some(&0x30) {
        return Err(broken());
    }
    let Some((_, message, rest)) = element(pending) else {
        // What is no length, or is longer than any answer, is not waited for.
        let announced = match pending.get(1..) {
            None | Some([]) => 0,
            Some([first @ 0..=0x7f, ..]) => usize::from(*first),
            Some([0x81, octets @ ..]) => usize::from(octets.first().copied().unwrap_or_default()),
            Some([0x82, octets @ ..]) => usize::from(octets.first().copied().unwrap_or_default()) << 8,
            Some([0x83, octets @ ..]) => usize::from(octets.first().copied().unwrap_or_default()) << 16,
            Some([0x84, octets @ ..]) => usize::from(octets.first().copied().unwrap_or_default()) << 24,
            Some([_, ..]) => return Err(broken()),
        };
        return if announced > LONGEST_LDAP || pending.len() > LONGEST_LDAP {
            Err(Refusal::TooMuch)
        } else {
            Ok(Step::Wait)
        };
    };
    let Some((0x02, _, message)) = element(message) else { return Err(broken()) };
    let Some((0x78, response, _)) = element(message) else { return Err(broken()) };
    let Some((0x0a, &[code], response)) = element(response) else { return Err(broken()) };
    let words =
        element(response).and_then(|(_, _, after)| element(after)).map(|(_, words, _)| words).unwrap_or_default();
    match code {
        0 => Ok(Step::Go(pending.len() - rest.len())),
        // protocolError: the operation is not known (RFC 4511 section 4.14.2).
        2 => Err(Refusal::NotOffered),
        _ => Err(Refusal::Refused(format!("result {code} \"{}\"", quote(words)))),
    }
}

/// One byte: `S` or `N`; an error packet begins with `E`.
pub(super) fn postgres(pending: &[u8]) -> Result<Step, Refusal> {
    match pending.first() {
        None => Ok(Step::Wait),
        Some(b'S') => Ok(Step::Go(1)),
        Some(b'N') => Err(Refusal::NotOffered),
        Some(b'E') => postgres_error(pending),
        Some(_) => Err(Refusal::Broken(format!("it does not answer as PostgreSQL does: \"{}\"", quote(pending)))),
    }
}

/// `ErrorResponse`: a length and fields, of which `M` is for people. Servers of the last century send text alone.
fn postgres_error(pending: &[u8]) -> Result<Step, Refusal> {
    const LONGEST: u32 = 4 * 1024;
    let Some((&[_, a, b, c, d], fields)) = pending.split_first_chunk() else { return Ok(Step::Wait) };
    let length = u32::from_be_bytes([a, b, c, d]);
    if length > LONGEST {
        let text = pending.get(1..).unwrap_or_default();
        let ended = text.contains(&0) || text.len() > 1024;
        return if ended { Err(Refusal::Refused(quote(text))) } else { Ok(Step::Wait) };
    }
    if fields.len() + 4 < usize::try_from(length).unwrap_or_default() {
        return Ok(Step::Wait);
    }
    let message = fields.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"M"));
    Err(Refusal::Refused(quote(message.unwrap_or(fields))))
}

/// The server greets with what it can (MySQL manual, `Protocol::HandshakeV10`); TLS begins right after our packet, without
/// another word of the server's.
pub(super) fn mysql(pending: &[u8], out: &mut Vec<u8>) -> Result<Step, Refusal> {
    const SSL: u16 = 0x0800;
    let broken = || Refusal::Broken(format!("it does not greet as MySQL does: \"{}\"", quote(pending)));
    let Some((&[low, middle, high, sequence], after)) = pending.split_first_chunk() else { return Ok(Step::Wait) };
    let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    if sequence != 0 || length == 0 || length > LONGEST_MYSQL {
        return Err(broken());
    }
    let Some(packet) = after.get(..length) else { return Ok(Step::Wait) };
    let (version, body) = packet.split_first().ok_or_else(broken)?;
    if *version == 0xff {
        return Err(Refusal::Refused(quote(body.get(2..).unwrap_or_default())));
    }
    if *version != 10 {
        return Err(broken());
    }
    let name = body.iter().position(|byte| *byte == 0).ok_or_else(broken)?;
    // Thread id, first part of the challenge, a filler: 13 bytes.
    let Some(&[low, high]) = body.get(name + 14..name + 16) else { return Err(broken()) };
    if u16::from_le_bytes([low, high]) & SSL == 0 {
        return Err(Refusal::NotOffered);
    }
    // CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH; 16 MB; utf8.
    out.extend_from_slice(&[32, 0, 0, 1, 0x00, 0x8a, 0x08, 0x00, 0, 0, 0, 1, 33]);
    out.extend_from_slice(&[0; 23]);
    Ok(Step::Go(4 + length))
}
