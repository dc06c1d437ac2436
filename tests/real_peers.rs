//! What `check` and `scan` say of the servers of the distribution, each over its own STARTTLS or TLS: a good pair, a bad one, half a
//! chain, a key that is not the certificate's, and TLS switched off.

#[path = "support/peers.rs"]
mod peers;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use peers::Peer;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use reseal::digest::Digest;
use serde_json::Value;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

/// A root that the test trusts, and an intermediate of it.
struct Authority {
    dir: TempDir,
    intermediate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let root_key = KeyPair::generate().unwrap();
        let root = authority("test root");
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let key = KeyPair::generate().unwrap();
        let params = authority("test intermediate");
        let intermediate = params.signed_by(&key, &root).unwrap().pem();
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("root.pem"), root_pem).unwrap();
        Self { dir, intermediate, issuer: Issuer::new(params, key) }
    }

    fn trust(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    fn leaf(&self, key: &KeyPair) -> String {
        leaf(-1, 60).signed_by(key, &self.issuer).unwrap().pem()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    between(&mut params, name, -10, 700);
    params
}

/// For the name and the address under which the servers are asked.
fn leaf(from: i64, to: i64) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    between(&mut params, "localhost", from, to);
    params
}

fn between(params: &mut CertificateParams, name: &str, from: i64, to: i64) {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.not_before = OffsetDateTime::now_utc() + Duration::days(from);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(to);
}

fn fingerprint(leaf: &str) -> String {
    Digest::of(pem::parse(leaf).unwrap().contents()).to_string()
}

struct Told {
    exit: Option<i32>,
    results: BTreeMap<String, Value>,
}

/// The program's answer over these subjects, given as arguments of `check` or as the list of `scan`.
fn ask(verb: &str, trust: &Authority, subjects: &[String]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
    command.env_clear().args(["--format", "json", verb, "--trust"]).arg(trust.trust());
    if verb == "scan" {
        command.args(["--list", "-"]);
    } else {
        command.args(subjects);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all((subjects.join("\n") + "\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answer: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    let results = answer["results"].as_array().unwrap().iter().map(|row| (string(&row["subject"]), row.clone()));
    Told { exit: output.status.code(), results: results.collect() }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

fn codes(row: &Value) -> BTreeSet<String> {
    row["findings"].as_array().unwrap().iter().map(|finding| string(&finding["code"])).collect()
}

fn set(codes: &[&str]) -> BTreeSet<String> {
    codes.iter().map(ToString::to_string).collect()
}

/// Every door of every server, with the server's name.
fn doors(peers: &[Peer]) -> impl Iterator<Item = (&'static str, &peers::Door)> {
    peers.iter().flat_map(|peer| peer.doors.iter().map(|door| (peer.name, door)))
}

fn endpoints(peers: &[Peer]) -> Vec<String> {
    doors(peers).map(|(_, door)| door.endpoint()).collect()
}

/// The leaf is this one, every look at it showed it, and the server signed with its key.
fn shows(name: &str, row: &Value, leaf: &str) {
    assert_eq!(row["leaf"]["fingerprint"], fingerprint(leaf), "{name}: {row}");
    let served = row["served"].as_array().unwrap();
    assert!(!served.is_empty(), "{name}: {row}");
    for look in served {
        assert_eq!((&look["showed"], &look["proved"]), (&Value::from("leaf"), &Value::from(true)), "{name}: {row}");
    }
}

fn trusted(row: &Value) -> bool {
    let asked = row["trust"].as_array().unwrap();
    assert_eq!(asked.len(), 1, "{row}");
    asked[0]["trusted"].as_bool().unwrap()
}

#[test]
fn a_good_pair_is_found_good_at_every_server() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let leaf = authority.leaf(&key);
    let chain = format!("{leaf}{}", authority.intermediate);
    let peers = peers::start(Some((&chain, &key.serialize_pem())), |_| true);

    let by_address = endpoints(&peers);
    let by_name: Vec<String> = by_address.iter().map(|endpoint| format!("{endpoint} localhost")).collect();
    for (verb, subjects) in [("check", &by_address), ("scan", &by_address), ("scan", &by_name)] {
        if subjects.is_empty() {
            continue;
        }
        let told = ask(verb, &authority, subjects);
        assert_eq!(told.exit, Some(0), "{verb}: {:?}", told.results);
        assert_eq!(told.results.len(), subjects.len(), "{verb}: {:?}", told.results);
        for (subject, row) in &told.results {
            let name = format!("{verb} {subject}");
            shows(&name, row, &leaf);
            assert!(trusted(row), "{name}: {row}");
            assert_eq!(codes(row), set(&[]), "{name}: {row}");
        }
    }

    // A service that begins in plain text is not taken for a broken one.
    let wrong: Vec<String> = doors(&peers)
        .filter(|(_, door)| matches!(door.scheme, Some("smtp" | "imap" | "pop3" | "sieve")))
        .map(|(_, door)| format!("127.0.0.1:{}", door.port))
        .collect();
    for (subject, row) in ask_some(&authority, &wrong) {
        assert_eq!(codes(&row), set(&["not-tls"]), "{subject}: {row}");
    }
    println!("{} servers, {} endpoints", peers.len(), by_address.len());
}

/// `check` without a subject would look at targets.
fn ask_some(authority: &Authority, subjects: &[String]) -> BTreeMap<String, Value> {
    if subjects.is_empty() { BTreeMap::new() } else { ask("check", authority, subjects).results }
}

#[test]
fn an_expired_self_signed_one_is_told_at_every_server() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let leaf = leaf(-40, -2).self_signed(&key).unwrap().pem();
    let peers = peers::start(Some((&leaf, &key.serialize_pem())), |_| true);
    for (subject, row) in ask_some(&authority, &endpoints(&peers)) {
        shows(&subject, &row, &leaf);
        assert!(!trusted(&row), "{subject}: {row}");
        assert_eq!(codes(&row), set(&["expired", "self-signed"]), "{subject}: {row}");
    }
}

#[test]
fn a_missing_intermediate_is_told_at_every_server() {
    let authority = Authority::new();
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let leaf = authority.leaf(&key);
    let peers = peers::start(Some((&leaf, &key.serialize_pem())), |_| true);
    for (subject, row) in ask_some(&authority, &endpoints(&peers)) {
        shows(&subject, &row, &leaf);
        assert!(!trusted(&row), "{subject}: {row}");
        assert_eq!(codes(&row), set(&["untrusted"]), "{subject}: {row}");
        assert!(row["findings"].to_string().contains("no intermediate came with it"), "{subject}: {row}");
    }
}

#[test]
fn tls_that_is_switched_off_is_told_in_the_words_of_the_protocol() {
    let authority = Authority::new();
    let peers = peers::start(None, |_| true);
    let told = ask_some(&authority, &endpoints(&peers));
    for (name, door) in doors(&peers) {
        let row = &told[&door.endpoint()];
        let code = if door.scheme.is_some() { "starttls-refused" } else { "plain-http" };
        assert_eq!(codes(row), set(&[code]), "{name}: {row}");
    }
}

/// These start with it and offer TLS, and only a handshake shows that it is gone.
#[test]
fn a_key_of_another_certificate_is_no_good_at_mail_servers() {
    let authority = Authority::new();
    let leaf = authority.leaf(&KeyPair::generate().unwrap());
    let other = KeyPair::generate().unwrap().serialize_pem();
    let peers = peers::start(Some((&leaf, &other)), |name| matches!(name, "postfix" | "dovecot"));
    let told = ask_some(&authority, &endpoints(&peers));
    for (name, door) in doors(&peers) {
        let row = &told[&door.endpoint()];
        let code = if door.scheme.is_some() { "starttls-refused" } else { "reset" };
        assert_eq!(codes(row), set(&[code]), "{name}: {row}");
        // Each says it in plain text after its go-ahead or in place of it.
        let said = row["findings"].to_string();
        assert!(
            code == "reset" || said.contains("TLS not available") || said.contains("TLS initialization failed"),
            "{said}"
        );
    }
}

/// What makes a mail server read its files again, and where the line stands that switches its TLS on.
fn reload(peer: &Peer) -> (Vec<String>, PathBuf, &'static str) {
    let at = |name: &str| peer.folder().join(name);
    let words = |program: &str, conf: &str| {
        [program, "-c", &at(conf).display().to_string(), "reload"].map(str::to_owned).to_vec()
    };
    match peer.name {
        "postfix" => (words("/usr/sbin/postfix", "conf"), at("conf/main.cf"), "smtpd_tls_security_level = "),
        "dovecot" => (words("/usr/bin/doveadm", "dovecot.conf"), at("dovecot.conf"), "ssl = "),
        other => panic!("{other} is no mail server"),
    }
}

/// The same, with TLS switched off while the pair is the one in `new.pem`: as a server does that cannot use it.
fn reload_without_tls(peer: &Peer, new: &Path) -> Vec<String> {
    let (reload, conf, key) = reload(peer);
    let (on, off) = if peer.name == "postfix" { ("may", "none") } else { ("yes", "no") };
    let script = format!(
        "if cmp -s {chain} {new}; then tls={off}; else tls={on}; fi; sed -i \"s/^{key}.*/{key}$tls/\" {conf}; {reload}",
        chain = peer.folder().join("chain.pem").display(),
        new = new.display(),
        conf = conf.display(),
        reload = reload.join(" "),
    );
    vec!["/bin/sh".to_owned(), "-c".to_owned(), script]
}

/// A target for the pair of a mail server, proved at these doors of it.
struct Mail<'a> {
    peer: &'a Peer,
    doors: Vec<String>,
    dir: TempDir,
}

impl<'a> Mail<'a> {
    fn new(peer: &'a Peer, doors: Vec<String>, reload: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let dir = TempDir::new().unwrap();
        let root = dir.path().display();
        let text = format!(
            "[defaults]\nstate_dir = \"{root}/state\"\nlive_dir = \"{root}/live\"\nverify_timeout = 5\nprobe_timeout = 20\n\
             [[target]]\nname = \"mail\"\nkind = \"files\"\nnames = [\"localhost\"]\n\
             certificate = \"{}\"\nkey = \"{}\"\nlisten = {doors:?}\nreload = {:?}\n",
            peer.folder().join("chain.pem").display(),
            peer.folder().join("key.pem").display(),
            reload(&dir.path().join("new.pem")),
        );
        fs::write(dir.path().join("reseal.toml"), text).unwrap();
        Self { peer, doors, dir }
    }

    /// Runs the program; its exit code and its JSON.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command.env_clear().args(["--format", "json", "--non-interactive", "--config"]);
        let output = command.arg(self.dir.path().join("reseal.toml")).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let answer = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), answer)
    }

    /// Installs a pair that somebody brought.
    fn install(&self, chain: &str, key: &str) -> (Option<i32>, Value) {
        let (chain, key) = self.bring(chain, key);
        self.run(&["install", "mail", "--cert", &chain, "--key", &key])
    }

    /// The same of a run that does not come to its end.
    fn started_install(&self, chain: &str, key: &str) -> ExitStatus {
        let (chain, key) = self.bring(chain, key);
        let mut command = Command::new(env!("CARGO_BIN_EXE_reseal"));
        command.env_clear().arg("--config").arg(self.dir.path().join("reseal.toml")).stdout(Stdio::null());
        command.args(["--non-interactive", "install", "mail", "--cert", &chain, "--key", &key]).status().unwrap()
    }

    /// Writes a pair where an administrator would have it.
    fn bring(&self, chain: &str, key: &str) -> (String, String) {
        let write = |name: &str, text: &str| {
            let path = self.dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            path.display().to_string()
        };
        (write("new.pem", chain), write("new.key", key))
    }

    /// Every door shows this leaf, and proves its key.
    fn serves(&self, leaf: &str) {
        let (_, answer) = self.run(&["check", "mail"]);
        let row = &answer["results"][0];
        shows(self.peer.name, row, leaf);
        assert_eq!(row["served"].as_array().unwrap().len(), self.doors.len(), "{row}");
    }
}

fn mail_servers(chain: &str, key: &KeyPair) -> Vec<Peer> {
    peers::start(Some((chain, &key.serialize_pem())), |name| matches!(name, "postfix" | "dovecot"))
}

#[test]
fn a_new_pair_is_proved_over_starttls() {
    let authority = Authority::new();
    let chain = |key: &KeyPair| format!("{}{}", authority.leaf(key), authority.intermediate);
    let (old_key, new_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let (old, new) = (chain(&old_key), chain(&new_key));
    for peer in &mail_servers(&old, &old_key) {
        let doors = peer.doors.iter().map(peers::Door::endpoint).collect();
        let mail = Mail::new(peer, doors, |_| reload(peer).0);
        mail.serves(&old);
        let (exit, answer) = mail.install(&new, &new_key.serialize_pem());
        assert_eq!(exit, Some(0), "{}: {answer}", peer.name);
        let proof = answer["results"][0].to_string();
        assert!(proof.contains("committed") && !proof.contains("not_served\":[{"), "{}: {proof}", peer.name);
        assert_eq!(fs::read_to_string(peer.folder().join("chain.pem")).unwrap(), new, "{}", peer.name);
        mail.serves(&new);
        // And back, by the number of what was found there.
        let (exit, answer) = mail.run(&["restore", "mail", "1"]);
        assert_eq!(exit, Some(0), "{}: {answer}", peer.name);
        mail.serves(&old);
    }
}

#[test]
fn a_pair_without_which_starttls_is_gone_is_taken_back() {
    let authority = Authority::new();
    let chain = |key: &KeyPair| format!("{}{}", authority.leaf(key), authority.intermediate);
    let (old_key, new_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let (old, new) = (chain(&old_key), chain(&new_key));
    for peer in &mail_servers(&old, &old_key) {
        let doors = peer.doors.iter().filter(|door| door.scheme.is_some()).map(peers::Door::endpoint).collect();
        let mail = Mail::new(peer, doors, |new| reload_without_tls(peer, new));
        let (exit, answer) = mail.install(&new, &new_key.serialize_pem());
        let told = answer["results"][0].to_string();
        assert_eq!((exit, &answer["results"][0]["outcome"]), (Some(5), &"rolled-back".into()), "{}: {told}", peer.name);
        assert!(told.contains("does not begin TLS within"), "{}: {told}", peer.name);
        for (name, text) in [("chain.pem", &old), ("key.pem", &old_key.serialize_pem())] {
            assert_eq!(&fs::read_to_string(peer.folder().join(name)).unwrap(), text, "{}", peer.name);
        }
        mail.serves(&old);
    }
}

/// The journal tells how TLS begins: what is recovered is proved over STARTTLS too, without the configuration.
#[test]
fn a_killed_install_is_recovered_and_proved_over_starttls() {
    let authority = Authority::new();
    let chain = |key: &KeyPair| format!("{}{}", authority.leaf(key), authority.intermediate);
    let (old_key, new_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let (old, new) = (chain(&old_key), chain(&new_key));
    for peer in &mail_servers(&old, &old_key) {
        let doors = peer.doors.iter().filter(|door| door.scheme.is_some()).map(peers::Door::endpoint).collect();
        let mail = Mail::new(peer, doors, |new| {
            let chain = peer.folder().join("chain.pem");
            let kill = format!("cmp -s {} {} && kill -9 $PPID", chain.display(), new.display());
            vec!["/bin/sh".to_owned(), "-c".to_owned(), format!("{kill}; {}", reload(peer).0.join(" "))]
        });
        let killed = mail.started_install(&new, &new_key.serialize_pem());
        assert_eq!(killed.signal(), Some(9), "{}: {killed}", peer.name);
        assert_eq!(fs::read_to_string(peer.folder().join("chain.pem")).unwrap(), new, "{}", peer.name);

        let (exit, answer) = mail.run(&["recover"]);
        assert_eq!(exit, Some(0), "{}: {answer}", peer.name);
        assert_eq!(fs::read_to_string(peer.folder().join("chain.pem")).unwrap(), old, "{}", peer.name);
        mail.serves(&old);
    }
}
