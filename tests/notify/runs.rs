//! What follows a run: once, again, when it is gone; by whom, and what it costs when there is nothing to tell.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;

use rcgen::KeyPair;

use crate::ground::{Came, Does, Ground, Receiver};

fn pairs(found: &[(&str, &str)]) -> Vec<(String, String)> {
    found.iter().map(|(state, code)| ((*state).to_owned(), (*code).to_owned())).collect()
}

#[test]
fn a_failing_renewal_is_told_once_and_its_mending_too() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", "on = [\"finding\", \"failure\", \"stuck\", \"success\"]"));
    // Nothing can be imported: refused, and what is in place is self-signed.
    ground.run("renew --quiet").ends(4);
    let came = receiver.came();
    assert_eq!(came.len(), 1, "{came:?}");
    assert_eq!(came[0].told(), pairs(&[("new", "self-signed"), ("new", "refused"), ("new", "source-missing")]));
    let body = came[0].json();
    assert_eq!(
        (body["verb"].as_str(), body["test"].as_bool(), body["counts"]["new"].as_u64()),
        (Some("renew"), Some(false), Some(3))
    );
    assert_eq!(body["items"][0]["target"], "web");
    assert!(body["items"][0]["leaf"].as_str().unwrap().len() == 64, "{body}");
    assert_eq!(came[0].header("content-type").as_deref(), Some("application/json"));

    let state = ground.state();
    ground.run("renew --quiet").ends(4);
    ground.run("check --notify").ends(3);
    assert!(receiver.came().is_empty(), "what has not changed is not told again");
    let written: Vec<_> = ground.state().into_iter().filter(|one| !state.contains(one)).map(|one| one.0).collect();
    // The second failure is counted; the check, which has nothing new, writes nothing.
    assert!(
        written.iter().all(|path| path.starts_with(ground.path("state/notify")) || path.ends_with("lock")),
        "{written:?}"
    );
    let state = ground.state();
    ground.run("check --notify").ends(3);
    assert_eq!(ground.state(), state, "nothing new, nothing written");

    ground.bring("web");
    ground.run("renew --quiet").ends(0);
    let came = receiver.came();
    assert_eq!(came.len(), 1, "{came:?}");
    let told = came[0].told();
    for one in pairs(&[("happened", "committed"), ("resolved", "self-signed"), ("resolved", "refused")]) {
        assert!(told.contains(&one), "{told:?}");
    }
    ground.run("renew").ends(0);
    let state = ground.state();
    ground.run("renew").ends(0);
    assert!(receiver.came().is_empty());
    assert_eq!(ground.state(), state, "nothing to do and nothing to tell: nothing is written");
    ground.run("notify status").ends(0).says(&["ops", "delivers", "nothing is open"]);
}

#[test]
fn check_tells_only_where_it_is_asked_to() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", ""));
    ground.run("check").ends(3);
    ground.run("status").ends(3);
    assert!(receiver.came().is_empty() && !ground.path("state").exists());
    ground.run("check --notify").ends(3);
    assert_eq!(receiver.came()[0].told(), pairs(&[("new", "self-signed"), ("new", "source-missing")]));
    // A file is a subject like any other; what the target has stays open.
    ground.run("check --notify ./web.pem").ends(3);
    assert_eq!(receiver.came()[0].told(), pairs(&[("new", "self-signed")]));
    ground.bring("web");
    ground.run("post-upgrade").ends(0);
    assert_eq!(receiver.came()[0].told(), pairs(&[("resolved", "self-signed"), ("resolved", "source-missing")]));
}

/// Whoever has not asked to be told of successes is told all the same that an upgrade has replaced a certificate.
#[test]
fn what_an_upgrade_did_is_told_mended_or_not() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", ""));
    ground.bring("web");
    ground.run("renew --quiet").ends(0);
    receiver.came();
    ground.spoil("web");
    ground.run("post-upgrade --quiet").ends(0);
    let came = receiver.came();
    assert!(came[0].told().contains(&pairs(&[("happened", "upgrade")])[0]), "{came:?}");
    assert!(came[0].json().to_string().contains("that is mended: overwritten: "), "{came:?}");
    ground.run("maintain --quiet").ends(0);
    assert!(receiver.came().is_empty(), "it is over");

    // Its key may be read by everybody now: that is told, and not mended.
    let key = ground.path("web.key");
    let rights = |mode| fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&key).unwrap().permissions());
    rights(0o640 | (mode ^ 0o040));
    ground.run("post-upgrade --quiet").ends(0);
    let told = receiver.came();
    assert!(told[0].told().contains(&pairs(&[("new", "upgrade")])[0]), "{told:?}");
    let told = |came: &[Came]| came.iter().any(|one| one.told().iter().any(|it| it.1 == "upgrade"));
    ground.run("maintain --quiet").ends(0);
    assert!(!told(&receiver.came()), "no run that has not compared says that it is over");
    rights(mode & 0o777);
    ground.run("post-upgrade --quiet").ends(0);
    assert!(told(&receiver.came()), "resolved");
}

#[test]
fn a_dry_run_shows_it_and_sends_nothing() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", ""));
    ground.run("check --notify --dry-run").ends(3).says(&[
        &format!("would tell ops (webhook http://127.0.0.1:{}/…)", receiver.port),
        "critical: web: self-signed",
    ]);
    ground.run("notify test --dry-run").ends(0).says(&["would be sent; nothing was", "\"test\":true"]);
    assert!(receiver.came().is_empty() && !ground.path("state").exists());
}

#[test]
fn a_dry_run_foretells_nothing_that_the_run_would_mend() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", ""));
    // It cannot be mended: that is told, and what is in place too.
    ground.run("maintain --dry-run").ends(4).says(&["would tell ops", "web: self-signed", "web: refused"]);
    ground.bring("web");
    for verb in ["maintain --dry-run", "renew --dry-run"] {
        let ran = ground.run(verb).says(&["what is found now at web is left out: the run would change that first"]);
        assert!(!format!("{}{}", ran.out, ran.err).contains("would tell"), "{verb}: {ran:#?}");
    }
    assert!(receiver.came().is_empty() && !ground.path("state").exists());
    // As the run does.
    ground.run("maintain --quiet").ends(0);
    assert!(receiver.came().is_empty());
    // What nobody wants to be told of is not left out either.
    ground.spoil("web");
    ground.bring("web");
    ground.configure(&receiver.channel("ops", "on = [\"failure\"]"));
    let ran = ground.run("maintain --dry-run");
    assert!(!ran.err.contains("is left out"), "{ran:#?}");
}

#[test]
fn what_is_advised_works_for_the_same_configuration_and_state() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", ""));
    let (config, state) = (ground.path("reseal.toml"), ground.path("state"));
    let program = format!("`reseal --config {} --state-dir {} renew web`", config.display(), state.display());
    let line = format!("--state-dir {} check --notify", state.display());
    ground
        .run(&format!("{line} --dry-run"))
        .ends(3)
        .says(&["would tell ops", &format!("note:     no client trusts it: {program}")]);
    ground.run(&line).ends(3);
    let body = receiver.came()[0].json();
    assert!(body["items"][0]["hint"].as_str().unwrap().contains(&program), "{body}");
    // What is remembered is told by runs that are called otherwise.
    let record = fs::read_to_string(state.join("notify/record")).unwrap();
    assert!(record.contains("`reseal renew web`") && !record.contains("--config"), "{record}");
}

#[test]
fn a_state_directory_that_cannot_be_used_is_told_once_to_people() {
    use std::os::unix::fs::PermissionsExt;
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", ""));
    fs::create_dir(ground.path("state")).unwrap();
    fs::set_permissions(ground.path("state"), fs::Permissions::from_mode(0o755)).unwrap();
    for line in ["maintain", "maintain --dry-run"] {
        let ran = ground.run(line).ends(4).says(&["it is open to others", "chmod 0700"]);
        assert!(!ran.err.contains("warning:"), "{ran:#?}");
    }
    let came = receiver.came();
    assert_eq!(came.len(), 1);
    assert_eq!(came[0].told(), pairs(&[("new", "failed")]));
    // Where the run went well, it is told with what to do behind it.
    ground.run("check --notify ./web.pem").ends(3).says(&["warning: ", "it is open to others", " (it holds keys: "]);
}

#[test]
fn a_channel_that_is_gone_is_in_nobodys_way() {
    let (ground, bad, good) = (Ground::new(), Receiver::new(), Receiver::new());
    bad.does(&[Does::status("500 Internal Server Error")]);
    ground.configure(&[bad.channel("bad", ""), good.channel("good", "")].concat());
    ground.run("check --notify").ends(3);
    ground.run("status").ends(3).says(&["the channel bad does not deliver"]);
    let open = |ground: &Ground, on: &str| {
        let told = ground.json("notify status");
        let open = told["results"][0]["open"].as_array().unwrap().clone();
        open.iter().filter(|one| one["on"] == on).count()
    };
    assert_eq!((open(&ground, "channel"), open(&ground, "finding")), (1, 2), "nor is the source there");
    ground.configure(&good.channel("good", ""));
    assert_eq!((open(&ground, "channel"), open(&ground, "finding")), (0, 2));
    let ran = ground.run("status");
    assert!(!ran.out.contains("notify-failing"), "{ran:#?}");
    // With nobody to tell, text and JSON have nothing open.
    ground.configure("");
    assert_eq!((open(&ground, "channel"), open(&ground, "finding")), (0, 0));
    ground.run("notify status").ends(0).says(&["nothing is open"]);
}

#[test]
fn without_channels_nothing_is_different() {
    let ground = Ground::new();
    ground.configure("");
    ground.bring("web");
    ground.run("renew").ends(0);
    assert!(!ground.path("state/notify").exists());
    let state = ground.state();
    ground.run("renew").ends(0);
    ground.run("check --notify").says(&["web"]);
    assert_eq!(ground.state(), state);
    let first = "write a `[[notify]]` (docs/notifications.md)";
    ground.run("notify test").ends(2).says(&["no channel is configured", first]);
    ground.run("notify status").ends(0).says(&["no channel is configured", first]);
    ground.configure("[ping]\nurl_file = \"/nonexistent\"\n");
    ground.run("notify test").ends(2).says(&["no channel is configured", " notify test ping` tests the ping"]);
    ground.configure("");
    ground.run("notify test ops").ends(2).says(&["there is no channel `ops`", "docs/notifications.md"]);
}

#[test]
fn two_runs_at_once_tell_it_once() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", ""));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ground.run("check --notify").ends(3));
        }
    });
    assert_eq!(receiver.came().len(), 1);
}

#[test]
fn what_is_remembered_may_be_torn_edited_or_newer() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", ""));
    ground.run("check --notify").ends(3);
    assert_eq!(receiver.came().len(), 1);
    let path = ground.path("state/notify/record");
    let whole = fs::read(&path).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", &[whole.as_slice(), b"x"].concat()] {
        fs::write(&path, damaged).unwrap();
        ground.run("check --notify").ends(3).says(&["warning: the record", "is damaged", "begun anew"]);
        assert_eq!(receiver.came().len(), 1, "once more, rather than never");
        ground.run("check --notify").ends(3);
        assert!(receiver.came().is_empty());
    }
    let json = r#"{"format":9,"new":true}"#;
    let newer = format!("{} {json}\n", reseal::digest::Digest::of(json.as_bytes()));
    fs::write(&path, &newer).unwrap();
    ground.run("check --notify").ends(3).says(&["written by a newer reseal"]);
    assert_eq!(receiver.came().len(), 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), newer, "it is left alone");
    ground.run("notify status").ends(4).says(&["written by a newer reseal"]);
    ground.run("status").ends(3).says(&["notify-failing"]);
}

#[test]
fn who_watches_from_elsewhere_hears_of_each_run() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    let url = ground.write("ping", format!("http://127.0.0.1:{}/abc\n", receiver.port), 0o600);
    let prom = ground.path("reseal.prom");
    let text = format!("[ping]\nurl_file = {url:?}\nlimit = 2\n[metrics]\ntextfile = {prom:?}\n");
    ground.configure(&text);
    ground.run("maintain --quiet").ends(4);
    let came = receiver.came();
    let paths: Vec<&str> = came.iter().map(|one| one.path()).collect();
    assert_eq!(paths, ["/abc/start", "/abc/fail"]);
    assert_eq!(came[1].body, b"exit 4\n");
    let told = fs::read_to_string(&prom).unwrap();
    for line in [
        "reseal_outcomes_total{target=\"web\",outcome=\"refused\"} 1",
        "reseal_notify_failing{channel=\"ping\"} 0",
        "# TYPE reseal_outcomes_total counter",
        "reseal_findings{target=\"web\",code=\"self-signed\",severity=\"critical\"} 1",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    assert!(!told.contains("reseal_last_success"), "there was none");
    assert!(told.contains("\nreseal_last_run_timestamp_seconds "));

    ground.bring("web");
    ground.run("maintain --quiet").ends(0);
    let came = receiver.came();
    assert_eq!(came.iter().map(|one| one.path()).collect::<Vec<_>>(), ["/abc/start", "/abc"]);
    let told = fs::read_to_string(&prom).unwrap();
    for line in [
        "\nreseal_last_success_timestamp_seconds ",
        "{target=\"web\",outcome=\"committed\"} 1",
        "\nx509_cert_not_after{",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    let used = ground.run("notify status").ends(0);
    assert!(!used.out.contains("not used yet"), "{}", used.out);
    // Each is remembered once in an hour: the next run writes nothing for it.
    let record = || fs::metadata(ground.path("state/notify/record")).unwrap().ino();
    let before = record();
    ground.run("maintain --quiet").ends(0);
    assert_eq!(record(), before, "it is replaced as a whole where it is written");
    receiver.came();
    // One target alone says nothing of the timer.
    ground.run("maintain web").ends(0);
    ground.run("check --notify").says(&["web"]);
    assert!(receiver.came().is_empty());

    receiver.does(&[Does::status("404 Not Found")]);
    ground.run("maintain --quiet").ends(0).says(&["warning: the ping did not arrive: it answers HTTP 404"]);
    let told = fs::read_to_string(&prom).unwrap();
    assert!(told.contains("reseal_notify_failing{channel=\"ping\"} 1"), "{told}");
    ground.run("status").says(&["notify-failing"]);
    receiver.does(&[Does::status("200 OK")]);
    fs::remove_file(&prom).unwrap();
    fs::create_dir(&prom).unwrap();
    ground.run("maintain --quiet").ends(0).says(&["warning: the metrics could not be written"]);
    let test = format!("`reseal --config {} notify test metrics`", ground.path("reseal.toml").display());
    ground.run("notify status").ends(3).says(&["metrics", "failing", "does not deliver", &test]);
    fs::remove_dir(&prom).unwrap();
    ground.run("maintain --quiet").ends(0);
    ground.run("notify status").ends(0);
}

/// A target without a source that is due waits for a person: that is told, and the timer has done its work.
#[test]
fn what_only_a_person_can_do_is_no_failed_run() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    let url = ground.write("ping", format!("http://127.0.0.1:{}/abc\n", receiver.port), 0o600);
    ground.configure(&format!("[ping]\nurl_file = {url:?}\nlimit = 2\n{}", receiver.channel("ops", "")));
    let text = fs::read_to_string(ground.path("reseal.toml")).unwrap();
    fs::write(ground.path("reseal.toml"), text.split("[target.source]").next().unwrap()).unwrap();
    ground.run("maintain --quiet").ends(3);
    let came = receiver.came();
    let (told, pings): (Vec<_>, Vec<_>) = came.iter().partition(|one| one.path() == "/hook");
    assert_eq!(pings.iter().map(|one| one.path()).collect::<Vec<_>>(), ["/abc/start", "/abc"]);
    assert_eq!(told[0].told(), pairs(&[("new", "self-signed"), ("new", "reported")]));
    assert!(
        told[0].json()["items"][1]["text"].as_str().unwrap().contains("`reseal install web --cert FILE --key FILE`")
    );
}

/// 60 things are more than one message has: programs are told of each, people of those that the message names and of the rest later.
#[test]
fn nothing_is_lost_of_what_is_too_much_for_one_message() {
    let (ground, alerts, chat) = (Ground::new(), Receiver::new(), Receiver::new());
    let files: Vec<String> = (0..60).map(|number| format!("./f{number}.key")).collect();
    let key = KeyPair::generate().unwrap().serialize_pem();
    for file in &files {
        ground.write(file, &key, 0o600);
    }
    ground.configure(&format!(
        "{}{}",
        alerts.channel("am", "shape = \"alertmanager\""),
        chat.channel("chat", "shape = \"ntfy\"")
    ));
    let check = format!("check --notify {}", files.join(" "));
    ground.run(&check).ends(3);
    let posted = || {
        let came = alerts.came();
        let of_one = |one: &Came| one.json().as_array().unwrap().clone();
        assert!(came.iter().all(|one| of_one(one).len() <= 50));
        came.iter()
            .flat_map(of_one)
            .map(|alert| alert["labels"]["target"].as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let all: BTreeSet<String> = files.iter().cloned().collect();
    assert_eq!(posted(), all);
    let said = || chat.came().iter().map(|one| String::from_utf8(one.body.clone()).unwrap()).collect::<Vec<_>>();
    let named =
        |text: &str| files.iter().filter(|file| text.contains(&format!("{file}: "))).cloned().collect::<BTreeSet<_>>();
    let first = said();
    assert_eq!(first.len(), 1, "{first:?}");
    let mut told = named(&first[0]);
    assert!(first[0].contains(&format!("and {} more", 60 - told.len())), "{first:?}");
    // The rest is told by the next runs, and nothing twice.
    let mut runs = 0;
    while told.len() < 60 {
        runs += 1;
        assert!(runs < 6, "{told:?}");
        ground.run(&check).ends(3);
        let further = said();
        assert!(named(&further[0]).is_disjoint(&told) && !further[0].contains("more lines"), "{further:?}");
        told.extend(named(&further[0]));
    }
    assert_eq!(told, all);
    ground.run(&check).ends(3);
    assert_eq!((said().len(), posted()), (0, BTreeSet::new()));
    // Each that is over is posted as over.
    for file in &files {
        ground.write(file, fs::read(ground.path("web.pem")).unwrap(), 0o600);
    }
    let accepted = "[findings]\nseverity = { self-signed = \"note\" }\n";
    let kept = fs::read_to_string(ground.path("reseal.toml")).unwrap();
    fs::write(ground.path("reseal.toml"), format!("{accepted}{kept}")).unwrap();
    ground.run(&check);
    assert_eq!(posted(), all);
}

/// Where Prometheus is installed, its own tool reads what is written for it.
#[test]
fn prometheus_takes_the_metrics_and_the_rules() {
    let Some(tool) = ["/usr/bin/promtool"].into_iter().find(|path| std::path::Path::new(path).exists()) else {
        println!("skipped: promtool is not installed (Debian: prometheus)");
        return;
    };
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/notify/alerts.yml");
    assert!(std::process::Command::new(tool).args(["check", "rules", rules]).status().unwrap().success());
    let ground = Ground::new();
    let prom = ground.path("reseal.prom");
    ground.configure(&format!("[metrics]\ntextfile = {prom:?}\n"));
    ground.run("renew --quiet").ends(4);
    let mut check = std::process::Command::new(tool);
    let told = check.args(["check", "metrics"]).stdin(fs::File::open(&prom).unwrap()).output().unwrap();
    assert!(told.status.success() || !String::from_utf8_lossy(&told.stderr).contains("error while"), "{told:?}");
}
