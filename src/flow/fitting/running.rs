//! What a running systemd does with the units.

use serde::Serialize;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::change::Command;
use crate::fitting::systemd::{self, WAITING};
use crate::flow::{Refusal, Session};
use crate::host::Host;

/// systemd's own program.
pub(super) const SYSTEMCTL: &str = "/usr/bin/systemctl";
/// Runs a program in another environment.
const ENV: &str = "/usr/bin/env";

/// As systemd tells a time to people.
const FOR_PEOPLE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short] [year]-[month]-[day] [hour]:[minute]:[second] UTC");

/// What one unit does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnitView {
    /// Its name.
    pub unit: String,
    /// `loaded`, `masked`, `not-found`, `bad-setting`, `error`.
    pub load: String,
    /// Whether it is switched on: `enabled`, `disabled`, `static`, `masked` or nothing.
    pub enabled: String,
    /// `active`, `inactive`, `failed`, `activating`.
    pub active: String,
    /// How its last run ended: `success`, `exit-code`, `timeout`, ...
    pub result: String,
    /// When a timer has last started its service, UTC.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub last: Option<OffsetDateTime>,
    /// When a timer starts it next, UTC.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub next: Option<OffsetDateTime>,
}

/// Whether systemd is at work on this machine.
pub(super) fn is_running(session: &Session<'_>) -> bool {
    session.options.root.is_none() && session.host.is_folder("/run/systemd/system".as_ref())
}

/// Starts what waits and is not started, or stops what is gone; what was done, if anything was.
pub(super) fn settle(session: &Session<'_>, there: bool) -> Result<Option<String>, Refusal> {
    if !is_running(session) {
        let text = "systemd does not run here: what was switched on starts with it".to_owned();
        return Ok(Some(text).filter(|_| there));
    }
    session.host.forget();
    let views = look(session.host)
        .map_err(|why| Refusal::new(format!("the files are as they are to be, and systemd cannot be asked: {why}")))?;
    let is_active =
        |name: &str| views.iter().any(|view| view.unit == name && view.active != "inactive" && view.active != "failed");
    let units: Vec<&str> = WAITING.iter().copied().filter(|name| is_active(name) != there).collect();
    if units.is_empty() {
        return Ok(None);
    }
    let verb = if there { "start" } else { "stop" };
    let command = Command::new([SYSTEMCTL, "--no-ask-password", verb].into_iter().chain(units.iter().copied()));
    let ran = session.host.run(&command);
    if ran.ok() {
        let done = if there { "started" } else { "stopped" };
        return Ok(Some(format!("{done} {}", units.join(", "))));
    }
    Err(Refusal::new(format!("the files are as they are to be, and `{command}` {ran}"))
        .hint(format!("`systemctl status {}` tells more; then run the same command again", units.join(" "))))
}

/// What systemd says of the units.
pub(super) fn look(host: &Host) -> Result<Vec<UnitView>, String> {
    const PROPERTIES: &str =
        "--property=Id,LoadState,UnitFileState,ActiveState,Result,LastTriggerUSec,NextElapseUSecRealtime";
    let words = ["show", PROPERTIES, "--timestamp=unix"];
    let ask = |words: &[&str]| {
        // It tells some times in the zone that it goes by, whatever it is asked for.
        let mut argv = vec![ENV.to_owned(), "TZ=UTC".to_owned(), SYSTEMCTL.to_owned()];
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        argv.extend(systemd::names().map(str::to_owned));
        host.capture(&Command::new(argv), 256 * 1024)
    };
    // Before systemd 247 it knows no other way to tell them.
    let text = ask(&words).or_else(|_| ask(&words[..2]))?;
    Ok(text.split("\n\n").map(view).collect())
}

fn view(block: &str) -> UnitView {
    let of = |name: &str| {
        let value = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim().to_owned()
    };
    let moment = |name: &str| {
        let told = of(name);
        let at = match told.strip_prefix('@') {
            Some(seconds) => OffsetDateTime::from_unix_timestamp(seconds.parse().ok()?).ok()?,
            None => PrimitiveDateTime::parse(&told, FOR_PEOPLE).ok()?.assume_utc(),
        };
        (at.unix_timestamp() > 0).then_some(at)
    };
    UnitView {
        unit: of("Id"),
        load: of("LoadState"),
        enabled: of("UnitFileState"),
        active: of("ActiveState"),
        result: of("Result"),
        last: moment("LastTriggerUSec"),
        next: moment("NextElapseUSecRealtime"),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_systemd_says_is_read() {
        let text = "Id=reseal-renew.timer\nLoadState=loaded\nUnitFileState=enabled\nActiveState=active\nResult=success\nLastTriggerUSec=@1700000000\nNextElapseUSecRealtime=@1700086400";
        let view = view(text);
        assert_eq!(
            (view.unit.as_str(), view.enabled.as_str(), view.active.as_str()),
            ("reseal-renew.timer", "enabled", "active")
        );
        assert_eq!(view.last.unwrap().unix_timestamp(), 1_700_000_000);
        assert_eq!(view.next.unwrap().unix_timestamp(), 1_700_086_400);
        // systemd 252 tells these two in words, though it is asked for numbers.
        let told = super::view("Id=x.timer\nLastTriggerUSec=Mon 2026-01-05 00:07:00 UTC\nNextElapseUSecRealtime=\n");
        assert_eq!((told.last, told.next), (Some(datetime!(2026-01-05 00:07 UTC)), None));
        let never =
            super::view("Id=x.timer\nLastTriggerUSec=n/a\nNextElapseUSecRealtime=Tue 2026-01-06 02:30:59 UTC\n");
        assert_eq!((never.last, never.next), (None, Some(datetime!(2026-01-06 02:30:59 UTC))));
    }
}
