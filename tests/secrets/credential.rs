//! Credentials of systemd.

use std::fs;
use std::process::{Command, Stdio};

use crate::ground::{Ground, answer, has, state, timed};

/// A directory as systemd makes it: in memory, for the unit alone.
fn directory() -> Option<tempfile::TempDir> {
    let made = tempfile::tempdir_in("/dev/shm");
    if made.is_err() {
        println!("skipped: no /dev/shm");
    }
    made.ok()
}

#[test]
fn a_credential_comes_before_the_keyrings_and_its_strength_is_told() {
    let Some(directory) = directory() else { return };
    let ground = Ground::new();
    let inside = |line: &str| {
        let mut command = ground.command(line);
        command.env("CREDENTIALS_DIRECTORY", directory.path());
        command
    };
    timed(&mut inside("ca crl office")).ends(4).says(&["reseal.ca-office: it has none"]);
    fs::copy(ground.path("pass"), directory.path().join("reseal.ca-office")).unwrap();
    timed(&mut inside("ca crl office")).ends(0);
    let told = answer(&mut inside("--format json secret status"));
    assert_eq!((state(&told, "credential").as_str(), told["exit"].as_i64()), ("has", Some(0)));
    assert_eq!(told["results"][0]["source"], "credential");
    timed(&mut inside("secret status")).ends(0).says(&["in memory, for this unit alone", "LoadCredentialEncrypted="]);
    // A variable that anybody sets makes no credential of systemd out of a file.
    let mut plain = ground.command("secret status");
    let disk = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::copy(ground.path("pass"), disk.path().join("reseal.ca-office")).unwrap();
    plain.env("CREDENTIALS_DIRECTORY", disk.path());
    let told = timed(&mut plain).ends(0);
    assert!(told.out.contains("a file on a disk") || told.out.contains("in memory"), "{told:#?}");

    // One that cannot be used ends the search: it was meant, and what another source has was not.
    fs::write(directory.path().join("reseal.ca-office"), "").unwrap();
    timed(&mut inside("ca crl office")).ends(4).says(&["reseal.ca-office: it is empty"]);
    let told = answer(&mut inside("--format json secret status"));
    assert_eq!((state(&told, "credential").as_str(), told["exit"].as_i64()), ("unusable", Some(3)));
    assert_eq!(told["results"][0]["sources"].as_array().unwrap().len(), 1);
}

/// Of the files that a target imports: the source that the configuration's file had to be until now.
#[test]
fn a_store_is_opened_by_a_credential() {
    let Some(directory) = directory() else { return };
    let ground = Ground::bare();
    let openssl = |line: &str| {
        let ran = timed(Command::new("openssl").args(line.split(' ')).current_dir(ground.path("")));
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    };
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout a.key -subj /CN=www.example.org -addext subjectAltName=DNS:www.example.org -days 90 -out a.pem",
    );
    openssl("pkcs12 -export -inkey a.key -in a.pem -out a.p12 -passout file:pass");
    let root = ground.path("").display().to_string();
    let config = format!(
        "[[target]]\nname = \"web\"\nkind = \"files\"\nnames = [\"www.example.org\"]\ncertificate = \"{root}/web.pem\"\n\
         key = \"{root}/web.key\"\n[target.source]\nkind = \"import\"\nfrom = [\"{root}/a.p12\"]\n"
    );
    ground.write("reseal.toml", config, 0o644);
    ground.run("renew web").ends(4).says(&["encrypted, and no passphrase was given", "reseal.source-web"]);
    ground.run("secret status").ends(3).says(&["source-web: only a person has it", "a.p12, from which target web"]);
    fs::copy(ground.path("pass"), directory.path().join("reseal.source-web")).unwrap();
    let mut inside = ground.command("secret status");
    timed(inside.env("CREDENTIALS_DIRECTORY", directory.path()))
        .ends(0)
        .says(&["source-web: from the credential", "opens      /"]);
    let mut inside = ground.command("renew web");
    timed(inside.env("CREDENTIALS_DIRECTORY", directory.path())).ends(0);
    assert!(ground.path("web.key").exists());
}

/// Encrypted and decrypted by systemd's own program, under the name that the unit gives it.
#[test]
fn what_systemd_creds_encrypts_is_what_is_read() {
    let Some(directory) = directory() else { return };
    if !has("systemd-creds", "systemd") {
        return;
    }
    let ground = Ground::new();
    // Without a key of the machine, which a test has no business making.
    let creds = |words: &[&str]| {
        let ran = timed(Command::new("systemd-creds").args(words).current_dir(ground.path("")).stdin(Stdio::null()));
        if ran.code != Some(0) {
            println!("skipped: systemd-creds: {}", ran.err);
        }
        ran.code == Some(0)
    };
    let to = directory.path().join("reseal.ca-office").display().to_string();
    let name = "--name=reseal.ca-office";
    if !creds(&["encrypt", "--with-key=tpm2-absent", name, "pass", "office.cred"])
        || !creds(&["decrypt", name, "office.cred", &to])
    {
        return;
    }
    let mut inside = ground.command("ca crl office");
    timed(inside.env("CREDENTIALS_DIRECTORY", directory.path())).ends(0);
}

/// In a unit of a running systemd.
#[test]
fn a_unit_loads_it() {
    let running = Command::new("systemctl").arg("is-system-running").output();
    let state = running.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default();
    if !matches!(state.as_str(), "running" | "degraded") || !rustix::process::geteuid().is_root() {
        println!("skipped: no systemd runs here that root could start a unit of ({state:?})");
        return;
    }
    let ground = Ground::new();
    let run = ground.command("secret status");
    let mut unit = Command::new("systemd-run");
    unit.args(["--wait", "--pipe", "--quiet", "-p"])
        .arg(format!("LoadCredential=reseal.ca-office:{}", ground.path("pass").display()));
    unit.arg(run.get_program()).args(run.get_args());
    timed(&mut unit).ends(0).says(&["from the credential", "in memory, for this unit alone"]);
}
