//! Files that reseal places into the system for itself: what starts it by the clock, and what tells it of upgrades.
//!
//! As with targets, what is here describes: which files a fitting is made of on this machine, which links switch it on, which of it a
//! running system starts. The engine acts; to it a fitting is a target with a name that no target of the configuration can have
//! ([`Fitting::target`]), so that journal, backups, undo and recovery are those of every target.
//!
//! The texts are those of `packaging/`, which packages ship as they are.

pub mod cron;
mod hook;
pub mod packages;
pub mod site;
pub mod systemd;
mod windows;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::change::Attributes;
use crate::digest::Digest;
use crate::host::state::name_of;

pub use site::Site;

/// Something that reseal places into the system for itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fitting {
    /// Units of systemd.
    Systemd,
    /// A file for cron.
    Cron,
    /// The hook of apt and dpkg.
    Apt,
    /// The hooks of dnf 4 and dnf 5.
    Dnf,
    /// A script in a directory whose programs a vendor's installer runs.
    Directory(PathBuf),
}

/// By which verb a fitting is placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// `reseal schedule`.
    Schedule,
    /// `reseal hook`.
    Hook,
}

/// What a person has done with the fittings of a family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// To place one.
    Install,
    /// To tell how they stand.
    Status,
    /// To take one out.
    Remove,
    /// To print one.
    Show,
}

impl Family {
    /// The verb for an act, as it is typed.
    #[must_use]
    pub fn verb(self, act: Act) -> &'static str {
        match (self, act) {
            (Self::Schedule, Act::Install) => "schedule install",
            (Self::Schedule, Act::Status) => "schedule status",
            (Self::Schedule, Act::Remove) => "schedule remove",
            (Self::Schedule, Act::Show) => "schedule show",
            (Self::Hook, Act::Install) => "hook install",
            (Self::Hook, Act::Status) => "hook status",
            (Self::Hook, Act::Remove) => "hook remove",
            (Self::Hook, Act::Show) => "hook show",
        }
    }

    /// The verb, and what the names of its fittings begin with.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Hook => "hook",
        }
    }

    /// The fitting that a person calls so, if there is one.
    #[must_use]
    pub fn named(self, word: &str) -> Option<Fitting> {
        match (self, word.split_once(':')) {
            (Self::Schedule, None) if word == "systemd" => Some(Fitting::Systemd),
            (Self::Schedule, None) if word == "cron" => Some(Fitting::Cron),
            (Self::Hook, None) if word == "apt" => Some(Fitting::Apt),
            (Self::Hook, None) if word == "dnf" => Some(Fitting::Dnf),
            (Self::Hook, Some(("directory", path))) if !path.is_empty() => Some(Fitting::Directory(path.into())),
            _ => None,
        }
    }

    /// The words that an act takes, for people.
    #[must_use]
    pub fn words(self, act: Act) -> &'static str {
        match (self, act) {
            (Self::Schedule, Act::Install | Act::Status | Act::Remove) => "systemd or cron",
            (Self::Schedule, Act::Show) => "systemd, cron or windows",
            (Self::Hook, Act::Install | Act::Status | Act::Remove) => "apt, dnf or directory:DIR",
            (Self::Hook, Act::Show) => "apt, dnf, directory:DIR, rpm or windows",
        }
    }
}

impl Fitting {
    /// By which verb it is placed.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Systemd | Self::Cron => Family::Schedule,
            Self::Apt | Self::Dnf | Self::Directory(_) => Family::Hook,
        }
    }

    /// What it is to the engine and the records.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{}:{self}", self.family().word())
    }

    /// The fitting of a name that [`Fitting::target`] has made.
    #[must_use]
    pub fn of_target(name: &str) -> Option<Self> {
        let fitting = match name.split_once(':')? {
            ("schedule", word) => Family::Schedule.named(word),
            ("hook", word) => Family::Hook.named(word),
            _ => None,
        };
        fitting.filter(|fitting| match fitting {
            Self::Systemd | Self::Cron | Self::Apt | Self::Dnf => true,
            Self::Directory(path) => path.is_absolute(),
        })
    }

    /// The fitting of a name as the records on disk have it.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        Self::of_target(&name_of(name)?)
    }

    /// The files it is made of on this machine.
    #[must_use]
    pub fn files(&self, site: &Site) -> Vec<Placed> {
        match self {
            Self::Systemd => systemd::files(site),
            Self::Cron => vec![cron::file(site)],
            Self::Apt => vec![hook::apt(site)],
            Self::Dnf => hook::dnf(site),
            Self::Directory(dir) => vec![hook::script(dir, site)],
        }
    }

    /// The links that switch it on.
    #[must_use]
    pub fn links(&self, site: &Site) -> Vec<PlacedLink> {
        match self {
            Self::Systemd => systemd::links(site),
            Self::Cron | Self::Apt | Self::Dnf | Self::Directory(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Fitting {
    /// As it is typed.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Systemd => out.write_str("systemd"),
            Self::Cron => out.write_str("cron"),
            Self::Apt => out.write_str("apt"),
            Self::Dnf => out.write_str("dnf"),
            Self::Directory(path) => write!(out, "directory:{}", path.display()),
        }
    }
}

/// A file of a fitting, as it is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Absolute path.
    pub path: PathBuf,
    /// Its text.
    pub content: String,
    /// Its permission bits; owner is root.
    pub mode: u32,
}

impl Placed {
    fn new(path: PathBuf, content: String) -> Self {
        Self { path, content, mode: 0o644 }
    }

    /// How what stands at its path compares with it. `ours` are the digests of what reseal has ever put there, as far as it is kept;
    /// `owners` the users who may own it.
    #[must_use]
    pub fn standing(&self, seen: Option<(Digest, &Attributes)>, ours: &[Digest], owners: &[u32]) -> Standing {
        match seen {
            None => Standing::Missing,
            Some((seen, rights)) if seen == Digest::of(self.content.as_bytes()) => {
                if self.wrong(rights, owners).is_empty() { Standing::AsRendered } else { Standing::Rights }
            }
            Some((seen, _)) if ours.contains(&seen) => Standing::Outdated,
            Some(_) => Standing::Edited,
        }
    }

    /// What is wrong with the owner and the mode of what stands at its path. Fewer rights than it is given are no fault, as long as root
    /// can run what is to be run: to root nothing is unreadable.
    #[must_use]
    pub fn wrong(&self, seen: &Attributes, owners: &[u32]) -> Vec<WrongRights> {
        let mut found = Vec::new();
        if !owners.contains(&seen.uid) {
            found.push(WrongRights::Owner(seen.uid));
        }
        if seen.mode & 0o022 & !self.mode != 0 {
            found.push(WrongRights::Writable(seen.mode));
        }
        if self.mode & 0o111 != 0 && seen.mode & 0o111 == 0 {
            found.push(WrongRights::NotExecutable(seen.mode));
        }
        found
    }
}

/// What is wrong with the owner or the mode of a file of a fitting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WrongRights {
    /// It is this user's.
    Owner(u32),
    /// Its group or everybody may write it: the permission bits.
    Writable(u32),
    /// It is a program, and nobody may run it: the permission bits.
    NotExecutable(u32),
}

impl fmt::Display for WrongRights {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(uid) => write!(out, "belongs to the user {uid}, who can change what root runs"),
            Self::Writable(mode) => write!(out, "has mode {mode:04o}: others can change what root runs"),
            Self::NotExecutable(mode) => write!(out, "has mode {mode:04o}, and nothing runs it"),
        }
    }
}

/// A link that switches something on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlacedLink {
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub to: PathBuf,
}

/// How a file of a fitting stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// As it is to be.
    AsRendered,
    /// Not there.
    Missing,
    /// As reseal has put it there, for another configuration or by another release.
    Outdated,
    /// Not what reseal has put there.
    Edited,
    /// As it is to be, with another owner, or a mode by which others can write it or nobody can run it.
    Rights,
}

impl Standing {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AsRendered => "in-place",
            Self::Missing => "missing",
            Self::Outdated => "outdated",
            Self::Edited => "edited",
            Self::Rights => "rights",
        }
    }
}

/// What `reseal schedule show` and `reseal hook show` can tell besides fittings: texts for what this program cannot place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Template {
    /// Tasks of the Task Scheduler of Windows.
    Windows,
    /// Scriptlets for the spec file of an RPM package: only a package can declare them.
    Rpm,
}

impl Template {
    /// The one that a person calls so.
    #[must_use]
    pub fn named(family: Family, word: &str) -> Option<Self> {
        match (family, word) {
            (_, "windows") => Some(Self::Windows),
            (Family::Hook, "rpm") => Some(Self::Rpm),
            (Family::Schedule | Family::Hook, _) => None,
        }
    }

    /// Its text.
    #[must_use]
    pub fn text(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Windows, Family::Schedule) => windows::RENEW,
            (Self::Windows, Family::Hook) => windows::POST_UPGRADE,
            (Self::Rpm, _) => hook::RPM,
        }
    }

    /// Why reseal does not place it, and what to do.
    #[must_use]
    pub fn refusal(self, family: Family) -> (String, String) {
        let show = format!("`reseal {} show", family.word());
        match self {
            Self::Windows => (
                "tasks of Windows are not placed by this program".to_owned(),
                format!("{show} windows` prints the task, which `schtasks /create /xml FILE /tn reseal` takes"),
            ),
            Self::Rpm => (
                "only a package can have scriptlets of rpm".to_owned(),
                format!(
                    "reseal's own .rpm has them ({show} rpm` prints them); `reseal hook install dnf` needs no package"
                ),
            ),
        }
    }
}

/// The path below the root of the system that a site is about.
fn below(site: &Site, path: &str) -> PathBuf {
    site.root.join(Path::new(path).strip_prefix("/").unwrap_or(Path::new(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::state::file_name;

    #[test]
    fn fittings_have_one_name_and_no_target_has_it() {
        for name in ["schedule:systemd", "schedule:cron", "hook:apt", "hook:dnf", "hook:directory:/opt/a b/x.d"] {
            let fitting = Fitting::of_target(name).unwrap();
            assert_eq!(fitting.target(), name);
            assert_eq!(Fitting::of_file_name(file_name(name).to_str().unwrap()), Some(fitting));
            let text = format!("[[target]]\nname='{name}'\nkind='files'\nnames=['a.example']\ncombined='/c'\n");
            assert!(crate::config::Config::parse(&text, Path::new("/x")).is_err());
        }
        for name in
            ["web", "schedule:apt", "hook:cron", "hook:systemd", "hook:directory:", "hook:directory:x", "trust:os"]
        {
            assert_eq!(Fitting::of_target(name), None, "{name}");
        }
    }

    #[test]
    fn the_words_that_are_told_are_those_that_are_taken() {
        for family in [Family::Schedule, Family::Hook] {
            for act in [Act::Install, Act::Status, Act::Remove, Act::Show] {
                for word in family.words(act).replace(" or ", ", ").replace("DIR", "/x").split(", ") {
                    let shown = act == Act::Show && Template::named(family, word).is_some();
                    assert!(family.named(word).is_some() || shown, "{family:?} {act:?} {word}");
                }
            }
        }
        for (family, word) in [(Family::Schedule, "windows"), (Family::Hook, "windows"), (Family::Hook, "rpm")] {
            assert!(Template::named(family, word).is_some() && family.words(Act::Show).contains(word), "{word}");
        }
    }

    #[test]
    fn what_stands_there_is_told_apart() {
        let file = Placed::new("/x".into(), "new\n".to_owned());
        let (old, other) = (Digest::of(b"old\n"), Digest::of(b"mine\n"));
        let own = Attributes { mode: 0o644, uid: 0, gid: 0, xattrs: Vec::new() };
        let standing = |seen: Option<Digest>| file.standing(seen.map(|digest| (digest, &own)), &[old], &[0]);
        assert_eq!(standing(None), Standing::Missing);
        assert_eq!(standing(Some(Digest::of(b"new\n"))), Standing::AsRendered);
        assert_eq!(standing(Some(old)), Standing::Outdated);
        assert_eq!(standing(Some(other)), Standing::Edited);

        let script = Placed { mode: 0o755, ..file.clone() };
        let given = |file: &Placed, uid, mode| file.wrong(&Attributes { mode, uid, ..own.clone() }, &[0]);
        assert_eq!(given(&file, 0, 0o600), []);
        assert_eq!(given(&file, 1000, 0o646), [WrongRights::Owner(1000), WrongRights::Writable(0o646)]);
        assert_eq!(given(&script, 0, 0o644), [WrongRights::NotExecutable(0o644)]);
        assert_eq!(given(&script, 0, 0o775), [WrongRights::Writable(0o775)]);
        let open = Attributes { mode: 0o666, ..own.clone() };
        assert_eq!(file.standing(Some((Digest::of(b"new\n"), &open)), &[old], &[0]), Standing::Rights);
    }
}
