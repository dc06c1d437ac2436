//! What can be wrong with what is brought, with the places, with the room, with the clock, with reseal's own records: told before
//! anything is touched, or borne.

#[path = "../support/mod.rs"]
mod support;

mod attributes;
mod input;
mod places;
mod records;
mod room;
mod service;
mod time;

use reseal::flow::Report;
use reseal::host::Host;
use reseal::outcome::{Exit, Outcome};
use support::{World, pair};

/// Installs a good pair, which must be refused for a reason with these words, with a hint, and with nothing touched.
fn refused(world: &World, host: &Host, words: &[&str]) {
    let inputs = world.bring(&pair(90));
    let before = world.tree();
    let report = world.install(host, &inputs);
    refused_with(&report, words);
    assert_eq!(world.tree(), before, "something was touched");
}

fn refused_with(report: &Report, words: &[&str]) {
    let Outcome::Refused { why, hint } = &report.outcome else { panic!("{words:?}: {report:?}") };
    assert!(hint.is_some(), "no hint: {why}");
    for word in words {
        assert!(why.contains(word), "{word:?} is not in: {why}");
    }
}

/// Installs a fresh pair, which must work.
fn installed(world: &World) -> support::Pair {
    let new = pair(90);
    good(&world.install(&world.host(), &world.bring(&new)));
    assert_eq!(world.served().unwrap().0, new.certificate);
    new
}

fn good(report: &Report) {
    assert_eq!(report.outcome.exit(), Exit::Good, "{report:?}");
}

/// Runs a program of the system; false, said on standard output, where it is missing or fails.
fn system(program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> bool {
    let mut command = std::process::Command::new(program);
    command.args(arguments.iter().map(|argument| argument.as_ref()));
    match command.output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!("skipped: {command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
            false
        }
        Err(error) => {
            println!("skipped: {command:?}: {error}");
            false
        }
    }
}
