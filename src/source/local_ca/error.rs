//! What can go wrong with a local CA.

use std::path::PathBuf;

use time::OffsetDateTime;

use super::certify::MOST_DAYS;
use super::existing::Unfit;
use super::listing::Unlisted;
use super::permitted::Permitted;
use super::profile::{MOST_YEARS, NAME_MOST};
use super::rekey::NotYet;
use crate::cert::codec::pkcs8::Pkcs8Failure;
use crate::cert::{KeyError, KeyKind, Name, Untrusted};
use crate::host::dir::DiskError;
use crate::source::encode::Unsigned;

/// A local CA cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Its name could not be a file name.
    #[error("{0:?} cannot be the name of a CA")]
    Name(String),
    /// Nothing is permitted.
    #[error("cannot make the CA {0}: no name is permitted to it")]
    NothingPermitted(String),
    /// Its common name is none.
    #[error("cannot make a CA with the common name {0:?}: it has 1 to 64 characters, all of them visible")]
    CommonName(String),
    /// It would live too long or not at all.
    #[error("cannot make a CA for {0} years: 1 to {MOST_YEARS} are possible")]
    Years(u32),
    /// It could have no intermediate below it.
    #[error("cannot make a CA with an intermediate and room for 255 more: 254 are possible")]
    PathLength,
    /// Clients could not follow it.
    #[error("cannot write the URL {0:?} into certificates: it is no http:// URL of visible ASCII")]
    Url(String),
    /// A CA from elsewhere that cannot issue here.
    #[error("cannot use the CA {ca}")]
    Unfit {
        /// Its name.
        ca: String,
        /// Why not.
        #[source]
        why: Unfit,
    },
    /// A step of a change of its root cannot be taken now.
    #[error("cannot change the root of the CA {ca}")]
    NotYet {
        /// Its name.
        ca: String,
        /// Why not.
        #[source]
        why: NotYet,
    },
    /// The key of the root cannot be written out or taken off.
    #[error("cannot export the root's key of the CA {ca}: {why}")]
    NoRootKey {
        /// Its name.
        ca: String,
        /// Why not.
        why: &'static str,
    },
    /// Nothing is revoked, or no list made.
    #[error("cannot {} the CA {ca}", why.tried())]
    Unlisted {
        /// Its name.
        ca: String,
        /// Why not.
        #[source]
        why: Unlisted,
    },
    /// There is one of this name already.
    #[error("cannot make the CA {name}: {} is there", path.display())]
    Exists {
        /// Its name.
        name: String,
        /// Where it is.
        path: PathBuf,
    },
    /// There is none of this name.
    #[error("there is no CA {name}")]
    Missing {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// What is there cannot be read.
    #[error("cannot use {}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The passphrase is another.
    #[error("the passphrase does not open the key of the CA {0}")]
    WrongPassphrase(String),
    /// The new key cannot be encrypted.
    #[error("cannot encrypt the key of the CA {ca}")]
    NotEncrypted {
        /// The CA.
        ca: String,
        /// Why not.
        #[source]
        why: Pkcs8Failure,
    },
    /// No key could be made.
    #[error("cannot make a key")]
    NoKey(#[from] KeyError),
    /// The order names nothing.
    #[error("cannot issue a certificate without names")]
    NoNames,
    /// The names lie outside of what is permitted.
    #[error("the CA {ca} may not sign {}: it is permitted {} only", listed(names), listed(permitted))]
    NotPermitted {
        /// The CA.
        ca: String,
        /// The names outside.
        names: Vec<Name>,
        /// What is permitted.
        permitted: Vec<Permitted>,
    },
    /// A wildcard of a kind no client takes.
    #[error("cannot issue a certificate for {0}: clients take no wildcard directly below a top-level domain")]
    WideWildcard(Name),
    /// The certificate would live too long or not at all.
    #[error("cannot issue a certificate for {0} days: 1 to {MOST_DAYS} are possible")]
    Days(u32),
    /// The CA's own time is over.
    #[error("the CA {ca} has expired on {on}")]
    Expired {
        /// The CA.
        ca: String,
        /// Its last second.
        on: OffsetDateTime,
    },
    /// The CA's own time has not begun.
    #[error("the CA {ca} is not valid before {from}")]
    NotYetValid {
        /// The CA.
        ca: String,
        /// Its first second.
        from: OffsetDateTime,
    },
    /// A key that makes no signatures here.
    #[error("cannot sign with a {0} key")]
    CannotSign(KeyKind),
    /// The library that writes certificates failed.
    #[error("cannot write the certificate")]
    Encode(#[from] rcgen::Error),
    /// What was written is not what was ordered.
    #[error("the certificate that was issued is not the one that was ordered: {0}; it is not used")]
    Other(&'static str),
    /// What was written does not verify.
    #[error("the certificate that was issued does not verify, and is not used")]
    Untrusted(#[from] Untrusted),
    /// A call failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl From<Unsigned> for CaError {
    fn from(Unsigned(kind): Unsigned) -> Self {
        Self::CannotSign(kind)
    }
}

impl CaError {
    /// Whether what was asked for could never be, whatever the CA is like: a word that is to be corrected.
    #[must_use]
    pub fn is_wrong_word(&self) -> bool {
        match self {
            Self::Name(_)
            | Self::NothingPermitted(_)
            | Self::CommonName(_)
            | Self::Years(_)
            | Self::PathLength
            | Self::Url(_)
            | Self::Missing { .. }
            | Self::Days(_) => true,
            Self::Unlisted { why, .. } => matches!(why, Unlisted::Days(_)),
            Self::Unfit { .. }
            | Self::NotYet { .. }
            | Self::NoRootKey { .. }
            | Self::Exists { .. }
            | Self::Damaged { .. }
            | Self::WrongPassphrase(_)
            | Self::NotEncrypted { .. }
            | Self::NoKey(_)
            | Self::NotPermitted { .. }
            | Self::NoNames
            | Self::WideWildcard(_)
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::CannotSign(_)
            | Self::Encode(_)
            | Self::Other(_)
            | Self::Untrusted(_)
            | Self::Disk(_) => false,
        }
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Name(_) => format!(
                "use letters, digits, `-`, `_` and `.`, begin with a letter or a digit, and stay within {NAME_MOST} characters"
            ),
            Self::NothingPermitted(_) => {
                "name the domains and address ranges that it is for; they are fixed for its life".to_owned()
            }
            Self::Days(_) => {
                format!("give `--days` a number from 1 to {MOST_DAYS}: clients take no certificate that lives longer")
            }
            Self::Years(_) => format!("give `--years` a number from 1 to {MOST_YEARS}"),
            Self::CommonName(_) | Self::PathLength => return None,
            Self::Url(_) => {
                "clients fetch revocation lists and issuers by plain http, which needs no certificate (RFC 5280 section 8)"
                    .to_owned()
            }
            Self::Unfit { why, .. } => why.hint().to_owned(),
            Self::NoRootKey { .. } => {
                "a CA that is made with `--intermediate` has a root whose key can be kept elsewhere".to_owned()
            }
            Self::NotYet { ca, why } => why.hint(ca),
            Self::Unlisted { why, .. } => return why.hint().map(str::to_owned),
            Self::Exists { .. } => {
                "clients trust that root already: use it, or choose another name; a CA is never written over".to_owned()
            }
            Self::Missing { name, known } => {
                let init = format!("`reseal ca init {name} --permit DOMAIN`");
                match known.as_slice() {
                    [] => format!("make one with {init}"),
                    known => format!("those there are: {}; {init} makes another", known.join(", ")),
                }
            }
            Self::Damaged { path, .. } => {
                format!("put {} back from a backup of the machine, or make another CA", path.display())
            }
            Self::WrongPassphrase(_) => {
                "give the passphrase it was made with; nothing else opens the key, and without it only a new CA helps"
                    .to_owned()
            }
            Self::NotPermitted { names, .. } => format!(
                "what a CA may sign is fixed in its root: make another one with `reseal ca init NAME --permit DOMAIN`, permit {} to \
                 it, give its root to the clients and name it as `ca` of the target's source; or take the names out of the order",
                listed(names)
            ),
            Self::NoNames => "name what the server is called".to_owned(),
            Self::WideWildcard(_) => "name the hosts one by one, or use a domain of two labels".to_owned(),
            Self::Expired { .. } => {
                "`reseal ca rekey` gives it a new root for the clients; one from elsewhere is renewed there and imported anew"
                    .to_owned()
            }
            Self::NotYetValid { .. } => "look at the clock of this machine: the CA was made later than now".to_owned(),
            Self::CannotSign(_) => "use a key of the kind P-256, P-384, P-521, Ed25519 or RSA".to_owned(),
            Self::Disk(error) => return error.hint().map(str::to_owned),
            Self::NotEncrypted { .. } | Self::NoKey(_) | Self::Encode(_) | Self::Other(_) | Self::Untrusted(_) => {
                return None;
            }
        })
    }
}

fn listed<T: ToString>(things: &[T]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
