//! Programs of the administrator's own that run around a change.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Command;

/// When a hook runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// Before any place is touched. A failure refuses the change.
    Pre,
    /// With the new pair in place, before it is proved. A failure undoes the change, and all of them run again for the old pair.
    Deploy,
    /// After the end, whatever it was. A failure changes nothing.
    Post,
}

impl Point {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Pre, Self::Deploy, Self::Post];

    /// The word for it: in the environment, and as the name of the directory.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::Deploy => "deploy",
            Self::Post => "post",
        }
    }

    /// What people call such a program.
    #[must_use]
    pub fn called(self) -> &'static str {
        match self {
            Self::Pre => "pre hook",
            Self::Deploy => "deploy hook",
            Self::Post => "post hook",
        }
    }
}

/// The hooks of one change, in the order in which they run. Every one may be run again at any time: it reads the files anew.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Hooks {
    /// [`Point::Pre`]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre: Vec<Command>,
    /// [`Point::Deploy`]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deploy: Vec<Command>,
    /// [`Point::Post`]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post: Vec<Command>,
    /// The files of each pair of the target: deploy hooks run once for each certificate in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Vec<PathBuf>>,
}

impl Hooks {
    /// Those of one point.
    #[must_use]
    pub fn of(&self, point: Point) -> &[Command] {
        match point {
            Point::Pre => &self.pre,
            Point::Deploy => &self.deploy,
            Point::Post => &self.post,
        }
    }

    /// All of them, in the order in which they run.
    pub fn all(&self) -> impl Iterator<Item = (Point, &Command)> {
        Point::ALL.into_iter().flat_map(|point| self.of(point).iter().map(move |command| (point, command)))
    }

    /// Whether nothing would run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }
}
