//! A conversation with one end for all its waits: who sends a byte now and then gets no more time for it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A socket whose every wait ends at one moment.
pub(super) struct Timed {
    /// The socket, which may wait.
    pub(super) socket: TcpStream,
    /// The moment.
    pub(super) end: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        self.socket.read(into)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

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
        let mut caller = Timed { socket: stream, end: began + Duration::from_millis(300) };
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
