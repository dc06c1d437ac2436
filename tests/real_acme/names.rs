//! DNS-01 by dynamic updates (RFC 2136) of a real name server, which the CA asks.

use std::fs;
use std::process::Command;

use crate::bench::Bench;
use crate::pebble::{Wish, find, free_ports, spawn, start};

/// BIND with the zone `example.org`, which takes updates that are signed with its key.
struct Bind {
    dir: tempfile::TempDir,
    port: u16,
    child: std::process::Child,
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bind {
    fn start() -> Option<Self> {
        for (program, package) in [("named", "bind9"), ("nsupdate", "bind9-dnsutils"), ("tsig-keygen", "bind9")] {
            if find(program).is_none() {
                println!("skipped: {program} is not installed (Debian: {package})");
                return None;
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let key = Command::new(find("tsig-keygen").unwrap()).arg("update").output().unwrap();
        fs::write(at("update.key"), &key.stdout).unwrap();
        let zone =
            "$TTL 60\n@ SOA ns.example.org. admin.example.org. 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n* A 127.0.0.1\n";
        fs::write(at("zone"), zone).unwrap();
        let config = format!(
            "include \"{}\";\noptions {{ directory \"{}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
             pid-file none; session-keyfile \"{}\"; recursion no; dnssec-validation no; empty-zones-enable no; }};\ncontrols {{ }};\n\
             zone \"example.org\" {{ type primary; file \"{}\"; allow-update {{ key update; }}; }};\n",
            at("update.key"),
            dir.path().display(),
            at("session.key"),
            at("zone"),
        );
        fs::write(at("named.conf"), config).unwrap();
        let mut named = Command::new(find("named").unwrap());
        named.args(["-g", "-n", "1", "-c", &at("named.conf")]);
        let child = spawn(&mut named, dir.path(), "named");
        crate::pebble::wait_for(port);
        Some(Self { dir, port, child })
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("named.log")).unwrap()
    }

    /// The secret of its key.
    fn secret(&self) -> String {
        let text = fs::read_to_string(self.dir.path().join("update.key")).unwrap();
        text.split('"').nth(3).unwrap().to_owned()
    }
}

#[test]
fn a_wildcard_by_signed_updates() {
    let Some(bind) = Bind::start() else { return };
    let dns = format!("127.0.0.1:{}", bind.port);
    let Some(pebble) = start(Wish { dns: Some(&dns), ..Wish::default() }) else { return };
    let source = |key: &str| {
        let key = bind.dir.path().join(key);
        format!("challenge = \"dns-01\"\nnameserver = \"{dns}\"\nzone = \"example.org\"\ntsig_key_file = {key:?}")
    };
    let bench = Bench::new(&["*.example.org"], &source("update.key"));
    bench.register(&pebble).good();
    let done = bench.run(&["-v", "renew"]).good();
    assert_eq!(bench.names(), ["*.example.org"]);
    let log = bind.log();
    assert!(log.contains("adding an RR at '_acme-challenge.example.org' TXT"), "{log}");
    assert!(log.contains("deleting an RR at _acme-challenge.example.org TXT"), "{log}");
    let secret = bind.secret();
    assert!(secret.len() > 20 && !done.out.contains(&secret) && !done.err.contains(&secret));
    for (path, _, bytes) in bench.state() {
        assert!(!String::from_utf8_lossy(&bytes).contains(&secret), "{}", path.display());
    }

    // Another key is refused by the name server; with the server away, its time is over soon.
    let other = Command::new(find("tsig-keygen").unwrap()).arg("update").output().unwrap();
    fs::write(bind.dir.path().join("other.key"), &other.stdout).unwrap();
    let before = bench.leaf();
    bench.configure(&["*.example.org", "example.org"], &source("other.key"), "");
    let refused = bench.run(&["renew"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    refused.says(&["/usr/bin/nsupdate (present) for _acme-challenge.example.org failed: it exited with 2"]);
    drop(bind);
    let away = bench.run(&["renew"]);
    assert_eq!(away.code, 4, "{away:?}");
    away.says(&["nsupdate (present) for _acme-challenge.example.org failed"]);
    assert_eq!(bench.leaf(), before);
}
