//! Which programs run: a console left open blocks a vendor's change (`must_not_run`).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::exec;
use crate::change::Command;

/// Of `names`, those that run now. Compared with the program's name as the kernel knows it (15 bytes) and with the last part of
/// its executable's path.
#[must_use]
pub fn running(names: &[String]) -> Vec<String> {
    if names.is_empty() {
        return Vec::new();
    }
    among(names, &programs(|_| true))
}

/// The same of those that root has started: for what only root can start, others may not stand in.
#[must_use]
pub fn running_as_root(names: &[String]) -> Vec<String> {
    among(names, &programs(|process| process.metadata().is_ok_and(|found| found.uid() == 0)))
}

/// Whether a process of this number is there.
#[must_use]
pub fn is_there(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn among(names: &[String], present: &[String]) -> Vec<String> {
    names.iter().filter(|name| present.iter().any(|program| matches(program, name))).cloned().collect()
}

fn matches(program: &str, name: &str) -> bool {
    program == name || (program.len() == 15 && name.starts_with(program))
}

fn programs(counts: impl Fn(&fs::DirEntry) -> bool) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) || !counts(&entry) {
            continue;
        }
        if let Ok(name) = fs::read_to_string(entry.path().join("comm")) {
            found.push(name.trim_end().to_owned());
        }
        if let Some(name) =
            fs::read_link(entry.path().join("exe")).ok().and_then(|exe| exe.file_name().map(ToOwned::to_owned))
        {
            found.push(name.to_string_lossy().into_owned());
        }
    }
    found
}

/// The processes that have one of these files open, as `name (number)`; those that may be looked at.
#[must_use]
pub fn holding(paths: &[&Path]) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let number = entry.file_name().to_string_lossy().into_owned();
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(open) = fs::read_dir(entry.path().join("fd")) else { continue };
        let holds = open.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|file| paths.contains(&file.as_path())));
        if holds && number != std::process::id().to_string() {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push(format!("{} ({number})", name.trim_end()));
        }
    }
    found
}

/// A process that may not see the whole file system.
pub struct Confined {
    /// Its number.
    pub pid: u32,
    /// How, completing "the process …".
    pub how: String,
}

/// The processes of a user that run in another root directory or under an enforced AppArmor profile: what they can read is not
/// what the paths say.
#[must_use]
pub fn confined(uid: u32) -> Vec<Confined> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if !entry.metadata().is_ok_and(|found| found.uid() == uid) {
            continue;
        }
        if let Ok(root) = fs::read_link(entry.path().join("root")).as_deref()
            && root != std::path::Path::new("/")
        {
            found.push(Confined { pid, how: format!("runs in the root directory {}", root.display()) });
        }
        let profile = fs::read_to_string(entry.path().join("attr/apparmor/current"));
        if let Some(profile) =
            profile.ok().and_then(|text| text.trim_end().strip_suffix(" (enforce)").map(str::to_owned))
        {
            found.push(Confined { pid, how: format!("is confined by the AppArmor profile {profile}") });
        }
    }
    found
}

/// The id of a user of this machine: from `/etc/passwd`, or from `id -u` where users live elsewhere (LDAP, systemd-homed).
#[must_use]
pub fn user_id(name: &str) -> Option<u32> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let listed = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)).flatten()?.parse().ok()
    });
    listed.or_else(|| {
        if name.starts_with('-') {
            return None;
        }
        let output = id("-u", name, 64).ok()?;
        output.trim().parse().ok()
    })
}

fn id(what: &str, name: &str, most: usize) -> Result<String, String> {
    let command = Command::new(["/usr/bin/id", what, name]);
    exec::capture(&command, command.limit(), most)
}

/// The groups of a user of this machine, its own first, from `id -G`, which asks wherever users live; empty where that cannot tell.
#[must_use]
pub fn groups_of(name: &str) -> Vec<u32> {
    if name.starts_with('-') {
        return Vec::new();
    }
    let output = id("-G", name, 64 * 1024).unwrap_or_default();
    output.split_whitespace().filter_map(|group| group.parse().ok()).collect()
}

/// Where this program is, links resolved.
///
/// # Errors
/// The system does not tell.
pub fn program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// What this machine is called; none where it does not say.
#[must_use]
pub fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname")).ok()?;
    let name = name.trim();
    (!name.is_empty() && name.len() <= 255).then(|| name.to_owned())
}

/// Keeps memory that may hold a key out of core dumps and away from debuggers of the same user. Unlike a resource limit
/// it does not pass to the programs that are started.
pub fn keep_memory_private() {
    // Where the kernel knows no such thing there is nothing to be done about it.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Keeps the descriptors that this process was given, such as that of `--passphrase-fd`, from the programs that it starts: the standard ones
/// are for each of them to say.
pub fn keep_descriptors_private() {
    #[cfg(unix)]
    close_fds::set_fds_cloexec(3, &[]);
}

/// Who runs this, for receipts: the user id and, under sudo, the name of whoever called it; where somebody became root otherwise, the
/// id they logged in with.
#[must_use]
pub fn actor() -> String {
    let uid = rustix::process::getuid().as_raw();
    match std::env::var("SUDO_USER") {
        // A name is one word of 32 characters at most; what is none came from elsewhere than sudo.
        Ok(name) if uid == 0 && (1..=64).contains(&name.len()) => format!("uid {uid}, sudo by {name}"),
        Ok(_) | Err(_) => match login() {
            Some(login) if login != uid => format!("uid {uid}, logged in as uid {login}"),
            Some(_) | None => format!("uid {uid}"),
        },
    }
}

/// The id that the session was begun with, which `su` and `sudo` do not change; none for services.
fn login() -> Option<u32> {
    fs::read_to_string("/proc/self/loginuid").ok()?.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_program_by_name() {
        let mut child = std::process::Command::new("/bin/sleep").arg("5").spawn().unwrap();
        let found = running(&["sleep".to_owned(), "no-such-console".to_owned()]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, ["sleep"]);
    }

    #[test]
    fn what_somebody_else_has_started_is_not_roots() {
        use std::os::unix::process::CommandExt;
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root starts programs as somebody else");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let program = dir.path().join("a-manager");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut child = std::process::Command::new(&program).arg("5").uid(65534).spawn().unwrap();
        let names = ["a-manager".to_owned()];
        let (all, roots) = (running(&names), running_as_root(&names));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((all, roots), (names.to_vec(), Vec::new()));
    }

    #[test]
    fn a_name_the_kernel_cut_is_found() {
        assert!(matches("integrationcons", "integrationconsole"));
        assert!(!matches("integration", "integrationconsole"));
    }
}
