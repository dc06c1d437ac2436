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
        ("a user of Windows", beside(0xa0, &[UPN, &[0xa0, 4, 0x0c, 2], b"a@"].concat()), vec![]),
        ("a domain controller", beside(0xa0, &[GUID, &[0xa0, 4, 4, 2, 0, 7]].concat()), vec![]),
        ("a service", beside(0xa0, &[SRV, &[0xa0, 4, 0x16, 2], b"_x"].concat()), vec![]),
        ("XMPP", beside(0xa0, &[XMPP, &[0xa0, 4, 0x0c, 2], b"x\0"].concat()), vec![]),
        ("Kerberos", beside(0xa0, &[KERBEROS, &[0xa0, 4, 0x30, 2, 0x30, 0]].concat()), vec![]),
        ("another name that cannot be read", beside(0xa0, &[1, 2, 0, 3]), vec![]),
        ("a directory name", beside(0xa4, &[0x30, 11, 0x31, 9, 0x30, 7, 6, 3, 0x55, 4, 3, 0x0c, 0]), vec![]),
        ("a directory name that cannot be read", beside(0xa4, &[0x30, 2, 0x31, 0, 1, 2, 0]), vec![]),
        ("an address of mail in Latin-1", beside(0x81, b"caf\xe9@example.com"), vec![]),
        ("a registered identifier", beside(0x88, &[0x2a, 3]), vec![]),
        ("a DNS name in Latin-1", beside(0x82, b"caf\xe9.example.com"), vec![Code::UnusableName]),
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

// otherName by their type: user principal names and object identities of Windows, SRVName (RFC 4985), XMPP addresses (RFC 6120 section
// 13.7.1.4), principals of Kerberos (RFC 4556 section 3.2.2).
const UPN: &[u8] = &[6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 20, 2, 3];
const GUID: &[u8] = &[6, 9, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 25, 1];
const SRV: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 8, 7];
const XMPP: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 8, 5];
const KERBEROS: &[u8] = &[6, 6, 0x2b, 6, 1, 5, 2, 2];

/// A leaf with an alternative name of this kind beside that of its host.
fn beside(tag: u8, content: &[u8]) -> Vec<Code> {
    let host = b"www.example.com";
    let element = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let names = element(0x30, &[element(0x82, host), element(tag, content)].concat());
    leaf(|params| {
        params.subject_alt_names.clear();
        params.custom_extensions.push(extension(&[2, 5, 29, 17], &names, false));
    })
}
