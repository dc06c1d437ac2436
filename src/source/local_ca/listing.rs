//! Revoking, and the lists that tell it.

use std::collections::BTreeMap;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber};
use time::{Duration, OffsetDateTime};

use super::authority::Authority;
use super::certify::issuer_of;
use super::error::CaError;
use super::fields::{BACKDATED, whole_second};
use super::held::Held;
use super::record::{self, Line, Listed, Reason, Record, Revocation, plain};
use crate::cert::codec::signed;
use crate::cert::{Certificate, OddSerial, PrivateKey, RevocationList};
use crate::sensitive::Sensitive;
use crate::source::encode::signing;

/// Days that a list is good for at most.
pub const MOST_LIST_DAYS: u32 = 366;

/// Why a certificate cannot be revoked, or no list made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unlisted {
    /// It issued nothing with that number.
    #[error("it has issued no certificate with the serial number {0}")]
    NeverIssued(String),
    /// Somebody else did.
    #[error("it has not issued the certificate {0}")]
    NotItsOwn(String),
    /// Clients take no entry for it.
    #[error("the serial number of {0} is below zero, and no client finds such a one on a list")]
    Negative(String),
    /// Nobody makes a list any more that could tell it.
    #[error("the certificate {serial} is from its root number {root}, which is retired and makes no lists any more")]
    Retired {
        /// Its serial number.
        serial: String,
        /// The number of the root.
        root: u32,
    },
    /// It was done before.
    #[error("the certificate {serial} was revoked on {} already ({reason})", at.date())]
    Already {
        /// Its serial number.
        serial: String,
        /// When.
        at: OffsetDateTime,
        /// Why.
        reason: Reason,
    },
    /// It has no hierarchy of that number.
    #[error("it has no root number {0} that is not retired")]
    NoSuchRoot(u32),
    /// Lines of its record are lost, and there may be a revocation among them.
    #[error("{0} lines of its record cannot be read, and a revocation may be among them")]
    Damaged(usize),
    /// The record is longer than is read.
    #[error("its record is longer than what is read of it, and a revocation may be in the rest")]
    TooLong,
    /// Its key usage leaves signing of lists out.
    #[error("its certificate may not sign revocation lists: its key usage leaves cRLSign out")]
    MayNotSign,
    /// The list would be good for too long or not at all.
    #[error("a revocation list is good for 1 to {MOST_LIST_DAYS} days, and not for {0}")]
    Days(u32),
    /// The list that is published has a number that none can follow.
    #[error("no number is left after that of the list that is there")]
    NoNumber,
}

impl Unlisted {
    /// What was tried.
    pub(super) fn tried(&self) -> &'static str {
        match self {
            Self::NeverIssued(_)
            | Self::NotItsOwn(_)
            | Self::Already { .. }
            | Self::Negative(_)
            | Self::Retired { .. } => "revoke a certificate of",
            Self::NoSuchRoot(_)
            | Self::Damaged(_)
            | Self::TooLong
            | Self::MayNotSign
            | Self::NoNumber
            | Self::Days(_) => "make a revocation list of",
        }
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NeverIssued(_) => {
                "`reseal ca show NAME` lists those it has issued; one that is not in its record is revoked by its file"
            }
            Self::NotItsOwn(_) => "name the CA that issued it; its issuer is shown by `reseal check FILE`",
            Self::Damaged(_) => {
                "repair the lines in its file `issued` from a backup; `--force` makes the list without them"
            }
            Self::TooLong => "`--force` makes the list of what is read",
            Self::MayNotSign => "have whoever runs the CA above issue its certificate anew, with cRLSign",
            Self::Negative(_) => "replace it on its server, and have whoever runs the server destroy its key",
            Self::Retired { .. } => {
                "have clients stop to trust that root: `reseal ca export` writes those to trust now"
            }
            Self::NoNumber => "name another file",
            Self::NoSuchRoot(_) => "`reseal ca show` tells the numbers of its roots",
            Self::Days(_) => "give `--days` a number from 1 to 366",
            Self::Already { .. } => return None,
        })
    }
}

impl Authority {
    fn unlisted<T>(&self, why: Unlisted) -> Result<T, CaError> {
        Err(CaError::Unlisted { ca: self.name.clone(), why })
    }

    /// What revoking the certificate of a serial number would write down. Writes nothing.
    ///
    /// # Errors
    /// It issued none, or it was revoked before.
    pub fn revocation_of(&self, serial: &str, reason: Reason, now: OffsetDateTime) -> Result<Revocation, CaError> {
        let serial = plain(serial);
        let record = self.record()?;
        match record.issued.iter().find(|line| line.serial == serial) {
            Some(line) if self.standing().iter().all(|held| held.number != line.by) => {
                self.unlisted(Unlisted::Retired { serial, root: line.by })
            }
            Some(line) => self.revocation(&record, line.serial.clone(), line.not_after, line.by, (reason, now)),
            None => self.unlisted(Unlisted::NeverIssued(serial)),
        }
    }

    /// The same for a certificate that is at hand, which need not be in the record: it may have been issued before the CA came here.
    ///
    /// # Errors
    /// It is not of this CA, it was revoked before, or its serial number is one that no list can tell.
    pub fn revocation_for(
        &self,
        certificate: &Certificate,
        reason: Reason,
        now: OffsetDateTime,
    ) -> Result<Revocation, CaError> {
        let Some(issuer) = self.issuer_of(certificate) else {
            return self.unlisted(Unlisted::NotItsOwn(certificate.title()));
        };
        if certificate.odd_serial() == Some(OddSerial::Negative) {
            return self.unlisted(Unlisted::Negative(certificate.title()));
        }
        let (serial, end) = (certificate.serial(), certificate.not_after());
        self.revocation(&self.record()?, serial, end, issuer.number, (reason, now))
    }

    fn revocation(
        &self,
        record: &Record,
        serial: String,
        not_after: OffsetDateTime,
        by: u32,
        (reason, now): (Reason, OffsetDateTime),
    ) -> Result<Revocation, CaError> {
        if let Some(line) = record.revoked.iter().find(|line| line.revoked == serial && line.by == by) {
            return self.unlisted(Unlisted::Already { serial, at: line.at, reason: line.reason });
        }
        Ok(Revocation { revoked: serial, reason, not_after, at: now, by })
    }

    /// Writes a revocation down. Clients learn of it by the next list.
    ///
    /// # Errors
    /// A call failed.
    pub fn revoke(&self, revocation: Revocation) -> Result<(), CaError> {
        Ok(record::add(&self.dir, &Line::Revoked(revocation))?)
    }

    /// What the next list of one hierarchy would be, made at `now`. Makes nothing.
    ///
    /// # Errors
    /// There is no such hierarchy, it may not sign lists, or the record is damaged and `force` is not given.
    pub fn next_list(
        &self,
        root: Option<u32>,
        days: u32,
        force: bool,
        now: OffsetDateTime,
    ) -> Result<NextList<'_>, CaError> {
        let number = root.unwrap_or(self.active.number);
        let Some(held) = self.standing().into_iter().find(|held| held.number == number) else {
            return self.unlisted(Unlisted::NoSuchRoot(number));
        };
        if !(1..=MOST_LIST_DAYS).contains(&days) {
            return self.unlisted(Unlisted::Days(days));
        }
        if !held.hierarchy.issuer().signs_lists() {
            return self.unlisted(Unlisted::MayNotSign);
        }
        let record = self.record()?;
        match (record.damaged, record.skipped) {
            (0, 0) => {}
            (_, _) if force => {}
            (0, _) => return self.unlisted(Unlisted::TooLong),
            (damaged, _) => return self.unlisted(Unlisted::Damaged(damaged)),
        }
        Ok(NextList {
            authority: self,
            held,
            days,
            number: next_number(&record, number, now),
            revoked: due(record, number),
        })
    }
}

/// A revocation list that could be made.
pub struct NextList<'a> {
    authority: &'a Authority,
    held: &'a Held,
    days: u32,
    number: u64,
    revoked: Vec<Revocation>,
}

impl NextList<'_> {
    /// Whose list it is.
    #[must_use]
    pub fn issuer(&self) -> &Certificate {
        self.held.hierarchy.issuer()
    }

    /// The same with a number above that of a list that is published: the record may be older than that, from a backup.
    ///
    /// # Errors
    /// There is none above it.
    pub fn above(self, published: &RevocationList) -> Result<Self, CaError> {
        let digits = published.number().unwrap_or_default();
        let fits = digits.len() <= size_of::<u64>();
        let before = fits.then(|| digits.iter().fold(0, |number, digit| (number << 8) | u64::from(*digit)));
        match before.and_then(|before| before.checked_add(1)) {
            Some(least) => Ok(Self { number: self.number.max(least), ..self }),
            None => self.authority.unlisted(Unlisted::NoNumber),
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many certificates are on it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.revoked.len()
    }

    /// Until when there is another one, UTC.
    #[must_use]
    pub fn next_update(&self, now: OffsetDateTime) -> OffsetDateTime {
        whole_second(now) + Duration::days(i64::from(self.days))
    }

    /// Makes it, proves that it says what it should, and writes it down before anybody gets it: no two lists have one number.
    ///
    /// # Errors
    /// The passphrase is another, what came out is not what was ordered, or a call failed.
    pub fn make(&self, passphrase: &Sensitive, now: OffsetDateTime) -> Result<RevocationList, CaError> {
        let key = self.held.open(&self.authority.name, passphrase)?;
        let list = self.sign(&key, now)?;
        let listed = Listed { list: self.number, at: now, by: self.held.number };
        record::add(&self.authority.dir, &Line::Listed(listed))?;
        Ok(list)
    }

    fn sign(&self, key: &PrivateKey, now: OffsetDateTime) -> Result<RevocationList, CaError> {
        let issuer = self.held.hierarchy.issuer();
        let revoked = self.revoked.iter().map(|line| {
            let serial_number =
                SerialNumber::from_slice(&bytes(&line.revoked).ok_or(CaError::Other("a serial is none"))?);
            let (revocation_time, reason_code) = (whole_second(line.at), Some(code(line.reason)));
            Ok(RevokedCertParams { serial_number, revocation_time, reason_code, invalidity_date: None })
        });
        let params = CertificateRevocationListParams {
            this_update: (whole_second(now) - BACKDATED).max(issuer.not_before()),
            next_update: self.next_update(now),
            crl_number: SerialNumber::from(self.number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect::<Result<_, CaError>>()?,
            // The encoder takes it from here, and not from the issuer.
            key_identifier_method: KeyIdMethod::PreSpecified(issuer.key_identifier()),
        };
        let made = params.signed_by(&issuer_of(issuer, signing(key)?))?;
        let list = RevocationList::of(signed::as_issued_by(made.der(), issuer, key)?, issuer)
            .map_err(|_| CaError::Other("the CA's key did not sign the revocation list"))?;
        self.prove(&list, issuer, &params)?;
        Ok(list)
    }

    fn prove(
        &self,
        list: &RevocationList,
        issuer: &Certificate,
        params: &CertificateRevocationListParams,
    ) -> Result<(), CaError> {
        let number = self.number.to_be_bytes();
        let digits = number.iter().position(|byte| *byte != 0).and_then(|at| number.get(at..));
        let wanted = self.revoked.iter().map(|line| line.revoked.as_str());
        let faults = [
            (
                list.authority() != Some(issuer.key_identifier().as_slice()),
                "the list names another key as its issuer's",
            ),
            (list.number() != digits, "the list has another number"),
            (!list.revoked().iter().map(|entry| entry.serial.as_str()).eq(wanted), "the list has other entries"),
            (list.next_update() != Some(params.next_update), "the list is good for another time"),
            (list.this_update() != params.this_update, "the list begins at another time"),
        ];
        match faults.into_iter().find(|(found, _)| *found) {
            Some((_, fault)) => Err(CaError::Other(fault)),
            None => Ok(()),
        }
    }
}

/// One more than any list of the hierarchy had. Where lines are lost, nobody knows what that is: then the seconds since 1970, which are
/// more than lists can be made one after the other, and more for each time it happens.
fn next_number(record: &Record, by: u32, now: OffsetDateTime) -> u64 {
    let before = record.lists.iter().filter(|line| line.by == by).map(|line| line.list).max();
    let counted = before.unwrap_or(0).saturating_add(1);
    if record.damaged == 0 && record.skipped == 0 {
        return counted;
    }
    counted.max(u64::try_from(now.unix_timestamp()).unwrap_or(0))
}

/// What belongs on the next list: an entry goes only after it was on one that was made when its certificate had ended (RFC 5280 section
/// 3.3). Each serial number once.
fn due(record: Record, by: u32) -> Vec<Revocation> {
    let last = record.lists.iter().filter(|line| line.by == by).map(|line| line.at).max();
    let mut due = BTreeMap::new();
    for line in record.revoked.into_iter().filter(|line| line.by == by) {
        if last.is_none_or(|last| line.not_after >= last) {
            due.entry(line.revoked.clone()).or_insert(line);
        }
    }
    due.into_values().collect()
}

fn code(reason: Reason) -> RevocationReason {
    match reason {
        Reason::Unspecified => RevocationReason::Unspecified,
        Reason::KeyCompromise => RevocationReason::KeyCompromise,
        Reason::AffiliationChanged => RevocationReason::AffiliationChanged,
        Reason::Superseded => RevocationReason::Superseded,
        Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
        Reason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
    }
}

fn bytes(serial: &str) -> Option<Vec<u8>> {
    let digits = serial.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn serials_as_bytes() {
        assert_eq!((bytes("4f0a"), bytes("4g"), bytes("ä")), (Some(vec![0x4f, 0x0a]), None, None));
    }

    #[test]
    fn the_hint_names_the_range() {
        assert!(Unlisted::Days(0).hint().unwrap().ends_with(&format!("to {MOST_LIST_DAYS}")));
    }

    #[test]
    fn an_entry_goes_after_a_list_beyond_its_end() {
        let line = |serial: &str, day| Revocation {
            revoked: serial.to_owned(),
            reason: Reason::Superseded,
            not_after: datetime!(2027-01-01 0:00 UTC) + Duration::days(day),
            at: datetime!(2026-12-01 0:00 UTC),
            by: 1,
        };
        let mut record = Record { revoked: vec![line("02", 10), line("01", 20), line("02", 10)], ..Record::default() };
        record.revoked.push(Revocation { by: 2, ..line("03", 90) });
        let listed = |record: &Record| due(record.clone(), 1).into_iter().map(|line| line.revoked).collect::<Vec<_>>();
        assert_eq!(listed(&record), ["01", "02"]);
        record.lists.push(Listed { list: 1, at: datetime!(2027-01-10 0:00 UTC), by: 1 });
        assert_eq!(listed(&record), ["01", "02"], "the last list was before its end");
        record.lists.push(Listed { list: 2, at: datetime!(2027-01-12 0:00 UTC), by: 2 });
        assert_eq!(listed(&record), ["01", "02"], "another CA's list");
        record.lists.push(Listed { list: 2, at: datetime!(2027-01-12 0:00 UTC), by: 1 });
        assert_eq!(listed(&record), ["01"]);
        let now = datetime!(2027-02-01 0:00 UTC);
        assert_eq!((next_number(&record, 1, now), next_number(&record, 3, now)), (3, 1));
        for lost in [Record { damaged: 1, ..record.clone() }, Record { skipped: 1, ..record }] {
            let first = next_number(&lost, 1, now);
            assert_eq!(first, 1_801_440_000);
            assert!(next_number(&lost, 1, now + Duration::SECOND) > first, "that line may be lost too");
        }
    }
}
