//! How the certificates of a chain stand to one another.

use std::cell::Cell;
use std::collections::HashMap;

use super::{Code, Facts, Finding};
use crate::cert::{Anchors, Certificate, Chain, Misnamed, SelfSigned, Signatures, Signed, Untrusted};

pub(super) fn findings(chain: &Chain, facts: &Facts<'_>, vouched: bool, found: &mut Vec<Finding>) {
    let mut each: Vec<&Certificate> = Vec::with_capacity(1 + chain.intermediates().len());
    for one in chain.certificates() {
        if each.contains(&one) {
            found.push(Finding::new(Code::Duplicate, format!("{} is there twice", one.title())));
        } else {
            each.push(one);
        }
    }
    let checks = Checks { signatures: facts.signatures, left: Cell::new(MOST_CHECKS) };
    let path = path(&each, facts, &checks, vouched);
    if path.windows(2).any(|pair| pair[0] > pair[1]) {
        let right: Vec<String> = path.iter().map(|place| each[*place].title()).collect();
        let message = format!("the certificates do not follow one another; the order is {}", right.join(", "));
        found.push(Finding::new(Code::ChainOrder, message));
    }
    let others = found.len();
    for (place, one) in each.iter().enumerate().skip(1) {
        if !path.contains(&place) {
            left_over(one, &each, &path, facts, &checks, found);
        }
    }
    told_once(found, others);
    if checks.left.get() == 0 {
        let message = "more certificates of the same names than are held against one another";
        found.push(Finding::new(Code::Stranger, message));
    }
    issuers(&path, &each, facts, found);
    identifiers(&path, &each, facts, found);
    constraints(&path, &each, chain, facts, found);
    incomplete(&path, &each, facts, vouched, found);
}

/// Signatures that are checked to find the order of one chain. An honest one needs a few; hundreds of CAs of one name, without
/// identifiers that tell them apart, would need their number squared.
const MOST_CHECKS: u32 = 100;

/// Checks of signatures, until there were enough.
struct Checks<'f> {
    signatures: &'f Signatures,
    left: Cell<u32>,
}

impl Checks<'_> {
    /// Whether names, identifiers and signature say that it is the issuer; [`Signed::Failed`] once there were enough.
    fn issued_by(&self, child: &Certificate, issuer: &Certificate) -> Signed {
        if !child.names_as_issuer(issuer) {
            return Signed::Failed;
        }
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                self.signatures.issued_by(child, issuer)
            }
            None => Signed::Failed,
        }
    }
}

/// Places of the leaf and of those that lead upwards from it, by names and signatures; of several issuers the first.
fn path(each: &[&Certificate], facts: &Facts<'_>, checks: &Checks<'_>, vouched: bool) -> Vec<usize> {
    let mut path = vec![0];
    while let Some(last) = path.last().map(|place| each[*place])
        && (path.len() > 1 || vouched)
        && !is_root(last, facts)
    {
        let issuer = (1..each.len())
            .find(|place| !path.contains(place) && checks.issued_by(last, each[*place]) != Signed::Failed);
        match issuer {
            Some(place) => path.push(place),
            None => break,
        }
    }
    path
}

fn is_root(certificate: &Certificate, facts: &Facts<'_>) -> bool {
    certificate.is_self_issued()
        && matches!(facts.signatures.self_signed(certificate), SelfSigned::Yes | SelfSigned::SelfIssuedUnverifiable)
}

/// A certificate that no path needs.
fn left_over(
    one: &Certificate,
    each: &[&Certificate],
    path: &[usize],
    facts: &Facts<'_>,
    checks: &Checks<'_>,
    found: &mut Vec<Finding>,
) {
    let on_path = || path.iter().map(|place| each[*place]);
    // Another certificate of the same CA, for clients that know its other issuer.
    if on_path().skip(1).any(|other| other.same_subject(one) && other.same_key(one)) {
        return;
    }
    if on_path().any(|child| checks.issued_by(child, one) != Signed::Failed) {
        return;
    }
    // Who has an issuer whose key did sign it has no false signature: another CA has the same name.
    let issued = path.iter().zip(path.iter().skip(1)).map(|(child, _)| each[*child]);
    let proved = verified_pairs(facts).map(|(child, _)| child);
    let proved: Vec<&Certificate> = issued.chain(proved).collect();
    let unproved = |child: &&Certificate| !proved.contains(child) && !is_root(child, facts);
    let names = |child: &&Certificate| child.names_as_issuer(one) && same_identifiers(child, one);
    if let Some(child) = on_path().filter(unproved).find(names) {
        let message = format!("{} names {} as its issuer, whose key did not sign it", child.title(), one.title());
        found.push(Finding::new(Code::FalseSignature, message));
        return;
    }
    let finding = if is_root(one, facts) && one.is_ca() {
        let last = path.last().map(|place| each[*place]).filter(|last| !is_root(last, facts));
        let gap = last.map_or_else(String::new, |last| {
            format!(", which ends with {}: its issuer {} is not sent", last.title(), last.issuer())
        });
        let message = format!("the root {} did not issue any certificate of the chain{gap}", one.title());
        Finding::new(Code::Stranger, message)
    } else if one.is_ca() || each.iter().any(|child| child.names_as_issuer(one)) {
        Finding::new(Code::Stranger, format!("{} did not issue any certificate of the chain", one.title()))
    } else {
        Finding::new(Code::SeveralLeaves, format!("besides {} there is {}", each[0].title(), one.title()))
    };
    found.push(finding);
}

/// Says what is true of several in the same words once, with their number.
fn told_once(found: &mut Vec<Finding>, from: usize) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let tail = found.split_off(from);
    for one in &tail {
        *counts.entry(one.message.clone()).or_default() += 1;
    }
    for mut one in tail {
        match counts.remove(&one.message) {
            None => {}
            Some(1) => found.push(one),
            Some(count) => {
                one.message = format!("{} ({count} certificates of that name)", one.message);
                found.push(one);
            }
        }
    }
}

/// Whether the key identifiers say that it is this issuer, or say nothing.
fn same_identifiers(child: &Certificate, issuer: &Certificate) -> bool {
    match (child.aki(), issuer.ski()) {
        (Some(wanted), Some(held)) => wanted == held,
        (Some(_) | None, None) | (None, Some(_)) => true,
    }
}

fn issuers(path: &[usize], each: &[&Certificate], facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut below = 0;
    for (height, one) in path.iter().map(|place| each[*place]).enumerate().skip(1) {
        let root = is_root(one, facts);
        if root {
            found.push(Finding::new(Code::RootSent, format!("the root {} is sent along", one.title())));
        }
        // A root of version 1 has no constraints to say that it is one.
        let passes = one.is_ca() || (root && one.version() == 1);
        if !passes {
            let message = format!("{} stands in the place of an issuer and is no CA", one.title());
            found.push(Finding::new(Code::IssuerNotCa, message));
        } else if !one.signs_certificates() {
            let message = format!("the key usage of {} does not allow it to sign certificates", one.title());
            found.push(Finding::new(Code::IssuerNotCa, message));
        }
        // A root is the client's own, which takes no more of what is sent than its name.
        if !root && !one.names_tls_servers() {
            let message =
                format!("the extended key usage of {} does not allow what it signs to be a server's", one.title());
            found.push(Finding::new(Code::IssuerNotCa, message));
        }
        if let Some(most) = one.path_len()
            && below > most
        {
            let message = format!("{} allows {most} CAs below it, and there are {below}", one.title());
            found.push(Finding::new(Code::PathLength, message));
        }
        // Self-issued ones do not count (RFC 5280 section 4.2.1.9).
        if height > 0 && !one.is_self_issued() {
            below += 1;
        }
    }
}

/// Each certificate and its issuer on the paths that clients go, to the roots.
fn verified_pairs<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = (&'f Certificate, &'f Certificate)> {
    let trusted = facts.trust.iter().filter(|verdict| verdict.trusted);
    trusted.flat_map(|verdict| verdict.certificates.iter().zip(verdict.certificates.iter().skip(1)))
}

/// On the way through what is sent, and on those that clients go to their roots.
fn identifiers(path: &[usize], each: &[&Certificate], facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let sent = path.iter().zip(path.iter().skip(1)).map(|(child, issuer)| (each[*child], each[*issuer]));
    let mut told: Vec<(&Certificate, &Certificate)> = Vec::new();
    for (child, issuer) in sent.chain(verified_pairs(facts)) {
        let Some(misnamed) = child.misnames(issuer).filter(|_| !told.contains(&(child, issuer))) else { continue };
        told.push((child, issuer));
        let (child, issuer) = (child.title(), issuer.title());
        let message = match misnamed {
            Misnamed::Key => format!("the key identifier that {child} names is not that of its issuer {issuer}"),
            Misnamed::Certificate => {
                format!(
                    "the certificate that {child} names as its issuer's, by issuer and serial number, is not {issuer}"
                )
            }
        };
        found.push(Finding::new(Code::KeyIdentifier, message));
    }
}

/// Held against what is served itself: its uppermost certificate stands for the root.
fn constraints(path: &[usize], each: &[&Certificate], chain: &Chain, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let constrained = path.iter().skip(1).any(|place| each[*place].constrains_names());
    let Some(top) = path.last().filter(|_| constrained) else { return };
    let anchors = Anchors::new([each[*top].clone()]);
    match anchors.verify(chain, &[], facts.now) {
        Err(Untrusted::ForbiddenName) => {
            let names: Vec<String> = chain.leaf().names().iter().take(5).map(ToString::to_string).collect();
            let message = format!("a CA of the chain may not issue for all of {}", names.join(", "));
            found.push(Finding::new(Code::NameConstraints, message));
        }
        // What they refuse the leaf for itself is told with its encoding.
        Err(Untrusted::Refused(why)) if chain.leaf().strict_refusal().is_none() => {
            let message = format!("strict clients refuse a CA of the chain or what it says of names: {why}");
            found.push(Finding::new(Code::StrictRefused, message));
        }
        Ok(()) | Err(_) => {}
    }
}

/// Without roots to hold it against, only a public certificate tells that something must stand between it and its root (Baseline
/// Requirements section 6.1.7: no root signs servers' certificates).
fn incomplete(path: &[usize], each: &[&Certificate], facts: &Facts<'_>, vouched: bool, found: &mut Vec<Finding>) {
    let Some(last) = path.last().map(|place| each[*place]) else { return };
    let known = facts.trust.iter().any(|verdict| verdict.trusted);
    let unknown = facts.trust.iter().any(|verdict| verdict.reason == Some(Untrusted::UnknownIssuer));
    if !facts.whole_chain || !vouched || known || !each[0].claims_public() || is_root(last, facts) {
        return;
    }
    if path.len() == 1 || unknown {
        let message = format!("the chain ends with {}; its issuer {} is not sent", last.title(), last.issuer());
        found.push(Finding::new(Code::ChainIncomplete, message));
    }
}

/// Whether clients come to a root without this certificate: by what they showed, or because the chain has another of the same CA, or
/// because it is a root, which clients take from their own store.
pub(super) fn replaceable(one: &Certificate, chain: &Chain, facts: &Facts<'_>) -> bool {
    let mut trusted = facts.trust.iter().filter(|verdict| verdict.trusted).peekable();
    if trusted.peek().is_some() {
        return trusted.all(|verdict| !verdict.certificates.contains(one));
    }
    let twin = |other: &Certificate| {
        other != one && other.is_valid_at(facts.now) && other.same_subject(one) && other.same_key(one)
    };
    is_root(one, facts) || chain.intermediates().iter().any(twin)
}
