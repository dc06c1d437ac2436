//! What each verb does, and how it ends.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rcgen::KeyPair;
use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Bench, Leaf, Ran};

#[test]
fn check_finds_a_self_signed_certificate() {
    let bench = Bench::new();
    bench.run(&["check"]).ends(3).says("self-signed").says("1 critical");
    let answer = bench.json(&["check", "web"]);
    assert_eq!(answer["command"], "check");
    assert_eq!(answer["results"][0]["findings"][0]["code"], "self-signed");
    bench.run(&["check", "./web.pem"]).ends(3).says("(file)");
}

#[test]
fn files_and_servers_are_checked_without_a_configuration() {
    let bench = Bench::new();
    fs::remove_file(bench.path("reseal.toml")).unwrap();
    let (good, _) = bench.bring("good", &Leaf::default());
    bench.run(&["check", &good]).ends(0).says("0 critical");
    // A port that was just free: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    bench.run(&["check", &free]).ends(3).says("refused");
    bench.run(&["check"]).ends(2).warns("it does not exist").warns("` writes a first one");
    bench.run(&["check", "web"]).ends(2);
}

#[test]
fn the_owner_accepts_what_is_known_until_a_day() {
    let bench = Bench::new();
    let accept = |until: &str| {
        let path = bench.path("reseal.toml");
        let text = fs::read_to_string(&path).unwrap();
        let head = text.split("[[accept]]").next().unwrap();
        let until =
            format!("[[accept]]\ncode = \"self-signed\"\ntarget = \"we*\"\nreason = \"the lab\"\nuntil = {until}\n");
        fs::write(&path, format!("{head}{until}")).unwrap();
    };
    accept("2999-12-31");
    bench
        .run(&["check"])
        .ends(0)
        .says("accepted   self-signed")
        .says("accepted until 2999-12-31: the lab")
        .says("1 accepted");
    let answer = bench.json(&["check"]);
    let finding = &answer["results"][0]["findings"][0];
    assert_eq!(
        (finding["severity"].as_str(), finding["accepted"]["until"].as_str()),
        (Some("critical"), Some("2999-12-31"))
    );
    bench.run(&["status"]).ends(0).says("accepted: self-signed");
    bench.run(&["renew"]).ends(0);
    accept("2020-01-01");
    bench.run(&["check"]).ends(3).says("it was accepted until 2020-01-01: the lab").says("1 critical");
    accept("never");
    bench.run(&["check"]).ends(2);
}

#[test]
fn trust_is_asked_of_whom_one_names() {
    let bench = Bench::new();
    let (good, _) = bench.bring("good", &Leaf::default());
    bench.run(&["check", &good]).ends(0);
    let own = bench.path("web.pem").display().to_string();
    // Of these two, each knows the other's issuer no better than a stranger's.
    let told = bench.run(&["check", &good, "--trust", &own, "--trust", "none"]).ends(3);
    told.says("untrusted").says("not by").says("no chain of issuers leads from it to a trusted root");
    let trusted = bench.json(&["check", &own, "--trust", &own]);
    let verdict = &trusted["results"][0]["trust"][0];
    assert_eq!(
        (verdict["profile"].as_str(), verdict["trusted"].as_bool()),
        (Some(own.as_str()), Some(true)),
        "{trusted}"
    );
    assert_eq!(verdict["path"], serde_json::json!(["www.example.org"]));
    bench.run(&["check", &good, "--trust", "system"]).ends(3).says("untrusted");
    bench.run(&["check", &good, "--trust", "none"]).ends(0);
    bench.run(&["check", &good, "--trust", "/nowhere"]).warns("cannot read the roots /nowhere");
}

#[test]
fn a_key_of_two_targets_is_told() {
    let bench = Bench::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let root = bench.path("").display().to_string();
    let mut text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    for name in ["a", "b"] {
        let params = rcgen::CertificateParams::new(vec!["www.example.org".to_owned()]).unwrap();
        bench.write(&format!("{name}.pem"), &params.self_signed(&key).unwrap().pem(), 0o644);
        bench.write(&format!("{name}.key"), &key.serialize_pem(), 0o600);
        text.push_str(&format!(
            "[[target]]\nname = \"{name}\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{root}/{name}.pem\"\n\
             key = \"{root}/{name}.key\"\n"
        ));
    }
    bench.write("reseal.toml", &text, 0o644);
    let answer = bench.json(&["check"]);
    let codes = |place: usize| answer["results"][place]["findings"].to_string();
    assert!(codes(1).contains("shared-key") && codes(2).contains("is that of a, b"), "{answer}");
    assert!(!codes(0).contains("shared-key"));
}

#[test]
fn install_restore_and_what_is_told_about_them() {
    let bench = Bench::new();
    let vendor = bench.served();
    let (certificate, key) = bench.bring("new", &Leaf::default());
    let install = ["install", "web", "--cert", &certificate, "--key", &key];

    let before = bench.tree();
    let planned = bench.json(&[&install[..], &["--dry-run"]].concat());
    assert_eq!(planned["results"][0]["outcome"], "planned");
    assert_eq!(planned["results"][0]["plan"]["files"].as_array().unwrap().len(), 2);
    bench.run(&[&install[..], &["--dry-run"]].concat()).ends(0).says("nothing was touched").says("generation 1");
    assert_eq!(bench.tree(), before, "a dry run writes nothing");

    bench.run(&install).ends(0).says("installed www.example.org").says("restore web 1");
    assert_eq!(bench.served(), fs::read_to_string(&certificate).unwrap());
    let after = bench.tree();
    bench.run(&install).ends(0).says("already in place");
    let files = |tree: &[(std::path::PathBuf, u32, Vec<u8>)]| {
        tree.iter().filter(|(path, _, _)| !path.ends_with("state/lock")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(files(&bench.tree()), files(&after), "there is nothing to do twice");

    bench.run(&["backups"]).ends(0).says("found").says("current");
    bench.run(&["backups", "verify", "web"]).ends(0).says("every byte");
    bench.run(&["status"]).ends(0).says("good");
    bench.run(&["restore", "web", "1"]).ends(0).says("restored");
    assert_eq!(bench.served(), vendor);
    bench.run(&["status", "web"]).ends(3).says("self-signed");
    bench.run(&["history"]).ends(0).says("install").says("restore");
    bench.run(&["history", "verify"]).ends(0).says("each whole and in its place").says("head");
    let history = bench.json(&["history", "web"]);
    assert_eq!(history["results"].as_array().unwrap().len(), 2);
    assert_eq!(history["damaged_lines"].as_array().unwrap().len(), 0);
    bench.run(&["restore", "web", "99"]).ends(4).warns("99");
    bench.run(&["recover"]).ends(0).says("nothing was interrupted");
}

/// In separate files and in one that holds certificate and key, for a CA that was given the old key again.
#[test]
fn the_key_in_place_stays_wherever_it_stands() {
    for combined in [false, true] {
        let bench = Bench::new();
        let key = KeyPair::generate().unwrap();
        let (old, new) = (Leaf { days: 30, ..Leaf::default() }.of_key(&key), Leaf::default().of_key(&key));
        let both = |certificate: &str| {
            if combined { certificate.to_owned() + &key.serialize_pem() } else { certificate.to_owned() }
        };
        bench.write("web.pem", &both(&old), 0o600);
        bench.write("web.key", &key.serialize_pem(), 0o600);
        if combined {
            let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with("key =")).collect::<Vec<_>>().join("\n");
            bench.write("reseal.toml", &lines.replace("\ncertificate =", "\ncombined ="), 0o644);
        }
        let new_file = bench.write("new.pem", &new, 0o644);
        bench.run(&["install", "web", "--cert", &new_file, "--keep-key"]).ends(0).says("installed www.example.org");
        assert_eq!(bench.served(), both(&new), "combined: {combined}");
        // Of a certificate for another key it is told that none fits.
        let (other, _) = bench.bring("other", &Leaf::default());
        bench.run(&["install", "web", "--cert", &other, "--keep-key"]).ends(4);
    }
}

/// The reload of a service that is down fails, and what would let it start again was taken out for that.
#[test]
fn a_service_that_is_down_gets_its_pair_and_the_next_step_is_told() {
    let bench = Bench::new();
    // Nobody listens there.
    bench.configure("listen = [\"127.0.0.1:1\"]\nreload = [\"/bin/false\"]\n");
    let (certificate, key) = bench.bring("new", &Leaf::default());
    let told = bench.run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(3);
    let told = told.says("installed www.example.org").says("`/bin/false` exited with 1").says("not served");
    let said = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("next start the service if it does not run; then `reseal --config "), "{said}");
    assert_eq!(bench.served(), fs::read_to_string(&certificate).unwrap());
    bench.run(&["history"]).ends(0).says("read back");
}

#[test]
fn a_damaged_backup_is_found() {
    let bench = Bench::new();
    bench.installed("one");
    let generation = bench.path("state/vault/web/1");
    let file = fs::read_dir(&generation)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"-----BEGIN CERTIFICATE")));
    let file = file.unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::write(&file, bytes).unwrap();
    bench.run(&["backups", "verify"]).ends(3).says("damaged");
    bench.run(&["restore", "web", "1", "--force"]).ends(4);
}

#[test]
fn pins_hold_and_prune_removes() {
    let bench = Bench::new();
    for name in ["one", "two", "three", "four"] {
        bench.installed(name);
    }
    bench.run(&["backups", "pin", "web", "1"]).ends(0).says("pinned");
    let before = bench.tree();
    bench.run(&["prune", "--keep", "1", "--dry-run"]).ends(0).says("2, 3");
    bench.run(&["backups", "unpin", "web", "1", "--dry-run"]).ends(0).says("would");
    bench.run(&["backups", "pin", "web", "1", "--dry-run"]).ends(0).says("generation 1 is pinned");
    bench.run(&["backups", "pin", "web", "99", "--dry-run"]).ends(4).warns("99");
    assert_eq!(bench.tree(), before);
    let pruned = bench.json(&["backups", "prune", "web", "--keep", "1"]);
    assert_eq!(pruned["command"], "prune");
    assert_eq!(pruned["results"][0]["removed"], serde_json::json!([2, 3]));
    bench.run(&["backups", "unpin", "web", "1"]).ends(0);
    bench.run(&["prune", "web", "--keep", "1"]).ends(0).says("removed generation 1");
    bench.run(&["backups", "pin", "web", "99"]).ends(4);
}

/// A change that is refused or undone every night pushes out nothing that there is to go back to.
#[test]
fn attempts_that_came_to_nothing_are_no_backups() {
    let bench = Bench::new();
    for name in ["one", "two", "three"] {
        bench.installed(name);
    }
    let failing = |hook: &str, extra: &str, code: i32| {
        bench.write("hooks/pre/a", &format!("#!/bin/sh\n{hook}\n"), 0o700);
        bench.configure(extra);
        let (certificate, key) = bench.bring("next", &Leaf::default());
        bench.run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(code);
    };
    fs::create_dir_all(bench.path("hooks/pre")).unwrap();
    for _ in 0..3 {
        failing("exit 1", "", 4);
    }
    for _ in 0..3 {
        failing("exit 0", "reload = [\"/bin/false\"]\n", 5);
    }
    failing("exit 1", "", 4);
    fs::remove_file(bench.path("hooks/pre/a")).unwrap();
    let states = |bench: &Bench| -> Vec<(u64, String)> {
        let told = bench.json(&["backups", "web"]);
        let one =
            |one: &serde_json::Value| (one["generation"].as_u64().unwrap(), one["state"].as_str().unwrap().to_owned());
        told["results"].as_array().unwrap().iter().map(one).collect()
    };
    let kept = states(&bench);
    let of = |state: &str| kept.iter().filter(|one| one.1 == state).map(|one| one.0).collect::<Vec<u64>>();
    assert_eq!((of("unfinished"), of("rolled-back")), (vec![5, 6, 7, 11], vec![8, 9, 10]), "{kept:?}");
    let pruned = bench.json(&["prune", "web", "--keep", "3"]);
    assert_eq!(pruned["results"][0]["removed"], serde_json::json!([1, 5, 6, 7]));
    assert_eq!(bench.json(&["prune", "web", "--keep", "3"])["results"][0]["outcome"], "nothing");
    let pruned = bench.json(&["prune", "web", "--keep", "2"]);
    assert_eq!(pruned["results"][0]["removed"], serde_json::json!([2, 8]));
    // The highest number was taken, and is given to nobody else.
    bench.installed("four");
    assert_eq!(states(&bench).last().unwrap(), &(12, "current".to_owned()));
}

#[test]
fn what_would_make_things_worse_is_refused() {
    let bench = Bench::new();
    let (certificate, _) = bench.bring("a", &Leaf::default());
    let (_, other) = bench.bring("b", &Leaf::default());
    let before = bench.tree();
    bench.run(&["install", "web", "--cert", &certificate, "--key", &other]).ends(4).warns("hint: ");

    let (ended, key) = bench.bring("ended", &Leaf { days: -1, ..Leaf::default() });
    let install = ["install", "web", "--cert", &ended, "--key", &key];
    bench.run(&install).ends(4).warns("it ended").warns("--force");
    let (elsewhere, its_key) = bench.bring("elsewhere", &Leaf { name: "other.example", ..Leaf::default() });
    bench
        .run(&["install", "web", "--cert", &elsewhere, "--key", &its_key])
        .ends(4)
        .warns("it is not for www.example.org");
    assert!(
        before
            .iter()
            .filter(|(path, _, _)| path.ends_with("web.pem"))
            .all(|(_, _, old)| *old == bench.served().into_bytes())
    );
    bench.run(&[&install[..], &["--force"]].concat()).ends(0);
    bench.run(&["renew"]).ends(4).warns("no source is configured");
}

#[test]
fn an_upgrade_is_repaired_and_never_failed() {
    let bench = Bench::new();
    bench.installed("good");
    let good = bench.served();
    let (certificate, key) = Leaf { self_signed: true, ..Leaf::default() }.make();
    bench.write("web.pem", &certificate, 0o644);
    bench.write("web.key", &key, 0o600);
    bench.run(&["post-upgrade"]).ends(0).says("repaired");
    assert_eq!(bench.served(), good);

    bench.configure("colour = 1\n");
    bench.run(&["post-upgrade"]).ends(0).warns("reseal.toml");
    bench.run(&["post-upgrade", "--strict"]).ends(2);
}

#[test]
fn one_rename_and_back() {
    let bench = Bench::new();
    bench.installed("good");
    bench.run(&["adopt", "web"]).ends(0).says("adopted");
    assert!(bench.path("web.pem").is_symlink());
    bench.run(&["status"]).ends(0).says("one rename");
    let renewal = [
        "install",
        "web",
        "--cert",
        &bench.bring("next", &Leaf::default()).0,
        "--key",
        &bench.path("next.key").display().to_string(),
        "--dry-run",
    ];
    assert_eq!(bench.json(&renewal)["results"][0]["plan"]["atomic"], true);
    let undo = ["adopt", "web", "--undo", "--dry-run"];
    bench.run(&undo).ends(0).says("file by file");
    assert_eq!(bench.json(&undo)["results"][0]["plan"]["atomic"], false, "a file takes the place of each link");
    bench.run(&["adopt", "web", "--undo"]).ends(0).says("gave back");
    assert!(!bench.path("web.pem").is_symlink());
}

#[test]
fn init_writes_once() {
    let bench = Bench::new();
    bench.run(&["init"]).ends(4).warns("something is there already");
    let output = bench.path("new/dir/reseal.toml").display().to_string();
    let foretold = bench.run(&["init", "--output", &output, "--dry-run"]).ends(0).says("would write");
    foretold.says(&format!("`reseal --config {output} check` and `reseal --config {output} renew --dry-run`"));
    let command = |words: &[&str]| {
        Ran::of(&bench.command(words).env_remove("RESEAL_CONFIG").env("HOME", "/nowhere").output().unwrap())
    };
    let usual = command(&["init", "--dry-run"]);
    if usual.code == Some(0) {
        let place = usual.says("`reseal check`").out.split(' ').nth(2).unwrap().trim_end_matches(';').to_owned();
        command(&["init", "--dry-run", "--output", &place]).ends(0).says("`reseal check`");
    }
    assert!(!bench.path("new").exists());
    let written = bench.json(&["init", "--output", &output]);
    assert_eq!(written["results"][0]["path"], output.as_str());
    bench.run(&["--config", &output, "status"]).ends(0);
}

#[test]
fn a_ca_of_ones_own() {
    let bench = Bench::new();
    let passphrase = bench.write("passphrase", "correct horse battery staple\n", 0o600);
    let secret = ["--passphrase-file", &passphrase];
    bench.run(&[&["ca", "init", "office", "--permit", "example.org"][..], &secret].concat()).ends(0).says("made");
    bench.run(&["ca", "show"]).ends(0).says("office").says("example.org");
    bench.run(&[&["ca", "issue", "office", "www.example.com"][..], &secret].concat()).ends(4);
    let issued = bench.json(&[&["ca", "issue", "office", "www.example.org"][..], &secret].concat());
    let chain = issued["results"][0]["chain"].as_str().unwrap().to_owned();
    bench.run(&["check", &chain]).ends(0);
    bench.run(&["ca", "init", "x", "--permit", "lan", "--dry-run"]).ends(0).says("would be made");
    bench.run(&["ca", "show", "x"]).ends(2);
    bench.configure("[target.source]\nkind = \"local-ca\"\nca = \"office\"\n");
    bench.run(&[&["renew"][..], &secret].concat()).ends(0).says("renewed");
    bench.run(&["renew"]).ends(0).says("good for now");
}

#[test]
fn one_at_a_time_and_a_signal_ends_it_as_signals_do() {
    let bench = Bench::new();
    bench.configure("reload = [\"/bin/sleep\", \"3\"]\n");
    let vendor = bench.served();
    let (certificate, key) = bench.bring("new", &Leaf::default());
    let install = ["--format", "json", "install", "web", "--cert", &certificate, "--key", &key];
    let mut child = bench.command(&install).stdout(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while bench.served() == vendor {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing was installed");
        std::thread::sleep(Duration::from_millis(10));
    }
    let second = Ran::of(&bench.command(&install[2..]).output().unwrap());
    second.ends(75).warns("another reseal is at work").warns("--wait");

    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut told = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut told).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM.as_raw()), "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    // Undone or finished, but one of the two, and told.
    match told["results"][0]["outcome"].as_str() {
        Some("rolled-back") => assert_eq!(bench.served(), vendor),
        Some("committed") => assert_eq!(bench.served(), fs::read_to_string(&certificate).unwrap()),
        other => panic!("{other:?}: {told}"),
    }
    bench.run(&["recover"]).ends(0).says("nothing was interrupted");
}

/// Told now, and not in the night in which the certificate is due.
#[test]
fn a_source_that_is_not_there_is_told_before_it_is_due() {
    let bench = Bench::new();
    bench.installed("one");
    for (source, told) in [
        ("kind = \"local-ca\"\nca = \"offise\"", "there is no CA offise"),
        ("kind = \"acme\"\naccount = \"publik\"", "there is no ACME account \"publik\""),
    ] {
        bench.configure(&format!("[target.source]\n{source}\n"));
        let checked = bench.run(&["check", "web"]).ends(3).says("source-missing").says(told);
        let made_by = [" ca init NAME --permit DOMAIN`", " acme account create NAME`"];
        let named = made_by.map(|verb| checked.out.split_whitespace().collect::<Vec<_>>().join(" ").contains(verb));
        let local = source.contains("local-ca");
        assert_eq!(named, [local, !local], "{}", checked.out);
        bench.run(&["status"]).ends(3).says("source-missing");
        // Nothing is due, so nothing is ordered.
        bench.run(&["renew"]).ends(0);
    }
    bench.configure("[target.source]\nkind = \"local-ca\"\nca = \"office\"\n");
    let secret = bench.write("pp", "correct horse\n", 0o600);
    bench.run(&["ca", "init", "office", "--permit", "example.org", "--passphrase-file", &secret]).ends(0);
    bench.run(&["check", "web"]).ends(0);
}

/// What follows knows what was committed before it: a line that is gone is missed, however much comes after it.
#[test]
fn no_later_change_hides_a_receipt_that_is_gone() {
    let bench = Bench::new();
    bench.installed("first");
    bench.installed("second");
    let ledger = bench.path("state/ledger");
    let whole = fs::read_to_string(&ledger).unwrap();
    for left in [whole.lines().next().map(|first| format!("{first}\n")), None] {
        match &left {
            Some(left) => fs::write(&ledger, left).unwrap(),
            None => fs::remove_file(&ledger).unwrap(),
        }
        bench.installed("third");
        let verified =
            bench.run(&["history", "verify"]).ends(3).warns("generation 3 of web was committed, and no line");
        assert_eq!(verified.err.contains("generation 2 of web"), left.is_none(), "{}", verified.err);
    }
}

#[test]
fn a_record_that_was_altered_or_cut_is_told() {
    let bench = Bench::new();
    bench.run(&["history", "verify"]).ends(0).says("0 receipts");
    bench.installed("first");
    bench.installed("second");
    let ledger = bench.path("state/ledger");
    let whole = fs::read_to_string(&ledger).unwrap();
    let head = bench.json(&["history", "verify"])["results"][0]["head"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!((lines.len(), head.len()), (2, 64));

    fs::write(&ledger, format!("{}\n", lines[0])).unwrap();
    bench.run(&["history", "verify"]).ends(3).warns("generation 3 of web was committed, and no line tells who made it");
    fs::write(&ledger, format!("{}\n", lines[1])).unwrap();
    bench.run(&["history", "verify"]).ends(3).warns("line 1 of the ledger cannot be believed");
    fs::write(&ledger, whole.replace("uid 0", "uid 7").replace("uid 1", "uid 8")).unwrap();
    let told = bench.json(&["history", "verify"]);
    assert_eq!(told["results"][0]["damaged_lines"].as_array().unwrap().len(), 2, "{told}");
    fs::write(&ledger, &whole).unwrap();
    bench.run(&["history", "verify"]).ends(0).says(&head);

    // A line that a crash tore, however long, costs none but itself.
    fs::write(&ledger, [whole.as_bytes(), &vec![0; 100_000]].concat()).unwrap();
    bench.installed("third");
    bench.run(&["history", "verify"]).ends(0).says("3 receipts");
    assert!(fs::read_to_string(&ledger).unwrap().starts_with(&whole));
}

/// A change that takes its time, as its service does: whoever looks meanwhile sees a change, and no damage.
#[test]
fn a_look_in_the_midst_of_a_change_is_no_alarm() {
    let bench = Bench::new();
    bench.installed("first");
    // The reload waits until it may go on.
    let slow = bench.write(
        "slow",
        "#!/bin/sh\ntouch \"$0.under-way\"\nwhile [ ! -e \"$0.done\" ]; do sleep 0.05; done\n",
        0o755,
    );
    bench.configure(&format!("reload = [{slow:?}]\n"));
    let (certificate, key) = bench.bring("second", &Leaf::default());
    let mut child = bench
        .command(&["--non-interactive", "install", "web", "--cert", &certificate, "--key", &key])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !bench.path("slow.under-way").exists() {
        assert!(began.elapsed() < Duration::from_secs(30), "it has not come so far");
        std::thread::sleep(Duration::from_millis(20));
    }
    let under_way = format!("a change is under way: process {}, `reseal ", child.id());
    let before = bench.tree();
    bench.run(&["check", "web"]).ends(0).says(&under_way).says("0 critical, 0 warnings");
    bench.run(&["check", "web", "--format", "nagios"]).ends(0).says("SSL_CERT OK");
    bench.run(&["status"]).ends(0).says(&under_way);
    assert_eq!(bench.json(&["status"])["results"][0]["interrupted"], false);
    assert!(bench.tree() == before, "a look writes nothing");

    // The same journal, and nobody is at work on it any more.
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    bench.run(&["check", "web"]).ends(3).says("a transaction was interrupted");
    bench.run(&["check", "web", "--format", "nagios"]).ends(2).says("interrupted");
    bench.run(&["status"]).ends(3).says("a transaction was interrupted");
    bench.run(&["recover", "--accept", "web", "--dry-run"]).ends(0).says("would");
    bench.write("slow.done", "", 0o644);
    bench.run(&["recover"]).ends(0);
    bench.run(&["check", "web"]).ends(0);
    let nothing = "no transaction of this target was interrupted";
    bench.run(&["recover", "--accept", "web", "--dry-run"]).ends(0).says(nothing);
    bench.run(&["recover", "--accept", "web"]).ends(0).says(nothing);
}

/// Stores, units, hooks and targets that are configured no more can be interrupted as well.
#[test]
fn whatever_was_interrupted_is_told_also_where_it_is_no_target() {
    let bench = Bench::new();
    bench.installed("first");
    bench.run(&["status"]).ends(0);
    for name in ["trust%3Aos", "hook%3Aapt", "gone"] {
        bench.write(&format!("state/journal/{name}"), "", 0o600);
    }
    for name in ["trust:os", "hook:apt", "gone"] {
        bench.run(&["status"]).ends(3).says(&format!("{name}: a transaction was interrupted: `reseal "));
    }
    let told = bench.json(&["status"]);
    let row = |name: &str| {
        let rows = told["results"].as_array().unwrap().iter().filter(|one| one["target"] == name);
        let rows: Vec<_> = rows.map(|one| (one["kind"].as_str().unwrap(), one["interrupted"] == true)).collect();
        assert_eq!(rows.len(), 1, "{name}: {told}");
        rows[0]
    };
    assert_eq!(
        ["web", "trust:os", "hook:apt", "gone"].map(row),
        [("files", false), ("store", true), ("hook", true), ("unconfigured", true)]
    );
    bench.run(&["status", "web"]).ends(0);
    bench.run(&["recover"]).ends(0);
    bench.run(&["status"]).ends(0);
}

/// The time for which another reseal is waited for is that of the run, and not of each of its targets.
#[test]
fn many_targets_wait_for_another_reseal_once() {
    let bench = Bench::new();
    let root = bench.path(".").display().to_string();
    let more = (0..5).map(|number| {
        format!(
            "[[target]]\nname = \"t{number}\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{root}/t{number}.pem\"\n\
             key = \"{root}/t{number}.key\"\n{SOURCE}"
        )
    });
    let secret = bench.write("pp", "correct horse\n", 0o600);
    bench.run(&["ca", "init", "office", "--permit", "example.org", "--passphrase-file", &secret]).ends(0);
    let ca = format!("[ca.office]\npassphrase_file = {secret:?}\n");
    bench.configure(&format!("{SOURCE}{}{ca}", more.collect::<String>()));
    let lock = fs::OpenOptions::new().write(true).open(bench.path("state/lock")).unwrap();
    lock.lock().unwrap();
    let began = Instant::now();
    let ran = Ran::of(&bench.command(&["--non-interactive", "--wait", "2", "renew", "--force"]).output().unwrap());
    let took = began.elapsed();
    let told = ran.ends(75).err.matches("another reseal is at work").count();
    assert_eq!(told, 6);
    assert!((Duration::from_secs(2)..Duration::from_secs(8)).contains(&took), "{took:?}");
}

const SOURCE: &str = "[target.source]\nkind = \"local-ca\"\nca = \"office\"\n";
