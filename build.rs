//! What `reseal --version` tells of this build: the commit, for which machine, with what. And in which order the linker lays out the
//! program.
//!
//! No git is needed: a tarball made by `git archive` or `cargo package` names its commit itself, and whoever builds may name it by the
//! variable `RESEAL_COMMIT`. Builds for tests look for none, so that a commit does not make all of them be compiled again.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RESEAL_COMMIT");
    println!("cargo::rerun-if-env-changed=AWS_LC_SYS_NO_JITTER_ENTROPY");
    let release = variable("PROFILE") == "release";
    println!("cargo::rustc-env=RESEAL_COMMIT={}", commit(release));

    let statically = variable("CARGO_CFG_TARGET_FEATURE").split(',').any(|feature| feature == "crt-static");
    let linked = if statically { "static" } else { "dynamic" };
    let kind = if release { "" } else { ", for tests" };
    println!("cargo::rustc-env=RESEAL_BUILT_FOR={}, {linked}{kind}", variable("TARGET"));

    println!("cargo::rustc-env=RESEAL_TARGET={}", variable("TARGET"));

    let mut features = vec!["acme", "aws-lc-rs", "local-ca"];
    if variable("CARGO_CFG_TARGET_OS") == "linux" {
        features.extend(["kernel-keyring", "secret-service"]);
    }
    // docs/security.md, "Random numbers".
    if !matches!(variable("AWS_LC_SYS_NO_JITTER_ENTROPY").as_str(), "1" | "true") {
        features.push("jitter-entropy");
    }
    println!("cargo::rustc-env=RESEAL_FEATURES={}", features.join(" "));

    if release && links_with_lld() {
        side_by_side();
    }
}

/// The functions of an ordinary run lie together, so that it needs half the memory (packaging/order/trace.py).
fn side_by_side() {
    let script = Path::new(&variable("CARGO_MANIFEST_DIR")).join("packaging/order/run.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    // Not behind `-Wl,`, which takes a comma in a path for the end of it.
    println!("cargo::rustc-link-arg-bins=-T{}", script.display());
}

/// Whether rustc brings LLVM's linker and takes it unasked, as it does for this target alone; GNU's takes many minutes over so many
/// patterns. Whoever builds may have chosen another, which may know no such script.
fn links_with_lld() -> bool {
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let chosen = env::var_os("RUSTC_LINKER").is_some() || flags.contains("link-arg") || flags.contains("linker");
    if chosen || variable("TARGET") != "x86_64-unknown-linux-gnu" {
        return false;
    }
    let told = Command::new(variable("RUSTC")).args(["--print", "sysroot"]).output();
    let sysroot = told.ok().and_then(|told| String::from_utf8(told.stdout).ok()).unwrap_or_default();
    let brought = format!("lib/rustlib/{}/bin/gcc-ld/ld.lld", variable("HOST"));
    Path::new(sysroot.trim()).join(brought).exists()
}

/// The commit, with `-dirty` where git sees changes to it; or that nobody knows.
fn commit(release: bool) -> String {
    let told = variable("RESEAL_COMMIT");
    if is_commit(told.trim_end_matches("-dirty")) {
        return told;
    }
    if !release {
        return "unknown".to_owned();
    }
    let root = variable("CARGO_MANIFEST_DIR");
    let root = Path::new(&root);
    let found = exported(root).or_else(|| packaged(root)).or_else(|| checked_out(root));
    found.unwrap_or_else(|| "unknown".to_owned())
}

/// Written by `git archive` (.gitattributes).
fn exported(root: &Path) -> Option<String> {
    println!("cargo::rerun-if-changed=packaging/commit");
    let text = fs::read_to_string(root.join("packaging/commit")).ok()?;
    shortened(text.trim())
}

/// Written by `cargo package`.
fn packaged(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join(".cargo_vcs_info.json")).ok()?;
    shortened(text.split("\"sha1\"").nth(1)?.split('"').nth(1)?)
}

/// Of this directory's own repository: one around it is somebody else's.
fn checked_out(root: &Path) -> Option<String> {
    if !root.join(".git").exists() {
        return None;
    }
    let git = |words: &[&str]| {
        let ran = Command::new("git").arg("-C").arg(root).args(words).output().ok()?;
        let out = String::from_utf8(ran.stdout).ok()?;
        ran.status.success().then(|| out.trim().to_owned())
    };
    for file in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--path-format=absolute", "--git-path", file]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    for source in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={source}");
    }
    git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
}

fn shortened(commit: &str) -> Option<String> {
    is_commit(commit).then(|| commit.chars().take(12).collect())
}

fn is_commit(text: &str) -> bool {
    text.len() >= 7 && text.chars().all(|c| c.is_ascii_hexdigit())
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
