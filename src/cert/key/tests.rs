use super::*;
use crate::cert::codec::tlv::{Element, SEQUENCE};
use crate::cert::fixture::{Wish, self_signed};

/// What `openssl` writes when it is asked to with these words.
pub(in crate::cert) fn openssl(words: &str, input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new("openssl")
        .args(words.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {words}");
    output.stdout
}

fn pkcs8(generate: &str) -> Vec<u8> {
    openssl("pkcs8 -topk8 -nocrypt -outform DER", &openssl(generate, b""))
}

#[test]
fn every_form_of_a_key_is_the_same_key() {
    for (kind, generate, traditional) in [
        (KeyKind::Rsa(2048), "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "rsa"),
        (KeyKind::P256, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "ec"),
        (KeyKind::P384, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", "ec"),
        (KeyKind::P521, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521", "ec"),
        (KeyKind::Other("secp256k1".to_owned()), "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "ec"),
        (KeyKind::Ed25519, "genpkey -algorithm ED25519", ""),
    ] {
        let der = pkcs8(generate);
        let key = PrivateKey::from_der(&der).ok().unwrap();
        assert_eq!(*key.kind(), kind);
        assert_eq!(key.spki(), openssl("pkey -inform DER -pubout -outform DER", &der), "{kind}");
        let again = PrivateKey::from_der(key.pkcs8_der().expose()).ok().unwrap();
        assert!(again.pkcs8_der() == key.pkcs8_der(), "{kind}: written as it was read");
        assert_eq!(openssl("pkey -pubout -outform DER", key.to_pem().expose()), key.spki(), "{kind}");
        if !traditional.is_empty() {
            let old = openssl("pkey -inform DER -traditional -outform DER", &der);
            assert_ne!(old, der);
            assert_eq!(PrivateKey::from_der(&old).ok().unwrap().spki(), key.spki(), "{kind}");
        }
    }
}

/// PKCS#8 of version 2 with this public half, and this between the two.
fn second(pkcs8: &[u8], spki: &[u8], between: &[u8]) -> Vec<u8> {
    let parts: Vec<Element<'_>> = Element::filling(pkcs8).unwrap().inside().collect();
    let bits = Element::filling(spki).unwrap().inside().nth(1).unwrap();
    let half = Element::wrap(0x81, bits.content);
    Element::wrap(SEQUENCE, &[b"\x02\x01\x01", parts[1].whole, parts[2].whole, between, &half].concat())
}

#[test]
fn a_key_of_version_2_is_read_with_its_own_public_half_and_written_in_version_1() {
    for kind in [Generate::Rsa2048, Generate::P256, Generate::P384, Generate::P521] {
        let (key, other) = (PrivateKey::generate(kind).unwrap(), PrivateKey::generate(kind).unwrap());
        let plain = key.pkcs8_der().expose();
        let name = b"\xa0\x12\x30\x10\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x14\x31\x03\x1e\x01x";
        for between in [&[][..], name] {
            let read = PrivateKey::from_der(&second(plain, key.spki(), between)).unwrap();
            assert!(read.pkcs8_der() == key.pkcs8_der(), "{kind}");
            assert_eq!(read.spki(), key.spki(), "{kind}");
        }
        let why = PrivateKey::from_der(&second(plain, other.spki(), &[])).err().unwrap().to_string();
        assert!(why.ends_with("is refused: its parts contradict each other"), "{kind}: {why}");
        let mut more = second(plain, key.spki(), &[]);
        more = Element::wrap(SEQUENCE, &[Element::filling(&more).unwrap().content, &[5, 0]].concat());
        assert!(PrivateKey::from_der(&more).is_err(), "{kind}");
    }
}

#[test]
fn a_dsa_key_is_not_called_another() {
    let pem = openssl("dsaparam -genkey -noout 1024", b"");
    for form in ["dsa -outform DER", "pkey -outform DER", "pkcs8 -topk8 -nocrypt -outform DER"] {
        let error = PrivateKey::from_der(&openssl(form, &pem)).err().unwrap();
        assert_eq!(error.to_string(), "the private key is of an unsupported kind: DSA", "{form}");
    }
}

#[test]
fn other_kinds_are_named() {
    for (generate, what) in [
        ("genpkey -algorithm ED448", "the private key is of an unsupported kind: Ed448"),
        ("genpkey -algorithm X25519", "the private key is of an unsupported kind: X25519"),
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1",
            "the private key is of an unsupported kind: brainpoolP256r1",
        ),
        (
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024",
            "the RSA private key is refused: it has less than 2048 bits",
        ),
    ] {
        let pem = openssl(generate, b"");
        let error = PrivateKey::from_der(&openssl("pkcs8 -topk8 -nocrypt -outform DER", &pem)).err().unwrap();
        assert_eq!(error.to_string(), what);
        let error = PrivateKey::from_der(&openssl("pkey -outform DER", &pem)).err().unwrap();
        assert_eq!(error.to_string(), what, "the form OpenSSL prefers for it");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let certificate = self_signed(&Wish::ca("x")).certificate;
    for bytes in [b"".as_slice(), b"0", b"\x30\x00", b"\x30\x03\x02\x01\x00", certificate.der()] {
        assert_eq!(PrivateKey::from_der(bytes).err(), Some(KeyError::Unreadable));
    }
}

#[test]
fn a_damaged_key_is_no_other_key() {
    let key = PrivateKey::generate(Generate::P256).unwrap();
    let der = key.pkcs8_der().expose();
    for place in 0..der.len() {
        let mut damaged = der.to_vec();
        damaged[place] ^= 1;
        if let Ok(other) = PrivateKey::from_der(&damaged) {
            assert_eq!(other.spki(), key.spki(), "byte {place}");
        }
        assert!(PrivateKey::from_der(&der[..place]).is_err());
    }
}

#[test]
fn a_key_matches_its_certificate_alone() {
    let (one, other) = (self_signed(&Wish::ca("one")), self_signed(&Wish::ca("one")));
    assert!(one.key.matches(&one.certificate));
    assert!(!one.key.matches(&other.certificate));
}

#[test]
fn keys_are_made_as_asked() {
    for (word, kind) in [
        ("p256", KeyKind::P256),
        ("p384", KeyKind::P384),
        ("p521", KeyKind::P521),
        ("ed25519", KeyKind::Ed25519),
        ("rsa2048", KeyKind::Rsa(2048)),
    ] {
        let made = PrivateKey::generate(word.parse().unwrap()).unwrap();
        assert_eq!(*made.kind(), kind);
    }
    for kind in Generate::USUAL.iter().chain(Generate::EXPERIMENTAL) {
        assert_eq!(kind.to_string().parse(), Ok(*kind));
    }
    assert!("P256".parse::<Generate>().is_err());
}
