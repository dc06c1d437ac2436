//! Orders, each validated for real.

use std::fs;

use crate::bench::Bench;
use crate::pebble::{Wish, start};

#[test]
fn http_by_our_own_listener() {
    let Some(pebble) = start(Wish::default()) else { return };
    let listen = format!("listen = \"127.0.0.1:{}\"", pebble.http);
    let bench = Bench::new(&["www.example.org", "example.org"], &listen);
    let early = bench.run(&["renew"]);
    assert_eq!(early.code, 4);
    early.says(&["there is no ACME account \"default\"", "acme account create default"]);
    bench.register(&pebble).good();
    let planned = bench.run(&["--dry-run", "renew"]).good();
    planned.says(&["www.example.org, example.org", "by the ACME account default"]);
    assert_eq!(pebble.orders(), 0, "{}", pebble.log());

    let began = std::time::Instant::now();
    bench.run(&["renew"]).good().says(&["renewed www.example.org", "Pebble Intermediate CA"]);
    println!("an order of two names: {} ms", began.elapsed().as_millis());
    let mut names = bench.names();
    names.sort();
    assert_eq!(names, ["example.org", "www.example.org"]);
    assert_eq!(bench.chain().len(), 2, "leaf and intermediate, without the root");
    assert_eq!(fs::read_dir(bench.path("state/acme/order")).unwrap().count(), 0, "nothing waits any more");
    assert_eq!(pebble.orders(), 1, "{}", pebble.log());

    let first = bench.leaf();
    let looked = pebble.log().len();
    bench.run(&["renew"]).good().says(&["good"]);
    let asked = pebble.log().len();
    bench.run(&["renew"]).good();
    assert!(asked > looked && pebble.log().len() == asked, "the second run with nothing to do asks nobody");
    assert_eq!(bench.leaf(), first);
}

#[test]
fn http_by_the_folder_of_a_web_server() {
    let Some(pebble) = start(Wish::default()) else { return };
    let bench = Bench::new(&["www.example.org"], "");
    fs::create_dir(bench.path("html")).unwrap();
    bench.configure(&["www.example.org"], &format!("webroot = {:?}", bench.path("html")), "");
    let _server = Folder::serve(pebble.http, bench.path("html"));
    bench.register(&pebble).good();
    bench.run(&["renew"]).good();
    assert_eq!(bench.names(), ["www.example.org"]);
    assert_eq!(fs::read_dir(bench.path("html")).unwrap().count(), 0, "what was put there is gone");

    // Somebody put a link where the folder would be.
    std::os::unix::fs::symlink("/tmp", bench.path("html/.well-known")).unwrap();
    bench.configure(&["other.example.org"], &format!("webroot = {:?}", bench.path("html")), "");
    let refused = bench.run(&["renew"]);
    assert_eq!(refused.code, 4);
    assert_eq!(bench.names(), ["www.example.org"]);
}

#[test]
fn tls_alpn_by_our_own_listener_for_a_name_and_an_address() {
    let Some(pebble) = start(Wish::default()) else { return };
    let source = format!("challenge = \"tls-alpn-01\"\nlisten = \"127.0.0.1:{}\"\nkey_type = \"p384\"", pebble.tls);
    let bench = Bench::new(&["www.example.org", "127.0.0.1"], &source);
    bench.register(&pebble).good();
    bench.run(&["renew"]).good().says(&["P-384"]);
    let mut names = bench.names();
    names.sort();
    assert_eq!(names, ["127.0.0.1", "www.example.org"]);
}

#[test]
fn an_address_by_http_and_an_rsa_key() {
    let Some(pebble) = start(Wish::default()) else { return };
    let source = format!("listen = \"127.0.0.1:{}\"\nkey_type = \"rsa2048\"", pebble.http);
    let bench = Bench::new(&["127.0.0.1"], &source);
    bench.register(&pebble).good();
    bench.run(&["renew"]).good().says(&["RSA 2048"]);
    assert_eq!(bench.names(), ["127.0.0.1"]);
}

#[test]
fn a_wildcard_by_a_hook() {
    let Some(pebble) = start(Wish::default()) else { return };
    let names = ["*.example.org", "example.org"];
    let bench = Bench::new(&names, "challenge = \"http-01\"");
    bench.run(&["renew"]).says(&["*.example.org is a wildcard, which is validated by dns-01 alone", "reseal.toml:"]);
    let hook = hook(&bench, &pebble, "");
    bench.configure(&names, &format!("challenge = \"dns-01\"\nhook = [{hook:?}, \"word\"]"), "");
    bench.register(&pebble).good();
    bench.run(&["renew"]).good();
    let mut found = bench.names();
    found.sort();
    assert_eq!(found, names);
    let told = fs::read_to_string(bench.path("told")).unwrap();
    let acts: Vec<&str> = told.lines().filter(|line| line.starts_with("word ")).collect();
    assert_eq!(acts, ["word present", "word present", "word cleanup", "word cleanup"]);
    let first = told.lines().find(|line| line.starts_with('{')).unwrap();
    let input: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!((&input["version"], &input["record"]), (&1.into(), &"_acme-challenge.example.org".into()));
    assert_eq!((&input["action"], &input["type"], &input["ttl"]), (&"present".into(), &"dns-01".into(), &60.into()));
    assert!(told.contains("PATH=") && !told.contains("SECRET"), "a clean environment");
}

/// A hook that hangs and forks is killed with all it started, one that fails is told with its last words, escaped and cut, and what was
/// put there is taken back.
#[test]
fn a_hook_that_hangs_or_fails() {
    let Some(pebble) = start(Wish::default()) else { return };
    let bench = Bench::new(&["www.example.org"], "");
    bench.register(&pebble).good();
    let slow = hook(&bench, &pebble, "sleep 600 & echo $! >>\"$0.pid\"; sleep 600");
    let source = format!("challenge = \"dns-01\"\nhook = {{ argv = [{slow:?}], timeout = 1 }}");
    bench.configure(&["www.example.org"], &source, "");
    let began = std::time::Instant::now();
    let ended = bench.run(&["renew"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    ended.says(&["for _acme-challenge.www.example.org failed: it killed after 1"]);
    assert!(began.elapsed().as_secs() < 20);
    for pid in fs::read_to_string(bench.path("hook.pid")).unwrap().lines() {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
    let noisy =
        hook(&bench, &pebble, "printf 'last \\033[31mwords %s\\n' \"$(head -c 3000 /dev/zero | tr '\\0' x)\"; exit 3");
    bench.configure(&["www.example.org"], &format!("challenge = \"dns-01\"\nhook = [{noisy:?}]"), "");
    let ended = bench.run(&["renew"]);
    assert_eq!(ended.code, 4);
    ended.says(&["exited with 3: last "]);
    assert!(!ended.err.contains('\u{1b}') && !ended.out.contains('\u{1b}'), "{ended:?}");
    assert!(ended.out.len() + ended.err.len() < 2500, "cut: {ended:?}");
    assert!(fs::read_to_string(bench.path("told")).unwrap().contains("cleanup"));
    assert_eq!(bench.leaf().title(), "rcgen self signed cert", "nothing was replaced");
}

#[test]
fn a_port_that_is_taken_and_a_challenge_that_is_refused() {
    let Some(pebble) = start(Wish::default()) else { return };
    let bench = Bench::new(&["www.example.org"], &format!("listen = \"127.0.0.1:{}\"", pebble.http));
    bench.register(&pebble).good();
    let held = std::net::TcpListener::bind(("127.0.0.1", pebble.http)).unwrap();
    let taken = bench.run(&["renew"]);
    assert_eq!(taken.code, 4);
    taken.says(&[&format!("cannot listen on 127.0.0.1:{}", pebble.http), "another program has the port"]);
    drop(held);

    bench.configure(&["www.example.org"], "listen = \"127.0.0.1:0\"", "");
    let refused = bench.run(&["renew"]);
    assert_eq!(refused.code, 4);
    refused.says(&["www.example.org was not validated by http-01: ", "(connection)", "firewall"]);
    assert_eq!(bench.leaf().title(), "rcgen self signed cert");
    assert_eq!(pebble.orders(), 1, "the second run went on with the order of the first");

    bench.configure(&["www.example.org"], &format!("listen = \"127.0.0.1:{}\"", pebble.http), "");
    bench.run(&["renew"]).good();
    assert_eq!(pebble.orders(), 2, "one that ended is not gone on with");
}

/// What was obtained and could not be installed is installed by the next run, without another order.
#[test]
fn a_failed_installation_costs_no_second_order() {
    let Some(pebble) = start(Wish::default()) else { return };
    let source = format!("listen = \"127.0.0.1:{}\"", pebble.http);
    let bench = Bench::new(&["www.example.org"], &source);
    bench.register(&pebble).good();
    bench.configure(&["www.example.org"], &source, "check = [\"/bin/false\"]");
    let failed = bench.run(&["renew"]);
    assert_ne!(failed.code, 0, "{failed:?}");
    assert_eq!(bench.leaf().title(), "rcgen self signed cert");
    assert_eq!(pebble.orders(), 1);
    // After the installing, in the proof: rolled back, and nobody asked.
    let vendor = fs::read_to_string(bench.path("web.pem")).unwrap().lines().nth(2).unwrap().to_owned();
    let probe = format!("probe = [\"/bin/grep\", \"-qF\", {vendor:?}, {:?}]", bench.path("web.pem"));
    bench.configure(&["www.example.org"], &source, &format!("{probe}\n[target.policy]\nverify_timeout = 1"));
    let quiet = pebble.log().len();
    let failed = bench.run(&["renew"]);
    assert_eq!(failed.code, 5, "{failed:?}");
    assert_eq!(pebble.log().len(), quiet);
    assert_eq!(bench.leaf().title(), "rcgen self signed cert");
    let order = fs::read_dir(bench.path("state/acme/order")).unwrap().next().unwrap().unwrap().path();
    let shelf = fs::read_to_string(&order).unwrap();
    bench.configure(&["www.example.org"], &source, "");
    bench.run(&["-v", "renew"]).good().says(&["taken from the shelf"]);
    assert_eq!(pebble.log().len(), quiet, "nobody was asked");
    assert_eq!((bench.names(), pebble.orders()), (vec!["www.example.org".to_owned()], 1));
    assert!(!order.exists());

    // Killed after the order was finished, and before its certificate was fetched.
    let mut record: serde_json::Value = serde_json::from_str(&shelf).unwrap();
    record.as_object_mut().unwrap().remove("chain");
    fs::write(&order, record.to_string()).unwrap();
    let first = bench.leaf();
    let vendor = rcgen::generate_simple_self_signed(vec!["appliance".to_owned()]).unwrap();
    fs::write(bench.path("web.pem"), vendor.cert.pem()).unwrap();
    fs::write(bench.path("web.key"), vendor.signing_key.serialize_pem()).unwrap();
    fs::remove_dir_all(bench.path("state/vault")).unwrap();
    bench.run(&["-v", "renew"]).good().says(&["an earlier run's order is gone on with"]);
    assert_eq!((bench.leaf(), pebble.orders()), (first, 1));
}

/// Made ready by one order, and put in place by none.
#[test]
fn what_is_staged_is_ordered_once() {
    let Some(pebble) = start(Wish::default()) else { return };
    let source = format!("listen = \"127.0.0.1:{}\"", pebble.http);
    let bench = Bench::new(&["www.example.org"], &source);
    bench.register(&pebble).good();
    let vendor = bench.leaf();
    bench.run(&["stage", "web"]).good().says(&["staged www.example.org"]);
    assert_eq!((bench.leaf(), pebble.orders()), (vendor.clone(), 1));
    bench.run(&["stage", "web"]).good();
    let quiet = pebble.log().len();
    // A service that cannot take it up costs no other order.
    bench.configure(&["www.example.org"], &source, "reload = [\"/bin/false\"]");
    assert_eq!(bench.run(&["activate", "web"]).code, 5);
    assert_eq!(bench.leaf(), vendor);
    bench.configure(&["www.example.org"], &source, "");
    bench.run(&["activate", "web"]).good().says(&["activated www.example.org"]);
    assert_eq!(bench.names(), ["www.example.org"]);
    assert_eq!((pebble.orders(), pebble.log().len()), (1, quiet), "nobody was asked");
}

/// Killed in the middle of an order: the next run goes on with it.
#[test]
fn a_run_that_is_killed_leaves_an_order_to_go_on_with() {
    let Some(pebble) = start(Wish::default()) else { return };
    let bench = Bench::new(&["www.example.org"], "");
    bench.register(&pebble).good();
    let slow = hook(&bench, &pebble, "touch \"$0.there\"; sleep 600");
    bench.configure(&["www.example.org"], &format!("challenge = \"dns-01\"\nhook = [{slow:?}]"), "");
    let mut run = bench.command(&["renew"]).spawn().unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !bench.path("hook.there").exists() {
        assert!(std::time::Instant::now() < end);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let busy = bench.run(&["renew"]);
    assert_eq!(busy.code, 75, "two runs at once place one order: {busy:?}");
    run.kill().unwrap();
    run.wait().unwrap();
    for (path, mode, _) in bench.state() {
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    let quick = hook(&bench, &pebble, "");
    bench.configure(&["www.example.org"], &format!("challenge = \"dns-01\"\nhook = [{quick:?}]"), "");
    bench.run(&["-v", "renew"]).good().says(&["an earlier run's order is gone on with"]);
    assert_eq!((bench.names(), pebble.orders()), (vec!["www.example.org".to_owned()], 1));
}

/// Asked to stop while it waits for the names' servers: the record is taken back, and the next run goes on with the order.
#[test]
fn a_run_that_is_asked_to_stop_takes_back_what_it_put() {
    use std::os::unix::process::ExitStatusExt;
    let Some(pebble) = start(Wish::default()) else { return };
    let bench = Bench::new(&["www.example.org"], "");
    bench.register(&pebble).good();
    let hook = hook(&bench, &pebble, "");
    let source = |wait| format!("challenge = \"dns-01\"\nhook = [{hook:?}]\npropagation = {wait}");
    bench.configure(&["www.example.org"], &source(250), "");
    let mut run = bench.command(&["renew"]).spawn().unwrap();
    let told = || fs::read_to_string(bench.path("told")).unwrap_or_default();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !told().contains("PATH=") {
        assert!(std::time::Instant::now() < end);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&run), rustix::process::Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().signal(), Some(15));
    assert!(told().contains("\"action\":\"cleanup\""), "{}", told());
    bench.configure(&["www.example.org"], &source(0), "");
    bench.run(&["-v", "renew"]).good().says(&["an earlier run's order is gone on with"]);
    assert_eq!((bench.names(), pebble.orders()), (vec!["www.example.org".to_owned()], 1));
}

#[test]
fn two_runs_at_once_place_one_order() {
    let Some(pebble) = start(Wish::default()) else { return };
    let bench = Bench::new(&["www.example.org"], &format!("listen = \"127.0.0.1:{}\"", pebble.http));
    bench.register(&pebble).good();
    let runs: Vec<_> = (0..2).map(|_| bench.command(&["--wait", "60", "renew"]).spawn().unwrap()).collect();
    for run in runs {
        crate::bench::Ended::of(run.wait_with_output().unwrap()).good();
    }
    assert_eq!((bench.names(), pebble.orders()), (vec!["www.example.org".to_owned()], 1));
}

#[test]
fn a_wrong_account_and_a_server_that_forgot_it() {
    let Some(pebble) = start(Wish::default()) else { return };
    let listen = format!("listen = \"127.0.0.1:{}\"", pebble.http);
    let bench = Bench::new(&["www.example.org"], &format!("{listen}\ndirectory = \"https://other.example/dir\""));
    bench.register(&pebble).good();
    let other = bench.run(&["renew"]);
    assert_eq!(other.code, 4);
    other.says(&["the ACME account \"default\" is at https://127.0.0.1:", "and not at https://other.example/dir"]);
    let (port, gone) = (pebble.port, pebble.root());
    drop(pebble);
    let Some(again) = start(Wish { port: Some(port), ..Wish::default() }) else { return };
    bench.configure(&["www.example.org"], &format!("{listen}\nroot = {:?}", again.root()), "");
    let forgotten = bench.run(&["renew"]);
    assert_eq!(forgotten.code, 4);
    forgotten.says(&["the ACME account \"default\" is of no use: ", "knows it no more", "account deactivate default"]);
    // What the hint says works when typed, also where the words that made the account were others.
    fs::create_dir_all(gone.parent().unwrap()).unwrap();
    fs::copy(again.root(), &gone).unwrap();
    bench.run(&["acme", "account", "deactivate", "default"]).good();
    bench.register(&again).good();
    let listen = format!("listen = \"127.0.0.1:{}\"", again.http);
    bench.configure(&["www.example.org"], &listen, "");
    bench.run(&["renew"]).good();
    fs::remove_dir_all(gone.parent().unwrap()).unwrap();
}

#[test]
fn a_preferred_chain_and_a_profile_that_is_not_there() {
    let Some(pebble) = start(Wish { alternates: 2, ..Wish::default() }) else { return };
    if crate::pebble::find("curl").is_none() {
        println!("skipped: curl is not installed, which asks for the other roots");
        return;
    }
    let listen = format!("listen = \"127.0.0.1:{}\"", pebble.http);
    let bench = Bench::new(&["www.example.org"], &listen);
    bench.register(&pebble).good();
    bench.configure(&["www.example.org"], &format!("{listen}\nprofile = \"shortlived\""), "");
    let none = bench.run(&["renew"]);
    assert_eq!((none.code, pebble.orders()), (4, 0));
    none.says(&["the ACME server has no profile \"shortlived\""]);
    bench.configure(&["www.example.org"], &format!("{listen}\npreferred_chain = \"No Such Root\""), "");
    bench.run(&["-v", "renew"]).good().says(&["no chain that leads to \"No Such Root\""]);
    let usual = bench.chain().pop().unwrap();

    let root = alternate_root(&pebble, &usual.issuer_common_name().unwrap());
    bench.configure(&["web.example.org"], &format!("{listen}\npreferred_chain = {root:?}"), "");
    bench.run(&["renew"]).good();
    let chosen = bench.chain().pop().unwrap();
    assert_eq!(chosen.issuer_common_name(), Some(root));
    assert_ne!(chosen.issuer(), usual.issuer());
}

/// The common name of a root that the usual chain does not lead to.
fn alternate_root(pebble: &crate::pebble::Pebble, usual: &str) -> String {
    for number in 0..3 {
        let curl = std::process::Command::new("curl")
            .args(["-s", "--cacert"])
            .arg(pebble.root())
            .arg(format!("https://127.0.0.1:{}/roots/{number}", pebble.management))
            .output()
            .unwrap();
        let read = reseal::cert::codec::read(&curl.stdout, None).unwrap();
        let name = read.certificates[0].common_name().unwrap().to_owned();
        if name != usual {
            return name;
        }
    }
    panic!("there is no other root");
}

/// A command that has the test's name server do what it is told, and writes down how it was called; `before` comes first.
fn hook(bench: &Bench, pebble: &crate::pebble::Pebble, before: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = bench.path("hook");
    let text = format!(
        "#!/bin/bash\ninput=$(cat)\nprintf '%s\\n%s\\n' \"$*\" \"$input\" >>{told}\nenv >>{told}\n{before}\n\
         record=$(sed 's/.*\"record\":\"\\([^\"]*\\)\".*/\\1/' <<<\"$input\")\n\
         value=$(sed 's/.*\"value\":\"\\([^\"]*\\)\".*/\\1/' <<<\"$input\")\n\
         case \"${{@: -1}}\" in present) act=set-txt;; cleanup) act=clear-txt;; *) exit 9;; esac\n\
         body=\"{{\\\"host\\\":\\\"$record.\\\",\\\"value\\\":\\\"$value\\\"}}\"\n\
         exec 3<>/dev/tcp/127.0.0.1/{port}\n\
         printf 'POST /%s HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %s\\r\\nConnection: close\\r\\n\\r\\n%s' $act ${{#body}} \"$body\" >&3\n\
         head -1 <&3 | grep -q ' 200 '\n",
        told = bench.path("told").display(),
        port = pebble.names,
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A web server for files, until it is dropped.
struct Folder(std::process::Child);

impl Folder {
    fn serve(port: u16, root: std::path::PathBuf) -> Self {
        let mut python = std::process::Command::new("python3");
        python.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string(), "--directory"]).arg(root);
        let child = python.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        crate::pebble::wait_for(port);
        Self(child)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
