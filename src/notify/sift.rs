//! What each channel is told: what is new, what is still there after a while, and what is gone. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use time::OffsetDateTime;

use super::condition::Condition;
use super::message::{Item, State};
use super::record::{Failing, Open, Past, Record};
use crate::assess::{Severity, matches};
use crate::config::{Channel, On};
use crate::moment::whole_second;

/// What was told of nobody for this long is forgotten, in days: nobody looks for it any more.
const FORGOTTEN: i64 = 90;

/// The code of what an upgrade has done to a target.
pub const UPGRADE: &str = "upgrade";

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What holds now.
    pub holds: Vec<Condition>,
    /// What has happened and is over.
    pub happened: Vec<Condition>,
    /// Of what the run would have seen that it holds.
    pub scope: Scope,
}

/// What a run has looked at: only of this is what it did not find gone.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Targets, files and servers whose findings are known.
    pub looked_at: BTreeSet<String>,
    /// Targets for which a verb that changes has ended.
    pub ended: BTreeSet<String>,
    /// Targets that were held against their wanted state, or that got another.
    pub compared: BTreeSet<String>,
    /// All targets there are, where the run was about all.
    pub all: Option<BTreeSet<String>>,
}

impl Scope {
    fn covers(&self, what: &Condition) -> bool {
        // Neither a file nor a server, and no target any more.
        let dropped = self.all.as_ref().is_some_and(|all| {
            !what.target.is_empty() && !what.target.contains(['/', ':']) && !all.contains(&what.target)
        });
        match what.on {
            On::Finding if what.code == UPGRADE => dropped || self.compared.contains(&what.target),
            On::Finding => dropped || self.looked_at.contains(&what.target),
            On::Failure | On::Stuck | On::Waiting => dropped || self.ended.contains(&what.target),
            On::Silence => true,
            On::Channel | On::Success => false,
        }
    }
}

/// Takes what a run came to into the record.
pub fn take_in(record: &mut Record, found: &Found, now: OffsetDateTime) {
    let keys: BTreeSet<String> = found.holds.iter().map(Condition::key).collect();
    for what in &found.holds {
        let open = record.open.entry(what.key()).or_insert_with(|| Open { what: what.clone(), gone: None });
        let since = open.what.since.min(what.since);
        *open = Open { what: Condition { since, ..what.clone() }, gone: None };
    }
    let now = whole_second(now);
    for (key, open) in &mut record.open {
        if open.gone.is_none() && !keys.contains(key) && found.scope.covers(&open.what) {
            open.gone = Some(now);
        }
    }
}

/// What a channel is to be told now.
#[must_use]
pub fn for_channel(record: &Record, channel: &Channel, found: &Found, now: OffsetDateTime) -> Vec<Item> {
    let keys: BTreeSet<String> = found.holds.iter().map(Condition::key).collect();
    let mut items = open_items(record, channel, now, &|key| keys.contains(key));
    let wanted = found.happened.iter().filter(|what| wants(channel, what));
    items.extend(wanted.map(|what| Item::new(State::Happened, what.clone())));
    let failing = record.channels.get(&channel.name).and_then(|past| past.failing.as_ref());
    if let Some(failing) = failing.filter(|failing| !failing.partly) {
        items.push(Item::new(State::Resolved, does_not_deliver(&channel.name, failing)));
    }
    items
}

/// What a channel is to be told of the others.
#[must_use]
pub fn of_channels(record: &Record, channel: &Channel, now: OffsetDateTime) -> Vec<Item> {
    let of_channel = |key: &str| record.open.get(key).is_some_and(|open| open.what.on == On::Channel);
    let mut items = open_items(record, channel, now, &of_channel);
    items.retain(|item| item.what.on == On::Channel && item.what.target != channel.name);
    items
}

fn open_items(record: &Record, channel: &Channel, now: OffsetDateTime, holds: &dyn Fn(&str) -> bool) -> Vec<Item> {
    let nothing = Past::default();
    let past = record.channels.get(&channel.name).unwrap_or(&nothing);
    let mut items = Vec::new();
    for (key, open) in &record.open {
        let told = past.told.get(key);
        let state = match (open.gone, told) {
            (Some(_), Some(_)) => State::Resolved,
            // Over before it was told.
            (Some(_), None) => continue,
            (None, _) if !holds(key) || !wants(channel, &open.what) || !due(channel, &open.what, now) => continue,
            (None, None) => State::New,
            (None, Some(at)) if again(channel.repeat, now.unix_timestamp() - at) => State::Still,
            (None, Some(_)) => continue,
        };
        items.push(Item { state, key: key.clone(), what: open.what.clone() });
    }
    items
}

/// Whether a channel is to be told of such a thing at all.
#[must_use]
pub fn wants(channel: &Channel, what: &Condition) -> bool {
    let about = match what.on {
        On::Channel => what.target != channel.name,
        On::Silence => true,
        On::Finding | On::Failure | On::Stuck | On::Waiting | On::Success => {
            let target = &what.target;
            channel.targets.is_empty() || target.is_empty() || channel.targets.iter().any(|one| matches(one, target))
        }
    };
    about && channel.on.contains(&what.on) && (what.on == On::Success || what.severity <= channel.severity)
}

/// Whether it has lasted long enough.
fn due(channel: &Channel, what: &Condition, now: OffsetDateTime) -> bool {
    let least = match what.on {
        On::Waiting => channel.waiting,
        On::Silence => channel.silence,
        On::Finding | On::Failure | On::Stuck | On::Channel | On::Success => return true,
    };
    Duration::try_from(now - what.since).is_ok_and(|age| age >= least)
}

/// Whether it is time to tell it again, so many seconds after the last time. A timer is never exact: a tenth less will do. A time that is
/// still to come was told by a clock that was wrong.
fn again(repeat: Option<Duration>, seconds: i64) -> bool {
    let Some(repeat) = repeat else { return seconds < 0 };
    u64::try_from(seconds).map_or(true, |seconds| seconds >= repeat.as_secs() - repeat.as_secs() / 10)
}

/// That a channel does not deliver.
#[must_use]
pub fn does_not_deliver(name: &str, failing: &Failing) -> Condition {
    let text = format!("the channel {name} does not deliver: {}", failing.why);
    Condition::new(On::Channel, name, "notify-failing", Severity::Warning, &text, failing.since)
        .hinting(failing.hint.as_deref())
}

/// What became of telling a channel: what it was told is not told again, and whether it delivers is known.
pub fn told(record: &mut Record, name: &str, items: &[Item], result: Result<(), Failing>, now: OffsetDateTime) {
    let now = whole_second(now);
    let past = record.channels.entry(name.to_owned()).or_default();
    if let Err(failing) = result {
        let since = past.failing.as_ref().map_or(failing.since, |before| before.since);
        let failing = Failing { since, ..failing };
        let what = does_not_deliver(name, &failing);
        record.open.insert(what.key(), Open { what, gone: None });
        let partly = failing.partly;
        past.failing = Some(failing);
        if !partly {
            return;
        }
    } else if let Some(failing) = past.failing.take()
        && let Some(open) = record.open.get_mut(&does_not_deliver(name, &failing).key())
    {
        open.gone = Some(now);
    }
    past.delivered = Some(now);
    for item in items {
        match item.state {
            State::New | State::Still => {
                past.told.insert(item.key.clone(), now.unix_timestamp());
            }
            State::Resolved => {
                past.told.remove(&item.key);
            }
            State::Happened => {}
        }
    }
}

/// Drops what nobody has to be told any more.
pub fn settle(record: &mut Record, names: &BTreeSet<&str>, now: OffsetDateTime) {
    record.channels.retain(|name, _| names.contains(name.as_str()));
    let channels = &record.channels;
    record.open.retain(|key, open| {
        let told: Vec<i64> = channels.values().filter_map(|past| past.told.get(key).copied()).collect();
        if open.what.on == On::Channel && !names.contains(open.what.target.as_str()) {
            return false;
        }
        let last = told.iter().copied().max().unwrap_or(0).max(open.what.since.unix_timestamp());
        let kept = open.what.on == On::Channel || now.unix_timestamp() - last < FORGOTTEN * 86_400;
        kept && (open.gone.is_none() || !told.is_empty())
    });
    let open = &record.open;
    for past in record.channels.values_mut() {
        past.told.retain(|key, _| open.contains_key(key));
    }
}

#[cfg(test)]
mod tests;
