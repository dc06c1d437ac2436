//! Why a server that somebody named was not reached, or the conversation with it broke off: the same for every protocol.

use std::io;
use std::time::Duration;

use super::dial::DialError;
use super::roots::{distrusted, is_a_ca};
use super::tls::ProbeError;

/// There was no conversation, or it broke off.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// Nothing is trusted.
    #[error("cannot speak to {server}: {why}")]
    Roots {
        /// Host and port.
        server: String,
        /// Why.
        why: String,
    },
    /// The server's name has no address.
    #[error("cannot reach {server}")]
    Lookup {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: ProbeError,
    },
    /// Its certificate is a CA's own, which no client takes from a server.
    #[error("cannot trust {server}: the certificate that it shows is that of a CA, and not one for a server")]
    CaAsServer {
        /// Host and port.
        server: String,
    },
    /// It could not be reached, or the conversation broke off.
    #[error("cannot {what} {server}")]
    Io {
        /// What was done.
        what: &'static str,
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Time was up.
    #[error("{server} did not finish within {:.0} s: it was waited for {stage}", limit.as_secs_f32())]
    Late {
        /// Host and port.
        server: String,
        /// For what.
        stage: &'static str,
        /// The limit that was hit.
        limit: Duration,
    },
}

impl Unreached {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Roots { .. } => "install ca-certificates, or give `root` with the file of the server's root",
            Self::Lookup { .. } => "see that the name is right and that this machine's resolver answers",
            Self::CaAsServer { .. } => {
                "give that server a certificate of its own, which its CA has issued for its name"
            }
            Self::Io { source, .. } if distrusted(source) => {
                "its certificate is not trusted: for a CA of your own give `root` with the file of its root certificate"
            }
            Self::Io { .. } => "see that the server runs and can be reached from here; a proxy is not used",
            Self::Late { .. } => "see that the server answers; a longer `limit` gives it more time",
        }
    }

    /// A call on a socket failed while `stage` was waited for: where that is since its time was up, it says so.
    pub(super) fn from_io(
        what: &'static str,
        server: String,
        stage: &'static str,
        limit: Duration,
        source: io::Error,
    ) -> Self {
        // A socket with a limit tells by either that it is over.
        let late = [io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock].contains(&source.kind());
        match source {
            _ if late => Self::Late { server, stage, limit },
            source if is_a_ca(&source) => Self::CaAsServer { server },
            source => Self::Io { what, server, source },
        }
    }

    /// There is no connection.
    pub(super) fn from_dial(error: DialError, server: String, limit: Duration) -> Self {
        let stage = "its connection";
        match error {
            DialError::Late => Self::Late { server, stage, limit },
            DialError::Lookup(source) => Self::Lookup { server, source },
            DialError::Io(source) => Self::from_io("reach", server, stage, limit, source),
            DialError::Far => {
                let source = io::Error::other("it is another machine");
                Self::Io { what: "reach", server, source }
            }
        }
    }
}
