//! Why a handshake showed nothing.

use std::net::SocketAddr;
use std::{fmt, io};

use rustls::{AlertDescription, InvalidMessage};

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
    #[error("reach {address}")]
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
        /// The protocol if it is known, else the first bytes, escaped.
        seen: String,
    },
    /// The server refused.
    #[error("{address} ended the TLS handshake with the alert {alert}")]
    Alert {
        /// Who.
        address: SocketAddr,
        /// As RFC 8446 section 6 names it, or its number.
        alert: String,
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
}

impl ProbeError {
    /// What to do, where that can be said.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Resolve { .. } | Self::Name { .. } => Some("check the probe's address and name"),
            Self::Refused { .. } => Some("is the service running, and does it listen on this port?"),
            Self::Connect { .. } | Self::Timeout { .. } => Some("check routes and packet filters, or raise the limit"),
            Self::NotTls { .. } => {
                Some("check the port; a service that begins in plain text cannot be probed this way")
            }
            Self::Alert { alert, .. } => match alert.as_str() {
                "protocol_version" => Some("the server may speak TLS 1.1 or older alone"),
                "unrecognized_name" => Some("the server knows nobody of this name"),
                "handshake_failure" => Some("no version, cipher or kind of key in common"),
                _ => None,
            },
            Self::Reset { .. } | Self::Oversized { .. } | Self::Tls { .. } => None,
        }
    }

    /// What TLS itself complains of, sorted.
    #[allow(clippy::wildcard_enum_match_arm, reason = "the library's errors are an open set")]
    pub(super) fn of(address: SocketAddr, error: rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::Alert { address, alert: alert_name(alert) },
            rustls::Error::PeerSentOversizedRecord
            | rustls::Error::InvalidMessage(
                InvalidMessage::CertificatePayloadTooLarge
                | InvalidMessage::HandshakePayloadTooLarge
                | InvalidMessage::MessageTooLarge,
            ) => Self::Oversized { address, what: "a message above the protocol's limit" },
            source => Self::Tls { address, source },
        }
    }

    /// Of the failures of several addresses, which one says most about the service.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Resolve { .. } | Self::Name { .. } => 0,
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
            | Self::Tls { .. } => 4,
        }
    }
}

/// What was being done when time was up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The name was being looked up.
    Resolve,
    /// The connection was being made.
    Connect,
    /// TLS was being spoken.
    Handshake,
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Resolve => "looking up",
            Self::Connect => "connecting to",
            Self::Handshake => "shaking hands with",
        })
    }
}

/// The alert as the standards write it: `handshake_failure`, not `HandshakeFailure`.
#[allow(clippy::wildcard_enum_match_arm, reason = "alerts are an open set")]
fn alert_name(alert: AlertDescription) -> String {
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
