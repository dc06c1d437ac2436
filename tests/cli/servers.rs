//! How the servers are asked that somebody names, and those of targets.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::{Bench, Leaf, Ran};
use crate::probes::{codes, tls};

/// Ports at which somebody listens and says nothing.
fn silent(count: usize) -> Vec<TcpListener> {
    (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect()
}

fn subjects(answer: &serde_json::Value) -> Vec<String> {
    answer["results"].as_array().unwrap().iter().map(|one| one["subject"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_silent_cost_one_limit_altogether() {
    let (bench, silent) = (Bench::new(), silent(16));
    let named: Vec<String> = silent.iter().map(|one| one.local_addr().unwrap().to_string()).collect();
    let words: Vec<&str> = ["check", "-t", "2", "web"].into_iter().chain(named.iter().map(String::as_str)).collect();
    let began = Instant::now();
    let answer = bench.json(&words);
    assert!(began.elapsed() < Duration::from_secs(16), "one after the other they take 32 seconds");
    let expected: Vec<String> = std::iter::once("web".to_owned()).chain(named.iter().cloned()).collect();
    assert_eq!(subjects(&answer), expected, "in the order in which they are named");
    assert!(answer["results"].as_array().unwrap()[1..].iter().all(|one| one["findings"][0]["code"] == "timeout"));

    // The listeners of targets no less.
    let root = bench.path("").display().to_string();
    let target = |(number, at): (usize, &String)| {
        format!(
            "[[target]]\nname = \"t{number:02}\"\nkind = \"files\"\nnames = [\"www.example.org\"]\nlisten = [\"{at}\"]\n\
             certificate = \"{root}/{number}.pem\"\nkey = \"{root}/{number}.key\"\n[target.policy]\nprobe_timeout = 2\n"
        )
    };
    bench.configure(&named.iter().enumerate().map(target).collect::<String>());
    let began = Instant::now();
    let answer = bench.json(&["check"]);
    assert!(began.elapsed() < Duration::from_secs(16), "one after the other they take 32 seconds");
    let expected: Vec<String> = (0..16).map(|number| format!("t{number:02}")).collect();
    assert_eq!(subjects(&answer)[1..], expected);
    let timed_out = |one: &serde_json::Value| one["findings"].to_string().contains("\"timeout\"");
    assert!(answer["results"].as_array().unwrap()[1..].iter().all(timed_out), "{answer}");
}

#[test]
fn the_limit_can_be_set() {
    let (bench, silent) = (Bench::new(), silent(1));
    let at = silent[0].local_addr().unwrap().to_string();
    let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    bench.write("reseal.toml", &text.replace("[defaults]\n", "[defaults]\nprobe_timeout = 20\n"), 0o644);
    let took = |words: &[&str]| {
        let began = Instant::now();
        bench.run(&[words, &[&at]].concat()).ends(3).says("timeout");
        began.elapsed()
    };
    // What is given on the line counts before what is configured.
    assert!(took(&["check", "--timeout", "1"]) < Duration::from_secs(15));
    bench.write("reseal.toml", &text.replace("[defaults]\n", "[defaults]\nprobe_timeout = 8\n"), 0o644);
    assert!(took(&["check"]) >= Duration::from_secs(8), "by itself it is 5");
    bench.run(&["check", "--timeout", "0", &at]).ends(2);
}

#[test]
fn a_server_is_asked_for_a_name() {
    let bench = Bench::new();
    let good = Leaf::default().make();
    let other = Leaf { name: "other.example", common_name: "other.example", ..Leaf::default() }.make();
    let at = tls(Some(&other), &good).to_string();
    let check = |words: &[&str]| bench.json(&[&["check", "--trust", "none"], words, &[&at]].concat());
    let plain = check(&[]);
    assert_eq!(plain["results"][0]["leaf"]["names"][0], "other.example");
    assert!(codes(&plain, "").contains("name-missing"), "{plain}");
    let named = check(&["-H", "www.example.org"]);
    assert_eq!(subjects(&named), [format!("{at} (www.example.org)")]);
    assert_eq!(named["results"][0]["leaf"]["names"][0], "www.example.org");
    assert!(!codes(&named, "").contains("name-missing"), "{named}");
    assert!(codes(&named, "").contains("other-by-default"), "whoever names nobody sees something else: {named}");
    // It is judged for that name, whatever is shown.
    let wrong = check(&["--name", "www.example.net"]);
    assert!(
        codes(&wrong, "").contains("alert") && wrong["exit"] == 3,
        "that server knows nobody of this name: {wrong}"
    );
    let nobody = check(&["--name", "-"]);
    assert_eq!(nobody["results"][0]["leaf"]["names"][0], "other.example");
    bench.run(&["check", "-H", "no name", &at]).ends(2).warns("is no name to ask a server for");
    bench.run(&["check", "-H", "*.example.org", &at]).ends(2).warns("is no name to ask a server for");
    bench.run(&["check", "-H", "www.example.org", "web"]).ends(2).warns("no HOST:PORT is named");
    bench.run(&["report", "--html", "x.html", "-H", "www.example.org", &at]).ends(0);
    assert!(fs::read_to_string(bench.path("x.html")).unwrap().contains("www.example.org"));
}

/// From cron, from a unit, from a monitor: nobody's home is known there.
#[test]
fn files_and_servers_need_no_home() {
    let bench = Bench::new();
    let (certificate, _) = bench.bring("good", &Leaf::default());
    fs::set_permissions(bench.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let program = bench.path("program");
    fs::copy(env!("CARGO_BIN_EXE_reseal"), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let closed = TcpListener::bind("127.0.0.93:0").unwrap().local_addr().unwrap().to_string();
    let run = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).current_dir(bench.path("")).env_clear().stdin(Stdio::null());
        if rustix::process::getuid().is_root() {
            // A user of whom the system knows no home.
            command.uid(64_123).gid(64_123);
        }
        Ran::of(&command.output().unwrap())
    };
    run(&["check", &certificate]).ends(0);
    run(&["check", "good.pem"]).ends(0);
    run(&["check", "--trust", &certificate, "./good.pem", &closed]).ends(3).says("refused");
    run(&["scan", "good.pem"]).ends(0);
    for words in
        [&["check"][..], &["check", "web"], &["check", "good.pem", "web"], &["check", "--trust", "mine", "good.pem"]]
    {
        run(words).ends(2).warns("HOME is not set");
    }
}
