//! What an upgrade has done to a target: how it stood before, held against how it stands now. Pure.

use std::path::Path;

use serde::Serialize;
use time::OffsetDateTime;

use super::date;
use crate::cert::Certificate;
use crate::cert::codec::Format;
use crate::change::{Attributes, Role, Shown};
use crate::digest::Digest;

/// A kind of harm, by the word that is told to programs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Harm {
    /// Another certificate stands in the same files.
    Overwritten,
    /// One that the wanted one had replaced is back: the vendor's default, as a rule.
    Reverted,
    /// The issuer has the old name and another key: whoever trusts the old root does not trust the new one.
    RootRegenerated,
    /// A file is gone.
    Removed,
    /// A file is packed otherwise, or one file became two, or two one.
    FormatChanged,
    /// The product's configuration names other files.
    ConfigReset,
    /// The files are as they were, and something else is served: the new version reads other files.
    PathMoved,
    /// The files are as they were, and the service fails with them.
    Refused,
    /// The certificate has ended meanwhile.
    Expired,
    /// Nobody listens any more where something was served.
    ListenerGone,
    /// A file has another owner, mode or label.
    Rights,
}

impl Harm {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Overwritten => "overwritten",
            Self::Reverted => "reverted",
            Self::RootRegenerated => "root-regenerated",
            Self::Removed => "removed",
            Self::FormatChanged => "format-changed",
            Self::ConfigReset => "config-reset",
            Self::PathMoved => "path-moved",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::ListenerGone => "listener-gone",
            Self::Rights => "rights",
        }
    }
}

/// One thing that an upgrade has done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Noticed {
    /// Its kind.
    pub harm: Harm,
    /// In words, with names and paths. Whoever prints it must escape it.
    pub message: String,
}

/// How a target stood at one moment.
#[derive(Clone, Debug, Default)]
pub struct Standing<'a> {
    /// Its files.
    pub files: Vec<File<'a>>,
    /// What each listener showed.
    pub listeners: Vec<(String, &'a Shown)>,
}

/// One file of a target.
#[derive(Clone, Debug)]
pub struct File<'a> {
    /// The path as the product's configuration has it.
    pub path: &'a Path,
    /// What it is for.
    pub role: Role,
    /// The file; none where there is none.
    pub held: Option<Held<'a>>,
}

/// What a file held.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    /// Digest of its bytes.
    pub sha256: Digest,
    /// Its owner, mode and label.
    pub attributes: &'a Attributes,
    /// How it is packed; none where it cannot be read.
    pub format: Option<Format>,
    /// The leaf in it, where it is a file for one.
    pub leaf: Option<Certificate>,
    /// What kinds of things it holds.
    pub holds: Holds,
}

/// What kinds of things are in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Holds {
    /// Certificates.
    pub certificates: bool,
    /// A private key that can be read without a passphrase.
    pub key: bool,
}

impl Holds {
    /// In words; none where it holds nothing of use.
    fn words(self) -> Option<&'static str> {
        match (self.certificates, self.key) {
            (true, true) => Some("certificate and key"),
            (true, false) => Some("the certificate alone"),
            (false, true) => Some("the key alone"),
            (false, false) => None,
        }
    }
}

impl Standing<'_> {
    /// Its leaves, each with the file it is in.
    fn leaves(&self) -> impl Iterator<Item = (&Path, &Certificate)> {
        self.files.iter().filter_map(|file| Some((file.path, file.held.as_ref()?.leaf.as_ref()?)))
    }
}

/// What has changed, in the order of [`Harm`]; nothing where all is as it was. `earlier` are the leaves that stood there before the wanted one
/// did.
#[must_use]
pub fn noticed(before: &Standing<'_>, now: &Standing<'_>, earlier: &[Digest], at: OffsetDateTime) -> Vec<Noticed> {
    let mut found = Vec::new();
    let mut add = |harm, message: String| found.push(Noticed { harm, message });
    let moved = moved(before, now, &mut add);
    let files = files(before, now, &mut add);
    let replacements = replacements(before, now);
    let other = !replacements.is_empty();
    for (was, is) in replacements {
        let (harm, message) = replaced(was, is, earlier);
        add(harm, message);
    }
    let mut ended: Vec<&Certificate> =
        now.leaves().map(|(_, leaf)| leaf).filter(|leaf| leaf.not_after() < at).collect();
    ended.dedup();
    for leaf in ended {
        add(Harm::Expired, format!("{} ended {}", title(leaf), date(leaf.not_after())));
    }
    let intact = !moved && !files && !other;
    for (probe, was) in &before.listeners {
        let Shown::Leaf { fingerprint: was, .. } = was else { continue };
        let is = now.listeners.iter().find(|(other, _)| other == probe).map(|(_, shown)| *shown);
        match is {
            None => add(Harm::ListenerGone, format!("{probe}: the product's configuration has it no more")),
            Some(Shown::Nobody { why }) => add(Harm::ListenerGone, format!("{probe}: {why}")),
            Some(Shown::Failing { why }) if intact => add(Harm::Refused, format!("{probe}: {why}")),
            Some(Shown::Leaf { fingerprint, .. }) if intact && fingerprint != was => {
                let text = format!("{probe} serves {}, which is in none of the files", fingerprint.short());
                add(Harm::PathMoved, text);
            }
            Some(Shown::Failing { .. } | Shown::Leaf { .. } | Shown::Well) => {}
        }
    }
    found.sort_by_key(|one| one.harm);
    found
}

/// Whether another leaf stands in the place of one.
#[must_use]
pub fn is_replaced(before: &Standing<'_>, now: &Standing<'_>) -> bool {
    !replacements(before, now).is_empty()
}

/// The leaves in whose place others stand: in the same file, or in those that the configuration names instead.
fn replacements<'s>(before: &'s Standing<'_>, now: &'s Standing<'_>) -> Vec<(&'s Certificate, &'s Certificate)> {
    let file = |standing: &Standing<'_>, path| at(standing, path).is_some();
    let stayed = before.leaves().filter_map(|(path, was)| Some((was, at(now, path)?.held.as_ref()?.leaf.as_ref()?)));
    let gone = before.leaves().filter(|(path, _)| !file(now, path));
    let new = now.leaves().filter(|(path, _)| !file(before, path));
    let moved = gone.zip(new).map(|((_, was), (_, is))| (was, is));
    let mut found: Vec<_> = stayed.chain(moved).filter(|(was, is)| was != is).collect();
    // A file for the leaf alone beside one for the whole chain tells the same.
    found.dedup();
    found
}

/// Whether other paths are named than before.
fn moved(before: &Standing<'_>, now: &Standing<'_>, add: &mut dyn FnMut(Harm, String)) -> bool {
    let gone: Vec<&File<'_>> = before.files.iter().filter(|file| at(now, file.path).is_none()).collect();
    let new: Vec<&File<'_>> = now.files.iter().filter(|file| at(before, file.path).is_none()).collect();
    if gone.is_empty() && new.is_empty() {
        return false;
    }
    let list = |files: &[&File<'_>]| match files {
        [] => "nothing".to_owned(),
        files => files.iter().map(|file| file.path.display().to_string()).collect::<Vec<_>>().join(", "),
    };
    add(Harm::ConfigReset, format!("the configuration names {} instead of {}", list(&new), list(&gone)));
    let roles = |standing: &Standing<'_>| {
        let mut roles: Vec<Role> = standing.files.iter().map(|file| file.role).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    };
    let told = |roles: Vec<Role>| roles.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let (was, is) = (roles(before), roles(now));
    if was != is {
        add(Harm::FormatChanged, format!("its files hold {} and no more {}", told(is), told(was)));
    }
    true
}

/// Whether a file that is still named is another one, or packed or owned otherwise.
fn files(before: &Standing<'_>, now: &Standing<'_>, add: &mut dyn FnMut(Harm, String)) -> bool {
    let mut changed = false;
    let same_leaves = replacements(before, now).is_empty();
    for was in &before.files {
        let Some(is) = at(now, was.path) else { continue };
        let path = was.path.display();
        match (&was.held, &is.held) {
            (Some(_), None) => {
                changed = true;
                add(Harm::Removed, format!("{path} holds nothing any more"));
            }
            (Some(was), Some(is)) => {
                let other = was.sha256 != is.sha256;
                changed |= other;
                let parted = was.holds != is.holds;
                let told = was.holds.words().zip(is.holds.words()).filter(|_| parted);
                // What is packed otherwise may be locked.
                let packed = was.format.zip(is.format).is_some_and(|(was, is)| was != is);
                if parted && is.holds.words().is_none() && !packed {
                    add(Harm::Overwritten, format!("{path} holds nothing that can be read"));
                } else if let Some((was, is)) = told {
                    add(Harm::FormatChanged, format!("{path} held {was}, and holds {is}"));
                } else if other && was.format == is.format && same_leaves {
                    add(Harm::Overwritten, format!("{path} holds something else than before"));
                }
                if let (Some(before), Some(format)) = (was.format, is.format)
                    && before != format
                {
                    add(Harm::FormatChanged, format!("{path} was {before} and is {format}"));
                }
                let (old, new) = (was.attributes, is.attributes);
                if (old.uid, old.gid, old.mode) != (new.uid, new.gid, new.mode) {
                    let of = |a: &Attributes| format!("owner {}, group {}, mode {:04o}", a.uid, a.gid, a.mode);
                    add(Harm::Rights, format!("{path} had {}, and has {}", of(old), of(new)));
                } else if old.xattrs != new.xattrs {
                    add(Harm::Rights, format!("{path} has another label or access list"));
                }
            }
            (None, Some(_)) => changed = true,
            (None, None) => {}
        }
    }
    changed
}

/// In what way the leaf is another one.
fn replaced(was: &Certificate, is: &Certificate, earlier: &[Digest]) -> (Harm, String) {
    if earlier.contains(&is.fingerprint()) {
        return (Harm::Reverted, format!("{} is back, which {} had replaced", title(is), title(was)));
    }
    let self_issued = is.is_self_issued();
    let key_changed = matches!((was.aki(), is.aki()), (Some(a), Some(b)) if a != b);
    if !self_issued && is.issuer() == was.issuer() && key_changed {
        let text = format!("{} is from {}, which has another key than before", title(is), is.issuer());
        return (Harm::RootRegenerated, text);
    }
    let by = if self_issued { "signed by itself".to_owned() } else { format!("from {}", is.issuer()) };
    (Harm::Overwritten, format!("{}, {by}, stands in place of {}", title(is), title(was)))
}

fn at<'s, 'a>(standing: &'s Standing<'a>, path: &Path) -> Option<&'s File<'a>> {
    standing.files.iter().find(|file| file.path == path)
}

fn title(leaf: &Certificate) -> String {
    let name = leaf.common_name().map(str::to_owned).or_else(|| leaf.names().first().map(ToString::to_string));
    format!("{} ({})", name.as_deref().unwrap_or("a nameless certificate"), leaf.fingerprint().short())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::cert::fixture::{NOW, Wish, self_signed};

    struct Scene {
        leaf: Certificate,
        attributes: Attributes,
        shown: Shown,
    }

    fn scene(leaf: &Certificate) -> Scene {
        Scene {
            leaf: leaf.clone(),
            attributes: Attributes { mode: 0o640, uid: 0, gid: 0, xattrs: Vec::new() },
            shown: Shown::Leaf { fingerprint: leaf.fingerprint(), proved: true },
        }
    }

    impl Scene {
        fn standing(&self) -> Standing<'_> {
            let held = |part: &[u8], leaf: Option<Certificate>| {
                let bytes = [part, self.leaf.fingerprint().to_string().as_bytes()].concat();
                let holds = Holds { certificates: leaf.is_some(), key: leaf.is_none() };
                Held {
                    sha256: Digest::of(&bytes),
                    attributes: &self.attributes,
                    format: Some(Format::Pem),
                    leaf,
                    holds,
                }
            };
            let file = |path, role, part, leaf| File { path: Path::new(path), role, held: Some(held(part, leaf)) };
            Standing {
                files: vec![
                    file("/c", Role::FullChain, b"c", Some(self.leaf.clone())),
                    file("/k", Role::Key, b"k", None),
                ],
                listeners: vec![("a:443".to_owned(), &self.shown)],
            }
        }
    }

    fn kinds(before: &Standing<'_>, now: &Standing<'_>, earlier: &[Digest]) -> Vec<Harm> {
        noticed(before, now, earlier, NOW).into_iter().map(|one| one.harm).collect()
    }

    #[test]
    fn each_pair_is_held_against_what_it_was() {
        let root = self_signed(&Wish::ca("Root"));
        let first = scene(&root.issue(&Wish::server("www")).certificate);
        let second = scene(&root.issue(&Wish::server("www")).certificate);
        let standing = |second: &Scene| {
            let mut standing = first.standing();
            let leaf = Some(second.leaf.clone());
            let held = Held {
                sha256: second.leaf.fingerprint(),
                attributes: &first.attributes,
                format: Some(Format::Pem),
                leaf,
                holds: Holds { certificates: true, key: false },
            };
            standing.files.push(File { path: Path::new("/e"), role: Role::FullChain, held: Some(held) });
            standing
        };
        let before = standing(&second);
        assert_eq!(kinds(&before, &standing(&second), &[]), []);
        let again = scene(&self_signed(&Wish::ca("Root")).issue(&Wish::server("www")).certificate);
        assert_eq!(kinds(&before, &standing(&again), &[]), [Harm::RootRegenerated]);
        assert_eq!(kinds(&before, &standing(&again), &[again.leaf.fingerprint()]), [Harm::Reverted]);
        assert!(is_replaced(&before, &standing(&again)) && !is_replaced(&before, &standing(&second)));
    }

    #[test]
    fn a_file_with_nothing_in_it_is_told() {
        let root = self_signed(&Wish::ca("Root"));
        let good = scene(&root.issue(&Wish::server("www")).certificate);
        let before = good.standing();
        // Emptied, or full of something else: text is read as PEM with nothing in it.
        for (place, format) in [(0, None), (0, Some(Format::Pem)), (1, None), (1, Some(Format::Pem))] {
            let mut now = good.standing();
            let spoilt = Held {
                sha256: Digest::of(b""),
                leaf: None,
                holds: Holds::default(),
                format,
                ..now.files[place].held.clone().unwrap()
            };
            now.files[place].held = Some(spoilt);
            let told = noticed(&before, &now, &[], NOW);
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].harm, Harm::Overwritten);
            assert!(told[0].message.ends_with(" holds nothing that can be read"), "{told:?}");
        }
        // A keystore that is locked is told as one.
        let mut now = good.standing();
        let locked = Held {
            sha256: Digest::of(b"p"),
            leaf: None,
            holds: Holds::default(),
            format: Some(Format::Pkcs12),
            ..now.files[0].held.clone().unwrap()
        };
        now.files[0].held = Some(locked);
        assert_eq!(kinds(&before, &now, &[]), [Harm::FormatChanged]);
    }

    #[test]
    fn each_kind_of_harm_is_told_from_the_others() {
        let root = self_signed(&Wish::ca("Root"));
        let good = scene(&root.issue(&Wish::server("www")).certificate);
        let before = good.standing();
        assert_eq!(kinds(&before, &good.standing(), &[]), []);

        let own = scene(&self_signed(&Wish::server("appliance")).certificate);
        assert_eq!(kinds(&before, &own.standing(), &[]), [Harm::Overwritten]);
        assert_eq!(kinds(&before, &own.standing(), &[own.leaf.fingerprint()]), [Harm::Reverted]);

        let again = scene(&self_signed(&Wish::ca("Root")).issue(&Wish::server("www")).certificate);
        assert_eq!(kinds(&before, &again.standing(), &[]), [Harm::RootRegenerated]);
        let same = scene(&root.issue(&Wish::server("www")).certificate);
        assert_eq!(kinds(&before, &same.standing(), &[]), [Harm::Overwritten]);

        let mut now = good.standing();
        now.files[1].held = None;
        assert_eq!(kinds(&before, &now, &[]), [Harm::Removed]);

        let mut now = good.standing();
        now.files[0].held.as_mut().unwrap().format = Some(Format::Pkcs12);
        assert_eq!(kinds(&before, &now, &[]), [Harm::FormatChanged]);

        // One file became two where it stood, and two became one.
        let both = Holds { certificates: true, key: true };
        for (was, is, said) in [
            (both, Holds { key: false, ..both }, "/c held certificate and key, and holds the certificate alone"),
            (Holds { key: false, ..both }, both, "/c held the certificate alone, and holds certificate and key"),
        ] {
            let (mut before, mut now) = (good.standing(), good.standing());
            before.files[0].held.as_mut().unwrap().holds = was;
            let held = now.files[0].held.as_mut().unwrap();
            (held.holds, held.sha256) = (is, Digest::of(b"other"));
            let told = noticed(&before, &now, &[], NOW);
            assert_eq!((told[0].harm, told[0].message.as_str(), told.len()), (Harm::FormatChanged, said, 1));
        }

        let mut now = good.standing();
        (now.files[0].path, now.files[1].path) = (Path::new("/d"), Path::new("/e"));
        assert_eq!(kinds(&before, &now, &[]), [Harm::ConfigReset]);
        let mut now = good.standing();
        now.files.pop();
        (now.files[0].path, now.files[0].role) = (Path::new("/both"), Role::Combined);
        assert_eq!(kinds(&before, &now, &[]), [Harm::FormatChanged, Harm::ConfigReset]);

        let mut now = good.standing();
        now.listeners[0].1 = &own.shown;
        assert_eq!(kinds(&before, &now, &[]), [Harm::PathMoved]);
        let failing = Shown::Failing { why: "alert handshake_failure".to_owned() };
        now.listeners[0].1 = &failing;
        assert_eq!(kinds(&before, &now, &[]), [Harm::Refused]);
        let nobody = Shown::Nobody { why: "connection refused".to_owned() };
        now.listeners[0].1 = &nobody;
        assert_eq!(kinds(&before, &now, &[]), [Harm::ListenerGone]);
        now.listeners.clear();
        assert_eq!(kinds(&before, &now, &[]), [Harm::ListenerGone]);

        let open = Attributes { mode: 0o644, ..good.attributes.clone() };
        let mut now = good.standing();
        now.files[1].held.as_mut().unwrap().attributes = &open;
        let told = noticed(&before, &now, &[], NOW);
        assert_eq!((told[0].harm, told.len()), (Harm::Rights, 1));
        assert!(told[0].message.ends_with("mode 0640, and has owner 0, group 0, mode 0644"), "{told:?}");

        let told = noticed(&before, &good.standing(), &[], datetime!(2050-01-01 0:00 UTC));
        assert_eq!((told[0].harm, told.len()), (Harm::Expired, 1));
    }
}
