//! What a certificate is. Pure: nothing here opens a file, a socket or a clock.
//!
//! DER stays in this folder: everyone else asks a [`Certificate`] for what it says. A [`Bundle`] is the only way to carry a
//! chain and a key together, and there is none whose key does not belong to its leaf.

mod algorithm;
mod anchors;
mod ascent;
mod bundle;
mod certificate;
mod chain;
pub mod codec;
mod curve;
mod details;
mod distinguished;
#[cfg(test)]
pub(crate) mod fixture;
pub mod installed;
mod issuers;
mod key;
mod name;
mod naming;
mod natural;
mod outline;
mod profile;
mod recent;
mod request;
mod revocation;
mod rsa;
mod signatures;
mod spki;
mod strict;
mod subject;
mod trust;

pub use algorithm::{Hash, KeyKind, MlDsa, SignatureAlgorithm};
pub use anchors::{Anchors, Forbids, Path, Untrusted};
pub use ascent::{Ascent, Ways, ascend, twins};
pub use bundle::{Bundle, PairError};
pub use certificate::{Certificate, CertificateError};
pub use chain::{Assembled, Chain, ChainError, ChainNote, is_leaf};
pub use details::{Breach, OddSerial, Purposes};
pub use issuers::{Issued, Issuers};
pub use key::{Generate, KeyError, Look, PrivateKey, StatedKey, UnknownKeyKind};
pub use name::{Name, NameError};
pub use naming::Misnamed;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use outline::readers_agree;
pub use profile::{Profile, TrustVerdict};
pub use recent::Recent;
pub use request::{MOST_BYTES as MOST_REQUEST_BYTES, Request, RequestError};
pub use revocation::{RevocationList, RevocationListError, Revoked};
pub use rsa::{PublicNumbers, Weakness};
pub use signatures::{Checks, Depth, Signatures};
pub use spki::key_bits;
pub use strict::fault::Fault;
pub use subject::{SubjectError, SubjectKey, SubjectPart};
pub use trust::{SelfSigned, Signed, issued_by};
