//! `reseal export`, as typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::backups::number;

/// `export`.
#[derive(Args, Debug)]
pub struct Export {
    /// The target
    pub name: String,
    /// The generation's number [default: what stands in the files]
    #[arg(value_parser = number)]
    pub generation: Option<u32>,
    /// What to write
    #[arg(long, value_enum)]
    pub form: FormWord,
    /// The file, at which nothing may be yet
    #[arg(long, short, visible_alias = "output", value_name = "FILE")]
    pub out: PathBuf,
    /// The name in a store [default: that of the target]
    #[arg(long, value_name = "NAME")]
    pub alias: Option<String>,
    /// Triple DES and SHA-1, for readers that know nothing newer (PKCS#12)
    #[arg(long)]
    pub legacy: bool,
    /// The certificates alone (PEM)
    #[arg(long)]
    pub no_key: bool,
}

/// Forms of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum FormWord {
    /// Certificate and chain, then the key; the key encrypted with --passphrase-file
    Pem,
    /// The certificate alone
    Der,
    /// A PKCS#12 store
    P12,
    /// A Java keystore in its old format
    Jks,
}
