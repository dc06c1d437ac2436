//! Servers that speak in plain text first and end in TLS.

use std::collections::VecDeque;

use super::*;

/// Speaks a script, waiting for a piece of what it must hear, then TLS.
fn stub(pair: &Pair, script: &'static [(&'static [u8], &'static [u8])]) -> SocketAddr {
    let config = Arc::new(server_config(rustls::ALL_VERSIONS, Arc::new(One(pair.certified()))));
    serve(move |mut stream| {
        for (heard, said) in script {
            let mut bytes = VecDeque::new();
            let wanted = |bytes: &mut VecDeque<u8>| bytes.make_contiguous().ends_with(heard);
            while !heard.is_empty() && !wanted(&mut bytes) {
                let mut one = [0];
                if !matches!(stream.read(&mut one), Ok(1)) {
                    return;
                }
                bytes.push_back(one[0]);
            }
            let _ = stream.write_all(said);
        }
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        let _ = tls.write_tls(&mut stream);
        let _ = stream.read(&mut [0; 1024]);
    })
}

type Script = &'static [(&'static [u8], &'static [u8])];

const SCRIPTS: &[(&str, Script)] = &[
    (
        "smtp",
        &[
            (b"", b"220 mx.example ESMTP\r\n"),
            (b"EHLO [127.0.0.1]\r\n", b"250-mx.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n"),
            (b"STARTTLS\r\n", b"220 go\r\n"),
        ],
    ),
    ("lmtp", &[(b"", b"220 mx\r\n"), (b"LHLO [127.0.0.1]\r\n", b"250-x\r\n250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"220 go\r\n")]),
    ("imap", &[(b"", b"* OK ready\r\n"), (b"a STARTTLS\r\n", b"a OK begin\r\n")]),
    ("pop3", &[(b"", b"+OK ready\r\n"), (b"STLS\r\n", b"+OK begin\r\n")]),
    ("ftp", &[(b"", b"220 ready\r\n"), (b"AUTH TLS\r\n", b"234 begin\r\n")]),
    ("ldap", &[(b"1.3.6.1.4.1.1466.20037", b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")]),
    ("postgres", &[(b"\x04\xd2\x16\x2f", b"S")]),
    (
        "mysql",
        &[
            (b"", b"\x2f\0\0\0\x0a8.0.36\0\x01\0\0\0abcdefgh\0\xff\xff\x21\x02\0\xff\xff\x15\0\0\0\0\0\0\0\0\0\0abcdefg\0"),
            (b"\x20\0\0\x01\x00\x8a\x08\x00\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", b""),
        ],
    ),
    (
        "xmpp",
        &[
            (
                b"to='localhost' version='1.0'>",
                b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' id='1'><stream:features>\
                  <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
            ),
            (b"xmpp-tls'/>", b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        ],
    ),
    (
        "xmpp-server",
        &[
            (
                b"to='localhost' version='1.0'>",
                b"<stream:stream xmlns='jabber:server'><stream:features>\
                  <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>",
            ),
            (b"xmpp-tls'/>", b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'></proceed>"),
        ],
    ),
    ("sieve", &[(b"", b"\"SIEVE\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\n"), (b"STARTTLS\r\n", b"OK\r\n")]),
    ("nntp", &[(b"", b"200 news\r\n"), (b"STARTTLS\r\n", b"382 go\r\n")]),
];

#[test]
fn each_protocol_leads_to_its_certificate() {
    for (scheme, script) in SCRIPTS {
        let pair = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
        let at = stub(&pair, script);
        let endpoint: Endpoint = format!("{scheme}://localhost:{}", at.port()).parse().unwrap();
        let served = ask(&endpoint, None, LIMIT).unwrap_or_else(|error| panic!("{scheme}: {error}"));
        assert_eq!(served.chain, [pair.leaf()], "{scheme}");
        assert!(served.proved && served.address == at, "{scheme}");
        assert_eq!(ask_at(at, &endpoint, None, LIMIT).unwrap(), served);
    }
}

#[test]
fn openssl_agrees_on_how_the_protocols_begin() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: needs the openssl program");
        return;
    }
    // What the stubs accept from us they must accept from another client too, or they prove nothing about real servers.
    for (scheme, script) in SCRIPTS {
        // Its own EHLO name, tag, and XMPP header differ; it has neither sieve's literals nor xmpp's other namespace.
        if !["pop3", "ftp", "ldap", "postgres"].contains(scheme) {
            continue;
        }
        let at = stub(&Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256), script);
        let ran = Command::new("openssl")
            .args(["s_client", "-brief", "-starttls", scheme, "-connect", &at.to_string()])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(said.contains("CONNECTION ESTABLISHED"), "{scheme}: {said}");
    }
}

#[test]
fn the_limit_holds_before_tls_too_and_names_the_stage() {
    let silent = serve(|stream| {
        thread::sleep(Duration::from_secs(3));
        drop(stream);
    });
    for scheme in ["smtp", "imap", "ldap", "postgres", "mysql", "xmpp"] {
        let endpoint: Endpoint = format!("{scheme}://{silent}").parse().unwrap();
        let began = Instant::now();
        let error = ask(&endpoint, None, Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, ProbeError::Timeout { stage: Stage::StartTls, .. }), "{scheme}: {error:?}");
        assert_eq!(error.to_string(), format!("no answer in time while asking for TLS at {silent}"));
        assert!(began.elapsed() < Duration::from_millis(2500));
    }
}

#[test]
fn a_service_in_plain_text_is_named_with_what_to_do() {
    let at = serve(|mut stream| {
        let _ = stream.write_all(b"220 mx.example ESMTP\r\n");
        let _ = stream.read(&mut [0; 4096]);
    });
    let error = handshake_at(at, None, None, LIMIT).unwrap_err();
    assert_eq!(error.code(), "not-tls");
    assert!(error.to_string().ends_with("SMTP or FTP, which begins with \"220 mx.example ESMTP\""), "{error}");
    assert!(error.hint().unwrap().contains("smtp://host:port"));
}

/// Whoever asks a port in plain text that speaks TLS at once is told so, and no handshake is blamed that was not begun.
#[test]
fn a_port_that_does_not_begin_in_plain_text_is_named_with_what_to_do() {
    let told = |said: &'static [u8], scheme: &str| {
        let at = serve(move |mut stream| {
            let _ = stream.write_all(said);
            if !said.is_empty() {
                let _ = stream.read(&mut [0; 4096]);
            }
        });
        let endpoint: Endpoint = format!("{scheme}://{at}").parse().unwrap();
        let error = ask(&endpoint, None, LIMIT).unwrap_err();
        let hint = error.hint().unwrap_or_default();
        (error.code(), error.to_string().replace(&at.to_string(), "HERE"), hint)
    };
    let (code, words, hint) = told(b"", "smtp");
    assert_eq!((code, &*words), ("reset", "HERE does not begin TLS within SMTP: the server hangs up without a word"));
    assert!(hint.contains("HOST:PORT"), "{hint}");
    let (code, words, _) = told(b"+OK ready\r\n", "pop3");
    assert_eq!(
        (code, &*words),
        ("starttls-refused", "HERE does not begin TLS within POP3: the server hangs up when it is asked")
    );
    let silent = serve(|stream| {
        thread::sleep(Duration::from_secs(3));
        drop(stream);
    });
    let endpoint: Endpoint = format!("imap://{silent}").parse().unwrap();
    let error = ask(&endpoint, None, Duration::from_millis(300)).unwrap_err();
    assert!(error.hint().unwrap().contains("speaks TLS at once"), "{error}");
}

/// A machine without files to open says nothing of a server.
#[test]
fn what_this_machine_cannot_do_is_told_as_its_own() {
    let source = rustix::io::Errno::MFILE.into();
    let error = ProbeError::Connect { address: nobody(), source };
    assert!(error.to_string().starts_with("this machine cannot ask 127.0.0."), "{error}");
    assert!(error.hint().unwrap().contains("ulimit -n"));
    let error = ProbeError::Connect { address: nobody(), source: io::ErrorKind::HostUnreachable.into() };
    assert!(error.to_string().starts_with("reach "), "{error}");
}
