//! What is kept of an ACME account beside its key.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Registration;

const FORMAT: u32 = 1;

/// How an account stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its key is on disk, and the server has not said yet that it knows it.
    Begun,
    /// The server knows it.
    Valid,
    /// It was ended.
    Deactivated,
}

/// What is kept of an account, beside its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    pub directory: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    pub contacts: Vec<String>,
    pub standing: Standing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
}

impl Record {
    /// Of an account that nobody but this machine knows yet.
    pub fn begun(wanted: &Registration, now: OffsetDateTime) -> Self {
        Self {
            format: FORMAT,
            directory: wanted.directory.clone(),
            root: wanted.root.clone(),
            contacts: wanted.contacts.clone(),
            standing: Standing::Begun,
            id: None,
            created: now,
        }
    }

    /// Whether it was made by the same words.
    pub fn is_as(&self, wanted: &Registration) -> bool {
        self.directory == wanted.directory && self.contacts == wanted.contacts && self.root == wanted.root
    }
}

#[derive(Deserialize)]
struct Numbered {
    format: u32,
}

/// A record, or what is wrong with the bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Record, String> {
    // The number first: what a later reseal wrote may not even have the same fields.
    let Numbered { format } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if format != FORMAT {
        return Err(format!("it has the format {format}, and this reseal reads format {FORMAT}"));
    }
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}
