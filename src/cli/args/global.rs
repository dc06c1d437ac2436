//! What holds for every verb, as typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What holds for every verb.
#[derive(Args, Debug)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The configuration [default: /etc/reseal/reseal.toml, or a user's own]
    #[arg(long, global = true, value_name = "FILE", env = "RESEAL_CONFIG", hide_env = false)]
    pub config: Option<PathBuf>,
    /// Where backups, journal and ledger are, instead of what the configuration says
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// For people, or for programs (docs/json.md; the last four are for `check`: docs/monitoring.md)
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub format: Format,
    /// Show what would be done, and change nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Do what would be refused: an expired certificate, missing names, an older generation that has ended
    #[arg(long, global = true)]
    pub force: bool,
    /// Believe this machine's clock, though the newest receipt is of a later time (docs/recovery.md)
    #[arg(long, global = true)]
    pub trust_clock: bool,
    /// Run none of the hooks in this run's changes (docs/hooks.md)
    #[arg(long, global = true, alias = "no-directory-hooks")]
    pub no_hooks: bool,
    /// Never ask a person for anything
    #[arg(long, short = 'n', global = true)]
    pub non_interactive: bool,
    /// A file with the passphrase of an encrypted key, readable by its owner alone
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "passphrase_fd")]
    pub passphrase_file: Option<PathBuf>,
    /// An inherited file descriptor to read the passphrase from
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub passphrase_fd: Option<i32>,
    /// Remember what a person types here, once it has opened a key, in the kernel's memory for 15 minutes or so many: the next run
    /// asks nobody
    #[arg(
        long,
        global = true,
        value_name = "MINUTES",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "15",
        value_parser = super::secret::minutes()
    )]
    pub remember: Option<u64>,
    /// How long to wait while another reseal is at work
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u32,
    /// Say nothing while all is well
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell every act on standard error
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Colours; `auto`: on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    pub color: Colour,
}

/// How results are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object on standard output.
    Json,
    /// A JSON object a line, one for each subject: for `check`, and for `scan` as it is found.
    Jsonl,
    /// For spreadsheets.
    Csv,
    /// For Nagios and Icinga, with their exit codes 0, 1, 2, 3.
    Nagios,
    /// For the textfile collector of Prometheus.
    Prometheus,
}

/// When colours are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Colour {
    /// On a terminal.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}
