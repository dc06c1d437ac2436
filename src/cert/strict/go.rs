//! What Go's `crypto/x509` does not read, though OpenSSL, browsers and most others do: a program in Go then takes the certificate from no
//! server, and passes over it among its roots.

use super::BOOLEAN;
use super::written::AUTHORITY_INFORMATION;
use crate::cert::certificate::Certificate;
use crate::cert::codec::tlv::{Element, Elements, ONE, ZERO};
use crate::cert::distinguished;

/// Below 2.5.29.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];
const POLICIES: &[u8] = &[0x55, 0x1d, 32];
/// `uniformResourceIdentifier` of a `GeneralName`.
const URI: u8 = 0x86;

impl Certificate {
    /// What in its names and extensions Go does not read; nothing where others do not read it either, which says more.
    #[must_use]
    pub fn doubt_in_writing(&self) -> Option<&'static str> {
        if self.is_sound() {
            return None;
        }
        let refused = || self.strict_refusal().is_some() || !self.loose_extensions().is_empty();
        self.doubt_at_length().filter(|_| !refused() && self.unreadable_extensions().is_empty())
    }

    /// The same, whatever is known already, and whoever else does not read it.
    pub(in crate::cert) fn doubt_at_length(&self) -> Option<&'static str> {
        let names = [self.issuer_der(), self.subject_der()];
        names.into_iter().find_map(distinguished::doubt).or_else(|| {
            let mut parts = self.parts();
            parts.find_map(|part| doubt(part.identifier, part.value))
        })
    }
}

/// The same of the content of one extension.
pub(in crate::cert) fn doubt(identifier: &[u8], value: &[u8]) -> Option<&'static str> {
    let depth = depth(identifier);
    if !is_shortest(Elements(value), depth) {
        return Some("a length in more octets than it needs, which Go does not read");
    }
    let mut inside = Element::filling(value).map(Element::inside).into_iter().flatten();
    match identifier {
        ALTERNATIVE_NAMES if inside.any(|name| name.tag == URI && !is_uri(name.content)) => {
            Some("a URI among its names that Go does not read")
        }
        BASIC_CONSTRAINTS if inside.any(|part| part.tag == BOOLEAN && !matches!(part.content, [0 | 0xff])) => {
            Some("a truth in its basic constraints that is neither 0 nor 255, which Go does not read")
        }
        DISTRIBUTION_POINTS if inside.any(is_relative) => {
            Some("a place for revocation lists that is named relative to their issuer, which Go does not read")
        }
        POLICIES if is_repeated(inside.filter_map(|policy| policy.inside().next()).map(|name| name.content)) => {
            Some("a policy that it names twice, which Go does not read (RFC 5280 section 4.2.1.4)")
        }
        _ => None,
    }
}

/// Whether a `DistributionPoint` (RFC 5280 section 4.2.1.13) has a `nameRelativeToCRLIssuer`.
fn is_relative(point: Element<'_>) -> bool {
    let name = point.inside().next().filter(|name| name.tag == ZERO).and_then(|name| name.inside().next());
    name.is_some_and(|name| name.tag == ONE)
}

fn is_repeated<'a>(names: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut names: Vec<&[u8]> = names.collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

/// How deep Go reads an extension (RFC 5280 section 4.2).
fn depth(identifier: &[u8]) -> usize {
    match identifier {
        // Below 2.5.29.
        [0x55, 0x1d, 14 | 15] => 1,
        [0x55, 0x1d, 17 | 19 | 35 | 37] => 2,
        [0x55, 0x1d, 32] | AUTHORITY_INFORMATION => 3,
        [0x55, 0x1d, 30] => 4,
        [0x55, 0x1d, 31] => 5,
        _ => 0,
    }
}

/// Whether the lengths down to this depth have as few octets as can be (X.690 section 10.1).
fn is_shortest(mut elements: Elements<'_>, depth: usize) -> bool {
    depth == 0
        || elements.all(|element| {
            let constructed = element.tag & 0x20 != 0;
            element.is_shortest() && (!constructed || is_shortest(element.inside(), depth - 1))
        })
}

/// Whether a `PrintableString` has the characters that Go takes: those of X.680 section 41.4, `*` and `&`.
pub(in crate::cert) fn is_printable(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'\''..=b'/' | b' ' | b':' | b'=' | b'?' | b'&'))
}

/// Whether Go's `url.Parse` reads it, and finds a host that can be one: RFC 3986, with what is usual against it.
fn is_uri(text: &[u8]) -> bool {
    if text.iter().any(|byte| !byte.is_ascii() || byte.is_ascii_control()) {
        return false;
    }
    let (text, fragment) = cut(text, b'#');
    if !is_escaped(fragment) {
        return false;
    }
    let begins = text.first().is_some_and(u8::is_ascii_alphabetic);
    let colon = text.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')));
    let colon = colon.filter(|at| text.get(*at) == Some(&b':'));
    let (has_scheme, rest) = match colon {
        Some(0) => return false,
        Some(at) if begins => (true, text.get(at + 1..).unwrap_or_default()),
        _ => (false, text),
    };
    let (rest, _query) = cut(rest, b'?');
    if !rest.starts_with(b"/") {
        // Opaque behind a scheme; without one a path, whose first part has no colon.
        return has_scheme || (is_escaped(rest) && !cut(rest, b'/').0.contains(&b':'));
    }
    let Some(behind) = rest.strip_prefix(b"//").filter(|_| has_scheme || !rest.starts_with(b"///")) else {
        return is_escaped(rest);
    };
    let end = behind.iter().position(|byte| *byte == b'/').unwrap_or(behind.len());
    let (authority, path) = behind.split_at(end);
    is_authority(authority) && is_escaped(path)
}

/// What stands before a mark, and what behind it.
fn cut(text: &[u8], mark: u8) -> (&[u8], &[u8]) {
    let mut parts = text.splitn(2, |byte| *byte == mark);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// Whether two hexadecimal digits follow each `%`.
fn is_escaped(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'%')
        .skip(1)
        .all(|part| matches!(part, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

/// `userinfo@host:port` (RFC 3986 section 3.2).
fn is_authority(text: &[u8]) -> bool {
    let mut parts = text.rsplitn(2, |byte| *byte == b'@');
    let (host, user) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let of_user = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
    if !(user.iter().all(of_user) && is_escaped(user)) {
        return false;
    }
    if host.is_empty() {
        return true;
    }
    let (name, port) = if host.starts_with(b"[") {
        let Some(end) = host.iter().rposition(|byte| *byte == b']') else { return false };
        host.split_at(end + 1)
    } else {
        host.split_at(host.iter().rposition(|byte| *byte == b':').unwrap_or(host.len()))
    };
    let is_port = matches!(port, [] | [b':', ..]) && port.iter().skip(1).all(u8::is_ascii_digit);
    // Go takes the port for a part of the last label, and no label is empty, not even behind the last dot.
    let of_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]<>\"".contains(byte);
    is_port && name.iter().all(of_host) && host.split(|byte| *byte == b'.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::codec::tlv::{SEQUENCE, SET};
    use crate::cert::fixture::{Wish, rebuilt, self_signed, with_extensions};

    /// Each as `url.Parse` of Go and its look at the host say.
    #[test]
    fn uris_are_read_as_go_reads_them() {
        for good in [
            "http://x/",
            "spiffe://a/b",
            "urn:x%zz",
            "http://a/b c",
            "http://a?%zz",
            "http:",
            "http:///x",
            "http://<\"a>/",
            "http://[::1]:80/",
            "http://u:p@a:80/",
            "http://a:/",
            "x",
            "/a:b",
            "a/b:c",
            "ldap:///cn=a?b",
            "",
            "mailto:a@b",
            "///x",
        ] {
            assert!(is_uri(good.as_bytes()), "{good}");
        }
        for bad in [
            ":x",
            "1a:b",
            "http://a b/",
            "http://a/%zz",
            "http://a#%zz",
            "http://a:b/",
            "http://a%20/",
            "http://[::1/",
            "http://a|b/",
            "http://u|@a/",
            "a%",
            "http://a\\b",
            "http://a./",
            "http://a..b/",
            "http://.a/",
            "http://%e4/",
            "http://ä/",
            "http://a/\n",
            "a b:c",
            "http://[::1]x/",
            "//a b",
        ] {
            assert!(!is_uri(bad.as_bytes()), "{bad}");
        }
    }

    /// Of the subject: an organisation of this tag and these bytes.
    #[test]
    fn a_name_that_go_does_not_read_is_a_doubt() {
        for (tag, text, doubted) in [
            (0x13, &b"A-Z a-z 0-9 '()+,./:=?*&"[..], false),
            (0x13, b"a_b", true),
            (0x13, b"a@b", true),
            (0x0c, b"a_b", false),
            (0x14, b"Caf\xe9", false),
            (0x16, b"a@b", false),
            (0x16, b"Caf\xe9", true),
            (0x12, b"12 3", false),
            (0x12, b"12a", true),
            (0x1c, b"\0\0\0U", true),
            // Nor does OpenSSL.
            (0x1a, b"x", false),
            (0x0c, b"Caf\xe9", false),
        ] {
            let pair = [b"\x06\x03\x55\x04\x0a", &*Element::wrap(tag, text)].concat();
            let der = rebuilt(&self_signed(&Wish::server("x")).certificate, |parts| {
                parts[5] = Element::wrap(SEQUENCE, &Element::wrap(SET, &Element::wrap(SEQUENCE, &pair)));
            });
            let read = Certificate::from_der(der).unwrap();
            assert_eq!(read.doubt_in_writing().is_some(), doubted, "{tag:#x} {}", text.escape_ascii());
        }
    }

    #[test]
    fn what_go_does_not_read_is_a_doubt() {
        let names = |content: &[u8]| Element::wrap(SEQUENCE, content);
        for (number, value, doubted) in [
            (17, names(b"\x82\x01x\x86\x09http://x/"), false),
            (17, names(b"\x82\x01x\x86\x02:x"), true),
            (17, names(b"\x82\x01x\x86\x81\x09http://x/"), true),
            (31, b"\x30\x11\x30\x0f\xa0\x0d\xa0\x0b\x86\x09http://x/".to_vec(), false),
            (31, b"\x30\x12\x30\x10\xa0\x0e\xa0\x0c\x86\x81\x09http://x/".to_vec(), true),
            (31, b"\x30\x12\x30\x10\xa0\x0e\xa0\x81\x0b\x86\x09http://x/".to_vec(), true),
            (32, b"\x30\x06\x30\x04\x06\x02\x2a\x03".to_vec(), false),
            (32, b"\x30\x07\x30\x05\x06\x81\x02\x2a\x03".to_vec(), true),
            (32, b"\x30\x0c\x30\x04\x06\x02\x2a\x03\x30\x04\x06\x02\x2a\x04".to_vec(), false),
            (32, b"\x30\x0c\x30\x04\x06\x02\x2a\x03\x30\x04\x06\x02\x2a\x03".to_vec(), true),
            (31, b"\x30\x14\x30\x12\xa0\x10\xa1\x0e\x30\x0c\x06\x03\x55\x04\x03\x0c\x05CRL 1".to_vec(), true),
            (19, b"\x30\x06\x01\x01\xff\x02\x01\x00".to_vec(), false),
            (19, b"\x30\x06\x01\x01\x01\x02\x01\x00".to_vec(), true),
            // Nor does rustls, or OpenSSL.
            (17, b"\x30\x81\x03\x82\x01x".to_vec(), false),
            (32, b"\x30\x07\x30\x05\x04\x81\x02\x2a\x03".to_vec(), false),
            // Nobody reads the names of an issuer.
            (18, names(b"\x86\x02:x"), false),
        ] {
            let extension = [&b"\x06\x03\x55\x1d"[..], &[number], &Element::wrap(0x04, &value)].concat();
            let der =
                with_extensions(&self_signed(&Wish::server("x")).certificate, &[Element::wrap(SEQUENCE, &extension)]);
            let read = Certificate::from_der(der).unwrap();
            assert_eq!(read.doubt_in_writing().is_some(), doubted, "{number}: {value:02x?}");
        }
    }
}
