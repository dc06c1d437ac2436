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
    let test = if message.test { "1" } else { "0" };
    for item in &message.items {
        let what = &item.what;
        let (line, leaf) = (item.line(), what.leaf.map(|leaf| leaf.to_string()).unwrap_or_default());
        let all = [
            ("MESSAGE", line.as_str()),
            ("MESSAGE_ID", MESSAGE_ID),
            ("RESEAL_STATE", item.state.word()),
            ("RESEAL_ON", what.on.word()),
            ("RESEAL_TARGET", &what.target),
            ("RESEAL_CODE", &what.code),
            ("RESEAL_SEVERITY", what.severity.word()),
            ("RESEAL_LEAF", &leaf),
            ("RESEAL_KEY", &item.key),
            ("RESEAL_VERB", &message.verb),
            ("RESEAL_HINT", what.hint.as_deref().unwrap_or_default()),
            ("RESEAL_TEST", test),
        ];
        let said: Vec<(&str, &str)> = all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        log.journal(priority(item), &said)?;
    }
    if message.more > 0 {
        let line = format!("and {} more: `reseal notify status` lists what is open", message.more);
        log.journal(Priority::Warning, &[("MESSAGE", &line), ("MESSAGE_ID", MESSAGE_ID)])?;
    }
    Ok(written(message))
}

pub(super) fn syslog(log: &Log, message: &Message) -> io::Result<Told> {
    let test = if message.test { "[test] " } else { "" };
    for item in &message.items {
        let state = match item.state {
            State::New | State::Happened | State::Resolved => "",
            State::Still => "still ",
        };
        let kind = if item.what.on == On::Success { "" } else { item.what.on.word() };
        let head = format!("{test}{state}{kind}");
        let head = if head.trim().is_empty() { String::new() } else { format!("{} ", head.trim()) };
        log.line(priority(item), message.at, &format!("{head}{}", item.line()))?;
    }
    if message.more > 0 {
        let line = format!("and {} more: `reseal notify status` lists what is open", message.more);
        log.line(Priority::Warning, message.at, &line)?;
    }
    Ok(written(message))
}

fn written(message: &Message) -> Told {
    let count = message.items.len() + usize::from(message.more > 0);
    Told { words: format!("{count} record{} written", if count == 1 { "" } else { "s" }), complaint: None }
}

fn no_log(what: &str, socket: &Path, error: &io::Error) -> Trouble {
    let why = format!("cannot write to {what} at {}: {error}", socket.display());
    Trouble::new(why, "see that it runs; `socket` of the channel names another place".to_owned())
}
