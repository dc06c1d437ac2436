//! The plan of a change, for people and machines: what a dry run shows, and what a real run reports.

use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use super::survey::Survey;
use crate::cert::installed::Leaf;
use crate::change::{Command, Image, Point, Role, Slot, Step};
use crate::digest::Digest;
use crate::engine::{Change, Upcoming};
use crate::host::dir::Look;

/// What would be, or was, done.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Why.
    pub why: String,
    /// The generation that keeps what is there now.
    pub backup: u32,
    /// The number of the change itself.
    pub generation: u32,
    /// Whether it is only made ready now: all that follows here is done when it is activated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub staged: bool,
    /// Whether one rename switches the whole pair.
    pub atomic: bool,
    /// The certificates that clients are to trust from now on, or no longer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<PlannedAnchor>,
    /// Every place that is touched, in order.
    pub files: Vec<PlannedFile>,
    /// The leaf in place before.
    pub before: Option<Leaf>,
    /// The leaf in place after.
    pub after: Option<Leaf>,
    /// The commands that are run, in order.
    pub commands: Vec<String>,
    /// The hooks that are run around them, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<PlannedHook>,
    /// Where it must be seen to be served.
    pub probes: Vec<String>,
}

/// A hook that is run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PlannedHook {
    /// `pre`, `deploy` or `post`.
    pub when: Point,
    /// The program.
    pub command: String,
}

impl PlannedHook {
    /// Those of a change.
    pub(super) fn all<'h>(hooks: impl IntoIterator<Item = (Point, &'h Command)>) -> Vec<Self> {
        hooks.into_iter().map(|(when, command)| Self { when, command: command.to_string() }).collect()
    }
}

/// A certificate that comes into a store of trusted ones, or goes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PlannedAnchor {
    /// `add` or `remove`.
    #[serde(rename = "do")]
    pub act: &'static str,
    /// The name that it has here.
    pub name: String,
    /// Its subject. Whoever prints it must escape it.
    pub subject: String,
    /// SHA-256 of it.
    pub fingerprint: Digest,
    /// Its last moment, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
}

/// One place that is touched.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedFile {
    /// The place.
    pub path: PathBuf,
    /// What is done there: `write`, `link`, `make-directory`, `remove`, `put-back`.
    #[serde(rename = "do")]
    pub act: &'static str,
    /// What the file holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Digest of the bytes there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// Digest of the bytes there after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
    /// The link's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<PathBuf>,
}

impl PlannedFile {
    /// What a step does; `before` is the digest of what is there.
    pub(super) fn of(step: &Step, before: Option<Digest>) -> Self {
        let blank =
            |path: &PathBuf, act| Self { path: path.clone(), act, role: None, before: None, after: None, to: None };
        match step {
            Step::MakeDir { path, .. } => blank(path, "make-directory"),
            Step::PutLink { path, to } => Self { to: Some(to.clone()), ..blank(path, "link") },
            Step::RemoveFile { path } => blank(path, "remove"),
            Step::PutFile { path, role, content, .. } => {
                Self { role: Some(*role), before, after: Some(Digest::of(content.expose())), ..blank(path, "write") }
            }
        }
    }

    /// A file whose new bytes are not known yet.
    pub(super) fn to_be_made(slot: &Slot) -> Self {
        Self { path: slot.path.clone(), act: "write", role: Some(slot.role), before: None, after: None, to: None }
    }

    /// A place that recovery makes what it was.
    pub(super) fn put_back(path: PathBuf, live: &Image, old: &Image) -> Self {
        let to = match old {
            Image::Link { to } => Some(to.clone()),
            Image::Absent | Image::File { .. } | Image::Dir { .. } => None,
        };
        Self { path, act: "put-back", role: None, before: live.digest(), after: old.digest(), to }
    }
}

impl Plan {
    pub(super) fn of(survey: &Survey, change: &Change, upcoming: Upcoming) -> Self {
        let before = survey.pairs.first().and_then(|pair| pair.installed.leaf());
        let apply = &change.apply;
        Self {
            why: change.why.clone(),
            backup: upcoming.backup,
            generation: upcoming.generation,
            staged: false,
            atomic: switches(&change.steps) <= 1,
            trust: Vec::new(),
            files: change.steps.iter().map(|step| planned(step, survey)).collect(),
            before,
            after: change.leaf.clone(),
            commands: [&apply.check, &apply.reload].into_iter().flatten().map(ToString::to_string).collect(),
            hooks: PlannedHook::all(change.hooks.all()),
            probes: change.probes.iter().map(|(probe, _)| probe.to_string()).collect(),
        }
    }
}

impl Plan {
    /// The same of what is only made ready now, as this generation.
    pub(super) fn staged_as(self, generation: u32) -> Self {
        Self { generation, staged: true, ..self }
    }

    /// The plan of a change whose certificate is still to be obtained: its bytes are not known yet.
    pub(super) fn to_be_obtained(survey: &Survey, why: &str, upcoming: Upcoming) -> Self {
        let write = |slot: &Slot| PlannedFile {
            path: slot.path.clone(),
            act: "write",
            role: Some(slot.role),
            before: look_of(survey, &slot.path).and_then(digest),
            after: None,
            to: None,
        };
        let apply = &survey.site.apply;
        Self {
            why: why.to_owned(),
            backup: upcoming.backup,
            generation: upcoming.generation,
            staged: false,
            atomic: survey.adopted(),
            trust: Vec::new(),
            files: survey.slots().iter().map(write).collect(),
            before: survey.pairs.first().and_then(|pair| pair.installed.leaf()),
            after: None,
            commands: [&apply.check, &apply.reload].into_iter().flatten().map(ToString::to_string).collect(),
            hooks: Vec::new(),
            probes: survey.probes().iter().map(ToString::to_string).collect(),
        }
    }
}

/// The steps that a reader of the files can see one by one: what is put into a directory that the change itself makes is read by nobody
/// until a link leads there.
fn switches(steps: &[Step]) -> usize {
    let made =
        |path: &Path| steps.iter().any(|step| matches!(step, Step::MakeDir { .. }) && path.starts_with(step.path()));
    steps.iter().filter(|step| !made(step.path())).count()
}

fn planned(step: &Step, survey: &Survey) -> PlannedFile {
    let before = match step {
        Step::PutFile { slot, .. } => look_of(survey, slot).and_then(digest),
        Step::MakeDir { .. } | Step::PutLink { .. } | Step::RemoveFile { .. } => None,
    };
    PlannedFile::of(step, before)
}

fn look_of<'s>(survey: &'s Survey, path: &PathBuf) -> Option<&'s Look> {
    let all = survey.pairs.iter().flat_map(|pair| pair.pair.slots.iter().zip(&pair.looks));
    all.filter(|(slot, _)| slot.path == *path).map(|(_, look)| look).next()
}

fn digest(look: &Look) -> Option<Digest> {
    look.image.digest()
}
