//! What is spoken where TLS was expected, by its first bytes.

use std::fmt;

/// A protocol that is not TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Spoken {
    /// HTTP without TLS.
    Http,
    /// A protocol that is known by how it begins.
    Known {
        /// Its name.
        protocol: &'static str,
        /// Its first line or bytes, escaped.
        first: String,
    },
    /// Something else: its first line or bytes, escaped.
    Other(String),
}

impl Spoken {
    /// By the first bytes that came.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(b"HTTP/") || is_markup(bytes) {
            return Self::Http;
        }
        let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let first = line.get(..40).unwrap_or(line).escape_ascii().to_string();
        match protocol(bytes) {
            Some(protocol) => Self::Known { protocol, first },
            None => Self::Other(first),
        }
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http => out.write_str("plain HTTP"),
            Self::Known { protocol, first } => write!(out, "{protocol}, which begins with \"{first}\""),
            Self::Other(first) => write!(out, "it begins with \"{first}\""),
        }
    }
}

/// Some servers send the page of an error without a status line (HTTP/0.9).
fn is_markup(bytes: &[u8]) -> bool {
    let start = bytes.get(..14).unwrap_or(bytes).to_ascii_lowercase();
    start.starts_with(b"<html") || start.starts_with(b"<!doctype html")
}

fn protocol(bytes: &[u8]) -> Option<&'static str> {
    let contains = |word: &[u8]| bytes.windows(word.len()).take(512).any(|window| window.eq_ignore_ascii_case(word));
    let known = [
        (&b"SSH-"[..], "SSH"),
        (b"+OK", "POP3"),
        (b"* OK", "IMAP"),
        (b"RFB ", "VNC"),
        (b"<?xml", "XMPP"),
        (b"<stream:", "XMPP"),
        (b"\"IMPLEMENTATION\"", "ManageSieve"),
        (b"AMQP", "AMQP"),
        (b"-ERR", "Redis"),
        (b":", "IRC"),
        (b"\x05", "SOCKS"),
        (b"EFATAL", "PostgreSQL"),
        (b"\x30", "LDAP"),
    ];
    match bytes {
        [b'2', b'2', b'0', b' ' | b'-', ..] if contains(b"ftp") => Some("FTP"),
        [b'2', b'2', b'0', b' ' | b'-', ..] => Some("SMTP or FTP"),
        [b'2', b'0', b'0' | b'1', b' ', ..] => Some("NNTP"),
        // A packet of less than 64 KB, the first one, of protocol 10; or an error.
        [_, _, 0, 0, 0x0a | 0xff, ..] => Some("MySQL"),
        [b'E', 0, 0, ..] => Some("PostgreSQL"),
        _ => known.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, name)| *name),
    }
}

/// Whether the first bytes are an SSL 2.0 message: a header of two bytes with its top bit set, then ERROR or SERVER-HELLO.
pub(super) fn is_ssl2(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80..=0xff, _, 0 | 4, ..])
}

/// Whether the first byte is a record type with which a server can begin: a handshake message or an alert (RFC 8446
/// section 5.1).
pub(super) fn begins_tls(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x15 | 0x16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_protocols_are_named() {
        let cases: [(&[u8], &str); 16] = [
            (b"HTTP/1.1 400 Bad Request\r\n", "plain HTTP"),
            (b"<!DOCTYPE html>\n", "plain HTTP"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH, which begins with \"SSH-2.0-OpenSSH_9.2\""),
            (b"220 mx ESMTP\r\n", "SMTP or FTP, which begins with \"220 mx ESMTP\""),
            (b"220 (vsFTPd 3.0.3)\r\n", "FTP, which begins with \"220 (vsFTPd 3.0.3)\""),
            (b"* OK ready\r\n", "IMAP, which begins with \"* OK ready\""),
            (b"+OK ready\r\n", "POP3, which begins with \"+OK ready\""),
            (b"\x4a\0\0\0\x0a8.0.3\0", "MySQL, which begins with \"J\\x00\\x00\\x00\""),
            (b"E\0\0\0\x90SFATAL", "PostgreSQL, which begins with \"E\\x00\\x00\\x00\\x90SFATAL\""),
            (b"RFB 003.008\n", "VNC, which begins with \"RFB 003.008\""),
            (b"201 news\r\n", "NNTP, which begins with \"201 news\""),
            (b"\"IMPLEMENTATION\" \"x\"\r\n", "ManageSieve, which begins with \"\\\"IMPLEMENTATION\\\" \\\"x\\\"\""),
            (b"-ERR unknown\r\n", "Redis, which begins with \"-ERR unknown\""),
            (b"\x1b[2J", "it begins with \"\\x1b[2J\""),
            (b"\n", "it begins with \"\""),
            (b"", "it begins with \"\""),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Spoken::of(bytes).to_string(), expected);
        }
    }

    #[test]
    fn what_is_quoted_is_short() {
        assert_eq!(Spoken::of(&[b'x'; 5000]), Spoken::Other("x".repeat(40)));
    }
}
