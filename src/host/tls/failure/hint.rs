//! What to do where a server showed nothing.

use super::{ProbeError, Stage, out_of_files};
use crate::host::tls::{Refusal, Spoken};

impl ProbeError {
    /// What to do, where that can be said.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Resolve { .. } | Self::Name { .. } => Some("check the probe's address and name"),
            Self::Avoided { .. } => Some("write the address as a number if it is meant"),
            Self::Refused { .. } => Some("is the service running, and does it listen on this port?"),
            Self::Connect { source, .. } if out_of_files(source) => Some("raise the limit of open files (`ulimit -n`)"),
            Self::Timeout { stage: Stage::StartTls, .. } => Some(
                "a port that speaks TLS at once waits for the client: name it without the protocol, as `HOST:PORT`; or raise the limit",
            ),
            Self::Timeout { stage: Stage::Resolve | Stage::Unasked, .. } => {
                Some("look at the resolver (/etc/resolv.conf) and at its name servers")
            }
            Self::Connect { .. } | Self::Timeout { .. } => Some("check routes and packet filters, or raise the limit"),
            Self::NotTls { seen: Spoken::Known { .. }, .. } => Some(
                "check the port; where TLS begins after plain text, name the protocol: `smtp://host:port`, `imap://` ...",
            ),
            Self::NotTls { .. } => Some("check the port"),
            Self::TooOld { .. } => Some("no client of today connects: the server must be updated"),
            Self::StartTls { why: Refusal::NotOffered, .. } => {
                Some("the server must be configured for it, or TLS has a port of its own")
            }
            Self::StartTls { why: Refusal::TakenBack(_), .. } => {
                Some("the server's own log tells why its TLS fails: often the key is not the certificate's")
            }
            Self::StartTls { why: Refusal::Broken(_) | Refusal::Mute, .. } => {
                Some("check the port and the protocol: one that speaks TLS at once is named without it, as `HOST:PORT`")
            }
            Self::StartTls { why: Refusal::Unwelcome(_), .. } => {
                Some("the server's rules refuse a client that calls itself by its address: let this one in")
            }
            Self::Alert { midway: true, .. } => {
                Some("the server's own log tells why: often it cannot use its key, or has none for the certificate")
            }
            Self::Alert { alert, .. } => match alert.as_str() {
                "protocol_version" => Some("the server speaks no version of TLS that is spoken here"),
                "unrecognized_name" => Some("the server knows nobody of this name"),
                "handshake_failure" => Some("no version, cipher or kind of key in common"),
                "internal_error" => {
                    Some("the server's own log tells why: often it finds no certificate, or cannot use its key")
                }
                _ => None,
            },
            Self::Tls13Alone { .. } => {
                Some("let the server offer one of these groups and suites too: browsers have no others")
            }
            Self::Reset { .. }
            | Self::Oversized { .. }
            | Self::Tls { .. }
            | Self::Malformed { .. }
            | Self::StartTls { .. } => None,
        }
    }
}
