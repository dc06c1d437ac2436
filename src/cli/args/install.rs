//! `reseal install`, as typed.

use std::path::PathBuf;

use clap::Args;

/// `install`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("input").args(["cert", "from", "signed"]).required(true))]
pub struct Install {
    /// The target
    pub name: String,
    /// The certificate, alone or with its chain
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "cert", conflicts_with_all = ["from", "signed"])]
    pub key: Option<PathBuf>,
    /// The intermediates; may be given again
    #[arg(long, value_name = "FILE", requires = "cert", conflicts_with_all = ["from", "signed"])]
    pub chain: Vec<PathBuf>,
    /// A file with certificate, key or chain in any packing; may be given again
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,
    /// What a CA answered to `reseal csr NAME`: its key waits here; may be given again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cert", "from", "keep_key"])]
    pub signed: Vec<PathBuf>,
    /// The key in place stays
    #[arg(long, conflicts_with = "key")]
    pub keep_key: bool,
    /// The entry of a PKCS#12 or Java keystore that holds several
    #[arg(long, value_name = "NAME", conflicts_with = "signed")]
    pub alias: Option<String>,
    /// Take one that is worse than the one in place: self-signed, for fewer names, with a weaker key, ending much earlier
    #[arg(long)]
    pub downgrade: bool,
}

impl Install {
    /// The files that hold the key too, in the order leaf, key, chain.
    #[must_use]
    pub fn inputs(&self) -> Vec<PathBuf> {
        self.cert.iter().chain(&self.key).chain(&self.chain).chain(&self.from).cloned().collect()
    }
}
