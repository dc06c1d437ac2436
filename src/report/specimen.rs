//! Subjects for the tests of renderers, with names that mean harm.

use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::assess::{Code, Finding};
use crate::cert::installed::Leaf;
use crate::change::Shown;
use crate::digest::Digest;
use crate::flow::check::{Checked, Seen};

pub(super) const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

/// What a certificate, a server or a file name may hold.
pub(super) const HOSTILE: &[&str] = &[
    "\u{1b}]52;c;Y3VybA==\u{7}",
    "\u{1b}[2J",
    "\u{9b}2J",
    "evil\u{202e}moc.elpmaxe",
    "pay\u{200b}pal",
    "\u{7f}",
    "one\nSSL_CERT OK - two",
    "a\r\nb,c",
    "|days=999;;;;",
    "it's 'quoted' \"twice\"",
    "back\\slash\\",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "a;=1+1",
    "<script>alert(1)</script>",
    "\" onload=\"alert(1)",
    "</style><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "{x=\"y\"} 1",
    "ü 日本語 👍",
    "",
];

/// A certificate that ends in so many days, and began ninety before that.
pub(super) fn leaf(name: &str, days: i64) -> Leaf {
    Leaf {
        fingerprint: Digest::of(name.as_bytes()),
        subject: format!("CN={name}"),
        issuer: "C=XX, O=Example, CN=Example CA".to_owned(),
        serial: "03e8".to_owned(),
        common_name: Some(name.to_owned()),
        issuer_common_name: Some("Example CA".to_owned()),
        names: vec![name.to_owned()],
        not_before: NOW + Duration::days(days - 90),
        not_after: NOW + Duration::days(days),
        key: "P-256".to_owned(),
        paired: true,
    }
}

/// An endpoint that serves it, with these findings.
pub(super) fn endpoint(name: &str, days: i64, codes: &[Code]) -> Checked {
    let leaf = leaf(name, days);
    let shown = Shown::Leaf { fingerprint: leaf.fingerprint, proved: true };
    Checked {
        served: vec![Seen { probe: format!("{name}:443"), shown, key_refuted: false }],
        leaf: Some(leaf),
        findings: codes.iter().map(|code| Finding::new(*code, format!("{name} is {}", code.name()))).collect(),
        ..Checked::blank(&format!("{name}:443"), "endpoint")
    }
}

/// The text wherever something from outside is told.
pub(super) fn hostile(text: &str) -> Checked {
    let mut leaf = leaf(text, 60);
    text.clone_into(&mut leaf.issuer);
    leaf.issuer_common_name = Some(text.to_owned());
    Checked {
        leaf: Some(leaf),
        served: vec![Seen {
            probe: text.to_owned(),
            shown: Shown::Failing { why: text.to_owned() },
            key_refuted: false,
        }],
        findings: vec![Finding::new(Code::HandshakeFails, text)],
        problem: Some(text.to_owned()),
        notes: vec![text.to_owned()],
        ..Checked::blank(text, "endpoint")
    }
}
