//! Where a server is to be asked, and how TLS begins there: `host:port`, `[v6]:port`, `smtp://host`, `ldap://[v6]:389` ...

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One server to ask.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Endpoint {
    /// A DNS name in A-labels, an IPv4 address, or an IPv6 address without brackets, perhaps with a zone (RFC 4007 section 11).
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How TLS begins.
    pub start: Start,
    /// The name that is asked for.
    pub sni: Sni,
}

/// The server name that is asked for (RFC 6066 section 3).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Sni {
    /// The host, unless it is an IP address.
    #[default]
    Host,
    /// This name instead.
    Name(String),
    /// None, to see what a server shows to clients that name nobody.
    Nothing,
}

/// How TLS begins on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At once.
    #[default]
    Tls,
    /// SMTP `STARTTLS`, RFC 3207.
    Smtp,
    /// LMTP `STARTTLS`, RFC 2033 and RFC 3207.
    Lmtp,
    /// IMAP `STARTTLS`, RFC 9051 section 6.2.1.
    Imap,
    /// POP3 `STLS`, RFC 2595 section 4.
    Pop3,
    /// FTP `AUTH TLS`, RFC 4217.
    Ftp,
    /// The LDAP extended operation, RFC 4511 section 4.14.
    Ldap,
    /// PostgreSQL's `SSLRequest` message.
    Postgres,
    /// MySQL's and MariaDB's `SSLRequest` packet.
    Mysql,
    /// XMPP between client and server, RFC 6120 section 5.
    XmppClient,
    /// XMPP between servers, RFC 6120 section 5.
    XmppServer,
    /// ManageSieve `STARTTLS`, RFC 5804 section 2.2.
    Sieve,
    /// NNTP `STARTTLS`, RFC 4642.
    Nntp,
}

impl Start {
    /// All of them, TLS at once first.
    pub const ALL: [Self; 13] = [
        Self::Tls,
        Self::Smtp,
        Self::Lmtp,
        Self::Imap,
        Self::Pop3,
        Self::Ftp,
        Self::Ldap,
        Self::Postgres,
        Self::Mysql,
        Self::XmppClient,
        Self::XmppServer,
        Self::Sieve,
        Self::Nntp,
    ];

    /// The scheme it is written with; empty for TLS at once, which needs none.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Tls => "",
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Ftp => "ftp",
            Self::Ldap => "ldap",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::XmppClient => "xmpp",
            Self::XmppServer => "xmpp-server",
            Self::Sieve => "sieve",
            Self::Nntp => "nntp",
        }
    }
}

impl fmt::Display for Start {
    /// The protocol's own name.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Tls => "TLS",
            Self::Smtp => "SMTP",
            Self::Lmtp => "LMTP",
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
            Self::Ftp => "FTP",
            Self::Ldap => "LDAP",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::XmppClient | Self::XmppServer => "XMPP",
            Self::Sieve => "ManageSieve",
            Self::Nntp => "NNTP",
        })
    }
}

/// Services by the names they have in a scheme or in place of a port, with how TLS begins and the registered port.
const SERVICES: &[(&str, Start, Option<u16>)] = &[
    ("tls", Start::Tls, None),
    ("https", Start::Tls, Some(443)),
    ("smtp", Start::Smtp, Some(25)),
    ("submission", Start::Smtp, Some(587)),
    ("smtps", Start::Tls, Some(465)),
    ("submissions", Start::Tls, Some(465)),
    ("lmtp", Start::Lmtp, Some(24)),
    ("imap", Start::Imap, Some(143)),
    ("imaps", Start::Tls, Some(993)),
    ("pop3", Start::Pop3, Some(110)),
    ("pop3s", Start::Tls, Some(995)),
    ("sieve", Start::Sieve, Some(4190)),
    ("ftp", Start::Ftp, Some(21)),
    ("ftps", Start::Tls, Some(990)),
    ("ldap", Start::Ldap, Some(389)),
    ("ldaps", Start::Tls, Some(636)),
    ("postgres", Start::Postgres, Some(5432)),
    ("postgresql", Start::Postgres, Some(5432)),
    ("mysql", Start::Mysql, Some(3306)),
    ("mariadb", Start::Mysql, Some(3306)),
    ("xmpp", Start::XmppClient, Some(5222)),
    ("xmpp-client", Start::XmppClient, Some(5222)),
    ("xmpp-server", Start::XmppServer, Some(5269)),
    ("xmpps", Start::Tls, Some(5223)),
    ("nntp", Start::Nntp, Some(119)),
    ("nntps", Start::Tls, Some(563)),
    ("ircs", Start::Tls, Some(6697)),
    ("mqtts", Start::Tls, Some(8883)),
    ("amqps", Start::Tls, Some(5671)),
    ("rediss", Start::Tls, Some(6379)),
    ("sips", Start::Tls, Some(5061)),
    ("domain-s", Start::Tls, Some(853)),
    ("wss", Start::Tls, Some(443)),
];

fn service(name: &str) -> Option<(Start, Option<u16>)> {
    SERVICES.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name)).map(|&(_, start, port)| (start, port))
}

/// Why a text names no endpoint.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EndpointError {
    /// Nothing before the port.
    #[error("{0:?} names no host")]
    NoHost(String),
    /// No port, and no scheme that has one.
    #[error("{0:?} names no port")]
    NoPort(String),
    /// The port is neither a number from 1 to 65535 nor a known service.
    #[error("{port:?} in {text:?} is neither a port nor a known service")]
    Port {
        /// The whole text.
        text: String,
        /// What stands for the port.
        port: String,
    },
    /// A scheme that is not known.
    #[error("{scheme:?} in {text:?} is not a protocol that can be asked for its certificate")]
    Scheme {
        /// The whole text.
        text: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// A path, query or user name.
    #[error("{extra:?} in {text:?} is not part of an endpoint")]
    Extra {
        /// The whole text.
        text: String,
        /// What is too much.
        extra: String,
    },
    /// A host that is neither a name nor an address.
    #[error("{host:?} in {text:?} is neither a host name nor an IP address")]
    Host {
        /// The whole text.
        text: String,
        /// What stands for the host.
        host: String,
    },
    /// An IPv6 address whose end cannot be told from the port.
    #[error("the IPv6 address in {text:?} needs brackets: {meant:?}")]
    Brackets {
        /// The whole text.
        text: String,
        /// With brackets, as it was probably meant.
        meant: String,
    },
}

impl EndpointError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoHost(_) | Self::NoPort(_) => "an endpoint is `host:port`, `[v6]:port` or `smtp://host`",
            Self::Port { .. } => "a port is a number from 1 to 65535, or a service such as `https` or `imap`",
            Self::Scheme { .. } => {
                "known are https, smtp, lmtp, imap, pop3, ftp, ldap, postgres, mysql, xmpp, sieve, nntp and their TLS forms"
            }
            Self::Extra { .. } => "leave it out: a certificate belongs to a host and a port",
            Self::Host { .. } => "check the spelling; wildcards and ranges name no single host",
            Self::Brackets { .. } => {
                "nobody can tell the port from the address without; a file of this name is written with `./`"
            }
        }
    }
}

impl Endpoint {
    /// TLS at once with `host` (any spelling that [`Endpoint::from_str`] takes as a host).
    ///
    /// # Errors
    /// The host is neither a name nor an address.
    pub fn tls(host: &str, port: u16) -> Result<Self, EndpointError> {
        Ok(Self { host: parse_host(host, host)?, port, start: Start::Tls, sni: Sni::Host })
    }

    /// The same, asked for another name.
    #[must_use]
    pub fn named(self, sni: Sni) -> Self {
        Self { sni, ..self }
    }

    /// The address, if the host is one that needs no lookup. An address with a named zone needs one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The name to be asked for; none where the client names nobody. An IP address may come back, which is never sent.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        match &self.sni {
            Sni::Host => Some(&self.host),
            Sni::Name(name) => Some(name),
            Sni::Nothing => None,
        }
    }

    /// `host:port`, with brackets where they are needed.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    /// As it can be read again, without the name that is asked for.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.start != Start::Tls {
            write!(out, "{}://", self.start.scheme())?;
        }
        out.write_str(&self.address())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let trimmed = text.trim();
        let (of_scheme, rest) = match trimmed.split_once("://") {
            Some((scheme, rest)) => {
                let known = service(scheme)
                    .ok_or_else(|| EndpointError::Scheme { text: text.to_owned(), scheme: scheme.to_owned() })?;
                (Some(known), rest.strip_suffix('/').unwrap_or(rest))
            }
            None => (None, trimmed),
        };
        if let Some(at) = rest.find(['/', '?', '#']) {
            return Err(EndpointError::Extra {
                text: text.to_owned(),
                extra: rest.get(at..).unwrap_or_default().to_owned(),
            });
        }
        if let Some((user, _)) = rest.rsplit_once('@') {
            return Err(EndpointError::Extra { text: text.to_owned(), extra: format!("{user}@") });
        }
        let (host, port) = split_port(text, rest)?;
        let port = match (port, of_scheme) {
            (None, None | Some((_, None))) if !host.is_empty() => return Err(EndpointError::NoPort(text.to_owned())),
            (None, of_scheme) => of_scheme.and_then(|(start, port)| Some((start, port?))),
            (Some(port), of_scheme) => Some(parse_port(text, port, of_scheme.map(|(start, _)| start))?),
        };
        let host = parse_host(text, host)?;
        let (start, port) = port.ok_or_else(|| EndpointError::NoPort(text.to_owned()))?;
        Ok(Self { host, port, start, sni: Sni::Host })
    }
}

fn parse_port(text: &str, port: &str, start: Option<Start>) -> Result<(Start, u16), EndpointError> {
    let wrong = || EndpointError::Port { text: text.to_owned(), port: port.to_owned() };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        let number = port.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
        return Ok((start.unwrap_or_default(), number));
    }
    match service(port) {
        Some((of_port, Some(number))) => Ok((start.unwrap_or(of_port), number)),
        Some((_, None)) | None => Err(wrong()),
    }
}

fn split_port<'a>(text: &str, rest: &'a str) -> Result<(&'a str, Option<&'a str>), EndpointError> {
    if let Some(inner) = rest.strip_prefix('[') {
        let host_error = || EndpointError::Host { text: text.to_owned(), host: rest.to_owned() };
        let (host, after) = inner.split_once(']').ok_or_else(host_error)?;
        if !host.contains(':') {
            return Err(host_error());
        }
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(host_error()),
        };
    }
    match rest.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(without_brackets(text, rest)),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((rest, None)),
    }
}

/// Of a text with several colons and no brackets: what was meant, where that is an IPv6 address.
fn without_brackets(text: &str, rest: &str) -> EndpointError {
    let is_v6 = |host: &str| parse_host(text, host).is_ok_and(|host| host.contains(':'));
    let scheme = text.trim().split_once("://").map_or("", |(scheme, _)| scheme);
    let before = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    let parted = rest.rsplit_once(':').filter(|(host, port)| is_v6(host) && parse_port(text, port, None).is_ok());
    let meant = match parted {
        Some((host, port)) => format!("{before}[{host}]:{port}"),
        None if !is_v6(rest) => return EndpointError::Host { text: text.to_owned(), host: rest.to_owned() },
        None if service(scheme).is_some_and(|(_, port)| port.is_some()) => format!("{before}[{rest}]"),
        None => format!("{before}[{rest}]:443"),
    };
    EndpointError::Brackets { text: text.to_owned(), meant }
}

fn parse_host(text: &str, host: &str) -> Result<String, EndpointError> {
    let wrong = || EndpointError::Host { text: text.to_owned(), host: host.to_owned() };
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Err(EndpointError::NoHost(text.to_owned()));
    }
    if host.contains(':') {
        // The zone is a matter of the machine (RFC 4007 section 11); it is a word of it.
        let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if address.parse::<std::net::Ipv6Addr>().is_err() || zone.is_empty() || !zone.chars().all(plain) {
            return Err(wrong());
        }
        return Ok(host.to_ascii_lowercase());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let ascii = idna::domain_to_ascii(name).map_err(|_| wrong())?;
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
    };
    let numeric = ascii.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    let good = if numeric { ascii.parse::<std::net::Ipv4Addr>().is_ok() } else { ascii.split('.').all(label) };
    if good && ascii.len() <= 253 { Ok(ascii) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_endpoint() {
        let cases = [
            ("example.org:443", "example.org", 443, Start::Tls, "example.org:443"),
            ("EXAMPLE.org.:443", "example.org", 443, Start::Tls, "example.org:443"),
            ("b\u{fc}cher.example:8443", "xn--bcher-kva.example", 8443, Start::Tls, "xn--bcher-kva.example:8443"),
            ("my_host:1", "my_host", 1, Start::Tls, "my_host:1"),
            ("127.0.0.1:65535", "127.0.0.1", 65535, Start::Tls, "127.0.0.1:65535"),
            ("[::1]:443", "::1", 443, Start::Tls, "[::1]:443"),
            ("[FE80::1%eth0]:443", "fe80::1%eth0", 443, Start::Tls, "[fe80::1%eth0]:443"),
            ("https://example.org", "example.org", 443, Start::Tls, "example.org:443"),
            ("https://example.org/", "example.org", 443, Start::Tls, "example.org:443"),
            ("HTTPS://example.org:8443/", "example.org", 8443, Start::Tls, "example.org:8443"),
            ("smtp://mx.example", "mx.example", 25, Start::Smtp, "smtp://mx.example:25"),
            ("smtp://mx.example:587", "mx.example", 587, Start::Smtp, "smtp://mx.example:587"),
            ("smtp://mx.example:submission", "mx.example", 587, Start::Smtp, "smtp://mx.example:587"),
            ("mx.example:smtp", "mx.example", 25, Start::Smtp, "smtp://mx.example:25"),
            ("mx.example:imaps", "mx.example", 993, Start::Tls, "mx.example:993"),
            ("tls://mx.example:25", "mx.example", 25, Start::Tls, "mx.example:25"),
            ("lmtp://h", "h", 24, Start::Lmtp, "lmtp://h:24"),
            ("imap://h", "h", 143, Start::Imap, "imap://h:143"),
            ("pop3://h", "h", 110, Start::Pop3, "pop3://h:110"),
            ("ftp://h", "h", 21, Start::Ftp, "ftp://h:21"),
            ("ldap://[::1]", "::1", 389, Start::Ldap, "ldap://[::1]:389"),
            ("ldaps://h", "h", 636, Start::Tls, "h:636"),
            ("postgresql://h", "h", 5432, Start::Postgres, "postgres://h:5432"),
            ("mysql://h", "h", 3306, Start::Mysql, "mysql://h:3306"),
            ("xmpp://h", "h", 5222, Start::XmppClient, "xmpp://h:5222"),
            ("xmpp-server://h", "h", 5269, Start::XmppServer, "xmpp-server://h:5269"),
            ("sieve://h", "h", 4190, Start::Sieve, "sieve://h:4190"),
            ("nntp://h", "h", 119, Start::Nntp, "nntp://h:119"),
        ];
        for (text, host, port, start, written) in cases {
            let endpoint: Endpoint = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.start), (host, port, start), "{text}");
            assert_eq!(endpoint.to_string(), written, "{text}");
            assert_eq!(written.parse::<Endpoint>().unwrap(), endpoint, "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_told_why() {
        let cases = [
            ("", "names no host"),
            (":443", "names no host"),
            ("example.org", "names no port"),
            ("tls://example.org", "names no port"),
            ("example.org:", "neither a port nor a known service"),
            ("example.org:0", "neither a port"),
            ("example.org:65536", "neither a port"),
            ("example.org:+1", "neither a port"),
            ("example.org:tls", "neither a port"),
            ("gopher://example.org", "not a protocol"),
            ("https://example.org/index.html", "\"/index.html\""),
            ("https://me:secret@example.org", "\"me:secret@\""),
            ("::1:443", "the IPv6 address in \"::1:443\" needs brackets: \"[::1]:443\""),
            ("2001:db8::7", "needs brackets: \"[2001:db8::7]:443\""),
            ("2001:db8::7:imap", "needs brackets: \"[2001:db8::7]:imap\""),
            ("ldap://2001:db8::7", "needs brackets: \"ldap://[2001:db8::7]\""),
            ("smtp://2001:db8::7:25", "needs brackets: \"smtp://[2001:db8::7]:25\""),
            ("a.example:443:1", "\"a.example:443:1\" in \"a.example:443:1\" is neither a host name"),
            ("443", "names no port"),
            ("[::1", "neither a host name"),
            ("[::1]443", "neither a host name"),
            ("[example.org]:443", "neither a host name"),
            ("[::1%]:443", "neither a host name"),
            ("[::1%a b]:443", "neither a host name"),
            ("[1:2]:443", "neither a host name"),
            ("*.example.org:443", "neither a host name"),
            ("a..b:443", "neither a host name"),
            ("-a.example:443", "neither a host name"),
            ("a b:443", "neither a host name"),
            ("10.0.0.0/8:443", "not part of an endpoint"),
            ("300.1.1.1:443", "neither a host name"),
            ("1.2.3:443", "neither a host name"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
            assert!(!error.hint().is_empty());
        }
    }
}
