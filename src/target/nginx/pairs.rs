//! The pairs a configuration uses, and which of them a target means.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::routes::{Routes, certificate_names};
use super::server::{Files, Server};
use crate::cert::{Name, codec};
use crate::change::{KeyFamily, Probe, Role, Slot};
use crate::config::{Discovered, NginxConfig, TargetKind};
use crate::host::Host;
use crate::target::Pair;

/// The largest certificate file that is read to tell kinds of keys apart, in bytes.
const MAX_CERTIFICATE: u64 = 1 << 20;

/// All pairs of files that servers speak TLS with.
pub(super) struct Pairs<'s> {
    routes: Routes<'s>,
    /// Certificate and key, in the order in which they first appear, and the servers that use them.
    used: Vec<Used>,
    /// Servers that speak TLS, whether with files or not.
    speaking: Vec<usize>,
}

struct Used {
    certificate: PathBuf,
    key: PathBuf,
    servers: Vec<usize>,
}

/// What a target means.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Chosen {
    /// Positions of pairs, rising; at least one.
    pub(super) pairs: Vec<usize>,
    /// The servers by which they were chosen.
    servers: Vec<usize>,
}

impl<'s> Pairs<'s> {
    pub(super) fn of(servers: &'s [Server]) -> Self {
        let routes = Routes { servers };
        let speaking: Vec<usize> = (0..servers.len()).filter(|index| routes.speaks_tls(*index)).collect();
        let mut used: Vec<Used> = Vec::new();
        for &index in &speaking {
            for files in &servers[index].pairs {
                let Files::Paths { certificate, key } = files else { continue };
                match used.iter_mut().find(|it| it.certificate == *certificate && it.key == *key) {
                    Some(known) if known.servers.contains(&index) => {}
                    Some(known) => known.servers.push(index),
                    None => {
                        used.push(Used { certificate: certificate.clone(), key: key.clone(), servers: vec![index] });
                    }
                }
            }
        }
        Self { routes, used, speaking }
    }

    /// The pairs with this certificate file.
    pub(super) fn by_certificate(&self, path: &Path) -> Option<Chosen> {
        let pairs: Vec<usize> = (0..self.used.len()).filter(|index| self.used[*index].certificate == path).collect();
        let servers: BTreeSet<usize> = pairs.iter().flat_map(|index| self.used[*index].servers.clone()).collect();
        (!pairs.is_empty()).then(|| Chosen { pairs, servers: servers.into_iter().collect() })
    }

    /// The pairs of the servers that nginx would choose for these names. A server that merely also fits, a wildcard beside the
    /// exact name, keeps its own certificate.
    pub(super) fn by_names(&self, names: &[Name], notes: &mut Vec<String>) -> Option<Chosen> {
        let mut servers: BTreeSet<usize> = BTreeSet::new();
        for name in names {
            let found = self.servers_of(name);
            if found.is_empty() && matches!(name, Name::Dns(_)) {
                notes.push(format!("no server_name of a TLS server is {name}"));
            }
            servers.extend(found);
        }
        if servers.is_empty() {
            servers = names.iter().flat_map(|name| self.servers_at(name)).collect();
        }
        let pairs = self.pairs_of(&servers);
        if !pairs.is_empty() {
            return Some(Chosen { pairs, servers: servers.into_iter().collect() });
        }
        // One pair for whatever is asked for: an appliance with `server_name _`.
        let only = servers.is_empty() && self.used.len() == 1;
        only.then(|| {
            notes.push(format!("the only pair there is, {}, is taken", self.used[0].certificate.display()));
            Chosen { pairs: vec![0], servers: self.used[0].servers.clone() }
        })
    }

    /// A file of a chosen pair that belongs to another one too, and that one's certificate.
    pub(super) fn shared_with_others(&self, chosen: &[usize]) -> Option<(PathBuf, PathBuf)> {
        let others = || (0..self.used.len()).filter(|index| !chosen.contains(index)).map(|index| &self.used[index]);
        let files = chosen.iter().flat_map(|index| [&self.used[*index].certificate, &self.used[*index].key]);
        files
            .filter_map(|path| others().find(|it| it.certificate == *path || it.key == *path).map(|it| (path, it)))
            .map(|(path, other)| (path.clone(), other.certificate.clone()))
            .next()
    }

    /// Whether a chosen server reads a pair anew for every handshake. Notes name what is no file.
    pub(super) fn reads_per_handshake(&self, chosen: &Chosen, notes: &mut Vec<String>) -> bool {
        let mut per_handshake = false;
        for index in &chosen.servers {
            let Server { pairs, at, .. } = &self.routes.servers[*index];
            for files in pairs {
                match files {
                    Files::Paths { .. } => {}
                    Files::Variable(path) => {
                        per_handshake = true;
                        notes.push(format!(
                            "{path} of the server at {at} is left alone: its path depends on the request"
                        ));
                    }
                    Files::Elsewhere(place) => {
                        notes.push(format!("{place} of the server at {at} is left alone: it is no file"));
                    }
                }
            }
        }
        per_handshake
    }

    /// The chosen pairs, each with every place where it is served, by whichever server.
    pub(super) fn describe(&self, chosen: &Chosen, wanted: &[Name], host: &Host, notes: &mut Vec<String>) -> Vec<Pair> {
        chosen.pairs.iter().map(|index| self.pair(&self.used[*index], wanted, host, notes)).collect()
    }

    /// What there is, for a message: `/path/to/certificate for names`.
    pub(super) fn list(&self) -> Vec<String> {
        let line = |used: &Used| {
            let names: Vec<&str> = self.servers(used).flat_map(|it| it.names.iter().map(String::as_str)).collect();
            let names = if names.is_empty() { "any name".to_owned() } else { names.join(" ") };
            format!("{} for {names}", used.certificate.display())
        };
        self.used.iter().map(line).collect()
    }

    /// All pairs, for a first configuration: by names where these mean exactly the same pairs, else by path.
    pub(super) fn discovered(&self, settings: &NginxConfig, notes: &[String]) -> Vec<Discovered> {
        let mut found = Vec::new();
        let mut done: BTreeSet<usize> = BTreeSet::new();
        for index in 0..self.used.len() {
            if done.contains(&index) {
                continue;
            }
            let names = self.names(&self.used[index]);
            let meant = self.by_names(&names, &mut Vec::new()).map(|chosen| chosen.pairs).unwrap_or_default();
            let by_names = !names.is_empty()
                && meant.contains(&index)
                && meant.iter().all(|it| self.names(&self.used[*it]) == names);
            let meant = if by_names { meant } else { vec![index] };
            let files = meant.iter().map(|it| &self.used[*it]).flat_map(|it| [it.certificate.clone(), it.key.clone()]);
            let files = files.collect();
            done.extend(meant);
            let certificate = &self.used[index].certificate;
            let kind = TargetKind::Nginx(NginxConfig {
                certificate: (!by_names).then(|| certificate.clone()),
                ..settings.clone()
            });
            let mut about = vec![format!("{} as nginx uses it", certificate.display())];
            about.extend(notes.iter().cloned());
            found.push(Discovered { name: target_name(&names, certificate), names, kind, files, notes: about });
        }
        found
    }

    fn pair(&self, used: &Used, wanted: &[Name], host: &Host, notes: &mut Vec<String>) -> Pair {
        let (mut probes, mut names): (Vec<Probe>, Vec<String>) = (Vec::new(), Vec::new());
        let has_several = |server: &usize| self.routes.servers[*server].pairs.len() > 1;
        let family = if used.servers.iter().any(has_several) { family(used, host, notes) } else { None };
        for index in &used.servers {
            let server = &self.routes.servers[*index];
            let (found, unseen) = self.routes.probes(*index, wanted);
            // Where a server has this pair alone, a client of any kind gets it.
            let family = family.filter(|_| has_several(index));
            for probe in found.into_iter().map(|probe| of_family(probe, family)) {
                if !probes.contains(&probe) {
                    probes.push(probe);
                }
            }
            notes.extend(unseen.into_iter().chain(server.notes.clone()));
            for name in server.names.iter().flat_map(|name| certificate_names(name)) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let slot = |path: &Path, role| Slot { path: path.to_owned(), role };
        let slots = if used.certificate == used.key {
            vec![slot(&used.certificate, Role::Combined)]
        } else {
            vec![slot(&used.certificate, Role::FullChain), slot(&used.key, Role::Key)]
        };
        Pair { slots, probes, family, names }
    }

    fn servers_of(&self, name: &Name) -> BTreeSet<usize> {
        let Name::Dns(name) = name else {
            let literal = name.to_string();
            return self
                .speaking
                .iter()
                .copied()
                .filter(|it| self.routes.servers[*it].names.contains(&literal))
                .collect();
        };
        let addresses = self.routes.tls_addresses();
        let Some(domain) = name.strip_prefix("*.") else {
            return addresses.iter().filter_map(|address| self.routes.named(name, address)).collect();
        };
        let same = |own: &String| own == name || own.strip_prefix('.') == Some(domain);
        self.speaking.iter().copied().filter(|it| self.routes.servers[*it].names.iter().any(same)).collect()
    }

    /// A client that connects to an IP address asks for no name and gets the default server there.
    fn servers_at(&self, name: &Name) -> BTreeSet<usize> {
        let Name::Ip(ip) = name else { return BTreeSet::new() };
        let addresses = self.routes.tls_addresses();
        addresses.iter().filter(|it| it.takes(*ip)).filter_map(|it| self.routes.default_of(it)).collect()
    }

    fn pairs_of(&self, servers: &BTreeSet<usize>) -> Vec<usize> {
        (0..self.used.len()).filter(|index| self.used[*index].servers.iter().any(|it| servers.contains(it))).collect()
    }

    fn servers(&self, used: &'s Used) -> impl Iterator<Item = &'s Server> {
        used.servers.iter().map(|index| &self.routes.servers[*index])
    }

    fn names(&self, used: &Used) -> Vec<Name> {
        let mut names: Vec<Name> = Vec::new();
        for index in &used.servers {
            let own = self.routes.servers[*index].names.iter().flat_map(|name| certificate_names(name));
            for name in own.filter_map(|name| name.parse().ok()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }
}

/// A probe that sees only pairs of this kind of key.
pub(super) fn of_family(probe: Probe, family: Option<KeyFamily>) -> Probe {
    match probe {
        Probe::Tls { address, start, name, .. } => Probe::Tls { address, start, name, family },
        other @ (Probe::Command(_) | Probe::Bundle { .. }) => other,
    }
}

/// The kind of a pair's key, as its certificate says.
fn family(used: &Used, host: &Host, notes: &mut Vec<String>) -> Option<KeyFamily> {
    let path = &used.certificate;
    let contents = match host.read(path, MAX_CERTIFICATE) {
        Ok(bytes) => codec::read(&bytes, None).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let kind = contents.and_then(|contents| match contents.certificates.first() {
        Some(leaf) => Ok(leaf.key_kind().family()),
        None => Err("no certificate is in it".to_owned()),
    });
    kind.unwrap_or_else(|why| {
        let path = path.display();
        notes.push(format!(
            "{path} is one of several certificates of its server, and its kind of key is not known: {why}"
        ));
        None
    })
}

/// A name for a target out of the first name it is for, or out of the certificate's file name.
fn target_name(names: &[Name], certificate: &Path) -> String {
    let stem = certificate.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let text = names.first().map(ToString::to_string).or(stem).unwrap_or_default();
    let text = text.strip_prefix("*.").unwrap_or(&text);
    let safe: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let safe: String = safe.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).chars().take(60).collect();
    if safe.is_empty() { "nginx".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::nginx::{server, tree};

    const DUAL: &str = "
        server { listen 443 ssl; server_name www.x.y; ssl_certificate rsa.pem; ssl_certificate_key rsa.key;
                 ssl_certificate ec.pem; ssl_certificate_key ec.key; }";
    const SITES: &str = "
        server { listen 443 ssl default_server; server_name _; ssl_certificate d.pem; ssl_certificate_key d.key; }
        server { listen 443 ssl; server_name www.x.y x.y; ssl_certificate w.pem; ssl_certificate_key w.key; }
        server { listen 443 ssl; listen 8443 ssl; server_name *.x.y; ssl_certificate s.pem; ssl_certificate_key s.key; }
        server { listen 192.0.2.1:443 ssl; ssl_certificate ip.pem; ssl_certificate_key ip.pem; }
        server { listen 80; server_name plain.x.y; ssl_certificate p.pem; ssl_certificate_key p.key; }";

    fn servers(text: &str) -> Vec<Server> {
        let text = if text.contains("http {") { text.to_owned() } else { format!("http {{ {text} }}") };
        server::read(&tree::parse(&text, Path::new("/e/n")).unwrap(), Path::new("/e"))
    }

    /// The certificates chosen by names, then how many notes there are.
    fn by_names(text: &str, names: &[&str]) -> String {
        let servers = servers(text);
        let pairs = Pairs::of(&servers);
        let names: Vec<Name> = names.iter().map(|name| name.parse().unwrap()).collect();
        let mut notes = Vec::new();
        match pairs.by_names(&names, &mut notes) {
            None => "none".to_owned(),
            Some(chosen) => {
                let files = chosen.pairs.iter().map(|it| pairs.used[*it].certificate.file_name().unwrap());
                let files: Vec<_> = files.map(|name| name.to_string_lossy().into_owned()).collect();
                format!("{} +{}", files.join(" "), notes.len())
            }
        }
    }

    #[test]
    fn names_choose_what_nginx_would_choose_for_them() {
        let one = "server { listen 443 ssl default_server; server_name _; ssl_certificate o; ssl_certificate_key k; }";
        for (text, names, chosen) in [
            (DUAL, &["www.x.y"][..], "rsa.pem ec.pem +0"),
            (SITES, &["www.x.y"], "w.pem s.pem +0"),
            (SITES, &["x.y"], "w.pem +0"),
            (SITES, &["x.y", "elsewhere.z"], "w.pem +1"),
            (SITES, &["other.x.y"], "s.pem +0"),
            (SITES, &["*.x.y"], "s.pem +0"),
            (SITES, &["192.0.2.1"], "d.pem s.pem ip.pem +0"),
            (SITES, &["x.y", "192.0.2.1"], "w.pem +0"),
            (SITES, &["elsewhere.z"], "none"),
            (SITES, &["2001:db8::1"], "none"),
            (one, &["whatever.z"], "o +2"),
            ("", &["x.y"], "none"),
        ] {
            assert_eq!(by_names(text, names), chosen, "{names:?}\n{text}");
        }
    }

    #[test]
    fn a_path_chooses_its_pair_and_a_shared_file_is_found() {
        let servers = servers(
            "server { listen 443 ssl; server_name a.x; ssl_certificate a.pem; ssl_certificate_key k; }
             server { listen 443 ssl; server_name b.x; ssl_certificate b.pem; ssl_certificate_key k; }
             server { listen 443 ssl; server_name c.x; ssl_certificate c.pem; ssl_certificate_key c.pem; }",
        );
        let pairs = Pairs::of(&servers);
        let by = |path: &str| pairs.by_certificate(Path::new(path)).map(|chosen| chosen.pairs);
        assert_eq!(by("/e/b.pem"), Some(vec![1]));
        assert_eq!(by("/e/k"), None);
        assert_eq!(pairs.shared_with_others(&[0]), Some((PathBuf::from("/e/k"), PathBuf::from("/e/b.pem"))));
        assert_eq!(pairs.shared_with_others(&[0, 1]), None);
        assert_eq!(pairs.shared_with_others(&[2]), None);
        assert_eq!(pairs.list()[2], "/e/c.pem for c.x");
    }

    #[test]
    fn a_pair_is_described_with_every_place_it_is_served_at() {
        let servers = servers(
            "ssl_certificate all.pem; ssl_certificate_key all.key;
             server { listen 443 ssl; server_name a.x .z.x; }
             server { listen 443 ssl; server_name b.x; }
             server { listen 443 ssl; server_name a.x; }
             server { listen 8443 ssl; server_name c.x; ssl_certificate $v; ssl_certificate_key $v; }
             server { listen 9443 ssl; server_name d.x; ssl_certificate d.pem; ssl_certificate_key d.pem; }",
        );
        let pairs = Pairs::of(&servers);
        let host = Host::new("/nonexistent");
        let mut notes = Vec::new();
        let chosen = pairs.by_certificate(Path::new("/e/all.pem")).unwrap();
        let pair = &pairs.describe(&chosen, &[], &host, &mut notes)[0];
        let probes: Vec<String> = pair.probes.iter().map(ToString::to_string).collect();
        assert_eq!(probes, ["127.0.0.1:443 (a.x)", "127.0.0.1:443 (b.x)"]);
        assert_eq!(pair.names, ["a.x", "z.x", "*.z.x", "b.x"]);
        assert_eq!(pair.slots.iter().map(|slot| slot.role).collect::<Vec<_>>(), [Role::FullChain, Role::Key]);
        assert_eq!(notes.len(), 1, "the third server is never reached: {notes:?}");
        assert!(!pairs.reads_per_handshake(&chosen, &mut notes));

        let dynamic = Chosen { pairs: vec![0], servers: vec![3] };
        assert!(pairs.reads_per_handshake(&dynamic, &mut notes));
        assert!(notes[1].starts_with("$v of the server at /e/n:5 is left alone"), "{notes:?}");

        let combined = pairs.by_certificate(Path::new("/e/d.pem")).unwrap();
        assert_eq!(pairs.describe(&combined, &[], &host, &mut notes)[0].slots[0].role, Role::Combined);
    }

    #[test]
    fn pairs_are_discovered_so_that_the_configuration_finds_them_again() {
        let settings = NginxConfig { binary: PathBuf::from("/n"), conf: None, prefix: None, certificate: None };
        let found = |text: &str| -> Vec<String> {
            let servers = servers(text);
            let pairs = Pairs::of(&servers);
            let found = pairs.discovered(&settings, &[]);
            let line = |it: &Discovered| {
                let TargetKind::Nginx(nginx) = &it.kind else { panic!("nginx") };
                let path = nginx.certificate.as_ref().map_or(String::new(), |path| path.display().to_string());
                let names: Vec<String> = it.names.iter().map(ToString::to_string).collect();
                format!("{}: {} {path}", it.name, names.join(" "))
            };
            found.iter().map(line).collect()
        };
        assert_eq!(found(DUAL), ["www.x.y: www.x.y "], "both pairs are one target");
        assert_eq!(
            found(SITES),
            ["d:  /e/d.pem", "www.x.y: www.x.y x.y /e/w.pem", "x.y: *.x.y ", "ip:  /e/ip.pem"],
            "8443 has the name www.x.y lead to another pair"
        );
        assert_eq!(found(""), Vec::<String>::new());
    }

    #[test]
    fn names_of_targets_are_safe() {
        for (names, path, wanted) in [
            (&["*.x.y"][..], "/c.pem", "x.y"),
            (&["2001:db8::1"], "/c.pem", "2001-db8--1"),
            (&[], "/e/..", "nginx"),
            (&[], "/e/.häß lich.pem", "h---lich"),
        ] {
            let names: Vec<Name> = names.iter().map(|name| name.parse().unwrap()).collect();
            assert_eq!(target_name(&names, Path::new(path)), wanted);
        }
    }
}
