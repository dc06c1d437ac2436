//! The logs of this machine: a record a thing, whatever its text.

use std::io;
use std::path::Path;

use super::{Told, Trouble};
use crate::assess::Severity;
use crate::config::On;
use crate::host::local_log::{Log, Priority};
use crate::notify::message::{Item, Message, State};

/// Opens a log and writes to it.
pub(super) fn tell(
    what: &str,
    socket: &Path,
    message: &Message,
    write: impl FnOnce(&Log, &Message) -> io::Result<Told>,
) -> Result<Told, Trouble> {
    Log::open(socket).and_then(|log| write(&log, message)).map_err(|error| no_log(what, socket, &error))
}

fn priority(item: &Item) -> Priority {
    match (item.bad(), item.what.severity) {
        (false, _) => Priority::Info,
        (true, Severity::Critical) => Priority::Critical,
        (true, Severity::Warning) => Priority::Warning,
        (true, Severity::Note) => Priority::Notice,
    }
}

/// What tells records of this kind from all others in the journal.
const MESSAGE_ID: &str = "7b1f0c0f2f7e4e0f9a3d4c1d5e6a8b90";

pub(super) fn journal(log: &Log, message: &Message) -> io::Result<Told> {
    for (priority, fields) in records(message) {
        let said: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        log.journal(priority, &said)?;
    }
    Ok(written(message))
}

/// The records of the journal: how urgent each is, and its fields.
pub(super) fn records(message: &Message) -> Vec<(Priority, Vec<(&'static str, String)>)> {
    let test = if message.test { "1" } else { "0" };
    let of_item = |item: &Item| {
        let what = &item.what;
        let all = [
            ("MESSAGE", item.line()),
            ("MESSAGE_ID", MESSAGE_ID.to_owned()),
            ("RESEAL_STATE", item.state.word().to_owned()),
            ("RESEAL_ON", what.on.word().to_owned()),
            ("RESEAL_TARGET", what.target.clone()),
            ("RESEAL_CODE", what.code.clone()),
            ("RESEAL_SEVERITY", what.severity.word().to_owned()),
            ("RESEAL_LEAF", what.leaf.map(|leaf| leaf.to_string()).unwrap_or_default()),
            ("RESEAL_KEY", item.key.clone()),
            ("RESEAL_VERB", message.verb.clone()),
            ("RESEAL_HINT", what.hint.clone().unwrap_or_default()),
            ("RESEAL_TEST", test.to_owned()),
        ];
        (priority(item), all.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    };
    let rest =
        message.rest().map(|rest| (Priority::Warning, vec![("MESSAGE", rest), ("MESSAGE_ID", MESSAGE_ID.to_owned())]));
    message.items.iter().map(of_item).chain(rest).collect()
}

pub(super) fn syslog(log: &Log, message: &Message) -> io::Result<Told> {
    for (priority, line) in lines(message) {
        log.line(priority, message.at, &line)?;
    }
    Ok(written(message))
}

/// The lines of the system's log, and how urgent each is.
pub(super) fn lines(message: &Message) -> Vec<(Priority, String)> {
    let test = if message.test { "[test] " } else { "" };
    let of_item = |item: &Item| {
        let state = match item.state {
            State::New | State::Happened | State::Resolved => "",
            State::Still => "still ",
        };
        let kind = if item.what.on == On::Success { "" } else { item.what.on.word() };
        let head = format!("{test}{state}{kind}");
        let head = if head.trim().is_empty() { String::new() } else { format!("{} ", head.trim()) };
        (priority(item), format!("{head}{}", item.line()))
    };
    message.items.iter().map(of_item).chain(message.rest().map(|rest| (Priority::Warning, rest))).collect()
}

fn written(message: &Message) -> Told {
    let count = message.items.len() + usize::from(message.more > 0);
    Told { words: format!("{count} record{} written", if count == 1 { "" } else { "s" }), complaint: None }
}

fn no_log(what: &str, socket: &Path, error: &io::Error) -> Trouble {
    let why = format!("cannot write to {what} at {}: {error}", socket.display());
    Trouble::new(why, "see that it runs; `socket` of the channel names another place".to_owned())
}
