//! Files that are written for others to take.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::cert::{Certificate, RevocationList, RevocationListError};
use crate::change::Image;
use crate::flow::{Refusal, Session};
use crate::host::attributes;
use crate::host::dir::{Dir, DiskError, Look};
use crate::host::process;
use crate::host::walk::Last;
use crate::sensitive::Sensitive;

/// What may be replaced.
#[derive(Clone, Copy)]
pub(in crate::flow) enum Over<'a> {
    /// Nothing.
    Nothing,
    /// An earlier revocation list of one of these.
    List(&'a [&'a Certificate]),
}

/// Whether nothing is at a path yet.
pub(in crate::flow) fn vacant(session: &Session<'_>, path: &Path) -> Result<(), Refusal> {
    let (dir, name) = place(session, path)?;
    free(&dir, &name, Over::Nothing).map(drop)
}

/// The revocation list at a path, which is one of these issuers', where anything is there.
pub(in crate::flow) fn list_at(
    session: &Session<'_>,
    path: &Path,
    issuers: &[&Certificate],
) -> Result<Option<RevocationList>, Refusal> {
    let (dir, name) = place(session, path)?;
    free(&dir, &name, Over::List(issuers))
}

/// Writes a file under a hidden name, and gives it its own only when all of it is on the disk. Where it is.
pub(in crate::flow) fn put(
    session: &Session<'_>,
    path: &Path,
    content: &Sensitive,
    mode: u32,
    over: Over<'_>,
) -> Result<PathBuf, Refusal> {
    let (dir, name) = place(session, path)?;
    free(&dir, &name, over)?;
    for left in left(&dir, &name)? {
        dir.unlink(&left)?;
    }
    let hidden = hidden(&name);
    dir.stage(&hidden, content, &attributes::own(mode))?;
    let renamed = match over {
        Over::Nothing => dir.rename_new(&hidden, &name),
        Over::List(_) => dir.rename_over(&hidden, &name),
    };
    renamed.map_err(|error| {
        // The first failure is the one to tell.
        let _ = dir.unlink(&hidden);
        Refusal::from(error)
    })?;
    dir.sync()?;
    Ok(dir.path().join(&name))
}

/// The name under which a file is written before it gets its own. Of this process alone: others may write the same file at the same time.
pub(in crate::flow) fn hidden(name: &OsStr) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}{NEW}", std::process::id()));
    hidden
}

const NEW: &str = ".reseal-new";

/// The hidden names of a file that processes have left which were killed: what is under them may be a key.
pub(in crate::flow) fn left(dir: &Dir, name: &OsStr) -> Result<Vec<OsString>, DiskError> {
    let mut begin = OsString::from(".");
    begin.push(name);
    begin.push(".");
    let mut names = dir.names()?;
    names.retain(|one| {
        let middle = one.as_bytes().strip_prefix(begin.as_bytes()).and_then(|rest| rest.strip_suffix(NEW.as_bytes()));
        let pid = middle.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok());
        // One of our own number was left by another, before us.
        pid.is_some_and(|pid| pid == std::process::id() || !process::is_there(pid))
    });
    Ok(names)
}

fn place(session: &Session<'_>, path: &Path) -> Result<(Dir, OsString), Refusal> {
    let place = session.host.place(path, Last::Keep, &session.host.trusting(None)).map_err(|error| {
        let refusal = Refusal::from(error);
        let elsewhere = || Some("name a file in a directory that is there and may be written".to_owned());
        Refusal { hint: refusal.hint.or_else(elsewhere), ..refusal }
    })?;
    Ok((place.dir, place.name))
}

fn free(dir: &Dir, name: &OsStr, over: Over<'_>) -> Result<Option<RevocationList>, Refusal> {
    let Look { image, content } = dir.look(name)?;
    let taken = |why: &str| {
        Refusal::new(format!("cannot write {}: {why}", dir.path().join(name).display()))
            .hint("name another file, or move that one away")
    };
    match (image, over, content) {
        (Image::Absent, _, _) => Ok(None),
        (Image::File { .. }, Over::List(issuers), Some(old)) => {
            list_of(old.expose(), issuers).map(Some).map_err(|error| {
                taken(match error {
                    RevocationListError::Unreadable => "what is there is no revocation list, or more than one",
                    RevocationListError::OtherIssuer => "what is there is the revocation list of another CA",
                    RevocationListError::NotSigned => {
                        "what is there is the revocation list of another CA of the same name, or its signature is of no use"
                    }
                })
            })
        }
        (Image::File { .. } | Image::Link { .. } | Image::Dir { .. }, _, _) => Err(taken("it is there already")),
    }
}

/// The list in a file, if it is one of these issuers' alone.
fn list_of(bytes: &[u8], issuers: &[&Certificate]) -> Result<RevocationList, RevocationListError> {
    let mut told = RevocationListError::OtherIssuer;
    for issuer in issuers {
        match RevocationList::alone_in(bytes, issuer) {
            // Another one may be what it names.
            Err(RevocationListError::OtherIssuer) => {}
            Err(why) => told = why,
            Ok(list) => return Ok(list),
        }
    }
    Err(told)
}
