use proptest::prelude::*;

use super::*;

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 3, 1, length[0], length[1]], body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, length[1], length[2], length[3]], body].concat()
}

fn server_hello(minor: u8, suite: u16) -> Vec<u8> {
    let body = [&[3, minor][..], &[7; 32], &[0], &suite.to_be_bytes(), &[0]].concat();
    message(2, &body)
}

fn three(length: usize) -> [u8; 3] {
    let [.., a, b, c] = length.to_be_bytes();
    [a, b, c]
}

fn certificate(chain: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = chain.iter().flat_map(|one| [&three(one.len())[..], one].concat()).collect();
    message(11, &[&three(list.len())[..], &list].concat())
}

fn hear(bytes: &[u8]) -> Result<Option<Read>, Fault> {
    Reader::default().hear(bytes)
}

fn flight() -> Vec<u8> {
    record(0x16, &messages())
}

fn messages() -> Vec<u8> {
    [server_hello(1, 0x002f), certificate(&[b"leaf", b"issuer"]), message(13, b"x"), message(14, b"")].concat()
}

#[test]
fn the_flight_of_an_old_server_is_read_however_it_is_cut() {
    let expected = Read {
        version: Version::Tls10,
        suite: "TLS_RSA_WITH_AES_128_CBC_SHA",
        chain: vec![b"leaf".to_vec(), b"issuer".to_vec()],
    };
    assert_eq!(hear(&flight()), Ok(Some(expected.clone())));
    // Each message in records of one byte, with warnings between.
    let mut reader = Reader::default();
    let mut read = None;
    for (at, byte) in messages().iter().enumerate() {
        if at % 40 == 0 {
            assert_eq!(reader.hear(&record(0x15, &[1, 112])), Ok(None));
        }
        for piece in record(0x16, &[*byte]) {
            read = reader.hear(&[piece]).unwrap();
        }
    }
    assert_eq!(read, Some(expected));
    let whole = flight();
    for cut in 0..whole.len() {
        assert_eq!(hear(&whole[..cut]), Ok(None), "{cut}");
    }
}

#[test]
fn every_bound_and_every_breach_has_its_word() {
    let flood = |count: usize, one: Vec<u8>| vec![one; count].concat();
    let hello = |rest: &[u8]| record(0x16, &[server_hello(3, 0xc014), rest.to_vec()].concat());
    let alert = |number: u8| Fault::Alert { number, ssl3: false, midway: false };
    let many: Vec<&[u8]> = vec![b"x"; 101];
    let cases: Vec<(&str, Vec<u8>, Fault)> = vec![
        ("alert", record(0x15, &[2, 40]), alert(40)),
        ("ssl3 alert", vec![0x15, 3, 0, 0, 2, 2, 40], Fault::Alert { number: 40, ssl3: true, midway: false }),
        ("close", record(0x15, &[1, 0]), alert(0)),
        (
            "alert after the certificate",
            [hello(&certificate(&[b"x"])), record(0x15, &[2, 80])].concat(),
            Fault::Alert { number: 80, ssl3: false, midway: true },
        ),
        (
            "no exchange",
            hello(&[certificate(&[b"x"]), message(22, b"x"), message(14, b"")].concat()),
            Fault::Malformed("no ServerKeyExchange message"),
        ),
        ("certificates twice", hello(&certificate(&[b"x"]).repeat(2)), Fault::Malformed("a message out of its turn")),
        (
            "exchange twice",
            hello(&[certificate(&[b"x"]), message(12, b"x").repeat(2)].concat()),
            Fault::Malformed("a message out of its turn"),
        ),
        ("warnings", flood(5, record(0x15, &[1, 112])), Fault::Malformed("a flood of warning alerts")),
        ("hello requests", record(0x16, &flood(5, message(0, b""))), Fault::Malformed("a flood of hello requests")),
        ("long record", vec![0x16, 3, 1, 0x48, 0x01], Fault::Oversized("a record of more than 18 KB")),
        ("long message", record(0x16, &[2, 1, 0, 1]), Fault::Oversized("a message of more than 64 KB")),
        ("many", hello(&certificate(&many)), Fault::Oversized("more than 100 certificates")),
        ("ssl3", record(0x16, &server_hello(0, 0x002f)), Fault::TooOld("SSL 3.0")),
        ("tls 1.3", record(0x16, &server_hello(4, 0x1301)), Fault::Malformed("a version that was not offered")),
        ("suite", record(0x16, &server_hello(3, 0x1301)), Fault::Malformed("a cipher suite that was not offered")),
        ("version", vec![0x16, 2, 0, 0, 1, 0], Fault::Malformed("a record of no version of TLS")),
        ("empty", vec![0x16, 3, 1, 0, 0], Fault::Malformed("an empty record")),
        ("early", record(0x17, b"x"), Fault::Malformed("a record that has no place in the server's hello")),
        ("two alerts", record(0x15, &[2, 40, 2, 40]), Fault::Malformed("an alert that is none")),
        ("no hello", record(0x16, &certificate(&[b"x"])), Fault::Malformed("a message out of its turn")),
        ("twice", hello(&server_hello(3, 0xc014)), Fault::Malformed("a message out of its turn")),
        ("anonymous", hello(&message(12, b"x")), Fault::Malformed("no Certificate message")),
        ("none", hello(&certificate(&[])), Fault::Malformed("a Certificate message without a certificate")),
        ("nothing", hello(&certificate(&[b""])), Fault::Malformed("a Certificate message whose lengths do not fit")),
        (
            "behind",
            hello(&message(11, &[0, 0, 0, 1])),
            Fault::Malformed("a Certificate message whose lengths do not fit"),
        ),
        ("cut", record(0x16, &message(2, &[3, 3])), Fault::Malformed("a ServerHello that is cut off")),
    ];
    for (case, bytes, expected) in cases {
        assert_eq!(hear(&bytes), Err(expected), "{case}");
    }
    let hundred: Vec<&[u8]> = vec![b"x"; 100];
    let whole = hello(&[certificate(&hundred), message(12, b"x"), message(14, b"")].concat());
    assert_eq!(hear(&whole).unwrap().unwrap().chain.len(), 100);
}

#[test]
fn hellos_are_of_a_length_that_old_balancers_bear() {
    for offer in [Offer::Tls12, Offer::Tls11, Offer::Tls10] {
        for name in [None, Some("a"), Some("www.example.org"), Some(&*"a".repeat(63)), Some(&*"a.".repeat(126))] {
            let bytes = hello(offer, name, &[9; 32]);
            let length = bytes.len() - 5;
            assert!(!(256..512).contains(&length), "{offer:?} {name:?}: {length}");
            assert_eq!(usize::from(bytes[3]) << 8 | usize::from(bytes[4]), length);
            assert_eq!(bytes[..3], [0x16, 3, 1]);
            assert!(bytes.windows(32).any(|window| window == [9; 32]));
            if let Some(name) = name {
                assert!(bytes.windows(name.len()).any(|window| window == name.as_bytes()));
            }
        }
    }
}

#[test]
fn suites_are_told_apart() {
    let all: Vec<u16> = suites::offered(Offer::Tls12).collect();
    let mut once = all.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), all.len());
    assert!(suites::offered(Offer::Tls10).all(|suite| !suites::name(suite).unwrap().contains("GCM")));
    assert!(suites::offered(Offer::Tls10).all(|suite| !suites::name(suite).unwrap().ends_with("SHA256")));
}

proptest! {
    #[test]
    fn noise_is_no_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6)) {
        let mut reader = Reader::default();
        for piece in &pieces {
            if reader.hear(piece).is_err() {
                break;
            }
        }
    }

    #[test]
    fn a_flipped_flight_is_no_panic(at in 0..100_usize, to in any::<u8>()) {
        let mut bytes = flight();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = to;
        }
        let _ = hear(&bytes);
    }
}
