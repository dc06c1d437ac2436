//! Databases of NSS, with the real certutil.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use crate::ground::{Ca, Ground, has, tool};

/// A database, and where it is as NSS writes it.
fn database(ground: &Ground, name: &str) -> String {
    fs::create_dir(ground.path(name)).unwrap();
    let sql = format!("sql:{}", ground.path(name).display());
    tool("certutil", &["-N", "-d", &sql, "--empty-password"]);
    sql
}

fn valid(sql: &str) -> bool {
    let words = ["-V", "-u", "V", "-n", "server", "-d", sql];
    Command::new("certutil").args(words).stdin(Stdio::null()).output().unwrap().status.success()
}

fn ground() -> Option<Ground> {
    let ground = Ground::new()?;
    has("certutil").then_some(ground)
}

#[test]
fn a_server_is_valid_only_while_its_ca_is_trusted() {
    let Some(ground) = ground() else { return };
    let ca = Ca::new("Browser Root");
    let file = ground.write("ca.pem", &ca.pem);
    let leaf = ground.write("leaf.pem", &ca.leaf().0);
    let sql = database(&ground, "db");
    tool("certutil", &["-A", "-d", &sql, "-n", "server", "-t", ",,", "-a", "-i", &leaf]);
    let store = format!("nss:{}", ground.path("db").display());
    assert!(!valid(&sql));
    let tree = ground.tree();
    ground.run(&["trust", "install", &file, "--store", &store, "--dry-run"]).ends(0).says("cert9.db");
    assert_eq!(ground.tree(), tree, "a plan runs no program on a copy");
    ground.run(&["trust", "install", &file, "--store", &store]).ends(0);
    assert!(valid(&sql));
    assert!(!ground.path("state/nss-copy").exists());
    let tree = ground.tree();
    ground.run(&["trust", "install", &file, "--store", &store]).ends(0).says("already");
    ground.run(&["trust", "list"]).ends(0).says("reseal-browser-root");
    assert_eq!(ground.tree(), tree);
    ground.run(&["trust", "remove", "browser-root"]).ends(0);
    assert!(!valid(&sql));
    let names = tool("certutil", &["-L", "-d", &sql]);
    assert!(names.contains("server") && !names.contains("reseal-"), "{names}");
    ground.run(&["restore", &format!("trust:{store}"), "2"]).ends(0);
    assert!(valid(&sql));
}

#[test]
fn what_others_have_there_is_left() {
    let Some(ground) = ground() else { return };
    let ca = Ca::new("Theirs");
    let file = ground.write("ca.pem", &ca.pem);
    let sql = database(&ground, "db");
    let store = format!("nss:{}", ground.path("db").display());
    tool("certutil", &["-A", "-d", &sql, "-n", "Their Own CA", "-t", "C,,", "-a", "-i", &file]);
    ground.run(&["trust", "install", &file, "--store", &store]).ends(0).says("Their Own CA").says("will not remove it");
    ground.run(&["trust", "remove", "theirs"]).ends(4);
    tool("certutil", &["-M", "-d", &sql, "-n", "Their Own CA", "-t", ",,"]);
    ground.run(&["trust", "install", &file, "--store", &store]).ends(4).warns("is not trusted there");

    // Ours, from which somebody takes the trust, or which somebody takes out.
    tool("certutil", &["-D", "-d", &sql, "-n", "Their Own CA"]);
    ground.run(&["trust", "install", &file, "--store", &store]).ends(0);
    tool("certutil", &["-M", "-d", &sql, "-n", "reseal-theirs", "-t", ",,"]);
    ground.run(&["trust", "list"]).ends(3).says("something else in its place");
    ground.run(&["trust", "remove", "theirs"]).ends(4).warns("somebody else has changed");
    tool("certutil", &["-D", "-d", &sql, "-n", "reseal-theirs"]);
    ground.run(&["trust", "remove", "theirs"]).ends(0).says("had removed theirs already");
}

#[test]
fn databases_that_cannot_be_changed_are_told() {
    let Some(ground) = ground() else { return };
    let ca = Ca::new("Root");
    ground.write("ca.pem", &ca.pem);
    fs::create_dir(ground.path("empty")).unwrap();
    fs::create_dir(ground.path("locked")).unwrap();
    let passphrase = ground.secret("pp", "some password");
    let locked = format!("sql:{}", ground.path("locked").display());
    tool("certutil", &["-N", "-d", &locked, "-f", &passphrase]);
    fs::create_dir(ground.path("old")).unwrap();
    tool("certutil", &["-N", "-d", &format!("dbm:{}", ground.path("old").display()), "--empty-password"]);
    fs::create_dir(ground.path("noise")).unwrap();
    ground.write("noise/cert9.db", "no database");
    ground.write("noise/key4.db", "no database");
    for (dir, why) in [
        ("empty", "there is no database"),
        ("nowhere", "there is no database"),
        ("locked", "it has a password"),
        ("old", "old format"),
        ("noise", "certutil"),
    ] {
        let before = ground.path(dir).exists().then(|| ground.names(dir));
        ground.run(&["trust", "install", "ca.pem", "--store", &format!("nss:{dir}")]).ends(4).warns(why).warns("hint:");
        assert_eq!(ground.path(dir).exists().then(|| ground.names(dir)), before, "{dir}");
        assert!(!ground.path("state/nss-copy").exists(), "{dir}: the copy with the keys is gone");
    }
    // A browser that has it open.
    database(&ground, "open");
    let mut browser =
        Command::new("sleep").arg("60").stdin(File::open(ground.path("open/cert9.db")).unwrap()).spawn().unwrap();
    let ran = ground.run(&["trust", "install", "ca.pem", "--store", "nss:open"]);
    browser.kill().unwrap();
    browser.wait().unwrap();
    ran.ends(4).warns("sleep").warns("has it open");
    ground.write("open/cert9.db-journal", "x");
    ground
        .run(&["trust", "install", "ca.pem", "--store", "nss:open"])
        .ends(4)
        .warns("is under way, or was never finished");
    fs::remove_file(ground.path("open/cert9.db-journal")).unwrap();
    ground.run(&["trust", "install", "ca.pem", "--store", "nss:open"]).ends(0);
}
