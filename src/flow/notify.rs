//! What follows a run: who is told of it, after the work is done and the lock released; and `notify test`, `notify status`.

mod asked;
mod found;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use time::OffsetDateTime;

pub use self::asked::{ChannelView, Overview, Tested, failing, known, status, test};
use self::found::found;
use super::check::{self, Checked};
use super::{Options, Report, Session};
use crate::config::{Channel, Config, Notify, On};
use crate::event::Silence;
use crate::host::Host;
use crate::host::process;
use crate::host::together;
use crate::moment::whole_second;
use crate::notify::channel::{Told, Trouble, tell_all};
use crate::notify::message::{Item, Message};
use crate::notify::ping::{self, Sign};
use crate::notify::record::{Failing, Record, RecordError};
use crate::notify::shape;
use crate::notify::sift::{self, Found};
use crate::outcome::{Exit, Outcome, explain, hinted};

/// The name under which it is remembered whether the ping arrives.
const PING: &str = "ping";
/// The name under which it is remembered whether the metrics can be written.
const METRICS: &str = "metrics";
/// How long to wait while another run is telling.
const TELLING: Duration = Duration::from_mins(1);
/// How exact the time of the last good run is: a run that changes nothing writes nothing meanwhile.
const EXACT: time::Duration = time::Duration::HOUR;

/// Of what kind a run is that is told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Whether a timer runs its verb, and a silence would mean that it does not.
    pub timer: bool,
    /// Whether it is about all targets.
    pub whole: bool,
}

impl Run {
    /// Whether it is one that is waited for: the timer's verb over all targets.
    #[must_use]
    pub fn due(self) -> bool {
        self.timer && self.whole
    }
}

/// How a run ended, for those who are told.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The verb.
    pub verb: &'static str,
    /// Of what kind it was.
    pub run: Run,
    /// How it ended.
    pub exit: Exit,
    /// How it ended for each target, where it changes something.
    pub reports: &'a [Report],
    /// What was found, where it only looks.
    pub checked: &'a [Checked],
    /// Why it could not begin.
    pub failure: Option<(&'a str, Option<&'a str>)>,
}

/// What became of telling.
#[derive(Debug, Default)]
pub struct Sequel {
    /// What could not be told, for people.
    pub warnings: Vec<String>,
    /// Each message that was, or would be, sent: its channel, where it leads, and its words.
    pub messages: Vec<(String, String, String)>,
    /// The targets of a dry run of whose findings nothing can be foretold, for the run would change them first.
    pub unforeseen: Vec<String>,
}

/// Writes the metrics of a run: what was found, what is remembered, when it was, and how the run ended.
pub type Metrics<'a> = &'a dyn Fn(&[Checked], &Record, OffsetDateTime, bool) -> Result<(), String>;

/// Who is to be told, and all that this takes.
pub struct Teller<'a> {
    /// The machine.
    pub host: &'a Host,
    /// The configuration.
    pub config: &'a Config,
    /// Where adopted pairs live.
    pub live_dir: PathBuf,
    /// Whether nothing is sent or written.
    pub dry_run: bool,
    /// How the program is called again for the same configuration and state.
    pub program: String,
}

impl Teller<'_> {
    /// Tells whoever wants to know that a run has begun.
    ///
    /// # Errors
    /// For people: it did not arrive.
    pub fn begin(&self) -> Result<(), String> {
        match &self.config.notify.ping {
            Some(ping) if !self.dry_run => {
                ping::send(self.host, ping, Sign::Start).map(drop).map_err(|trouble| failed(PING, &trouble))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Tells how a run ended.
    #[must_use]
    pub fn end(&self, ended: &Ended<'_>, metrics: Metrics<'_>) -> Sequel {
        let mut sequel = Sequel::default();
        let (mut seen, unseen) = self.seen(ended);
        sequel.warnings.extend(unseen);
        if self.dry_run {
            sequel.unforeseen = self.without_planned(&mut seen, ended);
        }
        let checked = if ended.reports.is_empty() { ended.checked } else { &seen };
        let now = self.host.now();
        let found = found(self.config, ended, checked, now);
        if self.dry_run {
            let mut record = self.read(ended, &mut sequel).0.unwrap_or_else(Record::begun);
            self.take_in(&mut record, &found, ended, now);
            let jobs = self.jobs(&record, &found, ended, now);
            let each = jobs.iter().flat_map(|(channel, messages)| messages.iter().map(|one| words(channel, one)));
            sequel.messages = each.collect();
            return sequel;
        }
        let due = ended.run.due();
        let calls = due && (self.config.notify.ping.is_some() || self.config.notify.metrics.is_some());
        if !calls && self.nothing_to_do(&found, ended, now) {
            return sequel;
        }
        let lock = match Record::lock(self.host, ended.verb, TELLING) {
            Ok(lock) => Some(lock),
            Err(error @ RecordError::Lock(_)) => {
                sequel.warnings.push(format!("nobody was told of this run: {}", explain(&error)));
                return sequel;
            }
            // Better told twice than not at all.
            Err(_) => None,
        };
        let (before, may_write) = self.read(ended, &mut sequel);
        let mut record = before.clone().unwrap_or_else(Record::begun);
        self.take_in(&mut record, &found, ended, now);
        let jobs = self.jobs(&record, &found, ended, now);
        let pinged = self.send(&jobs, &mut record, ended, &mut sequel, now);
        if let (true, Some(result)) = (due, pinged) {
            self.note(&mut record, PING, &[], result.map(drop), &mut sequel, now);
        }
        self.tell_of_channels(&mut record, ended, &mut sequel, now);
        if due && self.config.notify.metrics.is_some() {
            let written = metrics(checked, &record, now, Sign::good(ended.exit));
            let hint = Some("see `textfile` in [metrics]".to_owned());
            self.note(&mut record, METRICS, &[], written.map_err(|why| Trouble::new(why, hint)), &mut sequel, now);
        }
        sift::settle(&mut record, &names(&self.config.notify), now);
        if may_write
            && lock.is_some()
            && before.as_ref() != Some(&record)
            && let Err(error) = record.write(self.host)
        {
            let why = hinted(&explain(&error), error.hint().as_deref());
            sequel.warnings.push(format!("what was told is not remembered, and will be told again: {why}"));
        }
        sequel
    }

    /// What is there now, for those who are told of it: a look that is made after the work, so that nothing is told of what was mended.
    fn seen(&self, ended: &Ended<'_>) -> (Vec<Checked>, Option<String>) {
        let notify = &self.config.notify;
        let told = notify.channels.iter().any(|channel| channel.on.contains(&On::Finding));
        let measured = notify.metrics.is_some() && ended.run.due();
        let known = |report: &&Report| self.config.target(&report.target).is_some();
        let subjects: Vec<OsString> =
            ended.reports.iter().filter(known).map(|report| report.target.clone().into()).collect();
        if subjects.is_empty() || !(told || measured) || self.host.interrupted().is_some() {
            return (Vec::new(), None);
        }
        let mut silence = Silence;
        let options = Options::default();
        let mut session = Session::new(self.host, self.config, self.live_dir.clone(), options, &mut silence);
        match check::run(&mut session, if ended.run.whole { &[] } else { &subjects }) {
            Ok(checked) => (checked, None),
            Err(refusal) => (Vec::new(), Some(format!("what is there now could not be looked at: {}", refusal.why))),
        }
    }

    /// Leaves out what a dry run has found at targets that the run would change: what is there afterwards nobody knows. Those of which
    /// somebody would be told otherwise.
    fn without_planned(&self, seen: &mut Vec<Checked>, ended: &Ended<'_>) -> Vec<String> {
        let planned = ended.reports.iter().filter(|report| report.outcome == Outcome::Planned);
        let planned: BTreeSet<&str> = planned.map(|report| report.target.as_str()).collect();
        let (out, rest) = std::mem::take(seen).into_iter().partition(|one| planned.contains(one.subject.as_str()));
        *seen = rest;
        let told = found::found(self.config, &Ended { reports: &[], failure: None, ..*ended }, &out, self.host.now());
        let channels = &self.config.notify.channels;
        let holds = told.holds.into_iter().filter(|what| channels.iter().any(|channel| sift::wants(channel, what)));
        holds.map(|what| what.target).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The record, and whether it may be replaced.
    fn read(&self, ended: &Ended<'_>, sequel: &mut Sequel) -> (Option<Record>, bool) {
        match Record::read(self.host) {
            Ok(record) => (record, true),
            Err(error) => {
                let replaced = matches!(error, RecordError::Damaged { .. });
                let why = explain(&error);
                // What kept the run from beginning has been said.
                if ended.failure.is_none_or(|(said, _)| !said.contains(&why)) {
                    sequel.warnings.push(hinted(&why, error.hint().as_deref()));
                }
                (None, replaced)
            }
        }
    }

    fn take_in(&self, record: &mut Record, found: &Found, ended: &Ended<'_>, now: OffsetDateTime) {
        let least = self.config.notify.channels.iter().map(|channel| channel.silence).min().unwrap_or(Duration::MAX);
        let good = ended.run.due() && Sign::good(ended.exit);
        let channels = &self.config.notify.channels;
        let mut found = found.clone();
        // What nobody wants to be told of is not remembered.
        found.holds.retain(|what| channels.iter().any(|channel| sift::wants(channel, what)));
        found.holds.extend(found::silence(record, good, least, now));
        sift::take_in(record, &found, now);
        if ended.run.due() {
            found::count(record, ended);
        }
        if good && record.last_success.is_none_or(|last| now - last >= EXACT || now < last) {
            record.last_success = Some(whole_second(now));
        }
    }

    /// Whether nobody has to be told anything, and nothing is to be remembered.
    fn nothing_to_do(&self, found: &Found, ended: &Ended<'_>, now: OffsetDateTime) -> bool {
        let Ok(before) = Record::read(self.host) else { return false };
        let before = before.unwrap_or_else(Record::begun);
        let mut record = before.clone();
        self.take_in(&mut record, found, ended, now);
        let quiet = self.jobs(&record, found, ended, now).is_empty();
        sift::settle(&mut record, &names(&self.config.notify), now);
        quiet && record == before
    }

    /// What is to be told to whom.
    fn jobs(
        &self,
        record: &Record,
        found: &Found,
        ended: &Ended<'_>,
        now: OffsetDateTime,
    ) -> Vec<(&Channel, Vec<Message>)> {
        let mut found = found.clone();
        found
            .holds
            .extend(record.open.values().filter(|open| open.what.on == On::Silence).map(|open| open.what.clone()));
        let items = self.config.notify.channels.iter().map(|channel| {
            (channel, self.messages(channel, sift::for_channel(record, channel, &found, now), ended, now))
        });
        items.filter(|(_, messages)| !messages.is_empty()).collect()
    }

    /// Of each thing, for programs; for people one that they can read: what does not fit in is not told yet, and is for the next run.
    fn messages(&self, channel: &Channel, items: Vec<Item>, ended: &Ended<'_>, now: OffsetDateTime) -> Vec<Message> {
        let messages = match (items.is_empty(), channel.kind.is_for_programs()) {
            (true, _) => Vec::new(),
            (false, true) => Message::each_of(items, &machine(), ended.verb, now),
            (false, false) => vec![Message::of(items, &machine(), ended.verb, now)],
        };
        let room = shape::room(&channel.kind).unwrap_or(usize::MAX);
        messages.into_iter().map(|message| message.called(&self.program).within(room)).collect()
    }

    /// Sends all of it at once, with the ping of a timer's verb beside it.
    fn send(
        &self,
        jobs: &[(&Channel, Vec<Message>)],
        record: &mut Record,
        ended: &Ended<'_>,
        sequel: &mut Sequel,
        now: OffsetDateTime,
    ) -> Option<Result<String, Trouble>> {
        let ping = self.config.notify.ping.as_ref().filter(|_| ended.run.due());
        let lost = || Err(Trouble::new("it ended with a bug of reseal", None));
        let (results, pinged) = match ping {
            Some(ping) => {
                let sent = || ping::send(self.host, ping, Sign::End(ended.exit));
                let (results, pinged) = together::both(|| tell_all(self.host, jobs), sent);
                (results, Some(pinged.unwrap_or_else(lost)))
            }
            None => (tell_all(self.host, jobs), None),
        };
        self.all_noted(record, jobs, results, sequel, now);
        pinged
    }

    /// That one channel does not deliver is told by the others.
    fn tell_of_channels(&self, record: &mut Record, ended: &Ended<'_>, sequel: &mut Sequel, now: OffsetDateTime) {
        let able = self
            .config
            .notify
            .channels
            .iter()
            .filter(|channel| record.channels.get(&channel.name).is_none_or(|past| past.failing.is_none()));
        let jobs: Vec<(&Channel, Vec<Message>)> = able
            .map(|channel| (channel, self.messages(channel, sift::of_channels(record, channel, now), ended, now)))
            .filter(|(_, messages)| !messages.is_empty())
            .collect();
        let results = tell_all(self.host, &jobs);
        self.all_noted(record, &jobs, results, sequel, now);
    }

    /// What became of each message that was tried.
    fn all_noted(
        &self,
        record: &mut Record,
        jobs: &[(&Channel, Vec<Message>)],
        results: Vec<Vec<Result<Told, Trouble>>>,
        sequel: &mut Sequel,
        now: OffsetDateTime,
    ) {
        for ((channel, messages), results) in jobs.iter().zip(results) {
            for (message, result) in messages.iter().zip(results) {
                sequel.messages.push(words(channel, message));
                let (name, items) = (&channel.name, &message.items);
                match result.map(|told| told.complaint) {
                    Ok(None) => sift::told(record, name, items, Ok(()), now),
                    Ok(Some(trouble)) | Err(trouble) => self.note(record, name, items, Err(trouble), sequel, now),
                }
            }
        }
    }

    fn note(
        &self,
        record: &mut Record,
        name: &str,
        items: &[Item],
        result: Result<(), Trouble>,
        sequel: &mut Sequel,
        now: OffsetDateTime,
    ) {
        let result = result.map_err(|trouble| {
            sequel.warnings.push(failed(name, &trouble));
            failing_since(trouble, now)
        });
        // That it works is remembered where it did not, or of a channel: a ping each run would be a write each run.
        let exact = |at: OffsetDateTime| now >= at && now - at < EXACT;
        let known =
            record.channels.get(name).is_some_and(|past| past.failing.is_none() && past.delivered.is_some_and(exact));
        if result.is_err() || !known {
            sift::told(record, name, items, result, now);
        }
    }
}

/// The names under which it is remembered who can be told.
fn names(notify: &Notify) -> BTreeSet<&str> {
    let channels = notify.channels.iter().map(|channel| channel.name.as_str());
    let ping = notify.ping.iter().map(|_| PING);
    channels.chain(ping).chain(notify.metrics.iter().map(|_| METRICS)).collect()
}

/// The name of this machine, for people.
fn machine() -> String {
    process::host_name().unwrap_or_else(|| "this machine".to_owned())
}

fn failing_since(trouble: Trouble, now: OffsetDateTime) -> Failing {
    Failing { since: whole_second(now), why: trouble.why, hint: trouble.hint, partly: trouble.partly }
}

fn failed(name: &str, trouble: &Trouble) -> String {
    let why = hinted(&trouble.why, trouble.hint.as_deref());
    match name {
        PING => format!("the ping did not arrive: {why}"),
        METRICS => format!("the metrics could not be written: {why}"),
        name => format!("the channel {name} did not deliver: {why}"),
    }
}

fn words(channel: &Channel, message: &Message) -> (String, String, String) {
    let place = format!("{} {}", channel.kind.word(), crate::notify::channel::place(channel));
    (channel.name.clone(), place, format!("{}\n{}", message.title(), message.text()))
}
