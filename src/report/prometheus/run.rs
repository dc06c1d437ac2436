//! What is told of runs, beside what is told of certificates.

use time::OffsetDateTime;

use super::{Labels, count, family, single, typed};
use crate::notify::record::Record;

/// What there is to tell of, by name.
#[derive(Clone, Debug, Default)]
pub struct Names<'a> {
    /// The targets.
    pub targets: Vec<&'a str>,
    /// The channels, and what else can fail to be told.
    pub channels: Vec<&'a str>,
}

/// The ends that are counted.
const OUTCOMES: [&str; 5] = ["committed", "recovered", "refused", "rolled-back", "stuck"];

/// When the last run was and when the last good one, how runs ended, and which channels do not deliver. `good`: whether the run of `now` did
/// what it should.
#[must_use]
pub fn run(record: &Record, names: &Names<'_>, now: OffsetDateTime, good: bool) -> String {
    let mut text = String::new();
    let help = "When the timer's verb ran last, Unix time.";
    single(&mut text, "reseal_last_run_timestamp_seconds", help, now.unix_timestamp());
    if let Some(last) = Some(now).filter(|_| good).or(record.last_success) {
        let help = "When it last ended well, Unix time; to within an hour where the last run did not.";
        single(&mut text, "reseal_last_success_timestamp_seconds", help, last.unix_timestamp());
    }
    // Those that never were are 0: the first of a kind is an increase too.
    let outcomes = names.targets.iter().flat_map(|target| {
        OUTCOMES.iter().map(|outcome| {
            let times = record.outcomes.get(*target).and_then(|outcomes| outcomes.get(*outcome)).copied().unwrap_or(0);
            let labels: Labels = vec![("target", (*target).to_owned()), ("outcome", (*outcome).to_owned())];
            (labels, i64::try_from(times).unwrap_or(i64::MAX))
        })
    });
    let help = "How often the timer's verb ended so for a target; runs with nothing to do are not counted.";
    typed(&mut text, "counter", "reseal_outcomes_total", help, outcomes);
    let failing = names.channels.iter().map(|name| {
        let failing = record.channels.get(*name).is_some_and(|past| past.failing.is_some());
        (vec![("channel", (*name).to_owned())], i64::from(failing))
    });
    family(&mut text, "reseal_notify_failing", "Whether the channel did not deliver the last time.", failing);
    let open = record.open.values().filter(|open| open.gone.is_none()).count();
    single(&mut text, "reseal_notify_open", "Things that are wrong and told, or to be told.", count(open));
    text
}
