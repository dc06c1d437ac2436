//! What reseal has added to a store. The record is one of the files of every change to the store, so that the two agree after
//! whatever befalls.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Store;
use crate::cert::Certificate;
use crate::cert::codec;
use crate::digest::Digest;
use crate::host::Host;
use crate::host::dir::DiskError;
use crate::host::state::{State, file_name};
use crate::sensitive::Sensitive;

/// The format that this program writes.
const FORMAT: u32 = 1;

/// Where the records are in the state directory.
const AREA: &str = "trust";

/// Bytes of a file's name that file systems take, less what is put around it while it is written.
const LONGEST_NAME: usize = 200;

/// What was added to one store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    format: u32,
    /// Each certificate, in the order in which they were added.
    pub entries: Vec<Entry>,
}

/// One certificate that was added.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name by which it is known here.
    pub name: String,
    /// Where it is in the store: a path, an alias, a nickname.
    pub place: String,
    /// SHA-256 of it.
    pub fingerprint: Digest,
    /// When it was added, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub added: OffsetDateTime,
    /// The certificate as PEM.
    pub pem: String,
}

/// A record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is not what was written.
    #[error("the record {} of what was added to a store is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// The store.
        store: Store,
    },
    /// A newer program has written it.
    #[error("the record {} was written by a newer reseal", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// The path of the store makes too long a name.
    #[error("the path of the store {0} is too long for the name of its record")]
    TooLong(Store),
}

impl RecordError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Damaged { store, .. } => {
                let name = store.target();
                format!(
                    "`reseal backups {name}` lists earlier ones; `reseal restore {name}` puts one back, with the store as it was then"
                )
            }
            Self::Newer { .. } => "use that one".to_owned(),
            Self::TooLong(_) => "reach the store by a shorter path, for one through a link to its directory".to_owned(),
        })
    }
}

impl Default for Record {
    fn default() -> Self {
        Self { format: FORMAT, entries: Vec::new() }
    }
}

impl Record {
    /// Where the record of a store is.
    ///
    /// # Errors
    /// The store's path is too long.
    pub fn path(host: &Host, store: &Store) -> Result<PathBuf, RecordError> {
        let mut name = file_name(&store.target());
        if name.len() > LONGEST_NAME {
            return Err(RecordError::TooLong(store.clone()));
        }
        name.push(".json");
        Ok(host.state_dir().join(AREA).join(name))
    }

    /// Makes the directory of the records.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn make_room(state: &State) -> Result<(), DiskError> {
        state.area(AREA).map(drop)
    }

    /// The stores that have a record.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn stores(state: &State) -> Result<Vec<Store>, DiskError> {
        let Some(area) = state.existing_area(AREA)? else { return Ok(Vec::new()) };
        let names = area.names()?.into_iter().filter_map(|name| name.into_string().ok());
        let mut stores: Vec<Store> =
            names.filter_map(|name| Store::of_file_name(name.strip_suffix(".json")?)).collect();
        stores.sort();
        Ok(stores)
    }

    /// Reads one.
    ///
    /// # Errors
    /// It is not what was written, or written by a newer program.
    pub fn read(bytes: &[u8], path: PathBuf, store: &Store) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let damaged = |why: String| RecordError::Damaged { path: path.clone(), why, store: store.clone() };
        let head: Head = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if head.format > FORMAT {
            return Err(RecordError::Newer { path });
        }
        let record: Self = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        for entry in &record.entries {
            if entry.certificate().is_none() {
                return Err(damaged(format!("{:?} in it is not the certificate that it should be", entry.name)));
            }
        }
        Ok(record)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Sensitive {
        // A structure of texts and numbers always has a form in JSON.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes.into()
    }

    /// The same without these, and with those.
    #[must_use]
    pub fn with(&self, removed: &[Entry], added: &[Entry]) -> Self {
        let mut entries: Vec<Entry> = self.entries.iter().filter(|entry| !removed.contains(entry)).cloned().collect();
        entries.extend(added.iter().cloned());
        Self { format: FORMAT, entries }
    }

    /// The one with this fingerprint.
    #[must_use]
    pub fn of(&self, fingerprint: Digest) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.fingerprint == fingerprint)
    }

    /// The one of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

impl Entry {
    /// One that is to be added.
    #[must_use]
    pub fn new(name: &str, place: String, certificate: &Certificate, added: OffsetDateTime) -> Self {
        Self { name: name.to_owned(), place, fingerprint: certificate.fingerprint(), added, pem: certificate.to_pem() }
    }

    /// The certificate; none where the record is damaged, which [`Record::read`] refuses.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        let found = codec::read(self.pem.as_bytes(), None).ok()?.certificates;
        found.into_iter().next().filter(|one| one.fingerprint() == self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::fixture::{NOW, Wish, self_signed};
    use crate::host::state::name_of;

    #[test]
    fn a_record_is_read_as_it_was_written_and_damage_is_seen() {
        let root = self_signed(&Wish::ca("Root")).certificate;
        let entry = Entry::new("root", "/x/reseal-root.crt".to_owned(), &root, NOW);
        let record = Record::default().with(&[], std::slice::from_ref(&entry));
        let (path, store) = (PathBuf::from("/r"), Store::System);
        let read = |bytes: &[u8]| Record::read(bytes, path.clone(), &store);
        assert_eq!(read(record.bytes().expose()).unwrap(), record);
        assert_eq!(record.with(std::slice::from_ref(&entry), &[]), Record::default());
        assert_eq!(record.of(root.fingerprint()), Some(&entry));
        let text = String::from_utf8(record.bytes().expose().to_vec()).unwrap();
        let other = self_signed(&Wish::ca("Other")).certificate.to_pem().replace('\n', "\\n");
        let swapped = text.replace(&root.to_pem().replace('\n', "\\n"), &other);
        assert_ne!(swapped, text);
        for bad in ["", "{}", "[]", &text[..text.len() - 5], &swapped, &text.replace("entries", "x")] {
            assert!(matches!(read(bad.as_bytes()), Err(RecordError::Damaged { .. })), "{bad}");
        }
        assert!(matches!(read(b"{\"format\": 2, \"entries\": 7}"), Err(RecordError::Newer { .. })));
    }

    /// Records of every format that was ever written stay readable.
    #[test]
    fn a_record_of_format_one_is_read() {
        let bytes = include_bytes!("../../fixtures/trust/format-1.json");
        let record = Record::read(bytes, PathBuf::from("/r"), &Store::System).unwrap();
        let entry = record.named("try-root").unwrap();
        assert_eq!(entry.place, "/usr/local/share/ca-certificates/reseal-try-root.crt");
        assert_eq!(entry.certificate().unwrap().subject(), "CN=Try Root");
        assert_eq!(record.bytes().expose(), bytes);
    }

    #[test]
    fn the_name_of_a_record_tells_its_store() {
        for word in ["os", "java:/opt/a b/ä%2F.jks", "nss:/x"] {
            let target = word.parse::<Store>().unwrap().target();
            assert_eq!(name_of(file_name(&target).to_str().unwrap()).as_deref(), Some(target.as_str()));
        }
        assert_eq!(name_of("%"), None);
        assert_eq!(name_of("%zz"), None);
        let long = Store::Java(format!("/{}", "a".repeat(300)).into());
        assert!(matches!(Record::path(&Host::new("/s"), &long), Err(RecordError::TooLong(_))));
    }
}
