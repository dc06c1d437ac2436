//! Keys, and what they may be used for.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

use super::Case;
use super::bench::*;
use crate::assess::*;
use crate::cert::{Generate, PrivateKey};

pub(super) fn cases() -> Vec<Case> {
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
    let beside = {
        let mut spki = PrivateKey::generate(Generate::P256).unwrap().spki().to_vec();
        *spki.last_mut().unwrap() ^= 1;
        spki
    };
    vec![
        ("a point beside its curve", with_key_of_spki(&beside), vec![Code::InvalidKey]),
        ("RSA 1024", rsa("-newkey rsa:1024"), vec![Code::WeakKey]),
        ("RSA 2048", rsa("-newkey rsa:2048"), vec![]),
        ("RSA 2052", rsa("-newkey rsa:2052"), vec![Code::OddKey]),
        ("exponent of 33 bits", rsa("-newkey rsa:2048 -pkeyopt rsa_keygen_pubexp:8589934609"), vec![Code::HugeKey]),
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
