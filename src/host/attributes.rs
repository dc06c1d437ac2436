//! Owner, group, mode, ACLs and security labels, read from and given to an open file.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, Gid, Mode, Uid};
use rustix::io::Errno;
use xattr::FileExt;

use crate::change::Attributes;
use crate::digest::hex;

/// Our own user and group with this mode: for files of our own, and where there is no old file to take them from.
#[must_use]
pub fn own(mode: u32) -> Attributes {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Attributes { mode, uid, gid, xattrs: Vec::new() }
}

/// The same with no right for others, as a file with a key has them. An ACL repeats the mode's last three bits in an entry of its own
/// (acl(5), `ACL_OTHER`), and setting it would open the file for the moment until the mode is set.
#[must_use]
pub fn closed_to_others(mut attributes: Attributes) -> Attributes {
    attributes.mode &= 0o770;
    for (name, value) in &mut attributes.xattrs {
        if let Some(mut bytes) = unhex(value).filter(|_| name == POSIX_ACL) {
            let entries = bytes.get_mut(ACL_HEADER..).unwrap_or_default();
            for entry in entries.chunks_exact_mut(ACL_ENTRY) {
                if entry.starts_with(&ACL_OTHER) {
                    entry[2..4].fill(0);
                }
            }
            *value = hex(&bytes);
        }
    }
    attributes
}

/// The attributes of an open file.
pub(super) fn of(file: &File) -> io::Result<Attributes> {
    let stat = fs::fstat(file)?;
    Ok(Attributes { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, xattrs: carried(file)? })
}

/// Gives a file that only its owner can read its final attributes. What widens access comes last: owner, labels, ACL, mode.
pub(super) fn give(file: &File, wanted: &Attributes) -> io::Result<()> {
    let now = fs::fstat(file)?;
    if (now.st_uid, now.st_gid) != (wanted.uid, wanted.gid) {
        let uid = (now.st_uid != wanted.uid).then(|| Uid::from_raw(wanted.uid));
        let gid = (now.st_gid != wanted.gid).then(|| Gid::from_raw(wanted.gid));
        fs::fchown(file, uid, gid)?;
    }
    let present = carried(file)?;
    for (name, value) in &wanted.xattrs {
        if present.iter().any(|(n, v)| n == name && v == value) {
            continue;
        }
        let bytes = unhex(value).ok_or_else(|| io::Error::other(format!("bad recorded value of {name}")))?;
        file.set_xattr(name, &bytes)?;
    }
    // An ACL that came from the directory's default and that the old file did not have would let others in.
    for (name, _) in &present {
        if name == POSIX_ACL && !wanted.xattrs.iter().any(|(n, _)| n == POSIX_ACL) {
            file.remove_xattr(name)?;
        }
    }
    if fs::fstat(file)?.st_mode & 0o7777 != wanted.mode {
        fs::fchmod(file, Mode::from_raw_mode(wanted.mode))?;
    }
    Ok(())
}

const POSIX_ACL: &str = "system.posix_acl_access";
/// Bytes before the first entry of an ACL as an extended attribute: its version (`linux/posix_acl_xattr.h`).
const ACL_HEADER: usize = 4;
/// Bytes of an entry: tag, rights (two bytes each) and id (four).
const ACL_ENTRY: usize = 8;
/// The tags of entries for a user and a group by number, little-endian.
const ACL_USER: [u8; 2] = [0x02, 0];
const ACL_GROUP: [u8; 2] = [0x08, 0];
/// The tag of the entry for all others, little-endian.
const ACL_OTHER: [u8; 2] = [0x20, 0];

/// Bytes of attributes of the owner's own (`user.*`) that go with a file; of more, none does. Whoever owns it may fill it with megabytes
/// of them, and journals and manifests hold all that is carried.
const MOST_OWN: usize = 64 * 1024;

/// The extended attributes that belong to the file's place rather than to its bytes. `security.capability`, `ima` and `evm`
/// vouch for contents, and `trusted.*` belongs to the file system itself: none of these may be copied to other bytes.
fn carried(file: &File) -> io::Result<Vec<(String, String)>> {
    let names = match file.list_xattr() {
        Ok(names) => names,
        Err(error) if unsupported(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let (mut found, mut own, mut own_bytes) = (Vec::new(), Vec::new(), 0);
    for name in names {
        let Ok(text) = std::str::from_utf8(name.as_bytes()) else { continue };
        if text.starts_with("user.") {
            if own_bytes > MOST_OWN {
                continue;
            }
            if let Some(value) = file.get_xattr(&name)? {
                own_bytes += value.len();
                own.push((text.to_owned(), hex(&value)));
            }
        } else if (text == POSIX_ACL || text == "security.selinux" || text == "security.SMACK64")
            && let Some(value) = file.get_xattr(&name)?
        {
            found.push((text.to_owned(), hex(&value)));
        }
    }
    if own_bytes <= MOST_OWN {
        found.append(&mut own);
    }
    found.sort();
    Ok(found)
}

/// Whether an ACL of what is at `path` lets others write than these users, root's group, and the file's own: behind an ACL the group's bits
/// of the mode are the most that it gives to anybody (acl(5)), and its named entries say to whom.
pub(super) fn lets_others_write(path: &Path, owners: &[u32]) -> io::Result<bool> {
    let acl = match xattr::get_deref(path, POSIX_ACL) {
        Ok(acl) => acl.unwrap_or_default(),
        Err(error) if unsupported(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    let entries = acl.get(ACL_HEADER..).unwrap_or_default().chunks_exact(ACL_ENTRY);
    Ok(entries.filter(|entry| entry[2] & 0o2 != 0).any(|entry| {
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        match [entry[0], entry[1]] {
            ACL_USER => !owners.contains(&id),
            ACL_GROUP => id != 0,
            _ => false,
        }
    }))
}

fn unsupported(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::OPNOTSUPP | Errno::NOSYS))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_closes_to_others_with_the_mode() {
        let entry = |tag: u8, rights: u8, id: u32| [&[tag, 0, rights, 0], id.to_le_bytes().as_slice()].concat();
        let acl = |others: u8| {
            let entries = [
                entry(0x01, 6, u32::MAX),
                entry(0x02, 4, 0x20),
                entry(0x04, 4, u32::MAX),
                entry(0x10, 4, u32::MAX),
                entry(0x20, others, u32::MAX),
            ];
            hex(&[2_u32.to_le_bytes().to_vec(), entries.concat()].concat())
        };
        let with = |mode, acl: String| {
            let xattrs = vec![(POSIX_ACL.to_owned(), acl), ("user.origin".to_owned(), "20000400".to_owned())];
            Attributes { mode, uid: 0, gid: 0, xattrs }
        };
        assert_eq!(closed_to_others(with(0o644, acl(4))), with(0o640, acl(0)));
        assert_eq!(closed_to_others(with(0o2607, acl(7))), with(0o600, acl(0)));
        for odd in ["", "02", "0200000020"] {
            assert_eq!(closed_to_others(with(0o644, odd.to_owned())), with(0o640, odd.to_owned()), "{odd}");
        }
    }
}
