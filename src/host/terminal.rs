//! The terminal, if there is one.

use std::io::{self, IsTerminal};

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
/// Whatever the system says.
pub fn all_of_input(max: u64) -> std::io::Result<String> {
    use std::io::Read;
    let mut input = std::io::stdin().lock();
    let mut bytes = Vec::new();
    input.by_ref().take(max).read_to_end(&mut bytes)?;
    std::io::copy(&mut input, &mut std::io::sink())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
