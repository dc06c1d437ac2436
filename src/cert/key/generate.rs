//! Kinds of keys that can be made, and their words.

use std::fmt;
use std::str::FromStr;

use crate::cert::algorithm::{KeyKind, MlDsa};

/// Kinds of keys that can be made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Generate {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519 (RFC 8410); browsers take it in no certificate.
    Ed25519,
    /// RSA, 2048 bits.
    Rsa2048,
    /// RSA, 3072 bits.
    Rsa3072,
    /// RSA, 4096 bits.
    Rsa4096,
    /// ML-DSA-44 (RFC 9881), which few clients know.
    MlDsa44,
    /// ML-DSA-65, the same.
    MlDsa65,
    /// ML-DSA-87, the same.
    MlDsa87,
}

impl Generate {
    /// The kind to make where one of this kind stands now; none where such a key is not made.
    #[must_use]
    pub fn like(kind: &KeyKind) -> Option<Self> {
        match kind {
            KeyKind::Rsa(bits) if *bits > 3072 => Some(Self::Rsa4096),
            KeyKind::Rsa(bits) if *bits > 2048 => Some(Self::Rsa3072),
            KeyKind::Rsa(_) => Some(Self::Rsa2048),
            KeyKind::P256 => Some(Self::P256),
            KeyKind::P384 => Some(Self::P384),
            KeyKind::P521 => Some(Self::P521),
            KeyKind::Ed25519 => Some(Self::Ed25519),
            KeyKind::MlDsa(MlDsa::Set44) => Some(Self::MlDsa44),
            KeyKind::MlDsa(MlDsa::Set65) => Some(Self::MlDsa65),
            KeyKind::MlDsa(MlDsa::Set87) => Some(Self::MlDsa87),
            KeyKind::Other(_) => None,
        }
    }

    /// Those that servers use today.
    pub const USUAL: &'static [Self] =
        &[Self::P256, Self::P384, Self::P521, Self::Ed25519, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// Those that most clients cannot read yet: OpenSSL does from 3.5 on, browsers do not.
    pub const EXPERIMENTAL: &'static [Self] = &[Self::MlDsa44, Self::MlDsa65, Self::MlDsa87];

    /// Whether it is one of [`EXPERIMENTAL`](Self::EXPERIMENTAL).
    #[must_use]
    pub fn is_experimental(self) -> bool {
        Self::EXPERIMENTAL.contains(&self)
    }

    /// The kind that comes of it.
    #[must_use]
    pub fn kind(self) -> KeyKind {
        match self {
            Self::P256 => KeyKind::P256,
            Self::P384 => KeyKind::P384,
            Self::P521 => KeyKind::P521,
            Self::Ed25519 => KeyKind::Ed25519,
            Self::Rsa2048 => KeyKind::Rsa(2048),
            Self::Rsa3072 => KeyKind::Rsa(3072),
            Self::Rsa4096 => KeyKind::Rsa(4096),
            Self::MlDsa44 => KeyKind::MlDsa(MlDsa::Set44),
            Self::MlDsa65 => KeyKind::MlDsa(MlDsa::Set65),
            Self::MlDsa87 => KeyKind::MlDsa(MlDsa::Set87),
        }
    }
}

impl fmt::Display for Generate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::P521 => "p521",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa2048",
            Self::Rsa3072 => "rsa3072",
            Self::Rsa4096 => "rsa4096",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
        })
    }
}

/// The word names no kind of key that can be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no kind of key; there are p256, p384, p521, ed25519, rsa2048, rsa3072 and rsa4096")]
pub struct UnknownKeyKind(String);

impl FromStr for Generate {
    type Err = UnknownKeyKind;

    fn from_str(text: &str) -> Result<Self, UnknownKeyKind> {
        let found = Self::USUAL.iter().chain(Self::EXPERIMENTAL).find(|kind| kind.to_string() == text);
        found.copied().ok_or_else(|| UnknownKeyKind(text.to_owned()))
    }
}
