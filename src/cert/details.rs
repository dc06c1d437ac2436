//! What a certificate says beyond names, dates and keys: uses, oddities of its encoding, breaches of the standard.

use std::collections::BTreeSet;

use super::certificate::Certificate;
use super::codec::tlv::{BITS, Element};
use super::outline::{Content, Extension, Outline};
use super::rsa;
use super::strict::written::NETSCAPE_TYPE;

/// Gathered while a certificate is parsed; what no ordinary certificate has costs no allocation.
#[derive(Default)]
pub(super) struct Details {
    version: u8,
    key_usage: Option<u16>,
    purposes: Option<Purposes>,
    servers_unnamed: bool,
    not_understood: Vec<String>,
    repeated: Vec<String>,
    unreadable: Vec<String>,
    breaches: Vec<Breach>,
    algorithms_differ: bool,
    odd_dates: bool,
    constrained: bool,
    constrains_names: bool,
    claims_public: bool,
    must_staple: bool,
    /// The first octet of the certificate type of Netscape.
    netscape: Option<u8>,
}

/// What an extended key usage allows (RFC 5280 section 4.2.1.12).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Purposes {
    /// Anything.
    pub any: bool,
    /// TLS servers.
    pub server: bool,
    /// TLS clients.
    pub client: bool,
}

/// What a serial number should not be (RFC 5280 section 4.1.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OddSerial {
    /// Zero.
    Zero,
    /// Below zero.
    Negative,
    /// Of so many octets, where 20 is the most.
    TooLong(usize),
}

/// A rule for those who issue, broken; clients mostly overlook it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Breach {
    /// Section 4.2.1.1.
    AuthorityKeyIdentifierCritical,
    /// Section 4.2.1.1.
    AuthorityKeyIdentifierMissing,
    /// Section 4.2.1.2.
    SubjectKeyIdentifierCritical,
    /// Section 4.2.1.2.
    SubjectKeyIdentifierMissing,
    /// Section 4.2.1.6.
    NamesNotCritical,
    /// Section 4.2.1.9.
    ConstraintsNotCritical,
    /// Section 4.2.1.9.
    PathLengthWithoutCertificateSigning,
    /// Section 4.2.1.9.
    SignsCertificatesWithoutBeingCa,
    /// Section 4.2.1.10.
    NameConstraintsNotCritical,
    /// Section 4.2.1.10.
    NameConstraintsInLeaf,
    /// Section 4.2.1.11.
    PolicyConstraintsNotCritical,
    /// Section 4.2.2.1.
    AuthorityInformationCritical,
    /// Section 4.1.2.6.
    CaWithoutSubject,
    /// Section 4.1.2.4.
    NoIssuer,
    /// Section 4.1.2.8.
    UniqueIdentifiers,
}

impl Breach {
    /// What it is, and the section of RFC 5280 it breaks.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::AuthorityKeyIdentifierCritical => "its authority key identifier is critical (4.2.1.1)",
            Self::AuthorityKeyIdentifierMissing => "it has no authority key identifier (4.2.1.1)",
            Self::SubjectKeyIdentifierCritical => "its subject key identifier is critical (4.2.1.2)",
            Self::SubjectKeyIdentifierMissing => "a CA without subject key identifier (4.2.1.2)",
            Self::NamesNotCritical => "no subject, and alternative names that are not critical (4.2.1.6)",
            Self::ConstraintsNotCritical => "basic constraints of a CA that are not critical (4.2.1.9)",
            Self::PathLengthWithoutCertificateSigning => "a path length without the use keyCertSign (4.2.1.9)",
            Self::SignsCertificatesWithoutBeingCa => "the use keyCertSign without being a CA (4.2.1.9)",
            Self::NameConstraintsNotCritical => "name constraints that are not critical (4.2.1.10)",
            Self::NameConstraintsInLeaf => "name constraints in a certificate that is no CA's (4.2.1.10)",
            Self::PolicyConstraintsNotCritical => "policy constraints that are not critical (4.2.1.11)",
            Self::AuthorityInformationCritical => "its authority information access is critical (4.2.2.1)",
            Self::CaWithoutSubject => "a CA without a subject (4.1.2.6)",
            Self::NoIssuer => "an empty issuer (4.1.2.4)",
            Self::UniqueIdentifiers => "unique identifiers (4.1.2.8)",
        }
    }
}

impl Certificate {
    /// The version of X.509: 1, 2 or 3.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.details().version
    }

    /// What is wrong with the serial number, if anything.
    #[must_use]
    pub fn odd_serial(&self) -> Option<OddSerial> {
        match self.serial_octets() {
            [first, ..] if *first >= 0x80 => Some(OddSerial::Negative),
            bytes if bytes.iter().all(|byte| *byte == 0) => Some(OddSerial::Zero),
            bytes if bytes.len() > 20 => Some(OddSerial::TooLong(bytes.len())),
            _ => None,
        }
    }

    /// What its extended key usage allows; without one, nothing is excluded.
    #[must_use]
    pub fn purposes(&self) -> Option<Purposes> {
        self.details().purposes
    }

    /// Whether its extended key usage names TLS servers themselves, or is absent. Of a CA strict clients take nothing less, not even the
    /// use for anything (RFC 5280 section 4.2.1.12 allows them to).
    #[must_use]
    pub fn names_tls_servers(&self) -> bool {
        !self.details().servers_unnamed
    }

    /// Whether the certificate type of Netscape, which OpenSSL and Java still read, leaves servers out.
    #[must_use]
    pub fn is_of_netscape_for_others(&self) -> bool {
        // SSL server is the second bit.
        self.details().netscape.is_some_and(|bits| bits & 0x40 == 0)
    }

    /// Whether it may be a TLS client's (RFC 5280 section 4.2.1.12).
    #[must_use]
    pub fn serves_clients(&self) -> bool {
        self.purposes().is_none_or(|purposes| purposes.any || purposes.client)
    }

    /// Whether its key usage allows to encipher keys, without which there is no RSA key exchange (RFC 5246 section 7.4.2).
    #[must_use]
    pub fn enciphers_keys(&self) -> bool {
        self.details().key_usage.is_none_or(|bits| bits & 0b100 != 0)
    }

    /// Whether its key usage allows to sign certificates (RFC 5280 section 4.2.1.3).
    #[must_use]
    pub fn signs_certificates(&self) -> bool {
        self.details().key_usage.is_none_or(|bits| bits & 0b10_0000 != 0)
    }

    /// Whether its key usage allows to sign revocation lists (RFC 5280 section 4.2.1.3).
    #[must_use]
    pub fn signs_lists(&self) -> bool {
        self.details().key_usage.is_none_or(|bits| bits & 0b100_0000 != 0)
    }

    /// Whether a client may take it, once it is trusted, for the certificate of a CA, as OpenSSL does: it says that it is one (RFC 5280
    /// section 4.2.1.9); or it has no basic constraints, and is a root of version 1, which could not have any, or has a key usage.
    #[must_use]
    pub fn passes_for_ca(&self) -> bool {
        let silent = !self.details().constrained;
        let old_root = self.version() == 1 && self.is_self_issued();
        self.is_ca() || (silent && (old_root || self.details().key_usage.is_some()))
    }

    /// Object identifiers of critical extensions that no client knows: it must refuse the certificate (RFC 5280 section 4.2).
    #[must_use]
    pub fn unknown_critical(&self) -> &[String] {
        &self.details().not_understood
    }

    /// Extensions that are there more than once (RFC 5280 section 4.2 forbids it).
    #[must_use]
    pub fn repeated_extensions(&self) -> &[String] {
        &self.details().repeated
    }

    /// Extensions whose content cannot be read.
    #[must_use]
    pub fn unreadable_extensions(&self) -> &[String] {
        &self.details().unreadable
    }

    /// Rules of RFC 5280 that it breaks and that clients mostly overlook.
    #[must_use]
    pub fn breaches(&self) -> &[Breach] {
        &self.details().breaches
    }

    /// Whether it names another signature algorithm inside than outside (RFC 5280 section 4.1.1.2 forbids it).
    #[must_use]
    pub fn algorithms_differ(&self) -> bool {
        self.details().algorithms_differ
    }

    /// Whether a date is written otherwise than RFC 5280 section 4.1.2.5 prescribes.
    #[must_use]
    pub fn odd_dates(&self) -> bool {
        self.details().odd_dates
    }

    /// Whether it limits the names of what is issued below it (RFC 5280 section 4.2.1.10).
    #[must_use]
    pub fn constrains_names(&self) -> bool {
        self.details().constrains_names
    }

    /// Whether it says that it comes from a public CA: a policy that the CA/Browser Forum reserves (Baseline Requirements section
    /// 7.1.6.1), or embedded timestamps of certificate transparency logs (RFC 6962). Says nothing of trust.
    #[must_use]
    pub fn claims_public(&self) -> bool {
        self.details().claims_public
    }

    /// Whether it demands a stapled OCSP answer (RFC 7633).
    #[must_use]
    pub fn must_staple(&self) -> bool {
        self.details().must_staple
    }

    /// The numbers of its RSA key, where it has one.
    #[must_use]
    pub fn rsa(&self) -> Option<rsa::PublicNumbers> {
        rsa::PublicNumbers::of_spki(self.spki())
    }

    /// What some clients have against how its key is written, which OpenSSL and most others take.
    #[must_use]
    pub fn doubt_in_key(&self) -> Option<&'static str> {
        super::spki::doubt(self.spki())
    }

    /// Whether there is such a key: of an elliptic curve, a point on it. Of other kinds nothing is known against it, but the number of
    /// octets. Costs a microsecond, and up to a thousand where a point is compressed.
    #[must_use]
    pub fn has_possible_key(&self) -> bool {
        super::spki::is_possible(self.spki())
    }

    /// Whether both certify the same key.
    #[must_use]
    pub fn same_key(&self, other: &Self) -> bool {
        super::spki::same(self.spki(), other.spki())
    }
}

impl Details {
    /// Whether each extension is there once.
    pub(super) fn repeats_nothing(&self) -> bool {
        self.repeated.is_empty()
    }
}

/// Gathers what the certificate with this DER tells.
pub(super) fn of(outline: &Outline<'_>, der: &[u8]) -> Details {
    let (issuer, subject) = (&outline.issuer, &outline.subject);
    let mut details = Details {
        version: outline.version,
        algorithms_differ: outline.algorithms_differ,
        odd_dates: der.get(issuer.end..subject.start).is_none_or(|validity| !usual_dates(validity)),
        ..Details::default()
    };
    let mut seen = Seen::default();
    let mut identifiers = BTreeSet::new();
    for extension in &outline.extensions {
        if !identifiers.insert(extension.identifier.as_bytes()) {
            details.repeated.push(extension.identifier.to_id_string());
        }
        take(&mut details, &mut seen, extension, outline.no_subject);
    }
    let mut breach = |broken: bool, breach| {
        if broken {
            details.breaches.push(breach);
        }
    };
    let signs = details.key_usage.is_none_or(|bits| bits & 0b10_0000 != 0);
    let self_issued = der.get(issuer.clone()) == der.get(subject.clone());
    breach(!seen.aki && !self_issued && details.version == 3, Breach::AuthorityKeyIdentifierMissing);
    breach(!seen.ski && seen.ca, Breach::SubjectKeyIdentifierMissing);
    breach(seen.path_length && !signs, Breach::PathLengthWithoutCertificateSigning);
    breach(details.key_usage.is_some() && signs && !seen.ca, Breach::SignsCertificatesWithoutBeingCa);
    breach(details.constrains_names && !seen.ca, Breach::NameConstraintsInLeaf);
    breach(outline.no_subject && seen.ca, Breach::CaWithoutSubject);
    breach(outline.no_issuer, Breach::NoIssuer);
    breach(outline.unique_identifiers, Breach::UniqueIdentifiers);
    details
}

#[derive(Default)]
struct Seen {
    aki: bool,
    ski: bool,
    ca: bool,
    path_length: bool,
}

fn take(details: &mut Details, seen: &mut Seen, extension: &Extension<'_>, no_subject: bool) {
    let mut breach = |broken: bool, breach| {
        if broken {
            details.breaches.push(breach);
        }
    };
    match &extension.content {
        Content::AuthorityKey(_) => {
            seen.aki = true;
            breach(extension.critical, Breach::AuthorityKeyIdentifierCritical);
        }
        Content::SubjectKey(_) => {
            seen.ski = true;
            breach(extension.critical, Breach::SubjectKeyIdentifierCritical);
        }
        Content::Names(_) => breach(no_subject && !extension.critical, Breach::NamesNotCritical),
        Content::BasicConstraints { ca, path_len } => {
            details.constrained = true;
            seen.ca |= ca;
            seen.path_length |= *ca && path_len.is_some();
            breach(*ca && !extension.critical, Breach::ConstraintsNotCritical);
        }
        Content::NameConstraints => {
            breach(!extension.critical, Breach::NameConstraintsNotCritical);
            details.constrains_names = true;
        }
        Content::PolicyConstraints => breach(!extension.critical, Breach::PolicyConstraintsNotCritical),
        Content::AuthorityInformation => breach(extension.critical, Breach::AuthorityInformationCritical),
        Content::KeyUsage(usage) => {
            details.key_usage = Some(details.key_usage.unwrap_or(u16::MAX) & usage);
        }
        Content::ExtendedKeyUsage(usage) => {
            details.servers_unnamed |= !usage.server;
            let before = details.purposes.unwrap_or(Purposes { any: true, server: true, client: true });
            details.purposes = Some(Purposes {
                any: before.any && usage.any,
                server: before.server && (usage.any || usage.server),
                client: before.client && (usage.any || usage.client),
            });
        }
        Content::Policies { reserved } => details.claims_public |= reserved,
        Content::Timestamps => details.claims_public = true,
        Content::Known | Content::Unknown if extension.identifier.as_bytes() == NETSCAPE_TYPE => {
            if let Some(bits) = Element::filling(extension.value).and_then(|bits| bits.tagged(BITS)) {
                details.netscape = Some(bits.content.get(1).copied().unwrap_or_default());
            }
        }
        Content::Unreadable => details.unreadable.push(extension.identifier.to_id_string()),
        Content::Unknown if extension.identifier.as_bytes() == TLS_FEATURE => {
            // SEQUENCE of INTEGER: 5 is status_request (RFC 7633 section 4).
            details.must_staple = extension.value.windows(3).any(|three| three == [0x02, 0x01, 0x05]);
        }
        Content::Unknown if extension.critical => details.not_understood.push(extension.identifier.to_id_string()),
        Content::Unknown | Content::Known => {}
    }
}

/// 1.3.6.1.5.5.7.1.24, the content octets.
const TLS_FEATURE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x18];

/// RFC 5280 section 4.1.2.5: until 2049 `YYMMDDHHMMSSZ`, from 2050 on `YYYYMMDDHHMMSSZ`, in DER.
fn usual_dates(validity: &[u8]) -> bool {
    let [0x30, length, rest @ ..] = validity else { return false };
    let digits = |text: &[u8]| matches!(text, [digits @ .., b'Z'] if digits.iter().all(u8::is_ascii_digit));
    let mut rest = rest;
    for _ in 0..2 {
        rest = match rest {
            [0x17, 13, time @ ..] if time.len() >= 13 && digits(&time[..13]) => &time[13..],
            [0x18, 15, time @ ..] if time.len() >= 15 && digits(&time[..15]) && time[..4] >= b"2050"[..] => &time[15..],
            _ => return false,
        };
    }
    usize::from(*length) + 2 == validity.len() && rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{Wish, self_signed};

    #[test]
    fn an_ordinary_certificate_has_no_oddities() {
        let root = self_signed(&Wish::ca("Root"));
        let leaf = root.issue(&Wish::server("www.example.com").named(&["www.example.com"])).certificate;
        for one in [&root.certificate, &leaf] {
            assert_eq!((one.version(), one.odd_serial(), one.odd_dates()), (3, None, false));
            assert!(one.unknown_critical().is_empty() && one.repeated_extensions().is_empty());
            assert!(one.unreadable_extensions().is_empty());
            assert_eq!(one.breaches(), []);
            assert!(!one.algorithms_differ() && !one.claims_public() && !one.must_staple());
            assert!(!one.has_control_characters());
            assert_eq!(one.strict_refusal(), None);
        }
        assert_eq!(leaf.purposes(), Some(Purposes { any: false, server: true, client: false }));
        assert!(!leaf.serves_clients() && root.certificate.serves_clients());
        assert!(leaf.names_as_issuer(&root.certificate) && !root.certificate.names_as_issuer(&leaf));
        assert!(root.certificate.same_key(&root.certificate) && !root.certificate.same_key(&leaf));
    }

    #[test]
    fn dates_have_one_form_each() {
        let of = |parts: &[(u8, &str)]| {
            let content: Vec<u8> = parts
                .iter()
                .flat_map(|(tag, text)| [&[*tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat())
                .collect();
            usual_dates(&[&[0x30, u8::try_from(content.len()).unwrap()], content.as_slice()].concat())
        };
        assert!(of(&[(0x17, "300101000000Z"), (0x17, "310101000000Z")]));
        assert!(of(&[(0x17, "300101000000Z"), (0x18, "20500101000000Z")]));
        assert!(of(&[(0x17, "300101000000Z"), (0x18, "99991231235959Z")]));
        for bad in [
            [(0x17, "300101000000Z"), (0x18, "20490101000000Z")],
            [(0x17, "3001010000Z"), (0x17, "310101000000Z")],
            [(0x17, "300101000000+0100"), (0x17, "310101000000Z")],
            [(0x17, "300101000000Z"), (0x18, "20500101000000.5Z")],
        ] {
            assert!(!of(&bad), "{bad:?}");
        }
        assert!(!usual_dates(b"") && !usual_dates(b"\x30\x00"));
    }
}
