use std::sync::Arc;

use proptest::prelude::*;
use rustls::{ServerConfig, ServerConnection};

use super::super::Version;
use super::super::tests::{One, Pair, server_config};
use super::*;

fn address() -> SocketAddr {
    "192.0.2.1:443".parse().unwrap()
}

fn wanted() -> Wanted {
    let name = ServerName::try_from("localhost").unwrap();
    Wanted { name: Some(name), start: Start::Tls, family: None, early: false }
}

fn pair() -> Pair {
    Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256)
}

fn server(pair: &Pair, version: &'static rustls::SupportedProtocolVersion) -> Arc<ServerConfig> {
    Arc::new(server_config(&[version], Arc::new(One(pair.certified()))))
}

/// A handshake in memory. `deliver` gets what the server sends and tells what arrives; `None`: it hangs up.
fn talk(
    server: &Arc<ServerConfig>,
    wanted: Wanted,
    manner: Manner,
    mut deliver: impl FnMut(&[u8]) -> Option<Vec<Vec<u8>>>,
) -> Result<Served, ProbeError> {
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let mut client = Conversation::new(wanted, manner, address(), None).unwrap();
    for _ in 0..20 {
        let sent = std::mem::take(client.out());
        let mut sent = sent.as_slice();
        while !sent.is_empty() {
            server.read_tls(&mut sent).unwrap();
            let _ = server.process_new_packets();
        }
        let mut answer = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut answer).unwrap();
        }
        let Some(pieces) = deliver(&answer) else { return client.hung_up() };
        for piece in pieces {
            if let Some(end) = client.hear(&piece) {
                return end;
            }
        }
        if answer.is_empty() {
            return client.hung_up();
        }
    }
    panic!("the handshake does not end");
}

const MANNERS: [Manner; 3] = [Manner::PostQuantum, Manner::Classic, Manner::Raw(Offer::Tls12)];

#[test]
fn whole_or_byte_by_byte_it_is_the_same() {
    let pair = pair();
    for version in rustls::ALL_VERSIONS {
        let server = server(&pair, version);
        for manner in MANNERS {
            let old = manner == Manner::Raw(Offer::Tls12);
            if old && version.version == rustls::ProtocolVersion::TLSv1_3 {
                continue;
            }
            let whole = talk(&server, wanted(), manner, |sent| Some(vec![sent.to_vec()])).unwrap();
            let bytes = talk(&server, wanted(), manner, |sent| Some(sent.iter().map(|byte| vec![*byte]).collect()));
            assert_eq!(whole, bytes.unwrap(), "{manner:?}");
            assert_eq!(whole.chain, [pair.leaf()]);
            assert_eq!((whole.proved, whole.raw), (!old, old));
            let new = version.version == rustls::ProtocolVersion::TLSv1_3;
            assert_eq!(whole.version, if new { Version::Tls13 } else { Version::Tls12 });
            let expected = match (new, manner) {
                (true, Manner::PostQuantum) => {
                    assert_eq!(whole.group, Some("X25519MLKEM768"));
                    PostQuantum::Negotiated
                }
                (true | false, _) => PostQuantum::NotNegotiated,
            };
            assert_eq!(whole.post_quantum, expected);
            let suite = whole.suite.unwrap();
            assert!(suite.starts_with(if new { "TLS_AES_" } else { "TLS_ECDHE_ECDSA_WITH_AES_" }), "{suite}");
            assert_eq!(whole.client_certificate, if old { None } else { Some(false) });
        }
    }
}

#[test]
fn cut_at_every_byte_it_ends_as_a_reset_or_whole() {
    let pair = pair();
    for version in rustls::ALL_VERSIONS {
        let server = server(&pair, version);
        for manner in MANNERS {
            if manner == Manner::Raw(Offer::Tls12) && version.version == rustls::ProtocolVersion::TLSv1_3 {
                continue;
            }
            let mut whole = None;
            for cut in 0..6000 {
                let mut passed = 0;
                let outcome = talk(&server, wanted(), manner, |sent| {
                    let room = sent.len().min(cut - passed);
                    passed += room;
                    (room > 0).then(|| vec![sent[..room].to_vec()])
                });
                match outcome {
                    Ok(served) => {
                        assert_eq!(served.chain, [pair.leaf()], "{cut}");
                        whole = Some(cut);
                        break;
                    }
                    Err(error) => assert!(matches!(error, ProbeError::Reset { .. }), "{cut}: {error:?}"),
                }
            }
            assert!(whole.is_some_and(|cut| cut > pair.leaf().len()), "{whole:?}");
        }
    }
}

#[test]
fn with_any_bit_flipped_nothing_false_is_proved() {
    let pair = pair();
    for version in rustls::ALL_VERSIONS {
        let server = server(&pair, version);
        let (mut position, mut last, mut failed) = (0_usize, false, 0);
        while !last {
            let mut passed = 0;
            let outcome = talk(&server, wanted(), Manner::Classic, |sent| {
                let mut sent = sent.to_vec();
                if let Some(byte) = position.checked_sub(passed).and_then(|at| sent.get_mut(at)) {
                    *byte ^= 1 << (position % 8);
                }
                passed += sent.len();
                Some(vec![sent])
            });
            match outcome {
                Ok(served) => assert!(!served.proved || served.chain == [pair.leaf()], "{position}"),
                Err(_) => failed += 1,
            }
            last = position >= passed;
            position += 1;
        }
        assert!(failed > position / 2, "{failed} of {position}");
    }
}

#[test]
fn a_server_cannot_prove_anything_to_the_reader_or_to_who_stops_early() {
    let pair = pair();
    for version in rustls::ALL_VERSIONS {
        let early = Wanted { early: true, ..wanted() };
        let served =
            talk(&server(&pair, version), early, Manner::PostQuantum, |sent| Some(vec![sent.to_vec()])).unwrap();
        assert_eq!(served.chain, [pair.leaf()]);
        assert_eq!((served.proved, served.client_certificate), (false, None));
    }
}

#[test]
fn records_and_bytes_are_counted() {
    let mut meter = Meter::default();
    for record in 1..=256 {
        assert_eq!(meter.count(b"\x16\x03\x03\x00\x01"), (5, None), "{record}");
        assert_eq!(meter.count(b"x"), (1, None));
    }
    assert_eq!(meter.count(b"\x16\x03\x03\x00\x01"), (0, Some("more than 256 records")));
    let many = b"\x16\x03\x03\x00\x01x".repeat(300);
    assert_eq!(Meter::default().count(&many), (256 * 6, Some("more than 256 records")));
    let mut meter = Meter::default();
    let record = [b"\x16\x03\x03\x40\x00".as_slice(), &[0; 0x4000]].concat();
    let fitting = MOST_BYTES / record.len();
    for _ in 0..fitting {
        assert_eq!(meter.count(&record), (record.len(), None));
    }
    let room = MOST_BYTES - fitting * record.len();
    assert_eq!(meter.count(&record), (room, Some("more than 1 MiB")));
    // In whatever pieces they come.
    let mut meter = Meter::default();
    for byte in record.iter().chain(&record) {
        assert_eq!(meter.count(&[*byte]), (1, None));
    }
    assert_eq!((meter.records, meter.missing), (2, 0));
}

#[test]
fn an_ssl2_server_is_too_old() {
    for answer in [&b"\x80\x03\x00\x00\x01"[..], b"\x84\x0b\x04\x00\x01\x00\x02"] {
        for manner in MANNERS {
            let error =
                Conversation::new(wanted(), manner, address(), None).unwrap().hear(answer).unwrap().unwrap_err();
            assert_eq!(error.code(), "protocol-too-old", "{error}");
        }
    }
}

/// What comes after the go-ahead of STARTTLS is not taken for the greeting of another protocol.
#[test]
fn plain_text_after_the_go_ahead_is_the_servers_reason() {
    let said = b"-ERR [SYS/TEMP] TLS initialization failed.\r\n";
    for manner in MANNERS {
        let mut pop3 = Conversation::new(Wanted { start: Start::Pop3, ..wanted() }, manner, address(), None).unwrap();
        assert!(pop3.hear(b"+OK ready\r\n").is_none() && pop3.hear(b"+OK begin\r\n").is_none());
        let error = pop3.hear(said).unwrap().unwrap_err();
        assert_eq!(error.code(), "starttls-refused");
        let words = "192.0.2.1:443 does not begin TLS within POP3: the server agrees, and then says \"-ERR [SYS/TEMP] TLS \
                     initialization failed.\"";
        assert_eq!(error.to_string(), words);
        let error = Conversation::new(wanted(), manner, address(), None).unwrap().hear(said).unwrap().unwrap_err();
        assert_eq!(error.code(), "not-tls");
    }
}

proptest! {
    /// Whatever a server says: no panic, no proof, and an end when it hangs up.
    #[test]
    fn noise_proves_nothing(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..8), which in 0..3_usize, head in any::<bool>()) {
        let mut talk = Conversation::new(wanted(), MANNERS[which], address(), None).unwrap();
        let head: &[u8] = if head { b"\x16\x03\x03\x00\x40\x02\x00\x00\x3c\x03\x03" } else { b"" };
        let end = std::iter::once(head).chain(pieces.iter().map(Vec::as_slice)).find_map(|piece| talk.hear(piece));
        let end = end.unwrap_or_else(|| talk.hung_up());
        prop_assert!(end.is_err() || end.is_ok_and(|served| !served.proved));
    }
}
