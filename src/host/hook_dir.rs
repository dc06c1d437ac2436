//! What lies in a directory of hooks, and whether it may be run.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::exec::{ProgramError, check_program};
use crate::change::Command;

/// Something in a directory of hooks.
#[derive(Debug)]
pub struct Lying {
    /// Its path.
    pub path: PathBuf,
    /// What is to be said of it.
    pub verdict: Verdict,
}

/// Whether something is a hook.
#[derive(Debug)]
pub enum Verdict {
    /// It is, and may be run.
    Runs,
    /// It is a file without the permission to be executed, so nobody runs it.
    NotExecutable,
    /// It is a directory or the like.
    NotAFile,
    /// It is a link that leads nowhere.
    LeadsNowhere,
    /// Its name is not UTF-8, so no record could name it.
    Name,
    /// It must not be run: somebody else could have written it.
    Unsafe(ProgramError),
}

/// What lies in a directory of hooks, sorted by the bytes of the names; nothing where there is no such directory. As certbot has it,
/// what an editor has left (`~`) is passed over; so is what is hidden, unless it can be executed.
///
/// # Errors
/// The directory is there and cannot be read.
pub fn lying_in(directory: &Path) -> io::Result<Vec<Lying>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    let mut found = Vec::new();
    for name in names.iter().filter(|name| !name.as_bytes().ends_with(b"~")) {
        let path = directory.join(name);
        let verdict = judge(&path);
        let hidden = name.as_bytes().starts_with(b".");
        if !hidden || matches!(verdict, Verdict::Runs | Verdict::Unsafe(_)) {
            found.push(Lying { path, verdict });
        }
    }
    Ok(found)
}

fn judge(path: &Path) -> Verdict {
    let look = |source| Verdict::Unsafe(ProgramError::Look { path: path.to_owned(), source });
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(_) if path.is_symlink() => return Verdict::LeadsNowhere,
        Err(error) => return look(error),
    };
    if !found.is_file() {
        return Verdict::NotAFile;
    }
    if found.permissions().mode() & 0o111 == 0 {
        return Verdict::NotExecutable;
    }
    let Some(text) = path.as_os_str().to_str() else { return Verdict::Name };
    match check_program(&Command::new([text])) {
        Ok(()) => Verdict::Runs,
        Err(error) => Verdict::Unsafe(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_is_told_apart_and_sorted_by_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let put = |name: &str, mode: u32| {
            fs::write(path(name), "#!/bin/sh\n").unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        for (name, mode) in [("b", 0o755), ("a", 0o755), ("B", 0o700), ("10-x", 0o755), ("9-x", 0o755)] {
            put(name, mode);
        }
        put("plain", 0o644);
        put("old~", 0o755);
        put(".gitignore", 0o644);
        put(".hidden", 0o755);
        fs::create_dir(path("sub")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("gone")).unwrap();
        std::os::unix::fs::symlink("a", path("link")).unwrap();
        fs::write(directory.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
        fs::set_permissions(
            directory.path().join(std::ffi::OsStr::from_bytes(b"\xff")),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();

        let found = lying_in(directory.path()).unwrap();
        let told: Vec<String> = found
            .iter()
            .map(|one| {
                let name = one.path.file_name().unwrap().to_string_lossy().into_owned();
                let word = match &one.verdict {
                    Verdict::Runs => "runs",
                    Verdict::NotExecutable => "not executable",
                    Verdict::NotAFile => "no file",
                    Verdict::LeadsNowhere => "nowhere",
                    Verdict::Name => "name",
                    Verdict::Unsafe(_) => "unsafe",
                };
                format!("{name}: {word}")
            })
            .collect();
        assert_eq!(
            told,
            [
                ".hidden: runs",
                "10-x: runs",
                "9-x: runs",
                "B: runs",
                "a: runs",
                "b: runs",
                "gone: nowhere",
                "link: runs",
                "plain: not executable",
                "sub: no file",
                "\u{fffd}: name"
            ]
        );
        assert!(lying_in(&path("absent")).unwrap().is_empty());
        assert!(lying_in(&path("a")).is_err());
    }
}
