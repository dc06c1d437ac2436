//! `reseal ca`, as typed.

use std::path::PathBuf;

use clap::Subcommand;

use crate::cert::{Generate, Name};
use crate::flow::ca::Permitted;

/// What to do with a certificate authority.
#[derive(Subcommand, Debug)]
pub enum CaVerb {
    /// Make one; its key is encrypted, and it can sign nothing but the names permitted here
    #[command(after_help = "\
Examples:
  reseal ca init office --permit office.example.org --permit 10.0.0.0/8
  reseal ca init office --permit lan --passphrase-file /root/ca-passphrase")]
    Init {
        /// Its name on this machine
        name: String,
        /// A domain with all below it, an address or a network that it may sign for; may be given again
        #[arg(long, value_name = "DOMAIN|NETWORK", required = true, num_args = 1..)]
        permit: Vec<Permitted>,
        /// The common name of its root [default: reseal local CA NAME]
        #[arg(long, value_name = "TEXT")]
        common_name: Option<String>,
        /// How long it lives
        #[arg(long, default_value_t = 10)]
        years: u32,
        /// The kind of its key: p256, p384, rsa2048, rsa3072, rsa4096
        #[arg(long, value_name = "KIND", default_value_t = Generate::P256)]
        key_type: Generate,
        /// How many intermediates may stand below it
        #[arg(long, value_name = "N", default_value_t = 0)]
        path_length: u8,
        /// Keep the passphrase in the keyring
        #[arg(long)]
        store_keyring: bool,
    },
    /// Tell about one, or all
    Show {
        /// Its name; none: all
        name: Option<String>,
    },
    /// Issue a certificate into `fullchain.pem` and `privkey.pem`, for what is no target here
    Issue {
        /// The authority
        ca: String,
        /// The names of the certificate, the first also as common name
        #[arg(required = true)]
        names: Vec<Name>,
        /// How long it lives
        #[arg(long, default_value_t = 90)]
        days: u32,
        /// The kind of its key: p256, p384, rsa2048, rsa3072, rsa4096
        #[arg(long, value_name = "KIND", default_value_t = Generate::P256)]
        key_type: Generate,
        /// The directory to write them to
        #[arg(long, short, value_name = "DIR", default_value = ".")]
        output: PathBuf,
    },
}
