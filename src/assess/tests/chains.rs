//! Chains, and signatures in them that are weak.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, NameConstraints, SanType,
};

use super::Case;
use super::bench::*;
use crate::assess::*;
use crate::cert::fixture::NOW;

pub(super) fn cases() -> Vec<Case> {
    let Family { root, middle } = family();
    let lower = middle.by(ca("Lower"));
    let one = lower.by(|_| {}).certificate;
    let (lower_c, middle_c, root_c) = (&lower.certificate, &middle.certificate, &root.certificate);
    let public_leaf = middle.by(public).certificate;
    let stranger = own(ca("Else")).by(ca("Stranger"));
    let no_ca = root.by(|params| {
        ca("Middle")(params);
        params.is_ca = IsCa::NoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    let narrow = root.by(|params| {
        ca("Narrow")(params);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let below = narrow.by(ca("Below"));
    let limited = root.by(|params| {
        ca("Limited")(params);
        let permitted_subtrees = vec![GeneralSubtree::DnsName("example.org".to_owned())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    });
    let over = |issuer: &Made, key: &KeyPair, ends: Duration| {
        issuer.by_key(
            |params| {
                ca("Middle")(params);
                params.not_before = NOW - Duration::days(500);
                params.not_after = NOW + ends;
            },
            copy(key),
        )
    };
    let soon = over(&root, &middle.key, Duration::days(20));
    let sooner = over(&root, &middle.key, Duration::days(3));
    let past = over(&root, &middle.key, -Duration::DAY);
    let direct = middle.by(|_| {}).certificate;
    let forged = own(ca("Middle"));
    let mut bad = direct.der().to_vec();
    *bad.last_mut().unwrap() ^= 1;
    let bad = Certificate::from_der(bad).unwrap();
    vec![
        ("three in order", found(&[&one, lower_c, middle_c]), vec![]),
        ("turned round", found(&[&one, middle_c, lower_c]), vec![Code::ChainOrder]),
        ("with its root", found(&[&one, lower_c, middle_c, root_c]), vec![Code::RootSent]),
        ("another's intermediate", found(&[&one, lower_c, middle_c, &stranger.certificate]), vec![Code::Stranger]),
        ("a CA of the same name", found(&[&direct, &forged.certificate]), vec![Code::Stranger]),
        ("a root without what is between", found(&[&direct, root_c]), vec![Code::Stranger]),
        ("twice", found(&[&one, lower_c, lower_c, middle_c]), vec![Code::Duplicate]),
        ("two servers", found(&[&one, lower_c, middle_c, &direct]), vec![Code::SeveralLeaves]),
        ("a public leaf alone", found(&[&public_leaf]), vec![Code::ChainIncomplete]),
        ("a private leaf alone", found(&[&direct]), vec![]),
        ("no CA", found(&[&no_ca.by(|_| {}).certificate, &no_ca.certificate]), vec![Code::IssuerNotCa]),
        (
            "too many CAs",
            found(&[&below.by(|_| {}).certificate, &below.certificate, &narrow.certificate]),
            vec![Code::PathLength],
        ),
        ("as many as allowed", found(&[&narrow.by(|_| {}).certificate, &narrow.certificate]), vec![]),
        ("not permitted", found(&[&limited.by(|_| {}).certificate, &limited.certificate]), vec![Code::NameConstraints]),
        (
            "permitted",
            found(&[
                &limited
                    .by(|params| {
                        params.distinguished_name = rcgen::DistinguishedName::new();
                        params.distinguished_name.push(DnType::OrganizationName, "Example");
                        params.subject_alt_names = vec![rcgen::SanType::DnsName("a.example.org".try_into().unwrap())];
                    })
                    .certificate,
                &limited.certificate,
            ]),
            vec![],
        ),
        ("an intermediate ends first", found(&[&direct, &soon.certificate]), vec![Code::ChainExpires]),
        ("an intermediate ends in days", found(&[&direct, &sooner.certificate]), vec![Code::ChainEndsSoon]),
        ("an intermediate is over", found(&[&direct, &past.certificate]), vec![Code::ChainExpired]),
        (
            "an intermediate is over, and so is the leaf",
            judged(&installed(&[&direct, &past.certificate]), |facts| facts.now = NOW + Duration::days(41)),
            vec![Code::Expired],
        ),
        ("over, with a valid twin", found(&[&direct, &past.certificate, middle_c]), vec![Code::CrossSignExpired]),
        ("a false signature", found(&[&bad, middle_c]), vec![Code::FalseSignature]),
        ("SHA-1 by another", weak_signature(), vec![Code::WeakSignature]),
        ("a weak CA", weak_chain(), vec![Code::WeakChain]),
        ("a CA whose point is beside its curve", found(&[&direct, &pointless(middle_c)]), vec![Code::WeakChain]),
    ]
}

/// Issuers that did not sign, or that may not.
pub(super) fn issuers() -> Vec<Case> {
    let Family { root, middle } = family();
    let lower = middle.by(ca("Lower"));
    let one = lower.by(|_| {}).certificate;
    let (lower_c, middle_c, root_c) = (&lower.certificate, &middle.certificate, &root.certificate);
    let mut forged_middle = middle_c.der().to_vec();
    *forged_middle.last_mut().unwrap() ^= 1;
    let forged_middle = Certificate::from_der(forged_middle).unwrap();
    let unnamed = own(ca("Same")).by(|params| params.use_authority_key_identifier_extension = false).certificate;
    let namesakes = [own(ca("Same")), own(ca("Same")), own(ca("Same"))];
    let namesakes = namesakes.each_ref().map(|one| &one.certificate);
    let clients = root.by(|params| {
        ca("Clients")(params);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let mut otherwise = Made { certificate: middle_c.clone(), params: middle.params.clone(), key: copy(&middle.key) };
    otherwise.params.key_identifier_method = KeyIdMethod::PreSpecified(vec![7; 20]);
    // Five octets in the place of an address and its mask.
    let cut = root.by(|params| {
        ca("Cut")(params);
        let subtree = [0x30, 0x0b, 0xa0, 9, 0x30, 7, 0x87, 5, 10, 0, 0, 0, 0xff];
        params.custom_extensions.push(extension(&[2, 5, 29, 30], &subtree, true));
    });
    let addressed = |params: &mut CertificateParams| {
        params.subject_alt_names.push(SanType::IpAddress("192.0.2.1".parse().unwrap()));
    };
    let unnamed_by =
        |issuer: &Made| issuer.by(|params| params.use_authority_key_identifier_extension = false).certificate;
    let (same, twin) = (own(ca("Same")), own(ca("Same")));
    let under_same = unnamed_by(&same);
    let mut elsewhere = Made { certificate: root_c.clone(), params: root.params.clone(), key: copy(&root.key) };
    elsewhere.params.key_identifier_method = KeyIdMethod::PreSpecified(vec![7; 20]);
    let misnamed = elsewhere.by(|_| {}).certificate;
    let misnamed_middle = elsewhere.by(ca("Misnamed"));
    let below = |number, content: &[u8], critical| {
        let root = own(|params| {
            ca("With")(params);
            params.custom_extensions.push(extension(&[2, 5, 29, number], content, critical));
        });
        trusted_by(&[&root.by(|_| {}).certificate], &[&[&root.certificate]])
    };
    let twice = b"\x30\x0c\x30\x04\x06\x02\x2a\x03\x30\x04\x06\x02\x2a\x03";
    vec![
        (
            "another CA of the issuer's name beside the issuer",
            found(&[&under_same, &same.certificate, &twin.certificate]),
            vec![Code::Stranger, Code::RootSent, Code::Profile],
        ),
        (
            "another CA of the name of a root that is known",
            trusted_by(&[&under_same, &twin.certificate], &[&[&same.certificate]]),
            vec![Code::Stranger, Code::Profile],
        ),
        ("another key identifier than its root's", trusted_by(&[&misnamed], &[&[root_c]]), vec![Code::KeyIdentifier]),
        (
            "an intermediate that names another key than its root's",
            trusted_by(&[&misnamed_middle.by(|_| {}).certificate, &misnamed_middle.certificate], &[&[root_c]]),
            vec![Code::KeyIdentifier],
        ),
        ("a root that Go does not take", below(36, &[0x30, 3, 0x80, 1, 0], true), vec![Code::RefusedBySome]),
        ("a root that Go does not read", below(32, twice, false), vec![Code::RefusedBySome]),
        ("a root that OpenSSL does not take", below(18, &[0x30, 3, 0x82, 1, b'x'], true), vec![Code::Untrusted]),
        (
            "forged below a root that is known",
            trusted_by(&[&one, lower_c, &forged_middle], &[&[root_c]]),
            vec![Code::FalseSignature],
        ),
        (
            "CAs of one name, none of which signed it",
            found(&[&unnamed, namesakes[0], namesakes[1], namesakes[2]]),
            vec![Code::FalseSignature, Code::Profile],
        ),
        (
            "a CA for clients alone",
            found(&[&clients.by(|_| {}).certificate, &clients.certificate]),
            vec![Code::IssuerNotCa],
        ),
        ("another key identifier", found(&[&otherwise.by(|_| {}).certificate, middle_c]), vec![Code::KeyIdentifier]),
        (
            "constraints that are none",
            found(&[&cut.by(addressed).certificate, &cut.certificate]),
            vec![Code::StrictRefused],
        ),
    ]
}

/// A leaf whose signature algorithm is rewritten: ECDSA with SHA-1.
fn weak_signature() -> Vec<Code> {
    found(&[&with_sha1(&family().middle.by(|_| {}).certificate)])
}

/// A chain whose intermediate says that it was signed with SHA-1.
fn weak_chain() -> Vec<Code> {
    let Family { middle, .. } = family();
    let one = middle.by(|_| {}).certificate;
    found(&[&one, &with_sha1(&middle.certificate)])
}

/// The last octet of its key changed.
fn pointless(certificate: &Certificate) -> Certificate {
    let (mut der, key) = (certificate.der().to_vec(), certificate.spki());
    let at = der.windows(key.len()).position(|window| window == key).unwrap();
    der[at + key.len() - 1] ^= 1;
    Certificate::from_der(der).unwrap()
}

/// ecdsa-with-SHA256 (1.2.840.10045.4.3.2) becomes ecdsa-with-SHA1 (1.2.840.10045.4.1), a shorter one; the lengths follow.
fn with_sha1(certificate: &Certificate) -> Certificate {
    let (long, short) = (
        [0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        [0x30, 9, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1],
    );
    let mut der = certificate.der().to_vec();
    while let Some(at) = der.windows(long.len()).position(|window| window == long) {
        der.splice(at..at + long.len(), short);
    }
    // 30 82 xx xx 30 82 xx xx: the outer one is two octets shorter, the inner one one.
    for (place, less) in [(2, 2), (6, 1)] {
        let length = u16::from_be_bytes([der[place], der[place + 1]]) - less;
        der[place..place + 2].copy_from_slice(&length.to_be_bytes());
    }
    Certificate::from_der(der).unwrap()
}
