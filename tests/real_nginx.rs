//! A real nginx under handshake load: installs and restores fail no client, and never show a certificate with another's key.
//!
//! `RESEAL_LONG=1` makes it 300 changes and at least 100,000 handshakes instead of a short run.

mod support;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use reseal::assess::Code;
use reseal::change::KeyFamily;
use reseal::config::Config;
use reseal::digest::Digest;
use reseal::event::Listener;
use reseal::flow::{Options, Report, Session, activate, adopt, install, post_upgrade, restore, snapshot, stage};
use reseal::host::{Host, tls};
use reseal::outcome::{Exit, Outcome, Proof};
use support::{Pair, issued, pair, self_signed};
use tempfile::TempDir;

const NGINX: &str = "/usr/sbin/nginx";

/// One nginx of its own on a free port.
struct Nginx {
    dir: TempDir,
    port: u16,
    child: Child,
    config: Config,
}

impl Nginx {
    fn start() -> Option<Self> {
        Self::start_with("", &self_signed(100))
    }

    fn start_with(extra: &str, first: &Pair) -> Option<Self> {
        Self::start_serving(extra, first, "")
    }

    /// `more` are further lines of the server, such as a second pair.
    fn start_serving(extra: &str, first: &Pair, more: &str) -> Option<Self> {
        if !Path::new(NGINX).exists() {
            println!("skipped: needs {NGINX}");
            return None;
        }
        let dir = TempDir::new().unwrap();
        let root = dir.path();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for sub in ["conf", "tls", "logs"] {
            fs::create_dir(root.join(sub)).unwrap();
        }
        let conf = format!(
            "user root;\ndaemon off;\nmaster_process on;\nworker_processes 2;\npid {0}/nginx.pid;\nerror_log {0}/logs/error.log;\n\
             events {{ worker_connections 512; }}\nhttp {{ access_log off;\n server {{ listen 127.0.0.1:{port} ssl; server_name localhost;\n\
             ssl_certificate {0}/tls/web.pem;\n ssl_certificate_key {0}/tls/web.key;\n {more} return 204; }} }}\n",
            root.display()
        );
        fs::write(root.join("conf/nginx.conf"), conf).unwrap();
        write_pair(root, first);
        if !more.is_empty() {
            write_rsa(root, "rsa");
        }
        let child = Command::new(NGINX)
            .args(["-p", root.to_str().unwrap(), "-c", root.join("conf/nginx.conf").to_str().unwrap()])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let text = format!(
            "[defaults]\nstate_dir = \"{0}/state\"\nlive_dir = \"{0}/live\"\nverify_timeout = 10\n[[target]]\nname = \"web\"\n\
             kind = \"nginx\"\nnames = [\"localhost\"]\nprefix = \"{0}\"\nconf = \"{0}/conf/nginx.conf\"\n{extra}",
            root.display()
        );
        let config = Config::parse(&text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"));
        let nginx = Self { dir, port, child, config };
        let deadline = Instant::now() + Duration::from_secs(10);
        while nginx.shown().is_none() {
            assert!(Instant::now() < deadline, "nginx did not come up");
            thread::sleep(Duration::from_millis(20));
        }
        Some(nginx)
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn shown(&self) -> Option<Digest> {
        let served = tls::handshake(&self.address(), Some("localhost"), None, Duration::from_secs(5)).ok()?;
        Some(Digest::of(&served.chain[0]))
    }

    fn host(&self) -> Host {
        Host::new(self.dir.path().join("state"))
    }

    fn with<T>(&self, options: Options, listener: &mut dyn Listener, act: impl FnOnce(&mut Session<'_>) -> T) -> T {
        let host = self.host();
        let mut session = Session::new(&host, &self.config, self.dir.path().join("live"), options, listener);
        act(&mut session)
    }

    fn install(&self, inputs: &[PathBuf], listener: &mut dyn Listener) -> Report {
        self.with(Options::default(), listener, |session| install::run(session, "web", inputs))
    }

    fn bring(&self, pair: &Pair) -> Vec<PathBuf> {
        let file = self.dir.path().join("new.pem");
        fs::write(&file, format!("{}{}", pair.key, pair.certificate)).unwrap();
        vec![file]
    }

    fn reload(&self) {
        let root = self.dir.path();
        let status = Command::new(NGINX)
            .args(["-p", root.to_str().unwrap(), "-c", root.join("conf/nginx.conf").to_str().unwrap(), "-s", "reload"])
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        let _ = status;
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        let _ = self.child.wait();
    }
}

fn write_pair(root: &Path, pair: &Pair) {
    fs::write(root.join("tls/web.pem"), &pair.certificate).unwrap();
    fs::write(root.join("tls/web.key"), &pair.key).unwrap();
}

/// A self-signed RSA pair `tls/NAME.pem`, `tls/NAME.key`, as openssl makes it.
fn write_rsa(root: &Path, name: &str) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(root.join(format!("tls/{name}.key")))
        .arg("-out")
        .arg(root.join(format!("tls/{name}.pem")))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn fingerprint(pair: &Pair) -> Digest {
    Digest::of(pem::parse(&pair.certificate).unwrap().contents())
}

/// Clients that shake hands without a pause and remember what went wrong.
struct Clients {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    faults: Arc<Mutex<Vec<String>>>,
    known: Arc<Mutex<HashSet<Digest>>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Clients {
    fn start(address: &str, known: &[Digest]) -> Self {
        let clients = Self {
            stop: Arc::default(),
            good: Arc::default(),
            faults: Arc::default(),
            known: Arc::new(Mutex::new(known.iter().copied().collect())),
            threads: Vec::new(),
        };
        let threads = (0..3)
            .map(|_| {
                let (stop, good, faults, known) = (
                    Arc::clone(&clients.stop),
                    Arc::clone(&clients.good),
                    Arc::clone(&clients.faults),
                    Arc::clone(&clients.known),
                );
                let address = address.to_owned();
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let fault = match tls::handshake(&address, Some("localhost"), None, Duration::from_secs(10)) {
                            Ok(served) if !served.proved => "a certificate was shown without its key".to_owned(),
                            Ok(served) if !known.lock().unwrap().contains(&Digest::of(&served.chain[0])) => {
                                "an unknown certificate was shown".to_owned()
                            }
                            Ok(_) => {
                                good.fetch_add(1, Ordering::Relaxed);
                                continue;
                            }
                            Err(error) => error.to_string(),
                        };
                        faults.lock().unwrap().push(fault);
                    }
                })
            })
            .collect();
        Self { threads, ..clients }
    }

    fn learn(&self, fingerprint: Digest) {
        self.known.lock().unwrap().insert(fingerprint);
    }

    fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let faults = self.faults.lock().unwrap().clone();
        (self.good.load(Ordering::Relaxed), faults)
    }
}

fn long() -> bool {
    std::env::var_os("RESEAL_LONG").is_some()
}

#[test]
fn installs_and_restores_under_load_fail_no_handshake() {
    let Some(nginx) = Nginx::start() else { return };
    let clients = Clients::start(&nginx.address(), &[nginx.shown().unwrap()]);
    let changes = if long() { 300 } else { 12 };
    for change in 0..changes {
        let report = match change % 3 {
            0 | 1 => {
                let fresh = pair(90);
                clients.learn(fingerprint(&fresh));
                let report = nginx.install(&nginx.bring(&fresh), &mut reseal::event::Silence);
                assert_eq!(nginx.shown(), Some(fingerprint(&fresh)), "change {change}");
                report
            }
            _ => nginx
                .with(Options::default(), &mut reseal::event::Silence, |session| restore::run(session, "web", None)),
        };
        match &report.outcome {
            Outcome::Committed { receipt, not_served } => {
                assert!(not_served.is_empty(), "{report:?}");
                assert!(
                    matches!(receipt.end, reseal::outcome::End::Committed { proof: Proof::Handshakes { count } } if count >= 3),
                    "{report:?}"
                );
            }
            _ => panic!("change {change}: {report:?}"),
        }
        if change == changes / 2 {
            let adopted = nginx
                .with(Options::default(), &mut reseal::event::Silence, |session| adopt::run(session, "web", false));
            assert_eq!(adopted.outcome.exit(), Exit::Good, "{adopted:?}");
        }
    }
    while long() && clients.good() < 100_000 {
        thread::sleep(Duration::from_millis(100));
    }
    let (good, faults) = clients.end();
    println!("{changes} changes, {good} handshakes, {} failed", faults.len());
    assert!(good > 500, "the load was real: {good}");
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn another_hook_that_reloads_at_any_moment_does_no_harm() {
    let Some(nginx) = Nginx::start() else { return };
    let clients = Clients::start(&nginx.address(), &[nginx.shown().unwrap()]);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                nginx.reload();
                thread::sleep(Duration::from_millis(7));
            }
        });
        for change in 0..if long() { 60 } else { 6 } {
            let fresh = pair(90);
            clients.learn(fingerprint(&fresh));
            let report = nginx.install(&nginx.bring(&fresh), &mut reseal::event::Silence);
            assert_eq!(report.outcome.exit(), Exit::Good, "change {change}: {report:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (good, faults) = clients.end();
    println!("{good} handshakes beside constant reloads, {} failed", faults.len());
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn a_pair_that_a_vendor_broke_is_mended() {
    let Some(nginx) = Nginx::start() else { return };
    let shown = nginx.shown().unwrap();
    // The files no longer match, so nginx's own test fails; the running server still has the old pair.
    fs::write(nginx.dir.path().join("tls/web.key"), self_signed(9).key).unwrap();
    assert_eq!(nginx.shown(), Some(shown));
    let fresh = pair(90);
    let report = nginx.install(&nginx.bring(&fresh), &mut reseal::event::Silence);
    assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
    assert_eq!(nginx.shown(), Some(fingerprint(&fresh)));
}

#[test]
fn a_broken_configuration_refuses_an_install_and_lets_a_restore_through() {
    let Some(nginx) = Nginx::start() else { return };
    let first = pair(90);
    let report = nginx.install(&nginx.bring(&first), &mut reseal::event::Silence);
    assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
    let conf = nginx.dir.path().join("conf/nginx.conf");
    let good = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, good.replace("access_log off;", "no_such_directive on;")).unwrap();

    let report = nginx.install(&nginx.bring(&pair(80)), &mut reseal::event::Silence);
    assert_eq!(report.outcome.exit(), Exit::Refused, "{report:?}");
    assert_eq!(nginx.shown(), Some(fingerprint(&first)));

    let report =
        nginx.with(Options::default(), &mut reseal::event::Silence, |session| restore::run(session, "web", Some(1)));
    assert_eq!(
        report.outcome.exit(),
        Exit::Findings,
        "the files are back, and the server has not taken them up: {report:?}"
    );
    let restored = fs::read_to_string(nginx.dir.path().join("tls/web.pem")).unwrap();
    assert_ne!(restored.trim(), first.certificate.trim());
    fs::write(&conf, good).unwrap();
    nginx.reload();
}

/// certbot's own way: nothing but a script in its directory tells nginx.
#[test]
fn a_deploy_hook_of_certbots_is_the_only_reload() {
    let Some(nginx) = Nginx::start() else { return };
    let root = nginx.dir.path();
    let text = format!(
        "[defaults]\nstate_dir = \"{0}/state\"\nlive_dir = \"{0}/live\"\nverify_timeout = 10\n[hooks]\ndirectory = \"{0}/none\"\n\
         certbot_deploy = \"{0}/renewal-hooks/deploy\"\n[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"localhost\"]\n\
         certificate = \"{0}/tls/web.pem\"\nkey = \"{0}/tls/web.key\"\nlisten = [\"{1}\"]\n",
        root.display(),
        nginx.address()
    );
    let config = Config::parse(&text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"));
    let script = root.join("renewal-hooks/deploy/reload-nginx");
    fs::create_dir_all(script.parent().unwrap()).unwrap();
    let write = |body: &str| {
        fs::write(&script, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let reload = format!("{NGINX} -p {0} -c {0}/conf/nginx.conf -s reload", root.display());
    let host = nginx.host();
    let run = || {
        let mut silence = reseal::event::Silence;
        let mut session = Session::new(&host, &config, root.join("live"), Options::default(), &mut silence);
        install::run(&mut session, "web", &nginx.bring(&pair(90)))
    };
    write(&reload);
    let report = run();
    let Outcome::Committed { receipt, .. } = &report.outcome else { panic!("{report:?}") };
    assert_eq!(nginx.shown(), receipt.after);
    // One that reloads and then fails: nginx has the new pair for a moment, and shows the old one again.
    let (old, files) = (receipt.after, fs::read_to_string(root.join("tls/web.pem")).unwrap());
    write(&format!("{reload}; [ \"$RESEAL_STANDS\" = old ]"));
    let report = run();
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{report:?}");
    assert_eq!((nginx.shown(), fs::read_to_string(root.join("tls/web.pem")).unwrap()), (old, files));
}

#[test]
fn a_reload_that_exits_0_and_changes_nothing_is_seen() {
    let Some(nginx) = Nginx::start_with("reload = [\"/bin/true\"]\n", &self_signed(100)) else { return };
    let shown = nginx.shown().unwrap();
    let before = fs::read_to_string(nginx.dir.path().join("tls/web.pem")).unwrap();
    let mut config = nginx.config.clone();
    config.targets[0].policy.verify_timeout = Duration::from_secs(1);
    let host = nginx.host();
    let mut silence = reseal::event::Silence;
    let mut session = Session::new(&host, &config, nginx.dir.path().join("live"), Options::default(), &mut silence);
    let report = install::run(&mut session, "web", &nginx.bring(&pair(90)));
    assert!(
        matches!(&report.outcome, Outcome::RolledBack { why, .. } if why.contains("still shows the OLD")),
        "{report:?}"
    );
    assert_eq!(nginx.shown(), Some(shown));
    assert_eq!(fs::read_to_string(nginx.dir.path().join("tls/web.pem")).unwrap(), before);
}

/// Staging disturbs nobody; what is staged is proved when it is put in place, and stays staged where the server does not take it up.
#[test]
fn what_is_staged_is_served_only_when_it_is_put_in_place() {
    let Some(mut nginx) = Nginx::start_with("reload = [\"/bin/true\"]\n", &self_signed(100)) else { return };
    nginx.config.targets[0].policy.verify_timeout = Duration::from_secs(1);
    let vendor = nginx.shown().unwrap();
    let next = pair(90);
    let inputs = nginx.bring(&next);
    let mut silence = reseal::event::Silence;
    let staged = nginx.with(Options::default(), &mut silence, |session| {
        stage::run(session, "web", &stage::Given::Whole(&inputs), None)
    });
    assert!(matches!(staged.outcome, Outcome::Staged { .. }), "{staged:?}");
    // The service is reloaded by somebody else meanwhile, and shows what it has shown.
    nginx.reload();
    assert_eq!(nginx.shown(), Some(vendor));

    let activate = |nginx: &Nginx| {
        let mut silence = reseal::event::Silence;
        let names = ["web".to_owned()];
        nginx.with(Options::default(), &mut silence, |session| activate::run(session, &names, None).unwrap().remove(0))
    };
    let report = activate(&nginx);
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{report:?}");
    assert_eq!(nginx.shown(), Some(vendor));
    nginx.config.targets[0].apply.reload = None;
    nginx.config.targets[0].policy.verify_timeout = Duration::from_secs(10);
    let report = activate(&nginx);
    assert!(matches!(report.outcome, Outcome::Committed { .. }), "{report:?}");
    assert_eq!(nginx.shown(), Some(fingerprint(&next)));
}

/// The pair that was installed last says nothing of the other.
#[test]
fn of_two_pairs_each_is_judged_and_asked_for_by_itself() {
    let more = "ssl_certificate ../tls/rsa.pem; ssl_certificate_key ../tls/rsa.key;";
    let source = "[target.source]\nkind = \"csr\"\n";
    let Some(nginx) = Nginx::start_serving(source, &pair(90), more) else { return };
    let renew = || {
        nginx.with(Options::default(), &mut reseal::event::Silence, |session| {
            reseal::flow::renew::run(session, &[]).unwrap_or_else(|refusal| panic!("{}", refusal.why)).remove(0)
        })
    };
    // The RSA one signed itself; the other is good, and was proved last.
    let report = nginx.install(&nginx.bring(&pair(89)), &mut reseal::event::Silence);
    assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
    let report = renew();
    assert_eq!(report.outcome.exit(), Exit::Waiting, "{report:?}");
    let asked = nginx.with(Options::default(), &mut reseal::event::Silence, |session| {
        reseal::flow::status::run(session, &[]).unwrap_or_else(|refusal| panic!("{}", refusal.why)).remove(0).waiting
    });
    let kinds: Vec<&str> = asked.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(kinds, ["RSA 2048"], "{asked:?}");
    assert_eq!(renew().outcome.exit(), Exit::Waiting);
}

#[test]
fn of_an_rsa_and_an_ecdsa_pair_the_one_of_its_kind_is_replaced() {
    // Relative to the directory of the configuration, as nginx reads it.
    let more = "ssl_certificate ../tls/rsa.pem; ssl_certificate_key ../tls/rsa.key;";
    let Some(nginx) = Nginx::start_serving("", &pair(90), more) else { return };
    let shown = |family| {
        let served = tls::handshake(&nginx.address(), Some("localhost"), Some(family), Duration::from_secs(5)).unwrap();
        Digest::of(&served.chain[0])
    };
    let rsa = shown(KeyFamily::Rsa);
    for adopted in [false, true] {
        if adopted {
            let report = nginx
                .with(Options::default(), &mut reseal::event::Silence, |session| adopt::run(session, "web", false));
            assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
        }
        let fresh = pair(80);
        let report = nginx.install(&nginx.bring(&fresh), &mut reseal::event::Silence);
        assert_eq!(report.outcome.exit(), Exit::Good, "adopted {adopted}: {report:?}");
        assert_eq!((shown(KeyFamily::Ecdsa), shown(KeyFamily::Rsa)), (fingerprint(&fresh), rsa), "adopted {adopted}");
    }
    let before = shown(KeyFamily::Ecdsa);
    write_rsa(nginx.dir.path(), "new-rsa");
    let files: Vec<PathBuf> = ["tls/new-rsa.pem", "tls/new-rsa.key"].map(|name| nginx.dir.path().join(name)).into();
    let report = nginx.install(&files, &mut reseal::event::Silence);
    assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
    let new = fs::read(&files[0]).unwrap();
    assert_eq!(shown(KeyFamily::Rsa), Digest::of(pem::parse(new).unwrap().contents()));
    assert_eq!(shown(KeyFamily::Ecdsa), before);
}

/// Monitoring goes by what ends first, whichever pair the configuration names first; and each listener shows a pair of its own.
#[test]
fn of_two_pairs_the_one_that_ends_first_is_judged() {
    let more = "ssl_certificate ../tls/rsa.pem; ssl_certificate_key ../tls/rsa.key;";
    for (days, first, second, begins) in [(2, "P-256", "RSA 2048", "P-256: "), (400, "RSA 2048", "P-256", "RSA 2048: ")]
    {
        let Some(nginx) = Nginx::start_serving("", &issued(&["localhost"], -88, days), more) else { return };
        let all = nginx.with(Options::default(), &mut reseal::event::Silence, |session| {
            reseal::flow::check::run(session, &[]).unwrap_or_else(|refusal| panic!("{}", refusal.why))
        });
        let keys: Vec<&str> = all[0].leaves().map(|leaf| leaf.key.as_str()).collect();
        assert_eq!(keys, [first, second]);
        // The RSA pair signed itself, and nothing is wrong with the other but its end.
        let own = all[0].findings.iter().find(|one| one.code == Code::SelfSigned).unwrap();
        assert_eq!(own.message, "RSA 2048: localhost signed itself");
        let soon = all[0].findings.iter().find(|one| one.code == Code::EndsSoon);
        assert_eq!(soon.is_some_and(|one| one.message.starts_with(begins)), days == 2, "{:?}", all[0].findings);

        let now = time::OffsetDateTime::now_utc();
        let metrics = reseal::report::prometheus::render(&all, now);
        let served: Vec<&str> = metrics.lines().filter(|line| line.starts_with("reseal_served{")).collect();
        assert!(served.len() == 2 && served.iter().all(|line| line.ends_with(" 1")), "{served:?}");
        let ends = metrics.lines().filter(|line| line.starts_with("x509_cert_not_after{")).count();
        assert_eq!(ends, 2, "{metrics}");
    }
}

/// The upgrade brings a configuration of its own, which reads a certificate of its own: the wanted one is put where it is read now, and undone
/// like every change.
#[test]
fn a_configuration_that_an_upgrade_has_reset_is_followed() {
    let good = pair(90);
    let Some(nginx) = Nginx::start_with("", &good) else { return };
    let wanted = nginx.shown().unwrap();
    let root = nginx.dir.path();
    fs::set_permissions(root.join("tls/web.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let run = |verb: &dyn Fn(&mut Session<'_>) -> Vec<Report>| {
        let mut all = nginx.with(Options::default(), &mut reseal::event::Silence, |session| verb(session));
        all.remove(0)
    };
    let snapshot = run(&|session| snapshot::run(session, &[]).unwrap());
    assert!(matches!(snapshot.outcome, Outcome::Remembered { signed_off: true, .. }), "{snapshot:?}");

    let default = self_signed(900);
    fs::write(root.join("tls/default.pem"), &default.certificate).unwrap();
    fs::write(root.join("tls/default.key"), &default.key).unwrap();
    let conf = root.join("conf/nginx.conf");
    let reset = fs::read_to_string(&conf).unwrap().replace("tls/web.", "tls/default.");
    fs::write(&conf, reset).unwrap();
    nginx.reload();
    let deadline = Instant::now() + Duration::from_secs(10);
    while nginx.shown() == Some(wanted) {
        assert!(Instant::now() < deadline, "nginx keeps its old configuration");
        thread::sleep(Duration::from_millis(20));
    }

    let upgrade = |session: &mut Session<'_>| post_upgrade::run(session, &[], post_upgrade::Limits::default()).unwrap();
    let report = run(&upgrade);
    let harms: Vec<&str> = report.upgrade.iter().map(|one| one.harm.word()).collect();
    assert_eq!(harms, ["overwritten", "config-reset"], "{report:?}");
    assert!(matches!(report.outcome, Outcome::Committed { .. }), "{report:?}");
    assert_eq!(nginx.shown(), Some(wanted));
    assert_eq!(fs::read_to_string(root.join("tls/web.pem")).unwrap(), good.certificate, "the old files stay");
    let again = run(&upgrade);
    assert!(matches!(again.outcome, Outcome::Nothing { .. }) && again.upgrade.is_empty(), "{again:?}");
}

/// Each pair goes where a pair of its kind is read now.
#[test]
fn of_two_pairs_each_follows_the_configuration() {
    let more = "ssl_certificate ../tls/rsa.pem; ssl_certificate_key ../tls/rsa.key;";
    let Some(nginx) = Nginx::start_serving("", &pair(90), more) else { return };
    let shown = || {
        [KeyFamily::Rsa, KeyFamily::Ecdsa].map(|family| {
            let served = tls::handshake(&nginx.address(), Some("localhost"), Some(family), Duration::from_secs(5));
            Digest::of(&served.unwrap().chain[0])
        })
    };
    let wanted = shown();
    let root = nginx.dir.path();
    let insist = Options { force: true, ..Options::default() };
    let snapshot =
        nginx.with(insist, &mut reseal::event::Silence, |session| snapshot::run(session, &[]).unwrap()).remove(0);
    assert!(matches!(snapshot.outcome, Outcome::Remembered { signed_off: true, .. }), "{snapshot:?}");
    let default = self_signed(900);
    fs::write(root.join("tls/default.pem"), &default.certificate).unwrap();
    fs::write(root.join("tls/default.key"), &default.key).unwrap();
    write_rsa(root, "default-rsa");
    let conf = root.join("conf/nginx.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("tls/web.", "tls/default.").replace("tls/rsa.", "tls/default-rsa.")).unwrap();
    nginx.reload();
    let deadline = Instant::now() + Duration::from_secs(10);
    while shown().iter().any(|one| wanted.contains(one)) {
        assert!(Instant::now() < deadline, "nginx keeps its old configuration");
        thread::sleep(Duration::from_millis(20));
    }
    let vendor = shown();
    let report = nginx.with(Options::default(), &mut reseal::event::Silence, |session| {
        post_upgrade::run(session, &[], post_upgrade::Limits::default()).unwrap().remove(0)
    });
    assert!(matches!(report.outcome, Outcome::Committed { .. }), "{report:?}");
    assert_eq!(shown(), wanted);
    // The receipt tells of both, in the order in which nginx names them.
    let (receipts, damaged) = nginx.with(Options::default(), &mut reseal::event::Silence, |session| {
        reseal::flow::history::run(session, &[]).unwrap_or_else(|refusal| panic!("{}", refusal.why))
    });
    let pairs: Vec<_> = receipts.last().unwrap().pairs.iter().map(|pair| (pair.before, pair.after)).collect();
    let told = |at: usize| (Some(vendor[at]), Some(wanted[at]));
    assert_eq!((pairs, damaged), (vec![told(1), told(0)], Vec::new()));
}
