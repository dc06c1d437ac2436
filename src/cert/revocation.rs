//! Lists of revoked certificates.

use time::OffsetDateTime;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::algorithm::SignatureAlgorithm;
use super::certificate::Certificate;
use super::codec;
use super::trust::{self, Signed};
use crate::digest::hex;

/// A certificate revocation list (RFC 5280 section 5), read and held against the CA that is said to have signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevocationList {
    der: Vec<u8>,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
    number: Option<Vec<u8>>,
    authority: Option<Vec<u8>>,
    revoked: Vec<Revoked>,
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revoked {
    /// The serial number in hexadecimal, as [`Certificate::serial`] writes it.
    pub serial: String,
    /// When it was revoked, UTC.
    pub at: OffsetDateTime,
    /// The reason's number (RFC 5280 section 5.3.1); none where there is none.
    pub reason: Option<u8>,
}

/// A revocation list cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RevocationListError {
    /// Not DER of a list.
    #[error("the bytes are no revocation list")]
    Unreadable,
    /// It names somebody else.
    #[error("the revocation list is another CA's")]
    OtherIssuer,
    /// The CA's key did not sign it, or that cannot be found out.
    #[error("the CA's key did not sign the revocation list")]
    NotSigned,
}

impl RevocationList {
    /// Reads a list that `issuer` must have signed.
    ///
    /// # Errors
    /// It is none, or not that CA's.
    pub fn of(der: impl Into<Vec<u8>>, issuer: &Certificate) -> Result<Self, RevocationListError> {
        let der = der.into();
        let read = Self::read(&der, issuer)?;
        Ok(Self { der, ..read })
    }

    /// Reads a file that holds one list of `issuer`, in PEM or DER, and nothing else.
    ///
    /// # Errors
    /// It holds none or more than that, or the list is not that CA's.
    pub fn alone_in(input: &[u8], issuer: &Certificate) -> Result<Self, RevocationListError> {
        Self::of(codec::pem::list_in(input).ok_or(RevocationListError::Unreadable)?, issuer)
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "extensions are an open set")]
    fn read(der: &[u8], issuer: &Certificate) -> Result<Self, RevocationListError> {
        let (rest, list) = CertificateRevocationList::from_der(der).map_err(|_| RevocationListError::Unreadable)?;
        if !rest.is_empty() {
            return Err(RevocationListError::Unreadable);
        }
        let content = &list.tbs_cert_list;
        // To the byte: not every client folds names before it looks for a list.
        if content.issuer.as_raw() != issuer.subject_der() {
            return Err(RevocationListError::OtherIssuer);
        }
        let algorithm = SignatureAlgorithm::of(&list.signature_algorithm);
        let signed = trust::signature_by(&algorithm, issuer.spki(), content.as_ref(), &list.signature_value.data);
        if signed != Signed::Verified {
            return Err(RevocationListError::NotSigned);
        }
        let authority = content.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(authority) => authority.key_identifier.as_ref(),
            _ => None,
        });
        let utc = |time: x509_parser::time::ASN1Time| time.to_datetime().to_offset(time::UtcOffset::UTC);
        let revoked = list.iter_revoked_certificates().map(|entry| Revoked {
            serial: serial_text(entry.raw_serial()),
            at: utc(entry.revocation_date),
            reason: entry.reason_code().map(|(_, reason)| reason.0),
        });
        Ok(Self {
            this_update: utc(list.last_update()),
            next_update: list.next_update().map(utc),
            number: list.crl_number().map(x509_parser::num_bigint::BigUint::to_bytes_be),
            authority: authority.map(|identifier| identifier.0.to_vec()),
            revoked: revoked.collect(),
            der: Vec::new(),
        })
    }

    /// Its entries, in their order.
    #[must_use]
    pub fn revoked(&self) -> &[Revoked] {
        &self.revoked
    }

    /// From when on it tells the truth, UTC.
    #[must_use]
    pub fn this_update(&self) -> OffsetDateTime {
        self.this_update
    }

    /// Until when there is another one, UTC.
    #[must_use]
    pub fn next_update(&self) -> Option<OffsetDateTime> {
        self.next_update
    }

    /// Its number, big-endian (RFC 5280 section 5.2.3).
    #[must_use]
    pub fn number(&self) -> Option<&[u8]> {
        self.number.as_deref()
    }

    /// The identifier of the key that signed it (RFC 5280 section 5.2.1).
    #[must_use]
    pub fn authority(&self) -> Option<&[u8]> {
        self.authority.as_deref()
    }

    /// The bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// One PEM block `X509 CRL`, lines ended by LF.
    #[must_use]
    pub fn to_pem(&self) -> String {
        codec::pem::encode("X509 CRL", &self.der)
    }
}

/// A serial number in hexadecimal, without zero octets in front: the sign octet, and what some issuers pad with. A negative one has a minus
/// before its amount, as OpenSSL shows it.
pub(super) fn serial_text(bytes: &[u8]) -> String {
    if bytes.first().is_none_or(|first| *first < 0x80) {
        return hex(without_zeros(bytes));
    }
    // Two's complement (X.690 section 8.3.3).
    let mut amount: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
    for byte in amount.iter_mut().rev() {
        let (sum, carried) = byte.overflowing_add(1);
        *byte = sum;
        if !carried {
            break;
        }
    }
    format!("-{}", hex(without_zeros(&amount)))
}

fn without_zeros(mut bytes: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = bytes
        && !rest.is_empty()
    {
        bytes = rest;
    }
    bytes
}
