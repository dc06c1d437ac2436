//! The real nginx reads a configuration, and reseal must see in it what nginx does.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reseal::change::{KeyFamily, Role};
use reseal::config::Config;
use reseal::host::Host;
use reseal::target::{self, Site, TargetError};

const NGINX: &str = "/usr/sbin/nginx";

/// A prefix of its own for one nginx, with pairs that openssl has made.
struct Prefix {
    dir: tempfile::TempDir,
}

impl Prefix {
    /// None, with a word about it, where the programs are not installed.
    fn new(files: &[(&str, &str)]) -> Option<Self> {
        if !Path::new(NGINX).exists() || Command::new("openssl").arg("version").output().is_err() {
            println!("skipped: needs {NGINX} and openssl");
            return None;
        }
        let prefix = Self { dir: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            prefix.write(path, text);
        }
        Some(prefix)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("PREFIX", self.dir.path().to_str().unwrap())).unwrap();
    }

    /// A self-signed pair `tls/NAME.pem`, `tls/NAME.key`.
    fn pair(&self, name: &str, algorithm: &[&str]) {
        fs::create_dir_all(self.path("tls")).unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "9", "-subj", "/CN=test"])
            .args(algorithm)
            .arg("-keyout")
            .arg(self.path(&format!("tls/{name}.key")))
            .arg("-out")
            .arg(self.path(&format!("tls/{name}.pem")))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn observe(&self, settings: &str) -> Result<Site, TargetError> {
        let (dir, conf) = (self.dir.path().display(), self.path("conf/nginx.conf"));
        let text = format!(
            "[[target]]\nname = 'web'\nkind = 'nginx'\nprefix = '{dir}'\nconf = '{}'\n{settings}\n",
            conf.display()
        );
        let config = Config::parse(&text, Path::new("test")).unwrap();
        target::open(&config.targets[0]).unwrap().observe(&Host::new("/nonexistent"))
    }

    /// The site as lines: the files, probes and names of each pair, then the notes; the prefix as `P`.
    fn seen(&self, settings: &str) -> String {
        let site = self.observe(settings).unwrap();
        let mut out = String::new();
        for pair in &site.pairs {
            for slot in &pair.slots {
                writeln!(out, "{:?} {}", slot.role, slot.path.display()).unwrap();
            }
            for probe in &pair.probes {
                writeln!(out, "  {probe}").unwrap();
            }
            writeln!(out, "  for {}", pair.names.join(" ")).unwrap();
        }
        for note in &site.notes {
            writeln!(out, "note {note}").unwrap();
        }
        out.replace(self.dir.path().to_str().unwrap(), "P")
    }
}

const RSA: &[&str] = &["-newkey", "rsa:2048"];
const EC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

const MAIN: &str = "
pid PREFIX/nginx.pid; error_log stderr; daemon off;
events { }
http {
    access_log off;
    client_body_temp_path PREFIX/t1; proxy_temp_path PREFIX/t2; fastcgi_temp_path PREFIX/t3;
    uwsgi_temp_path PREFIX/t4; scgi_temp_path PREFIX/t5;
    log_format odd '{\"a\": \"$remote_addr\", \"b;}\": \"#\"}';
    map $host $backend { default \"a b\"; \"~^(?<x>[a-z]{1,3})\\.example\\.org$\" $x; }
    include sites-enabled/*.conf;
    include PREFIX/conf/one.conf;
}
";

fn sites() -> Option<Prefix> {
    let prefix = Prefix::new(&[
        ("conf/nginx.conf", MAIN),
        (
            "conf/sites-enabled/10-web.conf",
            "server {
                listen 127.0.0.1:18443 ssl default_server; listen [::1]:18443 ssl;
                server_name www.example.org .sub.example.org;
                include snippets/dual.conf;
                location ~ \\.(php|html)$ { if ($host ~* \"^a{2}\") { return 403 \"no; {really}\"; } }
             }",
        ),
        (
            "conf/snippets/dual.conf",
            "ssl_certificate ../tls/rsa.pem; ssl_certificate_key '../tls/rsa.key';
             ssl_certificate PREFIX/tls/ec.pem; ssl_certificate_key \"PREFIX/tls/ec.key\"; # second\n",
        ),
        (
            "conf/sites-enabled/20-mail.conf",
            "server { listen 127.0.0.1:18443; server_name mail.example.org;
                      ssl_certificate ../tls/one.pem; ssl_certificate_key ../tls/one.key; }
             server { listen 127.0.0.1:18080; server_name plain.example.org; }",
        ),
        ("conf/sites-enabled/30-old.conf.disabled", "this is no configuration"),
        (
            "conf/one.conf",
            "server { listen 127.0.0.1:18444 ssl; server_name dyn.example.org;
                      ssl_certificate ../tls/$ssl_server_name.pem; ssl_certificate_key ../tls/$ssl_server_name.key;
                      ssl_certificate ../tls/one.pem; ssl_certificate_key ../tls/one.key; }",
        ),
    ])?;
    for (name, algorithm) in [("rsa", RSA), ("ec", EC), ("one", EC)] {
        prefix.pair(name, algorithm);
    }
    Some(prefix)
}

#[test]
fn a_server_with_two_kinds_of_keys() {
    let Some(prefix) = sites() else { return };
    let expected = "\
FullChain P/conf/../tls/rsa.pem
Key P/conf/../tls/rsa.key
  127.0.0.1:18443 (www.example.org) [RSA]
  [::1]:18443 (www.example.org) [RSA]
  for www.example.org sub.example.org *.sub.example.org
FullChain P/tls/ec.pem
Key P/tls/ec.key
  127.0.0.1:18443 (www.example.org) [ECDSA]
  [::1]:18443 (www.example.org) [ECDSA]
  for www.example.org sub.example.org *.sub.example.org
";
    assert_eq!(prefix.seen("names = ['www.example.org']"), expected);
    assert_eq!(prefix.seen("names = ['*.sub.example.org']"), expected);
    let site = prefix.observe("names = ['www.example.org']").unwrap();
    let families: Vec<Option<KeyFamily>> = site.pairs.iter().map(|pair| pair.family).collect();
    assert_eq!(families, [Some(KeyFamily::Rsa), Some(KeyFamily::Ecdsa)]);
    assert!(!site.reads_per_handshake);
    let reload = site.apply.reload.unwrap().argv;
    assert_eq!(reload[..2], [NGINX, "-p"]);
    assert_eq!(reload[reload.len() - 2..], ["-s", "reload"]);
}

#[test]
fn a_listener_is_tls_by_another_servers_word_and_a_pair_shows_wherever_it_is_used() {
    let Some(prefix) = sites() else { return };
    assert_eq!(
        prefix.seen("names = ['mail.example.org']"),
        "FullChain P/conf/../tls/one.pem\n\
         Key P/conf/../tls/one.key\n\
         \x20 127.0.0.1:18443 (mail.example.org)\n\
         \x20 127.0.0.1:18444 (dyn.example.org) [ECDSA]\n\
         \x20 for mail.example.org dyn.example.org\n"
    );
    let dynamic = prefix.observe("names = ['dyn.example.org']").unwrap();
    assert!(dynamic.reads_per_handshake);
    assert_eq!(dynamic.pairs.len(), 1);
    assert!(dynamic.notes[0].contains("$ssl_server_name.pem"), "{:?}", dynamic.notes);
}

#[test]
fn what_is_not_there_is_answered_with_what_is() {
    let Some(prefix) = sites() else { return };
    let error = prefix.observe("names = ['plain.example.org']").unwrap_err().to_string();
    assert!(error.contains("names plain.example.org"), "{error}");
    assert!(error.contains("tls/rsa.pem for www.example.org .sub.example.org"), "{error}");
    let error = prefix.observe("certificate = '/nowhere.pem'").unwrap_err();
    assert!(matches!(error, TargetError::NoPair { .. }) && error.hint().is_some());
    let ec = prefix.path("tls/ec.pem");
    let site = prefix.observe(&format!("certificate = '{}'", ec.display())).unwrap();
    assert_eq!(site.pairs.len(), 1);
    assert_eq!(site.pairs[0].slots[0].path, ec);
}

#[test]
fn configured_listeners_replace_those_found() {
    let Some(prefix) = sites() else { return };
    let site = prefix
        .observe("names = ['www.example.org']\nlisten = ['lb.example.org:443']\nprobe = ['/usr/bin/true']")
        .unwrap();
    let probes: Vec<String> = site.pairs[0].probes.iter().map(ToString::to_string).collect();
    assert_eq!(probes, ["lb.example.org:443 (www.example.org) [RSA]", "/usr/bin/true"]);
}

#[test]
fn a_missing_certificate_makes_nginx_refuse_and_changes_nothing_here() {
    let Some(prefix) = sites() else { return };
    let whole = prefix.seen("names = ['www.example.org']");
    fs::remove_file(prefix.path("tls/one.pem")).unwrap();
    let refused = prefix.seen("names = ['www.example.org']");
    let (same, note) = refused.split_at(whole.len());
    assert_eq!(same, whole);
    assert!(note.starts_with("note nginx could not be asked"), "{note}");
    assert!(note.contains("[emerg]") && note.contains("tls/one.pem"), "nginx's own words: {note}");
    assert_eq!(note.lines().count(), 1);
}

#[test]
fn a_broken_file_beside_is_left_out_and_told() {
    let Some(prefix) = sites() else { return };
    prefix.write("conf/sites-enabled/90-broken.conf", "server { listen 1; \n server_name \"x; }");
    let seen = prefix.seen("names = ['mail.example.org']");
    assert!(seen.contains("Key P/conf/../tls/one.key"), "{seen}");
    assert!(seen.contains("note P/conf/sites-enabled/90-broken.conf is left out: line 2"), "{seen}");
    prefix.write("conf/nginx.conf", "http { server { ");
    let error = prefix.observe("names = ['mail.example.org']").unwrap_err();
    assert!(matches!(error, TargetError::Syntax { line: 1, .. }), "{error}");
}

#[test]
fn one_file_for_all_is_one_slot() {
    let Some(prefix) = Prefix::new(&[(
        "conf/nginx.conf",
        &MAIN.replace(
            "include sites-enabled/*.conf;\n    include PREFIX/conf/one.conf;",
            "ssl_certificate ../tls/all.pem; ssl_certificate_key ../tls/all.pem;
             server { listen 127.0.0.1:18445 ssl; server_name _; } server { listen 127.0.0.1:18446 ssl; server_name ''; }",
        ),
    )]) else {
        return;
    };
    prefix.pair("all", EC);
    let both = [prefix.path("tls/all.pem"), prefix.path("tls/all.key")].map(|path| fs::read_to_string(path).unwrap());
    fs::write(prefix.path("tls/all.pem"), both.concat()).unwrap();
    let site = prefix.observe("names = ['any.example.org']").unwrap();
    assert_eq!(site.pairs[0].slots.iter().map(|slot| slot.role).collect::<Vec<_>>(), [Role::Combined]);
    let probes: Vec<String> = site.pairs[0].probes.iter().map(ToString::to_string).collect();
    assert_eq!(probes, ["127.0.0.1:18445", "127.0.0.1:18446"]);
    assert!(site.notes.iter().any(|note| note.contains("the only pair there is")), "{:?}", site.notes);
}
