//! `adopt NAME`: makes the service's paths links through one directory link, so that one rename switches the whole pair; and
//! `adopt NAME --undo`.

use std::path::{Path, PathBuf};

use super::change::{self, Intent};
use super::survey::{self, Survey};
use super::{Refusal, Report, Session, switch};
use crate::change::Image;
use crate::config::TargetConfig;
use crate::engine::ConfigTest;
use crate::host::process;
use crate::target::layout;

const VERB: &str = "adopt";

/// Adopts a target, or gives it back.
pub fn run(session: &mut Session<'_>, name: &str, undo: bool) -> Report {
    if let Err(outcome) = session.begin(VERB, name) {
        return Report::new(name, outcome);
    }
    let config = match session.target(name) {
        Ok(config) => config.clone(),
        Err(refusal) => return Report::new(name, refusal.outcome()),
    };
    if undo { release(session, &config) } else { adopt(session, &config) }
}

fn adopt(session: &mut Session<'_>, config: &TargetConfig) -> Report {
    let force = session.options.force;
    let dir = session.live_dir.join(&config.name);
    let (host, live_dir) = (session.host, session.live_dir.clone());
    let intent = Intent {
        verb: VERB,
        why: "switch certificate and key with one rename".to_owned(),
        repeats: None,
        config_test: ConfigTest::MustPass,
    };
    let build = |survey: &Survey, upcoming: crate::engine::Upcoming| {
        if survey.adopted() {
            return Ok(None);
        }
        refuse_unreadable(host, survey.owner, &live_dir, force)?;
        for pair in &survey.pairs {
            if pair.installed.chain.is_none() || pair.looks.iter().any(|look| !matches!(look.image, Image::File { .. }))
            {
                return Err(Refusal::new(format!(
                    "{} cannot be adopted: not every file of its pair is there",
                    config.name
                ))
                .hint("install a certificate first"));
            }
            if pair.installed.key.is_anothers() && !force {
                let name = &config.name;
                return Err(Refusal::new(format!(
                    "{name} is not adopted: the key in its files is not that of the certificate, and what is adopted is what is wanted"
                ))
                .hint(format!("`reseal post-upgrade {name}` or `reseal restore {name}` puts a pair there; then the same command again")));
            }
        }
        let pieces = change::present(survey);
        let missing = switch::missing(host, &dir)?;
        let mut steps = layout::adopt(pieces, &dir, &missing, upcoming.generation);
        point_at_places(survey, &mut steps);
        let leaf = survey.pairs.first().and_then(|pair| pair.installed.leaf());
        let leaf_at = |index| change::present_leaf(survey, index);
        Ok(Some(change::change(config, survey, steps, leaf, &leaf_at, &intent)))
    };
    let look = change::look(config);
    change::carry_out(session, config, VERB, &look, &build)
}

fn release(session: &mut Session<'_>, config: &TargetConfig) -> Report {
    let intent =
        Intent { verb: VERB, why: "plain files again".to_owned(), repeats: None, config_test: ConfigTest::MustPass };
    let (host, dir) = (session.host, session.live_dir.join(&config.name));
    let build = |survey: &Survey, _| {
        // Where somebody has put a file in the place of a link, that one is plain already.
        let places = survey.pairs.iter().flat_map(|pair| pair.pair.slots.iter().zip(&pair.places));
        let adopted: Vec<&Path> = places
            .filter(|(_, place)| matches!(place, layout::Place::Adopted { .. }))
            .map(|(slot, _)| slot.path.as_path())
            .collect();
        if adopted.is_empty() {
            return Ok(None);
        }
        if let Some(path) = survey.lost().first() {
            let name = &config.name;
            return Err(Refusal::new(format!("{name} is not given back: what {} leads to is lost", path.display()))
                .hint(format!("`reseal restore {name}` puts the pair back there; then the same command again")));
        }
        let mut pieces = Vec::new();
        for piece in change::present(survey).into_iter().filter(|piece| adopted.contains(&piece.slot.path.as_path())) {
            let link = switch_link(host, config, (&piece.slot.path, &dir), survey.owner)?;
            pieces.push((piece, link));
        }
        let steps = layout::release(pieces);
        let leaf = survey.pairs.first().and_then(|pair| pair.installed.leaf());
        let leaf_at = |index| change::present_leaf(survey, index);
        Ok(Some(change::change(config, survey, steps, leaf, &leaf_at, &intent)))
    };
    let look = change::look(config);
    change::carry_out(session, config, VERB, &look, &build)
}

/// The link on the way from a path that leads into the target's directory.
fn switch_link(
    host: &crate::host::Host,
    config: &TargetConfig,
    (path, dir): (&Path, &Path),
    owner: Option<u32>,
) -> Result<PathBuf, Refusal> {
    let through = switch::through(host, path, dir, owner);
    through.map(|(link, _)| link).ok_or_else(|| {
        let switch = dir.join(layout::CURRENT);
        Refusal::new(format!("no link into {} was found on the way from {}", switch.display(), path.display()))
            .hint(format!(
                "somebody else has changed the links: put plain files there by hand, then `reseal install {} --cert FILE --key FILE`",
                config.name
            ))
    })
}

/// A path that is a link already keeps its link: what it leads to becomes the link into the target's directory.
fn point_at_places(survey: &Survey, steps: &mut [crate::change::Step]) {
    for step in steps {
        let crate::change::Step::PutLink { path, .. } = step else { continue };
        for pair in &survey.pairs {
            for (slot, place) in pair.pair.slots.iter().zip(&pair.places) {
                if let layout::Place::InPlace { path: real } = place
                    && slot.path == *path
                {
                    path.clone_from(real);
                }
            }
        }
    }
}

/// Refuses where the service could not read through the links: it runs in another root, or under a mandatory-access profile
/// that names paths.
fn refuse_unreadable(
    host: &crate::host::Host,
    owner: Option<u32>,
    live_dir: &Path,
    force: bool,
) -> Result<(), Refusal> {
    if force {
        return Ok(());
    }
    let Some(uid) = owner else { return Ok(()) };
    let closed = survey::closed_to(host, live_dir, uid);
    if let Some(dir) = closed {
        return Err(Refusal::new(format!("the service's user could not enter {}", dir.display()))
            .hint("open that directory to it (`chmod o+x`), or choose another `live_dir`"));
    }
    if let Some(confined) = process::confined(uid).into_iter().next() {
        return Err(Refusal::new(format!("process {} of the service's user {}", confined.pid, confined.how)).hint(
            format!(
                "let it read {}, then insist with `--force`: the change is proved by handshakes and undone if it fails",
                live_dir.display()
            ),
        ));
    }
    Ok(())
}
