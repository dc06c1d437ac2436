//! What is written where.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use reseal::outcome::Exit;

use crate::bench::{Bench, Leaf, Ran};

#[test]
fn help_tells_the_exit_codes() {
    let bench = Bench::new();
    let help = bench.run(&["--help"]).ends(0);
    for (exit, meaning) in Exit::TABLE {
        assert!(help.out.contains(&format!("{:>2}  {meaning}", exit.code())), "{meaning}");
    }
    bench.run(&["help"]).ends(0).says("Exit codes");
    bench.run(&["--version"]).ends(0).says("reseal ");
    bench.run(&["install", "--help"]).ends(0).says("Examples:");
    let without = bench.run(&[]).ends(2).warns("[subcommands: check, ").warns(", notify, demo, help]");
    assert!(!without.err.contains("demo-server"), "{}", without.err);
    let upgrade = bench.run(&["post-upgrade", "--help"]).ends(0).says("reseal post-upgrade web --strict");
    assert!(!upgrade.out.contains("below"), "there is no table: {}", upgrade.out);
}

/// What every verb takes fills a screen: nobody reads on below it.
#[test]
fn examples_stand_above_the_options_of_every_verb() {
    fn look(verb: &clap::Command, seen: &mut usize) {
        let help = verb.clone().render_long_help().to_string();
        if let Some(examples) = help.find("\nExamples:\n") {
            assert!(examples < help.find("\nEverywhere:\n").unwrap() && !help.contains("\n\n\n"), "{help}");
            *seen += 1;
        }
        verb.get_subcommands().for_each(|below| look(below, seen));
    }
    let mut command = reseal::cli::command();
    command.build();
    let mut seen = 0;
    look(&command, &mut seen);
    assert!(seen > 30, "{seen}");
    let bench = Bench::new();
    let help = bench.run(&["hook", "install", "-h"]).ends(0).out;
    assert!(help.find("Examples:") < help.find("Everywhere:"), "{help}");
}

#[test]
fn without_a_target_it_is_told_where_one_is_added() {
    let bench = Bench::new();
    let defaults = format!("[defaults]\nstate_dir = {:?}\n", bench.path("state"));
    bench.write("reseal.toml", &defaults, 0o644);
    let hint = format!("hint: add a `[[target]]` to {} (docs/configuration.md)", bench.path("reseal.toml").display());
    for verb in ["check", "status", "renew"] {
        let told = bench.run(&[verb]).ends(0).says("no target is configured\n");
        assert!(told.out.contains(&hint), "{}", told.out);
    }
}

#[test]
fn what_is_no_finding_is_not_told_as_one() {
    let bench = Bench::new();
    let told = bench.run(&["check"]).ends(3);
    let notes = told.out.lines().filter(|line| line.starts_with("  note ")).count();
    assert!(told.out.contains(&format!(", {notes} note")), "{}", told.out);
    assert!(told.out.contains("  remark "), "{}", told.out);
    fs::create_dir_all(bench.path("state")).unwrap();
    fs::set_permissions(bench.path("state"), fs::Permissions::from_mode(0o755)).unwrap();
    bench.run(&["check"]).ends(3).says("it is open to others").says("`chmod 0700 ");
}

#[test]
fn the_pages_list_what_there_is() {
    let codes = include_str!("../../docs/exit-codes.md");
    for (exit, _) in Exit::TABLE {
        assert!(codes.contains(&format!("\n| {} | ", exit.code())), "{exit:?} is missing in docs/exit-codes.md");
    }
    let shapes = include_str!("../../docs/json.md");
    let outcomes = include_str!("../../src/outcome.rs").split("pub enum Outcome {").nth(1).unwrap();
    let outcomes = outcomes.split("\n}\n").next().unwrap().lines().filter_map(|line| line.strip_prefix("    "));
    let mut count = 0;
    for name in outcomes.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase())) {
        let name = name.trim_end_matches([' ', '{', ',']);
        let word: String = name
            .chars()
            .map(|c| if c.is_uppercase() { format!("-{}", c.to_lowercase()) } else { c.to_string() })
            .collect();
        assert!(shapes.contains(&format!("\n| `{}` | ", &word[1..])), "{name} is missing in docs/json.md");
        count += 1;
    }
    assert!(count > 12, "{count}");
    for verb in [
        "check",
        "report",
        "scan",
        "renew",
        "install",
        "restore",
        "recover",
        "backups",
        "backups verify",
        "backups pin",
        "prune",
        "history",
        "status",
        "init",
        "stage",
        "activate",
        "maintain",
        "post-upgrade",
        "adopt",
        "ca init",
        "ca show",
        "ca issue",
        "ca import",
        "ca sign",
        "ca revoke",
        "ca crl",
        "ca rekey",
        "ca export",
        "trust install",
        "trust list",
        "trust remove",
        "retire",
        "schedule install",
        "hook status",
        "acme account create",
        "acme account show",
        "acme account roll-key",
        "acme account deactivate",
        "notify test",
        "notify status",
        "demo",
    ] {
        assert!(shapes.contains(&format!("\"command\": \"{verb}\"")), "{verb} has no example in docs/json.md");
    }
}

#[test]
fn the_examples_of_json_are_json() {
    let page = include_str!("../../docs/json.md");
    let examples: Vec<&str> =
        page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(examples.len() > 10);
    for example in examples {
        let value: serde_json::Value =
            serde_json::from_str(example).unwrap_or_else(|error| panic!("{error}: {example}"));
        assert_eq!(value["version"], 1, "{example}");
    }
}

#[test]
fn a_line_that_means_nothing_is_told_to_programs_in_full() {
    let bench = Bench::new();
    let told = bench.json(&["install", "web"]);
    assert_eq!((told["exit"].as_i64(), told["command"].as_str()), (Some(2), Some("install")), "{told}");
    assert!(told["error"]["message"].as_str().unwrap().contains("--cert <FILE>"), "{told}");
    assert_eq!(bench.json(&["ca", "issue", "office"])["command"], "ca issue");
    assert_eq!(bench.json(&["instal", "web"])["command"], serde_json::Value::Null);
    let told = bench.json(&["export", "web", "abc", "--form", "der", "--out", "x"]);
    assert!(told["error"]["message"].as_str().unwrap().contains("a generation has a number"), "{told}");
}

#[test]
fn what_is_not_there_is_told_as_what_it_may_have_been() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("folder")).unwrap();
    bench.run(&["check", "folder"]).ends(4).says("folder is a folder: `reseal scan folder`");
    bench.run(&["check", "nofile.pem"]).ends(2).warns("there is no file nofile.pem here, and there is no target");
    bench.run(&["scan", "127.0.0.1"]).ends(4).says("a server is HOST:PORT");
    bench.run(&["scan", "folder"]).ends(0).says("0 certificates in 0 files").says("in 1 folder,");
    bench.run(&["history", "nix"]).ends(2).warns("there is no target `nix`");
    bench.run(&["history", "web"]).ends(0).says("no receipts");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = bench.run(&["check", &port.to_string()]).ends(3);
    assert!(
        !ran.out.contains(&format!("{port}: {port}")) && !ran.out.contains(&format!("to {port}: {port}")),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(&format!("refused: {port}")) || ran.out.contains(&port.to_string()), "{}", ran.out);
    let scanned = bench.run(&["scan", &port.to_string()]).ends(3);
    assert!(!scanned.out.contains("files"), "{}", scanned.out);
}

#[test]
fn what_a_certificate_lacks_is_told_as_it_is() {
    let bench = Bench::new();
    bench.run(&["check", "web"]).says("the private key matches");
    let (_, key) = Leaf::default().make();
    bench.write("web.key", &key, 0o600);
    bench.run(&["check", "web"]).says("the private key does NOT match\n");
    std::fs::remove_file(bench.path("web.key")).unwrap();
    bench.run(&["check", "web"]).says("there is NO private key\n");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "appliance");
    bench.write("web.pem", &params.self_signed(&key).unwrap().pem(), 0o644);
    bench.run(&["check", "web"]).says("names      none\n");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let bench = Bench::new();
    let escape = |ran: &Ran| ran.out.contains('\u{1b}');
    assert!(!escape(&bench.run(&["check"])), "it is a pipe");
    assert!(escape(&bench.run(&["check", "--color", "always"])));
    let mut command = bench.command(&["check", "--color", "auto"]);
    assert!(!escape(&Ran::of(&command.env("NO_COLOR", "1").output().unwrap())));
    assert!(!escape(&bench.run(&["--format", "json", "--color", "always", "check"])));
}

#[test]
fn hostile_names_do_nothing_to_the_terminal() {
    let bench = Bench::new();
    let evil = "x\u{1b}]52;c;Y3VybA==\u{7}\u{1b}[2J\u{202e}gro\u{200b}\u{9b}2J\nweb: installed";
    let (certificate, key) = bench.bring("evil", &Leaf { common_name: evil, self_signed: true, ..Leaf::default() });
    for line in [
        &["check", &certificate][..],
        &["install", "web", "--cert", &certificate, "--key", &key],
        &["install", "web", "--cert", &certificate, "--key", &key, "--force"],
        &["status"],
        &["backups"],
        &["history"],
        &["check"],
        &["--format", "json", "check"],
    ] {
        let ran = bench.run(line);
        let acts = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{200b}".contains(c));
        assert!(!ran.out.chars().chain(ran.err.chars()).any(acts), "{line:?}: {}", ran.out);
        assert!(!ran.out.lines().any(|text| text.starts_with("web: installed x") && line[0] == "check"));
    }
    bench.run(&["check"]).says("\\u{1b}]52").says("\\u{202e}").says("\\u{a}web: installed");
}

#[test]
fn a_reader_who_goes_is_no_failure() {
    let bench = Bench::new();
    bench.installed("good");
    for line in [&["backups"][..], &["--help"], &["--format", "json", "status"]] {
        let mut child = bench.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{told}");
        assert_eq!(told, "", "{line:?}");
    }
}

#[test]
fn a_full_disk_under_the_output_does_not_change_what_was_done() {
    let bench = Bench::new();
    let (certificate, key) = bench.bring("new", &Leaf::default());
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let run = |line: &[&str]| Ran::of(&bench.command(line).stdout(full()).output().unwrap());
    run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(0).warns("cannot write the result");
    run(&["backups"]).ends(4).warns("cannot write the result");
    bench.run(&["status"]).ends(0);
}

#[test]
fn quiet_is_quiet_until_something_is_wrong() {
    let bench = Bench::new();
    let ran = bench.run(&["-q", "check"]).ends(3).says("self-signed");
    assert!(ran.err.is_empty());
    let (certificate, key) = bench.bring("new", &Leaf::default());
    let ran = bench.run(&["-q", "install", "web", "--cert", &certificate, "--key", &key]).ends(0);
    assert!(ran.out.is_empty() && ran.err.is_empty(), "{}{}", ran.out, ran.err);
    assert!(bench.run(&["-q", "check"]).ends(0).out.is_empty());
    let ran = bench.run(&["-q", "restore", "web", "99"]).ends(4);
    assert!(ran.out.is_empty() && !ran.err.is_empty());
    assert!(!bench.run(&["-v", "restore", "web", "1"]).ends(0).err.is_empty());
}

#[test]
fn json_is_alone_on_standard_output_and_knows_every_end() {
    let bench = Bench::new();
    for line in [&["check"][..], &["backups"], &["history"], &["status"], &["recover"], &["renew"], &["prune"]] {
        bench.json(line);
    }
    let lost = bench.json(&["renew", "wbe"]);
    assert!(lost["error"]["message"].as_str().unwrap().contains("wbe") && lost["error"]["hint"].is_string());
    let usage = bench.json(&["restore"]);
    assert_eq!((usage["command"].as_str(), usage["exit"].as_i64()), (Some("restore"), Some(2)));
}

/// Its target is in no configuration: a command with that of this machine would be about something else.
#[test]
fn the_demo_names_no_configuration_of_the_machine() {
    let bench = Bench::new();
    let ran = bench.run(&["demo"]).ends(0).says("restore web ");
    assert!(!ran.out.contains("--config"), "{}", ran.out);
}
