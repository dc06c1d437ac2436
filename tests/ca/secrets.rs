//! Passphrases and keys stay where they belong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::ground::Ground;

const CANARY: &str = "canary-7c0ffee7";

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        }
        found.push(path);
    }
}

#[test]
fn no_verb_tells_a_passphrase_or_leaves_a_key_open() {
    let ground = Ground::new();
    ground.secret("pass", CANARY);
    ground.secret("old.pass", "canary-of-old");
    ground.openssl("req -x509 -newkey rsa:2048 -nodes -keyout corp.plain -subj /CN=corp -addext keyUsage=keyCertSign,cRLSign -days 99 -out corp.pem");
    ground.openssl("pkcs8 -topk8 -in corp.plain -v2 aes256 -passout file:old.pass -out corp.key");
    ground.openssl(
        "req -new -newkey ed25519 -nodes -keyout x.key -subj /CN=x -addext subjectAltName=DNS:x.example.org -out x.csr",
    );
    let plain = ground.openssl("pkey -in corp.plain -outform PEM");
    let body: Vec<&str> = plain.lines().filter(|line| !line.starts_with("-----")).collect();
    fs::create_dir(ground.path("out")).unwrap();
    let lines = [
        "ca init office --permit example.org --intermediate",
        "ca import corp --cert corp.pem --key corp.key --key-passphrase-file old.pass --permit example.org",
        "ca import wrong --cert corp.pem --key corp.key --permit example.org",
        "ca issue corp www.example.org --output out",
        "ca issue office www.example.org --passphrase-file old.pass",
        "ca sign office x.csr",
        "ca sign corp x.csr --output x.pem",
        "ca revoke corp x.pem",
        "ca crl corp",
        "ca crl office --output office.crl",
        "ca rekey office",
        "ca export office",
        "ca export office --root-key root.safe --take-off",
        "ca rekey office --switch",
        "ca show",
    ];
    for line in lines {
        for format in ["text", "json"] {
            for verbose in ["", "-v "] {
                let ran = ground.run(&format!("{verbose}--format {format} {line}"));
                for text in [&ran.out, &ran.err] {
                    assert!(!text.contains("canary"), "{line}: {text}");
                    assert!(!body.iter().any(|part| text.contains(part)), "{line}: {text}");
                    assert!(!text.contains("PRIVATE KEY-----"), "{line}: {text}");
                }
            }
        }
    }
    let mut all = Vec::new();
    files(&ground.path("state"), &mut all);
    assert!(all.len() > 15, "{all:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for path in &all {
        assert_eq!(mode(path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    for path in all.into_iter().filter(|path| path.is_file()).chain([ground.path("root.safe")]) {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains("canary"), "{}", path.display());
        assert!(
            !text.contains("BEGIN PRIVATE KEY") && !body.iter().any(|part| text.contains(part)),
            "{}",
            path.display()
        );
    }
    assert_eq!((mode(&ground.path("root.safe")), mode(&ground.path("out/privkey.pem"))), (0o600, 0o600));
}
