//! The kind of a key to be made, as typed.

use clap::Args;

use crate::cert::Generate;

/// `--key-type`.
#[derive(Args, Debug)]
pub struct KeyType {
    /// The kind of key to make: p256, p384, p521, ed25519, rsa2048, rsa3072, rsa4096; with `--experimental` also ml-dsa-44,
    /// ml-dsa-65, ml-dsa-87 [default: that of what it follows, or p256]
    #[arg(long, value_name = "KIND")]
    key_type: Option<Generate>,
    /// Allow a kind that most clients cannot read yet
    #[arg(long, requires = "key_type")]
    experimental: bool,
}

impl KeyType {
    /// The kind, where one was named.
    ///
    /// # Errors
    /// One that wants `--experimental`, by its name.
    pub fn chosen(&self) -> Result<Option<Generate>, Generate> {
        match self.key_type {
            Some(kind) if kind.is_experimental() && !self.experimental => Err(kind),
            chosen => Ok(chosen),
        }
    }
}
