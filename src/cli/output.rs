//! The two streams.

use std::borrow::Cow;
use std::io::{self, Write};

use anstream::adapter::strip_str;
use anstream::stream::{AsLockedWrite, RawStream};
use anstream::{AutoStream, ColorChoice};

use super::args::Colour;

/// Writes text with colours in it to standard output; the colours stay where they are wanted. A reader who has gone is no error.
///
/// # Errors
/// What was written is not all there.
pub fn result(text: &str, colour: Colour) -> io::Result<()> {
    let out = io::stdout();
    let choice = choice(colour, || AutoStream::choice(&out));
    match write_in(choice, text, out.lock()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes text with colours in it to standard error. Where that fails there is nobody left to tell.
pub fn trouble(text: &str, colour: Colour) {
    let err = io::stderr();
    let choice = choice(colour, || AutoStream::choice(&err));
    let _ = write_in(choice, text, err.lock());
}

/// All at once where the colours go, instead of a system call for each piece between two of them.
fn write_in<S: RawStream + AsLockedWrite>(choice: ColorChoice, text: &str, mut stream: S) -> io::Result<()> {
    match choice {
        ColorChoice::Never => {
            let plain =
                if text.contains('\x1b') { Cow::Owned(strip_str(text).to_string()) } else { Cow::Borrowed(text) };
            stream.write_all(plain.as_bytes()).and_then(|()| stream.flush())
        }
        ColorChoice::Auto | ColorChoice::AlwaysAnsi | ColorChoice::Always => {
            let mut stream = AutoStream::new(stream, choice);
            stream.write_all(text.as_bytes()).and_then(|()| stream.flush())
        }
    }
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
