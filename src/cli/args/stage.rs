//! `reseal stage`, `activate` and `maintain`, as typed.

use std::path::PathBuf;

use clap::Args;

/// When something is to be done.
#[derive(Args, Clone, Debug, Default)]
pub struct When {
    /// Not before this moment: `2026-12-05T02:00:00+01:00`, `2026-12-05 02:00 Europe/Berlin`, or without a zone in this machine's
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// The time zone of `--at`, by its name: `Europe/Berlin`, `UTC`
    #[arg(long, value_name = "ZONE", requires = "at")]
    pub tz: Option<String>,
}

/// `stage`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  reseal stage web                                            from its source
  reseal stage web --at '2026-12-05 02:00 Europe/Berlin'      `reseal maintain` puts it in place then
  reseal stage web --cert new.pem --key new.key --chain ca.pem
  reseal stage web --drop                                     put it away again")]
pub struct Stage {
    /// The target
    pub name: String,
    /// When it is put in place
    #[command(flatten)]
    pub when: When,
    /// The certificate, alone or with its chain; without a file the target's own source is asked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "signed"])]
    pub cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "cert", conflicts_with_all = ["from", "signed"])]
    pub key: Option<PathBuf>,
    /// The intermediates; may be given again
    #[arg(long, value_name = "FILE", requires = "cert", conflicts_with_all = ["from", "signed"])]
    pub chain: Vec<PathBuf>,
    /// A file with certificate, key or chain in any packing; may be given again
    #[arg(long, value_name = "FILE", conflicts_with = "signed")]
    pub from: Vec<PathBuf>,
    /// What a CA answered to `reseal csr NAME`: its key waits here; may be given again
    #[arg(long, value_name = "FILE", conflicts_with = "keep_key")]
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
    /// Put away what is staged; its generation is kept
    #[arg(long, conflicts_with_all = ["at", "cert", "from", "signed", "keep_key", "alias", "downgrade"])]
    pub drop: bool,
}

impl Stage {
    /// The files that hold the key too, in the order leaf, key, chain.
    #[must_use]
    pub fn inputs(&self) -> Vec<PathBuf> {
        self.cert.iter().chain(&self.key).chain(&self.chain).chain(&self.from).cloned().collect()
    }
}

/// `activate`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  reseal activate                                             all that is staged
  reseal activate web --dry-run
  reseal activate web --at 2026-12-05T02:00:00+01:00          set the moment instead")]
pub struct Activate {
    /// Targets; none: every one for which something is staged
    pub names: Vec<String>,
    /// When it is put in place, instead of now
    #[command(flatten)]
    pub when: When,
}

/// `maintain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  reseal maintain                every target; those with nothing to do are not touched
  reseal maintain --dry-run      what would be done now, and what waits for a window")]
pub struct Maintain {
    /// Targets; none: all
    pub names: Vec<String>,
    /// Ask the servers even where the files are what was proved before
    #[arg(long)]
    pub live: bool,
}
