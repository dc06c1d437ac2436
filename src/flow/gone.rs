//! Directories of a target that are gone, with the service that an upgrade has removed, say. Who owned them and how they were shut was
//! never recorded, so nothing is guessed: a person makes them again.

use std::path::Path;

use super::Refusal;
use super::survey::Survey;
use crate::change::typed;
use crate::config::TargetConfig;
use crate::host::Host;
use crate::target::layout::Place;

/// Refuses to put files where no directory is.
///
/// # Errors
/// Names the directory, and what makes it again.
pub(super) fn refuse(host: &Host, config: &TargetConfig, survey: &Survey, verb: &str) -> Result<(), Refusal> {
    let places = survey.pairs.iter().flat_map(|pair| pair.pair.slots.iter().zip(&pair.places));
    let in_place = places.filter(|(_, place)| matches!(place, Place::InPlace { .. }));
    let mut gone: Vec<&Path> = in_place.filter_map(|(slot, _)| slot.path.parent()).collect();
    // A link that leads nowhere is somebody's, and is told as one.
    gone.retain(|dir| !host.is_folder(dir) && !host.exists(dir) && !host.is_link(dir));
    gone.sort_unstable();
    gone.dedup();
    let Some(first) = gone.first() else { return Ok(()) };
    let shown = gone.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>();
    let above = first.ancestors().skip(1).find(|dir| host.is_folder(dir));
    let owner = above.and_then(|dir| host.owner_of(dir)).unwrap_or(0);
    let why = format!(
        "the directory {} of {} is not there, and whose it is to be and who may enter it is not recorded",
        shown.join(" and "),
        config.name
    );
    // What was named besides the target has to be named again.
    let again = match verb {
        "renew" | "maintain" | "activate" | "post-upgrade" => format!("then `reseal {verb} {}`", config.name),
        _ => "then the same command again".to_owned(),
    };
    let words = gone.iter().map(|dir| typed(dir)).collect::<Vec<_>>().join(" ");
    Err(Refusal::new(why)
        .hint(format!("make it as the service needs it: `install -d -o {owner} -m 0755 {words}`; {again}")))
}
