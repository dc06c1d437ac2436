//! TLS handshakes, to see what is really served.
//!
//! The chain is taken as it comes: expired, unknown, for another name. Nothing here says that it is trusted, and that the server
//! holds the leaf's key is certain only where [`Served::proved`] says so; a change must not be called verified without it.
//! TLS 1.2 and 1.3 are spoken.

mod failure;
mod witness;

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ProtocolVersion};

use crate::change::KeyFamily;

pub use self::failure::{ProbeError, Stage};

/// What a server showed in one handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Served {
    /// The certificates as they were sent, DER, leaf first (RFC 8446 section 4.4.2).
    pub chain: Vec<Vec<u8>>,
    /// Whether the server proved in this handshake that it holds the key of the leaf. False also where the proof could not be
    /// checked: a SHA-1 or Ed448 signature, RSA below 2048 bits, a leaf that strict parsers refuse.
    pub proved: bool,
    /// The protocol version agreed on.
    pub version: Version,
    /// The address that answered.
    pub address: SocketAddr,
}

/// A version of TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
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
    let failed = |source| ProbeError::Resolve { address: address.to_owned(), source };
    let (sender, receiver) = mpsc::channel();
    let wanted = address.to_owned();
    thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(move || {
            // Nobody hears it after the deadline.
            let _ = sender.send(wanted.to_socket_addrs().map(Vec::from_iter));
        })
        .map_err(failed)?;
    let found: Vec<SocketAddr> = receiver
        .recv_timeout(limit)
        .map_err(|_| ProbeError::Timeout { stage: Stage::Resolve, address: address.to_owned() })?
        .map_err(failed)?;
    let mut each = Vec::with_capacity(found.len());
    for one in found {
        if !each.contains(&one) {
            each.push(one);
        }
    }
    if each.is_empty() { Err(no_address(address)) } else { Ok(each) }
}

/// One handshake with `address` (`host:port`, `[v6]:port`): with the first of its addresses that accepts the connection.
///
/// `name` is the server name asked for; without one, or with an IP address, none is sent. With `family`, only signatures by
/// such keys are offered. `limit` is for everything together: lookup, connection and handshake.
///
/// # Errors
/// Why nothing was seen; where no address accepts, the failure that says most.
pub fn handshake(
    address: &str,
    name: Option<&str>,
    family: Option<KeyFamily>,
    limit: Duration,
) -> Result<Served, ProbeError> {
    let deadline = Deadline::after(limit);
    handshake_among(address, &resolve(address, deadline.left())?, name, family, deadline)
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
    let deadline = Deadline::after(limit);
    let server = server_name(name, address)?;
    let stream = connect(address, deadline.left())?;
    converse(stream, address, server, family, deadline)
}

/// Bytes a server may send before its handshake ends.
const MOST_BYTES: usize = 1024 * 1024;

fn handshake_among(
    address: &str,
    addresses: &[SocketAddr],
    name: Option<&str>,
    family: Option<KeyFamily>,
    deadline: Deadline,
) -> Result<Served, ProbeError> {
    let mut worst: Option<ProbeError> = None;
    for (index, &at) in addresses.iter().enumerate() {
        let server = server_name(name, at)?;
        // One address that swallows packets leaves the others their share.
        let share = deadline.left() / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match connect(at, share) {
            Ok(stream) => return converse(stream, at, server, family, deadline),
            Err(error) if worst.as_ref().is_none_or(|known| known.weight() < error.weight()) => worst = Some(error),
            Err(_) => {}
        }
    }
    Err(worst.unwrap_or_else(|| no_address(address)))
}

fn no_address(address: &str) -> ProbeError {
    ProbeError::Resolve {
        address: address.to_owned(),
        source: io::Error::new(io::ErrorKind::NotFound, "it has no address"),
    }
}

fn server_name(name: Option<&str>, address: SocketAddr) -> Result<ServerName<'static>, ProbeError> {
    let Some(name) = name else {
        return Ok(ServerName::from(address.ip()));
    };
    let wrong = || ProbeError::Name { name: name.to_owned() };
    let bare = name.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    if let Ok(known) = ServerName::try_from(bare.to_owned()) {
        return Ok(known);
    }
    let ascii = idna::domain_to_ascii(bare).map_err(|_| wrong())?;
    ServerName::try_from(ascii).map_err(|_| wrong())
}

#[allow(clippy::wildcard_enum_match_arm, reason = "kinds of errors are an open set")]
fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream, ProbeError> {
    let late = || ProbeError::Timeout { stage: Stage::Connect, address: address.to_string() };
    if limit.is_zero() {
        return Err(late());
    }
    let stream = TcpStream::connect_timeout(&address, limit).map_err(|source| match source.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => late(),
        io::ErrorKind::ConnectionRefused => ProbeError::Refused { address },
        io::ErrorKind::ConnectionReset => ProbeError::Reset { address },
        _ => ProbeError::Connect { address, source },
    })?;
    // Only spares a round trip's delay.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn converse(
    stream: TcpStream,
    address: SocketAddr,
    server: ServerName<'static>,
    family: Option<KeyFamily>,
    deadline: Deadline,
) -> Result<Served, ProbeError> {
    let broken = |source| ProbeError::Tls { address, source };
    let (config, witness) = witness::client(family).map_err(broken)?;
    let mut tls = ClientConnection::new(Arc::new(config), server).map_err(broken)?;
    let mut wire = Wire { stream, address, deadline, received: 0 };
    let outcome = wire.shake_hands(&mut tls);
    let seen = witness.seen();
    match outcome {
        Ok(()) => {
            tls.send_close_notify();
            let _ = wire.send(&mut tls);
        }
        Err(_) if seen.too_many => {
            return Err(ProbeError::Oversized { address, what: "more than 100 certificates" });
        }
        // A server that wants a certificate of the client's, and gets none, has shown its own all the same.
        Err(ProbeError::Alert { .. } | ProbeError::Reset { .. }) if seen.asked && seen.proved => {}
        Err(error) => return Err(error),
    }
    let version = match tls.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
        // The client offers no third one.
        Some(_) | None => Version::Tls12,
    };
    Ok(Served { chain: seen.chain, proved: seen.proved, version, address })
}

/// A connection with a deadline and a limit on what it takes in.
struct Wire {
    stream: TcpStream,
    address: SocketAddr,
    deadline: Deadline,
    received: usize,
}

impl Wire {
    fn shake_hands(&mut self, tls: &mut ClientConnection) -> Result<(), ProbeError> {
        loop {
            let sent = self.send(tls);
            if !tls.is_handshaking() {
                return sent;
            }
            match sent {
                // Whoever hangs up has often said why; what it said is still to be read.
                Ok(()) | Err(ProbeError::Reset { .. }) => self.receive(tls)?,
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&mut self, tls: &mut ClientConnection) -> Result<(), ProbeError> {
        while tls.wants_write() {
            let left = self.left()?;
            self.stream.set_write_timeout(Some(left)).map_err(|error| self.failed(error))?;
            match tls.write_tls(&mut self.stream) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(self.failed(error)),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Takes one piece from the network and lets TLS digest it.
    fn receive(&mut self, tls: &mut ClientConnection) -> Result<(), ProbeError> {
        let address = self.address;
        let mut piece = [0; 4096];
        let left = self.left()?;
        self.stream.set_read_timeout(Some(left)).map_err(|error| self.failed(error))?;
        let count = match self.stream.read(&mut piece) {
            Ok(0) => return Err(ProbeError::Reset { address }),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(self.failed(error)),
        };
        let mut fresh = &piece[..count];
        if self.received == 0 && !begins_tls(fresh) {
            return Err(ProbeError::NotTls { address, seen: first_words(fresh) });
        }
        self.received += count;
        if self.received > MOST_BYTES {
            return Err(ProbeError::Oversized { address, what: "more than 1 MiB" });
        }
        while !fresh.is_empty() && tls.is_handshaking() {
            match tls.read_tls(&mut fresh) {
                // It takes nothing more from a peer that has closed, and the loop must not wait for it to.
                Ok(0) => return Err(ProbeError::Reset { address }),
                Ok(_) => {}
                Err(error) => return Err(self.failed(error)),
            }
            if let Err(error) = tls.process_new_packets() {
                // The server may learn from the alert what is wrong; nothing here depends on it.
                let _ = self.send(tls);
                return Err(ProbeError::of(address, error));
            }
        }
        Ok(())
    }

    fn left(&self) -> Result<Duration, ProbeError> {
        let left = self.deadline.left();
        if left.is_zero() { Err(self.late()) } else { Ok(left) }
    }

    fn late(&self) -> ProbeError {
        ProbeError::Timeout { stage: Stage::Handshake, address: self.address.to_string() }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "kinds of errors are an open set")]
    fn failed(&self, source: io::Error) -> ProbeError {
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.late(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                ProbeError::Reset { address: self.address }
            }
            _ => ProbeError::Connect { address: self.address, source },
        }
    }
}

/// Whether the first byte is a record type with which a server can begin: a handshake message or an alert (RFC 8446
/// section 5.1).
fn begins_tls(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x15 | 0x16))
}

fn first_words(bytes: &[u8]) -> String {
    if bytes.starts_with(b"HTTP/") {
        return "plain HTTP".to_owned();
    }
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    format!("it begins with \"{}\"", line[..line.len().min(40)].escape_ascii())
}

/// The end of everything a handshake may take.
#[derive(Clone, Copy)]
struct Deadline(Instant);

impl Deadline {
    fn after(limit: Duration) -> Self {
        // Without a bound the addition could overflow.
        Self(Instant::now() + limit.min(Duration::from_hours(24)))
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
pub(super) mod tests;
