//! What the listeners of a target show is told by the codes that the same servers get when they are named one by one.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCertUsingSni;
use rustls::{ServerConfig, ServerConnection};
use serde_json::Value;

use crate::bench::{Bench, Leaf};

/// A server that says this as soon as it hears something, or at once, and hangs up; until the test ends.
fn says(greeting: &'static [u8], answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut heard = [0; 4096];
            let _ = stream.write_all(greeting);
            if !matches!(stream.read(&mut heard), Ok(0) | Err(_)) {
                let _ = stream.write_all(answer);
                // Unread bytes would turn the end into a reset before the answer is read.
                let _ = stream.shutdown(std::net::Shutdown::Write);
                while matches!(stream.read(&mut heard), Ok(1..)) {}
            }
        }
    });
    address
}

/// A TLS server with these pairs: the first for whoever names nobody, the second for whoever names www.example.org.
pub fn tls(by_default: Option<&(String, String)>, named: &(String, String)) -> SocketAddr {
    tls_at(TcpListener::bind("127.0.0.1:0").unwrap(), by_default, named)
}

fn tls_at(listener: TcpListener, by_default: Option<&(String, String)>, named: &(String, String)) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certified = |(chain, key): &(String, String)| {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        rustls::sign::CertifiedKey::from_der(chain, key, &provider).unwrap()
    };
    let mut by_name = ResolvesServerCertUsingSni::new();
    by_name.add("www.example.org", certified(named)).unwrap();
    let resolver = Arc::new(Resolver { by_name, other: by_default.map(|pair| Arc::new(certified(pair))) });
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    serve(listener, config.with_no_client_auth().with_cert_resolver(resolver))
}

fn serve(listener: TcpListener, config: ServerConfig) -> SocketAddr {
    let config = Arc::new(config);
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = stream.unwrap();
            thread::spawn(move || while matches!(connection.complete_io(&mut stream), Ok((1.., _))) {});
        }
    });
    address
}

#[derive(Debug)]
struct Resolver {
    by_name: ResolvesServerCertUsingSni,
    other: Option<Arc<rustls::sign::CertifiedKey>>,
}

impl rustls::server::ResolvesServerCert for Resolver {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        if hello.server_name().is_some() { self.by_name.resolve(hello) } else { self.other.clone() }
    }
}

/// The codes of the findings whose message begins with this.
pub fn codes(answer: &Value, beginning: &str) -> BTreeSet<String> {
    let findings = answer["results"][0]["findings"].as_array().unwrap();
    let about = findings.iter().filter(|finding| finding["message"].as_str().unwrap().contains(beginning));
    about.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_listener_that_shows_nothing_is_told_by_its_reason() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endless: &[u8] = Box::leak(b"220-mail\r\n".repeat(10_000).into_boxed_slice());
    let doors = [
        ("", says(b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"), "plain-http"),
        ("", says(b"SSH-2.0-x\r\n", b""), "not-tls"),
        ("", free, "refused"),
        ("", says(b"", b""), "reset"),
        ("", says(b"", b"\x15\x03\x03\x00\x02\x02\x28"), "alert"),
        // Every version is answered so: none that is too old was seen.
        ("", says(b"", b"\x15\x03\x03\x00\x02\x02\x46"), "alert"),
        ("", says(b"", b"\x16\x03\x03\x00\x04\x0b\xff\xff\xff"), "oversized"),
        ("smtp://", says(b"220 mail\r\n", b"250 mail\r\n"), "starttls-refused"),
        ("smtp://", says(endless, b""), "oversized"),
        ("smtp://", says(b"220 mail\r\n", b"504 5.5.2 need fully-qualified hostname\r\n"), "handshake-fails"),
        ("smtp://", says(b"", b""), "timeout"),
        ("", silent.local_addr().unwrap(), "timeout"),
    ];
    let bench = Bench::new();
    let listen: Vec<String> = doors.iter().map(|(scheme, at, _)| format!("\"{scheme}{at}\"")).collect();
    bench.configure(&format!("listen = [{}]\n[target.policy]\nprobe_timeout = 2\n", listen.join(", ")));
    let target = bench.json(&["check", "web"]);
    for (scheme, at, code) in doors {
        let server = format!("{scheme}{at}");
        let expected = BTreeSet::from([code.to_owned()]);
        assert_eq!(codes(&bench.json(&["check", &server]), ""), expected, "{server}");
        assert_eq!(codes(&target, &format!("{server} (www.example.org)")), expected, "{server}: {target}");
    }
    assert!(target.to_string().contains("where it is plain text before TLS, check the port"), "{target}");
    // What the files are is told as well, and once.
    assert_eq!(codes(&target, "www.example.org signed itself"), BTreeSet::from(["self-signed".to_owned()]));
}

/// Prefers one pair, and has another that it reads at each handshake, for clients that take no other kind of key.
#[derive(Debug)]
struct Two {
    preferred: Arc<rustls::sign::CertifiedKey>,
    files: [std::path::PathBuf; 2],
}

fn certified(chain: &str, key: &str) -> Arc<rustls::sign::CertifiedKey> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Arc::new(rustls::sign::CertifiedKey::from_der(chain, key, &provider).unwrap())
}

impl rustls::server::ResolvesServerCert for Two {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        if self.preferred.key.choose_scheme(hello.signature_schemes()).is_some() {
            return Some(Arc::clone(&self.preferred));
        }
        let [chain, key] = self.files.each_ref().map(|path| fs::read_to_string(path).unwrap());
        Some(certified(&chain, &key))
    }
}

/// Of a server with two pairs, a target of files has one: it is judged and proved by the handshakes that get it.
#[test]
fn the_pair_that_a_server_with_two_does_not_prefer_is_seen_and_installed() {
    let bench = Bench::new();
    let rsa = |days| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        (Leaf { days, ..Leaf::default() }.of_key(&key), key.serialize_pem())
    };
    let (old, new) = (rsa(60), rsa(80));
    bench.write("web.pem", &old.0, 0o644);
    bench.write("web.key", &old.1, 0o600);
    let preferred = Leaf::default().make();
    let two =
        Two { preferred: certified(&preferred.0, &preferred.1), files: [bench.path("web.pem"), bench.path("web.key")] };
    let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(two));
    let at = serve(TcpListener::bind("127.0.0.1:0").unwrap(), config);
    bench.configure(&format!("listen = [\"{at}\"]\nreload = [\"/bin/true\"]\n[target.policy]\nsettle = 0\n"));

    let told = |answer: &Value| {
        let mut codes = codes(answer, "");
        codes.remove("rfc5280-profile");
        codes
    };
    let checked = bench.json(&["check", "web"]);
    assert_eq!(told(&checked), BTreeSet::new(), "{checked}");

    let (chain, key) = (bench.write("new.pem", &new.0, 0o644), bench.write("new.key", &new.1, 0o600));
    let installed = bench.json(&["install", "web", "--cert", &chain, "--key", &key]);
    assert_eq!(installed["exit"], 0, "{installed}");
    assert_ne!(bench.served(), old.0);
    let checked = bench.json(&["check", "web"]);
    assert_eq!(told(&checked), BTreeSet::new(), "{checked}");

    // It is the same listener to an upgrade.
    let after = bench.json(&["post-upgrade", "web"]);
    assert!(after["exit"] == 0 && !after.to_string().contains("has it no more"), "{after}");

    // A pair that the server has nowhere is told as before.
    let stranger = Leaf::default().make();
    bench.write("web.pem", &stranger.0, 0o644);
    bench.write("web.key", &stranger.1, 0o600);
    assert!(told(&bench.json(&["check", "web"])).contains("not-served"));
}

#[test]
fn what_a_listener_sends_is_held_against_the_files() {
    let bench = Bench::new();
    let good = Leaf::default().make();
    let old = Leaf { self_signed: true, common_name: "appliance", ..Leaf::default() }.make();
    bench.write("web.pem", &good.0, 0o644);
    bench.write("web.key", &good.1, 0o600);
    let (fresh, behind) = (tls(Some(&old), &good), tls(None, &old));
    let check = |listen: &[SocketAddr]| {
        let listen: Vec<String> = listen.iter().map(|at| format!("\"{at}\"")).collect();
        bench.configure(&format!("listen = [{}]\n", listen.join(", ")));
        bench.json(&["check", "web"])
    };
    let all = |answer: &Value| {
        let mut codes = codes(answer, "");
        codes.remove("rfc5280-profile");
        codes
    };
    let set = |codes: &[&str]| codes.iter().map(ToString::to_string).collect::<BTreeSet<_>>();

    let answer = check(&[fresh]);
    assert_eq!(all(&answer), set(&["other-by-default"]), "{answer}");
    assert_eq!(answer["exit"], 0, "it is a note: {answer}");

    let answer = check(&[behind]);
    assert_eq!(all(&answer), set(&["not-served", "self-signed"]), "{answer}");
    let place = format!("{behind} (www.example.org): what is served instead: appliance signed itself");
    assert_eq!(codes(&answer, &place), set(&["self-signed"]), "{answer}");
    let remedies = answer["results"][0]["findings"].as_array().unwrap().iter().map(|one| one["remedy"].to_string());
    let remedies: Vec<String> = remedies.filter(|remedy| !remedy.contains("tell the CA")).collect();
    assert!(remedies.len() == 2 && remedies.iter().all(|remedy| remedy.contains(" renew web --live`")), "{answer}");

    let answer = check(&[fresh, behind]);
    assert_eq!(all(&answer), set(&["other-by-default", "partly-served", "self-signed"]), "{answer}");
    assert!(fs::read_dir(bench.path("state")).is_err(), "it changes nothing");
}

/// The outage that begins on some machines: one address of a name is behind.
#[test]
fn an_address_that_is_behind_is_told_by_itself() {
    let addresses: Vec<SocketAddr> = ("localhost", 0).to_socket_addrs().unwrap().collect();
    let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = v4.local_addr().unwrap().port();
    let (Ok(v6), true) = (TcpListener::bind(("::1", port)), addresses.iter().any(SocketAddr::is_ipv6)) else {
        println!("skipped: localhost has one address");
        return;
    };
    let bench = Bench::new();
    let (good, old) = (Leaf::default().make(), Leaf { days: 3, ..Leaf::default() }.make());
    bench.write("web.pem", &good.0, 0o644);
    bench.write("web.key", &good.1, 0o600);
    tls_at(v4, None, &good);
    let behind = tls_at(v6, None, &old);
    bench.configure(&format!("listen = [\"localhost:{port}\"]\n"));
    let answer = bench.json(&["check", "web"]);
    assert_eq!(
        codes(&answer, &format!("{behind} (www.example.org) serves certificate ")),
        BTreeSet::from(["partly-served".to_owned()])
    );
    let instead = codes(&answer, &format!("{behind} (www.example.org): what is served instead: "));
    assert!(instead.contains("expiring") || instead.contains("ends-soon"), "{answer}");
    assert_eq!(codes(&answer, &format!("127.0.0.1:{port}")), BTreeSet::new(), "the other is good: {answer}");
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_old_protocol_or_suite_is_told_of_a_listener_as_of_a_server() {
    let bench = Bench::new();
    let (certificate, key) = Leaf::default().make();
    let paths = (bench.write("web.pem", &certificate, 0o644), bench.write("web.key", &key, 0o600));
    let conf = bench.write(
        "openssl.cnf",
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nCipherString = ALL:@SECLEVEL=0\nMinProtocol = TLSv1\n",
        0o644,
    );
    let cases: [(&[&str], &str, &str); 2] = [
        (&["-tls1_1"], "the newest protocol it speaks is TLS 1.1", "protocol-too-old"),
        (
            &["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"],
            "of all cipher suites it chooses TLS_ECDHE_ECDSA_WITH_NULL_SHA",
            "suite-too-old",
        ),
    ];
    for (options, message, code) in cases {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut server = Command::new("openssl");
        server.args(["s_server", "-quiet", "-accept", &free.to_string(), "-cert", &paths.0, "-key", &paths.1]);
        server.args(options).env("OPENSSL_CONF", &conf);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let _running = Running(server.spawn().unwrap());
        while std::net::TcpStream::connect(free).is_err() {
            thread::sleep(std::time::Duration::from_millis(20));
        }
        bench.configure(&format!("listen = [\"{free}\"]\n"));
        for subject in ["web", &free.to_string()] {
            let answer = bench.json(&["check", subject, "--trust", "none"]);
            assert_eq!(codes(&answer, message), BTreeSet::from([code.to_owned()]), "{answer}");
            assert!(codes(&answer, &format!("{free} (")).contains("key-not-checked"), "{answer}");
        }
    }
}

/// A server whose handshake is only read shows the new certificate, and whether it has the key stays open: the change is undone for that,
/// and not because the reload has failed.
#[test]
fn a_change_that_cannot_be_proved_is_undone_with_the_reason() {
    let bench = Bench::new();
    bench.installed("old");
    let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let reload = format!(
        "#!/bin/sh\ncd \"${{0%/*}}\"\n[ -e pid ] && kill $(cat pid)\n\
         setsid openssl s_server -quiet -tls1_2 -cipher ECDHE-ECDSA-AES128-SHA -accept {at} -cert web.pem -key web.key \\\n\
         </dev/null >/dev/null 2>&1 &\necho $! >pid\n"
    );
    let reload = bench.write("reload", &reload, 0o755);
    assert!(Command::new(&reload).status().unwrap().success());
    while std::net::TcpStream::connect(at).is_err() {
        thread::sleep(std::time::Duration::from_millis(20));
    }
    bench.configure(&format!(
        "listen = [\"{at}\"]\nreload = [\"{reload}\"]\n[target.policy]\nsettle = 0\nverify_timeout = 3\n"
    ));
    let before = bench.served();
    let (certificate, key) = bench.bring("new", &Leaf { days: 95, ..Leaf::default() });
    let told = bench.json(&["install", "web", "--cert", &certificate, "--key", &key]).to_string();
    let _ = Command::new("sh").args(["-c", "kill $(cat pid)"]).current_dir(bench.path("")).status();
    let words = "shows the new certificate, but that it has its key cannot be checked here (TLS 1.2 with TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA)";
    assert!(told.contains(words) && !told.contains("did not take the new files up"), "{told}");
    assert_eq!(bench.served(), before);
}

/// Many are asked before the first is judged: a change that has come and gone meanwhile is no finding of the files that it replaced.
#[test]
fn a_change_that_overtakes_a_check_is_no_finding() {
    let bench = Bench::new();
    bench.installed("one");
    let (certificate, key) = bench.bring("two", &Leaf { days: 95, ..Leaf::default() });
    let probe = format!(
        "#!/bin/sh\nd=${{0%/*}}\n[ -e \"$d/go\" ] || exit 0\nrm \"$d/go\"\n{} --config \"$d/reseal.toml\" install web --cert {certificate} --key {key} \
         >\"$d/said\" 2>&1\n",
        env!("CARGO_BIN_EXE_reseal")
    );
    bench.write("probe", &probe, 0o755);
    bench.configure(&format!("probe = [{:?}]\n", bench.path("probe")));
    bench.run(&["check", "web"]).ends(0);
    bench.write("go", "", 0o644);
    let answer = bench.json(&["check", "web"]);
    let said = fs::read_to_string(bench.path("said")).unwrap();
    assert_eq!(bench.served(), fs::read_to_string(&certificate).unwrap(), "{said}");
    assert_eq!(codes(&answer, ""), BTreeSet::from(["rfc5280-profile".to_owned()]), "{answer}");
    assert!(answer["results"][0]["notes"].to_string().contains("it was changed while it was looked at"), "{answer}");
    bench.run(&["check", "web"]).ends(0);
}
