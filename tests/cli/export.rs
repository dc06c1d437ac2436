//! What is exported, read by the programs it is for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::bench::{Bench, Leaf};

fn tool(bench: &Bench, program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).current_dir(bench.path(".")).stdin(Stdio::null()).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: {program}: {error}");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}\n{text}");
    Some(text)
}

fn mode(bench: &Bench, name: &str) -> u32 {
    fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o7777
}

#[test]
fn stores_are_read_by_openssl_and_keytool() {
    let bench = Bench::new();
    bench.installed("one");
    let key = tool(&bench, "openssl", &["pkey", "-in", "web.key", "-pubout"]).unwrap();
    for (name, passphrase, words) in [
        ("modern.p12", "change it", &["--form", "p12"][..]),
        // Java takes none but ASCII.
        ("beyond.p12", "chängeit", &["--form", "p12"]),
        ("legacy.p12", "change it", &["--form", "p12", "--legacy", "--alias", "tömcat"]),
        ("store.jks", "chängeit", &["--form", "jks", "--alias", "Tomcat"]),
    ] {
        let secret = bench.write("pp", &format!("{passphrase}\n"), 0o600);
        let all: Vec<&str> = ["export", "web", "--out", name, "--passphrase-file", &secret]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        let dry: Vec<&str> = all.iter().copied().chain(["--dry-run"]).collect();
        bench.run(&dry).ends(0).says("would be written");
        assert!(!bench.path(name).exists());
        let ran = bench.run(&all).ends(0).says("it holds the private key");
        assert_eq!(ran.out.contains("Java opens no such store"), name == "beyond.p12", "{}", ran.out);
        assert_eq!(mode(&bench, name), 0o600);
        bench.run(&all).ends(4).warns("it is there already");
        bench.run(&["check", &format!("./{name}"), "--passphrase-file", &secret]).says("www.example.org");
        if name != "beyond.p12" {
            let encoding = ["-J-Dfile.encoding=UTF-8", "-J-Dsun.jnu.encoding=UTF-8"];
            let list = ["-list", "-v", "-keystore", name, "-storepass", passphrase];
            if let Some(listed) = tool(&bench, "keytool", &[&encoding[..], &list].concat()) {
                assert!(listed.contains("PrivateKeyEntry") && listed.contains("CN=www.example.org"), "{listed}");
            }
        }
        if name.ends_with("p12") {
            let opened = tool(
                &bench,
                "openssl",
                &["pkcs12", "-in", name, "-passin", &format!("pass:{passphrase}"), "-nodes", "-out", "opened.pem"],
            );
            assert!(opened.is_some());
            assert_eq!(tool(&bench, "openssl", &["pkey", "-in", "opened.pem", "-pubout"]).unwrap(), key, "{name}");
        }
        if name == "modern.p12" {
            bench.run(&["install", "web", "--from", name]).ends(4).warns("`--passphrase-file FILE`");
        }
        // And back again.
        bench.run(&["install", "web", "--from", name, "--passphrase-file", &secret]).ends(0).says("already in place");
    }
}

/// A store of two pairs, by keytool, which alone puts several into one.
fn two_pairs(bench: &Bench, format: &str) -> bool {
    for name in ["one", "two"] {
        let words = format!(
            "-genkeypair -alias {name} -keyalg EC -groupname secp256r1 -dname CN={name} -ext san=dns:www.example.org -validity 90 -storetype \
             {format} -keystore both.{format} -storepass changeit -keypass changeit"
        );
        if tool(bench, "keytool", &words.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>()).is_none() {
            return false;
        }
    }
    true
}

#[test]
fn of_several_pairs_one_is_chosen_by_its_name() {
    let bench = Bench::new();
    let secret = bench.write("pp", "changeit\n", 0o600);
    for format in ["pkcs12", "jks"] {
        if !two_pairs(&bench, format) {
            return;
        }
        let store = format!("both.{format}");
        let install = ["install", "web", "--passphrase-file", &secret, "--from", &store];
        let ran = bench.run(&install).ends(4).warns("several pairs").warns("--alias NAME");
        let err = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(err.contains("entry \"one\"") && err.contains("entry \"two\""), "{}", ran.err);
        let ran = bench.run(&[&install[..], &["--alias", "three"]].concat()).ends(4);
        assert!(ran.err.contains("no store has an entry \"three\"; the entries are one, two"), "{}", ran.err);
        for name in ["two", "one"] {
            bench.run(&[&install[..], &["--alias", name]].concat()).ends(0);
            let text = tool(&bench, "openssl", &["x509", "-in", "web.pem", "-noout", "-subject"]).unwrap();
            assert!(text.contains(&format!("CN = {name}")), "{text}");
        }
    }
    bench.configure(&format!(
        "[target.source]\nkind = \"import\"\nfrom = [\"{}\"]\nalias = \"two\"\npassphrase_file = \"{secret}\"\n",
        bench.path("both.pkcs12").display()
    ));
    bench.run(&["check", "web"]).ends(3).says("self-signed");
    bench.run(&["renew"]).ends(0);
    let text = tool(&bench, "openssl", &["x509", "-in", "web.pem", "-noout", "-subject"]).unwrap();
    assert!(text.contains("CN = two"), "{text}");
}

#[test]
fn plain_forms_and_generations_are_exported() {
    let bench = Bench::new();
    let first = bench.served();
    bench.installed("one");
    bench.run(&["export", "web", "--form", "pem", "--no-key", "--out", "chain.pem"]).ends(0);
    assert_eq!(
        (fs::read_to_string(bench.path("chain.pem")).unwrap(), mode(&bench, "chain.pem")),
        (bench.served(), 0o644)
    );
    // What another program keeps beside it is not swept away, neither by success nor by failure.
    bench.write(".all.pem.reseal-new", "another's", 0o600);
    bench.run(&["export", "web", "--form", "pem", "--out", "all.pem"]).ends(0);
    bench.run(&["export", "web", "--form", "pem", "--out", "all.pem"]).ends(4);
    assert_eq!(fs::read_to_string(bench.path(".all.pem.reseal-new")).unwrap(), "another's");
    // What a run that was killed has left goes, for it is a key; what one that runs is about to write stays.
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let [dead, alive] = [child.id(), std::process::id()].map(|pid| format!(".both.pem.{pid}.reseal-new"));
    bench.write(&dead, "a key", 0o600);
    bench.write(&alive, "a key", 0o600);
    bench.run(&["export", "web", "--form", "pem", "--out", "both.pem"]).ends(0);
    assert!(!bench.path(&dead).exists() && bench.path(&alive).exists());
    let all = fs::read_to_string(bench.path("all.pem")).unwrap();
    assert!(all.starts_with(&bench.served()) && all.contains("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(mode(&bench, "all.pem"), 0o600);
    let secret = bench.write("pp", "changeit\n", 0o600);
    bench.run(&["export", "web", "--form", "pem", "--out", "sealed.pem", "--passphrase-file", &secret]).ends(0);
    let sealed = fs::read_to_string(bench.path("sealed.pem")).unwrap();
    assert!(sealed.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") && !sealed.contains("BEGIN PRIVATE KEY"));
    bench.run(&["export", "web", "1", "--form", "der", "--out", "first.der"]).ends(0);
    let pem = tool(&bench, "openssl", &["x509", "-inform", "DER", "-in", "first.der"]).unwrap();
    assert_eq!(pem, first);
    let json = bench.json(&["export", "web", "1", "--form", "pem", "--out", "first.pem"]);
    let result = &json["results"][0];
    assert_eq!((result["with_key"].as_bool(), result["generation"].as_u64()), (Some(true), Some(1)), "{json}");
    assert!(!json.to_string().contains("PRIVATE KEY"));
}

#[test]
fn what_cannot_be_exported_is_told() {
    let bench = Bench::new();
    let ran = bench.run(&["export", "web", "--form", "p12", "--out", "a.p12"]).ends(4);
    assert!(ran.err.contains("passphrase"), "{}", ran.err);
    let empty = bench.write("empty", "\n", 0o600);
    bench
        .run(&["export", "web", "--form", "p12", "--out", "a.p12", "--passphrase-file", &empty])
        .ends(4)
        .warns("empty");
    let short = bench.write("short", "abc\n", 0o600);
    bench
        .run(&["export", "web", "--form", "jks", "--out", "a.jks", "--passphrase-file", &short])
        .ends(4)
        .warns("passphrase");
    bench.run(&["export", "web", "--form", "p12", "--no-key", "--out", "a.p12"]).ends(4).warns("without the key");
    bench.run(&["export", "web", "7", "--form", "pem", "--out", "a.pem"]).ends(4).warns("no generation 7");
    bench.run(&["export", "nobody", "--form", "pem", "--out", "a.pem"]).ends(2);
    bench.run(&["export", "web", "--form", "pem", "--out", "none/a.pem"]).ends(4).warns("none");
    let (_, key) = Leaf::default().make();
    bench.write("web.key", &key, 0o600);
    bench.run(&["export", "web", "--form", "pem", "--out", "a.pem"]).ends(4).warns("no private key that belongs");
    for words in [
        "--form pem --legacy",
        "--form jks --legacy",
        "--form pem --alias x",
        "--form der --alias x",
        "--form der --no-key",
        "--form der --passphrase-file short",
        "--form pem --no-key --passphrase-file short",
    ] {
        let line: Vec<&str> = ["export", "web", "--out", "a.pem"].into_iter().chain(words.split(' ')).collect();
        bench.run(&line).ends(2).warns("can only be used with ");
    }
    bench.run(&["export", "web", "--form", "pem", "--out", "-"]).ends(2).warns("`-` is no file");
    assert!(!bench.path("-").exists());
    assert!(fs::read_dir(bench.path(".")).unwrap().flatten().all(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        !name.starts_with("a.") && !name.contains("reseal-new")
    }));
}
