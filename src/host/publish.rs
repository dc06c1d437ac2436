//! Putting a report where others read it: whole or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::dir::DiskError;

/// Writes `bytes` to `path`, readable by everybody: into a new file beside it, synced, then renamed over what was there. A reader sees
/// the old text or the new one, never a part.
///
/// Nothing of a report is secret, and the directory may be another user's (that of a textfile collector is), so nothing is asked of it.
/// A link at `path` is not followed, and what is no regular file is not replaced.
///
/// # Errors
/// The directory is missing or not writable, something else than a file stands at `path`, or whatever the system says; then what was
/// there is untouched.
pub fn publish(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let failed = |what: &'static str| move |errno: Errno| DiskError::new(what, path, errno);
    let name = path.file_name().ok_or_else(|| DiskError::new("write", path, Errno::ISDIR))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let dir = fs::openat(CWD, parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(failed("open the directory of"))?;
    match fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(failed("look at")(errno)),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {}
        Ok(_) => {
            let why = io::Error::other("something that is no regular file is there; name a file, or remove it");
            return Err(DiskError::new("replace", path, why));
        }
    }
    // A dot in front and another ending: collectors take neither for a report.
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.reseal-new", std::process::id()));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Left by a process of the same number that was killed.
    let _ = fs::unlinkat(&dir, &beside, AtFlags::empty());
    let file = fs::openat(&dir, &beside, flags, Mode::RUSR | Mode::WUSR).map_err(failed("create a file beside"))?;
    let mut file = File::from(file);
    let put = file
        .write_all(bytes)
        .and_then(|()| Ok(fs::fchmod(&file, Mode::from_raw_mode(0o644))?))
        .and_then(|()| file.sync_all())
        .and_then(|()| Ok(fs::renameat(&dir, &beside, &dir, name)?));
    if let Err(error) = put {
        let _ = fs::unlinkat(&dir, &beside, AtFlags::empty());
        return Err(DiskError::new("write", path, error));
    }
    fs::fsync(&dir).map_err(failed("sync the directory of"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn it_is_whole_readable_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reseal.prom");
        publish(&path, b"one\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let old = File::open(&path).unwrap();
        publish(&path, b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(io::read_to_string(old).unwrap(), "one\n", "whoever reads the old one reads all of it");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_directory_of_somebody_else_is_good_enough() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("collector");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&open, Some(65_534), Some(65_534)).unwrap();
        }
        // What another left under the name that is used beside it is not written to.
        let victim = dir.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        let beside = format!(".reseal.prom.{}.reseal-new", std::process::id());
        symlink(&victim, open.join(beside)).unwrap();
        publish(&open.join("reseal.prom"), b"x").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        assert_eq!(fs::read_dir(&open).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        let link = dir.path().join("link");
        symlink(&victim, &link).unwrap();
        let inside = dir.path().join("directory");
        fs::create_dir(&inside).unwrap();
        for path in [link.as_path(), &inside, Path::new("/dev/null"), Path::new("/")] {
            assert!(publish(path, b"x").is_err(), "{}", path.display());
        }
        assert!(publish(&dir.path().join("none/x"), b"x").unwrap_err().is_absent());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
