//! What is written otherwise than RFC 5280 has it.

use rcgen::{CertificateParams, CustomExtension, SerialNumber};
use time::macros::datetime;

use super::Case;
use super::bench::*;
use crate::assess::*;

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

fn policies() -> CustomExtension {
    extension(&[2, 5, 29, 32], &[0x30, 6, 0x30, 4, 6, 2, 0x2a, 3], true)
}
