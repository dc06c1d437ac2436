//! A file for cron, where there is no systemd (crontab(5)).

use super::site::Site;
use super::{Placed, below};

const TEXT: &str = include_str!("../../packaging/cron/reseal");

/// Hours of the night over which machines are spread, as `RandomizedDelaySec` of the timer does.
const HOURS: u64 = 6;

pub(super) fn file(site: &Site) -> Placed {
    let minute = site.seed % (HOURS * 60);
    let mut text = site
        .fit(TEXT)
        .replace("MINUTE HOUR", &format!("{} {}", minute % 60, minute / 60))
        // In a crontab a percent sign ends the line.
        .replace('%', "\\%");
    if let Some(dir) = &site.collector {
        let output = dir.join("reseal.prom");
        let command = format!("{} {}check --format prometheus", site.program.display(), site.words());
        text.push_str(&format!(
            "{} 7 * * * root {command} --non-interactive --quiet --output {} || [ $? -eq 3 ]\n",
            minute % 60,
            output.display()
        ));
    }
    Placed::new(below(site, "/etc/cron.d/reseal"), text)
}

#[cfg(test)]
mod tests {
    use super::*;

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
