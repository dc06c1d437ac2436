//! `schedule show` and `hook show`: the texts, and nothing is placed.

use std::path::PathBuf;

use serde::Serialize;

use super::ground::Ground;
use crate::fitting::{Family, Fitting, Template};
use crate::flow::{Refusal, Session};

/// A text that can be placed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Text {
    /// Where; none for what this program does not place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// What.
    pub content: String,
}

/// The files of a fitting, as they would be placed here.
///
/// # Errors
/// What they depend on cannot be looked at.
pub fn files(session: &Session<'_>, fitting: &Fitting) -> Result<Vec<Text>, Refusal> {
    let ground = Ground::look(session, fitting)?;
    let text = |(file, _): (crate::fitting::Placed, _)| Text { path: Some(file.path), content: file.content };
    Ok(ground.files.into_iter().map(text).collect())
}

/// What others have to place.
#[must_use]
pub fn template(template: Template, family: Family) -> Text {
    Text { path: None, content: template.text(family).to_owned() }
}
