//! Whether now is the time: what is staged waits for its moment, what is due waits for a maintenance window, and neither waits until the
//! certificate in place has ended.

use time::{Duration, OffsetDateTime};

use super::survey::Survey;
use super::{Refusal, Session};
use crate::assess::{Code, Finding, date};
use crate::cert::Chain;
use crate::cert::installed::Leaf;
use crate::config::TargetConfig;
use crate::engine::Next;
use crate::host::Host;
use crate::moment::{Hours, Moment, Opening};
use crate::outcome::explain;

/// Why nobody waits any longer.
const ENDS: &str = "the certificate in place ends within a day, or has ended";

/// The same, of what is no use even now.
const REFUSED: &str = "what is in place is refused by clients";

/// What is in place, as far as the time matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Look {
    /// The end of the first of its certificates that ends, UTC; none where there is none.
    pub ends: Option<OffsetDateTime>,
    /// How long that one lives in all.
    pub lives: Duration,
    /// Whether something else than its time calls for another: clients refuse it as it is.
    pub broken: bool,
    /// Whether another is wanted now.
    pub due: bool,
}

/// What the time says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Occasion {
    /// Now.
    Now {
        /// Why it does not wait for a window, or for its moment, where it should have.
        early: Option<String>,
    },
    /// Not before this moment; none: nobody has said.
    Later {
        /// The moment.
        at: Option<OffsetDateTime>,
        /// For people.
        when: String,
    },
}

impl Look {
    /// Of the files of a target; whether it is due is for others to say.
    pub(super) fn of_survey(survey: &Survey) -> Self {
        let chains = survey.pairs.iter().filter_map(|pair| pair.installed.chain.as_ref());
        let first = chains.map(Chain::leaf).min_by_key(|leaf| leaf.not_after());
        first.map_or_else(Self::default, |leaf| Self {
            ends: Some(leaf.not_after()),
            lives: leaf.not_after() - leaf.not_before(),
            ..Self::default()
        })
    }

    /// Of a target that was judged; `due`: another is wanted.
    pub(super) fn of_judged(survey: &Survey, findings: &[Finding], due: bool) -> Self {
        // That it runs out is no surprise, and can wait for its time.
        let runs_out = |one: &Finding| matches!(one.code, Code::Expiring | Code::EndsSoon);
        let broken = findings.iter().any(|one| one.calls_for_replacement() && !runs_out(one));
        Self { broken, due, ..Self::of_survey(survey) }
    }

    /// Of what was committed last.
    pub(super) fn of_leaf(leaf: &Leaf) -> Self {
        Self { ends: Some(leaf.not_after), lives: leaf.not_after - leaf.not_before, ..Self::default() }
    }

    /// The last moment at which it may be replaced in time: a day before its end, or a tenth of its life where that is less.
    fn last_call(&self) -> Option<OffsetDateTime> {
        self.ends.map(|ends| ends - Duration::DAY.min(self.lives / 10))
    }

    /// Why nobody may wait for another, whatever has been set: clients refuse it, or its end is near.
    pub(super) fn pressing(&self, now: OffsetDateTime) -> Option<&'static str> {
        if self.broken { Some(REFUSED) } else { self.ends_before(now).then_some(ENDS) }
    }

    /// Whether it ends before this moment, or so soon that nobody should wait for it.
    fn ends_before(&self, moment: OffsetDateTime) -> bool {
        self.last_call().is_none_or(|last| last <= moment)
    }
}

/// The windows of a target.
///
/// # Errors
/// The system does not know one of the zones.
pub(super) fn hours(host: &Host, config: &TargetConfig) -> Result<Hours, Refusal> {
    Hours::of(&config.policy.window, |name| host.zone(name)).map_err(|error| {
        let why = format!("the maintenance windows of {} cannot be told: {}", config.name, explain(&error));
        Refusal::new(why).hint(error.hint())
    })
}

/// That the windows of a target cannot be told.
pub(super) fn untold(session: &Session<'_>, config: &TargetConfig) -> Option<Finding> {
    hours(session.host, config).err().map(|refusal| Finding::new(Code::WindowUnknown, refusal.why))
}

/// Whether what is served may be changed now, where nothing is staged.
///
/// # Errors
/// As [`hours`]; not where nobody could wait.
pub(super) fn to_change(
    host: &Host,
    config: &TargetConfig,
    look: &Look,
    now: OffsetDateTime,
) -> Result<Occasion, Refusal> {
    if config.policy.window.is_empty() {
        return Ok(Occasion::Now { early: None });
    }
    if let Some(why) = look.pressing(now) {
        return Ok(early(why));
    }
    Ok(within(&hours(host, config)?, look, now))
}

/// Whether what is staged is to be put in place now.
///
/// # Errors
/// As [`hours`].
pub(super) fn to_activate(
    host: &Host,
    config: &TargetConfig,
    next: &Next,
    look: &Look,
    now: OffsetDateTime,
) -> Result<Occasion, Refusal> {
    if let Some(moment) = &next.at {
        if now < moment.at {
            // Who named a moment knew what was in place, and that it was bad.
            let over = look.last_call().is_some_and(|last| last <= now && next.staged < last);
            return Ok(match over {
                true => {
                    let why = format!("before the moment that was set: {ENDS}");
                    Occasion::Now { early: Some(why) }
                }
                false => Occasion::Later { at: Some(moment.at), when: format!("at {moment}") },
            });
        }
        // Who has named it did so in spite of the windows: it holds from then on, however long the next run is in coming.
        return Ok(Occasion::Now { early: None });
    }
    // A person wants it in place in the next window; the policy, when the one there is due.
    let margin = config.policy.renew_before.left_of(look.lives);
    let windows = !config.policy.window.is_empty();
    let due = look.due || next.due || look.broken || look.ends.is_none_or(|ends| ends - now <= margin);
    if windows && (next.by_hand || due) {
        let known = next.by_hand && look.broken;
        return to_change(host, config, &Look { broken: look.broken && !known, ..*look }, now);
    }
    if due {
        return Ok(Occasion::Now { early: None });
    }
    if windows
        && let hours = hours(host, config)?
        && let Some(open) = hours.open_at(now)
        && hours.after(open.to).is_none_or(|next| look.ends_before(next.from))
    {
        // The last window before the end of what is there.
        return Ok(Occasion::Now { early: None });
    }
    let at = look.ends.map(|ends| ends - margin);
    let when = at.map_or_else(
        || "with `reseal activate`".to_owned(),
        |at| format!("when the one in place is due ({})", date(at)),
    );
    Ok(Occasion::Later { at, when })
}

/// Of a target that has windows.
fn early(why: &str) -> Occasion {
    Occasion::Now { early: Some(format!("not in a maintenance window: {why}")) }
}

/// Now where a window is open, or where none opens before the end.
fn within(hours: &Hours, look: &Look, now: OffsetDateTime) -> Occasion {
    if hours.open_at(now).is_some() {
        return Occasion::Now { early: None };
    }
    match hours.after(now) {
        None => early("none of its maintenance windows opens in the next two weeks"),
        Some(opening) if look.ends_before(opening.from) => {
            let ends = look.ends.map_or_else(|| "is not there".to_owned(), |ends| format!("ends {}", date(ends)));
            let opens = shown(hours, &opening);
            early(&format!("the certificate in place {ends}, and the next maintenance window opens {opens} only"))
        }
        Some(opening) => Occasion::Later {
            at: Some(opening.from),
            when: format!("in the maintenance window that opens {}", shown(hours, &opening)),
        },
    }
}

fn shown(hours: &Hours, opening: &Opening) -> String {
    let zone = hours.zone_of(opening).map(|zone| zone.name().to_owned());
    Moment { at: opening.from, zone }.to_string()
}

/// When and by what something that is staged is put in place, for people.
pub(super) fn told(host: &Host, config: &TargetConfig, next: &Next, look: &Look, now: OffsetDateTime) -> String {
    match to_activate(host, config, next, look, now) {
        Ok(Occasion::Now { .. }) => "with the next run of `reseal maintain`".to_owned(),
        Ok(Occasion::Later { when, .. }) => when,
        Err(refusal) => format!("with `reseal activate`; {}", refusal.why),
    }
}

/// That a person's own verb is not held back by a window, where it would have been.
pub(super) fn outside(host: &Host, config: &TargetConfig) -> Option<String> {
    if config.policy.window.is_empty() {
        return None;
    }
    let now = host.now();
    match hours(host, config) {
        Ok(hours) if hours.open_at(now).is_some() => None,
        Ok(hours) => Some(match hours.after(now) {
            Some(opening) => format!(
                "this is outside of the maintenance windows, the next of which opens {}: what is asked for by hand does not wait",
                shown(&hours, &opening)
            ),
            None => "this is outside of the maintenance windows: what is asked for by hand does not wait".to_owned(),
        }),
        Err(refusal) => Some(refusal.why),
    }
}

#[cfg(test)]
mod tests;
