//! When each finding fires, and when not.

use std::collections::BTreeSet;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SerialNumber,
};
use time::macros::datetime;

use super::*;
use crate::cert::fixture::NOW;
use crate::cert::installed::KeyFound;
use crate::cert::{Anchors, Profile};
use crate::change::{Attributes, Role, Shown};

/// Made by hand, with whatever is wrong.
struct Made {
    certificate: Certificate,
    params: CertificateParams,
    key: KeyPair,
}

impl Made {
    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    fn by(&self, wish: impl FnOnce(&mut CertificateParams)) -> Self {
        self.by_key(wish, KeyPair::generate().unwrap())
    }

    fn by_key(&self, wish: impl FnOnce(&mut CertificateParams), key: KeyPair) -> Self {
        let mut params = ordinary();
        wish(&mut params);
        let made = params.signed_by(&key, &self.issuer()).unwrap();
        Self { certificate: Certificate::from_der(made.der().to_vec()).unwrap(), params, key }
    }
}

/// What a good leaf has.
fn ordinary() -> CertificateParams {
    let mut params = CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "www.example.com");
    params.not_before = NOW - Duration::days(5);
    params.not_after = NOW + Duration::days(40);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// Turns the parameters into a CA's.
fn ca(name: &str) -> impl FnOnce(&mut CertificateParams) {
    let name = name.to_owned();
    move |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.subject_alt_names.clear();
        params.extended_key_usages.clear();
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_after = NOW + Duration::days(3000);
    }
}

fn own(wish: impl FnOnce(&mut CertificateParams)) -> Made {
    own_with(wish, KeyPair::generate().unwrap())
}

fn own_with(wish: impl FnOnce(&mut CertificateParams), key: KeyPair) -> Made {
    let mut params = ordinary();
    wish(&mut params);
    let made = params.self_signed(&key).unwrap();
    Made { certificate: Certificate::from_der(made.der().to_vec()).unwrap(), params, key }
}

/// The same key once more.
fn copy(key: &KeyPair) -> KeyPair {
    KeyPair::try_from(key.serialize_der()).unwrap()
}

/// A policy that only public CAs write: 2.23.140.1.2.1.
fn public(params: &mut CertificateParams) {
    let policies = [0x30, 0x0a, 0x30, 0x08, 0x06, 0x06, 0x67, 0x81, 0x0c, 0x01, 0x02, 0x01];
    params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 32], policies.to_vec()));
}

struct Family {
    root: Made,
    middle: Made,
}

fn family() -> Family {
    let root = own(ca("Root"));
    let middle = root.by(ca("Middle"));
    Family { root, middle }
}

fn installed(certificates: &[&Certificate]) -> Installed {
    Installed {
        chain: Chain::as_given(certificates.iter().map(|one| (*one).clone()).collect()),
        key: KeyFound::Matches,
        problems: Vec::new(),
        blank_lines: Vec::new(),
        encrypted: Vec::new(),
    }
}

fn judged(installed: &Installed, more: impl FnOnce(&mut Facts<'_>)) -> Vec<Code> {
    let signatures = Signatures::default();
    let mut facts = Facts::new(installed, &|lifetime: Duration| lifetime / 3_i32, &signatures, NOW);
    facts.whole_chain = true;
    more(&mut facts);
    findings(&facts).iter().map(|one| one.code).collect()
}

/// What is found in a chain, and nothing else is known.
fn found(certificates: &[&Certificate]) -> Vec<Code> {
    judged(&installed(certificates), |_| {})
}

/// What is found in a leaf with one thing wrong, below a good intermediate.
fn leaf(wish: impl FnOnce(&mut CertificateParams)) -> Vec<Code> {
    let Family { middle, .. } = family();
    found(&[&middle.by(wish).certificate, &middle.certificate])
}

/// The same where the bytes are changed after signing: nobody but a path to a root looks at that signature.
fn patched(wish: impl FnOnce(&mut CertificateParams), from: &[u8], to: &[u8]) -> Vec<Code> {
    let Family { middle, .. } = family();
    let der = middle.by(wish).certificate.der().to_vec();
    let at = der.windows(from.len()).position(|window| window == from).unwrap();
    let der = [&der[..at], to, &der[at + from.len()..]].concat();
    found(&[&Certificate::from_der(der).unwrap()])
}

fn stored(change: impl FnOnce(&mut Stored)) -> Vec<Code> {
    let Family { middle, .. } = family();
    let attributes = Attributes { mode: 0o600, uid: 0, gid: 0, xattrs: Vec::new() };
    let mut file = Stored {
        role: Role::Key,
        path: "/etc/ssl/web.key".to_owned(),
        real: "/etc/ssl/web.key".to_owned(),
        attributes: Some(attributes),
        dangling: false,
        tracked_by: None,
        reader: None,
    };
    change(&mut file);
    let good = installed(&[&middle.by(|_| {}).certificate, &middle.certificate]);
    let files = [file];
    let signatures = Signatures::default();
    let before = |lifetime: Duration| lifetime / 3_i32;
    let facts = Facts { files: &files, ..Facts::new(&good, &before, &signatures, NOW) };
    findings(&facts).iter().map(|one| one.code).collect()
}

fn mode(mode: u32) -> impl FnOnce(&mut Stored) {
    move |file| file.attributes.as_mut().unwrap().mode = mode
}

/// A good chain, and a handshake that told this.
fn wired(wire: &Wire) -> Vec<Code> {
    let Family { middle, .. } = family();
    let leaf = middle.by(|_| {}).certificate;
    judged(&installed(&[&leaf, &middle.certificate]), |facts| facts.served = showing(&leaf, wire))
}

/// A handshake that showed this leaf and told this.
fn showing(leaf: &Certificate, wire: &Wire) -> &'static [Look] {
    let shown = Shown::Leaf { fingerprint: leaf.fingerprint(), proved: true };
    // The borrow is shorter than the facts could be.
    Box::leak(Box::new([Look { at: "192.0.2.1:443".to_owned(), shown, unseen: None, wire: wire.clone() }]))
}

fn shown(make: impl FnOnce(Digest) -> Vec<Shown>) -> Vec<Code> {
    let Family { middle, .. } = family();
    let leaf = middle.by(|_| {}).certificate;
    let look = |(index, shown)| {
        let at = format!("192.0.2.{index}:443");
        Look { at, shown, unseen: None, wire: Wire::default() }
    };
    let served: Vec<Look> = make(leaf.fingerprint()).into_iter().enumerate().map(look).collect();
    let good = installed(&[&leaf, &middle.certificate]);
    let signatures = Signatures::default();
    let before = |lifetime: Duration| lifetime / 3_i32;
    let facts = Facts { served: &served, whole_chain: true, ..Facts::new(&good, &before, &signatures, NOW) };
    findings(&facts).iter().map(|one| one.code).collect()
}

fn trusted_by(certificates: &[&Certificate], roots: &[&[&Certificate]]) -> Vec<Code> {
    let whole = installed(certificates);
    let verdicts: Vec<TrustVerdict> = roots
        .iter()
        .map(|roots| Profile::new("some", Anchors::new(roots.iter().map(|one| (*one).clone()))))
        .map(|profile| profile.judge(whole.chain.as_ref().unwrap(), &[], NOW))
        .collect();
    let signatures = Signatures::default();
    let before = |lifetime: Duration| lifetime / 3_i32;
    let facts = Facts { trust: &verdicts, whole_chain: true, ..Facts::new(&whole, &before, &signatures, NOW) };
    findings(&facts).iter().map(|one| one.code).collect()
}

fn extension(oid: &[u64], content: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(critical);
    extension
}

/// An RSA certificate of OpenSSL's, for keys that nobody else makes.
fn openssl(words: &str) -> Certificate {
    let line = format!("req -x509 -nodes -subj /CN=www.example.com -keyout /dev/null -outform DER {words}");
    let output = std::process::Command::new("openssl").args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {line}");
    Certificate::from_der(output.stdout).unwrap()
}

/// A certificate of this issuer with another's key: the signature is false, which only a path to a root shows.
fn with_key_of(other: &Certificate) -> Vec<Code> {
    with_key_of_spki(other.spki())
}

/// The SubjectPublicKeyInfo of an RSA key with 8200 bits: 2^8199 + 1, which no small prime divides but those left out here.
fn huge() -> Vec<u8> {
    let wrap = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], length.as_slice(), content].concat()
    };
    // 2^8192 * 0xff + r for the first odd r without a small factor.
    let number = |rest: u8| [&[0, 0xff], vec![0; 1023].as_slice(), &[rest]].concat();
    let divided = |number: &[u8]| {
        (3..=751)
            .step_by(2)
            .any(|prime| number.iter().fold(0_u32, |rest, byte| (rest * 256 + u32::from(*byte)) % prime) == 0)
    };
    let modulus = (1..=255).step_by(2).map(number).find(|number| !divided(number)).unwrap();
    let key = wrap(0x30, &[wrap(2, &modulus), vec![2, 3, 1, 0, 1]].concat());
    let algorithm = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    wrap(0x30, &[algorithm.to_vec(), wrap(3, &[vec![0], key].concat())].concat())
}

fn with_key_of_spki(new: &[u8]) -> Vec<Code> {
    let Family { middle, .. } = family();
    let leaf = middle.by(|_| {}).certificate;
    let (der, old) = (leaf.der(), leaf.spki());
    let at = der.windows(old.len()).position(|window| window == old).unwrap();
    let whole = [&der[..at], new, &der[at + old.len()..]].concat();
    // The lengths of the two outer sequences, both of two octets, grow by the difference.
    let grown = new.len() - old.len();
    let mut whole = whole;
    for (place, inner) in [(2, whole.len() - 4), (6, usize::from(u16::from_be_bytes([der[6], der[7]])) + grown)] {
        let length = u16::try_from(inner).unwrap().to_be_bytes();
        whole[place..place + 2].copy_from_slice(&length);
    }
    found(&[&Certificate::from_der(whole).unwrap()])
}

#[test]
fn what_is_good_has_no_finding() {
    let Family { root, middle } = family();
    let good = middle.by(|params| {
        public(params);
        params.subject_alt_names.push(rcgen::SanType::DnsName("*.example.com".try_into().unwrap()));
    });
    assert_eq!(found(&[&good.certificate, &middle.certificate]), []);
    assert_eq!(trusted_by(&[&good.certificate, &middle.certificate], &[&[&root.certificate]]), []);
    assert_eq!(stored(|_| {}), []);
    assert_eq!(shown(|leaf| vec![Shown::Leaf { fingerprint: leaf, proved: true }, Shown::Well]), []);
    assert_eq!(wired(&Wire { version: Some(WireVersion::Tls12), ..Wire::default() }), []);
}

#[test]
fn what_signed_itself_has_one() {
    let everything_wrong = own(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.subject_alt_names.clear();
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(vec![0x71; 30]));
    });
    assert_eq!(found(&[&everything_wrong.certificate]), [Code::SelfSigned]);
    let wanted = ["elsewhere.example".parse().unwrap()];
    assert_eq!(
        judged(&installed(&[&everything_wrong.certificate]), |facts| facts.wanted = Box::leak(Box::new(wanted))),
        [Code::SelfSigned]
    );
    assert_eq!(trusted_by(&[&everything_wrong.certificate], &[&[]]), [Code::SelfSigned]);
}

#[test]
fn each_finding_fires() {
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for (what, codes, wanted) in cases() {
        if codes != wanted {
            wrong.push(format!("{what}: {codes:?} instead of {wanted:?}"));
        }
        seen.extend(wanted);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What only a run over several knows, or a file of a CA: `flow` has its tests. The probe's own reasons have their table below.
    let others = [Code::Interrupted, Code::SourceMissing, Code::SharedKey, Code::StoreExpired];
    let reasons: BTreeSet<Code> = REASONS.iter().map(|reason| reason.code()).collect();
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| !seen.contains(code) && !reasons.contains(code) && !others.contains(code))
        .map(|code| code.name())
        .collect();
    assert_eq!(missing, [""; 0], "no case shows these");
}

const REASONS: &[Unseen] = &[
    Unseen::NoAddress,
    Unseen::Unreachable,
    Unseen::Refused,
    Unseen::Timeout,
    Unseen::Reset,
    Unseen::PlainHttp,
    Unseen::NotTls,
    Unseen::StarttlsRefused,
    Unseen::Alert,
    Unseen::TooOld,
    Unseen::Oversized,
    Unseen::Other,
];

#[test]
fn hundreds_of_cas_of_one_name_cost_a_bounded_number_of_checks() {
    let mut last = own(ca("Same"));
    let mut all = Vec::new();
    for _ in 0..60 {
        last = last.by(ca("Same"));
        all.push(last.certificate.clone());
    }
    let leaf = last.by(|_| {});
    // In an order in which the issuer of each is the last that is tried.
    let chain: Vec<&Certificate> = std::iter::once(&leaf.certificate).chain(&all).collect();
    let signatures = Signatures::default();
    let installed = installed(&chain);
    let mut facts = Facts::new(&installed, &|lifetime: Duration| lifetime / 3_i32, &signatures, NOW);
    facts.whole_chain = true;
    let found: Vec<Code> = findings(&facts).iter().map(|one| one.code).collect();
    assert!(found.contains(&Code::Stranger), "{found:?}");
    assert!(signatures.count() < 400, "{} checks", signatures.count());
}

#[test]
fn every_reason_for_seeing_nothing_has_its_code() {
    let codes: BTreeSet<Code> = REASONS.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), REASONS.len());
}

type Case = (&'static str, Vec<Code>, Vec<Code>);

fn cases() -> Vec<Case> {
    let all = [files(), signers(), dates_and_names(), keys_and_uses(), chains(), encodings(), service()];
    all.into_iter().flatten().collect()
}

fn files() -> Vec<Case> {
    let Family { middle, .. } = family();
    let good = || installed(&[&middle.by(|_| {}).certificate, &middle.certificate]);
    let with = |change: &dyn Fn(&mut Installed)| {
        let mut pair = good();
        change(&mut pair);
        judged(&pair, |facts| facts.key_expected = true)
    };
    let text = || vec!["line 1, CERTIFICATE".to_owned()];
    vec![
        ("nothing there", with(&|pair| pair.chain = None), vec![Code::NoCertificate]),
        ("not to be read", with(&|pair| pair.problems = text()), vec![Code::Unreadable]),
        ("no key", with(&|pair| pair.key = KeyFound::None), vec![Code::NoKey]),
        ("another's key", with(&|pair| pair.key = KeyFound::Mismatch), vec![Code::KeyMismatch]),
        ("a key that matches", with(&|_| {}), vec![]),
        ("blank lines", with(&|pair| pair.blank_lines = text()), vec![Code::PemBlankLine]),
        ("encrypted", with(&|pair| pair.encrypted = text()), vec![Code::KeyEncrypted]),
        ("0644", stored(mode(0o644)), vec![Code::KeyReadable]),
        ("0640", stored(mode(0o640)), vec![]),
        (
            "0644 of a certificate",
            stored(|file| {
                file.role = Role::FullChain;
                mode(0o644)(file);
            }),
            vec![],
        ),
        (
            "0666 of a certificate",
            stored(|file| {
                file.role = Role::FullChain;
                mode(0o666)(file);
            }),
            vec![Code::Writable],
        ),
        (
            "the service is another user",
            stored(|file| file.reader = Some(("www".to_owned(), 33))),
            vec![Code::ServiceCannotRead],
        ),
        (
            "it may be in the group",
            stored(|file| {
                file.reader = Some(("www".to_owned(), 33));
                mode(0o640)(file);
            }),
            vec![],
        ),
        ("the service is root", stored(|file| file.reader = Some(("root".to_owned(), 0))), vec![]),
        ("a link to nothing", stored(|file| file.dangling = true), vec![Code::DanglingLink]),
        (
            "certbot's",
            stored(|file| file.path = "/etc/letsencrypt/live/a/privkey.pem".to_owned()),
            vec![Code::ManagedElsewhere],
        ),
        ("certmonger's", stored(|file| file.tracked_by = Some("certmonger".to_owned())), vec![Code::ManagedElsewhere]),
        (
            "acme.sh's, through a link",
            stored(|file| file.real = "/root/.acme.sh/a_ecc/a.key".to_owned()),
            vec![Code::ManagedElsewhere],
        ),
        (
            "not what was committed",
            judged(&good(), |facts| facts.regression = Some(Regression { generation: 2, committed: None })),
            vec![Code::Regression],
        ),
    ]
}

fn signers() -> Vec<Case> {
    let Family { root, middle } = family();
    let good = middle.by(|_| {});
    let pair = [&good.certificate, &middle.certificate];
    let rollover = root.by(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Root");
    });
    let renamed = root.by_key(ca("Renamed"), copy(&root.key));
    let superfish = own(ca("Superfish, Inc."));
    let vendor = own(ca("Elastic Certificate Tool Autogenerated CA"));
    let ends_first = own(|params| {
        ca("Short")(params);
        params.not_after = NOW + Duration::days(30);
    });
    let expired = own(|params| {
        ca("Old")(params);
        params.not_after = NOW - Duration::DAY;
    });
    let below = |issuer: &Made| issuer.by(|_| {}).certificate;
    let (twin, short, old) = (own(ca("Middle")), below(&ends_first), below(&expired));
    let edell = own(ca("eDellRoot"));
    vec![
        ("signed itself", found(&[&own(|_| {}).certificate]), vec![Code::SelfSigned]),
        (
            "signed itself with MD5",
            found(&[&openssl("-newkey rsa:2048 -md5 -days 9000")]),
            vec![Code::SelfIssuedUnverified],
        ),
        ("another key of that name", found(&[&rollover.certificate]), vec![Code::SelfIssuedOtherKey]),
        ("its own key under another name", found(&[&renamed.certificate]), vec![Code::OwnKeyOtherName]),
        ("a published CA", found(&[&edell.by(|_| {}).certificate]), vec![Code::SharedDefault]),
        ("a name like a published CA's", found(&[&superfish.by(|_| {}).certificate]), vec![]),
        ("a product's CA", found(&[&vendor.by(|_| {}).certificate]), vec![Code::VendorDefault]),
        (
            "a product's CA, unknown to clients",
            trusted_by(&[&vendor.by(|_| {}).certificate], &[&[]]),
            vec![Code::VendorDefault],
        ),
        ("nobody knows the CA", trusted_by(&pair, &[&[&twin.certificate]]), vec![Code::Untrusted]),
        ("all know it", trusted_by(&pair, &[&[&root.certificate], &[&root.certificate]]), vec![]),
        ("one of two knows it", trusted_by(&pair, &[&[&root.certificate], &[]]), vec![Code::TrustDiffers]),
        ("the root is over", trusted_by(&[&old], &[&[&expired.certificate]]), vec![Code::RootExpired]),
        ("the root ends first", trusted_by(&[&short], &[&[&ends_first.certificate]]), vec![Code::RootEndsFirst]),
        (
            "a false signature, by the roots",
            trusted_by(&[&twin.by(|_| {}).certificate, &middle.certificate], &[&[&root.certificate]]),
            vec![Code::FalseSignature, Code::Stranger],
        ),
    ]
}

fn dates_and_names() -> Vec<Case> {
    let between = |from: Duration, to: Duration| {
        leaf(|params| {
            params.not_before = NOW + from;
            params.not_after = NOW + to;
        })
    };
    let days = Duration::days;
    let lasting = |begins: OffsetDateTime, lasts: i64| {
        let Family { middle, .. } = family();
        let one = middle.by(|params| {
            public(params);
            params.not_before = begins;
            params.not_after = begins + days(lasts) - Duration::SECOND;
        });
        judged(&installed(&[&one.certificate, &middle.certificate]), |facts| facts.now = begins + Duration::DAY)
            .into_iter()
            .filter(|code| matches!(code, Code::LifetimeOverCap))
            .collect::<Vec<_>>()
    };
    let over = vec![Code::LifetimeOverCap];
    let at = |now| {
        let whole = installed(&[&own(|_| {}).certificate]);
        judged(&whole, |facts| facts.now = now).into_iter().filter(|code| *code == Code::ClockImplausible).collect()
    };
    let named = |names: &'static [&'static str]| {
        move |params: &mut CertificateParams| {
            let dns = |name: &&str| rcgen::SanType::DnsName((*name).try_into().unwrap());
            params.subject_alt_names = names.iter().map(dns).collect();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::OrganizationName, "Example");
        }
    };
    let wanting = |names: &'static [&'static str], wanted: &str| {
        let Family { middle, .. } = family();
        let one = middle.by(named(names));
        let wanted: Vec<Name> = vec![wanted.parse().unwrap()];
        judged(&installed(&[&one.certificate, &middle.certificate]), |facts| facts.wanted = wanted.leak())
    };
    let public_for = |names: &'static [&'static str]| {
        leaf(|params| {
            named(names)(params);
            public(params);
        })
    };
    vec![
        ("over", between(days(-80), days(-1)), vec![Code::Expired]),
        ("not begun", between(days(1), days(80)), vec![Code::NotYetValid]),
        ("the last third", between(days(-70), days(20)), vec![Code::Expiring]),
        ("the last tenth", between(days(-85), days(5)), vec![Code::EndsSoon]),
        ("the first third", between(days(-20), days(70)), vec![]),
        ("reversed", between(days(20), days(-20)), vec![Code::ValidityReversed]),
        ("200 days in 2026", lasting(datetime!(2026-03-15 0:00 UTC), 200), vec![]),
        ("201 days in 2026", lasting(datetime!(2026-03-15 0:00 UTC), 201), over.clone()),
        ("398 days before", lasting(datetime!(2026-03-14 0:00 UTC), 398), vec![]),
        ("399 days before", lasting(datetime!(2026-03-14 0:00 UTC), 399), over.clone()),
        ("100 days in 2027", lasting(datetime!(2027-03-15 0:00 UTC), 100), vec![]),
        ("101 days in 2027", lasting(datetime!(2027-03-15 0:00 UTC), 101), over.clone()),
        ("47 days in 2029", lasting(datetime!(2029-03-15 0:00 UTC), 47), vec![]),
        ("48 days in 2029", lasting(datetime!(2029-03-15 0:00 UTC), 48), over),
        ("1000 days of a private CA", between(days(-10), days(990)), vec![]),
        ("1970", at(datetime!(1970-01-02 0:00 UTC)), vec![Code::ClockImplausible]),
        ("2150", at(datetime!(2150-01-02 0:00 UTC)), vec![Code::ClockImplausible]),
        ("2030", at(NOW), vec![]),
        ("another name", wanting(&["a.example.com"], "b.example.com"), vec![Code::NameMissing]),
        ("a wildcard's own domain", wanting(&["*.example.com"], "example.com"), vec![Code::NameMissing]),
        ("by wildcard", wanting(&["*.example.com"], "b.example.com"), vec![]),
        ("no alternative names", leaf(|params| params.subject_alt_names.clear()), vec![Code::NoNames]),
        (
            "the common name is elsewhere",
            leaf(|params| params.distinguished_name.push(DnType::CommonName, "old.example.com")),
            vec![Code::CnNotInSan],
        ),
        (
            "a common name for people",
            leaf(|params| params.distinguished_name.push(DnType::CommonName, "Web 1")),
            vec![],
        ),
        ("all of com", leaf(named(&["*.com"])), vec![Code::WildcardScope]),
        ("an address as name", leaf(named(&["192.0.2.1", "a.example.com"])), vec![Code::AddressAsDnsName]),
        ("two stars", leaf(named(&["w*.example.com", "a.example.com"])), vec![Code::UnusableName]),
        ("public for .lan", public_for(&["nas.lan", "a.example.com"]), vec![Code::InternalName]),
        ("private for .lan", leaf(named(&["nas.lan"])), vec![]),
        ("public for a public name", public_for(&["a.example.com"]), vec![]),
        (
            "101 names",
            leaf(|params| {
                let dns = |n: i32| rcgen::SanType::DnsName(format!("a{n}.example.com").try_into().unwrap());
                params.subject_alt_names.extend((0..100).map(dns));
            }),
            vec![Code::ManyNames],
        ),
        (
            "NUL in the common name",
            leaf(|params| params.distinguished_name.push(DnType::OrganizationName, "bank.example\0.evil.example")),
            vec![Code::ControlCharacters],
        ),
    ]
}

fn keys_and_uses() -> Vec<Case> {
    let used = |usages: &'static [KeyUsagePurpose]| leaf(|params| params.key_usages = usages.to_vec());
    let purposes = |list: &'static [ExtendedKeyUsagePurpose]| {
        move |params: &mut CertificateParams| params.extended_key_usages = list.to_vec()
    };
    let client = |list: &'static [ExtendedKeyUsagePurpose]| {
        let Family { middle, .. } = family();
        let one = middle.by(purposes(list));
        judged(&installed(&[&one.certificate, &middle.certificate]), |facts| facts.needs_client_auth = true)
    };
    let exchange = |usages: &'static [KeyUsagePurpose]| {
        let Family { middle, .. } = family();
        let one = middle.by_key(
            |params| params.key_usages = usages.to_vec(),
            KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap(),
        );
        let wire = Wire { rsa_key_exchange: true, ..Wire::default() };
        judged(&installed(&[&one.certificate, &middle.certificate]), |facts| {
            facts.served = showing(&one.certificate, &wire);
        })
    };
    let rsa = |words: &str| with_key_of(&openssl(words));
    // The last octet of the modulus stands before the exponent.
    let even = {
        let mut der = openssl("-newkey rsa:2048").der().to_vec();
        let at = der.windows(5).position(|window| window == [2, 3, 1, 0, 1]).unwrap();
        der[at - 1] &= 0xfe;
        Certificate::from_der(der).unwrap()
    };
    vec![
        ("RSA 1024", rsa("-newkey rsa:1024"), vec![Code::WeakKey]),
        ("RSA 2048", rsa("-newkey rsa:2048"), vec![]),
        ("RSA 2052", rsa("-newkey rsa:2052"), vec![Code::OddKey]),
        ("exponent 3", rsa("-newkey rsa:2048 -pkeyopt rsa_keygen_pubexp:3"), vec![Code::OddKey]),
        ("an even modulus", with_key_of(&even), vec![Code::BrokenKey]),
        ("RSA 8192 + 8", with_key_of_spki(&huge()), vec![Code::HugeKey]),
        ("P-521", leaf_with(&rcgen::PKCS_ECDSA_P521_SHA512), vec![Code::RareKey]),
        ("P-384", leaf_with(&rcgen::PKCS_ECDSA_P384_SHA384), vec![]),
        ("brainpool", rsa("-newkey ec -pkeyopt ec_paramgen_curve:brainpoolP384r1"), vec![Code::UnsupportedKey]),
        ("no serverAuth", leaf(purposes(&[ExtendedKeyUsagePurpose::ClientAuth])), vec![Code::NotForServers]),
        ("no clientAuth", client(&[ExtendedKeyUsagePurpose::ServerAuth]), vec![Code::NoClientAuth]),
        ("both", client(&[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]), vec![]),
        ("no purposes", client(&[]), vec![]),
        ("a CA as leaf", leaf(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), vec![Code::CaAsLeaf]),
        ("no signatures", used(&[KeyUsagePurpose::KeyEncipherment]), vec![Code::KeyUsage]),
        ("no usage", used(&[]), vec![]),
        ("RSA exchange", exchange(&[KeyUsagePurpose::DigitalSignature]), vec![Code::NoKeyEncipherment]),
        (
            "RSA exchange allowed",
            exchange(&[KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment]),
            vec![],
        ),
        (
            "stapling",
            leaf(|params| {
                params.custom_extensions.push(extension(&[1, 3, 6, 1, 5, 5, 7, 1, 24], &[0x30, 3, 2, 1, 5], false));
            }),
            vec![Code::MustStaple],
        ),
    ]
}

fn leaf_with(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<Code> {
    let Family { middle, .. } = family();
    let one = middle.by_key(|_| {}, KeyPair::generate_for(algorithm).unwrap());
    found(&[&one.certificate, &middle.certificate])
}

fn chains() -> Vec<Case> {
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
    let soon = over(&root, &middle.key, Duration::days(10));
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

fn encodings() -> Vec<Case> {
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
    ]
}

fn policies() -> CustomExtension {
    extension(&[2, 5, 29, 32], &[0x30, 6, 0x30, 4, 6, 2, 0x2a, 3], true)
}

fn service() -> Vec<Case> {
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
        ("not proved", shown(|leaf| vec![leaf_shown(leaf, false)]), vec![Code::KeyNotProved]),
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

#[test]
fn a_key_that_several_have_is_told_once() {
    let root = own(ca("Root"));
    let one = root.by(|_| {});
    let same_key = root.by_key(|_| {}, copy(&one.key));
    let other = root.by(|_| {});
    let told = |all: &[(&'static str, &Made)]| {
        shared_keys(all.iter().map(|(name, made)| (*name, &made.certificate)))
            .into_iter()
            .map(|(names, finding)| (names, finding.code))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&[("a", &one), ("b", &other)]), []);
    assert_eq!(told(&[("a", &one), ("b", &one)]), [], "one certificate in two places");
    let names = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(told(&[("a", &one), ("b", &same_key), ("c", &other)]), [(names, Code::SharedKey)]);
}
