//! Dates and names.

use rcgen::{CertificateParams, DnType};
use time::macros::datetime;

use super::Case;
use super::bench::*;
use crate::assess::*;
use crate::cert::fixture::NOW;

pub(super) fn cases() -> Vec<Case> {
    let between = |from: Duration, to: Duration| {
        leaf(|params| {
            params.not_before = NOW + from;
            params.not_after = NOW + to;
        })
    };
    let days = Duration::days;
    let lasting = |begins: OffsetDateTime, lasts: i64| {
        let Family { middle, .. } = family();
        let one = middle.by(|params| {
            public(params);
            params.not_before = begins;
            params.not_after = begins + days(lasts) - Duration::SECOND;
        });
        judged(&installed(&[&one.certificate, &middle.certificate]), |facts| facts.now = begins + Duration::DAY)
            .into_iter()
            .filter(|code| matches!(code, Code::LifetimeOverCap))
            .collect::<Vec<_>>()
    };
    let over = vec![Code::LifetimeOverCap];
    let at = |now| {
        let whole = installed(&[&own(|_| {}).certificate]);
        judged(&whole, |facts| facts.now = now).into_iter().filter(|code| *code == Code::ClockImplausible).collect()
    };
    let named = |names: &'static [&'static str]| {
        move |params: &mut CertificateParams| {
            let dns = |name: &&str| rcgen::SanType::DnsName((*name).try_into().unwrap());
            params.subject_alt_names = names.iter().map(dns).collect();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::OrganizationName, "Example");
        }
    };
    let wanting = |names: &'static [&'static str], wanted: &str| {
        let Family { middle, .. } = family();
        let one = middle.by(named(names));
        let wanted: Vec<Name> = vec![wanted.parse().unwrap()];
        judged(&installed(&[&one.certificate, &middle.certificate]), |facts| facts.wanted = wanted.leak())
    };
    let public_for = |names: &'static [&'static str]| {
        leaf(|params| {
            named(names)(params);
            public(params);
        })
    };
    vec![
        ("over", between(days(-80), days(-1)), vec![Code::Expired]),
        ("not begun", between(days(1), days(80)), vec![Code::NotYetValid]),
        ("the last third", between(days(-70), days(20)), vec![Code::Expiring]),
        ("the last tenth", between(days(-85), days(5)), vec![Code::EndsSoon]),
        ("the first third", between(days(-20), days(70)), vec![]),
        ("reversed", between(days(20), days(-20)), vec![Code::ValidityReversed]),
        ("200 days in 2026", lasting(datetime!(2026-03-15 0:00 UTC), 200), vec![]),
        ("201 days in 2026", lasting(datetime!(2026-03-15 0:00 UTC), 201), over.clone()),
        ("398 days before", lasting(datetime!(2026-03-14 0:00 UTC), 398), vec![]),
        ("399 days before", lasting(datetime!(2026-03-14 0:00 UTC), 399), over.clone()),
        ("100 days in 2027", lasting(datetime!(2027-03-15 0:00 UTC), 100), vec![]),
        ("101 days in 2027", lasting(datetime!(2027-03-15 0:00 UTC), 101), over.clone()),
        ("47 days in 2029", lasting(datetime!(2029-03-15 0:00 UTC), 47), vec![]),
        ("48 days in 2029", lasting(datetime!(2029-03-15 0:00 UTC), 48), over),
        ("1000 days of a private CA", between(days(-10), days(990)), vec![]),
        ("1970", at(datetime!(1970-01-02 0:00 UTC)), vec![Code::ClockImplausible]),
        ("2150", at(datetime!(2150-01-02 0:00 UTC)), vec![Code::ClockImplausible]),
        ("2030", at(NOW), vec![]),
        ("another name", wanting(&["a.example.com"], "b.example.com"), vec![Code::NameMissing]),
        ("a wildcard's own domain", wanting(&["*.example.com"], "example.com"), vec![Code::NameMissing]),
        ("by wildcard", wanting(&["*.example.com"], "b.example.com"), vec![]),
        ("no alternative names", leaf(|params| params.subject_alt_names.clear()), vec![Code::NoNames]),
        (
            "the common name is elsewhere",
            leaf(|params| params.distinguished_name.push(DnType::CommonName, "old.example.com")),
            vec![Code::CnNotInSan],
        ),
        (
            "a common name for people",
            leaf(|params| params.distinguished_name.push(DnType::CommonName, "Web 1")),
            vec![],
        ),
        ("all of com", leaf(named(&["*.com"])), vec![Code::WildcardScope]),
        ("an address as name", leaf(named(&["192.0.2.1", "a.example.com"])), vec![Code::AddressAsDnsName]),
        ("two stars", leaf(named(&["w*.example.com", "a.example.com"])), vec![Code::UnusableName]),
        ("public for .lan", public_for(&["nas.lan", "a.example.com"]), vec![Code::InternalName]),
        ("private for .lan", leaf(named(&["nas.lan"])), vec![]),
        ("public for a public name", public_for(&["a.example.com"]), vec![]),
        (
            "101 names",
            leaf(|params| {
                let dns = |n: i32| rcgen::SanType::DnsName(format!("a{n}.example.com").try_into().unwrap());
                params.subject_alt_names.extend((0..100).map(dns));
            }),
            vec![Code::ManyNames],
        ),
        (
            "NUL in the common name",
            leaf(|params| params.distinguished_name.push(DnType::OrganizationName, "bank.example\0.evil.example")),
            vec![Code::ControlCharacters],
        ),
    ]
}
