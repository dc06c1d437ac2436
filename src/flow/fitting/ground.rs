//! A fitting as it is now on this machine, and as it is to be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::change::{Attributes, Image};
use crate::config::{AcmeChallenge, SourceConfig, TargetConfig, TargetKind};
use crate::digest::Digest;
use crate::engine::vault::{Origin, Vault};
use crate::fitting::site::Start;
use crate::fitting::{Act, Fitting, Placed, PlacedLink, Site, Standing, WrongRights, site, systemd};
use crate::flow::beside::image;
use crate::flow::survey;
use crate::flow::{Refusal, Session};
use crate::host::attributes::own;
use crate::host::dir::MAX_FILE;
use crate::host::state::State;
use crate::host::walk::Last;
use crate::host::{account::Account, exec, process};
use crate::outcome::explain;
use crate::target::layout::Place;

/// Whether units are enabled here that a package has shipped, whoever has enabled them.
pub(super) fn has_enabled_units(session: &Session<'_>) -> bool {
    let site = Site::look(session.host, Path::new("/"), site::PROGRAM.into(), &session.config.origin);
    site.shipped.is_some() && Fitting::Systemd.links(&site).iter().any(|link| session.host.is_link(&link.path))
}

/// A fitting, looked at.
pub(super) struct Ground {
    pub fitting: Fitting,
    pub site: Site,
    /// Each file it is to have, with what stands there.
    pub files: Vec<(Placed, Seen)>,
    /// What reseal had placed for it, and what is not to be there any more.
    pub former: Vec<(PathBuf, Seen)>,
    pub links: Vec<LinkSeen>,
    /// Those directories of files and links that are there.
    pub dirs: BTreeSet<PathBuf>,
    /// What reseal has placed, as the kept generations tell.
    ours: BTreeMap<PathBuf, Vec<Digest>>,
    /// The users who may own its files.
    owners: Vec<u32>,
    /// What could not be found out.
    pub notes: Vec<String>,
}

/// What stands at a path.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The digest of a file; none where nothing is.
    pub digest: Option<Digest>,
    /// Its owner and mode.
    pub attributes: Option<Attributes>,
    /// Whether its directory is there.
    pub has_dir: bool,
}

/// A link, and whether it is there.
pub(super) struct LinkSeen {
    pub link: PlacedLink,
    /// Something is at its path: systemd takes a file there, too.
    pub there: bool,
    /// A link is.
    pub is_link: bool,
}

impl Ground {
    /// Looks at a fitting. Changes nothing.
    pub(super) fn look(session: &Session<'_>, fitting: &Fitting) -> Result<Self, Refusal> {
        let host = session.host;
        let (root, program) = match &session.options.root {
            Some(root) => (root.clone(), PathBuf::from(site::PROGRAM)),
            None => (PathBuf::from("/"), process::program().unwrap_or_else(|_| site::PROGRAM.into())),
        };
        let mut site = Site::look(host, &root, program, &session.config.origin);
        if session.options.root.is_some() {
            (site.config, site.state) = (site::CONFIG.into(), site::STATE.into());
        }
        let mut ground = Self {
            fitting: fitting.clone(),
            files: Vec::new(),
            former: Vec::new(),
            links: Vec::new(),
            dirs: BTreeSet::new(),
            ours: ours(session, fitting)?,
            owners: vec![0],
            notes: Vec::new(),
            site,
        };
        // A system below another root is being made by whoever runs this.
        ground.owners.extend(session.options.root.as_ref().map(|_| own(0).uid));
        match fitting {
            Fitting::Systemd => {
                ground.places(session);
                ground.site.starts = starts(session);
            }
            Fitting::Cron => ground.site.starts = starts(session),
            Fitting::Apt | Fitting::Dnf | Fitting::Directory(_) => {}
        }
        for file in fitting.files(&ground.site) {
            let seen = ground.seen(session, &file.path)?;
            ground.files.push((file, seen));
        }
        let is_former = |path: &&PathBuf| !ground.files.iter().any(|(file, _)| file.path == **path);
        let former: Vec<PathBuf> = ground.ours.keys().filter(is_former).cloned().collect();
        for path in former {
            let seen = ground.seen(session, &path)?;
            ground.know_dirs(session, &path);
            ground.former.push((path, seen));
        }
        for link in fitting.links(&ground.site) {
            let is_link = host.is_link(&link.path);
            ground.know_dirs(session, &link.path);
            ground.links.push(LinkSeen { there: is_link || host.exists(&link.path), is_link, link });
        }
        let paths: Vec<PathBuf> = ground.files.iter().map(|(file, _)| file.path.clone()).collect();
        for path in paths {
            ground.know_dirs(session, &path);
        }
        Ok(ground)
    }

    fn know_dirs(&mut self, session: &Session<'_>, path: &Path) {
        let there = path.ancestors().skip(1).filter(|dir| session.host.is_folder(dir));
        self.dirs.extend(there.map(Path::to_owned));
    }

    /// What stands at a path; a link there is somebody's decision.
    pub(super) fn seen(&self, session: &Session<'_>, path: &Path) -> Result<Seen, Refusal> {
        let has_dir = path.parent().is_some_and(|dir| session.host.is_folder(dir));
        if session.host.is_link(path) {
            let place = session.host.place(path, Last::Keep, &session.host.trusting(None))?;
            let to = place.dir.link_text(&place.name)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let refusal = Refusal::new(format!("{} is a link to {}", path.display(), Path::new(&to).display()));
            return Err(if Path::new(&to) == Path::new("/dev/null") {
                let refusal = Refusal::new(format!("{name} is masked: {} is a link to /dev/null", path.display()));
                refusal
                    .hint(format!("somebody has switched it off for good: `systemctl unmask {name}` allows it again"))
            } else {
                refusal.hint("look at it, and remove it: reseal writes through no link there")
            });
        }
        let (_, found) = image(session.host, path)?;
        if super::stands(&found) && found.digest().is_none() {
            return Err(Refusal::new(format!("{} is a {found}", path.display())).hint("look at it, and move it away"));
        }
        let digest = found.digest();
        let attributes = match found {
            Image::File { attributes, .. } => Some(attributes),
            Image::Absent | Image::Link { .. } | Image::Dir { .. } => None,
        };
        Ok(Seen { digest, attributes, has_dir })
    }

    /// How a file stands.
    pub(super) fn standing(&self, file: &Placed, seen: &Seen) -> Standing {
        let there = seen.digest.zip(seen.attributes.as_ref());
        file.standing(there, self.ours.get(&file.path).map_or(&[], Vec::as_slice), &self.owners)
    }

    /// What an edited file of a unit lacks of the paths that it is to name, and what to do, where nothing beside it names them: the unit can
    /// not do its work there.
    pub(super) fn lacks(&self, session: &Session<'_>, file: &Placed) -> Option<String> {
        if self.fitting != Fitting::Systemd {
            return None;
        }
        // The administrator's own drop-ins are of other names.
        let dir = systemd::own_dir(&file.path);
        let beside = dir.iter().flat_map(|dir| session.host.list(dir).into_iter().flatten().map(|name| dir.join(name)));
        let all: BTreeSet<PathBuf> = beside
            .filter(|path| path.extension().is_some_and(|end| end == "conf"))
            .chain([file.path.clone()])
            .collect();
        let read = |path: &PathBuf| session.host.read(path, MAX_FILE).ok();
        let texts: Vec<String> =
            all.iter().filter_map(read).map(|text| String::from_utf8_lossy(&text).into_owned()).collect();
        let missing = systemd::unnamed(&file.content, &texts);
        let (first, more) = missing.split_first()?;
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        let install = format!("`reseal {} {} --force`", self.fitting.family().verb(Act::Install), self.fitting);
        let unit = dir.as_deref().unwrap_or(&file.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let unit = unit.strip_suffix(".d").unwrap_or(&unit);
        Some(format!(
            "was edited, and lacks `{first}`{more}: {install} writes it anew, or `systemctl edit {unit}` takes the line and leaves the file as it is"
        ))
    }

    /// What is wrong with the owner and the mode of a file.
    pub(super) fn wrong(&self, file: &Placed, seen: &Seen) -> Vec<WrongRights> {
        seen.attributes.as_ref().map(|rights| file.wrong(rights, &self.owners)).unwrap_or_default()
    }

    /// Whether what stands there is what reseal has put there once.
    pub(super) fn is_ours(&self, path: &Path, seen: &Seen) -> bool {
        let rendered = self
            .files
            .iter()
            .any(|(file, _)| file.path == path && seen.digest == Some(Digest::of(file.content.as_bytes())));
        let known = self.ours.get(path).is_some_and(|all| seen.digest.is_some_and(|digest| all.contains(&digest)));
        rendered || known
    }

    /// Whether anything of it is in place.
    pub(super) fn is_there(&self) -> bool {
        let placed = self
            .files
            .iter()
            .any(|(file, seen)| self.standing(file, seen) == Standing::AsRendered || self.is_ours(&file.path, seen));
        // A package enables its units, whatever else of reseal's is to be beside them.
        placed || self.links.iter().any(|link| link.there)
    }

    /// Refuses where it would be of no use, or of harm.
    pub(super) fn can_be_placed(&self, session: &Session<'_>) -> Result<(), Refusal> {
        let host = session.host;
        let site = &self.site;
        let inside = |path: &str| site.root.join(path.trim_start_matches('/'));
        let needs = |what: &str, dir: &Path, hint: &str| {
            if host.is_folder(dir) {
                return Ok(());
            }
            Err(Refusal::new(format!("there is no {what} here: {} is not there", dir.display())).hint(hint))
        };
        match &self.fitting {
            Fitting::Systemd if !site.has_systemd(host) => {
                return Err(Refusal::new("there is no systemd on this system".to_owned())
                    .hint("`reseal schedule install cron` uses cron instead"));
            }
            Fitting::Systemd => {}
            Fitting::Cron => needs(
                "cron",
                &inside("/etc/cron.d"),
                "install cron, or start `reseal maintain` daily by what this system has instead",
            )?,
            Fitting::Apt => needs("apt", &inside("/etc/apt"), "`reseal hook install dnf` is for systems with rpm")?,
            Fitting::Dnf => {
                needs("dnf", &inside("/etc/dnf"), "`reseal hook install apt` is for Debian and what is made of it")?;
            }
            Fitting::Directory(dir) => {
                needs("such directory", dir, "name the directory whose programs the installer runs")?;
            }
        }
        if session.options.root.is_some() {
            return Ok(());
        }
        if !Account::of_this_process().root {
            return Err(Refusal::new(format!("only root can place {} into the system", self.fitting.target()))
                .hint("run it with sudo"));
        }
        for (what, path) in
            [("program", &site.program), ("configuration", &site.config), ("state directory", &site.state)]
        {
            if !site::is_plain(path) {
                return Err(Refusal::new(format!(
                    "the {what} {} has a character in its path that units, crontabs and shells take for something else",
                    path.display()
                ))
                .hint("keep it below a path of letters, digits and `.`, `_`, `-`, `+`"));
            }
        }
        let hidden =
            systemd::is_a_home(&site.program) || ["/tmp", "/var/tmp"].iter().any(|dir| site.program.starts_with(dir));
        if hidden && self.fitting == Fitting::Systemd {
            return Err(Refusal::new(format!(
                "the program is {}, where the units cannot see it: homes and temporary files are hidden from them",
                site.program.display()
            ))
            .hint("put it into /usr/local/bin, and run it from there"));
        }
        exec::check_kept(&site.program).map_err(|error| {
            Refusal::new(format!("root would run this program by itself, and {}", explain(&error)))
                .hint("put it into /usr/local/bin, and run it from there")
        })
    }

    /// Finds out what renewals write to, and what others may write to.
    fn places(&mut self, session: &Session<'_>) {
        let (mut written, mut watched) = (BTreeSet::new(), BTreeSet::new());
        for target in &session.config.targets {
            let mut files: Vec<PathBuf> = configured(target);
            match survey::survey(session.host, target, &session.live_dir) {
                Ok(survey) => {
                    files.extend(survey.slots().into_iter().map(|slot| slot.path));
                    for place in survey.pairs.iter().flat_map(|pair| &pair.places) {
                        match place {
                            Place::InPlace { path } => written.extend(path.parent().map(Path::to_owned)),
                            Place::Adopted { dir, .. } => written.extend(dir.parent().map(Path::to_owned)),
                        }
                    }
                }
                Err(refusal) => {
                    self.notes.push(format!(
                        "which files {} has could not be found out in full: {}",
                        target.name, refusal.why
                    ));
                }
            }
            written.extend(files.iter().filter_map(|file| file.parent()).map(Path::to_owned));
            if let SourceConfig::Acme(acme) = &target.source
                && let AcmeChallenge::Webroot { root } = &acme.challenge
            {
                written.insert(root.clone());
            }
            watched.extend(files);
        }
        if self.site.state != Path::new(site::STATE) && session.options.root.is_none() {
            written.insert(self.site.state.clone());
        }
        for path in written.iter().chain(&watched).filter(|path| !systemd::can_name(path)) {
            self.notes.push(format!("{} cannot be named in a unit", path.display()));
        }
        self.site.written = written.into_iter().filter(|path| systemd::can_name(path)).collect();
        self.site.watched = watched.into_iter().filter(|path| systemd::can_name(path)).collect();
    }
}

/// The maintenance windows of all targets. One in a zone that is not known here never opens, which `check` tells.
fn starts(session: &Session<'_>) -> Vec<Start> {
    let windows = session.config.targets.iter().flat_map(|target| &target.policy.window);
    let known = windows.filter(|window| session.host.zone(window.zone()).is_ok());
    let all: BTreeSet<Start> =
        known.map(|window| Start { calendar: window.calendar(), minutes: window.minutes() }).collect();
    all.into_iter().collect()
}

/// The files that the configuration itself names.
fn configured(target: &TargetConfig) -> Vec<PathBuf> {
    match &target.kind {
        TargetKind::Files(files) => files.slots().into_iter().map(|slot| slot.path).collect(),
        TargetKind::Nginx(nginx) => nginx.certificate.iter().cloned().collect(),
    }
}

/// What reseal has placed, by path. What a restore has put back may have been another's: it is not counted, and what reseal had written of it is
/// known from when it was written.
fn ours(session: &Session<'_>, fitting: &Fitting) -> Result<BTreeMap<PathBuf, Vec<Digest>>, Refusal> {
    let mut ours: BTreeMap<PathBuf, Vec<Digest>> = BTreeMap::new();
    let Some(state) = State::open(session.host)? else { return Ok(ours) };
    let Some(vault) = Vault::open(&state, &fitting.target())? else { return Ok(ours) };
    for generation in vault.numbers()? {
        // A damaged one knows less: then more is taken for another's, and left alone.
        let Ok(manifest) = vault.manifest(generation) else { continue };
        if !matches!(manifest.origin, Origin::Made { repeats: None, .. }) {
            continue;
        }
        for saved in manifest.slots {
            let known = ours.entry(saved.path).or_default();
            known.extend(saved.file.map(|file| file.sha256));
        }
    }
    Ok(ours)
}
