//! A store of trusted certificates as it is now, and what reseal has added to it.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::{Basis, Intended, Made, Nothing, names, planned};
use crate::cert::Certificate;
use crate::cert::codec::truststore::EditError;
use crate::change::{Apply, Role, Slot, Step};
use crate::digest::Digest;
use crate::flow::{Refusal, Session};
use crate::host::Host;
use crate::host::passphrase::{self, PassphraseQuery};
use crate::host::state::State;
use crate::sensitive::Sensitive;
use crate::trust::java::{Truststore, USUAL_PASSPHRASE};
use crate::trust::nss::{Database, Edit};
use crate::trust::system::{self, Layout};
use crate::trust::{Entry, Record, RecordError, Standing, Store};

/// A store, looked at.
pub(super) struct Ground {
    /// Which.
    pub store: Store,
    /// What was added to it.
    pub record: Record,
    /// Where that is written.
    pub record_path: PathBuf,
    /// Digest of the record as it stands; none where there is none.
    pub record_digest: Option<Digest>,
    place: Place,
}

enum Place {
    System(Layout),
    Java(Truststore),
    Nss(Database),
    /// A store that is not there, or that cannot be read: an earlier generation can be put back all the same.
    Lost,
}

/// A passphrase that is got once, though a store is looked at twice: a descriptor is read to its end, and a person types it once.
#[derive(Default)]
pub(in crate::flow) struct Known(OnceCell<Option<Sensitive>>);

impl Known {
    /// The passphrase of a store; none of one that has none.
    pub(super) fn of(&self, ground: &Ground, session: &Session<'_>) -> Result<Option<&Sensitive>, Refusal> {
        if !matches!(ground.place, Place::Java(_)) {
            return Ok(None);
        }
        if let Some(known) = self.0.get() {
            return Ok(known.as_ref());
        }
        let found = ground.secret(session, true)?;
        Ok(self.0.get_or_init(|| found).as_ref())
    }
}

/// Whether the command line names a passphrase: then it is that of every store.
pub(super) fn named(session: &Session<'_>) -> bool {
    session.options.secrets.file.is_some() || session.options.secrets.descriptor.is_some()
}

/// Reads what was added to a store.
///
/// With `mend`, one that is damaged is read as if nothing had been added: what is to be put back has a record of its own.
pub(super) fn record(host: &Host, store: &Store, mend: bool) -> Result<(PathBuf, Record, Option<Digest>), Refusal> {
    let path = Record::path(host, store)?;
    let content = match host.look(&path, &host.trusting(None)) {
        Ok((_, look)) => look.content,
        Err(error) if error.is_absent() => None,
        Err(error) => return Err(error.into()),
    };
    Ok(match content {
        None => (path, Record::default(), None),
        Some(bytes) => {
            let digest = Digest::of(bytes.expose());
            let record = match Record::read(bytes.expose(), path.clone(), store) {
                Err(RecordError::Damaged { .. }) if mend => Record::default(),
                other => other?,
            };
            (path, record, Some(digest))
        }
    })
}

impl Ground {
    /// Looks at a store. Changes nothing.
    pub(super) fn look(session: &Session<'_>, store: &Store, mend: bool) -> Result<Self, Refusal> {
        let host = session.host;
        let (record_path, record, record_digest) = record(host, store, mend)?;
        let place = match store {
            Store::System => Place::System(Layout::find(host, session.config.system_store.as_ref())?),
            Store::Java(path) => {
                let makes = || system::makes(&host.real(path).unwrap_or_else(|| path.clone()));
                match Truststore::open(host, path) {
                    Err(_) if mend && !makes() => Place::Lost,
                    other => Place::Java(other?),
                }
            }
            Store::Nss(dir) => {
                let missing = || Database::paths(dir).iter().any(|path| !host.exists(path));
                match Database::open(host, dir) {
                    Err(_) if mend && missing() => Place::Lost,
                    other => Place::Nss(other?),
                }
            }
        };
        Ok(Self { store: store.clone(), record, record_path, record_digest, place })
    }

    /// Whether its files are made by a program that is not run for a plan.
    pub(super) fn is_nss(&self) -> bool {
        matches!(self.place, Place::Nss(_))
    }

    /// Refuses to replace a database that a program has open.
    pub(super) fn refuse_in_use(&self) -> Result<(), Refusal> {
        match &self.place {
            Place::Nss(database) => Ok(database.refuse_in_use()?),
            Place::System(_) | Place::Java(_) | Place::Lost => Ok(()),
        }
    }

    /// The system's layout, where it is the system's store.
    pub(super) fn layout(&self) -> Option<&Layout> {
        match &self.place {
            Place::System(layout) => Some(layout),
            Place::Java(_) | Place::Nss(_) | Place::Lost => None,
        }
    }

    /// Where something of this name is in the store.
    pub(super) fn place_of(&self, name: &str) -> String {
        match &self.place {
            Place::System(layout) => layout.place(name).display().to_string(),
            Place::Java(_) => Truststore::alias(name),
            Place::Nss(_) => Database::nickname(name),
            Place::Lost => name.to_owned(),
        }
    }

    /// How an entry of the record stands.
    pub(super) fn standing(&self, host: &Host, entry: &Entry, secret: Option<&Sensitive>) -> Standing {
        match &self.place {
            Place::System(layout) => layout.standing(host, entry),
            Place::Java(store) => store.standing(entry, secret),
            Place::Nss(database) => database.standing(host, entry),
            Place::Lost => Standing::Unknown("the store is lost".to_owned()),
        }
    }

    /// By what a certificate that reseal did not add is trusted already.
    pub(super) fn holder(
        &self,
        host: &Host,
        anchor: Digest,
        secret: Option<&Sensitive>,
    ) -> Result<Option<String>, Refusal> {
        Ok(match &self.place {
            Place::System(layout) => layout.holds(anchor)?.then(|| layout.bundle.display().to_string()),
            Place::Java(store) => store.holder(anchor, secret).map(|alias| format!("its entry {alias:?}")),
            Place::Lost => None,
            Place::Nss(database) => match database.holder(host, anchor)? {
                None => None,
                Some((name, true)) => Some(format!("its entry {name:?}")),
                Some((name, false)) => {
                    return Err(Refusal::new(format!(
                        "the certificate is in {} already, under the nickname {name:?}, and is not trusted there",
                        self.store
                    ))
                    .hint(format!(
                        "whoever put it there decides that: `certutil -d sql:{} -M -t C,, -n {name:?}` trusts it",
                        database.dir().display()
                    )));
                }
            },
        })
    }

    /// All certificates that the store trusts, whoever has put them there.
    pub(super) fn trusted(&self, host: &Host, secret: Option<&Sensitive>) -> Result<Vec<Certificate>, Refusal> {
        Ok(match &self.place {
            Place::System(layout) => layout.trusted()?,
            Place::Java(store) => store.trusted(secret)?,
            Place::Nss(database) => database.trusted(host)?,
            Place::Lost => Vec::new(),
        })
    }

    /// Whether something that reseal did not add has a place of ours.
    pub(super) fn taken(&self, host: &Host, place: &str) -> bool {
        match &self.place {
            Place::System(_) => host.exists(Path::new(place)) || host.is_link(Path::new(place)),
            // Found out when the entry is made.
            Place::Java(_) | Place::Nss(_) | Place::Lost => false,
        }
    }

    /// The passphrase of a truststore of Java: the one that was named; else the usual one, where it fits; else what a person types.
    /// None where the store has none, or where nobody is to be asked.
    pub(super) fn secret(&self, session: &Session<'_>, ask: bool) -> Result<Option<Sensitive>, Refusal> {
        let Place::Java(store) = &self.place else { return Ok(None) };
        let secrets = &session.options.secrets;
        let explicit = secrets.explicit();
        if explicit.is_none() {
            let usual = Sensitive::from(USUAL_PASSPHRASE.to_owned());
            match store.opens(&usual) {
                Ok(()) => return Ok(Some(usual)),
                Err(EditError::WrongPassphrase) if !ask => return Ok(None),
                Err(EditError::WrongPassphrase) => {}
                Err(error) => return Err(store.refuse(&error).into()),
            }
        }
        let shown = self.store.to_string();
        let query = PassphraseQuery {
            of: Some(&shown),
            explicit,
            may_prompt: secrets.may_prompt && ask,
            kept: false,
            ..PassphraseQuery::new("truststore")
        };
        let (secret, _) = passphrase::obtain(session.host, &query).map_err(|error| {
            let hint =
                "name the file with its passphrase: `--passphrase-file FILE` (tried was the usual one, `changeit`)";
            Refusal::new(format!("cannot open the store {shown}: {error}")).hint(hint)
        })?;
        store.opens(&secret).map_err(|error| store.refuse(&error))?;
        Ok(Some(secret))
    }

    /// The places of a store with these entries: together they are a generation.
    pub(super) fn slots(&self, entries: &[&Entry]) -> Vec<Slot> {
        let mut slots = vec![Slot { path: self.record_path.clone(), role: Role::Record }];
        let mut add = |path: PathBuf, role| {
            if slots.iter().all(|slot| slot.path != path) {
                slots.push(Slot { path, role });
            }
        };
        match &self.store {
            Store::System => {
                for entry in entries {
                    add(PathBuf::from(&entry.place), Role::Anchor);
                }
            }
            Store::Java(path) => add(path.clone(), Role::Store),
            Store::Nss(dir) => {
                for path in Database::paths(dir) {
                    add(path, Role::Store);
                }
            }
        }
        slots
    }

    /// How the store is taken up once its files are in place.
    pub(super) fn apply(&self) -> Apply {
        self.layout().map(Layout::apply).unwrap_or_default()
    }

    /// Makes a change of what is intended; `secret` is the passphrase of a store that has one.
    pub(super) fn make(
        &self,
        session: &Session<'_>,
        state: Option<&State>,
        intended: Intended,
        secret: Option<&Sensitive>,
    ) -> Result<Result<Made, Nothing>, Refusal> {
        if intended.is_empty() {
            let why = "all is as it was asked for already".to_owned();
            return Ok(Err(Nothing { why, notes: intended.notes }));
        }
        let Intended { add, remove, forget, take_up, mut notes } = intended;
        let gone: Vec<Entry> = remove.iter().chain(&forget).cloned().collect();
        let record = self.record.with(&gone, &add);
        let all: Vec<&Entry> = self.record.entries.iter().chain(&add).collect();
        let (mut steps, mut basis) = self.steps(session, state, &add, &remove, secret)?;
        if record != self.record {
            basis.push((self.record_path.clone(), self.record_digest));
            steps.push(Step::PutFile {
                path: self.record_path.clone(),
                slot: self.record_path.clone(),
                role: Role::Record,
                content: record.bytes(),
                attributes: Some(crate::host::attributes::own(0o600)),
            });
        }
        let mut probes = Vec::new();
        if let Some(layout) = self.layout() {
            // Also what stands there now: a change that costs the system another certificate is none to keep. But what others have removed is
            // nothing that this has to prove.
            let stands = |entry: &&Entry| {
                add.iter().any(|one| one.fingerprint == entry.fingerprint)
                    || matches!(layout.standing(session.host, entry), Standing::InPlace)
                    || (take_up && matches!(layout.standing(session.host, entry), Standing::NotTakenUp))
            };
            probes.extend(record.entries.iter().filter(stands).map(|entry| layout.probe(entry.fingerprint, true)));
            for entry in gone.iter().filter(|entry| record.of(entry.fingerprint).is_none()) {
                match layout.also_in(session.host, entry) {
                    Some(other) => {
                        notes.push(format!("{} is trusted all the same: {} holds it too", entry.name, other.display()));
                    }
                    // Of what others had removed already, only the record is put right.
                    None if forget.contains(entry) => {}
                    None => probes.push(layout.probe(entry.fingerprint, false)),
                }
            }
        }
        let gone: Vec<Entry> = gone.into_iter().filter(|entry| record.of(entry.fingerprint).is_none()).collect();
        let why = match (add.is_empty(), gone.is_empty()) {
            (false, _) => format!("trust {}", names(&add)),
            (true, false) => format!("trust {} no longer", names(&gone)),
            (true, true) => "let the system take up what is there".to_owned(),
        };
        let trust = gone.iter().map(|entry| planned(entry, "remove"));
        let trust = trust.chain(add.iter().map(|entry| planned(entry, "add"))).collect();
        let slots = self.slots(&all);
        Ok(Ok(Made { slots, steps, basis, apply: self.apply(), probes, trust, why, notes, ..Made::default() }))
    }

    /// The steps for the store's own files, and what these were made out of.
    fn steps(
        &self,
        session: &Session<'_>,
        state: Option<&State>,
        add: &[Entry],
        remove: &[Entry],
        secret: Option<&Sensitive>,
    ) -> Result<(Vec<Step>, Basis), Refusal> {
        let put = |path: &Path, slot: PathBuf, role, content| {
            let attributes = (role == Role::Anchor).then(|| crate::host::attributes::own(0o644));
            Step::PutFile { path: path.to_owned(), slot, role, content, attributes }
        };
        let (mut steps, mut basis) = (Vec::new(), Vec::new());
        match &self.place {
            Place::System(layout) => {
                for entry in remove {
                    basis.push((PathBuf::from(&entry.place), Some(Digest::of(entry.pem.as_bytes()))));
                    steps.push(Step::RemoveFile { path: PathBuf::from(&entry.place) });
                    let link = layout.link_to(session.host, Path::new(&entry.place));
                    steps.extend(link.map(|path| Step::RemoveFile { path }));
                }
                for entry in add {
                    let path = PathBuf::from(&entry.place);
                    // One that an earlier change has left behind would make the system take this for one that was there all along.
                    let left = layout.link_to(session.host, &path);
                    steps.extend(left.map(|path| Step::RemoveFile { path }));
                    basis.push((path.clone(), None));
                    steps.push(put(&path, path.clone(), Role::Anchor, entry.pem.clone().into()));
                }
            }
            Place::Java(store) => {
                let slot = if let Store::Java(path) = &self.store { path.clone() } else { store.real.clone() };
                let none = Sensitive::from(Vec::new());
                let (secret, now) = (secret.unwrap_or(&none), session.host.now());
                let mut bytes = None;
                for entry in remove {
                    bytes = Some(store.without(bytes.as_ref(), entry, &certificate(entry)?, secret)?);
                }
                for entry in add {
                    bytes = Some(store.with(bytes.as_ref(), entry, &certificate(entry)?, secret, now)?);
                }
                basis.push((store.real.clone(), Some(store.digest())));
                steps.extend(bytes.map(|bytes| put(&store.real, slot, Role::Store, bytes)));
            }
            Place::Lost => {}
            Place::Nss(database) => {
                let edits: Vec<Edit<'_>> = remove.iter().map(Edit::Remove).chain(add.iter().map(Edit::Add)).collect();
                // A plan runs no program and writes no copy.
                if let Some(state) = state.filter(|_| !edits.is_empty()) {
                    basis.extend(database.files().map(|(path, digest)| (path.to_owned(), Some(digest))));
                    let Store::Nss(dir) = &self.store else { return Ok((steps, basis)) };
                    for (path, bytes) in database.edited(session.host, state, &edits)? {
                        let slot = path.file_name().map_or_else(|| path.clone(), |name| dir.join(name));
                        steps.push(put(&path, slot, Role::Store, bytes));
                    }
                }
            }
        }
        Ok((steps, basis))
    }
}

fn certificate(entry: &Entry) -> Result<Certificate, Refusal> {
    entry.certificate().ok_or_else(|| Refusal::new(format!("the record of {} is damaged", entry.name)))
}
