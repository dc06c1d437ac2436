//! Keys and signatures.

use super::{Code, Facts, Finding};
use crate::cert::{Certificate, Chain, KeyKind, PublicNumbers, SelfSigned, Weakness};

/// Fewer bits of RSA are weak (Baseline Requirements section 6.1.5).
const LEAST: u32 = 2048;

/// More bits of RSA than any usual client checks.
const MOST: u32 = 8192;

/// More bits of a public exponent Go does not take, nor OpenSSL more than 64 with a modulus of more than 3072 bits. Baseline Requirements
/// section 6.1.6 allow 256.
const MOST_OF_EXPONENT: usize = 31;

pub(super) fn findings(chain: &Chain, facts: &Facts<'_>, vouched: bool, found: &mut Vec<Finding>) {
    let leaf = chain.leaf();
    key(leaf, facts, found);
    if vouched && leaf.signature_algorithm().is_broken() {
        let message = format!("it is signed with {}", leaf.signature_algorithm());
        found.push(Finding::new(Code::WeakSignature, message));
    }
    for one in chain.intermediates() {
        issuer(one, facts, found);
    }
}

fn key(leaf: &Certificate, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let kind = leaf.key_kind();
    if !facts.signatures.key_is_possible(leaf) {
        found.push(Finding::new(Code::InvalidKey, format!("its key is called one of {kind} and is none")));
        return;
    }
    match kind {
        KeyKind::Rsa(bits) => rsa(leaf, *bits, found),
        KeyKind::P256 | KeyKind::P384 => {}
        KeyKind::P521 | KeyKind::Ed25519 => {
            found.push(Finding::new(Code::RareKey, format!("its key is {kind}")));
        }
        KeyKind::MlDsa(_) | KeyKind::Other(_) => {
            found.push(Finding::new(Code::UnsupportedKey, format!("its key is {kind}")));
        }
    }
}

fn rsa(leaf: &Certificate, bits: u32, found: &mut Vec<Finding>) {
    let numbers = leaf.rsa();
    let broken = match numbers.as_ref().and_then(PublicNumbers::weakness) {
        Some(Weakness::SmallFactor(factor)) => Some(format!("the modulus of its key can be divided by {factor}")),
        Some(Weakness::ImpossibleExponent) => Some("the exponent of its key is none of RSA".to_owned()),
        Some(Weakness::Roca) => Some("its key was made by a smart card or TPM with CVE-2017-15361 (ROCA)".to_owned()),
        None => None,
    };
    if let Some(message) = broken {
        found.push(Finding::new(Code::BrokenKey, message));
        return;
    }
    if bits < LEAST {
        found.push(Finding::new(Code::WeakKey, format!("its RSA key has {bits} bits")));
    } else if bits > MOST {
        found.push(Finding::new(Code::HugeKey, format!("its RSA key has {bits} bits")));
    } else if !bits.is_multiple_of(8) {
        found.push(Finding::new(Code::OddKey, format!("its RSA key has {bits} bits, not a multiple of 8")));
    }
    let wide = numbers.as_ref().map_or(0, PublicNumbers::exponent_bits);
    if wide > MOST_OF_EXPONENT {
        found.push(Finding::new(Code::HugeKey, format!("the exponent of its RSA key has {wide} bits")));
    }
    if let Some(exponent) = numbers.and_then(|numbers| numbers.exponent()).filter(|exponent| *exponent < 65_537) {
        found.push(Finding::new(Code::OddKey, format!("the exponent of its RSA key is {exponent}")));
    }
}

/// What a CA in the chain brings with it. A root signs itself, and nobody looks at that signature.
fn issuer(one: &Certificate, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    if facts.signatures.self_signed(one) == SelfSigned::Yes {
        return;
    }
    if one.signature_algorithm().is_broken() {
        let message = format!("{} in the chain is signed with {}", one.title(), one.signature_algorithm());
        found.push(Finding::new(Code::WeakChain, message));
    }
    if !facts.signatures.key_is_possible(one) {
        let message =
            format!("the key of {} in the chain is called one of {} and is none", one.title(), one.key_kind());
        found.push(Finding::new(Code::WeakChain, message));
    }
    if let KeyKind::Rsa(bits) = one.key_kind()
        && *bits < LEAST
    {
        found.push(Finding::new(
            Code::WeakChain,
            format!("the RSA key of {} in the chain has {bits} bits", one.title()),
        ));
    }
}
