//! What is made ready ahead, from each kind of source, while time goes by: the clock of the program is set by `faketime`.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::bench::{Bench, Leaf, Ran};
use crate::command;

/// The program on a clock that is ahead by so much, as `faketime` writes it.
fn at(bench: &Bench, ahead: &str, words: &[&str]) -> Command {
    let mut command = Command::new("faketime");
    command.args(["-f", ahead, env!("CARGO_BIN_EXE_reseal"), "--non-interactive", "--wait", "20"]).args(words);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("RESEAL_CONFIG", bench.path("reseal.toml"));
    command.current_dir(bench.path(".")).stdin(Stdio::null());
    command
}

fn run_at(bench: &Bench, ahead: &str, words: &[&str]) -> Ran {
    Ran::of(&at(bench, ahead, words).output().unwrap())
}

/// Both at one moment; each must be good. What they said.
fn twice(begin: impl Fn() -> Command) -> [String; 2] {
    let both = [(); 2].map(|()| begin().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    both.map(|run| {
        let ran = Ran::of(&run.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        ran.out
    })
}

fn has_faketime() -> bool {
    let found = Command::new("faketime").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        println!("skipped: no faketime");
    }
    found
}

/// The lines of a target whose source is a CA of its own, which is made here.
fn office(bench: &Bench, policy: &str) {
    let pass = bench.write("pass", "the passphrase of the test\n", 0o600);
    let source = format!(
        "[target.source]\nkind = \"local-ca\"\nca = \"office\"\n{policy}[ca.office]\npassphrase_file = {pass:?}\n"
    );
    bench.configure(&source);
    bench.run(&["ca", "init", "office", "--permit", "example.org", "--passphrase-file", &pass]).ends(0);
}

fn next(bench: &Bench) -> Value {
    bench.json(&["status"])["results"][0]["next"].clone()
}

fn receipts(bench: &Bench) -> usize {
    fs::read_to_string(bench.path("state/ledger")).unwrap().lines().count()
}

/// Of the 90 days of a certificate, 40 are for making ready and 10 for putting in place.
#[test]
fn a_ca_of_its_own_makes_ready_and_puts_in_place_as_time_goes_by() {
    if !has_faketime() {
        return;
    }
    let bench = Bench::new();
    office(&bench, "[target.policy]\nprepare_before = 40\nrenew_before = 10\n");
    bench.run(&["maintain"]).ends(0).says("renewed www.example.org");
    let first = bench.served();
    run_at(&bench, "+45d", &["maintain"]).ends(0).says("nothing is due");
    assert_eq!((bench.served(), next(&bench)), (first.clone(), Value::Null));

    run_at(&bench, "+55d", &["maintain"]).ends(0).says("staged");
    assert_eq!((bench.served(), next(&bench)["by_hand"].clone()), (first.clone(), Value::Bool(false)));
    let before = (bench.tree(), receipts(&bench));
    run_at(&bench, "+55d", &["maintain"]).ends(0).says("is staged and is put in place when");
    assert!((bench.tree(), receipts(&bench)) == before, "it waits, and writes nothing");

    // What was made ready is what is put in place: the CA is not asked again.
    let issued = fs::read_to_string(bench.path("state/ca/office/issued")).unwrap();
    run_at(&bench, "+81d", &["maintain"]).ends(0).says("activate");
    assert_ne!(bench.served(), first);
    assert_eq!(fs::read_to_string(bench.path("state/ca/office/issued")).unwrap(), issued);
    assert_eq!(next(&bench), Value::Null);

    // A clock that has gone back by months is not believed, and replaces nothing.
    let (second, ledger) = (bench.served(), receipts(&bench));
    let back = bench.run(&["maintain"]);
    assert_ne!(back.code, Some(0), "{}", back.out);
    back.warns("clock");
    assert_eq!((bench.served(), receipts(&bench)), (second, ledger));
}

/// The window of a week: the machine was off while it was open, and is on again when it is not.
#[test]
fn a_machine_that_slept_past_its_window_waits_for_the_next_or_does_not_wait() {
    if !has_faketime() {
        return;
    }
    let bench = Bench::new();
    let opens = OffsetDateTime::now_utc() + Duration::days(62);
    let window = format!("window = \"{} 02:00-04:00 UTC\"\n", &opens.weekday().to_string()[..3]);
    office(&bench, &format!("[target.policy]\nprepare_before = 40\nrenew_before = 30\n{window}"));
    // Self-signed does not wait for any window.
    bench.run(&["maintain"]).ends(0).says("renewed www.example.org");
    let first = bench.served();
    let noon = |days: i64| {
        let then = (opens + Duration::days(days)).replace_time(time::macros::time!(12:00));
        format!("+{}s", (then - OffsetDateTime::now_utc()).whole_seconds())
    };
    run_at(&bench, &noon(-1), &["maintain"]).ends(0).says("staged").says("maintenance window that opens");
    // The day after the window that it slept through: it is put in place in the next one, a week later.
    run_at(&bench, &noon(1), &["maintain"]).ends(0).says("maintenance window that opens");
    assert_eq!(bench.served(), first);
    // Asleep until there is no window left before the end of the certificate.
    run_at(&bench, &noon(23), &["maintain"]).ends(0).says("activate");
    assert_ne!(bench.served(), first);
}

/// A moment that has passed while the machine was off is made good by the first run.
#[test]
fn a_moment_that_was_slept_through_is_made_good_at_once() {
    if !has_faketime() {
        return;
    }
    // Of the windows, none is open in any of the runs: a moment that somebody has named does not wait for one.
    let day = (OffsetDateTime::now_utc() + Duration::days(5)).weekday().to_string();
    for policy in [String::new(), format!("[target.policy]\nwindow = \"{} 02:00-04:00 UTC\"\n", &day[..3])] {
        let bench = Bench::new();
        office(&bench, &policy);
        bench.run(&["renew"]).ends(0);
        let first = bench.served();
        let at = (OffsetDateTime::now_utc() + Duration::days(3)).replace_nanosecond(0).unwrap();
        let at = at.format(&time::format_description::well_known::Rfc3339).unwrap();
        bench.run(&["stage", "web", "--at", &at]).ends(0).says("staged");
        run_at(&bench, "+2d", &["maintain"]).ends(0);
        assert_eq!(bench.served(), first);
        run_at(&bench, "+9d", &["maintain"]).ends(0).says("activate");
        assert_ne!(bench.served(), first, "{policy}");
    }
}

#[test]
fn a_ca_elsewhere_is_waited_for_and_its_answer_is_staged() {
    let bench = Bench::new();
    if !command::example(&bench) {
        return;
    }
    let before = bench.served();
    bench.write("ca/closed", "", 0o644);
    bench.run(&["stage", "web"]).ends(7).says("the CA opens again on Monday");
    assert_eq!((command::waiting(&bench), next(&bench)), (1, Value::Null));
    bench.run(&["activate"]).ends(0).says("nothing is staged");
    fs::remove_file(bench.path("ca/closed")).unwrap();
    bench.run(&["stage", "web"]).ends(0).says("staged");
    assert_eq!((command::waiting(&bench), bench.served()), (0, before));
    let made = fs::read_dir(bench.path("ca")).unwrap().count();
    // Again: what is staged and good is not ordered once more.
    bench.run(&["stage", "web"]).ends(0);
    bench.run(&["activate", "web"]).ends(0).says("activated www.example.org").says("P-384");
    assert_eq!(fs::read_dir(bench.path("ca")).unwrap().count(), made);
}

/// Two timers at one moment: one does it, the other finds it done.
#[test]
fn two_runs_at_once_put_it_in_place_once() {
    let bench = Bench::new();
    bench.installed("good");
    let (certificate, key) = bench.bring("next", &Leaf { common_name: "next", ..Leaf::default() });
    bench.configure("check = [\"/bin/sleep\", \"0.3\"]\n[target.policy]\nwindow = \"daily 00:00-24:00 UTC\"\n");
    bench.run(&["stage", "web", "--cert", &certificate, "--key", &key]).ends(0);
    let before = receipts(&bench);
    let told = twice(|| bench.command(&["--non-interactive", "--wait", "20", "maintain"]));
    assert_eq!(told.iter().filter(|out| out.contains("activate generation")).count(), 1);
    assert_eq!(bench.served(), fs::read_to_string(certificate).unwrap());
    assert_eq!(receipts(&bench), before + 1);
}

#[test]
fn two_runs_at_once_make_it_ready_once() {
    if !has_faketime() {
        return;
    }
    let bench = Bench::new();
    office(&bench, "[target.policy]\nprepare_before = 40\n");
    bench.run(&["renew"]).ends(0);
    let issued = || fs::read_to_string(bench.path("state/ca/office/issued")).unwrap().lines().count();
    let before = issued();
    let told = twice(|| at(&bench, "+52d", &["maintain"]));
    assert_eq!(issued(), before + 1, "{} {}", told[0], told[1]);
}
