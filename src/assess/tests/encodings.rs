//! What is written otherwise than RFC 5280 has it.

use rcgen::{CertificateParams, CustomExtension, SerialNumber};
use time::macros::datetime;

use super::Case;
use super::bench::*;
use crate::assess::*;
use crate::cert::fixture::rebuilt;

pub(super) fn cases() -> Vec<Case> {
    let serial = |bytes: &'static [u8]| leaf(|params| params.serial_number = Some(SerialNumber::from(bytes.to_vec())));
    let numbered = |params: &mut CertificateParams| {
        params.serial_number = Some(SerialNumber::from(vec![0x11, 0x22, 0x33, 0x44]));
    };
    let with = |extensions: Vec<CustomExtension>| leaf(|params| params.custom_extensions.extend(extensions));
    vec![
        ("serial 0", serial(&[0]), vec![Code::SerialNotPositive]),
        (
            "a negative serial",
            patched(numbered, &[2, 4, 0x11, 0x22, 0x33, 0x44], &[2, 4, 0x91, 0x22, 0x33, 0x44]),
            vec![Code::SerialNotPositive],
        ),
        ("21 octets", serial(&[0x11; 21]), vec![Code::SerialTooLong]),
        ("20 octets", serial(&[0x11; 20]), vec![]),
        (
            "2049 in the form of 2051",
            patched(|params| params.not_after = datetime!(2051-01-01 0:00 UTC), b"\x18\x0f2051", b"\x18\x0f2049"),
            vec![Code::DateEncoding],
        ),
        ("2051", leaf(|params| params.not_after = datetime!(2051-01-01 0:00 UTC)), vec![Code::ChainExpires]),
        ("version 2", patched(|_| {}, &[0xa0, 3, 2, 1, 2], &[0xa0, 3, 2, 1, 1]), vec![Code::OldVersion]),
        (
            "two algorithms",
            patched(
                |_| {},
                &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
                &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
            ),
            vec![Code::AlgorithmMismatch],
        ),
        (
            "twice the same",
            with(vec![extension(&[1, 2, 3, 4], &[5, 0], false), extension(&[1, 2, 3, 4], &[5, 0], false)]),
            vec![Code::DuplicateExtension],
        ),
        ("not to be read", with(vec![extension(&[2, 5, 29, 36], &[1, 1, 1], false)]), vec![Code::UnreadableExtension]),
        ("critical and unknown", with(vec![extension(&[1, 2, 3, 4], &[5, 0], true)]), vec![Code::UnknownCritical]),
        ("unknown", with(vec![extension(&[1, 2, 3, 4], &[5, 0], false)]), vec![]),
        ("policies, critical", with(vec![policies()]), vec![Code::StrictRefused]),
        (
            "no key identifier",
            leaf(|params| params.use_authority_key_identifier_extension = false),
            vec![Code::Profile],
        ),
        (
            "an intermediate that OpenSSL does not load",
            {
                let Family { middle, .. } = family();
                let lower = middle.by(ca("Lower"));
                let der = rebuilt(&lower.certificate, |parts| parts[1] = vec![2, 2, 0, 1]);
                found(&[&lower.by(|_| {}).certificate, &Certificate::from_der(der).unwrap()])
            },
            vec![Code::StrictRefused],
        ),
        (
            "Netscape's type of a client",
            with(vec![extension(&[2, 16, 840, 1, 113_730, 1, 1], &[3, 2, 7, 0x80], false)]),
            vec![Code::NotForServers],
        ),
        (
            "Netscape's type of a server",
            with(vec![extension(&[2, 16, 840, 1, 113_730, 1, 1], &[3, 2, 6, 0x40], false)]),
            vec![],
        ),
        (
            "a proxy certificate",
            with(vec![extension(&[1, 3, 6, 1, 5, 5, 7, 1, 14], PROXY, false)]),
            vec![Code::StrictRefused],
        ),
        ("no subject, and names that are not critical", found(&[&nameless()]), vec![Code::RefusedBySome]),
        (
            "a policy twice",
            with(vec![extension(&[2, 5, 29, 32], b"\x30\x0c\x30\x04\x06\x02\x2a\x03\x30\x04\x06\x02\x2a\x03", false)]),
            vec![Code::RefusedBySome],
        ),
        ("a text that Go does not read", found(&[&named(0x13, b"a_b")]), vec![Code::RefusedBySome]),
        ("a text that nobody reads", found(&[&named(0x0c, b"Caf\xe9")]), vec![Code::StrictRefused]),
        // What else is odd about it says nothing of the refusal.
        (
            "policies, critical, and no key identifier",
            leaf(|params| {
                params.use_authority_key_identifier_extension = false;
                params.custom_extensions.push(policies());
            }),
            vec![Code::StrictRefused, Code::Profile],
        ),
        (
            "policies, critical, and 21 octets",
            leaf(|params| {
                params.serial_number = Some(SerialNumber::from(vec![0x11; 21]));
                params.custom_extensions.push(policies());
            }),
            vec![Code::StrictRefused, Code::SerialTooLong],
        ),
        (
            "policies, critical, and unknown",
            with(vec![policies(), extension(&[1, 2, 3, 4], &[5, 0], true)]),
            vec![Code::UnknownCritical],
        ),
    ]
}

/// `ProxyCertInfo` (RFC 3820 section 3.8): any policy.
const PROXY: &[u8] = b"\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01";

/// With an empty subject; rcgen marks the names of such a one as critical.
fn nameless() -> Certificate {
    let der = rebuilt(&family().middle.by(|_| {}).certificate, |parts| parts[5] = vec![0x30, 0]);
    Certificate::from_der(der).unwrap()
}

/// With an organisation of this tag and text as its subject.
fn named(tag: u8, text: &[u8]) -> Certificate {
    let wrap = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let pair = [b"\x06\x03\x55\x04\x0a", &*wrap(tag, text)].concat();
    let subject = wrap(0x30, &wrap(0x31, &wrap(0x30, &pair)));
    let der = rebuilt(&family().middle.by(|_| {}).certificate, |parts| parts[5] = subject);
    Certificate::from_der(der).unwrap()
}

fn policies() -> CustomExtension {
    extension(&[2, 5, 29, 32], &[0x30, 6, 0x30, 4, 6, 2, 0x2a, 3], true)
}
