use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::{fmt, thread};

use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    ProtocolVersion, RootCertStore, ServerConfig, ServerConnection, SignatureScheme, SupportedProtocolVersion,
};

use super::*;

#[cfg(test)]
mod misbehaving;
#[cfg(test)]
mod old_servers;
#[cfg(test)]
mod plain_text;

pub(super) const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn every_kind_of_key_is_seen_and_proved() {
    let kinds =
        [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ED25519];
    for kind in kinds {
        for &version in rustls::ALL_VERSIONS {
            let pair = Pair::new(kind);
            let at = pair.clone().serve(&[version]);
            let served = handshake_at(at, Some("localhost"), None, LIMIT).unwrap();
            assert_eq!(served.chain, [pair.leaf()], "{kind:?} {version:?}");
            assert!(served.proved, "{kind:?} {version:?}");
            assert_eq!(served.address, at);
            let expected = if version.version == ProtocolVersion::TLSv1_3 { Version::Tls13 } else { Version::Tls12 };
            assert_eq!(served.version, expected);
        }
    }
    let p521 = Pair::new(&rcgen::PKCS_ECDSA_P521_SHA512);
    let served = handshake_at(p521.clone().serve(&[&rustls::version::TLS13]), None, None, LIMIT).unwrap();
    assert!(served.proved && served.chain == [p521.leaf()]);
}

#[test]
fn a_server_without_the_leafs_key_proves_nothing() {
    for kind in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256] {
        for &version in rustls::ALL_VERSIONS {
            let shown = Pair::new(kind);
            let imposter = Pair { key: Pair::new(kind).key, ..shown.clone() };
            let served = handshake_at(imposter.serve(&[version]), None, None, LIMIT).unwrap();
            assert_eq!(served.chain, [shown.leaf()]);
            assert_eq!((served.proved, served.refuted), (false, true), "{kind:?} {version:?}");
        }
    }
}

#[test]
fn of_two_pairs_the_wanted_one_is_shown() {
    let rsa = Pair::new(&rcgen::PKCS_RSA_SHA256);
    let ecdsa = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    for &version in rustls::ALL_VERSIONS {
        // Each server prefers the other kind, so that the choice is ours.
        for (family, first, second) in [(KeyFamily::Rsa, &ecdsa, &rsa), (KeyFamily::Ecdsa, &rsa, &ecdsa)] {
            let both = Both { first: first.certified(), second: second.certified() };
            let at = serve_tls(server_config(&[version], Arc::new(both)));
            let served = handshake_at(at, None, Some(family), LIMIT).unwrap();
            assert_eq!(served.chain, [second.leaf()], "{family:?} {version:?}");
            assert!(served.proved);
            assert_eq!(handshake_at(at, None, None, LIMIT).unwrap().chain, [first.leaf()]);
        }
        let other = handshake_at(rsa.clone().serve(&[version]), None, Some(KeyFamily::Ecdsa), LIMIT).unwrap_err();
        assert!(matches!(other, ProbeError::Alert { ref alert, .. } if alert == "handshake_failure"), "{other}");
    }
}

#[test]
fn cipher_suites_are_of_the_family_too() {
    let kinds = [
        (KeyFamily::Rsa, rustls::SignatureAlgorithm::RSA, "ECDHE_ECDSA"),
        (KeyFamily::Ecdsa, rustls::SignatureAlgorithm::ECDSA, "ECDHE_RSA"),
    ];
    for (family, kind, foreign) in kinds {
        let (config, _) =
            witness::client(witness::Way { family: Some(family), post_quantum: true, early: false }).unwrap();
        let suites = &config.crypto_provider().cipher_suites;
        assert!(suites.iter().any(|suite| suite.usable_for_signature_algorithm(kind) && suite.tls13().is_none()));
        assert!(!suites.iter().any(|suite| format!("{suite:?}").contains(foreign)), "{suites:?}");
    }
}

/// The message names what is offered, so that whoever reads it can tell the server's fault from a limit of ours.
#[test]
fn what_is_offered_in_tls13_is_what_the_message_says() {
    let way = witness::Way { family: None, post_quantum: true, early: false };
    let (config, _) = witness::client(way).unwrap();
    let provider = config.crypto_provider();
    let groups = provider.kx_groups.iter().map(|group| format!("{:?}", group.name()));
    let groups: Vec<String> =
        groups.map(|name| name.strip_prefix("secp").map_or(name.clone(), |bits| format!("P-{}", &bits[..3]))).collect();
    let suites = provider.cipher_suites.iter().filter(|suite| suite.tls13().is_some());
    let mut suites: Vec<String> = suites
        .map(|suite| {
            let name = format!("{:?}", suite.suite());
            let cipher = name.trim_start_matches("TLS13_").rsplit_once('_').unwrap().0;
            cipher.replace("CHACHA20_POLY1305", "ChaCha20-Poly1305").replace('_', "-")
        })
        .collect();
    suites.sort();
    assert_eq!(failure::OFFERED_TLS13, format!("{} with {}", groups.join(", "), suites.join(", ")));
}

#[test]
fn the_name_asked_for_reaches_the_server() {
    let cases = [
        (Some("www.example.org"), Some("www.example.org")),
        (Some("www.example.org."), Some("www.example.org")),
        (Some("my_host.example"), Some("my_host.example")),
        (Some("b\u{fc}cher.example"), Some("xn--bcher-kva.example")),
        (Some("127.0.0.1"), None),
        (Some("[::1]"), None),
        (None, None),
    ];
    for (asked, heard) in cases {
        let ear = Arc::new(Ear { pair: Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256), heard: Mutex::default() });
        let at = serve_tls(server_config(rustls::ALL_VERSIONS, Arc::clone(&ear) as Arc<dyn ResolvesServerCert>));
        assert!(handshake_at(at, asked, None, LIMIT).unwrap().proved, "{asked:?}");
        assert_eq!(*ear.heard.lock().unwrap(), [heard.map(str::to_owned)], "{asked:?}");
    }
    for wrong in ["", "*.example.org", "a b", "a..b"] {
        let error = handshake("127.0.0.1:1", Some(wrong), None, LIMIT).unwrap_err();
        assert!(matches!(error, ProbeError::Name { .. }), "{wrong:?}: {error}");
    }
}

#[test]
fn no_session_is_resumed() {
    let pair = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    for &version in rustls::ALL_VERSIONS {
        let at = pair.clone().serve(&[version]);
        for _ in 0..3 {
            assert_eq!(handshake_at(at, Some("localhost"), None, LIMIT).unwrap().chain, [pair.leaf()]);
        }
    }
}

#[test]
fn a_server_that_demands_a_certificate_has_shown_its_own() {
    let pair = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(pair.leaf())).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    for &version in rustls::ALL_VERSIONS {
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(Arc::clone(&verifier))
            .with_cert_resolver(Arc::new(One(pair.certified())));
        let served = handshake_at(serve_tls(config), None, None, LIMIT).unwrap();
        assert!(served.proved && served.chain == [pair.leaf()], "{version:?}");
    }
}

#[test]
fn a_hundred_certificates_and_no_more() {
    let pair = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    for &version in rustls::ALL_VERSIONS {
        let at = |count| Pair { chain: vec![pair.leaf(); count], ..pair.clone() }.serve(&[version]);
        assert_eq!(handshake_at(at(100), None, None, LIMIT).unwrap().chain.len(), 100);
        let error = handshake_at(at(101), None, None, LIMIT).unwrap_err();
        assert!(matches!(error, ProbeError::Oversized { .. }), "{error:?}");
    }
}

#[test]
fn misbehaving_servers_are_told_apart() {
    type Expected = fn(&ProbeError) -> bool;
    let cases: [(&str, &[u8], Expected, &str); 12] = [
        ("http", b"HTTP/1.1 400 Bad Request\r\n\r\n", is_not_tls, "plain HTTP"),
        ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n", is_not_tls, "begins with \"SSH-2.0-OpenSSH_9.2\""),
        ("escape", b"\x1b]52;c;x\x07", is_not_tls, r#""\x1b]52;c;x\x07""#),
        ("empty line", b"\n", is_not_tls, "begins with \"\""),
        ("alert", b"\x15\x03\x03\x00\x02\x02\x28", is_alert, "the alert handshake_failure"),
        ("unknown name", b"\x15\x03\x03\x00\x02\x02\x70", is_alert, "the alert unrecognized_name"),
        ("old", b"\x15\x03\x01\x00\x02\x02\x46", is_alert, "the alert protocol_version"),
        ("no such alert", b"\x15\x03\x03\x00\x02\x02\xc8", is_alert, "the alert 200"),
        ("close notify", b"\x15\x03\x03\x00\x02\x01\x00", |e| matches!(e, ProbeError::Reset { .. }), "hung up"),
        ("huge", b"\x16\x03\x03\x00\x04\x02\xff\xff\xff", |e| matches!(e, ProbeError::Oversized { .. }), "too much"),
        ("nonsense", b"\x16\x03\x03\x00\x04\x63\x00\x00\x00", |e| matches!(e, ProbeError::Tls { .. }), "handshake"),
        ("nothing", b"", |e| matches!(e, ProbeError::Reset { .. }), "hung up"),
    ];
    for (case, answer, expected, text) in cases {
        let at = serve(move |mut stream| {
            await_hello(&mut stream);
            let _ = stream.write_all(answer);
        });
        let error = handshake_at(at, None, None, LIMIT).unwrap_err();
        assert!(expected(&error), "{case}: {error:?}");
        assert!(error.to_string().contains(text), "{case}: {error}");
    }
}

#[test]
fn an_endless_flood_ends_at_the_limit_of_bytes_or_before() {
    // Each record is well-formed: a piece of a handshake message that is announced as 65,535 bytes and never ends.
    let at = serve(|mut stream| {
        await_hello(&mut stream);
        let _ = stream.write_all(b"\x16\x03\x03\x00\x04\x02\x00\xff\xff");
        let record = [b"\x16\x03\x03\x40\x00".as_slice(), &[0; 0x4000]].concat();
        while stream.write_all(&record).is_ok() {}
    });
    let start = Instant::now();
    let error = handshake_at(at, None, None, LIMIT).unwrap_err();
    assert!(!matches!(error, ProbeError::Timeout { .. }), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(6));
}

#[test]
fn one_deadline_for_everything() {
    let limit = Duration::from_millis(500);
    let silent = serve(|stream| {
        thread::sleep(Duration::from_secs(3));
        drop(stream);
    });
    let trickle = serve(|mut stream| {
        for byte in b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc".iter().chain([0; 64].iter()) {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    // Nobody accepts: the kernel completes the connection, and no more.
    let idle = TcpListener::bind("127.0.0.1:0").unwrap();
    for at in [silent, trickle, idle.local_addr().unwrap()] {
        let start = Instant::now();
        let error = handshake_at(at, None, None, limit).unwrap_err();
        assert!(matches!(error, ProbeError::Timeout { stage: Stage::Handshake, .. }), "{error:?}");
        assert!(start.elapsed() >= limit && start.elapsed() < limit * 5, "{:?}", start.elapsed());
    }
    let error = handshake_at(silent, None, None, Duration::ZERO).unwrap_err();
    assert!(matches!(error, ProbeError::Timeout { stage: Stage::Connect, .. }), "{error:?}");
}

#[test]
fn resets_and_refusals() {
    // A socket closed with something unread in it sends a reset.
    let rude = serve(|mut stream| {
        let _ = stream.read(&mut [0; 1]);
    });
    let error = handshake_at(rude, None, None, LIMIT).unwrap_err();
    assert!(matches!(error, ProbeError::Reset { .. }), "{error:?}");

    let error = handshake_at(nobody(), None, None, LIMIT).unwrap_err();
    assert!(matches!(error, ProbeError::Refused { .. }), "{error:?}");
}

#[test]
fn cut_off_anywhere_ends_at_once() {
    let pair = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let at = pair.clone().serve(rustls::ALL_VERSIONS);
    let mut whole = false;
    for cut in (0..60).chain((60..4000).step_by(37)) {
        let start = Instant::now();
        match handshake_at(cut_after(at, cut), None, None, LIMIT) {
            Ok(served) => {
                assert!(served.proved && cut > pair.leaf().len());
                whole = true;
            }
            Err(error) => {
                assert!(!whole, "{cut}: {error}");
                assert!(matches!(error, ProbeError::Reset { .. }), "{cut}: {error:?}");
            }
        }
        assert!(start.elapsed() < Duration::from_secs(4), "{cut}");
    }
    assert!(whole, "the handshake is longer than was tried");
}

#[test]
fn addresses_are_resolved() {
    let both: SocketAddr = "[::1]:443".parse().unwrap();
    assert_eq!(resolve("[::1]:443", LIMIT).unwrap(), [both]);
    assert!(resolve("localhost:443", LIMIT).unwrap().iter().all(|one| one.ip().is_loopback() && one.port() == 443));
    for wrong in ["localhost", "localhost:x", "", "::1:443:"] {
        let error = resolve(wrong, LIMIT).unwrap_err();
        assert!(matches!(error, ProbeError::Resolve { .. }), "{wrong:?}: {error:?}");
    }
}

#[test]
fn the_first_address_that_accepts_is_used() {
    let pair = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let good = pair.clone().serve(rustls::ALL_VERSIONS);
    let among = |addresses: &[SocketAddr]| {
        let wanted = wanted(None, Start::Tls, None).unwrap();
        Quest::new(wanted, "host:1".to_owned(), addresses.to_vec(), deadline(LIMIT)).finish()
    };
    let served = among(&[nobody(), good]).unwrap();
    assert_eq!(served.address, good);
    assert_eq!(handshake(&format!("localhost:{}", good.port()), None, None, LIMIT).unwrap().chain, [pair.leaf()]);

    let error = among(&[nobody(), nobody()]).unwrap_err();
    assert!(matches!(error, ProbeError::Refused { .. }), "{error:?}");
    let error = among(&[]).unwrap_err();
    assert_eq!(error.to_string(), "look up host:1");
}

#[test]
fn ipv6_addresses_are_asked_and_never_sent_as_names() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        eprintln!("skipped: needs IPv6 on the loopback interface");
        return;
    };
    let at = listener.local_addr().unwrap();
    let ear = Arc::new(Ear { pair: Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256), heard: Mutex::default() });
    let config = server_config(rustls::ALL_VERSIONS, Arc::clone(&ear) as Arc<dyn ResolvesServerCert>);
    let config = Arc::new(config);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        }
    });
    let endpoint: Endpoint = at.to_string().parse().unwrap();
    assert!(ask(&endpoint, None, LIMIT).unwrap().proved);
    let named = endpoint.clone().named(crate::endpoint::Sni::Name("b\u{fc}cher.example".to_owned()));
    assert!(ask(&named, None, LIMIT).unwrap().proved);
    assert!(ask(&endpoint.named(crate::endpoint::Sni::Nothing), None, LIMIT).unwrap().proved);
    assert!(handshake(&at.to_string(), Some("fe80::1%eth0"), None, LIMIT).unwrap().proved);
    let heard = ear.heard.lock().unwrap().clone();
    assert_eq!(heard, [None, Some("xn--bcher-kva.example".to_owned()), None, None]);
}

#[test]
fn of_several_failures_the_one_that_says_most_is_told() {
    let address = nobody();
    let unreached = |kind: io::ErrorKind| ProbeError::Connect { address, source: kind.into() };
    let rising = [
        unreached(io::ErrorKind::AddrNotAvailable),
        ProbeError::Refused { address },
        unreached(io::ErrorKind::HostUnreachable),
        ProbeError::Timeout { stage: Stage::Connect, address: address.to_string() },
    ];
    assert!(rising.is_sorted_by(|a, b| a.weight() < b.weight()));
}

#[test]
fn openssl_shows_each_of_its_pairs() {
    let Some(directory) = openssl_pairs(&["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256"]) else { return };
    let pairs = ["-cert", "c0.pem", "-key", "k0.pem", "-dcert", "c1.pem", "-dkey", "k1.pem"];
    for (version, expected) in [("-tls1_2", Version::Tls12), ("-tls1_3", Version::Tls13)] {
        let server = OpensslServer::start(directory.path(), &[&pairs[..], &[version]].concat());
        for (family, file) in [(KeyFamily::Rsa, "c0.pem"), (KeyFamily::Ecdsa, "c1.pem")] {
            let served = handshake_at(server.at, Some("localhost"), Some(family), LIMIT).unwrap();
            assert_eq!(served.chain, [pem_der(&directory.path().join(file))], "{family:?} {version}");
            assert!(served.proved);
            assert_eq!(served.version, expected);
        }
    }
}

#[test]
fn openssl_with_odd_keys_and_old_ways() {
    let kinds = ["ec -pkeyopt ec_paramgen_curve:P-521", "ed448", "rsa:1024"];
    let Some(directory) = openssl_pairs(&kinds) else { return };
    let see = |number: usize, options: &[&str]| {
        let (cert, key) = (format!("c{number}.pem"), format!("k{number}.pem"));
        let server = OpensslServer::start(directory.path(), &[&["-cert", &cert, "-key", &key], options].concat());
        let result = handshake_at(server.at, Some("localhost"), None, LIMIT);
        (result, pem_der(&directory.path().join(&cert)))
    };
    for (number, proved) in [(0, true), (1, false), (2, false)] {
        let (result, leaf) = see(number, &["-cipher", "ALL:@SECLEVEL=0"]);
        let served = result.unwrap();
        assert_eq!(served.chain, [leaf], "{}", kinds[number]);
        assert_eq!((served.proved, served.refuted), (proved, false), "{}", kinds[number]);
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let (result, leaf) = see(0, &[version, "-Verify", "1", "-verify_return_error"]);
        let served = result.unwrap();
        // OpenSSL shows it in TLS 1.2 only to whoever names the curve among the groups.
        assert_eq!((served.raw, served.proved), (false, true), "{version}");
        assert_eq!(served.chain, [leaf], "{version}");
    }
}

/// A well-behaved server, and its leaf.
pub(in crate::host) fn a_server() -> (SocketAddr, Vec<u8>) {
    let pair = Pair::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    (pair.clone().serve(rustls::ALL_VERSIONS), pair.leaf())
}

fn is_not_tls(error: &ProbeError) -> bool {
    matches!(error, ProbeError::NotTls { .. })
}

fn is_alert(error: &ProbeError) -> bool {
    matches!(error, ProbeError::Alert { .. })
}

/// Runs `talk` for each connection, on threads that live as long as the test.
pub(super) fn serve(talk: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let talk = Arc::new(talk);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let talk = Arc::clone(&talk);
            thread::spawn(move || talk(stream));
        }
    });
    at
}

pub(super) fn serve_tls(config: ServerConfig) -> SocketAddr {
    let config = Arc::new(config);
    serve(move |mut stream| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        while tls.is_handshaking() {
            if tls.complete_io(&mut stream).is_err() {
                break;
            }
        }
        // The alert, if there is one, went out; closing now with nothing unread spares the client a reset.
        let _ = tls.write_tls(&mut stream);
        let _ = stream.read(&mut [0; 1024]);
    })
}

/// A proxy to `at` that hangs up after so many bytes from the server.
fn cut_after(at: SocketAddr, mut bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(at).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from_client, &mut to_server));
        let mut piece = [0; 4096];
        while bytes > 0 {
            let wanted = bytes.min(piece.len());
            let Ok(count @ 1..) = server.read(&mut piece[..wanted]) else { break };
            let _ = client.write_all(&piece[..count]);
            bytes -= count;
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
    });
    here
}

/// Reads the client's hello to its end, so that closing sends no reset.
pub(super) fn await_hello(stream: &mut TcpStream) {
    let mut header = [0; 5];
    stream.read_exact(&mut header).unwrap();
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    stream.read_exact(&mut vec![0; length]).unwrap();
}

/// An address of its own, so that no other test takes the port meanwhile.
pub(super) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.77:0").unwrap().local_addr().unwrap()
}

#[derive(Clone)]
pub(super) struct Pair {
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) key: Vec<u8>,
}

impl Pair {
    pub(super) fn new(kind: &'static SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(kind).unwrap();
        let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { chain: vec![leaf.der().to_vec()], key: key.serialize_der() }
    }

    pub(super) fn leaf(&self) -> Vec<u8> {
        self.chain[0].clone()
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let chain = self.chain.iter().cloned().map(CertificateDer::from).collect();
        Arc::new(CertifiedKey::new(chain, aws_lc_rs::sign::any_supported_type(&key).unwrap()))
    }

    pub(super) fn serve(self, versions: &[&'static SupportedProtocolVersion]) -> SocketAddr {
        serve_tls(server_config(versions, Arc::new(One(self.certified()))))
    }
}

pub(super) fn server_config(
    versions: &[&'static SupportedProtocolVersion],
    resolver: Arc<dyn ResolvesServerCert>,
) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver)
}

#[derive(Debug)]
pub(super) struct One(pub(super) Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Shows the first pair if the client takes signatures by its key, else the second.
#[derive(Debug)]
struct Both {
    first: Arc<CertifiedKey>,
    second: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Both {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let taken = self.first.key.choose_scheme(hello.signature_schemes()).is_some();
        Some(Arc::clone(if taken { &self.first } else { &self.second }))
    }
}

struct Ear {
    pair: Pair,
    heard: Mutex<Vec<Option<String>>>,
}

impl fmt::Debug for Ear {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Ear")
    }
}

impl ResolvesServerCert for Ear {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        assert!(hello.signature_schemes().contains(&SignatureScheme::ED448), "old and odd servers are offered theirs");
        assert!(hello.alpn().is_none());
        self.heard.lock().unwrap().push(hello.server_name().map(str::to_owned));
        Some(self.pair.certified())
    }
}

/// A directory with `c0.pem`, `k0.pem` and so on, for each kind as `openssl req -newkey` takes it.
pub(super) fn openssl_pairs(kinds: &[&str]) -> Option<tempfile::TempDir> {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: needs the openssl program");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    for (number, kind) in kinds.iter().enumerate() {
        let made = Command::new("openssl")
            .current_dir(directory.path())
            .args(["req", "-x509", "-nodes", "-subj", "/CN=localhost", "-days", "2", "-newkey"])
            .args(kind.split(' '))
            .args(["-keyout", &format!("k{number}.pem"), "-out", &format!("c{number}.pem")])
            .output()
            .unwrap();
        assert!(made.status.success(), "{kind}: {}", String::from_utf8_lossy(&made.stderr));
    }
    Some(directory)
}

pub(super) fn pem_der(path: &Path) -> Vec<u8> {
    pem::parse(std::fs::read(path).unwrap()).unwrap().into_contents()
}

pub(super) struct OpensslServer {
    child: Child,
    pub(super) at: SocketAddr,
}

impl OpensslServer {
    pub(super) fn start(directory: &Path, options: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .current_dir(directory)
            .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "openssl s_server {options:?} did not begin");
        }
        // Whoever reads no more would stop the server at its next line.
        thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        let at = line.trim_start_matches("ACCEPT ").trim().parse().unwrap();
        Self { child, at }
    }
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
