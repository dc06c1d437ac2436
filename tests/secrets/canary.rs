//! Marked passphrases and keys through every flow that handles one, and a look for them everywhere else: in the arguments and the
//! environment of every process that was started, in both streams, in every file that is not meant to hold them.

mod marks;
mod recorder;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::ground::{Ground, PASS, has};
use crate::pebble;
use crate::session::Session;
use marks::Marks;
use recorder::Recorder;

/// The passphrase of what is imported, and of a store that is exported.
const STORE: &str = "canary-store-5eed5eed";
/// Files that hold a passphrase on purpose.
const PASSPHRASES: &[&str] = &["pass", "store.pass", "eab.key"];

/// Whether a file is meant to hold a private key: then it must be its owner's alone.
fn holds_a_key(below: &str) -> bool {
    let named = |names: &[&str]| names.contains(&below);
    named(&["web.key", "marked.key", "marked.ec", "corp.key", "x.key", "ca/ca.key", "out/privkey.pem", "web-out.pem"])
        || below.starts_with("state/vault/")
        || below.starts_with("state/requests/")
        || below.starts_with("state/acme/")
}

fn configure(ground: &Ground, source: &str) {
    let root = ground.path("").display().to_string();
    let text = format!(
        "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{root}web.pem\"\n\
         key = \"{root}web.key\"\ncheck = [\"{root}hook\", \"check\"]\nreload = [\"{root}hook\", \"reload\"]\n[target.source]\n{source}\n"
    );
    ground.write("reseal.toml", text, 0o644);
}

fn prepare(ground: &Ground, recorder: &Recorder<'_>) {
    ground.write("store.pass", format!("{STORE}\n"), 0o600);
    // What a service's own hook sees: all of it goes into files that are searched.
    ground.write(
        "hook",
        "#!/bin/sh\nhere=${0%/*}\n{ env; echo \"$@\"; cat /proc/$PPID/cmdline $here/state/journal/*; cat; } >> $here/hook.seen 2>&1\n",
        0o755,
    );
    ground.write("bad-hook", "#!/bin/sh\necho it is bad; exit 1\n", 0o755);
    let openssl = |line: &str| recorder.beside("openssl", line);
    openssl("ecparam -name prime256v1 -genkey -noout -out marked.ec");
    openssl("pkcs8 -topk8 -nocrypt -in marked.ec -out marked.key");
    openssl(
        "req -x509 -key marked.key -subj /CN=www.example.org -addext subjectAltName=DNS:www.example.org -days 90 -out marked.crt",
    );
    openssl("pkcs12 -export -inkey marked.key -in marked.crt -out marked.p12 -name web -passout file:store.pass");
    openssl("pkcs8 -topk8 -in marked.key -v2 aes256 -passout file:store.pass -out locked.key");
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout corp.key -subj /CN=corp -addext keyUsage=keyCertSign,cRLSign -days 99 -out corp.pem",
    );
    openssl(
        "req -new -newkey ed25519 -nodes -keyout x.key -subj /CN=x -addext subjectAltName=DNS:x.example.org -out x.csr",
    );
    // The CA elsewhere of the worked example for commands.
    fs::create_dir(ground.path("ca")).unwrap();
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Office -days 900 -keyout ca/ca.key -out ca/ca.pem",
    );
    let example = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/command/openssl-ca")).unwrap();
    ground.write("carrier", example, 0o755);
    for key in ["marked.key", "marked.ec", "corp.key", "x.key", "ca/ca.key"] {
        fs::set_permissions(ground.path(key), fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::create_dir(ground.path("out")).unwrap();
}

/// Of local CAs: made, taken over, issuing, signing, revoking, changing their roots, given out.
fn authorities(recorder: &mut Recorder<'_>) {
    for line in [
        "ca init office --permit example.org --intermediate --passphrase-file pass",
        "ca import corp --cert corp.pem --key corp.key --permit example.org --passphrase-file pass",
        "ca import locked --cert marked.crt --key locked.key --key-passphrase-file store.pass --permit example.org --passphrase-file pass",
        "ca issue office www.example.org --output out --passphrase-file pass",
        "ca issue office www.example.org --output out --passphrase-file store.pass",
        "ca sign office x.csr --output x.crt --passphrase-file pass",
        "ca revoke office x.crt",
        "ca crl office --output office.crl --passphrase-file pass",
        "ca rekey office --passphrase-file pass",
        "ca export office --output roots.pem",
        "ca export office --root-key root.safe --passphrase-file pass",
        "ca rekey office --switch",
        "ca show office",
    ] {
        recorder.run(line);
    }
}

/// Of passphrases that are kept: in the kernel, and by a bus in the keyring.
fn kept(recorder: &mut Recorder<'_>, session: Option<&Session>) {
    for line in [
        "secret set ca-office --in kernel --minutes 5 --passphrase-file pass",
        "secret status",
        "ca crl office --output office.crl",
        "secret forget ca-office --in kernel",
        "secret set ca-office --passphrase-file store.pass",
    ] {
        recorder.run(line);
    }
    let Some(session) = session else { return };
    for line in [
        "secret set ca-office --passphrase-file pass",
        "secret status",
        "ca crl office --output office.crl",
        "ca init kept --permit example.org --store-keyring --passphrase-file pass",
        "secret forget ca-office --passphrase-file pass",
    ] {
        recorder.run_in(session, line);
    }
}

/// Of a target: installed from every packing, exported in every form, put back, recovered, and renewed by every kind of source.
fn target(ground: &Ground, recorder: &mut Recorder<'_>) {
    configure(ground, "kind = \"local-ca\"\nca = \"office\"");
    for line in [
        "install web --cert marked.crt --key marked.key --force --dry-run",
        "install web --cert marked.crt --key marked.key --force",
        "install web --from marked.p12 --passphrase-file store.pass --force",
        "install web --cert marked.crt --key locked.key --passphrase-file store.pass --force",
        "install web --cert marked.crt --key locked.key --passphrase-file pass --force",
        "install web --cert marked.crt --key corp.key --force",
        "export web --form jks --out web.jks --alias web --passphrase-file store.pass",
        "install web --from web.jks --passphrase-file store.pass --force",
        "export web --form p12 --out web.p12 --passphrase-file store.pass",
        "export web --form pem --out web-out.pem",
        "export web --form pem --out web-locked.pem --passphrase-file store.pass",
        "export web --form der --out web.der",
        "check web",
        "check marked.p12 --passphrase-file store.pass",
        "renew web --dry-run --passphrase-file pass",
        "renew web --passphrase-file pass --force",
        "status",
        "history",
        "backups verify",
        "restore web 1 --force",
        "recover",
        "csr web",
        "csr web --reuse-key --another",
        "scan . --passphrase-file store.pass",
    ] {
        recorder.run(line);
    }
    recorder.run_killed("install web --cert marked.crt --key marked.key --force");
    recorder.run("recover");
    // A change that fails is undone, with all that is told of it.
    let config = fs::read_to_string(ground.path("reseal.toml")).unwrap();
    ground.write("reseal.toml", config.replace("hook\", \"reload\"", "bad-hook\", \"reload\""), 0o644);
    recorder.run("renew web --passphrase-file pass --live");
    recorder.run("install web --cert marked.crt --key marked.key --force");
    configure(
        ground,
        &format!(
            "kind = \"import\"\nfrom = [\"{0}\"]\npassphrase_file = \"{1}\"",
            ground.path("marked.p12").display(),
            ground.path("store.pass").display()
        ),
    );
    recorder.run("renew web");
    recorder.run("secret status");
    configure(
        ground,
        &format!(
            "kind = \"command\"\ncommand = [\"{0}\", \"{1}\"]",
            ground.path("carrier").display(),
            ground.path("ca").display()
        ),
    );
    if has("python3", "python3") {
        recorder.run("renew web --force");
    }
    recorder.run("renew web --keep-key");
}

/// Of a real ACME server that binds accounts, where one is installed.
fn acme(ground: &Ground, recorder: &mut Recorder<'_>) -> bool {
    let Some(server) = pebble::start(pebble::Wish { bound: true, ..pebble::Wish::default() }) else { return false };
    ground.write("eab.key", format!("{}\n", pebble::MAC), 0o600);
    configure(ground, &format!("kind = \"acme\"\nlisten = \"127.0.0.1:{}\"", server.http));
    let create = format!(
        "acme account create --directory {} --root {} --agree-terms --eab-kid kid-1 --eab-key-file eab.key",
        server.directory(),
        server.root().display()
    );
    for line in [
        create.as_str(),
        "acme account show",
        "renew web --force",
        "acme account roll-key default",
        "acme account deactivate default",
    ] {
        recorder.run(line);
    }
    true
}

#[test]
fn no_secret_gets_out() {
    if !has("strace", "strace") || !has("openssl", "openssl") {
        return;
    }
    let ground = Ground::bare();
    let mut recorder = Recorder::new(&ground);
    prepare(&ground, &recorder);
    let session = Session::unlocked();
    authorities(&mut recorder);
    kept(&mut recorder, session.as_ref());
    target(&ground, &mut recorder);
    let by_acme = acme(&ground, &mut recorder);
    recorder.must_have_worked(if by_acme { &["acme account create"] } else { &[] });

    let mut marks = Marks::default();
    marks.passphrase(PASS);
    marks.passphrase(STORE);
    if by_acme {
        marks.passphrase(pebble::MAC);
    }
    let files = ground.tree("");
    for (path, _, bytes) in &files {
        marks.keys_of(path, bytes, &ground);
    }
    println!("{} commands, {} keys, {} marks, {} files", recorder.count(), marks.keys, marks.count(), files.len());
    assert!(marks.keys >= 8, "the keys were not found: {}", marks.keys);

    let mut leaks = Vec::new();
    for (what, bytes) in recorder.records() {
        leaks.extend(marks.found_in(bytes).map(|mark| format!("{what}: {mark}")));
    }
    let mut held = 0;
    for (path, mode, bytes) in &files {
        let below = path.strip_prefix(ground.dir.path()).unwrap().display().to_string();
        if PASSPHRASES.contains(&below.as_str()) {
            continue;
        }
        for mark in marks.found_in(bytes) {
            let meant = mark.starts_with("key ") && holds_a_key(&below) && mode % 0o100 == 0;
            held += usize::from(meant);
            if !meant {
                leaks.push(format!("{below} (mode {mode:04o}): {mark}"));
            }
        }
    }
    let hook = fs::read_to_string(ground.path("hook.seen")).unwrap();
    assert!(
        hook.contains("PATH=") && hook.contains("reload") && hook.contains("check"),
        "the hook saw nothing: {hook}"
    );
    assert!(held > 10, "the search does not even find keys where they are meant to be: {held}");
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    outside(&marks, &ground);
}

/// What the program might have left where nobody looks: below the usual places for files that are nobody's.
fn outside(marks: &Marks, ground: &Ground) {
    for place in ["/tmp", "/var/tmp", "/dev/shm"] {
        let Ok(entries) = fs::read_dir(place) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let ours = path.file_name().is_some_and(|name| name.to_string_lossy().contains("reseal"));
            if ours && path.is_file() && !path.starts_with(ground.dir.path()) {
                let bytes = fs::read(&path).unwrap_or_default();
                let found: Vec<_> = marks.found_in(&bytes).collect();
                assert!(found.is_empty(), "{}: {found:?}", path.display());
            }
        }
    }
}

/// The search itself can fail: each form in which a secret could get out is found.
#[test]
fn the_search_finds_every_form() {
    let ground = Ground::bare();
    let recorder = Recorder::new(&ground);
    recorder.beside("openssl", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out a.pem");
    recorder.beside("openssl", "pkey -in a.pem -outform DER -out a.der");
    let mut marks = Marks::default();
    marks.passphrase(PASS);
    let pem = fs::read(ground.path("a.pem")).unwrap();
    marks.keys_of(Path::new("a.pem"), &pem, &ground);
    assert_eq!(marks.keys, 1);
    let der = fs::read(ground.path("a.der")).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let spaced = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    let base64 = |bytes: &[u8]| marks::base64(bytes);
    let leaks: Vec<Vec<u8>> = vec![
        format!("PASS={PASS}").into_bytes(),
        hex(PASS.as_bytes()).into_bytes(),
        base64(PASS.as_bytes()).into_bytes(),
        base64(format!("user:{PASS}").as_bytes()).into_bytes(),
        pem.clone(),
        der.clone(),
        hex(&der).into_bytes(),
        hex(&der).to_uppercase().into_bytes(),
        spaced(&der).into_bytes(),
        base64(&der).into_bytes(),
        base64(&der[3..]).into_bytes(),
        format!("{der:?}").into_bytes(),
        pem[pem.len() / 3..].to_vec(),
    ];
    for leak in leaks {
        assert!(marks.found_in(&leak).next().is_some(), "{}", String::from_utf8_lossy(&leak));
    }
    assert!(marks.found_in(b"canary-passphrase, and nothing of the key").next().is_none());
}
