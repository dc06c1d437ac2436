//! The verbs about local CAs, in memory and on a disk of their own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::cert::{Anchors, Generate, PrivateKey};
use crate::config::{CaConfig, Config};
use crate::event::{Event, Listener};
use crate::flow::{Options, Secrets};
use crate::host::Host;
use crate::host::clock::Clock;
use crate::host::lock::Lock;

const NOW: OffsetDateTime = datetime!(2027-03-01 12:00 UTC);

struct Ground {
    dir: TempDir,
    host: Host,
    config: Config,
    heard: Heard,
    options: Options,
}

#[derive(Default)]
struct Heard(Vec<Event>);

impl Listener for Heard {
    fn hear(&mut self, event: &Event) {
        self.0.push(event.clone());
    }
}

impl Heard {
    fn notes(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter_map(|event| if let Event::Note { text } = event { Some(text.as_str()) } else { None })
            .collect()
    }
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(dir.path().join("state")).with_clock(Clock::Fixed(NOW));
        let config = Config {
            origin: "/etc/reseal.toml".into(),
            state_dir: None,
            live_dir: None,
            probe_timeout: crate::config::Policy::default().probe_timeout,
            authorities: BTreeMap::new(),
            system_store: None,
            hooks: crate::config::HooksConfig::default(),
            trust: BTreeMap::new(),
            rules: std::sync::Arc::default(),
            notify: crate::config::Notify::default(),
            targets: Vec::new(),
        };
        let ground = Self { dir, host, config, heard: Heard::default(), options: Options::default() };
        ground.secret("right", "correct horse");
        ground.secret("wrong", "battery staple");
        ground
    }

    fn secret(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn session(&mut self, secret: Option<&str>) -> Session<'_> {
        let file = secret.map(|name| self.dir.path().join(name));
        self.options.secrets = Secrets { file, ..Secrets::default() };
        let live_dir = self.dir.path().join("live");
        Session::new(&self.host, &self.config, live_dir, self.options.clone(), &mut self.heard)
    }

    fn init(&mut self, name: &str) -> AuthorityView {
        init(&mut self.session(Some("right")), name, &usual()).unwrap()
    }
}

fn usual() -> Init {
    Init::new(vec!["example.org".parse().unwrap()])
}

fn wanted(name: &str, days: u32) -> Wanted {
    Wanted {
        names: vec![name.parse().unwrap()],
        days,
        key: LeafKey::Make(Generate::P256),
        target: Some("web".to_owned()),
    }
}

fn refused<T>(result: Result<T, Refusal>) -> Refusal {
    match result {
        Ok(_) => panic!("was not refused"),
        Err(refusal) => refusal,
    }
}

#[test]
fn a_ca_is_made_shown_and_used() {
    let mut ground = Ground::new();
    assert_eq!(show(&ground.session(None), None).unwrap(), []);
    let made = ground.init("office");
    assert_eq!((made.name.as_str(), made.issued, made.path_length), ("office", 0, Some(0)));
    assert_eq!(made.subject, "CN=reseal local CA office");
    assert_eq!(made.not_after, datetime!(2037-03-01 12:00 UTC));

    let bundle = obtain(&mut ground.session(Some("right")), "office", wanted("www.example.org", 30)).unwrap();
    let shown = show(&ground.session(None), None).unwrap();
    assert_eq!(shown, [AuthorityView { issued: 1, step: None, ..made }]);
    let mut full = show(&ground.session(None), Some("office")).unwrap();
    let issued = full[0].certificates.take().unwrap();
    assert_eq!(full, shown);
    assert_eq!((issued.len(), &issued[0].serial, &issued[0].revoked), (1, &bundle.leaf().serial(), &None));
    let root = crate::cert::codec::read(&fs::read(&shown[0].root).unwrap(), None).unwrap();
    Anchors::new(root.certificates).verify(bundle.chain(), bundle.leaf().names(), NOW).unwrap();
    assert!(ground.heard.0.iter().any(|event| matches!(event, Event::Obtaining { .. })));
    assert_eq!(ground.heard.notes(), [""; 0]);
    assert!(serde_json::to_string(&shown).unwrap().contains(r#""permitted":["example.org"]"#));
}

#[test]
fn a_dry_run_tells_what_would_be_and_leaves_nothing() {
    let mut ground = Ground::new();
    ground.options.dry_run = true;
    let planned = init(&mut ground.session(None), "office", &usual()).unwrap();
    assert_eq!((planned.fingerprint, planned.not_after), (None, datetime!(2037-03-01 12:00 UTC)));
    assert!(!ground.dir.path().join("state").exists(), "nothing is made");

    ground.options.dry_run = false;
    let made = ground.init("office");
    let step = |done| Some(Step { what: What::Made, roots: vec![1], done });
    assert_eq!((&planned.step, &made.step), (&step(false), &step(true)));
    assert_eq!(AuthorityView { fingerprint: made.fingerprint, step: made.step.clone(), ..planned }, made);
    ground.options.dry_run = true;
    let refusal = refused(init(&mut ground.session(None), "office", &usual()));
    assert!(refusal.why.contains("office"), "{}", refusal.why);
    let out = ground.dir.path().to_owned();
    let written = issue(&mut ground.session(None), "office", wanted("www.example.org", 30), &out).unwrap();
    assert_eq!((written.fingerprint, written.not_after), (None, NOW + time::Duration::days(30)));
    assert!(!written.key.exists() && !written.chain.exists());
    let refusal = refused(issue(&mut ground.session(None), "office", wanted("example.com", 30), &out));
    assert!(refusal.why.contains("may not sign example.com"), "{}", refusal.why);
    assert_eq!(show(&ground.session(None), None).unwrap()[0].issued, 0);
}

#[test]
fn one_run_opens_a_key_once() {
    let mut ground = Ground::new();
    ground.init("office");
    let mut authorities = Authorities::default();
    authorities.obtain(&mut ground.session(Some("right")), "office", wanted("a.example.org", 30)).unwrap();
    fs::remove_file(ground.dir.path().join("right")).unwrap();
    authorities.obtain(&mut ground.session(Some("right")), "office", wanted("b.example.org", 30)).unwrap();
    let refusal = refused(authorities.obtain(&mut ground.session(Some("right")), "office", wanted("b.lan", 30)));
    assert!(refusal.why.contains("may not sign b.lan"), "{}", refusal.why);
}

#[test]
fn a_kept_key_stays() {
    let mut ground = Ground::new();
    ground.init("office");
    let key = PrivateKey::generate(Generate::P384).unwrap();
    let spki = key.spki().to_vec();
    let order = Wanted { key: LeafKey::Keep(key), ..wanted("example.org", 30) };
    let bundle = obtain(&mut ground.session(Some("right")), "office", order).unwrap();
    assert_eq!(bundle.leaf().spki(), spki);
}

#[test]
fn an_end_with_the_ca_is_told() {
    let mut ground = Ground::new();
    init(&mut ground.session(Some("right")), "short", &Init { years: 1, ..usual() }).unwrap();
    ground.host = Host::new(ground.dir.path().join("state")).with_clock(Clock::Fixed(datetime!(2028-02-01 0:00 UTC)));
    obtain(&mut ground.session(Some("right")), "short", wanted("example.org", 90)).unwrap();
    assert!(matches!(ground.heard.notes().as_slice(), [note] if note.contains("ends with its CA short")));
}

#[test]
fn names_are_judged_before_a_passphrase_is_wanted() {
    let mut ground = Ground::new();
    ground.init("office");
    let refusal = refused(obtain(&mut ground.session(None), "office", wanted("example.com", 30)));
    assert!(refusal.why.starts_with("the CA office may not sign example.com"), "{}", refusal.why);
    assert!(refusal.hint.unwrap().contains("`reseal ca init NAME --permit DOMAIN`"));
    let refusal = refused(obtain(&mut ground.session(None), "offce", wanted("example.org", 30)));
    assert_eq!(
        (refusal.why.as_str(), refusal.hint.as_deref()),
        ("there is no CA offce", Some("those there are: office; `reseal ca init offce --permit DOMAIN` makes another"))
    );
}

#[test]
fn without_a_passphrase_all_ways_to_give_one_are_listed() {
    if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some() {
        eprintln!("skipped: needs a session without a bus, and must not touch a real keyring");
        return;
    }
    let mut ground = Ground::new();
    let refusal = refused(init(&mut ground.session(None), "office", &usual()));
    let hint = refusal.hint.unwrap();
    for way in ["--passphrase-file", "--passphrase-fd", "systemd credential reseal.ca-office", "keyring", "terminal"] {
        assert!(hint.contains(way), "{way}: {hint}");
    }
    assert_eq!(show(&ground.session(None), None).unwrap(), []);
    let keep = Init { store_keyring: true, ..usual() };
    let refusal = refused(init(&mut ground.session(Some("right")), "office", &keep));
    assert!(refusal.why.starts_with("cannot keep the passphrase of the CA office in the keyring"), "{}", refusal.why);
    assert_eq!(show(&ground.session(None), None).unwrap(), [], "nothing is made");
}

#[test]
fn a_wrong_passphrase_is_told_with_its_source() {
    let mut ground = Ground::new();
    ground.init("office");
    let refusal = refused(obtain(&mut ground.session(Some("wrong")), "office", wanted("example.org", 30)));
    let expected = format!(
        "the passphrase does not open the key of the CA office: it came from the file {}",
        ground.dir.path().join("wrong").display()
    );
    assert_eq!(refusal.why, expected);
    assert!(refusal.hint.unwrap().contains("the passphrase it was made with"));
}

#[test]
fn the_configuration_names_a_passphrase_file_too() {
    let mut ground = Ground::new();
    ground.init("office");
    let passphrase_file = Some(ground.dir.path().join("right"));
    ground.config.authorities.insert("office".to_owned(), CaConfig { passphrase_file });
    obtain(&mut ground.session(None), "office", wanted("example.org", 30)).unwrap();
    let refusal = refused(obtain(&mut ground.session(Some("wrong")), "office", wanted("example.org", 30)));
    assert!(refusal.why.contains("/wrong"), "what is typed counts more: {}", refusal.why);
}

#[test]
fn a_clock_that_went_back_issues_nothing() {
    let mut ground = Ground::new();
    ground.init("office");
    let later = Clock::Fixed(datetime!(2027-06-01 0:00 UTC));
    ground.host = Host::new(ground.dir.path().join("state")).with_clock(later);
    obtain(&mut ground.session(Some("right")), "office", wanted("example.org", 30)).unwrap();
    ground.host = Host::new(ground.dir.path().join("state")).with_clock(Clock::Fixed(NOW));
    let refusal = refused(obtain(&mut ground.session(Some("right")), "office", wanted("example.org", 30)));
    assert!(refusal.why.contains("the clock shows 2027-03-01"), "{}", refusal.why);
    assert!(refusal.why.contains("the CA office was at work on 2027-06-01"), "{}", refusal.why);
    assert!(refusal.hint.as_ref().unwrap().contains("`--trust-clock`"), "{:?}", refusal.hint);
    let mut session = ground.session(Some("right"));
    session.options.trust_clock = true;
    obtain(&mut session, "office", wanted("example.org", 30)).unwrap();
    // What that has written down is what counts from now on.
    obtain(&mut ground.session(Some("right")), "office", wanted("example.org", 30)).unwrap();
}

#[test]
fn one_is_made_at_a_time() {
    let mut ground = Ground::new();
    let state = State::open_or_make(&ground.host).unwrap();
    let _lock = Lock::take(&state, "renew", NOW, Duration::ZERO).unwrap();
    let refusal = refused(init(&mut ground.session(Some("right")), "office", &usual()));
    assert!(refusal.why.starts_with("another reseal is at work"), "{}", refusal.why);
}

#[test]
fn a_certificate_by_hand_is_written_over_nothing() {
    let mut ground = Ground::new();
    ground.init("office");
    let out = ground.dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let order = || Wanted { target: None, ..wanted("example.org", 30) };
    let written = issue(&mut ground.session(Some("right")), "office", order(), &out).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&written.key), mode(&written.chain)), (0o600, 0o644));
    let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["fullchain.pem", "privkey.pem"]);
    let both = [fs::read(&written.chain).unwrap(), fs::read(&written.key).unwrap()].concat();
    let read = crate::cert::codec::read(&both, None).unwrap();
    assert_eq!(Some(read.certificates[0].fingerprint()), written.fingerprint);
    assert!(read.keys[0].matches(&read.certificates[0]));

    for kept in [&written.key, &written.chain] {
        let before = fs::read(kept).unwrap();
        let refusal = refused(issue(&mut ground.session(Some("right")), "office", order(), &out));
        assert!(refusal.why.ends_with("it is there already"), "{}", refusal.why);
        assert_eq!(fs::read(kept).unwrap(), before);
        fs::remove_file(&written.key).unwrap_or_default();
    }
    assert_eq!(show(&ground.session(None), None).unwrap()[0].issued, 1, "nothing is issued for nobody");
}
