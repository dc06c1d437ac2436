//! The catalogue of findings: stable names, severities, remedies.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Clients are refused, or soon will be.
    Critical,
    /// It works, and should be mended.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// All of them, worst first.
    pub const ALL: &'static [Self] = &[Self::Critical, Self::Warning, Self::Note];

    /// Its word in the configuration and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident, $act:ident, $remedy:literal;)*) => {
        /// What was found. The names are stable: monitoring and scripts may rely on them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// How much it matters where nobody says otherwise.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// Whether it calls for another certificate or another file, as opposed to a look at the service.
            #[must_use]
            pub fn calls_for_replacement(self) -> bool {
                match self { $(Self::$name => matches!(Act::$act, Act::Replace),)* }
            }

            /// What to do about it, in one sentence.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

/// What a finding makes `renew` do.
enum Act {
    /// Get another certificate, or put the committed one back.
    Replace,
    /// Nothing: it is for people.
    Tell,
}

codes! {
    // Files.
    /// No file holds a certificate.
    NoCertificate = "no-certificate", Critical, Replace, "install one: `reseal renew TARGET` or `reseal install TARGET --cert FILE --key FILE`";
    /// A file is there and cannot be understood.
    Unreadable = "unreadable", Critical, Replace, "put a good pair in its place: `reseal restore TARGET` or `reseal install TARGET --cert FILE --key FILE`";
    /// No file holds a private key.
    NoKey = "no-key", Critical, Replace, "install certificate and key together: `reseal install TARGET --cert FILE --key FILE`";
    /// The key belongs to another certificate.
    KeyMismatch = "key-mismatch", Critical, Replace, "the next restart of the service fails: `reseal restore TARGET` puts a matching pair back";
    /// Others may read the key.
    KeyReadable = "key-readable-by-others", Warning, Tell, "`chmod o-r` it; the next install closes it";
    /// Others may write a file of the pair.
    Writable = "writable-by-others", Critical, Tell, "`chmod o-w` it, and find out who has written to it";
    /// The service's user cannot read a file of the pair.
    ServiceCannotRead = "service-cannot-read", Note, Tell, "give the file to the user or a group of the service, unless the service reads it as root";
    /// A link leads nowhere.
    DanglingLink = "dangling-link", Critical, Replace, "restore what it led to: `reseal restore TARGET` or the tool that made the link";
    /// Another tool replaces this file by itself.
    ManagedElsewhere = "managed-elsewhere", Note, Tell, "let one of the two replace it: make it the source of the target (`kind = \"import\"`), or stop the other";
    /// A PEM block with a blank line, at which OpenSSL stops.
    PemBlankLine = "pem-blank-line", Critical, Replace, "remove the blank lines inside the block: most servers refuse the file";
    /// PEM that can be read, and that OpenSSL refuses or passes over.
    PemRefused = "pem-refused", Critical, Replace, "write BEGIN and END on lines of their own, without blanks before or headers between them, in UTF-8 with LF or CR LF: most servers refuse it";
    /// The server's certificate does not stand first in its file.
    LeafNotFirst = "leaf-not-first", Critical, Replace, "put the server's certificate first, then the one that issued it: servers take the first for their own";
    /// The key is encrypted.
    KeyEncrypted = "key-encrypted", Note, Tell, "a service that starts without a person needs it unencrypted, or its passphrase in its own configuration";
    /// The files are not what was committed last.
    Regression = "regression", Warning, Tell, "`reseal post-upgrade TARGET` or `reseal restore TARGET` puts the committed pair back";
    /// A transaction was interrupted.
    Interrupted = "interrupted", Critical, Tell, "`reseal recover`";
    /// The CA or the account of the target's source is not there.
    SourceMissing = "source-missing", Warning, Tell, "write its name as it was made, or make it: `reseal ca init NAME --permit DOMAIN`, `reseal acme account create NAME`";
    /// reseal's own directory is open to others.
    StateExposed = "state-exposed", Critical, Tell, "it holds keys: `chmod 0700` it and `chown` it to the user who runs reseal; until then nothing is changed";
    /// Something lies among the hooks and is not run.
    HookNotRun = "hook-not-run", Warning, Tell, "`chmod +x` it if it is to run, else move it away";
    /// A zone of its maintenance windows is not known here.
    WindowUnknown = "window-unknown", Warning, Tell, "write a zone as `timedatectl list-timezones` lists it, or install the database of time zones (`tzdata`)";
    /// Nothing is where the configuration names something.
    PathMissing = "path-missing", Warning, Tell, "write the path as it is, or put there what it names: without it the next change or renewal fails";
    /// Another target writes the same file.
    SharedFile = "shared-file", Critical, Tell, "leave the file to one of the two in the configuration: until then every change of both is refused";
    /// A hook must not be run, so no change is made.
    HookRefused = "hook-refused", Critical, Tell, "give it and every directory above it to root and take write permission from the others: until then every change is refused";
    /// A channel does not deliver.
    NotifyFailing = "notify-failing", Warning, Tell, "`reseal notify test` says what happens; until it delivers, nobody is told by it";

    // Who signed it.
    /// Signed by its own key.
    SelfSigned = "self-signed", Critical, Replace, "no client trusts it: `reseal renew TARGET` replaces it";
    /// Names itself as issuer, and the signature cannot be checked.
    SelfIssuedUnverified = "self-issued-unverified", Critical, Replace, "no client trusts it: `reseal renew TARGET` replaces it";
    /// Names itself as issuer, but another key signed it.
    SelfIssuedOtherKey = "self-issued-other-key", Warning, Tell, "find the CA that signed it; clients need its certificate";
    /// Signed by its own key under another issuer's name.
    OwnKeyOtherName = "own-key-other-name", Critical, Replace, "nobody vouches for it: `reseal renew TARGET` replaces it";
    /// A CA whose key is in everybody's hands, or a certificate that every copy of a product has.
    SharedDefault = "shared-default", Critical, Replace, "its private key is public: replace it, and take its CA out of every trust store";
    /// A certificate that the product's own CA made at installation.
    VendorDefault = "vendor-default", Warning, Tell, "the product made it for itself: replace it by one that clients know, or give them the product's CA";
    /// No path leads from it to a root of the client's.
    Untrusted = "untrusted", Warning, Tell, "give the CA's root to the clients and its intermediates to the server, or order it from a CA that they know";
    /// Some clients trust it and others do not.
    TrustDiffers = "trust-differs", Warning, Tell, "give the CA's root to the clients that lack it, or send the intermediate that leads to one of theirs";
    /// The root it leads to is out of date.
    RootExpired = "root-expired", Critical, Tell, "get a chain to a valid root from the CA and install it with the same key";
    /// The root it leads to ends before it.
    RootEndsFirst = "root-ends-first", Warning, Tell, "get a chain to a newer root from the CA before that day";
    /// A signature in the chain is false.
    FalseSignature = "false-signature", Critical, Replace, "the file is damaged or forged: get certificate and chain anew from the CA";

    /// A CA of this machine has revoked it.
    Revoked = "revoked", Critical, Replace, "clients that read the CA's list refuse it, and others may have its key: `reseal renew TARGET` replaces it";

    // Dates.
    /// The end of validity is past.
    Expired = "expired", Critical, Replace, "clients refuse it: `reseal renew TARGET`";
    /// The beginning of validity is still to come.
    NotYetValid = "not-yet-valid", Critical, Replace, "check the clock of this machine and of the CA";
    /// The end of validity is near.
    Expiring = "expiring", Warning, Replace, "`reseal renew TARGET`";
    /// The end of validity is so near that a renewal should have happened long ago.
    EndsSoon = "ends-soon", Critical, Replace, "`reseal renew TARGET` today, and find out why it was not renewed before";
    /// An intermediate ends before the leaf.
    ChainExpires = "chain-expires", Warning, Tell, "get the chain anew from the CA and install it with the same key";
    /// An intermediate ends before the leaf, and soon.
    ChainEndsSoon = "chain-ends-soon", Critical, Tell, "get the chain anew from the CA today, and install it with the same key";
    /// A certificate of the chain is out of date, and the chain needs it.
    ChainExpired = "chain-expired", Critical, Tell, "get the chain anew from the CA and install it with the same key";
    /// A certificate of the chain is out of date, and is not needed.
    CrossSignExpired = "cross-sign-expired", Warning, Tell, "leave it out: old clients give up at it though a valid path is there";
    /// Roots to be trusted are out of date.
    StoreExpired = "store-expired", Note, Tell, "take the roots that are over out of the store: no client accepts what leads to them";
    /// It ends before it begins.
    ValidityReversed = "validity-reversed", Critical, Replace, "it is never valid: order it anew";
    /// Its lifetime is longer than public CAs may issue.
    LifetimeOverCap = "lifetime-over-cap", Warning, Tell, "clients may refuse it: order it anew, for fewer days";
    /// The clock of this machine cannot be right.
    ClockImplausible = "clock-implausible", Warning, Tell, "set the clock: no date can be judged";

    // Names.
    /// A wanted name is not in it.
    NameMissing = "name-missing", Critical, Replace, "order it anew with all names: `reseal renew TARGET`";
    /// It has no subject alternative name at all.
    NoNames = "no-names", Critical, Replace, "clients ignore the common name (RFC 9525): order it anew with subject alternative names";
    /// Its common name is a host name that is not among its alternative names.
    CnNotInSan = "cn-not-in-san", Warning, Tell, "clients ignore the common name: order it with that name among the alternative names";
    /// A wildcard that spans a whole top-level domain.
    WildcardScope = "wildcard-scope", Warning, Tell, "clients ignore such a wildcard: name the domain";
    /// An address written as a DNS name.
    AddressAsDnsName = "address-as-dns-name", Warning, Tell, "clients look for addresses among iPAddress entries: order it anew";
    /// An alternative name that nothing matches.
    UnusableName = "unusable-name", Warning, Tell, "no client can ask for it: order it anew without";
    /// A public certificate for a name that is not public.
    InternalName = "internal-name", Warning, Tell, "public CAs may not issue for it: use a public name, or a CA of your own";
    /// So many names that handshakes suffer.
    ManyNames = "many-names", Note, Tell, "every handshake carries them all: split them over several certificates";
    /// Control characters in a name.
    ControlCharacters = "control-characters", Critical, Tell, "readers disagree on where such a name ends: do not trust it, and order it anew";

    // Keys and signatures.
    /// Fewer than 2048 bits of RSA.
    WeakKey = "weak-key", Critical, Replace, "order it anew with a P-256 or RSA-2048 key";
    /// A key that anybody can break.
    BrokenKey = "broken-key", Critical, Replace, "anybody can find its private key: order it anew with a new key at once";
    /// What stands in the place of a public key is none.
    InvalidKey = "invalid-key", Critical, Replace, "nobody can have its private key, and no client takes it: order it anew with a new key";
    /// An RSA exponent below 65537, or a size that is not usual.
    OddKey = "odd-key", Note, Tell, "it works; use the exponent 65537 and 2048, 3072 or 4096 bits next time";
    /// A key so large that clients refuse it or take long.
    HugeKey = "huge-key", Warning, Tell, "clients refuse more than 8192 bits, and all suffer: use RSA 3072 or P-256";
    /// A kind of key that clients do not take in handshakes.
    UnsupportedKey = "unsupported-key", Critical, Tell, "order it anew with a P-256 or RSA key, unless all clients are known to take this one";
    /// A kind of key that browsers do not take.
    RareKey = "rare-key", Note, Tell, "browsers do not take it: use P-256 where they are among the clients";
    /// Signed with SHA-1 or MD5.
    WeakSignature = "weak-signature", Critical, Replace, "order it anew: clients refuse this signature";
    /// A CA of the chain has a weak key, or is signed with SHA-1 or MD5.
    WeakChain = "weak-chain", Critical, Tell, "get a newer chain from the CA and install it with the same key";
    /// Several targets have the same key.
    SharedKey = "shared-key", Warning, Tell, "give each its own: who has one of them has all";

    // Use.
    /// Not meant for TLS servers.
    NotForServers = "not-for-servers", Critical, Replace, "order it anew with the extended key usage serverAuth";
    /// Not meant for TLS clients, which this product also is.
    NoClientAuth = "no-client-auth", Critical, Replace, "order it with serverAuth and clientAuth: public CAs issue no such certificate any more, a private CA does";
    /// A CA certificate serves as leaf.
    CaAsLeaf = "ca-as-leaf", Warning, Tell, "strict clients refuse it: order a leaf of its own, unless the product demands a CA";
    /// Its key usage excludes signing handshakes.
    KeyUsage = "key-usage", Critical, Replace, "TLS 1.3 needs digitalSignature: order it anew with it";
    /// Its key usage excludes the key exchange that is used.
    NoKeyEncipherment = "no-key-encipherment", Warning, Tell, "let the server offer ECDHE, or order it with keyEncipherment";
    /// A critical extension that clients do not know.
    UnknownCritical = "unknown-critical-extension", Critical, Replace, "clients must refuse it: order it anew without";
    /// It demands a stapled OCSP answer.
    MustStaple = "must-staple", Note, Tell, "let the server staple, or order it without: CAs are giving up OCSP";

    // The chain.
    /// The chain ends before a CA that clients know.
    ChainIncomplete = "chain-incomplete", Critical, Tell, "install the intermediates with it: the CA gives them out";
    /// Certificates of the chain do not follow one another.
    ChainOrder = "chain-order", Warning, Tell, "install it again: reseal sorts the chain";
    /// A certificate that has nothing to do with the chain.
    Stranger = "stranger-in-chain", Warning, Tell, "leave it out: `reseal install TARGET --cert FILE --key FILE` does";
    /// A certificate is sent twice.
    Duplicate = "duplicate-in-chain", Note, Tell, "leave one out: `reseal install TARGET --cert FILE --key FILE` does";
    /// A self-signed root is sent along.
    RootSent = "root-sent", Note, Tell, "leave the root out: clients have it or do not trust it";
    /// More than one certificate that could be the server's.
    SeveralLeaves = "several-leaves", Warning, Tell, "leave one in: clients take the first for the server's";
    /// A certificate in the place of an issuer that is no CA.
    IssuerNotCa = "issuer-not-ca", Critical, Tell, "clients refuse the chain: get the right intermediate from the CA";
    /// A certificate names another key of its issuer than the issuer's own.
    KeyIdentifier = "key-identifier-mismatch", Warning, Tell, "OpenSSL finds no issuer for it: the CA should issue it anew, with its own key identifier";
    /// More CAs below one than it allows.
    PathLength = "path-length", Critical, Tell, "clients refuse the chain: the CA must not have issued it";
    /// A name that a CA of the chain may not issue for.
    NameConstraints = "name-constraints", Critical, Replace, "clients refuse it: order it for permitted names, or from another CA";

    // Encoding.
    /// A serial number that is zero or negative.
    SerialNotPositive = "serial-not-positive", Warning, Tell, "some clients refuse it: the CA should issue it anew";
    /// A serial number of more than 20 octets.
    SerialTooLong = "serial-too-long", Warning, Tell, "some clients refuse it: the CA should issue it anew";
    /// A date written in another way than the standard's.
    DateEncoding = "date-encoding", Warning, Tell, "some clients cannot read it: the CA should issue it anew";
    /// A certificate of X.509 version 1 or 2.
    OldVersion = "old-version", Critical, Replace, "it can carry no names, and clients refuse it: order it anew";
    /// One signature algorithm inside and another outside.
    AlgorithmMismatch = "algorithm-mismatch", Critical, Replace, "clients refuse it: the CA must issue it anew";
    /// An extension is there twice.
    DuplicateExtension = "duplicate-extension", Critical, Replace, "readers disagree on which counts, and strict ones refuse it: order it anew";
    /// An extension cannot be read.
    UnreadableExtension = "unreadable-extension", Warning, Tell, "strict clients refuse it: the CA should issue it anew";
    /// It breaks rules of RFC 5280 that clients mostly overlook.
    Profile = "rfc5280-profile", Note, Tell, "it works with most clients; tell the CA";
    /// Some clients do not read what most take.
    RefusedBySome = "refused-by-some", Warning, Tell, "it works with most clients; where the others are among them, let the CA issue it anew";
    /// Strict clients refuse what lenient ones read.
    StrictRefused = "strict-refused", Critical, Replace, "rustls, Go and others refuse it: order it anew";

    // The service.
    /// What is served is not what the files hold.
    NotServed = "not-served", Critical, Tell, "the service has not taken the files up: reload it, or `reseal renew TARGET --live`";
    /// Some listeners or addresses serve the files, and others do not.
    PartlyServed = "partly-served", Critical, Tell, "part of the service has not taken the files up: reload it there, or `reseal renew TARGET --live`";
    /// The addresses of a name show different certificates.
    AddressesDiffer = "addresses-differ", Note, Tell, "each is judged by itself; where all should show the same, reload the servers that are behind";
    /// Without a server name, another certificate is served.
    OtherByDefault = "other-by-default", Note, Tell, "clients without SNI get the other one: make this one the default, if there are such clients";
    /// The server speaks nothing newer than TLS 1.1.
    TlsTooOld = "protocol-too-old", Critical, Tell, "current clients refuse TLS 1.1 and older (RFC 8996): upgrade the server or its settings";
    /// The server chooses a cipher suite that clients have given up.
    SuiteTooOld = "suite-too-old", Critical, Tell, "current clients offer no such suite: let the server offer ECDHE with AES-GCM or ChaCha20";
    /// The server gives up at a hello with post-quantum keys.
    PostQuantumRefused = "post-quantum-refused", Warning, Tell, "browsers send such a hello first: upgrade the server, or what filters before it";
    /// The server's signature is not by the certificate's key.
    KeyNotProved = "key-not-proved", Critical, Tell, "clients refuse it: see which key the service has read, and what answers at this address";
    /// Whether the server holds the key was not looked at.
    KeyNotChecked = "key-not-checked", Note, Tell, "where it can be, let the server speak TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20";
    /// Nobody answers where it should be served.
    Unreachable = "unreachable", Warning, Tell, "is the service running, and is the address right?";
    /// The name has no address.
    NoAddress = "no-address", Warning, Tell, "check the name and the resolver";
    /// The connection is refused.
    Refused = "refused", Warning, Tell, "is the service running, and does it listen on this port?";
    /// No answer within the limit.
    Timeout = "timeout", Critical, Tell, "look at packet filters and at the load of the server; a longer limit may help";
    /// The connection ends during the handshake.
    Reset = "reset", Critical, Tell, "look at the service's own log, and at filters on the way";
    /// The server answers with a TLS alert.
    Alert = "alert", Critical, Tell, "the alert says what it dislikes; look at the service's own log";
    /// Plain HTTP is spoken where TLS is expected.
    PlainHttp = "plain-http", Critical, Tell, "switch TLS on at this port, or ask the right one";
    /// Something other than TLS is spoken.
    NotTls = "not-tls", Critical, Tell, "check the port, and whether the service begins in plain text (STARTTLS)";
    /// The service does not go over to TLS.
    StarttlsRefused = "starttls-refused", Critical, Tell, "switch STARTTLS on in the service; where it is on, its log tells why TLS fails";
    /// The server sends more than a handshake can need.
    Oversized = "oversized", Critical, Tell, "clients stop reading too: fewer names or certificates; where it is plain text before TLS, check the port";
    /// Somebody answers, and the handshake comes to no certificate.
    HandshakeFails = "handshake-fails", Critical, Tell, "look at the service's own log";
}

impl Code {
    /// The code of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|code| code.name() == name).copied()
    }

    /// Whether it says nothing more about a certificate that nobody vouches for: whoever replaces that is rid of it. Told again when
    /// the owner has accepted the certificate as it is.
    #[must_use]
    pub fn goes_with_replacement(self) -> bool {
        matches!(
            self,
            Self::Untrusted
                | Self::TrustDiffers
                | Self::ChainIncomplete
                | Self::LifetimeOverCap
                | Self::NameMissing
                | Self::NoNames
                | Self::CnNotInSan
                | Self::WildcardScope
                | Self::AddressAsDnsName
                | Self::UnusableName
                | Self::InternalName
                | Self::ManyNames
                | Self::WeakKey
                | Self::OddKey
                | Self::HugeKey
                | Self::RareKey
                | Self::WeakSignature
                | Self::NotForServers
                | Self::NoClientAuth
                | Self::CaAsLeaf
                | Self::KeyUsage
                | Self::NoKeyEncipherment
                | Self::MustStaple
                | Self::SerialNotPositive
                | Self::SerialTooLong
                | Self::DateEncoding
                | Self::OldVersion
                | Self::Profile
                | Self::RefusedBySome
                | Self::StrictRefused
                | Self::UnreadableExtension
        )
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        assert!(names.iter().all(|name| name.bytes().all(plain)));
        assert!(Code::ALL.iter().all(|code| Code::named(code.name()) == Some(*code)));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(count >= 50, "{count}");
    }

    #[test]
    fn remedies_are_one_sentence() {
        for code in Code::ALL {
            let remedy = code.remedy();
            assert!((8..=140).contains(&remedy.len()) && !remedy.ends_with('.') && !remedy.contains(". "), "{remedy}");
        }
    }

    /// The page is for people; what it says of severity and remedy is what the program says.
    #[test]
    fn every_code_has_its_section() {
        let page = include_str!("../../docs/findings.md");
        let sections: Vec<(&str, &str)> =
            page.split("\n### `").skip(1).filter_map(|section| section.split_once('`')).collect();
        assert_eq!(sections.len(), Code::ALL.len());
        for code in Code::ALL {
            let name = code.name();
            let found: Vec<&str> =
                sections.iter().filter(|(head, _)| *head == name).map(|(_, section)| *section).collect();
            let [section] = found.as_slice() else { panic!("{name}: {} sections", found.len()) };
            assert!(section.starts_with(&format!(": {}\n", code.severity().word())), "{name}: severity");
            let words = section.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(&format!("Do: {}", code.remedy())), "{name}: {}", code.remedy());
            for part in ["Why: ", "Decided: ", "Do: "] {
                assert!(section.contains(&format!("\n- {part}")), "{name}: {part}");
            }
        }
    }
}
