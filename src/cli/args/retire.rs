//! `reseal retire`, as typed.

use clap::Args;

use crate::endpoint::Endpoint;
use crate::trust::Store;

/// With what to write instead, which clap would leave out.
fn endpoint(text: &str) -> Result<Endpoint, String> {
    text.parse::<Endpoint>().map_err(|error| format!("{error}; {}", error.hint()))
}

/// What is to be trusted no longer, if nobody uses it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  reseal retire corp-root                     if no target uses it
  reseal retire corp-root --seen mail.lan:993 --seen smtp://mx.lan
  reseal retire 3f:a1:5c:9e --store os --dry-run
  reseal retire --ca office                   the last step of a change of root")]
pub struct Retire {
    /// Its name in `reseal trust list`, or its fingerprint (SHA-256), or the first eight digits or more of it
    #[arg(value_name = "NAME|FINGERPRINT", required_unless_present = "ca", conflicts_with = "ca")]
    pub which: Option<String>,
    /// The former roots of a CA of reseal's own instead: their keys go, and then the trust in them
    #[arg(long, value_name = "CA")]
    pub ca: Option<String>,
    /// Only of this store: `os`, `java:FILE` or `nss:DIRECTORY`; may be given again [default: wherever reseal has added it]
    #[arg(long, value_name = "STORE")]
    pub store: Vec<Store>,
    /// A server that is no target and must not use it either; may be given again
    #[arg(long, value_name = "HOST:PORT|smtp://HOST", value_parser = endpoint)]
    pub seen: Vec<Endpoint>,
}
