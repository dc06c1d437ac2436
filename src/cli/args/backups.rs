//! `reseal backups` and `reseal prune`, as typed.

use clap::{Args, Subcommand};

/// What to do with kept generations.
#[derive(Subcommand, Debug)]
pub enum BackupsVerb {
    /// Hold every byte against its digest
    Verify {
        /// Targets; none: all
        names: Vec<String>,
    },
    /// Let `prune` leave a generation alone
    Pin {
        /// The target
        name: String,
        /// The generation's number
        #[arg(value_parser = number)]
        generation: u32,
    },
    /// Let `prune` have it again
    Unpin {
        /// The target
        name: String,
        /// The generation's number
        #[arg(value_parser = number)]
        generation: u32,
    },
    /// Remove old generations; the same as `reseal prune`
    Prune(Prune),
}

impl BackupsVerb {
    /// What it is about; none: all.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Verify { names } => names,
            Self::Pin { name, .. } | Self::Unpin { name, .. } => std::slice::from_ref(name),
            Self::Prune(prune) => &prune.names,
        }
    }
}

/// `prune`.
#[derive(Args, Debug)]
#[command(after_help = "\
Never removed: the current generation, the newest other one that is good, pinned ones.")]
pub struct Prune {
    /// Targets; none: all
    pub names: Vec<String>,
    /// How many to keep [default: `keep` of the configuration, 10]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,
}

/// The number of a generation.
pub(super) fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a generation has a number: `reseal backups` lists them".to_owned())
}
