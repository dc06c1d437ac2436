//! A database of NSS, which Firefox, Chromium and others read. Its own tool changes a copy that nobody else can reach; what comes of
//! it is put in place like any other file, so that the change is whole or not at all.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{Entry, OURS, Standing, Store, StoreError};
use crate::cert::Certificate;
use crate::cert::codec;
use crate::change::{Command, Image};
use crate::digest::Digest;
use crate::host::dir::{Dir, DiskError};
use crate::host::state::{State, absent_is_none};
use crate::host::{Host, attributes, process};
use crate::outcome::explain;
use crate::sensitive::Sensitive;

/// What a change of trust touches: trust is signed with the key of the database, so both change.
const FILES: [&str; 2] = ["cert9.db", "key4.db"];

/// Where `certutil` may be.
const PROGRAMS: [&str; 2] = ["/usr/bin/certutil", "/usr/local/bin/certutil"];

/// The directory of the copy, in the state directory. It is used under the machine lock alone.
const COPY: &str = "nss-copy";

/// Trusted to issue certificates of TLS servers, and for nothing else.
const TRUST: &str = "C,,";

/// Nicknames that are looked through for a certificate; a browser's database has a few dozen.
const MOST_NICKNAMES: usize = 200;

/// Bytes of an answer of `certutil`.
const MOST: usize = 4 << 20;

/// A database, looked at.
pub struct Database {
    store: Store,
    dir: PathBuf,
    certutil: &'static str,
    /// Path, bytes and digest of each file.
    files: Vec<(PathBuf, Sensitive)>,
}

/// What is to be done with a copy.
pub enum Edit<'a> {
    /// Trust this one under the entry's nickname.
    Add(&'a Entry),
    /// Take the entry's nickname out.
    Remove(&'a Entry),
}

impl Database {
    /// Reads one.
    ///
    /// # Errors
    /// There is none, it is of the old format, somebody changes it just now, or `certutil` is not installed.
    pub fn open(host: &Host, dir: &Path) -> Result<Self, StoreError> {
        let store = Store::Nss(dir.to_owned());
        let refuse = |why: String, hint: &str| Err(StoreError::new(&store, why, hint));
        let mut files = Vec::new();
        for name in FILES {
            let path = dir.join(name);
            match host.look(&path, &host.trusting(None)) {
                Ok((real, look)) => match (look.image, look.content) {
                    (Image::File { .. }, Some(bytes)) => files.push((real, bytes)),
                    (Image::Absent, _) => {}
                    (Image::File { .. } | Image::Link { .. } | Image::Dir { .. }, _) => {
                        return refuse(format!("{} is no file", path.display()), "name the directory of the database");
                    }
                },
                Err(error) if error.is_absent() => {}
                Err(error) => {
                    let hint = error.hint().unwrap_or_else(|| "run as the user whose database it is".to_owned());
                    return refuse(explain(&error), &hint);
                }
            }
        }
        if files.len() < FILES.len() {
            if host.exists(&dir.join("cert8.db")) {
                return refuse(
                    "it is of the old format (cert8.db), which today's programs do not read".to_owned(),
                    "`certutil --upgrade-merge` makes a new one of it",
                );
            }
            let why = format!("there is no database: {} is not in {}", FILES.join(" and "), dir.display());
            return refuse(
                why,
                "`certutil -N -d sql:DIRECTORY` makes one; Firefox has it in its profile, Chromium in ~/.pki/nssdb",
            );
        }
        let Some(certutil) = PROGRAMS.into_iter().find(|path| host.exists(Path::new(path))) else {
            return refuse(
                format!("certutil is not installed: looked for {}", PROGRAMS.join(" and ")),
                "install libnss3-tools (Debian), nss-tools (Fedora), mozilla-nss-tools (SUSE) or nss (Arch)",
            );
        };
        let unfinished = |path: &&PathBuf| {
            ["-journal", "-wal"].iter().any(|ending| {
                let mut beside = OsString::from(path.as_os_str());
                beside.push(ending);
                host.exists(Path::new(&beside))
            })
        };
        if let Some(path) = files.iter().map(|(path, _)| path).find(unfinished) {
            return refuse(
                format!("a change of {} is under way, or was never finished", path.display()),
                "close the program that uses it; where none does, start it once and close it; then run the same command again",
            );
        }
        Ok(Self { store, dir: dir.to_owned(), certutil, files })
    }

    /// The nickname of a name.
    #[must_use]
    pub fn nickname(name: &str) -> String {
        format!("{OURS}{name}")
    }

    /// Its files with digests.
    pub fn files(&self) -> impl Iterator<Item = (&Path, Digest)> {
        self.files.iter().map(|(path, bytes)| (path.as_path(), Digest::of(bytes.expose())))
    }

    /// The paths of the files of a database.
    #[must_use]
    pub fn paths(dir: &Path) -> [PathBuf; 2] {
        FILES.map(|name| dir.join(name))
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How an entry stands.
    #[must_use]
    pub fn standing(&self, host: &Host, entry: &Entry) -> Standing {
        match self.nicknames(host) {
            Err(error) => Standing::Unknown(error.why),
            Ok(names) => match names.iter().find(|(name, _)| *name == entry.place) {
                None => Standing::Gone,
                Some((_, trust)) => match self.under(host, &entry.place).as_slice() {
                    [one] if one.fingerprint() == entry.fingerprint && trust == TRUST => Standing::InPlace,
                    _ => Standing::Changed,
                },
            },
        }
    }

    /// The nickname under which the database has a certificate already, and whether it trusts it.
    ///
    /// # Errors
    /// `certutil` does not tell.
    pub fn holder(&self, host: &Host, anchor: Digest) -> Result<Option<(String, bool)>, StoreError> {
        let names = self.nicknames(host)?;
        let found = names
            .into_iter()
            .take(MOST_NICKNAMES)
            .find(|(name, _)| self.under(host, name).iter().any(|one| one.fingerprint() == anchor));
        Ok(found.map(|(name, trust)| {
            let ssl = trust.split(',').next().unwrap_or_default().to_owned();
            (name, ssl.contains('C'))
        }))
    }

    /// All certificates that it trusts to issue those of servers; those that NSS itself brings are in no database.
    ///
    /// # Errors
    /// `certutil` does not tell.
    pub fn trusted(&self, host: &Host) -> Result<Vec<Certificate>, StoreError> {
        let names = self.nicknames(host)?.into_iter().take(MOST_NICKNAMES);
        let trusted = names.filter(|(_, trust)| trust.split(',').next().unwrap_or_default().contains('C'));
        Ok(trusted.flat_map(|(name, _)| self.under(host, &name)).collect())
    }

    /// Makes all edits on a copy and gives the files that changed, with their new bytes.
    ///
    /// # Errors
    /// The database is open elsewhere, has a password, or `certutil` fails: nothing was changed.
    pub fn edited(
        &self,
        host: &Host,
        state: &State,
        edits: &[Edit<'_>],
    ) -> Result<Vec<(PathBuf, Sensitive)>, StoreError> {
        self.refuse_in_use()?;
        let copy = Copy::begin(state).map_err(|error| self.disk(&error))?;
        let made = self.edit(host, &copy, edits);
        let ended = copy.end().map_err(|error| self.disk(&error));
        let made = made?;
        ended?;
        Ok(made)
    }

    fn edit(&self, host: &Host, copy: &Copy<'_>, edits: &[Edit<'_>]) -> Result<Vec<(PathBuf, Sensitive)>, StoreError> {
        let owner_only = attributes::own(0o600);
        for (name, (_, bytes)) in FILES.iter().zip(&self.files) {
            copy.dir.stage(OsStr::new(name), bytes, &owner_only).map_err(|error| self.disk(&error))?;
        }
        let database = format!("sql:{}", copy.dir.path().display());
        for edit in edits {
            let (entry, added) = match edit {
                Edit::Add(entry) => (entry, true),
                Edit::Remove(entry) => (entry, false),
            };
            let file = copy.dir.path().join("anchor.pem").display().to_string();
            let mut argv = vec!["-d", &database, "-f", "/dev/null", "-n", &entry.place];
            if added {
                let pem = Sensitive::from(entry.pem.as_bytes().to_vec());
                let name = OsStr::new("anchor.pem");
                let staged = copy.dir.unlink(name).and_then(|()| copy.dir.stage(name, &pem, &owner_only));
                staged.map_err(|error| self.disk(&error))?;
                argv.extend(["-A", "-t", TRUST, "-a", "-i", &file]);
            } else {
                argv.push("-D");
            }
            let ran = host.run(&self.command(&argv));
            if !ran.ok() {
                let locked = ran.output.contains("SEC_ERROR_BAD_PASSWORD");
                let why = if locked {
                    "it has a password, which reseal does not enter".to_owned()
                } else {
                    format!("certutil {ran}")
                };
                let hint = if locked {
                    format!("enter it yourself: `certutil -d sql:{} -A -t {TRUST} -n NAME -i FILE`", self.dir.display())
                } else {
                    "the database is as it was; `certutil -L` tells whether it can be read".to_owned()
                };
                return Err(StoreError::new(&self.store, why, hint));
            }
            self.prove(host, &database, entry, added)?;
        }
        let mut changed = Vec::new();
        for (name, (path, old)) in FILES.iter().zip(&self.files) {
            let new = copy.dir.read(OsStr::new(name)).map_err(|error| self.disk(&error))?;
            if new.expose() != old.expose() {
                changed.push((path.clone(), new));
            }
        }
        Ok(changed)
    }

    /// The copy holds what it must under the nickname: NSS gives certificates of one subject one nickname, whatever was asked for.
    fn prove(&self, host: &Host, database: &str, entry: &Entry, held: bool) -> Result<(), StoreError> {
        let found = self.found(host, database, &entry.place);
        let good = match found.as_slice() {
            [one] => held && one.fingerprint() == entry.fingerprint,
            [] => !held,
            _ => false,
        };
        if good {
            return Ok(());
        }
        Err(StoreError::new(
            &self.store,
            format!(
                "certutil did not do as asked with {:?}: another certificate of this subject may be there under a name of its own",
                entry.place
            ),
            "`certutil -L` lists what is there; the database is as it was",
        ))
    }

    /// Nicknames and what each is trusted for.
    fn nicknames(&self, host: &Host) -> Result<Vec<(String, String)>, StoreError> {
        let command = self.command(&["-L", "-d", &format!("sql:{}", self.dir.display())]);
        let text = host.capture(&command, MOST).map_err(|why| {
            StoreError::new(
                &self.store,
                format!("certutil: {}", why.trim()),
                "`certutil -L` tells whether the database can be read",
            )
        })?;
        let flags = |word: &str| {
            word.split(',').count() == 3 && word.bytes().all(|byte| byte == b',' || byte.is_ascii_alphabetic())
        };
        let lines = text.lines().filter_map(|line| line.trim_end().rsplit_once(' '));
        Ok(lines
            .filter(|(_, last)| flags(last))
            .map(|(name, last)| (name.trim_end().to_owned(), last.to_owned()))
            .collect())
    }

    fn under(&self, host: &Host, nickname: &str) -> Vec<Certificate> {
        self.found(host, &format!("sql:{}", self.dir.display()), nickname)
    }

    fn found(&self, host: &Host, database: &str, nickname: &str) -> Vec<Certificate> {
        let told = host.capture(&self.command(&["-L", "-d", database, "-n", nickname, "-a"]), MOST);
        let found = told.ok().and_then(|pem| codec::read(pem.as_bytes(), None).ok());
        found.map(|found| found.certificates).unwrap_or_default()
    }

    fn command(&self, words: &[&str]) -> Command {
        Command::new([self.certutil].iter().chain(words).copied())
    }

    /// A program that has the database open would go on with the old file, and lose what it writes.
    ///
    /// # Errors
    /// Which programs have it open.
    pub fn refuse_in_use(&self) -> Result<(), StoreError> {
        let paths: Vec<&Path> = self.files.iter().map(|(path, _)| path.as_path()).collect();
        let users = process::holding(&paths);
        if !users.is_empty() {
            let why = format!("{} has it open", users.join(", "));
            return Err(StoreError::new(&self.store, why, "close it, then run the same command again"));
        }
        Ok(())
    }

    fn disk(&self, error: &DiskError) -> StoreError {
        StoreError { store: self.store.clone(), why: explain(error), hint: error.hint().map(str::to_owned) }
    }
}

/// A directory that is ours alone while it is used.
struct Copy<'s> {
    state: &'s State,
    dir: Dir,
}

impl<'s> Copy<'s> {
    /// Empty, whatever a killed run has left.
    fn begin(state: &'s State) -> Result<Self, DiskError> {
        let copy = Self { state, dir: state.area(COPY)? };
        copy.clear()?;
        Ok(copy)
    }

    fn end(self) -> Result<(), DiskError> {
        self.clear()?;
        self.state.root().remove_dir(OsStr::new(COPY))
    }

    fn clear(&self) -> Result<(), DiskError> {
        for name in self.dir.names()? {
            self.dir.unlink(&name)?;
        }
        Ok(())
    }
}

/// Removes the copy that a killed run has left.
///
/// # Errors
/// A call failed.
pub fn sweep(state: &State) -> Result<(), DiskError> {
    match absent_is_none(state.root().sub(OsStr::new(COPY)))? {
        Some(dir) => Copy { state, dir }.end(),
        None => Ok(()),
    }
}
