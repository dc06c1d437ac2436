//! Where the files are: links, mounts, and directories in other hands.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use reseal::outcome::Outcome;
use tempfile::TempDir;

use super::{good, installed, refused, system};
use crate::support::{World, pair, root};

/// Something mounted, until it is dropped.
pub struct Mount(PathBuf);

impl Mount {
    /// `mount ARGUMENTS... PLACE`; none where mounting is not possible, which is said.
    pub fn new(arguments: &[&str], place: &Path) -> Option<Self> {
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = Vec::new();
        all.extend(arguments.iter().map(|argument| argument as &dyn AsRef<std::ffi::OsStr>));
        all.push(&place);
        (root() && system("mount", &all)).then(|| Self(place.to_owned()))
    }
}

impl Drop for Mount {
    /// A program that another test starts holds every open file for the instant between its fork and its exec.
    fn drop(&mut self) {
        let unmounted = (0..100).any(|_| {
            let gone = std::process::Command::new("umount").arg(&self.0).output().unwrap().status.success();
            if !gone {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            gone
        });
        assert!(unmounted || std::thread::panicking(), "{} stays mounted", self.0.display());
    }
}

#[test]
fn links_stay_and_what_they_lead_to_is_replaced() {
    let world = World::new("");
    fs::create_dir(world.path("real")).unwrap();
    let real = world.path("real/1.pem");
    fs::rename(world.path("certs/web.pem"), &real).unwrap();
    // Two links, one relative and one absolute, as a distribution's alternatives and an administrator make them.
    symlink("../real/1.pem", world.path("certs/middle.pem")).unwrap();
    symlink(world.path("certs/middle.pem"), world.path("certs/web.pem")).unwrap();
    let links = || ["certs/web.pem", "certs/middle.pem"].map(|name| fs::read_link(world.path(name)).unwrap());
    let (old, before) = (fs::read_to_string(&real).unwrap(), links());
    let new = installed(&world);
    assert_eq!(fs::read_to_string(&real).unwrap(), new.certificate);
    assert_eq!(links(), before);
    good(&world.restore(&world.host(), Some(1), false));
    assert_eq!(fs::read_to_string(&real).unwrap(), old);
    assert_eq!(links(), before);
    assert!(world.leftovers().is_empty());
}

#[test]
fn a_linked_directory_is_followed() {
    let world = World::new("");
    fs::rename(world.path("certs"), world.path("pki")).unwrap();
    symlink("pki", world.path("certs")).unwrap();
    let new = installed(&world);
    assert_eq!(fs::read_to_string(world.path("pki/web.pem")).unwrap(), new.certificate);
    assert!(fs::symlink_metadata(world.path("certs")).unwrap().is_symlink());
}

#[test]
fn a_link_that_leads_nowhere_is_filled_and_undone() {
    let world = World::new("reload = [\"/bin/true\"]\n");
    fs::remove_file(world.path("certs/web.pem")).unwrap();
    symlink("later.pem", world.path("certs/web.pem")).unwrap();
    let new = installed(&world);
    assert_eq!(fs::read_to_string(world.path("certs/later.pem")).unwrap(), new.certificate);
    assert!(fs::symlink_metadata(world.path("certs/web.pem")).unwrap().is_symlink());
    good(&world.restore(&world.host(), Some(1), true));
    assert!(!world.path("certs/later.pem").exists(), "nothing was there");
    assert!(fs::symlink_metadata(world.path("certs/web.pem")).unwrap().is_symlink());

    fs::remove_file(world.path("certs/web.pem")).unwrap();
    symlink("no-such-directory/web.pem", world.path("certs/web.pem")).unwrap();
    let before = world.tree();
    let report = world.install(&world.host(), &[world.path("new.pem"), world.path("new.key")]);
    assert!(matches!(report.outcome, Outcome::Refused { .. }), "{report:?}");
    assert_eq!(world.tree(), before);
}

#[test]
fn the_other_name_of_a_hard_link_keeps_the_old_bytes() {
    let world = World::new("");
    let (path, other) = (world.path("certs/web.pem"), world.path("certs/other.pem"));
    fs::hard_link(&path, &other).unwrap();
    let old = fs::read_to_string(&other).unwrap();
    let new = installed(&world);
    assert_eq!(fs::read_to_string(&other).unwrap(), old);
    assert_eq!(fs::read_to_string(&path).unwrap(), new.certificate);
    assert_eq!((fs::metadata(&path).unwrap().nlink(), fs::metadata(&other).unwrap().nlink()), (1, 1));
}

#[test]
fn a_failed_change_puts_the_very_file_back() {
    let world = World::new("reload = [\"/bin/false\"]\n");
    let (path, other) = (world.path("certs/web.pem"), world.path("certs/other.pem"));
    fs::hard_link(&path, &other).unwrap();
    let report = world.install(&world.host(), &world.bring(&pair(90)));
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{report:?}");
    assert_eq!(fs::metadata(&path).unwrap().ino(), fs::metadata(&other).unwrap().ino(), "still one file");
}

#[test]
fn a_file_that_is_a_mount_point_is_refused() {
    for name in ["certs/web.pem", "private/web.key"] {
        let world = World::new("");
        let (path, source) = (world.path(name), world.path("source"));
        fs::copy(&path, &source).unwrap();
        let Some(_mount) = Mount::new(&["--bind", source.to_str().unwrap()], &path) else { return };
        refused(&world, &world.host(), &["cannot replace the mount point", name]);
    }
}

#[test]
fn a_read_only_mount_is_refused() {
    for name in ["certs", "private"] {
        let world = World::new("");
        let Some(_mount) = Mount::new(&["-t", "tmpfs", "none"], &world.path(name)) else { return };
        world.put(&pair(30));
        assert!(system("mount", &[&"-o", &"remount,ro", &world.path(name)]));
        refused(&world, &world.host(), &[name]);
    }
}

#[test]
fn what_is_immutable_is_refused() {
    if !root() {
        return;
    }
    let cases = [
        ("certs/web.pem", "i", "replace the immutable"),
        ("private/web.key", "a", "replace the immutable"),
        ("certs", "a", "replace the immutable"),
        ("private", "i", "cannot write in"),
    ];
    for (name, flag, words) in cases {
        let world = World::made_in(TempDir::new().unwrap(), |_| String::new());
        let path = world.path(name);
        if !system("chattr", &[&format!("+{flag}"), &path]) {
            return;
        }
        let outcome = std::panic::catch_unwind(|| refused(&world, &world.host(), &[words, name, "not permitted"]));
        assert!(system("chattr", &[&format!("-{flag}"), &path]));
        outcome.unwrap();
    }
}

#[test]
fn a_directory_in_other_hands_is_refused() {
    if !root() {
        return;
    }
    let foreign = 4321;
    let cases: [(&str, Option<u32>, u32, &str); 5] = [
        ("certs", None, 0o777, "everybody may write there"),
        ("private", None, 0o777, "everybody may write there"),
        ("private", Some(foreign), 0o755, "it belongs to user 4321"),
        ("", None, 0o757, "everybody may write there"),
        ("", Some(foreign), 0o700, "it belongs to user 4321"),
    ];
    for (name, owner, mode, words) in cases {
        let world = World::new("");
        let dir = world.path(name);
        chown(&dir, owner, None).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        refused(&world, &world.host(), &["cannot trust", words, dir.to_str().unwrap().trim_end_matches('/')]);
    }
    let world = World::new("");
    chown(world.path("private"), None, Some(foreign)).unwrap();
    fs::set_permissions(world.path("private"), fs::Permissions::from_mode(0o775)).unwrap();
    refused(&world, &world.host(), &["group 4321 may write there"]);
}

#[test]
fn a_link_in_other_hands_is_refused() {
    if !root() {
        return;
    }
    let world = World::new("");
    let shadow = world.path("shadow");
    fs::write(&shadow, "root:*:0").unwrap();
    let path = world.path("certs/web.pem");
    fs::remove_file(&path).unwrap();
    fs::set_permissions(world.path("certs"), fs::Permissions::from_mode(0o1777)).unwrap();
    symlink(&shadow, &path).unwrap();
    std::os::unix::fs::lchown(&path, Some(4321), Some(4321)).unwrap();
    refused(&world, &world.host(), &["cannot trust", "the link belongs to user 4321"]);
}

#[test]
fn directories_of_the_service_user_and_sticky_ones_are_normal() {
    if !root() {
        return;
    }
    let world = World::new("service_user = \"daemon\"\n");
    chown(world.path("private"), Some(1), Some(1)).unwrap();
    fs::set_permissions(world.path("certs"), fs::Permissions::from_mode(0o1777)).unwrap();
    if world.host().user_id("daemon") != Some(1) {
        println!("skipped: needs a user `daemon` with the id 1");
        return;
    }
    installed(&world);
}

#[test]
fn a_name_that_is_planted_where_the_new_file_would_wait_leads_nowhere() {
    let probe = World::new("");
    let staged = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = std::sync::Arc::clone(&staged);
    let watch = reseal::host::watch::Watch::with(move |crossing| {
        let name = crossing.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if crossing.act == reseal::host::watch::Act::Create && name.starts_with(".reseal-") {
            noted.lock().unwrap().push(name);
        }
        Ok(())
    });
    good(&probe.install(&probe.host().with_watch(watch), &probe.bring(&pair(90))));
    let names = staged.lock().unwrap().clone();
    assert_eq!(names.len(), 2, "{names:?}");
    for (dir, name) in ["certs", "private"].iter().zip(&names) {
        let world = World::new("");
        let (victim, before) = (world.path("shadow"), world.served());
        fs::write(&victim, "root:*:0").unwrap();
        // The number of the first attempt on a fresh target; the names are no secret.
        let (stem, index) = name.rsplit_once('-').unwrap();
        let stem = stem.rsplit_once('-').unwrap().0;
        for number in 1..=3 {
            symlink(&victim, world.path(dir).join(format!("{stem}-{number}-{index}"))).unwrap();
        }
        let report = world.install(&world.host(), &world.bring(&pair(90)));
        assert!(matches!(report.outcome, Outcome::Refused { .. }), "{report:?}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "root:*:0");
        assert_eq!(world.served(), before);
    }
}

#[test]
fn one_file_of_two_targets_is_refused() {
    let mut world = World::new("");
    fs::create_dir(world.path("other")).unwrap();
    symlink(world.path("certs/web.pem"), world.path("other/cert.pem")).unwrap();
    fs::write(world.path("other/key.pem"), "").unwrap();
    let text = fs::read_to_string(world.path("reseal.toml")).unwrap();
    let second = format!(
        "[[target]]\nname = \"second\"\nkind = \"files\"\nnames = [\"localhost\"]\ncertificate = \"{0}/other/cert.pem\"\n\
         key = \"{0}/other/key.pem\"\n",
        world.dir.path().display()
    );
    world.config = reseal::config::Config::parse(&(text + &second), Path::new("test.toml")).unwrap();
    refused(&world, &world.host(), &["web and second are one and the same file", "other/cert.pem"]);
    fs::remove_file(world.path("other/cert.pem")).unwrap();
    installed(&world);
}
