//! `reseal demo`, told scene by scene; and the server that it starts.

use std::path::Path;

use super::Style;
use super::args::{Colour, Format};
use super::output;
use super::progress::Progress;
use crate::event::{Event, Listener};
use crate::flow::Options;
use crate::flow::demo::{self, Audience, Scene};
use crate::host::demo_server;
use crate::outcome::{Exit, Outcome, explain};
use crate::report::text::{self, scene};
use crate::report::{Answer, Body, Failure, Played, View, json};

/// Plays the story.
pub fn play(style: &Style, progress: Progress) -> Exit {
    let mut teller = Teller { style, progress, scenes: Vec::new() };
    let ended = demo::run(&Options::default(), &mut teller);
    teller.progress.clear();
    let scenes = std::mem::take(&mut teller.scenes);
    match ended {
        Ok(()) => teller.end(scenes),
        Err(refusal) => {
            let failure = Failure::of(refusal, Exit::Bug);
            output::trouble(&text::failure(&failure, style.view.width), style.colour);
            Exit::Bug
        }
    }
}

/// Runs the demo's server, or tells it to reload.
pub fn serve(root: &Path, reload: bool) -> Exit {
    let ended = if reload { demo_server::reload(root) } else { demo_server::serve(root) };
    match ended {
        Ok(()) => Exit::Good,
        Err(error) => {
            output::trouble(&format!("demo server: {}\n", explain(&error)), Colour::Never);
            Exit::Refused
        }
    }
}

struct Teller<'s> {
    style: &'s Style,
    progress: Progress,
    scenes: Vec<Played>,
}

impl Teller<'_> {
    fn tell(&mut self, text: &str) {
        self.progress.clear();
        if self.style.format == Format::Text {
            // A reader who has gone does not stop the play; there is nothing to lose in it.
            let _ = output::result(text, self.style.colour);
        }
    }

    fn view(&self) -> &View {
        &self.style.view
    }

    fn end(&mut self, scenes: Vec<Played>) -> Exit {
        let (handshakes, failed) = scenes.last().map_or((0, 0), |last| (last.handshakes, last.failed));
        let exit = if failed == 0 { Exit::Good } else { Exit::Findings };
        match self.style.format {
            Format::Text => {
                let changes = scenes.iter().filter(|scene| scene.changed).count();
                let text = scene::closing(handshakes, failed, changes, self.view());
                self.tell(&text);
            }
            Format::Json => {
                let answer = Answer { command: Some("demo"), exit, body: Body::Scenes(scenes), failure: None };
                let _ = output::result(&json::render(&answer), Colour::Never);
            }
        }
        exit
    }
}

impl Listener for Teller<'_> {
    fn hear(&mut self, event: &Event) {
        // The scene tells what was undone, and why.
        if !matches!(event, Event::Undoing { .. }) {
            self.progress.hear(event);
        }
    }
}

impl Audience for Teller<'_> {
    fn opening(&mut self, address: &str, root: &Path) {
        let text = scene::opening(address, root, self.view());
        self.tell(&text);
    }

    fn begins(&mut self, number: usize, title: &'static str, words: &'static str, command: Option<&str>) {
        let text = scene::begins(number, title, words, command, self.view());
        self.tell(&text);
    }

    fn ends(&mut self, scene: Scene) {
        let changed = scene.reports.iter().any(|report| matches!(report.outcome, Outcome::Committed { .. }));
        self.scenes.push(Played {
            scene: scene.title,
            changed,
            milliseconds: scene.took,
            handshakes: scene.load.handshakes,
            failed: scene.load.failed,
        });
        let text = scene::ends(scene, self.view());
        self.tell(&text);
    }
}
