//! The demo, told while it is played.

use std::path::Path;

use super::args::Colour;
use super::output;
use crate::event::{Event, Listener};
use crate::flow::demo::{Audience, Scene};
use crate::report::{View, text};

/// Tells people; or nobody, where programs get the scenes at the end.
pub struct Story<'a> {
    /// How text is written; none: it is not.
    pub told: Option<(&'a View, Colour)>,
}

impl Story<'_> {
    fn tell(&self, text: impl FnOnce(&View) -> String) {
        if let Some((view, colour)) = self.told {
            // Whoever no longer listens does not end the play.
            let _ = output::result(&text(view), colour);
        }
    }
}

impl Listener for Story<'_> {
    fn hear(&mut self, _event: &Event) {}
}

impl Audience for Story<'_> {
    fn opening(&mut self, address: &str, root: &Path) {
        self.tell(|view| text::opening(address, root, view));
    }

    fn begins(&mut self, number: usize, title: &'static str, about: &'static str, command: Option<&str>) {
        self.tell(|view| text::begins(number, title, about, command, view));
    }

    fn ends(&mut self, scene: &Scene) {
        self.tell(|view| text::ends(scene, view));
    }
}
