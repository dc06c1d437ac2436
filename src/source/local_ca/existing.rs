//! A CA that was made elsewhere, taken over with its key.

use time::OffsetDateTime;

use super::error::CaError;
use super::fields::Published;
use super::founded::{Founded, ISSUER_KEY, ROOT_KEY};
use super::hierarchy::Hierarchy;
use super::permitted::Permitted;
use super::profile::{self, FORMAT, Profile, check_name};
use crate::cert::{Certificate, Checks, Name, PrivateKey, SelfSigned, Signed};
use crate::digest::Digest;
use crate::sensitive::Sensitive;

/// A CA that was made elsewhere.
pub struct Existing {
    /// Its name on this machine.
    pub name: String,
    /// The names it may sign here, whatever its own certificate allows beyond; never empty.
    pub permitted: Vec<Permitted>,
    /// Names that it is wanted for already, and must be able to sign.
    pub wanted: Vec<Name>,
    /// Its certificate, and what is known of those above it, in any order.
    pub certificates: Vec<Certificate>,
    /// Its key.
    pub key: PrivateKey,
    /// What is told about it in the certificates it issues.
    pub published: Published,
}

/// Why a certificate cannot issue here.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// The key is another's.
    #[error("the key with the fingerprint {held} belongs to none of the certificates")]
    OtherKey {
        /// SHA-256 of the public half of the key.
        held: Digest,
    },
    /// A server's certificate.
    #[error("{0} is no CA: it has no basic constraints that say so")]
    NotCa(String),
    /// Its key usage leaves signing of certificates out.
    #[error("{0} may not sign certificates: its key usage leaves keyCertSign out")]
    MayNotSign(String),
    /// Over.
    #[error("{title} has expired on {}", on.date())]
    Expired {
        /// Which certificate.
        title: String,
        /// Its last second.
        on: OffsetDateTime,
    },
    /// Not begun.
    #[error("{title} is not valid before {}", from.date())]
    NotYetValid {
        /// Which certificate.
        title: String,
        /// Its first second.
        from: OffsetDateTime,
    },
    /// More CAs below one than it allows.
    #[error("{0} allows fewer CAs below it than there are")]
    TooDeep(String),
    /// So many have one name that not all were held against each other.
    #[error("more certificates of the same names were given than are held against one another")]
    TooMany,
    /// It names nobody, so nothing could name it as issuer.
    #[error("the CA has an empty name")]
    Nameless,
}

impl Unfit {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::OtherKey { .. } => {
                "give the key that the CA's certificate was made for; `openssl pkey -in KEY -pubout -outform DER | sha256sum` \
                 shows the fingerprint of a key"
            }
            Self::NotCa(_) | Self::MayNotSign(_) | Self::TooDeep(_) | Self::Nameless => {
                "have whoever runs the CA above make an intermediate for this machine: CA:TRUE, keyCertSign and cRLSign"
            }
            Self::Expired { .. } => "have it renewed by whoever runs the CA above, and import the new one",
            Self::NotYetValid { .. } => "look at the clock of this machine",
            Self::TooMany => "give the certificate of the CA and only those above it",
        }
    }
}

impl Existing {
    /// Makes a CA of it in memory, its key encrypted under `passphrase`, and proves by a certificate that is thrown away that clients
    /// take what it issues for everything it is permitted.
    ///
    /// # Errors
    /// The certificates and the key make no CA that could issue now, or clients would refuse names that it is to be permitted.
    pub fn take_over(self, passphrase: &Sensitive, now: OffsetDateTime) -> Result<Founded, CaError> {
        let name = self.name.clone();
        let unfit = |why| CaError::Unfit { ca: name.clone(), why };
        check_name(&self.name)?;
        if self.permitted.is_empty() {
            return Err(CaError::NothingPermitted(self.name));
        }
        self.published.check()?;
        let hierarchy = hierarchy(&self.certificates, &self.key, now).map_err(unfit)?;
        let mut permitted = self.permitted;
        permitted.sort();
        permitted.dedup();
        let path_length = hierarchy.issuer().path_len().map(|length| u8::try_from(length).unwrap_or(u8::MAX));
        let profile =
            Profile { format: FORMAT, permitted, path_length, created: now, imported: true, published: self.published };
        let covered = |name: &&Name| profile.permitted.iter().any(|one| one.covers(name));
        let outside: Vec<Name> = self.wanted.iter().filter(|name| !covered(name)).cloned().collect();
        if !outside.is_empty() {
            return Err(CaError::NotPermitted { ca: self.name, names: outside, permitted: profile.permitted });
        }
        profile::prove(&hierarchy, &self.key, &profile, &self.wanted, now)?;
        let file = if hierarchy.root() == Some(hierarchy.issuer()) { ROOT_KEY } else { ISSUER_KEY };
        let keys = vec![(file, profile::sealed(&self.name, &self.key, passphrase)?)];
        Ok(Founded { name: self.name, hierarchy, keys, profile })
    }
}

/// The certificate of the key, and those above it as far as they are known.
fn hierarchy(certificates: &[Certificate], key: &PrivateKey, now: OffsetDateTime) -> Result<Hierarchy, Unfit> {
    let issuer = best(certificates.iter().filter(|one| key.matches(one)), now);
    let mut path = vec![issuer.ok_or_else(|| Unfit::OtherKey { held: Digest::of(key.spki()) })?];
    let checks = Checks::default();
    // Each is used once, so a circle ends.
    while let Some(last) = path.last() {
        let issued = |one: &Certificate| checks.issued_by(last, one) == Some(Signed::Verified);
        let above = certificates.iter().filter(|one| !path.contains(one) && issued(one));
        let signed_itself = checks.self_issued(last) == Some(SelfSigned::Yes);
        match best(above.filter(|_| !signed_itself), now) {
            Some(next) => path.push(next),
            None => break,
        }
    }
    if checks.are_spent() {
        return Err(Unfit::TooMany);
    }
    for one in &path {
        fit(one, now)?;
    }
    let hierarchy = Hierarchy::of(path).ok_or_else(|| Unfit::OtherKey { held: Digest::of(key.spki()) })?;
    match hierarchy.too_deep() {
        Some(one) => Err(Unfit::TooDeep(one.title())),
        None => Ok(hierarchy),
    }
}

/// A CA that was renewed or cross-signed has several certificates for one key.
fn best<'a>(found: impl Iterator<Item = &'a Certificate>, now: OffsetDateTime) -> Option<Certificate> {
    found.max_by_key(|one| (one.is_valid_at(now), one.is_ca(), one.not_after())).cloned()
}

fn fit(one: &Certificate, now: OffsetDateTime) -> Result<(), Unfit> {
    let title = one.title();
    if !one.is_ca() {
        return Err(Unfit::NotCa(title));
    }
    if !one.signs_certificates() {
        return Err(Unfit::MayNotSign(title));
    }
    if now > one.not_after() {
        return Err(Unfit::Expired { title, on: one.not_after() });
    }
    if now < one.not_before() {
        return Err(Unfit::NotYetValid { title, from: one.not_before() });
    }
    if one.subject().is_empty() {
        return Err(Unfit::Nameless);
    }
    Ok(())
}
