//! Putting a report where others read it, whole or not at all; and taking one up again.

mod kind;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat};
use rustix::io::Errno;
use time::OffsetDateTime;

use super::dir::DiskError;

pub use self::kind::Kind;

/// How much of what stands there is looked at: more than texts have that come before a certificate.
const LOOKED_AT: u64 = 1024 * 1024;

/// Writes `bytes` to `path`: into a new file beside it, synced, then renamed over what was there. A reader sees the old text or the new
/// one, never a part. A new file can be read by everybody, one that is replaced by nobody who could not read it before.
///
/// Nothing of a report is secret, and the directory may be another user's (that of a textfile collector is), so nothing is asked of it.
/// A link at `path` is not followed; what is no regular file, and what is not of the same kind, is not replaced. A request that is
/// there already, byte for byte, is left alone.
///
/// # Errors
/// The directory is missing or not writable, something of another kind stands at `path`, or whatever the system says; then what was
/// there is untouched.
pub fn publish(path: &Path, kind: Kind, bytes: &[u8]) -> Result<(), DiskError> {
    let failed = |what: &'static str| move |errno: Errno| DiskError::new(what, path, errno);
    let Spot { dir, name, old } = Spot::of(path)?;
    if old.is_some() {
        let there = head(dir.as_fd(), name).map_err(|error| DiskError::new("look into", path, error))?;
        if kind == Kind::Request && there == bytes {
            return Ok(());
        }
        kind.may_replace(&there).map_err(|why| DiskError::new("replace", path, io::Error::other(why)))?;
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
        .and_then(|()| Ok(fs::fchmod(&file, mode(file.as_fd(), old.as_ref()))?))
        .and_then(|()| file.sync_all())
        .and_then(|()| Ok(fs::renameat(&dir, &beside, &dir, name)?));
    if let Err(error) = put {
        let _ = fs::unlinkat(&dir, &beside, AtFlags::empty());
        return Err(DiskError::new("write", path, error));
    }
    fs::fsync(&dir).map_err(failed("sync the directory of"))
}

/// Whether something of this kind could be put at `path` as things are: asked before what is put there is made.
///
/// # Errors
/// As [`publish`].
pub fn publishable(path: &Path, kind: Kind) -> Result<(), DiskError> {
    let Spot { dir, name, old } = Spot::of(path)?;
    let write = fs::Access::WRITE_OK | fs::Access::EXEC_OK;
    fs::accessat(&dir, ".", write, AtFlags::EACCESS)
        .map_err(|errno| DiskError::new("create a file beside", path, errno))?;
    if old.is_some() {
        let there = head(dir.as_fd(), name).map_err(|error| DiskError::new("look into", path, error))?;
        kind.may_replace(&there).map_err(|why| DiskError::new("replace", path, io::Error::other(why)))?;
    }
    Ok(())
}

/// Where something is put, and the regular file that is there.
struct Spot<'p> {
    dir: OwnedFd,
    name: &'p OsStr,
    old: Option<Stat>,
}

impl<'p> Spot<'p> {
    fn of(path: &'p Path) -> Result<Self, DiskError> {
        let failed = |what: &'static str| move |errno: Errno| DiskError::new(what, path, errno);
        let name = path.file_name().ok_or_else(|| DiskError::new("write", path, Errno::ISDIR))?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        let dir = fs::openat(CWD, parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(failed("open the directory of"))?;
        let old = match fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(failed("look at")(errno)),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => Some(stat),
            Ok(_) => {
                let why = io::Error::other("something that is no regular file is there; name a file, or remove it");
                return Err(DiskError::new("replace", path, why));
            }
        };
        Ok(Self { dir, name, old })
    }
}

/// For everybody to read; for nobody who could not read what it replaces. Its group goes with it, or is given nothing.
fn mode(new: BorrowedFd<'_>, old: Option<&Stat>) -> Mode {
    let all = Mode::from_raw_mode(0o644);
    let Some(old) = old else { return all };
    let kept = all & Mode::from_raw_mode(old.st_mode);
    let same_group = fs::fstat(new).is_ok_and(|stat| stat.st_gid == old.st_gid)
        || fs::fchown(new, None, Some(Gid::from_raw(old.st_gid))).is_ok();
    if same_group || kept.contains(Mode::ROTH) { kept } else { kept - Mode::RGRP }
}

/// How a regular file begins.
fn head(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(fs::openat(dir, name, flags, Mode::empty())?);
    let mut bytes = Vec::new();
    file.take(LOOKED_AT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file that an earlier run has written.
#[derive(Debug)]
pub struct Earlier {
    /// Open for reading.
    pub file: File,
    /// When it was last written to.
    pub written: OffsetDateTime,
}

/// Opens what an earlier run has written.
///
/// # Errors
/// It is no regular file, or whatever the system says.
pub fn reopen(path: &Path) -> io::Result<Earlier> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(Earlier { file, written: metadata.modified()?.into() })
}

/// Whether both are there and are one file, by device and inode.
#[must_use]
pub fn same_file(one: &Path, other: &Path) -> bool {
    let is = |path: &Path| fs::stat(path).map(|stat| (stat.st_dev, stat.st_ino));
    matches!((is(one), is(other)), (Ok(one), Ok(other)) if one == other)
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
        publish(&path, Kind::Verdicts, b"SSL_CERT one\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let old = File::open(&path).unwrap();
        publish(&path, Kind::Verdicts, b"SSL_CERT two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"SSL_CERT two\n");
        assert_eq!(io::read_to_string(old).unwrap(), "SSL_CERT one\n", "whoever reads the old one reads all of it");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn nobody_reads_it_who_could_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.html");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        publish(&path, Kind::Verdicts, b"SSL_CERT one").unwrap();
        assert_eq!(mode(), 0o644);
        for (old, new) in [(0o600, 0o600), (0o640, 0o640), (0o666, 0o644), (0o775, 0o644), (0o604, 0o604)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(old)).unwrap();
            publish(&path, Kind::Verdicts, b"SSL_CERT two").unwrap();
            assert_eq!(mode(), new, "{old:o}");
        }
        if rustix::process::geteuid().is_root() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            std::os::unix::fs::chown(&path, None, Some(65_534)).unwrap();
            publish(&path, Kind::Verdicts, b"SSL_CERT three").unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::gid(&fs::metadata(&path).unwrap()), 65_534);
            assert_eq!(mode(), 0o640);
        }
    }

    #[test]
    fn a_certificate_or_a_key_is_not_replaced() {
        let own = crate::cert::fixture::self_signed(&crate::cert::fixture::Wish::server("a.example"));
        let pem = own.certificate.to_pem();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.pem");
        let texts: [&[u8]; 10] = [
            pem.as_bytes(),
            &[b"\xef\xbb\xbf\n", pem.as_bytes()].concat(),
            &[b"Certificate:\r\n    Data:\r\n", pem.as_bytes()].concat(),
            b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
            own.certificate.der(),
            // PKCS#8 of Ed25519: 48 octets.
            b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70",
            // PKCS#12 with an indefinite length.
            b"\x30\x80\x02\x01\x03",
            b"\xfe\xed\xfe\xed\0\0\0\x02",
            b"\xce\xce\xce\xce\0\0\0\x02",
            b"\x30\x82",
        ];
        for text in texts {
            fs::write(&path, text).unwrap();
            let error = publish(&path, Kind::Verdicts, b"x").unwrap_err();
            assert!(crate::outcome::explain(&error).contains("holds a certificate or a key"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), text);
        }
        // A configuration is no report either, and the same request is left as it is.
        fs::write(&path, "events {}\n").unwrap();
        for kind in [Kind::Page, Kind::Verdicts, Kind::Request] {
            publish(&path, kind, b"x").unwrap_err();
        }
        assert_eq!(fs::read(&path).unwrap(), b"events {}\n");
        fs::write(&path, "odd").unwrap();
        publish(&path, Kind::Request, b"odd").unwrap();
        for report in
            ["", "01.example:443 (endpoint)\n  served     nothing\n", "{\"subject\":\"-----BEGIN CERTIFICATE-----\"}\n"]
        {
            fs::write(&path, report).unwrap();
            publish(&path, Kind::Verdicts, b"SSL_CERT x").unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_file_by_two_names() {
        let dir = tempfile::tempdir().unwrap();
        let [one, hard, soft, other] = ["one", "hard", "soft", "other"].map(|name| dir.path().join(name));
        fs::write(&one, "x").unwrap();
        fs::write(&other, "x").unwrap();
        fs::hard_link(&one, &hard).unwrap();
        symlink(&one, &soft).unwrap();
        assert!(same_file(&one, &one) && same_file(&one, &hard) && same_file(&soft, &one));
        assert!(!same_file(&one, &other) && !same_file(&one, &dir.path().join("none")));
        assert!(!same_file(&dir.path().join("none"), &dir.path().join("none")));
        assert!(reopen(dir.path()).is_err() && reopen(&one).is_ok());
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
        publish(&open.join("reseal.prom"), Kind::Verdicts, b"x").unwrap();
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
            assert!(publish(path, Kind::Verdicts, b"x").is_err(), "{}", path.display());
        }
        assert!(publish(&dir.path().join("none/x"), Kind::Verdicts, b"x").unwrap_err().is_absent());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
