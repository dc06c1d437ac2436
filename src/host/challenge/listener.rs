//! A port that is open for the time of an order.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::host::timed::Timed;

/// Conversations at the same time; more are closed at once.
const MOST: usize = 32;
/// How often the end of the order is looked for.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// How long one conversation may take, from its beginning: a caller who sends a byte now and then would hold its place for ever.
const LONGEST: Duration = Duration::from_secs(10);

/// A port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// The address.
    pub address: String,
    /// Why.
    pub source: io::Error,
}

impl ListenError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        if self.source.kind() == io::ErrorKind::AddrInUse {
            "another program has the port: for http-01 name its folder as `webroot`, have it pass the requests on to another `listen` \
             address, or use dns-01"
        } else if self.source.kind() == io::ErrorKind::PermissionDenied {
            "ports below 1024 are root's: run as root, or name another `listen` address"
        } else {
            "name an address of this machine as `listen`"
        }
    }
}

/// An open port, closed when dropped.
pub(super) struct Door {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Door {
    /// Listens, and answers each connection on a thread of its own.
    pub(super) fn open(
        address: SocketAddr,
        answer: impl Fn(Timed) + Send + Sync + 'static,
    ) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address: address.to_string(), source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let closed = Arc::new(AtomicBool::new(false));
        let (seen, answer) = (Arc::clone(&closed), Arc::new(answer));
        let thread = thread::Builder::new()
            .name("challenge".to_owned())
            .spawn(move || serve(&listener, &seen, &answer))
            .map_err(failed)?;
        Ok(Self { address, closed, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, closed: &AtomicBool, answer: &Arc<impl Fn(Timed) + Send + Sync + 'static>) {
    let busy = Arc::new(AtomicUsize::new(0));
    while !closed.load(Ordering::SeqCst) {
        let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&GLANCE));
        let Ok((stream, _)) = listener.accept() else { continue };
        if busy.load(Ordering::SeqCst) >= MOST {
            continue;
        }
        if stream.set_nonblocking(false).is_err() {
            continue;
        }
        let caller = Timed { socket: stream, end: Instant::now() + LONGEST };
        busy.fetch_add(1, Ordering::SeqCst);
        let (answer, done) = (Arc::clone(answer), Arc::clone(&busy));
        let spawned = thread::Builder::new().name("challenge".to_owned()).stack_size(256 * 1024).spawn(move || {
            answer(caller);
            done.fetch_sub(1, Ordering::SeqCst);
        });
        if spawned.is_err() {
            busy.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
