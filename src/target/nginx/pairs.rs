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
                        used.push(Used { certificate: certificate.clone(), key: key.clone(), servers: vec![index] })
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
    pub(super) fn told_apart_per_handshake(&self, chosen: &Chosen, notes: &mut Vec<String>) -> bool {
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
            done.extend(if by_names { meant } else { vec![index] });
            let certificate = &self.used[index].certificate;
            let kind = TargetKind::Nginx(NginxConfig {
                certificate: (!by_names).then(|| certificate.clone()),
                ..settings.clone()
            });
            let mut about = vec![format!("{} as nginx uses it", certificate.display())];
            about.extend(notes.iter().cloned());
            found.push(Discovered { name: target_name(&names, certificate), names, kind, notes: about });
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
        Probe::Tls { address, name, .. } => Probe::Tls { address, name, family },
        Probe::Command(command) => Probe::Command(command),
    }
}

/// The kind of a pair's key, as its certificate says.
fn family(used: &Used, host: &Host, notes: &mut Vec<String>) -> Option<KeyFamily> {
    let path = &used.certificate;
    let contents = match host.read(path, MAX_CERTIFICATE) {
        Ok(bytes) => codec::pem::read(&bytes, None).map_err(|error| error.to_string()),
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
