//! Certificates with whatever is wrong, and what is found in them.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::assess::*;
use crate::cert::fixture::NOW;
use crate::cert::installed::KeyFound;
use crate::cert::{Anchors, Profile};
use crate::change::{Attributes, Role, Shown};

/// Made by hand, with whatever is wrong.
pub(super) struct Made {
    pub(super) certificate: Certificate,
    pub(super) params: CertificateParams,
    pub(super) key: KeyPair,
}

impl Made {
    pub(super) fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    pub(super) fn by(&self, wish: impl FnOnce(&mut CertificateParams)) -> Self {
        self.by_key(wish, KeyPair::generate().unwrap())
    }

    pub(super) fn by_key(&self, wish: impl FnOnce(&mut CertificateParams), key: KeyPair) -> Self {
        let mut params = ordinary();
        wish(&mut params);
        let made = params.signed_by(&key, &self.issuer()).unwrap();
        Self { certificate: Certificate::from_der(made.der().to_vec()).unwrap(), params, key }
    }
}

/// What a good leaf has.
pub(super) fn ordinary() -> CertificateParams {
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
pub(super) fn ca(name: &str) -> impl FnOnce(&mut CertificateParams) {
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

pub(super) fn own(wish: impl FnOnce(&mut CertificateParams)) -> Made {
    own_with(wish, KeyPair::generate().unwrap())
}

pub(super) fn own_with(wish: impl FnOnce(&mut CertificateParams), key: KeyPair) -> Made {
    let mut params = ordinary();
    wish(&mut params);
    let made = params.self_signed(&key).unwrap();
    Made { certificate: Certificate::from_der(made.der().to_vec()).unwrap(), params, key }
}

/// The same key once more.
pub(super) fn copy(key: &KeyPair) -> KeyPair {
    KeyPair::try_from(key.serialize_der()).unwrap()
}

/// A policy that only public CAs write: 2.23.140.1.2.1.
pub(super) fn public(params: &mut CertificateParams) {
    let policies = [0x30, 0x0a, 0x30, 0x08, 0x06, 0x06, 0x67, 0x81, 0x0c, 0x01, 0x02, 0x01];
    params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 32], policies.to_vec()));
}

pub(super) struct Family {
    pub(super) root: Made,
    pub(super) middle: Made,
}

pub(super) fn family() -> Family {
    let root = own(ca("Root"));
    let middle = root.by(ca("Middle"));
    Family { root, middle }
}

pub(super) fn installed(certificates: &[&Certificate]) -> Installed {
    Installed {
        chain: Chain::as_given(certificates.iter().map(|one| (*one).clone()).collect()),
        key: KeyFound::Matches,
        problems: Vec::new(),
        unsupported: Vec::new(),
        stores: Vec::new(),
        stops: Vec::new(),
        leaf_place: 0,
        encrypted: Vec::new(),
    }
}

pub(super) fn judged(installed: &Installed, more: impl FnOnce(&mut Facts<'_>)) -> Vec<Code> {
    let signatures = Signatures::default();
    let mut facts = Facts::new(installed, &|lifetime: Duration| lifetime / 3_i32, &signatures, NOW);
    facts.whole_chain = true;
    more(&mut facts);
    findings(&facts).iter().map(|one| one.code).collect()
}

/// What is found in a chain, and nothing else is known.
pub(super) fn found(certificates: &[&Certificate]) -> Vec<Code> {
    judged(&installed(certificates), |_| {})
}

/// What is found in a leaf with one thing wrong, below a good intermediate.
pub(super) fn leaf(wish: impl FnOnce(&mut CertificateParams)) -> Vec<Code> {
    let Family { middle, .. } = family();
    found(&[&middle.by(wish).certificate, &middle.certificate])
}

/// The same where the bytes are changed after signing: nobody but a path to a root looks at that signature.
pub(super) fn patched(wish: impl FnOnce(&mut CertificateParams), from: &[u8], to: &[u8]) -> Vec<Code> {
    let Family { middle, .. } = family();
    let der = middle.by(wish).certificate.der().to_vec();
    let at = der.windows(from.len()).position(|window| window == from).unwrap();
    let der = [&der[..at], to, &der[at + from.len()..]].concat();
    found(&[&Certificate::from_der(der).unwrap()])
}

pub(super) fn stored(change: impl FnOnce(&mut Stored)) -> Vec<Code> {
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

pub(super) fn mode(mode: u32) -> impl FnOnce(&mut Stored) {
    move |file| file.attributes.as_mut().unwrap().mode = mode
}

/// A good chain, and a handshake that told this.
pub(super) fn wired(wire: &Wire) -> Vec<Code> {
    let Family { middle, .. } = family();
    let leaf = middle.by(|_| {}).certificate;
    judged(&installed(&[&leaf, &middle.certificate]), |facts| facts.served = showing(&leaf, wire))
}

/// A handshake that showed this leaf and told this.
pub(super) fn showing(leaf: &Certificate, wire: &Wire) -> &'static [Look] {
    let shown = Shown::Leaf { fingerprint: leaf.fingerprint(), proved: !wire.key_refuted };
    // The borrow is shorter than the facts could be.
    Box::leak(Box::new([Look { at: "192.0.2.1:443".to_owned(), shown, unseen: None, wire: wire.clone() }]))
}

pub(super) fn shown(make: impl FnOnce(Digest) -> Vec<Shown>) -> Vec<Code> {
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

pub(super) fn trusted_by(certificates: &[&Certificate], roots: &[&[&Certificate]]) -> Vec<Code> {
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

pub(super) fn extension(oid: &[u64], content: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(critical);
    extension
}

/// An RSA certificate of OpenSSL's, for keys that nobody else makes.
pub(super) fn openssl(words: &str) -> Certificate {
    let line = format!("req -x509 -nodes -subj /CN=www.example.com -keyout /dev/null -outform DER {words}");
    let output = std::process::Command::new("openssl").args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {line}");
    Certificate::from_der(output.stdout).unwrap()
}

/// A certificate of this issuer with another's key: the signature is false, which only a path to a root shows.
pub(super) fn with_key_of(other: &Certificate) -> Vec<Code> {
    with_key_of_spki(other.spki())
}

/// The SubjectPublicKeyInfo of an RSA key with 8200 bits: 2^8199 + 1, which no small prime divides but those left out here.
pub(super) fn huge() -> Vec<u8> {
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

pub(super) fn with_key_of_spki(new: &[u8]) -> Vec<Code> {
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
