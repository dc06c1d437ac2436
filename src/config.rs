//! `reseal.toml`, read once into typed values.
//!
//! What is here is valid: names are names, commands start with an absolute path, every target names its files or its server.
//! Nothing is opened. Reading the file, and refusing one that others could have written, is the caller's part.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::assess::Rules;
use crate::cert::{Generate, Name, SubjectPart};
use crate::change::{Apply, Command, Probe, Role, Slot};
use crate::endpoint::Start;

pub use notify::{Channel, ChannelKind, Link, MailTls, Notify, On, Ping, SecretName, Shape, Smtp, Url, Webhook};
pub use places::{NoHome, Places};
pub use policy::{AfterUpgrade, Policy, RenewBefore};
pub use problem::{ConfigError, Problem};
pub use starter::{Discovered, render_starter};

mod acme;
mod findings;
mod notify;
mod places;
mod policy;
mod problem;
mod schema;
mod starter;
mod table;
mod target;
mod words;

/// The host label under which a name covered by a wildcard is asked for. Any would do; this one tells the server's log who asked.
pub const WILDCARD_LABEL: &str = "reseal-probe";

/// The whole configuration.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The file it was read from, for messages.
    pub origin: PathBuf,
    /// Where reseal keeps backups, journal and ledger; none: the standard place.
    pub state_dir: Option<PathBuf>,
    /// Where adopted pairs live; none: the standard place.
    pub live_dir: Option<PathBuf>,
    /// Limit of one handshake with a server that somebody names and that is no target's: `probe_timeout` of `[defaults]`.
    pub probe_timeout: Duration,
    /// `[ca.NAME]`: what is to be known about a local CA beyond its own state.
    pub authorities: BTreeMap<String, CaConfig>,
    /// `[trust.NAME]`: kinds of clients, each the file with the roots it trusts.
    pub trust: BTreeMap<String, PathBuf>,
    /// `[findings]` and `[[accept]]`.
    pub rules: Arc<Rules>,
    /// `[system_store]`: where this system keeps the certificates that it trusts; none: as the system is found to be.
    pub system_store: Option<SystemStore>,
    /// `[hooks]`.
    pub hooks: HooksConfig,
    /// `[[notify]]`, `[ping]`, `[metrics]`: who is told of what a run came to.
    pub notify: Notify,
    /// The targets, in the order of the file; no two have the same name.
    pub targets: Vec<TargetConfig>,
}

impl Config {
    /// Reads a configuration; `origin` only names it in messages.
    ///
    /// # Errors
    /// Every unknown key and every value that cannot be, each with its line and column; of a file that is no TOML, the first place
    /// where it is not.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ConfigError> {
        schema::read(text, origin)
    }

    /// The target of this name.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&TargetConfig> {
        self.targets.iter().find(|target| target.name == name)
    }
}

/// `[hooks]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HooksConfig {
    /// The directory with `pre`, `deploy` and `post`; none: the standard place.
    pub directory: Option<PathBuf>,
    /// certbot's directory of deploy hooks, where these are to run as well.
    pub certbot_deploy: Option<PathBuf>,
    /// Seconds that one hook may take.
    pub timeout: u32,
}

impl Default for HooksConfig {
    fn default() -> Self {
        Self { directory: None, certbot_deploy: None, timeout: 60 }
    }
}

/// `[system_store]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SystemStore {
    /// The directory for certificates of the administrator's own.
    pub directory: PathBuf,
    /// What the names of the files in it end with, with the dot.
    pub suffix: String,
    /// The file with all trusted certificates, which clients read.
    pub bundle: PathBuf,
    /// Makes it anew.
    pub update: Command,
}

/// `[ca.NAME]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CaConfig {
    /// A file that holds the passphrase of the CA's key.
    pub passphrase_file: Option<PathBuf>,
}

/// One `[[target]]`.
#[derive(Clone, PartialEq, Debug)]
pub struct TargetConfig {
    /// Its name: letters, digits, `.`, `_` and `-`, the first a letter or digit, at most 64. Safe as a file name.
    pub name: String,
    /// The names its certificate must carry. Empty only for an nginx pair that is chosen by its path: then the server names count.
    pub names: Vec<Name>,
    /// Where the certificate is served. For nginx: instead of the listeners found in its configuration.
    pub listen: Vec<Listen>,
    /// What kind of target it is, with what only that kind needs.
    pub kind: TargetKind,
    /// The service's commands, where given.
    pub apply: Apply,
    /// A command that exits with 0 when the service is well.
    pub probe: Option<Command>,
    /// The user the service runs as.
    pub service_user: Option<String>,
    /// Whether the product is a TLS client with this certificate too: then it must be good for both.
    pub needs_client_auth: bool,
    /// Whether hooks run around its changes.
    pub hooks: bool,
    /// What the owner says of findings, for all targets alike.
    pub rules: Arc<Rules>,
    /// Where its certificates come from.
    pub source: SourceConfig,
    /// When to act, and how carefully; `[defaults]` are already in it.
    pub policy: Policy,
}

impl TargetConfig {
    /// The ways given in the configuration to see what is served.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        let mut probes: Vec<Probe> = self.listen.iter().map(Listen::probe).collect();
        probes.extend(self.probe.clone().map(Probe::Command));
        probes
    }
}

/// A place where a certificate is served.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Listen {
    /// `host:port` or `[v6]:port`.
    pub address: String,
    /// How TLS begins there.
    pub start: Start,
    /// Server name to ask for (RFC 6066 section 3).
    pub name: Option<String>,
}

impl Listen {
    /// As a probe.
    #[must_use]
    pub fn probe(&self) -> Probe {
        Probe::Tls { address: self.address.clone(), start: self.start, name: self.name.clone(), family: None }
    }
}

/// What kind of target it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TargetKind {
    /// `kind = "files"`: PEM files, named one by one.
    Files(FilesConfig),
    /// `kind = "nginx"`: what nginx's own configuration names.
    Nginx(NginxConfig),
}

impl TargetKind {
    /// The word in the configuration.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Files(_) => "files",
            Self::Nginx(_) => "nginx",
        }
    }
}

/// The files of a `files` target; no two are the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FilesConfig {
    /// Chain and key in one file.
    Combined(PathBuf),
    /// Certificate and key apart.
    Separate {
        /// The full chain, or the leaf alone where `chain` is given.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
        /// The intermediates alone.
        chain: Option<PathBuf>,
    },
}

impl FilesConfig {
    /// As slots.
    #[must_use]
    pub fn slots(&self) -> Vec<Slot> {
        let slot = |path: &Path, role| Slot { path: path.to_owned(), role };
        match self {
            Self::Combined(path) => vec![slot(path, Role::Combined)],
            Self::Separate { certificate, key, chain: None } => {
                vec![slot(certificate, Role::FullChain), slot(key, Role::Key)]
            }
            Self::Separate { certificate, key, chain: Some(chain) } => {
                vec![slot(certificate, Role::Leaf), slot(chain, Role::Chain), slot(key, Role::Key)]
            }
        }
    }
}

/// How to find one nginx and one pair in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NginxConfig {
    /// The program.
    pub binary: PathBuf,
    /// Its main configuration file (`-c`).
    pub conf: Option<PathBuf>,
    /// Its prefix (`-p`).
    pub prefix: Option<PathBuf>,
    /// The pair's certificate file as nginx's configuration names it, links not resolved; none: the pair is found by names.
    pub certificate: Option<PathBuf>,
}

impl NginxConfig {
    /// Where Debian, RHEL and nginx.org's packages put the program.
    pub const BINARY: &'static str = "/usr/sbin/nginx";
}

/// Where a target's certificates come from.
#[derive(Clone, PartialEq, Debug)]
pub enum SourceConfig {
    /// Nowhere: reseal only judges, installs what it is handed, and restores.
    None,
    /// A CA of reseal's own.
    LocalCa {
        /// Its name.
        ca: String,
        /// Lifetime of what it issues, 1 to 200 days.
        days: u32,
        /// The kind of key to make.
        key: Generate,
    },
    /// A CA elsewhere, to which a person carries requests.
    Csr {
        /// The kind of key to make.
        key: Generate,
        /// What the request asks for besides the names.
        subject: Vec<SubjectPart>,
    },
    /// A CA elsewhere, to which a command carries requests.
    Command {
        /// The command.
        command: Command,
        /// The kind of key to make.
        key: Generate,
        /// What the request asks for besides the names.
        subject: Vec<SubjectPart>,
    },
    /// Files that somebody else keeps fresh.
    Import {
        /// The files, in any packing; never empty.
        from: Vec<PathBuf>,
        /// A file that holds the passphrase of the key.
        passphrase_file: Option<PathBuf>,
        /// The entry of a store that holds several.
        alias: Option<String>,
    },
    /// A CA that speaks ACME (RFC 8555).
    Acme(AcmeConfig),
}

/// What is to be known about an ACME order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcmeConfig {
    /// The name of the account on this machine.
    pub account: String,
    /// The directory that the account must be at, where one is given.
    pub directory: Option<String>,
    /// A file with the roots to trust for the server's own HTTPS, instead of the account's.
    pub root: Option<PathBuf>,
    /// How the names are proved.
    pub challenge: AcmeChallenge,
    /// The profile to ask for.
    pub profile: Option<String>,
    /// The common name of the issuer at the top of the chain that is preferred.
    pub preferred_chain: Option<String>,
    /// The kind of key to make.
    pub key: Generate,
    /// How long an order may take.
    pub deadline: Duration,
}

/// How names are proved to an ACME server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AcmeChallenge {
    /// HTTP-01, by a listener of our own.
    Http {
        /// Where; none: port 80 of every address.
        listen: Option<SocketAddr>,
    },
    /// HTTP-01, by the folder of a web server.
    Webroot {
        /// The folder.
        root: PathBuf,
    },
    /// TLS-ALPN-01, by a listener of our own.
    TlsAlpn {
        /// Where; none: port 443 of every address.
        listen: Option<SocketAddr>,
    },
    /// DNS-01, by a command.
    DnsHook {
        /// The command.
        command: Command,
        /// How long to wait until the CA is asked to look.
        wait: Duration,
    },
    /// DNS-01, by a dynamic update (RFC 2136).
    DnsUpdate {
        /// The name server.
        host: String,
        /// Its port.
        port: u16,
        /// The zone; none: found out.
        zone: Option<String>,
        /// The file with the TSIG key.
        key_file: Option<PathBuf>,
        /// `nsupdate`.
        program: PathBuf,
        /// How long to wait until the CA is asked to look.
        wait: Duration,
    },
}

#[cfg(test)]
mod tests;
