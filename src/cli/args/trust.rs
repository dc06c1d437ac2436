//! `reseal trust`, as typed.

use std::path::PathBuf;

use clap::Subcommand;

use crate::trust::Store;

/// What to do with the certificates that this machine trusts.
#[derive(Subcommand, Debug)]
pub enum TrustVerb {
    /// Let clients of this machine trust a CA
    #[command(after_help = "\
Examples:
  reseal trust install corp-root.pem
  reseal trust install --ca office       the CA of `reseal ca init office`
  reseal trust install corp-root.pem --store java:/opt/app/truststore.p12
  reseal trust install corp-root.pem --store os --store nss:/root/.pki/nssdb")]
    Install {
        /// The CA's certificate, alone in its file: PEM, DER or any other packing
        #[arg(value_name = "FILE", required_unless_present = "ca", conflicts_with = "ca")]
        file: Option<PathBuf>,
        /// A CA of reseal's own instead: every root that its clients must trust
        #[arg(long, value_name = "CA")]
        ca: Option<String>,
        /// Where: `os`, `java:FILE` or `nss:DIRECTORY`; may be given again [default: os]
        #[arg(long, value_name = "STORE")]
        store: Vec<Store>,
        /// The name it gets here [default: made of its common name, or the CA's]
        #[arg(long)]
        name: Option<String>,
    },
    /// Tell what reseal has added, and whether it is still there
    #[command(after_help = "\
Examples:
  reseal trust list
  reseal trust list --store java:/opt/app/truststore.p12 --passphrase-file pp")]
    List {
        /// Only this store; may be given again
        #[arg(long, value_name = "STORE")]
        store: Vec<Store>,
    },
    /// Take out again what reseal has added, and nothing else
    #[command(after_help = "\
Examples:
  reseal trust remove corp-root
  reseal trust remove 3f:a1:5c:9e --store os")]
    Remove {
        /// Its name in `reseal trust list`, or its fingerprint (SHA-256), or the first eight digits or more of it
        #[arg(value_name = "NAME|FINGERPRINT")]
        which: String,
        /// Only this store; may be given again [default: wherever reseal has added it]
        #[arg(long, value_name = "STORE")]
        store: Vec<Store>,
    },
}

impl TrustVerb {
    /// Its name in results, as it is typed.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Install { .. } => "trust install",
            Self::List { .. } => "trust list",
            Self::Remove { .. } => "trust remove",
        }
    }

    /// Whether it may change something beyond its own output.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Install { .. } | Self::Remove { .. } => true,
            Self::List { .. } => false,
        }
    }
}
