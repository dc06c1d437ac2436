//! Whether a program may be run: it is there, and in nobody's hands but root's.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::change::Command;
use crate::host::attributes::lets_others_write;
use crate::host::process;

/// Why a program must not be run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// There is no path, or one that depends on where reseal was started.
    #[error("the program {program:?} is not named by an absolute path")]
    NotAbsolute {
        /// As given.
        program: String,
    },
    /// It, or a directory on its path, cannot be looked at.
    #[error("look at the program {}", path.display())]
    Look {
        /// What was looked at.
        path: PathBuf,
        /// Why it cannot be.
        source: io::Error,
    },
    /// It is a directory, a device or the like.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// The program.
        path: PathBuf,
    },
    /// It lacks the permission bit.
    #[error("{} is not executable", path.display())]
    NotExecutable {
        /// The program.
        path: PathBuf,
    },
    /// Somebody who is not root decides what root would run.
    #[error("{} can be changed by others than root (owner {uid}, group {gid}, mode {mode:04o})", path.display())]
    Writable {
        /// The program or a directory above it.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its permission bits.
        mode: u32,
    },
}

impl ProgramError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotAbsolute { .. } => "write the whole path; no shell looks it up",
            Self::Look { .. } | Self::NotAFile { .. } => "check the path in the configuration",
            Self::NotExecutable { .. } => "give it the permission with chmod +x, or name its interpreter first",
            Self::Writable { .. } => {
                "reseal runs it as root: give it to root and take write permission from the others"
            }
        }
    }
}

/// Whether `command` names a program that can be run and, for root, one that only root can change: the file itself and
/// every directory on its path, links followed.
///
/// # Errors
/// The first thing that speaks against it.
pub fn check_program(command: &Command) -> Result<(), ProgramError> {
    check_program_as(command, geteuid().is_root())
}

pub(super) fn check_program_as(command: &Command, root: bool) -> Result<(), ProgramError> {
    let program = command.argv.first().map_or("", String::as_str);
    let path = Path::new(program);
    if !path.is_absolute() {
        return Err(ProgramError::NotAbsolute { program: program.to_owned() });
    }
    let found = look(path)?;
    if !found.is_file() {
        return Err(ProgramError::NotAFile { path: path.to_owned() });
    }
    if found.permissions().mode() & 0o111 == 0 {
        return Err(ProgramError::NotExecutable { path: path.to_owned() });
    }
    // It runs with these rights already: the demo tells its server with it, from wherever it was built.
    let this_one = process::program().is_ok_and(|this| this == path);
    if root && !this_one {
        check_kept(path)?;
    }
    Ok(())
}

/// Links in a row that are followed, as the kernel does.
const MAX_LINKS: usize = 40;

/// Whether a program is one that only root can change, though this process may be that very program: it is to be run by others later.
///
/// # Errors
/// The first thing that speaks against it.
pub fn check_kept(path: &Path) -> Result<(), ProgramError> {
    let real = fs::canonicalize(path).map_err(|source| ProgramError::Look { path: path.to_owned(), source })?;
    // The links on the way count as well: whoever made one, or may rename it, decides what is run.
    let mut at = path.to_owned();
    for _ in 0..MAX_LINKS {
        at.ancestors().try_for_each(only_root_changes)?;
        let Ok(to) = fs::read_link(&at) else { break };
        at = at.parent().map_or_else(|| to.clone(), |dir| dir.join(&to));
    }
    real.ancestors().try_for_each(only_root_changes)
}

fn only_root_changes(path: &Path) -> Result<(), ProgramError> {
    // Whose a link is decides where it leads: in a sticky directory anybody may have made it.
    let itself = fs::symlink_metadata(path).map_err(|source| ProgramError::Look { path: path.to_owned(), source })?;
    if itself.is_symlink() && itself.uid() != 0 {
        let (uid, gid, mode) = (itself.uid(), itself.gid(), itself.mode() & 0o7777);
        return Err(ProgramError::Writable { path: path.to_owned(), uid, gid, mode });
    }
    let found = look(path)?;
    let (uid, gid, mode) = (found.uid(), found.gid(), found.mode() & 0o7777);
    // Behind an ACL the group's bits are those of whoever it names.
    let by_list = || !itself.is_symlink() && lets_others_write(path, &[0]).unwrap_or(true);
    let by_group = mode & 0o020 != 0 && (gid != 0 || by_list());
    let by_others = mode & 0o002 != 0;
    // In a sticky directory nobody can rename or remove what belongs to root, and everything below is looked at too.
    let sticky = found.is_dir() && mode & 0o1000 != 0;
    if uid == 0 && (sticky || !(by_group || by_others)) {
        return Ok(());
    }
    Err(ProgramError::Writable { path: path.to_owned(), uid, gid, mode })
}

fn look(path: &Path) -> Result<fs::Metadata, ProgramError> {
    fs::metadata(path).map_err(|source| ProgramError::Look { path: path.to_owned(), source })
}
