//! What made somebody run this: read from the programs above this one, and from the unit it runs in.

use std::fs;
use std::io::IsTerminal;

use crate::outcome::{By, Trigger};

/// As the kernel names them, which is cut after 15 bytes.
const PACKAGES: &[&str] = &[
    "dpkg",
    "apt",
    "apt-get",
    "aptitude",
    "unattended-upgr",
    "packagekitd",
    "rpm",
    "dnf",
    "dnf5",
    "dnf-3",
    "yum",
    "zypper",
    "pacman",
    "apk",
];
const CRON: &[&str] = &["cron", "crond", "anacron", "atd", "fcron"];

/// How far up programs are looked at; nobody starts anything from deeper.
const FAR: usize = 32;

/// What made somebody run this process.
#[must_use]
pub fn trigger() -> Trigger {
    let above = above();
    let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // systemd sets it for a unit that another one has started, from version 252 on.
    let started_by = std::env::var("TRIGGER_UNIT").ok();
    let terminal = std::io::stdin().is_terminal() || std::io::stderr().is_terminal();
    judge(&above, unit(&cgroup), started_by.as_deref(), terminal)
}

/// The names of the programs above this one, the nearest first.
fn above() -> Vec<String> {
    let mut found = Vec::new();
    let mut pid = std::os::unix::process::parent_id();
    while pid > 0 && found.len() < FAR {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { break };
        // The name may hold any character, a parenthesis among them.
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else { break };
        found.push(stat.get(open + 1..close).unwrap_or_default().to_owned());
        let Some(parent) = stat[close + 1..].split_whitespace().nth(1).and_then(|it| it.parse().ok()) else { break };
        pid = parent;
    }
    found
}

/// The unit in whose control group this runs: of version 2, or of systemd's own hierarchy.
fn unit(cgroup: &str) -> Option<&str> {
    let line = cgroup
        .lines()
        .find_map(|line| line.strip_prefix("0::").or_else(|| line.split_once(":name=systemd:").map(|it| it.1)))?;
    line.rsplit('/').find(|part| is(part, "service") || is(part, "scope"))
}

/// Whether a unit is of this kind.
fn is(unit: &str, kind: &str) -> bool {
    unit.rsplit_once('.').is_some_and(|(_, ending)| ending == kind)
}

fn judge(above: &[String], unit: Option<&str>, started_by: Option<&str>, terminal: bool) -> Trigger {
    let among = |known: &[&str]| above.iter().find(|name| known.contains(&name.as_str()));
    if let Some(name) = among(PACKAGES) {
        return Trigger::named(By::Packages, name);
    }
    if let Some(name) = among(CRON) {
        return Trigger::named(By::Cron, name);
    }
    if terminal {
        return Trigger::of(By::Person);
    }
    match (unit, started_by) {
        (Some(unit), Some(timer)) if is(unit, "service") && is(timer, "timer") => Trigger::named(By::Timer, timer),
        (Some(unit), _) if unit.starts_with("session-") => Trigger::of(By::Person),
        (Some(unit), _) if is(unit, "service") && !unit.starts_with("user@") => Trigger::named(By::Unit, unit),
        _ => match above.first() {
            Some(name) => Trigger::named(By::Program, name),
            None => Trigger::of(By::Program),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The processes above, the unit, what started it, whether there is a terminal, and what is told.
    type Case = (&'static [&'static str], Option<&'static str>, Option<&'static str>, bool, &'static str);

    #[test]
    fn each_way_to_be_started_is_told_apart() {
        let cases: [Case; 9] = [
            (&["bash", "sudo", "bash", "sshd"], Some("session-3.scope"), None, true, "person"),
            (&["bash", "sshd"], Some("session-3.scope"), None, false, "person"),
            (&["sh", "dpkg", "apt-get", "bash"], Some("session-3.scope"), None, true, "package manager dpkg"),
            (
                &["sh", "dnf-3", "systemd"],
                Some("dnf-automatic.service"),
                Some("dnf-automatic.timer"),
                false,
                "package manager dnf-3",
            ),
            (&["systemd"], Some("reseal-renew.service"), Some("reseal-renew.timer"), false, "reseal-renew.timer"),
            (&["systemd"], Some("reseal-renew.service"), None, false, "reseal-renew.service"),
            (&["sh", "cron", "systemd"], Some("cron.service"), None, false, "cron cron"),
            (&["python3"], None, None, false, "program python3"),
            // Somebody's own variable makes nobody a timer.
            (&["python3"], None, Some("reseal-renew.timer"), false, "program python3"),
        ];
        for (above, unit, started_by, terminal, told) in cases {
            let above: Vec<String> = above.iter().map(ToString::to_string).collect();
            assert_eq!(judge(&above, unit, started_by, terminal).to_string(), told, "{above:?}");
        }
    }

    #[test]
    fn the_unit_is_read_from_either_kind_of_control_group() {
        assert_eq!(unit("0::/system.slice/reseal-renew.service\n"), Some("reseal-renew.service"));
        assert_eq!(
            unit("3:cpu:/x\n1:name=systemd:/user.slice/user-0.slice/session-1.scope\n"),
            Some("session-1.scope")
        );
        assert_eq!(unit("0::/system.slice/a.service/inner\n"), Some("a.service"));
        assert_eq!(unit("0::/\n"), None);
        assert_eq!(unit(""), None);
    }

    #[test]
    fn the_programs_above_are_found() {
        assert!(!above().is_empty());
    }
}
