//! `scan`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::inventory::MAX_ADDRESSES;

/// `scan`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  reseal scan /etc /srv                          every certificate below these folders, as it is found
  reseal scan -q /etc 2>/dev/null                only what is not well
  reseal scan mail.example.org:993 10.1.2.0/24:443 10.1.2.3-9:8443
  reseal scan --list servers.txt --rate 100      one a line: HOST:PORT, HOST:PORT NAME, a range or a path; `#` begins a comment
  find /srv -newer stamp -print0 | reseal scan --list - -0 --format jsonl")]
#[command(group = clap::ArgGroup::new("items").args(["what", "list"]).multiple(true).required(true))]
pub struct Scan {
    /// Files, folders, HOST:PORT, ranges of addresses with their port
    #[arg(value_name = "WHAT")]
    pub what: Vec<OsString>,
    /// More of them, one a line, in a file or a pipe; `-`: from standard input
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// The items of the list end with NUL, and nothing in it is a comment
    #[arg(long, short = '0', requires = "list")]
    pub null: bool,
    /// Follow symbolic links below the folders too
    #[arg(long)]
    pub follow: bool,
    /// Enter no other file system; those of the kernel are never entered
    #[arg(long, short = 'x')]
    pub one_file_system: bool,
    /// How many files are read at a time [default: four for each processor, 8 to 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub readers: Option<u16>,
    /// How many servers are asked at a time
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// How long a server may take, lookup and handshake together [default: as for `check`]
    #[arg(long, short, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub timeout: Option<u32>,
    /// How many servers are begun in a second at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Check no signature and look into no key: faster, and what names itself as issuer is told as not checked
    #[arg(long)]
    pub no_signatures: bool,
    /// Whose trust to ask for: `system`, `none`, a [trust.NAME] of the configuration, or a file of roots [default: for servers
    /// `system`]
    #[arg(long, value_name = "WHO")]
    pub trust: Vec<String>,
    /// How many servers are asked in all at most: a list that holds more is refused
    #[arg(long, value_name = "N", default_value_t = MAX_ADDRESSES)]
    pub max: u64,
}
