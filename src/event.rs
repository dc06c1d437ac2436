//! What a flow tells whoever listens while it works. The library never prints.

use std::path::PathBuf;

use crate::change::{Command, Probe, Shown};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A target is being looked at.
    Looking {
        /// Its name.
        target: String,
    },
    /// Servers are being asked, all at the same time.
    Asking {
        /// How many have answered, or will not.
        answered: usize,
        /// Of how many.
        of: usize,
    },
    /// A certificate is being obtained.
    Obtaining {
        /// From which source.
        source: String,
    },
    /// An interrupted transaction was found.
    Recovering {
        /// Its target.
        target: String,
        /// Its verb.
        verb: String,
    },
    /// What was there is kept.
    BackedUp {
        /// The target.
        target: String,
        /// The generation's number.
        generation: u32,
    },
    /// A place is about to be changed.
    Installing {
        /// The place.
        path: PathBuf,
    },
    /// A command of the service runs.
    Running {
        /// What it is for: `check`, `reload`, `restart`, `pre hook`, `deploy hook`, `post hook`.
        what: &'static str,
        /// The command.
        command: Command,
    },
    /// A probe answered.
    Probed {
        /// The probe.
        probe: Probe,
        /// What it showed.
        shown: Shown,
        /// How many times in a row it has shown the wanted certificate.
        in_a_row: u32,
    },
    /// A hook failed where that stops nothing: after the end, or in an undo. Or the reload of an undo, where nobody can be asked.
    HookFailed {
        /// Which, and how it ended.
        text: String,
    },
    /// Something failed, and what was done is being undone.
    Undoing {
        /// The target.
        target: String,
        /// What failed.
        why: String,
    },
    /// Something worth a line that stops nothing.
    Note {
        /// The line.
        text: String,
    },
}

/// Hears events, in the order in which they happen.
pub trait Listener {
    /// Takes one event; must not block for long.
    fn hear(&mut self, event: &Event);
}

/// Listens to nothing.
pub struct Silence;

impl Listener for Silence {
    fn hear(&mut self, _event: &Event) {}
}

/// Passes on what happens, and keeps which hooks failed.
pub struct Ear<'a> {
    inner: &'a mut dyn Listener,
    failed: Vec<String>,
}

impl<'a> Ear<'a> {
    /// One that passes on to this one.
    pub fn on(inner: &'a mut dyn Listener) -> Self {
        Self { inner, failed: Vec::new() }
    }

    /// What is told of each hook that failed, in their order.
    #[must_use]
    pub fn failed(self) -> Vec<String> {
        self.failed
    }
}

impl Listener for Ear<'_> {
    fn hear(&mut self, event: &Event) {
        if let Event::HookFailed { text } = event {
            self.failed.push(text.clone());
        }
        self.inner.hear(event);
    }
}
