//! A handshake of TLS 1.2 or 1.3 through rustls, without input or output.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CipherSuite, ClientConnection, NamedGroup, ProtocolVersion};

use super::failure::{ABOVE_THE_LIMIT, ProbeError};
use super::witness::{self, Way, Witness};
use super::{PostQuantum, Served, Version};

/// The state of one handshake.
pub(super) struct Modern {
    tls: ClientConnection,
    witness: Arc<Witness>,
    address: SocketAddr,
    way: Way,
}

impl Modern {
    /// The state at the beginning; the hello is added to `out`.
    pub(super) fn new(
        address: SocketAddr,
        server: ServerName<'static>,
        way: Way,
        out: &mut Vec<u8>,
    ) -> Result<Self, ProbeError> {
        let broken = |source| ProbeError::Tls { address, source };
        let (config, witness) = witness::client(way).map_err(broken)?;
        let tls = ClientConnection::new(Arc::new(config), server).map_err(broken)?;
        let mut begun = Self { tls, witness, address, way };
        begun.flush(out);
        Ok(begun)
    }

    /// Takes what came; what is to be sent is added to `out`. The end, if this is it.
    pub(super) fn hear(&mut self, mut fresh: &[u8], out: &mut Vec<u8>) -> Option<Result<Served, ProbeError>> {
        let mut failed = None;
        while !fresh.is_empty() && failed.is_none() && self.tls.is_handshaking() {
            match self.tls.read_tls(&mut fresh) {
                // It takes nothing more from a peer that has closed, and the loop must not wait for it to.
                Ok(0) => failed = Some(ProbeError::Reset { address: self.address }),
                Ok(_) => match self.tls.process_new_packets() {
                    Ok(_) => {}
                    Err(error) => failed = Some(ProbeError::of(self.address, error)),
                },
                // It keeps no more of a message than one can have.
                Err(_) => failed = Some(ProbeError::Oversized { address: self.address, what: ABOVE_THE_LIMIT }),
            }
        }
        let end = match failed {
            Some(error) => Some(self.end(Err(error))),
            None if self.tls.is_handshaking() => None,
            None => {
                self.tls.send_close_notify();
                Some(self.end(Ok(())))
            }
        };
        // The server may learn from an alert what is wrong; nothing here depends on it.
        self.flush(out);
        end
    }

    /// What is to be made of a connection that ended.
    pub(super) fn hung_up(&mut self) -> Result<Served, ProbeError> {
        self.end(Err(ProbeError::Reset { address: self.address }))
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "every other failure is one")]
    fn end(&mut self, outcome: Result<(), ProbeError>) -> Result<Served, ProbeError> {
        let seen = self.witness.take();
        match outcome {
            Ok(()) => {}
            Err(_) if seen.too_many => {
                return Err(ProbeError::Oversized { address: self.address, what: "more than 100 certificates" });
            }
            Err(_) if seen.enough => {}
            // A server that wants a certificate of the client's, and gets none, has shown its own all the same.
            Err(ProbeError::Alert { .. } | ProbeError::Reset { .. }) if seen.asked && seen.proved => {}
            Err(ProbeError::Alert { address, alert, .. }) => {
                // Its version is known by its hello, and its chain is looked at when its part of the handshake is whole.
                let begun = self.tls.protocol_version().is_some();
                let midway = begun && (seen.chain.is_empty() || !seen.asked);
                return Err(ProbeError::Alert { address, alert, midway });
            }
            Err(error) => return Err(error),
        }
        let group = self.tls.negotiated_key_exchange_group().map(|group| group.name());
        Ok(Served {
            chain: seen.chain,
            proved: seen.proved,
            refuted: seen.refuted,
            version: match self.tls.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
                // The client offers no third one.
                Some(_) | None => Version::Tls12,
            },
            suite: self.tls.negotiated_cipher_suite().and_then(|suite| suite_name(suite.suite())),
            group: group.and_then(group_name),
            post_quantum: match group {
                Some(group) if witness::is_post_quantum(group) => PostQuantum::Negotiated,
                Some(_) | None => PostQuantum::NotNegotiated,
            },
            // What comes after the certificates was not waited for.
            client_certificate: (!self.way.early).then_some(seen.asked),
            raw: false,
            address: self.address,
        })
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        while self.tls.wants_write() {
            // Nothing can fail: the bytes go to memory.
            if !matches!(self.tls.write_tls(out as &mut dyn io::Write), Ok(1..)) {
                break;
            }
        }
    }
}

/// The name in the IANA registry; the library marks those of TLS 1.3.
#[allow(clippy::wildcard_enum_match_arm, reason = "suites are an open set")]
fn suite_name(suite: CipherSuite) -> Option<&'static str> {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => Some("TLS_AES_128_GCM_SHA256"),
        CipherSuite::TLS13_AES_256_GCM_SHA384 => Some("TLS_AES_256_GCM_SHA384"),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => Some("TLS_CHACHA20_POLY1305_SHA256"),
        other => other.as_str(),
    }
}

/// The name in the IANA registry.
#[allow(clippy::wildcard_enum_match_arm, reason = "groups are an open set")]
fn group_name(group: NamedGroup) -> Option<&'static str> {
    match group {
        NamedGroup::X25519 => Some("x25519"),
        NamedGroup::X448 => Some("x448"),
        other => other.as_str(),
    }
}
