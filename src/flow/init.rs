//! `init`: a first configuration from what the services of this machine use. Never over an existing one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Refusal;
use crate::config::{Discovered, render_starter};
use crate::host::Host;
use crate::host::attributes;
use crate::host::walk::{Last, WalkError};
use crate::outcome::explain;
use crate::sensitive::Sensitive;
use crate::target;

/// What was written.
#[derive(Debug, Serialize)]
pub struct Written {
    /// The configuration.
    pub path: PathBuf,
    /// Whether it was written; not so in a dry run.
    pub written: bool,
    /// The pairs that were found, one a target.
    pub found: Vec<Found>,
    /// Worth a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A pair that was found.
#[derive(Debug, Serialize)]
pub struct Found {
    /// The name its target got.
    pub target: String,
    /// Its kind.
    pub kind: &'static str,
    /// The names it is used for.
    pub names: Vec<String>,
}

/// Finds what is there and writes the configuration to `path`; in a dry run it only tells what it would hold.
///
/// # Errors
/// Something is at `path` already, or it cannot be written.
pub fn run(host: &Host, path: &Path, dry_run: bool) -> Result<Written, Refusal> {
    refuse_existing(host, path)?;
    let (found, notes) = discover(host);
    let text = render_starter(&found);
    if !dry_run {
        write(host, path, text)?;
    }
    let found = found
        .into_iter()
        .map(|pair| Found {
            kind: pair.kind.word(),
            names: pair.names.iter().map(ToString::to_string).collect(),
            target: pair.name,
        })
        .collect();
    Ok(Written { path: path.to_owned(), written: !dry_run, found, notes })
}

fn refuse_existing(host: &Host, path: &Path) -> Result<(), Refusal> {
    if host.exists(path) {
        return Err(existing(path));
    }
    Ok(())
}

fn existing(path: &Path) -> Refusal {
    Refusal::new(format!("cannot write a first configuration to {}: something is there already", path.display()))
        .hint("move it away first, or name another place with `--output`")
}

/// One kind that cannot be asked does not hide the others. Where nothing is found, it is told where was looked.
fn discover(host: &Host) -> (Vec<Discovered>, Vec<String>) {
    let (mut found, mut notes, mut looked) = (Vec::new(), Vec::new(), Vec::new());
    for kind in target::KINDS {
        match (kind.discover)(host) {
            Ok(discovery) => {
                found.extend(discovery.pairs);
                looked.extend(discovery.looked);
            }
            Err(error) => notes.push(format!("{}: {}", kind.name, explain(&error))),
        }
    }
    if found.is_empty() {
        notes.extend(looked);
    }
    (alone(host, found, &mut notes), notes)
}

/// Leaves out what has a file of one before it, through whatever links: neither of two such targets could be changed.
fn alone(host: &Host, found: Vec<Discovered>, notes: &mut Vec<String>) -> Vec<Discovered> {
    let mut taken: BTreeMap<PathBuf, (String, PathBuf)> = BTreeMap::new();
    let mut kept = Vec::new();
    for pair in found {
        let real: Vec<(PathBuf, &Path)> =
            pair.files.iter().map(|path| (host.real(path).unwrap_or_else(|| path.clone()), path.as_path())).collect();
        if let Some((other, by, path)) = real.iter().find_map(|(real, path)| {
            let (other, by) = taken.get(real)?;
            Some((other, by, path))
        }) {
            notes.push(format!(
                "no target was written for {}: its file {} is one and the same as {}, which {other} has; give each files of its own, or \
                 name the same ones in both places",
                pair.name,
                path.display(),
                by.display()
            ));
            continue;
        }
        for (real, path) in real {
            taken.entry(real).or_insert_with(|| (pair.name.clone(), path.to_owned()));
        }
        kept.push(pair);
    }
    kept
}

/// The whole text under its name, or nothing: written beside it first.
fn write(host: &Host, path: &Path, text: String) -> Result<(), Refusal> {
    if let Some(parent) = path.parent() {
        make_all(host, parent)?;
    }
    let place = host.place(path, Last::Keep, &host.trusting(None))?;
    let mut staged = OsString::from(".");
    staged.push(&place.name);
    staged.push(".reseal-new");
    // Left by an init that was killed: it holds nothing that is not found again.
    place.dir.unlink(&staged)?;
    place.dir.stage(&staged, &Sensitive::from(text), &attributes::own(0o644))?;
    match place.dir.rename_new(&staged, &place.name) {
        Ok(()) => Ok(place.dir.sync()?),
        Err(error) => {
            let _ = place.dir.unlink(&staged);
            Err(if host.exists(path) { existing(path) } else { error.into() })
        }
    }
}

fn make_all(host: &Host, dir: &Path) -> Result<(), WalkError> {
    let trust = host.trusting(None);
    match host.dir(dir, &trust) {
        Err(error) if error.is_absent() => {}
        other => return other.map(|_| ()),
    }
    if let Some(parent) = dir.parent() {
        make_all(host, parent)?;
    }
    let place = host.place(dir, Last::Follow, &trust)?;
    place.dir.make_dir(&place.name, 0o755)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::{Config, FilesConfig, TargetKind};

    #[test]
    fn no_two_targets_are_written_for_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(dir.path().join("state"));
        let path = |name: &str| dir.path().join(name);
        for name in ["a.pem", "a.key", "c.pem"] {
            fs::write(path(name), name).unwrap();
        }
        std::os::unix::fs::symlink(path("a.pem"), path("b.pem")).unwrap();
        let pair = |name: &str, certificate: &str, key: &str| Discovered {
            name: name.to_owned(),
            names: Vec::new(),
            kind: TargetKind::Files(FilesConfig::Combined(path(certificate))),
            files: vec![path(certificate), path(key)],
            notes: Vec::new(),
        };
        let all = vec![
            pair("a", "a.pem", "a.key"),
            pair("b", "b.pem", "b.key"),
            pair("c", "c.pem", "c.key"),
            pair("d", "d.pem", "c.key"),
        ];
        let mut notes = Vec::new();
        let kept = alone(&host, all, &mut notes);
        assert_eq!(kept.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert!(notes[0].contains("b.pem is one and the same as") && notes[0].contains("which a has"), "{notes:?}");
        // A file that is not there yet has one name at least.
        assert!(notes[1].contains("c.key is one and the same as"), "{notes:?}");
    }

    #[test]
    fn it_writes_what_reads_back_and_never_twice() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(dir.path().join("state"));
        let path = dir.path().join("etc/reseal/reseal.toml");
        let dry = run(&host, &path, true).unwrap();
        assert!(!dry.written && !dir.path().join("etc").exists());
        let looked = dry.notes.iter().any(|note| note.contains("nginx"));
        assert!(!dry.found.is_empty() || looked, "nobody is told where it looked: {:?}", dry.notes);
        assert!(run(&host, &path, false).unwrap().written);
        let text = fs::read_to_string(&path).unwrap();
        Config::parse(&text, &path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::metadata(dir.path().join("etc")).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");

        fs::write(&path, "mine").unwrap();
        assert!(run(&host, &path, false).unwrap_err().hint.is_some());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
