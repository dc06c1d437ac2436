//! A port that is open for the time of an order.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

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
        answer: impl Fn(Caller) + Send + Sync + 'static,
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

/// Who has come, and until when there is time for it.
pub(super) struct Caller {
    stream: TcpStream,
    until: Instant,
}

impl Caller {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Caller {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into)
    }
}

impl Write for Caller {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn serve(listener: &TcpListener, closed: &AtomicBool, answer: &Arc<impl Fn(Caller) + Send + Sync + 'static>) {
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
        let caller = Caller { stream, until: Instant::now() + LONGEST };
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A byte now and then does not hold a place: reading ends when the caller's time is over, not when it is silent.
    #[test]
    fn a_caller_has_its_time_and_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let dripping = thread::spawn(move || {
            while far.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let began = Instant::now();
        let mut caller = Caller { stream, until: began + Duration::from_millis(300) };
        let mut byte = [0];
        let mut read = 0;
        while caller.read(&mut byte).is_ok_and(|count| count > 0) {
            read += 1;
        }
        assert!(read > 1 && began.elapsed() < Duration::from_secs(5), "{read} in {:?}", began.elapsed());
        drop(caller);
        dripping.join().unwrap();
    }
}
