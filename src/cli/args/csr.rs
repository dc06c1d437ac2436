//! `reseal csr`, as typed.

use std::path::PathBuf;

use clap::Args;

use super::key_type::KeyType;
use crate::cert::SubjectPart;

/// `csr`.
#[derive(Args, Debug)]
pub struct Csr {
    /// The target
    pub name: String,
    #[command(flatten)]
    pub key: KeyType,
    /// Part of the subject, as in `O=Example GmbH`: C, ST, L, O, OU or CN; over those of the target's source
    #[arg(long, value_name = "KEY=VALUE")]
    pub subject: Vec<SubjectPart>,
    /// Ask for the key that is in place, for clients that pin it
    #[arg(long, conflicts_with = "key_type")]
    pub reuse_key: bool,
    /// Make another one although the same waits already
    #[arg(long)]
    pub another: bool,
    /// Write a copy of the request to this file
    #[arg(long, short, visible_alias = "output", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Drop the waiting request with this number, and its key
    #[arg(long, value_name = "N", conflicts_with_all = ["key_type", "subject", "reuse_key", "another", "out"])]
    pub forget: Option<u32>,
}
