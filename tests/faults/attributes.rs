//! Who may read the new files: those who could read the old ones, and for keys nobody else.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use reseal::flow::{Options, adopt};
use tempfile::TempDir;

use super::{good, installed, system};
use crate::support::{World, pair, root};

/// Mode, owner, group, ACL and user attribute.
fn of(path: &Path) -> (u32, u32, u32, Option<Vec<u8>>, Option<Vec<u8>>) {
    let metadata = fs::metadata(path).unwrap();
    let attribute = |name: &str| xattr::get_deref(path, OsStr::new(name)).ok().flatten();
    let acl = attribute("system.posix_acl_access");
    (metadata.mode() & 0o7777, metadata.uid(), metadata.gid(), acl, attribute("user.origin"))
}

#[test]
fn owner_group_mode_acl_and_attributes_stay() {
    if !root() {
        return;
    }
    let world = World::made_in(TempDir::new().unwrap(), |_| String::new());
    world.put(&pair(30));
    let paths = [world.path("certs/web.pem"), world.path("private/web.key")];
    for (path, mode) in paths.iter().zip([0o664, 0o440]) {
        chown(path, Some(1234), Some(2345)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        if !system("setfacl", &[&"-m", &"u:3456:r,g:4567:r", path])
            || !system("setfattr", &[&"-n", &"user.origin", &"-v", &"vendor", path])
        {
            return;
        }
    }
    let before = paths.each_ref().map(|path| of(path));
    assert!(before.iter().all(|(.., acl, user)| acl.is_some() && user.is_some()));
    let files = || paths.each_ref().map(|path| of(path));
    installed(&world);
    assert_eq!(files(), before, "after an install");
    installed(&world);
    assert_eq!(world.generations().len(), 3, "what was installed is known again, attributes included");
    good(&world.restore(&world.host(), Some(1), false));
    assert_eq!(files(), before, "after a restore");

    good(&world.with(&world.host(), Options::default(), |session| adopt::run(session, "web", false)));
    assert!(fs::symlink_metadata(&paths[1]).unwrap().is_symlink());
    assert_eq!(files(), before, "adopted");
    installed(&world);
    assert_eq!(files(), before, "after an install, adopted");
    good(&world.with(&world.host(), Options::default(), |session| adopt::run(session, "web", true)));
    assert!(fs::symlink_metadata(&paths[1]).unwrap().is_file());
    assert_eq!(files(), before, "given back");
}

/// What a restore gives back is what was there, not what somebody made of it since.
#[test]
fn a_restore_gives_the_old_attributes_back() {
    let world = World::new("");
    world.put(&pair(30));
    let (key, before) = (world.path("private/web.key"), of(&world.path("private/web.key")));
    installed(&world);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert_ne!(of(&key), before);
    good(&world.restore(&world.host(), Some(1), false));
    assert_eq!(of(&key), before);
}

#[test]
fn a_key_loses_every_bit_for_others() {
    for (mode, expected) in [(0o644, 0o640), (0o604, 0o600), (0o666, 0o660), (0o600, 0o600), (0o4755, 0o750)] {
        let world = World::new("");
        let key = world.path("private/web.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        installed(&world);
        assert_eq!(of(&key).0, expected, "{mode:o}");
        good(&world.restore(&world.host(), Some(1), false));
        assert_eq!(of(&key).0, expected, "{mode:o} restored");
        installed(&world);
        good(&world.with(&world.host(), Options::default(), |session| adopt::run(session, "web", false)));
        assert_eq!(of(&key).0, expected, "{mode:o} adopted");
        assert!(world.exposed_keys().is_empty());
    }
}

#[test]
fn a_key_with_an_acl_loses_every_bit_for_others_too() {
    let world = World::made_in(TempDir::new().unwrap(), |_| String::new());
    let key = world.path("private/web.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    if !system("setfacl", &[&"-m", &"u:3456:r", &key]) {
        return;
    }
    let seen: std::sync::Arc<std::sync::Mutex<Vec<u32>>> = std::sync::Arc::default();
    let (noted, dir) = (std::sync::Arc::clone(&seen), world.path("private"));
    let watch = reseal::host::watch::Watch::with(move |_| {
        for entry in fs::read_dir(&dir)?.flatten().filter(|entry| entry.file_name() != "web.key") {
            noted.lock().unwrap().push(entry.metadata()?.mode() & 0o007);
        }
        Ok(())
    });
    good(&world.install(&world.host().with_watch(watch), &world.bring(&pair(90))));
    assert!(seen.lock().unwrap().iter().filter(|bits| **bits == 0).count() > 2);
    assert_eq!(of(&key).0, 0o640);
    good(&world.install(&world.host(), &world.bring(&pair(80))));
    assert_eq!(world.generations().len(), 3, "what was installed is known again");
}

#[test]
fn where_nothing_was_a_key_is_its_owners_alone() {
    let world = World::new("");
    let paths: [PathBuf; 2] = [world.path("certs/web.pem"), world.path("private/web.key")];
    for path in &paths {
        fs::remove_file(path).unwrap();
    }
    // As under a careless `umask 000`.
    let old = rustix::process::umask(rustix::fs::Mode::empty());
    installed(&world);
    rustix::process::umask(old);
    assert_eq!(paths.map(|path| of(&path).0), [0o644, 0o600]);
}

/// A default ACL on the directory must not open a key to somebody who could not read the old one.
#[test]
fn a_directory_s_default_acl_opens_nothing() {
    let world = World::made_in(TempDir::new().unwrap(), |_| String::new());
    if !system("setfacl", &[&"-d", &"-m", &"u:3456:rwx,o::rwx", &world.path("private")]) {
        return;
    }
    let key = world.path("private/web.key");
    let before = of(&key);
    assert!(before.3.is_none());
    installed(&world);
    assert_eq!(of(&key), before);
}

/// Its owner may give a file megabytes of attributes; a journal that holds them all is one that nobody can read.
#[test]
fn more_attributes_than_a_record_can_hold_are_not_carried() {
    let world = World::made_in(TempDir::new_in("/dev/shm").unwrap(), |_| String::new());
    world.put(&pair(30));
    let key = world.path("private/web.key");
    for number in 0..4 {
        if let Err(error) = xattr::set(&key, format!("user.a{number}"), &vec![b'x'; 60_000]) {
            println!("skipped: this file system holds no such attributes: {error}");
            return;
        }
    }
    installed(&world);
    let manifest = fs::read(world.path("state/vault/web/1/manifest")).unwrap();
    assert!(manifest.len() < 20_000, "{} bytes", manifest.len());
    good(&world.restore(&world.host(), Some(1), true));
}
