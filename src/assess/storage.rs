//! What the files themselves tell, whatever is in them.

use std::collections::BTreeMap;

use super::{Code, Facts, Finding};
use crate::cert::codec::Stop;
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
    /// The service that reads it, where known.
    pub reader: Option<Reader>,
}

/// The user as which a service reads its files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reader {
    /// The user's name.
    pub name: String,
    /// The user's id.
    pub uid: u32,
    /// The user's groups; empty where they are not known.
    pub groups: Vec<u32>,
}

impl Reader {
    /// Whether owner, group and mode let it read a file. An ACL may, and so may a group where its own are not known.
    #[must_use]
    pub fn can_read(&self, attributes: &Attributes) -> bool {
        let Attributes { mode, uid, gid, xattrs } = attributes;
        if self.uid == 0 || xattrs.iter().any(|(name, _)| name == "system.posix_acl_access") {
            return true;
        }
        if *uid == self.uid {
            return mode & 0o400 != 0;
        }
        match (self.groups.is_empty(), self.groups.contains(gid)) {
            (true, _) => mode & 0o044 != 0,
            (false, true) => mode & 0o040 != 0,
            (false, false) => mode & 0o004 != 0,
        }
    }

    /// Whether it reads a file by the right alone that everybody has, which a file with a key loses.
    #[must_use]
    pub fn reads_as_everybody(&self, attributes: &Attributes) -> bool {
        let closed = Attributes { mode: attributes.mode & 0o770, ..attributes.clone() };
        self.can_read(attributes) && !self.can_read(&closed)
    }
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
    for key in &installed.unsupported {
        let message = format!("{key}; whether it is the certificate's is not known");
        found.push(Finding::new(Code::UnsupportedKey, message));
    }
    for store in &installed.stores {
        let mut finding = Finding::new(Code::Unreadable, store.clone());
        // Where something else was committed, an upgrade has made a keystore of it: that is put back as ever.
        if facts.regression.is_none() {
            finding.remedy = KEYSTORE.into();
        }
        found.push(finding);
    }
    stops(&installed.stops, &mut found);
    if let Some(chain) = installed.chain.as_ref().filter(|_| installed.leaf_place > 0) {
        let message = match installed.leaf_place {
            1 => format!("another certificate stands before {}", chain.leaf().title()),
            several => format!("{several} other certificates stand before {}", chain.leaf().title()),
        };
        found.push(Finding::new(Code::LeafNotFirst, message));
    }
    for place in &installed.encrypted {
        found.push(Finding::new(Code::KeyEncrypted, format!("{place}: the private key is encrypted")));
    }
    // What is in a keystore that is locked nobody knows.
    let known = installed.stores.is_empty();
    if installed.chain.is_none() && known {
        let of = |file: &&Stored| !matches!(file.role, Role::Key | Role::Chain);
        found.push(nothing(Code::NoCertificate, "there is no certificate", &absent(facts.files, of)));
    }
    match installed.key {
        KeyFound::None if facts.key_expected && known => {
            let of = |file: &&Stored| file.role.holds_key();
            found.push(nothing(Code::NoKey, "there is no readable private key", &absent(facts.files, of)));
        }
        KeyFound::Mismatch => {
            found.push(Finding::new(Code::KeyMismatch, "the private key belongs to another certificate"));
        }
        KeyFound::NotFirst => {
            let message = "the first private key belongs to another certificate; one behind it belongs to this one, and servers read the first";
            let mut finding = Finding::new(Code::KeyMismatch, message);
            finding.remedy = "the next restart of the service fails: take out the keys before the one that belongs to the certificate".into();
            found.push(finding);
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

/// One finding for each reason, however many blocks it holds of: all of a file are mostly written alike.
fn stops(all: &[(String, Stop)], found: &mut Vec<Finding>) {
    let mut by_reason: BTreeMap<Stop, Vec<&str>> = BTreeMap::new();
    for (place, why) in all {
        by_reason.entry(*why).or_default().push(place);
    }
    for (why, places) in by_reason {
        let more = match places.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let code = if why == Stop::BlankLine { Code::PemBlankLine } else { Code::PemRefused };
        let mut finding = Finding::new(code, format!("{}{more}: {why}", places[0]));
        if why.is_of_key() {
            finding.remedy = KEY_FORM.into();
        }
        found.push(finding);
    }
}

/// What to do about a key that is good and written so that servers do not load it.
const KEY_FORM: &str =
    "write the key anew as plain PKCS#8 of version 1, under `PRIVATE KEY`: most servers refuse it as it is";

/// What to do about a keystore, which is no file that is damaged: a product that reads it reads nothing else.
const KEYSTORE: &str = "a keystore is left as it is: let a target of PEM files take certificates, and make it of that: `reseal export NAME --form p12 --out FILE`";

/// What to do about another pair than the committed one that is good by itself, or about the same one in other files: nobody replaces
/// that unasked.
const WANTED_OR_NOT: &str = "`reseal snapshot TARGET` makes what is there the wanted state; if nobody meant it, `reseal restore TARGET` puts the committed pair back";

/// Gives the finding that the files are not what was committed the remedy that fits what else was found.
pub(super) fn remedy_regression(found: &mut [Finding]) {
    if found.iter().any(|one| one.code.calls_for_replacement()) {
        return;
    }
    for one in found.iter_mut().filter(|one| one.code == Code::Regression) {
        one.remedy = WANTED_OR_NOT.into();
    }
}

fn nothing(code: Code, what: &str, absent: &str) -> Finding {
    let mut finding = Finding::new(code, format!("{what}{absent}"));
    if !absent.is_empty() {
        finding.remedy = "see that its path is right; if a file is to be made there: `reseal install TARGET --cert FILE --key FILE`, or `reseal renew TARGET` where the target has a source".into();
    }
    finding
}

/// Which files it would be in, and are not there: the name may be wrong.
fn absent<'f>(files: &'f [Stored], of: impl FnMut(&&'f Stored) -> bool) -> String {
    let gone = files.iter().filter(of).filter(|file| file.attributes.is_none() && !file.dangling);
    let gone: Vec<&str> = gone.map(|file| file.path.as_str()).collect();
    match gone.as_slice() {
        [] => String::new(),
        [one] => format!(": {one} is not there"),
        several => format!(": {} are not there", several.join(", ")),
    }
}

fn one(file: &Stored, found: &mut Vec<Finding>) {
    if file.dangling {
        let message = format!("{} is a link to something that is not there", file.path);
        found.push(Finding::new(Code::DanglingLink, message));
    }
    let Some(attributes) = &file.attributes else { return };
    let Attributes { mode, uid, .. } = attributes;
    if mode & 0o002 != 0 {
        let message = format!("everybody may write {} (mode {mode:04o})", file.real);
        found.push(Finding::new(Code::Writable, message));
    }
    if file.role.holds_key() && mode & 0o007 != 0 {
        let message = format!("everybody may read the file with the key (mode {mode:04o})");
        let mut finding = Finding::new(Code::KeyReadable, message);
        if let Some(reader) = file.reader.as_ref().filter(|reader| reader.reads_as_everybody(attributes)) {
            finding.message = format!("{}, and {} reads it as everybody does", finding.message, reader.name);
            finding.remedy = "`chgrp` it to a group of the service and `chmod 640` it: a change would close it to the service, and is refused".into();
        }
        found.push(finding);
    }
    if let Some(reader) = file.reader.as_ref().filter(|reader| !reader.can_read(attributes)) {
        let message = format!("{} cannot read {} (mode {mode:04o}, owner {uid})", reader.name, file.real);
        found.push(Finding::new(Code::ServiceCannotRead, message));
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
