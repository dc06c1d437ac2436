//! nginx: what its own configuration names, as nginx itself reads it.
//!
//! nginx is asked (`nginx -T`). When it refuses its configuration, which a missing or mismatched certificate is enough for, the
//! files are read without it: that is when a certificate must be repaired.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Discovery, Kind, Site, Target, TargetError};
use crate::cert::Name;
use crate::change::{Apply, Command, Probe};
use crate::config::{NginxConfig, TargetConfig, TargetKind};
use crate::host::Host;
use include::{Disk, Dump, Unusable};
use pairs::Pairs;
use server::Server;

mod glob;
mod include;
mod lexer;
mod listen;
mod pairs;
mod routes;
mod server;
mod tree;

/// The row in the table of kinds.
pub(super) const KIND: Kind = Kind {
    name: "nginx",
    about: "nginx: http, stream and mail servers, found by name in its own configuration",
    open: |config| match &config.kind {
        TargetKind::Nginx(settings) => Ok(Box::new(Nginx { settings: settings.clone(), config: config.clone() })),
        TargetKind::Files(_) => Err(TargetError::other_kind(config)),
    },
    discover,
};

/// The most that a configuration written out by nginx may be, in bytes.
const MAX_DUMP: usize = 64 << 20;

/// Where packages put the program: those of distributions, of nginx.org, a build by hand, OpenResty, FreeBSD's ports.
const PROGRAMS: &[&str] = &[
    NginxConfig::BINARY,
    "/usr/bin/nginx",
    "/usr/local/sbin/nginx",
    "/usr/local/nginx/sbin/nginx",
    "/usr/local/openresty/nginx/sbin/nginx",
];

/// And the configuration, for a program that does not say.
const CONFIGURATIONS: &[&str] = &[
    "/etc/nginx/nginx.conf",
    "/usr/local/nginx/conf/nginx.conf",
    "/usr/local/etc/nginx/nginx.conf",
    "/usr/local/openresty/nginx/conf/nginx.conf",
];

struct Nginx {
    settings: NginxConfig,
    config: TargetConfig,
}

impl Target for Nginx {
    fn observe(&self, host: &Host) -> Result<Site, TargetError> {
        let name = &self.config.name;
        let Learned { servers, mut notes } = learn(host, &self.settings, name)?;
        let pairs = Pairs::of(&servers);
        let wanted = match &self.settings.certificate {
            Some(path) => pairs.by_certificate(path),
            None => pairs.by_names(&self.config.names, &mut notes),
        };
        let chosen = wanted.ok_or_else(|| TargetError::NoPair {
            target: name.clone(),
            wanted: match &self.settings.certificate {
                Some(path) => format!("certificate {}", path.display()),
                None => format!("names {}", join(&self.config.names)),
            },
            found: pairs.list(),
        })?;
        if let Some((path, other)) = pairs.shared_with_others(&chosen.pairs) {
            return Err(TargetError::Shared { target: name.clone(), path, other });
        }
        let reads_per_handshake = pairs.reads_per_handshake(&chosen, &mut notes);
        let mut described = pairs.describe(&chosen, &self.config.names, host, &mut notes);
        for pair in &mut described {
            if !self.config.listen.is_empty() {
                let family = pair.family;
                pair.probes = self.config.listen.iter().map(|it| pairs::of_family(it.probe(), family)).collect();
            }
            pair.probes.extend(self.config.probe.clone().map(Probe::Command));
        }
        let mut said = BTreeSet::new();
        notes.retain(|note| said.insert(note.clone()));
        Ok(Site { pairs: described, apply: self.apply(), reads_per_handshake, notes })
    }
}

impl Nginx {
    fn apply(&self) -> Apply {
        let Apply { check, reload, restart } = self.config.apply.clone();
        Apply {
            check: Some(check.unwrap_or_else(|| command(&self.settings, &["-t"]))),
            reload: Some(reload.unwrap_or_else(|| command(&self.settings, &["-s", "reload"]))),
            restart,
        }
    }
}

/// A configuration, as far as certificates are concerned.
struct Learned {
    servers: Vec<Server>,
    notes: Vec<String>,
}

fn learn(host: &Host, settings: &NginxConfig, target: &str) -> Result<Learned, TargetError> {
    let refusal = match host.capture(&command(settings, &["-T"]), MAX_DUMP) {
        Ok(output) => match Dump::read(&output) {
            Some(dump) => match include::expand(&dump.main, &dump) {
                Ok((directives, notes)) => {
                    return Ok(Learned { servers: server::read(&directives, parent(&dump.main)), notes });
                }
                // nginx has read it, so a dump that cannot be read was taken apart at the wrong place: the files decide.
                Err(Unusable::Read(_) | Unusable::Syntax(_)) => {
                    "what nginx -T wrote could not be taken apart".to_owned()
                }
            },
            None => "nginx -T wrote no configuration".to_owned(),
        },
        Err(why) => why,
    };
    let Some(main) = main_file(host, settings, &refusal) else {
        return Err(TargetError::Silent { program: settings.binary.clone(), why: short(&refusal) });
    };
    let (directives, mut notes) = include::expand(&main, &Disk(host)).map_err(|error| match error {
        Unusable::Read(source) => TargetError::Read { target: target.to_owned(), path: main.clone(), source },
        Unusable::Syntax(fault) => {
            TargetError::Syntax { target: target.to_owned(), file: main.clone(), line: fault.line, what: fault.what }
        }
    })?;
    let asked = "nginx could not be asked for its configuration, and its files were read instead";
    notes.insert(0, format!("{asked}: {}", short(&refusal)));
    Ok(Learned { servers: server::read(&directives, parent(&main)), notes })
}

/// A door for the fuzzer, which no program has: what is found in the output of `nginx -T`.
#[cfg(fuzzing)]
#[doc(hidden)]
#[must_use]
pub fn understood(output: &str) -> Vec<super::Discovered> {
    let Some(dump) = Dump::read(output) else { return Vec::new() };
    let Ok((directives, notes)) = include::expand(&dump.main, &dump) else { return Vec::new() };
    let servers = server::read(&directives, parent(&dump.main));
    let binary = PathBuf::from(NginxConfig::BINARY);
    Pairs::of(&servers).discovered(&NginxConfig { binary, conf: None, prefix: None, certificate: None }, &notes)
}

/// The main configuration file, for when nginx does not write it out: as configured, as nginx names it when it refuses it
/// (`nginx: configuration file /etc/nginx/nginx.conf test failed`), or where it usually is.
fn main_file(host: &Host, settings: &NginxConfig, refusal: &str) -> Option<PathBuf> {
    if let Some(conf) = &settings.conf {
        return Some(conf.clone());
    }
    let named = refusal
        .lines()
        .filter_map(|line| line.split_once("configuration file ")?.1.strip_suffix(" test failed"))
        .map(PathBuf::from)
        .find(|path| path.is_absolute());
    let below = |prefix: &PathBuf| ["conf/nginx.conf", "nginx.conf"].map(|file| prefix.join(file));
    let usual = settings.prefix.iter().flat_map(below).chain(CONFIGURATIONS.iter().map(PathBuf::from));
    named.into_iter().chain(usual).find(|path| host.exists(path))
}

/// nginx's own complaint out of all that it wrote, on one line.
fn short(refusal: &str) -> String {
    let complaint = ["[emerg]", "[crit]", "[alert]", "[error]"]
        .iter()
        .find_map(|level| refusal.lines().find(|line| line.contains(level)))
        .or_else(|| refusal.lines().rfind(|line| !line.trim().is_empty()));
    complaint.unwrap_or("it said nothing").trim().to_owned()
}

fn discover(host: &Host) -> Result<Discovery, TargetError> {
    let Some(binary) = PROGRAMS.iter().map(PathBuf::from).find(|path| host.exists(path)) else {
        let looked = format!("there is no nginx: none of {} is there", PROGRAMS.join(", "));
        return Ok(Discovery { pairs: Vec::new(), looked: Some(looked) });
    };
    let settings = NginxConfig { binary, conf: None, prefix: None, certificate: None };
    let Learned { servers, notes } = learn(host, &settings, "nginx")?;
    let mut looked = format!("`{}` was run", command(&settings, &["-T"]));
    for note in &notes {
        looked.push_str(&format!("; {note}"));
    }
    Ok(Discovery { pairs: Pairs::of(&servers).discovered(&settings, &notes), looked: Some(looked) })
}

fn command(settings: &NginxConfig, arguments: &[&str]) -> Command {
    let mut argv = vec![settings.binary.display().to_string()];
    for (option, path) in [("-p", &settings.prefix), ("-c", &settings.conf)] {
        if let Some(path) = path {
            argv.extend([option.to_owned(), path.display().to_string()]);
        }
    }
    argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    Command::new(argv)
}

fn parent(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}

fn join(names: &[Name]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
