//! A file for cron, where there is no systemd (crontab(5)).

use super::site::Site;
use super::{Placed, below};

const TEXT: &str = include_str!("../../packaging/cron/reseal");

/// Steps of minutes that come again at the same ones in each hour.
const STEPS: [u64; 11] = [30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1];

pub(super) fn file(site: &Site) -> Placed {
    let (hour, minute) = site.time_of_night();
    // cron knows no time zones but its own: where a window has to be met, a run comes at least once in the time that the shortest is open.
    let when = match site.shortest() {
        None => format!("{minute} {hour}"),
        Some(60..) => format!("{minute} *"),
        Some(shortest) => {
            let step = STEPS.into_iter().find(|step| *step <= u64::from(shortest)).unwrap_or(1);
            format!("{}-59/{step} *", minute % step)
        }
    };
    let mut text = site
        .fit(TEXT)
        .replace("MINUTE HOUR", &when)
        .replace(
            "once in the night",
            if site.starts.is_empty() { "once in the night" } else { "in each maintenance window" },
        )
        // In a crontab a percent sign ends the line.
        .replace('%', "\\%");
    if let Some(dir) = &site.collector {
        let output = dir.join("reseal.prom");
        let command = format!("{} {}check --format prometheus", site.program.display(), site.words());
        text.push_str(&format!(
            "{} 7 * * * root {command} --non-interactive --quiet --output {} || [ $? -eq 3 ]\n",
            minute,
            output.display()
        ));
    }
    Placed::new(below(site, "/etc/cron.d/reseal"), text)
}

/// When cron starts the daily run, by the clock that cron goes by; none where the text has no such line, or one that somebody has
/// written otherwise.
#[must_use]
pub fn when(text: &str) -> Option<String> {
    let line = text.lines().find(|line| !line.starts_with(['#', '@']) && line.contains(" maintain "))?;
    let fields: Vec<&str> = line.split_whitespace().take(5).collect();
    let [minute, hour, "*", "*", "*"] = fields.as_slice() else { return None };
    match (minute.parse::<u8>(), hour.parse::<u8>(), *hour) {
        (Ok(minute), Ok(hour), _) => Some(format!("daily at {hour:02}:{minute:02}")),
        (Ok(minute), Err(_), "*") => Some(format!("hourly at minute {minute}")),
        (Err(_), Err(_), "*") => {
            let step: u8 = minute.split_once("-59/")?.1.parse().ok()?;
            Some(format!("every {step} minutes"))
        }
        (Ok(_) | Err(_), _, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fitting::site::Start;

    #[test]
    fn machines_are_spread_over_the_night_and_each_keeps_its_minute() {
        let line = |seed| {
            let text = file(&Site { seed, ..Site::plain() }).content;
            let found = text.lines().find(|line| line.contains(" maintain ")).unwrap();
            found.split_once(" * * * root ").unwrap().0.to_owned()
        };
        assert_eq!(line(0), "0 0");
        assert_eq!(line(61), "1 1");
        assert_eq!(line(360 + 359), "59 5");
        assert_eq!(line(7), line(7));
        let text = file(&Site { seed: 61, ..Site::plain() }).content;
        assert_eq!(when(&text).as_deref(), Some("daily at 01:01"));
        assert_eq!(
            when(&text.replace("1 1 * * *", "1 1 * * 7")),
            None,
            "what somebody has made of it is not guessed at"
        );
    }

    #[test]
    fn a_run_comes_while_the_shortest_window_is_open() {
        for (minutes, when) in
            [(&[120, 60][..], "7 *"), (&[45], "7-59/30 *"), (&[300, 7], "1-59/6 *"), (&[1], "0-59/1 *")]
        {
            let starts = minutes.iter().map(|&minutes| Start { calendar: "*-*-* 02:00:00 UTC".to_owned(), minutes });
            let text = file(&Site { seed: 67, starts: starts.collect(), ..Site::plain() }).content;
            let line = text.lines().find(|line| line.contains(" maintain ")).unwrap();
            assert_eq!(line.split_once(" * * root ").unwrap().0, format!("{when} *"), "{line}");
            assert!(text.contains("in each maintenance window;"), "{text}");
            let told = self::when(&text).unwrap();
            assert_eq!(told.split(' ').next(), Some(if when.contains('/') { "every" } else { "hourly" }), "{told}");
        }
    }

    #[test]
    fn every_line_is_one_that_cron_takes() {
        let site = Site { collector: Some("/var/lib/x".into()), ..Site::plain() };
        let text = file(&site).content;
        let entries: Vec<&str> = text.lines().filter(|line| line.contains(" root ")).collect();
        assert_eq!(entries.len(), 3, "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.starts_with('@')) {
            let times = line.split(' ').take(5).all(|word| word == "*" || word.parse::<u32>().is_ok());
            assert!(times || line.starts_with("SHELL=") || line.starts_with("PATH="), "{line}");
        }
        assert!(!text.contains("MINUTE") && text.ends_with('\n'));
    }
}
