//! Why a handshake showed nothing.

mod hint;

use std::net::{IpAddr, SocketAddr};
use std::{fmt, io};

use rustls::{AlertDescription, InvalidMessage, PeerMisbehaved};

use super::Served;
use super::spoken::Spoken;
use super::starttls::Refusal;
use crate::endpoint::Start;

/// What is said of a longer message. The protocol allows 16 MiB (RFC 8446 section 4).
pub(super) const ABOVE_THE_LIMIT: &str = "a message of more than 64 KiB, which rustls, Go and others do not take";

/// What is said of a server that sends one warning after the other, and no handshake.
pub(super) const FLOOD_OF_WARNINGS: &str = "a flood of warning alerts";

/// The groups and suites of TLS 1.3 that are offered, for people.
pub(super) const OFFERED_TLS13: &str =
    "X25519MLKEM768, X25519, P-256, P-384, P-521 with AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305";

/// Why a server showed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The host has no address, or it could not be looked up.
    #[error("look up {address}")]
    Resolve {
        /// `host:port`.
        address: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// The name leads to an address that was to be avoided; it was not asked.
    #[error("{address} leads to {leads_to}, where cloud machines keep secrets: not asked")]
    Avoided {
        /// `host:port`.
        address: String,
        /// The address.
        leads_to: IpAddr,
    },
    /// No such name can be sent as server name (RFC 6066 section 3).
    #[error("{name:?} is not a server name")]
    Name {
        /// As given.
        name: String,
    },
    /// Nobody listens.
    #[error("{address} refuses the connection")]
    Refused {
        /// Where.
        address: SocketAddr,
    },
    /// The network does not lead there, or no longer.
    #[error("{}", unreached(*.address, .source))]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The limit for the whole handshake passed.
    #[error("no answer in time while {stage} {address}")]
    Timeout {
        /// What was being done.
        stage: Stage,
        /// With whom.
        address: String,
    },
    /// The connection ended before the handshake did.
    #[error("{address} hung up during the TLS handshake")]
    Reset {
        /// Who.
        address: SocketAddr,
    },
    /// Something else is spoken there.
    #[error("{address} answers, but not with TLS: {seen}")]
    NotTls {
        /// Who.
        address: SocketAddr,
        /// What is spoken instead.
        seen: Spoken,
    },
    /// The server refused.
    #[error("{address} {} the TLS handshake with the alert {alert}", if *.midway { "began, and then ended," } else { "ended" })]
    Alert {
        /// Who.
        address: SocketAddr,
        /// As RFC 8446 section 6 names it, or its number.
        alert: String,
        /// It came after the server's own hello, which takes up the client's, and not for want of a client's certificate: the server
        /// fails at something else than what was offered to it.
        midway: bool,
    },
    /// The server sends more than a handshake can need.
    #[error("{address} sends too much in its handshake: {what}")]
    Oversized {
        /// Who.
        address: SocketAddr,
        /// The limit that was passed.
        what: &'static str,
    },
    /// The server breaks the protocol, or speaks none that is spoken here.
    #[error("TLS handshake with {address}")]
    Tls {
        /// Who.
        address: SocketAddr,
        /// In which way.
        source: rustls::Error,
    },
    /// The server breaks the protocol, in plain text.
    #[error("{address} breaks the TLS protocol: {what}")]
    Malformed {
        /// Who.
        address: SocketAddr,
        /// In which way.
        what: &'static str,
    },
    /// The server speaks nothing newer than SSL.
    #[error("{address} speaks {version}, which is older than TLS")]
    TooOld {
        /// Who.
        address: SocketAddr,
        /// What it speaks.
        version: &'static str,
    },
    /// The server speaks TLS 1.3 and nothing else, with groups, suites or signatures that are not spoken here; the certificate is
    /// encrypted.
    #[error(
        "{address} speaks TLS 1.3 alone, and takes nothing of what is offered here, which is what browsers offer ({OFFERED_TLS13})"
    )]
    Tls13Alone {
        /// Who.
        address: SocketAddr,
    },
    /// TLS does not begin in the middle of the protocol that was named.
    #[error("{address} does not begin TLS within {protocol}: {}", refusal_words(.why))]
    StartTls {
        /// Who.
        address: SocketAddr,
        /// What was spoken.
        protocol: Start,
        /// Why not.
        why: Refusal,
    },
}

fn unreached(address: SocketAddr, source: &io::Error) -> String {
    if of_this_machine(source) { format!("this machine cannot ask {address}") } else { format!("reach {address}") }
}

fn refusal_words(why: &Refusal) -> String {
    match why {
        Refusal::NotOffered => "the server does not offer it".to_owned(),
        Refusal::Refused(words) => format!("the server refuses: \"{words}\""),
        Refusal::Unwelcome(words) => format!("the server refuses our greeting: \"{words}\""),
        Refusal::HungUp => "the server hangs up when it is asked".to_owned(),
        Refusal::Mute => "the server hangs up without a word".to_owned(),
        Refusal::TakenBack(words) => format!("the server agrees, and then says \"{words}\""),
        Refusal::Broken(what) => what.clone(),
        Refusal::TooMuch => "it talks without end".to_owned(),
    }
}

impl ProbeError {
    /// A stable name for reports.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "no-address",
            Self::Name { .. } => "bad-name",
            Self::Avoided { .. } => "avoided",
            Self::Refused { .. } => "refused",
            Self::Connect { source, .. } if of_this_machine(source) => "local-error",
            Self::Connect { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::Reset { .. } => "reset",
            Self::NotTls { seen: Spoken::Http, .. } => "plain-http",
            Self::NotTls { seen: Spoken::Known { .. } | Spoken::Other(_), .. } => "not-tls",
            Self::Alert { .. } => "alert",
            Self::Oversized { .. } => "oversized",
            Self::Tls { .. } | Self::Malformed { .. } => "protocol-error",
            Self::TooOld { .. } => "protocol-too-old",
            Self::Tls13Alone { .. } => "tls13-unsupported",
            Self::StartTls { why: Refusal::NotOffered, .. } => "starttls-not-offered",
            Self::StartTls { why: Refusal::Refused(_) | Refusal::HungUp | Refusal::TakenBack(_), .. } => {
                "starttls-refused"
            }
            Self::StartTls { why: Refusal::Unwelcome(_), .. } => "greeting-refused",
            Self::StartTls { why: Refusal::Mute, .. } => "reset",
            Self::StartTls { why: Refusal::Broken(_), .. } => "starttls-broken",
            Self::StartTls { why: Refusal::TooMuch, .. } => "oversized",
        }
    }

    /// Whether this machine could not ask at all: that says nothing of the server.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Connect { source, .. } if of_this_machine(source))
    }

    /// The same, beside what the other addresses of the name came to. Without a route for one family of addresses nothing leads to any
    /// server of that family; where the other family was answered, that is a lack of this machine.
    pub fn is_local_beside<'a>(&self, others: impl IntoIterator<Item = &'a Result<Served, Self>>) -> bool {
        if self.is_local() {
            return true;
        }
        let Self::Connect { address, source } = self else { return false };
        let other_family = |other: &SocketAddr| other.is_ipv4() != address.is_ipv4();
        source.kind() == io::ErrorKind::NetworkUnreachable
            && others.into_iter().filter_map(|other| answerer(other.as_ref())).any(|other| other_family(&other))
    }

    /// With whom it was, as far as that is known: an address, or `host:port` where no address was tried.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        match self {
            Self::Name { .. } => None,
            Self::Resolve { address, .. } | Self::Avoided { address, .. } | Self::Timeout { address, .. } => {
                Some(address.clone())
            }
            Self::Refused { address }
            | Self::Connect { address, .. }
            | Self::Reset { address }
            | Self::NotTls { address, .. }
            | Self::Alert { address, .. }
            | Self::Oversized { address, .. }
            | Self::Tls { address, .. }
            | Self::Malformed { address, .. }
            | Self::TooOld { address, .. }
            | Self::Tls13Alone { address }
            | Self::StartTls { address, .. } => Some(address.to_string()),
        }
    }

    /// What TLS itself complains of, sorted.
    #[allow(clippy::wildcard_enum_match_arm, reason = "the library's errors are an open set")]
    pub(super) fn of(address: SocketAddr, error: rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::Alert { address, alert: alert_name(alert), midway: false },
            rustls::Error::PeerSentOversizedRecord
            | rustls::Error::InvalidMessage(
                InvalidMessage::CertificatePayloadTooLarge
                | InvalidMessage::HandshakePayloadTooLarge
                | InvalidMessage::MessageTooLarge,
            ) => Self::Oversized { address, what: ABOVE_THE_LIMIT },
            rustls::Error::PeerMisbehaved(PeerMisbehaved::TooManyWarningAlertsReceived) => {
                Self::Malformed { address, what: FLOOD_OF_WARNINGS }
            }
            source => Self::Tls { address, source },
        }
    }

    /// Of the failures of several addresses, which one says most about the service.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Resolve { .. } | Self::Name { .. } | Self::Avoided { .. } => 0,
            // A family of addresses that this machine does not have says nothing.
            Self::Connect { source, .. }
                if matches!(source.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::NetworkUnreachable) =>
            {
                1
            }
            Self::Refused { .. } => 2,
            Self::Connect { .. } => 3,
            Self::Timeout { .. }
            | Self::Reset { .. }
            | Self::NotTls { .. }
            | Self::Alert { .. }
            | Self::Oversized { .. }
            | Self::Tls { .. }
            | Self::Malformed { .. }
            | Self::TooOld { .. }
            | Self::Tls13Alone { .. }
            | Self::StartTls { .. } => 4,
        }
    }
}

/// Who answered, in whatever way.
fn answerer(outcome: Result<&Served, &ProbeError>) -> Option<SocketAddr> {
    match outcome {
        Ok(served) => Some(served.address),
        Err(ProbeError::Timeout { stage: Stage::StartTls | Stage::Handshake, address }) => address.parse().ok(),
        Err(
            ProbeError::Refused { address }
            | ProbeError::Reset { address }
            | ProbeError::NotTls { address, .. }
            | ProbeError::Alert { address, .. }
            | ProbeError::Oversized { address, .. }
            | ProbeError::Tls { address, .. }
            | ProbeError::Malformed { address, .. }
            | ProbeError::TooOld { address, .. }
            | ProbeError::Tls13Alone { address }
            | ProbeError::StartTls { address, .. },
        ) => Some(*address),
        Err(
            ProbeError::Timeout { .. }
            | ProbeError::Connect { .. }
            | ProbeError::Resolve { .. }
            | ProbeError::Avoided { .. }
            | ProbeError::Name { .. },
        ) => None,
    }
}

/// Whether the failure says something about this machine and nothing about the other.
fn of_this_machine(error: &io::Error) -> bool {
    use rustix::io::Errno;
    // Not EACCES, which a router's or a server's packet filter brings about too.
    let known = [Errno::PERM, Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::AFNOSUPPORT];
    let kind = matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory);
    kind || Errno::from_io_error(error).is_some_and(|errno| known.contains(&errno))
}

/// Whether this process, or the machine, has no more files to open.
fn out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// What was being done when time was up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The name was being looked up.
    Resolve,
    /// The resolver had left hundreds of names without an answer, and was not given this one.
    Unasked,
    /// The connection was being made.
    Connect,
    /// The server was being asked in plain text to begin TLS.
    StartTls,
    /// TLS was being spoken.
    Handshake,
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Resolve => "looking up",
            Self::Unasked => "waiting for the resolver, which answers nobody, to be given",
            Self::Connect => "connecting to",
            Self::StartTls => "asking for TLS at",
            Self::Handshake => "shaking hands with",
        })
    }
}

/// The alert as the standards write it: `handshake_failure`, not `HandshakeFailure`.
#[allow(clippy::wildcard_enum_match_arm, reason = "alerts are an open set")]
pub(super) fn alert_name(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnrecognisedName => return "unrecognized_name".to_owned(),
        AlertDescription::UnknownCA => return "unknown_ca".to_owned(),
        AlertDescription::UnknownPSKIdentity => return "unknown_psk_identity".to_owned(),
        AlertDescription::Unknown(number) => return number.to_string(),
        _ => {}
    }
    let mut name = String::new();
    for letter in format!("{alert:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}
