//! `reseal history`, as typed.

use clap::Subcommand;

/// What to do with the record of what was done.
#[derive(Clone, Copy, PartialEq, Eq, Subcommand, Debug)]
pub enum HistoryVerb {
    /// Hold each line against its checksum and the line before it, and what stands against what is told
    Verify,
}
