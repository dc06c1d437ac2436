//! What stands in a certificate, part by part (RFC 5280 section 4.1), before anything is made of it.
//!
//! Two read it. [`ordinary`] takes what is written just as DER and RFC 5280 have it, as nearly all certificates are, in a fraction of the
//! time; whatever it does not know for sure it leaves to [`odd`], which has the most lenient parser there is. Where the first says
//! anything, the second says the same.

mod odd;
mod ordinary;
#[cfg(test)]
mod tests;

use std::ops::Range;

use time::OffsetDateTime;
use x509_parser::asn1_rs::Oid;

use super::algorithm::{KeyKind, SignatureAlgorithm};
use super::certificate::CertificateError;
use super::details::Purposes;

/// The parts of a certificate; ranges are places in its DER.
#[derive(PartialEq, Debug)]
pub(super) struct Outline<'a> {
    /// What the issuer signed.
    pub tbs: Range<usize>,
    /// 1, 2 or 3.
    pub version: u8,
    pub serial: Range<usize>,
    /// Whether it names another signature algorithm inside than outside.
    pub algorithms_differ: bool,
    pub issuer: Range<usize>,
    pub subject: Range<usize>,
    pub no_issuer: bool,
    pub no_subject: bool,
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
    pub spki: Range<usize>,
    pub key_kind: KeyKind,
    pub unique_identifiers: bool,
    /// In their order, repeated ones too.
    pub extensions: Vec<Extension<'a>>,
    pub signature_algorithm: SignatureAlgorithm,
    pub signature: Range<usize>,
    /// That no strict reader has anything against how it is written, unless an extension is there twice. Otherwise that is not known.
    pub sound: bool,
}

#[derive(PartialEq, Debug)]
pub(super) struct Extension<'a> {
    pub identifier: Oid<'a>,
    pub critical: bool,
    /// What the OCTET STRING holds.
    pub value: &'a [u8],
    pub content: Content<'a>,
}

/// What an extension says, as far as anybody here asks.
#[derive(PartialEq, Debug)]
pub(super) enum Content<'a> {
    /// RFC 5280 section 4.2.1.1, with the key identifier if it has one.
    AuthorityKey(Option<&'a [u8]>),
    /// Section 4.2.1.2.
    SubjectKey(&'a [u8]),
    /// Section 4.2.1.3: the bit for digital signatures is the lowest.
    KeyUsage(u16),
    /// Section 4.2.1.4: whether one of the policies is the CA/Browser Forum's.
    Policies { reserved: bool },
    /// Section 4.2.1.6.
    Names(Vec<AlternativeName<'a>>),
    /// Section 4.2.1.9.
    BasicConstraints { ca: bool, path_len: Option<u32> },
    /// Section 4.2.1.10.
    NameConstraints,
    /// Section 4.2.1.11.
    PolicyConstraints,
    /// Section 4.2.1.12.
    ExtendedKeyUsage(Purposes),
    /// Section 4.2.2.1.
    AuthorityInformation,
    /// Timestamps of certificate transparency logs (RFC 6962 section 3.3).
    Timestamps,
    /// One that is known and of which nothing is asked.
    Known,
    /// One that the lenient parser does not know.
    Unknown,
    /// One that is known, and whose content cannot be read.
    Unreadable,
}

#[derive(PartialEq, Debug)]
pub(super) enum AlternativeName<'a> {
    Dns(&'a str),
    Ip(&'a [u8]),
    /// Of no kind that RFC 5280 section 4.2.1.6 has, or a DNS name with octets that none can have.
    Unreadable(&'a [u8]),
    /// Of a kind that names no server, whatever stands in it.
    Other,
}

impl<'a> Outline<'a> {
    /// Reads one certificate, which must fill `der`.
    pub(super) fn read(der: &'a [u8]) -> Result<Self, CertificateError> {
        ordinary::read(der).map_or_else(|| odd::read(der), Ok)
    }
}

/// A door for the fuzzer, which no program has: whether both readers say the same, where the first says anything, and nothing is against
/// what it calls sound.
#[cfg(fuzzing)]
#[doc(hidden)]
#[must_use]
pub fn readers_agree(der: &[u8]) -> bool {
    let nothing_against = |one: super::Certificate| {
        !one.is_sound()
            || (one.refusal_at_length().is_none()
                && one.loose_at_length().is_empty()
                && one.doubt_at_length().is_none())
    };
    let same = |read: &Outline<'_>| odd::read(der).is_ok_and(|other| Outline { sound: read.sound, ..other } == *read);
    ordinary::read(der).is_none_or(|read| same(&read) && super::Certificate::from_der(der).is_ok_and(nothing_against))
}

/// Where a part of it stands in the whole. One that is no part of it would be empty rather than elsewhere.
pub(super) fn place(der: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(der.as_ptr() as usize);
    if start <= der.len() && part.len() <= der.len() - start { start..start + part.len() } else { 0..0 }
}
