//! Why an input, or a part of it, cannot be read.

use std::fmt;

use super::ber::{BerError, MAX_DEPTH};
use super::contents::{Format, MAX_ENTRIES, MAX_INPUT};
use super::pbe::PbeFailure;
use super::pkcs8::Pkcs8Failure;
use crate::cert::certificate::CertificateError;
use crate::cert::key::KeyError;

/// One part of an input that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub struct BadBlock {
    /// Where it is.
    pub place: Place,
    /// Why it cannot be read.
    #[source]
    pub why: BlockError,
}

impl BadBlock {
    /// Whether it is a sound private key, as far as is known, of a kind that is not read here: other programs may.
    #[must_use]
    pub fn is_unsupported_key(&self) -> bool {
        matches!(self.why, BlockError::Key(KeyError::Unsupported(_)))
    }
}

/// Where in an input something is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// The block that begins on this line, counted from 1.
    Line {
        /// The line.
        line: usize,
        /// The label of the block.
        label: String,
    },
    /// The whole input, which is DER of a certificate or key.
    Der,
    /// A PKCS#7 file or a store as a whole.
    Store(Format),
    /// An entry of a store.
    Entry {
        /// Its number, counted from 1.
        number: usize,
        /// Its alias or friendly name.
        name: Option<String>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line, label } => write!(out, "line {line}, {}", label.escape_debug()),
            Self::Der => out.write_str("DER"),
            Self::Store(format) => format.fmt(out),
            Self::Entry { number, name: Some(name) } => write!(out, "entry {number}, \"{}\"", name.escape_debug()),
            Self::Entry { number, name: None } => write!(out, "entry {number}"),
        }
    }
}

/// A block that was read although OpenSSL, and so most servers, refuse the file or pass over the block.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Stopped {
    /// Where it is.
    pub place: Place,
    /// At what they stop.
    pub why: Stop,
}

/// At what OpenSSL stops in PEM that can be read: measured with OpenSSL 3, which takes marks at the beginning of a line alone, what
/// stands before a blank line for header lines, and a key for what its label says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum Stop {
    /// A blank line in the base64, or before its END.
    #[error("a blank line inside the block")]
    BlankLine,
    /// White space stands before BEGIN on its line, as in YAML.
    #[error("BEGIN is indented")]
    Indented,
    /// Something else does: the block before.
    #[error("BEGIN does not stand at the beginning of a line")]
    Begin,
    /// Something follows BEGIN on its line.
    #[error("the line of BEGIN goes on behind it")]
    AfterBegin,
    /// END does not have its line for itself.
    #[error("END does not have a line for itself")]
    End,
    /// Lines end with CR alone.
    #[error("its lines end with CR alone")]
    LineEnds,
    /// Header lines in what is not encrypted.
    #[error("header lines inside the block")]
    Headers,
    /// Certificates in PKCS#7 (RFC 2315) or CMS, which is read for certificates by no server.
    #[error("its certificates stand in PKCS#7, which servers pass over")]
    Pkcs7,
    /// The whole text is UTF-16.
    #[error("the text is UTF-16")]
    Wide,
    /// The key is of another form than the label says.
    #[error("the label names another form of key than the block holds")]
    Label,
    /// PKCS#8 of version 2, with the public half (RFC 5958 section 2).
    #[error("the key is PKCS#8 of version 2, with its public half")]
    PublicHalf,
    /// SEC 1 (RFC 5915) without the curve.
    #[error("the key does not name its curve")]
    NoCurve,
}

impl Stop {
    /// Whether it is the form of a private key, whatever the text around it.
    #[must_use]
    pub fn is_of_key(self) -> bool {
        matches!(self, Self::Label | Self::PublicHalf | Self::NoCurve)
    }
}

/// Why a part cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlockError {
    /// No END line with the same label follows.
    #[error("the block has no end")]
    Unterminated,
    /// Not base64.
    #[error("the text between BEGIN and END is not base64: {0}")]
    NotBase64(String),
    /// Not a certificate.
    #[error("{0}")]
    Certificate(CertificateError),
    /// Not a private key.
    #[error("{0}")]
    Key(KeyError),
    /// It is encrypted, and there is no passphrase.
    #[error("encrypted, and no passphrase was given")]
    EncryptedNoPassphrase,
    /// The passphrase does not open it.
    #[error("the passphrase does not open it")]
    WrongPassphrase,
    /// A way of encrypting that is not supported.
    #[error("encrypted with {0}, which is not supported")]
    UnsupportedEncryption(String),
    /// A way of protecting the whole that is not supported, so that nothing under it can be believed.
    #[error("protected with {0}, which is not supported")]
    UnsupportedChecksum(String),
    /// Encrypted at a cost no honest file asks for.
    #[error("encrypted with {0}, which is more than is done for a file")]
    TooCostly(String),
    /// Anything else about an encrypted key.
    #[error("the encrypted private key cannot be read")]
    UnreadableEncrypted,
    /// What is there cannot be taken apart, or was changed after it was made.
    #[error("damaged: {0}")]
    Damaged(&'static str),
    /// Elements inside elements, for no honest reason.
    #[error("nested deeper than the {MAX_DEPTH} levels that are followed")]
    TooDeep,
}

impl BlockError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::EncryptedNoPassphrase => Some("give the passphrase"),
            Self::WrongPassphrase => Some("give the passphrase it was encrypted with"),
            Self::UnsupportedEncryption(_) | Self::TooCostly(_) => Some(
                "encrypt it anew: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`, or `openssl pkey -in OLD -out NEW` \
                 for a key without passphrase; `openssl pkcs12 -legacy -in OLD -out NEW.pem` for a store",
            ),
            Self::UnsupportedChecksum(_) => Some("write the store anew with a current tool"),
            Self::Unterminated
            | Self::NotBase64(_)
            | Self::Certificate(_)
            | Self::UnreadableEncrypted
            | Self::Damaged(_)
            | Self::TooDeep => Some("the file is damaged or was cut off: fetch it again"),
            Self::Key(_) => None,
        }
    }
}

impl From<PbeFailure> for BlockError {
    fn from(failure: PbeFailure) -> Self {
        match failure {
            PbeFailure::NoPassphrase => Self::EncryptedNoPassphrase,
            PbeFailure::WrongPassphrase => Self::WrongPassphrase,
            PbeFailure::Unsupported(what) => Self::UnsupportedEncryption(what),
            PbeFailure::TooCostly(what) => Self::TooCostly(what),
            PbeFailure::Unreadable => Self::UnreadableEncrypted,
        }
    }
}

impl From<Pkcs8Failure> for BlockError {
    fn from(failure: Pkcs8Failure) -> Self {
        match failure {
            Pkcs8Failure::NoPassphrase => Self::EncryptedNoPassphrase,
            Pkcs8Failure::WrongPassphrase => Self::WrongPassphrase,
            Pkcs8Failure::Unsupported(what) => Self::UnsupportedEncryption(what),
            Pkcs8Failure::TooCostly(what) => Self::TooCostly(what),
            Pkcs8Failure::Key(error) => Self::Key(error),
            Pkcs8Failure::Unreadable | Pkcs8Failure::NotEncrypted => Self::UnreadableEncrypted,
        }
    }
}

impl From<BerError> for BlockError {
    fn from(error: BerError) -> Self {
        match error {
            BerError::Damaged => Self::Damaged("its parts do not fit into one another"),
            BerError::TooDeep => Self::TooDeep,
        }
    }
}

/// An input cannot be read at all.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InputError {
    /// Larger than [`MAX_INPUT`].
    #[error("the input has {0} bytes, more than the {MAX_INPUT} that are read")]
    TooLarge(usize),
    /// More blocks, certificates or entries than [`MAX_ENTRIES`].
    #[error("the input has more than the {MAX_ENTRIES} blocks or entries that are read")]
    TooManyBlocks,
    /// Nothing but white space.
    #[error("the input is empty")]
    Empty,
    /// None of the formats that are read.
    #[error("the input is neither PEM nor DER of a certificate or private key, and no store (PKCS#7, PKCS#12, JKS)")]
    Unknown,
    /// A format that is known and not read.
    #[error("the input is {0}, which is not supported")]
    Unsupported(&'static str),
    /// It begins as one of the formats, and cannot be taken apart.
    #[error("the input is {format} and cannot be read: {why}")]
    Unreadable {
        /// What it begins as.
        format: Format,
        /// Why not.
        why: BlockError,
    },
}

impl InputError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unknown => Some("PEM begins with -----BEGIN; certificates, keys, PKCS#7, PKCS#12 and JKS are read"),
            Self::Unsupported(_) => Some(
                "convert it: `keytool -importkeystore -srckeystore OLD -destkeystore NEW.p12 -deststoretype PKCS12`",
            ),
            Self::Empty => Some("the file is empty: fetch it again"),
            Self::TooLarge(_) | Self::TooManyBlocks => Some("give the server's own chain, not a list of roots"),
            Self::Unreadable { why, .. } => why.hint(),
        }
    }
}
