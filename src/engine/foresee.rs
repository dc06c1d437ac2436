//! What a change would be refused for, whatever it puts in place: a certificate that is made or ordered for nothing is a certificate more
//! that is good for somebody.

use super::failure::Failure;
use super::stage::{block, refuse_programs, refuse_short};
use super::{Change, Engine, images};
use crate::host::walk::Last;

/// Looks at the programs, the places and the room; less than is asked of the change itself, once it is known. Changes nothing.
pub(super) fn foresee(engine: &Engine<'_>, change: &Change) -> Result<(), Failure> {
    let trust = engine.host.trusting(change.demands.trusted_owner);
    refuse_programs(change)?;
    // New and old side by side.
    let least = block(1).max(change.demands.min_free);
    let demands = &change.demands;
    let looks = images(engine.host, &change.slots, (demands.trusted_owner, &demands.lost))?;
    // A directory that is lost is made by the change.
    let there = change.slots.iter().zip(looks).filter(|(slot, _)| !demands.lost.contains(&slot.path));
    for (_, (path, _)) in there {
        let place = engine.host.place(&path, Last::Keep, &trust)?;
        place.dir.replaceable(&place.name)?;
        refuse_short(place.dir.room()?, least, 1, &place.dir.path().display().to_string())?;
    }
    let state = engine.state.root();
    refuse_short(state.room()?, least, 1, &state.path().display().to_string())
}
