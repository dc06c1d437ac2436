use std::io::Cursor;

use super::exchange::{Bad, receive, send};
use super::*;

const FEW: Patience = Patience { request: Duration::ZERO, total: Duration::ZERO, body: 64, only_status: false };

fn read(bytes: &[u8]) -> Result<Reply, String> {
    read_within(bytes, &FEW)
}

fn read_within(bytes: &[u8], patience: &Patience) -> Result<Reply, String> {
    receive(&mut Cursor::new(bytes), false, patience).map_err(|error| match error {
        Bad::Io(error) => error.to_string(),
        Bad::Answer(why) => why,
    })
}

#[test]
fn only_https_is_asked() {
    let why = |url: &str| check_url(url).unwrap_err().to_string();
    assert_eq!(why("http://ca.example/dir"), "\"http://ca.example/dir\" is no address to ask: http is not encrypted");
    assert!(why("file:///etc/passwd").contains("is no address"));
    assert!(why("/directory").contains("does not begin with https://"));
    assert!(why("https://user:secret@ca.example/").contains("a user's name"));
    assert!(why("https://ca.example:99999/").contains("is no address"));
    for good in
        ["https://ca.example/dir", "https://ca.example:14000/dir?a=b", "https://[::1]:14000/dir", "https://10.0.0.1/"]
    {
        check_url(good).unwrap();
    }
    let place = Place::of("https://[::1]/dir", Plain::Never).unwrap();
    assert_eq!((place.endpoint.host.as_str(), place.endpoint.port, place.path.as_str()), ("::1", 443, "/dir"));
}

#[test]
fn a_request_is_whole_and_names_us() {
    let mut wire = Vec::new();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jose+json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("somebody else"));
    send(&mut wire, &Method::POST, "ca.example:14000", "/order", &headers, b"{}").unwrap();
    let text = String::from_utf8(wire).unwrap();
    assert!(text.starts_with("POST /order HTTP/1.1\r\nhost: ca.example:14000\r\nconnection: close\r\n"), "{text}");
    assert!(text.ends_with("content-type: application/jose+json\r\n\r\n{}"), "{text}");
    assert!(text.contains(USER_AGENT) && !text.contains("somebody else"), "{text}");
}

#[test]
fn answers_of_every_framing() {
    assert_eq!(read(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").unwrap().body, "hi");
    assert_eq!(read(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi and more").unwrap().body, "hi");
    assert_eq!(read(b"HTTP/1.0 200 OK\r\n\r\nto the end").unwrap().body, "to the end");
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nt: u\r\n\r\n";
    assert_eq!(read(chunked).unwrap().body, "abcde");
    assert_eq!(read(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").unwrap().status, 204);
    let head = receive(&mut Cursor::new(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n"), true, &FEW).unwrap();
    assert_eq!(head.body, "", "a HEAD has a length and no body");
    // A webhook that has taken a message may say so in whatever it takes for text.
    assert_eq!(read(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\xff").unwrap().body, "ok\u{fffd}");
}

#[test]
fn a_status_holds_whatever_follows_it_where_nothing_else_is_asked_for() {
    let long = "x".repeat(65);
    for framing in ["content-length: 65\r\n\r\n", "\r\n", "transfer-encoding: chunked\r\n\r\n41\r\n"] {
        let answer = format!("HTTP/1.1 202 Accepted\r\n{framing}{long}");
        assert!(read(answer.as_bytes()).unwrap_err().contains("its body has more than"));
        let reply = read_within(answer.as_bytes(), &Patience { only_status: true, ..FEW }).unwrap();
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (202, ""));
    }
}

#[test]
fn lies_about_lengths_floods_and_broken_answers() {
    let cases: [(&[u8], &str); 11] = [
        (b"", "ended before its head"),
        (b"HTTP/1.1 200", "ended before its head"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", "it ended after 3 of 10 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 65\r\n\r\n", "its body has more than"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n", "its length is not valid"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "it has two lengths"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "both a length and chunks",
        ),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n", "its body has more than"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "the size of a chunk is not valid"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n", "longer than it says"),
    ];
    for (bytes, why) in cases {
        let told = read(bytes).unwrap_err();
        assert!(told.contains(why), "{told:?} for {:?}", String::from_utf8_lossy(bytes));
    }
    let flood = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 100]].concat();
    assert!(read(&flood).unwrap_err().contains("its body has more than"), "without a length");
    let fields: Vec<u8> = (0..9000).flat_map(|n| format!("x{n}: y\r\n").into_bytes()).collect();
    let long = [b"HTTP/1.1 200 OK\r\n".as_slice(), &fields].concat();
    assert!(!read(&long).unwrap_err().is_empty());
    let hints = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(50);
    assert!(read(&hints).unwrap_err().contains("interim"));
}

/// Cut at every byte, no answer is taken for another.
#[test]
fn an_answer_that_is_cut_is_never_a_shorter_one() {
    for whole in [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde".as_slice(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n",
    ] {
        assert_eq!(read(whole).unwrap().body, "abcde");
        for cut in 0..whole.len() - 2 {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
    }
}

#[test]
fn a_wait_is_never_longer_than_a_day() {
    assert_eq!(wait_of(" 30 "), Some(Duration::from_secs(30)));
    for endless in ["18446744073709551615", "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        assert_eq!(wait_of(endless), Some(MOST_WAIT), "{endless}");
    }
    assert_eq!(wait_of("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
    for nothing in ["", "soon", "-1", "1.5"] {
        assert_eq!(wait_of(nothing), None, "{nothing}");
    }
}

#[test]
fn links_and_what_they_are_for() {
    let links = links_of("<https://a/dir>;rel=\"index\", <https://a/c/1>; title=\"x\" ;rel=\"alternate\"");
    assert_eq!(links, [("index".into(), "https://a/dir".into()), ("alternate".into(), "https://a/c/1".into())]);
    assert_eq!(links_of("<https://a>; rel=alternate"), [("alternate".into(), "https://a".into())]);
    for broken in ["", "<", "<a", "a>b", "<a>; rel", "<a>"] {
        assert_eq!(links_of(broken), [], "{broken}");
    }
}

/// A reader that gives a byte at a time, as a slow network does.
struct Drops<'a>(&'a [u8]);

impl std::io::Read for Drops<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match (self.0.split_first(), into.first_mut()) {
            (Some((byte, rest)), Some(place)) => {
                *place = *byte;
                self.0 = rest;
                Ok(1)
            }
            _ => Ok(0),
        }
    }
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_said_brings_it_down(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), head: bool) {
        let whole = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".as_slice(), &bytes].concat();
        let _ = receive(&mut Cursor::new(&bytes), head, &FEW);
        let _ = receive(&mut Cursor::new(&whole), head, &FEW);
    }

    #[test]
    fn chunks_of_any_size_make_the_same_body(pieces in proptest::collection::vec("[a-z]{1,9}", 0..7)) {
        let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n".to_vec();
        for piece in &pieces {
            wire.extend(format!("{:X}\r\n{piece}\r\n", piece.len()).into_bytes());
        }
        wire.extend(b"0\r\n\r\n");
        let whole = receive(&mut Cursor::new(&wire), false, &FEW).unwrap().body;
        let slow = receive(&mut Drops(&wire), false, &FEW).unwrap().body;
        proptest::prop_assert_eq!(&whole, &pieces.concat());
        proptest::prop_assert_eq!(whole, slow);
    }

    #[test]
    fn no_header_brings_it_down(value in "[ -~]{0,80}") {
        let _ = (wait_of(&value), links_of(&value), check_url(&value));
    }
}
