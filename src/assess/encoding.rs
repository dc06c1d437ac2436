//! How certificates are written: what readers disagree about.

use super::{Code, Finding};
use crate::cert::{Breach, Certificate, Chain, Fault, OddSerial};

pub(super) fn findings(chain: &Chain, found: &mut Vec<Finding>) {
    one(chain.leaf(), "it", found);
    if let Some(why) = chain.leaf().strict_refusal()
        && !found.iter().any(|known| explains_refusal(known.code, &why))
    {
        found.push(Finding::new(Code::StrictRefused, format!("strict clients refuse it: {why}")));
    }
    if chain.leaf().fault() == Some(Fault::Proxy) {
        found.push(Finding::new(Code::StrictRefused, format!("it {}", Fault::Proxy)));
    }
    for certificate in chain.intermediates() {
        one(certificate, &certificate.title(), found);
        // Of what else OpenSSL holds against an issuer the findings about its extensions and dates tell.
        if let Some(fault @ (Fault::NotLoaded(_) | Fault::Proxy)) = certificate.fault() {
            found.push(Finding::new(Code::StrictRefused, format!("{} {fault}", certificate.title())));
        }
    }
}

fn one(certificate: &Certificate, who: &str, found: &mut Vec<Finding>) {
    let mut tell = |code, message: String| found.push(Finding::new(code, message));
    match certificate.odd_serial() {
        Some(OddSerial::Zero) => tell(Code::SerialNotPositive, format!("the serial number of {who} is zero")),
        Some(OddSerial::Negative) => tell(Code::SerialNotPositive, format!("the serial number of {who} is negative")),
        Some(OddSerial::TooLong(octets)) => {
            tell(Code::SerialTooLong, format!("the serial number of {who} has {octets} octets, more than 20"));
        }
        None => {}
    }
    if certificate.odd_dates() {
        tell(Code::DateEncoding, format!("a date of {who} is not written as RFC 5280 prescribes"));
    }
    if certificate.version() < 3 {
        tell(Code::OldVersion, format!("{who} is of X.509 version {}", certificate.version()));
    }
    if certificate.algorithms_differ() {
        tell(Code::AlgorithmMismatch, format!("{who} names one signature algorithm inside and another outside"));
    }
    for (code, what, list) in [
        (Code::DuplicateExtension, "is there twice", certificate.repeated_extensions()),
        (Code::UnreadableExtension, "cannot be read", certificate.unreadable_extensions()),
        (Code::UnreadableExtension, "is not built as it has to be", &certificate.loose_extensions()),
        (Code::UnknownCritical, "is critical, and hardly any client knows it", certificate.unknown_critical()),
    ] {
        if let [first, ..] = list {
            tell(code, format!("the extension {first} of {who} {what}"));
        }
    }
    let (refused, breaches): (Vec<&Breach>, Vec<&Breach>) =
        certificate.breaches().iter().partition(|breach| matches!(breach, Breach::NamesNotCritical | Breach::NoIssuer));
    for breach in refused {
        tell(Code::RefusedBySome, format!("{who} has what Java does not read: {}", breach.text()));
    }
    for doubt in [certificate.doubt_in_key(), certificate.doubt_in_writing()].into_iter().flatten() {
        tell(Code::RefusedBySome, format!("{who} has {doubt}"));
    }
    let breaches: Vec<&str> = breaches.into_iter().map(|breach| breach.text()).collect();
    if !breaches.is_empty() {
        tell(Code::Profile, format!("{who} breaks RFC 5280: {}", breaches.join("; ")));
    }
}

/// Whether this finding already tells that a strict reader stops for this reason, one of webpki's. What such readers overlook, and what
/// they stop at in another place, explains nothing.
#[allow(clippy::wildcard_enum_match_arm, reason = "few findings tell what stops a reader")]
pub(super) fn explains_refusal(code: Code, why: &str) -> bool {
    let at: &[&str] = match code {
        Code::OldVersion => &["UnsupportedCertVersion"],
        Code::AlgorithmMismatch => &["SignatureAlgorithmMismatch"],
        Code::DuplicateExtension => &["ExtensionValueInvalid"],
        Code::UnknownCritical => &["UnsupportedCriticalExtension"],
        Code::ValidityReversed => &["InvalidCertValidity"],
        Code::DateEncoding => &["BadDerTime"],
        _ => &[],
    };
    at.contains(&why)
}
