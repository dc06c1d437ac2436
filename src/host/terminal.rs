//! The terminal, if there is one, and standard input, whatever it is.

use std::io::{self, IsTerminal, Read};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The columns of the terminal that standard output goes to; none when it goes elsewhere.
#[must_use]
pub fn width() -> Option<usize> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(out).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// What standard input holds, to its end; more than `max` bytes are read and dropped, so that whoever writes them is not held up.
///
/// # Errors
/// Somebody asked this process to end before the writer did; or whatever the system says.
pub fn all_of_input(max: u64, interrupted: &dyn Fn() -> bool) -> io::Result<String> {
    let mut input = io::stdin().lock();
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        // Whoever reads blocked learns of a signal only by the next byte.
        match poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) if interrupted() => return Err(io::ErrorKind::Interrupted.into()),
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match input.read(&mut piece) {
            Ok(0) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Ok(count) => {
                let room = usize::try_from(max).unwrap_or(usize::MAX).saturating_sub(bytes.len());
                bytes.extend_from_slice(&piece[..count.min(room)]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// How long a signal may wait.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
