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
