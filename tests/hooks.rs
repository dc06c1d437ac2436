//! Hooks around a change: what they are told, what becomes of each way to fail, and that they are run again for the old pair.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use reseal::engine::{Ledger, When};
use reseal::flow::{Options, Report, check, history, install, recover, snapshot, status};
use reseal::host::Host;
use reseal::host::state::State;
use reseal::host::watch::Act;
use reseal::outcome::{Checked, End, Exit, Outcome, Receipt};
use support::{Faults, Pair, World, issued, memory_dir, pair};

/// Hooks of one second, and certbot's beside ours.
fn world() -> World {
    with("")
}

fn with(extra: &str) -> World {
    let world = World::made_in(memory_dir(), |root| {
        let root = root.display();
        format!(
            "{extra}\n[hooks]\ndirectory = \"{root}/hooks\"\ncertbot_deploy = \"{root}/renewal-hooks/deploy\"\ntimeout = 1\n"
        )
    });
    for moment in ["hooks/pre", "hooks/deploy", "hooks/post", "renewal-hooks/deploy"] {
        fs::create_dir_all(world.path(moment)).unwrap();
    }
    world
}

fn hook(world: &World, name: &str, script: &str) {
    let path = world.path(name);
    fs::write(&path, format!("#!/bin/sh\nROOT='{}'\n{script}\n", world.dir.path().display())).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn bring(world: &World) -> Pair {
    let new = pair(90);
    world.bring(&new);
    new
}

fn install(world: &World) -> Report {
    world.install(&world.host(), &[world.path("new.pem"), world.path("new.key")])
}

fn text(world: &World, name: &str) -> String {
    fs::read_to_string(world.path(name)).unwrap_or_default()
}

fn receipts(world: &World) -> Vec<Receipt> {
    let host = world.host();
    let ledger = Ledger::read(&State::open(&host).unwrap().unwrap()).unwrap();
    assert!(ledger.broken.is_empty(), "{:?}", ledger.broken);
    ledger.receipts
}

/// Nothing of a key is left where hooks found it.
fn clean(world: &World) {
    assert!(!world.path("state/lineage/web").exists(), "the lineage is left");
    assert!(world.leftovers().is_empty());
    assert!(world.recover(&world.host()).is_empty(), "something is left to recover");
}

#[test]
fn they_run_in_order_and_are_told_what_certbots_are_told() {
    let world = world();
    let note = r#"env | sort > "$ROOT/env.$RESEAL_HOOK"; basename "$0" >> "$ROOT/order""#;
    for name in
        ["hooks/pre/b", "hooks/pre/B", "hooks/deploy/9", "hooks/deploy/10", "renewal-hooks/deploy/1", "hooks/post/z"]
    {
        hook(&world, name, note);
    }
    hook(
        &world,
        "hooks/deploy/look",
        r#"cd "$RENEWED_LINEAGE"; stat -c '%n %a %u' . * > "$ROOT/seen"; cp -p * "$ROOT/"; mkdir -p own/sub; touch own/sub/file"#,
    );
    // A name that a shell would run, were it ever spliced into a command.
    let new = issued(&["localhost", "b.example", "$(touch pwned)"], -1, 90);
    world.bring(&new);
    let report = install(&world);
    assert_eq!((report.exit(), report.hooks_failed.len()), (Exit::Good, 0), "{report:?}");
    assert_eq!(text(&world, "order"), "B\nb\n10\n9\n1\nz\n");

    let environment = |moment: &str| -> BTreeMap<String, String> {
        let text = text(&world, &format!("env.{moment}"));
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs
            .filter(|(name, _)| !["PWD", "_", "SHLVL", "OLDPWD"].contains(name))
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .collect()
    };
    let lineage = world.path("state/lineage/web").display().to_string();
    let Outcome::Committed { receipt, .. } = &report.outcome else { panic!("{report:?}") };
    let (old, fresh) = (receipt.before.unwrap().to_string(), receipt.after.unwrap().to_string());
    let always = |moment: &str, stands: &str| {
        let mut all: BTreeMap<String, String> = [
            ("LANG", "C.UTF-8"),
            ("RESEAL_HOOK", moment),
            ("RESEAL_TARGET", "web"),
            ("RESEAL_VERB", "install"),
            ("RESEAL_GENERATION", "2"),
            ("RESEAL_STANDS", stands),
            ("RESEAL_OLD_FINGERPRINT", &old),
            ("RESEAL_NEW_FINGERPRINT", &fresh),
        ]
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .into();
        all.insert("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
        all
    };
    assert_eq!(environment("pre"), always("pre", "old"));
    let domains = ("RENEWED_DOMAINS".to_owned(), "localhost b.example".to_owned());
    let mut deploy = always("deploy", "new");
    deploy.extend([domains.clone(), ("RENEWED_LINEAGE".to_owned(), lineage)]);
    assert_eq!(environment("deploy"), deploy);
    let mut post = always("post", "new");
    post.extend([domains, ("RESEAL_OUTCOME".to_owned(), "committed".to_owned())]);
    assert_eq!(environment("post"), post);
    assert!(!world.path("pwned").exists() && !Path::new("/pwned").exists());

    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(
        text(&world, "seen"),
        format!(
            ". 700 {uid}\ncert.pem 644 {uid}\nchain.pem 644 {uid}\nfullchain.pem 644 {uid}\nprivkey.pem 600 {uid}\n"
        )
    );
    assert_eq!(text(&world, "fullchain.pem").trim(), new.certificate.trim());
    assert_eq!(text(&world, "privkey.pem"), world.served().unwrap().1);
    assert_eq!(text(&world, "cert.pem"), text(&world, "fullchain.pem"));
    clean(&world);
}

#[test]
fn a_change_with_nothing_to_do_runs_none_and_each_run_can_do_without() {
    let world = world();
    hook(&world, "hooks/deploy/a", r#"echo ran >> "$ROOT/log""#);
    bring(&world);
    let inputs = [world.path("new.pem"), world.path("new.key")];
    let without = Options { no_hooks: true, ..Options::default() };
    let report = world.with(&world.host(), without, |session| install::run(session, "web", &inputs));
    assert_eq!((report.exit(), text(&world, "log")), (Exit::Good, String::new()), "{report:?}");
    let again = install(&world);
    assert!(matches!(again.outcome, Outcome::Nothing { .. }), "{again:?}");
    assert_eq!(text(&world, "log"), "");

    let never = with("hooks = false");
    hook(&never, "hooks/deploy/a", r#"echo ran >> "$ROOT/log""#);
    bring(&never);
    assert_eq!(install(&never).exit(), Exit::Good);
    assert_eq!(text(&never, "log"), "");
}

#[test]
fn a_dry_run_lists_them_in_order_and_runs_none() {
    let world = world();
    for name in ["hooks/post/a", "hooks/deploy/b", "hooks/deploy/a", "hooks/pre/a", "renewal-hooks/deploy/0"] {
        hook(&world, name, r#"touch "$ROOT/ran""#);
    }
    bring(&world);
    let inputs = [world.path("new.pem"), world.path("new.key")];
    let dry = Options { dry_run: true, ..Options::default() };
    let report = world.with(&world.host(), dry, |session| install::run(session, "web", &inputs));
    let hooks = &report.plan.as_ref().unwrap().hooks;
    let told: Vec<String> = hooks.iter().map(|hook| format!("{} {}", hook.when.word(), hook.command)).collect();
    let path = |name: &str| world.path(name).display().to_string();
    let wanted = [
        format!("pre {}", path("hooks/pre/a")),
        format!("deploy {}", path("hooks/deploy/a")),
        format!("deploy {}", path("hooks/deploy/b")),
        format!("deploy {}", path("renewal-hooks/deploy/0")),
        format!("post {}", path("hooks/post/a")),
    ];
    assert_eq!(told, wanted);
    assert!(!world.path("ran").exists());
    let output = world
        .program(&["install", "web", "--from", &path("new.pem"), "--from", &path("new.key"), "--dry-run"])
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let at: Vec<usize> =
        wanted.iter().map(|one| out.find(one.as_str()).unwrap_or_else(|| panic!("{one}:\n{out}"))).collect();
    assert!(at.is_sorted(), "{out}");
}

#[test]
fn a_failing_pre_hook_refuses_and_nothing_was_touched() {
    let world = world();
    hook(&world, "hooks/pre/a", "echo one; echo 'the disk is on fire' >&2; exit 1");
    hook(&world, "hooks/pre/b", r#"touch "$ROOT/later""#);
    hook(&world, "hooks/deploy/a", r#"touch "$ROOT/deployed""#);
    hook(&world, "hooks/post/a", r#"echo "$RESEAL_OUTCOME $RESEAL_STANDS" >> "$ROOT/post""#);
    let before = world.served();
    bring(&world);
    let report = install(&world);
    let Outcome::Refused { why, hint } = &report.outcome else { panic!("{report:?}") };
    assert!(why.contains("the pre hook") && why.contains("exited with 1: one | the disk is on fire"), "{why}");
    assert!(hint.as_ref().unwrap().contains("--no-hooks"));
    assert_eq!((report.exit(), world.served()), (Exit::Refused, before));
    assert!(!world.path("later").exists() && !world.path("deployed").exists());
    assert_eq!(text(&world, "post"), "refused old\n");
    clean(&world);

    let told = receipts(&world);
    let [Receipt { generation: 0, checks, end: End::Refused { why: kept }, .. }] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!((kept, checks[0].what, checks[0].good), (why, Checked::PreHook, false));
    assert_eq!(checks[0].saw, "exited with 1", "what it printed is not recorded with the checks");
    // The same refusal again fills no ledger; a change that is made then is told.
    assert_eq!(install(&world).exit(), Exit::Refused);
    assert_eq!(receipts(&world).len(), 1);
    fs::remove_file(world.path("hooks/pre/a")).unwrap();
    assert_eq!(install(&world).exit(), Exit::Good);
    assert!(matches!(receipts(&world).last().unwrap().end, End::Committed { .. }));
}

#[test]
fn a_failing_deploy_hook_is_undone_and_all_run_again_for_the_old_pair() {
    let world = world();
    hook(
        &world,
        "hooks/deploy/a",
        r#"cp "$RENEWED_LINEAGE/fullchain.pem" "$ROOT/copy"; echo "a $RESEAL_STANDS" >> "$ROOT/log""#,
    );
    hook(&world, "hooks/deploy/b", r#"echo "b $RESEAL_STANDS" >> "$ROOT/log"; exit 3"#);
    hook(&world, "hooks/deploy/c", r#"echo "c $RESEAL_STANDS" >> "$ROOT/log""#);
    hook(&world, "hooks/post/a", r#"echo "$RESEAL_OUTCOME $RESEAL_STANDS" >> "$ROOT/post""#);
    let before = world.served();
    bring(&world);
    let report = install(&world);
    let Outcome::RolledBack { why, receipt, .. } = &report.outcome else { panic!("{report:?}") };
    assert!(why.contains("the deploy hook") && why.contains("exited with 3"), "{why}");
    assert_eq!((report.exit(), world.served()), (Exit::RolledBack, before.clone()));
    assert_eq!(text(&world, "log"), "a new\nb new\na old\nb old\nc old\n");
    assert_eq!(text(&world, "copy").trim(), before.unwrap().0.trim(), "the copy is of the old pair again");
    assert_eq!(text(&world, "post"), "rolled-back old\n");
    assert!(report.hooks_failed[0].contains("for the old pair"), "{:?}", report.hooks_failed);
    let told: Vec<(bool, bool)> = receipt.checks.iter().map(|check| (check.undo, check.good)).collect();
    assert_eq!(told, [(false, true), (false, false), (true, true), (true, false), (true, true)]);
    clean(&world);
}

#[test]
fn a_failing_post_hook_changes_nothing_and_counts() {
    let world = world();
    hook(&world, "hooks/post/a", "echo no mail; exit 1");
    hook(&world, "hooks/post/b", r#"touch "$ROOT/b""#);
    let new = bring(&world);
    let report = install(&world);
    assert!(matches!(report.outcome, Outcome::Committed { .. }), "{report:?}");
    assert_eq!(report.exit(), Exit::Findings);
    assert!(report.hooks_failed[0].ends_with("exited with 1: no mail"), "{:?}", report.hooks_failed);
    assert_eq!(world.served().unwrap().0.trim(), new.certificate.trim());
    assert!(world.path("b").exists(), "the others run all the same");
    clean(&world);
    // Told by the program too, and by one that says nothing while all is well.
    let pair = pair(80);
    world.bring(&pair);
    let (cert, key) = (world.path("new.pem").display().to_string(), world.path("new.key").display().to_string());
    let output = world.program(&["-q", "install", "web", "--from", &cert, "--from", &key]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("failed: "), "{output:?}");
}

#[test]
fn what_lies_among_them_and_is_not_run_is_told() {
    let world = world();
    hook(&world, "hooks/deploy/good", r#"touch "$ROOT/ran""#);
    fs::write(world.path("hooks/deploy/plain"), "#!/bin/sh\nexit 1\n").unwrap();
    fs::create_dir(world.path("hooks/post/sub")).unwrap();
    std::os::unix::fs::symlink("nowhere", world.path("hooks/pre/link")).unwrap();
    let new = bring(&world);
    let report = install(&world);
    assert_eq!(report.exit(), Exit::Good, "{report:?}");
    let codes =
        |findings: &[reseal::assess::Finding]| findings.iter().filter(|one| one.code.name() == "hook-not-run").count();
    assert_eq!(codes(&report.findings), 3, "{:?}", report.findings);
    assert!(world.path("ran").exists());
    assert_eq!(world.served().unwrap().0.trim(), new.certificate.trim());
    let checked = world
        .with(&world.host(), Options::default(), |session| check::run(session, &["web".into()]))
        .unwrap_or_else(|it| panic!("{}", it.why));
    assert_eq!(codes(&checked[0].findings), 3);
    assert_eq!(check::exit(&checked), Exit::Findings);
    let stands = world
        .with(&world.host(), Options::default(), |session| status::run(session, &[]))
        .unwrap_or_else(|it| panic!("{}", it.why));
    assert_eq!(codes(&stands[0].findings), 3);
}

#[test]
fn one_that_others_may_write_refuses_every_change() {
    if !support::root() {
        return;
    }
    for make in [
        |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o757)).unwrap(),
        |path: &Path| std::os::unix::fs::chown(path, Some(1000), None).unwrap(),
        |path: &Path| fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap(),
    ] {
        let world = world();
        hook(&world, "hooks/post/a", r#"touch "$ROOT/ran""#);
        make(&world.path("hooks/post/a"));
        let before = world.served();
        bring(&world);
        let report = install(&world);
        let Outcome::Refused { why, .. } = &report.outcome else { panic!("{report:?}") };
        assert!(why.contains("can be changed by others than root"), "{why}");
        assert_eq!(world.served(), before);
        assert!(!world.path("ran").exists());
        let checked = world
            .with(&world.host(), Options::default(), |session| check::run(session, &["web".into()]))
            .unwrap_or_else(|it| panic!("{}", it.why));
        assert!(checked[0].findings.iter().any(|one| one.code.name() == "hook-refused"), "{checked:?}");
    }
}

#[test]
fn one_that_hangs_is_killed_with_its_group() {
    let world = world();
    hook(
        &world,
        "hooks/deploy/a",
        r#"[ "$RESEAL_STANDS" = old ] && exit 0; sleep 1000 & echo $! > "$ROOT/child"; sleep 1000"#,
    );
    let before = world.served();
    bring(&world);
    let began = Instant::now();
    let report = install(&world);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let Outcome::RolledBack { why, .. } = &report.outcome else { panic!("{report:?}") };
    assert!(why.contains("killed after 1."), "{why}");
    assert_eq!(world.served(), before);
    let child = text(&world, "child");
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    clean(&world);
}

#[test]
fn neither_a_daemon_that_keeps_the_pipe_nor_a_flood_holds_anything_up() {
    let world = world();
    hook(&world, "hooks/deploy/daemon", "setsid sleep 5 &");
    hook(&world, "hooks/deploy/flood", "head -c 20000000 /dev/zero | tr '\\0' s");
    bring(&world);
    let began = Instant::now();
    let report = install(&world);
    assert_eq!(report.exit(), Exit::Good, "{report:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    clean(&world);
}

#[test]
fn what_one_prints_is_not_kept_beyond_its_last_lines() {
    let world = world();
    hook(&world, "hooks/deploy/a", "echo secret-one; echo 2; echo 3; echo 4; exit 1");
    bring(&world);
    assert_eq!(install(&world).exit(), Exit::RolledBack);
    let mut all = Vec::new();
    support::walk(&world.path("state"), &mut |path, _| all.extend(fs::read(path).unwrap()));
    let all = String::from_utf8_lossy(&all);
    assert!(!all.contains("secret-one") && all.contains("2 | 3 | 4"));
}

#[test]
fn one_that_changes_the_pair_itself_is_seen_and_its_bytes_stay() {
    let world = world();
    hook(&world, "hooks/deploy/a", r#"echo foreign > "$ROOT/certs/web.pem""#);
    hook(&world, "hooks/post/a", r#"echo "$RESEAL_OUTCOME" > "$ROOT/post""#);
    bring(&world);
    let report = install(&world);
    let Outcome::Stuck { why, .. } = &report.outcome else { panic!("{report:?}") };
    assert!(why.contains("somebody else changed it") && why.contains("while the hooks"), "{why}");
    assert_eq!(text(&world, "certs/web.pem"), "foreign\n");
    assert_eq!(text(&world, "post"), "stuck\n");
    let report = world.with(&world.host(), Options::default(), |session| recover::accept(session, "web"));
    assert_eq!(report.exit(), Exit::Good, "{report:?}");
    assert_eq!(text(&world, "post"), "accepted\n");
    clean(&world);

    let world = self::world();
    hook(&world, "hooks/pre/a", r#"echo foreign > "$ROOT/certs/web.pem""#);
    bring(&world);
    let report = install(&world);
    let Outcome::Refused { why, .. } = &report.outcome else { panic!("{report:?}") };
    assert!(why.contains("somebody else changed"), "{why}");
    assert_eq!(text(&world, "certs/web.pem"), "foreign\n");
    clean(&world);
}

#[test]
fn one_that_is_gone_when_its_turn_comes_is_a_failure() {
    let world = world();
    hook(&world, "hooks/pre/a", r#"rm "$ROOT/hooks/deploy/a""#);
    hook(&world, "hooks/deploy/a", "exit 0");
    let before = world.served();
    bring(&world);
    let report = install(&world);
    let Outcome::RolledBack { why, .. } = &report.outcome else { panic!("{report:?}") };
    assert!(why.contains("did not start") && why.contains("hooks/deploy/a"), "{why}");
    assert_eq!(world.served(), before);
    clean(&world);
}

/// An install that dies when its first deploy hook is to run, or after it.
fn killed(world: &World, after: bool) {
    killed_in(world, "hooks/deploy", after);
}

/// The same with the first hook in this directory.
fn killed_in(world: &World, directory: &str, after: bool) {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(false));
    let deploy = world.path(directory);
    let (_, watch) = Faults::when(
        move |_, crossing| {
            let mut seen = seen.lock().unwrap();
            let now = crossing.act == Act::Run && crossing.path.starts_with(&deploy);
            let dead = *seen || (now && !after);
            *seen |= now;
            dead
        },
        rustix::io::Errno::IO,
    );
    let _ = world.install(&world.host().with_watch(watch), &[world.path("new.pem"), world.path("new.key")]);
}

#[test]
fn after_a_kill_they_run_again_for_the_pair_that_stands_but_not_at_boot() {
    for after in [false, true] {
        let world = world();
        hook(
            &world,
            "hooks/deploy/a",
            r#"cp "$RENEWED_LINEAGE/fullchain.pem" "$ROOT/copy"; echo "$RESEAL_STANDS" >> "$ROOT/log""#,
        );
        hook(&world, "hooks/post/a", r#"echo "$RESEAL_OUTCOME" >> "$ROOT/post""#);
        let before = world.served().unwrap();
        bring(&world);
        killed(&world, after);
        assert_eq!(text(&world, "log"), if after { "new\n" } else { "" });
        assert!(world.path("state/lineage/web/privkey.pem").exists(), "the kill came too early");
        let at = |when| move |session: &mut reseal::flow::Session<'_>| recover::run(session, None, when);
        let reports = world.with(&world.host(), Options::default(), at(When::Boot));
        assert_eq!(reports[0].exit(), Exit::Good, "{reports:?}");
        assert_eq!(world.served().unwrap(), before);
        assert!(!world.path("state/lineage/web").exists(), "no copy of a key waits for the next run");
        assert_eq!(
            (text(&world, "log"), text(&world, "post")),
            (if after { "new\n" } else { "" }.to_owned(), String::new())
        );
        // Owed, and listed by a dry run.
        let dry = Options { dry_run: true, ..Options::default() };
        let planned = world.with(&world.host(), dry, at(When::Running));
        assert_eq!(planned[0].plan.as_ref().unwrap().hooks.len(), 2, "{planned:?}");
        let reports = world.with(&world.host(), Options::default(), at(When::Running));
        assert_eq!(reports[0].exit(), Exit::Good, "{reports:?}");
        assert!(text(&world, "log").ends_with("old\n"));
        assert_eq!(text(&world, "copy").trim(), before.0.trim());
        assert_eq!(text(&world, "post"), "rolled-back\n");
        assert!(receipts(&world).last().unwrap().recovered.is_some());
        clean(&world);
    }
}

fn recovered(world: &World) -> Vec<Report> {
    world.with(&world.host(), Options::default(), |session| recover::run(session, None, When::Running))
}

/// A change that never came to write its files keeps its number all the same: the next one has a receipt of its own.
#[test]
fn after_a_kill_in_the_first_hook_the_number_is_not_given_again() {
    let world = world();
    hook(&world, "hooks/pre/a", "exit 0");
    world.put(&pair(30));
    bring(&world);
    assert_eq!(install(&world).exit(), Exit::Good);
    for after in [false, true] {
        bring(&world);
        killed_in(&world, "hooks/pre", after);
        assert_eq!(recovered(&world)[0].exit(), Exit::Good);
        let new = bring(&world);
        assert_eq!(install(&world).exit(), Exit::Good);
        assert_eq!(world.served().unwrap().0, new.certificate);
    }
    let ends: Vec<(u32, bool)> = receipts(&world)
        .iter()
        .map(|receipt| (receipt.generation, matches!(receipt.end, End::Committed { .. })))
        .collect();
    assert_eq!(ends, [(2, true), (3, false), (4, true), (5, false), (6, true)]);
    let verified = world.with(&world.host(), Options::default(), |session| history::verify(session)).unwrap();
    assert!(verified.missing.is_empty() && verified.receipts == 5, "{verified:?}");
    let report = world.restore(&world.host(), None, true);
    let plan = report.plan.unwrap();
    assert!(plan.why.contains("generation 4"), "{}", plan.why);
}

/// What was undone and then put in place by hand has a receipt, whatever that says.
#[test]
fn what_was_rolled_back_and_is_signed_off_later_is_no_gap_in_the_record() {
    let world = world();
    hook(&world, "hooks/deploy/a", "exit 1");
    world.put(&pair(30));
    let new = bring(&world);
    assert!(matches!(install(&world).outcome, Outcome::RolledBack { .. }));
    world.put(&new);
    let reports = world.with(&world.host(), Options { force: true, ..Options::default() }, |session| {
        snapshot::run(session, &[]).unwrap()
    });
    assert!(matches!(reports[0].outcome, Outcome::Remembered { generation: 2, signed_off: true, .. }), "{reports:?}");
    let verified = world.with(&world.host(), Options::default(), |session| history::verify(session)).unwrap();
    assert!(verified.missing.is_empty(), "{verified:?}");
}

/// Once it is written down that a change stands, whatever becomes of the files is another's doing.
#[test]
fn a_recorded_change_is_not_undone_for_what_happened_after_it() {
    let world = world();
    hook(&world, "hooks/post/a", r#"echo "$RESEAL_OUTCOME" >> "$ROOT/post""#);
    let old = pair(30);
    world.put(&old);
    bring(&world);
    killed_in(&world, "hooks/post", false);
    world.put(&old);
    let reports = recovered(&world);
    let Outcome::Recovered { what, .. } = &reports[0].outcome else { panic!("{reports:?}") };
    assert!(what.contains("had done its work"), "{what}");
    assert_eq!(world.served().unwrap().0, old.certificate, "nor is it done again");
    assert_eq!(text(&world, "post"), "committed\n");
    let ends: Vec<bool> = receipts(&world).iter().map(|one| matches!(one.end, End::Committed { .. })).collect();
    assert_eq!(ends, [true]);
    clean(&world);
}

/// Written for certbot, and not changed.
#[test]
fn a_script_for_certbot_runs_as_it_is() {
    let world = world();
    let daemon = world.path("daemon");
    fs::create_dir(&daemon).unwrap();
    let script = format!(
        "#!/bin/sh\nset -e\nfor name in $RENEWED_DOMAINS; do\n  case $name in\n  localhost)\n    umask 077\n    for part in fullchain privkey; do\n\
         \x20     cp \"$RENEWED_LINEAGE/$part.pem\" {0}/$name.$part\n    done\n    chmod 400 {0}/$name.privkey\n    ;;\n  esac\ndone\n",
        daemon.display()
    );
    let path = world.path("renewal-hooks/deploy/daemon.sh");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let new = bring(&world);
    assert_eq!(install(&world).exit(), Exit::Good);
    assert_eq!(text(&world, "daemon/localhost.fullchain").trim(), new.certificate.trim());
    assert_eq!(text(&world, "daemon/localhost.privkey"), world.served().unwrap().1);
    assert_eq!(fs::metadata(world.path("daemon/localhost.privkey")).unwrap().permissions().mode() & 0o777, 0o400);
    let first = world.restore(&world.host(), Some(1), true);
    assert_eq!(first.exit(), Exit::Good, "{first:?}");
    assert_eq!(
        text(&world, "daemon/localhost.fullchain").trim(),
        world.served().unwrap().0.trim(),
        "a restore deploys too"
    );
}

#[test]
fn a_journal_with_hooks_has_its_own_format() {
    let world = world();
    hook(&world, "hooks/deploy/a", "exit 0");
    bring(&world);
    killed(&world, false);
    let journal = text(&world, "state/journal/web");
    assert!(journal.contains("\"format\":2") && journal.contains("hooks/deploy/a"), "{journal}");
    let none = World::new("");
    bring(&none);
    let (_, watch) = Faults::when(
        |_, crossing| crossing.act == Act::Rename && crossing.path.ends_with("web.pem"),
        rustix::io::Errno::IO,
    );
    let host: Host = none.host().with_watch(watch);
    let _ = none.install(&host, &[none.path("new.pem"), none.path("new.key")]);
    assert!(receipts(&none).iter().all(|receipt| receipt.trigger.is_some()));
}
