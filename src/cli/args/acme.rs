//! `reseal acme`, as typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with ACME.
#[derive(Subcommand, Debug)]
pub enum AcmeVerb {
    /// Accounts: a certificate authority knows whoever orders by the key of an account
    Account {
        /// What to do with one.
        #[command(subcommand)]
        act: AccountVerb,
    },
}

/// What to do with an account.
#[derive(Subcommand, Debug)]
pub enum AccountVerb {
    /// Make one; its key is kept before the server hears of it, so the same command goes on where an earlier one was interrupted
    #[command(after_help = "\
Examples:
  reseal acme account create letsencrypt --directory https://acme-v02.api.letsencrypt.org/directory \\
    --contact mailto:admin@example.org --agree-terms
  reseal acme account create office --directory https://ca.office.example/acme/acme/directory --root /etc/ssl/office-root.pem
  reseal acme account create zerossl --directory https://acme.zerossl.com/v2/DV90 --agree-terms \\
    --eab-kid KID --eab-key-file /root/eab.key")]
    Create(CreateAccount),
    /// Tell about one, or all; asks no server
    Show {
        /// Its name; none: all
        name: Option<String>,
    },
    /// Give one another key
    RollKey {
        /// Its name
        #[arg(default_value = "default")]
        name: String,
    },
    /// End one, for ever
    Deactivate {
        /// Its name
        #[arg(default_value = "default")]
        name: String,
    },
}

/// A new account, as typed.
#[derive(Args, Debug)]
pub struct CreateAccount {
    /// Its name on this machine, by which targets call it
    #[arg(default_value = "default")]
    pub name: String,
    /// The address of the CA's ACME directory
    #[arg(long, value_name = "URL")]
    pub directory: String,
    /// A file with the root of the ACME server's own HTTPS certificate, instead of the system's roots
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// Where the CA may write to, such as mailto:admin@example.org; may be given again
    #[arg(long, value_name = "URI")]
    pub contact: Vec<String>,
    /// You have read the CA's terms of service and agree to them
    #[arg(long)]
    pub agree_terms: bool,
    /// The id of an account at the CA itself, which the new one is bound to
    #[arg(long, value_name = "ID")]
    pub eab_kid: Option<String>,
    /// A file, readable by its owner alone, with the key of that account; without it and the next it is asked for
    #[arg(long, value_name = "FILE", requires = "eab_kid", conflicts_with = "eab_key_fd")]
    pub eab_key_file: Option<PathBuf>,
    /// An inherited descriptor to read that key from
    #[arg(long, value_name = "N", requires = "eab_kid")]
    pub eab_key_fd: Option<i32>,
}

impl AccountVerb {
    /// The verb, as it was typed.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create(_) => "acme account create",
            Self::Show { .. } => "acme account show",
            Self::RollKey { .. } => "acme account roll-key",
            Self::Deactivate { .. } => "acme account deactivate",
        }
    }
}
