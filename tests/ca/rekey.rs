//! A new root in place of an old one, and what is given out.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clients::{Case, all_take, chain, root};
use crate::ground::Ground;

fn target(ground: &Ground) {
    let text = format!(
        "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{0}/web.pem\"\nkey = \"{0}/web.key\"\n\
         [target.source]\nkind = \"local-ca\"\nca = \"office\"\n",
        ground.path("").display()
    );
    ground.write("reseal.toml", text.as_bytes());
    ground.openssl("req -x509 -newkey rsa:2048 -nodes -keyout web.key -subj /CN=www.example.org -days 9 -out web.pem");
}

#[test]
fn each_step_waits_for_the_one_before() {
    for intermediate in ["", "--intermediate"] {
        let ground = Ground::new();
        target(&ground);
        ground.run(&format!("ca init office --permit example.org {intermediate}")).good();
        ground.run("renew web").good();
        let served = |name: &str| fs::copy(ground.path("web.pem"), ground.path(name)).unwrap();
        served("old.pem");

        ground.run("ca rekey office --switch").refused("it has no next root");
        ground.run("ca rekey office --retire").refused("it has no former root");
        let planned = ground.json("--dry-run ca rekey office");
        assert_eq!(planned["results"][0]["next"]["subject"], "CN=reseal local CA office 2");
        assert!(!ground.of_ca("office", "2").exists());

        ground.run("--dry-run ca rekey office").good().says("the next root 2 would be made");
        assert_eq!(planned["results"][0]["step"], json!({ "what": "next-made", "roots": [2], "done": false }));
        ground.run("ca rekey office").good().says("made the next root 2").says("reseal local CA office 2");
        ground.run("ca rekey office").refused("its next root is made already");
        let shown = ground.json("ca show office");
        assert_eq!((&shown["results"][0]["number"], &shown["results"][0]["next"]["number"]), (&1.into(), &2.into()));
        assert_eq!(shown["results"][0]["next"]["exported"], false);
        // The present one goes on to issue.
        ground.run("renew web").good().says("good for now");
        ground.run("ca rekey office --switch").refused("was given to nobody yet");
        ground.run("--dry-run ca export office --output anchors.pem").good();
        ground.run("ca rekey office --switch").refused("was given to nobody yet");
        ground.run("ca export office --output anchors.pem").good().says("reseal local CA office 2");
        assert_eq!(String::from_utf8(ground.read("anchors.pem")).unwrap().matches("BEGIN").count(), 2);
        ground.run("--dry-run ca rekey office --switch").good().says("root 2 would issue from now on");
        assert_eq!(ground.json("ca show office")["results"][0]["number"], 1);

        ground.run("ca rekey office --switch").good().says("root 2 issues now").says("former");
        ground.run("ca rekey office").refused("a former root of it is not retired yet");
        ground.run("ca rekey office --retire").refused("web has a certificate from it still");
        ground.run("--dry-run ca rekey office --retire").refused("web has a certificate from it still");
        fs::create_dir(ground.path("out")).unwrap();
        ground.run("ca issue office mail.example.org --output out").good();

        // Who trusts both takes whatever is served in between.
        let planned = ground.run("--dry-run renew web").good();
        assert!(planned.out.contains("former root"), "{}", planned.out);
        ground.run("renew web").good().says("it is from a former root of its CA");
        served("new.pem");
        ground.run("renew web").good();
        let both = ground.path("anchors.pem");
        all_take(
            &ground,
            &[
                Case::new(&both, ground.path("old.pem"), "www.example.org"),
                Case::new(&both, ground.path("new.pem"), "www.example.org"),
                Case::new(ground.of_ca("office", "2/root.pem"), ground.path("new.pem"), "www.example.org"),
                Case::new(ground.of_ca("office", "2/root.pem"), chain(&ground, "out"), "mail.example.org"),
            ],
        );

        // What the former one issued is still revoked by its own list.
        ground.run("ca revoke office old.pem --reason superseded").good().says("ca crl office --root 1`");
        ground.run("ca crl office --root 1 --output old.crl").good();
        ground.run("ca crl office --output new.crl").good();
        // Certificates of both roots point to the same place.
        fs::copy(ground.path("old.crl"), ground.path("over.crl")).unwrap();
        for (dry, told) in [("--dry-run ", true), ("", true), ("", false)] {
            let ran = ground.run(&format!("{dry}ca crl office --output over.crl")).good();
            let said = format!("{}{}", ran.out, ran.err);
            assert_eq!(said.contains("was the list of root 1") && said.contains("--root 1 --output"), told, "{said}");
        }
        let trusted = [ground.read("old.crl"), ground.read("new.crl"), ground.read("anchors.pem")].concat();
        ground.write("trusted.pem", &trusted);
        let verify = |name: &str| {
            ground.openssl_tried(&format!("verify -crl_check -CAfile trusted.pem -untrusted {name} {name}"))
        };
        assert!(verify("old.pem").1.contains("certificate revoked"), "{}", verify("old.pem").1);
        assert!(verify("new.pem").0, "{}", verify("new.pem").1);

        ground.run("--dry-run ca rekey office --retire").good();
        ground.run("ca rekey office --retire").good();
        ground.run("ca rekey office --retire").refused("it has no former root");
        let shown = ground.json("ca show office");
        assert!(shown["results"][0]["former"].is_null() && shown["results"][0]["number"] == 2);
        assert!(root(&ground, "office").exists(), "a root that was trusted is not forgotten");
        assert!(!ground.of_ca("office", "root.key").exists() && !ground.of_ca("office", "issuer.key").exists());
        ground.run("ca crl office --root 1").refused("it has no root number 1");
        ground.run("renew web").good();
        ground.run("ca rekey office").good().says("reseal local CA office 3");
    }
}

#[test]
fn certificates_that_nobody_here_replaces_are_named() {
    let ground = Ground::new();
    ground.run("ca init office --permit example.org").good();
    for directory in ["one", "two"] {
        fs::create_dir(ground.path(directory)).unwrap();
        ground.run(&format!("ca issue office {directory}.example.org --output {directory}")).good();
    }
    ground.run("ca rekey office --key-type p384").good();
    ground.run("ca export office").good();
    ground.run("ca rekey office --switch").good().says("P-384");
    ground.run("ca revoke office one/fullchain.pem").good();
    ground.run("ca rekey office --retire").refused("nothing here replaces are good still: two.example.org");
    ground.run("--force ca rekey office --retire").good();
    // Nobody makes a list any more that could tell it.
    let serial = ground.openssl("x509 -in two/fullchain.pem -noout -serial").trim().replace("serial=", "");
    ground.run(&format!("ca revoke office {serial}")).refused("root number 1, which is retired");
    ground.run("ca revoke office two/fullchain.pem").refused("it has not issued the certificate two.example.org");
}

/// A CA whose second root issues, and a target with a certificate of the first.
fn switched(ground: &Ground) {
    ground.run("ca init office --permit example.org").good();
    ground.run("renew web").good();
    ground.run("ca rekey office").good();
    ground.run("ca export office").good();
    ground.run("ca rekey office --switch").good();
}

/// A target that was taken out of the configuration may serve its certificate somewhere still.
#[test]
fn a_target_that_is_gone_counts() {
    let ground = Ground::new();
    target(&ground);
    switched(&ground);
    ground.run("renew web").good();
    let configured = ground.read("reseal.toml");
    ground.write("reseal.toml", b"");
    ground.run("ca rekey office --retire").refused("nothing here replaces are good still: www.example.org");
    ground.write("reseal.toml", &configured);
    // What cannot be looked at may be from the former root.
    fs::rename(ground.path("web.pem"), ground.path("away.pem")).unwrap();
    fs::create_dir(ground.path("web.pem")).unwrap();
    ground.run("ca rekey office --retire").refused("web cannot be looked at");
    fs::remove_dir(ground.path("web.pem")).unwrap();
    fs::rename(ground.path("away.pem"), ground.path("web.pem")).unwrap();
    ground.run("ca rekey office --retire").good();
}

/// What another CA's target serves cannot be told where it cannot be looked at.
#[test]
fn a_target_that_went_to_another_ca_and_cannot_be_read_counts() {
    let ground = Ground::new();
    target(&ground);
    switched(&ground);
    let configured = String::from_utf8(ground.read("reseal.toml")).unwrap();
    ground.write("reseal.toml", configured.replace("ca = \"office\"", "ca = \"other\"").as_bytes());
    fs::remove_file(ground.path("web.pem")).unwrap();
    fs::create_dir(ground.path("web.pem")).unwrap();
    ground.run("ca rekey office --retire").refused("nothing here replaces are good still: www.example.org");
    assert!(ground.of_ca("office", "root.key").exists());
}

/// A line that cannot be read may be a certificate that somebody serves.
#[test]
fn a_record_with_gaps_retires_nothing_unasked() {
    let ground = Ground::new();
    ground.run("ca init office --permit example.org").good();
    fs::create_dir(ground.path("out")).unwrap();
    ground.run("ca issue office www.example.org --output out").good();
    ground.run("ca rekey office").good();
    ground.run("ca export office").good();
    ground.run("ca rekey office --switch").good();
    let (record, key) = (ground.of_ca("office", "issued"), ground.of_ca("office", "root.key"));
    let whole = fs::read_to_string(&record).unwrap();
    let damaged = whole.replacen("\"serial\"", "\"serail\"", 1);
    let unexported = whole.lines().filter(|line| !line.contains("exported")).collect::<Vec<_>>().join("\n");
    for (text, told) in [
        (Some(damaged.as_str()), "1 lines of its record cannot be read"),
        (Some(unexported.as_str()), "does not tell of the export of its present root"),
        (None, "does not tell of the export of its present root"),
    ] {
        fs::remove_file(&record).unwrap_or_default();
        if let Some(text) = text {
            fs::write(&record, text).unwrap();
        }
        ground.run("ca rekey office --retire").refused(told);
        ground.run("--dry-run ca rekey office --retire").refused(told);
        assert!(key.exists(), "{told}");
    }
    fs::create_dir(&record).unwrap();
    for force in ["", "--force"] {
        ground.run(&format!("{force} ca rekey office --retire")).refused("issued");
        assert!(key.exists(), "{force}");
    }
    fs::remove_dir(&record).unwrap();
    fs::write(&record, damaged).unwrap();
    ground.run("--force ca rekey office --retire").good();
    assert!(!key.exists());
}

/// Kills what it holds.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Files that are right are not enough where a server shows others.
#[test]
fn what_a_server_shows_counts() {
    let ground = Ground::new();
    target(&ground);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listening = String::from_utf8(ground.read("reseal.toml")).unwrap();
    let listening = listening.replace("[target.source]", &format!("listen = [\"127.0.0.1:{port}\"]\n[target.source]"));
    ground.write("reseal.toml", listening.as_bytes());
    ground.run("ca init office --permit example.org").good();
    ground.run("renew web");
    for name in ["pem", "key"] {
        fs::copy(ground.path(&format!("web.{name}")), ground.path(&format!("old.{name}"))).unwrap();
    }
    ground.run("ca rekey office").good();
    ground.run("ca export office").good();
    ground.run("ca rekey office --switch").good();
    ground.run("renew web");
    assert_ne!(ground.read("web.pem"), ground.read("old.pem"));
    let server = Command::new("openssl")
        .current_dir(ground.path("."))
        .args(format!("s_server -accept 127.0.0.1:{port} -cert old.pem -key old.key -quiet").split(' '))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let server = Server(server.unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "openssl s_server does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    ground.run("ca rekey office --retire").refused("which is not what its files hold");
    // Also where the target takes from somebody else by now.
    let (of_office, of_nobody) = (listening.as_str(), listening.split("[target.source]").next().unwrap());
    ground.write("reseal.toml", of_nobody.as_bytes());
    ground.run("ca rekey office --retire").refused("web shows a certificate from it still at 127.0.0.1");
    ground.write("reseal.toml", of_office.as_bytes());
    drop(server);
    ground.run("ca rekey office --retire").good();
}

/// What is staged will be served.
#[test]
fn what_is_staged_counts() {
    let ground = Ground::new();
    target(&ground);
    switched(&ground);
    for name in ["pem", "key"] {
        fs::copy(ground.path(&format!("web.{name}")), ground.path(&format!("old.{name}"))).unwrap();
    }
    ground.run("renew web").good();
    ground.run("stage web --cert old.pem --key old.key --force").good();
    ground.run("ca rekey office --retire").refused("which is staged for web, is from it");
    ground.run("stage web --drop").good();
    ground.run("ca rekey office --retire").good();
}

#[test]
fn one_passphrase_opens_all_keys_of_a_ca() {
    let ground = Ground::new();
    ground.secret("other", "battery staple");
    ground.run("ca init office --permit example.org").good();
    ground
        .run("ca rekey office --passphrase-file other")
        .refused("the passphrase does not open the key of the CA office");
    assert!(!ground.of_ca("office", "2").exists());
    ground.openssl("req -x509 -newkey rsa:2048 -nodes -keyout corp.key -subj /CN=corp -addext keyUsage=keyCertSign,cRLSign -days 99 -out corp.pem");
    ground.run("ca import corp --cert corp.pem --key corp.key --permit example.org").good();
    ground.run("ca rekey corp").refused("only whoever made it can give it a new root");
}

#[test]
fn what_is_given_out() {
    use std::os::unix::fs::PermissionsExt;
    let ground = Ground::new();
    ground.run("ca init plain --permit example.org").good();
    ground.run("ca init office --permit example.org --intermediate").good();
    let printed = ground.run("ca export office").good();
    assert_eq!(printed.out.into_bytes(), fs::read(root(&ground, "office")).unwrap());
    ground.run("ca export office --der --output office.cer").good();
    let shown = ground.openssl("x509 -inform DER -in office.cer -noout -subject");
    assert!(shown.contains("reseal local CA office"), "{shown}");
    ground.run("ca export office --der").refused("DER");
    ground.run("ca export office --output office.cer").refused("it is there already");
    ground.run("ca export office --root 2").refused("has no root of that number");

    let mode = |name: &str| fs::metadata(ground.path(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("office.cer"), 0o644);
    ground.run("ca export plain --root-key plain.key --take-off").refused("the root issues, so its key is needed here");
    ground.run("ca export plain --root-key plain.key").good();
    assert_eq!(mode("plain.key"), 0o600);
    ground.openssl("pkey -in plain.key -passin file:pass -noout");
    assert!(String::from_utf8(ground.read("plain.key")).unwrap().contains("ENCRYPTED PRIVATE KEY"));

    ground.run("--dry-run ca export office --root-key safe.key --take-off").good().says("would be removed from this");
    let planned = ground.json("--dry-run ca export office --root-key safe.key --take-off");
    let planned = &planned["results"][0];
    assert_eq!(
        (&planned["take_off"], &planned["taken_off"], &planned["written"]),
        (&true.into(), &false.into(), &false.into())
    );
    assert!(ground.of_ca("office", "root.key").exists() && !ground.path("safe.key").exists());
    let kept = fs::read(ground.of_ca("office", "root.key")).unwrap();
    ground.run("ca export office --root-key safe.key --take-off").good().says("no longer on this machine");
    assert!(!ground.of_ca("office", "root.key").exists() && ground.read("safe.key") == kept);
    fs::create_dir(ground.path("out")).unwrap();
    ground.run("ca issue office www.example.org --output out").good();
    ground.run("ca export office --root-key again.key").refused("is not on this machine");
    // And back: the file as it is.
    fs::copy(ground.path("safe.key"), ground.of_ca("office", "root.key")).unwrap();
    ground.run("ca show office").good().says("P-256, encrypted");
}
