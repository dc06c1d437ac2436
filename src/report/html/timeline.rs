//! When what ends, as a drawing that is right at every width: all that lies along the time is a share of the width, all text keeps its
//! size. A bar for each certificate where there are few, a column for each month where there are many.

use time::{Date, Duration, Month, OffsetDateTime};

use super::away;
use super::markup::Markup;
use crate::assess::date;
use crate::cert::installed::Leaf;
use crate::flow::check::Checked;
use crate::report::escape::escape;
use crate::report::standing::Standing;

/// Up to so many have a bar each.
const BARS: usize = 24;
/// Months that have a column of their own, the present one first.
const MONTHS: usize = 13;
/// Height of a bar with its name.
const LANE: u32 = 44;

pub fn draw(all: &[Checked], now: OffsetDateTime, page: &mut Markup) {
    let mut ends: Vec<(&Checked, &Leaf)> =
        all.iter().flat_map(|one| one.leaves().map(move |leaf| (one, leaf))).collect();
    if ends.is_empty() {
        return;
    }
    ends.sort_by_key(|(_, leaf)| leaf.not_after);
    page.raw("<section><h2 id=\"ends\">When they end</h2>\n<div class=\"chart\">");
    if ends.len() <= BARS {
        bars(&ends, now, page);
    } else {
        columns(&ends, now, page);
    }
    page.raw("</div></section>\n");
}

/// The stretch of time that is drawn, and how much of the width a moment is from its begin.
struct Scale {
    from: OffsetDateTime,
    to: OffsetDateTime,
}

impl Scale {
    /// From a little before now to the last end; what ends later than in fourteen months runs off the edge, or one certificate of ten
    /// years would squeeze all others.
    fn of(ends: &[(&Checked, &Leaf)], now: OffsetDateTime) -> Self {
        let most = Duration::days(425);
        let shown = ends.iter().map(|(_, leaf)| leaf.not_after - now).filter(|left| *left <= most);
        let ahead = match shown.max() {
            Some(last) if last.is_positive() => last.max(Duration::days(90)) * 1.05,
            Some(_) | None => most,
        };
        Self { from: now - ahead / 6, to: now + ahead }
    }

    fn share(&self, at: OffsetDateTime) -> f64 {
        let share = (at - self.from).as_seconds_f64() / (self.to - self.from).as_seconds_f64();
        (share * 100.0).clamp(0.0, 100.0)
    }
}

fn bars(ends: &[(&Checked, &Leaf)], now: OffsetDateTime, page: &mut Markup) {
    let scale = Scale::of(ends, now);
    let lanes = u32::try_from(ends.len()).unwrap_or(u32::MAX) * LANE;
    page.raw("<svg role=\"img\" aria-labelledby=\"ends drawn\" width=\"100%\" height=\"").value(lanes + 30).raw("\">");
    page.raw("<desc id=\"drawn\">A bar for each certificate, from the begin of its validity to its end. ");
    page.raw("The list below has the same dates.</desc>\n");
    for tick in ticks(&scale) {
        let at = scale.share(tick);
        // A label needs room, and none may lie on that of today.
        if (at - scale.share(now)).abs() < 14.0 || at > 90.0 {
            continue;
        }
        page.raw("<line class=\"tick\" x1=\"").share(at).raw("\" x2=\"").share(at).raw("\" y1=\"22\" y2=\"100%\"/>");
        page.raw("<text class=\"axis\" text-anchor=\"middle\" y=\"14\" x=\"")
            .share(at)
            .raw("\">")
            .text(&month(tick))
            .raw("</text>\n");
    }
    let today = scale.share(now);
    page.raw("<line class=\"now\" x1=\"").share(today).raw("\" x2=\"").share(today).raw("\" y1=\"20\" y2=\"100%\"/>");
    page.raw("<text class=\"axis today\" text-anchor=\"middle\" y=\"14\" x=\"").share(today).raw("\">today</text>\n");
    for (lane, (one, leaf)) in (0_u32..).zip(ends) {
        let top = 24 + lane * LANE;
        let (begin, end) = (scale.share(leaf.not_before), scale.share(leaf.not_after));
        page.raw("<text class=\"name\" x=\"0\" y=\"")
            .value(top + 16)
            .raw("\">")
            .text(&short(&one.subject))
            .raw("</text>");
        page.raw("<text class=\"when\" text-anchor=\"end\" x=\"100%\" y=\"").value(top + 16).raw("\">");
        page.text(&away(leaf.not_after, now)).raw("</text>");
        page.raw("<rect class=\"lane\" width=\"100%\" height=\"8\" rx=\"4\" y=\"").value(top + 24).raw("\"/>");
        page.raw("<rect class=\"bar ")
            .raw(Standing::of(one).word())
            .raw("\" height=\"8\" rx=\"4\" x=\"")
            .share(begin.min(99.0));
        page.raw("\" y=\"").value(top + 24).raw("\" width=\"").share((end - begin).max(1.0)).raw("\"><title>");
        page.text(&format!("{}: {} to {}", one.subject, date(leaf.not_before), date(leaf.not_after)));
        page.raw("</title></rect>\n");
    }
    page.raw("</svg>\n");
}

/// The first days of months, at most six of them.
fn ticks(scale: &Scale) -> Vec<OffsetDateTime> {
    let months = ((scale.to - scale.from).whole_days() / 30).max(1);
    let step = usize::try_from(months / 6 + 1).unwrap_or(1);
    let mut firsts = Vec::new();
    let mut first = month_begin(scale.from, 1);
    while let Some(at) = first.filter(|at| *at < scale.to) {
        firsts.push(at);
        first = month_begin(at, 1);
    }
    firsts.into_iter().step_by(step).collect()
}

/// The first moment of the month that is so many after that of `at`.
fn month_begin(at: OffsetDateTime, after: usize) -> Option<OffsetDateTime> {
    let mut begin = Date::from_calendar_date(at.year(), at.month(), 1).ok()?;
    for _ in 0..after {
        let next = begin.month().next();
        let year = begin.year() + i32::from(next == Month::January);
        begin = Date::from_calendar_date(year, next, 1).ok()?;
    }
    Some(begin.midnight().assume_utc())
}

/// `Nov`, and in January the year that begins.
fn month(at: OffsetDateTime) -> String {
    if at.month() == Month::January {
        format!("’{:02}", at.year().rem_euclid(100))
    } else {
        at.month().to_string().chars().take(3).collect()
    }
}

/// A name that leaves room for the date beside it on a phone: its begin and its end, for paths and names differ at either.
fn short(name: &str) -> String {
    const MOST: usize = 30;
    const BEGIN: usize = 12;
    let name: Vec<char> = escape(name).chars().collect();
    if name.len() <= MOST {
        return name.into_iter().collect();
    }
    let (begin, end) = (name.iter().take(BEGIN), name.iter().skip(name.len() - (MOST - BEGIN - 1)));
    begin.chain(&['…']).chain(end).collect()
}

/// How many certificates end in a stretch of time, by how their subjects stand.
struct Column {
    label: String,
    told: String,
    counts: [usize; Standing::ALL.len()],
}

impl Column {
    fn total(&self) -> usize {
        self.counts.iter().sum()
    }
}

fn columns(ends: &[(&Checked, &Leaf)], now: OffsetDateTime, page: &mut Markup) {
    const HEIGHT: f64 = 150.0;
    let columns = counted(ends, now);
    let most = columns.iter().map(Column::total).max().unwrap_or(1).max(1);
    page.raw("<svg role=\"img\" aria-labelledby=\"ends drawn\" width=\"100%\" height=\"196\">");
    page.raw("<desc id=\"drawn\">How many certificates end in each month: ");
    let told: Vec<String> = columns.iter().map(|column| format!("{}: {}", column.told, column.total())).collect();
    page.text(&told.join(", ")).raw(".</desc>\n<line class=\"tick\" x1=\"0\" x2=\"100%\" y1=\"172\" y2=\"172\"/>\n");
    let width = 100.0 / float(columns.len());
    let year = columns.iter().position(|column| column.label.starts_with('’')).unwrap_or(0);
    for (index, column) in columns.iter().enumerate() {
        let (left, middle) = (float(index) * width, (float(index) + 0.5) * width);
        let mut bottom = 172.0;
        for (standing, count) in Standing::ALL.iter().zip(column.counts).filter(|(_, count)| *count > 0) {
            // What is there is seen, however few it is.
            let height = (HEIGHT * float(count) / float(most)).max(2.0);
            bottom -= height;
            page.raw("<rect class=\"bar ")
                .raw(standing.word())
                .raw("\" x=\"")
                .share(left + width * 0.12)
                .raw("\" width=\"");
            page.share(width * 0.76).raw("\" y=\"").text(&format!("{bottom:.1}")).raw("\" height=\"");
            page.text(&format!("{height:.1}")).raw("\"><title>");
            page.text(&format!("{}: {count} {}", column.told, standing.word())).raw("</title></rect>");
        }
        if column.total() > 0 {
            page.raw("<text class=\"axis sum\" text-anchor=\"middle\" x=\"").share(middle).raw("\" y=\"");
            page.text(&format!("{:.1}", bottom - 4.0)).raw("\">").value(column.total()).raw("</text>");
        }
        // On a phone every second word has room: the ends, and those that the year is among.
        let end = |index: usize| index == 0 || index == columns.len() - 1;
        let between = !end(index) && (index % 2 != year % 2 || end(index - 1) || end(index + 1));
        page.raw(if between { "<text class=\"axis between\"" } else { "<text class=\"axis\"" });
        page.raw(" text-anchor=\"middle\" y=\"188\" x=\"").share(middle).raw("\">");
        page.text(&column.label).raw("</text>\n");
    }
    page.raw("</svg>\n");
}

/// The past, the months to come, and what is later.
fn counted(ends: &[(&Checked, &Leaf)], now: OffsetDateTime) -> Vec<Column> {
    let empty = |label: String, told: String| Column { label, told, counts: [0; Standing::ALL.len()] };
    let mut columns = vec![empty("past".to_owned(), "ended".to_owned())];
    let begins: Vec<OffsetDateTime> = (0..=MONTHS).filter_map(|after| month_begin(now, after)).collect();
    for begin in begins.iter().take(MONTHS) {
        columns.push(empty(month(*begin), format!("{} {}", begin.month(), begin.year())));
    }
    columns.push(empty("later".to_owned(), "later".to_owned()));
    for (one, leaf) in ends {
        let at = if leaf.not_after < now {
            0
        } else {
            // The month before the first that begins later; after them all, the last column.
            begins.iter().position(|begin| leaf.not_after < *begin).unwrap_or(MONTHS + 1)
        };
        let place = Standing::ALL.iter().position(|standing| *standing == Standing::of(one));
        if let Some(count) = columns.get_mut(at).and_then(|column| column.counts.get_mut(place?)) {
            *count += 1;
        }
    }
    columns
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::assess::Code;
    use crate::report::specimen::{NOW, endpoint};

    fn ends(all: &[Checked]) -> Vec<(&Checked, &Leaf)> {
        all.iter().filter_map(|one| Some((one, one.leaf.as_ref()?))).collect()
    }

    #[test]
    fn every_end_is_in_one_column() {
        let mut all: Vec<Checked> = (-400..900).map(|days| endpoint("a", days, &[])).collect();
        for (one, at) in all.iter_mut().zip([
            datetime!(2026-11-30 23:59:59 UTC),
            datetime!(2026-12-01 0:00 UTC),
            datetime!(2027-11-30 23:59:59 UTC),
            datetime!(2027-12-01 0:00 UTC),
            datetime!(9999-12-31 23:59:59 UTC),
            datetime!(1950-01-01 0:00 UTC),
        ]) {
            one.leaf.as_mut().unwrap().not_after = at;
        }
        let columns = counted(&ends(&all[..6]), NOW);
        let of = |columns: &[Column], told: &str| columns.iter().find(|column| column.told == told).unwrap().total();
        assert_eq!(columns.len(), MONTHS + 2);
        for (told, count) in
            [("ended", 1), ("November 2026", 1), ("December 2026", 1), ("November 2027", 1), ("later", 2)]
        {
            assert_eq!(of(&columns, told), count, "{told}");
        }
        let columns = counted(&ends(&all[6..]), NOW);
        assert_eq!(columns.iter().map(Column::total).sum::<usize>(), all.len() - 6);
        assert_eq!(of(&columns, "February 2027"), 28);
        assert_eq!(of(&columns, "ended"), 394);
    }

    #[test]
    fn bars_stay_within_the_drawing() {
        let days = [-4000, -90, -1, 0, 1, 47, 300, 9_000];
        for few in (1..=days.len()).flat_map(|most| days.windows(most)) {
            let all: Vec<Checked> = few.iter().map(|days| endpoint("a", *days, &[Code::Expiring])).collect();
            let mut page = Markup::default();
            draw(&all, NOW, &mut page);
            let html = page.into_html();
            assert_eq!(html.matches("class=\"bar warning\"").count(), few.len());
            let shares =
                html.split('"').filter_map(|word| word.strip_suffix('%')).map(|share| share.parse::<f64>().unwrap());
            assert!(shares.clone().all(|share| (0.0..=100.0).contains(&share)) && shares.count() > 3, "{html}");
            assert!((0..=7).contains(&ticks(&Scale::of(&ends(&all), NOW)).len()));
        }
    }

    #[test]
    fn a_name_keeps_both_its_ends() {
        assert_eq!(short("www.example.org:443"), "www.example.org:443");
        assert_eq!(short("/etc/ssl/certs/deep/down/www.example.org.pem"), "/etc/ssl/cer…w.example.org.pem");
        assert_eq!(short(&"\u{202e}".repeat(50)).chars().count(), 30);
    }
}
