//! What one channel is told at one time, bounded, and in plain words.

use serde::Serialize;
use time::OffsetDateTime;

use super::condition::{Condition, harmless};
use crate::assess::Severity;
use crate::config::On;
use crate::digest::Digest;
use crate::moment::whole_second;
use crate::outcome::called;

/// Things that one message tells one by one: what is beyond is counted, or told by further messages.
const MOST_ITEMS: usize = 50;

/// What one channel is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Message {
    /// The number of the shape; it rises when a reader would have to change.
    pub version: u32,
    /// What tells it from all others; the same when it is sent again.
    pub id: String,
    /// Whether it is a test, and nothing is the matter.
    pub test: bool,
    /// The machine.
    pub host: String,
    /// What was run.
    pub verb: String,
    /// When, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How many of each.
    pub counts: Counts,
    /// Each, the worst first, as many as one message tells one by one.
    pub items: Vec<Item>,
    /// How many more there are.
    pub more: usize,
    /// How the program is called again for the same configuration and state.
    #[serde(skip)]
    program: String,
}

/// How many things are in which state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counts {
    /// Told for the first time.
    pub new: usize,
    /// Told before, and there still.
    pub still: usize,
    /// Told before, and gone.
    pub resolved: usize,
    /// Happened, and are over.
    pub happened: usize,
}

/// One thing and its state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Item {
    /// Its state.
    pub state: State,
    /// By what it is known again.
    pub key: String,
    /// What it is.
    #[serde(flatten)]
    pub what: Condition,
}

/// How one thing stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Told for the first time.
    New,
    /// Told before, and there still.
    Still,
    /// It happened, and is over.
    Happened,
    /// Told before, and gone.
    Resolved,
}

impl State {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Still => "still",
            Self::Happened => "happened",
            Self::Resolved => "resolved",
        }
    }
}

impl Item {
    /// One.
    #[must_use]
    pub fn new(state: State, what: Condition) -> Self {
        Self { state, key: what.key(), what }
    }

    /// Whether it wants attention.
    #[must_use]
    pub fn bad(&self) -> bool {
        matches!(self.state, State::New | State::Still)
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Condition { severity, target, code, text, .. } = &self.what;
        let place = if target.is_empty() { String::new() } else { format!("{target}: ") };
        let word = match (self.state, self.what.on) {
            (State::Happened, _) => "done",
            (State::Resolved, _) => "resolved",
            (State::New | State::Still, On::Stuck) => "STUCK",
            (State::New | State::Still, _) => severity.word(),
        };
        let since = match self.state {
            State::Still => format!(" (since {})", self.what.since.date()),
            State::New | State::Happened | State::Resolved => String::new(),
        };
        format!("{word}: {place}{code}: {text}{since}")
    }
}

impl Message {
    /// Puts all that a channel is to be told into one message.
    #[must_use]
    pub fn of(mut items: Vec<Item>, host: &str, verb: &str, at: OffsetDateTime) -> Self {
        items.sort_by_cached_key(|item| (item.state, item.what.order()));
        let mut counts = Counts::default();
        for item in &items {
            *match item.state {
                State::New => &mut counts.new,
                State::Still => &mut counts.still,
                State::Happened => &mut counts.happened,
                State::Resolved => &mut counts.resolved,
            } += 1;
        }
        let at = whole_second(at);
        let mut all = format!("{host}\0{verb}\0{}", at.unix_timestamp());
        for item in &items {
            all.push_str(&format!("\0{} {}", item.state.word(), item.key));
        }
        let more = items.len().saturating_sub(MOST_ITEMS);
        items.truncate(MOST_ITEMS);
        let (host, verb) = (harmless(host, 100), verb.to_owned());
        let id = Digest::of(all.as_bytes()).to_string()[..32].to_owned();
        let program = "reseal".to_owned();
        Self { version: 1, id, test: false, host, verb, at, counts, items, more, program }
    }

    /// Puts it into as many messages as tell each thing one by one.
    #[must_use]
    pub fn each_of(mut items: Vec<Item>, host: &str, verb: &str, at: OffsetDateTime) -> Vec<Self> {
        items.sort_by_cached_key(|item| (item.state, item.what.order()));
        items.chunks(MOST_ITEMS).map(|some| Self::of(some.to_vec(), host, verb, at)).collect()
    }

    /// The same from a run that was called as `program`: what it advises names it so.
    #[must_use]
    pub fn called(mut self, program: &str) -> Self {
        self.program = harmless(program, 400);
        for item in &mut self.items {
            item.what.hint = item.what.hint.take().map(|hint| called(&hint, &self.program));
        }
        self
    }

    /// The same with fewer things told one by one, so that what people read has less than `room` bytes; with the worst in any case.
    #[must_use]
    pub fn within(mut self, room: usize) -> Self {
        while self.items.len() > 1 && self.title().len() + self.text().len() + 1 >= room {
            self.items.pop();
            self.more += 1;
        }
        self
    }

    /// A test, which says so.
    #[must_use]
    pub fn test(channel: &str, host: &str, at: OffsetDateTime) -> Self {
        let text = "this is a test of reseal: nothing is the matter";
        let what = Condition::new(On::Success, "", "test", Severity::Note, text, at);
        let verb = "notify test";
        let mut message = Self::of(vec![Item::new(State::Happened, what)], host, verb, at);
        let id = Digest::of(format!("{}\0{channel}", message.id).as_bytes()).to_string();
        id[..32].clone_into(&mut message.id);
        message.test = true;
        message
    }

    /// How bad the worst of it is; none where nothing is bad.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.items.iter().filter(|item| item.bad()).map(|item| item.what.severity).min()
    }

    /// In some words, of which none comes from outside but the machine's name.
    #[must_use]
    pub fn title(&self) -> String {
        if self.test {
            return format!("[test] reseal on {}", self.host);
        }
        let Counts { new, still, resolved, happened } = self.counts;
        let told = [(new, "new"), (still, "still there"), (resolved, "resolved"), (happened, "done")];
        let told: Vec<String> =
            told.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        let mood = self.worst().map(|worst| format!("{}: ", worst.word())).unwrap_or_default();
        format!("reseal on {}: {mood}{}", self.host, told.join(", "))
    }

    /// All of it in plain words, a line each, what to do below.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for item in &self.items {
            text.push_str(&item.line());
            text.push('\n');
            if let Some(hint) = item.what.hint.as_ref().filter(|_| item.bad()) {
                text.push_str(&format!("  {hint}\n"));
            }
        }
        if let Some(rest) = self.rest() {
            text.push_str(&format!("{rest}\n"));
        }
        text
    }

    /// Where those are that are not told one by one; nothing where all are.
    #[must_use]
    pub fn rest(&self) -> Option<String> {
        let (more, program) = (self.more, &self.program);
        (more > 0)
            .then(|| format!("and {more} more, which the next runs tell: `{program} notify status` lists what is open"))
    }
}
