//! The kernel's own keyring, of this machine and this user.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::ground::{Ground, PASS, has, state, timed};
use crate::terminal::Terminal;

/// A ground whose passphrases are dropped from the kernel when the test is over; or why it is skipped.
struct Cached(Ground);

impl Drop for Cached {
    fn drop(&mut self) {
        let _ = self.0.command("secret forget ca-office --in kernel").output();
    }
}

fn cached() -> Option<Cached> {
    let ground = Ground::new();
    let told = ground.json("secret status");
    if state(&told, "kernel") == "absent" {
        return Some(Cached(ground));
    }
    println!("skipped: the kernel's keyring: {told}");
    None
}

/// The lines of /proc/keys about passphrases below this state directory.
fn keys(ground: &Ground) -> Vec<String> {
    let name = format!("reseal:{}:", ground.path("state").display());
    let all = fs::read_to_string("/proc/keys").unwrap();
    all.lines().filter(|line| line.contains(&name)).map(str::to_owned).collect()
}

#[test]
fn what_is_typed_is_remembered_only_when_asked_for_and_only_once_it_opened_the_key() {
    let Some(Cached(ground)) = &cached() else { return };
    let type_in = |line: &str, passphrase: &str| {
        let mut terminal = Terminal::new(&ground.at_terminal(line));
        terminal.asks("Passphrase for ca-office: ", &format!("{passphrase}\n"));
        terminal.ends()
    };
    assert_eq!(type_in("ca crl office", PASS).0, Some(0));
    assert_eq!(keys(ground), [""; 0], "nobody asked for it");
    assert_eq!(type_in("ca crl office --remember", "not this one").0, Some(4));
    assert_eq!(keys(ground), [""; 0], "it opened nothing");
    assert_eq!(type_in("ca crl office --remember", PASS).0, Some(0));
    ground.run("ca crl office").ends(0);
    let told = ground.run("secret status").ends(0).says(&["from the kernel keyring", "in memory alone, for 1"]);
    assert!(!told.out.contains(PASS));

    ground.run("secret forget ca-office --in kernel").ends(0).says(&["removed from the kernel keyring"]);
    ground.run("secret forget ca-office --in kernel").ends(0).says(&["the kernel keyring has none"]);
    ground.run("ca crl office").ends(4).says(&["kernel keyring: it has none"]);

    // What comes from a file is not copied into memory that lives longer than the run.
    ground.run("ca crl office --remember --passphrase-file pass").ends(0);
    assert_eq!(keys(ground), [""; 0]);
}

#[test]
fn a_key_ends_by_itself_and_is_its_owners_alone() {
    let Some(Cached(ground)) = &cached() else { return };
    ground.run("secret set ca-office --in kernel --minutes 1 --passphrase-file pass --dry-run").ends(0);
    assert_eq!(keys(ground), [""; 0]);
    ground.run("secret set ca-office --in kernel --passphrase-file wrong").ends(4);
    assert_eq!(keys(ground), [""; 0]);
    // In a session of its own and without one: who sets it and who reads it need not be in the same.
    let mut set = ground.command("secret set ca-office --in kernel --minutes 1 --passphrase-file pass");
    let mut other = Command::new("setsid");
    other.arg(set.get_program()).args(set.get_args()).current_dir(ground.path("")).env_clear();
    set = other;
    timed(&mut set).ends(0).says(&["for 1 minutes"]);
    ground.run("ca crl office").ends(0);

    let lines = keys(ground);
    let fields: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(fields[3].ends_with('s') || fields[3] == "1m", "it has an end: {lines:?}");
    assert_eq!(fields[4], "3f0b0000", "its owner may see, read and find it, and nobody else anything");
    if has("keyctl", "keyutils") {
        // A session with nothing in it, as cron and units have.
        let run = ground.command("ca crl office");
        let mut inside = Command::new("keyctl");
        inside
            .args(["session", "-"])
            .arg(run.get_program())
            .args(run.get_args())
            .current_dir(ground.path(""))
            .env_clear();
        timed(&mut inside).ends(0);
        let serial = i64::from_str_radix(fields[0], 16).unwrap().to_string();
        if rustix::process::geteuid().is_root() && has("setpriv", "util-linux") {
            let mut stranger = Command::new("setpriv");
            stranger.args(["--reuid=65534", "--regid=65534", "--clear-groups", "keyctl", "print", &serial]);
            let ran = timed(&mut stranger);
            assert!(ran.code != Some(0) && !ran.out.contains(PASS), "{ran:#?}");
        }
    }
}

/// What opens nothing here can be tried on nothing: it is typed twice instead.
#[test]
fn a_person_types_once_what_can_be_tried_and_twice_what_cannot() {
    let Some(Cached(ground)) = &cached() else { return };
    let mut terminal = Terminal::new(&ground.at_terminal("secret set ca-office --in kernel --minutes 5"));
    terminal.asks("Passphrase for ca-office: ", &format!("{PASS}\n"));
    let (code, shown) = terminal.ends();
    assert!(code == Some(0) && shown.contains("kept in the kernel keyring for 5 minutes"), "{shown}");
    assert!(!shown.contains("once more") && !shown.contains(PASS), "{shown}");

    let mut terminal = Terminal::new(&ground.at_terminal("secret set ca-later --in kernel"));
    terminal.asks("Passphrase for ca-later: ", "one\n");
    terminal.asks("The same once more: ", "another\n");
    let (code, shown) = terminal.ends();
    assert!(code == Some(4) && shown.contains("the two were not the same"), "{shown}");

    let mut terminal = Terminal::new(&ground.at_terminal("ca init later --permit example.org --remember"));
    terminal.asks("Passphrase for ca-later: ", "one\n");
    terminal.asks("The same once more: ", "one\n");
    assert_eq!(terminal.ends().0, Some(0));
    ground.run("ca crl later").ends(0);
    ground.run("secret forget ca-later --in kernel").ends(0).says(&["removed"]);
}

/// Two state directories, each with a CA of the same name: what opens one is not offered to the other.
#[test]
fn each_state_directory_has_its_own() {
    let (Some(Cached(here)), Some(Cached(there))) = (&cached(), &cached()) else { return };
    here.run("secret set ca-office --in kernel --passphrase-file pass").ends(0);
    there.run("ca crl office").ends(4).says(&["kernel keyring: it has none"]);
    here.run("ca crl office").ends(0);
}

/// A CA that is made is not locked with what is gone in minutes.
#[test]
fn a_new_ca_takes_no_passphrase_from_the_kernel() {
    let Some(Cached(ground)) = &cached() else { return };
    fs::rename(ground.path("state/ca/office"), ground.path("away")).unwrap();
    ground.run("secret set ca-office --in kernel --passphrase-file pass").ends(0);
    ground.run("ca init office --permit example.org").ends(4).says(&["kernel keyring: not asked"]);
}

/// Containers and sandboxes refuse these calls in different ways; each is told, and what does not need them goes on.
#[test]
fn where_the_kernel_refuses_nothing_else_suffers() {
    if !has("strace", "strace") {
        return;
    }
    let ground = Ground::new();
    for (error, words) in
        [("EPERM", "does not permit it"), ("ENOSYS", "not implemented"), ("EACCES", "not this user's")]
    {
        let refused = |line: &str| {
            let run = ground.command(line);
            let mut traced = Command::new("strace");
            traced.args([
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                &format!("inject=keyctl,add_key,request_key:error={error}"),
            ]);
            traced.arg(run.get_program()).args(run.get_args()).current_dir(ground.path("")).env_clear();
            timed(&mut traced)
        };
        refused("ca crl office --passphrase-file pass").ends(0);
        refused("ca crl office").ends(4).says(&["kernel keyring: not available: ", words]);
        refused("secret status").ends(3).says(&["kernel     not available: ", words]);
        refused("secret set ca-office --in kernel --passphrase-file pass").ends(4).says(&["not available: ", words]);
        refused("secret forget ca-office --in kernel").ends(4).says(&["not available: ", words]);
    }
}

/// A run that is killed at any call leaves no key, or one that ends by itself.
#[test]
fn a_kill_leaves_no_key_without_an_end() {
    let Some(Cached(ground)) = &cached() else { return };
    if !has("strace", "strace") {
        return;
    }
    let mut killed = 0;
    for call in ["add_key", "keyctl"] {
        for at in 1..=8 {
            let run = ground.command("secret set ca-office --in kernel --passphrase-file pass");
            let mut traced = Command::new("strace");
            traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={call}:signal=KILL:when={at}")]);
            traced.arg(run.get_program()).args(run.get_args()).current_dir(ground.path("")).env_clear();
            let ended = traced.stdout(Stdio::null()).status().unwrap();
            killed += usize::from(!ended.success());
            // What only the killed thread had goes with it; the kernel sweeps a moment later.
            let began = Instant::now();
            while keys(ground).iter().any(|line| line.contains(" perm ")) {
                assert!(began.elapsed() < Duration::from_secs(20), "{call} {at}: {:?}", keys(ground));
                thread::sleep(Duration::from_millis(50));
            }
            ground.run("secret forget ca-office --in kernel").ends(0);
        }
    }
    assert!(killed >= 5, "only {killed} runs were killed");
}
