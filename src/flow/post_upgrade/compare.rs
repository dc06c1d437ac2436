//! How a target stood before an upgrade, from the records, held against how it stands now.

use std::time::Duration;

use super::wait_until;
use crate::assess::upgrade::{self, File, Harm, Held, Holds, Noticed, Standing};
use crate::cert::Certificate;
use crate::cert::codec::{self, Format};
use crate::change::{Attributes, Image, Probe, Role, Shown};
use crate::config::{TargetConfig, TargetKind};
use crate::digest::Digest;
use crate::engine::snapshot::Snapshots;
use crate::engine::vault::{Manifest, Origin, Vault};
use crate::flow::asked::{self, Asked};
use crate::flow::survey::{self, Survey};
use crate::flow::{Refusal, Session};
use crate::host::state::State;
use crate::sensitive::Sensitive;

/// What an upgrade has done to a target; nothing where nothing is known of what was before. Listeners that served something then have `up`
/// to come up.
pub(super) fn noticed(session: &Session<'_>, config: &TargetConfig, up: Duration) -> Result<Vec<Noticed>, Refusal> {
    let Some(before) = Before::of(session, config)? else { return Ok(Vec::new()) };
    let survey = survey::survey(session.host, config, &session.live_dir)?;
    let served = come_up(session, config, &survey, &before, up);
    Ok(upgrade::noticed(&before.standing(), &now(&survey, &served), &before.earlier, session.host.now()))
}

/// In what way the certificate that stands there is worse than the wanted one, although it may be good by itself: it is the one that was
/// replaced, or its issuer has lost the key that clients know.
pub(in crate::flow) fn worse(
    session: &Session<'_>,
    config: &TargetConfig,
    survey: &Survey,
) -> Result<Vec<String>, Refusal> {
    let Some(before) = Before::of(session, config)? else { return Ok(Vec::new()) };
    let harms = upgrade::noticed(&before.standing(), &now(survey, &[]), &before.earlier, session.host.now());
    let worse = harms.into_iter().filter(|one| matches!(one.harm, Harm::Reverted | Harm::RootRegenerated));
    Ok(worse.map(|one| one.message).collect())
}

/// Whether in any pair another leaf stands than the wanted one; what is packed otherwise, or in other files, is none.
pub(in crate::flow) fn replaced(
    session: &Session<'_>,
    config: &TargetConfig,
    survey: &Survey,
) -> Result<bool, Refusal> {
    let before = Before::of(session, config)?;
    Ok(before.is_some_and(|before| upgrade::is_replaced(&before.standing(), &now(survey, &[]))))
}

/// What the listeners show, once those that served something before are up, or the time is over.
fn come_up(session: &Session<'_>, config: &TargetConfig, survey: &Survey, before: &Before, up: Duration) -> Vec<Asked> {
    let questions = survey.questions();
    let mut served = Vec::new();
    wait_until(session, up, || {
        served = asked::ask(session.host, &questions, config.policy.probe_timeout);
        let missing = |asked: &Asked| {
            let nobody = matches!(asked.shown, Shown::Nobody { .. });
            nobody
                && before
                    .listeners
                    .iter()
                    .any(|(probe, shown)| *probe == asked.probe.to_string() && matches!(shown, Shown::Leaf { .. }))
        };
        !served.iter().any(missing)
    });
    served
}

/// A generation and what was seen when it was in use.
struct Before {
    manifest: Manifest,
    packed: Vec<Packed>,
    listeners: Vec<(String, Shown)>,
    /// The leaves that stood there before, put there by somebody else.
    earlier: Vec<Digest>,
}

impl Before {
    /// What is known of how a target stood; none where nothing is.
    fn of(session: &Session<'_>, config: &TargetConfig) -> Result<Option<Self>, Refusal> {
        let Some(state) = State::open(session.host)? else { return Ok(None) };
        let Some(vault) = Vault::open(&state, &config.name)? else { return Ok(None) };
        let snapshots = Snapshots::read(&state, &config.name)?;
        // What was never signed off is still something to compare with.
        let newest = || snapshots.all.last().map(|snapshot| snapshot.generation);
        let before = vault.current()?.or_else(newest).map(|generation| Self::read(&vault, generation, &snapshots));
        let mut before = before.transpose()?;
        if let (Some(before), TargetKind::Files(_)) = (&mut before, &config.kind) {
            // The proof of a change may have been asked for by its kind of key; the listener is the same.
            for (probe, _) in &mut before.listeners {
                *probe = without_family(probe);
            }
        }
        Ok(before)
    }

    fn read(vault: &Vault, generation: u32, snapshots: &Snapshots) -> Result<Self, Refusal> {
        let manifest = vault.manifest(generation)?;
        let contents = vault.contents(&manifest)?;
        let packed = manifest.slots.iter().zip(&contents);
        let packed: Vec<Packed> = packed.map(|(saved, content)| Packed::read(saved.role, content.as_ref())).collect();
        let leaf = manifest.leaf.as_ref().map(|leaf| leaf.fingerprint);
        let listeners = match snapshots.of_generation(generation) {
            Some(snapshot) => snapshot.listeners.iter().map(|one| (one.probe.to_string(), one.shown.clone())).collect(),
            None => proved(&manifest, leaf),
        };
        let earlier = vault.numbers()?.into_iter().filter(|number| *number < generation);
        let earlier = earlier.filter_map(|number| vault.manifest(number).ok());
        let earlier = earlier.filter(|one| one.origin == Origin::Found);
        let earlier = earlier.flat_map(|one| leaves_of(vault, &one));
        let wanted = |one: &Digest| packed.iter().flat_map(|it| &it.leaf).any(|leaf| leaf.fingerprint() == *one);
        let earlier = earlier.filter(|one| !wanted(one)).collect();
        Ok(Self { manifest, packed, listeners, earlier })
    }

    fn standing(&self) -> Standing<'_> {
        let files = self.manifest.slots.iter().zip(&self.packed).map(|(saved, packed)| File {
            path: &saved.path,
            role: saved.role,
            held: saved.file.as_ref().map(|file| packed.clone().held(file.sha256, &file.attributes)),
        });
        Standing {
            files: files.collect(),
            listeners: self.listeners.iter().map(|(probe, shown)| (probe.clone(), shown)).collect(),
        }
    }
}

/// How a listener is called that is asked for no kind of key.
fn without_family(probe: &str) -> String {
    probe.strip_suffix(" [RSA]").or_else(|| probe.strip_suffix(" [ECDSA]")).unwrap_or(probe).to_owned()
}

/// What a change that was committed proved its listeners to show.
fn proved(manifest: &Manifest, leaf: Option<Digest>) -> Vec<(String, Shown)> {
    let (Origin::Made { .. }, Some(fingerprint)) = (&manifest.origin, leaf) else { return Vec::new() };
    // Of several pairs, the manifest tells the leaf of one.
    let pairs = manifest.slots.iter().filter(|saved| saved.role.holds_key()).count();
    let tls = manifest.probes.iter().filter(|probe| matches!(probe, Probe::Tls { .. }) && pairs == 1);
    tls.map(|probe| (probe.to_string(), Shown::Leaf { fingerprint, proved: true })).collect()
}

fn now<'a>(survey: &'a Survey, served: &'a [Asked]) -> Standing<'a> {
    let mut files: Vec<File<'a>> = Vec::new();
    for pair in &survey.pairs {
        for (slot, look) in pair.pair.slots.iter().zip(&pair.looks) {
            if files.iter().any(|file| file.path == slot.path) {
                continue;
            }
            let held = match &look.image {
                Image::File { sha256, attributes } => {
                    Some(Packed::read(slot.role, look.content.as_ref()).held(*sha256, attributes))
                }
                Image::Absent | Image::Link { .. } | Image::Dir { .. } => None,
            };
            files.push(File { path: &slot.path, role: slot.role, held });
        }
    }
    Standing { files, listeners: served.iter().map(|asked| (asked.probe.to_string(), &asked.shown)).collect() }
}

/// What is in a file.
#[derive(Clone)]
struct Packed {
    format: Option<Format>,
    leaf: Option<Certificate>,
    holds: Holds,
}

impl Packed {
    fn read(role: Role, content: Option<&Sensitive>) -> Self {
        let found = content.and_then(|bytes| codec::read(bytes.expose(), None).ok());
        let format = found.as_ref().map(|found| found.format);
        let holds = found.as_ref().map_or_else(Holds::default, |found| Holds {
            certificates: !found.certificates.is_empty(),
            key: !found.keys.is_empty(),
        });
        // The first, as services take it.
        let leaf = found.filter(|_| holds_leaf(role)).and_then(|found| found.certificates.into_iter().next());
        Self { format, leaf, holds }
    }

    fn held(self, sha256: Digest, attributes: &Attributes) -> Held<'_> {
        Held { sha256, attributes, format: self.format, leaf: self.leaf, holds: self.holds }
    }
}

fn holds_leaf(role: Role) -> bool {
    matches!(role, Role::Leaf | Role::FullChain | Role::Combined)
}

/// The fingerprints of the leaves that a generation holds: the manifest tells that of one.
fn leaves_of(vault: &Vault, manifest: &Manifest) -> Vec<Digest> {
    let files = manifest.slots.iter().filter(|saved| holds_leaf(saved.role) && saved.file.is_some()).count();
    let contents = if files > 1 { vault.contents(manifest).ok() } else { None };
    match contents {
        Some(contents) => {
            let slots = manifest.slots.iter().zip(&contents);
            let leaves = slots.filter_map(|(saved, content)| Packed::read(saved.role, content.as_ref()).leaf);
            leaves.map(|leaf| leaf.fingerprint()).collect()
        }
        None => manifest.leaf.iter().map(|leaf| leaf.fingerprint).collect(),
    }
}
