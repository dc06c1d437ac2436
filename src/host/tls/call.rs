//! One connection: a socket that never waits, and the conversation on it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};

use super::Served;
use super::conversation::{Conversation, Manner, Wanted};
use super::course::Ended;
use super::failure::{ProbeError, Stage};

/// The state of one connection.
pub(super) struct Call {
    stream: TcpStream,
    address: SocketAddr,
    /// Made when the connection is: nobody computes a key for an address that never answers.
    talk: Option<Conversation>,
    /// The server takes no more; what it said may still be read.
    deaf: bool,
    /// When the hello went out.
    asked: Option<Instant>,
    /// How long the first answer took.
    answered: Option<Duration>,
}

impl Call {
    /// Begins to connect. The kernel repeats what is lost on the way, for as long as it is let.
    pub(super) fn open(address: SocketAddr) -> Result<Self, ProbeError> {
        let failed = |error: io::Error| connect_error(address, error);
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket =
            socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP)).map_err(|e| failed(e.into()))?;
        match connect(&socket, &address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS | rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        let stream = TcpStream::from(socket);
        // Only spares a round trip's delay.
        let _ = stream.set_nodelay(true);
        Ok(Self { stream, address, talk: None, deaf: false, asked: None, answered: None })
    }

    /// Takes the connection forward as far as it goes without waiting. The end, if this is it.
    pub(super) fn advance(
        &mut self,
        wanted: &Wanted,
        manner: Manner,
        scratch: &mut [u8],
    ) -> Option<Result<Served, ProbeError>> {
        if self.talk.is_none() {
            match self.stream.take_error() {
                Ok(None) => {}
                Ok(Some(error)) | Err(error) => return Some(Err(connect_error(self.address, error))),
            }
            // Whoever looks because time is up, and not because the socket says so, must not take it for connected.
            if self.stream.peer_addr().is_err() {
                return None;
            }
            let own = self.stream.local_addr().ok().map(|own| own.ip());
            match Conversation::new(wanted.clone(), manner, self.address, own) {
                Ok(talk) => self.talk = Some(talk),
                Err(error) => return Some(Err(error)),
            }
        }
        let address = self.address;
        loop {
            self.send();
            let talk = self.talk.as_mut()?;
            if self.asked.is_none() && talk.unanswered() {
                self.asked = Some(Instant::now());
            }
            match self.stream.read(scratch) {
                Ok(0) => return Some(talk.hung_up()),
                Ok(count) => {
                    let end = talk.hear(scratch.get(..count).unwrap_or_default());
                    if let Some(asked) = self.asked
                        && self.answered.is_none()
                        && !talk.unanswered()
                    {
                        self.answered = Some(asked.elapsed());
                    }
                    if end.is_some() {
                        self.send();
                        return end;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if is_hang_up(error.kind()) => return Some(talk.hung_up()),
                Err(source) => return Some(Err(ProbeError::Connect { address, source })),
            }
        }
    }

    /// Sends what can be sent. A failure is no end: whoever hangs up has often said why, and that is still to be read.
    fn send(&mut self) {
        let Some(talk) = &mut self.talk else { return };
        let out = talk.out();
        while !out.is_empty() && !self.deaf {
            match self.stream.write(out) {
                Ok(count) => {
                    out.drain(..count.min(out.len()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.deaf = true,
            }
        }
    }

    /// Whether it waits for the connection, or to be rid of something.
    pub(super) fn wants_write(&mut self) -> bool {
        match &mut self.talk {
            None => true,
            Some(talk) => !self.deaf && !talk.out().is_empty(),
        }
    }

    /// What is being waited for.
    pub(super) fn stage(&self) -> Stage {
        self.talk.as_ref().map_or(Stage::Connect, Conversation::stage)
    }

    /// How it stands with the hello.
    pub(super) fn ended(&self) -> Ended {
        let unanswered = self.asked.is_some() && self.answered.is_none();
        let waited = self.answered.or(self.asked.map(|asked| asked.elapsed()));
        Ended { unanswered, waited: waited.unwrap_or_default() }
    }

    /// Since when a hello is out that nobody has answered.
    pub(super) fn unanswered_since(&self) -> Option<Instant> {
        self.asked.filter(|_| self.answered.is_none())
    }

    /// Whom it is with.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl AsFd for Call {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn is_hang_up(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "kinds of errors are an open set")]
fn connect_error(address: SocketAddr, source: io::Error) -> ProbeError {
    match source.kind() {
        // The kernel gave up: about two minutes.
        io::ErrorKind::TimedOut => ProbeError::Timeout { stage: Stage::Connect, address: address.to_string() },
        io::ErrorKind::ConnectionRefused => ProbeError::Refused { address },
        io::ErrorKind::ConnectionReset => ProbeError::Reset { address },
        _ => ProbeError::Connect { address, source },
    }
}
