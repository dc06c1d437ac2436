//! A truststore of Java, in JKS or PKCS#12: one entry of ours comes or goes, every other one stays as it is.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::{Entry, OURS, Standing, Store, StoreError, system};
use crate::cert::Certificate;
use crate::cert::codec::truststore::{self, EditError};
use crate::cert::codec::{self, Contents, Format, Holds};
use crate::change::Image;
use crate::digest::Digest;
use crate::host::Host;
use crate::outcome::explain;
use crate::sensitive::Sensitive;

/// The passphrase that Java gives its own stores, and that most who make one keep: what it opens is no secret.
pub const USUAL_PASSPHRASE: &str = "changeit";

/// The stores of Java that are told from others by their first bytes, and that are not read here.
const OTHER_KINDS: &[(&[u8], &str)] = &[(&[0xce, 0xce, 0xce, 0xce], "JCEKS"), (&[0, 0, 0, 2, 0, 0, 0, 20], "BKS")];

/// A truststore, looked at.
pub struct Truststore {
    store: Store,
    /// The file at the end of all links.
    pub real: PathBuf,
    bytes: Sensitive,
}

impl Truststore {
    /// Reads one.
    ///
    /// # Errors
    /// It is not there, is made by the system out of its own store, or is in no format that is read here.
    pub fn open(host: &Host, path: &Path) -> Result<Self, StoreError> {
        let store = Store::Java(path.to_owned());
        let refuse = |why: String, hint: &str| Err(StoreError::new(&store, why, hint));
        let missing = "`keytool -importcert` makes one with its first certificate; name a file that is there";
        let (real, look) = match host.look(path, &host.trusting(None)) {
            Ok(found) => found,
            Err(error) if error.is_absent() => return refuse("it is not there".to_owned(), missing),
            Err(error) => {
                let hint = error.hint().unwrap_or_else(|| "run as the user who owns it".to_owned());
                return refuse(explain(&error), &hint);
            }
        };
        if system::makes(&real) {
            let why = format!("the system makes {} out of its own store", real.display());
            return refuse(why, "`reseal trust install FILE` puts the certificate there, and the system into this one");
        }
        let (Image::File { .. }, Some(bytes)) = (look.image, look.content) else {
            return refuse("it is not there".to_owned(), missing);
        };
        let kind = OTHER_KINDS.iter().find(|(magic, _)| bytes.expose().starts_with(magic));
        if let Some((_, kind)) = kind {
            return refuse(
                format!("it is in the format {kind}"),
                "`keytool -importkeystore -deststoretype PKCS12` makes one that is read here",
            );
        }
        match codec::read(bytes.expose(), None) {
            Ok(Contents { format: Format::Jks | Format::Pkcs12, .. }) => Ok(Self { store, real, bytes }),
            Ok(Contents { format, .. }) => refuse(format!("it is no store of Java, but {format}"), missing),
            Err(error) => refuse(explain(&error), "`keytool -list` tells whether Java can read it"),
        }
    }

    /// The alias of a name.
    #[must_use]
    pub fn alias(name: &str) -> String {
        format!("{OURS}{name}")
    }

    /// Digest of its bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.bytes.expose())
    }

    /// Whether a passphrase is its own.
    ///
    /// # Errors
    /// It is not, or the store cannot be changed with any.
    pub fn opens(&self, passphrase: &Sensitive) -> Result<(), EditError> {
        truststore::opens(self.bytes.expose(), passphrase)
    }

    /// As an error about this store.
    #[must_use]
    pub fn refuse(&self, error: &EditError) -> StoreError {
        let hint = error.hint().map(str::to_owned);
        StoreError { store: self.store.clone(), why: explain(error), hint }
    }

    /// Its bytes with one more trusted certificate.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn with(
        &self,
        bytes: Option<&Sensitive>,
        entry: &Entry,
        certificate: &Certificate,
        passphrase: &Sensitive,
        now: OffsetDateTime,
    ) -> Result<Sensitive, StoreError> {
        let bytes = bytes.unwrap_or(&self.bytes).expose();
        truststore::add(bytes, &entry.place, certificate, passphrase, now).map_err(|error| self.refuse(&error))
    }

    /// Its bytes without one that was added.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn without(
        &self,
        bytes: Option<&Sensitive>,
        entry: &Entry,
        certificate: &Certificate,
        passphrase: &Sensitive,
    ) -> Result<Sensitive, StoreError> {
        let bytes = bytes.unwrap_or(&self.bytes).expose();
        truststore::remove(bytes, &entry.place, certificate, passphrase).map_err(|error| self.refuse(&error))
    }

    /// How an entry stands. Certificates that are encrypted are read with the passphrase alone.
    #[must_use]
    pub fn standing(&self, entry: &Entry, passphrase: Option<&Sensitive>) -> Standing {
        let contents = match codec::read(self.bytes.expose(), passphrase) {
            Ok(contents) => contents,
            Err(error) => return Standing::Unknown(explain(&error)),
        };
        // Who packs a PKCS#12 store anew may lose the mark by which Java trusts it.
        let marked = contents.entries.iter().any(|other| other.trusted && other.name.as_deref() == Some(&entry.place));
        match truststore::find(&contents, &entry.place) {
            Some(found) if found.fingerprint() == entry.fingerprint && marked => Standing::InPlace,
            Some(_) => Standing::Changed,
            None if !contents.bad.is_empty() => Standing::Unknown("its passphrase is not known".to_owned()),
            None if contents.entries.iter().any(|other| other.name.as_deref() == Some(&entry.place)) => {
                Standing::Changed
            }
            None => Standing::Gone,
        }
    }

    /// All that the store trusts, as far as the passphrase opens it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn trusted(&self, passphrase: Option<&Sensitive>) -> Result<Vec<Certificate>, StoreError> {
        let hint = "`keytool -list` tells whether Java can read it";
        let contents = codec::read(self.bytes.expose(), passphrase)
            .map_err(|error| StoreError::new(&self.store, explain(&error), hint))?;
        let held = contents.entries.into_iter().filter(|entry| entry.trusted).filter_map(|entry| match entry.holds {
            Holds::Certificate(one) => Some(one),
            Holds::Key { .. } => None,
        });
        Ok(held.collect())
    }

    /// The alias under which the store trusts a certificate already.
    #[must_use]
    pub fn holder(&self, anchor: Digest, passphrase: Option<&Sensitive>) -> Option<String> {
        let contents = codec::read(self.bytes.expose(), passphrase).ok()?;
        contents.entries.into_iter().find_map(|entry| match entry.holds {
            Holds::Certificate(one) if entry.trusted && one.fingerprint() == anchor => {
                Some(entry.name.unwrap_or_default())
            }
            Holds::Certificate(_) | Holds::Key { .. } => None,
        })
    }
}
