//! How servers are asked that stand on the command line.

use clap::Args;

use crate::endpoint::Sni;
use crate::inventory;

/// How servers are asked that stand on the command line.
#[derive(Args, Debug)]
pub struct Servers {
    /// Ask every HOST:PORT of this line for this name, as a client would that was led there by it, and hold the certificates
    /// against it (`-`: ask for no name)
    #[arg(long, short = 'H', value_name = "NAME", value_parser = name)]
    pub name: Option<Sni>,
    /// How long a server may take, lookup and handshake together [default: `probe_timeout` of the configuration, or 5]
    #[arg(long, short, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub timeout: Option<u32>,
}

fn name(text: &str) -> Result<Sni, String> {
    inventory::sni(text).map_err(|why| why.to_string())
}
