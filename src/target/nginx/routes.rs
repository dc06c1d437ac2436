//! Which server of a configuration answers to which name at which address, and how to ask it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::listen::{Address, Listener};
use super::server::Server;
use crate::cert::Name;
use crate::change::Probe;
use crate::config::WILDCARD_LABEL;

/// The servers of a configuration, as clients reach them.
pub(super) struct Routes<'s> {
    pub(super) servers: &'s [Server],
}

impl<'s> Routes<'s> {
    /// The addresses at which TLS is spoken. `ssl` at one `listen` of an address holds for all servers there.
    pub(super) fn tls_addresses(&self) -> Vec<&'s Address> {
        let mut found: Vec<&Address> =
            self.listeners().filter(|(_, it)| it.tls && !it.udp).map(|(_, it)| &it.address).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Whether a server speaks TLS anywhere.
    pub(super) fn speaks_tls(&self, server: usize) -> bool {
        let tls = self.tls_addresses();
        self.servers[server].listeners.iter().any(|it| it.tls || tls.contains(&&it.address))
    }

    /// The server that has this name at an address, by nginx's order: the exact name, the longest name with a leading `*`, the
    /// longest with a trailing one. Regular expressions come after these and are not followed.
    pub(super) fn named(&self, name: &str, address: &Address) -> Option<usize> {
        let mut best: Option<(Match, usize)> = None;
        for (index, server) in self.at(address) {
            for own in &server.names {
                if let Some(found) = Match::of(own, name)
                    // Of two servers with the same name the first has it.
                    && best.as_ref().is_none_or(|(best, _)| found > *best)
                {
                    best = Some((found, index));
                }
            }
        }
        best.map(|(_, index)| index)
    }

    /// The server that answers at an address when no name is asked for, or none that any server has.
    pub(super) fn default_of(&self, address: &Address) -> Option<usize> {
        let mut first = None;
        for (index, server) in self.at(address) {
            if server.listeners.iter().any(|it| it.address == *address && it.default) {
                return Some(index);
            }
            first = first.or(Some(index));
        }
        first
    }

    /// How to see what a server shows, one handshake an address, by one of the `wanted` names where it has one. Notes say where
    /// it cannot be seen.
    pub(super) fn probes(&self, server: usize, wanted: &[Name]) -> (Vec<Probe>, Vec<String>) {
        let (mut probes, mut notes) = (Vec::new(), Vec::new());
        let at = &self.servers[server].at;
        let mut asked: Vec<&Address> = Vec::new();
        for Listener { address, proxied, udp, .. } in &self.servers[server].listeners {
            if *udp || asked.contains(&address) || !self.tls_addresses().contains(&address) {
                continue;
            }
            asked.push(address);
            let unseen = |why: &str| format!("{address} of the server at {at} is not looked at: {why}");
            if *proxied {
                notes.push(unseen("it speaks to proxies only (proxy_protocol)"));
                continue;
            }
            let reached = match self.reach(address) {
                Ok(reached) => reached,
                Err(why) => {
                    notes.push(unseen(why));
                    continue;
                }
            };
            match self.name_for(server, address, wanted) {
                Some(name) => probes.push(Probe::tls(reached, name)),
                None => notes.push(unseen("no name is known by which it alone is asked")),
            }
        }
        if probes.is_empty() && notes.is_empty() && self.speaks_tls(server) {
            notes.push(format!("the server at {at} is not looked at: it speaks no TLS over TCP"));
        }
        (probes, notes)
    }

    /// The name to ask a server for at an address: `Some(None)` is to ask for no name.
    fn name_for(&self, server: usize, address: &Address, wanted: &[Name]) -> Option<Option<String>> {
        let names = &self.servers[server].names;
        let wanted = |name: &&String| wanted.iter().any(|wanted| wanted.to_string() == **name);
        let (first, then): (Vec<&String>, Vec<&String>) = names.iter().partition(wanted);
        let by_kind = |exact: bool| {
            let candidates: Vec<String> = first.iter().chain(&then).filter_map(|own| askable(own, exact)).collect();
            candidates
        };
        let mut candidates = by_kind(true).into_iter().chain(by_kind(false));
        candidates
            .find(|name| self.named(name, address) == Some(server))
            .map(Some)
            .or_else(|| (self.default_of(address) == Some(server)).then_some(None))
    }

    /// Where to connect so that the connection arrives at this address and no more exact one.
    fn reach(&self, address: &Address) -> Result<String, &'static str> {
        let taken = |ip: IpAddr, port: u16| {
            let exact = Address::Ip(ip, port);
            self.listeners().any(|(_, it)| it.address == exact)
        };
        let occupied = "every loopback address has a server of its own there";
        match address {
            Address::Unix(_) => Err("it is a socket in the file system"),
            Address::Ip(IpAddr::V4(ip), port) if ip.is_unspecified() => (1..=9)
                .map(|last| Ipv4Addr::new(127, 0, 0, last))
                .find(|ip| !taken(IpAddr::V4(*ip), *port))
                .map(|ip| format!("{ip}:{port}"))
                .ok_or(occupied),
            Address::Ip(IpAddr::V6(ip), port) if ip.is_unspecified() => {
                if taken(IpAddr::V6(Ipv6Addr::LOCALHOST), *port) { Err(occupied) } else { Ok(format!("[::1]:{port}")) }
            }
            Address::Ip(_, _) | Address::Host(_, _) => Ok(address.to_string()),
        }
    }

    fn listeners(&self) -> impl Iterator<Item = (usize, &'s Listener)> {
        self.servers.iter().enumerate().flat_map(|(index, server)| server.listeners.iter().map(move |it| (index, it)))
    }

    fn at<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = (usize, &'s Server)> + 'a {
        let servers = self.servers.iter().enumerate();
        servers.filter(move |(_, server)| server.listeners.iter().any(|it| !it.udp && it.address == *address))
    }
}

/// The names of a server as a certificate would carry them.
pub(super) fn certificate_names(server_name: &str) -> Vec<String> {
    let names = match server_name.strip_prefix('.') {
        Some(domain) => vec![domain.to_owned(), format!("*.{domain}")],
        None => vec![server_name.to_owned()],
    };
    names.into_iter().filter(|name| is_host(name.strip_prefix("*.").unwrap_or(name))).collect()
}

/// How well a server name fits, best last.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    Trailing(usize),
    Leading(usize),
    Exact,
}

impl Match {
    fn of(own: &str, name: &str) -> Option<Self> {
        if own == name {
            return Some(Self::Exact);
        }
        let leading = own.strip_prefix('*').filter(|rest| rest.starts_with('.'));
        if let Some(domain) = leading {
            return (name.len() > domain.len() && name.ends_with(domain)).then_some(Self::Leading(domain.len()));
        }
        if let Some(domain) = own.strip_prefix('.') {
            if domain == name {
                return Some(Self::Exact);
            }
            return (name.len() > own.len() && name.ends_with(own)).then_some(Self::Leading(own.len()));
        }
        let start = own.strip_suffix('*').filter(|rest| rest.ends_with('.'))?;
        (name.len() > start.len() && name.starts_with(start)).then_some(Self::Trailing(start.len()))
    }
}

/// A name to ask for, made of a server name; `exact` chooses between those without and with a wildcard.
fn askable(own: &str, exact: bool) -> Option<String> {
    let name = match (exact, own.strip_prefix("*."), own.strip_prefix('.'), own.strip_suffix(".*")) {
        (true, None, Some(domain), None) => domain.to_owned(),
        (true, None, None, None) => own.to_owned(),
        (false, Some(domain), None, None) => format!("{WILDCARD_LABEL}.{domain}"),
        // RFC 6761 section 6.4: a name that is certain to be nobody's.
        (false, None, None, Some(start)) => format!("{start}.invalid"),
        (true | false, _, _, _) => return None,
    };
    is_host(&name).then_some(name)
}

/// Whether a client would ask for this as a server name: no regular expression, no `_`, no IP address.
fn is_host(name: &str) -> bool {
    name != "_" && !name.starts_with('*') && matches!(name.parse(), Ok(Name::Dns(_)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::nginx::{server, tree};

    fn servers(text: &str) -> Vec<Server> {
        let text = format!("http {{ {text} }}");
        server::read(&tree::parse(&text, Path::new("/e/n")).unwrap(), Path::new("/e"))
    }

    /// The probes of the n-th server, then how many notes there are.
    fn asked(text: &str, server: usize, wanted: &[&str]) -> String {
        let servers = servers(text);
        let wanted: Vec<Name> = wanted.iter().map(|name| name.parse().unwrap()).collect();
        let (probes, notes) = Routes { servers: &servers }.probes(server, &wanted);
        let probes: Vec<String> = probes.iter().map(ToString::to_string).collect();
        format!("{} +{}", probes.join(", "), notes.len())
    }

    #[test]
    fn every_address_is_asked_once_by_a_name_that_leads_there() {
        for (text, server, wanted, said) in [
            ("server { listen 443 ssl; server_name a.x b.x; }", 0, &[][..], "127.0.0.1:443 (a.x) +0"),
            ("server { listen 443 ssl; server_name a.x b.x; }", 0, &["b.x"], "127.0.0.1:443 (b.x) +0"),
            (
                "server { listen 443 ssl; listen [::]:443 ssl; listen localhost:8443 ssl; listen 80; server_name a.x; }",
                0,
                &[],
                "127.0.0.1:443 (a.x), [::1]:443 (a.x), localhost:8443 (a.x) +0",
            ),
            ("server { listen 443 ssl; server_name *.x.y; }", 0, &[], "127.0.0.1:443 (reseal-probe.x.y) +0"),
            ("server { listen 443 ssl; server_name .x.y; }", 0, &[], "127.0.0.1:443 (x.y) +0"),
            ("server { listen 443 ssl; server_name www.x.*; }", 0, &[], "127.0.0.1:443 (www.x.invalid) +0"),
            ("server { listen 443 ssl; server_name *.x.y a.x.y; }", 0, &[], "127.0.0.1:443 (a.x.y) +0"),
            ("server { listen 443 ssl; server_name _; }", 0, &[], "127.0.0.1:443 +0"),
            ("server { listen 443 ssl; server_name ~^w; }", 0, &[], "127.0.0.1:443 +0"),
            ("server { listen 443 ssl; }", 0, &[], "127.0.0.1:443 +0"),
            ("server { listen 443 ssl; server_name a.x; } server { listen 443 ssl; server_name ~^w; }", 1, &[], " +1"),
            (
                "server { listen 443 ssl; server_name a.x; } server { listen 443 ssl default_server; server_name _; }",
                1,
                &[],
                "127.0.0.1:443 +0",
            ),
            // The second server's first name is the first server's.
            (
                "server { listen 443 ssl; server_name a.x; } server { listen 443 ssl; server_name a.x b.x; }",
                1,
                &["a.x"],
                "127.0.0.1:443 (b.x) +0",
            ),
            ("server { listen 443 ssl; server_name a.x; } server { listen 443 ssl; server_name a.x; }", 1, &[], " +1"),
            // The flag of one `listen` holds for the address.
            (
                "server { listen 443 ssl; server_name a.x; } server { listen *:443; server_name b.x; }",
                1,
                &[],
                "127.0.0.1:443 (b.x) +0",
            ),
            // 127.0.0.1 is another socket here.
            (
                "server { listen 443 ssl; server_name a.x; } server { listen 127.0.0.1:443 ssl; server_name b.x; }",
                0,
                &[],
                "127.0.0.2:443 (a.x) +0",
            ),
            (
                "server { listen [::]:443 ssl; server_name a.x; } server { listen [::1]:443 ssl; server_name b.x; }",
                0,
                &[],
                " +1",
            ),
            (
                "server { listen unix:/s ssl; listen 1 ssl proxy_protocol; listen 443 quic; server_name a.x; }",
                0,
                &[],
                " +2",
            ),
            ("server { listen 80; server_name a.x; }", 0, &[], " +0"),
            ("server { listen 443 quic; server_name a.x; }", 0, &[], " +1"),
            ("server { listen 443 ssl; listen 443 quic; server_name a.x; }", 0, &[], "127.0.0.1:443 (a.x) +0"),
        ] {
            assert_eq!(asked(text, server, wanted), said, "{text}");
        }
    }

    #[test]
    fn names_lead_where_nginx_leads_them() {
        let servers = servers(
            "server { listen 443 ssl; server_name *.example.org; }
             server { listen 443 ssl; server_name www.example.org; }
             server { listen 443 ssl; server_name .sub.example.org; }
             server { listen 443 ssl; server_name www.example.*; }
             server { listen 443 ssl default_server; server_name ~^mail; }",
        );
        let routes = Routes { servers: &servers };
        let address = routes.tls_addresses()[0].clone();
        for (name, server) in [
            ("www.example.org", Some(1)),
            ("a.example.org", Some(0)),
            ("a.b.example.org", Some(0)),
            ("example.org", None),
            ("sub.example.org", Some(2)),
            ("a.sub.example.org", Some(2)),
            ("www.example.com", Some(3)),
            ("mail.example.com", None),
        ] {
            assert_eq!(routes.named(name, &address), server, "{name}");
        }
        assert_eq!(routes.default_of(&address), Some(4));
    }

    #[test]
    fn server_names_as_a_certificate_carries_them() {
        for (own, names) in [
            ("a.x", &["a.x"][..]),
            (".x.y", &["x.y", "*.x.y"]),
            ("*.x.y", &["*.x.y"]),
            ("www.x.*", &[]),
            ("~^a$", &[]),
            ("_", &[]),
            ("", &[]),
            ("192.0.2.1", &[]),
            ("$hostname", &[]),
        ] {
            assert_eq!(certificate_names(own), names, "{own}");
        }
    }
}
