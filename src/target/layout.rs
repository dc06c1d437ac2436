//! How the files of a pair are laid out on disk, and the steps that put new contents there.
//!
//! *In place*: every file is replaced where it is, one rename each. Between two renames the pair does not match, which a service
//! that reads at that very moment would see.
//!
//! *Adopted*: the service's paths are links through one directory link,
//!
//! ```text
//! /etc/ssl/web.pem -> /etc/reseal/live/web/current/fullchain.pem
//! /etc/ssl/web.key -> /etc/reseal/live/web/current/privkey.pem
//!                     /etc/reseal/live/web/current -> g7
//! ```
//!
//! and one rename of `current` replaces the pair as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::change::{Attributes, Role, Slot, Step};
use crate::sensitive::Sensitive;

/// The directory link that is switched.
pub const CURRENT: &str = "current";

/// Directories of adopted pairs can be entered by everybody: services that are not root read through them, and what protects a
/// key is the mode of its file.
const DIR_MODE: u32 = 0o755;

/// Where the contents of a slot are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// At the slot's own path.
    InPlace {
        /// The file itself, links resolved.
        path: PathBuf,
    },
    /// Behind the directory link.
    Adopted {
        /// The target's directory: `live/<target>`.
        dir: PathBuf,
        /// The file's name in each generation.
        file_name: String,
    },
}

impl Place {
    /// Where a slot's contents are: `real` is its path with all links resolved, `held` the target's directory with all links
    /// resolved, `dir` the same as it is configured. What is below a generation's directory there is reached through the switch.
    #[must_use]
    pub fn of(real: &Path, held: &Path, dir: &Path) -> Self {
        let below =
            real.strip_prefix(held).ok().and_then(|below| below.to_str()).and_then(|below| below.split_once('/'));
        match below {
            Some((generation, name)) if is_generation(generation) && !name.contains('/') => {
                Self::Adopted { dir: dir.to_owned(), file_name: name.to_owned() }
            }
            Some(_) | None => Self::InPlace { path: real.to_owned() },
        }
    }
}

fn is_generation(name: &str) -> bool {
    name.strip_prefix('g').is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// New contents for a slot.
pub struct Piece {
    /// The slot.
    pub slot: Slot,
    /// Its contents.
    pub content: Sensitive,
    /// The attributes of the new file; `None`: those of the file it replaces.
    pub attributes: Option<Attributes>,
}

/// The steps that install new contents, each piece where it is; `generation` names the new directory of what is adopted, and `missing`
/// are the directories above it that are lost and have to be made again, the outermost first.
///
/// Files in place come first: the one switch that replaces what is adopted is the last step.
#[must_use]
pub fn install(pieces: Vec<(Piece, Place)>, missing: &[PathBuf], generation: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut adopted: BTreeMap<PathBuf, Vec<(String, Piece)>> = BTreeMap::new();
    for (piece, place) in pieces {
        match place {
            Place::InPlace { path } => steps.push(put(path, piece)),
            Place::Adopted { dir, file_name } => adopted.entry(dir).or_default().push((file_name, piece)),
        }
    }
    if !adopted.is_empty() {
        steps.extend(made(missing));
    }
    for (dir, files) in adopted {
        steps.extend(new_generation(&dir, files, generation));
    }
    steps
}

/// The steps that take a pair over: copies in the target's directory `dir`, then links to them at the service's paths.
/// `missing` are the directories that have to be made first, the outermost first: `dir` itself, perhaps its parent.
#[must_use]
pub fn adopt(pieces: Vec<Piece>, dir: &Path, missing: &[PathBuf], generation: u32) -> Vec<Step> {
    let mut steps: Vec<Step> = made(missing).collect();
    let names = file_names(pieces.iter().map(|piece| &piece.slot));
    let links: Vec<Step> = pieces
        .iter()
        .zip(&names)
        .map(|(piece, name)| Step::PutLink { path: piece.slot.path.clone(), to: dir.join(CURRENT).join(name) })
        .collect();
    steps.extend(new_generation(dir, names.into_iter().zip(pieces).collect(), generation));
    steps.extend(links);
    steps
}

/// The steps that give a pair back: plain files in place of the links into the target's directory. Each piece comes with the path
/// of its link, which is the service's own path unless that was a link before it was adopted.
#[must_use]
pub fn release(pieces: Vec<(Piece, PathBuf)>) -> Vec<Step> {
    pieces.into_iter().map(|(piece, link)| put(link, piece)).collect()
}

/// A file name for each slot, no two the same: that of its role, numbered where a target has several of that role.
#[must_use]
pub fn file_names<'s>(slots: impl IntoIterator<Item = &'s Slot>) -> Vec<String> {
    let mut taken: BTreeMap<Role, usize> = BTreeMap::new();
    let name = |slot: &Slot| {
        let count = taken.entry(slot.role).or_insert(0);
        *count += 1;
        match (slot.role.file_name(), *count) {
            (name, 1) => name.to_owned(),
            (name, count) => match name.rsplit_once('.') {
                Some((stem, extension)) => format!("{stem}-{count}.{extension}"),
                None => format!("{name}-{count}"),
            },
        }
    };
    slots.into_iter().map(name).collect()
}

fn made(missing: &[PathBuf]) -> impl Iterator<Item = Step> {
    missing.iter().map(|path| Step::MakeDir { path: path.clone(), mode: DIR_MODE })
}

fn new_generation(dir: &Path, files: Vec<(String, Piece)>, generation: u32) -> Vec<Step> {
    let name = format!("g{generation}");
    let fresh = dir.join(&name);
    let mut steps = vec![Step::MakeDir { path: fresh.clone(), mode: DIR_MODE }];
    steps.extend(files.into_iter().map(|(file_name, mut piece)| {
        if piece.slot.role.holds_key() {
            piece.attributes = piece.attributes.map(not_for_others);
        }
        put(fresh.join(file_name), piece)
    }));
    steps.push(Step::PutLink { path: dir.join(CURRENT), to: PathBuf::from(name) });
    steps
}

/// A key may have had a mode that only the directory around it made safe (`0644` below `/etc/ssl/private`).
fn not_for_others(attributes: Attributes) -> Attributes {
    Attributes { mode: attributes.mode & !0o007, ..attributes }
}

fn put(path: PathBuf, piece: Piece) -> Step {
    Step::PutFile {
        path,
        slot: piece.slot.path,
        role: piece.slot.role,
        content: piece.content,
        attributes: piece.attributes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(path: &str, role: Role, mode: Option<u32>) -> Piece {
        Piece {
            slot: Slot { path: PathBuf::from(path), role },
            content: Sensitive::from(path.as_bytes().to_vec()),
            attributes: mode.map(|mode| Attributes { mode, uid: 1, gid: 2, xattrs: Vec::new() }),
        }
    }

    /// Each step as one line; the contents are the path of the slot they belong to.
    fn lines(steps: &[Step]) -> Vec<String> {
        steps
            .iter()
            .map(|step| match step {
                Step::MakeDir { path, mode } => format!("mkdir {} {mode:o}", path.display()),
                Step::PutFile { path, role, content, attributes, .. } => {
                    let mode = attributes.as_ref().map_or("same".to_owned(), |it| format!("{:o}", it.mode));
                    let content = String::from_utf8_lossy(content.expose()).into_owned();
                    format!("put {} {role:?} {mode} < {content}", path.display())
                }
                Step::PutLink { path, to } => format!("link {} -> {}", path.display(), to.display()),
                Step::RemoveFile { path } => format!("rm {}", path.display()),
            })
            .collect()
    }

    fn linked(pieces: Vec<Piece>) -> Vec<(Piece, PathBuf)> {
        pieces.into_iter().map(|piece| (piece.slot.path.clone(), piece)).map(|(path, piece)| (piece, path)).collect()
    }

    fn in_place(path: &str) -> Place {
        Place::InPlace { path: PathBuf::from(path) }
    }

    fn adopted(file_name: &str) -> Place {
        Place::Adopted { dir: PathBuf::from("/live/web"), file_name: file_name.to_owned() }
    }

    #[test]
    fn in_place_every_file_is_replaced_where_it_really_is() {
        let steps = install(
            vec![
                (piece("/c", Role::FullChain, None), in_place("/real/c")),
                (piece("/k", Role::Key, None), in_place("/k")),
            ],
            &[PathBuf::from("/live/web")],
            3,
        );
        assert_eq!(lines(&steps), ["put /real/c FullChain same < /c", "put /k Key same < /k"]);
    }

    #[test]
    fn adopted_one_link_switches_the_pair_and_comes_last() {
        let steps = install(
            vec![
                (piece("/c", Role::FullChain, Some(0o644)), adopted("fullchain.pem")),
                (piece("/k", Role::Key, Some(0o640)), adopted("privkey.pem")),
                (piece("/other", Role::Combined, None), in_place("/other")),
            ],
            &[PathBuf::from("/live/web")],
            12,
        );
        assert_eq!(
            lines(&steps),
            [
                "put /other Combined same < /other",
                "mkdir /live/web 755",
                "mkdir /live/web/g12 755",
                "put /live/web/g12/fullchain.pem FullChain 644 < /c",
                "put /live/web/g12/privkey.pem Key 640 < /k",
                "link /live/web/current -> g12",
            ]
        );
    }

    #[test]
    fn adopting_links_the_services_paths_after_the_copies_are_there() {
        let pieces = || {
            vec![
                piece("/a.pem", Role::FullChain, Some(0o644)),
                piece("/a.key", Role::Key, Some(0o644)),
                piece("/b.pem", Role::FullChain, Some(0o644)),
                piece("/b.key", Role::Key, Some(0o600)),
            ]
        };
        let missing = [PathBuf::from("/live"), PathBuf::from("/live/web")];
        assert_eq!(
            lines(&adopt(pieces(), Path::new("/live/web"), &missing, 1)),
            [
                "mkdir /live 755",
                "mkdir /live/web 755",
                "mkdir /live/web/g1 755",
                "put /live/web/g1/fullchain.pem FullChain 644 < /a.pem",
                "put /live/web/g1/privkey.pem Key 640 < /a.key",
                "put /live/web/g1/fullchain-2.pem FullChain 644 < /b.pem",
                "put /live/web/g1/privkey-2.pem Key 600 < /b.key",
                "link /live/web/current -> g1",
                "link /a.pem -> /live/web/current/fullchain.pem",
                "link /a.key -> /live/web/current/privkey.pem",
                "link /b.pem -> /live/web/current/fullchain-2.pem",
                "link /b.key -> /live/web/current/privkey-2.pem",
            ]
        );
        assert_eq!(lines(&release(linked(pieces())))[1], "put /a.key Key 644 < /a.key");
        assert_eq!(release(linked(pieces())).len(), 4);
    }

    #[test]
    fn what_adopting_links_is_found_as_adopted() {
        let dir = Path::new("/live/web");
        let real = Path::new("/live/web/g1/fullchain.pem");
        assert_eq!(Place::of(real, dir, dir), adopted("fullchain.pem"));
        assert_eq!(Place::of(real, Path::new("/live/other"), dir), in_place("/live/web/g1/fullchain.pem"));
        assert_eq!(Place::of(Path::new("/live/web/x"), dir, dir), in_place("/live/web/x"));
        assert_eq!(Place::of(Path::new("/live/web/g1/a/b"), dir, dir), in_place("/live/web/g1/a/b"));
        assert_eq!(Place::of(Path::new("/c"), dir, dir), in_place("/c"));
    }
}
