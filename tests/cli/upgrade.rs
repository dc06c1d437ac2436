//! Before and after a vendor's upgrade: what is there is signed off, what the upgrade did is told, and the wanted certificate is put back.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::bench::{Bench, Leaf};

/// A trusted pair that an administrator has put there, and a snapshot of it.
fn signed_off() -> (Bench, String) {
    let bench = Bench::new();
    by_hand(&bench, &Leaf::default());
    let snapshot = bench.run(&["snapshot"]).ends(0);
    snapshot.says("web: snapshot 1: this is the wanted state");
    let good = bench.served();
    (bench, good)
}

/// As a package's script or an administrator writes them.
fn by_hand(bench: &Bench, leaf: &Leaf<'_>) {
    let (certificate, key) = leaf.make();
    bench.write("web.pem", &certificate, 0o644);
    bench.write("web.key", &key, 0o600);
}

fn vendor() -> Leaf<'static> {
    Leaf { self_signed: true, common_name: "appliance", ..Leaf::default() }
}

/// The words for what an upgrade did, as programs read them.
fn harms(bench: &Bench, more: &[&str]) -> (Vec<String>, Value) {
    let value = bench.json(&[&["post-upgrade", "--strict"], more].concat());
    let upgrade = value["results"][0]["upgrade"].as_array().cloned().unwrap_or_default();
    (upgrade.iter().map(|one| one["harm"].as_str().unwrap().to_owned()).collect(), value)
}

#[test]
fn what_reseal_never_installed_is_put_back_too() {
    let (bench, good) = signed_off();
    let before = bench.tree();
    bench.run(&["snapshot"]).ends(0).says("as in snapshot 1");
    assert!(bench.tree() == before, "nothing has changed, and nothing is written");
    bench.run(&["post-upgrade", "--strict"]).ends(0).says("good");
    assert!(bench.tree() == before, "nothing is written");

    by_hand(&bench, &vendor());
    let told = bench.run(&["post-upgrade"]).ends(0);
    told.says("the upgrade has changed it").says("overwritten: appliance (").says("repaired");
    assert_eq!(bench.served(), good);
    let (none, _) = harms(&bench, &[]);
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn each_way_of_an_upgrade_is_told_by_its_name() {
    let again = |bench: &Bench, good: &str| {
        assert_eq!(bench.served(), good, "put back");
        bench.run(&["post-upgrade", "--strict"]).ends(0);
    };
    let (bench, good) = signed_off();

    fs::remove_file(bench.path("web.pem")).unwrap();
    assert_eq!(harms(&bench, &[]).0, ["removed"]);
    again(&bench, &good);

    for spoilt in ["", "garbage\n"] {
        bench.write("web.pem", spoilt, 0o644);
        let (found, value) = harms(&bench, &[]);
        assert_eq!(found, ["overwritten"], "{spoilt:?}");
        let message = value["results"][0]["upgrade"][0]["message"].as_str().unwrap();
        assert!(message.ends_with("web.pem holds nothing that can be read"), "{value}");
        again(&bench, &good);
    }

    fs::set_permissions(bench.path("web.key"), Permissions::from_mode(0o644)).unwrap();
    let (found, value) = harms(&bench, &[]);
    assert_eq!(found, ["rights"]);
    assert!(value["results"][0]["upgrade"][0]["message"].as_str().unwrap().contains("mode 0600"), "{value}");
    fs::set_permissions(bench.path("web.key"), Permissions::from_mode(0o600)).unwrap();

    by_hand(&bench, &Leaf { days: -1, ..Leaf::default() });
    assert_eq!(harms(&bench, &[]).0, ["overwritten", "expired"]);
    again(&bench, &good);

    let der = pem::parse(&good).unwrap().into_contents();
    fs::write(bench.path("web.pem"), der).unwrap();
    assert_eq!(harms(&bench, &[]).0, ["format-changed"]);
    bench.run(&["restore", "web", "1"]).ends(0);

    // The default that was there before the first install.
    let bench = Bench::new();
    let default = (bench.served(), fs::read_to_string(bench.path("web.key")).unwrap());
    bench.installed("good");
    let good = bench.served();
    bench.write("web.pem", &default.0, 0o644);
    bench.write("web.key", &default.1, 0o600);
    assert_eq!(harms(&bench, &[]).0, ["reverted"]);
    assert_eq!(bench.served(), good);
}

/// A second run of an upgrade that was killed half-way takes a snapshot of the damage.
#[test]
fn damage_is_kept_and_never_signed_off() {
    let (bench, good) = signed_off();
    by_hand(&bench, &vendor());
    let damaged = bench.served();
    bench.run(&["snapshot"]).ends(3).says("web: snapshot 2: kept, and not signed off").says("signed itself");
    bench.run(&["post-upgrade", "--strict"]).ends(0).says("repaired");
    assert_eq!(bench.served(), good);
    bench.run(&["restore", "web", "2", "--force"]).ends(0);
    assert_eq!(bench.served(), damaged, "what was there can be had all the same");

    // Another good one is no damage: somebody put it there.
    let (bench, _) = signed_off();
    by_hand(&bench, &Leaf { common_name: "renewed by hand", ..Leaf::default() });
    let renewed = bench.served();
    bench.run(&["snapshot"]).ends(0).says("this is the wanted state");
    by_hand(&bench, &vendor());
    bench.run(&["post-upgrade", "--strict"]).ends(0);
    assert_eq!(bench.served(), renewed);
}

/// The same where the damage is a good certificate of somebody else's: what came since an upgrade began is that upgrade's doing until somebody
/// has looked.
#[test]
fn what_came_in_an_upgrade_that_nobody_has_looked_at_is_not_signed_off() {
    let (bench, _) = signed_off();
    bench.run(&["hook", "fire", "before"]).ends(0);
    let other = Leaf { common_name: "vendor", ..Leaf::default() };
    by_hand(&bench, &other);
    let fired = bench.run(&["hook", "fire", "before"]).ends(0);
    fired.says("snapshot 2: kept, and not signed off").says("that nobody has looked at yet: ");
    bench.run(&["snapshot"]).ends(3).says("not signed off");
    bench.run(&["hook", "fire", "after", "--begun"]).ends(0);
    bench.run(&["post-upgrade", "--strict"]).ends(3).says("overwritten: vendor");
    // Looked at, and left: from now on it is its owner's.
    bench.run(&["snapshot"]).ends(0).says("this is the wanted state");
}

/// Who is told of nothing but what went wrong is told that an upgrade has replaced the certificate, also where it is put back.
#[test]
fn a_quiet_run_tells_what_an_upgrade_did() {
    let (bench, good) = signed_off();
    assert_eq!(bench.run(&["post-upgrade", "--quiet"]).ends(0).out, "");
    by_hand(&bench, &vendor());
    bench.run(&["post-upgrade", "--quiet"]).ends(0).says("the upgrade has changed it").says("repaired");
    assert_eq!(bench.served(), good);
}

#[test]
fn the_owner_decides_what_is_done() {
    let (bench, good) = signed_off();
    bench.configure("[target.policy]\nafter_upgrade = \"report\"\n");
    by_hand(&bench, &vendor());
    let damaged = bench.served();
    let told = bench.run(&["post-upgrade", "--strict"]).ends(3);
    told.says("overwritten").says("restore web 1` puts the wanted certificate back");
    assert_eq!(bench.served(), damaged);

    let from = bench.bring("fresh", &Leaf { common_name: "fresh", ..Leaf::default() });
    bench.configure(&format!(
        "[target.source]\nkind = \"import\"\nfrom = [{:?}, {:?}]\n[target.policy]\nafter_upgrade = \"renew\"\n",
        from.0, from.1
    ));
    bench.run(&["post-upgrade", "--strict"]).ends(0).says("overwritten");
    assert_ne!(bench.served(), damaged);
    assert_ne!(bench.served(), good, "another one was taken");
}

/// Torn, edited, or written by a later reseal: it counts for nothing, and the backups stand.
#[test]
fn a_record_that_cannot_be_read_is_no_reference() {
    for spoil in [
        |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec(),
        |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec())
                .unwrap()
                .replace("\"signed_off\":true", "\"signed_off\":false")
                .into_bytes()
        },
        |_: &[u8]| b"\xff\0nonsense\n\n".to_vec(),
        |_: &[u8]| Vec::new(),
    ] {
        let (bench, good) = signed_off();
        let file = bench.path("state/snapshot/web");
        let whole = fs::read(&file).unwrap();
        fs::write(&file, spoil(&whole)).unwrap();
        by_hand(&bench, &vendor());
        bench.run(&["post-upgrade", "--strict"]).ends(0).says("repaired");
        assert_eq!(bench.served(), good);
        bench.run(&["snapshot"]).ends(0).says("this is the wanted state");
    }
}

#[test]
fn all_targets_together_have_one_limit() {
    let bench = Bench::new();
    by_hand(&bench, &Leaf::default());
    let root = bench.path(".").display().to_string();
    let second = format!(
        "listen = [\"127.0.0.1:1\"]\n[[target]]\nname = \"other\"\nkind = \"files\"\nnames = [\"www.example.org\"]\n\
         listen = [\"127.0.0.1:1\"]\ncertificate = \"{root}/other.pem\"\nkey = \"{root}/other.key\"\n"
    );
    bench.bring("other", &Leaf::default());
    let server = Server::start(&bench);
    bench.configure(&second.replace("127.0.0.1:1\"", &format!("127.0.0.1:{}\"", server.port)));
    bench.run(&["snapshot", "web"]).ends(0);
    drop(server);
    let began = Instant::now();
    let ran = bench.run(&["post-upgrade", "--strict", "--limit", "1", "--up", "60"]).ends(4);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    ran.says("listener-gone").warns("other was not looked at: the 1 s for all targets are over");
}

/// The limit cuts what the target under way waits for, and what is cut ends as it always ends.
#[test]
fn the_limit_bounds_the_target_under_way_too() {
    let slow = "/bin/sleep\", \"1000\"], timeout = 3600 }";
    // A server that never takes the files up again: the wait for its handshakes is cut, and the change undone.
    let bench = Bench::new();
    by_hand(&bench, &Leaf::default());
    let server = Server::start(&bench);
    let port = server.port;
    let serves = format!("listen = [\"127.0.0.1:{port}\"]\n[target.policy]\nverify_timeout = 600\n");
    bench.configure(&format!("reload = [\"/bin/true\"]\n{serves}"));
    bench.run(&["snapshot"]).ends(0);
    drop(server);
    by_hand(&bench, &vendor());
    let _server = Server::at(&bench, port);
    let upgraded = bench.served();
    let began = Instant::now();
    let ran = bench.run(&["post-upgrade", "--strict", "--limit", "4"]).ends(5);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(bench.served(), upgraded, "wholly as before");
    ran.warns("still shows the OLD").warns("the 4 s for all targets were over");
    bench.run(&["recover"]).ends(0).says("nothing was interrupted");

    // A test of the service that hangs: nothing was touched.
    bench.configure(&format!("check = {{ argv = [\"{slow}\n{serves}"));
    let began = Instant::now();
    let ran = bench.run(&["post-upgrade", "--strict", "--limit", "3"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(matches!(ran.code, Some(4 | 5)), "{}{}", ran.out, ran.err);
    assert_eq!(bench.served(), upgraded);

    // A source that hangs.
    let bench = Bench::new();
    let vendors = bench.served();
    bench.configure(&format!("[target.source]\nkind = \"command\"\ncommand = {{ argv = [\"{slow}\n"));
    let began = Instant::now();
    bench.run(&["post-upgrade", "--strict", "--limit", "3"]).ends(4).warns("the 3 s for all targets were over");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(bench.served(), vendors);
}

/// Restarted by the upgrade, it is not up yet: it has its time, and then it is judged.
#[test]
fn a_server_that_comes_up_late_is_waited_for() {
    let bench = Bench::new();
    by_hand(&bench, &Leaf::default());
    let server = Server::start(&bench);
    let port = server.port;
    bench.configure(&format!("listen = [\"127.0.0.1:{port}\"]\n"));
    bench.run(&["snapshot"]).ends(0);
    drop(server);
    let late = std::thread::scope(|scope| {
        let late = scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            Server::at(&bench, port)
        });
        let (found, value) = harms(&bench, &["--up", "30"]);
        assert!(found.is_empty(), "{value}");
        late.join().unwrap()
    });
    drop(late);
    let (found, _) = harms(&bench, &["--up", "0"]);
    assert_eq!(found, ["listener-gone"]);
}

/// Nothing that is put into the target's files reaches such a service: it is told, and nothing is tried and undone in each run.
#[test]
fn a_service_that_reads_other_files_is_told_and_left() {
    let bench = Bench::new();
    by_hand(&bench, &Leaf::default());
    let server = Server::start(&bench);
    let port = server.port;
    let reloaded = bench.path("reloaded");
    bench.configure(&format!(
        "listen = [\"127.0.0.1:{port}\"]\nreload = [\"/usr/bin/touch\", {reloaded:?}]\n[target.policy]\nverify_timeout = 2\n"
    ));
    bench.run(&["snapshot"]).ends(0);
    drop(server);
    bench.bring("other", &vendor());
    let moved = Server::of(&bench, port, "other");
    let (found, value) = harms(&bench, &[]);
    assert_eq!(found, ["path-moved"], "{value}");
    let told = bench.run(&["post-upgrade"]).ends(0).says("which files the service reads now").says("renew web --live");
    assert!(!told.out.contains("rolled back"), "{}", told.out);
    bench.run(&["post-upgrade", "--strict"]).ends(3);
    assert!(!reloaded.exists(), "it was told to take up what it does not read");
    drop(moved);
}

/// The pair is in the backups: the directory that the service reads it through is made again.
#[test]
fn a_lost_directory_of_an_adopted_pair_is_made_again() {
    for (lose, whole) in [("live/web", true), ("live", true), ("live/web/current", false), ("live/web/g3", true)] {
        for verb in ["restore", "post-upgrade", "maintain", "renew"] {
            let bench = Bench::new();
            bench.installed("good");
            bench.run(&["adopt", "web"]).ends(0);
            let served = bench.served();
            let key = fs::read(bench.path("web.key")).unwrap();
            let lost = bench.path(lose);
            if whole { fs::remove_dir_all(&lost) } else { fs::remove_file(&lost) }.unwrap();
            assert!(!bench.path("web.pem").exists());
            bench.run(&["status"]).says("one rename");
            bench.run(&[verb, "web", "--dry-run"]).ends(0);
            assert!(!bench.path("web.pem").exists());
            bench.run(&[verb, "web"]).ends(0);
            assert_eq!(
                (bench.served(), fs::read(bench.path("web.key")).unwrap()),
                (served.clone(), key),
                "{verb} {lose}"
            );
            assert!(bench.path("web.pem").is_symlink() && bench.path("live/web/current").is_symlink());
            let mode = |name: &str| fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode("web.key"), mode("live"), mode("live/web")), (0o600, 0o755, 0o755));
            bench.run(&["adopt", "web", "--undo"]).ends(0);
            assert_eq!(bench.served(), served);
        }
    }
}

/// OpenSSL's own server with the target's pair.
struct Server {
    port: u16,
    child: std::process::Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(bench: &Bench) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::at(bench, port)
    }

    fn at(bench: &Bench, port: u16) -> Self {
        Self::of(bench, port, "web")
    }

    fn of(bench: &Bench, port: u16, pair: &str) -> Self {
        let mut command = std::process::Command::new("openssl");
        command.args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{port}")]);
        command
            .arg("-cert")
            .arg(bench.path(&format!("{pair}.pem")))
            .arg("-key")
            .arg(bench.path(&format!("{pair}.key")));
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let server = Self { port, child: command.spawn().unwrap() };
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "openssl s_server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

/// A pair from a CA of this name, which a file of roots holds, with the key identifiers that CAs write.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    root: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        let root = ca.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(ca, key), root }
    }

    /// Puts one in place, as a script would, with so many days left.
    fn put(&self, bench: &Bench, common_name: &str, days: i64) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["www.example.org".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, common_name);
        params.use_authority_key_identifier_extension = true;
        params.not_before = time::OffsetDateTime::now_utc() - time::Duration::days(90 - days);
        params.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(days);
        let leaf = params.signed_by(&key, &self.issuer).unwrap().pem();
        bench.write("web.pem", &leaf, 0o644);
        bench.write("web.key", &key.serialize_pem(), 0o600);
        leaf
    }
}

/// Not bad by itself, and worse than what was there: from an issuer of the old name with another key, from one that clients do not know, or
/// the very one that was replaced.
#[test]
fn what_is_worse_than_the_wanted_one_is_not_left() {
    for trusting in [false, true] {
        let bench = Bench::new();
        let (known, again) = (Authority::new("Product CA"), Authority::new("Product CA"));
        let roots = bench.write("roots.pem", &known.root, 0o644);
        if trusting {
            bench.configure(&format!("[target.policy]\ntrust = [\"clients\"]\n[trust.clients]\nfile = {roots:?}\n"));
        }
        let good = known.put(&bench, "wanted", 80);
        bench.run(&["snapshot"]).ends(0);
        again.put(&bench, "regenerated", 89);
        bench.run(&["snapshot"]).ends(3).says("not signed off");
        bench.run(&["post-upgrade", "--strict"]).ends(0).says("root-regenerated").says("repaired");
        assert_eq!(bench.served(), good);

        // By another name: only whose clients count can tell.
        let other = Authority::new("Vendor CA");
        other.put(&bench, "from elsewhere", 89);
        if trusting {
            bench.run(&["snapshot"]).ends(3).says("untrusted");
            bench.run(&["post-upgrade", "--strict"]).ends(0).says("repaired");
            assert_eq!(bench.served(), good);
        } else {
            bench.run(&["post-upgrade", "--strict"]).ends(3).says("overwritten");
            assert_ne!(bench.served(), good, "somebody may have put it there");
        }
    }

    // The product's own, from a CA of the vendor's, was there before.
    let bench = Bench::new();
    let vendor = Authority::new("Vendor CA");
    let default = vendor.put(&bench, "default", 80);
    let key = fs::read_to_string(bench.path("web.key")).unwrap();
    bench.installed("good");
    let good = bench.served();
    bench.write("web.pem", &default, 0o644);
    bench.write("web.key", &key, 0o600);
    bench.run(&["snapshot"]).ends(3).says("not signed off");
    bench.run(&["post-upgrade", "--strict"]).ends(0).says("reverted").says("repaired");
    assert_eq!(bench.served(), good);

    // Who wants it all the same says so.
    bench.write("web.pem", &default, 0o644);
    bench.write("web.key", &key, 0o600);
    bench.run(&["snapshot", "--force"]).ends(0).says("this is the wanted state");
    bench.run(&["post-upgrade", "--strict"]).ends(0);
    assert_eq!(bench.served(), default);
}

/// That it is due is no reason to leave a server with what nobody trusts.
#[test]
fn one_that_is_due_is_signed_off_and_put_back() {
    let bench = Bench::new();
    let good = Authority::new("CA").put(&bench, "wanted", 10);
    bench.run(&["snapshot"]).ends(0).says("this is the wanted state").says("expiring");
    by_hand(&bench, &vendor());
    bench.run(&["post-upgrade", "--strict"]).ends(0).says("repaired");
    assert_eq!(bench.served(), good);
}

/// A backup that was damaged is no reason to leave it either, where there is a source.
#[test]
fn a_damaged_reference_leads_to_the_source() {
    let (bench, _) = signed_off();
    let from = bench.bring("fresh", &Leaf { common_name: "fresh", ..Leaf::default() });
    bench.configure(&format!("[target.source]\nkind = \"import\"\nfrom = [{:?}, {:?}]\n", from.0, from.1));
    let copy = bench.path("state/vault/web/1/0");
    fs::write(&copy, [fs::read(&copy).unwrap(), b"x".to_vec()].concat()).unwrap();
    by_hand(&bench, &vendor());
    let damaged = bench.served();
    bench.run(&["post-upgrade", "--strict"]).ends(0).says("repaired");
    assert_ne!(bench.served(), damaged);
}

/// What the owner lives with is their own certificate, and not whatever signed itself.
#[test]
fn an_accepted_certificate_is_not_taken_for_another() {
    let bench = Bench::new();
    bench.configure("[[accept]]\ncode = \"self-signed\"\ntarget = \"web\"\nreason = \"lab\"\nuntil = 2099-01-01\n");
    by_hand(&bench, &Leaf { common_name: "mine", ..vendor() });
    let mine = bench.served();
    bench.run(&["snapshot"]).ends(0).says("this is the wanted state");
    by_hand(&bench, &vendor());
    bench.run(&["snapshot"]).ends(3).says("not signed off");
    bench.run(&["post-upgrade", "--strict"]).ends(0).says("overwritten").says("repaired");
    assert_eq!(bench.served(), mine);
}

/// Judged and kept are the same bytes, whoever writes meanwhile.
#[test]
fn what_changes_while_it_is_looked_at_is_not_signed_off() {
    let bench = Bench::new();
    by_hand(&bench, &Leaf::default());
    let (certificate, key) = vendor().make();
    bench.write("vendor.pem", &certificate, 0o644);
    bench.write("vendor.key", &key, 0o600);
    let probe = "#!/bin/sh\nd=${0%/*}; [ -e \"$d/once\" ] || { : >\"$d/once\"; exit 0; }\ncat \"$d/vendor.pem\" >\"$d/web.pem\"; cat \"$d/vendor.key\" >\"$d/web.key\"\n";
    bench.write("probe", probe, 0o755);
    bench.configure(&format!("probe = [{:?}]\n", bench.path("probe")));
    bench.run(&["snapshot"]).ends(4).warns("while it was looked at");
    assert!(!bench.path("state/vault/web/current").exists());
}

/// A link that leads nowhere is damage like any other: told and kept. Where it has come in the place of a file it goes, whether or not the
/// directory is there to which it leads.
#[test]
fn a_link_that_leads_nowhere_gives_way_to_the_file_that_was_there() {
    let nowhere = |bench: &Bench| {
        let (nowhere, place) = (bench.path("no/where"), bench.path("web.pem"));
        fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(&nowhere, &place).unwrap();
        nowhere
    };
    for directory in [false, true] {
        for words in
            [&["post-upgrade", "--strict"][..], &["restore", "web"], &["restore", "web", "1", "--force"], &["maintain"]]
        {
            let (bench, good) = signed_off();
            let end = nowhere(&bench);
            if directory {
                fs::create_dir(bench.path("no")).unwrap();
            }
            bench.run(&["snapshot"]).ends(3).says("not signed off");
            bench.run(&["check", "web"]).ends(3).says("dangling-link").says("restore web`");
            if words[0] == "post-upgrade" {
                bench.run(&[words, &["--dry-run"]].concat()).says("would be changed");
                assert_eq!(fs::read_link(bench.path("web.pem")).unwrap(), end);
            }
            bench.run(words).ends(0).says("has become a link");
            assert!(!bench.path("web.pem").is_symlink() && bench.served() == good && !end.exists(), "{words:?}");
            bench.run(&["history", "verify"]).ends(0);
        }
    }
    // One that was there before is the owner's, and what it leads to may only be not mounted.
    let bench = Bench::new();
    fs::create_dir(bench.path("mounted")).unwrap();
    fs::rename(bench.path("web.pem"), bench.path("mounted/web.pem")).unwrap();
    std::os::unix::fs::symlink("mounted/web.pem", bench.path("web.pem")).unwrap();
    bench.installed("good");
    fs::rename(bench.path("mounted"), bench.path("away")).unwrap();
    let refused = bench.run(&["post-upgrade", "--strict"]).ends(4).says("removed");
    let said = refused.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("and the directory of that is not there") && said.contains("hint: mount or make"), "{said}");
    assert!(bench.path("web.pem").is_symlink());
}

/// The same where the change to a file in its place is undone: the link is there again.
#[test]
fn an_undo_puts_back_a_link_that_leads_nowhere() {
    let (bench, _) = signed_off();
    let end = bench.path("no/where");
    fs::remove_file(bench.path("web.pem")).unwrap();
    std::os::unix::fs::symlink(&end, bench.path("web.pem")).unwrap();
    bench.configure("reload = [\"/bin/false\"]\n");
    bench.run(&["restore", "web"]).ends(5).warns("rolled back");
    assert_eq!(fs::read_link(bench.path("web.pem")).unwrap(), end);
    bench.configure("");
    bench.run(&["recover"]).ends(0).says("nothing was interrupted");
    bench.run(&["restore", "web"]).ends(0);
}

/// A link that an upgrade has put in the place of a file goes after it, also where a certificate is at its end that is good by itself.
#[test]
fn a_link_to_another_good_certificate_goes_after_an_upgrade() {
    let (bench, good) = signed_off();
    let server = Server::start(&bench);
    bench.configure(&format!("listen = [\"127.0.0.1:{}\"]\n", server.port));
    bench.run(&["snapshot"]).ends(0);
    let others = bench.bring("others", &Leaf { common_name: "others", ..Leaf::default() });
    let texts = [&others.0, &others.1].map(|path| fs::read_to_string(path).unwrap());
    for (place, to) in [("web.pem", &others.0), ("web.key", &others.1)] {
        fs::remove_file(bench.path(place)).unwrap();
        std::os::unix::fs::symlink(to, bench.path(place)).unwrap();
    }
    bench.run(&["post-upgrade", "--strict"]).ends(0).says("repaired").says("has become a link to");
    assert!(!bench.path("web.pem").is_symlink() && bench.served() == good);
    assert_eq!([&others.0, &others.1].map(|path| fs::read_to_string(path).unwrap()), texts);
}

/// What is no file in the place of one is a person's to move away, and what puts the file back then is told.
#[test]
fn a_directory_or_a_loop_in_the_place_of_a_file_is_told_with_the_way_out() {
    for looped in [false, true] {
        let (bench, good) = signed_off();
        let place = bench.path("web.pem");
        fs::remove_file(&place).unwrap();
        if looped {
            std::os::unix::fs::symlink(&place, &place).unwrap();
        } else {
            fs::create_dir(&place).unwrap();
        }
        let (away, back) = (format!("mv {0} {0}.away`", place.display()), " restore web`");
        for words in [
            &["check", "web"][..],
            &["restore", "web"],
            &["restore", "web", "1", "--force"],
            &["post-upgrade", "--strict"],
        ] {
            let ran = bench.run(words).ends(4);
            let said = format!("{} {}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(&away) && said.contains(back), "{words:?}: {said}");
        }
        fs::rename(&place, bench.path("web.pem.away")).unwrap();
        bench.run(&["restore", "web"]).ends(0);
        assert_eq!(bench.served(), good);
    }
}

/// Nothing is given back where nothing is: the wanted state would be none.
#[test]
fn a_pair_that_is_lost_is_not_given_back() {
    for lose in ["live/web/current", "live/web"] {
        let bench = Bench::new();
        bench.installed("good");
        bench.run(&["adopt", "web"]).ends(0);
        let (served, wanted) = (bench.served(), fs::read_link(bench.path("state/vault/web/current")).unwrap());
        let lost = bench.path(lose);
        if lost.is_symlink() { fs::remove_file(&lost) } else { fs::remove_dir_all(&lost) }.unwrap();
        for words in [
            &["adopt", "web", "--undo", "--dry-run"][..],
            &["adopt", "web", "--undo"],
            &["adopt", "web", "--undo", "--force"],
        ] {
            bench.run(words).ends(4).warns("is lost").warns(" restore web`");
        }
        assert_eq!(fs::read_link(bench.path("state/vault/web/current")).unwrap(), wanted);
        bench.run(&["restore", "web"]).ends(0);
        bench.run(&["adopt", "web", "--undo"]).ends(0).says("gave back");
        assert!(!bench.path("web.pem").is_symlink() && bench.served() == served);
    }
}

/// What was seen while the service was down is no measure of what it serves.
#[test]
fn a_service_that_was_down_at_the_second_look_is_still_missed() {
    let bench = Bench::new();
    by_hand(&bench, &Leaf::default());
    let server = Server::start(&bench);
    bench.configure(&format!("listen = [\"127.0.0.1:{}\"]\n", server.port));
    bench.run(&["snapshot"]).ends(0);
    drop(server);
    bench.run(&["snapshot"]).ends(3);
    let (found, _) = harms(&bench, &["--up", "0"]);
    assert_eq!(found, ["listener-gone"]);
}

/// A line of a later reseal stays, and its number is not taken again.
#[test]
fn what_a_later_reseal_has_written_is_kept() {
    let (bench, _) = signed_off();
    let file = bench.path("state/snapshot/web");
    let json = r#"{"format":2,"number":7,"more":true}"#;
    let digest = reseal::digest::Digest::of(json.as_bytes());
    let newer = format!("{digest} {json}\n");
    fs::write(&file, &newer).unwrap();
    by_hand(&bench, &Leaf { common_name: "another", ..Leaf::default() });
    bench.run(&["snapshot"]).ends(0).says("snapshot 8");
    assert!(fs::read_to_string(&file).unwrap().starts_with(&newer));
}

/// Decided without a lock: what somebody installed meanwhile is not undone.
#[test]
fn a_pair_that_is_installed_meanwhile_stays() {
    let (bench, _) = signed_off();
    by_hand(&bench, &vendor());
    let (certificate, key) = bench.bring("new", &Leaf { common_name: "new", ..Leaf::default() });
    // The look by which it is decided, the second, lasts as long as the probe, in which the other run does its work.
    let probe = "#!/bin/sh\nd=${0%/*}; echo >>\"$d/asked\"\n[ \"$(wc -l <\"$d/asked\")\" != 2 ] || { : >\"$d/seen\"; sleep 3; }\n";
    bench.write("probe", probe, 0o755);
    bench.configure(&format!("probe = {{ argv = [{:?}], timeout = 20 }}\n", bench.path("probe")));
    let upgrade = bench.command(&["--wait", "20", "-n", "post-upgrade", "--strict"]).spawn().unwrap();
    let began = Instant::now();
    while !bench.path("seen").exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "the probe was not asked");
        std::thread::sleep(Duration::from_millis(10));
    }
    bench.run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(0);
    let new = bench.served();
    upgrade.wait_with_output().unwrap();
    assert_eq!(bench.served(), new);
}

/// A package that makes a link of the place has not asked for what is at its end to be replaced: that is another service's.
#[test]
fn what_a_new_link_leads_to_is_not_touched() {
    let bench = Bench::new();
    bench.installed("good");
    let served = bench.served();
    let (other, other_key) = Leaf { self_signed: true, common_name: "other", ..Leaf::default() }.make();
    let relink = || {
        for (name, text) in [("pem", &other), ("key", &other_key)] {
            bench.write(&format!("other.{name}"), text, 0o640);
            let place = bench.path(&format!("web.{name}"));
            fs::remove_file(&place).unwrap();
            std::os::unix::fs::symlink(bench.path(&format!("other.{name}")), place).unwrap();
        }
    };
    let others = || {
        let of = |name: &str| {
            let path = bench.path(&format!("other.{name}"));
            (fs::read_to_string(&path).unwrap(), fs::metadata(path).unwrap().permissions().mode() & 0o7777)
        };
        [of("pem"), of("key")]
    };
    let untouched = [(other.clone(), 0o640), (other_key.clone(), 0o640)];
    relink();
    bench.run(&["maintain"]).ends(0).says("has become a link to").says("restore generation 2");
    assert_eq!((bench.served(), others()), (served.clone(), untouched.clone()));
    assert!(!bench.path("web.pem").is_symlink() && !bench.path("web.key").is_symlink());

    // Another certificate would go where the link leads, which nobody has asked for.
    relink();
    let (certificate, key) = bench.bring("next", &Leaf::default());
    let install = ["install", "web", "--cert", &certificate, "--key", &key];
    bench.run(&install).ends(4).warns("has become a link to").warns("may belong to another service");
    assert_eq!(others(), untouched);
    bench.run(&["restore", "web", "2"]).ends(0);
    assert_eq!((bench.served(), others()), (served, untouched));
    relink();
    bench.run(&[&install[..], &["--force"]].concat()).ends(0);
    assert!(bench.path("web.pem").is_symlink());
    assert_eq!(others()[0].0, fs::read_to_string(certificate).unwrap());
}

/// A clock that was ahead once is no reason to refuse everything for months.
#[test]
fn a_receipt_from_the_future_can_be_overruled_by_a_person() {
    let bench = Bench::new();
    bench.installed("good");
    let (certificate, key) = bench.bring("next", &Leaf { days: 300, ..Leaf::default() });
    let words = ["install", "web", "--cert", &certificate, "--key", &key];
    let mut ahead = std::process::Command::new("faketime");
    ahead.args(["-f", "+150d", env!("CARGO_BIN_EXE_reseal"), "--non-interactive"]).args(words);
    ahead.env_clear().env("PATH", "/usr/bin:/bin").env("RESEAL_CONFIG", bench.path("reseal.toml"));
    let Ok(ran) = ahead.output() else {
        println!("skipped: no faketime");
        return;
    };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    bench.run(&["restore", "web", "1"]).ends(4);
    bench.run(&["restore", "web", "2", "--force"]).ends(4).warns("the clock shows").warns("`--trust-clock`");
    bench.run(&["restore", "web", "2", "--trust-clock"]).ends(0);
    bench.run(&["restore", "web", "3"]).ends(0);
}

/// What is kept of a target that is configured no more can be seen and removed.
#[test]
fn generations_of_a_target_that_is_gone_are_told_and_can_be_removed() {
    let bench = Bench::new();
    bench.installed("good");
    let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    bench.write("reseal.toml", &text.replace("name = \"web\"", "name = \"other\""), 0o644);
    bench.run(&["backups"]).ends(0).says("web ").says("found");
    bench.run(&["backups", "web"]).ends(0).says("found");
    bench.run(&["recover", "web"]).ends(0).says("no transaction of this target was interrupted");
    bench.run(&["recover", "--accept", "nobody"]).ends(2).warns("there is no target `nobody`");
    // One that was torn before it had begun.
    bench.write("state/journal/nobody", "", 0o600);
    bench.run(&["recover", "nobody", "--dry-run"]).ends(0).says("an empty journal would be removed");
    bench.run(&["recover", "nobody"]).ends(0);
    bench.run(&["recover", "nobody"]).ends(2);
    assert!(
        !bench.run(&["prune", "--keep", "1"]).ends(0).out.contains("web:"),
        "nobody has said how many are to be kept"
    );
    bench.run(&["prune", "web", "--keep", "1"]).ends(0).says("web: ");
    bench.run(&["backups", "nobody"]).ends(2);
}

/// The same where the pair was switched by one link, which a package has replaced.
#[test]
fn what_comes_in_the_place_of_the_switch_is_not_touched_either() {
    let bench = Bench::new();
    bench.installed("good");
    bench.run(&["adopt", "web"]).ends(0);
    let served = bench.served();
    let (other, other_key) = vendor().make();
    for (name, text) in [("pem", &other), ("key", &other_key)] {
        let to = bench.write(&format!("other.{name}"), text, 0o640);
        let place = bench.path(&format!("web.{name}"));
        fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(to, place).unwrap();
    }
    let (certificate, key) = bench.bring("next", &Leaf::default());
    let refused = bench.run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(4);
    refused.warns("has become a link to").warns("restore web 3");
    bench.run(&["maintain"]).ends(0).says("has become a link to");
    assert_eq!(bench.served(), served);
    assert_eq!(fs::read_to_string(bench.path("other.pem")).unwrap(), other);
}

/// A link that was there when reseal came is the owner's: where an upgrade leads it to another version's files, these are the service's.
#[test]
fn a_link_that_was_there_before_is_followed_to_the_next_version() {
    let bench = Bench::new();
    for (version, leaf) in [("v1", Leaf::default()), ("v2", vendor())] {
        let (certificate, key) = leaf.make();
        fs::create_dir(bench.path(version)).unwrap();
        bench.write(&format!("{version}/web.pem"), &certificate, 0o644);
        bench.write(&format!("{version}/web.key"), &key, 0o600);
    }
    let lead = |version: &str| {
        for name in ["web.pem", "web.key"] {
            let _ = fs::remove_file(bench.path(name));
            std::os::unix::fs::symlink(format!("{version}/{name}"), bench.path(name)).unwrap();
        }
    };
    lead("v1");
    bench.installed("good");
    let good = bench.served();
    lead("v2");
    bench.run(&["maintain"]).ends(0).says("restore generation 2");
    assert!(bench.path("web.pem").is_symlink());
    assert_eq!(fs::read_to_string(bench.path("v2/web.pem")).unwrap(), good);
}

/// Listeners that stay down are waited for side by side: the last target gets its turn within the time for all.
#[test]
fn what_stays_down_leaves_time_for_the_rest() {
    let bench = Bench::new();
    bench.installed("good");
    let root = bench.path(".");
    let root = root.parent().unwrap().display();
    let mut text = format!("[defaults]\nstate_dir = \"{root}/state\"\nprobe_timeout = 1\n");
    let mut servers = Vec::new();
    for name in ["a", "b", "c", "d"] {
        for kind in ["pem", "key"] {
            fs::copy(bench.path(&format!("web.{kind}")), bench.path(&format!("{name}.{kind}"))).unwrap();
        }
        let server = Server::start(&bench);
        text += &format!(
            "[[target]]\nname = \"{name}\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{root}/{name}.pem\"\n\
             key = \"{root}/{name}.key\"\nlisten = [\"127.0.0.1:{}\"]\n",
            server.port
        );
        servers.push(server);
    }
    bench.write("reseal.toml", &text, 0o644);
    bench.run(&["snapshot"]);
    drop(servers);
    let told = bench.run(&["post-upgrade", "--up", "6", "--limit", "14"]);
    assert!(!format!("{}{}", told.out, told.err).contains("was not looked at"), "{}{}", told.out, told.err);
}

/// The hook has no time to lose and no second chance: it waits for a reseal that is at work.
#[test]
fn the_hook_before_an_upgrade_waits_for_its_turn() {
    let bench = Bench::new();
    by_hand(&bench, &Leaf::default());
    bench.run(&["snapshot"]).ends(0);
    by_hand(&bench, &Leaf { common_name: "another", ..Leaf::default() });
    let lock = fs::File::options().write(true).open(bench.path("state/lock")).unwrap();
    lock.lock().unwrap();
    let mut command = bench.command(&["--non-interactive", "hook", "fire", "before"]);
    let mut hook = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    assert!(hook.try_wait().unwrap().is_none(), "it did not wait");
    drop(lock);
    assert!(hook.wait().unwrap().success());
    assert_eq!(
        fs::read_to_string(bench.path("state/snapshot/web")).unwrap().lines().count(),
        2,
        "what stood before is kept"
    );
}

/// A person who tries it at a terminal, and a package manager that is killed, leave standard input open.
#[test]
fn a_hook_that_waits_for_its_list_ends_when_it_is_asked_to() {
    let bench = Bench::new();
    by_hand(&bench, &Leaf::default());
    let mut command = bench.command(&["hook", "fire", "before", "--packages"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut list = child.stdin.take().unwrap();
    // What has come already is not taken for all.
    list.write_all(b"/var/cache/apt/archives/a.deb\n").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "it waits for the rest");
    let asked = Instant::now();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if asked.elapsed() > Duration::from_secs(20) => panic!("it goes on: {:?}", child.kill()),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    assert_eq!(ended.signal(), Some(Signal::TERM.as_raw()), "{ended:?}");
    bench.run(&["backups"]).ends(0).says("nothing is kept yet");
    drop(list);
}

/// The hint of `regression` names `restore`, which took the newest of all that was kept: what the vendor had put there.
#[test]
fn a_restore_without_a_number_puts_back_what_was_committed() {
    let (bench, good) = signed_off();
    by_hand(&bench, &vendor());
    bench.run(&["snapshot"]).ends(3).says("not signed off");
    by_hand(&bench, &Leaf { common_name: "second", ..vendor() });
    bench.run(&["restore", "web"]).ends(0);
    assert_eq!(bench.served(), good);
}

/// The same certificate with its key under a wrong label would be proved by listeners that have not loaded it, and end the service at its
/// next start.
#[test]
fn a_restore_without_a_number_takes_nothing_that_the_service_may_not_load() {
    let (bench, good) = signed_off();
    let key = fs::read_to_string(bench.path("web.key")).unwrap();
    bench.write("web.key", &key.replace("PRIVATE KEY", "RSA PRIVATE KEY"), 0o600);
    bench.run(&["post-upgrade"]).ends(0).says("the label names another form of key than the block holds");
    assert_eq!(fs::read_to_string(bench.path("web.key")).unwrap(), key);
    bench.run(&["restore", "web"]).ends(4);
    assert_eq!((bench.served(), fs::read_to_string(bench.path("web.key")).unwrap()), (good, key));
}

/// We read DER as well, and found nothing wrong with it; the service cannot load it.
#[test]
fn a_file_that_is_no_pem_any_more_is_put_back() {
    let (bench, good) = signed_off();
    let der = pem::parse(&good).unwrap().into_contents();
    fs::write(bench.path("web.pem"), der).unwrap();
    bench.run(&["check", "web"]).ends(3).says("DER of a certificate, and the service reads PEM");
    bench.run(&["post-upgrade", "--strict"]).ends(0).says("format-changed").says("repaired");
    assert_eq!(bench.served(), good);
}

/// A file for the certificate that holds the key as well from now on, and the other way round, is no other certificate.
#[test]
fn what_was_packed_together_or_apart_is_told_as_that() {
    let (bench, good) = signed_off();
    let key = fs::read_to_string(bench.path("web.key")).unwrap();
    bench.write("web.pem", &format!("{good}{key}"), 0o600);
    let (told, value) = harms(&bench, &["--dry-run"]);
    assert!(told.contains(&"format-changed".to_owned()) && !told.contains(&"overwritten".to_owned()), "{value}");
    assert!(value.to_string().contains("held the certificate alone, and holds certificate and key"), "{value}");

    let bench = Bench::new();
    let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    let text = text.replace("certificate = ", "combined = ");
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("key = ")).collect();
    bench.write("reseal.toml", &text.join("\n"), 0o644);
    bench.write("web.pem", &format!("{good}{key}"), 0o600);
    bench.run(&["snapshot"]).ends(0).says("this is the wanted state");
    bench.write("web.pem", &good, 0o600);
    let (told, value) = harms(&bench, &["--dry-run"]);
    assert!(told.contains(&"format-changed".to_owned()) && !told.contains(&"overwritten".to_owned()), "{value}");
}

/// An upgrade has removed the folder with all that was in it. Whose it was and who might enter it nobody knows any more: what makes it
/// again is told, and then each verb does its work.
#[test]
fn a_folder_that_is_gone_is_told_with_what_makes_it_again() {
    for verb in ["post-upgrade", "renew", "restore", "maintain"] {
        let bench = Bench::new();
        let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
        bench.write(
            "reseal.toml",
            &text.replace("/web.pem", "/tls/x/web.pem").replace("/web.key", "/tls/x/web.key"),
            0o644,
        );
        fs::create_dir_all(bench.path("tls/x")).unwrap();
        let (certificate, key) = bench.bring("good", &Leaf::default());
        bench.run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(0);
        fs::remove_dir_all(bench.path("tls")).unwrap();
        let owner = fs::metadata(bench.path("")).unwrap().uid();
        let dir = bench.path("tls/x").display().to_string();
        let make = format!("`install -d -o {owner} -m 0755 {dir}`");
        for more in [&["--dry-run"][..], &[]] {
            let ran = bench.run(&[&[verb, "web"], more].concat()).ends(if verb == "post-upgrade" { 0 } else { 4 });
            let told = ran.warns(&format!("the directory {dir} of web is not there")).warns(&make);
            let again = format!(" {verb} web`");
            told.warns(if verb == "restore" { "then the same command again" } else { &again });
        }
        let words: Vec<&str> = make.trim_matches('`').split(' ').collect();
        assert!(std::process::Command::new(words[0]).args(&words[1..]).status().unwrap().success());
        bench.run(&[verb, "web"]).ends(0);
        assert_eq!(fs::read_to_string(bench.path("tls/x/web.pem")).unwrap(), fs::read_to_string(&certificate).unwrap());
    }
    let bench = Bench::new();
    let text = fs::read_to_string(bench.path("reseal.toml")).unwrap();
    bench.write("reseal.toml", &text.replace("/web.pem", "/t l;s/web.pem"), 0o644);
    let (certificate, key) = bench.bring("good", &Leaf::default());
    let told = bench.run(&["install", "web", "--cert", &certificate, "--key", &key]).ends(4);
    told.warns(&format!("-m 0755 '{}'`; then the same command again", bench.path("t l;s").display()));
}

/// An upgrade has put a file in the place of one of the two links of an adopted pair: there is never one old and one new, and that the
/// switch is gone is told with what brings it back.
#[test]
fn one_link_of_an_adopted_pair_that_became_a_file_is_mended_and_told() {
    for half in ["web.pem", "web.key"] {
        for verb in ["post-upgrade", "renew", "restore", "maintain"] {
            let bench = Bench::new();
            bench.installed("good");
            bench.run(&["adopt", "web"]).ends(0);
            let (good, key) = (bench.served(), fs::read(bench.path("web.key")).unwrap());
            let (certificate, other_key) = vendor().make();
            fs::remove_file(bench.path(half)).unwrap();
            bench.write(half, if half == "web.pem" { &certificate } else { &other_key }, 0o600);
            bench.run(&["check"]).ends(3).says("key-mismatch").says("is no link into the target's directory any more");
            bench.run(&["status"]).ends(3).says("puts the pair back, then");
            let before = bench.tree();
            bench.run(&[verb, "web", "--dry-run"]).ends(0).says("would be changed");
            assert!(bench.tree() == before);
            // What is adopted is what is wanted: no key beside somebody else's certificate.
            let refused = bench.run(&["adopt", "web"]).ends(4);
            refused.warns("the key in its files is not that of the certificate").warns(" restore web`");
            bench.run(&[verb, "web"]).ends(0);
            assert_eq!(
                (bench.served(), fs::read(bench.path("web.key")).unwrap()),
                (good.clone(), key.clone()),
                "{verb}"
            );
            let told = bench.run(&["status"]).ends(3).says("attention").says("changed file by file");
            told.says(" adopt web` makes it one again");
            if verb == "restore" {
                bench.run(&["adopt", "web", "--undo"]).ends(0);
                bench.run(&["status"]).ends(0).says("file by file");
            } else {
                let adopted = bench.run(&["adopt", "web"]).ends(0);
                assert!(!adopted.out.contains("is no link"), "{}", adopted.out);
                bench.run(&["status"]).ends(0).says("one rename");
                assert!(bench.path("web.pem").is_symlink() && bench.path("web.key").is_symlink());
            }
            assert_eq!((bench.served(), fs::read(bench.path("web.key")).unwrap()), (good, key), "{verb}");
        }
    }
}
