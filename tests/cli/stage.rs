//! Made ready first and put in place later: by hand, at a moment, in a window; and what the timer's verb makes of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::bench::{Bench, Leaf};

/// A pair that is staged by hand, and the certificate that it holds.
fn staged(bench: &Bench, more: &[&str]) -> String {
    let (certificate, key) = bench.bring("next", &Leaf { common_name: "next", ..Leaf::default() });
    bench.run(&[&["stage", "web", "--cert", &certificate, "--key", &key], more].concat()).ends(0).says("staged");
    fs::read_to_string(certificate).unwrap()
}

fn status(bench: &Bench) -> Value {
    bench.json(&["status"])["results"][0].clone()
}

/// Everything but reseal's own directory.
fn outside(bench: &Bench) -> Vec<(std::path::PathBuf, u32, Vec<u8>)> {
    let state = bench.path("state");
    let mut tree = bench.tree();
    tree.retain(|(path, ..)| {
        !path.starts_with(&state) && !path.file_name().unwrap().to_str().unwrap().starts_with("next.")
    });
    tree
}

fn at(from_now: Duration) -> String {
    let moment = (OffsetDateTime::now_utc() + from_now).replace_nanosecond(0).unwrap();
    moment.format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[test]
fn what_is_staged_changes_nothing_until_it_is_activated() {
    let bench = Bench::new();
    bench.installed("good");
    let (before, served) = (outside(&bench), bench.served());
    let next = staged(&bench, &[]);
    assert!(outside(&bench) == before, "the service's files are as they were");
    let shown = status(&bench);
    assert_eq!(shown["next"]["generation"], 3);
    assert_eq!(shown["next"]["by_hand"], true);
    assert!(shown["next"]["leaf"]["subject"].as_str().unwrap().contains("next"), "{shown}");
    assert_eq!(shown["next"]["problem"], Value::Null);
    bench.run(&["backups"]).ends(0).says("  next  ");
    bench.run(&["prune", "--keep", "1"]).ends(0);
    bench.run(&["backups", "verify"]).ends(0).says("  next  ");
    let told = bench.run(&["status"]).ends(0).says(" activate web`");
    let line = told.out.lines().find(|line| line.contains("activate web")).unwrap();
    assert_eq!(line.matches("--config").count(), 1, "{line}");

    let dry = bench.tree();
    bench.run(&["activate", "--dry-run"]).ends(0).says("would be changed");
    assert!(bench.tree() == dry);
    bench.run(&["activate"]).ends(0).says("activated www.example.org").says("activate generation 3");
    assert_eq!(bench.served(), next);
    assert_eq!(status(&bench)["next"], Value::Null);
    bench.run(&["activate"]).ends(0).says("nothing is staged");
    bench.run(&["activate", "web"]).ends(4).warns(" stage web --cert FILE --key FILE`");
    bench.run(&["restore", "web"]).ends(0);
    assert_eq!(bench.served(), served, "the way back is that of an install, and leads past what was only staged");
}

#[test]
fn a_rolled_back_activation_costs_no_second_order() {
    let bench = Bench::new();
    bench.installed("good");
    let served = bench.served();
    let next = staged(&bench, &[]);
    bench.configure("reload = [\"/bin/false\"]\n");
    bench.run(&["activate", "web"]).ends(5).warns("generation 3 stays staged");
    assert_eq!(bench.served(), served);
    assert_eq!(status(&bench)["next"]["generation"], 3);
    bench.configure("");
    bench.run(&["activate", "web"]).ends(0);
    assert_eq!(bench.served(), next);
}

#[test]
fn staging_refuses_what_a_change_would_refuse() {
    let bench = Bench::new();
    bench.installed("good");
    let served = bench.served();
    let refused = |name: &str, leaf: &Leaf<'_>, why: &str| {
        let (certificate, key) = bench.bring(&format!("next.{name}"), leaf);
        bench.run(&["stage", "web", "--cert", &certificate, "--key", &key]).ends(4).warns(why);
    };
    refused("other", &Leaf { name: "other.example.org", ..Leaf::default() }, "it is not for www.example.org");
    refused("ended", &Leaf { days: -1, ..Leaf::default() }, "it ended");
    refused("own", &Leaf { self_signed: true, ..Leaf::default() }, "it is self-signed");
    let (certificate, key) = bench.bring("next", &Leaf::default());
    bench.configure("check = [\"/bin/false\"]\n");
    bench.run(&["stage", "web", "--cert", &certificate, "--key", &key]).ends(4).warns("own test");
    bench.configure("");
    assert_eq!(bench.served(), served);
    assert_eq!(status(&bench)["next"], Value::Null);
    bench.run(&["stage", "web"]).ends(4).warns("has no source");
}

#[test]
fn what_has_changed_meanwhile_is_told_and_refused() {
    let bench = Bench::new();
    bench.installed("good");
    let next = staged(&bench, &[]);
    // Somebody else has put another one there.
    let (certificate, key) = Leaf { common_name: "by hand", ..Leaf::default() }.make();
    bench.write("web.pem", &certificate, 0o644);
    bench.write("web.key", &key, 0o600);
    bench.run(&["activate", "web"]).ends(4).warns("web.pem is not what it was").warns("--force");
    assert_eq!(bench.served(), certificate);
    assert!(status(&bench)["next"]["problem"].as_str().unwrap().contains("web.pem"));
    bench.run(&["maintain"]).ends(3).says("web.pem is not what it was");
    // What stands there may be good, and reseal's own: what was staged is not put in place over it all the same, and nobody is to wait for it.
    bench.installed("later");
    bench.run(&["status"]).ends(3).says("attention").says("web.pem is not what it was").says("stage web --drop`");
    let shown = status(&bench);
    assert_eq!(shown["attention"].as_array().map(Vec::len), Some(1), "{shown}");
    bench.run(&["maintain"]).ends(3).says("web.pem is not what it was");
    bench.run(&["maintain", "--live"]).ends(3).says("web.pem is not what it was");
    bench.run(&["activate", "web", "--force"]).ends(0);
    assert_eq!(bench.served(), next);

    // Another name is wanted by now.
    staged(&bench, &[]);
    let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    bench.write("reseal.toml", &text.replace("names = [", "names = [\"new.example.org\", "), 0o644);
    bench.run(&["activate", "web"]).ends(4).warns("it is not for new.example.org");
}

#[test]
fn it_can_be_replaced_put_off_and_put_away() {
    let bench = Bench::new();
    bench.installed("good");
    staged(&bench, &["--at", &at(Duration::days(2))]);
    let later = at(Duration::days(3));
    bench.run(&["activate", "web", "--at", &later]).ends(0).says("generation 3 stays staged, with another moment");
    assert_eq!(status(&bench)["next"]["at"].as_str(), Some(later.as_str()));
    // When it has ended: as with `stage --at`.
    let too_late = at(Duration::days(120));
    bench.run(&["activate", "web", "--at", &too_late]).ends(4).warns("it ended").warns("is not good at");
    // No insisting makes an ended certificate good.
    bench.run(&["activate", "web", "--at", &too_late, "--force"]).ends(4).warns("it ended");
    let (certificate, key) = bench.bring("other", &Leaf::default());
    let again = ["stage", "web", "--cert", &certificate, "--key", &key, "--force", "--at", &too_late];
    bench.run(&again).ends(4).warns("it ends");
    assert_eq!(status(&bench)["next"]["at"].as_str(), Some(later.as_str()));
    staged(&bench, &[]);
    assert_eq!(status(&bench)["next"]["generation"], 4);
    bench.run(&["backups"]).ends(0).says("  staged  ");
    let put_away = bench.json(&["stage", "web", "--drop"]);
    assert_eq!(put_away["results"][0]["outcome"], "dropped");
    assert_eq!(put_away["results"][0]["generation"], 4);
    assert_eq!(status(&bench)["next"], Value::Null);
    bench.run(&["stage", "web", "--drop"]).ends(0).says("nothing is staged");
}

#[test]
fn moments_are_told_back_and_past_ones_refused() {
    let bench = Bench::new();
    bench.installed("good");
    let (certificate, key) = bench.bring("next", &Leaf::default());
    let stage = |more: &[&str]| bench.run(&[&["stage", "web", "--cert", &certificate, "--key", &key], more].concat());
    stage(&["--at", "2020-01-01T00:00:00Z"]).ends(2).warns("is past");
    stage(&["--at", "tomorrow"]).ends(2).warns("no date with a time of day");
    stage(&["--at", "2099-01-01T00:00:00Z", "--tz", "UTC"]).ends(2).warns("no time zone");
    stage(&["--at", "9999-12-31T23:59:59-23:59"]).ends(2).warns("beyond all calendars");
    stage(&["--at", "9999-12-31 23:59 America/New_York"]).ends(2).warns("beyond all calendars");
    stage(&["--at", "2099-01-01 00:00 Nowhere/Land"]).ends(2).warns("time zone");
    assert_eq!(status(&bench)["next"], Value::Null);
    let far = OffsetDateTime::now_utc() + Duration::days(40);
    let text = format!("{} 02:00", far.date());
    stage(&["--at", &text, "--tz", "UTC"]).ends(0).says(&format!("{text} UTC (+00:00)"));
}

/// What the line says is changed as if time had passed: the file is sealed, so a moment that comes soon is waited for.
#[test]
fn the_timer_puts_it_in_place_when_its_moment_has_come() {
    let bench = Bench::new();
    bench.installed("good");
    let served = bench.served();
    let next = staged(&bench, &["--at", &at(Duration::seconds(15))]);
    let before = bench.tree();
    bench.run(&["maintain"]).ends(0);
    if bench.tree() == before {
        assert_eq!(bench.served(), served, "not yet");
    }
    std::thread::sleep(std::time::Duration::from_secs(16));
    bench.run(&["maintain"]).ends(0);
    assert_eq!(bench.served(), next);
    let after = bench.tree();
    bench.run(&["maintain"]).ends(0).says("nothing is due");
    assert!(bench.tree() == after, "a run with nothing to do writes nothing");
    assert!(bench.path("state/last-run").exists());
}

#[test]
fn an_upgrade_that_a_hook_has_flagged_is_mended() {
    let bench = Bench::new();
    bench.installed("good");
    let good = bench.served();
    let (certificate, key) = Leaf { self_signed: true, ..Leaf::default() }.make();
    bench.write("web.pem", &certificate, 0o644);
    bench.write("web.key", &key, 0o600);
    fs::create_dir_all(bench.path("state/upgrade")).unwrap();
    fs::set_permissions(bench.path("state/upgrade"), fs::Permissions::from_mode(0o700)).unwrap();
    bench.write("state/upgrade/ended", "", 0o600);
    bench.run(&["maintain"]).ends(0).says("the upgrade has changed it");
    assert_eq!(bench.served(), good);
    assert_eq!(fs::read_dir(bench.path("state/upgrade")).unwrap().count(), 0, "nothing is left to be looked at");
}

/// Files that somebody keeps fresh, with a later certificate, and a window that is not open now.
#[test]
fn a_window_holds_the_timer_back_and_nobody_else() {
    let bench = Bench::new();
    bench.installed("good");
    let served = bench.served();
    let (certificate, key) = bench.bring("next", &Leaf { days: 120, common_name: "fresh", ..Leaf::default() });
    let source = format!("[target.source]\nkind = \"import\"\nfrom = [{certificate:?}, {key:?}]\n[target.policy]\n");
    // Both begin on a day that is neither today nor a neighbour of it.
    let day = |days| {
        let weekday = (OffsetDateTime::now_utc() + Duration::days(days)).weekday().to_string();
        weekday[..3].to_owned()
    };
    let closed = format!("window = \"{} 02:00-04:00 UTC\"\n", day(3));
    bench.configure(&format!("{source}{closed}"));
    bench.run(&["maintain"]).ends(0).says("staged").says("maintenance window that opens");
    assert_eq!(bench.served(), served);
    let before = bench.tree();
    bench.run(&["maintain"]).ends(0).says("generation 3 is staged");
    assert!(bench.tree() == before, "it waits, and writes nothing");

    bench.configure(&format!("{source}window = \"daily 00:00-24:00 UTC\"\n"));
    bench.run(&["maintain"]).ends(0).says("activate generation 3");
    assert_ne!(bench.served(), served);

    // By hand nobody waits, and it is told.
    bench.configure(&closed.replace("window", "[target.policy]\nwindow"));
    let (certificate, key) = bench.bring("next", &Leaf { days: 120, ..Leaf::default() });
    bench
        .run(&["install", "web", "--cert", &certificate, "--key", &key])
        .ends(0)
        .says("outside of the maintenance windows");

    // What clients refuse does not wait.
    let (certificate, key) = Leaf { self_signed: true, ..Leaf::default() }.make();
    bench.write("web.pem", &certificate, 0o644);
    bench.write("web.key", &key, 0o600);
    bench.run(&["maintain"]).ends(0).says("restore generation");

    // No such zone: what could wait is refused.
    let (certificate, key) = bench.bring("later", &Leaf { days: 160, ..Leaf::default() });
    bench.configure(&format!(
        "[target.source]\nkind = \"import\"\nfrom = [{certificate:?}, {key:?}]\n[target.policy]\nwindow = \"02:00-04:00 Nowhere/Land\"\n"
    ));
    bench.run(&["maintain"]).ends(4).warns("maintenance windows of web cannot be told");
}

/// A hook that starts it after any upgrade is no reason to do early what somebody has set a time for.
#[test]
fn the_hook_after_an_upgrade_does_not_put_in_place_what_has_its_time() {
    let bench = Bench::new();
    let (before, when) = (bench.served(), at(Duration::days(9)));
    let next = staged(&bench, &["--at", &when]);
    bench.run(&["post-upgrade"]).ends(0).says("generation 1 is staged and is put in place at");
    assert_eq!(bench.served(), before);
    // Whoever asks for it does not wait, and is told.
    bench.run(&["renew", "web"]).ends(0).says("it was staged for").says("`renew` does not wait for that");
    assert_eq!(bench.served(), next);

    // What is due and not bad waits for its window.
    let (certificate, key) = bench.bring("fresh", &Leaf { days: 200, ..Leaf::default() });
    let day = (OffsetDateTime::now_utc() + Duration::days(3)).weekday().to_string();
    let source = format!("[target.source]\nkind = \"import\"\nfrom = [{certificate:?}, {key:?}]\n");
    bench.configure(&format!(
        "{source}[target.policy]\nrenew_before = \"9/10\"\nwindow = \"{} 02:00-04:00 UTC\"\n",
        &day[..3]
    ));
    bench.run(&["post-upgrade"]).ends(0).says(" maintain` gets another in the maintenance window");
    assert_eq!(bench.served(), next);

    // Its owner wants another after each upgrade: that is the occasion.
    bench.configure(&format!(
        "{source}[target.policy]\nafter_upgrade = \"renew\"\nwindow = \"{} 02:00-04:00 UTC\"\n",
        &day[..3]
    ));
    bench.run(&["post-upgrade"]).ends(0).says("repaired www.example.org");
    assert_ne!(bench.served(), next);
}

#[test]
fn a_dry_run_of_staging_shows_what_staging_does() {
    let bench = Bench::new();
    bench.installed("good");
    let (certificate, key) = bench.bring("next", &Leaf { common_name: "next", ..Leaf::default() });
    let words = ["stage", "web", "--cert", &certificate, "--key", &key];
    let before = bench.tree();
    let dry = [&words[..], &["--dry-run"]].concat();
    bench
        .run(&dry)
        .ends(0)
        .says("would be staged")
        .says("what is to come as generation 3")
        .says("when it is activated");
    let foretold = bench.json(&dry)["results"][0]["plan"].clone();
    assert!(bench.tree() == before);
    let done = bench.json(&words)["results"][0]["plan"].clone();
    assert_eq!((&foretold["staged"], &foretold["generation"]), (&Value::Bool(true), &Value::from(3)));
    assert_eq!(foretold, done);
}

#[test]
fn a_zone_that_is_not_known_is_told_long_before_it_matters() {
    let bench = Bench::new();
    bench.configure("[target.policy]\nwindow = \"daily 02:00-04:00 Europe/Brlin\"\n");
    bench.installed("good");
    bench.run(&["check", "web"]).ends(3).says("maintenance windows of web cannot be told").says("Europe/Brlin");
    let codes = status(&bench)["findings"].to_string();
    assert!(codes.contains("window-unknown"), "{codes}");
}

/// What the policy has staged and is not good any more is put away by the real run, and a dry run says so.
#[test]
fn what_a_dry_run_foretells_of_a_stale_one_is_what_is_done() {
    let bench = Bench::new();
    bench.installed("good");
    let (certificate, key) = bench.bring("next", &Leaf { days: 120, common_name: "fresh", ..Leaf::default() });
    let day = (OffsetDateTime::now_utc() + Duration::days(3)).weekday().to_string();
    let source = format!("[target.source]\nkind = \"import\"\nfrom = [{certificate:?}, {key:?}]\n");
    bench.configure(&format!("{source}[target.policy]\nwindow = \"{} 02:00-04:00 UTC\"\n", &day[..3]));
    bench.run(&["maintain"]).ends(0).says("staged");
    // Somebody else has put another one there, which is good.
    let (other, its_key) = Leaf { common_name: "by hand", days: 150, ..Leaf::default() }.make();
    bench.write("web.pem", &other, 0o644);
    bench.write("web.key", &its_key, 0o600);
    let before = bench.tree();
    bench.run(&["maintain", "--dry-run"]).says("it would be put away");
    assert!(bench.tree() == before);
    bench.run(&["maintain"]).says("it was put away");
    assert_eq!(status(&bench)["next"], Value::Null);
}

/// An upgrade reaches all targets: a run over one leaves it to the next over all.
#[test]
fn a_run_over_one_target_leaves_the_mark_of_an_upgrade() {
    let bench = Bench::new();
    bench.installed("good");
    fs::create_dir_all(bench.path("state/upgrade")).unwrap();
    fs::set_permissions(bench.path("state/upgrade"), fs::Permissions::from_mode(0o700)).unwrap();
    bench.write("state/upgrade/ended", "", 0o600);
    bench.run(&["maintain", "web"]).ends(0);
    assert!(bench.path("state/upgrade/ended").exists());
    bench.run(&["maintain"]).ends(0);
    assert!(!bench.path("state/upgrade/ended").exists());
}

/// A pair that was staged only, and was put into place by hand: no receipt tells of it, and none is missing.
#[test]
fn what_was_staged_and_is_put_there_by_hand_is_no_cut_record() {
    for drop in [false, true] {
        let bench = Bench::new();
        bench.installed("good");
        bench.run(&["snapshot"]).ends(0);
        let next = staged(&bench, &[]);
        if drop {
            bench.run(&["stage", "web", "--drop"]).ends(0);
        }
        bench.write("web.pem", &next, 0o644);
        bench.write("web.key", &fs::read_to_string(bench.path("next.key")).unwrap(), 0o600);
        bench.run(&["snapshot", "--force"]).ends(0).says("this is the wanted state").says("generation 3");
        bench.run(&["history", "verify"]).ends(0);
    }
}

#[test]
fn a_line_that_cannot_be_believed_is_told_and_can_be_put_away() {
    let bench = Bench::new();
    bench.installed("good");
    staged(&bench, &[]);
    let line = bench.path("state/vault/web/next");
    let text = fs::read_to_string(&line).unwrap();
    fs::write(&line, text.replace("\"by_hand\":true", "\"by_hand\":false")).unwrap();
    bench.run(&["activate", "web"]).ends(4).warns("is not what was written").warns("stage web --drop");
    bench.run(&["status"]).ends(4).says("is not what was written");
    bench.run(&["prune", "--keep", "1"]).ends(0);
    bench.run(&["backups"]).ends(0).says("  staged  ");
    bench.run(&["stage", "web", "--drop"]).ends(0);
    staged(&bench, &[]);
}

/// Somebody has replaced the certificate meanwhile: what is staged for a moment stays so, and one thing is said of it, until what
/// stands there is refused.
#[test]
fn what_has_its_time_keeps_it_whatever_stands_there_meanwhile() {
    let bench = Bench::new();
    // What was committed is no use any more, so that it is not put back.
    bench.configure("[target.policy]\nrenew_before = \"9/10\"\n");
    bench.installed("good");
    let (good, good_key) = (bench.served(), fs::read_to_string(bench.path("web.key")).unwrap());
    let (certificate, key) = bench.bring("next", &Leaf { days: 200, common_name: "next", ..Leaf::default() });
    let when = at(Duration::days(9));
    bench.run(&["stage", "web", "--cert", &certificate, "--key", &key, "--at", &when]).ends(0);

    // It is due, and nobody is in a hurry.
    bench.run(&["renew", "web"]).ends(0).says("and stays so until then").says("activate web` puts it in place now");
    assert_eq!(bench.served(), good);

    let (other, other_key) = Leaf { days: 60, common_name: "by hand", ..Leaf::default() }.make();
    bench.write("web.pem", &other, 0o644);
    bench.write("web.key", &other_key, 0o600);
    for verb in ["renew", "maintain"] {
        let ran =
            bench.run(&[verb]).ends(3).says("is not activated").says("web.pem is not what it was").says("--drop`");
        assert!(!ran.out.contains("does not wait"), "{}", ran.out);
        assert_eq!(bench.served(), other, "{verb}");
        assert_eq!(status(&bench)["next"]["by_hand"], true, "{verb}");
    }
    bench.write("web.pem", &good, 0o644);
    bench.write("web.key", &good_key, 0o600);
    bench.run(&["maintain"]).ends(0).says("is staged and is put in place at");

    // Whoever set the moment knew nothing of this one, which no client takes.
    let (own, own_key) = Leaf { self_signed: true, common_name: "appliance", ..Leaf::default() }.make();
    for verb in ["maintain", "post-upgrade", "renew"] {
        let bench = Bench::new();
        bench.run(&["stage", "web", "--cert", &certificate, "--key", &key, "--at", &when]).ends(0);
        bench.write("web.pem", &own, 0o644);
        bench.write("web.key", &own_key, 0o600);
        let ran = bench.run(&[verb]).ends(0).says("it was staged for");
        let ran = ran.says(&format!("`{verb}` does not wait for that, for what is in place is refused by clients"));
        assert!(!ran.out.contains("is not activated"), "{}", ran.out);
        assert_ne!(bench.served(), own, "{verb}");
    }
}

/// What is told to be typed is what works for a target that gets its certificates from a person.
#[test]
fn a_target_without_a_source_is_told_how_another_is_staged() {
    let bench = Bench::new();
    bench.installed("good");
    let by_hand = " stage web --cert FILE --key FILE`";
    bench.run(&["activate", "web"]).ends(4).warns(by_hand);
    staged(&bench, &[]);
    let said = |words: &[&str]| {
        let refused = bench.run(words).ends(4);
        let said = refused.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(by_hand) && said.contains(" stage web --drop`"), "{said}");
        assert!(!said.contains(" stage web`") && !said.contains(" stage web --force`"), "{said}");
    };
    said(&["activate", "web", "--at", &at(Duration::days(120))]);
    bench.bring("other", &Leaf::default());
    fs::copy(bench.path("other.pem"), bench.path("web.pem")).unwrap();
    said(&["activate", "web"]);
    bench.run(&["stage", "web", "--drop"]).ends(0);
    staged(&bench, &[]);
}
