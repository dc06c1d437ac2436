//! `reseal ca`: makes, shows and uses a CA of reseal's own.

mod hand;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use super::{Refusal, Session};
use crate::cert::{Bundle, Generate, KeyKind, Name, PrivateKey};
use crate::digest::Digest;
use crate::engine::{Engine, EngineError};
use crate::event::Event;
use crate::host::clock;
use crate::host::passphrase::{self, Explicit, KEYRING_LIMIT, Origin, PassphraseError, PassphraseQuery};
use crate::host::state::State;
use crate::outcome::{Outcome, explain};
use crate::sensitive::Sensitive;
use crate::source::local_ca::{Authority, CaError, Founding, LeafOrder, Unlocked};

pub use self::hand::{Written, issue};
pub use crate::source::local_ca::Permitted;

/// What is asked of a new CA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Init {
    /// The names it may sign, fixed for its life; never empty.
    pub permitted: Vec<Permitted>,
    /// The common name of its root; none: `reseal local CA NAME`.
    pub common_name: Option<String>,
    /// How long the root lives.
    pub years: u32,
    /// The kind of its key.
    pub key: Generate,
    /// How many intermediates may stand below the root.
    pub path_length: u8,
    /// Keep the passphrase in the keyring.
    pub store_keyring: bool,
}

impl Init {
    /// The usual choice: ten years, P-256, no intermediates, nothing kept in the keyring.
    #[must_use]
    pub fn new(permitted: Vec<Permitted>) -> Self {
        let Founding { common_name, years, key, path_length, .. } = Founding::new("", Vec::new());
        Self { permitted, common_name, years, key, path_length, store_keyring: false }
    }
}

/// A CA, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AuthorityView {
    /// Its name on this machine.
    pub name: String,
    /// The subject of its root. Whoever prints it must escape it.
    pub subject: String,
    /// SHA-256 of its root, to be compared before a client is made to trust it; none in a dry run, where there is no key yet.
    pub fingerprint: Option<Digest>,
    /// The kind of its key.
    pub key: KeyKind,
    /// First second of its root, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// Last second of its root, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// The names it may sign.
    pub permitted: Vec<Permitted>,
    /// How many intermediates may stand below its root.
    pub path_length: u8,
    /// How many certificates it has issued.
    pub issued: usize,
    /// Lines of its record that cannot be read.
    pub damaged: usize,
    /// The root, to be given to every client.
    pub root: PathBuf,
}

/// Makes a CA, under the machine lock.
///
/// # Errors
/// It cannot be made like this, there is one of that name, no passphrase was given, or a call failed. Then there is none.
pub fn init(session: &mut Session<'_>, name: &str, init: &Init) -> Result<AuthorityView, Refusal> {
    let founding = Founding {
        name: name.to_owned(),
        permitted: init.permitted.clone(),
        common_name: init.common_name.clone(),
        years: init.years,
        key: init.key,
        path_length: init.path_length,
    };
    founding.check()?;
    if session.options.dry_run {
        return planned(session, &founding);
    }
    let engine = Engine::open(session.host, "ca init", session.options.wait).map_err(not_opened)?;
    engine.trust_clock().map_err(not_opened)?;
    Authority::vacant(engine.state(), name)?;
    let (secret, origin) = passphrase(session, name, true)?;
    let founded = founding.found(&secret, session.host.now())?;
    // First of all that lasts: with a keyring that cannot keep it, nothing is made.
    if init.store_keyring && origin != Origin::Keyring {
        passphrase::store(&label(name), &secret).map_err(|miss| {
            Refusal::new(format!("cannot keep the passphrase of the CA {name} in the keyring: {miss}"))
                .hint("unlock the keyring, or make the CA without keeping its passphrase there")
        })?;
    }
    view(&founded.keep(engine.state())?)
}

/// The CA that would be made, tried out in memory under a passphrase that nobody needs: the key is thrown away.
fn planned(session: &Session<'_>, founding: &Founding) -> Result<AuthorityView, Refusal> {
    if let Some(state) = State::open(session.host)? {
        Authority::vacant(&state, &founding.name)?;
    }
    let now = session.host.now();
    let founded = founding.found(&Sensitive::from("dry run".to_owned()), now)?;
    let root = founded.root();
    Ok(AuthorityView {
        name: founding.name.clone(),
        subject: root.subject().to_owned(),
        fingerprint: None,
        key: root.key_kind().clone(),
        not_before: root.not_before(),
        not_after: root.not_after(),
        permitted: founding.permitted.clone(),
        path_length: founding.path_length,
        issued: 0,
        damaged: 0,
        root: Authority::root_of(session.host, &founding.name),
    })
}

/// The CA of this name, or all there are.
///
/// # Errors
/// There is none of this name, or one cannot be read.
pub fn show(session: &Session<'_>, name: Option<&str>) -> Result<Vec<AuthorityView>, Refusal> {
    match (name, State::open(session.host)?) {
        (Some(name), Some(state)) => Ok(vec![view(&Authority::find(&state, name)?)?]),
        (None, Some(state)) => Authority::all(&state)?.iter().map(view).collect(),
        (Some(name), None) => Err(missing(name)),
        (None, None) => Ok(Vec::new()),
    }
}

/// Whether a CA would issue a certificate like this now. Asks for no passphrase.
///
/// # Errors
/// Why it would not.
pub fn admit(session: &Session<'_>, ca: &str, names: &[Name], days: u32) -> Result<(), Refusal> {
    Ok(Authority::find(&open_state(session, ca)?, ca)?.admit(names, days, session.host.now())?)
}

/// What is wanted from a CA.
pub struct Wanted {
    /// The names, the first also as common name.
    pub names: Vec<Name>,
    /// How long it lives; less where the CA does.
    pub days: u32,
    /// Its key.
    pub key: LeafKey,
    /// The target it is for; none: asked for by hand.
    pub target: Option<String>,
}

/// The key of a new certificate.
pub enum LeafKey {
    /// A new one of this kind.
    Make(Generate),
    /// One that is in use already.
    Keep(PrivateKey),
}

/// CAs whose keys have been opened, so that one run asks for each passphrase once: a descriptor can be read no second time.
#[derive(Default)]
pub struct Authorities(Vec<Unlocked>);

impl Authorities {
    /// Issues a certificate. Whether it may is found out before anybody is asked for a passphrase.
    ///
    /// # Errors
    /// There is no such CA, it may not sign the names, its time is over, the clock cannot be right, there is no passphrase or a
    /// wrong one, or what came out does not verify.
    pub fn obtain(&mut self, session: &mut Session<'_>, ca: &str, wanted: Wanted) -> Result<Bundle, Refusal> {
        session.listener.hear(&Event::Obtaining { source: format!("local CA {ca}") });
        let now = session.host.now();
        let known = self.0.iter().position(|unlocked| unlocked.authority().name() == ca);
        let place = match known {
            Some(place) => {
                self.0[place].authority().admit(&wanted.names, wanted.days, now)?;
                place
            }
            None => {
                let authority = Authority::find(&open_state(session, ca)?, ca)?;
                authority.admit(&wanted.names, wanted.days, now)?;
                self.0.push(unlock(session, authority)?);
                self.0.len() - 1
            }
        };
        let unlocked = &self.0[place];
        let created = unlocked.authority().created();
        let newest = unlocked.authority().record()?.newest().map_or(created, |newest| newest.max(created));
        clock::plausible(now, Some(newest)).map_err(|error| Refusal::new(error.to_string()).hint(error.hint()))?;
        let key = match wanted.key {
            LeafKey::Make(kind) => PrivateKey::generate(kind).map_err(CaError::from)?,
            LeafKey::Keep(key) => key,
        };
        let order = LeafOrder { names: wanted.names, key, days: wanted.days, target: wanted.target };
        let bundle = unlocked.issue(order, now)?;
        let root = unlocked.authority().root();
        if bundle.leaf().not_after() == root.not_after() {
            let text = format!("the certificate ends with its CA {ca}, on {}: make another CA soon", root.not_after());
            session.listener.hear(&Event::Note { text });
        }
        Ok(bundle)
    }
}

/// Issues one certificate. A run that needs several keeps [`Authorities`] instead.
///
/// # Errors
/// As [`Authorities::obtain`].
pub fn obtain(session: &mut Session<'_>, ca: &str, wanted: Wanted) -> Result<Bundle, Refusal> {
    Authorities::default().obtain(session, ca, wanted)
}

fn unlock(session: &Session<'_>, authority: Authority) -> Result<Unlocked, Refusal> {
    let name = authority.name().to_owned();
    let (secret, origin) = passphrase(session, &name, false)?;
    authority.unlock(&secret).map_err(|error| {
        if !matches!(error, CaError::WrongPassphrase(_)) {
            return error.into();
        }
        let refusal = Refusal::new(format!("{error}: it came from the {origin}"));
        match (error.hint(), origin) {
            (_, Origin::Credential(_) | Origin::Keyring) => {
                refusal.hint("put the right one there, or name it with --passphrase-file, which is asked first")
            }
            (Some(hint), Origin::File(_) | Origin::Fd(_) | Origin::Prompt) => refusal.hint(hint),
            (None, Origin::File(_) | Origin::Fd(_) | Origin::Prompt) => refusal,
        }
    })
}

/// The passphrase of a CA: from where the command line says, else the configuration, else the usual sources.
fn passphrase(session: &Session<'_>, ca: &str, new: bool) -> Result<(Sensitive, Origin), Refusal> {
    let secrets = &session.options.secrets;
    let configured = || session.config.authorities.get(ca).and_then(|known| known.passphrase_file.clone());
    let explicit = match (secrets.descriptor, &secrets.file) {
        (Some(number), _) => Some(Explicit::Fd(number)),
        (None, Some(path)) => Some(Explicit::File(path.clone())),
        (None, None) => configured().map(Explicit::File),
    };
    let label = label(ca);
    let keyring = Some(if secrets.may_prompt { KEYRING_ANSWERED } else { KEYRING_LIMIT });
    let query = PassphraseQuery { label: &label, explicit, may_prompt: secrets.may_prompt, confirm: new, keyring };
    passphrase::obtain(session.host, &query).map_err(|error| no_passphrase(ca, &error))
}

/// How long the keyring may take where a person may have to unlock it.
const KEYRING_ANSWERED: Duration = Duration::from_mins(1);

fn no_passphrase(ca: &str, error: &PassphraseError) -> Refusal {
    let hint = match error.tried.last() {
        Some((Origin::File(_) | Origin::Fd(_) | Origin::Credential(_), _)) | None => error.hint().to_owned(),
        Some((Origin::Keyring | Origin::Prompt, _)) => format!(
            "give it with --passphrase-file FILE or --passphrase-fd N, as the systemd credential reseal.{0}, in the keyring \
             (service `reseal`, user `{0}`), or at a terminal",
            label(ca)
        ),
    };
    Refusal::new(error.to_string()).hint(hint)
}

fn label(ca: &str) -> String {
    format!("ca-{ca}")
}

fn open_state(session: &Session<'_>, ca: &str) -> Result<State, Refusal> {
    State::open(session.host)?.ok_or_else(|| missing(ca))
}

fn missing(ca: &str) -> Refusal {
    CaError::Missing { name: ca.to_owned(), known: Vec::new() }.into()
}

fn view(authority: &Authority) -> Result<AuthorityView, Refusal> {
    let record = authority.record()?;
    let root = authority.root();
    Ok(AuthorityView {
        name: authority.name().to_owned(),
        subject: root.subject().to_owned(),
        fingerprint: Some(root.fingerprint()),
        key: root.key_kind().clone(),
        not_before: root.not_before(),
        not_after: root.not_after(),
        permitted: authority.permitted().to_vec(),
        path_length: authority.path_length(),
        issued: record.issued.len(),
        damaged: record.damaged,
        root: authority.root_path(),
    })
}

/// With the whole chain of causes in one line, as a refusal has one.
impl From<CaError> for Refusal {
    fn from(error: CaError) -> Self {
        let hint = error.hint();
        Self::with(explain(&error), hint)
    }
}

pub(super) fn not_opened(error: EngineError) -> Refusal {
    let told = error.to_string();
    let outcome = error.outcome();
    let exit = outcome.exit();
    if let Outcome::Refused { why, hint } = outcome {
        return Refusal::with(why, hint);
    }
    Refusal { exit, ..Refusal::new(told).hint("wait for it with --wait, or try again later") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use tempfile::TempDir;
    use time::macros::datetime;

    use super::*;
    use crate::cert::Anchors;
    use crate::config::{CaConfig, Config};
    use crate::event::Listener;
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
                authorities: BTreeMap::new(),
                trust: BTreeMap::new(),
                rules: std::sync::Arc::default(),
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
        assert_eq!((made.name.as_str(), made.issued, made.path_length), ("office", 0, 0));
        assert_eq!(made.subject, "CN=reseal local CA office");
        assert_eq!(made.not_after, datetime!(2037-03-01 12:00 UTC));

        let bundle = obtain(&mut ground.session(Some("right")), "office", wanted("www.example.org", 30)).unwrap();
        let shown = show(&ground.session(None), None).unwrap();
        assert_eq!(shown, [AuthorityView { issued: 1, ..made }]);
        assert_eq!(show(&ground.session(None), Some("office")).unwrap(), shown);
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
        assert_eq!(AuthorityView { fingerprint: made.fingerprint, ..planned }, made);
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
        ground.host =
            Host::new(ground.dir.path().join("state")).with_clock(Clock::Fixed(datetime!(2028-02-01 0:00 UTC)));
        obtain(&mut ground.session(Some("right")), "short", wanted("example.org", 90)).unwrap();
        assert!(matches!(ground.heard.notes().as_slice(), [note] if note.contains("ends with its CA short")));
    }

    #[test]
    fn names_are_judged_before_a_passphrase_is_wanted() {
        let mut ground = Ground::new();
        ground.init("office");
        let refusal = refused(obtain(&mut ground.session(None), "office", wanted("example.com", 30)));
        assert!(refusal.why.starts_with("the CA office may not sign example.com"), "{}", refusal.why);
        assert!(refusal.hint.unwrap().contains("`reseal ca init`"));
        let refusal = refused(obtain(&mut ground.session(None), "offce", wanted("example.org", 30)));
        assert_eq!(
            (refusal.why.as_str(), refusal.hint.as_deref()),
            ("there is no CA offce", Some("those there are: office; `reseal ca init` makes another"))
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
        for way in
            ["--passphrase-file", "--passphrase-fd", "systemd credential reseal.ca-office", "keyring", "terminal"]
        {
            assert!(hint.contains(way), "{way}: {hint}");
        }
        assert_eq!(show(&ground.session(None), None).unwrap(), []);
        let keep = Init { store_keyring: true, ..usual() };
        let refusal = refused(init(&mut ground.session(Some("right")), "office", &keep));
        assert!(
            refusal.why.starts_with("cannot keep the passphrase of the CA office in the keyring"),
            "{}",
            refusal.why
        );
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
}
