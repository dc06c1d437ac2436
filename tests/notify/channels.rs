//! Each way of telling, with what it says on the wire.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use aws_lc_rs::hmac;

use crate::ground::{Ground, Receiver, TOKEN};

#[test]
fn a_webhook_is_signed_and_says_who_asks() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    let key = ground.write("key", "the key\n", 0o600);
    let token = ground.write("token", TOKEN, 0o600);
    ground.configure(&receiver.channel("ops", &format!("key_file = {key:?}\ntoken_file = {token:?}")));
    ground.run("notify test ops").ends(0).says(&["ops: delivered", "HTTP 200 OK"]);
    let came = receiver.came();
    let (stamp, signature) = (came[0].header("reseal-timestamp").unwrap(), came[0].header("reseal-signature").unwrap());
    let age = time::OffsetDateTime::now_utc().unix_timestamp() - stamp.parse::<i64>().unwrap();
    assert!((0..60).contains(&age), "{age}");
    let hex = signature.strip_prefix("v1=").unwrap();
    let tag: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    let signed = [format!("v1:{stamp}:").as_bytes(), &came[0].body].concat();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, b"the key"), &signed, &tag).unwrap();
    assert_eq!(came[0].header("authorization"), Some(format!("Bearer {TOKEN}")));
    let body = came[0].json();
    assert_eq!((body["test"].as_bool(), body["id"].as_str()), (Some(true), came[0].header("reseal-id").as_deref()));
}

#[test]
fn each_shape_is_what_its_receiver_reads() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    let url = ground.write("url", format!("http://127.0.0.1:{}/services/x", receiver.port), 0o600);
    let channels: String = ["slack", "teams", "ntfy", "alertmanager"]
        .iter()
        .map(|shape| {
            format!("[[notify]]\nname = \"{shape}\"\nkind = \"webhook\"\nshape = \"{shape}\"\nurl_file = {url:?}\n")
        })
        .collect();
    ground.configure(&channels);
    ground.run("check --notify").ends(3);
    let came = receiver.came();
    assert_eq!(came.len(), 4);
    let of = |mark: &str| came.iter().find(|one| String::from_utf8_lossy(&one.body).contains(mark)).unwrap();
    assert!(of("\"mrkdwn\":false").json()["text"].as_str().unwrap().contains("web: self-signed"));
    assert_eq!(of("AdaptiveCard").json()["attachments"][0]["content"]["type"], "AdaptiveCard");
    let alerts = of("alertname").json();
    assert_eq!(alerts[0]["labels"]["alertname"], "ResealFinding");
    assert!(alerts[0]["endsAt"].as_str() > alerts[0]["startsAt"].as_str());
    let plain = came.iter().find(|one| one.header("priority").is_some()).unwrap();
    assert_eq!(plain.header("priority").as_deref(), Some("4"));
    assert!(plain.header("title").unwrap().contains("critical"));
}

/// What a dry run shows is what is sent.
#[test]
fn a_dry_run_shows_each_in_its_own_form() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    let url = ground.write("url", format!("http://127.0.0.1:{}/services/{TOKEN}", receiver.port), 0o600);
    let (journal, log) = (ground.path("journal"), ground.path("log"));
    let told = ground.path("told");
    let shapes = ["reseal", "slack", "teams", "ntfy", "alertmanager"];
    let mut text: String = shapes
        .iter()
        .map(|shape| {
            format!("[[notify]]\nname = \"{shape}\"\nkind = \"webhook\"\nshape = \"{shape}\"\nurl_file = {url:?}\n")
        })
        .collect();
    text.push_str(&format!(
        "[[notify]]\nname = \"mail\"\nkind = \"smtp\"\nserver = \"127.0.0.1:1\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n\
         [[notify]]\nname = \"tell\"\nkind = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \"cat > {}\"]\n\
         [[notify]]\nname = \"journal\"\nkind = \"journald\"\nsocket = {journal:?}\n\
         [[notify]]\nname = \"log\"\nkind = \"syslog\"\nsocket = {log:?}\n[ping]\nurl_file = {url:?}\n",
        told.display()
    ));
    ground.configure(&text);
    let answer = ground.json("notify test --dry-run");
    assert!(receiver.came().is_empty() && !told.exists() && !answer.to_string().contains(TOKEN));
    let shown = |name: &str| {
        let all = answer["results"].as_array().unwrap();
        let one = all.iter().find(|one| one["channel"] == name).unwrap();
        assert!(one["delivered"].is_null(), "{one}");
        one["message"].as_str().unwrap().to_owned()
    };
    // The same but for its id and its time.
    let parts = |text: &str| -> Vec<String> {
        let marks = |c: char| c.is_ascii_digit() || c.is_ascii_hexdigit();
        text.split(|c: char| !c.is_ascii_alphabetic())
            .filter(|part| !part.chars().all(marks))
            .map(str::to_owned)
            .collect()
    };
    for shape in shapes {
        ground.run(&format!("notify test {shape}")).ends(0);
        let came = receiver.came().remove(0);
        let body = String::from_utf8(came.body.clone()).unwrap();
        let fields: String = ["title", "priority"]
            .iter()
            .filter_map(|name| came.header(name).map(|value| format!("{name}: {value}\n")))
            .collect();
        let sent = if fields.is_empty() { body } else { format!("{fields}\n{body}") };
        assert_eq!(parts(&shown(shape)), parts(&sent), "{shape}");
    }
    assert!(shown("ntfy").starts_with("title: [test] reseal on "), "{}", shown("ntfy"));
    assert!(shown("slack").contains("\"mrkdwn\":false"));
    ground.run("notify test tell").ends(0);
    assert_eq!(parts(&shown("tell")), parts(&std::fs::read_to_string(&told).unwrap()));
    let mail = shown("mail");
    assert!(
        mail.starts_with("subject: [test] reseal on ") && mail.contains("\n\ndone: test: this is a test"),
        "{mail}"
    );
    assert!(mail.contains("\n-- \nreseal notify test on "), "{mail}");
    let (far, line) = (UnixDatagram::bind(&journal).unwrap(), UnixDatagram::bind(&log).unwrap());
    for one in [&far, &line] {
        one.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    ground.run("notify test journal").ends(0);
    ground.run("notify test log").ends(0);
    let mut bytes = vec![0; 65536];
    let count = far.recv(&mut bytes).unwrap();
    let record = String::from_utf8_lossy(&bytes[..count]).into_owned();
    for field in shown("journal").lines() {
        assert!(record.contains(field.split_once('=').unwrap().1), "{field} is not in {record}");
    }
    let count = line.recv(&mut bytes).unwrap();
    assert!(String::from_utf8_lossy(&bytes[..count]).ends_with(shown("log").trim_end()));
    let ping = ground.run("notify test ping --dry-run").ends(0).says(&["ping: would be sent; nothing was", "exit 0"]);
    assert!(receiver.came().is_empty() && !ping.out.contains(TOKEN));
    // A mail is shown as its lines.
    ground
        .run("notify test mail --dry-run")
        .ends(0)
        .says(&["  message    subject: [test]", "             done: test:"]);
}

#[test]
fn https_is_verified_by_the_root_that_is_named() {
    let ground = Ground::new();
    let (good, other) = (Receiver::secure("localhost"), Receiver::secure("elsewhere.example"));
    let root = ground.write("root.pem", good.root.as_ref().unwrap(), 0o644);
    let wrong = ground.write("wrong.pem", other.root.as_ref().unwrap(), 0o644);
    let channel = |name: &str, port: u16, more: String| {
        format!(
            "[[notify]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"https://localhost:{port}/x\"\nlimit = 3\n{more}\n"
        )
    };
    ground.configure(
        &[
            channel("good", good.port, format!("root = {root:?}")),
            channel("untrusted", good.port, format!("root = {wrong:?}")),
            channel("misnamed", other.port, format!("root = {wrong:?}")),
        ]
        .concat(),
    );
    ground.run("notify test good").ends(0).says(&["HTTP 200"]);
    for name in ["untrusted", "misnamed"] {
        ground.run(&format!("notify test {name}")).ends(4).says(&["NOT delivered", "certificate", "root"]);
    }
    assert_eq!((good.came().len(), other.came().len()), (1, 0), "nothing was said to whom nobody trusts");
}

#[test]
fn plain_http_stays_on_this_machine() {
    let ground = Ground::new();
    let channel = |more: &str| {
        format!("[[notify]]\nname = \"far\"\nkind = \"webhook\"\nurl = \"http://192.0.2.1/x\"\nlimit = 1\n{more}\n")
    };
    ground.configure(&channel(""));
    ground.run("notify test").ends(4).says(&["http is not encrypted, and it is another machine", "plain = true"]);
    ground.configure(&channel("plain = true"));
    let ran = ground.run("notify test").ends(4);
    assert!(!ran.out.contains("not encrypted"), "{ran:?}");
}

#[test]
fn a_command_reads_json_in_a_clean_environment() {
    let ground = Ground::new();
    let out = ground.path("out");
    let script = format!("/usr/bin/env > {0}.env; /bin/cat > {0}; echo taken", out.display());
    ground.configure(&format!(
        "[[notify]]\nname = \"tell\"\nkind = \"command\"\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\n"
    ));
    ground.run("notify test").ends(0).says(&["tell: delivered", "exited with 0: taken"]);
    let body: serde_json::Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(body["test"], true);
    let env = std::fs::read_to_string(format!("{}.env", out.display())).unwrap();
    let names: Vec<&str> = env.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(names.iter().all(|name| ["PATH", "LANG", "PWD", "_", "SHLVL", "OLDPWD"].contains(name)), "{env}");
}

#[test]
fn a_record_of_the_journal_has_its_fields_and_no_others() {
    let ground = Ground::new();
    let (journal, log) = (ground.path("journal"), ground.path("log"));
    let (far, line) = (UnixDatagram::bind(&journal).unwrap(), UnixDatagram::bind(&log).unwrap());
    for one in [&far, &line] {
        one.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    ground.configure(&format!(
        "[[notify]]\nname = \"journal\"\nkind = \"journald\"\nsocket = {journal:?}\n\
         [[notify]]\nname = \"log\"\nkind = \"syslog\"\nsocket = {log:?}\n"
    ));
    ground.run("check --notify").ends(3);
    let mut bytes = vec![0; 65536];
    let count = far.recv(&mut bytes).unwrap();
    let record = String::from_utf8_lossy(&bytes[..count]).into_owned();
    for name in ["PRIORITY\n", "RESEAL_TARGET\n", "RESEAL_CODE\n", "RESEAL_STATE\n", "RESEAL_LEAF\n", "MESSAGE\n"] {
        assert!(record.contains(name), "{name} {record}");
    }
    let count = line.recv(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
    assert!(text.starts_with("<26>") && text.contains("finding critical: web: self-signed:"), "{text}");
    assert!(!text.contains('\n'));
}

/// Where there is a journal, what is sent is what it shows.
#[test]
fn the_real_journal_shows_the_fields() {
    use std::process::Command;
    let socket = std::path::Path::new("/run/systemd/journal/socket");
    if !socket.exists() {
        println!("skipped: no journal runs here");
        return;
    }
    let ground = Ground::new();
    ground.configure("[[notify]]\nname = \"journal\"\nkind = \"journald\"\n");
    ground.run("notify test").ends(0);
    let began = std::time::Instant::now();
    let shown = loop {
        let mut read = Command::new("journalctl");
        read.args(["-t", "reseal", "RESEAL_TEST=1", "-n", "1", "-o", "json"]);
        let shown = read.output().unwrap().stdout;
        // It takes its time until a record can be read.
        match serde_json::from_slice::<serde_json::Value>(&shown) {
            Ok(shown) => break shown,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(shown["RESEAL_CODE"], "test", "{shown}");
}

#[test]
fn a_channel_of_one_target_hears_of_that_alone() {
    let (ground, receiver) = (Ground::new(), Receiver::new());
    ground.configure(&receiver.channel("ops", "targets = [\"mail*\"]"));
    ground.run("check --notify").ends(3);
    assert!(receiver.came().is_empty());
    ground.configure(&receiver.channel("ops", "targets = [\"we*\"]\nseverity = \"critical\""));
    ground.run("check --notify").ends(3);
    assert_eq!(receiver.came().len(), 1);
}
