//! `reseal notify`, as typed.

use clap::Subcommand;

/// What to do with channels.
#[derive(Subcommand, Debug)]
pub enum NotifyVerb {
    /// Send a test, marked as one, and tell exactly what became of it
    #[command(after_help = "\
Examples:
  reseal notify test               to every channel
  reseal notify test ops           to one
  reseal notify test ping          the ping, which is taken for a run
  reseal notify test --dry-run     what would be sent, and where to")]
    Test {
        /// The channel; none: all
        name: Option<String>,
    },
    /// Tell how it stands with every channel, and what is open; ends with 3 when one does not deliver
    #[command(after_help = "\
Examples:
  reseal notify status
  reseal notify status --format json")]
    Status,
}

impl NotifyVerb {
    /// The verb, as it was typed.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Test { .. } => "notify test",
            Self::Status => "notify status",
        }
    }

    /// Whether it does something beyond telling.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Test { .. } => true,
            Self::Status => false,
        }
    }
}
