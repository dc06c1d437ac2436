//! Receivers that hang, lie and refuse: none of them holds up a change, and each is told of.

use std::time::Duration;

use crate::ground::{Does, Ground, Receiver};

#[test]
fn every_bad_answer_is_told_as_what_it_is() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", ""));
    let redirect = "HTTP/1.1 302 Found\r\nlocation: https://evil.example/\r\ncontent-length: 0\r\n\r\n";
    for (does, words, times) in [
        (Does::status("500 Internal Server Error"), "it answers HTTP 500", 1),
        (Does::status("404 Not Found"), "the address is no longer good", 1),
        (Does::status("413 Content Too Large"), "the receiver takes less", 1),
        (Does::Answers(redirect.to_owned()), "redirects to https://evil.example/, which is not followed", 1),
        (
            Does::Answers("HTTP/1.1 429 Slow\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n".to_owned()),
            "asked again in 3600 s",
            1,
        ),
        (Does::Answers("SSH-2.0-x\r\n\r\n".to_owned()), "no HTTP", 1),
        (Does::Hangs, "did not finish within 3 s: it was waited for its answer", 1),
        (Does::Drips, "did not finish within 3 s: it was waited for its answer", 1),
        (Does::Drops, "ended before its head", 1),
    ] {
        receiver.does(std::slice::from_ref(&does));
        let ran = ground.run("notify test ops").ends(4).says(&["NOT delivered", words]);
        assert!(ran.took < Duration::from_secs(8), "{does:?}: {:?}", ran.took);
        assert_eq!(receiver.came().len(), times, "{does:?}");
    }
    // It has said that it took it: how much it has to say besides is nobody's business.
    receiver.does(&[Does::Floods]);
    let ran = ground.run("notify test ops").ends(0).says(&["ops: delivered", "HTTP 200 OK"]);
    assert!(ran.took < Duration::from_secs(8) && ran.out.len() < 1024, "{:?}", ran.took);
    assert_eq!(receiver.came().len(), 1);
    // It is tried again where the server says so, within the limit.
    receiver.does(&[
        Does::Answers("HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n".to_owned()),
        Does::status("200 OK"),
    ]);
    ground.run("notify test ops").ends(0);
    assert_eq!(receiver.came().len(), 2);
}

#[test]
fn nobody_there_and_no_such_name() {
    let ground = Ground::new();
    // No port that was free a moment ago: another test may have it by now.
    let port = 1;
    let channel = |name: &str, url: &str| {
        format!("[[notify]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{url}\"\nlimit = 3\n")
    };
    ground.configure(
        &[channel("nobody", &format!("http://127.0.0.1:{port}/x")), channel("nowhere", "https://nowhere.invalid/x")]
            .concat(),
    );
    let ran = ground.run("notify test").ends(4);
    for words in ["refused", "cannot reach nowhere.invalid:443"] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
}

#[test]
fn a_channel_that_hangs_delays_no_change_and_the_others_are_told() {
    let (ground, bad, good) = (Ground::new(), Receiver::new(), Receiver::new());
    bad.does(&[Does::Hangs]);
    let on = "on = [\"finding\", \"failure\", \"channel\", \"success\"]";
    let slow = bad.channel("bad", on).replace("limit = 3", "limit = 15");
    ground.configure(&[slow, good.channel("good", on)].concat());
    ground.bring("web");
    let mut child = ground.command("renew --quiet").stderr(std::process::Stdio::piped()).spawn().unwrap();
    // The certificate is in place and the lock free while the channel hangs.
    let began = std::time::Instant::now();
    while bad.came().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "it was never told");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(std::fs::read_to_string(ground.path("state/ledger")).unwrap().contains("committed"));
    let mut restore = std::process::Command::new(env!("CARGO_BIN_EXE_reseal"));
    restore.env_clear().arg("--config").arg(ground.path("reseal.toml")).args(["restore", "web", "1", "--force"]);
    let restored = restore.output().unwrap();
    assert!(restored.status.success(), "nothing is locked: {restored:?}");
    assert!(child.try_wait().unwrap().is_none(), "it hangs still");
    assert!(child.wait().unwrap().success(), "the change went well, and that is what the code says");
    let told: Vec<_> = good.came().iter().flat_map(|one| one.told()).collect();
    assert!(told.contains(&("happened".to_owned(), "committed".to_owned())), "{told:?}");
    assert!(told.contains(&("new".to_owned(), "notify-failing".to_owned())), "{told:?}");
    ground.run("status").ends(3).says(&["notify-failing", "the channel bad does not deliver"]);
    ground.run("notify status").ends(3).says(&["bad", "failing", "does not deliver"]);
    assert_eq!(ground.json("status")["channels"][0]["code"], "notify-failing");

    bad.does(&[Does::status("200 OK")]);
    ground.run("renew --quiet");
    let told: Vec<_> = good.came().iter().flat_map(|one| one.told()).collect();
    assert!(told.contains(&("resolved".to_owned(), "notify-failing".to_owned())), "{told:?}");
    ground.run("notify status").ends(0);
}

#[test]
fn a_command_that_hangs_or_forks_is_ended() {
    let ground = Ground::new();
    let pid = ground.path("pid");
    let channel = |name: &str, script: String| {
        format!(
            "[[notify]]\nname = \"{name}\"\nkind = \"command\"\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\nlimit = 4\n"
        )
    };
    ground.configure(
        &[
            channel("hangs", format!("sleep 1000 & echo $! > {}; sleep 1000", pid.display())),
            channel("fails", "echo the reason >&2; exit 3".to_owned()),
            channel("ignores", "exec <&-; exit 0".to_owned()),
            channel("none", String::new()).replace("/bin/sh", "/nonexistent"),
        ]
        .concat(),
    );
    let ran = ground.run("notify test").ends(4).says(&[
        "killed after",
        "exited with 3: the reason",
        "ignores: delivered",
        "/nonexistent",
        "`command` of the channel names the program; see that it is there and executable",
    ]);
    assert_eq!(ran.out.matches("run it by hand with a message").count(), 2, "those that started: {}", ran.out);
    assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
    let child = std::fs::read_to_string(pid).unwrap();
    let began = std::time::Instant::now();
    loop {
        let alive = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        if alive.is_empty() || alive.contains(") Z ") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{alive}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_log_that_is_not_there() {
    let ground = Ground::new();
    ground.configure("[[notify]]\nname = \"log\"\nkind = \"syslog\"\nsocket = \"@/none\"\n");
    ground.run("notify test").ends(4).says(&["cannot write to the system's log", "socket"]);
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", ""));
    std::fs::create_dir(ground.path("state")).unwrap();
    let state = ground.path("state");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k,mode=0700", "none"])
        .arg(&state)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: no file system can be mounted here");
        return;
    }
    ground.run("check --notify").ends(3);
    assert_eq!(receiver.came().len(), 1);
    let whole = std::fs::read(state.join("notify/record")).unwrap();
    let _ = std::fs::write(state.join("filler"), vec![0; 128 * 1024]);
    ground.bring("web");
    std::fs::copy(ground.path("web-new.pem"), ground.path("web.pem")).unwrap();
    let ran = ground.run("check --notify");
    let after = std::fs::read(state.join("notify/record"));
    let unmounted = std::process::Command::new("umount").arg(&state).status().unwrap();
    assert!(unmounted.success());
    assert_eq!(receiver.came().len(), 1, "it was told all the same");
    assert!(ran.err.contains("warning: what was told is not remembered"), "{ran:?}");
    assert_eq!(after.unwrap(), whole, "what was remembered stays");
}
