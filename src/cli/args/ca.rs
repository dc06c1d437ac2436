//! `reseal ca`, as typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::key_type::KeyType;
use crate::cert::Name;
use crate::flow::ca::{Permitted, Published, Reason};
use crate::outcome::explain;

/// What is told about a CA in the certificates it issues.
#[derive(Args, Debug)]
pub struct Urls {
    /// Where clients will find its revocation list (http); may be given again
    #[arg(long, value_name = "URL")]
    crl_url: Vec<String>,
    /// Where clients will find its certificate (http); may be given again
    #[arg(long, value_name = "URL")]
    issuer_url: Vec<String>,
}

impl Urls {
    /// As the CA takes them.
    #[must_use]
    pub fn published(&self) -> Published {
        Published { lists: self.crl_url.clone(), issuers: self.issuer_url.clone() }
    }
}

/// With the reason and what to write instead, which clap would leave out.
fn permitted(text: &str) -> Result<Permitted, String> {
    text.parse::<Permitted>().map_err(|error| format!("{}; {}", explain(&error), error.hint()))
}

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
        #[arg(long, value_name = "DOMAIN|NETWORK", required = true, value_parser = permitted)]
        permit: Vec<Permitted>,
        /// The common name of its root [default: reseal local CA NAME]
        #[arg(long, value_name = "TEXT")]
        common_name: Option<String>,
        /// How long it lives, 1 to 30 years
        #[arg(long, default_value_t = 10)]
        years: u32,
        #[command(flatten)]
        key: KeyType,
        /// How many further CAs may stand below it
        #[arg(long, value_name = "N", default_value_t = 0)]
        path_length: u8,
        /// Make an intermediate that issues: the key of the root can then be kept elsewhere (`ca export --root-key`)
        #[arg(long)]
        intermediate: bool,
        #[command(flatten)]
        urls: Urls,
        /// Keep the passphrase in the keyring
        #[arg(long)]
        store_keyring: bool,
    },
    /// Take over one that was made elsewhere, with its key; the files stay as they are
    #[command(after_help = "\
Examples:
  reseal ca import corp --cert ca.pem --key ca.key --chain root.pem --permit lan
  reseal ca import corp --cert ca.p12 --key-passphrase-file p12.pw --permit lan")]
    Import {
        /// Its name on this machine
        name: String,
        /// Its certificate: PEM, DER, PKCS#7, or a store that holds its key too
        #[arg(long, value_name = "FILE", required = true)]
        cert: PathBuf,
        /// Its key, where another file holds it
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The certificates above it, up to the root; may be given again
        #[arg(long, value_name = "FILE")]
        chain: Vec<PathBuf>,
        /// Holds the passphrase of the key as it lies in these files [default: that of the CA here]
        #[arg(long, value_name = "FILE")]
        key_passphrase_file: Option<PathBuf>,
        /// A domain with all below it, an address or a network that it may sign for here; may be given again
        #[arg(long, value_name = "DOMAIN|NETWORK", required = true, value_parser = permitted)]
        permit: Vec<Permitted>,
        #[command(flatten)]
        urls: Urls,
        /// Keep the passphrase in the keyring
        #[arg(long)]
        store_keyring: bool,
    },
    /// Tell about one, with what it issued, or about all
    #[command(after_help = "\
Examples:
  reseal ca show
  reseal ca show office      also the serial numbers of what it issued")]
    Show {
        /// Its name; none: all
        name: Option<String>,
    },
    /// Issue a certificate into `fullchain.pem` and `privkey.pem`, for what is no target here
    #[command(after_help = "\
Examples:
  reseal ca issue office mail.office.example.org --output /root/mail
  reseal ca issue office nas.lan 10.0.0.9 --days 30 --key-type rsa2048")]
    Issue {
        /// The authority
        ca: String,
        /// The names of the certificate, the first also as common name
        #[arg(required = true)]
        names: Vec<Name>,
        /// How long it lives, 1 to 200 days
        #[arg(long, default_value_t = 90)]
        days: u32,
        #[command(flatten)]
        key: KeyType,
        /// The directory to write them to
        #[arg(long, short, alias = "out", value_name = "DIR", default_value = ".")]
        output: PathBuf,
    },
    /// Sign somebody's request, a file from openssl, keytool or an appliance; of what it asks for only the names are granted
    #[command(after_help = "\
Examples:
  reseal ca sign office appliance.csr --output appliance.pem
  reseal ca sign office tomcat.csr --name tomcat.office.example.org > tomcat.pem")]
    Sign {
        /// The authority
        ca: String,
        /// The request, PEM or DER
        #[arg(value_name = "CSR")]
        request: PathBuf,
        /// A name to certify, instead of those that the request asks for; may be given again
        #[arg(long, value_name = "NAME")]
        name: Vec<Name>,
        /// Grant wildcards that the request asks for
        #[arg(long)]
        allow_wildcards: bool,
        /// How long the certificate lives, 1 to 200 days
        #[arg(long, default_value_t = 90)]
        days: u32,
        /// The file for certificate and intermediates [default: standard output]
        #[arg(long, short, alias = "out", value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Revoke a certificate that it has issued; clients learn of it by the next `ca crl`
    #[command(after_help = "\
Examples:
  reseal ca revoke office mail/fullchain.pem --reason key-compromise
  reseal ca revoke office 6fed3be20d3f561fa93a4a4084691277")]
    Revoke {
        /// The authority
        ca: String,
        /// Its serial number in hexadecimal, or a file with the certificate
        #[arg(value_name = "SERIAL|FILE")]
        which: String,
        /// Why: unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation, privilege-withdrawn
        #[arg(long, value_name = "REASON", default_value_t = Reason::Unspecified)]
        reason: Reason,
    },
    /// Make its next revocation list; clients want another one before the days are over
    #[command(after_help = "\
Examples:
  reseal ca crl office --der --output /var/www/html/office.crl
  reseal ca crl office --days 7 > office.crl.pem")]
    Crl {
        /// The authority
        ca: String,
        /// The file for the list; an earlier one there is replaced [default: standard output]
        #[arg(long, short, alias = "out", value_name = "FILE")]
        output: Option<PathBuf>,
        /// DER, as what is fetched by a URL must be
        #[arg(long)]
        der: bool,
        /// How long it is good for, 1 to 366 days
        #[arg(long, default_value_t = 30)]
        days: u32,
        /// The number of a former root whose list is wanted [default: of the one that issues]
        #[arg(long, value_name = "N")]
        root: Option<u32>,
    },
    /// Give it a new root: made first, used after `--switch`, alone after `--retire`
    #[command(after_help = "\
Examples:
  reseal ca rekey office                  makes the next root
  reseal ca export office -o roots.pem    both, for the clients
  reseal ca rekey office --switch         when all clients trust it
  reseal renew                            moves every target
  reseal ca rekey office --retire")]
    Rekey {
        /// The authority
        ca: String,
        /// Issue from the next root from now on
        #[arg(long, conflicts_with_all = ["retire", "key_type", "years"])]
        switch: bool,
        /// Put the former root away, when no target has a certificate from it any more
        #[arg(long, conflicts_with_all = ["key_type", "years"])]
        retire: bool,
        #[command(flatten)]
        key: KeyType,
        /// How long it lives, 1 to 30 years
        #[arg(long, default_value_t = 10)]
        years: u32,
    },
    /// Write what clients must trust; or the root's key, encrypted
    #[command(after_help = "\
Examples:
  reseal ca export office > roots.pem
  reseal ca export office --root 1 --der --output office.cer
  reseal ca export office --root-key /media/safe/office.key --take-off")]
    Export {
        /// The authority
        ca: String,
        /// The file for the certificates [default: standard output]
        #[arg(long, short, alias = "out", value_name = "FILE", conflicts_with = "root_key")]
        output: Option<PathBuf>,
        /// DER of one certificate
        #[arg(long, conflicts_with = "root_key")]
        der: bool,
        /// The number of one root [default: all that are not retired]
        #[arg(long, value_name = "N")]
        root: Option<u32>,
        /// Write the key of the root to this file instead, under the passphrase it has
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
        /// And remove it from this machine, which is possible where an intermediate issues
        #[arg(long, requires = "root_key")]
        take_off: bool,
    },
}

impl CaVerb {
    /// Its name in results, as it is typed.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Init { .. } => "ca init",
            Self::Import { .. } => "ca import",
            Self::Show { .. } => "ca show",
            Self::Issue { .. } => "ca issue",
            Self::Sign { .. } => "ca sign",
            Self::Revoke { .. } => "ca revoke",
            Self::Crl { .. } => "ca crl",
            Self::Rekey { .. } => "ca rekey",
            Self::Export { .. } => "ca export",
        }
    }

    /// Whether it may change something beyond its own output.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Init { .. }
            | Self::Import { .. }
            | Self::Issue { .. }
            | Self::Sign { .. }
            | Self::Revoke { .. }
            | Self::Crl { .. }
            | Self::Rekey { .. }
            | Self::Export { .. } => true,
            Self::Show { .. } => false,
        }
    }
}
