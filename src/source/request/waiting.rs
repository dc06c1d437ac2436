//! Requests on disk.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::encode::Request;
use super::error::RequestError;
use crate::cert::{Name, PrivateKey, SubjectPart, codec};
use crate::digest::Digest;
use crate::host::attributes;
use crate::host::dir::{Dir, DiskError};
use crate::host::state::{State, absent_is_none, file_name};
use crate::moment::whole_second;
use crate::sensitive::Sensitive;

/// What was asked for, and when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct About {
    /// When it was made, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The names it is for.
    pub names: Vec<Name>,
    /// The subject as it was written.
    pub subject: Vec<SubjectPart>,
    /// The kind of key, in words.
    pub kind: String,
    /// SHA-256 of the public key (SubjectPublicKeyInfo).
    pub key: Digest,
    /// Whether it asks for a TLS client's use as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_clients: bool,
    /// Whether the key was made for it: where it has been in service, the request was answered. Not told of requests that earlier programs
    /// made, nor of one for a key that was in place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}

/// A request that waits for an answer.
pub struct Waiting {
    /// Its number: the oldest that waits has the lowest.
    pub number: u32,
    /// What was asked for.
    pub about: About,
    dir: Dir,
}

impl Waiting {
    /// Where the request lies, to be sent to the CA.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.path().join(REQUEST)
    }

    /// The request itself.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn pem(&self) -> Result<String, RequestError> {
        let bytes = self.dir.read(OsStr::new(REQUEST)).map_err(|error| absent(&self.dir, REQUEST, error))?;
        let text = std::str::from_utf8(bytes.expose()).map(str::to_owned);
        text.map_err(|_| damaged(self.dir.path(), REQUEST, "it is no PEM"))
    }

    /// The key, proved to be the one of the request.
    ///
    /// # Errors
    /// The file cannot be read, or is not what was written.
    pub fn key(&self) -> Result<PrivateKey, RequestError> {
        let bytes = self.dir.read(OsStr::new(KEY)).map_err(|error| absent(&self.dir, KEY, error))?;
        let keys = codec::read(bytes.expose(), None).map(|contents| contents.keys).unwrap_or_default();
        let key = keys.into_iter().next().ok_or_else(|| damaged(self.dir.path(), KEY, "it holds no private key"))?;
        if Digest::of(key.spki()) == self.about.key {
            Ok(key)
        } else {
            Err(damaged(self.dir.path(), KEY, "it is not the key of the request"))
        }
    }
}

/// The requests of one target.
pub struct Requests {
    target: String,
    dir: Dir,
}

impl Requests {
    /// Those of this target; none where it never had one.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn of(state: &State, target: &str) -> Result<Option<Self>, RequestError> {
        let Some(area) = state.existing_area(AREA)? else { return Ok(None) };
        let dir = absent_is_none(area.sub(&file_name(target)))?;
        Ok(dir.map(|dir| Self { target: target.to_owned(), dir }))
    }

    /// All that wait, the oldest first; and of those that cannot be read, why. One that is damaged hides no other.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn waiting(&self) -> Result<(Vec<Waiting>, Vec<RequestError>), RequestError> {
        let (mut whole, mut damaged) = (Vec::new(), Vec::new());
        for number in self.numbers()? {
            match self.read(number) {
                Ok(one) => whole.push(one),
                Err(why) => damaged.push(why),
            }
        }
        Ok((whole, damaged))
    }

    /// Whether one of this number waits, also where it cannot be read.
    ///
    /// # Errors
    /// There is no such number, or the directory cannot be read.
    pub fn holds(&self, number: u32) -> Result<(), RequestError> {
        if self.numbers()?.contains(&number) {
            return Ok(());
        }
        Err(RequestError::Missing { target: self.target.clone(), number })
    }

    /// Drops one, with its key; that its certificate can be used is over.
    ///
    /// # Errors
    /// There is no such number, or a call failed.
    pub fn forget(&self, number: u32) -> Result<(), RequestError> {
        self.holds(number)?;
        self.sweep()?;
        // Hidden first, so that a request that is half gone is none.
        self.dir.rename_new(OsStr::new(&number.to_string()), OsStr::new(HIDDEN))?;
        self.dir.sync()?;
        self.sweep()
    }

    fn numbers(&self) -> Result<Vec<u32>, RequestError> {
        let names = self.dir.names()?.into_iter().filter_map(|name| name.into_string().ok());
        let mut numbers: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn read(&self, number: u32) -> Result<Waiting, RequestError> {
        let dir = self.dir.sub(OsStr::new(&number.to_string()))?;
        let bytes = dir.read(OsStr::new(ABOUT)).map_err(|error| absent(&dir, ABOUT, error))?;
        let about = serde_json::from_slice(bytes.expose());
        let about = about.map_err(|why| damaged(dir.path(), ABOUT, &why.to_string()))?;
        Ok(Waiting { number, about, dir })
    }

    /// Removes what an earlier attempt has left.
    fn sweep(&self) -> Result<(), RequestError> {
        let Some(dir) = absent_is_none(self.dir.sub(OsStr::new(HIDDEN)))? else { return Ok(()) };
        for name in dir.names()? {
            dir.unlink(&name)?;
        }
        Ok(self.dir.remove_dir(OsStr::new(HIDDEN))?)
    }

    fn keep(&self, request: &Request, taken: &Taken, now: OffsetDateTime) -> Result<Waiting, RequestError> {
        let number = taken.after(self.numbers()?.last().copied().unwrap_or(0))?;
        let about = About {
            at: whole_second(now),
            names: request.order.names.clone(),
            subject: request.subject.clone(),
            kind: request.order.key.kind().to_string(),
            key: Digest::of(request.order.key.spki()),
            for_clients: request.order.for_clients,
            fresh: request.order.fresh,
        };
        let name: OsString = number.to_string().into();
        self.sweep()?;
        let kept = taken.write(number).and_then(|()| self.write(request, &about)).and_then(|()| {
            self.dir.rename_new(OsStr::new(HIDDEN), &name)?;
            Ok(self.dir.sync()?)
        });
        if let Err(error) = kept {
            // The failure is told; what cannot be swept now is swept by the next attempt.
            let _ = self.dir.rename_new(&name, OsStr::new(HIDDEN));
            let _ = self.sweep();
            return Err(error);
        }
        self.read(number)
    }

    fn write(&self, request: &Request, about: &About) -> Result<(), RequestError> {
        let dir = self.dir.make_dir(OsStr::new(HIDDEN), 0o700)?;
        let encoded = serde_json::to_vec(about).map_err(|error| DiskError {
            what: "encode",
            path: dir.path().join(ABOUT),
            source: error.into(),
        })?;
        let own = attributes::own(0o600);
        dir.stage(OsStr::new(KEY), &request.order.key.to_pem(), &own)?;
        dir.stage(OsStr::new(REQUEST), &Sensitive::from(request.pem.clone()), &own)?;
        dir.stage(OsStr::new(ABOUT), &Sensitive::from(encoded), &own)?;
        Ok(dir.sync()?)
    }
}

/// The highest number that a target's requests ever had, so that none is given twice: an answer to a request that was forgotten is
/// not to be taken for one to another. It lies outside of the requests, and stays when the last of them is gone.
struct Taken {
    dir: Dir,
    name: OsString,
}

impl Taken {
    /// The number that comes next, after those that wait.
    fn after(&self, waiting: u32) -> Result<u32, RequestError> {
        let unusable = |why| RequestError::Damaged { path: self.dir.path().join(&self.name), why };
        let taken = match absent_is_none(self.dir.read(&self.name))? {
            Some(bytes) => std::str::from_utf8(bytes.expose()).ok().and_then(|text| text.trim_end().parse().ok()),
            None => Some(0),
        };
        let highest = taken.ok_or_else(|| unusable("it holds no number".to_owned()))?.max(waiting);
        highest.checked_add(1).ok_or_else(|| unusable("no number is left".to_owned()))
    }

    fn write(&self, number: u32) -> Result<(), RequestError> {
        let text = Sensitive::from(format!("{number}\n"));
        Ok(self.dir.replace(&self.name, &text, &attributes::own(0o600))?)
    }
}

impl Request {
    /// Keeps it with its key, under the next number of the target, before anybody gets it: what is sent away without a key that lasts
    /// is lost.
    ///
    /// # Errors
    /// A call failed; then nothing waits.
    pub fn keep(&self, state: &State, target: &str, now: OffsetDateTime) -> Result<Waiting, RequestError> {
        let dir = state.area(AREA)?.sub_or_make(&file_name(target), 0o700)?;
        let taken = Taken { dir: state.area(NUMBERS)?, name: file_name(target) };
        Requests { target: target.to_owned(), dir }.keep(self, &taken, now)
    }
}

const AREA: &str = "requests";
const NUMBERS: &str = "request-numbers";
const KEY: &str = "key.pem";
const REQUEST: &str = "request.pem";
const ABOUT: &str = "about";

/// What is being written or removed; one at a time, under the machine lock.
const HIDDEN: &str = ".new";

fn absent(dir: &Dir, file: &str, error: DiskError) -> RequestError {
    if error.is_absent() { damaged(dir.path(), file, "it is missing") } else { error.into() }
}

fn damaged(dir: &Path, file: &str, why: &str) -> RequestError {
    RequestError::Damaged { path: dir.join(file), why: why.to_owned() }
}
