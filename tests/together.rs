//! More than one at a time: other runs of reseal, signals, readers, and programs that write to the same files.

mod support;

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use reseal::digest::Digest;
use reseal::flow::{Options, adopt, backups, history};
use reseal::host::Host;
use reseal::host::state::State;
use reseal::outcome::{End, Exit, Receipt};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, Signal, kill_process};
use support::service::{Then, served};
use support::{Pair, World, pair};

/// The digest of the public half of a key, for reseal writes keys in an encoding of its own.
fn public(key: &str) -> Digest {
    let key = reseal::cert::PrivateKey::from_der(pem::parse(key).unwrap().contents()).unwrap();
    Digest::of(key.spki())
}

fn matched(pair: &(String, String), known: &[Pair]) -> bool {
    known.iter().any(|one| one.certificate == pair.0 && public(&one.key) == public(&pair.1))
}

fn receipts(world: &World) -> Vec<Receipt> {
    let (receipts, broken) =
        world.with(&world.host(), Options::default(), |session| history::run(session, &[])).unwrap();
    assert!(broken.is_empty(), "{broken:?}");
    receipts
}

/// Nothing is left over, nothing is left to recover, every backup is whole.
fn tidy(world: &World, at: &str) {
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new(), "{at}");
    let recovered = world.recover(&world.host());
    assert!(recovered.is_empty(), "{at}: {recovered:?}");
    let list = world.with(&world.host(), Options::default(), |session| backups::list(session, &[], true)).unwrap();
    assert!(list.iter().all(|generation| generation.damage.is_none()), "{at}: {list:?}");
}

/// Writes two pairs for each runner, and tells them all with what is in place.
fn pairs_for(world: &World, runners: usize) -> Vec<Pair> {
    let found = world.served().unwrap();
    let mut known = vec![Pair { certificate: found.0, key: found.1 }];
    for number in 0..runners * 2 {
        let pair = pair(90);
        fs::write(world.path(&format!("{number}.pem")), format!("{}{}", pair.certificate, pair.key)).unwrap();
        known.push(pair);
    }
    known
}

/// Every runner installs its two pairs by turns; how each run ended.
fn run_at_once(world: &World, runners: usize, rounds: usize, options: &[&str]) -> Vec<Output> {
    let outputs = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for runner in 0..runners {
            let outputs = &outputs;
            scope.spawn(move || {
                for round in 0..rounds {
                    let input = world.path(&format!("{}.pem", runner * 2 + round % 2));
                    let output = world
                        .program(&["--format", "json", "install", "web", "--from", input.to_str().unwrap()])
                        .args(options)
                        .output()
                        .unwrap();
                    outputs.lock().unwrap().push(output);
                }
            });
        }
    });
    outputs.into_inner().unwrap()
}

#[test]
fn runs_at_once_end_done_or_busy_and_none_is_lost() {
    for (runners, rounds, options) in [(2, 20, &[][..]), (16, 6, &[]), (16, 2, &["--wait", "60"])] {
        let world = World::new("");
        let known = pairs_for(&world, runners);
        let outputs = run_at_once(&world, runners, rounds, options);
        let (mut done, mut busy) = (0, 0);
        for output in &outputs {
            let text = String::from_utf8_lossy(&output.stdout);
            match output.status.code() {
                Some(0) => done += usize::from(text.contains("\"outcome\":\"committed\"")),
                Some(75) => {
                    busy += 1;
                    assert!(text.contains("\"outcome\":\"busy\"") && text.contains("process "), "{text}");
                }
                other => panic!("{other:?}: {text} {}", String::from_utf8_lossy(&output.stderr)),
            }
        }
        assert!(done > 1, "{runners} runners: nothing was done");
        assert!(options.is_empty() || busy == 0, "who waits is not turned away: {busy}");
        let receipts = receipts(&world);
        assert_eq!(receipts.len(), done, "one receipt for each run that did something");
        assert!(receipts.windows(2).all(|two| two[0].generation < two[1].generation), "{receipts:?}");
        assert!(receipts.iter().all(|receipt| matches!(receipt.end, End::Committed { .. })));
        let chained = receipts.windows(2).all(|two| two[0].after == two[1].before);
        assert!(chained, "each began with what the one before had left");
        let found = world.served().unwrap();
        assert!(matched(&found, &known[1..]));
        let last = Digest::of(pem::parse(&found.0).unwrap().contents());
        assert_eq!(receipts.last().unwrap().after, Some(last));
        tidy(&world, "in the end");
    }
}

/// Nothing of reseal's own is there yet, and all of them want to make it.
#[test]
fn first_runs_at_once_do_not_trip_over_each_other() {
    for round in 0..200 {
        let dir = support::memory_dir();
        let host = Host::new(dir.path().join("var/lib/reseal"));
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    State::open_or_make(&host).unwrap_or_else(|error| panic!("round {round}: {error}"));
                });
            }
        });
        let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(["var", "var/lib", "var/lib/reseal"].map(mode), [0o755, 0o755, 0o700]);
    }
}

/// Reads the pair as a service does that opens the directory once.
fn read_through(current: &Path) -> Option<(String, String)> {
    let dir: OwnedFd = openat(CWD, current, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let read = |name: &str| {
        let mut text = String::new();
        let file = openat(&dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        fs::File::from(file).read_to_string(&mut text).ok()?;
        Some(text)
    };
    Some((read("fullchain.pem")?, read("privkey.pem")?))
}

#[test]
fn through_the_link_of_an_adopted_target_the_pair_always_matches() {
    let world = World::new("");
    let report = world.with(&world.host(), Options::default(), |session| adopt::run(session, "web", false));
    assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
    let known = pairs_for(&world, 2);
    let (over, gone, seen) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let current = world.path("live/web/current");
            let mut last = String::new();
            while !over.load(Ordering::Relaxed) {
                match read_through(&current) {
                    Some(found) => {
                        assert!(matched(&found, &known), "a pair that does not match was to be seen");
                        seen.fetch_add(usize::from(found.0 != last), Ordering::Relaxed);
                        last = found.0;
                    }
                    // Two switches happened while the directory was held open.
                    None => drop(gone.fetch_add(1, Ordering::Relaxed)),
                }
            }
        });
        let outputs = run_at_once(&world, 2, 30, &["--wait", "60"]);
        over.store(true, Ordering::Relaxed);
        assert!(outputs.iter().all(|output| output.status.success()));
    });
    let (seen, gone) = (seen.into_inner(), gone.into_inner());
    assert!(seen > 20, "only {seen} of 60 changes were seen: the reader was too slow to prove anything");
    assert!(gone < seen, "{gone} times nothing was to be read");
    tidy(&world, "in the end");
}

/// What a run was doing when the signal came is a matter of chance; that many moments are hit is not.
fn interrupted_at(millis: u64, signal: Signal) -> &'static str {
    let at = format!("{signal:?} after {millis} ms");
    let (world, service) = served("SOON; sleep 0.1", false, Then::New, (10, 10));
    let (old, new) = (pair(30), pair(90));
    world.put(&old);
    service.show(&old);
    world.bring(&new);
    let arguments = [
        "install",
        "web",
        "--cert",
        &world.path("new.pem").display().to_string(),
        "--key",
        &world.path("new.key").display().to_string(),
    ]
    .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = world.program(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(millis));
    let status = match child.try_wait().unwrap() {
        Some(status) => {
            assert_eq!(status.code(), Some(0), "{at}: ended by itself");
            status
        }
        None => {
            kill_process(Pid::from_child(&child), signal).unwrap();
            child.wait().unwrap()
        }
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success() || status.signal() == Some(signal.as_raw()), "{at}: {status:?} {said}");
    assert!(!said.contains("bug"), "{at}: {said}");
    if signal == Signal::KILL {
        let recovered = world.program(&["recover"]).output().unwrap();
        assert_eq!(recovered.status.code(), Some(0), "{at}: {recovered:?}");
    }
    let found = world.served().unwrap();
    let kept = found.0 == old.certificate;
    assert!(matched(&found, &[old, new]), "{at}: neither wholly old nor wholly new");
    let leaf_now = Digest::of(pem::parse(&found.0).unwrap().contents());
    assert!(service.settles_on(leaf_now), "{at}: the service does not show what is in its files");
    tidy(&world, &format!("{at}: {said}"));
    let receipts = receipts(&world);
    match receipts.as_slice() {
        [] | [Receipt { generation: 0, end: End::Refused { .. }, .. }] => {
            assert!(kept, "{at}");
            return "before";
        }
        [receipt] => assert_eq!(matches!(receipt.end, End::RolledBack { .. }), kept, "{at}: {receipt:?}"),
        more => panic!("{at}: {more:?}"),
    }
    if kept { "undone" } else { "after" }
}

fn interrupted_by(signals: &[Signal]) {
    // The last ones are for a busy machine.
    let moments = (0..24).map(|step| step * 35 + 1).chain([1200, 2400]);
    let moments: Vec<(u64, Signal)> =
        moments.flat_map(|millis| signals.iter().map(move |signal| (millis, *signal))).collect();
    let (moments, ends) = (Mutex::new(moments), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((millis, signal)) = { moments.lock().unwrap().pop() } {
                    let end = interrupted_at(millis, signal);
                    ends.lock().unwrap().push(end);
                }
            });
        }
    });
    let ends = ends.into_inner().unwrap();
    let undone = ends.iter().filter(|end| **end == "undone").count();
    assert!(undone > signals.len() * 3, "too few signals came in the middle: {ends:?}");
    assert!(ends.contains(&"after"), "no signal came at the end: {ends:?}");
}

#[test]
fn a_signal_that_asks_to_end_undoes_or_finishes() {
    interrupted_by(&[Signal::INT, Signal::TERM, Signal::HUP]);
}

#[test]
fn a_kill_is_recovered_from() {
    interrupted_by(&[Signal::KILL]);
}

#[test]
fn the_lock_dies_with_its_holder_and_the_holder_is_named() {
    let world = World::made_in(support::memory_dir(), |root| {
        // Bounded, so that it does not outlive a test that fails.
        let script = "for i in $(seq 200); do [ -e HANG ] || exit 0; : > HANG.begun; sleep 0.1; done\n";
        fs::write(root.join("reload.sh"), script.replace("HANG", &root.join("hang").display().to_string())).unwrap();
        fs::write(root.join("hang"), "").unwrap();
        format!("reload = [\"/bin/sh\", \"{}/reload.sh\"]\n", root.display())
    });
    let before = world.served().unwrap();
    world.bring(&pair(90));
    let input = world.path("both.pem");
    fs::write(&input, ["new.pem", "new.key"].map(|name| fs::read_to_string(world.path(name)).unwrap()).concat())
        .unwrap();
    let install = ["install", "web", "--from", input.to_str().unwrap()];
    let mut holder = world.program(&install).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while !world.path("hang.begun").exists() {
        assert!(Instant::now() < end, "the reload did not begin");
        thread::sleep(Duration::from_millis(5));
    }
    let second = world.program(&install).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned() + &String::from_utf8_lossy(&second.stdout);
    assert_eq!(second.status.code(), Some(75), "{said}");
    assert!(said.contains(&format!("process {}", holder.id())) && said.contains("`reseal install`"), "{said}");
    let start = Instant::now();
    let patient = world.program(&install).args(["--wait", "1"]).output().unwrap();
    assert_eq!(patient.status.code(), Some(75));
    assert!((1.0..4.0).contains(&start.elapsed().as_secs_f32()), "{:?}", start.elapsed());
    // Those who only look are not kept waiting.
    let status = world.program(&["status"]).output().unwrap();
    assert_ne!(status.status.code(), Some(75));

    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_ne!(world.served().unwrap(), before, "it was killed with the new in place");
    // At once, although the command that it had started still runs.
    let boot = world.program(&["recover", "--boot"]).output().unwrap();
    assert_eq!(boot.status.code(), Some(0), "{boot:?}");
    assert_eq!(world.served().unwrap(), before);
    fs::remove_file(world.path("hang")).unwrap();
    assert_eq!(world.program(&["recover"]).output().unwrap().status.code(), Some(0));
    assert_eq!(world.served().unwrap(), before);
    tidy(&world, "in the end");
}

type Sink = fn() -> Stdio;

#[test]
fn nobody_who_reads_the_result_changes_nothing() {
    let cases: [(&str, Sink); 3] = [
        ("a pipe whose reader is gone", || {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            writer.into()
        }),
        ("a full disk", || fs::File::options().write(true).open("/dev/full").unwrap().into()),
        ("nothing", Stdio::null),
    ];
    for (name, sink) in cases {
        for errors_too in [false, true] {
            let world = World::new("");
            let known = pairs_for(&world, 1);
            let mut program = world.program(&["-v", "install", "web", "--from", world.path("0.pem").to_str().unwrap()]);
            program.stdout(sink()).stderr(if errors_too { sink() } else { Stdio::piped() });
            let output = program.spawn().unwrap().wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{name}: {:?} {said}", output.status);
            assert!(!said.contains("bug"), "{name}: {said}");
            assert!(matched(&world.served().unwrap(), &known[1..2]), "{name}");
            tidy(&world, name);
        }
    }
}

/// Another certificate tool, which replaces the certificate with contents of its own again and again.
struct Writer<'a> {
    world: &'a World,
    in_place: bool,
    written: usize,
    displaced: Vec<String>,
}

impl Writer<'_> {
    fn text(&self, number: usize, base: &str) -> String {
        format!("# number {number} of another tool\n{base}")
    }

    fn write(&mut self, base: &str) {
        let (path, waiting) = (self.world.path("certs/web.pem"), self.world.path("certs/.tool"));
        let last = self.text(self.written, base);
        if self.written > 0 && fs::read_to_string(&path).unwrap() != last {
            self.displaced.push(last);
        }
        self.written += 1;
        let next = self.text(self.written, base);
        if self.in_place {
            fs::write(&path, next).unwrap();
        } else {
            fs::write(&waiting, next).unwrap();
            fs::rename(&waiting, &path).unwrap();
        }
    }
}

/// Whatever another tool writes stays in place, or is kept as a generation before it is replaced.
#[test]
fn what_another_tool_writes_is_never_lost() {
    for in_place in [false, true] {
        let world = World::new("reload = [\"/bin/sleep\", \"0.02\"]\n");
        let known = pairs_for(&world, 1);
        let base = known[0].certificate.clone();
        let over = AtomicBool::new(false);
        let mut writer = Writer { world: &world, in_place, written: 0, displaced: Vec::new() };
        let ends = thread::scope(|scope| {
            scope.spawn(|| {
                let mut pause = 0;
                while !over.load(Ordering::Relaxed) {
                    writer.write(&base);
                    pause = (pause + 7) % 40;
                    thread::sleep(Duration::from_millis(pause));
                }
            });
            let mut ends = Vec::new();
            for round in 0..60 {
                let input = world.path(&format!("{}.pem", round % 2));
                let output = world.program(&["install", "web", "--from", input.to_str().unwrap()]).output().unwrap();
                let code = output.status.code().unwrap();
                if code == 6 {
                    let accepted = world.program(&["recover", "--accept", "web"]).output().unwrap();
                    assert_eq!(accepted.status.code(), Some(0), "{accepted:?}");
                }
                if code != 0 {
                    let said =
                        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
                    assert!(said.contains("somebody else changed"), "{code}: {said}");
                }
                ends.push(code);
            }
            over.store(true, Ordering::Relaxed);
            ends
        });
        assert!(ends.iter().all(|code| [0, 4, 5, 6].contains(code)), "{ends:?}");
        let kept: Vec<Vec<u8>> = world.generations().into_iter().map(|(_, bytes)| bytes).collect();
        let lost: Vec<&String> = writer
            .displaced
            .iter()
            .filter(|text| !kept.iter().any(|bytes| bytes.starts_with(text.as_bytes())))
            .collect();
        assert!(!writer.displaced.is_empty(), "the installs never met the other tool");
        assert!(lost.is_empty(), "{} of {} were lost: {ends:?}", lost.len(), writer.displaced.len());
        tidy(&world, "in the end");
    }
}
