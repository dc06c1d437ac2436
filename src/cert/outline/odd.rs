//! Reads any certificate that can be read at all, with the lenient parser.

use x509_parser::asn1_rs::Tag;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{AlternativeName, Content, Extension, Outline, place};
use crate::cert::algorithm::{KeyKind, SignatureAlgorithm};
use crate::cert::certificate::CertificateError;
use crate::cert::codec::tlv::{Element, INTEGER, SEQUENCE, ZERO};
use crate::cert::details::Purposes;
use crate::cert::spki;

pub(super) fn read(der: &[u8]) -> Result<Outline<'_>, CertificateError> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| {
        CertificateError::Unreadable(match error {
            x509_parser::nom::Err::Incomplete(_) => "it ends too early".to_owned(),
            x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => error.to_string(),
        })
    })?;
    if !rest.is_empty() {
        return Err(CertificateError::Trailing(rest.len()));
    }
    let tbs = &certificate.tbs_certificate;
    let (issuer, subject) = names(der).unwrap_or((tbs.issuer.as_raw(), tbs.subject.as_raw()));
    Ok(Outline {
        tbs: place(der, tbs.as_ref()),
        version: u8::try_from(tbs.version.0.saturating_add(1)).unwrap_or(u8::MAX),
        serial: place(der, tbs.raw_serial()),
        algorithms_differ: tbs.signature != certificate.signature_algorithm,
        issuer: place(der, issuer),
        subject: place(der, subject),
        no_issuer: is_empty(issuer),
        no_subject: is_empty(subject),
        not_before: tbs.validity.not_before.to_datetime().to_offset(time::UtcOffset::UTC),
        not_after: tbs.validity.not_after.to_datetime().to_offset(time::UtcOffset::UTC),
        spki: place(der, tbs.subject_pki.raw),
        key_kind: match spki::key_bits(tbs.subject_pki.raw) {
            Some(_) => KeyKind::of_key(&tbs.subject_pki),
            None => KeyKind::of_spki(tbs.subject_pki.raw),
        },
        unique_identifiers: tbs.issuer_uid.is_some() || tbs.subject_uid.is_some(),
        // Walked in their order, because the parser's own accessors fail on a repeated one.
        extensions: tbs.extensions().iter().map(extension).collect(),
        signature_algorithm: SignatureAlgorithm::of(&certificate.signature_algorithm),
        signature: place(der, &certificate.signature_value.data),
        sound: false,
    })
}

/// Issuer and subject, whole: the parser ends a name before the first part that it does not like, an empty set for one, which others read.
fn names(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut tbs = Element::filling(der)?.inside().next()?.inside();
    tbs.optional(ZERO);
    tbs.expect(INTEGER)?;
    tbs.expect(SEQUENCE)?;
    let issuer = tbs.expect(SEQUENCE)?;
    tbs.expect(SEQUENCE)?;
    let subject = tbs.expect(SEQUENCE)?;
    Some((issuer.whole, subject.whole))
}

fn is_empty(name: &[u8]) -> bool {
    Element::filling(name).is_none_or(|name| name.content.is_empty())
}

/// One extension alone.
pub(super) fn read_extension(der: &[u8]) -> Option<Extension<'_>> {
    let (rest, read) = X509Extension::from_der(der).ok()?;
    rest.is_empty().then(|| extension(&read))
}

fn extension<'a>(read: &X509Extension<'a>) -> Extension<'a> {
    Extension { identifier: read.oid.clone(), critical: read.critical, value: read.value, content: content(read) }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "extensions are an open set")]
fn content<'a>(read: &X509Extension<'a>) -> Content<'a> {
    match read.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(authority) => {
            Content::AuthorityKey(authority.key_identifier.as_ref().map(|identifier| identifier.0))
        }
        ParsedExtension::SubjectKeyIdentifier(identifier) => Content::SubjectKey(identifier.0),
        ParsedExtension::KeyUsage(usage) => Content::KeyUsage(usage.flags),
        ParsedExtension::CertificatePolicies(policies) => Content::Policies {
            reserved: policies.iter().any(|policy| RESERVED.contains(&policy.policy_id.as_bytes())),
        },
        ParsedExtension::SubjectAlternativeName(names) => {
            Content::Names(names.general_names.iter().map(alternative_name).collect())
        }
        ParsedExtension::BasicConstraints(constraints) => {
            Content::BasicConstraints { ca: constraints.ca, path_len: constraints.path_len_constraint }
        }
        ParsedExtension::NameConstraints(_) => Content::NameConstraints,
        ParsedExtension::PolicyConstraints(_) => Content::PolicyConstraints,
        ParsedExtension::ExtendedKeyUsage(ExtendedKeyUsage { any, server_auth, client_auth, .. }) => {
            Content::ExtendedKeyUsage(Purposes { any: *any, server: *server_auth, client: *client_auth })
        }
        ParsedExtension::AuthorityInfoAccess(_) => Content::AuthorityInformation,
        ParsedExtension::SCT(_) => Content::Timestamps,
        ParsedExtension::ParseError { .. } => Content::Unreadable,
        ParsedExtension::UnsupportedExtension { .. } => Content::Unknown,
        _ => Content::Known,
    }
}

fn alternative_name<'a>(name: &GeneralName<'a>) -> AlternativeName<'a> {
    match name {
        GeneralName::DNSName(text) => AlternativeName::Dns(text),
        GeneralName::IPAddress(bytes) => AlternativeName::Ip(bytes),
        // What stands in a name of another kind than that of a host is nothing that a client compares.
        GeneralName::Invalid(Tag(0..=1 | 3..=6 | 8), _) => AlternativeName::Other,
        GeneralName::Invalid(_, bytes) => AlternativeName::Unreadable(bytes),
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::URI(_)
        | GeneralName::RegisteredID(_) => AlternativeName::Other,
    }
}

/// 2.23.140.1.1 (extended validation), 2.23.140.1.2.1 to .3 (domain, organisation, individual validated): the content octets (Baseline
/// Requirements section 7.1.6.1).
const RESERVED: &[&[u8]] = &[
    &[0x67, 0x81, 0x0c, 0x01, 0x01],
    &[0x67, 0x81, 0x0c, 0x01, 0x02, 0x01],
    &[0x67, 0x81, 0x0c, 0x01, 0x02, 0x02],
    &[0x67, 0x81, 0x0c, 0x01, 0x02, 0x03],
];
