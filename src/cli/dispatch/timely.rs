//! `stage`, `activate` and `maintain`: what waits for its time.

use time::UtcOffset;

use super::{Told, changes};
use crate::cli::args::{Activate, Maintain, Stage, When};
use crate::flow::{Session, activate, maintain, stage};
use crate::host::Host;
use crate::host::zoneinfo::NoZone;
use crate::moment::{Moment, Odd, Written};
use crate::outcome::explain;
use crate::report::Failure;

pub(super) fn stage(session: &mut Session<'_>, words: &Stage) -> Told {
    if words.drop {
        return Ok(changes(vec![stage::drop(session, &words.name)]));
    }
    let (at, note) = moment(session.host, &words.when)?;
    let inputs = words.inputs();
    let given = match (words.signed.as_slice(), inputs.as_slice()) {
        ([], []) => stage::Given::Source,
        ([], files) => stage::Given::Whole(files),
        (files, _) => stage::Given::Answer(files),
    };
    let mut report = stage::run(session, &words.name, &given, at);
    report.notes.extend(note);
    Ok(changes(vec![report]))
}

pub(super) fn activate(session: &mut Session<'_>, words: &Activate) -> Told {
    let (at, note) = moment(session.host, &words.when)?;
    let mut reports = activate::run(session, &words.names, at.as_ref())?;
    if let (Some(report), Some(note)) = (reports.first_mut(), note) {
        report.notes.push(note);
    }
    Ok(changes(reports))
}

pub(super) fn maintain(session: &mut Session<'_>, words: &Maintain) -> Told {
    Ok(changes(maintain::run(session, &words.names)?))
}

/// The moment that is meant, and what is odd about it.
fn moment(host: &Host, words: &When) -> Result<(Option<Moment>, Option<String>), Failure> {
    let Some(text) = &words.at else { return Ok((None, None)) };
    let written: Written = text.parse().map_err(|error: crate::moment::NoMoment| {
        Failure::usage(format!("--at: {error}"), Some(error.hint().to_owned()))
    })?;
    let unknown = |error: NoZone| Failure::usage(format!("--at: {}", explain(&error)), Some(error.hint().to_owned()));
    let beyond = || Failure::usage("--at is beyond all calendars", None);
    let (moment, note) = match (written, &words.tz) {
        (Written::Fixed(_), Some(_)) => {
            let hint = "leave `--tz` out, or write the time without the offset".to_owned();
            return Err(Failure::usage(
                "--at already contains an offset from UTC, so no time zone can be given",
                Some(hint),
            ));
        }
        (Written::Local { zone: Some(_), .. }, Some(_)) => {
            return Err(Failure::usage("--at names a time zone already", Some("leave `--tz` out".to_owned())));
        }
        // Its offset may lead beyond the last day there is.
        (Written::Fixed(at), None) if at.checked_to_offset(UtcOffset::UTC).is_none() => return Err(beyond()),
        (Written::Fixed(at), None) => (Moment { at, zone: None }, None),
        (Written::Local { clock, zone }, tz) => {
            let zone = match zone.as_ref().or(tz.as_ref()) {
                Some(name) => host.zone(name),
                None => host.local_zone(),
            };
            let zone = zone.map_err(unknown)?;
            let resolved = zone.resolve(clock).filter(|one| one.at.checked_to_offset(UtcOffset::UTC).is_some());
            let resolved = resolved.ok_or_else(beyond)?;
            let moment = Moment { at: resolved.at, zone: Some(zone.name().to_owned()) };
            let note = match resolved.odd {
                None => None,
                Some(Odd::Skipped) => Some(format!(
                    "clocks in {} jump over {text}: the moment of the jump is taken, {moment}",
                    zone.name()
                )),
                Some(Odd::Twice) => Some(format!(
                    "clocks in {} show {text} twice: the first is taken, {moment}; write the offset for the other",
                    zone.name()
                )),
            };
            (moment, note)
        }
    };
    if moment.at <= host.now() {
        let hint = "leave `--at` out and use `reseal activate`, or name a moment that is to come".to_owned();
        return Err(Failure::usage(format!("--at: {moment} is past"), Some(hint)));
    }
    Ok((Some(moment), note))
}
