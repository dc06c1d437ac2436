//! What made somebody run reseal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What made somebody run reseal, as far as the machine tells.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trigger {
    /// What kind of thing.
    pub by: By,
    /// Which: the unit, or the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Kinds of triggers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Somebody at a terminal, or in a session of their own.
    Person,
    /// A timer of systemd's.
    Timer,
    /// A unit of systemd's that no timer has started.
    Unit,
    /// A package manager, in the hook after its upgrade.
    Packages,
    /// cron, at or anacron.
    Cron,
    /// The recovery at boot.
    Boot,
    /// Another program.
    Program,
}

impl Trigger {
    /// One that has no name of its own.
    #[must_use]
    pub fn of(by: By) -> Self {
        Self { by, name: None }
    }

    /// One of this name.
    #[must_use]
    pub fn named(by: By, name: &str) -> Self {
        Self { by, name: Some(name.chars().take(100).collect()) }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.by {
            By::Person => "person",
            By::Timer => "timer",
            By::Unit => "unit",
            By::Packages => "package manager",
            By::Cron => "cron",
            By::Boot => "boot",
            By::Program => "program",
        };
        match &self.name {
            // Their names say what they are.
            Some(name) if matches!(self.by, By::Timer | By::Unit) => out.write_str(name),
            Some(name) => write!(out, "{word} {name}"),
            None => out.write_str(word),
        }
    }
}
