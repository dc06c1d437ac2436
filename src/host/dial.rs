//! A connection to a server that somebody named, before a moment.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::tls::{self, ProbeError};
use crate::endpoint::Endpoint;

/// How far a connection may lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// Anywhere.
    Anywhere,
    /// To this machine alone: what is said there is not encrypted.
    Here,
}

/// There is no connection.
#[derive(Debug)]
pub(super) enum DialError {
    /// The moment came.
    Late,
    /// The name has no address.
    Lookup(ProbeError),
    /// Nobody answers at any address.
    Io(io::Error),
    /// An address is not this machine's.
    Far,
}

/// Connects to the first address that answers.
///
/// # Errors
/// Nobody answered before `end`, or the way leads further than it may.
pub(super) fn dial(endpoint: &Endpoint, end: Instant, reach: Reach) -> Result<TcpStream, DialError> {
    let left = || -> Result<Duration, DialError> {
        Some(end.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero()).ok_or(DialError::Late)
    };
    let addresses = tls::addresses(endpoint, left()?).map_err(DialError::Lookup)?;
    if reach == Reach::Here && !addresses.iter().all(|address| address.ip().to_canonical().is_loopback()) {
        return Err(DialError::Far);
    }
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    let most = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for (address, others) in addresses.iter().zip((1..=most).rev()) {
        // One that swallows everything leaves its share of the time to those after it.
        match TcpStream::connect_timeout(address, left()? / others) {
            Ok(socket) => {
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(error) => refused = error,
        }
    }
    Err(DialError::Io(refused))
}
