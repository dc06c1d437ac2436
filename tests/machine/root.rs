//! What the machines are made of: a Debian without reseal, and packages of the program under test. Both are made once and kept.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// What the system holds beyond Debian's minimum.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,nginx-light,iproute2,openssl,strace,ca-certificates,debconf,apt,rpm";

/// A second version of the same package.
pub const NEXT: &str = "0.2.0-1";

/// Where both are kept.
pub fn kept() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("machine");
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Why there can be no machine here; nothing where there can.
fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let has = |name: &str| ["/usr/bin", "/usr/sbin"].iter().any(|dir| Path::new(dir).join(name).exists());
    for (program, package) in
        [("systemd-nspawn", "systemd-container"), ("mmdebstrap", "mmdebstrap"), ("setpriv", "util-linux")]
    {
        if !has(program) {
            return Some(format!("needs {program} ({package})"));
        }
    }
    if Command::new("cargo")
        .arg("deb")
        .arg("--version")
        .env("PATH", path())
        .output()
        .is_ok_and(|ran| ran.status.success())
    {
        None
    } else {
        Some("needs cargo-deb, on PATH or in target/tools/bin".to_owned())
    }
}

fn path() -> String {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
    format!("{}:{}", std::env::var("PATH").unwrap_or_default(), project.display())
}

/// The system; none, with the reason printed, where there can be none.
pub fn system() -> Option<PathBuf> {
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return None;
    }
    let mut hasher = DefaultHasher::new();
    PACKAGES.hash(&mut hasher);
    let root = kept().join(format!("root-{:016x}", hasher.finish()));
    let _lock = locked("root");
    if !root.exists() {
        let fresh = root.with_extension("new");
        let _ = fs::remove_dir_all(&fresh);
        // It lets no service start while it installs.
        let ran = Command::new("mmdebstrap")
            .args(["--variant=minbase", "--quiet"])
            .arg(format!("--include={PACKAGES}"))
            .arg("bookworm")
            .arg(&fresh)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if !ran.status.success() {
            let _ = fs::remove_dir_all(&fresh);
            println!("skipped: no system could be made: {}", String::from_utf8_lossy(&ran.stderr));
            return None;
        }
        // Each machine makes its own at its first start.
        fs::write(fresh.join("etc/machine-id"), "").unwrap();
        fs::rename(&fresh, &root).unwrap();
    }
    // Not every machine lets a container be made.
    let probe = Command::new("systemd-nspawn")
        .args(["--quiet", "--register=no", "--keep-unit", "--private-network", "--volatile=overlay", "-D"])
        .arg(&root)
        .arg("/bin/true")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if !probe.status.success() {
        println!("skipped: systemd-nspawn is refused here: {}", String::from_utf8_lossy(&probe.stderr));
        return None;
    }
    Some(root)
}

/// The package of the program under test, as `packaging/build` makes it; with another version where one is named.
pub fn package(version: Option<&str>) -> PathBuf {
    made("deb", version)
}

/// The same for systems with rpm; none, with the reason printed, where there is no tool that makes it.
pub fn rpm() -> Option<PathBuf> {
    let tool = Command::new("cargo").args(["generate-rpm", "--help"]).env("PATH", path()).output();
    if tool.is_ok_and(|ran| ran.status.success()) {
        return Some(made("rpm", None));
    }
    println!("skipped: needs cargo-generate-rpm, on PATH or in target/tools/bin");
    None
}

fn made(kind: &str, version: Option<&str>) -> PathBuf {
    let _lock = locked("package");
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = Path::new(env!("CARGO_BIN_EXE_reseal"));
    let output = kept().join(format!("{kind}-{}", version.unwrap_or("first")));
    let newest = ["packaging", "docs", "Cargo.toml", "README.md"].map(|part| newest(&project.join(part)));
    let newest = newest.into_iter().chain([newest_of(binary)]).max().unwrap();
    let found = || {
        let entries = fs::read_dir(&output).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == kind)).max()
    };
    if let Some(package) = found()
        && newest_of(&package) > newest
    {
        return package;
    }
    let _ = fs::remove_dir_all(&output);
    let mut build = Command::new(project.join("packaging/build"));
    build.args([kind, "--fast", "yes", "--binary"]).arg(binary).arg("--output").arg(&output).env("PATH", path());
    if let Some(version) = version {
        build.args(["--version", version]);
    }
    let ran = build.stdin(Stdio::null()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    found().unwrap()
}

fn newest(path: &Path) -> SystemTime {
    if !path.is_dir() {
        return newest_of(path);
    }
    fs::read_dir(path).unwrap().map(|entry| newest(&entry.unwrap().path())).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest_of(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

/// Tests run beside one another, each in a process of its own: one of them makes, the others wait.
fn locked(what: &str) -> File {
    let lock = File::create(kept().join(format!("{what}.lock"))).unwrap();
    lock.lock().unwrap();
    lock
}
