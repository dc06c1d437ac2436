//! What a target looks like now: its places, what stands there, what that amounts to.

mod judged;

use std::path::{Path, PathBuf};

pub(super) use self::judged::{Against, findings, first_to_end, judged};

use super::asked::Question;
use super::withdrawn::{self, Revoked};
use super::{Refusal, keepers, switch};
use crate::assess::Reader;
use crate::cert::installed::{self, Installed};
use crate::change::{Image, Probe, Role, Slot, typed};
use crate::config::{TargetConfig, TargetKind};
use crate::digest::Digest;
use crate::engine::vault::{Manifest, Vault};
use crate::host::Host;
use crate::host::dir::Look;
use crate::host::state::{State, absent_is_none};
use crate::host::walk::{Last, WalkError};
use crate::outcome::{Leaves, explain};
use crate::target::layout::Place;
use crate::target::{self, Pair, Site};

/// A target, looked at.
pub(super) struct Survey {
    /// What its adapter says.
    pub site: Site,
    /// Its pairs, in the adapter's order.
    pub pairs: Vec<PairState>,
    /// The user id of the service, where one is configured.
    pub owner: Option<u32>,
    /// The service, where it reads the files as that user.
    pub reader: Option<Reader>,
    /// The target's directory with the switch, where it has one.
    pub adopted: Option<AdoptedDir>,
    /// Of the directories above it, and itself, those that are lost, the outermost first.
    pub unmade: Vec<PathBuf>,
    /// Slots whose own link goes with the change, wherever it leads: what is at its end is not the target's.
    pub unlinked: Vec<PathBuf>,
}

/// The directory through which an adopted target is read.
pub struct AdoptedDir {
    /// Where it is.
    pub dir: PathBuf,
    /// The numbers of the generations in it.
    pub generations: Vec<u32>,
    /// The one the switch points to.
    pub current: Option<u32>,
}

/// One pair of a target, looked at.
pub(super) struct PairState {
    /// What the adapter says.
    pub pair: Pair,
    /// Where each slot really is.
    pub places: Vec<Place>,
    /// What stands there.
    pub looks: Vec<Look>,
    /// What that amounts to.
    pub installed: Installed,
    /// Of the slots whose path is a link that leads nowhere, the places.
    dangling: Vec<usize>,
    /// That its leaf is revoked.
    pub revoked: Option<Revoked>,
    /// The tool whose own records name one of the files.
    tracked_by: Option<String>,
}

impl Survey {
    /// All slots of all pairs, each path once.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let mut slots: Vec<Slot> = Vec::new();
        for slot in self.pairs.iter().flat_map(|pair| &pair.pair.slots) {
            if !slots.iter().any(|known| known.path == slot.path) {
                slots.push(slot.clone());
            }
        }
        slots
    }

    /// All probes, each once.
    pub(super) fn probes(&self) -> Vec<Probe> {
        let mut probes: Vec<Probe> = Vec::new();
        for probe in self.pairs.iter().flat_map(|pair| &pair.pair.probes) {
            if !probes.contains(probe) {
                probes.push(probe.clone());
            }
        }
        probes
    }

    /// The same as questions, each with what the files hold for it. A probe that several pairs have, or that names a kind of key, is
    /// asked as it is.
    pub(super) fn questions(&self) -> Vec<Question> {
        let own = |probe: &Probe| {
            let mut pairs = self.pairs.iter().filter(|pair| pair.pair.probes.contains(probe));
            let leaf = pairs.next().filter(|_| pairs.next().is_none())?.installed.chain.as_ref()?.leaf();
            Some((leaf.fingerprint(), leaf.key_kind().family()?))
        };
        self.probes().into_iter().map(|probe| Question { own: own(&probe), probe }).collect()
    }

    /// The slots whose links the change makes good or takes away, so that it does not matter whether they lead anywhere: those that are read
    /// through the switch and hold nothing, for what it leads to is lost, and those that are plain files again.
    pub(super) fn lost(&self) -> Vec<PathBuf> {
        let of = |pair: &PairState| {
            let slots = pair.pair.slots.iter().zip(&pair.places).zip(&pair.looks);
            let lost = slots
                .filter(|((_, place), look)| matches!(place, Place::Adopted { .. }) && look.image == Image::Absent);
            lost.map(|((slot, _), _)| slot.path.clone()).collect::<Vec<_>>()
        };
        self.pairs.iter().flat_map(of).chain(self.unlinked.iter().cloned()).collect()
    }

    /// Whether the service reads through one link that a single rename switches.
    pub(super) fn adopted(&self) -> bool {
        self.pairs.iter().flat_map(|pair| &pair.places).all(|place| matches!(place, Place::Adopted { .. }))
    }

    /// The leaves of each of several pairs, before a change and after it; of one pair alone nothing.
    pub(super) fn turned(&self, leaf_at: &dyn Fn(usize) -> Option<Digest>) -> Vec<Leaves> {
        let leaf = |pair: &PairState| pair.installed.chain.as_ref().map(|chain| chain.leaf().fingerprint());
        let pairs = self.pairs.iter().enumerate().filter(|_| self.pairs.len() > 1);
        pairs.map(|(index, pair)| Leaves { before: leaf(pair), after: leaf_at(index) }).collect()
    }

    /// That somebody has put a file in the place of one of the links: the files are right again after the next repair, and the switch
    /// is not.
    pub(super) fn half_adopted(&self, target: &str) -> Option<String> {
        let slots = || self.pairs.iter().flat_map(|pair| pair.pair.slots.iter().zip(&pair.places));
        let adopted = slots().any(|(_, place)| matches!(place, Place::Adopted { .. }));
        let (file, _) = slots().find(|(_, place)| matches!(place, Place::InPlace { .. })).filter(|_| adopted)?;
        let mixed = self.pairs.iter().any(|pair| pair.installed.key.is_anothers());
        let first =
            if mixed { format!("`reseal post-upgrade {target}` puts the pair back, then ") } else { String::new() };
        Some(format!(
            "{} is no link into the target's directory any more, so certificate and key are changed file by file: \
             {first}`reseal adopt {target}` makes it one again",
            file.path.display()
        ))
    }
}

/// Looks at a target. Changes nothing.
pub(super) fn survey(host: &Host, config: &TargetConfig, live_dir: &Path) -> Result<Survey, Refusal> {
    let opened =
        target::open(config).map_err(|error| Refusal::with(explain(&error), error.hint().map(str::to_owned)))?;
    let mut site =
        opened.observe(host).map_err(|error| Refusal::with(explain(&error), error.hint().map(str::to_owned)))?;
    let owner = owner(host, config)?;
    let mut pairs = Vec::new();
    let withdrawn = withdrawn::Known::read(host);
    for pair in &site.pairs {
        let mut seen = look_at(host, pair.clone(), &config.name, live_dir, owner)?;
        seen.revoked = withdrawn.of_chain(seen.installed.chain.as_ref());
        pairs.push(seen);
    }
    site.notes.extend(withdrawn.note);
    let dir = live_dir.join(&config.name);
    let adopted = adopted_dir(host, &dir, owner)?;
    let unmade = unmade(host, &pairs, &dir)?;
    let reader = reader(host, config, owner);
    Ok(Survey { site, pairs, owner, reader, adopted, unmade, unlinked: Vec::new() })
}

/// The directories that have to be made for the pairs that are read through the switch, where it is lost with the directory `dir`.
pub(super) fn unmade(host: &Host, pairs: &[PairState], dir: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let adopted = pairs.iter().flat_map(|pair| &pair.places).any(|place| matches!(place, Place::Adopted { .. }));
    if adopted && !host.is_folder(dir) { switch::missing(host, dir) } else { Ok(Vec::new()) }
}

/// Looks at the directory of an adopted target.
pub fn adopted_dir(host: &Host, path: &Path, owner: Option<u32>) -> Result<Option<AdoptedDir>, Refusal> {
    let dir = match host.dir(path, &host.trusting(owner)) {
        Ok(dir) => dir,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let number = |name: &str| name.strip_prefix('g').and_then(|number| number.parse().ok());
    let generations = dir.names()?.iter().filter_map(|name| name.to_str().and_then(number)).collect();
    let link = absent_is_none(dir.link_text(target::layout::CURRENT.as_ref()))?;
    let current = link.and_then(|link| link.to_str().and_then(number));
    Ok(Some(AdoptedDir { dir: path.to_owned(), generations, current }))
}

/// The service's user id.
pub(super) fn owner(host: &Host, config: &TargetConfig) -> Result<Option<u32>, Refusal> {
    let Some(name) = &config.service_user else { return Ok(None) };
    match host.user_id(name) {
        Some(uid) => Ok(Some(uid)),
        None => Err(Refusal::new(format!(
            "the service user `{name}` of target {} does not exist on this machine",
            config.name
        ))
        .hint("correct `service_user` in the configuration")),
    }
}

/// The service as a reader of its files. What nginx reads, it reads as root.
pub(super) fn reader(host: &Host, config: &TargetConfig, owner: Option<u32>) -> Option<Reader> {
    let (name, uid) = config.service_user.clone().zip(owner)?;
    let reads_itself = matches!(config.kind, TargetKind::Files(_));
    reads_itself.then(|| Reader { groups: host.groups_of(&name), name, uid })
}

/// Looks at the places of one pair; whether its leaf is revoked is not asked.
pub(super) fn look_at(
    host: &Host,
    pair: Pair,
    target: &str,
    live_dir: &Path,
    owner: Option<u32>,
) -> Result<PairState, Refusal> {
    let (mut places, mut looks, mut dangling) = (Vec::new(), Vec::new(), Vec::new());
    for (index, slot) in pair.slots.iter().enumerate() {
        let (place, look) =
            locate(host, &slot.path, target, live_dir, owner).map_err(|error| blocked(error, &slot.path, target))?;
        if look.image == Image::Absent && host.is_link(&slot.path) {
            dangling.push(index);
        }
        places.push(place);
        looks.push(look);
    }
    let paths: Vec<&Path> = pair.slots.iter().map(|slot| slot.path.as_path()).collect();
    let tracked_by = keepers::tracked_by(host, &paths);
    let parts: Vec<(Role, &[u8])> = pair
        .slots
        .iter()
        .zip(&looks)
        .filter_map(|(slot, look)| Some((slot.role, look.content.as_ref()?.expose())))
        .collect();
    let installed = installed::read(&parts);
    Ok(PairState { pair, places, looks, installed, dangling, revoked: None, tracked_by })
}

/// What stands in the place of a file and can be none: nobody but a person knows what it is for.
fn blocked(error: WalkError, path: &Path, target: &str) -> Refusal {
    let no_file = error.is_no_file();
    let refusal = Refusal::from(error);
    if !no_file {
        return refusal;
    }
    let word = typed(path);
    refusal.hint(format!("it is no file of a service: `mv {word} {word}.away`, then `reseal restore {target}`"))
}

/// Where a path of the service's configuration really is: behind the target's own switch, or a file at the end of any links.
fn locate(
    host: &Host,
    path: &Path,
    target: &str,
    live_dir: &Path,
    owner: Option<u32>,
) -> Result<(Place, Look), WalkError> {
    let trust = host.trusting(owner);
    let (real, look) = match host.look(path, &trust) {
        Ok(found) => found,
        // A link that leads nowhere, or a directory that is gone: nothing is there.
        Err(error) if error.is_absent() => {
            let end = host.end_of_link(path, &trust).unwrap_or_else(|| path.to_owned());
            (end, Look { image: Image::Absent, content: None })
        }
        Err(error) => return Err(error),
    };
    let dir = live_dir.join(target);
    // The link is the target's own, and what is lost is only what it leads to.
    if look.image == Image::Absent
        && let Some((_, name)) = switch::through(host, path, &dir, owner)
    {
        return Ok((Place::Adopted { dir, file_name: name }, look));
    }
    let held = host.dir(&dir, &trust).map_or(dir.clone(), |held| held.path().to_owned());
    Ok((Place::of(&real, &held, &dir), look))
}

/// A place that was a file of the target's own when a generation was kept, and is a link to something else by now.
pub(super) struct Strayed {
    /// Which pair of the survey, and which slot of it.
    pub at: (usize, usize),
    /// The place itself.
    pub own: PathBuf,
    /// What it leads to.
    pub to: PathBuf,
}

impl Strayed {
    /// In words.
    pub(super) fn told(&self) -> String {
        format!("{} has become a link to {} since reseal changed it last", self.own.display(), self.to.display())
    }
}

/// The places in which a link has come since a generation was kept: what is at its end may be another service's, and nobody has asked for
/// that to be replaced, nor for a key where nobody expects one, if nothing is there yet. A link that was there before is the owner's,
/// wherever it leads. `dir` is the target's own directory, through which an adopted pair was read.
pub(super) fn strayed(
    host: &Host,
    survey: &Survey,
    manifest: &Manifest,
    dir: &Path,
) -> Result<Vec<Strayed>, WalkError> {
    let ours = |path: &Path| path.starts_with(dir) || host.real(dir).is_some_and(|real| path.starts_with(real));
    let mut all = Vec::new();
    for (pair, state) in survey.pairs.iter().enumerate() {
        for (index, (slot, place)) in state.pair.slots.iter().zip(&state.places).enumerate() {
            let saved = manifest.slots.iter().find(|saved| saved.path == slot.path);
            let (Some(then), Place::InPlace { path }) = (saved.and_then(|saved| saved.real.as_ref()), place) else {
                continue;
            };
            if path == then || !host.is_link(&slot.path) {
                continue;
            }
            let own = host.place(&slot.path, Last::Keep, &host.trusting(survey.owner))?.path();
            if own != *path && (own == *then || ours(then)) {
                all.push(Strayed { at: (pair, index), own, to: path.clone() });
            }
        }
    }
    Ok(all)
}

/// What was committed last for a target, if its backup is whole.
pub(super) fn committed(state: Option<&State>, target: &str) -> Result<Option<(Vault, Manifest)>, Refusal> {
    let Some(vault) = state.map(|state| Vault::open(state, target)).transpose()?.flatten() else { return Ok(None) };
    let Some(generation) = vault.current()? else { return Ok(None) };
    Ok(vault.manifest(generation).ok().map(|manifest| (vault, manifest)))
}

/// Whether what stands in the slots is exactly what a generation holds.
pub(super) fn same_as(manifest: &Manifest, slots: &[Slot], images: &[&Image]) -> bool {
    manifest.slots.len() == slots.len()
        && manifest.slots.iter().all(|saved| {
            let now = slots.iter().zip(images).find(|(slot, _)| slot.path == saved.path).map(|(_, image)| *image);
            match (&saved.file, now) {
                (Some(file), Some(Image::File { sha256, .. })) => file.sha256 == *sha256,
                (None, Some(Image::Absent)) => true,
                (Some(_) | None, _) => false,
            }
        })
}

/// The first directory on the way to a directory that a user other than root could not enter.
pub(super) fn closed_to(host: &Host, path: &Path, uid: u32) -> Option<PathBuf> {
    let ancestors: Vec<&Path> = path.ancestors().collect();
    ancestors.into_iter().rev().find(|dir| host.closed_to(dir, uid)).map(Path::to_owned)
}
