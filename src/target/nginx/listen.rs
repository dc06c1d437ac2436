//! What `listen` says: an address and how it is spoken to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::tree::Directive;

/// One `listen`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Listener {
    pub(super) address: Address,
    /// `ssl` or `quic`: TLS from the first byte on.
    pub(super) tls: bool,
    /// `quic`, or `udp`: nothing a TLS handshake over TCP could see.
    pub(super) udp: bool,
    /// `proxy_protocol`: nginx wants a line about the client first, from a proxy it trusts.
    pub(super) proxied: bool,
    /// `default_server`.
    pub(super) default: bool,
}

/// Where a listener is. Equal addresses are one socket for nginx.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Address {
    /// An IP address and port; the wildcards are addresses too.
    Ip(IpAddr, u16),
    /// A host name, which nginx resolves when it starts.
    Host(String, u16),
    /// A path, not reachable over the network.
    Unix(String),
}

impl Listener {
    /// Reads a `listen`; `port` is the one that holds where none is given. None for what nginx would not take either.
    pub(super) fn read(directive: &Directive, port: Option<u16>) -> Option<Self> {
        let has = |word: &str| directive.args.iter().skip(1).any(|arg| arg == word);
        Some(Self {
            address: Address::read(directive.first(), port)?,
            tls: has("ssl") || has("quic"),
            udp: has("quic") || has("udp"),
            proxied: has("proxy_protocol"),
            default: has("default_server") || has("default"),
        })
    }

    /// The listener of a server in `http` without any.
    pub(super) fn implied() -> Self {
        let address = Address::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80);
        Self { address, tls: false, udp: false, proxied: false, default: false }
    }
}

impl Address {
    /// Whether connections to `ip` on the same port arrive here, as far as that can be told without resolving names.
    pub(super) fn takes(&self, ip: IpAddr) -> bool {
        match self {
            Self::Ip(IpAddr::V4(own), _) => ip.is_ipv4() && (own.is_unspecified() || IpAddr::V4(*own) == ip),
            Self::Ip(IpAddr::V6(own), _) => ip.is_ipv6() && (own.is_unspecified() || IpAddr::V6(*own) == ip),
            Self::Host(_, _) | Self::Unix(_) => false,
        }
    }

    fn read(text: &str, port: Option<u16>) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Some(Self::Unix(path.to_owned()));
        }
        // Of a range of ports (`12345-12399`) the first stands for all: the same servers answer on each.
        let number = |text: &str| text.split('-').next().and_then(|first| first.parse::<u16>().ok());
        if text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '-') {
            return Some(Self::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED), number(text)?));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (ip, after) = rest.split_once(']')?;
            let ip: Ipv6Addr = ip.parse().ok()?;
            return Some(Self::Ip(
                IpAddr::V6(ip),
                if after.is_empty() { port? } else { number(after.strip_prefix(':')?)? },
            ));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, number(port)?),
            None => (text, port?),
        };
        match host.parse::<Ipv4Addr>() {
            Ok(ip) => Some(Self::Ip(IpAddr::V4(ip), port)),
            Err(_) if host == "*" => Some(Self::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)),
            Err(_) if host.is_empty() => None,
            Err(_) => Some(Self::Host(host.to_ascii_lowercase(), port)),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip), port) if ip.is_unspecified() => write!(out, "*:{port}"),
            Self::Ip(IpAddr::V4(ip), port) => write!(out, "{ip}:{port}"),
            Self::Ip(IpAddr::V6(ip), port) => write!(out, "[{ip}]:{port}"),
            Self::Host(host, port) => write!(out, "{host}:{port}"),
            Self::Unix(path) => write!(out, "unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::nginx::tree;

    fn listener(text: &str, port: Option<u16>) -> Option<Listener> {
        let directives = tree::parse(&format!("listen {text};"), Path::new("/x")).unwrap();
        Listener::read(&directives[0], port)
    }

    #[test]
    fn addresses_of_every_form() {
        for (text, wanted) in [
            ("443", Some("*:443")),
            ("*:443", Some("*:443")),
            ("0.0.0.0:443", Some("*:443")),
            ("*", Some("*:80")),
            ("[::]:443", Some("[::]:443")),
            ("[::1]", Some("[::1]:80")),
            ("[2001:DB8::0:1]:8443", Some("[2001:db8::1]:8443")),
            ("LOCALHOST:443", Some("localhost:443")),
            ("localhost", Some("localhost:80")),
            ("192.0.2.1", Some("192.0.2.1:80")),
            ("192.0.2.1:443", Some("192.0.2.1:443")),
            ("127.0.0.1:12345-12399", Some("127.0.0.1:12345")),
            ("12345-12399", Some("*:12345")),
            ("unix:/run/x.sock", Some("unix:/run/x.sock")),
            ("70000", None),
            ("[::1", None),
            ("[::1]443", None),
            ("a:b", None),
            (":443", None),
        ] {
            let found = listener(&format!("{text} ssl"), Some(80)).map(|it| it.address.to_string());
            assert_eq!(found.as_deref(), wanted, "{text}");
        }
        assert_eq!(listener("192.0.2.1", None), None, "stream has no default port");
    }

    #[test]
    fn flags_of_a_listener() {
        let plain = listener("443", None).unwrap();
        assert!(!plain.tls && !plain.udp && !plain.proxied && !plain.default);
        assert!(listener("443 ssl http2", None).unwrap().tls);
        assert!(listener("443 default_server ssl", None).unwrap().default);
        assert!(listener("443 quic reuseport", None).unwrap().udp);
        assert!(listener("443 ssl proxy_protocol", None).unwrap().proxied);
        assert!(!listener("unix:ssl", None).unwrap().tls);
    }

    #[test]
    fn wildcards_take_every_address_of_their_kind() {
        let address = |text: &str| listener(text, None).unwrap().address;
        let (v4, v6): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert!(address("443").takes(v4) && !address("443").takes(v6));
        assert!(address("[::]:443").takes(v6) && !address("[::]:443").takes(v4));
        assert!(address("192.0.2.1:443").takes(v4) && !address("192.0.2.2:443").takes(v4));
        assert!(!address("localhost:443").takes(v4));
    }
}
