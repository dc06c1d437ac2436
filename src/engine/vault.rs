//! Numbered generations: complete, checked copies of what a target's places held at one moment.
//!
//! Numbers only rise and are never used again: a number is taken by making its directory, a failed attempt keeps the number it
//! took, and `prune` leaves the highest alone. A generation without a whole manifest was never finished and counts for nothing.

mod error;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::cert::installed::Leaf;
use crate::change::{Apply, Attributes, Image, Probe, Role};
use crate::digest::Digest;
use crate::host::attributes::own;
use crate::host::dir::{Dir, DiskError};
use crate::host::state::{State, absent_is_none, file_name};
use crate::sealed;
use crate::sensitive::Sensitive;

pub use self::error::VaultError;

/// The format of manifests this program writes.
pub const FORMAT: u32 = 1;

const AREA: &str = "vault";
const MANIFEST: &str = "manifest";
const CURRENT: &str = "current";
const PINNED: &str = "pinned";

/// Where a generation comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "origin", rename_all = "kebab-case")]
pub enum Origin {
    /// It was found on the machine and put there by somebody else.
    Found,
    /// reseal was about to install it.
    Made {
        /// The verb.
        verb: String,
        /// Why.
        why: String,
        /// The earlier generation it repeats, for a restore.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repeats: Option<u32>,
    },
}

/// What one place held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The path as the service's configuration has it.
    pub path: PathBuf,
    /// What the file is for.
    pub role: Role,
    /// Where it really was, every link resolved; `None` in what earlier programs have written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<PathBuf>,
    /// The file; `None` when nothing was there.
    pub file: Option<SavedFile>,
}

impl Saved {
    /// Whether exactly this stands there, attributes included.
    #[must_use]
    pub fn is(&self, image: &Image) -> bool {
        match (&self.file, image) {
            (Some(file), Image::File { sha256, attributes }) => {
                file.sha256 == *sha256 && file.attributes == *attributes
            }
            (None, Image::Absent) => true,
            (Some(_) | None, _) => false,
        }
    }
}

/// The file a place held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFile {
    /// Digest of its bytes.
    pub sha256: Digest,
    /// Its attributes.
    pub attributes: Attributes,
}

/// What a generation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The target.
    pub target: String,
    /// The number.
    pub generation: u32,
    /// When it was written, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub taken: OffsetDateTime,
    /// The generation that was committed last when this one was written: that there is a receipt for it can be asked later, whatever
    /// follows. None in what earlier programs have written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u32>,
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// What the places held, in the order of the target's slots; the bytes of the i-th are the file `i`.
    pub slots: Vec<Saved>,
    /// The leaf certificate, as far as the files could be understood, [in brief](Leaf::in_brief).
    pub leaf: Option<Leaf>,
    /// How the service took files up then: restore needs no working configuration.
    pub apply: Apply,
    /// Where it was served.
    pub probes: Vec<Probe>,
}

impl Manifest {
    /// The one in the bytes of the file of this generation; else what is wrong with them.
    pub(super) fn of(bytes: &[u8], generation: u32) -> Result<Self, String> {
        let manifest: Self = sealed::open(bytes).ok_or("its manifest is not what was written")?;
        if manifest.format > FORMAT {
            return Err("it was written by a newer reseal".to_owned());
        }
        if manifest.generation != generation {
            return Err(format!("its manifest is that of generation {}", manifest.generation));
        }
        Ok(manifest)
    }
}

/// The vaults of all targets, for whoever goes through many.
pub struct Vaults(Option<Dir>);

impl Vaults {
    /// Opens what there is of them.
    ///
    /// # Errors
    /// A call failed.
    pub fn open(state: &State) -> Result<Self, DiskError> {
        state.existing_area(AREA).map(Self)
    }

    /// That of one target; `None` when nothing was ever kept.
    ///
    /// # Errors
    /// A call failed.
    pub fn of(&self, target: &str) -> Result<Option<Vault>, DiskError> {
        let Some(area) = &self.0 else { return Ok(None) };
        let dir = absent_is_none(area.sub(&file_name(target)))?;
        Ok(dir.map(|dir| Vault { dir, target: target.to_owned() }))
    }
}

/// The generations of one target.
pub struct Vault {
    pub(super) dir: Dir,
    pub(super) target: String,
}

impl Vault {
    /// Opens it; `None` when nothing was ever kept.
    ///
    /// # Errors
    /// A call failed.
    pub fn open(state: &State, target: &str) -> Result<Option<Self>, DiskError> {
        Vaults::open(state)?.of(target)
    }

    /// Opens it, made if need be.
    ///
    /// # Errors
    /// A call failed.
    pub fn open_or_make(state: &State, target: &str) -> Result<Self, DiskError> {
        let dir = state.area(AREA)?.sub_or_make(&file_name(target), 0o700)?;
        Ok(Self { dir, target: target.to_owned() })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The numbers taken so far, unfinished ones too, rising.
    ///
    /// # Errors
    /// A call failed.
    pub fn numbers(&self) -> Result<Vec<u32>, DiskError> {
        let mut numbers: Vec<u32> =
            self.dir.names()?.iter().filter_map(|name| name.to_str().and_then(number)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The number the next generation will take.
    ///
    /// # Errors
    /// A call failed.
    pub fn next(&self) -> Result<u32, DiskError> {
        // After the highest there can be, making it says that it is there.
        Ok(self.numbers()?.last().map_or(1, |last| last.saturating_add(1)))
    }

    /// Takes the next number: makes its directory, empty as yet.
    ///
    /// # Errors
    /// A call failed; the number may be taken all the same.
    pub fn take(&self) -> Result<u32, DiskError> {
        let number = self.next()?;
        self.dir.make_dir(&numbered(number), 0o700)?;
        Ok(number)
    }

    /// Writes generation `manifest.generation`, whose number was [taken](Vault::take). `contents` are the bytes of the slots that hold a file,
    /// in their order. The manifest comes last: with it the generation is whole, without it it is none.
    ///
    /// # Errors
    /// A call failed; the number stays taken.
    pub fn save(&self, manifest: &Manifest, contents: &[Option<&Sensitive>]) -> Result<(), DiskError> {
        let dir = self.dir.sub(&numbered(manifest.generation))?;
        let owner_only = own(0o600);
        for (index, content) in contents.iter().enumerate() {
            if let Some(content) = content {
                dir.stage(OsStr::new(&index.to_string()), content, &owner_only)?;
            }
        }
        let line = sealed::line(manifest).map_err(|error| DiskError {
            what: "encode a manifest for",
            path: dir.path().to_owned(),
            source: error.into(),
        })?;
        let waiting = OsStr::new(".manifest");
        dir.stage(waiting, &Sensitive::from(line), &owner_only)?;
        dir.rename_new(waiting, OsStr::new(MANIFEST))?;
        dir.sync()
    }

    /// What generation `generation` is, without its bytes.
    ///
    /// # Errors
    /// It is not there, was never completed, or its manifest is damaged.
    pub fn manifest(&self, generation: u32) -> Result<Manifest, VaultError> {
        let target = self.target.clone();
        let Some(dir) = absent_is_none(self.dir.sub(&numbered(generation)))? else {
            return Err(VaultError::Absent { target, generation });
        };
        let Some(bytes) = absent_is_none(dir.read(OsStr::new(MANIFEST)))? else {
            return Err(VaultError::Unfinished { target, generation });
        };
        Manifest::of(bytes.expose(), generation).map_err(|why| self.damaged(generation, &why))
    }

    /// The bytes of all slots of a generation, each held against its digest.
    ///
    /// # Errors
    /// As [`Vault::manifest`]; or bytes are missing or altered.
    pub fn contents(&self, manifest: &Manifest) -> Result<Vec<Option<Sensitive>>, VaultError> {
        let dir = self.dir.sub(&numbered(manifest.generation))?;
        let slots = manifest.slots.iter().enumerate();
        slots
            .map(|(index, saved)| {
                let Some(file) = &saved.file else { return Ok(None) };
                let bytes = dir.read(OsStr::new(&index.to_string()))?;
                if Digest::of(bytes.expose()) != file.sha256 {
                    let why = format!("the copy of {} is not what was written", saved.path.display());
                    return Err(self.damaged(manifest.generation, &why));
                }
                Ok(Some(bytes))
            })
            .collect()
    }

    /// The bytes with this digest out of a generation, for undo.
    ///
    /// # Errors
    /// The generation has no such bytes, or as [`Vault::contents`].
    pub fn bytes_of(&self, generation: u32, sha256: Digest) -> Result<Sensitive, VaultError> {
        let manifest = self.manifest(generation)?;
        let found = manifest.slots.iter().position(|saved| saved.file.as_ref().is_some_and(|f| f.sha256 == sha256));
        let index =
            found.ok_or_else(|| self.damaged(generation, "it does not hold the bytes that are to be put back"))?;
        let mut contents = self.contents(&manifest)?;
        contents[index]
            .take()
            .ok_or_else(|| self.damaged(generation, "it does not hold the bytes that are to be put back"))
    }

    fn damaged(&self, generation: u32, why: &str) -> VaultError {
        VaultError::Damaged { target: self.target.clone(), generation, why: why.to_owned() }
    }

    /// The generation that was committed last, if any.
    ///
    /// # Errors
    /// A call failed.
    pub fn current(&self) -> Result<Option<u32>, DiskError> {
        let text = absent_is_none(self.dir.link_text(OsStr::new(CURRENT)))?;
        Ok(text.and_then(|text| text.to_str().and_then(number)))
    }

    /// Remembers the generation that was committed last.
    ///
    /// # Errors
    /// A call failed; the old memory stands.
    pub fn set_current(&self, generation: u32) -> Result<(), DiskError> {
        if self.current()? == Some(generation) {
            return Ok(());
        }
        self.dir.replace_link(OsStr::new(CURRENT), Path::new(&numbered(generation)))
    }

    /// Whether `prune` must leave a generation alone because somebody said so.
    ///
    /// # Errors
    /// A call failed.
    pub fn pinned(&self, generation: u32) -> Result<bool, DiskError> {
        let dir = self.dir.sub(&numbered(generation))?;
        Ok(dir.names()?.iter().any(|name| name == PINNED))
    }

    /// Pins or unpins a generation.
    ///
    /// # Errors
    /// There is no such generation, or a call failed.
    pub fn pin(&self, generation: u32, pinned: bool) -> Result<(), VaultError> {
        self.manifest(generation)?;
        let dir = self.dir.sub(&numbered(generation))?;
        match (self.pinned(generation)?, pinned) {
            (false, true) => dir.stage(OsStr::new(PINNED), &Sensitive::from(Vec::new()), &own(0o600))?,
            (true, false) => dir.unlink(OsStr::new(PINNED))?,
            (true, true) | (false, false) => return Ok(()),
        }
        Ok(dir.sync()?)
    }

    /// Removes a generation: first its name in one step, so that no half of it is ever taken for a backup, then its bytes.
    ///
    /// # Errors
    /// A call failed; what is left is swept by the next [`Vault::sweep`].
    pub fn remove(&self, generation: u32) -> Result<(), DiskError> {
        let mut dropped = OsString::from(DROPPED);
        dropped.push(numbered(generation));
        self.dir.rename_new(&numbered(generation), &dropped)?;
        self.dir.sync()?;
        self.clear(&dropped)
    }

    /// Removes what interrupted removals have left.
    ///
    /// # Errors
    /// A call failed.
    pub fn sweep(&self) -> Result<(), DiskError> {
        for name in self.dir.names()? {
            if name.to_str().is_some_and(|name| name.starts_with(DROPPED)) {
                self.clear(&name)?;
            }
        }
        Ok(())
    }

    fn clear(&self, name: &OsStr) -> Result<(), DiskError> {
        let dir = self.dir.sub(name)?;
        for entry in dir.names()? {
            dir.unlink(&entry)?;
        }
        self.dir.remove_dir(name)?;
        self.dir.sync()
    }
}

/// The names of all targets that have generations, as they are encoded on disk.
///
/// # Errors
/// A call failed.
pub fn targets(state: &State) -> Result<Vec<String>, DiskError> {
    let Some(area) = state.existing_area(AREA)? else { return Ok(Vec::new()) };
    Ok(area.names()?.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

const DROPPED: &str = ".dropped-";

fn numbered(generation: u32) -> OsString {
    generation.to_string().into()
}

/// A generation's number in its one spelling: no sign, no leading zero.
fn number(text: &str) -> Option<u32> {
    let value: u32 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}
