//! Units of systemd, and the drop-ins that name the places of this machine's targets.
//!
//! Where a package has shipped the units, drop-ins alone are placed; where none has, or where the program or its files are elsewhere than
//! the package says, whole units in `/etc/systemd/system`, which have precedence (systemd.unit(5)).

use std::path::{Path, PathBuf};

use super::site::{CONFIG, STATE, Site};
use super::{Placed, PlacedLink, below};

/// Where units of the administrator are.
const DIR: &str = "/etc/systemd/system";

/// The name of every drop-in; the administrator's own have other names.
const DROP_IN: &str = "50-reseal-paths.conf";

/// Seconds over which machines with the same maintenance window are spread at most.
const DELAY: u64 = 600;

/// Every unit, as packages ship it.
const UNITS: &[(&str, &str)] = &[
    ("reseal-renew.service", include_str!("../../packaging/systemd/reseal-renew.service")),
    ("reseal-renew.timer", include_str!("../../packaging/systemd/reseal-renew.timer")),
    ("reseal-check.service", include_str!("../../packaging/systemd/reseal-check.service")),
    ("reseal-check.timer", include_str!("../../packaging/systemd/reseal-check.timer")),
    ("reseal-post-upgrade.service", include_str!("../../packaging/systemd/reseal-post-upgrade.service")),
    ("reseal-watch.path", include_str!("../../packaging/systemd/reseal-watch.path")),
    ("reseal-recover.service", include_str!("../../packaging/systemd/reseal-recover.service")),
];

/// The service that a hook starts.
pub const POST_UPGRADE: &str = "reseal-post-upgrade.service";

/// The units that wait for something: a running systemd starts them. The others are started by these, or at boot.
pub const WAITING: &[&str] = &["reseal-renew.timer", "reseal-check.timer", "reseal-watch.path"];

/// The names of all units.
pub fn names() -> impl Iterator<Item = &'static str> {
    UNITS.iter().map(|(name, _)| *name)
}

/// The units that are switched on, each with the unit by which it is wanted.
pub fn wanted() -> impl Iterator<Item = (&'static str, &'static str)> {
    UNITS.iter().filter_map(|(name, text)| {
        let by = text.lines().find_map(|line| line.strip_prefix("WantedBy="))?;
        Some((*name, by))
    })
}

pub(super) fn files(site: &Site) -> Vec<Placed> {
    let mut files = Vec::new();
    if whole(site) {
        files.extend(UNITS.iter().map(|(name, text)| Placed::new(below(site, DIR).join(name), unit(site, text))));
    }
    let drop_ins = [
        ("reseal-renew.service", writing(site)),
        ("reseal-post-upgrade.service", writing(site)),
        ("reseal-check.service", looking(site)),
        ("reseal-watch.path", watching(site)),
        ("reseal-renew.timer", starting(site)),
    ];
    for (name, text) in drop_ins {
        if let Some(text) = text {
            let path = below(site, DIR).join(format!("{name}.d")).join(DROP_IN);
            files.push(Placed::new(path, format!("{HEAD}{text}")));
        }
    }
    files
}

const HEAD: &str = "\
# Written by `reseal schedule install` out of the configuration, and written anew by it when the configuration has changed. What is your own
# goes into a file of another name (`systemctl edit`).
";

pub(super) fn links(site: &Site) -> Vec<PlacedLink> {
    let from = if whole(site) { Path::new(DIR) } else { site.shipped.as_deref().unwrap_or(Path::new(DIR)) };
    wanted()
        .map(|(name, by)| PlacedLink {
            path: below(site, DIR).join(format!("{by}.wants")).join(name),
            to: from.join(name),
        })
        .collect()
}

/// Whether whole units are placed.
fn whole(site: &Site) -> bool {
    site.shipped.is_none() || !site.usual()
}

/// A unit with this machine's paths in it.
fn unit(site: &Site, text: &str) -> String {
    // The one that runs as no user of the machine has to be told always: the usual places are root's.
    let always = format!("--config {CONFIG} --state-dir {STATE} ");
    let words = site.words();
    let text = if words.is_empty() { text.to_owned() } else { text.replace(&always, &complete(site)) };
    let mut out = String::new();
    for line in text.lines() {
        let line = match line.split_once('=') {
            Some(("ExecStart", command)) if command.contains("--config") => {
                let program = site.program.display().to_string();
                line.replace(super::site::PROGRAM, &program)
            }
            Some(("ExecStart", _)) => site.fit(line),
            Some(("StateDirectory" | "StateDirectoryMode", _)) if site.state != Path::new(STATE) => continue,
            Some((_, value)) if !line.starts_with('#') && (value.contains(STATE) || value == CONFIG) => line
                .replace(CONFIG, &site.config.display().to_string())
                .replace(STATE, &site.state.display().to_string()),
            _ => line.to_owned(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Both paths, also where they are the usual ones.
fn complete(site: &Site) -> String {
    format!("--config {} --state-dir {} ", site.config.display(), site.state.display())
}

/// What a renewal may write to.
fn writing(site: &Site) -> Option<String> {
    let mut lines = String::from("[Service]\n");
    for dir in site.written.iter().filter(|dir| !is_a_home(dir)) {
        lines.push_str(&format!("ReadWritePaths={}\n", quoted("-", dir)));
    }
    lines.push_str(&homes("BindPaths", site.written.iter().map(PathBuf::as_path)));
    (!site.written.is_empty()).then_some(lines)
}

/// What a look at things needs: the homes it may have to look into, and where metrics are written to.
fn looking(site: &Site) -> Option<String> {
    let mut lines = String::from("[Service]\n");
    if let Some(dir) = &site.collector {
        let command = format!(
            "{} check {}--non-interactive --format prometheus --output {}",
            site.program.display(),
            complete(site),
            dir.join("reseal.prom").display()
        );
        lines.push_str(&format!("ExecStart=\nExecStart={command}\nReadWritePaths={}\n", quoted("-", dir)));
        lines.push_str("# The metrics tell what was found: that is no failure of the unit.\nSuccessExitStatus=3\n");
    }
    let homes = homes("BindReadOnlyPaths", site.watched.iter().filter_map(|file| file.parent()));
    lines.push_str(&homes);
    (site.collector.is_some() || !homes.is_empty()).then_some(lines)
}

/// Of the homes, which are hidden, what is needed.
fn homes<'a>(how: &str, dirs: impl Iterator<Item = &'a Path>) -> String {
    let mut dirs: Vec<&Path> = dirs.filter(|dir| is_a_home(dir)).collect();
    dirs.dedup();
    let lines: String = dirs.iter().map(|dir| format!("{how}={}\n", quoted("-", dir))).collect();
    if lines.is_empty() { lines } else { format!("ProtectHome=tmpfs\n{lines}") }
}

/// When a run begins, where it has to begin in maintenance windows: a delay of hours would carry it out of them, so the spread over the night
/// is this machine's own minute.
fn starting(site: &Site) -> Option<String> {
    let shortest = u64::from(site.shortest()?);
    let (hour, minute) = site.time_of_night();
    let mut lines = format!("[Timer]\nOnCalendar=\nOnCalendar=*-*-* {hour:02}:{minute:02}:00\n");
    for start in &site.starts {
        lines.push_str(&format!("OnCalendar={}\n", start.calendar));
    }
    // Seconds; the same ones each time, by `FixedRandomDelay`. Windows are the same on many machines.
    let delay = (shortest * 60 / 4).min(DELAY);
    lines.push_str(&format!("RandomizedDelaySec={delay}\nAccuracySec=1\n"));
    Some(lines)
}

/// What others may write to.
fn watching(site: &Site) -> Option<String> {
    let lines: String = site
        .watched
        .iter()
        .map(|file| format!("PathChanged={}\n", file.display().to_string().replace('%', "%%")))
        .collect();
    (!lines.is_empty()).then(|| format!("[Path]\n{lines}"))
}

/// Whether `ProtectHome=yes` would hide it.
#[must_use]
pub fn is_a_home(path: &Path) -> bool {
    ["/home", "/root", "/run/user"].iter().any(|home| path.starts_with(home))
}

/// A path in a list of a unit (systemd.syntax(7)).
fn quoted(before: &str, path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%");
    if super::site::is_plain(path) {
        return format!("{before}{text}");
    }
    format!("\"{before}{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The lines of a text for a unit that name a path of this machine which none of `others` names, itself or by a directory above it.
#[must_use]
pub fn unnamed<'t>(text: &'t str, others: &[String]) -> Vec<&'t str> {
    let known: Vec<(&str, PathBuf)> = others.iter().flat_map(|other| other.lines()).flat_map(named).collect();
    let is_named =
        |(key, path): &(&str, PathBuf)| known.iter().any(|(other, dir)| other == key && path.starts_with(dir));
    text.lines().filter(|line| !named(line).iter().all(is_named)).collect()
}

/// The settings that name paths of this machine, each with one of them.
fn named(line: &str) -> Vec<(&str, PathBuf)> {
    const SETTINGS: [&str; 4] = ["ReadWritePaths", "BindPaths", "BindReadOnlyPaths", "PathChanged"];
    let Some((key, value)) = line.split_once('=') else { return Vec::new() };
    let Some(key) = SETTINGS.into_iter().find(|setting| *setting == key.trim()) else { return Vec::new() };
    // systemd.syntax(7): words, of which quotes make one.
    let mut words = vec![String::new()];
    let mut within = false;
    for c in value.chars() {
        match c {
            '"' => within = !within,
            c if c.is_whitespace() && !within && key != "PathChanged" => words.push(String::new()),
            c => words.iter_mut().next_back().into_iter().for_each(|word| word.push(c)),
        }
    }
    let paths = words.iter().map(|word| word.trim().trim_start_matches(['-', '+'])).filter(|word| !word.is_empty());
    paths.map(|path| (key, PathBuf::from(path))).collect()
}

/// Whether a path can stand in a unit at all: a line has no room for characters that end it, and a colon divides what is bound.
#[must_use]
pub fn can_name(path: &Path) -> bool {
    let divides = |c: char| c.is_control() || (c == ':' && is_a_home(path));
    path.to_str().is_some_and(|text| text.starts_with('/') && !text.chars().any(divides))
}

/// The directory of a drop-in, which is made with it and goes with it.
#[must_use]
pub fn own_dir(file: &Path) -> Option<PathBuf> {
    let dir = file.parent()?;
    let own = file.file_name()? == DROP_IN && dir.extension()? == "d";
    own.then(|| dir.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fitting::site::Start;
    use crate::outcome::Exit;

    fn text<'f>(files: &'f [Placed], name: &str) -> &'f str {
        &files.iter().find(|file| file.path.ends_with(name)).unwrap_or_else(|| panic!("{name}")).content
    }

    #[test]
    fn where_nothing_is_unusual_units_are_those_of_packages() {
        let files = files(&Site::plain());
        assert_eq!(files.len(), UNITS.len());
        for (file, (name, shipped)) in files.iter().zip(UNITS) {
            assert_eq!(file.path, Path::new("/etc/systemd/system").join(name));
            assert_eq!(file.content, *shipped, "{name}");
        }
    }

    #[test]
    fn a_package_leaves_drop_ins_alone() {
        let site = Site {
            shipped: Some("/usr/lib/systemd/system".into()),
            written: vec!["/etc/a".into(), "/srv/b c".into()],
            watched: vec!["/etc/a/x.pem".into(), "/srv/b c/100%.pem".into()],
            ..Site::plain()
        };
        let files = files(&site);
        let names: Vec<&str> = files.iter().filter_map(|file| file.path.parent()?.file_name()?.to_str()).collect();
        assert_eq!(names, ["reseal-renew.service.d", "reseal-post-upgrade.service.d", "reseal-watch.path.d"]);
        assert!(files.iter().all(|file| own_dir(&file.path).is_some() && file.content.starts_with(HEAD)));
        let renew = text(&files, "reseal-renew.service.d/50-reseal-paths.conf");
        assert!(renew.ends_with("[Service]\nReadWritePaths=-/etc/a\nReadWritePaths=\"-/srv/b c\"\n"), "{renew}");
        let watch = text(&files, "reseal-watch.path.d/50-reseal-paths.conf");
        assert!(watch.ends_with("[Path]\nPathChanged=/etc/a/x.pem\nPathChanged=/srv/b c/100%%.pem\n"), "{watch}");
        assert!(links(&site).iter().all(|link| link.to.starts_with("/usr/lib/systemd/system")));
    }

    #[test]
    fn an_edited_drop_in_is_held_against_the_places() {
        let text = "[Service]\nReadWritePaths=-/etc/a\nReadWritePaths=\"-/srv/b c\"\nBindPaths=-/home/x/tls\n";
        let missing = |others: &[&str]| {
            let others: Vec<String> = others.iter().map(|other| (*other).to_owned()).collect();
            unnamed(text, &others).join("|")
        };
        assert_eq!(missing(&[text]), "");
        assert_eq!(missing(&[&format!("{text}Nice=5\n")]), "");
        assert_eq!(
            missing(&["[Service]\nReadWritePaths=-/etc/a\nNice=5\n"]),
            "ReadWritePaths=\"-/srv/b c\"|BindPaths=-/home/x/tls"
        );
        // One line or several, a directory above, a file beside.
        assert_eq!(missing(&["ReadWritePaths=/var /etc\n", " ReadWritePaths = +/srv \nBindPaths=-/home/x"]), "");
        assert_eq!(
            missing(&["ReadWritePaths=/etc/abc /srv/b\nReadOnlyPaths=/etc/a\nBindPaths=/home"]),
            "ReadWritePaths=-/etc/a|ReadWritePaths=\"-/srv/b c\""
        );
        let watch = "[Path]\nPathChanged=/srv/b c/100%%.pem\n";
        assert!(unnamed(watch, &[watch.to_owned()]).is_empty());
        assert_eq!(unnamed(watch, &["[Path]\nPathChanged=/srv/b\n".to_owned()]).len(), 1);
    }

    #[test]
    fn a_run_begins_in_each_maintenance_window_and_is_not_delayed_out_of_it() {
        let start = |calendar: &str, minutes| Start { calendar: calendar.to_owned(), minutes };
        let starts = vec![start("Sat,Sun *-*-* 02:00:00 Europe/Berlin", 120), start("Wed *-*-* 22:30:00 UTC", 8)];
        let site = Site { seed: 6 * 60 + 65, shipped: Some("/usr/lib/systemd/system".into()), ..Site::plain() };
        assert!(files(&site).is_empty(), "no window, no other times");
        let drop_ins = files(&Site { starts: starts.clone(), ..site.clone() });
        let timer = text(&drop_ins, "reseal-renew.timer.d/50-reseal-paths.conf");
        assert!(
            timer.ends_with(
                "\n[Timer]\nOnCalendar=\nOnCalendar=*-*-* 01:05:00\nOnCalendar=Sat,Sun *-*-* 02:00:00 Europe/Berlin\n\
                 OnCalendar=Wed *-*-* 22:30:00 UTC\nRandomizedDelaySec=120\nAccuracySec=1\n"
            ),
            "{timer}"
        );
        let long = files(&Site { starts: starts[..1].to_vec(), ..site });
        assert!(text(&long, "50-reseal-paths.conf").contains("\nRandomizedDelaySec=600\n"));
    }

    #[test]
    fn another_place_of_program_configuration_and_records_is_in_every_command() {
        let site = Site {
            shipped: Some("/usr/lib/systemd/system".into()),
            program: "/opt/reseal/reseal".into(),
            config: "/etc/other.toml".into(),
            state: "/srv/reseal".into(),
            collector: Some("/var/lib/prometheus/node-exporter".into()),
            ..Site::plain()
        };
        let files = files(&site);
        let mut commands = 0;
        for file in &files {
            let code = file.content.lines().filter(|line| !line.starts_with('#'));
            for line in code {
                for old in [super::super::site::PROGRAM, CONFIG, STATE] {
                    assert!(!line.contains(old), "{}: {line}", file.path.display());
                }
                if line.contains("/opt/reseal/reseal ") {
                    commands += 1;
                    assert!(line.contains(" --config /etc/other.toml --state-dir /srv/reseal "), "{line}");
                }
            }
        }
        assert_eq!(commands, 5);
        assert!(!text(&files, "reseal-renew.service").contains("StateDirectory"));
        assert!(text(&files, "reseal-watch.path").contains("\nPathChanged=/srv/reseal/upgrade\n"));
    }

    #[test]
    fn what_a_removal_of_the_package_stops_is_every_unit_but_the_one_at_boot() {
        let scripts = [include_str!("../../packaging/deb/prerm"), include_str!("../../packaging/rpm/preun")];
        let [deb, rpm] = scripts.map(|script| {
            let script = script.replace("\\\n", " ");
            let stop = script
                .lines()
                .find_map(|line| line.split_once("systemd-invoke stop "))
                .or_else(|| script.lines().find_map(|line| line.split_once("systemctl stop ")));
            let units = stop.unwrap().1.split_whitespace().take_while(|word| word.starts_with("reseal-"));
            units.map(str::to_owned).collect::<Vec<_>>()
        });
        assert_eq!(deb, rpm);
        let waiting = deb.iter().take_while(|unit| WAITING.contains(&unit.as_str())).count();
        assert_eq!(waiting, WAITING.len(), "what waits would start the others again: {deb:?}");
        let all: BTreeSet<&str> = names().filter(|name| *name != "reseal-recover.service").collect();
        assert_eq!(deb.iter().map(String::as_str).collect::<BTreeSet<_>>(), all);
        assert_eq!(deb.len(), all.len());
        for (unit, _) in wanted() {
            let switched_off = scripts[1].lines().any(|line| line.contains(" disable ") && line.contains(unit));
            assert!(switched_off, "the link to {unit} would lead nowhere");
        }
    }

    #[test]
    fn what_systemd_keeps_of_timers_goes_with_the_package() {
        let kept = UNITS.iter().filter(|(_, text)| text.contains("\nPersistent=yes\n"));
        let kept: Vec<&str> = kept.map(|(name, _)| *name).collect();
        assert_eq!(kept, ["reseal-renew.timer", "reseal-check.timer"]);
        for script in [include_str!("../../packaging/deb/postrm"), include_str!("../../packaging/rpm/postun")] {
            let line = script.lines().find(|line| line.contains("rm -f /var/lib/systemd/timers/")).unwrap();
            for name in &kept {
                assert!(line.contains(&format!("/var/lib/systemd/timers/stamp-{name}")), "{line}");
            }
        }
    }

    #[test]
    fn to_systemd_a_good_run_of_the_timer_is_what_it_is_to_the_others() {
        let (_, renew) = UNITS.iter().find(|(name, _)| *name == "reseal-renew.service").unwrap();
        let told = renew.lines().find_map(|line| line.strip_prefix("SuccessExitStatus=")).unwrap();
        let good = Exit::TABLE.iter().filter(|(exit, _)| exit.is_good_run() && *exit != Exit::Good);
        let good: Vec<String> = good.map(|(exit, _)| exit.code().to_string()).collect();
        assert_eq!(told, good.join(" "));
    }

    #[test]
    fn a_target_in_a_home_is_not_hidden() {
        let (written, watched) = (vec!["/home/a/tls".into()], vec!["/home/a/tls/x.pem".into()]);
        let files = files(&Site { written, watched, ..Site::plain() });
        for (name, how) in [
            ("reseal-renew.service.d", "BindPaths"),
            ("reseal-post-upgrade.service.d", "BindPaths"),
            ("reseal-check.service.d", "BindReadOnlyPaths"),
        ] {
            let text = text(&files, &format!("{name}/50-reseal-paths.conf"));
            assert!(text.ends_with(&format!("\nProtectHome=tmpfs\n{how}=-/home/a/tls\n")), "{text}");
        }
    }

    #[test]
    fn what_waits_is_switched_on() {
        let wanted: Vec<_> = wanted().collect();
        assert!(WAITING.iter().all(|name| wanted.iter().any(|(unit, _)| unit == name)), "{wanted:?}");
        assert!(wanted.contains(&("reseal-recover.service", "basic.target")), "{wanted:?}");
        assert_eq!(links(&Site::plain()).len(), 4);
        assert!(names().any(|name| name == POST_UPGRADE));
    }
}
