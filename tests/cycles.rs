//! Many changes to many targets: every backup stays what it was, numbers only rise, nothing grows. And what there is nothing to do
//! for is left alone.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use reseal::config::Config;
use reseal::event::Silence;
use reseal::flow::{Options, Report, Session, backups, exit, history, install, renew, restore};
use reseal::host::Host;
use reseal::outcome::{Exit, Outcome};
use support::{Faults, Pair, memory_dir, pair};
use tempfile::TempDir;

/// One test at a time: descriptors and memory are counted for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Many targets in one directory.
struct Many {
    dir: TempDir,
    config: Config,
}

impl Many {
    /// Targets `t0`, `t1` and so on, each with a pair in place; `extra` goes into the configuration of each.
    fn new(count: usize, extra: impl Fn(usize, &Path) -> String) -> Self {
        let dir = memory_dir();
        let root = dir.path();
        let mut text = format!("[defaults]\nstate_dir = \"{0}/state\"\nlive_dir = \"{0}/live\"\n", root.display());
        let vendor = pair(40);
        for number in 0..count {
            let place = root.join(format!("t{number}"));
            fs::create_dir(&place).unwrap();
            fs::write(place.join("cert.pem"), &vendor.certificate).unwrap();
            fs::write(place.join("key.pem"), &vendor.key).unwrap();
            text += &format!(
                "[[target]]\nname = \"t{number}\"\nkind = \"files\"\nnames = [\"localhost\"]\n\
                 certificate = \"{0}/cert.pem\"\nkey = \"{0}/key.pem\"\n{1}",
                place.display(),
                extra(number, root)
            );
        }
        let config = Config::parse(&text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"));
        Self { dir, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn host(&self) -> Host {
        Host::new(self.path("state"))
    }

    fn with<T>(&self, host: &Host, options: Options, act: impl FnOnce(&mut Session<'_>) -> T) -> T {
        let options = Options { wait: std::time::Duration::from_secs(5), ..options };
        let mut silence = Silence;
        act(&mut Session::new(host, &self.config, self.path("live"), options, &mut silence))
    }

    fn renew(&self, host: &Host) -> Vec<Report> {
        self.with(host, Options::default(), |session| renew::run(session, &[])).unwrap()
    }

    /// The bytes in place: certificate and key.
    fn contents(&self, number: usize) -> [Vec<u8>; 2] {
        ["cert.pem", "key.pem"].map(|name| fs::read(self.path(&format!("t{number}")).join(name)).unwrap())
    }

    /// What a source that somebody keeps fresh holds.
    fn bring(&self, name: &str, pair: &Pair) {
        fs::write(self.path(name), format!("{}{}", pair.certificate, pair.key)).unwrap();
    }
}

/// KiB of memory in use, and open descriptors.
fn footprint() -> (usize, usize) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")).unwrap();
    (resident.trim().parse().unwrap(), fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

const CYCLES: usize = 1000;
const TARGETS: usize = 20;

#[test]
fn a_thousand_changes_keep_every_backup_and_grow_nothing() {
    let _turn = alone();
    let many = Many::new(TARGETS, |_, _| String::new());
    let pairs: Vec<Pair> = (0..30).map(|_| pair(80)).collect();
    for (index, pair) in pairs.iter().enumerate() {
        many.bring(&format!("pair{index}"), pair);
    }
    // What each generation of each target was when it was made.
    let mut kept: Vec<BTreeMap<u32, [Vec<u8>; 2]>> = vec![BTreeMap::new(); TARGETS];
    let mut dice = Dice(7);
    let mut warm = None;
    for cycle in 0..CYCLES {
        if cycle == CYCLES / 4 {
            warm = Some(footprint());
        }
        let number = dice.below(TARGETS);
        let (name, before) = (format!("t{number}"), many.contents(number));
        let known = &mut kept[number];
        let earlier: Vec<u32> = known.iter().filter(|(_, held)| **held != before).map(|(number, _)| *number).collect();
        let wanted = (!earlier.is_empty() && cycle % 2 == 1).then(|| earlier[dice.below(earlier.len())]);
        let report = many.with(&many.host(), Options::default(), |session| match wanted {
            Some(generation) => restore::run(session, &name, Some(generation)),
            None => install::run(session, &name, &[many.path(&format!("pair{}", dice.below(pairs.len())))]),
        });
        let receipt = match report.outcome {
            Outcome::Committed { receipt, .. } => receipt,
            // The dice showed what is in place already.
            Outcome::Nothing { .. } => {
                assert_eq!(many.contents(number), before);
                continue;
            }
            other => panic!("cycle {cycle}: {other:?}"),
        };
        let after = many.contents(number);
        if let Some(generation) = wanted {
            assert_eq!(
                after, known[&generation],
                "cycle {cycle}: generation {generation} of {name} came back as something else"
            );
        }
        let highest = known.last_key_value().map_or(0, |(number, _)| *number);
        if known.is_empty() {
            known.insert(1, before);
            assert_eq!(receipt.generation, 2, "cycle {cycle}: what was found is kept first");
        } else {
            assert_eq!(receipt.generation, highest + 1, "cycle {cycle}: one change, one number");
        }
        known.insert(receipt.generation, after);
    }
    let (warm, end) = (warm.unwrap(), footprint());
    for (number, known) in kept.iter().enumerate() {
        let vault = many.path(&format!("state/vault/t{number}"));
        let on_disk: Vec<u32> = {
            let names = fs::read_dir(&vault).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut numbers: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(on_disk, known.keys().copied().collect::<Vec<_>>(), "t{number}");
        for (generation, held) in known {
            let found = ["0", "1"].map(|name| fs::read(vault.join(generation.to_string()).join(name)).unwrap());
            assert!(found == *held, "generation {generation} of t{number} is not what was saved");
        }
    }
    let list = many.with(&many.host(), Options::default(), |session| backups::list(session, &[], true)).unwrap();
    assert!(list.len() > CYCLES * 9 / 10, "{} generations", list.len());
    assert!(list.iter().all(|generation| generation.damage.is_none()));
    let (receipts, broken) = many.with(&many.host(), Options::default(), |session| history::run(session, &[])).unwrap();
    assert_eq!((receipts.len(), broken.len()), (list.len() - TARGETS, 0), "one receipt for each change");
    assert_eq!(end.1, warm.1, "descriptors are left open");
    let grown = end.0.saturating_sub(warm.0);
    assert!(grown < 2048, "{grown} KiB more memory after {} more changes", CYCLES * 3 / 4);
}

fn committed(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Committed { .. })
}

#[test]
fn one_target_s_failure_stops_no_other() {
    let _turn = alone();
    let failing = 3;
    let missing = 7;
    let many = Many::new(10, |number, root| {
        let reload = if number == failing { "reload = [\"/bin/false\"]\n" } else { "reload = [\"/bin/true\"]\n" };
        let source = if number == missing { "absent" } else { "source" };
        format!(
            "{reload}[target.source]\nkind = \"import\"\nfrom = [\"{}/{source}\"]\n[target.policy]\nrenew_before = \"98/100\"\n",
            root.display()
        )
    });
    let fresh = pair(90);
    many.bring("source", &fresh);
    let before = many.contents(0);
    let reports = many.renew(&many.host());
    assert_eq!(exit(&reports), Exit::RolledBack, "the worst of all");
    for (number, report) in reports.iter().enumerate() {
        assert_eq!(report.target, format!("t{number}"));
        let expected = match number {
            _ if number == failing => Exit::RolledBack,
            _ if number == missing => Exit::Refused,
            _ => Exit::Good,
        };
        assert_eq!(report.outcome.exit(), expected, "{report:?}");
        let renewed = many.contents(number)[0] == fresh.certificate.as_bytes();
        assert_eq!(renewed, expected == Exit::Good, "t{number}");
        assert!(renewed || many.contents(number) == before, "t{number}");
    }
    // The next run does what is left, and nothing else.
    many.bring("absent", &fresh);
    let reports = many.renew(&many.host());
    let done: Vec<&str> = reports.iter().filter(|one| committed(one)).map(|one| one.target.as_str()).collect();
    assert_eq!(done, ["t7"], "{reports:?}");
}

#[test]
fn a_name_that_no_target_has_stops_all() {
    let _turn = alone();
    let many =
        Many::new(2, |_, root| format!("[target.source]\nkind = \"import\"\nfrom = [\"{}/source\"]\n", root.display()));
    many.bring("source", &pair(90));
    let names = ["t0".to_owned(), "t2".to_owned()];
    let refusal = many.with(&many.host(), Options::default(), |session| renew::run(session, &names)).unwrap_err();
    assert!(refusal.why.contains("there is no target `t2`"), "{refusal:?}");
    assert!(refusal.hint.is_some_and(|hint| hint.contains("t0, t1")));
    assert!(!many.path("state").exists());
}

#[test]
fn with_nothing_to_do_nothing_is_written_and_nothing_is_run() {
    let _turn = alone();
    let many = Many::new(6, |number, root| {
        // Half of them have a source, half only what was installed by hand.
        let source = format!("[target.source]\nkind = \"import\"\nfrom = [\"{}/source\"]\n", root.display());
        let source = if number % 2 == 0 { source } else { String::new() };
        format!(
            "check = [\"/usr/bin/touch\", \"{0}/ran\"]\nreload = [\"/usr/bin/touch\", \"{0}/ran\"]\n{source}",
            root.display()
        )
    });
    many.bring("source", &pair(90));
    for number in 0..6 {
        let report = many.with(&many.host(), Options::default(), |session| {
            install::run(session, &format!("t{number}"), &[many.path("source")])
        });
        assert!(committed(&report), "{report:?}");
    }
    fs::remove_file(many.path("ran")).unwrap();
    for live in [false, true] {
        let (faults, watch) = Faults::never();
        let options = Options { live, ..Options::default() };
        let reports = many.with(&many.host().with_watch(watch), options, |session| renew::run(session, &[])).unwrap();
        assert_eq!(exit(&reports), Exit::Good);
        assert!(reports.iter().all(|one| matches!(one.outcome, Outcome::Nothing { .. })), "{reports:?}");
        assert_eq!(faults.seen(), 0, "live: {live}");
    }
    assert!(!many.path("ran").exists(), "a command was run");
    // The same watch sees a run that has something to do.
    many.bring("source", &pair(300));
    let (faults, watch) = Faults::never();
    assert_eq!(many.renew(&many.host().with_watch(watch)).iter().filter(|one| committed(one)).count(), 3);
    assert!(faults.seen() > 50 && many.path("ran").exists());
}

#[test]
fn a_dry_run_writes_nothing_and_runs_nothing() {
    let _turn = alone();
    let many = Many::new(3, |_, root| {
        let source = format!("[target.source]\nkind = \"import\"\nfrom = [\"{}/source\"]\n", root.display());
        format!(
            "check = [\"/usr/bin/touch\", \"{0}/ran\"]\nreload = [\"/usr/bin/touch\", \"{0}/ran\"]\n{source}",
            root.display()
        )
    });
    many.bring("source", &pair(90));
    let (faults, watch) = Faults::never();
    let options = Options { dry_run: true, ..Options::default() };
    let reports = many.with(&many.host().with_watch(watch), options, |session| renew::run(session, &[])).unwrap();
    assert!(reports.iter().all(|one| one.outcome == Outcome::Planned && one.plan.is_some()), "{reports:?}");
    assert_eq!(faults.seen(), 0);
    assert!(!many.path("ran").exists() && !many.path("state").exists());
}
