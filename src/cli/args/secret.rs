//! `reseal secret`, as typed.

use clap::{Subcommand, ValueEnum};

/// The most minutes that the kernel keeps a passphrase: a day.
const MOST_MINUTES: u64 = 1440;

/// What to do with passphrases.
#[derive(Subcommand, Debug)]
pub enum SecretVerb {
    /// Keep one in a keyring; where a key here is locked with it, it must open that key
    #[command(after_help = "\
Examples:
  reseal secret set ca-office                            in the keyring
  reseal secret set ca-office --in kernel --minutes 60   for an hour of work
  reseal secret set source-web --passphrase-file pp      of what a target imports")]
    Set {
        /// Its label, as `reseal secret status` tells it: ca-NAME or source-TARGET
        label: String,
        /// Where
        #[arg(long = "in", value_enum, value_name = "PLACE", default_value_t = Place::Keyring)]
        place: Place,
        /// For how many minutes the kernel keeps it, at most 1440 [default: 15]
        #[arg(long, value_name = "N", value_parser = minutes())]
        minutes: Option<u64>,
    },
    /// Tell where each comes from, how strong that is, and why the other sources have none; asks nobody
    #[command(after_help = "\
Examples:
  reseal secret status              every passphrase that something here is locked with
  reseal secret status ca-office
It ends with 3 when a run that asks nobody could not open something.")]
    Status {
        /// Labels; none: all that are needed here
        labels: Vec<String>,
    },
    /// Remove one from the keyrings
    #[command(after_help = "\
Examples:
  reseal secret forget ca-office --in kernel                what was typed not long ago
  reseal secret forget ca-office --passphrase-file pp       the file shows that there is another copy")]
    Forget {
        /// Its label
        label: String,
        /// There alone, instead of everywhere
        #[arg(long = "in", value_enum, value_name = "PLACE")]
        place: Option<Place>,
    },
}

/// Where a passphrase is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Place {
    /// The keyring of the desktop or the system (Secret Service)
    Keyring,
    /// The kernel's memory, for some minutes
    Kernel,
}

impl SecretVerb {
    /// The verb, as it was typed.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Set { .. } => "secret set",
            Self::Status { .. } => "secret status",
            Self::Forget { .. } => "secret forget",
        }
    }

    /// The label that it is about, if one.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Set { label, .. } | Self::Forget { label, .. } => std::slice::from_ref(label),
            Self::Status { labels } => labels,
        }
    }

    /// Whether it may change something.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Set { .. } | Self::Forget { .. } => true,
            Self::Status { .. } => false,
        }
    }
}

/// For how many minutes to remember what is typed.
pub(super) fn minutes() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=MOST_MINUTES)
}
