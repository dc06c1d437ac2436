//! What is served.

use super::Case;
use super::bench::*;
use crate::assess::*;
use crate::change::Shown;

pub(super) fn cases() -> Vec<Case> {
    let other = Digest::of(b"other");
    let leaf_shown = |fingerprint, proved| Shown::Leaf { fingerprint, proved };
    let why = || "why".to_owned();
    vec![
        ("another one", shown(|_| vec![leaf_shown(other, true)]), vec![Code::NotServed]),
        (
            "here and not there",
            shown(|leaf| vec![leaf_shown(leaf, true), leaf_shown(other, true)]),
            vec![Code::PartlyServed],
        ),
        ("not checked", shown(|leaf| vec![leaf_shown(leaf, false)]), vec![Code::KeyNotChecked]),
        ("another key", wired(&Wire { key_refuted: true, ..Wire::default() }), vec![Code::KeyNotProved]),
        ("nobody", shown(|_| vec![Shown::Nobody { why: why() }]), vec![Code::Unreachable]),
        ("failing", shown(|_| vec![Shown::Failing { why: why() }]), vec![Code::HandshakeFails]),
        ("TLS 1.1", wired(&Wire { version: Some(WireVersion::Tls11), ..Wire::default() }), vec![Code::TlsTooOld]),
        (
            "RC4",
            wired(&Wire { dead_suite: Some("TLS_RSA_WITH_RC4_128_SHA"), ..Wire::default() }),
            vec![Code::SuiteTooOld],
        ),
        (
            "post-quantum",
            wired(&Wire { post_quantum_refused: true, ..Wire::default() }),
            vec![Code::PostQuantumRefused],
        ),
        (
            "another by default",
            wired(&Wire { without_name: Some(other), ..Wire::default() }),
            vec![Code::OtherByDefault],
        ),
    ]
}

#[test]
fn dead_suites_are_told_by_their_names() {
    let dead = [
        "TLS_RSA_WITH_NULL_SHA256",
        "TLS_ECDHE_RSA_WITH_NULL_SHA",
        "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_DHE_RSA_WITH_DES_CBC_SHA",
        "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5",
        "TLS_RSA_WITH_IDEA_CBC_SHA",
        "TLS_DHE_RSA_WITH_SEED_CBC_SHA",
    ];
    assert!(dead.iter().all(|suite| is_dead(suite)));
    let alive = [
        "TLS_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_DHE_DSS_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256",
        "TLS_RSA_PSK_WITH_CAMELLIA_128_CBC_SHA256",
    ];
    assert!(!alive.iter().any(|suite| is_dead(suite)));
}
