//! TLS handshakes, to see what is really served.
//!
//! The chain is taken as it comes: expired, unknown, for another name. Nothing here says that it is trusted, and that the server
//! holds the leaf's key is certain only where [`Served::proved`] says so; a change must not be called verified without it.
//!
//! TLS 1.2 and 1.3 are spoken; what TLS 1.0 and 1.1 servers, and those with cipher suites of their time, show in plain text is
//! read without being spoken to the end ([`Served::raw`]), and never proves anything. In front of TLS stands the plain-text part
//! of eleven protocols (`STARTTLS`).
//!
//! ```text
//! Quest    one server: its addresses, which hello (Course), one deadline        one: `ask`     thousands: `ask_all` (crowd)
//!   Call       one connection: a socket that never waits
//!     Conversation   bytes in, bytes out, no input or output: Opening (STARTTLS), then Modern (rustls) or Reader (raw)
//! ```

mod call;
mod conversation;
mod course;
mod crowd;
mod failure;
mod feed;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzed;
mod lookup;
mod modern;
mod p521;
mod quest;
mod raw;
mod spoken;
mod starttls;
mod witness;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;

use crate::change::KeyFamily;
use crate::endpoint::{Endpoint, Start};

use conversation::Wanted;
use quest::Quest;

pub use self::crowd::{Crowd, Question, ask_all};
pub use self::failure::{ProbeError, Stage};
pub use self::lookup::addresses;
pub use self::spoken::Spoken;
pub use self::starttls::Refusal;

/// What a server showed in one handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Served {
    /// The certificates as they were sent, DER, leaf first (RFC 8446 section 4.4.2).
    pub chain: Vec<Vec<u8>>,
    /// Whether the server proved in this handshake that it holds the key of the leaf. False also where the proof could not be
    /// checked: a SHA-1 or Ed448 signature, RSA below 2048 bits, a leaf that strict parsers refuse; and always where the handshake
    /// was not spoken to the end ([`Served::raw`], [`Crowd::early`]).
    pub proved: bool,
    /// Whether its signature was checked and is not by the key of the leaf. Where neither this nor `proved` is true, nobody looked.
    pub refuted: bool,
    /// The protocol version agreed on.
    pub version: Version,
    /// The cipher suite agreed on, as the IANA registry names it, where it is known.
    pub suite: Option<&'static str>,
    /// The group of the key exchange, as the IANA registry names it, where it is known.
    pub group: Option<&'static str>,
    /// How the server stands with post-quantum key exchange.
    pub post_quantum: PostQuantum,
    /// Whether the server asked for a certificate of the client; `None` where the handshake did not get so far.
    pub client_certificate: Option<bool>,
    /// Whether it was read by the reader of old handshakes, which goes no further than the server's hello and proves nothing.
    pub raw: bool,
    /// The address that answered.
    pub address: SocketAddr,
}

impl Served {
    /// The version of the protocol, and the cipher suite where it is known, for people.
    #[must_use]
    pub fn spoken(&self) -> String {
        let version = self.version;
        self.suite.map_or_else(|| version.to_string(), |suite| format!("{version} with {suite}"))
    }
}

/// A version of TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.0, RFC 2246; deprecated by RFC 8996.
    Tls10,
    /// TLS 1.1, RFC 4346; deprecated by RFC 8996.
    Tls11,
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// How a server stands with key exchange that withstands a quantum computer (X25519MLKEM768).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PostQuantum {
    /// It was agreed on.
    Negotiated,
    /// The server chose another one.
    NotNegotiated,
    /// The hello that offers it got no answer, was reset or choked on; one without it was answered. Clients of today send it: a
    /// middlebox or the server loses connections.
    Refused,
}

/// The addresses of `address` (`host:port`, `[v6]:port`), in the resolver's order, each once.
///
/// A name is looked up on a thread of its own, for the system's resolver takes no deadline: one that hangs leaves the thread
/// behind.
///
/// # Errors
/// [`ProbeError::Resolve`], or [`ProbeError::Timeout`] after `limit`.
pub fn resolve(address: &str, limit: Duration) -> Result<Vec<SocketAddr>, ProbeError> {
    if let Ok(numeric) = address.parse() {
        return Ok(vec![numeric]);
    }
    let endpoint: Endpoint = address.parse().map_err(|error| ProbeError::Resolve {
        address: address.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, error),
    })?;
    addresses(&endpoint, limit)
}

/// One handshake with `address` (`host:port`, `[v6]:port`): with the first of its addresses that accepts the connection.
///
/// `name` is the server name asked for; without one, or with an IP address, none is sent. With `family`, only signatures by
/// such keys are offered, and TLS 1.2 and 1.3 alone. `limit` is for everything together: lookup, connection and handshake.
///
/// # Errors
/// Why nothing was seen; where no address accepts, the failure that says most.
pub fn handshake(
    address: &str,
    name: Option<&str>,
    family: Option<KeyFamily>,
    limit: Duration,
) -> Result<Served, ProbeError> {
    let deadline = deadline(limit);
    let wanted = wanted(name, Start::Tls, family)?;
    let addresses = resolve(address, left(deadline))?;
    Quest::new(wanted, address.to_owned(), addresses, deadline).finish()
}

/// One handshake with one address; the rest as in [`handshake`].
///
/// # Errors
/// Why nothing was seen.
pub fn handshake_at(
    address: SocketAddr,
    name: Option<&str>,
    family: Option<KeyFamily>,
    limit: Duration,
) -> Result<Served, ProbeError> {
    let wanted = wanted(name, Start::Tls, family)?;
    Quest::new(wanted, address.to_string(), vec![address], deadline(limit)).finish()
}

/// One handshake with an endpoint, whatever stands in front of TLS: with the first of its addresses that accepts the connection.
/// `limit` is for everything together: lookup, connection, plain text and handshake.
///
/// # Errors
/// Why nothing was seen; where no address accepts, the failure that says most.
pub fn ask(endpoint: &Endpoint, family: Option<KeyFamily>, limit: Duration) -> Result<Served, ProbeError> {
    let deadline = deadline(limit);
    let wanted = wanted(endpoint.server_name(), endpoint.start, family)?;
    let addresses = addresses(endpoint, left(deadline))?;
    Quest::new(wanted, endpoint.address(), addresses, deadline).finish()
}

/// One handshake with one address of an endpoint.
///
/// # Errors
/// Why nothing was seen.
pub fn ask_at(
    address: SocketAddr,
    endpoint: &Endpoint,
    family: Option<KeyFamily>,
    limit: Duration,
) -> Result<Served, ProbeError> {
    let wanted = wanted(endpoint.server_name(), endpoint.start, family)?;
    Quest::new(wanted, address.to_string(), vec![address], deadline(limit)).finish()
}

fn wanted(name: Option<&str>, start: Start, family: Option<KeyFamily>) -> Result<Wanted, ProbeError> {
    let name = name.map(server_name).transpose()?;
    Ok(Wanted { name, start, family, early: false })
}

fn server_name(name: &str) -> Result<ServerName<'static>, ProbeError> {
    let wrong = || ProbeError::Name { name: name.to_owned() };
    let bare = name.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    if let Ok(known) = ServerName::try_from(bare.to_owned()) {
        return Ok(known);
    }
    // The zone of an address is a matter of this machine; the address itself is not sent.
    if let Some((Ok(ip), _)) = bare.split_once('%').map(|(ip, zone)| (ip.parse::<std::net::Ipv6Addr>(), zone)) {
        return Ok(ServerName::from(std::net::IpAddr::from(ip)));
    }
    let ascii = idna::domain_to_ascii(bare).map_err(|_| wrong())?;
    ServerName::try_from(ascii).map_err(|_| wrong())
}

/// The end of everything a handshake may take.
fn deadline(limit: Duration) -> Instant {
    // Without a bound the addition could overflow.
    Instant::now() + limit.min(Duration::from_hours(24))
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

#[cfg(test)]
pub(super) mod tests;
