use proptest::prelude::*;

use super::*;

/// Those with words before TLS.
fn all() -> impl Iterator<Item = Start> {
    Start::ALL.into_iter().filter(|start| *start != Start::Tls)
}

const LDAP_YES: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";
const FEATURES: &[u8] = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
    id='1' version='1.0'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";

fn greeting_of_mysql(flags: u16) -> Vec<u8> {
    let [low, high] = flags.to_le_bytes();
    let mut body = b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0".to_vec();
    body.extend_from_slice(&[low, high, 33, 2, 0, 0, 0, 21]);
    body.extend_from_slice(&[0; 10]);
    body.extend_from_slice(b"abcdefghijkl\0");
    let length = u8::try_from(body.len()).unwrap();
    [&[length, 0, 0, 0], body.as_slice()].concat()
}

/// What a server of each protocol says in turn until TLS begins, and a part of what it must hear before each.
fn script(start: Start) -> Vec<(&'static [u8], Vec<u8>)> {
    let xmpp = |namespace: &'static [u8]| {
        vec![
            (namespace, FEATURES.to_vec()),
            (&b"<starttls "[..], b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".to_vec()),
        ]
    };
    match start {
        Start::Tls => Vec::new(),
        Start::Smtp => vec![
            (b"", b"220-mx.example ESMTP\r\n220 ready\r\n".to_vec()),
            (b"EHLO [192.0.2.7]\r\n", b"250-mx.example\r\n250-SIZE 1000\r\n250-starttls\r\n250 HELP\r\n".to_vec()),
            (b"STARTTLS\r\n", b"220 2.0.0 go ahead\r\n".to_vec()),
        ],
        Start::Lmtp => vec![
            (b"", b"220 mx LMTP\n".to_vec()),
            (b"LHLO [192.0.2.7]\r\n", b"250-mx\r\n250 STARTTLS\r\n".to_vec()),
            (b"STARTTLS\r\n", b"220\r\n".to_vec()),
        ],
        Start::Imap => vec![
            (b"", b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n".to_vec()),
            (b"a STARTTLS\r\n", b"* CAPABILITY IMAP4rev1\r\na OK begin\r\n".to_vec()),
        ],
        Start::Pop3 => vec![(b"", b"+OK ready\r\n".to_vec()), (b"STLS\r\n", b"+OK begin\r\n".to_vec())],
        Start::Ftp => vec![
            (b"", b"120 in a moment\r\n220-Hello\r\n 220 not the end\r\nwhatever\r\n220 ready\r\n".to_vec()),
            (b"AUTH TLS\r\n", b"234 AUTH TLS OK.\r\n".to_vec()),
        ],
        Start::Ldap => vec![(b"1.3.6.1.4.1.1466.20037", LDAP_YES.to_vec())],
        Start::Postgres => vec![(&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f], b"S".to_vec())],
        Start::Mysql => vec![(b"", greeting_of_mysql(0xffff))],
        Start::XmppClient => xmpp(b"xmlns='jabber:client'"),
        Start::XmppServer => xmpp(b"xmlns='jabber:server'"),
        Start::Sieve => vec![
            (
                b"",
                b"\"IMPLEMENTATION\" {5}\r\nSieve\r\n\"SIEVE\" \"fileinto\"\r\n\"STARTTLS\"\r\nOK {4}\r\nbegi\r\n"
                    .to_vec(),
            ),
            (b"STARTTLS\r\n", b"OK \"Begin TLS\"\r\n".to_vec()),
        ],
        Start::Nntp => vec![(b"", b"200 news\r\n".to_vec()), (b"STARTTLS\r\n", b"382 go\r\n".to_vec())],
    }
}

/// Hears all that a script says, in pieces of so many bytes.
fn perform(start: Start, script: &[(&[u8], Vec<u8>)], piece: usize) -> Result<bool, Refusal> {
    let mut out = Vec::new();
    let mut opening = Opening::new(start, "example.org", Some([192, 0, 2, 7].into()), &mut out).unwrap();
    for (turn, (expected, said)) in script.iter().enumerate() {
        let sent = std::mem::take(&mut out);
        assert!(
            expected.is_empty() || sent.windows(expected.len()).any(|window| window == *expected),
            "{start:?} {turn}: {sent:?}"
        );
        let mut pieces = said.chunks(piece).peekable();
        while let Some(bytes) = pieces.next() {
            if opening.hear(bytes, &mut out)? {
                assert!(pieces.peek().is_none() && turn + 1 == script.len(), "{start:?} begins before its time");
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[test]
fn every_protocol_begins_tls_in_whatever_pieces_it_speaks() {
    for start in all() {
        for piece in [1, 2, 3, 7, 10_000] {
            assert_eq!(perform(start, &script(start), piece), Ok(true), "{start:?} {piece}");
        }
    }
    assert!(Opening::new(Start::Tls, "x", None, &mut Vec::new()).is_none());
}

#[test]
fn cut_anywhere_it_waits() {
    for start in all() {
        let whole = script(start);
        for turn in 0..whole.len() {
            for cut in 0..whole[turn].1.len() {
                let mut part = whole[..=turn].to_vec();
                part[turn].1.truncate(cut);
                assert_eq!(perform(start, &part, 10_000), Ok(false), "{start:?} {turn} {cut}");
            }
        }
    }
}

#[test]
fn what_comes_with_the_go_ahead_is_refused() {
    for start in all() {
        let mut script = script(start);
        script.last_mut().unwrap().1.extend_from_slice(b"\x16\x03\x03");
        let error = perform(start, &script, 10_000).unwrap_err();
        assert!(matches!(&error, Refusal::Broken(what) if what.contains("go-ahead")), "{start:?}: {error:?}");
    }
}

#[test]
fn words_that_come_with_the_go_ahead_are_told() {
    let mut script = script(Start::Sieve);
    script.last_mut().unwrap().1.extend_from_slice(b"BYE \"TLS initialization failed.\"\r\n");
    let error = perform(Start::Sieve, &script, 10_000).unwrap_err();
    assert!(matches!(&error, Refusal::Broken(what) if what.contains("BYE \\\"TLS initialization failed")), "{error:?}");
}

#[test]
fn every_refusal_is_told_apart() {
    let refused = |words: &str| Refusal::Refused(words.to_owned());
    let ldap = |code: u8, words: &[u8]| {
        let response = [&[0x0a, 1, code, 4, 0, 4, u8::try_from(words.len()).unwrap()], words].concat();
        let length = u8::try_from(response.len()).unwrap();
        [&[0x30, length + 5, 2, 1, 1, 0x78, length], response.as_slice()].concat()
    };
    let cases: Vec<(Start, Vec<Vec<u8>>, Refusal)> = vec![
        (Start::Smtp, vec![b"220 mx\r\n".to_vec(), b"250-mx\r\n250 SIZE\r\n".to_vec()], Refusal::NotOffered),
        (Start::Smtp, vec![b"220 mx\r\n".to_vec(), b"502 no EHLO\r\n".to_vec()], Refusal::NotOffered),
        (Start::Smtp, vec![b"554 no service\r\n".to_vec()], refused("554 no service")),
        (
            Start::Smtp,
            vec![b"220 mx\r\n".to_vec(), b"250 STARTTLS\r\n".to_vec(), b"454 not now\r\n".to_vec()],
            refused("454 not now"),
        ),
        (Start::Imap, vec![b"* BYE too many\r\n".to_vec()], refused("* BYE too many")),
        (Start::Imap, vec![b"* PREAUTH hello\r\n".to_vec()], refused("* PREAUTH hello")),
        (Start::Imap, vec![b"* OK\r\n".to_vec(), b"a BAD unknown\r\n".to_vec()], Refusal::NotOffered),
        (Start::Imap, vec![b"* OK\r\n".to_vec(), b"a NO off\r\n".to_vec()], refused("a NO off")),
        (Start::Pop3, vec![b"+OK\r\n".to_vec(), b"-ERR unknown\r\n".to_vec()], refused("-ERR unknown")),
        (Start::Ftp, vec![b"220 x\r\n".to_vec(), b"502 what?\r\n".to_vec()], Refusal::NotOffered),
        (Start::Ftp, vec![b"220 x\r\n".to_vec(), b"431 no\r\n".to_vec()], refused("431 no")),
        (Start::Nntp, vec![b"201 x\r\n".to_vec(), b"580 no\r\n".to_vec()], refused("580 no")),
        (Start::Nntp, vec![b"201 x\r\n".to_vec(), b"500 what\r\n".to_vec()], Refusal::NotOffered),
        (Start::Ldap, vec![ldap(2, b"")], Refusal::NotOffered),
        (Start::Ldap, vec![ldap(52, b"no cert")], refused("result 52 \"no cert\"")),
        (Start::Postgres, vec![b"N".to_vec()], Refusal::NotOffered),
        (Start::Postgres, vec![b"E\0\0\0\x10SFATAL\0Mno\0\0".to_vec()], refused("no")),
        (Start::Postgres, vec![b"EFATAL:  no\n\0".to_vec()], refused("FATAL:  no\\n\\x00")),
        (Start::Mysql, vec![greeting_of_mysql(0xf7ff)], Refusal::NotOffered),
        (Start::Mysql, vec![b"\x08\0\0\0\xff\x69\x04block".to_vec()], refused("block")),
        (Start::XmppClient, vec![b"<stream:stream><stream:features/>".to_vec()], Refusal::NotOffered),
        (
            Start::XmppClient,
            vec![b"<stream:stream><stream:features><x/></stream:features>".to_vec()],
            Refusal::NotOffered,
        ),
        (Start::XmppClient, vec![FEATURES.to_vec(), b"<failure/>".to_vec()], refused("<failure/>")),
        (Start::XmppServer, vec![b"<stream:stream><stream:error>".to_vec()], refused("<stream:error>")),
        (Start::Sieve, vec![b"\"SIEVE\" \"x\"\r\nOK\r\n".to_vec()], Refusal::NotOffered),
        (Start::Sieve, vec![b"\"STARTTLS\"\r\nOK\r\n".to_vec(), b"NO \"off\"\r\n".to_vec()], refused("NO \\\"off\\\"")),
        (Start::Sieve, vec![b"BYE\r\n".to_vec()], refused("BYE")),
    ];
    for (start, said, expected) in cases {
        let script: Vec<(&[u8], Vec<u8>)> = said.into_iter().map(|said| (&b""[..], said)).collect();
        for piece in [1, 10_000] {
            assert_eq!(perform(start, &script, piece), Err(expected.clone()), "{start:?} {script:?}");
        }
    }
}

#[test]
fn strangers_are_known_at_once() {
    for start in all() {
        let http: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        let error = perform(start, &[(b"", http.to_vec())], 10_000).unwrap_err();
        assert!(matches!(error, Refusal::Broken(_)), "{start:?}: {error:?}");
        let tls: &[u8] = b"\x15\x03\x03\x00\x02\x02\x28";
        assert!(perform(start, &[(b"", tls.to_vec())], 10_000).is_err(), "{start:?}");
    }
}

#[test]
fn talk_without_end_ends() {
    let endless: [(Start, &[u8], &[u8]); 9] = [
        (Start::Smtp, b"", b"220-still more\r\n"),
        (Start::Smtp, b"220 x\r\n", b"250-STARTTLS\r\n"),
        (Start::Smtp, b"220 ", b"no line ever ends"),
        (Start::Ftp, b"220-\r\n", b"anything\r\n"),
        (Start::Imap, b"* OK\r\n", b"* still more\r\n"),
        (Start::Sieve, b"", b"\"X\" \"y\"\r\n"),
        (Start::Sieve, b"\"X\" {99999999}\r\n", b"xxxxxxxxxxxxxxxxxxxxxxxxx"),
        (Start::XmppClient, b"<stream:stream>", b"<stream:stream>"),
        (Start::Ldap, b"\x30\x82\x10", b"\x02\x01\x01\x02\x01\x01"),
    ];
    for (start, first, again) in endless {
        let mut out = Vec::new();
        let mut opening = Opening::new(start, "x", None, &mut out).unwrap();
        let mut end = opening.hear(first, &mut out);
        for _ in 0..10_000 {
            if end.is_err() {
                break;
            }
            end = opening.hear(again, &mut out);
        }
        assert_eq!(end, Err(Refusal::TooMuch), "{start:?}");
        assert!(opening.pending.len() <= MOST_BYTES && out.len() < 1000);
    }
}

#[test]
fn a_hostile_domain_does_not_leave_its_attribute() {
    let mut out = Vec::new();
    Opening::new(Start::XmppClient, "x'><evil/>", None, &mut out);
    assert!(out.ends_with(b"to='xevil' version='1.0'>"), "{}", out.escape_ascii());
}

proptest! {
    #[test]
    fn noise_is_no_panic(which in 1..Start::ALL.len(), pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6)) {
        let mut out = Vec::new();
        let mut opening = Opening::new(Start::ALL[which], "x", None, &mut out).unwrap();
        let _ = pieces.iter().try_for_each(|piece| opening.hear(piece, &mut out).map(drop));
    }

    /// A script with one byte changed neither panics nor sends without bound.
    #[test]
    fn a_slip_of_the_tongue_is_no_panic(which in 1..Start::ALL.len(), at in 0..300_usize, to in any::<u8>()) {
        let mut all: Vec<u8> = script(Start::ALL[which]).into_iter().flat_map(|(_, said)| said).collect();
        if let Some(byte) = all.get_mut(at) {
            *byte = to;
        }
        let mut out = Vec::new();
        let mut opening = Opening::new(Start::ALL[which], "x", None, &mut out).unwrap();
        for byte in all {
            if opening.hear(&[byte], &mut out) != Ok(false) {
                break;
            }
        }
        prop_assert!(out.len() < 1000);
    }
}

/// A client calls itself by its address (RFC 5321 section 4.1.3), and a server that dislikes it has not said a word of STARTTLS.
#[test]
fn mail_servers_are_told_the_own_address_and_may_refuse_it() {
    let said = |own: Option<&str>| {
        let mut out = Vec::new();
        let own = own.map(|own| own.parse().unwrap());
        let mut opening = Opening::new(Start::Smtp, "x", own, &mut out).unwrap();
        assert_eq!(opening.hear(b"220 mx ESMTP\r\n", &mut out), Ok(false));
        let answer = opening
            .hear(b"504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname\r\n", &mut Vec::new());
        (String::from_utf8(out).unwrap(), answer.unwrap_err())
    };
    for (own, sent) in [
        (Some("127.0.0.1"), "EHLO [127.0.0.1]\r\n"),
        (Some("2001:db8::7"), "EHLO [IPv6:2001:db8::7]\r\n"),
        (Some("::ffff:192.0.2.7"), "EHLO [192.0.2.7]\r\n"),
        (None, "EHLO localhost\r\n"),
    ] {
        let (out, answer) = said(own);
        assert_eq!(out, sent);
        assert!(matches!(&answer, Refusal::Unwelcome(words) if words.starts_with("504 5.5.2")), "{answer:?}");
    }
}

/// The words behind a yes may be a literal (RFC 5804 section 4).
#[test]
fn a_yes_of_managesieve_may_have_its_words_in_a_literal() {
    for yes in ["OK {5}\r\nbegin\r\n", "OK (WARNINGS {1}\r\nx) {3+}\r\na\r\n\r\n", "OK \"begin\"\r\n", "\r\nOK\r\n"] {
        let mut script = script(Start::Sieve);
        script.last_mut().unwrap().1 = yes.as_bytes().to_vec();
        for piece in [1, 3, 10_000] {
            assert_eq!(perform(Start::Sieve, &script, piece), Ok(true), "{yes:?} {piece}");
        }
    }
}
