//! The servers of a configuration, each with what it has inherited.

use std::path::{Path, PathBuf};

use super::listen::Listener;
use super::tree::Directive;

/// A `server` block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Server {
    /// `server_name`, in lower case, as written otherwise.
    pub(super) names: Vec<String>,
    /// Its listeners; none of which nginx would refuse.
    pub(super) listeners: Vec<Listener>,
    /// Its certificates and keys, the first with the first and so on.
    pub(super) pairs: Vec<Files>,
    /// Where it is written, for messages.
    pub(super) at: String,
    /// What could not be understood.
    pub(super) notes: Vec<String>,
}

/// A certificate and its key as the configuration names them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Files {
    /// Two paths, made absolute; the same one twice where both are in one file.
    Paths {
        /// `ssl_certificate`
        certificate: PathBuf,
        /// `ssl_certificate_key`
        key: PathBuf,
    },
    /// A path with a variable in it: read anew for every handshake.
    Variable(String),
    /// No file: `data:`, `engine:`, `store:`.
    Elsewhere(String),
}

/// What a block hands down to the blocks in it.
#[derive(Clone, Default)]
struct Inherited<'d> {
    certificates: Vec<&'d str>,
    keys: Vec<&'d str>,
    /// `ssl on`, before nginx 1.25.1.
    on: bool,
    /// `ssl_reject_handshake on`: no certificate is ever shown.
    rejects: bool,
    /// `starttls` in `mail`.
    starttls: bool,
}

impl<'d> Inherited<'d> {
    /// What holds in a block: each list of its own replaces the whole list from outside.
    fn within(&self, block: &'d [Directive]) -> Self {
        let list = |name: &str, outside: &[&'d str]| {
            let own: Vec<&'d str> = block.iter().filter(|it| it.name == name).map(Directive::first).collect();
            if own.is_empty() { outside.to_vec() } else { own }
        };
        let last = |name: &str| block.iter().rfind(|it| it.name == name);
        Self {
            certificates: list("ssl_certificate", &self.certificates),
            keys: list("ssl_certificate_key", &self.keys),
            on: last("ssl").map_or(self.on, Directive::is_on),
            rejects: last("ssl_reject_handshake").map_or(self.rejects, Directive::is_on),
            starttls: last("starttls").map_or(self.starttls, |it| it.is_on() || it.first() == "only"),
        }
    }
}

/// The servers of `http`, `stream` and `mail`, in the order of the configuration; relative paths start at `root`. Servers of
/// different modules never share a socket.
pub(super) fn read(directives: &[Directive], root: &Path) -> Vec<Server> {
    let mut servers = Vec::new();
    for module in directives {
        let port = match module.name.as_str() {
            "http" => Some(80),
            "stream" | "mail" => None,
            _ => continue,
        };
        let Some(block) = &module.block else { continue };
        let outside = Inherited::default().within(block);
        for server in block.iter().filter(|it| it.name == "server") {
            if let Some(block) = &server.block {
                servers.push(read_server(server, block, &outside, port, root));
            }
        }
    }
    servers
}

fn read_server<'d>(
    server: &'d Directive,
    block: &'d [Directive],
    outside: &Inherited<'d>,
    port: Option<u16>,
    root: &Path,
) -> Server {
    let inherited = outside.within(block);
    let at = format!("{}:{}", server.file.display(), server.line);
    let mut notes = Vec::new();
    let mut listeners = Vec::new();
    for directive in block.iter().filter(|it| it.name == "listen") {
        match Listener::read(directive, port) {
            Some(mut listener) => {
                listener.tls |= inherited.on && !listener.udp;
                listeners.push(listener);
            }
            None => {
                notes.push(format!("the server at {at} listens on {:?}, which is not understood", directive.first()));
            }
        }
    }
    if listeners.is_empty() && port.is_some() {
        listeners.push(Listener { tls: inherited.on, ..Listener::implied() });
    }
    if inherited.starttls && !inherited.certificates.is_empty() {
        notes.push(format!("the server at {at} speaks STARTTLS, which nginx listeners are not asked in"));
    }
    let mut pairs = Vec::new();
    if !inherited.rejects {
        for (index, certificate) in inherited.certificates.iter().enumerate() {
            match inherited.keys.get(index) {
                Some(key) => pairs.push(files(certificate, key, root)),
                None => notes.push(format!("{certificate} of the server at {at} has no ssl_certificate_key")),
            }
        }
    }
    let names = block.iter().filter(|it| it.name == "server_name").flat_map(|it| &it.args);
    Server { names: names.map(|name| lower(name)).collect(), listeners, pairs, at, notes }
}

/// Names are compared without case; a regular expression means what its letters say (`\D` is not `\d`).
fn lower(name: &str) -> String {
    if name.starts_with('~') { name.to_owned() } else { name.to_ascii_lowercase() }
}

fn files(certificate: &str, key: &str, root: &Path) -> Files {
    let elsewhere = |text: &str| ["data:", "engine:", "store:"].iter().any(|scheme| text.starts_with(scheme));
    for text in [certificate, key] {
        if elsewhere(text) {
            // `data:` holds the key itself when a variable brings it; the scheme is all that a message may show.
            let scheme = text.split(':').next().unwrap_or_default();
            return Files::Elsewhere(format!("{scheme}:..."));
        }
    }
    match [certificate, key].into_iter().find(|text| text.contains('$')) {
        Some(variable) => Files::Variable(variable.to_owned()),
        None => Files::Paths { certificate: root.join(certificate), key: root.join(key) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::nginx::tree;

    fn servers(text: &str) -> Vec<Server> {
        read(&tree::parse(text, Path::new("/e/nginx.conf")).unwrap(), Path::new("/e"))
    }

    fn paths(certificate: &str, key: &str) -> Files {
        Files::Paths { certificate: PathBuf::from(certificate), key: PathBuf::from(key) }
    }

    #[test]
    fn lists_are_inherited_whole_and_each_on_its_own() {
        let found = servers(
            "http { ssl_certificate a.pem; ssl_certificate_key a.key; ssl_certificate b.pem; ssl_certificate_key b.key;
               server { listen 443 ssl; }
               server { listen 443 ssl; ssl_certificate /c.pem; ssl_certificate_key /c.key; }
               server { listen 443 ssl; ssl_certificate d.pem; }
               server { listen 443 ssl; ssl_reject_handshake on; }
             }
             ssl_certificate /nowhere.pem;
             stream { server { listen 443 ssl; ssl_certificate s.pem; ssl_certificate_key s.pem; } }",
        );
        let pairs: Vec<&[Files]> = found.iter().map(|server| server.pairs.as_slice()).collect();
        assert_eq!(pairs[0], [paths("/e/a.pem", "/e/a.key"), paths("/e/b.pem", "/e/b.key")]);
        assert_eq!(pairs[1], [paths("/c.pem", "/c.key")]);
        assert_eq!(pairs[2], [paths("/e/d.pem", "/e/a.key")], "nginx merges the two lists apart");
        assert_eq!(pairs[3], []);
        assert_eq!(pairs[4], [paths("/e/s.pem", "/e/s.pem")]);
        assert_eq!(found[1].at, "/e/nginx.conf:3");
    }

    #[test]
    fn what_is_no_file_is_told_apart() {
        let found = servers(
            "http { server { ssl_certificate $cert; ssl_certificate_key /k;
                             ssl_certificate /c; ssl_certificate_key engine:pkcs11:secret;
                             ssl_certificate data:$x; ssl_certificate_key data:$y; ssl_certificate /last; } }",
        );
        assert_eq!(
            found[0].pairs,
            [
                Files::Variable("$cert".to_owned()),
                Files::Elsewhere("engine:...".to_owned()),
                Files::Elsewhere("data:...".to_owned()),
            ]
        );
        assert!(found[0].notes[0].contains("/last") && found[0].notes[0].contains("no ssl_certificate_key"));
    }

    #[test]
    fn listeners_of_old_and_new_ways() {
        let found = servers(
            "http { server { ssl on; } server { listen 443; ssl on; } server { listen 1 ssl; listen 2; }
                    server { listen oops:x; server_name A.Example ~^\\D; } }
             mail { ssl_certificate /m; ssl_certificate_key /k; server { listen 993 ssl; } server { listen 143; starttls on; } }
             stream { server { } }",
        );
        let tls = |index: usize| -> Vec<String> {
            let listeners: &[Listener] = &found[index].listeners;
            listeners.iter().filter(|it| it.tls).map(|it| it.address.to_string()).collect()
        };
        assert_eq!(tls(0), ["*:80"]);
        assert_eq!(tls(1), ["*:443"]);
        assert_eq!(tls(2), ["*:1"]);
        assert!(found[3].notes[0].contains("\"oops:x\""));
        assert_eq!(found[3].names, ["a.example", "~^\\D"]);
        assert_eq!(tls(4), ["*:993"]);
        assert!(tls(5).is_empty() && found[5].notes[0].contains("STARTTLS"));
        assert!(found[6].listeners.is_empty());
    }
}
