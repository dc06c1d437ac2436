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
