//! What goes wrong: a command that fails, or does not do what it says; a store that cannot be written.

use std::fs;
use std::process::Command;

use crate::ground::{Ca, Ground, Ran};

/// A failure leaves neither file nor record nor trust.
fn nothing_is_left(ground: &Ground, ca: &Ca) {
    assert!(!ground.trusts(ca));
    assert!(ground.names("local").is_empty(), "{:?}", ground.names("local"));
    ground.run(&["trust", "list"]).ends(0).says("nothing was added");
    ground.run(&["recover"]).ends(0).says("nothing was interrupted");
}

#[test]
fn a_command_that_fails_is_undone() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Never");
    ground.write("ca.pem", &ca.pem);
    // It fails after it has done its work: the undo has to run it again, which fails again, and does its work again.
    ground.command("echo out of luck >&2; exit 3");
    ground.run(&["trust", "install", "ca.pem"]).ends(5).warns("out of luck").warns("everything is as it was before");
    nothing_is_left(&ground, &ca);
    ground.script("update", "exit 4");
    ground.run(&["trust", "install", "ca.pem"]).ends(5).warns("exited with 4");
    nothing_is_left(&ground, &ca);
    ground.command("");
    ground.run(&["trust", "install", "ca.pem"]).ends(0);
    ground.script("update", "exit 4");
    ground.run(&["trust", "remove", "never"]).ends(5);
    ground.run(&["trust", "list"]).ends(0).says("trusted");
    assert!(ground.trusts(&ca));
}

#[test]
fn a_command_that_does_nothing_is_seen_through() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Never");
    ground.write("ca.pem", &ca.pem);
    ground.script("update", "exit 0");
    ground.run(&["trust", "install", "ca.pem"]).ends(5).warns("does not hold the certificate");
    nothing_is_left(&ground, &ca);
    ground.command("");
    ground.run(&["trust", "install", "ca.pem"]).ends(0);
    ground.script("update", "exit 0");
    ground.run(&["trust", "remove", "never"]).ends(5).warns("still holds the certificate");
    ground.run(&["trust", "list"]).ends(0).says("trusted");
    assert!(ground.trusts(&ca) && ground.names("local") == ["reseal-never.crt"]);
}

#[test]
fn a_certificate_that_stays_trusted_after_the_undo_is_never_called_undone() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Sticky");
    ground.write("ca.pem", &ca.pem);
    // It takes certificates up, never lets one go, and fails.
    let (bundle, local) = (ground.path("etc/ca-certificates.crt"), ground.path("local"));
    ground
        .script("update", &format!("cat {}/*.crt >>{} 2>/dev/null || true; exit 1", local.display(), bundle.display()));
    ground.run(&["trust", "install", "ca.pem"]).ends(6).warns("still holds the certificate").warns("by hand");
    assert!(ground.names("local").is_empty());
    // As a person would: with the real command, the rest is the recovery's.
    ground.command("");
    assert!(Command::new(ground.path("update")).output().unwrap().status.success());
    ground.run(&["recover"]).ends(0);
    nothing_is_left(&ground, &ca);
}

/// Debian's command writes beside the bundle, and one that was killed leaves that file; the next one adds to it.
#[test]
fn half_a_bundle_of_a_killed_command_does_not_outlive_the_undo() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Half");
    ground.write("ca.pem", &ca.pem);
    let root = ground.path("").display().to_string();
    ground.command(&format!(
        "cd {root}; [ ! -e killed ] || exit 0; touch killed; cp etc/ca-certificates.crt etc/ca-certificates.crt.new; exit 1"
    ));
    ground.run(&["trust", "install", "ca.pem"]).ends(5);
    nothing_is_left(&ground, &ca);
}

#[test]
fn the_other_certificates_must_stay_trusted() {
    let Some(ground) = Ground::new() else { return };
    let (first, second) = (Ca::new("First"), Ca::new("Second"));
    ground.write("first.pem", &first.pem);
    ground.write("second.pem", &second.pem);
    ground.run(&["trust", "install", "first.pem"]).ends(0);
    // The new one alone, as a broken command might leave it; once.
    let once = format!(
        "[ -e {0}/broken ] && exit 0; touch {0}/broken; cp local/reseal-second.crt {0}/etc/ca-certificates.crt",
        ground.path("").display()
    );
    ground.command(&format!("cd {}; {once}", ground.path("").display()));
    ground.run(&["trust", "install", "second.pem"]).ends(5).warns("does not hold the certificate");
    assert!(ground.trusts(&first) && !ground.trusts(&second));
}

#[test]
fn a_store_that_cannot_be_written_is_refused_before_anything_is_touched() {
    let Some(ground) = Ground::new() else { return };
    let ca = Ca::new("Fixed");
    ground.write("ca.pem", &ca.pem);
    if Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|end| end.success()) {
        let root = ground.path("").display().to_string();
        ground.script(
            "inside",
            &format!(
                "cd {root}\nmount -t tmpfs -o ro none local\n{} --config reseal.toml trust install ca.pem",
                env!("CARGO_BIN_EXE_reseal")
            ),
        );
        let output = Command::new("unshare").arg("-m").arg(ground.path("inside")).output().unwrap();
        Ran::of(&output).ends(4).warns("local").warns("hint:");
        nothing_is_left(&ground, &ca);
    } else {
        println!("skipped: a store on a read-only file system, because no mount namespace can be made");
    }
    // A directory that is gone, a system of no known kind, a program that is not there.
    fs::remove_dir(ground.path("local")).unwrap();
    ground.run(&["trust", "install", "ca.pem"]).ends(4).warns("local");
    fs::create_dir(ground.path("local")).unwrap();
    fs::remove_file(ground.path("update")).unwrap();
    ground.run(&["trust", "install", "ca.pem"]).ends(4).warns("update");
    ground.write("etc/ca-certificates.crt", "this is no bundle");
    ground.run(&["trust", "install", "ca.pem"]).ends(4).warns("cannot read the certificates in").warns("hint:");
    assert!(ground.names("local").is_empty());
}
