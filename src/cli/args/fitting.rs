//! `reseal schedule` and `reseal hook`, as typed.

use clap::Subcommand;

use crate::fitting::{Act, Family};

/// What starts reseal by the clock.
#[derive(Subcommand, Debug)]
pub enum ScheduleVerb {
    /// Let this system start reseal daily, and at boot after an interrupted change
    #[command(after_help = "\
Examples:
  reseal schedule install            systemd where it is, else cron
  reseal schedule install --dry-run
  reseal schedule install --force    also where you have changed a file of it")]
    Install {
        /// `systemd` or `cron` [default: systemd where it is]
        #[arg(value_name = "HOW")]
        which: Option<String>,
    },
    /// Tell what is in place, what runs, and when it last did its work
    #[command(after_help = "\
Examples:
  reseal schedule status")]
    Status {
        /// `systemd` or `cron`
        #[arg(value_name = "HOW")]
        which: Option<String>,
    },
    /// Take out again what `schedule install` has put there, and nothing else
    #[command(after_help = "\
Examples:
  reseal schedule remove")]
    Remove {
        /// `systemd` or `cron` [default: what is in place]
        #[arg(value_name = "HOW")]
        which: Option<String>,
    },
    /// Print the files, and place nothing
    #[command(after_help = "\
Examples:
  reseal schedule show systemd
  reseal schedule show windows > reseal.xml")]
    Show {
        /// `systemd`, `cron` or `windows`
        #[arg(value_name = "HOW")]
        which: String,
    },
}

/// What tells reseal of upgrades.
#[derive(Subcommand, Debug)]
pub enum HookVerb {
    /// Let the package manager, or a vendor's installer, tell reseal of upgrades
    #[command(after_help = "\
Examples:
  reseal hook install                apt or dnf, whichever is there
  reseal hook install directory:/opt/vendor/hooks/post-update.d")]
    Install {
        /// `apt`, `dnf` or `directory:DIR` [default: what is there]
        #[arg(value_name = "WHERE")]
        which: Option<String>,
    },
    /// Tell what is in place
    #[command(after_help = "\
Examples:
  reseal hook status")]
    Status {
        /// `apt`, `dnf` or `directory:DIR`
        #[arg(value_name = "WHERE")]
        which: Option<String>,
    },
    /// Take out again what `hook install` has put there, and nothing else
    #[command(after_help = "\
Examples:
  reseal hook remove apt")]
    Remove {
        /// `apt`, `dnf` or `directory:DIR` [default: what is in place]
        #[arg(value_name = "WHERE")]
        which: Option<String>,
    },
    /// Print the files, and place nothing
    #[command(after_help = "\
Examples:
  reseal hook show apt
  reseal hook show windows > reseal.xml")]
    Show {
        /// `apt`, `dnf`, `rpm`, `windows` or `directory:DIR`
        #[arg(value_name = "WHERE")]
        which: String,
    },
    /// What hooks call.
    #[command(
        hide = true,
        after_help = "\
Examples:
  reseal hook fire before
  reseal hook fire after"
    )]
    Fire {
        /// Which side of the upgrade it is
        when: Side,
        /// With `before`: standard input names the archives that are unpacked, one a line
        #[arg(long)]
        packages: bool,
        /// With `after`: only when `before` has found that it matters
        #[arg(long)]
        begun: bool,
    },
}

/// A side of an upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Side {
    /// Nothing is unpacked yet.
    Before,
    /// All is configured.
    After,
}

/// What is asked of a family of fittings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked<'a> {
    /// To place it.
    Install(Option<&'a str>),
    /// How it stands.
    Status(Option<&'a str>),
    /// To take it out.
    Remove(Option<&'a str>),
    /// To print it.
    Show(&'a str),
    /// An upgrade is told of.
    Fire {
        /// Which side it is.
        when: Side,
        /// Standard input names the archives.
        packages: bool,
        /// Only when it was found to matter.
        begun: bool,
    },
}

impl ScheduleVerb {
    /// The same for either family.
    #[must_use]
    pub fn asked(&self) -> (Family, Asked<'_>) {
        let asked = match self {
            Self::Install { which } => Asked::Install(which.as_deref()),
            Self::Status { which } => Asked::Status(which.as_deref()),
            Self::Remove { which } => Asked::Remove(which.as_deref()),
            Self::Show { which } => Asked::Show(which),
        };
        (Family::Schedule, asked)
    }
}

impl HookVerb {
    /// The same for either family.
    #[must_use]
    pub fn asked(&self) -> (Family, Asked<'_>) {
        let asked = match self {
            Self::Install { which } => Asked::Install(which.as_deref()),
            Self::Status { which } => Asked::Status(which.as_deref()),
            Self::Remove { which } => Asked::Remove(which.as_deref()),
            Self::Show { which } => Asked::Show(which),
            Self::Fire { when, packages, begun } => Asked::Fire { when: *when, packages: *packages, begun: *begun },
        };
        (Family::Hook, asked)
    }
}

impl Asked<'_> {
    /// The verb's name in results, as it is typed.
    #[must_use]
    pub fn word(self, family: Family) -> &'static str {
        match self {
            Self::Install(_) => family.verb(Act::Install),
            Self::Status(_) => family.verb(Act::Status),
            Self::Remove(_) => family.verb(Act::Remove),
            Self::Show(_) => family.verb(Act::Show),
            Self::Fire { .. } => "hook fire",
        }
    }

    /// Whether it may change something beyond its own output.
    #[must_use]
    pub fn changes(self) -> bool {
        match self {
            Self::Install(_) | Self::Remove(_) | Self::Fire { .. } => true,
            Self::Status(_) | Self::Show(_) => false,
        }
    }
}
