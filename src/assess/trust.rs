//! What clients make of the chain.

use super::dates::date;
use super::encoding::explains_refusal;
use super::{Code, Facts, Finding};
use crate::cert::{Certificate, Chain, Forbids, TrustVerdict, Untrusted};

/// Every chain that no client takes has a finding that says why; what another finding said already is not said again.
pub(super) fn findings(chain: &Chain, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let (trusted, refused): (Vec<&TrustVerdict>, Vec<&TrustVerdict>) =
        facts.trust.iter().partition(|verdict| verdict.trusted);
    let names = |verdicts: &[&TrustVerdict]| {
        verdicts.iter().map(|verdict| verdict.profile.as_str()).collect::<Vec<_>>().join(", ")
    };
    doubtful_roots(&trusted, found);
    let Some((first, reason)) = refused.first().and_then(|first| Some((*first, first.reason.as_ref()?))) else {
        return;
    };
    if !trusted.is_empty() {
        let why = first.why.as_deref().unwrap_or_default();
        let message = format!("trusted by {}, not by {}: {why}", names(&trusted), names(&refused));
        found.push(Finding::new(Code::TrustDiffers, message));
        return;
    }
    let (code, said_by): (Code, &[Code]) = of(reason);
    if found.iter().any(|known| known.code == code || said_by.contains(&known.code) || explained(known.code, reason)) {
        return;
    }
    let message = match reason {
        Untrusted::UnknownIssuer => {
            let alone = facts.whole_chain && chain.intermediates().is_empty() && !chain.leaf().is_self_issued();
            let alone = if alone { "; no intermediate came with it" } else { "" };
            format!("{}{alone}", unknown_issuer(chain, &names(&refused)))
        }
        Untrusted::RootOutOfDate { root, to, .. } => {
            format!("the root {root} ({}) is valid only until {}", names(&refused), date(*to))
        }
        other @ (Untrusted::SmallIssuer { .. }
        | Untrusted::OtherwiseWritten { .. }
        | Untrusted::RootForbids { .. }
        | Untrusted::Expired(_)
        | Untrusted::NotYetValid(_)
        | Untrusted::WrongName(_)
        | Untrusted::CaAsServer
        | Untrusted::WrongPurpose
        | Untrusted::WeakKey(_)
        | Untrusted::FalseSignature
        | Untrusted::WeakSignature
        | Untrusted::ForbiddenName
        | Untrusted::TooLong
        | Untrusted::IssuerNotCa
        | Untrusted::Refused(_)) => format!("{}: {other}", names(&refused)),
    };
    found.push(Finding::new(code, message));
}

/// Roots by which a client takes the chain and that others refuse for what their own certificates say.
fn doubtful_roots(trusted: &[&TrustVerdict], found: &mut Vec<Finding>) {
    let mut told: Vec<&Certificate> = Vec::new();
    for root in trusted.iter().filter_map(|verdict| verdict.certificates.last()) {
        let doubt = root.doubt_as_root().or_else(|| root.doubt_in_writing().map(|doubt| format!("has {doubt}")));
        if let Some(doubt) = doubt.filter(|_| !told.contains(&root)) {
            told.push(root);
            found.push(Finding::new(Code::RefusedBySome, format!("the root {} {doubt}", root.title())));
        }
    }
}

/// Where the path upwards ends: at a root that is not known, or for want of a certificate that was not sent.
fn unknown_issuer(chain: &Chain, clients: &str) -> String {
    let mut top = chain.leaf();
    for _ in chain.intermediates() {
        match chain.intermediates().iter().find(|one| top.names_as_issuer(one)) {
            Some(issuer) if !top.is_self_issued() => top = issuer,
            Some(_) | None => break,
        }
    }
    if top.is_self_issued() {
        return format!("it leads to {}, which is no root of {clients}", top.title());
    }
    format!("{} is issued by {}, which is neither sent nor a root of {clients}", top.title(), top.issuer())
}

/// Whether this finding tells why strict clients refuse a certificate of the chain.
fn explained(code: Code, reason: &Untrusted) -> bool {
    matches!(reason, Untrusted::Refused(why) if explains_refusal(code, why))
}

/// The code for a reason, and those that tell it as well.
fn of(reason: &Untrusted) -> (Code, &'static [Code]) {
    match reason {
        Untrusted::UnknownIssuer => (
            Code::Untrusted,
            &[
                Code::SelfSigned,
                Code::SelfIssuedUnverified,
                Code::OwnKeyOtherName,
                Code::SharedDefault,
                Code::VendorDefault,
                Code::ChainIncomplete,
                Code::FalseSignature,
            ],
        ),
        Untrusted::SmallIssuer { .. } => (Code::WeakChain, &[]),
        Untrusted::OtherwiseWritten { .. } => (Code::Untrusted, &[]),
        Untrusted::RootOutOfDate { .. } => (Code::RootExpired, &[Code::CrossSignExpired]),
        Untrusted::RootForbids { why: Forbids::NotCa | Forbids::NotSigning, .. } => (Code::IssuerNotCa, &[]),
        Untrusted::RootForbids { why: Forbids::TooLong, .. } => (Code::PathLength, &[]),
        // Another certificate of the same CA would not help.
        Untrusted::RootForbids {
            why: Forbids::WrongPurpose | Forbids::UnknownCritical | Forbids::Faulty(_), ..
        } => (Code::Untrusted, &[]),
        Untrusted::Expired(_) => (Code::ChainExpired, &[Code::Expired, Code::CrossSignExpired, Code::ValidityReversed]),
        Untrusted::NotYetValid(_) => (Code::NotYetValid, &[Code::ChainExpired, Code::ValidityReversed]),
        Untrusted::WrongName(_) => (Code::NameMissing, &[Code::NoNames]),
        Untrusted::CaAsServer => (Code::CaAsLeaf, &[Code::SelfSigned]),
        Untrusted::WrongPurpose => (Code::StrictRefused, &[Code::NotForServers, Code::IssuerNotCa]),
        Untrusted::WeakKey(_) => {
            (Code::WeakKey, &[Code::BrokenKey, Code::HugeKey, Code::UnsupportedKey, Code::SelfSigned])
        }
        Untrusted::FalseSignature => (Code::FalseSignature, &[]),
        Untrusted::WeakSignature => (Code::StrictRefused, &[Code::WeakSignature, Code::WeakChain]),
        Untrusted::ForbiddenName => (Code::NameConstraints, &[]),
        Untrusted::TooLong => (Code::PathLength, &[]),
        Untrusted::IssuerNotCa => (Code::IssuerNotCa, &[]),
        Untrusted::Refused(_) => (Code::StrictRefused, &[]),
    }
}
