//! What a running systemd does with the units.

use serde::Serialize;
use time::OffsetDateTime;

use crate::change::Command;
use crate::fitting::systemd::{self, WAITING};
use crate::flow::{Refusal, Session};
use crate::host::Host;

/// systemd's own program.
pub(super) const SYSTEMCTL: &str = "/usr/bin/systemctl";

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
        let mut argv = vec![SYSTEMCTL.to_owned()];
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        argv.extend(systemd::names().map(str::to_owned));
        host.capture(&Command::new(argv), 256 * 1024)
    };
    // Before systemd 247 it tells times for people alone.
    let text = ask(&words).or_else(|_| ask(&words[..2]))?;
    Ok(text.split("\n\n").map(view).collect())
}

fn view(block: &str) -> UnitView {
    let of = |name: &str| {
        let value = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim().to_owned()
    };
    let moment = |name: &str| {
        let seconds = of(name).strip_prefix('@')?.parse().ok()?;
        OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|at| at.unix_timestamp() > 0)
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
        let old = super::view("Id=x.timer\nLastTriggerUSec=Mon 2026-01-05 00:00:00 UTC\nNextElapseUSecRealtime=\n");
        assert_eq!((old.last, old.next), (None, None));
    }
}
