//! What happens, told on standard error while it happens.

use std::io::{self, IsTerminal, Write};

use crate::change::Shown;
use crate::event::{Event, Listener};
use crate::report::escape::escape;

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Telling {
    /// Nothing.
    Nothing,
    /// Notes, a line each.
    Notes,
    /// Notes, and on one line that is written over and over what is going on.
    OneLine {
        /// Its columns.
        width: usize,
    },
    /// Every event, a line each.
    All,
}

/// Tells people at standard error.
pub struct Progress {
    telling: Telling,
    /// Something stands on the line that is written over.
    shown: bool,
}

impl Progress {
    /// As `-q` and `-v` ask; by default on a terminal alone.
    #[must_use]
    pub fn new(quiet: bool, verbose: bool, width: Option<usize>) -> Self {
        let telling = match (quiet, verbose) {
            (true, _) => Telling::Nothing,
            (false, true) => Telling::All,
            (false, false) if io::stderr().is_terminal() => Telling::OneLine { width: width.unwrap_or(80) },
            (false, false) => Telling::Notes,
        };
        Self { telling, shown: false }
    }

    /// Clears the line that is written over, before something else is written.
    pub fn clear(&mut self) {
        if self.shown {
            // Where standard error is gone, nobody reads: not a reason to stop the work.
            let _ = write!(io::stderr(), "\r\u{1b}[K");
            self.shown = false;
        }
    }

    fn line(&mut self, text: &str) {
        self.clear();
        let _ = writeln!(io::stderr(), "{}", escape(text));
    }
}

impl Listener for Progress {
    fn hear(&mut self, event: &Event) {
        let text = words(event);
        match (self.telling, event) {
            (Telling::Nothing, _) => {}
            (Telling::All, _)
            | (
                Telling::Notes | Telling::OneLine { .. },
                Event::Note { .. } | Event::Undoing { .. } | Event::HookFailed { .. },
            ) => {
                self.line(&text);
            }
            (
                Telling::OneLine { width },
                Event::Looking { .. }
                | Event::Asking { .. }
                | Event::Obtaining { .. }
                | Event::Recovering { .. }
                | Event::BackedUp { .. }
                | Event::Installing { .. }
                | Event::Running { .. }
                | Event::Probed { .. },
            ) => {
                self.clear();
                let fits: String = escape(&text).chars().take(width.saturating_sub(1)).collect();
                let mut err = io::stderr();
                let _ = write!(err, "{fits}").and_then(|()| err.flush());
                self.shown = true;
            }
            (
                Telling::Notes,
                Event::Looking { .. }
                | Event::Asking { .. }
                | Event::Obtaining { .. }
                | Event::Recovering { .. }
                | Event::BackedUp { .. }
                | Event::Installing { .. }
                | Event::Running { .. }
                | Event::Probed { .. },
            ) => {}
        }
    }
}

fn words(event: &Event) -> String {
    match event {
        Event::Looking { target } => format!("{target}: looking"),
        Event::Asking { answered, of } => format!("asking: {answered} of {of} servers are done"),
        Event::Obtaining { source } => format!("obtaining a certificate: {source}"),
        Event::Recovering { target, verb } => format!("{target}: recovering an interrupted `reseal {verb}`"),
        Event::BackedUp { target, generation } => format!("{target}: what is there is kept as generation {generation}"),
        Event::Installing { path } => format!("installing {}", path.display()),
        Event::Running { what, command } => format!("{what}: {command}"),
        Event::Probed { probe, shown: Shown::Leaf { fingerprint, .. }, in_a_row } if *in_a_row > 0 => {
            format!("{probe}: the new certificate {} ({in_a_row} in a row)", fingerprint.short())
        }
        Event::Probed { probe, shown, .. } => format!("{probe}: {shown}"),
        Event::Undoing { target, why } => format!("{target}: undoing, because {why}"),
        Event::Note { text } | Event::HookFailed { text } => format!("note: {text}"),
    }
}
