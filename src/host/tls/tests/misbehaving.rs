//! Servers that do anything but answer well, all asked at the same time: each has its word, by the limit and half a second.

use std::net::Shutdown;

use super::*;
use crate::host::tls::{Crowd, Question, ask_all};

const SHORT: Duration = Duration::from_secs(2);

type Talk = fn(TcpStream);

fn after_hello(mut stream: TcpStream, answer: &[u8]) {
    await_hello(&mut stream);
    let _ = stream.write_all(answer);
    // Until the client has read it: closing with something unread would reset.
    let _ = stream.read(&mut [0; 1024]);
}

fn without_end(mut stream: TcpStream, first: &[u8], again: &[u8]) {
    await_hello(&mut stream);
    let _ = stream.write_all(first);
    while stream.write_all(again).is_ok() {}
}

fn one_a_tenth(mut stream: TcpStream, bytes: &[u8]) {
    for byte in bytes.iter().cycle() {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// ServerHello of TLS 1.2 with a suite of GCM, an X25519 server would go on from here.
const HELLO: &[u8] = b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03\
    0123456789abcdef0123456789abcdef\x00\xc0\x2b\x00";

fn certificates(count: usize, size: usize) -> Vec<u8> {
    let three = |length: usize| length.to_be_bytes()[5..].to_vec();
    let one = [three(size), vec![0x30; size]].concat();
    let list = one.repeat(count);
    let message = [vec![11], three(list.len() + 3), three(list.len()), list].concat();
    let record = |piece: &[u8]| [&[0x16, 3, 3][..], &u16::try_from(piece.len()).unwrap().to_be_bytes(), piece].concat();
    message.chunks(16 * 1024).flat_map(record).collect()
}

const TLS: &[(&str, Talk, &str)] = &[
    ("silent", |_stream| thread::sleep(Duration::from_secs(5)), "timeout"),
    (
        "a byte a second",
        |mut stream| {
            await_hello(&mut stream);
            for byte in HELLO {
                thread::sleep(Duration::from_secs(1));
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
            }
        },
        "timeout",
    ),
    (
        "a byte a tenth of a second",
        |stream| one_a_tenth(stream, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x00"),
        "timeout",
    ),
    (
        "half open",
        |stream| {
            let _ = stream.shutdown(Shutdown::Write);
            thread::sleep(Duration::from_secs(5));
        },
        "reset",
    ),
    ("half a record", |stream| after_hello(stream, &HELLO[..20]), "timeout"),
    ("a hello and no more", |stream| after_hello(stream, HELLO), "timeout"),
    ("hangs up at once", drop, "reset"),
    ("hangs up after the hello", |mut stream| await_hello(&mut stream), "reset"),
    ("reset in the hello", |mut stream| drop(stream.read(&mut [0; 1])), "reset"),
    (
        "hangs up after its hello",
        |mut stream| {
            await_hello(&mut stream);
            let _ = stream.write_all(HELLO);
        },
        "reset",
    ),
    (
        "truncated",
        |mut stream| {
            await_hello(&mut stream);
            let _ = stream.write_all(&HELLO[..30]);
        },
        "reset",
    ),
    ("http", |stream| after_hello(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n"), "plain-http"),
    ("http without status", |stream| after_hello(stream, b"<html><body>400"), "plain-http"),
    ("ssh", |stream| after_hello(stream, b"SSH-2.0-OpenSSH_9.2p1\r\n"), "not-tls"),
    ("smtp", |stream| after_hello(stream, b"220 mx ESMTP\r\n"), "not-tls"),
    ("imap", |stream| after_hello(stream, b"* OK ready\r\n"), "not-tls"),
    ("mysql", |stream| after_hello(stream, b"\x4a\0\0\0\x0a8.0.36\0"), "not-tls"),
    ("escapes", |stream| after_hello(stream, b"\x1b]0;x\x07"), "not-tls"),
    ("zeros", |stream| without_end(stream, b"\0", &[0; 4096]), "not-tls"),
    ("random", |stream| without_end(stream, b"\xf3\x11", &[0x5a; 4096]), "not-tls"),
    ("handshake_failure", |stream| after_hello(stream, b"\x15\x03\x03\x00\x02\x02\x28"), "alert"),
    ("protocol_version", |stream| after_hello(stream, b"\x15\x03\x03\x00\x02\x02\x46"), "alert"),
    ("unrecognized_name", |stream| after_hello(stream, b"\x15\x03\x03\x00\x02\x02\x70"), "alert"),
    ("internal_error", |stream| after_hello(stream, b"\x15\x03\x03\x00\x02\x02\x50"), "alert"),
    ("insufficient_security", |stream| after_hello(stream, b"\x15\x03\x03\x00\x02\x02\x47"), "alert"),
    ("no such alert", |stream| after_hello(stream, b"\x15\x03\x03\x00\x02\x02\xc8"), "alert"),
    ("close_notify", |stream| after_hello(stream, b"\x15\x03\x03\x00\x02\x01\x00"), "reset"),
    ("ssl 3.0 alone", |stream| after_hello(stream, b"\x15\x03\x00\x00\x02\x02\x28"), "protocol-too-old"),
    (
        "ssl 3.0 hello",
        |stream| {
            let hello =
                [b"\x16\x03\x00\x00\x2a\x02\x00\x00\x26\x03\x00".as_slice(), &[7; 32], b"\x00\x00\x0a\x00"].concat();
            after_hello(stream, &hello);
        },
        "protocol-too-old",
    ),
    ("ssl 2.0", |stream| after_hello(stream, b"\x80\x03\x00\x00\x01"), "protocol-too-old"),
    ("wrong record version", |stream| after_hello(stream, b"\x16\x09\x09\x00\x04\x02\x00\x00\x00"), "protocol-error"),
    ("data at once", |stream| after_hello(stream, b"\x16\x03\x03\x00\x04\x63\x00\x00\x00"), "protocol-error"),
    ("garbage after its hello", |stream| after_hello(stream, &[HELLO, &[0xff; 512]].concat()), "protocol-error"),
    ("64 KB certificate", |stream| after_hello(stream, &[HELLO, &certificates(1, 0xfff0)].concat()), "oversized"),
    (
        "a certificate above 64 KB",
        |stream| after_hello(stream, &[HELLO, &certificates(1, 0x1_0100)].concat()),
        "oversized",
    ),
    (
        "a certificate of 16 MB",
        |stream| {
            let record = [b"\x16\x03\x03\x40\x00".as_slice(), &[0x30; 0x4000]].concat();
            without_end(stream, &[HELLO, b"\x16\x03\x03\x00\x07\x0b\xff\xff\xff\xff\xff\xfc"].concat(), &record);
        },
        "oversized",
    ),
    ("101 certificates", |stream| after_hello(stream, &[HELLO, &certificates(101, 5)].concat()), "timeout"),
    ("10,000 certificates", |stream| after_hello(stream, &[HELLO, &certificates(10_000, 40)].concat()), "oversized"),
    (
        "a message without end",
        |stream| {
            without_end(
                stream,
                b"\x16\x03\x03\x00\x04\x02\x00\xff\xff",
                &[b"\x16\x03\x03\x40\x00".as_slice(), &[0; 0x4000]].concat(),
            );
        },
        "oversized",
    ),
    (
        "tiny records without end",
        |stream| {
            without_end(stream, b"\x16\x03\x03\x00\x04\x02\x00\xff\xf0", &b"\x16\x03\x03\x00\x01\x00".repeat(100));
        },
        "oversized",
    ),
    ("warnings without end", |stream| without_end(stream, b"", b"\x15\x03\x03\x00\x02\x01\x70"), "protocol-error"),
    // Its certificate is there for all to see, and its key is not there for it.
    (
        "internal_error after the certificate",
        |stream| after_hello(stream, &[HELLO, &certificates(1, 200), b"\x15\x03\x03\x00\x02\x02\x50"].concat()),
        "alert",
    ),
    (
        "handshake_failure after the certificate",
        |stream| after_hello(stream, &[HELLO, &certificates(1, 200), b"\x15\x03\x03\x00\x02\x02\x28"].concat()),
        "alert",
    ),
    (
        "no key for the exchange",
        |stream| {
            let status = b"\x16\x03\x03\x00\x09\x16\x00\x00\x05\x01\x00\x00\x01\x00";
            let done = b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00";
            after_hello(stream, &[HELLO, &certificates(1, 200), status, done].concat());
        },
        "protocol-error",
    ),
    (
        "fatal and warnings",
        |stream| without_end(stream, b"\x15\x03\x03\x00\x02\x02\x28", b"\x15\x03\x03\x00\x02\x01\x70"),
        "alert",
    ),
    (
        "hello requests without end",
        |stream| without_end(stream, b"", b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"),
        "protocol-error",
    ),
    (
        "retries without end",
        |mut stream| {
            // HelloRetryRequest (RFC 8446 section 4.1.4) to P-384, again and again.
            let random = b"\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\
                       \xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";
            let mut hello = [0; 5];
            stream.read_exact(&mut hello).unwrap();
            let mut body = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
            stream.read_exact(&mut body).unwrap();
            let session = &body[38..39 + usize::from(body[38])];
            let rest = b"\x13\x01\x00\x00\x0c\x00\x2b\x00\x02\x03\x04\x00\x33\x00\x02\x00\x18";
            let message = [b"\x03\x03".as_slice(), random, session, rest].concat();
            let length = u8::try_from(message.len()).unwrap();
            let retry = [&[0x16, 3, 3, 0, length + 4, 2, 0, 0, length], message.as_slice()].concat();
            while stream.write_all(&retry).is_ok() {
                let _ = stream.read(&mut [0; 4096]);
            }
        },
        "protocol-error",
    ),
];

const PLAIN: &[(&str, &str, Talk, &str)] = &[
    (
        "huge banner",
        "smtp",
        |mut stream| {
            while stream.write_all(b"220-still more of it\r\n").is_ok() {}
        },
        "oversized",
    ),
    (
        "no line ends",
        "imap",
        |mut stream| {
            let _ = stream.write_all(b"* ");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        },
        "oversized",
    ),
    (
        "pipelining",
        "smtp",
        |mut stream| {
            let _ = stream.write_all(b"220 x\r\n");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"250 STARTTLS\r\n");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"220 go\r\n250 injected\r\n");
            let _ = stream.read(&mut [0; 1024]);
        },
        "starttls-broken",
    ),
    (
        "not offered",
        "smtp",
        |mut stream| {
            let _ = stream.write_all(b"220 x\r\n");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"250-x\r\n250 SIZE\r\n");
            let _ = stream.read(&mut [0; 1024]);
        },
        "starttls-not-offered",
    ),
    (
        "refused",
        "pop3",
        |mut stream| {
            let _ = stream.write_all(b"+OK\r\n");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"-ERR no\r\n");
            let _ = stream.read(&mut [0; 1024]);
        },
        "starttls-refused",
    ),
    (
        "hangs up at the question",
        "nntp",
        |mut stream| {
            let _ = stream.write_all(b"200 x\r\n");
            let _ = stream.read(&mut [0; 1024]);
        },
        "starttls-refused",
    ),
    (
        "another protocol",
        "ldap",
        |mut stream| {
            let _ = stream.write_all(b"SSH-2.0-x\r\n");
            let _ = stream.read(&mut [0; 1024]);
        },
        "starttls-broken",
    ),
    (
        "plain text after the go-ahead",
        "ftp",
        |mut stream| {
            let _ = stream.write_all(b"220 x\r\n");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"234 go\r\n");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"530 log in first\r\n");
            let _ = stream.read(&mut [0; 1024]);
        },
        "starttls-refused",
    ),
    ("trickling banner", "smtp", |stream| one_a_tenth(stream, b"220-x\r\n"), "timeout"),
];

#[test]
fn each_has_its_word_by_the_limit_and_half_a_second() {
    assert!(TLS.len() + PLAIN.len() >= 40);
    let mut cases = Vec::new();
    for (name, talk, code) in TLS {
        cases.push((format!("tls: {name}"), Endpoint::tls("127.0.0.1", serve(*talk).port()).unwrap(), *code));
    }
    for (name, scheme, talk, code) in PLAIN {
        let endpoint = format!("{scheme}://{}", serve(*talk)).parse().unwrap();
        cases.push((format!("{scheme}: {name}"), endpoint, *code));
    }
    cases.push(("refused".to_owned(), nobody().to_string().parse().unwrap(), "refused"));
    // An address of TEST-NET-1 (RFC 5737): no answer or no way there, by the network the test runs in.
    let good = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let good = Endpoint::tls("127.0.0.1", good.serve(rustls::ALL_VERSIONS).port()).unwrap();
    cases.push(("good".to_owned(), good, "good"));

    let questions = cases.iter().map(|(_, endpoint, _)| Question::new(endpoint.clone()));
    let options = Crowd { limit: SHORT, ..Crowd::default() };
    let began = Instant::now();
    let mut wrong = Vec::new();
    let mut heard = vec![0; cases.len()];
    ask_all(questions, &options, &mut |index, answer, _| {
        let took = began.elapsed();
        let index = usize::try_from(index).unwrap();
        heard[index] += 1;
        let (name, _, expected) = &cases[index];
        let said = answer.as_ref().map_or_else(|error| error.code(), |_| "good");
        if said != *expected || took > SHORT + Duration::from_millis(500) {
            wrong.push(format!("{name}: {said} instead of {expected} after {took:?}: {answer:?}"));
        }
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(heard.iter().all(|count| *count == 1));
}

#[test]
fn a_server_that_chokes_on_the_long_hello_is_found_out() {
    // A middlebox that swallows a hello longer than a packet, or resets; behind it a server of today.
    let pair = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    for swallow in [true, false] {
        let behind = pair.clone().serve(rustls::ALL_VERSIONS);
        let at = serve(move |mut stream| {
            let mut header = [0; 5];
            if stream.read_exact(&mut header).is_err() {
                return;
            }
            let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
            if stream.read_exact(&mut hello).is_err() {
                return;
            }
            if hello.len() > 1000 {
                if swallow {
                    thread::sleep(Duration::from_secs(5));
                }
                return;
            }
            let mut server = TcpStream::connect(behind).unwrap();
            let _ = server.write_all(&[&header, hello.as_slice()].concat());
            let (mut down, mut up) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut up, &mut down));
            let _ = io::copy(&mut stream, &mut server);
        });
        let began = Instant::now();
        let served = handshake_at(at, Some("localhost"), None, Duration::from_secs(3)).unwrap();
        assert_eq!((served.post_quantum, served.proved), (PostQuantum::Refused, true), "swallow {swallow}");
        assert_eq!(served.group, Some("x25519"));
        // Only where nothing came back is a part of the limit waited for.
        let took = began.elapsed();
        assert!(!swallow || took > Duration::from_millis(900), "{took:?}");
    }
}

/// How long the connection of this number waits for its server; none: it is lost.
type Before = fn(usize) -> Option<Duration>;

/// A server that takes more than a third of the limit, at its first connection or at each, and one connection that is lost.
#[test]
fn a_slow_server_and_a_lost_connection_are_no_dead_server_and_no_choking_one() {
    let pair = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let behind = pair.serve(rustls::ALL_VERSIONS);
    let through = move |before: Before| {
        let count = std::sync::atomic::AtomicUsize::new(0);
        serve(move |mut stream| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let Some(pause) = before(number) else {
                // What was not read makes the kernel reset.
                thread::sleep(Duration::from_millis(50));
                return;
            };
            thread::sleep(pause);
            let mut server = TcpStream::connect(behind).unwrap();
            let (mut down, mut up) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut up, &mut down));
            let _ = io::copy(&mut stream, &mut server);
        })
    };
    let cases: [(&str, Before); 3] = [
        ("slow", |_| Some(Duration::from_millis(2600))),
        ("slow at first", |number| Some(Duration::from_millis(if number == 0 { 1800 } else { 0 }))),
        ("one reset", |number| (number > 0).then_some(Duration::ZERO)),
    ];
    for (case, before) in cases {
        let at = through(before);
        let served = handshake_at(at, Some("localhost"), None, Duration::from_secs(3)).expect(case);
        assert_eq!((served.post_quantum, served.proved), (PostQuantum::Negotiated, true), "{case}");
        let at = through(before);
        let endpoint: Endpoint = at.to_string().parse().unwrap();
        let question = Question { endpoint, family: None, address: None };
        let options = Crowd { limit: Duration::from_secs(3), ..Crowd::default() };
        let mut heard = Vec::new();
        ask_all(std::iter::once(question), &options, &mut |_, answer, _| heard.push(answer));
        let served = heard.remove(0).expect(case);
        assert_eq!((served.post_quantum, served.proved), (PostQuantum::Negotiated, true), "{case}, in a crowd");
    }
}
