//! The two streams.

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};

use super::args::Colour;

/// Writes text with colours in it to standard output; the colours stay where they are wanted. A reader who has gone is no error.
///
/// # Errors
/// What was written is not all there.
pub fn result(text: &str, colour: Colour) -> io::Result<()> {
    let out = io::stdout();
    let choice = choice(colour, || AutoStream::choice(&out));
    let mut stream = AutoStream::new(out.lock(), choice);
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes text with colours in it to standard error. Where that fails there is nobody left to tell.
pub fn trouble(text: &str, colour: Colour) {
    let err = io::stderr();
    let choice = choice(colour, || AutoStream::choice(&err));
    let mut stream = AutoStream::new(err.lock(), choice);
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Whether text on standard output has colours.
#[must_use]
pub fn coloured(colour: Colour) -> bool {
    choice(colour, || AutoStream::choice(&io::stdout())) != ColorChoice::Never
}

fn choice(colour: Colour, auto: impl FnOnce() -> ColorChoice) -> ColorChoice {
    match colour {
        Colour::Auto => auto(),
        Colour::Always => ColorChoice::AlwaysAnsi,
        Colour::Never => ColorChoice::Never,
    }
}
