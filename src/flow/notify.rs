//! What follows a run: who is told of it, after the work is done and the lock released; and `notify test`, `notify status`.

mod asked;
mod found;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use time::OffsetDateTime;

pub use self::asked::{ChannelView, Overview, Tested, failing, known, status, test};
use self::found::found;
use super::check::{self, Checked};
use super::{Options, Report, Session};
use crate::config::{Channel, Config, On};
use crate::event::Silence;
use crate::host::Host;
use crate::host::process;
use crate::notify::channel::{Told, Trouble, tell_all};
use crate::notify::message::{Item, Message};
use crate::notify::ping::{self, Sign};
use crate::notify::record::{Failing, Record, RecordError};
use crate::notify::sift::{self, Found};
use crate::outcome::{Exit, explain};

/// The name under which it is remembered whether the ping arrives.
const PING: &str = "ping";
/// The name under which it is remembered whether the metrics can be written.
const METRICS: &str = "metrics";
/// How long to wait while another run is telling.
const TELLING: Duration = Duration::from_mins(1);
/// How exact the time of the last good run is: a run that changes nothing writes nothing meanwhile.
const EXACT: time::Duration = time::Duration::HOUR;

/// How a run ended, for those who are told.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The verb.
    pub verb: &'static str,
    /// Whether a timer runs this verb, and a silence would mean that it does not.
    pub timer: bool,
    /// Whether it was about all targets.
    pub whole: bool,
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
        let (seen, unseen) = self.seen(ended);
        sequel.warnings.extend(unseen);
        let checked = if ended.reports.is_empty() { ended.checked } else { &seen };
        let now = self.host.now();
        let found = found(self.config, ended, checked, now);
        if self.dry_run {
            let mut record = self.read(&mut sequel).0;
            self.take_in(&mut record, &found, ended, now);
            let jobs = self.jobs(record.as_ref(), &found, ended, now);
            sequel.messages = jobs.iter().map(|(channel, _, message)| words(channel, message)).collect();
            return sequel;
        }
        let due = ended.timer && ended.whole;
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
        let (before, may_write) = self.read(&mut sequel);
        let mut record = before.clone().unwrap_or_else(Record::begun);
        self.take_in_to(&mut record, &found, ended, now);
        let jobs = self.jobs(Some(&record), &found, ended, now);
        let pinged = self.send(&jobs, &mut record, ended, &mut sequel, now);
        if let (true, Some(result)) = (due, pinged) {
            self.note(&mut record, PING, result.map(drop), &mut sequel, now);
        }
        self.tell_of_channels(&mut record, ended, &mut sequel, now);
        if due && self.config.notify.metrics.is_some() {
            let written = metrics(checked, &record, now, Sign::good(ended.exit));
            let hint = Some("see `textfile` in [metrics]".to_owned());
            self.note(&mut record, METRICS, written.map_err(|why| Trouble { why, hint }), &mut sequel, now);
        }
        sift::settle(&mut record, &self.names(), now);
        if may_write
            && lock.is_some()
            && before.as_ref() != Some(&record)
            && let Err(error) = record.write(self.host)
        {
            let hint = error.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
            let why = explain(&error);
            sequel.warnings.push(format!("what was told is not remembered, and will be told again: {why}{hint}"));
        }
        sequel
    }

    /// What is there now, for those who are told of it: a look that is made after the work, so that nothing is told of what was mended.
    fn seen(&self, ended: &Ended<'_>) -> (Vec<Checked>, Option<String>) {
        let notify = &self.config.notify;
        let told = notify.channels.iter().any(|channel| channel.on.contains(&On::Finding));
        let measured = notify.metrics.is_some() && ended.timer && ended.whole;
        let known = |report: &&Report| self.config.target(&report.target).is_some();
        let subjects: Vec<OsString> =
            ended.reports.iter().filter(known).map(|report| report.target.clone().into()).collect();
        if subjects.is_empty() || !(told || measured) || self.host.interrupted().is_some() {
            return (Vec::new(), None);
        }
        let mut silence = Silence;
        let options = Options::default();
        let session = Session::new(self.host, self.config, self.live_dir.clone(), options, &mut silence);
        match check::run(&session, if ended.whole { &[] } else { &subjects }) {
            Ok(checked) => (checked, None),
            Err(refusal) => (Vec::new(), Some(format!("what is there now could not be looked at: {}", refusal.why))),
        }
    }

    /// The record, and whether it may be replaced.
    fn read(&self, sequel: &mut Sequel) -> (Option<Record>, bool) {
        match Record::read(self.host) {
            Ok(record) => (record, true),
            Err(error) => {
                let replaced = matches!(error, RecordError::Damaged { .. });
                let hint = error.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
                sequel.warnings.push(format!("{}{hint}", explain(&error)));
                (None, replaced)
            }
        }
    }

    fn take_in(&self, record: &mut Option<Record>, found: &Found, ended: &Ended<'_>, now: OffsetDateTime) {
        self.take_in_to(record.get_or_insert_with(Record::begun), found, ended, now);
    }

    fn take_in_to(&self, record: &mut Record, found: &Found, ended: &Ended<'_>, now: OffsetDateTime) {
        let least = self.config.notify.channels.iter().map(|channel| channel.silence).min().unwrap_or(Duration::MAX);
        let good = ended.timer && ended.whole && Sign::good(ended.exit);
        let channels = &self.config.notify.channels;
        let mut found = found.clone();
        // What nobody wants to be told of is not remembered.
        found.holds.retain(|what| channels.iter().any(|channel| sift::wants(channel, what)));
        found.holds.extend(found::silence(record, good, least, now));
        sift::take_in(record, &found, now);
        if ended.timer && ended.whole {
            found::count(record, ended);
        }
        if good && record.last_success.is_none_or(|last| now - last >= EXACT || now < last) {
            record.last_success = Some(now.replace_nanosecond(0).unwrap_or(now));
        }
    }

    /// Whether nobody has to be told anything, and nothing is to be remembered.
    fn nothing_to_do(&self, found: &Found, ended: &Ended<'_>, now: OffsetDateTime) -> bool {
        let Ok(before) = Record::read(self.host) else { return false };
        let mut record = before.clone();
        self.take_in(&mut record, found, ended, now);
        let quiet = self.jobs(record.as_ref(), found, ended, now).is_empty();
        let Some(mut record) = record else { return quiet };
        sift::settle(&mut record, &self.names(), now);
        quiet && record == before.unwrap_or_else(Record::begun)
    }

    /// What is to be told to whom.
    fn jobs(
        &self,
        record: Option<&Record>,
        found: &Found,
        ended: &Ended<'_>,
        now: OffsetDateTime,
    ) -> Vec<(&Channel, Vec<Item>, Message)> {
        let Some(record) = record else { return Vec::new() };
        let mut found = found.clone();
        found
            .holds
            .extend(record.open.values().filter(|open| open.what.on == On::Silence).map(|open| open.what.clone()));
        let host = process::host_name().unwrap_or_else(|| "this machine".to_owned());
        let items = self.config.notify.channels.iter().map(|channel| {
            let items = sift::for_channel(record, channel, &found, now);
            let message = Message::of(items.clone(), &host, ended.verb, now);
            (channel, items, message)
        });
        items.filter(|(_, items, _)| !items.is_empty()).collect()
    }

    /// Sends all of it at once, with the ping of a timer's verb beside it.
    fn send(
        &self,
        jobs: &[(&Channel, Vec<Item>, Message)],
        record: &mut Record,
        ended: &Ended<'_>,
        sequel: &mut Sequel,
        now: OffsetDateTime,
    ) -> Option<Result<String, Trouble>> {
        let messages: Vec<(&Channel, Message)> =
            jobs.iter().map(|(channel, _, message)| (*channel, message.clone())).collect();
        let ping = self.config.notify.ping.as_ref().filter(|_| ended.timer && ended.whole);
        let (results, pinged) = thread::scope(|scope| {
            let ping = ping.map(|ping| scope.spawn(move || ping::send(self.host, ping, Sign::End(ended.exit))));
            let results = tell_all(self.host, &messages);
            let lost = || Err(Trouble { why: "it ended with a bug of reseal".to_owned(), hint: None });
            (results, ping.map(|one| one.join().unwrap_or_else(|_| lost())))
        });
        for ((channel, items, message), result) in jobs.iter().zip(results) {
            sequel.messages.push(words(channel, message));
            self.noted(record, &channel.name, items, result, sequel, now);
        }
        pinged
    }

    /// That one channel does not deliver is told by the others.
    fn tell_of_channels(&self, record: &mut Record, ended: &Ended<'_>, sequel: &mut Sequel, now: OffsetDateTime) {
        let host = process::host_name().unwrap_or_else(|| "this machine".to_owned());
        let able = self
            .config
            .notify
            .channels
            .iter()
            .filter(|channel| record.channels.get(&channel.name).is_none_or(|past| past.failing.is_none()));
        let jobs: Vec<(&Channel, Vec<Item>)> = able
            .map(|channel| (channel, sift::of_channels(record, channel, now)))
            .filter(|(_, items)| !items.is_empty())
            .collect();
        let messages: Vec<(&Channel, Message)> = jobs
            .iter()
            .map(|(channel, items)| (*channel, Message::of(items.clone(), &host, ended.verb, now)))
            .collect();
        let results = tell_all(self.host, &messages);
        for (((channel, items), (_, message)), result) in jobs.iter().zip(&messages).zip(results) {
            sequel.messages.push(words(channel, message));
            self.noted(record, &channel.name, items, result, sequel, now);
        }
    }

    fn noted(
        &self,
        record: &mut Record,
        name: &str,
        items: &[Item],
        result: Result<Told, Trouble>,
        sequel: &mut Sequel,
        now: OffsetDateTime,
    ) {
        let (delivered, trouble) = match result {
            Ok(told) => (true, told.complaint),
            Err(trouble) => (false, Some(trouble)),
        };
        if delivered {
            sift::told(record, name, items, Ok(()), now);
        }
        if let Some(trouble) = trouble {
            self.note(record, name, Err(trouble), sequel, now);
        }
    }

    fn note(
        &self,
        record: &mut Record,
        name: &str,
        result: Result<(), Trouble>,
        sequel: &mut Sequel,
        now: OffsetDateTime,
    ) {
        let result = result.map_err(|trouble| {
            sequel.warnings.push(failed(name, &trouble));
            failing_since(trouble, now)
        });
        // That it works is remembered where it did not, or of a channel: a ping each run would be a write each run.
        if result.is_err() || record.channels.get(name).is_some_and(|past| past.failing.is_some()) {
            sift::told(record, name, &[], result, now);
        }
    }

    fn names(&self) -> BTreeSet<&str> {
        let notify = &self.config.notify;
        let channels = notify.channels.iter().map(|channel| channel.name.as_str());
        let ping = notify.ping.iter().map(|_| PING);
        channels.chain(ping).chain(notify.metrics.iter().map(|_| METRICS)).collect()
    }
}

fn failing_since(trouble: Trouble, now: OffsetDateTime) -> Failing {
    Failing { since: now.replace_nanosecond(0).unwrap_or(now), why: trouble.why, hint: trouble.hint }
}

fn failed(name: &str, trouble: &Trouble) -> String {
    let hint = trouble.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    match name {
        PING => format!("the ping did not arrive: {}{hint}", trouble.why),
        METRICS => format!("the metrics could not be written: {}{hint}", trouble.why),
        name => format!("the channel {name} did not deliver: {}{hint}", trouble.why),
    }
}

fn words(channel: &Channel, message: &Message) -> (String, String, String) {
    let place = format!("{} {}", channel.kind.word(), crate::notify::channel::place(channel));
    (channel.name.clone(), place, format!("{}\n{}", message.title(), message.text()))
}
