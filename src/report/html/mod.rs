//! One page that needs nothing else: no script, no address, no picture from elsewhere, and a policy that forbids them.
//!
//! It shows the counts first, then when what ends, then what to do, then every subject; sorted so that what is urgent is on top, and
//! folded up where there is much of it. Without scripts, showing a part is done by the style sheet (`:has()`).

mod markup;
mod policy;
mod remedies;
mod subjects;
mod timeline;

use time::OffsetDateTime;

use self::markup::Markup;
use super::standing::Standing;
use crate::assess::{ago, date, span};
use crate::flow::check::Checked;
use crate::moment::in_utc;

const STYLE: &str = include_str!("report.css");

/// Where the verdicts of a page come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Look {
    /// From a look at this moment.
    Now(OffsetDateTime),
    /// From what an earlier run has written.
    Recorded {
        /// The file.
        from: String,
        /// When it was written, by its modification time.
        written: OffsetDateTime,
        /// The present, against which dates are held.
        now: OffsetDateTime,
    },
}

impl Look {
    /// The present.
    fn now(&self) -> OffsetDateTime {
        match self {
            Self::Now(now) | Self::Recorded { now, .. } => *now,
        }
    }
}

/// The page.
#[must_use]
pub fn render(all: &[Checked], look: &Look) -> String {
    let now = look.now();
    let mut page = Markup::default();
    head(all, now, &mut page);
    page.raw("<body>\n<a class=\"skip\" href=\"#subjects\">To the list</a>\n<header><h1>TLS certificates</h1>\n<p>");
    page.value(all.len());
    match look {
        Look::Now(now) => page.raw(" looked at on ").add(&moment(*now)).raw(" by"),
        Look::Recorded { from, written, now } => {
            page.raw(" from <strong>").parts(from).raw("</strong>, written ").add(&moment(*written));
            page.raw(", with the dates as of ").add(&moment(*now)).raw("; page by")
        }
    };
    page.raw(" reseal ").text(env!("CARGO_PKG_VERSION")).raw(".</p>\n");
    next(all, now, &mut page);
    page.raw("</header>\n<main>\n");
    tiles(all, &mut page);
    timeline::draw(all, now, &mut page);
    remedies::list(all, &mut page);
    subjects::list(all, now, &mut page);
    page.raw(
        "</main>\n<footer><p>Times are UTC. This page loads nothing and runs nothing.</p></footer>\n</body>\n</html>\n",
    );
    page.into_html()
}

fn head(all: &[Checked], now: OffsetDateTime, page: &mut Markup) {
    let critical = all.iter().filter(|one| Standing::of(one) == Standing::Critical).count();
    // The policy stands before what it governs.
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"").text(&policy::policy(STYLE)).raw("\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n");
    page.raw("<meta name=\"robots\" content=\"noindex\">\n<title>TLS certificates, ").text(&date(now));
    page.raw(": ").value(critical).raw(" critical</title>\n<style>").raw(STYLE).raw("</style>\n</head>\n");
}

/// What ends next of those that have not ended.
fn next(all: &[Checked], now: OffsetDateTime, page: &mut Markup) {
    let to_come = all.iter().flat_map(|one| one.leaves().map(move |leaf| (one, leaf.not_after)));
    let Some((one, at)) = to_come.filter(|(_, at)| *at >= now).min_by_key(|(_, at)| *at) else { return };
    page.raw("<p>The next to end is <strong>").parts(&one.subject).raw("</strong>, in ").text(&span(at - now));
    page.raw(" (<time>").text(&date(at)).raw("</time>).</p>\n");
}

/// A tile for each standing there is: counts that are told, and a choice of what is listed.
fn tiles(all: &[Checked], page: &mut Markup) {
    page.raw("<fieldset class=\"tiles\"><legend>Show</legend>\n");
    page.raw("<label class=\"tile\"><input type=\"radio\" name=\"show\" id=\"show-all\" checked><b>");
    page.value(all.len()).raw("</b> <span>all</span></label>\n");
    for standing in Standing::ALL {
        let count = all.iter().filter(|one| Standing::of(one) == standing).count();
        if count > 0 {
            page.raw("<label class=\"tile ")
                .raw(standing.word())
                .raw("\"><input type=\"radio\" name=\"show\" id=\"show-");
            page.raw(standing.word()).raw("\"><b>").value(count).raw("</b> <span>").raw(told(standing));
            page.raw("</span></label>\n");
        }
    }
    page.raw("</fieldset>\n");
}

/// What a standing is called on the page.
fn told(standing: Standing) -> &'static str {
    match standing {
        Standing::Critical => "critical",
        Standing::Warning => "warning",
        Standing::Unknown => "not readable",
        Standing::Note => "with a note",
        Standing::Good => "good",
    }
}

/// Date and time of day, for people and for programs.
fn moment(at: OffsetDateTime) -> Markup {
    let at = in_utc(at);
    let (date, hour, minute) = (date(at), at.hour(), at.minute());
    let mut markup = Markup::default();
    markup.raw("<time datetime=\"").text(&format!("{date}T{hour:02}:{minute:02}Z")).raw("\">");
    markup.text(&format!("{date} {hour:02}:{minute:02}")).raw("</time>");
    markup
}

/// How far off a moment is: `in 89 days`, `3 days ago`, `in 8 years`.
fn away(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let length = if at >= now { at - now } else { now - at };
    let years = length.whole_days() / 365;
    let told = |days: fn(time::Duration) -> String| if years >= 3 { format!("{years} years") } else { days(length) };
    if at >= now { format!("in {}", told(span)) } else { format!("{} ago", told(ago)) }
}

#[cfg(test)]
mod tests;
