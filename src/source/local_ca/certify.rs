//! Writing certificates. Every field is set here, for the defaults of the library that encodes them are those of a test.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose};
use time::{Duration, OffsetDateTime};

use super::error::CaError;
use super::fields::{BACKDATED, Published, anniversary, common_name, constraints, named, serial, whole_second};
use super::hierarchy::Hierarchy;
use super::permitted::Permitted;
use crate::cert::codec::signed;
use crate::cert::{Certificate, Chain, KeyKind, Name, PrivateKey, Signed, issued_by};
use crate::source::encode::{Signing, alternative, public, signing, usages};

/// Days that a certificate lives at most, as public ones since March 2026 (CA/Browser Forum ballot SC-081).
pub const MOST_DAYS: u32 = 200;

/// What a CA's own certificate is to say.
pub(super) struct CaFields<'a> {
    pub common_name: &'a str,
    pub years: u32,
    pub permitted: &'a [Permitted],
    /// How many CAs may stand between it and a server's certificate.
    pub path_length: u8,
}

/// Who signs, and what is told about it.
pub(super) struct Signer<'a> {
    pub hierarchy: &'a Hierarchy,
    /// The key of the hierarchy's issuer.
    pub key: &'a PrivateKey,
    pub published: &'a Published,
}

/// Whom a certificate is for.
pub(super) struct Subject<'a> {
    /// Never empty; the first also as common name where that can hold it.
    pub names: &'a [Name],
    /// The SubjectPublicKeyInfo.
    pub spki: &'a [u8],
    pub kind: &'a KeyKind,
}

/// A self-signed root.
pub(super) fn root(fields: &CaFields<'_>, key: &PrivateKey, now: OffsetDateTime) -> Result<Certificate, CaError> {
    let now = whole_second(now);
    let params = authority(fields, now)?;
    let root = read(params.self_signed(&signing(key)?)?.der())?;
    prove_authority(&root, fields, key, now)?;
    if issued_by(&root, &root) != Signed::Verified {
        return Err(CaError::Other("the root did not sign itself"));
    }
    Ok(root)
}

/// A CA below `issuer`, which it does not outlive.
pub(super) fn intermediate(
    fields: &CaFields<'_>,
    key: &PrivateKey,
    issuer: &Certificate,
    issuer_key: &PrivateKey,
    now: OffsetDateTime,
) -> Result<Certificate, CaError> {
    let now = whole_second(now);
    let mut params = authority(fields, now)?;
    params.not_before = params.not_before.max(issuer.not_before());
    params.not_after = params.not_after.min(issuer.not_after());
    let made = sign(&params, key.spki(), issuer, issuer_key)?;
    prove_authority(&made, fields, key, now)?;
    if issued_by(&made, issuer) != Signed::Verified || made.aki() != Some(issuer.key_identifier().as_slice()) {
        return Err(CaError::Other("the root's key did not sign the intermediate"));
    }
    Ok(made)
}

/// A server certificate, as a chain without its root, proved to verify for every name at `now`.
pub(super) fn leaf(
    signer: &Signer<'_>,
    subject: &Subject<'_>,
    days: u32,
    now: OffsetDateTime,
) -> Result<Chain, CaError> {
    let now = whole_second(now);
    let hierarchy = signer.hierarchy;
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial()?);
    params.not_before = (now - BACKDATED).max(hierarchy.not_before());
    params.not_after = end_of(hierarchy, days, now);
    params.distinguished_name = named(common_name(subject.names));
    params.subject_alt_names = subject.names.iter().map(alternative).collect::<Result<_, _>>()?;
    // Says that it is no CA, which also writes the key identifier.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = usages(subject.kind);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_identifier_method = KeyIdMethod::Sha256;
    params.use_authority_key_identifier_extension = true;
    params.crl_distribution_points = signer.published.points();
    params.custom_extensions.extend(signer.published.access());
    let leaf = sign(&params, subject.spki, hierarchy.issuer(), signer.key)?;
    prove(&leaf, hierarchy.issuer(), subject, now)?;
    if (leaf.not_before(), leaf.not_after()) != (params.not_before, params.not_after) {
        return Err(CaError::Other("it has other dates"));
    }
    let served = std::iter::once(leaf).chain(hierarchy.served().cloned()).collect();
    let chain = Chain::as_given(served).ok_or(CaError::Other("there is none"))?;
    hierarchy.anchors().verify(&chain, subject.names, now)?;
    Ok(chain)
}

/// The last second of a leaf of `days` days that is issued at `now`, UTC: with its CA at the latest.
pub(super) fn end_of(hierarchy: &Hierarchy, days: u32, now: OffsetDateTime) -> OffsetDateTime {
    (whole_second(now) + Duration::days(i64::from(days))).min(hierarchy.not_after())
}

/// What every CA's certificate says.
fn authority(fields: &CaFields<'_>, now: OffsetDateTime) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial()?);
    params.not_before = now - BACKDATED;
    params.not_after = anniversary(now, fields.years);
    params.distinguished_name = named(Some(fields.common_name));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(fields.path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(constraints(fields.permitted));
    params.key_identifier_method = KeyIdMethod::Sha256;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Signs with the issuer's key, under the issuer's name as its own certificate spells it.
fn sign(
    params: &CertificateParams,
    spki: &[u8],
    issuer: &Certificate,
    key: &PrivateKey,
) -> Result<Certificate, CaError> {
    let issuing = issuer_of(issuer, signing(key)?);
    let made = params.signed_by(&public(spki)?, &issuing)?;
    read(&signed::as_issued_by(made.der(), issuer, key)?)
}

/// An issuer for the encoder. It would read the certificate itself, but keeps of a name only what fits its own idea of one; so it is
/// told no more than a common name, and where the name is any other, that is put right in what it has written.
pub(super) fn issuer_of<'a>(issuer: &Certificate, key: Signing<'a>) -> Issuer<'a, Signing<'a>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(issuer.common_name());
    params.key_identifier_method = KeyIdMethod::PreSpecified(issuer.key_identifier());
    params.key_usages = Vec::new();
    Issuer::new(params, key)
}

fn prove_authority(
    made: &Certificate,
    fields: &CaFields<'_>,
    key: &PrivateKey,
    now: OffsetDateTime,
) -> Result<(), CaError> {
    if !key.matches(made) {
        return Err(CaError::Other("the CA has another key"));
    }
    let says = made.is_ca()
        && made.path_len() == Some(u32::from(fields.path_length))
        && made.is_valid_at(now)
        && made.signs_certificates()
        && made.constrains_names()
        && made.common_name() == Some(fields.common_name);
    if says { Ok(()) } else { Err(CaError::Other("the CA does not say what it should")) }
}

/// What path building does not look at.
fn prove(leaf: &Certificate, issuer: &Certificate, subject: &Subject<'_>, now: OffsetDateTime) -> Result<(), CaError> {
    let faults = [
        (leaf.names() != subject.names || !leaf.unusable_names().is_empty(), "it has other names"),
        (leaf.spki() != subject.spki, "it is for another key"),
        (leaf.is_ca(), "it is a CA"),
        (!leaf.serves_tls() || !leaf.signs_handshakes(), "it serves no TLS"),
        (leaf.aki() != Some(issuer.key_identifier().as_slice()), "it names another key as its issuer's"),
        (issued_by(leaf, issuer) != Signed::Verified, "the CA's key did not sign it"),
        (!leaf.is_valid_at(now), "it is not valid now"),
    ];
    match faults.into_iter().find(|(found, _)| *found) {
        Some((_, fault)) => Err(CaError::Other(fault)),
        None => Ok(()),
    }
}

fn read(der: &[u8]) -> Result<Certificate, CaError> {
    Certificate::from_der(der).map_err(|_| CaError::Other("it cannot be read"))
}
