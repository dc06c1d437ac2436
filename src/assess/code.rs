//! The catalogue of findings: stable names, severities, remedies.

use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Clients are refused, or soon will be.
    Critical,
    /// It works, and should be mended.
    Warning,
    /// Worth knowing.
    Note,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident, $remedy:literal;)*) => {
        /// What was found. The names are stable: monitoring and scripts may rely on them.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// How much it matters.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What to do about it, in one sentence.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

codes! {
    /// No file holds a certificate.
    NoCertificate = "no-certificate", Critical, "install one: `reseal renew` or `reseal install`";
    /// A file is there and cannot be understood.
    Unreadable = "unreadable", Critical, "put a good pair in its place: `reseal restore` or `reseal install`";
    /// No file holds a private key.
    NoKey = "no-key", Critical, "install certificate and key together: `reseal install`";
    /// The key belongs to another certificate.
    KeyMismatch = "key-mismatch", Critical, "the next restart of the service fails: `reseal restore` puts a matching pair back";
    /// Signed by its own key.
    SelfSigned = "self-signed", Critical, "no client trusts it: `reseal renew` replaces it";
    /// Names itself as issuer, and the signature cannot be checked.
    SelfIssuedUnverified = "self-issued-unverified", Critical, "no client trusts it: `reseal renew` replaces it";
    /// Names itself as issuer, but another key signed it.
    SelfIssuedOtherKey = "self-issued-other-key", Warning, "find the CA that signed it; clients need its certificate";
    /// Signed by its own key under another issuer's name.
    OwnKeyOtherName = "own-key-other-name", Critical, "nobody vouches for it: `reseal renew` replaces it";
    /// The end of validity is past.
    Expired = "expired", Critical, "clients refuse it: `reseal renew`";
    /// The beginning of validity is still to come.
    NotYetValid = "not-yet-valid", Critical, "check the clock of this machine and of the CA";
    /// The end of validity is near.
    Expiring = "expiring", Warning, "`reseal renew`";
    /// An intermediate ends before the leaf.
    ChainExpires = "chain-expires", Warning, "get the chain anew from the CA and install it with the same key";
    /// A wanted name is not in it.
    NameMissing = "name-missing", Critical, "order it anew with all names: `reseal renew`";
    /// It has no subject alternative name at all.
    NoNames = "no-names", Critical, "clients ignore the common name (RFC 9525): order it anew with subject alternative names";
    /// Certificates of the chain do not follow one another.
    ChainOrder = "chain-order", Warning, "install it again: reseal sorts the chain";
    /// A self-signed root is sent along.
    RootSent = "root-sent", Note, "leave the root out: clients have it or do not trust it";
    /// Fewer than 2048 bits of RSA.
    WeakKey = "weak-key", Critical, "order it anew with a P-256 or RSA-2048 key";
    /// Signed with SHA-1 or MD5.
    WeakSignature = "weak-signature", Critical, "order it anew: clients refuse this signature";
    /// Not meant for TLS servers.
    NotForServers = "not-for-servers", Critical, "order it anew with the extended key usage serverAuth";
    /// A CA certificate serves as leaf.
    CaAsLeaf = "ca-as-leaf", Warning, "strict clients refuse it: order a leaf of its own, unless the product demands a CA";
    /// Others may read the key.
    KeyReadable = "key-readable-by-others", Warning, "`chmod o-r` it; the next install closes it";
    /// What is served is not what the files hold.
    NotServed = "not-served", Critical, "the service has not taken the files up: reload it, or `reseal renew --live`";
    /// Nobody answers where it should be served.
    Unreachable = "unreachable", Warning, "is the service running, and is the address right?";
    /// Somebody answers, but not with TLS.
    HandshakeFails = "handshake-fails", Critical, "look at the service's own log";
    /// The server did not prove that it holds the key.
    KeyNotProved = "key-not-proved", Warning, "the handshake signature could not be verified: look at the server";
    /// The files are not what was committed last.
    Regression = "regression", Warning, "`reseal post-upgrade` or `reseal restore` puts the committed pair back";
    /// A transaction was interrupted.
    Interrupted = "interrupted", Critical, "`reseal recover`";
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.name())
    }
}

/// One thing that was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// With its numbers and names.
    pub message: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Finding {
    /// A finding with the severity and remedy of its code.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: code.severity(), message: message.into(), remedy: code.remedy() }
    }

    /// Whether it calls for another certificate or another file, as opposed to a look at the service.
    #[must_use]
    pub fn calls_for_replacement(&self) -> bool {
        match self.code {
            Code::NoCertificate
            | Code::Unreadable
            | Code::NoKey
            | Code::KeyMismatch
            | Code::SelfSigned
            | Code::SelfIssuedUnverified
            | Code::OwnKeyOtherName
            | Code::Expired
            | Code::NotYetValid
            | Code::Expiring
            | Code::NameMissing
            | Code::NoNames
            | Code::WeakKey
            | Code::WeakSignature
            | Code::NotForServers => true,
            Code::SelfIssuedOtherKey
            | Code::ChainExpires
            | Code::ChainOrder
            | Code::RootSent
            | Code::CaAsLeaf
            | Code::KeyReadable
            | Code::NotServed
            | Code::Unreachable
            | Code::HandshakeFails
            | Code::KeyNotProved
            | Code::Regression
            | Code::Interrupted => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_code_is_documented() {
        let page = include_str!("../../docs/findings.md");
        for code in Code::ALL {
            assert!(page.contains(&format!("`{}`", code.name())), "{} is missing in docs/findings.md", code.name());
        }
    }
}
