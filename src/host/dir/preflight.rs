//! What is asked of a directory before anything in it is touched.

use std::ffi::OsStr;

use rustix::fs::{self, AtFlags, StatVfsMountFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::{Dir, DiskError, Done};

/// Room left on a file system.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes this user may still write.
    pub bytes: u64,
    /// Files this user may still make; `u64::MAX` where the file system does not count them.
    pub inodes: u64,
    /// Tells file systems apart.
    pub volume: u64,
    /// Mounted read-only.
    pub read_only: bool,
}

impl Dir {
    /// Room left on its file system.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn room(&self) -> Done<Room> {
        let failed = |errno: Errno| DiskError::new("ask for the free space of", &self.path, errno);
        let vfs = fs::fstatvfs(&self.fd).map_err(failed)?;
        let volume = fs::fstat(&self.fd).map_err(failed)?.st_dev;
        let inodes = if vfs.f_files == 0 { u64::MAX } else { vfs.f_favail };
        let read_only = vfs.f_flag.contains(StatVfsMountFlags::RDONLY);
        Ok(Room { bytes: vfs.f_bavail.saturating_mul(vfs.f_frsize), inodes, volume, read_only })
    }

    /// Why a file at `name` could not be replaced by renaming, if so: asked before anything is touched.
    ///
    /// # Errors
    /// The directory may not be written, the file is a mount point, or one of them is immutable or append-only.
    pub fn replaceable(&self, name: &OsStr) -> Done<()> {
        let write = fs::Access::WRITE_OK | fs::Access::EXEC_OK;
        fs::accessat(&self.fd, ".", write, AtFlags::EACCESS).map_err(|e| DiskError::new("write in", &self.path, e))?;
        let fixed = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
        for (inside, entry) in [(false, OsStr::new(".")), (true, name)] {
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
            let stat = match fs::statx(&self.fd, entry, flags, StatxFlags::BASIC_STATS) {
                Ok(stat) => stat,
                Err(Errno::NOENT) if inside => continue,
                Err(Errno::NOSYS) => return Ok(()),
                Err(errno) => return Err(self.err("look at", entry)(errno)),
            };
            if stat.stx_attributes.intersects(fixed) {
                return Err(self.err("replace the immutable", entry)(Errno::PERM));
            }
            if inside && stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
                return Err(self.err("replace the mount point", entry)(Errno::BUSY));
            }
        }
        Ok(())
    }
}
