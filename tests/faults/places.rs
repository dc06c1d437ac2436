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
    let new = pair(90);
    let report = world.install(&world.host(), &world.bring(&new));
    good(&report);
    assert_eq!(fs::read_to_string(&other).unwrap(), old);
    assert_eq!(fs::read_to_string(&path).unwrap(), new.certificate);
    // Said of that file, and of no other.
    let told: Vec<_> = report.notes.iter().filter(|note| note.contains("hard link")).collect();
    assert!(matches!(told.as_slice(), [one] if one.contains("web.pem: another name of this file keeps")), "{report:?}");
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

/// Somebody who may write to the directory, and is quicker than the one call that makes the new file.
#[test]
fn a_name_that_is_planted_where_the_new_file_would_wait_leads_nowhere() {
    let mut marks = Vec::new();
    for dir in ["certs", "private"] {
        let world = World::new("");
        let (victim, before) = (world.path("shadow"), world.served());
        fs::write(&victim, "root:*:0").unwrap();
        let (planted, names) = (victim.clone(), std::sync::Arc::new(std::sync::Mutex::new(Vec::new())));
        let (noted, wanted) = (std::sync::Arc::clone(&names), world.path(dir));
        let watch = reseal::host::watch::Watch::with(move |crossing| {
            let name = crossing.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let here = crossing.path.parent() == Some(&wanted);
            if crossing.act == reseal::host::watch::Act::Create && here && name.starts_with(".reseal-") {
                symlink(&planted, &crossing.path).unwrap();
                noted.lock().unwrap().push(name);
            }
            Ok(())
        });
        let report = world.install(&world.host().with_watch(watch), &world.bring(&pair(90)));
        assert!(matches!(report.outcome, Outcome::Refused { .. }), "{report:?}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "root:*:0");
        assert_eq!(world.served(), before);
        let names = names.lock().unwrap().clone();
        let [name] = names.as_slice() else { panic!("{names:?}") };
        marks.push(name.rsplit_once('-').unwrap().1.to_owned());
        // Nor is it in the way of the next try.
        installed(&world);
    }
    assert!(marks[0].len() == 16 && marks[0] != marks[1], "a name to be guessed: {marks:?}");
}

/// While the service reloads, its user does this beside the certificate; `$1` waits there.
fn beside(script: &str, end: u8) -> World {
    World::made_in(TempDir::new().unwrap(), |root| {
        let program = root.join("reload");
        let text = format!("#!/bin/sh\nset -e\ncd {0}/certs\nset -- .reseal-*\n{script}\nexit {end}\n", root.display());
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        format!("reload = [\"{}\"]\n", program.display())
    })
}

#[test]
fn what_is_planted_beside_stops_no_undo() {
    for script in [
        "rm \"$1\"; mkfifo \"$1\"",
        "rm \"$1\"; truncate -s 17M \"$1\"",
        "rm \"$1\"; mkdir \"$1\"",
        "rm \"$1\"; mkdir \"$1.undo\" \"$1.old\"; touch \"$1.undo/x\" \"$1.old/x\"",
        "rm \"$1\"; mkdir \"$1\"; touch \"$1/x\"",
    ] {
        let world = beside(script, 1);
        world.put(&pair(30));
        let before = world.served();
        let report = world.install(&world.host(), &world.bring(&pair(90)));
        assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{script}: {report:?}");
        assert_eq!(world.served(), before, "{script}");
        assert!(world.recover(&world.host()).is_empty(), "{script}: nothing is open");
        // But for a directory with something in it, which is somebody else's.
        assert!(world.leftovers().is_empty() || script.contains("touch"), "{script}: {:?}", world.leftovers());
    }
}

/// What somebody puts in the place between the last look and the rename comes back, also where it can be no certificate.
#[test]
fn what_came_at_the_last_moment_is_given_back_whatever_it_is() {
    let world = World::new("");
    let (key, place) = (world.served().unwrap().1, world.path("certs/web.pem"));
    let (came, certificate) = (std::sync::atomic::AtomicBool::new(false), place.clone());
    let watch = reseal::host::watch::Watch::with(move |crossing| {
        let now = crossing.act == reseal::host::watch::Act::Rename && crossing.path == certificate;
        if now && !came.swap(true, std::sync::atomic::Ordering::SeqCst) {
            fs::remove_file(&certificate)?;
            rustix::fs::mknodat(rustix::fs::CWD, &certificate, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)?;
        }
        Ok(())
    });
    let report = world.install(&world.host().with_watch(watch), &world.bring(&pair(90)));
    let Outcome::RolledBack { why, .. } = &report.outcome else { panic!("{report:?}") };
    assert!(why.contains("somebody else changed") && why.contains("cannot be looked at"), "{why}");
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&fs::symlink_metadata(&place).unwrap().file_type()));
    assert_eq!(fs::read_to_string(world.path("private/web.key")).unwrap(), key);
    assert!(world.recover(&world.host()).is_empty(), "nothing is open");
}

#[test]
fn directories_that_are_planted_beside_stop_no_change() {
    let world = beside("mkdir -p \"$1.old/x\" \"$1.undo/x\" .reseal-0/x", 0);
    world.put(&pair(30));
    installed(&world);
    installed(&world);
}

#[test]
fn what_somebody_else_has_made_where_everybody_may_is_not_given_the_key() {
    if !root() {
        return;
    }
    for (mode, words) in [(0o1777, "mode 1777"), (0o1770, "mode 1770")] {
        let world = World::new("");
        chown(world.path("private"), None, Some(4321)).unwrap();
        fs::set_permissions(world.path("private"), fs::Permissions::from_mode(mode)).unwrap();
        chown(world.path("private/web.key"), Some(4321), Some(4321)).unwrap();
        refused(&world, &world.host(), &["it belongs to user 4321, and others may make files there", words]);
        chown(world.path("private/web.key"), Some(0), None).unwrap();
        installed(&world);
    }
    // Behind root's group a list may say who else makes files there.
    let world = World::on_disk("");
    fs::set_permissions(world.path("private"), fs::Permissions::from_mode(0o1770)).unwrap();
    if system("setfacl", &[&"-m", &"u:4321:rwx", &world.path("private")]) {
        chown(world.path("private/web.key"), Some(4321), None).unwrap();
        refused(&world, &world.host(), &["it belongs to user 4321, and others may make files there"]);
    }
}

#[test]
fn an_access_control_list_that_lets_others_write_is_seen_behind_roots_group() {
    if !root() {
        return;
    }
    for (entry, words) in [("u:4321:rwx", true), ("g:4321:rwx", true), ("u:4321:rx", false), ("u:0:rwx", false)] {
        let world = World::on_disk("");
        if !system("setfacl", &[&"-m", &entry, &world.path("private")]) {
            return;
        }
        if words {
            refused(&world, &world.host(), &["cannot trust", "its access control list lets others write there"]);
        } else {
            installed(&world);
        }
    }
    let world = World::made_in(TempDir::new().unwrap(), |root| {
        let program = root.join("reload");
        fs::copy("/bin/true", &program).unwrap();
        format!("reload = [\"{}\"]\n", program.display())
    });
    world.put(&pair(30));
    assert!(system("setfacl", &[&"-m", &"u:4321:rwx", &world.path("reload")]));
    let report = world.install(&world.host(), &world.bring(&pair(90)));
    super::refused_with(&report, &["reload"]);
}

#[test]
fn a_link_of_the_services_user_to_what_is_not_theirs_is_told_with_what_helps() {
    if !root() {
        return;
    }
    let world = World::new("service_user = \"daemon\"\n");
    let Some(daemon) = world.host().user_id("daemon") else { return };
    let (path, shadow) = (world.path("certs/web.pem"), world.path("shadow"));
    fs::write(&shadow, "root:*:0").unwrap();
    fs::remove_file(&path).unwrap();
    symlink(&shadow, &path).unwrap();
    std::os::unix::fs::lchown(&path, Some(daemon), None).unwrap();
    let report = world.install(&world.host(), &world.bring(&pair(90)));
    let Outcome::Refused { why, hint: Some(hint) } = &report.outcome else { panic!("{report:?}") };
    assert!(why.contains(&format!("it leads to {}, which belongs to user 0", shadow.display())), "{why}");
    assert_eq!(*hint, format!("`rm {}`: a file takes its place", path.display()));
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
