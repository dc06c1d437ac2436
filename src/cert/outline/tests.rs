use std::cell::Cell;

use x509_parser::asn1_rs::oid;

use super::{Content, Outline, odd, ordinary};
use crate::cert::codec::tlv::{BITS, Element, INTEGER, OCTETS, SEQUENCE, ZERO};
use crate::cert::fixture::{NOW, Wish, self_signed, with_extensions};
use crate::cert::{Certificate, CertificateError, Generate, PrivateKey};

thread_local! {
    /// How many were sound.
    static SOUND: Cell<usize> = const { Cell::new(0) };
}

/// What is read by one is what is read by the other; whether the first read it.
fn agree(der: &[u8]) -> bool {
    let Some(read) = ordinary::read(der) else { return false };
    match odd::read(der) {
        Ok(other) => assert_eq!(read, Outline { sound: read.sound, ..other }, "{der:02x?}"),
        Err(error) => panic!("{error}: {der:02x?}"),
    }
    let one = Certificate::from_der(der).unwrap();
    if one.is_sound() {
        let against = (one.refusal_at_length(), one.loose_at_length(), one.doubt_at_length());
        assert_eq!(against, (None, Vec::new(), None), "{der:02x?}");
        SOUND.set(SOUND.get() + 1);
    }
    true
}

/// Certificates of a root, an intermediate and servers, with all kinds of keys and some of names.
fn usual() -> Vec<Certificate> {
    let root = self_signed(&Wish::ca("Root"));
    let middle = root.issue(&Wish::ca("Intermediate"));
    let names = ["www.example.com", "*.example.com", "192.0.2.1", "2001:db8::1"];
    let wish = Wish::server("www.example.com").named(&names);
    let late = Wish { valid: (NOW, time::macros::datetime!(2061-02-03 4:05:06 UTC)), ..Wish::server("late") };
    let mut all = vec![root.certificate.clone(), middle.certificate.clone(), middle.issue(&late).certificate];
    for kind in [Generate::P256, Generate::P384, Generate::P521, Generate::Ed25519, Generate::Rsa2048] {
        all.push(middle.issue_for(&wish, PrivateKey::generate(kind).unwrap()).certificate);
    }
    all
}

#[test]
fn what_is_usual_needs_no_other_reader() {
    for one in usual() {
        assert!(agree(one.der()) && one.is_sound(), "{one:?}");
    }
}

#[test]
fn an_octet_changed_makes_no_difference_between_them() {
    let mut taken = 0;
    for one in usual() {
        for at in 0..one.der().len() {
            let mut der = one.der().to_vec();
            let was = der[at];
            let flipped = (0..8).map(|bit| was ^ (1 << bit));
            for other in flipped.chain([0, 0x7f, 0xff, was.wrapping_add(1), was.wrapping_sub(1)]) {
                der[at] = other;
                taken += usize::from(agree(&der));
            }
            for cut in [&one.der()[..at], &one.der()[at..]] {
                assert!(!agree(cut) || at == 0);
            }
        }
    }
    assert!(taken > 10_000 && SOUND.get() > 5_000, "{taken} {}", SOUND.get());
}

/// Values that are right for one extension or another, and some that are for none.
fn values() -> Vec<Vec<u8>> {
    let wrap = |tag: u8, content: &[u8]| Element::wrap(tag, content);
    let purpose = |last: u8| vec![0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, last];
    let any_purpose = vec![0x06, 4, 0x55, 0x1d, 0x25, 0];
    let mut inside: Vec<Vec<u8>> = vec![
        Vec::new(),
        wrap(0x80, b"key"),
        wrap(0x80, b""),
        [wrap(0x80, b"key"), wrap(0x82, b"\x01")].concat(),
        [wrap(0x80, b"key"), wrap(0xa1, &wrap(0x82, b"x")), wrap(0x82, b"\x01")].concat(),
        vec![1, 1, 0xff],
        vec![1, 1, 0],
        vec![1, 1, 1],
        vec![INTEGER, 1, 3],
        vec![1, 1, 0xff, INTEGER, 1, 0],
        vec![1, 1, 0xff, INTEGER, 1, 0x80],
        vec![1, 1, 0xff, INTEGER, 2, 0, 0x80],
        vec![1, 1, 0xff, INTEGER, 1, 1, 5, 0],
        purpose(1),
        [purpose(2), purpose(1)].concat(),
        [purpose(1), purpose(1), any_purpose].concat(),
        vec![0x06, 0],
        vec![0x06, 2, 0x55, 0x9d],
        [purpose(9), vec![5, 0]].concat(),
    ];
    for (tag, contents) in [
        (0x81, [b"a@example.com".as_slice(), b"\xc3\xa9@x", b"\xff"]),
        (0x82, [b"www.example.com", b"b\xc3\xbccher.example", b"\xff\xfe"]),
        (0x86, [b"https://example.com/", b"", b"\x80"]),
        (0x87, [b"\x7f\0\0\x01", b"\x7f\0\0\x01\0", b""]),
        (0x88, [b"\x2a\x03", b"", b"\x80"]),
        (0xa4, [b"\x30\0", b"\x30\x01", b""]),
        (0xa0, [b"\x06\x01\x2a\xa0\x02\x0c\0", b"\x05\0", b""]),
        (0x89, [b"x", b"", b"\xff"]),
        (0xa2, [b"x", b"", b"\xff"]),
    ] {
        inside.extend(contents.map(|content| wrap(tag, content)));
        inside.extend(contents.map(|content| [wrap(0x82, b"first.example"), wrap(tag, content)].concat()));
    }
    let mut all: Vec<Vec<u8>> = inside.iter().map(|inside| wrap(SEQUENCE, inside)).collect();
    for octets in [
        &[5, 0xa0][..],
        &[5, 0xb0],
        &[6, 0xff, 0xe0],
        &[5, 0],
        &[0, 0xff, 0x80],
        &[7, 0xff, 0x80],
        &[8, 1],
        &[0],
        &[1],
        &[0, 1, 2, 3],
        &[],
    ] {
        all.push(wrap(BITS, octets));
    }
    all.extend([wrap(OCTETS, b"identifier"), wrap(OCTETS, b""), wrap(ZERO, b""), Vec::new(), vec![0x30, 0x80, 0, 0]]);
    let longer: Vec<Vec<u8>> = all.iter().map(|value| [value.as_slice(), b"\x05\0"].concat()).collect();
    // Lengths in more octets than DER has.
    let wider = |value: &Vec<u8>| match value.as_slice() {
        [tag, length @ ..0x80, content @ ..] => [&[*tag, 0x81, *length], content].concat(),
        value => value.to_vec(),
    };
    let wider: Vec<Vec<u8>> = all.iter().map(wider).collect();
    [all, longer, wider].concat()
}

#[test]
fn an_extension_with_anything_in_it_makes_no_difference_between_them() {
    let one = usual().pop().unwrap();
    let identifiers: [&[u8]; 13] = [
        &oid!(raw 2.5.29.14),
        &oid!(raw 2.5.29.15),
        &oid!(raw 2.5.29.17),
        &oid!(raw 2.5.29.19),
        &oid!(raw 2.5.29.30),
        &oid!(raw 2.5.29.31),
        &oid!(raw 2.5.29.32),
        &oid!(raw 2.5.29.35),
        &oid!(raw 2.5.29.36),
        &oid!(raw 2.5.29.37),
        &oid!(raw 1.3.6.1.5.5.7.1.1),
        &oid!(raw 1.3.6.1.4.1.11129.2.4.2),
        &oid!(raw 1.2.3.4),
    ];
    let (mut taken, mut unreadable) = (0, 0);
    for identifier in identifiers {
        for value in values() {
            for critical in [&[][..], &[1, 1, 0xff], &[1, 1, 0], &[1, 1, 1], &[1, 2, 0xff, 0xff]] {
                let parts = [&Element::wrap(0x06, identifier), critical, &Element::wrap(OCTETS, &value)].concat();
                let extension = Element::wrap(SEQUENCE, &parts);
                agree(&with_extensions(&one, std::slice::from_ref(&extension)));
                let der = with_extensions(&one, &[extension.clone(), extension]);
                taken += usize::from(agree(&der));
                if let Some(read) = ordinary::read(&der) {
                    assert_eq!(read.extensions.len(), 2);
                    unreadable += usize::from(read.extensions[0].content == Content::Unreadable);
                }
            }
        }
    }
    assert!(taken > 1000 && unreadable > 100 && SOUND.get() > 100, "{taken} {unreadable} {}", SOUND.get());
    assert!(agree(&with_extensions(&one, &[])), "a list of none");
}

#[test]
fn a_date_that_is_none_is_taken_by_nobody() {
    let one = usual().remove(0);
    let at = one.der().windows(2).position(|two| two == [0x17, 13]).unwrap() + 2;
    let mut taken = 0;
    for text in [
        "491231235959Z",
        "500101000000Z",
        "000229120000Z",
        "010229120000Z",
        "301301000000Z",
        "300001000000Z",
        "300100000000Z",
        "300101240000Z",
        "300101006000Z",
        "300101000060Z",
        "3001010000000",
        "30010100000 Z",
        "+00101000000Z",
        "3O0101000000Z",
    ] {
        let mut der = one.der().to_vec();
        der[at..at + 13].copy_from_slice(text.as_bytes());
        taken += usize::from(agree(&der));
    }
    assert_eq!(taken, 3);
}

#[test]
fn what_follows_a_certificate_is_counted() {
    let one = usual().remove(0);
    let der = [one.der(), b"more"].concat();
    assert_eq!(Outline::read(&der).err(), Some(CertificateError::Trailing(4)));
    assert!(matches!(Outline::read(&der[..9]), Err(CertificateError::Unreadable(_))));
}
