//! `notify test`, `notify status`, and what `status` tells of channels.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;

use super::{PING, TELLING, failing_since, machine, names};
use crate::assess::{Code, Finding};
use crate::config::{Channel, On};
use crate::flow::{Refusal, Session};
use crate::notify::channel::{self, Told, Trouble, tell_all};
use crate::notify::condition::Condition;
use crate::notify::message::Message;
use crate::notify::ping::{self, Sign};
use crate::notify::record::{Failing, Record};
use crate::notify::sift;
use crate::outcome::{Exit, explain};

/// What to do where there is no channel.
const FIRST: &str = "write a `[[notify]]` (docs/notifications.md)";

/// What became of a test.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Tested {
    /// The channel.
    pub channel: String,
    /// By what way it is told.
    pub kind: &'static str,
    /// Where it leads, without a secret.
    pub place: String,
    /// Whether it delivered; none in a dry run.
    pub delivered: Option<bool>,
    /// What the other side said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// Why it did not deliver, or not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What would be sent, in a dry run, in the form in which the channel is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Tested {
    fn of(name: &str, kind: &'static str, place: String) -> Self {
        let (delivered, said, problem, hint, message) = (None, None, None, None, None);
        Self { channel: name.to_owned(), kind, place, delivered, said, problem, hint, message }
    }

    fn of_channel(channel: &Channel) -> Self {
        Self::of(&channel.name, channel.kind.word(), channel::place(channel))
    }

    /// Whether all is well with it.
    #[must_use]
    pub fn good(&self) -> bool {
        self.problem.is_none()
    }
}

/// How it stands with who is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Overview {
    /// Each channel.
    pub channels: Vec<ChannelView>,
    /// What is wrong and has been told, or is to be, the worst first.
    pub open: Vec<Condition>,
    /// The last run of the timer's verb that ended well, to within an hour.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_success: Option<OffsetDateTime>,
}

/// How it stands with one channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChannelView {
    /// Its name.
    pub channel: String,
    /// By what way it is told.
    pub kind: &'static str,
    /// Where it leads, without a secret.
    pub place: String,
    /// Of what it is told.
    pub on: Vec<&'static str>,
    /// The mildest severity that it is told of.
    pub severity: Option<&'static str>,
    /// Patterns of the targets it is told of; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// When it delivered last.
    #[serde(with = "time::serde::rfc3339::option")]
    pub delivered: Option<OffsetDateTime>,
    /// Since when and why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// How many open things it was told of.
    pub told: usize,
}

/// Whether there is a channel of this name.
///
/// # Errors
/// There is none, with those there are.
pub fn known(session: &Session<'_>, name: &str) -> Result<(), Refusal> {
    let notify = &session.config.notify;
    if notify.channels.iter().any(|channel| channel.name == name) || (name == PING && notify.ping.is_some()) {
        return Ok(());
    }
    let names: Vec<&str> = notify.channels.iter().map(|channel| channel.name.as_str()).collect();
    let origin = session.config.origin.display();
    let refusal = Refusal::new(format!("there is no channel `{name}` in {origin}"));
    Err(match names.as_slice() {
        [] => refusal.hint(FIRST),
        names => refusal.hint(format!("the channels there are: {}", names.join(", "))),
    })
}

/// Sends a test to the channel of this name, or to all. The ping is sent where it is named: whoever hears it takes it for a run.
///
/// # Errors
/// There is no such channel, or none at all.
pub fn test(session: &Session<'_>, name: Option<&str>) -> Result<Vec<Tested>, Refusal> {
    if let Some(name) = name {
        known(session, name)?;
    }
    let (host, notify, now) = (session.host, &session.config.notify, session.host.now());
    if name.is_none() && notify.channels.is_empty() {
        let refusal = Refusal::new("no channel is configured: there is nothing to test");
        return Err(match notify.ping {
            Some(_) => refusal.hint("`reseal notify test ping` tests the ping"),
            None => refusal.hint(FIRST),
        });
    }
    let machine = machine();
    let ping = notify.ping.as_ref().filter(|_| name == Some(PING));
    let wanted = notify.channels.iter().filter(|channel| name.is_none_or(|name| channel.name == name));
    let jobs: Vec<(&Channel, Vec<Message>)> =
        wanted.map(|channel| (channel, vec![Message::test(&channel.name, &machine, now)])).collect();
    let mut all = Vec::new();
    if session.options.dry_run {
        for (channel, messages) in &jobs {
            let message = Some(messages.iter().map(|message| channel::foretold(channel, message)).collect());
            all.push(Tested { message, ..Tested::of_channel(channel) });
        }
        all.extend(ping.map(|ping| {
            let message = Some(Sign::End(Exit::Good).request().1);
            Tested { message, ..Tested::of(PING, PING, ping::place(ping)) }
        }));
        return Ok(all);
    }
    let results = tell_all(host, &jobs);
    let mut known = BTreeMap::new();
    let results =
        jobs.iter().zip(results).flat_map(|((channel, _), all)| all.into_iter().map(move |one| (channel, one)));
    for (channel, result) in results {
        let tested = answered(Tested::of_channel(channel), result);
        let trouble = tested.problem.clone().map(|why| Trouble {
            why,
            hint: tested.hint.clone(),
            partly: tested.delivered == Some(true),
        });
        known.insert(channel.name.as_str(), trouble);
        all.push(tested);
    }
    if let Some(ping) = ping {
        let view = Tested::of(PING, PING, ping::place(ping));
        let sent = ping::send(host, ping, Sign::End(Exit::Good));
        all.push(answered(view, sent.map(|words| Told { words, complaint: None })));
    }
    remember(session, &known, now);
    Ok(all)
}

/// What a test showed of a channel holds until the next message. Where it cannot be remembered, the next run finds out by itself.
fn remember(session: &Session<'_>, known: &BTreeMap<&str, Option<Trouble>>, now: OffsetDateTime) {
    let host = session.host;
    let Ok(Some(before)) = Record::read(host) else { return };
    let Ok(_lock) = Record::lock(host, "notify test", TELLING) else { return };
    let Ok(Some(mut record)) = Record::read(host) else { return };
    for (name, trouble) in known {
        let result = trouble.clone().map_or(Ok(()), |trouble| Err(failing_since(trouble, now)));
        sift::told(&mut record, name, &[], result, now);
    }
    if record != before {
        let _ = record.write(host);
    }
}

fn answered(view: Tested, result: Result<Told, Trouble>) -> Tested {
    match result {
        Ok(told) => {
            let (problem, hint) = told.complaint.map(|trouble| (trouble.why, trouble.hint)).unzip();
            Tested { delivered: Some(true), said: Some(told.words), problem, hint: hint.flatten(), ..view }
        }
        Err(trouble) => Tested { delivered: Some(false), problem: Some(trouble.why), hint: trouble.hint, ..view },
    }
}

/// How it stands with every channel, and what is open.
///
/// # Errors
/// The record of what was told cannot be used.
pub fn status(session: &Session<'_>) -> Result<Overview, Refusal> {
    let record = Record::read(session.host)?.unwrap_or_else(Record::begun);
    let notify = &session.config.notify;
    let view = |name: &str, kind, place, channel: Option<&Channel>| {
        let past = record.channels.get(name).cloned().unwrap_or_default();
        ChannelView {
            channel: name.to_owned(),
            kind,
            place,
            on: channel.map(|channel| channel.on.iter().map(|on| on.word()).collect()).unwrap_or_default(),
            severity: channel.map(|channel| channel.severity.word()),
            targets: channel.map(|channel| channel.targets.clone()).unwrap_or_default(),
            delivered: past.delivered,
            failing: past.failing,
            told: past.told.len(),
        }
    };
    let channels = notify.channels.iter();
    let mut channels: Vec<ChannelView> = channels
        .map(|channel| view(&channel.name, channel.kind.word(), channel::place(channel), Some(channel)))
        .collect();
    channels.extend(notify.ping.iter().map(|ping| view(PING, PING, ping::place(ping), None)));
    let metrics = notify.metrics.iter();
    channels.extend(metrics.map(|path| view(super::METRICS, super::METRICS, path.display().to_string(), None)));
    // What was written down of a channel that is gone, or while there was one, is nobody's business any more.
    let names = names(notify);
    let told =
        |what: &&Condition| !names.is_empty() && (what.on != On::Channel || names.contains(what.target.as_str()));
    let open = record.open.values().filter(|open| open.gone.is_none()).map(|open| &open.what);
    let mut open: Vec<Condition> = open.filter(told).cloned().collect();
    open.sort_by_cached_key(Condition::order);
    Ok(Overview { channels, open, last_success: record.last_success })
}

/// The channels that do not deliver, as findings. Where the record cannot be read, that is told by whoever tells.
#[must_use]
pub fn failing(session: &Session<'_>) -> Vec<Finding> {
    if session.config.notify.is_empty() {
        return Vec::new();
    }
    let record = match Record::read(session.host) {
        Ok(record) => record.unwrap_or_else(Record::begun),
        Err(error) => return vec![Finding::new(Code::NotifyFailing, explain(&error))],
    };
    // One that is gone is forgotten by the next run.
    let names = names(&session.config.notify);
    let failing = record.failing().filter(|(name, _)| names.contains(name.as_str()));
    let failing = failing.map(|(name, failing)| sift::does_not_deliver(name, failing));
    let told = failing.filter(|what| what.on == On::Channel);
    told.map(|what| Finding::new(Code::NotifyFailing, what.text)).collect()
}
