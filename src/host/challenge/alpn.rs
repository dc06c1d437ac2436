//! TLS-ALPN-01 (RFC 8737) by a listener of our own.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::listener::{Door, ListenError};
use crate::cert::Name;
use crate::host::timed::Timed;

/// The protocol's name (RFC 8737 section 6.2).
pub const ALPN: &[u8] = b"acme-tls/1";

type Answers = Arc<RwLock<BTreeMap<String, Arc<CertifiedKey>>>>;

/// Shows the certificate of a challenge to whoever speaks `acme-tls/1`, and nothing to others.
pub struct TlsDoor {
    door: Door,
    answers: Answers,
}

impl TlsDoor {
    /// Listens.
    ///
    /// # Errors
    /// The port is taken or not ours to take.
    pub fn open(address: SocketAddr) -> Result<Self, ListenError> {
        let answers = Answers::default();
        let refused =
            |error: rustls::Error| ListenError { address: address.to_string(), source: std::io::Error::other(error) };
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Shown(Arc::clone(&answers))));
        config.alpn_protocols = vec![ALPN.to_vec()];
        let config = Arc::new(config);
        let door = Door::open(address, move |stream| answer(stream, &config))?;
        Ok(Self { door, answers })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Shows from now on, for this name, a self-signed certificate with the SHA-256 of the key authorization in a critical
    /// `acmeIdentifier` (RFC 8737 section 3).
    ///
    /// # Errors
    /// The certificate cannot be made.
    pub fn add(&self, name: &Name, digest: &[u8]) -> Result<(), rcgen::Error> {
        let key = rcgen::KeyPair::generate()?;
        let mut params = rcgen::CertificateParams::default();
        params.subject_alt_names = vec![match name {
            Name::Dns(name) => rcgen::SanType::DnsName(name.as_str().try_into()?),
            Name::Ip(address) => rcgen::SanType::IpAddress(*address),
        }];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "acme-tls/1");
        params.not_before = time::OffsetDateTime::now_utc() - time::Duration::DAY;
        params.not_after = params.not_before + time::Duration::days(8);
        params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key)?;
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = aws_lc_rs::sign::any_supported_type(&der).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let shown = CertifiedKey::new(vec![certificate.der().clone()], signing);
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        answers.insert(asked_name(name), Arc::new(shown));
        Ok(())
    }
}

/// The server name by which a name is asked for: an address by its name in the reverse tree (RFC 8738 section 6).
#[must_use]
pub fn asked_name(name: &Name) -> String {
    match name {
        Name::Dns(name) => name.clone(),
        Name::Ip(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Name::Ip(IpAddr::V6(address)) => {
            let octets = address.octets();
            let nibbles = octets.iter().rev().flat_map(|octet| [octet & 0xf, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

struct Shown(Answers);

impl fmt::Debug for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if !hello.alpn()?.any(|offered| offered == ALPN) {
            return None;
        }
        let asked = hello.server_name()?.to_ascii_lowercase();
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&asked).map(Arc::clone)
    }
}

/// The handshake is the answer; then the connection ends (RFC 8737 section 3).
fn answer(stream: Timed, config: &Arc<ServerConfig>) {
    let Ok(connection) = ServerConnection::new(Arc::clone(config)) else { return };
    let mut stream = StreamOwned::new(connection, stream);
    let mut one = [0];
    let _ = stream.read(&mut one);
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_by_their_reverse_name() {
        assert_eq!(asked_name(&"192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa");
        let v6 = asked_name(&"2001:db8::1".parse().unwrap());
        assert_eq!(v6, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
        assert_eq!(asked_name(&"www.example.org".parse().unwrap()), "www.example.org");
    }
}
