//! What the wire tells, held against the files.

use std::fmt;

use super::{Code, Facts, Finding};
use crate::change::{Shown, placed};
use crate::digest::Digest;

/// What one look at a server came to: at a listener, or at one of its addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// Where, as people know it.
    pub at: String,
    /// What was seen.
    pub shown: Shown,
    /// Why no certificate was, where that is known.
    pub unseen: Option<Unseen>,
    /// What the handshake told besides the certificate.
    pub wire: Wire,
}

impl Look {
    /// Whether it showed this leaf.
    #[must_use]
    pub fn shows(&self, leaf: Digest) -> bool {
        matches!(self.shown, Shown::Leaf { fingerprint, .. } if fingerprint == leaf)
    }
}

/// What a handshake told besides the certificate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wire {
    /// The newest version of the protocol that the server speaks.
    pub version: Option<WireVersion>,
    /// The key exchange is RSA's: the certificate's key enciphers (RFC 5246 section 7.4.7.1).
    pub rsa_key_exchange: bool,
    /// The cipher suite that the server chose of all there ever were, where it is [dead](is_dead).
    pub dead_suite: Option<&'static str>,
    /// The handshake's signature was checked, and is not by the certificate's key.
    pub key_refuted: bool,
    /// Version and cipher suite, for people.
    pub spoken: Option<String>,
    /// A hello with post-quantum keys failed, and one without went through.
    pub post_quantum_refused: bool,
    /// The leaf that was shown when no server name was sent, where that was tried.
    pub without_name: Option<Digest>,
}

/// A version of SSL or TLS, the oldest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum WireVersion {
    /// SSL 3.0, RFC 6101.
    Ssl3,
    /// TLS 1.0, RFC 2246.
    Tls10,
    /// TLS 1.1, RFC 4346.
    Tls11,
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

impl fmt::Display for WireVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Ssl3 => "SSL 3.0",
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// Why no certificate was seen, in the order in which a connection comes about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unseen {
    /// The name has no address.
    NoAddress,
    /// The network does not lead there.
    Unreachable,
    /// Nobody listens.
    Refused,
    /// The limit passed.
    Timeout,
    /// The connection ended too early.
    Reset,
    /// HTTP without TLS.
    PlainHttp,
    /// Something else than TLS.
    NotTls,
    /// The service does not go over to TLS.
    StarttlsRefused,
    /// An alert.
    Alert,
    /// Nothing newer than SSL 3.0 to TLS 1.1 is spoken, and it could not be read.
    TooOld,
    /// More than a handshake needs.
    Oversized,
    /// Anything else.
    Other,
}

impl Unseen {
    /// What that is as a finding.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::NoAddress => Code::NoAddress,
            Self::Unreachable => Code::Unreachable,
            Self::Refused => Code::Refused,
            Self::Timeout => Code::Timeout,
            Self::Reset => Code::Reset,
            Self::PlainHttp => Code::PlainHttp,
            Self::NotTls => Code::NotTls,
            Self::StarttlsRefused => Code::StarttlsRefused,
            Self::Alert => Code::Alert,
            Self::TooOld => Code::TlsTooOld,
            Self::Oversized => Code::Oversized,
            Self::Other => Code::HandshakeFails,
        }
    }
}

/// Whether clients of today take this cipher suite, by its name in the IANA registry, from no server: it does not encrypt, or with a
/// cipher that is broken (RFC 7465, RFC 9325 section 4.1) or that they have dropped.
#[must_use]
pub fn is_dead(suite: &str) -> bool {
    const DEAD: &[&str] = &["_NULL_", "_anon_", "_EXPORT_", "_RC4_", "_RC2_", "_DES_", "_3DES_", "_IDEA_", "_SEED_"];
    DEAD.iter().any(|part| suite.contains(part))
}

pub(super) fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    if facts.served.is_empty() {
        return Vec::new();
    }
    let on_disk = facts.installed.chain.as_ref().map(|chain| chain.leaf().fingerprint());
    let current = on_disk.is_some_and(|leaf| facts.served.iter().any(|look| look.shows(leaf)));
    let mut found: Vec<Finding> = facts.served.iter().filter_map(|look| one(look, on_disk, current)).collect();
    let told: Vec<(&Look, Vec<(Code, String)>)> = facts
        .served
        .iter()
        .filter(|look| matches!(look.shown, Shown::Leaf { .. }))
        .map(|look| (look, handshake(&look.wire, on_disk)))
        .collect();
    for (look, each) in &told {
        for (code, message) in each {
            let everywhere = told.iter().all(|(_, other)| other.contains(&(*code, message.clone())));
            let message = if everywhere { message.clone() } else { format!("{}: {message}", look.at) };
            let finding = Finding::new(*code, message);
            if !found.contains(&finding) {
                found.push(finding);
            }
        }
    }
    found
}

fn one(look: &Look, on_disk: Option<Digest>, elsewhere: bool) -> Option<Finding> {
    let at = &look.at;
    let unseen = |usual: Code, why: &str| {
        let code = look.unseen.map_or(usual, Unseen::code);
        Some(Finding::new(code, placed(at, why)))
    };
    match &look.shown {
        Shown::Leaf { fingerprint, .. } if on_disk.is_some_and(|leaf| leaf != *fingerprint) => {
            let what = format!("{at} serves certificate {}", fingerprint.short());
            Some(match (elsewhere, on_disk) {
                (true, Some(leaf)) => {
                    Finding::new(Code::PartlyServed, format!("{what}, others serve {}", leaf.short()))
                }
                (true | false, _) => Finding::new(Code::NotServed, format!("{what}, not the one in the files")),
            })
        }
        Shown::Leaf { proved: false, .. } => {
            let spoken = look.wire.spoken.as_ref().map(|spoken| format!(" ({spoken})")).unwrap_or_default();
            Some(if look.wire.key_refuted {
                Finding::new(
                    Code::KeyNotProved,
                    format!("{at} signs its handshake with another key than the certificate's"),
                )
            } else {
                let why = format!("{at}: that it holds the key cannot be checked here{spoken}");
                Finding::new(Code::KeyNotChecked, why)
            })
        }
        Shown::Leaf { .. } | Shown::Well => None,
        Shown::Nobody { why } => unseen(Code::Unreachable, why),
        Shown::Failing { why } => unseen(Code::HandshakeFails, why),
    }
}

fn handshake(wire: &Wire, leaf: Option<Digest>) -> Vec<(Code, String)> {
    let mut found = Vec::new();
    if let Some(version) = wire.version.filter(|version| *version < WireVersion::Tls12) {
        found.push((Code::TlsTooOld, format!("the newest protocol it speaks is {version}")));
    }
    if let Some(suite) = wire.dead_suite {
        found.push((Code::SuiteTooOld, format!("of all cipher suites it chooses {suite}")));
    }
    if wire.post_quantum_refused {
        found.push((
            Code::PostQuantumRefused,
            "a hello with X25519MLKEM768 gets no answer, one without it does".to_owned(),
        ));
    }
    if let (Some(other), Some(leaf)) = (wire.without_name, leaf)
        && other != leaf
    {
        found.push((Code::OtherByDefault, format!("without a server name it serves certificate {}", other.short())));
    }
    found
}
