//! What files are for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a file holds, for the service that reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The leaf certificate alone.
    Leaf,
    /// The intermediates alone.
    Chain,
    /// Leaf first, then the intermediates, no root (RFC 8446 section 4.4.2).
    FullChain,
    /// The private key alone.
    Key,
    /// Full chain, then the private key, in one file.
    Combined,
    /// One certificate that clients are to trust.
    Anchor,
    /// A store of trusted certificates in a format of its own, in which there may be keys too.
    Store,
    /// reseal's own record of what it has added to a store.
    Record,
    /// A file that reseal has placed into the system for itself: a unit, a hook.
    Fitting,
}

impl Role {
    /// Whether a file of this role holds a private key.
    #[must_use]
    pub fn holds_key(self) -> bool {
        match self {
            Self::Key | Self::Combined => true,
            // A store keeps the mode it has: others may have to read it.
            Self::Leaf | Self::Chain | Self::FullChain | Self::Anchor | Self::Store | Self::Record | Self::Fitting => {
                false
            }
        }
    }

    /// The file name used where reseal chooses it.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Leaf => "cert.pem",
            Self::Chain => "chain.pem",
            Self::FullChain => "fullchain.pem",
            Self::Key => "privkey.pem",
            Self::Combined => "combined.pem",
            Self::Anchor => "anchor.pem",
            Self::Store => "store",
            Self::Record => "record.json",
            Self::Fitting => "fitting",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Leaf => "certificate",
            Self::Chain => "chain",
            Self::FullChain => "certificate and chain",
            Self::Key => "key",
            Self::Combined => "certificate, chain and key",
            Self::Anchor => "trusted certificate",
            Self::Store => "store",
            Self::Record => "record",
            Self::Fitting => "file of reseal's own",
        })
    }
}
