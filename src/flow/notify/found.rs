//! What a run came to, as what is to be told of it. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;

use super::Ended;
use crate::assess::{Code, Finding, Severity, date};
use crate::config::{Config, On};
use crate::digest::Digest;
use crate::flow::check::Checked;
use crate::flow::{Report, post_upgrade};
use crate::notify::condition::Condition;
use crate::notify::record::Record;
use crate::notify::sift::{Found, Scope, UPGRADE};
use crate::outcome::Outcome;

/// All of it.
pub(super) fn found(config: &Config, ended: &Ended<'_>, checked: &[Checked], now: OffsetDateTime) -> Found {
    let mut found = Found { scope: Scope::default(), ..Found::default() };
    if ended.run.whole && ended.failure.is_none() {
        found.scope.all = Some(config.targets.iter().map(|target| target.name.clone()).collect());
    }
    for report in ended.reports {
        of_report(report, &mut found, now);
        of_upgrade(report, ended.verb, &mut found, now);
    }
    for one in checked {
        of_checked(one, &mut found, now);
    }
    match ended.failure {
        Some((why, hint)) => {
            let what = Condition::new(On::Failure, "", "failed", Severity::Critical, why, now).hinting(hint);
            found.holds.push(what);
        }
        None => {
            found.scope.ended.insert(String::new());
        }
    }
    found
}

fn of_report(report: &Report, found: &mut Found, now: OffsetDateTime) {
    let target = report.target.as_str();
    let new = |on, code, severity, text: &str| Condition::new(on, target, code, severity, text, now);
    let mut done = |code, text: &str, leaf| {
        let what = new(On::Success, code, Severity::Note, text);
        found.happened.push(Condition { leaf, ..what });
    };
    match &report.outcome {
        Outcome::Committed { receipt, .. } => {
            let text = format!("generation {} is in place: {}", receipt.generation, receipt.why);
            done("committed", &text, receipt.after);
        }
        Outcome::Recovered { what, .. } => done("recovered", what, None),
        Outcome::Refused { why, hint } => {
            let what = new(On::Failure, "refused", Severity::Warning, why).hinting(hint.as_deref());
            found.holds.push(what);
        }
        Outcome::RolledBack { why, hint, .. } => {
            let text = format!("the change failed and was undone: {why}");
            let what = new(On::Failure, "rolled-back", Severity::Warning, &text).hinting(hint.as_deref());
            found.holds.push(what);
        }
        Outcome::Stuck { slot, why, hint } => {
            let text = format!("{}: {why}", slot.display());
            let what = new(On::Stuck, "stuck", Severity::Critical, &text).hinting(hint.as_deref());
            found.holds.push(what);
        }
        Outcome::Waiting { since, request, why } => {
            let text = format!("a request waits for its answer since {}: {why}", date(*since));
            let hint = format!("the request is {}; `reseal install {target} --signed FILE`", request.display());
            let what = Condition::new(On::Waiting, target, "waiting", Severity::Warning, &text, *since);
            found.holds.push(what.hinting(Some(&hint)));
        }
        // What an upgrade has done is told as that.
        Outcome::Reported { .. } if !report.upgrade.is_empty() => {}
        Outcome::Reported { why } => {
            found.holds.push(new(On::Failure, "reported", Severity::Warning, why));
        }
        Outcome::Nothing { .. }
        | Outcome::Planned
        | Outcome::Remembered { .. }
        | Outcome::Pruned { .. }
        | Outcome::Retired { .. }
        | Outcome::Staged { .. }
        | Outcome::Dropped { .. }
        | Outcome::Busy { .. } => {}
    }
    // Of a target that another run is at work on nothing is known, and nothing of a plan.
    if !matches!(report.outcome, Outcome::Busy { .. } | Outcome::Planned) {
        found.scope.ended.insert(target.to_owned());
    }
}

/// What an upgrade has done to a target: of what is mended it is told once, of all else until somebody has seen that it is over.
fn of_upgrade(report: &Report, verb: &str, found: &mut Found, now: OffsetDateTime) {
    let renewed = matches!(report.outcome, Outcome::Committed { .. } | Outcome::Remembered { signed_off: true, .. });
    if renewed
        || (verb == post_upgrade::VERB && matches!(report.outcome, Outcome::Nothing { .. } | Outcome::Reported { .. }))
    {
        found.scope.compared.insert(report.target.clone());
    }
    let harms: Vec<String> = report.upgrade.iter().map(|one| format!("{}: {}", one.harm.word(), one.message)).collect();
    if harms.is_empty() {
        return;
    }
    let harms = harms.join("; ");
    let what = |text: &str| Condition::new(On::Finding, &report.target, UPGRADE, Severity::Warning, text, now);
    if renewed {
        found.happened.push(what(&format!("an upgrade had changed it, and that is mended: {harms}")));
    } else {
        let target = &report.target;
        let hint = format!(
            "`reseal post-upgrade {target}` tells more; `reseal snapshot {target}` makes what is there the wanted state"
        );
        found.holds.push(what(&format!("an upgrade has changed it: {harms}")).hinting(Some(&hint)));
    }
}

fn of_checked(checked: &Checked, found: &mut Found, now: OffsetDateTime) {
    let subject = checked.subject.as_str();
    let leaf = checked.leaf.as_ref().map(|leaf| leaf.fingerprint);
    if let Some(problem) = &checked.problem {
        found.holds.push(Condition::new(On::Finding, subject, "unchecked", Severity::Warning, problem, now));
    } else {
        found.scope.looked_at.insert(subject.to_owned());
    }
    // Of several certificates each has conditions of its own: that one is replaced says nothing of the others.
    let mut kinds: BTreeMap<(Code, Option<Digest>), Vec<&Finding>> = BTreeMap::new();
    for finding in checked.findings.iter().filter(|finding| finding.accepted.is_none()) {
        kinds.entry((finding.code, finding.leaf.or(leaf))).or_default().push(finding);
    }
    for ((code, leaf), all) in kinds {
        let Some(worst) = all.iter().min_by_key(|finding| finding.severity) else { continue };
        let more = match all.len() {
            1 => String::new(),
            count => format!(" (and {} more of this kind)", count - 1),
        };
        let text = format!("{}{more}", worst.message);
        let what = Condition::new(On::Finding, subject, code.name(), worst.severity, &text, now);
        found.holds.push(Condition { leaf, ..what.hinting(Some(&worst.remedy.told())) });
    }
}

/// That there was no good run for `least`.
pub(super) fn silence(record: &Record, good: bool, least: Duration, now: OffsetDateTime) -> Option<Condition> {
    let last = record.last_success.filter(|_| !good)?;
    if !Duration::try_from(now - last).is_ok_and(|age| age >= least) {
        return None;
    }
    let text = format!("no run of the timer has ended well since {}", date(last));
    let what = Condition::new(On::Silence, "", "no-success", Severity::Critical, &text, last);
    Some(what.hinting(Some("`systemctl list-timers` tells when it ran, `journalctl -u 'reseal*'` what it said")))
}

/// Counts how a run ended for each target; nothing to do counts for nothing, so that it leaves nothing to write.
pub(super) fn count(record: &mut Record, ended: &Ended<'_>) {
    for report in ended.reports {
        let word = match &report.outcome {
            Outcome::Committed { .. } => "committed",
            Outcome::Recovered { .. } => "recovered",
            Outcome::Refused { .. } => "refused",
            Outcome::RolledBack { .. } => "rolled-back",
            Outcome::Stuck { .. } => "stuck",
            Outcome::Nothing { .. }
            | Outcome::Planned
            | Outcome::Remembered { .. }
            | Outcome::Reported { .. }
            | Outcome::Pruned { .. }
            | Outcome::Retired { .. }
            | Outcome::Staged { .. }
            | Outcome::Dropped { .. }
            | Outcome::Waiting { .. }
            | Outcome::Busy { .. } => continue,
        };
        *record.outcomes.entry(report.target.clone()).or_default().entry(word.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// Who renews one of two certificates has not mended the other, and is told of it once.
    #[test]
    fn each_certificate_of_a_target_has_conditions_of_its_own() {
        let (now, rsa, ec) = (datetime!(2030-06-01 0:00 UTC), Digest::of(b"rsa"), Digest::of(b"ec"));
        let held = |findings: &[(Code, Option<Digest>)]| {
            let finding = |(code, leaf): &(Code, Option<Digest>)| Finding { leaf: *leaf, ..Finding::new(*code, "x") };
            let checked =
                Checked { findings: findings.iter().map(finding).collect(), ..Checked::blank("web", "target") };
            let mut found = Found { scope: Scope::default(), ..Found::default() };
            of_checked(&checked, &mut found, now);
            let mut keys: Vec<String> = found.holds.iter().map(Condition::key).collect();
            keys.sort();
            keys
        };
        let both = held(&[(Code::EndsSoon, Some(rsa)), (Code::EndsSoon, Some(ec)), (Code::EndsSoon, Some(ec))]);
        let one = held(&[(Code::EndsSoon, Some(ec))]);
        assert_eq!(both.len(), 2);
        assert!(both.contains(&one[0]), "{one:?} of {both:?}");
    }
}
