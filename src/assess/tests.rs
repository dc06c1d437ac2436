//! When each finding fires, and when not.

mod bench;
mod beside;
mod chains;
mod dates;
mod encodings;
mod files;
mod keys;
mod service;
mod signers;

use std::collections::BTreeSet;

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SerialNumber};

use self::bench::*;
use super::*;
use crate::cert::fixture::NOW;
use crate::change::Shown;

#[test]
fn what_is_good_has_no_finding() {
    let Family { root, middle } = family();
    let good = middle.by(|params| {
        public(params);
        params.subject_alt_names.push(rcgen::SanType::DnsName("*.example.com".try_into().unwrap()));
    });
    assert_eq!(found(&[&good.certificate, &middle.certificate]), []);
    assert_eq!(trusted_by(&[&good.certificate, &middle.certificate], &[&[&root.certificate]]), []);
    assert_eq!(stored(|_| {}), []);
    assert_eq!(shown(|leaf| vec![Shown::Leaf { fingerprint: leaf, proved: true }, Shown::Well]), []);
    assert_eq!(wired(&Wire { version: Some(WireVersion::Tls12), ..Wire::default() }), []);
}

#[test]
fn what_signed_itself_has_one() {
    let everything_wrong = own(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.subject_alt_names.clear();
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(vec![0x71; 30]));
    });
    assert_eq!(found(&[&everything_wrong.certificate]), [Code::SelfSigned]);
    let wanted = ["elsewhere.example".parse().unwrap()];
    assert_eq!(
        judged(&installed(&[&everything_wrong.certificate]), |facts| facts.wanted = Box::leak(Box::new(wanted))),
        [Code::SelfSigned]
    );
    assert_eq!(trusted_by(&[&everything_wrong.certificate], &[&[]]), [Code::SelfSigned]);
}

#[test]
fn each_finding_fires() {
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for (what, codes, wanted) in cases() {
        if codes != wanted {
            wrong.push(format!("{what}: {codes:?} instead of {wanted:?}"));
        }
        seen.extend(wanted);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What only a run over several knows, or a file of a CA: `flow` has its tests. The probe's own reasons have their table below.
    let others = [
        Code::Interrupted,
        Code::SourceMissing,
        Code::StateExposed,
        Code::HookNotRun,
        Code::WindowUnknown,
        Code::HookRefused,
        Code::PathMissing,
        Code::SharedFile,
        Code::NotifyFailing,
        Code::SharedKey,
        Code::AddressesDiffer,
        Code::StoreExpired,
    ];
    let reasons: BTreeSet<Code> = REASONS.iter().map(|reason| reason.code()).collect();
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| !seen.contains(code) && !reasons.contains(code) && !others.contains(code))
        .map(|code| code.name())
        .collect();
    assert_eq!(missing, [""; 0], "no case shows these");
}

const REASONS: &[Unseen] = &[
    Unseen::NoAddress,
    Unseen::Unreachable,
    Unseen::Refused,
    Unseen::Timeout,
    Unseen::Reset,
    Unseen::PlainHttp,
    Unseen::NotTls,
    Unseen::StarttlsRefused,
    Unseen::Alert,
    Unseen::TooOld,
    Unseen::Oversized,
    Unseen::Other,
];

#[test]
fn hundreds_of_cas_of_one_name_cost_a_bounded_number_of_checks() {
    let mut last = own(ca("Same"));
    let mut all = Vec::new();
    for _ in 0..60 {
        last = last.by(ca("Same"));
        all.push(last.certificate.clone());
    }
    let leaf = last.by(|_| {});
    // In an order in which the issuer of each is the last that is tried.
    let chain: Vec<&Certificate> = std::iter::once(&leaf.certificate).chain(&all).collect();
    let signatures = Signatures::default();
    let installed = installed(&chain);
    let mut facts = Facts::new(&installed, &|lifetime: Duration| lifetime / 3_i32, &signatures, NOW);
    facts.whole_chain = true;
    let found: Vec<Code> = findings(&facts).iter().map(|one| one.code).collect();
    assert!(found.contains(&Code::Stranger), "{found:?}");
    assert!(signatures.count() < 400, "{} checks", signatures.count());
}

#[test]
fn every_reason_for_seeing_nothing_has_its_code() {
    let codes: BTreeSet<Code> = REASONS.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), REASONS.len());
}

type Case = (&'static str, Vec<Code>, Vec<Code>);

fn cases() -> Vec<Case> {
    let all = [
        files::cases(),
        signers::cases(),
        dates::cases(),
        beside::cases(),
        keys::cases(),
        chains::cases(),
        chains::issuers(),
        encodings::cases(),
        service::cases(),
    ];
    all.into_iter().flatten().collect()
}

#[test]
fn a_key_that_several_have_is_told_once() {
    let root = own(ca("Root"));
    let one = root.by(|_| {});
    let same_key = root.by_key(|_| {}, copy(&one.key));
    let other = root.by(|_| {});
    let told = |all: &[(&'static str, &Made)]| {
        shared_keys(all.iter().map(|(name, made)| (*name, &made.certificate)))
            .into_iter()
            .map(|(names, finding)| (names, finding.code))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&[("a", &one), ("b", &other)]), []);
    assert_eq!(told(&[("a", &one), ("b", &one)]), [], "one certificate in two places");
    let names = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(told(&[("a", &one), ("b", &same_key), ("c", &other)]), [(names, Code::SharedKey)]);
}
