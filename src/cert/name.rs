//! Names a server answers to: DNS names and IP addresses.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A name as it stands in a certificate or as a client asks for it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Name {
    /// A DNS name in A-labels, lower case, no trailing dot; the first label may be `*`. Made by [`Name::from_str`], which holds
    /// this; a text put here by hand that breaks it matches nothing.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
}

impl Name {
    /// Whether a certificate that presents this name is good for `wanted` (RFC 9525 section 6.3): a wildcard stands for exactly
    /// one whole leftmost label, and never for an address. A wanted wildcard is covered by the same wildcard alone.
    #[must_use]
    pub fn covers(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Ip(presented), Self::Ip(wanted)) => presented == wanted,
            (Self::Dns(presented), Self::Dns(wanted)) => presented == wanted || wildcard_covers(presented, wanted),
            (Self::Dns(_), Self::Ip(_)) | (Self::Ip(_), Self::Dns(_)) => false,
        }
    }

    /// As it is displayed, without the way through a formatter, which takes longer than the copy.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Dns(name) => name.clone(),
            Self::Ip(address) => address.to_string(),
        }
    }

    /// Whether the first label is a wildcard.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        match self {
            Self::Dns(name) => name.starts_with("*."),
            Self::Ip(_) => false,
        }
    }
}

/// Why a text is no name for a certificate.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a name is empty")]
    Empty,
    /// More than 253 octets (RFC 1035 section 3.1).
    #[error("the name {0:?} is longer than 253 characters")]
    TooLong(String),
    /// A label that no host name has.
    #[error("{label:?} cannot stand between the dots of the name {name:?}")]
    Label {
        /// The name.
        name: String,
        /// The label.
        label: String,
    },
    /// A `*` elsewhere than as the whole first label in front of another one.
    #[error("in {0:?} the wildcard is not the whole first label, as in \"*.example.com\"")]
    Wildcard(String),
    /// Not encodable by IDNA.
    #[error("the name {0:?} cannot be written in A-labels (IDNA)")]
    Idna(String),
    /// Ends like an IPv4 address without being one.
    #[error("{0:?} looks like an IP address and is none")]
    NotAnAddress(String),
    /// An address of one interface, which no certificate can carry.
    #[error("the address {0:?} has a zone, which a certificate cannot carry")]
    Zone(String),
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some(name) = plain(text) {
            return Ok(Self::Dns(name));
        }
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(address) = address(text)? {
            return Ok(Self::Ip(address));
        }
        let (wildcard, host) = match text.strip_prefix("*.") {
            Some(host) => ("*.", host),
            None => ("", text),
        };
        if host.contains('*') || (wildcard.is_empty() && text == "*") {
            return Err(NameError::Wildcard(text.to_owned()));
        }
        // IDNA only where there is something to encode: an A-label in a certificate is compared as it stands.
        let host: Cow<'_, str> = if host.is_ascii() {
            Cow::Borrowed(host)
        } else {
            Cow::Owned(idna::domain_to_ascii(host).map_err(|_| NameError::Idna(text.to_owned()))?)
        };
        let host = host.strip_suffix('.').unwrap_or(&host);
        if host.is_empty() {
            return Err(NameError::Empty);
        }
        if wildcard.len() + host.len() > 253 {
            return Err(NameError::TooLong(text.to_owned()));
        }
        if let Some(label) = host.split('.').find(|label| !is_label(label)) {
            return Err(NameError::Label { name: text.to_owned(), label: label.to_ascii_lowercase() });
        }
        if host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(NameError::NotAnAddress(text.to_owned()));
        }
        let mut name = String::with_capacity(wildcard.len() + host.len());
        name.push_str(wildcard);
        name.push_str(host);
        name.make_ascii_lowercase();
        Ok(Self::Dns(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => out.write_str(name),
            Self::Ip(address) => address.fmt(out),
        }
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(input)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A host of letters, digits, hyphens, underscores and dots in their places, as nearly all are, found out in one pass. None: there is more
/// to be looked at, or it is no name.
fn plain(text: &str) -> Option<String> {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let (mut length, mut only_digits, mut before) = (0_usize, true, b'.');
    for byte in host.bytes() {
        match byte {
            b'.' if length > 0 && before != b'-' => (length, only_digits) = (0, true),
            b'0'..=b'9' => length += 1,
            b'-' if length == 0 => return None,
            b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' => (length, only_digits) = (length + 1, false),
            _ => return None,
        }
        if length > 63 {
            return None;
        }
        before = byte;
    }
    // What ends in digits may be an address.
    let good = length > 0 && before != b'-' && !only_digits && text.len() <= 253;
    good.then(|| text.to_ascii_lowercase())
}

fn address(text: &str) -> Result<Option<IpAddr>, NameError> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Some((address, _zone)) = bare.split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return Err(NameError::Zone(text.to_owned()));
    }
    if bare.len() < text.len() {
        // Brackets hold IPv6 only (RFC 3986 section 3.2.2).
        return match bare.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Some(IpAddr::V6(address))),
            Err(_) => Err(NameError::NotAnAddress(text.to_owned())),
        };
    }
    // Names by far outnumber addresses, and what must fail takes the parser longest.
    let like_one = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'.' || byte == b':');
    Ok(if like_one { text.parse().ok() } else { None })
}

/// Letters, digits and hyphens (RFC 952, RFC 1123 section 2.1), and the underscore that Active Directory names carry.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn wildcard_covers(presented: &str, wanted: &str) -> bool {
    match (presented.strip_prefix("*."), wanted.split_once('.')) {
        (Some(domain), Some((first, rest))) => !first.is_empty() && first != "*" && domain == rest,
        (Some(_) | None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn texts_become_names_in_one_form() {
        for (text, form) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("*.Example.com", "*.example.com"),
            ("localhost", "localhost"),
            ("_dc._msdcs.corp.example", "_dc._msdcs.corp.example"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("*.BÜCHER.example.", "*.xn--bcher-kva.example"),
            ("faß.de", "xn--fa-hia.de"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:DB8::0:1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("4.example", "4.example"),
        ] {
            assert_eq!(name(text).to_string(), form, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let long = format!("{}.example", "a.".repeat(125));
        for text in [
            "",
            ".",
            "*",
            "*.",
            "*.*.example",
            "a.*.example",
            "w*.example",
            "**.example",
            "a..b",
            ".a",
            "-a.example",
            "a-.example",
            "a b",
            "a/b",
            "a:443",
            "[::1]:443",
            "[192.0.2.1]",
            "[a]",
            "192.0.2",
            "192.0.2.256",
            "1e3.7",
            "fe80::1%eth0",
            "[fe80::1%25eth0]",
            "*.192.0.2.1",
            "a\0.example",
            "a\n.example",
            "a..",
            &long,
            "xn--a\u{202e}.example",
            "../../etc/cron.d/x",
        ] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn presented_names_cover_wanted_ones() {
        for (presented, wanted, covered) in [
            ("example.com", "example.com", true),
            ("example.com", "www.example.com", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "*.example.com", true),
            ("*.example.com", "*.b.example.com", false),
            ("www.example.com", "*.example.com", false),
            ("*.example.com", "xn--bcher-kva.example.com", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", false),
            ("2001:db8::1", "2001:0db8::0001", true),
        ] {
            assert_eq!(name(presented).covers(&name(wanted)), covered, "{presented} for {wanted}");
        }
    }

    #[test]
    fn a_wildcard_never_covers_an_address() {
        let wildcard = Name::Dns("*.0.2.1".to_owned());
        assert!(!wildcard.covers(&name("192.0.2.1")));
        assert!(!wildcard.covers(&Name::Dns(".0.2.1".to_owned())), "nor an empty label");
    }

    #[test]
    fn names_are_strings_in_json() {
        assert_eq!(serde_json::to_string(&name("*.Example.com")).unwrap(), "\"*.example.com\"");
        assert_eq!(serde_json::from_str::<Name>("\"[::1]\"").unwrap(), name("::1"));
        assert!(serde_json::from_str::<Name>("\"a b\"").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_stable_name_or_an_error(text in "\\PC*") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert_eq!(name.to_string().parse::<Name>().unwrap(), name);
            }
        }

        /// With a dot at the end, which is no part of it, a name goes the long way.
        #[test]
        fn the_short_way_comes_to_what_the_long_way_comes_to(
            text in "(\\*\\.)?[a-bA-B0-1_.-]{0,12}|[a-z-]{60,66}(\\.[a-z-]{1,66}){0,4}"
        ) {
            if let Some(name) = plain(&text) {
                prop_assert_eq!(format!("{text}.").parse::<Name>(), Ok(Name::Dns(name)));
            }
        }

        #[test]
        fn likely_texts_are_stable(text in "(\\*\\.)?[a-zA-Z0-9é_.-]{1,70}\\.?") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert!(name.covers(&name));
                prop_assert_eq!(name.to_string().parse::<Name>().unwrap(), name);
            }
        }
    }
}
