//! How a name is proved to be ours (RFC 8555 section 8, RFC 8737, RFC 8738).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use instant_acme::ChallengeType;

use super::dns::{self, Record};
use super::error::AcmeError;
use crate::cert::Name;
use crate::change::Command;
use crate::host::Host;
use crate::host::challenge::{HttpDoor, ListenError, TlsDoor, Webroot};

/// How names are proved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Challenge {
    /// HTTP-01, answered by a listener of our own.
    Http {
        /// Where; none: port 80 of every address.
        listen: Option<SocketAddr>,
    },
    /// HTTP-01, answered by a web server that serves this folder.
    Webroot {
        /// The folder.
        root: PathBuf,
        /// The user whose directories are trusted besides root's.
        owner: Option<u32>,
    },
    /// TLS-ALPN-01, answered by a listener of our own.
    TlsAlpn {
        /// Where; none: port 443 of every address.
        listen: Option<SocketAddr>,
    },
    /// DNS-01, by a command.
    DnsHook {
        /// The command; `present` or `cleanup` becomes its last argument.
        command: Command,
        /// How long to wait until the CA is asked to look.
        wait: Duration,
    },
    /// DNS-01, by a dynamic update (RFC 2136) of a name server.
    DnsUpdate {
        /// The update.
        update: dns::Update,
        /// How long to wait until the CA is asked to look.
        wait: Duration,
    },
}

/// One name to prove, with what proves it.
pub(super) struct Asked {
    pub name: Name,
    pub token: String,
    pub key_authorization: String,
    pub digest: Vec<u8>,
    pub dns_value: String,
}

impl Challenge {
    /// Its name in RFC 8555 and RFC 8737.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Http { .. } | Self::Webroot { .. } => "http-01",
            Self::TlsAlpn { .. } => "tls-alpn-01",
            Self::DnsHook { .. } | Self::DnsUpdate { .. } => "dns-01",
        }
    }

    pub(super) fn kind(&self) -> ChallengeType {
        match self {
            Self::Http { .. } | Self::Webroot { .. } => ChallengeType::Http01,
            Self::TlsAlpn { .. } => ChallengeType::TlsAlpn01,
            Self::DnsHook { .. } | Self::DnsUpdate { .. } => ChallengeType::Dns01,
        }
    }

    /// Whether these names can be proved by it at all: told before anything is asked.
    ///
    /// # Errors
    /// A wildcard without DNS-01, or an address with it.
    pub fn admit(&self, names: &[Name]) -> Result<(), AcmeError> {
        let dns = matches!(self, Self::DnsHook { .. } | Self::DnsUpdate { .. });
        for name in names {
            if name.is_wildcard() && !dns {
                return Err(AcmeError::Wildcard(name.clone()));
            }
            if matches!(name, Name::Ip(_)) && dns {
                return Err(AcmeError::Address(name.clone()));
            }
        }
        Ok(())
    }

    /// Makes everything ready to be looked at.
    pub(super) fn answer(&self, host: &Host, asked: &[Asked]) -> Result<Answered, AcmeError> {
        match self {
            Self::Http { listen } => {
                let door = open(*listen, 80, HttpDoor::open)?;
                for one in asked {
                    door.add(&one.token, &one.key_authorization);
                }
                Ok(Answered::Door { _http: Some(door), _tls: None })
            }
            Self::Webroot { root, owner } => {
                let mut webroot = Webroot::open(host, root, *owner)?;
                for one in asked {
                    webroot.add(&one.token, &one.key_authorization)?;
                }
                Ok(Answered::Folder(webroot))
            }
            Self::TlsAlpn { listen } => {
                let door = open(*listen, 443, TlsDoor::open)?;
                for one in asked {
                    door.add(&one.name, &one.digest).map_err(|_| AcmeError::Crypto)?;
                }
                Ok(Answered::Door { _http: None, _tls: Some(door) })
            }
            Self::DnsHook { .. } | Self::DnsUpdate { .. } => {
                let mut put = Vec::new();
                for one in asked {
                    if host.interrupted().is_some() {
                        let _ = self.take_back(host, &put);
                        return Err(AcmeError::Interrupted);
                    }
                    let record = Record::of(&one.name, &one.dns_value);
                    let done = self.publish(host, &record, true);
                    // What failed may have happened all the same, so it is taken back too.
                    put.push(record);
                    if let Err(error) = done {
                        let _ = self.take_back(host, &put);
                        return Err(error);
                    }
                }
                Ok(Answered::Records(put))
            }
        }
    }

    /// How long to wait until the CA is asked to look.
    pub(super) fn wait(&self) -> Duration {
        match self {
            Self::Http { .. } | Self::Webroot { .. } | Self::TlsAlpn { .. } => Duration::ZERO,
            Self::DnsHook { wait, .. } | Self::DnsUpdate { wait, .. } => *wait,
        }
    }

    /// Takes everything back; what could not be is told.
    pub(super) fn end(&self, host: &Host, answered: Answered) -> Vec<String> {
        match answered {
            Answered::Door { .. } | Answered::Folder(_) => Vec::new(),
            Answered::Records(records) => self.take_back(host, &records),
        }
    }

    fn take_back(&self, host: &Host, records: &[Record]) -> Vec<String> {
        records
            .iter()
            .filter_map(|record| self.publish(host, record, false).err())
            .map(|error| error.to_string())
            .collect()
    }

    fn publish(&self, host: &Host, record: &Record, present: bool) -> Result<(), AcmeError> {
        match self {
            Self::DnsHook { command, .. } => dns::hook(host, command, record, present),
            Self::DnsUpdate { update, .. } => update.carry_out(host, record, present),
            Self::Http { .. } | Self::Webroot { .. } | Self::TlsAlpn { .. } => Ok(()),
        }
    }
}

/// What stands ready, until it is dropped or ended.
pub(super) enum Answered {
    Door { _http: Option<HttpDoor>, _tls: Option<TlsDoor> },
    Folder(#[allow(dead_code, reason = "held until the order's end")] Webroot),
    Records(Vec<Record>),
}

/// Opens a port; without an address, for IPv6 and IPv4 together, or IPv4 alone where the machine has no IPv6.
fn open<T>(
    listen: Option<SocketAddr>,
    port: u16,
    open: impl Fn(SocketAddr) -> Result<T, ListenError>,
) -> Result<T, ListenError> {
    match listen {
        Some(address) => open(address),
        None => match open((Ipv6Addr::UNSPECIFIED, port).into()) {
            Err(error) if error.source.raw_os_error() == Some(NO_IPV6) => open((Ipv4Addr::UNSPECIFIED, port).into()),
            other => other,
        },
    }
}

/// EAFNOSUPPORT of Linux.
const NO_IPV6: i32 = 97;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_needs_dns_and_an_address_anything_else() {
        let http = Challenge::Http { listen: None };
        let dns = Challenge::DnsHook { command: Command::new(["/bin/true"]), wait: Duration::ZERO };
        let wildcard = ["*.example.org".parse().unwrap()];
        let address = ["192.0.2.1".parse().unwrap()];
        assert!(matches!(http.admit(&wildcard), Err(AcmeError::Wildcard(_))));
        assert!(matches!(Challenge::TlsAlpn { listen: None }.admit(&wildcard), Err(AcmeError::Wildcard(_))));
        assert!(dns.admit(&wildcard).is_ok() && http.admit(&address).is_ok());
        assert!(matches!(dns.admit(&address), Err(AcmeError::Address(_))));
    }
}
