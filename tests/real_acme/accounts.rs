//! Accounts: made, shown, their keys exchanged, ended.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bench::Bench;
use crate::pebble::{MAC, Wish, start};

fn thumbprint(bench: &Bench) -> String {
    let shown = bench.run(&["--format", "json", "acme", "account", "show", "default"]).good();
    let value: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    value["results"][0]["thumbprint"].as_str().unwrap().to_owned()
}

#[test]
fn an_account_is_made_shown_given_another_key_and_ended() {
    let Some(pebble) = start(Wish::default()) else { return };
    let bench = Bench::new(&["www.example.org"], "");
    bench.run(&["acme", "account", "show"]).good().says(&["there is no ACME account here"]);
    bench.run(&["acme", "account", "show", "default"]).says(&["there is no ACME account \"default\""]);
    let (directory, root) = (pebble.directory(), pebble.root().display().to_string());
    let without = ["acme", "account", "create", "--directory", &directory, "--root", &root];
    let refused = bench.run(&without);
    assert_eq!(refused.code, 4);
    refused.says(&["terms of service were not agreed to: ", "--agree-terms"]);
    assert!(!bench.path("state/acme/account/default").exists(), "nothing was begun");

    let contact = ["--contact", "mailto:admin@example.org"];
    let made = bench.run(&[&without[..], &["--agree-terms"], &contact[..]].concat()).good();
    made.says(&["default: made", &directory, "mailto:admin@example.org", "/my-account/"]);
    for (path, mode, _) in bench.state() {
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    bench.register(&pebble).says(&["there is an ACME account \"default\" already"]);

    let first = thumbprint(&bench);
    bench.run(&["acme", "account", "roll-key", "default"]).good().says(&["has another key"]);
    let second = thumbprint(&bench);
    assert_ne!(first, second);
    bench.run(&["acme", "account", "roll-key", "default"]).good();
    bench.run(&["acme", "account", "deactivate", "default"]).good().says(&["deactivated"]);
    bench.run(&["acme", "account", "roll-key", "default"]).says(&["the ACME account \"default\" is deactivated"]);
    bench.register(&pebble).good();
}

/// Killed right after the server took the key, or the disk was full when the answer was to be kept: the record does not have the
/// account's URL. The same command finds the account by its key.
#[test]
fn a_key_that_the_server_knows_is_never_lost() {
    let Some(pebble) = start(Wish::default()) else { return };
    let bench = Bench::new(&["www.example.org"], "");
    bench.register(&pebble).good();
    let record = bench.path("state/acme/account/default/account");
    let whole = fs::read_to_string(&record).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let id = value["id"].as_str().unwrap().to_owned();
    value["standing"] = "begun".into();
    value.as_object_mut().unwrap().remove("id");
    fs::write(&record, value.to_string()).unwrap();
    let before = thumbprint(&bench);
    bench.run(&["acme", "account", "roll-key", "default"]).says(&["was begun, and never registered", "run the same"]);
    bench.register(&pebble).good().says(&[&id]);
    assert_eq!(thumbprint(&bench), before);

    // Killed between the exchange at the server and the one on the disk.
    let key = bench.path("state/acme/account/default/key");
    let old = fs::read(&key).unwrap();
    bench.run(&["acme", "account", "roll-key", "default"]).good();
    let (new, taken) = (fs::read(&key).unwrap(), thumbprint(&bench));
    fs::write(key.with_extension("next"), &new).unwrap();
    fs::write(&key, &old).unwrap();
    bench.run(&["acme", "account", "roll-key", "default"]).good();
    assert_ne!(thumbprint(&bench), taken, "the new one was found out, and followed by another");

    // Killed before the server heard of it.
    let now = thumbprint(&bench);
    fs::write(key.with_extension("next"), &old).unwrap();
    bench.run(&["acme", "account", "deactivate", "default"]).good();
    assert_eq!(thumbprint(&bench), now);
}

/// The key of the external account reaches nobody: no argument, no output, no file.
#[test]
fn an_external_account_is_bound_by_a_key_that_stays_secret() {
    let Some(pebble) = start(Wish { bound: true, ..Wish::default() }) else { return };
    let bench = Bench::new(&["www.example.org"], "");
    let refused = bench.register(&pebble);
    assert_eq!(refused.code, 4);
    refused.says(&["takes only accounts that are bound", "--eab-kid"]);
    let file = bench.path("eab.key");
    let (directory, root) = (pebble.directory(), pebble.root().display().to_string());
    let file_name = file.display().to_string();
    let create = |kid: &str| {
        let line = [
            "acme",
            "account",
            "create",
            "--directory",
            &directory,
            "--root",
            &root,
            "--agree-terms",
            "--eab-kid",
            kid,
        ];
        bench.run(&[&line[..], &["--eab-key-file", &file_name, "-v"]].concat())
    };
    fs::write(&file, "not base64!").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    create("kid-1").says(&["the key of the external account is not base64url"]);
    fs::write(&file, format!("{MAC}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(create("kid-1").code, 4, "others can read it");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let unknown = create("kid-9");
    assert_eq!(unknown.code, 4);
    unknown.says(&["the ACME server refuses: "]);
    let made = create("kid-1").good();
    assert!(!made.out.contains(MAC) && !made.err.contains(MAC));
    for (path, _, bytes) in bench.state() {
        assert!(!bytes.windows(MAC.len()).any(|window| window == MAC.as_bytes()), "{}", path.display());
    }
}

#[test]
fn a_server_that_cannot_be_asked() {
    let Some(pebble) = start(Wish::default()) else { return };
    let bench = Bench::new(&["www.example.org"], "");
    let create = |directory: &str| bench.run(&["acme", "account", "create", "--agree-terms", "--directory", directory]);
    create("http://127.0.0.1:1/dir").says(&["http is not encrypted", "HTTPS alone"]);
    create("https://127.0.0.1:1/dir").says(&["cannot reach 127.0.0.1:1"]);
    let distrusted = create(&pebble.directory());
    assert_eq!(distrusted.code, 4);
    distrusted.says(&["invalid peer certificate", "give `root`"]);
    let root = pebble.root().display().to_string();
    let wrong = format!("https://127.0.0.1:{}/nothing", pebble.port);
    let none = bench.run(&["acme", "account", "create", "--agree-terms", "--directory", &wrong, "--root", &root]);
    none.says(&["is no ACME directory: it answers 404"]);
    assert!(!bench.path("state/acme/account/default").exists());
}

/// Killed between the end of the account at the server and the one on the disk.
#[test]
fn an_account_that_the_server_has_ended_already_is_put_away() {
    let Some(pebble) = start(Wish::default()) else { return };
    let bench = Bench::new(&["www.example.org"], &format!("listen = \"127.0.0.1:{}\"", pebble.http));
    bench.register(&pebble).good();
    let record = bench.path("state/acme/account/default/account");
    let valid = fs::read(&record).unwrap();
    let first = thumbprint(&bench);
    bench.run(&["acme", "account", "deactivate"]).good().says(&["deactivated"]);
    fs::write(&record, &valid).unwrap();
    let refused = bench.run(&["renew"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    let hint =
        ["is of no use: ", "has deactivated it", "account deactivate default", "account create default --directory"];
    refused.says(&hint);
    bench.run(&["acme", "account", "roll-key"]).says(&hint);
    bench.run(&["acme", "account", "deactivate"]).good().says(&["deactivated"]);
    // Made anew without that, too: for the key that the server has ended there is another.
    fs::write(&record, &valid).unwrap();
    bench.register(&pebble).good();
    assert_ne!(thumbprint(&bench), first);
    bench.run(&["renew"]).good();
}

#[test]
fn a_server_whose_certificate_is_a_cas_own() {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let bench = Bench::new(&["www.example.org"], "");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let own = params.self_signed(&key).unwrap();
    let root = bench.path("root.pem");
    fs::write(&root, own.pem()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = format!("https://{}/dir", listener.local_addr().unwrap());
    let config = std::sync::Arc::new(config);
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut connection = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
            while connection.is_handshaking() && connection.complete_io(&mut socket).is_ok() {}
        }
    });
    let root = root.display().to_string();
    let line = ["acme", "account", "create", "--agree-terms", "--directory", &directory, "--root", &root];
    let refused = bench.run(&line);
    assert_eq!(refused.code, 4, "{refused:?}");
    refused.says(&["the certificate that it shows is that of a CA", "a certificate of its own"]);
    assert!(!refused.err.contains("OtherError"), "{refused:?}");
}
