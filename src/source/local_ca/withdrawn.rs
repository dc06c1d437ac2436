//! What the CAs of this machine have revoked: for those who hold many certificates against it.

use time::OffsetDateTime;

use super::authority::{AREA, Authority};
use super::error::CaError;
use super::record::{self, Revocation, plain};
use super::{held, succession};
use crate::cert::{Certificate, Signed, issued_by};
use crate::host::state::{State, absent_is_none, file_name};

/// The revocations of all CAs, as they stood when they were read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Withdrawn {
    all: Vec<(String, Revocation)>,
    /// The CAs of which not all is known: a record is longer than what is read of it, or a line of it damaged.
    pub in_part: Vec<String>,
}

impl Withdrawn {
    /// Reads those of all CAs. Of the records it looks at nothing else, and of the CAs at nothing but their records.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn read(state: &State) -> Result<Self, CaError> {
        let Some(area) = state.existing_area(AREA)? else { return Ok(Self::default()) };
        let mut found = Self::default();
        for name in Authority::names(state)? {
            let Some(dir) = absent_is_none(area.sub(&file_name(&name)))? else { continue };
            let (lines, whole) = record::revocations(&dir)?;
            found.all.extend(lines.into_iter().map(|line| (name.clone(), line)));
            if !whole {
                found.in_part.push(name);
            }
        }
        Ok(found)
    }

    /// Whether one with this serial number and this end, UTC, may be among them; an empty number is one that was not kept. A `true` is
    /// to be looked into: another CA may have given the same number.
    #[must_use]
    pub fn may_hold(&self, serial: &str, not_after: OffsetDateTime) -> bool {
        let serial = (!serial.is_empty()).then(|| plain(serial));
        self.all.iter().any(|(_, line)| match &serial {
            Some(serial) => line.revoked == *serial,
            None => line.not_after == not_after,
        })
    }

    /// The CA that has revoked a certificate, with what it wrote down. The number alone proves nothing: the CA's key must have signed it.
    ///
    /// # Errors
    /// A CA that has revoked such a number cannot be read.
    pub fn of(&self, state: &State, certificate: &Certificate) -> Result<Option<(&str, &Revocation)>, CaError> {
        let serial = plain(&certificate.serial());
        for (name, line) in self.all.iter().filter(|(_, line)| line.revoked == serial) {
            if Authority::find(state, name)?.has_issued(line.by, certificate)? {
                return Ok(Some((name, line)));
            }
        }
        Ok(None)
    }
}

impl Authority {
    /// Whether the hierarchy of this number, retired or not, has issued a certificate.
    fn has_issued(&self, number: u32, certificate: &Certificate) -> Result<bool, CaError> {
        let by = |issuer: &Certificate| issued_by(certificate, issuer) == Signed::Verified;
        if let Some(held) = self.standing().into_iter().find(|held| held.number == number) {
            return Ok(by(held.hierarchy.issuer()));
        }
        let Some(below) = succession::place(&self.dir, number)? else { return Ok(false) };
        Ok(by(held::hierarchy(below.as_ref().unwrap_or(&self.dir))?.issuer()))
    }

    /// The CA of this machine, other than that of the name `but`, that has issued a certificate, also by a root that it has put away.
    /// One that cannot be read is passed over: its own verbs tell of it.
    ///
    /// # Errors
    /// The directory of all CAs cannot be read.
    pub fn issuer_among(state: &State, but: &str, certificate: &Certificate) -> Result<Option<String>, CaError> {
        let others = Self::names(state)?.into_iter().filter(|name| name != but);
        Ok(others.into_iter().find(|name| {
            let Ok(authority) = Self::find(state, name) else { return false };
            let retired = authority.retired().unwrap_or_default();
            authority.issuer_of(certificate).is_some()
                || retired.iter().any(|one| issued_by(certificate, one.issuer()) == Signed::Verified)
        }))
    }

    /// The names of the issuers, as [`Certificate::issuer`] has them, of all CAs of this machine but the one of the name `but`.
    ///
    /// # Errors
    /// The directory of all CAs, or one of them, cannot be read.
    pub fn issuers_but(state: &State, but: &str) -> Result<Vec<String>, CaError> {
        let mut found = Vec::new();
        for name in Self::names(state)?.into_iter().filter(|name| name != but) {
            let authority = Self::find(state, &name)?;
            let standing = authority.standing().into_iter().map(|held| held.hierarchy.issuer().subject().to_owned());
            found.extend(standing.chain(authority.retired()?.iter().map(|one| one.issuer().subject().to_owned())));
        }
        Ok(found)
    }
}
