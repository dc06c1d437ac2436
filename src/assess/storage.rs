//! What the files themselves tell, whatever is in them.

use super::{Code, Facts, Finding};
use crate::cert::installed::KeyFound;
use crate::change::{Attributes, Role};

/// A file of a pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// What it holds.
    pub role: Role,
    /// As the service's configuration names it.
    pub path: String,
    /// Where it is, links followed.
    pub real: String,
    /// Owner and mode; none where there is no file.
    pub attributes: Option<Attributes>,
    /// There is a link, and nothing at its end.
    pub dangling: bool,
    /// The tool whose own records name it.
    pub tracked_by: Option<String>,
    /// Name and user id of the service that reads it, where known.
    pub reader: Option<(String, u32)>,
}

/// The tool in whose directories a path lies: what it replaces by itself.
#[must_use]
pub fn keeper(path: &str) -> Option<&'static str> {
    const PLACES: &[(&str, &str)] = &[
        ("/etc/letsencrypt/live/", "certbot"),
        ("/etc/letsencrypt/archive/", "certbot"),
        ("/.acme.sh/", "acme.sh"),
        ("/dehydrated/certs/", "dehydrated"),
        ("/.lego/certificates/", "lego"),
        ("/caddy/certificates/", "Caddy"),
    ];
    PLACES.iter().find(|(place, _)| path.contains(place)).map(|(_, tool)| *tool)
}

pub(super) fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let installed = facts.installed;
    for problem in &installed.problems {
        found.push(Finding::new(Code::Unreadable, problem.clone()));
    }
    for place in &installed.blank_lines {
        found.push(Finding::new(Code::PemBlankLine, format!("{place}: a blank line inside the block")));
    }
    for place in &installed.encrypted {
        found.push(Finding::new(Code::KeyEncrypted, format!("{place}: the private key is encrypted")));
    }
    if installed.chain.is_none() {
        found.push(Finding::new(Code::NoCertificate, "there is no certificate"));
    }
    match installed.key {
        KeyFound::None if facts.key_expected => {
            found.push(Finding::new(Code::NoKey, "there is no readable private key"));
        }
        KeyFound::Mismatch => {
            found.push(Finding::new(Code::KeyMismatch, "the private key belongs to another certificate"));
        }
        KeyFound::None | KeyFound::Matches | KeyFound::NoLeaf => {}
    }
    for file in facts.files {
        one(file, &mut found);
    }
    managed(facts, &mut found);
    if let Some(regression) = facts.regression {
        let what =
            regression.committed.map_or("another state".to_owned(), |leaf| format!("certificate {}", leaf.short()));
        let message =
            format!("the files are not what was committed last (generation {}, {what})", regression.generation);
        found.push(Finding::new(Code::Regression, message));
    }
    found
}

/// What to do about another pair than the committed one that is good by itself, or about the same one in other files: nobody replaces
/// that unasked.
const WANTED_OR_NOT: &str = "`reseal snapshot` makes what is there the wanted state; if nobody meant it, `reseal restore` puts the committed pair back";

/// Gives the finding that the files are not what was committed the remedy that fits what else was found.
pub(super) fn remedy_regression(found: &mut [Finding]) {
    if found.iter().any(|one| one.code.calls_for_replacement()) {
        return;
    }
    for one in found.iter_mut().filter(|one| one.code == Code::Regression) {
        one.remedy = WANTED_OR_NOT;
    }
}

fn one(file: &Stored, found: &mut Vec<Finding>) {
    if file.dangling {
        let message = format!("{} is a link to something that is not there", file.path);
        found.push(Finding::new(Code::DanglingLink, message));
    }
    let Some(attributes) = &file.attributes else { return };
    let Attributes { mode, uid, xattrs, .. } = attributes;
    if mode & 0o002 != 0 {
        let message = format!("everybody may write {} (mode {mode:04o})", file.real);
        found.push(Finding::new(Code::Writable, message));
    }
    if file.role.holds_key() && mode & 0o007 != 0 {
        let message = format!("everybody may read the file with the key (mode {mode:04o})");
        found.push(Finding::new(Code::KeyReadable, message));
    }
    // Groups and ACLs may let it in; what they cannot do is told.
    let acl = xattrs.iter().any(|(name, _)| name == "system.posix_acl_access");
    if let Some((name, reader)) = &file.reader
        && *reader != 0
        && !acl
    {
        let own = reader == uid;
        let closed = if own { mode & 0o400 == 0 } else { mode & 0o044 == 0 };
        if closed {
            let message = format!("{name} cannot read {} (mode {mode:04o}, owner {uid})", file.real);
            found.push(Finding::new(Code::ServiceCannotRead, message));
        }
    }
}

/// One finding a tool, however many of its files there are.
fn managed(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut told: Vec<String> = Vec::new();
    for file in facts.files {
        let by_path = keeper(&file.path).or_else(|| keeper(&file.real)).map(str::to_owned);
        if let Some(tool) = file.tracked_by.clone().or(by_path)
            && !told.contains(&tool)
        {
            found.push(Finding::new(Code::ManagedElsewhere, format!("{tool} replaces {}", file.path)));
            told.push(tool);
        }
    }
}
